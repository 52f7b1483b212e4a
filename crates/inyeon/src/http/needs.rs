//! Needs: a customer says what they need, is answered at once, and orders in one more action.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use model::Time;
use runtime::{Fold, FoldError};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::orders::{OrderRefused, Work, answer_with, read};
use super::{App, answers};
use crate::connection::{self, ConnectionOp, NewNeed};
use crate::decision;
use crate::ordering::Done;

impl Work for ConnectionOp {
    fn act(&self, fold: &mut Fold, now: Time, fresh: &str) -> Result<Done, FoldError> {
        connection::act(fold, now, self, fresh)
    }
}

/// Answers what is asked of a customer's side of the tie, codes with their texts in the reader's language.
pub(super) async fn answer(app: Arc<App>, headers: HeaderMap, op: ConnectionOp) -> Response {
    answer_with(app, headers, op, decision::with_texts).await
}

/// What answers a need.
#[derive(Serialize, ToSchema)]
pub(super) struct NeedAnswer {
    need_id: String,
    /// The order that is under way for it; then nothing more is offered.
    order_id: Option<String>,
    decision_id: Option<String>,
    /// What can be ordered, best first.
    offers: Vec<NeedOffer>,
    /// Why these, or why nothing.
    reasons: Vec<Why>,
    /// What stood in the way of something else.
    refused: Vec<Why>,
}

/// Something that can be ordered in one action.
#[derive(Serialize, ToSchema)]
pub(super) struct NeedOffer {
    item_id: String,
    name: Option<String>,
    /// At most three decimals.
    quantity: f64,
    #[schema(value_type = Option<Object>)]
    price: Option<Value>,
    /// When it is there.
    #[schema(format = DateTime)]
    due: Option<String>,
    /// With which probability.
    probability: Option<f64>,
    /// Whether it fits the device, where that is known.
    fits: Option<bool>,
    reasons: Vec<Why>,
}

#[derive(Serialize, ToSchema)]
pub(super) struct Why {
    /// Stable; for programs.
    #[schema(example = "fits_your_device")]
    code: String,
    /// Whether the company, and not the customer, is served by it: it is to be shown as that.
    ours: Option<bool>,
    /// For people, in the language of `Accept-Language` (en or ko).
    text: String,
}

/// What was chosen.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Chosen {
    item_id: String,
}

/// State a need
///
/// A decision is made and recorded before this answers: what can be promised, ranked for this customer by the strategy
/// that they chose. Stated again while it is open, it is the same need with a new decision.
#[utoipa::path(
    post, path = "/v1/needs", tag = "needs", request_body = NewNeed,
    security(("write_key" = []), ("control_token" = [])),
    responses(
        (status = 200, body = NeedAnswer), (status = 400, body = OrderRefused),
        (status = 401, body = answers::Refusal), (status = 403, body = answers::Refusal),
        (status = 404, body = OrderRefused),
    ),
)]
pub(super) async fn state(State(app): State<Arc<App>>, headers: HeaderMap, body: Bytes) -> Response {
    match read(&app, &headers, &body) {
        Ok(need) => answer(app, headers, ConnectionOp::StateNeed(need)).await,
        Err(refused) => refused,
    }
}

/// Order what answers a need
///
/// In one action, with what the customer has stored. Chosen twice, it is one order.
#[utoipa::path(
    post, path = "/v1/needs/{need_id}/order", tag = "needs", request_body = Chosen,
    params(("need_id" = String, Path)),
    security(("write_key" = []), ("control_token" = [])),
    responses(
        (status = 200, body = Value), (status = 400, body = OrderRefused), (status = 401, body = answers::Refusal),
        (status = 403, body = answers::Refusal), (status = 404, body = OrderRefused),
        (status = 409, body = OrderRefused),
    ),
)]
pub(super) async fn order(
    State(app): State<Arc<App>>,
    Path(need_id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    match read(&app, &headers, &body) {
        Ok(Chosen { item_id }) => answer(app, headers, ConnectionOp::OrderNeed { need_id, item_id }).await,
        Err(refused) => refused,
    }
}
