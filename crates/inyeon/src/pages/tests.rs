//! The pages on a real server: who sees what, what a link is good for, and that nobody else's form is acted on.

use model::connection::{
    ActionState, ConnectionCommand, Link, LinkPurpose, MandateState, MandateTerms, Period, SpendLimit,
};
use model::{Currency, EntityId, Identifier, Money, OrderDefaults, Quantity, Role, StaffAccount, Time};
use runtime::{FoldError, NodeOptions, Sink};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::staff::ROUTES;
use crate::ops::{self, Op};
use crate::playbook::PlaybookOp;
use crate::serve::{Facing, Server};
use crate::staff::StaffOp;

const PLAYBOOK: &str = include_str!("../../../../playbooks/toner.yaml");
const MODEL: &str = "HL-L2370DW";
const PASSWORD: &str = "a password of tests";

struct Shop {
    server: Server,
    agent: ureq::Agent,
    kim: EntityId,
    _dir: TempDir,
}

struct Page {
    status: u16,
    body: String,
    location: String,
    cookie: String,
    headers: Vec<(String, String)>,
}

impl Page {
    #[track_caller]
    fn has(&self, text: &str) -> &Self {
        assert!(self.body.contains(text), "{} without {text}: {}", self.status, self.body);
        self
    }

    #[track_caller]
    fn has_not(&self, text: &str) -> &Self {
        assert!(!self.body.contains(text), "{} with {text}: {}", self.status, self.body);
        self
    }

    /// The value of the field before the last button of a deed.
    fn field(&self, deed: &str, name: &str) -> String {
        let form = self.body.split("<form").find(|form| form.contains(&format!("value=\"{deed}\"")));
        let form = form.unwrap_or_else(|| panic!("no form for {deed}: {}", self.body));
        let value = form.split(&format!("name=\"{name}\" value=\"")).nth(1);
        value.and_then(|rest| rest.split('"').next()).unwrap_or_default().to_owned()
    }
}

impl Shop {
    /// A shop with toner, and one customer with a printer.
    fn open() -> Shop {
        let dir = tempfile::tempdir().unwrap();
        let options = NodeOptions { sink: Sink::Held, ..NodeOptions::default() };
        let facing = Facing { public_url: None, company: Some("Toner House".to_owned()) };
        let store = dir.path().join("store");
        let server = Server::start_at(&store, "127.0.0.1:0", facing, Some("try-me"), options).unwrap();
        let config = ureq::Agent::config_builder().http_status_as_error(false).max_redirects(0).build();
        let mut shop =
            Shop { server, agent: config.into(), kim: EntityId::workspace(), _dir: dir };
        let mut reference = shop.server.app.node.ask(|fold| fold.reference().clone()).unwrap();
        let promising = json!({
            "time_zone": "Asia/Seoul", "places": { "seoul": {} },
            "lanes": [{ "from": "seoul", "to": "*", "hours": [[0.1, 10], [0.9, 30]] }],
            "orders": { "undo_minutes": 30 },
        });
        reference.promising = serde_json::from_value(promising).unwrap();
        reference.version += 1;
        shop.server.app.node.publish_reference(reference).unwrap();
        let playbook = serde_saphyr::from_str(PLAYBOOK).unwrap();
        shop.op(Op::Playbook(PlaybookOp::Publish { playbooks: vec![playbook] }));
        let traits = json!({ "name": "김하나", "email": "kim@example.com", "language": "ko" });
        shop.send(&json!({ "type": "identify", "userId": "kim", "messageId": "i", "traits": traits }));
        shop.send(&json!({ "type": "identify", "userId": "lee", "messageId": "j", "traits": {} }));
        let item = json!({ "item_id": "toner-tn760", "name": "TN-760", "price": 58_000, "cost": 39_000,
            "currency": "KRW", "fits": [MODEL] });
        shop.track(None, "item.published", &item);
        shop.track(None, "stock.counted", &json!({ "item_id": "toner-tn760", "place": "seoul", "on_hand": 9 }));
        let slots = json!([{ "slot": "black", "category": "toner" }]);
        let printer = json!({ "device_id": "printer-1", "model": MODEL, "slots": slots });
        shop.track(Some("kim"), "device.registered", &printer);
        let level = json!({ "device_id": "printer-1", "slot": "black", "level": 42 });
        shop.track(None, "slot.level_reported", &level);
        shop.op(Op::Drain);
        shop.kim = shop.known("kim");
        shop.with_defaults();
        shop
    }

    fn op(&self, op: Op) -> Value {
        ops::run(&self.server.app.node, op).unwrap()
    }

    fn known(&self, user: &str) -> EntityId {
        let user = user.to_owned();
        let found = self.server.app.node.ask(move |fold| fold.lookup(&Identifier::User(&user)));
        found.unwrap().unwrap().unwrap()
    }

    fn with_defaults(&self) {
        let kim = self.kim;
        let defaults = OrderDefaults {
            to: "KR-11".to_owned(),
            address: Some(json!({ "city": "Seoul" }).to_string()),
            time_zone: Some("Asia/Seoul".to_owned()),
            payment_token: Some("tok-canary-6789".to_owned()),
            ..OrderDefaults::default()
        };
        let set = move |fold: &mut runtime::Fold, now| fold.set_order_defaults(kim, defaults, now);
        self.server.app.node.act_and_wait(set).unwrap();
    }

    fn track(&self, user: Option<&str>, event: &str, properties: &Value) {
        let mut sent = json!({ "type": "track", "event": event, "messageId": format!("{event} {properties}"),
            "properties": properties });
        sent[if user.is_some() { "userId" } else { "anonymousId" }] = json!(user.unwrap_or("operations"));
        self.send(&sent);
    }

    fn send(&self, event: &Value) {
        let mut body = event.clone();
        body["writeKey"] = json!("try-me");
        let url = self.url(&format!("/v1/{}", event["type"].as_str().unwrap()));
        let answer = self.agent.post(&url).send_json(&body).unwrap();
        assert_eq!(answer.status(), 200, "{event}");
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.server.address)
    }

    /// The path of a link.
    fn link(&self, purpose: LinkPurpose, about: &str) -> String {
        self.link_at(purpose, about, self.server.app.node.clock.now())
    }

    fn link_at(&self, purpose: LinkPurpose, about: &str, at: Time) -> String {
        let url = self.server.app.links.sign(&Link { purpose, about: about.to_owned() }, self.kim, at);
        url.strip_prefix(&self.url("")).unwrap().to_owned()
    }

    fn get(&self, path: &str) -> Page {
        self.get_with(path, &[])
    }

    fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> Page {
        let mut request = self.agent.get(self.url(path));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        read(request.call().unwrap())
    }

    /// Sends a form as a browser does from a page of ours.
    fn post(&self, path: &str, fields: &[(&str, &str)]) -> Page {
        self.post_with(path, fields, &[("sec-fetch-site", "same-origin")])
    }

    fn post_with(&self, path: &str, fields: &[(&str, &str)], headers: &[(&str, &str)]) -> Page {
        let mut request = self.agent.post(self.url(path));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        read(request.send_form(fields.iter().copied()).unwrap())
    }

    /// Does something on the page and gives what it led to.
    #[track_caller]
    fn deed(&self, path: &str, fields: &[(&str, &str)], said: &str) -> Page {
        let sent = self.post(path, fields);
        assert_eq!(sent.status, 303, "{}", sent.body);
        assert!(sent.location.ends_with(&format!("?done={said}")), "{fields:?}: {}", sent.location);
        self.get(&sent.location)
    }

    fn connection(&self) -> engine::Connection {
        let kim = self.kim;
        let known = self.server.app.node.ask(move |fold| -> Result<_, FoldError> {
            Ok((*fold.entity(kim)?.customer().unwrap().connection).clone())
        });
        known.unwrap().unwrap()
    }

    fn connect(&self, command: ConnectionCommand) {
        let kim = self.kim;
        self.server.app.node.act_and_wait(move |fold, now| fold.connect(kim, &command, now)).unwrap();
    }

    /// A customer who has agreed to automatic orders; the number of the mandate.
    fn with_mandate(&self) -> String {
        let page = self.link(LinkPurpose::Account, &self.kim.to_string());
        let terms = [
            ("deed", "prepare"),
            ("back", "auto"),
            ("category", "toner"),
            ("device", "printer-1"),
            ("max_each", "70,000"),
            ("month_amount", "140000"),
            ("month_orders", "2"),
            ("rise", "10"),
            ("notice_hours", "24"),
        ];
        let shown = self.deed(&page, &terms, "prepare");
        let (mandate, agreement) = (shown.field("agree", "mandate"), shown.field("agree", "agreement"));
        let fields =
            [("deed", "agree"), ("back", "auto"), ("mandate", &mandate), ("agreement", &agreement)];
        self.deed(&page, &fields, "agree");
        mandate
    }

    fn staff(&self, name: &str, roles: &[Role]) {
        let password = crate::staff::hash(PASSWORD).unwrap();
        let account =
            StaffAccount { name: name.to_owned(), password, roles: roles.iter().copied().collect() };
        self.op(Op::Staff(StaffOp::Add { account }));
    }

    /// Signs in; the cookie.
    #[track_caller]
    fn sign_in(&self, name: &str) -> String {
        let fields = [("name", name), ("password", PASSWORD)];
        let page = self.post("/ops/sign-in", &fields);
        assert_eq!((page.status, page.location.as_str()), (303, "/ops"), "{}", page.body);
        page.cookie
    }
}

fn read(mut answer: ureq::http::Response<ureq::Body>) -> Page {
    let header = |name: &str| {
        let value = answer.headers().get(name).and_then(|value| value.to_str().ok());
        value.unwrap_or_default().to_owned()
    };
    let cookie = header("set-cookie").split(';').next().unwrap_or_default().to_owned();
    let headers = answer.headers().iter();
    let headers = headers.map(|(name, value)| {
        (name.to_string(), value.to_str().unwrap_or_default().to_owned())
    });
    Page {
        status: answer.status().as_u16(),
        location: header("location"),
        cookie,
        headers: headers.collect(),
        body: answer.body_mut().read_to_string().unwrap(),
    }
}

#[test]
fn a_customer_delegates_calls_off_and_ends_it_on_one_page() {
    let shop = Shop::open();
    let page = shop.link(LinkPurpose::Account, &shop.kim.to_string());
    // The customer's language, before the browser's.
    let first = shop.get_with(&page, &[("accept-language", "en")]);
    first.has("<html lang=\"ko\">").has("내 페이지").has("HL-L2370DW").has("42%").has("Toner House");
    shop.get(&format!("{page}?lang=en")).has("<html lang=\"en\">").has("My page");
    shop.get_with(&page, &[("cookie", "lang=en")]).has("<html lang=\"en\">");

    let mandate = shop.with_mandate();
    let known = shop.connection();
    assert_eq!(known.mandates[&mandate].state, MandateState::Active);
    let terms = &known.mandates[&mandate].terms;
    let krw = |minor| Money { minor, currency: Currency::new("KRW").unwrap() };
    assert_eq!((terms.max_each, terms.payee.as_str()), (krw(70_000), "Toner House"));
    assert_eq!(terms.price.as_ref().unwrap().reference, krw(58_000));
    let preference = known.preference("toner", Some("printer-1")).unwrap();
    assert_eq!((preference.strategy.name(), preference.share), ("automate", 2));
    shop.get(&format!("{page}/auto?lang=en"))
        .has("₩70,000 at most")
        .has("at most ₩140,000 and 2 orders")
        .has("24 hours before each order")
        .has("Toner House");

    // Now, and called off in one step.
    shop.deed(&page, &[("deed", "order-now"), ("mandate", &mandate), ("back", "")], "order-now")
        .has("TN-760")
        .has("주문 취소");
    let actions = shop.connection().actions;
    let (action_id, action) = actions.first_key_value().unwrap();
    assert_eq!(action.state, ActionState::Announced);
    shop.get(&page).has("왜 TN-760인가요?");
    let decision = shop.connection().decisions.keys().next_back().unwrap().clone();
    shop.get(&format!("{page}/why/{decision}?lang=en"))
        .has("We order for you: TN-760")
        .has("You agreed that we order this.")
        .has("What your devices report");
    shop.deed(&page, &[("deed", "call-off"), ("action", action_id)], "call-off");
    assert_eq!(shop.connection().actions[action_id].state, ActionState::Cancelled);
    // Twice is once.
    shop.deed(&page, &[("deed", "call-off"), ("action", action_id)], "under-way");

    shop.deed(&page, &[("deed", "pause"), ("back", "auto"), ("mandate", &mandate)], "pause").has("다시 켜기");
    shop.deed(&page, &[("deed", "resume"), ("mandate", &mandate)], "resume");
    shop.deed(&page, &[("deed", "revoke"), ("mandate", &mandate)], "revoke");
    assert_eq!(shop.connection().mandates[&mandate].state, MandateState::Revoked);
    let receipts = shop.get(&format!("{page}/receipts?lang=en"));
    for words in ["Terms shown", "Automatic orders on", "Order announced", "Order called off",
        "Automatic orders paused", "Automatic orders ended", "as agreed (₩58,000)"]
    {
        receipts.has(words);
    }
}

#[test]
fn consents_choices_and_quiet_are_set_as_easily_as_unset() {
    let shop = Shop::open();
    let page = shop.link(LinkPurpose::Account, &shop.kim.to_string());
    let consent = |given: &str| {
        let fields = [("deed", "consent"), ("back", "settings"), ("purpose", "advertising"), ("given", given),
            ("notice", "page:advertising:1:ko")];
        shop.deed(&page, &fields, "consent");
        shop.connection().consents["advertising"].clone()
    };
    let given = consent("yes");
    assert!(given.given && given.notice.as_deref() == Some("page:advertising:1:ko"));
    assert!(!consent("no").given);
    consent("yes");
    shop.deed(&page, &[("deed", "unsubscribe"), ("back", "data")], "unsubscribe");
    assert!(!shop.connection().consents["advertising"].given);

    let prefer = |strategy: &str, share: &str, said: &str| {
        let fields = [("deed", "prefer"), ("back", "settings"), ("category", "toner"), ("strategy", strategy),
            ("share", share), ("fallback", "respond"), ("cap", "1")];
        shop.deed(&page, &fields, said);
    };
    prefer("coach", "2", "prefer");
    let set = shop.connection().preference("toner", None).unwrap().clone();
    assert_eq!((set.strategy.name(), set.share, set.cap_per_week), ("coach", 2, Some(1)));
    prefer("coach", "2", "so-already");
    prefer("everything", "2", "unclear");
    prefer("coach", "9", "unclear");
    prefer("wait", "0", "prefer");

    shop.deed(&page, &[("deed", "snooze"), ("category", "toner"), ("days", "7")], "snooze");
    assert!(shop.connection().snoozed["toner"] > shop.server.app.node.clock.now());
    shop.deed(&page, &[("deed", "snooze"), ("category", "toner"), ("days", "4000")], "unclear");
    let away = [("deed", "away"), ("back", "settings"), ("from", "2030-03-01"), ("until", "2030-03-02")];
    shop.deed(&page, &away, "away").has("2030년 3월 1일(금)");
    let (from, until) = shop.connection().away[0];
    assert_eq!(until.since(from), 2 * 86_400_000_000 - 1, "both days whole, by the customer's calendar");
    shop.deed(&page, &[("deed", "away"), ("from", "2030-03-02"), ("until", "2030-03-01")], "unclear");
}

#[test]
fn an_offer_is_ordered_in_one_step_and_taken_back_in_one() {
    let shop = Shop::open();
    let page = shop.link(LinkPurpose::Account, &shop.kim.to_string());
    let asked = shop.deed(&page, &[("deed", "ask"), ("category", "toner")], "ask");
    asked.has("TN-760").has("₩58,000").has("도착 약속일");
    let need = shop.connection().needs.keys().next().unwrap().clone();
    let offer = shop.link(LinkPurpose::Offer, &need);
    shop.get(&offer).has("TN-760").has("주문하기");
    let choose = [("deed", "choose"), ("need", need.as_str()), ("item", "toner-tn760")];
    shop.deed(&offer, &choose, "choose").has("주문 되돌리기");
    shop.deed(&offer, &choose, "choose");
    let order = shop.connection().needs[&need].order_id.clone().unwrap();
    // Somebody else's link is not good for it.
    let lee = shop.known("lee");
    let about = Link { purpose: LinkPurpose::Account, about: lee.to_string() };
    let theirs = shop.server.app.links.sign(&about, lee, shop.server.app.node.clock.now());
    let theirs = theirs.strip_prefix(&shop.url("")).unwrap();
    shop.deed(theirs, &[("deed", "undo"), ("order", &order)], "not-by-this-link");
    shop.deed(&offer, &[("deed", "undo"), ("order", &order)], "undo");
    let of = order.clone();
    let state = shop.server.app.node.ask(move |fold| fold.order(&of)).unwrap().unwrap().unwrap().1.state;
    assert_eq!(state, model::OrderState::Cancelled);
}

#[test]
fn a_link_is_good_for_one_thing_until_it_ends() {
    let shop = Shop::open();
    let mandate = shop.with_mandate();
    let account = shop.link(LinkPurpose::Account, &shop.kim.to_string());
    shop.deed(&account, &[("deed", "order-now"), ("mandate", &mandate)], "order-now");
    let action = shop.connection().actions.keys().next().unwrap().clone();
    let of_action = shop.link(LinkPurpose::Action, &action);
    shop.get(&of_action).has("TN-760").has("주문 취소").has_not("kim@example.com");
    for part in ["settings", "receipts", "data", "data.json", "auto", "why/d-none", "offer/x"] {
        assert_eq!(shop.get(&format!("{of_action}/{part}")).status, 404, "{part}");
    }
    let consent = [("deed", "consent"), ("purpose", "advertising"), ("given", "yes")];
    shop.deed(&of_action, &consent, "not-by-this-link");
    shop.deed(&of_action, &[("deed", "order-now"), ("mandate", &mandate)], "not-by-this-link");
    shop.deed(&of_action, &[("deed", "call-off"), ("action", "another")], "not-by-this-link");
    assert!(shop.connection().consents.is_empty());
    let other = shop.link(LinkPurpose::Mandate, "another");
    assert_eq!(shop.get(&other).status, 404);
    shop.deed(&other, &[("deed", "revoke"), ("mandate", &mandate)], "not-by-this-link");
    let of_mandate = shop.link(LinkPurpose::Mandate, &mandate);
    shop.get(&of_mandate).has("동의 해지");
    // Whoever hears of an order can end what is behind it, in one step.
    shop.deed(&of_action, &[("deed", "revoke"), ("mandate", &mandate)], "revoke");
    assert_eq!(shop.connection().mandates[&mandate].state, MandateState::Revoked);

    let changed = format!("{}x", account);
    assert_eq!(shop.get(&changed).status, 404);
    assert_eq!(shop.post(&changed, &[("deed", "unsubscribe")]).status, 404);
    let long_ago = shop.server.app.node.clock.now().plus_micros(-8 * 86_400_000_000);
    let over = shop.link_at(LinkPurpose::Account, &shop.kim.to_string(), long_ago);
    assert_eq!(shop.get(&over).status, 410);
    assert_eq!(shop.post(&over, &[("deed", "unsubscribe")]).status, 410);
    let unsubscribe = shop.link(LinkPurpose::Unsubscribe, &shop.kim.to_string());
    let as_page = unsubscribe.replace("/u/", "/c/");
    assert_eq!(shop.get(&as_page).location, unsubscribe, "its own page");
    shop.deed(&as_page, &[("deed", "unsubscribe")], "not-by-this-link");
}

#[test]
fn what_is_agreed_to_is_what_was_shown() {
    let shop = Shop::open();
    let page = shop.link(LinkPurpose::Account, &shop.kim.to_string());
    let krw = |minor| Money { minor, currency: Currency::new("KRW").unwrap() };
    let terms = MandateTerms {
        mandate_id: "m-office".to_owned(),
        category: "toner".to_owned(),
        device_id: None,
        slot: None,
        items: vec!["toner-tn760".to_owned()],
        max_quantity: Quantity::ONE,
        payee: "Toner House".to_owned(),
        max_each: krw(60_000),
        limits: vec![SpendLimit { period: Period::Month, amount: Some(krw(60_000)), orders: None }],
        price: None,
        valid_from: Time(0),
        valid_to: None,
        dormancy_days: None,
        notice_hours: 48,
        time_zone: "Asia/Seoul".to_owned(),
    };
    shop.connect(ConnectionCommand::PresentMandate(Box::new(terms.clone())));
    let seen = shop.get(&format!("{page}/auto")).field("agree", "agreement");
    // Meanwhile it became another.
    let wider = MandateTerms { max_each: krw(900_000), ..terms };
    shop.connect(ConnectionCommand::PresentMandate(Box::new(wider)));
    let agree = [("deed", "agree"), ("back", "auto"), ("mandate", "m-office"), ("agreement", seen.as_str())];
    let answer = shop.deed(&page, &agree, "other-terms");
    answer.has("₩900,000");
    assert_eq!(shop.connection().mandates["m-office"].state, MandateState::Presented);
    let seen = answer.field("agree", "agreement");
    let agree = [("deed", "agree"), ("mandate", "m-office"), ("agreement", seen.as_str())];
    shop.deed(&page, &agree, "agree");
    assert_eq!(shop.connection().mandates["m-office"].state, MandateState::Active);
}

#[test]
fn everything_that_is_shown_can_be_taken_along() {
    let shop = Shop::open();
    let mandate = shop.with_mandate();
    let page = shop.link(LinkPurpose::Account, &shop.kim.to_string());
    shop.deed(&page, &[("deed", "order-now"), ("mandate", &mandate)], "order-now");
    let file = shop.get(&format!("{page}/data.json"));
    assert_eq!(file.status, 200);
    assert!(file.headers.iter().any(|(name, value)| {
        name == "content-disposition" && value.starts_with("attachment")
    }));
    let data: Value = serde_json::from_str(&file.body).unwrap();
    assert_eq!(data["profile"]["traits"]["email"], "kim@example.com");
    assert_eq!(data["devices"][0]["slots"]["black"]["level"], 0.42);
    assert_eq!(data["mandates"][&mandate]["state"], "active");
    assert_eq!(data["preferences"][0]["strategy"], "automate");
    let decision = data["decisions"].as_object().unwrap().values().next().unwrap();
    assert_eq!(decision["choice"]["chosen"]["does"]["does"], "order");
    assert!(decision["at"].as_str().unwrap().ends_with('Z'), "{decision}");
    let events: Vec<&str> =
        data["receipts"].as_array().unwrap().iter().map(|r| r["event"].as_str().unwrap()).collect();
    for event in ["mandate.presented", "mandate.activated", "preference.changed", "autoaction.prenotified"] {
        assert!(events.contains(&event), "{events:?}");
    }
    assert!(!file.body.contains("canary"), "a payment token is shown by its end alone");
    assert_eq!(data["order_defaults"]["payment_token"], "…6789");
}

#[test]
fn nobody_else_sends_our_forms() {
    let shop = Shop::open();
    shop.staff("admin", &[Role::Admin]);
    let page = shop.link(LinkPurpose::Account, &shop.kim.to_string());
    let fields = [("deed", "consent"), ("purpose", "advertising"), ("given", "yes")];
    let host = shop.server.address.to_string();
    let own = format!("http://{host}");
    let refused: [&[(&str, &str)]; 6] = [
        &[],
        &[("sec-fetch-site", "cross-site")],
        &[("sec-fetch-site", "same-site"), ("origin", &own)],
        &[("sec-fetch-site", "none")],
        &[("origin", "http://evil.example")],
        &[("origin", "null")],
    ];
    let cookie = shop.sign_in("admin");
    for headers in refused {
        assert_eq!(shop.post_with(&page, &fields, headers).status, 403, "{headers:?}");
        assert_eq!(shop.post_with("/ops/sign-in", &[("name", "admin")], headers).status, 403, "{headers:?}");
        let mut with_cookie = headers.to_vec();
        with_cookie.push(("cookie", &cookie));
        for (method, path, _) in ROUTES.iter().filter(|(method, ..)| *method == "POST") {
            assert_eq!(shop.post_with(path, &[], &with_cookie).status, 403, "{method} {path} {headers:?}");
        }
        assert_eq!(shop.post_with("/ops/sign-out", &[], &with_cookie).status, 403);
    }
    assert!(shop.connection().consents.is_empty());
    let origin: &[(&str, &str)] = &[("origin", &own)];
    assert_eq!(shop.post_with(&page, &fields, origin).status, 303);
    // From our own page, and not of this session.
    for token in ["", "00000000000000000000000000000000"] {
        let headers = [("sec-fetch-site", "same-origin"), ("cookie", cookie.as_str())];
        let stop = shop.post_with("/ops/stop", &[("token", token)], &headers);
        assert_eq!(stop.status, 403);
    }
    assert_eq!(shop.op(Op::EffectsSwitch { on: None })["effects_on"], true);
}

#[test]
fn each_role_may_what_the_table_says_on_every_path() {
    let shop = Shop::open();
    for role in Role::ALL {
        shop.staff(role.name(), &[role]);
    }
    shop.staff("nobody", &[]);
    let everybody = Role::ALL.iter().map(|role| (Some(*role), role.name())).chain([(None, "nobody")]);
    for (role, name) in everybody {
        let cookie = shop.sign_in(name);
        let headers = [("cookie", cookie.as_str()), ("sec-fetch-site", "same-origin")];
        let refused = shop.get_with("/ops/orders", &headers);
        let shown = if refused.status == 200 { refused } else { shop.get_with("/ops", &headers) };
        let token = shown.body.split("name=\"token\" value=\"").nth(1).unwrap().split('"').next().unwrap();
        let token = token.to_owned();
        for (method, path, right) in ROUTES {
            let page = match method {
                "GET" => shop.get_with(path, &headers),
                _ => shop.post_with(path, &[("token", &token), ("kind", "compensate")], &headers),
            };
            let allowed = role.is_some_and(|role| super::staff::role_may(role, right));
            let status = page.status;
            // What is not there is told to those alone who might see it.
            let expected: &[u16] = if allowed { &[200, 303, 404] } else { &[403] };
            assert!(expected.contains(&status), "{name} {method} {path}: {status}");
        }
    }
    // Without a session every path leads to the sign-in, and does nothing.
    for cookie in ["", "inyeon_ops=", "inyeon_ops=guess"] {
        for (method, path, _) in ROUTES {
            let headers = [("cookie", cookie), ("sec-fetch-site", "same-origin")];
            let page = match method {
                "GET" => shop.get_with(path, &headers),
                _ => shop.post_with(path, &[("token", "")], &headers),
            };
            assert_eq!((page.status, page.location.as_str()), (303, "/ops/sign-in"), "{method} {path}");
        }
    }
}

#[test]
fn one_signs_in_with_the_right_password_and_out_again() {
    let shop = Shop::open();
    shop.staff("jun", &[Role::Operations]);
    let sign_in = |password: &str| {
        shop.post("/ops/sign-in", &[("name", "jun"), ("password", password)]).status
    };
    assert_eq!(sign_in("wrong"), 401);
    let nobody = shop.post("/ops/sign-in", &[("name", "who"), ("password", PASSWORD)]);
    assert_eq!(nobody.status, 401);
    let page = shop.post("/ops/sign-in", &[("name", "jun"), ("password", PASSWORD)]);
    let set = page.headers.iter().find(|(name, _)| name == "set-cookie").unwrap().1.clone();
    for part in ["HttpOnly", "SameSite=Strict", "Path=/ops"] {
        assert!(set.contains(part), "{set}");
    }
    let first = page.cookie;
    // Signed in anew, the old session is none.
    let headers = [("sec-fetch-site", "same-origin"), ("cookie", first.as_str())];
    let again = shop.post_with("/ops/sign-in", &[("name", "jun"), ("password", PASSWORD)], &headers);
    assert_ne!(again.cookie, first);
    assert_eq!(shop.get_with("/ops", &[("cookie", &first)]).status, 303);
    assert_eq!(shop.get_with("/ops", &[("cookie", &again.cookie)]).status, 200);
    // Another password ends it.
    let password = crate::staff::hash("another password").unwrap();
    shop.op(Op::Staff(StaffOp::Password { name: "jun".to_owned(), password }));
    assert_eq!(shop.get_with("/ops", &[("cookie", &again.cookie)]).status, 303);
    assert_eq!(sign_in(PASSWORD), 401);
    let page = shop.post("/ops/sign-in", &[("name", "jun"), ("password", "another password")]);
    let headers = [("sec-fetch-site", "same-origin"), ("cookie", page.cookie.as_str())];
    let shown = shop.get_with("/ops", &headers);
    let token = shown.body.split("name=\"token\" value=\"").nth(1).unwrap().split('"').next().unwrap();
    assert_eq!(shop.post_with("/ops/sign-out", &[("token", token)], &headers).status, 303);
    assert_eq!(shop.get_with("/ops", &headers).status, 303);
    // Too many wrong ones, and the right one waits as well.
    let tries: Vec<u16> = (0..6).map(|_| sign_in("wrong")).collect();
    assert_eq!((tries[0], tries[5]), (401, 429), "{tries:?}");
    assert_eq!(sign_in("another password"), 429);
    // Removed, nobody is signed in any more.
    shop.op(Op::Staff(StaffOp::Remove { name: "jun".to_owned() }));
}

#[test]
fn stop_all_is_two_clicks_and_holds_at_once() {
    let shop = Shop::open();
    shop.staff("jun", &[Role::Operations]);
    shop.staff("boss", &[Role::Admin]);
    let cookie = shop.sign_in("jun");
    let headers = [("cookie", cookie.as_str()), ("sec-fetch-site", "same-origin")];
    let shown = shop.get_with("/ops?lang=en", &headers);
    // One click opens it, one does it.
    shown.has("<summary>Stop all</summary>").has("Stop everything now");
    let token = shown.body.split("name=\"token\" value=\"").nth(1).unwrap().split('"').next().unwrap();
    assert_eq!(shop.post_with("/ops/stop", &[("token", token)], &headers).location, "/ops?done=stopped");
    // The answer comes when it holds: whatever is asked for from here on does not start.
    assert_eq!(shop.op(Op::EffectsSwitch { on: None })["effects_on"], false);
    shop.get_with("/ops?lang=en", &headers).has("Everything is stopped").has_not("Start again now");
    let page = shop.link(LinkPurpose::Account, &shop.kim.to_string());
    shop.deed(&page, &[("deed", "ask"), ("category", "toner")], "ask");
    let need = shop.connection().needs.keys().next().unwrap().clone();
    shop.deed(&page, &[("deed", "choose"), ("need", &need), ("item", "toner-tn760")], "choose");
    let started = shop.server.app.node.act_and_wait(|fold, _| fold.start_effects(10)).unwrap();
    assert!(started.is_empty(), "{started:?}");
    // The operator stops; an administrator lets it go on.
    assert_eq!(shop.post_with("/ops/start", &[("token", token)], &headers).status, 403);
    let cookie = shop.sign_in("boss");
    let headers = [("cookie", cookie.as_str()), ("sec-fetch-site", "same-origin")];
    let shown = shop.get_with("/ops?lang=en", &headers);
    shown.has("Start again now").has("jun");
    let token = shown.body.split("name=\"token\" value=\"").nth(1).unwrap().split('"').next().unwrap();
    shop.post_with("/ops/start", &[("token", token)], &headers);
    assert_eq!(shop.op(Op::EffectsSwitch { on: None })["effects_on"], true);
}

#[test]
fn a_page_says_how_it_may_be_used() {
    let shop = Shop::open();
    let page = shop.get(&shop.link(LinkPurpose::Account, &shop.kim.to_string()));
    let header = |name: &str| {
        page.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone()).unwrap_or_default()
    };
    assert!(header("content-security-policy").starts_with("default-src 'none'; style-src 'self'"));
    assert_eq!(header("referrer-policy"), "same-origin");
    assert_eq!(header("cache-control"), "no-store");
    assert_eq!(header("x-robots-tag"), "noindex");
    page.has_not("<script").has_not("style=\"").has_not("onclick");
    let sheet = page.body.split("href=\"/assets/").nth(1).unwrap().split('"').next().unwrap();
    let style = shop.get(&format!("/assets/{sheet}"));
    assert_eq!(style.status, 200);
    style.has("--primary");
    assert_eq!(shop.get("/assets/pages.0000000000000000.css").status, 404);
}
