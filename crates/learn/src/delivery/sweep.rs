//! What was known of an order at its purchase and at its hand-over: one sweep over everything that happened, in
//! the order in which it happened.

use std::collections::{HashMap, HashSet, VecDeque};

use super::running::{ByKey, Running};
use super::{DAY, Order, scale};
use crate::boost::Table;

/// How long lanes are remembered, in hours: about a year, so that each season weighs as much as the others.
const LANE_MEMORY: f64 = 400.0 * DAY;
const SELLER_MEMORY: f64 = 120.0 * DAY;
const LATELY: f64 = 10.0 * DAY;
/// The purchases of a seller that count as its load.
const LOAD_DAYS: f64 = 14.0 * DAY;
/// An order that waits longer than this for its hand-over says no more about its seller.
const STUCK: f64 = 45.0 * DAY;
/// Observations that a coarser mean weighs against a finer one's.
const LANE_STRENGTH: f64 = 10.0;
const SELLER_STRENGTH: f64 = 5.0;
/// Assumed before the first delivery; weighs as one observation.
const FIRST_DELIVERY_HOURS: f64 = 72.0;
const FIRST_HAND_OVER_HOURS: f64 = 24.0;

/// Until when what happens moves the running means.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Knowledge {
    /// At each order all that had happened by then is known.
    Running,
    /// Nothing that happened from this hour on is ever known.
    Until(f64),
}

/// Rows of features, one for each order and in the order in which the orders were given.
#[derive(Clone, Debug)]
pub struct Features {
    /// Known at the purchase.
    pub at_purchase: Table,
    /// The lane's own expectation of purchase to delivery, on the scale ln(1 + hours).
    pub lane: Vec<f64>,
    /// Known at the hand-over; of orders that were not handed over, NaN.
    pub at_hand_over: Table,
    /// The lane's own expectation of hand-over to delivery.
    pub lane_from_hand_over: Vec<f64>,
}

/// Running means of one span of time, from coarse to fine.
struct Lanes {
    all: Running,
    to: ByKey<u32>,
    lane: ByKey<(u32, u32)>,
    /// From a region to a small area.
    area: ByKey<(u32, u32)>,
}

/// Of one order: expected by destination, by lane and by lane and area.
#[derive(Clone, Copy)]
struct Expected {
    to: f64,
    lane: f64,
    area: f64,
}

impl Lanes {
    fn new() -> Self {
        Lanes {
            all: Running::new(LANE_MEMORY),
            to: ByKey::new(LANE_MEMORY),
            lane: ByKey::new(LANE_MEMORY),
            area: ByKey::new(LANE_MEMORY),
        }
    }

    fn expected(&self, keys: &Keys, at: f64) -> Expected {
        let all = self.all.mean(at, scale(FIRST_DELIVERY_HOURS), 1.0);
        let to = self.to.mean(&keys.to, at, all, LANE_STRENGTH);
        let lane = self.lane.mean(&(keys.from, keys.to), at, to, LANE_STRENGTH);
        let area = self.area.mean(&(keys.from, keys.to_area), at, lane, LANE_STRENGTH);
        Expected { to, lane, area }
    }

    fn add(&mut self, keys: &Keys, at: f64, value: f64) {
        self.all.add(at, value);
        self.to.add(keys.to, at, value);
        self.lane.add((keys.from, keys.to), at, value);
        self.area.add((keys.from, keys.to_area), at, value);
    }
}

/// An order's names as numbers.
struct Keys {
    to: u32,
    to_area: u32,
    from: u32,
    seller: u32,
    category: u32,
}

#[derive(Default)]
struct Names<'a>(HashMap<&'a str, u32>);

impl<'a> Names<'a> {
    fn number(&mut self, name: &'a str) -> u32 {
        let next = self.0.len() as u32;
        *self.0.entry(name).or_insert(next)
    }
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Placed,
    HandedOver,
    Cancelled,
    Delivered,
}

struct Sweep {
    total: Lanes,
    transit: Lanes,
    handling: Running,
    handling_lately: Running,
    by_seller: ByKey<u32>,
    by_category: ByKey<u32>,
    by_origin: ByKey<u32>,
    /// Orders of a seller that are not handed over, by number.
    waiting: HashMap<u32, HashSet<usize>>,
    placed: HashMap<u32, VecDeque<f64>>,
}

const AT_PURCHASE: usize = 24;
const AT_HAND_OVER: usize = AT_PURCHASE + 4;

/// Features of all orders, each with nothing in it that was not known at its time.
pub fn sweep(orders: &[Order], knowledge: Knowledge) -> Features {
    let mut names = Names::default();
    let keys: Vec<Keys> = orders
        .iter()
        .map(|order| Keys {
            to: names.number(&order.to_region),
            to_area: names.number(&order.to_area),
            from: names.number(&order.from_region),
            seller: names.number(&order.seller),
            category: names.number(&order.category),
        })
        .collect();
    let mut sweep = Sweep {
        total: Lanes::new(),
        transit: Lanes::new(),
        handling: Running::new(LANE_MEMORY),
        handling_lately: Running::new(LATELY),
        by_seller: ByKey::new(SELLER_MEMORY),
        by_category: ByKey::new(LANE_MEMORY),
        by_origin: ByKey::new(LANE_MEMORY),
        waiting: HashMap::new(),
        placed: HashMap::new(),
    };
    let unknown = vec![f32::NAN; AT_HAND_OVER];
    let mut at_purchase = vec![[f32::NAN; AT_PURCHASE]; orders.len()];
    let mut at_hand_over = vec![unknown; orders.len()];
    let mut lane = vec![0.0; orders.len()];
    let mut lane_from_hand_over = vec![0.0; orders.len()];
    for (at, step, number) in happened(orders) {
        let (order, keys) = (&orders[number], &keys[number]);
        let is_known = match knowledge {
            Knowledge::Running => true,
            Knowledge::Until(end) => at < end,
        };
        match step {
            Step::Placed => {
                lane[number] = sweep.total.expected(keys, at).area;
                at_purchase[number] = sweep.at_purchase(orders, number, keys);
            }
            Step::HandedOver => {
                lane_from_hand_over[number] = sweep.transit.expected(keys, at).area;
                at_hand_over[number] = sweep.at_hand_over(order, keys, at, &at_purchase[number]);
            }
            Step::Cancelled | Step::Delivered => {}
        }
        if is_known {
            sweep.learn(order, number, keys, at, step);
        }
    }
    let mut features = Features {
        at_purchase: Table::new(AT_PURCHASE),
        lane,
        at_hand_over: Table::new(AT_HAND_OVER),
        lane_from_hand_over,
    };
    at_purchase.iter().for_each(|row| features.at_purchase.push(row));
    at_hand_over.iter().for_each(|row| features.at_hand_over.push(row));
    features
}

/// Everything that happened, by time. What happens in one instant is not known to each other's purchase.
fn happened(orders: &[Order]) -> Vec<(f64, Step, usize)> {
    let mut steps = Vec::with_capacity(3 * orders.len());
    for (number, order) in orders.iter().enumerate() {
        let placed = order.placed;
        let later = [
            (order.handed_over, Step::HandedOver),
            (order.cancelled, Step::Cancelled),
            (order.delivered, Step::Delivered),
        ];
        steps.push((placed, Step::Placed, number));
        // Clocks of different systems differ: nothing happens to an order before it is placed.
        steps.extend(later.into_iter().filter_map(|(at, step)| Some((at?.max(placed), step, number))));
    }
    steps.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)).then(a.2.cmp(&b.2)));
    steps
}

/// A postal code, or its beginning, as a number that keeps neighbours together.
fn area_number(area: &str) -> f32 {
    let letters = area.chars().filter(char::is_ascii_alphanumeric).take(6);
    let read: Vec<u32> = letters.filter_map(|letter| letter.to_digit(36)).collect();
    if read.is_empty() {
        return f32::NAN;
    }
    let base = if read.iter().all(|digit| *digit < 10) { 10.0 } else { 36.0 };
    read.iter().fold(0.0, |sum, digit| sum * base + *digit as f32)
}

impl Sweep {
    fn at_purchase(&mut self, orders: &[Order], number: usize, keys: &Keys) -> [f32; AT_PURCHASE] {
        let order = &orders[number];
        let at = order.placed;
        let (total, transit) = (self.total.expected(keys, at), self.transit.expected(keys, at));
        let handling = self.handling.mean(at, scale(FIRST_HAND_OVER_HOURS), 1.0);
        let waiting = self.waiting.get(&keys.seller);
        let ages = waiting.into_iter().flatten().map(|other| at - orders[*other].placed);
        let oldest = ages.filter(|age| *age < STUCK).fold(0.0, f64::max);
        let load = self.placed.entry(keys.seller).or_default();
        while load.front().is_some_and(|placed| *placed < at - LOAD_DAYS) {
            load.pop_front();
        }
        let local = at + order.zone_hours;
        [
            total.to,
            total.lane,
            total.area,
            transit.lane,
            transit.area,
            self.total.lane.weight(&(keys.from, keys.to), at),
            self.by_seller.mean(&keys.seller, at, handling, SELLER_STRENGTH),
            self.by_seller.weight(&keys.seller, at),
            self.handling_lately.mean(at, handling, SELLER_STRENGTH),
            self.by_category.mean(&keys.category, at, 0.0, LANE_STRENGTH),
            self.by_origin.mean(&keys.from, at, 0.0, LANE_STRENGTH),
            waiting.map_or(0, HashSet::len) as f64,
            oldest,
            load.len() as f64,
            order.items,
            order.sellers,
            order.weight_grams,
            order.price,
            order.freight,
            order.freight / order.items,
            (local / DAY).floor().rem_euclid(7.0),
            local.rem_euclid(DAY).floor(),
            f64::from(area_number(&order.to_area)),
            f64::from(area_number(&order.from_area)),
        ]
        .map(|value| value as f32)
    }

    fn at_hand_over(&self, order: &Order, keys: &Keys, at: f64, purchase: &[f32]) -> Vec<f32> {
        let transit = self.transit.expected(keys, at);
        let local = at + order.zone_hours;
        let own = [
            transit.lane,
            transit.area,
            (local / DAY).floor().rem_euclid(7.0),
            local.rem_euclid(DAY).floor(),
        ];
        purchase.iter().copied().chain(own.map(|value| value as f32)).collect()
    }

    fn learn(&mut self, order: &Order, number: usize, keys: &Keys, at: f64, step: Step) {
        let since = |began: f64| scale(at - began);
        match step {
            Step::Placed => {
                self.waiting.entry(keys.seller).or_default().insert(number);
                self.placed.entry(keys.seller).or_default().push_back(at);
                return;
            }
            Step::HandedOver => {
                let taken = since(order.placed);
                self.handling.add(at, taken);
                self.handling_lately.add(at, taken);
                self.by_seller.add(keys.seller, at, taken);
            }
            Step::Delivered => {
                let (taken, lane) = (since(order.placed), self.total.expected(keys, at).area);
                // What a category or an origin adds to its lane.
                self.by_category.add(keys.category, at, taken - lane);
                self.by_origin.add(keys.from, at, taken - lane);
                self.total.add(keys, at, taken);
                if let Some(handed_over) = order.handed_over {
                    self.transit.add(keys, at, since(handed_over.max(order.placed)));
                }
            }
            Step::Cancelled => {}
        }
        if let Some(waiting) = self.waiting.get_mut(&keys.seller) {
            waiting.remove(&number);
        }
    }
}
