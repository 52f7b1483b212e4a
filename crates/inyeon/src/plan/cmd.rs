//! `inyeon plan`: infer, check, apply, show, violations, remove.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::infer::{Inferred, Samples};
use super::traffic::Traffic;
use super::{Document, Plan, op, purpose};
use crate::access::Access;
use crate::cli::{self, Global, print};
use crate::error::Failure;
use crate::i18n::Messages;
use crate::ops::Op;
use crate::render::{self, array, heads, plain, table};

const DAY_MICROS: i64 = 86_400 * 1_000_000;

#[derive(Args)]
pub struct PlanArgs {
    #[command(subcommand)]
    what: PlanWhat,
}

#[derive(Subcommand)]
enum PlanWhat {
    Infer {
        #[arg(long)]
        source: Option<String>,
        #[arg(long, value_name = "DATE")]
        since: Option<String>,
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    Check {
        file: PathBuf,
        #[arg(long, default_value_t = 30)]
        days: u16,
    },
    Apply {
        file: PathBuf,
    },
    Show,
    Violations {
        #[arg(long)]
        source: Option<String>,
        #[arg(long)]
        event: Option<String>,
        #[arg(long, default_value_t = 100)]
        limit: usize,
    },
    Remove,
}

/// Runs one of the commands and prints what it says.
pub fn run(global: &Global, args: PlanArgs, messages: &Messages) -> Result<(), Failure> {
    let open = |create| Access::open(&global.store, create, render::replay_progress);
    let show = |value: &Value, render: fn(&Value, &Messages) -> String| {
        print(&if global.json { pretty(value) } else { render(value, messages) });
    };
    match args.what {
        PlanWhat::Infer { source, since, out } => {
            let since = since.as_deref().map(|since| cli::date("--since", since)).transpose()?;
            let access = open(false)?;
            let traffic = Traffic { access: &access, source, since, quiet: quiet(global), messages };
            infer(&traffic, out.as_deref(), global.json)?;
        }
        PlanWhat::Check { file, days } => show(&check(global, &file, days, messages)?, checked),
        PlanWhat::Apply { file } => {
            let document = load(&file)?;
            // What is not sound makes no store.
            Plan::compile(&document, 0)?;
            let plan = document.to_json();
            show(&open(true)?.run(Op::PlanApply { plan })?, applied);
        }
        PlanWhat::Show => show(&open(false)?.run(Op::PlanShow)?, shown),
        PlanWhat::Violations { source, event, limit } => {
            show(&open(false)?.run(Op::PlanViolations { source, event, limit })?, violations);
        }
        PlanWhat::Remove => {
            let plan = Document::empty().to_json();
            show(&open(false)?.run(Op::PlanApply { plan })?, removed);
        }
    }
    Ok(())
}

fn quiet(global: &Global) -> bool {
    global.quiet || global.json
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).expect("a value serialises")
}

fn load(file: &Path) -> Result<Document, Failure> {
    Document::parse(&cli::read_text(file)?, &file.display().to_string())
}

/// Writes the plan that the recorded traffic keeps: to a file, or to the output.
fn infer(traffic: &Traffic<'_>, out: Option<&Path>, as_json: bool) -> Result<(), Failure> {
    let mut samples = Samples::default();
    traffic.each(|event| samples.take(event.kind, event.name, event.body, event.person()))?;
    let Inferred { document, yaml, samples, passed_over } = samples.infer();
    let events = document.events.len();
    let values = [
        ("events", events.to_string()),
        ("samples", samples.to_string()),
        ("passed", passed_over.to_string()),
    ];
    let said = traffic.messages.with("plan-inferred", &values);
    let yaml = format!("# {said}\n{yaml}");
    let Some(out) = out else {
        print(&if as_json { pretty(&json!(document)) } else { yaml });
        return Ok(());
    };
    std::fs::write(out, yaml).map_err(|error| Failure::io("write", out, &error))?;
    if as_json {
        let answer = json!({ "out": out, "events": events, "samples": samples, "passed_over": passed_over });
        print(&pretty(&answer));
    } else {
        let next = traffic.messages.with("plan-inferred-next", &[("out", out.display().to_string())]);
        print(&format!("{said}\n{next}"));
    }
    Ok(())
}

/// Whether a plan is sound, and where there is a store, what it would have said of the last days.
fn check(global: &Global, file: &Path, days: u16, messages: &Messages) -> Result<Value, Failure> {
    let document = load(file)?;
    let plan = Plan::compile(&document, 0)?;
    let verdict = if store::Layout::new(&global.store).format().exists() {
        let access = Access::open(&global.store, false, render::replay_progress)?;
        let since = runtime::Clock::System.now().plus_micros(-i64::from(days) * DAY_MICROS);
        let traffic =
            Traffic { access: &access, source: None, since: Some(since), quiet: quiet(global), messages };
        Some(traffic.judge(&plan)?)
    } else {
        None
    };
    Ok(json!({
        "sound": true,
        "events": document.events.len(),
        "unstated": op::unstated(&document),
        "unused_purposes": purpose::unused(&document),
        "days": days,
        "traffic": verdict,
    }))
}

fn checked(answer: &Value, messages: &Messages) -> String {
    let count = |name: &str| answer[name].to_string();
    let mut out = messages.with("plan-sound", &[("events", count("events"))]);
    for field in array(&answer["unstated"]) {
        let values = ["event", "field"].map(|name| (name, plain(&field[name])));
        let _ = write!(out, "\n  {}", messages.with("plan-unstated", &values));
    }
    for purpose in array(&answer["unused_purposes"]) {
        let _ = write!(out, "\n  {}", messages.with("plan-unused", &[("purpose", plain(purpose))]));
    }
    let traffic = &answer["traffic"];
    if traffic.is_null() {
        return out;
    }
    let mut values = ["events", "violating", "blocked"].map(|name| (name, plain(&traffic[name]))).to_vec();
    values.push(("days", count("days")));
    let _ = write!(out, "\n{}", messages.with("plan-traffic", &values));
    let columns = ["count", "event", "source", "sender", "pointer", "rule", "expected", "blocked"];
    if !array(&traffic["violations"]).is_empty() {
        let _ = write!(out, "\n{}", rows(&traffic["violations"], &columns, messages));
    }
    out
}

fn applied(answer: &Value, messages: &Messages) -> String {
    let version = [("version", plain(&answer["version"]))];
    if answer["applied"] == false {
        return messages.with("plan-unchanged", &version);
    }
    let mut out = messages.with("plan-applied", &version);
    for change in array(&answer["changes"]) {
        let event = match plain(&change["event"]) {
            all if all.is_empty() => messages.get("plan-all-events"),
            event => event,
        };
        let what = messages.get(&format!("plan-change-{}", plain(&change["change"])));
        let _ = write!(out, "\n  {what}: {event} {}", plain(&change["field"]));
    }
    out
}

fn removed(answer: &Value, messages: &Messages) -> String {
    messages.get(if answer["applied"] == true { "plan-removed" } else { "plan-none" })
}

fn shown(answer: &Value, messages: &Messages) -> String {
    let values = [("version", plain(&answer["version"])), ("at", plain(&answer["applied_at"]))];
    let document: Result<Document, _> = serde_json::from_value(answer["plan"].clone());
    let yaml = document.map(|document| document.to_yaml()).unwrap_or_default();
    format!("# {}\n{yaml}", messages.with("plan-version", &values))
}

fn violations(answer: &Value, messages: &Messages) -> String {
    if array(answer).is_empty() {
        return messages.get("plan-no-violations");
    }
    let columns =
        ["count", "event", "source", "sender", "pointer", "rule", "expected", "blocked", "plan", "last_at"];
    rows(answer, &columns, messages)
}

/// A table of these columns; a truth is a word of the reader's language.
fn rows(list: &Value, columns: &[&'static str], messages: &Messages) -> String {
    let cell = |row: &Value, column: &str| match &row[column] {
        Value::Bool(truth) => messages.get(if *truth { "plan-blocked" } else { "plan-kept" }),
        value => render::or_dash(value),
    };
    let rows: Vec<Vec<String>> =
        array(list).iter().map(|row| columns.iter().map(|column| cell(row, column)).collect()).collect();
    let names: Vec<String> = columns.iter().map(|column| column.replace('_', "-")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    table(&heads(messages, &names), &rows)
}
