//! The trial as text for people: first what is assumed, then what came of it.

use std::fmt::Write;

use model::RemedyKind;
use world::depot::{Cause, Planted};

use super::{AHEAD_MINUTES, SIZES, Trial, rules};
use crate::estimate::Estimate;
use crate::i18n::Messages;
use crate::render::{heads, table};

/// How a figure is written.
#[derive(Clone, Copy)]
enum As {
    Percent,
    /// Percentage points, with their sign.
    Points,
    Count,
    Minutes,
    Won,
}

pub(super) fn render(trial: &Trial, messages: &Messages) -> String {
    let values = [("seeds", trial.seeds.len().to_string()), ("days", trial.days.to_string())];
    let mut out = format!("{}\n\n", messages.with("trial-head", &values));
    let _ = writeln!(out, "{}\n{}\n", messages.get("trial-assumed"), assumed(messages));
    let _ = writeln!(out, "{}", messages.get("trial-results"));
    let rows = [
        ("trial-promises", "promises", As::Count),
        ("trial-turned-away", "turned_away", As::Count),
        ("trial-looked-at", "k25.looked_at", As::Count),
        ("trial-not-allocatable", "k25.not_allocatable", As::Count),
        ("trial-kept", "watch.kept", As::Percent),
    ];
    out += &list(trial, messages, &rows);
    let values = [("minutes", AHEAD_MINUTES.to_string())];
    let _ = writeln!(out, "\n{}", messages.with("trial-at-risk", &values));
    out += &by_cause(trial, messages);
    let _ = writeln!(out, "\n{}", messages.get("trial-remedies"));
    let rows = [
        ("trial-kept-first", "save.kept_first", As::Percent),
        ("trial-gain-first", "save.gain_first", As::Points),
        ("trial-kept-current", "save.kept_current", As::Percent),
        ("trial-gain-current", "save.gain_current", As::Points),
        ("trial-saved", "save.saved", As::Count),
        ("trial-lost", "save.lost", As::Count),
        ("trial-new-date-kept", "save.new_date_kept", As::Count),
        ("trial-cost", "save.cost_per_save", As::Won),
        ("trial-remedies-applied", "save.remedies", As::Count),
    ];
    out += &list(trial, messages, &rows);
    out += &kinds(trial, messages);
    let _ = writeln!(out, "\n{}", messages.get("trial-campaign"));
    out += &campaigns(trial, messages);
    out
}

/// What is planted in the world and published by its operator.
fn assumed(messages: &Messages) -> String {
    let Planted {
        orders_per_day,
        late_receipts,
        late_days_max,
        downtime_per_day,
        downtime_hours,
        quality_per_day,
        quality_hours_max,
        slow_factor,
        ..
    } = Planted::default();
    let percent = |share: f64| format!("{:.0}", share * 100.0);
    let values = [
        ("orders", format!("{orders_per_day:.0}")),
        ("journeys", rules::JOURNEYS.to_string()),
        ("late", percent(late_receipts)),
        ("late_days", late_days_max.to_string()),
        ("down", percent(downtime_per_day)),
        ("down_hours", format!("{downtime_hours:.0}")),
        ("quality", percent(quality_per_day)),
        ("quality_hours", quality_hours_max.to_string()),
        ("slow", slow_factor.to_string()),
        ("target", percent(rules::SERVICE_TARGET)),
        ("threshold", percent(rules::AT_RISK)),
    ];
    messages.with("trial-assumptions", &values)
}

fn list(trial: &Trial, messages: &Messages, rows: &[(&str, &str, As)]) -> String {
    let row = |(key, name, how): &(&str, &str, As)| vec![messages.get(key), cell(trial, name, *how)];
    let rows: Vec<Vec<String>> = rows.iter().map(row).collect();
    table(&heads(messages, &["trial-figure", "trial-mean"]), &rows)
}

fn by_cause(trial: &Trial, messages: &Messages) -> String {
    let mut groups: Vec<(String, String)> = Cause::ALL
        .iter()
        .map(|cause| {
            (format!("trial-cause-{}", cause.name().replace('_', "-")), format!("cause.{}", cause.name()))
        })
        .collect();
    groups.push(("trial-all".to_owned(), "watch".to_owned()));
    let rows = groups.iter().filter(|(_, name)| trial.estimates.contains_key(&format!("{name}.promises")));
    let row = |(key, name): &(String, String)| {
        let of = |what: &str, how| cell(trial, &format!("{name}.{what}"), how);
        vec![
            messages.get(key),
            of("broken", As::Count),
            of("flagged", As::Count),
            of("recall", As::Percent),
            of("precision", As::Percent),
            of("minutes", As::Minutes),
        ]
    };
    let rows: Vec<Vec<String>> = rows.map(row).collect();
    let keys =
        ["trial-cause", "trial-broken", "trial-flagged", "trial-recall", "trial-precision", "trial-minutes"];
    table(&heads(messages, &keys), &rows)
}

fn kinds(trial: &Trial, messages: &Messages) -> String {
    let known = |kind: &RemedyKind| trial.estimates.contains_key(&format!("remedy.{}", kind.name()));
    let row = |kind: RemedyKind| {
        let key = format!("trial-remedy-{}", kind.name().replace('_', "-"));
        vec![messages.get(&key), cell(trial, &format!("remedy.{}", kind.name()), As::Count)]
    };
    let rows: Vec<Vec<String>> = RemedyKind::ALL.into_iter().filter(known).map(row).collect();
    table(&heads(messages, &["trial-remedy", "trial-mean"]), &rows)
}

fn campaigns(trial: &Trial, messages: &Messages) -> String {
    let mut arms: Vec<(String, String)> = SIZES
        .iter()
        .map(|size| {
            (messages.with("trial-refused", &[("size", format!("{size:.0}"))]), format!("refused.{size}"))
        })
        .collect();
    arms.push((messages.get("trial-allowed"), "allowed".to_owned()));
    let row = |(title, name): &(String, String)| {
        let of = |what: &str, how| cell(trial, &format!("{name}.{what}"), how);
        vec![
            title.clone(),
            of("orders", As::Count),
            of("forecast_kept", As::Percent),
            of("kept", As::Percent),
            of("off", As::Points),
            of("others_kept", As::Percent),
        ]
    };
    let rows: Vec<Vec<String>> = arms.iter().map(row).collect();
    let keys = ["trial-size", "trial-orders", "trial-forecast", "trial-came", "trial-off", "trial-others"];
    table(&heads(messages, &keys), &rows)
}

/// A mean with its interval; a dash where no seed has it.
fn cell(trial: &Trial, name: &str, how: As) -> String {
    match trial.estimates.get(name) {
        Some(estimate) => write_estimate(estimate, how),
        None => "–".to_owned(),
    }
}

fn write_estimate(estimate: &Estimate, how: As) -> String {
    let number = |value: f64| match how {
        As::Percent => format!("{:.1}", value * 100.0),
        As::Points => format!("{:+.1}", value * 100.0),
        As::Count => format!("{value:.1}"),
        As::Minutes | As::Won => format!("{value:.0}"),
    };
    let unit = match how {
        As::Percent => " %",
        As::Points | As::Count | As::Minutes | As::Won => "",
    };
    // An interval by the normal law knows nothing of where a figure must end.
    let within = |value: f64| match how {
        As::Percent => value.clamp(0.0, 1.0),
        As::Count | As::Minutes => value.max(0.0),
        As::Points | As::Won => value,
    };
    match estimate.interval {
        Some((low, high)) if high > low => {
            format!("{}{unit} ({} … {})", number(estimate.mean), number(within(low)), number(within(high)))
        }
        _ => format!("{}{unit}", number(estimate.mean)),
    }
}
