//! `inyeon promise`: what can be promised, learnt from the orders that the store holds.

mod backtest;
mod history;
mod lanes;

use ::learn::delivery::DeliveryError;
use clap::{Args, Subcommand};
use serde_json::Value;

use crate::access::Access;
use crate::cli::{Global, print};
use crate::error::{Failure, Kind};
use crate::i18n::Messages;
use crate::render;

pub use backtest::BacktestArgs;
pub(crate) use lanes::publish;
pub use lanes::{LearnArgs, learn_lanes};

#[derive(Args)]
pub struct PromiseArgs {
    #[command(subcommand)]
    what: PromiseWhat,
}

#[derive(Subcommand)]
enum PromiseWhat {
    Backtest(BacktestArgs),
    Learn(LearnArgs),
}

/// Runs one of the commands and prints what it says.
pub fn run(global: &Global, args: PromiseArgs, messages: &Messages) -> Result<(), Failure> {
    let access = Access::open(&global.store, false, render::replay_progress)?;
    let show = |value: &Value, render: fn(&Value, &Messages) -> String| {
        print(&if global.json {
            serde_json::to_string_pretty(value).expect("a value serialises")
        } else {
            render(value, messages)
        });
    };
    let quiet = global.quiet || global.json;
    match args.what {
        PromiseWhat::Backtest(args) => {
            show(&backtest::run(&access, &args, quiet, messages)?, backtest::shown);
        }
        PromiseWhat::Learn(args) => show(&lanes::run(&access, &args, quiet, messages)?, lanes::shown),
    }
    Ok(())
}

/// What the learner refuses, with the remedy that a store's owner has.
fn failed(error: &DeliveryError) -> Failure {
    match error {
        DeliveryError::NothingDelivered => Failure::new(Kind::NotFound, "nothing-delivered"),
        DeliveryError::NothingToScore => Failure::new(Kind::NotFound, "nothing-to-score"),
        _ => Failure::other(error),
    }
}
