//! A population's prior from its members' histories: empirical Bayes.

use super::prior::{HABITS, KINDS};
use super::special::digamma;
use super::{DepletionError, Level, Pace, Prior, Purchases};

/// Rounds of expectation and maximisation.
const ROUNDS: usize = 8;
/// As many customers as these the prior that is started from weighs against the histories.
const STRENGTH: f64 = 3.0;

/// What is known of one customer and one thing that is used up. Days count from any origin, and come in order.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct History {
    /// (day, level).
    pub readings: Vec<(f64, f64)>,
    /// Days at which a full one was put in, as far as they are known.
    pub replaced: Vec<f64>,
    /// (day, units).
    pub purchases: Vec<(f64, f64)>,
}

/// What an E-step sums up: customers, their kinds, and of the reciprocal of their pace its mean and its logarithm's.
struct Sums<const N: usize> {
    shares: [f64; N],
    count: f64,
    mean: f64,
    log: f64,
}

impl<const N: usize> Sums<N> {
    /// What is started from weighs as some customers do.
    fn new(shares: impl Iterator<Item = f64>, pace: Pace) -> Self {
        let mut sums = Sums { shares: [0.0; N], count: STRENGTH, mean: 0.0, log: 0.0 };
        sums.shares.iter_mut().zip(shares).for_each(|(sum, share)| *sum = STRENGTH * share);
        sums.mean = STRENGTH / pace.typical;
        sums.log = STRENGTH * (digamma(pace.shape) - (pace.shape * pace.typical).ln());
        sums
    }

    fn add(&mut self, shares: [f64; N], paces: impl Fn(usize) -> Pace) {
        self.count += 1.0;
        for (i, share) in shares.into_iter().enumerate().filter(|(_, share)| *share > 0.0) {
            let pace = paces(i);
            self.shares[i] += share;
            self.mean += share / pace.typical;
            self.log += share * (digamma(pace.shape) - (pace.shape * pace.typical).ln());
        }
    }

    /// The likeliest gamma distribution of reciprocals: for the shape the approximation of Minka (2002), good to 1.5 %.
    fn pace(&self) -> Pace {
        let (mean, log) = (self.mean / self.count, self.log / self.count);
        let s = (mean.ln() - log).max(1e-3);
        let shape = (3.0 - s + ((s - 3.0).powi(2) + 24.0 * s).sqrt()) / (12.0 * s);
        Pace { typical: 1.0 / mean, shape: shape.clamp(0.05, 500.0) }
    }

    fn shares(&self) -> [f64; N] {
        self.shares.map(|share| share / self.count)
    }
}

impl Prior {
    /// The prior of a population by empirical Bayes (Robbins 1956; by expectation and maximisation, Dempster, Laird and
    /// Rubin 1977), from the default one. Histories of which nothing can be learnt are passed over; if there are no
    /// others that is an error.
    pub fn fit(histories: &[History]) -> Result<Prior, DepletionError> {
        Prior::default().fitted(histories)
    }

    /// As [`Prior::fit`], from this prior instead of the default one: for levels in another unit, or when more has
    /// become known. What the histories tell nothing of stays as it is here.
    pub fn fitted(&self, histories: &[History]) -> Result<Prior, DepletionError> {
        self.check()?;
        let levels: Vec<&History> = histories.iter().filter(|history| history.readings.len() > 2).collect();
        let buyers: Vec<&History> = histories.iter().filter(|history| history.purchases.len() > 1).collect();
        if levels.is_empty() && buyers.is_empty() {
            return Err(DepletionError::NothingToLearn);
        }
        let mut prior = self.clone();
        for _ in 0..ROUNDS {
            if !levels.is_empty() {
                let mut sums: Sums<KINDS> = Sums::new(self.kinds.iter().map(|kind| kind.share), self.rate);
                for history in &levels {
                    let level = history.level(&prior)?;
                    sums.add(level.probabilities(), |kind| level.pace(kind));
                }
                prior.rate = sums.pace();
                prior.kinds.iter_mut().zip(sums.shares()).for_each(|(kind, share)| kind.share = share);
            }
            if !buyers.is_empty() {
                let mut sums: Sums<HABITS> =
                    Sums::new(self.habits.iter().map(|habit| habit.share), self.unit_days);
                for history in &buyers {
                    let purchases = history.bought(&prior)?;
                    sums.add(purchases.probabilities(), |habit| purchases.pace(habit));
                }
                prior.unit_days = sums.pace();
                prior.habits.iter_mut().zip(sums.shares()).for_each(|(habit, share)| habit.share = share);
            }
        }
        prior.check()?;
        Ok(prior)
    }
}

impl History {
    fn level(&self, prior: &Prior) -> Result<Level, DepletionError> {
        let mut level = Level::new(prior);
        let mut replaced = self.replaced.iter().copied().peekable();
        for (day, told) in &self.readings {
            while let Some(before) = replaced.next_if(|before| before <= day) {
                level.replaced(prior, before)?;
            }
            level.observe(prior, *day, *told)?;
        }
        Ok(level)
    }

    fn bought(&self, prior: &Prior) -> Result<Purchases, DepletionError> {
        let mut purchases = Purchases::new(prior);
        for (day, units) in &self.purchases {
            purchases.bought(prior, *day, *units)?;
        }
        Ok(purchases)
    }
}
