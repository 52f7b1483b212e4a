//! Where events pass the plan: every way in (HTTP, CloudEvents, webhooks, imports, dead letters sent in again) seals
//! its events here.

use model::{Dedupe, Event, KeyId, Time, TimelineId, ViolationBody};
use runtime::{Node, NodeError};
use serde_json::Value;

use super::{Judgement, Plan, clip, planned_name};

/// Characters of a name that somebody else chose.
const NAME_CHARS: usize = 128;
/// Characters of a sender's version.
const SENDER_CHARS: usize = 64;

/// By what an event is recognised when it comes again.
#[derive(Clone, Copy)]
pub enum Named<'a> {
    /// Its sender named the message.
    Client(&'a str),
    /// The natural key of what happened.
    Permanent(&'a str),
    /// Nothing.
    No,
}

/// Where an event comes in.
#[derive(Clone, Copy)]
pub struct Door<'a> {
    pub source: &'a str,
    pub timeline: TimelineId,
    pub received_at: Time,
    pub named: Named<'a>,
}

impl Door<'_> {
    /// The name of something about the event, which is recognised as the event is.
    fn dedupe(&self, node: &Node, scope: &str) -> Dedupe {
        let hash = |key| node.keys.hash_message(&format!("{scope}{}", self.source), key);
        match self.named {
            Named::Client(key) => Dedupe::Client(hash(key)),
            Named::Permanent(key) => Dedupe::Permanent(hash(key)),
            Named::No => Dedupe::None,
        }
    }
}

/// What the plan lets of an event; the records are to be submitted together.
pub enum Admitted {
    /// The event, and what it violates.
    Taken { event: Vec<u8>, violation: Option<Vec<u8>> },
    /// What it violates alone, and that for people; and the key that a dead letter of it is sealed with.
    Blocked { violation: Vec<u8>, detail: String, key: KeyId },
}

/// Seals an event that may pass, and a record of what it does against the plan.
pub fn admit(
    node: &Node,
    plan: Option<&Plan>,
    door: Door<'_>,
    event: &Event<'_>,
) -> Result<Admitted, NodeError> {
    let judged = plan.and_then(|plan| Some((plan.version(), plan.judge(event)?)));
    let seal_event = || {
        let Door { source, timeline, received_at, .. } = door;
        node.seal_event(source, timeline, received_at, door.dedupe(node, ""), event)
    };
    let Some((version, judgement)) = judged else {
        return Ok(Admitted::Taken { event: seal_event()?, violation: None });
    };
    let violation = seal(node, version, door, event, &judgement)?;
    if judgement.blocked {
        let key = node.key_of(event, door.received_at);
        return Ok(Admitted::Blocked { violation, detail: judgement.detail(), key });
    }
    Ok(Admitted::Taken { event: seal_event()?, violation: Some(violation) })
}

fn seal(
    node: &Node,
    plan: u32,
    door: Door<'_>,
    event: &Event<'_>,
    judgement: &Judgement,
) -> Result<Vec<u8>, NodeError> {
    let body = ViolationBody {
        event: clip(planned_name(event.kind, &event.name), NAME_CHARS).into(),
        sender: sender_version(event.context.as_deref()).into(),
        plan,
        blocked: judgement.blocked,
        message_id: event.message_id.as_ref().into(),
        violations: judgement.violations.clone(),
        more: judgement.more,
    };
    // The same event, blocked by one plan and taken under the next, was both.
    // No write key is named with a colon, so no source has these scopes.
    let scope = if judgement.blocked { "blocked:" } else { "violation:" };
    node.seal_violation(door.source, door.received_at, event, door.dedupe(node, scope), &body)
}

/// The version that a sender says it is of: its application's, else that of the library it sends with.
fn sender_version(context: Option<&str>) -> String {
    let Some(context) = context.and_then(|text| serde_json::from_str::<Value>(text).ok()) else {
        return String::new();
    };
    sender_of(&context)
}

/// [`sender_version`] of a context that is parsed already.
pub(super) fn sender_of(context: &Value) -> String {
    let text = |value: &Value| value.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    let library = &context["library"];
    let version = text(&context["app"]["version"]).or_else(|| {
        let name = text(&library["name"])?;
        Some(text(&library["version"]).map_or_else(|| name.clone(), |version| format!("{name}@{version}")))
    });
    clip(&version.unwrap_or_default(), SENDER_CHARS)
}
