//! `Signal::parse` on what is told of payments and returns, and which names are told by customers.

use model::*;

use super::signal::{check, money, refused, text};

#[test]
fn payments() {
    for (name, step) in [
        ("payment.authorised", PaymentStep::Authorised),
        ("payment.voided", PaymentStep::Voided),
        ("payment.failed", PaymentStep::Failed),
    ] {
        let told = |amount, reference: Option<&str>, reason: Option<&str>| Signal::Payment {
            order_id: text("o-1"),
            step,
            amount,
            reference: reference.map(text),
            reason: reason.map(text),
        };
        check(name, r#"{"order_id":"o-1"}"#, told(None, None, None));
        check(
            name,
            r#"{"order_id":"o-1","amount":"12.5","currency":"EUR","reference":"psp-9","reason":"no funds"}"#,
            told(Some(money(1250, "EUR")), Some("psp-9"), Some("no funds")),
        );
        refused(name, "{}", "properties.order_id is missing");
        refused(name, r#"{"order_id":"o-1","amount":"x","currency":"EUR"}"#, "properties.amount: …");
        refused(name, r#"{"order_id":"o-1","amount":1}"#, "properties.currency is missing");
        refused(name, r#"{"order_id":"o-1","reference":["a"]}"#, "properties.reference: …");
    }
}

#[test]
fn returns_that_are_asked_for() {
    let asked = |return_id: &str, lines: &[(&str, i64)], reason: Option<&str>| {
        let lines = lines
            .iter()
            .map(|(item, quantity)| Wanted { item_id: text(item), quantity: Quantity(*quantity) });
        Signal::ReturnRequested(ReturnRequest {
            return_id: text(return_id),
            order_id: text("o-1"),
            lines: lines.collect(),
            reason: reason.map(text),
        })
    };
    let name = "order.return_requested";
    check(name, r#"{"order_id":"o-1"}"#, asked("return:o-1", &[], None));
    check(
        name,
        r#"{"order_id":"o-1","return_id":"r-1","reason":"too small",
            "products":[{"product_id":"a","quantity":"2"},{"sku":"b","quantity":0.5},{"product_id":"c"}]}"#,
        asked("r-1", &[("a", 2_000), ("b", 500), ("c", 1_000)], Some("too small")),
    );
    refused(name, r#"{"return_id":"r-1"}"#, "properties.order_id is missing");
    for (quantity, why) in [
        ("0", "properties.quantity: not more than nothing"),
        ("-1", "properties.quantity: not more than nothing"),
        ("\"some\"", "properties.quantity: not a number of at most three decimals"),
        ("0.0001", "properties.quantity: not a number of at most three decimals"),
    ] {
        let products =
            format!(r#"{{"order_id":"o-1","products":[{{"product_id":"a","quantity":{quantity}}}]}}"#);
        refused(name, &products, why);
    }
    refused(
        name,
        r#"{"order_id":"o-1","products":[{"quantity":1}]}"#,
        "properties.products[].product_id is missing",
    );
}

#[test]
fn returns_that_go_on() {
    for (name, state) in [
        ("return.in_transit", ReturnState::InTransit),
        ("return.received", ReturnState::Received),
        ("return.restocked", ReturnState::Restocked),
        ("return.written_off", ReturnState::WrittenOff),
        ("return.refused", ReturnState::Refused),
        ("return.closed", ReturnState::Closed),
    ] {
        let moved = |return_id: Option<&str>, lines: Vec<Wanted>| Signal::ReturnMoved {
            order_id: text("o-1"),
            return_id: return_id.map(text),
            state,
            lines,
            reason: None,
        };
        check(name, r#"{"order_id":"o-1"}"#, moved(None, vec![]));
        check(
            name,
            r#"{"order_id":"o-1","return_id":"r-1","products":[{"product_id":"a","quantity":1}]}"#,
            moved(Some("r-1"), vec![Wanted { item_id: text("a"), quantity: Quantity::ONE }]),
        );
        refused(name, "{}", "properties.order_id is missing");
    }
    assert!(Signal::parse("return.lost", Some("{}")).is_none());
}

#[test]
fn what_customers_do_is_told_apart() {
    let theirs = [
        "order.placed",
        "Order Completed",
        "order.cancelled",
        "order.return_requested",
        "promise.inquired",
        "product.reviewed",
        "Product Viewed",
        "",
    ];
    for name in theirs {
        assert!(is_of_customers(name), "{name}");
    }
    let others = [
        "order.confirmed",
        "order.returned",
        "order.refunded",
        "Order Refunded",
        "payment.captured",
        "payment.authorised",
        "fulfillment.delivered",
        "promise.made",
        "promise.fulfilled",
        "return.received",
        "item.published",
        "item.retired",
        "stock.counted",
        "stock.expected",
        "capacity.set",
        "downtime.reported",
        "quality.held",
    ];
    for name in others {
        assert!(!is_of_customers(name), "{name}");
    }
}
