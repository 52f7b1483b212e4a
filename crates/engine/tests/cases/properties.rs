//! Whatever is thrown at it: deciding is pure, living through it never fails, and the rules hold after each step.

use engine::identity::Rules;
use engine::{Change, Context, Entity, Observed, Reference, Stimulus, decide, evolve};
use model::*;
use proptest::prelude::*;

use super::rules;
use super::scale::config;
use super::scenario::{CUSTOMER, Step, World, time};

const HOUR: i64 = 3_600_000_000;

fn pick<T: Clone + std::fmt::Debug + 'static>(of: &[T]) -> impl Strategy<Value = T> + Clone + use<T> {
    prop::sample::select(of.to_vec())
}

/// An event about one of a few orders or promises, so that they meet.
fn event() -> impl Strategy<Value = (&'static str, String)> {
    let order = pick(&["o1", "o2", "o3"]);
    let promise = pick(&["order:o1", "order:o2", "p"]);
    let due = pick(&["2026-03-02", "2026-03-05", "2026-03-04T12:00:00Z", "2026-02-01"]);
    let by = pick(&["customer", "company", "unknown"]);
    let terms = (
        due.clone(),
        pick(&["delivery", "wait"]),
        pick(&["", r#","hand_over_by":"2026-03-03T00:00:00Z""#]),
        pick(&["", r#","tolerance_minutes":600"#]),
        pick(&["", r#","target":10,"comparator":"at_most""#]),
    )
        .prop_map(|(due, attribute, hand_over, tolerance, target)| {
            format!(r#""due":"{due}","attribute":"{attribute}"{hand_over}{tolerance}{target}"#)
        });
    let fulfillment = pick(&[
        "fulfillment.processing",
        "fulfillment.shipped",
        "fulfillment.in_transit",
        "fulfillment.delivered",
        "fulfillment.failed_attempt",
        "fulfillment.undeliverable",
        "fulfillment.returned_to_sender",
    ]);
    prop_oneof![
        3 => (order.clone(), terms.clone()).prop_map(|(o, t)| ("order.placed", format!(r#"{{"order_id":"{o}","promise":{{{t}}}}}"#))),
        4 => (order.clone(), fulfillment, pick(&["1", "0.5"])).prop_map(|(o, name, f)| (name, format!(r#"{{"order_id":"{o}","fraction":{f}}}"#))),
        1 => (order.clone(), by.clone()).prop_map(|(o, by)| ("order.cancelled", format!(r#"{{"order_id":"{o}","cancelled_by":"{by}"}}"#))),
        1 => (order.clone(), pick(&["order.confirmed", "order.allocated", "order.closed", "order.returned", "order.refunded", "payment.captured"]))
            .prop_map(|(o, name)| (name, format!(r#"{{"order_id":"{o}"}}"#))),
        3 => (promise.clone(), pick(&["promise.inquired", "promise.quoted", "promise.made"]), terms, pick(&["", r#","order_id":"o1""#]))
            .prop_map(|(p, name, t, o)| (name, format!(r#"{{"promise_id":"{p}","expires_at":"2026-03-03T00:00:00Z",{t}{o}}}"#))),
        2 => (promise.clone(), pick(&["0", "0.9"])).prop_map(|(p, s)| ("promise.scored", format!(r#"{{"promise_id":"{p}","probability_late":{s}}}"#))),
        2 => (promise.clone(), due).prop_map(|(p, due)| ("promise.revised", format!(r#"{{"promise_id":"{p}","due":"{due}"}}"#))),
        2 => (promise.clone(), pick(&["9", "11", "null"])).prop_map(|(p, n)| ("promise.fulfilled", format!(r#"{{"promise_id":"{p}","actual":{n}}}"#))),
        1 => (promise, by).prop_map(|(p, by)| ("promise.withdrawn", format!(r#"{{"promise_id":"{p}","withdrawn_by":"{by}"}}"#))),
        3 => (order.clone(), pick(&["payment.authorised", "payment.voided", "payment.failed", "payment.captured", "order.refunded"]), pick(&["", r#","amount":"12.50","currency":"EUR""#, r#","reference":"x""#, r#","amount":"1","currency":"KRW""#]))
            .prop_map(|(o, name, more)| (name, format!(r#"{{"order_id":"{o}"{more}}}"#))),
        3 => (order.clone(), pick(&["order.return_requested", "return.in_transit", "return.received", "return.restocked", "return.written_off", "return.refused", "return.closed"]), pick(&["", r#","return_id":"r1""#, r#","return_id":"r2","products":[{"sku":"ink"}]"#]))
            .prop_map(|(o, name, more)| (name, format!(r#"{{"order_id":"{o}"{more}}}"#))),
        1 => (order, pick(&["{}", "[]", "null"])).prop_map(|(_, broken)| ("order.placed", broken.to_owned())),
    ]
}

#[derive(Debug, Clone)]
enum Random {
    /// Hours that pass before it arrives, and hours ago that it happened.
    Event(i64, i64, &'static str, String),
    Clock(i64),
    StartEffects,
    KillSwitch(bool),
    Timeline(u32),
    Settle(bool),
    Doubt,
    Merge,
    Part,
    Threshold(bool),
    Erase,
    /// An order in one action.
    Place,
    Order(OrderCommand),
}

/// An order in one action that needs nothing of supply.
fn one_action(at: Time) -> Command {
    let money = |minor| Money { minor, currency: Currency::new("EUR").unwrap() };
    let line = OrderLine {
        product_id: "ink".into(),
        category: None,
        seller_id: None,
        quantity: 2.0,
        price: Some(money(1250)),
        exchange: Exchange::Direct,
    };
    Command::Quote(Box::new(Quote {
        quote_id: "q3".into(),
        purpose: model::quote::Purpose::OneAction(Box::new(OneAction {
            order_id: "o3".into(),
            request: None,
            wanted: Vec::new(),
            asked_at: at,
            cancel_until: at.plus_micros(HOUR),
            address: None,
            payment_token: Some("t".into()),
        })),
        terms: PromiseTerms {
            promise_id: "q3".into(),
            order_id: None,
            kind: PromiseKind::Order,
            attribute: "delivery".into(),
            due_at: at.plus_micros(48 * HOUR),
            time_zone: "UTC".into(),
            tolerance_micros: 0,
            target: None,
            hand_over_by: Some(at.plus_micros(24 * HOUR)),
            probability: None,
            basis: None,
            reasons: Vec::new(),
            marketing_owner: None,
            operations_owner: None,
        },
        lines: vec![line],
        region: None,
        total: Some(money(2500)),
        needs: Vec::new(),
        parcels: Vec::new(),
        expires_at: at.plus_micros(HOUR),
    }))
}

fn order_command() -> impl Strategy<Value = OrderCommand> {
    let order = || pick(&["o1", "o3"]).prop_map(str::to_owned);
    let by = pick(&[CancelledBy::Customer, CancelledBy::Company]);
    let lines = pick(&[Vec::new(), vec![Wanted { item_id: "ink".into(), quantity: Quantity::ONE }]]);
    prop_oneof![
        (order(), by).prop_map(|(order_id, by)| OrderCommand::Cancel { order_id, by, reason: None }),
        order().prop_map(|order_id| OrderCommand::Undo { order_id }),
        (order(), pick(&["r1", "r2"]), lines).prop_map(|(order_id, id, lines)| {
            OrderCommand::Return(Box::new(ReturnRequest {
                return_id: id.into(),
                order_id,
                lines,
                reason: None,
            }))
        }),
        (order(), any::<bool>()).prop_map(|(order_id, accept)| OrderCommand::DecideReturn {
            order_id,
            return_id: "r1".into(),
            accept,
            reason: None
        }),
    ]
}

fn random() -> impl Strategy<Value = Random> {
    prop_oneof![
        20 => (0..30i64, -5..60i64, event()).prop_map(|(wait, ago, (name, properties))| Random::Event(wait, ago, name, properties)),
        4 => (0..60i64).prop_map(Random::Clock),
        2 => Just(Random::StartEffects),
        1 => any::<bool>().prop_map(Random::KillSwitch),
        1 => (0..2u32).prop_map(Random::Timeline),
        1 => any::<bool>().prop_map(Random::Settle),
        1 => Just(Random::Doubt),
        1 => Just(Random::Merge),
        1 => Just(Random::Part),
        1 => any::<bool>().prop_map(Random::Threshold),
        2 => Just(Random::Place),
        4 => order_command().prop_map(Random::Order),
        1 => prop::num::u8::ANY.prop_map(|n| if n < 10 { Random::Erase } else { Random::Clock(1) }),
    ]
}

fn apply(world: &mut World, random: &Random) {
    // `World::ask` checks purity and all the rules at each step.
    match random {
        Random::Event(wait, ago, name, properties) => {
            let now = world.now.max(time("1")).plus_micros(wait * HOUR);
            let at = now.plus_micros(-ago * HOUR);
            world.step(&Step::Event { now, at, name, properties: properties.clone() });
        }
        Random::Clock(hours) => world.step(&Step::Clock(world.now.max(time("1")).plus_micros(hours * HOUR))),
        Random::Place => {
            let at = world.now.max(time("1"));
            world.step(&Step::Command(one_action(at)));
        }
        Random::Order(command) => world.step(&Step::Command(Command::Order(command.clone()))),
        Random::StartEffects => world.step(&Step::StartEffects),
        Random::KillSwitch(on) => world.step(&Step::KillSwitch(*on)),
        Random::Timeline(timeline) => world.step(&Step::Timeline(*timeline)),
        Random::Settle(done) => {
            let result = if *done { EffectResult::Done } else { EffectResult::Failed("no".into()) };
            let keys: Vec<String> = world.customer().effects.keys().cloned().collect();
            for key in keys {
                world.step(&Step::Command(Command::SettleEffect { key, result: result.clone() }));
            }
        }
        Random::Doubt => {
            let keys: Vec<String> = world.customer().effects.keys().cloned().collect();
            for key in keys {
                world.step(&Step::Command(Command::MarkEffectUnknown { key }));
            }
        }
        Random::Merge => world.step(&Step::MergeInto(EntityId::customer(PartitionId(0), 2))),
        Random::Part => world.step(&Step::Part),
        Random::Threshold(low) => world.step(&Step::Threshold(if *low { 0.3 } else { 0.95 })),
        Random::Erase => world.step(&Step::Command(Command::Erase)),
    }
}

#[test]
fn the_rules_hold_after_every_step_of_any_life() {
    proptest!(config(1_500, 15_000, 300_000), |(life in prop::collection::vec(random(), 1..40))| {
        let mut world = World::new();
        for random in &life {
            apply(&mut world, random);
        }
        let effects: std::collections::BTreeSet<&String> = world.outcomes.iter().filter_map(|outcome| match outcome {
            Outcome::EffectRequested(effect) => Some(&effect.key),
            _ => None,
        }).collect();
        let requested = world.outcomes.iter().filter(|o| matches!(o, Outcome::EffectRequested(_))).count();
        prop_assert_eq!(effects.len(), requested, "an effect was requested twice under one key");
    });
}

/// Orders placed, shipped, delivered and cancelled, promises revised and taken back, told in any order with any delay:
/// the promises end the same. A revision moves a date later, as revisions do.
#[test]
fn the_end_of_a_promise_does_not_depend_on_the_order_in_which_it_was_told() {
    let o = r#""order_id":"o""#;
    let who = || prop::sample::select(vec!["customer", "company", "unknown"]);
    // Each at an hour of its own, so that nothing is told to have happened at once.
    let hours = prop::sample::subsequence((1..200i64).collect::<Vec<_>>(), 9).prop_shuffle();
    let what = (any::<[bool; 9]>(), who(), who(), 120..200i64, 200..280i64);
    let life = (0..48i64, hours, what).prop_flat_map(
        move |(placed, mut hours, (told_of, by, other, due, again))| {
            hours[7..].sort_unstable();
            let day = |hours: i64| Time(time("1").0 + hours * HOUR).to_string();
            let promise = r#""promise":{"due":"2026-03-05","hand_over_by":"2026-03-03T00:00:00Z"}"#;
            let p = r#""promise_id":"order:o""#;
            let mut told = vec![(placed, "order.placed", format!("{{{o},{promise}}}"))];
            let rest = [
                ("fulfillment.shipped", format!("{{{o}}}")),
                ("fulfillment.delivered", format!(r#"{{{o},"fraction":0.5}}"#)),
                ("fulfillment.delivered", format!("{{{o}}}")),
                ("fulfillment.delivered", format!("{{{o}}}")),
                ("promise.fulfilled", format!("{{{p}}}")),
                ("promise.withdrawn", format!(r#"{{{p},"withdrawn_by":"{by}"}}"#)),
                ("order.cancelled", format!(r#"{{{o},"cancelled_by":"{other}"}}"#)),
                ("promise.revised", format!(r#"{{{p},"due":"{}"}}"#, day(due))),
                ("promise.revised", format!(r#"{{{p},"due":"{}"}}"#, day(again))),
            ];
            for ((name, properties), (hour, told_of)) in rest.into_iter().zip(hours.iter().zip(told_of)) {
                if told_of {
                    told.push((placed + hour, name, properties));
                }
            }
            let delays = prop::collection::vec(0..168i64, told.len());
            (Just(told), delays)
        },
    );
    proptest!(config(3_000, 20_000, 1_000_000), |((told, delays) in life)| {
        let run = |mut told: Vec<(i64, i64, &'static str, String)>| {
            told.sort_by_key(|(arrives, ..)| *arrives);
            let mut world = World::new();
            let start = time("1");
            for (arrives, at, name, properties) in told {
                world.step(&Step::Event {
                    now: start.plus_micros(arrives * HOUR),
                    at: start.plus_micros(at * HOUR),
                    name,
                    properties,
                });
            }
            world.step(&Step::Clock(start.plus_micros(1_000 * HOUR)));
            let promise = world.customer().promises["order:o"].clone();
            let order = world.customer().orders["o"].clone();
            // What it came to, why, and against which dates.
            let cause = promise.cause.filter(|_| promise.status == PromiseStatus::Broken);
            let fulfilled_at = promise.fulfilled_at.filter(|_| promise.status == PromiseStatus::Kept);
            let due_at = Some(promise.terms.due_at).filter(|_| cause == Some(BreakCause::Clock));
            (
                (promise.status, cause, fulfilled_at, promise.first_due_at, due_at),
                (order.placed_at, order.shipped_at, order.delivered_at),
            )
        };
        let punctual =
            run(told.iter().cloned().map(|(at, name, properties)| (at, at, name, properties)).collect());
        let delayed = run(
            told.into_iter().zip(delays).map(|((at, name, properties), by)| (at + by, at, name, properties)).collect(),
        );
        prop_assert_eq!(punctual, delayed);
    });
}

// ---- evolve alone: any outcome on any state -----------------------------------------------------------------------

fn some_time() -> impl Strategy<Value = Time> {
    prop_oneof![any::<i64>().prop_map(Time), (0..10i64).prop_map(Time), Just(Time::MIN), Just(Time(i64::MAX))]
}

fn terms() -> impl Strategy<Value = PromiseTerms> {
    (pick(&["p", "q"]), pick(&[None, Some("o")]), some_time(), any::<i64>()).prop_map(
        |(id, order, due_at, tolerance)| PromiseTerms {
            promise_id: id.into(),
            order_id: order.map(str::to_owned),
            kind: PromiseKind::Order,
            attribute: "delivery".into(),
            due_at,
            time_zone: "Nowhere".into(),
            tolerance_micros: tolerance,
            target: None,
            hand_over_by: Some(due_at),
            probability: None,
            basis: None,
            reasons: vec![],
            marketing_owner: None,
            operations_owner: None,
        },
    )
}

fn fact() -> impl Strategy<Value = Fact> {
    let p = || pick(&["p".to_owned(), "q".to_owned()]);
    let o = || pick(&["o".to_owned(), "x".to_owned()]);
    let by = || pick(&[CancelledBy::Customer, CancelledBy::Company, CancelledBy::Unknown]);
    let none = || Just(None::<String>);
    let placed = (o(), some_time()).prop_map(|(order_id, at)| Fact::OrderPlaced {
        order_id,
        at,
        region: None,
        total: None,
        lines: vec![],
    });
    let orders = prop_oneof![
        placed,
        (o(), some_time(), pick(&OrderState::ALL)).prop_map(|(order_id, at, state)| Fact::OrderMoved {
            order_id,
            state,
            at
        }),
        (o(), some_time(), by(), none()).prop_map(|(order_id, at, by, reason)| Fact::OrderCancelled {
            order_id,
            by,
            at,
            reason,
            time_inferred: false,
            stands: true
        }),
        (o(), some_time(), pick(&FulfillmentState::ALL), any::<f64>()).prop_map(
            |(order_id, at, state, fraction)| Fact::FulfillmentMoved {
                order_id,
                state,
                at,
                fraction,
                damaged: true
            }
        ),
        (o(), some_time()).prop_map(|(order_id, at)| Fact::OrderRefunded { order_id, at, amount: None }),
        (o(), some_time()).prop_map(|(order_id, at)| Fact::PaymentCaptured {
            order_id,
            at,
            amount: None,
            method: None,
            installments: None
        }),
        (o(), some_time(), any::<u8>()).prop_map(|(order_id, at, rating)| Fact::ReviewGiven {
            order_id,
            review_id: "r".into(),
            at,
            rating
        }),
    ];
    let promises = prop_oneof![
        (terms(), some_time()).prop_map(|(terms, at)| Fact::PromiseInquired { terms, at }),
        (terms(), some_time()).prop_map(|(terms, at)| Fact::PromiseQuoted { terms, at, expires_at: at }),
        (terms(), some_time()).prop_map(|(terms, at)| Fact::PromiseMade { terms, at }),
        (p(), some_time()).prop_map(|(promise_id, at)| Fact::PromiseAtRisk {
            promise_id,
            at,
            why: RiskReason::NotHandedOver
        }),
        (p(), some_time()).prop_map(|(promise_id, at)| Fact::PromiseRecovered { promise_id, at }),
        (p(), some_time(), any::<u32>()).prop_map(|(promise_id, at, version)| Fact::PromiseRevised {
            promise_id,
            at,
            version,
            due_at: at,
            reason: None
        }),
        (p(), some_time()).prop_map(|(promise_id, at)| Fact::PromiseKept { promise_id, at, actual: None }),
        (p(), some_time()).prop_map(|(promise_id, at)| Fact::PromiseBroken {
            promise_id,
            at,
            cause: BreakCause::Clock
        }),
        (p(), some_time()).prop_map(|(promise_id, at)| Fact::PromiseFulfilledLate {
            promise_id,
            at,
            actual: None
        }),
        (p(), some_time()).prop_map(|(promise_id, at)| Fact::PromiseCorrected {
            promise_id,
            at,
            fulfilled_at: at,
            actual: None
        }),
        (p(), some_time(), by()).prop_map(|(promise_id, at, by)| Fact::PromiseWithdrawn {
            promise_id,
            at,
            by,
            reason: None
        }),
        (p(), some_time()).prop_map(|(promise_id, at)| Fact::PromiseExpired { promise_id, at }),
    ];
    let rest = prop_oneof![
        some_time().prop_map(|at| Fact::ProfileMerged { into: CUSTOMER, at }),
        some_time().prop_map(|at| Fact::ProfileParted { from: CUSTOMER, at }),
        some_time().prop_map(|at| Fact::ProfileErased { at }),
        some_time().prop_map(|at| Fact::SourceCreated { source: "s".into(), key_hash: [0; 32], at }),
        some_time().prop_map(|at| Fact::SourceRevoked { source: "s".into(), at }),
        (some_time(), any::<bool>()).prop_map(|(at, on)| Fact::EffectsSwitched {
            on,
            at,
            reason: String::new()
        }),
        (some_time(), any::<u32>()).prop_map(|(at, timeline)| Fact::ImportStarted {
            timeline,
            name: "i".into(),
            at
        }),
        (some_time(), any::<u32>(), any::<u64>()).prop_map(|(at, timeline, events)| {
            Fact::ImportFinished { timeline, at, events, bad_rows: events }
        }),
        (some_time(), any::<u64>()).prop_map(|(at, seq)| Fact::DeadLetterReplayed { seq, at }),
    ];
    let order = || pick(&["o1", "o3"]).prop_map(str::to_owned);
    let steps = [
        PaymentStep::AuthorisationAsked,
        PaymentStep::Authorised,
        PaymentStep::CaptureAsked,
        PaymentStep::VoidAsked,
        PaymentStep::Voided,
        PaymentStep::RefundAsked,
        PaymentStep::Failed,
        PaymentStep::Owed,
    ];
    let amount = prop::option::of(
        (any::<i64>(), pick(&["EUR", "KRW"]))
            .prop_map(|(minor, code)| Money { minor, currency: Currency::new(code).unwrap() }),
    );
    let ordering = prop_oneof![
        (order(), some_time()).prop_map(|(order_id, at)| OrderFact::HandedOut { order_id, at }),
        (order(), pick(&steps), amount, some_time()).prop_map(|(order_id, step, amount, at)| {
            OrderFact::Payment { order_id, step, amount, reference: None, at }
        }),
        (order(), any::<i64>(), some_time()).prop_map(|(order_id, day, at)| OrderFact::ReturnAsked {
            request: Box::new(ReturnRequest {
                return_id: "r1".into(),
                order_id,
                lines: Vec::new(),
                reason: None
            }),
            day,
            at
        }),
        (order(), pick(&ReturnState::ALL), some_time()).prop_map(|(order_id, state, at)| {
            OrderFact::ReturnMoved { order_id, return_id: "r1".into(), state, reason: None, at }
        }),
        some_time().prop_map(|at| OrderFact::DefaultsSet { defaults: Box::default(), at }),
    ];
    prop_oneof![4 => orders, 6 => promises, 1 => rest, 3 => ordering.prop_map(Fact::Order)]
}

fn outcome() -> impl Strategy<Value = Outcome> {
    let key = || pick(&["k".to_owned(), "l".to_owned()]);
    let timer =
        || prop_oneof![(0..4u64).prop_map(TimerId), Just(TimerId(u64::MAX)), any::<u64>().prop_map(TimerId)];
    let purpose = pick(&[
        TimerPurpose::PromiseDeadline("p".into()),
        TimerPurpose::HandOver("p".into()),
        TimerPurpose::QuoteExpiry("q".into()),
        TimerPurpose::OrderWindow("o3".into()),
    ]);
    let effect = || {
        key().prop_map(|key| Effect {
            key,
            kind: EffectKind::OperationsAlert,
            promise_id: None,
            order_id: None,
            reason: String::new(),
            body: None,
        })
    };
    prop_oneof![
        12 => fact().prop_map(Outcome::Fact),
        3 => (timer(), some_time(), any::<u32>(), purpose)
            .prop_map(|(id, due, timeline, purpose)| Outcome::TimerSet { id, due, timeline: TimelineId(timeline), purpose }),
        1 => timer().prop_map(|id| Outcome::TimerCleared { id }),
        1 => timer().prop_map(|id| Outcome::TimerFired { id }),
        1 => Just(Outcome::Mail { to: CUSTOMER, body: MailBody::ProfileJoined { from: CUSTOMER } }),
        1 => effect().prop_map(Outcome::EffectRequested),
        1 => effect().prop_map(|effect| Outcome::EffectSuppressed { effect, reason: String::new() }),
        1 => key().prop_map(|key| Outcome::EffectStarted { key }),
        1 => (key(), pick(&[EffectResult::Done, EffectResult::Failed("x".into())])).prop_map(|(key, result)| Outcome::EffectSettled { key, result }),
        1 => key().prop_map(|key| Outcome::EffectUnknown { key }),
        1 => Just(Outcome::Ignored { reason: String::new() }),
    ]
}

/// A step of any kind: an outcome, an input, a mail.
#[derive(Debug, Clone)]
enum Any {
    Outcome(Box<Outcome>, u32),
    Input { traits: String, at: Time, kind: EventKind },
    Mail(u32, u64),
}

fn any_step() -> impl Strategy<Value = Any> {
    prop_oneof![
        10 => (outcome(), 0..3u32).prop_map(|(outcome, timeline)| Any::Outcome(Box::new(outcome), timeline)),
        2 => (".{0,12}|\\{\"a\":[0-9]{1,3}\\}", some_time(), pick(&EventKind::ALL)).prop_map(|(traits, at, kind)| Any::Input { traits, at, kind }),
        1 => (0..3u32, prop_oneof![Just(u64::MAX), 0..5u64]).prop_map(|(key, count)| Any::Mail(key, count)),
    ]
}

fn live(entity: &mut Entity, step: &Any) {
    match step {
        Any::Outcome(outcome, timeline) => {
            evolve(entity, &Change::Outcome { outcome, timeline: TimelineId(*timeline) });
        }
        Any::Input { traits, at, kind } => {
            let event = Event {
                kind: *kind,
                name: "n".into(),
                user_id: None,
                anonymous_id: Some("a".into()),
                previous_id: None,
                group_id: None,
                message_id: "m".into(),
                timestamp: *at,
                properties: None,
                traits: Some(traits.into()),
                context: None,
                rest: None,
            };
            let rules = Rules::default();
            let named = rules.read(&event);
            evolve(entity, &Change::Input(&Observed::new(&event, &named, "s", KeyId(1))));
        }
        Any::Mail(index, number) => {
            let body = MailBody::ProfileJoined { from: EntityId::customer(PartitionId(0), *number) };
            let key = MailKey { origin: Position::default(), index: *index };
            evolve(entity, &Change::Mail { key, body: &body });
        }
    }
}

#[test]
fn every_outcome_can_be_lived_through_in_every_state() {
    let reference = Reference::default();
    proptest!(config(1_500, 15_000, 300_000), |(steps in prop::collection::vec(any_step(), 0..40), (name, properties) in event(), now in some_time())| {
        for id in [CUSTOMER, EntityId::workspace()] {
            let mut entity = Entity::new(id);
            let mut again = Entity::new(id);
            for step in &steps {
                live(&mut entity, step);
                live(&mut again, step);
            }
            // By their text, as a state may hold a number that is none.
            prop_assert_eq!(format!("{entity:?}"), format!("{again:?}"), "a replay is the same");
            // Deciding on any state is as total as living is.
            let context = Context { now, timeline: TimelineId(1), reference: &reference, effects_on: true };
            let signal = Signal::parse(name, Some(&properties)).unwrap();
            let stimuli = [
                Stimulus::Signal { name, signal: signal.as_ref(), at: now, properties: None, owner: None },
                Stimulus::Timer(TimerId(1)),
                Stimulus::Timer(TimerId(u64::MAX)),
                Stimulus::Command(&Command::Erase),
                Stimulus::Command(&Command::FinishImport { name: "i".into(), events: 1, bad_rows: 0 }),
                Stimulus::MergeInto(EntityId::customer(PartitionId(0), 7)),
                Stimulus::Part,
                Stimulus::StartEffect("k"),
            ];
            for stimulus in &stimuli {
                for outcome in decide(&entity, stimulus, &context) {
                    evolve(&mut again, &Change::Outcome { outcome: &outcome, timeline: TimelineId(1) });
                }
            }
            prop_assert!(serde_json::to_string(&again).is_ok());
        }
    });
}

#[test]
fn an_erased_customer_lives_through_nothing() {
    proptest!(config(300, 3_000, 50_000), |(steps in prop::collection::vec(any_step(), 0..20), more in prop::collection::vec(any_step(), 1..20))| {
        let mut entity = Entity::new(CUSTOMER);
        for step in &steps {
            live(&mut entity, step);
        }
        let keys = entity.customer().unwrap().keys.clone();
        let erased = Outcome::Fact(Fact::ProfileErased { at: Time(5) });
        evolve(&mut entity, &Change::Outcome { outcome: &erased, timeline: TimelineId::LIVE });
        let then = entity.clone();
        prop_assert!(rules::check_state(then.customer().unwrap()).is_ok());
        prop_assert_eq!(&then.customer().unwrap().keys, &keys, "the keys to destroy are still known");
        for step in &more {
            live(&mut entity, step);
        }
        prop_assert_eq!(entity, then);
    });
}

/// A checkpoint is the state: what is read back is what was written.
#[test]
fn a_snapshot_reads_back() {
    proptest!(config(300, 3_000, 50_000), |(life in prop::collection::vec(random(), 1..30))| {
        let mut world = World::new();
        for random in &life {
            apply(&mut world, random);
        }
        let json = serde_json::to_string(&world.entity).unwrap();
        let back: Entity = serde_json::from_str(&json).unwrap();
        prop_assert_eq!(back, world.entity);
    });
}
