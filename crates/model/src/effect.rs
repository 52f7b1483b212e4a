//! What the engine asks the outside world to do.

use serde::{Deserialize, Serialize};

/// The stable name of one effect: the receiver's idempotency key.
pub type EffectKey = String;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum EffectKind {
    /// Tell the customer something about their promise.
    CustomerNotify,
    /// Tell operations that a promise needs them.
    OperationsAlert,
}

impl EffectKind {
    pub fn name(self) -> &'static str {
        match self {
            EffectKind::CustomerNotify => "customer.notify",
            EffectKind::OperationsAlert => "operations.alert",
        }
    }
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Effect {
    pub key: EffectKey,
    pub kind: EffectKind,
    pub promise_id: Option<String>,
    pub order_id: Option<String>,
    /// A code such as `promise_at_risk`, `promise_broken`, `promise_revised`.
    pub reason: String,
}

/// What the receiver said.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum EffectResult {
    Done,
    /// The receiver refused it for good.
    Failed(String),
}
