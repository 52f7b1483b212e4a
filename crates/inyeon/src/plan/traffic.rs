//! Reading what was recorded, from its beginning, for those who make a plan or hold one against it.

use std::collections::BTreeMap;

use model::{EventKind, Time};
use serde::Serialize;
use serde_json::Value;

use super::gate::sender_of;
use super::{Plan, has_traits, planned_name};
use crate::access::Access;
use crate::bar::Bar;
use crate::error::Failure;
use crate::i18n::Messages;
use crate::ops::{EventFilter, Op};

/// Events that one call reads.
const PAGE: usize = 2000;

/// Which of the recorded events are read.
pub(super) struct Traffic<'a> {
    pub(super) access: &'a Access,
    pub(super) source: Option<String>,
    /// Received from then on.
    pub(super) since: Option<Time>,
    pub(super) quiet: bool,
    pub(super) messages: &'a Messages,
}

/// A recorded event.
pub(super) struct Recorded<'a> {
    pub(super) kind: EventKind,
    /// Empty for calls that have none.
    pub(super) name: &'a str,
    /// Its properties; its traits where the call has those.
    pub(super) body: &'a Value,
    json: &'a Value,
}

impl<'a> Recorded<'a> {
    fn of(json: &'a Value) -> Option<Self> {
        let kind = EventKind::from_name(json["type"].as_str()?)?;
        let body = if has_traits(kind) { &json["traits"] } else { &json["properties"] };
        Some(Recorded { kind, name: json["event"].as_str().unwrap_or_default(), body, json })
    }

    /// Whom it is about.
    pub(super) fn person(&self) -> Option<&'a str> {
        self.json["userId"].as_str().or_else(|| self.json["anonymousId"].as_str())
    }
}

impl Traffic<'_> {
    /// Hands every event to `look`, in the order in which they counted.
    pub(super) fn each(&self, mut look: impl FnMut(&Recorded<'_>)) -> Result<(), Failure> {
        let end = self.access.run(Op::Status)?["journal"].as_u64().unwrap_or_default();
        let bar = Bar::new(end, self.quiet, self.messages.get("plan-reading"));
        let filter = EventFilter { source: self.source.clone(), ..EventFilter::default() };
        let mut from = 1;
        loop {
            let op = Op::Events { from, limit: PAGE, wait_ms: 0, facts: false, filter: filter.clone() };
            let page = self.access.run(op)?;
            for item in page["items"].as_array().into_iter().flatten() {
                let received_at = item["receivedAt"].as_str().and_then(Time::parse);
                if self.since.is_some_and(|since| received_at.is_none_or(|at| at < since)) {
                    continue;
                }
                if let Some(recorded) = Recorded::of(item) {
                    look(&recorded);
                }
            }
            from = page["next"].as_u64().unwrap_or(from);
            bar.at(from);
            // What comes in meanwhile is left for the next time, or a busy server would never let go.
            if page["at_end"] == true || from > end {
                return Ok(());
            }
        }
    }

    /// Counts what a plan would have said.
    pub(super) fn judge(&self, plan: &Plan) -> Result<Verdict, Failure> {
        let mut counts = BTreeMap::new();
        let (mut events, mut violating, mut blocked) = (0, 0, 0);
        self.each(|recorded| {
            events += 1;
            let Some(judgement) = plan.judge_value(recorded.kind, recorded.name, recorded.body) else {
                return;
            };
            violating += 1;
            blocked += u64::from(judgement.blocked);
            for violation in &judgement.violations {
                let row = Row {
                    event: planned_name(recorded.kind, recorded.name).to_owned(),
                    source: recorded.json["source"].as_str().unwrap_or_default().to_owned(),
                    sender: sender_of(&recorded.json["context"]),
                    pointer: violation.pointer.to_string(),
                    rule: violation.rule.to_string(),
                    expected: violation.expected.to_string(),
                    blocked: judgement.blocked,
                };
                *counts.entry(row).or_insert(0) += 1;
            }
        })?;
        let violations = counts.into_iter().map(|(row, count)| Counted { row, count }).collect();
        Ok(Verdict { events, violating, blocked, violations })
    }
}

/// What a plan would have said of the traffic.
#[derive(Serialize)]
pub(super) struct Verdict {
    events: u64,
    /// Events with at least one violation.
    violating: u64,
    /// Those of them that would have been refused.
    blocked: u64,
    violations: Vec<Counted>,
}

#[derive(Serialize)]
struct Counted {
    #[serde(flatten)]
    row: Row,
    /// Events.
    count: u64,
}

#[derive(PartialEq, Eq, PartialOrd, Ord, Serialize)]
struct Row {
    event: String,
    source: String,
    sender: String,
    pointer: String,
    rule: String,
    expected: String,
    blocked: bool,
}
