//! Deterministic worlds for the engine to be tried against: customers and the businesses that serve them.
//!
//! A world is given a seed and lives as long as it is told to. It reports what happened as Segment-shaped
//! JSON and it hears what was done about it as [`Effect`]s; the same seed and the same effects give the
//! same bytes. It reads no clock, opens no file, and knows nothing of the engine that listens to it.

pub mod depot;
mod dice;
pub mod living;
pub mod shop;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// One thing that happened in a world, as a collector would receive it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WorldEvent {
    /// When it happened; equal to the `timestamp` inside `json`.
    pub at: Timestamp,
    /// The event in the Segment shape (`type`, `messageId`, `timestamp`, `properties`, `context`, ...).
    pub json: serde_json::Value,
}

/// Something that was done, or asked for, in the world from outside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Effect {
    /// Idempotency key: a world acts on each key once.
    pub key: String,
    /// What to do, for example [`shop::OPERATIONS_ALERT`]. Kinds a world does not know change nothing.
    pub kind: String,
    /// The order it is about, if the sender knows.
    #[serde(default)]
    pub order_id: Option<String>,
    /// The promise it is about; used when there is no `order_id`.
    #[serde(default)]
    pub promise_id: Option<String>,
    /// Why, for people to read. Worlds do not act on it.
    #[serde(default)]
    pub reason: String,
}
