//! A JSON value as YAML that people like to edit: one field to a line, in an order that never changes.

use std::collections::BTreeMap;

use serde_json::Value;

use super::escaped;

/// Characters of a line beyond which an object is written one member to a line.
const LINE_CHARS: usize = 96;
/// Members that come first, in this order; the others follow by name.
const FIRST: [&str; 9] = [
    "plan",
    "purposes",
    "unplanned_events",
    "on_violation",
    "purpose_required",
    "schema",
    "type",
    "purpose",
    "required",
];
/// Plain words that YAML readers take for something else than text.
const WORDS: [&str; 10] = ["true", "false", "null", "yes", "no", "on", "off", "y", "n", "nan"];

/// Writes a value. `comments` stand, by JSON pointer, behind what they are about.
pub(crate) fn write(value: &Value, comments: &BTreeMap<String, String>) -> String {
    let mut out = String::new();
    match value {
        Value::Object(members) if !members.is_empty() => object(members, "", 0, comments, &mut out),
        other => {
            out.push_str(&inline(other));
            out.push('\n');
        }
    }
    out
}

fn object(
    members: &serde_json::Map<String, Value>,
    pointer: &str,
    depth: usize,
    comments: &BTreeMap<String, String>,
    out: &mut String,
) {
    for (name, value) in ordered(members) {
        let pointer = format!("{pointer}/{}", escaped(name));
        let comment = comments.get(&pointer).map(|text| format!("  # {text}")).unwrap_or_default();
        let line = format!("{}{}:", "  ".repeat(depth), text(name));
        match value {
            Value::Object(members) if !is_short(value, line.len()) => {
                out.push_str(&format!("{line}{comment}\n"));
                object(members, &pointer, depth + 1, comments, out);
            }
            Value::Array(elements) if !is_short(value, line.len()) => {
                out.push_str(&format!("{line}{comment}\n"));
                for element in elements {
                    out.push_str(&format!("{}- {}\n", "  ".repeat(depth + 1), inline(element)));
                }
            }
            other => out.push_str(&format!("{line} {}{comment}\n", inline(other))),
        }
    }
}

fn ordered(members: &serde_json::Map<String, Value>) -> Vec<(&String, &Value)> {
    let rank = |name: &str| FIRST.iter().position(|first| *first == name).unwrap_or(FIRST.len());
    let mut members: Vec<_> = members.iter().collect();
    members.sort_by_key(|(name, _)| (rank(name), *name));
    members
}

/// Whether a value is written on its name's line.
fn is_short(value: &Value, before: usize) -> bool {
    let flat = |value: &Value| match value {
        Value::Array(elements) => !elements.iter().any(|e| e.is_array() || e.is_object()),
        other => !other.is_object(),
    };
    let flat = match value {
        Value::Object(members) => members.is_empty() || members.values().all(flat),
        Value::Array(elements) => elements.is_empty() || flat(value),
        _ => true,
    };
    flat && before + inline(value).len() <= LINE_CHARS
}

/// A value on one line, in YAML's flow style.
fn inline(value: &Value) -> String {
    match value {
        Value::String(string) => text(string),
        Value::Array(elements) => {
            format!("[{}]", elements.iter().map(inline).collect::<Vec<_>>().join(", "))
        }
        Value::Object(members) => {
            let members = ordered(members)
                .into_iter()
                .map(|(name, value)| format!("{}: {}", text(name), inline(value)));
            format!("{{{}}}", members.collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}

/// A text, plain where nobody can take it for something else; else quoted as JSON, which YAML reads too.
fn text(text: &str) -> String {
    let plain = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.ends_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/' | ' '))
        && !WORDS.contains(&text.to_ascii_lowercase().as_str());
    if plain { text.to_owned() } else { Value::from(text).to_string() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_plan_reads_as_people_write_it() {
        let value = json!({
            "events": { "Order Completed": { "on_violation": "block", "schema": {
                "properties": { "email": { "type": "string", "format": "email", "purpose": ["a", "b"] } },
                "type": "object", "required": ["email"] } } },
            "plan": 1, "purposes": { "a": "no: really" },
        });
        let pointer = "/events/Order Completed/schema/properties/email".to_owned();
        let comments = BTreeMap::from([(pointer, "3 of 4".to_owned())]);
        assert_eq!(
            write(&value, &comments),
            r#"plan: 1
purposes: {a: "no: really"}
events:
  Order Completed:
    on_violation: block
    schema:
      type: object
      required: [email]
      properties:
        email: {type: string, purpose: [a, b], format: email}  # 3 of 4
"#
        );
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            "\\PC{0,12}".prop_map(Value::from),
            "[a-zA-Z0-9 ._:#-]{0,12}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 40, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                prop::collection::btree_map("\\PC{1,8}|[a-z]{1,30}", inner, 0..5)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(value in any_json()) {
            let value = json!({ "plan": value });
            let yaml = write(&value, &BTreeMap::new());
            let read: Value = serde_saphyr::from_str(&yaml).map_err(|e| TestCaseError::fail(format!("{e}\n{yaml}")))?;
            prop_assert_eq!(read, value, "{}", yaml);
        }
    }
}
