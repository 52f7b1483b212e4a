//! Promising over a real server: from an empty store to a promise that is kept, across restarts, in two languages, and
//! only for those who may.

use inyeon::serve::Server;
use model::Time;
use runtime::{Clock, ManualClock, NodeOptions};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::contract::is_hangul;
use crate::openapi::check;
use crate::support::{Home, KEY, temp};
use crate::wire::{Connection, Reply};

/// A server in this process, by a clock that the test sets.
struct Shop {
    temp: TempDir,
    clock: ManualClock,
    server: Option<Server>,
    key: String,
}

fn at(text: &str) -> Time {
    Time::parse(text).expect("an instant")
}

impl Shop {
    fn open(now: &str) -> Self {
        let mut shop =
            Shop { temp: temp(), clock: ManualClock::new(at(now)), server: None, key: String::new() };
        shop.start();
        let made = shop.run(&["keys", "create", "shop", "--promises"]);
        assert_eq!(made["promises"], true);
        shop.key = made["write_key"].as_str().expect("a key").to_owned();
        shop
    }

    fn start(&mut self) {
        let options = NodeOptions {
            clock: Clock::Manual(self.clock.clone()),
            store: inyeon::access::store_options().expect("options"),
            ..NodeOptions::default()
        };
        let dir = self.temp.path().join("store");
        self.server = Some(Server::start(&dir, "127.0.0.1:0", Some(KEY), options).expect("it starts"));
    }

    fn restart(&mut self) {
        self.server.take().expect("it runs").stop();
        self.start();
    }

    /// A command beside the server.
    #[track_caller]
    fn run(&self, arguments: &[&str]) -> Value {
        let dir = self.temp.path().join("store");
        let mut all = vec!["--store", dir.to_str().unwrap(), "--json"];
        all.extend(arguments);
        crate::support::inyeon(&all, &[]).json()
    }

    fn connection(&self, key: &str) -> Connection {
        let address = self.server.as_ref().expect("it runs").address.to_string();
        Connection::open(&address, Some(key)).expect("the server can be reached")
    }

    #[track_caller]
    fn rules(&self, yaml: &str) {
        let path = self.temp.path().join("rules.yaml");
        std::fs::write(&path, yaml).unwrap();
        self.run(&["promise", "rules", "publish", path.to_str().unwrap()]);
    }

    /// An event of operations, which names no person.
    #[track_caller]
    fn tell(&self, event: &str, properties: &Value) {
        let body = json!({ "event": event, "properties": properties });
        let reply = self.connection(KEY).post("/v1/track", &body).unwrap();
        assert_eq!(reply.status, 200, "{}", reply.text());
    }

    fn ask(&self, call: &str, body: &Value) -> Reply {
        self.connection(&self.key).post(&format!("/v1/promises/{call}"), body).unwrap()
    }

    /// An answer of a status, which is as the document describes it.
    #[track_caller]
    fn told(&self, call: &str, body: &Value, status: u16) -> Value {
        let reply = self.ask(call, body);
        assert_eq!(reply.status, status, "{call} {body}: {}", reply.text());
        let document: Value = serde_json::from_str(&inyeon::http::openapi()).unwrap();
        check(&document, &format!("/v1/promises/{call}"), "post", &reply);
        reply.json()
    }
}

/// Monday.
const NOW: &str = "2026-03-02T09:00:00+09:00";

/// Stock that leaves at once, by an hour's way, at any time.
const AT_ONCE: &str = "
time_zone: Asia/Seoul
places: { seoul: {} }
lanes: [{ from: seoul, to: '*', hours: [[1, 1]] }]
";

const COURIER: &str = "
time_zone: Asia/Seoul
quote_minutes: 10
places: { seoul: { handling_minutes: 60 } }
lanes:
  - { from: seoul, to: KR-*, slots: courier, hours: [[0.5, 12], [0.95, 20]], cost: { amount: 3000, currency: KRW } }
";

fn toner(shop: &Shop, on_hand: u32) {
    shop.tell(
        "item.published",
        &json!({
            "item_id": "T1", "price": "42000", "cost": "30000", "currency": "KRW", "substitutes": ["T2"],
        }),
    );
    shop.tell("stock.counted", &json!({ "item_id": "T1", "place": "seoul", "on_hand": on_hand }));
}

fn courier(shop: &Shop, units: u32) {
    shop.tell("capacity.set", &json!({
        "resource": "courier", "time_zone": "Asia/Seoul",
        "shifts": [{ "days": ["mon", "tue", "wed", "thu", "fri"], "from": "13:00", "to": "18:00", "units": units }],
    }));
}

fn one(user: &str, quote: &str) -> Value {
    json!({ "lines": [{ "item_id": "T1" }], "to": "KR-11", "user_id": user, "quote_id": quote })
}

#[test]
fn from_an_empty_store_to_a_promise_that_is_kept() {
    let mut shop = Shop::open(NOW);
    toner(&shop, 5);
    courier(&shop, 4);
    shop.rules(COURIER);
    let asked = json!({ "lines": [{ "item_id": "T1", "quantity": 2 }], "to": "KR-11" });
    let answer = shop.told("inquire", &asked, 200);
    assert_eq!(answer["feasible"], true);
    // Handed over by the end of Monday's slot; 20 hours later is Tuesday.
    assert_eq!((&answer["due"], &answer["time_zone"]), (&json!("2026-03-03"), &json!("Asia/Seoul")));
    assert_eq!(answer["due_at"], "2026-03-03T14:59:59.999999Z");
    assert_eq!(answer["total"], json!({ "amount": "84000", "currency": "KRW" }));
    assert!(answer["margin"].is_null(), "{answer}");
    assert_eq!(answer["parcels"][0]["lines"], json!([{ "item_id": "T1", "quantity": 2 }]));
    assert_eq!((&answer["basis"], answer["probability"].as_f64() >= Some(0.9)), (&json!("atp"), true));

    let quoted = shop.told("quote", &one("kim", "q1"), 200);
    assert_eq!((&quoted["stage"], &quoted["quote_id"]), (&json!("held"), &json!("q1")));
    assert_eq!(quoted["expires_at"], "2026-03-02T00:10:00Z");
    assert_eq!(shop.told("quote", &one("kim", "q1"), 200), quoted, "a retry says the same");
    let held = || shop.run(&["supply", "stock", "--item", "T1"])["stock"][0].clone();
    assert_eq!((&held()["held"], &held()["available"]), (&json!(1), &json!(4)));

    shop.restart();
    assert_eq!(shop.told("quote", &one("kim", "q1"), 200), quoted, "what is held survives a restart");
    let confirm = json!({ "quote_id": "q1", "order_id": "o1" });
    let placed = shop.told("confirm", &confirm, 200);
    assert_eq!((&placed["stage"], &placed["order_id"]), (&json!("placed"), &json!("o1")));
    assert_eq!(shop.told("confirm", &confirm, 200), placed);
    let other = shop.told("confirm", &json!({ "quote_id": "q1" }), 409);
    assert_eq!((&other["code"], &other["order_id"]), (&json!("other_order"), &json!("o1")));
    let kept = shop.told("release", &json!({ "quote_id": "q1" }), 409);
    assert_eq!(kept["code"], "quote_placed");

    shop.restart();
    let stock = shop.run(&["supply", "stock"])["stock"][0].clone();
    assert_eq!((&stock["committed"], &stock["available"]), (&json!(1), &json!(4)));
    shop.clock.set(at("2026-03-02T15:00:00+09:00"));
    shop.tell("fulfillment.shipped", &json!({ "order_id": "o1" }));
    shop.clock.set(at("2026-03-03T11:00:00+09:00"));
    shop.tell("fulfillment.delivered", &json!({ "order_id": "o1" }));
    let profile = shop.run(&["profile", "show", "kim"]);
    assert_eq!(profile["promises"][0]["status"], "kept", "{profile}");
    let report = shop.run(&["report", "promises"]);
    assert_eq!((&report["due"], &report["kept"]), (&json!(1), &json!(1)));
    // What left is promised to nobody any more.
    assert_eq!(shop.run(&["supply", "stock"])["stock"][0]["committed"], 0);
}

#[test]
fn what_is_promised_counts_for_all_later_weeks() {
    let shop = Shop::open(NOW);
    toner(&shop, 20);
    shop.rules(AT_ONCE);
    // Monday of the third week.
    let receipt = json!({
        "item_id": "T1", "place": "seoul", "receipt": "PO1", "quantity": 30, "due": "2026-03-16T00:00:00+09:00",
    });
    shop.tell("stock.expected", &receipt);
    for (week, quantity) in [(4, 10), (11, 5), (18, 15), (25, 10)] {
        let quote = format!("week-{week}");
        let wanted = format!("2026-03-{week:02}T12:00:00+09:00");
        let body = json!({
            "lines": [{ "item_id": "T1", "quantity": quantity }], "wanted": wanted, "user_id": "kim",
            "quote_id": quote,
        });
        shop.told("quote", &body, 200);
        shop.told("confirm", &json!({ "quote_id": quote }), 200);
    }
    let inquire = |quantity: u32| {
        shop.told("inquire", &json!({ "lines": [{ "item_id": "T1", "quantity": quantity }] }), 200)
    };
    assert_eq!(inquire(5)["due"], "2026-03-02");
    assert_eq!(inquire(8)["due"], "2026-03-16");
    assert_eq!(inquire(8)["binding"][0]["code"], "stock");
    let never = inquire(12);
    assert_eq!((&never["feasible"], &never["binding"][0]["code"]), (&json!(false), &json!("stock")));
    let partly = json!({ "lines": [{ "item_id": "T1", "quantity": 12 }], "partial": true });
    let partly = shop.told("inquire", &partly, 200);
    assert_eq!(
        partly["lines"][0],
        json!({
            "item_id": "T1", "wanted": 12, "quantity": partly["lines"][0]["quantity"],
            "price": { "amount": "42000", "currency": "KRW" },
        })
    );
    assert!(partly["lines"][0]["quantity"].as_f64() < Some(12.0), "{partly}");
}

#[test]
fn a_quote_ends_with_its_time_and_its_hold_with_it() {
    let shop = Shop::open(NOW);
    toner(&shop, 1);
    shop.rules(AT_ONCE);
    let short = json!({
        "lines": [{ "item_id": "T1" }], "anonymous_id": "device-1", "quote_id": "q1", "hold_minutes": 1,
    });
    shop.told("quote", &short, 200);
    let taken = shop.told("quote", &one("lee", "q2"), 409);
    assert_eq!((&taken["code"], &taken["binding"][0]["code"]), (&json!("infeasible"), &json!("stock")));
    assert_eq!(taken["substitutes"].as_array().map_or(0, Vec::len), 0, "T2 is not to be had");
    shop.clock.set(at("2026-03-02T09:01:00+09:00"));
    let ended = shop.told("confirm", &json!({ "quote_id": "q1" }), 409);
    assert_eq!((&ended["code"], &ended["stage"]), (&json!("quote_ended"), &json!("expired")));
    assert_eq!(shop.told("quote", &short, 409)["code"], "quote_ended");
    // What was refused was not held: the same id may try again.
    shop.told("quote", &one("lee", "q2"), 200);
    let released = shop.told("release", &json!({ "quote_id": "q2" }), 200);
    assert_eq!(released["stage"], "released");
    assert_eq!(shop.told("release", &json!({ "quote_id": "q2" }), 200), released);
    shop.told("quote", &one("lee", "q3"), 200);
    let stolen = shop.told("quote", &one("kim", "q3"), 409);
    assert_eq!(stolen["code"], "quote_id_taken");
}

#[test]
fn the_reason_is_said_in_the_reader_s_language() {
    let shop = Shop::open(NOW);
    toner(&shop, 20);
    courier(&shop, 1);
    shop.rules(COURIER);
    shop.told("quote", &one("kim", "q1"), 200);
    shop.told("quote", &one("kim", "q2"), 200);
    let body = json!({ "lines": [{ "item_id": "T1" }], "to": "KR-11", "wanted": "2026-03-04" }).to_string();
    let ask = |language: &str| {
        let headers = [("accept-language", language)];
        let mut connection = shop.connection(&shop.key);
        let reply = connection.request("POST", "/v1/promises/inquire", &headers, body.as_bytes()).unwrap();
        reply.json()
    };
    let english = ask("en");
    assert_eq!(english["due"], "2026-03-05");
    // Monday's slot is taken, and Tuesday's; the first that binds is Monday's.
    assert_eq!(english["message"], "earliest Thursday, 5 March: courier is full on Monday, 2 March");
    assert_eq!(english["binding"][0]["code"], "capacity");
    assert_eq!(english["binding"][0]["resource"], "courier");
    let korean = ask("ko-KR,ko;q=0.9");
    assert_eq!(
        korean["message"],
        "가장 빠른 날은 3월 5일(목)입니다. 3월 2일(월)에는 courier의 자리가 없습니다"
    );
    let refused = shop.connection(&shop.key);
    let mut refused = refused;
    let headers = [("accept-language", "ko")];
    let reply = refused.request("POST", "/v1/promises/confirm", &headers, br#"{"quote_id":"none"}"#).unwrap();
    assert_eq!(reply.status, 404);
    assert!(is_hangul(reply.json()["message"].as_str().unwrap()));
}

#[test]
fn only_who_may_promise_promises_and_what_is_wrong_is_named() {
    let home = Home::new();
    let served = home.serve();
    let sends = home.json(&["keys", "create", "sends"])["write_key"].as_str().unwrap().to_owned();
    let body = json!({ "lines": [{ "item_id": "T1" }] });
    for call in ["inquire", "quote", "confirm", "release"] {
        let path = format!("/v1/promises/{call}");
        for (key, status) in [(Some(KEY), 403), (Some(&*sends), 403), (Some("other"), 401), (None, 401)] {
            assert_eq!(served.connect_as(key).post(&path, &body).unwrap().status, status, "{call} {key:?}");
        }
    }
    let file = std::fs::read_to_string(home.dir().join("server.json")).unwrap();
    let token = serde_json::from_str::<Value>(&file).unwrap()["token"].as_str().unwrap().to_owned();
    let bearer = format!("Bearer {token}");
    let mut connection = served.connect_as(None);
    let mut ask = |call: &str, body: &str| {
        let path = format!("/v1/promises/{call}");
        connection.request("POST", &path, &[("authorization", &bearer)], body.as_bytes()).unwrap()
    };
    let reply = ask("inquire", &body.to_string());
    assert_eq!((reply.status, &reply.json()["binding"][0]["code"]), (200, &json!("unknown_item")));
    for (call, body, field) in [
        ("inquire", "{", "body"),
        ("inquire", "{}", "lines"),
        ("inquire", r#"{"lines":[{}]}"#, "lines[0].item_id"),
        ("inquire", r#"{"lines":[]}"#, "lines"),
        ("inquire", r#"{"lines":[{"item_id":"a","quantity":"many"}]}"#, "lines[0].quantity"),
        ("inquire", r#"{"lines":[{"item_id":"a"}],"wanted":"soon"}"#, "wanted"),
        ("inquire", r#"{"lines":[{"item_id":"a"}],"hold_minutes":5}"#, "hold_minutes"),
        ("quote", r#"{"lines":[{"item_id":"a"}]}"#, "user_id"),
        ("quote", r#"{"lines":[{"item_id":"a"}],"user_id":"null"}"#, "user_id"),
        ("confirm", r#"{"quote_id":""}"#, "quote_id"),
        ("confirm", r#"{"quote_id":"q","order":1}"#, "order"),
    ] {
        let reply = ask(call, body);
        assert_eq!(reply.status, 400, "{body}: {}", reply.text());
        let said = reply.json();
        assert_eq!((&said["code"], &said["field"]), (&json!("bad_field"), &json!(field)), "{body}");
        assert!(said["message"].as_str().unwrap().contains(field), "{said}");
    }
    let keys = home.json(&["keys", "list"]);
    assert_eq!(keys[0]["promises"], false);
}

#[test]
fn whoever_a_quote_is_for_is_known_and_can_be_erased() {
    let shop = Shop::open(NOW);
    toner(&shop, 2);
    shop.rules(AT_ONCE);
    shop.told("quote", &one("kim", "q1"), 200);
    shop.told("confirm", &json!({ "quote_id": "q1" }), 200);
    let profile = shop.run(&["profile", "show", "kim"]);
    assert_eq!(profile["profile"]["user_id"], "kim");
    assert_eq!(
        (&profile["timeline"][0]["type"], &profile["timeline"][0]["source"]),
        (&json!("identify"), &json!("shop"))
    );
    shop.run(&["profile", "erase", "kim", "--yes"]);
    assert_eq!(shop.run(&["supply", "stock"])["stock"][0]["available"], 2, "nothing is held for nobody");
    assert_eq!(shop.told("confirm", &json!({ "quote_id": "q1" }), 404)["code"], "unknown_quote");
}

#[test]
fn the_command_line_speaks_of_promises_in_both_languages() {
    let shop = Shop::open(NOW);
    toner(&shop, 2);
    courier(&shop, 4);
    shop.rules(COURIER);
    let dir = shop.temp.path().join("store");
    let say = |arguments: &[&str]| {
        let mut all = vec!["--store", dir.to_str().unwrap()];
        all.extend(arguments);
        crate::support::inyeon(&all, &[])
    };
    let said = say(&["promise", "inquire", "--item", "T1=2", "--to", "KR-11"]);
    assert!(said.stdout.contains("Tuesday, 3 March") && said.stdout.contains("KRW"), "{said:?}");
    let said = say(&[
        "--lang",
        "ko",
        "promise",
        "quote",
        "--item",
        "T1",
        "--to",
        "KR-11",
        "--user",
        "u",
        "--quote-id",
        "q",
    ]);
    assert!(said.stdout.contains("3월 3일(화)"), "{said:?}");
    let answer = shop.run(&["promise", "confirm", "q"]);
    assert_eq!((&answer["stage"], &answer["order_id"]), (&json!("placed"), &json!("order-q")));
    let refused = say(&["promise", "quote", "--item", "T1=9", "--to", "KR-11", "--user", "u"]);
    assert!(refused.refused(6).contains("not enough of T1 at seoul"), "{refused:?}");
    assert!(say(&["promise", "confirm", "none"]).refused(3).contains("no quote"));
    assert!(say(&["promise", "inquire", "--item", "T1=x"]).refused(2).contains("T1=x"));
    let wrong = shop.temp.path().join("wrong.yaml");
    std::fs::write(&wrong, COURIER.replace("handling_minutes", "handling")).unwrap();
    let said = say(&["promise", "rules", "check", wrong.to_str().unwrap()]);
    let said = said.refused(2);
    assert!(
        said.contains("wrong.yaml") && said.contains("line 4") && said.contains("handling_minutes"),
        "{said}"
    );
    let shown = shop.run(&["promise", "rules", "show"]);
    assert_eq!((&shown["version"], &shown["rules"]["quote_minutes"]), (&json!(1), &json!(10)));
    let items = shop.run(&["supply", "items"]);
    assert_eq!(
        (&items["items"][0]["item_id"], &items["items"][0]["places"]),
        (&json!("T1"), &json!(["seoul"]))
    );
    let resources = shop.run(&["supply", "resources"]);
    let courier = &resources["resources"][0];
    assert_eq!(courier["today"], json!({ "units": 4, "free": 3 }));
    assert_eq!(courier["next_free"]["start"], "2026-03-02T04:00:00Z");
}

#[test]
fn events_of_operations_come_with_and_without_a_person_by_http_and_by_file() {
    let home = Home::new();
    let served = home.serve();
    let mut connection = served.connect();
    let said = |name: &str, person: Option<&str>, properties: Value| {
        let mut event = json!({ "type": "track", "event": name, "properties": properties });
        event["messageId"] = json!(format!("{name}-{person:?}"));
        event["timestamp"] = json!("2026-03-02T00:00:00Z");
        if let Some(person) = person {
            event["userId"] = json!(person);
        }
        event
    };
    let stock = |place: &str| json!({ "item_id": "T1", "place": place, "on_hand": 3 });
    let batch = [
        said("item.published", None, json!({ "item_id": "T1" })),
        said("stock.counted", Some("clerk"), stock("a")),
        said("stock.counted", None, stock("b")),
        said(
            "capacity.set",
            None,
            json!({ "resource": "r", "shifts": [{ "from": "09:00", "to": "17:00", "units": 2 }] }),
        ),
    ];
    let reply = connection.post("/v1/batch", &json!({ "batch": batch })).unwrap();
    assert_eq!(reply.json()["accepted"], 4, "{}", reply.text());
    let file = home.path("supply.jsonl");
    let lines = [
        said("stock.received", None, json!({ "item_id": "T1", "place": "c", "quantity": 4 })),
        said("stock.spoiled", Some("clerk"), json!({ "item_id": "T1", "place": "c", "quantity": 1 })),
        said("downtime.reported", None, json!({ "resource": "r", "downtime": "d" })),
    ];
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    std::fs::write(&file, text).unwrap();
    home.json(&["import", "jsonl", file.to_str().unwrap()]);
    let stock = home.json(&["supply", "stock"]);
    let levels: Vec<(&str, i64)> = stock["stock"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (row["place"].as_str().unwrap(), row["on_hand"].as_i64().unwrap()))
        .collect();
    assert_eq!(levels, [("a", 3), ("b", 3), ("c", 3)]);
    assert_eq!(home.json(&["supply", "stock", "--place", "b"])["stock"].as_array().unwrap().len(), 1);
    assert_eq!(home.json(&["supply", "resources"])["resources"][0]["downtimes"], 1);
    // A clerk who tells of stock is no customer.
    assert_eq!(home.json(&["profile", "search"]), json!([]));
    // What cannot be meant is kept as a dead letter that names its field.
    let wrong = json!({ "event": "stock.counted", "properties": { "item_id": "T1", "on_hand": 1 } });
    connection.post("/v1/track", &wrong).unwrap();
    let letters = home.json(&["dead-letters", "list"]);
    assert!(letters[0]["reason"].as_str().unwrap().contains("place"), "{letters}");
}
