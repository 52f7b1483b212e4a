//! Stock for a promised service instead of a known cost of failing it.

use super::{InventoryError, finite, not_negative, positive, share, within};
use crate::Distribution;

/// How long a supplier takes, in periods.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct LeadTime {
    pub mean: f64,
    /// The standard deviation; 0 for a supplier that is always on time.
    pub sd: f64,
}

/// What is promised of a stock.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum ServiceTarget {
    /// The share of order cycles in which nobody has to wait.
    Cycle(f64),
    /// The share of units that are handed over at once: the fill rate.
    Fill(f64),
}

/// Levels of a stock and the service to be expected of them.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct StockLevels {
    /// Order when the position (on hand and on order, less what is owed) is at this or below; never below 0.
    pub reorder_point: f64,
    /// Order up to this: the reorder point and the order quantity.
    pub order_up_to: f64,
    /// The reorder point less the mean demand of a lead time; may be negative where the service asks for little.
    pub safety_stock: f64,
    /// P(D ≤ reorder point): the share of order cycles in which nobody has to wait.
    pub cycle_service: f64,
    /// The share of units that are handed over at once.
    pub fill_rate: f64,
}

/// The demand of a lead time L as a normal distribution, from the mean d and the standard deviation σ of one period's:
/// mean d·μ_L, variance μ_L·σ² + d²·σ_L² (Snyder & Shen 4.3; periods independent of each other and of the lead time).
///
/// # Errors
/// If one of them is negative or not finite.
pub fn lead_time_demand(mean: f64, sd: f64, lead_time: LeadTime) -> Result<Distribution, InventoryError> {
    let (mean, sd) = moments(mean, sd, lead_time)?;
    Ok(Distribution::normal(mean, sd)?)
}

fn moments(mean: f64, sd: f64, lead_time: LeadTime) -> Result<(f64, f64), InventoryError> {
    let (mean, sd) = (not_negative("mean demand", mean)?, not_negative("standard deviation of demand", sd)?);
    let time = not_negative("lead time", lead_time.mean)?;
    let time_sd = not_negative("standard deviation of the lead time", lead_time.sd)?;
    let spread = within("standard deviation of demand", (time.sqrt() * sd).hypot(mean * time_sd))?;
    Ok((within("mean demand", mean * time)?, spread))
}

/// The reorder point d·μ_L + z·√(μ_L·σ² + d²·σ_L²) for a safety factor `z`; see [`lead_time_demand`]. A safety factor
/// of 1.645 is a cycle service of 95 %.
///
/// # Errors
/// As [`lead_time_demand`], and if `z` is not finite.
pub fn reorder_point_at(z: f64, mean: f64, sd: f64, lead_time: LeadTime) -> Result<f64, InventoryError> {
    let z = finite("safety factor", z)?;
    let (mean, sd) = moments(mean, sd, lead_time)?;
    within("reorder point", mean + z * sd)
}

/// The base stock that meets all demand of a lead time (and, where one looks every so often, a review period) with
/// probability `service`: that quantile of the demand, never below 0. For the one that costs least, see
/// [`newsvendor`](super::newsvendor).
///
/// # Errors
/// If `service` is not between 0 and 1, or beyond the quantiles that tell the demand.
pub fn base_stock(service: f64, demand: &Distribution) -> Result<f64, InventoryError> {
    let level = demand.quantile(share("service", service)?)?;
    Ok(within("base stock", level)?.max(0.0))
}

/// The lowest reorder point that keeps a service, orders being of `quantity` units: what a stock plan lists.
///
/// `demand` is that of the time in which an order can no longer help: the lead time, and the review period too where
/// one looks every so often. The fill rate is 1 − (n(r) − n(r + Q)) / Q with n the loss of that demand (Snyder & Shen
/// 5.3); exact where demand comes unit by unit, and otherwise without the amount by which an order finds the position
/// below r. Levels are whole numbers if demand is counted in whole units.
///
/// # Errors
/// If the quantity is not positive, the target not between 0 and 1, there is no demand, or a cycle service lies beyond
/// the quantiles that tell the demand. A fill rate that they cannot vouch for is refused as well.
pub fn stock_levels(
    target: ServiceTarget,
    demand: &Distribution,
    quantity: f64,
) -> Result<StockLevels, InventoryError> {
    let quantity = positive("order quantity", quantity)?;
    if demand.mean() <= 0.0 {
        return Err(InventoryError::NoDemand);
    }
    let reorder_point = match target {
        ServiceTarget::Cycle(service) => base_stock(share("cycle service", service)?, demand)?,
        ServiceTarget::Fill(rate) => reorder_for_fill(share("fill rate", rate)?, demand, quantity)?,
    };
    let order_up_to = within("order-up-to level", reorder_point + quantity)?;
    Ok(StockLevels {
        reorder_point,
        order_up_to,
        safety_stock: within("safety stock", reorder_point - demand.mean())?,
        cycle_service: demand.cdf(reorder_point),
        fill_rate: fill(reorder_point, demand, quantity),
    })
}

/// 1 − (n(r) − n(r + Q)) / Q.
fn fill(reorder_point: f64, demand: &Distribution, quantity: f64) -> f64 {
    let missed = (demand.loss(reorder_point) - demand.loss(reorder_point + quantity)) / quantity;
    (1.0 - missed).clamp(0.0, 1.0)
}

fn reorder_for_fill(rate: f64, demand: &Distribution, quantity: f64) -> Result<f64, InventoryError> {
    let enough = |level: f64| fill(level, demand, quantity) >= rate;
    if enough(0.0) {
        return Ok(0.0);
    }
    // Nobody waits for more than the share of cycles in which somebody waits, so this quantile is enough.
    let mut high = base_stock(rate, demand)?;
    if demand.is_whole() {
        high = high.ceil();
    }
    let mut low = 0.0;
    // Halving finds the lowest level that is enough, whole or to the last digit.
    loop {
        let mut middle = low + (high - low) / 2.0;
        if demand.is_whole() {
            middle = middle.floor();
        }
        if middle <= low || middle >= high {
            return Ok(high);
        }
        match enough(middle) {
            true => high = middle,
            false => low = middle,
        }
    }
}
