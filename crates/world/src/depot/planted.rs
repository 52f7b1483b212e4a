//! What is planted in the world: its catalogue, places, lanes and demand, and what goes wrong. Constants describe an
//! ordinary depot; [`Planted`] holds what goes wrong and how often, and is the same for every seed.

use model::Time;
use serde::Serialize;

pub(super) const MINUTE: i64 = 60_000_000;
pub(super) const HOUR: i64 = 60 * MINUTE;
pub(super) const DAY: i64 = 24 * HOUR;

/// The depot's zone; its offset has not moved since 1988.
pub const TIME_ZONE: &str = "Asia/Seoul";
pub(super) const ZONE_OFFSET: i64 = 9 * HOUR;
pub(super) const CURRENCY: &str = "KRW";

/// Work begins and ends, in hours of the day, Monday to Saturday; a slot lasts two of them.
pub(super) const WORK_FROM: i64 = 8;
pub(super) const WORK_TO: i64 = 20;
pub(super) const SLOT_HOURS: i64 = 2;

/// Where goods are kept, and how many parcels one slot of its picking line takes.
pub(super) struct PlaceOf {
    pub name: &'static str,
    pub line: &'static str,
    pub slot_units: u32,
}

pub(super) const PLACES: [PlaceOf; 2] = [
    PlaceOf { name: "icheon", line: "line-icheon", slot_units: 13 },
    PlaceOf { name: "daegu", line: "line-daegu", slot_units: 5 },
];

/// One thing of the catalogue: id, price and cost in won, share of demand, places that keep it, and what stands in.
pub(super) struct Ware {
    pub id: &'static str,
    pub price: i64,
    pub cost: i64,
    pub weight: f64,
    pub at: &'static [usize],
    pub substitute: Option<usize>,
}

pub(super) const WARES: [Ware; 8] = [
    Ware { id: "toner-a", price: 48_000, cost: 30_000, weight: 0.22, at: &[0, 1], substitute: Some(1) },
    Ware { id: "toner-b", price: 52_000, cost: 33_000, weight: 0.16, at: &[0, 1], substitute: Some(0) },
    Ware { id: "drum", price: 89_000, cost: 60_000, weight: 0.10, at: &[0], substitute: None },
    Ware { id: "paper", price: 24_000, cost: 17_000, weight: 0.18, at: &[0, 1], substitute: None },
    Ware { id: "labels", price: 15_000, cost: 8_000, weight: 0.10, at: &[0, 1], substitute: None },
    Ware { id: "fuser", price: 120_000, cost: 84_000, weight: 0.06, at: &[0], substitute: None },
    Ware { id: "ink-c", price: 21_000, cost: 11_000, weight: 0.10, at: &[0, 1], substitute: Some(7) },
    Ware { id: "ink-m", price: 21_000, cost: 11_000, weight: 0.08, at: &[0, 1], substitute: Some(6) },
];

/// A courier's way from a place to a region.
pub(super) struct LaneOf {
    pub from: usize,
    pub to: &'static str,
    pub service: &'static str,
    /// The journey in an ordinary week: lognormal, its median in hours and the deviation of its logarithm.
    pub median: f64,
    pub sigma: f64,
    pub cost: i64,
}

const fn lane(from: usize, to: &'static str, service: &'static str, hours: (f64, f64), cost: i64) -> LaneOf {
    LaneOf { from, to, service, median: hours.0, sigma: hours.1, cost }
}

pub const STANDARD: &str = "standard";
pub const EXPRESS: &str = "express";

pub(super) const LANES: [LaneOf; 8] = [
    lane(0, "metro", STANDARD, (22.0, 0.25), 2_500),
    lane(0, "south", STANDARD, (34.0, 0.28), 3_000),
    lane(1, "south", STANDARD, (20.0, 0.25), 2_500),
    lane(1, "metro", STANDARD, (34.0, 0.28), 3_000),
    lane(0, "metro", EXPRESS, (9.0, 0.20), 9_000),
    lane(0, "south", EXPRESS, (14.0, 0.22), 11_000),
    lane(1, "south", EXPRESS, (9.0, 0.20), 9_000),
    lane(1, "metro", EXPRESS, (14.0, 0.22), 11_000),
];

/// The lane on which weeks are slow.
pub(super) const SLOW_LANE: usize = 0;

/// Regions and the share of orders that go there.
pub(super) const REGIONS: [(&str, f64); 2] = [("metro", 0.65), ("south", 0.35)];

/// Monday to Sunday, and the hours of the day: shares of the mean day's orders.
pub(super) const BY_WEEKDAY: [f64; 7] = [1.15, 1.05, 1.0, 1.0, 1.1, 0.9, 0.8];
pub(super) const BY_HOUR: [f64; 24] = [
    0.02, 0.01, 0.005, 0.005, 0.005, 0.01, 0.02, 0.03, 0.05, 0.065, 0.07, 0.07, 0.06, 0.055, 0.055, 0.055,
    0.055, 0.055, 0.055, 0.06, 0.065, 0.07, 0.06, 0.045,
];

/// Every shelf is reviewed every so many days and filled up to this many days of its demand; what is ordered is due so
/// many days later, at noon.
pub(super) const REVIEW_DAYS: i64 = 3;
pub(super) const LEAD_DAYS: i64 = 2;
pub(super) const COVER_DAYS: f64 = 5.6;

/// What goes wrong, and how often. Nothing here is fitted to a seed or known to the engine.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Planted {
    /// Orders on a mean day.
    pub orders_per_day: f64,
    /// Customers there are.
    pub customers: u32,
    /// The probability that a receipt is late, and by how many days at most; uniform from one on.
    pub late_receipts: f64,
    pub late_days_max: i64,
    /// The share of late receipts of which the supplier says so the afternoon before.
    pub late_announced: f64,
    /// The probability that a picking line stops on a day, and for how many hours: the median and the deviation of
    /// the logarithm.
    pub downtime_per_day: f64,
    pub downtime_hours: f64,
    pub downtime_sigma: f64,
    /// The probability that a shelf's goods are held for quality on a day, how much of them at least, and for how
    /// many hours at most (18 at least).
    pub quality_per_day: f64,
    pub quality_share: f64,
    pub quality_hours_max: i64,
    /// The share of holds after which half of the goods are scrapped.
    pub quality_scrapped: f64,
    /// On one lane every third week is slow: journeys take this many times as long.
    pub slow_factor: f64,
}

impl Default for Planted {
    fn default() -> Self {
        Planted {
            orders_per_day: 60.0,
            customers: 300,
            late_receipts: 0.2,
            late_days_max: 3,
            late_announced: 0.5,
            downtime_per_day: 0.12,
            downtime_hours: 9.0,
            downtime_sigma: 0.7,
            quality_per_day: 0.03,
            quality_share: 0.7,
            quality_hours_max: 72,
            quality_scrapped: 0.25,
            slow_factor: 1.5,
        }
    }
}

impl Planted {
    /// Nothing goes wrong but by ordinary luck on the road.
    pub fn calm() -> Self {
        Planted {
            late_receipts: 0.0,
            downtime_per_day: 0.0,
            quality_per_day: 0.0,
            slow_factor: 1.0,
            ..Planted::default()
        }
    }
}

/// Why a parcel left or arrived later than was planned, in the world's own knowledge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    LateReceipt,
    Quality,
    Downtime,
    /// Somebody else's trouble took the goods or the hands.
    Knock,
    /// Handed over in time, in a slow week of its lane.
    SlowLane,
    /// Handed over in time in an ordinary week: the tail of the lane's journeys.
    Road,
    /// A campaign promised it although nothing was left to book.
    Unbooked,
}

impl Cause {
    pub const ALL: [Cause; 7] = [
        Cause::LateReceipt,
        Cause::Quality,
        Cause::Downtime,
        Cause::Knock,
        Cause::SlowLane,
        Cause::Road,
        Cause::Unbooked,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Cause::LateReceipt => "late_receipt",
            Cause::Quality => "quality",
            Cause::Downtime => "downtime",
            Cause::Knock => "knock",
            Cause::SlowLane => "slow_lane",
            Cause::Road => "road",
            Cause::Unbooked => "unbooked",
        }
    }
}

/// The local day of an instant counted from `start`, and Monday as 0.
pub(super) fn weekday(start: Time, day: i64) -> usize {
    // 1970-01-01 was a Thursday.
    (start.plus_micros(ZONE_OFFSET).day() + day + 3).rem_euclid(7) as usize
}

pub(super) fn is_workday(start: Time, day: i64) -> bool {
    weekday(start, day) != 6
}
