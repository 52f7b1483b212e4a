//! The company's stock, its suppliers, and the carrier.

use std::collections::BTreeMap;

use model::Time;
use serde_json::{Value, json};

use super::goods::{DAWN, DAWN_VAN, MILK, PLACE, STANDARD, TONER, WARES, ware};
use super::people::{Account, Busy, Device, Kind, Spare};
use super::reacting::{Order, OrderedBy};
use super::{DAY, Drill, HOUR, Happening, Living, MINUTE, Planned, Say, Setup, Stream, TIME_ZONE, told};

/// What is on hand of one item, and what was bought.
pub(super) struct Shelf {
    pub on_hand: u32,
    level: u32,
    pub price: i64,
    coming: BTreeMap<usize, u32>,
    /// Orders that wait for goods, by when they were to leave.
    waiting: Vec<(Time, String)>,
}

/// An order on its way.
pub(super) struct Parcel {
    pub order: Order,
    pub ware: usize,
    pub device: usize,
    pub due_at: Time,
    pub left: bool,
    pub called_off: bool,
    pub arrived: Option<Time>,
}

/// A carrier's way as an operator knows it: what it costs, and how long past journeys took.
#[derive(Clone, PartialEq, Debug)]
pub struct LaneOf {
    pub service: &'static str,
    /// The resource whose slots take parcels away.
    pub slots: Option<&'static str>,
    pub cost: i64,
    /// Promised to the end of a day, not to an instant.
    pub whole_days: bool,
    pub journeys: Vec<f64>,
}

/// The van's hours: what is in it is there before breakfast.
const DAWN_FROM: i64 = 4 * HOUR;
const DAWN_TO: i64 = 7 * HOUR;
/// When the van is full, or gone for today.
const DAWN_CUT_OFF: i64 = 23 * HOUR;
/// More than is drunk in any run.
const PLENTY: u32 = 1_000_000;
/// A receipt comes at noon.
const RECEIVES: i64 = 12 * HOUR;

pub(super) fn stocked(setup: &Setup, accounts: &[Account], devices: &[Device]) -> Vec<Shelf> {
    let assumed = &setup.assumptions;
    let shelf = |(index, ware): (usize, &super::Ware)| {
        let daily = |device: &Device| match device.kind {
            Kind::Printer { pages } if ware.fits == Some(device.model) => {
                let days = if accounts[device.account].office { 0.7 } else { 0.75 };
                let share = if device.usual == index { 1.0 } else { 0.25 };
                pages * days * share / f64::from(ware.holds)
            }
            _ => 0.0,
        };
        let demand: f64 = devices.iter().map(daily).sum();
        // Several may run out in one week.
        let level = (demand * assumed.stock_cover_days).ceil() as u32 + 4;
        Shelf { on_hand: level, level, price: ware.price, coming: BTreeMap::new(), waiting: Vec::new() }
    };
    WARES.iter().enumerate().map(shelf).collect()
}

impl Living {
    pub(super) fn supplies_told(&self) -> Vec<Happening> {
        let at = self.setup.start;
        let mut said = Vec::new();
        let mut tell = |name: &'static str, key: &str, properties: Value| {
            said.push(told(at, Say::new(format!("opening-{name}-{key}"), None, name, &properties)));
        };
        for (ware, shelf) in WARES.iter().zip(&self.shelves) {
            tell("item.published", ware.item_id, ware.published(shelf.price));
            // Milk comes fresh every night: the van is what there is too little of.
            let on_hand = if ware.category == TONER { shelf.on_hand } else { PLENTY };
            let counted = json!({ "item_id": ware.item_id, "place": PLACE, "on_hand": on_hand });
            tell("stock.counted", ware.item_id, counted);
        }
        let units = (self.setup.fridges * 2 / 3).max(4);
        let shifts = json!([{ "from": "04:00", "to": "07:00", "slot_minutes": 180, "units": units }]);
        let van = json!({ "resource": DAWN_VAN, "time_zone": TIME_ZONE, "shifts": shifts });
        tell("capacity.set", DAWN_VAN, van);
        said
    }

    /// The carriers' ways from the only place to the only region, with so many past journeys each.
    pub fn lanes(&self, journeys: usize) -> Vec<LaneOf> {
        let assumed = &self.setup.assumptions;
        let past = |stream: usize, hours: &dyn Fn(&mut super::Dice) -> f64| {
            let dice = &mut self.dice(Stream::History, stream, 0);
            (0..journeys).map(|_| hours(dice)).collect()
        };
        vec![
            LaneOf {
                service: STANDARD,
                slots: None,
                cost: assumed.parcel_won as i64,
                whole_days: true,
                journeys: past(0, &|dice| self.journey_hours(dice)),
            },
            LaneOf {
                service: DAWN,
                slots: Some(DAWN_VAN),
                cost: assumed.dawn_stop_won as i64,
                whole_days: false,
                journeys: past(1, &|dice| self.dawn_hours(dice)),
            },
        ]
    }

    fn journey_hours(&self, dice: &mut super::Dice) -> f64 {
        let assumed = &self.setup.assumptions;
        assumed.journey_hours * (assumed.journey_spread * dice.normal()).exp()
    }

    /// From the beginning of the van's slot.
    fn dawn_hours(&self, dice: &mut super::Dice) -> f64 {
        let hours = 2.9 * dice.unit();
        let (late, by) = (dice.chance(self.setup.assumptions.dawn_late), 1.0 + 3.0 * dice.unit());
        if late { 3.0 + by } else { hours }
    }

    // ---- suppliers ----------------------------------------------------------------------------------------------

    pub(super) fn plan_supply(&mut self, day: i64) {
        let every = (self.setup.assumptions.review_days.round() as i64).max(1);
        for (index, _) in WARES.iter().enumerate().filter(|(_, ware)| ware.category == TONER) {
            if (day + index as i64) % every == 0 {
                let turn = (day / every) as usize;
                self.plan(self.midnight(day).plus_micros(9 * HOUR), Planned::Review { ware: index, turn });
            }
        }
    }

    /// Buys what is missing. Whether it will be late is drawn now and known to nobody.
    pub(super) fn review(&mut self, at: Time, ware: usize, turn: usize) {
        let shelf = &self.shelves[ware];
        let coming: u32 = shelf.coming.values().sum();
        let owed = shelf.waiting.len() as u32;
        let Some(units) = (shelf.level + owed).checked_sub(shelf.on_hand + coming).filter(|units| *units > 0)
        else {
            return;
        };
        let due = self.receipt_due(at);
        let late = self.lateness(ware, turn, due);
        self.shelves[ware].coming.insert(turn, units);
        self.expect(at, ware, turn, due);
        if late > 0 {
            // Said when it should have been there.
            self.plan(due, Planned::Announce { ware, turn });
        }
        self.plan(due.plus_micros(late * DAY), Planned::Receive { ware, turn });
    }

    fn receipt_due(&self, at: Time) -> Time {
        let days = self.setup.assumptions.supplier_days.round() as i64;
        self.midnight(self.day_of(at) + days).plus_micros(RECEIVES)
    }

    /// Days by which a receipt is late.
    fn lateness(&self, ware: usize, turn: usize, due: Time) -> i64 {
        let (assumed, day) = (&self.setup.assumptions, self.day_of(due));
        let drilled = self.setup.drills.iter().find_map(|drill| match drill {
            Drill::LateSupplier { from_day, days, late_days } => {
                let from = i64::from(*from_day);
                (from..from + i64::from(*days)).contains(&day).then_some(i64::from(*late_days))
            }
            _ => None,
        });
        let dice = &mut self.dice(Stream::Supplier, ware, turn);
        let (late, days) =
            (dice.chance(assumed.supplier_late), assumed.supplier_late_days * dice.unit() * 2.0);
        drilled.unwrap_or(if late { days.ceil() as i64 } else { 0 })
    }

    fn expect(&mut self, at: Time, ware: usize, turn: usize, due: Time) {
        let Some(units) = self.shelves[ware].coming.get(&turn).copied() else { return };
        let expected = json!({
            "item_id": WARES[ware].item_id, "place": PLACE, "receipt": receipt(ware, turn), "quantity": units,
            "due": due.to_string(),
        });
        let key = format!("expected-{}-{}", receipt(ware, turn), self.day_of(at));
        self.say(at, None, "stock.expected", key, &expected);
    }

    pub(super) fn announce(&mut self, at: Time, ware: usize, turn: usize) {
        let late = self.lateness(ware, turn, at);
        self.expect(at, ware, turn, at.plus_micros(late * DAY));
    }

    pub(super) fn receive(&mut self, at: Time, ware: usize, turn: usize) {
        let Some(units) = self.shelves[ware].coming.remove(&turn) else { return };
        self.shelves[ware].on_hand += units;
        let received = json!({
            "item_id": WARES[ware].item_id, "place": PLACE, "receipt": receipt(ware, turn), "quantity": units,
        });
        self.say(at, None, "stock.received", format!("received-{}", receipt(ware, turn)), &received);
        let mut waiting = std::mem::take(&mut self.shelves[ware].waiting);
        waiting.sort();
        for (_, order_id) in waiting {
            self.leave(at, &order_id);
        }
    }

    pub(super) fn reprice(&mut self, at: Time, percent: u32) {
        for (index, ware) in WARES.iter().enumerate() {
            let price = self.shelves[index].price * i64::from(100 + percent) / 100;
            self.shelves[index].price = price;
            let key = format!("price-{}-{}", ware.item_id, self.day_of(at));
            self.say(at, None, "item.published", key, &ware.published(price));
        }
    }

    // ---- orders -------------------------------------------------------------------------------------------------

    /// An order is to be fulfilled.
    pub fn ordered(&mut self, order: Order, at: Time) {
        let known = self.parcels.contains_key(&order.order_id);
        let account = self.accounts.iter().position(|account| account.who == order.who);
        let (Some(ware), Some(account)) = (ware(&order.item_id), account) else { return };
        let named = order.device_id.as_ref().and_then(|id| self.devices.iter().position(|d| d.id == *id));
        let of_account = |device: &usize| {
            let device = &self.devices[*device];
            device.account == account && (device.category == MILK) == (WARES[ware].category == MILK)
        };
        let likely =
            || (0..self.devices.len()).filter(of_account).min_by_key(|device| self.fit(*device, ware));
        let Some(device) = named.or_else(likely).filter(|_| !known) else { return };
        let of_device = &mut self.devices[device];
        let needless = !of_device.under_way.is_empty() || of_device.spares.iter().any(|spare| spare.ours);
        of_device.sheet.orders += 1;
        of_device.sheet.duplicates += u32::from(needless && of_device.category != MILK);
        of_device.under_way.push(order.order_id.clone());
        of_device.announced = None;
        if of_device.busy == Busy::App {
            of_device.busy = Busy::No;
        }
        let cycle = of_device.cycle;
        if of_device.felt_at.is_some() {
            // Whoever waits looks again when it is overdue.
            let overdue = self.setup.assumptions.waits_past_the_date * HOUR as f64;
            let looks = order.due_at.plus_micros(overdue as i64).max(at);
            self.plan(looks, Planned::LookAgain { device, cycle });
        }
        let leaves = match WARES[ware].category {
            MILK => self.next_dawn(at, order.hand_over_at),
            _ => {
                let handled = at.plus_micros((self.setup.assumptions.handling_hours * HOUR as f64) as i64);
                order.hand_over_at.map_or(handled, |planned| planned.max(handled))
            }
        };
        let order_id = order.order_id.clone();
        let due_at = order.due_at;
        let parcel = Parcel { order, ware, device, due_at, left: false, called_off: false, arrived: None };
        self.parcels.insert(order_id.clone(), parcel);
        self.plan(leaves, Planned::Leave { order_id });
    }

    /// How likely an item is for a device: one that it fits, and that will be empty first.
    fn fit(&self, device: usize, ware: usize) -> (bool, u64) {
        let known = &self.devices[device];
        let fits = WARES[ware].fits.is_none_or(|model| model == known.model);
        (!fits, (known.left * 1_000.0) as u64)
    }

    /// The beginning of the van's slot that was booked, else of the next that can be reached.
    fn next_dawn(&self, at: Time, booked: Option<Time>) -> Time {
        let begins = |day: i64| self.midnight(day).plus_micros(DAWN_FROM);
        let day = match booked {
            Some(booked) => self.day_of(booked),
            None => self.day_of(at) + 1 + i64::from(self.since_midnight(at) > DAWN_CUT_OFF),
        };
        // A slot that has begun is still reached while the van is loaded.
        let day = if begins(day).plus_micros(DAWN_TO - DAWN_FROM) < at { day + 1 } else { day };
        begins(day).max(at)
    }

    pub(super) fn leave(&mut self, at: Time, order_id: &str) {
        let Some(parcel) = self.parcels.get(order_id) else { return };
        if parcel.called_off || parcel.left {
            return;
        }
        let (ware, units, device) = (parcel.ware, parcel.order.units, parcel.device);
        let is_milk = WARES[ware].category == MILK;
        if !is_milk {
            if self.shelves[ware].on_hand < units {
                let waits = (at, order_id.to_owned());
                return self.shelves[ware].waiting.push(waits);
            }
            self.shelves[ware].on_hand -= units;
        }
        if let Some(parcel) = self.parcels.get_mut(order_id) {
            parcel.left = true;
        }
        let (subject, day) = (self.devices[device].subject, self.day_of(at).max(0) as usize);
        let hours = match is_milk {
            true => self.dawn_hours(&mut self.dice(Stream::Dawn, subject, day)),
            false => self.journey_hours(&mut self.dice(Stream::Journey, subject, day)),
        };
        self.tell_order(at, order_id, "fulfillment.shipped");
        let arrives = at.plus_micros((hours * HOUR as f64) as i64);
        self.plan(arrives, Planned::Arrive { order_id: order_id.to_owned() });
    }

    pub(super) fn arrive(&mut self, at: Time, order_id: &str) {
        self.tell_order(at, order_id, "fulfillment.delivered");
        let Some(parcel) = self.parcels.get(order_id) else { return };
        let (device, ware, due_at) = (parcel.device, parcel.ware, parcel.due_at);
        let (order, automatic) = (parcel.order.clone(), matches!(parcel.order.by, OrderedBy::Action(_)));
        let called_off = parcel.called_off;
        let account = self.account(device);
        let away = account.away_until(at).is_some();
        let known_away = away && account.share() == 3;
        let is_milk = WARES[ware].category == MILK;
        let cover = match is_milk {
            true => self.milk_days(device, at),
            false => self.cover_days(device, at),
        };
        let assumed = &self.setup.assumptions;
        let limit = if is_milk { assumed.milk_cover_limit_days } else { assumed.cover_limit_days };
        let breakfast = self.midnight(self.day_of(at)).plus_micros(DAWN_TO);
        let brought = if is_milk { assumed.dawn_stop_won } else { assumed.parcel_won };
        let (cost, parcel_won) = (WARES[ware].cost, brought as i64);
        let known = &mut self.devices[device];
        known.under_way.retain(|order| order != order_id);
        let sheet = &mut known.sheet;
        sheet.deliveries += 1;
        sheet.on_time += u32::from(at <= due_at);
        sheet.came_all_the_same += u32::from(called_off && automatic);
        sheet.revenue += order.price;
        sheet.cost_of_goods += cost * i64::from(order.units);
        sheet.cost_to_serve += parcel_won;
        sheet.cover_days.push(cover);
        sheet.too_early += u32::from(cover > limit);
        sheet.came_while_away += u32::from(away);
        sheet.came_while_known_away += u32::from(known_away);
        if is_milk {
            sheet.dawn += 1;
            sheet.dawn_on_time += u32::from(at <= breakfast);
        }
        if let Some(parcel) = self.parcels.get_mut(order_id) {
            parcel.arrived = Some(at);
        }
        let order_id = order_id.to_owned();
        self.plan(self.taken_in(device, at), Planned::TakeIn { order_id });
    }

    /// When somebody is there to take a parcel in from the door.
    fn taken_in(&self, device: usize, at: Time) -> Time {
        let account = self.account(device);
        if account.office {
            return self.present(device, at.plus_micros(15 * MINUTE));
        }
        let day = self.day_of(at);
        let dice = &mut self.dice(Stream::AtHome, account.subject, day.max(0) as usize);
        let at_home = self.is_weekend(day) || dice.chance(self.setup.assumptions.home_by_day);
        let evening = self.midnight(day).plus_micros(18 * HOUR + 30 * MINUTE);
        let morning = self.midnight(day).plus_micros(9 * HOUR);
        let there = if at_home || at < morning { at.plus_micros(5 * MINUTE) } else { at.max(evening) };
        self.present_for_parcel(device, there)
    }

    /// Whoever sleeps takes it in when they get up, before anything else.
    fn present_for_parcel(&self, device: usize, at: Time) -> Time {
        let account = self.account(device);
        let at = account.away_until(at).unwrap_or(at);
        let wakes = self.midnight(self.day_of(at)).plus_micros(DAWN_TO);
        at.max(wakes)
    }

    pub(super) fn take_in(&mut self, at: Time, order_id: &str) {
        let Some(parcel) = self.parcels.get(order_id) else { return };
        let (device, ware, units) = (parcel.device, parcel.ware, parcel.order.units);
        if WARES[ware].category == MILK {
            let arrived = parcel.arrived.unwrap_or(at);
            return self.put_milk_in(at, device, units, arrived);
        }
        if WARES[ware].fits != Some(self.devices[device].model) {
            self.devices[device].sheet.wrong_items += 1;
            self.devices[device].sheet.wrong_deliveries += 1;
            return;
        }
        for _ in 0..units {
            self.in_hand(at, device, Spare { ware, ours: true, delivered: true });
        }
    }

    fn tell_order(&mut self, at: Time, order_id: &str, name: &'static str) {
        let Some(parcel) = self.parcels.get(order_id) else { return };
        let who = parcel.order.who.clone();
        let properties = json!({ "order_id": order_id, "fraction": 1 });
        self.say(at, Some(&who), name, format!("{name}-{order_id}"), &properties);
    }
}

fn receipt(ware: usize, turn: usize) -> String {
    format!("po-{}-{turn}", WARES[ware].item_id)
}
