//! Answers as text for people.

use std::fmt::Write;
use std::io::IsTerminal;

use serde_json::Value;

use crate::i18n::Messages;

/// A JSON value as plain text: nothing for null.
pub fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

pub(crate) fn or_dash(value: &Value) -> String {
    let text = brief(plain(value));
    if text.is_empty() { "–".to_owned() } else { text }
}

/// An instant to the second: more is noise to a person, and `--json` has it.
fn brief(text: String) -> String {
    match text.split_once('.') {
        Some((seconds, fraction))
            if seconds.len() == "2026-03-05T10:00:00".len()
                && seconds.as_bytes()[10] == b'T'
                && fraction.ends_with('Z')
                && fraction[..fraction.len() - 1].bytes().all(|b| b.is_ascii_digit()) =>
        {
            format!("{seconds}Z")
        }
        _ => text,
    }
}

pub(crate) fn percent(value: &Value) -> String {
    value.as_f64().map_or_else(|| "–".to_owned(), |v| format!("{:.2} %", v * 100.0))
}

fn percent_with(value: &Value, interval: &Value) -> String {
    match (interval[0].as_f64(), interval[1].as_f64()) {
        (Some(low), Some(high)) if value.is_number() => {
            format!("{} ({:.1}–{:.1})", percent(value), low * 100.0, high * 100.0)
        }
        _ => percent(value),
    }
}

pub(crate) fn number(value: &Value, decimals: usize) -> String {
    value.as_f64().map_or_else(|| "–".to_owned(), |v| format!("{v:.decimals$}"))
}

fn number_with(value: &Value, interval: &Value, decimals: usize) -> String {
    match (interval[0].as_f64(), interval[1].as_f64()) {
        (Some(low), Some(high)) if value.is_number() => {
            format!("{} ({low:.decimals$}–{high:.decimals$})", number(value, decimals))
        }
        _ => number(value, decimals),
    }
}

/// How wide a text stands in a terminal: Hangul and Han take two columns.
fn width(text: &str) -> usize {
    text.chars()
        .map(|c| match c as u32 {
            0x1100..=0x115F
            | 0x2E80..=0xA4CF
            | 0xAC00..=0xD7A3
            | 0xF900..=0xFAFF
            | 0xFE30..=0xFE6F
            | 0xFF00..=0xFF60
            | 0xFFE0..=0xFFE6 => 2,
            _ => 1,
        })
        .sum()
}

/// The beginning of a text that stands in so many columns.
pub(crate) fn cut(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let mut out = String::new();
    for c in text.chars() {
        let next = c.to_string();
        if width(&out) + width(&next) >= columns {
            break;
        }
        out.push(c);
    }
    out + "…"
}

/// Rows under a heading; the columns as wide as their widest cell, numbers to the right.
pub(crate) fn table(head: &[String], rows: &[Vec<String>]) -> String {
    let columns = head.len();
    let widths: Vec<usize> = (0..columns)
        .map(|c| rows.iter().map(|r| width(&r[c])).chain([width(&head[c])]).max().unwrap_or(0))
        .collect();
    let right: Vec<bool> = (0..columns)
        .map(|c| {
            !rows.is_empty()
                && rows.iter().all(|r| r[c].starts_with(|ch: char| ch.is_ascii_digit() || "–-".contains(ch)))
                && !rows.iter().any(|r| r[c].contains(':') || r[c].matches('-').count() > 1)
        })
        .collect();
    let mut out = String::new();
    for row in std::iter::once(head).chain(rows.iter().map(Vec::as_slice)) {
        let mut line = String::new();
        for (c, cell) in row.iter().enumerate() {
            let gap = " ".repeat(widths[c] - width(cell));
            let cell = if right[c] { format!("{gap}{cell}") } else { format!("{cell}{gap}") };
            line.push_str(&cell);
            line.push_str("  ");
        }
        let _ = writeln!(out, "{}", line.trim_end());
    }
    out
}

pub(crate) fn heads(messages: &Messages, keys: &[&str]) -> Vec<String> {
    keys.iter().map(|key| messages.get(&format!("col-{key}"))).collect()
}

pub(crate) fn array(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// Label and value, one a line, the values under each other.
pub(crate) fn pairs(messages: &Messages, rows: &[(&str, String)]) -> String {
    let labels: Vec<String> = rows.iter().map(|(key, _)| messages.get(key)).collect();
    let widest = labels.iter().map(|label| width(label)).max().unwrap_or(0);
    let lines = labels
        .iter()
        .zip(rows)
        .map(|(label, (_, value))| format!("  {label}{}  {value}\n", " ".repeat(widest - width(label))));
    lines.collect()
}

pub fn promises(report: &Value, messages: &Messages) -> String {
    let r = |name: &str| &report[name];
    let mut out = format!("{}\n", messages.get("report-promises-title"));
    let with_n = |text: String, n: &Value| format!("{text}  n = {}", plain(n));
    let delivery = format!(
        "{} / {} / {}",
        number(r("delivery_days_p50"), 1),
        number(r("delivery_days_p90"), 1),
        number(r("delivery_days_p95"), 1)
    );
    out += &pairs(
        messages,
        &[
            ("report-due", plain(r("due"))),
            ("report-kept", plain(r("kept"))),
            ("report-broken", plain(r("broken"))),
            ("report-never-delivered", plain(r("never_delivered"))),
            ("report-company-cancelled", plain(r("company_cancelled"))),
            ("report-cancelled", plain(r("cancelled"))),
            ("report-withdrawn", plain(r("withdrawn_by_customer"))),
            (
                "report-open",
                format!("{}  ({})", plain(r("open")), {
                    messages.with("report-at-risk", &[("n", plain(r("at_risk_now")))])
                }),
            ),
            ("report-kept-rate", percent_with(r("kept_rate"), r("kept_rate_ci"))),
            ("report-lower-bound", percent(r("kept_rate_lower_bound"))),
            ("report-over-promise", number(r("over_promise_days"), 2)),
            ("report-slack", number(r("slack_days"), 2)),
            ("report-delivery", with_n(delivery, r("delivery_days_n"))),
            (
                "report-otif-first",
                with_n(percent_with(r("otif_first"), r("otif_first_ci")), r("otif_first_n")),
            ),
            (
                "report-otif-latest",
                with_n(percent_with(r("otif_latest"), r("otif_latest_ci")), r("otif_latest_n")),
            ),
            (
                "report-score-kept",
                with_n(number_with(r("mean_score_kept"), r("mean_score_kept_ci"), 3), r("n_scores_kept")),
            ),
            (
                "report-score-broken",
                with_n(
                    number_with(r("mean_score_broken"), r("mean_score_broken_ci"), 3),
                    r("n_scores_broken"),
                ),
            ),
            ("report-top2-kept", percent_with(r("top2_kept"), r("top2_kept_ci"))),
            ("report-top2-broken", percent_with(r("top2_broken"), r("top2_broken_ci"))),
        ],
    );
    let groups = array(r("groups"));
    if !groups.is_empty() {
        let head = heads(
            messages,
            &[
                "group",
                "due",
                "kept",
                "broken",
                "kept-rate",
                "over",
                "slack",
                "p50",
                "score-kept",
                "score-broken",
            ],
        );
        let rows: Vec<Vec<String>> = groups
            .iter()
            .map(|g| {
                vec![
                    or_dash(&g["key"]),
                    plain(&g["due"]),
                    plain(&g["kept"]),
                    plain(&g["broken"]),
                    percent_with(&g["kept_rate"], &g["kept_rate_ci"]),
                    number(&g["over_promise_days"], 2),
                    number(&g["slack_days"], 2),
                    number(&g["delivery_days_p50"], 1),
                    number(&g["mean_score_kept"], 2),
                    number(&g["mean_score_broken"], 2),
                ]
            })
            .collect();
        out.push('\n');
        out += &table(&head, &rows);
    }
    let _ = write!(out, "\n{}", messages.get("report-notes"));
    out
}

pub fn import(done: &Value, messages: &Messages) -> String {
    let values = ["import", "rows", "events", "applied", "known_before", "bad_rows"]
        .map(|name| (name, plain(&done[name])));
    let mut out = messages.with(
        "import-done",
        &[
            ("name", values[0].1.clone()),
            ("rows", values[1].1.clone()),
            ("events", values[2].1.clone()),
            ("applied", values[3].1.clone()),
            ("known", values[4].1.clone()),
            ("bad", values[5].1.clone()),
        ],
    );
    out.push('\n');
    if let Some(by_name) = done["events_by_name"].as_object() {
        let rows: Vec<Vec<String>> = by_name.iter().map(|(k, v)| vec![k.clone(), plain(v)]).collect();
        out += &table(&heads(messages, &["event", "count"]), &rows);
    }
    for note in array(&done["notes"]) {
        let _ = writeln!(
            out,
            "{}",
            messages
                .with("import-note", &[("what", plain(&note["what"])), ("count", plain(&note["count"])),])
        );
    }
    out
}

pub fn profile(answer: &Value, messages: &Messages) -> String {
    let p = &answer["profile"];
    let merged: Vec<String> = array(&answer["merged_from"]).iter().map(plain).collect();
    let devices: Vec<String> = array(&p["anonymous_ids"]).iter().map(plain).collect();
    let counts = &p["promises"];
    let mut out = pairs(
        messages,
        &[
            ("profile-id", plain(&p["entity"])),
            ("profile-user", or_dash(&p["user_id"])),
            ("profile-name", or_dash(&p["name"])),
            ("profile-devices", if devices.is_empty() { "–".into() } else { devices.join(", ") }),
            ("profile-merged", if merged.is_empty() { "–".into() } else { merged.join(", ") }),
            ("profile-seen", format!("{} – {}", or_dash(&p["first_seen"]), or_dash(&p["last_seen"]))),
            ("profile-events", plain(&p["event_count"])),
            (
                "profile-promises",
                messages.with(
                    "profile-promise-counts",
                    &["made", "open", "kept", "broken", "withdrawn"].map(|n| (n, plain(&counts[n]))),
                ),
            ),
            ("profile-traits", or_dash(&p["traits"])),
        ],
    );
    let orders = array(&answer["orders"]);
    if !orders.is_empty() {
        let rows: Vec<Vec<String>> = orders
            .iter()
            .map(|o| {
                let columns = ["order_id", "state", "placed_at", "shipped_at", "delivered_at", "region"];
                columns.iter().map(|name| or_dash(&o[*name])).collect()
            })
            .collect();
        let head = heads(messages, &["order", "state", "placed", "shipped", "delivered", "region"]);
        let _ = write!(out, "\n{}\n{}", messages.get("profile-orders"), table(&head, &rows));
    }
    let promises = array(&answer["promises"]);
    if !promises.is_empty() {
        let rows: Vec<Vec<String>> = promises
            .iter()
            .map(|o| {
                vec![
                    or_dash(&o["promise_id"]),
                    status_name(&o["status"], messages),
                    or_dash(&o["first_due_at"]),
                    or_dash(&o["due_at"]),
                    or_dash(&o["time_zone"]),
                    or_dash(&o["fulfilled_at"]),
                ]
            })
            .collect();
        let head = heads(messages, &["promise", "status", "first-due", "due-at", "zone", "fulfilled"]);
        let _ = write!(out, "\n{}\n{}", messages.get("profile-promise-list"), table(&head, &rows));
    }
    let timeline = array(&answer["timeline"]);
    if !timeline.is_empty() {
        let _ = writeln!(out, "\n{}", messages.get("profile-timeline"));
        if answer["timeline_earlier"].as_u64().unwrap_or(0) > 0 {
            let values = [("n", plain(&answer["timeline_earlier"]))];
            let _ = writeln!(out, "  {}", messages.with("profile-earlier", &values));
        }
        for event in timeline {
            let _ = writeln!(out, "  {}", event_line(event));
        }
    }
    out
}

fn status_name(status: &Value, messages: &Messages) -> String {
    let name = plain(status);
    let key = format!("status-{}", name.replace('_', "-"));
    if messages.has(&key) { messages.get(&key) } else { name }
}

fn event_line(event: &Value) -> String {
    let name = match plain(&event["event"]) {
        name if name.is_empty() => plain(&event["type"]),
        name => name,
    };
    let who = [&event["userId"], &event["anonymousId"]].map(plain);
    let who = who.into_iter().find(|id| !id.is_empty()).unwrap_or_default();
    let about = ["order_id", "product_id", "promise_id"].map(|name| plain(&event["properties"][name]));
    let about = about.into_iter().find(|id| !id.is_empty()).unwrap_or_default();
    format!(
        "{}  {:<26} {:<20} {} {}",
        or_dash(&event["timestamp"]),
        name,
        who,
        or_dash(&event["channel"]),
        about
    )
    .trim_end()
    .to_owned()
}

/// What happened around some orders of one customer: needs, promises, what was asked for and done, in order.
pub fn chain(profile: &Value, effects: &Value, orders: &[&str], messages: &Messages) -> String {
    let mut lines: Vec<(String, u8, String)> = Vec::new();
    let first_order_at = array(&profile["timeline"])
        .iter()
        .find(|event| orders.contains(&plain(&event["properties"]["order_id"]).as_str()))
        .map(|event| plain(&event["timestamp"]))
        .unwrap_or_default();
    let mut before = Vec::new();
    for event in array(&profile["timeline"]) {
        let order = plain(&event["properties"]["order_id"]);
        let at = plain(&event["timestamp"]);
        let name = match plain(&event["event"]) {
            name if name.is_empty() => plain(&event["type"]),
            name => name,
        };
        let line = format!("{name} {order} [{}]", or_dash(&event["channel"]));
        if orders.contains(&order.as_str()) {
            lines.push((at, 0, line));
        } else if order.is_empty() && at <= first_order_at {
            before.push((at, 0, line));
        }
    }
    // What led to the first of the orders: the last few steps before it.
    let skip = before.len().saturating_sub(4);
    lines.extend(before.into_iter().skip(skip));
    let is_theirs = |promise: &str| orders.iter().any(|order| promise.ends_with(order));
    for step in array(&profile["history"]) {
        let promise = plain(&step["promise_id"]);
        if is_theirs(&promise) {
            let text =
                format!("→ {} {promise} {}", plain(&step["fact"]), or_dash(&step["detail"]).replace('–', ""));
            lines.push((plain(&step["at"]), 1, text));
        }
    }
    for effect in array(effects) {
        if orders.contains(&plain(&effect["order_id"]).as_str()) {
            let values = [
                ("kind", plain(&effect["kind"])),
                ("reason", plain(&effect["reason"])),
                ("state", plain(&effect["state"])),
            ];
            lines.push((plain(&effect["first_at"]), 2, messages.with("chain-effect", &values)));
        }
    }
    lines.sort();
    lines.into_iter().map(|(at, _, text)| format!("  {}  {}\n", brief(at), text.trim_end())).collect()
}

pub fn profiles(rows: &Value, messages: &Messages) -> String {
    let head = heads(messages, &["profile", "user", "name", "events", "orders", "last-seen"]);
    let rows: Vec<Vec<String>> = array(rows)
        .iter()
        .map(|row| {
            let columns = ["entity", "user_id", "name", "event_count", "orders", "last_seen"];
            columns.iter().map(|name| or_dash(&row[*name])).collect()
        })
        .collect();
    table(&head, &rows)
}

pub fn erased(answer: &Value, messages: &Messages) -> String {
    let ids: Vec<String> = array(&answer["erased"]).iter().map(plain).collect();
    messages.with("erased", &[("ids", ids.join(", "))])
}

pub fn tail_line(item: &Value, messages: &Messages) -> String {
    match item["type"].as_str() {
        Some("fact") => format!(
            "{}  → {} {} {}",
            or_dash(&item["at"]),
            plain(&item["event"]),
            plain(&item["entity"]),
            plain(&item["detail"])
        ),
        Some("skipped") => messages.with(
            "tail-skipped",
            &[("position", plain(&item["position"])), ("reason", plain(&item["reason"]))],
        ),
        Some("violation") => {
            let values = ["event", "source", "sender", "detail"].map(|name| (name, or_dash(&item[name])));
            let key = if item["blocked"] == true { "tail-blocked" } else { "tail-violation" };
            messages.with(key, &values)
        }
        _ => event_line(item),
    }
}

pub fn dead_letters(rows: &Value, messages: &Messages) -> String {
    if array(rows).is_empty() {
        return messages.get("dead-letters-none");
    }
    let mut out = String::new();
    for row in array(rows) {
        let values = ["seq", "source", "code", "place", "reason"].map(|name| (name, or_dash(&row[name])));
        let _ = writeln!(out, "{}", messages.with("dead-letter", &values));
        let raw = plain(&row["raw"]);
        let _ = writeln!(out, "    {}", raw.chars().take(200).collect::<String>());
    }
    out
}

pub fn replayed(answer: &Value, messages: &Messages) -> String {
    let count = |name: &str| array(&answer[name]).len().to_string();
    let mut out =
        messages.with("replayed", &[("replayed", count("replayed")), ("refused", count("still_refused"))]);
    for row in array(&answer["still_refused"]) {
        let _ = write!(out, "\n  {}: {}", plain(&row["seq"]), plain(&row["reason"]));
    }
    out
}

pub fn key_created(answer: &Value, messages: &Messages) -> String {
    let values = [("name", plain(&answer["name"])), ("key", plain(&answer["write_key"]))];
    messages.with("key-created", &values)
}

pub fn keys(rows: &Value, messages: &Messages) -> String {
    let head =
        heads(messages, &["source", "promises-key", "orders-key", "only-customers", "created", "revoked"]);
    let rows: Vec<Vec<String>> = array(rows)
        .iter()
        .map(|row| {
            let mark = |name: &str| if row[name] == true { "✓" } else { "-" }.to_owned();
            let marks = ["promises", "orders", "only_customers"].map(mark);
            let dates = [&row["created_at"], &row["revoked_at"]].map(or_dash);
            [plain(&row["source"])].into_iter().chain(marks).chain(dates).collect()
        })
        .collect();
    table(&head, &rows)
}

pub fn key_revoked(answer: &Value, messages: &Messages) -> String {
    messages.with("key-revoked", &[("name", plain(&answer["revoked"]))])
}

pub fn webhook_connected(answer: &Value, messages: &Messages) -> String {
    let values = ["name", "path", "secret"].map(|name| (name, plain(&answer[name])));
    let key = match (&answer["kept"], &answer["signed"]) {
        (Value::Bool(true), _) => "webhook-new-map",
        (_, Value::Bool(true)) => "webhook-signed",
        _ => "webhook-unsigned",
    };
    messages.with(key, &values)
}

pub fn webhooks(rows: &Value, messages: &Messages) -> String {
    let head = heads(messages, &["name", "source", "connected", "detail"]);
    let rows: Vec<Vec<String>> = array(rows)
        .iter()
        .map(|row| {
            ["name", "source", "connected_at", "problem"].iter().map(|name| or_dash(&row[*name])).collect()
        })
        .collect();
    table(&head, &rows)
}

pub fn webhook_disconnected(answer: &Value, messages: &Messages) -> String {
    messages.with("webhook-disconnected", &[("name", plain(&answer["disconnected"]))])
}

pub fn broker_connected(answer: &Value, messages: &Messages) -> String {
    let topics: Vec<String> = array(&answer["topics"]).iter().map(plain).collect();
    let values = ["name", "url", "client_id", "source"].map(|name| (name, plain(&answer[name])));
    messages.with("broker-connected", &[&values[..], &[("topics", topics.join(", "))]].concat())
}

pub fn brokers(rows: &Value, messages: &Messages) -> String {
    let columns = ["name", "url", "source", "connected", "received", "acknowledged", "refused", "detail"];
    let head = heads(messages, &columns);
    let rows: Vec<Vec<String>> = array(rows)
        .iter()
        .map(|row| {
            let live = &row["live"];
            let problem =
                if row["problem"].is_null() { &live["last_error"]["message"] } else { &row["problem"] };
            let cells = [
                &row["name"],
                &row["url"],
                &row["source"],
                &live["connected_since"],
                &live["received"],
                &live["acknowledged"],
                &live["refused"],
                problem,
            ];
            cells.map(or_dash).to_vec()
        })
        .collect();
    table(&head, &rows)
}

pub fn broker_disconnected(answer: &Value, messages: &Messages) -> String {
    let values = [("name", plain(&answer["disconnected"])), ("id", or_dash(&answer["client_id"]))];
    messages.with("broker-disconnected", &values)
}

/// A device's message with what the map makes of it.
pub fn broker_message(message: &Value, messages: &Messages) -> String {
    let retained = if message["retained"] == true { messages.get("broker-retained") } else { String::new() };
    let mut out = format!("{}{retained}", plain(&message["topic"]));
    for event in array(&message["events"]) {
        let _ = write!(out, "\n{}", serde_json::to_string_pretty(event).unwrap_or_default());
    }
    if message["refused"].is_object() {
        let values = ["code", "reason"].map(|name| (name, plain(&message["refused"][name])));
        let _ = write!(out, "\n{}", messages.with("broker-message-refused", &values));
    }
    out
}

/// The events that a map makes, one after the other as they would be sent.
pub fn map_checked(answer: &Value, messages: &Messages) -> String {
    let source = ("source", plain(&answer["source"]));
    let Some(events) = answer["events"].as_array() else { return messages.with("map-sound", &[source]) };
    let mut out = messages.with("map-makes", &[source, ("count", events.len().to_string())]);
    for event in events {
        let _ = write!(out, "\n{}", serde_json::to_string_pretty(event).unwrap_or_default());
    }
    out
}

pub fn effects(rows: &Value, messages: &Messages) -> String {
    let head = heads(messages, &["at", "kind", "state", "order", "reason", "detail"]);
    let rows: Vec<Vec<String>> = array(rows)
        .iter()
        .map(|row| {
            let columns = ["first_at", "kind", "state", "order_id", "reason", "detail"];
            columns.iter().map(|name| or_dash(&row[*name])).collect()
        })
        .collect();
    table(&head, &rows)
}

pub fn switch(answer: &Value, messages: &Messages) -> String {
    messages.get(if answer["effects_on"].as_bool() == Some(true) { "effects-on" } else { "effects-off" })
}

pub fn status(answer: &Value, messages: &Messages) -> String {
    let rows = [
        ("status-store", "store"),
        ("status-intake", "intake"),
        ("status-applied", "applied"),
        ("status-duplicates", "duplicates"),
        ("status-backlog", "backlog"),
        ("status-journal", "journal"),
        ("status-views", "views"),
        ("status-subjects", "subjects"),
    ];
    let mut out = pairs(messages, &rows.map(|(key, name)| (key, plain(&answer[name]))));
    for note in array(&answer["notes"]) {
        let _ = writeln!(out, "  {}", messages.with("serve-note", &[("note", plain(note))]));
    }
    out
}

/// How far the journal has been folded again; shown where somebody looks and it takes long.
pub fn replay_progress(done: u64, of: u64) {
    use std::sync::OnceLock;
    use std::time::Instant;
    static BEGUN: OnceLock<Instant> = OnceLock::new();
    let begun = *BEGUN.get_or_init(Instant::now);
    let elapsed = begun.elapsed();
    if elapsed.as_secs() < 1 || !std::io::stderr().is_terminal() {
        return;
    }
    let left = elapsed.mul_f64((of.saturating_sub(done)) as f64 / done.max(1) as f64);
    let end = if done == of { "\n" } else { "" };
    eprint!("\r{done}/{of} journal entries folded, ETA {} s   {end}", left.as_secs());
}
