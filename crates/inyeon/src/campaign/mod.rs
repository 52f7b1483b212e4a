//! Campaigns against what operations can carry: `inyeon campaign`.

mod brief;
mod calendar;
mod check;
mod command;
mod history;
mod keep;
mod show;
#[cfg(test)]
mod tests;

use engine::PlannedCampaign;
use model::{EntityId, Time};
use runtime::{FoldError, Node};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

pub use self::brief::Brief;
pub(crate) use self::calendar::stocks_of;
pub use self::command::{CampaignArgs, run as run_command};
use crate::error::{Failure, Kind};

/// What is asked of a store.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "campaign", rename_all = "snake_case")]
pub enum CampaignOp {
    /// Holds a brief, in its JSON form, against supply.
    Check {
        brief: String,
        /// Keep it in the calendar.
        plan: bool,
        /// The same, and set aside what it needs.
        reserve: bool,
    },
    List,
    Calendar {
        weeks: u32,
    },
    /// Let go of what is set aside for a campaign, and take it out of the calendar.
    Release {
        id: String,
    },
}

pub fn run(node: &Node, op: CampaignOp) -> Result<Value, Failure> {
    match op {
        CampaignOp::Check { brief, plan, reserve } => check::check(node, &brief, plan, reserve),
        CampaignOp::List => list(node),
        CampaignOp::Calendar { weeks } => calendar::show(node, weeks),
        CampaignOp::Release { id } => keep::release(node, &id),
    }
}

/// The campaigns that were planned, those that ended too.
pub(crate) fn planned(node: &Node) -> Result<Vec<PlannedCampaign>, Failure> {
    let campaigns = node.ask(|fold| -> Result<_, FoldError> {
        let workspace = fold.entity(EntityId::workspace())?.workspace();
        Ok(workspace.map(|workspace| workspace.campaigns.clone()).unwrap_or_default())
    })??;
    Ok(campaigns.into_values().collect())
}

/// Those that are not over.
pub(crate) fn active(node: &Node, now: Time) -> Result<Vec<PlannedCampaign>, Failure> {
    let mut campaigns = planned(node)?;
    campaigns.retain(|campaign| campaign.ended_at.is_none() && campaign.plan.until > now);
    Ok(campaigns)
}

fn list(node: &Node) -> Result<Value, Failure> {
    let now = node.clock.now();
    let row = |campaign: &PlannedCampaign| {
        let verdict: Value = serde_json::from_str(&campaign.plan.verdict).unwrap_or_default();
        json!({
            "campaign": campaign.plan.campaign,
            "class": campaign.plan.class,
            "from": verdict["from"],
            "until": verdict["until"],
            "audience": verdict["audience"],
            "verdict": verdict["verdict"],
            "state": state(campaign, now),
            "reservations": campaign.plan.reserved.len(),
            "planned_at": campaign.at.to_string(),
            "ended_at": campaign.ended_at.map(|at| at.to_string()),
        })
    };
    Ok(planned(node)?.iter().map(row).collect())
}

fn state(campaign: &PlannedCampaign, now: Time) -> &'static str {
    match campaign {
        PlannedCampaign { ended_at: Some(_), .. } => "ended",
        PlannedCampaign { plan, .. } if plan.until <= now => "over",
        PlannedCampaign { plan, .. } if !plan.reserved.is_empty() => "reserved",
        _ => "planned",
    }
}

fn unknown(id: &str) -> Failure {
    Failure::new(Kind::NotFound, "no-such-campaign").with("id", id)
}
