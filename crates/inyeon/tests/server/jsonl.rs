//! `inyeon import jsonl`: events and operations from a file of lines, each once for ever.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::contract::is_hangul;
use crate::support::{Home, command, inyeon};

fn write(path: &Path, lines: &[String]) -> String {
    fs::write(path, lines.join("\n")).unwrap();
    path.to_str().unwrap().to_owned()
}

fn counts(done: &Value) -> [u64; 4] {
    ["rows", "applied", "known_before", "bad_rows"].map(|name| done[name].as_u64().unwrap())
}

/// A tail from the beginning, without the facts.
fn tail(home: &Home) -> Vec<Value> {
    let ran = home.run(&["tail", "--once", "--all"]);
    let lines = ran.stdout.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.filter(|item| item["type"] != "fact").collect()
}

fn names(events: &[Value]) -> Vec<&str> {
    events.iter().filter_map(|event| event["event"].as_str()).collect()
}

/// What a store of operations tells of a day, not in the order of time.
fn operations() -> Vec<String> {
    let events = [
        ("stock.received", json!({ "item_id": "milk", "place": "seoul", "quantity": 40 })),
        ("stock.adjusted", json!({ "item_id": "milk", "place": "seoul", "quantity": -2, "reason": "count" })),
        ("stock.quarantined", json!({ "item_id": "milk", "place": "seoul", "quantity": 4 })),
        ("capacity.changed", json!({ "resource": "van-1", "per_day": 80 })),
        ("shipment.departed", json!({ "shipment_id": "sh-1", "orders": ["o-1", "o-2"] })),
        ("return.received", json!({ "order_id": "o-1", "sku": "milk", "quantity": 1 })),
        ("downtime.started", json!({ "resource": "van-1", "reason": "tyre" })),
        ("downtime.ended", json!({ "resource": "van-1", "downtime": "tyre" })),
        ("quality.measured", json!({ "sku": "milk", "measure": "temperature", "value": 3.9 })),
    ];
    let line = |(n, (name, properties)): (usize, (&str, Value))| {
        let at = format!("2026-03-01T{:02}:00:00Z", 9 + n);
        json!({ "type": "track", "event": name, "messageId": format!("op-{n}"), "timestamp": at, "properties": properties })
            .to_string()
    };
    events.into_iter().enumerate().map(line).rev().collect()
}

#[test]
fn events_of_operations_are_imported_and_found() {
    let home = Home::new();
    let file = write(&home.path("operations.jsonl"), &operations());
    let done = home.json(&["import", "jsonl", &file]);
    assert_eq!(counts(&done), [9, 9, 0, 0], "{done}");
    assert_eq!(done["events_by_name"]["downtime.started"], 1);
    let wanted = [
        "stock.received",
        "stock.adjusted",
        "stock.quarantined",
        "capacity.changed",
        "shipment.departed",
        "return.received",
        "downtime.started",
        "downtime.ended",
        "quality.measured",
    ];
    let export = home.export();
    assert_eq!(names(&export), wanted, "in the order of their own time");
    assert_eq!(export[0]["source"], "import:jsonl");
    assert_eq!(export[0]["delivery"], Value::Null);
    assert_ne!(export[0]["timeline"], 0);
    assert_eq!(export[8]["properties"], json!({ "sku": "milk", "measure": "temperature", "value": 3.9 }));
    assert_eq!(names(&tail(&home)), wanted);
    // The same file again, here and beside a server.
    assert_eq!(counts(&home.json(&["import", "jsonl", &file])), [9, 0, 9, 0]);
    let served = home.serve();
    assert_eq!(counts(&home.json(&["import", "jsonl", &file])), [9, 0, 9, 0]);
    assert_eq!(
        home.json(&["tail", "--once", "--all", "--event", "stock.quarantined"])["properties"]["quantity"],
        4
    );
    served.stop().in_order();
    assert_eq!(home.export().len(), 9);
}

#[test]
fn a_line_may_have_any_shape_of_the_intake() {
    let home = Home::new();
    let placed = json!({ "order_id": "o-1", "promise": { "due": "2026-03-05" } });
    let unnamed =
        json!({ "type": "track", "event": "Seen", "userId": "u-1", "timestamp": "2026-03-01T12:00:00Z" });
    let lines = [
        json!({ "type": "identify", "userId": "u-1", "messageId": "m-1", "timestamp": "2026-03-01T08:00:00Z",
            "traits": { "name": "아나" } }),
        // It lay in the file for years: when it was sent corrects nothing.
        json!({ "type": "track", "event": "order.placed", "userId": "u-1", "messageId": "m-2", "properties": placed,
            "timestamp": "2026-03-01T09:00:00Z", "sentAt": "2026-03-01T09:00:01Z" }),
        json!({ "specversion": "1.0", "id": "m-2", "source": "/erp", "type": "fulfillment.delivered",
            "time": "2026-03-04T09:00:00Z", "data": { "order_id": "o-1" } }),
        unnamed.clone(),
        unnamed,
        json!({ "type": "page", "anonymousId": "d-1", "messageId": 7 }),
    ];
    let mut lines: Vec<String> = lines.iter().map(Value::to_string).collect();
    lines.insert(2, String::new());
    let (plain, packed) = (home.path("events.jsonl"), home.path("events.jsonl.gz"));
    write(&plain, &lines);
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gz.write_all(&fs::read(&plain).unwrap()).unwrap();
    fs::write(&packed, gz.finish().unwrap()).unwrap();
    let done = home.json(&["import", "jsonl", packed.to_str().unwrap(), "--source", "shop"]);
    // The two lines without an id are one event: nothing tells them apart.
    assert_eq!((done["rows"].as_u64(), done["files"][0]["file"].as_str()), (Some(6), Some("events.jsonl")));
    let notes: Vec<u64> =
        done["notes"].as_array().unwrap().iter().map(|n| n["count"].as_u64().unwrap()).collect();
    assert_eq!(notes, [4, 2, 1], "recognised by id, by text, and without a time: {}", done["notes"]);
    let export = home.export();
    let of: Vec<(&str, Option<&str>, &str)> = export
        .iter()
        .map(|e| (e["type"].as_str().unwrap(), e["event"].as_str(), e["messageId"].as_str().unwrap()))
        .collect();
    assert_eq!(
        of[..3],
        [("identify", None, "m-1"), ("track", Some("order.placed"), "m-2"), ("track", Some("Seen"), of[2].2),]
    );
    assert!(of[2].2.starts_with("line:"));
    assert_eq!(of[3..], [("track", Some("fulfillment.delivered"), "/erp#m-2"), ("page", None, "7")]);
    assert_eq!(export[1]["timestamp"], "2026-03-01T09:00:00Z");
    let profile = home.json(&["profile", "show", "u-1"]);
    assert_eq!(profile["promises"][0]["status"], "kept", "{profile}");
    // The plain file through the standard input is the same lines.
    let mut child = command()
        .args(["--store", home.dir().to_str().unwrap(), "--json", "import", "jsonl", "-", "--source", "shop"])
        .stdin(Stdio::from(fs::File::open(&plain).unwrap()))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = String::new();
    std::io::Read::read_to_string(child.stdout.as_mut().unwrap(), &mut out).unwrap();
    assert!(child.wait().unwrap().success());
    let done: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((counts(&done), &done["files"][0]["file"]), ([6, 0, 6, 0], &json!("stdin")));
    assert_eq!(home.export().len(), 5);
}

const MAP: &str = "
source: wms
rows:
  - name: pallets in
    when: [{ column: kind, equals: in }]
    events:
      - event: stock.received
        key: \"move:{id}\"
        at: { from: at, format: unix_seconds }
        fallback_anonymous_id: wms
        properties:
          item_id: item.sku
          place: item.place
          quantity: { from: item.count, as: integer }
  - name: heartbeats
    when: [{ column: kind, equals: beat }]
    skip: they say nothing that happened
";

#[test]
fn a_map_makes_events_of_any_object() {
    let home = Home::new();
    let map = home.path("wms.yaml");
    fs::write(&map, MAP).unwrap();
    let lines = [
        r#"{"kind":"in","id":1,"at":1772355600,"item":{"sku":"milk","place":"seoul","count":40}}"#,
        r#"{"kind":"beat"}"#,
        r#"{"kind":"in","id":2,"at":1772355660,"item":{"sku":"milk","place":"seoul","count":"many"}}"#,
        r#"{"kind":"out","id":3}"#,
        r#"{"kind":"in","id":4,"at":1772355540,"item":{"sku":"eggs","place":"seoul","count":12}}"#,
        r#"{"kind":"#,
    ];
    let file = write(&home.path("moves.jsonl"), &lines.map(str::to_owned));
    let arguments = ["import", "jsonl", &file, "--map", map.to_str().unwrap()];
    let done = home.json(&arguments);
    assert_eq!((counts(&done), &done["import"]), ([6, 2, 0, 3], &json!("wms")), "{done}");
    assert_eq!(done["files"][0]["skipped"], 1);
    assert_eq!(done["events_by_name"], json!({ "stock.received": 2 }));
    let codes: BTreeSet<(String, String)> = home
        .json(&["dead-letters", "list"])
        .as_array()
        .unwrap()
        .iter()
        .map(|l| (l["place"].as_str().unwrap().to_owned(), l["code"].as_str().unwrap().to_owned()))
        .collect();
    let codes: Vec<(&str, &str)> =
        codes.iter().map(|(place, code)| (place.as_str(), code.as_str())).collect();
    assert_eq!(
        codes,
        [("moves.jsonl:3", "number"), ("moves.jsonl:4", "no_rule"), ("moves.jsonl:6", "malformed_json"),]
    );
    let skus: Vec<Value> = home.export().iter().map(|e| e["properties"]["item_id"].clone()).collect();
    assert_eq!(skus, ["eggs", "milk"]);
    assert_eq!(counts(&home.json(&arguments)), [6, 0, 2, 3]);
}

#[test]
fn a_bad_line_is_told_with_its_place_and_remedy_and_its_neighbours_count() {
    let home = Home::new();
    let good = |id: &str| {
        format!(
            r#"{{"type":"track","event":"Seen","userId":"u-1","messageId":"{id}","timestamp":"2026-03-01T09:00:00Z"}}"#
        )
    };
    let mut bytes = Vec::new();
    let mut line = |text: &[u8]| {
        bytes.extend_from_slice(text);
        bytes.push(b'\n');
    };
    line(good("m-1").as_bytes());
    line(br#"{"type":"track","event":"#);
    line(br#"{"type":"track","event":"Seen","timestamp":"2026-03-01T09:00:00Z"}"#);
    line(b"\xff\xfe\\");
    line(br#"{"event":"Seen","userId":"u-1"}"#);
    line(br#"{"type":"track","event":"Seen","userId":"u-1","timestamp":"yesterday"}"#);
    line(br#"{"specversion":"1.0","type":"Seen","source":"/a"}"#);
    line(b"[]");
    line(&vec![b'x'; 5 << 20]);
    line(good("m-2").as_bytes());
    let file = home.path("mixed.jsonl");
    fs::write(&file, &bytes).unwrap();
    let file = file.to_str().unwrap();
    let ran = home.run(&["import", "jsonl", file]);
    assert_eq!(counts(&ran.json()), [10, 2, 0, 8], "{ran:?}");
    let dir = home.dir();
    let again =
        |lang| inyeon(&["--store", dir.to_str().unwrap(), "--lang", lang, "import", "jsonl", file], &[]);
    let told: Vec<String> = again("en").stderr.lines().map(str::to_owned).collect();
    for (line, word) in [
        (2, "one whole JSON object"),
        (3, "userId or anonymousId"),
        (4, "not text"),
        (5, "--map"),
        (6, "2026-03-01T09:00:00Z"),
        (7, "specversion, id, source and type"),
        (8, "type"),
        (9, "4194304"),
    ] {
        let place = format!("mixed.jsonl:{line}:");
        let line = told.iter().find(|told| told.contains(&place));
        assert!(line.is_some_and(|line| line.contains(word)), "{place} {word}: {told:?}");
    }
    let korean = again("ko");
    assert!(korean.stderr.lines().filter(|line| line.contains("mixed.jsonl:")).all(is_hangul), "{korean:?}");
    // Each is kept once, whole, however often the file is imported.
    let letters = home.json(&["dead-letters", "list"]);
    let mut codes: Vec<&str> =
        letters.as_array().unwrap().iter().map(|l| l["code"].as_str().unwrap()).collect();
    codes.sort_unstable();
    assert_eq!(
        codes,
        [
            "bad_timestamp",
            "encoding",
            "malformed_json",
            "missing_attribute",
            "missing_identifier",
            "too_long",
            "unknown_type",
            "wrong_type",
        ]
    );
    assert!(letters.as_array().unwrap().iter().any(|letter| letter["raw"] == r"\xFF\xFE\\"), "{letters}");
    let ids: Vec<Value> = home.export().iter().map(|e| e["messageId"].clone()).collect();
    assert_eq!(ids, ["m-1", "m-2"]);
}

#[test]
fn an_import_that_was_killed_goes_on_without_loss_or_doubling() {
    const LINES: usize = 4_500;
    let home = Home::new();
    let line = |n: usize| {
        let at = format!("2026-03-{:02}T09:{:02}:00Z", 1 + n % 28, n % 60);
        let id = if n.is_multiple_of(2) { format!(r#""messageId":"m-{n}","#) } else { String::new() };
        format!(
            r#"{{"type":"track","event":"Seen","userId":"u-{}",{id}"timestamp":"{at}","properties":{{"n":{n}}}}}"#,
            n % 50
        )
    };
    let file = write(&home.path("many.jsonl"), &(0..LINES).map(line).collect::<Vec<_>>());
    let dir = home.dir();
    let arguments = ["--store", dir.to_str().unwrap(), "--json", "import", "jsonl", &file];
    // Together they leave the last of the five pieces in which a file of so many lines goes in.
    for place in
        ["intake.after_sync:1", "intake.before_write:1", "intake.after_write:2", "intake.before_write:2"]
    {
        let ran = inyeon(&arguments, &[("INYEON_KILL_AT", place)]);
        assert_eq!(ran.code, None, "{place}: it was killed: {ran:?}");
    }
    let done = inyeon(&arguments, &[]).json();
    let [rows, applied, known, bad] = counts(&done);
    assert_eq!((rows, applied + known, bad), (LINES as u64, LINES as u64, 0), "{done}");
    assert!(applied > 0 && known > 0, "some were there already: {done}");
    let all: Vec<u64> = home.export().iter().map(|e| e["properties"]["n"].as_u64().unwrap()).collect();
    assert_eq!(all.len(), LINES, "none twice");
    assert_eq!(all.into_iter().collect::<BTreeSet<_>>().len(), LINES, "none lost");
}

#[test]
fn what_cannot_be_read_says_what_to_do() {
    let home = Home::new();
    let ran = home.say(&["import", "jsonl", "/nowhere.jsonl"]);
    assert!(ran.refused(1).contains("/nowhere.jsonl"));
    let ran = home.say(&["import", "jsonl", "-", "--source", "a b"]);
    assert!(ran.refused(2).contains("a b"));
}
