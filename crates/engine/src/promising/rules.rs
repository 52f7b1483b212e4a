//! How promises are made: places, lanes, allocation classes and targets, published as one document.

use std::collections::{BTreeMap, BTreeSet};

use learn::Quantiles;
use model::{Money, Quantity};
use serde::{Deserialize, Serialize};

use crate::supply::Classes;

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rules {
    /// In which dates are said to who has no zone of their own.
    pub time_zone: String,
    /// How long a quote holds.
    pub quote_minutes: u32,
    /// The probability with which promises are to be kept.
    pub service_target: f64,
    /// How far ahead is looked.
    pub horizon_days: u32,
    /// How long after its date a promise still counts as kept.
    pub tolerance_minutes: u32,
    /// Allocation classes, from the one that is served first.
    pub classes: Classes,
    pub owners: Owners,
    /// The least margin, as a share of the price, that an offer must leave.
    pub margin_floor: Option<f64>,
    pub places: BTreeMap<String, Place>,
    pub lanes: Vec<Lane>,
    /// When the lanes' hours were last learnt from what the store holds (RFC 3339).
    pub learnt_until: Option<String>,
}

/// Who answers for a promise.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Owners {
    pub marketing: Option<String>,
    pub operations: Option<String>,
}

/// Where goods are kept.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Place {
    /// From the order until picking can begin.
    pub handling_minutes: u32,
    /// The resource that picks and packs; not limited where there is none.
    pub work: Option<String>,
    /// What one parcel takes of it; 1 where nothing is said.
    pub work_units: Option<Quantity>,
}

/// A way from a place to where customers are.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lane {
    pub from: String,
    /// A region, its beginning before a `*`, or `*` for everywhere.
    pub to: String,
    #[serde(default = "standard")]
    pub service: String,
    /// The resource whose slots take parcels away; at any time where there is none.
    #[serde(default)]
    pub slots: Option<String>,
    /// Hours from the hand-over to the customer, by their quantiles.
    pub hours: Quantiles,
    /// What one parcel costs us.
    #[serde(default)]
    pub cost: Option<Money>,
    /// Promised to the end of a day, not to an instant.
    #[serde(default = "yes")]
    pub whole_days: bool,
}

fn standard() -> String {
    "standard".to_owned()
}

fn yes() -> bool {
    true
}

impl Default for Rules {
    /// What holds until something is published: nothing can be promised, for there are no lanes.
    fn default() -> Self {
        Rules {
            time_zone: "UTC".to_owned(),
            quote_minutes: 15,
            service_target: 0.9,
            horizon_days: 60,
            tolerance_minutes: 0,
            classes: Classes::default(),
            owners: Owners::default(),
            margin_floor: None,
            places: BTreeMap::new(),
            lanes: Vec::new(),
            learnt_until: None,
        }
    }
}

/// What is wrong with a document.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum RulesError {
    #[error("time_zone: {0}")]
    Zone(#[from] model::time::DueError),
    #[error("{field} is {value}; it must be {expected}")]
    Range { field: &'static str, value: String, expected: &'static str },
    #[error("classes: `{0}` is named twice")]
    Class(String),
    #[error("lanes[{at}].from: `{place}` is not among the places")]
    Place { at: usize, place: String },
    #[error("lanes[{0}].hours: hours are negative")]
    Hours(usize),
    #[error("lanes[{0}].to is empty; `*` means everywhere")]
    To(usize),
}

impl Rules {
    pub fn check(&self) -> Result<(), RulesError> {
        model::time::zone(&self.time_zone)?;
        let range = |fine: bool, field, value: String, expected| match fine {
            true => Ok(()),
            false => Err(RulesError::Range { field, value, expected }),
        };
        let minutes = self.quote_minutes;
        range((1..=43_200).contains(&minutes), "quote_minutes", minutes.to_string(), "1 to 43200 (30 days)")?;
        let target = self.service_target;
        let fine = target > 0.0 && target < 1.0;
        range(fine, "service_target", target.to_string(), "a probability between 0 and 1")?;
        let days = self.horizon_days;
        range((1..=366).contains(&days), "horizon_days", days.to_string(), "1 to 366")?;
        let tolerance = self.tolerance_minutes;
        range(tolerance <= 43_200, "tolerance_minutes", tolerance.to_string(), "at most 43200 (30 days)")?;
        if let Some(floor) = self.margin_floor {
            range((-1.0..1.0).contains(&floor), "margin_floor", floor.to_string(), "a share below 1")?;
        }
        let mut classes = BTreeSet::new();
        if let Some(twice) = self.classes.0.iter().find(|class| !classes.insert(*class)) {
            return Err(RulesError::Class(twice.clone()));
        }
        for (at, lane) in self.lanes.iter().enumerate() {
            if !self.places.contains_key(&lane.from) {
                return Err(RulesError::Place { at, place: lane.from.clone() });
            }
            if lane.to.trim().is_empty() {
                return Err(RulesError::To(at));
            }
            if lane.hours.points().iter().any(|(_, hours)| *hours < 0.0) {
                return Err(RulesError::Hours(at));
            }
        }
        Ok(())
    }

    /// The lanes that lead to a region. Of those from one place by one service, the one that names it most closely.
    pub fn lanes_to(&self, region: &str, service: Option<&str>) -> Vec<&Lane> {
        let mut best: BTreeMap<(&str, &str), &Lane> = BTreeMap::new();
        for lane in &self.lanes {
            let wanted = service.is_none_or(|service| lane.service == service);
            if !wanted || !lane.leads_to(region) {
                continue;
            }
            let known = best.entry((&lane.from, &lane.service)).or_insert(lane);
            if lane.closeness() > known.closeness() {
                *known = lane;
            }
        }
        best.into_values().collect()
    }
}

impl Lane {
    fn leads_to(&self, region: &str) -> bool {
        match self.to.strip_suffix('*') {
            Some(beginning) => region.starts_with(beginning),
            None => self.to == region,
        }
    }

    fn closeness(&self) -> usize {
        match self.to.strip_suffix('*') {
            Some(beginning) => beginning.len(),
            None => usize::MAX,
        }
    }
}
