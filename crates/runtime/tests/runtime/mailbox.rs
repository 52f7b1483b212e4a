//! Mail may be late, out of order and twice. What it says counts once, and nothing of it is lost.

use std::collections::BTreeMap;
use std::sync::Arc;

use engine::Entity;
use model::{EntityId, PartitionId, Profile, PromiseStatus, Time};
use runtime::{Base, Fold, Logs};
use store::Keys;

use crate::history::{BY_HAND, History, Maker, Run, Step, Taste};
use crate::support::{DAY, Rng, START, scale, temp, test_keys};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Post {
    /// Each mail at once.
    AtOnce,
    /// Before each commit, as an embedded store does.
    BeforeCommit,
    /// As the history says: late, out of order, some twice.
    AsItComes,
}

/// What may not depend on the post.
#[derive(PartialEq, Debug)]
struct Person {
    profile: Profile,
    merged_into: Option<EntityId>,
    promises: BTreeMap<String, PromiseStatus>,
}

fn live(keys: &Arc<Keys>, history: &History, post: Post) -> (Run, BTreeMap<EntityId, Person>) {
    let logs = Logs::Memory { intake: history.intake.clone(), journal: Vec::new() };
    let fold = Fold::new(PartitionId(0), keys.clone(), Base::Empty, 0, logs, 1).unwrap();
    let mut run = Run::new(fold);
    if post == Post::AsItComes {
        run.fold.set_delivery(BY_HAND);
    }
    for (index, step) in history.steps.iter().enumerate() {
        if post == Post::AsItComes || !matches!(step, Step::Deliver { .. }) {
            run.step(step, index);
        }
        if post == Post::AtOnce {
            run.deliver_all();
        }
    }
    run.deliver_all();
    run.fold.tick(Time(START.0 + 400 * DAY)).unwrap();
    run.commit(history.steps.len());
    let people = run.entities(history.intake.len());
    let people = people.into_iter().filter_map(|(id, entity)| {
        let Entity::Customer(customer) = entity else { return None };
        let promises = customer.promises.into_iter().map(|(id, promise)| (id, promise.status)).collect();
        Some((id, Person { profile: customer.profile, merged_into: customer.merged_into, promises }))
    });
    let people = people.collect();
    (run, people)
}

#[test]
fn how_mail_travels_changes_no_profile_and_no_outcome() {
    let dir = temp();
    let keys = test_keys(dir.path());
    let mut merges = 0;
    let mut forwarded = 0;
    for seed in 1..=scale(500, 10_000, 100_000) {
        let seed = seed ^ 0x3A11;
        let steps = 30 + Rng::new(seed).below(120);
        let taste = Taste { steps, import: false, erase: false, by_hand: true, twice: true, gentle: true };
        let history = Maker::new(seed, &keys).make(taste);
        let (at_once, expected) = live(&keys, &history, Post::AtOnce);
        for (post, name) in [(Post::BeforeCommit, "before commits"), (Post::AsItComes, "as it comes")] {
            let (run, people) = live(&keys, &history, post);
            for id in expected.keys().chain(people.keys()) {
                assert_eq!(expected.get(id), people.get(id), "seed {seed}, mail {name}: {id}");
            }
            assert_eq!(at_once.fold.counters(), run.fold.counters(), "seed {seed}, mail {name}: counters");
            // Every input that counted stands in exactly one profile.
            let counted: u64 = people.values().map(|p| p.profile.events()).sum();
            assert_eq!(counted, run.fold.counters().applied, "seed {seed}, mail {name}: inputs in profiles");
        }
        merges += expected.values().filter(|person| person.merged_into.is_some()).count();
        forwarded += at_once.journal.len();
    }
    assert!(merges > 500 && forwarded > 0, "the histories merge people: {merges}");
}
