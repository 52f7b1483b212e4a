//! Room in the slots of resources.

use std::collections::BTreeMap;

use model::{EntityId, HoldId, Need, Quantity, Slot, SupplyName, Take, Time};

use super::{Asking, Begins, Planner};
use crate::promising::Binding;
use crate::supply::Resource;

/// A slot that was found.
pub(super) struct Picked<'n> {
    pub(super) id: EntityId,
    pub(super) name: &'n str,
    pub(super) slot: Slot,
    pub(super) units: Quantity,
}

impl Picked<'_> {
    pub(super) fn need(&self, asking: &Asking<'_>, replaces: Option<HoldId>) -> Need {
        let (class, priority) = (asking.class.to_owned(), asking.priority);
        let take = Take::Slot { slot: self.slot, units: self.units, class, priority };
        Need { of: self.id, name: SupplyName::Resource(self.name.to_owned()), take, replaces }
    }
}

impl<'a> Planner<'a> {
    /// The capacity that services use, once the goods are there: a slot that takes all of it.
    pub(super) fn serve(
        &mut self,
        uses: &BTreeMap<&'a str, Quantity>,
        after: Time,
        asking: &Asking<'_>,
        binding: &mut Vec<Binding>,
    ) -> Option<Vec<Picked<'a>>> {
        let mut services = Vec::new();
        for (name, units) in uses {
            let picked = Some(self.slot(name, *units, after, Begins::After, asking, binding)?);
            self.tentatively_of(&picked, asking);
            services.extend(picked);
        }
        Some(services)
    }

    pub(super) fn known_resource(
        &self,
        name: &str,
        binding: &mut Vec<Binding>,
    ) -> Option<(EntityId, &'a Resource)> {
        let known = self.supplies.resource(name);
        if known.is_none() {
            binding.push(Binding::NoCapacity { resource: name.to_owned() });
        }
        known
    }

    fn has_room(
        &self,
        id: EntityId,
        resource: &Resource,
        slot: &Slot,
        units: Quantity,
        asking: &Asking<'_>,
    ) -> bool {
        let taken = self.slot_taken.get(&(id, slot.start)).copied().unwrap_or_default();
        let but = self.replaced.get(&id);
        resource.has_room(units + taken, slot, asking.class, &self.rules.classes, self.now, but)
    }

    pub(super) fn free(
        &self,
        id: EntityId,
        resource: &Resource,
        slot: &Slot,
        asking: &Asking<'_>,
    ) -> Quantity {
        let taken = self.slot_taken.get(&(id, slot.start)).copied().unwrap_or_default();
        let but = self.replaced.get(&id);
        resource.free(slot, asking.class, &self.rules.classes, self.now, but) - taken
    }

    /// The first slot with room that is not over at `from`.
    pub(super) fn slot<'n>(
        &self,
        name: &'n str,
        units: Quantity,
        from: Time,
        begins: Begins,
        asking: &Asking<'_>,
        binding: &mut Vec<Binding>,
    ) -> Option<Picked<'n>> {
        let (id, resource) = self.known_resource(name, binding)?;
        let mut any = false;
        for slot in resource.slots(from, asking.until) {
            if begins == Begins::After && slot.start < from {
                continue;
            }
            any = true;
            if self.has_room(id, resource, &slot, units, asking) {
                return Some(Picked { id, name, slot, units });
            }
            if !binding.iter().any(|b| matches!(b, Binding::Capacity { resource, .. } if resource == name)) {
                binding.push(Binding::Capacity { resource: name.to_owned(), full: slot.start });
            }
        }
        if !any {
            binding.push(Binding::NoCapacity { resource: name.to_owned() });
        }
        None
    }

    /// The last slot with room that begins at `from` or later and is over by `until`.
    pub(super) fn last_slot<'n>(
        &self,
        name: &'n str,
        units: Quantity,
        from: Time,
        until: Time,
        asking: &Asking<'_>,
    ) -> Option<Picked<'n>> {
        let (id, resource) = self.supplies.resource(name)?;
        let fits = |slot: &Slot| slot.start >= from && slot.end <= until;
        let slots = resource.slots(from, until.min(asking.until)).filter(fits);
        let found = slots.filter(|slot| self.has_room(id, resource, slot, units, asking)).last()?;
        Some(Picked { id, name, slot: found, units })
    }
}
