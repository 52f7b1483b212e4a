//! Whether a form comes from a page of ours. A browser says from where it sends (`Sec-Fetch-Site`); one that does not,
//! or a plain address without encryption, says by which origin (`Origin`). What says neither is no form of ours.

use axum::http::{HeaderMap, header};

/// Whether whoever sends this does so from a page of this server.
pub(super) fn is_ours(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(site) = text("sec-fetch-site") {
        return site == "same-origin";
    }
    let Some(origin) = text(header::ORIGIN.as_str()) else { return false };
    let host = text("x-forwarded-host").or_else(|| text(header::HOST.as_str()));
    origin.split_once("://").is_some_and(|(_, from)| host.is_some_and(|host| host.eq_ignore_ascii_case(from)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_pages_send_forms() {
        let check = |expect: bool, sent: &[(&'static str, &'static str)]| {
            let mut headers = HeaderMap::new();
            headers.insert("host", "shop.example".parse().unwrap());
            for (name, value) in sent {
                headers.insert(*name, value.parse().unwrap());
            }
            assert_eq!(is_ours(&headers), expect, "{sent:?}");
        };
        check(true, &[("sec-fetch-site", "same-origin")]);
        for site in ["cross-site", "same-site", "none", "", "sideways"] {
            check(false, &[("sec-fetch-site", site)]);
            // What the browser says of the site stands, whatever else is said.
            check(false, &[("sec-fetch-site", site), ("origin", "https://shop.example")]);
        }
        check(true, &[("origin", "https://shop.example")]);
        check(true, &[("origin", "http://SHOP.example")]);
        check(true, &[("origin", "https://front.example"), ("x-forwarded-host", "front.example")]);
        for origin in ["null", "https://evil.example", "https://shop.example.evil.example", "shop.example"] {
            check(false, &[("origin", origin)]);
        }
        check(false, &[]);
    }
}
