//! A system that is told of orders and payments, or carries messages to customers: where it is, and what it takes.

use std::path::PathBuf;

use model::connection::Message;
use model::{Effect, EffectKind};
use serde::{Deserialize, Serialize};

use crate::directory::Directory;
use crate::letter::Sender;
use crate::mail::{Carrier, Mail};
use crate::outbox::{MAIL_SCHEDULE, SCHEDULE, Schedule};
use crate::said::{Parcel, SayError, message_of};
use crate::signature::{Secret, SecretError};
use crate::smtp::{Smtp, SmtpError};
use crate::verdict::Verdict;
use crate::webhook::{self, Webhook, WebhookError};

/// The channel of messages that e-mail carries.
pub const EMAIL: &str = "email";

/// What a system takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Serves {
    /// Orders and payments; not messages, which are not about what was ordered.
    #[default]
    Everything,
    Orders,
    Payments,
    /// Messages to customers, of one channel.
    Messages,
}

impl Serves {
    pub fn takes(self, kind: EffectKind) -> bool {
        let payment = kind.name().starts_with("payment.");
        match self {
            Serves::Everything => kind.is_binding(),
            Serves::Orders => kind.is_binding() && !payment,
            Serves::Payments => payment,
            Serves::Messages => kind == EffectKind::MessageSend,
        }
    }

    /// Whether two systems would be told of the same orders or payments.
    fn overlaps(self, other: Serves) -> bool {
        let all = |serves| serves == Serves::Everything;
        match (self, other) {
            (Serves::Messages, _) | (_, Serves::Messages) => false,
            _ => self == other || all(self) || all(other),
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Serves::Everything => "everything",
            Serves::Orders => "orders",
            Serves::Payments => "payments",
            Serves::Messages => "messages",
        }
    }
}

/// As it is kept: JSON with the secrets in it.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    #[serde(default)]
    serves: Serves,
    url: Option<String>,
    secret: Option<String>,
    directory: Option<PathBuf>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    mail: Option<MailSettings>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct MailSettings {
    sender: Sender,
    smtp: Option<Smtp>,
    directory: Option<PathBuf>,
}

/// How it is told.
#[derive(Clone, Debug)]
pub enum Way {
    /// It knows a message by its id, so that one may be sent again.
    Webhook(Box<Webhook>),
    /// It can be looked into.
    Directory(Directory),
    /// It carries messages to customers.
    Mail(Box<Mail>),
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
    #[error("e-mail carries messages and nothing else")]
    MailServes,
    #[error("e-mail needs the sender's name and how to reach them")]
    Nameless,
    #[error("`{0}` is not an absolute path")]
    Relative(PathBuf),
    #[error(transparent)]
    Secret(#[from] SecretError),
    #[error(transparent)]
    Webhook(#[from] WebhookError),
    #[error(transparent)]
    Smtp(#[from] SmtpError),
}

fn absolute(path: PathBuf) -> Result<PathBuf, OutletError> {
    if path.is_absolute() { Ok(path) } else { Err(OutletError::Relative(path)) }
}

impl Outlet {
    pub fn webhook(serves: Serves, url: &str, secret: Secret) -> Result<Self, OutletError> {
        Ok(Outlet { serves, way: Way::Webhook(Box::new(Webhook::new(url, secret)?)) })
    }

    pub fn directory(serves: Serves, path: PathBuf) -> Result<Self, OutletError> {
        Ok(Outlet { serves, way: Way::Directory(Directory::new(absolute(path)?)) })
    }

    /// E-mail in a sender's name.
    pub fn mail(sender: Sender, carrier: Carrier) -> Result<Self, OutletError> {
        let nameless = |text: &String| text.trim().is_empty() || text.chars().any(char::is_control);
        if [&sender.name, &sender.contact].into_iter().any(nameless) {
            return Err(OutletError::Nameless);
        }
        let carrier = match carrier {
            Carrier::Smtp(smtp) => {
                smtp.check()?;
                Carrier::Smtp(smtp)
            }
            Carrier::Directory(path) => Carrier::Directory(absolute(path)?),
        };
        Ok(Outlet { serves: Serves::Messages, way: Way::Mail(Box::new(Mail { sender, carrier })) })
    }

    pub fn parse(settings: &str) -> Result<Self, OutletError> {
        let Settings { serves, url, secret, directory, mail } =
            serde_json::from_str(settings).map_err(|error| OutletError::Settings(error.to_string()))?;
        match (url, secret, directory, mail) {
            (Some(url), Some(secret), None, None) => Self::webhook(serves, &url, Secret::parse(&secret)?),
            (None, None, Some(directory), None) => Self::directory(serves, directory),
            (None, None, None, Some(_)) if serves != Serves::Messages => Err(OutletError::MailServes),
            (None, None, None, Some(MailSettings { sender, smtp, directory })) => match (smtp, directory) {
                (Some(smtp), None) => Self::mail(sender, Carrier::Smtp(Box::new(smtp))),
                (None, Some(directory)) => Self::mail(sender, Carrier::Directory(directory)),
                _ => Err(OutletError::Where),
            },
            _ => Err(OutletError::Where),
        }
    }

    /// As [`Self::parse`] reads it.
    pub fn settings(&self) -> String {
        let blank = Settings { serves: self.serves, url: None, secret: None, directory: None, mail: None };
        let settings = match &self.way {
            Way::Webhook(webhook) => Settings {
                url: Some(webhook.url().to_owned()),
                secret: Some(webhook.secret().reveal().to_owned()),
                ..blank
            },
            Way::Directory(directory) => Settings { directory: Some(directory.path().to_owned()), ..blank },
            Way::Mail(mail) => {
                let (smtp, directory) = match &mail.carrier {
                    Carrier::Smtp(smtp) => (Some(Smtp::clone(smtp)), None),
                    Carrier::Directory(directory) => (None, Some(directory.clone())),
                };
                let sender = mail.sender.clone();
                Settings { mail: Some(MailSettings { sender, smtp, directory }), ..blank }
            }
        };
        serde_json::to_string(&settings).expect("plain data serialises")
    }

    /// The channel whose messages go to this system, which is called `name`; `None` where it takes no messages.
    pub fn channel<'a>(&self, name: &'a str) -> Option<&'a str> {
        match &self.way {
            Way::Mail(_) => Some(EMAIL),
            Way::Webhook(_) | Way::Directory(_) => (self.serves == Serves::Messages).then_some(name),
        }
    }

    /// Whether an effect is for this system, which is called `name`.
    pub fn takes(&self, name: &str, effect: &Effect) -> bool {
        self.serves.takes(effect.kind)
            && (effect.kind != EffectKind::MessageSend
                || message_of(effect)
                    .is_ok_and(|Message { channel, .. }| Some(&*channel) == self.channel(name)))
    }

    /// Whether two systems of these names would be told of the same.
    pub fn overlaps(&self, name: &str, other: &Outlet, other_name: &str) -> bool {
        let same_channel =
            self.channel(name).is_some_and(|channel| Some(channel) == other.channel(other_name));
        self.serves.overlaps(other.serves) || same_channel
    }

    /// Whether it may be told again what it may have: it knows a message by its id, or can be looked into.
    pub fn knows_again(&self) -> bool {
        match &self.way {
            Way::Webhook(_) | Way::Directory(_) => true,
            Way::Mail(mail) => matches!(mail.carrier, Carrier::Directory(_)),
        }
    }

    /// When it is told again, where nobody says otherwise.
    pub fn schedule(&self) -> Schedule {
        if self.knows_again() { SCHEDULE } else { MAIL_SCHEDULE }
    }

    /// Tells it once.
    pub fn send(&self, parcel: &Parcel<'_>) -> Verdict {
        let document = || {
            parcel.document().map_err(|error| match error {
                SayError::NoLinks => Verdict::Again { why: error.to_string(), after: None },
                SayError::Unreadable(_) => Verdict::Refused { why: error.to_string() },
            })
        };
        match &self.way {
            Way::Webhook(webhook) => match document() {
                Ok(document) => {
                    let timestamp = parcel.now.0.div_euclid(1_000_000);
                    let body = document.to_string();
                    webhook.send(&webhook::Message {
                        id: &parcel.effect.key,
                        timestamp,
                        body: body.as_bytes(),
                    })
                }
                Err(verdict) => verdict,
            },
            Way::Directory(directory) => match document() {
                Ok(document) => match directory.write_document(parcel.effect, document) {
                    Ok(()) => Verdict::Done,
                    Err(error) => Verdict::Again { why: error.to_string(), after: None },
                },
                Err(verdict) => verdict,
            },
            Way::Mail(mail) => mail.send(parcel),
        }
    }
}

#[cfg(test)]
mod tests {
    use model::connection::MessageClass;

    use super::*;
    use crate::smtp::Security;

    fn sender() -> Sender {
        Sender {
            from: "shop@inyeon.example".parse().unwrap(),
            name: "Inyeon".to_owned(),
            contact: "02-123-4567".to_owned(),
        }
    }

    fn by_smtp() -> Carrier {
        let mut smtp = Smtp::new("mail.example:587", Security::Starttls).unwrap();
        (smtp.user, smtp.password) = (Some("u".to_owned()), Some("p".to_owned()));
        Carrier::Smtp(Box::new(smtp))
    }

    #[test]
    fn settings_are_read_as_they_were_written() {
        let secret = Secret::from_bytes(&[7; 24]).unwrap();
        let outlets = [
            Outlet::webhook(Serves::Payments, "https://pay.example/hook", secret).unwrap(),
            Outlet::directory(Serves::Orders, "/var/orders".into()).unwrap(),
            Outlet::mail(sender(), by_smtp()).unwrap(),
            Outlet::mail(sender(), Carrier::Directory("/var/mail".into())).unwrap(),
        ];
        for outlet in outlets {
            let text = outlet.settings();
            assert_eq!(Outlet::parse(&text).unwrap().settings(), text);
        }
        // As they were kept before there was mail.
        let old = r#"{"serves":"orders","url":null,"secret":null,"directory":"/x"}"#;
        assert_eq!(Outlet::parse(old).unwrap().settings(), old);
        for wrong in [
            "",
            "{}",
            r#"{"url":"http://x"}"#,
            r#"{"directory":"x"}"#,
            r#"{"directory":"/x","url":"http://x"}"#,
            r#"{"serves":"messages","mail":{"sender":{"from":"a@b.example","name":"a","contact":"b"}}}"#,
            r#"{"mail":{"sender":{"from":"a@b.example","name":"a","contact":"b"},"directory":"/x"}}"#,
        ] {
            assert!(Outlet::parse(wrong).is_err(), "{wrong}");
        }
        let nameless = Sender { contact: " ".to_owned(), ..sender() };
        assert_eq!(Outlet::mail(nameless, by_smtp()).unwrap_err(), OutletError::Nameless);
    }

    #[test]
    fn a_system_takes_what_it_serves() {
        use EffectKind::*;
        let check =
            |serves: Serves, kind: EffectKind, expect| assert_eq!(serves.takes(kind), expect, "{kind:?}");
        check(Serves::Everything, OrderPlace, true);
        check(Serves::Everything, CustomerNotify, false);
        check(Serves::Everything, MessageSend, false);
        check(Serves::Orders, PaymentCapture, false);
        check(Serves::Payments, PaymentCapture, true);
        check(Serves::Messages, MessageSend, true);
        check(Serves::Messages, OrderPlace, false);
        assert!(!Serves::Orders.overlaps(Serves::Payments) && Serves::Everything.overlaps(Serves::Orders));
    }

    fn message(channel: &str) -> Effect {
        let message = Message {
            message_id: "m".to_owned(),
            class: MessageClass::Transactional,
            channel: channel.to_owned(),
            category: "ink".to_owned(),
            template: "t".to_owned(),
            language: "en".to_owned(),
            to: None,
            subject: String::new(),
            text: String::new(),
            link: None,
            need_id: None,
            decision_id: None,
        };
        Effect {
            key: "k".to_owned(),
            kind: EffectKind::MessageSend,
            promise_id: None,
            order_id: None,
            reason: "said".to_owned(),
            body: Some(serde_json::to_string(&message).unwrap()),
        }
    }

    #[test]
    fn messages_go_where_their_channel_goes() {
        let secret = || Secret::from_bytes(&[7; 24]).unwrap();
        let hook = |serves| Outlet::webhook(serves, "https://x.example", secret()).unwrap();
        let mail = Outlet::mail(sender(), by_smtp()).unwrap();
        let laid = Outlet::mail(sender(), Carrier::Directory("/var/mail".into())).unwrap();
        let app = hook(Serves::Messages);
        assert!(mail.takes("post", &message("email")) && !mail.takes("post", &message("post")));
        assert!(app.takes("app", &message("app")) && !app.takes("app", &message("email")));
        assert!(!hook(Serves::Everything).takes("app", &message("app")));
        assert!(mail.overlaps("post", &laid, "files"), "both would carry e-mail");
        assert!(!mail.overlaps("post", &app, "app"));
        assert!(!app.overlaps("app", &hook(Serves::Everything), "shop"));
        assert!(app.overlaps("email", &mail, "post"));
        assert!(!mail.knows_again() && laid.knows_again() && app.knows_again());
    }
}
