//! Which commitments supply covers. Nothing is held to be covered that is not: after supply falls, what there is
//! goes by priority, then by when it is due, and whoever is left out is told.

use std::collections::BTreeMap;

use model::supply::Shortage;
use model::{HoldId, Quantity, Time};

use super::{Held, Resource, Short, Stock};

/// The commitments that are short, with when they will be covered.
pub(super) type Uncovered = BTreeMap<HoldId, Option<Time>>;

/// Those who are served first.
fn in_order<'a>(committed: impl Iterator<Item = (&'a HoldId, &'a Held)>) -> Vec<(&'a HoldId, &'a Held)> {
    let mut all: Vec<_> = committed.collect();
    all.sort_by_key(|(id, held)| (held.take.priority(), held.take.due(), **id));
    all
}

impl Stock {
    pub(super) fn uncovered(&self, now: Time) -> Uncovered {
        // (instant, level from then on), commitments taken off one by one.
        let perished: Quantity = self.lots.range(..=now).map(|(_, lot)| *lot).sum();
        let there = self.on_hand - perished;
        let mut level = there;
        let mut levels: Vec<(Time, Quantity)> = vec![(now, level)];
        let mut receipts: Vec<_> = self.receipts.values().filter(|receipt| receipt.due >= now).collect();
        receipts.sort_by_key(|receipt| receipt.due);
        for receipt in receipts {
            level += receipt.quantity;
            levels.push((receipt.due, level));
        }
        let wanted: Quantity = self.ledger.committed().map(|(_, held)| held.left()).sum();
        if wanted <= there {
            return Uncovered::new();
        }
        let mut uncovered = Uncovered::new();
        for (id, held) in in_order(self.ledger.committed()) {
            let (due, quantity) = (held.take.due().max(now), held.left());
            let at = |levels: &[(Time, Quantity)], from: Time| {
                let first = levels.partition_point(|(known, _)| *known <= from).saturating_sub(1);
                levels[first..].iter().map(|(_, level)| *level).min().unwrap_or(Quantity::ZERO)
            };
            let instants = levels.iter().map(|(known, _)| (*known).max(due));
            let Some(covered_at) = instants.clone().find(|instant| at(&levels, *instant) >= quantity) else {
                uncovered.insert(*id, None);
                continue;
            };
            if covered_at > due {
                uncovered.insert(*id, Some(covered_at));
            }
            let split = levels.partition_point(|(known, _)| *known < covered_at);
            if levels.get(split).is_none_or(|(known, _)| *known != covered_at) {
                let before = levels[split.saturating_sub(1)].1;
                levels.insert(split, (covered_at, before));
            }
            for (_, level) in &mut levels[split..] {
                *level -= quantity;
            }
        }
        uncovered
    }
}

impl Resource {
    pub(super) fn uncovered(&self) -> Uncovered {
        let mut uncovered = Uncovered::new();
        for (start, booked) in &self.booked {
            let committed = booked.holds.iter().filter_map(|id| Some((id, self.ledger.held().get(id)?)));
            let committed = committed.filter(|(_, held)| held.is_committed());
            let mut free = self.slot_at(*start).map_or(Quantity::ZERO, |slot| self.capacity(&slot));
            for (id, held) in in_order(committed) {
                if held.left() > free {
                    uncovered.insert(*id, None);
                } else {
                    free -= held.left();
                }
            }
        }
        uncovered
    }
}

/// What has to be told: who is short now or differently, and who is not any more.
pub(super) fn changes<'a>(
    committed: impl Iterator<Item = (&'a HoldId, &'a Held)>,
    uncovered: &Uncovered,
    why: Shortage,
) -> Vec<(HoldId, Option<Short>)> {
    let mut changes = Vec::new();
    for (id, held) in committed {
        let is = uncovered.get(id).copied();
        match (held.short, is) {
            (Some(_), None) => changes.push((*id, None)),
            (None, Some(covered_at)) => changes.push((*id, Some(Short { covered_at, why }))),
            (Some(was), Some(covered_at)) if was.covered_at != covered_at => {
                changes.push((*id, Some(Short { covered_at, why: was.why })));
            }
            _ => {}
        }
    }
    changes
}
