//! `POST /v1/webhooks/NAME`: what a connected system tells, by its map.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::{App, answers, intake, refusal};
use crate::webhook::Taken;

/// A wholesaler's order may have thousands of lines.
pub(super) const BODY_BYTES_MAX: usize = 4 << 20;

/// The request is durable: as events, or as a dead letter with the reason.
#[derive(Serialize, ToSchema)]
pub(super) struct WebhookTaken {
    /// Always true.
    success: bool,
    /// Events that it made.
    events: usize,
    /// Why it made none and was kept as a dead letter instead. Sending it again changes nothing; mending the map and
    /// replaying the dead letter does.
    #[serde(skip_serializing_if = "Option::is_none")]
    refused: Option<WebhookRefused>,
}

#[derive(Serialize, ToSchema)]
pub(super) struct WebhookRefused {
    /// Stable; for programs.
    #[schema(example = "no_rule")]
    code: &'static str,
    reason: String,
}

/// A connected system's webhook
///
/// The body is the system's own JSON, signed as its map says.
#[utoipa::path(
    post, path = "/v1/webhooks/{name}", tag = "intake", params(("name" = String, Path)),
    request_body = serde_json::Value,
    responses(
        (status = 200, body = WebhookTaken), (status = 400, body = answers::Refusal),
        (status = 401, body = answers::Refusal), (status = 404, body = answers::Refusal), (status = 413, body = answers::Refusal),
        (status = 429, body = answers::Refusal, headers(("Retry-After" = u32))),
        (status = 503, body = answers::Refusal, headers(("Retry-After" = u32))),
    ),
)]
pub(super) async fn signed(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    take(app, name, None, headers, body).await
}

/// A connected system's webhook, with the secret in the address
///
/// For systems that do not sign.
#[utoipa::path(
    post, path = "/v1/webhooks/{name}/{secret}", tag = "intake",
    params(("name" = String, Path), ("secret" = String, Path)), request_body = serde_json::Value,
    responses(
        (status = 200, body = WebhookTaken), (status = 400, body = answers::Refusal),
        (status = 401, body = answers::Refusal), (status = 404, body = answers::Refusal), (status = 413, body = answers::Refusal),
        (status = 429, body = answers::Refusal, headers(("Retry-After" = u32))),
        (status = 503, body = answers::Refusal, headers(("Retry-After" = u32))),
    ),
)]
pub(super) async fn unsigned(
    State(app): State<Arc<App>>,
    Path((name, secret)): Path<(String, String)>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    take(app, name, Some(secret), headers, body).await
}

async fn take(
    app: Arc<App>,
    name: String,
    secret: Option<String>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let hooks = app.hooks.load_full();
    let Some(hook) = hooks.get(&name) else {
        return refusal(&app, &headers, StatusCode::NOT_FOUND, "unknown_webhook", &[]);
    };
    let body = match intake::text_within(&app, &headers, body, BODY_BYTES_MAX) {
        Ok(body) => body,
        Err(refused) => return refused,
    };
    if hook.is_ping(body.as_str()) {
        return axum::Json(WebhookTaken { success: true, events: 0, refused: None }).into_response();
    }
    // What is signed is the body before it is read in any way.
    if !hook.trusts(secret.as_deref(), &|name| header(&headers, name), body.as_str().as_bytes()) {
        return refusal(&app, &headers, StatusCode::UNAUTHORIZED, "bad_signature", &[]);
    }
    let source: Arc<str> = hook.source().into();
    if let Err(error) = app.node.admit(&source, body.as_str().len()) {
        return intake::turned_away(&app, &headers, &error);
    }
    let read = {
        let (app, hooks, headers, body) = (app.clone(), hooks.clone(), headers.clone(), body.clone());
        move || {
            let (plan, received_at) = (app.plan.load(), app.node.clock.now());
            let header = |name: &str| header(&headers, name);
            hooks
                .get(&name)
                .map(|hook| hook.records(&app.node, plan.as_deref(), &header, body.as_str(), received_at))
        }
    };
    let taken = app.lanes.run(&source, body.as_str().len(), read).await;
    let Some(Ok(Taken { records, verdict })) = taken else {
        return intake::turned_away(&app, &headers, &runtime::IntakeError::Stopping);
    };
    if !records.is_empty()
        && let Err(error) = intake::store(&app, &source, records).await
    {
        return intake::turned_away(&app, &headers, &error);
    }
    app.seen.count(*verdict.as_ref().unwrap_or(&1) as u64, u64::from(verdict.is_err()));
    let answer = match verdict {
        Ok(events) => WebhookTaken { success: true, events, refused: None },
        Err((code, reason)) => {
            WebhookTaken { success: true, events: 0, refused: Some(WebhookRefused { code, reason }) }
        }
    };
    axum::Json(answer).into_response()
}

fn header(headers: &HeaderMap, name: &str) -> Option<String> {
    Some(headers.get(name)?.to_str().ok()?.to_owned())
}
