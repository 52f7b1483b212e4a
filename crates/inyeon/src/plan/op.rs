//! What can be asked of a store about its plan.

use engine::Published;
use model::{Command, EntityId, Fact, Outcome, ViolationBody};
use runtime::Node;
use serde_json::{Value, json};
use views::ViolationFilter;

use super::{Document, Judgement, Plan, diff, judge};
use crate::error::{Failure, Kind};

/// The plan that holds now; none where none was applied, or one that says nothing.
pub fn current(node: &Node) -> Result<Option<Plan>, Failure> {
    let Some(published) = published(node)? else { return Ok(None) };
    let document = read(&published)?;
    if document.is_empty() {
        return Ok(None);
    }
    Plan::compile(&document, published.version).map(Some).map_err(|error| stored(published.version, error))
}

fn published(node: &Node) -> Result<Option<Published>, Failure> {
    Ok(node.ask(|fold| {
        fold.entity(EntityId::workspace())
            .map(|entity| entity.workspace().and_then(|workspace| workspace.plan.clone()))
    })??)
}

/// A plan that was sound when it was applied.
fn read(published: &Published) -> Result<Document, Failure> {
    serde_json::from_str(&published.text).map_err(|error| {
        let failure = Failure::new(Kind::Failed, "plan-unreadable");
        stored(published.version, failure.with("file", "plan").with("detail", error))
    })
}

/// The applied plan is not understood any more, perhaps since an older program runs. To go on without it would let in
/// what it was applied to keep out.
fn stored(version: u32, error: Failure) -> Failure {
    Failure::new(Kind::Failed, "plan-stored").with("version", version).with("detail", error)
}

/// Applies a plan, if it differs from the one before; says its version and what it changes.
pub(crate) fn apply(node: &Node, document: &Document) -> Result<Value, Failure> {
    // Nothing is published that could not be used.
    Plan::compile(document, 0)?;
    let before = published(node)?;
    let old = match &before {
        // What an older or newer program wrote is replaced as well.
        Some(published) => read(published).unwrap_or_else(|_| Document::empty()),
        None => Document::empty(),
    };
    let changes = diff::changes(&old, document);
    let text = document.to_json();
    if let Some(before) = before.filter(|before| before.text == text) {
        return Ok(json!({ "version": before.version, "applied": false, "changes": [] }));
    }
    let outcomes = node.command(EntityId::workspace(), Command::PublishPlan { plan: text })?;
    node.drain()?;
    let version = outcomes.iter().find_map(|outcome| match outcome {
        Outcome::Fact(Fact::PlanPublished { version, .. }) => Some(*version),
        _ => None,
    });
    Ok(json!({ "version": version, "applied": true, "changes": changes }))
}

/// The applied plan with its version.
pub(crate) fn show(node: &Node) -> Result<Value, Failure> {
    let none = || Failure::new(Kind::NotFound, "no-plan");
    let published = published(node)?.ok_or_else(none)?;
    let document = read(&published)?;
    if document.is_empty() {
        return Err(none());
    }
    Ok(json!({
        "version": published.version,
        "applied_at": published.at.to_string(),
        "plan": document,
        "unstated": unstated(&document),
    }))
}

/// Fields that need a purpose and are stated without one.
pub(super) fn unstated(document: &Document) -> Value {
    let fields = document.events.iter().flat_map(|(event, spec)| {
        judge::unstated(spec).into_iter().map(move |field| json!({ "event": event, "field": field }))
    });
    fields.collect()
}

/// What went against the plan, counted.
pub(crate) fn violations(
    node: &Node,
    source: Option<String>,
    event: Option<String>,
    limit: usize,
) -> Result<Value, Failure> {
    let filter = ViolationFilter { source, event, limit: Some(limit) };
    Ok(json!(node.reader()?.violations(&filter)?))
}

/// A violation as it passes by in the tail.
pub(crate) fn violation_json(position: u64, source: &str, body: ViolationBody<'static>) -> Value {
    let judgement = Judgement { blocked: body.blocked, violations: body.violations, more: body.more };
    let violations = judgement.violations.iter().map(|violation| {
        json!({ "pointer": violation.pointer, "rule": violation.rule, "expected": violation.expected })
    });
    json!({
        "type": "violation", "position": position, "event": body.event, "source": source, "sender": body.sender,
        "plan": body.plan, "blocked": body.blocked, "messageId": body.message_id,
        "violations": violations.collect::<Vec<_>>(), "more": body.more, "detail": judgement.detail(),
    })
}
