//! Playbooks on the command line, and needs, preferences, consents and mandates over HTTP and on the command line.

use serde_json::{Value, json};

use crate::contract::taken;
use crate::openapi::check;
use crate::support::{Home, Served, now};
use crate::wire::{Connection, Reply};

fn playbook(name: &str) -> String {
    format!("{}/../../playbooks/{name}.yaml", env!("CARGO_MANIFEST_DIR"))
}

const RULES: &str = "
time_zone: Asia/Seoul
places: { seoul: {} }
lanes:
  - { from: seoul, to: 'KR-*', hours: [[0.5, 20], [0.95, 40]], whole_days: false }
";

/// A shop that sells toner, and `kim` who has a printer.
struct Shop {
    home: Home,
    served: Served,
    token: String,
    key: String,
    document: Value,
}

impl Shop {
    fn open() -> Shop {
        let home = Home::new();
        let rules = home.path("rules.yaml");
        std::fs::write(&rules, RULES).unwrap();
        let served = home.serve();
        home.json(&["promise", "rules", "publish", rules.to_str().unwrap()]);
        let key =
            home.json(&["keys", "create", "shop", "--orders"])["write_key"].as_str().unwrap().to_owned();
        let file = std::fs::read_to_string(home.dir().join("server.json")).unwrap();
        let token = serde_json::from_str::<Value>(&file).unwrap()["token"].as_str().unwrap().to_owned();
        let document = served.connect().get("/v1/openapi.json").unwrap().json();
        let shop = Shop { home, served, token, key, document };
        let identify = json!({ "userId": "kim", "messageId": "i", "traits": { "language": "ko" } });
        taken(&shop.served.connect().post("/v1/identify", &identify).unwrap());
        for (item, price, model) in [
            ("toner-tn760", "58000", "HL-2350"),
            ("toner-tn730", "39000", "HL-2350"),
            ("toner-tn760-recycled", "20000", "X-1"),
        ] {
            let published = json!({
                "item_id": item, "name": item.to_uppercase(), "price": price, "cost": "15000", "currency": "KRW",
                "fits": [model],
            });
            shop.tell(None, &format!("item-{item}"), "item.published", &published);
            let counted = json!({ "item_id": item, "place": "seoul", "on_hand": 50 });
            shop.tell(None, &format!("stock-{item}"), "stock.counted", &counted);
        }
        let slots = json!([{ "slot": "black", "category": "toner" }]);
        let device = json!({ "device_id": "printer", "model": "HL-2350", "slots": slots });
        shop.tell(Some("kim"), "device", "device.registered", &device);
        let defaults = json!({ "to": "KR-11", "time_zone": "Asia/Seoul", "payment_token": "token-1" });
        shop.call("POST", "/v1/customers/kim/order-defaults", Some(&defaults)).done(200);
        shop.home.json(&["playbook", "publish", &playbook("toner")]);
        shop
    }

    fn tell(&self, user: Option<&str>, id: &str, name: &str, properties: &Value) {
        let at = now().to_string();
        let mut event = json!({
            "type": "track", "event": name, "messageId": id, "timestamp": at, "properties": properties,
        });
        if let Some(user) = user {
            event["userId"] = json!(user);
        }
        taken(&self.served.connect().post("/v1/track", &event).unwrap());
    }

    fn call(&self, method: &str, path: &str, body: Option<&Value>) -> Answer {
        self.ask(method, path, body, &self.token)
    }

    fn ask(&self, method: &str, path: &str, body: Option<&Value>, token: &str) -> Answer {
        let bearer = format!("Bearer {token}");
        let headers = [("content-type", "application/json"), ("authorization", bearer.as_str())];
        let body = body.map(Value::to_string).unwrap_or_default();
        let mut connection = Connection::open(&self.served.address, None).unwrap();
        let call = format!("{method} {path}");
        Answer { call, reply: connection.request(method, path, &headers, body.as_bytes()).unwrap() }
    }

    /// Held against what the document says of the path.
    #[track_caller]
    fn checked(&self, method: &str, path: &str, named: &str, body: &Value, status: u16) -> Value {
        let answer = self.call(method, path, Some(body));
        if answer.reply.status != 200 || named == "/v1/needs" {
            check(&self.document, named, &method.to_lowercase(), &answer.reply);
        }
        answer.done(status)
    }

    fn tie(&self) -> Value {
        self.call("GET", "/v1/customers/kim/connection", None).done(200)
    }
}

struct Answer {
    call: String,
    reply: Reply,
}

impl Answer {
    #[track_caller]
    fn done(self, status: u16) -> Value {
        assert_eq!(self.reply.status, status, "{}: {}", self.call, self.reply.text());
        self.reply.json()
    }
}

fn prefer(strategy: &str, share: u8) -> Value {
    json!({ "category": "toner", "strategy": strategy, "share": share })
}

#[test]
fn a_need_is_answered_and_ordered_in_two_actions() {
    let shop = Shop::open();
    let path = "/v1/customers/{user_id}/preferences";
    let set = shop.checked("PUT", "/v1/customers/kim/preferences", path, &prefer("curate", 1), 200);
    assert_eq!(
        (&set["strategy"], &set["followed"], &set["version"]),
        (&json!("curate"), &json!("curate"), &json!(1))
    );
    // The same again is no new version.
    let set = shop.checked("PUT", "/v1/customers/kim/preferences", path, &prefer("curate", 1), 200);
    assert_eq!(set["version"], 1);

    let need = json!({ "user_id": "kim", "category": "toner" });
    let stated = shop.checked("POST", "/v1/needs", "/v1/needs", &need, 200);
    let offers = stated["offers"].as_array().unwrap();
    let items: Vec<&str> = offers.iter().map(|offer| offer["item_id"].as_str().unwrap()).collect();
    assert_eq!(items.len(), 2, "what fits another printer is not offered: {stated}");
    assert!(!items.contains(&"toner-tn760-recycled"));
    let first = &offers[0];
    assert_eq!(first["price"]["currency"], "KRW");
    assert!(first["due"].is_string() && first["probability"].as_f64().unwrap() > 0.9, "{first}");
    let reasons: Vec<&str> =
        first["reasons"].as_array().unwrap().iter().map(|reason| reason["code"].as_str().unwrap()).collect();
    assert!(reasons.contains(&"you_asked") && reasons.contains(&"fits_your_device"), "{reasons:?}");
    assert!(first["reasons"][0]["text"].is_string());
    assert!(!stated.to_string().contains("margin"), "what it is worth to us is ours: {stated}");

    // A key that may order asks too, of the same need; one that only sends does not.
    let by_key = shop.ask("POST", "/v1/needs", Some(&need), &shop.key).done(200);
    assert_eq!(by_key["need_id"], stated["need_id"], "it is open");
    assert_ne!(by_key["decision_id"], stated["decision_id"], "and decided on again");
    assert_eq!(shop.ask("POST", "/v1/needs", Some(&need), crate::support::KEY).reply.status, 403);

    let need_id = stated["need_id"].as_str().unwrap();
    let chosen = json!({ "item_id": items[0] });
    let order_path = format!("/v1/needs/{need_id}/order");
    let order = shop.call("POST", &order_path, Some(&chosen)).done(200);
    assert_eq!((&order["repeated"], &order["state"]), (&json!(false), &json!("allocated")), "{order}");
    assert_eq!(order["promises"][0]["status"], "made", "{order}");
    let again = shop.call("POST", &order_path, Some(&chosen)).done(200);
    assert_eq!((&again["repeated"], &again["order_id"]), (&json!(true), &order["order_id"]));
    // Who asks again hears that it is under way.
    let asked = shop.checked("POST", "/v1/needs", "/v1/needs", &need, 200);
    assert_eq!((&asked["order_id"], &asked["offers"]), (&order["order_id"], &json!([])));
    let tie = shop.tie();
    assert_eq!(tie["needs"][0]["stage"], "promised");
    assert_eq!(tie["needs"][0]["order_id"], order["order_id"]);

    // What is asked wrongly is told, and moves nothing.
    let wrong = [
        (json!({ "user_id": "kim", "category": "milk" }), 404, "no_playbook_for"),
        (json!({ "user_id": "nobody", "category": "toner" }), 404, "unknown_customer"),
        (json!({ "user_id": "kim", "category": "toner", "arose_at": "yesterday" }), 400, "refused"),
        (json!({ "user_id": "kim", "categroy": "toner" }), 400, "refused"),
    ];
    for (body, status, code) in wrong {
        let refused = shop.checked("POST", "/v1/needs", "/v1/needs", &body, status);
        assert_eq!(refused["code"], code, "{refused}");
    }
    for missing in ["n-cus-0-1-99", "n-1", "what"] {
        let refused = shop.call("POST", &format!("/v1/needs/{missing}/order"), Some(&chosen)).done(404);
        assert_eq!(refused["code"], "no_such_need");
    }

    // What was decided is told to the company, and to the customer in other words.
    let id = stated["decision_id"].as_str().unwrap();
    let told = shop.home.json(&["decision", "explain", id]);
    assert_eq!((&told["chosen"]["does"]["does"], &told["recomputed"]), (&json!("offer"), &json!("same")));
    assert!(told["offers"][0]["margin"].is_object() && told["chosen"]["reasons"][0]["text"].is_string());
    let told = shop.home.json(&["decision", "explain", id, "--for-customer"]);
    assert!(told["seen"].is_null() && told["offers"][0]["margin"].is_null(), "{told}");
    let text = shop.home.say(&["decision", "explain", id, "--for-customer", "--lang", "ko"]).stdout;
    assert!(text.contains("판단에 쓴 것") && text.contains("₩") && !text.contains("decision-"), "{text}");
    let text = shop.home.say(&["decision", "explain", id]).stdout;
    assert!(text.contains("comes out the same") && !text.contains("decision-"), "{text}");
    let rows = shop.home.json(&["decision", "list", "--customer", "kim"]);
    assert_eq!(rows.as_array().unwrap().len(), 2);
    for which in [&["decision", "recompute"][..], &["decision", "recompute", "--all"]] {
        let again = shop.home.json(which);
        assert_eq!((&again["decisions"], &again["same"]), (&json!(2), &json!(2)), "{again}");
    }
    shop.home.run(&["decision", "explain", "d-cus-0-1-99"]).refused(3);
}

#[test]
fn a_mandate_binds_by_the_hash_of_what_was_shown() {
    let shop = Shop::open();
    let path = "/v1/customers/{user_id}/preferences";
    let set = shop.checked("PUT", "/v1/customers/kim/preferences", path, &prefer("automate", 2), 200);
    assert_eq!((&set["followed"], &set["missing"]["code"]), (&json!("wait"), &json!("no_mandate")));
    assert!(set["missing"]["text"].is_string());

    let mandate = json!({
        "user_id": "kim", "mandate_id": "home", "category": "toner", "items": ["toner-tn760"], "payee": "shop",
        "max_each": { "amount": 60000, "currency": "KRW" },
        "limits": [{ "period": "month", "amount": { "amount": 60000, "currency": "KRW" }, "orders": 1 }],
        "price": { "reference": { "amount": 58000, "currency": "KRW" }, "max_rise_percent": 10 },
        "notice_hours": 24,
    });
    let shown = shop.checked("POST", "/v1/mandates", "/v1/mandates", &mandate, 200);
    assert_eq!((&shown["state"], &shown["terms"]["time_zone"]), (&json!("presented"), &json!("Asia/Seoul")));
    let agreement = shown["agreement"].as_str().unwrap().to_owned();
    let step = |step: &str, body: &Value| shop.call("POST", &format!("/v1/mandates/home/{step}"), Some(body));
    let kim = json!({ "user_id": "kim" });
    // Without the hash, or with another, nobody agreed to anything.
    assert_eq!(step("activate", &kim).done(400)["code"], "refused");
    assert_eq!(
        step("activate", &json!({ "user_id": "kim", "agreement": "no" })).done(409)["code"],
        "refused"
    );
    assert_eq!(step("order", &kim).done(200)["action"], Value::Null, "nothing is ordered before");
    let agree = json!({ "user_id": "kim", "agreement": agreement });
    assert_eq!(step("activate", &agree).done(200)["state"], "active");
    assert_eq!(step("activate", &agree).done(200)["state"], "active", "said twice, it is so");
    assert_eq!(step("shred", &kim).done(404)["code"], "not_found");

    // Wider terms wait for the customer, and the older go on.
    let mut wider = mandate.clone();
    wider["max_each"]["amount"] = json!(90000);
    let amended = shop.checked("POST", "/v1/mandates", "/v1/mandates", &wider, 200);
    assert_eq!(amended["terms"]["max_each"]["amount"], "60000");
    assert_eq!(amended["proposed"]["terms"]["max_each"]["amount"], "90000");

    // Ordered now: announced, and called off while it can be.
    let ordered = step("order", &kim).done(200);
    let action = &ordered["action"];
    assert_eq!(
        (&action["state"], &action["item_id"]),
        (&json!("announced"), &json!("toner-tn760")),
        "{ordered}"
    );
    assert_eq!(action["can_be_cancelled"], true);
    let id = action["action_id"].as_str().unwrap();
    let act = |step: &str, body: &Value| shop.call("POST", &format!("/v1/actions/{id}/{step}"), Some(body));
    assert_eq!(act("dispute", &json!({})).done(409)["code"], "refused");
    for _ in 0..2 {
        assert_eq!(act("cancel", &json!({})).done(200)["state"], "cancelled");
    }
    assert_eq!(shop.call("POST", "/v1/actions/what/cancel", None).done(404)["code"], "no_such_action");

    assert_eq!(step("pause", &kim).done(200)["state"], "paused");
    assert_eq!(step("resume", &kim).done(200)["state"], "active");
    let suspended = step("suspend", &json!({ "user_id": "kim", "why": "looked wrong" })).done(200);
    assert_eq!((&suspended["state"], &suspended["why"]), (&json!("suspended"), &json!("looked wrong")));
    let listed = shop.home.json(&["mandate", "list", "kim"]);
    assert_eq!(listed["mandates"][0]["state"], "suspended");
    assert_eq!(shop.home.json(&["mandate", "resume", "kim", "home"])["state"], "active");
    assert_eq!(shop.home.json(&["mandate", "revoke", "kim", "home"])["state"], "revoked");
    assert_eq!(step("revoke", &kim).done(200)["state"], "revoked");
    assert_eq!(step("resume", &kim).done(409)["code"], "refused");
    let other = shop.call("POST", "/v1/mandates/car/pause", Some(&kim)).done(404);
    assert_eq!(other["code"], "no_such_mandate");

    // From a file, and by the command line alone.
    let file = shop.home.path("mandate.yaml");
    let text = "user_id: kim\nmandate_id: again\ncategory: toner\nitems: [toner-tn760]\npayee: shop\n\
        max_each: { amount: 60000, currency: KRW }\nlimits: [{ rolling_days: 30, orders: 2 }]\n";
    std::fs::write(&file, text).unwrap();
    let file = file.to_str().unwrap();
    let shown = shop.home.json(&["mandate", "present", file]);
    let agreement = shown["agreement"].as_str().unwrap();
    let active = shop.home.json(&["mandate", "activate", "kim", "again", "--agreement", agreement]);
    assert_eq!(active["state"], "active");
    let text = shop.home.say(&["mandate", "list", "kim", "--lang", "ko"]).stdout;
    assert!(text.contains("해지") && text.contains("활성") && text.contains("30일"), "{text}");
    let set = shop.home.json(&["preference", "list", "kim"]);
    assert_eq!(set["preferences"][0]["followed"], "automate");
    std::fs::write(file, "user_id: kim\nitems: []\n").unwrap();
    assert!(shop.home.run(&["mandate", "present", file]).refused(2).contains("mandate.yaml"));
}

#[test]
fn consents_hold_at_once_and_what_is_put_off_rests() {
    let shop = Shop::open();
    let consent = |purpose: &str, body: &Value, status: u16| {
        let path = format!("/v1/customers/kim/consents/{purpose}");
        shop.checked("PUT", &path, "/v1/customers/{user_id}/consents/{purpose}", body, status)
    };
    let given = consent("advertising", &json!({ "given": true, "notice": "v3", "jurisdiction": "KR" }), 200);
    assert_eq!((&given["given"], &given["notice"]), (&json!(true), &json!("v3")));
    shop.home.json(&["preference", "set", "kim", "toner", "coach", "--share", "2", "--cap-per-week", "1"]);
    assert_eq!(shop.tie()["preferences"][0]["followed"], "coach");
    // Less is shared: the coach needs readings.
    consent("readings", &json!({ "given": false }), 200);
    let tie = shop.tie();
    let set = &tie["preferences"][0];
    assert_eq!((&set["shared"], &set["share"]), (&json!(1), &json!(2)));
    assert_eq!((&set["followed"], &set["missing"]["code"]), (&json!("respond"), &json!("share")));
    let withdrawn = shop.home.json(&["consent", "withdraw", "kim", "advertising"]);
    assert_eq!(withdrawn["given"], false);
    let listed = shop.home.json(&["consent", "list", "kim"]);
    assert_eq!(listed["consents"].as_array().unwrap().len(), 2);
    consent("advertising", &json!({ "notice": "v3" }), 400);

    let path = "/v1/customers/{user_id}/snooze";
    let snooze = |body: Value, status| shop.checked("POST", "/v1/customers/kim/snooze", path, &body, status);
    let put_off = snooze(json!({ "category": "toner", "days": 3 }), 200);
    assert_eq!(shop.tie()["snoozed"], json!([put_off]));
    snooze(json!({ "category": "toner", "until": "2001-01-01T00:00:00Z" }), 400);
    snooze(json!({ "category": "toner", "days": 3, "until": "2001-01-01T00:00:00Z" }), 400);
    let refused = shop.checked(
        "PUT",
        "/v1/customers/kim/preferences",
        "/v1/customers/{user_id}/preferences",
        &prefer("sell", 1),
        400,
    );
    assert!(refused["message"].as_str().unwrap().contains("automate"), "{refused}");
    shop.home.run(&["preference", "set", "kim", "toner", "wait", "--share", "4"]).refused(2);
    let need = shop.home.json(&["need", "state", "kim", "toner", "--device", "printer", "--slot", "black"]);
    assert_eq!(need["offers"].as_array().unwrap().len(), 1, "{need}");
    let order = shop.home.json(&["need", "order", need["need_id"].as_str().unwrap(), "toner-tn760"]);
    assert_eq!(order["state"], "allocated");
    let needs = shop.home.json(&["need", "list", "kim"]);
    assert_eq!(needs["needs"][0]["order_id"], order["order_id"]);
}

#[test]
fn playbooks_are_published_rolled_back_and_switched_off() {
    let home = Home::new();
    // Nothing of it needs a store.
    let file = home.path("mine.yaml");
    let file = file.to_str().unwrap();
    let begun = home.json(&["playbook", "new", "mine", "--like", "milk", "--out", file]);
    assert_eq!(begun["playbook"], "mine");
    assert!(home.run(&["playbook", "new", "mine", "--out", file]).refused(6).contains("mine.yaml"));
    let checked = home.json(&["playbook", "check", file, &playbook("toner")]);
    assert!(checked["files"].as_array().unwrap().iter().all(|file| file["sound"] == true), "{checked}");
    let text = std::fs::read_to_string(file).unwrap();
    std::fs::write(file, text.replace("share: 1,", "share: 9,").replace("  lead_days: 1", "  lead_days: -1"))
        .unwrap();
    for (lang, word) in [("en", "error"), ("ko", "오류")] {
        let ran = home.say(&["playbook", "check", file, "--lang", lang]);
        assert_eq!(ran.code, Some(2), "{ran:?}");
        assert_eq!(ran.stdout.matches(&format!(": {word}: ")).count(), 2, "{}", ran.stdout);
        assert!(
            ran.stdout.contains("mine.yaml:") && ran.stdout.contains("/offer/lead_days"),
            "{}",
            ran.stdout
        );
    }
    let refused = home.run(&["playbook", "publish", file, &playbook("toner")]);
    assert_eq!(refused.code, Some(2));
    assert!(!home.dir().exists(), "what is not sound makes no store");
    let told = home.say(&["playbook", "explain", &playbook("office"), "--lang", "ko"]).stdout;
    assert!(told.contains("fleet.desk") && told.contains("실행자동화"), "{told}");
    let schema: Value = home.json(&["playbook", "schema"]);
    assert_eq!(schema["title"], "Playbook");

    // Before a server, and through it.
    std::fs::write(file, &text).unwrap();
    let published = home.json(&["playbook", "publish", file, &playbook("toner")]);
    let rows = published["published"].as_array().unwrap();
    assert_eq!(rows.iter().map(|row| row["version"].as_u64().unwrap()).collect::<Vec<_>>(), [1, 1]);
    assert_eq!(rows[0]["warnings"][0]["code"], "item-unknown", "this store has no catalogue");
    let served = home.serve();
    assert_eq!(home.json(&["playbook", "publish", file])["published"][0]["published"], false);
    std::fs::write(file, text.replace("choices: 2", "choices: 4")).unwrap();
    assert_eq!(home.json(&["playbook", "publish", file])["published"][0]["version"], 2);
    let shown = home.json(&["playbook", "show", "mine"]);
    assert_eq!(
        (&shown["version"], &shown["document"]["strategies"]["curate"]["choices"]),
        (&json!(2), &json!(4))
    );
    // What is shown can be published again, and is the same.
    let again = home.path("again.yaml");
    std::fs::write(&again, home.say(&["playbook", "show", "mine"]).stdout).unwrap();
    let same = home.json(&["playbook", "publish", again.to_str().unwrap()]);
    assert_eq!(
        (&same["published"][0]["version"], &same["published"][0]["published"]),
        (&json!(2), &json!(false))
    );
    let back = home.json(&["playbook", "rollback", "mine"]);
    assert_eq!((&back["current"], &back["before"]), (&json!(1), &json!(2)));
    home.run(&["playbook", "rollback", "mine"]).refused(6);
    assert_eq!(home.json(&["playbook", "rollback", "mine", "--to", "2"])["current"], 2);
    home.run(&["playbook", "rollback", "mine", "--to", "7"]).refused(3);
    assert_eq!(home.json(&["playbook", "off", "mine"])["current"], Value::Null);
    let list = home.json(&["playbook", "list"]);
    assert_eq!((&list[0]["playbook"], &list[0]["current"]), (&json!("mine"), &Value::Null));
    assert_eq!(list[1]["current"], 1);
    // Another may have its category while it is off.
    let other = home.path("other.yaml");
    std::fs::write(&other, text.replace("playbook: mine", "playbook: other")).unwrap();
    assert_eq!(home.json(&["playbook", "publish", other.to_str().unwrap()])["published"][0]["version"], 1);
    assert!(home.run(&["playbook", "rollback", "mine"]).refused(6).contains("other"));
    home.run(&["playbook", "show", "nothing"]).refused(3);
    served.stop().in_order();
    // It is all there again.
    assert_eq!(home.json(&["playbook", "list"]).as_array().unwrap().len(), 3);
}

#[test]
fn the_report_says_what_needs_cost_and_what_is_not_known() {
    let shop = Shop::open();
    assert!(shop.home.say(&["report", "needs"]).stdout.contains("No needs are known"));
    shop.checked(
        "PUT",
        "/v1/customers/kim/preferences",
        "/v1/customers/{user_id}/preferences",
        &prefer("curate", 1),
        200,
    );
    shop.call("POST", "/v1/needs", Some(&json!({ "user_id": "kim", "category": "toner" }))).done(200);
    shop.tell(Some("kim"), "f", "friction.met", &json!({ "category": "toner", "kind": "forced_bundle" }));
    let report = shop.home.json(&["report", "needs"]);
    let group = &report["groups"][0];
    assert_eq!((&group["category"], &group["strategy"]), (&json!("toner"), &json!("curate")));
    assert_eq!((&group["needs"], &group["open"], &group["met"]), (&json!(1), &json!(1), &json!(0)));
    for unknown in ["minutes", "downtime_hours", "in_hand_before", "wrong_items", "answer_p50_hours"] {
        assert_eq!(group[unknown], Value::Null, "{unknown}: {group}");
    }
    assert!(group["lead_p50_hours"].is_number(), "{group}");
    let friction = &report["frictions"][0];
    assert_eq!((&friction["kind"], &friction["stage"]), (&json!("forced_bundle"), &json!("promised")));
    let told = shop.home.say(&["report", "needs", "--lang", "en"]).stdout;
    assert!(
        told.contains("only in a bundle")
            && told.contains("fulfill")
            && told.contains("curate: offer it by itself"),
        "{told}"
    );
    assert!(told.contains("– / –") && told.contains("0/0"), "{told}");
    let told = shop.home.say(&["report", "needs", "--lang", "ko"]).stdout;
    assert!(told.contains("부응") && told.contains("큐레이션: 낱개로 팔기"), "{told}");
    // Of another time nothing is told.
    let before = shop.home.json(&["report", "needs", "--to", "2020-01-01"]);
    assert_eq!((&before["groups"], &before["frictions"]), (&json!([]), &json!([])));
}
