//! What a new plan changes: which events and fields come and go, and which become stricter or looser.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::{Map, Value};

use super::{Document, EventSpec, OnViolation, Unplanned, escaped};

/// One thing that a new plan changes.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct PlanChange {
    /// The event's name in the plan; empty where it is about all events.
    pub event: String,
    /// A JSON pointer into its properties or traits; empty where it is about the whole event.
    pub field: String,
    pub change: Change,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    Added,
    Removed,
    /// Something that was sound may be a violation now.
    Stricter,
    /// Something that was a violation may be sound now.
    Looser,
    /// Both, or nobody can say which.
    Changed,
    /// What it may be used for.
    Purpose,
}

impl Change {
    /// The name of its text in the catalogues, after `plan-change-`.
    pub fn name(self) -> &'static str {
        match self {
            Change::Added => "added",
            Change::Removed => "removed",
            Change::Stricter => "stricter",
            Change::Looser => "looser",
            Change::Changed => "changed",
            Change::Purpose => "purpose",
        }
    }
}

/// Keywords that ask nothing of anybody.
const NOTES: [&str; 10] = [
    "$comment",
    "$schema",
    "default",
    "deprecated",
    "description",
    "examples",
    "purpose",
    "readOnly",
    "title",
    "writeOnly",
];
/// Keywords that are followed field by field.
const STRUCTURE: [&str; 3] = ["items", "properties", "required"];

/// What differs between two plans, by event and field.
pub fn changes(old: &Document, new: &Document) -> Vec<PlanChange> {
    let mut changes = Vec::new();
    let mut note = |event: &str, field: &str, change| {
        changes.push(PlanChange { event: event.to_owned(), field: field.to_owned(), change });
    };
    let strictness = |unplanned| match unplanned {
        Unplanned::Allow => 0,
        Unplanned::Keep => 1,
        Unplanned::Block => 2,
    };
    if let Some(change) = step(strictness(old.unplanned_events), strictness(new.unplanned_events)) {
        note("", "", change);
    }
    let names: BTreeSet<&String> = old.events.keys().chain(new.events.keys()).collect();
    for name in names {
        match (old.events.get(name), new.events.get(name)) {
            (None, Some(_)) => note(name, "", Change::Added),
            (Some(_), None) => note(name, "", Change::Removed),
            (Some(old), Some(new)) => of_event(old, new, &mut |field, change| note(name, field, change)),
            (None, None) => {}
        }
    }
    changes
}

/// Whether a step between two degrees of strictness goes up or down.
fn step<T: Ord>(old: T, new: T) -> Option<Change> {
    match old.cmp(&new) {
        std::cmp::Ordering::Less => Some(Change::Stricter),
        std::cmp::Ordering::Equal => None,
        std::cmp::Ordering::Greater => Some(Change::Looser),
    }
}

fn of_event(old: &EventSpec, new: &EventSpec, note: &mut impl FnMut(&str, Change)) {
    let degree = |spec: &EventSpec| (spec.on_violation == OnViolation::Block, spec.purpose_required);
    let ((old_blocks, old_purposes), (new_blocks, new_purposes)) = (degree(old), degree(new));
    let steps = [step(old_blocks, new_blocks), step(old_purposes, new_purposes)];
    if let Some(change) = together(steps.into_iter().flatten()) {
        note("", change);
    }
    let (old, new) = (fields(&old.schema), fields(&new.schema));
    let pointers: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    for pointer in pointers {
        match (old.get(pointer), new.get(pointer)) {
            (None, Some(_)) => note(pointer, Change::Added),
            (Some(_), None) => note(pointer, Change::Removed),
            (Some(old), Some(new)) => {
                if let Some(change) = of_field(old, new) {
                    note(pointer, change);
                }
            }
            (None, None) => {}
        }
    }
}

/// Several changes of one thing, as one.
fn together(changes: impl Iterator<Item = Change>) -> Option<Change> {
    changes.reduce(|one, other| if one == other { one } else { Change::Changed })
}

/// What a schema asks of one field.
#[derive(Default)]
struct Field<'s> {
    required: bool,
    rules: Map<String, Value>,
    purpose: Option<&'s Value>,
}

/// A schema's fields by their pointers.
fn fields(schema: &Value) -> BTreeMap<String, Field<'_>> {
    let mut all = BTreeMap::new();
    collect(schema, String::new(), false, &mut all);
    all
}

fn collect<'s>(schema: &'s Value, pointer: String, required: bool, all: &mut BTreeMap<String, Field<'s>>) {
    let mut field = Field { required, ..Field::default() };
    match schema {
        Value::Object(keywords) => {
            let names: BTreeSet<&str> = keywords
                .get("required")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .collect();
            if let Some(Value::Object(members)) = keywords.get("properties") {
                for (name, schema) in members {
                    let pointer = format!("{pointer}/{}", escaped(name));
                    collect(schema, pointer, names.contains(name.as_str()), all);
                }
            }
            // A field may be required of which nothing else is said.
            for name in &names {
                let pointer = format!("{pointer}/{}", escaped(name));
                all.entry(pointer).or_insert_with(|| Field { required: true, ..Field::default() });
            }
            if let Some(items) = keywords.get("items") {
                collect(items, format!("{pointer}/*"), false, all);
            }
            let rules = keywords.iter().filter(|(name, value)| {
                let open = name.as_str() == "additionalProperties" && **value == Value::Bool(true);
                !open && !NOTES.contains(&name.as_str()) && !STRUCTURE.contains(&name.as_str())
            });
            field.rules = rules.map(|(name, value)| (name.clone(), value.clone())).collect();
            field.purpose = keywords.get("purpose");
        }
        Value::Bool(false) => drop(field.rules.insert("false".to_owned(), Value::Bool(false))),
        _ => {}
    }
    all.insert(pointer, field);
}

fn of_field(old: &Field<'_>, new: &Field<'_>) -> Option<Change> {
    let names: BTreeSet<&String> = old.rules.keys().chain(new.rules.keys()).collect();
    let rules = names.into_iter().filter_map(|name| match (old.rules.get(name), new.rules.get(name)) {
        (None, Some(_)) => Some(Change::Stricter),
        (Some(_), None) => Some(Change::Looser),
        (Some(old), Some(new)) if old != new => Some(of_rule(name, old, new)),
        _ => None,
    });
    let purpose = (old.purpose != new.purpose).then_some(Change::Purpose);
    together(step(old.required, new.required).into_iter().chain(rules)).or(purpose)
}

/// Whether a rule that stood there before asks for more now.
fn of_rule(name: &str, old: &Value, new: &Value) -> Change {
    match name {
        "type" | "enum" => {
            let (old, new) = (values(old), values(new));
            let within = |one: &[&Value], other: &[&Value]| one.iter().all(|value| allows(other, value));
            match (within(&new, &old), within(&old, &new)) {
                (true, false) => Change::Stricter,
                (false, true) => Change::Looser,
                _ => Change::Changed,
            }
        }
        "maximum" | "exclusiveMaximum" | "maxLength" | "maxItems" | "maxProperties" | "maxContains" => {
            by_number(new, old)
        }
        "minimum" | "exclusiveMinimum" | "minLength" | "minItems" | "minProperties" | "minContains" => {
            by_number(old, new)
        }
        _ => Change::Changed,
    }
}

fn values(value: &Value) -> Vec<&Value> {
    value.as_array().map_or_else(|| vec![value], |values| values.iter().collect())
}

/// Whether a type or value is among others; every integer is a number.
fn allows(others: &[&Value], value: &Value) -> bool {
    others.contains(&value) || *value == "integer" && others.iter().any(|other| **other == "number")
}

fn by_number(lower: &Value, higher: &Value) -> Change {
    match lower.as_f64().partial_cmp(&higher.as_f64()) {
        Some(std::cmp::Ordering::Less) => Change::Stricter,
        Some(std::cmp::Ordering::Greater) => Change::Looser,
        _ => Change::Changed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(events: &str) -> Document {
        Document::parse(&format!("plan: 1\npurposes: {{a: x, b: y}}\nevents:\n{events}"), "plan").unwrap()
    }

    fn between(old: &str, new: &str) -> Vec<(String, String, Change)> {
        let changes = changes(&plan(old), &plan(new));
        changes.into_iter().map(|c| (c.event, c.field, c.change)).collect()
    }

    #[test]
    fn each_change_has_its_place_and_direction() {
        let old = "  A:
    schema:
      required: [id]
      properties:
        id: {type: string}
        n: {type: [integer, 'null'], maximum: 9}
        list: {type: array, items: {type: object, properties: {x: {enum: [a, b]}}}}
        gone: {type: string}
        why: {purpose: a}
        mixed: {type: string, minLength: 3}
  B: {}
";
        let new = "  A:
    on_violation: block
    schema:
      required: [n]
      properties:
        id: {type: string}
        n: {type: integer, maximum: 7}
        list: {type: array, items: {type: object, properties: {x: {enum: [a, b, c]}}}}
        come: {type: string}
        why: {purpose: [a, b]}
        mixed: {type: [string, number], minLength: 4}
  C: {}
";
        let expected = [
            ("A", "", Change::Stricter),
            ("A", "/come", Change::Added),
            ("A", "/gone", Change::Removed),
            ("A", "/id", Change::Looser),
            ("A", "/list/*/x", Change::Looser),
            ("A", "/mixed", Change::Changed),
            ("A", "/n", Change::Stricter),
            ("A", "/why", Change::Purpose),
            ("B", "", Change::Removed),
            ("C", "", Change::Added),
        ];
        let expected = expected.map(|(event, field, change)| (event.to_owned(), field.to_owned(), change));
        assert_eq!(between(old, new), expected);
        assert_eq!(between(old, old), []);
    }

    #[test]
    fn integers_are_numbers() {
        let narrowed = between("  A: {schema: {type: number}}", "  A: {schema: {type: integer}}");
        assert_eq!(narrowed, [("A".to_owned(), String::new(), Change::Stricter)]);
    }
}
