//! Known demand, period by period, and a cost per order: Wagner & Whitin.

use super::{InventoryError, not_negative, within};

/// What to order in each period.
#[derive(Clone, PartialEq, Debug)]
pub struct LotSizes {
    /// Units ordered at the start of each period, as many as there are periods.
    pub orders: Vec<f64>,
    /// The cost of ordering and of keeping from one period into the next.
    pub cost: f64,
}

/// The orders that meet all demand, each in time, at the least cost (Wagner & Whitin 1958; Snyder & Shen 3.7): `fixed`
/// per order and `holding` per unit kept from one period into the next. Among equally cheap plans the one that orders
/// later. Takes time in proportion to the square of the number of periods.
///
/// # Errors
/// If there is no period, or a cost or a demand is negative or not finite. Periods without demand are no error.
pub fn lot_sizes(fixed: f64, holding: f64, demand: &[f64]) -> Result<LotSizes, InventoryError> {
    let (k, h) = (not_negative("cost of an order", fixed)?, not_negative("holding cost", holding)?);
    if demand.is_empty() {
        return Err(InventoryError::NoPeriod);
    }
    for (period, &value) in demand.iter().enumerate() {
        if !(value.is_finite() && value >= 0.0) {
            return Err(InventoryError::Period { what: "demand", period, value });
        }
    }
    // Some best plan orders only when nothing is left, so it is a partition of the periods into runs, each served by an
    // order at its start. `least[t]` is the least cost of the first t periods, `start[t]` where their last run begins.
    let mut least = vec![0.0_f64; demand.len() + 1];
    let mut start = vec![0_usize; demand.len() + 1];
    for end in 1..=demand.len() {
        let (mut units, mut kept) = (0.0, 0.0);
        let mut best = (f64::INFINITY, end - 1);
        // A run that begins one period earlier keeps all it had one period longer.
        for begin in (0..end).rev() {
            kept += units;
            units += demand[begin];
            let order = if units > 0.0 { k } else { 0.0 };
            let cost = least[begin] + order + h * kept;
            if cost < best.0 {
                best = (cost, begin);
            }
            // Keeping alone costs as much as the best plan, and more the earlier the run begins.
            if h * kept > best.0 {
                break;
            }
        }
        least[end] = within("cost", best.0)?;
        start[end] = best.1;
    }
    let mut orders = vec![0.0; demand.len()];
    let mut end = demand.len();
    while end > 0 {
        let begin = start[end];
        orders[begin] = within("order", demand[begin..end].iter().sum())?;
        end = begin;
    }
    Ok(LotSizes { orders, cost: least[demand.len()] })
}
