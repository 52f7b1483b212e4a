//! What Segment's browser SDK asks for besides the calls: short paths, and the settings by which it finds them.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use model::EventKind;
use serde_json::json;

use super::{App, answers, intake, refusal};

/// The path of a batch.
pub(super) const BATCH: &str = "b";

/// The path of a call for one event: its first letter.
pub(super) fn short_name(kind: EventKind) -> &'static str {
    &kind.name()[..1]
}

/// What Segment's browser SDK asks for before it sends
///
/// Events come back to the host that was asked.
#[utoipa::path(
    get, path = "/v1/projects/{write_key}/settings", tag = "intake", params(("write_key" = String, Path)),
    responses((status = 200), (status = 404, body = answers::Refusal)),
)]
pub(super) async fn settings(
    State(app): State<Arc<App>>,
    Path(write_key): Path<String>,
    headers: HeaderMap,
) -> Response {
    if intake::source_with(&app, &write_key).is_none() {
        return refusal(&app, &headers, StatusCode::NOT_FOUND, "unknown_write_key", &[]);
    }
    let text = |name: header::HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let forwarded = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let host = forwarded("x-forwarded-host").or_else(|| text(header::HOST)).unwrap_or("localhost");
    let scheme = if forwarded("x-forwarded-proto") == Some("https") { "https" } else { "http" };
    Json(json!({
        "integrations": {
            "Segment.io": {
                "apiKey": write_key,
                "apiHost": format!("{host}/v1"),
                "protocol": scheme,
                "addBundledMetadata": false,
                "unbundledIntegrations": [],
            },
        },
        "plan": { "track": { "__default": { "enabled": true } }, "identify": { "__default": { "enabled": true } } },
        "edgeFunction": {},
        "analyticsNextEnabled": true,
        "middlewareSettings": {},
        "enabledMiddleware": {},
        "legacyVideoPluginsEnabled": false,
        "remotePlugins": [],
        // The SDK's own telemetry would go to its maker.
        "metrics": { "sampleRate": 0 },
    }))
    .into_response()
}
