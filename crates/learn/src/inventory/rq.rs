//! (r, Q): whenever stock on hand and on order, less what is owed, falls to r, order Q.

use super::newsvendor::expected;
use super::{InventoryError, WIDEST, positive, within};
use crate::Distribution;

/// A reorder point and an order quantity, in whole units.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct ReorderQuantity {
    /// Order when the position is at this or below; below 0 where it pays to let customers wait.
    pub reorder_point: i64,
    pub quantity: u64,
    /// The expected cost per unit of time.
    pub cost: f64,
}

/// The r and Q that cost least (Federgruen & Zheng 1992; Snyder & Shen 5.6), for a cost K per order (`fixed`), h per
/// unit and time (`holding`), p per unit owed and time (`stockout`), λ units demanded per unit of time (`rate`) and
/// the distribution of the demand during a lead time. Exact where demand comes unit by unit, as Poisson demand does;
/// otherwise it overlooks by how much an order finds the position below r.
///
/// # Errors
/// If a cost or the rate is not positive, if the policy spans more than 20,000 units, or if the quantiles that tell the
/// demand do not reach p / (p + h).
pub fn reorder_quantity(
    fixed: f64,
    holding: f64,
    stockout: f64,
    rate: f64,
    lead_time_demand: &Distribution,
) -> Result<ReorderQuantity, InventoryError> {
    let (k, h) = (positive("cost of an order", fixed)?, positive("holding cost", holding)?);
    let (p, lambda) = (positive("stockout cost", stockout)?, positive("demand rate", rate)?);
    let at = |level: f64| expected(level, h, p, lead_time_demand);
    // The position is equally often at each of r + 1 … r + Q, so its cost is (Kλ + Σ g) / Q. Starting at the level that
    // costs least, the range grows towards the cheaper side as long as that lowers the mean.
    let lowest = within("level", lead_time_demand.quantile(1.0 / (1.0 + h / p))?)?;
    let mut best = lowest.floor();
    if at(best + 1.0) < at(best) {
        best += 1.0;
    }
    if best.abs() > 1e15 {
        return Err(InventoryError::Overflow("reorder point"));
    }
    let (mut below, mut above, mut quantity) = (best - 1.0, best + 1.0, 1_usize);
    let mut sum = k * lambda + at(best);
    let (mut cost_below, mut cost_above) = (at(below), at(above));
    loop {
        let next = cost_below.min(cost_above);
        // A level that costs just the mean changes nothing, so the smaller range is kept.
        if next * quantity as f64 >= within("expected cost", sum)? {
            break;
        }
        if quantity == WIDEST {
            return Err(InventoryError::TooLarge(WIDEST));
        }
        if cost_below < cost_above {
            below -= 1.0;
            cost_below = at(below);
        } else {
            above += 1.0;
            cost_above = at(above);
        }
        sum += next;
        quantity += 1;
    }
    let cost = within("expected cost", sum / quantity as f64)?;
    Ok(ReorderQuantity { reorder_point: below as i64, quantity: quantity as u64, cost })
}

/// The expected cost per unit of time of a given r and Q.
///
/// # Errors
/// If a cost, the rate or the quantity is not positive, or the quantity is above 20,000.
pub fn reorder_quantity_cost(
    (reorder_point, quantity): (i64, u64),
    fixed: f64,
    holding: f64,
    stockout: f64,
    rate: f64,
    lead_time_demand: &Distribution,
) -> Result<f64, InventoryError> {
    let (k, h) = (positive("cost of an order", fixed)?, positive("holding cost", holding)?);
    let (p, lambda) = (positive("stockout cost", stockout)?, positive("demand rate", rate)?);
    positive("order quantity", quantity as f64)?;
    if quantity > WIDEST as u64 {
        return Err(InventoryError::TooLarge(WIDEST));
    }
    let levels = (1..=quantity).map(|step| reorder_point as f64 + step as f64);
    let sum: f64 = levels.map(|level| expected(level, h, p, lead_time_demand)).sum();
    within("expected cost", (k * lambda + sum) / quantity as f64)
}
