//! Goods that perish, that leave when nobody counts on it, and what is remembered of those that arrived.

use engine::Entity;
use model::{EventKind, PromiseStatus, Quantity, QuoteStage, SupplyName};
use runtime::promising::Quoted;
use serde_json::{Value, json};

use crate::promising::{Shop, assert_a_replay_says_the_same, stocked, want};
use crate::support::{HOUR, event, temp, test_keys, track};

fn on_hand(shop: &mut Shop, item: &str, place: &str) -> Quantity {
    let name = SupplyName::Stock { item: item.to_owned(), place: place.to_owned() };
    let id = shop.fold.supply(&name).unwrap().unwrap();
    shop.fold.entity(id).unwrap().stock().unwrap().on_hand
}

fn order(shop: &mut Shop, user: &str, order_id: &str, item: &str, units: i64) {
    let quote_id = format!("q-{order_id}");
    assert!(matches!(shop.quote(user, &quote_id, want(item, units)), Quoted::Known { .. }), "{order_id}");
    assert_eq!(shop.confirm(&quote_id, order_id), Ok(QuoteStage::Placed));
}

fn tell(shop: &mut Shop, name: &str, properties: &Value) {
    let told = event(EventKind::Track, name, shop.now);
    shop.receive(model::Event { properties: Some(properties.to_string().into()), ..told });
    shop.fold.deliver_now().unwrap();
}

#[test]
fn goods_keep_as_long_as_their_kind_and_whoever_waits_longer_is_told() {
    let dir = temp();
    let mut shop = stocked(&test_keys(dir.path()), 0);
    shop.told("item.published", json!({ "item_id": "milk", "shelf_life_hours": 48 }));
    shop.told("stock.received", json!({ "item_id": "milk", "place": "busan", "quantity": 1 }));
    let later = shop.now.plus_micros(96 * HOUR).to_string();
    let lot = json!({ "item_id": "milk", "place": "busan", "quantity": 1, "best_before": later });
    shop.told("stock.received", lot);
    order(&mut shop, "ana", "o-1", "milk", 1);
    order(&mut shop, "ben", "o-2", "milk", 1);
    let short = |shop: &mut Shop| {
        ["ana", "ben"].map(|user| {
            let customer = shop.customer(user);
            let Entity::Customer(customer) = shop.fold.entity(customer).unwrap() else {
                panic!("a customer")
            };
            customer.quotes.values().any(|record| !record.short.is_empty())
        })
    };
    shop.wait(47 * HOUR);
    assert_eq!(short(&mut shop), [false, false]);
    shop.wait(HOUR);
    shop.fold.deliver_now().unwrap();
    assert_eq!(short(&mut shop), [false, true], "one of the two is gone, and nobody said so");
    let ben = shop.customer("ben");
    let promise = &shop.fold.entity(ben).unwrap().customer().unwrap().promises["q-o-2"];
    assert_eq!(promise.status, PromiseStatus::AtRisk);
    shop.wait(48 * HOUR);
    shop.fold.deliver_now().unwrap();
    assert_eq!(short(&mut shop), [true, true]);
    // What comes again is there for who is served first.
    shop.told("stock.received", json!({ "item_id": "milk", "place": "busan", "quantity": 1 }));
    shop.fold.deliver_now().unwrap();
    assert_eq!(short(&mut shop), [false, true]);
    assert_a_replay_says_the_same(&mut shop, "milk");
}

#[test]
fn goods_that_leave_after_a_cancellation_are_not_there_any_more() {
    let dir = temp();
    let mut shop = stocked(&test_keys(dir.path()), 4);
    order(&mut shop, "ana", "o-1", "toner", 4);
    let cancelled = json!({ "order_id": "o-1", "cancelled_by": "customer" });
    let cancel = track("ana", "order.cancelled", shop.now, &cancelled);
    let half = json!({ "order_id": "o-1", "fraction": 0.5 });
    tell(&mut shop, "fulfillment.shipped", &half);
    assert_eq!(on_hand(&mut shop, "toner", "seoul"), Quantity::units(2));
    shop.receive(cancel);
    shop.fold.deliver_now().unwrap();
    assert!(shop.held().is_empty());
    // Free, and promised to somebody else.
    order(&mut shop, "ben", "o-2", "toner", 2);
    assert_eq!(on_hand(&mut shop, "toner", "seoul"), Quantity::units(2));
    // It had left all the same; told again, or as being on its way, it is the same goods.
    for (name, left) in
        [("fulfillment.shipped", 0), ("fulfillment.shipped", 0), ("fulfillment.in_transit", 0)]
    {
        tell(&mut shop, name, &json!({ "order_id": "o-1" }));
        assert_eq!(on_hand(&mut shop, "toner", "seoul"), Quantity::units(left), "{name}");
    }
    let ben = shop.customer("ben");
    let promise = &shop.fold.entity(ben).unwrap().customer().unwrap().promises["q-o-2"];
    assert_eq!(promise.status, PromiseStatus::AtRisk, "what it counted on has left");
    assert_a_replay_says_the_same(&mut shop, "cancelled");
}

#[test]
fn of_orders_that_arrived_the_latest_are_remembered() {
    let dir = temp();
    let mut shop = stocked(&test_keys(dir.path()), 0);
    shop.told("stock.counted", json!({ "item_id": "toner", "place": "busan", "on_hand": 1_000 }));
    order(&mut shop, "ana", "open", "toner", 1);
    for n in 0..300 {
        let id = format!("o-{n:03}");
        shop.wait(HOUR / 100);
        order(&mut shop, "ana", &id, "toner", 1);
        tell(&mut shop, "fulfillment.delivered", &json!({ "order_id": id }));
    }
    let ana = shop.customer("ana");
    let customer = shop.fold.entity(ana).unwrap().customer().unwrap();
    assert_eq!(customer.orders.len(), 301);
    assert_eq!(customer.quotes.len(), 257, "256 that arrived, and the one that has not");
    assert!(customer.quotes.contains_key("q-open") && customer.quotes.contains_key("q-o-299"));
    assert!(!customer.quotes.contains_key("q-o-043"));
    assert_a_replay_says_the_same(&mut shop, "arrived");
}
