//! The operator's pages: promises at risk and what can be done for them, automatic orders, decisions, customers, and the
//! switch that stops everything. Behind a sign-in; what a role may do stands in one table ([`access`]).

mod access;
mod autos;
mod customers;
mod decisions;
mod door;
mod sessions;
mod switch;
mod today;

#[cfg(test)]
pub(super) use self::routes_table::ROUTES;
pub use self::sessions::Desk;

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Router;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use maud::{Markup, html};
use model::{EntityId, Role, Time};
use serde::Deserialize;

use self::access::{Right, may};
use super::layout::Shell;
use super::words::Words;
use super::{Asked, cookie, guard, language, look_now, see};
use crate::http::App;
use crate::i18n::Messages;

/// The name of the cookie with the session's secret.
const SESSION_COOKIE: &str = "inyeon_ops";

pub(super) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/ops/sign-in", get(door::form).post(door::sign_in))
        .route("/ops/sign-out", post(door::sign_out))
        .route("/ops", get(today::page))
        .route("/ops/remedy", post(today::remedy))
        .route("/ops/orders", get(autos::page))
        .route("/ops/dispute", post(autos::settle))
        .route("/ops/decisions", get(decisions::page))
        .route("/ops/decisions/{id}", get(decisions::one))
        .route("/ops/customers", get(customers::page))
        .route("/ops/customers/{id}", get(customers::one))
        .route("/ops/stop", post(switch::stop))
        .route("/ops/start", post(switch::start))
}

/// For the tests, which know neither the table nor its names.
#[cfg(test)]
pub(super) fn role_may(role: Role, right: Right) -> bool {
    may(&BTreeSet::from([role]), right)
}

#[cfg(test)]
mod routes_table {
    use super::access::Right;

    /// Every path behind the sign-in, and what it takes; the tests try each with each role.
    pub(in crate::pages) const ROUTES: [(&str, &str, Right); 10] = [
        ("GET", "/ops", Right::SeeRisk),
        ("POST", "/ops/remedy", Right::Remedy),
        ("GET", "/ops/orders", Right::SeeAutoOrders),
        ("POST", "/ops/dispute", Right::SettleDispute),
        ("GET", "/ops/decisions", Right::SeeDecisions),
        ("GET", "/ops/decisions/d-1", Right::SeeDecisions),
        ("GET", "/ops/customers", Right::SeeCustomers),
        ("GET", "/ops/customers/cus-0-1", Right::SeeCustomers),
        ("POST", "/ops/stop", Right::StopAll),
        ("POST", "/ops/start", Right::StartAll),
    ];
}

/// Somebody who is signed in.
#[derive(Clone, Debug)]
struct Person {
    name: String,
    roles: BTreeSet<Role>,
    form_token: String,
}

impl Person {
    fn may(&self, right: Right) -> bool {
        may(&self.roles, right)
    }
}

/// A request of somebody who is signed in; anybody else is led to the sign-in.
struct Visit {
    app: Arc<App>,
    person: Person,
    asked: Asked,
    headers: HeaderMap,
}

impl FromRequestParts<Arc<App>> for Visit {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Response> {
        let asked = axum::extract::Query::<Asked>::from_request_parts(parts, app).await;
        let asked = asked.map(|query| query.0).unwrap_or_default();
        match person(app, &parts.headers).await {
            Some(person) => Ok(Visit { app: app.clone(), person, asked, headers: parts.headers.clone() }),
            None => Err(see(&format!("{}/ops/sign-in", app.links.prefix()))),
        }
    }
}

/// Who is signed in, as their account is now.
async fn person(app: &App, headers: &HeaderMap) -> Option<Person> {
    let now = app.node.clock.now();
    let secret = cookie(headers, SESSION_COOKIE)?;
    let session = app.desk.find(secret, now)?;
    let name = session.name.clone();
    let account = look_now(&app.node, move |fold| {
        let workspace = fold.entity(EntityId::workspace())?.workspace();
        Ok(workspace.and_then(|known| known.staff.get(&name)).cloned())
    });
    match account.await? {
        Some(known) if known.changed_at == session.account_changed_at => Some(Person {
            name: session.name,
            roles: known.account.roles,
            form_token: session.form_token,
        }),
        // Removed, or changed since: the session is good for nothing any more.
        _ => {
            app.desk.end(secret);
            None
        }
    }
}

/// What any form of these pages says.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Filled {
    token: String,
    promise: String,
    kind: String,
    customer: String,
    action: String,
    refund: String,
}

/// The pages' parts, by the right that each takes.
const PARTS: [(&str, &str, Right); 4] = [
    ("/ops", "ops-today", Right::SeeRisk),
    ("/ops/orders", "ops-orders", Right::SeeAutoOrders),
    ("/ops/decisions", "ops-decisions", Right::SeeDecisions),
    ("/ops/customers", "ops-customers", Right::SeeCustomers),
];

impl Visit {
    fn messages(&self) -> &Messages {
        language(&self.app, &self.headers, &self.asked, None)
    }

    fn path(&self, path: &str) -> String {
        format!("{}{path}", self.app.links.prefix())
    }

    fn words(&self, zone: String, playbooks: &engine::playbook::Playbooks) -> Words<'_> {
        Words::new(self.messages(), zone, playbooks)
    }

    /// Whether this may be looked at; the answer where not.
    fn must(&self, right: Right) -> Result<(), Response> {
        if self.person.may(right) { Ok(()) } else { Err(self.refused("ops-may-not")) }
    }

    /// Whether a form may be acted on: it is of this session, from a page of ours, and by somebody who may.
    fn must_by_form(&self, right: Right, filled: &Filled) -> Result<(), Response> {
        let ours = guard::is_ours(&self.headers);
        let token = crate::keys::hash_write_key(&filled.token);
        if !ours || token != crate::keys::hash_write_key(&self.person.form_token) {
            return Err(self.refused("page-not-from-here"));
        }
        self.must(right)
    }

    fn refused(&self, key: &str) -> Response {
        let messages = self.messages();
        let title = messages.get(&format!("{key}-title"));
        let body = html! { p { (messages.get(key)) } };
        self.shell(title, "/ops", html! {}).page(StatusCode::FORBIDDEN, &body)
    }

    fn not_there(&self) -> Response {
        let messages = self.messages();
        let body = html! { p { (messages.get("page-not-there")) } };
        self.shell(messages.get("page-not-there-title"), "/ops", html! {}).page(StatusCode::NOT_FOUND, &body)
    }

    fn later(&self) -> Response {
        let messages = self.messages();
        let body = html! { p { (messages.get("page-later")) } };
        self.shell(messages.get("page-later-title"), "/ops", html! {})
            .page(StatusCode::SERVICE_UNAVAILABLE, &body)
    }

    fn shell(&self, title: String, path: &str, stop: Markup) -> Shell<'_> {
        let messages = self.messages();
        let nav = PARTS.iter().filter(|(.., right)| self.person.may(*right));
        let nav = nav.map(|(path, key, _)| ((*path).to_owned(), messages.get(key)));
        let notice = self.asked.done.as_deref().map(|done| format!("ops-done-{done}"));
        let notice = notice.filter(|key| messages.has(key)).map(|key| messages.get(&key));
        let aside = html! {
            (stop)
            form.inline method="post" action=(self.path("/ops/sign-out")) {
                input type="hidden" name="token" value=(self.person.form_token);
                button.plain type="submit" { (messages.get("ops-sign-out")) " (" (self.person.name) ")" }
            }
        };
        Shell {
            messages,
            prefix: self.app.links.prefix(),
            company: self.app.company.as_deref(),
            title,
            path: path.to_owned(),
            nav: nav.collect(),
            aside,
            notice,
            asked: &self.asked,
        }
    }

    /// A whole page: with the switch, and how it stands.
    async fn page(&self, title: String, path: &str, body: Markup) -> Response {
        let Some(switch) = switch::state(&self.app).await else { return self.later() };
        let body = html! { (switch::banner(self, &switch)) (body) };
        self.shell(title, path, switch::button(self, &switch)).page(StatusCode::OK, &body)
    }

    /// A form with one button, of this session.
    fn button(&self, path: &str, fields: &[(&str, &str)], kind: &str, words: &str) -> Markup {
        let mut all = vec![("token", self.person.form_token.as_str())];
        all.extend(fields);
        super::layout::button(&self.path(path), &all, kind, words)
    }

    /// Works away from the threads that answer; `None` where it failed.
    async fn off<T: Send + 'static>(
        &self,
        work: impl FnOnce(&App) -> Result<T, crate::error::Failure> + Send + 'static,
    ) -> Option<Result<T, crate::error::Failure>> {
        let app = self.app.clone();
        tokio::task::spawn_blocking(move || work(&app)).await.ok()
    }
}

/// The company's zone, in which staff read times, and the playbooks by which categories have their names.
async fn setting(app: &App) -> Option<(String, engine::playbook::Playbooks)> {
    look_now(&app.node, |fold| {
        let reference = fold.reference();
        Ok((reference.promising.time_zone.clone(), reference.playbooks.clone()))
    })
    .await
}

/// A customer as staff see them: by name for those who may know it, by number for others.
fn customer(visit: &Visit, entity: &str, name: Option<&str>) -> Markup {
    if !visit.person.may(Right::SeeCustomers) {
        return html! { (entity) };
    }
    html! { a href=(visit.path(&format!("/ops/customers/{entity}"))) { (name.unwrap_or(entity)) } }
}

/// `3:05` hours and minutes, or days where there are many.
fn left(words: &Words<'_>, minutes: i64) -> String {
    match minutes {
        ..=0 => words.get("risk-too-late"),
        1..2_880 => format!("{}:{:02}", minutes / 60, minutes % 60),
        _ => words.with("risk-days", &[("days", (minutes / 1_440).to_string())]),
    }
}

/// An instant of a JSON answer, as people read it.
fn moment(words: &Words<'_>, value: &serde_json::Value) -> String {
    value.as_str().and_then(Time::parse).map_or_else(|| "–".to_owned(), |at| words.moment(at))
}

fn not_done(visit: &Visit, path: &str, code: &str) -> Response {
    let known = visit.messages().has(&format!("ops-done-{code}"));
    let code = if known { code } else { "not" };
    see(&visit.path(&format!("{path}?done={code}"))).into_response()
}
