//! What is not known yet, as a distribution: of one period's demand, of the demand during a lead time.
//!
//! One type, [`Distribution`], with what stock decisions ask of it: the mean, the probability of staying at or below
//! a level, the level for a probability, and the *loss*, the expected amount beyond a level, E[(D − x)⁺].

mod counts;
pub mod normal;

pub use counts::Counts;
pub use normal::Normal;

use crate::Quantiles;

/// A distribution of demand, in units of the goods.
#[derive(Clone, PartialEq, Debug)]
pub enum Distribution {
    /// Continuous and symmetric; reaches below 0, which matters where the standard deviation is more than a third of
    /// the mean.
    Normal(Normal),
    /// Whole units.
    Counts(Counts),
    /// Told by its quantiles, as a forecast gives it.
    Quantiles(Quantiles),
}

/// Why there is no distribution, or no answer from it.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum DistributionError {
    #[error("the {what} is {value}; it must be a finite number that is not negative")]
    Negative { what: &'static str, value: f64 },
    #[error("the probability is {0}; it must lie between 0 and 1, both excluded")]
    Probability(f64),
    #[error("the probability of {0} units is not a number between 0 and 1")]
    NotAProbability(usize),
    #[error("the probabilities add up to {0}, not to 1")]
    Sum(f64),
    #[error("the variance {variance} is not more than the mean {mean}; take a Poisson distribution")]
    NotOverdispersed { mean: f64, variance: f64 },
    #[error("the distribution would need a table of more than {0} counts; count in larger units")]
    TooLarge(usize),
    #[error(
        "the distribution is known only up to the probability {known}, and {asked} was asked for; give more \
         history, or ask for less"
    )]
    BeyondKnown { asked: f64, known: f64 },
}

impl Distribution {
    /// Normal, with a mean and a standard deviation; the latter may be 0.
    pub fn normal(mean: f64, sd: f64) -> Result<Self, DistributionError> {
        Normal::new(mean, sd).map(Self::Normal)
    }

    /// Poisson, with a mean; 0 is certain if the mean is 0.
    pub fn poisson(mean: f64) -> Result<Self, DistributionError> {
        Counts::poisson(mean).map(Self::Counts)
    }

    /// E\[D\].
    pub fn mean(&self) -> f64 {
        match self {
            Self::Normal(normal) => normal.mean(),
            Self::Counts(counts) => counts.mean(),
            Self::Quantiles(quantiles) => quantiles.mean(),
        }
    }

    /// P(D ≤ `level`).
    pub fn cdf(&self, level: f64) -> f64 {
        match self {
            Self::Normal(normal) => normal.cdf(level),
            Self::Counts(counts) => counts.cdf(level),
            Self::Quantiles(quantiles) => quantiles.cdf(level),
        }
    }

    /// The lowest level that demand stays at or below with probability `p`, 0 < p < 1. Beyond the highest quantile
    /// that is known there is no answer: what was never seen is not promised.
    pub fn quantile(&self, p: f64) -> Result<f64, DistributionError> {
        if !(p > 0.0 && p < 1.0) {
            return Err(DistributionError::Probability(p));
        }
        match self {
            Self::Normal(normal) => Ok(normal.quantile(p)),
            Self::Counts(counts) => Ok(counts.quantile(p)),
            Self::Quantiles(quantiles) => match quantiles.known() {
                known if p > known => Err(DistributionError::BeyondKnown { asked: p, known }),
                _ => Ok(quantiles.quantile(p)),
            },
        }
    }

    /// E[(D − `level`)⁺]: what a stock of `level` is expected to fall short by.
    pub fn loss(&self, level: f64) -> f64 {
        match self {
            Self::Normal(normal) => normal.loss(level),
            Self::Counts(counts) => counts.loss(level),
            Self::Quantiles(quantiles) => quantiles.loss(level),
        }
    }

    /// Whether it counts whole units.
    pub fn is_whole(&self) -> bool {
        matches!(self, Self::Counts(_))
    }
}

impl From<Quantiles> for Distribution {
    fn from(quantiles: Quantiles) -> Self {
        Self::Quantiles(quantiles)
    }
}

impl From<Counts> for Distribution {
    fn from(counts: Counts) -> Self {
        Self::Counts(counts)
    }
}

fn not_negative(what: &'static str, value: f64) -> Result<f64, DistributionError> {
    if value.is_finite() && value >= 0.0 {
        return Ok(value);
    }
    Err(DistributionError::Negative { what, value })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probability_beyond_the_known_is_refused_and_not_made_up() {
        let told: Distribution = Quantiles::new(vec![(0.1, 2.0), (0.9, 10.0)]).unwrap().into();
        assert_eq!(told.quantile(0.9), Ok(10.0));
        assert_eq!(told.quantile(0.95), Err(DistributionError::BeyondKnown { asked: 0.95, known: 0.9 }));
        for p in [0.0, 1.0, -0.5, f64::NAN, f64::INFINITY] {
            assert!(matches!(told.quantile(p), Err(DistributionError::Probability(_))), "{p}");
        }
    }

    #[test]
    fn quantiles_have_the_mean_and_the_loss_of_what_they_draw() {
        // Uniform between 0 and 10.
        let even: Distribution = Quantiles::new(vec![(0.0, 0.0), (1.0, 10.0)]).unwrap().into();
        assert!((even.mean() - 5.0).abs() < 1e-12);
        for (level, loss) in [(-3.0, 8.0), (0.0, 5.0), (5.0, 1.25), (10.0, 0.0), (20.0, 0.0)] {
            assert!((even.loss(level) - loss).abs() < 1e-12, "{level}");
        }
        // Flat outside: a tenth at 2, a tenth at 10, the rest even between.
        let told: Distribution = Quantiles::new(vec![(0.1, 2.0), (0.9, 10.0)]).unwrap().into();
        assert!((told.mean() - (0.2 + 0.8 * 6.0 + 1.0)).abs() < 1e-12);
        assert!((told.loss(2.0) - (told.mean() - 2.0)).abs() < 1e-12);
    }
}
