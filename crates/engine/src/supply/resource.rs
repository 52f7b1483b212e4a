//! Anything with a capacity over time.

use std::collections::{BTreeMap, BTreeSet};

use model::{Calendar, EntityId, HoldId, Quantity, Slot, Time};
use serde::{Deserialize, Serialize};

use super::{Classes, Ledger};

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Resource {
    pub id: EntityId,
    pub name: String,
    pub calendar: Option<Calendar>,
    pub calendar_at: Option<Time>,
    /// Slots beside the calendar's; one that begins when one of the calendar's does stands in for it.
    pub slots: BTreeMap<Time, Slot>,
    pub downtimes: BTreeMap<String, Downtime>,
    pub ledger: Ledger,
    /// Who holds something of a slot, by when it begins.
    pub booked: BTreeMap<Time, BTreeSet<HoldId>>,
}

#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub struct Downtime {
    pub from: Time,
    pub until: Option<Time>,
    /// What is out of work; everything where there is no number.
    pub units: Option<Quantity>,
}

impl Resource {
    pub fn new(id: EntityId) -> Self {
        Resource {
            id,
            name: String::new(),
            calendar: None,
            calendar_at: None,
            slots: BTreeMap::new(),
            downtimes: BTreeMap::new(),
            ledger: Ledger::default(),
            booked: BTreeMap::new(),
        }
    }

    /// The slots that end after `from` and begin before `until`, by their beginnings; units as they are without
    /// downtime.
    pub fn slots(&self, from: Time, until: Time) -> impl Iterator<Item = Slot> + '_ {
        let weekly = self.calendar.iter().flat_map(move |calendar| calendar.slots(from, until));
        let weekly = weekly.filter(|slot| !self.slots.contains_key(&slot.start));
        let own = self.slots.values().copied().filter(move |slot| slot.end > from && slot.start < until);
        merge(weekly, own)
    }

    /// What the slot can take at all: its units, less the share that is lost to downtime.
    pub fn capacity(&self, slot: &Slot) -> Quantity {
        let length = slot.end.since(slot.start).max(1) as f64;
        let lost: f64 = self
            .downtimes
            .values()
            .map(|down| {
                let until = down.until.unwrap_or(Time::LATEST_EVENT).min(slot.end);
                let overlap = until.since(down.from.max(slot.start)).max(0) as f64 / length;
                down.units.unwrap_or(slot.units).as_f64() * overlap
            })
            .sum();
        // Lost time is lost in whole: half a technician repairs nothing.
        let lost = Quantity::from_f64(lost.min(slot.units.as_f64())).unwrap_or(slot.units);
        (slot.units - lost).max(Quantity::ZERO)
    }

    /// What is taken of the slot at `now`.
    pub fn taken(&self, slot: &Slot, now: Time, but: Option<&HoldId>) -> Quantity {
        let holds = self.booked.get(&slot.start).into_iter().flatten().filter(|id| Some(*id) != but);
        let held = holds.filter_map(|id| self.ledger.held.get(id)).filter(|held| held.lives(now));
        held.map(super::Held::left).sum()
    }

    /// What `class` may still take of the slot.
    pub fn free(
        &self,
        slot: &Slot,
        class: &str,
        classes: &Classes,
        now: Time,
        but: Option<&HoldId>,
    ) -> Quantity {
        let mut free = self.capacity(slot) - self.taken(slot, now, but);
        for (reserved_for, reserved) in self.reserved(slot) {
            if classes.keeps_from(reserved_for, class) {
                free -= self.unused_in(slot, reserved_for, reserved, now);
            }
        }
        free
    }

    /// What can still be reserved of the slot for a class: beside what is promised, what others have reserved and what
    /// the class itself has.
    pub fn reservable(&self, slot: &Slot, class: &str, classes: &Classes, now: Time) -> Quantity {
        let own = self.reserved(slot).get(class).copied().unwrap_or_default();
        self.free(slot, class, classes, now, None) - self.unused_in(slot, class, own, now)
    }

    /// What is reserved in a slot, by class.
    fn reserved(&self, slot: &Slot) -> BTreeMap<&str, Quantity> {
        let mut by_class: BTreeMap<&str, Quantity> = BTreeMap::new();
        let all = self.ledger.reservations.values().map(|reserved| &reserved.reservation);
        for reservation in all.filter(|r| r.from < slot.end && slot.start < r.until) {
            *by_class.entry(&reservation.class).or_default() += reservation.quantity;
        }
        by_class
    }

    fn unused_in(&self, slot: &Slot, class: &str, reserved: Quantity, now: Time) -> Quantity {
        let holds = self.booked.get(&slot.start).into_iter().flatten();
        let held = holds.filter_map(|id| self.ledger.held.get(id));
        let of_class = held.filter(|held| held.lives(now) && held.take.class() == class);
        let taken: Quantity = of_class.map(super::Held::left).sum();
        (reserved - taken).max(Quantity::ZERO)
    }

    /// The slot as it is now, which may be another than when it was offered.
    pub fn slot_at(&self, start: Time) -> Option<Slot> {
        self.slots(start, start.plus_micros(1)).find(|slot| slot.start == start)
    }
}

/// Two rising sequences as one.
fn merge(one: impl Iterator<Item = Slot>, other: impl Iterator<Item = Slot>) -> impl Iterator<Item = Slot> {
    let (mut one, mut other) = (one.peekable(), other.peekable());
    std::iter::from_fn(move || match (one.peek(), other.peek()) {
        (Some(a), Some(b)) if a.start <= b.start => one.next(),
        (Some(_), None) => one.next(),
        _ => other.next(),
    })
}
