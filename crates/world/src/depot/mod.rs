//! A depot that sells supplies from two places: shelves that suppliers fill, picking lines with slots, courier lanes,
//! customers who ask for a date and order if it suits them.
//!
//! The depot promises nothing by itself. It says what a shop's systems would say (the catalogue, counts, receipts to
//! come, capacity, downtime, quality holds, shipments, deliveries) and asks for promises; whoever runs it says what was
//! booked, and the depot tries to do it. What is true stays here: when a late receipt will come, how long a line will
//! stand still, which weeks a lane is slow.
//!
//! Luck is drawn by what it is for: the same seed gives the same demand, lateness, downtime, quality holds and, by
//! order number and lane, the same journeys, whatever was promised. So two ways of promising can be compared order by
//! order.

mod demand;
mod floor;
mod goods;
mod planted;

use std::collections::{BTreeMap, BTreeSet};

use model::Time;
use serde::Serialize;
use serde_json::{Value, json};

use crate::WorldEvent;
use crate::dice::Dice;
use floor::Downtime;
use goods::Shelf;
use planted::{DAY, HOUR, LANES, PLACES, WARES};

pub use planted::{Cause, EXPRESS, Planted, STANDARD, TIME_ZONE};

/// A campaign: more orders of one item than on ordinary days, each told to be there within some days.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Campaign {
    pub item: String,
    /// The first day, and how many there are.
    pub from_day: u32,
    pub days: u32,
    /// Orders that are expected of it; how many come is Poisson.
    pub size: f64,
    /// The claim: there by the end of so many days after the order, and one more from this hour on.
    pub within_days: u32,
    pub cut_off_hour: u32,
    /// Units that were bought for it: they come to the first place that keeps the item, the day before it begins.
    pub stock: u32,
}

/// What kind of depot to simulate.
#[derive(Debug, Clone, PartialEq)]
pub struct DepotConfig {
    /// Decides all luck.
    pub seed: u64,
    /// The first midnight, local.
    pub start: Time,
    /// Days on which customers order.
    pub days: u32,
    /// Days on which what was ordered is still picked and carried.
    pub tail_days: u32,
    pub planted: Planted,
    pub campaign: Option<Campaign>,
}

/// What the depot says, one thing at a time.
#[derive(Debug, Clone, PartialEq)]
pub enum Said {
    /// An event of operations.
    Told(WorldEvent),
    /// A customer asks; to be answered by [`Depot::book`] or not at all.
    Wants(Request),
}

/// What a customer wants.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    pub at: Time,
    /// The order's number, should it become one.
    pub number: u32,
    pub customer: String,
    /// (item, units)
    pub lines: Vec<(String, u32)>,
    pub to: &'static str,
    /// The latest date that suits.
    pub suits_until: Time,
    /// What the campaign claims, where it is the campaign's.
    pub claim: Option<Time>,
}

/// What was booked for an order.
#[derive(Debug, Clone, PartialEq)]
pub struct Booking {
    pub parcels: Vec<BookedParcel>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct BookedParcel {
    pub place: String,
    pub to: String,
    pub service: String,
    pub lines: Vec<(String, u32)>,
    /// When its slot of the picking line begins; `None` where nothing was booked and it is picked if something is
    /// left over.
    pub slot: Option<Time>,
}

/// A name that the depot does not know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unknown(pub String);

impl std::fmt::Display for Unknown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the depot knows no {}", self.0)
    }
}

impl std::error::Error for Unknown {}

/// A lane as an operator knows it: where it leads, what it costs, and how long past journeys took.
#[derive(Debug, Clone)]
pub struct KnownLane {
    pub from: &'static str,
    pub to: &'static str,
    pub service: &'static str,
    pub cost: i64,
    /// Hours, of ordinary weeks.
    pub journeys: Vec<f64>,
}

/// Where a parcel is.
#[derive(Debug, Clone, Copy, PartialEq)]
enum State {
    Waiting,
    /// Being picked; it cannot be changed any more.
    Picked,
    Left,
    Arrived(Time),
}

#[derive(Debug, Clone)]
struct Parcel {
    place: usize,
    lane: usize,
    lines: Vec<(usize, u32)>,
    slot: Option<Time>,
    /// Its goods are put aside.
    aside: bool,
    state: State,
    delayed: Option<Cause>,
}

#[derive(Debug, Clone)]
struct Order {
    customer: String,
    parcels: Vec<Parcel>,
}

/// What became of an order, in the world's own knowledge.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Truth {
    /// When the last of it arrived.
    pub delivered_at: Option<Time>,
    /// What delayed it, or would be to blame if it was late.
    pub cause: Cause,
}

#[derive(Debug, Clone)]
enum Happening {
    Day(i64),
    Ask(Request),
    Review { shelf: usize, turn: usize },
    Announce { shelf: usize, receipt: String, due: Time },
    Receive { shelf: usize, receipt: String },
    Stop { place: usize, turn: usize },
    StillDown { place: usize, turn: usize },
    Run { place: usize, turn: usize },
    Seize { shelf: usize, turn: usize },
    Clear { shelf: usize, turn: usize },
    Slot { place: usize, slot: Time },
    Leave { order: u32, parcel: usize },
    Arrive { order: u32, parcel: usize },
}

/// What a stream of luck is for.
#[derive(Debug, Clone, Copy)]
enum Stream {
    Demand = 100,
    Campaign,
    Receipt,
    Downtime,
    Quality,
    Journey,
    History,
}

impl From<Stream> for u64 {
    fn from(stream: Stream) -> u64 {
        stream as u64
    }
}

/// The simulated depot.
pub struct Depot {
    config: DepotConfig,
    agenda: BTreeMap<(Time, u64), Happening>,
    planned: u64,
    shelves: Vec<Shelf>,
    downtimes: BTreeMap<(usize, usize), Downtime>,
    orders: BTreeMap<u32, Order>,
    /// Parcels that are to be picked: (place, order, parcel).
    waiting: BTreeSet<(usize, u32, usize)>,
    asked: u32,
    told: u64,
}

impl Depot {
    pub fn new(config: DepotConfig) -> Self {
        let mut depot = Depot {
            shelves: goods::stocked(&config.planted),
            agenda: BTreeMap::new(),
            planned: 0,
            downtimes: BTreeMap::new(),
            orders: BTreeMap::new(),
            waiting: BTreeSet::new(),
            asked: 0,
            told: 0,
            config,
        };
        depot.plan(depot.config.start, Happening::Day(0));
        depot
    }

    /// What an operator says before the first day: the catalogue, the shelves' counts, the lines' calendars.
    pub fn opening(&mut self) -> Vec<WorldEvent> {
        let at = self.config.start;
        let mut calls: Vec<(&str, Value)> =
            WARES.iter().map(|ware| ("item.published", ware.published())).collect();
        calls.extend(self.shelves.iter().map(|shelf| ("stock.counted", shelf.counted())));
        calls.extend(PLACES.iter().map(|place| ("capacity.set", place.calendar())));
        calls.into_iter().map(|(name, properties)| self.event(at, name, properties)).collect()
    }

    /// The customers there are, by their ids.
    pub fn customers(&self) -> impl Iterator<Item = String> + use<> {
        (0..self.config.planted.customers).map(demand::customer)
    }

    /// The picking line of a place, as its capacity is called.
    pub fn line_of(place: &str) -> Option<&'static str> {
        PLACES.iter().find(|known| known.name == place).map(|known| known.line)
    }

    /// The lanes with `journeys` past journeys each.
    pub fn lanes(&self, journeys: usize) -> Vec<KnownLane> {
        let known = LANES.iter().enumerate().map(|(index, lane)| {
            let dice = &mut Dice::new(self.config.seed, Stream::History, index, 0);
            KnownLane {
                from: PLACES[lane.from].name,
                to: lane.to,
                service: lane.service,
                cost: lane.cost,
                journeys: (0..journeys).map(|_| lane.hours(dice.normal())).collect(),
            }
        });
        known.collect()
    }

    /// What happens next, and when; `None` when all is over.
    pub fn next_said(&mut self) -> Option<(Time, Vec<Said>)> {
        while let Some(next) = self.agenda.first_entry() {
            let ((at, _), happening) = next.remove_entry();
            let said = self.happen(at, happening);
            if !said.is_empty() {
                return Some((at, said));
            }
        }
        None
    }

    /// Books an order that a customer wanted.
    pub fn book(&mut self, request: &Request, booking: &Booking) -> Result<(), Unknown> {
        let parcels = booking.parcels.iter().map(parcel_of).collect::<Result<Vec<_>, _>>()?;
        self.take_up(request.number, request.customer.clone(), parcels);
        Ok(())
    }

    /// Whether something of an order is picked already, so that it cannot be booked another way.
    pub fn is_picked(&self, order: u32) -> bool {
        let picked = |order: &Order| order.parcels.iter().any(|parcel| parcel.state == State::Picked);
        self.orders.get(&order).is_some_and(picked)
    }

    /// Books an order anew. False where it is too late for that, and nothing changes.
    pub fn book_again(&mut self, order: u32, booking: &Booking) -> Result<bool, Unknown> {
        let mut parcels = booking.parcels.iter().map(parcel_of).collect::<Result<Vec<_>, _>>()?;
        let waits = |known: &&Order| known.parcels.iter().all(|parcel| parcel.state == State::Waiting);
        let Some(known) = self.orders.get(&order).filter(waits).cloned() else { return Ok(false) };
        for parcel in known.parcels.iter().filter(|parcel| parcel.aside) {
            self.put_back(parcel);
        }
        // What delayed it once is to blame, whatever was done about it.
        let blamed = known.parcels.iter().find_map(|parcel| parcel.delayed);
        parcels.iter_mut().for_each(|parcel| parcel.delayed = parcel.delayed.or(blamed));
        self.waiting.retain(|(_, waiting, _)| *waiting != order);
        self.take_up(order, known.customer, parcels);
        Ok(true)
    }

    fn take_up(&mut self, order: u32, customer: String, parcels: Vec<Parcel>) {
        self.waiting.extend(parcels.iter().enumerate().map(|(index, parcel)| (parcel.place, order, index)));
        self.orders.insert(order, Order { customer, parcels });
    }

    /// What became of an order.
    pub fn truth(&self, order: u32) -> Option<Truth> {
        let parcels = &self.orders.get(&order)?.parcels;
        let arrived = |parcel: &Parcel| match parcel.state {
            State::Arrived(at) => Some(at),
            _ => None,
        };
        let all: Option<Vec<Time>> = parcels.iter().map(arrived).collect();
        let cause = parcels.iter().find_map(|parcel| parcel.delayed).unwrap_or(Cause::Road);
        Some(Truth { delivered_at: all.and_then(|all| all.into_iter().max()), cause })
    }

    /// The id under which an order is spoken of.
    pub fn order_id(number: u32) -> String {
        format!("o-{number:06}")
    }

    fn plan(&mut self, at: Time, happening: Happening) {
        self.planned += 1;
        self.agenda.insert((at, self.planned), happening);
    }

    fn midnight(&self, day: i64) -> Time {
        self.config.start.plus_micros(day * DAY)
    }

    fn hour_of(&self, day: i64, hour: i64) -> Time {
        self.midnight(day).plus_micros(hour * HOUR)
    }

    fn day_of(&self, at: Time) -> i64 {
        at.since(self.config.start).div_euclid(DAY)
    }

    fn last_day(&self) -> i64 {
        i64::from(self.config.days + self.config.tail_days)
    }

    fn event(&mut self, at: Time, name: &str, properties: Value) -> WorldEvent {
        self.told += 1;
        let json = json!({
            "type": "track",
            "event": name,
            "messageId": format!("depot-{}-{}", self.config.seed, self.told),
            "timestamp": at.to_string(),
            "properties": properties,
        });
        WorldEvent { at: at.to_timestamp(), json }
    }

    fn tell(&mut self, at: Time, name: &str, properties: Value) -> Vec<Said> {
        vec![Said::Told(self.event(at, name, properties))]
    }

    fn happen(&mut self, at: Time, happening: Happening) -> Vec<Said> {
        match happening {
            Happening::Day(day) => self.begin_day(day),
            Happening::Ask(request) => return vec![Said::Wants(request)],
            Happening::Review { shelf, turn } => return self.review(at, shelf, turn),
            Happening::Announce { shelf, receipt, due } => return self.announce(at, shelf, &receipt, due),
            Happening::Receive { shelf, receipt } => return self.receive(at, shelf, &receipt),
            Happening::Stop { place, turn } => return self.stop(at, place, turn),
            Happening::StillDown { place, turn } => return self.still_down(at, place, turn),
            Happening::Run { place, turn } => return self.run(at, place, turn),
            Happening::Seize { shelf, turn } => return self.seize(at, shelf, turn),
            Happening::Clear { shelf, turn } => return self.clear(at, shelf, turn),
            Happening::Slot { place, slot } => return self.work_slot(at, place, slot),
            Happening::Leave { order, parcel } => return self.leave(at, order, parcel),
            Happening::Arrive { order, parcel } => return self.arrive(at, order, parcel),
        }
        Vec::new()
    }

    /// Plans what a day brings, and the next one.
    fn begin_day(&mut self, day: i64) {
        if day >= self.last_day() {
            return;
        }
        self.plan_demand(day);
        self.plan_receipts(day);
        self.plan_quality(day);
        self.plan_floor(day);
        self.plan(self.midnight(day + 1), Happening::Day(day + 1));
    }
}

fn parcel_of(booked: &BookedParcel) -> Result<Parcel, Unknown> {
    let place = PLACES.iter().position(|place| place.name == booked.place);
    let place = place.ok_or_else(|| Unknown(format!("place {}", booked.place)))?;
    let leads =
        |lane: &planted::LaneOf| lane.from == place && lane.to == booked.to && lane.service == booked.service;
    let lane = LANES.iter().position(leads).ok_or_else(|| Unknown(format!("lane to {}", booked.to)))?;
    let line = |(item, units): &(String, u32)| {
        let ware = WARES.iter().position(|ware| ware.id == *item);
        Ok((ware.ok_or_else(|| Unknown(format!("item {item}")))?, *units))
    };
    Ok(Parcel {
        place,
        lane,
        lines: booked.lines.iter().map(line).collect::<Result<_, _>>()?,
        slot: booked.slot,
        aside: false,
        state: State::Waiting,
        delayed: booked.slot.is_none().then_some(Cause::Unbooked),
    })
}
