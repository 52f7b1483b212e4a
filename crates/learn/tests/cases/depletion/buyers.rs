//! Customers who buy again what they use up, and of whom only the purchases are known.

use super::homes::gamma;
use crate::cases::chance::Chance;

/// What a customer bought, and when each lot was used up.
pub(crate) struct Buyer {
    /// (day, units).
    pub(crate) purchases: Vec<(f64, f64)>,
    pub(crate) used_up: Vec<f64>,
    pub(crate) days_of_a_unit: f64,
}

/// How a customer uses and buys.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Way {
    /// The time of one unit is a gamma variable of this shape.
    pub(crate) shape: f64,
    /// How often two and how often four units are bought at once.
    pub(crate) two: f64,
    pub(crate) four: f64,
    /// Standard deviation by which the logarithm of the days of a unit wanders from one lot to the next.
    pub(crate) drift: f64,
    /// How often another unit is bought while there is still some of the lot.
    pub(crate) ahead: f64,
}

pub(crate) fn any(chance: &mut Chance) -> Way {
    let mut one = |of: &[f64]| of[(chance.even() * of.len() as f64) as usize];
    Way {
        shape: one(&[1.5, 4.0, 12.0, 40.0]),
        two: one(&[0.0, 0.2, 0.5]),
        four: one(&[0.0, 0.1]),
        drift: one(&[0.0, 0.0, 0.1]),
        ahead: one(&[0.0, 0.0, 0.15]),
    }
}

impl Buyer {
    pub(crate) fn new(chance: &mut Chance, way: &Way, lots: usize) -> Buyer {
        let days = 5.0 * 30_f64.powf(chance.even());
        let mut buyer = Buyer { purchases: Vec::new(), used_up: Vec::new(), days_of_a_unit: days };
        let (mut day, mut factor) = (0.0, 1.0);
        for _ in 0..lots {
            let kind = chance.even();
            let units = match () {
                () if kind < way.two => 2.0,
                () if kind < way.two + way.four => 4.0,
                () => 1.0,
            };
            let mut lasts = |units: f64| gamma(chance, units * way.shape) / way.shape * days * factor;
            let (lot, more) = (lasts(units), lasts(1.0));
            buyer.purchases.push((day, units));
            buyer.used_up.push(day + lot);
            if chance.even() < way.ahead {
                buyer.purchases.push((day + lot * chance.even(), 1.0));
                buyer.used_up.push(day + lot + more);
            }
            day = buyer.used_up[buyer.used_up.len() - 1];
            // It is bought again when it is missed, which takes a little.
            day += 0.03 * days * chance.waiting();
            factor *= f64::exp(way.drift * chance.normal());
        }
        buyer
    }
}
