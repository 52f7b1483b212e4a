//! What was decided for a customer and why, told to the company and to the customer, and made again from its record:
//! `inyeon decision`.

mod tell;

use std::collections::BTreeMap;

use clap::{Args, Subcommand};
use engine::connection::{Choice, Offered, Seen, choose};
use engine::playbook::Playbooks;
use model::EntityId;
use model::connection::DecisionRecord;
use runtime::{FoldError, Node};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use views::DecisionRow;

pub(crate) use self::tell::amount;
pub use self::tell::with_texts;

use crate::error::{Failure, Kind};
use crate::i18n::Messages;
use crate::identity;

#[derive(Args)]
pub struct DecisionArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    Explain {
        id: String,
        #[arg(long)]
        for_customer: bool,
    },
    List {
        #[arg(long, value_name = "USER")]
        customer: Option<String>,
        #[arg(long, default_value_t = 50)]
        limit: usize,
    },
    Recompute {
        #[arg(long, value_name = "USER", conflicts_with = "all")]
        customer: Option<String>,
        #[arg(long)]
        all: bool,
    },
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "decision", rename_all = "snake_case", deny_unknown_fields)]
pub enum DecisionOp {
    Explain {
        id: String,
        for_customer: bool,
    },
    List {
        customer: Option<String>,
        limit: usize,
    },
    /// Makes decisions again from their records: one customer's, or those of as many as were seen last; all where
    /// neither is named.
    Recompute {
        customer: Option<String>,
        latest: Option<usize>,
    },
}

/// Customers whose decisions are made again where not all are asked for.
const LATEST: usize = 1_000;
/// More than any store has.
const ALL: usize = u32::MAX as usize;

impl DecisionArgs {
    /// What is asked, and how the answer is shown.
    pub fn asked(self) -> (DecisionOp, fn(&Value, &Messages) -> String) {
        match self.what {
            What::Explain { id, for_customer: true } => {
                (DecisionOp::Explain { id, for_customer: true }, tell::for_customer)
            }
            What::Explain { id, for_customer: false } => {
                (DecisionOp::Explain { id, for_customer: false }, tell::for_company)
            }
            What::List { customer, limit } => (DecisionOp::List { customer, limit }, tell::list),
            What::Recompute { customer, all } => {
                let latest = (!all && customer.is_none()).then_some(LATEST);
                (DecisionOp::Recompute { customer, latest }, tell::recomputed)
            }
        }
    }
}

pub fn run(node: &Node, op: DecisionOp) -> Result<Value, Failure> {
    match op {
        DecisionOp::Explain { id, for_customer } => explain(node, id, for_customer),
        DecisionOp::List { customer, limit } => list(node, customer, limit),
        DecisionOp::Recompute { customer, latest } => recompute(node, customer, latest),
    }
}

/// Whose decision, need or automatic order it is: their names carry it, as in `d-cus-0-981-3`.
pub fn owner_of(id: &str) -> Option<EntityId> {
    let (before, number) = id.rsplit_once('-')?;
    number.parse::<u64>().ok()?;
    let (_, entity) = before.rsplit_once("-cus-").or_else(|| before.rsplit_once("cus-"))?;
    format!("cus-{entity}").parse().ok()
}

fn unknown(id: &str) -> Failure {
    Failure::new(Kind::NotFound, "no-such-decision").with("id", id)
}

/// A decision by its name: the latest are the customer's own, all are in the views.
pub(crate) fn record_of(node: &Node, id: &str) -> Result<Option<(EntityId, DecisionRecord)>, Failure> {
    let Some(owner) = owner_of(id) else { return Ok(None) };
    let wanted = id.to_owned();
    let latest = node.ask(move |fold| -> Result<_, FoldError> {
        let customer = fold.entity(owner)?.customer();
        Ok(customer.and_then(|known| known.connection.decisions.get(&wanted)).cloned())
    })??;
    match latest {
        Some(record) => Ok(Some((owner, record))),
        None => Ok(node.reader()?.decision(owner, id)?.map(DecisionRow::into_record)),
    }
}

fn explain(node: &Node, id: String, for_customer: bool) -> Result<Value, Failure> {
    let (owner, record) = record_of(node, &id)?.ok_or_else(|| unknown(&id))?;
    let playbooks = node.ask(|fold| fold.reference().playbooks.clone())?;
    let mut told = told(&record, for_customer).ok_or_else(|| unreadable(&id))?;
    told["customer"] = json!(owner.to_string());
    let playbook = playbooks.get(&record.playbook, record.version);
    told["title"] = json!(playbook.map(|playbook| json!(playbook.title)));
    if !for_customer {
        told["recomputed"] =
            json!(again(&record, &playbooks).map(|same| if same { "same" } else { "other" }));
    }
    Ok(told)
}

fn unreadable(id: &str) -> Failure {
    Failure::new(Kind::Failed, "decision-unreadable").with("id", id)
}

fn read(record: &DecisionRecord) -> Option<(Seen, Choice)> {
    Some((serde_json::from_str(&record.seen).ok()?, serde_json::from_str(&record.choice).ok()?))
}

/// A record as it is told: what was seen, what was possible and why not, what was chosen and why. To the customer,
/// what it is worth to us is not.
pub fn told(record: &DecisionRecord, for_customer: bool) -> Option<Value> {
    let (seen, choice) = read(record)?;
    let offers: Vec<Value> = choice
        .ranked
        .iter()
        .map(|(index, relevance)| offered(&seen, *index, Some(*relevance), for_customer))
        .collect();
    let passed_over: Vec<Value> = (0..seen.offers.len())
        .filter(|index| !choice.ranked.iter().any(|(ranked, _)| ranked == index))
        .map(|index| offered(&seen, index, None, for_customer))
        .collect();
    let candidates: Vec<Value> = choice
        .candidates
        .iter()
        .map(|candidate| {
            let refused: Vec<Value> =
                candidate.refused.iter().map(|refused| json!({ "code": refused.code() })).collect();
            let mut told = json!({ "does": candidate.does, "refused": refused });
            if !for_customer {
                told["value"] = json!(candidate.value);
                told["propensity"] = json!(candidate.propensity);
            }
            told
        })
        .collect();
    let reasons: Vec<Value> = choice
        .chosen
        .reasons
        .iter()
        .map(|reason| json!({ "code": reason.code(), "ours": reason.is_ours() }))
        .collect();
    let followed = &seen.followed;
    let mut told = json!({
        "decision_id": record.decision_id,
        "need_id": record.need_id,
        "at": record.at.to_string(),
        "playbook": record.playbook,
        "version": record.version,
        "occasion": seen.occasion,
        "origin": seen.origin,
        "rule": seen.rule,
        "subject": seen.subject,
        "device_model": seen.device_model,
        "strategy": {
            "chosen": followed.chosen, "followed": followed.strategy,
            "missing": followed.missing.map(|missing| json!({ "code": missing.code() })),
        },
        "share": seen.share,
        "used": seen.used,
        "empty_in_days": seen.empty_in.map(|empty| json!({ "p10": empty.p10, "p50": empty.p50, "p90": empty.p90 })),
        "offers": offers,
        "passed_over": passed_over,
        "candidates": candidates,
        "chosen": { "does": choice.chosen.does, "reasons": reasons },
    });
    if !for_customer {
        told["chosen"]["propensity"] = json!(choice.chosen.propensity);
        told["confidence"] = json!(seen.confidence);
        told["seen"] = json!(seen);
    }
    Some(told)
}

fn offered(seen: &Seen, index: usize, relevance: Option<f64>, for_customer: bool) -> Value {
    let Offered { item_id, name, quantity, fits, bought, due_at, probability, price, .. } =
        &seen.offers[index];
    let mut told = json!({
        "item_id": item_id, "name": name, "quantity": quantity, "fits": fits, "bought": bought,
        "due": due_at.map(|at| at.to_string()), "probability": probability, "price": price,
    });
    if !for_customer {
        let offer = &seen.offers[index];
        told["relevance"] = json!(relevance);
        told["margin"] = json!(offer.margin);
        told["place"] = json!(offer.place);
        told["binding"] = json!(offer.binding);
    }
    told
}

/// Whether a decision comes out the same from its record; none where its playbook is not known any more, or the record
/// cannot be read.
pub(crate) fn again(record: &DecisionRecord, playbooks: &Playbooks) -> Option<bool> {
    let (seen, choice) = read(record)?;
    let playbook = playbooks.get(&record.playbook, record.version)?;
    Some(choose(&seen, playbook) == choice)
}

/// Customers whose decisions are looked at in one go: others may want something of the fold.
const AT_ONCE: usize = 200;

/// One customer, or as many as were seen last.
fn customers(node: &Node, customer: Option<String>, latest: Option<usize>) -> Result<Vec<EntityId>, Failure> {
    node.drain()?;
    let Some(text) = customer else {
        let rows = node.reader()?.profiles(None, latest.unwrap_or(ALL))?;
        return Ok(rows.into_iter().map(|row| row.entity).collect());
    };
    let wanted = text.clone();
    let found = node.ask(move |fold| identity::find(fold, &wanted))??;
    let found = found.ok_or_else(|| Failure::new(Kind::NotFound, "no-such-profile").with("id", &text))?;
    Ok(vec![found])
}

/// Every decision about a person, by name: from the views, and the latest from the person's own state, which the views
/// follow.
pub(crate) fn decisions_of(
    node: &Node,
    members: &[EntityId],
    latest: &BTreeMap<String, DecisionRecord>,
) -> Result<BTreeMap<String, DecisionRecord>, Failure> {
    let reader = node.reader()?;
    let mut all = latest.clone();
    for id in members {
        let rows = reader.decisions(Some(*id), ALL)?.into_iter().map(|row| row.into_record().1);
        all.extend(rows.map(|record| (record.decision_id.clone(), record)));
    }
    Ok(all)
}

/// Hands every decision about customers to `each`, some customers at a time.
fn each_decision(
    node: &Node,
    customers: &[EntityId],
    mut each: impl FnMut(EntityId, DecisionRecord),
) -> Result<(), Failure> {
    let reader = node.reader()?;
    for some in customers.chunks(AT_ONCE) {
        let some = some.to_vec();
        // What was decided for a profile stays there when it is merged into another.
        let members = node.ask(move |fold| -> Result<Vec<EntityId>, FoldError> {
            let members: Result<Vec<_>, _> = some.into_iter().map(|head| fold.person(head)).collect();
            Ok(members?.into_iter().flatten().collect())
        })??;
        for id in members {
            for row in reader.decisions(Some(id), ALL)? {
                let (owner, record) = row.into_record();
                each(owner, record);
            }
        }
    }
    Ok(())
}

fn list(node: &Node, customer: Option<String>, limit: usize) -> Result<Value, Failure> {
    let latest = customer.is_none().then_some(LATEST);
    let customers = customers(node, customer, latest)?;
    let mut rows = Vec::new();
    each_decision(node, &customers, |customer, record| {
        let Some((seen, choice)) = read(&record) else { return };
        rows.push((
            record.at,
            json!({
                "decision_id": record.decision_id, "at": record.at.to_string(), "customer": customer.to_string(),
                "need_id": record.need_id, "playbook": record.playbook, "version": record.version,
                "occasion": seen.occasion, "strategy": seen.followed.strategy,
                "does": choice.chosen.does, "propensity": choice.chosen.propensity,
            }),
        ));
    })?;
    rows.sort_by(|(one, row), (other, other_row)| {
        other.cmp(one).then_with(|| row["decision_id"].as_str().cmp(&other_row["decision_id"].as_str()))
    });
    Ok(rows.into_iter().take(limit).map(|(_, row)| row).collect())
}

fn recompute(node: &Node, customer: Option<String>, latest: Option<usize>) -> Result<Value, Failure> {
    let customers = customers(node, customer, latest)?;
    let playbooks = node.ask(|fold| fold.reference().playbooks.clone())?;
    let (mut all, mut same) = (0_u64, 0_u64);
    let (mut other, mut unknown) = (Vec::new(), Vec::new());
    each_decision(node, &customers, |_, record| {
        all += 1;
        match again(&record, &playbooks) {
            Some(true) => same += 1,
            Some(false) => other.push(record.decision_id),
            None => unknown.push(record.decision_id),
        }
    })?;
    Ok(json!({
        "decisions": all, "same": same, "other": other, "unreadable": unknown, "customers": customers.len(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_carry_their_owners() {
        let owner = "cus-0-981".parse::<EntityId>().ok();
        assert_eq!(owner_of("d-cus-0-981-3"), owner);
        assert_eq!(owner_of("n-cus-0-981-12"), owner);
        assert_eq!(owner_of("home-cus-toner.2.n-cus-0-981-12"), owner);
        for wrong in ["", "d-3", "d-cus-0-981", "d-cus-0-981-x", "d-workspace-3", "cus--", "n-cus-a-b-1"] {
            assert_eq!(owner_of(wrong), None, "{wrong}");
        }
    }
}
