//! Delivery times learnt from the orders that the store holds, and what promises by them would have been worth:
//! `inyeon promise learn` and `inyeon promise backtest`.

mod backtest;
mod history;
mod lanes;

use crate::error::{Failure, Kind};
use ::learn::delivery::DeliveryError;

pub use backtest::{BacktestArgs, run as backtest, shown as backtested};
pub(crate) use lanes::publish;
pub use lanes::{LearnArgs, learn_lanes, run as learn, shown as learnt};

/// What the learner refuses, with the remedy that a store's owner has.
fn failed(error: &DeliveryError) -> Failure {
    match error {
        DeliveryError::NothingDelivered => Failure::new(Kind::NotFound, "nothing-delivered"),
        DeliveryError::NothingToScore => Failure::new(Kind::NotFound, "nothing-to-score"),
        _ => Failure::other(error),
    }
}
