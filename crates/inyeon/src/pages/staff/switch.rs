//! The kill switch: with it off, nothing is sent and nothing ordered, whatever was begun.

use axum::extract::Form;
use axum::response::Response;
use maud::{Markup, html};
use model::{Command, EntityId, Time};

use super::{Filled, Right, Visit, not_done};
use crate::http::App;
use crate::pages::see;

/// How the switch stands.
pub(super) struct Switch {
    on: bool,
    /// When it was moved last, and for what.
    moved: Option<(Time, String)>,
}

pub(super) async fn state(app: &App) -> Option<Switch> {
    let on = super::look_now(&app.node, |fold| {
        let workspace = fold.entity(EntityId::workspace())?.workspace();
        Ok(workspace.is_none_or(|known| known.effects_on))
    });
    let on = on.await?;
    let reader = app.node.clone();
    let moved = tokio::task::spawn_blocking(move || reader.reader().ok()?.effects_switch().ok().flatten());
    let moved = moved.await.ok().flatten().map(|moved| (moved.at, moved.reason));
    Some(Switch { on, moved })
}

/// Stops in two clicks: one that opens this, one that does it.
pub(super) fn button(visit: &Visit, switch: &Switch) -> Markup {
    let messages = visit.messages();
    if !switch.on || !visit.person.may(Right::StopAll) {
        return html! {};
    }
    html! {
        details.stop {
            summary { (messages.get("ops-stop")) }
            div.card {
                p { (messages.get("ops-stop-text")) }
                (visit.button("/ops/stop", &[], "danger", &messages.get("ops-stop-now")))
            }
        }
    }
}

pub(super) fn banner(visit: &Visit, switch: &Switch) -> Markup {
    let messages = visit.messages();
    if switch.on {
        return html! {};
    }
    let moved = switch.moved.as_ref();
    let reason = moved.map(|(_, reason)| reason.strip_prefix("staff:").unwrap_or(reason).to_owned());
    html! {
        section.card.stopped role="status" {
            h2 { (messages.get("ops-stopped")) }
            p { (messages.get("ops-stopped-text")) }
            @if let (Some((at, _)), Some(reason)) = (moved, reason) {
                p.faint { (at.to_string()) " · " (reason) }
            }
            @if visit.person.may(Right::StartAll) {
                details {
                    summary { (messages.get("ops-start")) }
                    p { (messages.get("ops-start-text")) }
                    (visit.button("/ops/start", &[], "primary", &messages.get("ops-start-now")))
                }
            } @else {
                p { (messages.get("ops-start-who")) }
            }
        }
    }
}

pub(super) async fn stop(visit: Visit, Form(filled): Form<Filled>) -> Response {
    match visit.must_by_form(Right::StopAll, &filled) {
        Ok(()) => switch(&visit, false).await,
        Err(refused) => refused,
    }
}

pub(super) async fn start(visit: Visit, Form(filled): Form<Filled>) -> Response {
    match visit.must_by_form(Right::StartAll, &filled) {
        Ok(()) => switch(&visit, true).await,
        Err(refused) => refused,
    }
}

/// Answers when it is durable. It does not wait for what waits to be counted: stopping comes first.
async fn switch(visit: &Visit, on: bool) -> Response {
    let command = Command::SwitchEffects { on, reason: format!("staff:{}", visit.person.name) };
    let (told, done) = tokio::sync::oneshot::channel();
    let work = move |fold: &mut runtime::Fold, now| fold.command(EntityId::workspace(), &command, now);
    let sent = visit.app.node.act(work, move |_| drop(told.send(())));
    if sent.is_err() || done.await.is_err() {
        return not_done(visit, "/ops", "later");
    }
    see(&visit.path(if on { "/ops?done=started" } else { "/ops?done=stopped" }))
}
