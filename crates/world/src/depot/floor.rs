//! Picking lines that stop, parcels that are picked in their slots or later, and the road.

use model::Time;
use serde_json::{Value, json};

use super::planted::{
    HOUR, LANES, LaneOf, MINUTE, PLACES, PlaceOf, SLOT_HOURS, SLOW_LANE, TIME_ZONE, WARES, WORK_FROM,
    WORK_TO, is_workday,
};
use super::{Cause, Depot, Happening, Said, State, Stream};
use crate::dice::Dice;

/// What a slot picks is settled so long after its beginning: whoever books it while it is under way is in time.
const PICKED_BY: i64 = SLOT_HOURS * HOUR - 30 * MINUTE;

/// A line that stands still, from when until when, truly.
pub(super) struct Downtime {
    from: Time,
    until: Time,
    /// Until when it is said to, at first.
    guessed: Time,
    name: String,
}

impl PlaceOf {
    pub(super) fn calendar(&self) -> Value {
        json!({
            "resource": self.line,
            "time_zone": TIME_ZONE,
            "shifts": [{
                "days": ["mon", "tue", "wed", "thu", "fri", "sat"],
                "from": format!("{WORK_FROM:02}:00"),
                "to": format!("{WORK_TO:02}:00"),
                "slot_minutes": SLOT_HOURS * 60,
                "units": self.slot_units,
            }],
        })
    }
}

impl LaneOf {
    /// A journey's hours in an ordinary week, so many standard deviations from the median.
    pub(super) fn hours(&self, normal: f64) -> f64 {
        self.median * (self.sigma * normal).exp()
    }
}

impl Depot {
    pub(super) fn plan_floor(&mut self, day: i64) {
        for place in 0..PLACES.len() {
            if is_workday(self.config.start, day) {
                for hour in (WORK_FROM..WORK_TO).step_by(SLOT_HOURS as usize) {
                    let slot = self.hour_of(day, hour);
                    self.plan(slot.plus_micros(PICKED_BY), Happening::Slot { place, slot });
                }
            }
            self.plan_downtime(day, place);
        }
    }

    fn plan_downtime(&mut self, day: i64, place: usize) {
        let planted = &self.config.planted;
        let turn = day as usize;
        let dice = &mut Dice::new(self.config.seed, Stream::Downtime, place, turn);
        if !dice.chance(planted.downtime_per_day) {
            return;
        }
        let from = self.midnight(day).plus_micros(dice.between(WORK_FROM * 60..WORK_TO * 60) * MINUTE);
        let hours = planted.downtime_hours * (planted.downtime_sigma * dice.normal()).exp();
        // What is guessed at first is off by about a third.
        let guess = hours * (0.3 * dice.normal()).exp();
        let after = |hours: f64| from.plus_micros((hours * HOUR as f64) as i64 + MINUTE);
        let (until, guessed) = (after(hours), after(guess));
        let name = format!("{}-{turn}", PLACES[place].line);
        self.downtimes.insert((place, turn), Downtime { from, until, guessed, name });
        self.plan(from, Happening::Stop { place, turn });
        if guessed < until {
            self.plan(guessed, Happening::StillDown { place, turn });
        }
        self.plan(until, Happening::Run { place, turn });
    }

    fn reported(&mut self, at: Time, place: usize, turn: usize, until: Time) -> Vec<Said> {
        let down = &self.downtimes[&(place, turn)];
        let properties = json!({
            "resource": PLACES[place].line,
            "downtime": down.name,
            "from": down.from.to_string(),
            "until": until.to_string(),
        });
        self.tell(at, "downtime.reported", properties)
    }

    pub(super) fn stop(&mut self, at: Time, place: usize, turn: usize) -> Vec<Said> {
        let guessed = self.downtimes[&(place, turn)].guessed;
        self.reported(at, place, turn, guessed)
    }

    pub(super) fn still_down(&mut self, at: Time, place: usize, turn: usize) -> Vec<Said> {
        let until = self.downtimes[&(place, turn)].until;
        self.reported(at, place, turn, until)
    }

    pub(super) fn run(&mut self, at: Time, place: usize, turn: usize) -> Vec<Said> {
        let name = self.downtimes[&(place, turn)].name.clone();
        self.tell(at, "downtime.ended", json!({ "resource": PLACES[place].line, "downtime": name }))
    }

    /// The parcels that one slot truly takes, and whether the line stands still in part of it.
    fn hands(&self, at: Time, place: usize) -> (u32, bool) {
        let end = at.plus_micros(SLOT_HOURS * HOUR);
        let of_place = self.downtimes.range((place, 0)..=(place, usize::MAX)).map(|(_, down)| down);
        let lost: i64 = of_place.map(|down| down.until.min(end).since(down.from.max(at)).max(0)).sum();
        let lost = (lost as f64 / (SLOT_HOURS * HOUR) as f64).min(1.0);
        ((f64::from(PLACES[place].slot_units) * (1.0 - lost) + 1e-9).floor() as u32, lost > 0.0)
    }

    /// Works one slot. Goods go to whoever was to leave first; hands go to those who booked the slot, then to those
    /// who are behind, then to what was promised without a booking, as far as goods are left that nobody booked.
    pub(super) fn work_slot(&mut self, now: Time, place: usize, at: Time) -> Vec<Said> {
        let (mut hands, stands_still) = self.hands(at, place);
        let mut due: Vec<(Time, u32, usize)> = Vec::new();
        let mut unbooked: Vec<(u32, usize)> = Vec::new();
        for (_, order, parcel) in self.waiting.range((place, 0, 0)..=(place, u32::MAX, usize::MAX)) {
            match self.orders[order].parcels[*parcel].slot {
                Some(slot) if slot <= at => due.push((slot, *order, *parcel)),
                Some(_) => {}
                None => unbooked.push((*order, *parcel)),
            }
        }
        due.sort_unstable();
        for (_, order, parcel) in &due {
            self.put_aside(*order, *parcel, |free, _| free);
        }
        let (here, behind): (Vec<_>, Vec<_>) = due.into_iter().partition(|(slot, ..)| *slot == at);
        let mut done = 0;
        for (_, order, index) in here.into_iter().chain(behind) {
            let parcel = &self.orders[&order].parcels[index];
            if parcel.aside && hands > 0 {
                hands -= 1;
                done += 1;
                self.pick(at, order, index, done);
            } else if parcel.delayed.is_none() {
                let missing = parcel.lines.iter().filter_map(|(ware, _)| self.shelf(*ware, place));
                let goods = missing.map(|shelf| self.shelves[shelf].blame()).min();
                let why = match (parcel.aside, goods) {
                    (false, Some(why)) => why,
                    _ if stands_still => Cause::Downtime,
                    _ => Cause::Knock,
                };
                if let Some(order) = self.orders.get_mut(&order) {
                    order.parcels[index].delayed = Some(why);
                }
            }
        }
        let mut said = Vec::new();
        for (order, index) in unbooked {
            if hands == 0 {
                break;
            }
            self.put_aside(order, index, |free, booked| free.saturating_sub(booked));
            if self.orders[&order].parcels[index].aside {
                hands -= 1;
                done += 1;
                self.pick(at, order, index, done);
                // Nobody booked it, so nobody knows that it is gone until it is said.
                for (ware, units) in self.orders[&order].parcels[index].lines.clone() {
                    let properties = json!({
                        "item_id": WARES[ware].id, "place": PLACES[place].name, "quantity": -i64::from(units),
                    });
                    said.extend(self.tell(now, "stock.adjusted", properties));
                }
            }
        }
        said
    }

    /// Puts a parcel's goods aside where all of them are there. `may_take` says how much of what is free it may have,
    /// by what is free and what others booked.
    fn put_aside(&mut self, order: u32, index: usize, may_take: impl Fn(u32, u32) -> u32) {
        let parcel = self.orders[&order].parcels[index].clone();
        if parcel.aside {
            return;
        }
        let shelves: Option<Vec<(usize, u32)>> = parcel
            .lines
            .iter()
            .map(|(ware, units)| Some((self.shelf(*ware, parcel.place)?, *units)))
            .collect();
        let Some(shelves) = shelves else { return };
        let there = |(shelf, units): &(usize, u32)| {
            may_take(self.shelves[*shelf].free, self.booked(*shelf)) >= *units
        };
        if !shelves.iter().all(there) {
            return;
        }
        for (shelf, units) in shelves {
            self.shelves[shelf].free -= units;
        }
        if let Some(order) = self.orders.get_mut(&order) {
            order.parcels[index].aside = true;
        }
    }

    fn pick(&mut self, slot: Time, order: u32, index: usize, done: i64) {
        let Some(known) = self.orders.get_mut(&order) else { return };
        let place = known.parcels[index].place;
        known.parcels[index].state = State::Picked;
        self.waiting.remove(&(place, order, index));
        let leaves = slot.plus_micros(SLOT_HOURS * HOUR - (1 + done % 20) * MINUTE);
        self.plan(leaves, Happening::Leave { order, parcel: index });
    }

    /// Whether a lane is slow for what is handed over at `at`: every third week.
    pub(super) fn is_slow(&self, lane: usize, at: Time) -> bool {
        lane == SLOW_LANE
            && self.config.planted.slow_factor > 1.0
            && self.day_of(at).div_euclid(7).rem_euclid(3) == 1
    }

    /// The share of an order's parcels that are at least as far as `reached` says.
    fn share(&self, order: u32, reached: impl Fn(State) -> bool) -> f64 {
        let parcels = &self.orders[&order].parcels;
        parcels.iter().filter(|parcel| reached(parcel.state)).count() as f64 / parcels.len() as f64
    }

    pub(super) fn leave(&mut self, at: Time, order: u32, index: usize) -> Vec<Said> {
        let Some(known) = self.orders.get_mut(&order) else { return Vec::new() };
        let parcel = &mut known.parcels[index];
        parcel.state = State::Left;
        let lane = parcel.lane;
        let normal = Dice::new(self.config.seed, Stream::Journey, order as usize, lane).normal();
        let slow = self.is_slow(lane, at);
        if slow && let Some(known) = self.orders.get_mut(&order) {
            known.parcels[index].delayed.get_or_insert(Cause::SlowLane);
        }
        let hours = LANES[lane].hours(normal) * if slow { self.config.planted.slow_factor } else { 1.0 };
        let arrives = at.plus_micros((hours * HOUR as f64) as i64);
        self.plan(arrives, Happening::Arrive { order, parcel: index });
        let fraction = self.share(order, |state| matches!(state, State::Left | State::Arrived(_)));
        self.tell_order(at, order, "fulfillment.shipped", fraction)
    }

    pub(super) fn arrive(&mut self, at: Time, order: u32, index: usize) -> Vec<Said> {
        if let Some(known) = self.orders.get_mut(&order) {
            known.parcels[index].state = State::Arrived(at);
        }
        let fraction = self.share(order, |state| matches!(state, State::Arrived(_)));
        self.tell_order(at, order, "fulfillment.delivered", fraction)
    }

    fn tell_order(&mut self, at: Time, order: u32, name: &str, fraction: f64) -> Vec<Said> {
        let properties = json!({ "order_id": Depot::order_id(order), "fraction": fraction });
        let customer = self.orders[&order].customer.clone();
        let mut event = self.event(at, name, properties);
        event.json["userId"] = json!(customer);
        vec![Said::Told(event)]
    }
}
