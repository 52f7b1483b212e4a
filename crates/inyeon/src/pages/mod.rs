//! Pages that are rendered here: the customer's own, reached by a signed link, and the operator's, behind a sign-in.
//! They work without JavaScript: what is read comes by GET, what is done by a form and a redirect to what it led to.

mod customer;
mod guard;
mod layout;
mod staff;
mod words;

#[cfg(test)]
mod tests;

use std::sync::{Arc, LazyLock};

use axum::Router;
use axum::extract::Path;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use runtime::{Fold, FoldError, Node};
use serde::Deserialize;

use crate::http::App;
use crate::i18n::{Lang, Messages};

pub(crate) use self::layout::in_both_languages;
pub use self::staff::Desk;

const STYLE: &str = include_str!("style.css");
/// Its name has the hash of what is in it, so it may be kept for ever.
static STYLE_NAME: LazyLock<String> =
    LazyLock::new(|| format!("pages.{}.css", &crate::keys::sha256_hex(STYLE)[..16]));

/// The pages' paths. They are no interface for programs, so the OpenAPI document does not have them.
pub fn routes() -> Router<Arc<App>> {
    Router::new().route("/assets/{name}", get(asset)).merge(customer::routes()).merge(staff::routes())
}

async fn asset(Path(name): Path<String>) -> Response {
    if name != *STYLE_NAME {
        return StatusCode::NOT_FOUND.into_response();
    }
    let headers = [
        (header::CONTENT_TYPE, "text/css; charset=utf-8"),
        (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (headers, STYLE).into_response()
}

/// What any page's address may end with.
#[derive(Deserialize, Default)]
struct Asked {
    lang: Option<String>,
    /// What was done, as the code of its words.
    done: Option<String>,
    /// What is looked for.
    q: Option<String>,
}

/// Where the reader's wish about the language is kept.
const LANG_COOKIE: &str = "lang";

fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let all = headers.get_all(header::COOKIE).into_iter().filter_map(|value| value.to_str().ok());
    let mut pairs = all.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(known, _)| *known == name).map(|(_, value)| value)
}

/// The language of a page: as its address says, as the reader said before, as is known of them (`known`), as their
/// browser says.
fn language<'a>(app: &'a App, headers: &HeaderMap, asked: &Asked, known: Option<&str>) -> &'a Messages {
    let browser = headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
    let said = [asked.lang.as_deref(), cookie(headers, LANG_COOKIE), known, browser];
    let lang = said.into_iter().flatten().find_map(Lang::of_locale).unwrap_or(Lang::En);
    &app.messages[lang as usize]
}

/// Looks at the fold once everything counts that was acknowledged before; none where the store is closing.
async fn look<T: Send + 'static>(
    node: &Node,
    look: impl FnOnce(&mut Fold) -> Result<T, FoldError> + Send + 'static,
) -> Option<T> {
    let (told, found) = tokio::sync::oneshot::channel();
    node.ask_of_all(move |fold| drop(told.send(look(fold)))).ok()?;
    found.await.ok()?.ok()
}

/// Looks at the fold as it is, with what waits to be counted still waiting.
async fn look_now<T: Send + 'static>(
    node: &Node,
    look: impl FnOnce(&mut Fold) -> Result<T, FoldError> + Send + 'static,
) -> Option<T> {
    let (told, found) = tokio::sync::oneshot::channel();
    node.ask_then(move |fold| drop(told.send(look(fold)))).ok()?;
    found.await.ok()?.ok()
}

/// Works on the fold; what it gives is told once it is durable. None where the store is closing.
async fn act<T: Send + 'static>(
    node: &Node,
    work: impl FnOnce(&mut Fold, model::Time) -> Result<T, FoldError> + Send + 'static,
) -> Option<T> {
    let (told, done) = tokio::sync::oneshot::channel();
    node.act_on_all(work, move |done| drop(told.send(done))).ok()?;
    done.await.ok()
}

/// Goes to what a form led to.
fn see(path: &str) -> Response {
    (StatusCode::SEE_OTHER, [(header::LOCATION, path)]).into_response()
}
