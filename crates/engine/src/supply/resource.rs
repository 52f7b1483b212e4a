//! Anything with a capacity over time.

use std::collections::{BTreeMap, BTreeSet};

use model::{Calendar, EntityId, HoldId, Quantity, Slot, Time};
use serde::{Deserialize, Serialize};

use super::{Classes, Held, Ledger};

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
    /// What is taken of a slot, by when it begins.
    pub booked: BTreeMap<Time, Booked>,
}

/// What is taken of one slot.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Booked {
    pub holds: BTreeSet<HoldId>,
    /// What is left of them all by class, holds that ended by themselves and are not forgotten yet included.
    by_class: BTreeMap<String, Quantity>,
}

impl Booked {
    fn total(&self) -> Quantity {
        self.by_class.values().copied().sum()
    }

    fn add(&mut self, id: HoldId, held: &Held) {
        if self.holds.insert(id) {
            *self.by_class.entry(held.take.class().to_owned()).or_default() += held.left();
        }
    }

    fn less(&mut self, class: &str, quantity: Quantity) {
        if let Some(known) = self.by_class.get_mut(class) {
            *known -= quantity;
        }
    }
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

    /// Notes a hold or a commitment of a slot.
    pub fn book(&mut self, id: HoldId, held: &Held) {
        self.booked.entry(held.take.due()).or_default().add(id, held);
    }

    /// Forgets one, which took what is left of it until now.
    pub(crate) fn unbook(&mut self, id: &HoldId, held: &Held) {
        let Some(booked) = self.booked.get_mut(&held.take.due()) else { return };
        if booked.holds.remove(id) {
            booked.less(held.take.class(), held.left());
        }
        if booked.holds.is_empty() {
            self.booked.remove(&held.take.due());
        }
    }

    /// Notes that something of a slot was used for good.
    pub(super) fn use_of(&mut self, slot: Time, class: &str, used: Quantity) {
        if let Some(booked) = self.booked.get_mut(&slot) {
            booked.less(class, used);
        }
    }

    /// What is taken of the slot at `now`.
    pub fn taken(&self, slot: &Slot, now: Time, but: Option<&HoldId>) -> Quantity {
        let Some(booked) = self.booked.get(&slot.start) else { return Quantity::ZERO };
        let of_slot = |held: &&Held| held.take.due() == slot.start;
        let but = but.and_then(|id| self.ledger.held().get(id)).filter(of_slot);
        let but = but.filter(|held| held.lives(now)).map_or(Quantity::ZERO, Held::left);
        let ended: Quantity = self.ledger.ended_by(now).filter(of_slot).map(Held::left).sum();
        booked.total() - ended - but
    }

    /// Whether `class` may take so much of the slot.
    pub fn has_room(
        &self,
        units: Quantity,
        slot: &Slot,
        class: &str,
        classes: &Classes,
        now: Time,
        but: Option<&HoldId>,
    ) -> bool {
        self.free(slot, class, classes, now, but) >= units
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
        let booked = self.booked.get(&slot.start).and_then(|booked| booked.by_class.get(class));
        let ended = self.ledger.ended_by(now);
        let ended = ended.filter(|held| held.take.due() == slot.start && held.take.class() == class);
        let taken = booked.copied().unwrap_or_default() - ended.map(Held::left).sum();
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
