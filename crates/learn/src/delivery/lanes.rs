//! Delivery times by lane, in a form that can be kept and handed on.

use serde::{Deserialize, Serialize};

use super::{DAY, DeliveryError, Order, check};
use crate::Quantiles;
use crate::survival::{Spell, product_limit};

/// The version of the form in which delivery times are kept.
pub const DELIVERY_TIMES_VERSION: u32 = 1;
/// Orders that a coarser lane weighs against a finer one's own.
const STRENGTH: f64 = 20.0;
/// Orders of the time before count too, but only those of the last half year: carriers change.
const WINDOW: f64 = 180.0 * DAY;
const LOST: f64 = 90.0 * DAY;
/// The probabilities at which times are told.
const AT: [f64; 21] = [
    0.01, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9,
    0.95, 0.99,
];
const POINTS: usize = 2000;

/// How long deliveries take, by where they come from and where they go.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Stored")]
pub struct DeliveryTimes {
    pub version: u32,
    /// Sorted by (from, to); the one that stands for all is always there.
    lanes: Vec<Lane>,
}

/// As it was kept, before it is looked over.
#[derive(Deserialize)]
struct Stored {
    version: u32,
    lanes: Vec<Lane>,
}

impl TryFrom<Stored> for DeliveryTimes {
    type Error = String;
    fn try_from(stored: Stored) -> Result<Self, String> {
        let Stored { version, lanes } = stored;
        if version != DELIVERY_TIMES_VERSION {
            return Err(format!(
                "delivery times of version {version}; {DELIVERY_TIMES_VERSION} is understood"
            ));
        }
        let sorted = lanes.windows(2).all(|w| (&w[0].from, &w[0].to) < (&w[1].from, &w[1].to));
        match lanes.first() {
            Some(all) if sorted && all.from.is_empty() && all.to.is_empty() => {
                Ok(DeliveryTimes { version, lanes })
            }
            _ => Err("the lanes are not sorted, or the one that stands for all is missing".to_owned()),
        }
    }
}

/// The times of one lane; an empty name stands for every place.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Lane {
    pub from: String,
    pub to: String,
    /// Orders that were delivered on it.
    pub orders: u64,
    /// Hours from the purchase to the delivery.
    pub from_purchase: Quantiles,
    /// Hours from the hand-over to the delivery; nothing where no hand-over is known anywhere.
    pub from_hand_over: Option<Quantiles>,
}

/// The ways of one lane: from the purchase, and from the hand-over.
#[derive(Default)]
struct Ways {
    orders: u64,
    purchase: Vec<Spell>,
    hand_over: Vec<Spell>,
}

impl DeliveryTimes {
    /// Learns from what was known at `until` (hours). Orders on their way count by how long they have been waiting.
    pub fn learn(orders: &[Order], until: f64) -> Result<DeliveryTimes, DeliveryError> {
        check(orders)?;
        let mut ways: std::collections::BTreeMap<(&str, &str), Ways> = std::collections::BTreeMap::new();
        for order in
            orders.iter().filter(|order| order.placed < until && order.placed > until - WINDOW - LOST)
        {
            let delivered = order.delivered.filter(|delivered| *delivered < until);
            let cancelled = order.cancelled.filter(|cancelled| *cancelled < until);
            let end = delivered.or(cancelled).unwrap_or(until);
            if end < until - WINDOW {
                continue;
            }
            let spell = |began: f64| Spell {
                from: if began < until - WINDOW { until - WINDOW - began } else { f64::NEG_INFINITY },
                to: (end - began).max(0.0),
                ended: delivered.is_some(),
            };
            let (from, to) = (order.from_region.as_str(), order.to_region.as_str());
            let mut keys = vec![("", ""), ("", to), (from, ""), (from, to)];
            keys.sort_unstable();
            keys.dedup();
            for key in keys {
                let lane = ways.entry(key).or_default();
                lane.orders += u64::from(delivered.is_some());
                lane.purchase.push(spell(order.placed));
                let handed_over = order.handed_over.filter(|at| *at < until);
                lane.hand_over.extend(handed_over.map(|at| spell(at.max(order.placed))));
            }
        }
        let (_, all) = ways.pop_first().ok_or(DeliveryError::NothingDelivered)?;
        let all = Lane {
            from: String::new(),
            to: String::new(),
            orders: all.orders,
            from_purchase: times(&all.purchase, None).ok_or(DeliveryError::NothingDelivered)?,
            from_hand_over: times(&all.hand_over, None),
        };
        let mut times = DeliveryTimes { version: DELIVERY_TIMES_VERSION, lanes: vec![all] };
        // Sorted keys bring ("", to) before (from, to), so that each finds what it leans on.
        for ((from, to), ways) in ways.into_iter().filter(|(_, ways)| ways.orders > 0) {
            let parent = times.find("", if from.is_empty() { "" } else { to });
            let lane = Lane {
                from: from.to_owned(),
                to: to.to_owned(),
                orders: ways.orders,
                from_purchase: self::times(&ways.purchase, Some((&parent.from_purchase, ways.orders)))
                    .unwrap_or_else(|| parent.from_purchase.clone()),
                from_hand_over: parent.from_hand_over.as_ref().map(|parent| {
                    self::times(&ways.hand_over, Some((parent, ways.orders)))
                        .unwrap_or_else(|| parent.clone())
                }),
            };
            times.lanes.push(lane);
        }
        Ok(times)
    }

    /// Hours from purchase to delivery from one place to another, and how many orders were delivered on the lane
    /// that they are of. Where that lane is not known, the next coarser one: to there from anywhere, from there to
    /// anywhere, all.
    pub fn lane(&self, from: &str, to: &str) -> (&Quantiles, u64) {
        let lane = self.find(from, to);
        (&lane.from_purchase, lane.orders)
    }

    /// The same from the hand-over on; `None` where no hand-over was ever told.
    pub fn lane_from_hand_over(&self, from: &str, to: &str) -> Option<(&Quantiles, u64)> {
        let lane = self.find(from, to);
        lane.from_hand_over.as_ref().map(|times| (times, lane.orders))
    }

    /// All lanes, sorted by (from, to); the coarse ones have empty names.
    pub fn lanes(&self) -> &[Lane] {
        &self.lanes
    }

    fn find(&self, from: &str, to: &str) -> &Lane {
        let at = |from: &str, to: &str| {
            let by = |lane: &Lane| (lane.from.as_str(), lane.to.as_str()).cmp(&(from, to));
            self.lanes.binary_search_by(by).ok().map(|at| &self.lanes[at])
        };
        at(from, to).or_else(|| at("", to)).or_else(|| at(from, "")).unwrap_or(&self.lanes[0])
    }
}

/// The times of some ways, drawn toward those of a coarser lane as by so many of its orders: quantiles are averaged
/// (Vincent 1912), weighted by how many orders were delivered. What is too rare for the lane is the coarser lane's.
fn times(spells: &[Spell], parent: Option<(&Quantiles, u64)>) -> Option<Quantiles> {
    let own = product_limit(spells, POINTS)?;
    let reached = own.points().last().map_or(0.0, |point| point.0);
    let Some((parent, orders)) = parent else {
        let known = AT.iter().filter(|p| **p <= reached).map(|p| (*p, own.quantile(*p))).collect::<Vec<_>>();
        return Quantiles::new(known).ok().or(Some(own));
    };
    let weight = orders as f64 / (orders as f64 + STRENGTH);
    let mut least: f64 = 0.0;
    let points = AT.iter().map(|p| {
        let coarse = parent.quantile(*p);
        let fine = if *p <= reached { own.quantile(*p) } else { own.quantile(reached).max(coarse) };
        least = least.max(weight * fine + (1.0 - weight) * coarse);
        (*p, least)
    });
    Quantiles::new(points.collect()).ok()
}
