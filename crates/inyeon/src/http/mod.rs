//! The HTTP edge: intake, health, metrics, and the control call that the command line speaks.

mod control;
mod intake;
mod metrics;

use std::net::SocketAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use runtime::Node;
use rustc_hash::FxHashMap;
use serde_json::json;

use crate::dialect::segment::BODY_BYTES_MAX;
use crate::i18n::{Lang, Messages};

pub use control::CONTROL_PATH;

/// What every handler shares.
pub struct App {
    pub node: Arc<Node>,
    /// Source by the hash of its write key; replaced whole when keys change.
    pub write_keys: ArcSwap<FxHashMap<[u8; 32], Arc<str>>>,
    /// A key that is good for trying things out and is kept nowhere.
    pub trial_key: Option<[u8; 32]>,
    /// Whoever knows it may do anything; it lies in the store's directory.
    pub control_token: String,
    pub messages: [Messages; 2],
    pub seen: metrics::Seen,
}

impl App {
    pub fn new(
        node: Arc<Node>,
        trial_key: Option<&str>,
        control_token: String,
    ) -> Result<Arc<App>, crate::error::Failure> {
        let app = Arc::new(App {
            node,
            write_keys: ArcSwap::default(),
            trial_key: trial_key.map(crate::keys::hash_write_key),
            control_token,
            messages: Lang::ALL.map(Messages::new),
            seen: metrics::Seen::default(),
        });
        app.reload_keys()?;
        Ok(app)
    }

    /// Reads the sources' keys from the workspace.
    pub fn reload_keys(&self) -> Result<(), crate::error::Failure> {
        let keys = self.node.ask(|fold| {
            fold.entity(model::EntityId::workspace()).map(|entity| {
                let sources = entity.workspace().map(|w| w.sources.clone()).unwrap_or_default();
                let valid = sources.into_iter().filter(|(_, source)| source.revoked_at.is_none());
                valid.map(|(name, source)| (source.key_hash, Arc::from(name))).collect()
            })
        })??;
        self.write_keys.store(Arc::new(keys));
        Ok(())
    }

    fn messages(&self, headers: &HeaderMap) -> &Messages {
        let wanted = headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
        let lang = wanted.and_then(Lang::of_locale).unwrap_or(Lang::En);
        &self.messages[lang as usize]
    }
}

/// Everything that is served.
pub fn router(app: Arc<App>) -> Router {
    let mut router = Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics::page))
        .route(CONTROL_PATH, post(control::call).layer(DefaultBodyLimit::max(32 << 20)))
        .route("/v1/batch", post(intake::batch))
        .route("/v1/import", post(intake::batch));
    for kind in model::EventKind::ALL {
        let one = move |state: State<Arc<App>>, headers: HeaderMap, body| {
            intake::single(state, kind, headers, body)
        };
        router = router.route(&format!("/v1/{}", kind.name()), post(one));
    }
    router
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .fallback(|headers: HeaderMap, State(app): State<Arc<App>>| async move {
            refusal(&app, &headers, StatusCode::NOT_FOUND, "not_found", &[])
        })
        .method_not_allowed_fallback(|headers: HeaderMap, State(app): State<Arc<App>>| async move {
            refusal(&app, &headers, StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", &[])
        })
        .with_state(app)
}

/// Ready is: the intake can take, and what it took is shown within seconds.
async fn ready(State(app): State<Arc<App>>) -> Response {
    let backlog = app.node.backlog();
    let body = axum::Json(json!({ "ready": true, "backlog": backlog }));
    body.into_response()
}

/// An error in the shape that SDKs read.
fn refusal(
    app: &App,
    headers: &HeaderMap,
    status: StatusCode,
    code: &str,
    values: &[(&str, String)],
) -> Response {
    let message = app.messages(headers).with(&format!("http-{}", code.replace('_', "-")), values);
    let body = axum::Json(json!({ "success": false, "code": code, "message": message }));
    (status, body).into_response()
}

/// Serves until `stop` resolves.
pub async fn serve(
    listener: tokio::net::TcpListener,
    app: Arc<App>,
    stop: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    use axum::serve::ListenerExt;
    let listener = listener.tap_io(|tcp| {
        // An acknowledgement must not wait for a second packet to go with it.
        let _ = tcp.set_nodelay(true);
    });
    axum::serve(listener, router(app)).with_graceful_shutdown(stop).await
}

/// Binds, with an error that says what to do.
pub fn bind(address: &str) -> Result<(std::net::TcpListener, SocketAddr), crate::error::Failure> {
    let failed = |error: std::io::Error| {
        crate::error::Failure::new(crate::error::Kind::Unavailable, "cannot-listen")
            .with("address", address)
            .with("detail", error)
    };
    let listener = std::net::TcpListener::bind(address).map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, bound))
}
