//! Orders over HTTP and on the command line, and the systems that are told of them: one order, whatever goes wrong on
//! the way.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};

use channels::Secret;
use model::Time;
use runtime::{Node, NodeOptions, Sink};
use serde_json::{Value, json};

use crate::contract::taken;
use crate::support::{Home, Served, now, until};
use crate::wire::{Connection, Reply};

/// A store with rules by which something can be promised, before a server has it.
fn home(undo_minutes: u32) -> Home {
    let home = Home::new();
    let promising = json!({
        "places": { "near": {}, "far": {} },
        "lanes": [
            { "from": "near", "to": "seoul*", "hours": [[0.5, 2.0], [0.95, 4.0]], "whole_days": false },
            { "from": "far", "to": "*", "hours": [[0.5, 48.0], [0.95, 72.0]], "whole_days": false },
        ],
        "orders": { "undo_minutes": undo_minutes },
    });
    let promising = serde_json::from_value(promising).unwrap();
    let node = Node::open(&home.dir(), NodeOptions { sink: Sink::Held, ..NodeOptions::default() }).unwrap();
    node.publish_reference(engine::Reference { version: 1, promising, ..engine::Reference::default() })
        .unwrap();
    node.drain().unwrap();
    drop(node);
    home
}

struct Shop {
    served: Served,
    token: String,
}

impl Shop {
    fn open(home: &Home) -> Shop {
        let served = home.serve();
        let file = std::fs::read_to_string(home.dir().join("server.json")).unwrap();
        let token = serde_json::from_str::<Value>(&file).unwrap()["token"].as_str().unwrap().to_owned();
        Shop { served, token }
    }

    fn tell(&self, id: &str, name: &str, properties: &Value) {
        let at = now().to_string();
        let mut event = json!({
            "type": "track", "event": name, "messageId": id, "timestamp": at, "properties": properties,
        });
        if properties.get("order_id").is_none() && properties.get("item_id").is_none() {
            event["userId"] = json!("kim");
        }
        taken(&self.served.connect().post("/v1/track", &event).unwrap());
    }

    /// What is there to be had, and who wants it.
    fn stocked(&self) {
        let identify = json!({ "userId": "kim", "messageId": "i", "traits": {} });
        taken(&self.served.connect().post("/v1/identify", &identify).unwrap());
        let item = json!({ "item_id": "ink", "price": "12.50", "currency": "EUR" });
        self.tell("item", "item.published", &item);
        for (place, n) in [("near", 3), ("far", 50)] {
            self.tell(place, "stock.counted", &json!({ "item_id": "ink", "place": place, "on_hand": n }));
        }
        let defaults = json!({
            "to": "seoul-04", "address": { "street": "canary-street 1" }, "time_zone": "Asia/Seoul",
            "payment_token": "tok-canary-0123456789",
        });
        let told = self.post("/v1/customers/kim/order-defaults", &defaults).json();
        assert_eq!(told["payment_token"], "…6789");
    }

    fn post(&self, path: &str, body: &Value) -> Reply {
        self.call("POST", path, Some(body))
    }

    fn call(&self, method: &str, path: &str, body: Option<&Value>) -> Reply {
        call(&self.served.address, &self.token, method, path, body)
    }

    #[track_caller]
    fn get(&self, order_id: &str) -> Value {
        let reply = self.call("GET", &format!("/v1/orders/{order_id}"), None);
        assert_eq!(reply.status, 200, "{reply:?}");
        reply.json()
    }

    #[track_caller]
    fn order(&self, request: &str) -> String {
        let body = json!({ "user_id": "kim", "lines": [{ "item_id": "ink" }], "request_id": request });
        let reply = self.post("/v1/orders", &body);
        assert_eq!(reply.status, 200, "{reply:?}");
        reply.json()["order_id"].as_str().unwrap().to_owned()
    }
}

fn call(address: &str, token: &str, method: &str, path: &str, body: Option<&Value>) -> Reply {
    let bearer = format!("Bearer {token}");
    let headers = [("content-type", "application/json"), ("authorization", bearer.as_str())];
    let body = body.map(Value::to_string).unwrap_or_default();
    let mut connection = Connection::open(address, None).unwrap();
    connection.request(method, path, &headers, body.as_bytes()).unwrap()
}

#[test]
fn one_action_orders_once_and_can_be_undone() {
    let home = home(10);
    let shop = Shop::open(&home);
    shop.stocked();
    // Clicks at once, on several connections.
    let body = json!({ "user_id": "kim", "lines": [{ "item_id": "ink", "quantity": 2 }] });
    let answers: Vec<Value> = std::thread::scope(|scope| {
        let one = || call(&shop.served.address, &shop.token, "POST", "/v1/orders", Some(&body)).json();
        let clicks: Vec<_> = (0..8).map(|_| scope.spawn(one)).collect();
        clicks.into_iter().map(|click| click.join().unwrap()).collect()
    });
    let numbers: BTreeSet<&str> = answers.iter().map(|answer| answer["order_id"].as_str().unwrap()).collect();
    assert_eq!(numbers.len(), 1, "{answers:#?}");
    assert_eq!(answers.iter().filter(|answer| answer["repeated"] == false).count(), 1);
    let id = numbers.first().unwrap().to_string();
    let order = shop.get(&id);
    assert_eq!(order["state"], "allocated");
    assert_eq!(order["parcels"][0]["place"], "near", "the source that promises the earliest");
    assert_eq!(order["payment"]["state"], "requested");
    assert_eq!(order["payment"]["owed"], "25.00");
    assert_eq!(order["can"], json!(["undo", "cancel", "change"]));
    assert!(!order.to_string().contains("canary"), "{order}");
    // It is one step to undo it, and a second click changes nothing.
    for _ in 0..2 {
        let undone = shop.post(&format!("/v1/orders/{id}/undo"), &json!({}));
        assert_eq!((undone.status, undone.json()["state"].clone()), (200, json!("cancelled")), "{undone:?}");
    }
    let effects = home.json(&["effects", "list"]);
    let mut kinds: Vec<&str> =
        effects.as_array().unwrap().iter().map(|e| e["kind"].as_str().unwrap()).collect();
    kinds.sort_unstable();
    assert_eq!(kinds, ["payment.authorise", "payment.void"]);
    assert!(!effects.to_string().contains("canary"));
    // All three are there again.
    let all = json!({ "user_id": "kim", "lines": [{ "item_id": "ink", "quantity": 3 }] });
    let again = shop.post("/v1/orders", &all).json();
    assert_eq!(again["parcels"][0]["place"], "near");
    let id = again["order_id"].as_str().unwrap();
    // What has left cannot be called back; the answer says what can be done instead, in both languages.
    shop.tell("ship", "fulfillment.shipped", &json!({ "order_id": id }));
    home.json(&["status"]);
    let refused = shop.post(&format!("/v1/orders/{id}/cancel"), &json!({ "by": "customer" }));
    let refused = match refused.status {
        409 => refused.json(),
        status => panic!("{status}: {refused:?}"),
    };
    assert_eq!((&refused["code"], &refused["instead"]), (&json!("handed_over"), &json!(["return"])));
    let said = home.run(&["order", "cancel", id]);
    assert!(said.refused(6).contains("handed-over"), "{said:?}");
    let korean = home.say(&["--lang", "ko", "order", "undo", id]);
    assert!(korean.refused(6).contains("반품"), "{korean:?}");
    let back = home.json(&["order", "return", id, "--line", "ink=1", "--return-id", "r-1"]);
    assert_eq!((&back["state"], &back["day"]), (&json!("approved"), &json!(0)));
    assert!(home.say(&["order", "show", id]).stdout.contains("r-1"));
    // Nobody orders without leave, nor for nobody.
    let nobody = call(&shop.served.address, "wrong", "POST", "/v1/orders", Some(&all));
    assert_eq!((nobody.status, nobody.json()["code"].clone()), (401, json!("unknown_write_key")));
    let stranger = shop.post("/v1/orders", &json!({ "user_id": "lee", "lines": [{ "item_id": "ink" }] }));
    assert_eq!((stranger.status, stranger.json()["code"].clone()), (404, json!("unknown_customer")));
    let nothing = shop.post("/v1/orders", &json!({ "user_id": "kim", "lines": [{ "item_id": "gold" }] }));
    assert_eq!((nothing.status, nothing.json()["code"].clone()), (409, json!("order_infeasible")));
    assert_eq!(nothing.json()["binding"][0]["constraint"], "unknown_item");
    for (body, code) in [
        (json!({ "user_id": "kim", "lines": [] }), "order_lines"),
        (json!({ "user_id": "kim" }), "refused"),
        (json!({ "user_id": "kim", "lines": [{ "item_id": "ink", "quantity": -1 }] }), "order_lines"),
    ] {
        let reply = shop.post("/v1/orders", &body);
        assert_eq!((reply.status, reply.json()["code"].clone()), (400, json!(code)), "{body}");
    }
    assert_eq!(shop.call("GET", "/v1/orders/none", None).status, 404);
    let export = home.export();
    assert!(!serde_json::to_string(&export).unwrap().contains("canary"));
}

#[test]
fn a_key_that_may_order_orders_and_another_does_not() {
    let home = home(10);
    let shop = Shop::open(&home);
    shop.stocked();
    let key = |arguments: &[&str]| {
        let made = home.json(&[&["keys", "create"], arguments].concat());
        made["write_key"].as_str().unwrap().to_owned()
    };
    let (sends, orders) = (key(&["web", "--promises"]), key(&["till", "--orders"]));
    let body = json!({ "user_id": "kim", "lines": [{ "item_id": "ink" }], "request_id": "r" });
    let address = &shop.served.address;
    let refused = call(address, &sends, "POST", "/v1/orders", Some(&body));
    assert_eq!((refused.status, refused.json()["code"].clone()), (403, json!("may_not_order")));
    assert!(refused.json()["message"].as_str().unwrap().contains("--orders"));
    let placed = call(address, &orders, "POST", "/v1/orders", Some(&body));
    assert_eq!(placed.status, 200, "{placed:?}");
    let id = placed.json()["order_id"].as_str().unwrap().to_owned();
    let path = format!("/v1/orders/{id}");
    assert_eq!(call(address, &sends, "GET", &path, None).status, 403);
    assert_eq!(call(address, &orders, "GET", &path, None).json()["state"], "allocated");
    let undo = format!("{path}/undo");
    assert_eq!(call(address, &sends, "POST", &undo, None).status, 403);
    assert_eq!(call(address, &orders, "POST", &undo, None).json()["state"], "cancelled");
    let held = json!({ "lines": [{ "item_id": "ink" }], "user_id": "kim" });
    let may_not = call(address, &orders, "POST", "/v1/promises/quote", Some(&held));
    assert_eq!(may_not.json()["code"], "may_not_promise", "each for itself");
    let known = home.json(&["keys", "list"]);
    let till = known.as_array().unwrap().iter().find(|key| key["source"] == "till").unwrap();
    assert_eq!((&till["orders"], &till["promises"]), (&json!(true), &json!(false)));
    home.json(&["keys", "revoke", "till"]);
    assert_eq!(call(address, &orders, "GET", &path, None).status, 401);
}

#[test]
fn a_change_is_held_until_it_is_confirmed() {
    let home = home(10);
    let shop = Shop::open(&home);
    shop.stocked();
    let id = shop.order("r-1");
    let held = home.json(&["order", "change", &id, "--line", "ink=3"]);
    assert_eq!((&held["state"], &held["total"]["amount"]), (&json!("held"), &json!("37.50")));
    assert_eq!(shop.get(&id)["total"]["amount"], "12.50");
    let quote = held["quote_id"].as_str().unwrap();
    let changed = home.json(&["order", "change", &id, "--confirm", quote]);
    assert_eq!((&changed["order_id"], &changed["lines"][0]["quantity"]), (&json!(id), &json!(3.0)));
    let lapsed = shop.post(&format!("/v1/orders/{id}/change"), &json!({ "confirm_quote": "c-none" }));
    assert_eq!((lapsed.status, lapsed.json()["code"].clone()), (409, json!("change_ended")));
}

/// What a receiver does with a request.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Answer {
    Taken,
    /// It has it, and says that something went wrong.
    ServerError,
    /// It has it, and says nothing until the sender is gone.
    Silence,
    Gone,
}

/// A receiver that knows a message by its id, as the specification wants it.
#[derive(Default)]
struct Books {
    /// How often each id came.
    heard: BTreeMap<String, u32>,
    /// What it did, each id once, in order.
    done: Vec<Value>,
    /// How it answers the next of a type; taken where nothing is said.
    answers: BTreeMap<String, Vec<Answer>>,
    wrong: Vec<String>,
}

struct Receiver {
    url: String,
    books: Arc<(Mutex<Books>, Condvar)>,
}

impl Receiver {
    fn start(secret: Arc<Mutex<Option<Secret>>>) -> Receiver {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/orders", listener.local_addr().unwrap());
        let books: Arc<(Mutex<Books>, Condvar)> = Arc::default();
        let kept = books.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (kept, secret) = (kept.clone(), secret.clone());
                std::thread::spawn(move || while hear(&stream, &kept, &secret).is_some() {});
            }
        });
        Receiver { url, books }
    }

    fn answers(&self, name: &str, answers: &[Answer]) {
        let mut books = self.books.0.lock().unwrap();
        books.answers.insert(name.to_owned(), answers.iter().rev().copied().collect());
    }

    /// Waits until a type of message came so often.
    #[track_caller]
    fn heard(&self, name: &str, times: u32) {
        let named = |books: &Books| {
            let of =
                books.heard.iter().filter(|(id, _)| id.ends_with(&format!("/{}", name.replace('.', "-"))));
            of.map(|(_, n)| *n).sum::<u32>()
        };
        let wait = std::time::Duration::from_secs(60);
        let guard = self.books.0.lock().unwrap();
        let (books, out) =
            self.books.1.wait_timeout_while(guard, wait, |books| named(books) < times).unwrap();
        assert!(!out.timed_out(), "{name} came {} times, not {times}", named(&books));
    }

    fn done(&self) -> Vec<String> {
        let books = self.books.0.lock().unwrap();
        assert_eq!(books.wrong, Vec::<String>::new());
        books.done.iter().map(|body| body["type"].as_str().unwrap().to_owned()).collect()
    }
}

fn hear(stream: &TcpStream, books: &(Mutex<Books>, Condvar), secret: &Mutex<Option<Secret>>) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let (mut headers, mut line) = (BTreeMap::new(), String::new());
    while reader.read_line(&mut line).ok()? > 2 {
        if let Some((name, value)) = line.trim().split_once(": ") {
            headers.insert(name.to_lowercase(), value.to_owned());
        }
        line.clear();
    }
    let mut body = vec![0; headers.get("content-length")?.parse().ok()?];
    reader.read_exact(&mut body).ok()?;
    let header = |name: &str| headers.get(name).cloned().unwrap_or_default();
    let id = header("webhook-id");
    let read: Value = serde_json::from_slice(&body).ok()?;
    let answer = {
        let mut books = books.0.lock().unwrap();
        let secret = secret.lock().unwrap();
        let checked = secret.as_ref().map(|secret| {
            let clock = now().as_second();
            secret.verify(&id, &header("webhook-timestamp"), &header("webhook-signature"), &body, clock)
        });
        if checked != Some(Ok(())) {
            books.wrong.push(format!("{id}: {checked:?}"));
        }
        if read["id"] != json!(id) {
            books.wrong.push(format!("{id}: its body says {}", read["id"]));
        }
        let times = books.heard.entry(id).or_default();
        *times += 1;
        if *times == 1 {
            books.done.push(read.clone());
        }
        let planned = books.answers.get_mut(read["type"].as_str().unwrap_or_default());
        planned.and_then(Vec::pop).unwrap_or(Answer::Taken)
    };
    books.1.notify_all();
    let status = match answer {
        Answer::Taken => "204 No Content",
        Answer::ServerError => "500 Internal Server Error",
        Answer::Gone => "410 Gone",
        Answer::Silence => {
            let _ = reader.read_to_end(&mut Vec::new());
            return None;
        }
    };
    let reply = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n");
    (&*stream).write_all(reply.as_bytes()).ok()
}

fn connect(home: &Home, receiver: &Receiver, secret: &Mutex<Option<Secret>>) {
    let connected = home.json(&["orders", "connect", "erp", "--url", &receiver.url]);
    if let Some(text) = connected["secret"].as_str() {
        *secret.lock().unwrap() = Some(Secret::parse(text).unwrap());
    }
}

#[track_caller]
fn settled(home: &Home, kinds: &[&str]) {
    let mut last = Value::Null;
    until("every effect is settled", || {
        last = home.json(&["effects", "list"]);
        kinds.iter().all(|kind| {
            let mut of = last.as_array().unwrap().iter().filter(|effect| effect["kind"] == *kind).peekable();
            of.peek().is_some() && of.all(|effect| effect["state"] == "settled")
        })
    });
}

/// It answers 500 after it has done it, then says nothing at all, and the server is killed both times.
#[test]
fn a_receiver_that_fails_and_a_server_that_is_killed_make_one_order() {
    let home = home(0);
    let secret: Arc<Mutex<Option<Secret>>> = Arc::default();
    let receiver = Receiver::start(secret.clone());
    let shop = Shop::open(&home);
    shop.stocked();
    connect(&home, &receiver, &secret);
    let id = shop.order("r-1");
    receiver.heard("payment.authorise", 1);
    settled(&home, &["payment.authorise"]);
    receiver.answers("order.place", &[Answer::ServerError, Answer::Silence, Answer::Taken]);
    shop.tell("pay", "payment.authorised", &json!({ "order_id": id, "reference": "p-1" }));
    receiver.heard("order.place", 1);
    shop.served.kill();
    let shop = Shop::open(&home);
    receiver.heard("order.place", 2);
    shop.served.kill();
    let shop = Shop::open(&home);
    receiver.heard("order.place", 3);
    receiver.heard("payment.capture", 1);
    settled(&home, &["payment.authorise", "order.place", "payment.capture"]);
    assert_eq!(receiver.done(), ["payment.authorise", "order.place", "payment.capture"]);
    let books = receiver.books.0.lock().unwrap();
    let placed: Vec<u32> =
        books.heard.iter().filter(|(id, _)| id.ends_with("order-place")).map(|(_, n)| *n).collect();
    assert_eq!(placed, [3], "three attempts under one id");
    let body = &books.done[1]["data"];
    assert_eq!(body["address"]["street"], "canary-street 1");
    assert_eq!((&body["lines"][0]["item_id"], &body["total"]["amount"]), (&json!("ink"), &json!("12.50")));
    assert_eq!(books.done[2]["data"]["payment_token"], "tok-canary-0123456789");
    drop(books);
    // Shipments come in, as often as they are told.
    for name in ["fulfillment.shipped", "fulfillment.delivered"] {
        for _ in 0..2 {
            shop.tell(name, name, &json!({ "order_id": id }));
        }
        shop.tell(&format!("{name} again"), name, &json!({ "order_id": id }));
    }
    home.json(&["profile", "show", "kim"]);
    let order = shop.get(&id);
    assert_eq!((&order["state"], &order["promises"][0]["status"]), (&json!("delivered"), &json!("kept")));
    let listed = home.json(&["orders", "list"]);
    assert_eq!(
        (&listed[0]["name"], &listed[0]["waiting"], &listed[0]["disabled"]),
        (&json!("erp"), &json!(0), &Value::Null)
    );
    assert!(!listed.to_string().contains("whsec"), "{listed}");
}

#[test]
fn a_receiver_that_is_gone_is_told_nothing_until_it_is_connected_again() {
    let home = home(0);
    let secret: Arc<Mutex<Option<Secret>>> = Arc::default();
    let receiver = Receiver::start(secret.clone());
    let shop = Shop::open(&home);
    shop.stocked();
    connect(&home, &receiver, &secret);
    receiver.answers("payment.authorise", &[Answer::Gone]);
    let first = shop.order("r-1");
    receiver.heard("payment.authorise", 1);
    until("it is disabled", || home.json(&["orders", "list"])[0]["disabled"].is_string());
    let second = shop.order("r-2");
    shop.tell("pay", "payment.authorised", &json!({ "order_id": first }));
    home.json(&["effects", "list"]);
    // Two things of one kind cannot be told twice: another system for the same is refused.
    let twice = home.run(&["orders", "connect", "other", "--directory", home.path("out").to_str().unwrap()]);
    assert!(twice.refused(6).contains("outlet-overlap"), "{twice:?}");
    // The same secret holds on.
    connect(&home, &receiver, &secret);
    settled(&home, &["payment.authorise", "order.place", "payment.capture"]);
    let books = receiver.books.0.lock().unwrap();
    let of = |order: &str| -> Vec<&str> {
        let done = books.done.iter().filter(|body| body["order_id"] == order);
        done.map(|body| body["type"].as_str().unwrap()).collect()
    };
    assert_eq!(of(&first), ["payment.authorise", "order.place", "payment.capture"]);
    assert_eq!(of(&second), ["payment.authorise"]);
    assert_eq!(books.wrong, Vec::<String>::new());
}

#[test]
fn orders_become_files_and_what_was_read_is_not_written_again() {
    let home = home(0);
    let shop = Shop::open(&home);
    shop.stocked();
    let out = home.path("out");
    home.json(&["orders", "connect", "wms", "--directory", out.to_str().unwrap(), "--serves", "orders"]);
    let pay = home.path("pay");
    home.json(&["orders", "connect", "psp", "--directory", pay.to_str().unwrap(), "--serves", "payments"]);
    let id = shop.order("r-1");
    settled(&home, &["payment.authorise"]);
    shop.tell("pay", "payment.authorised", &json!({ "order_id": id }));
    settled(&home, &["payment.authorise", "order.place", "payment.capture"]);
    let files = |dir: &std::path::Path| -> Vec<Value> {
        let entries = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
        let mut files: Vec<_> = entries.filter(|path| path.is_file()).collect();
        files.sort();
        files
            .iter()
            .map(|path| serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap())
            .collect()
    };
    let placed = files(&out);
    assert_eq!(placed.len(), 1);
    assert_eq!((&placed[0]["type"], &placed[0]["data"]["order_id"]), (&json!("order.place"), &json!(id)));
    let due = placed[0]["data"]["promise"]["due"].as_str().unwrap();
    assert!(Time::parse(due).is_some(), "{due}");
    let paid: Vec<Value> = files(&pay).iter().map(|file| file["type"].clone()).collect();
    assert_eq!(paid, ["payment.authorise", "payment.capture"]);
    assert_eq!(home.json(&["orders", "disconnect", "wms"])["disconnected"], "wms");
    assert!(home.run(&["orders", "disconnect", "wms"]).refused(3).contains("unknown-outlet"));
}

#[test]
fn late_returns_are_listed_and_decided() {
    let home = Home::new();
    let shop = Shop::open(&home);
    let events = [
        ("order.placed", "2024-02-29T09:00:00Z", json!({ "order_id": "o-1" })),
        ("fulfillment.delivered", "2024-03-02T09:00:00Z", json!({ "order_id": "o-1" })),
        (
            "order.return_requested",
            "2025-03-02T09:00:00Z",
            json!({ "order_id": "o-1", "return_id": "in-time", "products": [{ "sku": "a" }] }),
        ),
        (
            "order.return_requested",
            "2025-03-03T09:00:00Z",
            json!({ "order_id": "o-1", "return_id": "late", "products": [{ "sku": "b" }] }),
        ),
    ];
    for (name, at, properties) in events {
        let event = json!({
            "type": "track", "userId": "kim", "event": name, "messageId": format!("{name} {at}"), "timestamp": at,
            "properties": properties,
        });
        taken(&shop.served.connect().post("/v1/track", &event).unwrap());
    }
    let all = home.json(&["returns", "list", "--all"]);
    let shown: Vec<(&Value, &Value, &Value)> =
        all.as_array().unwrap().iter().map(|row| (&row["return_id"], &row["day"], &row["state"])).collect();
    assert_eq!(
        shown,
        [
            (&json!("in-time"), &json!(365), &json!("approved")),
            (&json!("late"), &json!(366), &json!("discretion"))
        ]
    );
    let waiting = home.json(&["returns", "list"]);
    assert_eq!(waiting.as_array().map(Vec::len), Some(1));
    let korean = home.say(&["--lang", "ko", "returns", "list"]);
    assert!(korean.stdout.contains("late") && korean.stdout.contains("일째"), "{korean:?}");
    let decided = home.json(&["returns", "decide", "late", "--accept", "--reason", "loyal"]);
    assert_eq!((&decided["state"], &decided["reason"]), (&json!("approved"), &json!("loyal")));
    assert!(home.run(&["returns", "decide", "late", "--refuse"]).refused(6).contains("not-waiting"));
    assert!(home.run(&["returns", "decide", "none", "--refuse"]).refused(3).contains("unknown-return"));
    assert_eq!(home.json(&["returns", "list"]), json!([]));
}
