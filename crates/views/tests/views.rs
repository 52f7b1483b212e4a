//! The views from outside: facts go in, rows and reports come out.

use std::collections::HashSet;
use std::error::Error as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use model::{
    BreakCause, CancelledBy, Comparator, Currency, EffectKind, EntityId, Fact, FulfillmentState, Money,
    OrderLine, OrderState, PartitionId, PromiseKind, PromiseStatus, PromiseTerms, RiskReason, SkipReason,
    Target, Time, TimelineId, Violation, ViolationBody,
};
use proptest::prelude::*;
use tempfile::TempDir;
use views::{
    Begin, Change, DeadLetterFilter, EffectChange, EffectFilter, EffectState, Error, GroupBy, ProfileRow,
    PromiseCounts, PromiseReport, Reader, ReportQuery, ReportRow, Views, ViolationFilter, Why,
};

const DAY: i64 = 86_400_000_000;
const HOUR: i64 = DAY / 24;

fn day(days: f64) -> Time {
    Time((days * DAY as f64) as i64)
}

fn customer(number: u64) -> EntityId {
    EntityId::customer(PartitionId(0), number)
}

fn fact_of(entity: EntityId, fact: Fact) -> Change {
    Change::Fact { entity, timeline: TimelineId::LIVE, fact }
}

fn workspace(fact: Fact) -> Change {
    fact_of(EntityId::workspace(), fact)
}

fn clock(to: Time) -> Change {
    Change::Clock { timeline: TimelineId::LIVE, to }
}

fn terms(promise_id: &str, order_id: Option<&str>, due_at: Time) -> PromiseTerms {
    PromiseTerms {
        promise_id: promise_id.into(),
        order_id: order_id.map(Into::into),
        kind: PromiseKind::Order,
        attribute: "delivery".into(),
        due_at,
        time_zone: "UTC".into(),
        tolerance_micros: 0,
        target: None,
        hand_over_by: None,
        probability: None,
        basis: None,
        reasons: vec![],
        marketing_owner: None,
        operations_owner: None,
    }
}

fn line(category: Option<&str>, seller: Option<&str>) -> OrderLine {
    OrderLine {
        product_id: "sku".into(),
        category: category.map(Into::into),
        seller_id: seller.map(Into::into),
        quantity: 1.0,
        price: None,
        exchange: Default::default(),
    }
}

fn profile(entity: EntityId, name: &str, last_seen: Time) -> ProfileRow {
    ProfileRow {
        entity,
        user_id: Some(format!("user {name}")),
        anonymous_ids: vec![format!("device {name}")],
        name: Some(name.into()),
        email: Some(format!("{name}@example.com")),
        first_seen: Time(0),
        last_seen,
        event_count: 3,
        orders: 1,
        promises: PromiseCounts { made: 1, open: 1, ..Default::default() },
        merged_into: None,
        traits: Some(format!(r#"{{"name":"{name}"}}"#)),
    }
}

/// Views in a directory of their own, which are told one change per journal entry.
struct Bench {
    dir: TempDir,
    views: Views,
}

impl Bench {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let views = Views::open(dir.path().join("views.db")).unwrap().views;
        Bench { dir, views }
    }

    fn told(changes: impl IntoIterator<Item = Change>) -> Self {
        let mut bench = Self::new();
        bench.tell(changes);
        bench
    }

    fn tell(&mut self, changes: impl IntoIterator<Item = Change>) {
        let changes: Vec<_> = (self.views.position() + 1..).zip(changes).collect();
        let upto = changes.last().map_or(0, |(seq, _)| *seq);
        self.views.apply(upto, &changes).unwrap();
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("views.db")
    }

    fn reader(&self) -> Reader {
        Reader::open(self.path()).unwrap()
    }

    fn report(&self, query: &ReportQuery) -> PromiseReport {
        self.reader().promise_report(query).unwrap()
    }
}

fn near(found: Option<f64>, expect: f64) {
    assert!(found.is_some_and(|found| (found - expect).abs() < 1e-9), "{found:?} is not {expect}");
}

// ---------------------------------------------------------------------------------------------------------------
// From facts to rows

/// What a sequence of facts makes of a promise that is due on day 10: status, when it came to pass, cause,
/// corrected, ever at risk; and the states on its way.
#[test]
fn a_promise_goes_where_its_facts_take_it() {
    let id = || "p".to_owned();
    let made = || Fact::PromiseMade { terms: terms("p", None, day(10.0)), at: day(1.0) };
    let inquired = || Fact::PromiseInquired { terms: terms("p", None, day(9.0)), at: day(0.1) };
    let quoted =
        || Fact::PromiseQuoted { terms: terms("p", None, day(9.5)), at: day(0.2), expires_at: day(0.9) };
    let at_risk = || Fact::PromiseAtRisk { promise_id: id(), at: day(2.0), why: RiskReason::NotHandedOver };
    let recovered = || Fact::PromiseRecovered { promise_id: id(), at: day(3.0) };
    let kept = |at: f64| Fact::PromiseKept { promise_id: id(), at: day(at), actual: None };
    let broken = |cause| Fact::PromiseBroken { promise_id: id(), at: day(10.0), cause };
    let late = || Fact::PromiseFulfilledLate { promise_id: id(), at: day(12.0), actual: None };
    let corrected =
        || Fact::PromiseCorrected { promise_id: id(), at: day(13.0), fulfilled_at: day(9.0), actual: None };
    let withdrawn =
        |by| Fact::PromiseWithdrawn { promise_id: id(), at: day(4.0), by, reason: Some("why".into()) };
    let expired = || Fact::PromiseExpired { promise_id: id(), at: day(0.9) };

    let check = |facts: Vec<Fact>, status: &str, fulfilled: Option<f64>, cause: Option<&str>, way: &str| {
        let names: Vec<_> = facts.iter().map(Fact::name).collect();
        let changed_mind = facts.iter().any(|fact| matches!(fact, Fact::PromiseCorrected { .. }));
        let risky = facts.iter().any(|fact| matches!(fact, Fact::PromiseAtRisk { .. }));
        let bench = Bench::told(facts.into_iter().map(|fact| fact_of(customer(7), fact)));
        let row = bench.reader().promise(customer(7), "p").unwrap().unwrap();
        assert_eq!(row.status.name(), status, "{names:?}");
        assert_eq!(row.fulfilled_at, fulfilled.map(day), "{names:?}");
        assert_eq!(row.cause.map(|cause| cause.name()), cause, "{names:?}");
        assert_eq!((row.corrected, row.ever_at_risk), (changed_mind, risky), "{names:?}");
        let history = bench.reader().history(customer(7)).unwrap();
        assert_eq!(history.iter().map(|step| step.fact.as_str()).collect::<Vec<_>>(), names);
        let states: Vec<_> = history.iter().map(|step| step.status.name()).collect();
        assert_eq!(states.join(" "), way, "{names:?}");
    };

    check(vec![inquired()], "inquired", None, None, "inquired");
    check(vec![inquired(), quoted(), expired()], "expired", None, None, "inquired quoted expired");
    check(vec![inquired(), quoted(), made()], "made", None, None, "inquired quoted made");
    check(vec![made(), at_risk()], "at_risk", None, None, "made at_risk");
    check(vec![made(), at_risk(), recovered()], "made", None, None, "made at_risk made");
    check(vec![made(), at_risk(), kept(9.0)], "kept", Some(9.0), None, "made at_risk kept");
    check(vec![made(), broken(BreakCause::Clock)], "broken", None, Some("clock"), "made broken");
    check(
        vec![made(), broken(BreakCause::Clock), late()],
        "broken",
        Some(12.0),
        Some("clock"),
        "made broken broken",
    );
    check(
        vec![made(), broken(BreakCause::Clock), late(), corrected()],
        "kept",
        Some(9.0),
        Some("clock"),
        "made broken broken kept",
    );
    check(vec![made(), broken(BreakCause::Company)], "broken", None, Some("company"), "made broken");
    check(vec![made(), withdrawn(CancelledBy::Customer)], "withdrawn", None, None, "made withdrawn");
    check(vec![made(), withdrawn(CancelledBy::Unknown)], "withdrawn", None, None, "made withdrawn");
    // However it was reported, the company taking a promise back breaks it.
    check(vec![made(), withdrawn(CancelledBy::Company)], "broken", None, Some("company"), "made broken");
}

#[test]
fn the_first_verdict_stays_on_record() {
    let bench = Bench::told(
        [
            Fact::PromiseMade { terms: terms("p", None, day(10.0)), at: day(1.0) },
            Fact::PromiseBroken { promise_id: "p".into(), at: day(10.0), cause: BreakCause::Clock },
            Fact::PromiseCorrected {
                promise_id: "p".into(),
                at: day(13.0),
                fulfilled_at: day(9.0),
                actual: Some(2.5),
            },
        ]
        .map(|fact| fact_of(customer(1), fact)),
    );
    let row = bench.reader().promise(customer(1), "p").unwrap().unwrap();
    assert_eq!((row.broken_at, row.corrected_at), (Some(day(10.0)), Some(day(13.0))));
    assert_eq!(row.actual, Some(2.5));
}

#[test]
fn no_revision_moves_the_first_due_date() {
    // 2026-03-31T15:30Z is already April in Seoul.
    let [march, april_in_seoul, may]: [Time; 3] =
        ["2026-03-10T00:00:00Z", "2026-03-31T15:30:00Z", "2026-05-02T00:00:00Z"]
            .map(|text| Time::parse(text).unwrap());
    let mut seoul = terms("p", None, march);
    seoul.time_zone = "Asia/Seoul".into();
    let revised = |version: u32, due_at| Fact::PromiseRevised {
        promise_id: "p".into(),
        at: Time(version.into()),
        version,
        due_at,
        reason: Some("storm".into()),
    };
    let quote = Fact::PromiseQuoted {
        terms: PromiseTerms { due_at: may, ..seoul.clone() },
        at: Time(1),
        expires_at: Time(5),
    };
    let mut bench = Bench::told(
        [quote, Fact::PromiseMade { terms: seoul, at: Time(2) }, revised(2, april_in_seoul)]
            .map(|fact| fact_of(customer(1), fact)),
    );
    let row = bench.reader().promise(customer(1), "p").unwrap().unwrap();
    // What was quoted does not count as the first promise; what was made does.
    assert_eq!((row.first_due_at, row.due_at, row.version), (march, april_in_seoul, 2));
    assert_eq!(row.due_month, "2026-04");
    bench.tell([fact_of(customer(1), revised(3, may))]);
    let row = bench.reader().promise(customer(1), "p").unwrap().unwrap();
    assert_eq!(
        (row.first_due_at, row.due_at, row.version, row.due_month.as_str()),
        (march, may, 3, "2026-05")
    );
    let revisions = bench.reader().revisions_of(customer(1)).unwrap();
    let dues: Vec<_> = revisions.iter().map(|revision| (revision.version, revision.due_at)).collect();
    assert_eq!(dues, [(1, march), (2, april_in_seoul), (3, may)]);
}

#[test]
fn a_promise_keeps_all_its_terms() {
    let all = PromiseTerms {
        target: Some(Target {
            comparator: Comparator::AtLeast,
            value: 2000.0,
            tolerance: 100.0,
            unit: "pages".into(),
        }),
        kind: PromiseKind::Claim,
        attribute: "yield".into(),
        tolerance_micros: 5,
        hand_over_by: Some(day(3.0)),
        probability: Some(0.9),
        basis: model::Basis::from_name("lead_time"),
        reasons: vec!["재고".into(), "two".into()],
        marketing_owner: Some("mo".into()),
        operations_owner: Some("oo".into()),
        ..terms("p", Some("o"), day(10.0))
    };
    let bench = Bench::told([fact_of(customer(1), Fact::PromiseMade { terms: all.clone(), at: day(1.0) })]);
    let row = bench.reader().promise(customer(1), "p").unwrap().unwrap();
    let target = row.target.clone().unwrap();
    let read = PromiseTerms {
        promise_id: row.promise_id.clone(),
        order_id: row.order_id.clone(),
        kind: row.kind,
        attribute: row.attribute.clone(),
        due_at: row.due_at,
        time_zone: row.time_zone.clone(),
        tolerance_micros: row.tolerance_micros,
        target: Some(Target {
            comparator: target.comparator,
            value: target.value,
            tolerance: target.tolerance,
            unit: target.unit,
        }),
        hand_over_by: row.hand_over_by,
        probability: row.probability,
        basis: row.basis,
        reasons: row.reasons.clone(),
        marketing_owner: row.marketing_owner.clone(),
        operations_owner: row.operations_owner.clone(),
    };
    assert_eq!(read, all);
    let json = serde_json::to_value(&row).unwrap();
    assert_eq!(json["entity"], "cus-0-1");
    assert_eq!(json["due_at"], "1970-01-11T00:00:00Z");
    assert_eq!(json["target"]["comparator"], "at_least");
    assert_eq!(json["basis"], "lead_time");
}

#[test]
fn facts_about_unknown_promises_leave_no_trace() {
    let bench = Bench::told([
        fact_of(customer(1), Fact::PromiseKept { promise_id: "p".into(), at: Time(1), actual: None }),
        fact_of(
            customer(1),
            Fact::PromiseRevised {
                promise_id: "p".into(),
                at: Time(1),
                version: 2,
                due_at: Time(2),
                reason: None,
            },
        ),
    ]);
    assert_eq!(bench.views.dump().unwrap(), "");
    assert_eq!(bench.views.position(), 2);
}

#[test]
fn an_order_collects_what_happens_to_it() {
    let brl = |minor| Some(Money { minor, currency: Currency::new("BRL").unwrap() });
    let order_id = || "o".to_owned();
    let moved = |state, at: f64, fraction, damaged| Fact::FulfillmentMoved {
        order_id: order_id(),
        state,
        at: day(at),
        fraction,
        damaged,
    };
    let lines = vec![line(Some("toys"), Some("s1")), line(None, None)];
    let mut bench = Bench::told(
        [
            Fact::OrderPlaced {
                order_id: order_id(),
                at: day(1.0),
                region: Some("SP".into()),
                total: brl(4990),
                lines,
            },
            Fact::PaymentCaptured {
                order_id: order_id(),
                at: day(1.1),
                amount: brl(4990),
                method: Some("card".into()),
                installments: Some(3),
            },
            Fact::OrderMoved { order_id: order_id(), state: OrderState::Confirmed, at: day(1.2) },
            moved(FulfillmentState::Shipped, 2.0, 1.0, false),
            moved(FulfillmentState::InTransit, 3.0, 1.0, false),
            moved(FulfillmentState::Delivered, 4.0, 0.5, true),
        ]
        .map(|fact| fact_of(customer(1), fact)),
    );
    let order = bench.reader().orders_of(customer(1)).unwrap().remove(0);
    assert_eq!(
        (order.state, order.region.as_deref(), order.total),
        (OrderState::Confirmed, Some("SP"), brl(4990))
    );
    assert_eq!((order.placed_at, order.shipped_at), (Some(day(1.0)), Some(day(2.0))));
    assert_eq!((order.delivered_at, order.delivered_fraction, order.damaged), (None, Some(0.5), true));
    assert_eq!(order.lines.len(), 2);
    assert_eq!(order.lines[0].category.as_deref(), Some("toys"));
    assert_eq!(serde_json::to_value(&order).unwrap()["total"]["currency"], "BRL");

    bench.tell(
        [
            moved(FulfillmentState::Delivered, 6.0, 1.0, false),
            Fact::OrderMoved { order_id: order_id(), state: OrderState::Delivered, at: day(6.5) },
            // A late report of an earlier arrival.
            moved(FulfillmentState::Delivered, 5.0, 1.0, false),
            Fact::OrderRefunded { order_id: order_id(), at: day(9.0), amount: brl(-500) },
            Fact::ReviewGiven { order_id: order_id(), review_id: "r".into(), at: day(7.0), rating: 4 },
            Fact::ReviewGiven { order_id: order_id(), review_id: "r".into(), at: day(8.0), rating: 2 },
        ]
        .map(|fact| fact_of(customer(1), fact)),
    );
    let order = bench.reader().orders_of(customer(1)).unwrap().remove(0);
    assert_eq!((order.state, order.delivered_at), (OrderState::Delivered, Some(day(5.0))));
    assert_eq!((order.delivered_fraction, order.damaged), (Some(1.0), true));
    assert_eq!(order.refunded_at, Some(day(9.0)));
    let payments = bench.reader().payments_of(customer(1)).unwrap();
    assert_eq!(
        payments.iter().map(|p| (p.kind.as_str(), p.amount)).collect::<Vec<_>>(),
        [("captured", brl(4990)), ("refunded", brl(-500))]
    );
    assert_eq!((payments[0].method.as_deref(), payments[0].installments), (Some("card"), Some(3)));
    let reviews = bench.reader().reviews_of(customer(1)).unwrap();
    assert_eq!(reviews.iter().map(|review| review.rating).collect::<Vec<_>>(), [2]);
}

#[test]
fn a_cancelled_order_says_by_whom() {
    let bench = Bench::told([
        fact_of(
            customer(1),
            Fact::OrderPlaced {
                order_id: "o".into(),
                at: day(1.0),
                region: None,
                total: None,
                lines: vec![],
            },
        ),
        fact_of(
            customer(1),
            Fact::OrderCancelled {
                order_id: "o".into(),
                by: CancelledBy::Company,
                at: day(2.0),
                reason: Some("unavailable".into()),
                time_inferred: true,
                stands: true,
            },
        ),
    ]);
    let order = bench.reader().orders_of(customer(1)).unwrap().remove(0);
    assert_eq!(order.state, OrderState::Cancelled);
    assert_eq!((order.cancelled_by, order.cancelled_at), (Some(CancelledBy::Company), Some(day(2.0))));
    assert_eq!(
        (order.cancel_reason.as_deref(), order.cancel_time_inferred),
        (Some("unavailable"), Some(true))
    );
}

#[test]
fn the_same_ids_of_two_customers_are_two() {
    let made = |n| {
        fact_of(customer(n), Fact::PromiseMade { terms: terms("p", Some("o"), day(n as f64)), at: Time(0) })
    };
    let bench = Bench::told([made(1), made(2)]);
    let due = |n| bench.reader().promise(customer(n), "p").unwrap().unwrap().due_at;
    assert_eq!((due(1), due(2)), (day(1.0), day(2.0)));
}

#[test]
fn the_workspace_has_its_own_tables() {
    let mut bench = Bench::told(
        [
            Fact::SourceCreated { source: "web".into(), key_hash: [7; 32], at: Time(1) },
            Fact::SourceCreated { source: "app".into(), key_hash: [8; 32], at: Time(2) },
            Fact::SourceRevoked { source: "web".into(), at: Time(3) },
            Fact::ImportStarted { timeline: 4, name: "olist".into(), at: Time(4) },
            Fact::EffectsSwitched { on: true, at: Time(5), reason: "start".into() },
            Fact::EffectsSwitched { on: false, at: Time(6), reason: "stop".into() },
        ]
        .map(workspace),
    );
    let sources = bench.reader().sources().unwrap();
    let seen: Vec<_> =
        sources.iter().map(|s| (s.source.as_str(), s.key_hash[0], s.created_at, s.revoked_at)).collect();
    assert_eq!(seen, [("app", 8, Time(2), None), ("web", 7, Time(1), Some(Time(3)))]);
    let switch = bench.reader().effects_switch().unwrap().unwrap();
    assert_eq!((switch.on, switch.at, switch.reason.as_str()), (false, Time(6), "stop"));
    assert_eq!(bench.reader().imports().unwrap()[0].finished_at, None);
    bench.tell([
        workspace(Fact::ImportFinished { timeline: 4, at: Time(9), events: 100, bad_rows: 2 }),
        // A key for the same name begins it anew.
        workspace(Fact::SourceCreated { source: "web".into(), key_hash: [9; 32], at: Time(10) }),
        Change::Clock { timeline: TimelineId(4), to: Time(70) },
        Change::Clock { timeline: TimelineId(4), to: Time(80) },
    ]);
    let import = bench.reader().imports().unwrap().remove(0);
    assert_eq!((import.name.as_str(), import.finished_at), ("olist", Some(Time(9))));
    assert_eq!((import.events, import.bad_rows), (Some(100), Some(2)));
    assert_eq!(bench.reader().sources().unwrap()[1].revoked_at, None);
    assert_eq!(bench.reader().clock(TimelineId(4)).unwrap().unwrap().at, Time(80));
    assert_eq!(bench.reader().clocks().unwrap().len(), 1);
}

fn violation(source: &str, sender: &str, blocked: bool, at: i64, pointers: &[&str]) -> Change {
    let one = |pointer: &&str| Violation {
        pointer: pointer.to_string().into(),
        rule: "type".into(),
        expected: "string".into(),
    };
    Change::Violation {
        source: source.into(),
        received_at: Time(at),
        body: Box::new(ViolationBody {
            event: "Seen".into(),
            sender: sender.to_owned().into(),
            plan: 2,
            blocked,
            message_id: format!("m-{at}").into(),
            violations: pointers.iter().map(one).collect(),
            more: 0,
        }),
    }
}

#[test]
fn violations_are_counted_by_who_sent_them_and_where_they_are() {
    let mut many = violation("app", "2", false, 70, &["/a"]);
    let Change::Violation { body, .. } = &mut many else { unreachable!("made as one") };
    body.more = 5;
    let bench = Bench::told([
        violation("web", "1", false, 10, &["/a", "/b"]),
        violation("web", "1", false, 30, &["/a"]),
        violation("web", "1", false, 20, &["/a"]),
        violation("web", "1", true, 40, &["/a"]),
        violation("web", "2", false, 50, &["/a"]),
        many,
    ]);
    let reader = bench.reader();
    let rows = |filter: ViolationFilter| -> Vec<(String, String, bool, i64, u64)> {
        let rows = reader.violations(&filter).unwrap();
        rows.into_iter()
            .map(|r| (format!("{} {}", r.source, r.sender), r.pointer, r.blocked, r.last_at.0, r.count))
            .collect()
    };
    let row = |of: &str, pointer: &str, blocked, last: i64, count| {
        (of.to_owned(), pointer.to_owned(), blocked, last, count)
    };
    let web = ViolationFilter { source: Some("web".into()), ..ViolationFilter::default() };
    assert_eq!(
        rows(web),
        [
            row("web 2", "/a", false, 50, 1),
            row("web 1", "/a", true, 40, 1),
            row("web 1", "/a", false, 30, 3),
            row("web 1", "/b", false, 10, 1),
        ]
    );
    let app = ViolationFilter { source: Some("app".into()), ..ViolationFilter::default() };
    assert_eq!(rows(app), [row("app 2", "", false, 70, 5), row("app 2", "/a", false, 70, 1)]);
    let other = ViolationFilter { event: Some("Another".into()), ..ViolationFilter::default() };
    assert!(rows(other).is_empty());
    let first = reader.violations(&ViolationFilter { limit: Some(1), ..ViolationFilter::default() }).unwrap();
    assert_eq!(first.len(), 1);
    assert_eq!(reader.violation_totals().unwrap(), (11, 1));
}

#[test]
fn a_sender_that_makes_up_names_without_end_fills_no_disk() {
    let bench = Bench::told((0..2_500).map(|n| violation("web", "1", false, n, &[&format!("/field{n}")])));
    let rows = bench.reader().violations(&ViolationFilter::default()).unwrap();
    assert_eq!(rows.len(), 2_001);
    let rest = rows.iter().find(|row| row.pointer == "*").unwrap();
    assert_eq!((rest.event.as_str(), rest.count, rest.last_at.0), ("*", 500, 2_499));
    assert_eq!(bench.reader().violation_totals().unwrap(), (2_500, 0));
}

#[test]
fn dead_letters_hold_what_was_refused_and_what_was_passed_over() {
    let letter = |seq: u64, source: &str| Change::DeadLetter {
        seq,
        source: source.into(),
        code: "bad_row".into(),
        place: format!("orders.csv:{seq}"),
        reason: "no order_id".into(),
        received_at: Time(50),
    };
    let bench = Bench::told([
        letter(3, "a"),
        letter(5, "b"),
        Change::Skipped { seq: 8, reason: SkipReason::Poison("overflow".into()) },
        Change::Skipped { seq: 9, reason: SkipReason::Unreadable("key gone".into()) },
        workspace(Fact::DeadLetterReplayed { seq: 5, at: Time(99) }),
    ]);
    let reader = bench.reader();
    let seqs = |filter: DeadLetterFilter| -> Vec<u64> {
        reader.dead_letters(&filter).unwrap().iter().map(|letter| letter.seq).collect()
    };
    let all = DeadLetterFilter::default;
    assert_eq!(seqs(all()), [9, 8, 5, 3]);
    assert_eq!(seqs(DeadLetterFilter { source: Some("a".into()), ..all() }), [3]);
    assert_eq!(seqs(DeadLetterFilter { code: Some("poison".into()), ..all() }), [8]);
    assert_eq!(seqs(DeadLetterFilter { code: Some("unreadable".into()), ..all() }), [9]);
    assert_eq!(seqs(DeadLetterFilter { replayed: Some(true), ..all() }), [5]);
    assert_eq!(seqs(DeadLetterFilter { replayed: Some(false), ..all() }), [9, 8, 3]);
    assert_eq!(seqs(DeadLetterFilter { before: Some(8), limit: Some(1), ..all() }), [5]);
    let replayed = reader.dead_letter(5).unwrap().unwrap();
    assert_eq!((replayed.place.as_deref(), replayed.replayed_at), (Some("orders.csv:5"), Some(Time(99))));
    assert_eq!(reader.dead_letter(8).unwrap().unwrap().reason, "folding it failed: overflow");
    assert_eq!(reader.dead_letter(4).unwrap(), None);
}

fn effect(entity: EntityId, key: &str, state: EffectState, at: Time) -> EffectChange {
    EffectChange {
        entity,
        key: key.into(),
        kind: None,
        promise_id: None,
        order_id: None,
        reason: None,
        detail: None,
        state,
        at,
    }
}

#[test]
fn a_step_of_an_effect_that_knows_only_its_key_keeps_the_rest() {
    let step = |key, state, at| effect(customer(1), key, state, Time(at));
    let bench = Bench::told(
        [
            EffectChange {
                kind: Some(EffectKind::CustomerNotify),
                promise_id: Some("p".into()),
                reason: Some("promise_at_risk".into()),
                ..step("k1", EffectState::Requested, 1)
            },
            step("k1", EffectState::Started, 2),
            EffectChange { detail: Some("no such address".into()), ..step("k1", EffectState::Failed, 3) },
            EffectChange { detail: Some("import".into()), ..step("k2", EffectState::Suppressed, 4) },
            step("k3", EffectState::Unknown, 5),
        ]
        .map(Change::Effect),
    );
    let reader = bench.reader();
    let find = |filter: EffectFilter| reader.effects(&filter).unwrap();
    let failed = find(EffectFilter { state: Some(EffectState::Failed), ..Default::default() }).remove(0);
    assert_eq!((failed.kind, failed.promise_id.as_deref()), (Some(EffectKind::CustomerNotify), Some("p")));
    assert_eq!(
        (failed.reason.as_deref(), failed.detail.as_deref()),
        (Some("promise_at_risk"), Some("no such address"))
    );
    assert_eq!((failed.first_at, failed.at, failed.seq), (Time(1), Time(3), 3));
    let keys = |filter| find(filter).into_iter().map(|effect| effect.key).collect::<Vec<_>>();
    assert_eq!(keys(EffectFilter::default()), ["k3", "k2", "k1"]);
    assert_eq!(keys(EffectFilter { skip: 1, limit: Some(1), ..Default::default() }), ["k2"]);
    assert!(keys(EffectFilter { entity: Some(customer(2)), ..Default::default() }).is_empty());
    for state in EffectState::ALL {
        assert_eq!(EffectState::from_name(state.name()), Some(state));
    }
}

#[test]
fn profiles_are_found_by_what_is_known_of_them() {
    let put = |row: ProfileRow| Change::Profile(Box::new(row));
    let bench = Bench::told([
        put(profile(customer(1), "Ana_100%", Time(5))),
        put(profile(customer(2), "지우", Time(9))),
        put(profile(customer(3), "Anatol", Time(7))),
        // The last one counts.
        put(ProfileRow { event_count: 4, ..profile(customer(3), "Anatol", Time(8)) }),
        fact_of(customer(3), Fact::ProfileMerged { into: customer(1), at: Time(9) }),
    ]);
    let reader = bench.reader();
    let found = |text| -> Vec<u64> {
        reader.profiles(text, 10).unwrap().iter().map(|row| row.entity.number).collect()
    };
    // Who was merged is found by their number alone; what was theirs counts with whom they joined.
    assert_eq!(found(None), [2, 1]);
    assert_eq!(found(Some("  ")), [2, 1]);
    assert_eq!(found(Some("ana")), [1]);
    assert_eq!(found(Some("cus-0-3")), [3]);
    let own = profile(customer(1), "Ana_100%", Time(5));
    let both = reader.profile(customer(1)).unwrap().unwrap();
    assert!(own.orders > 0 && own.promises.made > 0);
    assert_eq!((both.orders, both.promises.made), (2 * own.orders, 2 * own.promises.made));
    assert_eq!(found(Some("a_1")), [1]);
    assert_eq!(found(Some("0%")), [1]);
    assert_eq!(found(Some("%")), [1]);
    assert_eq!(found(Some("지우")), [2]);
    assert_eq!(found(Some("device 지우")), [2]);
    assert_eq!(found(Some("cus-0-2")), [2]);
    assert_eq!(found(Some("nobody")), [] as [u64; 0]);
    // How a list of ids is stored is nothing to be found by.
    assert_eq!(found(Some("[")), [] as [u64; 0]);
    assert_eq!(reader.profiles(None, 1).unwrap().len(), 1);
    let anatol = reader.profile(customer(3)).unwrap().unwrap();
    let expect = ProfileRow {
        event_count: 4,
        merged_into: Some(customer(1)),
        ..profile(customer(3), "Anatol", Time(8))
    };
    assert_eq!(anatol, expect);
    let json = serde_json::to_value(&anatol).unwrap();
    assert_eq!(json["traits"]["name"], "Anatol");
    assert_eq!(json["merged_into"], "cus-0-1");
    assert_eq!(reader.profile(customer(4)).unwrap(), None);
}

#[test]
fn a_writer_and_readers_can_move_to_threads_of_their_own() {
    fn moves<T: Send>() {}
    moves::<Views>();
    moves::<Reader>();
}

// ---------------------------------------------------------------------------------------------------------------
// Positions, batches, rebuilding

#[test]
fn an_overlapping_range_changes_nothing() {
    let made = |n: u64| {
        let terms = terms(&format!("p{n}"), None, day(n as f64));
        (n, fact_of(customer(n), Fact::PromiseMade { terms, at: Time(0) }))
    };
    let pay = |n: u64| {
        let fact = Fact::PaymentCaptured {
            order_id: "o".into(),
            at: Time(0),
            amount: None,
            method: None,
            installments: None,
        };
        (n, fact_of(customer(1), fact))
    };
    let mut bench = Bench::new();
    let all = [made(1), pay(2), pay(2), made(3)];
    bench.views.apply(3, &all).unwrap();
    let before = bench.views.dump().unwrap();
    bench.views.apply(3, &all).unwrap();
    bench.views.apply(2, &all[..2]).unwrap();
    assert_eq!((bench.views.dump().unwrap(), bench.views.position()), (before, 3));
    // An overlap brings only what is new.
    bench.views.apply(5, &[pay(2), pay(2), made(3), made(4)]).unwrap();
    assert_eq!(bench.reader().payments_of(customer(1)).unwrap().len(), 2);
    assert!(bench.reader().promise(customer(4), "p4").unwrap().is_some());
    assert_eq!(bench.reader().position().unwrap(), 5);
}

#[test]
fn changes_out_of_order_are_refused_whole() {
    let mut bench = Bench::new();
    let to = |seq| (seq, clock(Time(seq as i64)));
    for (upto, changes) in [(3, vec![to(2), to(1)]), (3, vec![to(2), to(4)])] {
        let refused = bench.views.apply(upto, &changes).unwrap_err();
        assert!(matches!(refused, Error::OutOfOrder { .. }), "{refused}");
    }
    assert_eq!((bench.views.position(), bench.views.dump().unwrap().as_str()), (0, ""));
}

#[test]
fn reopened_views_go_on_where_they_stood() {
    let Bench { dir, mut views } = Bench::told([clock(Time(1))]);
    views.apply(40, &[]).unwrap();
    drop(views);
    let opened = Views::open(dir.path().join("views.db")).unwrap();
    assert_eq!(opened.begin, Begin::Resumed);
    assert!(!opened.is_fresh());
    assert_eq!(opened.views.position(), 40);
}

fn any_time() -> impl Strategy<Value = Time> {
    (0..60_i64).prop_map(|days| Time(days * DAY))
}

fn any_terms() -> impl Strategy<Value = PromiseTerms> {
    let zone = prop_oneof![Just("UTC"), Just("Asia/Seoul"), Just("nowhere")];
    (0..3_u8, proptest::option::of(0..2_u8), any_time(), zone, any::<bool>()).prop_map(
        |(id, order, due_at, zone, is_target)| PromiseTerms {
            time_zone: zone.into(),
            reasons: if is_target { vec!["because".into()] } else { vec![] },
            target: is_target.then(|| Target {
                comparator: Comparator::AtMost,
                value: 10.0,
                tolerance: 0.5,
                unit: "min".into(),
            }),
            ..terms(&format!("p{id}"), order.map(|o| format!("o{o}")).as_deref(), due_at)
        },
    )
}

fn any_by() -> impl Strategy<Value = CancelledBy> {
    prop_oneof![Just(CancelledBy::Customer), Just(CancelledBy::Company), Just(CancelledBy::Unknown)]
}

fn any_promise_fact() -> impl Strategy<Value = Fact> {
    let id = || (0..3_u8).prop_map(|id| format!("p{id}"));
    let actual = || proptest::option::of(0.0..20.0_f64);
    let made = (any_terms(), any_time()).prop_map(|(terms, at)| Fact::PromiseMade { terms, at });
    let rest = prop_oneof![
        (any_terms(), any_time()).prop_map(|(terms, at)| Fact::PromiseInquired { terms, at }),
        (any_terms(), any_time(), any_time()).prop_map(|(terms, at, expires_at)| Fact::PromiseQuoted {
            terms,
            at,
            expires_at
        }),
        (id(), any_time()).prop_map(|(promise_id, at)| Fact::PromiseAtRisk {
            promise_id,
            at,
            why: RiskReason::Scored { probability_late: 0.75, reason: "slow".into() }
        }),
        (id(), any_time()).prop_map(|(promise_id, at)| Fact::PromiseRecovered { promise_id, at }),
        (id(), any_time(), 2..5_u32, any_time()).prop_map(|(promise_id, at, version, due_at)| {
            Fact::PromiseRevised { promise_id, at, version, due_at, reason: None }
        }),
        (id(), any_time(), actual()).prop_map(|(promise_id, at, actual)| Fact::PromiseKept {
            promise_id,
            at,
            actual
        }),
        (id(), any_time(), any::<bool>()).prop_map(|(promise_id, at, clock)| Fact::PromiseBroken {
            promise_id,
            at,
            cause: if clock { BreakCause::Clock } else { BreakCause::Company }
        }),
        (id(), any_time(), actual()).prop_map(|(promise_id, at, actual)| Fact::PromiseFulfilledLate {
            promise_id,
            at,
            actual
        }),
        (id(), any_time(), any_time(), actual()).prop_map(|(promise_id, at, fulfilled_at, actual)| {
            Fact::PromiseCorrected { promise_id, at, fulfilled_at, actual }
        }),
        (id(), any_time(), any_by()).prop_map(|(promise_id, at, by)| Fact::PromiseWithdrawn {
            promise_id,
            at,
            by,
            reason: None
        }),
        (id(), any_time()).prop_map(|(promise_id, at)| Fact::PromiseExpired { promise_id, at }),
    ];
    prop_oneof![1 => made, 3 => rest]
}

fn any_order_fact() -> impl Strategy<Value = Fact> {
    let id = || (0..2_u8).prop_map(|id| format!("o{id}"));
    let lines = proptest::collection::vec(
        proptest::option::of(0..2_u8)
            .prop_map(|c| line(c.map(|c| format!("c{c}")).as_deref(), Some("seller"))),
        0..3,
    );
    prop_oneof![
        (id(), any_time(), lines).prop_map(|(order_id, at, lines)| Fact::OrderPlaced {
            order_id,
            at,
            region: Some("SP".into()),
            total: Some(Money { minor: at.0 / DAY, currency: Currency::new("KRW").unwrap() }),
            lines
        }),
        (id(), any_time(), 0..9_usize).prop_map(|(order_id, at, state)| Fact::OrderMoved {
            order_id,
            at,
            state: OrderState::ALL[state]
        }),
        (id(), any_time(), any_by()).prop_map(|(order_id, at, by)| Fact::OrderCancelled {
            order_id,
            by,
            at,
            reason: None,
            time_inferred: false,
            stands: true
        }),
        (id(), any_time()).prop_map(|(order_id, at)| Fact::OrderRefunded { order_id, at, amount: None }),
        (id(), any_time()).prop_map(|(order_id, at)| Fact::PaymentCaptured {
            order_id,
            at,
            amount: None,
            method: Some("card".into()),
            installments: None
        }),
        (id(), any_time(), 0..7_usize, 0..3_u8, any::<bool>()).prop_map(
            |(order_id, at, state, halves, damaged)| Fact::FulfillmentMoved {
                order_id,
                at,
                state: FulfillmentState::ALL[state],
                fraction: f64::from(halves) / 2.0,
                damaged
            }
        ),
        (id(), any_time(), 0..2_u8, 1..6_u8).prop_map(|(order_id, at, review, rating)| Fact::ReviewGiven {
            order_id,
            review_id: format!("r{review}"),
            at,
            rating
        }),
    ]
}

fn any_workspace_fact() -> impl Strategy<Value = Fact> {
    let source = || (0..2_u8).prop_map(|s| format!("s{s}"));
    prop_oneof![
        (source(), any_time(), any::<u8>()).prop_map(|(source, at, key)| Fact::SourceCreated {
            source,
            key_hash: [key; 32],
            at
        }),
        (source(), any_time()).prop_map(|(source, at)| Fact::SourceRevoked { source, at }),
        (any::<bool>(), any_time()).prop_map(|(on, at)| Fact::EffectsSwitched { on, at, reason: "r".into() }),
        (1..3_u32, any_time()).prop_map(|(timeline, at)| Fact::ImportStarted {
            timeline,
            name: format!("import {timeline}"),
            at
        }),
        (1..3_u32, any_time(), 0..9_u64).prop_map(|(timeline, at, events)| Fact::ImportFinished {
            timeline,
            at,
            events,
            bad_rows: 1
        }),
        (1..4_u64, any_time()).prop_map(|(seq, at)| Fact::DeadLetterReplayed { seq, at }),
    ]
}

fn any_change() -> impl Strategy<Value = Change> {
    let who = || (1..4_u64).prop_map(customer);
    let state = (0..6_usize).prop_map(|state| EffectState::ALL[state]);
    let timeline = || (0..2_u32).prop_map(TimelineId);
    prop_oneof![
        12 => (who(), timeline(), any_promise_fact())
            .prop_map(|(entity, timeline, fact)| Change::Fact { entity, timeline, fact }),
        8 => (who(), timeline(), any_order_fact())
            .prop_map(|(entity, timeline, fact)| Change::Fact { entity, timeline, fact }),
        3 => any_workspace_fact().prop_map(workspace),
        6 => (who(), any_time(), any::<bool>(), 0..5_u64).prop_map(|(entity, at, named, event_count)| {
            let row = profile(entity, "who", at);
            let name = if named { row.name.clone() } else { None };
            Change::Profile(Box::new(ProfileRow { event_count, name, ..row }))
        }),
        1 => (who(), who(), any_time())
            .prop_map(|(entity, into, at)| fact_of(entity, Fact::ProfileMerged { into, at })),
        2 => (1..4_u64, any_time()).prop_map(|(seq, received_at)| Change::DeadLetter {
            seq,
            source: "s".into(),
            code: "bad_row".into(),
            place: "here".into(),
            reason: "why".into(),
            received_at
        }),
        1 => (1..4_u64).prop_map(|seq| Change::Skipped { seq, reason: SkipReason::Poison("p".into()) }),
        3 => (who(), 0..2_u8, state, any_time(), any::<bool>()).prop_map(|(entity, key, state, at, full)| {
            let step = effect(entity, &format!("k{key}"), state, at);
            let reason = full.then(|| "because".to_owned());
            Change::Effect(EffectChange { kind: full.then_some(EffectKind::OperationsAlert), reason, ..step })
        }),
        2 => (timeline(), any_time()).prop_map(|(timeline, to)| Change::Clock { timeline, to }),
        1 => who().prop_map(|entity| Change::Erased { entity }),
        1 => (who(), any_time()).prop_map(|(entity, at)| fact_of(entity, Fact::ProfileErased { at })),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Rebuilt from the log in any batches, with any overlaps and reopenings, the views say the same.
    #[test]
    fn batches_do_not_show(
        changes in proptest::collection::vec((0..3_u64, any_change()), 1..80),
        cuts in proptest::collection::vec((1..12_usize, 0..6_usize, any::<bool>()), 1..40),
    ) {
        let mut seq = 1;
        let journal: Vec<(u64, Change)> = changes.into_iter().map(|(step, change)| {
            seq += step;
            (seq, change)
        }).collect();
        let end = seq;

        let mut whole = Bench::new();
        whole.views.apply(end, &journal).unwrap();

        let mut pieces = Bench::new();
        let mut cuts = cuts.into_iter().cycle();
        while pieces.views.position() < end {
            let (size, overlap, reopen) = cuts.next().unwrap();
            let upto = (pieces.views.position() + size as u64).min(end);
            let from = pieces.views.position().saturating_sub(overlap as u64);
            let first = journal.partition_point(|(seq, _)| *seq <= from);
            let last = journal.partition_point(|(seq, _)| *seq <= upto);
            pieces.views.apply(upto, &journal[first..last]).unwrap();
            if reopen {
                let Bench { dir, views } = pieces;
                drop(views);
                let views = Views::open(dir.path().join("views.db")).unwrap().views;
                pieces = Bench { dir, views };
            }
        }
        prop_assert_eq!(whole.views.dump().unwrap(), pieces.views.dump().unwrap());
        prop_assert_eq!(whole.reader().dump().unwrap(), pieces.reader().dump().unwrap());
        prop_assert_eq!(
            whole.report(&ReportQuery { group_by: Some(GroupBy::Category), ..Default::default() }),
            pieces.report(&ReportQuery { group_by: Some(GroupBy::Category), ..Default::default() })
        );
    }
}

// ---------------------------------------------------------------------------------------------------------------
// Files

#[test]
fn new_views_are_fresh() {
    let dir = tempfile::tempdir().unwrap();
    let opened = Views::open(dir.path().join("views.db")).unwrap();
    assert_eq!(opened.begin, Begin::Fresh(Why::Missing));
    assert_eq!((opened.is_fresh(), opened.views.position()), (true, 0));
}

#[test]
fn another_format_is_dropped() {
    let bench = Bench::told([clock(Time(1))]);
    let path = bench.path();
    drop(bench.views);
    let db = rusqlite::Connection::open(&path).unwrap();
    db.pragma_update(None, "user_version", 99).unwrap();
    drop(db);
    let refused = Reader::open(&path).unwrap_err();
    assert!(matches!(refused, Error::Format { found: 99, .. }), "{refused}");
    let opened = Views::open(&path).unwrap();
    assert_eq!(opened.begin, Begin::Fresh(Why::OtherFormat { found: 99 }));
    assert_eq!((opened.views.position(), opened.views.dump().unwrap().as_str()), (0, ""));
}

#[test]
fn damaged_files_are_dropped_and_take_new_rows() {
    let damage = |what: &str, harm: &dyn Fn(&Path)| {
        let mut bench = Bench::told((0..2000).map(|n| {
            let terms = terms(&format!("promise {n}"), None, day(1.0));
            fact_of(customer(n), Fact::PromiseMade { terms, at: Time(0) })
        }));
        bench.views.make_durable().unwrap();
        let path = bench.path();
        drop(bench.views);
        harm(&path);
        let mut opened = Views::open(&path).unwrap_or_else(|error| panic!("{what}: {error}"));
        assert!(matches!(opened.begin, Begin::Fresh(Why::Damaged { .. })), "{what}: {:?}", opened.begin);
        opened.views.apply(1, &[(1, clock(Time(5)))]).unwrap();
        assert_eq!(Reader::open(&path).unwrap().clocks().unwrap()[0].at, Time(5), "{what}");
    };
    damage("garbage", &|path| fs::write(path, "neither rows nor pages".repeat(1000)).unwrap());
    damage("cut short", &|path| {
        let file = fs::OpenOptions::new().write(true).open(path).unwrap();
        file.set_len(file.metadata().unwrap().len() / 2).unwrap();
    });
    damage("a page of ones", &|path| {
        let mut bytes = fs::read(path).unwrap();
        let middle = bytes.len() / 2 / 4096 * 4096;
        bytes[middle..middle + 4096].fill(0xff);
        fs::write(path, bytes).unwrap();
    });
    damage("no position", &|path| {
        rusqlite::Connection::open(path).unwrap().execute("DELETE FROM meta", []).unwrap();
    });
}

#[test]
fn what_cannot_be_opened_for_another_reason_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("views.db");
    fs::create_dir(&path).unwrap();
    let refused = Views::open(&path).unwrap_err();
    assert!(matches!(refused, Error::Database { .. }) && !refused.is_damage(), "{refused}");
    assert!(path.is_dir());
    // The message names the file, and the chain says each cause once.
    assert!(refused.to_string().contains("views.db"), "{refused}");
    let cause = refused.source().unwrap().to_string();
    assert!(!refused.to_string().contains(&cause), "{refused}");
    assert!(Reader::open(dir.path().join("none.db")).is_err());
}

#[test]
fn durable_views_stand_in_the_file_itself() {
    let mut bench = Bench::told((0..50).map(|n| clock(Time(n))));
    bench.views.make_durable().unwrap();
    // What a power cut can take is the write-ahead log's tail; the file alone must do.
    let copy = bench.dir.path().join("copy.db");
    fs::copy(bench.path(), &copy).unwrap();
    let opened = Views::open(&copy).unwrap();
    assert_eq!((opened.begin, opened.views.position()), (Begin::Resumed, 50));
    assert_eq!(opened.views.dump().unwrap(), bench.views.dump().unwrap());
}

/// A read transaction that stays open, as a slow reader's would.
struct SlowReader(rusqlite::Connection);

impl SlowReader {
    fn on(bench: &Bench) -> Self {
        let db = rusqlite::Connection::open(bench.path()).unwrap();
        db.execute_batch("BEGIN; SELECT COUNT(*) FROM meta, clocks").unwrap();
        let _: i64 = db.query_row("SELECT position FROM meta", [], |row| row.get(0)).unwrap();
        SlowReader(db)
    }

    fn end(self) {
        self.0.execute_batch("COMMIT").unwrap();
    }
}

#[test]
fn a_slow_reader_does_not_keep_views_from_being_durable() {
    let mut bench = Bench::told([clock(Time(1))]);
    bench.views.set_patience(Duration::from_millis(10)).unwrap();
    let reader = SlowReader::on(&bench);
    bench.tell((2..50).map(|n| clock(Time(n))));
    bench.views.make_durable().unwrap();
    assert_eq!(bench.views.position(), 49);
    let copy = bench.dir.path().join("copy.db");
    fs::copy(bench.path(), &copy).unwrap();
    fs::copy(bench.dir.path().join("views.db-wal"), bench.dir.path().join("copy.db-wal")).unwrap();
    assert_eq!(Views::open(&copy).unwrap().views.position(), 49);
    reader.end();
}

#[test]
fn readers_see_whole_batches_while_the_writer_works() {
    const PER_BATCH: u64 = 50;
    let mut bench = Bench::told([clock(Time(1))]);
    let path = bench.path();
    let done = AtomicBool::new(false);
    let seen = std::thread::scope(|scope| {
        let watch = || {
            let reader = Reader::open(&path).unwrap();
            let mut seen = HashSet::new();
            loop {
                let last = done.load(Ordering::SeqCst);
                let report = reader.promise_report(&ReportQuery::default()).unwrap();
                assert_eq!(report.total.n_made, (report.as_of - 1) * PER_BATCH);
                assert_eq!(report.total.n_made, report.total.open);
                seen.insert(report.as_of);
                if last {
                    return seen;
                }
            }
        };
        let watchers = [scope.spawn(watch), scope.spawn(watch)];
        for seq in 2..200 {
            let batch: Vec<_> = (0..PER_BATCH)
                .map(|n| {
                    let terms = terms(&format!("p{seq}-{n}"), None, day(1.0));
                    (seq, fact_of(customer(n), Fact::PromiseMade { terms, at: Time(0) }))
                })
                .collect();
            bench.views.apply(seq, &batch).unwrap();
        }
        done.store(true, Ordering::SeqCst);
        watchers.map(|watcher| watcher.join().unwrap())
    });
    for seen in seen {
        assert!(seen.contains(&199), "the end was seen");
        assert!(seen.len() > 1, "something was seen on the way");
    }
}

// ---------------------------------------------------------------------------------------------------------------
// Erasure

/// Every file in the directory that holds the bytes.
fn files_with(dir: &Path, bytes: &[u8]) -> Vec<PathBuf> {
    let holds = |path: &PathBuf| fs::read(path).unwrap().windows(bytes.len()).any(|window| window == bytes);
    fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).filter(holds).collect()
}

/// Texts that occur nowhere else, handed out by number.
#[derive(Default)]
struct Canaries(Vec<String>);

impl Canaries {
    const MARK: &str = "canary";
    const LENGTH: usize = Self::MARK.len() + 16;

    fn next(&mut self) -> String {
        let n = self.0.len() as u64 + 1;
        // SplitMix64 of the number, so that no two share more than the mark.
        let mut z = n.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        self.0.push(format!("{}{:016x}", Self::MARK, z ^ (z >> 31)));
        self.0[self.0.len() - 1].clone()
    }

    /// How many of them are in the directory's files.
    fn found_in(&self, dir: &Path) -> usize {
        let mut found = HashSet::new();
        for entry in fs::read_dir(dir).unwrap() {
            let bytes = fs::read(entry.unwrap().path()).unwrap();
            let whole = bytes.windows(Self::LENGTH).filter(|text| text.starts_with(Self::MARK.as_bytes()));
            found.extend(whole.map(<[u8]>::to_vec));
        }
        self.0.iter().filter(|text| found.contains(text.as_bytes())).count()
    }
}

/// One round in the life of an entity, in every table that it has rows in; rows of earlier rounds are updated,
/// so that they grow and move.
fn round(entity: EntityId, number: usize, text: &mut dyn FnMut() -> String) -> Vec<Change> {
    let order_id = format!("o-{entity}-{}", number % 3);
    let promise_id = format!("p-{entity}-{}", number % 3);
    let at = Time(number as i64);
    let mut row = profile(entity, &text(), at);
    row.traits = Some(format!(r#"{{"note":"{}","pad":"{}"}}"#, text(), "x".repeat(37 * number % 900)));
    let mut promised = terms(&promise_id, Some(&order_id), at);
    promised.reasons = vec![text(), "y".repeat(23 * number % 300)];
    let mut lines = vec![line(Some(&text()), Some(&text()))];
    lines[0].product_id = text();
    let noted = EffectChange { reason: Some(text()), ..effect(entity, &text(), EffectState::Requested, at) };
    let facts = [
        Fact::OrderPlaced { order_id: order_id.clone(), at, region: Some(text()), total: None, lines },
        Fact::PaymentCaptured {
            order_id: order_id.clone(),
            at,
            amount: None,
            method: Some(text()),
            installments: None,
        },
        Fact::PromiseMade { terms: promised, at },
        Fact::PromiseRevised {
            promise_id: promise_id.clone(),
            at,
            version: number as u32 + 2,
            due_at: at,
            reason: Some(text()),
        },
        Fact::PromiseWithdrawn { promise_id, at, by: CancelledBy::Customer, reason: Some(text()) },
        Fact::ReviewGiven { order_id, review_id: text(), at, rating: 5 },
    ];
    let facts = facts.map(|fact| fact_of(entity, fact));
    [Change::Profile(Box::new(row)), Change::Effect(noted)].into_iter().chain(facts).collect()
}

/// Many customers live side by side; returns what one of them left in the files.
fn lives(bench: &mut Bench, erased: EntityId) -> Canaries {
    let mut canaries = Canaries::default();
    for number in 0..24 {
        for other in 0..40 {
            // Neighbours on both sides, so that pages with the erased one's rows fill up and split.
            let neighbour = customer(erased.number - 20 + other);
            let changes = if neighbour == erased {
                round(neighbour, number, &mut || canaries.next())
            } else {
                round(neighbour, number, &mut || "z".repeat(number * 7 % 50))
            };
            bench.tell(changes);
        }
        if number % 8 == 0 {
            bench.views.make_durable().unwrap();
        }
    }
    canaries
}

/// A number whose bytes occur nowhere by chance.
const ERASED: u64 = 0xDEAD_BEEF_CAFE_F00D >> 4;

#[test]
fn no_byte_of_an_erased_customer_is_left() {
    let entity = customer(ERASED);
    let mut bench = Bench::new();
    let canaries = lives(&mut bench, entity);
    let dir = bench.dir.path().to_path_buf();
    assert!(canaries.0.len() > 200);
    let found = canaries.found_in(&dir);
    assert!(found > canaries.0.len() / 2, "the search finds what is there: {found} of {}", canaries.0.len());
    assert!(!files_with(&dir, &entity.to_key()).is_empty());
    let neighbours = bench.reader().profiles(None, 1000).unwrap().len() - 1;

    bench.views.erase(entity).unwrap();

    assert_eq!(canaries.found_in(&dir), 0);
    // Not even the mark that all of them begin with, where a copy was cut in two.
    assert_eq!(files_with(&dir, Canaries::MARK.as_bytes()), [] as [PathBuf; 0]);
    // Keys in tables, in interior pages and in indexes too.
    assert_eq!(files_with(&dir, &entity.to_key()), [] as [PathBuf; 0]);
    assert!(!bench.views.erasure_owed());
    assert_eq!(bench.reader().profile(entity).unwrap(), None);
    assert_eq!(bench.reader().profiles(None, 1000).unwrap().len(), neighbours);
    // The rest is whole and goes on.
    bench.tell([clock(Time(9))]);
    bench.views.make_durable().unwrap();
    assert_eq!(files_with(&dir, &entity.to_key()), [] as [PathBuf; 0]);
}

#[test]
fn erasure_by_a_change_is_as_thorough() {
    for last in [
        Change::Erased { entity: customer(ERASED) },
        fact_of(customer(ERASED), Fact::ProfileErased { at: Time(1) }),
    ] {
        let mut bench = Bench::new();
        let canaries = lives(&mut bench, customer(ERASED));
        assert!(canaries.found_in(bench.dir.path()) > 0);
        bench.tell([last]);
        assert_eq!(files_with(bench.dir.path(), Canaries::MARK.as_bytes()), [] as [PathBuf; 0]);
    }
}

#[test]
fn a_held_up_erasure_is_finished_when_the_reader_ends() {
    let entity = customer(ERASED);
    let mut bench = Bench::new();
    let canaries = lives(&mut bench, entity);
    bench.views.set_patience(Duration::from_millis(10)).unwrap();
    let reader = SlowReader::on(&bench);
    assert!(matches!(bench.views.erase(entity), Err(Error::Busy { .. })));
    assert!(matches!(bench.views.finish_erasures(), Err(Error::Busy { .. })));
    assert!(canaries.found_in(bench.dir.path()) > 0);
    bench.tell(round(customer(1), 1, &mut || "z".into()));
    reader.end();
    bench.views.finish_erasures().unwrap();
    assert_eq!(files_with(bench.dir.path(), Canaries::MARK.as_bytes()), [] as [PathBuf; 0]);
    assert_eq!(files_with(bench.dir.path(), &entity.to_key()), [] as [PathBuf; 0]);
}

#[test]
fn an_erasure_that_a_reader_holds_up_stays_owed() {
    let entity = customer(ERASED);
    let canary = "canary-of-the-held-up-one";
    let mut bench = Bench::told([Change::Profile(Box::new(profile(entity, canary, Time(1))))]);
    bench.views.set_patience(Duration::from_millis(10)).unwrap();
    let reader = SlowReader::on(&bench);
    let held_up = bench.views.erase(entity).unwrap_err();
    assert!(matches!(held_up, Error::Busy { .. }), "{held_up}");
    assert!(bench.views.erasure_owed());
    assert_eq!(bench.reader().profile(entity).unwrap(), None, "the rows are gone at once");
    assert!(!files_with(bench.dir.path(), canary.as_bytes()).is_empty(), "the bytes are not");
    // The batch that erases counts even so; what is owed is kept across a restart.
    bench.tell([Change::Erased { entity }]);
    assert!(bench.views.erasure_owed());
    // Another is erased while the first waits.
    let second = customer(ERASED + 1);
    bench.tell([Change::Profile(Box::new(profile(second, canary, Time(2))))]);
    bench.tell([Change::Erased { entity: second }]);
    assert!(bench.views.erasure_owed());
    reader.end();
    let Bench { dir, views } = bench;
    drop(views);
    let views = Views::open(dir.path().join("views.db")).unwrap().views;
    assert!(!views.erasure_owed());
    assert_eq!(files_with(dir.path(), canary.as_bytes()), [] as [PathBuf; 0]);
}

// ---------------------------------------------------------------------------------------------------------------
// The report

/// One order with one promise, told day by day.
struct Story {
    entity: EntityId,
    id: String,
    facts: Vec<Fact>,
}

impl Story {
    /// Placed on day 0, in a region, with lines in the given categories.
    fn new(number: u64, due: f64) -> Self {
        let id = format!("o{number}");
        let region = Some(if number.is_multiple_of(2) { "RJ" } else { "SP" }.to_owned());
        let lines = match number {
            1 => vec![
                line(Some("toys"), Some("s1")),
                line(Some("books"), Some("s1")),
                line(Some("toys"), Some("s2")),
            ],
            2 => vec![line(None, None)],
            3 => vec![line(Some("toys"), Some("s2"))],
            _ => vec![],
        };
        let facts = vec![
            Fact::OrderPlaced { order_id: id.clone(), at: day(0.0), region, total: None, lines },
            Fact::PromiseMade { terms: terms(&format!("order:{id}"), Some(&id), day(due)), at: day(0.0) },
        ];
        Story { entity: customer(number % 4), id, facts }
    }

    fn promise(&self) -> String {
        format!("order:{}", self.id)
    }

    fn then(mut self, fact: Fact) -> Self {
        self.facts.push(fact);
        self
    }

    fn delivered(self, at: f64) -> Self {
        let order_id = self.id.clone();
        self.then(Fact::FulfillmentMoved {
            order_id,
            state: FulfillmentState::Delivered,
            at: day(at),
            fraction: 1.0,
            damaged: false,
        })
    }

    fn kept(self, at: f64) -> Self {
        let promise_id = self.promise();
        self.delivered(at).then(Fact::PromiseKept { promise_id, at: day(at), actual: None })
    }

    fn broken(self, at: f64, cause: BreakCause) -> Self {
        let promise_id = self.promise();
        self.then(Fact::PromiseBroken { promise_id, at: day(at), cause })
    }

    fn late(self, at: f64) -> Self {
        let promise_id = self.promise();
        self.delivered(at).then(Fact::PromiseFulfilledLate { promise_id, at: day(at), actual: None })
    }

    fn cancelled(self, at: f64, by: CancelledBy) -> Self {
        let order_id = self.id.clone();
        let cancelled = Fact::OrderCancelled {
            order_id,
            by,
            at: day(at),
            reason: None,
            time_inferred: false,
            stands: true,
        };
        let promise_id = self.promise();
        let story = self.then(cancelled);
        match by {
            CancelledBy::Company => story.broken(at, BreakCause::Company),
            by => story.then(Fact::PromiseWithdrawn { promise_id, at: day(at), by, reason: None }),
        }
    }

    fn at_risk(self, at: f64) -> Self {
        let promise_id = self.promise();
        self.then(Fact::PromiseAtRisk { promise_id, at: day(at), why: RiskReason::FailedAttempt })
    }

    fn recovered(self, at: f64) -> Self {
        let promise_id = self.promise();
        self.then(Fact::PromiseRecovered { promise_id, at: day(at) })
    }

    fn revised(self, due: f64) -> Self {
        let promise_id = self.promise();
        self.then(Fact::PromiseRevised {
            promise_id,
            at: day(1.0),
            version: 2,
            due_at: day(due),
            reason: None,
        })
    }

    fn corrected(self, fulfilled: f64) -> Self {
        let promise_id = self.promise();
        self.delivered(fulfilled).then(Fact::PromiseCorrected {
            promise_id,
            at: day(20.0),
            fulfilled_at: day(fulfilled),
            actual: None,
        })
    }

    fn reviewed(self, ratings: &[u8]) -> Self {
        ratings.iter().enumerate().fold(self, |story, (n, &rating)| {
            let order_id = story.id.clone();
            story.then(Fact::ReviewGiven { order_id, review_id: format!("r{n}"), at: day(25.0), rating })
        })
    }

    fn changes(self) -> impl Iterator<Item = Change> {
        let entity = self.entity;
        self.facts.into_iter().map(move |fact| fact_of(entity, fact))
    }
}

/// One promise with each ending there is; the clock stands at day 30.
fn every_ending() -> Bench {
    use BreakCause::Clock;
    use CancelledBy::{Company, Customer, Unknown};
    let stories = [
        Story::new(1, 10.0).kept(8.0).reviewed(&[5, 4]),
        Story::new(2, 10.0).kept(10.0).reviewed(&[3]),
        Story::new(3, 10.0).broken(10.0, Clock).late(14.0).reviewed(&[1]),
        Story::new(4, 10.0).broken(10.0, Clock).reviewed(&[4]),
        Story::new(5, 10.0).cancelled(5.0, Company),
        Story::new(6, 40.0).cancelled(5.0, Company),
        Story::new(7, 10.0).cancelled(3.0, Customer).reviewed(&[5]),
        Story::new(8, 10.0).cancelled(6.0, Unknown).reviewed(&[1]),
        Story::new(9, 40.0),
        Story::new(10, 35.0).at_risk(29.0),
        Story::new(11, 10.0).broken(10.0, Clock).corrected(9.0).reviewed(&[2]),
        Story::new(12, 10.0).revised(20.0).kept(15.0),
        Story::new(13, 40.0).kept(12.0),
        Story::new(14, 10.0).at_risk(5.0).recovered(6.0).kept(9.0),
    ];
    let offers = [
        Fact::PromiseQuoted { terms: terms("quoted", None, day(10.0)), at: day(0.0), expires_at: day(1.0) },
        Fact::PromiseExpired { promise_id: "quoted".into(), at: day(1.0) },
        Fact::PromiseInquired { terms: terms("inquired", None, day(10.0)), at: day(0.0) },
        Fact::PromiseQuoted {
            terms: terms("called off", None, day(10.0)),
            at: day(0.0),
            expires_at: day(9.0),
        },
        Fact::PromiseWithdrawn { promise_id: "called off".into(), at: day(1.0), by: Unknown, reason: None },
    ];
    let offers = offers.map(|fact| fact_of(customer(1), fact));
    Bench::told(stories.into_iter().flat_map(Story::changes).chain(offers).chain([clock(day(30.0))]))
}

#[test]
fn the_report_counts_every_ending_once() {
    let row = every_ending().report(&ReportQuery::default()).total;
    assert_eq!((row.n_made, row.due, row.kept, row.broken), (14, 10, 6, 4));
    assert_eq!((row.never_delivered, row.company_cancelled), (3, 2));
    assert_eq!((row.cancelled, row.withdrawn_by_customer), (1, 1));
    assert_eq!((row.open, row.at_risk_now, row.corrected), (2, 1, 1));
    assert_eq!(row.kept + row.broken + row.cancelled + row.withdrawn_by_customer + row.open, row.n_made);

    near(row.kept_rate, 0.6);
    near(row.kept_rate_lower_bound, 6.0 / 11.0);
    assert_eq!(row.kept_rate_ci, views::kpi::wilson(6, 10));
    // Days late: 4, 20 and 20 until the clock, and 0 for the one called off before its date.
    near(row.over_promise_days, 4.4);
    // Days early: 2, 0, 1, 5, 28, 1.
    near(row.slack_days, 3.7);
    near(row.mean_gap_days, 0.7);
    assert_eq!(row.n_gap, 10);

    // All but the customer's cancellation and the two whose day has not come.
    assert_eq!((row.otif_first_n, row.otif_latest_n), (11, 11));
    near(row.otif_latest, 6.0 / 11.0);
    near(row.otif_first, 5.0 / 11.0);
    assert_eq!(row.otif_first_ci, views::kpi::wilson(5, 11));

    // 3+ 5+ 5+ 6+ 8 9 9 10 12 14 15 30+ 30+ 30+: ten wait at day 8, half of them still at day 12.
    assert_eq!((row.delivery_days_n, row.delivery_days_n_censored), (14, 7));
    assert_eq!(row.delivery_days_p50, Some(12.0));
    assert_eq!((row.delivery_days_p90, row.delivery_days_p95), (None, None));
    assert_eq!(row.delivery_days_p50_ci[0], Some(8.0));

    assert_eq!((row.n_scores_kept, row.n_scores_broken), (4, 2));
    near(row.mean_score_kept, 3.5);
    near(row.mean_score_broken, 2.5);
    near(row.top2_kept, 0.5);
    near(row.top2_broken, 0.5);
    let [low, high] = row.mean_score_broken_ci.unwrap();
    // t(1) = 12.7062, s = 2.1213, n = 2.
    assert!((high - low - 2.0 * 12.706_205 * 1.5).abs() < 1e-4, "{low} {high}");
}

#[test]
fn an_order_counts_once_in_each_of_its_groups() {
    let bench = every_ending();
    let groups = |by| {
        let report = bench.report(&ReportQuery { group_by: Some(by), ..Default::default() });
        assert_eq!(report.total, bench.report(&ReportQuery::default()).total, "{by:?}");
        assert_eq!(report.group_by, Some(by));
        report.groups
    };
    let counts = |by| -> Vec<(Option<String>, u64, u64, u64)> {
        groups(by)
            .into_iter()
            .map(|g| (g.key, g.row.n_made, g.row.n_scores_kept, g.row.delivery_days_n))
            .collect()
    };
    let key = |key: &str| Some(key.to_owned());
    // Order 1 has two lines of toys and one of books; order 2 a line that names none; from 4 on there are none.
    assert_eq!(
        counts(GroupBy::Category),
        [(key("books"), 1, 2, 1), (key("toys"), 2, 2, 2), (None, 12, 2, 12)]
    );
    assert_eq!(counts(GroupBy::Seller), [(key("s1"), 1, 2, 1), (key("s2"), 2, 2, 2), (None, 12, 2, 12)]);
    assert_eq!(counts(GroupBy::Region), [(key("RJ"), 7, 1, 7), (key("SP"), 7, 3, 7)]);
    assert_eq!(counts(GroupBy::Month), [(key("1970-01"), 10, 4, 10), (key("1970-02"), 4, 0, 4)]);
    let region: u64 = groups(GroupBy::Region).iter().map(|group| group.row.due).sum();
    assert_eq!(region, 10);
    assert_eq!(GroupBy::from_name("state"), Some(GroupBy::Region));
    for by in GroupBy::ALL {
        assert_eq!(GroupBy::from_name(by.name()), Some(by));
    }
    let json = serde_json::to_value(
        bench.report(&ReportQuery { group_by: Some(GroupBy::Category), ..Default::default() }),
    )
    .unwrap();
    assert_eq!(json["group_by"], "category");
    assert_eq!(json["groups"][1]["key"], "toys");
    assert_eq!(json["groups"][1]["kept"], 1);
    assert_eq!(json["total"]["delivery_days_p90"], serde_json::Value::Null);
    let notes = json["notes"].as_array().unwrap();
    assert!(notes.iter().any(|note| note.as_str().unwrap().contains("counts once in each")));
}

#[test]
fn the_report_looks_only_at_what_was_asked_for() {
    let mut bench = every_ending();
    let imported = |fact| Change::Fact { entity: customer(50), timeline: TimelineId(3), fact };
    let slot = PromiseTerms { kind: PromiseKind::Slot, ..terms("slot", None, day(10.0)) };
    bench.tell([
        workspace(Fact::ImportStarted { timeline: 3, name: "olist".into(), at: Time(0) }),
        imported(Fact::PromiseMade { terms: slot, at: day(1.0) }),
        imported(Fact::PromiseBroken { promise_id: "slot".into(), at: day(10.0), cause: BreakCause::Clock }),
        Change::Clock { timeline: TimelineId(3), to: day(12.5) },
    ]);
    let made = |query: ReportQuery| bench.report(&query).total.n_made;
    let all = ReportQuery::default;
    assert_eq!(made(all()), 15);
    assert_eq!(made(ReportQuery { timeline: Some(TimelineId::LIVE), ..all() }), 14);
    assert_eq!(made(ReportQuery { timeline: Some(TimelineId(3)), ..all() }), 1);
    assert_eq!(made(ReportQuery { source: Some("olist".into()), ..all() }), 1);
    assert_eq!(made(ReportQuery { kind: Some(PromiseKind::Slot), ..all() }), 1);
    assert_eq!(made(ReportQuery { due_from: Some(day(20.0)), ..all() }), 5);
    assert_eq!(made(ReportQuery { due_to: Some(day(20.0)), ..all() }), 10);
    assert_eq!(made(ReportQuery { due_from: Some(day(20.0)), due_to: Some(day(36.0)), ..all() }), 2);
    // Late until the clock of its own timeline.
    near(bench.report(&ReportQuery { source: Some("olist".into()), ..all() }).total.over_promise_days, 2.5);
    let unknown = bench.reader().promise_report(&ReportQuery { source: Some("none".into()), ..all() });
    assert!(matches!(unknown, Err(Error::UnknownSource { .. })));
}

#[test]
fn nothing_gives_null_and_never_zero() {
    let row = Bench::new().report(&ReportQuery::default()).total;
    assert_eq!(row, ReportRow::default());
    assert_eq!(
        (row.kept_rate, row.kept_rate_ci, row.over_promise_days, row.otif_first),
        (None, None, None, None)
    );
    assert_eq!((row.mean_score_kept, row.top2_broken, row.delivery_days_p50), (None, None, None));
}

#[test]
fn golden_k09_through_the_views() {
    // 10, 20, 30+, 30+ hours.
    let hours = |number, delivered: Option<i64>| {
        let story = Story::new(number, 100.0);
        match delivered {
            Some(hours) => story.delivered(hours as f64 * HOUR as f64 / DAY as f64),
            None => story,
        }
    };
    let stories = [hours(1, Some(10)), hours(2, Some(20)), hours(3, None), hours(4, None)];
    let now = clock(Time(30 * HOUR));
    let row = Bench::told(stories.into_iter().flat_map(Story::changes).chain([now]))
        .report(&ReportQuery::default())
        .total;
    near(row.delivery_days_p50, 20.0 / 24.0);
    assert_eq!(row.delivery_days_p90, None, "not reached");
    assert_eq!((row.delivery_days_n, row.delivery_days_n_censored), (4, 2));
}

#[test]
fn golden_k11_through_the_views() {
    let story = Story::new(1, 10.0).kept(5.0).reviewed(&[5, 4, 4, 3, 2, 5, 1, 4]);
    let row = Bench::told(story.changes()).report(&ReportQuery::default()).total;
    assert_eq!(row.n_scores_kept, 8);
    near(row.top2_kept, 0.625);
    assert_eq!(row.top2_kept_ci, views::kpi::wilson(5, 8));
    assert_eq!(row.top2_broken, None);
}

#[test]
fn golden_k22_through_the_views() {
    // Promised and delivered in days: (3→3), (3→5), (2→1), (4→4.5).
    let stories = [
        Story::new(1, 3.0).kept(3.0),
        Story::new(2, 3.0).broken(3.0, BreakCause::Clock).late(5.0),
        Story::new(3, 2.0).kept(1.0),
        Story::new(4, 4.0).broken(4.0, BreakCause::Clock).late(4.5),
    ];
    let row = Bench::told(stories.into_iter().flat_map(Story::changes)).report(&ReportQuery::default()).total;
    near(row.kept_rate, 0.5);
    near(row.over_promise_days, 0.625);
    near(row.slack_days, 0.25);
    // K15 on the same four: the two late ones miss.
    near(row.otif_latest, 0.5);
}

#[test]
fn a_promise_about_a_number_has_its_gap_in_tolerances() {
    let promise = |id: &str, comparator, actual: f64| {
        let target = Some(Target { comparator, value: 10.0, tolerance: 2.0, unit: "min".into() });
        let made =
            Fact::PromiseMade { terms: PromiseTerms { target, ..terms(id, None, day(1.0)) }, at: Time(0) };
        let kept = Fact::PromiseKept { promise_id: id.into(), at: day(0.5), actual: Some(actual) };
        [made, kept].map(|fact| fact_of(customer(1), fact))
    };
    let bench = Bench::told(
        [promise("wait", Comparator::AtMost, 11.0), promise("yield", Comparator::AtLeast, 16.0)]
            .into_iter()
            .flatten(),
    );
    let row = bench.report(&ReportQuery::default()).total;
    assert_eq!((row.n_target_gap, row.n_gap, row.otif_latest_n), (2, 0, 0));
    near(row.target_over_promise, 0.25);
    near(row.target_slack, 1.5);
    assert_eq!(row.over_promise_days, None);
}

#[test]
fn an_order_delivered_in_part_is_not_in_full() {
    let part = Fact::FulfillmentMoved {
        order_id: "o1".into(),
        state: FulfillmentState::Delivered,
        at: day(4.0),
        fraction: 0.5,
        damaged: false,
    };
    let kept = Fact::PromiseKept { promise_id: "order:o1".into(), at: day(4.0), actual: None };
    let story = || Story::new(1, 10.0).then(part.clone()).then(kept.clone());
    let now = || [clock(day(30.0))];
    let row = Bench::told(story().changes().chain(now())).report(&ReportQuery::default()).total;
    assert_eq!((row.kept, row.otif_latest_n, row.otif_latest), (1, 1, Some(0.0)));
    assert_eq!((row.delivery_days_n, row.delivery_days_n_censored), (1, 1));
    let row =
        Bench::told(story().delivered(9.0).changes().chain(now())).report(&ReportQuery::default()).total;
    assert_eq!((row.otif_latest, row.delivery_days_p50), (Some(1.0), Some(9.0)));
}

#[test]
fn an_order_with_two_promises_is_one_delivery_and_one_set_of_reviews() {
    let ready = PromiseTerms { attribute: "ready".into(), ..terms("ready", Some("o1"), day(2.0)) };
    let story = Story::new(1, 10.0)
        .then(Fact::PromiseMade { terms: ready, at: day(0.0) })
        .then(Fact::PromiseKept { promise_id: "ready".into(), at: day(1.0), actual: None })
        .kept(8.0)
        .reviewed(&[5, 3]);
    let row = Bench::told(story.changes()).report(&ReportQuery::default()).total;
    assert_eq!((row.n_made, row.kept, row.delivery_days_n, row.n_scores_kept), (2, 2, 1, 2));
    let both = Story::new(1, 10.0)
        .then(Fact::PromiseMade { terms: terms("other", Some("o1"), day(2.0)), at: day(0.0) })
        .then(Fact::PromiseBroken { promise_id: "other".into(), at: day(2.0), cause: BreakCause::Clock })
        .kept(8.0)
        .reviewed(&[5]);
    let row = Bench::told(both.changes()).report(&ReportQuery::default()).total;
    assert_eq!((row.n_scores_kept, row.n_scores_broken), (1, 1));
}

#[test]
fn statuses_have_the_models_names() {
    for status in PromiseStatus::ALL {
        let row = serde_json::to_value(views::HistoryRow {
            seq: 1,
            promise_id: "p".into(),
            fact: "f".into(),
            status,
            at: Time(0),
            detail: None,
        });
        assert_eq!(row.unwrap()["status"], status.name());
    }
}
