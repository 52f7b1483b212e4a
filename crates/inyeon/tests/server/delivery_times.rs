//! `inyeon promise`: what a store's orders teach about deliveries, and what would have come of promising by it.

use std::fs;

use serde_json::{Value, json};

use crate::contract::is_hangul;
use crate::support::{Home, Rng, inyeon};

const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;

fn at(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds).unwrap().to_string()
}

/// 140 days of a shop in Seoul that sends to Seoul (about two days) and to Jeju (about six), and promises everyone
/// some day between the fourth and the twelfth. One order in fifty is lost, one in fifty is called off.
fn shop() -> Vec<String> {
    let start = "2026-01-01T00:00:00Z".parse::<jiff::Timestamp>().unwrap().as_second();
    let mut rng = Rng::new(11);
    let mut lines = Vec::new();
    for number in 0..2800_i64 {
        let placed = start + number * DAY / 20 + rng.below(3000) as i64;
        let jeju = rng.chance(50);
        let order = format!("o-{number}");
        let mut tell = |event: &str, when: i64, properties: Value| {
            let id = format!("{order}:{event}");
            let event = json!({
                "type": "track", "event": event, "messageId": id, "userId": format!("c-{number}"),
                "timestamp": at(when), "properties": properties,
            });
            lines.push(event.to_string());
        };
        let local = jiff::Timestamp::from_second(placed)
            .unwrap()
            .to_zoned(jiff::tz::TimeZone::get("Asia/Seoul").unwrap());
        let due = local.date().checked_add(jiff::Span::new().days(4 + rng.below(9) as i64)).unwrap();
        let seller = if rng.chance(30) { "slow" } else { "quick" };
        tell(
            "order.placed",
            placed,
            json!({
                "order_id": order, "region": if jeju { "Jeju" } else { "Seoul" }, "currency": "KRW",
                "products": [{ "product_id": "p", "seller_id": seller, "seller_region": "Seoul", "quantity": 1, "price": "9000" }],
                "promise": { "due": due.to_string(), "time_zone": "Asia/Seoul" },
            }),
        );
        let spread = |rng: &mut Rng, hours: i64| hours * HOUR * (60 + rng.below(80) as i64) / 100;
        let handed_over = placed + spread(&mut rng, if seller == "slow" { 40 } else { 8 });
        let delivered = handed_over + spread(&mut rng, if jeju { 120 } else { 36 });
        if rng.chance(2) {
            tell("order.cancelled", placed + HOUR, json!({ "order_id": order, "cancelled_by": "customer" }));
            continue;
        }
        tell("fulfillment.shipped", handed_over, json!({ "order_id": order }));
        if !rng.chance(2) {
            tell("fulfillment.delivered", delivered, json!({ "order_id": order }));
        }
    }
    lines
}

fn filled() -> Home {
    let home = Home::new();
    let file = home.path("orders.jsonl");
    fs::write(&file, shop().join("\n")).unwrap();
    let done = home.json(&["import", "jsonl", file.to_str().unwrap()]);
    assert_eq!(done["bad_rows"], 0, "{done}");
    home
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

#[test]
fn lanes_are_learnt_and_promises_scored_after_the_cut_off() {
    let home = filled();
    let learnt = home.json(&["promise", "learn"]);
    let median = |to: &str| {
        let lanes = learnt["lanes"].as_array().unwrap();
        let lane = lanes.iter().find(|lane| lane["from"] == "Seoul" && lane["to"] == to);
        number(&lane.unwrap_or_else(|| panic!("no lane to {to}: {learnt}"))["days_p50"])
    };
    assert!((1.4..3.2).contains(&median("Seoul")) && (4.5..7.5).contains(&median("Jeju")), "{learnt}");
    assert_eq!(learnt["times"]["version"], 1);
    // Half of the history knows less of it.
    let half = home.json(&["promise", "learn", "--until", "2026-03-01"]);
    assert!(number(&half["all"]["orders"]) < 0.5 * number(&learnt["all"]["orders"]));

    let found = home.json(&["promise", "backtest", "--cutoff", "2026-04-01"]);
    assert!(number(&found["scored"]) > 500.0 && number(&found["before_waiting"]) > 10.0, "{found}");
    assert!(number(&found["cancelled"]) > 0.0 && number(&found["not_due"]) > 0.0);
    let market = &found["market"];
    for key in ["matching", "matching_priced"] {
        let point = &found[key];
        assert!(number(&point["kept"]) >= number(&market["kept"]), "{found}");
        assert!(number(&point["days"]) < number(&market["days"]) - 1.0, "{key}: {found}");
    }
    for point in found["frontier"].as_array().unwrap() {
        assert!(number(&point["calibration_error"]) < 0.05, "{point}");
    }
    let (bought, handed) = (&found["at_purchase"], &found["at_hand_over"]);
    assert!(
        number(&bought["auc"]) > 0.8 && number(&bought["auc"]) > number(&bought["auc_by_lane"]),
        "{found}"
    );
    assert!(number(&handed["auc"]) > number(&bought["auc"]) - 0.02, "{found}");
    // The same store says the same, also through a server.
    let again = home.json(&["promise", "backtest", "--cutoff", "2026-04-01"]);
    assert_eq!(found, again);
    let served = home.serve();
    assert_eq!(home.json(&["promise", "backtest", "--cutoff", "2026-04-01"]), found);
    served.stop().in_order();

    let said = home.say(&["promise", "backtest", "--cutoff", "2026-04-01", "--frozen"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.stdout.contains("AUC") && said.stdout.contains("90.00 %"), "{}", said.stdout);
    let korean = home.say(&["--lang", "ko", "promise", "learn"]);
    assert!(is_hangul(&korean.stdout) && korean.stdout.contains("Seoul → Jeju"), "{}", korean.stdout);
}

#[test]
fn a_store_that_teaches_nothing_says_so() {
    let home = Home::new();
    let file = home.path("orders.jsonl");
    let lines = &shop()[..1];
    fs::write(&file, lines.join("\n")).unwrap();
    home.json(&["import", "jsonl", file.to_str().unwrap()]);
    let why = home.say(&["promise", "learn"]);
    assert!(why.refused(3).contains("no order was delivered"), "{why:?}");
    let why = home.say(&["promise", "backtest", "--cutoff", "2026-02-01"]);
    assert!(why.refused(3).contains("no order was delivered"), "{why:?}");
    let why = home.say(&["promise", "backtest", "--cutoff", "2026-02-01", "--until", "2026-01-01"]);
    assert!(why.refused(2).contains("--until"), "{why:?}");
    let why = home.say(&["promise", "backtest", "--cutoff", "soon"]);
    assert!(why.refused(2).contains("2026-03-05"), "{why:?}");
    let nowhere = inyeon(&["--store", home.path("none").to_str().unwrap(), "promise", "learn"], &[]);
    nowhere.refused(3);
}
