//! What editors are told of a playbook is what is read of it.

use std::collections::BTreeSet;

use engine::playbook::Playbook;
use engine::playbook::check::{Severity, check};
use jsonschema::Validator;
use serde_json::{Value, json};

const TONER: &str = include_str!("../../../../playbooks/toner.yaml");

fn schema() -> Value {
    serde_json::from_str(super::SCHEMA).unwrap()
}

fn validator() -> Validator {
    jsonschema::draft202012::options().should_validate_formats(true).build(&schema()).unwrap()
}

/// With everything that may be left out.
fn full() -> Value {
    let mut playbook: Value = serde_saphyr::from_str(TONER).unwrap();
    playbook["promise"]["class"] = json!("home");
    playbook["offer"]["quantity"] = json!(1.5);
    playbook["strategies"]["coach"]["steps"][1]["sale"] = json!(true);
    playbook["strategies"]["coach"]["again"] = json!({ "days": 3, "times": 2 });
    let arm =
        json!({ "id": "full", "weight": 2, "choices": 1, "message": "runs_low", "send_probability": 0.5 });
    playbook["experiment"]["arms"][0] = arm;
    playbook
}

fn read(playbook: &Value) -> Result<Playbook, String> {
    let playbook: Playbook = serde_json::from_value(playbook.clone()).map_err(|error| error.to_string())?;
    match check(&playbook).iter().find(|problem| problem.severity == Severity::Error) {
        Some(problem) => Err(problem.to_string()),
        None => Ok(playbook),
    }
}

/// The schema that a value is held against, references followed.
fn resolved<'a>(root: &'a Value, schema: &'a Value) -> &'a Value {
    if let Some(reference) = schema["$ref"].as_str() {
        let pointer = reference.strip_prefix('#').unwrap();
        return resolved(root, root.pointer(pointer).unwrap_or_else(|| panic!("{reference}")));
    }
    match schema["anyOf"].as_array() {
        Some(any) => resolved(root, any.iter().find(|one| one["type"] != "null").unwrap()),
        None => schema,
    }
}

/// Every member of a value that was written stands in the schema, and every one of the schema was written.
fn compare(root: &Value, schema: &Value, value: &Value, pointer: &str) {
    let schema = resolved(root, schema);
    match value {
        Value::Object(members) => {
            if let Some(each) = schema.get("additionalProperties").filter(|each| each.is_object()) {
                members
                    .iter()
                    .for_each(|(name, value)| compare(root, each, value, &format!("{pointer}/{name}")));
                return;
            }
            let known: BTreeSet<&String> = schema["properties"].as_object().unwrap().keys().collect();
            assert_eq!(known, members.keys().collect(), "{pointer}");
            for (name, value) in members {
                compare(root, &schema["properties"][name], value, &format!("{pointer}/{name}"));
            }
        }
        Value::Array(elements) => {
            for (n, element) in elements.iter().enumerate() {
                compare(root, &schema["items"], element, &format!("{pointer}/{n}"));
            }
        }
        _ => {}
    }
}

#[test]
fn every_field_stands_in_the_schema_and_no_other() {
    let (schema, full) = (schema(), full());
    let written = serde_json::to_value(read(&full).unwrap()).unwrap();
    compare(&schema, &schema, &written, "");
    let validator = validator();
    assert!(validator.is_valid(&full), "{:?}", validator.iter_errors(&full).next());
    assert!(validator.is_valid(&written), "{:?}", validator.iter_errors(&written).next());
}

#[test]
fn the_playbooks_of_the_house_are_valid_and_sound() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../playbooks");
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let document = super::Document::read(&text, &path.display().to_string());
        let told = document.told(&crate::i18n::Messages::new(crate::i18n::Lang::En));
        assert_eq!(told["problems"], json!([]), "{}", path.display());
        let value: Value = serde_saphyr::from_str(&text).unwrap();
        let validator = validator();
        assert!(validator.is_valid(&value), "{}: {:?}", path.display(), validator.iter_errors(&value).next());
        names.push(path.file_stem().unwrap().to_string_lossy().into_owned());
        assert_eq!(document.playbook.unwrap().playbook, *names.last().unwrap());
    }
    names.sort();
    assert_eq!(names, ["milk", "office", "toner"]);
}

#[test]
fn what_is_refused_the_schema_refuses_too() {
    let validator = validator();
    for (pointer, value) in [
        ("/playbook", json!("Toner At Home")),
        ("/title/ko", json!("")),
        ("/owners/marketing", json!(" ")),
        ("/needs", json!([])),
        ("/needs/0/origin", json!("guessed")),
        ("/needs/1/on", json!([])),
        ("/needs/3/forecast/service", json!(1)),
        ("/needs/2/confidence", json!(1.5)),
        ("/offer/items", json!([])),
        ("/offer/quantity", json!(0)),
        ("/offer/lead_days", json!("soon")),
        ("/strategies/curate/share", json!(4)),
        ("/strategies/curate/choices", json!(0)),
        ("/strategies/coach/message", json!("")),
        ("/strategies/coach/send_probability", json!(2)),
        ("/strategies/automate/compensation/currency", json!("won")),
        ("/promise/service", json!(1)),
        ("/messages/runs_low/class", json!("urgent")),
        ("/messages/runs_low/channel", json!("")),
        ("/guard_rails/caps/0/days", json!(0)),
        ("/guard_rails/quiet_hours/from", json!("25:00")),
        ("/guard_rails/margin_floor", json!(1)),
        ("/guard_rails/auto_orders/0/orders", json!(0)),
        ("/value/accept", json!(-0.1)),
        ("/value/weight", json!(0)),
        ("/value/explore", json!(0.7)),
        ("/experiment/arms/0/weight", json!(0)),
        ("/experiment/holdout", json!(2)),
    ] {
        let mut bent = full();
        *bent.pointer_mut(pointer).unwrap_or_else(|| panic!("{pointer}")) = value.clone();
        assert!(read(&bent).is_err() && !validator.is_valid(&bent), "{pointer} {value}");
    }
    for pointer in ["", "/offer", "/strategies", "/strategies/coach", "/guard_rails", "/messages/ran_empty"] {
        let mut bent = full();
        bent.pointer_mut(pointer).unwrap()["default_strategy"] = json!("automate");
        assert!(read(&bent).is_err() && !validator.is_valid(&bent), "{pointer}");
    }
}
