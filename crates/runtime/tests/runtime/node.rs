//! A running store, from outside.

use std::fs;
use std::path::PathBuf;
use std::process::Command as Process;
use std::time::Duration;

use model::{Command, Dedupe, EntityId, EventKind, Time, TimelineId};
use runtime::{Item, Node, Sink};
use serde_json::json;
use views::{DeadLetterFilter, EffectFilter, EffectState};

use crate::support::{DAY, HOUR, Home, START, assert_same, at, event, look, order, record, send, track, who};

/// Three people: kept, broken and at risk, and a visitor who turns out to be one of them.
fn fill(home: &Home, node: &Node) {
    let visit = model::Event { anonymous_id: Some("d-1".into()), ..event(EventKind::Page, "Home", at(0)) };
    let login = model::Event {
        user_id: Some("ana".into()),
        anonymous_id: Some("d-1".into()),
        traits: Some(json!({ "name": "Ana", "email": "ana@example.org" }).to_string().into()),
        ..event(EventKind::Identify, "", at(3))
    };
    let orders = [
        order("ana", "o-1", at(1), at(60)),
        order("ben", "o-2", at(1), at(60)),
        order("cho", "o-3", at(1), at(600)),
    ];
    send(node, &home.clock, at(1), &[visit]);
    send(node, &home.clock, at(2), &orders);
    send(node, &home.clock, at(3), &[login]);
    let delivered = |order: &str| json!({ "order_id": order });
    let score = json!({ "promise_id": "order:o-3", "probability_late": 0.9, "reason": "rain" });
    send(
        node,
        &home.clock,
        at(30),
        &[
            track("ana", "fulfillment.delivered", at(29), &delivered("o-1")),
            track("cho", "promise.scored", at(28), &score),
        ],
    );
    send(node, &home.clock, at(90), &[track("ben", "fulfillment.delivered", at(89), &delivered("o-2"))]);
    node.drain().unwrap();
}

#[test]
fn what_is_sent_is_shown_and_survives_reopening() {
    let home = Home::new();
    let node = home.open();
    fill(&home, &node);
    let seen = look(&node);
    let reader = node.reader().unwrap();
    let status = |user: &str| {
        let promises = reader.promises_of(who(&node, user).unwrap()).unwrap();
        promises.into_iter().map(|promise| promise.status).collect::<Vec<_>>()
    };
    assert_eq!(
        format!("{:?} {:?} {:?}", status("ana"), status("ben"), status("cho")),
        "[Kept] [Broken] [AtRisk]"
    );
    let ana = reader.profile(who(&node, "ana").unwrap()).unwrap().unwrap();
    assert_eq!((ana.email.as_deref(), ana.event_count, ana.orders), (Some("ana@example.org"), 4, 1));
    drop(reader);
    drop(node);
    let node = home.open();
    assert!(node.notes.is_empty(), "{:?}", node.notes);
    assert_same(&seen, &look(&node), "reopened");
}

#[test]
fn caches_that_are_gone_are_folded_again() {
    let home = Home::new();
    let node = home.open();
    fill(&home, &node);
    let seen = settled(&node);
    drop(node);
    for lost in [&["views"][..], &["state"], &["views", "state"]] {
        for name in lost {
            fs::remove_dir_all(home.dir().join(name)).unwrap();
        }
        let node = home.open();
        assert_same(&seen, &look(&node), &format!("without {lost:?}"));
    }
}

/// What the node holds once every effect has settled.
fn settled(node: &Node) -> crate::support::Seen {
    for _ in 0..500 {
        let seen = look(node);
        let waits = |state| {
            let filter = EffectFilter { state: Some(state), ..EffectFilter::default() };
            !node.reader().unwrap().effects(&filter).unwrap().is_empty()
        };
        if !waits(EffectState::Requested) && !waits(EffectState::Started) {
            return seen;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("effects did not settle");
}

#[test]
fn a_kill_loses_nothing_that_was_answered() {
    let home = Home::new();
    let node = home.open();
    fill(&home, &node);
    let seen = settled(&node);
    // Before any checkpoint, after one, and with more behind it.
    let first = home.killed("killed-1");
    node.checkpoint().unwrap();
    let second = home.killed("killed-2");
    send(&node, &home.clock, at(95), &[track("cho", "Seen", at(95), &json!({}))]);
    let more = look(&node);
    let third = home.killed("killed-3");
    for (dir, seen) in [(first, &seen), (second, &seen), (third, &more)] {
        let node = home.open_at(&dir);
        assert_same(seen, &look(&node), &format!("killed {}", dir.display()));
    }
}

#[test]
fn a_message_counts_once_over_restarts() {
    let home = Home::new();
    let sent = track("ana", "Seen", at(1), &json!({}));
    for round in 0..4 {
        let node = home.open();
        if round == 2 {
            node.checkpoint().unwrap();
        }
        send(&node, &home.clock, at(1 + round), &[sent.clone(), sent.clone()]);
        node.drain().unwrap();
        let profile = node.reader().unwrap().profile(who(&node, "ana").unwrap()).unwrap().unwrap();
        assert_eq!(profile.event_count, 1, "round {round}");
        if round == 1 {
            // Killed instead of closed.
            let copy = home.killed("killed");
            drop(node);
            let node = home.open_at(&copy);
            send(&node, &home.clock, at(9), std::slice::from_ref(&sent));
            node.drain().unwrap();
            let profile = node.reader().unwrap().profile(who(&node, "ana").unwrap()).unwrap().unwrap();
            assert_eq!(profile.event_count, 1, "after a kill");
        }
    }
}

#[test]
fn an_import_is_judged_by_its_own_clock() {
    let home = Home::new();
    let node = home.open();
    let start = Command::StartImport { name: "old shop".into() };
    node.command(EntityId::workspace(), start).unwrap();
    let live = START;
    let past = Time(START.0 - 3000 * DAY);
    let day = |n: i64| past.plus_micros(n * DAY);
    let delivered =
        |order: &str, at| track("eva", "fulfillment.delivered", at, &json!({ "order_id": order }));
    let events = [
        order("eva", "i-1", day(0), day(5)),
        order("eva", "i-2", day(1), day(5)),
        delivered("i-1", day(4)),
        order("eva", "i-3", day(6), day(20)),
        delivered("i-2", day(7)),
    ];
    let send_import = |node: &Node| {
        let records = events
            .iter()
            .map(|event| {
                let natural = format!("{}{:?}", event.name, event.timestamp);
                let dedupe = Dedupe::Permanent(node.keys.hash_message("old shop", &natural));
                node.seal_event("import", TimelineId(1), live, dedupe, event).unwrap()
            })
            .collect();
        node.submit_and_wait("import", records).unwrap();
        node.drain().unwrap();
    };
    send_import(&node);
    let statuses = |node: &Node| {
        let promises = node.reader().unwrap().promises_of(who(node, "eva").unwrap()).unwrap();
        let mut all: Vec<_> =
            promises.into_iter().map(|p| format!("{} {:?}", p.promise_id, p.status)).collect();
        all.sort();
        all
    };
    let expected = ["order:i-1 Kept", "order:i-2 Broken", "order:i-3 Made"];
    assert_eq!(statuses(&node), expected);
    // The live clock is years past every due date, and says nothing about them.
    home.clock.set(at(10));
    send(&node, &home.clock, at(10), &[track("ben", "Seen", at(10), &json!({}))]);
    node.drain().unwrap();
    assert_eq!(statuses(&node), expected);
    assert!(home.sink.received().is_empty(), "history is told to nobody");
    let suppressed = node.reader().unwrap().effects(&EffectFilter::default()).unwrap();
    assert!(
        suppressed.iter().all(|effect| effect.state == EffectState::Suppressed) && !suppressed.is_empty()
    );
    // The same files a second time, after a restart, change nothing.
    let seen = look(&node);
    drop(node);
    let node = home.open();
    send_import(&node);
    let again = look(&node);
    assert_eq!(again.entities, seen.entities);
    assert_eq!(statuses(&node), expected);
}

#[test]
fn an_effect_is_requested_started_settled_and_arrives_once() {
    let home = Home::new();
    let node = home.open();
    fill(&home, &node);
    settled(&node);
    let effects = node.reader().unwrap().effects(&EffectFilter::default()).unwrap();
    let received = home.sink.received();
    assert_eq!(effects.len(), 2, "{effects:?}");
    assert!(effects.iter().all(|effect| effect.state == EffectState::Settled));
    assert_eq!(received.len(), 2);
    assert!(received.values().all(|times| *times == 1), "{received:?}");
    // In this order, in the journal.
    let mut history = node.history(1);
    let mut steps = Vec::new();
    while history
        .step(|item| {
            if let Item::Decided { outcomes, .. } = item {
                steps.extend(outcomes.iter().filter_map(|outcome| match outcome {
                    model::Outcome::EffectRequested(effect) => Some((effect.key.clone(), 1)),
                    model::Outcome::EffectStarted { key } => Some((key.clone(), 2)),
                    model::Outcome::EffectSettled { key, .. } => Some((key.clone(), 3)),
                    _ => None,
                }));
            }
        })
        .unwrap()
    {}
    for key in received.keys() {
        let of: Vec<i32> = steps.iter().filter(|(k, _)| k == key).map(|(_, step)| *step).collect();
        assert_eq!(of, [1, 2, 3], "{key}");
    }
    drop(node);
    for lost in ["state", "views"] {
        fs::remove_dir_all(home.dir().join(lost)).unwrap();
        let node = home.open();
        node.drain().unwrap();
        assert_eq!(home.sink.received(), received, "a refold sends nothing");
    }
}

#[test]
fn effects_that_are_off_do_not_leave() {
    let home = Home::new();
    drop(home.open());
    // What a restore leaves behind.
    fs::write(store::Layout::new(home.dir()).restored(), b"restored\n").unwrap();
    let node = home.open();
    fill(&home, &node);
    let switch = node.reader().unwrap().effects_switch().unwrap().unwrap();
    assert!(!switch.on);
    for effect in node.reader().unwrap().effects(&EffectFilter::default()).unwrap() {
        assert!(matches!(effect.state, EffectState::Suppressed | EffectState::Requested), "{effect:?}");
    }
    drop(node);
    // Once is enough: an operator's word is not overruled by the next start.
    let node = home.open();
    assert!(home.sink.received().is_empty());
    let on = Command::SwitchEffects { on: true, reason: "checked".into() };
    node.command(EntityId::workspace(), on).unwrap();
    drop(node);
    let node = home.open();
    node.drain().unwrap();
    assert!(node.reader().unwrap().effects_switch().unwrap().unwrap().on);
}

#[test]
fn poison_is_passed_over_and_its_neighbours_count() {
    let home = Home::new();
    let node = home.open();
    let mut events = Vec::new();
    for n in 0..30 {
        let name = if n % 10 == 5 { "inyeon.fault.panic" } else { "Seen" };
        events.push(track("ana", name, at(n), &json!({ "n": n })));
    }
    send(&node, &home.clock, at(60), &events);
    let seen = look(&node);
    let profile = node.reader().unwrap().profile(who(&node, "ana").unwrap()).unwrap().unwrap();
    assert_eq!(profile.event_count, 27);
    let dead = node.reader().unwrap().dead_letters(&DeadLetterFilter::default()).unwrap();
    assert_eq!(dead.iter().map(|letter| letter.seq).collect::<Vec<_>>(), [26, 16, 6]);
    assert!(dead.iter().all(|letter| letter.code == "poison" && letter.reason.contains("a poison event")));
    drop(node);
    for lost in ["state", "views"] {
        fs::remove_dir_all(home.dir().join(lost)).unwrap();
        assert_same(&seen, &look(&home.open()), &format!("without {lost}"));
    }
}

const CHILD: &str = "INYEON_RUNTIME_TEST_CHILD";

fn directory_options(home: &Home, out: PathBuf) -> runtime::NodeOptions {
    runtime::NodeOptions { sink: Sink::Directory(out), ..home.options() }
}

/// Not a test of its own: the process that is killed while an effect is under way.
#[test]
fn child_that_is_killed() {
    let Ok(dir) = std::env::var(CHILD) else { return };
    let dir = PathBuf::from(dir);
    let home = Home::new();
    let out = dir.with_file_name("out");
    let node = Node::open(&dir, directory_options(&home, out)).unwrap();
    fill(&home, &node);
    settled(&node);
    std::thread::sleep(Duration::from_secs(20));
    unreachable!("killed before");
}

#[test]
fn an_effect_that_nobody_can_vouch_for_is_never_sent_twice() {
    for (point, arrived) in
        [("effect.before_delivery:1", 0), ("effect.after_delivery:1", 1), ("effect.before_delivery:2", 1)]
    {
        let home = Home::new();
        let out = home.temp.path().join("out");
        let status = Process::new(std::env::current_exe().unwrap())
            .args(["--exact", "node::child_that_is_killed"])
            .env(CHILD, home.dir())
            .env("INYEON_KILL_AT", point)
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .status()
            .unwrap();
        assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(libc::SIGKILL), "{point}");
        let files = || fs::read_dir(&out).map_or(0, |entries| entries.count());
        assert_eq!(files(), arrived, "{point}: at the kill");
        let node = Node::open(&home.dir(), directory_options(&home, out.clone())).unwrap();
        // The rest of what the child did.
        fill(&home, &node);
        for _ in 0..100 {
            look(&node);
            std::thread::sleep(Duration::from_millis(2));
        }
        let states: Vec<_> = node.reader().unwrap().effects(&EffectFilter::default()).unwrap();
        let count = |state| states.iter().filter(|effect| effect.state == state).count();
        let failed = count(EffectState::Failed);
        // What the receiver has is settled; what it never got has failed, and is not answered by sending.
        assert_eq!(files(), count(EffectState::Settled), "{point}: {states:?}");
        // Both may have started in one commit, before the first was delivered.
        assert!(files() >= arrived, "{point}: {states:?}");
        if point.starts_with("effect.before") {
            assert!(failed >= 1, "{point}: {states:?}");
        }
        assert_eq!(files() + failed, 2, "{point}: {states:?}");
        let seen = settled(&node);
        drop(node);
        let node = Node::open(&home.dir(), directory_options(&home, out.clone())).unwrap();
        assert_same(&seen, &look(&node), &format!("{point}: started again"));
        assert_eq!(files() + failed, 2, "{point}: sent once more");
        let filter = EffectFilter { state: Some(EffectState::Unknown), ..EffectFilter::default() };
        assert!(node.reader().unwrap().effects(&filter).unwrap().is_empty(), "{point}");
    }
}

#[test]
fn a_store_is_one_process_s() {
    let home = Home::new();
    let _node = home.open();
    let second = Node::open(&home.dir(), home.options());
    assert!(matches!(second, Err(runtime::NodeError::Open(store::OpenStoreError::Lock(_)))));
}

#[test]
fn time_passes_without_input() {
    let home = Home::new();
    let node = home.open();
    send(&node, &home.clock, at(0), &[order("ana", "o-1", at(0), at(60))]);
    node.drain().unwrap();
    home.clock.set(START.plus_micros(2 * HOUR));
    for _ in 0..500 {
        let promises = node.reader().unwrap().promises_of(who(&node, "ana").unwrap()).unwrap();
        if promises[0].status == model::PromiseStatus::Broken {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("the deadline passed unnoticed");
}

#[test]
fn no_deadline_passes_before_the_evidence_that_waits() {
    let home = Home::new();
    let node = home.open();
    send(&node, &home.clock, at(0), &[order("ana", "o-1", at(0), at(60))]);
    node.drain().unwrap();
    drop(node);
    // Received in time, and a crash came before it counted: behind more than one commit takes.
    let layout = store::Layout::new(home.dir());
    let text = fs::read_to_string(layout.format()).unwrap();
    let description: store::StoreFormat = serde_json::from_str(&text).unwrap();
    let master = store::parse_key(&fs::read_to_string(layout.master_key()).unwrap()).unwrap();
    let keys = store::Keys::open(&store::Disk::Real, &layout.keys(), &master, &description.store_id).unwrap();
    let (kind, partition) = (model::LogKind::Intake, model::PartitionId(0));
    let options = store::LogOptions::default();
    let mut log =
        store::LogWriter::open(&store::Disk::Real, &layout.log(kind, partition), kind, partition, options)
            .unwrap()
            .writer;
    let mut add = |event: &model::Event<'_>| {
        log.append(&record(&keys, TimelineId::LIVE, at(30), Dedupe::None, event));
    };
    for n in 0..3000 {
        add(&track("ben", "Seen", at(30), &json!({ "n": n })));
    }
    add(&track("ana", "fulfillment.delivered", at(29), &json!({ "order_id": "o-1" })));
    keys.flush().unwrap();
    log.commit().unwrap();
    log.close().unwrap();
    drop(keys);
    fs::write(layout.restored(), b"restored\n").unwrap();
    home.clock.set(at(5000));
    let node = home.open();
    node.command(EntityId::workspace(), Command::NoteDeadLetterReplayed { seq: 1 }).unwrap();
    node.drain().unwrap();
    let promises = node.reader().unwrap().history(who(&node, "ana").unwrap()).unwrap();
    let steps: Vec<_> = promises.iter().map(|step| step.status).collect();
    assert_eq!(format!("{steps:?}"), "[Made, Kept]", "never broken, not even for a moment");
}
