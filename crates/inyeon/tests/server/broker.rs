//! Devices by MQTT, against a real broker: what a message becomes, that it counts once, who may listen, and what is
//! said where it does not work.

use serde_json::{Value, json};

use crate::contract::is_hangul;
use crate::mosquitto::{Device, Hello, Mosquitto, free_port, write_passwords};
use crate::support::{Home, Served, Start, until};

/// Connects a broker under its name and waits until the server listens to it.
fn connect(home: &Home, name: &str, url: &str, more: &[&str]) -> Value {
    let mut arguments = vec!["brokers", "connect", name, "--url", url];
    arguments.extend(more);
    let connected = home.json(&arguments);
    until("the broker is listened to", || live(home, name)["connected_since"].is_string());
    connected
}

/// How a broker's connection does.
pub(crate) fn live(home: &Home, name: &str) -> Value {
    let rows = home.json(&["brokers", "list"]);
    let row = rows.as_array().unwrap().iter().find(|row| row["name"] == name);
    row.map(|row| row["live"].clone()).unwrap_or_default()
}

/// Waits until so many messages were taken and acknowledged.
#[track_caller]
fn settled(home: &Home, name: &str, received: u64) -> Value {
    until("all is taken", || {
        let live = live(home, name);
        live["received"] == received && live["acknowledged"] == received
    });
    live(home, name)
}

fn device(broker: &Mosquitto, id: &str) -> Device {
    Device::connect(broker.port, &Hello { id, ..Hello::default() }).unwrap()
}

/// The exported events of one name.
fn of_name(events: &[Value], name: &str) -> Vec<Value> {
    events.iter().filter(|event| event["event"] == name).cloned().collect()
}

#[test]
fn levels_readings_and_last_wills_come_in_by_both_versions() {
    for version in ["5", "3.1.1"] {
        let (broker, home) = (Mosquitto::start(), Home::new());
        let served = home.serve();
        connect(&home, "field", &broker.url(), &["--mqtt", version]);
        let mut printer = device(&broker, "p-1");
        printer.publish("inyeon/p-1/slots/black/level", "37").unwrap();
        let whole = r#"{"level":36.5,"at":"2026-03-01T09:00:00+09:00","id":"m-1","seq":9}"#;
        for _ in 0..3 {
            printer.publish("inyeon/p-1/slots/black/level", whole).unwrap();
        }
        // QoS 2 comes at QoS 1, and QoS 0 is not acknowledged.
        printer.publish_as("inyeon/p-1/slots/cyan/level", b"80", 0, false).unwrap();
        printer.publish("inyeon/p-1/readings", r#"{"boot":"b","seq":1,"temperature":21.5}"#).unwrap();
        let list =
            r#"[{"name":"humidity","value":40,"at":"2026-03-01T00:00:00Z"},{"name":"co2","value":700}]"#;
        printer.publish("inyeon/p-1/readings", list).unwrap();
        // A device that is gone without a word: the broker says its last will.
        let will = Some(("inyeon/p-2/status", "offline"));
        drop(Device::connect(broker.port, &Hello { id: "p-2", will, ..Hello::default() }).unwrap());
        until("everything came", || live(&home, "field")["received"] == 8);
        until("everything is acknowledged", || live(&home, "field")["acknowledged"] == 7);
        let metrics = served.connect_as(None).get("/metrics").unwrap().text().to_owned();
        assert!(metrics.contains("inyeon_broker_connected{broker=\"field\"} 1\n"), "{metrics}");
        assert!(metrics.contains("inyeon_broker_received_total{broker=\"field\"} 8\n"), "{metrics}");
        served.stop().in_order();
        let events = home.export();
        let levels = of_name(&events, "slot.level_reported");
        assert_eq!(levels.len(), 3, "{version}: the same message counts once: {levels:?}");
        let bare = &levels[0];
        assert_eq!(bare["properties"], json!({ "device_id": "p-1", "slot_id": "black", "level": 37 }));
        assert_eq!(bare["source"], "broker:field");
        assert_eq!(bare["context"]["topic"], "inyeon/p-1/slots/black/level");
        assert_eq!(bare["timestamp"], bare["receivedAt"], "a device without a clock");
        assert_eq!(levels[1]["properties"]["level"], 36.5);
        assert_eq!(levels[1]["timestamp"], "2026-03-01T00:00:00Z");
        assert_eq!(levels[1]["userId"], Value::Null);
        assert_eq!(levels[2]["properties"]["slot_id"], "cyan");
        let readings = of_name(&events, "device.reading_reported");
        assert_eq!(readings.len(), 3, "{readings:?}");
        assert_eq!(readings[0]["properties"]["values"]["temperature"], 21.5);
        let told: Vec<(&Value, &Value)> =
            readings[1..].iter().map(|r| (&r["properties"]["name"], &r["properties"]["value"])).collect();
        assert_eq!(told, [(&json!("humidity"), &json!(40)), (&json!("co2"), &json!(700))]);
        let silent = of_name(&events, "device.silent");
        assert_eq!(silent.len(), 1, "{version}: {events:?}");
        assert_eq!(silent[0]["properties"], json!({ "device_id": "p-2", "state": "offline" }));
    }
}

#[test]
fn what_cannot_be_read_is_kept_with_its_bytes_and_read_again_when_the_map_is_mended() {
    let (broker, home) = (Mosquitto::start(), Home::new());
    let _served = home.serve();
    connect(&home, "field", &broker.url(), &[]);
    let mut sensor = device(&broker, "s-1");
    let level = "inyeon/s-1/slots/a/level";
    for payload in [&b"\x00\xff\x17"[..], b"much", br#"{"level":37"#, br#"{"lvl":12,"id":"x"}"#, b""] {
        sensor.publish(level, payload).unwrap();
        sensor.publish(level, payload).unwrap();
    }
    // Nothing is sent again and again: what is kept is acknowledged.
    let live = settled(&home, "field", 10);
    assert_eq!(live["refused"], 8, "{live}");
    let letters = home.json(&["dead-letters", "list"]);
    let letters = letters.as_array().unwrap();
    assert_eq!(letters.len(), 8, "the same words twice are two messages, and neither is lost: {letters:?}");
    let kept = |code: &str| -> Value {
        let letter = letters.iter().find(|letter| letter["code"] == code);
        let letter = letter.unwrap_or_else(|| panic!("{code}: {letters:?}"));
        assert_eq!(letter["source"], "broker:field");
        assert_eq!(letter["place"], "mqtt/field");
        serde_json::from_str(letter["raw"].as_str().unwrap()).unwrap()
    };
    assert_eq!(kept("not_text"), json!({ "topic": level, "retained": false, "payload_base64": "AP8X" }));
    assert_eq!(kept("number")["payload"], "much");
    assert_eq!(kept("malformed_json")["payload"], r#"{"level":37"#);
    assert_eq!(kept("missing")["payload"], r#"{"lvl":12,"id":"x"}"#);
    let map = home.path("mended.yaml");
    let shipped = include_str!("../../../../maps/mqtt.yaml");
    std::fs::write(&map, shipped.replacen("from: level,", "from: lvl,", 1)).unwrap();
    connect(&home, "field", &broker.url(), &["--map", map.to_str().unwrap()]);
    let replayed = home.json(&["dead-letters", "replay", "--all"]);
    assert_eq!(replayed["replayed"].as_array().map(Vec::len), Some(2), "{replayed}");
    let levels = of_name(&home.export(), "slot.level_reported");
    assert_eq!(levels.len(), 1, "what has a name counts once: {levels:?}");
    assert_eq!(levels[0]["properties"]["level"], 12);
}

#[test]
fn what_the_broker_retains_counts_once_and_says_so() {
    for version in ["5", "3.1.1"] {
        let (mut broker, home) = (Mosquitto::start(), Home::new());
        let mut tank = device(&broker, "t-1");
        let level = r#"{"level":70,"at":"2026-03-01T00:00:00Z"}"#;
        tank.publish_as("inyeon/t-1/slots/tank/level", level.as_bytes(), 1, true).unwrap();
        let served = home.serve();
        connect(&home, "field", &broker.url(), &["--mqtt", version]);
        settled(&home, "field", 1);
        // The server comes again, the broker comes again, and the same name is connected again.
        served.stop().in_order();
        let served = home.serve();
        until("it is listened to again", || live(&home, "field")["connected_since"].is_string());
        broker.end(libc::SIGTERM);
        until("the end is noticed", || live(&home, "field")["connected_since"].is_null());
        assert!(live(&home, "field")["last_error"]["message"].as_str().unwrap().contains(&broker.url()));
        broker.resume();
        until("it is listened to again", || live(&home, "field")["connected_since"].is_string());
        connect(&home, "field", &broker.url(), &["--mqtt", version, "--source", "field"]);
        connect(&home, "field", &broker.url(), &["--mqtt", version]);
        // What was live then comes after all of it.
        device(&broker, "t-2").publish("inyeon/t-2/slots/tank/level", r#"{"level":1,"id":"last"}"#).unwrap();
        until("the last one came", || {
            of_name(&home.export(), "slot.level_reported").iter().any(|e| e["properties"]["level"] == 1)
        });
        served.stop().in_order();
        let levels = of_name(&home.export(), "slot.level_reported");
        let retained: Vec<_> = levels.iter().filter(|e| e["properties"]["level"] == 70).collect();
        let of_source = |source: &str| retained.iter().filter(|event| event["source"] == source).count();
        assert_eq!(of_source("broker:field"), 1, "{version}: {retained:?}");
        assert!(of_source("field") <= 1, "another source is another name: {retained:?}");
        assert!(retained.iter().all(|event| event["context"]["retained"] == true), "{retained:?}");
        let live = levels.iter().find(|e| e["properties"]["level"] == 1).unwrap();
        assert_eq!(live["context"].get("retained"), None, "{live}");
    }
}

#[test]
fn a_map_of_ones_own_is_followed_at_once_and_its_topics_change_with_it() {
    let (broker, home) = (Mosquitto::start(), Home::new());
    let served = home.serve();
    let map = |topic: &str| {
        format!(
            "source: plant\nrows:\n  - name: weights\n    topic: {topic}\n    bare: grams\n    events:\n      \
             - event: slot.level_reported\n        key: [\"{{@topic}} {{@digest}}\"]\n        at: \"@received\"\n        \
             properties:\n          scale: \"@topic.scale\"\n          grams: {{ from: grams, as: integer, required: true }}\n"
        )
    };
    let path = home.path("own.yaml");
    let at = path.to_str().unwrap();
    std::fs::write(&path, map("plant/{scale}/weight")).unwrap();
    let first = connect(&home, "plant", &broker.url(), &["--map", at, "--source", "scales"]);
    assert_eq!(first["topics"], json!(["plant/+/weight"]));
    let mut scale = device(&broker, "sc-1");
    scale.publish("plant/a/weight", "120").unwrap();
    scale.publish("inyeon/a/slots/b/level", "1").unwrap();
    settled(&home, "plant", 1);
    std::fs::write(&path, map("works/{scale}/weight")).unwrap();
    let second = connect(&home, "plant", &broker.url(), &["--map", at, "--source", "scales"]);
    assert_eq!(second["client_id"], first["client_id"], "the session stays");
    scale.publish("works/a/weight", "130").unwrap();
    until("the new topic is heard", || home.export().len() == 2);
    scale.publish("plant/a/weight", "140").unwrap();
    scale.publish("works/a/weight", "150").unwrap();
    until("the new topic is heard", || home.export().len() == 3);
    let grams: Vec<Value> = home.export().iter().map(|e| e["properties"]["grams"].clone()).collect();
    assert_eq!(grams, [json!(120), json!(130), json!(150)], "the old topic is not asked for any more");
    assert!(home.export().iter().all(|event| event["source"] == "scales"));

    let gone = home.json(&["brokers", "disconnect", "plant"]);
    assert_eq!(gone["client_id"], first["client_id"]);
    assert_eq!(home.json(&["brokers", "list"]), json!([]));
    scale.publish("works/a/weight", "160").unwrap();
    // The broker has forgotten the session: nothing waits for one who comes under its name.
    let hello = Hello { id: first["client_id"].as_str().unwrap(), keeps_session: true, ..Hello::default() };
    let mut same = Device::connect(broker.port, &hello).unwrap();
    same.ping().unwrap();
    same.subscribe("works/+/weight").unwrap();
    scale.publish("works/a/weight", "170").unwrap();
    let got = same.receive().unwrap();
    assert_eq!((got.topic.as_str(), got.payload.as_slice()), ("works/a/weight", &b"170"[..]));
    served.stop().in_order();
    assert_eq!(home.export().len(), 3);
}

#[test]
fn what_waits_at_the_broker_survives_a_new_address_of_the_same_name() {
    let (broker, elsewhere, home) = (Mosquitto::start(), Mosquitto::start(), Home::new());
    let served = home.serve();
    let first = connect(&home, "field", &broker.url(), &[]);
    for url in [format!("{}/", broker.url()), format!("mqtt://localhost:{}", broker.port)] {
        assert_eq!(connect(&home, "field", &url, &[])["client_id"], first["client_id"], "{url}");
    }
    let moved = connect(&home, "field", &elsewhere.url(), &[]);
    assert_eq!(moved["client_id"], first["client_id"]);
    // Nobody listens at the first one now, and it keeps what comes.
    device(&broker, "d-1").publish("inyeon/d-1/slots/a/level", r#"{"level":1,"id":"waits"}"#).unwrap();
    connect(&home, "field", &broker.url(), &[]);
    until("what waited comes", || of_name(&home.export(), "slot.level_reported").len() == 1);
    let other = connect(&home, "field", &broker.url(), &["--client-id", "another"]);
    assert_eq!(other["client_id"], "another");
    served.stop().in_order();
}

#[test]
fn tls_and_a_login_are_checked_and_every_refusal_says_why() {
    let port = free_port();
    let authority = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(Vec::<String>::new()).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let certificate = params.self_signed(&authority).unwrap();
    let issuer = rcgen::Issuer::new(params, authority);
    let key = rcgen::KeyPair::generate().unwrap();
    let params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let of_broker = params.signed_by(&key, &issuer).unwrap();
    let files = crate::support::temp();
    let file = |name: &str, text: &str| {
        let path = files.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let ca = file("ca.pem", &certificate.pem());
    let (cert, key) = (file("cert.pem", &of_broker.pem()), file("key.pem", &key.serialize_pem()));
    let passwords = files.path().join("passwords");
    write_passwords(&passwords, "inyeon", "right");
    let passwords = passwords.to_str().unwrap();
    let broker = Mosquitto::with(&format!(
        "allow_anonymous false\npassword_file {passwords}\nlistener {port} 127.0.0.1\ncertfile {cert}\nkeyfile {key}\n\
         allow_anonymous false\n"
    ));
    let (right, wrong) = (file("right", "right\n"), file("wrong", "wrong\n"));
    let home = Home::new();
    let url = format!("mqtts://localhost:{port}");
    let plain = broker.url();
    let nowhere = format!("mqtt://127.0.0.1:{}", free_port());
    let login = ["--username", "inyeon", "--password-file"];
    let cases: [(&str, Vec<&str>, i32, &str, &str); 12] = [
        (&url, [&login[..], &[&right]].concat(), 1, "broker-certificate", "--ca"),
        (&url, [&login[..], &[&wrong, "--ca", &ca]].concat(), 1, "broker-login", "--password-file"),
        (&plain, vec!["--mqtt", "3.1.1"], 1, "broker-login", "--username"),
        (&plain, [&login[..], &[&wrong]].concat(), 1, "broker-login", &plain),
        (&nowhere, vec![], 5, "broker-unreachable", &nowhere),
        ("broker.example", vec![], 2, "broker-url", "mqtts://"),
        ("mqtt://me:secret@b", vec![], 2, "broker-url-login", "--password-file"),
        (&plain, vec!["--ca", &ca], 2, "broker-ca-unused", "mqtts://"),
        (&url, vec!["--ca", &right], 2, "broker-ca", "PEM"),
        (&url, vec!["--password-file", &right], 2, "broker-password-alone", "--username"),
        (&url, vec!["--map", "../../maps/shopify.yaml"], 2, "broker-map", "docs/devices.md"),
        (&plain, vec!["--password-file", "/nowhere"], 1, "io", "/nowhere"),
    ];
    for (url, more, exit, code, word) in cases {
        for command in [&["brokers", "connect", "field"][..], &["brokers", "check"]] {
            let arguments = [command, &["--url", url], &more].concat();
            let ran = home.run(&arguments);
            let error: Value = serde_json::from_str(ran.refused(exit)).unwrap();
            assert_eq!(error["error"], code, "{arguments:?}: {error}");
            assert!(error["message"].as_str().unwrap().contains(word), "{arguments:?}: {error}");
            let korean = home.say(&[&["--lang", "ko"], &arguments[..]].concat());
            assert!(is_hangul(korean.refused(exit)), "{korean:?}");
        }
    }
    assert!(!home.dir().exists(), "what was refused is kept nowhere");
    // Kept untried, the server says what is wrong, again and again, and the connection comes about when it is mended.
    let served = home.serve();
    home.json(
        &[&["brokers", "connect", "field", "--untried", "--url", &url], &login[..], &[&wrong, "--ca", &ca]]
            .concat(),
    );
    until("the server says why", || live(&home, "field")["last_error"]["code"] == "broker-login");
    until("the server tries again", || live(&home, "field")["failures"].as_u64() > Some(1));
    let metrics = served.connect_as(None).get("/metrics").unwrap().text().to_owned();
    assert!(metrics.contains("inyeon_broker_connected{broker=\"field\"} 0\n"), "{metrics}");
    connect(&home, "field", &url, &[&login[..], &[&right, "--ca", &ca]].concat());
    let hello = Hello { id: "d-1", login: Some(("inyeon", "right")), ..Hello::default() };
    Device::connect(broker.port, &hello).unwrap().publish("inyeon/d-1/slots/a/level", "5").unwrap();
    settled(&home, "field", 1);
    let listed = home.run(&["brokers", "list"]).stdout;
    assert!(!listed.contains("right") && listed.contains("\"username\": \"inyeon\""), "{listed}");
    served.stop().in_order();
    assert_eq!(of_name(&home.export(), "slot.level_reported").len(), 1);
}

#[test]
fn a_check_shows_what_comes_and_keeps_nothing() {
    let (broker, home) = (Mosquitto::start(), Home::new());
    let mut tank = device(&broker, "t-1");
    tank.publish_as("inyeon/t-1/slots/tank/level", br#"{"level":70,"id":"a"}"#, 1, true).unwrap();
    tank.publish_as("inyeon/t-1/status", b"\xff", 1, true).unwrap();
    let arguments = ["brokers", "check", "--url", &broker.url(), "--messages", "2", "--seconds", "20"];
    let ran = home.run(&arguments);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let mut shown: Vec<Value> = ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    shown.sort_by_key(|message| message["topic"].to_string());
    assert_eq!(shown[0]["events"][0]["properties"]["level"], 70, "{shown:?}");
    assert_eq!(shown[0]["events"][0]["key"], "inyeon/t-1/slots/tank/level id a");
    assert_eq!(shown[0]["retained"], true);
    assert_eq!(shown[1]["refused"]["code"], "not_text");
    let said = home.say(&arguments);
    assert!(said.stdout.contains("(retained)") && said.stdout.contains("not_text"), "{said:?}");
    let nothing = home.say(&[
        "brokers",
        "check",
        "--url",
        &broker.url(),
        "--map",
        empty_map(&home).as_str(),
        "--seconds",
        "1",
    ]);
    assert!(nothing.stdout.contains("nothing/+"), "{nothing:?}");
    assert!(!home.dir().exists(), "no store is touched");
}

fn empty_map(home: &Home) -> String {
    let path = home.path("nothing.yaml");
    let map = "source: x\nrows:\n  - name: a\n    topic: nothing/+\n    skip: it is only listened for\n";
    std::fs::write(&path, map).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn nothing_is_acknowledged_while_the_disk_refuses() {
    let mut delayed = 0;
    // Which write is the intake's own depends on the journal's pace, so some that follow one another are tried.
    for nth in 7..13 {
        for kind in ["write", "writes_from"] {
            delayed += u64::from(refusing_disk(&format!("{kind}:{nth}:{}", libc::ENOSPC)));
        }
    }
    assert!(delayed >= 2, "only {delayed} disks refused a message");
}

/// Sends messages to a server whose disk fails and then to one whose disk is sound: all are there, once. Says whether
/// a message had to wait.
fn refusing_disk(fault: &str) -> bool {
    const MESSAGES: u64 = 60;
    let (broker, home) = (Mosquitto::start(), Home::new());
    let arguments = ["brokers", "connect", "field", "--untried", "--url", &broker.url()];
    home.json(&arguments);
    // The session begins before the disk fails.
    let served = home.serve();
    until("it is listened to", || live(&home, "field")["connected_since"].is_string());
    served.stop().in_order();
    let mut delayed = false;
    let started = Start::new(&home.dir()).env("INYEON_FAULT", fault).run();
    let mut device = device(&broker, "d-1");
    for n in 0..MESSAGES {
        let level = json!({ "level": n, "id": format!("m-{n}") });
        device.publish("inyeon/d-1/slots/a/level", level.to_string()).unwrap();
    }
    if let Ok(mut served) = started {
        let live = |served: &mut Served| served.is_running().then(|| metrics(served)).flatten();
        until("it is refused, or all is taken", || match live(&mut served) {
            Some([received, acknowledged, refusals]) => {
                assert!(acknowledged <= received, "{fault}");
                delayed |= refusals > 0;
                (refusals > 0 && acknowledged < received) || acknowledged == MESSAGES
            }
            None => true,
        });
        if fault.starts_with("write:") {
            until("it is taken once there is room", || match live(&mut served) {
                Some([_, acknowledged, _]) => acknowledged == MESSAGES,
                None => true,
            });
        }
        served.kill().without_panic();
    }
    let served = home.serve();
    until("all is there", || home.export().len() as u64 == MESSAGES);
    served.stop().in_order();
    let mut levels: Vec<u64> =
        home.export().iter().map(|e| e["properties"]["level"].as_u64().unwrap()).collect();
    levels.sort_unstable();
    assert_eq!(levels, (0..MESSAGES).collect::<Vec<_>>(), "{fault}: each once");
    delayed
}

/// Received, acknowledged and delayed, by the metrics page; nothing where the server is gone.
fn metrics(served: &Served) -> Option<[u64; 3]> {
    let mut connection = crate::wire::Connection::open(&served.address, None).ok()?;
    let page = connection.get("/metrics").ok()?.text().to_owned();
    let value = |name: &str| {
        let start = format!("inyeon_broker_{name}_total{{broker=\"field\"}} ");
        page.lines().find_map(|line| line.strip_prefix(&start)?.parse().ok())
    };
    Some([value("received")?, value("acknowledged")?, value("delayed")?])
}

#[test]
fn an_orderly_end_leaves_nothing_unacknowledged() {
    // Messages without a name: each counts once as long as nothing breaks.
    let (broker, home) = (Mosquitto::start(), Home::new());
    let served = home.serve();
    connect(&home, "field", &broker.url(), &[]);
    let port = broker.port;
    let sender = std::thread::spawn(move || {
        let mut device = Device::connect(port, &Hello { id: "d-1", ..Hello::default() }).unwrap();
        for n in 0..400 {
            device.publish("inyeon/d-1/slots/a/level", n.to_string()).unwrap();
        }
    });
    let mut served = Some(served);
    for part in [50, 150, 250] {
        until("some came", || home.export().len() >= part);
        served.take().unwrap().stop().in_order();
        served = Some(home.serve());
    }
    sender.join().unwrap();
    until("all came", || home.export().len() >= 400);
    served.take().unwrap().stop().in_order();
    let levels: Vec<u64> = home.export().iter().map(|e| e["properties"]["level"].as_u64().unwrap()).collect();
    assert_eq!(levels, (0..400).collect::<Vec<u64>>(), "each once, in its order");
}
