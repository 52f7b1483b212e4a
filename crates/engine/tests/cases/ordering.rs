//! The machines of orders, payments and returns, told by events alone.

use model::*;

use super::scenario::*;

#[test]
fn an_order_moves_as_the_design_says() {
    use OrderState::*;
    let all = OrderState::ALL;
    let check = |from: OrderState, to: &[OrderState]| {
        let may: Vec<_> = all.into_iter().filter(|next| from.may_become(*next)).collect();
        let mut to = to.to_vec();
        to.sort();
        let mut may_sorted = may.clone();
        may_sorted.sort();
        assert_eq!(may_sorted, to, "{from:?}");
    };
    let back = [Returned, ReturnRequested, PartiallyReturned];
    let with = |more: &[OrderState], rest: &[OrderState]| [more, rest].concat();
    check(
        Draft,
        &[Placed, Confirmed, Allocated, PartiallyFulfilled, Fulfilled, Delivered, Closed, Cancelled, Expired],
    );
    check(Placed, &[Confirmed, Allocated, PartiallyFulfilled, Fulfilled, Delivered, Closed, Cancelled]);
    check(PartiallyFulfilled, &with(&back, &[Fulfilled, Delivered, Closed, Cancelled]));
    check(Fulfilled, &with(&back, &[Delivered, Closed, Cancelled]));
    check(Delivered, &with(&back, &[Closed]));
    check(Closed, &back);
    check(ReturnRequested, &[PartiallyReturned, Returned, Delivered, Closed]);
    check(PartiallyReturned, &[ReturnRequested, Returned, Closed]);
    for end in [Cancelled, Returned, Expired] {
        check(end, &[]);
    }
    for state in ReturnState::ALL {
        assert_eq!(ReturnState::from_name(state.name()), Some(state));
        assert!(!state.may_become(state), "{state:?}");
    }
}

#[test]
fn a_return_goes_its_way_whatever_is_told_twice() {
    let o = r#""order_id":"o""#;
    let r = r#""order_id":"o","return_id":"r""#;
    check(
        [
            on("1", "order.placed", r#""order_id":"o","products":[{"sku":"a","quantity":2}]"#),
            on("2", "fulfillment.delivered", o),
            on("3", "order.return_requested", r#""order_id":"o","return_id":"r","products":[{"sku":"a"}]"#),
            on("3", "order.return_requested", r#""order_id":"o","return_id":"r","products":[{"sku":"a"}]"#),
            on("4", "return.in_transit", r),
            on("4", "return.in_transit", r),
            on("5", "return.received", o),
            on("5", "return.received", r),
            on("6", "return.written_off", r),
            on("7", "order.refunded", o),
        ],
        "order.placed fulfillment.moved order.moved order.return_requested return.approved order.moved ignored \
         return.in_transit ignored return.received order.moved ignored return.written_off order.refunded \
         return.refunded",
        "o partially_returned",
    );
    // Refused, the order is what it was; and a return of nothing that left is none.
    check(
        [
            on("1", "order.placed", o),
            on("1", "order.return_requested", r),
            on("2", "fulfillment.delivered", o),
            on("3", "order.return_requested", r),
            on("4", "return.refused", r),
            on("5", "return.in_transit", r),
        ],
        "order.placed ignored fulfillment.moved order.moved order.return_requested return.approved order.moved \
         return.refused order.moved ignored",
        "o delivered",
    );
    // A parcel that nobody announced, of all of it.
    check(
        [on("1", "order.placed", o), on("2", "fulfillment.shipped", o), on("3", "return.received", o)],
        "order.placed fulfillment.moved order.moved order.return_requested return.received order.moved",
        "o returned",
    );
}

#[test]
fn what_a_payment_system_says_of_others_orders_is_noted_and_nothing_more() {
    let o = r#""order_id":"o""#;
    check(
        [
            on("1", "order.placed", o),
            on("1", "payment.authorised", r#""order_id":"o","amount":"10","currency":"EUR""#),
            on("2", "payment.failed", o),
            on("2", "payment.failed", o),
            on("3", "payment.authorised", o),
        ],
        "order.placed payment.authorised payment.failed ignored ignored",
        "o placed",
    );
}
