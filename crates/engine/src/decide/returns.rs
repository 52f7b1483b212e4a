//! Returns, by the published policy: taken within so many days of the delivery, by a person's decision after.

use model::time::{days_between, zone_or_utc};
use model::{Fact, Money, OrderFact, OrderState, PaymentStep, ReturnRequest, ReturnState, Time, Wanted};

use super::Decision;
use super::orders::{standing, token_of};
use crate::customer::{Order, Return};
use crate::promising::AfterReturnDays;

impl Decision<'_> {
    pub(super) fn ask_return(&mut self, request: &ReturnRequest, at: Time) {
        let ReturnRequest { return_id, order_id, .. } = request;
        let customer = self.customer;
        let Some(order) = customer.orders.get(order_id) else {
            return self.ignore(format!("no order {order_id} is known"));
        };
        if let Some(known) = order.returns.get(return_id) {
            return self.ignore(format!("return {return_id} is {} already", known.state.name()));
        }
        if !order.has_left() {
            return self.ignore(format!("order {order_id} has not left and can be cancelled, not returned"));
        }
        if let Err(why) = self.can_come_back(order_id, order, &request.lines) {
            return self.ignore(why);
        }
        let day = self.day_of_return(order_id, order, at);
        self.order_fact(OrderFact::ReturnAsked { request: Box::new(request.clone()), day, at });
        let rules = &self.context.reference.promising.returns;
        let state = match rules.after {
            _ if day <= i64::from(rules.days) => ReturnState::Approved,
            AfterReturnDays::Discretion => ReturnState::Discretion,
            AfterReturnDays::Refuse => ReturnState::Refused,
        };
        let reason = (state != ReturnState::Approved).then(|| format!("day {day} of {}", rules.days));
        self.return_moves(order_id, return_id, state, reason, at);
        if state != ReturnState::Refused && order.state.may_become(OrderState::ReturnRequested) {
            self.order_moves(order_id, OrderState::ReturnRequested, at);
        }
    }

    /// Days since the delivery by the customer's calendar; 0 while it is under way.
    fn day_of_return(&self, order_id: &str, order: &Order, at: Time) -> i64 {
        let customer = self.customer;
        let promised = customer.promises_of(order_id).next().map(|(_, promise)| &promise.terms.time_zone);
        let stored = || customer.order_defaults.as_ref().and_then(|defaults| defaults.time_zone.as_ref());
        let zone = promised.or_else(stored).unwrap_or(&self.context.reference.promising.time_zone);
        order.delivered_at.map_or(0, |delivered| days_between(delivered, at, &zone_or_utc(zone)).max(0))
    }

    /// Whether that much was ordered and is not back yet, as far as the lines are known.
    fn can_come_back(&self, order_id: &str, order: &Order, lines: &[Wanted]) -> Result<(), String> {
        let Some(record) = standing(self.customer, order_id) else { return Ok(()) };
        for wanted in lines {
            let of_item = record.quote.lines.iter().filter(|line| line.product_id == wanted.item_id);
            let ordered: f64 = of_item.map(|line| line.quantity).sum();
            let others = order.returns.values().filter(|r| r.state.is_open() || r.back);
            let coming = others.flat_map(|known| &known.request.lines);
            let coming: f64 =
                coming.filter(|l| l.item_id == wanted.item_id).map(|l| l.quantity.as_f64()).sum();
            if wanted.quantity.as_f64() > ordered - coming {
                let left = (ordered - coming).max(0.0);
                return Err(format!("order {order_id} has {left} of {} to give back", wanted.item_id));
            }
        }
        let whole = order
            .returns
            .values()
            .any(|known| known.request.lines.is_empty() && (known.state.is_open() || known.back));
        match whole {
            true => Err(format!("all of order {order_id} is coming back already")),
            false => Ok(()),
        }
    }

    pub(super) fn decide_return(
        &mut self,
        order_id: &str,
        return_id: &str,
        accept: bool,
        reason: Option<String>,
    ) {
        let known = self.customer.orders.get(order_id).and_then(|order| order.returns.get(return_id));
        match known.map(|known| known.state) {
            None => self.ignore(format!("no return {return_id} of order {order_id} is known")),
            Some(ReturnState::Discretion) => {
                let state = if accept { ReturnState::Approved } else { ReturnState::Refused };
                self.move_return(order_id, Some(return_id), state, &[], reason, self.context.now);
            }
            Some(state) => {
                self.ignore(format!("return {return_id} is {} and waits for nobody", state.name()))
            }
        }
    }

    /// A return went a step further.
    pub(super) fn move_return(
        &mut self,
        order_id: &str,
        return_id: Option<&str>,
        state: ReturnState,
        lines: &[Wanted],
        reason: Option<String>,
        at: Time,
    ) {
        let customer = self.customer;
        let Some(order) = customer.orders.get(order_id) else {
            return self.ignore(format!("no order {order_id} is known"));
        };
        let mut open = order.returns.iter().filter(|(_, known)| known.state.is_open()).map(|(id, _)| id);
        let only = open.next().filter(|_| open.next().is_none());
        let unasked = format!("return:{order_id}");
        let return_id = return_id.or(only.map(String::as_str)).unwrap_or(&unasked);
        let known = order.returns.get(return_id);
        let request = match known {
            Some(known) if known.state.may_become(state) => known.request.clone(),
            Some(known) => {
                let from = known.state.name();
                let to = state.name();
                return self.ignore(format!("return {return_id} is {from} and cannot become {to}"));
            }
            // A parcel that nobody announced.
            None if state == ReturnState::Received && order.has_left() => {
                let request = ReturnRequest {
                    return_id: return_id.to_owned(),
                    order_id: order_id.to_owned(),
                    lines: lines.to_vec(),
                    reason: reason.clone(),
                };
                let day = self.day_of_return(order_id, order, at);
                self.order_fact(OrderFact::ReturnAsked { request: Box::new(request.clone()), day, at });
                request
            }
            None => return self.ignore(format!("no return {return_id} of order {order_id} is known")),
        };
        self.return_moves(order_id, return_id, state, reason, at);
        match state {
            ReturnState::Received => self.goods_are_back(order_id, order, &request, at),
            ReturnState::Refused => {
                let others = order.returns.iter().any(|(id, r)| id != return_id && r.state.is_open());
                if order.state == OrderState::ReturnRequested && !others && order.delivered_at.is_some() {
                    self.order_moves(order_id, OrderState::Delivered, at);
                }
            }
            // What becomes of the goods is said after the money went back.
            ReturnState::Restocked | ReturnState::WrittenOff
                if known.is_some_and(|known| known.state == ReturnState::Refunded) =>
            {
                self.return_moves(order_id, return_id, ReturnState::Refunded, None, at);
            }
            _ => {}
        }
    }

    fn goods_are_back(&mut self, order_id: &str, order: &Order, request: &ReturnRequest, at: Time) {
        let units = |lines: &[Wanted]| lines.iter().map(|line| line.quantity.as_f64()).sum::<f64>();
        let others = order.returns.iter().filter(|(id, known)| known.back && **id != request.return_id);
        let back: f64 =
            others.map(|(_, known)| units(&known.request.lines)).sum::<f64>() + units(&request.lines);
        let whole = request.lines.is_empty() || (order.units > 0.0 && back >= order.units - 1e-9);
        let next = if whole { OrderState::Returned } else { OrderState::PartiallyReturned };
        if order.state.may_become(next) {
            self.order_moves(order_id, next, at);
        }
        let Some(mut payment) = order.payment.as_deref().cloned().filter(|_| order.action.is_some()) else {
            return;
        };
        let worth = if whole { payment.owed } else { self.worth(order_id, request).min(payment.owed) };
        if worth <= 0 || !self.context.timeline.is_live() {
            return;
        }
        let owed = payment.money(payment.owed - worth);
        self.pay(order_id, &mut payment, PaymentStep::Owed, Some(owed));
        self.balance(order_id, &mut payment, true, token_of(order), "returned");
    }

    /// What the customer paid for it, by the prices of the order.
    fn worth(&self, order_id: &str, request: &ReturnRequest) -> i64 {
        let Some(record) = standing(self.customer, order_id) else { return 0 };
        let price = |wanted: &Wanted| -> Option<Money> {
            record.quote.lines.iter().find(|line| line.product_id == wanted.item_id)?.price
        };
        let each = request.lines.iter().filter_map(|wanted| {
            Some((price(wanted)?.minor as f64 * wanted.quantity.as_f64()).round() as i64)
        });
        each.fold(0, i64::saturating_add)
    }

    /// The money went back: returns whose goods are here are settled.
    pub(super) fn returns_refunded(&mut self, order_id: &str, at: Time) {
        let customer = self.customer;
        let Some(order) = customer.orders.get(order_id) else { return };
        let settled = |known: &Return| {
            matches!(known.state, ReturnState::Received | ReturnState::Restocked | ReturnState::WrittenOff)
        };
        for (return_id, _) in order.returns.iter().filter(|(_, known)| settled(known)) {
            self.return_moves(order_id, return_id, ReturnState::Refunded, None, at);
        }
    }

    fn return_moves(
        &mut self,
        order_id: &str,
        return_id: &str,
        state: ReturnState,
        reason: Option<String>,
        at: Time,
    ) {
        let (order_id, return_id) = (order_id.to_owned(), return_id.to_owned());
        self.order_fact(OrderFact::ReturnMoved { order_id, return_id, state, reason, at });
    }

    fn order_moves(&mut self, order_id: &str, state: OrderState, at: Time) {
        self.fact(Fact::OrderMoved { order_id: order_id.to_owned(), state, at });
    }
}
