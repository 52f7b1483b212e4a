//! One order for one season of random demand; also the cost of a base stock.

use super::{InventoryError, finite, positive, within};
use crate::Distribution;

/// The order that costs least in expectation.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Newsvendor {
    /// What to have at the start. A whole number if demand is counted in whole units.
    pub level: f64,
    /// The expected cost of what is left over and what is short.
    pub cost: f64,
    /// p / (p + h): the probability of meeting all demand that the costs ask for.
    pub critical_ratio: f64,
}

/// The level that balances the cost of a unit left over (`holding`, h) and of a unit short (`stockout`, p): the
/// p / (p + h) quantile of demand (Snyder & Shen 4.3). With the demand of a lead time, or of a lead time and a review
/// period, it is the base stock that costs least per period.
///
/// # Errors
/// If a cost is not positive, or the quantiles that tell the demand do not reach the critical ratio.
pub fn newsvendor(holding: f64, stockout: f64, demand: &Distribution) -> Result<Newsvendor, InventoryError> {
    let (h, p) = (positive("holding cost", holding)?, positive("stockout cost", stockout)?);
    // So that neither sum nor quotient leaves the range of numbers; 0 and 1 remain for costs too far apart.
    let critical_ratio = 1.0 / (1.0 + h / p);
    let level = demand.quantile(critical_ratio)?;
    Ok(Newsvendor { level, cost: newsvendor_cost(level, h, p, demand)?, critical_ratio })
}

/// The expected cost h·E[(x − D)⁺] + p·E[(D − x)⁺] of a level x.
pub fn newsvendor_cost(
    level: f64,
    holding: f64,
    stockout: f64,
    demand: &Distribution,
) -> Result<f64, InventoryError> {
    let (h, p) = (positive("holding cost", holding)?, positive("stockout cost", stockout)?);
    within("expected cost", expected(finite("level", level)?, h, p, demand))
}

/// The same for costs that are known to be positive. May overflow.
pub(super) fn expected(level: f64, h: f64, p: f64, demand: &Distribution) -> f64 {
    let short = demand.loss(level);
    // E[(x − D)⁺] = x − E[D] + E[(D − x)⁺], which rounding must not take below 0.
    let over = (level - demand.mean() + short).max(0.0);
    h * over + p * short
}
