//! What the trial's operator publishes: how promises are made.

use engine::Reference;
use engine::promising::{Lane, Owners, Place, Rules};
use learn::Quantiles;
use model::{Currency, Money};
use world::depot::{Depot, KnownLane, TIME_ZONE};

use crate::error::Failure;
use crate::in_memory::{failed, other};

/// The probability with which promises are to be kept.
pub(super) const SERVICE_TARGET: f64 = 0.95;
/// Above this probability of being late a promise is at risk.
pub(super) const AT_RISK: f64 = 0.5;
/// From the order until picking can begin.
const HANDLING_MINUTES: u32 = 30;
/// Past journeys of each lane that are known.
pub(super) const JOURNEYS: usize = 1_000;
/// Points by which a lane's past journeys are told.
const POINTS: usize = 200;

/// Places, lanes with the times that past journeys took, and targets.
pub(super) fn reference_of(lanes: &[KnownLane]) -> Result<Reference, Failure> {
    let currency = Currency::new("KRW").ok_or_else(|| failed("KRW".to_owned()))?;
    let mut rules = Rules {
        time_zone: TIME_ZONE.to_owned(),
        service_target: SERVICE_TARGET,
        horizon_days: 21,
        owners: Owners { marketing: Some("storefront".to_owned()), operations: Some("depot".to_owned()) },
        ..Rules::default()
    };
    for lane in lanes {
        let work = Depot::line_of(lane.from).map(str::to_owned);
        let place = Place { handling_minutes: HANDLING_MINUTES, work, work_units: None };
        rules.places.insert(lane.from.to_owned(), place);
        rules.lanes.push(Lane {
            from: lane.from.to_owned(),
            to: lane.to.to_owned(),
            service: lane.service.to_owned(),
            slots: None,
            hours: Quantiles::of_sample(&lane.journeys, POINTS).map_err(other)?,
            cost: Some(Money { minor: lane.cost, currency }),
            whole_days: true,
        });
    }
    let reference =
        Reference { version: 1, at_risk_threshold: AT_RISK, promising: rules, ..Reference::default() };
    reference.check().map_err(other)?;
    Ok(reference)
}
