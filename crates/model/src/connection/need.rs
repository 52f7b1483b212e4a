//! A need, from its beginning to what was learnt of it.

use serde::{Deserialize, Serialize};

use crate::connection::preference::Strategy;
use crate::time::Time;

/// Who noticed it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NeedOrigin {
    /// The customer said so.
    Stated,
    /// A device did.
    Reported,
    /// A forecast did.
    Predicted,
}

impl NeedOrigin {
    pub const ALL: [NeedOrigin; 3] = [NeedOrigin::Stated, NeedOrigin::Reported, NeedOrigin::Predicted];

    pub fn name(self) -> &'static str {
        match self {
            NeedOrigin::Stated => "stated",
            NeedOrigin::Reported => "reported",
            NeedOrigin::Predicted => "predicted",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|origin| origin.name() == name)
    }
}

/// Where a need is. `Recognized → Requested → Promised → Met → Learned`, or `Lapsed`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NeedStage {
    /// It is known (stage *recognize*).
    Recognized,
    /// Something definite is asked for: a choice, an order, a delegated order (stage *request*).
    Requested,
    /// An order with a promise answers it (stage *fulfill*).
    Promised,
    /// The customer has what they need.
    Met,
    /// What it taught is part of the next forecast and choice (stage *repeat*).
    Learned,
    /// It went without our answer: met elsewhere, called off, or no need after all.
    Lapsed,
}

impl NeedStage {
    pub const ALL: [NeedStage; 6] = [
        NeedStage::Recognized,
        NeedStage::Requested,
        NeedStage::Promised,
        NeedStage::Met,
        NeedStage::Learned,
        NeedStage::Lapsed,
    ];

    pub fn name(self) -> &'static str {
        match self {
            NeedStage::Recognized => "recognized",
            NeedStage::Requested => "requested",
            NeedStage::Promised => "promised",
            NeedStage::Met => "met",
            NeedStage::Learned => "learned",
            NeedStage::Lapsed => "lapsed",
        }
    }

    pub fn is_open(self) -> bool {
        matches!(self, NeedStage::Recognized | NeedStage::Requested | NeedStage::Promised)
    }
}

/// What a need is about.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Serialize, Deserialize)]
pub struct Subject {
    pub device_id: Option<String>,
    pub slot: Option<String>,
    /// What was asked for by name.
    pub item_id: Option<String>,
}

/// Something that the company went by.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Evidence {
    /// Such as `slot.level_reported`, `forecast`, `order.placed`.
    pub what: String,
    pub at: Time,
    /// What it said, as a short text.
    pub value: String,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Need {
    pub need_id: String,
    pub category: String,
    pub subject: Subject,
    pub origin: NeedOrigin,
    /// The rule of the playbook that noticed it.
    pub rule: String,
    pub playbook: String,
    /// The version that it began with and keeps.
    pub version: u32,
    /// The arm of the playbook's experiment that it runs in, where there is one.
    pub arm: Option<String>,
    /// That it is one, 0 to 1.
    pub confidence: f64,
    pub evidence: Vec<Evidence>,
    /// When it begins to be felt: in the past for what was noticed late, in the future for what is foreseen.
    pub arose_at: Time,
    pub known_at: Time,
    /// The strategy that is followed, and why it is not the chosen one where it is not.
    pub strategy: Strategy,
    pub instead: Option<String>,
}

/// What stands between a need and its answer.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FrictionKind {
    /// Looking for the right thing.
    Search,
    /// Not knowing whether it fits.
    Doubt,
    /// It is not there.
    StockOut,
    /// Standing in a queue, waiting for a delivery.
    Wait,
    /// Only to be had with something that nobody asked for.
    ForcedBundle,
    /// Going there and back.
    Trip,
}

impl FrictionKind {
    pub const ALL: [FrictionKind; 6] = [
        FrictionKind::Search,
        FrictionKind::Doubt,
        FrictionKind::StockOut,
        FrictionKind::Wait,
        FrictionKind::ForcedBundle,
        FrictionKind::Trip,
    ];

    pub fn name(self) -> &'static str {
        match self {
            FrictionKind::Search => "search",
            FrictionKind::Doubt => "doubt",
            FrictionKind::StockOut => "stock_out",
            FrictionKind::Wait => "wait",
            FrictionKind::ForcedBundle => "forced_bundle",
            FrictionKind::Trip => "trip",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// The stage in which it is met.
    pub fn stage(self) -> NeedStage {
        match self {
            FrictionKind::Search | FrictionKind::Doubt => NeedStage::Requested,
            FrictionKind::StockOut | FrictionKind::Wait | FrictionKind::ForcedBundle | FrictionKind::Trip => {
                NeedStage::Promised
            }
        }
    }

    /// The least intrusive strategy that takes it away.
    pub fn remedy(self) -> Strategy {
        match self {
            FrictionKind::StockOut | FrictionKind::Wait | FrictionKind::Trip => Strategy::Respond,
            FrictionKind::Search | FrictionKind::Doubt | FrictionKind::ForcedBundle => Strategy::Curate,
        }
    }
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Friction {
    pub kind: FrictionKind,
    pub at: Time,
    /// What it cost the customer, where that is known.
    pub minutes: Option<f64>,
}
