//! Webhooks: who may tell, what a map makes of it, once however often it is told, and nothing lost where it makes
//! nothing.

use base64::Engine;
use ring::hmac;
use serde_json::{Value, json};

use crate::contract::{is_hangul, refused, taken};
use crate::support::{Home, Served};
use crate::wire::Reply;

/// A made-up shop that signs as many do.
const SIGNED: &str = r#"
source: shop
webhook:
  pings: ["hook="]
  signature: { header: X-Shop-Hmac, algorithm: hmac-sha256, encoding: base64, over: "{header.X-Shop-Time}.{body}" }
rows:
  - name: tests of the connection
    when: [{ column: "@header.x-shop-topic", equals: ping }]
    skip: nothing happened
  - name: orders
    when: [{ column: "@header.x-shop-topic", equals: order/created }]
    each: lines
    events:
      - event: order.placed
        group_by: [id]
        key: "order:{id}:placed"
        at: created
        user_id: customer.id
        properties:
          order_id: id
          currency: currency
          total: { from: total, as: money }
          items: { count: rows }
          products:
            list:
              product_id: lines.sku
              quantity: { from: lines.quantity, as: integer, required: true }
          promise:
            object:
              due: due
  - name: shipments
    when: [{ column: "@header.x-shop-topic", equals: order/shipped }]
    events:
      - event: fulfillment.shipped
        key: "order:{order.id}:shipped:{shipments.0.no}"
        at: { from: at, format: unix_seconds }
        properties:
          order_id: order.id
"#;

const UNSIGNED: &str = r#"
source: depot
rows:
  - name: levels
    each: levels
    events:
      - event: stock.level_reported
        key: "level:{place}:{levels.sku}:{at}"
        at: at
        properties:
          product_id: levels.sku
          place_id: place
          on_hand: { from: levels.quantity, as: integer, required: true }
"#;

fn connect(home: &Home, name: &str, map: &str, secret: Option<&str>) -> Value {
    let path = home.path(&format!("{name}.yaml"));
    std::fs::write(&path, map).unwrap();
    let mut arguments = vec!["webhooks", "connect", name, "--map", path.to_str().unwrap()];
    if let Some(secret) = secret {
        arguments.extend(["--secret", secret]);
    }
    home.json(&arguments)
}

fn post(served: &Served, path: &str, topic: &str, secret: &str, body: &str) -> Reply {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let tag = hmac::sign(&key, format!("17.{body}").as_bytes());
    let tag = base64::engine::general_purpose::STANDARD.encode(tag);
    let headers = [("x-shop-topic", topic), ("X-Shop-Hmac", &tag), ("X-Shop-Time", "17")];
    served.connect_as(None).request("POST", path, &headers, body.as_bytes()).unwrap()
}

fn order(id: u64, lines: &Value) -> String {
    json!({
        "id": id, "created": "2026-03-01T09:00:00+09:00", "currency": "KRW", "total": "12000",
        "customer": { "id": "c-1" }, "lines": lines, "due": "2990-01-01",
    })
    .to_string()
}

#[test]
fn a_signed_webhook_becomes_events_once() {
    let home = Home::new();
    let served = home.serve();
    let connected = connect(&home, "my-shop", SIGNED, Some("s3cret"));
    assert_eq!(connected["path"], "/v1/webhooks/my-shop");
    let path = "/v1/webhooks/my-shop";
    let lines = json!([{ "sku": "a", "quantity": 2 }, { "sku": "b", "quantity": 1 }]);
    let body = order(7, &lines);
    for _ in 0..3 {
        let reply = taken(&post(&served, path, "order/created", "s3cret", &body));
        assert_eq!(reply["events"], 1);
    }
    // What belongs to the order finds its customer, though the shipment does not name them.
    let shipped =
        json!({ "order": { "id": 7 }, "shipments": [{ "no": 1 }], "at": 1_772_400_000 }).to_string();
    assert_eq!(taken(&post(&served, path, "order/shipped", "s3cret", &shipped))["events"], 1);
    assert_eq!(taken(&post(&served, path, "ping", "s3cret", "{}"))["events"], 0);
    let export = home.export();
    assert_eq!(export.len(), 2, "{export:?}");
    assert_eq!((&export[0]["source"], &export[0]["userId"]), (&json!("webhook:my-shop"), &json!("c-1")));
    assert_eq!(export[0]["timestamp"], "2026-03-01T00:00:00Z");
    assert_eq!(
        export[0]["properties"],
        json!({
            "order_id": "7", "currency": "KRW", "total": "12000.00", "items": 2,
            "products": [{ "product_id": "a", "quantity": 2 }, { "product_id": "b", "quantity": 1 }],
            "promise": { "due": "2990-01-01" },
        })
    );
    let profile = home.json(&["profile", "show", "c-1"]);
    assert_eq!(profile["orders"][0]["state"], "fulfilled", "{profile}");
    assert_eq!(profile["promises"].as_array().map(Vec::len), Some(1));
    // An order without lines is an order.
    taken(&post(&served, path, "order/created", "s3cret", &order(8, &json!([]))));
    let last = home.export().pop().unwrap();
    assert_eq!((&last["properties"]["items"], &last["properties"]["products"]), (&json!(0), &json!([])));
}

#[test]
fn who_cannot_prove_it_is_not_believed() {
    let home = Home::new();
    let served = home.serve();
    connect(&home, "shop", SIGNED, Some("s3cret"));
    let body = order(7, &json!([]));
    let path = "/v1/webhooks/shop";
    refused(&post(&served, path, "order/created", "wrong", &body), 401, "bad_signature");
    refused(&post(&served, path, "order/created", "", &body), 401, "bad_signature");
    let ping = served.connect_as(None).request("POST", path, &[], b"hook=3").unwrap();
    assert_eq!(taken(&ping)["events"], 0);
    let bare = served.connect_as(None).request("POST", path, &[], body.as_bytes()).unwrap();
    refused(&bare, 401, "bad_signature");
    // The secret in the address is none of a system that signs.
    let in_address =
        served.connect_as(None).request("POST", "/v1/webhooks/shop/s3cret", &[], body.as_bytes());
    refused(&in_address.unwrap(), 401, "bad_signature");
    refused(&post(&served, "/v1/webhooks/nobody", "order/created", "s3cret", &body), 404, "unknown_webhook");
    assert!(home.export().is_empty());
    assert_eq!(home.json(&["dead-letters", "list"]), json!([]), "what a stranger sends is not kept");
}

#[test]
fn a_system_that_does_not_sign_has_its_secret_in_the_address() {
    let home = Home::new();
    let served = home.serve();
    let connected = connect(&home, "depot", UNSIGNED, None);
    let path = connected["path"].as_str().unwrap().to_owned();
    assert_eq!(path, format!("/v1/webhooks/depot/{}", connected["secret"].as_str().unwrap()));
    let body = json!({
        "place": "seoul", "at": "2026-03-01T09:00:00Z",
        "levels": [{ "sku": "a", "quantity": 5 }, { "sku": "b", "quantity": 0 }],
    });
    let reply = served.connect_as(None).post(&path, &body).unwrap();
    assert_eq!(taken(&reply)["events"], 2);
    refused(&served.connect_as(None).post("/v1/webhooks/depot/guess", &body).unwrap(), 401, "bad_signature");
    refused(&served.connect_as(None).post("/v1/webhooks/depot", &body).unwrap(), 401, "bad_signature");
    assert_eq!(home.export().len(), 2);
    // It stays connected over a restart, and not beyond its end.
    served.stop().in_order();
    let list = home.json(&["webhooks", "list"]);
    assert_eq!((&list[0]["name"], &list[0]["source"]), (&json!("depot"), &json!("depot")));
    assert!(!list.to_string().contains(connected["secret"].as_str().unwrap()));
    let served = home.serve();
    assert_eq!(taken(&served.connect_as(None).post(&path, &body).unwrap())["events"], 2, "told again");
    assert_eq!(home.export().len(), 2, "counted once");
    home.json(&["webhooks", "disconnect", "depot"]);
    refused(&served.connect_as(None).post(&path, &body).unwrap(), 404, "unknown_webhook");
    assert_eq!(home.run(&["webhooks", "disconnect", "depot"]).code, Some(3));
}

#[test]
fn what_a_map_does_not_understand_is_kept_until_it_does() {
    let home = Home::new();
    let served = home.serve();
    connect(&home, "shop", SIGNED, Some("s3cret"));
    let path = "/v1/webhooks/shop";
    let kept = |topic: &str, body: &str, code: &str| {
        let reply = taken(&post(&served, path, topic, "s3cret", body));
        assert_eq!((&reply["events"], &reply["refused"]["code"]), (&json!(0), &json!(code)), "{reply}");
    };
    kept("order/created", "{", "malformed_json");
    kept("order/moved", "{}", "no_rule");
    kept("order/created", &order(7, &json!([{ "sku": "a", "quantity": "many" }])), "number");
    kept("order/created", r#"{"id":1,"lines":[]}"#, "missing");
    let gone = r#"{"order":{"id":9},"gone_at":"2026-03-01T09:00:00Z"}"#;
    kept("order/gone", gone, "no_rule");
    kept("order/gone", gone, "no_rule");
    assert!(home.export().is_empty(), "a part of a request does not count");
    let letters = home.json(&["dead-letters", "list"]);
    assert_eq!(letters.as_array().map(Vec::len), Some(5), "the same request is one: {letters}");
    // The map learns it, and what was kept is read again.
    let more = r#"
  - name: cancellations
    when: [{ column: "@header.x-shop-topic", equals: order/gone }]
    events:
      - event: order.cancelled
        key: "order:{order.id}:cancelled"
        at: gone_at
        properties: { order_id: order.id }
"#;
    connect(&home, "shop", &format!("{SIGNED}{more}"), Some("s3cret"));
    let replayed = home.json(&["dead-letters", "replay", "--all"]);
    assert_eq!(replayed["replayed"].as_array().map(Vec::len), Some(1), "{replayed}");
    assert_eq!(replayed["still_refused"].as_array().map(Vec::len), Some(4), "{replayed}");
    let export = home.export();
    assert_eq!((export.len(), &export[0]["event"]), (1, &json!("order.cancelled")));
}

#[test]
fn a_map_is_checked_before_it_is_used() {
    let home = Home::new();
    let write = |name: &str, text: &str| {
        let path = home.path(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let map = write("map.yaml", SIGNED);
    let sample = write("sample.json", &order(7, &json!([{ "sku": "a", "quantity": 2 }])));
    let headers = write("sample.headers", "X-Shop-Topic: order/created\n");
    let made = home.json(&["map", "check", &map, &sample, "--headers", &headers]);
    assert_eq!((&made["source"], &made["signed"]), (&json!("shop"), &json!(true)));
    assert_eq!(made["events"][0]["key"], "order:7:placed");
    assert_eq!(made["events"][0]["properties"]["products"], json!([{ "product_id": "a", "quantity": 2 }]));
    assert_eq!(home.json(&["map", "check", &map])["events"], Value::Null);
    let korean = home.say(&["map", "check", &map, "--lang", "ko"]);
    assert!(is_hangul(&korean.stdout), "{korean:?}");
    // Nothing of it needs a store, and a mistake is told with its place.
    assert!(!home.dir().exists());
    let without = home.run(&["map", "check", &map, &sample]);
    assert_eq!(without.code, Some(1), "no topic, no rule: {without:?}");
    for (text, place) in [
        (SIGNED.replace("hmac-sha256", "md5"), "map.yaml:5:"),
        (SIGNED.replace("encoding: base64", "encoding: octal"), "map.yaml:5:"),
        (SIGNED.replace("{header.X-Shop-Time}.{body}", "nothing"), "map.yaml:5:"),
        (SIGNED.replace("algorithm", "algorythm"), "map.yaml:5:"),
    ] {
        let map = write("map.yaml", &text);
        let refused = home.run(&["map", "check", &map]);
        assert_eq!(refused.code, Some(1), "{refused:?}");
        assert!(refused.stderr.contains(place), "{refused:?}");
        let connecting = home.run(&["webhooks", "connect", "shop", "--map", &map]);
        assert_ne!(connecting.code, Some(0));
    }
    let table = write("table.csv", "id\n1\n");
    let map = write("map.yaml", SIGNED);
    let import = home.run(&["import", "csv", &table, "--map", &map]);
    assert!(import.code != Some(0) && import.stderr.contains("webhook"), "{import:?}");
}
