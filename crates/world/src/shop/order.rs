//! An order and the promise that came with it.

use super::calendar::{DAY, HOUR, Seconds, day_of, time_of_day};
use super::floor::Courier;
use super::luck::OrderLuck;
use super::people::{City, Screen};

/// Days from an order to the day it is promised for. This is the shop's standard promise: it is made
/// without a look at the shelves or at the couriers, which is why it is sometimes broken.
const STANDARD_DAYS: i64 = 2;
/// Orders from this hour on count for the next day.
const CUT_OFF_HOUR: i64 = 14;
/// The hour by which, the day before the promised one, a parcel must be with a courier.
const HAND_OVER_HOUR: i64 = 18;

/// Who cancelled an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Party {
    Customer,
    Company,
}

/// Where an order stands, and since when if that matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Placed,
    Picked,
    HandedOver,
    Delivered(Seconds),
    Cancelled(Party, Seconds),
}

/// How a promise ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Kept,
    Broken,
    /// The customer no longer wanted it, before it was due.
    Withdrawn,
}

/// So many units of the product on one shelf.
#[derive(Debug, Clone, Copy)]
pub(super) struct Line {
    pub(super) shelf: usize,
    pub(super) quantity: u32,
}

#[derive(Debug, Clone)]
pub(super) struct Order {
    pub(super) id: String,
    pub(super) person: usize,
    pub(super) screen: Screen,
    /// One per product.
    pub(super) lines: Vec<Line>,
    /// In the shop's currency.
    pub(super) total: u32,
    /// Delivered on this day or before, the promise is kept.
    pub(super) due_day: i64,
    pub(super) hand_over_by: Seconds,
    pub(super) luck: OrderLuck,
    pub(super) state: State,
    pub(super) handed_over_at: Option<Seconds>,
    pub(super) courier: Courier,
    pub(super) expedited: bool,
    /// Whether the customer has heard of the delay from the shop.
    pub(super) notified: bool,
    pub(super) reviewed: bool,
    /// Messages sent about this order so far.
    pub(super) told: u32,
}

/// The day promised for an order placed at `at`, and the instant by which a courier must have it.
pub(super) fn promise(at: Seconds, city: &City) -> (i64, Seconds) {
    let after_cut_off = i64::from(time_of_day(at) >= CUT_OFF_HOUR * HOUR);
    let due_day = day_of(at) + STANDARD_DAYS + after_cut_off + city.extra_days;
    (due_day, (due_day - 1 - city.extra_days) * DAY + HAND_OVER_HOUR * HOUR)
}

impl Order {
    /// The promise id that is understood when none is given.
    pub(super) fn promise_id(&self) -> String {
        format!("order:{}", self.id)
    }

    /// How the promise ended, or `None` while at `now` it can still go either way.
    pub(super) fn verdict(&self, now: Seconds) -> Option<Verdict> {
        let in_time = |at| day_of(at) <= self.due_day;
        match self.state {
            State::Delivered(at) if in_time(at) => Some(Verdict::Kept),
            State::Cancelled(Party::Customer, at) if in_time(at) => Some(Verdict::Withdrawn),
            State::Delivered(_) | State::Cancelled(..) => Some(Verdict::Broken),
            State::Placed | State::Picked | State::HandedOver => (!in_time(now)).then_some(Verdict::Broken),
        }
    }

    /// Whether the hand-over time passed before a courier had it.
    pub(super) fn at_risk(&self, now: Seconds) -> bool {
        self.handed_over_at.unwrap_or(now) > self.hand_over_by
    }
}
