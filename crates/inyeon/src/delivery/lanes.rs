//! `inyeon promise learn`: delivery times by lane.

use clap::Args;
use learn::delivery::{DeliveryTimes, Lane};
use model::Time;
use runtime::Node;
use serde_json::{Value, json};

use super::{failed, history};
use crate::access::Access;
use crate::cli;
use crate::error::Failure;
use crate::i18n::Messages;
use crate::ops::{self, Op};
use crate::render::{array, heads, number, plain, table};

/// Lanes shown to a person; `--json` has all.
const LANES_SHOWN: usize = 20;

#[derive(Args)]
pub struct LearnArgs {
    #[arg(long, value_name = "DATE")]
    until: Option<String>,
    #[arg(long)]
    source: Option<String>,
    #[arg(long)]
    publish: bool,
}

/// Delivery times by lane from all orders of a store, as they were known at `until` (without it: when the last
/// order was placed).
pub fn learn_lanes(node: &Node, until: Option<Time>) -> Result<DeliveryTimes, Failure> {
    learn(&|op| ops::run(node, op), until, None, true, String::new()).map(|(times, _)| times)
}

fn learn(
    run: &dyn Fn(Op) -> Result<Value, Failure>,
    until: Option<Time>,
    source: Option<&str>,
    quiet: bool,
    message: String,
) -> Result<(DeliveryTimes, Time), Failure> {
    let read = history::read(run, source, quiet, message)?;
    // Where orders ended long ago, what is remembered are the last ones that there were. The instant itself is
    // known too.
    let last = || history::time(read.last_placed().unwrap_or(read.last)).plus_micros(1_000);
    let until = until.unwrap_or_else(last);
    let times = DeliveryTimes::learn(&read.orders, history::hours(until)).map_err(|error| failed(&error))?;
    Ok((times, until))
}

pub fn run(access: &Access, args: &LearnArgs, quiet: bool, messages: &Messages) -> Result<Value, Failure> {
    let until = args.until.as_deref().map(|until| cli::date("--until", until)).transpose()?;
    let reading = messages.get("plan-reading");
    let (times, until) = learn(&|op| access.run(op), until, args.source.as_deref(), quiet, reading)?;
    let all = summary(&times.lanes()[0]);
    let mut lanes: Vec<&Lane> =
        times.lanes().iter().filter(|lane| !lane.from.is_empty() || !lane.to.is_empty()).collect();
    lanes.sort_by(|a, b| b.orders.cmp(&a.orders).then((&a.from, &a.to).cmp(&(&b.from, &b.to))));
    let published = match args.publish {
        true => access.run(Op::LanesPublish { times: json!(times), until: until.to_string() })?,
        false => Value::Null,
    };
    Ok(json!({
        "until": until.to_string(),
        "published": published,
        "all": all,
        "lanes": lanes.into_iter().map(summary).collect::<Vec<_>>(),
        "times": times,
    }))
}

/// Lanes with fewer deliveries keep the hours that the rules give them.
const LEARNT_FROM_AT_LEAST: u64 = 30;

/// Gives the lanes of the promising rules the hours that were learnt for them: of a lane to one region its own, of
/// one to several those from its place to anywhere. What was learnt of other places says nothing about ours.
pub(crate) fn publish(node: &Node, times: Value, until: String) -> Result<Value, Failure> {
    let times: DeliveryTimes = serde_json::from_value(times).map_err(|error| Failure::other(&error))?;
    let mut reference = node.ask(|fold| fold.reference().clone())?;
    let mut learnt = Vec::new();
    for lane in &mut reference.promising.lanes {
        let to = if lane.to.ends_with('*') { "" } else { lane.to.as_str() };
        let known = times.lanes().iter().find(|known| known.from == lane.from && known.to == to);
        let Some(known) = known.filter(|known| known.orders >= LEARNT_FROM_AT_LEAST) else { continue };
        if let Some(hours) = &known.from_hand_over {
            lane.hours = hours.clone();
            learnt.push(json!({ "from": lane.from, "to": lane.to, "service": lane.service,
                "orders": known.orders }));
        }
    }
    if !learnt.is_empty() {
        reference.version += 1;
        reference.promising.learnt_until = Some(until);
        reference.check().map_err(|error| Failure::other(&error))?;
        node.publish_reference(reference)?;
    }
    Ok(json!(learnt))
}

/// A lane in days, for reading.
fn summary(lane: &Lane) -> Value {
    let days = |p: f64| lane.from_purchase.quantile(p) / 24.0;
    let transit = |p: f64| lane.from_hand_over.as_ref().map(|times| times.quantile(p) / 24.0);
    json!({
        "from": lane.from, "to": lane.to, "orders": lane.orders,
        "days_p50": days(0.5), "days_p80": days(0.8), "days_p95": days(0.95),
        "transit_days_p50": transit(0.5), "transit_days_p95": transit(0.95),
    })
}

pub fn shown(learnt: &Value, messages: &Messages) -> String {
    let lanes = array(&learnt["lanes"]);
    let head = heads(messages, &["lane", "orders", "p50", "p80", "p95", "transit-p50", "transit-p95"]);
    let place = |value: &Value| match value.as_str() {
        Some(name) if !name.is_empty() => name.to_owned(),
        _ => "*".to_owned(),
    };
    let row = |lane: &Value| {
        let numbers = ["days_p50", "days_p80", "days_p95", "transit_days_p50", "transit_days_p95"];
        let name = format!("{} → {}", place(&lane["from"]), place(&lane["to"]));
        let cells = [name, plain(&lane["orders"])];
        cells.into_iter().chain(numbers.map(|key| number(&lane[key], 1))).collect::<Vec<_>>()
    };
    let rows: Vec<_> =
        std::iter::once(&learnt["all"]).chain(lanes.iter().take(LANES_SHOWN)).map(row).collect();
    let mut out = messages.with("promise-learnt", &[("until", plain(&learnt["until"]))]);
    out.push('\n');
    out += &table(&head, &rows);
    if let Some(published) = learnt["published"].as_array() {
        let n = published.len().to_string();
        out += &messages.with("promise-lanes-published", &[("n", n)]);
        out.push('\n');
    }
    if lanes.len() > LANES_SHOWN {
        let more = (lanes.len() - LANES_SHOWN).to_string();
        out += &messages.with("promise-more-lanes", &[("n", more)]);
        out.push('\n');
    }
    out
}
