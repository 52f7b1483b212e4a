//! A record of the intake log: a plain header that routing and de-duplication need, and a sealed body.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::entry::Sealed;
use crate::id::{DedupeHash, TimelineId};
use crate::time::Time;

/// How a record is recognised when it comes again.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Dedupe {
    /// The client named it: applied once per source within 30 days.
    Client(DedupeHash),
    /// The natural key of an import: applied once for ever.
    Permanent(DedupeHash),
    /// Nothing to recognise it by; at-least-once.
    None,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum RecordKind {
    /// The body is an [`crate::Event`].
    Event,
    /// The body is a [`RejectedBody`]: kept as a dead letter.
    Rejected,
}

/// What is readable without a key. It holds nothing about a person.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct IntakeHeader<'a> {
    pub kind: RecordKind,
    #[serde(borrow)]
    pub source: Cow<'a, str>,
    pub timeline: TimelineId,
    /// By the server's clock.
    pub received_at: Time,
    /// When it counts on its timeline: `received_at` when live, the event's own time in an import.
    pub at: Time,
    pub dedupe: Dedupe,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct IntakeRecord<'a> {
    #[serde(borrow)]
    pub header: IntakeHeader<'a>,
    #[serde(borrow)]
    pub body: Sealed<'a>,
}

/// What could not be taken as an event, whole, with the reason.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RejectedBody<'a> {
    /// A code of the intake contract (`missing_identifier`, `missing_event`, `bad_row`…).
    #[serde(borrow)]
    pub code: Cow<'a, str>,
    /// The same for a person: what is wrong and where.
    #[serde(borrow)]
    pub reason: Cow<'a, str>,
    /// Where it came from: a path of the API, or file and line.
    #[serde(borrow)]
    pub place: Cow<'a, str>,
    /// The input's own text.
    #[serde(borrow)]
    pub raw: Cow<'a, str>,
}
