//! `inyeon campaign`: check, list, calendar, release.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::Value;

use super::{Brief, CampaignOp, show};
use crate::access::Access;
use crate::cli::{Global, print, read_text};
use crate::error::{Failure, Kind};
use crate::i18n::Messages;
use crate::ops::Op;
use crate::render;

#[derive(Args)]
pub struct CampaignArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    Check {
        brief: PathBuf,
        #[arg(long)]
        plan: bool,
        #[arg(long)]
        reserve: bool,
    },
    List,
    Calendar {
        #[arg(long, default_value_t = 4)]
        weeks: u32,
    },
    Release {
        id: String,
    },
}

/// Runs one of the commands and prints what it says. A campaign that cannot be carried is told by the exit code too.
pub fn run(global: &Global, args: CampaignArgs, messages: &Messages) -> Result<ExitCode, Failure> {
    let ask =
        |op: CampaignOp| Access::open(&global.store, false, render::replay_progress)?.run(Op::Campaign(op));
    let say = |value: &Value, render: fn(&Value, &Messages) -> String| {
        print(&match global.json {
            true => serde_json::to_string_pretty(value).expect("a value serialises"),
            false => render(value, messages),
        });
    };
    match args.what {
        What::Check { brief, plan, reserve } => {
            let read = Brief::parse(&read_text(&brief)?, &brief.display().to_string())?;
            let answer = ask(CampaignOp::Check { brief: read.to_json(), plan, reserve })?;
            say(&answer, show::checked);
            if !matches!(answer["verdict"].as_str(), Some("feasible" | "at_risk")) {
                return Ok(ExitCode::from(Kind::Conflict.exit_code()));
            }
        }
        What::List => say(&ask(CampaignOp::List)?, show::list),
        What::Calendar { weeks } => say(&ask(CampaignOp::Calendar { weeks })?, show::calendar),
        What::Release { id } => say(&ask(CampaignOp::Release { id })?, show::released),
    }
    Ok(ExitCode::SUCCESS)
}
