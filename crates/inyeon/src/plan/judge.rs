//! Holding one event against the rules of its name.

use std::collections::{BTreeMap, BTreeSet};

use jsonschema::error::ValidationErrorKind as Broken;
use jsonschema::{ValidationError, Validator};
use model::Violation;
use serde_json::Value;

use super::purpose::{self, Stated};
use super::{EventSpec, OnViolation, clip, escaped, is_field_name, schema};
use crate::error::Failure;

/// Violations of one event that are kept one by one.
const KEPT_MAX: usize = 8;
/// Violations of one event that are looked at; an event of hundreds of kilobytes must not hold up the others.
const LOOKED_AT_MAX: usize = 1_000;
/// Characters of what a rule wants.
const EXPECTED_CHARS: usize = 120;

/// What an event does against the plan.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Judgement {
    /// Whether the plan refuses the event for it.
    pub blocked: bool,
    /// At most [`KEPT_MAX`], each place and rule once.
    pub violations: Vec<Violation<'static>>,
    /// How many more there were.
    pub more: u32,
}

impl Judgement {
    pub(super) fn unplanned(blocked: bool) -> Self {
        let mut found = Found::default();
        found.add("", "unplanned_event", "");
        found.into_judgement(blocked)
    }

    /// The violations for people: `/email: purpose; /total: type (number)`.
    pub fn detail(&self) -> String {
        let one = |violation: &Violation<'_>| {
            let Violation { pointer, rule, expected } = violation;
            let place = if pointer.is_empty() { String::new() } else { format!("{pointer}: ") };
            if expected.is_empty() { format!("{place}{rule}") } else { format!("{place}{rule} ({expected})") }
        };
        let mut text = self.violations.iter().map(one).collect::<Vec<_>>().join("; ");
        if self.more > 0 {
            text.push_str(&format!("; +{}", self.more));
        }
        text
    }
}

/// Violations as they are found.
#[derive(Default)]
pub(super) struct Found {
    list: Vec<Violation<'static>>,
    more: u32,
    looked_at: usize,
}

impl Found {
    /// Notes that `rule` does not hold at `pointer`. An element of a list stands for all of them, and so does a
    /// member whose name is rather a value.
    pub(super) fn add(&mut self, pointer: &str, rule: &str, expected: &str) {
        self.looked_at += 1;
        if self.looked_at > LOOKED_AT_MAX {
            self.more = self.more.saturating_add(1);
            return;
        }
        let violation = Violation {
            pointer: shown(pointer).into(),
            rule: rule.to_owned().into(),
            expected: clip(expected, EXPECTED_CHARS).into(),
        };
        if self.list.contains(&violation) {
            return;
        }
        if self.list.len() < KEPT_MAX {
            self.list.push(violation);
        } else {
            self.more = self.more.saturating_add(1);
        }
    }

    fn is_full(&self) -> bool {
        self.looked_at > LOOKED_AT_MAX
    }

    fn into_judgement(self, blocked: bool) -> Judgement {
        Judgement { blocked, violations: self.list, more: self.more }
    }
}

/// A pointer in which no value stands.
fn shown(pointer: &str) -> String {
    let member = |part: &str| {
        let name = part.replace("~1", "/").replace("~0", "~");
        if is_field_name(&name) { part.to_owned() } else { "*".to_owned() }
    };
    pointer.split('/').skip(1).map(|part| format!("/{}", member(part))).collect()
}

/// What one entry of the plan asks of its events.
pub(super) struct Rules {
    blocks: bool,
    schema: Value,
    validator: Validator,
    /// Where purposes are required.
    purposes: Option<Stated>,
}

impl Rules {
    pub(super) fn compile(
        event: &str,
        spec: &EventSpec,
        purposes: &BTreeMap<String, String>,
    ) -> Result<Self, Failure> {
        let validator = schema::compile(event, &spec.schema)?;
        purpose::check(event, &spec.schema, purposes, &mut BTreeSet::new())?;
        Ok(Rules {
            blocks: spec.on_violation == OnViolation::Block,
            schema: spec.schema.clone(),
            validator,
            purposes: spec.purpose_required.then(|| Stated::of(&spec.schema)),
        })
    }

    /// Judges properties or traits as they were sent; what is missing is an empty object.
    pub(super) fn judge_text(&self, body: Option<&str>) -> Option<Judgement> {
        match body.map_or(Ok(Value::Null), serde_json::from_str) {
            Ok(body) => self.judge(&body),
            Err(_) => {
                let mut found = Found::default();
                found.add("", "json", "numbers and a depth that can be read");
                Some(found.into_judgement(self.blocks))
            }
        }
    }

    pub(super) fn judge(&self, body: &Value) -> Option<Judgement> {
        let empty = Value::Object(serde_json::Map::new());
        let body = if body.is_null() { &empty } else { body };
        let sound = self.validator.is_valid(body);
        let stated = self.purposes.as_ref().is_none_or(|stated| stated.covers(body));
        if sound && stated {
            return None;
        }
        let mut found = Found::default();
        if !sound {
            for error in self.validator.iter_errors(body) {
                self.note(&error, &mut found);
                if found.is_full() {
                    break;
                }
            }
        }
        if let Some(stated) = self.purposes.as_ref().filter(|_| !stated) {
            stated.find(body, "", &mut found);
        }
        Some(found.into_judgement(self.blocks))
    }

    fn note(&self, error: &ValidationError<'_>, found: &mut Found) {
        let place = error.instance_path.as_str();
        let keyword = error.schema_path.as_str();
        let rule = keyword.rsplit('/').next().unwrap_or_default();
        match &error.kind {
            Broken::Required { property } => {
                let name = escaped(property.as_str().unwrap_or_default());
                found.add(&format!("{place}/{name}"), rule, "");
            }
            Broken::AdditionalProperties { unexpected } | Broken::UnevaluatedProperties { unexpected } => {
                for name in unexpected {
                    found.add(&format!("{place}/{}", escaped(name)), rule, "");
                }
            }
            // The name of a field that must not be there ends the path.
            Broken::FalseSchema => found.add(place, "false", ""),
            _ => found.add(place, rule, &self.expected(keyword)),
        }
    }

    /// What the plan says at a keyword's place; nothing where a reference was followed.
    fn expected(&self, keyword: &str) -> String {
        match self.schema.pointer(keyword) {
            Some(Value::String(text)) => text.clone(),
            Some(value @ (Value::Number(_) | Value::Bool(_) | Value::Array(_))) => value.to_string(),
            _ => String::new(),
        }
    }
}

/// What a schema would have said, for those who look a plan over: fields without a purpose that need one.
pub(super) fn unstated(spec: &EventSpec) -> Vec<String> {
    let mut fields = Vec::new();
    if spec.purpose_required {
        Stated::of(&spec.schema).unstated("", &mut fields);
        fields.sort();
    }
    fields
}
