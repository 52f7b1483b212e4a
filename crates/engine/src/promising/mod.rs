//! What can be promised: a request, the supply that there is, and an answer with its reasons. Reads and decides
//! nothing; who is promised something holds it by the commands that an [`Offer`] turns into.

pub mod campaign;
mod odds;
mod plan;
mod remedy;
mod rules;
mod supplies;

use model::{Basis, Money, Need, Parcel, Quantity, Time};
use serde::{Deserialize, Serialize};

pub use self::odds::{Leg, Odds};
pub use self::plan::{Planner, plan};
pub use self::remedy::{Proposal, Troubled, propose};
pub use self::rules::{Compensation, Lane, Owners, Place, RemedyRules, Rules, RulesError};
pub use self::supplies::{StockAt, Supplies};

/// What somebody wants.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Inquiry {
    pub lines: Vec<WantedLine>,
    /// Where it is to go; lanes say which places reach it.
    #[serde(default)]
    pub to: String,
    /// The allocation class that asks.
    #[serde(default)]
    pub class: String,
    /// Lower is served first where supply falls short later.
    #[serde(default)]
    pub priority: u32,
    /// By when it is wanted: it is planned backward from there, and forward where that is not possible.
    #[serde(default)]
    pub wanted: Option<Time>,
    /// All of it from one place.
    #[serde(default)]
    pub together: bool,
    /// What there is, where there is not all of it.
    #[serde(default)]
    pub partial: bool,
    /// The delivery service; any where none is named.
    #[serde(default)]
    pub service: Option<String>,
    /// IANA name of the zone in which the customer reads dates.
    #[serde(default)]
    pub time_zone: Option<String>,
    /// The probability with which the promise is to be kept, where it is not the rules'.
    #[serde(default)]
    pub target: Option<f64>,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WantedLine {
    pub item_id: String,
    #[serde(default = "one")]
    pub quantity: Quantity,
    /// For one unit, where it is not the catalogue's.
    #[serde(default)]
    pub price: Option<Money>,
}

fn one() -> Quantity {
    Quantity::ONE
}

/// What can be done about a request.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Answer {
    /// None where nothing can be promised within the horizon.
    pub offer: Option<Offer>,
    /// What stands in the way of more or earlier: the first is what binds.
    pub binding: Vec<Binding>,
    /// What may stand in for what cannot be had, or not by when it is wanted: (item, substitute).
    pub substitutes: Vec<(String, String)>,
}

/// A feasible promise.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Offer {
    /// What it promises of each item; less than was asked only where part of it would do.
    pub lines: Vec<OfferLine>,
    pub needs: Vec<Need>,
    pub parcels: Vec<Parcel>,
    /// When the last of it is there.
    pub due_at: Time,
    pub hand_over_by: Time,
    /// That all of it is there by `due_at`.
    pub probability: f64,
    pub basis: Basis,
    /// Of everything, to the customer, where each item has a price in one currency.
    pub total: Option<Money>,
    /// `total` less the items' cost and the deliveries'.
    pub margin: Option<Money>,
}

#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct OfferLine {
    pub item_id: String,
    pub wanted: Quantity,
    pub quantity: Quantity,
    pub price: Option<Money>,
}

/// What stands in the way.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
#[serde(tag = "constraint", rename_all = "snake_case")]
pub enum Binding {
    UnknownItem {
        item_id: String,
    },
    Retired {
        item_id: String,
    },
    /// Nobody keeps it.
    NotKept {
        item_id: String,
    },
    /// No lane leads from where it is kept to where it is wanted.
    NoLane {
        to: String,
    },
    /// Not enough of it; `from` says when there will be.
    Stock {
        item_id: String,
        place: String,
        available: Quantity,
        from: Option<Time>,
    },
    /// There is enough, and it is reserved for others.
    Reserved {
        item_id: String,
        place: String,
        class: String,
    },
    /// The slots that begin then are full.
    Capacity {
        resource: String,
        full: Time,
    },
    /// The resource is not known, or never works within the horizon.
    NoCapacity {
        resource: String,
    },
    /// Below the margin that must be left.
    Margin {
        item_id: String,
    },
}

impl Binding {
    pub fn code(&self) -> &'static str {
        match self {
            Binding::UnknownItem { .. } => "unknown_item",
            Binding::Retired { .. } => "retired",
            Binding::NotKept { .. } => "not_kept",
            Binding::NoLane { .. } => "no_lane",
            Binding::Stock { .. } => "stock",
            Binding::Reserved { .. } => "reserved",
            Binding::Capacity { .. } => "capacity",
            Binding::NoCapacity { .. } => "no_capacity",
            Binding::Margin { .. } => "margin",
        }
    }

    /// Itself, what it is about and when, as a promise keeps its reasons.
    pub fn reason(&self) -> String {
        let code = self.code();
        match self {
            Binding::UnknownItem { item_id }
            | Binding::Retired { item_id }
            | Binding::NotKept { item_id } => {
                format!("{code}:{item_id}")
            }
            Binding::NoLane { to } => format!("{code}:{to}"),
            Binding::Stock { item_id, place, from: Some(from), .. } => {
                format!("{code}:{item_id}@{place}:{from}")
            }
            Binding::Stock { item_id, place, from: None, .. } => format!("{code}:{item_id}@{place}"),
            Binding::Reserved { item_id, place, class } => format!("{code}:{item_id}@{place}:{class}"),
            Binding::Capacity { resource, full } => format!("{code}:{resource}:{full}"),
            Binding::NoCapacity { resource } => format!("{code}:{resource}"),
            Binding::Margin { item_id } => format!("{code}:{item_id}"),
        }
    }
}
