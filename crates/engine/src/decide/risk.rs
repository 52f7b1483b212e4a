//! Whether promises are at risk: computed again on every event that touches one, and by the clock.
//!
//! A promise that was made by a quote knows its parcels, so the probability that it is kept follows from where they
//! are ([`crate::promising::Odds`]); it is at risk when the probability of being late is above the published
//! threshold. One timer stands at the first instant at which that will be so if nothing happens, so that a promise is
//! on the list before it breaks. Promises that came in from elsewhere have no parcels; what is told of them decides.

use model::{Fact, PromiseStatus, RiskReason, SupplyName, Time, TimelineId, TimerPurpose};

use super::Decision;
use crate::customer::{Order, Promise, QuoteRecord};
use crate::promising::{Leg, Odds};

/// What is to be judged: the promise as it will be when what was decided so far has counted.
pub(super) struct Risky<'a> {
    pub(super) promise_id: &'a str,
    pub(super) status: PromiseStatus,
    pub(super) risk: Option<&'a RiskReason>,
    pub(super) times_at_risk: u32,
    pub(super) probability: Option<f64>,
    pub(super) act_by: Option<Time>,
    pub(super) terms: &'a model::PromiseTerms,
    pub(super) timeline: TimelineId,
    pub(super) record: &'a QuoteRecord,
    pub(super) order: Option<&'a Order>,
    /// A delivery attempt failed just now.
    pub(super) failed: bool,
}

impl<'a> Risky<'a> {
    pub(super) fn of(promise: &'a Promise, record: &'a QuoteRecord, order: Option<&'a Order>) -> Self {
        Risky {
            promise_id: &promise.terms.promise_id,
            status: promise.status,
            risk: promise.risk.as_ref(),
            times_at_risk: promise.times_at_risk,
            probability: promise.probability,
            act_by: promise.act_by,
            terms: &promise.terms,
            timeline: promise.timeline,
            record,
            order,
            failed: false,
        }
    }
}

impl<'a> Decision<'a> {
    /// Judges a promise as things are now. False where it has no plan that can be judged, or lives on another line of
    /// time.
    pub(super) fn score_again(&mut self, promise_id: &str, order: Option<&Order>, failed: bool) -> bool {
        let customer = self.customer;
        let Some(promise) = customer.promises.get(promise_id) else { return false };
        let Some(record) = customer.plan_of(promise_id) else { return false };
        let order = order.or_else(|| customer.orders.get(record.order_id.as_ref()?));
        promise.status.is_open() && self.judge(&Risky { failed, ..Risky::of(promise, record, order) })
    }

    pub(super) fn judge(&mut self, risky: &Risky<'_>) -> bool {
        let now = self.context.now;
        let Some(odds) = self.odds(risky).filter(|_| risky.timeline == self.context.timeline) else {
            return false;
        };
        let promise_id = risky.promise_id;
        let probability = odds.at(now);
        let act_by = self.act_by(risky, &odds);
        let same = |known: Option<f64>| known.is_some_and(|known| (known - probability).abs() < 1e-6);
        if !same(risky.probability) || risky.act_by != Some(act_by) {
            let promise_id = promise_id.to_owned();
            self.fact(Fact::PromiseScored { promise_id, at: now, probability, act_by });
        }
        let check = TimerPurpose::RiskCheck(promise_id.to_owned());
        self.clear_timers(|purpose| *purpose == check);
        let reference = self.context.reference;
        let late = |probability| reference.is_late(probability);
        // What somebody else's model said is theirs to take back.
        let scored = matches!(risky.risk, Some(RiskReason::Scored { .. }));
        match (risky.status, late(probability)) {
            (PromiseStatus::Made, true) => {
                let why = self.why(risky, &odds, late);
                self.come_at_risk(promise_id, risky.times_at_risk, risky.terms, why, now);
            }
            (PromiseStatus::AtRisk, true) => {
                let why = self.why(risky, &odds, late);
                if !scored && risky.risk != Some(&why) {
                    self.fact(Fact::PromiseAtRisk { promise_id: promise_id.to_owned(), at: now, why });
                }
            }
            (PromiseStatus::AtRisk, false) if !scored => {
                self.fact(Fact::PromiseRecovered { promise_id: promise_id.to_owned(), at: now });
                self.watch(promise_id, risky.timeline, &odds, late);
            }
            _ => self.watch(promise_id, risky.timeline, &odds, late),
        }
        true
    }

    /// A promise that is made now: it is watched from here on.
    pub(super) fn watch_risk(&mut self, terms: &model::PromiseTerms, order: Option<&Order>) {
        let Some(record) = self.customer.quotes.get(&terms.promise_id) else { return };
        let risky = Risky {
            promise_id: &terms.promise_id,
            status: PromiseStatus::Made,
            risk: None,
            times_at_risk: 0,
            probability: terms.probability,
            act_by: None,
            terms,
            timeline: self.context.timeline,
            record,
            order,
            failed: false,
        };
        let reference = self.context.reference;
        match self.odds(&risky) {
            Some(odds) => self.watch(&terms.promise_id, risky.timeline, &odds, |p| reference.is_late(p)),
            // Supply fell while it was being confirmed.
            None if !record.short.is_empty() => {
                let purpose = TimerPurpose::RiskCheck(terms.promise_id.clone());
                self.set_timer(self.context.now.plus_micros(1), self.context.timeline, purpose);
            }
            None => {}
        }
    }

    fn watch(&mut self, promise_id: &str, timeline: TimelineId, odds: &Odds<'_>, late: impl Fn(f64) -> bool) {
        if let Some(due) = odds.first(self.context.now, late) {
            self.set_timer(due, timeline, TimerPurpose::RiskCheck(promise_id.to_owned()));
        }
    }

    /// Where the parcels are. None where there is no plan to judge by.
    fn odds<'r>(&self, risky: &Risky<'r>) -> Option<Odds<'a>> {
        let rules = &self.context.reference.promising;
        let record = risky.record;
        // Work at a time of its own has no way to go; whether it can be done is told, not computed.
        if record.quote.parcels.is_empty() {
            return None;
        }
        let mut parcels: Vec<&model::Parcel> = record.quote.parcels.iter().collect();
        parcels.sort_by_key(|parcel| parcel.hand_over_by);
        let several = parcels.len() > 1;
        let mut legs = Vec::with_capacity(parcels.len());
        for (index, parcel) in parcels.iter().enumerate() {
            let lane = rules.lane_of(parcel)?;
            // Of several parcels nobody says which has left: the first does first, and the last when all have.
            let left = risky.order.and_then(|order| match (index, several) {
                (0, _) => order.shipped_at,
                _ => order.all_shipped_at,
            });
            let arrived = several && index == 0 && risky.order.is_some_and(|o| o.delivered_fraction > 0.0);
            let leg = match left {
                _ if arrived => Leg::Arrived,
                Some(left) => Leg::Left(left),
                None => self.waits(record, parcel),
            };
            legs.push((lane, leg));
        }
        Some(Odds { legs, deadline: risky.terms.deadline() })
    }

    /// When a parcel can be handed over, as supply is.
    fn waits(&self, record: &QuoteRecord, parcel: &model::Parcel) -> Leg {
        let mut from = parcel.hand_over_by;
        for (index, short) in &record.short {
            let need = &record.quote.needs[*index];
            if matches!(&need.name, SupplyName::Stock { place, .. } if *place != parcel.place) {
                continue;
            }
            match short.covered_at {
                None => return Leg::Stuck,
                // From the shelf to the hand-over it takes as long as was planned.
                Some(covered_at) => {
                    let handling = parcel.hand_over_by.since(need.take.due()).max(0);
                    from = from.max(covered_at.plus_micros(handling));
                }
            }
        }
        Leg::Waits { from }
    }

    /// The last instant at which acting still helps: to hand it over by the fastest way, and on the way, to the end.
    fn act_by(&self, risky: &Risky<'_>, odds: &Odds<'_>) -> Time {
        let (deadline, rules) = (odds.deadline, &self.context.reference.promising);
        let waits = odds.legs.iter().any(|(_, leg)| matches!(leg, Leg::Waits { .. } | Leg::Stuck));
        let region = risky.record.quote.region.as_deref().unwrap_or_default();
        let sure = 1.0 - self.context.reference.at_risk_threshold;
        match waits {
            true => rules.last_hand_over(region, deadline, sure).unwrap_or(deadline),
            false => deadline,
        }
    }

    fn why(&self, risky: &Risky<'_>, odds: &Odds<'_>, late: impl Fn(f64) -> bool) -> RiskReason {
        let now = self.context.now;
        let waits = odds.legs.iter().any(|(_, leg)| matches!(leg, Leg::Waits { .. } | Leg::Stuck));
        if let Some(short) = short_of(risky.record).filter(|_| waits) {
            return short;
        }
        if risky.failed || risky.risk == Some(&RiskReason::FailedAttempt) {
            return RiskReason::FailedAttempt;
        }
        let overdue = |(_, leg): &(_, Leg)| matches!(leg, Leg::Waits { from } if *from < now);
        if odds.legs.iter().any(overdue) {
            return RiskReason::NotHandedOver;
        }
        if waits {
            return RiskReason::TightPlan;
        }
        let from_the_start = |(lane, leg): &(_, Leg)| match leg {
            Leg::Left(left) => late(Odds { legs: vec![(*lane, *leg)], deadline: odds.deadline }.at(*left)),
            _ => false,
        };
        match odds.legs.iter().any(from_the_start) {
            true => RiskReason::LeftLate,
            false => RiskReason::SlowDelivery,
        }
    }
}

/// What a promise's plan is short of, worst first: what nobody knows the end of, then what ends last.
pub(super) fn short_of(record: &QuoteRecord) -> Option<RiskReason> {
    let worst = |(_, short): &(&usize, &crate::supply::Short)| (short.covered_at.is_none(), short.covered_at);
    let (index, short) = record.short.iter().max_by_key(worst)?;
    let what = record.quote.needs[*index].name.to_string();
    Some(RiskReason::Supply { why: short.why, what, covered_at: short.covered_at })
}

/// What of the needs is short, as a fact that is decided now will leave it.
pub(super) fn with_cover(
    record: &QuoteRecord,
    index: usize,
    short: Option<crate::supply::Short>,
) -> QuoteRecord {
    let mut then = record.clone();
    match short {
        Some(short) => then.short.insert(index, short),
        None => then.short.remove(&index),
    };
    then
}
