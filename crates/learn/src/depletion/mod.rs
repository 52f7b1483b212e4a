//! When something that a customer uses up runs empty.

mod fit;
mod forecast;
mod level;
mod prior;
mod purchases;
mod special;
mod view;

pub use fit::History;
pub use forecast::Forecast;
pub use level::{Level, Seen};
pub use prior::{Habit, Kind, PRIOR_VERSION, Pace, Prior};
pub use purchases::Purchases;

/// Days further than this from the origin are taken for a mistake.
const FURTHEST: f64 = 1e9;

#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum DepletionError {
    #[error("the {what} is {value}; it must be a finite number")]
    NotFinite { what: &'static str, value: f64 },
    #[error("{level} is no level where a full one is {full}")]
    NotALevel { level: f64, full: f64 },
    #[error("{0} units are no purchase")]
    NoUnits(f64),
    #[error("no history has more than two readings or more than one purchase: nothing can be learnt")]
    NothingToLearn,
    #[error("nothing was seen of it yet")]
    NothingSeen,
    #[error("the day of the forecast lies before the last that was seen")]
    Before,
    #[error("a prior of version {0}; {PRIOR_VERSION} is understood")]
    Version(u32),
    #[error("the prior's {what} is {value}, with which nothing can be reckoned")]
    Prior { what: &'static str, value: f64 },
    #[error("the forecast has no representable quantiles")]
    NotRepresentable,
}

fn limited(value: f64, low: f64, high: f64) -> Option<f64> {
    (value >= low && value <= high).then_some(value)
}

fn checked(what: &'static str, value: f64) -> Result<f64, DepletionError> {
    limited(value, -FURTHEST, FURTHEST).ok_or(DepletionError::NotFinite { what, value })
}
