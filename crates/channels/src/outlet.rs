//! A system that is told of orders and payments: where it is, and which of the two it takes.

use std::path::PathBuf;

use model::{Effect, EffectKind};
use serde::{Deserialize, Serialize};

use crate::directory::Directory;
use crate::signature::{Secret, SecretError};
use crate::webhook::{Message, Verdict, Webhook, WebhookError};

/// What a system takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Serves {
    #[default]
    Everything,
    Orders,
    Payments,
}

impl Serves {
    pub fn takes(self, kind: EffectKind) -> bool {
        let payment = kind.name().starts_with("payment.");
        kind.is_binding()
            && match self {
                Serves::Everything => true,
                Serves::Orders => !payment,
                Serves::Payments => payment,
            }
    }

    /// Whether two systems would be told of the same.
    pub fn overlaps(self, other: Serves) -> bool {
        self == other || self == Serves::Everything || other == Serves::Everything
    }

    pub fn name(self) -> &'static str {
        match self {
            Serves::Everything => "everything",
            Serves::Orders => "orders",
            Serves::Payments => "payments",
        }
    }
}

/// As it is kept: JSON with the secret in it.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    #[serde(default)]
    serves: Serves,
    url: Option<String>,
    secret: Option<String>,
    directory: Option<PathBuf>,
}

/// How it is told.
#[derive(Clone, Debug)]
pub enum Way {
    /// It knows a message by its id, so that one may be sent again.
    Webhook(Box<Webhook>),
    /// It can be looked into.
    Directory(Directory),
}

#[derive(Clone, Debug)]
pub struct Outlet {
    pub serves: Serves,
    pub way: Way,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OutletError {
    #[error("the settings cannot be read: {0}")]
    Settings(String),
    #[error("either an address or a directory")]
    Where,
    #[error("`{0}` is not an absolute path")]
    Relative(PathBuf),
    #[error(transparent)]
    Secret(#[from] SecretError),
    #[error(transparent)]
    Webhook(#[from] WebhookError),
}

impl Outlet {
    pub fn webhook(serves: Serves, url: &str, secret: Secret) -> Result<Self, OutletError> {
        Ok(Outlet { serves, way: Way::Webhook(Box::new(Webhook::new(url, secret)?)) })
    }

    pub fn directory(serves: Serves, path: PathBuf) -> Result<Self, OutletError> {
        match path.is_absolute() {
            true => Ok(Outlet { serves, way: Way::Directory(Directory::new(path)) }),
            false => Err(OutletError::Relative(path)),
        }
    }

    pub fn parse(settings: &str) -> Result<Self, OutletError> {
        let Settings { serves, url, secret, directory } =
            serde_json::from_str(settings).map_err(|error| OutletError::Settings(error.to_string()))?;
        match (url, secret, directory) {
            (Some(url), Some(secret), None) => Self::webhook(serves, &url, Secret::parse(&secret)?),
            (None, None, Some(directory)) => Self::directory(serves, directory),
            _ => Err(OutletError::Where),
        }
    }

    /// As [`Self::parse`] reads it.
    pub fn settings(&self) -> String {
        let (url, secret, directory) = match &self.way {
            Way::Webhook(webhook) => {
                (Some(webhook.url().to_owned()), Some(webhook.secret().reveal().to_owned()), None)
            }
            Way::Directory(directory) => (None, None, Some(directory.path().to_owned())),
        };
        let settings = Settings { serves: self.serves, url, secret, directory };
        serde_json::to_string(&settings).expect("plain data serialises")
    }

    /// Tells it once; `now` is in seconds since 1970.
    pub fn send(&self, effect: &Effect, now: i64) -> Verdict {
        match &self.way {
            Way::Webhook(webhook) => {
                let body = crate::document(effect).to_string();
                webhook.send(&Message { id: &effect.key, timestamp: now, body: body.as_bytes() })
            }
            Way::Directory(directory) => match directory.write(effect) {
                Ok(()) => Verdict::Done,
                Err(error) => Verdict::Again { why: error.to_string(), after: None },
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read_as_they_were_written() {
        let secret = Secret::from_bytes(&[7; 24]).unwrap();
        let outlets = [
            Outlet::webhook(Serves::Payments, "https://pay.example/hook", secret).unwrap(),
            Outlet::directory(Serves::Orders, "/var/orders".into()).unwrap(),
        ];
        for outlet in outlets {
            let text = outlet.settings();
            assert_eq!(Outlet::parse(&text).unwrap().settings(), text);
        }
        for wrong in [
            "",
            "{}",
            r#"{"url":"http://x"}"#,
            r#"{"directory":"x"}"#,
            r#"{"directory":"/x","url":"http://x"}"#,
        ] {
            assert!(Outlet::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_system_takes_what_it_serves() {
        use EffectKind::*;
        let check =
            |serves: Serves, kind: EffectKind, expect| assert_eq!(serves.takes(kind), expect, "{kind:?}");
        check(Serves::Everything, OrderPlace, true);
        check(Serves::Everything, CustomerNotify, false);
        check(Serves::Orders, PaymentCapture, false);
        check(Serves::Payments, PaymentCapture, true);
        assert!(!Serves::Orders.overlaps(Serves::Payments) && Serves::Everything.overlaps(Serves::Orders));
    }
}
