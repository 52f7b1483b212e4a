//! What somebody goes through who needs something and has nobody but shops: noticing, searching, driving, looking,
//! queueing, and sometimes going again.

use model::Time;
use model::connection::FrictionKind;
use serde_json::json;

use super::goods::{MILK, WARES};
use super::people::{Busy, Spare};
use super::score::Effort;
use super::{HOUR, Living, MINUTE, Planned, Say, Stream, micros};

/// What comes home from a trip, and what it cost. Minutes are thousandths, so that they can be put in order.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Bag {
    pub got: Option<usize>,
    /// Two of it, where there was no other way.
    pub two: bool,
    /// Bought in our own shop.
    pub ours: bool,
    pub attempt: usize,
    milliminutes: u64,
    steps: u32,
    inputs: u32,
    contacts: u32,
    frictions: Vec<(FrictionKind, u64)>,
    stock_outs: u32,
}

/// Minutes of a drive that takes one at night, by the hour of the day.
const ROADS: [f64; 24] = [
    1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.1, 1.35, 1.5, 1.3, 1.1, 1.1, 1.15, 1.15, 1.1, 1.15, 1.25, 1.45, 1.55,
    1.4, 1.2, 1.1, 1.0, 1.0,
];
/// How long queues are, by the hour of the day.
const QUEUES: [f64; 24] = [
    0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.4, 0.5, 0.7, 0.9, 1.2, 1.1, 0.9, 0.9, 1.0, 1.2, 1.5, 1.4, 1.1,
    0.8, 0.6, 0.0,
];
/// Our shop and the other one.
const SHOPS: usize = 2;
/// Where a shop cannot be reached for so many days, nobody waits for it.
const LOOK_AHEAD_DAYS: i64 = 60;

impl Living {
    /// Goes to the shop at the next occasion.
    pub(super) fn go_shopping(&mut self, at: Time, device: usize) {
        if self.devices[device].busy == Busy::Shopping {
            return;
        }
        self.devices[device].busy = Busy::Shopping;
        let known = &self.devices[device];
        let account = &self.accounts[known.account];
        let assumed = &self.setup.assumptions;
        let first = self.day_of(at);
        let occasion = (first..first + LOOK_AHEAD_DAYS).find_map(|day| {
            let dice = &mut self.dice(Stream::Errand, account.subject, day as usize);
            let (luck, hour) = (dice.unit(), dice.unit());
            let weekend = self.is_weekend(day);
            let (goes, from, span) = match (account.office, weekend) {
                (true, true) => return None,
                (true, false) => (assumed.office_sends, 10.0, 6.0),
                (false, true) => (assumed.goes_on_weekend_day, 10.5, 7.0),
                (false, false) => (assumed.goes_on_weekday, 18.5, 1.25),
            };
            let leaves = self.midnight(day).plus_micros(((from + span * hour) * HOUR as f64) as i64);
            let away = account.away_until(leaves).is_some();
            (luck < goes && leaves > at && !away).then_some(leaves)
        });
        let latest = self.midnight(first + LOOK_AHEAD_DAYS);
        self.plan(occasion.unwrap_or(latest), Planned::SetOut { device });
    }

    /// Somebody leaves for the shop, unless what is needed has come meanwhile.
    pub(super) fn set_out(&mut self, at: Time, device: usize) {
        let known = &self.devices[device];
        if !known.spares.is_empty() || (known.dry_since.is_none() && known.felt_at.is_none()) {
            self.devices[device].busy = Busy::No;
            return;
        }
        let bag = self.trip(at, device);
        let back = at.plus_micros(bag.milliminutes as i64 * MINUTE / 1_000);
        self.devices[device].sheet.trips += 1;
        self.plan(back, Planned::BackHome { device, bag });
    }

    fn trip(&self, at: Time, device: usize) -> Bag {
        let known = &self.devices[device];
        let (account, assumed) = (&self.accounts[known.account], &self.setup.assumptions);
        let dice = &mut self.dice(Stream::Trip, known.subject, known.cycle * 64 + known.attempt);
        let first = known.attempt == 0;
        let search = assumed.search_minutes * (0.4 * dice.normal()).exp();
        let (doubts, wrong) = (dice.chance(assumed.doubts), dice.chance(assumed.wrong_item));
        let other = dice.between(0..WARES.len() as i64 - 2) as usize;
        let (clerk, looks) = (dice.chance(0.3), dice.unit());
        let mut bag = Bag {
            got: None,
            two: false,
            ours: false,
            attempt: known.attempt,
            milliminutes: 0,
            steps: 0,
            inputs: 0,
            contacts: u32::from(clerk),
            frictions: Vec::new(),
            stock_outs: 0,
        };
        if first {
            bag.inputs += 3;
            bag.spend(search, 1, Some(FrictionKind::Search));
            if doubts {
                bag.spend(assumed.doubt_minutes, 1, Some(FrictionKind::Doubt));
            }
        }
        // Unsure what fits, some take home what does not.
        let wants = match wrong {
            true if WARES[other].fits != Some(known.model) => other,
            _ => known.usual,
        };
        let mut drive = account.drive_minutes * self.road(at.plus_micros(bag.spent()));
        bag.spend(drive, 1, Some(FrictionKind::Trip));
        let nearest = usize::from(!account.nearest_is_ours);
        for (nth, shop) in [nearest, (nearest + 1) % SHOPS].into_iter().enumerate() {
            if nth == 1 {
                drive = assumed.second_shop * account.drive_minutes * self.road(at.plus_micros(bag.spent()));
                bag.spend(drive, 1, Some(FrictionKind::Trip));
            }
            bag.spend(assumed.look_minutes * (0.6 + 0.8 * looks), 1, None);
            if !self.has(shop, wants, at) {
                bag.stock_outs += 1;
                bag.spend(0.0, 0, Some(FrictionKind::StockOut));
                continue;
            }
            bag.two = self.only_in_a_bundle(shop, wants, at);
            if bag.two {
                bag.spend(0.0, 0, Some(FrictionKind::ForcedBundle));
            }
            bag.spend(self.queue(shop, at.plus_micros(bag.spent())), 1, Some(FrictionKind::Wait));
            bag.spend(assumed.pay_minutes, 1, None);
            bag.inputs += 1;
            (bag.got, bag.ours) = (Some(wants), shop == 0);
            break;
        }
        let home = account.drive_minutes * self.road(at.plus_micros(bag.spent()));
        bag.spend(home, 1, Some(FrictionKind::Trip));
        bag
    }

    fn road(&self, at: Time) -> f64 {
        let hour = self.since_midnight(at) / HOUR;
        let turn = self.day_of(at) * 24 + hour;
        let jam = 0.15 * self.dice(Stream::Road, 0, turn as usize).normal();
        (ROADS[hour as usize] + jam).max(0.9)
    }

    fn has(&self, shop: usize, ware: usize, at: Time) -> bool {
        let subject = shop * WARES.len() + ware;
        !self
            .dice(Stream::Shelf, subject, self.day_of(at) as usize)
            .chance(self.setup.assumptions.out_of_stock)
    }

    fn only_in_a_bundle(&self, shop: usize, ware: usize, at: Time) -> bool {
        let (subject, week) = (shop * WARES.len() + ware, self.day_of(at).div_euclid(7));
        self.dice(Stream::Bundle, subject, week as usize).chance(self.setup.assumptions.only_in_a_bundle)
    }

    fn queue(&self, shop: usize, at: Time) -> f64 {
        let hour = self.since_midnight(at) / HOUR;
        let turn = self.day_of(at) * 24 + hour;
        let long = (0.5 * self.dice(Stream::Queue, shop, turn as usize).normal()).exp();
        self.setup.assumptions.queue_minutes * QUEUES[hour as usize] * long
    }

    pub(super) fn back_home(&mut self, at: Time, device: usize, bag: Bag) {
        let who = self.account(device).who.clone();
        let known = &mut self.devices[device];
        known.busy = Busy::No;
        known.attempt += 1;
        known.effort.add(bag.effort());
        known.sheet.stock_outs += bag.stock_outs;
        known.sheet.bundles += u32::from(bag.two);
        let about = json!({ "category": known.category, "device_id": known.id, "slot": known.slot });
        let key = format!("{}-{}-{}", known.id, known.cycle, bag.attempt);
        let mut told = Vec::new();
        for (index, (kind, milliminutes)) in bag.frictions.iter().enumerate() {
            let mut friction = about.clone();
            friction["kind"] = json!(kind.name());
            friction["minutes"] = json!(*milliminutes as f64 / 1_000.0);
            told.push(Say::new(
                format!("friction-{key}-{index}"),
                Some(who.clone()),
                "friction.met",
                &friction,
            ));
        }
        let mut effort = about;
        let spent = bag.effort();
        effort["minutes"] = json!(spent.minutes);
        effort["steps"] = json!(spent.steps);
        effort["inputs"] = json!(spent.inputs);
        effort["contacts"] = json!(spent.contacts);
        told.push(Say::new(format!("effort-{key}"), Some(who), "effort.spent", &effort));
        told.into_iter().for_each(|say| self.ready.push_back(super::told(at, say)));

        let Some(ware) = bag.got else { return self.go_shopping(at, device) };
        let times = if bag.two { 2 } else { 1 };
        let known = &mut self.devices[device];
        let fits = WARES[ware].fits == Some(known.model) || known.category == MILK;
        let (price, cost) = (WARES[ware].price * times, WARES[ware].cost * times);
        match (fits, bag.ours) {
            (true, true) => {
                known.sheet.revenue += price;
                known.sheet.cost_of_goods += cost;
                known.sheet.cost_to_serve += self.setup.assumptions.shop_sale_won as i64;
            }
            (true, false) => known.sheet.spent_elsewhere += price,
            // It is taken back on the next trip.
            (false, _) => {
                known.sheet.wrong_items += 1;
                return self.go_shopping(at, device);
            }
        }
        for _ in 0..times {
            let spare = Spare { ware, ours: bag.ours, delivered: false };
            match self.devices[device].felt_at.is_some() {
                true => self.in_hand(at, device, spare),
                false => self.devices[device].spares.push(spare),
            }
        }
    }
}

impl Bag {
    /// So many minutes for a step, and what kind of trouble it was.
    fn spend(&mut self, minutes: f64, steps: u32, friction: Option<FrictionKind>) {
        let milliminutes = (minutes * 1_000.0).round() as u64;
        self.milliminutes += milliminutes;
        self.steps += steps;
        if let Some(kind) = friction {
            match self.frictions.iter_mut().find(|(known, _)| *known == kind) {
                Some((_, known)) => *known += milliminutes,
                None => self.frictions.push((kind, milliminutes)),
            }
        }
    }

    fn spent(&self) -> i64 {
        micros(self.milliminutes as f64 / 1_000.0)
    }

    fn effort(&self) -> Effort {
        Effort {
            minutes: self.milliminutes as f64 / 1_000.0,
            steps: self.steps,
            inputs: self.inputs,
            contacts: self.contacts,
        }
    }
}
