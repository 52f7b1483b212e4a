//! Inputs on which the fold fails: they are passed over, and cost little even where one busy customer has many.

use model::{EntityId, Event, Time};
use runtime::{Item, Node};
use serde_json::json;
use views::DeadLetterFilter;

use crate::support::{Home, MINUTE, START, send, track, who};

const EVENTS: i64 = 1_000;
const EVERY: i64 = 20;

fn at(n: i64) -> Time {
    START.plus_micros(n * MINUTE / 60)
}

fn events(poisoned: bool) -> Vec<Event<'static>> {
    let name = |n| if n % EVERY == 7 { "inyeon.fault.panic" } else { "Seen" };
    let all = (0..EVENTS).map(|n| track("ana", name(n), at(n), &json!({ "n": n })));
    all.filter(|event| poisoned || event.name == "Seen").collect()
}

fn snapshot(node: &Node, id: EntityId) -> Vec<u8> {
    node.ask(move |fold| runtime::snapshot(fold.entity(id).unwrap())).unwrap()
}

#[test]
fn a_busy_customer_is_not_folded_again_from_the_beginning_each_time() {
    let home = Home::new();
    let node = home.open();
    send(&node, &home.clock, at(EVENTS), &events(true));
    node.drain().unwrap();
    let met = node.ask(|fold| fold.met()).unwrap();
    let poisoned = (EVENTS / EVERY) as u64;
    assert_eq!(met.poisoned, poisoned);
    assert!(met.refolded <= EVENTS as u64, "each step at most once: {met:?}");
    // The state is that of the sound events alone, also after a restart, and those that failed are told of.
    let sound = Home::new();
    let other = sound.open();
    send(&other, &sound.clock, at(EVENTS), &events(false));
    other.drain().unwrap();
    let ana = who(&node, "ana").unwrap();
    let count = |node: &Node, id| node.reader().unwrap().profile(id).unwrap().unwrap().event_count;
    assert_eq!(count(&node, ana), count(&other, who(&other, "ana").unwrap()));
    let dead = node.reader().unwrap().dead_letters(&DeadLetterFilter::default()).unwrap();
    assert!(dead.iter().all(|letter| letter.code == "poison"));
    let mut skipped = 0;
    let mut history = node.history(1);
    while history.step(|item| skipped += u64::from(matches!(item, Item::Skipped { .. }))).unwrap() {}
    assert_eq!(skipped, poisoned);
    let before = snapshot(&node, ana);
    drop(node);
    assert_eq!(snapshot(&home.open(), ana), before);
}

#[test]
fn a_checkpoint_between_two_failures_changes_nothing() {
    let home = Home::new();
    let node = home.open();
    let all = events(true);
    for (n, some) in all.chunks(150).enumerate() {
        send(&node, &home.clock, at(EVENTS + n as i64), some);
        node.drain().unwrap();
        if n % 2 == 0 {
            node.checkpoint().unwrap();
        }
    }
    let ana = who(&node, "ana").unwrap();
    let before = snapshot(&node, ana);
    let profile = node.reader().unwrap().profile(ana).unwrap().unwrap();
    assert_eq!(profile.event_count, (EVENTS - EVENTS / EVERY) as u64);
    drop(node);
    std::fs::remove_dir_all(home.dir().join("state")).unwrap();
    assert_eq!(snapshot(&home.open(), ana), before, "folded again from the logs");
}
