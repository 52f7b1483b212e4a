//! What a source's key is good for.

use serde::{Deserialize, Serialize};

/// Any key may send events; this is what one may do besides, or may not.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Allowed {
    /// Asking for promises, holding and confirming them.
    pub promises: bool,
    /// Ordering for customers: placing, undoing, changing, cancelling, giving back.
    pub orders: bool,
    /// It may send only what customers do ([`crate::signal::is_of_customers`]).
    pub only_customers: bool,
}
