//! A campaign in the calendar, and what is set aside for it: all of it or nothing.

use model::{
    CampaignPlan, CampaignReservation, Command, EntityId, Outcome, Reservation, SupplyCommand, Time,
};
use runtime::{Fold, FoldError, Node};
use serde_json::{Value, json};

use super::unknown;
use crate::error::{Failure, Kind};

/// Keeps a campaign. With `reserve`, what it lists is set aside in the same commit; where one part is refused, the
/// others are let go and what was set aside before stands. The same brief a second time changes nothing.
pub(super) fn keep(node: &Node, plan: CampaignPlan, reserve: bool) -> Result<Value, Failure> {
    let kept = node.act_and_wait(move |fold, now| keep_in(fold, plan, reserve, now))?;
    node.drain()?;
    let (plan, is_new) = kept.map_err(|(of, reason)| {
        Failure::new(Kind::Conflict, "campaign-not-reserved").with("of", of).with("reason", reason)
    })?;
    let reserved = plan.reserved.iter().map(|part| {
        json!({
            "of": part.name.to_string(), "reservation": part.reservation, "quantity": part.quantity,
            "from": part.from.to_string(), "until": part.until.to_string(),
        })
    });
    Ok(json!({ "is_new": is_new, "reserved": reserved.collect::<Vec<_>>() }))
}

/// What is kept now and whether that is news, or what could not be set aside, with the reason.
type Kept = Result<(CampaignPlan, bool), (String, String)>;

fn keep_in(fold: &mut Fold, mut plan: CampaignPlan, reserve: bool, now: Time) -> Result<Kept, FoldError> {
    let known = fold.entity(EntityId::workspace())?.workspace().and_then(|w| w.campaigns.get(&plan.campaign));
    let known = known.filter(|known| known.ended_at.is_none()).map(|known| known.plan.clone());
    let before = known.as_ref().map(|known| known.reserved.clone()).unwrap_or_default();
    let same_brief = known.as_ref().is_some_and(|known| known.brief == plan.brief);
    if reserve && (before.is_empty() || !same_brief) {
        end_all(fold, &before, now)?;
        for (n, part) in plan.reserved.iter().enumerate() {
            if let Some(reason) = set_aside(fold, part, &plan.class, now)? {
                end_all(fold, &plan.reserved[..n], now)?;
                let class = known.as_ref().map_or(plan.class.clone(), |known| known.class.clone());
                for part in &before {
                    set_aside(fold, part, &class, now)?;
                }
                return Ok(Err((part.name.to_string(), reason)));
            }
        }
    } else {
        plan.reserved = before;
    }
    let is_new = known.as_ref().is_none_or(|known| {
        (&known.brief, &known.loads, &known.reserved, word(&known.verdict))
            != (&plan.brief, &plan.loads, &plan.reserved, word(&plan.verdict))
    });
    if is_new {
        fold.command(EntityId::workspace(), &Command::PlanCampaign(Box::new(plan.clone())), now)?;
    }
    Ok(Ok((plan, is_new)))
}

/// The verdict in one word.
fn word(verdict: &str) -> Value {
    serde_json::from_str::<Value>(verdict).unwrap_or_default()["verdict"].take()
}

/// Why it cannot be set aside, where it cannot.
fn set_aside(
    fold: &mut Fold,
    part: &CampaignReservation,
    class: &str,
    now: Time,
) -> Result<Option<String>, FoldError> {
    let reservation = Reservation {
        id: part.reservation.clone(),
        class: class.to_owned(),
        quantity: part.quantity,
        from: part.from,
        until: part.until,
    };
    let outcomes = fold.command(part.of, &Command::Supply(SupplyCommand::Reserve(reservation)), now)?;
    Ok(outcomes.into_iter().find_map(|outcome| match outcome {
        Outcome::Ignored { reason } => Some(reason),
        _ => None,
    }))
}

fn end_all(fold: &mut Fold, parts: &[CampaignReservation], now: Time) -> Result<(), FoldError> {
    for part in parts {
        let reservation = part.reservation.clone();
        fold.command(part.of, &Command::Supply(SupplyCommand::EndReservation { reservation }), now)?;
    }
    Ok(())
}

pub(super) fn release(node: &Node, id: &str) -> Result<Value, Failure> {
    let wanted = id.to_owned();
    let released = node.act_and_wait(move |fold, now| {
        let known = fold.entity(EntityId::workspace())?.workspace().and_then(|w| w.campaigns.get(&wanted));
        let Some(known) = known.filter(|known| known.ended_at.is_none()) else { return Ok(None) };
        let reserved = known.plan.reserved.clone();
        end_all(fold, &reserved, now)?;
        fold.command(EntityId::workspace(), &Command::EndCampaign { campaign: wanted }, now)?;
        Ok(Some(reserved.len()))
    })?;
    node.drain()?;
    let released = released.ok_or_else(|| unknown(id))?;
    Ok(json!({ "campaign": id, "released": released }))
}
