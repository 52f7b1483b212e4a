//! How much to keep and to order: the textbook policies of one item at one place.
//!
//! | question | function |
//! |---|---|
//! | one season, one order | [`newsvendor`] |
//! | steady demand, a cost per order | [`economic_order`], [`economic_order_with_backorders`] |
//! | random demand, watched continuously, orders of one size | [`reorder_quantity`]: (r, Q) |
//! | random demand, looked at every period, a cost per order | [`order_up_to`]: (s, S) |
//! | random demand, no cost per order | [`newsvendor`] on the demand of a lead time: a base stock |
//! | a service promised instead of a cost | [`stock_levels`], [`base_stock`] |
//! | known demand that varies from period to period | [`lot_sizes`] |
//!
//! Quantities are in units of the goods and costs in one unit of money; rates and holding costs refer to the same unit
//! of time. `stockout` is the cost of a unit short (for a newsvendor, the margin lost), `holding` that of a unit too
//! many, `fixed` that of placing an order. Demand that is not met waits (backorders), except in a newsvendor's season.
//!
//! Formulas are those of Snyder & Shen, *Fundamentals of Supply Chain Theory*, 2nd edition (2019).

mod eoq;
mod lots;
mod newsvendor;
mod rq;
mod service;
mod ss;

pub use eoq::{EconomicOrder, economic_order, economic_order_with_backorders};
pub use lots::{LotSizes, lot_sizes};
pub use newsvendor::{Newsvendor, newsvendor, newsvendor_cost};
pub use rq::{ReorderQuantity, reorder_quantity, reorder_quantity_cost};
pub use service::{
    LeadTime, ServiceTarget, StockLevels, base_stock, lead_time_demand, reorder_point_at, stock_levels,
};
pub use ss::{OrderUpTo, order_up_to, order_up_to_cost};

use crate::distribution::DistributionError;

/// Why there is no policy.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum InventoryError {
    #[error("the {what} is {value}; it must be a finite number above 0")]
    NotPositive { what: &'static str, value: f64 },
    #[error("the {what} is {value}; it must be a finite number that is not negative")]
    Negative { what: &'static str, value: f64 },
    #[error("the {what} is {value}; it must be a finite number")]
    NotFinite { what: &'static str, value: f64 },
    #[error("the {what} is {value}; it must lie between 0 and 1, both excluded")]
    NotAShare { what: &'static str, value: f64 },
    #[error("there is no demand, so there is nothing to keep for it")]
    NoDemand,
    #[error("there is no period")]
    NoPeriod,
    #[error("the {what} of period {period} is {value}; it must be a finite number that is not negative")]
    Period { what: &'static str, period: usize, value: f64 },
    #[error("the order-up-to level {up_to} is not above the reorder point {reorder_point}")]
    Levels { reorder_point: i64, up_to: i64 },
    #[error("the search for a policy went over {0} units; count in larger units")]
    TooLarge(usize),
    #[error("the {0} is too large a number; count in larger units")]
    Overflow(&'static str),
    #[error(transparent)]
    Distribution(#[from] DistributionError),
}

/// The widest range of whole units that a search goes over.
const WIDEST: usize = 20_000;

fn positive(what: &'static str, value: f64) -> Result<f64, InventoryError> {
    match value.is_finite() && value > 0.0 {
        true => Ok(value),
        false => Err(InventoryError::NotPositive { what, value }),
    }
}

fn not_negative(what: &'static str, value: f64) -> Result<f64, InventoryError> {
    match value.is_finite() && value >= 0.0 {
        true => Ok(value),
        false => Err(InventoryError::Negative { what, value }),
    }
}

fn finite(what: &'static str, value: f64) -> Result<f64, InventoryError> {
    match value.is_finite() {
        true => Ok(value),
        false => Err(InventoryError::NotFinite { what, value }),
    }
}

/// A share strictly between 0 and 1.
fn share(what: &'static str, value: f64) -> Result<f64, InventoryError> {
    match value > 0.0 && value < 1.0 {
        true => Ok(value),
        false => Err(InventoryError::NotAShare { what, value }),
    }
}

/// A result, unless it has left the range of numbers.
fn within(what: &'static str, value: f64) -> Result<f64, InventoryError> {
    match value.is_finite() {
        true => Ok(value),
        false => Err(InventoryError::Overflow(what)),
    }
}
