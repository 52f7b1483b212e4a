//! How long deliveries take, learnt from orders of which some are still on their way.
//!
//! A time is told on the scale ln(1 + hours). An order's time is a location plus a deviation. The location is the
//! lane's running mean (from where to where, shrunken from coarse to fine), corrected by boosted trees that know the
//! seller, the goods and the load ([`Model`]). The deviation's distribution is taken of all orders alike, of the last
//! weeks only ([`Recent`]): a period life table, in which orders that have not arrived count by how long they have
//! been waiting. So the shape is empirical, the tail holds what gets lost, and a slow fortnight shows within days.
//!
//! [`backtest`] learns before a day and scores after it. [`DeliveryTimes`] is the part that others take along:
//! quantiles by lane.

mod backtest;
mod lanes;
mod model;
mod recent;
mod running;
mod sweep;

pub use backtest::{Backtest, FrontierPoint, LateRanking, Market, Rule, Settings, backtest};
pub use lanes::{DELIVERY_TIMES_VERSION, DeliveryTimes, Lane};
pub use model::Model;
pub use recent::{Offer, Recent};
pub use sweep::{Features, Knowledge, sweep};

use crate::boost::BoostError;

/// Hours of a day.
const DAY: f64 = 24.0;

/// An order, as far as its delivery goes. All times are hours on one clock; texts are empty and numbers NaN where
/// nothing is known.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Order {
    pub placed: f64,
    /// To the carrier.
    pub handed_over: Option<f64>,
    pub delivered: Option<f64>,
    /// Called off before it was delivered.
    pub cancelled: Option<f64>,
    /// The last hour that keeps what was promised.
    pub promised: Option<f64>,
    /// Days from the day of the purchase to those of the promise and of the delivery, by the customer's calendar.
    pub promised_day: Option<i32>,
    pub delivered_day: Option<i32>,
    /// Hours that the customer's clock is ahead of the times.
    pub zone_hours: f64,
    pub to_region: String,
    /// The beginning of the postal code, or another name of a small area.
    pub to_area: String,
    /// Where the goods come from; of several sellers the first line's.
    pub from_region: String,
    pub from_area: String,
    pub seller: String,
    pub category: String,
    pub items: f64,
    pub sellers: f64,
    pub weight_grams: f64,
    pub price: f64,
    pub freight: f64,
}

impl Order {
    /// When the purchase's day ends for the customer.
    fn day_end(&self) -> f64 {
        ((self.placed + self.zone_hours) / DAY).floor() * DAY + DAY - self.zone_hours
    }

    /// Whether it had been called off by then.
    fn is_cancelled_by(&self, at: f64) -> bool {
        self.cancelled.is_some_and(|cancelled| cancelled < at)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeliveryError {
    #[error("no order was delivered before that time: nothing can be learnt")]
    NothingDelivered,
    #[error("no order placed from then on can be scored: none has a promise whose day has passed")]
    NothingToScore,
    #[error("order {0} has a time that is not a finite number")]
    NotANumber(usize),
    #[error(transparent)]
    Boost(#[from] BoostError),
}

/// The scale on which times are learnt.
fn scale(hours: f64) -> f64 {
    hours.max(0.0).ln_1p()
}

/// Back to hours.
fn hours(scaled: f64) -> f64 {
    scaled.exp_m1().max(0.0)
}

fn check(orders: &[Order]) -> Result<(), DeliveryError> {
    let bad = orders.iter().position(|order| {
        let times = [order.handed_over, order.delivered, order.cancelled, order.promised];
        !order.placed.is_finite()
            || !order.zone_hours.is_finite()
            || times.into_iter().flatten().any(|time| !time.is_finite())
    });
    bad.map_or(Ok(()), |at| Err(DeliveryError::NotANumber(at)))
}

#[cfg(test)]
mod tests;
