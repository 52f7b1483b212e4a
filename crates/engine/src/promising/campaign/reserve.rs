//! What has to be set aside for a campaign.

use std::collections::BTreeMap;

use model::time::{end_of_day, zone_or_utc};
use model::{CampaignReservation, Quantity, Slot, SupplyName, Time};

use super::{Ground, Outcome};
use crate::supply::{Resource, Stock};

/// The beginning of the ids of a campaign's reservations.
fn id_of(campaign: &str, n: usize) -> String {
    format!("campaign:{campaign}/{n}")
}

/// What must be reserved so that nobody else takes what a campaign's orders need, from now until `until`.
///
/// Of stock, what there is at once from the start, and what has to come from when it does. Of a resource, what its
/// orders take on each day, spread over that day's slots: they come all day long.
pub fn reservations(
    ground: &Ground<'_>,
    outcome: &Outcome,
    campaign: &str,
    class: &str,
    time_zone: &str,
    until: Time,
) -> Vec<CampaignReservation> {
    let mut all = Vec::new();
    for (name, takes) in &outcome.takes {
        let Some(of) = outcome.of.get(name) else { continue };
        let last = takes.keys().next_back().map_or(until, |last| last.plus_micros(1)).max(until);
        let parts = match name {
            SupplyName::Stock { item, place } => match ground.supply.stock(item, place) {
                Some(stock) => of_stock(ground, stock, takes, class, last),
                None => Vec::new(),
            },
            SupplyName::Resource(resource) => match ground.supply.resource(resource) {
                Some(resource) => of_resource(ground, resource, takes, class, time_zone),
                None => Vec::new(),
            },
            SupplyName::Item(_) => Vec::new(),
        };
        for (n, (quantity, from, until)) in parts.into_iter().enumerate() {
            let (name, reservation) = (name.clone(), id_of(campaign, n));
            all.push(CampaignReservation { of: *of, name, reservation, quantity, from, until });
        }
    }
    all
}

/// (quantity, from, until)
type Parts = Vec<(Quantity, Time, Time)>;

fn of_stock(
    ground: &Ground<'_>,
    stock: &Stock,
    takes: &BTreeMap<Time, Quantity>,
    class: &str,
    until: Time,
) -> Parts {
    let (classes, now) = (&ground.rules.classes, ground.now);
    let wanted: Quantity = takes.values().copied().sum();
    let mut parts = Parts::new();
    let mut reserved = Quantity::ZERO;
    for at in takes.keys() {
        let there = stock.available(*at, class, classes, now, None);
        let part = wanted.min(there) - reserved;
        if part.is_positive() {
            parts.push((part, *at, until));
            reserved += part;
        }
    }
    parts
}

fn of_resource(
    ground: &Ground<'_>,
    resource: &Resource,
    takes: &BTreeMap<Time, Quantity>,
    class: &str,
    time_zone: &str,
) -> Parts {
    let zone = zone_or_utc(time_zone);
    let mut by_day: BTreeMap<Time, (Time, Quantity)> = BTreeMap::new();
    for (start, units) in takes {
        let day = by_day.entry(end_of_day(*start, &zone)).or_insert((*start, Quantity::ZERO));
        day.1 += *units;
    }
    let mut parts: Parts = Vec::new();
    for (ends, (first, units)) in by_day {
        // Slots of that day from its beginning on, or from now.
        let midnight = end_of_day(first.plus_micros(-86_400_000_000), &zone).plus_micros(1);
        let slots: Vec<Slot> = resource
            .slots(midnight.max(ground.now), ends)
            .filter(|slot| {
                slot.start >= midnight && slot.start <= ends && slot.start >= ground.now.min(first)
            })
            .collect();
        let free = |slot: &Slot| {
            resource.free(slot, class, &ground.rules.classes, ground.now, None).max(Quantity::ZERO)
        };
        let level = level_of(&slots.iter().map(free).collect::<Vec<_>>(), units);
        for slot in &slots {
            let part = free(slot).min(level);
            if !part.is_positive() {
                continue;
            }
            match parts.last_mut() {
                // One reservation for slots that follow each other with as much in each.
                Some((quantity, _, until)) if *quantity == part && *until == slot.start => *until = slot.end,
                _ => parts.push((part, slot.start, slot.end)),
            }
        }
    }
    parts
}

/// The least level up to which slots with so much room must be filled so that `units` find a place: whole units where
/// there is room for them.
fn level_of(free: &[Quantity], units: Quantity) -> Quantity {
    let holds = |level: Quantity| free.iter().map(|free| (*free).min(level)).sum::<Quantity>() >= units;
    let most = free.iter().copied().max().unwrap_or_default();
    let (mut low, mut high) = (0, most.0 / Quantity::ONE.0 + 1);
    while low < high {
        let middle = low + (high - low) / 2;
        match holds(Quantity::units(middle)) {
            true => high = middle,
            false => low = middle + 1,
        }
    }
    Quantity::units(low).min(most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_filled_evenly_in_whole_units() {
        let units = |all: &[i64]| all.iter().map(|n| Quantity::units(*n)).collect::<Vec<_>>();
        assert_eq!(level_of(&units(&[10, 10, 10]), Quantity::units(12)), Quantity::units(4));
        // One that is nearly full leaves more to the others.
        assert_eq!(level_of(&units(&[1, 10, 10]), Quantity::units(12)), Quantity::units(6));
        assert_eq!(level_of(&units(&[2, 2]), Quantity::units(9)), Quantity::units(2));
        assert_eq!(level_of(&[], Quantity::units(9)), Quantity::ZERO);
    }
}
