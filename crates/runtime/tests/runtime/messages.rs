//! Messages to customers on their way out: by a mail server that answers in every way, and over a restart.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};

use channels::{Carrier, Outlet, Schedule, Security, Sender, Serves, Smtp};
use engine::{EffectState, Reference};
use model::connection::{ConnectionCommand, Consent, Fallback, Link, Preference, Strategy};
use model::{Command, EntityId, Event, EventKind, Time};
use runtime::{Node, NodeOptions, OutletStatus, StillSaid};
use serde_json::json;

use crate::connection::playbook;
use crate::smtp::{Script, Server};
use crate::support::{DAY, HOUR, Home, START, event, send, track, who};

/// At once, a few times.
const AT_ONCE: Schedule = &[Duration::ZERO; 4];

fn options(home: &Home, mail_schedule: Schedule) -> NodeOptions {
    NodeOptions {
        mail_schedule,
        links: Some(Box::new(|_| {
            Arc::new(|link: &Link, owner: EntityId, _: Time| {
                format!("https://shop.example/{}/{owner}", link.purpose.name())
            })
        })),
        ..home.options()
    }
}

fn by_mail(server: &Server) -> Outlet {
    let sender = Sender {
        from: "shop@inyeon.example".parse().unwrap(),
        name: "Inyeon".to_owned(),
        contact: "02-123-4567".to_owned(),
    };
    Outlet::mail(sender, Carrier::Smtp(Box::new(Smtp::new(&server.address, Security::None).unwrap())))
        .unwrap()
}

fn connect(node: &Node, name: &str, outlet: &Outlet) {
    let command = Command::ConnectOutlet { name: name.to_owned(), settings: outlet.settings() };
    node.command(EntityId::workspace(), command).unwrap();
}

fn said(node: &Node, who: EntityId, command: ConnectionCommand) {
    node.act_and_wait(move |fold, now| fold.connect(who, &command, now)).unwrap();
}

/// A shop whose customers have a printer each and delegated its toner without a mandate, so that they are asked when
/// it is low; or want to be reminded, which is advertising.
fn shop(node: &Node, home: &Home, customers: usize, strategy: Strategy, channel: &str) -> Vec<EntityId> {
    let mut reference = Reference { version: 1, ..Reference::default() };
    reference.playbooks.publish(serde_json::from_value(playbook()).unwrap());
    node.publish_reference(reference).unwrap();
    let item =
        json!({ "item_id": "tn-1", "name": "TN-1", "price": "58.00", "currency": "EUR", "fits": ["P-1"] });
    let mut events = vec![Event {
        properties: Some(item.to_string().into()),
        ..event(EventKind::Track, "item.published", START)
    }];
    for n in 0..customers {
        let user = format!("kim-{n}");
        let traits = json!({ "email": format!("{user}@customer.example"), "time_zone": "Asia/Seoul" });
        events.push(Event {
            user_id: Some(user.clone().into()),
            traits: Some(traits.to_string().into()),
            ..event(EventKind::Identify, "", START)
        });
        let slots = json!([{ "slot": "black", "category": "toner" }]);
        let device = json!({ "device_id": format!("p{n}"), "model": "P-1", "slots": slots });
        events.push(track(&user, "device.registered", START, &device));
    }
    send(node, &home.clock, START, &events);
    node.drain().unwrap();
    let all: Vec<EntityId> = (0..customers).map(|n| who(node, &format!("kim-{n}")).unwrap()).collect();
    for id in &all {
        consent(node, *id, true);
        let preference = Preference {
            category: "toner".to_owned(),
            device_id: None,
            strategy,
            fallback: Fallback::of(strategy),
            share: 2,
            channel: Some(channel.to_owned()),
            cap_per_week: None,
            version: 0,
            at: Time::default(),
        };
        said(node, *id, ConnectionCommand::SetPreference(preference));
    }
    all
}

fn consent(node: &Node, id: EntityId, given: bool) {
    let purpose = Consent::ADVERTISING.to_owned();
    let consent = Consent { purpose, given, at: Time::default(), notice: None, jurisdiction: None };
    said(node, id, ConnectionCommand::SetConsent(consent));
}

/// Every printer says that it is low.
fn run_low(node: &Node, home: &Home, customers: usize, at: Time) {
    let low = |n: usize| {
        let slot = json!({ "device_id": format!("p{n}"), "slot": "black", "level": 10.0 });
        track(&format!("kim-{n}"), "slot.low", at, &slot)
    };
    send(node, &home.clock, at, &(0..customers).map(low).collect::<Vec<_>>());
    node.drain().unwrap();
}

/// The messages that were asked for, and how they ended.
fn messages(node: &Node, all: &[EntityId]) -> BTreeMap<String, EffectState> {
    let all = all.to_vec();
    let found = node.ask(move |fold| {
        let mut found = BTreeMap::new();
        for id in all {
            let customer = fold.entity(id).unwrap().customer().unwrap();
            for (key, record) in &customer.effects {
                if record.effect.kind.name() == "message.send" {
                    found.insert(key.clone(), record.state);
                }
            }
        }
        found
    });
    found.unwrap()
}

#[track_caller]
fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(began.elapsed() < Duration::from_secs(60), "never: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn all_ended(node: &Node, all: &[EntityId]) -> BTreeMap<String, EffectState> {
    until("every message ends", || {
        let messages = messages(node, all);
        let open = [EffectState::Requested, EffectState::Started];
        let ended = messages.len() == all.len() && !messages.values().any(|state| open.contains(state));
        ended.then_some(messages)
    })
}

fn status(node: &Node, name: &str) -> OutletStatus {
    node.outlets().remove(name).unwrap_or_default()
}

fn letters_of(server: &Server) -> BTreeMap<String, usize> {
    let mut letters = BTreeMap::new();
    for letter in server.letters() {
        let id = letter.text.split("Message-ID: <").nth(1).unwrap().split('@').next().unwrap().to_owned();
        *letters.entry(id).or_default() += 1;
    }
    letters
}

#[test]
fn every_message_arrives_or_it_is_known_that_it_did_not_or_that_nobody_knows() {
    let scripts = vec![
        Script::Take,
        Script::Answer("RCPT", "550 5.1.1 nobody"),
        Script::TakeAndDrop,
        Script::Answer("RCPT", "450 4.2.1 later"),
        Script::DropAt("."),
    ];
    let server = Server::start_with(scripts.into_iter().chain(std::iter::repeat(Script::Take)));
    let home = Home::new();
    let node = Node::open(&home.dir(), options(&home, AT_ONCE)).unwrap();
    let all = shop(&node, &home, 6, Strategy::Automate, "email");
    connect(&node, "post", &by_mail(&server));
    run_low(&node, &home, 6, START.plus_micros(DAY));
    let ended = all_ended(&node, &all);
    let of = |state: EffectState| ended.values().filter(|known| **known == state).count();
    assert_eq!(
        (of(EffectState::Done), of(EffectState::Failed), of(EffectState::Unknown)),
        (3, 1, 2),
        "{ended:?}"
    );
    let letters = letters_of(&server);
    for (key, state) in &ended {
        let arrived = letters.get(&channels::mail_id(key)).copied().unwrap_or_default();
        match state {
            EffectState::Done => assert_eq!(arrived, 1),
            EffectState::Failed => assert_eq!(arrived, 0),
            _ => assert!(arrived <= 1),
        }
    }
    let status = status(&node, "post");
    assert_eq!(
        (status.taken, status.refused, status.doubtful, status.failed_attempts, status.waiting),
        (3, 1, 2, 1, 0)
    );
    assert!(home.sink.received().is_empty(), "what has an outlet goes nowhere else");
    let text = &server.letters()[0].text;
    assert!(text.contains("https://shop.example/"), "{text}");
    // What is in doubt is not sent again by a restart either, and no note is left of what ended.
    let notes = || fs::read_dir(home.dir().join("attempts")).unwrap().count();
    until("the notes are forgotten", || (notes() == 0).then_some(()));
    drop(node);
    let node = Node::open(&home.dir(), options(&home, AT_ONCE)).unwrap();
    run_low(&node, &home, 0, START.plus_micros(2 * DAY));
    assert_eq!(messages(&node, &all), ended);
    assert_eq!(letters_of(&server), letters);
}

#[test]
fn after_a_crash_what_waited_goes_on_and_only_what_was_cut_off_is_in_doubt() {
    // The first is put off; the second is not answered until the process is gone.
    let server = Server::start_with(
        [Script::Answer("RCPT", "450 4.2.1 later"), Script::SilentAt(".")]
            .into_iter()
            .chain(std::iter::repeat(Script::Take)),
    );
    let home = Home::new();
    let node = Node::open(&home.dir(), options(&home, channels::MAIL_SCHEDULE)).unwrap();
    let all = shop(&node, &home, 3, Strategy::Automate, "email");
    connect(&node, "post", &by_mail(&server));
    let at = START.plus_micros(DAY);
    run_low(&node, &home, 3, at);
    // The third waits behind the silence: it is not tried.
    until("the second letter is written", || {
        (server.heard().iter().filter(|line| *line == "DATA").count() == 1).then_some(())
    });
    until("the first is noted", || (status(&node, "post").failed_attempts == 1).then_some(()));
    let started = messages(&node, &all);
    assert!(started.values().all(|state| *state == EffectState::Started), "{started:?}");
    let crashed = home.killed("crashed");
    let open = |after: i64| {
        home.clock.set(at.plus_micros(after));
        Node::open(&crashed, options(&home, channels::MAIL_SCHEDULE)).unwrap()
    };
    // Before its time the one that was put off is not sent.
    let after = open(HOUR / 4);
    until("what nobody knows is marked", || {
        let states = messages(&after, &all).into_values();
        let of = states.fold((0, 0, 0), |(done, unknown, waits), state| match state {
            EffectState::Done => (done + 1, unknown, waits),
            EffectState::Unknown => (done, unknown + 1, waits),
            _ => (done, unknown, waits + 1),
        });
        (of == (1, 1, 1)).then_some(())
    });
    assert_eq!((server.letters().len(), status(&after, "post").waiting), (1, 1));
    drop(after);
    let after = open(HOUR);
    let ended = all_ended(&after, &all);
    let unknown = ended.values().filter(|state| **state == EffectState::Unknown).count();
    assert_eq!((unknown, server.letters().len()), (1, 2), "{ended:?}");
    assert!(letters_of(&server).values().all(|n| *n == 1));
    // A copy that is brought back does not know what its original has sent since.
    drop(node);
    fs::write(store::Layout::new(&crashed).restored(), b"restored").unwrap();
    drop(after);
    let restored = Node::open(&crashed, options(&home, channels::MAIL_SCHEDULE)).unwrap();
    assert_eq!(messages(&restored, &all), ended);
}

#[test]
fn a_message_that_was_put_off_is_not_sent_to_who_thought_better_of_it() {
    let server = Server::start_with(
        std::iter::once(Script::Answer("RCPT", "450 4.2.1 later")).chain(std::iter::repeat(Script::Take)),
    );
    let home = Home::new();
    let node = Node::open(&home.dir(), options(&home, channels::MAIL_SCHEDULE)).unwrap();
    let all = shop(&node, &home, 1, Strategy::Coach, "email");
    let kim = all[0];
    connect(&node, "post", &by_mail(&server));
    // At noon in Seoul.
    let noon = START.plus_micros(DAY - START.0.rem_euclid(DAY) + 3 * HOUR);
    run_low(&node, &home, 1, noon);
    until("it is put off", || (status(&node, "post").failed_attempts == 1).then_some(()));
    let key = messages(&node, &all).into_keys().next().unwrap();
    let still = |at: Time| {
        let key = key.clone();
        node.ask(move |fold| fold.still_said(kim, &key, at).unwrap()).unwrap()
    };
    assert_eq!(still(noon), StillSaid::Now);
    let night = noon.plus_micros(10 * HOUR);
    assert_eq!(still(night), StillSaid::NotBefore(noon.plus_micros(20 * HOUR)), "eight in the morning");
    consent(&node, kim, false);
    assert_eq!(still(noon), StillSaid::Never("no_consent"));
    drop(node);
    home.clock.set(noon.plus_micros(HOUR));
    let node = Node::open(&home.dir(), options(&home, channels::MAIL_SCHEDULE)).unwrap();
    assert_eq!(all_ended(&node, &all).into_values().collect::<Vec<_>>(), [EffectState::Failed]);
    assert!(server.letters().is_empty());
}

#[test]
fn a_message_without_an_outlet_is_in_the_inbox_and_one_that_loses_it_comes_there() {
    let home = Home::new();
    let node = Node::open(&home.dir(), options(&home, channels::MAIL_SCHEDULE)).unwrap();
    let all = shop(&node, &home, 2, Strategy::Automate, "app");
    let at = START.plus_micros(DAY);
    // A system takes the messages of the channel of its name, with their addresses.
    let place = home.temp.path().join("app");
    connect(&node, "other", &Outlet::directory(Serves::Messages, home.temp.path().join("other")).unwrap());
    connect(&node, "app", &Outlet::directory(Serves::Messages, place.clone()).unwrap());
    run_low(&node, &home, 1, at);
    let count = || fs::read_dir(&place).map_or(0, Iterator::count);
    until("the app has it", || (count() == 1).then_some(()));
    let file = fs::read_dir(&place).unwrap().next().unwrap().unwrap().path();
    let told: serde_json::Value = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
    assert_eq!(
        (told["type"].as_str(), told["data"]["channel"].as_str()),
        (Some("message.send"), Some("app"))
    );
    let url = told["data"]["url"].as_str().unwrap();
    assert!(url.starts_with("https://shop.example/") && told["data"]["text"].as_str().unwrap().contains(url));
    assert!(!home.temp.path().join("other").exists());
    // Let go, and the rest is in the inbox.
    node.command(EntityId::workspace(), Command::DisconnectOutlet { name: "app".to_owned() }).unwrap();
    run_low(&node, &home, 2, at.plus_micros(HOUR));
    assert!(all_ended(&node, &all).values().all(|state| *state == EffectState::Done));
    assert_eq!((home.sink.received().len(), count()), (1, 1));
    drop(node);

    // Put off by a mail server that is let go.
    let server = Server::start(vec![Script::Answer("RCPT", "450 4.2.1 later")]);
    let home = Home::new();
    let node = Node::open(&home.dir(), options(&home, channels::MAIL_SCHEDULE)).unwrap();
    let all = shop(&node, &home, 1, Strategy::Automate, "email");
    connect(&node, "post", &by_mail(&server));
    run_low(&node, &home, 1, at);
    until("it is put off", || (status(&node, "post").failed_attempts == 1).then_some(()));
    node.command(EntityId::workspace(), Command::DisconnectOutlet { name: "post".to_owned() }).unwrap();
    let ended = all_ended(&node, &all);
    assert_eq!(ended.into_values().collect::<Vec<_>>(), [EffectState::Done]);
    assert_eq!(home.sink.received().values().copied().collect::<Vec<_>>(), [1]);
}
