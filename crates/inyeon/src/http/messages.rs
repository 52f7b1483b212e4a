//! What was said to a customer, for the app that shows it, and the way out of advertising that stands in it.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use model::connection::LinkPurpose;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::intake::{sender_of, turned_away};
use super::{App, answers, control, refusal};
use crate::links::LinkError;
use crate::messaging::{self, InboxMessage};

const LIMIT_MAX: usize = 1_000;

/// How much of it.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Page {
    /// At most so many messages; 50 where it is not said, 1000 at most.
    limit: Option<usize>,
}

/// What was said to a customer, newest first.
#[derive(Serialize, ToSchema)]
pub(super) struct Inbox {
    messages: Vec<InboxMessage>,
}

/// What was said to a customer
///
/// By every channel, newest first: what `inbox` messages are shown by, and what a customer can look up who deleted an
/// e-mail. Links are signed anew for this answer.
#[utoipa::path(
    get, path = "/v1/customers/{user_id}/inbox", tag = "messages", params(("user_id" = String, Path), Page),
    security(("write_key" = []), ("control_token" = [])),
    responses(
        (status = 200, body = Inbox), (status = 401, body = answers::Refusal),
        (status = 403, body = answers::Refusal), (status = 404, body = answers::Refusal),
    ),
)]
pub(super) async fn inbox(
    State(app): State<Arc<App>>,
    Path(user_id): Path<String>,
    Query(page): Query<Page>,
    headers: HeaderMap,
) -> Response {
    if !control::has_token(&app, &headers) {
        match sender_of(&app, &headers, || None) {
            Some(sender) if sender.allowed.promises => {}
            Some(_) => return refusal(&app, &headers, StatusCode::FORBIDDEN, "may_not_promise", &[]),
            None => return refusal(&app, &headers, StatusCode::UNAUTHORIZED, "unknown_write_key", &[]),
        }
    }
    let limit = page.limit.unwrap_or(50).min(LIMIT_MAX);
    let worker = app.clone();
    let found = tokio::task::spawn_blocking(move || {
        let look = || messaging::inbox(&worker.node, &worker.links, &user_id, limit);
        let found = look()?;
        if found.is_none() && worker.node.backlog() > 0 {
            // What somebody has just sent may still be on its way from the intake log.
            worker.node.drain()?;
            return look();
        }
        Ok(found)
    });
    match found.await {
        Ok(Ok(Some(messages))) => axum::Json(Inbox { messages }).into_response(),
        Ok(Ok(None)) => refusal(&app, &headers, StatusCode::NOT_FOUND, "unknown_customer", &[]),
        _ => turned_away(&app, &headers, &runtime::IntakeError::Stopping),
    }
}

/// A button that ends advertising
///
/// Looking at it ends nothing: programs look at every link in a letter.
#[utoipa::path(
    get, path = "/u/{token}", tag = "messages", params(("token" = String, Path)),
    responses((status = 200, body = String, content_type = "text/html"), (status = 404), (status = 410)),
)]
pub(super) async fn ask_to_unsubscribe(State(app): State<Arc<App>>, Path(token): Path<String>) -> Response {
    match app.links.read_for(LinkPurpose::Unsubscribe, &token, app.node.clock.now()) {
        Ok(_) => page(&app, StatusCode::OK, "unsubscribe-ask", true),
        Err(error) => not_followed(&app, error),
    }
}

/// No more advertising
///
/// One click (RFC 8058): no cookie, no login, no question.
#[utoipa::path(
    post, path = "/u/{token}", tag = "messages", params(("token" = String, Path)),
    request_body(content = String, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 200, body = String, content_type = "text/html"), (status = 400), (status = 404), (status = 410),
    ),
)]
pub(super) async fn unsubscribe(
    State(app): State<Arc<App>>,
    Path(token): Path<String>,
    body: Bytes,
) -> Response {
    let claims = match app.links.read_for(LinkPurpose::Unsubscribe, &token, app.node.clock.now()) {
        Ok(claims) => claims,
        Err(error) => return not_followed(&app, error),
    };
    // A form of either kind: its one field and value stand in both.
    let body = String::from_utf8_lossy(&body);
    if !(body.contains("List-Unsubscribe") && body.contains("One-Click")) {
        return page(&app, StatusCode::BAD_REQUEST, "unsubscribe-ask", true);
    }
    let (told, done) = tokio::sync::oneshot::channel();
    let act = move |fold: &mut runtime::Fold, now| messaging::unsubscribe(fold, claims.customer, now);
    let sent = app.node.act_on_all(act, move |()| {
        // Whoever asked may have gone.
        let _ = told.send(());
    });
    match (sent, done.await) {
        (Ok(()), Ok(())) => page(&app, StatusCode::OK, "unsubscribe-done", false),
        _ => page(&app, StatusCode::SERVICE_UNAVAILABLE, "unsubscribe-later", true),
    }
}

fn not_followed(app: &App, error: LinkError) -> Response {
    match error {
        LinkError::Expired => page(app, StatusCode::GONE, "link-page-expired", false),
        _ => page(app, StatusCode::NOT_FOUND, "link-page-unknown", false),
    }
}

/// A few words in both languages; nothing of the customer stands in it.
fn page(app: &App, status: StatusCode, text: &str, button: bool) -> Response {
    let button = button.then_some(("unsubscribe-button", ("List-Unsubscribe", "One-Click")));
    crate::pages::in_both_languages(app, status, "page-unsubscribe-title", text, button)
}
