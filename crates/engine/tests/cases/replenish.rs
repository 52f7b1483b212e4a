//! What is proposed to be ordered keeps the service that it names.

use engine::replenish::{Known, Policy, Proposal, Reason, propose};

/// SplitMix64: the same numbers for the same seed, everywhere.
struct Rng(u64);

impl Rng {
    fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Knuth's way; good for small means.
    fn poisson(&mut self, mean: f64) -> f64 {
        let (limit, mut product, mut n) = ((-mean).exp(), self.unit(), 0.0);
        while product > limit {
            product *= self.unit();
            n += 1.0;
        }
        n
    }
}

/// Weeks of customers who come one by one.
fn weeks(rng: &mut Rng, mean: f64, n: usize) -> Vec<f64> {
    (0..n).map(|_| (0..7).map(|_| rng.poisson(mean / 7.0)).sum()).collect()
}

fn known(history: &[f64]) -> Known<'_> {
    Known {
        history,
        lead_days: 10.0,
        lead_days_sd: 0.0,
        order_cost: None,
        unit_cost: Some(6.0),
        price: Some(10.0),
        lot: None,
        shelf_life_days: None,
        position: 0.0,
        campaigns: &[],
        service: 0.95,
        holding_rate: 0.25,
        weeks: 8,
    }
}

/// Lives by a policy, looking at the stock once a week: the share of deliveries before which nobody had to wait.
fn achieved(rng: &mut Rng, policy: Policy, mean: f64, lead_days: usize, weeks: usize) -> f64 {
    let (point, up_to) = match policy {
        Policy::BaseStock { up_to } => (up_to - 1.0, up_to),
        Policy::OrderUpTo { reorder_point, up_to } => (reorder_point, up_to),
        Policy::ReorderQuantity { reorder_point, quantity } => (reorder_point, reorder_point + quantity),
        other => panic!("{other:?}"),
    };
    let mut stock = up_to;
    let mut coming: std::collections::VecDeque<(usize, f64)> = std::collections::VecDeque::new();
    let (mut deliveries, mut kept) = (0.0, 0.0);
    for day in 0..weeks * 7 {
        if coming.front().is_some_and(|(due, _)| *due == day) {
            // The first deliveries still know how it began.
            if day > 30 * 7 {
                deliveries += 1.0;
                kept += f64::from(u8::from(stock >= 0.0));
            }
            stock += coming.pop_front().unwrap().1;
        }
        if day % 7 == 0 {
            let position = stock + coming.iter().map(|(_, quantity)| quantity).sum::<f64>();
            if position <= point {
                coming.push_back((day + lead_days, up_to - position));
            }
        }
        stock -= rng.poisson(mean / 7.0);
    }
    kept / deliveries
}

/// How far the achieved service may lie from the target: a history of two years tells the mean to within 2 %.
const TOLERANCE: f64 = 0.03;

#[test]
fn the_service_of_a_base_stock_is_what_was_asked_for() {
    for (seed, mean, service) in [(1, 20.0, 0.95), (2, 60.0, 0.9), (3, 8.0, 0.98), (4, 150.0, 0.95)] {
        let mut rng = Rng(seed);
        let history = weeks(&mut rng, mean, 104);
        let proposal = propose(&Known { service, ..known(&history) }).unwrap();
        assert!(matches!(proposal.policy, Policy::BaseStock { .. }), "{proposal:?}");
        let got = achieved(&mut rng, proposal.policy, mean, 10, 4_000);
        assert!((got - service).abs() <= TOLERANCE, "seed {seed}: {got} for {service}: {proposal:?}");
        assert!((proposal.expected_service - got).abs() <= TOLERANCE, "{proposal:?}");
    }
}

#[test]
fn with_a_cost_for_each_order_the_service_is_no_less() {
    for (seed, mean, lot) in [(5, 20.0, None), (6, 45.0, None), (7, 20.0, Some(24.0))] {
        let mut rng = Rng(seed);
        let history = weeks(&mut rng, mean, 104);
        let proposal = propose(&Known { order_cost: Some(15.0), lot, ..known(&history) }).unwrap();
        match (lot, proposal.policy) {
            (None, Policy::OrderUpTo { .. }) | (Some(_), Policy::ReorderQuantity { .. }) => {}
            other => panic!("{other:?}"),
        }
        let got = achieved(&mut rng, proposal.policy, mean, 10, 4_000);
        assert!(got >= 0.95 - TOLERANCE, "seed {seed}: {got}: {proposal:?}");
        assert!(proposal.weekly_cost.is_some_and(|cost| cost > 0.0));
        let first = proposal.orders[0];
        assert!(first.in_days == 0.0 && lot.is_none_or(|lot| first.quantity % lot == 0.0), "{first:?}");
    }
}

/// A steady history, so that every number can be worked out by hand.
fn steady() -> Vec<f64> {
    vec![7.0; 60]
}

#[test]
fn enough_stock_is_ordered_for_when_it_runs_down() {
    let history = steady();
    let now = propose(&known(&history)).unwrap();
    assert_eq!(now.reason, Reason::Below);
    assert_eq!(now.orders[0].quantity, now.order_point);
    let later = propose(&Known { position: now.order_point + 14.0, ..known(&history) }).unwrap();
    assert_eq!((later.reason, later.orders[0].in_days), (Reason::Later, 14.0));
    let far = propose(&Known { position: 1_000.0, ..known(&history) }).unwrap();
    assert_eq!((far.reason, far.orders.len()), (Reason::Later, 0));
}

#[test]
fn a_campaign_is_ordered_for_in_time() {
    let history = steady();
    let mut campaigns = vec![0.0; 8];
    campaigns[4] = 100.0;
    let known = Known { campaigns: &campaigns, position: 40.0, ..known(&history) };
    let proposal = propose(&known).unwrap();
    assert!(matches!(proposal.policy, Policy::LotSizes { .. }) && proposal.reason == Reason::Campaign);
    let ordered: f64 = proposal.orders.iter().map(|order| order.quantity).sum();
    let needed = 8.0 * 7.0 + 100.0 + proposal.safety_stock - 40.0;
    assert!((ordered - needed).abs() <= 8.0, "{ordered} for {needed}: {proposal:?}");
    // What the campaign needs is there when it begins, which takes ten days.
    let in_time = proposal.orders.iter().filter(|order| order.in_days + 10.0 <= 28.0 + 1e-9);
    let in_time: f64 = in_time.map(|order| order.quantity).sum();
    assert!(in_time + 40.0 >= 5.0 * 7.0 + 100.0 - 1e-9, "{proposal:?}");
}

#[test]
fn what_does_not_keep_is_ordered_for_one_life() {
    let mut rng = Rng(8);
    let history = weeks(&mut rng, 70.0, 104);
    let proposal = propose(&Known { shelf_life_days: Some(3.0), lead_days: 1.0, ..known(&history) }).unwrap();
    let Policy::Newsvendor { up_to, critical_ratio } = proposal.policy else { panic!("{proposal:?}") };
    // 4 is lost with a customer and 6 with a unit that spoils.
    assert!((critical_ratio - 0.4).abs() < 1e-9);
    assert!((26.0..=31.0).contains(&up_to), "{proposal:?}");
}

#[test]
fn nothing_is_ordered_of_what_nobody_asks_for() {
    let history = vec![0.0; 30];
    let Proposal { policy, orders, reason, .. } = propose(&known(&history)).unwrap();
    assert_eq!((policy, orders.len(), reason), (Policy::Nothing, 0, Reason::NoDemand));
    let few = [3.0, 0.0];
    assert!(propose(&known(&few)).unwrap().orders[0].quantity > 0.0);
    assert!(propose(&known(&[])).is_err());
}
