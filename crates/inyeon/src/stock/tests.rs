use model::{Dedupe, Event, EventKind, Time, TimelineId};
use runtime::{Clock, ManualClock, Node, NodeOptions, Sink};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{Asked, StockOp, show};
use crate::campaign::CampaignOp;
use crate::i18n::{Lang, Messages};
use crate::ops::{self, Op};

const NOW: Time = Time(1_772_442_000_000_000);
const DAY: i64 = 86_400_000_000;

/// A store with a history of orders.
struct Shop {
    // Closed before its directory goes.
    node: Node,
    _dir: TempDir,
}

/// SplitMix64: the same numbers for the same seed, everywhere.
fn next(state: &mut u64) -> f64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
}

fn poisson(state: &mut u64, mean: f64) -> u32 {
    let (limit, mut product, mut n) = ((-mean).exp(), next(state), 0);
    while product > limit {
        product *= next(state);
        n += 1;
    }
    n
}

impl Shop {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let options = NodeOptions {
            clock: Clock::Manual(ManualClock::new(NOW)),
            sink: Sink::Memory(runtime::MemorySink::default()),
            ..NodeOptions::default()
        };
        let node = Node::open(&dir.path().join("store"), options).unwrap();
        let promising = serde_json::from_value(json!({
            "places": {"seoul": {}, "busan": {}},
            "lanes": [
                {"from": "seoul", "to": "north", "hours": [[0.5, 10], [0.9, 20]]},
                {"from": "busan", "to": "*", "hours": [[0.5, 20], [0.9, 40]]},
            ],
        }));
        let promising = promising.unwrap();
        node.publish_reference(engine::Reference { version: 1, promising, ..Default::default() }).unwrap();
        Shop { node, _dir: dir }
    }

    fn tell(&self, all: &[(Option<&str>, &str, Value, Time)]) {
        let record = |(user, name, properties, at): &(Option<&str>, &str, Value, Time)| {
            let id = format!("{name} {user:?} {properties} {at}");
            let event = Event {
                kind: EventKind::Track,
                name: (*name).to_owned().into(),
                user_id: user.map(|user| user.to_owned().into()),
                anonymous_id: None,
                previous_id: None,
                group_id: None,
                message_id: id.clone().into(),
                timestamp: *at,
                properties: Some(properties.to_string().into()),
                traits: None,
                context: None,
                rest: None,
            };
            let dedupe = Dedupe::Client(self.node.keys.hash_message("test", &id));
            self.node.seal_event("test", TimelineId::LIVE, NOW, dedupe, &event).unwrap()
        };
        self.node.submit_and_wait("test", all.iter().map(record).collect()).unwrap();
        self.node.drain().unwrap();
    }

    fn plan(&self, weeks: u32) -> Value {
        let asked = Asked { weeks, service: 0.95, holding: 0.25 };
        let items = ops::run(&self.node, Op::Stock(StockOp::Items { item: None })).unwrap();
        let items = serde_json::from_value(items).unwrap();
        let rows = ops::run(&self.node, Op::Stock(StockOp::Plan { items, place: None, asked })).unwrap();
        json!({ "weeks": weeks, "service": 0.95, "holding": 0.25, "items": rows })
    }
}

/// Orders of each day from the latest back: so many a day on average from a region.
fn orders(
    state: &mut u64,
    region: &str,
    a_day: f64,
    days: i64,
) -> Vec<(Option<&'static str>, &'static str, Value, Time)> {
    let mut all = Vec::new();
    for day in 1..=days {
        for n in 0..poisson(state, a_day) {
            let order = json!({
                "order_id": format!("{region}-{day}-{n}"), "region": region, "currency": "KRW",
                "products": [{"product_id": "tea", "quantity": 1, "price": "100"}],
            });
            all.push((Some("c-1"), "order.placed", order, NOW.plus_micros(-day * DAY + DAY / 2)));
        }
    }
    all
}

#[test]
fn a_store_of_known_demand_is_planned_as_the_textbook_says() {
    let shop = Shop::new();
    let item = json!({
        "item_id": "tea", "price": "100", "cost": "60", "currency": "KRW",
        "supplier": "Boseong", "lead_days": 7, "lead_days_sd": 0,
    });
    let mut all = vec![
        (None, "item.published", item, NOW),
        (None, "stock.counted", json!({"item_id": "tea", "place": "seoul", "on_hand": 10}), NOW),
        (None, "stock.counted", json!({"item_id": "tea", "place": "busan", "on_hand": 500}), NOW),
    ];
    let mut state = 7;
    // 4 a day from the north, which Seoul reaches soonest; 1 a day from elsewhere.
    all.extend(orders(&mut state, "north", 4.0, 7 * 60));
    all.extend(orders(&mut state, "south", 1.0, 7 * 60));
    shop.tell(&all);
    let plan = shop.plan(8);
    let rows = plan["items"].as_array().unwrap();
    assert_eq!(rows.len(), 2, "{plan:#}");
    let of = |place: &str| rows.iter().find(|row| row["place"] == place).unwrap();
    let (seoul, busan) = (of("seoul"), of("busan"));
    let close = |value: &Value, expected: f64, off: f64| {
        let value = value.as_f64().unwrap();
        assert!((value - expected).abs() <= off, "{value} for {expected}: {seoul:#}");
    };
    close(&seoul["week"]["mean"], 28.0, 3.0);
    close(&busan["week"]["mean"], 7.0, 1.5);
    // Two weeks of 28 Poisson customers each: 56 + 1.645·√56 ≈ 68.
    assert_eq!((&seoul["policy"]["policy"], &seoul["reason"]), (&json!("base_stock"), &json!("below")));
    close(&seoul["order_point"], 68.0, 8.0);
    close(&seoul["order_now"], seoul["order_point"].as_f64().unwrap() - 10.0, 0.5);
    assert_eq!((&busan["reason"], &busan["orders"]), (&json!("later"), &json!([])));

    // A campaign in the calendar is a line of the plan.
    let brief = json!({
        "campaign": "spring", "items": [{"item_id": "tea"}], "audience": 1000,
        "uplift": {"low": 0.1, "likely": 0.2, "high": 0.3}, "regions": [{"to": "north", "share": 1}],
        "from": "2026-03-23", "until": "2026-03-25", "baseline": "none",
    });
    let op = CampaignOp::Check { brief: brief.to_string(), plan: true, reserve: false };
    ops::run(&shop.node, Op::Campaign(op)).unwrap();
    let plan = shop.plan(8);
    let seoul = &plan["items"].as_array().unwrap().iter().find(|row| row["place"] == "seoul").unwrap();
    assert_eq!(seoul["reason"], "campaign", "{seoul:#}");
    let units: f64 =
        seoul["campaigns"][0]["weekly"].as_array().unwrap().iter().filter_map(Value::as_f64).sum();
    assert!((units - 200.0).abs() < 0.1, "{seoul:#}");
    let in_time = seoul["orders"].as_array().unwrap().iter();
    let in_time = in_time.filter(|order| order["order_by"].as_str().is_some_and(|by| by <= "2026-03-18"));
    let in_time: f64 = in_time.filter_map(|order| order["quantity"].as_f64()).sum();
    assert!(in_time >= 200.0, "{seoul:#}");

    for lang in Lang::ALL {
        let messages = Messages::new(lang);
        let (table, full) = (show::plan(&plan, false, &messages), show::plan(&plan, true, &messages));
        assert!(
            !table.contains("stock-") && !table.contains("col-") && !full.contains("stock-"),
            "{table}{full}"
        );
        assert!(table.lines().all(|line| line.chars().count() <= 80), "{table}");
    }
    let csv = show::csv(&plan).unwrap();
    let header = csv.lines().next().unwrap();
    assert!(header.starts_with("item_id,place,on_hand,") && csv.lines().count() == 3, "{csv}");
}

#[test]
fn what_cannot_be_asked_is_refused_by_name() {
    let shop = Shop::new();
    for (weeks, service, holding) in [(0, 0.95, 0.25), (8, 1.0, 0.25), (8, 0.95, -1.0)] {
        let asked = Asked { weeks, service, holding };
        let refused = ops::run(&shop.node, Op::Stock(StockOp::Plan { items: vec![], place: None, asked }));
        assert_eq!(refused.unwrap_err().code, "stock-range");
    }
    assert_eq!(shop.plan(8)["items"], json!([]));
}
