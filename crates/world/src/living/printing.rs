//! Printers: what is wanted of them, when they run dry, and what they say.

use model::Time;
use serde_json::json;

use super::goods::WARES;
use super::people::{Busy, Kind, Spare};
use super::score::Got;
use super::{Arm, DAY, Drill, HOUR, Living, MINUTE, Planned, Say, Stream, hours};

/// Jobs of a day, at most.
const JOBS: i64 = 3;
/// So far ahead is looked for when something will be empty.
const AHEAD_DAYS: i64 = 500;

impl Living {
    /// Pages that are wanted of a printer on a day, whatever is in it.
    pub(super) fn pages(&self, device: usize, day: i64) -> u32 {
        let known = &self.devices[device];
        let (Kind::Printer { pages }, subject) = (known.kind, known.subject) else { return 0 };
        let account = &self.accounts[known.account];
        let weekend = self.is_weekend(day);
        if day < 0
            || (account.office && weekend)
            || account.away_until(self.midnight(day).plus_micros(12 * HOUR)).is_some()
        {
            return 0;
        }
        let assumed = &self.setup.assumptions;
        let dice = &mut self.dice(Stream::Pages, subject, day as usize);
        if dice.chance(if account.office { assumed.idle_day / 5.0 } else { assumed.idle_day }) {
            return 0;
        }
        let sigma = assumed.pages_day_to_day;
        // The mean of the day is the mean, however it spreads.
        let spread = (sigma * dice.normal() - sigma * sigma / 2.0).exp();
        let share = if weekend { assumed.weekend_share } else { 1.0 };
        let project = if self.has_project(subject, day) { assumed.project_factor } else { 1.0 };
        (pages * share * spread * project).round() as u32
    }

    /// A project begins on some day of some weeks and lasts some days.
    fn has_project(&self, subject: usize, day: i64) -> bool {
        let assumed = &self.setup.assumptions;
        let week = day.div_euclid(7);
        (week - 1..=week).filter(|week| *week >= 0).any(|week| {
            let dice = &mut self.dice(Stream::Project, subject, week as usize);
            let begins = week * 7 + dice.between(0..7);
            let lasts = (assumed.project_days * (0.6 + 0.8 * dice.unit())).round() as i64;
            dice.chance(assumed.project_per_week) && (begins..begins + lasts.clamp(1, 7)).contains(&day)
        })
    }

    pub(super) fn plan_printing(&mut self, day: i64, device: usize) {
        let wanted = self.pages(device, day);
        let (subject, office) = (self.devices[device].subject, self.account(device).office);
        let dice = &mut self.dice(Stream::Jobs, subject, day as usize);
        let (opens, closes) = if office { (9, 18) } else { (8, 22) };
        let jobs = dice.between(1..JOBS + 1).min(i64::from(wanted)) as u32;
        for job in 0..jobs {
            // Shares of the day's pages that add up.
            let pages = wanted * (job + 1) / jobs - wanted * job / jobs;
            let at = self.midnight(day).plus_micros(dice.between(opens * HOUR..closes * HOUR));
            self.plan(at, Planned::Print { device, pages });
        }
        self.devices[device].sheet.wanted.push(wanted);
        self.devices[device].sheet.printed.push(0);
        let reports_at = self.midnight(day).plus_micros(self.devices[device].reports_at * MINUTE);
        self.plan(reports_at, Planned::Report { device, turn: day as usize });
        if self.weekday(day) == 5 {
            let dice = &mut self.dice(Stream::Stray, subject, day as usize);
            if dice.chance(self.setup.assumptions.stray_purchase_per_week) {
                self.plan(self.midnight(day).plus_micros(15 * HOUR), Planned::Stray { device });
            }
        }
    }

    /// Somebody brings one along that nobody had planned to buy.
    pub(super) fn stray(&mut self, at: Time, device: usize) {
        let known = &mut self.devices[device];
        if known.spares.is_empty() && known.dry_since.is_none() {
            let ware = known.usual;
            known.sheet.spent_elsewhere += WARES[ware].price;
            self.in_hand(at, device, Spare { ware, ours: false, delivered: false });
        }
    }

    /// What a content really yields, the so many-th of a device.
    fn yields(&self, device: usize, cycle: usize, ware: usize) -> f64 {
        let dice = &mut self.dice(Stream::Yield, self.devices[device].subject, cycle);
        f64::from(WARES[ware].holds) * (self.setup.assumptions.yield_spread * dice.normal()).exp()
    }

    pub(super) fn print(&mut self, at: Time, device: usize, pages: u32) {
        let day = self.day_of(at) as usize;
        if self.devices[device].dry_since.is_some() {
            self.devices[device].sheet.failed_jobs += 1;
            return;
        }
        let mut wanted = f64::from(pages);
        loop {
            let known = &mut self.devices[device];
            let printed = wanted.min(known.left.floor());
            known.left -= printed;
            wanted -= printed;
            if let Some(of_day) = known.sheet.printed.get_mut(day) {
                *of_day += printed as u32;
            }
            if wanted == 0.0 {
                break;
            }
            known.left = 0.0;
            known.sheet.cycles += 1;
            if known.spares.is_empty() {
                known.sheet.failed_jobs += 1;
                known.dry_since = Some(at);
                self.tell_level(at, device, "dry", Some(0.0));
                self.feel(at, device);
                return;
            }
            known.sheet.in_hand += 1;
            self.put_in(at, device);
        }
        self.look_at_light(at, device);
    }

    /// What the printer shows when it is nearly empty, and what people do about it.
    fn look_at_light(&mut self, at: Time, device: usize) {
        let assumed = &self.setup.assumptions;
        let known = &self.devices[device];
        let left = 100.0 * known.left / known.full;
        let dice = &mut self.dice(Stream::Habit, known.subject, known.cycle);
        let heeds = dice.chance(assumed.heeds_low_light);
        let changes = dice.chance(assumed.changes_when_fading);
        if left <= assumed.fades_at && changes && !known.spares.is_empty() {
            self.devices[device].sheet.cycles += 1;
            self.devices[device].sheet.in_hand += 1;
            return self.put_in(at, device);
        }
        if left <= assumed.low_light_at && !known.low_seen {
            let idle = known.spares.is_empty() && known.busy == Busy::No && known.under_way.is_empty();
            let arm = self.arm(device);
            self.devices[device].low_seen = true;
            // Who is reminded, or delegated it, leaves it at that.
            if heeds && idle && !matches!(arm, Arm::Coach | Arm::Automate) {
                self.feel(at, device);
            }
        }
    }

    /// Something that fits comes into the house.
    pub(super) fn in_hand(&mut self, at: Time, device: usize, spare: Spare) {
        let known = &mut self.devices[device];
        let felt_hours = known.felt_at.take().map(|felt| hours(at.since(felt)));
        let effort = std::mem::take(&mut known.effort);
        known.sheet.effort.add(effort);
        known.sheet.got.push(Got { effort, felt_hours, ours: spare.ours, served: spare.delivered });
        known.attempt = 0;
        known.spares.push(spare);
        if known.dry_since.is_some() {
            self.put_in(at, device);
        }
    }

    fn put_in(&mut self, at: Time, device: usize) {
        let (cycle, known) = (self.devices[device].cycle + 1, &mut self.devices[device]);
        if known.spares.is_empty() {
            return;
        }
        let spare = known.spares.remove(0);
        let full = self.yields(device, cycle, spare.ware);
        let known = &mut self.devices[device];
        (known.cycle, known.full, known.left, known.low_seen) = (cycle, full, full, false);
        if let Some(since) = known.dry_since.take() {
            known.sheet.dry_hours += hours(at.since(since));
        }
        let connected = self.shares_readings(device);
        let known = &self.devices[device];
        // Those who are not connected keep a diary; of the others the device tells, where it can.
        let tells = if connected { known.tells_replaced } else { self.keeps_diary(device) };
        if tells && !(connected && self.is_silent(device, at)) {
            let properties = json!({ "device_id": known.id, "slot": known.slot });
            let key = format!("replaced-{}-{cycle}", known.id);
            let who = self.account(device).who.clone();
            self.say(at, Some(&who), "slot.replaced", key, &properties);
        }
    }

    /// Days until a printer will be empty that is used as it will be, with what is in hand for it.
    pub(super) fn cover_days(&self, device: usize, at: Time) -> f64 {
        let known = &self.devices[device];
        let spares = known.spares.iter().enumerate();
        let in_hand: f64 =
            spares.map(|(nth, spare)| self.yields(device, known.cycle + 1 + nth, spare.ware)).sum();
        let mut left = known.left + in_hand;
        // Of the day itself, as much of it as is left.
        let today = self.day_of(at);
        for day in today..today + AHEAD_DAYS {
            let share = if day == today { 1.0 - self.since_midnight(at) as f64 / DAY as f64 } else { 1.0 };
            left -= f64::from(self.pages(device, day)) * share;
            if left < 0.0 {
                return (day - today) as f64;
            }
        }
        AHEAD_DAYS as f64
    }

    // ---- what devices say ---------------------------------------------------------------------------------------

    pub(super) fn shares_readings(&self, device: usize) -> bool {
        self.account(device).share() >= 2
    }

    pub(super) fn keeps_diary(&self, device: usize) -> bool {
        self.arm(device) == Arm::Baseline
    }

    pub(super) fn is_silent(&self, device: usize, at: Time) -> bool {
        const MONTH: i64 = 30;
        let (assumed, known, day) = (&self.setup.assumptions, &self.devices[device], self.day_of(at));
        let drilled = self.setup.drills.iter().any(|drill| match drill {
            Drill::SilentDevice { device, from_day, days } => {
                *device == known.id && (0..i64::from(*days)).contains(&(day - i64::from(*from_day)))
            }
            _ => false,
        });
        let month = day.div_euclid(MONTH);
        drilled
            || (month - 1..=month).filter(|month| *month >= 0).any(|month| {
                let dice = &mut self.dice(Stream::Silence, known.subject, month as usize);
                let begins = month * MONTH + dice.between(0..MONTH);
                let lasts = (assumed.silent_days * (0.5 + dice.unit())).round() as i64;
                dice.chance(assumed.silent_per_month) && (begins..begins + lasts).contains(&day)
            })
    }

    /// The usual reading, if it comes through.
    pub(super) fn report(&mut self, at: Time, device: usize, turn: usize) {
        let known = &self.devices[device];
        let dice = &mut self.dice(Stream::Reading, known.subject, turn);
        let (lost, noise) = (dice.chance(self.setup.assumptions.reading_gap), dice.normal());
        if !lost {
            let percent = match known.kind {
                Kind::Printer { .. } => {
                    100.0 * known.left / known.full + self.setup.assumptions.reading_noise * noise
                }
                Kind::Fridge { .. } => {
                    let litres: f64 = known.lots.iter().map(|(litres, _)| litres).sum();
                    100.0 * litres / known.full + self.setup.assumptions.milk_noise * noise
                }
            };
            self.tell_level(at, device, &turn.to_string(), Some(percent));
        }
    }

    pub(super) fn tell_level(&mut self, at: Time, device: usize, key: &str, percent: Option<f64>) {
        if !self.shares_readings(device) || self.is_silent(device, at) {
            return;
        }
        let (known, step) = (&self.devices[device], self.setup.assumptions.reading_step);
        let level = percent.map(|percent| ((percent / step).round() * step).clamp(0.0, 100.0));
        let properties = json!({
            "device_id": known.id, "slot": known.slot, "level": level, "unit": "percent",
        });
        let key = format!("level-{}-{}-{key}", known.id, known.cycle);
        let who = self.account(device).who.clone();
        self.say(at, Some(&who), "slot.level_reported", key.clone(), &properties);
        let day = self.day_of(at);
        let doubled = self.setup.drills.iter().any(|drill| match drill {
            Drill::DuplicateEvents { from_day, days } => {
                (0..i64::from(*days)).contains(&(day - i64::from(*from_day)))
            }
            _ => false,
        });
        if doubled {
            // A gateway that was not sure, and one that had forgotten what it sent.
            let told_again = told_of(&key, &who, &properties);
            self.plan(at.plus_micros(MINUTE), Planned::Say(told_again));
            let sent_anew = told_of(&format!("{key}-anew"), &who, &properties);
            self.plan(at.plus_micros(10 * MINUTE), Planned::Say(sent_anew));
        }
    }
}

fn told_of(key: &str, who: &str, properties: &serde_json::Value) -> Say {
    Say::new(key.to_owned(), Some(who.to_owned()), "slot.level_reported", properties)
}
