//! The economic order quantity: steady demand and a cost per order.

use super::{InventoryError, positive, within};

/// An order size for steady demand.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct EconomicOrder {
    /// Units per order.
    pub quantity: f64,
    /// The cost of ordering, keeping and owing, per unit of time; without that of the goods.
    pub cost: f64,
    /// The units owed to customers when an order comes; 0 unless backorders are planned.
    pub backorders: f64,
}

/// Q = √(2Kλ / h) and its cost √(2Kλh) (Snyder & Shen 3.2), for a cost K per order (`fixed`), h per unit and time
/// (`holding`) and a demand of λ units per unit of time (`rate`).
///
/// # Errors
/// If one of them is not positive.
pub fn economic_order(fixed: f64, holding: f64, rate: f64) -> Result<EconomicOrder, InventoryError> {
    let (k, h, lambda) = checked(fixed, holding, rate)?;
    let quantity = within("order quantity", (2.0 * k * lambda / h).sqrt())?;
    Ok(EconomicOrder { quantity, cost: within("cost", (2.0 * k * lambda * h).sqrt())?, backorders: 0.0 })
}

/// The same where customers wait, at a cost p per unit and time (`stockout`): Q = √(2Kλ(h + p) / (hp)), of which
/// h / (h + p) is owed when it comes, at a cost of √(2Kλhp / (h + p)) (Snyder & Shen 3.5).
///
/// # Errors
/// If one of them is not positive.
pub fn economic_order_with_backorders(
    fixed: f64,
    holding: f64,
    stockout: f64,
    rate: f64,
) -> Result<EconomicOrder, InventoryError> {
    let (k, h, lambda) = checked(fixed, holding, rate)?;
    let p = positive("stockout cost", stockout)?;
    let owed = 1.0 / (1.0 + p / h);
    // It is as if keeping cost hp / (h + p).
    let order = economic_order(k, positive("stockout cost", p * owed)?, lambda)?;
    Ok(EconomicOrder { backorders: order.quantity * owed, ..order })
}

fn checked(fixed: f64, holding: f64, rate: f64) -> Result<(f64, f64, f64), InventoryError> {
    Ok((
        positive("cost of an order", fixed)?,
        positive("holding cost", holding)?,
        positive("demand rate", rate)?,
    ))
}
