//! Orders in one action, and what is done with orders until they leave: undone, changed, called off, handed out.
//!
//! ```text
//! asked ─► draft ─► placed ──────── cancel_until ────────► handed out, paid
//!             └ expired   └ undone: stock and payment free   └ cancelled or changed until it leaves
//! ```
//!
//! Whoever fulfils an order hears of it only once it cannot be undone any more and its payment is authorised.

use model::{
    CancelledBy, Effect, EffectKind, Fact, Money, OneAction, OrderChange, OrderCommand, OrderFact,
    OrderState, Outcome, PaymentStep, PromiseTerms, Quote, QuoteStage, Refusal, TimerPurpose,
};
use serde_json::{Value, json};

use super::Decision;
use crate::customer::{Order, QuoteRecord};
use crate::payment::Payment;

impl Decision<'_> {
    pub(super) fn order_fact(&mut self, fact: OrderFact) {
        self.fact(Fact::Order(fact));
    }

    pub(super) fn order_command(&mut self, command: &OrderCommand) {
        let at = self.context.now;
        match command {
            OrderCommand::SetDefaults(defaults) => {
                self.order_fact(OrderFact::DefaultsSet { defaults: defaults.clone(), at });
            }
            OrderCommand::Cancel { order_id, by, reason } => self.cancel(order_id, *by, reason.clone()),
            OrderCommand::Undo { order_id } => self.undo(order_id),
            OrderCommand::Return(request) => self.ask_return(request, at),
            OrderCommand::DecideReturn { order_id, return_id, accept, reason } => {
                self.decide_return(order_id, return_id, *accept, reason.clone());
            }
        }
    }

    /// Asks whoever fulfils or pays orders for something. The number in the key keeps an order's effects in the order
    /// in which they were decided.
    pub(super) fn request_for(&mut self, kind: EffectKind, order_id: &str, reason: &str, body: &Value) {
        let customer = self.customer;
        let prefix = format!("{}/order/{order_id}/", customer.id);
        let known = customer.effects.range(prefix.clone()..).take_while(|(key, _)| key.starts_with(&prefix));
        let new = self.outcomes.iter().filter(|outcome| match outcome {
            Outcome::EffectRequested(effect) | Outcome::EffectSuppressed { effect, .. } => {
                effect.key.starts_with(&prefix)
            }
            _ => false,
        });
        let number = known.count() + new.count() + 1;
        let effect = Effect {
            key: format!("{prefix}{number:04}/{}", kind.name().replace('.', "-")),
            kind,
            promise_id: None,
            order_id: Some(order_id.to_owned()),
            reason: reason.to_owned(),
            body: Some(body.to_string()),
        };
        self.outcomes.push(if self.context.timeline.is_live() {
            Outcome::EffectRequested(effect)
        } else {
            Outcome::EffectSuppressed { effect, reason: "import".to_owned() }
        });
    }

    /// Everything that an order in one action needs is committed.
    pub(super) fn action_placed(&mut self, action: &OneAction, quote: &Quote) {
        let order_id = &action.order_id;
        self.set_timer(
            action.cancel_until,
            self.context.timeline,
            TimerPurpose::OrderWindow(order_id.clone()),
        );
        if let (Some(_), Some(total)) = (&action.payment_token, quote.total) {
            let mut payment = Payment::new(total.currency);
            self.pay(order_id, &mut payment, PaymentStep::Owed, Some(total));
            let token = action.payment_token.as_deref();
            self.balance(order_id, &mut payment, false, token, "order_placed");
        }
    }

    /// A step of the payment: as a fact, and counted in what is decided next.
    pub(super) fn pay(
        &mut self,
        order_id: &str,
        payment: &mut Payment,
        step: PaymentStep,
        amount: Option<Money>,
    ) {
        payment.step(step, amount, None);
        let (order_id, at) = (order_id.to_owned(), self.context.now);
        self.order_fact(OrderFact::Payment { order_id, step, amount, reference: None, at });
    }

    /// Asks the payment system for what brings the payment to what is owed.
    pub(super) fn balance(
        &mut self,
        order_id: &str,
        payment: &mut Payment,
        handed_out: bool,
        token: Option<&str>,
        reason: &str,
    ) {
        let taken = payment.capture_asked.max(payment.captured);
        let (step, kind, minor) = if payment.owed == 0 && taken == 0 {
            if payment.authorisation_asked == 0 || payment.is_over() {
                return;
            }
            (PaymentStep::VoidAsked, EffectKind::PaymentVoid, payment.authorisation_asked)
        } else if taken - payment.refund_asked > payment.owed {
            let back = taken - payment.refund_asked - payment.owed;
            (PaymentStep::RefundAsked, EffectKind::PaymentRefund, back)
        } else if payment.is_over() {
            return;
        } else if payment.owed > payment.authorisation_asked {
            let more = payment.owed - payment.authorisation_asked;
            (PaymentStep::AuthorisationAsked, EffectKind::PaymentAuthorise, more)
        } else if handed_out && payment.is_covered() && payment.owed > payment.capture_asked {
            (PaymentStep::CaptureAsked, EffectKind::PaymentCapture, payment.owed - payment.capture_asked)
        } else {
            return;
        };
        let amount = payment.money(minor);
        self.pay(order_id, payment, step, Some(amount));
        let body = json!({
            "order_id": order_id,
            "amount": amount.decimal(),
            "currency": amount.currency.code(),
            "payment_token": token,
            "reference": payment.reference,
        });
        self.request_for(kind, order_id, reason, &body);
    }

    /// The time in which it could be undone is over.
    pub(super) fn window_ends(&mut self, order_id: &str) {
        let customer = self.customer;
        let Some(order) = customer.orders.get(order_id) else { return };
        let payment = order.payment.as_deref().cloned();
        // An authorisation that is still to come hands it out when it comes.
        if order.cancelled.is_none() && payment.as_ref().is_none_or(Payment::is_covered) {
            self.hand_out(order_id, order, payment);
        }
    }

    /// Tells whoever fulfils it, and takes the money.
    pub(super) fn hand_out(&mut self, order_id: &str, order: &Order, payment: Option<Payment>) {
        if order.handed_out_at.is_some() {
            return;
        }
        self.order_fact(OrderFact::HandedOut { order_id: order_id.to_owned(), at: self.context.now });
        self.clear_timers(|purpose| *purpose == TimerPurpose::OrderWindow(order_id.to_owned()));
        let record = standing(self.customer, order_id);
        let body = self.order_body(order_id, order, record.map(|record| &record.quote), None);
        self.request_for(EffectKind::OrderPlace, order_id, "order_placed", &body);
        if let Some(mut payment) = payment {
            let token = token_of(order);
            self.balance(order_id, &mut payment, true, token, "order_handed_out");
        }
    }

    /// The order as whoever fulfils it needs it.
    fn order_body(
        &self,
        order_id: &str,
        order: &Order,
        quote: Option<&Quote>,
        address: Option<&String>,
    ) -> Value {
        let of = |money: Option<Money>| {
            money.map(|money| json!({ "amount": money.decimal(), "currency": money.currency.code() }))
        };
        let action = order.action.as_ref();
        let address = address.or(action.and_then(|action| action.address.as_ref()));
        let line = |line: &model::OrderLine| {
            json!({
                "item_id": line.product_id, "quantity": line.quantity, "price": of(line.price),
                "exchange": line.exchange.name(),
            })
        };
        let parcel = |parcel: &model::Parcel| {
            let lines = parcel.lines.iter();
            let lines: Vec<Value> =
                lines.map(|(item, quantity)| json!({ "item_id": item, "quantity": quantity })).collect();
            json!({
                "place": parcel.place, "service": parcel.service, "lines": lines,
                "hand_over_by": parcel.hand_over_by.to_string(), "due": parcel.due_at.to_string(),
            })
        };
        let promise = self.customer.promises_of(order_id).next().map(|(_, promise)| &promise.terms);
        let promise = promise.or(quote.map(|quote| &quote.terms)).map(|terms| {
            let due = quote.map_or(terms.due_at, |quote| quote.terms.due_at);
            json!({ "promise_id": terms.promise_id, "due": due.to_string(), "time_zone": terms.time_zone })
        });
        json!({
            "order_id": order_id,
            "customer": { "user_id": self.customer.profile.user_ids.first() },
            "placed_at": order.placed_at.map(|at| at.to_string()),
            "to": quote.and_then(|quote| quote.region.as_deref()),
            "address": address.map(|text| serde_json::from_str(text).unwrap_or_else(|_| json!(text))),
            "lines": quote.map(|quote| quote.lines.iter().map(line).collect::<Vec<_>>()),
            "total": quote.and_then(|quote| of(quote.total)),
            "promise": promise,
            "parcels": quote.map(|quote| quote.parcels.iter().map(parcel).collect::<Vec<_>>()),
        })
    }

    fn undo(&mut self, order_id: &str) {
        let customer = self.customer;
        let Some(order) = customer.orders.get(order_id) else {
            return self.ignore(format!("no order {order_id} is known"));
        };
        let until = order.action.as_ref().map(|action| action.cancel_until);
        if order.handed_out_at.is_some() || until.is_none_or(|until| until <= self.context.now) {
            return self.ignore(format!("order {order_id} cannot be undone any more"));
        }
        self.cancel(order_id, CancelledBy::Customer, Some("undone".to_owned()));
    }

    fn cancel(&mut self, order_id: &str, by: CancelledBy, reason: Option<String>) {
        let customer = self.customer;
        let Some(order) = customer.orders.get(order_id) else {
            return self.ignore(format!("no order {order_id} is known"));
        };
        if order.has_left() {
            return self.ignore(format!("order {order_id} has left and can be returned, not cancelled"));
        }
        match order.state {
            OrderState::Draft => {
                return self.ignore(format!("order {order_id} is being placed; ask again in a moment"));
            }
            OrderState::Expired => return self.ignore(format!("order {order_id} was never placed")),
            _ => {}
        }
        let code = reason.clone().unwrap_or_else(|| "cancelled".to_owned());
        if !self.cancel_order(order_id, by, self.context.now, reason, false) {
            return;
        }
        // An order that we placed and have told nobody of is nobody's business.
        if order.action.is_none() || order.handed_out_at.is_some() {
            let body = json!({ "order_id": order_id, "cancelled_by": by.name(), "reason": code });
            self.request_for(EffectKind::OrderCancel, order_id, &code, &body);
        }
        self.call_off_payment(order_id, order, &code);
    }

    /// Nothing is owed for it any more.
    pub(super) fn call_off_payment(&mut self, order_id: &str, order: &Order, reason: &str) {
        let Some(mut payment) = order.payment.as_deref().cloned().filter(|p| p.authorisation_asked > 0)
        else {
            return;
        };
        let nothing = payment.money(0);
        self.pay(order_id, &mut payment, PaymentStep::Owed, Some(nothing));
        let handed_out = order.handed_out_at.is_some();
        self.balance(order_id, &mut payment, handed_out, token_of(order), reason);
    }

    /// What stands in the place of an order is committed: what was before is let go, the promise is revised.
    pub(super) fn changed(&mut self, change: &OrderChange, quote: &Quote) {
        let customer = self.customer;
        let order_id = &change.order_id;
        let Some(order) = customer.orders.get(order_id) else { return };
        self.let_go_of_earlier(&quote.quote_id, order_id);
        self.order_fact(OrderFact::Changed {
            order_id: order_id.clone(),
            region: quote.region.clone(),
            total: quote.total,
            lines: quote.lines.clone(),
            address: change.address.clone(),
            at: self.context.now,
        });
        let due = quote.terms.due_at;
        if customer.promises.get(&change.promise_id).is_some_and(|promise| promise.terms.due_at != due) {
            let reason = Some("order_changed".to_owned());
            self.revise(&change.promise_id, &due.to_string(), None, reason, self.context.now);
        }
        if order.action.is_none() || order.handed_out_at.is_some() {
            let body = self.order_body(order_id, order, Some(quote), change.address.as_ref());
            self.request_for(EffectKind::OrderChange, order_id, "order_changed", &body);
        }
        if let (Some(payment), Some(total)) = (&order.payment, quote.total)
            && payment.currency == total.currency
            && payment.owed != total.minor
        {
            let mut payment = (**payment).clone();
            self.pay(order_id, &mut payment, PaymentStep::Owed, Some(total));
            let handed_out = order.handed_out_at.is_some();
            self.balance(order_id, &mut payment, handed_out, token_of(order), "order_changed");
        }
    }

    /// The placed quotes of an order that this one stands in for.
    pub(super) fn let_go_of_earlier(&mut self, quote_id: &str, order_id: &str) {
        let customer = self.customer;
        for (id, record) in &customer.quotes {
            let of_order = record.order_id.as_deref() == Some(order_id);
            if record.stage == QuoteStage::Placed && of_order && id != quote_id {
                self.release(record);
                self.move_quote(id, QuoteStage::Released, Some(Refusal::Withdrawn));
            }
        }
    }

    /// Whether an order can still become another.
    pub(super) fn is_changeable(&self, order_id: &str) -> bool {
        let order = self.customer.orders.get(order_id);
        order.is_some_and(|order| !order.has_left() && order.cancelled.is_none())
    }

    /// The receiver refused something for good, or for too long: operations must know of it.
    pub(super) fn not_taken(&mut self, effect: &Effect) {
        let Some(order_id) = effect.order_id.as_deref().filter(|_| effect.kind.is_binding()) else { return };
        let customer = self.customer;
        let terms: Option<&PromiseTerms> =
            customer.promises_of(order_id).next().map(|(_, promise)| &promise.terms);
        let key = format!("{}/not_taken", effect.key);
        let alert = Effect {
            key,
            kind: EffectKind::OperationsAlert,
            promise_id: terms.map(|terms| terms.promise_id.clone()),
            order_id: Some(order_id.to_owned()),
            reason: format!("not_taken:{}", effect.kind.name()),
            body: None,
        };
        self.outcomes.push(Outcome::EffectRequested(alert));
    }
}

/// By which the payment system knows how an order is paid.
pub(super) fn token_of(order: &Order) -> Option<&str> {
    order.action.as_ref().and_then(|action| action.payment_token.as_deref())
}

/// The quote that an order stands on now.
pub(super) fn standing<'a>(customer: &'a crate::Customer, order_id: &str) -> Option<&'a QuoteRecord> {
    let of_order = |record: &&QuoteRecord| record.order_id.as_deref() == Some(order_id);
    customer.quotes.values().filter(of_order).find(|record| record.stage == QuoteStage::Placed)
}
