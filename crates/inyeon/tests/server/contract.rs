//! The HTTP contract: what is taken, what is refused and how that is said, and that nothing a client sends hurts
//! the server.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::support::{Home, KEY};
use crate::wire::{Reply, basic};

pub(crate) fn track(user: &str, id: &str) -> Value {
    json!({ "type": "track", "event": "Seen", "userId": user, "messageId": id })
}

/// Asserts that an answer is an error in the promised shape; gives its message.
#[track_caller]
pub(crate) fn refused(reply: &Reply, status: u16, code: &str) -> String {
    assert_eq!(reply.status, status, "{}", reply.text());
    let body = reply.json();
    assert_eq!(body["success"], false, "{body}");
    assert_eq!(body["code"], code, "{body}");
    let message = body["message"].as_str().expect("a message").to_owned();
    assert!(message.len() > 10, "{body}");
    assert!(
        !message.contains("{ $") && !message.starts_with("http-") && !message.starts_with("refused-"),
        "{body}"
    );
    message
}

pub(crate) fn is_hangul(text: &str) -> bool {
    text.chars().any(|c| ('\u{AC00}'..='\u{D7A3}').contains(&c))
}

#[track_caller]
pub(crate) fn taken(reply: &Reply) -> Value {
    assert_eq!(reply.status, 200, "{}", reply.text());
    let body = reply.json();
    assert_eq!(body["success"], true, "{body}");
    body
}

#[test]
fn every_kind_of_call_is_taken_and_kept_as_it_came() {
    let home = Home::new();
    let served = home.serve();
    let mut connection = served.connect();
    let base =
        |id: &str| json!({ "userId": "u-1", "messageId": id, "timestamp": "2026-03-01T09:00:00.000001Z" });
    let with = |id: &str, more: Value| {
        let mut event = base(id);
        event.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        event
    };
    let calls = [
        (
            "track",
            with("k-track", json!({ "event": "주문 보기", "properties": { "a": [1, null, "\u{0}é"] } })),
        ),
        ("identify", with("k-identify", json!({ "traits": { "name": "김하나", "plan": { "tier": 2 } } }))),
        ("page", with("k-page", json!({ "name": "Home", "properties": { "url": "/" } }))),
        ("screen", with("k-screen", json!({ "name": "Start" }))),
        ("group", with("k-group", json!({ "groupId": "g-1", "traits": { "size": 3 } }))),
        ("alias", with("k-alias", json!({ "previousId": "before" }))),
    ];
    for (kind, call) in &calls {
        let reply = connection.post(&format!("/v1/{kind}"), call).unwrap();
        assert_eq!(taken(&reply)["messageId"], call["messageId"]);
    }
    // The same in a batch, where the event names its own kind; and by the other name of the path.
    let again = |suffix: &str| -> Vec<Value> {
        let events = calls.iter().map(|(kind, call)| {
            let mut event = call.clone();
            event["type"] = json!(kind);
            event["messageId"] = json!(format!("{}-{suffix}", call["messageId"].as_str().unwrap()));
            event
        });
        events.collect()
    };
    for path in ["batch", "import"] {
        let context = json!({ "ip": "192.0.2.1" });
        let body = json!({ "batch": again(path), "context": context });
        let answer = taken(&connection.post(&format!("/v1/{path}"), &body).unwrap());
        assert_eq!((&answer["accepted"], &answer["rejected"]), (&json!(6), &json!(0)));
    }
    // One without a name gets one; a number is a name too.
    let answer = taken(&connection.post("/v1/track", &json!({ "event": "Seen", "anonymousId": 7 })).unwrap());
    let made = answer["messageId"].as_str().unwrap().to_owned();
    assert!(made.len() > 20, "{made}");

    let export = home.export();
    assert_eq!(export.len(), 19);
    let kept: BTreeMap<&str, &Value> = export.iter().map(|e| (e["messageId"].as_str().unwrap(), e)).collect();
    for (kind, call) in &calls {
        let id = call["messageId"].as_str().unwrap();
        for (id, ip) in [
            (id.to_owned(), Value::Null),
            (format!("{id}-batch"), json!("192.0.2.1")),
            (format!("{id}-import"), json!("192.0.2.1")),
        ] {
            let event = kept[id.as_str()];
            assert_eq!(event["type"], *kind);
            for name in ["userId", "previousId", "groupId", "properties", "traits", "timestamp"] {
                assert_eq!(event[name], call.get(name).cloned().unwrap_or_default(), "{id} {name}");
            }
            let name = if *kind == "track" { &call["event"] } else { &call["name"] };
            assert_eq!(event["event"], *name, "{id}");
            assert_eq!(event["context"]["ip"], ip, "{id}");
            assert_eq!(event["source"], "trial");
        }
    }
    assert_eq!(kept[made.as_str()]["anonymousId"], "7");
    served.stop().in_order();
}

/// Bodies of one event that are refused by name and kept, with the code that each gets.
fn bad_events() -> Vec<(&'static str, String, &'static str)> {
    let event = |member: &str| format!(r#"{{"type":"track","event":"Seen","userId":"u-1",{member}}}"#);
    let long = "x".repeat(600);
    vec![
        ("cut short", r#"{"type":"track","event":"Seen","userId":"u-1","#.to_owned(), "malformed_json"),
        ("nothing", String::new(), "malformed_json"),
        ("two values", r#"{"type":"page","userId":"u"} {}"#.to_owned(), "malformed_json"),
        ("a raw NUL byte", "{\"type\":\"page\",\0\"userId\":\"u\"}".to_owned(), "malformed_json"),
        (
            "half a surrogate",
            r#"{"type":"track","event":"\ud800","userId":"u"}"#.to_owned(),
            "malformed_json",
        ),
        ("only brackets", "[".repeat(20_000), "wrong_type"),
        ("a list", "[]".to_owned(), "wrong_type"),
        ("a text", "\"track\"".to_owned(), "wrong_type"),
        ("null", "null".to_owned(), "wrong_type"),
        ("a number for a name", r#"{"type":"track","event":5,"userId":"u"}"#.to_owned(), "wrong_type"),
        ("an object for an id", r#"{"type":"page","userId":{"a":1}}"#.to_owned(), "wrong_type"),
        ("a fraction for an id", r#"{"type":"page","userId":1.5}"#.to_owned(), "wrong_type"),
        (
            "an id past 64 bits",
            r#"{"type":"page","userId":99999999999999999999999}"#.to_owned(),
            "wrong_type",
        ),
        ("a boolean for a time", event(r#""timestamp":true"#), "wrong_type"),
        ("nobody", r#"{"type":"track","event":"Seen"}"#.to_owned(), "missing_identifier"),
        ("an empty id", r#"{"type":"track","event":"Seen","userId":""}"#.to_owned(), "missing_identifier"),
        (
            "null for an id",
            r#"{"type":"track","event":"Seen","userId":null}"#.to_owned(),
            "missing_identifier",
        ),
        ("no event", r#"{"type":"track","userId":"u-1"}"#.to_owned(), "missing_event"),
        ("an unknown type", r#"{"type":"bake","userId":"u-1"}"#.to_owned(), "unknown_type"),
        ("the year 0", event(r#""timestamp":"0000-06-01T00:00:00Z""#), "bad_timestamp"),
        ("the year 9999", event(r#""timestamp":"9999-12-31T23:59:59Z""#), "bad_timestamp"),
        ("no zone", event(r#""timestamp":"2026-03-01T09:00:00""#), "bad_timestamp"),
        ("no time", event(r#""timestamp":"yesterday""#), "bad_timestamp"),
        ("a long id", format!(r#"{{"type":"page","userId":"{long}"}}"#), "id_too_long"),
        ("a long message id", event(&format!(r#""messageId":"{long}""#)), "id_too_long"),
        ("32 KiB and one byte", sized(32 * 1024 + 1), "event_too_large"),
    ]
}

/// A sound event of so many bytes.
fn sized(bytes: usize) -> String {
    let start = r#"{"type":"track","event":"Seen","userId":"u-1","properties":{"fill":""#;
    format!("{start}{}\"}}}}", "x".repeat(bytes - start.len() - 3))
}

#[test]
fn what_is_refused_says_why_in_two_languages_and_is_kept() {
    let home = Home::new();
    let served = home.serve();
    let mut connection = served.connect();
    let bad = bad_events();
    for (what, body, code) in &bad {
        let path = if body.contains("page") { "/v1/page" } else { "/v1/track" };
        for (languages, korean) in [("ko-KR,ko;q=0.9,en;q=0.8", true), ("fr, en;q=0.5", false)] {
            let headers = [("accept-language", languages)];
            let reply = connection.request("POST", path, &headers, body.as_bytes()).unwrap();
            let message = refused(&reply, 400, code);
            assert_eq!(is_hangul(&message), korean, "{what}: {message}");
        }
    }
    // A server that was fed all this still answers.
    taken(&connection.post("/v1/track", &track("u-2", "after")).unwrap());
    let letters = home.json(&["dead-letters", "list", "--limit", "1000"]);
    let letters = letters.as_array().unwrap();
    assert_eq!(letters.len(), bad.len() * 2 - 1, "the one with a message id is kept once");
    for (what, body, code) in &bad {
        let letter = letters.iter().find(|letter| letter["raw"] == *body);
        let letter = letter.unwrap_or_else(|| panic!("{what} is not kept"));
        assert_eq!(letter["code"], *code, "{what}");
        assert!(letter["reason"].as_str().is_some_and(|reason| !reason.is_empty()), "{letter}");
        assert_eq!(letter["source"], "trial");
    }
    assert_eq!(home.export().len(), 1);
    // What could not be taken then cannot be taken now; it stays, and each says why.
    let replayed = home.json(&["dead-letters", "replay", "--all"]);
    assert_eq!(replayed["replayed"], json!([]));
    assert_eq!(replayed["still_refused"].as_array().unwrap().len(), letters.len());
    assert_eq!(home.json(&["dead-letters", "list", "--limit", "1000"]).as_array().unwrap(), letters);
    served.stop().in_order();
}

#[test]
fn strange_but_sound_events_are_taken_whole() {
    let home = Home::new();
    let served = home.serve();
    let mut connection = served.connect();
    let deep = format!("{}1{}", "[".repeat(5_000), "]".repeat(5_000));
    let properties = [
        ("deep", format!(r#"{{"deep":{deep}}}"#)),
        ("huge", r#"{"huge":1e400}"#.to_owned()),
        ("surrogate", r#"{"half":"\ud800"}"#.to_owned()),
        ("nul", r#"{"nul":"\u0000","é":"🦀"}"#.to_owned()),
        ("float", r#"{"n":0.23072428127601283,"m":1e-7}"#.to_owned()),
        ("list", "[1,2]".to_owned()),
        ("text", "\"text\"".to_owned()),
        ("null", "null".to_owned()),
    ];
    for (id, properties) in &properties {
        let body = format!(
            r#"{{"type":"track","event":"order.placed","userId":"u-1","messageId":"{id}","properties":{properties}}}"#
        );
        taken(&connection.request("POST", "/v1/track", &[], body.as_bytes()).unwrap());
    }
    for (id, at) in [("first", "0001-01-01T00:00:00Z"), ("last", "9998-12-31T23:59:59.999999Z")] {
        let mut event = track("u-1", id);
        event["timestamp"] = json!(at);
        taken(&connection.post("/v1/track", &event).unwrap());
    }
    let mut both = track("u-1", "both");
    both["sentAt"] = json!("0001-01-01T00:00:00Z");
    both["timestamp"] = json!("9998-12-31T00:00:00Z");
    taken(&connection.post("/v1/track", &both).unwrap());
    let exact = sized(32 * 1024);
    taken(&connection.request("POST", "/v1/track", &[], exact.as_bytes()).unwrap());
    // Names with a NUL and names that look like SQL are names.
    for (id, user) in [("u-nul", "a\u{0}b"), ("u-sql", "'; DROP TABLE profiles; --"), ("u-ko", "손님-1")] {
        taken(&connection.post("/v1/track", &track(user, id)).unwrap());
        let found = home.json(&["profile", "search", &user.replace('\u{0}', "")]);
        assert!(found.is_array(), "{found}");
        if !user.contains('\u{0}') {
            assert_eq!(home.json(&["profile", "show", user])["profile"]["user_id"], user);
        }
    }
    let export = home.export();
    assert_eq!(export.len(), properties.len() + 2 + 1 + 1 + 3);
    for (id, properties) in &properties {
        let event = export.iter().find(|event| event["messageId"] == *id).unwrap();
        // What JSON readers cannot hold is handed on as the text that came.
        let expected = serde_json::from_str(properties).unwrap_or_else(|_| json!(properties));
        assert!(event["properties"] == expected, "{id}");
    }
    let at = |id: &str| export.iter().find(|e| e["messageId"] == id).unwrap()["timestamp"].clone();
    assert_eq!(
        (at("first"), at("last")),
        (json!("0001-01-01T00:00:00Z"), json!("9998-12-31T23:59:59.999999Z"))
    );
    assert_eq!(home.json(&["dead-letters", "list"]), json!([]));
    served.stop().in_order();
}

#[test]
fn a_batch_answers_event_by_event() {
    let home = Home::new();
    let served = home.serve();
    let mut connection = served.connect();
    let bad = json!({ "type": "track", "userId": "u-1", "messageId": "bad-1" });
    let events = json!([
        track("u-1", "g-1"), bad, track("u-2", "g-2"), 5, track("u-3", "g-3"),
        { "type": "bake", "userId": "u" }, track("u-1", "g-1"), { "type": "page" },
    ]);
    let body = json!({ "batch": events, "sentAt": "2026-03-01T09:00:00Z" });
    let answer = taken(&connection.post("/v1/batch", &body).unwrap());
    assert_eq!((&answer["accepted"], &answer["rejected"]), (&json!(4), &json!(4)));
    let errors = answer["errors"].as_array().unwrap();
    let told: Vec<_> =
        errors.iter().map(|e| (e["index"].as_u64().unwrap(), e["code"].as_str().unwrap())).collect();
    let expected = [(1, "missing_event"), (3, "wrong_type"), (5, "unknown_type"), (7, "missing_identifier")];
    assert_eq!(told, expected);
    assert_eq!(errors[0]["messageId"], "bad-1");
    assert!(errors.iter().all(|e| e["message"].as_str().is_some_and(|m| m.len() > 10)));
    let korean = connection
        .request("POST", "/v1/batch", &[("accept-language", "ko")], body.to_string().as_bytes())
        .unwrap();
    let korean = taken(&korean);
    assert!(korean["errors"].as_array().unwrap().iter().all(|e| is_hangul(e["message"].as_str().unwrap())));
    // Sent twice, with one event twice in itself: each counts once, in the order in which they stood.
    let export = home.export();
    let ids: Vec<&str> = export.iter().map(|e| e["messageId"].as_str().unwrap()).collect();
    assert_eq!(ids, ["g-1", "g-2", "g-3"]);
    // Those without a message id cannot be recognised; the other is one dead letter.
    let letters = home.json(&["dead-letters", "list"]);
    let raws: Vec<&str> = letters.as_array().unwrap().iter().map(|l| l["raw"].as_str().unwrap()).collect();
    assert_eq!(raws.len(), 1 + 3 * 2);
    assert_eq!(raws.iter().filter(|raw| raw.contains("bad-1")).count(), 1);
    assert_eq!(raws.iter().filter(|raw| **raw == "5").count(), 2);

    // No batch at all.
    for body in
        ["{", "[]", "5", "", r#"{"batch":5}"#, r#"{"batch":[{]}"#, r#"{"events":[]}"#, r#"{"batch":null}"#]
    {
        let reply = connection.request("POST", "/v1/batch", &[], body.as_bytes()).unwrap();
        refused(&reply, 400, "malformed_json");
    }
    let empty = taken(&connection.post("/v1/batch", &json!({ "batch": [] })).unwrap());
    assert_eq!((&empty["accepted"], &empty["rejected"]), (&json!(0), &json!(0)));
    served.stop().in_order();
}

#[test]
fn a_dead_letter_that_can_be_mended_goes_in_again() {
    let home = Home::new();
    let served = home.serve();
    let mut connection = served.connect();
    // A single event sent to the batch's door: no batch, but an event all the same.
    let event = track("u-1", "stray");
    refused(&connection.post("/v1/batch", &event).unwrap(), 400, "malformed_json");
    refused(&connection.post("/v1/track", &json!({ "userId": "u-1" })).unwrap(), 400, "missing_event");
    // An input on which the fold panics (a build with faults has one) stops nobody.
    let poison =
        json!({ "type": "track", "event": "inyeon.fault.panic", "userId": "u-1", "messageId": "poison" });
    taken(&connection.post("/v1/track", &poison).unwrap());
    taken(&connection.post("/v1/track", &track("u-1", "neighbour")).unwrap());
    let letters = home.json(&["dead-letters", "list"]);
    let by_code = |code: &str| {
        let letter = letters.as_array().unwrap().iter().find(|letter| letter["code"] == code);
        letter.unwrap_or_else(|| panic!("no {code} in {letters}")).clone()
    };
    assert_eq!(letters.as_array().unwrap().len(), 3, "{letters}");
    let stray = by_code("malformed_json");
    assert_eq!(stray["raw"], event.to_string());
    let poisoned = by_code("poison");
    assert!(poisoned["raw"].as_str().unwrap().contains("inyeon.fault.panic"), "{poisoned}");
    let seq = |letter: &Value| letter["seq"].to_string();
    assert_eq!(home.export().len(), 1);

    let done = home.json(&["dead-letters", "replay", &seq(&stray), &seq(&by_code("missing_event"))]);
    assert_eq!(done["replayed"], json!([stray["seq"]]));
    assert_eq!(done["still_refused"][0]["seq"], by_code("missing_event")["seq"]);
    let ids: Vec<Value> = home.export().iter().map(|e| e["messageId"].clone()).collect();
    assert_eq!(ids, ["neighbour", "stray"]);
    let replayed = home.json(&["dead-letters", "list", "--replayed"]);
    assert_eq!(replayed[0]["seq"], stray["seq"]);
    assert!(replayed[0]["replayed_at"].is_string());
    assert_eq!(home.json(&["dead-letters", "list"]).as_array().unwrap().len(), 2);
    // A second time there is nothing to do, and the event that its client sends again is known.
    assert_eq!(home.json(&["dead-letters", "replay", &seq(&stray)])["replayed"], json!([]));
    taken(&connection.post("/v1/track", &event).unwrap());
    assert_eq!(home.export().len(), 2);
    let ended = served.stop();
    assert!(ended.status.success(), "{ended:?}");
    assert!(ended.stderr.contains("kept as a dead letter"), "{ended:?}");
    ended.without_panic();
}

#[test]
fn who_may_write_is_known_by_the_key() {
    let home = Home::new();
    let made = home.json(&["keys", "create", "shop"]);
    let key = made["write_key"].as_str().unwrap().to_owned();
    let served = home.serve();
    let mut connection = served.connect_as(None);
    let mut number = 0;
    let mut send = |authorization: Option<&str>, body_key: Option<&str>, path: &str| {
        number += 1;
        let mut event = track("u-1", &format!("a-{number}"));
        let mut body = match path {
            "/v1/batch" => json!({ "batch": [event] }),
            _ => event.take(),
        };
        if let Some(key) = body_key {
            body["writeKey"] = json!(key);
        }
        let headers: Vec<(&str, &str)> =
            authorization.map(|value| ("authorization", value)).into_iter().collect();
        connection.request("POST", path, &headers, body.to_string().as_bytes()).unwrap()
    };
    let without_colon = format!("Basic {}", STANDARD.encode(&key));
    let with_password = format!("basic {}", STANDARD.encode(format!("{key}:secret")));
    for path in ["/v1/track", "/v1/batch"] {
        for authorization in [&basic(&key), &without_colon, &with_password, &basic(KEY)] {
            taken(&send(Some(authorization), None, path));
        }
        taken(&send(None, Some(&key), path));
        taken(&send(Some("Basic "), Some(&key), path));
        taken(&send(Some("Bearer other"), Some(&key), path));
        taken(&send(Some(&format!("Bearer {key}")), None, path));
        let wrong = [
            (None, None),
            (None, Some("wk_0000")),
            (None, Some("")),
            (Some(basic("wk_0000")), None),
            // The header is what counts where there is one.
            (Some(basic("wk_0000")), Some(key.as_str())),
            (Some("Basic !!!".to_owned()), None),
            (Some("Basic".to_owned()), None),
            (Some("Bearer wk_0000".to_owned()), None),
            (Some(basic("shop")), None),
        ];
        for (authorization, body_key) in &wrong {
            let reply = send(authorization.as_deref(), *body_key, path);
            let message = refused(&reply, 401, "unknown_write_key");
            assert!(message.contains("inyeon keys create"), "{message}");
        }
    }
    // A key opens the intake and nothing else.
    for authorization in [basic(&key), format!("Bearer {key}")] {
        let headers = [("authorization", authorization.as_str())];
        let reply =
            served.connect_as(None).request("POST", "/v1/control", &headers, br#"{"op":"status"}"#).unwrap();
        assert_eq!(reply.status, 401, "{}", reply.text());
    }
    let export = home.export();
    assert_eq!(export.len(), 16);
    let sources: BTreeSet<&str> = export.iter().map(|e| e["source"].as_str().unwrap()).collect();
    assert_eq!(sources, BTreeSet::from(["shop", "trial"]));
    assert!(!export.iter().any(|event| event.to_string().contains(&key)), "the key is kept with an event");

    // Made and revoked while the server runs: at once.
    let second = home.json(&["keys", "create", "app"])["write_key"].as_str().unwrap().to_owned();
    taken(&send(Some(&basic(&second)), None, "/v1/track"));
    home.json(&["keys", "revoke", "app"]);
    refused(&send(Some(&basic(&second)), None, "/v1/track"), 401, "unknown_write_key");
    taken(&send(Some(&basic(&key)), None, "/v1/track"));
    let third = home.json(&["keys", "create", "app"])["write_key"].as_str().unwrap().to_owned();
    assert_ne!(second, third);
    taken(&send(Some(&basic(&third)), None, "/v1/track"));
    refused(&send(Some(&basic(&second)), None, "/v1/track"), 401, "unknown_write_key");
    served.stop().in_order();

    // And after a restart, where the trial key is another one.
    let served = home.serve();
    let mut connection = served.connect_as(Some(&second));
    refused(&connection.post("/v1/track", &track("u", "x")).unwrap(), 401, "unknown_write_key");
    taken(&served.connect_as(Some(&third)).post("/v1/track", &track("u", "y")).unwrap());
    served.stop().in_order();
}

#[test]
fn a_key_for_customers_sends_what_customers_do() {
    let home = Home::new();
    let served = home.serve();
    let made = home.json(&["keys", "create", "browser", "--only-customers"]);
    let mut browser = served.connect_as(made["write_key"].as_str());
    let event = |id: &str, name: &str| {
        let properties = json!({ "item_id": "ink", "place": "near", "on_hand": 9, "order_id": "o-1" });
        json!({ "type": "track", "userId": "kim", "event": name, "messageId": id, "properties": properties })
    };
    taken(&browser.post("/v1/track", &event("1", "Product Viewed")).unwrap());
    taken(&browser.post("/v1/track", &event("2", "order.placed")).unwrap());
    let operations = ["stock.counted", "fulfillment.delivered", "payment.authorised"];
    for (id, name) in operations.iter().enumerate() {
        let reply = browser.post("/v1/track", &event(&format!("s{id}"), name)).unwrap();
        assert_eq!((reply.status, reply.json()["code"].clone()), (400, json!("not_of_customers")), "{name}");
        assert!(reply.json()["message"].as_str().unwrap().contains(name), "{reply:?}");
    }
    let batch = json!({ "batch": [event("3", "Cart Viewed"), event("4", "stock.counted")] });
    let reply = browser.post("/v1/batch", &batch).unwrap().json();
    assert_eq!((&reply["accepted"], &reply["errors"][0]["code"]), (&json!(1), &json!("not_of_customers")));
    let cloud = json!({
        "specversion": "1.0", "id": "5", "source": "x", "type": "stock.counted", "data": { "item_id": "ink" },
    });
    let headers = [("content-type", "application/cloudevents+json")];
    let reply = browser.request("POST", "/v1/cloudevents", &headers, cloud.to_string().as_bytes()).unwrap();
    assert_eq!(reply.json()["code"], "not_of_customers", "{reply:?}");
    // Kept, and no way around it to send them in again.
    assert_eq!(home.json(&["dead-letters", "list"]).as_array().unwrap().len(), 5);
    let again = home.json(&["dead-letters", "replay", "--all"]);
    assert_eq!(again["still_refused"].as_array().unwrap().len(), 5, "{again}");
    assert!(home.json(&["supply", "stock"])["stock"].as_array().unwrap().is_empty());
    // Any other key may.
    taken(&served.connect().post("/v1/track", &event("6", "stock.counted")).unwrap());
    assert_eq!(home.json(&["supply", "stock"])["stock"].as_array().unwrap().len(), 1);
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(bytes).unwrap();
    packed.finish().unwrap()
}

const BODY_MAX: usize = 500 * 1024;

#[test]
fn limits_are_the_specifications() {
    let home = Home::new();
    let served = home.serve();
    let mut connection = served.connect();
    let batch = |count: usize| json!({ "batch": (0..count).map(|n| track("u-1", &format!("l-{n}"))).collect::<Vec<_>>() });
    let most = taken(&connection.post("/v1/batch", &batch(2_500)).unwrap());
    assert_eq!(most["accepted"], 2_500);
    let message = refused(&connection.post("/v1/batch", &batch(2_501)).unwrap(), 400, "batch_too_long");
    assert!(message.contains("2501") && message.contains("2500"), "{message}");

    // A body of exactly the limit, and one byte more; packed and plain.
    let padded = |bytes: usize| {
        let body = json!({ "batch": [track("u-1", "padded")] }).to_string();
        format!("{body}{}", " ".repeat(bytes - body.len())).into_bytes()
    };
    let packed = [("content-encoding", "gzip")];
    taken(&connection.request("POST", "/v1/batch", &[], &padded(BODY_MAX)).unwrap());
    taken(&connection.request("POST", "/v1/batch", &packed, &gzip(&padded(BODY_MAX))).unwrap());
    let reply = connection.request("POST", "/v1/batch", &packed, &gzip(&padded(BODY_MAX + 1))).unwrap();
    refused(&reply, 413, "body_too_large");
    for path in ["/v1/batch", "/v1/track"] {
        let mut connection = served.connect();
        let reply = connection.request("POST", path, &[], &padded(BODY_MAX + 1)).unwrap();
        let message = refused(&reply, 413, "body_too_large");
        assert!(message.contains("512000"), "{message}");
    }

    // Packed well, packed badly, and packed as something else.
    let event = track("u-1", "packed").to_string();
    taken(
        &connection
            .request("POST", "/v1/track", &[("content-encoding", "GZIP")], &gzip(event.as_bytes()))
            .unwrap(),
    );
    let good = gzip(event.as_bytes());
    let mut flipped = good.clone();
    let last = flipped.len() - 6;
    flipped[last] ^= 1;
    for bad in [&good[..good.len() - 10], &flipped[..], b"no gzip", b""] {
        let reply = connection.request("POST", "/v1/track", &packed, bad).unwrap();
        refused(&reply, 400, "body_unreadable");
    }
    let reply = connection.request("POST", "/v1/track", &[], &good).unwrap();
    refused(&reply, 400, "body_not_utf8");
    let reply = connection.request("POST", "/v1/track", &[], b"{\"event\":\"\xff\"}").unwrap();
    refused(&reply, 400, "body_not_utf8");
    let reply = connection.request("POST", "/v1/batch", &[("accept-language", "ko")], b"\xc3").unwrap();
    assert!(is_hangul(&refused(&reply, 400, "body_not_utf8")));

    let export = home.export();
    let ids: BTreeSet<&str> = export.iter().map(|event| event["messageId"].as_str().unwrap()).collect();
    assert_eq!((export.len(), ids.len()), (2_502, 2_502));
    assert!(ids.contains("padded") && ids.contains("packed"));
    served.stop().in_order();
}
