//! What customers set, agree to and delegate.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::Deserialize;
use utoipa::ToSchema;

use super::needs::answer;
use super::orders::{OrderRefused, may_order, read};
use super::{App, answers, refusal};
use crate::connection::{
    ActionStep, ConnectionOp, MandateStep, NewConsent, NewMandate, NewPreference, NewSnooze,
};

/// The tie of a customer
///
/// What they set and agreed to, their devices, needs, mandates and automatic orders.
#[utoipa::path(
    get, path = "/v1/customers/{user_id}/connection", tag = "connection", params(("user_id" = String, Path)),
    security(("write_key" = []), ("control_token" = [])),
    responses(
        (status = 200, body = Value), (status = 401, body = answers::Refusal),
        (status = 403, body = answers::Refusal), (status = 404, body = OrderRefused),
    ),
)]
pub(super) async fn show(
    State(app): State<Arc<App>>,
    Path(user_id): Path<String>,
    headers: HeaderMap,
) -> Response {
    if let Err(refused) = may_order(&app, &headers) {
        return refused;
    }
    answer(app, headers, ConnectionOp::Show { user_id }).await
}

/// Set how a customer is answered
///
/// For a category of needs, and for one device where it is named. The answer says what is followed as things are now,
/// and what the chosen strategy lacks where it is another.
#[utoipa::path(
    put, path = "/v1/customers/{user_id}/preferences", tag = "connection", params(("user_id" = String, Path)),
    request_body = NewPreference, security(("write_key" = []), ("control_token" = [])),
    responses(
        (status = 200, body = Value), (status = 400, body = OrderRefused), (status = 401, body = answers::Refusal),
        (status = 403, body = answers::Refusal), (status = 404, body = OrderRefused),
    ),
)]
pub(super) async fn prefer(
    State(app): State<Arc<App>>,
    Path(user_id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    match read::<NewPreference>(&app, &headers, &body) {
        Ok(preference) => answer(app, headers, ConnectionOp::SetPreference { user_id, preference }).await,
        Err(refused) => refused,
    }
}

/// Give or withdraw a consent
///
/// For a purpose such as `advertising`, `night_advertising`, `history`, `readings` or `context`. A withdrawal holds at
/// once: what cannot be done without it is not done any more.
#[utoipa::path(
    put, path = "/v1/customers/{user_id}/consents/{purpose}", tag = "connection",
    params(("user_id" = String, Path), ("purpose" = String, Path)),
    request_body = NewConsent, security(("write_key" = []), ("control_token" = [])),
    responses(
        (status = 200, body = Value), (status = 400, body = OrderRefused), (status = 401, body = answers::Refusal),
        (status = 403, body = answers::Refusal), (status = 404, body = OrderRefused),
        (status = 409, body = OrderRefused),
    ),
)]
pub(super) async fn consent(
    State(app): State<Arc<App>>,
    Path((user_id, purpose)): Path<(String, String)>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    match read::<NewConsent>(&app, &headers, &body) {
        Ok(consent) => answer(app, headers, ConnectionOp::SetConsent { user_id, purpose, consent }).await,
        Err(refused) => refused,
    }
}

/// Put off a category
///
/// Nothing is said about it unasked until then.
#[utoipa::path(
    post, path = "/v1/customers/{user_id}/snooze", tag = "connection", params(("user_id" = String, Path)),
    request_body = NewSnooze, security(("write_key" = []), ("control_token" = [])),
    responses(
        (status = 200, body = Value), (status = 400, body = OrderRefused), (status = 401, body = answers::Refusal),
        (status = 403, body = answers::Refusal), (status = 404, body = OrderRefused),
    ),
)]
pub(super) async fn snooze(
    State(app): State<Arc<App>>,
    Path(user_id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    match read::<NewSnooze>(&app, &headers, &body) {
        Ok(snooze) => answer(app, headers, ConnectionOp::Snooze { user_id, snooze }).await,
        Err(refused) => refused,
    }
}

/// Present a mandate
///
/// The answer has the terms as they are to be shown to the customer, and their `agreement`: the hash by which the
/// customer agrees to exactly these. Presented again under its name it is amended: what allows less holds at once,
/// what allows more waits for the customer in `proposed`.
#[utoipa::path(
    post, path = "/v1/mandates", tag = "connection", request_body = NewMandate,
    security(("write_key" = []), ("control_token" = [])),
    responses(
        (status = 200, body = Value), (status = 400, body = OrderRefused), (status = 401, body = answers::Refusal),
        (status = 403, body = answers::Refusal), (status = 404, body = OrderRefused),
        (status = 409, body = OrderRefused),
    ),
)]
pub(super) async fn present(State(app): State<Arc<App>>, headers: HeaderMap, body: Bytes) -> Response {
    match read::<NewMandate>(&app, &headers, &body) {
        Ok(new) => answer(app, headers, ConnectionOp::PresentMandate(new)).await,
        Err(refused) => refused,
    }
}

/// Whose mandate it is, and what the step needs.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct MandateStepAsked {
    user_id: String,
    /// To activate: the hash of the terms that were shown.
    #[serde(default)]
    agreement: Option<String>,
    /// To suspend: what looked wrong.
    #[serde(default)]
    why: Option<String>,
}

/// Agree to a mandate, pause it, let it go on, suspend it, revoke it, or order by it now
///
/// `activate` takes the `agreement` that was shown. `pause`, `resume` and `revoke` are the customer's, `suspend` is the
/// company's. `order` has what it is for ordered as soon as its limits and its notice allow; the answer has the `action`
/// that was announced, or the `decision` that says why not.
#[utoipa::path(
    post, path = "/v1/mandates/{mandate_id}/{step}", tag = "connection",
    params(
        ("mandate_id" = String, Path),
        ("step" = String, Path, description = "`activate`, `pause`, `resume`, `suspend`, `revoke` or `order`"),
    ),
    request_body = MandateStepAsked, security(("write_key" = []), ("control_token" = [])),
    responses(
        (status = 200, body = Value), (status = 400, body = OrderRefused), (status = 401, body = answers::Refusal),
        (status = 403, body = answers::Refusal), (status = 404, body = OrderRefused),
        (status = 409, body = OrderRefused),
    ),
)]
pub(super) async fn mandate(
    State(app): State<Arc<App>>,
    Path((mandate_id, step)): Path<(String, String)>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let asked: MandateStepAsked = match read(&app, &headers, &body) {
        Ok(asked) => asked,
        Err(refused) => return refused,
    };
    let step = match step.as_str() {
        "activate" => MandateStep::Activate { agreement: asked.agreement.unwrap_or_default() },
        "pause" => MandateStep::Pause,
        "resume" => MandateStep::Resume,
        "suspend" => MandateStep::Suspend { why: asked.why.unwrap_or_default() },
        "revoke" => MandateStep::Revoke,
        "order" => MandateStep::Order,
        _ => return refusal(&app, &headers, StatusCode::NOT_FOUND, "not_found", &[]),
    };
    answer(app, headers, ConnectionOp::Mandate { user_id: asked.user_id, mandate_id, step }).await
}

/// What the step needs.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ActionStepAsked {
    /// To dispute: why.
    #[serde(default)]
    why: Option<String>,
    /// To settle: whether the customer gets their money back.
    #[serde(default)]
    refund: Option<bool>,
}

/// Call an automatic order off, dispute it, or settle the dispute
///
/// It can be called off until it has left (`can_be_cancelled`); after that it can be disputed.
#[utoipa::path(
    post, path = "/v1/actions/{action_id}/{step}", tag = "connection",
    params(
        ("action_id" = String, Path),
        ("step" = String, Path, description = "`cancel`, `dispute` or `settle`"),
    ),
    request_body = ActionStepAsked, security(("write_key" = []), ("control_token" = [])),
    responses(
        (status = 200, body = Value), (status = 400, body = OrderRefused), (status = 401, body = answers::Refusal),
        (status = 403, body = answers::Refusal), (status = 404, body = OrderRefused),
        (status = 409, body = OrderRefused),
    ),
)]
pub(super) async fn action(
    State(app): State<Arc<App>>,
    Path((action_id, step)): Path<(String, String)>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let asked: ActionStepAsked = match read(&app, &headers, &body) {
        Ok(asked) => asked,
        Err(refused) => return refused,
    };
    let step = match step.as_str() {
        "cancel" => ActionStep::Cancel,
        "dispute" => ActionStep::Dispute { why: asked.why },
        "settle" => ActionStep::Settle { refund: asked.refund.unwrap_or(false) },
        _ => return refusal(&app, &headers, StatusCode::NOT_FOUND, "not_found", &[]),
    };
    answer(app, headers, ConnectionOp::Action { action_id, step }).await
}
