//! What will be asked for: forecasts from a history of one number per period.
//!
//! A [`Method`] with its parameters gives point forecasts ([`Method::forecast`]), a distribution for each period
//! ([`Method::steps`]) and one for the sum over several ([`Method::total`], what stock and campaigns are planned with).
//! [`fit`] finds a family's parameters by the errors one step ahead, [`choose`] finds the method by the errors that it
//! would have made, and [`choose_by_class`] by the kind of demand. [`measures`] tells how good forecasts were.
//!
//! A history is in the order of time, without gaps (a period without demand is a 0), never negative. Forecasts are in
//! the same units, never negative, and scale with the history.

mod choose;
mod class;
mod fit;
pub mod measures;
mod method;
mod predict;

pub use choose::{Choice, choose, choose_by_class};
pub use class::{Class, Pattern};
pub use fit::{Family, fit, fit_together};
pub use method::Method;

use crate::distribution::DistributionError;
use crate::quantiles::QuantilesError;

/// Why there is no forecast.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum DemandError {
    #[error("the history is empty")]
    Empty,
    #[error("period {period} of the history is {value}; demand is a finite number that is not negative")]
    NotADemand { period: usize, value: f64 },
    #[error("period {period} of the history is {value:e}, more than {most:e}; count in larger units")]
    TooLarge { period: usize, value: f64, most: f64 },
    #[error("the history has {got} periods, and {needed} are needed for this")]
    TooShort { needed: usize, got: usize },
    #[error("the horizon is {0}; it must be between 1 and {most} periods", most = LONGEST)]
    Horizon(usize),
    #[error("the parameter {name} is {value}; it must be above 0 and at most 1")]
    Parameter { name: &'static str, value: f64 },
    #[error("the {what} is {value}; it must be at least {least}")]
    Count { what: &'static str, value: usize, least: usize },
    #[error("there are {forecasts} forecasts for {actuals} actual values")]
    Lengths { actuals: usize, forecasts: usize },
    #[error("value {index} is {value}; it must be a finite number")]
    NotFinite { index: usize, value: f64 },
    #[error("the probability is {0}; it must lie between 0 and 1, both excluded")]
    Probability(f64),
    #[error("nothing was asked for, so an error has nothing to be a share of")]
    NoDemand,
    #[error("the history never changes, so an error has nothing to be measured against")]
    NoChange,
    #[error("the numbers are too large to be measured; count in larger units")]
    Overflow,
    #[error(transparent)]
    Distribution(#[from] DistributionError),
    #[error(transparent)]
    Quantiles(#[from] QuantilesError),
}

/// The most that a period may have: squares and sums of it stay far inside the range of numbers.
const MOST: f64 = 1e100;
/// The longest horizon.
const LONGEST: usize = 1000;

/// That `history` is one.
fn checked(history: &[f64]) -> Result<(), DemandError> {
    if history.is_empty() {
        return Err(DemandError::Empty);
    }
    for (period, &value) in history.iter().enumerate() {
        if !(value.is_finite() && value >= 0.0) {
            return Err(DemandError::NotADemand { period, value });
        }
        if value > MOST {
            return Err(DemandError::TooLarge { period, value, most: MOST });
        }
    }
    Ok(())
}

fn horizon(periods: usize) -> Result<usize, DemandError> {
    if (1..=LONGEST).contains(&periods) { Ok(periods) } else { Err(DemandError::Horizon(periods)) }
}
