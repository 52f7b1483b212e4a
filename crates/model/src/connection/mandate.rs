//! A mandate: what the company may order by itself, within which limits; and each order under it.

use serde::{Deserialize, Serialize};

use crate::money::Money;
use crate::quantity::Quantity;
use crate::time::Time;

/// Over which time spending is counted, by the calendar of the mandate's zone where it is one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Period {
    Day,
    /// From Monday.
    Week,
    Month,
    Year,
    /// So many times 24 hours back from now.
    RollingDays(u32),
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SpendLimit {
    pub period: Period,
    pub amount: Option<Money>,
    pub orders: Option<u32>,
}

/// Which price is agreed to.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PriceRule {
    /// For one unit, as the customer saw it.
    pub reference: Money,
    /// Above it by more than this, nothing is ordered until the customer agrees anew.
    pub max_rise_percent: u32,
}

impl PriceRule {
    /// The highest price that is agreed to; none above what can be counted.
    pub fn highest(&self) -> i64 {
        let rise = i128::from(self.reference.minor) * i128::from(self.max_rise_percent) / 100;
        i64::try_from(i128::from(self.reference.minor) + rise).unwrap_or(i64::MAX)
    }
}

/// What a customer delegates.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct MandateTerms {
    pub mandate_id: String,
    pub category: String,
    /// For this device and slot alone, where they are named.
    pub device_id: Option<String>,
    pub slot: Option<String>,
    /// What may be ordered, best first.
    pub items: Vec<String>,
    pub max_quantity: Quantity,
    /// Who may charge.
    pub payee: String,
    /// One order costs at most so much.
    pub max_each: Money,
    pub limits: Vec<SpendLimit>,
    pub price: Option<PriceRule>,
    pub valid_from: Time,
    pub valid_to: Option<Time>,
    /// It ends by itself when it was not used for so many days.
    pub dormancy_days: Option<u32>,
    /// The customer hears of an order so long before it is placed, and may call it off until then.
    pub notice_hours: u32,
    /// IANA name of the zone whose calendar counts.
    pub time_zone: String,
}

/// `Presented → Active ⇄ Paused`, `Active → Suspended`, and the ends.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MandateState {
    /// Shown to the customer, who has not agreed yet.
    Presented,
    Active,
    /// By the customer, for a while.
    Paused,
    /// By the company: something looked wrong. The customer alone lets it go on.
    Suspended,
    Exhausted,
    Expired,
    Revoked,
}

impl MandateState {
    pub const ALL: [MandateState; 7] = [
        MandateState::Presented,
        MandateState::Active,
        MandateState::Paused,
        MandateState::Suspended,
        MandateState::Exhausted,
        MandateState::Expired,
        MandateState::Revoked,
    ];

    pub fn name(self) -> &'static str {
        match self {
            MandateState::Presented => "presented",
            MandateState::Active => "active",
            MandateState::Paused => "paused",
            MandateState::Suspended => "suspended",
            MandateState::Exhausted => "exhausted",
            MandateState::Expired => "expired",
            MandateState::Revoked => "revoked",
        }
    }

    pub fn is_ended(self) -> bool {
        matches!(self, MandateState::Exhausted | MandateState::Expired | MandateState::Revoked)
    }
}

/// What was debited for one order.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Spend {
    pub action_id: String,
    pub at: Time,
    pub amount: Money,
    /// Called off or refunded since.
    pub back: bool,
}

/// One order that the company places by itself. Its id is made of the mandate, its version, the slot and the cycle, so
/// that no two are for the same thing.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Action {
    pub action_id: String,
    pub mandate_id: String,
    pub mandate_version: u32,
    pub need_id: String,
    pub item_id: String,
    pub quantity: Quantity,
    /// Of all of it, as it was when it was announced.
    pub price: Money,
    /// When it is there, as far as it was known then.
    pub due_at: Time,
    /// From when on it may be placed; until then the customer may call it off.
    pub execute_at: Time,
}

/// `Proposed → Blocked | Announced → Cancelled | Ordered → Started → Confirmed → Fulfilled`, and what may follow.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActionState {
    Proposed,
    /// The mandate does not allow it.
    Blocked,
    /// The customer was told, and may call it off.
    Announced,
    Cancelled,
    /// Supply is committed; nothing has left.
    Ordered,
    /// The first effect of it has started, and its amount is debited.
    Started,
    /// Whoever fulfils it has taken it.
    Confirmed,
    Fulfilled,
    Disputed,
    Refunded,
    Upheld,
    /// It could not be carried out.
    Failed,
}

impl ActionState {
    pub const ALL: [ActionState; 12] = [
        ActionState::Proposed,
        ActionState::Blocked,
        ActionState::Announced,
        ActionState::Cancelled,
        ActionState::Ordered,
        ActionState::Started,
        ActionState::Confirmed,
        ActionState::Fulfilled,
        ActionState::Disputed,
        ActionState::Refunded,
        ActionState::Upheld,
        ActionState::Failed,
    ];

    pub fn name(self) -> &'static str {
        match self {
            ActionState::Proposed => "proposed",
            ActionState::Blocked => "blocked",
            ActionState::Announced => "announced",
            ActionState::Cancelled => "cancelled",
            ActionState::Ordered => "ordered",
            ActionState::Started => "started",
            ActionState::Confirmed => "confirmed",
            ActionState::Fulfilled => "fulfilled",
            ActionState::Disputed => "disputed",
            ActionState::Refunded => "refunded",
            ActionState::Upheld => "upheld",
            ActionState::Failed => "failed",
        }
    }

    /// Whether nothing else may be ordered for its slot yet.
    pub fn is_open(self) -> bool {
        matches!(
            self,
            ActionState::Proposed
                | ActionState::Announced
                | ActionState::Ordered
                | ActionState::Started
                | ActionState::Confirmed
        )
    }

    /// Whether it can still be called off without anything having left.
    pub fn can_be_called_off(self) -> bool {
        matches!(self, ActionState::Proposed | ActionState::Announced | ActionState::Ordered)
    }
}

/// How a step of an action came about.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct ActionEnd {
    /// A code such as `over_limit:month`, `revoked`, `customer`.
    pub why: Option<String>,
    pub order_id: Option<String>,
}
