//! A need that is foreseen from purchases alone.

use engine::Reference;
use engine::connection::NeedRecord;
use model::connection::{
    ActionState, ConnectionCommand, Consent, Fallback, MandateTerms, NeedOrigin, NeedStage, Preference,
    Strategy, Subject,
};
use model::{Event, EventKind, Time};
use runtime::Node;
use serde_json::json;

use super::{Shop, playbook, reference};
use crate::support::{DAY, HOUR, START, assert_same, event, look, send};

/// Milk, for which most have no device that tells.
fn milk() -> serde_json::Value {
    let mut milk = playbook();
    milk["playbook"] = json!("milk");
    milk["category"] = json!("milk");
    milk["needs"] = json!([
        { "id": "used-up", "origin": "predicted", "forecast": { "service": 0.9, "buffer_days": 0.5 } },
        { "id": "asked", "origin": "stated" },
    ]);
    milk["offer"] = json!({ "items": ["milk-1"], "lead_days": 1.0 });
    milk["strategies"]["coach"]["share"] = json!(1);
    milk["strategies"]["automate"]["share"] = json!(1);
    milk
}

impl Shop {
    /// A shop that sells milk, too, to `kim` who agreed to be reminded.
    fn of_milk(devices: usize, strategy: Strategy, share: u8) -> Shop {
        let shop = Shop::with_devices(devices);
        let mut reference = Reference { version: 2, ..reference() };
        reference.playbooks.publish(serde_json::from_value(milk()).unwrap());
        reference.check().unwrap();
        shop.node.publish_reference(reference).unwrap();
        let operations = |name: &str, properties: serde_json::Value| Event {
            properties: Some(properties.to_string().into()),
            ..event(EventKind::Track, name, START)
        };
        let item = json!({ "item_id": "milk-1", "name": "MILK", "price": "2.00", "cost": "1.00", "currency": "EUR" });
        let stock = json!({ "item_id": "milk-1", "place": "near", "on_hand": 2_000 });
        let events = [operations("item.published", item), operations("stock.counted", stock)];
        send(&shop.node, &shop.home.clock, START, &events);
        shop.node.drain().unwrap();
        shop.connect(ConnectionCommand::SetPreference(Preference {
            category: "milk".to_owned(),
            device_id: None,
            strategy,
            fallback: Fallback::of(strategy),
            share,
            channel: None,
            cap_per_week: None,
            version: 0,
            at: Time::default(),
        }));
        shop.connect(ConnectionCommand::SetConsent(Consent {
            purpose: Consent::ADVERTISING.to_owned(),
            given: true,
            at: Time::default(),
            notice: None,
            jurisdiction: Some("KR".to_owned()),
        }));
        shop
    }

    /// Buys milk on a day, and has it a quarter of a day later.
    fn buys_milk(&self, day: i64, litres: u32) {
        let order_id = format!("milk-{day}");
        let products = json!([{ "product_id": "milk-1", "quantity": litres }]);
        self.tell(day * DAY, "order.placed", &json!({ "order_id": order_id, "products": products }));
        self.tell(day * DAY + 6 * HOUR, "fulfillment.delivered", &json!({ "order_id": order_id }));
    }

    fn foreseen(&self) -> Vec<NeedRecord> {
        let needs = self.connection().needs.into_values();
        needs.filter(|record| record.need.origin == NeedOrigin::Predicted).collect()
    }

    /// Day by day, until as many needs as that were foreseen, or until the day.
    fn until_foreseen(&self, days: std::ops::Range<i64>, needs: usize) -> Option<i64> {
        for quarter in days.start * 4..days.end * 4 {
            self.at(quarter * DAY / 4 + 7 * HOUR);
            if self.foreseen().len() >= needs {
                return Some(quarter / 4);
            }
        }
        None
    }
}

#[test]
fn who_has_no_device_and_buys_milk_every_six_days_is_offered_it_in_time_and_once() {
    let shop = Shop::of_milk(0, Strategy::Coach, 1);
    for day in (0..60).step_by(6) {
        shop.buys_milk(day, 1);
    }
    let before = shop.foreseen();
    assert!(before.iter().all(|record| record.stage == NeedStage::Learned), "each was answered: {before:?}");
    // Bought on day 54, it lasts until day 60; an answer takes a day.
    let day = shop.until_foreseen(54..62, before.len() + 1).expect("nothing was foreseen");
    assert!((56..=59).contains(&day), "on day {day}");
    let ids: Vec<String> = before.into_iter().map(|record| record.need.need_id).collect();
    let is_new = |record: &NeedRecord| !ids.contains(&record.need.need_id);
    let need = shop.foreseen().into_iter().find(is_new).unwrap();
    assert_eq!((need.stage, need.need.strategy), (NeedStage::Recognized, Strategy::Coach));
    assert_eq!(need.need.subject, Subject::default());
    let arises = need.need.arose_at.since(START) / DAY;
    assert!((58..=62).contains(&arises), "{arises}");
    let named: Vec<&str> = need.need.evidence.iter().map(|evidence| evidence.what.as_str()).collect();
    assert_eq!(named, [&["forecast"][..], &["order.delivered"; 5][..]].concat());
    assert_eq!(need.need.evidence[5].value, "milk-54: 1");
    shop.at((day + 1) * DAY);
    let said = shop.messages().len();
    assert!(said > 0, "nobody was told");
    // It is not foreseen again while it is not answered, nor said again.
    shop.at(75 * DAY);
    assert_eq!((shop.foreseen().len(), shop.messages().len()), (ids.len() + 1, said));

    // What is ordered for it is the next purchase, and begins the next cycle.
    let (kim, need_id) = (shop.kim, need.need.need_id.clone());
    shop.node
        .act_and_wait(move |fold, now| fold.choose_offer(kim, &need_id, "milk-1", "o-next", now))
        .unwrap();
    let cycle = shop.connection().in_use["milk"].cycle;
    shop.tell(76 * DAY, "fulfillment.delivered", &json!({ "order_id": "o-next" }));
    let connection = shop.connection();
    assert_eq!(connection.needs[&need.need.need_id].stage, NeedStage::Learned);
    assert_eq!(connection.in_use["milk"].cycle, cycle + 1);
    assert_eq!(connection.in_use["milk"].arrived.last().unwrap().order_id, "o-next");
    shop.until_foreseen(77..90, ids.len() + 2).expect("the next cycle is foreseen, too");
    shop.recompute();
    let before = look(&shop.node);
    let again = Node::open(&shop.home.killed("again"), shop.home.options()).unwrap();
    assert_same(&before, &look(&again), "folded again");
}

#[test]
fn purchases_that_are_not_shared_foresee_nothing() {
    for (strategy, share) in [(Strategy::Coach, 0), (Strategy::Automate, 0), (Strategy::Respond, 1)] {
        let shop = Shop::of_milk(0, strategy, share);
        for day in (0..60).step_by(6) {
            shop.buys_milk(day, 1);
        }
        shop.until_foreseen(54..75, 1);
        let connection = shop.connection();
        assert_eq!(shop.foreseen(), Vec::new(), "{strategy:?} {share}");
        assert_eq!(shop.messages(), Vec::new());
        let kept = connection.in_use["milk"].purchases.is_some();
        assert_eq!(kept, share > 0, "what is not shared is not kept");
    }
}

#[test]
fn purchases_are_silent_where_a_device_tells() {
    let shop = Shop::of_milk(0, Strategy::Coach, 2);
    let slots = json!([{ "slot": "black", "category": "milk" }]);
    shop.tell(0, "device.registered", &json!({ "device_id": "fridge", "model": "F", "slots": slots }));
    for day in 0..12 {
        if day % 6 == 0 {
            shop.buys_milk(day, 1);
        }
        shop.reads(day * DAY + 8 * HOUR, "fridge", 100.0 - 0.1 * day as f64);
    }
    for day in (12..48).step_by(6) {
        shop.buys_milk(day, 1);
        for day in day..day + 6 {
            shop.reads(day * DAY + 8 * HOUR, "fridge", 100.0 - 0.1 * day as f64);
        }
    }
    assert_eq!(shop.foreseen(), Vec::new());
    // Gone, it tells nothing any more.
    shop.tell(48 * DAY, "device.deregistered", &json!({ "device_id": "fridge" }));
    shop.until_foreseen(48..52, 1).expect("what was bought tells again");
}

#[test]
fn called_off_milk_is_not_ordered_again_before_more_has_come() {
    let shop = Shop::of_milk(0, Strategy::Automate, 1);
    let terms = MandateTerms {
        category: "milk".to_owned(),
        items: vec!["milk-1".to_owned()],
        price: None,
        ..shop.mandate()
    };
    shop.delegate(terms);
    for day in (0..36).step_by(6) {
        shop.buys_milk(day, 1);
    }
    let announced = || {
        let actions = shop.connection().actions.into_values();
        let mut open = actions.filter(|record| record.state == ActionState::Announced);
        open.next().map(|record| record.action.action_id)
    };
    let mut hours = (30 * 24 + 7..36 * 24).step_by(6);
    let action_id = hours.find_map(|hour| {
        shop.at(hour * HOUR);
        announced()
    });
    shop.connect(ConnectionCommand::CancelAction { action_id: action_id.expect("announced") });
    let needs = shop.connection().needs.len();
    for day in 36..60 {
        shop.at(day * DAY);
    }
    assert_eq!(shop.connection().needs.len(), needs, "nothing more is begun");
    shop.buys_milk(60, 1);
    shop.until_foreseen(61..75, shop.foreseen().len() + 1).expect("a new cycle");
}
