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
    /// Fulfil this order.
    OrderPlace,
    /// It is another order now, under the same number.
    OrderChange,
    OrderCancel,
    PaymentAuthorise,
    PaymentCapture,
    PaymentVoid,
    PaymentRefund,
    /// Say something to the customer; the body is a [`crate::connection::Message`].
    MessageSend,
}

impl EffectKind {
    pub const ALL: [EffectKind; 10] = [
        EffectKind::CustomerNotify,
        EffectKind::OperationsAlert,
        EffectKind::OrderPlace,
        EffectKind::OrderChange,
        EffectKind::OrderCancel,
        EffectKind::PaymentAuthorise,
        EffectKind::PaymentCapture,
        EffectKind::PaymentVoid,
        EffectKind::PaymentRefund,
        EffectKind::MessageSend,
    ];

    pub fn name(self) -> &'static str {
        match self {
            EffectKind::CustomerNotify => "customer.notify",
            EffectKind::OperationsAlert => "operations.alert",
            EffectKind::OrderPlace => "order.place",
            EffectKind::OrderChange => "order.change",
            EffectKind::OrderCancel => "order.cancel",
            EffectKind::PaymentAuthorise => "payment.authorise",
            EffectKind::PaymentCapture => "payment.capture",
            EffectKind::PaymentVoid => "payment.void",
            EffectKind::PaymentRefund => "payment.refund",
            EffectKind::MessageSend => "message.send",
        }
    }

    /// Whether something is ordered or paid by it: it waits while nothing may leave, and is not dropped.
    pub fn is_binding(self) -> bool {
        !matches!(self, EffectKind::CustomerNotify | EffectKind::OperationsAlert | EffectKind::MessageSend)
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
    /// What the receiver needs, as JSON text.
    pub body: Option<String>,
}

/// What the receiver said.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum EffectResult {
    Done,
    /// The receiver refused it for good.
    Failed(String),
}
