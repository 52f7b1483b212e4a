//! Erasing somebody: nothing of them is left in any file, and nobody else notices.

use std::fs;
use std::path::Path;

use model::{Dedupe, EventKind, TimelineId};
use runtime::Node;
use serde_json::json;

use crate::support::{Home, assert_same, at, copy_dir, event, look, order, send, track, who, without};

const CANARY: &str = "kanari7f3a";

/// Files under `dir` in which the canary's text stands.
fn files_with_canary(dir: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files_with_canary(&path));
        } else if let Ok(bytes) = fs::read(&path) {
            let lower = bytes.to_ascii_lowercase();
            if lower.windows(CANARY.len()).any(|window| window == CANARY.as_bytes()) {
                found.push(path.display().to_string());
            }
        }
    }
    found
}

fn canary_life(home: &Home, node: &Node, from: i64) {
    let user = format!("user-{CANARY}");
    let device = format!("device-{CANARY}");
    let visit = model::Event {
        anonymous_id: Some(device.clone().into()),
        properties: Some(json!({ "path": format!("/{CANARY}") }).to_string().into()),
        ..event(EventKind::Page, &format!("Page {CANARY}"), at(from))
    };
    let identify = model::Event {
        user_id: Some(user.clone().into()),
        anonymous_id: Some(device.into()),
        traits: Some(
            json!({ "name": format!("Name {CANARY}"), "email": format!("{CANARY}@example.org") })
                .to_string()
                .into(),
        ),
        context: Some(json!({ "ip": CANARY }).to_string().into()),
        ..event(EventKind::Identify, "", at(from + 1))
    };
    // A second device, visited before: merged.
    let other = model::Event {
        anonymous_id: Some(format!("other-{CANARY}").into()),
        ..event(EventKind::Page, "x", at(from))
    };
    let merge = model::Event {
        user_id: Some(user.clone().into()),
        anonymous_id: Some(format!("other-{CANARY}").into()),
        ..event(EventKind::Track, &format!("Event {CANARY}"), at(from + 2))
    };
    let number = format!("order-{CANARY}");
    let events = [
        visit,
        other,
        identify,
        merge,
        order(&user, &number, at(from + 2), at(from + 20)),
        track(&user, &format!("Viewed {CANARY}"), at(from + 3), &json!({ "q": CANARY })),
        track(
            &user,
            "promise.scored",
            at(from + 4),
            &json!({
            "promise_id": format!("order:{number}"), "probability_late": 0.9, "reason": CANARY }),
        ),
        track(
            &user,
            "product.reviewed",
            at(from + 4),
            &json!({
            "order_id": number, "review_id": format!("review-{CANARY}"), "rating": 2 }),
        ),
        track(
            &user,
            "order.cancelled",
            at(from + 5),
            &json!({ "order_id": format!("none-{CANARY}"), "reason": CANARY }),
        ),
        // Refused with a reason that names it.
        track(&user, "promise.revised", at(from + 5), &json!({ "promise_id": CANARY, "due": CANARY })),
    ];
    for event in events {
        let at = event.timestamp;
        let mut event = event;
        event.message_id = format!("{CANARY}-{}-{}", event.name, at.0).into();
        send(node, &home.clock, at, &[event]);
    }
    node.drain().unwrap();
}

fn others(home: &Home, node: &Node) {
    for n in 0..12 {
        let user = format!("other-{n}");
        send(
            node,
            &home.clock,
            at(n),
            &[
                model::Event {
                    user_id: Some(user.clone().into()),
                    traits: Some(json!({ "name": format!("Other {n}") }).to_string().into()),
                    ..event(EventKind::Identify, "", at(n))
                },
                order(&user, &format!("o-{n}"), at(n), at(n + 40)),
            ],
        );
    }
    node.drain().unwrap();
}

#[test]
fn nothing_of_the_erased_is_left_and_nobody_else_notices() {
    for checkpoint_before in [false, true] {
        let home = Home::new();
        let node = home.open();
        others(&home, &node);
        canary_life(&home, &node, 15);
        if checkpoint_before {
            node.checkpoint().unwrap();
        }
        // A forwarded input: another customer reports on the canary's order, and the canary on another's.
        send(
            &node,
            &home.clock,
            at(40),
            &[track(&format!("user-{CANARY}"), "fulfillment.shipped", at(40), &json!({ "order_id": "o-3" }))],
        );
        std::thread::sleep(std::time::Duration::from_millis(150));
        let before = look(&node);
        assert!(!files_with_canary(&home.dir()).is_empty(), "the views show the canary before");
        let id = who(&node, &format!("user-{CANARY}")).unwrap();
        let gone = node.erase(id).unwrap();
        assert_eq!(gone.len(), 3, "what was done on both devices before goes as well");
        assert_eq!(files_with_canary(&home.dir()), Vec::<String>::new(), "while open");
        let after = look(&node);
        assert_same(&without(&before, &gone), &without(&after, &gone), "the others, at once");
        assert_eq!(who(&node, &format!("user-{CANARY}")), None);
        let killed = home.killed("killed");
        drop(node);
        assert_eq!(files_with_canary(&home.dir()), Vec::<String>::new(), "closed");
        let killed = home.open_at(&killed);
        assert_same(&without(&after, &gone), &without(&look(&killed), &gone), "the others, after a kill");
        drop(killed);
        for lost in [&[][..], &["views"], &["state"], &["views", "state"]] {
            for name in lost {
                fs::remove_dir_all(home.dir().join(name)).unwrap();
            }
            let node = home.open();
            assert_same(
                &without(&after, &gone),
                &without(&look(&node), &gone),
                &format!("the others, without {lost:?}"),
            );
            assert_eq!(files_with_canary(&home.dir()), Vec::<String>::new(), "without {lost:?}");
        }
        // The same name is somebody new.
        let node = home.open();
        send(&node, &home.clock, at(300), &[track(&format!("user-{CANARY}"), "Seen", at(300), &json!({}))]);
        node.drain().unwrap();
        let again = who(&node, &format!("user-{CANARY}")).unwrap();
        assert!(!gone.contains(&again));
        assert_eq!(node.reader().unwrap().profile(again).unwrap().unwrap().event_count, 1);
    }
}

/// The decision to erase, and nothing after it; returns whom it is about.
fn decide(node: &Node) -> Vec<model::EntityId> {
    let id = who(node, &format!("user-{CANARY}")).unwrap();
    let gone = node.ask(move |fold| fold.erasure(id).unwrap()).unwrap();
    assert_eq!(gone.last(), Some(&id), "who stands for the person comes last");
    for id in &gone {
        node.command(*id, model::Command::Erase).unwrap();
    }
    node.drain().unwrap();
    gone
}

#[test]
fn an_erasure_cut_short_is_finished_at_the_next_start() {
    let home = Home::new();
    let node = home.open();
    others(&home, &node);
    canary_life(&home, &node, 15);
    // Only the decision is durable; the process dies before the keys go.
    let gone = decide(&node);
    let first = home.killed("killed-1");
    node.checkpoint().unwrap();
    let second = home.killed("killed-2");
    for dir in [first, second] {
        let node = home.open_at(&dir);
        node.drain().unwrap();
        assert_eq!(files_with_canary(&dir), Vec::<String>::new());
        let destroyed = runtime::destroyed(&dir).unwrap();
        assert!(destroyed.len() >= 2, "registered, so that no backup brings them back: {destroyed:?}");
        for key in destroyed {
            assert_eq!(node.keys.seal(key, b"x").unwrap_err(), store::OpenError::Erased);
        }
        let seen = look(&node);
        drop(node);
        fs::remove_dir_all(dir.join("state")).unwrap();
        fs::remove_dir_all(dir.join("views")).unwrap();
        let node = home.open_at(&dir);
        assert_same(&without(&seen, &gone), &without(&look(&node), &gone), "folded again");
    }
}

#[test]
fn what_arrives_while_somebody_is_erased_does_not_bring_them_back() {
    let home = Home::new();
    let node = home.open();
    canary_life(&home, &node, 15);
    let id = who(&node, &format!("user-{CANARY}")).unwrap();
    // Sealed with the key that is about to go, and durable only after the decision.
    let late = track(&format!("user-{CANARY}"), "Seen", at(50), &json!({ "late": CANARY }));
    let late = node.seal_event("test", TimelineId::LIVE, at(50), Dedupe::None, &late).unwrap();
    let gone = decide(&node);
    node.submit_and_wait("test", vec![late]).unwrap();
    node.drain().unwrap();
    node.erase(id).unwrap();
    let live = look(&node);
    assert_eq!(who(&node, &format!("user-{CANARY}")), None, "nobody was begun from it");
    drop(node);
    assert_eq!(files_with_canary(&home.dir()), Vec::<String>::new());
    let copy = home.temp.path().join("refold");
    copy_dir(&home.dir(), &copy);
    fs::copy(store::Layout::new(home.dir()).master_key(), store::Layout::new(&copy).master_key()).unwrap();
    fs::remove_dir_all(copy.join("state")).unwrap();
    fs::remove_dir_all(copy.join("views")).unwrap();
    let refolded = look(&home.open_at(&copy));
    assert_same(&without(&live, &gone), &without(&refolded, &gone), "folded again");
}

#[test]
fn erasing_one_of_two_who_share_a_device_leaves_the_other() {
    let home = Home::new();
    let node = home.open();
    let visit = |minute: i64, user: Option<&str>, name: &str| {
        let mut visit = event(EventKind::Page, name, at(minute));
        visit.user_id = user.map(|user| user.to_owned().into());
        visit.anonymous_id = Some("tablet".into());
        send(&node, &home.clock, at(minute), &[visit]);
        node.drain().unwrap();
    };
    visit(1, None, "before anybody");
    visit(2, Some("ann"), "Ann comes");
    visit(3, None, "Ann goes on");
    visit(4, Some("ben"), "Ben comes");
    visit(5, None, "Ben goes on");
    node.checkpoint().unwrap();
    let before = look(&node);
    let (ann, ben) = (who(&node, "ann").unwrap(), who(&node, "ben").unwrap());
    assert_ne!(ann, ben);
    let tablet =
        node.ask(|fold| fold.lookup(&model::Identifier::Anonymous("tablet")).unwrap()).unwrap().unwrap();
    assert!(![ann, ben].contains(&tablet), "what two people use is neither's");
    let gone = node.erase(ann).unwrap();
    assert_eq!(gone, [tablet, ann], "what cannot be told from hers goes as well");
    let after = look(&node);
    assert_same(&without(&before, &gone), &without(&after, &gone), "Ben, at once");
    drop(node);
    for cache in ["views", "state"] {
        fs::remove_dir_all(home.dir().join(cache)).unwrap();
    }
    let node = home.open();
    assert_eq!(who(&node, "ben"), Some(ben));
    assert_same(&without(&before, &gone), &without(&look(&node), &gone), "Ben, folded again");
}
