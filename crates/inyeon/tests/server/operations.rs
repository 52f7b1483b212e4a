//! Systems that own the facts: an order system that knows orders and no people, CloudEvents, and following live.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};

use crate::contract::{refused, taken};
use crate::edge::peak_memory;
use crate::support::{Home, Served, scale};
use crate::wire::Reply;

fn event(name: &str, id: &str, at: &str, properties: &Value) -> Value {
    json!({ "type": "track", "event": name, "messageId": id, "timestamp": at, "properties": properties })
}

fn send(served: &Served, event: &Value) {
    taken(&served.connect().post("/v1/track", event).unwrap());
}

fn placed() -> Value {
    let properties = json!({
        "order_id": "o-1", "promise": { "due": "2990-03-05", "time_zone": "Asia/Seoul" },
    });
    let mut placed = event("order.placed", "placed", "2026-03-01T09:00:00Z", &properties);
    placed["userId"] = "c-1".into();
    placed
}

fn moved(name: &str, at: &str) -> Value {
    event(name, name, at, &json!({ "order_id": "o-1", "courier": "canary-courier" }))
}

/// The order system's events reach the customer, whichever comes first.
#[test]
fn an_order_finds_its_customer() {
    let (shipped, delivered) = (
        moved("fulfillment.shipped", "2026-03-02T09:00:00Z"),
        moved("fulfillment.delivered", "2026-03-03T09:00:00Z"),
    );
    for order in [[0, 1, 2], [1, 0, 2], [1, 2, 0], [2, 1, 0]] {
        let home = Home::new();
        let served = home.serve();
        let events = [placed(), shipped.clone(), delivered.clone()];
        for n in order {
            send(&served, &events[n]);
        }
        let profile = home.json(&["profile", "show", "c-1"]);
        let orders = profile["orders"].as_array().unwrap();
        assert_eq!(orders.len(), 1, "{order:?}: {orders:?}");
        assert_eq!(orders[0]["state"], "delivered", "{order:?}");
        let promises = profile["promises"].as_array().unwrap();
        assert_eq!(promises.len(), 1, "{order:?}: {promises:?}");
        assert_eq!(promises[0]["status"], "kept", "{order:?}: {promises:?}");
        let timeline: Vec<&str> =
            profile["timeline"].as_array().unwrap().iter().filter_map(|e| e["event"].as_str()).collect();
        assert_eq!(timeline, ["order.placed", "fulfillment.shipped", "fulfillment.delivered"], "{order:?}");
        let found = home.json(&["profile", "search"]);
        assert_eq!(
            found.as_array().map(Vec::len),
            Some(1),
            "{order:?}: one person, and nobody besides: {found}"
        );
        // What came without a name goes with the person.
        home.run(&["profile", "erase", "c-1", "--yes"]).json();
        served.stop().in_order();
        let left = home.export();
        assert!(left.is_empty(), "{order:?}: {left:?}");
        let again = home.serve();
        assert!(home.json(&["profile", "search"]).as_array().unwrap().is_empty());
        again.stop().in_order();
    }
}

#[test]
fn operations_need_no_person() {
    let home = Home::new();
    let served = home.serve();
    send(
        &served,
        &event(
            "stock.received",
            "s-1",
            "2026-03-01T09:00:00Z",
            &json!({ "item_id": "milk", "place": "seoul", "quantity": 40 }),
        ),
    );
    let nobody = event("Viewed", "v-1", "2026-03-01T09:00:00Z", &json!({}));
    refused(&served.connect().post("/v1/track", &nobody).unwrap(), 400, "missing_identifier");
    let no_order = event("fulfillment.shipped", "f-1", "2026-03-01T09:00:00Z", &json!({}));
    refused(&served.connect().post("/v1/track", &no_order).unwrap(), 400, "missing_identifier");
    let export = home.export();
    assert_eq!(export.len(), 1);
    assert_eq!((&export[0]["event"], &export[0]["userId"]), (&json!("stock.received"), &Value::Null));
    assert_eq!(home.json(&["profile", "search"]), json!([]));
}

#[test]
fn cloudevents_come_in_every_mode() {
    let home = Home::new();
    let served = home.serve();
    let mut connection = served.connect();
    let path = "/v1/cloudevents";
    let mut post = |headers: &[(&str, &str)], body: &str| -> Reply {
        connection.request("POST", path, headers, body.as_bytes()).unwrap()
    };
    let structured = [("content-type", "application/cloudevents+json; charset=UTF-8")];
    let event = |id: &str, more: Value| {
        let mut event = json!({ "specversion": "1.0", "id": id, "source": "/erp", "type": "order.noted" });
        event.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        event
    };
    let one =
        event("1", json!({ "userid": "c-1", "time": "2026-03-01T09:00:00Z", "data": { "이름": "우유" } }));
    let reply = post(&structured, &one.to_string());
    assert_eq!(taken(&reply)["messageId"], "/erp#1");
    // The same event again, in binary mode: source and id name it.
    let binary = [
        ("content-type", "application/json"),
        ("ce-specversion", "1.0"),
        ("ce-id", "1"),
        ("ce-source", "/erp"),
        ("ce-type", "order.noted"),
        ("ce-userid", "c-1"),
    ];
    taken(&post(&binary, r#"{"이름":"우유"}"#));
    let mut other = binary;
    other[2].1 = "2";
    other[5].1 = "c-%ED%95%9C";
    taken(&post(&other, "{}"));
    let many = json!([
        event("3", json!({ "data": { "userId": "c-3" } })),
        event("4", json!({})),
        event(
            "5",
            json!({ "type": "stock.received", "data": { "item_id": "milk", "place": "seoul", "quantity": 1 } })
        ),
    ]);
    let reply = taken(&post(&[("content-type", "application/cloudevents-batch+json")], &many.to_string()));
    assert_eq!((&reply["accepted"], &reply["rejected"]), (&json!(2), &json!(1)));
    assert_eq!(
        (&reply["errors"][0]["index"], &reply["errors"][0]["code"]),
        (&json!(1), &json!("missing_identifier"))
    );
    refused(&post(&[("content-type", "application/json")], "{}"), 400, "not_a_cloudevent");
    refused(&post(&structured, r#"{"specversion":"1.0"}"#), 400, "missing_attribute");
    refused(&post(&structured, "{"), 400, "malformed_json");
    let export = home.export();
    let ids: Vec<&str> = export.iter().map(|e| e["messageId"].as_str().unwrap()).collect();
    assert_eq!(ids, ["/erp#1", "/erp#2", "/erp#3", "/erp#5"]);
    let users: Vec<&Value> = export.iter().map(|e| &e["userId"]).collect();
    assert_eq!(users, [&json!("c-1"), &json!("c-한"), &json!("c-3"), &Value::Null]);
    assert_eq!(export[0]["properties"], json!({ "이름": "우유" }));
    // What was refused can be looked at, and is read again in its own words.
    let letters = home.json(&["dead-letters", "list"]);
    assert_eq!(letters.as_array().map(Vec::len), Some(3), "{letters}");
    let replayed = home.json(&["dead-letters", "replay", "--all"]);
    assert_eq!(replayed["still_refused"].as_array().map(Vec::len), Some(3), "{replayed}");
}

/// Reads server-sent events from one connection.
struct Live(BufReader<TcpStream>);

impl Live {
    fn open(served: &Served, home: &Home, query: &str, last: Option<&str>) -> Live {
        let file = std::fs::read_to_string(home.dir().join("server.json")).unwrap();
        let token = serde_json::from_str::<Value>(&file).unwrap()["token"].as_str().unwrap().to_owned();
        let mut stream = TcpStream::connect(&served.address).unwrap();
        // Only so that a server that never answers fails the test instead of stopping it.
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let last = last.map_or(String::new(), |id| format!("last-event-id: {id}\r\n"));
        write!(
            stream,
            "GET /v1/live{query} HTTP/1.1\r\nhost: t\r\nauthorization: Bearer {token}\r\n{last}\r\n"
        )
        .unwrap();
        let mut live = Live(BufReader::new(stream));
        assert!(live.line().starts_with("HTTP/1.1 200"));
        while !live.line().is_empty() {}
        live
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    /// The next event: its id, where it has one, and its data.
    fn next(&mut self) -> (Option<String>, Value) {
        let (mut id, mut data) = (None, None);
        loop {
            let line = self.line();
            if let Some(text) = line.strip_prefix("data: ") {
                data = Some(serde_json::from_str(text).unwrap());
            } else if let Some(text) = line.strip_prefix("id: ") {
                id = Some(text.to_owned());
            } else if line.is_empty()
                && let Some(data) = data.take()
            {
                return (id, data);
            }
        }
    }
}

#[test]
fn what_passes_can_be_followed_live_and_filtered() {
    let home = Home::new();
    let served = home.serve();
    refused(&served.connect().get("/v1/live").unwrap(), 401, "control_token");
    let mut all = Live::open(&served, &home, "", None);
    let mut facts = Live::open(&served, &home, "?type=fact&event=promise.*", None);
    send(&served, &placed());
    let (_, first) = all.next();
    assert_eq!((&first["event"], &first["userId"]), (&json!("order.placed"), &json!("c-1")));
    let (id, fact) = facts.next();
    assert_eq!(fact["event"], "promise.made");
    // Who comes back goes on behind what they have seen.
    send(&served, &moved("fulfillment.delivered", "2026-03-03T09:00:00Z"));
    let mut again = Live::open(&served, &home, "?type=fact&event=promise.*", id.as_deref());
    assert_eq!(again.next().1["event"], "promise.kept");
    // The command line has the same filter.
    let tail = home.run(&["tail", "--all", "--once", "--user", "c-1"]);
    assert_eq!(tail.stdout.lines().count(), 1, "{tail:?}");
    let tail = home.run(&["tail", "--all", "--once", "--event", "promise.*"]);
    assert_eq!(tail.stdout.lines().count(), 2, "{tail:?}");
    // A reader who stays does not keep the server from ending.
    served.stop().in_order();
}

/// R8: readers who stop reading hold up nobody and cost no memory; when they read on, nothing is missing.
#[test]
fn a_slow_reader_is_bounded_and_misses_nothing() {
    let home = Home::new();
    let served = home.serve();
    let mut slow: Vec<Live> = (0..4).map(|_| Live::open(&served, &home, "?type=track", None)).collect();
    let mut wire = served.connect();
    let (batches, size) = (scale(40, 2_000, 20_000), 500);
    let pad = "x".repeat(200);
    for batch in 0..batches {
        let events: Vec<Value> = (0..size)
            .map(|n| {
                let number = batch * size + n;
                json!({ "type": "track", "event": "Seen", "userId": format!("u-{}", number % 100),
                    "messageId": format!("m-{number}"), "properties": { "number": number, "pad": pad } })
            })
            .collect();
        taken(&wire.post("/v1/batch", &json!({ "batch": events })).unwrap());
    }
    let peak = peak_memory(&served);
    assert!(peak <= 512 << 20, "{} MiB with readers who do not read", peak >> 20);
    let mut reader = slow.swap_remove(0);
    for number in 0..batches * size {
        let (_, event) = reader.next();
        assert_eq!(event["properties"]["number"], number, "in order, and all of them");
    }
    println!("R8: 4 readers stopped for {} events, peak {} MiB, none missed", batches * size, peak >> 20);
    served.stop().in_order();
}
