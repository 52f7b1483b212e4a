//! How promises are made: places, lanes, allocation classes and targets, published as one document.

use std::collections::{BTreeMap, BTreeSet};

use learn::Quantiles;
use model::{Money, Quantity, RiskReason};
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
    /// What is done for promises at risk.
    pub remedies: RemedyRules,
}

/// What is done for promises at risk, and who does it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RemedyRules {
    /// What is given to a customer for the trouble; nothing where there is none.
    pub compensation: Option<Compensation>,
    /// Who works on a promise at risk, by its cause ([`RiskReason::NAMES`]); the promise's own owner of operations for
    /// the others.
    pub owners: BTreeMap<String, String>,
    /// What of an order's worth is saved when it is kept by a new date and not by the one that was said: 0 to 1.
    pub moved_date_value: f64,
}

/// What is given for the trouble.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Compensation {
    Amount(Money),
    /// Of the order's total, rounded to the minor unit.
    Share(f64),
}

impl Default for RemedyRules {
    fn default() -> Self {
        RemedyRules { compensation: None, owners: BTreeMap::new(), moved_date_value: 0.5 }
    }
}

impl Compensation {
    /// For an order of this total; none where nothing can be said of it.
    pub fn of(self, total: Option<Money>) -> Option<Money> {
        let given = match self {
            Compensation::Amount(amount) => amount,
            Compensation::Share(share) => {
                let total = total?;
                Money { minor: (total.minor as f64 * share).round() as i64, ..total }
            }
        };
        (given.minor > 0).then_some(given)
    }
}

impl RemedyRules {
    fn check(&self) -> Result<(), RulesError> {
        let range = |field, value: String, expected| Err(RulesError::Range { field, value, expected });
        match self.compensation {
            Some(Compensation::Amount(amount)) if amount.minor <= 0 => {
                return range("remedies.compensation.amount", amount.to_string(), "more than nothing");
            }
            Some(Compensation::Share(share)) if !(share > 0.0 && share <= 1.0) => {
                return range("remedies.compensation.share", share.to_string(), "a share above 0, at most 1");
            }
            _ => {}
        }
        if !(0.0..=1.0).contains(&self.moved_date_value) {
            let value = self.moved_date_value.to_string();
            return range("remedies.moved_date_value", value, "a share from 0 to 1");
        }
        match self.owners.keys().find(|cause| !RiskReason::NAMES.contains(&cause.as_str())) {
            Some(cause) => Err(RulesError::Cause(cause.clone())),
            None => Ok(()),
        }
    }
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
            remedies: RemedyRules::default(),
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
    #[error("remedies.owners: `{0}` is no cause of risk; the causes are {names}", names = RiskReason::NAMES.join(", "))]
    Cause(String),
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
        self.remedies.check()
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
