//! A plan's schemas: what stands in them is known, sound and here, so that a slip of the pen does not pass silently.

use jsonschema::{Draft, PatternOptions, Validator};
use serde_json::Value;

use super::escaped;
use crate::error::{Failure, Kind};

/// Keywords whose value is a schema.
const SCHEMA: [&str; 11] = [
    "additionalProperties",
    "contains",
    "contentSchema",
    "else",
    "if",
    "items",
    "not",
    "propertyNames",
    "then",
    "unevaluatedItems",
    "unevaluatedProperties",
];
/// Keywords whose value is a list of schemas.
const SCHEMAS: [&str; 4] = ["allOf", "anyOf", "oneOf", "prefixItems"];
/// Keywords whose value has names and a schema for each.
const NAMED_SCHEMAS: [&str; 4] = ["$defs", "dependentSchemas", "patternProperties", "properties"];
/// Keywords whose value is no schema.
const PLAIN: [&str; 35] = [
    "$anchor",
    "$comment",
    "$ref",
    "$schema",
    "const",
    "contentEncoding",
    "contentMediaType",
    "default",
    "dependentRequired",
    "deprecated",
    "description",
    "enum",
    "examples",
    "exclusiveMaximum",
    "exclusiveMinimum",
    "format",
    "maxContains",
    "maximum",
    "maxItems",
    "maxLength",
    "maxProperties",
    "minContains",
    "minimum",
    "minItems",
    "minLength",
    "minProperties",
    "multipleOf",
    "pattern",
    "purpose",
    "readOnly",
    "required",
    "title",
    "type",
    "uniqueItems",
    "writeOnly",
];

/// The one dialect that is spoken here.
const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";

/// How schemas are read: patterns in linear time, formats checked, and nothing fetched from anywhere.
fn options() -> jsonschema::ValidationOptions {
    jsonschema::options()
        .with_draft(Draft::Draft202012)
        .should_validate_formats(true)
        .should_ignore_unknown_formats(false)
        .with_pattern_options(PatternOptions::regex())
}

/// Compiles a schema of which nothing but its soundness is of interest.
pub(super) fn small(schema: &Value) -> Option<Validator> {
    options().build(schema).ok()
}

/// Compiles the schema of `event`, having looked at every keyword in it.
pub(super) fn compile(event: &str, schema: &Value) -> Result<Validator, Failure> {
    check(event, schema, "")?;
    options()
        .build(schema)
        .map_err(|error| at("plan-schema", event, error.instance_path.as_str()).with("detail", error))
}

/// A failure at a place of an event's schema.
pub(super) fn at(code: &str, event: &str, pointer: &str) -> Failure {
    Failure::new(Kind::Failed, code).with("event", event).with("place", format!("schema{pointer}"))
}

fn check(event: &str, schema: &Value, pointer: &str) -> Result<(), Failure> {
    each_keyword(schema, pointer, &mut |keyword, value, place| match (keyword, value) {
        // A plan is one document: what it means does not hang on what somebody else serves.
        ("$ref", Value::String(target)) if !target.starts_with('#') => {
            Err(at("plan-remote-ref", event, place).with("ref", target))
        }
        ("$schema", Value::String(dialect)) if dialect.trim_end_matches('#') != DIALECT => {
            Err(at("plan-dialect", event, place).with("found", dialect).with("known", DIALECT))
        }
        (known, _) if Beneath::of(known).is_some() => Ok(()),
        (unknown, _) => Err(at("plan-keyword", event, place).with("keyword", unknown)),
    })
}

/// What a keyword's value holds.
enum Beneath {
    Nothing,
    Schema,
    Schemas,
    NamedSchemas,
}

impl Beneath {
    /// `None` where nobody knows the keyword.
    fn of(keyword: &str) -> Option<Self> {
        let known = [
            (&PLAIN[..], Beneath::Nothing),
            (&SCHEMA, Beneath::Schema),
            (&SCHEMAS, Beneath::Schemas),
            (&NAMED_SCHEMAS, Beneath::NamedSchemas),
        ];
        known.into_iter().find_map(|(keywords, beneath)| keywords.contains(&keyword).then_some(beneath))
    }
}

/// Hands every keyword of a schema and of those in it to `look`, with its value and its place.
pub(super) fn each_keyword<E>(
    schema: &Value,
    pointer: &str,
    look: &mut impl FnMut(&str, &Value, &str) -> Result<(), E>,
) -> Result<(), E> {
    let Value::Object(members) = schema else { return Ok(()) };
    for (keyword, value) in members {
        let place = format!("{pointer}/{}", escaped(keyword));
        look(keyword, value, &place)?;
        match (Beneath::of(keyword), value) {
            (Some(Beneath::Schema), schema) => each_keyword(schema, &place, look)?,
            (Some(Beneath::Schemas), Value::Array(schemas)) => {
                for (n, schema) in schemas.iter().enumerate() {
                    each_keyword(schema, &format!("{place}/{n}"), look)?;
                }
            }
            (Some(Beneath::NamedSchemas), Value::Object(schemas)) => {
                for (name, schema) in schemas {
                    each_keyword(schema, &format!("{place}/{}", escaped(name)), look)?;
                }
            }
            // The compiler says what is wrong with a value of another shape.
            _ => {}
        }
    }
    Ok(())
}
