//! A customer root: the profile, and the orders, promises, timers and effects that it owns.

use std::collections::{BTreeMap, BTreeSet};

use model::{
    BreakCause, CancelledBy, Effect, EffectKey, EntityId, FulfillmentState, KeyId, MailKey, Money, OneAction,
    OrderDefaults, OrderState, Profile, PromiseStatus, PromiseTerms, Quote, QuoteStage, Refusal, Remedy,
    RemedyKind, ReturnRequest, ReturnState, RiskReason, Time, TimelineId, TimerId, TimerPurpose,
};
use serde::{Deserialize, Serialize};

use model::quote::Purpose;

use crate::payment::Payment;
use crate::supply::Short;

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Customer {
    pub id: EntityId,
    /// The keys that this customer's inputs are sealed with, in the order in which they came up. The first one
    /// seals the checkpoint and what is decided without an input.
    pub keys: Vec<KeyId>,
    pub profile: Profile,
    pub orders: BTreeMap<String, Order>,
    pub promises: BTreeMap<String, Promise>,
    /// What was said of promises, by their id, before it could count.
    pub early: BTreeMap<String, Vec<EarlySignal>>,
    pub timers: BTreeMap<TimerId, Timer>,
    /// Timer ids are never used twice.
    pub next_timer: u64,
    /// What was offered, by the quote's id; of those that ended, the latest.
    pub quotes: BTreeMap<String, QuoteRecord>,
    /// Numbers of holds are never used twice.
    pub next_hold: u64,
    /// What they set and agreed to, their devices, needs and mandates.
    pub connection: Box<crate::connection::Connection>,
    /// What one action orders with.
    pub order_defaults: Option<Box<OrderDefaults>>,
    pub effects: BTreeMap<EffectKey, EffectRecord>,
    /// Mails that were applied: a second delivery is none.
    pub mails: BTreeSet<MailKey>,
    /// Who stands for this person, where another profile of theirs does.
    pub merged_into: Option<EntityId>,
    /// The profiles that this one stands for, or once stood for: each knows which.
    pub absorbed: BTreeSet<EntityId>,
    pub erased_at: Option<Time>,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Order {
    /// Unknown while only later events about the order have come.
    pub placed_at: Option<Time>,
    pub total: Option<Money>,
    pub state: OrderState,
    pub shipped_at: Option<Time>,
    /// When the last of it was handed over.
    pub all_shipped_at: Option<Time>,
    /// The largest share that was handed over so far.
    pub left_fraction: f64,
    /// When all of it was delivered.
    pub delivered_at: Option<Time>,
    /// The largest share that was delivered so far.
    pub delivered_fraction: f64,
    /// When it was cancelled, and by whom.
    pub cancelled: Option<(Time, CancelledBy)>,
    pub reviews: BTreeSet<String>,
    /// How many units it is of, where its lines were told.
    pub units: f64,
    /// Where it was placed in one action by us.
    pub action: Option<Box<OneAction>>,
    /// When whoever fulfils it was told, where we tell them.
    pub handed_out_at: Option<Time>,
    /// Where we run its payment, or the payment system told of it.
    pub payment: Option<Box<Payment>>,
    pub returns: BTreeMap<String, Return>,
}

/// What a customer gives back.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Return {
    pub request: ReturnRequest,
    pub asked_at: Time,
    /// Days since the delivery, by the customer's calendar.
    pub day: i64,
    pub state: ReturnState,
    /// Whether the goods came back, whatever became of them.
    pub back: bool,
    pub reason: Option<String>,
    pub moved_at: Time,
}

impl Default for Order {
    fn default() -> Self {
        Order {
            placed_at: None,
            total: None,
            state: OrderState::Placed,
            shipped_at: None,
            all_shipped_at: None,
            left_fraction: 0.0,
            delivered_at: None,
            delivered_fraction: 0.0,
            cancelled: None,
            reviews: BTreeSet::new(),
            units: 0.0,
            action: None,
            handed_out_at: None,
            payment: None,
            returns: BTreeMap::new(),
        }
    }
}

impl Order {
    /// So much of it reached a state. The earliest counts, in whatever order they are told.
    pub(crate) fn reached(&mut self, state: FulfillmentState, fraction: f64, at: Time) {
        let earliest = |known: Option<Time>| Some(known.map_or(at, |known| known.min(at)));
        if state.handed_over() {
            self.shipped_at = earliest(self.shipped_at);
            self.left_fraction = self.left_fraction.max(fraction);
            if fraction >= 1.0 {
                self.all_shipped_at = earliest(self.all_shipped_at);
            }
        }
        if state == FulfillmentState::Delivered {
            self.delivered_fraction = self.delivered_fraction.max(fraction);
            if fraction >= 1.0 {
                self.delivered_at = earliest(self.delivered_at);
            }
        }
    }

    /// Whether goods of it have left, by whatever was told.
    pub fn has_left(&self) -> bool {
        self.shipped_at.is_some() || self.delivered_fraction > 0.0 || self.state.has_left()
    }
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Promise {
    /// The present version's terms.
    pub terms: PromiseTerms,
    /// The first due date, kept for ever.
    pub first_due_at: Time,
    /// 1, and one more with each revision.
    pub version: u32,
    pub status: PromiseStatus,
    /// The line of time whose clock judges it.
    pub timeline: TimelineId,
    pub risk: Option<RiskReason>,
    /// That it will be kept, as last computed; as said when it was made, before that.
    pub probability: Option<f64>,
    /// The last instant at which acting still helps, where it was computed.
    pub act_by: Option<Time>,
    /// What was done for it.
    pub remedies: Vec<AppliedRemedy>,
    /// How often it came to be at risk.
    pub times_at_risk: u32,
    pub cause: Option<BreakCause>,
    /// When what was promised first came to pass, and the number that was reached.
    pub fulfilled_at: Option<Time>,
    pub actual: Option<f64>,
    /// When the present version was decided.
    pub revised_at: Option<Time>,
    /// When it was taken back while it bound, and by whom.
    pub ended: Option<(Time, CancelledBy)>,
}

/// What was done for a promise, and when it was at risk or broken.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct AppliedRemedy {
    pub remedy: Remedy,
    pub at: Time,
    pub before_the_break: bool,
    /// How often the promise had been at risk by then: asked for again for the same risk, it is not applied again.
    pub times_at_risk: u32,
}

impl Promise {
    /// A remedy of this kind that was applied since the promise last came to be at risk.
    pub fn applied(&self, kind: RemedyKind) -> Option<&AppliedRemedy> {
        self.remedies
            .iter()
            .find(|known| known.remedy.kind == kind && known.times_at_risk == self.times_at_risk)
    }

    /// Whether it was binding once and nothing that is known had ended it before `at`, its deadline aside.
    pub fn bound_at(&self, at: Time) -> bool {
        let before = |ended: Option<Time>| ended.is_some_and(|ended| ended < at);
        let kept = self.fulfilled_at.filter(|_| self.status == PromiseStatus::Kept);
        match self.status {
            PromiseStatus::Made | PromiseStatus::AtRisk => true,
            PromiseStatus::Kept | PromiseStatus::Broken => {
                !before(kept) && !before(self.ended.map(|(at, _)| at))
            }
            PromiseStatus::Withdrawn => self.ended.is_some_and(|(ended, _)| ended >= at),
            PromiseStatus::Inquired | PromiseStatus::Quoted | PromiseStatus::Expired => false,
        }
    }

    /// Whether it has ended by something that happened after `at`, and would have ended then already.
    pub fn may_have_ended(&self, at: Time) -> bool {
        let ended =
            matches!(self.status, PromiseStatus::Kept | PromiseStatus::Broken | PromiseStatus::Withdrawn);
        ended
            && self.bound_at(at)
            && at <= self.terms.deadline()
            && self.fulfilled_at.is_none_or(|fulfilled_at| at < fulfilled_at)
            && self.ended.is_none_or(|(ended, _)| at < ended)
    }

    /// Whether it was at `at` or later that the clock broke it or somebody took it back.
    pub fn ended_after(&self, at: Time) -> bool {
        match self.ended {
            Some((ended, _)) => at <= ended,
            None => self.cause == Some(BreakCause::Clock),
        }
    }
}

/// A quote and how far it is.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct QuoteRecord {
    pub quote: Quote,
    pub asked_at: Time,
    /// The number of the hold for the first need; the others follow.
    pub first_hold: u64,
    pub stage: QuoteStage,
    /// What each need's owner said last, of the hold or of its confirmation.
    pub answers: Vec<Option<Result<(), Refusal>>>,
    /// The order that it became, or is to become.
    pub order_id: Option<String>,
    pub why: Option<Refusal>,
    /// Needs that supply does not cover any more.
    pub short: BTreeMap<usize, Short>,
}

impl QuoteRecord {
    /// The promise that it makes or saves.
    pub fn promise_id(&self) -> &str {
        match &self.quote.purpose {
            Purpose::Order | Purpose::OneAction(_) => &self.quote.terms.promise_id,
            Purpose::Remedy(remedy) => &remedy.promise_id,
            Purpose::Change(change) => &change.promise_id,
        }
    }

    /// Which need a hold is for.
    pub fn index_of(&self, hold: u64) -> Option<usize> {
        let index = usize::try_from(hold.checked_sub(self.first_hold)?).ok()?;
        (index < self.quote.needs.len()).then_some(index)
    }
}

/// A signal that could not count yet.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct EarlySignal {
    pub name: String,
    /// The event's properties as JSON text.
    pub properties: String,
    pub at: Time,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Timer {
    pub due: Time,
    pub timeline: TimelineId,
    pub purpose: TimerPurpose,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct EffectRecord {
    pub effect: Effect,
    pub state: EffectState,
}

/// `Requested → Started → Settled | Unknown`; `Suppressed` is wanted and not to be sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum EffectState {
    Requested,
    Started,
    Done,
    Failed,
    /// Started, and nobody can say whether it arrived; never retried blindly.
    Unknown,
    Suppressed,
}

impl EffectState {
    pub fn name(self) -> &'static str {
        match self {
            EffectState::Requested => "requested",
            EffectState::Started => "started",
            EffectState::Done => "done",
            EffectState::Failed => "failed",
            EffectState::Unknown => "unknown",
            EffectState::Suppressed => "suppressed",
        }
    }

    pub fn is_ended(self) -> bool {
        matches!(self, EffectState::Done | EffectState::Failed | EffectState::Suppressed)
    }
}

impl Customer {
    /// In which zone the customer's days are: as stored, as the profile says, or that of the company.
    pub fn time_zone(&self, company: &str) -> String {
        let stored = self.order_defaults.as_ref().and_then(|defaults| defaults.time_zone.clone());
        stored.or_else(|| self.profile.text_trait("time_zone")).unwrap_or_else(|| company.to_owned())
    }

    pub fn new(id: EntityId) -> Self {
        Customer {
            id,
            keys: Vec::new(),
            profile: Profile::default(),
            orders: BTreeMap::new(),
            promises: BTreeMap::new(),
            early: BTreeMap::new(),
            timers: BTreeMap::new(),
            next_timer: 1,
            quotes: BTreeMap::new(),
            next_hold: 1,
            connection: Box::default(),
            order_defaults: None,
            effects: BTreeMap::new(),
            mails: BTreeSet::new(),
            merged_into: None,
            absorbed: BTreeSet::new(),
            erased_at: None,
        }
    }

    /// What is left of an erased customer: that there was one, and which keys must be destroyed.
    pub fn erase(&mut self, at: Time) {
        let keys = std::mem::take(&mut self.keys);
        *self = Customer { erased_at: Some(at), keys, ..Customer::new(self.id) };
    }

    pub fn knows_key(&mut self, key: KeyId) {
        if !self.keys.contains(&key) {
            self.keys.push(key);
        }
    }

    /// How a promise is to be kept: the quote that it was made by, or that of the latest remedy.
    pub fn plan_of(&self, promise_id: &str) -> Option<&QuoteRecord> {
        self.quotes
            .values()
            .filter(|record| record.stage == QuoteStage::Placed && record.promise_id() == promise_id)
            .max_by_key(|record| (record.asked_at, record.first_hold))
    }

    /// The promises of an order that still bind.
    pub fn open_promises_of<'a>(
        &'a self,
        order_id: &'a str,
    ) -> impl Iterator<Item = (&'a String, &'a Promise)> {
        self.promises_of(order_id).filter(|(_, promise)| promise.status.is_open())
    }

    pub fn promises_of<'a>(&'a self, order_id: &'a str) -> impl Iterator<Item = (&'a String, &'a Promise)> {
        self.promises.iter().filter(move |(_, p)| p.terms.order_id.as_deref() == Some(order_id))
    }
}
