//! A scenario as text for people: what is assumed, what came of each arm, the bars, and how they stand where the world
//! is noisier, slower or less responsive.

use std::fmt::Write;

use super::cases::{Bar, Must};
use super::scenario::{DOUBLE, Reached, Report, Run};
use crate::estimate::Estimate;
use crate::i18n::Messages;
use crate::render::{heads, table};

/// Violations that are written out.
const SHOWN: usize = 5;

pub(super) fn render(report: &Report, messages: &Messages) -> String {
    let values = [
        ("case", report.case.name.to_owned()),
        ("seeds", report.seeds.to_string()),
        ("days", report.days.to_string()),
        ("homes", report.case.homes.max(report.case.fridges).to_string()),
        ("printers", report.case.office.map_or(0, |office| office.printers).to_string()),
    ];
    let mut out = format!("{}\n", messages.with("run-head", &values));
    let title = format!("run-title-{}", report.case.name.to_lowercase());
    let _ = writeln!(out, "{}\n", messages.get(&title));
    let _ = writeln!(out, "{}", messages.get("run-arms"));
    for arm in &report.case.arms {
        let _ = writeln!(out, "- {}: {}", name(messages, "arm", arm.key), name(messages, "about", arm.key));
    }
    let _ = writeln!(out, "\n{}", messages.get("run-results"));
    out += &results(report, messages);
    let _ = writeln!(out, "\n{}", messages.get("run-bars"));
    out += &bars(report, messages);
    let violations = &report.plain().violations;
    if !violations.is_empty() {
        let _ = writeln!(out, "\n{}", messages.get("run-violations"));
        violations.iter().take(SHOWN).for_each(|what| out += &format!("- {what}\n"));
    }
    if !report.stops.is_empty() {
        let _ = writeln!(out, "\n{}", messages.get("run-stops"));
        out += &stops(report, messages);
    }
    let _ = writeln!(out, "\n{}", messages.get("run-assumed"));
    out += &assumed(report, messages);
    out
}

/// A text by what it is about and the key of an arm, a figure or a kind.
fn name(messages: &Messages, what: &str, key: &str) -> String {
    messages.get(&format!("run-{what}-{}", key.replace(['_', ' '], "-")))
}

fn results(report: &Report, messages: &Messages) -> String {
    let mut head = vec![messages.get("col-run-figure")];
    head.extend(report.case.arms.iter().map(|arm| name(messages, "arm", arm.key)));
    let run = report.plain();
    let row = |figure: &&str| {
        let cells = report.case.arms.iter().map(|arm| cell(run.figure(arm.key, figure), figure));
        std::iter::once(name(messages, "figure", figure)).chain(cells).collect::<Vec<String>>()
    };
    let rows: Vec<Vec<String>> = report.case.figures.iter().map(row).collect();
    table(&head, &rows)
}

fn bars(report: &Report, messages: &Messages) -> String {
    let mut keys = vec!["run-arm", "run-figure", "run-must", "run-is", "run-reached"];
    let repeats = report.runs.len() > 1;
    if repeats {
        keys.push("run-repeats");
    }
    let row = |bar: &Bar| {
        let mut row = vec![
            name(messages, "arm", bar.arm),
            name(messages, "figure", bar.figure),
            must(bar, messages),
            cell(report.plain().of_bar(bar), bar.figure),
            name(messages, "reached", reached(report.plain().reached(bar))),
        ];
        if repeats {
            row.push(where_not(report, bar, messages));
        }
        row
    };
    let rows: Vec<Vec<String>> = report.case.bars.iter().map(row).collect();
    table(&heads(messages, &keys), &rows)
}

fn must(bar: &Bar, messages: &Messages) -> String {
    let number = |value: f64| write(value, bar.figure);
    match bar.must {
        Must::AtMost(limit) => format!("≤ {}", number(limit)),
        Must::AtLeast(limit) => format!("≥ {}", number(limit)),
        Must::Between(low, high) => format!("{} … {}", number(low), number(high)),
        Must::NotBelow(other) => format!("≥ {}", name(messages, "arm", other)),
        Must::NotAbove(other) => format!("≤ {}", name(messages, "arm", other)),
        Must::Above(other) => format!("> {}", name(messages, "arm", other)),
    }
}

fn reached(reached: Reached) -> &'static str {
    match reached {
        Reached::Yes => "yes",
        Reached::No => "no",
        Reached::Unsure => "unsure",
        Reached::Nothing => "nothing",
    }
}

/// At which scales a bar is not reached.
fn where_not(report: &Report, bar: &Bar, messages: &Messages) -> String {
    let fails = |run: &&Run| matches!(run.reached(bar), Reached::No | Reached::Nothing);
    let scaled = |run: &Run| format!("{} ×{}", name(messages, "scale", run.scale.what), run.scale.factor);
    let near = |run: &&Run| run.scale.factor <= DOUBLE;
    let all: Vec<String> = report.runs[1..].iter().filter(near).filter(fails).map(scaled).collect();
    if all.is_empty() { messages.get("run-everywhere") } else { all.join(", ") }
}

fn stops(report: &Report, messages: &Messages) -> String {
    let row = |one: &super::scenario::Stops| {
        let from = match one.from {
            Some(factor) if factor <= 1.0 => messages.get("run-never-surely"),
            Some(factor) => format!("×{factor}"),
            None => messages.with("run-still-at", &[("factor", one.tried.to_string())]),
        };
        vec![
            name(messages, "arm", one.arm),
            name(messages, "arm", one.than),
            name(messages, "figure", one.figure),
            name(messages, "scale", one.what),
            from,
        ]
    };
    let rows: Vec<Vec<String>> = report.stops.iter().map(row).collect();
    table(&heads(messages, &["run-arm", "run-than", "run-figure", "run-scale", "run-from"]), &rows)
}

fn assumed(report: &Report, messages: &Messages) -> String {
    let row = |one: &world::living::Assumed| {
        vec![name(messages, "assumed", one.name), one.value.to_string(), name(messages, "unit", one.unit)]
    };
    let rows: Vec<Vec<String>> = report.assumed.all().iter().map(row).collect();
    table(&heads(messages, &["run-assumption", "run-value", "run-unit"]), &rows)
}

/// A mean and the half of its interval; a dash where no seed has it.
fn cell(estimate: Option<&Estimate>, figure: &str) -> String {
    let Some(estimate) = estimate else { return "–".to_owned() };
    let mean = write(estimate.mean, figure);
    match estimate.interval {
        Some((low, high)) if high > low => format!("{mean} ± {}", write((high - low) / 2.0, figure)),
        _ => mean,
    }
}

/// A number as its figure is written.
fn write(value: f64, figure: &str) -> String {
    const SHARES: [&str; 17] = [
        "in_hand",
        "in_hand_home",
        "in_hand_office",
        "too_early",
        "promises_kept",
        "standing_kept",
        "cancels_honoured",
        "exits_complete",
        "mornings_with_milk",
        "spoiled",
        "dawn_on_time",
        "followed_as_chosen",
        "left_affected",
        "left_connected",
        "left_others",
        "recall",
        "precision",
    ];
    const WON: [&str; 5] = ["revenue", "cost_to_serve", "margin", "customer_cost", "utility"];
    match figure {
        _ if SHARES.contains(&figure) => format!("{:.1} %", value * 100.0),
        _ if WON.contains(&figure) => format!("{value:.0}"),
        _ if value != 0.0 && value.abs() < 10.0 => format!("{value:.2}"),
        _ => format!("{value:.1}"),
    }
}
