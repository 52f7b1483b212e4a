//! `POST /v1/{track,identify,page,screen,group,alias,batch}`: answered when it is durable, event by event.

use std::io::Read;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use model::{Allowed, EventKind, Time};
use runtime::{IntakeError, NodeError};

use super::answers::{BatchTaken, EventRefused, Refusal, SentBatch, SentEvent, Taken};
use super::{App, Sender, refusal};
use crate::dialect::segment::{self, BATCH_EVENTS_MAX, BODY_BYTES_MAX, Batch, Outer};
use crate::dialect::{self, Origin, Parsed, Refused};
use crate::keys::fresh_id;

/// One event
///
/// Answered when it is durable. An event that cannot be taken is refused by name and kept as a dead letter.
#[utoipa::path(
    post, path = "/v1/{call}", request_body = SentEvent,
    security(("write_key" = [])),
    responses(
        (status = 200, body = Taken), (status = 400, body = Refusal), (status = 401, body = Refusal),
        (status = 413, body = Refusal), (status = 429, body = Refusal, headers(("Retry-After" = u32))),
        (status = 503, body = Refusal, headers(("Retry-After" = u32))),
    ),
)]
pub(super) async fn single(
    State(app): State<Arc<App>>,
    kind: EventKind,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let body = match text_of(&app, &headers, body) {
        Ok(body) => body,
        Err(refused) => return refused,
    };
    let Some(sender) = sender_of(&app, &headers, || segment::write_key_in(body.as_str())) else {
        return refusal(&app, &headers, StatusCode::UNAUTHORIZED, "unknown_write_key", &[]);
    };
    let source = sender.source.clone();
    if let Err(error) = app.node.admit(&source, body.as_str().len()) {
        return turned_away(&app, &headers, &error);
    }
    let received_at = app.node.clock.now();
    let place = format!("/v1/{}", kind.name());
    let origin = sender.origin(&place, received_at);
    let parsed = segment::parse(body.as_str(), Some(kind), Outer::default(), received_at, fresh_id);
    let sealed = seal_one(&app, origin, &parsed);
    drop(parsed);
    answer_one(&app, &headers, &source, sealed).await
}

/// Sealed records, and whether the event was taken (its message id) or refused (code and detail).
pub(super) type SealedOne = Result<(Vec<Vec<u8>>, Result<String, (&'static str, String)>), NodeError>;

pub(super) fn seal_one(app: &App, origin: Origin<'_>, parsed: &Parsed<'_>) -> SealedOne {
    let mut records = Vec::with_capacity(1);
    let verdict = dialect::seal(&app.node, app.plan.load().as_deref(), origin, parsed, &mut records)?;
    let verdict = verdict.map(|()| message_id(parsed).unwrap_or_default());
    Ok((records, verdict.map_err(|(code, detail)| (code.name(), detail))))
}

/// The id of a message, where it has one.
fn message_id(parsed: &Parsed<'_>) -> Option<String> {
    match parsed {
        Parsed::Event { event, .. } => Some(event.message_id.to_string()),
        Parsed::Refused(refused) => refused.message_id.clone(),
    }
}

/// Makes one event durable and says what became of it.
pub(super) async fn answer_one(app: &App, headers: &HeaderMap, source: &str, sealed: SealedOne) -> Response {
    let Ok((records, verdict)) = sealed else { return turned_away(app, headers, &IntakeError::Stopping) };
    if let Err(error) = store(app, source, records).await {
        return turned_away(app, headers, &error);
    }
    app.seen.count(1, u64::from(verdict.is_err()));
    match verdict {
        Ok(message_id) => axum::Json(Taken { success: true, message_id }).into_response(),
        Err((code, detail)) => {
            let message = refused_text(app, headers, code, &detail);
            let body = Refusal { success: false, code, message };
            (StatusCode::BAD_REQUEST, axum::Json(body)).into_response()
        }
    }
}

/// Many events
///
/// Answered when all are durable, with a result for each that was refused; its neighbours are taken.
#[utoipa::path(
    post, path = "/v1/{call}", request_body = SentBatch,
    security(("write_key" = [])),
    responses(
        (status = 200, body = BatchTaken), (status = 400, body = Refusal), (status = 401, body = Refusal),
        (status = 413, body = Refusal), (status = 429, body = Refusal, headers(("Retry-After" = u32))),
        (status = 503, body = Refusal, headers(("Retry-After" = u32))),
    ),
)]
pub(super) async fn batch(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let body = match text_of(&app, &headers, body) {
        Ok(body) => body,
        Err(refused) => return refused,
    };
    let Some(sender) = sender_of(&app, &headers, || segment::write_key_in(body.as_str())) else {
        return refusal(&app, &headers, StatusCode::UNAUTHORIZED, "unknown_write_key", &[]);
    };
    // Before it is read, and before it waits for its turn to be.
    let source = sender.source.clone();
    if let Err(error) = app.node.admit(&source, body.as_str().len()) {
        return turned_away(&app, &headers, &error);
    }
    let received_at = app.node.clock.now();
    let origin = sender.origin(BATCH_PLACE, received_at);
    let read = {
        let (app, headers, sender, body) = (app.clone(), headers.clone(), sender.clone(), body.clone());
        move || read_batch(&app, &headers, &sender, body.as_str(), received_at)
    };
    match app.lanes.run(&source, body.as_str().len(), read).await {
        Ok(sealed) => answer_many(&app, &headers, &source, sealed).await,
        Err(Unread::Answered(answer)) => *answer,
        Err(Unread::Malformed(error)) => malformed(&app, &headers, origin, body.as_str(), &error).await,
    }
}

const BATCH_PLACE: &str = "/v1/batch";

/// Why a batch was not read.
pub(super) enum Unread {
    Malformed(serde_json::Error),
    Answered(Box<Response>),
}

impl From<serde_json::Error> for Unread {
    fn from(error: serde_json::Error) -> Self {
        Unread::Malformed(error)
    }
}

impl From<Response> for Unread {
    fn from(answer: Response) -> Self {
        Unread::Answered(Box::new(answer))
    }
}

/// Reads and seals a batch, without waiting for anything.
fn read_batch(
    app: &App,
    headers: &HeaderMap,
    sender: &Sender,
    body: &str,
    received_at: Time,
) -> Result<SealedMany, Unread> {
    let parsed: Batch<'_> = serde_json::from_str(body)?;
    check_count(app, headers, parsed.batch.len())?;
    let origin = sender.origin(BATCH_PLACE, received_at);
    let many =
        parsed.batch.iter().map(|raw| segment::parse(raw.get(), None, parsed.outer(), received_at, fresh_id));
    Ok(seal_many(app, headers, origin, many))
}

/// Refuses a batch of more events than one may have.
#[allow(clippy::result_large_err, reason = "the error is the answer itself, made once")]
pub(super) fn check_count(app: &App, headers: &HeaderMap, count: usize) -> Result<(), Response> {
    if count <= BATCH_EVENTS_MAX {
        return Ok(());
    }
    let values = [("count", count.to_string()), ("limit", BATCH_EVENTS_MAX.to_string())];
    Err(refusal(app, headers, StatusCode::BAD_REQUEST, "batch_too_long", &values))
}

/// A batch that is sealed.
pub(super) struct SealedBatch {
    /// How many events it had.
    events: usize,
    records: Vec<Vec<u8>>,
    /// What was refused of it.
    errors: Vec<EventRefused>,
}

pub(super) type SealedMany = Result<SealedBatch, NodeError>;

pub(super) fn seal_many<'a>(
    app: &App,
    headers: &HeaderMap,
    origin: Origin<'_>,
    events: impl Iterator<Item = Parsed<'a>>,
) -> SealedMany {
    // One plan for the whole batch.
    let plan = app.plan.load();
    let records = Vec::with_capacity(events.size_hint().0);
    let mut batch = SealedBatch { events: 0, records, errors: Vec::new() };
    for (index, event) in events.enumerate() {
        batch.events += 1;
        let verdict = dialect::seal(&app.node, plan.as_deref(), origin, &event, &mut batch.records)?;
        if let Err((code, detail)) = verdict {
            let message = refused_text(app, headers, code.name(), &detail);
            let message_id = message_id(&event);
            batch.errors.push(EventRefused { index, message_id, code: code.name(), message });
        }
    }
    Ok(batch)
}

/// Makes a batch durable and says what was refused of it.
pub(super) async fn answer_many(
    app: &App,
    headers: &HeaderMap,
    source: &str,
    sealed: SealedMany,
) -> Response {
    let Ok(SealedBatch { events, records, errors }) = sealed else {
        return turned_away(app, headers, &IntakeError::Stopping);
    };
    let rejected = errors.len();
    if let Err(error) = store(app, source, records).await {
        return turned_away(app, headers, &error);
    }
    app.seen.count(events as u64, rejected as u64);
    axum::Json(BatchTaken { success: true, accepted: events - rejected, rejected, errors }).into_response()
}

fn refused_text(app: &App, headers: &HeaderMap, code: &str, detail: &str) -> String {
    let key = format!("refused-{}", code.replace('_', "-"));
    app.messages(headers).with(&key, &[("detail", detail.to_owned())])
}

/// A body that is no batch: kept whole under the source's name, so that it can be looked at and sent again.
pub(super) async fn malformed(
    app: &App,
    headers: &HeaderMap,
    origin: Origin<'_>,
    body: &str,
    error: &serde_json::Error,
) -> Response {
    let code = dialect::Code::MalformedJson;
    let refused = Parsed::Refused(Refused {
        code,
        detail: error.to_string(),
        subject: None,
        message_id: None,
        raw: body,
    });
    let sealed = seal_one(app, origin, &refused);
    answer_one(app, headers, origin.source, sealed).await
}

pub(super) async fn store(app: &App, source: &str, records: Vec<Vec<u8>>) -> Result<(), IntakeError> {
    let (answer, answered) = tokio::sync::oneshot::channel();
    app.node.submit(source, records, move |result| drop(answer.send(result)));
    answered.await.unwrap_or(Err(IntakeError::Stopping))
}

/// The answer to a request of which nothing was kept and which may be sent again: 429 where its source sends more
/// than its share, 503 where the store itself cannot take.
pub(super) fn turned_away(app: &App, headers: &HeaderMap, error: &IntakeError) -> Response {
    let (status, code) = match error {
        IntakeError::Crowded => (StatusCode::TOO_MANY_REQUESTS, "too_many_requests"),
        IntakeError::Overloaded => (StatusCode::SERVICE_UNAVAILABLE, "overloaded"),
        IntakeError::Disk(_) => (StatusCode::SERVICE_UNAVAILABLE, "disk"),
        IntakeError::Stopping => (StatusCode::SERVICE_UNAVAILABLE, "stopping"),
    };
    app.seen.turn_away();
    let mut response = refusal(app, headers, status, code, &[]);
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    response
}

/// The body as text, unpacked where it is packed.
#[allow(clippy::result_large_err, reason = "the error is the answer itself, made once")]
pub(super) fn text_of(
    app: &App,
    headers: &HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Text, Response> {
    text_within(app, headers, body, BODY_BYTES_MAX)
}

/// [`text_of`] with a limit of its own.
#[allow(clippy::result_large_err, reason = "the error is the answer itself, made once")]
pub(super) fn text_within(
    app: &App,
    headers: &HeaderMap,
    body: Result<Bytes, BytesRejection>,
    limit: usize,
) -> Result<Text, Response> {
    let too_large = || {
        let values = [("limit", limit.to_string())];
        refusal(app, headers, StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", &values)
    };
    let body = match body {
        Ok(body) => body,
        Err(error) if error.status() == StatusCode::PAYLOAD_TOO_LARGE => return Err(too_large()),
        Err(_) => return Err(refusal(app, headers, StatusCode::BAD_REQUEST, "body_unreadable", &[])),
    };
    let packed =
        headers.get(header::CONTENT_ENCODING).is_some_and(|e| e.as_bytes().eq_ignore_ascii_case(b"gzip"));
    let body = if packed {
        let mut unpacked = Vec::new();
        let mut reader = flate2::read::GzDecoder::new(&body[..]).take(limit as u64 + 1);
        if reader.read_to_end(&mut unpacked).is_err() {
            return Err(refusal(app, headers, StatusCode::BAD_REQUEST, "body_unreadable", &[]));
        }
        if unpacked.len() > limit {
            return Err(too_large());
        }
        Bytes::from(unpacked)
    } else {
        body
    };
    match std::str::from_utf8(&body) {
        Ok(_) => Ok(Text(body)),
        Err(_) => Err(refusal(app, headers, StatusCode::BAD_REQUEST, "body_not_utf8", &[])),
    }
}

/// Bytes that are known to be UTF-8.
#[derive(Clone)]
pub(super) struct Text(Bytes);

impl Text {
    pub(super) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("checked when it was made")
    }
}

/// Whose write key came with the request, and what it is good for: as the user name of Basic authentication (the colon
/// may be missing), as a Bearer token, or in the body. A Basic key is what counts where there is one; a Bearer token may
/// be something else.
pub(super) fn sender_of(
    app: &App,
    headers: &HeaderMap,
    in_body: impl FnOnce() -> Option<String>,
) -> Option<Sender> {
    let authorization = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let (scheme, value) = authorization.and_then(|value| value.split_once(' ')).unwrap_or_default();
    if scheme.eq_ignore_ascii_case("basic") {
        let decoded = base64::engine::general_purpose::STANDARD.decode(value.trim()).ok();
        let decoded = decoded.and_then(|decoded| String::from_utf8(decoded).ok());
        let key = decoded.map(|decoded| decoded.split(':').next().unwrap_or_default().to_owned());
        if let Some(key) = key.filter(|key| !key.is_empty()) {
            return sender_with(app, &key);
        }
    }
    let bearer = scheme.eq_ignore_ascii_case("bearer").then(|| sender_with(app, value.trim())).flatten();
    bearer.or_else(|| sender_with(app, &in_body()?))
}

/// The source that a write key belongs to.
pub(super) fn source_with(app: &App, key: &str) -> Option<Arc<str>> {
    Some(sender_with(app, key)?.source)
}

fn sender_with(app: &App, key: &str) -> Option<Sender> {
    let hash = crate::keys::hash_write_key(key);
    if let Some(sender) = app.write_keys.load().get(&hash) {
        return Some(sender.clone());
    }
    (app.trial_key == Some(hash)).then(|| Sender { source: Arc::from("trial"), allowed: Allowed::default() })
}
