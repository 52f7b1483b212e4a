//! Distributions over whole units, as a table.

use super::{DistributionError, not_negative};

/// The longest table that is made.
const LONGEST: usize = 1 << 20;
/// Products of table lengths that a sum of two may take.
const MOST_WORK: usize = 1 << 29;
/// What a table may leave out at either end, as a share of the whole.
const NEGLIGIBLE: f64 = 1e-18;
/// Probabilities that are not kept at either end, as a share of the likeliest count's.
const NOTHING: f64 = 1e-30;

/// A distribution over 0, 1, 2, …, each with its probability.
#[derive(Clone, PartialEq, Debug)]
pub struct Counts {
    /// The lowest count in the table.
    first: usize,
    /// The probabilities of `first`, `first + 1`, …; they add up to 1.
    pmf: Vec<f64>,
    /// P(D ≤ k) for the same.
    cdf: Vec<f64>,
    /// E[(D − k)⁺] for the same.
    loss: Vec<f64>,
    mean: f64,
}

impl Counts {
    /// From the probabilities of 0, 1, 2, …; they must add up to 1 within 10⁻⁶ and are then made to.
    pub fn new(pmf: Vec<f64>) -> Result<Self, DistributionError> {
        if let Some(bad) = pmf.iter().position(|p| !(0.0..=1.0).contains(p)) {
            return Err(DistributionError::NotAProbability(bad));
        }
        let sum: f64 = pmf.iter().sum();
        if (sum - 1.0).abs() > 1e-6 {
            return Err(DistributionError::Sum(sum));
        }
        Self::of_weights(0, pmf)
    }

    /// The empirical distribution of `sizes`, each with its weight; at least one weight must be above 0.
    pub fn of_weighted(sizes: &[(usize, f64)]) -> Result<Self, DistributionError> {
        let longest = sizes.iter().map(|(size, _)| *size).max().unwrap_or(0);
        if longest >= LONGEST {
            return Err(DistributionError::TooLarge(LONGEST));
        }
        let mut weights = vec![0.0; longest + 1];
        for (size, weight) in sizes {
            weights[*size] += not_negative("weight", *weight)?;
        }
        Self::of_weights(0, weights)
    }

    /// Poisson with a mean.
    pub fn poisson(mean: f64) -> Result<Self, DistributionError> {
        let mean = not_negative("mean", mean)?;
        if mean == 0.0 {
            return Self::of_weights(0, vec![1.0]);
        }
        // From the mode outward: p(k + 1) / p(k) = mean / (k + 1).
        Self::around(mean.floor(), 0.0, |k| mean / (k + 1.0))
    }

    /// Negative binomial with a mean and a variance above it: Poisson demand whose rate itself varies (gamma), or
    /// orders of logarithmic size at random times.
    pub fn negative_binomial(mean: f64, variance: f64) -> Result<Self, DistributionError> {
        let mean = not_negative("mean", mean)?;
        let variance = not_negative("variance", variance)?;
        if mean == 0.0 {
            return Self::of_weights(0, vec![1.0]);
        }
        if variance <= mean {
            return Err(DistributionError::NotOverdispersed { mean, variance });
        }
        let r = mean * mean / (variance - mean);
        let fail = 1.0 - mean / variance;
        // p(k + 1) / p(k) = (k + r) / (k + 1) · (1 − mean / variance); the mode is where that falls below 1.
        let mode = ((r - 1.0) * fail / (1.0 - fail)).floor().max(0.0);
        Self::around(mode, fail, |k| (k + r) / (k + 1.0) * fail)
    }

    /// From the ratios p(k + 1) / p(k), which are above 1 below the mode, below 1 above it, and go to `limit`.
    fn around(mode: f64, limit: f64, ratio: impl Fn(f64) -> f64) -> Result<Self, DistributionError> {
        // Checked before the cast and before the table is filled.
        if mode >= 1e15 {
            return Err(DistributionError::TooLarge(LONGEST));
        }
        let mut below = Vec::new();
        let (mut k, mut p) = (mode, 1.0);
        while k >= 1.0 {
            p /= ratio(k - 1.0);
            k -= 1.0;
            if p < NEGLIGIBLE {
                break;
            }
            below.push(p);
            if below.len() > LONGEST {
                return Err(DistributionError::TooLarge(LONGEST));
            }
        }
        let first = mode as usize - below.len();
        let mut weights: Vec<f64> = below.into_iter().rev().collect();
        (k, p) = (mode, 1.0);
        loop {
            weights.push(p);
            if weights.len() > LONGEST {
                return Err(DistributionError::TooLarge(LONGEST));
            }
            let next = ratio(k);
            p *= next;
            k += 1.0;
            // What all that is left adds to the mean, at most; a long tail may be heavy although each count is rare.
            let thinning = 1.0 - next.max(limit);
            if thinning > 0.0 && p * (k + 1.0 / thinning) / thinning < NEGLIGIBLE * (1.0 + mode) {
                break;
            }
        }
        Self::of_weights(first, weights)
    }

    fn of_weights(first: usize, mut weights: Vec<f64>) -> Result<Self, DistributionError> {
        let sum: f64 = weights.iter().sum();
        if !(sum > 0.0 && sum.is_finite()) {
            return Err(DistributionError::Sum(sum));
        }
        let least = weights.iter().copied().fold(0.0, f64::max) * NOTHING;
        let kept = |p: &f64| *p > 0.0 && *p >= least;
        let start = weights.iter().position(kept).unwrap_or(0);
        let end = weights.iter().rposition(kept).unwrap_or(0);
        weights.truncate(end + 1);
        weights.drain(..start);
        let first = first + start;
        weights.iter_mut().for_each(|p| *p /= sum);
        let pmf = weights;

        let mut below = 0.0;
        let mut cdf: Vec<f64> = pmf
            .iter()
            .map(|p| {
                below += p;
                below.min(1.0)
            })
            .collect();
        if let Some(last) = cdf.last_mut() {
            *last = 1.0;
        }
        // From the far end, so that small tails keep their digits.
        let mut loss = vec![0.0; pmf.len()];
        let mut above = 0.0;
        for k in (0..pmf.len() - 1).rev() {
            above += pmf[k + 1];
            loss[k] = loss[k + 1] + above;
        }
        // E[D] = first + E[(D − first)⁺].
        let mean = first as f64 + loss[0];
        Ok(Counts { first, pmf, cdf, loss, mean })
    }

    /// The distribution of the sum of this and an independent other.
    pub fn plus(&self, other: &Counts) -> Result<Self, DistributionError> {
        let length = self.pmf.len() + other.pmf.len() - 1;
        if length > LONGEST || self.pmf.len().saturating_mul(other.pmf.len()) > MOST_WORK {
            return Err(DistributionError::TooLarge(LONGEST));
        }
        let mut sum = vec![0.0; length];
        for (i, p) in self.pmf.iter().enumerate().filter(|(_, p)| **p > 0.0) {
            for (slot, q) in sum[i..].iter_mut().zip(&other.pmf) {
                *slot += p * q;
            }
        }
        Self::of_weights(self.first + other.first, sum)
    }

    /// The distribution of the sum of `n` independent such counts: demand over `n` periods.
    pub fn times(&self, n: u32) -> Result<Self, DistributionError> {
        let mut sum = Self::of_weights(0, vec![1.0])?;
        let mut power = self.clone();
        let mut left = n;
        while left > 0 {
            if left & 1 == 1 {
                sum = sum.plus(&power)?;
            }
            left >>= 1;
            if left > 0 {
                power = power.plus(&power)?;
            }
        }
        Ok(sum)
    }

    /// P(D = `k`).
    pub fn probability(&self, k: usize) -> f64 {
        k.checked_sub(self.first).and_then(|i| self.pmf.get(i)).copied().unwrap_or(0.0)
    }

    /// The lowest and the highest count that is possible.
    pub fn support(&self) -> (usize, usize) {
        (self.first, self.first + self.pmf.len() - 1)
    }

    pub fn mean(&self) -> f64 {
        self.mean
    }

    pub fn variance(&self) -> f64 {
        let from_mean = |i: usize| (self.first + i) as f64 - self.mean;
        self.pmf.iter().enumerate().map(|(i, p)| p * from_mean(i) * from_mean(i)).sum()
    }

    /// P(D ≤ `level`).
    pub fn cdf(&self, level: f64) -> f64 {
        let above = level.floor() - self.first as f64;
        if above < 0.0 {
            return 0.0;
        }
        self.cdf.get(above as usize).copied().unwrap_or(1.0)
    }

    /// The lowest count k with P(D ≤ k) ≥ `p`; the highest there is for p = 1.
    pub fn quantile(&self, p: f64) -> f64 {
        let i = self.cdf.partition_point(|known| *known < p).min(self.cdf.len() - 1);
        (self.first + i) as f64
    }

    /// E[(D − `level`)⁺]; linear between whole levels.
    pub fn loss(&self, level: f64) -> f64 {
        let above = level - self.first as f64;
        if above <= 0.0 {
            return self.mean - level;
        }
        let (i, rest) = (above.floor() as usize, above.fract());
        let at = |i: usize| self.loss.get(i).copied().unwrap_or(0.0);
        at(i) + (at(i.saturating_add(1)) - at(i)) * rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn poisson_is_what_the_tables_say() {
        // scipy.stats.poisson(6): pmf(4), cdf(8), sf(20).
        let six = Counts::poisson(6.0).unwrap();
        assert!((six.probability(4) - 0.133_852_617_539_983_3).abs() < 1e-15);
        assert!((six.cdf(8.0) - 0.847_237_493_984_561_2).abs() < 1e-14);
        assert!((six.mean() - 6.0).abs() < 1e-13 && (six.variance() - 6.0).abs() < 1e-12);
        // E[(D − 8)⁺] = mean·P(D ≥ 8) − 8·P(D ≥ 9).
        let loss = 6.0 * (1.0 - six.cdf(7.0)) - 8.0 * (1.0 - six.cdf(8.0));
        assert!((six.loss(8.0) - loss).abs() < 1e-13);
        assert!((six.loss(8.5) - (six.loss(8.0) + six.loss(9.0)) / 2.0).abs() < 1e-15);
        assert!((six.loss(-3.0) - 9.0).abs() < 1e-13 && six.loss(1e6) == 0.0);
        let many = Counts::poisson(1e6).unwrap();
        assert!((many.mean() - 1e6).abs() < 1e-6, "{}", many.mean());
        assert!((many.variance() / 1e6 - 1.0).abs() < 1e-9);
        let small = Counts::poisson(1e-9).unwrap();
        assert!((small.mean() - 1e-9).abs() < 1e-20);
    }

    #[test]
    fn a_negative_binomial_has_the_mean_and_the_variance_that_were_asked_for() {
        for (mean, variance) in [(0.3, 0.9), (4.0, 4.1), (12.0, 60.0), (500.0, 5000.0), (2.0, 200.0)] {
            let found = Counts::negative_binomial(mean, variance).unwrap();
            assert!((found.mean() / mean - 1.0).abs() < 1e-9, "{mean} {}", found.mean());
            assert!((found.variance() / variance - 1.0).abs() < 1e-9, "{variance} {}", found.variance());
        }
        // scipy.stats.nbinom(3, 0.4).pmf(2): mean 4.5, variance 11.25.
        let known = Counts::negative_binomial(4.5, 11.25).unwrap();
        assert!((known.probability(2) - 0.138_24).abs() < 1e-14);
        let narrow = Counts::negative_binomial(4.0, 4.0);
        assert_eq!(narrow, Err(DistributionError::NotOverdispersed { mean: 4.0, variance: 4.0 }));
    }

    #[test]
    fn sums_of_poissons_are_poisson() {
        let (one, five) = (Counts::poisson(1.3).unwrap(), Counts::poisson(6.5).unwrap());
        let sum = one.times(5).unwrap();
        for k in 0..30 {
            assert!((sum.probability(k) - five.probability(k)).abs() < 1e-14, "{k}");
        }
        assert_eq!(one.times(0).unwrap().support(), (0, 0));
    }

    #[test]
    fn what_is_no_distribution_is_refused() {
        assert_eq!(Counts::new(vec![]), Err(DistributionError::Sum(0.0)));
        assert_eq!(Counts::new(vec![0.5, f64::NAN]), Err(DistributionError::NotAProbability(1)));
        assert_eq!(Counts::new(vec![0.5, 0.1]), Err(DistributionError::Sum(0.6)));
        assert_eq!(Counts::of_weighted(&[]), Err(DistributionError::Sum(0.0)));
        assert!(matches!(Counts::poisson(-1.0), Err(DistributionError::Negative { .. })));
        for huge in [1e14, 1e18, f64::MAX] {
            assert!(matches!(Counts::poisson(huge), Err(DistributionError::TooLarge(_))), "{huge}");
        }
        assert!(matches!(Counts::negative_binomial(1.0, 1e12), Err(DistributionError::TooLarge(_))));
        assert_eq!(Counts::new(vec![0.0, 0.0, 1.0]).unwrap().support(), (2, 2));
    }
}
