//! What the payment system says. Each is told once by its state: a second word of the same changes nothing.

use model::{CancelledBy, EffectKind, Money, OrderFact, PaymentStep, Time};
use serde_json::json;

use super::Decision;
use super::orders::token_of;

impl Decision<'_> {
    pub(super) fn payment(
        &mut self,
        order_id: &str,
        step: PaymentStep,
        amount: Option<Money>,
        reference: Option<&str>,
        reason: Option<&str>,
        at: Time,
    ) {
        let customer = self.customer;
        let order = customer.orders.get(order_id);
        let known = order.and_then(|order| order.payment.as_deref());
        if let Some(known) = known {
            let again = match step {
                PaymentStep::Authorised => {
                    known.failed
                        || known.voided
                        || (reference.is_some()
                            && known.reference.as_deref() == reference
                            && amount.is_none())
                        || (known.authorised > 0 && known.authorised >= known.authorisation_asked)
                }
                PaymentStep::Voided => known.voided || known.captured > 0,
                PaymentStep::Failed => known.failed || known.voided || known.captured > 0,
                _ => false,
            };
            if again {
                let state = known.state().name();
                return self.ignore(format!("payment of order {order_id} is {state} already"));
            }
        }
        self.order_fact(OrderFact::Payment {
            order_id: order_id.to_owned(),
            step,
            amount,
            reference: reference.map(str::to_owned),
            at,
        });
        // Only what we run is ours to go on with.
        let (Some(order), Some(known)) = (order.filter(|order| order.action.is_some()), known) else {
            return;
        };
        if !self.context.timeline.is_live() {
            return;
        }
        let mut payment = known.clone();
        payment.step(step, amount, reference);
        match step {
            PaymentStep::Authorised => {
                let until = order.action.as_ref().map(|action| action.cancel_until);
                if order.handed_out_at.is_some() || order.cancelled.is_some() {
                    let handed_out = order.handed_out_at.is_some();
                    self.balance(order_id, &mut payment, handed_out, token_of(order), "payment_authorised");
                } else if until.is_some_and(|until| until <= self.context.now) && payment.is_covered() {
                    self.hand_out(order_id, order, Some(payment));
                }
            }
            PaymentStep::Failed if !order.has_left() && order.cancelled.is_none() => {
                let code = "payment_failed";
                let reason = reason.map_or_else(|| code.to_owned(), |why| format!("{code}: {why}"));
                let by = CancelledBy::Customer;
                if self.cancel_order(order_id, by, self.context.now, Some(reason), false)
                    && order.handed_out_at.is_some()
                {
                    let body = json!({ "order_id": order_id, "cancelled_by": by.name(), "reason": code });
                    self.request_for(EffectKind::OrderCancel, order_id, code, &body);
                }
            }
            _ => {}
        }
    }
}
