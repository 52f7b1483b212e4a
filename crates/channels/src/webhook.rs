//! One attempt to tell a system something over HTTP.

use std::time::Duration;

use ureq::http::Uri;

use crate::signature::Secret;
use crate::verdict::Verdict;

/// How long a receiver may take to answer.
const PATIENCE: Duration = Duration::from_secs(15);
/// The longest wait that a receiver may ask for.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(24 * 3600);

/// Where to, and how it is signed.
#[derive(Clone, Debug)]
pub struct Webhook {
    url: String,
    secret: Secret,
    agent: ureq::Agent,
}

/// What is said. The id is the same at every attempt.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    pub id: &'a str,
    /// Of the attempt, in seconds since 1970.
    pub timestamp: i64,
    pub body: &'a [u8],
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WebhookError {
    #[error("`{0}` is not an http or https address")]
    Address(String),
}

impl Webhook {
    pub fn new(url: &str, secret: Secret) -> Result<Self, WebhookError> {
        let wrong = || WebhookError::Address(url.chars().take(200).collect());
        let parsed: Uri = url.parse().map_err(|_| wrong())?;
        let scheme = parsed.scheme_str().unwrap_or_default();
        if !["http", "https"].contains(&scheme) || parsed.host().is_none_or(str::is_empty) {
            return Err(wrong());
        }
        Ok(Webhook { url: url.to_owned(), secret, agent: agent(PATIENCE) })
    }

    /// How long the receiver may take, where it is not a quarter of a minute.
    pub fn patience(self, patience: Duration) -> Self {
        Webhook { agent: agent(patience), ..self }
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    pub fn secret(&self) -> &Secret {
        &self.secret
    }

    /// Tells it once.
    pub fn send(&self, message: &Message<'_>) -> Verdict {
        let Message { id, timestamp, body } = *message;
        let id = header_safe(id);
        let request = self
            .agent
            .post(&self.url)
            .header("content-type", "application/json")
            .header("webhook-id", &id)
            .header("webhook-timestamp", timestamp.to_string())
            .header("webhook-signature", self.secret.sign(&id, timestamp, body));
        let response = match request.send(body) {
            Ok(response) => response,
            Err(error) => return Verdict::Again { why: error.to_string(), after: None },
        };
        let after = response.headers().get("retry-after").and_then(|value| value.to_str().ok());
        judge(response.status().as_u16(), after)
    }
}

fn agent(patience: Duration) -> ureq::Agent {
    let config = ureq::Agent::config_builder()
        .http_status_as_error(false)
        // A message goes where it was sent, or nowhere.
        .max_redirects(0)
        .max_redirects_will_error(false)
        .timeout_global(Some(patience))
        .user_agent("Inyeon")
        .build();
    config.into()
}

fn judge(status: u16, retry_after: Option<&str>) -> Verdict {
    match status {
        200..=299 => Verdict::Done,
        410 => Verdict::Gone,
        status => {
            // Seconds; a date, which it may be as well, is left to the schedule.
            let after = retry_after.and_then(|text| text.trim().parse().ok()).map(Duration::from_secs);
            let after = after.map(|after| after.min(RETRY_AFTER_MAX));
            Verdict::Again { why: format!("it answered {status}"), after }
        }
    }
}

/// An id that can stand in a header and beside the dots of what is signed: others are written in hexadecimal digits.
pub(crate) fn header_safe(id: &str) -> String {
    let safe = |b: u8| b.is_ascii_alphanumeric() || b"-_/:@".contains(&b);
    id.bytes().fold(String::with_capacity(id.len()), |mut out, b| {
        if safe(b) {
            out.push(char::from(b));
        } else {
            out.push_str(&format!("~{b:02x}"));
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_answer_means() {
        let check = |status: u16, header: Option<&str>, expect: Option<Option<u64>>| {
            let after = match judge(status, header) {
                Verdict::Done => None,
                Verdict::Again { after, .. } => Some(after.map(|after| after.as_secs())),
                other => panic!("{status} is {other:?}"),
            };
            assert_eq!(after, expect, "{status} {header:?}");
        };
        check(200, None, None);
        check(204, Some("9"), None);
        check(301, None, Some(None));
        check(400, None, Some(None));
        check(429, Some("120"), Some(Some(120)));
        check(503, Some("Wed, 21 Oct 2026 07:28:00 GMT"), Some(None));
        check(500, Some("99999999"), Some(Some(86_400)));
        assert_eq!(judge(410, None), Verdict::Gone);
    }

    #[test]
    fn an_address_is_http_and_an_id_fits_a_header() {
        let secret = Secret::from_bytes(&[7; 24]).unwrap();
        for url in ["ftp://x/y", "x", "", "http://", "/orders", "file:///etc/passwd"] {
            assert!(Webhook::new(url, secret.clone()).is_err(), "{url}");
        }
        assert!(Webhook::new("https://shop.example/orders?x=1", secret).is_ok());
        assert_eq!(
            header_safe("cus-0-1/order/주.1/0001/order.place"),
            "cus-0-1/order/~ec~a3~bc~2e1/0001/order~2eplace"
        );
    }
}
