//! The tracking plan: kept and counted by who sent it, blocked only where the plan says so, once however often it is
//! sent, and after every kill.

use std::fs;

use serde_json::{Value, json};

use crate::contract::{is_hangul, refused, taken};
use crate::support::{Home, Served};

const PLAN: &str = "
plan: 1
purposes: {fulfilment: to deliver what was ordered, receipts: to send a receipt}
events:
  Order Completed:
    on_violation: block
    purpose_required: true
    schema:
      type: object
      required: [order_id]
      properties:
        order_id: {type: string, purpose: fulfilment}
        email: {type: string, format: email, purpose: [fulfilment, receipts]}
  Product Viewed:
    schema:
      required: [sku]
      properties:
        sku: {type: string}
        price: {type: number}
";

fn write(home: &Home, text: &str) -> String {
    let path = home.path("plan.yaml");
    fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

#[track_caller]
fn apply(home: &Home, text: &str) -> Value {
    home.json(&["plan", "apply", &write(home, text)])
}

fn event(name: &str, id: &str, version: &str, properties: Value) -> Value {
    json!({
        "type": "track", "event": name, "userId": "c-1", "messageId": id, "properties": properties,
        "context": { "app": { "version": version } },
    })
}

fn order(id: &str, properties: Value) -> Value {
    event("Order Completed", id, "1.0", properties)
}

fn viewed(id: &str, version: &str, properties: Value) -> Value {
    event("Product Viewed", id, version, properties)
}

#[track_caller]
fn send(served: &Served, batch: &[Value]) -> Value {
    taken(&served.connect().post("/v1/batch", &json!({ "batch": batch })).unwrap())
}

/// What the plan counted: event, sender's version, field, rule, whether blocked, how often.
fn counted(home: &Home) -> Vec<Value> {
    let rows = home.json(&["plan", "violations"]);
    let columns = ["event", "sender", "pointer", "rule", "blocked", "count"];
    let row = |row: &Value| columns.iter().map(|column| row[*column].clone()).collect::<Value>();
    let mut rows: Vec<Value> = rows.as_array().unwrap().iter().map(row).collect();
    rows.sort_by_key(Value::to_string);
    rows
}

#[test]
fn violations_are_kept_or_blocked_counted_once_and_survive_everything() {
    let home = Home::new();
    let served = home.serve();
    send(&served, &[order("before", json!({ "phone": "1" }))]);
    assert_eq!(apply(&home, PLAN)["version"], 1, "a running server");
    let batch = [
        viewed("v-1", "1.0", json!({ "sku": "a" })),
        viewed("v-2", "1.0", json!({ "sku": 7, "price": "kim@example.com" })),
        viewed("v-3", "2.0", json!({ "sku": 8 })),
        order("o-1", json!({ "order_id": "o-1", "email": "kim@example.com" })),
        order("o-2", json!({ "order_id": "o-2", "phone": "010-1234-5678" })),
        order("o-3", json!({ "order_id": "o-3" })),
        event("Never Planned", "n-1", "1.0", json!({ "any": 1 })),
    ];
    for _ in 0..3 {
        let answer = send(&served, &batch);
        assert_eq!((&answer["accepted"], &answer["rejected"]), (&json!(6), &json!(1)), "{answer}");
        let error = &answer["errors"][0];
        assert_eq!((&error["index"], &error["messageId"]), (&json!(4), &json!("o-2")));
        assert_eq!(error["code"], "plan_violation");
        assert!(error["message"].as_str().unwrap().contains("/phone: purpose"), "{error}");
    }
    let single = served.connect().post("/v1/track", &batch[4]).unwrap();
    let message = refused(&single, 400, "plan_violation");
    assert!(message.contains("/phone") && !message.contains("1234"), "{message}");
    let expected = [
        json!(["Order Completed", "1.0", "/phone", "purpose", true, 1]),
        json!(["Product Viewed", "1.0", "/price", "type", false, 1]),
        json!(["Product Viewed", "1.0", "/sku", "type", false, 1]),
        json!(["Product Viewed", "2.0", "/sku", "type", false, 1]),
    ];
    assert_eq!(counted(&home), expected);
    let rows = home.json(&["plan", "violations", "--event", "Order Completed"]);
    assert_eq!(rows[0]["plan"], 1);
    assert!(!home.json(&["plan", "violations"]).to_string().contains("kim"), "no value is told");
    assert_eq!(home.json(&["plan", "violations", "--source", "nobody"]), json!([]));
    assert_eq!(home.export().len(), 7, "those before the plan and those that it let in, once");
    let status = home.json(&["status"]);
    // Seven events and a dead letter; of what came again each counts, and what notes a violation never does.
    assert_eq!((&status["applied"], &status["duplicates"]), (&json!(8), &json!(15)), "{status}");
    let metrics = served.connect().get("/metrics").unwrap().text().to_owned();
    assert!(metrics.contains("inyeon_plan_violations_blocked_total 1"), "{metrics}");
    assert!(metrics.contains("inyeon_plan_violations_kept_total 3"), "{metrics}");
    let tail = home.run(&["tail", "--all", "--once", "--type", "violation"]);
    assert_eq!(tail.stdout.lines().count(), 3, "{tail:?}");
    // It is in the log, and the counts are made of it again.
    served.kill();
    for cache in ["views", "state"] {
        for entry in fs::read_dir(home.dir()).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && path.file_name().unwrap().to_string_lossy().contains(cache) {
                fs::remove_dir_all(path).unwrap();
            }
        }
        assert_eq!(counted(&home), expected, "folded again without {cache}");
    }
    assert_eq!(home.json(&["status"])["applied"], 8);
    assert_eq!(home.run(&["doctor"]).code, Some(0));
    let backup = home.path("backup").to_str().unwrap().to_owned();
    home.json(&["backup", "create", &backup]);
    let restored = Home::new();
    fs::copy(home.path("store.key"), restored.path("store.key")).unwrap();
    restored.json(&["backup", "restore", &backup]);
    assert_eq!(counted(&restored), expected);
    assert_eq!(restored.json(&["plan", "show"])["version"], 1);
    let served = home.serve();
    send(&served, &batch);
    assert_eq!(counted(&home), expected, "what came before the kill is recognised");
    served.stop().in_order();
    // What is sealed with a person's key goes with them, and what is left is sound.
    home.json(&["profile", "erase", "c-1", "--yes"]);
    fs::remove_dir_all(home.dir().join("views")).unwrap();
    assert_eq!(counted(&home), Vec::<Value>::new());
    assert_eq!(home.run(&["doctor"]).code, Some(0));
}

#[test]
fn what_was_blocked_comes_in_once_the_plan_is_mended() {
    let home = Home::new();
    let served = home.serve();
    apply(&home, PLAN);
    let sent_at = json!("2026-03-01T10:00:00Z");
    let body = json!({
        "batch": [{
            "type": "track", "event": "Order Completed", "userId": "c-1", "messageId": "o-1",
            "timestamp": "2026-03-01T09:00:00Z", "properties": { "order_id": "o-1", "phone": "1" }, "extra": [1],
        }],
        "context": { "library": { "name": "sdk", "version": "4" } }, "sentAt": sent_at,
    });
    taken(&served.connect().post("/v1/batch", &body).unwrap());
    let cloud = json!({
        "specversion": "1.0", "type": "Order Completed", "source": "/shop", "id": "7", "userid": "c-2",
        "data": { "order_id": "o-2", "phone": "2" }, "subject": "s",
    });
    let media = [("content-type", "application/cloudevents+json")];
    let reply =
        served.connect().request("POST", "/v1/cloudevents", &media, cloud.to_string().as_bytes()).unwrap();
    refused(&reply, 400, "plan_violation");
    let letters = home.json(&["dead-letters", "list"]);
    assert_eq!(letters.as_array().map(Vec::len), Some(2), "{letters}");
    assert!(letters.as_array().unwrap().iter().all(|letter| letter["code"] == "plan_violation"));
    assert_eq!(counted(&home)[1], json!(["Order Completed", "sdk@4", "/phone", "purpose", true, 1]));
    let still = home.json(&["dead-letters", "replay", "--all"]);
    assert_eq!(still["still_refused"].as_array().map(Vec::len), Some(2), "{still}");
    assert_eq!(counted(&home).len(), 2, "looking again is no new violation");
    let mended = PLAN.replace("        email:", "        phone: {purpose: fulfilment}\n        email:");
    let applied = apply(&home, &mended);
    assert_eq!(applied["version"], 2);
    assert_eq!(
        applied["changes"],
        json!([{ "event": "Order Completed", "field": "/phone", "change": "added" }])
    );
    let replayed = home.json(&["dead-letters", "replay", "--all"]);
    assert_eq!(replayed["replayed"].as_array().map(Vec::len), Some(2), "{replayed}");
    let mut export = home.export();
    export.sort_by_key(|event| event["messageId"].to_string());
    assert_eq!(export.len(), 2, "{export:?}");
    assert_eq!((&export[0]["messageId"], &export[0]["userId"]), (&json!("/shop#7"), &json!("c-2")));
    assert_eq!(export[0]["rest"]["subject"], "s");
    assert_eq!(export[1]["properties"], json!({ "order_id": "o-1", "phone": "1" }));
    assert_eq!(export[1]["context"]["library"]["name"], "sdk", "what the batch said for all");
    assert_eq!(export[1]["rest"]["extra"], json!([1]));
    // The sender's own retry and the replay are one event.
    taken(&served.connect().post("/v1/batch", &body).unwrap());
    assert_eq!(home.export().len(), 2);
}

#[test]
fn applying_says_what_changes_and_takes_effect_at_once() {
    let home = Home::new();
    let served = home.serve();
    assert_eq!(home.run(&["plan", "show"]).code, Some(3));
    let bad = || served.connect().post("/v1/track", &order("o", json!({ "phone": 1 }))).unwrap();
    taken(&bad());
    apply(&home, PLAN);
    refused(&bad(), 400, "plan_violation");
    assert_eq!(apply(&home, PLAN), json!({ "version": 1, "applied": false, "changes": [] }));
    let shown = home.json(&["plan", "show"]);
    assert_eq!(
        (&shown["version"], &shown["plan"]["events"]["Order Completed"]["on_violation"]),
        (&json!(1), &json!("block"))
    );
    let yaml = home.say(&["plan", "show"]).stdout;
    assert_eq!(apply(&home, &yaml)["applied"], false, "what is shown can be applied: {yaml}");
    let looser =
        PLAN.replace("    on_violation: block\n", "").replace("required: [sku]", "required: [sku, price]");
    let changes = apply(&home, &looser)["changes"].clone();
    assert_eq!(
        changes,
        json!([
            { "event": "Order Completed", "field": "", "change": "looser" },
            { "event": "Product Viewed", "field": "/price", "change": "stricter" },
        ])
    );
    taken(&bad());
    apply(&home, "plan: 1\nunplanned_events: block\n");
    refused(&bad(), 400, "plan_violation");
    served.stop().in_order();
    let served = home.serve();
    let again = served.connect().post("/v1/track", &order("p", json!({}))).unwrap();
    refused(&again, 400, "plan_violation");
    assert_eq!(home.json(&["plan", "remove"])["version"], 4);
    taken(&served.connect().post("/v1/track", &order("o", json!({ "phone": 1 }))).unwrap());
    assert_eq!(home.run(&["plan", "show"]).code, Some(3), "nothing holds");
    assert_eq!(home.json(&["plan", "remove"])["applied"], false);
}

#[test]
fn a_plan_is_inferred_from_the_traffic_and_checked_against_it() {
    let home = Home::new();
    let served = home.serve();
    let mut batch: Vec<Value> = (0..120)
        .map(|n| {
            let mut event = viewed(
                &format!("v-{n}"),
                "1.0",
                json!({ "sku": format!("s-{n}"), "color": if n % 2 == 0 { "red" } else { "blue" } }),
            );
            event["userId"] = json!(format!("c-{n}"));
            event
        })
        .collect();
    batch.push(json!({
        "type": "identify", "userId": "c-1", "messageId": "i-1", "traits": { "email": "kim@example.com", "name": "Kim" },
    }));
    send(&served, &batch);
    let out = home.path("inferred.yaml").to_str().unwrap().to_owned();
    let said = home.json(&["plan", "infer", "--out", &out]);
    assert_eq!((&said["events"], &said["samples"]), (&json!(2), &json!(121)));
    let yaml = fs::read_to_string(&out).unwrap();
    assert!(yaml.contains("color: {type: string, enum: [blue, red]}"), "{yaml}");
    assert!(yaml.contains("email: {type: string, format: email}"), "{yaml}");
    assert!(!yaml.contains("kim") && !yaml.contains("Kim") && !yaml.contains("s-1"), "{yaml}");
    assert_eq!(home.say(&["plan", "infer", "--quiet"]).stdout.trim(), yaml.trim(), "the same again");
    assert_eq!(home.json(&["plan", "infer", "--source", "nobody"])["events"], json!({}));
    assert_eq!(home.json(&["plan", "infer", "--since", "2990-01-01"])["events"], json!({}));
    let sound = home.json(&["plan", "check", &out]);
    assert_eq!(
        (&sound["traffic"]["events"], &sound["traffic"]["violating"]),
        (&json!(121), &json!(0)),
        "{sound}"
    );
    let checked = home.json(&["plan", "check", &write(&home, PLAN)]);
    assert_eq!(checked["traffic"]["violating"], 0);
    let stricter = PLAN.replace("sku: {type: string}", "sku: {type: integer}");
    let checked = home.json(&["plan", "check", &write(&home, &stricter)]);
    assert_eq!((&checked["traffic"]["violating"], &checked["traffic"]["blocked"]), (&json!(120), &json!(0)));
    let row = &checked["traffic"]["violations"][0];
    assert_eq!(
        (&row["pointer"], &row["rule"], &row["sender"], &row["count"]),
        (&json!("/sku"), &json!("type"), &json!("1.0"), &json!(120))
    );
    assert_eq!(counted(&home), Vec::<Value>::new(), "checking counts nothing");
    let korean = home.say(&["--lang", "ko", "plan", "check", &write(&home, &stricter)]);
    assert!(is_hangul(&korean.stdout) && korean.stdout.contains("/sku"), "{korean:?}");
}

#[test]
fn a_plan_that_is_not_sound_is_refused_with_its_place_and_changes_nothing() {
    let home = Home::new();
    for (text, code, place) in [
        (PLAN.replace("type: number", "type: numbre"), "plan-schema", "schema/properties/price/type"),
        (PLAN.replace("required: [sku]", "requierd: [sku]"), "plan-keyword", "requierd"),
        (PLAN.replace("purpose: fulfilment", "purpose: fulfillment"), "plan-purpose", "fulfilment, receipts"),
        (PLAN.replace("on_violation: block", "on_violation: panic"), "plan-unreadable", "plan.yaml"),
    ] {
        for command in ["check", "apply"] {
            let ran = home.run(&["plan", command, &write(&home, &text)]);
            let told = ran.refused(1);
            assert!(told.contains(code) && told.contains(place), "{told}");
        }
    }
    assert!(!home.dir().exists(), "nothing of it needs a store");
    assert_eq!(home.json(&["plan", "check", &write(&home, PLAN)])["traffic"], Value::Null);
}

#[test]
fn webhooks_and_imports_pass_the_same_gate() {
    let home = Home::new();
    let served = home.serve();
    let map = "
source: depot
rows:
  - name: orders
    events:
      - event: Order Completed
        key: \"order:{order_id}\"
        at: at
        user_id: user
        properties: { order_id: order_id, phone: phone }
";
    let path = home.path("map.yaml").to_str().unwrap().to_owned();
    fs::write(&path, map).unwrap();
    let connected = home.json(&["webhooks", "connect", "depot", "--map", &path]);
    let hook = connected["path"].as_str().unwrap().to_owned();
    apply(&home, PLAN);
    let body = json!({ "order_id": "o-1", "at": "2026-03-01T09:00:00Z", "user": "c-1", "phone": "1" });
    for _ in 0..2 {
        let reply = taken(&served.connect_as(None).post(&hook, &body).unwrap());
        assert_eq!((&reply["events"], &reply["refused"]["code"]), (&json!(0), &json!("plan_violation")));
    }
    let table = home.path("orders.csv").to_str().unwrap().to_owned();
    fs::write(
        &table,
        "order_id,at,user,phone\no-2,2026-03-01T09:00:00Z,c-1,\no-3,2026-03-01T09:00:00Z,c-1,2\n",
    )
    .unwrap();
    for applied in [1, 0] {
        let done = home.json(&["import", "csv", &table, "--map", &path]);
        assert_eq!((&done["applied"], &done["bad_rows"]), (&json!(applied), &json!(1)), "{done}");
    }
    let rows = home.json(&["plan", "violations"]);
    let mut sources: Vec<(&str, u64)> = rows
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (row["source"].as_str().unwrap(), row["count"].as_u64().unwrap()))
        .collect();
    sources.sort_unstable();
    assert_eq!(sources, [("import:depot", 1), ("webhook:depot", 1)]);
    assert_eq!(home.export().len(), 1);
    home.json(&["plan", "remove"]);
    let replayed = home.json(&["dead-letters", "replay", "--all"]);
    assert_eq!(replayed["replayed"].as_array().map(Vec::len), Some(2), "{replayed}");
    let export = home.export();
    let mut lines: Vec<(String, u64)> = export
        .iter()
        .map(|event| {
            (
                event["properties"]["order_id"].as_str().unwrap().to_owned(),
                event["timeline"].as_u64().unwrap(),
            )
        })
        .collect();
    lines.sort();
    // What an import brings stays in its own line of time.
    assert_eq!(lines, [("o-1".to_owned(), 0), ("o-2".to_owned(), 1), ("o-3".to_owned(), 1)]);
    assert_eq!(home.json(&["import", "csv", &table, "--map", &path])["known_before"], 2);
}

#[test]
fn what_a_file_told_of_a_person_and_the_plan_blocked_goes_when_they_are_erased() {
    let home = Home::new();
    let served = home.serve();
    send(&served, &[viewed("v-1", "1.0", json!({ "sku": "a" }))]);
    apply(&home, PLAN);
    let file = home.path("orders.jsonl");
    let blocked = order("o-1", json!({ "order_id": "o-1", "nickname": "canary" }));
    fs::write(&file, format!("{blocked}\n")).unwrap();
    let done = home.json(&["import", "jsonl", file.to_str().unwrap()]);
    assert_eq!(done["bad_rows"], 1, "{done}");
    let letters = || home.json(&["dead-letters", "list"]).to_string();
    assert!(letters().contains("canary"), "kept, and readable");
    home.json(&["profile", "erase", "c-1", "--yes"]);
    assert!(!letters().contains("canary"), "{}", letters());
    let again = home.json(&["dead-letters", "replay", "--all"]);
    assert_eq!(again["replayed"], json!([]), "nobody is brought back: {again}");
    served.stop().in_order();
}
