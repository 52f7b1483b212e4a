//! What operations have: items, the stock of an item at a place, and resources with a capacity over time. Each is a
//! consistency root; what is held of it is its own state, and only it decides whether more can be taken.

mod classes;
mod cover;
mod decide;
mod evolve;
mod resource;
mod stock;

use std::collections::{BTreeMap, BTreeSet};

use model::{EntityId, HoldId, Quantity, Reservation, Take, Time};
use serde::{Deserialize, Serialize};

pub use self::classes::Classes;
pub use self::decide::SupplyStimulus;
pub(crate) use self::decide::{Ask, Owner, decide_supply};
pub(crate) use self::evolve::{State, evolve_supply};
pub use self::resource::{Booked, Downtime, Resource};
pub use self::stock::{Receipt, Stock};

/// One thing of the catalogue, and where it is kept.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct CatalogueItem {
    /// Empty before the first word about it.
    pub name: String,
    /// None while only its stock is known.
    pub item: Option<model::Item>,
    pub published_at: Option<Time>,
    /// The stock entity at each place.
    pub kept_at: BTreeMap<String, EntityId>,
}

/// What is taken of a supply entity.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Held {
    pub take: Take,
    /// When a hold ends; a commitment has none.
    pub expires_at: Option<Time>,
    /// The commitment of the same owner that it stands in for.
    pub replaces: Option<HoldId>,
    /// The share that was used: goods that left, time that passed.
    pub used: f64,
    /// What its owner was told last: that supply falls short of it, and when it will not any more.
    pub short: Option<Short>,
}

#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub struct Short {
    pub covered_at: Option<Time>,
    pub why: model::supply::Shortage,
}

impl Held {
    fn lives(&self, now: Time) -> bool {
        self.expires_at.is_none_or(|expires_at| expires_at > now)
    }

    /// Whether it is of a slot that was over some days ago: nobody asks about it any more.
    fn is_over(&self, now: Time) -> bool {
        matches!(&self.take, Take::Slot { slot, .. } if slot.end.plus_micros(ENDED_KEPT_MICROS) < now)
    }

    pub fn is_committed(&self) -> bool {
        self.expires_at.is_none()
    }

    /// What of it is still to be used.
    pub fn left(&self) -> Quantity {
        let amount = self.take.amount();
        amount - amount.share(self.used)
    }
}

/// The holds and commitments of one supply entity. A busy one has tens of thousands of them, so nothing that is asked
/// for with every quote looks at each.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Ledger {
    held: BTreeMap<HoldId, Held>,
    /// Those that end by themselves, by when they do.
    ends: BTreeSet<(Time, HoldId)>,
    /// Whose owners were told that supply falls short of them.
    short: BTreeSet<HoldId>,
    /// Holds that ended before their time to live did: asked for again by a mail that comes twice or late, they are
    /// not taken. Each is forgotten when its time to live is over, for then it is refused for that.
    pub ended: BTreeMap<HoldId, Time>,
    /// Of what was let go and left all the same, the share that has, and when that was told.
    pub left: BTreeMap<HoldId, (f64, Time)>,
    pub reservations: BTreeMap<String, Reserved>,
    /// What is left of everything in `held`, holds that ended by themselves and are not forgotten yet included.
    total: Quantity,
    /// Changes since everything was looked at for what is over.
    since_pruned: u64,
}

/// A reservation, and how much of it was used for good.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Reserved {
    pub reservation: Reservation,
    pub used: Quantity,
}

impl Ledger {
    /// Holds and commitments, those that ended by themselves a moment ago included.
    pub fn held(&self) -> &BTreeMap<HoldId, Held> {
        &self.held
    }

    /// What of `held` ended by itself before or at `now`, and is not forgotten yet.
    fn ended_by(&self, now: Time) -> impl Iterator<Item = &Held> {
        let ended = self.ends.iter().take_while(move |(ends, _)| *ends <= now);
        ended.filter_map(|(_, id)| self.held.get(id))
    }

    /// What of everything lives at `now`, in whole.
    fn taken(&self, now: Time) -> Quantity {
        self.total - self.ended_by(now).map(Held::left).sum()
    }

    /// What lives at `now`, but for one.
    pub fn living<'a>(
        &'a self,
        now: Time,
        but: Option<&'a HoldId>,
    ) -> impl Iterator<Item = (&'a HoldId, &'a Held)> {
        self.held.iter().filter(move |(id, held)| held.lives(now) && Some(*id) != but)
    }

    /// Commitments, but for those that another stands in for already.
    pub fn committed(&self) -> impl Iterator<Item = (&HoldId, &Held)> {
        let committed = || self.held.iter().filter(|(_, held)| held.is_committed());
        let replaced: BTreeSet<HoldId> = committed().filter_map(|(_, held)| held.replaces).collect();
        committed().filter(move |(id, _)| !replaced.contains(id))
    }

    /// What of each reservation nobody of its class has taken yet. What a class took counts once, against what it
    /// reserved from the earliest time on.
    fn unused(&self, now: Time) -> Vec<(&Reservation, Quantity)> {
        let mut taken: BTreeMap<&str, Quantity> = BTreeMap::new();
        let reserved = in_turn(self.reservations.values().filter(|r| r.reservation.until > now));
        if !reserved.is_empty() {
            for (_, held) in self.living(now, None) {
                *taken.entry(held.take.class()).or_default() += held.left();
            }
        }
        let unused = |reserved: &'_ Reserved, taken: &mut Quantity| {
            let open = (reserved.reservation.quantity - reserved.used).max(Quantity::ZERO);
            let by_class = open.min(*taken);
            *taken -= by_class;
            open - by_class
        };
        let each = reserved.into_iter().map(|reserved| {
            let taken = taken.entry(&reserved.reservation.class).or_default();
            (&reserved.reservation, unused(reserved, taken))
        });
        each.collect()
    }

    /// Whether anybody was told that supply falls short for them.
    fn anybody_short(&self) -> bool {
        !self.short.is_empty()
    }

    /// Adds a hold or a commitment; one of the same name is gone.
    pub fn take(&mut self, id: HoldId, held: Held) {
        self.remove(&id);
        self.total += held.left();
        self.ends.extend(held.expires_at.map(|ends| (ends, id)));
        if held.short.is_some() {
            self.short.insert(id);
        }
        self.held.insert(id, held);
    }

    fn remove(&mut self, id: &HoldId) -> Option<Held> {
        let held = self.held.remove(id)?;
        self.total -= held.left();
        if let Some(ends) = held.expires_at {
            self.ends.remove(&(ends, *id));
        }
        self.short.remove(id);
        Some(held)
    }

    /// Removes those that `is_kept` does not say to keep, and returns them.
    pub fn retain(&mut self, is_kept: impl Fn(&Held) -> bool) -> Vec<(HoldId, Held)> {
        let gone: Vec<HoldId> =
            self.held.iter().filter(|(_, held)| !is_kept(held)).map(|(id, _)| *id).collect();
        gone.into_iter().filter_map(|id| Some((id, self.remove(&id)?))).collect()
    }

    /// A hold does not end by itself any more.
    fn commit(&mut self, id: &HoldId) {
        if let Some(ends) = self.held.get_mut(id).and_then(|held| held.expires_at.take()) {
            self.ends.remove(&(ends, *id));
        }
    }

    fn note_short(&mut self, id: &HoldId, short: Option<Short>) {
        let Some(held) = self.held.get_mut(id) else { return };
        held.short = short;
        match short {
            Some(_) => self.short.insert(*id),
            None => self.short.remove(id),
        };
    }

    /// Notes that a share of a commitment was used; returns how much of it was used by that.
    fn use_up(&mut self, id: &HoldId, share: f64, at: Time) -> Quantity {
        let Some(held) = self.held.get_mut(id) else { return Quantity::ZERO };
        let before = held.left();
        held.used = held.used.max(share);
        let (used, class) = (before - held.left(), held.take.class().to_owned());
        self.total -= used;
        if held.used >= 1.0 {
            self.remove(id);
            // Long enough for a mail that comes again.
            self.ended.insert(*id, at.plus_micros(ENDED_KEPT_MICROS));
        }
        let mut rest = used;
        let of_class = |r: &&mut Reserved| r.reservation.class == class && r.reservation.until > at;
        let mut reserved: Vec<_> = self.reservations.values_mut().filter(of_class).collect();
        reserved.sort_by_key(|reserved| reserved.reservation.from);
        for reserved in reserved {
            let part = rest.min((reserved.reservation.quantity - reserved.used).max(Quantity::ZERO));
            reserved.used += part;
            rest -= part;
        }
        used
    }

    /// Forgets what ended by itself; now and then, what is over, too: that means looking at everything. Returns what
    /// was held of it.
    fn prune(&mut self, now: Time) -> Vec<(HoldId, Held)> {
        let mut gone = Vec::new();
        while let Some((_, id)) = self.ends.first().copied().filter(|(ends, _)| *ends <= now) {
            gone.extend(self.remove(&id).map(|held| (id, held)));
        }
        self.since_pruned += 1;
        if self.since_pruned < PRUNE_EVERY.max((self.held.len() + self.ended.len()) as u64 / 2) {
            return gone;
        }
        self.since_pruned = 0;
        gone.extend(self.retain(|held| !held.is_over(now)));
        self.ended.retain(|_, expires_at| *expires_at > now);
        self.left.retain(|_, (_, told)| told.plus_micros(ENDED_KEPT_MICROS) > now);
        self.reservations.retain(|_, reserved| reserved.reservation.until > now);
        gone
    }
}

/// Those of each class by when they begin.
fn in_turn<'a>(reserved: impl Iterator<Item = &'a Reserved>) -> Vec<&'a Reserved> {
    let mut all: Vec<&Reserved> = reserved.collect();
    all.sort_by(|a, b| {
        let key = |r: &'a Reserved| (&r.reservation.class, r.reservation.from, &r.reservation.id);
        key(a).cmp(&key(b))
    });
    all
}

const ENDED_KEPT_MICROS: i64 = 7 * 86_400_000_000;
/// Changes after which everything is looked at, at least; of a busy entity, half as many as it has entries.
const PRUNE_EVERY: u64 = 64;
