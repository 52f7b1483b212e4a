//! The call by which the command line works through a running server. Not a public interface: it changes with the
//! program, and only who can read the store's directory knows its token.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::App;
use crate::error::{Failure, Kind};
use crate::ops::{self, Op};

pub const CONTROL_PATH: &str = "/v1/control";

pub(super) async fn call(State(app): State<Arc<App>>, headers: HeaderMap, body: Bytes) -> Response {
    if !has_token(&app, &headers) {
        return failed(StatusCode::UNAUTHORIZED, &Failure::new(Kind::Usage, "control-token"));
    }
    let op: Op = match serde_json::from_slice(&body) {
        Ok(op) => op,
        Err(error) => {
            let failure = Failure::new(Kind::Usage, "control-op").with("detail", error);
            return failed(StatusCode::BAD_REQUEST, &failure);
        }
    };
    let changes_senders = op.changes_senders();
    let lists_brokers = matches!(op, Op::BrokerList);
    // Operations wait for disks and threads; the requests of others must not.
    let worker = app.clone();
    let result = tokio::task::spawn_blocking(move || {
        let mut answer = ops::run(&worker.node, op)?;
        if changes_senders {
            worker.reload()?;
        }
        if lists_brokers {
            worker.brokers.describe(&mut answer);
        }
        Ok::<_, Failure>(answer)
    });
    match result.await {
        Ok(Ok(answer)) => axum::Json(answer).into_response(),
        Ok(Err(failure)) => failed(StatusCode::UNPROCESSABLE_ENTITY, &failure),
        Err(panic) => failed(StatusCode::INTERNAL_SERVER_ERROR, &Failure::other(&panic)),
    }
}

/// Whether the request carries the token that lies in the store's directory.
pub(super) fn has_token(app: &App, headers: &HeaderMap) -> bool {
    let token = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let token = token.and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default();
    // Compared as hashes, so that the time says nothing about how much of it was right.
    crate::keys::hash_write_key(token) == crate::keys::hash_write_key(&app.control_token)
}

fn failed(status: StatusCode, failure: &Failure) -> Response {
    (status, axum::Json(failure)).into_response()
}
