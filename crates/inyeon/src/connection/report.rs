//! `inyeon report needs`, for people.

use std::fmt::Write;

use serde_json::Value;

use crate::i18n::Messages;
use crate::render::{array, heads, number, plain, table};

/// A name of the model in the reader's language.
fn named(kind: &str, value: &Value, messages: &Messages) -> String {
    messages.get(&format!("{kind}-{}", plain(value).replace('_', "-")))
}

/// Median and 90th percentile of hours.
fn hours(group: &Value, what: &str) -> String {
    let of = |p: &str| number(&group[format!("{what}_{p}_hours")], 1);
    format!("{} / {}", of("p50"), of("p90"))
}

/// A figure that is known of some of the needs that were met.
fn of_known(value: String, group: &Value, known: &str) -> String {
    match group[known] == group["met"] || group[known] == 0 {
        true => value,
        false => format!("{value} ({}/{})", plain(&group[known]), plain(&group["met"])),
    }
}

/// Of what came back and nobody said why, some may have been the wrong thing.
fn wrong(group: &Value) -> String {
    match group["wrong_items"].as_u64() {
        None => "–".to_owned(),
        Some(wrong) => match group["returned_unexplained"].as_u64() {
            None | Some(0) => wrong.to_string(),
            Some(more) => format!("{wrong}–{}", wrong + more),
        },
    }
}

pub fn needs(report: &Value, messages: &Messages) -> String {
    let groups = array(&report["groups"]);
    if groups.is_empty() {
        return messages.get("report-no-needs");
    }
    let whose =
        |group: &Value| vec![plain(&group["category"]), named("strategy", &group["strategy"], messages)];
    let times = groups.iter().map(|group| {
        let counts = ["needs", "met", "open", "lapsed"].map(|name| plain(&group[name]));
        let mut row = whose(group);
        row.extend(counts);
        row.extend([
            hours(group, "lead"),
            hours(group, "answer"),
            of_known(number(&group["downtime_hours"], 1), group, "downtime_known"),
            of_known(number(&group["in_hand_before"], 0), group, "downtime_known"),
        ]);
        row
    });
    let columns =
        ["category", "strategy", "needs", "met", "open", "lapsed", "lead", "answer", "dry-hours", "in-hand"];
    let mut out = format!(
        "{}\n{}",
        messages.get("report-needs-title"),
        table(&heads(messages, &columns), &times.collect::<Vec<_>>())
    );

    let cost = groups.iter().map(|group| {
        let mut row = whose(group);
        row.extend(["minutes", "steps", "inputs", "contacts"].map(|name| number(&group[name], 1)));
        row.push(format!("{}/{}", plain(&group["effort_known"]), plain(&group["met"])));
        row.push(wrong(group));
        row
    });
    let columns =
        ["category", "strategy", "minutes", "steps", "inputs", "contacts", "told-of", "wrong-items"];
    let cost = table(&heads(messages, &columns), &cost.collect::<Vec<_>>());
    let _ = write!(out, "\n{}\n{cost}", messages.get("report-needs-cost"));

    let frictions = array(&report["frictions"]).iter().map(|row| {
        vec![
            plain(&row["category"]),
            named("need-stage", &row["stage"], messages),
            named("friction", &row["kind"], messages),
            plain(&row["met"]),
            plain(&row["needs"]),
            messages.with(
                &format!("friction-remedy-{}", plain(&row["kind"]).replace('_', "-")),
                &[("strategy", named("strategy", &row["remedy"], messages))],
            ),
        ]
    });
    let frictions: Vec<Vec<String>> = frictions.collect();
    let _ = match frictions.is_empty() {
        true => writeln!(out, "\n{}", messages.get("report-no-frictions")),
        false => {
            let columns = ["category", "stage", "friction", "times", "needs", "what-helps"];
            let told = table(&heads(messages, &columns), &frictions);
            write!(out, "\n{}\n{told}", messages.get("report-frictions"))
        }
    };

    let orders = &report["auto_orders"];
    if orders["proposed"] != 0 || orders["ran_dry"] != 0 {
        let names =
            ["proposed", "started", "fulfilled", "called_off", "blocked", "failed", "disputed", "ran_dry"];
        let values = names.map(|name| (name, plain(&orders[name])));
        let _ = writeln!(out, "\n{}", messages.with("report-auto-orders", &values));
    }
    let _ = write!(out, "\n{}", messages.get("report-needs-notes"));
    out
}
