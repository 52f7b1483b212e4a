//! `POST /v1/cloudevents`: CloudEvents 1.0 in binary, structured and batched mode.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use model::Time;
use serde_json::value::RawValue;

use super::intake::{SealedMany, Unread};
use super::{App, Sender, answers, intake, refusal};
use crate::dialect::cloudevents;

const ATTRIBUTE: &str = "ce-";

/// CloudEvents 1.0
///
/// Binary mode (`ce-` headers), structured mode (`application/cloudevents+json`) or a batch
/// (`application/cloudevents-batch+json`).
#[utoipa::path(
    post, path = "/v1/cloudevents", tag = "intake",
    request_body(content = serde_json::Value, content_type = "application/cloudevents+json"),
    security(("write_key" = [])),
    responses(
        (status = 200, body = answers::Taken), (status = 400, body = answers::Refusal),
        (status = 401, body = answers::Refusal), (status = 413, body = answers::Refusal),
        (status = 429, body = answers::Refusal, headers(("Retry-After" = u32))),
        (status = 503, body = answers::Refusal, headers(("Retry-After" = u32))),
    ),
)]
pub(super) async fn take(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let body = match intake::text_of(&app, &headers, body) {
        Ok(body) => body,
        Err(refused) => return refused,
    };
    let Some(sender) = intake::sender_of(&app, &headers, || None) else {
        return refusal(&app, &headers, StatusCode::UNAUTHORIZED, "unknown_write_key", &[]);
    };
    let source = sender.source.clone();
    if let Err(error) = app.node.admit(&source, body.as_str().len()) {
        return intake::turned_away(&app, &headers, &error);
    }
    let received_at = app.node.clock.now();
    let origin = sender.origin(cloudevents::PATH, received_at);
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let media = content_type.unwrap_or_default().split(';').next().unwrap_or_default().trim();
    if media.eq_ignore_ascii_case("application/cloudevents-batch+json") {
        let read = {
            let (app, headers, body, sender) = (app.clone(), headers.clone(), body.clone(), sender.clone());
            move || read_batch(&app, &headers, &sender, body.as_str(), received_at)
        };
        return match app.lanes.run(&source, body.as_str().len(), read).await {
            Ok(sealed) => intake::answer_many(&app, &headers, &source, sealed).await,
            Err(Unread::Answered(answer)) => *answer,
            Err(Unread::Malformed(error)) => {
                intake::malformed(&app, &headers, origin, body.as_str(), &error).await
            }
        };
    }
    let is_structured = media.eq_ignore_ascii_case("application/cloudevents+json");
    if !is_structured && !headers.contains_key("ce-specversion") {
        return refusal(&app, &headers, StatusCode::BAD_REQUEST, "not_a_cloudevent", &[]);
    }
    let sealed = if is_structured {
        intake::seal_one(&app, origin, &cloudevents::parse(body.as_str(), received_at))
    } else {
        let attributes = headers.iter().filter_map(|(name, value)| {
            // Values are percent-encoded UTF-8 (HTTP protocol binding, 3.1.3.2).
            let value = percent_encoding::percent_decode(value.as_bytes()).decode_utf8_lossy().into_owned();
            Some((name.as_str().strip_prefix(ATTRIBUTE)?, value))
        });
        let raw = cloudevents::structured(attributes, content_type, body.as_str());
        intake::seal_one(&app, origin, &cloudevents::parse(&raw, received_at))
    };
    intake::answer_one(&app, &headers, &source, sealed).await
}

/// Reads and seals a batch, without waiting for anything.
fn read_batch(
    app: &App,
    headers: &HeaderMap,
    sender: &Sender,
    body: &str,
    received_at: Time,
) -> Result<SealedMany, Unread> {
    let events: Vec<&RawValue> = serde_json::from_str(body)?;
    intake::check_count(app, headers, events.len())?;
    let origin = sender.origin(cloudevents::PATH, received_at);
    let many = events.iter().map(|raw| cloudevents::parse(raw.get(), received_at));
    Ok(intake::seal_many(app, headers, origin, many))
}
