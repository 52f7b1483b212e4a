//! What becomes of an order: the floor picks and packs it, a courier carries it, or it is cancelled.

use std::ops::Range;

use serde_json::json;

use super::calendar::{DAY, HOUR, MINUTE, Seconds, day_of, within_hours};
use super::luck::{OrderLuck, lognormal};
use super::order::{Order, Party, State};
use super::people::Text;
use super::shelf::CURRENCY;
use super::{Happening, Shop, Step};

const FLOOR_HOURS: Range<i64> = 9..18;
const DELIVERY_HOURS: Range<i64> = 8..21;
/// The couriers' van comes once a day at this time.
const COLLECTION: Seconds = 17 * HOUR;
/// How much longer the floor takes in the bad week.
const BAD_WEEK_FLOOR: f64 = 3.0;
/// How much longer couriers take in the bad week. The fast one does not.
const BAD_WEEK_ROAD: f64 = 1.4;

/// Who carries a parcel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Courier {
    Standard,
    Slow,
    Fast,
}

impl Courier {
    pub(super) fn name(self) -> Text {
        match self {
            Self::Standard => ("Hangaram Parcel", "한가람택배"),
            Self::Slow => ("Sanmaru Parcel", "산마루택배"),
            Self::Fast => ("Saebyeok Express", "새벽특송"),
        }
    }

    /// Hours from hand-over to the door in the middle case, and the sigma of their lognormal.
    fn journey(self) -> (f64, f64) {
        match self {
            Self::Standard => (21.0, 0.22),
            Self::Slow => (24.0, 0.38),
            Self::Fast => (12.0, 0.12),
        }
    }
}

impl Shop {
    pub(super) fn pay(&mut self, at: Seconds, order: usize) {
        let Order { total, luck, screen, .. } = &self.orders[order];
        let (method, installments) =
            [("card", 1), ("easy_pay", 1), ("card", 3), ("bank_transfer", 1)][luck.taste % 4];
        let channel = screen.channel();
        let properties = json!({
            "amount": total,
            "currency": CURRENCY,
            "method": method,
            "installments": installments,
        });
        self.tell_order(at, order, channel, "payment.captured", properties);
    }

    /// When the floor would come to pick an order that is placed at `at`.
    pub(super) fn picked_at(&self, at: Seconds, luck: &OrderLuck) -> Seconds {
        let slower = if self.bad_week.contains(&day_of(at)) { BAD_WEEK_FLOOR } else { 1.0 };
        let queue = (luck.queue as f64 * slower).round() as Seconds + luck.slip;
        within_hours(at + queue, FLOOR_HOURS, luck.jitter)
    }

    /// Takes the order's goods off the shelves, or lets it wait if one is short.
    pub(super) fn pick(&mut self, at: Seconds, order: usize) {
        let Order { lines, luck, expedited, .. } = &self.orders[order];
        if lines.iter().any(|line| self.shelves[line.shelf].stock < line.quantity) {
            self.waiting.insert(order);
            return;
        }
        for line in lines {
            self.shelves[line.shelf].stock -= line.quantity;
            self.shelves[line.shelf].owed -= line.quantity;
        }
        let leaves_at = if *expedited {
            at + luck.rush
        } else {
            // The first van that comes after it is packed.
            day_of(at + luck.pack + DAY - COLLECTION) * DAY + COLLECTION + luck.jitter
        };
        let properties = json!({"expedited": expedited});
        self.waiting.remove(&order);
        self.orders[order].state = State::Picked;
        self.plan(leaves_at, Happening::Step(order, Step::HandOver));
        self.tell_order(at, order, "store", "fulfillment.processing", properties);
    }

    /// A delivery from a supplier. Those who waited are picked again, the expedited and then the oldest first.
    pub(super) fn restock(&mut self, at: Seconds, shelf: usize, quantity: u32) {
        self.shelves[shelf].receive(quantity);
        let is_for = |&order: &usize| self.orders[order].lines.iter().any(|line| line.shelf == shelf);
        let mut queue: Vec<usize> = self.waiting.iter().copied().filter(is_for).collect();
        queue.sort_by_key(|&order| !self.orders[order].expedited);
        for (order, place) in queue.into_iter().zip(1..) {
            self.plan(at + place * 5 * MINUTE, Happening::Step(order, Step::Pick));
        }
    }

    pub(super) fn hand_over(&mut self, at: Seconds, index: usize) {
        let bad_week = self.bad_week.contains(&day_of(at));
        let order = &mut self.orders[index];
        if order.expedited {
            order.courier = Courier::Fast;
        }
        order.state = State::HandedOver;
        order.handed_over_at = Some(at);
        let road = if bad_week && order.courier != Courier::Fast { BAD_WEEK_ROAD } else { 1.0 };
        let (hours, sigma) = order.courier.journey();
        let extra = self.people[order.person].city.extra_days * 18 * HOUR;
        let journey = lognormal(hours * road, sigma, order.luck.journey) + extra;
        let arrives_at = within_hours(at + journey, DELIVERY_HOURS, order.luck.jitter);
        let arrival = if order.luck.fails_first_attempt { Step::Miss } else { Step::Deliver };
        let expedited = order.expedited;

        self.plan(at + journey * 3 / 10, Happening::Step(index, Step::Travel));
        self.plan(arrives_at, Happening::Step(index, arrival));
        let properties = json!({"expedited": expedited});
        self.tell_order(at, index, "courier", "fulfillment.shipped", properties);
    }

    pub(super) fn miss(&mut self, at: Seconds, order: usize) {
        let luck = &self.orders[order].luck;
        let again_at = within_hours(at + luck.retry_after, DELIVERY_HOURS, luck.jitter);
        self.plan(again_at, Happening::Step(order, Step::Deliver));
        let properties = json!({"reason": "nobody_home"});
        self.tell_order(at, order, "courier", "fulfillment.failed_attempt", properties);
    }

    pub(super) fn deliver(&mut self, at: Seconds, order: usize) {
        self.orders[order].state = State::Delivered(at);
        self.tell_order(at, order, "courier", "fulfillment.delivered", json!({}));
        self.plan_review(at, order);
    }

    pub(super) fn cancel(&mut self, at: Seconds, index: usize, by: Party, reason: &str) {
        let order = &mut self.orders[index];
        for line in &order.lines {
            let shelf = &mut self.shelves[line.shelf];
            match order.state {
                State::Picked => shelf.stock += line.quantity,
                _ => shelf.owed -= line.quantity,
            }
        }
        order.state = State::Cancelled(by, at);
        let (channel, by) = match by {
            Party::Customer => (order.screen.channel(), "customer"),
            Party::Company => ("store", "company"),
        };
        self.waiting.remove(&index);
        self.plan(at + HOUR, Happening::Step(index, Step::Refund));
        let properties = json!({"cancelled_by": by, "reason": reason});
        self.tell_order(at, index, channel, "order.cancelled", properties);
        self.plan_review(at, index);
    }

    pub(super) fn refund(&mut self, at: Seconds, order: usize) {
        let properties = json!({"amount": self.orders[order].total, "currency": CURRENCY});
        self.tell_order(at, order, "store", "order.refunded", properties);
    }
}
