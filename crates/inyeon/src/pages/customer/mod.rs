//! The customer's own page, reached by a signed link: what is known and used of them, what they set, what they
//! delegated and what came of it, and every way to change it.

mod data;
mod deeds;
mod home;
mod load;
mod mandates;
mod needs;
mod receipts;
mod settings;
mod why;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Form, Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use maud::{Markup, html};
use model::connection::LinkPurpose;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use self::deeds::{Actor, Deed};
use self::load::Known;
use super::layout::{Shell, button};
use super::words::Words;
use super::{Asked, act, guard, language, look, see};
use crate::decision;
use crate::http::App;
use crate::i18n::Messages;
use crate::links::{Claims, LinkError};

pub(super) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/c/{token}", get(root).post(done))
        .route("/c/{token}/{part}", get(part))
        .route("/c/{token}/{part}/{id}", get(one))
}

/// What a page is made from.
struct View<'a> {
    known: &'a Known,
    words: Words<'a>,
    claims: &'a Claims,
    /// Of the page: the prefix, `/c/` and the link.
    base: String,
    /// Which part of it this is.
    part: &'a str,
}

impl View<'_> {
    fn get(&self, key: &str) -> String {
        self.words.get(key)
    }

    fn path(&self, part: &str, id: &str) -> String {
        format!("{}/{part}/{}", self.base, utf8_percent_encode(id, NON_ALPHANUMERIC))
    }

    /// A button that does something, where this link is good for it.
    fn deed(&self, deed: Deed, fields: &[(&str, &str)], kind: &str, words: &str) -> Markup {
        if !deed.by(self.claims.purpose) {
            return html! {};
        }
        let mut all = vec![("deed", deed.name()), ("back", self.part)];
        all.extend(fields);
        button(&self.base, &all, kind, words)
    }

    /// The hidden fields of a form with more than a button.
    fn hidden(&self, deed: Deed, fields: &[(&str, &str)]) -> Markup {
        html! {
            input type="hidden" name="deed" value=(deed.name());
            input type="hidden" name="back" value=(self.part);
            @for (name, value) in fields {
                input type="hidden" name=(name) value=(value);
            }
        }
    }

    fn device(&self, device_id: &str) -> String {
        let known = self.known.connection().devices.get(device_id);
        known.and_then(|device| device.model.clone()).unwrap_or_else(|| device_id.to_owned())
    }
}

/// The parts of the page that a whole account has, by their paths and the keys of their titles.
const PARTS: [(&str, &str); 5] = [
    ("", "page-home"),
    ("auto", "page-auto"),
    ("settings", "page-settings"),
    ("receipts", "page-receipts"),
    ("data", "page-data"),
];

async fn root(
    State(app): State<Arc<App>>,
    Path(token): Path<String>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
) -> Response {
    show(app, token, String::new(), String::new(), asked, headers).await
}

async fn part(
    State(app): State<Arc<App>>,
    Path((token, part)): Path<(String, String)>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
) -> Response {
    show(app, token, part, String::new(), asked, headers).await
}

async fn one(
    State(app): State<Arc<App>>,
    Path((token, part, id)): Path<(String, String, String)>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
) -> Response {
    show(app, token, part, id, asked, headers).await
}

async fn show(
    app: Arc<App>,
    token: String,
    part: String,
    id: String,
    asked: Asked,
    headers: HeaderMap,
) -> Response {
    let now = app.node.clock.now();
    let claims = match app.links.read(&token, now) {
        // The way out of advertising has a page of its own.
        Ok(claims) if claims.purpose == LinkPurpose::Unsubscribe => {
            return see(&format!("{}/u/{token}", app.links.prefix()));
        }
        Ok(claims) => claims,
        Err(error) => return not_followed(&app, &headers, &asked, error),
    };
    let customer = claims.customer;
    let found = look(&app.node, move |fold| {
        let now = fold.before_backlog(now)?;
        load::load(fold, customer, now)
    });
    let known = match found.await {
        Some(Some(known)) => known,
        Some(None) => return not_followed(&app, &headers, &asked, LinkError::Malformed),
        None => return plain(&app, &headers, &asked, StatusCode::SERVICE_UNAVAILABLE, "page-later"),
    };
    let worker = app.clone();
    // Receipts are read from disk.
    let rendered = tokio::task::spawn_blocking(move || {
        render(&worker, &token, &claims, &known, (&part, &id), &asked, &headers)
    });
    match rendered.await {
        Ok(response) => response,
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

fn render(
    app: &App,
    token: &str,
    claims: &Claims,
    known: &Known,
    (part, id): (&str, &str),
    asked: &Asked,
    headers: &HeaderMap,
) -> Response {
    let profile = &known.customer.profile;
    let said = profile.text_trait("language").or_else(|| profile.text_trait("locale"));
    let messages = language(app, headers, asked, said.as_deref());
    let mut words = Words::new(messages, known.zone.clone(), &known.playbooks);
    words.items =
        known.items.iter().filter_map(|(id, (name, _))| Some((id.clone(), name.clone()?))).collect();
    let base = format!("{}/c/{token}", app.links.prefix());
    let view = View { known, words, claims, base, part };
    let is_account = claims.purpose == LinkPurpose::Account;
    let body = match (claims.purpose, part, id) {
        (LinkPurpose::Account, "", "") => Some((view.get("page-home"), home::page(&view))),
        (LinkPurpose::Account, "auto", "") => Some((view.get("page-auto"), mandates::page(&view))),
        (LinkPurpose::Account, "settings", "") => Some((view.get("page-settings"), settings::page(&view))),
        (LinkPurpose::Account, "receipts", "") => {
            let receipts = receipts::read(&app.node, known);
            Some((view.get("page-receipts"), receipts::page(&view, &receipts)))
        }
        (LinkPurpose::Account, "data", "") => Some((view.get("page-data"), data::page(&view))),
        (LinkPurpose::Account, "data.json", "") => {
            let receipts = receipts::read(&app.node, known);
            let latest = &known.connection().decisions;
            let Ok(decisions) = decision::decisions_of(&app.node, &known.members, latest) else {
                return StatusCode::INTERNAL_SERVER_ERROR.into_response();
            };
            return download(&data::export(&view, &receipts, &decisions));
        }
        (LinkPurpose::Account, "offer", id) => needs::page(&view, id),
        (LinkPurpose::Offer, "", "") => needs::page(&view, &claims.about),
        (LinkPurpose::Action, "", "") => home::action_page(&view, &claims.about),
        (LinkPurpose::Mandate, "", "") => mandates::one(&view, &claims.about),
        (_, "why", id) => decision::record_of(&app.node, id)
            .ok()
            .flatten()
            .filter(|(owner, _)| known.members.contains(owner))
            .and_then(|(_, record)| why::page(&view, &record)),
        _ => None,
    };
    let Some((title, body)) = body else {
        return plain(app, headers, asked, StatusCode::NOT_FOUND, "page-not-there");
    };
    let nav = PARTS.iter().filter(|_| is_account).map(|(part, key)| {
        let slash = if part.is_empty() { "" } else { "/" };
        (format!("/c/{token}{slash}{part}"), messages.get(key))
    });
    let notice = asked.done.as_deref().map(|done| format!("page-done-{done}"));
    let notice = notice.filter(|key| messages.has(key)).map(|key| messages.get(&key));
    let mut path = format!("/c/{token}");
    for piece in [part, id].into_iter().filter(|piece| !piece.is_empty()) {
        path.push('/');
        path.extend(utf8_percent_encode(piece, NON_ALPHANUMERIC));
    }
    Shell {
        messages,
        prefix: app.links.prefix(),
        company: app.company.as_deref(),
        title,
        path,
        nav: nav.collect(),
        aside: html! {},
        notice,
        asked,
    }
    .page(StatusCode::OK, &body)
}

fn download(data: &serde_json::Value) -> Response {
    let text = serde_json::to_string_pretty(data).expect("a value serialises");
    let headers = [
        (header::CONTENT_TYPE, "application/json; charset=utf-8"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"my-data.json\""),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (headers, text).into_response()
}

async fn done(
    State(app): State<Arc<App>>,
    Path(token): Path<String>,
    headers: HeaderMap,
    Form(form): Form<deeds::Form>,
) -> Response {
    let asked = Asked::default();
    let claims = match app.links.read(&token, app.node.clock.now()) {
        Ok(claims) => claims,
        Err(error) => return not_followed(&app, &headers, &asked, error),
    };
    if !guard::is_ours(&headers) {
        return plain(&app, &headers, &asked, StatusCode::FORBIDDEN, "page-not-from-here");
    }
    let part = PARTS.iter().map(|(part, _)| *part).find(|part| *part == form.back);
    let back = match (part, form.back.split_once('/')) {
        (Some(""), _) => String::new(),
        (Some(part), _) => format!("/{part}"),
        (None, Some(("offer", id))) => format!("/offer/{}", utf8_percent_encode(id, NON_ALPHANUMERIC)),
        _ => String::new(),
    };
    let payee = app.company.clone().unwrap_or_else(|| unnamed(&app, &headers, &asked));
    let fresh = crate::ordering::fresh_id();
    let work = move |fold: &mut runtime::Fold, now| {
        let actor = Actor { claims: &claims, payee: &payee, fresh: &fresh };
        deeds::run(fold, &actor, &form, now)
    };
    match act(&app.node, work).await {
        Some(said) => see(&format!("{}/c/{token}{back}?done={said}", app.links.prefix())),
        None => plain(&app, &headers, &asked, StatusCode::SERVICE_UNAVAILABLE, "page-later"),
    }
}

/// What the company is called where nobody said.
fn unnamed(app: &App, headers: &HeaderMap, asked: &Asked) -> String {
    language(app, headers, asked, None).get("page-company-unnamed")
}

fn not_followed(app: &App, headers: &HeaderMap, asked: &Asked, error: LinkError) -> Response {
    match error {
        LinkError::Expired => plain(app, headers, asked, StatusCode::GONE, "page-link-expired"),
        _ => plain(app, headers, asked, StatusCode::NOT_FOUND, "page-link-unknown"),
    }
}

/// A page with one text on it; nothing of the customer stands there.
fn plain(app: &App, headers: &HeaderMap, asked: &Asked, status: StatusCode, key: &str) -> Response {
    let messages: &Messages = language(app, headers, asked, None);
    Shell {
        messages,
        prefix: app.links.prefix(),
        company: app.company.as_deref(),
        title: messages.get(&format!("{key}-title")),
        path: "/c/-".to_owned(),
        nav: Vec::new(),
        aside: html! {},
        notice: None,
        asked,
    }
    .page(status, &html! { p { (messages.get(key)) } })
}
