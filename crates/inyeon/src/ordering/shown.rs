//! Orders as people and programs are shown them. A payment token is told by its last characters only.

use engine::promising::Binding;
use engine::{Order, Payment, QuoteRecord, Return};
use model::{EntityId, Money, OrderDefaults, OrderLine, Time};
use runtime::{Fold, FoldError};
use serde_json::{Value, json};

fn money(money: Money) -> Value {
    json!({ "amount": money.decimal(), "currency": money.currency.code() })
}

/// The last four characters, where there are many more.
fn hint(token: &str) -> String {
    let count = token.chars().count();
    let shown: String = if count >= 12 { token.chars().skip(count - 4).collect() } else { String::new() };
    format!("…{shown}")
}

fn json_text(text: Option<&String>) -> Value {
    text.map_or(Value::Null, |text| serde_json::from_str(text).unwrap_or_else(|_| json!(text)))
}

pub(super) fn defaults(user_id: &str, defaults: &OrderDefaults) -> Value {
    json!({
        "user_id": user_id,
        "to": defaults.to,
        "address": json_text(defaults.address.as_ref()),
        "time_zone": defaults.time_zone,
        "class": defaults.class,
        "service": defaults.service,
        "payment_token": defaults.payment_token.as_deref().map(hint),
    })
}

fn line(line: &OrderLine) -> Value {
    json!({
        "item_id": line.product_id, "quantity": line.quantity, "price": line.price.map(money),
        "exchange": line.exchange.name(),
    })
}

fn parcels(record: &QuoteRecord) -> Vec<Value> {
    let parcel = |parcel: &model::Parcel| {
        json!({
            "place": parcel.place, "service": parcel.service,
            "hand_over_by": parcel.hand_over_by.to_string(), "due": parcel.due_at.to_string(),
        })
    };
    record.quote.parcels.iter().map(parcel).collect()
}

fn payment(payment: &Payment, token: Option<&String>) -> Value {
    let amount = |minor| payment.money(minor).decimal();
    json!({
        "state": payment.state().name(),
        "currency": payment.currency.code(),
        "owed": amount(payment.owed),
        "authorised": amount(payment.authorised),
        "captured": amount(payment.captured),
        "refunded": amount(payment.refunded),
        "payment_token": token.map(|token| hint(token)),
    })
}

pub(super) fn returned(known: &Return, free_both_ways: bool) -> Value {
    let lines = known.request.lines.iter();
    let lines: Vec<Value> =
        lines.map(|line| json!({ "item_id": line.item_id, "quantity": line.quantity })).collect();
    json!({
        "return_id": known.request.return_id,
        "order_id": known.request.order_id,
        "state": known.state.name(),
        "day": known.day,
        "asked_at": known.asked_at.to_string(),
        "moved_at": known.moved_at.to_string(),
        "lines": lines,
        "asked_reason": known.request.reason,
        "reason": known.reason,
        "free_both_ways": free_both_ways,
    })
}

pub(super) fn order(
    fold: &mut Fold,
    owner: EntityId,
    order_id: &str,
    order: &Order,
    now: Time,
) -> Result<Value, FoldError> {
    let standing = fold.standing_quote(owner, order_id)?;
    let instead: Vec<&str> = fold.instead(order_id)?.into_iter().map(|what| what.name()).collect();
    let free = fold.reference().promising.returns.free_both_ways;
    let customer = fold.entity(owner)?.customer();
    let promises = customer.into_iter().flat_map(|customer| customer.promises_of(order_id));
    let promises: Vec<Value> = promises
        .map(|(promise_id, promise)| {
            json!({
                "promise_id": promise_id,
                "status": promise.status.name(),
                "due": promise.terms.due_at.to_string(),
                "first_due": promise.first_due_at.to_string(),
                "time_zone": promise.terms.time_zone,
                "version": promise.version,
                "probability": promise.terms.probability,
            })
        })
        .collect();
    let action = order.action.as_deref();
    let until = action.map(|action| action.cancel_until);
    let can_undo =
        order.cancelled.is_none() && order.handed_out_at.is_none() && until.is_some_and(|until| now < until);
    let mut can: Vec<&str> = Vec::new();
    can.extend(can_undo.then_some("undo"));
    can.extend(instead);
    let text = |at: Option<Time>| at.map(|at| at.to_string());
    let quote = standing.as_ref().map(|record| &record.quote);
    Ok(json!({
        "order_id": order_id,
        "profile": owner.to_string(),
        "state": order.state.name(),
        "placed_at": text(order.placed_at),
        "cancel_until": text(until),
        "handed_out_at": text(order.handed_out_at),
        "shipped_at": text(order.shipped_at),
        "delivered_at": text(order.delivered_at),
        "cancelled": order.cancelled.map(|(at, by)| json!({ "at": at.to_string(), "by": by.name() })),
        "to": quote.and_then(|quote| quote.region.clone()),
        "total": quote.and_then(|quote| quote.total).map(money),
        "lines": quote.map(|quote| quote.lines.iter().map(line).collect::<Vec<_>>()),
        "parcels": standing.as_ref().map(parcels),
        "promises": promises,
        "payment": order.payment.as_deref().map(|known| {
            payment(known, action.and_then(|action| action.payment_token.as_ref()))
        }),
        "returns": order.returns.values().map(|known| returned(known, free)).collect::<Vec<_>>(),
        "can": can,
    }))
}

/// A change that is held and waits for its confirmation.
pub(super) fn change(record: &QuoteRecord, binding: &[Binding]) -> Value {
    let quote = &record.quote;
    json!({
        "quote_id": quote.quote_id,
        "state": "held",
        "until": quote.expires_at.to_string(),
        "due": quote.terms.due_at.to_string(),
        "time_zone": quote.terms.time_zone,
        "probability": quote.terms.probability,
        "total": quote.total.map(money),
        "to": quote.region,
        "lines": quote.lines.iter().map(line).collect::<Vec<_>>(),
        "parcels": parcels(record),
        "binding": binding,
    })
}
