//! A plan from what was sent: the shape that every sample has. It repeats no values, but those of short closed sets
//! that many people have in common.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use jsonschema::Validator;
use model::EventKind;
use serde_json::{Map, Value, json};

use super::{
    Document, EventSpec, OnViolation, Unplanned, escaped, is_field_name, planned_name, schema, yaml,
};

/// Formats that are looked for, the first that fits all texts.
const FORMATS: [&str; 4] = ["date-time", "uuid", "email", "uri"];
/// A set of texts is closed where it has at most so many,
const SET_MAX: usize = 12;
/// was seen so often in all,
const SET_SAMPLES_MIN: u64 = 100;
/// and each of them was sent about so many people: what fewer share may say who they are.
const PEOPLE_PER_VALUE: usize = 5;
/// Bytes of a value that may be a member of a closed set; longer ones are somebody's words.
const VALUE_BYTES_MAX: usize = 32;
/// An object with more names than this is a table of keys and not a thing with fields.
const MEMBERS_MAX: usize = 64;

static VALIDATORS: LazyLock<[Option<Validator>; FORMATS.len()]> =
    LazyLock::new(|| FORMATS.map(|format| schema::small(&json!({ "format": format }))));

/// Whether a text is of [`FORMATS`]`[n]`, by the same measure that judges events.
fn is_format(n: usize, text: &Value) -> bool {
    VALIDATORS[n].as_ref().is_some_and(|validator| validator.is_valid(text))
}

/// Samples of all events.
#[derive(Default)]
pub struct Samples {
    events: BTreeMap<String, Shape>,
    taken: u64,
    passed_over: u64,
}

/// What became of the samples.
pub struct Inferred {
    pub document: Document,
    /// The document with counts beside the fields.
    pub yaml: String,
    /// Samples it was made of, and those that had no shape.
    pub samples: u64,
    pub passed_over: u64,
}

impl Samples {
    /// Takes one event: its name, its properties or traits, and whom it is about.
    pub fn take(&mut self, kind: EventKind, name: &str, body: &Value, person: Option<&str>) {
        let named = planned_name(kind, name);
        let no_name = kind == EventKind::Track && EventKind::from_name(name).is_some();
        let empty = Value::Object(Map::new());
        let body = if body.is_null() { &empty } else { body };
        if no_name || named.is_empty() || !body.is_object() {
            self.passed_over += 1;
            return;
        }
        self.taken += 1;
        let shape = match self.events.get_mut(named) {
            Some(shape) => shape,
            None => self.events.entry(named.to_owned()).or_default(),
        };
        shape.take(body, person.map(fingerprint));
    }

    /// The plan that every sample keeps.
    pub fn infer(&self) -> Inferred {
        let mut comments = BTreeMap::new();
        let mut events = BTreeMap::new();
        for (name, shape) in &self.events {
            let place = format!("/events/{}", escaped(name));
            comments.insert(place.clone(), format!("{} events", shape.seen));
            let schema = shape.schema(&format!("{place}/schema"), &mut comments);
            events.insert(
                name.clone(),
                EventSpec { on_violation: OnViolation::Keep, purpose_required: false, schema },
            );
        }
        let document = Document { unplanned_events: Unplanned::Keep, events, ..Document::empty() };
        let yaml = yaml::write(&json!(document), &comments);
        Inferred { document, yaml, samples: self.taken, passed_over: self.passed_over }
    }
}

/// Stands for a person among those who have a value in common; nothing is kept of them.
fn fingerprint(person: &str) -> u64 {
    use std::hash::Hasher;
    let mut hasher = rustc_hash::FxHasher::default();
    hasher.write(person.as_bytes());
    hasher.finish()
}

/// What was seen at one place.
#[derive(Default)]
struct Shape {
    seen: u64,
    nulls: u64,
    booleans: u64,
    integers: u64,
    fractions: u64,
    texts: Texts,
    arrays: u64,
    items: Option<Box<Shape>>,
    objects: u64,
    members: BTreeMap<String, Shape>,
    /// Once the members turned out to be keys of a table: what lies under all of them.
    table: Option<Box<Shape>>,
}

/// Texts at one place.
#[derive(Default)]
struct Texts {
    seen: u64,
    /// Formats that some text was not of.
    not: [bool; FORMATS.len()],
    /// Those that may be a closed set, each with some of the people who sent it.
    values: BTreeMap<String, BTreeSet<u64>>,
    open: bool,
}

impl Texts {
    fn take(&mut self, value: &Value, text: &str, person: Option<u64>) {
        self.seen += 1;
        for (n, not) in self.not.iter_mut().enumerate() {
            *not = *not || !is_format(n, value);
        }
        if self.open {
            return;
        }
        if text.len() > VALUE_BYTES_MAX || !is_field_name(text) {
            self.close_to_values();
            return;
        }
        let people = self.values.entry(text.to_owned()).or_default();
        if people.len() < PEOPLE_PER_VALUE {
            people.extend(person);
        }
        if self.values.len() > SET_MAX {
            self.close_to_values();
        }
    }

    /// The texts are no closed set, and are not looked at any more.
    fn close_to_values(&mut self) {
        self.open = true;
        self.values.clear();
    }

    fn absorb(&mut self, other: Texts) {
        self.seen += other.seen;
        for (not, also) in self.not.iter_mut().zip(other.not) {
            *not |= also;
        }
        self.open |= other.open;
        for (value, people) in other.values {
            self.values.entry(value).or_default().extend(people);
        }
        if self.open || self.values.len() > SET_MAX {
            self.close_to_values();
        }
    }

    fn format(&self) -> Option<&'static str> {
        FORMATS.iter().zip(self.not).find_map(|(format, not)| (!not && self.seen > 0).then_some(*format))
    }

    fn closed_set(&self) -> Option<Vec<&String>> {
        let shared = |people: &BTreeSet<u64>| people.len() >= PEOPLE_PER_VALUE;
        let closed = !self.open
            && self.values.len() > 1
            && self.seen >= SET_SAMPLES_MIN
            && self.values.values().all(shared);
        closed.then(|| self.values.keys().collect())
    }
}

impl Shape {
    fn take(&mut self, value: &Value, person: Option<u64>) {
        self.seen += 1;
        match value {
            Value::Null => self.nulls += 1,
            Value::Bool(_) => self.booleans += 1,
            Value::Number(number) if number.is_f64() => self.fractions += 1,
            Value::Number(_) => self.integers += 1,
            Value::String(text) => self.texts.take(value, text, person),
            Value::Array(elements) => {
                self.arrays += 1;
                for element in elements {
                    self.items.get_or_insert_default().take(element, person);
                }
            }
            Value::Object(members) => {
                self.objects += 1;
                for (name, value) in members {
                    self.member(name).take(value, person);
                }
            }
        }
    }

    /// The place of a member; of all of them where they are keys of a table.
    fn member(&mut self, name: &str) -> &mut Shape {
        let is_new = self.table.is_none() && !self.members.contains_key(name);
        if is_new && (self.members.len() >= MEMBERS_MAX || !is_field_name(name)) {
            let mut table = Shape::default();
            for shape in std::mem::take(&mut self.members).into_values() {
                table.absorb(shape);
            }
            self.table = Some(Box::new(table));
        }
        match &mut self.table {
            Some(table) => table,
            None => self.members.entry(name.to_owned()).or_default(),
        }
    }

    /// Counts what was seen at another place as seen here.
    fn absorb(&mut self, other: Shape) {
        self.seen += other.seen;
        self.nulls += other.nulls;
        self.booleans += other.booleans;
        self.integers += other.integers;
        self.fractions += other.fractions;
        self.texts.absorb(other.texts);
        self.arrays += other.arrays;
        if let Some(items) = other.items {
            self.items.get_or_insert_default().absorb(*items);
        }
        self.objects += other.objects;
        for (name, shape) in other.members {
            self.member(&name).absorb(shape);
        }
        if let Some(table) = other.table {
            for shape in std::mem::take(&mut self.members).into_values() {
                self.table.get_or_insert_default().absorb(shape);
            }
            self.table.get_or_insert_default().absorb(*table);
        }
    }

    /// The types that were seen, in an order that never changes.
    fn types(&self) -> Vec<&'static str> {
        let seen = [
            (self.texts.seen, "string"),
            (if self.fractions == 0 { self.integers } else { 0 }, "integer"),
            (self.fractions, "number"),
            (self.booleans, "boolean"),
            (self.objects, "object"),
            (self.arrays, "array"),
            (self.nulls, "null"),
        ];
        seen.into_iter().filter_map(|(count, name)| (count > 0).then_some(name)).collect()
    }

    /// The schema that everything keeps that was seen here; counts go to `comments`.
    fn schema(&self, place: &str, comments: &mut BTreeMap<String, String>) -> Value {
        let mut schema = Map::new();
        let types = self.types();
        match types.as_slice() {
            [] => {}
            [one] => drop(schema.insert("type".to_owned(), json!(one))),
            several => drop(schema.insert("type".to_owned(), json!(several))),
        }
        if let Some(format) = self.texts.format() {
            schema.insert("format".to_owned(), json!(format));
        } else if let Some(set) = self.texts.closed_set()
            && types.iter().all(|name| matches!(*name, "string" | "null"))
        {
            // A list of values is about every type, so the absent value stands in it too.
            let nothing = (self.nulls > 0).then_some(Value::Null);
            let values: Vec<Value> = set.into_iter().map(|text| json!(text)).chain(nothing).collect();
            schema.insert("enum".to_owned(), json!(values));
        }
        if let Some(items) = &self.items {
            schema.insert("items".to_owned(), items.schema(&format!("{place}/items"), comments));
        }
        if let Some(table) = &self.table {
            let all = table.schema(&format!("{place}/additionalProperties"), comments);
            schema.insert("additionalProperties".to_owned(), all);
        } else if !self.members.is_empty() {
            self.describe_members(place, &mut schema, comments);
        }
        Value::Object(schema)
    }

    fn describe_members(
        &self,
        place: &str,
        schema: &mut Map<String, Value>,
        comments: &mut BTreeMap<String, String>,
    ) {
        let mut properties = Map::new();
        let mut required = Vec::new();
        for (name, shape) in &self.members {
            let place = format!("{place}/properties/{}", escaped(name));
            if shape.seen == self.objects {
                required.push(name);
            } else {
                comments.insert(place.clone(), format!("{} of {}", shape.seen, self.objects));
            }
            properties.insert(name.clone(), shape.schema(&place, comments));
        }
        if !required.is_empty() {
            schema.insert("required".to_owned(), json!(required));
        }
        schema.insert("properties".to_owned(), Value::Object(properties));
    }
}

#[cfg(test)]
#[path = "infer_tests.rs"]
mod tests;
