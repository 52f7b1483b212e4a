//! `inyeon playbook run`: years lived through once for each way of serving, with the same luck, and what became of them.
//!
//! A scenario adds data and a world, and no branch to the engine: its playbooks are those that are shipped, for what its
//! world sells. A synthetic run proves that the mechanism works, not that a market would react; every bar is repeated
//! with half and double the noise, the delay and the non-response, and it is said where it fails.

mod cases;
mod company;
mod figures;
mod log;
mod rules;
mod scenario;
mod table;

use self::cases::Case;
pub use self::cases::CaseId;
use self::scenario::{Reached, Report};
use crate::bar::Bar;
use crate::cli::{Global, print};
use crate::error::Failure;
use crate::i18n::Messages;

#[derive(clap::Args)]
pub struct RunArgs {
    case: CaseId,
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1000))]
    seeds: u32,
    /// As the scenario says, where nothing is.
    #[arg(long, value_parser = clap::value_parser!(u32).range(28..=1500))]
    days: Option<u32>,
    /// The world as it is assumed, and no other.
    #[arg(long)]
    plain: bool,
}

pub fn run(global: &Global, args: &RunArgs, messages: &Messages) -> Result<(), Failure> {
    let case = Case::of(args.case);
    let days = args.days.unwrap_or(case.days);
    let quiet = global.quiet || global.json;
    let report = Report::run(case, args.seeds, days, !args.plain, |years| {
        Bar::new(years, quiet, messages.get("run-living"))
    })?;
    if global.json {
        print(&serde_json::to_string_pretty(&report.json()).expect("a value serialises"));
    } else {
        print(&table::render(&report, messages));
    }
    Ok(())
}

/// A scenario's figures, as `arm.figure`, and the bars that were not reached, with so many times fewer customers.
pub fn lived(case: CaseId, seeds: u32, days: u32, fewer: u32) -> Result<Lived, Failure> {
    let silent = |years| Bar::new(years, true, String::new());
    let report = Report::run(Case::of(case).smaller(fewer), seeds, days, false, silent)?;
    let run = report.plain();
    let missed = |bar: &&cases::Bar| matches!(run.reached(bar), Reached::No);
    let missed = report.case.bars.iter().filter(missed);
    Ok(Lived {
        figures: run.estimates.iter().map(|(name, estimate)| (name.clone(), estimate.mean)).collect(),
        missed: missed.map(|bar| format!("{}.{}", bar.arm, bar.figure)).collect(),
        violations: run.violations.clone(),
        json: report.json(),
    })
}

/// What a scenario came to.
pub struct Lived {
    pub figures: std::collections::BTreeMap<String, f64>,
    pub missed: Vec<String>,
    pub violations: Vec<String>,
    pub json: serde_json::Value,
}
