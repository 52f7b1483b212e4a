//! What every page has around it, and the small pieces that pages are made of.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use maud::{DOCTYPE, Markup, html};

use super::{Asked, LANG_COOKIE, STYLE_NAME};
use crate::http::App;
use crate::i18n::{Lang, Messages};

/// A page's frame.
pub(super) struct Shell<'a> {
    pub(super) messages: &'a Messages,
    /// Before every path of ours, where the server stands behind one.
    pub(super) prefix: &'a str,
    /// What the company is called, where it said so.
    pub(super) company: Option<&'a str>,
    pub(super) title: String,
    /// Where this page is, from `/` on.
    pub(super) path: String,
    /// Other pages of the same kind: path and words.
    pub(super) nav: Vec<(String, String)>,
    /// At the end of the row above the page.
    pub(super) aside: Markup,
    /// What was done just now.
    pub(super) notice: Option<String>,
    pub(super) asked: &'a Asked,
}

impl Shell<'_> {
    pub(super) fn page(self, status: StatusCode, body: &Markup) -> Response {
        let Shell { messages, prefix, company, title, path, nav, aside, notice, asked } = self;
        let lang = messages.lang;
        let brand = company.unwrap_or("Inyeon");
        let page = html! {
            (DOCTYPE)
            html lang=(lang.tag()) {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    title { (title) " · " (brand) }
                    link rel="stylesheet" href={ (prefix) "/assets/" (*STYLE_NAME) };
                }
                body {
                    a.skip href="#main" { (messages.get("page-skip")) }
                    header.top {
                        div.row {
                            p.brand { (brand) }
                            (aside)
                            nav.langs aria-label=(messages.get("page-language")) {
                                @for other in Lang::ALL {
                                    @if other == lang {
                                        span aria-current="true" lang=(other.tag()) { (other.own_name()) }
                                    } @else {
                                        a href={ (prefix) (path) "?lang=" (other.tag()) } lang=(other.tag()) hreflang=(other.tag()) {
                                            (other.own_name())
                                        }
                                    }
                                }
                            }
                        }
                        @if !nav.is_empty() {
                            nav.tabs aria-label=(messages.get("page-pages")) {
                                @for (to, words) in &nav {
                                    a href={ (prefix) (to) } aria-current=[(*to == path).then_some("page")] { (words) }
                                }
                            }
                        }
                    }
                    main #main {
                        h1 { (title) }
                        @if let Some(notice) = notice {
                            p.notice role="status" { (notice) }
                        }
                        (body)
                    }
                }
            }
        };
        let mut response = answer(status, page);
        if asked.lang.as_deref().and_then(Lang::of_locale).is_some() {
            let year = 365 * 86_400;
            let cookie = format!("{LANG_COOKIE}={}; Path=/; Max-Age={year}; HttpOnly; SameSite=Lax", lang.tag());
            let cookie = HeaderValue::try_from(cookie).expect("plain ASCII");
            response.headers_mut().insert(header::SET_COOKIE, cookie);
        }
        response
    }
}

/// A page with what its reader's browser may do with it.
fn answer(status: StatusCode, page: Markup) -> Response {
    let mut response = (status, page.into_string()).into_response();
    let fixed = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
        // The address may be a key; it goes to nobody else. Within the site it does, so that forms say their origin.
        (header::REFERRER_POLICY, "same-origin"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; \
             frame-ancestors 'none'",
        ),
        (header::HeaderName::from_static("x-robots-tag"), "noindex"),
    ];
    for (name, value) in fixed {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

/// A few words in both languages at once, for somebody of whom nothing is known; `button` posts one field back.
pub(crate) fn in_both_languages(
    app: &App,
    status: StatusCode,
    title: &str,
    text: &str,
    button: Option<(&str, (&str, &str))>,
) -> Response {
    let both = [Lang::Ko, Lang::En].map(|lang| &app.messages[lang as usize]);
    let joined = |key: &str| both.map(|messages| messages.get(key)).join(" / ");
    let page = html! {
        (DOCTYPE)
        html lang="ko" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (joined(title)) }
                link rel="stylesheet" href={ (app.links.prefix()) "/assets/" (*STYLE_NAME) };
            }
            body {
                main {
                    h1 { (joined(title)) }
                    section.card {
                        @for messages in both { p lang=(messages.lang.tag()) { (messages.get(text)) } }
                        @if let Some((key, (name, value))) = button {
                            form method="post" {
                                input type="hidden" name=(name) value=(value);
                                div.actions { button.primary type="submit" { (joined(key)) } }
                            }
                        }
                    }
                }
            }
        }
    };
    answer(status, page)
}

/// One thing that can be done: a form with one button.
pub(super) fn button(action: &str, fields: &[(&str, &str)], kind: &str, words: &str) -> Markup {
    html! {
        form.inline method="post" action=(action) {
            @for (name, value) in fields {
                input type="hidden" name=(name) value=(value);
            }
            button class=(kind) type="submit" { (words) }
        }
    }
}

/// A choice out of a few in a form: its value and words.
pub(super) fn select(id: &str, name: &str, label: &str, options: &[(String, String)], chosen: &str) -> Markup {
    html! {
        div.field {
            label for=(id) { (label) }
            select id=(id) name=(name) {
                @for (value, words) in options {
                    option value=(value) selected[value == chosen] { (words) }
                }
            }
        }
    }
}

/// What something is called and what it is, a line each.
pub(super) fn list(rows: &[(String, Markup)]) -> Markup {
    html! {
        dl {
            @for (name, value) in rows {
                div { dt { (name) } dd { (value) } }
            }
        }
    }
}
