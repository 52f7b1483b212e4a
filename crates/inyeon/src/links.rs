//! Signed links to customers: what one is good for, for whom and until when, vouched for by the store's own key.
//!
//! A link is `base64url(payload).base64url(HMAC-SHA256 of the first part)`. The payload is readable; it names no more
//! than the store's own ids. Whoever has a link may do what it is good for, so it leads to one thing and ends.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use model::connection::{Link, LinkPurpose};
use model::{EntityId, Time};
use ring::hmac;
use serde::{Deserialize, Serialize};

use crate::error::{Failure, Kind};

/// Longer texts are no links of ours.
const TOKEN_MAX: usize = 1024;
const DAY_SECONDS: i64 = 86_400;

/// Signs links and reads them back.
#[derive(Clone)]
pub struct Links {
    key: hmac::Key,
    /// Without a slash at its end.
    base: String,
    /// The path of it: empty where customers reach the server at a host's root.
    prefix: String,
}

/// What a link says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Claims {
    pub purpose: LinkPurpose,
    /// The need, action or mandate that it is about; the customer where it is none of them.
    pub about: String,
    /// Whose it is, as they were known when it was made: [`runtime::Fold::head`] says who stands for them now.
    pub customer: EntityId,
    pub expires: Time,
}

/// Why a link is not followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    #[error("this is not a link of ours")]
    Malformed,
    #[error("this link is not signed by us")]
    Signature,
    #[error("this link has expired")]
    Expired,
    #[error("this link is good for something else")]
    Purpose,
}

impl LinkError {
    pub fn code(self) -> &'static str {
        match self {
            LinkError::Malformed => "link-malformed",
            LinkError::Signature => "link-signature",
            LinkError::Expired => "link-expired",
            LinkError::Purpose => "link-purpose",
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Payload {
    #[serde(rename = "p")]
    purpose: LinkPurpose,
    #[serde(rename = "a")]
    about: String,
    #[serde(rename = "c")]
    customer: String,
    /// In seconds since 1970.
    #[serde(rename = "e")]
    expires: i64,
}

/// For how long a link is good, in days. The way out of advertising outlives the two years after which consent to it
/// is asked for again.
fn days(purpose: LinkPurpose) -> i64 {
    match purpose {
        LinkPurpose::Account => 7,
        LinkPurpose::Offer | LinkPurpose::Action | LinkPurpose::Mandate => 30,
        LinkPurpose::Unsubscribe => 2 * 366,
    }
}

/// The address under which customers reach the server, checked.
pub fn public_url(text: &str) -> Result<String, Failure> {
    let wrong = || Failure::new(Kind::Usage, "public-url").with("url", text);
    let url = text.trim_end_matches('/');
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://")).ok_or_else(wrong)?;
    let sound = |c: char| c.is_ascii_alphanumeric() || "-._~:/[]%@".contains(c);
    match !rest.is_empty() && !rest.starts_with('/') && url.len() <= 200 && rest.chars().all(sound) {
        true => Ok(url.to_owned()),
        false => Err(wrong()),
    }
}

impl Links {
    /// By a store's key for links ([`store::Keys::links`]); `base` is where customers reach the server.
    pub fn new(key: &[u8; 32], base: &str) -> Self {
        let base = base.trim_end_matches('/');
        let after_scheme = base.split_once("://").map_or("", |(_, rest)| rest);
        let prefix = after_scheme.find('/').map_or("", |at| &after_scheme[at..]);
        Links {
            key: hmac::Key::new(hmac::HMAC_SHA256, key),
            prefix: prefix.to_owned(),
            base: base.to_owned(),
        }
    }

    /// What stands before every path of ours in the addresses that customers use: `/inyeon` of
    /// `https://shop.example/inyeon`, and mostly nothing.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Whether customers reach the server by an encrypted connection.
    pub fn is_secure(&self) -> bool {
        self.base.starts_with("https://")
    }

    /// The address of a link: `BASE/u/TOKEN` where it ends advertising, `BASE/c/TOKEN` where it leads to a page.
    pub fn sign(&self, link: &Link, customer: EntityId, now: Time) -> String {
        let page = if link.purpose == LinkPurpose::Unsubscribe { "u" } else { "c" };
        format!("{}/{page}/{}", self.base, self.token(link, customer, now))
    }

    fn token(&self, link: &Link, customer: EntityId, now: Time) -> String {
        let payload = Payload {
            purpose: link.purpose,
            about: link.about.clone(),
            customer: customer.to_string(),
            expires: now.0.div_euclid(1_000_000).saturating_add(days(link.purpose) * DAY_SECONDS),
        };
        let payload = serde_json::to_vec(&payload).expect("plain data serialises");
        let payload = BASE64_URL_SAFE_NO_PAD.encode(payload);
        let tag = hmac::sign(&self.key, payload.as_bytes());
        format!("{payload}.{}", BASE64_URL_SAFE_NO_PAD.encode(tag))
    }

    /// What a link says, if it is ours and still good.
    pub fn read(&self, token: &str, now: Time) -> Result<Claims, LinkError> {
        let (payload, tag) = token.split_once('.').ok_or(LinkError::Malformed)?;
        if token.len() > TOKEN_MAX {
            return Err(LinkError::Malformed);
        }
        let tag = BASE64_URL_SAFE_NO_PAD.decode(tag).map_err(|_| LinkError::Malformed)?;
        // In a time that says nothing about how much of it was right.
        hmac::verify(&self.key, payload.as_bytes(), &tag).map_err(|_| LinkError::Signature)?;
        let payload = BASE64_URL_SAFE_NO_PAD.decode(payload).map_err(|_| LinkError::Malformed)?;
        let Payload { purpose, about, customer, expires } =
            serde_json::from_slice(&payload).map_err(|_| LinkError::Malformed)?;
        let customer = customer.parse().map_err(|_| LinkError::Malformed)?;
        let expires = Time(expires.saturating_mul(1_000_000));
        if now >= expires {
            return Err(LinkError::Expired);
        }
        Ok(Claims { purpose, about, customer, expires })
    }

    /// [`Self::read`] of a link that must be good for this.
    pub fn read_for(&self, purpose: LinkPurpose, token: &str, now: Time) -> Result<Claims, LinkError> {
        let claims = self.read(token, now)?;
        if claims.purpose == purpose { Ok(claims) } else { Err(LinkError::Purpose) }
    }
}

#[cfg(test)]
mod tests {
    use model::PartitionId;

    use super::*;

    const NOW: Time = Time(1_796_000_000_000_000);

    fn links() -> Links {
        Links::new(&[7; 32], "https://shop.example/inyeon/")
    }

    fn link(purpose: LinkPurpose) -> Link {
        Link { purpose, about: "need-주1".to_owned() }
    }

    fn customer() -> EntityId {
        EntityId::customer(PartitionId(0), 42)
    }

    fn after(days: i64) -> Time {
        NOW.plus_micros(days * DAY_SECONDS * 1_000_000)
    }

    #[test]
    fn a_link_says_what_it_was_made_for_until_it_ends() {
        let check = |purpose: LinkPurpose, page: &str, days: i64| {
            let url = links().sign(&link(purpose), customer(), NOW);
            let start = format!("https://shop.example/inyeon/{page}/");
            let token = url.strip_prefix(&start).unwrap();
            assert!(
                url.len() < 300 && token.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
            );
            let claims = links().read(token, after(days).plus_micros(-1)).unwrap();
            assert_eq!(
                claims,
                Claims { purpose, about: "need-주1".to_owned(), customer: customer(), expires: after(days) }
            );
            assert_eq!(links().read(token, after(days)), Err(LinkError::Expired));
            for other in LinkPurpose::ALL {
                let read = links().read_for(other, token, NOW);
                assert_eq!(read.err(), (other != purpose).then_some(LinkError::Purpose), "{other:?}");
            }
        };
        check(LinkPurpose::Account, "c", 7);
        check(LinkPurpose::Offer, "c", 30);
        check(LinkPurpose::Action, "c", 30);
        check(LinkPurpose::Mandate, "c", 30);
        check(LinkPurpose::Unsubscribe, "u", 732);
    }

    #[test]
    fn a_changed_byte_is_refused() {
        let token = links().token(&link(LinkPurpose::Mandate), customer(), NOW);
        assert!(links().read(&token, NOW).is_ok());
        for at in 0..token.len() {
            for byte in 0..=127_u8 {
                let mut bytes = token.clone().into_bytes();
                if bytes[at] == byte {
                    continue;
                }
                bytes[at] = byte;
                let changed = String::from_utf8(bytes).unwrap();
                assert!(links().read(&changed, NOW).is_err(), "{changed}");
            }
            let mut shorter = token.clone();
            shorter.remove(at);
            assert!(links().read(&shorter, NOW).is_err(), "{shorter}");
        }
        let other = Links::new(&[8; 32], "https://shop.example");
        assert_eq!(other.read(&token, NOW), Err(LinkError::Signature));
        for wrong in ["", ".", "a.b", "..", &"x".repeat(5_000), &format!("{token}."), &format!("{token}A")] {
            assert!(links().read(wrong, NOW).is_err(), "{wrong}");
        }
        // Signed by us, and not a link all the same.
        for payload in [&b"{}"[..], b"", br#"{"p":"account","a":"","c":"nobody","e":9999999999}"#] {
            let payload = BASE64_URL_SAFE_NO_PAD.encode(payload);
            let tag = BASE64_URL_SAFE_NO_PAD.encode(hmac::sign(&links().key, payload.as_bytes()));
            assert_eq!(links().read(&format!("{payload}.{tag}"), NOW), Err(LinkError::Malformed));
        }
    }

    #[test]
    fn a_path_before_ours_is_kept() {
        let check = |base: &str, prefix: &str, secure: bool| {
            let links = Links::new(&[7; 32], base);
            assert_eq!((links.prefix(), links.is_secure()), (prefix, secure), "{base}");
        };
        check("https://shop.example/inyeon/", "/inyeon", true);
        check("https://shop.example", "", true);
        check("http://127.0.0.1:7700", "", false);
    }

    #[test]
    fn customers_reach_the_server_by_an_address() {
        let check = |text: &str, expect: Option<&str>| {
            assert_eq!(public_url(text).ok().as_deref(), expect, "{text}");
        };
        check("https://shop.example", Some("https://shop.example"));
        check("http://127.0.0.1:7700/", Some("http://127.0.0.1:7700"));
        check("https://shop.example/inyeon/", Some("https://shop.example/inyeon"));
        for wrong in [
            "shop.example",
            "ftp://x",
            "https://",
            "https:///x",
            "https://x y",
            "https://x?a=1",
            "https://x#a",
        ] {
            check(wrong, None);
        }
    }
}
