//! What a customer root knows of the tie between its customer and the company: what they set and agreed to, their
//! devices, their needs, what they delegated, and what was decided for them.

mod choose;
mod evolve;
mod limits;
mod policy;

use std::collections::BTreeMap;

use learn::depletion::{Level, Prior, Purchases};
use model::connection::{
    Action, ActionState, Consent, DecisionRecord, Fallback, Friction, MandateState, MandateTerms,
    MessageClass, Need, NeedOrigin, NeedStage, Preference, SHARE_MAX, Spend, Strategy,
};
use model::{Quantity, Time};
use serde::{Deserialize, Serialize};

pub use self::choose::{
    Candidate, Choice, Chosen, Does, EmptyIn, Offered, Reason, Refused, Seen, SeenMandate, SeenStep, choose,
};
pub(crate) use self::evolve::apply;
pub use self::limits::{Block, check_limits, period_start, wider};
pub(crate) use self::policy::clock;
pub use self::policy::{Barriers, Followed, Missing, followed, is_quiet, quiet_until};

/// Needs that ended and automatic orders that ended: as many of the latest are kept here; the views keep them all.
pub const KEPT: usize = 40;
/// Decisions are large: as many of the latest are kept here, and the last about each open need.
pub const DECISIONS_KEPT: usize = 12;
/// Needs and automatic orders that have ended and are kept for each slot of a customer with many.
pub const KEPT_OF_A_SLOT: usize = 4;
/// Messages by which the caps are counted.
const CONTACTS_KEPT: usize = 200;
/// Spending is counted over as many orders of the past.
const SPENDS_KEPT: usize = 500;
/// Purchases of a category by which offers are ranked.
const BOUGHT_KEPT: usize = 24;
/// Orders of a category that are on their way: more are not waited for.
const AWAITED_KEPT: usize = 8;
/// Arrivals of a category that are named where a need is foreseen from them.
const ARRIVED_KEPT: usize = 5;

/// What was bought is used from this level of sharing on, and readings from this one.
pub(crate) const SHARE_HISTORY: u8 = 1;
pub(crate) const SHARE_READINGS: u8 = 2;

#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Connection {
    /// One for each cell that the customer set.
    pub preferences: Vec<Preference>,
    /// By their purposes; the last word about each.
    pub consents: BTreeMap<String, Consent>,
    pub devices: BTreeMap<String, Device>,
    /// Away, and wanting nothing that has to be taken in.
    pub away: Vec<(Time, Time)>,
    /// Categories about which nothing is said unasked for a while.
    pub snoozed: BTreeMap<String, Time>,
    /// Steps that were done, by category and step.
    pub steps: BTreeMap<(String, String), Time>,
    /// The open ones, and the latest of those that ended.
    pub needs: BTreeMap<String, NeedRecord>,
    /// Numbers of needs and decisions are never used twice.
    pub next_need: u64,
    pub next_decision: u64,
    pub mandates: BTreeMap<String, MandateRecord>,
    pub actions: BTreeMap<String, ActionRecord>,
    pub decisions: BTreeMap<String, DecisionRecord>,
    /// The latest, oldest first.
    pub contacts: Vec<Contact>,
    /// By category, the latest last: what was bought.
    pub bought: BTreeMap<String, Vec<Bought>>,
    /// By category: what came into the house, from which the next need is foreseen where no device tells.
    pub in_use: BTreeMap<String, InUse>,
    /// By category.
    pub priors: BTreeMap<String, Pinned>,
    /// How offers were taken, by category and strategy.
    pub taken: BTreeMap<(String, Strategy), Taken>,
}

#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Device {
    pub model: Option<String>,
    pub site: Option<String>,
    pub registered_at: Time,
    pub gone_at: Option<Time>,
    pub slots: BTreeMap<String, Slot>,
}

/// A consumable of a device.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Slot {
    pub category: String,
    /// What is known of this one's use; nothing before the first reading.
    pub level: Option<Box<Level>>,
    /// Counts how often it was changed.
    pub cycle: u64,
    pub last: Option<(Time, f64)>,
    /// Since when it is of no use.
    pub empty_since: Option<Time>,
    /// The cycle for which the customer called an order off: nothing more is begun in it.
    pub declined: Option<u64>,
    pub replaced_at: Option<Time>,
}

/// The population that a category's customers are one of, as it was published when this one was last pinned to it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Pinned {
    pub version: u32,
    pub prior: Prior,
}

/// Something that was bought for a category, or that came into the house otherwise.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Bought {
    pub at: Time,
    pub item_id: String,
    pub quantity: Quantity,
}

/// What is used of a category, as what was bought and arrived tells.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct InUse {
    /// How long what arrives lasts; nothing before the first arrival.
    pub purchases: Option<Box<Purchases>>,
    /// Orders that are on their way, the latest last.
    pub awaited: Vec<Arrival>,
    /// The latest last.
    pub arrived: Vec<Arrival>,
    /// Counts the arrivals.
    pub cycle: u64,
    /// The cycle for which the customer called an order off: nothing more is begun in it.
    pub declined: Option<u64>,
}

/// What an order brings, or has brought: when it was placed, or came.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Arrival {
    pub order_id: String,
    pub quantity: Quantity,
    pub at: Time,
}

/// How offers were taken.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Taken {
    pub shown: u32,
    pub taken: u32,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct NeedRecord {
    pub need: Need,
    pub stage: NeedStage,
    pub moved_at: Time,
    pub order_id: Option<String>,
    pub met_at: Option<Time>,
    pub frictions: Vec<Friction>,
    pub effort: Effort,
    pub why: Option<String>,
    /// What was decided last.
    pub decision_id: Option<String>,
    /// A decision is wanted, and nobody has given what it needs yet.
    pub wanted: bool,
    /// How often the customer was told of it or asked about it without having asked, and when last.
    pub raised: u32,
    pub raised_at: Option<Time>,
}

/// What meeting a need cost the customer (K28).
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Effort {
    pub minutes: f64,
    pub steps: u32,
    pub inputs: u32,
    pub contacts: u32,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct MandateRecord {
    /// As the customer agreed to them; as they were shown, before that.
    pub terms: MandateTerms,
    pub version: u32,
    pub state: MandateState,
    /// The hash of what they agreed to.
    pub agreement: String,
    pub agreed_at: Option<Time>,
    /// Shown and not agreed to yet, while the older terms go on: with its version and hash.
    pub proposed: Option<(MandateTerms, u32, String)>,
    pub spends: Vec<Spend>,
    pub moved_at: Time,
    pub why: Option<String>,
    pub last_used: Option<Time>,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct ActionRecord {
    pub action: Action,
    pub state: ActionState,
    pub order_id: Option<String>,
    pub why: Option<String>,
    pub proposed_at: Time,
    pub moved_at: Time,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Contact {
    pub at: Time,
    pub category: String,
    pub class: MessageClass,
}

impl Connection {
    /// What the customer set for a category, a device's own cell first.
    pub fn preference(&self, category: &str, device: Option<&str>) -> Option<&Preference> {
        let of = |device: Option<&str>| {
            let cell =
                |known: &&Preference| known.category == category && known.device_id.as_deref() == device;
            self.preferences.iter().find(cell)
        };
        device.and_then(|device| of(Some(device))).or_else(|| of(None))
    }

    /// What is shared for a category: what the customer set, less what they withdrew their consent to.
    pub fn share(&self, category: &str, device: Option<&str>) -> u8 {
        let set = self.preference(category, device).map_or(0, |known| known.share.min(SHARE_MAX));
        let withdrawn = |purpose: &str| self.consents.get(purpose).is_some_and(|known| !known.given);
        let first = Consent::SHARED.iter().position(|purpose| withdrawn(purpose));
        first.map_or(set, |level| set.min(u8::try_from(level).unwrap_or(0)))
    }

    /// Whether the customer agreed to a purpose and has not withdrawn it.
    pub fn consents_to(&self, purpose: &str) -> bool {
        self.consents.get(purpose).is_some_and(|consent| consent.given)
    }

    pub fn is_away(&self, at: Time) -> bool {
        self.away.iter().any(|(from, until)| *from <= at && at < *until)
    }

    /// The open need about the same thing, where there is one.
    pub fn open_need(
        &self,
        category: &str,
        device: Option<&str>,
        slot: Option<&str>,
    ) -> Option<(&String, &NeedRecord)> {
        self.needs.iter().find(|(_, record)| {
            let subject = &record.need.subject;
            record.stage.is_open()
                && record.need.category == category
                && subject.device_id.as_deref() == device
                && subject.slot.as_deref() == slot
        })
    }

    /// The open need about the same thing, or the one that was foreseen from purchases, which is about whatever the
    /// customer has of the category.
    pub fn open_or_foreseen(
        &self,
        category: &str,
        device: Option<&str>,
        slot: Option<&str>,
    ) -> Option<(&String, &NeedRecord)> {
        let foreseen = || {
            let open = self.open_need(category, None, None);
            open.filter(|(_, record)| record.need.origin == NeedOrigin::Predicted)
        };
        self.open_need(category, device, slot).or_else(foreseen)
    }

    /// Whether what answers a slot is there and only has to be put in.
    pub fn has_in_hand(&self, device: Option<&str>, slot: Option<&str>) -> bool {
        device.is_some()
            && self.needs.values().any(|record| {
                let subject = &record.need.subject;
                record.stage == NeedStage::Met
                    && subject.device_id.as_deref() == device
                    && subject.slot.as_deref() == slot
            })
    }

    /// The mandate that may order for a category, and for a device and slot: one that names them first.
    pub fn mandate_for(
        &self,
        category: &str,
        device: Option<&str>,
        slot: Option<&str>,
    ) -> Option<&MandateRecord> {
        let fits = |record: &&MandateRecord| {
            let terms = &record.terms;
            terms.category == category
                && !record.state.is_ended()
                && (terms.device_id.is_none() || terms.device_id.as_deref() == device)
                && (terms.slot.is_none() || terms.slot.as_deref() == slot)
        };
        let exact = |record: &&MandateRecord| record.terms.device_id.is_some();
        let mut found = self.mandates.values().filter(fits);
        self.mandates.values().filter(fits).find(exact).or_else(|| found.next())
    }

    /// The automatic order that is open for a need's device and slot.
    pub fn open_action(
        &self,
        mandate_id: &str,
        device: Option<&str>,
        slot: Option<&str>,
    ) -> Option<&ActionRecord> {
        self.actions.values().find(|record| {
            let subject = self.needs.get(&record.action.need_id).map(|need| &need.need.subject);
            record.state.is_open()
                && record.action.mandate_id == mandate_id
                && subject.is_none_or(|subject| {
                    subject.device_id.as_deref() == device && subject.slot.as_deref() == slot
                })
        })
    }

    /// The automatic order that became this order.
    pub fn action_of(&self, order_id: &str) -> Option<&ActionRecord> {
        self.actions.values().find(|record| record.order_id.as_deref() == Some(order_id))
    }

    pub fn slot(&self, device_id: &str, slot: &str) -> Option<&Slot> {
        self.devices.get(device_id)?.slots.get(slot)
    }

    /// Whether a device tells how much is left of a category: one that is still there, whose readings are shared, and
    /// that is not silent for long.
    pub fn is_told(&self, category: &str, now: Time) -> bool {
        let tells = |slot: &Slot| {
            let heard = |level: &Level| !level.is_silent(days_of(now));
            slot.category == category && slot.level.as_deref().is_some_and(heard)
        };
        self.devices.iter().any(|(id, device)| {
            device.gone_at.is_none()
                && self.share(category, Some(id)) >= SHARE_READINGS
                && device.slots.values().any(tells)
        })
    }

    /// Messages about a category, or about any, since a time.
    pub fn contacts_since(&self, category: Option<&str>, since: Time) -> u32 {
        let counted = |contact: &&Contact| {
            contact.at > since && category.is_none_or(|category| contact.category == category)
        };
        u32::try_from(self.contacts.iter().filter(counted).count()).unwrap_or(u32::MAX)
    }
}

/// Days since 1970, as the forecasts count them.
pub fn days_of(at: Time) -> f64 {
    at.0 as f64 / 86_400_000_000.0
}

/// A forecast's number of days as microseconds; what is too far to matter is a hundred years.
pub(crate) fn micros_of(days: f64) -> i64 {
    (days.clamp(-36_500.0, 36_500.0) * 86_400_000_000.0) as i64
}

impl Slot {
    pub fn new(category: &str) -> Self {
        Slot {
            category: category.to_owned(),
            level: None,
            cycle: 0,
            last: None,
            empty_since: None,
            declined: None,
            replaced_at: None,
        }
    }
}

impl InUse {
    /// An order is on its way.
    pub(crate) fn awaits(&mut self, arrival: Arrival) {
        self.awaited.push(arrival);
        let over = self.awaited.len().saturating_sub(AWAITED_KEPT);
        self.awaited.drain(..over);
    }

    /// An order is there, and a new cycle begins.
    pub(crate) fn arrives(&mut self, prior: &Prior, arrival: Arrival) {
        self.awaited.retain(|awaited| awaited.order_id != arrival.order_id);
        let purchases = self.purchases.get_or_insert_with(|| Box::new(Purchases::new(prior)));
        // What came before the last, and no units at all, change nothing.
        let _ = purchases.bought(prior, days_of(arrival.at), arrival.quantity.as_f64());
        self.cycle = self.cycle.saturating_add(1);
        self.arrived.push(arrival);
        let over = self.arrived.len().saturating_sub(ARRIVED_KEPT);
        self.arrived.drain(..over);
    }
}

/// Where the customer set nothing, nothing is assumed of them.
const UNSET: (Strategy, Fallback) = (Strategy::Wait, Fallback::Wait);
