//! The command line, beside a running server and without one.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::contract::{taken, track};
use crate::support::{Home, Ran, Start, command, inyeon, until};

/// A store with something of everything in it: customers, orders, promises kept and broken, a review, a dead letter,
/// a revoked key, effects that arrived.
fn furnish(home: &Home) -> Value {
    let key = home.json(&["keys", "create", "shop"]);
    home.json(&["keys", "create", "old"]);
    home.json(&["keys", "revoke", "old"]);
    let served = home.serve();
    let mut connection = served.connect_as(key["write_key"].as_str());
    let event = |name: &str, user: &str, at: &str, properties: Value| {
        json!({
            "type": "track", "event": name, "userId": user, "anonymousId": format!("device of {user}"),
            "messageId": format!("{name} {user} {at}"), "timestamp": at, "properties": properties,
            "context": { "channel": "web" },
        })
    };
    let mut batch = Vec::new();
    for n in 0..6 {
        let (user, order) = (format!("c-{n}"), format!("o-{n}"));
        let day = |d: u32| format!("2026-03-{d:02}T09:00:00Z");
        batch.push(json!({
            "type": "identify", "userId": user, "messageId": format!("who {n}"),
            "traits": { "name": format!("손님 {n}"), "email": format!("c{n}@example.com") },
        }));
        batch.push(event("order.placed", &user, &day(1), json!({
            "order_id": order, "currency": "KRW", "total": 12000, "region": if n % 2 == 0 { "서울" } else { "부산" },
            "products": [{ "product_id": "p-1", "category": "tea", "seller_id": "s-1", "quantity": 1, "price": 12000 }],
            "promise": { "due": if n == 5 { "2999-01-01" } else { "2026-03-05" }, "time_zone": "Asia/Seoul" },
        })));
        if n < 5 {
            batch.push(event("fulfillment.shipped", &user, &day(2), json!({ "order_id": order })));
            let delivered = day(3 + n);
            batch.push(event("fulfillment.delivered", &user, &delivered, json!({ "order_id": order })));
            let review = json!({ "order_id": order, "review_id": format!("r-{n}"), "rating": 5 - n % 5 });
            batch.push(event("product.reviewed", &user, &day(10), review));
        }
    }
    let answer = taken(&connection.post("/v1/batch", &json!({ "batch": batch })).unwrap());
    assert_eq!(answer["rejected"], 0, "{answer}");
    connection.post("/v1/track", &json!({ "userId": "c-1", "messageId": "no event" })).unwrap();
    until("the effects have arrived", || {
        let effects = home.json(&["effects", "list"]);
        let effects = effects.as_array().unwrap();
        // Each promise was past due when it was told; that three were kept came right behind it.
        effects.len() == 5 && effects.iter().all(|effect| effect["state"] == "settled")
    });
    served.stop().in_order();
    key
}

#[test]
fn every_command_answers_alike_beside_a_server_and_without_one() {
    let home = Home::new();
    furnish(&home);
    let commands: [&[&str]; 24] = [
        &["report", "promises"],
        &["report", "promises", "--by", "month"],
        &["report", "promises", "--by", "state"],
        &["report", "promises", "--by", "category"],
        &["report", "promises", "--by", "seller"],
        &["report", "promises", "--kind", "order", "--from", "2026-03-01", "--to", "2027-01-01T00:00:00Z"],
        &["report", "needs"],
        &["report", "needs", "--from", "2026-03-01", "--to", "2026-03-02"],
        &["profile", "show", "c-5"],
        &["profile", "show", "c-1"],
        &["profile", "show", "device of c-2", "--timeline", "1"],
        &["profile", "search"],
        &["profile", "search", "손님 3"],
        &["profile", "search", "c4@example", "--limit", "1"],
        &["events", "export"],
        &["plan", "infer"],
        &["plan", "violations"],
        &["events", "export", "--format", "csv"],
        &["tail", "--once", "--all"],
        &["dead-letters", "list"],
        &["keys", "list"],
        &["effects", "list"],
        &["effects", "status"],
        &["status"],
    ];
    // Both for scripts and for people, in both languages.
    let ways: [&[&str]; 3] = [&["--json"], &["--lang", "en"], &["--lang", "ko"]];
    let all = || -> Vec<(String, Ran)> {
        let mut ran = Vec::new();
        for (arguments, way) in commands.iter().flat_map(|c| ways.iter().map(move |w| (c, w))) {
            let words: Vec<&str> = way.iter().chain(*arguments).copied().collect();
            ran.push((words.join(" "), home.say(&words)));
        }
        ran
    };
    let served = home.serve();
    let beside = all();
    served.stop().in_order();
    let without = all();
    for ((what, beside), (_, without)) in beside.iter().zip(&without) {
        assert_eq!((beside.code, beside.stderr.as_str()), (Some(0), ""), "{what}");
        assert_eq!(beside.stdout, without.stdout, "{what}");
        assert_eq!((without.code, without.stderr.as_str()), (Some(0), ""), "{what}");
        assert!(
            !beside.stdout.trim().is_empty() && !beside.stdout.contains("{ $"),
            "{what}: {}",
            beside.stdout
        );
    }
    // They say what was sent, not only the same.
    let report = home.json(&["report", "promises"]);
    assert_eq!((&report["kept"], &report["broken"], &report["open"]), (&json!(3), &json!(2), &json!(1)));
    let groups = home.json(&["report", "promises", "--by", "state"]);
    let keys: Vec<&Value> = groups["groups"].as_array().unwrap().iter().map(|group| &group["key"]).collect();
    assert_eq!(keys, ["부산", "서울"]);
    let profile = home.json(&["profile", "show", "device of c-2"]);
    assert_eq!(profile["profile"]["name"], "손님 2");
    assert_eq!(profile["timeline"].as_array().unwrap().len(), 5);
    assert_eq!(home.json(&["profile", "search"]).as_array().unwrap().len(), 6);
    assert_eq!(home.json(&["keys", "list"]).as_array().unwrap().len(), 2);
    assert_eq!(home.json(&["dead-letters", "list"])[0]["code"], "missing_event");
    let lines = home.say(&["events", "export", "--format", "csv"]).stdout.lines().count();
    assert_eq!(lines, 1 + home.export().len());
}

#[test]
fn a_write_key_is_shown_once_and_kept_nowhere() {
    let home = Home::new();
    let made = furnish(&home);
    let key = made["write_key"].as_str().unwrap().as_bytes();
    assert!(!home.json(&["keys", "list"]).to_string().contains("wk_"));
    let mut files = 0;
    let mut look = vec![home.temp.path().to_owned()];
    while let Some(path) = look.pop() {
        if path.is_dir() {
            look.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else {
            let bytes = fs::read(&path).unwrap();
            files += 1;
            assert!(!bytes.windows(key.len()).any(|window| window == key), "{}", path.display());
        }
    }
    assert!(files > 8, "{files} files");
}

#[test]
fn a_profile_is_erased_beside_a_running_server() {
    let home = Home::new();
    furnish(&home);
    let served = home.serve();
    let (before, made) = (home.export().len(), home.json(&["report", "promises"])["n_made"].clone());
    assert_eq!(before, 27);
    let erased = home.json(&["profile", "erase", "c-0", "--yes"]);
    assert_eq!(erased["erased"].as_array().unwrap().len(), 1);
    let gone = |home: &Home| {
        home.run(&["profile", "show", "c-0"]).refused(3);
        home.run(&["profile", "show", "device of c-0"]).refused(3);
        home.run(&["profile", "erase", "c-0", "--yes"]).refused(3);
        assert_eq!(home.json(&["profile", "search", "손님 0"]), json!([]));
        assert_eq!(home.export().len(), before - 5);
        for arguments in [&["events", "export"][..], &["tail", "--once", "--all"], &["effects", "list"]] {
            let said = home.run(arguments).stdout;
            assert!(!said.contains("손님 0") && !said.contains("c0@example"), "{arguments:?}: {said}");
        }
        assert_eq!(home.json(&["report", "promises"])["n_made"], json!(made.as_u64().unwrap() - 1));
    };
    gone(&home);
    served.stop().in_order();
    gone(&home);
    assert_eq!(home.run(&["doctor"]).code, Some(0));
    // Who comes back is somebody new.
    let served = home.serve();
    taken(&served.connect().post("/v1/track", &track("c-0", "back")).unwrap());
    let back = home.json(&["profile", "show", "c-0"]);
    assert_eq!((&back["profile"]["event_count"], &back["profile"]["name"]), (&json!(1), &Value::Null));
    served.stop().in_order();
}

#[test]
fn effects_are_switched_off_and_on_beside_a_running_server() {
    let home = Home::new();
    let inbox = home.path("effects");
    let served = Start::new(&home.dir()).args(&["--effects-dir", inbox.to_str().unwrap()]).run().unwrap();
    let mut connection = served.connect();
    let mut number = 0;
    let mut break_a_promise = || {
        number += 1;
        let properties = json!({ "order_id": format!("o-{number}"), "promise": { "due": "2026-03-02" } });
        let event = json!({
            "event": "order.placed", "userId": format!("u-{number}"), "timestamp": "2026-03-01T09:00:00Z",
            "properties": properties,
        });
        taken(&connection.post("/v1/track", &event).unwrap());
        let order = format!("o-{number}");
        let mut state = Value::Null;
        until("the effect has ended", || {
            let effects = home.json(&["effects", "list"]);
            let of_order = effects.as_array().unwrap().iter().find(|e| e["order_id"] == order).cloned();
            state = of_order.map_or(Value::Null, |effect| effect["state"].clone());
            ["settled", "suppressed", "failed"].iter().any(|ended| state == *ended)
        });
        state
    };
    let files = || fs::read_dir(&inbox).map_or(0, Iterator::count);
    assert_eq!(home.json(&["effects", "status"]), json!({ "effects_on": true }));
    assert_eq!((break_a_promise(), files()), (json!("settled"), 1));
    assert_eq!(home.json(&["effects", "off"]), json!({ "effects_on": false }));
    assert_eq!((break_a_promise(), files()), (json!("suppressed"), 1));
    assert_eq!(home.json(&["effects", "status"]), json!({ "effects_on": false }));
    assert_eq!(home.json(&["effects", "on"]), json!({ "effects_on": true }));
    assert_eq!((break_a_promise(), files()), (json!("settled"), 2));
    served.stop().in_order();
    // The switch outlives the process.
    home.json(&["effects", "off"]);
    let served = home.serve();
    assert_eq!(home.json(&["effects", "status"]), json!({ "effects_on": false }));
    served.stop().in_order();
}

const TABLE: &str = "\
number,who,sold_at,item,price
n-1,a,2026-01-01 10:00:00,tea,3.50
n-1,a,2026-01-01 10:00:00,cup,2.00
n-2,b,2026-01-02 11:00:00,tea,3.50
n-3,b,yesterday,tea,3.50
";
const MAP: &str = "\
source: till
time_zone: Asia/Seoul
rows:
  - name: lines
    events:
      - event: order.placed
        group_by: [number]
        key: \"order:{number}:placed\"
        at: sold_at
        user_id: who
        properties:
          order_id: number
";

#[test]
fn a_table_is_imported_beside_a_running_server_once_for_ever() {
    let home = Home::new();
    let (table, map) = (home.path("table.csv"), home.path("map.yaml"));
    fs::write(&table, TABLE).unwrap();
    fs::write(&map, MAP).unwrap();
    let arguments = ["import", "csv", table.to_str().unwrap(), "--map", map.to_str().unwrap()];
    let served = home.serve();
    taken(&served.connect().post("/v1/track", &track("a", "live")).unwrap());
    let counts = |done: &Value| ["events", "applied", "known_before", "bad_rows"].map(|n| done[n].clone());
    let first = home.run(&arguments);
    assert_eq!(counts(&first.json()), [json!(2), json!(2), json!(0), json!(1)]);
    assert!(first.stderr.contains("table.csv:5"), "{first:?}");
    assert_eq!(counts(&home.json(&arguments)), [json!(2), json!(0), json!(2), json!(1)]);
    served.stop().in_order();
    assert_eq!(counts(&home.json(&arguments)), [json!(2), json!(0), json!(2), json!(1)]);
    let export = home.export();
    let of: Vec<(&str, u64)> =
        export.iter().map(|e| (e["source"].as_str().unwrap(), e["timeline"].as_u64().unwrap())).collect();
    assert_eq!(of, [("trial", 0), ("import:till", 1), ("import:till", 1)]);
    assert_eq!(export[1]["timestamp"], "2026-01-01T01:00:00Z");
    let letters = home.json(&["dead-letters", "list"]);
    assert_eq!(letters.as_array().unwrap().len(), 1, "{letters}");
    assert!(letters[0]["raw"].as_str().unwrap().contains("yesterday"));
    let profile = home.json(&["profile", "show", "a"]);
    assert_eq!(
        (&profile["profile"]["event_count"], profile["orders"].as_array().unwrap().len()),
        (&json!(2), 1)
    );
}

#[test]
fn a_backup_made_beside_a_running_server_is_a_store_again() {
    let home = Home::new();
    furnish(&home);
    let backup = home.path("backup");
    let place = backup.to_str().unwrap();
    let served = home.serve();
    let made = home.json(&["backup", "create", place]);
    taken(&served.connect().post("/v1/track", &track("c-9", "after the backup")).unwrap());
    let again = home.run(&["backup", "create", place]);
    assert_ne!(again.code, Some(0), "a backup is not written over: {again:?}");
    let verified = home.json(&["backup", "verify", place]);
    assert_eq!(verified["intake_seq"], made["intake_seq"]);
    let report = home.json(&["report", "promises"]);
    served.stop().in_order();

    let other = Home::new();
    fs::copy(home.path("store.key"), other.path("store.key")).unwrap();
    other.json(&["backup", "restore", place]);
    assert_eq!(other.json(&["effects", "status"]), json!({ "effects_on": false }));
    let ids = |home: &Home| -> Vec<Value> { home.export().iter().map(|e| e["messageId"].clone()).collect() };
    let kept = ids(&home);
    assert_eq!(ids(&other), kept[..kept.len() - 1]);
    let restored = other.json(&["report", "promises"]);
    for name in ["n_made", "kept", "broken", "open", "over_promise_days"] {
        assert_eq!(restored[name], report[name], "{name}");
    }
    let served = other.serve();
    taken(&served.connect().post("/v1/track", &track("c-9", "goes on")).unwrap());
    served.stop().in_order();
    other.run(&["backup", "restore", place]).refused(1);

    // One byte of it changed is seen, and nothing is made of it.
    let file = largest_file(&backup);
    flip(&file, fs::metadata(&file).unwrap().len() / 2);
    let damaged = home.run(&["backup", "verify", place]);
    let name = file.file_name().unwrap().to_str().unwrap();
    assert!(damaged.refused(1).contains(name), "{damaged:?}");
    let third = Home::new();
    third.run(&["backup", "restore", place]).refused(1);
}

fn largest_file(dir: &Path) -> std::path::PathBuf {
    let mut found = Vec::new();
    let mut look = vec![dir.to_owned()];
    while let Some(path) = look.pop() {
        if path.is_dir() {
            look.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else {
            found.push((fs::metadata(&path).unwrap().len(), path));
        }
    }
    found.into_iter().max().expect("some file").1
}

fn flip(file: &Path, at: u64) {
    let mut bytes = fs::read(file).unwrap();
    bytes[at as usize] ^= 0x10;
    fs::write(file, bytes).unwrap();
}

#[test]
fn the_doctor_names_the_flipped_byte_and_salvages_the_rest() {
    let home = Home::new();
    furnish(&home);
    let served = home.serve();
    let busy = home.run(&["doctor"]);
    assert!(busy.refused(5).contains("doctor-in-use"), "{busy:?}");
    served.stop().in_order();
    let sound = home.json(&["doctor"]);
    assert_eq!(sound["findings"], json!([]));
    let before = home.export().len();
    let segment = home.dir().join("intake/p0000").join(format!("{:020}.seg", 1));
    let at = fs::metadata(&segment).unwrap().len() / 2;
    flip(&segment, at);

    let found = home.run(&["doctor"]);
    assert_eq!(found.code, Some(4), "{found:?}");
    let report: Value = serde_json::from_str(&found.stdout).unwrap();
    let damage = report["findings"].as_array().unwrap().iter().find(|f| f["severity"] == "damage").unwrap();
    assert_eq!(damage["file"], json!(segment));
    let offset = damage["offset"].as_u64().unwrap();
    assert!(offset <= at && at - offset < 2_000, "{damage}, flipped at {at}");
    for (lang, word) in [("en", "byte"), ("ko", "손상")] {
        let said = home.say(&["--lang", lang, "doctor"]);
        assert_eq!(said.code, Some(4));
        let names =
            said.stdout.contains(segment.to_str().unwrap()) && said.stdout.contains(&offset.to_string());
        assert!(names && said.stdout.contains(word), "{said:?}");
    }
    // Nobody opens it by mistake.
    for arguments in [&["status"][..], &["report", "promises"], &["events", "export"], &["keys", "list"]] {
        let refused = home.run(arguments);
        assert!(
            refused.refused(4).contains("store-damaged") && refused.stderr.contains("doctor"),
            "{refused:?}"
        );
    }
    let refused = Start::new(&home.dir()).run().err().expect("a damaged store is not served");
    assert_eq!(refused.status.code(), Some(4));

    let saved = Home::new();
    let into = saved.dir();
    let salvaged = home.json(&["doctor", "--salvage", into.to_str().unwrap()]);
    assert_eq!(salvaged["intake_lost"], 1, "{salvaged}");
    assert_eq!(home.run(&["doctor"]).code, Some(4), "what was found is left as it was");
    let served = saved.serve();
    assert_eq!(saved.json(&["effects", "status"]), json!({ "effects_on": false }));
    taken(&served.connect().post("/v1/track", &track("c-9", "goes on")).unwrap());
    let kept = saved.export().len();
    assert!(kept == before || kept + 1 == before + 1, "{kept} of {before}");
    served.stop().in_order();
    assert_eq!(saved.run(&["doctor"]).code, Some(0));
}

#[test]
fn failures_have_their_exit_codes() {
    let home = Home::new();
    // Nothing there, and asking makes nothing.
    for arguments in [
        &["status"][..],
        &["report", "promises"],
        &["events", "export"],
        &["tail"],
        &["doctor"],
        &["backup", "create", "/tmp/nowhere"],
        &["effects", "off"],
        &["dead-letters", "list"],
    ] {
        let ran = home.run(arguments);
        assert!(ran.refused(3).contains("no-store"), "{arguments:?}: {ran:?}");
    }
    assert!(!home.dir().exists());
    home.json(&["keys", "create", "shop"]);
    let served = home.serve();
    // A second server on one store, and one on a port that is taken.
    let second = Start::new(&home.dir()).run().err().expect("one server a store");
    assert_eq!(second.status.code(), Some(5), "{second:?}");
    let other = Home::new();
    let taken = other.run(&["serve", "--listen", &served.address]);
    assert!(taken.refused(5).contains(&served.address), "{taken:?}");
    // A server that holds the store and does not answer.
    let file = home.dir().join("server.json");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace(&served.address, "127.0.0.1:1")).unwrap();
    let silent = home.run(&["status"]);
    assert!(silent.refused(5).contains("127.0.0.1:1"), "{silent:?}");
    fs::write(&file, text.replace("\"token\":\"", "\"token\":\"0")).unwrap();
    assert!(home.run(&["status"]).refused(2).contains("server.json"));
    fs::remove_file(&file).unwrap();
    assert!(home.run(&["status"]).refused(5).contains("store-in-use"));
    served.stop().in_order();
    home.json(&["status"]);
    // Another master key, none, and one that is no key.
    let dir = home.dir();
    let status = ["--store", dir.to_str().unwrap(), "--json", "status"];
    let wrong = inyeon(&status, &[("INYEON_MASTER_KEY", &"0".repeat(64))]);
    assert!(wrong.refused(1).contains("master-key"), "{wrong:?}");
    assert!(inyeon(&status, &[("INYEON_MASTER_KEY", "short")]).refused(2).contains("master-key"));
    assert!(inyeon(&status, &[("INYEON_MASTER_KEY_FILE", "/nowhere")]).refused(1).contains("/nowhere"));
    let key = fs::read_to_string(home.path("store.key")).unwrap();
    fs::remove_file(home.path("store.key")).unwrap();
    assert!(home.run(&["status"]).refused(1).contains("store.key"));
    assert_eq!(inyeon(&status, &[("INYEON_MASTER_KEY", key.trim())]).code, Some(0));
    // A store of a newer program.
    fs::write(home.path("store.key"), &key).unwrap();
    let description = fs::read_to_string(dir.join("store.json")).unwrap();
    let mut newer: Value = serde_json::from_str(&description).unwrap();
    newer["format"] = json!(99);
    fs::write(dir.join("store.json"), newer.to_string()).unwrap();
    let ran = home.run(&["status"]);
    assert!(ran.refused(1).contains("store-newer") && ran.stderr.contains("99"), "{ran:?}");
    fs::write(dir.join("store.json"), "{").unwrap();
    home.run(&["status"]).refused(4);
}

#[test]
fn who_stops_reading_hurts_nobody() {
    let home = Home::new();
    let served = home.serve();
    let mut connection = served.connect();
    for round in 0..4 {
        let batch: Vec<Value> = (0..500).map(|n| track("u-1", &format!("{round}-{n}"))).collect();
        taken(&connection.post("/v1/batch", &json!({ "batch": batch })).unwrap());
    }
    let dir = home.dir();
    let dir = dir.to_str().unwrap();
    // The first line and no more, as `head -1` reads; the last one would wait for ever.
    for arguments in [
        &["events", "export"][..],
        &["events", "export", "--format", "csv"],
        &["profile", "show", "u-1", "--timeline", "2000"],
        &["tail", "--all"],
    ] {
        let mut child = command();
        child.args(["--store", dir]).args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = child.spawn().unwrap();
        let mut line = String::new();
        BufReader::with_capacity(64, child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert!(!line.is_empty());
        let mut errors = String::new();
        child.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
        assert_eq!((child.wait().unwrap().code(), errors.as_str()), (Some(0), ""), "{arguments:?}");
    }
    // Nobody reads the errors either.
    for (arguments, code) in [(&["profile", "show", "nobody"][..], 3), (&["frobnicate"], 2), (&["--help"], 0)]
    {
        let mut child = command();
        child.args(["--store", dir]).args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = child.spawn().unwrap();
        drop((child.stdout.take(), child.stderr.take()));
        assert_eq!(child.wait().unwrap().code(), Some(code), "{arguments:?}");
    }
    served.stop().in_order();
}

#[test]
fn a_tail_follows_and_ends_where_it_is_told_to() {
    let home = Home::new();
    let served = home.serve();
    taken(&served.connect().post("/v1/track", &track("u-1", "before")).unwrap());
    let all = home.run(&["tail", "--once", "--all"]);
    let lines: Vec<Value> = all.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.iter().map(|line| &line["messageId"]).collect::<Vec<_>>(), ["before"]);
    let none = home.run(&["tail", "--once"]);
    assert_eq!((none.code, none.stdout.as_str()), (Some(0), ""));

    let mut child = command();
    child.arg("--store").arg(home.dir()).args(["--json", "tail", "--all"]);
    child.stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = child.spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut next = || -> Value { serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap() };
    assert_eq!(next()["messageId"], "before");
    let order = json!({
        "event": "order.placed", "userId": "u-1", "messageId": "order",
        "properties": { "order_id": "o-1", "promise": { "due": "2999-01-01" } },
    });
    taken(&served.connect().post("/v1/track", &order).unwrap());
    assert_eq!(next()["messageId"], "order");
    // What it led to comes behind it.
    assert_eq!([next()["event"].clone(), next()["event"].clone()], ["order.placed", "promise.made"]);
    served.stop().in_order();
    assert_eq!(child.wait().unwrap().code(), Some(5), "the server that it followed is gone");
}
