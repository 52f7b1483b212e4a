//! The shapes that the public paths answer with. The OpenAPI document is made from these.

use serde::Serialize;
use utoipa::ToSchema;

/// One event was taken: it is durable.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Taken {
    /// Always true.
    pub(super) success: bool,
    /// The id that the sender gave, or the one that the server made.
    pub(super) message_id: String,
}

/// A batch was taken: everything in it is durable, what was refused as a dead letter.
#[derive(Serialize, ToSchema)]
pub(super) struct BatchTaken {
    /// Always true.
    pub(super) success: bool,
    pub(super) accepted: usize,
    pub(super) rejected: usize,
    /// One for each refused event.
    pub(super) errors: Vec<EventRefused>,
}

/// Why one event of a batch was refused.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct EventRefused {
    /// Its place in the batch, from 0.
    pub(super) index: usize,
    pub(super) message_id: Option<String>,
    /// Stable; for programs.
    #[schema(example = "missing_identifier")]
    pub(super) code: &'static str,
    /// For people, in the language of `Accept-Language` (en or ko).
    pub(super) message: String,
}

/// A request was refused, or one event of a call for one.
#[derive(Serialize, ToSchema)]
pub(super) struct Refusal {
    /// Always false.
    pub(super) success: bool,
    /// Stable; for programs.
    #[schema(example = "unknown_write_key")]
    pub(super) code: &'static str,
    /// For people, in the language of `Accept-Language` (en or ko).
    pub(super) message: String,
}

/// The intake can take.
#[derive(Serialize, ToSchema)]
pub(super) struct Ready {
    pub(super) ready: bool,
    /// Durable events that have not counted yet.
    pub(super) backlog: u64,
}

/// An event as Segment's HTTP Tracking API has it. Members that are not listed are kept as they came.
#[derive(ToSchema)]
#[allow(dead_code, reason = "describes what is read; reading is done without building it")]
#[schema(rename_all = "camelCase")]
pub(super) struct SentEvent {
    /// `track`, `identify`, `page`, `screen`, `group` or `alias`; the path names it where it is missing.
    r#type: Option<String>,
    /// What happened; a track call needs it.
    event: Option<String>,
    /// One of `userId` and `anonymousId` is needed.
    user_id: Option<String>,
    anonymous_id: Option<String>,
    previous_id: Option<String>,
    group_id: Option<String>,
    /// Sent again with the same id, within 30 days and by the same source, it counts once.
    message_id: Option<String>,
    /// RFC 3339 with a zone; the server's time where it is missing.
    timestamp: Option<String>,
    /// The sender's clock when it sent; corrects `timestamp`.
    sent_at: Option<String>,
    properties: Option<std::collections::BTreeMap<String, serde_json::Value>>,
    traits: Option<std::collections::BTreeMap<String, serde_json::Value>>,
    context: Option<std::collections::BTreeMap<String, serde_json::Value>>,
    /// For senders that cannot set a header.
    write_key: Option<String>,
}

/// Up to 2,500 events and 500 KB.
#[derive(ToSchema)]
#[allow(dead_code, reason = "describes what is read; reading is done without building it")]
#[schema(rename_all = "camelCase")]
pub(super) struct SentBatch {
    batch: Vec<SentEvent>,
    /// For every event that says nothing else.
    context: Option<std::collections::BTreeMap<String, serde_json::Value>>,
    integrations: Option<std::collections::BTreeMap<String, serde_json::Value>>,
    sent_at: Option<String>,
    write_key: Option<String>,
}
