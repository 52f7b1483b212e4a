use proptest::prelude::*;

use super::super::Plan;
use super::*;

fn of_track(samples: &[Value]) -> Inferred {
    let mut all = Samples::default();
    for (n, sample) in samples.iter().enumerate() {
        all.take(EventKind::Track, "E", sample, Some(&format!("person {n}")));
    }
    all.infer()
}

fn schema_of(samples: &[Value]) -> Value {
    of_track(samples).document.events["E"].schema.clone()
}

#[test]
fn types_formats_and_what_is_always_there() {
    let samples = [
        json!({ "id": "a", "n": 1, "x": 1.5, "at": "2026-03-01T09:00:00Z", "mail": "a@b.de", "ok": true, "note": null,
            "url": "https://a.de/b", "key": "67e55044-10b1-426f-9247-bb680e5fe0c8", "list": [1, 2], "o": { "p": "x" } }),
        json!({ "id": "b", "n": 2, "x": 2, "at": "2026-03-02T09:00:00+09:00", "mail": "c@d.fr", "note": "text",
            "url": "mailto:a", "key": "67e55044-10b1-426f-9247-bb680e5fe0c9", "list": [], "o": {} }),
    ];
    assert_eq!(
        schema_of(&samples),
        json!({
            "type": "object",
            "required": ["at", "id", "key", "list", "mail", "n", "note", "o", "url", "x"],
            "properties": {
                "at": { "type": "string", "format": "date-time" },
                "id": { "type": "string" },
                "key": { "type": "string", "format": "uuid" },
                "list": { "type": "array", "items": { "type": "integer" } },
                "mail": { "type": "string", "format": "email" },
                "n": { "type": "integer" },
                "note": { "type": ["string", "null"] },
                "o": { "type": "object", "properties": { "p": { "type": "string" } } },
                "ok": { "type": "boolean" },
                "url": { "type": "string", "format": "uri" },
                "x": { "type": "number" },
            },
        })
    );
}

#[test]
fn a_set_of_values_is_repeated_only_where_many_people_share_each() {
    let sent = |of: usize, value: &dyn Fn(usize) -> Value| -> Value {
        let samples: Vec<Value> = (0..of).map(|n| json!({ "v": value(n) })).collect();
        schema_of(&samples)["properties"]["v"].clone()
    };
    let colors = |n: usize| json!(["red", "green", "blue"][n % 3]);
    assert_eq!(sent(300, &colors), json!({ "type": "string", "enum": ["blue", "green", "red"] }));
    assert_eq!(sent(30, &colors), json!({ "type": "string" }), "too few to know");
    let nullable = |n: usize| if n.is_multiple_of(4) { Value::Null } else { colors(n) };
    assert_eq!(
        sent(400, &nullable),
        json!({ "type": ["string", "null"], "enum": ["blue", "green", "red", null] })
    );
    let rare = |n: usize| if n == 7 { json!("Kim Minji") } else { colors(n) };
    assert_eq!(sent(300, &rare), json!({ "type": "string" }), "one person's value is nobody's business");
    let many = |n: usize| json!(format!("name-of-{}", n % 13));
    assert_eq!(sent(300, &many), json!({ "type": "string" }));
    let numbers = |n: usize| json!(["010-1234-5678", "010-8765-4321"][n % 2]);
    assert_eq!(sent(300, &numbers), json!({ "type": "string" }), "a number is no word");
    let mixed = |n: usize| if n.is_multiple_of(2) { json!(1) } else { colors(n) };
    assert_eq!(sent(300, &mixed), json!({ "type": ["string", "integer"] }));
    // Many samples of one person are one person's.
    let mut one = Samples::default();
    for n in 0..300 {
        one.take(EventKind::Track, "E", &json!({ "v": colors(n) }), Some("the same"));
    }
    assert_eq!(one.infer().document.events["E"].schema["properties"]["v"], json!({ "type": "string" }));
}

#[test]
fn an_object_that_is_a_table_of_keys_tells_none_of_them() {
    let by_mail = [json!({ "of": { "a@b.de": 1, "c@d.de": null } }), json!({ "of": { "e@f.de": 2 } })];
    let table = json!({ "type": "object", "additionalProperties": { "type": ["integer", "null"] } });
    assert_eq!(schema_of(&by_mail)["properties"]["of"], table);
    let many: Vec<Value> = (0..200).map(|n| json!({ "of": { format!("user{n}x"): n } })).collect();
    let table = json!({ "type": "object", "additionalProperties": { "type": "integer" } });
    assert_eq!(schema_of(&many)["properties"]["of"], table);
}

#[test]
fn the_plan_says_how_often_and_never_what() {
    let inferred = of_track(&[json!({ "secret": "Kim", "b": 1 }), json!({ "secret": "Lee" })]);
    assert_eq!(
        inferred.yaml,
        "plan: 1
purposes: {}
unplanned_events: keep
events:
  E:  # 2 events
    on_violation: keep
    purpose_required: false
    schema:
      type: object
      required: [secret]
      properties:
        b: {type: integer}  # 1 of 2
        secret: {type: string}
"
    );
    assert_eq!(Document::parse(&inferred.yaml, "inferred").unwrap(), inferred.document);
}

#[test]
fn calls_have_their_names_and_what_has_no_shape_is_passed_over() {
    let mut samples = Samples::default();
    samples.take(EventKind::Identify, "", &json!({ "email": "a@b.de" }), None);
    samples.take(EventKind::Page, "Home", &Value::Null, None);
    samples.take(EventKind::Track, "identify", &json!({}), None);
    samples.take(EventKind::Track, "Odd", &json!("[[[[…"), None);
    let inferred = samples.infer();
    assert_eq!(inferred.document.events.keys().collect::<Vec<_>>(), ["identify", "page"]);
    assert_eq!((inferred.samples, inferred.passed_over), (2, 2));
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        (-1e9..1e9).prop_map(Value::from),
        Just(json!(2.0)),
        Just(json!("2026-03-01T09:00:00Z")),
        Just(json!("a@b.de")),
        "[a-c]{1,2}".prop_map(Value::from),
        "\\PC{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-c]|[a-z@]{1,3}", inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn a_plan_accepts_every_sample_that_it_was_inferred_from(
        samples in prop::collection::vec(prop::collection::btree_map("[a-d]", any_value(), 0..4), 1..12),
        often in prop_oneof![Just(1_usize), Just(20)],
    ) {
        let samples: Vec<Value> =
            samples.into_iter().map(|members| Value::Object(members.into_iter().collect())).collect();
        let mut all = Samples::default();
        for n in 0..often {
            for (m, sample) in samples.iter().enumerate() {
                all.take(EventKind::Track, "E", sample, Some(&format!("{n} {m}")));
            }
        }
        let inferred = all.infer();
        let read = Document::parse(&inferred.yaml, "inferred").unwrap();
        prop_assert_eq!(&read, &inferred.document, "{}", inferred.yaml);
        let plan = Plan::compile(&read, 1).unwrap();
        for sample in &samples {
            let judged = plan.judge_value(EventKind::Track, "E", sample);
            prop_assert!(judged.is_none(), "{:?} of {} by\n{}", judged, sample, inferred.yaml);
        }
    }
}
