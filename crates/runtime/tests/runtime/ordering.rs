//! Orders in one action, and what is done with them until they come back.

use engine::Reference;
use engine::promising::WantedLine;
use model::{
    CancelledBy, EntityId, Event, EventKind, OrderDefaults, OrderState, PaymentState, Quantity,
    ReturnRequest, ReturnState, Time, Wanted,
};
use runtime::Node;
use runtime::ordering::{Cannot, Changed, Instead, OrderAsk, Ordered, Wish};
use serde_json::json;
use views::{EffectFilter, EffectState, GroupBy, ReportQuery};

use crate::support::{DAY, HOUR, Home, MINUTE, START, assert_same, event, look, send, track, who};

fn reference() -> Reference {
    let promising = json!({
        "places": { "near": {}, "far": {} },
        "lanes": [
            { "from": "near", "to": "seoul*", "hours": [[0.5, 2.0], [0.95, 4.0]], "whole_days": false },
            { "from": "far", "to": "*", "hours": [[0.5, 48.0], [0.95, 72.0]], "whole_days": false },
        ],
    });
    let promising = serde_json::from_value(promising).unwrap();
    let reference = Reference { version: 1, promising, ..Reference::default() };
    reference.check().unwrap();
    reference
}

/// A shop that has 2 of `ink` near and 10 far, 5 of `paper` near; and `kim`, who has stored what one action needs.
struct Shop {
    // Gone before the directory that it writes to.
    node: Node,
    home: Home,
    kim: EntityId,
    asked: std::cell::Cell<u32>,
}

impl Shop {
    fn open() -> Shop {
        let home = Home::new();
        let node = home.open();
        node.publish_reference(reference()).unwrap();
        let item = |id: &str, price: &str| {
            let properties = json!({ "item_id": id, "price": price, "currency": "EUR" });
            Event {
                properties: Some(properties.to_string().into()),
                ..event(EventKind::Track, "item.published", START)
            }
        };
        let stock = |id: &str, place: &str, n: u32| {
            let properties = json!({ "item_id": id, "place": place, "on_hand": n });
            Event {
                properties: Some(properties.to_string().into()),
                ..event(EventKind::Track, "stock.counted", START)
            }
        };
        let login = Event { user_id: Some("kim".into()), ..event(EventKind::Identify, "", START) };
        let events = [
            item("ink", "12.50"),
            item("paper", "4.00"),
            stock("ink", "near", 2),
            stock("ink", "far", 10),
            stock("paper", "near", 5),
            login,
        ];
        send(&node, &home.clock, START, &events);
        node.drain().unwrap();
        let kim = who(&node, "kim").unwrap();
        let defaults = OrderDefaults {
            to: "seoul-04".to_owned(),
            address: Some(r#"{"street":"canary-street"}"#.to_owned()),
            time_zone: Some("Asia/Seoul".to_owned()),
            payment_token: Some("canary-token-1234".to_owned()),
            ..OrderDefaults::default()
        };
        node.act_and_wait(move |fold, now| fold.set_order_defaults(kim, defaults, now)).unwrap();
        Shop { home, node, kim, asked: std::cell::Cell::new(0) }
    }

    fn ask(&self, request: Option<&str>, lines: &[(&str, i64)]) -> Ordered {
        self.asked.set(self.asked.get() + 1);
        let lines = lines.iter().map(|(item_id, n)| WantedLine {
            item_id: (*item_id).to_owned(),
            quantity: Quantity::units(*n),
            price: None,
        });
        let ask = OrderAsk {
            customer: self.kim,
            fresh_id: format!("o-{}", self.asked.get()),
            request: request.map(str::to_owned),
            lines: lines.collect(),
        };
        self.node.act_and_wait(move |fold, now| fold.place_order(&ask, now)).unwrap()
    }

    #[track_caller]
    fn placed(&self, lines: &[(&str, i64)]) -> String {
        match self.ask(None, lines) {
            Ordered::Known { order_id, repeated: false } => order_id,
            other => panic!("{other:?}"),
        }
    }

    fn order(&self, id: &str) -> engine::Order {
        let id = id.to_owned();
        self.node.ask(move |fold| fold.order(&id).unwrap().expect("known").1).unwrap()
    }

    fn at(&self, micros: i64) {
        self.home.clock.set(START.plus_micros(micros));
        self.node.drain().unwrap();
        self.node.drain().unwrap();
    }

    fn tell(&self, at: i64, name: &str, properties: &serde_json::Value) {
        let at = START.plus_micros(at);
        send(&self.node, &self.home.clock, at, &[track("kim", name, at, properties)]);
        self.node.drain().unwrap();
    }

    /// What was asked of the outside world about orders and payments, in order, with amounts.
    fn effects(&self) -> Vec<String> {
        self.node.drain().unwrap();
        let kim = self.kim;
        let effects =
            self.node.ask(move |fold| fold.entity(kim).unwrap().customer().unwrap().effects.clone());
        let all = effects.unwrap().into_values().filter(|record| record.effect.kind.is_binding());
        all.map(|record| {
            let body: serde_json::Value = serde_json::from_str(record.effect.body.as_ref().unwrap()).unwrap();
            let amount = body["amount"].as_str().map(|amount| format!(" {amount}")).unwrap_or_default();
            format!("{} {}{amount}", record.effect.order_id.unwrap(), record.effect.kind.name())
        })
        .collect()
    }

    fn undo(&self, id: &str) -> Result<(), Cannot> {
        let id = id.to_owned();
        self.node.act_and_wait(move |fold, now| fold.undo_order(&id, now)).unwrap()
    }

    fn cancel(&self, id: &str) -> Result<(), Cannot> {
        let id = id.to_owned();
        let by = CancelledBy::Customer;
        self.node.act_and_wait(move |fold, now| fold.cancel_order(&id, by, None, now)).unwrap()
    }

    fn instead(&self, id: &str) -> Vec<Instead> {
        let id = id.to_owned();
        self.node.ask(move |fold| fold.instead(&id).unwrap()).unwrap()
    }

    fn give_back(&self, id: &str, name: &str, lines: &[(&str, i64)]) -> Result<engine::Return, Cannot> {
        let lines = lines.iter();
        let lines =
            lines.map(|(item, n)| Wanted { item_id: (*item).to_owned(), quantity: Quantity::units(*n) });
        let request = ReturnRequest {
            return_id: name.to_owned(),
            order_id: id.to_owned(),
            lines: lines.collect(),
            reason: None,
        };
        self.node.act_and_wait(move |fold, now| fold.return_order(&request, now)).unwrap()
    }

    fn authorised(&self, at: i64, id: &str) {
        self.tell(at, "payment.authorised", &json!({ "order_id": id, "reference": format!("pay-{id}") }));
    }

    fn state(&self, id: &str) -> (OrderState, PaymentState) {
        let order = self.order(id);
        (order.state, order.payment.expect("a payment").state())
    }
}

#[test]
fn one_action_is_order_promise_and_authorisation_and_the_rest_waits_for_the_window() {
    let shop = Shop::open();
    let id = shop.placed(&[("ink", 1), ("paper", 2)]);
    assert_eq!(shop.state(&id), (OrderState::Allocated, PaymentState::Requested));
    assert_eq!(shop.effects(), ["o-1 payment.authorise 20.50"]);
    let promises = shop.node.reader().unwrap().promises_of(shop.kim).unwrap();
    assert_eq!((promises.len(), promises[0].status), (1, model::PromiseStatus::Made));
    // The nearest source, from when nobody can undo it any more: four hours and not three days.
    assert!(promises[0].hand_over_by >= Some(START.plus_micros(10 * MINUTE)));
    assert!(promises[0].due_at < START.plus_micros(5 * HOUR), "{}", promises[0].due_at);
    shop.authorised(MINUTE, &id);
    shop.at(10 * MINUTE - 1);
    assert_eq!(shop.effects().len(), 1, "nobody else hears of it before its window is over");
    shop.at(10 * MINUTE);
    assert_eq!(
        shop.effects(),
        ["o-1 payment.authorise 20.50", "o-1 order.place", "o-1 payment.capture 20.50"]
    );
    shop.tell(
        11 * MINUTE,
        "payment.captured",
        &json!({ "order_id": id, "amount": "20.50", "currency": "EUR" }),
    );
    assert_eq!(shop.state(&id), (OrderState::Allocated, PaymentState::Captured));
    // What one action orders with is in no view, and in no list of effects.
    let dump = shop.node.reader().unwrap().dump().unwrap();
    assert!(!dump.contains("canary"), "{dump}");
    // A replay comes to the same.
    let seen = look(&shop.node);
    drop(shop.node);
    assert_same(&seen, &look(&shop.home.open()), "reopened");
}

#[test]
fn a_double_click_is_one_order() {
    let shop = Shop::open();
    let id = shop.placed(&[("ink", 1), ("paper", 1)]);
    let again = Ordered::Known { order_id: id.clone(), repeated: true };
    assert_eq!(shop.ask(None, &[("ink", 1), ("paper", 1)]), again);
    shop.at(10_000_000 - 1);
    assert_eq!(shop.ask(None, &[("paper", 1), ("ink", 1)]), again, "the same lines in another order");
    assert!(matches!(shop.ask(None, &[("ink", 1)]), Ordered::Known { repeated: false, .. }), "other lines");
    shop.at(10_000_000);
    assert!(matches!(shop.ask(None, &[("ink", 1), ("paper", 1)]), Ordered::Known { repeated: false, .. }));
    // A request by name is one for ever, whatever the clock says.
    let Ordered::Known { order_id, repeated: false } = shop.ask(Some("r-1"), &[("ink", 1)]) else { panic!() };
    shop.at(20 * DAY);
    assert_eq!(shop.ask(Some("r-1"), &[("ink", 1)]), Ordered::Known { order_id, repeated: true });
    assert!(matches!(shop.ask(Some("r-2"), &[("ink", 1)]), Ordered::Known { repeated: false, .. }));
}

#[test]
fn an_undo_frees_stock_and_payment_and_comes_too_late_after_the_window() {
    let shop = Shop::open();
    let id = shop.placed(&[("paper", 5)]);
    assert!(matches!(shop.ask(None, &[("paper", 1)]), Ordered::Infeasible(_)), "all of it is promised");
    shop.authorised(MINUTE, &id);
    assert_eq!(shop.undo(&id), Ok(()));
    assert_eq!(shop.undo(&id), Ok(()), "a second click");
    assert_eq!(shop.order(&id).state, OrderState::Cancelled);
    assert_eq!(shop.effects(), ["o-1 payment.authorise 20.00", "o-1 payment.void 20.00"]);
    let promises = shop.node.reader().unwrap().promises_of(shop.kim).unwrap();
    assert_eq!(promises[0].status, model::PromiseStatus::Withdrawn);
    shop.at(2 * MINUTE);
    let other = shop.placed(&[("paper", 5)]);
    shop.at(DAY);
    assert_eq!(shop.effects().len(), 3, "nothing was handed out of what was undone");
    assert_eq!(shop.undo(&other), Err(Cannot::TooLate));
    assert_eq!(shop.instead(&other), [Instead::Cancel, Instead::Change]);
    shop.tell(DAY + HOUR, "payment.voided", &json!({ "order_id": id }));
    assert_eq!(shop.order(&id).payment.unwrap().state(), PaymentState::Voided);
}

#[test]
fn an_order_waits_for_its_authorisation_and_ends_with_its_refusal() {
    let shop = Shop::open();
    let (late, never) = (shop.placed(&[("ink", 1)]), shop.placed(&[("paper", 1)]));
    shop.at(HOUR);
    assert!(
        !shop.effects().iter().any(|effect| effect.contains("order.place")),
        "nothing unpaid is handed out"
    );
    shop.authorised(2 * HOUR, &late);
    shop.authorised(2 * HOUR, &late);
    let of = |id: &str| {
        shop.effects().into_iter().filter(|e| e.starts_with(&format!("{id} "))).collect::<Vec<_>>()
    };
    assert_eq!(of(&late), ["o-1 payment.authorise 12.50", "o-1 order.place", "o-1 payment.capture 12.50"]);
    shop.tell(3 * HOUR, "payment.failed", &json!({ "order_id": never, "reason": "no funds" }));
    assert_eq!(shop.state(&never), (OrderState::Cancelled, PaymentState::Failed));
    assert_eq!(of(&never), ["o-2 payment.authorise 4.00"]);
    // Its stock is free again.
    shop.placed(&[("paper", 5)]);
}

#[test]
fn an_order_is_cancelled_until_it_leaves_and_then_returned() {
    let shop = Shop::open();
    let (gone, stays) = (shop.placed(&[("ink", 1)]), shop.placed(&[("paper", 2)]));
    for id in [&gone, &stays] {
        shop.authorised(MINUTE, id);
    }
    shop.at(HOUR);
    assert_eq!(shop.cancel(&gone), Ok(()));
    let of = |id: &str| {
        shop.effects().into_iter().filter(|e| e.starts_with(&format!("{id} "))).collect::<Vec<_>>()
    };
    assert_eq!(
        of(&gone),
        [
            "o-1 payment.authorise 12.50",
            "o-1 order.place",
            "o-1 payment.capture 12.50",
            "o-1 order.cancel",
            "o-1 payment.refund 12.50"
        ]
    );
    shop.tell(2 * HOUR, "fulfillment.shipped", &json!({ "order_id": stays }));
    assert_eq!(shop.cancel(&stays), Err(Cannot::HandedOver));
    assert_eq!(shop.instead(&stays), [Instead::Return]);
    assert_eq!(shop.undo(&stays), Err(Cannot::HandedOver));
    assert_eq!(shop.cancel("o-99"), Err(Cannot::Unknown));
    assert_eq!(shop.give_back(&gone, "r", &[]), Err(Cannot::Cancelled));
}

#[test]
fn a_change_takes_the_orders_place_only_when_it_is_feasible_and_confirmed() {
    let shop = Shop::open();
    let id = shop.placed(&[("paper", 4)]);
    shop.authorised(MINUTE, &id);
    let plan = |quantity: i64, quote: &str| {
        let line =
            WantedLine { item_id: "paper".to_owned(), quantity: Quantity::units(quantity), price: None };
        let wish = Wish { lines: Some(vec![line]), ..Wish::default() };
        let (id, quote) = (id.clone(), quote.to_owned());
        shop.node.act_and_wait(move |fold, now| fold.plan_change(&id, &quote, &wish, now)).unwrap()
    };
    let confirm = |quote: &str| {
        let (id, quote) = (id.clone(), quote.to_owned());
        shop.node.act_and_wait(move |fold, now| fold.confirm_change(&id, &quote, now)).unwrap()
    };
    let first_due = shop.node.reader().unwrap().promises_of(shop.kim).unwrap()[0].first_due_at;
    assert!(matches!(plan(6, "c-1"), Ok(Changed::Infeasible(_))), "there are five");
    shop.at(5 * MINUTE);
    // Its own four are there for it.
    assert!(matches!(plan(5, "c-2"), Ok(Changed::Held { .. })));
    assert_eq!(shop.order(&id).payment.unwrap().owed, 1600, "held, and nothing has changed");
    assert!(matches!(confirm("c-2"), Ok(Changed::Done(_))));
    assert!(matches!(confirm("c-2"), Ok(Changed::Done(_))), "asked twice");
    assert_eq!(shop.effects(), ["o-1 payment.authorise 16.00", "o-1 payment.authorise 4.00"]);
    let promise = shop.node.reader().unwrap().promises_of(shop.kim).unwrap().remove(0);
    assert_eq!((promise.first_due_at, promise.version), (first_due, 2));
    let row = shop.node.reader().unwrap().orders_of(shop.kim).unwrap().remove(0);
    assert_eq!((row.lines[0].quantity, row.total.unwrap().minor), (5.0, 2000));
    assert!(matches!(shop.ask(None, &[("paper", 1)]), Ordered::Infeasible(_)), "all five are its own");
    // Fewer: the rest is free, and less is owed.
    assert!(matches!(plan(1, "c-3"), Ok(Changed::Held { .. })));
    assert!(matches!(confirm("c-3"), Ok(Changed::Done(_))));
    let other = shop.placed(&[("paper", 4)]);
    assert_eq!(other, "o-3");
    shop.at(11 * MINUTE);
    let of = |kind: &str| {
        shop.effects().into_iter().filter(|e| e.starts_with("o-1") && e.contains(kind)).collect::<Vec<_>>()
    };
    assert_eq!(of("capture"), ["o-1 payment.capture 4.00"]);
    // After the hand-out whoever fulfils it is told; after it has left nothing changes.
    assert!(matches!(plan(1, "c-4"), Ok(Changed::Held { .. })));
    assert!(matches!(confirm("c-4"), Ok(Changed::Done(_))));
    assert_eq!(of("order."), ["o-1 order.place", "o-1 order.change"]);
    assert!(matches!(plan(1, "c-5"), Ok(Changed::Held { .. })));
    shop.tell(12 * MINUTE, "fulfillment.shipped", &json!({ "order_id": id }));
    assert_eq!(confirm("c-5").unwrap_err(), Cannot::HandedOver);
    assert_eq!(plan(2, "c-6").unwrap_err(), Cannot::HandedOver);
}

#[test]
fn a_return_is_taken_on_day_365_and_left_to_a_person_on_day_366() {
    // Delivered at, asked for at, the customer's zone, the day, and what becomes of it.
    let check = |delivered: &str, asked: &str, zone: &str, day: i64, state: ReturnState| {
        let shop = Shop::open();
        let time = |text: &str| Time::parse(text).unwrap();
        let kim = shop.kim;
        let defaults =
            OrderDefaults { to: "seoul".into(), time_zone: Some(zone.into()), ..OrderDefaults::default() };
        shop.node.act_and_wait(move |fold, now| fold.set_order_defaults(kim, defaults, now)).unwrap();
        let delivered = time(delivered).0 - START.0;
        shop.tell(
            delivered,
            "order.placed",
            &json!({ "order_id": "e", "products": [{ "product_id": "ink" }] }),
        );
        shop.tell(delivered, "fulfillment.delivered", &json!({ "order_id": "e" }));
        shop.at(time(asked).0 - START.0);
        let known = shop.give_back("e", "r", &[]).unwrap();
        assert_eq!((known.day, known.state), (day, state), "{asked} {zone}");
        assert_eq!(shop.give_back("e", "r", &[]).unwrap(), known, "asked twice, it is one");
    };
    use ReturnState::{Approved, Discretion};
    check("2027-03-10T12:00:00Z", "2028-03-09T23:59:59Z", "UTC", 365, Approved);
    check("2027-03-10T12:00:00Z", "2028-03-10T00:00:00Z", "UTC", 366, Discretion);
    // The customer's midnight, not ours.
    check("2026-05-01T12:00:00Z", "2027-05-01T14:59:59Z", "Asia/Seoul", 365, Approved);
    check("2026-05-01T12:00:00Z", "2027-05-01T15:00:00Z", "Asia/Seoul", 366, Discretion);
    // From a leap day.
    check("2028-02-29T12:00:00Z", "2029-02-28T12:00:00Z", "UTC", 365, Approved);
    check("2028-02-29T12:00:00Z", "2029-03-01T00:00:00Z", "UTC", 366, Discretion);
    // Delivered in summer time and asked for in winter time: 365 calendar days, an hour more than that of clocks.
    check("2026-11-01T04:30:00Z", "2027-11-02T03:59:59Z", "America/New_York", 365, Approved);
    check("2026-11-01T04:30:00Z", "2027-11-02T04:00:00Z", "America/New_York", 366, Discretion);
    // Midnight is five hours away in winter: with the clocks set back it is still the day before.
    check("2026-12-01T05:00:00Z", "2027-12-02T04:59:59Z", "America/New_York", 365, Approved);
    check("2026-12-01T05:00:00Z", "2027-12-02T05:00:00Z", "America/New_York", 366, Discretion);
}

#[test]
fn what_comes_back_is_refunded_by_what_was_paid_for_it() {
    let shop = Shop::open();
    let id = shop.placed(&[("ink", 2), ("paper", 1)]);
    shop.authorised(MINUTE, &id);
    shop.tell(
        20 * MINUTE,
        "payment.captured",
        &json!({ "order_id": id, "amount": "29.00", "currency": "EUR" }),
    );
    assert_eq!(shop.give_back(&id, "r-0", &[]), Err(Cannot::NotHandedOver));
    shop.tell(DAY, "fulfillment.delivered", &json!({ "order_id": id }));
    assert_eq!(shop.give_back(&id, "r-0", &[("ink", 3)]), Err(Cannot::TooMuch));
    let part = shop.give_back(&id, "r-1", &[("ink", 1)]).unwrap();
    assert_eq!(
        (part.state, part.day, shop.order(&id).state),
        (ReturnState::Approved, 0, OrderState::ReturnRequested)
    );
    let back = |at: i64, name: &str, which: &str| {
        shop.tell(at, name, &json!({ "order_id": id, "return_id": which }));
    };
    back(2 * DAY, "return.in_transit", "r-1");
    back(3 * DAY, "return.received", "r-1");
    back(3 * DAY + HOUR, "return.received", "r-1");
    let refunds = || shop.effects().into_iter().filter(|e| e.contains("refund")).collect::<Vec<_>>();
    assert_eq!(refunds(), ["o-1 payment.refund 12.50"], "told twice, refunded once");
    assert_eq!(shop.order(&id).state, OrderState::PartiallyReturned);
    shop.tell(4 * DAY, "order.refunded", &json!({ "order_id": id, "amount": "12.50", "currency": "EUR" }));
    assert_eq!(shop.state(&id), (OrderState::PartiallyReturned, PaymentState::PartlyRefunded));
    back(4 * DAY + HOUR, "return.restocked", "r-1");
    assert_eq!(shop.order(&id).returns["r-1"].state, ReturnState::Refunded);
    // The rest.
    assert_eq!(
        shop.give_back(&id, "r-2", &[("ink", 2)]),
        Err(Cannot::TooMuch),
        "one of them is back already"
    );
    shop.give_back(&id, "r-2", &[("ink", 1), ("paper", 1)]).unwrap();
    back(6 * DAY, "return.received", "r-2");
    assert_eq!(refunds(), ["o-1 payment.refund 12.50", "o-1 payment.refund 16.50"]);
    assert_eq!(shop.order(&id).state, OrderState::Returned);
    let rows = shop.node.reader().unwrap().returns(false, 10).unwrap();
    let rows: Vec<_> = rows.iter().map(|row| (row.return_id.as_str(), row.state.as_str(), row.day)).collect();
    assert_eq!(rows, [("r-1", "refunded", 0), ("r-2", "received", 3)]);
}

#[test]
fn a_person_decides_what_the_policy_leaves_to_them() {
    let shop = Shop::open();
    shop.tell(0, "order.placed", &json!({ "order_id": "e" }));
    shop.tell(HOUR, "fulfillment.delivered", &json!({ "order_id": "e" }));
    shop.at(400 * DAY);
    for name in ["r-1", "r-2"] {
        let lines = [("ink", 1)];
        assert_eq!(shop.give_back("e", name, &lines).unwrap().state, ReturnState::Discretion);
    }
    assert_eq!(
        shop.node.drain().map(|()| shop.node.reader().unwrap().returns(true, 10).unwrap().len()).unwrap(),
        2
    );
    let decide = |name: &str, accept: bool| {
        let name = name.to_owned();
        let decided = shop
            .node
            .act_and_wait(move |fold, now| fold.decide_return("e", &name, accept, Some("loyal".into()), now));
        decided.unwrap().map(|known| known.state)
    };
    assert_eq!(decide("r-1", true), Ok(ReturnState::Approved));
    assert_eq!(decide("r-1", false), Err(Cannot::NotWaiting));
    assert_eq!(decide("r-2", false), Ok(ReturnState::Refused));
    shop.node.drain().unwrap();
    assert_eq!(shop.node.reader().unwrap().returns(true, 10).unwrap(), []);
    assert_eq!(shop.order("e").state, OrderState::ReturnRequested, "one of them is still coming");
    // A parcel that nobody announced is there all the same.
    shop.tell(401 * DAY, "return.received", &json!({ "order_id": "e", "return_id": "r-3" }));
    assert_eq!(shop.order("e").returns["r-3"].state, ReturnState::Received);
    assert_eq!(shop.order("e").state, OrderState::Returned);
}

#[test]
fn each_kind_of_exchange_is_promised_and_reported() {
    let shop = Shop::open();
    let item = |id: &str, more: &serde_json::Value| {
        let mut properties =
            json!({ "item_id": id, "price": "9", "currency": "EUR", "kind": "plan", "stocked": false });
        properties.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        shop.tell(MINUTE, "item.published", &properties);
    };
    item("course", &json!({ "exchange": "mediated", "partner": "school" }));
    item("ink-plan", &json!({ "exchange": "financial", "terms": "subscription" }));
    let direct = shop.placed(&[("paper", 1)]);
    let mediated = shop.placed(&[("course", 1)]);
    let financial = shop.placed(&[("ink-plan", 1)]);
    for id in [&direct, &mediated] {
        shop.tell(HOUR, "fulfillment.delivered", &json!({ "order_id": id }));
    }
    // The subscription is not delivered by the day it was promised for.
    shop.at(3 * DAY);
    let by = |id: &str| {
        let orders = shop.node.reader().unwrap().orders_of(shop.kim).unwrap();
        let order = orders.into_iter().find(|order| order.order_id == id).unwrap();
        let line = &order.lines[0];
        (line.exchange.clone(), line.partner.clone(), line.terms.clone())
    };
    assert_eq!(by(&direct), ("direct".into(), None, None));
    assert_eq!(by(&mediated), ("mediated".into(), Some("school".into()), None));
    assert_eq!(by(&financial), ("financial".into(), None, Some("subscription".into())));
    let query = ReportQuery { group_by: Some(GroupBy::Exchange), ..ReportQuery::default() };
    let report = serde_json::to_value(shop.node.reader().unwrap().promise_report(&query).unwrap()).unwrap();
    let mut groups: Vec<(String, i64, i64)> = report["groups"]
        .as_array()
        .unwrap()
        .iter()
        .map(|group| {
            let count = |name: &str| group[name].as_i64().or(group["row"][name].as_i64()).unwrap_or(-1);
            (group["key"].as_str().unwrap().to_owned(), count("kept"), count("broken"))
        })
        .collect();
    groups.sort();
    assert_eq!(
        groups,
        [("direct".to_owned(), 1, 0), ("financial".to_owned(), 0, 1), ("mediated".to_owned(), 1, 0)],
        "{report:#}"
    );
}

#[test]
fn what_binds_waits_while_nothing_may_leave() {
    let shop = Shop::open();
    let switch = |on: bool| {
        let command = model::Command::SwitchEffects { on, reason: "test".to_owned() };
        shop.node.command(EntityId::workspace(), command).unwrap();
    };
    switch(false);
    let id = shop.placed(&[("ink", 1)]);
    shop.authorised(MINUTE, &id);
    shop.at(HOUR);
    let states = || {
        shop.node.drain().unwrap();
        let effects = shop.node.reader().unwrap().effects(&EffectFilter::default()).unwrap();
        let binding = effects.into_iter().filter(|effect| effect.kind.is_some_and(|kind| kind.is_binding()));
        binding.map(|effect| effect.state).collect::<Vec<_>>()
    };
    assert_eq!(states(), [EffectState::Requested; 3]);
    assert!(shop.home.sink.received().is_empty());
    switch(true);
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while states() != [EffectState::Settled; 3] && std::time::Instant::now() < deadline {
        std::thread::yield_now();
    }
    assert!(shop.home.sink.received().len() >= 3);
    assert!(shop.home.sink.received().values().all(|n| *n == 1));
}
