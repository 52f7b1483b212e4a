//! `Signal::parse` on docs/events.md: every name, every property, every refusal, and what nobody should send.

use model::*;
use proptest::prelude::*;

use super::scale::config;

fn parse(name: &str, properties: &str) -> Result<Signal, String> {
    Signal::parse(name, Some(properties))
        .unwrap_or_else(|| panic!("{name} is an event of docs/events.md"))
        .map_err(|e| e.to_string())
}

/// The signal that the properties say, in the words of its `Debug` form.
pub(super) fn check(name: &str, properties: &str, expected: Signal) {
    assert_eq!(parse(name, properties), Ok(expected), "{name} {properties}");
}

/// The text that the sender is told.
pub(super) fn refused(name: &str, properties: &str, expected: &str) {
    match parse(name, properties) {
        Err(why)
            if why == expected
                || (expected.ends_with('…') && why.starts_with(expected.trim_end_matches('…'))) => {}
        other => panic!("{name} {}: expected {expected:?}, found {other:?}", head(properties)),
    }
}

fn head(text: &str) -> String {
    text.chars().take(120).collect()
}

pub(super) fn text(value: &str) -> String {
    value.to_owned()
}

fn time(value: &str) -> Time {
    Time::parse(value).unwrap()
}

pub(super) fn money(minor: i64, code: &str) -> Money {
    Money { minor, currency: Currency::new(code).unwrap() }
}

fn terms(id: &str, order: Option<&str>) -> PromiseTerms {
    PromiseTerms {
        promise_id: text(id),
        order_id: order.map(text),
        kind: if order.is_some() { PromiseKind::Order } else { PromiseKind::Service },
        attribute: text("delivery"),
        due_at: time("2026-03-05T23:59:59.999999Z"),
        time_zone: text("UTC"),
        tolerance_micros: 0,
        target: None,
        hand_over_by: None,
        probability: None,
        basis: None,
        reasons: Vec::new(),
        marketing_owner: None,
        operations_owner: None,
    }
}

const NAMES: [&str; 37] = [
    "order.placed",
    "Order Completed",
    "order.confirmed",
    "order.allocated",
    "order.closed",
    "order.returned",
    "order.cancelled",
    "Order Cancelled",
    "order.refunded",
    "Order Refunded",
    "payment.captured",
    "payment.authorised",
    "payment.voided",
    "payment.failed",
    "order.return_requested",
    "return.in_transit",
    "return.received",
    "return.restocked",
    "return.written_off",
    "return.refused",
    "return.closed",
    "fulfillment.processing",
    "fulfillment.shipped",
    "fulfillment.in_transit",
    "fulfillment.delivered",
    "fulfillment.failed_attempt",
    "fulfillment.undeliverable",
    "fulfillment.returned_to_sender",
    "promise.inquired",
    "promise.quoted",
    "promise.made",
    "promise.scored",
    "promise.revised",
    "promise.fulfilled",
    "promise.withdrawn",
    "product.reviewed",
    "Product Reviewed",
];

#[test]
fn every_event_that_the_manual_names_is_known() {
    let manual = include_str!("../../../../docs/events.md");
    let mut named = Vec::new();
    for row in manual.lines().filter(|line| line.starts_with("| `")) {
        let names = row.split('|').nth(1).unwrap();
        let mut prefix = "";
        for name in names.split('`').skip(1).step_by(2) {
            // `.shipped` after `fulfillment.processing` is `fulfillment.shipped`.
            let name = if name.starts_with('.') { format!("{prefix}{name}") } else { text(name) };
            prefix = if name.starts_with("fulfillment") { "fulfillment" } else { "" };
            assert!(Signal::is_known(&name), "the manual names {name}");
            named.push(name);
        }
    }
    assert!(named.len() >= 35, "{named:?}");
    // Two more are understood and not yet in the manual's table.
    for name in NAMES {
        let undocumented = ["order.closed", "order.returned"].contains(&name);
        assert!(Signal::is_known(name) && (undocumented || named.iter().any(|n| n == name)), "{name}");
    }
}

#[test]
fn other_names_say_nothing() {
    for name in [
        "",
        "Order Placed",
        "order.placed ",
        "ORDER.PLACED",
        "fulfillment.",
        "fulfillment.lost",
        "promise.kept",
        "promise.broken",
        "track",
        "order.placed\0",
        "fulfillment.delivered.x",
    ] {
        assert!(!Signal::is_known(name), "{name:?}");
        assert!(Signal::parse(name, Some("{}")).is_none(), "{name:?}");
    }
}

#[test]
fn orders() {
    let placed = |total, lines, promise| Signal::OrderPlaced {
        order_id: text("o-1"),
        region: None,
        total,
        lines,
        promise,
    };
    check("order.placed", r#"{"order_id":"o-1"}"#, placed(None, vec![], None));
    check(
        "Order Completed",
        r#"{"order_id":"o-1","total":null,"products":null,"promise":null}"#,
        placed(None, vec![], None),
    );
    check(
        "order.placed",
        r#"{"order_id":"o-1","total":"49.90","currency":"BRL","x":{"y":[1]}}"#,
        placed(Some(money(4990, "BRL")), vec![], None),
    );
    // An amount without its currency is left out, not guessed.
    check("order.placed", r#"{"order_id":"o-1","total":49.9}"#, placed(None, vec![], None));
    let line = |id: &str, quantity, price| OrderLine {
        product_id: text(id),
        category: None,
        seller_id: None,
        quantity,
        price,
        exchange: Exchange::Direct,
    };
    check(
        "order.placed",
        r#"{"order_id":"o-1","currency":"KRW","products":[{"product_id":"p","quantity":2,"price":"1200"},{"sku":77}]}"#,
        placed(None, vec![line("p", 2.0, Some(money(1200, "KRW"))), line("77", 1.0, None)], None),
    );
    check(
        "order.placed",
        r#"{"order_id":"o-1","promise":{"due":"2026-03-05"}}"#,
        placed(None, vec![], Some(terms("order:o-1", Some("o-1")))),
    );
    check(
        "order.placed",
        r#"{"order_id":"o-1","region":"SP","promise":{"promise_id":"p-9","due":"2026-03-05"}}"#,
        Signal::OrderPlaced {
            order_id: text("o-1"),
            region: Some(text("SP")),
            total: None,
            lines: vec![],
            promise: Some(terms("p-9", Some("o-1"))),
        },
    );
    for (name, state) in [
        ("order.confirmed", OrderState::Confirmed),
        ("order.allocated", OrderState::Allocated),
        ("order.closed", OrderState::Closed),
        ("order.returned", OrderState::Returned),
    ] {
        // Numbers are taken as they were written: an id often is one.
        check(name, r#"{"order_id":981}"#, Signal::OrderMoved { order_id: text("981"), state });
    }
    for (by_text, by) in [
        (r#","cancelled_by":"customer""#, CancelledBy::Customer),
        (r#","cancelled_by":"company""#, CancelledBy::Company),
        (r#","cancelled_by":"unknown""#, CancelledBy::Unknown),
        (r#","cancelled_by":null"#, CancelledBy::Unknown),
        ("", CancelledBy::Unknown),
    ] {
        check(
            "order.cancelled",
            &format!(r#"{{"order_id":"o-1","reason":"no stock","time_inferred":true{by_text}}}"#),
            Signal::OrderCancelled {
                order_id: text("o-1"),
                by,
                reason: Some(text("no stock")),
                time_inferred: true,
            },
        );
    }
    check(
        "order.refunded",
        r#"{"order_id":"o-1","amount":"-0.05","currency":"EUR"}"#,
        Signal::OrderRefunded { order_id: text("o-1"), amount: Some(money(-5, "EUR")) },
    );
    check(
        "payment.captured",
        r#"{"order_id":"o-1","amount":1.234,"currency":"KWD","method":"card","installments":"12"}"#,
        Signal::PaymentCaptured {
            order_id: text("o-1"),
            amount: Some(money(1234, "KWD")),
            method: Some(text("card")),
            installments: Some(12),
        },
    );
    check(
        "Product Reviewed",
        r#"{"order_id":"o-1","review_id":"r","rating":"5","title":"좋아요"}"#,
        Signal::Reviewed { order_id: text("o-1"), review_id: text("r"), rating: 5 },
    );
}

#[test]
fn fulfillments() {
    for state in FulfillmentState::ALL {
        let name = format!("fulfillment.{}", state.name());
        let order_id = || text("o-1");
        check(
            &name,
            r#"{"order_id":"o-1"}"#,
            Signal::Fulfillment { order_id: order_id(), state, fraction: 1.0, damaged: false },
        );
        check(
            &name,
            r#"{"order_id":"o-1","fraction":0.25,"damaged":true}"#,
            Signal::Fulfillment { order_id: order_id(), state, fraction: 0.25, damaged: true },
        );
    }
}

#[test]
fn promises() {
    check(
        "promise.inquired",
        r#"{"promise_id":"p","due":"2026-03-05"}"#,
        Signal::PromiseInquired(terms("p", None)),
    );
    check(
        "promise.quoted",
        r#"{"promise_id":"p","order_id":"o-1","due":"2026-03-05","expires_at":"2026-03-01T10:00:00+09:00"}"#,
        Signal::PromiseQuoted { terms: terms("p", Some("o-1")), expires_at: time("2026-03-01T01:00:00Z") },
    );
    check(
        "promise.made",
        r#"{"promise_id":"p","order_id":"o-1","kind":"slot","attribute":"wait","due":"2026-03-05T09:00:00+09:00",
            "time_zone":"Asia/Seoul","tolerance_minutes":1.5,"hand_over_by":"2026-03-04T00:00:00Z","probability":1,
            "basis":"quantile","reasons":["a","b"],"marketing_owner":"m","operations_owner":"o",
            "comparator":"at_most","target":10,"tolerance":0.5,"unit":"min"}"#,
        Signal::PromiseMade(PromiseTerms {
            kind: PromiseKind::Slot,
            attribute: text("wait"),
            due_at: time("2026-03-05T00:00:00Z"),
            time_zone: text("Asia/Seoul"),
            tolerance_micros: 90_000_000,
            target: Some(Target {
                comparator: Comparator::AtMost,
                value: 10.0,
                tolerance: 0.5,
                unit: text("min"),
            }),
            hand_over_by: Some(time("2026-03-04T00:00:00Z")),
            probability: Some(1.0),
            basis: Some(Basis::Quantile),
            reasons: vec![text("a"), text("b")],
            marketing_owner: Some(text("m")),
            operations_owner: Some(text("o")),
            ..terms("p", Some("o-1"))
        }),
    );
    check(
        "promise.scored",
        r#"{"promise_id":"p","probability_late":0.5,"reason":"snow"}"#,
        Signal::PromiseScored { promise_id: text("p"), probability_late: 0.5, reason: text("snow") },
    );
    check(
        "promise.revised",
        r#"{"promise_id":"p","due":"2026-03-09","time_zone":"Asia/Seoul","reason":"snow"}"#,
        Signal::PromiseRevised {
            promise_id: text("p"),
            due: text("2026-03-09"),
            time_zone: Some(text("Asia/Seoul")),
            reason: Some(text("snow")),
        },
    );
    check(
        "promise.fulfilled",
        r#"{"promise_id":"p"}"#,
        Signal::PromiseFulfilled { promise_id: text("p"), actual: None },
    );
    check(
        "promise.fulfilled",
        r#"{"promise_id":"p","actual":"-3.5e1"}"#,
        Signal::PromiseFulfilled { promise_id: text("p"), actual: Some(-35.0) },
    );
    check(
        "promise.withdrawn",
        r#"{"promise_id":"p","withdrawn_by":"company"}"#,
        Signal::PromiseWithdrawn { promise_id: text("p"), by: CancelledBy::Company, reason: None },
    );
}

#[test]
fn a_signal_says_what_it_is_about() {
    for (name, properties, expected) in [
        ("order.placed", r#"{"order_id":"o","promise":{"due":"2026-03-05"}}"#, (Some("o"), None)),
        ("fulfillment.delivered", r#"{"order_id":"o"}"#, (Some("o"), None)),
        ("product.reviewed", r#"{"order_id":"o","review_id":"r","rating":1}"#, (Some("o"), None)),
        ("promise.made", r#"{"promise_id":"p","due":"2026-03-05"}"#, (None, Some("p"))),
        ("promise.made", r#"{"promise_id":"p","order_id":"o","due":"2026-03-05"}"#, (Some("o"), Some("p"))),
        ("promise.fulfilled", r#"{"promise_id":"p"}"#, (None, Some("p"))),
    ] {
        assert_eq!(parse(name, properties).unwrap().refers_to(), expected, "{name} {properties}");
    }
}

#[test]
fn what_is_missing_is_named() {
    for name in NAMES {
        let field = if name.starts_with("promise.") {
            "promise_id"
        } else if name.contains("eview") {
            "rating"
        } else {
            "order_id"
        };
        for nothing in ["{}", r#"{"order_id":null,"promise_id":null}"#, r#"{"order_id":"","promise_id":""}"#]
        {
            refused(name, nothing, &format!("properties.{field} is missing"));
        }
        assert_eq!(Signal::parse(name, None), Signal::parse(name, Some("{}")), "{name}");
    }
    refused("promise.made", r#"{"promise_id":"p"}"#, "properties.due is missing");
    refused("promise.quoted", r#"{"promise_id":"p","due":"2026-03-05"}"#, "properties.expires_at is missing");
    refused("promise.scored", r#"{"promise_id":"p"}"#, "properties.probability_late is missing");
    refused("promise.revised", r#"{"promise_id":"p"}"#, "properties.due is missing");
    refused("product.reviewed", r#"{"rating":3,"order_id":"o"}"#, "properties.review_id is missing");
    refused("product.reviewed", r#"{"rating":3,"review_id":"o"}"#, "properties.order_id is missing");
    refused("order.placed", r#"{"order_id":"o","promise":{}}"#, "properties.due is missing");
    refused(
        "order.placed",
        r#"{"order_id":"o","products":[{}]}"#,
        "properties.products[].product_id is missing",
    );
    refused(
        "promise.made",
        r#"{"promise_id":"p","due":"2026-03-05","target":1}"#,
        "properties.comparator is missing",
    );
}

#[test]
fn what_is_wrong_is_named() {
    let order = |rest: &str| format!(r#"{{"order_id":"o",{rest}}}"#);
    let made = |rest: &str| format!(r#"{{"promise_id":"p","due":"2026-03-05",{rest}}}"#);
    let neither = "neither a text nor a number";
    let one_of = "not one of the values in docs/events.md";
    for wrong in ["{}", "[]", "true", "false", "[\"o\"]"] {
        refused(
            "order.confirmed",
            &format!(r#"{{"order_id":{wrong}}}"#),
            &format!("properties.order_id: {neither}"),
        );
    }
    for (name, rest, field, why) in [
        ("order.cancelled", r#""cancelled_by":"me""#, "cancelled_by", one_of),
        ("order.cancelled", r#""cancelled_by":1"#, "cancelled_by", one_of),
        ("order.cancelled", r#""time_inferred":"yes""#, "time_inferred", "neither true nor false"),
        ("order.cancelled", r#""time_inferred":1"#, "time_inferred", "neither true nor false"),
        ("order.refunded", r#""amount":"1e3","currency":"USD""#, "amount", "not a decimal number"),
        (
            "order.refunded",
            r#""amount":1.005,"currency":"USD""#,
            "amount",
            "more decimals than the currency's minor unit has",
        ),
        (
            "order.refunded",
            r#""amount":99999999999999999999,"currency":"USD""#,
            "amount",
            "larger than an amount can be",
        ),
        ("order.refunded", r#""amount":1,"currency":"usd""#, "currency", "not an ISO 4217 code"),
        ("order.refunded", r#""amount":1,"currency":"€""#, "currency", "not an ISO 4217 code"),
        ("order.refunded", r#""amount":{},"currency":"USD""#, "amount", neither),
        ("payment.captured", r#""installments":-1"#, "installments", "not a whole number"),
        ("payment.captured", r#""installments":1.5"#, "installments", "not a whole number"),
        ("payment.captured", r#""installments":4294967296"#, "installments", "not a whole number"),
        ("fulfillment.delivered", r#""fraction":1.01"#, "fraction", "not between 0 and 1"),
        ("fulfillment.delivered", r#""fraction":-0.1"#, "fraction", "not between 0 and 1"),
        ("fulfillment.delivered", r#""fraction":1e999"#, "fraction", "not a finite number"),
        ("fulfillment.delivered", r#""fraction":"NaN""#, "fraction", "not a finite number"),
        ("fulfillment.delivered", r#""fraction":"-inf""#, "fraction", "not a finite number"),
        ("fulfillment.delivered", r#""fraction":"half""#, "fraction", "not a number"),
        ("fulfillment.delivered", r#""damaged":"true""#, "damaged", "neither true nor false"),
        ("order.placed", r#""products":7"#, "products", "…"),
        ("order.placed", r#""products":{}"#, "products", "…"),
        ("order.placed", r#""products":["p"]"#, "products", "…"),
        ("order.placed", r#""products":[{"product_id":[]}]"#, "product_id", neither),
        ("order.placed", r#""products":[{"product_id":"p","quantity":"many"}]"#, "quantity", "not a number"),
        (
            "order.placed",
            r#""products":[{"product_id":"p","quantity":1e999}]"#,
            "quantity",
            "not a finite number",
        ),
        ("order.placed", r#""promise":"soon""#, "promise", "…"),
        ("order.placed", r#""promise":{"due":"soon"}"#, "due", "`soon` is neither a date…"),
        ("product.reviewed", r#""review_id":"r","rating":0"#, "rating", "not a whole number from 1 to 5"),
        ("product.reviewed", r#""review_id":"r","rating":6"#, "rating", "not a whole number from 1 to 5"),
        ("product.reviewed", r#""review_id":"r","rating":4.5"#, "rating", "not a whole number from 1 to 5"),
        ("product.reviewed", r#""review_id":"r","rating":1e999"#, "rating", "not a finite number"),
    ] {
        refused(name, &order(rest), &format!("properties.{field}: {why}"));
    }
    for (rest, field, why) in [
        (r#""time_zone":"Mars/Olympus""#, "due", "`Mars/Olympus` is not an IANA time zone"),
        (r#""time_zone":"../../etc/passwd""#, "due", "`../../etc/passwd` is not an IANA time zone"),
        (r#""time_zone":"Asia\u0000/Seoul""#, "due", "`Asia\0/Seoul` is not an IANA time zone"),
        (r#""tolerance_minutes":-1"#, "tolerance_minutes", "not between 0 and ten years"),
        (r#""tolerance_minutes":1e300"#, "tolerance_minutes", "not between 0 and ten years"),
        (r#""tolerance_minutes":1e999"#, "tolerance_minutes", "not a finite number"),
        (r#""hand_over_by":"2026-03-05""#, "hand_over_by", "not an RFC 3339 instant…"),
        (r#""hand_over_by":"2026-03-05T10:00:00""#, "hand_over_by", "not an RFC 3339 instant…"),
        (r#""hand_over_by":1772355600"#, "hand_over_by", "not an RFC 3339 instant…"),
        (r#""probability":2"#, "probability", "not between 0 and 1"),
        (r#""basis":"magic""#, "basis", one_of),
        (r#""kind":"Order""#, "kind", one_of),
        (r#""reasons":"a""#, "reasons", "not a list of texts"),
        (r#""reasons":[1]"#, "reasons", "not a list of texts"),
        (r#""target":1,"comparator":"equal""#, "comparator", one_of),
        (r#""target":1,"comparator":"at_most","tolerance":-1"#, "tolerance", "negative"),
        (r#""target":1e999,"comparator":"at_most""#, "target", "not a finite number"),
    ] {
        refused("promise.made", &made(rest), &format!("properties.{field}: {why}"));
    }
    refused(
        "promise.quoted",
        &made(r#""expires_at":"never""#),
        "properties.expires_at: not an RFC 3339 instant…",
    );
    refused(
        "promise.scored",
        r#"{"promise_id":"p","probability_late":1.5}"#,
        "properties.probability_late: not between 0 and 1",
    );
    refused("promise.fulfilled", r#"{"promise_id":"p","actual":"a lot"}"#, "properties.actual: not a number");
    refused(
        "promise.withdrawn",
        r#"{"promise_id":"p","withdrawn_by":"me"}"#,
        &format!("properties.withdrawn_by: {one_of}"),
    );
}

#[test]
fn due_dates_at_the_edges_of_the_calendar() {
    for (due, zone, why) in [
        ("0000-01-01", "UTC", "…"),
        ("9999-12-31", "UTC", "…"),
        ("9999-01-01T00:00:00Z", "UTC", "…"),
        ("0000-12-31T23:59:59Z", "UTC", "…"),
        ("-000001-01-01", "UTC", "…"),
        ("2026-02-30", "UTC", "…"),
        ("2026-13-01", "UTC", "…"),
        ("99999999999999999999", "UTC", "…"),
        ("2026-03-05T25:00:00Z", "UTC", "…"),
    ] {
        let properties = format!(r#"{{"promise_id":"p","due":"{due}","time_zone":"{zone}"}}"#);
        refused("promise.made", &properties, &format!("properties.due: `{due}` is neither a date{why}"));
    }
    // The first and the last day that an event may carry, in the zones farthest from Greenwich.
    for zone in ["Pacific/Kiritimati", "Etc/GMT+12", "UTC"] {
        for due in ["0001-01-01", "9998-12-31"] {
            let properties = format!(
                r#"{{"promise_id":"p","due":"{due}","time_zone":"{zone}","tolerance_minutes":5256000}}"#
            );
            let Ok(Signal::PromiseMade(terms)) = parse("promise.made", &properties) else {
                panic!("{due} in {zone} is a date");
            };
            assert!(terms.deadline() > terms.due_at, "{due} {zone}");
            assert!(!format!("{terms:?}{}", terms.deadline()).is_empty());
        }
    }
}

#[test]
fn properties_must_be_an_object() {
    // A list in the fields' order would be read as the fields by a derived reader.
    let list = format!("[{}]", vec!["\"x\""; 38].join(","));
    for properties in [
        "",
        "null",
        "7",
        "\"o\"",
        "true",
        "[]",
        &list,
        "{",
        "{]",
        "{\"order_id\"}",
        "{} {}",
        "\u{feff}{}",
        "{'order_id':1}",
    ] {
        for name in NAMES {
            refused(name, properties, "properties are not an object: …");
        }
    }
    refused(
        "order.placed",
        r#"{"order_id":"a","order_id":"b"}"#,
        "properties are not an object: duplicate field `order_id`…",
    );
    refused("order.placed", &format!(r#"{{"order_id":"a","promise":{list}}}"#), "properties.promise: …");
    refused(
        "order.placed",
        r#"{"order_id":"a","products":[["p",null,null,null,1,2,null,null,null]]}"#,
        "properties.products: …",
    );
}

#[test]
fn texts_are_bounded() {
    let long = "x".repeat(513);
    let fits = "x".repeat(512);
    let mut told = 0;
    for field in ["order_id", "region", "currency"] {
        let properties = format!(r#"{{"order_id":"o","total":1,"{field}":"{long}"}}"#).replacen(
            r#""order_id":"o","total":1,"order_id""#,
            r#""order_id""#,
            1,
        );
        refused("order.placed", &properties, &format!("properties.{field}: longer than 512 bytes"));
        told += 1;
    }
    for field in
        ["attribute", "time_zone", "unit", "marketing_owner", "operations_owner", "promise_id", "order_id"]
    {
        let id = if field == "promise_id" { "" } else { r#""promise_id":"p","# };
        let properties =
            format!(r#"{{{id}"due":"2026-03-05","target":1,"comparator":"at_most","{field}":"{long}"}}"#);
        refused("promise.made", &properties, &format!("properties.{field}: longer than 512 bytes"));
        told += 1;
    }
    refused(
        "promise.made",
        &format!(r#"{{"promise_id":"p","due":"2026-03-05","reasons":["{long}"]}}"#),
        "properties.reasons: longer than 512 bytes",
    );
    assert_eq!(told, 10);
    assert!(parse("order.confirmed", &format!(r#"{{"order_id":"{fits}"}}"#)).is_ok());
    let lines =
        |n: usize| format!(r#"{{"order_id":"o","products":[{}]}}"#, vec![r#"{"sku":1}"#; n].join(","));
    assert!(parse("order.placed", &lines(10_000)).is_ok());
    refused("order.placed", &lines(10_001), "properties.products: more than 10000 lines");
}

#[test]
fn nesting_as_deep_as_a_body_can_be_does_not_end_the_process() {
    for depth in [10, 1_000, 200_000] {
        let (list, object) =
            ("[".repeat(depth) + &"]".repeat(depth), "{\"a\":".repeat(depth) + "1" + &"}".repeat(depth));
        for deep in [&list, &object] {
            assert!(parse("order.confirmed", &format!(r#"{{"order_id":"o","unknown":{deep}}}"#)).is_ok());
            refused(
                "order.confirmed",
                &format!(r#"{{"order_id":{deep}}}"#),
                "properties.order_id: neither a text nor a number",
            );
            refused("order.placed", &format!(r#"{{"order_id":"o","products":[{deep}]}}"#), "properties.…");
            refused(
                "order.placed",
                &format!(r#"{{"order_id":"o","promise":{{"due":{deep}}}}}"#),
                "properties.due: neither…",
            );
            refused(
                "promise.made",
                &format!(r#"{{"promise_id":"o","due":"2026-03-05","reasons":[{deep}]}}"#),
                "properties.reasons: …",
            );
        }
        refused("order.placed", &"[".repeat(depth), "properties are not an object: …");
        refused("order.placed", &"{\"a\":".repeat(depth), "properties are not an object: …");
    }
}

#[test]
fn a_nul_or_any_other_character_in_a_text_is_only_a_character() {
    for id in ["a\\u0000b", "\\ud83d\\ude00", "김", "\\u200b", "'; DROP TABLE orders; --"] {
        let Ok(Signal::OrderMoved { order_id, .. }) =
            parse("order.confirmed", &format!(r#"{{"order_id":"{id}"}}"#))
        else {
            panic!("{id} is a text");
        };
        assert_eq!(
            serde_json::to_value(&order_id).unwrap(),
            serde_json::from_str::<serde_json::Value>(&format!("\"{id}\"")).unwrap()
        );
    }
    refused(
        "order.confirmed",
        "{\"order_id\":\"a\u{0}b\"}",
        "properties are not an object: control character…",
    );
    refused("order.confirmed", r#"{"order_id":"\ud83d"}"#, "properties.order_id: …");
}

/// A JSON value of any shape, as text.
fn json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        Just("1e999".to_owned()),
        Just("\"2026-03-05\"".to_owned()),
        Just("\"9998-12-31T23:59:59Z\"".to_owned()),
        Just("\"at_most\"".to_owned()),
        Just("\"BRL\"".to_owned()),
        any::<i64>().prop_map(|n| n.to_string()),
        any::<f64>().prop_filter("JSON has no such number", |n| n.is_finite()).prop_map(|n| n.to_string()),
        ".{0,20}".prop_map(|text| serde_json::to_string(&text).unwrap()),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|list| format!("[{}]", list.join(","))),
            object(inner),
        ]
    })
}

fn object(value: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    let field = prop::sample::select(vec![
        "order_id",
        "promise_id",
        "review_id",
        "currency",
        "total",
        "amount",
        "products",
        "region",
        "promise",
        "cancelled_by",
        "reason",
        "reasons",
        "fraction",
        "damaged",
        "expires_at",
        "probability_late",
        "probability",
        "due",
        "time_zone",
        "tolerance_minutes",
        "hand_over_by",
        "kind",
        "attribute",
        "basis",
        "comparator",
        "target",
        "tolerance",
        "unit",
        "actual",
        "rating",
        "return_id",
        "reference",
        "product_id",
        "sku",
        "quantity",
        "price",
        "x",
    ]);
    prop::collection::btree_map(field, value, 0..8).prop_map(|fields| {
        let fields: Vec<String> = fields.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
        format!("{{{}}}", fields.join(","))
    })
}

#[test]
fn no_properties_panic_and_every_refusal_says_something() {
    let properties = prop_oneof![4 => object(json()), 1 => json(), 1 => ".{0,60}"];
    proptest!(config(3_000, 30_000, 500_000), |(name in prop::sample::select(NAMES.to_vec()), properties in properties)| {
        let first = Signal::parse(name, Some(&properties)).expect("a known name");
        prop_assert_eq!(&first, &Signal::parse(name, Some(&properties)).unwrap());
        if let Err(why) = first {
            prop_assert!(why.to_string().starts_with("properties"), "{}", why);
        }
    });
}
