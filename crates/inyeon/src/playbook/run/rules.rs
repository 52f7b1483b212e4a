//! What the company of a scenario publishes: how promises are made, and its playbooks.

use engine::Reference;
use engine::playbook::Playbook;
use engine::promising::{Lane, OrderRules, Owners, Place, Rules};
use learn::Quantiles;
use model::{Currency, Money};
use world::living::{CURRENCY, Living, PLACE, REGION, TIME_ZONE};

use crate::error::Failure;
use crate::in_memory::{failed, other};

/// The probability with which promises are to be kept, where a playbook says nothing else.
const SERVICE_TARGET: f64 = 0.95;
/// Above this probability of being late a promise is at risk.
const AT_RISK: f64 = 0.5;
/// From the order until it can leave, as in the world.
const HANDLING_MINUTES: u32 = 120;
/// Past journeys of each lane that are known, and the points by which they are told.
const JOURNEYS: usize = 1_000;
const POINTS: usize = 200;

pub(super) fn won(minor: i64) -> Result<Money, Failure> {
    let currency = Currency::new(CURRENCY).ok_or_else(|| failed(CURRENCY.to_owned()))?;
    Ok(Money { minor, currency })
}

pub(super) fn reference(living: &Living, playbooks: &[Playbook]) -> Result<Reference, Failure> {
    let place = Place { handling_minutes: HANDLING_MINUTES, ..Place::default() };
    let mut promising = Rules {
        time_zone: TIME_ZONE.to_owned(),
        service_target: SERVICE_TARGET,
        horizon_days: 30,
        owners: Owners { marketing: Some("crm".to_owned()), operations: Some("depot".to_owned()) },
        orders: OrderRules { undo_minutes: 10, ..OrderRules::default() },
        ..Rules::default()
    };
    promising.places.insert(PLACE.to_owned(), place);
    for lane in living.lanes(JOURNEYS) {
        promising.lanes.push(Lane {
            from: PLACE.to_owned(),
            to: REGION.to_owned(),
            service: lane.service.to_owned(),
            slots: lane.slots.map(str::to_owned),
            hours: Quantiles::of_sample(&lane.journeys, POINTS).map_err(other)?,
            cost: Some(won(lane.cost)?),
            whole_days: lane.whole_days,
        });
    }
    let mut reference =
        Reference { version: 1, at_risk_threshold: AT_RISK, promising, ..Reference::default() };
    for playbook in playbooks {
        reference.playbooks.publish(playbook.clone());
    }
    reference.check().map_err(other)?;
    Ok(reference)
}

/// A playbook as it is shipped, for what this world sells: nobody is in an experiment of its own besides the arms.
pub(super) fn shipped(yaml: &str, category: &str, items: &[&str]) -> Result<Playbook, Failure> {
    let mut playbook: Playbook = serde_saphyr::from_str(yaml).map_err(other)?;
    category.clone_into(&mut playbook.category);
    playbook.offer.items = items.iter().map(|item| (*item).to_owned()).collect();
    playbook.experiment = None;
    if let Some(coach) = &mut playbook.strategies.coach {
        coach.send_probability = 1.0;
    }
    Ok(playbook)
}
