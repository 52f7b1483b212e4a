//! What leaves for other systems: signed webhooks, files in a directory, and when to try again.
//!
//! A message carries the effect's key as its id, the same at every attempt, so that a receiver which has seen it does
//! nothing a second time. That alone is why an attempt whose end nobody knows may be made again. Nothing here knows
//! what an effect means, where it is kept or when it was decided.

mod directory;
mod outbox;
mod outlet;
mod signature;
mod webhook;

pub use directory::Directory;
pub use outbox::{Outbox, SCHEDULE, Schedule};
pub use outlet::{Outlet, OutletError, Serves, Way};
pub use signature::{Secret, SecretError, VerifyError};
pub use webhook::{Message, Verdict, Webhook, WebhookError};

use model::Effect;
use serde_json::{Value, json};

/// The id of an effect's message: its key, in characters that a header may carry and without dots, which part what is
/// signed.
pub fn message_id(key: &str) -> String {
    webhook::header_safe(key)
}

/// An effect as its receiver reads it: `id` is what it is known by, `type` what is asked, `data` what is needed for it.
pub fn document(effect: &Effect) -> Value {
    let data = effect.body.as_deref().map(|text| serde_json::from_str(text).unwrap_or_else(|_| json!(text)));
    json!({
        "id": message_id(&effect.key),
        "type": effect.kind.name(),
        "reason": effect.reason,
        "order_id": effect.order_id,
        "promise_id": effect.promise_id,
        "data": data,
    })
}
