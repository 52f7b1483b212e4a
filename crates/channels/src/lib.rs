//! What leaves: signed webhooks, files in a directory, e-mail, and when to try again.
//!
//! What a system is told carries the effect's key as its id, the same at every attempt, so that a receiver which has
//! seen it does nothing a second time. That alone is why an attempt whose end nobody knows may be made again. A mail
//! server knows no such id: there such an attempt is a *doubt* ([`Verdict::Doubt`]), and what was tried is noted where
//! a crash leaves it ([`Attempts`]). Nothing here knows what an effect means, but for a message to a customer, which
//! it writes out; nor where an effect is kept or when it was decided.

mod attempts;
mod directory;
mod files;
mod letter;
mod mail;
mod outbox;
mod outlet;
mod said;
mod signature;
mod smtp;
mod verdict;
mod webhook;

pub use attempts::{Attempts, Standing};
pub use directory::Directory;
pub use letter::{Letter, LetterError, Sender, mail_id};
pub use lettre::Address;
pub use mail::{Carrier, Mail};
pub use outbox::{MAIL_SCHEDULE, Outbox, SCHEDULE, Schedule};
pub use outlet::{EMAIL, Outlet, OutletError, Serves, Way};
pub use said::{LinkMaker, Parcel, Said, SayError};
pub use signature::{Secret, SecretError, VerifyError};
pub use smtp::{Security, Smtp, SmtpError};
pub use verdict::Verdict;
pub use webhook::{Message, Webhook, WebhookError};

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
