//! A decision as it is kept: enough to explain it, and to make it again.

use serde::{Deserialize, Serialize};

use crate::time::Time;

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
