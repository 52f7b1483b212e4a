//! Messages to customers from the need to the letter, and the way out that stands in it.

use engine::playbook::Playbook;
use model::EntityId;
use model::connection::Consent;
use runtime::{Node, NodeOptions, Sink};
use serde_json::{Value, json};

use crate::contract::taken;
use crate::smtp::{Script, Server};
use crate::support::{Home, Start, now, until};
use crate::wire::{Connection, Reply};

fn playbook() -> Playbook {
    let text = |en: &str, ko: &str| json!({ "en": en, "ko": ko });
    let playbook = json!({
        "playbook": "toner",
        "title": text("Toner in time", "제때 토너"),
        "owners": { "marketing": "crm", "operations": "depot" },
        "category": "toner",
        "needs": [{ "id": "low", "origin": "reported", "on": ["slot.low"] }],
        "offer": { "items": ["tn-1"], "fits_device": true, "lead_days": 3.0, "relevance_loss": 0.1 },
        "strategies": {
            "respond": {},
            "coach": { "share": 2, "message": "remind", "steps": [
                { "id": "clean", "text": text("Clean the drum", "드럼을 닦아 주세요"), "every_days": 90 },
            ] },
        },
        "messages": {
            "remind": {
                "class": "advertising", "channel": "email",
                "subject": text("Toner runs low", "토너가 얼마 남지 않았습니다"),
                "text": text("{steps}: {link}", "{steps}. 골라 주세요: {link}"),
            },
        },
        "guard_rails": { "caps": [], "margin_floor": 0.0, "auto_orders": [] },
        "value": {
            "accept": 0.5, "worth": { "amount": "3.00", "currency": "EUR" },
            "contact_cost": { "amount": "0.05", "currency": "EUR" },
            "fatigue": { "amount": "0.50", "currency": "EUR" },
        },
    });
    serde_json::from_value(playbook).unwrap()
}

/// A store whose playbook reminds of toner.
fn home() -> Home {
    let home = Home::new();
    let node = Node::open(&home.dir(), NodeOptions { sink: Sink::Held, ..NodeOptions::default() }).unwrap();
    let mut reference = engine::Reference { version: 1, ..engine::Reference::default() };
    reference.playbooks.publish(playbook());
    node.publish_reference(reference).unwrap();
    node.drain().unwrap();
    home
}

fn consents(home: &Home) -> bool {
    let node = Node::open(&home.dir(), NodeOptions { sink: Sink::Held, ..NodeOptions::default() }).unwrap();
    node.drain().unwrap();
    let look = |fold: &mut runtime::Fold| {
        let kim = fold.lookup(&model::Identifier::User("kim")).unwrap().unwrap();
        assert_ne!(kim, EntityId::workspace());
        fold.entity(kim).unwrap().customer().unwrap().connection.consents_to(Consent::ADVERTISING)
    };
    node.ask(look).unwrap()
}

fn tell(address: &str, name: &str, properties: &Value) {
    let event = json!({
        "type": "track", "event": name, "userId": "kim", "messageId": format!("{name}-{properties}"),
        "timestamp": now().to_string(), "properties": properties,
    });
    let mut connection = Connection::open(address, Some(crate::support::KEY)).unwrap();
    taken(&connection.post("/v1/track", &event).unwrap());
}

fn call(address: &str, token: Option<&str>, method: &str, path: &str, body: &str) -> Reply {
    let bearer = token.map(|token| format!("Bearer {token}")).unwrap_or_default();
    let headers = [("content-type", "application/x-www-form-urlencoded"), ("authorization", bearer.as_str())];
    let headers = if token.is_some() { &headers[..] } else { &headers[..1] };
    Connection::open(address, None).unwrap().request(method, path, headers, body.as_bytes()).unwrap()
}

/// Quoted-printable, undone.
fn decoded(text: &str) -> String {
    let joined = text.replace("=\r\n", "");
    let mut bytes = Vec::new();
    let mut rest = joined.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte == b'=' {
            bytes.push(u8::from_str_radix(std::str::from_utf8(&rest[..2]).unwrap(), 16).unwrap());
            rest = &rest[2..];
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).unwrap()
}

const CONNECT: [&str; 9] = [
    "channels",
    "connect",
    "post",
    "--from",
    "shop@inyeon.example",
    "--sender-name",
    "인연 상점",
    "--contact",
    "02-123-4567, 서울시 중구",
];

#[test]
fn a_letter_reaches_the_customer_and_one_click_ends_it() {
    let mail = Server::start_with(std::iter::repeat(Script::Take));
    let home = home();
    let served =
        Start::new(&home.dir()).args(&["--public-url", "https://shop.example/"]).run().expect("it starts");
    let file = std::fs::read_to_string(home.dir().join("server.json")).unwrap();
    let token = serde_json::from_str::<Value>(&file).unwrap()["token"].as_str().unwrap().to_owned();
    let by_mail: Vec<&str> = CONNECT.into_iter().chain(["--smtp", &mail.address]).collect();
    let connected = home.json(&by_mail);
    assert_eq!((&connected["channel"], &connected["smtp"]), (&json!("email"), &json!(mail.address)));
    // One carries e-mail, and the systems that are told of orders are others.
    let second: Vec<&str> = by_mail.iter().map(|word| if *word == "post" { "other" } else { word }).collect();
    home.run(&second).refused(6);
    assert_eq!(home.json(&["orders", "list"]), json!([]));

    let mut connection = served.connect();
    let identify = json!({
        "userId": "kim", "messageId": "i",
        "traits": { "email": "kim@customer.example", "language": "ko" },
    });
    taken(&connection.post("/v1/identify", &identify).unwrap());
    let item =
        json!({ "item_id": "tn-1", "name": "TN-1", "price": "58.00", "currency": "EUR", "fits": ["P-1"] });
    let published = json!({
        "type": "track", "event": "item.published", "anonymousId": "shop", "messageId": "item",
        "timestamp": now().to_string(), "properties": item,
    });
    taken(&connection.post("/v1/track", &published).unwrap());
    for device in ["p1", "p2"] {
        let slots = json!([{ "slot": "black", "category": "toner" }]);
        let device = json!({ "device_id": device, "model": "P-1", "slots": slots });
        tell(&served.address, "device.registered", &device);
    }
    let preference = json!({ "category": "toner", "strategy": "coach", "share": 2 });
    tell(&served.address, "preference.changed", &preference);
    tell(&served.address, "consent.given", &json!({ "purpose": "advertising" }));
    tell(&served.address, "slot.low", &json!({ "device_id": "p1", "slot": "black", "level": 10.0 }));

    until("the letter arrives", || mail.letters().len() == 1);
    let letter = &mail.letters()[0];
    assert_eq!((letter.from.as_str(), letter.to.as_str()), ("shop@inyeon.example", "kim@customer.example"));
    let (head, body) = letter.text.split_once("\r\n\r\n").unwrap();
    let body = decoded(body);
    assert!(head.contains("List-Unsubscribe-Post: List-Unsubscribe=One-Click"), "{head}");
    let out = head.split("List-Unsubscribe: <").nth(1).unwrap().split('>').next().unwrap();
    let page = body.split("골라 주세요: ").nth(1).unwrap().split("\r\n").next().unwrap();
    assert!(
        body.starts_with("드럼을 닦아 주세요.") && body.contains("무료 수신 거부") && body.contains(out),
        "{body}"
    );
    assert!(page.starts_with("https://shop.example/c/"), "{page}");

    // It is in the inbox of the app as well, for whoever may ask.
    let inbox = "/v1/customers/kim/inbox";
    until("the inbox says that it arrived", || {
        let shown = call(&served.address, Some(&token), "GET", inbox, "").json();
        shown["messages"][0]["state"] == "done"
    });
    let shown = call(&served.address, Some(&token), "GET", inbox, "").json();
    let message = &shown["messages"][0];
    assert_eq!((shown["messages"].as_array().unwrap().len(), &message["channel"]), (1, &json!("email")));
    assert_eq!(message["subject"], "토너가 얼마 남지 않았습니다");
    assert!(message["text"].as_str().unwrap().contains(message["url"].as_str().unwrap()));
    assert!(message["unsubscribe_url"].as_str().unwrap().starts_with("https://shop.example/u/"));
    assert!(message["at"].is_string());
    let unknown = call(&served.address, Some(&token), "GET", "/v1/customers/lee/inbox", "");
    assert_eq!((unknown.status, unknown.json()["code"].clone()), (404, json!("unknown_customer")));
    assert_eq!(call(&served.address, None, "GET", inbox, "").status, 401);
    let sends_only = home.json(&["keys", "create", "app"])["write_key"].as_str().unwrap().to_owned();
    assert_eq!(served.connect_as(Some(&sends_only)).get(inbox).unwrap().status, 403);
    let promises =
        home.json(&["keys", "create", "desk", "--promises"])["write_key"].as_str().unwrap().to_owned();
    assert_eq!(served.connect_as(Some(&promises)).get(inbox).unwrap().status, 200);

    let listed = home.json(&["channels", "list"]);
    assert_eq!((&listed[0]["taken"], &listed[0]["doubtful"]), (&json!(1), &json!(0)), "{listed}");
    assert!(home.say(&["channels", "list", "--lang", "ko"]).stdout.contains("불확실"));

    // Looking at the way out is not taking it; nor is a link that is good for something else, or changed.
    let way_out = out.strip_prefix("https://shop.example").unwrap();
    let seen = call(&served.address, None, "GET", way_out, "");
    assert!(seen.status == 200 && seen.text().contains("<form method=\"post\">"), "{seen:?}");
    assert!(seen.header("set-cookie").is_none());
    let other = page.replace("https://shop.example/c/", "/u/");
    let click = "List-Unsubscribe=One-Click";
    for (path, body, status) in [
        (way_out, "", 400),
        (other.as_str(), click, 404),
        ("/u/x.y", click, 404),
        (&format!("{way_out}A"), click, 404),
    ] {
        assert_eq!(call(&served.address, None, "POST", path, body).status, status, "{path}");
    }
    served.stop().in_order();
    assert!(consents(&home));
    // Links outlive the server that made them.
    let served =
        Start::new(&home.dir()).args(&["--public-url", "https://shop.example"]).run().expect("it starts");
    for _ in 0..2 {
        let done = call(&served.address, None, "POST", way_out, click);
        assert!(done.status == 200 && done.text().contains("광고를 보내지 않습니다"), "{done:?}");
    }
    tell(&served.address, "slot.low", &json!({ "device_id": "p2", "slot": "black", "level": 10.0 }));
    home.json(&["status"]);
    served.stop().in_order();
    assert!(!consents(&home));
    assert_eq!(mail.letters().len(), 1, "no more of it");
}

#[test]
fn a_channel_is_connected_with_all_that_it_needs_or_not_at_all() {
    let home = home();
    let served = home.serve();
    let place = home.path("letters");
    let laid: Vec<&str> = CONNECT.into_iter().chain(["--directory", place.to_str().unwrap()]).collect();
    let with =
        |extra: &[&'static str]| -> Vec<&str> { CONNECT.into_iter().chain(extra.iter().copied()).collect() };
    for wrong in [
        // Nowhere to go, or two ways.
        with(&[]),
        with(&["--smtp", "127.0.0.1:25", "--directory", "/tmp"]),
        with(&["--url", "https://x.example"]),
        // Not a server; a password in the open; half of a login.
        with(&["--smtp", "mail.example"]),
        with(&["--smtp", "mail.example:587", "--user", "u", "--password-file", "/dev/null"]),
        with(&["--smtp", "mail.example:587", "--user", "u"]),
        vec!["channels", "connect", "post", "--smtp", "127.0.0.1:25"],
        vec!["channels", "connect", "post", "--smtp", "127.0.0.1:25", "--from", "a@b.example"],
    ] {
        home.run(&wrong).refused(2);
    }
    assert_eq!(home.json(&["channels", "list"]), json!([]));
    assert_eq!(home.json(&laid)["directory"], json!(place));
    let listed = home.say(&["channels", "list"]);
    assert!(listed.stdout.contains("email") && listed.stdout.contains("letters"), "{listed:?}");
    home.json(&["channels", "disconnect", "post"]);
    home.run(&["channels", "disconnect", "post"]).refused(3);
    let hook = home.json(&["channels", "connect", "app", "--url", "https://app.example/messages"]);
    assert!(hook["channel"] == "app" && hook["secret"].as_str().unwrap().starts_with("whsec_"), "{hook}");
    assert!(!home.say(&["channels", "list"]).stdout.contains("whsec_"));
    served.stop().in_order();
    let refused = Start::new(&home.dir()).args(&["--public-url", "shop.example"]).run();
    assert!(refused.is_err_and(|ended| ended.status.code() == Some(2)));
}
