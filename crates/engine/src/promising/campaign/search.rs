//! The largest audience and the earliest start that can be carried.

use model::{Quantity, Time};

use super::{Campaign, Ground};

/// No larger audience is looked for than so many times the wanted one.
const LARGER_MAX: u64 = 64;

impl Ground<'_> {
    /// The largest audience that is feasible, where each person is expected to order `uplift` times: it is, and one
    /// person more is not. `None` where even [`LARGER_MAX`] times `audience` is.
    pub fn largest(&self, campaign: &Campaign, window: &[Time], audience: u64, uplift: f64) -> Option<u64> {
        let without = self.without(campaign, window);
        let feasible = |people: u64| self.is_feasible(campaign, window, orders(people, uplift), &without);
        let (mut low, mut high) = (0, audience.max(1));
        while feasible(high) {
            low = high;
            if high >= audience.max(1).saturating_mul(LARGER_MAX) {
                return None;
            }
            high = high.saturating_mul(2);
        }
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            match feasible(middle) {
                true => low = middle,
                false => high = middle,
            }
        }
        Some(low)
    }

    /// By how many days the start must be put off until so many orders are feasible: `days` says when the orders of
    /// each day are asked for, from the wanted first day to the last that may be planned.
    pub fn earliest(&self, campaign: &Campaign, days: &[Time], orders: Quantity) -> Option<usize> {
        let starts = days.windows(campaign.days.len().max(1));
        starts.into_iter().position(|window| {
            let without = self.without(campaign, window);
            self.is_feasible(campaign, window, orders, &without)
        })
    }
}

/// Orders of so many people, to the thousandth.
pub fn orders(people: u64, uplift: f64) -> Quantity {
    Quantity::from_f64(people as f64 * uplift).unwrap_or(Quantity::MAX)
}
