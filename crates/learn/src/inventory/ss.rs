//! (s, S): look every period; when the position is at or below s, order up to S.

use super::newsvendor::expected;
use super::{InventoryError, WIDEST, positive, within};
use crate::Distribution;
use crate::distribution::Counts;

/// A reorder point and an order-up-to level, in whole units.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct OrderUpTo {
    /// Order when the position is at this or below.
    pub reorder_point: i64,
    pub up_to: i64,
    /// The expected cost per period.
    pub cost: f64,
}

/// What the policies are compared on.
struct Costs<'a> {
    fixed: f64,
    holding: f64,
    stockout: f64,
    period: &'a Counts,
    protection: &'a Distribution,
    /// How many periods on average the position is j below the level it was ordered up to, before it falls further;
    /// and the sum of those before each (Snyder & Shen 4.4: m and M). They depend on the demand alone.
    stays: Vec<f64>,
    stays_before: Vec<f64>,
}

impl<'a> Costs<'a> {
    fn new(
        fixed: f64,
        holding: f64,
        stockout: f64,
        period: &'a Counts,
        protection: &'a Distribution,
    ) -> Result<Self, InventoryError> {
        let (fixed, holding) = (positive("cost of an order", fixed)?, positive("holding cost", holding)?);
        let stockout = positive("stockout cost", stockout)?;
        if period.mean() <= 0.0 {
            return Err(InventoryError::NoDemand);
        }
        // Not one less the probability of none, which rounds to nothing for the rarest demand.
        let some: f64 = (1..=period.support().1).map(|k| period.probability(k)).sum();
        let first = within("time between demands", 1.0 / some)?;
        let (stays, stays_before) = (vec![first], vec![0.0, first]);
        Ok(Costs { fixed, holding, stockout, period, protection, stays, stays_before })
    }

    /// The expected cost of a period that begins with a position of `level`.
    fn period(&self, level: i64) -> f64 {
        expected(level as f64, self.holding, self.stockout, self.protection)
    }

    fn know(&mut self, width: usize) -> Result<(), InventoryError> {
        if width > WIDEST {
            return Err(InventoryError::TooLarge(WIDEST));
        }
        let (lowest, highest) = self.period.support();
        for j in self.stays.len()..width {
            let falls = lowest.max(1)..=highest.min(j);
            let sum: f64 = falls.map(|fall| self.period.probability(fall) * self.stays[j - fall]).sum();
            self.stays.push(self.stays[0] * sum);
            self.stays_before.push(self.stays_before[j] + self.stays[j]);
        }
        Ok(())
    }

    /// The expected cost per period of (s, S): what a cycle costs over how long it takes.
    fn of(&mut self, reorder_point: i64, up_to: i64) -> Result<f64, InventoryError> {
        let width = usize::try_from(i128::from(up_to) - i128::from(reorder_point)).ok().filter(|w| *w > 0);
        let Some(width) = width else {
            return Err(InventoryError::Levels { reorder_point, up_to });
        };
        self.know(width)?;
        let stays = self.stays[..width].iter().enumerate();
        // Levels that the demand cannot reach are not paid for.
        let cost: f64 = stays
            .filter(|(_, stay)| **stay > 0.0)
            .map(|(fall, stay)| stay * self.period(up_to - fall as i64))
            .sum();
        within("expected cost", (self.fixed + cost) / self.stays_before[width])
    }
}

/// The s and S that cost least (Zheng & Federgruen 1991; Snyder & Shen 4.4), for a cost per order (`fixed`), a cost per
/// unit left at the end of a period (`holding`) and per unit owed then (`stockout`). `period` is one period's demand,
/// `protection` that of a lead time of L periods and one period more: `period.times(L + 1)`, and the same as `period`
/// where what is ordered is there at once.
///
/// # Errors
/// If a cost is not positive, if there is no demand, or if the policy spans more than 20,000 units.
pub fn order_up_to(
    fixed: f64,
    holding: f64,
    stockout: f64,
    period: &Counts,
    protection: &Counts,
) -> Result<OrderUpTo, InventoryError> {
    let protection = Distribution::Counts(protection.clone());
    let mut costs = Costs::new(fixed, holding, stockout, period, &protection)?;
    let cheapest = protection.quantile(1.0 / (1.0 + holding / stockout))? as i64;

    // The best s for S at the cheapest level: where waiting one unit longer would cost more than the mean.
    let mut s = cheapest - 1;
    while costs.of(s, cheapest)? > costs.period(s) {
        s -= 1;
    }
    let mut best = OrderUpTo { reorder_point: s, up_to: cheapest, cost: costs.of(s, cheapest)? };
    // No S is better once its own period costs more than the best mean.
    let mut up_to = cheapest + 1;
    while costs.period(up_to) <= best.cost {
        if costs.of(best.reorder_point, up_to)? < best.cost {
            let mut s = best.reorder_point;
            while s + 1 < up_to && costs.of(s, up_to)? <= costs.period(s + 1) {
                s += 1;
            }
            best = OrderUpTo { reorder_point: s, up_to, cost: costs.of(s, up_to)? };
        }
        up_to += 1;
    }
    Ok(best)
}

/// The expected cost per period of a given s and S; see [`order_up_to`].
///
/// # Errors
/// If a cost is not positive, if there is no demand, if S is not above s or lies more than 20,000 units above it.
pub fn order_up_to_cost(
    (reorder_point, up_to): (i64, i64),
    fixed: f64,
    holding: f64,
    stockout: f64,
    period: &Counts,
    protection: &Counts,
) -> Result<f64, InventoryError> {
    let protection = Distribution::Counts(protection.clone());
    Costs::new(fixed, holding, stockout, period, &protection)?.of(reorder_point, up_to)
}
