//! The shop, followed from outside: everything here is read from its events, as the engine would.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use world::shop::{Answer, CUSTOMER_NOTIFY, Language, OPERATIONS_ALERT, Shop, ShopConfig, Tally};
use world::{Effect, WorldEvent};

const HOUR: SignedDuration = SignedDuration::from_hours(1);
const DAY: SignedDuration = SignedDuration::from_hours(24);

fn config(seed: u64) -> ShopConfig {
    // Midnight in Seoul, so that day boundaries are easy to find.
    let start = "2026-02-28T15:00:00Z".parse().expect("a valid instant");
    ShopConfig { seed, ..ShopConfig::starting(start) }
}

fn local_date(at: Timestamp) -> Date {
    at.to_zoned(TimeZone::fixed(jiff::tz::offset(9))).date()
}

fn text<'a>(event: &'a WorldEvent, pointer: &str) -> &'a str {
    let value = event.json.pointer(pointer).and_then(Value::as_str);
    value.unwrap_or_else(|| panic!("no text at {pointer} in {}", event.json))
}

fn name(event: &WorldEvent) -> &str {
    event.json["event"].as_str().unwrap_or_default()
}

fn bytes(events: &[WorldEvent]) -> String {
    events.iter().map(|event| format!("{}\n", event.json)).collect()
}

fn live_through(config: ShopConfig) -> Vec<WorldEvent> {
    let mut shop = Shop::new(config);
    shop.advance(shop.end())
}

fn effect(kind: &str, order: &str) -> Effect {
    let (key, kind) = (format!("{kind}:{order}"), kind.to_owned());
    Effect { key, kind, order_id: Some(order.to_owned()), promise_id: None, reason: "late".to_owned() }
}

/// An order as its events tell it.
#[derive(Debug)]
struct Followed {
    due: Date,
    hand_over_by: Timestamp,
    lines: Vec<(String, u64)>,
    customer: String,
    /// The last event that moved it.
    state: String,
    shipped_at: Option<Timestamp>,
    ended: Option<(Timestamp, End)>,
    courier: String,
    rating: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum End {
    Delivered,
    CancelledByCustomer,
    CancelledByCompany,
}

impl Followed {
    /// Whether it came, and on what side of its due date.
    fn delivered_late(&self) -> Option<bool> {
        self.ended.filter(|ended| ended.1 == End::Delivered).map(|(at, _)| local_date(at) > self.due)
    }

    fn handed_over_late(&self) -> bool {
        self.shipped_at.is_some_and(|at| at > self.hand_over_by)
    }
}

#[derive(Default)]
struct Ledger {
    orders: BTreeMap<String, Followed>,
    /// Units taken off each shelf, less those put back.
    taken: BTreeMap<String, i64>,
}

/// Which event may follow which.
fn may_follow(before: &str, event: &str) -> bool {
    match event {
        "order.placed" => before.is_empty(),
        "payment.captured" => before == "order.placed",
        "fulfillment.processing" => before == "payment.captured",
        "fulfillment.shipped" => before == "fulfillment.processing",
        "fulfillment.in_transit" => before == "fulfillment.shipped",
        "fulfillment.failed_attempt" => before == "fulfillment.in_transit",
        "fulfillment.delivered" => {
            matches!(before, "fulfillment.in_transit" | "fulfillment.failed_attempt")
        }
        "order.cancelled" => matches!(before, "payment.captured" | "fulfillment.processing"),
        "order.refunded" => before == "order.cancelled",
        "product.reviewed" => matches!(before, "fulfillment.delivered" | "order.refunded"),
        _ => false,
    }
}

impl Ledger {
    fn follow(&mut self, event: &WorldEvent) {
        let Some(id) = event.json["properties"]["order_id"].as_str() else { return };
        if name(event) == "order.placed" {
            let products = event.json["properties"]["products"].as_array().expect("an order has products");
            let line = |product: &Value| {
                let id = product["product_id"].as_str().expect("a product has an id").to_owned();
                (id, product["quantity"].as_u64().expect("a product has a quantity"))
            };
            let order = Followed {
                due: text(event, "/properties/promise/due").parse().expect("a date"),
                hand_over_by: text(event, "/properties/promise/hand_over_by").parse().expect("an instant"),
                lines: products.iter().map(line).collect(),
                customer: text(event, "/userId").to_owned(),
                state: String::new(),
                shipped_at: None,
                ended: None,
                courier: String::new(),
                rating: None,
            };
            assert!(self.orders.insert(id.to_owned(), order).is_none(), "{id} was placed twice");
        }
        let order = self.orders.get_mut(id).unwrap_or_else(|| panic!("{id} was not placed"));
        assert!(may_follow(&order.state, name(event)), "{id}: {} after {}", name(event), order.state);
        assert_eq!(text(event, "/userId"), order.customer);
        let mut took = |sign: i64| {
            for (product, quantity) in &order.lines {
                *self.taken.entry(product.clone()).or_default() += sign * *quantity as i64;
            }
        };
        match name(event) {
            "fulfillment.processing" => took(1),
            "fulfillment.shipped" => {
                order.shipped_at = Some(event.at);
                order.courier = text(event, "/properties/courier").to_owned();
            }
            "fulfillment.delivered" => order.ended = Some((event.at, End::Delivered)),
            "order.cancelled" => {
                if order.state == "fulfillment.processing" {
                    took(-1);
                }
                let end = match text(event, "/properties/cancelled_by") {
                    "customer" => End::CancelledByCustomer,
                    _ => End::CancelledByCompany,
                };
                order.ended = Some((event.at, end));
            }
            "product.reviewed" => order.rating = event.json["properties"]["rating"].as_u64(),
            _ => {}
        }
        order.state = name(event).to_owned();
    }

    fn tally(&self, now: Timestamp) -> Tally {
        let mut tally = Tally::default();
        for order in self.orders.values() {
            tally.orders += 1;
            match order.ended {
                Some((at, End::CancelledByCustomer)) if local_date(at) <= order.due => tally.withdrawn += 1,
                Some((at, End::Delivered)) if local_date(at) <= order.due => tally.kept += 1,
                None if local_date(now) <= order.due => tally.open += 1,
                _ => tally.broken += 1,
            }
        }
        tally
    }

    /// The average rating of the orders that `of` picks, and how many it is made of.
    fn rating(&self, of: impl Fn(&Followed) -> bool) -> (f64, usize) {
        let ratings: Vec<u64> =
            self.orders.values().filter(|order| of(order)).filter_map(|order| order.rating).collect();
        (ratings.iter().sum::<u64>() as f64 / ratings.len() as f64, ratings.len())
    }

    /// The share that came late of the delivered orders that `of` picks.
    fn late_share(&self, of: impl Fn(&Followed) -> bool) -> f64 {
        let late: Vec<bool> =
            self.orders.values().filter(|order| of(order)).filter_map(Followed::delivered_late).collect();
        late.iter().filter(|&&late| late).count() as f64 / late.len() as f64
    }
}

struct Run {
    shop: Shop,
    ledger: Ledger,
    events: Vec<WorldEvent>,
}

/// Lives through a shop hour by hour and checks its books every midnight. An order whose hand-over is
/// overdue brings an alert, one whose promise is broken a notice; each is sent `times` times over.
fn run(config: ShopConfig, times: usize) -> Run {
    let mut run = Run { shop: Shop::new(config), ledger: Ledger::default(), events: Vec::new() };
    let mut sent = BTreeSet::new();
    for hour in 1.. {
        let now = run.shop.now() + HOUR;
        let events = run.shop.advance(now);
        events.iter().for_each(|event| run.ledger.follow(event));
        run.events.extend(events);
        if hour % 24 == 0 {
            check_books(&run.shop, &run.ledger);
        }
        if now >= run.shop.end() {
            break;
        }
        for (id, order) in run.ledger.orders.iter().filter(|(_, order)| order.ended.is_none()) {
            let overdue = order.shipped_at.is_none() && order.hand_over_by < now;
            let broken = local_date(now) > order.due;
            for (kind, needed) in [(OPERATIONS_ALERT, overdue), (CUSTOMER_NOTIFY, broken)] {
                if needed && sent.insert((kind, id.clone())) {
                    for _ in 0..times {
                        run.shop.receive(&effect(kind, id));
                    }
                }
            }
        }
    }
    run
}

/// Stock is what came less what went, and the shop's own account of its promises is that of its events.
fn check_books(shop: &Shop, ledger: &Ledger) {
    for shelf in shop.shelves() {
        let taken = ledger.taken.get(shelf.product_id).copied().unwrap_or(0);
        let expected = i64::from(shelf.opening) + i64::from(shelf.received) - taken;
        assert_eq!(i64::from(shelf.stock), expected, "{} at {}", shelf.product_id, shop.now());
    }
    assert_eq!(shop.tally(), ledger.tally(shop.now()), "at {}", shop.now());
}

#[test]
fn equal_seeds_give_equal_bytes() {
    let once = bytes(&live_through(config(1)));
    assert_eq!(once, bytes(&live_through(config(1))));
    assert_eq!(once, bytes(&run(config(1), 0).events), "steps do not matter");
    assert_ne!(once, bytes(&live_through(config(2))));
}

#[test]
fn the_start_only_moves_the_dates() {
    let shift = SignedDuration::from_hours(24 * 100 + 5);
    let moved = ShopConfig { start: config(1).start + shift, ..config(1) };
    let (events, later) = (live_through(config(1)), live_through(moved));
    assert_eq!(events.len(), later.len());
    for (event, later) in events.iter().zip(&later) {
        assert_eq!(event.json["messageId"], later.json["messageId"]);
        // The shop waits for the next midnight: 101 whole days on.
        assert_eq!(later.at.duration_since(event.at), DAY * 101);
    }
}

#[test]
fn the_language_only_changes_the_words() {
    let korean = live_through(ShopConfig { language: Language::Ko, ..config(1) });
    let english = live_through(config(1));
    assert_eq!(korean.len(), english.len());
    for (korean, english) in korean.iter().zip(&english) {
        assert_eq!((korean.at, &korean.json["messageId"]), (english.at, &english.json["messageId"]));
    }
    let names = korean.iter().filter_map(|event| event.json.pointer("/traits/name")?.as_str());
    let hangul = |name: &str| name.chars().all(|letter| ('가'..='힣').contains(&letter));
    assert!(names.clone().count() > 100);
    assert!(names.clone().all(hangul), "{:?}", names.collect::<Vec<_>>());
}

#[test]
fn every_event_is_well_formed() {
    for seed in 1..=3 {
        let events = live_through(config(seed));
        let mut ids = BTreeSet::new();
        let mut channels = BTreeSet::new();
        for event in &events {
            assert!(ids.insert(text(event, "/messageId")), "{} came twice", text(event, "/messageId"));
            assert_eq!(text(event, "/timestamp"), event.at.to_string());
            assert!(text(event, "/timestamp").ends_with('Z'));
            assert!(event.json["userId"].is_string() || event.json["anonymousId"].is_string());
            assert!(matches!(text(event, "/type"), "identify" | "page" | "track"));
            channels.insert(text(event, "/context/channel"));
        }
        assert!(events.is_sorted_by_key(|event| event.at));
        assert_eq!(channels, BTreeSet::from(["app", "courier", "store", "web"]));
    }
}

#[test]
fn nobody_has_a_name_before_signing_in() {
    let mut signed_in: BTreeMap<String, String> = BTreeMap::new();
    let mut browsed = BTreeSet::new();
    for event in live_through(config(1)) {
        let Some(device) = event.json["anonymousId"].as_str().map(str::to_owned) else { continue };
        let user = event.json["userId"].as_str();
        if text(&event, "/type") == "identify" {
            assert!(browsed.contains(&device), "{device} signed in before looking around");
            signed_in.insert(device.clone(), text(&event, "/userId").to_owned());
        }
        assert_eq!(user, signed_in.get(&device).map(String::as_str));
        browsed.insert(device);
    }
    let people: BTreeSet<&String> = signed_in.values().collect();
    assert!(people.len() < signed_in.len(), "some people have two devices");
    assert!(signed_in.len() < browsed.len(), "some visitors stay nameless");
}

#[test]
fn the_shop_is_as_good_and_as_bad_as_meant() {
    let mut kept_rates = Vec::new();
    for seed in 1..=8 {
        let Run { shop, ledger, events } = run(config(seed), 0);
        let kept_rate = shop.tally().kept_rate().expect("some promises are decided");
        assert!((8_000..15_000).contains(&events.len()), "seed {seed}: {} events", events.len());
        assert!((900..1_500).contains(&ledger.orders.len()), "seed {seed}: {} orders", ledger.orders.len());
        assert!((0.84..0.93).contains(&kept_rate), "seed {seed}: kept {kept_rate}");
        kept_rates.push(kept_rate);

        let (kept, answers) = ledger.rating(|order| order.delivered_late() == Some(false));
        assert!((4.3..4.7).contains(&kept), "seed {seed}: {kept} stars when kept");
        assert!(answers * 2 < ledger.orders.len(), "not everyone answers");
        let (late, _) = ledger.rating(|order| order.delivered_late() == Some(true));
        assert!((1.9..2.7).contains(&late), "seed {seed}: {late} stars when late");

        let ended =
            |end| ledger.orders.values().filter(|order| order.ended.is_some_and(|it| it.1 == end)).count();
        assert!((1..50).contains(&ended(End::CancelledByCustomer)), "seed {seed}");
        assert!((1..30).contains(&ended(End::CancelledByCompany)), "seed {seed}");
        assert!(ledger.orders.values().any(Followed::handed_over_late), "seed {seed}");
    }
    let average = kept_rates.iter().sum::<f64>() / kept_rates.len() as f64;
    assert!((0.85..0.92).contains(&average), "kept {average}");
}

#[test]
fn lateness_comes_in_clusters() {
    let (mut worst_week, mut slow, mut standard, mut all) = (0.0, 0.0, 0.0, 0.0);
    for seed in 1..=8 {
        let ledger = run(config(seed), 0).ledger;
        let opening = local_date(config(seed).start);
        let week = |order: &Followed| (order.due - opening).get_days() / 7;
        worst_week +=
            (4..10).map(|wanted| ledger.late_share(|order| week(order) == wanted)).fold(0.0, f64::max);
        slow += ledger.late_share(|order| order.courier == "Sanmaru Parcel");
        standard += ledger.late_share(|order| order.courier == "Hangaram Parcel");
        all += ledger.late_share(|_| true);
    }
    assert!(worst_week > 1.8 * all, "worst week {worst_week}, all {all}");
    assert!(slow > 1.3 * standard, "slow {slow}, standard {standard}");
}

#[test]
fn effects_keep_promises_and_soften_broken_ones() {
    let (mut late_alone, mut late_helped) = (0, 0);
    for seed in 1..=5 {
        let (alone, helped) = (run(config(seed), 0), run(config(seed), 1));
        let (without, with) = (alone.shop.tally(), helped.shop.tally());
        assert_eq!(without.orders, with.orders, "effects do not change who orders");
        assert!(with.broken < without.broken, "seed {seed}: {} of {}", with.broken, without.broken);
        late_alone += without.broken;
        late_helped += with.broken;

        let late = |order: &Followed| order.delivered_late() == Some(true);
        let (silent, told) = (alone.ledger.rating(late).0, helped.ledger.rating(late).0);
        assert!(told > silent + 0.3, "seed {seed}: {told} stars when told, {silent} when not");
        let rescued = |order: &Followed| order.handed_over_late() && !late(order);
        assert!(helped.ledger.orders.values().any(rescued), "seed {seed}");
    }
    assert!(late_helped * 5 < late_alone * 4, "{late_helped} of {late_alone}: a fifth could be saved");
}

#[test]
fn an_effect_counts_once() {
    let (once, thrice) = (run(config(1), 1), run(config(1), 3));
    assert_eq!(bytes(&once.events), bytes(&thrice.events));
    let mut answers = thrice.shop.answers().clone();
    let repeated = answers.remove(&Answer::Repeated);
    assert_eq!(repeated, Some(2 * answers.values().sum::<u64>()));
    assert_eq!(&answers, once.shop.answers());
    assert!(answers[&Answer::Expedited] > 20 && answers[&Answer::Told] > 20);
}

#[test]
fn what_the_shop_does_not_know_changes_nothing() {
    let mut shop = Shop::new(config(1));
    let mut events = shop.advance(shop.now() + DAY * 30);
    let known = events.iter().rfind(|event| name(event) == "order.placed").expect("a month has orders");
    let order = text(known, "/properties/order_id").to_owned();
    for (kind, order, answer) in [
        ("offer.show", order.as_str(), Answer::UnknownKind),
        (OPERATIONS_ALERT, "o-99999", Answer::UnknownOrder),
        (OPERATIONS_ALERT, "o-00000", Answer::UnknownOrder),
        (CUSTOMER_NOTIFY, "o-1", Answer::UnknownOrder),
        (CUSTOMER_NOTIFY, "", Answer::UnknownOrder),
    ] {
        assert_eq!(shop.receive(&effect(kind, order)), answer, "{kind} {order}");
    }
    assert_eq!(shop.answers()[&Answer::UnknownOrder], 4);
    assert_eq!(shop.answers()[&Answer::UnknownKind], 1);
    assert!(shop.advance(shop.now() - DAY).is_empty(), "time does not run back");
    events.extend(shop.advance(Timestamp::MAX));
    assert_eq!(shop.now(), shop.end());
    assert_eq!(bytes(&events), bytes(&live_through(config(1))));
}

#[test]
fn a_promise_leads_to_its_order() {
    let mut shop = Shop::new(config(1));
    let events = shop.advance(shop.now() + DAY * 30);
    let placed = events.iter().find(|event| name(event) == "order.placed").expect("a month has orders");
    let promise_id = Some(text(placed, "/properties/promise/promise_id").to_owned());
    let notice = Effect { order_id: None, promise_id, ..effect(CUSTOMER_NOTIFY, "") };
    assert_eq!(shop.receive(&notice), Answer::Told);
}

#[test]
fn the_hero_has_a_whole_story() {
    assert_eq!(Shop::new(config(1)).hero(), None);
    for seed in 1..=5 {
        let Run { shop, ledger, events } = run(config(seed), 0);
        let hero = shop.hero().expect("ninety days bring trouble");
        let kept = hero.kept_order.expect("and some of it ends well");
        let (troubled, kept) = (&ledger.orders[&hero.troubled_order], &ledger.orders[&kept]);
        assert_eq!((&troubled.customer, &kept.customer), (&hero.customer_id, &hero.customer_id));
        assert!(troubled.delivered_late() != Some(false) && troubled.rating.is_some());
        assert_eq!((kept.delivered_late(), kept.handed_over_late()), (Some(false), false));
        let first = events.iter().find(|event| event.json["anonymousId"] == *hero.anonymous_id);
        assert!(first.is_some_and(|event| event.json["userId"].is_null()));
    }
}

#[test]
fn small_worlds_live_too() {
    for (days, customers) in [(0, 0), (0, 10), (1, 1), (5, 0), (400, 1), (2, 1_000)] {
        let mut shop = Shop::new(ShopConfig { days, customers, ..config(1) });
        let events = shop.advance(shop.end());
        assert!(events.iter().all(|event| event.at <= shop.end()));
        assert_eq!(
            shop.tally().orders as usize,
            events.iter().filter(|event| name(event) == "order.placed").count()
        );
    }
}
