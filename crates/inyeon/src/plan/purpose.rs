//! What fields are for. The keyword `purpose` (a name, or a list of names, of the plan's `purposes`) stands in the
//! schema of a field and covers everything beneath it.

use std::collections::{BTreeMap, BTreeSet};

use jsonschema::Validator;
use rustc_hash::FxHashMap;
use serde_json::{Value, json};

use super::judge::Found;
use super::{Document, escaped, schema};
use crate::error::Failure;

/// The rule that a field without a purpose breaks.
pub(super) const RULE: &str = "purpose";
/// References that lead to references; a schema that describes a tree of any depth stops being followed here.
const DEPTH_MAX: usize = 32;

/// Where a schema states purposes, as a tree of the same shape.
#[derive(Default)]
pub(super) struct Stated {
    /// This and everything beneath it has a purpose.
    covered: bool,
    members: FxHashMap<Box<str>, Stated>,
    patterns: Vec<(Validator, Stated)>,
    /// Of members that are not named.
    others: Option<Box<Stated>>,
    /// Of a list's elements.
    items: Option<Box<Stated>>,
}

impl Stated {
    /// Reads the purposes of a schema that was compiled before.
    pub(super) fn of(schema: &Value) -> Self {
        let mut stated = Stated::default();
        stated.read(schema, schema, DEPTH_MAX);
        stated
    }

    fn read(&mut self, schema: &Value, root: &Value, depth: usize) {
        let (Value::Object(keywords), Some(depth)) = (schema, depth.checked_sub(1)) else { return };
        if keywords.contains_key("purpose") {
            self.covered = true;
        }
        for (keyword, value) in keywords {
            match (keyword.as_str(), value) {
                ("$ref", Value::String(target)) => {
                    if let Some(target) = target.strip_prefix('#').and_then(|path| root.pointer(path)) {
                        self.read(target, root, depth);
                    }
                }
                ("allOf" | "anyOf" | "oneOf", Value::Array(schemas)) => {
                    schemas.iter().for_each(|schema| self.read(schema, root, depth));
                }
                ("then" | "else", schema) => self.read(schema, root, depth),
                ("dependentSchemas", Value::Object(schemas)) => {
                    schemas.values().for_each(|schema| self.read(schema, root, depth));
                }
                ("properties", Value::Object(schemas)) => {
                    for (name, schema) in schemas {
                        self.members.entry(name.as_str().into()).or_default().read(schema, root, depth);
                    }
                }
                ("patternProperties", Value::Object(schemas)) => {
                    for (pattern, schema) in schemas {
                        let Some(pattern) = schema::small(&json!({ "pattern": pattern })) else { continue };
                        let mut stated = Stated::default();
                        stated.read(schema, root, depth);
                        self.patterns.push((pattern, stated));
                    }
                }
                ("additionalProperties" | "unevaluatedProperties", schema) => {
                    self.others.get_or_insert_default().read(schema, root, depth);
                }
                ("items", schema) => self.items.get_or_insert_default().read(schema, root, depth),
                ("prefixItems", Value::Array(schemas)) => {
                    let items = self.items.get_or_insert_default();
                    schemas.iter().for_each(|schema| items.read(schema, root, depth));
                }
                _ => {}
            }
        }
    }

    /// What is stated of a member.
    fn member(&self, name: &str) -> Option<&Stated> {
        let by_pattern = || {
            let text = Value::String(name.to_owned());
            self.patterns.iter().find(|(pattern, _)| pattern.is_valid(&text)).map(|(_, stated)| stated)
        };
        self.members.get(name).or_else(by_pattern).or(self.others.as_deref())
    }

    /// Whether something beneath it has a purpose, so that the field is one of parts and not one thing.
    fn has_parts(&self) -> bool {
        let of = |stated: &Stated| stated.covered || stated.has_parts();
        self.members.values().any(of)
            || self.patterns.iter().any(|(_, stated)| of(stated))
            || self.others.as_deref().is_some_and(of)
            || self.items.as_deref().is_some_and(of)
    }

    /// Whether every field of `value` has a purpose.
    pub(super) fn covers(&self, value: &Value) -> bool {
        self.covered
            || match value {
                Value::Object(members) => members
                    .iter()
                    .all(|(name, value)| self.member(name).is_some_and(|stated| stated.covers_field(value))),
                Value::Array(elements) => match &self.items {
                    Some(items) => elements.iter().all(|element| items.covers_field(element)),
                    None => elements.is_empty(),
                },
                _ => true,
            }
    }

    /// [`Self::covers`] of a thing that needs a purpose itself where it has no parts.
    fn covers_field(&self, value: &Value) -> bool {
        self.covered || self.is_of_parts(value) && self.covers(value)
    }

    fn is_of_parts(&self, value: &Value) -> bool {
        // Where nothing is, nothing is that could be used for anything.
        (value.is_object() || value.is_array() || value.is_null()) && self.has_parts()
    }

    /// Notes every field of `value` that has no purpose; of a field without any beneath it, the field alone.
    pub(super) fn find(&self, value: &Value, pointer: &str, found: &mut Found) {
        match value {
            _ if self.covered => {}
            Value::Object(members) => {
                for (name, value) in members {
                    let pointer = format!("{pointer}/{}", escaped(name));
                    match self.member(name) {
                        Some(stated) => stated.find_field(value, &pointer, found),
                        None => found.add(&pointer, RULE, ""),
                    }
                }
            }
            Value::Array(elements) => match &self.items {
                Some(items) => {
                    let pointer = format!("{pointer}/*");
                    elements.iter().for_each(|element| items.find_field(element, &pointer, found));
                }
                None if elements.is_empty() => {}
                None => found.add(pointer, RULE, ""),
            },
            _ => {}
        }
    }

    fn find_field(&self, value: &Value, pointer: &str, found: &mut Found) {
        if self.covered {
            return;
        }
        match self.is_of_parts(value) {
            true => self.find(value, pointer, found),
            false => found.add(pointer, RULE, ""),
        }
    }

    /// The fields that the schema names and states no purpose for.
    pub(super) fn unstated(&self, pointer: &str, fields: &mut Vec<String>) {
        if self.covered {
            return;
        }
        let named =
            self.members.iter().map(|(name, stated)| (format!("{pointer}/{}", escaped(name)), stated));
        let items = self.items.iter().map(|items| (format!("{pointer}/*"), &**items));
        for (pointer, stated) in named.chain(items) {
            match stated.members.is_empty() && stated.items.is_none() {
                true if !stated.covered => fields.push(pointer),
                true => {}
                false => stated.unstated(&pointer, fields),
            }
        }
    }
}

/// Checks that each purpose in an event's schema is one of the plan's, and notes those that are used.
pub(super) fn check(
    event: &str,
    schema: &Value,
    known: &BTreeMap<String, String>,
    used: &mut BTreeSet<String>,
) -> Result<(), Failure> {
    schema::each_keyword(schema, "", &mut |keyword, value, place| {
        if keyword != "purpose" {
            return Ok(());
        }
        let names = match value {
            Value::Array(names) if !names.is_empty() => names.as_slice(),
            name => std::slice::from_ref(name),
        };
        for name in names {
            match name.as_str().filter(|name| known.contains_key(*name)) {
                Some(name) => drop(used.insert(name.to_owned())),
                None => {
                    let known: Vec<&str> = known.keys().map(String::as_str).collect();
                    return Err(schema::at("plan-purpose", event, place)
                        .with("purpose", name)
                        .with("known", known.join(", ")));
                }
            }
        }
        Ok(())
    })
}

/// The plan's purposes that no field states.
pub(super) fn unused(document: &Document) -> Vec<String> {
    let mut used = BTreeSet::new();
    for (event, spec) in &document.events {
        // A plan that is looked over was compiled, so there is no other purpose in it.
        let _ = check(event, &spec.schema, &document.purposes, &mut used);
    }
    document.purposes.keys().filter(|purpose| !used.contains(*purpose)).cloned().collect()
}
