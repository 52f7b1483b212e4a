//! Where a line comes from at a place: its stock, or the work that makes it.

use model::supply::CapacityUse;
use model::{Basis, Need, Quantity, SupplyName, Take, Time};

use super::slots::Picked;
use super::{Asking, Planner, Sourced};
use crate::promising::Binding;

impl<'a> Planner<'a> {
    /// Where one line comes from at a place: from stock, or made there where that is earlier.
    pub(super) fn source(
        &mut self,
        item: &'a str,
        quantity: Quantity,
        place: &str,
        start: Time,
        asking: &Asking<'_>,
        binding: &mut Vec<Binding>,
    ) -> Option<Sourced> {
        let stocked = self.stocked(item, quantity, place, start, asking, binding);
        if stocked.as_ref().is_some_and(|line| line.ready <= start) {
            return stocked;
        }
        let made = self.made(item, quantity, place, start, asking, binding);
        match (stocked, made) {
            (Some(stocked), Some(made)) if made.ready < stocked.ready => Some(made),
            (None, made) => made,
            (stocked, _) => stocked,
        }
    }

    fn stocked(
        &self,
        item: &str,
        quantity: Quantity,
        place: &str,
        start: Time,
        asking: &Asking<'_>,
        binding: &mut Vec<Binding>,
    ) -> Option<Sourced> {
        let at = self.supplies.stock(item, place)?;
        let (rules, now) = (self.rules, self.now);
        let taken = self.stock_taken.get(&at.id).copied().unwrap_or_default();
        let replaces = self.replaced.get(&at.id).copied();
        let earliest = |class: &str| {
            at.stock.earliest(quantity + taken, start, class, &rules.classes, now, replaces.as_ref())
        };
        let ready = earliest(asking.class).filter(|ready| *ready <= asking.until);
        if ready.is_none_or(|ready| ready > start) {
            let available = at.stock.available(start, asking.class, &rules.classes, now, replaces.as_ref());
            let available = (available - taken).max(Quantity::ZERO);
            // Whoever is served first would get it: then it is not the stock that is short.
            let reserved = rules.classes.0.first().is_some_and(|first| {
                first != asking.class
                    && earliest(first).is_some_and(|theirs| ready.is_none_or(|r| theirs < r))
            });
            let (item_id, place) = (item.to_owned(), place.to_owned());
            binding.push(if reserved {
                Binding::Reserved { item_id, place, class: asking.class.to_owned() }
            } else {
                Binding::Stock { item_id, place, available, from: ready }
            });
        }
        let take =
            Take::Stock { quantity, due: ready?, class: asking.class.to_owned(), priority: asking.priority };
        let name = SupplyName::Stock { item: item.to_owned(), place: place.to_owned() };
        let needs = vec![Need { of: at.id, name, take, replaces }];
        Some(Sourced { needs, ready: ready?, basis: Basis::Atp })
    }

    /// Made at a place: as soon as its material is there and there is capacity for it.
    fn made(
        &mut self,
        item: &str,
        quantity: Quantity,
        place: &str,
        start: Time,
        asking: &Asking<'_>,
        binding: &mut Vec<Binding>,
    ) -> Option<Sourced> {
        let mark = self.tentative.len();
        let made = self.try_made(item, quantity, place, start, asking, binding);
        self.roll_back(mark);
        made
    }

    fn try_made(
        &mut self,
        item: &str,
        quantity: Quantity,
        place: &str,
        start: Time,
        asking: &Asking<'_>,
        binding: &mut Vec<Binding>,
    ) -> Option<Sourced> {
        let recipe = self.supplies.item(item)?.recipe.as_ref()?;
        let mut needs = Vec::new();
        let mut begins = start;
        for part in &recipe.of {
            let wanted = part.quantity.times(quantity);
            if self.supplies.stock(&part.item_id, place).is_none() {
                binding.push(Binding::NotKept { item_id: part.item_id.clone() });
            }
            let line = self.stocked(&part.item_id, wanted, place, start, asking, binding)?;
            begins = begins.max(line.ready);
            for need in line.needs {
                self.tentatively(need.clone());
                needs.push(need);
            }
        }
        let mut ends = begins;
        let mut first = None;
        for CapacityUse { resource, units } in &recipe.with {
            let (id, known) = self.known_resource(resource, binding)?;
            let mut wanted = units.times(quantity);
            let mut full = None;
            for slot in known.slots(begins, asking.until) {
                let free = self.free(id, known, &slot, asking).min(wanted);
                if !free.is_positive() {
                    full = full.or(Some(slot.start));
                    continue;
                }
                let picked = Picked { id, name: resource, slot, units: free };
                let need = picked.need(asking, self.replaced.get(&id).copied());
                self.tentatively(need.clone());
                needs.push(need);
                first = Some(first.map_or(slot.start, |first: Time| first.min(slot.start)));
                ends = ends.max(slot.end);
                wanted -= free;
                if !wanted.is_positive() {
                    break;
                }
            }
            binding.extend(full.map(|full| Binding::Capacity { resource: resource.clone(), full }));
            if wanted.is_positive() {
                binding.push(Binding::NoCapacity { resource: resource.clone() });
                return None;
            }
        }
        // Its material leaves the shelf when the work begins.
        let material = first.unwrap_or(begins).max(begins);
        for need in &mut needs {
            if let Take::Stock { due, .. } = &mut need.take {
                *due = material;
            }
        }
        let ready = ends.plus_micros(i64::from(recipe.then_minutes) * 60_000_000);
        (ready <= asking.until).then_some(Sourced { needs, ready, basis: Basis::Ctp })
    }
}
