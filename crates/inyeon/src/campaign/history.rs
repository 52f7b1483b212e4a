//! What is asked for anyway, as the store's own orders tell it.

use std::collections::{BTreeMap, BTreeSet};

use engine::promising::campaign::{Snapshot, Usual};
use learn::demand::choose_by_class;
use model::{Quantity, Time};
use runtime::Node;
use views::Periods;

use crate::error::Failure;

const WEEK_MICROS: i64 = 7 * 86_400_000_000;
/// Weeks that a forecast looks back on.
const WEEKS: u32 = 52;

/// Of each of some items, and of parcels with none of them, what is expected on a day, by region.
pub(super) fn usual(node: &Node, items: &[String], now: Time) -> Result<Vec<Usual>, Failure> {
    node.drain()?;
    let reader = node.reader()?;
    let periods = Periods { now, micros: WEEK_MICROS, count: WEEKS };
    // (item, region) → units and orders of each week, the oldest first.
    let mut weeks: BTreeMap<(String, String), (Vec<f64>, f64, f64)> = BTreeMap::new();
    let mut add = |item: &str, region: String, ago: u32, units: f64, orders: f64| {
        let key = (item.to_owned(), region);
        let row = weeks.entry(key).or_insert_with(|| (vec![0.0; WEEKS as usize], 0.0, 0.0));
        if let Some(week) = row.0.get_mut((WEEKS - 1).saturating_sub(ago) as usize) {
            *week += units;
        }
        row.1 += units;
        row.2 += orders;
    };
    for row in reader.demand(Some(items), periods)? {
        add(&row.item_id, row.region, row.ago, row.units, row.orders as f64);
    }
    for row in reader.orders_without(items, periods)? {
        add(Snapshot::PARCELS, row.region, row.ago, row.orders as f64, row.orders as f64);
    }
    let mut usual = Vec::new();
    for ((item_id, to), (weeks, units, orders)) in weeks {
        // Before its first sale it was not there to be asked for.
        let first = weeks.iter().position(|units| *units > 0.0).unwrap_or(0);
        let Some(a_week) = expected(&weeks[first..]) else { continue };
        let per_day = Quantity::from_f64(a_week / 7.0).unwrap_or_default();
        let per_order = Quantity::from_f64(units / orders.max(1.0)).unwrap_or(Quantity::ONE);
        if per_day.is_positive() {
            usual.push(Usual { item_id, to, per_day, per_order: per_order.max(Quantity(1)) });
        }
    }
    Ok(usual)
}

/// What the next week is expected to ask for.
fn expected(weeks: &[f64]) -> Option<f64> {
    let choice = choose_by_class(weeks).ok()?;
    choice.method.forecast(weeks, 1).ok()?.first().copied()
}

/// The regions of what is asked for anyway.
pub(super) fn regions(usual: &[Usual]) -> BTreeSet<String> {
    usual.iter().map(|usual| usual.to.clone()).collect()
}
