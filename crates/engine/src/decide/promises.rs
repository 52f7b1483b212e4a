//! What becomes of promises.
//!
//! What counts is when things happened, not when they were heard of: of what fulfils, withdraws and revises a promise
//! the earliest that still bound it decides, in whatever order it comes. A signal that cannot count yet, because the
//! promise is unknown or its deadline was over by then, is kept and told again when a promise is made or revised.

use model::promise::PromiseTerms;
use model::{
    BreakCause, CancelledBy, EffectKind, Fact, MailBody, PromiseStatus, RiskReason, Time, TimerPurpose,
    time::last_instant_of,
};

use super::risk::Risky;
use super::{Decision, concerns, passed};
use crate::customer::{Order, Promise};

/// Signals kept of one promise, and promises that signals are kept of.
const EARLY_MAX: usize = 16;
const EARLY_PROMISES_MAX: usize = 256;

impl Decision<'_> {
    /// Keeps the signal that is being decided until more is known of what it is about.
    pub(super) fn keep_for_later(&mut self, about: &str, at: Time) {
        let early = &self.customer.early;
        let room = match early.get(about) {
            Some(kept) => kept.len() < EARLY_MAX,
            None => early.len() < EARLY_PROMISES_MAX,
        };
        let again = |(name, properties): (&str, &str)| {
            let mut kept = early.get(about).into_iter().flatten();
            kept.any(|known| known.at == at && known.name == name && known.properties == properties)
        };
        if self.told.is_some_and(again) {
            return self.ignore(format!("the same was kept about promise {about} before"));
        }
        match self.told {
            Some((name, properties)) if room => self.fact(Fact::SignalKept {
                about: about.to_owned(),
                name: name.to_owned(),
                properties: properties.to_owned(),
                at,
            }),
            _ => self.ignore(format!("no promise {about} is known, and no more is kept about it")),
        }
    }

    /// Tells again what was kept: more is known now.
    fn tell_again(&mut self, about: &str) {
        let customer = self.customer;
        let mut kept: Vec<_> = customer.early.get(about).into_iter().flatten().collect();
        kept.sort_by_key(|signal| signal.at);
        for signal in kept {
            let body = MailBody::SignalForwarded {
                name: signal.name.clone(),
                properties: signal.properties.clone(),
                timestamp: signal.at,
                timeline: self.context.timeline,
                now: self.context.now,
            };
            self.forward(customer.id, body);
        }
    }

    /// Makes a promise, and judges it at once by what is known of its order already.
    pub(super) fn make(&mut self, terms: &PromiseTerms, at: Time, order: Option<&Order>) {
        let id = &terms.promise_id;
        let known = self.customer.promises.get(id);
        if known.is_some_and(|promise| !promise.status.is_offer()) {
            return self.ignore(format!("promise {id} was made before"));
        }
        self.clear_timers(|purpose| *purpose == TimerPurpose::QuoteExpiry(id.clone()));
        self.fact(Fact::PromiseMade { terms: terms.clone(), at });
        self.judge_by_order(terms, at, order);
        self.tell_again(id);
    }

    /// What is known of its order may have ended a promise before it is heard of.
    fn judge_by_order(&mut self, terms: &PromiseTerms, at: Time, order: Option<&Order>) {
        let delivered_at =
            order.and_then(|order| order.delivered_at).filter(|_| terms.attribute == "delivery");
        let cancelled = order.and_then(|order| order.cancelled);
        if let Some((cancelled_at, by)) = cancelled
            && cancelled_at <= terms.deadline()
            && delivered_at.is_none_or(|delivered_at| cancelled_at < delivered_at)
        {
            return self.end(terms, by, cancelled_at.max(at), None);
        }
        if let Some(fulfilled_at) = delivered_at {
            return self.judge_new(terms, fulfilled_at);
        }
        self.watch_deadline(terms);
        let shipped = order.is_some_and(|order| order.shipped_at.is_some());
        if let Some(hand_over_by) = terms.hand_over_by
            && !shipped
            && hand_over_by < terms.deadline()
        {
            let purpose = TimerPurpose::HandOver(terms.promise_id.clone());
            self.set_timer(hand_over_by.plus_micros(1), self.context.timeline, purpose);
        }
        self.watch_risk(terms, order);
    }

    fn watch_deadline(&mut self, terms: &PromiseTerms) {
        self.set_timer(
            passed(terms),
            self.context.timeline,
            TimerPurpose::PromiseDeadline(terms.promise_id.clone()),
        );
    }

    fn judge_new(&mut self, terms: &PromiseTerms, fulfilled_at: Time) {
        let promise_id = terms.promise_id.clone();
        if fulfilled_at <= terms.deadline() {
            self.fact(Fact::PromiseKept { promise_id, at: fulfilled_at, actual: None });
        } else {
            self.break_it(terms, passed(terms), BreakCause::Clock);
            self.fact(Fact::PromiseFulfilledLate { promise_id, at: fulfilled_at, actual: None });
        }
    }

    pub(super) fn quote(&mut self, terms: &PromiseTerms, expires_at: Time, at: Time) {
        let id = &terms.promise_id;
        let known = self.customer.promises.get(id);
        if known.is_some_and(|promise| !promise.status.is_offer()) {
            return self.ignore(format!("promise {id} was made before and cannot be quoted"));
        }
        self.clear_timers(|purpose| *purpose == TimerPurpose::QuoteExpiry(id.clone()));
        self.fact(Fact::PromiseQuoted { terms: terms.clone(), at, expires_at });
        let purpose = TimerPurpose::QuoteExpiry(id.clone());
        self.set_timer(expires_at, self.context.timeline, purpose);
    }

    pub(super) fn score(&mut self, promise_id: &str, probability_late: f64, reason: &str, at: Time) {
        let Some(promise) = self.customer.promises.get(promise_id) else {
            return self.ignore(format!("no promise {promise_id} is known"));
        };
        let late = probability_late > self.context.reference.at_risk_threshold;
        match promise.status {
            PromiseStatus::Made if late => {
                let why = RiskReason::Scored { probability_late, reason: reason.to_owned() };
                self.at_risk(promise_id, promise, why, at);
            }
            PromiseStatus::AtRisk if !late => {
                self.fact(Fact::PromiseRecovered { promise_id: promise_id.to_owned(), at });
                self.judge_revised(promise, &promise.terms);
            }
            PromiseStatus::Made | PromiseStatus::AtRisk => {}
            ended => self.ignore(format!("promise {promise_id} is {} and takes no score", ended.name())),
        }
    }

    pub(super) fn at_risk(&mut self, promise_id: &str, promise: &Promise, why: RiskReason, at: Time) {
        self.come_at_risk(promise_id, promise.times_at_risk, &promise.terms, why, at);
    }

    pub(super) fn come_at_risk(
        &mut self,
        promise_id: &str,
        times: u32,
        terms: &PromiseTerms,
        why: RiskReason,
        at: Time,
    ) {
        let reason = format!("promise_at_risk:{}", why.name());
        self.clear_timers(|purpose| *purpose == TimerPurpose::RiskCheck(promise_id.to_owned()));
        self.fact(Fact::PromiseAtRisk { promise_id: promise_id.to_owned(), at, why });
        let key = format!("{}/{promise_id}/at_risk/{}", self.customer.id, times.saturating_add(1));
        self.request(EffectKind::OperationsAlert, &reason, terms, key);
    }

    pub(super) fn revise(
        &mut self,
        promise_id: &str,
        due: &str,
        time_zone: Option<&str>,
        reason: Option<String>,
        at: Time,
    ) {
        let Some(promise) = self.customer.promises.get(promise_id) else {
            return self.keep_for_later(promise_id, at);
        };
        if !promise.status.is_open() && !promise.bound_at(at) {
            let status = promise.status.name();
            return self.ignore(format!("promise {promise_id} is {status} and cannot be revised"));
        }
        if promise.revised_at.is_some_and(|known| at <= known) {
            return self.ignore(format!("promise {promise_id}: a later revision is known"));
        }
        if at > promise.terms.deadline() {
            // It was over by then, unless a revision that is still to come had moved the deadline before.
            return self.keep_for_later(promise_id, at);
        }
        let zone = time_zone.unwrap_or(&promise.terms.time_zone);
        let due_at = match last_instant_of(due, zone) {
            Ok(due_at) => due_at,
            Err(why) => return self.ignore(format!("promise {promise_id}: {why}")),
        };
        let version = promise.version.saturating_add(1);
        self.fact(Fact::PromiseRevised { promise_id: promise_id.to_owned(), at, version, due_at, reason });
        self.clear_timers(|purpose| *purpose == TimerPurpose::PromiseDeadline(promise_id.to_owned()));
        let terms = PromiseTerms { due_at, ..promise.terms.clone() };
        if promise.status.is_open() && self.cancellation_of(&terms).is_none() {
            self.watch_deadline(&terms);
            let key = format!("{}/{promise_id}/revised/{version}", self.customer.id);
            self.request(EffectKind::CustomerNotify, "promise_revised", &terms, key);
            self.judge_revised(promise, &terms);
        } else {
            self.clear_timers(|purpose| concerns(purpose, promise_id));
            self.judge_again(promise, &terms);
        }
        self.tell_again(promise_id);
    }

    /// It was made anew by its revision, or nobody says any more that it is at risk: it may be by its plan.
    fn judge_revised(&mut self, promise: &Promise, terms: &PromiseTerms) {
        let customer = self.customer;
        let placing = self.placing.clone();
        let record = placing.as_ref().or_else(|| customer.plan_of(&terms.promise_id));
        let Some(record) = record else { return };
        let order = terms.order_id.as_ref().and_then(|id| customer.orders.get(id));
        let (timeline, status) = (self.context.timeline, PromiseStatus::Made);
        let risky = Risky { status, risk: None, terms, timeline, ..Risky::of(promise, record, order) };
        self.judge(&risky);
    }

    /// A promise had ended, and what it promised turns out to have been something else by then.
    fn judge_again(&mut self, promise: &Promise, terms: &PromiseTerms) {
        let promise_id = terms.promise_id.clone();
        let actual = promise.actual;
        let taken_back =
            [promise.ended, self.cancellation_of(terms)].into_iter().flatten().min_by_key(|(at, _)| *at);
        // Late and short of its number is no fulfillment of another date either.
        let reached = |actual: f64| terms.target.as_ref().is_none_or(|target| target.is_met_by(actual));
        let fulfilled_at = promise.fulfilled_at.filter(|_| actual.is_none_or(reached));
        match (taken_back, fulfilled_at) {
            (Some((ended_at, by)), fulfilled_at)
                if ended_at <= terms.deadline() && fulfilled_at.is_none_or(|at| ended_at < at) =>
            {
                self.end(terms, by, ended_at, None);
            }
            (_, Some(at)) if at > terms.deadline() => {
                self.break_it(terms, passed(terms), BreakCause::Clock);
                self.fact(Fact::PromiseFulfilledLate { promise_id, at, actual });
            }
            (_, Some(at)) if promise.status == PromiseStatus::Kept => {
                self.fact(Fact::PromiseKept { promise_id, at, actual });
            }
            (_, Some(fulfilled_at)) => self.correct(promise_id, fulfilled_at, actual),
            (_, None) => {
                self.watch_deadline(terms);
                self.judge_revised(promise, terms);
            }
        }
    }

    fn cancellation_of(&self, terms: &PromiseTerms) -> Option<(Time, CancelledBy)> {
        self.customer.orders.get(terms.order_id.as_ref()?)?.cancelled
    }

    fn correct(&mut self, promise_id: String, fulfilled_at: Time, actual: Option<f64>) {
        self.fact(Fact::PromiseCorrected { promise_id, at: self.context.now, fulfilled_at, actual });
    }

    /// What was promised came to pass at `at`.
    pub(super) fn evidence(&mut self, promise: &Promise, at: Time, actual: Option<f64>) {
        let promise_id = promise.terms.promise_id.clone();
        let in_target = match (&promise.terms.target, actual) {
            (Some(target), Some(actual)) => target.is_met_by(actual),
            (Some(_), None) | (None, _) => true,
        };
        let in_time = at <= promise.terms.deadline();
        let earlier = promise.fulfilled_at.is_none_or(|known| at < known);
        match promise.status {
            // Short of its number: it may still come right before the deadline, and the clock decides.
            PromiseStatus::Made | PromiseStatus::AtRisk if in_time && !in_target => {
                self.ignore(format!("promise {promise_id}: not yet what was promised"));
            }
            PromiseStatus::Made | PromiseStatus::AtRisk if in_time => {
                self.fact(Fact::PromiseKept { promise_id: promise_id.clone(), at, actual });
                self.clear_timers(|purpose| concerns(purpose, &promise_id));
            }
            // Its own line of time has ended, and it comes to pass on another, too late.
            PromiseStatus::Made | PromiseStatus::AtRisk => {
                self.break_it(&promise.terms, passed(&promise.terms), BreakCause::Clock);
                self.fact(Fact::PromiseFulfilledLate { promise_id: promise_id.clone(), at, actual });
                self.clear_timers(|purpose| concerns(purpose, &promise_id));
            }
            // It had come to pass before anybody took it back, or before the clock broke it.
            PromiseStatus::Broken | PromiseStatus::Withdrawn
                if in_time && in_target && promise.ended_after(at) =>
            {
                self.correct(promise_id, at, actual);
            }
            PromiseStatus::Broken if earlier => {
                self.fact(Fact::PromiseFulfilledLate { promise_id, at, actual });
            }
            PromiseStatus::Kept if earlier && in_target => {
                self.fact(Fact::PromiseKept { promise_id, at, actual });
            }
            PromiseStatus::Broken | PromiseStatus::Kept => {}
            PromiseStatus::Inquired
            | PromiseStatus::Quoted
            | PromiseStatus::Withdrawn
            | PromiseStatus::Expired => {
                let status = promise.status.name();
                self.ignore(format!("promise {promise_id} is {status} and cannot be kept"));
            }
        }
    }

    pub(super) fn withdraw(&mut self, promise: &Promise, by: CancelledBy, at: Time, reason: Option<String>) {
        let promise_id = &promise.terms.promise_id;
        if promise.status.is_offer() {
            // Nothing was promised yet, so nobody breaks anything.
            self.fact(Fact::PromiseWithdrawn { promise_id: promise_id.clone(), at, by, reason });
        } else if promise.bound_at(at) && at > promise.terms.deadline() {
            // It was over by then, unless a revision that is still to come had moved the deadline before.
            return self.keep_for_later(promise_id, at);
        } else if promise.status.is_open() || promise.may_have_ended(at) {
            self.end(&promise.terms, by, at, reason);
        } else {
            let status = promise.status.name();
            return self.ignore(format!("promise {promise_id} is {status} and cannot be withdrawn"));
        }
        self.clear_timers(|purpose| concerns(purpose, promise_id));
    }

    /// Ends a binding promise: the company taking it back breaks it.
    fn end(&mut self, terms: &PromiseTerms, by: CancelledBy, at: Time, reason: Option<String>) {
        match by {
            CancelledBy::Company => self.break_it(terms, at, BreakCause::Company),
            CancelledBy::Customer | CancelledBy::Unknown => {
                self.fact(Fact::PromiseWithdrawn { promise_id: terms.promise_id.clone(), at, by, reason });
            }
        }
    }

    pub(super) fn break_it(&mut self, terms: &PromiseTerms, at: Time, cause: BreakCause) {
        self.fact(Fact::PromiseBroken { promise_id: terms.promise_id.clone(), at, cause });
        let key = format!("{}/{}/broken", self.customer.id, terms.promise_id);
        self.request(EffectKind::CustomerNotify, "promise_broken", terms, key);
    }
}
