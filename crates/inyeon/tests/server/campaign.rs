//! Campaigns and stock plans on the command line, beside a running server and without one.

use jiff::ToSpan;
use serde_json::{Value, json};

use crate::contract::is_hangul;
use crate::support::{Home, now};

const RULES: &str = "
time_zone: UTC
classes: [member, web, campaign]
margin_floor: 0.05
places: { seoul: { work: packing } }
lanes: [{ from: seoul, to: '*', hours: [[0.1, 10], [0.9, 20]], cost: { amount: 1000, currency: KRW } }]
";

fn day(from_today: i64) -> String {
    let today = now().to_zoned(jiff::tz::TimeZone::UTC).date();
    today.checked_add(from_today.days()).unwrap().to_string()
}

fn brief(home: &Home, id: &str, audience: u64, from: &str, until: &str) -> String {
    let text = format!(
        "campaign: {id}\nitems:\n  - item_id: tea\naudience: {audience}\n\
        uplift: {{low: 0.05, likely: 0.1, high: 0.11}}\nregions:\n  - {{to: home, share: 1}}\n\
        from: {from}\nuntil: {until}\n"
    );
    let path = home.path(&format!("{id}.yaml"));
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

fn verdict(answer: &Value) -> &str {
    answer["verdict"].as_str().unwrap_or_default()
}

#[test]
fn a_campaign_goes_from_a_refusal_to_a_reservation_and_back() {
    let home = Home::new();
    let server = home.serve();
    let mut connection = server.connect();
    for (event, properties) in [
        ("item.published", json!({"item_id": "tea", "price": "10000", "cost": "6000", "currency": "KRW"})),
        ("stock.counted", json!({"item_id": "tea", "place": "seoul", "on_hand": 100})),
        (
            "stock.expected",
            json!({
                "item_id": "tea", "place": "seoul", "receipt": "po-1", "quantity": 500,
                "due": format!("{}T00:00:00Z", day(9)),
            }),
        ),
        (
            "capacity.set",
            json!({
                "resource": "packing", "shifts": [{"from": "09:00", "to": "18:00", "units": 60}],
            }),
        ),
    ] {
        let reply = connection.post("/v1/track", &json!({"event": event, "properties": properties})).unwrap();
        assert_eq!(reply.status, 200, "{}", reply.text());
    }
    let rules = home.path("rules.yaml");
    std::fs::write(&rules, RULES).unwrap();
    home.json(&["promise", "rules", "publish", rules.to_str().unwrap()]);

    // Refused, with a size and a date; both pass.
    let wanted = brief(&home, "spring", 2_000, &day(3), &day(6));
    let refused = home.run(&["campaign", "check", &wanted, "--reserve"]);
    assert_eq!(refused.code, Some(6), "{refused:?}");
    let answer: Value = serde_json::from_str(&refused.stdout).unwrap();
    assert_eq!((verdict(&answer), &answer["kept"]), ("infeasible", &Value::Null));
    assert_eq!(answer["short"][0]["binding"][0]["code"], "stock");
    let size = answer["largest_audience"]["likely"].as_u64().unwrap();
    assert_eq!(size, 1_000);
    let smaller = brief(&home, "small", size, &day(3), &day(6));
    assert_eq!(home.run(&["campaign", "check", &smaller]).code, Some(0));
    let start = answer["earliest_start"].as_str().unwrap().to_owned();
    let date: jiff::civil::Date = start.parse().unwrap();
    let later = brief(&home, "later", 2_000, &start, &date.checked_add(3.days()).unwrap().to_string());
    assert_eq!(home.run(&["campaign", "check", &later]).code, Some(0));
    let korean = home.say(&["--lang", "ko", "campaign", "check", &wanted]);
    assert!(korean.code == Some(6) && is_hangul(&korean.stdout) && !korean.stdout.contains("campaign-"));

    // Set aside, once.
    let reserved = home.json(&["campaign", "check", &smaller, "--reserve"]);
    assert_eq!(reserved["kept"]["is_new"], true, "{reserved:#}");
    assert_eq!(home.json(&["campaign", "check", &smaller, "--reserve"])["kept"]["is_new"], false);
    let inquire = |class: &str| {
        let ran = home.run(&["promise", "inquire", "--item", "tea=100", "--to", "home", "--class", class]);
        ran.json()["binding"].as_array().is_some_and(|binding| !binding.is_empty())
    };
    assert!(inquire("other"), "it is reserved");
    assert!(!inquire("campaign:small"));
    let calendar = home.json(&["campaign", "calendar", "--weeks", "2"]);
    assert!(calendar["days"].as_array().is_some_and(|days| days.len() >= 8), "{calendar:#}");

    // Without the server the store knows it too.
    server.stop().in_order();
    assert_eq!(home.json(&["campaign", "list"])[0]["state"], "reserved");
    let text = home.say(&["campaign", "calendar"]);
    assert!(text.stdout.lines().all(|line| line.chars().count() <= 80), "{}", text.stdout);
    assert!(home.json(&["campaign", "release", "small"])["released"].as_u64() > Some(0));
    assert!(!inquire("other"));
    home.run(&["campaign", "release", "small"]).refused(3);

    // A brief that is wrong is told by its line.
    std::fs::write(home.path("spring.yaml"), "campaign: spring\naudience: 5\n").unwrap();
    let text = home.run(&["campaign", "check", &wanted]);
    assert!(text.refused(2).contains("spring.yaml"), "{text:?}");

    // What nobody asked for is not ordered.
    let plan = home.json(&["stock", "plan"]);
    assert_eq!(
        (&plan["items"][0]["item_id"], &plan["items"][0]["reason"]),
        (&json!("tea"), &json!("no_demand"))
    );
    home.run(&["stock", "plan", "--item", "salt"]).refused(3);
    home.run(&["stock", "plan", "--service", "1"]).refused(2);
    assert!(home.say(&["stock", "plan", "--csv"]).stdout.starts_with("item_id,place,"));
}
