//! Every name reads back, and every list of variants is whole.

use std::fmt::Debug;

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
    let comparators = [Comparator::AtMost, Comparator::AtLeast];
    check(examples::comparators(), &comparators, Comparator::name, Comparator::from_name);
}

#[test]
fn what_has_only_a_name_has_the_right_one() {
    for (name, state) in examples::order_states() {
        assert_eq!(state.name(), name);
        assert!(OrderState::ALL.contains(&state));
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
    }
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
    for (from, allowed) in [
        (Placed, &[Confirmed, Allocated, PartiallyFulfilled, Fulfilled, Delivered, Closed, Cancelled][..]),
        (Confirmed, &[Allocated, PartiallyFulfilled, Fulfilled, Delivered, Closed, Cancelled]),
        (Allocated, &[PartiallyFulfilled, Fulfilled, Delivered, Closed, Cancelled]),
        (PartiallyFulfilled, &[Fulfilled, Delivered, Closed, Cancelled, Returned]),
        (Fulfilled, &[Delivered, Closed, Cancelled, Returned]),
        (Delivered, &[Closed, Returned]),
        (Closed, &[Returned]),
        (Cancelled, &[]),
        (Returned, &[]),
    ] {
        let found: Vec<_> = OrderState::ALL.into_iter().filter(|next| from.may_become(*next)).collect();
        assert_eq!(found, allowed, "from {}", from.name());
    }
}
