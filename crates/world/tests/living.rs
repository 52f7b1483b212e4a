//! The living world, followed from outside, with a company that is simple or not there.

use std::collections::BTreeMap;

use model::Time;
use model::connection::{Link, LinkPurpose, Message, MessageClass};
use world::living::{
    Act, Arm, Assumptions, Drill, Happening, Heard, Living, Offer, OfferedItem, Office, Order, OrderedBy,
    Setup, Sheet, TONER, WARES, What,
};

const HOUR: i64 = 3_600_000_000;
const DAY: i64 = 24 * HOUR;

/// Monday, midnight in Seoul.
fn start() -> Time {
    Time::parse("2026-03-01T15:00:00Z").expect("an instant")
}

fn setup(arm: Arm) -> Setup {
    Setup { office: Some(Office { sites: 3, printers: 6 }), ..Setup::homes(start(), 365, 10, arm) }
}

/// A company that answers at once and orders by itself below a level.
#[derive(Default)]
struct Company {
    needs: u32,
    orders: BTreeMap<String, u32>,
    announced: BTreeMap<String, (Time, String, String)>,
    /// Orders automatically below so many per cent.
    below: f64,
    asks: bool,
}

impl Company {
    fn hears(&mut self, living: &mut Living, happening: &Happening) {
        let (at, who) = (happening.at, happening.who.clone().unwrap_or_default());
        match &happening.what {
            What::Acts(Act::StateNeed { device_id, item_id, .. }) => {
                self.needs += 1;
                let usual = living.accounts().into_iter().flat_map(|account| account.devices);
                let usual = usual.into_iter().find(|device| device.device_id == *device_id).unwrap().usual;
                let item_id = item_id.clone().unwrap_or(usual.to_owned());
                let due_at = at.plus_micros(3 * DAY);
                let items = vec![OfferedItem { item_id, due_at }];
                let need_id = format!("n-{}", self.needs);
                living.offered(&Offer { device_id: device_id.clone(), need_id, items }, at);
            }
            What::Acts(Act::Choose { device_id, need_id, .. }) => {
                self.order(living, &who, device_id, need_id, OrderedBy::Customer, at);
            }
            What::Acts(Act::CancelAction { action_id }) => {
                if let Some((until, _, device)) = self.announced.remove(action_id) {
                    living.action_called_off(&device, at <= until);
                }
            }
            What::Told(event) if event["event"] == "slot.level_reported" => {
                let level = event["properties"]["level"].as_f64().unwrap_or(100.0);
                let device = event["properties"]["device_id"].as_str().unwrap().to_owned();
                let ordered = self.orders.get(&device).copied().unwrap_or(0);
                if level >= 60.0 {
                    self.orders.insert(device, 0);
                } else if level <= self.below && ordered == 0 {
                    self.orders.insert(device.clone(), 1);
                    let id = format!("a-{device}-{}", at.0);
                    let purpose = if self.asks { LinkPurpose::Offer } else { LinkPurpose::Action };
                    let message = message(&id, purpose);
                    let until = at.plus_micros(24 * HOUR);
                    let heard =
                        Heard { who: &who, device_id: Some(&device), message: &message, until: Some(until) };
                    living.heard(&heard, at);
                    if !self.asks {
                        self.announced.insert(id, (until, who, device));
                    }
                }
            }
            _ => {}
        }
    }

    fn passes(&mut self, living: &mut Living, at: Time) {
        let over: Vec<String> =
            self.announced.iter().filter(|(_, (until, ..))| *until <= at).map(|(id, _)| id.clone()).collect();
        for id in over {
            let (until, who, device) = self.announced.remove(&id).unwrap();
            self.order(living, &who, &device, &id, OrderedBy::Action(id.clone()), until.max(at));
        }
    }

    fn order(&self, living: &mut Living, who: &str, device: &str, id: &str, by: OrderedBy, at: Time) {
        let known = living.accounts().into_iter().flat_map(|account| account.devices);
        let usual = known.into_iter().find(|known| known.device_id == device).unwrap().usual;
        let price = WARES.iter().find(|ware| ware.item_id == usual).unwrap().price;
        let order = Order {
            order_id: format!("o-{id}"),
            who: who.to_owned(),
            device_id: Some(device.to_owned()),
            item_id: usual.to_owned(),
            units: 1,
            price,
            by,
            due_at: at.plus_micros(3 * DAY),
            hand_over_at: None,
        };
        living.ordered(order, at);
    }
}

fn message(about: &str, purpose: LinkPurpose) -> Message {
    Message {
        message_id: about.to_owned(),
        class: MessageClass::Transactional,
        channel: "inbox".to_owned(),
        category: TONER.to_owned(),
        template: "toner/notice".to_owned(),
        language: "ko".to_owned(),
        to: None,
        subject: String::new(),
        text: String::new(),
        link: Some(Link { purpose, about: about.to_owned() }),
        need_id: None,
        decision_id: None,
    }
}

fn live(seed: u64, setup: Setup, step: i64) -> (Vec<Happening>, Living) {
    let below = match setup.arm {
        Arm::Coach | Arm::Automate => 15.0,
        _ => -1.0,
    };
    let mut company = Company { below, asks: setup.arm == Arm::Coach, ..Company::default() };
    let mut living = Living::new(seed, setup);
    let (mut all, end) = (living.opening(), living.end().plus_micros(20 * DAY));
    let mut until = start();
    while until < end {
        until = until.plus_micros(step);
        while let Some(happening) = living.next(until) {
            assert!(all.last().is_none_or(|last| last.at <= happening.at), "time goes on: {happening:?}");
            company.hears(&mut living, &happening);
            all.push(happening);
        }
        company.passes(&mut living, until);
    }
    (all, living)
}

fn of(living: &Living) -> Sheet {
    living.sheets(TONER, None)
}

fn told<'a>(all: &'a [Happening], name: &'a str) -> impl Iterator<Item = &'a Happening> {
    all.iter().filter(move |one| matches!(&one.what, What::Told(event) if event["event"] == name))
}

fn json(all: &[Happening]) -> Vec<String> {
    all.iter().map(|one| serde_json::to_string(one).expect("plain data")).collect()
}

#[test]
fn the_same_seed_is_the_same_year_however_it_is_asked_for() {
    for arm in Arm::ALL {
        let (one, _) = live(3, setup(arm), HOUR);
        let (again, _) = live(3, setup(arm), HOUR);
        assert_eq!(json(&one), json(&again), "{arm:?}");
    }
    // How far ahead is asked changes nothing where nobody answers in between.
    let (hourly, _) = live(3, setup(Arm::Baseline), HOUR);
    let (at_once, _) = live(3, setup(Arm::Baseline), 400 * DAY);
    assert_eq!(json(&hourly), json(&at_once));
    let (other, _) = live(4, setup(Arm::Baseline), HOUR);
    assert_ne!(json(&hourly), json(&other));
}

#[test]
fn all_arms_live_through_the_same_luck() {
    let years: Vec<(Vec<Happening>, Living)> =
        Arm::ALL.into_iter().map(|arm| live(5, setup(arm), HOUR)).collect();
    let baseline = &years[0].1;
    for (all, living) in &years[1..] {
        for device in baseline.accounts().iter().flat_map(|account| &account.devices) {
            let one = baseline.sheet(&device.device_id).expect("a device");
            let other = living.sheet(&device.device_id).expect("the same");
            assert_eq!(one.wanted, other.wanted, "{}", device.device_id);
            // What is not dry prints what is wanted of it.
            let lost = |sheet: &Sheet| {
                sheet.wanted.iter().zip(&sheet.printed).filter(|(wanted, printed)| wanted != printed).count()
            };
            assert!(lost(&other) <= other.failed_jobs as usize && lost(&one) <= one.failed_jobs as usize);
            assert_eq!(other.failed_jobs == 0, lost(&other) == 0);
        }
        // Suppliers are late by the same days, for what is bought in the same week.
        let dues = |all: &[Happening]| -> BTreeMap<String, String> {
            let due = |one: &Happening| match &one.what {
                What::Told(event) => event["properties"].clone(),
                What::Acts(_) => unreachable!("told"),
            };
            let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
            told(all, "stock.expected").map(due).map(|p| (text(&p["receipt"]), text(&p["due"]))).collect()
        };
        let (mine, others) = (dues(all), dues(&years[1].0));
        let both = mine.iter().filter(|(receipt, _)| others.contains_key(*receipt));
        assert!(both.clone().all(|(receipt, due)| others[receipt] == *due));
        assert!(both.count() > 0);
    }
}

#[test]
fn with_nobody_but_shops_a_toner_costs_an_hour_or_two() {
    let mut all = Sheet::default();
    let mut told_of = BTreeMap::<String, usize>::new();
    for seed in 0..20 {
        let (happenings, living) =
            live(seed, Setup { homes: 12, office: None, ..setup(Arm::Baseline) }, 400 * DAY);
        all.add(&of(&living));
        for one in told(&happenings, "friction.met") {
            let What::Told(event) = &one.what else { continue };
            *told_of.entry(event["properties"]["kind"].as_str().unwrap().to_owned()).or_default() += 1;
        }
    }
    let (minutes, cycles) = (all.minutes_each().expect("toners"), f64::from(all.cycles));
    assert!(cycles > 300.0, "{cycles} cartridges");
    assert!((60.0..120.0).contains(&minutes), "{minutes} minutes");
    let dry = all.dry_hours / cycles;
    assert!((15.0..90.0).contains(&dry), "{dry} dry hours for each cartridge");
    // Everything that the text tells of happens: it is not there, only in a bundle, the wrong one, another trip.
    assert!(all.stock_outs > 40 && all.bundles > 20 && all.wrong_items > 5, "{all:?}");
    assert!(all.trips > all.wrong_items && all.failed_jobs > 0);
    assert!(all.revenue > 0 && all.spent_elsewhere > 0);
    let kinds: Vec<&str> = told_of.keys().map(String::as_str).collect();
    assert_eq!(kinds, ["doubt", "forced_bundle", "search", "stock_out", "trip", "wait"]);
    assert_eq!((all.orders, all.deliveries, all.messages), (0, 0, 0));
}

#[test]
fn each_strategy_takes_something_away() {
    let homes = |arm| {
        let mut all = Sheet::default();
        for seed in 0..8 {
            let (_, living) = live(seed, Setup { office: None, ..setup(arm) }, HOUR);
            all.add(&of(&living));
        }
        all
    };
    let [baseline, respond, curate, coach, automate] = Arm::ALL.map(homes);
    let minutes = |sheet: &Sheet| sheet.minutes_each().expect("toners");
    assert!(minutes(&respond) < 0.5 * minutes(&baseline));
    assert!(minutes(&curate) < 0.5 * minutes(&baseline));
    assert!(minutes(&coach) < minutes(&curate) && minutes(&automate) < minutes(&coach));
    let dry = |sheet: &Sheet| sheet.dry_hours / f64::from(sheet.cycles);
    assert!(dry(&coach) < 0.5 * dry(&baseline) && dry(&automate) < 0.2 * dry(&baseline));
    assert!(coach.messages > 0 && coach.read_minutes > 0.0 && automate.trips < baseline.trips / 5);
    for sheet in [&respond, &curate, &coach, &automate] {
        assert!(sheet.revenue > baseline.revenue, "who is served buys here");
        assert_eq!((sheet.orders, sheet.duplicates), (sheet.deliveries, 0));
    }
}

#[test]
fn scaling_the_assumptions_changes_what_it_should() {
    let with = |assumptions: Assumptions, arm: Arm| {
        let mut all = Sheet::default();
        for seed in 0..8 {
            let setup = Setup { office: None, assumptions: assumptions.clone(), ..setup(arm) };
            let (_, living) = live(seed, setup, HOUR);
            all.add(&of(&living));
        }
        all
    };
    let plain = Assumptions::default();
    let dry = |sheet: &Sheet| sheet.dry_hours / f64::from(sheet.cycles);
    let slow = dry(&with(plain.scaled(1.0, 2.0, 1.0), Arm::Baseline));
    let quick = dry(&with(plain.scaled(1.0, 0.5, 1.0), Arm::Baseline));
    assert!(quick < dry(&with(plain.clone(), Arm::Baseline)) && slow > 1.5 * quick, "{quick} {slow}");
    // Who does not answer messages runs dry.
    let deaf = with(plain.scaled(1.0, 1.0, 2.0), Arm::Coach);
    let keen = with(plain.scaled(1.0, 1.0, 0.5), Arm::Coach);
    assert!(dry(&deaf) > 1.5 * dry(&keen), "{} {}", dry(&deaf), dry(&keen));
    // Noise changes how much is printed on which day, and not how much of it there is.
    let pages = |sheet: &Sheet| f64::from(sheet.wanted.iter().sum::<u32>());
    let days = |sheet: &Sheet| f64::from(*sheet.wanted.iter().max().unwrap());
    let noisy = with(plain.scaled(2.0, 1.0, 1.0), Arm::Baseline);
    let calm = with(plain.scaled(0.5, 1.0, 1.0), Arm::Baseline);
    assert!((pages(&noisy) / pages(&calm) - 1.0).abs() < 0.05 && days(&noisy) > 1.2 * days(&calm));
}

#[test]
fn no_luck_depends_on_the_order_of_calls() {
    let run = |turned: bool| {
        let mut living = Living::new(7, Setup { office: None, ..setup(Arm::Coach) });
        let at = start().plus_micros(40 * DAY + 10 * HOUR);
        while living.next(at).is_some() {}
        let mut known = living.accounts();
        if turned {
            known.reverse();
        }
        for account in known {
            let (who, device) = (account.who, &account.devices[0]);
            let about = message(&format!("n-{who}"), LinkPurpose::Offer);
            let device_id = Some(device.device_id.as_str());
            match who.as_str() < "home-006" {
                true => living.heard(&Heard { who: &who, device_id, message: &about, until: None }, at),
                false => {
                    living.ordered(order(&format!("o-{who}"), &who, &device.device_id, device.usual, at), at);
                }
            }
        }
        let until = at.plus_micros(60 * DAY);
        std::iter::from_fn(|| living.next(until)).collect::<Vec<Happening>>()
    };
    let rest = run(false);
    assert_eq!(json(&rest), json(&run(true)));
    assert_eq!(told(&rest, "fulfillment.delivered").count(), 5);
    assert!(rest.iter().any(|one| matches!(one.what, What::Acts(Act::Choose { .. }))));
}

fn order(id: &str, who: &str, device: &str, item: &str, at: Time) -> Order {
    Order {
        order_id: id.to_owned(),
        who: who.to_owned(),
        device_id: Some(device.to_owned()),
        item_id: item.to_owned(),
        units: 1,
        price: 58_000,
        by: OrderedBy::Customer,
        due_at: at.plus_micros(3 * DAY),
        hand_over_at: None,
    }
}

#[test]
fn what_is_called_off_in_time_does_not_come() {
    let mut living = Living::new(1, Setup { office: None, ..setup(Arm::Automate) });
    let device = living.accounts()[0].devices[0].clone();
    let at = start();
    let next = |living: &mut Living, id: &str, at: Time, off: Time| {
        living.ordered(order(id, "home-001", &device.device_id, device.usual, at), at);
        while living.next(off).is_some() {}
        living.called_off(id)
    };
    let (second, later) = (at.plus_micros(HOUR), at.plus_micros(6 * HOUR));
    assert!(next(&mut living, "o-1", at, second), "it had not left");
    assert!(!next(&mut living, "o-2", second, later), "it had left");
    let mut delivered = Vec::new();
    while let Some(happening) = living.next(at.plus_micros(10 * DAY)) {
        delivered.extend(told(&[happening], "fulfillment.delivered").map(|one| one.at));
    }
    let sheet = living.sheet(&device.device_id).expect("a device");
    assert_eq!((delivered.len(), sheet.deliveries, sheet.orders, sheet.duplicates), (1, 1, 2, 0));
}

#[test]
fn drills_happen_and_nothing_else_changes() {
    let plain = || Setup { homes: 4, office: None, ..setup(Arm::Automate) };
    let with = |drill: Drill| live(11, Setup { drills: vec![drill], ..plain() }, HOUR);
    let (quiet, _) = live(11, plain(), HOUR);
    let device = "home-002-printer";
    let levels = |all: &[Happening], from: i64, until: i64| {
        let span = start().plus_micros(from * DAY)..start().plus_micros(until * DAY);
        let of_device = |one: &&Happening| match &one.what {
            What::Told(event) => event["properties"]["device_id"] == device && span.contains(&one.at),
            What::Acts(_) => false,
        };
        told(all, "slot.level_reported").filter(of_device).count()
    };
    let (silent, _) = with(Drill::SilentDevice { device: device.to_owned(), from_day: 50, days: 21 });
    assert!(levels(&quiet, 50, 71) > 10 && levels(&silent, 50, 71) == 0);
    assert_eq!(levels(&quiet, 0, 50), levels(&silent, 0, 50));

    let (doubled, _) = with(Drill::DuplicateEvents { from_day: 50, days: 20 });
    assert_eq!(levels(&doubled, 50, 72), levels(&quiet, 70, 72) + 3 * levels(&quiet, 50, 70));
    assert_eq!(levels(&doubled, 0, 50), levels(&quiet, 0, 50));

    let (late, _) = with(Drill::LateSupplier { from_day: 0, days: 365, late_days: 9 });
    let received = |all: &[Happening]| told(all, "stock.received").map(|one| one.at).collect::<Vec<_>>();
    assert!(received(&late)[0].since(received(&quiet)[0]) >= 6 * DAY);

    let (dear, _) = with(Drill::PriceRise { day: 90, percent: 30 });
    let published = told(&dear, "item.published").filter(|one| one.at > start()).count();
    assert_eq!(published, WARES.len());

    let who = "home-003".to_owned();
    let acts = |all: &[Happening], which: fn(&Act) -> bool| {
        let of_home = |one: &&Happening| {
            one.who.as_deref() == Some("home-003") && matches!(&one.what, What::Acts(act) if which(act))
        };
        all.iter().filter(of_home).map(|one| one.at).collect::<Vec<_>>()
    };
    let (revoked, _) = with(Drill::Revoke { who: who.clone(), day: 100 });
    let revokes = |act: &Act| matches!(act, Act::RevokeMandates);
    assert_eq!(acts(&revoked, revokes), [start().plus_micros(100 * DAY + 12 * HOUR)]);
    let (in_window, _) = with(Drill::RevokeInWindow { who: who.clone(), from_day: 20 });
    assert_eq!(acts(&in_window, revokes).len(), 1);
    let cancels = |act: &Act| matches!(act, Act::CancelAction { .. });
    let (called_off, living) = with(Drill::CallOff { who: who.clone(), from_day: 20 });
    assert_eq!(acts(&called_off, cancels).len(), 1 + acts(&quiet, cancels).len());
    assert!(living.sheets(TONER, Some("home-003")).called_off >= 1);
    let (withdrawn, _) = with(Drill::Withdraw { who, day: 30, purpose: "readings".to_owned() });
    assert_eq!(acts(&withdrawn, |act| matches!(act, Act::WithdrawConsent { .. })).len(), 1);
}

#[test]
fn calendars_are_told_by_those_who_share_them() {
    let (all, living) = live(2, Setup { homes: 30, office: None, ..setup(Arm::Automate) }, DAY);
    let sharing: Vec<String> =
        living.accounts().into_iter().filter(|one| one.share == 3).map(|one| one.who).collect();
    let away: Vec<&str> = told(&all, "away.planned").filter_map(|one| one.who.as_deref()).collect();
    assert!(!away.is_empty() && sharing.len() < 30);
    assert!(away.iter().all(|who| sharing.iter().any(|known| known == who)));
    let (silent, _) = live(2, Setup { homes: 30, office: None, ..setup(Arm::Curate) }, DAY);
    assert_eq!(told(&silent, "away.planned").count() + told(&silent, "slot.level_reported").count(), 0);
}

#[test]
fn a_household_with_a_corner_shop_has_milk_on_most_mornings() {
    let mut all = Sheet::default();
    for seed in 0..5 {
        let setup = Setup { homes: 0, fridges: 12, office: None, days: 120, ..setup(Arm::Baseline) };
        let (_, living) = live(seed, setup, 200 * DAY);
        all.add(&living.sheets(world::living::MILK, None));
    }
    let with = f64::from(all.mornings_with_milk) / f64::from(all.mornings);
    assert!((0.7..0.97).contains(&with), "{with}");
    let spoiled = all.litres_spoiled / (all.litres_used + all.litres_spoiled);
    assert!((0.005..0.2).contains(&spoiled), "{spoiled}");
    assert!(all.mornings > 6_000 && all.minutes_each().is_some_and(|minutes| minutes > 20.0));
}

#[test]
fn milk_that_is_ordered_in_the_evening_is_there_before_breakfast() {
    let setup = Setup { homes: 0, fridges: 1, office: None, days: 20, ..setup(Arm::Automate) };
    let mut living = Living::new(1, setup);
    let evening = start().plus_micros(2 * DAY + 21 * HOUR);
    while living.next(evening).is_some() {}
    let before = living.sheets(world::living::MILK, None);
    let milk = Order { price: 5_400, ..order("m-1", "home-001", "home-001-fridge", "milk-1800", evening) };
    living.ordered(milk, evening);
    let mut delivered = None;
    while let Some(happening) = living.next(evening.plus_micros(12 * HOUR)) {
        delivered = delivered.or(told(&[happening], "fulfillment.delivered").map(|one| one.at).next());
    }
    let at = delivered.expect("a delivery").since(start().plus_micros(3 * DAY));
    assert!((4 * HOUR..7 * HOUR).contains(&at), "{at}");
    let sheet = living.sheets(world::living::MILK, None);
    assert_eq!((sheet.dawn, sheet.dawn_on_time, before.deliveries), (1, 1, 0));
    assert_eq!(sheet.mornings_with_milk, before.mornings_with_milk + 1);
}
