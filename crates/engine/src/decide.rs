//! `decide`: what follows from an input, a timer, a mail or a command. It runs once, live.

mod connection;
mod orders;
mod payments;
mod promises;
mod quotes;
mod returns;
mod risk;

use model::promise::PromiseTerms;
use model::{
    BreakCause, CancelledBy, Command, Effect, EffectKind, EffectResult, EntityId, Fact, FulfillmentState,
    MailBody, OrderState, Outcome, PromiseStatus, RiskReason, Signal, SignalError, Time, TimelineId, TimerId,
    TimerPurpose,
};

pub use self::connection::Considered;
use crate::customer::{Customer, EffectState, QuoteRecord};
use crate::supply::{Ask, Owner, SupplyStimulus, decide_supply};
use crate::workspace::{Workspace, next_version};
use crate::{Entity, Reference};

/// What a decision may know besides the entity.
pub struct Context<'a> {
    /// The clock of the line of time that goes on.
    pub now: Time,
    pub timeline: TimelineId,
    pub reference: &'a Reference,
    /// Whether the workspace lets effects start.
    pub effects_on: bool,
}

/// What asks for a decision.
pub enum Stimulus<'a> {
    /// An input that says something to the domain; it happened at `at` by its own account.
    Signal {
        name: &'a str,
        signal: Result<&'a Signal, &'a SignalError>,
        at: Time,
        properties: Option<&'a str>,
        /// Who owns the order or promise that it is about, where the router knows.
        owner: Option<EntityId>,
    },
    Timer(TimerId),
    Mail(&'a MailBody),
    Command(&'a Command),
    /// The router found that this profile's person is another's, who stands for both.
    MergeInto(EntityId),
    /// The router found that this profile stands for itself.
    Part,
    /// May the requested effect start now?
    StartEffect(&'a str),
    /// An event of operations, to what it is about.
    Supply(SupplyStimulus<'a>),
    /// An event that says nothing to the domain, and to which a playbook listens.
    Heard {
        name: &'a str,
        properties: &'a str,
        at: Time,
    },
    /// A need is to be decided on, with what can be promised for it.
    Consider(&'a Considered<'a>),
}

/// Decides. The state is not changed: that is [`crate::evolve`]'s, by the outcomes returned.
pub fn decide(entity: &Entity, stimulus: &Stimulus<'_>, context: &Context<'_>) -> Vec<Outcome> {
    let mut decision = match entity {
        Entity::Item(item) => return decide_of_supply(Owner::Item(item), stimulus, context),
        Entity::Stock(stock) => return decide_of_supply(Owner::Stock(stock), stimulus, context),
        Entity::Resource(resource) => return decide_of_supply(Owner::Resource(resource), stimulus, context),
        Entity::Workspace(workspace) => {
            return match stimulus {
                Stimulus::Command(command) => decide_workspace(workspace, command, context.now),
                _ => Vec::new(),
            };
        }
        Entity::Customer(customer) => {
            let next_timer = customer.next_timer;
            Decision {
                customer,
                context,
                next_timer,
                told: None,
                placing: None,
                new_needs: 0,
                outcomes: Vec::new(),
            }
        }
    };
    if decision.customer.erased_at.is_some() {
        return Vec::new();
    }
    match stimulus {
        Stimulus::Signal { name, signal, at, properties, owner } => match (signal, owner) {
            (Err(why), _) => decision.ignore(format!("{name}: {why}")),
            (Ok(_), Some(owner)) if *owner != decision.customer.id => decision.forward(
                *owner,
                MailBody::SignalForwarded {
                    name: (*name).to_owned(),
                    properties: properties.unwrap_or("{}").to_owned(),
                    timestamp: *at,
                    timeline: context.timeline,
                    now: context.now,
                },
            ),
            // What a sender dates in the future happened when it came.
            (Ok(signal), _) => {
                decision.told = Some((name, properties.unwrap_or("{}")));
                decision.signal(signal, (*at).min(context.now));
                decision.heard((*at).min(context.now));
            }
        },
        Stimulus::Timer(id) => decision.timer(*id),
        Stimulus::Mail(MailBody::SignalForwarded { name, properties, timestamp, .. }) => {
            match Signal::parse(name, Some(properties)) {
                Some(Ok(signal)) => {
                    decision.told = Some((name, properties));
                    decision.signal(&signal, (*timestamp).min(context.now));
                    decision.heard((*timestamp).min(context.now));
                }
                Some(Err(why)) => decision.ignore(format!("{name}: {why}")),
                None => {
                    decision.told = Some((name, properties));
                    decision.heard((*timestamp).min(context.now));
                    if decision.outcomes.is_empty() {
                        decision.ignore(format!("{name}: not an event that moves anything"));
                    }
                }
            }
        }
        // Who stands for whom is `evolve`'s to note; nothing is decided by it.
        Stimulus::Mail(MailBody::ProfileJoined { .. }) => {}
        Stimulus::Mail(MailBody::Supply(mail)) => decision.supply_mail(mail),
        Stimulus::Supply(_) => {}
        Stimulus::Heard { name, properties, at } => {
            decision.told = Some((name, properties));
            decision.heard((*at).min(context.now));
        }
        Stimulus::Consider(considered) => decision.consider(considered),
        Stimulus::Command(command) => decision.command(command),
        Stimulus::MergeInto(into) => decision.merge_into(*into),
        Stimulus::Part => decision.part(),
        Stimulus::StartEffect(key) => decision.start_effect(key),
    }
    decision.outcomes
}

fn decide_of_supply(owner: Owner<'_>, stimulus: &Stimulus<'_>, context: &Context<'_>) -> Vec<Outcome> {
    let ask = match stimulus {
        Stimulus::Supply(event) => Ask::Event(event),
        Stimulus::Mail(MailBody::Supply(mail)) => Ask::Mail(mail),
        Stimulus::Command(command) => Ask::Command(command),
        Stimulus::Timer(id) => Ask::Timer(*id),
        _ => return Vec::new(),
    };
    decide_supply(owner, &ask, &context.reference.promising.classes, context.now)
}

struct Decision<'a> {
    customer: &'a Customer,
    context: &'a Context<'a>,
    next_timer: u64,
    /// Name and properties of the event that asks.
    told: Option<(&'a str, &'a str)>,
    /// The quote that is placed by what is being decided.
    placing: Option<QuoteRecord>,
    /// Needs that were noticed by what is being decided.
    new_needs: u64,
    outcomes: Vec<Outcome>,
}

impl Decision<'_> {
    fn fact(&mut self, fact: Fact) {
        self.outcomes.push(Outcome::Fact(fact));
    }

    fn ignore(&mut self, reason: String) {
        self.outcomes.push(Outcome::Ignored { reason });
    }

    fn forward(&mut self, to: EntityId, body: MailBody) {
        self.outcomes.push(Outcome::Mail { to, body });
    }

    fn set_timer(&mut self, due: Time, timeline: TimelineId, purpose: TimerPurpose) {
        let id = TimerId(self.next_timer);
        self.next_timer = self.next_timer.saturating_add(1);
        self.outcomes.push(Outcome::TimerSet { id, due, timeline, purpose });
    }

    fn clear_timers(&mut self, which: impl Fn(&TimerPurpose) -> bool) {
        let customer = self.customer;
        for (id, _) in customer.timers.iter().filter(|(_, timer)| which(&timer.purpose)) {
            let cleared = Outcome::TimerCleared { id: *id };
            if !self.outcomes.contains(&cleared) && !self.outcomes.contains(&Outcome::TimerFired { id: *id })
            {
                self.outcomes.push(cleared);
            }
        }
    }

    /// Asks for an effect, once per key. History that is imported is told to nobody.
    fn request(&mut self, kind: EffectKind, reason: &str, terms: &PromiseTerms, key: String) {
        if self.customer.effects.contains_key(&key) {
            return;
        }
        let effect = Effect {
            key,
            kind,
            promise_id: Some(terms.promise_id.clone()),
            order_id: terms.order_id.clone(),
            reason: reason.to_owned(),
            body: None,
        };
        self.outcomes.push(if self.context.timeline.is_live() {
            Outcome::EffectRequested(effect)
        } else {
            Outcome::EffectSuppressed { effect, reason: "import".to_owned() }
        });
    }

    fn signal(&mut self, signal: &Signal, at: Time) {
        match signal {
            Signal::OrderPlaced { order_id, region, total, lines, promise } => {
                let known = self.customer.orders.get(order_id);
                if known.is_some_and(|order| order.placed_at.is_some()) {
                    return self.ignore(format!("order {order_id} was placed before"));
                }
                self.fact(Fact::OrderPlaced {
                    order_id: order_id.clone(),
                    at,
                    region: region.clone(),
                    total: *total,
                    lines: lines.clone(),
                });
                self.order_answers(order_id, &items_of(lines), at);
                if let Some(terms) = promise {
                    self.make(terms, at, known);
                }
            }
            Signal::OrderMoved { order_id, state } => self.move_order(order_id, *state, at),
            Signal::OrderCancelled { order_id, by, reason, time_inferred } => {
                let order = self.customer.orders.get(order_id);
                if self.cancel_order(order_id, *by, at, reason.clone(), *time_inferred)
                    && let Some(order) = order.filter(|order| order.action.is_some())
                {
                    self.call_off_payment(order_id, order, "cancelled");
                }
            }
            Signal::OrderRefunded { order_id, amount } => {
                self.fact(Fact::OrderRefunded { order_id: order_id.clone(), at, amount: *amount });
                self.returns_refunded(order_id, at);
            }
            Signal::PaymentCaptured { order_id, amount, method, installments } => {
                self.fact(Fact::PaymentCaptured {
                    order_id: order_id.clone(),
                    at,
                    amount: *amount,
                    method: method.clone(),
                    installments: *installments,
                });
            }
            Signal::Fulfillment { order_id, state, fraction, damaged } => {
                self.fulfillment(order_id, *state, *fraction, *damaged, at);
            }
            Signal::PromiseInquired(terms) => match self.customer.promises.get(&terms.promise_id) {
                None => self.fact(Fact::PromiseInquired { terms: terms.clone(), at }),
                Some(_) => self.ignore(format!("promise {} is known already", terms.promise_id)),
            },
            Signal::PromiseQuoted { terms, expires_at } => self.quote(terms, *expires_at, at),
            Signal::PromiseMade(terms) => {
                let order = terms.order_id.as_ref().and_then(|id| self.customer.orders.get(id));
                self.make(terms, at, order);
            }
            Signal::PromiseScored { promise_id, probability_late, reason } => {
                self.score(promise_id, *probability_late, reason, at);
            }
            Signal::PromiseRevised { promise_id, due, time_zone, reason } => {
                self.revise(promise_id, due, time_zone.as_deref(), reason.clone(), at);
            }
            Signal::PromiseFulfilled { promise_id, actual } => match self.customer.promises.get(promise_id) {
                Some(promise) => self.evidence(promise, at, *actual),
                None => self.keep_for_later(promise_id, at),
            },
            Signal::PromiseWithdrawn { promise_id, by, reason } => {
                match self.customer.promises.get(promise_id) {
                    Some(promise) => self.withdraw(promise, *by, at, reason.clone()),
                    None => self.keep_for_later(promise_id, at),
                }
            }
            Signal::Reviewed { order_id, review_id, rating } => {
                let order = self.customer.orders.get(order_id);
                if order.is_some_and(|order| order.reviews.contains(review_id)) {
                    return self.ignore(format!("review {review_id} of order {order_id} was given before"));
                }
                self.fact(Fact::ReviewGiven {
                    order_id: order_id.clone(),
                    review_id: review_id.clone(),
                    at,
                    rating: *rating,
                });
            }
            Signal::Payment { order_id, step, amount, reference, reason } => {
                self.payment(order_id, *step, *amount, reference.as_deref(), reason.as_deref(), at);
            }
            Signal::Connection(signal) => self.connection_signal(signal, at),
            Signal::ReturnRequested(request) => self.ask_return(request, at),
            Signal::ReturnMoved { order_id, return_id, state, lines, reason } => {
                self.move_return(order_id, return_id.as_deref(), *state, lines, reason.clone(), at);
            }
        }
    }

    fn move_order(&mut self, order_id: &str, next: OrderState, at: Time) {
        let state = self.customer.orders.get(order_id).map_or(OrderState::Placed, |order| order.state);
        if state.may_become(next) {
            self.fact(Fact::OrderMoved { order_id: order_id.to_owned(), state: next, at });
            if matches!(next, OrderState::Closed | OrderState::Returned) {
                // What has not left by now will not leave.
                self.release_commitments(order_id);
            }
        } else {
            self.ignore(format!("order {order_id} is {} and cannot become {}", state.name(), next.name()));
        }
    }

    /// Whether the order ends by it.
    fn cancel_order(
        &mut self,
        order_id: &str,
        by: CancelledBy,
        at: Time,
        reason: Option<String>,
        inferred: bool,
    ) -> bool {
        let order = self.customer.orders.get(order_id);
        let state = order.map_or(OrderState::Placed, |order| order.state);
        let known = order.and_then(|order| order.cancelled);
        let delivered_at = order.and_then(|order| order.delivered_at);
        let before = |of: Option<Time>| of.is_some_and(|of| of <= at);
        if before(known.map(|(at, _)| at)) || before(delivered_at) {
            self.ignore(format!("order {order_id} is {} and cannot be cancelled", state.name()));
            return false;
        }
        // Where it was delivered, returned or cancelled since, and this is heard only now, the order stays as it is;
        // what was promised of it had ended.
        let stands = state.may_become(OrderState::Cancelled);
        self.fact(Fact::OrderCancelled {
            order_id: order_id.to_owned(),
            by,
            at,
            reason: reason.clone(),
            time_inferred: inferred,
            stands,
        });
        if stands {
            self.order_gone(order_id, cancelled(by), at);
            self.release_commitments(order_id);
        }
        // Nothing is handed out of what somebody called off, whether that was in time or not.
        self.clear_timers(|purpose| *purpose == TimerPurpose::OrderWindow(order_id.to_owned()));
        let customer = self.customer;
        for (_, promise) in customer.promises_of(order_id) {
            let status = promise.status;
            if status.is_open() || status.is_offer() || promise.may_have_ended(at) {
                self.withdraw(promise, by, at, reason.clone());
            }
        }
        stands
    }

    fn fulfillment(
        &mut self,
        order_id: &str,
        state: FulfillmentState,
        fraction: f64,
        damaged: bool,
        at: Time,
    ) {
        self.fact(Fact::FulfillmentMoved { order_id: order_id.to_owned(), state, at, fraction, damaged });
        if state.handed_over() {
            self.use_commitments(order_id, fraction, at);
        }
        let whole = fraction >= 1.0;
        if whole && state == FulfillmentState::Delivered {
            self.order_met(order_id, at);
        }
        let order_state = self.customer.orders.get(order_id).map_or(OrderState::Placed, |order| order.state);
        let next = match state {
            FulfillmentState::Processing => Some(OrderState::Allocated),
            FulfillmentState::Shipped | FulfillmentState::InTransit if whole => Some(OrderState::Fulfilled),
            FulfillmentState::Delivered if whole => Some(OrderState::Delivered),
            FulfillmentState::Shipped | FulfillmentState::InTransit | FulfillmentState::Delivered => {
                Some(OrderState::PartiallyFulfilled)
            }
            FulfillmentState::FailedAttempt | FulfillmentState::Undeliverable => None,
            FulfillmentState::ReturnedToSender => Some(OrderState::Returned),
        };
        if let Some(next) = next.filter(|next| order_state.may_become(*next)) {
            self.fact(Fact::OrderMoved { order_id: order_id.to_owned(), state: next, at });
        }
        let customer = self.customer;
        let moved = moved_order(customer.orders.get(order_id), state, fraction, at);
        let failed = state == FulfillmentState::FailedAttempt;
        for (promise_id, promise) in customer.promises_of(order_id) {
            if promise.terms.attribute != "delivery" {
                continue;
            }
            match state {
                FulfillmentState::Delivered if whole => self.evidence(promise, at, None),
                _ if self.score_again(promise_id, Some(&moved), failed) => {}
                FulfillmentState::FailedAttempt if promise.status == PromiseStatus::Made => {
                    self.at_risk(promise_id, promise, RiskReason::FailedAttempt, at);
                }
                // A failed attempt or a return shows that it left, and mends nothing.
                FulfillmentState::Shipped | FulfillmentState::InTransit | FulfillmentState::Delivered
                    if promise.status == PromiseStatus::AtRisk
                        && promise.risk == Some(RiskReason::NotHandedOver) =>
                {
                    self.fact(Fact::PromiseRecovered { promise_id: promise_id.clone(), at });
                }
                _ => {}
            }
            if state.handed_over() {
                self.clear_timers(|purpose| *purpose == TimerPurpose::HandOver(promise_id.clone()));
            }
        }
    }

    fn timer(&mut self, id: TimerId) {
        let Some(timer) = self.customer.timers.get(&id) else { return };
        self.outcomes.push(Outcome::TimerFired { id });
        let at = timer.due;
        let promise_id = match &timer.purpose {
            TimerPurpose::PromiseDeadline(id) | TimerPurpose::HandOver(id) | TimerPurpose::RiskCheck(id) => {
                id
            }
            TimerPurpose::QuoteExpiry(id) if self.customer.quotes.contains_key(id) => {
                return self.expire_quote(id);
            }
            TimerPurpose::QuoteExpiry(id) => id,
            TimerPurpose::OrderWindow(order_id) => return self.window_ends(order_id),
            TimerPurpose::ReceiptDue(_) | TimerPurpose::LotPerishes => return,
            purpose @ (TimerPurpose::ForecastDue { .. }
            | TimerPurpose::PurchaseDue(_)
            | TimerPurpose::NeedDue(_)
            | TimerPurpose::ActionDue(_)
            | TimerPurpose::MandateEnds(_)) => return self.connection_timer(purpose, at),
        };
        let Some(promise) = self.customer.promises.get(promise_id) else { return };
        match timer.purpose {
            TimerPurpose::PromiseDeadline(_) if promise.status.is_open() => {
                self.break_it(&promise.terms, at, BreakCause::Clock);
                self.clear_timers(|purpose| concerns(purpose, promise_id));
            }
            TimerPurpose::HandOver(_) | TimerPurpose::RiskCheck(_)
                if self.score_again(promise_id, None, false) => {}
            TimerPurpose::RiskCheck(_) if promise.status == PromiseStatus::Made => {
                let short = self.customer.plan_of(promise_id).and_then(risk::short_of);
                if let Some(why) = short {
                    self.at_risk(promise_id, promise, why, at);
                }
            }
            TimerPurpose::HandOver(_) if promise.status == PromiseStatus::Made => {
                self.at_risk(promise_id, promise, RiskReason::NotHandedOver, at);
            }
            TimerPurpose::QuoteExpiry(_) if promise.status == PromiseStatus::Quoted => {
                self.fact(Fact::PromiseExpired { promise_id: promise_id.clone(), at });
            }
            // It ended before its time came.
            _ => {}
        }
    }

    fn command(&mut self, command: &Command) {
        match command {
            Command::Erase => {
                self.release_everything();
                self.fact(Fact::ProfileErased { at: self.context.now });
            }
            Command::Quote(quote) => self.ask_quote(quote),
            Command::ConfirmQuote { quote_id, order_id } => self.confirm_quote(quote_id, order_id),
            Command::ReleaseQuote { quote_id } => self.release_quote(quote_id),
            Command::Supply(_) => self.ignore("a command for supply".to_owned()),
            Command::ApplyRemedy(remedy) => self.remedy_at_once(remedy),
            Command::Order(command) => self.order_command(command),
            Command::Connection(command) => self.connection_command(command),
            Command::SettleEffect { key, result } => match self.customer.effects.get(key) {
                Some(record) if matches!(record.state, EffectState::Started | EffectState::Unknown) => {
                    self.outcomes.push(Outcome::EffectSettled { key: key.clone(), result: result.clone() });
                    if matches!(result, EffectResult::Failed(_)) {
                        self.not_taken(&record.effect);
                    }
                }
                Some(record) => self.ignore(format!("effect is {} already", record.state.name())),
                None => self.ignore("no such effect was requested".to_owned()),
            },
            Command::MarkEffectUnknown { key } => {
                let state = self.customer.effects.get(key).map(|record| record.state);
                if state == Some(EffectState::Started) {
                    self.outcomes.push(Outcome::EffectUnknown { key: key.clone() });
                }
            }
            Command::PartIdentifiers { one, other } => {
                self.fact(Fact::IdentifiersParted {
                    one: one.clone(),
                    other: other.clone(),
                    at: self.context.now,
                });
            }
            Command::JoinIdentifiers { one, other } => {
                self.fact(Fact::IdentifiersJoined {
                    one: one.clone(),
                    other: other.clone(),
                    at: self.context.now,
                });
            }
            Command::CreateSource { .. }
            | Command::RevokeSource { .. }
            | Command::AllowSource { .. }
            | Command::SwitchEffects { .. }
            | Command::StartImport { .. }
            | Command::FinishImport { .. }
            | Command::ConnectWebhook { .. }
            | Command::DisconnectWebhook { .. }
            | Command::ConnectBroker { .. }
            | Command::DisconnectBroker { .. }
            | Command::ConnectOutlet { .. }
            | Command::DisconnectOutlet { .. }
            | Command::DisableOutlet { .. }
            | Command::PublishPlan { .. }
            | Command::PublishIdentityRules { .. }
            | Command::PlanCampaign(_)
            | Command::EndCampaign { .. }
            | Command::SetStaff(_)
            | Command::RemoveStaff { .. }
            | Command::NoteDeadLetterReplayed { .. } => {
                self.ignore("a command for the workspace".to_owned());
            }
        }
    }

    fn merge_into(&mut self, into: EntityId) {
        if self.customer.merged_into == Some(into) || into == self.customer.id {
            return;
        }
        self.fact(Fact::ProfileMerged { into, at: self.context.now });
        self.forward(into, MailBody::ProfileJoined { from: self.customer.id });
    }

    fn part(&mut self) {
        if let Some(from) = self.customer.merged_into {
            self.fact(Fact::ProfileParted { from, at: self.context.now });
        }
    }

    /// The last gate before anything leaves: asked of the owner, at the time of leaving.
    fn start_effect(&mut self, key: &str) {
        let Some(record) = self.customer.effects.get(key) else { return };
        if record.state != EffectState::Requested {
            return;
        }
        let customer = self.customer;
        if self.context.effects_on
            && let Some(effect) = customer.effects.get(key).map(|record| &record.effect)
        {
            let allowed = match effect.kind {
                EffectKind::MessageSend => match self.may_say(effect) {
                    // Later today.
                    None => return,
                    said => said,
                },
                _ => self.under_mandate(effect),
            };
            if let Some(Err(why)) = allowed {
                if effect.kind != EffectKind::MessageSend {
                    return self.not_under_mandate(effect, &why);
                }
                let effect = effect.clone();
                self.outcomes.push(Outcome::EffectSuppressed { effect, reason: why });
                return;
            }
        }
        self.outcomes.push(if self.context.effects_on {
            Outcome::EffectStarted { key: key.to_owned() }
        } else if record.effect.kind.is_binding() {
            // A notice is stale by the time it may be sent; an order is still an order.
            return;
        } else {
            Outcome::EffectSuppressed { effect: record.effect.clone(), reason: "effects_off".to_owned() }
        });
    }
}

/// When the clock breaks a promise: the last instant that keeps it must have passed.
fn passed(terms: &PromiseTerms) -> Time {
    terms.deadline().plus_micros(1)
}

fn concerns(purpose: &TimerPurpose, promise: &str) -> bool {
    match purpose {
        TimerPurpose::PromiseDeadline(id)
        | TimerPurpose::HandOver(id)
        | TimerPurpose::QuoteExpiry(id)
        | TimerPurpose::RiskCheck(id) => id == promise,
        TimerPurpose::ReceiptDue(_)
        | TimerPurpose::LotPerishes
        | TimerPurpose::OrderWindow(_)
        | TimerPurpose::ForecastDue { .. }
        | TimerPurpose::PurchaseDue(_)
        | TimerPurpose::NeedDue(_)
        | TimerPurpose::ActionDue(_)
        | TimerPurpose::MandateEnds(_) => false,
    }
}

fn cancelled(by: CancelledBy) -> &'static str {
    if by == CancelledBy::Customer { "customer" } else { "order_cancelled" }
}

/// The items of an order and how many of each.
fn items_of(lines: &[model::OrderLine]) -> Vec<(String, f64)> {
    lines.iter().map(|line| (line.product_id.clone(), line.quantity)).collect()
}

/// An order as a fulfillment that is told now will leave it.
fn moved_order(
    known: Option<&crate::Order>,
    state: FulfillmentState,
    fraction: f64,
    at: Time,
) -> crate::Order {
    let mut order = known.cloned().unwrap_or_default();
    order.reached(state, fraction, at);
    order
}

fn decide_workspace(workspace: &Workspace, command: &Command, now: Time) -> Vec<Outcome> {
    let fact = match command {
        Command::CreateSource { source, key_hash } => match workspace.sources.get(source) {
            Some(known) if known.revoked_at.is_none() => {
                return vec![Outcome::Ignored { reason: format!("source {source} has a key already") }];
            }
            _ => Fact::SourceCreated { source: source.clone(), key_hash: *key_hash, at: now },
        },
        Command::RevokeSource { source } => match workspace.sources.get(source) {
            Some(known) if known.revoked_at.is_none() => {
                Fact::SourceRevoked { source: source.clone(), at: now }
            }
            _ => return vec![Outcome::Ignored { reason: format!("no source {source} has a valid key") }],
        },
        Command::AllowSource { source, allowed } => match workspace.sources.get(source) {
            Some(known) if known.revoked_at.is_none() => {
                if known.allowed == *allowed {
                    return Vec::new();
                }
                Fact::SourceAllowed { source: source.clone(), allowed: *allowed, at: now }
            }
            _ => return vec![Outcome::Ignored { reason: format!("no source {source} has a valid key") }],
        },
        Command::ConnectWebhook { name, map, secret } => {
            Fact::WebhookConnected { name: name.clone(), map: map.clone(), secret: secret.clone(), at: now }
        }
        Command::DisconnectWebhook { name } => match workspace.webhooks.get(name) {
            Some(_) => Fact::WebhookDisconnected { name: name.clone(), at: now },
            None => return vec![Outcome::Ignored { reason: format!("no webhook {name} is connected") }],
        },
        Command::ConnectBroker { name, settings } => {
            Fact::BrokerConnected { name: name.clone(), settings: settings.clone(), at: now }
        }
        Command::DisconnectBroker { name } => match workspace.brokers.get(name) {
            Some(_) => Fact::BrokerDisconnected { name: name.clone(), at: now },
            None => return vec![Outcome::Ignored { reason: format!("no broker {name} is connected") }],
        },
        Command::ConnectOutlet { name, settings } => {
            Fact::OutletConnected { name: name.clone(), settings: settings.clone(), at: now }
        }
        Command::DisconnectOutlet { name } => match workspace.outlets.get(name) {
            Some(_) => Fact::OutletDisconnected { name: name.clone(), at: now },
            None => return vec![Outcome::Ignored { reason: format!("no system {name} is connected") }],
        },
        Command::DisableOutlet { name, reason } => match workspace.outlets.get(name) {
            Some(outlet) if outlet.disabled.is_none() => {
                Fact::OutletDisabled { name: name.clone(), reason: reason.clone(), at: now }
            }
            _ => return vec![Outcome::Ignored { reason: format!("no system {name} is told anything") }],
        },
        Command::PublishPlan { plan } => {
            Fact::PlanPublished { version: next_version(&workspace.plan), plan: plan.clone(), at: now }
        }
        Command::PublishIdentityRules { rules } => Fact::IdentityRulesPublished {
            version: next_version(&workspace.identity_rules),
            rules: rules.clone(),
            at: now,
        },
        Command::SwitchEffects { on, reason } => {
            Fact::EffectsSwitched { on: *on, at: now, reason: reason.clone() }
        }
        Command::StartImport { name } => {
            Fact::ImportStarted { timeline: workspace.timeline_of(name).0, name: name.clone(), at: now }
        }
        Command::FinishImport { name, events, bad_rows } => match workspace.imports.get(name) {
            Some(import) => Fact::ImportFinished {
                timeline: import.timeline.0,
                at: now,
                events: *events,
                bad_rows: *bad_rows,
            },
            None => return vec![Outcome::Ignored { reason: format!("no import {name} was started") }],
        },
        Command::NoteDeadLetterReplayed { seq } => Fact::DeadLetterReplayed { seq: *seq, at: now },
        Command::PlanCampaign(plan) => Fact::CampaignPlanned { plan: plan.clone(), at: now },
        Command::EndCampaign { campaign } => match workspace.campaigns.get(campaign) {
            Some(known) if known.ended_at.is_none() => {
                Fact::CampaignEnded { campaign: campaign.clone(), at: now }
            }
            _ => return vec![Outcome::Ignored { reason: format!("no campaign {campaign} is planned") }],
        },
        Command::SetStaff(account) => Fact::StaffSet { account: account.clone(), at: now },
        Command::RemoveStaff { name } => match workspace.staff.get(name) {
            Some(_) => Fact::StaffRemoved { name: name.clone(), at: now },
            None => return vec![Outcome::Ignored { reason: format!("nobody called {name} may sign in") }],
        },
        Command::Erase
        | Command::Quote(_)
        | Command::ConfirmQuote { .. }
        | Command::ReleaseQuote { .. }
        | Command::ApplyRemedy(_)
        | Command::Supply(_)
        | Command::Order(_)
        | Command::Connection(_)
        | Command::SettleEffect { .. }
        | Command::MarkEffectUnknown { .. }
        | Command::PartIdentifiers { .. }
        | Command::JoinIdentifiers { .. } => {
            return vec![Outcome::Ignored { reason: "a command for a customer".to_owned() }];
        }
    };
    vec![Outcome::Fact(fact)]
}
