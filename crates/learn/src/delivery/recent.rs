//! By how much orders of late deviated from what was expected of them, and what that lets one promise.

use super::{DAY, hours, scale};
use crate::Quantiles;
use crate::survival::{Spell, product_limit};

/// Points that a curve keeps.
const POINTS: usize = 400;
/// Orders that have been on their way longer are lost: at most those of one such span weigh on the tail.
const LOST: f64 = 90.0 * DAY;
/// The longest time that is offered, in days.
pub(super) const OFFER_DAYS_MAX: i32 = 90;

/// One order's way: from its beginning to its end, with the location that was expected of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Way {
    pub(super) from: f64,
    pub(super) delivered: Option<f64>,
    pub(super) cancelled: Option<f64>,
    pub(super) expected: f64,
}

/// The distribution of ln(1 + hours) − expected, as deliveries of the last weeks show it.
#[derive(Clone, Debug, PartialEq)]
pub struct Recent(Quantiles);

/// A day that can be promised.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Offer {
    /// Days after the day of the purchase.
    pub day: i32,
    /// That it will be delivered by the end of that day.
    pub probability: f64,
}

impl Recent {
    /// What was known at `at` of the `window` hours before it. `None` where nothing was delivered in them.
    pub(super) fn at(ways: impl Iterator<Item = Way>, at: f64, window: f64) -> Option<Recent> {
        let begin = at - window;
        let spells: Vec<Spell> = ways
            .filter(|way| way.from < at && way.from > at - LOST)
            .filter_map(|way| {
                let delivered = way.delivered.filter(|delivered| *delivered < at);
                let cancelled = way.cancelled.filter(|cancelled| *cancelled < at);
                let end = delivered.or(cancelled).unwrap_or(at);
                let deviation = |then: f64| scale(then - way.from) - way.expected;
                let from = if way.from < begin { deviation(begin) } else { f64::NEG_INFINITY };
                (end >= begin).then(|| Spell { from, to: deviation(end), ended: delivered.is_some() })
            })
            .collect();
        product_limit(&spells, POINTS).map(Recent)
    }

    /// The probability that an order takes at most so many hours.
    pub fn probability(&self, expected: f64, within_hours: f64) -> f64 {
        if within_hours < 0.0 { 0.0 } else { self.0.cdf(scale(within_hours) - expected) }
    }

    /// The earliest day whose end an order reaches with probability `service`; `first` is how many hours after the
    /// purchase its own day ends. Where even the longest wait does not reach it, that one with what it reaches.
    pub fn offer(&self, expected: f64, first: f64, service: f64) -> Offer {
        let needed = hours(expected + self.0.quantile(service));
        let day = ((needed - first) / DAY).ceil().clamp(0.0, f64::from(OFFER_DAYS_MAX));
        let at = |day: f64| self.probability(expected, first + DAY * day);
        // What is never reached was answered with the last known point; rounding may miss it by a hair.
        let mut day = day;
        while at(day) < service && day < f64::from(OFFER_DAYS_MAX) {
            day += 1.0;
        }
        Offer { day: day as i32, probability: at(day) }
    }

    /// The day that is worth most where a promise kept is worth 1 and each day of waiting costs `day_price`: the
    /// largest probability − day_price · day. Of all ways to offer days this keeps the most promises for the days it
    /// offers on average; orders whose last chances take long are offered less certainty than the others.
    pub fn offer_at_price(&self, expected: f64, first: f64, day_price: f64) -> Offer {
        let mut best = Offer { day: 0, probability: self.probability(expected, first) };
        let worth = |offer: Offer| offer.probability - day_price * f64::from(offer.day);
        for day in 1..=OFFER_DAYS_MAX {
            // Not even certainty would make up for the wait from here on.
            if 1.0 - day_price * f64::from(day) <= worth(best) {
                break;
            }
            let probability = self.probability(expected, first + DAY * f64::from(day));
            let offer = Offer { day, probability };
            if worth(offer) > worth(best) {
                best = offer;
            }
        }
        best
    }

    /// The deviations themselves.
    pub fn deviations(&self) -> &Quantiles {
        &self.0
    }
}
