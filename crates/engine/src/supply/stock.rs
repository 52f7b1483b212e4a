//! The stock of one item at one place, and what can still be promised of it.

use std::collections::BTreeMap;

use model::{EntityId, HoldId, Quantity, Time};
use serde::{Deserialize, Serialize};

use super::{Classes, Ledger};
use crate::customer::Timer;

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Stock {
    pub id: EntityId,
    pub item: String,
    pub place: String,
    /// There and good.
    pub on_hand: Quantity,
    /// There and under review.
    pub quarantined: Quantity,
    pub counted_at: Option<Time>,
    /// What moved, by when it did: a count that is heard late is brought up to date with it.
    pub moved: BTreeMap<Time, Quantity>,
    /// Before this, what moved is not known any more.
    pub moved_known_from: Option<Time>,
    /// What of the stock keeps only until a time; together no more than there is on hand.
    pub lots: BTreeMap<Time, Quantity>,
    /// What is to come.
    pub receipts: BTreeMap<String, Receipt>,
    /// When each receipt was last told of, also of those that came or were called off.
    pub receipts_told: BTreeMap<String, Time>,
    pub ledger: Ledger,
    pub timers: BTreeMap<model::TimerId, Timer>,
    pub next_timer: u64,
}

#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub struct Receipt {
    pub quantity: Quantity,
    pub due: Time,
}

/// The projected level from a time on until the next.
type Levels = Vec<(Time, Quantity)>;

impl Stock {
    pub fn new(id: EntityId) -> Self {
        Stock {
            id,
            item: String::new(),
            place: String::new(),
            on_hand: Quantity::ZERO,
            quarantined: Quantity::ZERO,
            counted_at: None,
            moved: BTreeMap::new(),
            moved_known_from: None,
            lots: BTreeMap::new(),
            receipts: BTreeMap::new(),
            receipts_told: BTreeMap::new(),
            ledger: Ledger::default(),
            timers: BTreeMap::new(),
            next_timer: 1,
        }
    }

    /// What comes and goes from `now` on: commitments, holds, and what is reserved for others than `class`. What is
    /// overdue to leave leaves now; a receipt that is overdue is not counted on.
    fn moves(&self, class: &str, classes: &Classes, now: Time, but: Option<&HoldId>) -> Levels {
        self.moves_beside(|reserved_for| classes.keeps_from(reserved_for, class), now, but)
    }

    /// The same where `is_kept` says for which classes what is reserved is not there.
    fn moves_beside(&self, is_kept: impl Fn(&str) -> bool, now: Time, but: Option<&HoldId>) -> Levels {
        let receipts = self.receipts.values().filter(|receipt| receipt.due >= now);
        let mut moves: Levels = receipts.map(|receipt| (receipt.due, receipt.quantity)).collect();
        moves.extend(self.ledger.living(now, but).map(|(_, held)| (held.take.due().max(now), -held.left())));
        for (reservation, unused) in self.ledger.unused(now) {
            if is_kept(&reservation.class) {
                moves.push((reservation.from.max(now), -unused));
            }
        }
        // What comes at an instant is there for what leaves at it.
        moves.sort_by_key(|(at, quantity)| (*at, -*quantity));
        moves
    }

    /// The level after each move, and at `now`; one for each instant.
    fn levels(&self, moves: &Levels, now: Time) -> Levels {
        if self.lots.is_empty() {
            let mut level = self.on_hand;
            let mut levels: Levels = vec![(now, level)];
            for (at, quantity) in moves {
                level += *quantity;
                match levels.last_mut() {
                    Some(last) if last.0 == *at => last.1 = level,
                    _ => levels.push((*at, level)),
                }
            }
            return levels;
        }
        self.levels_of_lots(moves, now)
    }

    /// The same where some of it perishes: what leaves is taken from what keeps shortest, and what has passed its time
    /// is gone.
    fn levels_of_lots(&self, moves: &Levels, now: Time) -> Levels {
        let mut lots: Vec<(Time, Quantity)> = self.lots.iter().map(|(until, lot)| (*until, *lot)).collect();
        let in_lots: Quantity = lots.iter().map(|(_, lot)| *lot).sum();
        let mut rest = self.on_hand - in_lots.min(self.on_hand);
        let mut instants: Vec<Time> = moves.iter().map(|(at, _)| *at).chain([now]).collect();
        instants.extend(lots.iter().map(|(until, _)| *until).filter(|until| *until > now));
        instants.sort_unstable();
        instants.dedup();
        let mut levels = Levels::new();
        let mut missing = Quantity::ZERO;
        for instant in instants {
            lots.retain(|(until, lot)| *until > instant && lot.is_positive());
            for (_, quantity) in moves.iter().filter(|(at, _)| *at == instant) {
                if *quantity >= Quantity::ZERO {
                    rest += *quantity;
                    continue;
                }
                let mut wanted = -*quantity;
                for (_, lot) in &mut lots {
                    let taken = wanted.min(*lot);
                    *lot -= taken;
                    wanted -= taken;
                }
                let taken = wanted.min(rest.max(Quantity::ZERO));
                rest -= taken;
                missing += wanted - taken;
            }
            // What is missing is served by what comes next.
            let served = missing.min(rest);
            rest -= served;
            missing -= served;
            let lots: Quantity = lots.iter().map(|(_, lot)| *lot).sum();
            levels.push((instant, lots + rest - missing));
        }
        levels
    }

    /// Cumulative available-to-promise at `at`: what can leave then without breaking what is promised for any later
    /// time, `min over s ≥ at of (on hand + receipts to s − commitments to s)`. Negative where promises are not
    /// covered already.
    pub fn available(
        &self,
        at: Time,
        class: &str,
        classes: &Classes,
        now: Time,
        but: Option<&HoldId>,
    ) -> Quantity {
        let moves = self.moves(class, classes, now, but);
        self.available_of(&moves, at.max(now), now)
    }

    /// What can still be reserved for a class from `at` on: beside what is promised, what others have reserved and what
    /// the class itself has.
    pub fn reservable(&self, at: Time, class: &str, classes: &Classes, now: Time) -> Quantity {
        let is_kept = |reserved_for: &str| reserved_for == class || classes.keeps_from(reserved_for, class);
        self.available_of(&self.moves_beside(is_kept, now, None), at.max(now), now)
    }

    fn available_of(&self, moves: &Levels, at: Time, now: Time) -> Quantity {
        let levels = self.levels(moves, now);
        let from = levels.partition_point(|(known, _)| *known <= at).saturating_sub(1);
        let plain = levels[from..].iter().map(|(_, level)| *level).min().unwrap_or(self.on_hand);
        if self.lots.is_empty() {
            return plain;
        }
        // What perishes later anyway may leave now: the largest that leaves every later level as it would be or
        // above nothing is found by halves.
        let there = levels[from].1;
        let (mut low, mut high) = (plain.max(Quantity::ZERO), there.max(Quantity::ZERO));
        let missing = |levels: &Levels| levels.iter().map(|(_, level)| (*level).min(Quantity::ZERO)).min();
        let without = missing(&levels);
        while low < high {
            let middle = Quantity(low.0 + (high.0 - low.0 + 1) / 2);
            let mut with = moves.clone();
            with.push((at, -middle));
            with.sort_by_key(|(at, quantity)| (*at, -*quantity));
            if missing(&self.levels(&with, now)) >= without {
                low = middle;
            } else {
                high = Quantity(middle.0 - 1);
            }
        }
        if plain < Quantity::ZERO { plain } else { low }
    }

    /// What of the stock that is there nobody has taken or reserved, for sure: it can leave at any time. Needs no look
    /// at each hold.
    fn surely_left(&self, now: Time) -> Quantity {
        if !self.lots.is_empty() {
            return Quantity::ZERO;
        }
        let reserved = self.ledger.reservations.values().map(|reserved| &reserved.reservation);
        let reserved: Quantity = reserved.filter(|r| r.until > now).map(|r| r.quantity).sum();
        self.on_hand - self.ledger.taken(now) - reserved
    }

    /// Whether so much can leave at `at`.
    pub fn can_leave(
        &self,
        quantity: Quantity,
        at: Time,
        class: &str,
        classes: &Classes,
        now: Time,
        but: Option<&HoldId>,
    ) -> bool {
        self.surely_left(now) >= quantity || self.available(at, class, classes, now, but) >= quantity
    }

    /// The earliest time from `from` on at which `quantity` can leave.
    pub fn earliest(
        &self,
        quantity: Quantity,
        from: Time,
        class: &str,
        classes: &Classes,
        now: Time,
        but: Option<&HoldId>,
    ) -> Option<Time> {
        let from = from.max(now);
        if self.surely_left(now) >= quantity {
            return Some(from);
        }
        let moves = self.moves(class, classes, now, but);
        let receipts = moves.iter().filter(|(at, move_)| *at > from && move_.is_positive());
        let mut instants: Vec<Time> = [from].into_iter().chain(receipts.map(|(at, _)| *at)).collect();
        instants.dedup();
        if self.lots.is_empty() {
            // One pass backward instead of one for each instant.
            let levels = self.levels(&moves, now);
            let mut least = vec![Quantity::ZERO; levels.len()];
            let mut low = None;
            for (index, (_, level)) in levels.iter().enumerate().rev() {
                low = Some(low.map_or(*level, |low: Quantity| low.min(*level)));
                least[index] = low.unwrap_or(*level);
            }
            return instants.into_iter().find(|at| {
                let index = levels.partition_point(|(known, _)| known <= at).saturating_sub(1);
                least[index] >= quantity
            });
        }
        instants.into_iter().find(|at| self.available_of(&moves, *at, now) >= quantity)
    }

    /// Everything that is there or to come, whoever it is promised to.
    pub fn total(&self, now: Time) -> Quantity {
        let receipts = self.receipts.values().filter(|receipt| receipt.due >= now);
        self.on_hand + receipts.map(|receipt| receipt.quantity).sum()
    }

    /// (held, committed) at `now`.
    pub fn taken(&self, now: Time) -> (Quantity, Quantity) {
        let living = || self.ledger.living(now, None);
        let sum =
            |committed| living().filter(|(_, h)| h.is_committed() == committed).map(|(_, h)| h.left()).sum();
        (sum(false), sum(true))
    }
}
