//! The HTTP edge: intake, health, metrics, and the control call that the command line speaks.

mod answers;
mod browser;
mod cloudevents;
mod connection;
mod control;
mod intake;
mod lanes;
mod live;
mod messages;
mod metrics;
mod needs;
mod orders;
mod promises;
mod webhooks;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};
use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, post};
use model::{Allowed, Time};
use runtime::Node;
use rustc_hash::FxHashMap;
use tower_http::cors::{self, CorsLayer};
use utoipa::OpenApi;
use utoipa::openapi::OpenApi as OpenApiDocument;
use utoipa::openapi::path::{HttpMethod, Paths};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouter};
use utoipa_axum::routes;

use crate::broker::{self, Hub};
use crate::dialect::Origin;
use crate::dialect::segment::BODY_BYTES_MAX;
use crate::i18n::{Lang, Messages};
use crate::links::Links;
use crate::plan::{self, Plan};
use crate::webhook::{self, Hooks};

pub use control::CONTROL_PATH;

/// What every handler shares.
pub struct App {
    pub node: Arc<Node>,
    /// Who sends, by the hash of their write key; replaced whole when keys change.
    pub write_keys: ArcSwap<FxHashMap<[u8; 32], Sender>>,
    /// Systems whose webhooks are taken; replaced whole when they change.
    pub hooks: ArcSwap<Hooks>,
    /// What senders may send; replaced whole when it changes.
    pub plan: Arc<ArcSwapOption<Plan>>,
    /// The device brokers that are followed.
    pub brokers: Hub,
    /// A key that is good for trying things out and is kept nowhere.
    pub trial_key: Option<[u8; 32]>,
    /// Whoever knows it may do anything; it lies in the store's directory.
    pub control_token: String,
    /// Signs links to customers and reads them back.
    pub links: Arc<Links>,
    /// What customers call the company; stands on the pages.
    pub company: Option<String>,
    /// Who is signed in to the operator's pages.
    pub desk: crate::pages::Desk,
    pub messages: [Messages; 2],
    pub seen: metrics::Seen,
    pub lanes: lanes::Lanes,
    /// Places for those who follow live.
    pub readers: Arc<tokio::sync::Semaphore>,
    pub reloading: std::sync::Mutex<()>,
    /// True once the server is to end.
    pub ending: tokio::sync::watch::Sender<bool>,
}

/// Whoever a write key belongs to.
#[derive(Clone, Debug)]
pub struct Sender {
    pub source: Arc<str>,
    /// What the key is good for besides sending.
    pub allowed: Allowed,
}

impl Sender {
    /// What came from it just now.
    fn origin<'a>(&'a self, place: &'a str, received_at: Time) -> Origin<'a> {
        let Allowed { only_customers, .. } = self.allowed;
        Origin { source: &self.source, place, received_at, only_customers }
    }
}

impl App {
    pub fn new(
        node: Arc<Node>,
        trial_key: Option<&str>,
        control_token: String,
        links: Arc<Links>,
        company: Option<String>,
    ) -> Result<Arc<App>, crate::error::Failure> {
        let plan = Arc::new(ArcSwapOption::empty());
        let app = Arc::new(App {
            brokers: Hub::start(node.clone(), plan.clone())?,
            node,
            write_keys: ArcSwap::default(),
            hooks: ArcSwap::default(),
            plan,
            trial_key: trial_key.map(crate::keys::hash_write_key),
            control_token,
            links,
            company,
            desk: crate::pages::Desk::default(),
            messages: Lang::ALL.map(Messages::new),
            seen: metrics::Seen::default(),
            lanes: lanes::Lanes::new(),
            readers: Arc::new(tokio::sync::Semaphore::new(live::READERS_MAX)),
            reloading: std::sync::Mutex::default(),
            ending: tokio::sync::watch::Sender::new(false),
        });
        app.reload()?;
        Ok(app)
    }

    /// Reads from the workspace who may send, how and what, and who is listened to.
    pub fn reload(&self) -> Result<(), crate::error::Failure> {
        // One at a time, so that nobody puts what they read earlier over what somebody read later.
        let _alone = self.reloading.lock().expect("no panic while held");
        let keys = self.node.ask(|fold| {
            fold.entity(model::EntityId::workspace()).map(|entity| {
                let sources = entity.workspace().map(|w| w.sources.clone()).unwrap_or_default();
                let valid = sources.into_iter().filter(|(_, source)| source.revoked_at.is_none());
                let sender = |name: String, allowed| Sender { source: Arc::from(name), allowed };
                valid.map(|(name, source)| (source.key_hash, sender(name, source.allowed))).collect()
            })
        })??;
        self.write_keys.store(Arc::new(keys));
        self.hooks.store(Arc::new(webhook::connected(&self.node)?));
        self.plan.store(plan::current(&self.node)?.map(Arc::new));
        self.brokers.follow(broker::connected(&self.node)?);
        Ok(())
    }

    fn messages(&self, headers: &HeaderMap) -> &Messages {
        let wanted = headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
        let lang = wanted.and_then(Lang::of_locale).unwrap_or(Lang::En);
        &self.messages[lang as usize]
    }
}

#[derive(OpenApi)]
#[openapi(
    info(title = "Inyeon", description = "Events in; what was taken is durable when it is answered."),
    tags(
        (name = "intake", description = "Segment's HTTP Tracking API"),
        (name = "promises", description = "What can be promised, held and ordered"),
        (name = "orders", description = "Orders in one action, and what is done with orders"),
        (name = "needs", description = "What customers need, and what answers it"),
        (name = "connection", description = "What customers set, agree to and delegate"),
        (name = "messages", description = "What was said to customers, and the way out of advertising"),
        (name = "operation", description = "Health, metrics and this document"),
    ),
    components(schemas(
        answers::BatchTaken, answers::EventRefused, answers::Refusal, answers::SentBatch, answers::SentEvent,
        answers::Taken, orders::OrderRefused, crate::ordering::NewOrder, crate::ordering::Line,
        crate::ordering::Defaults, crate::ordering::CancelOrder, crate::ordering::ChangeOrder,
        crate::ordering::NewReturn, crate::connection::NewNeed, crate::connection::NewPreference,
        crate::connection::NewConsent, crate::connection::NewSnooze, crate::connection::NewMandate,
        crate::connection::MandateLimit, crate::connection::MandatePrice,
    )),
)]
struct Document;

/// The public paths, and the document that describes them.
fn public() -> (Router<Arc<App>>, OpenApiDocument) {
    let mut document = Document::openapi();
    let mut basic = Http::new(HttpAuthScheme::Basic);
    basic.description = Some("The write key is the user name; there is no password.".to_owned());
    let components = document.components.get_or_insert_default();
    components.add_security_scheme("write_key", SecurityScheme::Http(basic));
    let mut bearer = Http::new(HttpAuthScheme::Bearer);
    bearer.description = Some("The token in `server.json` in the store's directory.".to_owned());
    components.add_security_scheme("control_token", SecurityScheme::Http(bearer));
    let router = OpenApiRouter::with_openapi(document)
        .routes(routes!(alive))
        .routes(routes!(ready))
        .routes(routes!(metrics::page))
        .routes(routes!(live::page))
        .routes(routes!(cloudevents::take))
        .routes(routes!(promises::inquire))
        .routes(routes!(promises::quote))
        .routes(routes!(promises::confirm))
        .routes(routes!(promises::release))
        .routes(large(routes!(webhooks::signed)))
        .routes(large(routes!(webhooks::unsigned)))
        .routes(routes!(orders::defaults))
        .routes(routes!(orders::place))
        .routes(routes!(orders::show))
        .routes(routes!(orders::undo))
        .routes(routes!(orders::cancel))
        .routes(routes!(orders::change))
        .routes(routes!(orders::give_back))
        .routes(routes!(needs::state))
        .routes(routes!(needs::order))
        .routes(routes!(connection::show))
        .routes(routes!(connection::prefer))
        .routes(routes!(connection::consent))
        .routes(routes!(connection::snooze))
        .routes(routes!(connection::present))
        .routes(routes!(connection::mandate))
        .routes(routes!(connection::action))
        .routes(routes!(messages::inbox))
        .routes(routes!(messages::ask_to_unsubscribe, messages::unsubscribe))
        .routes(routes!(document_page));
    // Events come from pages of any origin; the control call and what is read stay with their own.
    let from_pages = CorsLayer::new()
        .allow_origin(cors::Any)
        .allow_methods([Method::GET, Method::POST])
        // Any, which a star would not say of `authorization`.
        .allow_headers(cors::AllowHeaders::mirror_request())
        .max_age(Duration::from_secs(86_400));
    let mut calls = OpenApiRouter::default().routes(routes!(browser::settings));
    for call in ["batch", "import", browser::BATCH] {
        calls = calls.routes(at::<intake::__path_batch>(call, post(intake::batch)));
    }
    for kind in model::EventKind::ALL {
        for call in [kind.name(), browser::short_name(kind)] {
            let one = move |state: State<Arc<App>>, headers: HeaderMap, body| {
                intake::single(state, kind, headers, body)
            };
            calls = calls.routes(at::<intake::__path_single>(call, post(one)));
        }
    }
    let (calls, of_calls) = calls.split_for_parts();
    // A page asks by OPTIONS first, so the layer stands before the answer to wrong methods.
    let calls = calls.method_not_allowed_fallback(wrong_method).layer(from_pages);
    let (router, mut document) = router.split_for_parts();
    document.merge(of_calls);
    (router.merge(calls), document)
}

async fn wrong_method(State(app): State<Arc<App>>, headers: HeaderMap) -> Response {
    refusal(&app, &headers, StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", &[])
}

/// A call that takes larger bodies than an SDK sends.
fn large((schemas, paths, handler): UtoipaMethodRouter<Arc<App>>) -> UtoipaMethodRouter<Arc<App>> {
    (schemas, paths, handler.layer(DefaultBodyLimit::max(webhooks::BODY_BYTES_MAX)))
}

/// One of several calls that share a description.
fn at<D: utoipa::Path>(call: &str, handler: MethodRouter<Arc<App>>) -> UtoipaMethodRouter<Arc<App>> {
    let mut operation = D::operation();
    operation.operation_id = Some(call.to_owned());
    operation.tags = Some(vec!["intake".to_owned()]);
    let mut paths = Paths::new();
    paths.add_path_operation(format!("/v1/{call}"), vec![HttpMethod::Post], operation);
    (Vec::new(), paths, handler)
}

/// The document as it is served and kept in `docs/openapi.json`.
pub fn openapi() -> String {
    let (_, document) = public();
    let mut text = document.to_pretty_json().expect("plain data serialises");
    text.push('\n');
    text
}

/// Everything that is served.
pub fn router(app: Arc<App>) -> Router {
    public()
        .0
        .merge(crate::pages::routes())
        .route(CONTROL_PATH, post(control::call).layer(DefaultBodyLimit::max(32 << 20)))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .fallback(|headers: HeaderMap, State(app): State<Arc<App>>| async move {
            refusal(&app, &headers, StatusCode::NOT_FOUND, "not_found", &[])
        })
        .method_not_allowed_fallback(wrong_method)
        .with_state(app)
}

/// Whether the process answers
#[utoipa::path(get, path = "/healthz", tag = "operation", responses((status = 200, body = String)))]
async fn alive() -> &'static str {
    "ok\n"
}

/// Whether the intake can take, and how far what it took has counted
#[utoipa::path(get, path = "/readyz", tag = "operation", responses((status = 200, body = answers::Ready)))]
async fn ready(State(app): State<Arc<App>>) -> axum::Json<answers::Ready> {
    axum::Json(answers::Ready { ready: true, backlog: app.node.backlog() })
}

/// This document
#[utoipa::path(get, path = "/v1/openapi.json", tag = "operation", responses((status = 200)))]
async fn document_page() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], openapi()).into_response()
}

/// An error in the shape that SDKs read.
fn refusal(
    app: &App,
    headers: &HeaderMap,
    status: StatusCode,
    code: &'static str,
    values: &[(&str, String)],
) -> Response {
    let message = app.messages(headers).with(&format!("http-{}", code.replace('_', "-")), values);
    (status, axum::Json(answers::Refusal { success: false, code, message })).into_response()
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
    let ending = app.clone();
    let stop = async move {
        stop.await;
        ending.ending.send_replace(true);
    };
    // Sign-ins are counted by where they come from.
    let service = router(app).into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(listener, service).with_graceful_shutdown(stop).await
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
