//! `GET /v1/live`: what passes, as server-sent events. A reader follows the log at its own pace, so that a slow one is
//! behind and nobody else is.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::{StreamExt, stream};
use tokio::sync::OwnedSemaphorePermit;

use super::{App, answers, control, refusal};
use crate::ops::{self, EventFilter, Op};

/// Readers at once; each holds a thread while it waits.
pub(super) const READERS_MAX: usize = 64;
/// Items of one look at the log.
const PAGE: usize = 200;
/// How long one look waits for more; the server's end is noticed between two.
const PATIENCE_MS: u64 = 1_000;

struct Reader {
    app: Arc<App>,
    filter: EventFilter,
    /// The journal entry that is read next.
    next: u64,
    _place: OwnedSemaphorePermit,
}

/// What passes, live
///
/// Server-sent events: `event` is the type, `data` the event or fact as `inyeon tail --json` prints it, `id` the place
/// from which `Last-Event-ID` goes on. Without one it begins with what comes next.
#[utoipa::path(
    get, path = "/v1/live", tag = "operation", params(EventFilter), security(("control_token" = [])),
    responses(
        (status = 200, content_type = "text/event-stream", body = String), (status = 401, body = answers::Refusal),
        (status = 503, body = answers::Refusal, headers(("Retry-After" = u32))),
    ),
)]
pub(super) async fn page(
    State(app): State<Arc<App>>,
    Query(filter): Query<EventFilter>,
    headers: HeaderMap,
) -> Response {
    if !control::has_token(&app, &headers) {
        return refusal(&app, &headers, StatusCode::UNAUTHORIZED, "control_token", &[]);
    }
    let Ok(place) = app.readers.clone().try_acquire_owned() else {
        let mut response = refusal(&app, &headers, StatusCode::SERVICE_UNAVAILABLE, "too_many_readers", &[]);
        response.headers_mut().insert(header::RETRY_AFTER, header::HeaderValue::from_static("5"));
        return response;
    };
    let last = headers.get("last-event-id").and_then(|value| value.to_str().ok()?.parse().ok());
    let journal = app.node.counts().journal_seq.load(std::sync::atomic::Ordering::Relaxed);
    let reader = Reader { filter, next: last.unwrap_or(journal + 1), _place: place, app };
    let pages = stream::unfold(reader, |mut reader| async move {
        let page = read(&mut reader).await?;
        Some((stream::iter(page.into_iter().map(Ok::<_, Infallible>)), reader))
    });
    Sse::new(pages.flatten()).keep_alive(KeepAlive::default()).into_response()
}

/// The next events; none when the server ends or the log cannot be read.
async fn read(reader: &mut Reader) -> Option<Vec<Event>> {
    if *reader.app.ending.borrow() {
        return None;
    }
    let (app, filter, from) = (reader.app.clone(), reader.filter.clone(), reader.next);
    let look = move || {
        ops::run(&app.node, Op::Events { from, limit: PAGE, wait_ms: PATIENCE_MS, facts: true, filter })
    };
    let page = tokio::task::spawn_blocking(look).await.ok()?.ok()?;
    reader.next = page["next"].as_u64()?;
    let items = page["items"].as_array()?;
    let events = items.iter().enumerate().map(|(n, item)| {
        let event = Event::default().event(item["type"].as_str().unwrap_or("event")).data(item.to_string());
        // Only behind the last one is a place to go on from: what stands in one entry comes together.
        if n + 1 == items.len() { event.id(reader.next.to_string()) } else { event }
    });
    Some(events.collect())
}
