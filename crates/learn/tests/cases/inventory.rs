//! Stock policies: worked examples (Snyder & Shen's, as the Python package stockpyl 1.0.2 computes them), brute force,
//! and what must hold for any costs.

use learn::distribution::{Counts, DistributionError, normal};
use learn::inventory::*;
use learn::{Distribution, Quantiles};
use proptest::prelude::*;

use super::chance::Chance;
use super::scale::config;

fn near(found: f64, known: f64) {
    assert!((found - known).abs() <= 1e-9 * (1.0 + known.abs()), "{found} is not {known}");
}

#[test]
fn newsvendors_of_the_textbook() {
    for (h, p, mean, sd, level, cost) in [
        (2.0, 18.0, 120.0, 10.0, 132.815_515_655_446, 35.099_666_386_497_37),
        (0.18, 0.70, 50.0, 8.0, 56.603_955_927_433_89, 1.997_605_193_176_644_5),
    ] {
        let found = newsvendor(h, p, &Distribution::normal(mean, sd).unwrap()).unwrap();
        near(found.level, level);
        near(found.cost, cost);
        near(found.critical_ratio, p / (p + h));
    }
    let found = newsvendor(1.0, 4.0, &Distribution::poisson(6.0).unwrap()).unwrap();
    assert_eq!(found.level, 8.0);
    assert!((found.cost - 3.570_106_9).abs() < 1e-7);
}

#[test]
fn economic_orders_of_the_textbook() {
    let found = economic_order(8.0, 0.225, 1300.0).unwrap();
    near(found.quantity, 304.046_780_026_436_8);
    near(found.cost, 68.410_525_505_948_29);
    let found = economic_order_with_backorders(8.0, 0.225, 5.0, 1300.0).unwrap();
    near(found.quantity, 310.812_555_158_964_64);
    near(found.backorders / found.quantity, 0.043_062_200_956_937_8);
    near(found.cost, 66.921_363_550_973_25);
}

#[test]
fn reorder_points_and_quantities_of_the_textbook() {
    let demand = Distribution::poisson(3.0).unwrap();
    let found = reorder_quantity(100.0, 20.0, 150.0, 1.5, &demand).unwrap();
    assert_eq!((found.reorder_point, found.quantity), (3, 5));
    near(found.cost, 107.923_580_633_149_75);
    near(reorder_quantity_cost((3, 5), 100.0, 20.0, 150.0, 1.5, &demand).unwrap(), found.cost);
    let found = reorder_quantity(4.0, 20.0, 150.0, 1.5, &demand).unwrap();
    assert_eq!((found.reorder_point, found.quantity), (4, 2));
    assert!((found.cost - 68.752_469_5).abs() < 1e-6);
}

#[test]
fn order_up_to_levels_of_the_textbook() {
    let demand = Counts::poisson(6.0).unwrap();
    let found = order_up_to(5.0, 1.0, 4.0, &demand, &demand).unwrap();
    assert_eq!((found.reorder_point, found.up_to), (4, 10));
    near(found.cost, 8.034_111_561_471_642);
}

#[test]
fn reorder_points_of_the_textbook() {
    let lead_time = LeadTime { mean: 5.0, sd: 1.0 };
    assert!((reorder_point_at(1.645, 40.0, 8.0, lead_time).unwrap() - 272.08).abs() < 0.005);
    // The same by the service that 1.645 stands for.
    let demand = lead_time_demand(40.0, 8.0, lead_time).unwrap();
    near(
        base_stock(normal::cdf(1.645), &demand).unwrap(),
        reorder_point_at(1.645, 40.0, 8.0, lead_time).unwrap(),
    );
}

#[test]
fn lots_of_the_textbook() {
    let found = lot_sizes(500.0, 2.0, &[90.0, 120.0, 80.0, 70.0]).unwrap();
    assert_eq!((found.orders, found.cost), (vec![210.0, 0.0, 150.0, 0.0], 1380.0));
    let none = lot_sizes(500.0, 2.0, &[0.0; 3]).unwrap();
    assert_eq!((none.orders, none.cost), (vec![0.0; 3], 0.0));
    let late = lot_sizes(500.0, 0.0, &[0.0, 0.0, 5.0, 0.0, 5.0]).unwrap();
    assert_eq!((late.orders, late.cost), (vec![0.0, 0.0, 10.0, 0.0, 0.0], 500.0));
}

/// A season of Poisson demand played out: the fill rate is what the formula says.
#[test]
fn the_fill_rate_is_that_of_a_simulated_stock() {
    let (rate, lead_time, q) = (2.0, 3.0, 8_i64);
    let levels =
        stock_levels(ServiceTarget::Fill(0.9), &Distribution::poisson(rate * lead_time).unwrap(), 8.0);
    let levels = levels.unwrap();
    let r = levels.reorder_point as i64;
    let mut chance = Chance::new(1);
    let (mut now, mut on_hand, mut position) = (0.0, r + q, r + q);
    let mut coming: std::collections::VecDeque<f64> = [].into();
    let (mut at_once, customers) = (0_u32, 400_000_u32);
    for _ in 0..customers {
        now += chance.waiting() / rate;
        while coming.front().is_some_and(|arrival| *arrival <= now) {
            coming.pop_front();
            on_hand += q;
        }
        at_once += u32::from(on_hand > 0);
        on_hand -= 1;
        position -= 1;
        if position <= r {
            coming.push_back(now + lead_time);
            position += q;
        }
    }
    let simulated = f64::from(at_once) / f64::from(customers);
    assert!((simulated - levels.fill_rate).abs() < 0.003, "{simulated} {}", levels.fill_rate);
}

#[test]
fn levels_for_a_service_are_the_lowest_that_keep_it() {
    let demand = Distribution::poisson(6.0).unwrap();
    let cycle = stock_levels(ServiceTarget::Cycle(0.95), &demand, 8.0).unwrap();
    assert_eq!((cycle.reorder_point, cycle.order_up_to), (10.0, 18.0));
    assert!(cycle.cycle_service >= 0.95 && demand.cdf(9.0) < 0.95);
    near(cycle.safety_stock, 4.0);
    let fill = stock_levels(ServiceTarget::Fill(0.95), &demand, 8.0).unwrap();
    assert!(fill.fill_rate >= 0.95 && fill.reorder_point < cycle.reorder_point);
    let one_less =
        1.0 - (demand.loss(fill.reorder_point - 1.0) - demand.loss(fill.reorder_point + 7.0)) / 8.0;
    assert!(one_less < 0.95);
    // One season's worth in each order needs no reorder point for a modest fill rate.
    assert_eq!(stock_levels(ServiceTarget::Fill(0.5), &demand, 1000.0).unwrap().reorder_point, 0.0);
}

#[test]
fn what_is_no_cost_or_no_demand_is_refused_by_name() {
    use InventoryError as E;
    let demand = Distribution::normal(10.0, 2.0).unwrap();
    let holding = |value| E::NotPositive { what: "holding cost", value };
    assert_eq!(newsvendor(-1.0, 1.0, &demand).unwrap_err(), holding(-1.0));
    assert_eq!(newsvendor(f64::INFINITY, 1.0, &demand).unwrap_err(), holding(f64::INFINITY));
    assert_eq!(economic_order(1.0, 0.0, 1.0).unwrap_err(), holding(0.0));
    assert!(matches!(economic_order(f64::NAN, 1.0, 1.0), Err(E::NotPositive { .. })));
    assert!(matches!(newsvendor_cost(f64::NAN, 1.0, 1.0, &demand), Err(E::NotFinite { .. })));
    assert_eq!(economic_order(f64::MAX, 1.0, f64::MAX).unwrap_err(), E::Overflow("order quantity"));
    assert_eq!(lot_sizes(1.0, 1.0, &[]).unwrap_err(), E::NoPeriod);
    assert!(matches!(lot_sizes(1.0, 1.0, &[1.0, -2.0]), Err(E::Period { period: 1, .. })));
    assert!(matches!(lot_sizes(f64::MAX, 1.0, &[f64::MAX, f64::MAX]), Err(E::Overflow(_))));
    assert!(matches!(base_stock(1.0, &demand), Err(E::NotAShare { .. })));
    let nobody = Counts::poisson(0.0).unwrap();
    assert_eq!(order_up_to(1.0, 1.0, 1.0, &nobody, &nobody).unwrap_err(), E::NoDemand);
    let none = Distribution::Counts(nobody);
    assert_eq!(stock_levels(ServiceTarget::Fill(0.9), &none, 1.0).unwrap_err(), E::NoDemand);
    let told: Distribution = Quantiles::new(vec![(0.1, 2.0), (0.9, 10.0)]).unwrap().into();
    let beyond = E::Distribution(DistributionError::BeyondKnown { asked: 0.99, known: 0.9 });
    assert_eq!(base_stock(0.99, &told).unwrap_err(), beyond);
    assert_eq!(stock_levels(ServiceTarget::Fill(0.99), &told, 1.0).unwrap_err(), beyond);
    let count = Counts::poisson(5.0).unwrap();
    assert_eq!(order_up_to(1e12, 1e-9, 1.0, &count, &count).unwrap_err(), E::TooLarge(20_000));
    assert!(matches!(order_up_to_cost((4, 4), 1.0, 1.0, 1.0, &count, &count), Err(E::Levels { .. })));
    assert!(matches!(
        order_up_to_cost((i64::MIN, i64::MAX), 1.0, 1.0, 1.0, &count, &count),
        Err(E::TooLarge(_))
    ));
    // What one reads says which and why.
    assert_eq!(holding(-1.0).to_string(), "the holding cost is -1; it must be a finite number above 0");
}

fn cost() -> impl Strategy<Value = f64> {
    (-3.0..4.0_f64).prop_map(|power| 10.0_f64.powf(power))
}

/// A distribution of each kind.
fn demand() -> impl Strategy<Value = Distribution> {
    let normal = (0.0..500.0_f64, 0.0..100.0_f64).prop_map(|(m, s)| Distribution::normal(m, s).unwrap());
    let poisson = (0.01..200.0_f64).prop_map(|m| Distribution::poisson(m).unwrap());
    let negative = (0.01..50.0_f64, 1.01..20.0_f64)
        .prop_map(|(m, ratio)| Counts::negative_binomial(m, m * ratio).unwrap().into());
    let counts = prop::collection::vec(0.0..1.0_f64, 1..20).prop_filter_map("all zero", |weights| {
        let weights: Vec<_> = weights.into_iter().enumerate().collect();
        Counts::of_weighted(&weights).ok().map(Distribution::from)
    });
    let told = prop::collection::vec(0.0..300.0_f64, 1..30).prop_map(|sample| {
        let mut points = Quantiles::of_sample(&sample, 30).unwrap().points().to_vec();
        points.push((1.0, points[points.len() - 1].1 + 1.0));
        Distribution::from(Quantiles::new(points).unwrap())
    });
    prop_oneof![normal, poisson, negative, counts, told]
}

proptest! {
    #![proptest_config(config(200, 5_000, 100_000))]

    /// No level, whole or not, near or far, costs less than the newsvendor's.
    #[test]
    fn newsvendors_find_the_cheapest_level(h in cost(), p in cost(), demand in demand(), off in -300.0..300.0_f64) {
        let best = newsvendor(h, p, &demand).unwrap();
        for step in [off, off / 30.0, off / 1000.0, off.round(), -1.0, 1.0] {
            let other = newsvendor_cost(best.level + step, h, p, &demand).unwrap();
            prop_assert!(other >= best.cost - 1e-9 * (best.cost + (h + p) * (demand.mean() + best.level.abs())), "{other} {best:?}");
        }
        prop_assert!(best.cost >= 0.0);
    }

    #[test]
    fn more_service_is_more_stock(demand in demand(), a in 0.01..0.99_f64, b in 0.01..0.99_f64, q in 0.5..100.0_f64) {
        let (low, high) = (a.min(b), a.max(b));
        prop_assume!(demand.mean() > 0.0);
        prop_assert!(base_stock(low, &demand).unwrap() <= base_stock(high, &demand).unwrap());
        for target in [ServiceTarget::Cycle, ServiceTarget::Fill] {
            let (less, more) = (stock_levels(target(low), &demand, q).unwrap(), stock_levels(target(high), &demand, q).unwrap());
            prop_assert!(less.reorder_point <= more.reorder_point);
            prop_assert!(less.fill_rate <= more.fill_rate + 1e-9 && less.cycle_service <= more.cycle_service);
            let kept = if let ServiceTarget::Cycle(_) = target(high) { more.cycle_service } else { more.fill_rate };
            prop_assert!(kept >= high - 1e-9, "{kept} {high}");
        }
    }

    #[test]
    fn orders_grow_with_their_cost(k in cost(), more in 1.0..10.0_f64, h in cost(), p in cost(), rate in cost()) {
        let (small, large) = (economic_order(k, h, rate).unwrap(), economic_order(k * more, h, rate).unwrap());
        prop_assert!(small.quantity <= large.quantity && small.cost <= large.cost);
        let waiting = economic_order_with_backorders(k, h, p, rate).unwrap();
        prop_assert!(waiting.quantity >= small.quantity * (1.0 - 1e-12));
        prop_assert!(waiting.cost <= small.cost * (1.0 + 1e-12) && waiting.backorders <= waiting.quantity);
        // Neither twice nor half the quantity is cheaper: K·λ/Q + h·Q/2.
        for q in [0.5, 0.99, 1.01, 2.0].map(|factor| factor * small.quantity) {
            prop_assert!(k * rate / q + h * q / 2.0 >= small.cost * (1.0 - 1e-12));
        }
    }

    /// The best r and Q of a grid around what was found is what was found, and Q grows with K.
    #[test]
    fn reorder_quantities_beat_their_neighbours(
        k in 0.1..300.0_f64, more in 1.0..4.0_f64, h in 0.5..30.0_f64, p in 0.5..300.0_f64,
        rate in 0.1..20.0_f64, lead_time in 0.1..4.0_f64,
    ) {
        let demand = Distribution::poisson(rate * lead_time).unwrap();
        let best = reorder_quantity(k, h, p, rate, &demand).unwrap();
        for r in best.reorder_point - 5..=best.reorder_point + 5 {
            for q in best.quantity.saturating_sub(5).max(1)..=best.quantity + 5 {
                let cost = reorder_quantity_cost((r, q), k, h, p, rate, &demand).unwrap();
                prop_assert!(cost >= best.cost * (1.0 - 1e-12), "({r}, {q}) {cost} {best:?}");
            }
        }
        prop_assert!(reorder_quantity(k * more, h, p, rate, &demand).unwrap().quantity >= best.quantity);
    }

    #[test]
    fn order_up_to_levels_beat_their_neighbours(
        k in 0.1..300.0_f64, h in 0.5..30.0_f64, p in 0.5..300.0_f64, rate in 0.05..15.0_f64, lead_time in 0_u32..4,
    ) {
        let period = Counts::poisson(rate).unwrap();
        let protection = period.times(lead_time + 1).unwrap();
        let best = order_up_to(k, h, p, &period, &protection).unwrap();
        for s in best.reorder_point - 5..=best.reorder_point + 5 {
            for up_to in (best.up_to - 5).max(s + 1)..=best.up_to + 5 {
                let cost = order_up_to_cost((s, up_to), k, h, p, &period, &protection).unwrap();
                prop_assert!(cost >= best.cost * (1.0 - 1e-12), "({s}, {up_to}) {cost} {best:?}");
            }
        }
    }

    /// Followed period by period: the chain of positions under (s, S), its costs, and every s and S near.
    #[test]
    fn order_up_to_levels_are_the_best_of_all_chains(
        k in 0.1..30.0_f64, h in 0.5..10.0_f64, p in 0.5..50.0_f64,
        weights in prop::collection::vec(0.01..1.0_f64, 2..6),
    ) {
        let sum: f64 = weights.iter().sum();
        let pmf: Vec<f64> = weights.iter().map(|weight| weight / sum).collect();
        let demand = Counts::new(pmf.clone()).unwrap();
        let found = order_up_to(k, h, p, &demand, &demand).unwrap();
        let period = |level: i64| -> f64 {
            let left = |units: usize| level as f64 - units as f64;
            pmf.iter().enumerate().map(|(units, q)| q * (h * left(units).max(0.0) + p * (-left(units)).max(0.0))).sum()
        };
        let chain = |s: i64, up_to: i64| {
            let width = (up_to - s) as usize;
            // How often the position is 0, 1, … below S at the start of a period, after ordering.
            let mut often = vec![1.0 / width as f64; width];
            let mut cost = 0.0;
            for _ in 0..400 {
                let mut next = vec![0.0; width];
                cost = 0.0;
                for (below, share) in often.iter().enumerate() {
                    cost += share * period(up_to - below as i64);
                    for (units, q) in pmf.iter().enumerate() {
                        let ordered = below + units >= width;
                        next[if ordered { 0 } else { below + units }] += share * q;
                        cost += if ordered { share * q * k } else { 0.0 };
                    }
                }
                often = next;
            }
            cost
        };
        let known = chain(found.reorder_point, found.up_to);
        prop_assert!((known - found.cost).abs() < 1e-6 * (1.0 + known), "{known} {found:?}");
        for s in found.reorder_point - 2..=found.reorder_point + 2 {
            for up_to in (found.up_to - 2).max(s + 1)..=found.up_to + 2 {
                prop_assert!(chain(s, up_to) >= known * (1.0 - 1e-6), "({s}, {up_to}) {found:?}");
            }
        }
    }

    /// Every way to cut at most eight periods into runs is tried.
    #[test]
    fn lots_are_as_cheap_as_the_best_of_all_plans(
        k in 0.0..500.0_f64, h in 0.0..10.0_f64,
        demand in prop::collection::vec(prop_oneof![Just(0.0), 0.0..200.0_f64], 1..9),
    ) {
        let found = lot_sizes(k, h, &demand).unwrap();
        let cost = |orders: &[f64]| {
            let mut stock = 0.0;
            let mut cost = 0.0;
            for (order, demand) in orders.iter().zip(&demand) {
                stock += order - demand;
                assert!(stock > -1e-9, "demand is not met");
                cost += if *order > 0.0 { k } else { 0.0 } + h * stock;
            }
            cost
        };
        let mut best = f64::INFINITY;
        for cuts in 0_u32..1 << (demand.len() - 1) {
            let mut orders = vec![0.0; demand.len()];
            let mut run = 0;
            for (period, units) in demand.iter().enumerate() {
                if period > 0 && cuts >> (period - 1) & 1 == 1 {
                    run = period;
                }
                orders[run] += units;
            }
            best = best.min(cost(&orders));
        }
        prop_assert!((found.cost - best).abs() < 1e-9 * (1.0 + best), "{} {best}", found.cost);
        prop_assert!((cost(&found.orders) - best).abs() < 1e-9 * (1.0 + best));
        let lot_for_lot = k * demand.iter().filter(|units| **units > 0.0).count() as f64;
        prop_assert!(found.cost <= lot_for_lot * (1.0 + 1e-12));
    }

    /// Ten times the money is ten times the cost of the same policy; ten times the units, ten times the levels.
    #[test]
    fn policies_do_not_depend_on_the_units_of_money_or_goods(h in cost(), p in cost(), mean in 1.0..500.0_f64, sd in 0.0..90.0_f64) {
        let demand = Distribution::normal(mean, sd).unwrap();
        let (one, ten) = (newsvendor(h, p, &demand).unwrap(), newsvendor(10.0 * h, 10.0 * p, &demand).unwrap());
        let wide = newsvendor(h, p, &Distribution::normal(10.0 * mean, 10.0 * sd).unwrap()).unwrap();
        let close = |a: f64, b: f64| (a - b).abs() <= 1e-9 * (1.0 + a.abs() + b.abs());
        prop_assert!(close(one.level, ten.level) && close(10.0 * one.cost, ten.cost));
        prop_assert!(close(10.0 * one.level, wide.level) && close(10.0 * one.cost, wide.cost));
    }

    /// Whatever is handed in, what comes back is a number or a named error.
    #[test]
    fn nothing_is_ever_not_a_number(a in any::<f64>(), b in any::<f64>(), c in any::<f64>(), d in any::<f64>()) {
        let whole = |numbers: &[f64]| numbers.iter().all(|number| number.is_finite());
        let mut demands = vec![Distribution::poisson(3.0).unwrap()];
        demands.extend(Distribution::normal(a, b));
        demands.extend(Distribution::poisson(a));
        demands.extend(Quantiles::new(vec![(0.5, a.min(b)), (0.9, a.max(b))]).map(Distribution::from));
        for demand in &demands {
            prop_assert!(newsvendor(c, d, demand).is_ok_and(|found| whole(&[found.level, found.cost])) || newsvendor(c, d, demand).is_err());
            prop_assert!(newsvendor_cost(a, c, d, demand).map_or(true, f64::is_finite));
            prop_assert!(base_stock(c, demand).map_or(true, f64::is_finite));
            prop_assert!(reorder_quantity(a, b, c, d, demand).map_or(true, |found| found.cost.is_finite()));
            for target in [ServiceTarget::Cycle(0.9), ServiceTarget::Fill(0.9)] {
                let found = stock_levels(target, demand, c);
                prop_assert!(found.map_or(true, |l| whole(&[l.reorder_point, l.order_up_to, l.safety_stock, l.cycle_service, l.fill_rate])));
            }
        }
        prop_assert!(economic_order(a, b, c).map_or(true, |found| whole(&[found.quantity, found.cost])));
        let waiting = economic_order_with_backorders(a, b, c, d);
        prop_assert!(waiting.map_or(true, |found| whole(&[found.quantity, found.cost, found.backorders])));
        let lead_time = LeadTime { mean: c, sd: d };
        prop_assert!(reorder_point_at(1.6, a, b, lead_time).map_or(true, f64::is_finite));
        let lots = lot_sizes(a.abs(), b.abs(), &[c.abs(), d.abs(), 1.0]);
        prop_assert!(lots.map_or(true, |found| whole(&found.orders) && found.cost.is_finite()));
    }
}
