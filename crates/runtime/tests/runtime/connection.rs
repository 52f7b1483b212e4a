//! A need from its reading to what was learnt of it, and the mandate that stands over what is ordered.

#[path = "purchases.rs"]
mod purchases;

use std::collections::BTreeMap;

use engine::connection::{Choice, Does, Seen as SeenByDecision, choose};
use engine::{Connection, EffectState, Reference};
use model::connection::{
    ActionState, ConnectionCommand, Consent, Fallback, MandateState, MandateTerms, NeedOrigin, NeedStage,
    Period, Preference, PriceRule, SpendLimit, Strategy, Subject,
};
use model::{
    Currency, EntityId, Event, EventKind, Money, OrderDefaults, OrderState, PromiseStatus, Quantity, Time,
};
use runtime::Node;
use runtime::ordering::Ordered;
use serde_json::json;
use views::NeedQuery;

use crate::support::{DAY, HOUR, Home, START, assert_same, event, look, scale, send, track, who};

pub(crate) fn playbook() -> serde_json::Value {
    let text = |en: &str| json!({ "en": en, "ko": en });
    let message = |class: &str, body: &str| json!({ "class": class, "channel": "inbox", "subject": text("Toner"), "text": text(body) });
    json!({
        "playbook": "toner",
        "title": text("Toner in time"),
        "owners": { "marketing": "crm", "operations": "depot" },
        "category": "toner",
        "needs": [
            { "id": "runs-dry", "origin": "predicted",
              "forecast": { "empty_at": 0.02, "service": 0.95, "buffer_days": 1.0 } },
            { "id": "low", "origin": "reported", "on": ["slot.low"] },
            { "id": "asked", "origin": "stated" },
        ],
        "offer": { "items": ["tn-1", "tn-2", "tn-x"], "fits_device": true, "lead_days": 3.0, "relevance_loss": 0.1 },
        "strategies": {
            "respond": {},
            "curate": { "share": 1, "choices": 2 },
            "coach": { "share": 2, "message": "remind", "steps": [
                { "id": "clean", "text": text("Clean the drum"), "every_days": 90 } ] },
            "automate": { "share": 2, "notice": "notice", "ask": "ask", "sorry": "sorry",
                          "compensation": { "amount": "5.00", "currency": "EUR" } },
        },
        "messages": {
            "remind": message("advertising", "{days} days left: {item}, {price}, there on {date}. {steps} {link}"),
            "notice": message("transactional", "We order {item} for {price} after {until}: {link}"),
            "ask": message("transactional", "Shall we order {item}? {why} {link}"),
            "sorry": message("transactional", "It ran dry. {compensation}"),
        },
        "guard_rails": {
            "caps": [{ "days": 7, "messages": 2 }],
            "quiet_hours": { "from": "21:00", "to": "08:00" },
            "margin_floor": 0.05,
            "auto_orders": [{ "days": 30, "orders": 3 }],
        },
        "value": { "accept": 0.5, "worth": { "amount": "3.00", "currency": "EUR" },
                   "contact_cost": { "amount": "0.05", "currency": "EUR" },
                   "fatigue": { "amount": "0.50", "currency": "EUR" } },
    })
}

fn reference() -> Reference {
    let promising = json!({
        "time_zone": "Asia/Seoul",
        "places": { "near": {}, "far": {} },
        "lanes": [
            { "from": "near", "to": "seoul*", "hours": [[0.5, 20.0], [0.95, 40.0]], "whole_days": false },
        ],
    });
    let mut reference = Reference {
        version: 1,
        promising: serde_json::from_value(promising).unwrap(),
        ..Reference::default()
    };
    reference.playbooks.publish(serde_json::from_value(playbook()).unwrap());
    reference.check().unwrap();
    reference
}

/// A shop with toner, and `kim` who has a printer and has stored what one action needs.
pub(crate) struct Shop {
    // Gone before the directory that it writes to.
    pub(crate) node: Node,
    pub(crate) home: Home,
    pub(crate) kim: EntityId,
}

fn eur(minor: i64) -> Money {
    Money { minor, currency: Currency::new("EUR").unwrap() }
}

impl Shop {
    fn open() -> Shop {
        Shop::with_devices(1)
    }

    pub(crate) fn with_devices(devices: usize) -> Shop {
        let home = Home::new();
        let node = home.open();
        node.publish_reference(reference()).unwrap();
        let operations = |name: &str, properties: serde_json::Value| Event {
            properties: Some(properties.to_string().into()),
            ..event(EventKind::Track, name, START)
        };
        let item = |id: &str, price: &str, fits: &str| {
            operations(
                "item.published",
                json!({ "item_id": id, "name": id.to_uppercase(), "price": price, "cost": "20.00", "currency": "EUR", "fits": [fits] }),
            )
        };
        let stock = |id: &str| {
            operations("stock.counted", json!({ "item_id": id, "place": "near", "on_hand": 2_000 }))
        };
        let mut events = vec![
            item("tn-1", "58.00", "P-1"),
            item("tn-2", "60.00", "P-1"),
            item("tn-x", "30.00", "P-9"),
            stock("tn-1"),
            stock("tn-2"),
            stock("tn-x"),
            Event {
                user_id: Some("kim".into()),
                traits: Some(json!({ "email": "kim@example.com", "language": "en" }).to_string().into()),
                ..event(EventKind::Identify, "", START)
            },
        ];
        for n in 1..=devices {
            let slots = json!([{ "slot": "black", "category": "toner" }]);
            let device = json!({ "device_id": format!("p{n}"), "model": "P-1", "slots": slots });
            events.push(track("kim", "device.registered", START, &device));
        }
        send(&node, &home.clock, START, &events);
        node.drain().unwrap();
        let kim = who(&node, "kim").unwrap();
        let defaults = OrderDefaults {
            to: "seoul-04".to_owned(),
            address: Some(r#"{"street":"one"}"#.to_owned()),
            time_zone: Some("Asia/Seoul".to_owned()),
            payment_token: Some("token-1".to_owned()),
            ..OrderDefaults::default()
        };
        node.act_and_wait(move |fold, now| fold.set_order_defaults(kim, defaults, now)).unwrap();
        Shop { node, home, kim }
    }

    pub(crate) fn connect(&self, command: ConnectionCommand) {
        let kim = self.kim;
        self.node.act_and_wait(move |fold, now| fold.connect(kim, &command, now)).unwrap();
        self.settle();
    }

    pub(crate) fn prefer(&self, strategy: Strategy, share: u8) {
        self.connect(ConnectionCommand::SetPreference(Preference {
            category: "toner".to_owned(),
            device_id: None,
            strategy,
            fallback: Fallback::of(strategy),
            share,
            channel: None,
            cap_per_week: None,
            version: 0,
            at: Time::default(),
        }));
    }

    pub(crate) fn mandate(&self) -> MandateTerms {
        MandateTerms {
            mandate_id: "m1".to_owned(),
            category: "toner".to_owned(),
            device_id: None,
            slot: None,
            items: vec!["tn-1".to_owned()],
            max_quantity: Quantity::ONE,
            payee: "shop".to_owned(),
            max_each: eur(7_000),
            limits: vec![SpendLimit { period: Period::Month, amount: Some(eur(20_000)), orders: None }],
            price: Some(PriceRule { reference: eur(5_800), max_rise_percent: 5 }),
            valid_from: START,
            valid_to: None,
            dormancy_days: None,
            notice_hours: 24,
            time_zone: "Asia/Seoul".to_owned(),
        }
    }

    fn consents_to_advertising(&self) {
        self.connect(ConnectionCommand::SetConsent(Consent {
            purpose: Consent::ADVERTISING.to_owned(),
            given: true,
            at: Time::default(),
            notice: None,
            jurisdiction: Some("KR".to_owned()),
        }));
    }

    /// Prints until the need was raised, and returns the day of it.
    fn print_until_reminded(&self) -> i64 {
        let raised = |day: &i64| {
            self.reads(*day * DAY, "p1", 100.0 - 2.0 * *day as f64);
            !self.messages().is_empty()
        };
        (0..50).find(raised).expect("nobody was reminded")
    }

    /// Presents a mandate and agrees to what was shown.
    pub(crate) fn delegate(&self, terms: MandateTerms) {
        let id = terms.mandate_id.clone();
        self.connect(ConnectionCommand::PresentMandate(Box::new(terms)));
        let known = self.connection().mandates[&id].clone();
        let agreement = known.proposed.map_or(known.agreement, |(_, _, agreement)| agreement);
        self.connect(ConnectionCommand::ActivateMandate { mandate_id: id, agreement });
    }

    /// Until what follows has followed, and the world has answered what was started.
    fn settle(&self) {
        for _ in 0..500 {
            for _ in 0..3 {
                self.node.drain().unwrap();
            }
            let effects = self.customer().effects;
            if effects.values().all(|record| record.state != EffectState::Started) {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
        panic!("effects did not settle");
    }

    pub(crate) fn customer(&self) -> engine::Customer {
        let kim = self.kim;
        self.node.ask(move |fold| fold.entity(kim).unwrap().customer().unwrap().clone()).unwrap()
    }

    pub(crate) fn connection(&self) -> Connection {
        *self.customer().connection
    }

    pub(crate) fn at(&self, micros: i64) {
        self.home.clock.set(START.plus_micros(micros));
        self.settle();
    }

    pub(crate) fn tell(&self, at: i64, name: &str, properties: &serde_json::Value) {
        let at = START.plus_micros(at);
        send(&self.node, &self.home.clock, at, &[track("kim", name, at, properties)]);
        self.settle();
    }

    /// A reading from a device that names nobody.
    fn reads(&self, at: i64, device: &str, percent: f64) {
        let at = START.plus_micros(at);
        let properties = json!({ "device_id": device, "slot": "black", "level": percent });
        let reading = Event {
            properties: Some(properties.to_string().into()),
            message_id: format!("{device}-{}-{percent}", at.0).into(),
            ..event(EventKind::Track, "slot.level_reported", at)
        };
        send(&self.node, &self.home.clock, at, &[reading]);
        self.settle();
    }

    /// The same, passed on by somebody else.
    fn passes_on(&self, at: i64, device: &str, percent: f64) {
        let at = START.plus_micros(at);
        let properties = json!({ "device_id": device, "slot": "black", "level": percent });
        let reading = Event {
            anonymous_id: Some("gateway".into()),
            properties: Some(properties.to_string().into()),
            ..event(EventKind::Track, "slot.level_reported", at)
        };
        send(&self.node, &self.home.clock, at, &[reading]);
        self.settle();
    }

    /// Two per cent a day from full on, until so many days have passed.
    fn print(&self, device: &str, days: std::ops::Range<i64>) {
        for day in days {
            self.reads(day * DAY, device, 100.0 - 2.0 * day as f64);
        }
    }

    fn the_need(&self) -> engine::connection::NeedRecord {
        let needs = self.connection().needs;
        assert_eq!(needs.len(), 1, "{needs:?}");
        needs.into_values().next().unwrap()
    }

    fn messages(&self) -> Vec<(String, EffectState, String)> {
        let effects = self.customer().effects;
        let messages = effects.into_values().filter(|record| record.effect.kind.name() == "message.send");
        let read = |record: engine::EffectRecord| {
            let body: model::connection::Message =
                serde_json::from_str(record.effect.body.as_deref().unwrap()).unwrap();
            (body.template, record.state, body.text)
        };
        messages.map(read).collect()
    }

    fn started(&self, kind: &str) -> usize {
        let effects = self.customer().effects;
        let of_kind = effects.values().filter(|record| record.effect.kind.name() == kind);
        of_kind
            .filter(|record| !matches!(record.state, EffectState::Requested | EffectState::Suppressed))
            .count()
    }

    /// Every decision that is kept comes out the same when it is made again.
    pub(crate) fn recompute(&self) -> usize {
        let reference = self.node.ask(|fold| fold.reference().clone()).unwrap();
        let decisions = self.connection().decisions;
        for record in decisions.values() {
            let seen: SeenByDecision = serde_json::from_str(&record.seen).unwrap();
            let choice: Choice = serde_json::from_str(&record.choice).unwrap();
            let playbook = reference.playbooks.get(&record.playbook, record.version).unwrap();
            assert_eq!(choose(&seen, playbook), choice, "{}", record.decision_id);
        }
        decisions.len()
    }

    fn last_choice(&self) -> Choice {
        let connection = self.connection();
        let last = connection
            .decisions
            .values()
            .max_by_key(|record| record.decision_id.rsplit('-').next().unwrap().parse::<u64>().unwrap());
        serde_json::from_str(&last.expect("a decision").choice).unwrap()
    }
}

#[test]
fn under_a_mandate_it_is_there_before_it_runs_dry_and_the_customer_does_nothing() {
    let shop = Shop::open();
    shop.prefer(Strategy::Automate, 2);
    shop.delegate(shop.mandate());
    let mut day = 0;
    while shop.connection().needs.is_empty() {
        shop.reads(day * DAY, "p1", 100.0 - 2.0 * day as f64);
        day += 1;
        assert!(day < 50, "nothing was foreseen");
    }
    // It would be empty on day 49; there are a day of notice and about two of delivery.
    assert!((25..=46).contains(&day), "on day {day}");
    let need = shop.the_need();
    assert_eq!((need.need.origin, need.stage), (NeedOrigin::Predicted, NeedStage::Requested));
    assert_eq!(need.need.strategy, Strategy::Automate);
    assert!(need.need.arose_at > need.need.known_at, "anticipated");
    let actions = shop.connection().actions;
    let action = actions.values().next().expect("one is announced");
    assert_eq!(action.state, ActionState::Announced);
    let (template, state, text) = shop.messages().into_iter().next().expect("the customer was told");
    assert_eq!((template.as_str(), state), ("toner/notice", EffectState::Done));
    assert!(text.starts_with("We order TN-1 for EUR 58.00 after "), "{text}");
    assert_eq!(shop.started("order.place") + shop.started("payment.authorise"), 0);

    shop.at(day * DAY + 25 * HOUR);
    let connection = shop.connection();
    let action = connection.actions.values().next().unwrap();
    assert_eq!(action.state, ActionState::Started, "{connection:#?}");
    let order_id = action.order_id.clone().unwrap();
    assert_eq!(connection.mandates["m1"].spends.len(), 1);
    assert_eq!(connection.mandates["m1"].spends[0].amount, eur(5_800));
    shop.tell(day * DAY + 26 * HOUR, "payment.authorised", &json!({ "order_id": order_id }));
    assert_eq!(shop.started("order.place"), 1);
    assert_eq!(shop.the_need().stage, NeedStage::Promised);

    shop.tell(day * DAY + 60 * HOUR, "fulfillment.delivered", &json!({ "order_id": order_id }));
    assert_eq!(shop.the_need().stage, NeedStage::Met);
    assert_eq!(shop.connection().actions.values().next().unwrap().state, ActionState::Fulfilled);
    // The level jumps: it was put in.
    shop.reads(day * DAY + 70 * HOUR, "p1", 100.0);
    shop.reads(day * DAY + 94 * HOUR, "p1", 98.0);
    assert_eq!(shop.the_need().stage, NeedStage::Learned);
    let customer = shop.customer();
    let standing: Vec<_> =
        customer.promises.values().filter(|promise| promise.terms.attribute == "never_empty").collect();
    assert_eq!(standing.len(), 2, "one was kept and one stands");
    assert_eq!(standing[0].status, PromiseStatus::Kept);
    assert!(shop.recompute() >= 2);

    // Everything is the same when it is folded again.
    let before = look(&shop.node);
    let again = Node::open(&shop.home.killed("again"), shop.home.options()).unwrap();
    assert_same(&before, &look(&again), "folded again");
}

#[test]
fn who_asks_is_answered_and_orders_in_two_actions() {
    let shop = Shop::open();
    shop.prefer(Strategy::Respond, 0);
    let kim = shop.kim;
    shop.at(DAY);
    let stated = shop
        .node
        .act_and_wait(move |fold, now| fold.state_need(kim, "toner", Subject::default(), None, now))
        .unwrap()
        .expect("there is a playbook");
    let choice = shop.last_choice();
    // The one printer is meant, whose model the catalogue knows: nothing that does not fit is shown.
    assert_eq!(choice.chosen.does, Does::Offer { items: vec!["tn-1".to_owned()] });
    let need_id = stated.need_id.clone();
    let ordered = shop
        .node
        .act_and_wait(move |fold, now| fold.choose_offer(kim, &need_id, "tn-1", "o-1", now))
        .unwrap();
    assert_eq!(ordered, Ordered::Known { order_id: "o-1".to_owned(), repeated: false });
    let need = shop.the_need();
    assert_eq!((need.stage, need.order_id.as_deref()), (NeedStage::Promised, Some("o-1")));
    assert_eq!(need.need.known_at, need.need.arose_at);
    // A second click is the same order.
    let need_id = stated.need_id;
    let again = shop
        .node
        .act_and_wait(move |fold, now| fold.choose_offer(kim, &need_id, "tn-1", "o-2", now))
        .unwrap();
    assert_eq!(again, Ordered::Known { order_id: "o-1".to_owned(), repeated: true });
    assert_eq!(shop.messages().len(), 0, "nobody was spoken to unasked");
    assert_eq!(shop.recompute(), 1);
}

#[test]
fn a_few_right_choices_are_shown_to_who_wants_them() {
    let shop = Shop::open();
    shop.prefer(Strategy::Curate, 1);
    let kim = shop.kim;
    let state =
        move |fold: &mut runtime::Fold, now| fold.state_need(kim, "toner", Subject::default(), None, now);
    shop.node.act_and_wait(state).unwrap();
    assert_eq!(
        shop.last_choice().chosen.does,
        Does::Offer { items: vec!["tn-1".to_owned(), "tn-2".to_owned()] }
    );
    // What they bought is shown first from then on.
    let need_id = shop.the_need().need.need_id;
    shop.node.act_and_wait(move |fold, now| fold.choose_offer(kim, &need_id, "tn-2", "o-1", now)).unwrap();
    shop.tell(DAY, "fulfillment.delivered", &json!({ "order_id": "o-1" }));
    shop.tell(2 * DAY, "slot.replaced", &json!({ "device_id": "p1", "slot": "black" }));
    shop.at(30 * DAY);
    shop.node.act_and_wait(state).unwrap();
    assert_eq!(
        shop.last_choice().chosen.does,
        Does::Offer { items: vec!["tn-2".to_owned(), "tn-1".to_owned()] }
    );
}

#[test]
fn who_wants_to_be_coached_is_reminded_once_in_time_and_not_without_consent() {
    let shop = Shop::open();
    shop.prefer(Strategy::Coach, 2);
    shop.print("p1", 0..49);
    assert_eq!(shop.the_need().need.origin, NeedOrigin::Predicted);
    // The reminder is advertising: nobody agreed to any.
    assert_eq!(shop.messages(), Vec::new());
    assert_eq!(shop.recompute(), 1);

    let shop = Shop::open();
    shop.prefer(Strategy::Coach, 2);
    let consent = |given: bool| {
        ConnectionCommand::SetConsent(Consent {
            purpose: Consent::ADVERTISING.to_owned(),
            given,
            at: Time::default(),
            notice: None,
            jurisdiction: Some("KR".to_owned()),
        })
    };
    shop.connect(consent(true));
    shop.print("p1", 0..49);
    let messages = shop.messages();
    assert_eq!(messages.len(), 1, "{messages:?}");
    let (template, state, text) = &messages[0];
    assert_eq!((template.as_str(), *state), ("toner/remind", EffectState::Done));
    assert!(text.contains("TN-1, EUR 58.00") && text.contains("Clean the drum"), "{text}");
    // Withdrawn, nothing more leaves: not even what was wanted before.
    shop.connect(consent(false));
    assert!(!shop.connection().consents_to(Consent::ADVERTISING));
}

#[test]
fn who_does_not_answer_is_reminded_again_where_the_playbook_says_so_and_within_the_caps() {
    let again = |days: u32, times: u32| {
        let shop = Shop::open();
        let mut changed = playbook();
        changed["strategies"]["coach"]["again"] = json!({ "days": days, "times": times });
        let mut reference = reference();
        reference.version = 2;
        reference.playbooks.publish(serde_json::from_value(changed).unwrap());
        shop.node.publish_reference(reference).unwrap();
        shop.prefer(Strategy::Coach, 2);
        shop.consents_to_advertising();
        let first = shop.print_until_reminded();
        (shop, first)
    };
    let (shop, first) = again(2, 1);
    shop.at((first + 1) * DAY);
    assert_eq!(shop.messages().len(), 1, "not before its time");
    shop.at((first + 2) * DAY + HOUR);
    assert_eq!(shop.messages().len(), 2);
    shop.at((first + 20) * DAY);
    assert_eq!(shop.messages().len(), 2, "as often as the playbook says");
    assert_eq!((shop.the_need().raised, shop.recompute()), (2, shop.connection().decisions.len()));

    // Two messages in seven days are the most: the third waits for the eighth day.
    let (shop, first) = again(1, 2);
    shop.at((first + 5) * DAY);
    assert_eq!(shop.messages().len(), 2);
    shop.at((first + 9) * DAY);
    assert_eq!(shop.messages().len(), 3);
    // Who has ordered has answered.
    let (shop, first) = again(2, 3);
    let placed = json!({ "order_id": "o-1", "products": [{ "sku": "tn-1", "quantity": 1 }] });
    shop.tell((first + 1) * DAY, "order.placed", &placed);
    shop.at((first + 9) * DAY);
    assert_eq!(shop.messages().len(), 1);
}

#[test]
fn what_was_put_off_is_said_once_more_when_that_is_over() {
    let shop = Shop::open();
    shop.prefer(Strategy::Coach, 2);
    shop.consents_to_advertising();
    let first = shop.print_until_reminded();
    let until = START.plus_micros((first + 3) * DAY);
    shop.connect(ConnectionCommand::Snooze { category: "toner".to_owned(), until });
    shop.at((first + 3) * DAY - HOUR);
    assert_eq!(shop.messages().len(), 1, "put off");
    shop.at((first + 3) * DAY + HOUR);
    assert_eq!(shop.messages().len(), 2, "and come back to");
    shop.at((first + 30) * DAY);
    assert_eq!(shop.messages().len(), 2);
    assert_eq!(shop.recompute(), shop.connection().decisions.len());
}

#[test]
fn nothing_is_done_unasked_for_those_who_did_not_want_it() {
    let unasked = [Strategy::Wait, Strategy::Respond, Strategy::Curate];
    for (strategy, share) in
        unasked.into_iter().flat_map(|strategy| (0..=3).map(move |share| (strategy, share)))
    {
        let shop = Shop::open();
        shop.prefer(strategy, share);
        shop.print("p1", 0..50);
        let connection = shop.connection();
        assert_eq!(connection.needs.len() + connection.decisions.len(), 0, "{strategy:?} {share}");
        assert_eq!(shop.messages().len(), 0, "{strategy:?} {share}");
        // What is not shared is not read.
        let read = connection.devices["p1"].slots["black"].last.is_some();
        assert_eq!(read, share >= 2, "{strategy:?} {share}");
    }
    // Nothing set is nothing wanted.
    let shop = Shop::open();
    shop.print("p1", 0..50);
    assert_eq!(shop.connection().needs.len() + shop.messages().len(), 0);
}

#[test]
fn who_delegated_and_has_no_mandate_is_asked_once_and_not_nagged() {
    let shop = Shop::open();
    shop.prefer(Strategy::Automate, 2);
    shop.print("p1", 0..50);
    let messages = shop.messages();
    assert_eq!(messages.len(), 1, "{messages:?}");
    assert_eq!(messages[0].0, "toner/ask");
    let need = shop.the_need();
    assert_eq!((need.need.strategy, need.need.instead.as_deref()), (Strategy::Wait, Some("no_mandate")));
    assert_eq!(shop.started("order.place"), 0);
}

#[test]
fn without_a_way_to_pay_nothing_is_announced_that_could_not_be_ordered() {
    let shop = Shop::open();
    shop.prefer(Strategy::Automate, 2);
    shop.delegate(shop.mandate());
    let kim = shop.kim;
    let unpaid = OrderDefaults { to: "KR-11".to_owned(), ..OrderDefaults::default() };
    shop.node.act_and_wait(move |fold, now| fold.set_order_defaults(kim, unpaid, now)).unwrap();
    shop.print("p1", 0..50);
    let need = shop.the_need();
    assert_eq!((need.need.strategy, need.need.instead.as_deref()), (Strategy::Wait, Some("payment_token")));
    assert!(shop.connection().actions.is_empty());
    assert_eq!(shop.messages().iter().map(|said| said.0.as_str()).collect::<Vec<_>>(), ["toner/ask"]);
}

#[test]
fn readings_count_no_more_from_the_withdrawal_on_and_the_mandate_rests() {
    let shop = Shop::open();
    shop.prefer(Strategy::Automate, 2);
    shop.delegate(shop.mandate());
    shop.print("p1", 0..10);
    let before = shop.connection().devices["p1"].slots["black"].clone();
    shop.connect(ConnectionCommand::SetConsent(Consent {
        purpose: "readings".to_owned(),
        given: false,
        at: Time::default(),
        notice: None,
        jurisdiction: None,
    }));
    assert_eq!(shop.connection().mandates["m1"].state, MandateState::Suspended);
    shop.print("p1", 10..50);
    let connection = shop.connection();
    assert_eq!(connection.devices["p1"].slots["black"], before, "nothing was read");
    assert_eq!(connection.needs.len() + shop.messages().len(), 0);
}

#[test]
fn called_off_in_the_window_it_is_not_ordered_and_not_proposed_again() {
    let shop = Shop::open();
    shop.prefer(Strategy::Automate, 2);
    shop.delegate(shop.mandate());
    shop.print("p1", 0..44);
    let action = shop.connection().actions.keys().next().expect("announced").clone();
    if shop.connection().actions[&action].state == ActionState::Announced {
        shop.connect(ConnectionCommand::CancelAction { action_id: action.clone() });
    }
    shop.print("p1", 44..50);
    shop.at(70 * DAY);
    let connection = shop.connection();
    assert_eq!(connection.actions.len(), 1);
    assert_eq!(
        shop.started("order.place") + shop.started("payment.authorise"),
        connection.mandates["m1"].spends.len()
    );
}

#[test]
fn revoked_at_any_step_nothing_starts_after_it() {
    let steps = scale(24, 500, 10_000);
    for step in 0..steps {
        let shop = Shop::open();
        shop.prefer(Strategy::Automate, 2);
        shop.delegate(shop.mandate());
        shop.print("p1", 0..30);
        let mut day = 30;
        while shop.connection().actions.is_empty() {
            shop.reads(day * DAY, "p1", 100.0 - 2.0 * day as f64);
            day += 1;
        }
        // Somewhere between the notice and the delivery.
        let after = (step as i64 * 7_919) % (40 * 60) * 60_000_000;
        shop.at(day * DAY + after);
        let order = shop.connection().actions.values().next().unwrap().order_id.clone();
        if let Some(order) = order.filter(|_| step % 2 == 0) {
            shop.tell(day * DAY + after, "payment.authorised", &json!({ "order_id": order }));
        }
        let started = shop.started("order.place") + shop.started("payment.authorise");
        shop.connect(ConnectionCommand::RevokeMandate { mandate_id: "m1".to_owned() });
        shop.at(day * DAY + after + HOUR);
        if let Some(order) = shop.connection().actions.values().next().unwrap().order_id.clone() {
            shop.tell(day * DAY + after + 2 * HOUR, "payment.authorised", &json!({ "order_id": order }));
        }
        shop.at((day + 30) * DAY);
        let now = shop.started("order.place") + shop.started("payment.authorise");
        assert_eq!(now, started, "step {step}: something started after the revocation");
        let connection = shop.connection();
        let action = connection.actions.values().next().unwrap();
        let placed = shop.started("order.place") > 0;
        let expected = if placed { ActionState::Started } else { ActionState::Cancelled };
        assert_eq!(action.state, expected, "step {step}");
        if !placed {
            let open = shop.customer().orders.values().any(|order| order.state != OrderState::Cancelled);
            assert!(!open, "step {step}: supply is let go");
        }
    }
}

#[test]
fn a_thousand_tries_on_one_mandate_are_one_order_for_each_device_and_within_its_limit() {
    let tries = scale(100, 1_000, 1_000);
    let shop = Shop::with_devices(5);
    shop.prefer(Strategy::Automate, 2);
    // Three at most in a month, by the amount.
    shop.delegate(shop.mandate());
    let kim = shop.kim;
    for n in 0..tries {
        let device = format!("p{}", n % 5 + 1);
        let subject = Subject { device_id: Some(device), slot: Some("black".to_owned()), item_id: None };
        shop.node
            .act_and_wait(move |fold, now| {
                // As if a forecast, a button and a retry came at once.
                fold.connect(kim, &ConnectionCommand::OrderNow { mandate_id: "m1".to_owned() }, now)?;
                fold.state_need(kim, "toner", subject.clone(), None, now)
            })
            .unwrap();
    }
    for day in 0..10 {
        for n in 1..=5 {
            shop.reads(day * DAY + HOUR, &format!("p{n}"), 20.0 - 2.0 * day as f64);
        }
    }
    shop.at(20 * DAY);
    let connection = shop.connection();
    let spent: i64 = connection.mandates["m1"].spends.iter().map(|spend| spend.amount.minor).sum();
    assert!(spent <= 20_000, "{spent}");
    let mut by_device = BTreeMap::new();
    for action in connection.actions.values().filter(|record| record.state == ActionState::Started) {
        let need = &connection.needs[&action.action.need_id].need;
        *by_device.entry(need.subject.device_id.clone()).or_insert(0) += 1;
    }
    assert!(by_device.values().all(|orders| *orders == 1), "{by_device:?}");
    assert_eq!(shop.started("payment.authorise"), connection.mandates["m1"].spends.len());
}

#[test]
fn a_price_that_rose_is_asked_about_and_not_paid() {
    let shop = Shop::open();
    shop.prefer(Strategy::Automate, 2);
    shop.delegate(shop.mandate());
    let dearer = json!({ "item_id": "tn-1", "name": "TN-1", "price": "65.00", "cost": "20.00", "currency": "EUR", "fits": ["P-1"] });
    shop.tell(DAY, "item.published", &dearer);
    shop.print("p1", 2..50);
    let messages = shop.messages();
    // Asked once; and that it ran dry meanwhile is ours, who raised the price.
    let templates: Vec<&str> = messages.iter().map(|(template, ..)| template.as_str()).collect();
    assert_eq!(templates, ["toner/ask", "toner/sorry"]);
    assert!(messages[0].2.contains("price_rise"), "{}", messages[0].2);
    assert_eq!(shop.started("payment.authorise"), 0);
    // Agreed to anew, it goes on by itself.
    let mut terms = shop.mandate();
    terms.price = Some(PriceRule { reference: eur(6_500), max_rise_percent: 0 });
    shop.delegate(terms);
    assert_eq!(shop.connection().mandates["m1"].version, 2);
    shop.connect(ConnectionCommand::OrderNow { mandate_id: "m1".to_owned() });
    shop.at(52 * DAY);
    assert_eq!(shop.started("payment.authorise"), 1);
}

#[test]
fn what_runs_empty_under_a_mandate_is_our_broken_promise() {
    let shop = Shop::open();
    shop.prefer(Strategy::Automate, 2);
    shop.delegate(shop.mandate());
    shop.print("p1", 0..5);
    // A school project: gone in a day.
    shop.reads(5 * DAY, "p1", 40.0);
    shop.reads(5 * DAY + 6 * HOUR, "p1", 10.0);
    shop.reads(5 * DAY + 9 * HOUR, "p1", 0.0);
    shop.reads(5 * DAY + 10 * HOUR, "p1", 0.0);
    let customer = shop.customer();
    let standing = customer.promises.values().find(|promise| promise.terms.attribute == "never_empty");
    assert_eq!(standing.unwrap().status, PromiseStatus::Broken);
    let sorry = shop.messages().into_iter().find(|(template, ..)| template == "toner/sorry");
    assert_eq!(sorry.expect("it is said").2, "It ran dry. EUR 5.00");
    assert_eq!(standing.unwrap().remedies.len(), 1);
}

#[test]
fn what_needs_cost_and_what_was_ordered_by_itself_stands_in_the_views() {
    let shop = Shop::open();
    shop.prefer(Strategy::Automate, 2);
    shop.delegate(shop.mandate());
    shop.print("p1", 0..46);
    shop.at(52 * DAY);
    let action = shop.connection().actions.values().next().unwrap().clone();
    let order_id = action.order_id.expect("ordered");
    shop.tell(53 * DAY, "effort.spent", &json!({ "category": "toner", "minutes": 1.5, "steps": 1 }));
    shop.tell(54 * DAY, "fulfillment.delivered", &json!({ "order_id": order_id }));
    let reader = shop.node.reader().unwrap();
    let report = reader.need_report(NeedQuery::default()).unwrap();
    let automate = &report.groups[0];
    assert_eq!((automate.strategy, automate.needs, automate.met), (Strategy::Automate, 1, 1));
    assert!(automate.lead_p50_hours.unwrap() < 0.0, "anticipated: {report:?}");
    assert_eq!(
        (automate.minutes, automate.steps, automate.downtime_hours),
        (Some(1.5), Some(1.0), Some(0.0))
    );
    assert_eq!((automate.in_hand_before, automate.wrong_items), (Some(1), Some(0)));
    assert_eq!((report.auto_orders.proposed, report.auto_orders.fulfilled), (1, 1));
    let decisions = reader.decisions(Some(shop.kim), 10).unwrap();
    assert_eq!(decisions.len(), shop.connection().decisions.len());
    assert_eq!(reader.decision(shop.kim, &decisions[0].decision_id).unwrap().as_ref(), Some(&decisions[0]));
    assert_eq!(reader.auto_orders(None, 10).unwrap()[0].order_id.as_deref(), Some(order_id.as_str()));
    assert_eq!(reader.needs(None, 10).unwrap()[0].order_id.as_deref(), Some(order_id.as_str()));
}

#[test]
fn a_reading_counts_for_whose_device_it_is_whoever_passes_it_on() {
    let shop = Shop::open();
    shop.prefer(Strategy::Automate, 2);
    shop.passes_on(DAY, "p1", 60.0);
    assert_eq!(shop.connection().devices["p1"].slots["black"].last.map(|(_, level)| level), Some(0.6));
}
