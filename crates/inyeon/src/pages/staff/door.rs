//! Signing in and out.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{ConnectInfo, Form, Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use maud::html;
use model::EntityId;
use serde::Deserialize;

use super::{Filled, SESSION_COOKIE, Visit};
use crate::http::App;
use crate::pages::layout::Shell;
use crate::pages::{Asked, cookie, guard, language, look_now, see};

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct SignIn {
    name: String,
    password: String,
}

pub(super) async fn form(
    State(app): State<Arc<App>>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
) -> Response {
    shown(&app, &headers, &asked, StatusCode::OK, None, "")
}

fn shown(
    app: &App,
    headers: &HeaderMap,
    asked: &Asked,
    status: StatusCode,
    wrong: Option<&str>,
    name: &str,
) -> Response {
    let messages = language(app, headers, asked, None);
    let body = html! {
        section.card.narrow {
            @if let Some(key) = wrong { p.warn role="alert" { (messages.get(key)) } }
            form method="post" action={ (app.links.prefix()) "/ops/sign-in" } {
                div.field {
                    label for="name" { (messages.get("ops-name")) }
                    input id="name" name="name" autocomplete="username" autocapitalize="none" required value=(name);
                }
                div.field {
                    label for="password" { (messages.get("ops-password")) }
                    input id="password" name="password" type="password" autocomplete="current-password" required;
                }
                div.actions { button.primary type="submit" { (messages.get("ops-sign-in")) } }
            }
        }
        p.faint { (messages.get("ops-sign-in-help")) }
    };
    Shell {
        messages,
        prefix: app.links.prefix(),
        company: app.company.as_deref(),
        title: messages.get("ops-sign-in"),
        path: "/ops/sign-in".to_owned(),
        nav: Vec::new(),
        aside: html! {},
        notice: None,
        asked,
    }
    .page(status, &body)
}

/// From where a request comes: as the proxy on this machine says, where one stands in front.
fn from(peer: SocketAddr, headers: &HeaderMap) -> IpAddr {
    let forwarded = headers.get("x-forwarded-for").and_then(|value| value.to_str().ok());
    // The proxy adds the address it sees at the end; what stands before that anybody can write.
    let last = forwarded.and_then(|all| all.rsplit(',').next()).and_then(|last| last.trim().parse().ok());
    last.filter(|_| peer.ip().is_loopback()).unwrap_or(peer.ip())
}

pub(super) async fn sign_in(
    State(app): State<Arc<App>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    Form(given): Form<SignIn>,
) -> Response {
    let asked = Asked::default();
    let again = |status, wrong| shown(&app, &headers, &asked, status, Some(wrong), &given.name);
    if !guard::is_ours(&headers) {
        return again(StatusCode::FORBIDDEN, "page-not-from-here");
    }
    let (now, address) = (app.node.clock.now(), from(peer, &headers));
    if !app.desk.may_try(&given.name, address, now) {
        return again(StatusCode::TOO_MANY_REQUESTS, "ops-too-often");
    }
    let name = given.name.clone();
    let known = look_now(&app.node, move |fold| {
        let workspace = fold.entity(EntityId::workspace())?.workspace();
        Ok(workspace.and_then(|known| known.staff.get(&name)).cloned())
    });
    let Some(known) = known.await else { return again(StatusCode::SERVICE_UNAVAILABLE, "page-later") };
    let (worker, password) = (app.clone(), given.password.clone());
    let hashed = known.as_ref().map(|known| known.account.password.clone());
    let right = tokio::task::spawn_blocking(move || {
        // One after the other: each takes memory on purpose.
        let _alone = worker.desk.one_at_a_time();
        crate::staff::is_password(&password, hashed.as_deref())
    });
    let right = right.await.unwrap_or(false);
    let Some(known) = known.filter(|_| right) else {
        return again(StatusCode::UNAUTHORIZED, "ops-wrong");
    };
    app.desk.was_right(&given.name, address);
    let before = cookie(&headers, SESSION_COOKIE);
    let secret = app.desk.begin(&known.account.name, known.changed_at, before, now);
    let mut response = see(&format!("{}/ops", app.links.prefix()));
    set_cookie(&app, &mut response, &secret, 12 * 3_600);
    response
}

fn set_cookie(app: &App, response: &mut Response, secret: &str, seconds: u32) {
    let secure = if app.links.is_secure() { "; Secure" } else { "" };
    let prefix = app.links.prefix();
    let cookie = format!(
        "{SESSION_COOKIE}={secret}; Path={prefix}/ops; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}"
    );
    if let Ok(cookie) = HeaderValue::try_from(cookie) {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
}

pub(super) async fn sign_out(visit: Visit, Form(filled): Form<Filled>) -> Response {
    let token = crate::keys::hash_write_key(&filled.token);
    if !guard::is_ours(&visit.headers) || token != crate::keys::hash_write_key(&visit.person.form_token) {
        return visit.refused("page-not-from-here");
    }
    if let Some(secret) = cookie(&visit.headers, SESSION_COOKIE) {
        visit.app.desk.end(secret);
    }
    let mut response = see(&visit.path("/ops/sign-in"));
    set_cookie(&visit.app, &mut response, "", 0);
    response
}
