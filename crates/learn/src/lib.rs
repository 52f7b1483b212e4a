//! Pure numerics that decisions stand on. Nothing here does I/O, reads a clock, draws a random number that was not
//! handed in, or knows a customer: slices of `f64` in, plain values out, the same for the same input.
//!
//! No function returns NaN or an infinity: what cannot be computed is an error that names the cause.

pub mod boost;
pub mod delivery;
pub mod demand;
pub mod depletion;
pub mod distribution;
pub mod inventory;
pub mod quantiles;
pub mod ranking;
pub mod survival;

pub use distribution::Distribution;
pub use quantiles::Quantiles;
