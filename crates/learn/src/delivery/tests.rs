use super::*;
use crate::boost::Params;
use proptest::prelude::*;

/// SplitMix64 as numbers between 0 and 1.
fn uniform(seed: u64) -> impl FnMut() -> f64 {
    let mut state = seed;
    move || {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// `days` days with `daily` orders each. Orders to the north take about six days, those to the south three; the
/// seller `slow` needs two days longer. Each is promised some days between 4 and 15, at random.
fn shop(days: u32, daily: u32, seed: u64) -> Vec<Order> {
    let mut next = uniform(seed);
    let mut orders = Vec::new();
    for day in 0..days {
        for _ in 0..daily {
            let placed = f64::from(day) * DAY + 24.0 * next();
            let (north, slow) = (next() < 0.5, next() < 0.3);
            let handling = (if slow { 60.0 } else { 12.0 }) * (0.5 + next());
            let transit = (if north { 120.0 } else { 60.0 }) * (0.6 + 0.8 * next());
            let lost = next() < 0.01;
            let days = 4.0 + (12.0 * next()).floor();
            let delivered = placed + handling + transit;
            let day_of = |at: f64| (at / DAY).floor() as i32 - (placed / DAY).floor() as i32;
            orders.push(Order {
                placed,
                handed_over: Some(placed + handling),
                delivered: (!lost).then_some(delivered),
                delivered_day: (!lost).then(|| day_of(delivered)),
                promised: Some(((placed / DAY).floor() + days + 1.0) * DAY - 1e-6),
                promised_day: Some(days as i32),
                to_region: if north { "N" } else { "S" }.to_owned(),
                from_region: "C".to_owned(),
                seller: if slow { "slow" } else { "quick" }.to_owned(),
                items: 1.0,
                sellers: 1.0,
                weight_grams: f64::NAN,
                price: 10.0,
                freight: f64::NAN,
                ..Order::default()
            });
        }
    }
    orders
}

/// What a recorder sees at an hour: later things have not happened.
fn seen_at(orders: &[Order], at: f64) -> Vec<Order> {
    let orders = orders.iter().filter(|order| order.placed < at).cloned();
    let hidden = |mut order: Order| {
        order.handed_over = order.handed_over.filter(|time| *time < at);
        order.delivered = order.delivered.filter(|time| *time < at);
        order
    };
    orders.map(hidden).collect()
}

#[test]
fn a_backtest_finds_lanes_and_sellers_and_promises_less_for_more() {
    let orders = shop(240, 30, 1);
    let (cutoff, end) = (180.0 * DAY, 240.0 * DAY);
    let settings = Settings::standard(cutoff, end, end, false);
    let mut told = 0;
    let found = backtest(&orders, &settings, &mut |done, of| told = done.min(of)).unwrap();
    assert_eq!(told, settings.steps());
    assert!(found.scored > 1200 && found.not_due > 0 && found.before_waiting > 50, "{found:?}");
    // As many are kept as were, and days earlier.
    let matching = found.matching.unwrap();
    assert!(matching.kept >= found.market.kept && matching.days < found.market.days - 1.0, "{matching:?}");
    for point in found.frontier.iter().chain(&found.priced).filter(|point| point.probability < 0.98) {
        assert!(point.calibration_error < 0.03, "{point:?}");
    }
    for pair in found.frontier.windows(2) {
        assert!(pair[0].days <= pair[1].days && pair[0].kept <= pair[1].kept);
    }
    // By their price days are chosen at least as well.
    let priced = found.matching_priced.unwrap();
    assert!(priced.kept >= found.market.kept && priced.days < matching.days + 0.3, "{priced:?}");
    // Who is late is better known than by lane, and best at the hand-over.
    let (bought, handed) = (found.at_purchase, found.at_hand_over);
    assert!(bought.auc.unwrap() > bought.auc_by_lane.unwrap() + 0.02, "{bought:?}");
    assert!(handed.auc.unwrap() >= bought.auc.unwrap(), "{handed:?}");
}

#[test]
fn held_still_it_knows_nothing_of_what_comes_after_the_cut_off() {
    let orders = shop(150, 12, 2);
    let (cutoff, end) = (110.0 * DAY, 150.0 * DAY);
    let features = sweep(&orders, Knowledge::Until(cutoff));
    let mut other = orders.clone();
    for order in &mut other {
        order.handed_over = order.handed_over.map(|at| if at < cutoff { at } else { at + 20.0 });
        order.delivered = order.delivered.map(|at| if at < cutoff { at } else { at + 40.0 });
    }
    let changed = sweep(&other, Knowledge::Until(cutoff));
    // NaN is not equal to itself; the debug text is.
    assert_eq!(format!("{:?}", features.at_purchase), format!("{:?}", changed.at_purchase));
    assert_eq!(features.lane, changed.lane);
    let settings = Settings { trees: few(), ..Settings::standard(cutoff, end, end, true) };
    let quiet = &mut |_, _| {};
    let (one, two) =
        (backtest(&orders, &settings, quiet).unwrap(), backtest(&other, &settings, quiet).unwrap());
    let days = |found: &Backtest| found.frontier.iter().map(|point| point.days).collect::<Vec<_>>();
    assert_eq!(days(&one), days(&two));
    assert_ne!(one.market.taken_days, two.market.taken_days);
}

#[test]
fn features_of_an_order_are_the_same_when_nothing_later_is_recorded() {
    let orders = shop(60, 10, 3);
    let at = 40.0 * DAY;
    let whole = sweep(&orders, Knowledge::Running);
    let part = seen_at(&orders, at);
    let partial = sweep(&part, Knowledge::Running);
    for number in 0..part.len() {
        let rows = [whole.at_purchase.row(number), partial.at_purchase.row(number)];
        assert_eq!(format!("{:?}", rows[0]), format!("{:?}", rows[1]));
    }
}

#[test]
fn who_still_waits_is_not_dropped() {
    // Half of the orders take thirty days: at the cut-off, of the last month's only the quick ones have arrived.
    let mut orders = shop(120, 20, 4);
    for (number, order) in orders.iter_mut().enumerate() {
        order.delivered = Some(order.placed + if number % 2 == 0 { 48.0 } else { 720.0 });
    }
    let seen = seen_at(&orders, 100.0 * DAY);
    let times = DeliveryTimes::learn(&seen, 100.0 * DAY).unwrap();
    assert!((times.lane("", "").0.quantile(0.75) - 720.0).abs() < 1.0);
    let first_month = seen_at(&orders, 20.0 * DAY);
    let young = DeliveryTimes::learn(&first_month, 20.0 * DAY).unwrap();
    // None of the slow ones has arrived yet, and yet it is known that half take longer than the quick.
    let reached = young.lane("", "").0.points().last().unwrap().0;
    assert!((0.4..0.7).contains(&reached), "{reached}");
}

#[test]
fn lanes_fall_back_and_lean_on_the_coarser_one() {
    let mut orders = shop(100, 10, 5);
    orders.push(Order { to_region: "W".to_owned(), delivered: Some(99.0 * DAY), ..orders[900].clone() });
    let times = DeliveryTimes::learn(&orders, 100.0 * DAY).unwrap();
    let median = |from, to| times.lane(from, to).0.quantile(0.5);
    assert!(median("C", "N") > median("C", "S") + 30.0);
    // One order says little of a lane.
    assert!((median("C", "W") - median("", "")).abs() < 20.0, "{} {}", median("C", "W"), median("", ""));
    assert_eq!(times.lane("C", "W").1, 1);
    // Unknown places fall back.
    assert_eq!(times.lane("X", "N"), times.lane("", "N"));
    assert_eq!(times.lane("C", "Y"), times.lane("C", ""));
    assert_eq!(times.lane("X", "Y"), times.lane("", ""));
    let (hand_over, _) = times.lane_from_hand_over("C", "N").unwrap();
    assert!(hand_over.quantile(0.5) < median("C", "N"));
}

#[test]
fn kept_times_are_looked_over_when_they_are_read() {
    let times = DeliveryTimes::learn(&shop(30, 5, 6), 30.0 * DAY).unwrap();
    let text = serde_json::to_string(&times).unwrap();
    assert_eq!(serde_json::from_str::<DeliveryTimes>(&text).unwrap(), times);
    assert!(
        serde_json::from_str::<DeliveryTimes>(&text.replacen("\"version\":1", "\"version\":2", 1)).is_err()
    );
    assert!(serde_json::from_str::<DeliveryTimes>(r#"{"version":1,"lanes":[]}"#).is_err());
}

fn few() -> Params {
    Params { trees: 20, leaf_rows: 20, ..Params::default() }
}

#[test]
fn degenerate_shops_are_told_or_refused() {
    let quiet = &mut |_, _| {};
    let settings = Settings { trees: few(), ..Settings::standard(50.0 * DAY, 90.0 * DAY, 90.0 * DAY, false) };
    assert_eq!(backtest(&[], &settings, quiet), Err(DeliveryError::NothingDelivered));
    assert_eq!(DeliveryTimes::learn(&[], 1.0), Err(DeliveryError::NothingDelivered));

    // One order before, one after.
    let one = |placed: f64| Order {
        placed,
        delivered: Some(placed + 30.0),
        delivered_day: Some(1),
        promised: Some(placed + 72.0),
        ..Order::default()
    };
    let found = backtest(&[one(10.0), one(51.0 * DAY)], &settings, quiet).unwrap();
    assert_eq!((found.scored, found.market.kept, found.at_purchase.auc), (1, 1.0, None));
    assert_eq!(found.at_hand_over.orders, 0);
    assert_eq!(DeliveryTimes::learn(&[one(10.0)], 50.0 * DAY).unwrap().lane("a", "b").1, 1);
    assert_eq!(backtest(&[one(10.0)], &settings, quiet), Err(DeliveryError::NothingToScore));

    // All alike: the time itself is offered, with all the probability that so many orders can give.
    let same: Vec<Order> = (0..800).map(|n| one(f64::from(n) * 2.0 + 0.5)).collect();
    let settings = Settings { known_until: 1e6, until: 1e6, ..settings };
    let found = backtest(&same, &settings, quiet).unwrap();
    assert!(found.frontier.iter().all(|point| point.kept > 0.99 && point.days <= 3.0), "{found:?}");

    // All waiting: nothing is known.
    let waiting: Vec<Order> = same.iter().map(|order| Order { delivered: None, ..order.clone() }).collect();
    assert_eq!(backtest(&waiting, &settings, quiet), Err(DeliveryError::NothingDelivered));
    assert_eq!(DeliveryTimes::learn(&waiting, 1e5), Err(DeliveryError::NothingDelivered));

    let broken = Order { delivered: Some(f64::NAN), ..one(1.0) };
    assert_eq!(backtest(&[broken], &settings, quiet), Err(DeliveryError::NotANumber(0)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn an_offer_reaches_its_service_and_no_earlier_day_does(seed in any::<u64>(), service in 0.5..0.95_f64) {
        let mut next = uniform(seed);
        let ways = (0..300).map(|_| recent::Way {
            from: 100.0 * next(),
            delivered: Some(100.0 + 300.0 * next()),
            cancelled: None,
            expected: 4.0 + next(),
        });
        let ways: Vec<_> = ways.collect();
        let recent = Recent::at(ways.into_iter(), 500.0, 500.0).unwrap();
        let (expected, first) = (3.0 + 3.0 * next(), 24.0 * next());
        let offer = recent.offer(expected, first, service);
        let by = |day: i32| recent.probability(expected, first + DAY * f64::from(day));
        prop_assert!(offer.probability >= service && (offer.probability - by(offer.day)).abs() < 1e-12);
        let priced = recent.offer_at_price(expected, first, 0.01);
        let worth = |day: i32| by(day) - 0.01 * f64::from(day);
        prop_assert!((0..=90).all(|day| worth(day) <= worth(priced.day) + 1e-12));
        prop_assert!(offer.day == 0 || by(offer.day - 1) < service + 1e-9);
    }
}
