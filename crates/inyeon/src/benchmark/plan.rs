//! What it costs to hold an event against the tracking plan, beside reading it.

use model::{EventKind, Time};
use serde_json::{Value, json};

use super::nanoseconds;
use crate::dialect::Parsed;
use crate::dialect::segment::{self, Outer};
use crate::error::Failure;
use crate::plan::{Document, Plan};

/// A shop's order as shops describe it.
const PLAN: &str = "
plan: 1
purposes: {fulfilment: to deliver, receipts: to bill, reports: to count}
events:
  Order Completed:
    schema: &schema
      type: object
      required: [order_id, total, currency]
      properties:
        order_id: {type: string, maxLength: 64, purpose: fulfilment}
        total: {type: number, minimum: 0, purpose: receipts}
        currency: {enum: [EUR, KRW, USD], purpose: receipts}
        email: {type: string, format: email, purpose: [fulfilment, receipts]}
        placed_at: {type: string, format: date-time, purpose: reports}
        address: {type: object, purpose: fulfilment}
        products:
          type: array
          items:
            type: object
            required: [product_id, quantity]
            properties:
              product_id: {type: string, purpose: fulfilment}
              name: {type: string, purpose: receipts}
              category: {type: string, purpose: reports}
              quantity: {type: integer, minimum: 1, purpose: fulfilment}
              price: {type: number, purpose: receipts}
  Order With Purposes:
    purpose_required: true
    schema: *schema
";

fn order(name: &str, quantity: Value) -> String {
    let product = |n: u32| {
        json!({
            "product_id": format!("p-{n}"), "name": "Green tea, first flush, 80 g", "category": "tea",
            "quantity": quantity, "price": 12.5,
        })
    };
    let event = json!({
        "type": "track", "event": name, "userId": "c-1", "messageId": "m-1",
        "timestamp": "2026-03-01T09:00:00Z",
        "properties": {
            "order_id": "o-1", "total": 75.0, "currency": "EUR", "email": "kim@example.com",
            "placed_at": "2026-03-01T09:00:00Z",
            "address": { "street": "Seocho-daero 1", "city": "Seoul", "zip": "06600", "country": "KR" },
            "products": (0..6).map(product).collect::<Vec<_>>(),
        },
        "context": { "app": { "version": "2.1.0" } },
    });
    event.to_string()
}

/// Nanoseconds for each event, on one core: read, and held against a plan that does not name it, that it keeps, that
/// asks for purposes besides, and that it violates.
pub(super) fn figures() -> Result<Value, Failure> {
    let document = Document::parse(PLAN, "benchmark")?;
    let plan = Plan::compile(&document, 1)?;
    let read = |raw: &str| {
        let parsed = segment::parse(raw, Some(EventKind::Track), Outer::default(), Time(0), String::new);
        matches!(parsed, Parsed::Event { .. })
    };
    let judged = |raw: &str| {
        let parsed = segment::parse(raw, Some(EventKind::Track), Outer::default(), Time(0), String::new);
        let Parsed::Event { event, .. } = parsed else { return f64::NAN };
        nanoseconds(&|_| drop(std::hint::black_box(plan.judge(std::hint::black_box(&event)))))
    };
    let sound = order("Order Completed", json!(1));
    Ok(json!({
        "event_bytes": sound.len(),
        "compile_ns": nanoseconds(&|_| drop(std::hint::black_box(Plan::compile(&document, 1)))),
        "read_ns": nanoseconds(&|_| { std::hint::black_box(read(std::hint::black_box(&sound))); }),
        "unplanned_ns": judged(&order("Another", json!(1))),
        "kept_ns": judged(&sound),
        "kept_with_purposes_ns": judged(&order("Order With Purposes", json!(1))),
        "violated_ns": judged(&order("Order Completed", json!("one"))),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_measured_is_what_it_says() {
        let plan = Plan::compile(&Document::parse(PLAN, "benchmark").unwrap(), 1).unwrap();
        let broken = |name: &str, quantity| {
            let raw: Value = serde_json::from_str(&order(name, quantity)).unwrap();
            plan.judge_value(EventKind::Track, name, &raw["properties"]).is_some()
        };
        assert!(!broken("Order Completed", json!(1)) && !broken("Order With Purposes", json!(1)));
        assert!(!broken("Another", json!("one")) && broken("Order Completed", json!("one")));
    }
}
