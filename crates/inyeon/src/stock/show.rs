//! A stock plan for people, and as a table for other programs.

use std::fmt::Write;

use serde_json::Value;

use crate::error::Failure;
use crate::i18n::Messages;
use crate::render::{array, cut, heads, pairs, plain, table};

fn number(value: &Value, decimals: usize) -> String {
    value.as_f64().map_or_else(|| "–".to_owned(), |value| format!("{value:.decimals$}"))
}

fn percent(value: &Value) -> String {
    value.as_f64().map_or_else(|| "–".to_owned(), |share| format!("{:.1} %", share * 100.0))
}

fn why(row: &Value, messages: &Messages) -> String {
    match row["reason"].as_str() {
        Some(reason) => messages.get(&format!("stock-why-{}", reason.replace('_', "-"))),
        None => messages.get("stock-why-problem"),
    }
}

/// What is due first stands first.
pub(super) fn plan(answer: &Value, in_full: bool, messages: &Messages) -> String {
    let all = array(&answer["items"]);
    let values = [("weeks", plain(&answer["weeks"])), ("service", percent(&answer["service"]))];
    let mut out = format!("{}\n", messages.with("stock-plan", &values));
    if all.is_empty() {
        return out + &messages.get("stock-plan-empty");
    }
    if in_full {
        for row in all {
            out += &one(row, messages);
        }
        return out;
    }
    let mut rows: Vec<&Value> = all.iter().collect();
    rows.sort_by_key(|row| {
        row["orders"][0]["order_by"].as_str().map_or_else(|| "9999".to_owned(), str::to_owned)
    });
    let cells: Vec<Vec<String>> = rows
        .into_iter()
        .map(|row| {
            vec![
                cut(&plain(&row["item_id"]), 14),
                cut(&plain(&row["place"]), 9),
                number(&row["position"], 0),
                number(&row["week"]["mean"], 1),
                number(&row["order_point"], 0),
                number(&row["orders"][0]["quantity"], 0),
                row["orders"][0]["order_by"].as_str().unwrap_or("–").to_owned(),
                cut(&why(row, messages), 12),
            ]
        })
        .collect();
    let head =
        heads(messages, &["item", "place", "position", "a-week", "order-at", "to-order", "order-by", "why"]);
    out += &table(&head, &cells);
    out
}

/// Everything about one item at one place.
fn one(row: &Value, messages: &Messages) -> String {
    let policy = match row["policy"]["policy"].as_str() {
        Some(name) => messages.get(&format!("stock-policy-{}", name.replace('_', "-"))),
        None => "–".to_owned(),
    };
    let mut lead = format!("{} ± {}", number(&row["lead_days"], 1), number(&row["lead_days_sd"], 1));
    if array(&row["assumed"]).iter().any(|assumed| assumed == "lead_days") {
        lead = format!("{lead} ({})", messages.get("stock-assumed"));
    }
    let orders: Vec<String> = array(&row["orders"])
        .iter()
        .map(|order| format!("{}: {}", plain(&order["order_by"]), number(&order["quantity"], 0)))
        .collect();
    let cost = match &row["weekly_cost"] {
        Value::Null => "–".to_owned(),
        cost => format!("{} {}", plain(&row["currency"]), number(cost, 2)),
    };
    let week = &row["week"];
    let rows = [
        (
            "stock-position",
            format!(
                "{} = {} + {} − {}",
                plain(&row["position"]),
                plain(&row["on_hand"]),
                plain(&row["to_come"]),
                plain(&row["committed"])
            ),
        ),
        (
            "stock-week",
            format!(
                "{} ({}–{})",
                number(&week["mean"], 1),
                number(&week["low"], 1),
                number(&week["high"], 1)
            ),
        ),
        ("stock-lead", lead),
        (
            "stock-protection",
            format!("{} ± {}", number(&row["protection"]["mean"], 1), number(&row["protection"]["sd"], 1)),
        ),
        ("stock-policy", policy),
        ("stock-point", format!("{} ({})", number(&row["order_point"], 0), number(&row["safety_stock"], 0))),
        ("stock-orders", if orders.is_empty() { "–".to_owned() } else { orders.join(", ") }),
        ("stock-why", why(row, messages)),
        ("stock-service", percent(&row["expected_service"])),
        ("stock-fill", percent(&row["expected_fill"])),
        ("stock-cost", cost),
    ];
    let mut out =
        format!("\n{} @ {}\n{}", plain(&row["item_id"]), plain(&row["place"]), pairs(messages, &rows));
    for campaign in array(&row["campaigns"]) {
        let units: f64 = array(&campaign["weekly"]).iter().filter_map(Value::as_f64).sum();
        let values = [("campaign", plain(&campaign["campaign"])), ("units", format!("{units:.0}"))];
        let _ = writeln!(out, "  {}", messages.with("stock-campaign", &values));
    }
    if let Some(problem) = row["problem"].as_str() {
        let _ = writeln!(out, "  {problem}");
    }
    out
}

const COLUMNS: [&str; 24] = [
    "item_id",
    "place",
    "on_hand",
    "to_come",
    "committed",
    "position",
    "history_weeks",
    "week.mean",
    "week.low",
    "week.high",
    "lead_days",
    "lead_days_sd",
    "protection.mean",
    "protection.sd",
    "policy.policy",
    "order_point",
    "safety_stock",
    "campaign_units",
    "order_now",
    "orders.0.order_by",
    "reason",
    "expected_service",
    "weekly_cost",
    "currency",
];

/// One row for each item at each place; the first line names the columns.
pub(super) fn csv(answer: &Value) -> Result<String, Failure> {
    let mut out = csv::WriterBuilder::new().terminator(csv::Terminator::Any(b'\n')).from_writer(Vec::new());
    let names = COLUMNS.map(|column| match column {
        "orders.0.order_by" => "order_by".to_owned(),
        "policy.policy" => "policy".to_owned(),
        other => other.replace('.', "_"),
    });
    let write = |out: &mut csv::Writer<Vec<u8>>, row: &[String]| {
        out.write_record(row).map_err(|error| Failure::other(&error))
    };
    write(&mut out, &names)?;
    for row in array(&answer["items"]) {
        let cells = COLUMNS.map(|column| {
            let pointer = format!("/{}", column.replace('.', "/"));
            row.pointer(&pointer).map(plain).unwrap_or_default()
        });
        write(&mut out, &cells)?;
    }
    let bytes = out.into_inner().map_err(|error| Failure::other(error.error()))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
