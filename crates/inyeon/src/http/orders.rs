//! Orders: placed in one action, undone, changed, called off, given back.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use model::Time;
use runtime::{Fold, FoldError};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use utoipa::ToSchema;

use super::intake::sender_of;
use super::{App, answers, control, refusal};
use crate::error::Kind;
use crate::i18n::Messages;
use crate::ordering::{
    self, CancelOrder, ChangeOrder, Defaults, Done, NewOrder, NewReturn, OrderingOp, Refused,
};

/// Nothing was done, for this reason.
#[derive(Serialize, ToSchema)]
pub(super) struct OrderRefused {
    /// Always false.
    success: bool,
    /// Stable; for programs.
    #[schema(example = "handed_over")]
    code: String,
    /// For people, in the language of `Accept-Language` (en or ko).
    message: String,
    /// What can still be done with the order: `cancel`, `change`, `return`.
    instead: Vec<&'static str>,
    /// What stands in the way of a promise; the first is what binds.
    binding: Vec<Value>,
}

/// The sender must be one who may order for customers: the token of the store's directory, or a key made for it.
#[expect(clippy::result_large_err, reason = "the error is the answer")]
pub(super) fn may_order(app: &App, headers: &HeaderMap) -> Result<(), Response> {
    if control::has_token(app, headers) {
        return Ok(());
    }
    match sender_of(app, headers, || None) {
        Some(sender) if sender.allowed.orders => Ok(()),
        Some(_) => Err(refusal(app, headers, StatusCode::FORBIDDEN, "may_not_order", &[])),
        None => Err(refusal(app, headers, StatusCode::UNAUTHORIZED, "unknown_write_key", &[])),
    }
}

/// Store what a customer orders with
///
/// From then on one action is enough. The payment token is opaque, sealed like other personal data, and told to the
/// payment system alone; it is shown by its last four characters.
#[utoipa::path(
    post, path = "/v1/customers/{user_id}/order-defaults", tag = "orders", params(("user_id" = String, Path)),
    request_body = Defaults, security(("write_key" = []), ("control_token" = [])),
    responses(
        (status = 200, body = Value), (status = 400, body = OrderRefused),
        (status = 401, body = answers::Refusal), (status = 403, body = answers::Refusal), (status = 404, body = OrderRefused),
    ),
)]
pub(super) async fn defaults(
    State(app): State<Arc<App>>,
    Path(user_id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    match read(&app, &headers, &body) {
        Ok(defaults) => answer(app, headers, OrderingOp::SetDefaults { user_id, defaults }).await,
        Err(refused) => refused,
    }
}

/// Order in one action
///
/// Order, promise and payment authorisation at once, with what the customer has stored; the source is chosen by the
/// promise. Until `cancel_until` it can be undone, and only then is it handed out and paid. Sent again with the same
/// `request_id`, or without one within the seconds of a double click, it is the same order, marked `repeated`.
#[utoipa::path(
    post, path = "/v1/orders", tag = "orders", request_body = NewOrder, security(("write_key" = []), ("control_token" = [])),
    responses(
        (status = 200, body = Value), (status = 400, body = OrderRefused), (status = 401, body = answers::Refusal), (status = 403, body = answers::Refusal),
        (status = 404, body = OrderRefused), (status = 409, body = OrderRefused),
    ),
)]
pub(super) async fn place(State(app): State<Arc<App>>, headers: HeaderMap, body: Bytes) -> Response {
    match read(&app, &headers, &body) {
        Ok(new) => answer(app, headers, OrderingOp::Place(new)).await,
        Err(refused) => refused,
    }
}

/// An order with its promise, its payment and its returns
#[utoipa::path(
    get, path = "/v1/orders/{order_id}", tag = "orders", params(("order_id" = String, Path)),
    security(("write_key" = []), ("control_token" = [])),
    responses(
        (status = 200, body = Value), (status = 401, body = answers::Refusal), (status = 403, body = answers::Refusal),
        (status = 404, body = OrderRefused),
    ),
)]
pub(super) async fn show(
    State(app): State<Arc<App>>,
    Path(order_id): Path<String>,
    headers: HeaderMap,
) -> Response {
    if let Err(refused) = may_order(&app, &headers) {
        return refused;
    }
    answer(app, headers, OrderingOp::Show { order_id }).await
}

/// Undo an order
///
/// Until its `cancel_until`: its stock and its payment are free again. After that the answer says what else can be
/// done.
#[utoipa::path(
    post, path = "/v1/orders/{order_id}/undo", tag = "orders", params(("order_id" = String, Path)),
    security(("write_key" = []), ("control_token" = [])),
    responses(
        (status = 200, body = Value), (status = 401, body = answers::Refusal), (status = 403, body = answers::Refusal),
        (status = 404, body = OrderRefused), (status = 409, body = OrderRefused),
    ),
)]
pub(super) async fn undo(
    State(app): State<Arc<App>>,
    Path(order_id): Path<String>,
    headers: HeaderMap,
) -> Response {
    if let Err(refused) = may_order(&app, &headers) {
        return refused;
    }
    answer(app, headers, OrderingOp::Undo { order_id }).await
}

/// Cancel an order that has not left
#[utoipa::path(
    post, path = "/v1/orders/{order_id}/cancel", tag = "orders", params(("order_id" = String, Path)),
    request_body = CancelOrder, security(("write_key" = []), ("control_token" = [])),
    responses(
        (status = 200, body = Value), (status = 400, body = OrderRefused), (status = 401, body = answers::Refusal), (status = 403, body = answers::Refusal),
        (status = 404, body = OrderRefused), (status = 409, body = OrderRefused),
    ),
)]
pub(super) async fn cancel(
    State(app): State<Arc<App>>,
    Path(order_id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    match read(&app, &headers, &body) {
        Ok(cancel) => answer(app, headers, OrderingOp::Cancel { order_id, cancel }).await,
        Err(refused) => refused,
    }
}

/// Change an order that has not left
///
/// Other quantities, another place or date are planned and held under a `quote_id`; what the order has is there for
/// it. Sent again with `confirm_quote`, the change takes the order's place at once and whole; unconfirmed it lapses.
#[utoipa::path(
    post, path = "/v1/orders/{order_id}/change", tag = "orders", params(("order_id" = String, Path)),
    request_body = ChangeOrder, security(("write_key" = []), ("control_token" = [])),
    responses(
        (status = 200, body = Value), (status = 400, body = OrderRefused), (status = 401, body = answers::Refusal), (status = 403, body = answers::Refusal),
        (status = 404, body = OrderRefused), (status = 409, body = OrderRefused),
    ),
)]
pub(super) async fn change(
    State(app): State<Arc<App>>,
    Path(order_id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    match read(&app, &headers, &body) {
        Ok(change) => answer(app, headers, OrderingOp::Change { order_id, change }).await,
        Err(refused) => refused,
    }
}

/// Give back an order, or some of it
///
/// Taken within the days of the published policy, counted from the delivery by the customer's calendar; after that a
/// person decides.
#[utoipa::path(
    post, path = "/v1/orders/{order_id}/return", tag = "orders", params(("order_id" = String, Path)),
    request_body = NewReturn, security(("write_key" = []), ("control_token" = [])),
    responses(
        (status = 200, body = Value), (status = 400, body = OrderRefused), (status = 401, body = answers::Refusal), (status = 403, body = answers::Refusal),
        (status = 404, body = OrderRefused), (status = 409, body = OrderRefused),
    ),
)]
pub(super) async fn give_back(
    State(app): State<Arc<App>>,
    Path(order_id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    match read(&app, &headers, &body) {
        Ok(back) => answer(app, headers, OrderingOp::Return { order_id, back }).await,
        Err(refused) => refused,
    }
}

/// Reads a body, after who sent it; no body is an empty object.
#[expect(clippy::result_large_err, reason = "the error is the answer")]
pub(super) fn read<T: DeserializeOwned>(app: &App, headers: &HeaderMap, body: &Bytes) -> Result<T, Response> {
    may_order(app, headers)?;
    let body: &[u8] = if body.trim_ascii().is_empty() { b"{}" } else { body };
    serde_json::from_slice(body).map_err(|error| {
        let refused = Refused {
            failure: crate::error::Failure::new(Kind::Usage, "refused"),
            instead: Vec::new(),
            binding: Vec::new(),
        };
        let failure = refused.failure.clone().with("reason", error);
        refused_answer(app, headers, &Refused { failure, ..refused })
    })
}

/// What is worked on by the fold and answered with what came of it, or with why nothing did.
pub(super) trait Work: Clone + Send + 'static {
    fn act(&self, fold: &mut Fold, now: Time, fresh: &str) -> Result<Done, FoldError>;
}

impl Work for OrderingOp {
    fn act(&self, fold: &mut Fold, now: Time, fresh: &str) -> Result<Done, FoldError> {
        ordering::act(fold, now, self, fresh)
    }
}

async fn answer(app: Arc<App>, headers: HeaderMap, op: OrderingOp) -> Response {
    answer_with(app, headers, op, |value, _| value).await
}

/// Answers with what came of it, told in the reader's language.
pub(super) async fn answer_with(
    app: Arc<App>,
    headers: HeaderMap,
    op: impl Work,
    tell: fn(Value, &Messages) -> Value,
) -> Response {
    let first = act(&app, op.clone()).await;
    let unknown =
        |done: &Option<Done>| matches!(done, Some(Err(refused)) if refused.failure.kind == Kind::NotFound);
    let done = if unknown(&first) && app.node.backlog() > 0 {
        // What somebody has just sent may still be on its way from the intake log.
        let worker = app.clone();
        let _ = tokio::task::spawn_blocking(move || worker.node.drain()).await;
        act(&app, op).await
    } else {
        first
    };
    match done {
        Some(Ok(value)) => axum::Json(tell(value, app.messages(&headers))).into_response(),
        Some(Err(refused)) => refused_answer(&app, &headers, &refused),
        None => refusal(&app, &headers, StatusCode::SERVICE_UNAVAILABLE, "closing", &[]),
    }
}

/// Works on the fold; none where the store is closing.
async fn act(app: &App, op: impl Work) -> Option<Done> {
    let (told, done) = tokio::sync::oneshot::channel();
    let fresh = ordering::fresh_id();
    let work = move |fold: &mut Fold, now| op.act(fold, now, &fresh);
    app.node.act(work, move |done| drop(told.send(done))).ok()?;
    done.await.ok()
}

fn refused_answer(app: &App, headers: &HeaderMap, refused: &Refused) -> Response {
    let status = match refused.failure.kind {
        Kind::Usage => StatusCode::BAD_REQUEST,
        Kind::NotFound => StatusCode::NOT_FOUND,
        Kind::Conflict => StatusCode::CONFLICT,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    };
    let body = OrderRefused {
        success: false,
        code: refused.failure.code.replace('-', "_"),
        message: refused.failure.text(app.messages(headers)),
        instead: refused.instead.clone(),
        binding: refused.binding.clone(),
    };
    (status, axum::Json(body)).into_response()
}
