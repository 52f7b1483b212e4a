//! Campaigns against supply: what is short, the largest audience, the earliest start, and what is set aside.

use std::collections::BTreeMap;

use engine::promising::campaign::{Campaign, Ground, Outcome, Snapshot, Usual, orders, reservations};
use engine::promising::{Binding, Lane, Place, Rules, StockAt, Supplies, WantedLine};
use engine::supply::{CatalogueItem, Classes, Held, Receipt, Reserved, Resource, Stock};
use learn::Quantiles;
use model::calendar::Shift;
use model::{
    Calendar, Currency, EntityId, EntityKind, HoldId, Item, Money, PartitionId, Quantity, Reservation,
    SupplyName, Take, Time,
};
use proptest::prelude::*;

const DAY: i64 = 86_400_000_000;
/// 2026-03-02T00:00:00Z, a Monday.
const MONDAY: Time = Time(1_772_409_600_000_000);

fn id(kind: EntityKind, number: u64) -> EntityId {
    EntityId { kind, partition: PartitionId(0), number }
}

/// A shop with places, what lies there, a packing line at each and a lane from each to `home`.
#[derive(Debug)]
struct Shop {
    rules: Rules,
    items: BTreeMap<String, CatalogueItem>,
    stocks: Vec<Stock>,
    resources: Vec<Resource>,
}

fn money(minor: i64) -> Option<Money> {
    Some(Money { minor, currency: Currency::new("KRW").unwrap() })
}

impl Shop {
    fn new() -> Self {
        let mut rules = Rules { horizon_days: 60, ..Rules::default() };
        rules.classes = Classes(vec!["".to_owned()]);
        Shop { rules, items: BTreeMap::new(), stocks: Vec::new(), resources: Vec::new() }
    }

    fn item(mut self, name: &str) -> Self {
        let item = Item {
            item_id: name.to_owned(),
            stocked: true,
            price: money(10_000),
            cost: money(6_000),
            ..Item::default()
        };
        let known = CatalogueItem { name: name.to_owned(), item: Some(item), ..CatalogueItem::default() };
        self.items.insert(name.to_owned(), known);
        self
    }

    /// A place with so much stock of everything, and a packing line of so many parcels a day.
    fn place(mut self, name: &str, stock: i64, parcels: i64, to: &str) -> Self {
        for item in self.items.keys() {
            let mut here = Stock::new(id(EntityKind::Stock, self.stocks.len() as u64 + 1));
            (here.item, here.place) = (item.clone(), name.to_owned());
            here.on_hand = Quantity::units(stock);
            self.stocks.push(here);
        }
        let line = format!("line-{name}");
        if !self.resources.iter().any(|known| known.name == line) {
            let mut resource = Resource::new(id(EntityKind::Resource, self.resources.len() as u64 + 1));
            resource.name.clone_from(&line);
            let shift = Shift {
                days: (0..7).collect(),
                from: 9 * 60,
                to: 18 * 60,
                slot_minutes: None,
                units: Quantity::units(parcels),
            };
            resource.calendar = Some(Calendar { time_zone: "UTC".to_owned(), shifts: vec![shift] });
            self.resources.push(resource);
        }
        let place = Place { handling_minutes: 0, work: Some(line), work_units: None };
        self.rules.places.insert(name.to_owned(), place);
        self.lane(name, to)
    }

    fn lane(mut self, from: &str, to: &str) -> Self {
        self.rules.lanes.push(Lane {
            from: from.to_owned(),
            to: to.to_owned(),
            service: "standard".to_owned(),
            slots: None,
            hours: Quantiles::new(vec![(0.1, 10.0), (0.99, 20.0)]).unwrap(),
            cost: money(1_000),
            whole_days: true,
        });
        self
    }

    fn snapshot(&self) -> Snapshot {
        let mut supplies = Supplies::default();
        for (name, item) in &self.items {
            supplies.items.insert(name, item);
        }
        for stock in &self.stocks {
            supplies.stocks.insert((&stock.item, &stock.place), StockAt { id: stock.id, stock });
        }
        for resource in &self.resources {
            supplies.resources.insert(&resource.name, (resource.id, resource));
        }
        Snapshot::of(&supplies, MONDAY)
    }
}

fn campaign(items: &[&str], to: &[&str], days: usize) -> Campaign {
    let line = |item: &&str| WantedLine {
        item_id: (*item).to_owned(),
        quantity: Quantity::ONE,
        price: money(9_000),
    };
    Campaign {
        class: "campaign:spring".to_owned(),
        time_zone: "UTC".to_owned(),
        basket: items.iter().map(line).collect(),
        regions: to.iter().map(|region| ((*region).to_owned(), 1.0 / to.len() as f64)).collect(),
        days: vec![1.0 / days as f64; days],
        baseline: Vec::new(),
        may_wait_days: 0,
    }
}

/// Noon of so many days from the first on.
fn noons(days: usize) -> Vec<Time> {
    (0..days as i64).map(|day| MONDAY.plus_micros(day * DAY + DAY / 2)).collect()
}

fn short(outcome: &Outcome) -> Quantity {
    outcome.short.iter().map(|short| short.short).sum()
}

#[test]
fn stock_that_ends_is_short_from_the_day_on_which_it_ends() {
    let shop = Shop::new().item("tea").place("seoul", 250, 1_000, "home");
    let supply = shop.snapshot();
    let ground = Ground::new(&shop.rules, &supply, MONDAY);
    let spring = campaign(&["tea"], &["home"], 4);
    let outcome = ground.simulate(&spring, &noons(4), Quantity::units(400));
    assert_eq!((outcome.wanted, outcome.promised), (Quantity::units(400), Quantity::units(250)));
    let days: Vec<_> = outcome.short.iter().map(|s| (s.day, s.short)).collect();
    assert_eq!(days, [(2, Quantity::units(50)), (3, Quantity::units(100))]);
    assert!(matches!(&outcome.short[0].binding[0], Binding::Stock { item_id, place, .. }
        if item_id == "tea" && place == "seoul"));
    // 9,000 − 6,000 − 1,000 for each that is promised.
    let earned = &outcome.money["home"];
    assert_eq!((earned.revenue, earned.margin), (money(250 * 9_000), money(250 * 2_000)));
}

#[test]
fn capacity_binds_by_the_day_and_the_rest_of_a_lot_goes() {
    let shop = Shop::new().item("tea").item("cup").place("seoul", 10_000, 70, "home");
    let supply = shop.snapshot();
    let ground = Ground::new(&shop.rules, &supply, MONDAY);
    // Two items in one parcel: what is counted are parcels.
    let spring = campaign(&["tea", "cup"], &["home"], 3);
    assert!(ground.simulate(&spring, &noons(3), Quantity::units(210)).is_feasible(false));
    let outcome = ground.simulate(&spring, &noons(3), Quantity::units(300));
    assert_eq!(outcome.promised, Quantity::units(210));
    assert_eq!(outcome.short.len(), 6);
    let first = &outcome.short[0];
    assert!(matches!(&first.binding[0], Binding::Capacity { resource, .. } if resource == "line-seoul"));
    assert_eq!(first.short, Quantity::units(30));
}

#[test]
fn a_second_place_takes_what_the_first_cannot() {
    let shop = Shop::new().item("tea").place("seoul", 100, 1_000, "home").place("busan", 100, 1_000, "home");
    let supply = shop.snapshot();
    let ground = Ground::new(&shop.rules, &supply, MONDAY);
    let spring = campaign(&["tea"], &["home"], 2);
    assert!(ground.simulate(&spring, &noons(2), Quantity::units(200)).is_feasible(false));
    assert_eq!(ground.largest(&spring, &noons(2), 150, 1.0), Some(200));
}

#[test]
fn a_receipt_counts_from_its_day_on_and_sets_the_earliest_start() {
    let mut shop = Shop::new().item("tea").place("seoul", 40, 1_000, "home");
    let receipt = Receipt { quantity: Quantity::units(300), due: MONDAY.plus_micros(5 * DAY) };
    shop.stocks[0].receipts.insert("po-1".to_owned(), receipt);
    let supply = shop.snapshot();
    let ground = Ground::new(&shop.rules, &supply, MONDAY);
    let spring = campaign(&["tea"], &["home"], 3);
    let wanted = Quantity::units(300);
    assert!(!ground.simulate(&spring, &noons(3), wanted).is_feasible(false));
    let days = noons(30);
    let shift = ground.earliest(&spring, &days, wanted).unwrap();
    assert_eq!(shift, 5);
    assert!(ground.simulate(&spring, &days[shift..], wanted).is_feasible(false));
    assert!(!ground.simulate(&spring, &days[shift - 1..], wanted).is_feasible(false));
    // Nothing more comes: no start is late enough for more.
    assert_eq!(ground.earliest(&spring, &days, Quantity::units(341)), None);
}

#[test]
fn what_is_asked_for_anyway_goes_first_unless_classes_say_otherwise() {
    let mut shop = Shop::new().item("tea").place("seoul", 100, 1_000, "home");
    let mut spring = campaign(&["tea"], &["home"], 5);
    // Everybody comes on the first day, before most of what is asked for anyway.
    spring.days = vec![1.0, 0.0, 0.0, 0.0, 0.0];
    spring.baseline = vec![Usual {
        item_id: "tea".to_owned(),
        to: "home".to_owned(),
        per_day: Quantity::units(10),
        per_order: Quantity::ONE,
    }];
    {
        let supply = shop.snapshot();
        let ground = Ground::new(&shop.rules, &supply, MONDAY);
        // 100 there, 50 asked for anyway: the campaign gets no more, though all of its own could be promised.
        assert_eq!(ground.largest(&spring, &noons(5), 100, 1.0), Some(50));
        let outcome = ground.simulate(&spring, &noons(5), Quantity::units(60));
        assert_eq!((outcome.promised, outcome.displaced["tea"]), (outcome.wanted, Quantity::units(10)));
        assert!(!outcome.is_feasible(ground.goes_first(&spring)));
    }
    shop.rules.classes = Classes(vec!["campaign".to_owned()]);
    let supply = shop.snapshot();
    let ground = Ground::new(&shop.rules, &supply, MONDAY);
    let outcome = ground.simulate(&spring, &noons(5), Quantity::units(100));
    assert!(outcome.is_feasible(ground.goes_first(&spring)));
    assert_eq!(outcome.displaced["tea"], Quantity::units(50), "{outcome:?}");
}

#[test]
fn a_region_that_no_lane_reaches_is_short_by_that_name() {
    let shop = Shop::new().item("tea").place("seoul", 100, 100, "home");
    let supply = shop.snapshot();
    let ground = Ground::new(&shop.rules, &supply, MONDAY);
    let outcome = ground.simulate(&campaign(&["tea"], &["home", "jeju"], 1), &noons(1), Quantity::units(10));
    assert_eq!(outcome.promised, Quantity::units(5));
    assert_eq!(outcome.short[0].binding, [Binding::NoLane { to: "jeju".to_owned() }]);
    let unknown = ground.simulate(&campaign(&["salt"], &["home"], 1), &noons(1), Quantity::units(10));
    assert_eq!(unknown.short[0].binding, [Binding::UnknownItem { item_id: "salt".to_owned() }]);
}

#[test]
fn what_is_reserved_is_what_the_campaign_takes() {
    let mut shop = Shop::new().item("tea").place("seoul", 100, 60, "home");
    let receipt = Receipt { quantity: Quantity::units(50), due: MONDAY.plus_micros(2 * DAY) };
    shop.stocks[0].receipts.insert("po-1".to_owned(), receipt);
    let supply = shop.snapshot();
    let ground = Ground::new(&shop.rules, &supply, MONDAY);
    let spring = campaign(&["tea"], &["home"], 3);
    let window = noons(3);
    let outcome = ground.simulate(&spring, &window, Quantity::units(150));
    assert!(outcome.is_feasible(false));
    let until = MONDAY.plus_micros(3 * DAY);
    let all = reservations(&ground, &outcome, "spring", &spring.class, "UTC", until);
    let stock: Vec<_> =
        all.iter().filter(|r| matches!(r.name, SupplyName::Stock { .. })).map(|r| r.quantity).collect();
    // What is there from the start, and the rest once it has come.
    assert_eq!(stock, [Quantity::units(100), Quantity::units(50)]);
    let line: Vec<_> = all.iter().filter(|r| matches!(r.name, SupplyName::Resource(_))).collect();
    assert_eq!(line.len(), 3, "{all:?}");
    assert!(line.iter().all(|r| r.quantity == Quantity::units(50)));
    assert!(all.iter().all(|r| r.reservation.starts_with("campaign:spring/")));
}

#[test]
fn a_hundred_thousand_orders_are_planned_in_lots() {
    let shop = Shop::new()
        .item("tea")
        .item("cup")
        .place("seoul", 60_000, 9_000, "a")
        .place("busan", 60_000, 9_000, "b")
        .lane("seoul", "b")
        .lane("busan", "a");
    let supply = shop.snapshot();
    let ground = Ground::new(&shop.rules, &supply, MONDAY);
    let spring = campaign(&["tea", "cup"], &["a", "b"], 14);
    assert!(ground.simulate(&spring, &noons(14), Quantity::units(100_000)).is_feasible(false));
    assert_eq!(ground.largest(&spring, &noons(14), 1_000_000, 0.1), Some(1_200_000));
}

fn any_shop() -> impl Strategy<Value = (Shop, Campaign, usize)> {
    let places = prop::collection::vec((0_i64..120, 1_i64..40, 0_usize..3), 1..4);
    (places, 1_usize..3, 1_usize..5, 1_usize..3, 0_i64..6).prop_map(
        |(places, items, days, regions, anyway)| {
            let names = ["home", "far"];
            let mut shop = Shop::new();
            for item in &["tea", "cup"][..items] {
                shop = shop.item(item);
            }
            for (n, (stock, parcels, reach)) in places.into_iter().enumerate() {
                let name = format!("p{n}");
                shop = shop.place(&name, stock, parcels, names[reach % 2]);
                if reach == 2 {
                    shop = shop.lane(&name, names[1]);
                }
            }
            let mut wanted = campaign(&["tea", "cup"][..items], &names[..regions], days);
            wanted.baseline = vec![Usual {
                item_id: "tea".to_owned(),
                to: "home".to_owned(),
                per_day: Quantity::units(anyway),
                per_order: Quantity::ONE,
            }];
            (shop, wanted, days)
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn a_larger_audience_is_never_more_feasible((shop, wanted, days) in any_shop()) {
        let supply = shop.snapshot();
        let ground = Ground::new(&shop.rules, &supply, MONDAY);
        let window = noons(days);
        let first = ground.goes_first(&wanted);
        let feasible = |people: u64| {
            ground.simulate(&wanted, &window, orders(people, 1.0)).is_feasible(first)
        };
        let found = ground.largest(&wanted, &window, 40, 1.0);
        let largest = found.unwrap_or(40 * 64);
        prop_assert!(feasible(largest));
        if found.is_some() {
            prop_assert!(!feasible(largest + 1));
        }
        // Everywhere below it is feasible, everywhere above it is not.
        for part in 0..12 {
            prop_assert!(feasible(largest * part / 12), "{} of {largest}", largest * part / 12);
            if found.is_some() {
                let above = largest + 1 + part * (largest / 3 + 1);
                prop_assert!(!feasible(above), "{above} over {largest}");
            }
        }
    }

    #[test]
    fn nothing_is_promised_twice((shop, wanted, days) in any_shop(), people in 1_u64..400) {
        let supply = shop.snapshot();
        let ground = Ground::new(&shop.rules, &supply, MONDAY);
        let outcome = ground.simulate(&wanted, &noons(days), orders(people, 1.0));
        for (name, takes) in &outcome.takes {
            let sum: Quantity = takes.values().copied().sum();
            match name {
                SupplyName::Stock { item, place } => {
                    prop_assert!(sum <= supply.stock(item, place).unwrap().on_hand, "{name}");
                }
                SupplyName::Resource(name) => {
                    let most = shop.resources.iter().find(|r| r.name == *name).unwrap();
                    let most = most.calendar.as_ref().unwrap().shifts[0].units;
                    prop_assert!(takes.values().all(|units| *units <= most), "{name}");
                }
                SupplyName::Item(_) => prop_assert!(false),
            }
        }
        prop_assert!(outcome.promised <= outcome.wanted);
        prop_assert_eq!(outcome.promised == outcome.wanted, short(&outcome) == Quantity::ZERO);
    }
}

#[test]
fn what_a_class_took_counts_once_against_all_that_it_reserved() {
    let mut shop = Shop::new().item("tea").place("seoul", 100, 60, "home");
    let stock = &mut shop.stocks[0];
    let class = "campaign:spring".to_owned();
    for (n, from) in [(0, MONDAY), (1, MONDAY.plus_micros(DAY))] {
        let reservation = Reservation {
            id: format!("r{n}"),
            class: class.clone(),
            quantity: Quantity::units(30),
            from,
            until: MONDAY.plus_micros(9 * DAY),
        };
        let reserved = Reserved { reservation, used: Quantity::ZERO };
        stock.ledger.reservations.insert(format!("r{n}"), reserved);
    }
    let open = |stock: &Stock, class: &str| stock.available(MONDAY, class, &shop.rules.classes, MONDAY, None);
    assert_eq!(open(stock, "open"), Quantity::units(40));
    // The class takes 10: it has 50 of its 60 left, and everybody else has no more than before.
    let take = Take::Stock { quantity: Quantity::units(10), due: MONDAY, class, priority: 0 };
    let held = Held { take, expires_at: None, replaces: None, used: 0.0, short: None };
    stock.ledger.take(HoldId { owner: id(EntityKind::Customer, 1), number: 1 }, held);
    assert_eq!(open(stock, "open"), Quantity::units(40));
    // What the class reserved already is not there to be reserved again.
    let more = stock.reservable(MONDAY, "campaign:spring", &shop.rules.classes, MONDAY);
    assert_eq!(more, Quantity::units(40));
}
