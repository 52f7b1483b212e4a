//! The installation: who may send, which imports there were, and whether anything may leave.

use std::collections::BTreeMap;

use model::{Time, TimelineId};
use serde::{Deserialize, Serialize};

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Workspace {
    pub sources: BTreeMap<String, Source>,
    pub imports: BTreeMap<String, Import>,
    pub webhooks: BTreeMap<String, Webhook>,
    /// The kill switch: off, no effect starts.
    pub effects_on: bool,
}

impl Default for Workspace {
    fn default() -> Self {
        Workspace {
            sources: BTreeMap::new(),
            imports: BTreeMap::new(),
            webhooks: BTreeMap::new(),
            effects_on: true,
        }
    }
}

/// Somebody who sends, known by a write key of which only the hash is kept.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Source {
    pub key_hash: [u8; 32],
    pub created_at: Time,
    pub revoked_at: Option<Time>,
}

/// A system whose webhooks are taken.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Webhook {
    /// The map's text: what it says becomes of a request.
    pub map: String,
    pub secret: String,
    pub connected_at: Time,
}

/// One imported source of history, with its own line of time.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Import {
    pub timeline: TimelineId,
    pub started_at: Time,
    pub finished_at: Option<Time>,
    pub events: u64,
    pub bad_rows: u64,
}

impl Workspace {
    /// The import's timeline, or the next free one.
    pub fn timeline_of(&self, import: &str) -> TimelineId {
        match self.imports.get(import) {
            Some(known) => known.timeline,
            None => TimelineId(self.imports.len() as u32 + 1),
        }
    }
}
