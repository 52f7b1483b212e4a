//! What came to pass with orders, payments and returns.

use model::quote::Purpose;
use model::{Currency, OrderFact, OrderState, Quote};

use super::order;
use crate::customer::{Customer, Order, Return};
use crate::payment::Payment;

pub(super) fn apply_order(customer: &mut Customer, fact: &OrderFact) {
    match fact {
        OrderFact::DefaultsSet { defaults, .. } => customer.order_defaults = Some(defaults.clone()),
        OrderFact::HandedOut { order_id, at } => order(customer, order_id).handed_out_at = Some(*at),
        OrderFact::Changed { order_id, lines, address, .. } => {
            let order = order(customer, order_id);
            order.units = lines.iter().map(|line| line.quantity).sum();
            if let Some(action) = &mut order.action
                && address.is_some()
            {
                action.address.clone_from(address);
            }
        }
        OrderFact::Payment { order_id, step, amount, reference, .. } => {
            let order = order(customer, order_id);
            let currency = amount.map(|amount| amount.currency);
            payment(order, currency).step(*step, *amount, reference.as_deref());
        }
        OrderFact::ReturnAsked { request, day, at } => {
            let new = Return {
                request: (**request).clone(),
                asked_at: *at,
                day: *day,
                state: model::ReturnState::Requested,
                back: false,
                reason: None,
                moved_at: *at,
            };
            order(customer, &request.order_id).returns.insert(request.return_id.clone(), new);
        }
        OrderFact::ReturnMoved { order_id, return_id, state, reason, at } => {
            if let Some(known) = order(customer, order_id).returns.get_mut(return_id) {
                known.state = *state;
                known.back |= state.is_back();
                known.moved_at = *at;
                if reason.is_some() {
                    known.reason.clone_from(reason);
                }
            }
        }
    }
}

/// The order's payment, begun in a currency where none was known; no amounts are in one that nobody named.
fn payment(order: &mut Order, currency: Option<Currency>) -> &mut Payment {
    let none = Currency::new("XXX").expect("ISO 4217's code for no currency");
    order.payment.get_or_insert_with(|| Box::new(Payment::new(currency.unwrap_or(none))))
}

/// An order in one action is a draft until all that it needs is committed.
pub(super) fn begin_draft(customer: &mut Customer, quote: &Quote) {
    if let Purpose::OneAction(action) = &quote.purpose {
        let order = order(customer, &action.order_id);
        if order.placed_at.is_none() {
            order.state = OrderState::Draft;
            order.action = Some(action.clone());
        }
    }
}

/// Its quote ended before anything was placed.
pub(super) fn end_draft(customer: &mut Customer, quote_id: &str) {
    let purpose = customer.quotes.get(quote_id).map(|record| &record.quote.purpose);
    if let Some(Purpose::OneAction(action)) = purpose {
        let order_id = action.order_id.clone();
        let order = order(customer, &order_id);
        if order.state == OrderState::Draft {
            order.state = OrderState::Expired;
        }
    }
}
