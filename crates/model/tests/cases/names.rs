//! Every name reads back, and every list of variants is whole.

use std::fmt::Debug;

use model::connection::{
    ActionState, ConnectionFact, Fallback, FrictionKind, MandateState, MessageClass, NeedOrigin, NeedStage,
    Strategy,
};
use model::*;

use super::examples;

fn check<T: Copy + PartialEq + Debug>(
    examples: Vec<(&'static str, T)>,
    all: &[T],
    name: impl Fn(T) -> &'static str,
    find: impl Fn(&str) -> Option<T>,
) {
    assert_eq!(examples.iter().map(|(_, value)| *value).collect::<Vec<_>>(), all, "ALL misses a variant");
    for (expected, value) in examples {
        assert_eq!(name(value), expected);
        assert_eq!(find(expected), Some(value));
    }
    for wrong in ["", " ", "Track", "nobody", "deliver\0ed"] {
        assert_eq!(find(wrong), None, "{wrong:?}");
    }
}

#[test]
fn names_read_back() {
    check(examples::kinds(), &EventKind::ALL, EventKind::name, EventKind::from_name);
    check(
        examples::fulfillments(),
        &FulfillmentState::ALL,
        FulfillmentState::name,
        FulfillmentState::from_name,
    );
    check(examples::promise_kinds(), &PromiseKind::ALL, PromiseKind::name, PromiseKind::from_name);
    check(examples::bases(), &Basis::ALL, Basis::name, Basis::from_name);
    let by = [CancelledBy::Customer, CancelledBy::Company, CancelledBy::Unknown];
    check(examples::cancellers(), &by, CancelledBy::name, CancelledBy::from_name);
    check(examples::return_states(), &ReturnState::ALL, ReturnState::name, ReturnState::from_name);
    let comparators = [Comparator::AtMost, Comparator::AtLeast];
    check(examples::comparators(), &comparators, Comparator::name, Comparator::from_name);
    check(examples::strategies(), &Strategy::ALL, Strategy::name, Strategy::from_name);
    check(examples::fallbacks(), &Fallback::ALL, Fallback::name, Fallback::from_name);
    check(examples::origins(), &NeedOrigin::ALL, NeedOrigin::name, NeedOrigin::from_name);
    check(examples::friction_kinds(), &FrictionKind::ALL, FrictionKind::name, FrictionKind::from_name);
}

#[test]
fn what_has_only_a_name_has_the_right_one() {
    for (name, state) in examples::order_states() {
        assert_eq!(state.name(), name);
        assert!(OrderState::ALL.contains(&state));
    }
    let payments: Vec<_> = examples::payment_states().into_iter().map(|(_, state)| state).collect();
    assert_eq!(payments, PaymentState::ALL, "ALL misses a variant");
    for (name, state) in examples::payment_states() {
        assert_eq!(state.name(), name);
    }
    for (name, step) in examples::payment_steps() {
        assert_eq!(step.name(), name);
        let (order_id, amount, reference, at) = (String::new(), None, None, Time(0));
        let fact = OrderFact::Payment { order_id, step, amount, reference, at };
        assert_eq!(fact.name(), format!("payment.{name}"));
    }
    for (name, state) in examples::return_states() {
        let (order_id, return_id, reason, at) = (String::new(), String::new(), None, Time(0));
        let fact = OrderFact::ReturnMoved { order_id, return_id, state, reason, at };
        assert_eq!(fact.name(), format!("return.{name}"));
    }
    for (name, status) in examples::statuses() {
        assert_eq!(status.name(), name);
        assert!(PromiseStatus::ALL.contains(&status));
    }
    for (name, cause) in examples::break_causes() {
        assert_eq!(cause.name(), name);
    }
    for (name, why) in examples::risks() {
        assert_eq!(why.name(), name);
    }
    for (name, why) in examples::shortages() {
        let risk = RiskReason::Supply { why, what: String::new(), covered_at: None };
        assert_eq!(risk.name(), format!("supply_{name}"));
    }
    for (name, kind) in examples::effect_kinds() {
        assert_eq!(kind.name(), name);
        assert!(EffectKind::ALL.contains(&kind));
    }
    for (name, stage) in examples::need_stages() {
        assert_eq!(stage.name(), name);
        assert!(NeedStage::ALL.contains(&stage));
    }
    for (name, state) in examples::mandate_states() {
        assert_eq!(state.name(), name);
        assert!(MandateState::ALL.contains(&state));
    }
    for (name, state) in examples::action_states() {
        assert_eq!(state.name(), name);
        assert!(ActionState::ALL.contains(&state));
    }
    for (name, role) in examples::roles() {
        assert_eq!(role.name(), name);
        assert!(Role::ALL.contains(&role));
    }
    for (name, class) in examples::message_classes() {
        assert_eq!(class.name(), name);
        assert!(MessageClass::ALL.contains(&class));
    }
}

/// No two facts about the tie have one name, so that a list of them can be read.
#[test]
fn a_fact_about_the_tie_is_known_by_its_name() {
    let mut names: Vec<&str> = Vec::new();
    names.extend(examples::connection_facts().iter().map(|(_, fact)| fact.name()));
    let (id, at) = (String::new(), Time(0));
    let stages = examples::need_stages().into_iter().map(|(_, stage)| {
        ConnectionFact::NeedMoved { need_id: id.clone(), stage, at, order_id: None, why: None }.name()
    });
    let mandates = examples::mandate_states().into_iter().map(|(_, state)| {
        let (mandate_id, by) = (id.clone(), id.clone());
        ConnectionFact::MandateMoved { mandate_id, state, by, why: None, at }.name()
    });
    let actions = examples::action_states().into_iter().map(|(_, state)| {
        let action_id = id.clone();
        ConnectionFact::ActionMoved { action_id, state, end: connection::ActionEnd::default(), at }.name()
    });
    names.extend(stages.filter(|name| *name != "need.met"));
    names.extend(mandates.filter(|name| *name != "mandate.suspended"));
    names.extend(actions.filter(|name| *name != "autoaction.blocked"));
    let mut once = names.clone();
    once.sort_unstable();
    once.dedup();
    assert_eq!(once.len(), names.len(), "{names:?}");
}

#[test]
fn a_promise_status_is_an_offer_or_open_or_ended() {
    for (name, status) in examples::statuses() {
        let (offer, open) = match name {
            "inquired" | "quoted" => (true, false),
            "made" | "at_risk" => (false, true),
            _ => (false, false),
        };
        assert_eq!((status.is_offer(), status.is_open()), (offer, open), "{name}");
    }
}

/// The order machine of the design, row by row: from a state, all that it may become.
#[test]
fn an_order_moves_only_along_its_machine() {
    use OrderState::*;
    let machine = [
        (Placed, &[Confirmed, Allocated, PartiallyFulfilled, Fulfilled, Delivered, Closed, Cancelled][..]),
        (Confirmed, &[Allocated, PartiallyFulfilled, Fulfilled, Delivered, Closed, Cancelled]),
        (Allocated, &[PartiallyFulfilled, Fulfilled, Delivered, Closed, Cancelled]),
        (
            PartiallyFulfilled,
            &[Fulfilled, Delivered, Closed, Cancelled, Returned, ReturnRequested, PartiallyReturned],
        ),
        (Fulfilled, &[Delivered, Closed, Cancelled, Returned, ReturnRequested, PartiallyReturned]),
        (Delivered, &[Closed, Returned, ReturnRequested, PartiallyReturned]),
        (Closed, &[Returned, ReturnRequested, PartiallyReturned]),
        (Cancelled, &[]),
        (Returned, &[]),
        (
            Draft,
            &[
                Placed,
                Confirmed,
                Allocated,
                PartiallyFulfilled,
                Fulfilled,
                Delivered,
                Closed,
                Cancelled,
                Expired,
            ],
        ),
        (Expired, &[]),
        (ReturnRequested, &[Delivered, Closed, Returned, PartiallyReturned]),
        (PartiallyReturned, &[Closed, Returned, ReturnRequested]),
    ];
    assert_eq!(machine.map(|(from, _)| from), OrderState::ALL, "a state has no row");
    for (from, allowed) in machine {
        let found: Vec<_> = OrderState::ALL.into_iter().filter(|next| from.may_become(*next)).collect();
        assert_eq!(found, allowed, "from {}", from.name());
    }
}

/// The same of a return.
#[test]
fn a_return_moves_only_along_its_machine() {
    use ReturnState::*;
    let machine = [
        (Requested, &[Approved, Refused, Discretion, Received, Closed][..]),
        (Approved, &[Refused, InTransit, Received, Refunded, Closed]),
        (Refused, &[Received, Closed]),
        (Discretion, &[Approved, Refused, Received, Closed]),
        (InTransit, &[Refused, Received, Refunded, Closed]),
        (Received, &[Restocked, WrittenOff, Refunded, Closed]),
        (Restocked, &[Refunded, Closed]),
        (WrittenOff, &[Refunded, Closed]),
        (Refunded, &[Restocked, WrittenOff, Closed]),
        (Closed, &[]),
    ];
    assert_eq!(machine.map(|(from, _)| from), ReturnState::ALL, "a state has no row");
    for (from, allowed) in machine {
        let found: Vec<_> = ReturnState::ALL.into_iter().filter(|next| from.may_become(*next)).collect();
        assert_eq!(found, allowed, "from {}", from.name());
    }
}
