use engine::Reference;
use engine::promising::{Inquiry, Rules, WantedLine};
use model::{Dedupe, Event, EventKind, Identifier, Quantity, Time, TimelineId};
use runtime::promising::{QuoteRequest, Quoted};
use runtime::{Clock, ManualClock, Node, NodeOptions, Sink};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{CampaignOp, show};
use crate::i18n::{Lang, Messages};
use crate::ops::{self, Op};

/// 2026-03-02T00:00:00Z, a Monday.
const MONDAY: Time = Time(1_772_409_600_000_000);
const HOUR: i64 = 3_600_000_000;

/// A store that sells tea from one place with a packing line of 40 parcels a day.
struct Shop {
    // Closed before its directory goes.
    node: Node,
    _dir: TempDir,
}

impl Shop {
    fn new(on_hand: i64) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = ManualClock::new(MONDAY.plus_micros(8 * HOUR));
        let options = NodeOptions {
            clock: Clock::Manual(clock),
            sink: Sink::Memory(runtime::MemorySink::default()),
            ..NodeOptions::default()
        };
        let node = Node::open(&dir.path().join("store"), options).unwrap();
        let rules = json!({
            "time_zone": "UTC",
            "classes": ["member", "campaign"],
            "margin_floor": 0.1,
            "places": {"seoul": {"work": "pack"}},
            "lanes": [
                {"from": "seoul", "to": "*", "hours": [[0.1, 10.0], [0.99, 20.0]],
                 "cost": {"amount": 1000, "currency": "KRW"}},
            ],
        });
        let promising: Rules = serde_json::from_value(rules.clone()).unwrap_or_else(|error| {
            panic!("{error}: {rules}");
        });
        node.publish_reference(Reference { version: 1, promising, ..Reference::default() }).unwrap();
        let shop = Shop { _dir: dir, node };
        shop.tell(
            "item.published",
            &json!({
                "item_id": "tea", "currency": "KRW", "price": 10_000, "cost": 6_000,
            }),
        );
        shop.tell("stock.counted", &json!({"item_id": "tea", "place": "seoul", "on_hand": on_hand}));
        shop.tell(
            "capacity.set",
            &json!({
                "resource": "pack", "shifts": [{"from": "09:00", "to": "18:00", "units": 40}],
            }),
        );
        shop
    }

    fn tell(&self, name: &str, properties: &Value) {
        self.send(None, name, properties, self.node.clock.now());
    }

    fn send(&self, user: Option<&str>, name: &str, properties: &Value, at: Time) {
        let id = format!("{name} {user:?} {properties} {at}");
        let event = Event {
            kind: EventKind::Track,
            name: name.to_owned().into(),
            user_id: user.map(|user| user.to_owned().into()),
            anonymous_id: None,
            previous_id: None,
            group_id: None,
            message_id: id.clone().into(),
            timestamp: at,
            properties: Some(properties.to_string().into()),
            traits: None,
            context: None,
            rest: None,
        };
        let now = self.node.clock.now();
        let dedupe = Dedupe::Client(self.node.keys.hash_message("test", &id));
        let record = self.node.seal_event("test", TimelineId::LIVE, now, dedupe, &event).unwrap();
        self.node.submit_and_wait("test", vec![record]).unwrap();
        self.node.drain().unwrap();
    }

    fn ask(&self, op: CampaignOp) -> Value {
        ops::run(&self.node, Op::Campaign(op)).unwrap()
    }

    fn check(&self, brief: &Value, plan: bool, reserve: bool) -> Value {
        self.ask(CampaignOp::Check { brief: brief.to_string(), plan, reserve })
    }

    /// How many units of tea a class could still be promised at once, for the same day.
    fn open_to(&self, class: &str, quantity: i64) -> bool {
        let inquiry = tea(class, quantity);
        let now = self.node.clock.now();
        let answer = self.node.ask(move |fold| fold.inquire(&inquiry, now)).unwrap().unwrap();
        answer.offer.is_some()
    }

    /// Whether a customer gets a quote held.
    fn quote(&self, user: &str, class: &str, quantity: i64) -> bool {
        self.send(Some(user), "Product Viewed", &json!({}), self.node.clock.now());
        let (user, inquiry) = (user.to_owned(), tea(class, quantity));
        let quoted = self.node.act_and_wait(move |fold, now| {
            let customer = fold.lookup(&Identifier::User(&user))?.unwrap();
            let quote_id = format!("q-{user}");
            fold.quote(&QuoteRequest { customer, quote_id, inquiry, hold_minutes: None }, now)
        });
        matches!(quoted.unwrap(), Quoted::Known { .. })
    }
}

fn tea(class: &str, quantity: i64) -> Inquiry {
    let line = WantedLine { item_id: "tea".to_owned(), quantity: Quantity::units(quantity), price: None };
    serde_json::from_value(json!({ "lines": [line], "to": "home", "class": class })).unwrap()
}

fn brief(id: &str, audience: u64, from: &str, until: &str) -> Value {
    json!({
        "campaign": id, "items": [{"item_id": "tea", "discount": 0.1}], "audience": audience,
        "uplift": {"low": 0.05, "likely": 0.1, "high": 0.2}, "regions": [{"to": "home", "share": 1}],
        "from": from, "until": until, "time_zone": "UTC",
    })
}

/// In both languages, no line is wider than a terminal.
fn shown(answer: &Value, render: fn(&Value, &Messages) -> String) -> String {
    let texts = Lang::ALL.map(|lang| render(answer, &Messages::new(lang)));
    for text in &texts {
        assert!(!text.contains("campaign-") && !text.contains("col-"), "{text}");
    }
    for line in texts[0].lines() {
        assert!(line.chars().count() <= 110, "{line}");
    }
    texts[0].clone()
}

#[test]
fn what_cannot_be_carried_is_refused_with_a_size_and_a_date_that_can() {
    let shop = Shop::new(100);
    shop.tell("stock.expected", &json!({
        "item_id": "tea", "place": "seoul", "receipt": "po-1", "quantity": 400, "due": "2026-03-10T00:00:00Z",
    }));
    // 200 orders are expected in five days: there is tea for 100.
    let wanted = brief("spring", 2_000, "2026-03-03", "2026-03-07");
    let refused = shop.check(&wanted, false, true);
    assert_eq!(refused["verdict"], "infeasible", "{refused:#}");
    assert_eq!((&refused["kept"], &refused["promised"]["likely"]), (&Value::Null, &json!(100)));
    let short = &refused["short"][0];
    assert_eq!(
        (&short["item_id"], &short["place"], &short["date"]),
        (&json!("tea"), &json!("seoul"), &json!("2026-03-05"))
    );
    assert_eq!(short["binding"][0]["code"], "stock");
    assert!(shop.open_to("open", 100), "nothing was set aside");
    let text = shown(&refused, show::checked);
    assert!(
        text.contains("cannot be carried") && text.contains("stock at seoul; more on 2026-03-10"),
        "{text}"
    );

    // The size that it names fits, and ten people more do not; nor does the high demand.
    let largest = refused["largest_audience"]["likely"].as_u64().unwrap();
    assert_eq!((largest, refused["largest_audience"]["high"].as_u64()), (1_000, Some(500)));
    let fits = |people| shop.check(&brief("spring", people, "2026-03-03", "2026-03-07"), false, false);
    assert_eq!(fits(largest)["verdict"], "at_risk");
    assert_eq!(fits(largest / 2)["verdict"], "feasible");
    assert_eq!(fits(largest + 1)["verdict"], "infeasible");

    // So does the date: 40 parcels a day, all of them once the tea has come.
    assert_eq!(refused["earliest_start"], "2026-03-08", "{refused:#}");
    let later = shop.check(&brief("spring", 2_000, "2026-03-08", "2026-03-12"), false, false);
    assert_ne!(later["verdict"], "infeasible", "{later:#}");
    let margin = &later["margin"];
    // 9,000 − 6,000 − 1,000.
    assert_eq!(margin["per_order"], json!({"amount": "2000", "currency": "KRW"}));
    assert_eq!(margin["margin"]["amount"], "400000");
}

#[test]
fn what_is_set_aside_is_open_to_the_campaign_and_to_nobody_after_it() {
    let shop = Shop::new(100);
    let wanted = brief("spring", 800, "2026-03-03", "2026-03-05");
    let reserved = shop.check(&wanted, false, true);
    assert_eq!(reserved["verdict"], "at_risk", "{reserved:#}");
    assert!(reserved["kept"]["reserved"].as_array().is_some_and(|parts| parts.len() > 1), "{reserved:#}");
    assert!(shown(&reserved, show::checked).contains("Set aside for spring"));
    // 80 of 100 are the campaign's; members come before it.
    assert!(shop.open_to("open", 20) && !shop.open_to("open", 21));
    assert!(shop.open_to("campaign:spring", 40) && shop.open_to("member", 40));
    assert!(!shop.quote("c-1", "open", 30) && shop.quote("c-2", "open", 20));
    assert!(shop.quote("c-3", "campaign:spring", 30));

    // Again, it is what it was; the calendar knows it, and a release gives it back once.
    let again = shop.check(&wanted, false, true);
    assert_eq!(again["kept"]["is_new"], false, "{again:#}");
    assert_eq!(again["kept"]["reserved"], reserved["kept"]["reserved"]);
    let list = shop.ask(CampaignOp::List);
    assert_eq!((&list[0]["campaign"], &list[0]["state"]), (&json!("spring"), &json!("reserved")));
    shown(&list, show::list);
    let released = shop.ask(CampaignOp::Release { id: "spring".to_owned() });
    assert!(released["released"].as_u64().is_some_and(|parts| parts > 1));
    shown(&released, show::released);
    assert!(shop.quote("c-4", "open", 40), "what was let go is there again");
    let twice = ops::run(&shop.node, Op::Campaign(CampaignOp::Release { id: "spring".to_owned() }));
    assert_eq!(twice.unwrap_err().code, "no-such-campaign");
    assert_eq!(shop.ask(CampaignOp::List)[0]["state"], "ended");
}

#[test]
fn a_clash_of_two_campaigns_is_seen_before_either_begins() {
    let shop = Shop::new(1_000);
    // Each asks for 30 of 40 parcels a day, and both have the tenth in common.
    let spring = shop.check(&brief("spring", 900, "2026-03-08", "2026-03-10"), true, false);
    assert_eq!((&spring["verdict"], &spring["clashes"]), (&json!("at_risk"), &json!([])), "{spring:#}");
    let easter = shop.check(&brief("easter", 900, "2026-03-10", "2026-03-12"), true, false);
    assert_eq!(easter["verdict"], "at_risk");
    let clash = json!([{
        "resource": "pack", "from": "2026-03-10", "until": "2026-03-10", "mark": "clash",
        "campaigns": ["easter", "spring"], "lacking": 20,
    }]);
    assert_eq!(easter["clashes"], clash, "{easter:#}");
    let calendar = shop.ask(CampaignOp::Calendar { weeks: 2 });
    assert_eq!(calendar["clashes"], clash);
    let tenth = calendar["days"].as_array().unwrap().iter();
    let mut tenth = tenth.filter(|day| day["date"] == "2026-03-10" && day["resource"] == "pack");
    let day = tenth.next_back().unwrap();
    assert_eq!((&day["there"], &day["mark"]), (&json!(40), &json!("clash")), "{day:#}");
    assert_eq!(day["expected"], json!({"low": 30, "likely": 60, "high": 120}));
    let text = shown(&calendar, show::calendar);
    assert!(
        text.lines()
            .filter(|line| line.contains("pack"))
            .all(|line| line.chars().count() <= 80 || line.starts_with("Clash")),
        "{text}"
    );
    assert!(text.contains("Clash over pack, 2026-03-10 to 2026-03-10: easter, spring"), "{text}");

    // Once one of them has what it needs, the other cannot be carried.
    assert_eq!(
        shop.check(&brief("spring", 900, "2026-03-08", "2026-03-10"), false, true)["kept"]["is_new"],
        true
    );
    let refused = shop.check(&brief("easter", 900, "2026-03-10", "2026-03-12"), false, true);
    assert_eq!(
        (&refused["verdict"], &refused["short"][0]["date"]),
        (&json!("infeasible"), &json!("2026-03-10")),
        "{refused:#}"
    );
}

#[test]
fn a_campaign_that_is_checked_again_says_what_changed() {
    let shop = Shop::new(100);
    let wanted = brief("spring", 900, "2026-03-03", "2026-03-05");
    shop.check(&wanted, true, false);
    assert_eq!(shop.check(&wanted, false, false)["since"]["changed"], false);
    shop.tell("stock.spoiled", &json!({"item_id": "tea", "place": "seoul", "quantity": 40}));
    let now = shop.check(&wanted, false, false);
    assert_eq!(now["since"]["verdict"], json!({"was": "at_risk", "is": "infeasible"}));
    assert_eq!(now["since"]["largest_audience"]["is"]["likely"], 600);
    assert!(shown(&now, show::checked).contains("Since it was planned on 2026-03-02"));
}

#[test]
fn less_than_the_margin_that_must_be_left_is_refused() {
    let shop = Shop::new(1_000);
    let mut wanted = brief("deal", 500, "2026-03-03", "2026-03-05");
    // 7,200 − 7,000 is 2.8 % of the price, and a tenth must be left.
    wanted["items"][0]["discount"] = json!(0.28);
    let refused = shop.check(&wanted, true, true);
    assert_eq!(
        (&refused["verdict"], &refused["margin"]["below_floor"]),
        (&json!("below_margin"), &json!(["home"]))
    );
    assert!(shown(&refused, show::checked).contains("at least 10.0 % must be left"));
    assert!(shop.open_to("open", 1_000 / 25), "nothing was set aside");
}

#[test]
fn the_stores_own_orders_are_the_baseline() {
    let shop = Shop::new(1_000);
    // 10 orders a day for three weeks; half of the packing line is gone to them and to five of another kind.
    for day in 1..=21 {
        for n in 0..15 {
            let item = if n < 10 { "tea" } else { "cup" };
            let at = MONDAY.plus_micros((8 - day * 24) * HOUR + n * 60_000_000);
            let order = json!({
                "order_id": format!("o-{day}-{n}"), "region": "home",
                "products": [{"product_id": item, "quantity": 1, "price": "10000"}], "currency": "KRW",
            });
            shop.send(Some(&format!("c-{n}")), "order.placed", &order, at);
        }
    }
    let answer = shop.check(&brief("spring", 300, "2026-03-03", "2026-03-05"), false, false);
    let baseline = answer["baseline"].as_array().unwrap();
    assert_eq!(baseline.len(), 2, "{baseline:?}");
    for row in baseline {
        let expected = if row["item_id"] == "tea" { 10.0 } else { 5.0 };
        assert!((row["per_day"].as_f64().unwrap() - expected).abs() < 0.5, "{row}");
    }
    // The campaign's class goes first here, so it may take all; what others lose is told.
    let all = shop.check(&brief("spring", 1_200, "2026-03-03", "2026-03-05"), false, false);
    assert_eq!(all["verdict"], "at_risk", "{all:#}");
    let mut after = brief("spring", 1_200, "2026-03-03", "2026-03-05");
    after["class"] = json!("open");
    let after = shop.check(&after, false, false);
    assert_eq!(after["verdict"], "infeasible");
    let largest = after["largest_audience"]["likely"].as_f64().unwrap();
    assert!((700.0..=760.0).contains(&largest), "{after:#}");
}
