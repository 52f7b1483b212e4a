//! Reading what counted, in the order in which it counted: for export, for the tail, for a profile's timeline.

use std::sync::Arc;

use model::codec::Stored;
use model::{
    Cause, Dedupe, EntityId, Entry, Event, IntakeRecord, Outcome, RecordKind, RejectedBody, SkipReason, Time,
    TimelineId, ViolationBody,
};
use store::{Keys, OpenError};

use crate::logs::{HistoryError, Logs, open_outcomes};

/// An applied event with where it stands.
#[derive(Clone, Debug)]
pub struct AppliedEvent {
    pub journal_seq: u64,
    pub intake_seq: u64,
    pub source: String,
    pub timeline: TimelineId,
    pub received_at: Time,
    /// Nothing recognises it when it comes again: it may be here more than once.
    pub at_least_once: bool,
    pub event: Event<'static>,
}

/// One thing that happened.
#[derive(Clone, Debug)]
pub enum Item {
    Applied(Box<AppliedEvent>),
    /// Applied once, and erased since.
    Erased {
        journal_seq: u64,
        intake_seq: u64,
    },
    /// What could not be taken, with its own text.
    Rejected {
        journal_seq: u64,
        intake_seq: u64,
        source: String,
        received_at: Time,
        body: RejectedBody<'static>,
    },
    /// What an event beside it does against the tracking plan.
    Violation {
        journal_seq: u64,
        intake_seq: u64,
        source: String,
        received_at: Time,
        body: ViolationBody<'static>,
    },
    Skipped {
        journal_seq: u64,
        intake_seq: u64,
        reason: SkipReason,
    },
    Decided {
        journal_seq: u64,
        entity: EntityId,
        cause: Cause,
        at: Time,
        outcomes: Vec<Outcome>,
    },
}

impl Item {
    pub fn journal_seq(&self) -> u64 {
        match self {
            Item::Applied(applied) => applied.journal_seq,
            Item::Erased { journal_seq, .. }
            | Item::Rejected { journal_seq, .. }
            | Item::Violation { journal_seq, .. }
            | Item::Skipped { journal_seq, .. }
            | Item::Decided { journal_seq, .. } => *journal_seq,
        }
    }
}

/// Reads on from any journal entry. Each reader has its own place; a slow one slows nobody.
pub struct History {
    logs: Logs,
    keys: Arc<Keys>,
    next: u64,
}

impl History {
    pub(crate) fn new(logs: Logs, keys: Arc<Keys>, from: u64) -> Self {
        History { logs, keys, next: from.max(1) }
    }

    /// The journal entry that is read next.
    pub fn position(&self) -> u64 {
        self.next
    }

    /// Reads one journal entry and hands what it says to `each`; false at the journal's present end.
    pub fn step(&mut self, mut each: impl FnMut(Item)) -> Result<bool, HistoryError> {
        let seq = self.next;
        if seq > self.logs.ends().1 {
            return Ok(false);
        }
        enum Read {
            Inputs { first: u64, count: u32, duplicates: Vec<u32> },
            Item(Item),
            Nothing,
        }
        let keys = self.keys.clone();
        let read = self.logs.journal(seq, |entry| match entry {
            Entry::Applied { first, count, duplicates } => Read::Inputs { first, count, duplicates },
            Entry::Outcome { entity, cause, at, body, .. } => match open_outcomes(&keys, &body) {
                Ok(outcomes) => Read::Item(Item::Decided { journal_seq: seq, entity, cause, at, outcomes }),
                Err(_) => Read::Nothing,
            },
            Entry::Skipped { seq: intake_seq, reason } => {
                Read::Item(Item::Skipped { journal_seq: seq, intake_seq, reason })
            }
            _ => Read::Nothing,
        })?;
        match read {
            Read::Inputs { first, count, duplicates } => {
                for offset in (0..count).filter(|offset| duplicates.binary_search(offset).is_err()) {
                    each(self.input(first + u64::from(offset), seq)?);
                }
            }
            Read::Item(item) => each(item),
            Read::Nothing => {}
        }
        self.next = seq + 1;
        Ok(true)
    }

    /// One intake record as it was received.
    pub fn input(&mut self, intake_seq: u64, journal_seq: u64) -> Result<Item, HistoryError> {
        let keys = self.keys.clone();
        self.logs.intake(intake_seq, |record| read_input(&keys, &record, intake_seq, journal_seq))
    }

    /// Waits until the journal goes on, at most `patience`; says whether it does.
    pub fn wait(&self, patience: std::time::Duration) -> bool {
        match &self.logs {
            Logs::Disk { journal, .. } => journal.durable().wait_past(self.next - 1, patience),
            Logs::Memory { .. } => self.logs.ends().1 >= self.next,
        }
    }
}

fn read_input(keys: &Keys, record: &IntakeRecord<'_>, intake_seq: u64, journal_seq: u64) -> Item {
    let header = &record.header;
    let unreadable =
        |why: String| Item::Skipped { journal_seq, intake_seq, reason: SkipReason::Unreadable(why) };
    let body = match keys.open_sealed(&record.body) {
        Ok(body) => body,
        Err(OpenError::Erased) => return Item::Erased { journal_seq, intake_seq },
        Err(error) => return unreadable(error.to_string()),
    };
    match header.kind {
        RecordKind::Event => match Event::decode(&body) {
            Ok(event) => Item::Applied(Box::new(AppliedEvent {
                journal_seq,
                intake_seq,
                source: header.source.to_string(),
                timeline: header.timeline,
                received_at: header.received_at,
                at_least_once: header.dedupe == Dedupe::None,
                event: event.into_owned(),
            })),
            Err(error) => unreadable(error.to_string()),
        },
        RecordKind::Rejected => match RejectedBody::decode(&body) {
            Ok(body) => Item::Rejected {
                journal_seq,
                intake_seq,
                source: header.source.to_string(),
                received_at: header.received_at,
                body: RejectedBody {
                    code: body.code.into_owned().into(),
                    reason: body.reason.into_owned().into(),
                    place: body.place.into_owned().into(),
                    raw: body.raw.into_owned().into(),
                },
            },
            Err(error) => unreadable(error.to_string()),
        },
        RecordKind::Violation => match ViolationBody::decode(&body) {
            Ok(body) => Item::Violation {
                journal_seq,
                intake_seq,
                source: header.source.to_string(),
                received_at: header.received_at,
                body: body.into_owned(),
            },
            Err(error) => unreadable(error.to_string()),
        },
    }
}
