//! A promise: what was said, by when, and what became of it.

use serde::{Deserialize, Serialize};

use crate::supply::Shortage;
use crate::time::Time;

/// What a promise is about.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum PromiseKind {
    Order,
    Slot,
    Service,
    Claim,
    Mandate,
}

impl PromiseKind {
    pub const ALL: [PromiseKind; 5] = [
        PromiseKind::Order,
        PromiseKind::Slot,
        PromiseKind::Service,
        PromiseKind::Claim,
        PromiseKind::Mandate,
    ];

    pub fn name(self) -> &'static str {
        match self {
            PromiseKind::Order => "order",
            PromiseKind::Slot => "slot",
            PromiseKind::Service => "service",
            PromiseKind::Claim => "claim",
            PromiseKind::Mandate => "mandate",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// What a date or quantity was computed from.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Basis {
    Atp,
    Ctp,
    LeadTime,
    Quantile,
    Policy,
}

impl Basis {
    pub const ALL: [Basis; 5] = [Basis::Atp, Basis::Ctp, Basis::LeadTime, Basis::Quantile, Basis::Policy];

    pub fn name(self) -> &'static str {
        match self {
            Basis::Atp => "atp",
            Basis::Ctp => "ctp",
            Basis::LeadTime => "lead_time",
            Basis::Quantile => "quantile",
            Basis::Policy => "policy",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|basis| basis.name() == name)
    }
}

/// Which side of a target keeps the promise.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Comparator {
    AtMost,
    AtLeast,
}

impl Comparator {
    pub fn name(self) -> &'static str {
        match self {
            Comparator::AtMost => "at_most",
            Comparator::AtLeast => "at_least",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        [Comparator::AtMost, Comparator::AtLeast].into_iter().find(|c| c.name() == name)
    }
}

/// A number that was promised beside the date: a wait of at most 10 minutes, a yield of at least 2,000 pages.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Target {
    pub comparator: Comparator,
    pub value: f64,
    /// How far past the value still counts, in the same unit; not negative.
    pub tolerance: f64,
    pub unit: String,
}

impl Target {
    /// Whether `actual` keeps it (K22: `g ≤ 0` where `g` allows for the tolerance).
    pub fn is_met_by(&self, actual: f64) -> bool {
        match self.comparator {
            Comparator::AtMost => actual <= self.value + self.tolerance,
            Comparator::AtLeast => actual >= self.value - self.tolerance,
        }
    }
}

/// The terms of one version of a promise.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct PromiseTerms {
    pub promise_id: String,
    pub order_id: Option<String>,
    pub kind: PromiseKind,
    /// What about the order or service is promised: `delivery`, `wait`, `ready`…
    pub attribute: String,
    /// The last instant that keeps it, before tolerance.
    pub due_at: Time,
    /// IANA name of the zone in which the customer reads the date.
    pub time_zone: String,
    /// How long after `due_at` still counts as kept.
    pub tolerance_micros: i64,
    pub target: Option<Target>,
    /// Not handed over by then puts the promise at risk.
    pub hand_over_by: Option<Time>,
    /// That it will be kept, as said when it was made (K24).
    pub probability: Option<f64>,
    pub basis: Option<Basis>,
    pub reasons: Vec<String>,
    pub marketing_owner: Option<String>,
    pub operations_owner: Option<String>,
}

impl PromiseTerms {
    /// The last instant that keeps the promise, tolerance included.
    pub fn deadline(&self) -> Time {
        self.due_at.plus_micros(self.tolerance_micros)
    }
}

/// Where a promise is. A revision is a version, not a state.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum PromiseStatus {
    /// Asked about; nothing is held and nobody owns it.
    Inquired,
    /// Offered until a time, held meanwhile.
    Quoted,
    Made,
    AtRisk,
    Kept,
    Broken,
    /// Taken back by the customer or by somebody unknown; the company taking it back is a break.
    Withdrawn,
    /// A quote that nobody took up in time.
    Expired,
}

impl PromiseStatus {
    pub const ALL: [PromiseStatus; 8] = [
        PromiseStatus::Inquired,
        PromiseStatus::Quoted,
        PromiseStatus::Made,
        PromiseStatus::AtRisk,
        PromiseStatus::Kept,
        PromiseStatus::Broken,
        PromiseStatus::Withdrawn,
        PromiseStatus::Expired,
    ];

    pub fn name(self) -> &'static str {
        match self {
            PromiseStatus::Inquired => "inquired",
            PromiseStatus::Quoted => "quoted",
            PromiseStatus::Made => "made",
            PromiseStatus::AtRisk => "at_risk",
            PromiseStatus::Kept => "kept",
            PromiseStatus::Broken => "broken",
            PromiseStatus::Withdrawn => "withdrawn",
            PromiseStatus::Expired => "expired",
        }
    }

    /// Made and not ended: the company owes it.
    pub fn is_open(self) -> bool {
        matches!(self, PromiseStatus::Made | PromiseStatus::AtRisk)
    }

    /// Not yet binding.
    pub fn is_offer(self) -> bool {
        matches!(self, PromiseStatus::Inquired | PromiseStatus::Quoted)
    }
}

/// What broke a promise.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum BreakCause {
    /// The deadline passed.
    Clock,
    /// The company took it back or cancelled the order.
    Company,
}

impl BreakCause {
    pub fn name(self) -> &'static str {
        match self {
            BreakCause::Clock => "clock",
            BreakCause::Company => "company",
        }
    }
}

/// Why a promise is at risk.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum RiskReason {
    /// `hand_over_by` passed and nothing was shipped.
    NotHandedOver,
    /// A score above the published threshold.
    Scored { probability_late: f64, reason: String },
    /// A delivery attempt failed.
    FailedAttempt,
    /// Supply fell short of what it needs.
    Supply {
        why: Shortage,
        /// The stock or resource.
        what: String,
        /// When it will be covered, where that is known.
        covered_at: Option<Time>,
    },
    /// Handed over so late that it may not be there in time.
    LeftLate,
    /// On its way for longer than most.
    SlowDelivery,
    /// The plan itself leaves less than the threshold asks.
    TightPlan,
}

impl RiskReason {
    /// Every name that a reason may have.
    pub const NAMES: [&'static str; 10] = [
        "not_handed_over",
        "scored",
        "failed_attempt",
        "supply_stock",
        "supply_late_receipt",
        "supply_quality",
        "supply_downtime",
        "left_late",
        "slow_delivery",
        "tight_plan",
    ];

    pub fn name(&self) -> &'static str {
        match self {
            RiskReason::NotHandedOver => "not_handed_over",
            RiskReason::Scored { .. } => "scored",
            RiskReason::FailedAttempt => "failed_attempt",
            RiskReason::Supply { why, .. } => match why {
                Shortage::Stock => "supply_stock",
                Shortage::LateReceipt => "supply_late_receipt",
                Shortage::Quality => "supply_quality",
                Shortage::Downtime => "supply_downtime",
            },
            RiskReason::LeftLate => "left_late",
            RiskReason::SlowDelivery => "slow_delivery",
            RiskReason::TightPlan => "tight_plan",
        }
    }
}
