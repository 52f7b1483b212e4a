//! When something that a customer uses up runs empty: from the levels that a device tells ([`Level`]), or where there
//! is no device from what was bought ([`Purchases`]), each under what is known of the population ([`Prior`]).
//!
//! Use is a gamma process (van Noortwijk, A survey of the application of gamma processes in maintenance, 2009): in t
//! days rate · t is used on average, with the variance rate² · burst · t, and never less than nothing. A rate is known
//! as a gamma variable's reciprocal, which is conjugate to it: that the level is used up within t then has a closed
//! form, an incomplete beta function, in which the rate's uncertainty is integrated. Readings are noisy, rounded, late
//! and missing; between them a filter in the manner of Kalman's keeps level and rate, and rates wander. How bursty use
//! is, how noisy the readings are and how fast the rate wanders is not known either: a fixed number of kinds is
//! followed side by side, each as probable as the population's share of it and the readings make it (Magill 1965).
//! The shares, and how rates are distributed, are learnt from many histories by empirical Bayes ([`Prior::fit`]).
//!
//! A state takes constant time and memory for each event, holds no clock and compares equal after it was stored. Days
//! are counted from any origin.
//!
//! What it claims: over customers like those that the prior was learnt from, as many of its intervals cover as they
//! say. Of one kind of customer among many others it covers a little less where use is bursty, a little more where it
//! is calm, as long as their histories are short. Where all of the year's use falls into one season, where rates
//! change by more than a factor of two within one filling, or where the device tells steps that are no multiples of
//! one (a third as 0.33), it claims nothing.

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

/// Days further than this from the origin, and levels further than this from 0, are taken for a mistake.
const FURTHEST: f64 = 1e12;

#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum DepletionError {
    #[error("the {what} is {value}; it must be a finite number, of not more than twelve digits")]
    NotFinite { what: &'static str, value: f64 },
    #[error("{level} is no level where a full one is {full}")]
    NotALevel { level: f64, full: f64 },
    #[error("{0} units are no purchase; there must be more than none, and not more than 10⁹")]
    NoUnits(f64),
    #[error("no history has more than two readings or more than one purchase: nothing can be learnt")]
    NothingToLearn,
    #[error("nothing is known of it yet: there was no reading, no exchange and no purchase")]
    NothingSeen,
    #[error("the day of the forecast lies before the last event that was counted")]
    Before,
    #[error("a prior of version {0}; {PRIOR_VERSION} is understood")]
    Version(u32),
    #[error("the prior's {what} is {value}, with which nothing can be reckoned")]
    Prior { what: &'static str, value: f64 },
}

fn limited(value: f64, low: f64, high: f64) -> Option<f64> {
    (value >= low && value <= high).then_some(value)
}

fn checked(what: &'static str, value: f64) -> Result<f64, DepletionError> {
    limited(value, -FURTHEST, FURTHEST).ok_or(DepletionError::NotFinite { what, value })
}
