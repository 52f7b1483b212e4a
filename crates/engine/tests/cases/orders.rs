//! Orders: cancellations, partial deliveries, duplicates, and events that come in any order.

use model::*;

use super::scenario::*;

const PLACED: &str = r#""order_id":"o","promise":{"due":"2026-03-05"}"#;
const O: &str = r#""order_id":"o""#;

fn placed() -> Step {
    on("1", "order.placed", PLACED)
}

fn cancelled(day: &str, by: &str) -> Step {
    on(day, "order.cancelled", &format!(r#"{O},"cancelled_by":"{by}","reason":"r""#))
}

#[test]
fn an_order_goes_its_way() {
    check(
        [
            placed(),
            on("1", "order.confirmed", O),
            on("1", "order.allocated", O),
            on("2", "fulfillment.processing", O),
            on("2", "fulfillment.shipped", O),
            on("3", "fulfillment.in_transit", O),
            on("4", "fulfillment.delivered", O),
            on("9", "order.closed", O),
            on("10", "order.returned", O),
        ],
        "order.placed promise.made order.moved order.moved fulfillment.moved fulfillment.moved order.moved \
         fulfillment.moved fulfillment.moved order.moved promise.kept order.moved order.moved",
        "o returned, order:o kept",
    );
    // It never runs back.
    check(
        [placed(), on("2", "fulfillment.shipped", O), on("2", "order.confirmed", O)],
        "order.placed promise.made fulfillment.moved order.moved ignored",
        "o fulfilled, order:o made, 1 timers",
    );
}

#[test]
fn a_cancellation_by_the_customer_withdraws_and_by_the_company_breaks() {
    let made = "order.placed promise.made order.cancelled";
    for by in ["customer", "unknown"] {
        check(
            [placed(), cancelled("2", by), clock("20")],
            &format!("{made} promise.withdrawn"),
            &format!("o cancelled by {by}, order:o withdrawn"),
        );
    }
    let world = check(
        [placed(), cancelled("2", "company"), clock("20")],
        &format!("{made} promise.broken +promise_broken"),
        "o cancelled by company, order:o broken by company, order:o/broken requested",
    );
    assert!(
        matches!(facts(&world, "promise.broken")[..], [Fact::PromiseBroken { at, .. }] if *at == time("2"))
    );
    // A second cancellation, or one of what was delivered, is none.
    check(
        [placed(), cancelled("2", "customer"), cancelled("3", "company")],
        &format!("{made} promise.withdrawn ignored"),
        "o cancelled by customer, order:o withdrawn",
    );
    check(
        [placed(), on("2", "fulfillment.delivered", O), cancelled("3", "company")],
        "order.placed promise.made fulfillment.moved order.moved promise.kept ignored",
        "o delivered, order:o kept",
    );
    // What is on its way may still be called back.
    check(
        [placed(), on("2", "fulfillment.shipped", O), cancelled("3", "customer")],
        "order.placed promise.made fulfillment.moved order.moved order.cancelled promise.withdrawn",
        "o cancelled by customer, order:o withdrawn",
    );
    // A quote of the order is withdrawn, whoever ends it: nothing was promised yet.
    let quoted = r#""promise_id":"q","order_id":"o","due":"2026-03-05","expires_at":"2026-03-02T00:00:00Z""#;
    check(
        [on("1", "promise.quoted", quoted), cancelled("1", "company"), clock("9")],
        "promise.quoted order.cancelled promise.withdrawn",
        "o cancelled by company unplaced, q withdrawn",
    );
    // A promise that was kept before stays kept.
    check(
        [placed(), on("2", "promise.fulfilled", r#""promise_id":"order:o""#), cancelled("3", "company")],
        "order.placed promise.made promise.kept order.cancelled",
        "o cancelled by company, order:o kept",
    );
}

#[test]
fn a_cancellation_that_came_before_the_promise_ends_it_all_the_same() {
    for (by, names, ends) in [
        ("customer", "promise.withdrawn", "withdrawn"),
        ("unknown", "promise.withdrawn", "withdrawn"),
        ("company", "promise.broken +promise_broken", "broken by company"),
    ] {
        let effect =
            |id: &str| if by == "company" { format!(", {id}/broken requested") } else { String::new() };
        check(
            [
                late("2", "2", "order.cancelled", &format!(r#"{O},"cancelled_by":"{by}""#)),
                late("2", "1", "order.placed", PLACED),
                clock("20"),
            ],
            &format!("order.cancelled order.placed promise.made {names}"),
            &format!("o cancelled by {by}, order:o {ends}{}", effect("order:o")),
        );
        // Every promise of the order, not only that of its delivery.
        let installed = r#""promise_id":"i","order_id":"o","attribute":"installation","due":"2026-03-05""#;
        check(
            [cancelled("2", by), on("2", "promise.made", installed), clock("20")],
            &format!("order.cancelled promise.made {names}"),
            &format!("o cancelled by {by} unplaced, i {ends}{}", effect("i")),
        );
    }
}

#[test]
fn delivered_before_it_was_placed() {
    let delivered = |now: &str, at: &str| late(now, at, "fulfillment.delivered", O);
    let placed_late = |now: &str| late(now, "1", "order.placed", PLACED);
    check(
        [delivered("3", "3"), placed_late("4"), clock("20")],
        "fulfillment.moved order.moved order.placed promise.made promise.kept",
        "o delivered, order:o kept",
    );
    let world = check(
        [delivered("7", "7"), placed_late("8"), clock("20")],
        "fulfillment.moved order.moved order.placed promise.made promise.broken +promise_broken promise.fulfilled_late",
        "o delivered, order:o broken by clock late, order:o/broken requested",
    );
    // The verdict bears the same time as the clock's would.
    assert!(
        matches!(facts(&world, "promise.broken")[..], [Fact::PromiseBroken { at, .. }] if *at == time("6"))
    );
    // The earliest delivery counts, in whatever order the two are told.
    for (first, second) in [("3", "7"), ("7", "3")] {
        check(
            [delivered("7", first), delivered("8", second), placed_late("9")],
            "fulfillment.moved order.moved fulfillment.moved order.placed promise.made promise.kept",
            "o delivered, order:o kept",
        );
    }
    // A promise made after its day, and nothing delivered: the clock judges it at once.
    check(
        [placed_late("8"), clock("8")],
        "order.placed promise.made promise.broken +promise_broken",
        "o placed, order:o broken by clock, order:o/broken requested",
    );
    // Events in part do not keep it.
    check(
        [late("3", "3", "fulfillment.delivered", &format!(r#"{O},"fraction":0.5"#)), placed_late("4")],
        "fulfillment.moved order.moved order.placed promise.made",
        "o partially_fulfilled, order:o made, 1 timers",
    );
}

#[test]
fn only_all_of_it_keeps_the_promise() {
    let part = |day: &str, fraction: &str| {
        on(day, "fulfillment.delivered", &format!(r#"{O},"fraction":{fraction}"#))
    };
    check(
        [placed(), part("3", "0.5"), part("4", "0.99"), clock("6")],
        "order.placed promise.made fulfillment.moved order.moved fulfillment.moved promise.broken +promise_broken",
        "o partially_fulfilled, order:o broken by clock, order:o/broken requested",
    );
    let world = check(
        [placed(), part("3", "0.5"), part("4", "1"), part("4", "0.2")],
        "order.placed promise.made fulfillment.moved order.moved fulfillment.moved order.moved promise.kept \
         fulfillment.moved",
        "o delivered, order:o kept",
    );
    assert_eq!(world.customer().orders["o"].delivered_fraction, 1.0);
    assert_eq!(world.customer().orders["o"].delivered_at, Some(time("4")));
}

#[test]
fn what_was_said_before_is_not_said_twice() {
    check(
        [placed(), on("2", "order.placed", PLACED)],
        "order.placed promise.made ignored",
        "o placed, order:o made, 1 timers",
    );
    let review = |id: &str| on("6", "product.reviewed", &format!(r#"{O},"review_id":"{id}","rating":4"#));
    check([review("a"), review("a"), review("b")], "review.given ignored review.given", "o placed unplaced");
    // A promise that was made first by itself is not made again by the order.
    check(
        [on("1", "promise.made", r#""promise_id":"order:o","order_id":"o","due":"2026-03-04""#), placed()],
        "promise.made order.placed ignored",
        "o placed, order:o made, 1 timers",
    );
}

#[test]
fn money_moves_no_promise() {
    check(
        [
            placed(),
            on("1", "payment.captured", &format!(r#"{O},"amount":"1","currency":"EUR""#)),
            on("2", "order.refunded", O),
        ],
        "order.placed promise.made payment.captured order.refunded",
        "o placed, order:o made, 1 timers",
    );
}

#[test]
fn a_signal_that_cannot_be_read_moves_nothing_and_says_why() {
    let world = check([on("1", "order.placed", "")], "ignored", "");
    let [Outcome::Ignored { reason }] = &world.outcomes[..] else { panic!("{:?}", world.outcomes) };
    assert_eq!(reason, "order.placed: properties.order_id is missing");
}

#[test]
fn history_that_is_imported_is_told_to_nobody() {
    let world = check(
        [
            Step::Timeline(1),
            placed(),
            on("2", "promise.scored", r#""promise_id":"order:o","probability_late":1"#),
            clock("9"),
            Step::StartEffects,
        ],
        "order.placed promise.made promise.at_risk -promise_at_risk:scored:import promise.broken -promise_broken:import",
        "o placed, order:o broken by clock, order:o/at_risk/1 suppressed, order:o/broken suppressed",
    );
    assert_eq!(world.customer().promises["order:o"].timeline, TimelineId(1));
    // The live clock does not judge what belongs to the import's.
    check(
        [Step::Timeline(1), placed(), Step::Timeline(0), clock("20")],
        "order.placed promise.made",
        "o placed, order:o made, 1 timers",
    );
    // What comes to pass live ends it: in time, or too late.
    let delivered = |day: &str| on(day, "fulfillment.delivered", O);
    check(
        [Step::Timeline(1), placed(), Step::Timeline(0), delivered("4")],
        "order.placed promise.made fulfillment.moved order.moved promise.kept",
        "o delivered, order:o kept",
    );
    let world = check(
        [Step::Timeline(1), placed(), Step::Timeline(0), delivered("20")],
        "order.placed promise.made fulfillment.moved order.moved promise.broken +promise_broken promise.fulfilled_late",
        "o delivered, order:o broken by clock late, order:o/broken requested",
    );
    assert!(
        matches!(facts(&world, "promise.broken")[..], [Fact::PromiseBroken { at, .. }] if *at == time("6"))
    );
}
