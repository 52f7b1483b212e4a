//! The promise machine: inquired → quoted → made → {at_risk ⇄ made} → kept | broken, withdrawn, expired.

use model::*;

use super::scenario::*;

/// An order of 1 March, promised for 5 March (any time of that day, UTC).
const PLACED: &str = r#""order_id":"o","promise":{"due":"2026-03-05"}"#;
const WATCHED: &str =
    r#""order_id":"o","promise":{"due":"2026-03-05","hand_over_by":"2026-03-03T00:00:00Z"}"#;
const O: &str = r#""order_id":"o""#;
const P: &str = r#""promise_id":"order:o""#;

fn placed() -> Step {
    on("1", "order.placed", PLACED)
}

fn watched() -> Step {
    on("1", "order.placed", WATCHED)
}

#[test]
fn asked_about_quoted_and_made() {
    let p = r#""promise_id":"p","due":"2026-03-05""#;
    let quoted = |until: &str| format!(r#"{p},"expires_at":"2026-03-{until}T00:00:00Z""#);
    check([on("1", "promise.inquired", p)], "promise.inquired", "p inquired");
    check(
        [on("1", "promise.inquired", p), on("2", "promise.inquired", p)],
        "promise.inquired ignored",
        "p inquired",
    );
    check([on("1", "promise.quoted", &quoted("02"))], "promise.quoted", "p quoted, 1 timers");
    check(
        [
            on("1", "promise.inquired", p),
            on("1", "promise.quoted", &quoted("02")),
            clock("1 23:59:59.999999"),
        ],
        "promise.inquired promise.quoted",
        "p quoted, 1 timers",
    );
    check(
        [on("1", "promise.quoted", &quoted("02")), clock("2")],
        "promise.quoted promise.expired",
        "p expired",
    );
    // A new quote takes the old one's place, and only its own time ends it.
    check(
        [
            on("1", "promise.quoted", &quoted("02")),
            on("1 12:00", "promise.quoted", &quoted("04")),
            clock("3"),
        ],
        "promise.quoted promise.quoted",
        "p quoted, 1 timers",
    );
    // Taken up in time: the quote's timer is gone and the deadline's is there.
    check(
        [on("1", "promise.quoted", &quoted("02")), on("1 12:00", "promise.made", p), clock("3")],
        "promise.quoted promise.made",
        "p made, 1 timers",
    );
    check(
        [on("1", "promise.inquired", p), on("1 12:00", "promise.made", p)],
        "promise.inquired promise.made",
        "p made, 1 timers",
    );
    // A binding or ended promise goes back to no offer.
    check(
        [
            on("1", "promise.made", p),
            on("1", "promise.quoted", &quoted("02")),
            on("1", "promise.inquired", p),
            on("1", "promise.made", p),
        ],
        "promise.made ignored ignored ignored",
        "p made, 1 timers",
    );
    check(
        [on("1", "promise.quoted", &quoted("02")), clock("2"), on("2", "promise.quoted", &quoted("04"))],
        "promise.quoted promise.expired ignored",
        "p expired",
    );
    // An offer binds nobody: it is neither kept, scored nor revised, and its withdrawal breaks nothing.
    for (name, properties) in [
        ("promise.fulfilled", r#""promise_id":"p""#),
        ("promise.scored", r#""promise_id":"p","probability_late":1"#),
        ("promise.revised", r#""promise_id":"p","due":"2026-03-09""#),
    ] {
        check(
            [on("1", "promise.inquired", p), on("1", name, properties)],
            "promise.inquired ignored",
            "p inquired",
        );
    }
    for by in ["customer", "company", "unknown"] {
        let withdrawn = format!(r#""promise_id":"p","withdrawn_by":"{by}""#);
        check(
            [on("1", "promise.quoted", &quoted("02")), on("1", "promise.withdrawn", &withdrawn), clock("9")],
            "promise.quoted promise.withdrawn",
            "p withdrawn",
        );
    }
}

#[test]
fn kept_on_the_last_microsecond_and_broken_one_later_by_the_clock() {
    let names = "order.placed promise.made fulfillment.moved order.moved promise.kept";
    check([placed(), on("3", "fulfillment.delivered", O)], names, "o delivered, order:o kept");
    let world = check(
        [placed(), on("5 23:59:59.999999", "fulfillment.delivered", O)],
        names,
        "o delivered, order:o kept",
    );
    assert!(
        matches!(facts(&world, "promise.kept")[..], [Fact::PromiseKept { at, .. }] if *at == time("5 23:59:59.999999"))
    );
    // The deadline itself breaks nothing.
    check(
        [placed(), clock("5 23:59:59.999999")],
        "order.placed promise.made",
        "o placed, order:o made, 1 timers",
    );
    let broken = "order.placed promise.made promise.broken +promise_broken";
    let world =
        check([placed(), clock("6")], broken, "o placed, order:o broken by clock, order:o/broken requested");
    assert!(
        matches!(facts(&world, "promise.broken")[..], [Fact::PromiseBroken { at, cause: BreakCause::Clock, .. }] if *at == time("6"))
    );
    // One microsecond late: the clock breaks it first, the goods come after.
    check(
        [placed(), on("6", "fulfillment.delivered", O), clock("20")],
        &format!("{broken} fulfillment.moved order.moved promise.fulfilled_late"),
        "o delivered, order:o broken by clock late, order:o/broken requested",
    );
    // No person and no failed delivery breaks it before.
    check(
        [placed(), on("2", "fulfillment.undeliverable", O), on("3", "fulfillment.returned_to_sender", O)],
        "order.placed promise.made fulfillment.moved fulfillment.moved",
        "o placed, order:o made, 1 timers",
    );
}

#[test]
fn late_evidence_of_an_on_time_delivery_corrects_the_verdict_and_keeps_it_on_record() {
    let world = check(
        [
            placed(),
            late("9", "5 12:00", "fulfillment.delivered", O),
            late("9", "5 13:00", "fulfillment.delivered", O),
        ],
        "order.placed promise.made promise.broken +promise_broken fulfillment.moved order.moved promise.corrected \
         fulfillment.moved",
        "o delivered, order:o kept, order:o/broken requested",
    );
    assert!(matches!(
        facts(&world, "promise.corrected")[..],
        [Fact::PromiseCorrected { at, fulfilled_at, .. }] if *at == time("9") && *fulfilled_at == time("5 12:00")
    ));
    assert_eq!(world.customer().promises["order:o"].cause, Some(BreakCause::Clock));
    // First it seems to have come late, then earlier evidence is found.
    check(
        [placed(), on("7", "fulfillment.delivered", O), late("9", "5 12:00", "fulfillment.delivered", O)],
        "order.placed promise.made promise.broken +promise_broken fulfillment.moved order.moved \
         promise.fulfilled_late fulfillment.moved promise.corrected",
        "o delivered, order:o kept, order:o/broken requested",
    );
    // What is dated in the future happened when it came.
    let world = check(
        [placed(), late("3", "4", "fulfillment.delivered", O)],
        "order.placed promise.made fulfillment.moved order.moved promise.kept",
        "o delivered, order:o kept",
    );
    assert_eq!(world.customer().orders["o"].delivered_at, Some(time("3")));
}

#[test]
fn tolerance_moves_the_deadline_and_not_the_target() {
    let tolerant = |rest: &str| {
        format!(r#""order_id":"o","promise":{{"due":"2026-03-05T12:00:00Z","tolerance_minutes":30{rest}}}"#)
    };
    let made = || on("1", "order.placed", &tolerant(""));
    let kept = "order.placed promise.made fulfillment.moved order.moved promise.kept";
    check([made(), on("5 12:30", "fulfillment.delivered", O)], kept, "o delivered, order:o kept");
    let world =
        check([made(), clock("5 12:30")], "order.placed promise.made", "o placed, order:o made, 1 timers");
    assert_eq!(world.customer().promises["order:o"].terms.due_at, time("5 12:00"));
    check(
        [made(), clock("5 12:30:00.000001")],
        "order.placed promise.made promise.broken +promise_broken",
        "o placed, order:o broken by clock, order:o/broken requested",
    );
    // A hand-over later than the deadline puts nothing at risk any more.
    check(
        [on("1", "order.placed", &tolerant(r#","hand_over_by":"2026-03-05T12:30:00Z""#)), clock("5 12:30")],
        "order.placed promise.made",
        "o placed, order:o made, 1 timers",
    );
}

#[test]
fn a_day_is_the_customers_day() {
    for (due, zone, last) in [
        ("2026-03-05", "Asia/Seoul", "2026-03-05T14:59:59.999999Z"),
        ("2026-03-05", "Pacific/Kiritimati", "2026-03-05T09:59:59.999999Z"),
        // 23 and 25 hours.
        ("2026-03-08", "America/New_York", "2026-03-09T03:59:59.999999Z"),
        ("2026-11-01", "America/New_York", "2026-11-02T04:59:59.999999Z"),
        ("2026-03-29", "Europe/Paris", "2026-03-29T21:59:59.999999Z"),
        ("2026-10-25", "Europe/Paris", "2026-10-25T22:59:59.999999Z"),
        // Midnight did not exist on the next day in São Paulo.
        ("2017-10-14", "America/Sao_Paulo", "2017-10-15T02:59:59.999999Z"),
    ] {
        let properties = format!(r#""promise_id":"p","due":"{due}","time_zone":"{zone}""#);
        let made = || on("2017-01-01T00:00:00Z", "promise.made", &properties);
        let fulfilled = |at: &str| on(at, "promise.fulfilled", r#""promise_id":"p""#);
        check([made(), fulfilled(last)], "promise.made promise.kept", "p kept");
        let after = time(last).plus_micros(1);
        check(
            [made(), Step::Clock(after)],
            "promise.made promise.broken +promise_broken",
            "p broken by clock, p/broken requested",
        );
    }
}

#[test]
fn at_risk_by_a_score_and_back() {
    let scored = |day: &str, p: &str| {
        on(day, "promise.scored", &format!(r#"{P},"probability_late":{p},"reason":"snow""#))
    };
    let made = "order.placed promise.made";
    // The threshold itself is not above the threshold.
    check([placed(), scored("2", "0.3")], made, "o placed, order:o made, 1 timers");
    let world = check(
        [placed(), scored("2", "0.31"), scored("2", "0.9")],
        &format!("{made} promise.at_risk +promise_at_risk:scored"),
        "o placed, order:o at_risk scored, 1 timers, order:o/at_risk/1 requested",
    );
    assert_eq!(
        world.customer().promises["order:o"].risk,
        Some(RiskReason::Scored { probability_late: 0.31, reason: "snow".into() })
    );
    // Back, and again: each time tells operations once more, under another key.
    check(
        [placed(), scored("2", "0.5"), scored("3", "0.1"), scored("3", "0.2"), scored("4", "1")],
        &format!(
            "{made} promise.at_risk +promise_at_risk:scored promise.recovered promise.at_risk +promise_at_risk:scored"
        ),
        "o placed, order:o at_risk scored, 1 timers, order:o/at_risk/1 requested, order:o/at_risk/2 requested",
    );
    // The published threshold counts.
    check([placed(), Step::Threshold(0.95), scored("2", "0.9")], made, "o placed, order:o made, 1 timers");
    check(
        [
            placed(),
            scored("2", "0.5"),
            on("3", "fulfillment.delivered", O),
            scored("4", "0.1"),
            scored("4", "0.9"),
        ],
        &format!(
            "{made} promise.at_risk +promise_at_risk:scored fulfillment.moved order.moved promise.kept ignored ignored"
        ),
        "o delivered, order:o kept, order:o/at_risk/1 requested",
    );
    check(
        [placed(), scored("2", "0.5"), clock("6")],
        &format!("{made} promise.at_risk +promise_at_risk:scored promise.broken +promise_broken"),
        "o placed, order:o broken by clock, order:o/at_risk/1 requested, order:o/broken requested",
    );
    check([scored("2", "0.5")], "ignored", "");
}

#[test]
fn at_risk_when_it_was_not_handed_over() {
    let made = "order.placed promise.made";
    let at_risk = "promise.at_risk +promise_at_risk:not_handed_over";
    check([watched(), clock("3")], made, "o placed, order:o made, 2 timers");
    check(
        [watched(), clock("3 00:00:00.000001")],
        &format!("{made} {at_risk}"),
        "o placed, order:o at_risk not_handed_over, 1 timers, order:o/at_risk/1 requested",
    );
    // Handed over in time, in part or in full; being packed is not handing over.
    for (event, order, part) in [
        ("fulfillment.shipped", "fulfilled", ""),
        ("fulfillment.shipped", "partially_fulfilled", r#","fraction":0.5"#),
        ("fulfillment.in_transit", "fulfilled", ""),
    ] {
        check(
            [watched(), on("2", event, &format!("{O}{part}")), clock("4")],
            &format!("{made} fulfillment.moved order.moved"),
            &format!("o {order}, order:o made, 1 timers"),
        );
    }
    check(
        [watched(), on("2", "fulfillment.processing", O), clock("4")],
        &format!("{made} fulfillment.moved order.moved {at_risk}"),
        "o allocated, order:o at_risk not_handed_over, 1 timers, order:o/at_risk/1 requested",
    );
    // Handed over after all.
    check(
        [watched(), on("4", "fulfillment.shipped", O)],
        &format!("{made} {at_risk} fulfillment.moved order.moved promise.recovered"),
        "o fulfilled, order:o made, 1 timers, order:o/at_risk/1 requested",
    );
    // Known to be shipped before the promise was: nothing to watch for.
    check(
        [late("2", "1", "fulfillment.shipped", O), late("2", "1", "order.placed", WATCHED), clock("4")],
        "fulfillment.moved order.moved order.placed promise.made",
        "o fulfilled, order:o made, 1 timers",
    );
    check(
        [watched(), on("4", "fulfillment.delivered", O)],
        &format!("{made} {at_risk} fulfillment.moved order.moved promise.kept"),
        "o delivered, order:o kept, order:o/at_risk/1 requested",
    );
    // Delivered without ever having been shipped, as some shops report.
    check(
        [watched(), on("2", "fulfillment.delivered", O), clock("20")],
        &format!("{made} fulfillment.moved order.moved promise.kept"),
        "o delivered, order:o kept",
    );
}

#[test]
fn what_has_ended_stays_ended_when_the_goods_leave_after_all() {
    let at_risk = "order.placed promise.made promise.at_risk +promise_at_risk:not_handed_over";
    // Broken while it was at risk: leaving the shop afterwards mends nothing.
    check(
        [watched(), clock("6"), on("7", "fulfillment.shipped", O), on("8", "fulfillment.delivered", O)],
        &format!(
            "{at_risk} promise.broken +promise_broken fulfillment.moved order.moved fulfillment.moved order.moved \
             promise.fulfilled_late"
        ),
        "o delivered, order:o broken by clock late, order:o/at_risk/1 requested, order:o/broken requested",
    );
    check(
        [
            watched(),
            clock("4"),
            on("4", "promise.withdrawn", &format!(r#"{P},"withdrawn_by":"customer""#)),
            on("5", "fulfillment.shipped", O),
        ],
        &format!("{at_risk} promise.withdrawn fulfillment.moved order.moved"),
        "o fulfilled, order:o withdrawn, order:o/at_risk/1 requested",
    );
    check(
        [watched(), clock("4"), on("4", "promise.fulfilled", P), on("5", "fulfillment.in_transit", O)],
        &format!("{at_risk} promise.kept fulfillment.moved order.moved"),
        "o fulfilled, order:o kept, order:o/at_risk/1 requested",
    );
}

#[test]
fn at_risk_by_a_failed_attempt() {
    let made = "order.placed promise.made";
    let failed = || on("3", "fulfillment.failed_attempt", O);
    check(
        [placed(), failed(), on("4", "fulfillment.failed_attempt", O)],
        &format!(
            "{made} fulfillment.moved promise.at_risk +promise_at_risk:failed_attempt fulfillment.moved"
        ),
        "o placed, order:o at_risk failed_attempt, 1 timers, order:o/at_risk/1 requested",
    );
    check(
        [placed(), failed(), on("4", "fulfillment.delivered", O)],
        &format!(
            "{made} fulfillment.moved promise.at_risk +promise_at_risk:failed_attempt fulfillment.moved order.moved \
             promise.kept"
        ),
        "o delivered, order:o kept, order:o/at_risk/1 requested",
    );
    // It was at risk for not having left, and what shows that it left is that nobody was at home: no recovery.
    for sign in ["fulfillment.failed_attempt", "fulfillment.undeliverable", "fulfillment.returned_to_sender"]
    {
        check(
            [watched(), on("4", sign, O)],
            &format!("{made} promise.at_risk +promise_at_risk:not_handed_over fulfillment.moved"),
            "o placed, order:o at_risk not_handed_over, 1 timers, order:o/at_risk/1 requested",
        );
    }
}

#[test]
fn a_revision_is_a_version_that_keeps_the_first_target() {
    let revised =
        |day: &str, due: &str| on(day, "promise.revised", &format!(r#"{P},"due":"{due}","reason":"snow""#));
    let made = "order.placed promise.made";
    let world = check(
        [placed(), revised("4", "2026-03-08"), revised("7", "2026-03-10"), clock("10 23:59:59.999999")],
        &format!("{made} promise.revised +promise_revised promise.revised +promise_revised"),
        "o placed, order:o made v3, 1 timers, order:o/revised/2 requested, order:o/revised/3 requested",
    );
    let promise = &world.customer().promises["order:o"];
    assert_eq!(promise.first_due_at, time("5 23:59:59.999999"));
    assert_eq!(promise.terms.due_at, time("10 23:59:59.999999"));
    assert!(matches!(facts(&world, "promise.revised")[..], [
        Fact::PromiseRevised { version: 2, due_at: first, .. },
        Fact::PromiseRevised { version: 3, due_at: second, .. },
    ] if *first == time("8 23:59:59.999999") && *second == time("10 23:59:59.999999")));
    let revised_once = format!("{made} promise.revised +promise_revised");
    // The new date counts, the old one does not any more.
    check(
        [placed(), revised("4", "2026-03-08"), on("7", "fulfillment.delivered", O)],
        &format!("{revised_once} fulfillment.moved order.moved promise.kept"),
        "o delivered, order:o kept v2, order:o/revised/2 requested",
    );
    check(
        [placed(), revised("4", "2026-03-08"), clock("9")],
        &format!("{revised_once} promise.broken +promise_broken"),
        "o placed, order:o broken by clock v2, order:o/broken requested, order:o/revised/2 requested",
    );
    // Earlier is a revision too; into the past, the clock breaks it at once.
    check(
        [placed(), revised("4", "2026-03-02"), clock("4")],
        &format!("{revised_once} promise.broken +promise_broken"),
        "o placed, order:o broken by clock v2, order:o/broken requested, order:o/revised/2 requested",
    );
    // A new date takes it out of risk, and its hand-over is not asked for twice.
    check(
        [watched(), clock("4"), revised("4", "2026-03-08"), clock("8")],
        &format!("{made} promise.at_risk +promise_at_risk:not_handed_over promise.revised +promise_revised"),
        "o placed, order:o made v2, 1 timers, order:o/at_risk/1 requested, order:o/revised/2 requested",
    );
    // The customer's zone counts for a date, or the one that comes with it.
    let seoul = r#""promise_id":"p","due":"2026-03-05","time_zone":"Asia/Seoul""#;
    for (zone, last) in [("", "8 14:59:59.999999"), (r#","time_zone":"UTC""#, "8 23:59:59.999999")] {
        let world = check(
            [
                on("1", "promise.made", seoul),
                on("2", "promise.revised", &format!(r#""promise_id":"p","due":"2026-03-08"{zone}"#)),
            ],
            "promise.made promise.revised +promise_revised",
            "p made v2, 1 timers, p/revised/2 requested",
        );
        assert_eq!(world.customer().promises["p"].terms.due_at, time(last));
    }
    // What has ended, or is not known, or is no date, is not revised.
    check(
        [placed(), clock("6"), revised("6", "2026-03-08")],
        &format!("{made} promise.broken +promise_broken signal.kept"),
        "o placed, order:o broken by clock, order:o/broken requested",
    );
    check([revised("4", "2026-03-08")], "signal.kept", "");
    check([placed(), revised("4", "soon")], &format!("{made} ignored"), "o placed, order:o made, 1 timers");
    check(
        [placed(), revised("4", "9999-12-31")],
        &format!("{made} ignored"),
        "o placed, order:o made, 1 timers",
    );
}

#[test]
fn withdrawn_by_customer_company_or_somebody_unknown() {
    let withdrawn = |by: &str| on("3", "promise.withdrawn", &format!(r#"{P}{by}"#));
    let made = "order.placed promise.made";
    for (by, expected) in [
        (r#","withdrawn_by":"customer""#, CancelledBy::Customer),
        (r#","withdrawn_by":"unknown""#, CancelledBy::Unknown),
        ("", CancelledBy::Unknown),
    ] {
        let world = check(
            [watched(), withdrawn(by), clock("20")],
            &format!("{made} promise.withdrawn"),
            "o placed, order:o withdrawn",
        );
        assert!(
            matches!(facts(&world, "promise.withdrawn")[..], [Fact::PromiseWithdrawn { by, .. }] if *by == expected)
        );
    }
    // The company taking it back breaks it, at once, for the company's reason; being late does not mend it.
    let world = check(
        [watched(), withdrawn(r#","withdrawn_by":"company""#), clock("20")],
        &format!("{made} promise.broken +promise_broken"),
        "o placed, order:o broken by company, order:o/broken requested",
    );
    assert!(
        matches!(facts(&world, "promise.broken")[..], [Fact::PromiseBroken { at, cause: BreakCause::Company, .. }] if *at == time("3"))
    );
    check(
        [placed(), withdrawn(r#","withdrawn_by":"company""#), on("4", "fulfillment.delivered", O)],
        &format!(
            "{made} promise.broken +promise_broken fulfillment.moved order.moved promise.fulfilled_late"
        ),
        "o delivered, order:o broken by company late, order:o/broken requested",
    );
    // Twice, or after the end, changes nothing.
    check(
        [placed(), withdrawn(""), withdrawn(r#","withdrawn_by":"company""#)],
        &format!("{made} promise.withdrawn ignored"),
        "o placed, order:o withdrawn",
    );
    check([withdrawn("")], "signal.kept", "");
    // Coming to pass after that keeps nothing.
    check(
        [placed(), withdrawn(""), on("4", "fulfillment.delivered", O)],
        &format!("{made} promise.withdrawn fulfillment.moved order.moved ignored"),
        "o delivered, order:o withdrawn",
    );
}

#[test]
fn a_promise_of_a_number() {
    let made = |comparator: &str, tolerance: &str| {
        on(
            "1",
            "promise.made",
            &format!(
                r#""promise_id":"p","attribute":"wait","due":"2026-03-05","target":10,"comparator":"{comparator}","tolerance":{tolerance},"unit":"min""#
            ),
        )
    };
    let fulfilled = |day: &str, actual: &str| {
        on(day, "promise.fulfilled", &format!(r#""promise_id":"p","actual":{actual}"#))
    };
    for (comparator, tolerance, actual, kept) in [
        ("at_most", "0", "10", true),
        ("at_most", "0", "10.001", false),
        ("at_most", "0.5", "10.5", true),
        ("at_most", "0.5", "10.51", false),
        ("at_least", "0", "10", true),
        ("at_least", "0", "9.999", false),
        ("at_least", "1", "9", true),
        ("at_least", "1", "8.9", false),
        // Without a number, it came to pass.
        ("at_least", "0", "null", true),
    ] {
        let steps = [made(comparator, tolerance), fulfilled("3", actual)];
        if kept {
            check(steps, "promise.made promise.kept", "p kept");
        } else {
            // It may still come right; the clock decides.
            check(steps, "promise.made ignored", "p made, 1 timers");
        }
    }
    check(
        [made("at_most", "0"), fulfilled("3", "12"), fulfilled("4", "9")],
        "promise.made ignored promise.kept",
        "p kept",
    );
    check(
        [made("at_most", "0"), fulfilled("3", "12"), clock("6")],
        "promise.made ignored promise.broken +promise_broken",
        "p broken by clock, p/broken requested",
    );
    // Late evidence corrects only where the number is right too.
    let late_actual =
        |actual: &str| late("9", "4", "promise.fulfilled", &format!(r#""promise_id":"p","actual":{actual}"#));
    check(
        [made("at_most", "0"), late_actual("9")],
        "promise.made promise.broken +promise_broken promise.corrected",
        "p kept, p/broken requested",
    );
    check(
        [made("at_most", "0"), late_actual("12")],
        "promise.made promise.broken +promise_broken promise.fulfilled_late",
        "p broken by clock late, p/broken requested",
    );
    check([fulfilled("3", "1")], "signal.kept", "");
}

#[test]
fn other_promises_of_an_order_are_not_kept_by_its_delivery() {
    let installed = r#""promise_id":"i","order_id":"o","attribute":"installation","due":"2026-03-05""#;
    check(
        [placed(), on("1", "promise.made", installed), on("3", "fulfillment.delivered", O)],
        "order.placed promise.made promise.made fulfillment.moved order.moved promise.kept",
        "o delivered, i made, order:o kept, 1 timers",
    );
    // But the order's end is theirs.
    check(
        [
            placed(),
            on("1", "promise.made", installed),
            on("3", "order.cancelled", &format!(r#"{O},"cancelled_by":"company""#)),
        ],
        "order.placed promise.made promise.made order.cancelled promise.broken +promise_broken promise.broken +promise_broken",
        "o cancelled by company, i broken by company, order:o broken by company, i/broken requested, order:o/broken requested",
    );
}

#[test]
fn what_was_heard_of_before_the_promise_counts_when_it_is_made() {
    let p = r#""promise_id":"p""#;
    let made = || late("9", "1", "promise.made", r#""promise_id":"p","due":"2026-03-05""#);
    check(
        [late("9", "4", "promise.fulfilled", p), made()],
        "signal.kept promise.made mail:cus-0-1 promise.kept",
        "p kept",
    );
    // Revised before it was over, and kept by the revised date.
    check(
        [
            late("9", "8", "promise.fulfilled", p),
            late("9", "3", "promise.revised", &format!(r#"{p},"due":"2026-03-08""#)),
            made(),
        ],
        "signal.kept signal.kept promise.made mail:cus-0-1 mail:cus-0-1 promise.revised +promise_revised promise.kept",
        "p kept v2, p/revised/2 requested",
    );
    // No more is kept than anybody would say of one promise.
    let numbered = |n: u32| late("9", "4", "promise.fulfilled", &format!(r#"{p},"actual":{n}"#));
    let many: Vec<Step> = (0..20).map(numbered).collect();
    let world = check(many, &format!("{}ignored ignored ignored ignored", "signal.kept ".repeat(16)), "");
    assert_eq!(world.customer().early["p"].len(), 16);
    // Nor the same twice.
    check(
        [numbered(1), numbered(1), made()],
        "signal.kept ignored promise.made mail:cus-0-1 promise.kept",
        "p kept",
    );
}

#[test]
fn what_is_heard_of_after_the_verdict_counts_by_when_it_happened() {
    let due = "order.placed promise.made promise.broken +promise_broken";
    let taken_back =
        |by: &str, at: &str| late("9", at, "promise.withdrawn", &format!(r#"{P},"withdrawn_by":"{by}""#));
    // Taken back in time, told late.
    check(
        [placed(), clock("6"), taken_back("customer", "4")],
        &format!("{due} promise.withdrawn"),
        "o placed, order:o withdrawn, order:o/broken requested",
    );
    let world = check(
        [placed(), clock("6"), taken_back("company", "4")],
        &format!("{due} promise.broken"),
        "o placed, order:o broken by company, order:o/broken requested",
    );
    assert_eq!(world.customer().promises["order:o"].ended, Some((time("4"), CancelledBy::Company)));
    // It had come to pass before.
    check(
        [placed(), taken_back("customer", "4"), late("9", "3", "fulfillment.delivered", O)],
        &format!("{due} promise.withdrawn fulfillment.moved order.moved promise.corrected"),
        "o delivered, order:o kept, order:o/broken requested",
    );
    // It came to pass after: the goods arrived, and nothing was promised any more.
    check(
        [
            placed(),
            late("9", "4", "fulfillment.delivered", O),
            late("9", "3", "order.cancelled", &format!(r#"{O},"cancelled_by":"customer""#)),
        ],
        "order.placed promise.made promise.broken +promise_broken fulfillment.moved order.moved promise.corrected order.cancelled promise.withdrawn",
        "o delivered by customer, order:o withdrawn, order:o/broken requested",
    );
    // Revised in time, told after the clock had broken the first date.
    let revised =
        |at: &str, due: &str| late("9", at, "promise.revised", &format!(r#"{P},"due":"2026-03-{due}""#));
    check(
        [placed(), clock("6"), revised("4", "20")],
        &format!("{due} promise.revised"),
        "o placed, order:o made v2, 1 timers, order:o/broken requested",
    );
    check(
        [placed(), clock("7"), on("7", "fulfillment.delivered", O), revised("4", "08")],
        &format!(
            "{due} fulfillment.moved order.moved promise.fulfilled_late promise.revised promise.corrected"
        ),
        "o delivered, order:o kept v2, order:o/broken requested",
    );
    // An older revision, told after a later one, changes nothing; a second that needs the first waits for it.
    check(
        [
            placed(),
            on("3", "promise.revised", &format!(r#"{P},"due":"2026-03-08""#)),
            late("4", "2", "promise.revised", &format!(r#"{P},"due":"2026-03-20""#)),
        ],
        "order.placed promise.made promise.revised +promise_revised ignored",
        "o placed, order:o made v2, 1 timers, order:o/revised/2 requested",
    );
    check(
        [placed(), clock("8"), revised("7", "20"), revised("4", "08")],
        &format!("{due} signal.kept promise.revised mail:cus-0-1 promise.revised +promise_revised"),
        "o placed, order:o made v3, 1 timers, order:o/broken requested, order:o/revised/3 requested",
    );
}

#[test]
fn a_cancellation_counts_by_when_it_was_whatever_became_of_the_order() {
    let cancelled =
        |at: &str, by: &str| late("14", at, "order.cancelled", &format!(r#"{O},"cancelled_by":"{by}""#));
    // It came back, and had been cancelled before that.
    let world = check(
        [
            placed(),
            on("2", "fulfillment.shipped", O),
            on("4", "fulfillment.returned_to_sender", O),
            cancelled("3", "customer"),
        ],
        "order.placed promise.made fulfillment.moved order.moved fulfillment.moved order.moved \
         promise.broken +promise_broken order.cancelled promise.withdrawn",
        "o returned by customer, order:o withdrawn, order:o/broken requested",
    );
    assert_eq!(world.customer().orders["o"].cancelled, Some((time("3"), CancelledBy::Customer)));
    // Two say so: the first to have done it did it.
    check(
        [placed(), cancelled("4", "customer"), cancelled("3", "company"), cancelled("3 12:00", "unknown")],
        "order.placed promise.made promise.broken +promise_broken order.cancelled promise.withdrawn \
         order.cancelled promise.broken ignored",
        "o cancelled by company, order:o broken by company, order:o/broken requested",
    );
}
