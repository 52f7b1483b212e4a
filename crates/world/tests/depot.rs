//! The depot, followed from outside by what it says.

use std::collections::BTreeMap;

use model::Time;
use serde_json::Value;
use world::WorldEvent;
use world::depot::{BookedParcel, Booking, Campaign, Depot, DepotConfig, Planted, Request, STANDARD, Said};

const HOUR: i64 = 3_600_000_000;
const DAY: i64 = 24 * HOUR;

fn config(seed: u64, planted: Planted) -> DepotConfig {
    // Monday, midnight in Seoul.
    let start = Time::parse("2026-03-01T15:00:00Z").expect("an instant");
    DepotConfig { seed, start, days: 21, tail_days: 14, planted, campaign: None }
}

/// Books everything from the first place in the slot at 10 of the next workday, or nothing at all.
fn naively(request: &Request, start: Time) -> Booking {
    let mut day = request.at.since(start).div_euclid(DAY) + 1;
    if day % 7 == 6 {
        day += 1;
    }
    let slot = Some(start.plus_micros(day * DAY + 10 * HOUR));
    let (place, service) = ("icheon".to_owned(), STANDARD.to_owned());
    let (to, lines) = (request.to.to_owned(), request.lines.clone());
    Booking { parcels: vec![BookedParcel { place, to, service, lines, slot }] }
}

#[derive(Default)]
struct Seen {
    told: Vec<WorldEvent>,
    wants: Vec<Request>,
}

fn live(config: DepotConfig, book: bool) -> (Seen, Depot) {
    let start = config.start;
    let mut depot = Depot::new(config);
    let mut seen = Seen { told: depot.opening(), wants: Vec::new() };
    let mut before = start;
    while let Some((at, said)) = depot.next_said() {
        assert!(at >= before, "time goes on");
        before = at;
        for said in said {
            match said {
                Said::Told(event) => seen.told.push(event),
                Said::Wants(request) => {
                    if book {
                        depot.book(&request, &naively(&request, start)).expect("known names");
                    }
                    seen.wants.push(request);
                }
            }
        }
    }
    (seen, depot)
}

fn named<'a>(seen: &'a Seen, name: &str) -> Vec<&'a WorldEvent> {
    seen.told.iter().filter(|event| event.json["event"] == name).collect()
}

#[test]
fn the_same_seed_is_the_same_world_and_demand_is_whatever_is_promised() {
    let (one, _) = live(config(3, Planted::default()), true);
    let (again, _) = live(config(3, Planted::default()), true);
    assert_eq!((&one.told, &one.wants), (&again.told, &again.wants));
    let (nothing, _) = live(config(3, Planted::default()), false);
    assert_eq!(one.wants, nothing.wants, "who asks for what");
    let downtime =
        |seen: &Seen| named(seen, "downtime.reported").into_iter().map(|e| e.at).collect::<Vec<_>>();
    assert_eq!(downtime(&one), downtime(&nothing), "when lines stop");
    let (other, _) = live(config(4, Planted::default()), true);
    assert_ne!(one.wants, other.wants);
    // About 60 a day.
    assert!((1_000..1_500).contains(&one.wants.len()), "{}", one.wants.len());
}

#[test]
fn every_event_is_understood_and_goods_are_neither_made_nor_lost() {
    let (seen, depot) = live(config(5, Planted::default()), true);
    let mut levels: BTreeMap<String, f64> = BTreeMap::new();
    for event in &seen.told {
        let (name, properties) =
            (event.json["event"].as_str().unwrap_or_default(), &event.json["properties"]);
        let text = properties.to_string();
        let at = Time::from_timestamp(event.at);
        let supply = model::supply_signal::parse(name, Some(&text), at).map(|said| said.map(drop));
        let signal = model::Signal::parse(name, Some(&text)).map(|said| said.map(drop));
        assert!(matches!(supply.or(signal), Some(Ok(()))), "{}", event.json);
        let number = |field: &str| properties[field].as_f64().unwrap_or_default();
        let by = match name {
            "stock.counted" => number("on_hand"),
            "stock.received" | "stock.cleared" => number("quantity"),
            "stock.quarantined" => -number("quantity"),
            _ => continue,
        };
        let shelf = format!("{}@{}", properties["item_id"], properties["place"]);
        *levels.entry(shelf).or_default() += by;
    }
    let units = |seen: &Seen| {
        let shipped: Vec<&Value> =
            named(seen, "fulfillment.shipped").iter().map(|e| &e.json["properties"]["order_id"]).collect();
        let left = seen.wants.iter().filter(|request| {
            shipped.iter().any(|id| **id == Value::String(Depot::order_id(request.number)))
        });
        left.flat_map(|request| &request.lines).map(|(_, units)| f64::from(*units)).sum::<f64>()
    };
    let there: f64 =
        levels.iter().filter(|(shelf, _)| shelf.contains("icheon")).map(|(_, units)| units).sum();
    assert!(units(&seen) > 1_000.0 && units(&seen) <= there, "{} left of {there}", units(&seen));
    // What left arrived, and what arrived had left.
    assert_eq!(named(&seen, "fulfillment.shipped").len(), named(&seen, "fulfillment.delivered").len());
    let arrived = seen
        .wants
        .iter()
        .filter(|request| depot.truth(request.number).is_some_and(|truth| truth.delivered_at.is_some()));
    assert_eq!(arrived.count(), named(&seen, "fulfillment.delivered").len());
}

#[test]
fn a_calm_world_has_no_trouble_and_a_planted_one_has_each_kind() {
    let troubled = |seen: &Seen| {
        let twice = |name: &str| {
            let mut count: BTreeMap<String, u32> = BTreeMap::new();
            for event in named(seen, name) {
                *count.entry(event.json["properties"]["receipt"].to_string()).or_default() += 1;
            }
            count.values().any(|times| *times > 1)
        };
        let any = |name: &str| !named(seen, name).is_empty();
        [twice("stock.expected"), any("downtime.reported"), any("stock.quarantined")]
    };
    let (calm, _) = live(config(6, Planted::calm()), true);
    assert_eq!(troubled(&calm), [false; 3]);
    let (planted, _) = live(config(6, Planted::default()), true);
    assert_eq!(troubled(&planted), [true; 3]);
}

#[test]
fn a_campaign_asks_besides_and_shifts_nobody() {
    let (plain, _) = live(config(7, Planted::default()), false);
    let campaign = Campaign {
        item: "toner-a".to_owned(),
        from_day: 7,
        days: 2,
        size: 80.0,
        within_days: 2,
        cut_off_hour: 13,
        stock: 80,
    };
    let with = DepotConfig { campaign: Some(campaign), ..config(7, Planted::default()) };
    let (seen, _) = live(with, false);
    let (own, others): (Vec<_>, Vec<_>) = seen.wants.into_iter().partition(|request| request.claim.is_some());
    assert_eq!(others, plain.wants);
    assert!((50..110).contains(&own.len()), "{}", own.len());
    assert!(own.iter().all(|request| request.claim.is_some_and(|claim| claim > request.at)));
    let bought = named(&Seen { told: seen.told, wants: own }, "stock.received")
        .iter()
        .any(|event| event.json["properties"]["receipt"] == "po-campaign");
    assert!(bought);
}

#[test]
fn what_the_depot_does_not_know_is_refused() {
    let mut depot = Depot::new(config(8, Planted::calm()));
    let request = loop {
        match depot.next_said() {
            Some((_, said)) => {
                if let Some(Said::Wants(request)) = said.into_iter().find(|s| matches!(s, Said::Wants(_))) {
                    break request;
                }
            }
            None => panic!("somebody asks"),
        }
    };
    let good = naively(&request, config(8, Planted::calm()).start);
    for wrong in [
        |parcel: &mut BookedParcel| parcel.place = "mars".to_owned(),
        |parcel: &mut BookedParcel| parcel.service = "by balloon".to_owned(),
        |parcel: &mut BookedParcel| parcel.lines = vec![("gold".to_owned(), 1)],
    ] {
        let mut booking = good.clone();
        wrong(&mut booking.parcels[0]);
        assert!(depot.book(&request, &booking).is_err());
    }
    assert_eq!(depot.truth(request.number), None);
    depot.book(&request, &good).expect("known names");
    assert_eq!(depot.book_again(request.number, &good), Ok(true));
    assert!(!depot.is_picked(request.number));
}
