//! Stock and resources by themselves: what can be promised of them, against a slow computation of the same.

use engine::supply::{Classes, Resource, Stock, SupplyStimulus};
use engine::{Change, Context, Entity, Reference, Stimulus, decide, evolve};
use model::calendar::Shift;
use model::{
    Calendar, EntityId, EntityKind, HoldId, MailBody, Outcome, PartitionId, Quantity, Slot, SupplyEvent,
    SupplyMail, Take, Time, TimelineId, supply_signal,
};
use proptest::prelude::*;

use super::scale::config;

const NOW: Time = Time(1_772_442_000_000_000);
const HOUR: i64 = 3_600_000_000;

fn hour(n: i64) -> Time {
    NOW.plus_micros(n * HOUR)
}

fn id(kind: EntityKind) -> EntityId {
    EntityId { kind, partition: PartitionId(0), number: 1 }
}

fn hold(number: u64) -> HoldId {
    HoldId { owner: EntityId::customer(PartitionId(0), 9), number }
}

/// An entity that decides and lives through what it decided.
struct Lives {
    entity: Entity,
    reference: Reference,
    shelf_life_hours: Option<u32>,
}

impl Lives {
    fn new(kind: EntityKind) -> Self {
        Lives { entity: Entity::new(id(kind)), reference: Reference::default(), shelf_life_hours: None }
    }

    fn ask(&mut self, stimulus: &Stimulus<'_>, now: Time) -> Vec<Outcome> {
        let timeline = TimelineId::LIVE;
        let context = Context { now, timeline, reference: &self.reference, effects_on: true };
        let outcomes = decide(&self.entity, stimulus, &context);
        for outcome in &outcomes {
            evolve(&mut self.entity, &Change::Outcome { outcome, timeline });
        }
        outcomes
    }

    fn told(&mut self, name: &str, properties: &str, at: Time, now: Time) -> Vec<Outcome> {
        let event: SupplyEvent = supply_signal::parse(name, Some(properties), at).unwrap().unwrap();
        let (event, item, shelf_life_hours) = (Ok(&event), None, self.shelf_life_hours);
        self.ask(&Stimulus::Supply(SupplyStimulus { event, at, item, shelf_life_hours }), now)
    }

    fn mail(&mut self, mail: SupplyMail, now: Time) -> Vec<Outcome> {
        self.ask(&Stimulus::Mail(&MailBody::Supply(mail)), now)
    }

    fn hold(&mut self, number: u64, take: Take, now: Time) -> bool {
        let (hold, replaces, expires_at) = (hold(number), None, now.plus_micros(HOUR));
        let outcomes = self.mail(SupplyMail::AskHold { hold, take, replaces, expires_at, now }, now);
        let taken = |outcome: &Outcome| {
            let Outcome::Mail { body: MailBody::Supply(mail), .. } = outcome else { return None };
            match mail {
                SupplyMail::HoldAnswered { refused, .. } => Some(refused.is_none()),
                _ => None,
            }
        };
        outcomes.iter().find_map(taken).expect("it answers")
    }

    fn stock(&self) -> &Stock {
        self.entity.stock().unwrap()
    }

    fn resource(&self) -> &Resource {
        self.entity.resource().unwrap()
    }
}

fn take(units: i64, due: Time) -> Take {
    Take::Stock { quantity: Quantity::units(units), due, class: String::new(), priority: 0 }
}

const COUNTED: &str = r#"{"item_id":"x","place":"p","on_hand":10}"#;

#[test]
fn a_count_that_is_heard_late_is_brought_up_to_date() {
    let received = r#"{"item_id":"x","place":"p","quantity":5}"#;
    let mut in_order = Lives::new(EntityKind::Stock);
    in_order.told("stock.counted", COUNTED, hour(1), hour(9));
    in_order.told("stock.received", received, hour(2), hour(9));
    let mut late = Lives::new(EntityKind::Stock);
    late.told("stock.received", received, hour(2), hour(9));
    late.told("stock.counted", COUNTED, hour(1), hour(9));
    for lives in [&in_order, &late] {
        assert_eq!(lives.stock().on_hand, Quantity::units(15));
    }
    // What a later count saw is not counted twice, and an older count says nothing any more.
    late.told("stock.counted", COUNTED, hour(5), hour(9));
    late.told("stock.received", received, hour(3), hour(9));
    late.told("stock.counted", r#"{"item_id":"x","place":"p","on_hand":99}"#, hour(4), hour(9));
    assert_eq!(late.stock().on_hand, Quantity::units(10));
}

#[test]
fn what_perishes_can_be_promised_only_while_it_keeps() {
    let mut milk = Lives::new(EntityKind::Stock);
    let lot = |units: i64, until: i64| {
        format!(r#"{{"item_id":"x","place":"p","quantity":{units},"best_before":"{}"}}"#, hour(until))
    };
    milk.told("stock.received", &lot(6, 48), hour(0), hour(0));
    milk.told("stock.received", &lot(4, 96), hour(0), hour(0));
    let classes = Classes::default();
    let available = |milk: &Lives, at: i64| milk.stock().available(hour(at), "", &classes, NOW, None);
    assert_eq!([0, 47, 48, 95, 96].map(|at| available(&milk, at)), [10, 10, 4, 4, 0].map(Quantity::units));
    // Somebody who wants 4 on the third day leaves all of the first lot to others.
    assert!(milk.hold(1, take(4, hour(72)), NOW));
    assert_eq!([0, 47, 48, 72].map(|at| available(&milk, at)), [6, 6, 0, 0].map(Quantity::units));
    assert!(milk.hold(2, take(6, hour(1)), NOW) && !milk.hold(3, take(1, hour(1)), NOW));
}

#[test]
fn downtime_takes_its_share_of_a_slot_and_the_end_gives_it_back() {
    let mut van = Lives::new(EntityKind::Resource);
    let set = r#"{"resource":"van","shifts":[{"from":"09:00","to":"17:00","slot_minutes":240,"units":4}]}"#;
    van.told("capacity.set", set, NOW, NOW);
    let slot = van.resource().slots(NOW, hour(24)).next().unwrap();
    assert_eq!((slot.start, slot.units), (NOW, Quantity::units(4)));
    let down = format!(r#"{{"resource":"van","downtime":"d","from":"{}","until":"{}"}}"#, hour(1), hour(3));
    van.told("downtime.reported", &down, NOW, NOW);
    assert_eq!(van.resource().capacity(&slot), Quantity::units(2));
    let slot_take = |units: i64| {
        let (class, priority) = (String::new(), 0);
        Take::Slot { slot, units: Quantity::units(units), class, priority }
    };
    assert!(van.hold(1, slot_take(2), NOW) && !van.hold(2, slot_take(1), NOW));
    let soon = NOW.plus_micros(HOUR / 2);
    van.told("downtime.ended", r#"{"resource":"van","downtime":"d"}"#, soon, soon);
    assert!(van.hold(3, slot_take(2), soon) && !van.hold(4, slot_take(1), soon));
    // Both end by themselves.
    assert!(van.hold(5, slot_take(1), hour(2)));
}

#[test]
fn a_slot_that_is_told_stands_in_for_the_calendars() {
    let mut van = Lives::new(EntityKind::Resource);
    let shift = Shift { days: vec![0], from: 540, to: 780, slot_minutes: Some(120), units: Quantity::ONE };
    let calendar = Calendar { time_zone: "UTC".to_owned(), shifts: vec![shift] };
    assert_eq!(calendar.slots(NOW, hour(24)).count(), 2);
    van.told(
        "capacity.set",
        r#"{"resource":"van","shifts":[{"days":["mon"],"from":"09:00","to":"13:00",
        "slot_minutes":120,"units":1}]}"#,
        NOW,
        NOW,
    );
    let set = |start: i64, units: i64| {
        format!(
            r#"{{"resource":"van","start":"{}","end":"{}","units":{units}}}"#,
            hour(start),
            hour(start + 1)
        )
    };
    van.told("capacity.slot_set", &set(2, 7), NOW, NOW);
    van.told("capacity.slot_set", &set(1, 3), NOW, NOW);
    let slots: Vec<(Time, i64)> =
        van.resource().slots(NOW, hour(24)).map(|slot: Slot| (slot.start, slot.units.0 / 1_000)).collect();
    assert_eq!(slots, [(hour(0), 1), (hour(1), 3), (hour(2), 7)]);
}

#[derive(Clone, Debug)]
struct Shelf {
    on_hand: i64,
    receipts: Vec<(i64, i64)>,
    takes: Vec<(i64, i64)>,
    lots: Vec<(i64, i64)>,
}

fn shelves() -> impl Strategy<Value = Shelf> {
    let moves = |n| prop::collection::vec((0..40_i64, 1..12_i64), 0..n);
    (0..30_i64, moves(5), moves(12), moves(3)).prop_map(|(on_hand, receipts, takes, lots)| Shelf {
        on_hand,
        receipts,
        takes,
        lots,
    })
}

/// A stock that has taken what it could of what was asked.
fn filled(shelf: &Shelf, with_lots: bool) -> (Lives, Vec<(i64, i64)>) {
    let mut lives = Lives::new(EntityKind::Stock);
    let on_hand = shelf.on_hand;
    let counted = format!(r#"{{"item_id":"x","place":"p","on_hand":{on_hand}}}"#);
    lives.told("stock.counted", &counted, NOW, NOW);
    for (until, units) in shelf.lots.iter().filter(|_| with_lots) {
        let lot = format!(
            r#"{{"item_id":"x","place":"p","quantity":{units},"best_before":"{}"}}"#,
            hour(*until + 1)
        );
        lives.told("stock.received", &lot, NOW, NOW);
    }
    for (n, (due, units)) in shelf.receipts.iter().enumerate() {
        let receipt = format!(
            r#"{{"item_id":"x","place":"p","receipt":"r{n}","quantity":{units},"due":"{}"}}"#,
            hour(*due)
        );
        lives.told("stock.expected", &receipt, NOW, NOW);
    }
    let mut taken = Vec::new();
    for (n, (due, units)) in shelf.takes.iter().enumerate() {
        if lives.hold(n as u64, take(*units, hour(*due)), NOW) {
            taken.push((*due, *units));
        }
    }
    (lives, taken)
}

/// What is missing in all when goods leave hour by hour, the ones that keep shortest first.
fn missing(shelf: &Shelf, with_lots: bool, takes: &[(i64, i64)]) -> i64 {
    let mut rest = shelf.on_hand;
    let mut lots: Vec<(i64, i64)> = if with_lots { shelf.lots.clone() } else { Vec::new() };
    lots.sort_unstable();
    let (mut missing, mut owed) = (0, 0);
    for at in 0..60 {
        lots.retain(|(until, _)| *until + 1 > at);
        rest += shelf.receipts.iter().filter(|(due, _)| *due == at).map(|(_, units)| units).sum::<i64>();
        owed += takes.iter().filter(|(due, _)| *due == at).map(|(_, units)| units).sum::<i64>();
        for (_, units) in &mut lots {
            let leaves = owed.min(*units);
            *units -= leaves;
            owed -= leaves;
        }
        let leaves = owed.min(rest);
        rest -= leaves;
        owed -= leaves;
        missing += owed;
    }
    missing
}

proptest! {
    #![proptest_config(config(200, 5_000, 50_000))]

    /// Nothing is ever missing, and what is said to be available is the most that may be taken.
    #[test]
    fn what_is_available_can_leave_and_no_more(shelf in shelves(), at in 0..45_i64, lots: bool) {
        let (lives, mut taken) = filled(&shelf, lots);
        prop_assert_eq!(missing(&shelf, lots, &taken), 0);
        let classes = Classes::default();
        let available = lives.stock().available(hour(at), "", &classes, NOW, None);
        prop_assert!(available >= Quantity::ZERO);
        let whole = available.0 / 1_000;
        taken.push((at, whole));
        prop_assert_eq!(missing(&shelf, lots, &taken), 0, "{} at {}", available, at);
        taken.last_mut().unwrap().1 += 1;
        prop_assert!(missing(&shelf, lots, &taken) > 0, "more than {} at {}", available, at);
        if shelf.lots.is_empty() || !lots {
            // Goods that keep are there later as well.
            let later = lives.stock().available(hour(at + 1), "", &classes, NOW, None);
            prop_assert!(later >= available);
        }
    }

    /// What is taken of a slot is what lives of it, whatever was held, confirmed, let go, used or ended by itself.
    #[test]
    fn what_is_taken_of_a_slot_is_what_lives_of_it(steps in prop::collection::vec(
        (0..5_u8, 0..14_u64, 0..3_i64, 1..4_i64, 0..40_i64), 1..120,
    )) {
        let mut van = Lives::new(EntityKind::Resource);
        for slot in 0..3 {
            let (start, end) = (hour(100 + slot), hour(101 + slot));
            let set = format!(r#"{{"resource":"van","start":"{start}","end":"{end}","units":20}}"#);
            van.told("capacity.slot_set", &set, NOW, NOW);
        }
        let mut now = NOW;
        for (step, number, at, units, minutes) in steps {
            now = now.plus_micros(minutes * HOUR / 60);
            let slot = van.resource().slot_at(hour(100 + at)).unwrap();
            let class = if number % 2 == 0 { "member" } else { "" }.to_owned();
            let (units, expires_at) = (Quantity::units(units), now.plus_micros(HOUR));
            let (hold, share) = (hold(number), 0.5 + 0.25 * at as f64);
            match step {
                0 | 1 => {
                    van.hold(number, Take::Slot { slot, units, class, priority: 0 }, now);
                }
                2 => drop(van.mail(SupplyMail::ConfirmHold { hold, now }, now)),
                3 => drop(van.mail(SupplyMail::ReleaseHold { hold, expires_at, now }, now)),
                _ => drop(van.mail(SupplyMail::UseCommitment { hold, share, at: now, now }, now)),
            }
            let resource = van.resource();
            for slot in resource.slots(NOW, hour(200)) {
                let of_slot = |held: &&engine::supply::Held| held.take.due() == slot.start;
                let living = resource.ledger.living(now, None).map(|(_, held)| held);
                let slow: Quantity = living.filter(of_slot).map(engine::supply::Held::left).sum();
                prop_assert_eq!(resource.taken(&slot, now, None), slow);
            }
        }
    }

    /// The earliest time is the first at which it is available.
    #[test]
    fn the_earliest_is_the_first(shelf in shelves(), units in 1..20_i64, lots: bool) {
        let (lives, _) = filled(&shelf, lots);
        let (stock, classes, wanted) = (lives.stock(), Classes::default(), Quantity::units(units));
        let slow = (0..60).find(|at| stock.available(hour(*at), "", &classes, NOW, None) >= wanted).map(hour);
        prop_assert_eq!(stock.earliest(wanted, NOW, "", &classes, NOW, None), slow);
    }
}
