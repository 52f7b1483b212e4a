//! A decision as it is kept: enough to explain it, and to make it again.

use serde::{Deserialize, Serialize};

use crate::time::Time;

/// Why a need is decided on now.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Occasion {
    /// The need has become known, or its time has come.
    Recognized,
    /// The customer is here and asks.
    Asked,
    /// The time in which an automatic order could be called off is over.
    ActionDue,
    /// The customer told us to order now.
    OrderNow,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct DecisionRecord {
    pub decision_id: String,
    pub need_id: Option<String>,
    pub at: Time,
    pub playbook: String,
    pub version: u32,
    /// Everything that was seen, as JSON.
    pub seen: String,
    /// What was possible, what was chosen, and why, as JSON.
    pub choice: String,
}
