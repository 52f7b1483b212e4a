//! Promises at risk, as work to be done: `inyeon promise at-risk`, `remedy` and `report`.

use std::collections::BTreeMap;
use std::fmt::Write;

use clap::Subcommand;
use engine::promising::{Proposal, RemedyRules};
use model::{Money, RemedyKind, Time};
use runtime::{FoldError, Node, NotRemedied, Remedied};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use views::RiskRow;

use crate::error::{Failure, Kind};
use crate::i18n::Messages;
use crate::render::{array, heads, or_dash, plain, table};

#[derive(Subcommand)]
pub enum RiskCommand {
    AtRisk {
        #[arg(long)]
        owner: Option<String>,
        #[arg(long)]
        cause: Option<String>,
        #[arg(long, default_value_t = 20)]
        limit: usize,
    },
    Remedy {
        promise_id: String,
        #[arg(long, value_name = "KIND")]
        apply: Option<String>,
    },
    Report,
}

/// What is asked of a store.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "promise", rename_all = "snake_case")]
pub enum RiskOp {
    AtRisk {
        owner: Option<String>,
        cause: Option<String>,
        limit: usize,
    },
    /// What can be done for one promise.
    Remedies {
        promise_id: String,
    },
    Remedy {
        promise_id: String,
        kind: RemedyKind,
    },
    RemedyReport,
}

/// An operation, and how its answer is shown to people.
pub type Asked = (RiskOp, fn(&Value, &Messages) -> String);

impl RiskCommand {
    pub fn asked(self) -> Result<Asked, Failure> {
        let unknown = |what: &str, value: &str| {
            Failure::new(Kind::Usage, "unknown-value").with("what", what).with("value", value)
        };
        Ok(match self {
            RiskCommand::AtRisk { owner, cause, limit } => {
                if let Some(cause) = cause.as_deref().filter(|c| !model::RiskReason::NAMES.contains(c)) {
                    return Err(unknown("--cause", cause));
                }
                (RiskOp::AtRisk { owner, cause, limit }, listed)
            }
            RiskCommand::Remedy { promise_id, apply: None } => (RiskOp::Remedies { promise_id }, proposed),
            RiskCommand::Remedy { promise_id, apply: Some(kind) } => {
                let kind = RemedyKind::from_name(&kind).ok_or_else(|| unknown("--apply", &kind))?;
                (RiskOp::Remedy { promise_id, kind }, applied)
            }
            RiskCommand::Report => (RiskOp::RemedyReport, reported),
        })
    }
}

pub fn run(node: &Node, op: RiskOp) -> Result<Value, Failure> {
    match op {
        RiskOp::AtRisk { owner, cause, limit } => at_risk(node, owner.as_deref(), cause.as_deref(), limit),
        RiskOp::Remedies { promise_id } => {
            let now = node.clock.now();
            let wanted = promise_id.clone();
            let (known, found) = node.ask(move |fold| -> Result<_, FoldError> {
                Ok((fold.promise(&wanted)?.is_some(), fold.remedies(&wanted, now)?))
            })??;
            if !known {
                return Err(no_such(&promise_id));
            }
            Ok(json!({ "promise_id": promise_id, "remedies": remedies_json(&found) }))
        }
        RiskOp::Remedy { promise_id, kind } => remedy(node, &promise_id, kind),
        RiskOp::RemedyReport => Ok(json!(node.reader()?.remedy_report()?)),
    }
}

fn no_such(promise_id: &str) -> Failure {
    Failure::new(Kind::NotFound, "no-such-promise").with("id", promise_id)
}

/// How urgent a row is: 1 when nothing is left to wait for, a half with an hour left, a quarter with three.
fn urgency(row: &RiskRow, now: Time) -> f64 {
    let hours = row.act_by.since(now).max(0) as f64 / 3_600e6;
    1.0 / (1.0 + hours)
}

/// The rows by urgency × value, the greatest first. The value is the customer's as a share of the greatest in its
/// currency on the list, since currencies cannot be compared; a half where it is not known.
fn ranked(rows: Vec<RiskRow>, now: Time) -> Vec<(f64, RiskRow)> {
    let mut greatest: BTreeMap<model::Currency, i64> = BTreeMap::new();
    for value in rows.iter().filter_map(|row| row.customer_value) {
        let known = greatest.entry(value.currency).or_default();
        *known = (*known).max(value.minor);
    }
    let share = |row: &RiskRow| match row.customer_value {
        Some(value) if greatest[&value.currency] > 0 => {
            (value.minor.max(0) as f64) / greatest[&value.currency] as f64
        }
        _ => 0.5,
    };
    let mut rows: Vec<_> = rows.into_iter().map(|row| (urgency(&row, now) * share(&row), row)).collect();
    // By the time to act where the product is the same, as the rows come.
    rows.sort_by(|(one, _), (other, _)| other.total_cmp(one));
    rows
}

fn owner_of(row: &RiskRow, rules: &RemedyRules) -> Option<String> {
    rules.owners.get(&row.cause).cloned().or_else(|| row.operations_owner.clone())
}

fn at_risk(node: &Node, owner: Option<&str>, cause: Option<&str>, limit: usize) -> Result<Value, Failure> {
    let now = node.clock.now();
    let rules = node.ask(|fold| fold.reference().promising.remedies.clone())?;
    let mut rows = node.reader()?.at_risk()?;
    rows.retain(|row| cause.is_none_or(|cause| row.cause == cause));
    rows.retain(|row| owner.is_none_or(|owner| owner_of(row, &rules).as_deref() == Some(owner)));
    let count = rows.len();
    let mut rows = ranked(rows, now);
    rows.truncate(limit);
    let ids: Vec<String> = rows.iter().map(|(_, row)| row.promise_id.clone()).collect();
    let remedies = node.ask(move |fold| -> Result<Vec<_>, FoldError> {
        let about = |id: &String| Ok((fold.probability(id, now)?, fold.remedies(id, now)?));
        ids.iter().map(about).collect()
    })??;
    let items: Vec<Value> = rows
        .iter()
        .zip(remedies)
        .map(|((rank, row), (probability, remedies))| {
            let mut item = json!(row);
            item["rank"] = json!(rank);
            // As time goes on it falls, though nothing happens.
            item["probability"] = json!(probability.or(row.probability));
            item["minutes_left"] = json!(row.act_by.since(now).max(0) / 60_000_000);
            item["owner"] = json!(owner_of(row, &rules));
            item["proposals"] = remedies_json(&remedies);
            item
        })
        .collect();
    Ok(json!({ "now": now.to_string(), "count": count, "items": items }))
}

fn remedy(node: &Node, promise_id: &str, kind: RemedyKind) -> Result<Value, Failure> {
    let wanted = promise_id.to_owned();
    let done = node.act_and_wait(move |fold, now| fold.remedy(&wanted, kind, now))?;
    let conflict =
        |code: &str| Failure::new(Kind::Conflict, code).with("id", promise_id).with("kind", kind.name());
    let Remedied { customer, applied, promise, before } = done.map_err(|why| match why {
        NotRemedied::UnknownPromise => no_such(promise_id),
        NotRemedied::NotAtRisk(status) => conflict("remedy-not-at-risk").with("status", status.name()),
        NotRemedied::NotPossible => conflict("remedy-not-possible"),
        NotRemedied::Refused(why) => {
            conflict("remedy-refused").with("reason", why.map_or("ended", |why| why.name()))
        }
        NotRemedied::Waiting => conflict("remedy-waiting"),
    })?;
    Ok(json!({
        "promise_id": promise_id,
        "customer": customer.to_string(),
        "kind": kind.name(),
        "applied_at": applied.at.to_string(),
        "applied_before": before,
        "before_the_break": applied.before_the_break,
        "cost": money_json(applied.remedy.cost),
        "compensation": money_json(applied.remedy.compensation),
        "probability": applied.remedy.probability,
        "status": promise.status.name(),
        "due_at": promise.terms.due_at.to_string(),
        "first_due_at": promise.first_due_at.to_string(),
    }))
}

fn money_json(money: Option<Money>) -> Value {
    money.map_or(Value::Null, |money| json!({ "minor": money.minor, "currency": money.currency.code() }))
}

fn remedies_json(found: &[Proposal]) -> Value {
    found
        .iter()
        .map(|Proposal { remedy, offer, value, substitutes }| {
            let parcels = offer.iter().flat_map(|offer| &offer.parcels).map(|parcel| {
                let lines = parcel
                    .lines
                    .iter()
                    .map(|(item, quantity)| json!({ "item_id": item, "quantity": quantity.to_string() }));
                json!({
                    "place": parcel.place, "service": parcel.service,
                    "hand_over_by": parcel.hand_over_by.to_string(), "due_at": parcel.due_at.to_string(),
                    "lines": lines.collect::<Vec<_>>(),
                })
            });
            json!({
                "kind": remedy.kind.name(),
                "cost": money_json(remedy.cost),
                "probability": remedy.probability,
                "value": money_json(*value),
                "new_due": remedy.new_due.map(|due| due.to_string()),
                "compensation": money_json(remedy.compensation),
                "substitutes": substitutes,
                "parcels": parcels.collect::<Vec<_>>(),
            })
        })
        .collect()
}

// ---- for people ---------------------------------------------------------------------------------------------------

/// An amount as people read it: `KRW 12000`.
fn amount(value: &Value) -> String {
    let parts = (value["minor"].as_i64(), value["currency"].as_str().and_then(model::Currency::new));
    match parts {
        (Some(minor), Some(currency)) => Money { minor, currency }.to_string(),
        _ => "–".to_owned(),
    }
}

fn percent(value: &Value) -> String {
    value.as_f64().map_or_else(|| "–".to_owned(), |share| format!("{:.0} %", share * 100.0))
}

/// `3:05` hours, or days where there are many.
fn left(minutes: i64, messages: &Messages) -> String {
    match minutes {
        0 => messages.get("risk-too-late"),
        1..2880 => format!("{}:{:02}", minutes / 60, minutes % 60),
        _ => messages.with("risk-days", &[("days", (minutes / 1440).to_string())]),
    }
}

fn kind_words(kind: &Value, messages: &Messages) -> String {
    messages.get(&format!("remedy-{}", plain(kind).replace('_', "-")))
}

fn cause_words(cause: &Value, messages: &Messages) -> String {
    messages.get(&format!("risk-{}", plain(cause).replace('_', "-")))
}

pub(crate) fn listed(answer: &Value, messages: &Messages) -> String {
    let items = array(&answer["items"]);
    if items.is_empty() {
        return messages.get("risk-none");
    }
    let rows: Vec<Vec<String>> = items
        .iter()
        .map(|item| {
            let best = &item["proposals"][0];
            let best = match best["kind"].is_string() {
                true => format!(
                    "{} {} → {}",
                    kind_words(&best["kind"], messages),
                    amount(&best["cost"]),
                    percent(&best["probability"])
                ),
                false => "–".to_owned(),
            };
            vec![
                or_dash(&item["promise_id"]),
                or_dash(&item["customer"]),
                cause_words(&item["cause"], messages),
                left(item["minutes_left"].as_i64().unwrap_or_default(), messages),
                or_dash(&item["due_at"]),
                percent(&item["probability"]),
                amount(&item["customer_value"]),
                or_dash(&item["owner"]),
                best,
            ]
        })
        .collect();
    let head = ["promise", "user", "cause", "left", "due-at", "probability", "value", "owner", "remedy"];
    let values = [("shown", items.len().to_string()), ("count", plain(&answer["count"]))];
    format!("{}\n{}", messages.with("risk-count", &values), table(&heads(messages, &head), &rows))
}

fn proposed(answer: &Value, messages: &Messages) -> String {
    let rows: Vec<Vec<String>> = array(&answer["remedies"])
        .iter()
        .map(|remedy| {
            let mut how: Vec<String> = array(&remedy["parcels"])
                .iter()
                .map(|parcel| format!("{} ({})", plain(&parcel["place"]), plain(&parcel["service"])))
                .collect();
            how.extend(
                array(&remedy["substitutes"])
                    .iter()
                    .map(|pair| format!("{} → {}", plain(&pair[0]), plain(&pair[1]))),
            );
            vec![
                plain(&remedy["kind"]),
                kind_words(&remedy["kind"], messages),
                amount(&remedy["cost"]),
                percent(&remedy["probability"]),
                amount(&remedy["value"]),
                or_dash(&remedy["new_due"]),
                how.join(", "),
            ]
        })
        .collect();
    if rows.is_empty() {
        return messages.with("risk-no-remedy", &[("id", plain(&answer["promise_id"]))]);
    }
    let head = ["kind", "remedy", "cost", "probability", "saves", "new-due", "how"];
    table(&heads(messages, &head), &rows)
}

pub(crate) fn applied(answer: &Value, messages: &Messages) -> String {
    let key = if answer["applied_before"] == true { "remedy-applied-before" } else { "remedy-applied" };
    let values = [
        ("id", plain(&answer["promise_id"])),
        ("remedy", kind_words(&answer["kind"], messages)),
        ("cost", amount(&answer["cost"])),
        ("probability", percent(&answer["probability"])),
        ("due", or_dash(&answer["due_at"])),
        ("first", or_dash(&answer["first_due_at"])),
    ];
    messages.with(key, &values)
}

fn reported(answer: &Value, messages: &Messages) -> String {
    let moneys = |all: &Value| {
        let all: Vec<String> = array(all).iter().map(amount).collect();
        if all.is_empty() { "–".to_owned() } else { all.join(" + ") }
    };
    let row = |name: String, row: &Value| {
        let mut cells = vec![name];
        cells.extend(["promises", "open", "saved", "saved_by_first", "broken"].map(|key| plain(&row[key])));
        cells.extend([moneys(&row["cost"]), moneys(&row["cost_per_save"])]);
        cells
    };
    let kinds = array(&answer["kinds"]).iter();
    let mut rows: Vec<Vec<String>> =
        kinds.map(|kind| row(kind_words(&kind["kind"], messages), kind)).collect();
    rows.push(row(messages.get("remedy-total"), &answer["total"]));
    let head = ["remedy", "promises", "open", "saved", "saved-by-first", "broken", "cost", "cost-per-save"];
    let values = [
        ("risk", plain(&answer["ever_at_risk"])),
        ("alone", plain(&answer["kept_without_remedy"])),
        ("after", plain(&answer["total"]["after_the_break"])),
    ];
    let mut out = messages.with("remedy-report", &values);
    let _ = write!(out, "\n{}", table(&heads(messages, &head), &rows));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(id: &str, hours: i64, value: Option<(i64, &str)>) -> RiskRow {
        let at = Time(hours * 3_600_000_000);
        let money =
            |(minor, code): (i64, &str)| Money { minor, currency: model::Currency::new(code).unwrap() };
        RiskRow {
            entity: model::EntityId::customer(model::PartitionId(0), 1),
            customer: None,
            promise_id: id.to_owned(),
            order_id: None,
            cause: "scored".to_owned(),
            detail: None,
            since: None,
            first_due_at: at,
            due_at: at,
            deadline: at,
            act_by: at,
            probability: None,
            order_total: None,
            customer_value: value.map(money),
            operations_owner: None,
            remedies: 0,
        }
    }

    #[test]
    fn work_is_ranked_by_urgency_and_value() {
        let rows = vec![
            row("late", -5, Some((10, "EUR"))),
            row("soon", 1, Some((100, "EUR"))),
            row("won", 0, Some((9_000, "KRW"))),
            row("week", 167, Some((100, "EUR"))),
            row("unknown", 1, None),
        ];
        let found: Vec<(String, f64)> =
            ranked(rows, Time(0)).into_iter().map(|(rank, row)| (row.promise_id, rank)).collect();
        let expect = [("won", 1.0), ("soon", 0.5), ("unknown", 0.25), ("late", 0.1), ("week", 1.0 / 168.0)];
        for ((id, rank), (expected, number)) in found.iter().zip(expect) {
            assert!(id == expected && (rank - number).abs() < 1e-12, "{found:?}");
        }
    }
}
