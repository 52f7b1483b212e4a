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
    /// The body is a [`ViolationBody`]: what an event that came with it does against the tracking plan.
    Violation,
}

impl RecordKind {
    /// Whether it is an input of its own, and no note about one that stands beside it.
    pub fn is_input(self) -> bool {
        self != RecordKind::Violation
    }
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

/// What one event does against the tracking plan. It names fields and rules, and holds none of the event's values.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ViolationBody<'a> {
    /// The event's name (track), else the call's.
    #[serde(borrow)]
    pub event: Cow<'a, str>,
    /// The version that the sender says it is of, empty where it says none.
    #[serde(borrow)]
    pub sender: Cow<'a, str>,
    /// The version of the plan.
    pub plan: u32,
    /// Whether the event was refused for it.
    pub blocked: bool,
    #[serde(borrow)]
    pub message_id: Cow<'a, str>,
    #[serde(borrow)]
    pub violations: Vec<Violation<'a>>,
    /// How many more there were than are kept here.
    pub more: u32,
}

/// One rule that does not hold at one place.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct Violation<'a> {
    /// A JSON pointer into the event's properties or traits; `*` stands for any element of a list.
    #[serde(borrow)]
    pub pointer: Cow<'a, str>,
    /// A keyword of JSON Schema (`type`, `required`), or `purpose`, `unplanned_event` or `json`.
    #[serde(borrow)]
    pub rule: Cow<'a, str>,
    /// What the plan wants there.
    #[serde(borrow)]
    pub expected: Cow<'a, str>,
}

impl ViolationBody<'_> {
    /// The same, borrowing nothing.
    pub fn into_owned(self) -> ViolationBody<'static> {
        ViolationBody {
            event: Cow::Owned(self.event.into_owned()),
            sender: Cow::Owned(self.sender.into_owned()),
            plan: self.plan,
            blocked: self.blocked,
            message_id: Cow::Owned(self.message_id.into_owned()),
            violations: self.violations.into_iter().map(Violation::into_owned).collect(),
            more: self.more,
        }
    }
}

impl Violation<'_> {
    /// The same, borrowing nothing.
    pub fn into_owned(self) -> Violation<'static> {
        Violation {
            pointer: Cow::Owned(self.pointer.into_owned()),
            rule: Cow::Owned(self.rule.into_owned()),
            expected: Cow::Owned(self.expected.into_owned()),
        }
    }
}
