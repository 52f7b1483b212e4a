//! An engine that serves nobody: its fold, with logs in memory, for worlds that are simulated. What a world says passes
//! the same dialect and the same intake records as anybody's events.

use std::sync::Arc;

use model::codec::Stored;
use model::{
    Dedupe, Event, EventKind, IntakeHeader, IntakeRecord, PartitionId, RecordKind, Time, TimelineId,
};
use runtime::{Base, Fold, Logs};
use serde_json::Value;
use store::{Disk, Keys};

use crate::dialect::{Parsed, parse_line};
use crate::error::{Failure, Kind};

const EVENT_BYTES: usize = 1 << 20;
/// Entities that stay in memory: all that a simulated world has.
const ENTITIES: usize = 1_000_000;

pub(crate) struct InMemory {
    pub(crate) fold: Fold,
    keys: Arc<Keys>,
    source: &'static str,
    // The keys' files live as long as they are used.
    _dir: tempfile::TempDir,
}

pub(crate) fn other<E: std::error::Error + 'static>(error: E) -> Failure {
    Failure::other(&error)
}

pub(crate) fn failed(detail: String) -> Failure {
    Failure::new(Kind::Failed, "other").with("detail", detail)
}

impl InMemory {
    /// An empty engine; `source` is who sends.
    pub(crate) fn new(source: &'static str) -> Result<Self, Failure> {
        let dir = tempfile::tempdir().map_err(other)?;
        let keys = Keys::open(&Disk::Real, &dir.path().join("keys"), &[7; 32], source).map_err(other)?;
        let keys = Arc::new(keys);
        let logs = Logs::Memory { intake: Vec::new(), journal: Vec::new() };
        let fold = Fold::new(PartitionId(0), keys.clone(), Base::Empty, 0, logs, ENTITIES).map_err(other)?;
        Ok(InMemory { fold, keys, source, _dir: dir })
    }

    /// An event as a collector would receive it.
    pub(crate) fn read(&self, json: &Value, now: Time) -> Result<Event<'static>, Failure> {
        let raw = json.to_string();
        let (_, parsed) = parse_line(&raw, EVENT_BYTES, now, String::new);
        match parsed {
            Parsed::Event { event, .. } => Ok(event.into_owned()),
            Parsed::Refused(refused) => Err(failed(refused.detail)),
        }
    }

    /// Puts an event through the intake: sealed for whom it is about, and counted.
    pub(crate) fn receive(&mut self, event: &Event<'_>, now: Time) -> Result<(), Failure> {
        let keys = &self.keys;
        let key = match event.subject() {
            Some(identifier) => keys.key_for(keys.hash_identifier(&identifier)),
            None => keys.key_for(keys.hash_day(now.day())),
        };
        let header = IntakeHeader {
            kind: RecordKind::Event,
            source: self.source.into(),
            timeline: TimelineId::LIVE,
            received_at: now,
            at: now,
            dedupe: Dedupe::Client(keys.hash_message(self.source, &event.message_id)),
        };
        let body = keys.seal(key, &event.encode()).map_err(other)?;
        let seq = self.fold.receive(IntakeRecord { header, body }.encode());
        let seq = seq.ok_or_else(|| failed("the logs are not in memory".to_owned()))?;
        self.fold.apply(seq).map_err(other)
    }
}

/// An event with nothing in it.
pub(crate) fn bare(kind: EventKind, name: &str, message: &str, at: Time) -> Event<'static> {
    Event {
        kind,
        name: name.to_owned().into(),
        user_id: None,
        anonymous_id: None,
        previous_id: None,
        group_id: None,
        message_id: message.to_owned().into(),
        timestamp: at,
        properties: None,
        traits: None,
        context: None,
        rest: None,
    }
}
