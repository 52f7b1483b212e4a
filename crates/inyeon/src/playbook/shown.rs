//! Answers about playbooks as text.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde_json::Value;

use crate::i18n::Messages;
use crate::plan::yaml;
use crate::render::{array, heads, or_dash, plain, table};

pub(super) fn begun(answer: &Value, messages: &Messages) -> String {
    messages.with("playbook-begun", &[("file", plain(&answer["file"]))])
}

pub(super) fn checked(answer: &Value, messages: &Messages) -> String {
    let mut out = String::new();
    for file in array(&answer["files"]) {
        let name = plain(&file["file"]);
        for problem in array(&file["problems"]) {
            let place = match (problem["line"].as_u64(), problem["column"].as_u64()) {
                (Some(line), Some(column)) => format!("{name}:{line}:{column}"),
                _ => name.clone(),
            };
            let severity = messages.get(&format!("playbook-{}", plain(&problem["severity"])));
            let _ = writeln!(out, "{place}: {severity}: {}", plain(&problem["cause"]));
            let pointer = plain(&problem["pointer"]);
            if !pointer.is_empty() {
                let _ = writeln!(out, "    {pointer}");
            }
            let _ = writeln!(out, "    → {}", plain(&problem["remedy"]));
        }
        if file["sound"] == true {
            let warnings = array(&file["problems"]).len().to_string();
            let values = [("file", name), ("playbook", plain(&file["playbook"])), ("warnings", warnings)];
            let key =
                if array(&file["problems"]).is_empty() { "playbook-sound" } else { "playbook-sound-but" };
            let _ = writeln!(out, "{}", messages.with(key, &values));
        }
    }
    out.trim_end().to_owned()
}

pub(super) fn explained(answer: &Value, _: &Messages) -> String {
    let mut out = String::new();
    for section in array(&answer["sections"]) {
        let _ = writeln!(out, "{}", plain(&section["title"]));
        for line in array(&section["lines"]) {
            let _ = writeln!(out, "  {}", plain(line));
        }
        out.push('\n');
    }
    out.trim_end().to_owned()
}

pub(super) fn published(answer: &Value, messages: &Messages) -> String {
    let mut out = String::new();
    for row in array(&answer["published"]) {
        let values = [("playbook", plain(&row["playbook"])), ("version", plain(&row["version"]))];
        let key = if row["published"] == true { "playbook-published" } else { "playbook-same" };
        let _ = writeln!(out, "{}", messages.with(key, &values));
        for warning in array(&row["warnings"]) {
            let _ = writeln!(
                out,
                "  {}: {} → {}",
                messages.get("playbook-warning"),
                plain(&warning["cause"]),
                plain(&warning["remedy"])
            );
        }
    }
    out.trim_end().to_owned()
}

pub(super) fn list(answer: &Value, messages: &Messages) -> String {
    let row = |row: &Value| {
        let versions: Vec<String> = array(&row["versions"]).iter().map(plain).collect();
        let current = match row["current"].as_u64() {
            Some(version) => version.to_string(),
            None => messages.get("playbook-off-word"),
        };
        vec![
            plain(&row["playbook"]),
            current,
            versions.join(", "),
            or_dash(&row["category"]),
            or_dash(&row["title"][messages.lang.tag()]),
            or_dash(&row["owners"]["marketing"]),
            or_dash(&row["owners"]["operations"]),
        ]
    };
    let rows: Vec<Vec<String>> = array(answer).iter().map(row).collect();
    if rows.is_empty() {
        return messages.get("playbooks-none");
    }
    let columns = ["playbook", "current", "versions", "category", "title", "marketing", "operations"];
    table(&heads(messages, &columns), &rows)
}

/// As a document that can be changed and published again.
pub(super) fn show(answer: &Value, messages: &Messages) -> String {
    let values = [("playbook", plain(&answer["playbook"])), ("version", plain(&answer["version"]))];
    let key = match answer["current"] == answer["version"] {
        true => "playbook-holds",
        false => "playbook-holds-not",
    };
    format!("# {}\n{}", messages.with(key, &values), yaml::write(&answer["document"], &BTreeMap::new()))
}

pub(super) fn switched(answer: &Value, messages: &Messages) -> String {
    let values = [("playbook", plain(&answer["playbook"])), ("version", plain(&answer["current"]))];
    let key = match (answer["current"].is_null(), answer["changed"] == true) {
        (true, true) => "playbook-switched-off",
        (true, false) => "playbook-off-already",
        (false, true) => "playbook-rolled-back",
        (false, false) => "playbook-same",
    };
    messages.with(key, &values)
}

#[cfg(test)]
mod tests {
    use engine::playbook::Playbook;

    use super::*;
    use crate::i18n::Lang;

    /// What is shown can be published again.
    #[test]
    fn a_playbook_that_is_shown_reads_as_the_same() {
        for text in [
            include_str!("../../../../playbooks/toner.yaml"),
            include_str!("../../../../playbooks/milk.yaml"),
            include_str!("../../../../playbooks/office.yaml"),
        ] {
            let playbook: Playbook = serde_saphyr::from_str(text).unwrap();
            let answer =
                serde_json::json!({ "playbook": "p", "version": 1, "current": 1, "document": playbook });
            let shown = show(&answer, &Messages::new(Lang::En));
            let again: Playbook = serde_saphyr::from_str(&shown).unwrap();
            assert_eq!(again, playbook, "{shown}");
        }
    }
}
