//! A second opinion on what can be promised, kept from what was said and booked and computed another way than the
//! engine does: unit by unit over time. K25 asks that nothing be confirmed which cannot be allocated while supply
//! stays as it is.

use std::collections::BTreeMap;

use model::{Quantity, Quote, SupplyEvent, SupplyName, SupplySignal, Take, Time, supply::StockMove};

/// What one item has at one place.
#[derive(Default)]
struct Level {
    on_hand: i64,
    quarantined: i64,
    receipts: BTreeMap<String, (i64, Time)>,
    /// By order: thousandths, and when they leave.
    booked: BTreeMap<String, Vec<(i64, Time)>>,
}

#[derive(Default)]
struct Line {
    calendar: Option<model::Calendar>,
    downtimes: BTreeMap<String, (Time, Time)>,
    booked: BTreeMap<String, Vec<(Time, i64)>>,
}

/// The books.
#[derive(Default)]
pub(super) struct Ledger {
    levels: BTreeMap<(String, String), Level>,
    lines: BTreeMap<String, Line>,
}

impl Ledger {
    /// Hears an event of operations.
    pub(super) fn told(&mut self, event: &SupplyEvent, at: Time) {
        match &event.name {
            SupplyName::Stock { item, place } => {
                self.levels.entry((item.clone(), place.clone())).or_default().told(&event.signal);
            }
            SupplyName::Resource(name) => {
                self.lines.entry(name.clone()).or_default().told(&event.signal, at);
            }
            SupplyName::Item(_) => {}
        }
    }

    /// What an order booked before is free again.
    pub(super) fn release(&mut self, order: &str) {
        for level in self.levels.values_mut() {
            level.booked.remove(order);
        }
        for line in self.lines.values_mut() {
            line.booked.remove(order);
        }
    }

    /// So much of an order has left in all.
    pub(super) fn left(&mut self, order: &str, share_before: f64, share: f64) {
        for level in self.levels.values_mut() {
            for (amount, _) in level.booked.get(order).into_iter().flatten() {
                let used = |share: f64| Quantity(*amount).share(share).0;
                level.on_hand -= used(share) - used(share_before);
            }
        }
        if share >= 1.0 {
            self.release(order);
        }
    }

    /// Books what a quote needs.
    pub(super) fn book(&mut self, order: &str, quote: &Quote) {
        for need in &quote.needs {
            match (&need.name, &need.take) {
                (SupplyName::Stock { item, place }, Take::Stock { quantity, due, .. }) => {
                    let level = self.levels.entry((item.clone(), place.clone())).or_default();
                    level.booked.entry(order.to_owned()).or_default().push((quantity.0, *due));
                }
                (SupplyName::Resource(name), Take::Slot { slot, units, .. }) => {
                    let line = self.lines.entry(name.clone()).or_default();
                    line.booked.entry(order.to_owned()).or_default().push((slot.start, units.0));
                }
                _ => {}
            }
        }
    }

    /// What of a quote that was just booked could not be had with supply as it is known; empty where all of it can.
    pub(super) fn cannot(&self, quote: &Quote, now: Time) -> Vec<String> {
        let mut cannot = Vec::new();
        for need in &quote.needs {
            match (&need.name, &need.take) {
                (SupplyName::Stock { item, place }, Take::Stock { due, .. }) => {
                    let least = self.levels.get(&(item.clone(), place.clone())).map(|l| l.least(*due, now));
                    if least.is_none_or(|least| least < 0) {
                        cannot.push(format!("{item}@{place}: {:?} thousandths from {due} on", least));
                    }
                }
                (SupplyName::Resource(name), Take::Slot { slot, .. }) => {
                    let free = self.lines.get(name).map(|line| line.free(slot.start));
                    if free.is_none_or(|free| free < 0) {
                        cannot.push(format!("{name} at {}: {:?} thousandths free", slot.start, free));
                    }
                }
                _ => cannot.push(format!("{}: not a thing to take", need.name)),
            }
        }
        cannot
    }
}

impl Level {
    fn told(&mut self, signal: &SupplySignal) {
        match signal {
            SupplySignal::StockCounted { on_hand } => self.on_hand = on_hand.0,
            SupplySignal::ReceiptExpected { receipt, quantity, due } => {
                self.receipts.insert(receipt.clone(), (quantity.0, *due));
            }
            SupplySignal::StockMoved { what, quantity, receipt, .. } => match what {
                StockMove::Received => {
                    self.on_hand += quantity.0;
                    if let Some(receipt) = receipt {
                        self.receipts.remove(receipt);
                    }
                }
                StockMove::Adjusted => self.on_hand += quantity.0,
                StockMove::Spoiled => self.on_hand -= quantity.0,
                StockMove::Quarantined => {
                    self.on_hand -= quantity.0;
                    self.quarantined += quantity.0;
                }
                StockMove::Cleared => {
                    let cleared = quantity.0.min(self.quarantined);
                    self.quarantined -= cleared;
                    self.on_hand += cleared;
                }
            },
            _ => {}
        }
    }

    /// The least that is ever left from `from` on, if everything booked leaves when it was to and what is to come
    /// comes. What is overdue to come does not count; what is overdue to leave leaves now.
    fn least(&self, from: Time, now: Time) -> i64 {
        let mut instants: Vec<(Time, i64)> = Vec::new();
        instants
            .extend(self.receipts.values().filter(|(_, due)| *due >= now).map(|(units, due)| (*due, *units)));
        instants.extend(self.booked.values().flatten().map(|(units, leaves)| ((*leaves).max(now), -*units)));
        let ends: Vec<Time> =
            instants.iter().map(|(at, _)| *at).chain([from]).filter(|at| *at >= from).collect();
        let level = |until: Time| {
            self.on_hand + instants.iter().filter(|(at, _)| *at <= until).map(|(_, by)| by).sum::<i64>()
        };
        ends.into_iter().map(level).min().unwrap_or_default()
    }
}

impl Line {
    fn told(&mut self, signal: &SupplySignal, at: Time) {
        match signal {
            SupplySignal::CalendarSet(calendar) => self.calendar = Some(calendar.clone()),
            SupplySignal::DowntimeReported { downtime, from, until, .. } => {
                let until = until.unwrap_or(Time::LATEST_EVENT);
                self.downtimes.insert(downtime.clone(), (*from, until));
            }
            SupplySignal::DowntimeEnded { downtime } => {
                if let Some((_, until)) = self.downtimes.get_mut(downtime) {
                    *until = at;
                }
            }
            _ => {}
        }
    }

    fn free(&self, start: Time) -> i64 {
        let mut slots = self.calendar.iter().flat_map(|calendar| calendar.slots(start, start.plus_micros(1)));
        let Some(slot) = slots.find(|slot| slot.start == start) else { return i64::MIN };
        let overlap =
            |(from, until): &(Time, Time)| (*until).min(slot.end).since((*from).max(slot.start)).max(0);
        let lost: i64 = self.downtimes.values().map(overlap).sum();
        let up = 1.0 - (lost as f64 / slot.end.since(slot.start) as f64).min(1.0);
        let taken: i64 =
            self.booked.values().flatten().filter(|(at, _)| *at == start).map(|(_, units)| units).sum();
        (slot.units.as_f64() * up * 1_000.0).round() as i64 - taken
    }
}
