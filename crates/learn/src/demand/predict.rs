//! What may come, beside what is expected.
//!
//! Two ways, by what a method tells apart. Where it knows the *errors* it made, those of the same horizon, made from
//! every earlier origin, are laid around the forecast: as they stand where enough are known (the k-th of m errors at
//! k / (m + 1), which covers what it says as long as the next error is one like the others), and continued by
//! Student's curve beyond. Where it tells *whether* from *how much* (Croston's, SBA, TSB), errors around a mean
//! that is itself never asked for say little; the sum is then compounded: how many periods have a demand is
//! beta-binomial, as sure of its probability as the smoothing leaves it, and each demand is one of those seen, the
//! later the likelier, of which there may be rather more large or rather more small ones than were seen.

use super::method::State;
use super::{DemandError, Method, horizon};
use crate::Quantiles;
use crate::distribution::{Counts, normal};

/// The fewest errors, and the fewest periods for demands, that a distribution is told from.
const FEWEST: usize = 4;
/// With so many errors that do not overlap those of the horizon itself are taken; with fewer, those one step ahead,
/// widened.
const ENOUGH: f64 = 8.0;
/// The probabilities at which quantiles are told.
const PROBABILITIES: [f64; 33] = [
    0.001, 0.0025, 0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5,
    0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.925, 0.95, 0.97, 0.98, 0.99, 0.995, 0.9975, 0.999,
];
/// The longest table of sums of demands.
const LONGEST_TABLE: usize = 1 << 13;

impl Method {
    /// The distribution of each of the `periods` periods after the history.
    ///
    /// # Errors
    /// As [`Method::forecast`], and if the history has fewer than five periods (for a method with a season, than two
    /// seasons and four periods).
    pub fn steps(&self, history: &[f64], periods: usize) -> Result<Vec<Quantiles>, DemandError> {
        let periods = horizon(periods)?;
        let state = self.after_enough(history)?;
        match Compound::of(self, &state, history)? {
            // It expects the same of every period.
            Some(compound) => Ok(vec![compound.over(1)?; periods]),
            None => (1..=periods).map(|ahead| self.around(&state, history, ahead, ahead)).collect(),
        }
    }

    /// The distribution of the sum over the next `periods` periods: of the demand of a lead time, of a campaign.
    ///
    /// # Errors
    /// As [`Method::steps`].
    pub fn total(&self, history: &[f64], periods: usize) -> Result<Quantiles, DemandError> {
        let periods = horizon(periods)?;
        let state = self.after_enough(history)?;
        match Compound::of(self, &state, history)? {
            Some(compound) => compound.over(periods),
            None => self.around(&state, history, 1, periods),
        }
    }

    fn after_enough(&self, history: &[f64]) -> Result<State, DemandError> {
        let state = self.after(history)?;
        let needed = self.first_forecast() + FEWEST;
        if history.len() < needed {
            return Err(DemandError::TooShort { needed, got: history.len() });
        }
        Ok(state)
    }

    /// The distribution of the sum of the periods `from` to `to` ahead, from errors.
    fn around(
        &self,
        state: &State,
        history: &[f64],
        from: usize,
        to: usize,
    ) -> Result<Quantiles, DemandError> {
        let expected: f64 = (from..=to).map(|ahead| state.linear(ahead)).sum();
        let errors = self.errors(history, from, to)?;
        // Errors whose periods overlap say less than as many that do not.
        let distinct = errors.len() as f64 / to as f64;
        let (mut errors, distinct) = if distinct >= ENOUGH || to == 1 {
            (errors, distinct)
        } else {
            let one = self.errors(history, 1, 1)?;
            let wider = widening(state, from, to);
            let distinct = one.len() as f64;
            (one.into_iter().map(|error| error * wider).collect(), distinct)
        };
        errors.sort_by(f64::total_cmp);
        let points = PROBABILITIES.iter().map(|&p| (p, (expected + error_at(p, &errors, distinct)).max(0.0)));
        Ok(Quantiles::new(points.collect())?)
    }

    /// The errors of the sum of the periods `from` to `to` ahead, from every origin in the history that has them.
    fn errors(&self, history: &[f64], from: usize, to: usize) -> Result<Vec<f64>, DemandError> {
        let mut state = self.begin(history)?;
        let mut errors = Vec::with_capacity(history.len());
        for origin in 0..history.len() {
            if origin >= self.first_forecast()
                && let Some(came) = history.get(origin + from - 1..origin + to)
            {
                let expected: f64 = (from..=to).map(|ahead| state.linear(ahead)).sum();
                errors.push(came.iter().sum::<f64>() - expected);
            }
            state.update(history[origin]);
        }
        Ok(errors)
    }
}

/// How much wider the errors of the sum of the periods `from` to `to` ahead are than those one step ahead, if those are
/// independent: a shock moves what is forecast afterwards, so that it counts several times.
fn widening(state: &State, from: usize, to: usize) -> f64 {
    // Methods are linear in the history; the response to one more unit does not depend on where they stand.
    let (mut with, mut without) = (state.clone(), state.clone());
    let next = without.linear(1);
    let unit = next.abs().max(1.0);
    with.update(next + unit);
    without.update(next);
    let response: Vec<f64> =
        (1..to).map(|ahead| (with.linear(ahead) - without.linear(ahead)) / unit).collect();
    // A shock in period j counts in itself, if that is asked for, and in every later one by the response.
    let counts = (1..=to).map(|j| {
        let own = if j >= from { 1.0 } else { 0.0 };
        let later = (from.max(j + 1)..=to).map(|period| response[period - j - 1]);
        own + later.sum::<f64>()
    });
    counts.map(|count| count * count).sum::<f64>().sqrt()
}

/// The error at probability `p`, from sorted errors of which so many are `distinct`.
fn error_at(p: f64, errors: &[f64], distinct: f64) -> f64 {
    let m = errors.len() as f64;
    // What the errors themselves reach.
    let edge = 1.0 / (distinct.max(1.0) + 1.0);
    let within = p.clamp(edge.min(0.5), (1.0 - edge).max(0.5));
    let place = (within * (m + 1.0) - 1.0).clamp(0.0, m - 1.0);
    let (i, rest) = (place.floor() as usize, place.fract());
    let above = errors[(i + 1).min(errors.len() - 1)];
    let seen = errors[i] + (above - errors[i]) * rest;
    // Of shares of the largest, so that no square leaves the range of numbers.
    let largest = errors[0].abs().max(errors[errors.len() - 1].abs());
    if p == within || largest == 0.0 {
        return seen;
    }
    let square: f64 = errors.iter().map(|error| (error / largest).powi(2)).sum();
    let deviation = largest * (square / m).sqrt() * (1.0 + 1.0 / distinct.max(1.0)).sqrt();
    seen + deviation * (student(p, distinct - 1.0) - student(within, distinct - 1.0))
}

/// The p-quantile of Student's distribution, by its expansion around the normal one (Fisher & Cornish 1960).
fn student(p: f64, freedom: f64) -> f64 {
    let (z, n) = (normal::quantile(p), freedom.max(3.0));
    let first = (z.powi(3) + z) / 4.0;
    let second = (5.0 * z.powi(5) + 16.0 * z.powi(3) + 3.0 * z) / 96.0;
    z + first / n + second / (n * n)
}

/// Demands at random times, each of a size that was seen.
struct Compound {
    /// The probability of a demand in a period, and how many periods it is known from.
    chance: f64,
    known: f64,
    /// Sizes of demands with their weights, and how many demands these are known from.
    sizes: Vec<(f64, f64)>,
    sizes_known: f64,
}

impl Compound {
    /// `None` for methods that do not tell whether from how much.
    fn of(method: &Method, state: &State, history: &[f64]) -> Result<Option<Self>, DemandError> {
        let (alpha_size, alpha_chance, each_demand) = match *method {
            Method::Croston { alpha } | Method::Sba { alpha } => (alpha, alpha, true),
            Method::Tsb { alpha_size, alpha_probability } => (alpha_size, alpha_probability, false),
            _ => return Ok(None),
        };
        let (chance, _) = state.chance_and_size().unwrap_or((0.0, 0.0));
        let chance = chance.min(1.0);
        // Exponential weights are worth (2 − α) / α equal ones: of periods, or of intervals between demands.
        let worth = |alpha: f64| (2.0 - alpha) / alpha;
        let periods =
            if each_demand && chance > 0.0 { worth(alpha_chance) / chance } else { worth(alpha_chance) };
        let mut weight = 1.0;
        let sizes = history.iter().rev().filter(|units| **units > 0.0).map(|units| {
            let one = (*units, weight);
            weight *= 1.0 - alpha_size;
            one
        });
        let sizes: Vec<_> = sizes.collect();
        let sizes_known = worth(alpha_size).min(sizes.len() as f64);
        Ok(Some(Compound { chance, known: periods.min(history.len() as f64), sizes, sizes_known }))
    }

    /// The sum over so many periods.
    fn over(&self, periods: usize) -> Result<Quantiles, DemandError> {
        if self.sizes.is_empty() || self.chance <= 0.0 {
            return Ok(Quantiles::new(vec![(1.0, 0.0)])?);
        }
        let unit = self.unit(periods);
        let counted = |(size, weight): &(f64, f64)| (((size / unit).round() as usize).max(1), *weight);
        let sizes: Vec<(usize, f64)> = self.sizes.iter().map(counted).collect();
        let largest = sizes.iter().map(|(size, _)| *size).max().unwrap_or(0);
        let times = self.times(periods);
        let mut sum = vec![0.0; largest * periods + 1];
        for (share, leaning) in [(1.0 / 6.0, -SQRT_3), (2.0 / 3.0, 0.0), (1.0 / 6.0, SQRT_3)] {
            let size = Counts::of_weighted(&leant(&sizes, leaning / self.sizes_known.sqrt()))?;
            let mut demands = Counts::of_weighted(&[(0, 1.0)])?;
            for (k, probability) in times.iter().enumerate() {
                if k > 0 {
                    demands = size.plus(&demands)?;
                }
                let (first, last) = demands.support();
                for (count, slot) in sum[first..=last].iter_mut().enumerate() {
                    *slot += share * probability * demands.probability(first + count);
                }
            }
        }
        Ok(Quantiles::of_counts(&Counts::new(sum)?, unit)?)
    }

    /// The probabilities of 0, 1, … `periods` demands: beta-binomial, P(k + 1) / P(k) = (n − k)(a + k) / ((k + 1)(b + n
    /// − k − 1)).
    fn times(&self, periods: usize) -> Vec<f64> {
        // It is smoothed because it may move, so it will be less like what it was than that was like itself: worth half.
        let known = self.known / 2.0;
        let (a, b) = (self.chance * known, (1.0 - self.chance) * known);
        if b < 1e-9 {
            let mut always = vec![0.0; periods];
            always.push(1.0);
            return always;
        }
        let n = periods as f64;
        let mut logarithms = vec![0.0];
        let mut logarithm = 0.0;
        for k in (0..periods).map(|k| k as f64) {
            logarithm += ((n - k) * (a + k) / ((k + 1.0) * (b + n - k - 1.0))).ln();
            logarithms.push(logarithm);
        }
        let most = logarithms.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let weights: Vec<f64> = logarithms.iter().map(|logarithm| (logarithm - most).exp()).collect();
        let sum: f64 = weights.iter().sum();
        weights.into_iter().map(|weight| weight / sum).collect()
    }

    /// The unit in which sizes are counted: the greatest that all of them are multiples of, if the table is then short
    /// enough; otherwise one that makes it so, to which sizes are rounded.
    fn unit(&self, periods: usize) -> f64 {
        let largest = self.sizes.iter().map(|(size, _)| *size).fold(0.0, f64::max);
        let shortest = largest * periods as f64 / LONGEST_TABLE as f64;
        let divisor = |a: f64, b: f64| {
            let (mut a, mut b) = (a, b);
            while b > 0.0 {
                (a, b) = (b, a % b);
            }
            a
        };
        // Of numbers that are whole the remainder is exact; of others it comes near 0 and the unit is not taken.
        self.sizes.iter().map(|(size, _)| *size).fold(0.0, divisor).max(shortest)
    }
}

const SQRT_3: f64 = 1.732_050_807_568_877_2;

/// Weights that lean towards large sizes, or small ones, until their mean has moved by `far` standard deviations of a
/// size. [`Compound::over`] asks for √3 standard errors to either side in a sixth of cases each, which have
/// together the variance of one standard error.
fn leant(sizes: &[(usize, f64)], far: f64) -> Vec<(usize, f64)> {
    let weight: f64 = sizes.iter().map(|(_, weight)| weight).sum();
    let mean = sizes.iter().map(|(size, weight)| *size as f64 * weight).sum::<f64>() / weight;
    let square =
        sizes.iter().map(|(size, weight)| (*size as f64 - mean).powi(2) * weight).sum::<f64>() / weight;
    if square <= 0.0 {
        return sizes.to_vec();
    }
    let lean = |size: usize| (1.0 + far * (size as f64 - mean) / square.sqrt()).max(0.0);
    sizes.iter().map(|(size, weight)| (*size, weight * lean(*size))).collect()
}
