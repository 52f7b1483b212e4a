//! `POST /v1/promises/{inquire,quote,confirm,release}`: what can be promised, held, ordered and let go. The fold does
//! it on its own thread and answers when that is durable; nothing here waits on a thread.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use model::Time;
use model::quote::QuoteStage;
use runtime::promising::NotConfirmed;
use runtime::{Fold, FoldError, IntakeError};
use serde::Serialize;
use serde::de::DeserializeOwned;
use utoipa::ToSchema;

use super::intake::{Text, answer_one, seal_one, sender_of, store, text_of, turned_away};
use super::{App, control, refusal};
use crate::dialect::Origin;
use crate::dialect::segment::{self, Outer};
use crate::keys::{fresh_id, random_hex};
use crate::promising::ask::{BadField, Confirm, Release, Wanted};
use crate::promising::shape::{Answered, Constraint, Substitute};
use crate::promising::{self, QuoteAnswer, QuoteAsked};

/// Why nothing was promised.
#[derive(Default, Serialize, ToSchema)]
pub(super) struct NotPromised {
    /// Always false.
    success: bool,
    /// Stable; for programs: `bad_field`, `infeasible`, `unknown_quote`, `quote_ended`, `quote_id_taken`,
    /// `other_order`, `order_taken` or `quote_placed`.
    #[schema(example = "infeasible")]
    code: &'static str,
    /// For people, in the language of `Accept-Language` (en or ko).
    message: String,
    /// Which field of the request is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "lines[0].quantity")]
    field: Option<String>,
    /// Where the quote is.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "expired")]
    stage: Option<QuoteStage>,
    /// The order that the quote is.
    #[serde(skip_serializing_if = "Option::is_none")]
    order_id: Option<String>,
    /// What stands in the way: the first is what binds.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    binding: Vec<Constraint>,
    /// What may stand in for what cannot be had.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    substitutes: Vec<Substitute>,
}

/// Who asks, and what they sent.
struct Asker {
    source: Arc<str>,
    /// Holds the control token: sees what is ours alone.
    internal: bool,
    body: Text,
}

/// What can be promised
///
/// Holds nothing. What cannot be promised is answered with its reasons.
#[utoipa::path(
    post, path = "/v1/promises/inquire", tag = "promises", request_body = Wanted,
    security(("write_key" = []), ("control_token" = [])),
    responses(
        (status = 200, body = Answered), (status = 400, body = NotPromised),
        (status = 401, body = super::answers::Refusal), (status = 403, body = super::answers::Refusal),
    ),
)]
pub(super) async fn inquire(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let (asked, internal) = match asked(&app, &headers, body, |wanted: Wanted| wanted.inquire()) {
        Ok((asked, asker)) => (asked, asker.internal),
        Err(refused) => return refused,
    };
    let now = app.node.clock.now();
    let question = move |fold: &mut Fold| {
        let now = fold.before_backlog(now)?;
        promising::inquire(fold, &asked, now, internal)
    };
    let (answer, answered) = tokio::sync::oneshot::channel::<Result<Answered, FoldError>>();
    let sent = app.node.ask_of_all(move |fold| drop(answer.send(question(fold))));
    match (sent, answered.await) {
        (Ok(()), Ok(Ok(answered))) => axum::Json(answered.say(app.messages(&headers))).into_response(),
        _ => turned_away(&app, &headers, &IntakeError::Stopping),
    }
}

/// Hold what a promise needs
///
/// It is held until `expires_at`. Sent again with the same `quote_id` it is held once and answered alike.
#[utoipa::path(
    post, path = "/v1/promises/quote", tag = "promises", request_body = Wanted,
    security(("write_key" = []), ("control_token" = [])),
    responses(
        (status = 200, body = Answered), (status = 400, body = NotPromised),
        (status = 401, body = super::answers::Refusal), (status = 403, body = super::answers::Refusal),
        (status = 409, body = NotPromised),
    ),
)]
pub(super) async fn quote(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let check = |wanted: Wanted| {
        let (asked, who) = wanted.quote()?;
        let quote_id = wanted.quote_id.unwrap_or_else(|| format!("q-{}", random_hex(12)));
        Ok(Arc::new(QuoteAsked { asked, who, quote_id, hold_minutes: wanted.hold_minutes }))
    };
    let (asked, source) = match asked(&app, &headers, body, check) {
        Ok((asked, asker)) => (asked, asker.source),
        Err(refused) => return refused,
    };
    let hold =
        async |asked: Arc<QuoteAsked>| act(&app, move |fold, now| promising::quote(fold, &asked, now)).await;
    let mut answer = hold(asked.clone()).await;
    if matches!(answer, Some(QuoteAnswer::Nobody)) {
        // They become known as by any other event, so that their keys and their erasure are those of others.
        if let Err(refused) = identify(&app, &headers, &source, &asked.who.identify()).await {
            return refused;
        }
        answer = hold(asked.clone()).await;
    }
    let messages = app.messages(&headers);
    match answer {
        None => turned_away(&app, &headers, &IntakeError::Stopping),
        Some(QuoteAnswer::Known(answered)) => {
            let answered = answered.say(messages);
            match answered.stage {
                Some(stage) if stage.is_ended() => ended(&app, &headers, answered),
                _ => axum::Json(answered).into_response(),
            }
        }
        Some(QuoteAnswer::Infeasible(answered)) => {
            let answered = answered.say(messages);
            let not = NotPromised {
                binding: answered.binding,
                substitutes: answered.substitutes,
                ..NotPromised::default()
            };
            not_promised(&app, &headers, StatusCode::CONFLICT, "infeasible", &answered.message, not)
        }
        Some(QuoteAnswer::IdTaken) => plain(&app, &headers, StatusCode::CONFLICT, "quote_id_taken"),
        Some(QuoteAnswer::Nobody) => {
            let field = asked.who.field().to_owned();
            bad_field(&app, &headers, &BadField { field, why: "nobody", detail: String::new() })
        }
    }
}

/// Turn a quote into an order
///
/// The promise is made by it. Sent again with the same order it is answered alike.
#[utoipa::path(
    post, path = "/v1/promises/confirm", tag = "promises", request_body = Confirm,
    security(("write_key" = []), ("control_token" = [])),
    responses(
        (status = 200, body = Answered), (status = 400, body = NotPromised),
        (status = 401, body = super::answers::Refusal), (status = 403, body = super::answers::Refusal),
        (status = 404, body = NotPromised), (status = 409, body = NotPromised),
    ),
)]
pub(super) async fn confirm(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let (quote_id, order_id) = match asked(&app, &headers, body, |confirm: Confirm| confirm.check()) {
        Ok((ids, _)) => ids,
        Err(refused) => return refused,
    };
    let order = order_id.clone();
    let confirmed = act(&app, move |fold, now| promising::confirm(fold, &quote_id, &order_id, now)).await;
    let conflict = |code, order: String| {
        let text = app.messages(&headers).with(&key(code), &[("order", order.clone())]);
        let not = NotPromised { order_id: Some(order), ..NotPromised::default() };
        not_promised(&app, &headers, StatusCode::CONFLICT, code, &text, not)
    };
    match confirmed {
        None => turned_away(&app, &headers, &IntakeError::Stopping),
        Some(Ok(answered)) => axum::Json(answered.say(app.messages(&headers))).into_response(),
        Some(Err((NotConfirmed::Ended { .. }, Some(answered)))) => {
            ended(&app, &headers, answered.say(app.messages(&headers)))
        }
        Some(Err((NotConfirmed::OtherOrder(other), _))) => conflict("other_order", other),
        Some(Err((NotConfirmed::OrderTaken, _))) => conflict("order_taken", order),
        Some(Err((NotConfirmed::Unknown | NotConfirmed::Ended { .. }, _))) => {
            plain(&app, &headers, StatusCode::NOT_FOUND, "unknown_quote")
        }
    }
}

/// Let go of a quote
///
/// What it held is free at once. What ended before is answered as it is.
#[utoipa::path(
    post, path = "/v1/promises/release", tag = "promises", request_body = Release,
    security(("write_key" = []), ("control_token" = [])),
    responses(
        (status = 200, body = Answered), (status = 400, body = NotPromised),
        (status = 401, body = super::answers::Refusal), (status = 403, body = super::answers::Refusal),
        (status = 404, body = NotPromised), (status = 409, body = NotPromised),
    ),
)]
pub(super) async fn release(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let quote_id = match asked(&app, &headers, body, |release: Release| release.check()) {
        Ok((quote_id, _)) => quote_id,
        Err(refused) => return refused,
    };
    let released = act(&app, move |fold, now| fold.release(&quote_id, now)).await;
    match released {
        None => turned_away(&app, &headers, &IntakeError::Stopping),
        Some(None) => plain(&app, &headers, StatusCode::NOT_FOUND, "unknown_quote"),
        Some(Some(record)) => {
            let answered = Answered::of_quote(&record).say(app.messages(&headers));
            if record.stage.is_ended() {
                return axum::Json(answered).into_response();
            }
            let order = record.order_id.unwrap_or_default();
            let text = app.messages(&headers).with("http-quote-placed", &[("order", order.clone())]);
            let not =
                NotPromised { stage: Some(record.stage), order_id: Some(order), ..NotPromised::default() };
            not_promised(&app, &headers, StatusCode::CONFLICT, "quote_placed", &text, not)
        }
    }
}

/// Lets something happen in the fold, after everything that was acknowledged before; `None` where the store closes.
async fn act<T: Send + 'static>(
    app: &App,
    act: impl FnOnce(&mut Fold, Time) -> Result<T, FoldError> + Send + 'static,
) -> Option<T> {
    let (answer, answered) = tokio::sync::oneshot::channel();
    app.node.act_on_all(act, move |done| drop(answer.send(done))).ok()?;
    answered.await.ok()
}

/// What is asked, where it is sound, and who asks.
#[allow(clippy::result_large_err, reason = "the error is the answer itself, made once")]
fn asked<T: DeserializeOwned, R>(
    app: &App,
    headers: &HeaderMap,
    body: Result<Bytes, BytesRejection>,
    check: impl FnOnce(T) -> Result<R, BadField>,
) -> Result<(R, Asker), Response> {
    let asker = enter(app, headers, body)?;
    let asked = read(asker.body.as_str()).and_then(check);
    Ok((asked.map_err(|wrong| bad_field(app, headers, &wrong))?, asker))
}

/// Whoever may ask, with their body: the control token, or a write key that may promise.
#[allow(clippy::result_large_err, reason = "the error is the answer itself, made once")]
fn enter(app: &App, headers: &HeaderMap, body: Result<Bytes, BytesRejection>) -> Result<Asker, Response> {
    let body = text_of(app, headers, body)?;
    if control::has_token(app, headers) {
        return Ok(Asker { source: Arc::from("promise"), internal: true, body });
    }
    match sender_of(app, headers, || None) {
        Some(sender) if sender.allowed.promises => Ok(Asker { source: sender.source, internal: false, body }),
        Some(_) => Err(refusal(app, headers, StatusCode::FORBIDDEN, "may_not_promise", &[])),
        None => Err(refusal(app, headers, StatusCode::UNAUTHORIZED, "unknown_write_key", &[])),
    }
}

fn read<T: DeserializeOwned>(body: &str) -> Result<T, BadField> {
    let mut json = serde_json::Deserializer::from_str(body);
    let wrong = |field: String, detail: String| BadField { field, why: "unreadable", detail };
    let read = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let path = error.path().to_string();
        let detail = error.into_inner().to_string();
        // The path leads to the object that lacks a member.
        let missing = detail.strip_prefix("missing field `").and_then(|rest| rest.split('`').next());
        let field = match (&*path, missing) {
            ("." | "?", None) => "body".to_owned(),
            (".", Some(missing)) => missing.to_owned(),
            (_, Some(missing)) => format!("{path}.{missing}"),
            (_, None) => path,
        };
        wrong(field, detail)
    })?;
    json.end().map_err(|error| wrong("body".to_owned(), error.to_string()))?;
    Ok(read)
}

/// Lets whoever is not known yet become known by an event of the asking source.
async fn identify(app: &App, headers: &HeaderMap, source: &str, event: &str) -> Result<(), Response> {
    let received_at = app.node.clock.now();
    let origin = Origin { source, place: "/v1/identify", received_at, only_customers: false };
    let sealed = {
        let kind = Some(model::EventKind::Identify);
        let parsed = segment::parse(event, kind, Outer::default(), received_at, fresh_id);
        seal_one(app, origin, &parsed)
    };
    match sealed {
        Ok((records, Ok(_))) => {
            store(app, source, records).await.map_err(|error| turned_away(app, headers, &error))
        }
        // What the tracking plan blocks is kept and answered as an event of a sender is.
        refused => Err(answer_one(app, headers, source, refused).await),
    }
}

fn key(code: &str) -> String {
    format!("http-{}", code.replace('_', "-"))
}

fn not_promised(
    app: &App,
    headers: &HeaderMap,
    status: StatusCode,
    code: &'static str,
    detail: &str,
    not: NotPromised,
) -> Response {
    let message = app.messages(headers).with(
        &key(code),
        &[("detail", detail.to_owned()), ("order", not.order_id.clone().unwrap_or_default())],
    );
    (status, axum::Json(NotPromised { code, message, ..not })).into_response()
}

fn plain(app: &App, headers: &HeaderMap, status: StatusCode, code: &'static str) -> Response {
    not_promised(app, headers, status, code, "", NotPromised::default())
}

/// A quote that is held no more.
fn ended(app: &App, headers: &HeaderMap, answered: Answered) -> Response {
    let not = NotPromised { stage: answered.stage, order_id: answered.order_id, ..NotPromised::default() };
    not_promised(app, headers, StatusCode::CONFLICT, "quote_ended", &answered.message, not)
}

fn bad_field(app: &App, headers: &HeaderMap, wrong: &BadField) -> Response {
    let text = wrong.text(app.messages(headers));
    let not = NotPromised { field: Some(wrong.field.clone()), ..NotPromised::default() };
    not_promised(app, headers, StatusCode::BAD_REQUEST, "bad_field", &text, not)
}
