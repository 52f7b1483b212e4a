//! What is bought again when it is used up, where no device tells the level.

use serde::{Deserialize, Serialize};

use super::forecast::{self, Forecast};
use super::prior::{HABITS, Habit, Prior};
use super::special::{beta_below, gamma_above, ln_beta, ln_gamma};
use super::{DepletionError, Pace, checked, limited};

/// How often something is bought while there is still some of it. The lots are then used up one after the other.
const IN_STOCK: f64 = 0.02;
/// What a habit's probability keeps at each purchase, so that a buyer may change.
const KEPT: f64 = 0.99;
/// How much less likely than the likeliest a habit can become (a logarithm).
const LEAST: f64 = 14.0;
/// A lot that lasts so long that this was its probability tells nothing more by lasting longer.
const UNHEARD_OF: f64 = 1e-9;
/// Most units of one lot.
const MOST_UNITS: f64 = 1e9;
/// Of a lot of a greater shape than this it is certain enough how long it lasts at a given rate.
const CERTAIN: f64 = 1e4;
/// Values of the rate that are tried, and how far from its middle (a logarithm).
const RATES: usize = 256;
const FAR: f64 = 4.6;

/// What was bought and is being used up.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
struct Lot {
    day: f64,
    units: f64,
}

/// What is believed if the buyer is of one habit: the days of one unit have the harmonic mean `days`, and their
/// reciprocal is a gamma variable of `shape`.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
struct View {
    /// The logarithm of the habit's probability, up to a constant that all share.
    weight: f64,
    days: f64,
    shape: f64,
}

/// What is believed of one customer's use of one thing: constant in size, and changed by one purchase at a time.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Purchases {
    views: [View; HABITS],
    lot: Option<Lot>,
    /// The last purchase.
    last: Option<f64>,
}

impl Purchases {
    pub fn new(prior: &Prior) -> Self {
        let view = |habit: &Habit| View {
            weight: habit.share.max(1e-9).ln(),
            days: prior.unit_days.typical,
            shape: prior.unit_days.shape,
        };
        Purchases { views: prior.habits.each_ref().map(view), lot: None, last: None }
    }

    /// Units that were bought at a day. A purchase before the last one is not counted, and `false` is returned.
    ///
    /// Either the lot before is used up, which tells how long it lasted, or it is not, and what was bought is used
    /// after it: whichever is likelier, so that a lot which lasted for less time than most is not taken for one in
    /// stock.
    pub fn bought(&mut self, prior: &Prior, day: f64, units: f64) -> Result<bool, DepletionError> {
        let day = checked("day", day)?;
        let units = limited(units, 1e-9, MOST_UNITS).ok_or(DepletionError::NoUnits(units))?;
        if self.last.is_some_and(|last| day < last) {
            return Ok(false);
        }
        self.last = Some(day);
        let Some(lot) = self.lot else {
            self.lot = Some(Lot { day, units });
            return Ok(true);
        };
        let days = day - lot.day;
        if days <= 0.0 || self.is_in_stock(prior, lot, days) {
            self.lot = Some(Lot { units: (lot.units + units).min(MOST_UNITS), ..lot });
            return Ok(true);
        }
        for (view, habit) in self.views.iter_mut().zip(&prior.habits) {
            view.weight += view.log_density(habit, lot.units, days);
            let (each, shape) = shape_of(habit, lot.units);
            view.days = (view.shape * view.days + each * days) / (view.shape + shape);
            view.shape = (1.0 / (1.0 / (view.shape + shape) + habit.drift * days))
                .max(prior.unit_days.shape.min(view.shape + shape));
        }
        let best = self.views.iter().map(|view| view.weight).fold(f64::NEG_INFINITY, f64::max);
        for (view, habit) in self.views.iter_mut().zip(&prior.habits) {
            let kept = KEPT * (view.weight - best) + (1.0 - KEPT) * habit.share.max(1e-9).ln();
            view.weight = kept.max(-LEAST);
        }
        self.lot = Some(Lot { day, units });
        Ok(true)
    }

    /// Whether a purchase after `days` is likelier one of who still has some than of who has used up the lot: the
    /// former comes at any time of the lot's, the latter at its end.
    fn is_in_stock(&self, prior: &Prior, lot: Lot, days: f64) -> bool {
        let of_all = || self.views.iter().zip(&prior.habits).zip(self.probabilities());
        let usual = of_all().map(|((view, _), p)| p * view.days).sum::<f64>() * lot.units;
        // Later than usual what was still there would have been used up.
        let ends = || -> f64 {
            of_all().map(|((view, habit), p)| p * view.log_density(habit, lot.units, days).exp()).sum()
        };
        days < usual && (1.0 - IN_STOCK) * ends() < IN_STOCK / usual
    }

    /// When the last lot is used up, as seen at `now_day`, which must not lie before the last purchase: the lot has
    /// lasted until now, and that makes it likelier that it lasts long.
    pub fn runs_empty(&self, prior: &Prior, now_day: f64) -> Result<Forecast, DepletionError> {
        let now = checked("day", now_day)?;
        let lot = self.lot.ok_or(DepletionError::NothingSeen)?;
        if self.last.is_some_and(|last| now < last) {
            return Err(DepletionError::Before);
        }
        let mut since = now - lot.day;
        if self.lasts(prior, since) < UNHEARD_OF {
            // 1 is where it lasts for certain, and the search is for where it does not.
            since = forecast::invert(1.0 - UNHEARD_OF, f64::MIN_POSITIVE, since, |days| {
                1.0 - self.lasts(prior, days)
            });
        }
        let still = self.lasts(prior, since).max(f64::MIN_POSITIVE);
        let weights = self.probabilities();
        let days: f64 = self.views.iter().zip(weights).map(|(view, w)| w * view.days).sum();
        let about = (days * lot.units - since).max(0.1 * days * lot.units);
        let within = |ahead: f64| 1.0 - self.lasts(prior, since + ahead) / still;
        Ok(Forecast {
            days: forecast::days(about, within),
            rate: self.rate(prior, 1.0 / days, lot.units, since),
        })
    }

    /// Each habit's probability.
    pub(super) fn probabilities(&self) -> [f64; HABITS] {
        let best = self.views.iter().map(|view| view.weight).fold(f64::NEG_INFINITY, f64::max);
        let weights = self.views.map(|view| (view.weight - best).exp());
        let all: f64 = weights.iter().sum();
        weights.map(|weight| weight / all)
    }

    /// What is known of the days of a unit if the buyer is of one habit.
    pub(super) fn pace(&self, habit: usize) -> Pace {
        Pace { typical: self.views[habit].days, shape: self.views[habit].shape }
    }

    /// The probability that the last lot lasts longer than `days`: the ratio of the lot's gamma variable and the
    /// rate's is a beta prime variable.
    pub(super) fn lasts(&self, prior: &Prior, days: f64) -> f64 {
        let Some(lot) = self.lot else { return 1.0 };
        let part = |((view, habit), weight): ((&View, &Habit), f64)| {
            let (each, shape) = shape_of(habit, lot.units);
            let (own, lasted) = (view.shape * view.days, each * days);
            let all = own + lasted;
            weight * beta_below(view.shape, shape, own / all, lasted / all)
        };
        self.views.iter().zip(&prior.habits).zip(self.probabilities()).map(part).sum::<f64>().clamp(0.0, 1.0)
    }

    /// Units per day at probability 0.1, 0.5 and 0.9, given that the lot has lasted: Bayes' rule on a grid.
    fn rate(&self, prior: &Prior, middle: f64, units: f64, since: f64) -> [f64; 3] {
        let at = |i: usize| middle * (FAR * (2.0 * i as f64 / (RATES - 1) as f64 - 1.0)).exp();
        let mut density = [0.0; RATES];
        for ((view, habit), weight) in self.views.iter().zip(&prior.habits).zip(self.probabilities()) {
            if weight < 1e-3 {
                continue;
            }
            let (each, shape) = shape_of(habit, units);
            let (of_rate, of_lot) = (ln_gamma(view.shape), ln_gamma(shape));
            for (i, density) in density.iter_mut().enumerate() {
                let x = view.shape * view.days * at(i);
                let here = (view.shape * x.ln() - x - of_rate).exp();
                *density += weight * here * gamma_above(shape, each * since * at(i), of_lot);
            }
        }
        let all: f64 = density.iter().sum();
        [0.1, 0.5, 0.9].map(|p| {
            let mut below = 0.0;
            for (i, density) in density.iter().enumerate() {
                below += density / all;
                if below >= p {
                    return at(i);
                }
            }
            at(RATES - 1)
        })
    }
}

impl View {
    /// The logarithm of the density of a lot's days: as the ratio of two gamma variables, a beta prime one.
    fn log_density(&self, habit: &Habit, units: f64, days: f64) -> f64 {
        let (each, shape) = shape_of(habit, units);
        let ratio = each * days / (self.shape * self.days);
        (shape - 1.0) * ratio.ln() - (shape + self.shape) * ratio.ln_1p() - ln_beta(shape, self.shape)
            + (ratio / days).ln()
    }
}

/// The shapes of one unit's time and of a whole lot's.
fn shape_of(habit: &Habit, units: f64) -> (f64, f64) {
    let each = habit.shape.min(CERTAIN / units);
    (each, each * units)
}
