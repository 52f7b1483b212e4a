//! The tracking plan: what senders may send, as one document that its owner edits and keeps. What goes against it is
//! kept and counted by source and version, and blocked only where the plan says so.
//!
//! [`Document`] is the text, [`Plan`] what is made of it; [`gate`] is the one place where events pass it.

pub mod cmd;
pub mod diff;
pub mod gate;
pub mod infer;
mod judge;
pub mod op;
mod purpose;
mod schema;
mod traffic;
pub(crate) mod yaml;

use std::collections::BTreeMap;

use model::{Event, EventKind};
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::error::{Failure, Kind};
pub use judge::Judgement;
use judge::Rules;
pub use op::current;

/// The format of the document that this program reads.
pub const FORMAT: u32 = 1;

/// The plan as it is written.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Document {
    /// [`FORMAT`].
    pub plan: u32,
    /// What fields may be used for: a name, and what it means to people.
    #[serde(default)]
    pub purposes: BTreeMap<String, String>,
    #[serde(default)]
    pub unplanned_events: Unplanned,
    /// By the name of a track event, or of the call (`identify`, `page`, `screen`, `group`, `alias`).
    #[serde(default)]
    pub events: BTreeMap<String, EventSpec>,
}

/// What becomes of an event that the plan does not name.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unplanned {
    /// It is no violation.
    #[default]
    Allow,
    /// It is taken and counted as one.
    Keep,
    /// It is refused.
    Block,
}

/// What becomes of an event that violates its entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnViolation {
    /// It is taken, and the violation counted.
    #[default]
    Keep,
    /// It is refused by name and kept as a dead letter.
    Block,
}

/// What the plan says of one event.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventSpec {
    #[serde(default)]
    pub on_violation: OnViolation,
    /// Whether a field without a stated purpose is a violation.
    #[serde(default)]
    pub purpose_required: bool,
    /// JSON Schema (2020-12) of the properties; of the traits for identify and group calls.
    #[serde(default = "anything")]
    pub schema: Value,
}

fn anything() -> Value {
    json!({})
}

impl Document {
    /// A plan that says nothing: as if there were none.
    pub fn empty() -> Self {
        Document {
            plan: FORMAT,
            purposes: BTreeMap::new(),
            unplanned_events: Unplanned::Allow,
            events: BTreeMap::new(),
        }
    }

    /// Reads a plan from YAML, or from JSON, which is YAML too. `file` is named where it cannot be read.
    pub fn parse(text: &str, file: &str) -> Result<Self, Failure> {
        let unreadable = |detail: String| {
            Failure::new(Kind::Failed, "plan-unreadable").with("file", file).with("detail", detail)
        };
        let document: Document = serde_saphyr::from_str(text).map_err(|error| {
            unreadable(
                error
                    .without_snippet()
                    .render_with_formatter(&serde_saphyr::UserMessageFormatter)
                    .to_string(),
            )
        })?;
        if document.plan != FORMAT {
            return Err(Failure::new(Kind::Failed, "plan-format")
                .with("found", document.plan)
                .with("known", FORMAT));
        }
        Ok(document)
    }

    /// Its form in the log.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("texts and JSON values serialise")
    }

    /// Its form for people.
    pub fn to_yaml(&self) -> String {
        yaml::write(&json!(self), &BTreeMap::new())
    }

    /// Whether it asks nothing of anybody.
    pub fn is_empty(&self) -> bool {
        self.events.is_empty() && self.unplanned_events == Unplanned::Allow
    }
}

/// A plan that events are held against.
pub struct Plan {
    version: u32,
    unplanned: Unplanned,
    track: FxHashMap<Box<str>, Rules>,
    /// By the call; that of track stays empty, its events have names.
    calls: [Option<Rules>; EventKind::ALL.len()],
}

impl Plan {
    /// Makes the rules of a document; every schema is compiled, and each error names its place.
    pub fn compile(document: &Document, version: u32) -> Result<Self, Failure> {
        let mut plan = Plan {
            version,
            unplanned: document.unplanned_events,
            track: FxHashMap::default(),
            calls: Default::default(),
        };
        for (name, spec) in &document.events {
            if name.is_empty() {
                return Err(Failure::new(Kind::Failed, "plan-event-name"));
            }
            let rules = Rules::compile(name, spec, &document.purposes)?;
            match EventKind::from_name(name) {
                Some(EventKind::Track) => return Err(Failure::new(Kind::Failed, "plan-event-track")),
                Some(call) => plan.calls[call as usize] = Some(rules),
                None => drop(plan.track.insert(name.as_str().into(), rules)),
            }
        }
        Ok(plan)
    }

    /// The version under which it was published.
    pub fn version(&self) -> u32 {
        self.version
    }

    fn rules(&self, kind: EventKind, name: &str) -> Option<&Rules> {
        match kind {
            EventKind::Track => self.track.get(name),
            call => self.calls[call as usize].as_ref(),
        }
    }

    /// What an event does against the plan; `None` where nothing.
    pub fn judge(&self, event: &Event<'_>) -> Option<Judgement> {
        match self.rules(event.kind, &event.name) {
            Some(rules) => rules.judge_text(body_of(event)),
            None => self.judge_unplanned(),
        }
    }

    /// The same for an event whose properties or traits are parsed already.
    pub fn judge_value(&self, kind: EventKind, name: &str, body: &Value) -> Option<Judgement> {
        match self.rules(kind, name) {
            Some(rules) => rules.judge(body),
            None => self.judge_unplanned(),
        }
    }

    fn judge_unplanned(&self) -> Option<Judgement> {
        match self.unplanned {
            Unplanned::Allow => None,
            Unplanned::Keep => Some(Judgement::unplanned(false)),
            Unplanned::Block => Some(Judgement::unplanned(true)),
        }
    }
}

/// What of an event a schema is about.
fn body_of<'e>(event: &'e Event<'_>) -> Option<&'e str> {
    if has_traits(event.kind) { event.traits.as_deref() } else { event.properties.as_deref() }
}

/// Whether a call's schema is about its traits and not its properties.
fn has_traits(kind: EventKind) -> bool {
    matches!(kind, EventKind::Identify | EventKind::Group)
}

/// The name under which the plan and its violations speak of an event.
fn planned_name(kind: EventKind, name: &str) -> &str {
    if kind == EventKind::Track { name } else { kind.name() }
}

/// Whether a text may be shown as the name of a field. Some senders use values (an address, a number) as names, and
/// values are not shown.
fn is_field_name(name: &str) -> bool {
    let digits = name.chars().filter(char::is_ascii_digit).count();
    let sound = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '$' | ':' | ' ');
    name.len() <= 64
        && name.chars().all(sound)
        && name.chars().any(char::is_alphabetic)
        && digits * 2 <= name.len()
}

/// A member of a JSON pointer.
fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// The beginning of a text.
fn clip(text: &str, chars: usize) -> String {
    text.chars().take(chars).collect()
}

#[cfg(test)]
mod tests;
