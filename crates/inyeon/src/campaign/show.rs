//! Campaigns for people: lines of at most eighty columns, in their language.

use std::fmt::Write;

use serde_json::Value;

use crate::i18n::Messages;
use crate::render::{array, cut, heads, or_dash, pairs, plain, table};

/// Rows of what is short that are shown; `--json` has all.
const ROWS_MAX: usize = 20;

pub(super) fn checked(answer: &Value, messages: &Messages) -> String {
    let verdict = messages.get(&format!("campaign-verdict-{}", plain(&answer["verdict"])));
    let values = ["campaign", "from", "until", "time_zone"].map(|name| (name, plain(&answer[name])));
    let mut head = vec![("verdict", verdict)];
    head.extend(values);
    let mut out = messages.with("campaign-checked", &head);
    let three = |name: &str| {
        let of = |size: &str| or_dash(&answer[name][size]);
        format!("{} – {} – {}", of("low"), of("likely"), of("high"))
    };
    let largest = ["likely", "high"].map(|size| match &answer["largest_audience"][size] {
        Value::Null => messages.get("campaign-no-limit"),
        people => people.to_string(),
    });
    let [largest_likely, largest_high] = largest;
    let mut rows = vec![
        ("campaign-audience", plain(&answer["audience"])),
        ("campaign-orders", three("orders")),
        ("campaign-promised", three("promised")),
        (
            "campaign-largest",
            messages.with("campaign-largest-two", &[("likely", largest_likely), ("high", largest_high)]),
        ),
    ];
    if answer["feasible"]["likely"] == false {
        let earliest = match &answer["earliest_start"] {
            Value::Null => messages.get("campaign-no-start"),
            date => plain(date),
        };
        rows.push(("campaign-earliest", earliest));
    }
    rows.push(("campaign-margin", margin(&answer["margin"], messages)));
    let _ = write!(out, "\n{}", pairs(messages, &rows));
    for region in array(&answer["margin"]["below_floor"]) {
        let share = percent(&answer["margin"]["by_region"][plain(region)]["share"]);
        let values =
            [("to", plain(region)), ("share", share), ("floor", percent(&answer["margin"]["floor"]))];
        let _ = writeln!(out, "{}", messages.with("campaign-below-floor", &values));
    }
    out += &short(answer, messages);
    if let Some(displaced) = answer["displaced"].as_object().filter(|displaced| !displaced.is_empty()) {
        let key =
            if answer["goes_first"] == true { "campaign-displaces-after" } else { "campaign-displaces" };
        for (item, units) in displaced {
            let values = [("item", item_name(item, messages)), ("units", plain(units))];
            let _ = writeln!(out, "{}", messages.with(key, &values));
        }
    }
    out += &clashes(&answer["clashes"], messages);
    out += &since(&answer["since"], messages);
    if let Some(kept) = answer["kept"].as_object() {
        let reserved = kept["reserved"].as_array().map_or(0, Vec::len);
        let key = match (reserved, kept["is_new"] == true) {
            (0, true) => "campaign-kept",
            (0, false) => "campaign-kept-already",
            (_, true) => "campaign-reserved",
            (_, false) => "campaign-reserved-already",
        };
        let values = [("campaign", plain(&answer["campaign"])), ("parts", reserved.to_string())];
        let _ = writeln!(out, "{}", messages.with(key, &values));
    }
    out
}

fn percent(value: &Value) -> String {
    value.as_f64().map_or_else(|| "–".to_owned(), |share| format!("{:.1} %", share * 100.0))
}

fn money(value: &Value) -> String {
    match value["amount"].as_str() {
        Some(amount) => format!("{} {amount}", plain(&value["currency"])),
        None => "–".to_owned(),
    }
}

fn margin(margin: &Value, messages: &Messages) -> String {
    if margin["margin"].is_null() {
        return messages.get("campaign-margin-unknown");
    }
    let values = [
        ("margin", money(&margin["margin"])),
        ("each", money(&margin["per_order"])),
        ("share", percent(&margin["share"])),
    ];
    messages.with("campaign-margin-is", &values)
}

/// What stands for other parcels has no name of its own.
fn item_name(item: &str, messages: &Messages) -> String {
    match item.starts_with('\u{1}') {
        true => messages.get("campaign-other-parcels"),
        false => item.to_owned(),
    }
}

fn short(answer: &Value, messages: &Messages) -> String {
    let all = array(&answer["short"]);
    if all.is_empty() {
        return String::new();
    }
    let rows: Vec<Vec<String>> = all
        .iter()
        .take(ROWS_MAX)
        .map(|row| {
            vec![
                plain(&row["date"]),
                cut(&plain(&row["item_id"]), 14),
                cut(&plain(&row["to"]), 10),
                plain(&row["short"]),
                cut(&because(&row["binding"][0], messages), 34),
            ]
        })
        .collect();
    let head = heads(messages, &["date", "item", "to", "short", "because"]);
    let key = format!("campaign-short-{}", plain(&answer["short_at"]));
    let mut out = format!("{}\n{}", messages.get(&key), table(&head, &rows));
    if all.len() > ROWS_MAX {
        let _ =
            writeln!(out, "{}", messages.with("campaign-more", &[("n", (all.len() - ROWS_MAX).to_string())]));
    }
    out
}

/// What stands in the way, in a few words.
fn because(binding: &Value, messages: &Messages) -> String {
    let code = plain(&binding["code"]);
    let key = match (code.as_str(), &binding["from"]) {
        ("", _) => "campaign-because-nothing".to_owned(),
        ("stock", Value::Null) => "campaign-because-stock-never".to_owned(),
        _ => format!("campaign-because-{}", code.replace('_', "-")),
    };
    let day = |value: &Value| plain(value).chars().take(10).collect::<String>();
    let values = [
        ("place", plain(&binding["place"])),
        ("resource", plain(&binding["resource"])),
        ("to", plain(&binding["to"])),
        ("from", day(&binding["from"])),
        ("available", plain(&binding["available"])),
    ];
    messages.with(&key, &values)
}

fn clashes(clashes: &Value, messages: &Messages) -> String {
    let mut out = String::new();
    for clash in array(clashes) {
        let campaigns: Vec<String> = array(&clash["campaigns"]).iter().map(plain).collect();
        let of = if clash["item_id"].is_string() { &clash["item_id"] } else { &clash["resource"] };
        let values = [
            ("of", plain(of)),
            ("from", plain(&clash["from"])),
            ("until", plain(&clash["until"])),
            ("campaigns", campaigns.join(", ")),
            ("lacking", plain(&clash["lacking"])),
        ];
        let key = format!("campaign-mark-{}-line", plain(&clash["mark"]));
        let _ = writeln!(out, "{}", messages.with(&key, &values));
    }
    out
}

fn since(since: &Value, messages: &Messages) -> String {
    if since.is_null() {
        return String::new();
    }
    let at = plain(&since["planned_at"]).chars().take(10).collect::<String>();
    if since["changed"] != true {
        return format!("{}\n", messages.with("campaign-unchanged", &[("at", at)]));
    }
    let word = |value: &Value| messages.get(&format!("campaign-word-{}", plain(value)));
    let people = |value: &Value| match &value["likely"] {
        Value::Null => messages.get("campaign-no-limit"),
        people => people.to_string(),
    };
    let values = [
        ("at", at),
        ("was", word(&since["verdict"]["was"])),
        ("is", word(&since["verdict"]["is"])),
        ("audience_was", people(&since["largest_audience"]["was"])),
        ("audience_is", people(&since["largest_audience"]["is"])),
    ];
    format!("{}\n", messages.with("campaign-changed", &values))
}

pub(super) fn list(answer: &Value, messages: &Messages) -> String {
    let all = array(answer);
    if all.is_empty() {
        return messages.get("campaign-none");
    }
    let rows: Vec<Vec<String>> = all
        .iter()
        .map(|row| {
            vec![
                cut(&plain(&row["campaign"]), 20),
                plain(&row["from"]),
                plain(&row["until"]),
                plain(&row["audience"]),
                messages.get(&format!("campaign-word-{}", plain(&row["verdict"]))),
                messages.get(&format!("campaign-state-{}", plain(&row["state"]))),
            ]
        })
        .collect();
    table(&heads(messages, &["campaign", "from", "until", "audience", "verdict", "state"]), &rows)
}

pub(super) fn calendar(answer: &Value, messages: &Messages) -> String {
    let values = [("weeks", plain(&answer["weeks"])), ("zone", plain(&answer["time_zone"]))];
    let mut out = format!("{}\n", messages.with("campaign-calendar", &values));
    for campaign in array(&answer["campaigns"]) {
        let state = messages.get(&format!("campaign-state-{}", plain(&campaign["state"])));
        let values = [
            ("campaign", plain(&campaign["campaign"])),
            ("from", plain(&campaign["from"])),
            ("until", plain(&campaign["until"])),
            ("state", state),
        ];
        let _ = writeln!(out, "{}", messages.with("campaign-calendar-row", &values));
    }
    let days = array(&answer["days"]);
    if days.is_empty() {
        out += &messages.get("campaign-calendar-empty");
        return out;
    }
    let rows: Vec<Vec<String>> = days
        .iter()
        .map(|day| {
            let of = if day["item_id"].is_string() { &day["item_id"] } else { &day["resource"] };
            let expected = &day["expected"];
            vec![
                // Without the year, which the line above says.
                plain(&day["date"]).chars().skip(5).collect(),
                cut(&plain(of), 16),
                whole(&day["there"]),
                whole(&day["committed"]),
                whole(&day["reserved"]),
                format!(
                    "{} ({}–{})",
                    whole(&expected["likely"]),
                    whole(&expected["low"]),
                    whole(&expected["high"])
                ),
                mark(&day["mark"], messages),
            ]
        })
        .collect();
    let head = heads(messages, &["day", "what", "there", "promised", "set-aside", "expected", "mark"]);
    let _ = write!(out, "\n{}{}", table(&head, &rows), clashes(&answer["clashes"], messages));
    out
}

/// Units without their fraction: a calendar is read at a glance.
fn whole(value: &Value) -> String {
    value.as_f64().map_or_else(|| "–".to_owned(), |units| format!("{units:.0}"))
}

fn mark(mark: &Value, messages: &Messages) -> String {
    match mark.as_str() {
        Some("fits") | None => String::new(),
        Some(mark) => messages.get(&format!("campaign-mark-{mark}")),
    }
}

pub(super) fn released(answer: &Value, messages: &Messages) -> String {
    let values = [("campaign", plain(&answer["campaign"])), ("parts", plain(&answer["released"]))];
    messages.with("campaign-released", &values)
}
