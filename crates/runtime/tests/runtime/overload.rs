//! More comes than the disk takes: a source that sends without end is refused, and nobody else is.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use model::{Dedupe, TimelineId};
use runtime::{IntakeError, Node, NodeOptions};
use serde_json::json;
use store::Disk;
use store::disk::faults::{Fault, Plan};

use crate::support::{Home, START, track, who};

const QUEUE_BYTES: usize = 256 << 10;

/// A node on a disk whose syncs take as long as `plan` says.
fn open(home: &Home, plan: &Arc<Plan>) -> Node {
    let options =
        NodeOptions { disk: Disk::Faulty(plan.clone()), queue_bytes: QUEUE_BYTES, ..home.options() };
    Node::open(&home.dir(), options).unwrap()
}

fn one(node: &Node, source: &str, user: &str, n: u64) -> Vec<Vec<u8>> {
    let event = track(user, "Seen", START, &json!({ "n": n, "padding": "x".repeat(400) }));
    let dedupe = Dedupe::Client(node.keys.hash_message(source, &n.to_string()));
    vec![node.seal_event(source, TimelineId::LIVE, START, dedupe, &event).unwrap()]
}

/// Submissions of one source, counted by how they ended.
#[derive(Default)]
struct Sent {
    next: u64,
    taken: Arc<AtomicU64>,
    crowded: Arc<AtomicU64>,
    full: Arc<AtomicU64>,
}

impl Sent {
    fn send(&mut self, node: &Node, source: &str, user: &str) {
        let records = one(node, source, user, self.next);
        self.next += 1;
        let (taken, crowded, full) = (self.taken.clone(), self.crowded.clone(), self.full.clone());
        node.submit(source, records, move |result| {
            let count = match result {
                Ok(()) => taken,
                Err(IntakeError::Crowded) => crowded,
                Err(IntakeError::Overloaded) => full,
                Err(other) => panic!("{other}"),
            };
            count.fetch_add(1, Ordering::SeqCst);
        });
    }

    fn taken(&self) -> u64 {
        self.taken.load(Ordering::SeqCst)
    }

    fn crowded(&self) -> u64 {
        self.crowded.load(Ordering::SeqCst)
    }
}

#[test]
fn a_flood_is_refused_and_a_small_source_is_not() {
    let home = Home::new();
    let plan = Arc::new(Plan::new(None));
    let node = open(&home, &plan);
    plan.set(Some(Fault::SlowSyncs { nth: 0, millis: 100 }));
    let (mut flood, mut second, mut small) = (Sent::default(), Sent::default(), Sent::default());
    for round in 1..=20 {
        // Both floods send until they are refused; after that one small message finds room each time.
        while flood.crowded() < round {
            flood.send(&node, "flood", "ana");
        }
        while second.crowded() < round {
            second.send(&node, "second", "ben");
        }
        small.send(&node, "small", "cho");
        let queued = node.intake_counts().queued_bytes.load(Ordering::SeqCst);
        assert!(queued <= QUEUE_BYTES, "{queued} bytes wait");
    }
    plan.set(None);
    let whole = |sent: &Sent| sent.taken() + sent.crowded() == sent.next;
    let until_answered = std::time::Instant::now();
    while ![&flood, &second, &small].into_iter().all(whole) {
        assert!(until_answered.elapsed().as_secs() < 60, "everything is answered");
        std::thread::yield_now();
    }
    for sent in [&flood, &second, &small] {
        assert_eq!(sent.full.load(Ordering::SeqCst), 0, "the store itself could always take");
    }
    assert_eq!((small.taken(), small.crowded()), (20, 0), "the small source is never refused");
    let refused = node.intake_counts().refused_by_source();
    assert_eq!(refused.get("flood"), Some(&flood.crowded()));
    assert_eq!(refused.get("small"), None);
    assert_eq!(node.intake_counts().queued_bytes.load(Ordering::SeqCst), 0);
    // What was answered is there, once.
    node.drain().unwrap();
    for (user, sent) in [("ana", &flood), ("ben", &second), ("cho", &small)] {
        let profile = node.reader().unwrap().profile(who(&node, user).unwrap()).unwrap().unwrap();
        assert_eq!(profile.event_count, sent.taken(), "{user}");
    }
}

#[test]
fn who_has_time_waits_for_room() {
    let home = Home::new();
    let plan = Arc::new(Plan::new(None));
    let node = open(&home, &plan);
    plan.set(Some(Fault::SlowSyncs { nth: 0, millis: 50 }));
    let mut flood = Sent::default();
    while flood.crowded() == 0 {
        flood.send(&node, "import", "ana");
    }
    assert_eq!(node.admit("import", 1000), Err(IntakeError::Crowded));
    node.submit_and_wait("import", one(&node, "import", "ana", 1_000_000)).unwrap();
    plan.set(None);
    node.drain().unwrap();
    let profile = node.reader().unwrap().profile(who(&node, "ana").unwrap()).unwrap().unwrap();
    assert_eq!(profile.event_count, flood.next, "one of them was refused, and one came afterwards");
}
