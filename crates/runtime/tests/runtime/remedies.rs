//! Promises at risk on a running store: when they come on the list, and what is done for them.
//!
//! One shop, by hand: Seoul delivers in 20 to 30 hours for KRW 3000, or in 4 to 8 for 8000; Busan in 18 to 28 for 4000;
//! each hour of a lane as likely as another. Picking begins an hour after the order. Tea costs us 8000 and is sold for
//! 20000. A promise is to be kept with 90 %, and at risk below 70 %. Hours count from the start.

use engine::Reference;
use engine::promising::{Inquiry, Proposal, WantedLine};
use model::{
    Currency, EffectKind, EntityId, Event, EventKind, Money, PromiseStatus, Quantity, QuoteStage, Refusal,
    RemedyKind, Time,
};
use runtime::promising::{QuoteRequest, Quoted};
use runtime::{Delivery, Fold, Node, NotRemedied, Remedied};
use serde_json::{Value, json};

use crate::support::{HOUR, Home, START, assert_same, event, look, send, track, who};

fn hour(hours: f64) -> Time {
    START.plus_micros((hours * HOUR as f64) as i64)
}

fn won(minor: i64) -> Money {
    Money { minor, currency: Currency::new("KRW").unwrap() }
}

fn reference() -> Reference {
    let lane = |from: &str, service: &str, hours: [f64; 2], cost: i64| {
        let hours = [(0.0, hours[0]), (1.0, hours[1])];
        json!({ "from": from, "to": "kr*", "service": service, "hours": hours, "whole_days": false,
            "cost": { "amount": cost.to_string(), "currency": "KRW" } })
    };
    let place = json!({ "handling_minutes": 60 });
    let reference = json!({
        "version": 1,
        "at_risk_threshold": 0.3,
        "promising": {
            "places": { "seoul": place, "busan": place, "incheon": { "handling_minutes": 60, "work": "pack" } },
            "lanes": [
                lane("seoul", "standard", [20.0, 30.0], 3000),
                lane("seoul", "express", [4.0, 8.0], 8000),
                lane("busan", "standard", [18.0, 28.0], 4000),
                lane("incheon", "standard", [20.0, 30.0], 3000),
                lane("incheon", "express", [4.0, 8.0], 8000),
            ],
            "remedies": { "compensation": { "share": 0.1 }, "owners": { "slow_delivery": "carriers" } },
        },
    });
    let reference: Reference = serde_json::from_value(reference).unwrap();
    reference.check().unwrap();
    reference
}

struct Shop {
    // Dropped first: it works in the other's directory.
    node: Node,
    home: Home,
}

impl Shop {
    fn new() -> Self {
        let home = Home::new();
        let node = home.open();
        node.publish_reference(reference()).unwrap();
        let shop = Shop { node, home };
        shop.tell(
            0.0,
            "item.published",
            &json!({
            "item_id": "tea", "price": 20000, "cost": 8000, "currency": "KRW", "substitutes": ["chai"] }),
        );
        shop.tell(
            0.0,
            "item.published",
            &json!({
            "item_id": "chai", "price": 22000, "cost": 9000, "currency": "KRW" }),
        );
        let visit = Event { user_id: Some("kim".into()), ..event(EventKind::Page, "Home", hour(0.0)) };
        send(&shop.node, &shop.home.clock, hour(0.0), &[visit]);
        shop
    }

    fn at(&self, hours: f64) {
        self.home.clock.set(hour(hours));
        self.node.drain().unwrap();
        // The clock goes on by itself; asking for a commit waits for it.
        self.node.act_and_wait(|fold, now| fold.tick(now)).unwrap();
        self.node.drain().unwrap();
    }

    fn tell(&self, hours: f64, name: &str, properties: &Value) {
        let about = Event {
            properties: Some(properties.to_string().into()),
            ..event(EventKind::Track, name, hour(hours))
        };
        send(&self.node, &self.home.clock, hour(hours), &[about]);
        self.node.drain().unwrap();
    }

    fn stock(&self, hours: f64, name: &str, item: &str, place: &str, more: &Value) {
        let mut properties = json!({ "item_id": item, "place": place });
        properties.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.tell(hours, name, &properties);
    }

    /// Promises so many boxes of tea to Kim by standard delivery.
    fn promised(&self, id: &str, boxes: i64) -> Time {
        let customer = self.kim();
        let lines = vec![WantedLine { item_id: "tea".into(), quantity: Quantity::units(boxes), price: None }];
        let request = QuoteRequest {
            customer,
            quote_id: id.to_owned(),
            inquiry: Inquiry {
                lines,
                to: "kr-1".into(),
                class: String::new(),
                priority: 0,
                wanted: None,
                together: false,
                partial: false,
                service: Some("standard".into()),
                time_zone: None,
                target: None,
            },
            hold_minutes: None,
        };
        let (quote, order) = (id.to_owned(), format!("o-{id}"));
        let record = self.node.act_and_wait(move |fold, now| {
            match fold.quote(&request, now)? {
                Quoted::Known { record, .. } => assert_eq!(record.stage, QuoteStage::Held),
                other => panic!("{other:?}"),
            }
            Ok(fold.confirm(&quote, &order, now)?.unwrap().1)
        });
        self.node.drain().unwrap();
        record.unwrap().quote.terms.due_at
    }

    fn kim(&self) -> EntityId {
        who(&self.node, "kim").unwrap()
    }

    fn promise(&self, id: &str) -> engine::Promise {
        let id = id.to_owned();
        self.node.ask(move |fold| fold.promise(&id).unwrap().unwrap()).unwrap()
    }

    /// Where a promise is: its status, its cause, and what is left of 100 %.
    #[track_caller]
    fn is(&self, hours: f64, id: &str, expect: &str) {
        self.at(hours);
        let promise = self.promise(id);
        let percent = (promise.probability.unwrap() * 100.0).round();
        let why = promise.risk.as_ref().map(|risk| format!(" {}", risk.name())).unwrap_or_default();
        assert_eq!(format!("{}{why} {percent}", promise.status.name()), expect, "at hour {hours}");
    }

    fn proposals(&self, id: &str) -> Vec<Proposal> {
        let id = id.to_owned();
        self.node.act_and_wait(move |fold, now| fold.remedies(&id, now)).unwrap()
    }

    /// Kind, cost, probability, value, and the hour of a new date: best first.
    #[track_caller]
    fn can_be_helped(&self, id: &str, expect: &[(&str, i64, f64, i64, Option<f64>)]) {
        let found = self.proposals(id);
        let found: Vec<_> = found
            .iter()
            .map(|p| {
                let round = |p: f64| (p * 1000.0).round() / 1000.0;
                let new_due = p.remedy.new_due.map(|due| round(due.since(START) as f64 / HOUR as f64));
                let (cost, value) = (p.remedy.cost.unwrap().minor, p.value.unwrap().minor);
                (p.remedy.kind.name(), cost, round(p.remedy.probability), value, new_due)
            })
            .collect();
        assert_eq!(found, expect);
    }

    fn remedy(&self, id: &str, kind: RemedyKind) -> Result<Remedied, NotRemedied> {
        let id = id.to_owned();
        let done = self.node.act_and_wait(move |fold, now| fold.remedy(&id, kind, now)).unwrap();
        self.node.drain().unwrap();
        done
    }

    /// (held, committed) of a stock.
    fn taken(&self, item: &str, place: &str) -> (Quantity, Quantity) {
        let name = model::SupplyName::Stock { item: item.into(), place: place.into() };
        self.node
            .act_and_wait(move |fold, now| {
                let id = fold.supply(&name)?.unwrap();
                Ok(fold.entity(id)?.stock().unwrap().taken(now))
            })
            .unwrap()
    }

    fn told(&self) -> Vec<String> {
        let kim = self.kim();
        let effects =
            self.node.ask(move |fold| fold.entity(kim).unwrap().customer().unwrap().effects.clone());
        let told = effects.unwrap().into_values().map(|record| record.effect);
        told.filter(|effect| effect.kind == EffectKind::CustomerNotify).map(|effect| effect.reason).collect()
    }

    /// Whoever folds the journal again sees the same.
    fn folds_again(self) {
        // Whoever is told is told on another thread; it is over before the store is closed.
        let kim = self.kim();
        let limit = std::time::Instant::now() + std::time::Duration::from_secs(60);
        let told = move |fold: &mut runtime::Fold| {
            let customer = fold.entity(kim).unwrap().customer().unwrap();
            customer.effects.values().all(|record| record.state.is_ended())
        };
        while !self.node.ask(told).unwrap() {
            assert!(std::time::Instant::now() < limit, "an effect never ends");
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        let before = look(&self.node);
        let home = self.home;
        drop(self.node);
        let again = home.open();
        assert_same(&look(&again), &before, "folded again");
    }
}

/// One box promised for hour 35, of a receipt that was due at hour 6.
fn late_receipt() -> Shop {
    let shop = Shop::new();
    shop.stock(
        0.0,
        "stock.expected",
        "tea",
        "seoul",
        &json!({
        "receipt": "r-1", "quantity": 10, "due": hour(6.0).to_string() }),
    );
    assert_eq!(shop.promised("p", 1), hour(35.0));
    shop.is(5.0, "p", "made 90");
    shop
}

#[test]
fn a_late_receipt_is_known_before_the_break() {
    let shop = late_receipt();
    shop.is(6.0, "p", "made 90");
    shop.is(6.1, "p", "at_risk supply_late_receipt 0");
    // It comes at hour 12: then 23 hours are left of 20 to 30.
    shop.stock(
        7.0,
        "stock.expected",
        "tea",
        "seoul",
        &json!({
        "receipt": "r-1", "quantity": 10, "due": hour(12.0).to_string() }),
    );
    shop.is(7.0, "p", "at_risk supply_late_receipt 30");
    let reader = shop.node.reader().unwrap();
    let rows = reader.at_risk().unwrap();
    assert_eq!(rows.len(), 1);
    // By express, 6.8 hours are enough for 70 %.
    assert_eq!((rows[0].act_by, rows[0].since), (hour(35.0 - 6.8), Some(hour(6.1))));
    assert_eq!((rows[0].customer_value, rows[0].customer.as_deref()), (Some(won(20_000)), Some("kim")));
    // It comes earlier after all, and is not sent in time: 27 hours are needed for 70 %.
    shop.stock(7.5, "stock.received", "tea", "seoul", &json!({ "receipt": "r-1", "quantity": 10 }));
    shop.is(7.5, "p", "made 75");
    shop.is(7.999, "p", "made 75");
    shop.is(8.001, "p", "at_risk not_handed_over 70");
    let left = |at: f64| track("kim", "fulfillment.shipped", hour(at), &json!({ "order_id": "o-p" }));
    send(&shop.node, &shop.home.clock, hour(9.0), &[left(9.0)]);
    shop.is(9.0, "p", "at_risk left_late 60");
    let delivered = track("kim", "fulfillment.delivered", hour(33.0), &json!({ "order_id": "o-p" }));
    send(&shop.node, &shop.home.clock, hour(33.0), &[delivered]);
    shop.at(40.0);
    assert_eq!(shop.promise("p").status, PromiseStatus::Kept);
    let report = shop.node.reader().unwrap().remedy_report().unwrap();
    assert_eq!((report.ever_at_risk, report.kept_without_remedy, report.total.promises), (1, 1, 0));
    shop.folds_again();
}

#[test]
fn a_slow_carrier_is_known_before_the_break() {
    let shop = Shop::new();
    shop.stock(0.0, "stock.counted", "tea", "seoul", &json!({ "on_hand": 5 }));
    assert_eq!(shop.promised("p", 1), hour(30.0));
    let left = track("kim", "fulfillment.shipped", hour(1.0), &json!({ "order_id": "o-p" }));
    send(&shop.node, &shop.home.clock, hour(1.0), &[left]);
    shop.is(21.0, "p", "made 90");
    // Of all that take longer than x of the ten hours, (9 − x) / (10 − x) are in time: below 70 % from 20 / 3 on.
    shop.is(27.66, "p", "made 90");
    shop.is(27.67, "p", "at_risk slow_delivery 70");
    shop.is(28.0, "p", "at_risk slow_delivery 70");
    // What is on its way gets another date: the first end of a day with 90 % of what is left; Monday ends at hour 39.
    // By then half of what is left is in time.
    shop.at(29.0);
    shop.can_be_helped("p", &[("new_date", 0, 1.0, 0, Some(39.0)), ("compensate", 2000, 0.5, -2000, None)]);
    let Remedied { applied, promise, before, .. } = shop.remedy("p", RemedyKind::NewDate).unwrap();
    assert!(applied.before_the_break && !before);
    assert_eq!((promise.status, promise.version, promise.first_due_at), (PromiseStatus::Made, 2, hour(30.0)));
    assert!((38.9..39.0).contains(&(promise.terms.due_at.since(START) as f64 / HOUR as f64)));
    assert_eq!(shop.told(), ["promise_remedied:new_date", "promise_revised"]);
    // The hours of the lane end at 31: a parcel that is not there then is lost, and the promise at risk again.
    shop.is(30.9, "p", "made 100");
    shop.is(31.1, "p", "at_risk slow_delivery 0");
    shop.folds_again();
}

#[test]
fn downtime_is_known_before_the_break_and_another_slot_keeps_the_date() {
    let shop = Shop::new();
    for (start, end) in [(8.0, 9.0), (20.0, 21.0)] {
        let slot = json!({ "resource": "pack", "start": hour(start).to_string(), "end": hour(end).to_string(),
            "units": 1 });
        shop.tell(0.0, "capacity.slot_set", &slot);
    }
    shop.stock(0.0, "stock.counted", "tea", "incheon", &json!({ "on_hand": 5 }));
    assert_eq!(shop.promised("p", 1), hour(38.0));
    shop.is(1.0, "p", "made 90");
    shop.tell(
        2.0,
        "downtime.reported",
        &json!({ "resource": "pack", "downtime": "d-1",
        "from": hour(8.0).to_string(), "until": hour(10.0).to_string() }),
    );
    shop.is(2.0, "p", "at_risk supply_downtime 0");
    // By express the slot at hour 20 is early enough, for 5000 more; of a date that moves, half is saved.
    shop.can_be_helped(
        "p",
        &[
            ("new_date", 0, 0.9, 4050, Some(50.0)),
            ("expedite", 5000, 1.0, 4000, None),
            ("compensate", 2000, 0.0, -2000, None),
        ],
    );
    let done = shop.remedy("p", RemedyKind::Expedite).unwrap();
    assert_eq!((done.promise.status, done.promise.version), (PromiseStatus::Made, 1));
    shop.is(2.0, "p", "made 100");
    assert_eq!(shop.told(), ["promise_remedied:expedite"]);
    // The end of the downtime is nothing to the promise any more.
    shop.tell(3.0, "downtime.ended", &json!({ "resource": "pack", "downtime": "d-1" }));
    shop.is(3.0, "p", "made 100");
    shop.folds_again();
}

/// Everything that stands for the promise: the stage of each quote, and what is taken of stocks.
type Stands = (Vec<(String, QuoteStage)>, Vec<(Quantity, Quantity)>);

fn stands(shop: &Shop) -> Stands {
    let kim = shop.kim();
    let quotes =
        shop.node.ask(move |fold| fold.entity(kim).unwrap().customer().unwrap().quotes.clone()).unwrap();
    let stages = quotes.into_iter().map(|(id, record)| (id, record.stage)).collect();
    (stages, vec![shop.taken("tea", "seoul"), shop.taken("tea", "busan")])
}

fn pieces(held: i64, committed: i64) -> (Quantity, Quantity) {
    (Quantity::units(held), Quantity::units(committed))
}

/// The receipt `r-1` is expected at another hour.
fn expected(shop: &Shop, at: f64, due: f64) {
    let receipt = json!({ "receipt": "r-1", "quantity": 10, "due": hour(due).to_string() });
    shop.stock(at, "stock.expected", "tea", "seoul", &receipt);
}

#[test]
fn another_place_saves_it_in_one_action() {
    let shop = late_receipt();
    shop.stock(6.5, "stock.counted", "tea", "busan", &json!({ "on_hand": 5 }));
    shop.at(7.0);
    // Worth 20000 − 8000 − 3000. From Busan at hour 8 there are 27 of 18 to 28 hours.
    shop.can_be_helped(
        "p",
        &[("other_source", 1000, 0.9, 7100, None), ("compensate", 2000, 0.0, -2000, None)],
    );
    let done = shop.remedy("p", RemedyKind::OtherSource).unwrap();
    let promise = &done.promise;
    assert_eq!((promise.status, promise.version), (PromiseStatus::Made, 1));
    assert_eq!((promise.terms.due_at, promise.first_due_at), (hour(35.0), hour(35.0)));
    assert_eq!(done.applied.remedy.cost, Some(won(1000)));
    let (stages, taken) = stands(&shop);
    let remedy = "p:remedy:other_source:1:1".to_owned();
    assert_eq!(stages, [("p".to_owned(), QuoteStage::Released), (remedy, QuoteStage::Placed)]);
    assert_eq!(taken, [pieces(0, 0), pieces(0, 1)]);
    assert_eq!(shop.told(), ["promise_remedied:other_source"]);
    // Asked again, nothing is done again.
    let again = shop.remedy("p", RemedyKind::OtherSource).unwrap();
    assert_eq!(again, Remedied { before: true, ..done });
    assert_eq!(shop.remedy("p", RemedyKind::Expedite), Err(NotRemedied::NotAtRisk(PromiseStatus::Made)));
    // It is watched by its new plan: of 18 to 28 hours, 25 are enough for 70 %.
    shop.is(9.9, "p", "made 90");
    shop.is(10.1, "p", "at_risk not_handed_over 70");
    let left = track("kim", "fulfillment.shipped", hour(10.5), &json!({ "order_id": "o-p" }));
    let there = track("kim", "fulfillment.delivered", hour(34.0), &json!({ "order_id": "o-p" }));
    send(&shop.node, &shop.home.clock, hour(10.5), &[left]);
    send(&shop.node, &shop.home.clock, hour(34.0), &[there]);
    shop.at(34.0);
    assert_eq!(stands(&shop).1, [pieces(0, 0), pieces(0, 0)], "what left is used");
    let report = shop.node.reader().unwrap().remedy_report().unwrap();
    let total = &report.total;
    assert_eq!((report.ever_at_risk, total.promises, total.saved, total.saved_by_first), (1, 1, 1, 1));
    assert_eq!((&total.cost, &total.cost_per_save), (&vec![won(1000)], &vec![won(1000)]));
    shop.folds_again();
}

#[test]
fn what_cannot_be_held_leaves_the_promise_as_it_was() {
    let shop = late_receipt();
    shop.stock(6.5, "stock.counted", "tea", "busan", &json!({ "on_hand": 5 }));
    shop.at(7.0);
    let (before, stood) = (shop.promise("p"), stands(&shop));
    // The mails that ask for it are under way when the stock turns out to be gone.
    let by = |delivery| {
        let ask = move |fold: &mut Fold, now| {
            fold.set_delivery(delivery);
            fold.remedy("p", RemedyKind::OtherSource, now)
        };
        let done = shop.node.act_and_wait(ask).unwrap();
        shop.node.drain().unwrap();
        done
    };
    assert_eq!(by(Delivery::ByHand), Err(NotRemedied::Waiting));
    shop.stock(7.1, "stock.counted", "tea", "busan", &json!({ "on_hand": 0 }));
    assert_eq!(by(Delivery::BeforeCommit), Err(NotRemedied::Refused(Some(Refusal::Short))));
    let now = shop.promise("p");
    assert_eq!(
        (&now.status, &now.risk, &now.terms, &now.remedies),
        (&before.status, &before.risk, &before.terms, &before.remedies)
    );
    let (mut stages, taken) = stands(&shop);
    assert_eq!(stages.pop().unwrap().1, QuoteStage::Refused);
    assert_eq!((stages, taken), stood);
    assert!(shop.told().is_empty());
    assert_eq!(shop.remedy("p", RemedyKind::OtherSource), Err(NotRemedied::NotPossible));
    assert_eq!(shop.remedy("q", RemedyKind::OtherSource), Err(NotRemedied::UnknownPromise));
    shop.folds_again();
}

#[test]
fn a_substitute_and_a_faster_way() {
    let shop = late_receipt();
    expected(&shop, 5.5, 12.0);
    shop.stock(6.5, "stock.counted", "chai", "seoul", &json!({ "on_hand": 3 }));
    shop.at(7.0);
    // From 30 %: chai leaves at hour 8 for 1000 more, with 27 of 20 to 30 hours; tea by express at hour 12.
    shop.can_be_helped(
        "p",
        &[
            ("substitute", 1000, 0.7, 2600, None),
            ("new_date", 0, 0.9, 1350, Some(41.0)),
            ("expedite", 5000, 1.0, 1300, None),
            ("compensate", 2000, 0.3, -2000, None),
        ],
    );
    assert_eq!(shop.proposals("p")[0].substitutes, [("tea".to_owned(), "chai".to_owned())]);
    let done = shop.remedy("p", RemedyKind::Substitute).unwrap();
    assert_eq!(done.promise.status, PromiseStatus::Made);
    assert_eq!((shop.taken("tea", "seoul"), shop.taken("chai", "seoul")), (pieces(0, 0), pieces(0, 1)));
    shop.folds_again();
    let shop = late_receipt();
    expected(&shop, 5.5, 12.0);
    shop.at(7.0);
    let done = shop.remedy("p", RemedyKind::Expedite).unwrap();
    assert_eq!((done.promise.status, done.applied.remedy.cost), (PromiseStatus::Made, Some(won(5000))));
    assert_eq!(shop.taken("tea", "seoul"), pieces(0, 1), "the old commitment is let go");
    shop.is(12.0, "p", "made 100");
    // The receipt is late again.
    shop.is(12.1, "p", "at_risk supply_late_receipt 0");
    shop.folds_again();
}

#[test]
fn what_is_there_goes_now_and_the_rest_later() {
    let shop = Shop::new();
    let receipt = |name: &str, quantity: i64, due: f64| json!({ "receipt": name, "quantity": quantity, "due": hour(due).to_string() });
    shop.stock(0.0, "stock.expected", "tea", "seoul", &receipt("r-1", 4, 6.0));
    assert_eq!(shop.promised("p", 4), hour(35.0));
    shop.stock(5.0, "stock.received", "tea", "seoul", &json!({ "receipt": "r-1", "quantity": 2 }));
    shop.stock(5.0, "stock.expected", "tea", "seoul", &receipt("r-1", 0, 6.0));
    shop.stock(5.0, "stock.expected", "tea", "seoul", &receipt("r-2", 2, 40.0));
    shop.at(5.0);
    assert_eq!(shop.promise("p").probability, Some(0.0));
    // Worth 80000 − 32000 − 3000. Two boxes leave at hour 6, due as was said; the others at 40, with 90 %: of what is
    // kept then, half is in time and the other half is worth half. The first two are sure to be there by then.
    let found = shop.proposals("p");
    let split = found.iter().find(|p| p.remedy.kind == RemedyKind::Split).unwrap();
    assert_eq!(split.remedy.new_due, Some(hour(69.0)));
    assert_eq!(split.remedy.cost, Some(won(3000)));
    assert!((split.remedy.probability - 0.9).abs() < 1e-9, "{split:?}");
    assert_eq!(split.value, Some(won(45_000 * 3 / 4 * 9 / 10 - 3000)));
    let done = shop.remedy("p", RemedyKind::Split).unwrap();
    let promise = &done.promise;
    assert_eq!((promise.terms.due_at, promise.first_due_at), (hour(69.0), hour(35.0)));
    assert_eq!((promise.status, promise.version), (PromiseStatus::Made, 2));
    assert_eq!(shop.taken("tea", "seoul"), pieces(0, 4));
    let half = |name: &str, at: f64, share: f64| {
        track("kim", name, hour(at), &json!({ "order_id": "o-p", "fraction": share }))
    };
    send(&shop.node, &shop.home.clock, hour(6.0), &[half("fulfillment.shipped", 6.0, 0.5)]);
    send(&shop.node, &shop.home.clock, hour(30.0), &[half("fulfillment.delivered", 30.0, 0.5)]);
    shop.is(30.0, "p", "made 90");
    shop.stock(39.0, "stock.received", "tea", "seoul", &json!({ "receipt": "r-2", "quantity": 2 }));
    send(&shop.node, &shop.home.clock, hour(40.0), &[half("fulfillment.shipped", 40.0, 1.0)]);
    shop.is(40.0, "p", "made 90");
    send(&shop.node, &shop.home.clock, hour(65.0), &[half("fulfillment.delivered", 65.0, 1.0)]);
    shop.at(65.0);
    assert_eq!(shop.promise("p").status, PromiseStatus::Kept);
    // Kept by its new date, and not by its first.
    let report = shop.node.reader().unwrap().remedy_report().unwrap();
    assert_eq!((report.total.saved, report.total.saved_by_first), (1, 0));
    shop.folds_again();
}

#[test]
fn a_new_date_and_compensation() {
    let shop = late_receipt();
    expected(&shop, 5.5, 20.0);
    shop.at(7.0);
    assert_eq!(shop.promise("p").status, PromiseStatus::AtRisk);
    let done = shop.remedy("p", RemedyKind::NewDate).unwrap();
    assert_eq!((done.promise.terms.due_at, done.promise.first_due_at), (hour(49.0), hour(35.0)));
    assert_eq!((done.promise.status, shop.taken("tea", "seoul")), (PromiseStatus::Made, pieces(0, 1)));
    shop.is(7.0, "p", "made 90");
    // The receipt does not come: it is broken by its new date, and the customer is given something before.
    shop.is(21.0, "p", "at_risk supply_late_receipt 0");
    assert!(shop.remedy("p", RemedyKind::Compensate).unwrap().applied.before_the_break);
    assert_eq!(shop.promise("p").status, PromiseStatus::AtRisk, "it helps the customer, not the promise");
    shop.at(50.0);
    assert_eq!(shop.promise("p").status, PromiseStatus::Broken);
    let again = shop.remedy("p", RemedyKind::Compensate).unwrap();
    assert!(again.before, "nobody is given twice for one risk");
    assert_eq!(shop.remedy("p", RemedyKind::NewDate), Err(NotRemedied::NotPossible));
    let report = shop.node.reader().unwrap().remedy_report().unwrap();
    assert_eq!((report.total.promises, report.total.saved, report.total.broken), (1, 0, 1));
    assert_eq!((&report.total.cost, report.total.cost_per_save.len()), (&vec![won(2000)], 0));
    shop.folds_again();
}
