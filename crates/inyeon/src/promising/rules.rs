//! The rules of promising: a document that people write as YAML, and the reference data that decisions read.

use std::collections::BTreeMap;
use std::fmt::Write;

use engine::Reference;
use engine::promising::Rules;
use runtime::Node;
use serde_json::{Value, json};

use crate::error::{Failure, Kind};
use crate::i18n::Messages;
use crate::plan::yaml;
use crate::render::plain;

/// Reads rules from YAML, or from JSON, which is YAML too. `file` is named where something is wrong.
pub fn parse(text: &str, file: &str) -> Result<Rules, Failure> {
    let wrong =
        |detail: String| Failure::new(Kind::Usage, "promise-rules").with("file", file).with("detail", detail);
    // It says the line itself.
    let rules: Rules = serde_saphyr::from_str(text).map_err(|error| {
        wrong(error.without_snippet().render_with_formatter(&serde_saphyr::UserMessageFormatter).to_string())
    })?;
    rules.check().map_err(|error| wrong(error.to_string()))?;
    Ok(rules)
}

/// What holds now.
pub fn show(node: &Node) -> Result<Value, Failure> {
    let (version, rules) = node.ask(|fold| (fold.reference().version, json!(fold.reference().promising)))?;
    Ok(json!({ "version": version, "rules": rules }))
}

/// Lets rules hold from now on. What else the reference data say stays as it is.
pub fn publish(node: &Node, rules: Rules) -> Result<Value, Failure> {
    let known = node.ask(|fold| fold.reference().clone())?;
    if known.promising == rules {
        return Ok(json!({ "version": known.version, "published": false, "rules": rules }));
    }
    let reference = Reference { version: known.version + 1, promising: rules.clone(), ..known };
    reference.check().map_err(|error| {
        Failure::new(Kind::Usage, "promise-rules").with("file", "rules").with("detail", error)
    })?;
    let version = reference.version;
    node.publish_reference(reference)?;
    // Answered when it is durable.
    node.act_and_wait(|_, _| Ok(()))?;
    Ok(json!({ "version": version, "published": true, "rules": rules }))
}

pub fn shown(answer: &Value, messages: &Messages) -> String {
    let version = [("version", plain(&answer["version"]))];
    let head = match answer["version"].as_u64() {
        None => messages.get("promise-rules-sound"),
        Some(0) => messages.get("promise-rules-none"),
        Some(_) => messages.with("promise-rules-version", &version),
    };
    format!("# {head}\n{}", yaml::write(&answer["rules"], &BTreeMap::new()))
}

pub fn published(answer: &Value, messages: &Messages) -> String {
    let key = if answer["published"] == true { "promise-rules-published" } else { "promise-rules-same" };
    let mut out = messages.with(key, &[("version", plain(&answer["version"]))]);
    let count = |name: &str| match &answer["rules"][name] {
        Value::Array(all) => all.len().to_string(),
        Value::Object(all) => all.len().to_string(),
        _ => "0".to_owned(),
    };
    let values = [("places", count("places")), ("lanes", count("lanes"))];
    let _ = write!(out, "\n{}", messages.with("promise-rules-counts", &values));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: &str = "
time_zone: Asia/Seoul
places:
  seoul: { handling_minutes: 120, work: packing }
lanes:
  - from: seoul
    to: KR-*
    slots: courier
    hours: [[0.1, 18], [0.5, 24], [0.9, 40]]
    cost: { amount: 3000, currency: KRW }
";

    #[test]
    fn rules_read_as_people_write_them_and_as_they_are_shown() {
        let rules = parse(RULES, "rules.yaml").unwrap();
        assert_eq!(rules.lanes[0].cost.unwrap().minor, 3_000);
        let shown = yaml::write(&json!(rules), &BTreeMap::new());
        assert_eq!(parse(&shown, "shown").unwrap(), rules, "{shown}");
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        let detail = |from: &str, to: &str| {
            let text = RULES.replace(from, to);
            assert_ne!(text, RULES);
            parse(&text, "rules.yaml").unwrap_err().values["detail"].clone()
        };
        assert!(detail("Asia/Seoul", "Mars").contains("Mars"));
        assert!(detail("from: seoul", "from: busan").contains("lanes[0].from"));
        let slip = detail("handling_minutes", "handling_minute");
        assert!(slip.contains("handling_minute") && slip.contains("line 4"), "{slip}");
        let falling = detail("[0.9, 40]", "[0.9, 4]");
        assert!(falling.contains("values must not fall"), "{falling}");
    }
}
