//! What must hold between any state and the next, whatever led from one to the other.

use std::collections::BTreeMap;

use engine::{Customer, EffectState, Order};
use model::{OrderState, Outcome, PromiseStatus, ReturnState, TimerPurpose};

/// The promise machine of the design.
pub(crate) fn may_become(from: Option<PromiseStatus>, to: PromiseStatus) -> bool {
    use PromiseStatus::*;
    match from {
        // A promise may be made without having been asked about or quoted, and judged in the same breath.
        None => !matches!(to, Expired | AtRisk),
        Some(Inquired) => matches!(to, Inquired | Quoted | Made | Withdrawn | Kept | Broken),
        Some(Quoted) => matches!(to, Quoted | Made | Withdrawn | Expired | Kept | Broken),
        Some(Made) => matches!(to, Made | AtRisk | Kept | Broken | Withdrawn),
        Some(AtRisk) => matches!(to, AtRisk | Made | Kept | Broken | Withdrawn),
        // What happened before is heard of after the verdict: it had come to pass, had been taken back, or had been
        // revised.
        Some(Broken | Kept | Withdrawn) => matches!(to, Broken | Kept | Withdrawn | Made),
        Some(Expired) => to == Expired,
    }
}

fn effect_may_become(from: Option<EffectState>, to: EffectState) -> bool {
    use EffectState::*;
    match from {
        None => matches!(to, Requested | Suppressed),
        Some(Requested) => matches!(to, Requested | Started | Suppressed),
        Some(Started) => matches!(to, Started | Done | Failed | Unknown),
        Some(Unknown) => matches!(to, Unknown | Done | Failed),
        Some(ended) => to == ended,
    }
}

fn promise_of(purpose: &TimerPurpose) -> &str {
    match purpose {
        TimerPurpose::PromiseDeadline(id)
        | TimerPurpose::HandOver(id)
        | TimerPurpose::QuoteExpiry(id)
        | TimerPurpose::RiskCheck(id) => id,
        TimerPurpose::ReceiptDue(receipt) => receipt,
        TimerPurpose::OrderWindow(order) => order,
        TimerPurpose::LotPerishes => "",
        TimerPurpose::ForecastDue { device_id, .. } => device_id,
        TimerPurpose::PurchaseDue(category) => category,
        TimerPurpose::NeedDue(id) | TimerPurpose::ActionDue(id) | TimerPurpose::MandateEnds(id) => id,
    }
}

/// Checks one state by itself.
pub(crate) fn check_state(customer: &Customer) -> Result<(), String> {
    let mut timers: BTreeMap<(&str, &'static str), u32> = BTreeMap::new();
    for (id, timer) in &customer.timers {
        if id.0 >= customer.next_timer {
            return Err(format!("timer {} could be given again: the next is {}", id.0, customer.next_timer));
        }
        if let TimerPurpose::OrderWindow(order_id) = &timer.purpose {
            let order = customer.orders.get(order_id);
            if !order.is_some_and(|order| order.cancelled.is_none() && order.handed_out_at.is_none()) {
                return Err(format!("order {order_id} cannot be undone and its window is open"));
            }
            continue;
        }
        let connection = &customer.connection;
        let of_connection = match &timer.purpose {
            TimerPurpose::ForecastDue { device_id, slot } => Some(connection.slot(device_id, slot).is_some()),
            TimerPurpose::PurchaseDue(category) => Some(connection.in_use.contains_key(category)),
            TimerPurpose::NeedDue(id) => Some(connection.needs.contains_key(id)),
            TimerPurpose::ActionDue(id) => {
                Some(connection.actions.get(id).is_some_and(|record| record.state.is_open()))
            }
            TimerPurpose::MandateEnds(id) => {
                Some(connection.mandates.get(id).is_some_and(|record| !record.state.is_ended()))
            }
            _ => None,
        };
        match of_connection {
            Some(true) => continue,
            Some(false) => return Err(format!("a timer waits for {:?}, which is over", timer.purpose)),
            None => {}
        }
        let promise_id = promise_of(&timer.purpose);
        // What is still asked of its owners is no promise yet.
        let asking = customer.quotes.get(promise_id).is_some_and(|record| !record.stage.is_ended());
        if asking && matches!(timer.purpose, TimerPurpose::QuoteExpiry(_)) {
            *timers.entry((promise_id, "quote")).or_default() += 1;
            continue;
        }
        let Some(promise) = customer.promises.get(promise_id) else {
            return Err(format!("a timer waits for promise {promise_id}, which is not known"));
        };
        let (kind, wanted) = match timer.purpose {
            TimerPurpose::PromiseDeadline(_) => ("deadline", promise.status.is_open()),
            TimerPurpose::HandOver(_) => ("hand_over", promise.status.is_open()),
            TimerPurpose::QuoteExpiry(_) => ("quote", promise.status == PromiseStatus::Quoted),
            TimerPurpose::ReceiptDue(_)
            | TimerPurpose::OrderWindow(_)
            | TimerPurpose::LotPerishes
            | TimerPurpose::ForecastDue { .. }
            | TimerPurpose::PurchaseDue(_)
            | TimerPurpose::NeedDue(_)
            | TimerPurpose::ActionDue(_)
            | TimerPurpose::MandateEnds(_) => ("no promise's", false),
            // One that is at risk already is watched by the deadline alone.
            TimerPurpose::RiskCheck(_) => ("risk", promise.status == PromiseStatus::Made),
        };
        if !wanted {
            return Err(format!("promise {promise_id} is {} and has a {kind} timer", promise.status.name()));
        }
        if kind == "deadline" && timer.due != promise.terms.deadline().plus_micros(1) {
            return Err(format!("promise {promise_id} is judged at another time than its deadline"));
        }
        if kind == "deadline" && timer.timeline != promise.timeline {
            return Err(format!("promise {promise_id} is judged on another line of time than its own"));
        }
        if kind == "risk" && timer.timeline != promise.timeline {
            return Err(format!("the risk of promise {promise_id} is judged on another line of time"));
        }
        if kind == "risk" && timer.due > promise.terms.deadline() {
            return Err(format!("promise {promise_id} would come to be at risk after it broke"));
        }
        *timers.entry((promise_id, kind)).or_default() += 1;
    }
    if let Some(((promise_id, kind), n)) = timers.iter().find(|(_, n)| **n > 1) {
        return Err(format!("promise {promise_id} has {n} {kind} timers"));
    }
    for (id, promise) in &customer.promises {
        if promise.status.is_open() && !timers.contains_key(&(id, "deadline")) {
            return Err(format!("promise {id} is open and no clock will judge it"));
        }
        if promise.status == PromiseStatus::Quoted && !timers.contains_key(&(id, "quote")) {
            return Err(format!("promise {id} is quoted for ever"));
        }
        if (promise.status == PromiseStatus::AtRisk) != (promise.risk.is_some() && promise.status.is_open()) {
            return Err(format!("promise {id} is {} with risk {:?}", promise.status.name(), promise.risk));
        }
        if promise.probability.is_some_and(|p| !(0.0..=1.0).contains(&p)) {
            return Err(format!("promise {id} is kept with probability {:?}", promise.probability));
        }
        if promise.status == PromiseStatus::Broken && promise.cause.is_none() {
            return Err(format!("promise {id} is broken by nothing"));
        }
        if promise.status == PromiseStatus::Kept && promise.fulfilled_at.is_none() {
            return Err(format!("promise {id} is kept by nothing"));
        }
    }
    if customer.erased_at.is_some() {
        let rest = Customer { erased_at: None, keys: Vec::new(), ..customer.clone() };
        if rest != Customer::new(customer.id) {
            return Err("something is left of an erased customer".into());
        }
    }
    Ok(())
}

/// Nobody is paid what was not authorised, nor given back what was not taken, and what was taken back is told to
/// nobody.
fn check_order(id: &str, before: Option<&Order>, after: &Order) -> Result<(), String> {
    let from = before.map_or(OrderState::Placed, |before| before.state);
    // Steps of one decision are seen together: one between them may be skipped.
    let between = OrderState::ALL.into_iter().any(|b| from.may_become(b) && b.may_become(after.state));
    if before.is_some() && from != after.state && !from.may_become(after.state) && !between {
        return Err(format!("order {id} went from {} to {}", from.name(), after.state.name()));
    }
    let handed_out_now =
        before.is_none_or(|before| before.handed_out_at.is_none()) && after.handed_out_at.is_some();
    if handed_out_now && after.cancelled.is_some() {
        return Err(format!("order {id} was cancelled and is handed out"));
    }
    if before
        .is_some_and(|before| before.handed_out_at.is_some() && before.handed_out_at != after.handed_out_at)
    {
        return Err(format!("order {id} is handed out twice"));
    }
    for (name, known) in &after.returns {
        let from = before.and_then(|before| before.returns.get(name)).map(|known| known.state);
        let direct = from.is_none_or(|from| from == known.state || from.may_become(known.state));
        let between = from.is_some_and(|from| {
            ReturnState::ALL.into_iter().any(|b| from.may_become(b) && b.may_become(known.state))
        });
        if !direct && !between {
            return Err(format!("return {name} went from {from:?} to {}", known.state.name()));
        }
        if before.and_then(|before| before.returns.get(name)).is_some_and(|was| was.back) && !known.back {
            return Err(format!("return {name} was back and is not"));
        }
    }
    let Some(payment) = after.payment.as_deref().filter(|_| after.action.is_some()) else { return Ok(()) };
    if payment.capture_asked > payment.authorised {
        return Err(format!("order {id}: more is taken than was authorised: {payment:?}"));
    }
    if payment.refund_asked > payment.capture_asked.max(payment.captured) {
        return Err(format!("order {id}: more is given back than was taken: {payment:?}"));
    }
    // What left without our word, and of which something came back, is owed for the rest.
    if payment.capture_asked > 0 && after.handed_out_at.is_none() && !after.has_left() {
        return Err(format!("order {id}: paid before it was handed out"));
    }
    Ok(())
}

/// Checks a step from one state to the next.
pub(crate) fn check_step(before: &Customer, after: &Customer, outcomes: &[Outcome]) -> Result<(), String> {
    if before.erased_at.is_some() {
        return if outcomes.is_empty() && before == after {
            Ok(())
        } else {
            Err(format!("an erased customer decided {outcomes:?}"))
        };
    }
    if after.erased_at.is_some() {
        return check_state(after);
    }
    for (id, promise) in &after.promises {
        let known = before.promises.get(id);
        let from = known.map(|known| known.status);
        if !may_become(from, promise.status) {
            return Err(format!("promise {id} went from {from:?} to {}", promise.status.name()));
        }
        let Some(known) = known else { continue };
        let ended =
            matches!(known.status, PromiseStatus::Broken | PromiseStatus::Kept | PromiseStatus::Withdrawn);
        if ended && promise.status.is_open() && promise.version == known.version {
            return Err(format!("promise {id} had ended and is open again without a revision"));
        }
        if !known.status.is_offer() && known.first_due_at != promise.first_due_at {
            return Err(format!("promise {id} lost its first target"));
        }
        if promise.version != known.version && promise.version != known.version + 1 {
            return Err(format!("promise {id} went from version {} to {}", known.version, promise.version));
        }
        if promise.version == known.version && !known.status.is_offer() && promise.terms != known.terms {
            return Err(format!("the terms of promise {id} changed without a version"));
        }
    }
    if let Some(id) = before.promises.keys().find(|id| !after.promises.contains_key(*id)) {
        return Err(format!("promise {id} was forgotten"));
    }
    for (id, order) in &after.orders {
        check_order(id, before.orders.get(id), order)?;
    }
    for (key, record) in &after.effects {
        let from = before.effects.get(key).map(|record| record.state);
        if !effect_may_become(from, record.state) {
            return Err(format!("effect {key} went from {from:?} to {}", record.state.name()));
        }
    }
    for (n, outcome) in outcomes.iter().enumerate() {
        if outcomes[..n].contains(outcome) {
            return Err(format!("decided twice at once: {outcome:?}"));
        }
    }
    check_state(after)
}
