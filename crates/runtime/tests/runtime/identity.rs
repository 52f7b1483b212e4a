//! Who is who: people come together, part and stay apart by what was seen, in whatever order it came.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::sync::Arc;

use engine::identity::Verdict;
use model::codec::Stored;
use model::identity::HashedIdentifier;
use model::{
    Command, Dedupe, EntityId, Event, EventKind, Identifier, IntakeHeader, IntakeRecord, PartitionId,
    Profile, RecordKind, Time, TimelineId,
};
use runtime::{Base, Explanation, Fold, Logs, Node};
use serde_json::{Value, json};
use store::Keys;

use crate::support::{
    DAY, Home, MINUTE, Rng, START, assert_same, at, event, look, scale, send, temp, test_keys, track, without,
};

fn by<'a>(user: &'a str, device: &'a str, event: Event<'a>) -> Event<'a> {
    let named = |id: &str| (!id.is_empty()).then(|| id.to_owned().into());
    Event { user_id: named(user), anonymous_id: named(device), ..event }
}

fn identify(user: &str, device: &str, minute: i64, traits: &Value) -> Event<'static> {
    let event =
        Event { traits: Some(traits.to_string().into()), ..event(EventKind::Identify, "", at(minute)) };
    by(user, device, event).into_owned()
}

fn see(user: &str, device: &str, minute: i64) -> Event<'static> {
    by(user, device, event(EventKind::Page, "p", at(minute))).into_owned()
}

fn tell(home: &Home, node: &Node, events: &[Event<'_>]) {
    for event in events {
        send(node, &home.clock, event.timestamp, std::slice::from_ref(event));
    }
    node.drain().unwrap();
}

fn typed(text: &str) -> (String, String) {
    let (kind, value) = text.split_once(':').unwrap();
    (kind.to_owned(), value.to_owned())
}

/// The profile that stands for whom `kind:value` names.
fn who(node: &Node, text: &str) -> Option<EntityId> {
    let (kind, value) = typed(text);
    node.ask(move |fold| fold.lookup(&Identifier::of(&kind, &value)).unwrap()).unwrap()
}

fn explain(node: &Node, text: &str) -> Option<Explanation> {
    let (kind, value) = typed(text);
    node.ask(move |fold| fold.explain(&Identifier::of(&kind, &value)).unwrap()).unwrap()
}

fn say(node: &Node, one: &str, other: &str, joined: bool) -> bool {
    let (one, other) = (typed(one), typed(other));
    let now = node.clock.now();
    node.ask(move |fold| {
        let hashed = |fold: &Fold, (kind, value): &(String, String)| {
            fold.hashed(&Identifier::of(kind, value)).unwrap()
        };
        let (one, other) = (hashed(fold, &one), hashed(fold, &other));
        fold.say_of(&one, &other, joined, now).unwrap()
    })
    .unwrap()
}

fn events_of(node: &Node, text: &str) -> u64 {
    node.drain().unwrap();
    let id = who(node, text).unwrap();
    node.reader().unwrap().profile(id).unwrap().unwrap().event_count
}

/// The store is the same when its caches are dropped and everything is folded again.
fn assert_folds_again(home: &Home, node: Node) -> Node {
    assert_folds_again_without(home, node, &[])
}

/// The same but for what is left of the erased.
fn assert_folds_again_without(home: &Home, node: Node, gone: &[EntityId]) -> Node {
    let before = without(&look(&node), gone);
    drop(node);
    for cache in ["views", "state"] {
        fs::remove_dir_all(home.dir().join(cache)).unwrap();
    }
    let node = home.open();
    assert_same(&before, &without(&look(&node), gone), "folded again");
    node
}

#[test]
fn a_visitor_who_signs_in_is_one_person_and_can_be_parted_again() {
    let home = Home::new();
    let node = home.open();
    let mail = json!({ "email": "Kim@Example.org", "name": "Kim" });
    tell(
        &home,
        &node,
        &[
            see("", "a", 1),
            see("", "a", 2),
            identify("kim", "a", 3, &mail),
            see("kim", "", 4),
            see("", "a", 5),
        ],
    );
    let kim = who(&node, "user:kim").unwrap();
    assert_eq!(who(&node, "anonymous:a"), Some(kim));
    assert_eq!(who(&node, "email:kim@example.ORG"), Some(kim), "an address leads to whose it is");
    assert_eq!(events_of(&node, "user:kim"), 5);
    assert_eq!(node.reader().unwrap().profiles(None, 10).unwrap().len(), 1, "one person, one row");

    // Why.
    let why = explain(&node, "email:kim@example.org").unwrap();
    assert_eq!(why.head, Some(kim));
    let names: Vec<Vec<String>> = why
        .homes
        .iter()
        .map(|home| {
            home.identifiers.iter().map(|n| format!("{}:{}", n.kind, n.value.as_deref().unwrap())).collect()
        })
        .collect();
    assert_eq!(names, [["user:kim"], ["anonymous:a"]]);
    assert_eq!(why.ties.len(), 2);
    assert!(why.ties.iter().all(|tie| tie.verdict == Verdict::Holds && tie.at == at(3)));
    let [merged] = &why.lineage[..] else { panic!("one merge: {:?}", why.lineage) };
    assert_eq!((merged.merged_into, merged.cause), (Some(kim), model::Cause::Input(3)));

    // It was somebody else at the keyboard.
    assert!(say(&node, "anonymous:a", "user:kim", false));
    assert_eq!((events_of(&node, "user:kim"), events_of(&node, "anonymous:a")), (2, 3));
    assert_eq!(node.reader().unwrap().profiles(None, 10).unwrap().len(), 2);
    // Nothing that is seen later brings them together, until somebody says so.
    tell(&home, &node, &[see("kim", "a", 6), see("", "a", 7)]);
    let node = assert_folds_again(&home, node);
    assert_eq!((events_of(&node, "user:kim"), events_of(&node, "anonymous:a")), (3, 4));
    let why = explain(&node, "anonymous:a").unwrap();
    assert!(why.ties.iter().any(|tie| tie.verdict == Verdict::Parted), "{:?}", why.ties);
    assert_eq!(why.lineage.len(), 2, "came and went: {:?}", why.lineage);
    assert!(say(&node, "anonymous:a", "user:kim", true));
    assert_eq!(events_of(&node, "user:kim"), 7);
    let node = assert_folds_again(&home, node);
    assert_eq!(who(&node, "anonymous:a"), who(&node, "user:kim"));
}

#[test]
fn placeholders_and_shared_things_fuse_nobody() {
    let home = Home::new();
    let node = home.open();
    let none = json!({ "email": "none", "phone": "000-0000", "loyalty_card": "0" });
    let family = json!({ "email": "home@example.org" });
    tell(
        &home,
        &node,
        &[
            identify("ann", "tablet", 1, &none),
            see("", "tablet", 2),
            identify("ben", "tablet", 3, &none),
            see("guest", "tablet", 4),
            see("guest", "", 5),
            identify("ann", "", 6, &family),
            identify("ben", "", 7, &family),
        ],
    );
    let people: BTreeSet<_> =
        ["user:ann", "user:ben", "anonymous:tablet"].iter().map(|id| who(&node, id)).collect();
    assert_eq!(people.len(), 3, "three, and nobody is lost: {people:?}");
    assert_eq!(who(&node, "user:guest"), None);
    assert!(explain(&node, "user:guest").unwrap().blocked);
    assert_eq!(who(&node, "email:home@example.org"), None, "an address of two leads to neither");
    let why = explain(&node, "email:home@example.org").unwrap();
    assert!(why.ties.iter().all(|tie| tie.verdict == Verdict::Shared), "{:?}", why.ties);
    assert_eq!(events_of(&node, "anonymous:tablet"), 2, "what was done without a name");
    assert_eq!((events_of(&node, "user:ann"), events_of(&node, "user:ben")), (2, 2));
    assert_folds_again(&home, node);
}

#[test]
fn what_is_owned_stays_where_it_was_made_and_no_retry_counts_twice_across_a_merge() {
    let home = Home::new();
    let node = home.open();
    let placed = |user: &str, order: &str, minute: i64| {
        let promise = json!({ "order_id": order, "promise": { "due": at(minute + 600).to_string() } });
        track(user, "order.placed", at(minute), &promise)
    };
    let first = placed("old", "o-1", 1);
    tell(&home, &node, &[first.clone(), placed("new", "o-2", 2)]);
    let alias =
        Event { previous_id: Some("old".into()), ..by("new", "", event(EventKind::Alias, "", at(3))) };
    tell(&home, &node, &[alias]);
    let person = who(&node, "user:new").unwrap();
    assert_eq!(who(&node, "user:old"), Some(person), "an alias says that they are one");
    // The same message once more, and evidence that names only the order, or the person under either name.
    tell(&home, &node, std::slice::from_ref(&first));
    tell(&home, &node, &[track("new", "fulfillment.delivered", at(5), &json!({ "order_id": "o-1" }))]);
    tell(&home, &node, &[track("old", "fulfillment.delivered", at(6), &json!({ "order_id": "o-2" }))]);
    let row = node.reader().unwrap().profile(person).unwrap().unwrap();
    assert_eq!((row.orders, row.promises.made, row.promises.kept), (2, 2, 2), "the person's, summed");
    let orders = |node: &Node, text: &str| {
        let (_, user) = typed(text);
        node.ask(move |fold| {
            let hashed = fold.hashed(&Identifier::User(&user)).unwrap();
            let person = fold.lookup(&Identifier::User(&user)).unwrap().unwrap();
            let members = fold.person(person).unwrap();
            let mut owned = BTreeMap::new();
            for member in members {
                let customer = fold.entity(member).unwrap().customer().unwrap();
                owned.insert(member, customer.orders.keys().cloned().collect::<Vec<_>>());
            }
            (hashed, owned)
        })
        .unwrap()
        .1
    };
    assert!(orders(&node, "user:new").values().all(|orders| orders.len() == 1), "each keeps its own");
    assert!(say(&node, "user:old", "user:new", false));
    node.drain().unwrap();
    for (user, order) in [("user:old", "o-1"), ("user:new", "o-2")] {
        let owned = orders(&node, user);
        assert_eq!(owned.values().flatten().collect::<Vec<_>>(), [order], "{user}");
    }
    tell(&home, &node, &[first]);
    assert_eq!(events_of(&node, "user:old"), 2, "no retry counts after the parting either");
    assert_folds_again(&home, node);
}

#[test]
fn rules_hold_from_when_they_were_published() {
    let home = Home::new();
    let node = home.open();
    let badge =
        |user: &str, device: &str, minute: i64| identify(user, device, minute, &json!({ "badge": "B-7" }));
    tell(&home, &node, &[badge("ann", "", 1), badge("", "x", 2)]);
    assert_ne!(who(&node, "anonymous:x"), who(&node, "user:ann"), "nobody said that a badge names anybody");
    let rules = r#"{"types":{"badge":{"from":["traits.badge"]}}}"#.to_owned();
    node.command(EntityId::workspace(), Command::PublishIdentityRules { rules }).unwrap();
    tell(&home, &node, &[badge("ann", "", 3), badge("", "x", 4)]);
    assert_eq!(who(&node, "anonymous:x"), who(&node, "user:ann"));
    let node = assert_folds_again(&home, node);
    assert_eq!(who(&node, "badge:B-7"), who(&node, "user:ann"));
}

#[test]
fn strangers_who_share_a_placeholder_share_no_key_and_no_fate() {
    let home = Home::new();
    let node = home.open();
    let guest_order = track("guest", "order.placed", at(4), &json!({ "order_id": "o-guest" }));
    tell(
        &home,
        &node,
        &[
            see("guest", "a", 1),
            see("undefined", "b", 2),
            see("guest", "b", 3),
            guest_order,
            identify("kim", "a", 5, &json!({ "name": "Kim" })),
        ],
    );
    let kim = who(&node, "user:kim").unwrap();
    let row = node.reader().unwrap().profile(kim).unwrap().unwrap();
    assert_eq!(row.user_id.as_deref(), Some("kim"), "a placeholder is nobody's name");
    assert!(who(&node, "order:o-guest").is_some(), "a guest's order is an order without a person");
    let gone = node.erase(kim).unwrap();
    assert_eq!(gone.len(), 2, "Kim and the device before Kim");
    let node = assert_folds_again_without(&home, node, &gone);
    assert_eq!(events_of(&node, "anonymous:b"), 2, "another guest is not erased with Kim");
}

#[test]
fn who_is_left_after_an_erasure_is_who_they_are_when_all_is_folded_again() {
    let home = Home::new();
    let node = home.open();
    let events =
        [see("ben", "tablet", 1), see("ann", "tablet", 2), see("", "tablet", 3), see("ben", "phone", 4)];
    tell(&home, &node, &events);
    assert!(say(&node, "user:ben", "user:ann", false));
    let ann = who(&node, "user:ann").unwrap();
    let gone = node.erase(ann).unwrap();
    let node = assert_folds_again_without(&home, node, &gone);
    // The tablet has one user now, and what is done there from now on is Ben's: live and folded again alike.
    let live = home.killed("live");
    tell(&home, &node, &[see("", "tablet", 6)]);
    let expected = who(&node, "user:ben");
    assert_eq!(who(&node, "anonymous:tablet"), expected);
    drop(node);
    for cache in ["views", "state"] {
        fs::remove_dir_all(live.join(cache)).unwrap();
    }
    let node = home.open_at(&live);
    tell(&home, &node, &[see("", "tablet", 6)]);
    assert_eq!(who(&node, "anonymous:tablet"), who(&node, "user:ben"));
    // Ann comes back as somebody new.
    tell(&home, &node, &[see("ann", "", 7)]);
    assert_eq!(events_of(&node, "user:ann"), 1);
}

#[test]
fn an_erasure_takes_what_has_just_been_merged_and_leaves_what_was_parted() {
    let home = Home::new();
    let node = home.open();
    tell(&home, &node, &[see("", "old", 1), see("kim", "cafe", 2), see("", "cafe", 3)]);
    assert!(say(&node, "anonymous:cafe", "user:kim", false));
    // Folded, and the mail about the merge not delivered yet.
    let now = at(5);
    home.clock.set(now);
    let event = identify("kim", "old", 5, &json!({}));
    let record = node.seal_event("test", TimelineId::LIVE, now, Dedupe::None, &event).unwrap();
    node.submit_and_wait("test", vec![record]).unwrap();
    node.drain().unwrap();
    let kim = who(&node, "user:kim").unwrap();
    let old = who(&node, "anonymous:old").unwrap();
    let old = node.ask(move |fold| fold.person(old).unwrap()).unwrap();
    assert_eq!(old.len(), 2);
    let gone = node.erase(kim).unwrap();
    assert_eq!(gone.len(), 2, "Kim and the old device, not the café's");
    assert_eq!(events_of(&node, "anonymous:cafe"), 1);
    assert_folds_again_without(&home, node, &gone);
}

#[test]
fn a_kiosk_ties_nobody_however_many_use_it() {
    let home = Home::new();
    let node = home.open();
    let mut events = Vec::new();
    for n in 0..300 {
        events.push(see(&format!("u-{n}"), "kiosk-1", n));
        events.push(see(&format!("u-{n}"), "kiosk-2", n));
    }
    events.push(see("", "phone", 301));
    events.push(see("u-299", "phone", 302));
    send(&node, &home.clock, at(303), &events);
    node.drain().unwrap();
    assert_eq!(who(&node, "anonymous:phone"), who(&node, "user:u-299"), "one's own phone still is");
    let people: BTreeSet<_> = (0..300).map(|n| who(&node, &format!("user:u-{n}"))).collect();
    assert_eq!(people.len(), 300);
    let why = explain(&node, "user:u-7").unwrap();
    assert!(!why.cut_short && why.ties.iter().all(|tie| tie.verdict == Verdict::Shared), "{why:?}");
    assert_folds_again(&home, node);
}

#[test]
fn what_was_parted_by_hand_is_not_joined_by_an_order() {
    let home = Home::new();
    let node = home.open();
    let delivered =
        Event { user_id: None, ..track("", "fulfillment.delivered", at(1), &json!({ "order_id": "o-1" })) };
    let placed = |minute| track("ann", "order.placed", at(minute), &json!({ "order_id": "o-1" }));
    tell(&home, &node, &[delivered, placed(2)]);
    assert_eq!(who(&node, "order:o-1"), who(&node, "user:ann"));
    assert!(say(&node, "order:o-1", "user:ann", false));
    assert_ne!(who(&node, "order:o-1"), who(&node, "user:ann"));
    tell(&home, &node, &[placed(3)]);
    assert_ne!(who(&node, "order:o-1"), who(&node, "user:ann"));
    // A promise that was kept before anybody was promised it is whose it turns out to be.
    let kept =
        Event { user_id: None, ..track("", "promise.fulfilled", at(4), &json!({ "promise_id": "p-1" })) };
    let made = json!({ "promise_id": "p-1", "due": at(100).to_string() });
    tell(&home, &node, &[kept, track("ann", "promise.made", at(3), &made)]);
    assert_eq!(who(&node, "promise:p-1"), who(&node, "user:ann"));
    let ann = who(&node, "user:ann").unwrap();
    assert_eq!(node.reader().unwrap().profile(ann).unwrap().unwrap().promises.kept, 1);
    assert_folds_again(&home, node);
}

// ---- order -------------------------------------------------------------------------------------------------------

/// One thing that a source told, with its own time, whenever it comes.
#[derive(Clone)]
struct Told {
    source: &'static str,
    event: Event<'static>,
}

const USERS: [&str; 4] = ["ana", "ben", "cho", "dae"];
const DEVICES: [&str; 5] = ["d-1", "d-2", "d-3", "d-4", "d-5"];

/// Events of a few people over a few weeks; devices whose clocks are years off among them.
fn life(rng: &mut Rng) -> Vec<Told> {
    let mut all = Vec::new();
    // Few see more names than a profile keeps.
    let many = rng.chance(2);
    for n in 0..if many { 500 } else { 8 + rng.below(30) } {
        let mut when = START.plus_micros(rng.between(0, 20 * DAY));
        if rng.chance(5) {
            when = when.plus_micros((rng.between(-10, 10)) * 365 * DAY);
        }
        // Some happen at the very same time.
        if rng.chance(20) {
            when = START;
        }
        let user = if rng.chance(55) { *rng.pick(&USERS) } else { "" };
        let device = if user.is_empty() || rng.chance(50) { *rng.pick(&DEVICES) } else { "" };
        let mut told = match rng.below(10) {
            0..3 => {
                let traits = json!({
                    "email": format!("{}@example.org", rng.below(4)),
                    "phone": format!("010-1234-567{}", rng.below(3)),
                    "name": format!("n{}", rng.below(5)),
                    (format!("t{}", rng.below(400))): n,
                });
                Event { traits: Some(traits.to_string().into()), ..event(EventKind::Identify, "", when) }
            }
            3 if !user.is_empty() => {
                let previous = if rng.chance(50) { *rng.pick(&USERS) } else { *rng.pick(&DEVICES) };
                Event { previous_id: Some(previous.into()), ..event(EventKind::Alias, "", when) }
            }
            _ => event(EventKind::Track, &format!("seen {}", rng.below(300)), when).into_owned(),
        };
        told.message_id = format!("m-{n}").into();
        let source = if rng.chance(50) { "web" } else { "app" };
        all.push(Told { source, event: by(if many { USERS[0] } else { user }, device, told).into_owned() });
    }
    all
}

/// A person without the numbers that say in which order things came.
#[derive(PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Person {
    identifiers: Vec<String>,
    traits: String,
    counts: Vec<(String, u64)>,
    seen: (Option<Time>, Option<Time>),
    /// What happened, by its own time.
    timeline: Vec<(Time, String)>,
}

fn people(keys: &Arc<Keys>, told: &[Told], arrivals: &[Time]) -> Vec<Person> {
    let intake: Vec<Vec<u8>> = told
        .iter()
        .zip(arrivals)
        .map(|(told, received_at)| {
            let body = keys.seal(model::KeyId::STORE, &told.event.encode()).unwrap();
            let dedupe = Dedupe::Client(keys.hash_message(told.source, &told.event.message_id));
            let header = IntakeHeader {
                kind: RecordKind::Event,
                source: told.source.into(),
                timeline: TimelineId::LIVE,
                received_at: *received_at,
                at: *received_at,
                dedupe,
            };
            IntakeRecord { header, body }.encode()
        })
        .collect();
    let logs = Logs::Memory { intake: intake.clone(), journal: Vec::new() };
    let mut fold = Fold::new(PartitionId(0), keys.clone(), Base::Empty, 0, logs, 64).unwrap();
    for seq in 1..=intake.len() as u64 {
        fold.apply(seq).unwrap();
        if seq % 7 == 0 {
            fold.take_batch().unwrap();
        }
    }
    fold.take_batch().unwrap();
    let mut heads = BTreeSet::new();
    for seq in 1..=intake.len() as u64 {
        let id = EntityId::customer(PartitionId(0), seq);
        if fold.entity(id).unwrap().customer().unwrap().profile.events() > 0 {
            heads.insert(fold.head(id).unwrap());
        }
    }
    let mut people: Vec<Person> = heads.into_iter().map(|head| person(&mut fold, head, told)).collect();
    people.sort();
    people
}

fn person(fold: &mut Fold, head: EntityId, told: &[Told]) -> Person {
    let mut all = Profile::default();
    let mut timeline = Vec::new();
    for member in fold.person(head).unwrap() {
        all.absorb(&fold.entity(member).unwrap().customer().unwrap().profile);
        for (_, trace) in fold.trail(member).unwrap() {
            if let runtime::Trace::Input { intake } = trace {
                let event = &told[intake as usize - 1].event;
                timeline.push((event.timestamp, event.message_id.to_string()));
            }
        }
    }
    timeline.sort();
    let mut identifiers: Vec<String> = all.user_ids.iter().map(|id| format!("user:{id}")).collect();
    identifiers.extend(all.anonymous_ids.iter().map(|id| format!("anonymous:{id}")));
    Person {
        identifiers,
        traits: all.traits_json(),
        counts: all.counts.into_iter().collect(),
        seen: (all.first_seen, all.last_seen),
        timeline,
    }
}

#[test]
fn the_order_of_arrival_changes_nobody() {
    let dir = temp();
    let keys = test_keys(dir.path());
    let mut several = 0;
    for seed in 1..=scale(500, 10_000, 1_000_000) {
        let mut rng = Rng::new(seed ^ 0x1DE7);
        let told = life(&mut rng);
        let end = START.plus_micros(40 * DAY);
        let in_order = |told: &[Told]| {
            let mut sorted = told.to_vec();
            sorted.sort_by_key(|told| told.event.timestamp);
            sorted
        };
        let arrivals: Vec<Time> = (0..told.len() as i64).map(|n| end.plus_micros(n * MINUTE)).collect();
        let expected = people(&keys, &in_order(&told), &arrivals);
        // Each comes up to a week late, in the order that results.
        let mut late: Vec<(Time, Told)> =
            told.iter().map(|told| (end.plus_micros(rng.between(0, 7 * DAY)), told.clone())).collect();
        late.sort_by_key(|(arrives, _)| *arrives);
        let (arrivals, shuffled): (Vec<Time>, Vec<Told>) = late.into_iter().unzip();
        assert_eq!(people(&keys, &shuffled, &arrivals), expected, "seed {seed}");
        several += usize::from(expected.iter().any(|person| person.identifiers.len() > 1));
    }
    assert!(several > 100, "people have several identifiers: {several}");
}

#[test]
fn a_statement_about_strangers_is_nobodys() {
    let home = Home::new();
    let node = home.open();
    let stranger = |n: u8| HashedIdentifier { kind: "user".into(), hash: model::IdentifierHash([n; 16]) };
    let said = node.ask(move |fold| fold.say_of(&stranger(1), &stranger(2), true, START).unwrap()).unwrap();
    assert!(!said, "no history could own it");
    assert_eq!(explain(&node, "user:nobody"), None);
}
