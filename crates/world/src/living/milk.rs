//! Fridges: what is drunk, what turns, and mornings with or without milk.

use model::Time;

use super::goods::WARES;
use super::people::{Busy, Kind};
use super::score::{Effort, Got};
use super::{Arm, DAY, HOUR, Living, MINUTE, Planned, Stream, hours, micros};

/// Milk that stood at the door for longer is poured away.
const AT_THE_DOOR: i64 = 12 * HOUR;
/// What a shop sells was a day or two on its way.
const SHOP_AGE: i64 = 2 * DAY;
/// Below so many litres, whoever looks buys; below so many, there is none.
const LOW: f64 = 0.4;
const NONE: f64 = 0.1;
const AHEAD_DAYS: i64 = 60;

impl Living {
    /// Litres that are wanted in a household on a day.
    fn litres(&self, device: usize, day: i64) -> f64 {
        let known = &self.devices[device];
        let Kind::Fridge { litres } = known.kind else { return 0.0 };
        if self.account(device).away_until(self.midnight(day).plus_micros(12 * HOUR)).is_some() {
            return 0.0;
        }
        let assumed = &self.setup.assumptions;
        let sigma = assumed.litres_day_to_day;
        let dice = &mut self.dice(Stream::Milk, known.subject, day as usize);
        let spread = (sigma * dice.normal() - sigma * sigma / 2.0).exp();
        let week = day.div_euclid(7);
        let guests = (week - 1..=week).filter(|week| *week >= 0).any(|week| {
            let dice = &mut self.dice(Stream::Guests, known.subject, week as usize);
            let comes = week * 7 + dice.between(0..7);
            let stays = (assumed.guest_days * (0.5 + dice.unit())).round().max(1.0) as i64;
            dice.chance(assumed.guests_per_week) && (comes..comes + stays).contains(&day)
        });
        litres * spread * if guests { assumed.guest_factor } else { 1.0 }
    }

    pub(super) fn plan_milk(&mut self, day: i64, device: usize) {
        let hour = |hour: i64, minute: i64| self.midnight(day).plus_micros(hour * HOUR + minute * MINUTE);
        let half = (self.litres(device, day) * 500.0).round() as u32;
        let planned = [
            (hour(7, 30), Planned::Morning { device }),
            (hour(7, 45), Planned::Drink { device, millilitres: half }),
            (hour(8, 30), Planned::Report { device, turn: day as usize * 2 }),
            (hour(19, 0), Planned::Drink { device, millilitres: half }),
            (hour(19, 30), Planned::Evening { device }),
            (hour(20, 30), Planned::Report { device, turn: day as usize * 2 + 1 }),
        ];
        planned.into_iter().for_each(|(at, planned)| self.plan(at, planned));
    }

    fn milk(&self, device: usize) -> f64 {
        self.devices[device].lots.iter().map(|(litres, _)| litres).sum()
    }

    /// What has turned is poured away, and there is milk for breakfast or there is none.
    pub(super) fn morning(&mut self, at: Time, device: usize) {
        if self.account(device).away_until(at).is_some() {
            return;
        }
        let known = &mut self.devices[device];
        let turned = |(_, good_until): &(f64, Time)| *good_until <= at;
        let spoiled: f64 = known.lots.iter().filter(|lot| turned(lot)).map(|(litres, _)| litres).sum();
        known.lots.retain(|lot| !turned(lot));
        known.sheet.litres_spoiled += spoiled;
        known.sheet.mornings += 1;
        let enough = self.milk(device) >= self.setup.assumptions.morning_litres;
        self.devices[device].sheet.mornings_with_milk += u32::from(enough);
    }

    pub(super) fn drink(&mut self, device: usize, litres: f64) {
        let known = &mut self.devices[device];
        let mut wanted = litres;
        for lot in &mut known.lots {
            let drunk = lot.0.min(wanted);
            lot.0 -= drunk;
            wanted -= drunk;
            known.sheet.litres_used += drunk;
        }
        known.lots.retain(|(litres, _)| *litres > 1e-9);
    }

    /// Whoever opens the fridge in the evening sees what is left.
    pub(super) fn evening(&mut self, at: Time, device: usize) {
        if self.account(device).away_until(at).is_some() {
            return;
        }
        let (left, known) = (self.milk(device), &self.devices[device]);
        let waits = !known.under_way.is_empty() || known.announced.is_some_and(|until| until > at);
        let below = match self.arm(device) {
            Arm::Baseline | Arm::Respond | Arm::Curate => LOW,
            // Who is reminded, or delegated it, looks when there is none.
            Arm::Coach | Arm::Automate => NONE,
        };
        if left >= below || waits {
            return;
        }
        let goes = self
            .dice(Stream::Errand, known.subject, self.day_of(at).max(0) as usize)
            .chance(self.setup.assumptions.milk_errand_chance);
        // Who asked yesterday and got nothing goes and gets it.
        let in_vain = known.felt_at.is_some_and(|felt| at.since(felt) >= DAY);
        match self.arm(device) {
            Arm::Respond | Arm::Curate | Arm::Coach if in_vain && goes => self.fetch_milk(at, device),
            Arm::Respond | Arm::Curate | Arm::Coach => self.feel(at, device),
            Arm::Baseline | Arm::Automate if goes => self.fetch_milk(at, device),
            Arm::Baseline | Arm::Automate => {
                self.devices[device].felt_at.get_or_insert(at);
            }
        }
    }

    /// To the corner shop and back.
    fn fetch_milk(&mut self, at: Time, device: usize) {
        let minutes = self.setup.assumptions.milk_errand_minutes;
        let sale = self.setup.assumptions.milk_sale_won as i64;
        let ours = self.account(device).nearest_is_ours;
        let known = &mut self.devices[device];
        let ware = WARES[known.usual];
        known.effort.add(Effort { minutes, steps: 4, inputs: 1, contacts: 0 });
        known.sheet.trips += 1;
        if ours {
            known.sheet.revenue += ware.price;
            known.sheet.cost_of_goods += ware.cost;
            known.sheet.cost_to_serve += sale;
        } else {
            known.sheet.spent_elsewhere += ware.price;
        }
        let back = at.plus_micros(micros(minutes));
        self.add_milk(back, device, 1, back.plus_micros(self.keeps() - SHOP_AGE), (ours, false));
    }

    fn keeps(&self) -> i64 {
        (self.setup.assumptions.milk_keeps_days * DAY as f64) as i64
    }

    /// A delivery is put into the fridge, if it has not stood at the door for too long.
    pub(super) fn put_milk_in(&mut self, at: Time, device: usize, units: u32, arrived: Time) {
        if at.since(arrived) > AT_THE_DOOR {
            let litres = f64::from(units * WARES[self.devices[device].usual].holds) / 1_000.0;
            self.devices[device].sheet.litres_spoiled += litres;
            return;
        }
        self.add_milk(at, device, units, arrived.plus_micros(self.keeps()), (true, true));
    }

    /// `from` says whether it is ours, and whether it was brought.
    fn add_milk(&mut self, at: Time, device: usize, units: u32, good_until: Time, from: (bool, bool)) {
        let known = &mut self.devices[device];
        let litres = f64::from(units * WARES[known.usual].holds) / 1_000.0;
        known.lots.push((litres, good_until));
        known.lots.sort_by_key(|(_, good_until)| *good_until);
        known.cycle += 1;
        known.busy = Busy::No;
        let felt_hours = known.felt_at.take().map(|felt| hours(at.since(felt)));
        let effort = std::mem::take(&mut known.effort);
        known.sheet.effort.add(effort);
        known.sheet.got.push(Got { effort, felt_hours, ours: from.0, served: from.1 });
        let percent = 100.0 * self.milk(device) / self.devices[device].full;
        self.tell_level(at, device, "filled", Some(percent));
    }

    /// Days for which what is there will last.
    pub(super) fn milk_days(&self, device: usize, at: Time) -> f64 {
        let mut left = self.milk(device);
        let today = self.day_of(at);
        for day in today..today + AHEAD_DAYS {
            left -= self.litres(device, day);
            if left < 0.0 {
                return (day - today) as f64;
            }
        }
        AHEAD_DAYS as f64
    }
}
