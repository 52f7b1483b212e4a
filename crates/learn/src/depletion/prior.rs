//! What is known of any customer before anything is seen of one.

use serde::{Deserialize, Serialize};

use super::{DepletionError, limited};

/// The version of the form in which a prior is kept.
pub const PRIOR_VERSION: u32 = 1;
/// How many kinds of device there are.
pub(super) const KINDS: usize = BURSTS.len() * NOISES.len() * DRIFTS.len();
/// How many kinds of buyer there are.
pub(super) const HABITS: usize = SHAPES.len() * HABIT_DRIFTS.len();

const BURSTS: [f64; 4] = [0.3, 1.5, 6.0, 15.0];
const NOISES: [f64; 4] = [0.004, 0.01, 0.022, 0.05];
const DRIFTS: [f64; 2] = [1e-4, 4e-3];
/// Most keep to their ways.
const DRIFT_SHARES: [f64; 2] = [0.8, 0.2];
const SHAPES: [f64; 6] = [0.7, 1.5, 3.0, 8.0, 25.0, 80.0];
const HABIT_DRIFTS: [f64; 2] = [1e-6, 3e-4];

/// The population that a customer is one of: how fast what they have is used up, how evenly, and how well their
/// devices read it. Levels are in one unit throughout (shares of a full one, unless `full` says otherwise), times in
/// days.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(try_from = "Stored")]
pub struct Prior {
    pub version: u32,
    /// The level of a new one: 1 where levels are shares.
    pub full: f64,
    /// Level used per day.
    pub rate: Pace,
    /// Kinds of use and of reading, with their shares of the population.
    pub kinds: [Kind; KINDS],
    /// Days for which one bought unit lasts.
    pub unit_days: Pace,
    /// Kinds of regularity in buying, with their shares of the population.
    pub habits: [Habit; HABITS],
}

/// How a positive quantity varies in a population: its reciprocal is a gamma variable.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub struct Pace {
    /// The harmonic mean; in the middle of the logarithms.
    pub typical: f64,
    /// The shape of the gamma variable: the logarithm's standard deviation is about 1 / √`shape`.
    pub shape: f64,
}

/// A kind of use and of reading.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub struct Kind {
    /// How uneven use is: the variance of what is used in t days is rate² · `burst` · t. As if this many days' use
    /// came at once; in days.
    pub burst: f64,
    /// Standard deviation of a reading around the level, without what rounding adds; a level.
    pub noise: f64,
    /// Variance by which ln(rate) wanders in a day.
    pub drift: f64,
    /// Its share of the population; the shares add up to 1.
    pub share: f64,
}

/// A kind of regularity in buying.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub struct Habit {
    /// The time that u units last is a gamma variable of shape u · `shape`: its coefficient of variation is
    /// 1 / √(u · `shape`).
    pub shape: f64,
    /// Variance by which the logarithm of the days of a unit wanders in a day.
    pub drift: f64,
    /// Its share of the population; the shares add up to 1.
    pub share: f64,
}

impl Default for Prior {
    /// Weakly informative: one in three is used up in less than a month or in more than a year, most keep to their
    /// ways, and every kind is as common as the others otherwise.
    fn default() -> Self {
        let kinds = std::array::from_fn(|i| Kind {
            burst: BURSTS[i % BURSTS.len()],
            noise: NOISES[i / BURSTS.len() % NOISES.len()],
            drift: DRIFTS[i / BURSTS.len() / NOISES.len()],
            share: DRIFT_SHARES[i / BURSTS.len() / NOISES.len()] / (BURSTS.len() * NOISES.len()) as f64,
        });
        let habits = std::array::from_fn(|i| Habit {
            shape: SHAPES[i % SHAPES.len()],
            drift: HABIT_DRIFTS[i / SHAPES.len()],
            share: 1.0 / HABITS as f64,
        });
        Prior {
            version: PRIOR_VERSION,
            full: 1.0,
            rate: Pace { typical: 0.01, shape: 1.0 },
            kinds,
            unit_days: Pace { typical: 30.0, shape: 1.0 },
            habits,
        }
    }
}

/// As it was kept, before it is looked over.
#[derive(Deserialize)]
struct Stored {
    version: u32,
    full: f64,
    rate: Pace,
    kinds: [Kind; KINDS],
    unit_days: Pace,
    habits: [Habit; HABITS],
}

impl TryFrom<Stored> for Prior {
    type Error = DepletionError;
    fn try_from(stored: Stored) -> Result<Self, DepletionError> {
        let Stored { version, full, rate, kinds, unit_days, habits } = stored;
        let prior = Prior { version, full, rate, kinds, unit_days, habits };
        prior.check()?;
        Ok(prior)
    }
}

impl Prior {
    /// Whether its numbers can be reckoned with; what is read from a store is looked over by itself.
    pub fn check(&self) -> Result<(), DepletionError> {
        if self.version != PRIOR_VERSION {
            return Err(DepletionError::Version(self.version));
        }
        let positive = |what, value: f64| match value {
            _ if (1e-12..=1e12).contains(&value) => Ok(()),
            _ => Err(DepletionError::Prior { what, value }),
        };
        let share = |value: f64| match value {
            _ if (0.0..=1.0).contains(&value) => Ok(value),
            _ => Err(DepletionError::Prior { what: "share of a kind", value }),
        };
        let adds_up = |value: f64| match value {
            _ if (value - 1.0).abs() < 1e-6 => Ok(()),
            _ => Err(DepletionError::Prior { what: "sum of the shares", value }),
        };
        positive("level of a full one", self.full)?;
        for (what, given) in [("rate", self.rate), ("days of a unit", self.unit_days)] {
            positive(what, given.typical)?;
            limited(given.shape, 0.01, 1e4).ok_or(DepletionError::Prior { what, value: given.shape })?;
        }
        let mut sum = 0.0;
        for kind in &self.kinds {
            positive("burst", kind.burst)?;
            positive("noise", kind.noise)?;
            positive("drift", kind.drift)?;
            sum += share(kind.share)?;
        }
        adds_up(sum)?;
        let mut sum = 0.0;
        for habit in &self.habits {
            positive("shape of a habit", habit.shape)?;
            positive("drift of a habit", habit.drift)?;
            sum += share(habit.share)?;
        }
        adds_up(sum)
    }
}
