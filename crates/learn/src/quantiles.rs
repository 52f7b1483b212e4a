//! A distribution told by some of its quantiles.

use serde::{Deserialize, Serialize};

use crate::distribution::Counts;

/// A continuous distribution: its quantile function at rising probabilities, linear between them and flat outside.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(try_from = "Vec<(f64, f64)>", into = "Vec<(f64, f64)>")]
pub struct Quantiles {
    /// (probability, value), both rising; at least one.
    points: Vec<(f64, f64)>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QuantilesError {
    #[error("there is no point")]
    Empty,
    #[error("point {0}: the probability is not between 0 and 1, or the value is not a finite number")]
    NotANumber(usize),
    #[error("point {0}: probabilities must rise and values must not fall")]
    NotRising(usize),
}

impl Quantiles {
    /// From (probability, value) pairs, probabilities rising and values not falling.
    pub fn new(points: Vec<(f64, f64)>) -> Result<Self, QuantilesError> {
        if points.is_empty() {
            return Err(QuantilesError::Empty);
        }
        if let Some(bad) = points.iter().position(|(p, v)| !(0.0..=1.0).contains(p) || !v.is_finite()) {
            return Err(QuantilesError::NotANumber(bad));
        }
        if let Some(bad) = points.windows(2).position(|w| w[1].0 <= w[0].0 || w[1].1 < w[0].1) {
            return Err(QuantilesError::NotRising(bad + 1));
        }
        Ok(Quantiles { points })
    }

    /// The empirical distribution of a sample, at (i + 0.5) / n for the i-th smallest value, thinned to at most `most`
    /// points. Values that are not finite are an error.
    pub fn of_sample(sample: &[f64], most: usize) -> Result<Self, QuantilesError> {
        let mut sorted = sample.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (n, most) = (sorted.len(), most.max(2));
        let pick = |k: usize| if n <= most { k } else { k * (n - 1) / (most - 1) };
        let points = (0..n.min(most)).map(|k| ((pick(k) as f64 + 0.5) / n as f64, sorted[pick(k)]));
        Self::new(points.collect())
    }

    /// A distribution of counts of some `unit`, in steps: the quantile at a probability is a count and not a value
    /// between two. Of more than two hundred counts, neighbours that make little difference to the probability are told
    /// by the highest of them; the last 10⁻⁹ is left out.
    pub fn of_counts(counts: &Counts, unit: f64) -> Result<Self, QuantilesError> {
        /// How near to each other two steps come, and the least that is a step.
        const EDGE: f64 = 1e-12;
        const LEAST: f64 = 1e-11;
        const MOST: f64 = 1.0 - 1e-9;
        let (first, last) = counts.support();
        let few = last - first < 200;
        let mut points: Vec<(f64, f64)> = Vec::new();
        let mut below = 0.0;
        for k in first..=last {
            let (p, value) = (counts.cdf(k as f64), k as f64 * unit);
            // A hundredth in the middle, and in the tails a part of what is left of them.
            let coarse = f64::min(0.01, 0.3 * p.min(1.0 - below)).max(LEAST);
            let at_end = p >= MOST;
            if p - below < if few || at_end { LEAST } else { coarse } {
                continue;
            }
            if !points.is_empty() {
                points.push((below + EDGE, value));
            }
            points.push((p, value));
            below = p;
            if at_end {
                break;
            }
        }
        Self::new(points)
    }

    /// The value below which it stays with probability `p`.
    pub fn quantile(&self, p: f64) -> f64 {
        let after = self.points.partition_point(|(known, _)| *known < p);
        match (after.checked_sub(1).map(|i| self.points[i]), self.points.get(after)) {
            (_, None) => self.points[self.points.len() - 1].1,
            (None, Some((_, value))) => *value,
            (Some((p0, v0)), Some((p1, v1))) => v0 + (v1 - v0) * (p - p0) / (p1 - p0),
        }
    }

    /// The probability of staying at or below `value`. Below the lowest known point 0; above the highest, that
    /// point's: what was never seen is not promised.
    pub fn cdf(&self, value: f64) -> f64 {
        let after = self.points.partition_point(|(_, known)| *known <= value);
        match (after.checked_sub(1).map(|i| self.points[i]), self.points.get(after)) {
            (None, _) => 0.0,
            (Some((p, _)), None) => p,
            (Some((p0, v0)), Some((p1, v1))) => p0 + (p1 - p0) * (value - v0) / (v1 - v0),
        }
    }

    /// The highest probability that is known.
    pub fn known(&self) -> f64 {
        self.points[self.points.len() - 1].0
    }

    /// The mean, with what lies outside the known probabilities at the outermost values.
    pub fn mean(&self) -> f64 {
        // Everything is at the lowest value or above it.
        self.points[0].1 + self.loss(self.points[0].1)
    }

    /// E[(D − `level`)⁺], the expected amount beyond a level; what lies outside the known probabilities is at the
    /// outermost values.
    pub fn loss(&self, level: f64) -> f64 {
        let (lowest, highest) = (self.points[0], self.points[self.points.len() - 1]);
        let between = self.points.windows(2).map(|w| {
            let ((p0, v0), (p1, v1)) = (w[0], w[1]);
            let beyond = match () {
                () if level <= v0 => 0.5 * v0 + 0.5 * v1 - level,
                () if level >= v1 => 0.0,
                () => 0.5 * (v1 - level) * ((v1 - level) / (v1 - v0)),
            };
            (p1 - p0) * beyond
        });
        let below = lowest.0 * (lowest.1 - level).max(0.0);
        let above = (1.0 - highest.0) * (highest.1 - level).max(0.0);
        below + between.sum::<f64>() + above
    }

    /// The points, as (probability, value).
    pub fn points(&self) -> &[(f64, f64)] {
        &self.points
    }
}

impl TryFrom<Vec<(f64, f64)>> for Quantiles {
    type Error = QuantilesError;
    fn try_from(points: Vec<(f64, f64)>) -> Result<Self, QuantilesError> {
        Self::new(points)
    }
}

impl From<Quantiles> for Vec<(f64, f64)> {
    fn from(quantiles: Quantiles) -> Self {
        quantiles.points
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn between_points_it_is_linear_and_outside_it_is_flat() {
        let q = Quantiles::new(vec![(0.1, 1.0), (0.5, 3.0), (0.9, 11.0)]).unwrap();
        for (p, value) in [(0.0, 1.0), (0.1, 1.0), (0.3, 2.0), (0.5, 3.0), (0.7, 7.0), (1.0, 11.0)] {
            assert!((q.quantile(p) - value).abs() < 1e-12, "{p}");
        }
        for (value, p) in
            [(0.0, 0.0), (1.0, 0.1), (2.0, 0.3), (3.0, 0.5), (7.0, 0.7), (11.0, 0.9), (99.0, 0.9)]
        {
            assert!((q.cdf(value) - p).abs() < 1e-12, "{value}");
        }
    }

    #[test]
    fn what_is_no_distribution_is_refused() {
        assert_eq!(Quantiles::new(vec![]), Err(QuantilesError::Empty));
        assert_eq!(Quantiles::new(vec![(0.5, f64::NAN)]), Err(QuantilesError::NotANumber(0)));
        assert_eq!(Quantiles::new(vec![(0.5, 1.0), (0.6, 0.5)]), Err(QuantilesError::NotRising(1)));
        assert_eq!(Quantiles::of_sample(&[], 9), Err(QuantilesError::Empty));
    }

    #[test]
    fn counts_are_told_in_steps() {
        let dozens = Counts::new(vec![0.5, 0.0, 0.3, 0.2]).unwrap();
        let q = Quantiles::of_counts(&dozens, 12.0).unwrap();
        for (p, value) in [(0.1, 0.0), (0.5, 0.0), (0.51, 24.0), (0.8, 24.0), (0.81, 36.0), (1.0, 36.0)] {
            assert_eq!(q.quantile(p), value, "{p}");
        }
        for (value, p) in [(-1.0, 0.0), (0.0, 0.5), (23.0, 0.5), (24.0, 0.8), (35.0, 0.8), (36.0, 1.0)] {
            assert!((q.cdf(value) - p).abs() < 1e-11, "{value}");
        }
        assert!((q.mean() - 14.4).abs() < 1e-9);
        // Many counts: never below the true quantile, and at most a hundredth above it.
        let many = Counts::poisson(1e5).unwrap();
        let q = Quantiles::of_counts(&many, 1.0).unwrap();
        assert!(q.points().len() < 600, "{}", q.points().len());
        for p in [1e-4, 0.01, 0.3, 0.5, 0.77, 0.95, 0.999, 0.99999] {
            let found = q.quantile(p);
            assert!(found >= many.quantile(p), "{p}");
            let above = (p + 0.011_f64).min(1.0 - (1.0 - p) * 0.6);
            assert!(found <= many.quantile(above), "{p}: {found} {}", many.quantile(above));
        }
    }

    #[test]
    fn a_sample_is_told_by_its_order() {
        let sample: Vec<f64> = (0..1000).rev().map(f64::from).collect();
        let q = Quantiles::of_sample(&sample, 101).unwrap();
        assert_eq!(q.points().len(), 101);
        assert!((q.quantile(0.5) - 499.5).abs() < 1.0 && (q.cdf(899.5) - 0.9).abs() < 0.002);
    }
}
