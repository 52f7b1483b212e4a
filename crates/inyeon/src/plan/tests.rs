use std::borrow::Cow;

use model::{EventKind, Time};

use super::*;

const PURPOSES: &str = "plan: 1\npurposes: {fulfilment: to deliver, receipts: to bill}\n";

fn document(text: &str) -> Document {
    Document::parse(&format!("{PURPOSES}{text}"), "plan.yaml").expect("it can be read")
}

fn plan(text: &str) -> Plan {
    Plan::compile(&document(text), 3).expect("it is sound")
}

#[track_caller]
fn refused(text: &str) -> (String, String) {
    let document = Document::parse(&format!("{PURPOSES}{text}"), "plan.yaml");
    let failure = document.and_then(|document| Plan::compile(&document, 1)).err().expect("it is refused");
    let place = ["event", "place"].map(|name| failure.values.get(name).cloned().unwrap_or_default());
    (failure.code, place.join(" ").trim().to_owned())
}

/// The violations of a track event as `pointer rule expected`.
fn found(plan: &Plan, event: &str, properties: Value) -> Vec<String> {
    let judged = plan.judge_value(EventKind::Track, event, &properties);
    let list = judged.map(|judged| judged.violations).unwrap_or_default();
    list.iter().map(|v| format!("{} {} {}", v.pointer, v.rule, v.expected).trim().to_owned()).collect()
}

const ORDER: &str = "
events:
  Order Completed:
    on_violation: block
    schema:
      type: object
      required: [order_id]
      additionalProperties: false
      properties:
        order_id: {type: string}
        total: {type: number, minimum: 0}
        email: {type: string, format: email}
        when: {type: string, format: date-time}
        state: {enum: [new, paid]}
        products: {type: array, items: {type: object, properties: {price: {type: number}}}}
";

#[test]
fn each_rule_is_told_with_its_field_and_what_it_wants() {
    let plan = plan(ORDER);
    let judge = |properties| found(&plan, "Order Completed", properties);
    let sound = json!({ "order_id": "o", "total": 3, "email": "a@b.de", "when": "2026-03-01T09:00:00Z", "state": "new" });
    assert!(judge(sound).is_empty());
    assert_eq!(judge(json!({})), ["/order_id required"]);
    assert_eq!(judge(Value::Null), ["/order_id required"], "no properties are empty ones");
    assert_eq!(judge(json!({ "order_id": 7 })), ["/order_id type string"]);
    assert_eq!(judge(json!({ "order_id": "o", "total": -1 })), ["/total minimum 0"]);
    assert_eq!(judge(json!({ "order_id": "o", "email": "Kim" })), ["/email format email"]);
    assert_eq!(judge(json!({ "order_id": "o", "when": "noon" })), ["/when format date-time"]);
    assert_eq!(judge(json!({ "order_id": "o", "state": "lost" })), [r#"/state enum ["new","paid"]"#]);
    assert_eq!(judge(json!({ "order_id": "o", "extra": 1 })), ["/extra additionalProperties"]);
    assert!(plan.judge_value(EventKind::Track, "Another", &json!({ "any": 1 })).is_none());
}

#[test]
fn no_value_is_ever_told() {
    let plan = plan(ORDER);
    let secret = "kim.minji@example.com";
    let values = json!({
        "order_id": { secret: 1 }, "total": secret, "email": format!("{secret}@"), "when": secret, "state": secret,
        secret: 1, "010-1234-5678": 2, "products": [{ "price": secret }],
    });
    let judged = plan.judge_value(EventKind::Track, "Order Completed", &values).unwrap();
    let told = format!("{judged:?} {}", judged.detail());
    assert!(!told.contains("kim") && !told.contains("1234"), "{told}");
    assert!(judged.blocked && judged.violations.len() == 7, "{told}");
    let unexpected = &judged.violations.iter().filter(|v| v.pointer == "/*").count();
    assert_eq!(*unexpected, 1, "names that are values stand for each other: {told}");
}

#[test]
fn a_list_is_one_place_and_few_violations_are_kept() {
    let plan = plan(ORDER);
    let products: Vec<Value> = (0..50).map(|_| json!({ "price": "?" })).collect();
    let judged = found(&plan, "Order Completed", json!({ "order_id": "o", "products": products }));
    assert_eq!(judged, ["/products/*/price type number"]);
    let many: serde_json::Map<String, Value> =
        (b'a'..=b'z').map(|c| ((c as char).to_string(), json!(1))).collect();
    let judged = plan.judge_value(EventKind::Track, "Order Completed", &Value::Object(many)).unwrap();
    assert_eq!((judged.violations.len(), judged.more), (8, 19), "{judged:?}");
}

#[test]
fn calls_are_planned_by_their_own_name_and_a_track_event_of_that_name_is_another() {
    let plan = plan(
        "unplanned_events: keep
events:
  identify: {schema: {required: [email]}}
  page: {schema: {required: [url]}}
",
    );
    let event = |kind, name: &'static str, body: &'static str| Event {
        kind,
        name: Cow::Borrowed(name),
        user_id: Some("u".into()),
        anonymous_id: None,
        previous_id: None,
        group_id: None,
        message_id: "m".into(),
        timestamp: Time(0),
        properties: Some(body.into()),
        traits: Some(body.into()),
        context: None,
        rest: None,
    };
    let rule = |event: Event<'_>| plan.judge(&event).map(|judged| judged.detail());
    assert_eq!(rule(event(EventKind::Identify, "", r#"{"email":1}"#)), None);
    assert_eq!(rule(event(EventKind::Identify, "", "{}")).as_deref(), Some("/email: required"));
    assert_eq!(rule(event(EventKind::Page, "Home", "{}")).as_deref(), Some("/url: required"));
    assert_eq!(rule(event(EventKind::Track, "identify", "{}")).as_deref(), Some("unplanned_event"));
    assert_eq!(rule(event(EventKind::Group, "", "{}")).as_deref(), Some("unplanned_event"));
    // What no JSON value can hold is told, and no reason to fall over.
    assert_eq!(
        rule(event(EventKind::Page, "", r#"{"url":1e999}"#)).as_deref(),
        Some("json (numbers and a depth that can be read)")
    );
}

#[test]
fn what_the_plan_does_not_name_is_allowed_kept_or_blocked() {
    let verdict = |word: &str| {
        let plan = plan(&format!("unplanned_events: {word}\n"));
        plan.judge_value(EventKind::Track, "New", &json!({})).map(|judged| judged.blocked)
    };
    assert_eq!((verdict("allow"), verdict("keep"), verdict("block")), (None, Some(false), Some(true)));
    assert!(document("").is_empty() && !document("unplanned_events: block").is_empty());
}

const PURPOSEFUL: &str = "
events:
  E:
    purpose_required: true
    schema:
      properties:
        id: {type: string, purpose: fulfilment}
        email: {type: string, purpose: [fulfilment, receipts]}
        phone: {type: string}
        address: {type: object, purpose: fulfilment, properties: {street: {type: string}}}
        parts: {type: [object, 'null'], properties: {a: {purpose: receipts}, b: {type: string}}}
        list: {type: array, items: {type: object, properties: {sku: {purpose: fulfilment}}}}
        tags: {type: array, items: {type: string, purpose: receipts}}
        ref: {$ref: '#/$defs/thing'}
      patternProperties: {'^utm_': {purpose: receipts}}
      allOf: [{properties: {more: {purpose: receipts}}}]
      $defs: {thing: {properties: {x: {purpose: receipts}}}}
";

#[test]
fn every_field_that_occurs_needs_a_purpose_and_a_parent_has_it_for_its_children() {
    let plan = plan(PURPOSEFUL);
    let judge = |properties| found(&plan, "E", properties);
    let sound = json!({
        "id": "1", "email": "a", "address": { "street": "s", "anything": { "at": "all" } }, "parts": { "a": 1 },
        "list": [{ "sku": 1 }, { "sku": 2 }], "tags": ["x"], "ref": { "x": 1 }, "utm_source": "s", "more": [1],
    });
    assert!(judge(sound).is_empty());
    assert!(judge(json!({ "parts": null, "list": [], "ref": {} })).is_empty(), "nothing is for nothing");
    assert_eq!(judge(json!({ "phone": "1" })), ["/phone purpose"], "stated, without a purpose");
    assert_eq!(judge(json!({ "gender": "f" })), ["/gender purpose"], "not stated");
    assert_eq!(judge(json!({ "unknown": { "deep": { "er": 1 } } })), ["/unknown purpose"], "one field, once");
    assert_eq!(
        judge(json!({ "parts": { "a": 1, "b": "x", "c": 2 } })),
        ["/parts/b purpose", "/parts/c purpose"]
    );
    assert_eq!(
        judge(json!({ "parts": "all in one" })),
        [r#"/parts type ["object","null"]"#, "/parts purpose"]
    );
    assert_eq!(
        judge(json!({ "list": [{ "sku": 1, "note": "x" }, { "note": "y" }] })),
        ["/list/*/note purpose"]
    );
    assert_eq!(judge(json!({ "ref": { "y": 1 } })), ["/ref/y purpose"]);
    // Told by those who look a plan over, too.
    assert_eq!(judge::unstated(&document(PURPOSEFUL).events["E"]), ["/parts/b", "/phone"]);
}

#[test]
fn what_is_wrong_with_a_plan_is_told_with_its_place() {
    let schema = |text: &str| refused(&format!("events:\n  E:\n    schema: {text}\n"));
    let at = |code: &str, place: &str| (code.to_owned(), format!("E schema{place}").trim().to_owned());
    assert_eq!(schema("{type: strng}"), at("plan-schema", "/type"));
    assert_eq!(schema("{properties: {a: {minimum: low}}}"), at("plan-schema", "/properties/a/minimum"));
    assert_eq!(schema("{properties: {a: {pattern: '('}}}").0, "plan-schema");
    assert_eq!(schema("{properties: {a: {format: emial}}}").0, "plan-schema");
    assert_eq!(schema("{requried: [a]}"), at("plan-keyword", "/requried"));
    assert_eq!(schema("{properties: {a/b: {minimun: 1}}}"), at("plan-keyword", "/properties/a~1b/minimun"));
    assert_eq!(schema("{$ref: 'https://example.com/a.json'}"), at("plan-remote-ref", "/$ref"));
    assert_eq!(schema("{$ref: 'file:///etc/passwd'}"), at("plan-remote-ref", "/$ref"));
    assert_eq!(schema("{$ref: '#/$defs/none'}").0, "plan-schema");
    assert_eq!(schema("{$id: 'https://example.com/a.json'}"), at("plan-keyword", "/$id"));
    assert_eq!(
        schema("{$schema: 'http://json-schema.org/draft-07/schema#'}"),
        at("plan-dialect", "/$schema")
    );
    assert_eq!(
        schema("{properties: {a: {purpose: fulfillment}}}"),
        at("plan-purpose", "/properties/a/purpose")
    );
    assert_eq!(schema("{properties: {a: {purpose: []}}}"), at("plan-purpose", "/properties/a/purpose"));
    assert_eq!(
        schema("{properties: {a: {purpose: [receipts, 7]}}}"),
        at("plan-purpose", "/properties/a/purpose")
    );
    // A field may have the name of a keyword.
    plan("events: {E: {schema: {properties: {purpose: {type: string}, requried: {type: string}}}}}");
    assert_eq!(refused("events: {track: {}}").0, "plan-event-track");
    assert_eq!(refused("events: {'': {}}").0, "plan-event-name");
    assert_eq!(refused("evnts: {}").0, "plan-unreadable");
    assert_eq!(refused("unplanned_events: maybe").0, "plan-unreadable");
    assert_eq!(refused("events: {E: {on_violation: explode}}").0, "plan-unreadable");
    let old = Document::parse("plan: 2", "plan.yaml").err().map(|failure| failure.code);
    assert_eq!(old.as_deref(), Some("plan-format"));
}

#[test]
fn a_plan_is_the_same_in_yaml_and_in_the_log() {
    for text in [ORDER, PURPOSEFUL, "", "unplanned_events: block"] {
        let document = document(text);
        assert_eq!(Document::parse(&document.to_json(), "log").unwrap(), document);
        assert_eq!(Document::parse(&document.to_yaml(), "again").unwrap(), document);
    }
}

#[test]
fn a_recursive_schema_is_followed_and_ends() {
    let plan = plan(
        "events: {E: {purpose_required: true, schema: {$ref: '#/$defs/node', $defs: {node: {properties: \
         {name: {purpose: receipts}, children: {type: array, items: {$ref: '#/$defs/node'}}}}}}}}",
    );
    let tree = json!({ "name": 1, "children": [{ "name": 2, "children": [{ "name": 3, "other": 4 }] }] });
    assert_eq!(found(&plan, "E", tree), ["/children/*/children/*/other purpose"]);
}
