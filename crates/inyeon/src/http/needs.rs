//! Needs: a customer says what they need, is answered at once, and orders in one more action.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use engine::connection::{Choice, Does, Seen};
use engine::promising::Answer;
use model::connection::{DecisionRecord, Subject};
use model::{Identifier, Time};
use runtime::ordering::Ordered;
use runtime::{Fold, FoldError, Stated};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::orders::{OrderRefused, read};
use super::{App, answers, refusal};

/// What somebody needs.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewNeed {
    user_id: String,
    /// Which playbook answers it.
    #[schema(example = "toner")]
    category: String,
    /// Whose it is about, where there is more than one.
    device_id: Option<String>,
    slot: Option<String>,
    /// What is asked for by name.
    item_id: Option<String>,
    /// Since when it is felt, where that was before now.
    #[schema(value_type = Option<String>, format = DateTime)]
    arose_at: Option<String>,
}

/// What answers it.
#[derive(Serialize, ToSchema)]
pub(super) struct NeedAnswer {
    /// True where a need is known now.
    success: bool,
    need_id: String,
    decision_id: Option<String>,
    /// What can be ordered, best first, each with its price, when it is there, and with which probability.
    offers: Vec<Value>,
    /// Why these, as codes; those that end in `_for_us` are the company's own.
    reasons: Vec<&'static str>,
}

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
        (status = 200, body = NeedAnswer), (status = 400, body = OrderRefused), (status = 401, body = answers::Refusal),
        (status = 403, body = answers::Refusal), (status = 404, body = answers::Refusal),
        (status = 503, body = answers::Refusal),
    ),
)]
pub(super) async fn state(State(app): State<Arc<App>>, headers: HeaderMap, body: Bytes) -> Response {
    let need: NewNeed = match read(&app, &headers, &body) {
        Ok(need) => need,
        Err(refused) => return refused,
    };
    let arose_at = need.arose_at.as_deref().and_then(Time::parse);
    let work = move |fold: &mut Fold, now| -> Result<Option<Stated>, FoldError> {
        let Some(customer) = fold.lookup(&Identifier::User(&need.user_id))? else { return Ok(None) };
        let subject = Subject { device_id: need.device_id, slot: need.slot, item_id: need.item_id };
        fold.state_need(customer, &need.category, subject, arose_at, now)
    };
    match act(&app, work).await {
        Some(Some(stated)) => axum::Json(answer(&stated)).into_response(),
        Some(None) => refusal(&app, &headers, StatusCode::NOT_FOUND, "unknown_need", &[]),
        None => refusal(&app, &headers, StatusCode::SERVICE_UNAVAILABLE, "closing", &[]),
    }
}

/// Order what answers a need
///
/// In one action, with what the customer has stored. Chosen twice, it is one order.
#[utoipa::path(
    post, path = "/v1/needs/{need_id}/order", tag = "needs", request_body = Chosen,
    params(("need_id" = String, Path), ("user_id" = String, Query)),
    security(("write_key" = []), ("control_token" = [])),
    responses(
        (status = 200, body = Value), (status = 400, body = answers::Refusal), (status = 401, body = answers::Refusal),
        (status = 403, body = answers::Refusal), (status = 404, body = answers::Refusal),
        (status = 409, body = Value), (status = 503, body = answers::Refusal),
    ),
)]
pub(super) async fn order(
    State(app): State<Arc<App>>,
    Path(need_id): Path<String>,
    who: Result<Query<Who>, QueryRejection>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let chosen: Chosen = match read(&app, &headers, &body) {
        Ok(chosen) => chosen,
        Err(refused) => return refused,
    };
    let Ok(Query(who)) = who else {
        return refusal(&app, &headers, StatusCode::BAD_REQUEST, "need_who", &[]);
    };
    let fresh = crate::ordering::fresh_id();
    let work = move |fold: &mut Fold, now| -> Result<Option<Ordered>, FoldError> {
        let Some(customer) = fold.lookup(&Identifier::User(&who.user_id))? else { return Ok(None) };
        fold.choose_offer(customer, &need_id, &chosen.item_id, &fresh, now).map(Some)
    };
    match act(&app, work).await {
        Some(Some(Ordered::Known { order_id, repeated })) => {
            axum::Json(json!({ "success": true, "order_id": order_id, "repeated": repeated })).into_response()
        }
        Some(None | Some(Ordered::Missing("need" | "customer"))) => {
            refusal(&app, &headers, StatusCode::NOT_FOUND, "unknown_need", &[])
        }
        Some(Some(other)) => (StatusCode::CONFLICT, axum::Json(not_ordered(&other))).into_response(),
        None => refusal(&app, &headers, StatusCode::SERVICE_UNAVAILABLE, "closing", &[]),
    }
}

#[derive(Deserialize)]
pub(super) struct Who {
    user_id: String,
}

/// Works on the fold; none where the store is closing.
async fn act<T: Send + 'static>(
    app: &App,
    work: impl FnOnce(&mut Fold, Time) -> Result<T, FoldError> + Send + 'static,
) -> Option<T> {
    let (told, done) = tokio::sync::oneshot::channel();
    app.node.act(work, move |done| drop(told.send(done))).ok()?;
    done.await.ok()
}

fn answer(stated: &Stated) -> NeedAnswer {
    let read = |record: &DecisionRecord| {
        let seen: Seen = serde_json::from_str(&record.seen).ok()?;
        let choice: Choice = serde_json::from_str(&record.choice).ok()?;
        Some((seen, choice))
    };
    let decided = stated.decision.as_ref().and_then(read);
    let offers = decided.as_ref().map_or(Vec::new(), |(seen, choice)| {
        let Does::Offer { items } = &choice.chosen.does else { return Vec::new() };
        let offered = |item: &String| seen.offers.iter().find(|offer| offer.item_id == *item);
        items.iter().filter_map(offered).map(|offer| json!(offer)).collect()
    });
    NeedAnswer {
        success: true,
        need_id: stated.need_id.clone(),
        decision_id: stated.decision.as_ref().map(|record| record.decision_id.clone()),
        offers,
        reasons: decided.map_or(Vec::new(), |(_, choice)| {
            choice.chosen.reasons.iter().map(engine::connection::Reason::code).collect()
        }),
    }
}

fn not_ordered(ordered: &Ordered) -> Value {
    let (code, binding) = match ordered {
        Ordered::Known { .. } => ("ordered", Vec::new()),
        Ordered::Missing(what) => return json!({ "success": false, "code": "missing", "what": what }),
        Ordered::NoPrice => ("no_price", Vec::new()),
        Ordered::NumberTaken => ("number_taken", Vec::new()),
        Ordered::Infeasible(answer) => ("nothing_to_promise", binding(answer)),
    };
    json!({ "success": false, "code": code, "binding": binding })
}

fn binding(answer: &Answer) -> Vec<Value> {
    answer.binding.iter().map(|binding| json!(binding)).collect()
}
