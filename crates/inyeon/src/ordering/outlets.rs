//! The systems that are told of orders and payments, or carry messages to customers.

use std::path::PathBuf;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use channels::{Address, Carrier, Outlet, Secret, Security, Sender, Serves, Smtp, Way};
use model::{Command, EntityId};
use runtime::Node;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::error::{Failure, Kind};
use crate::{keys, webhook};

/// How a system is told.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutletSettings {
    pub url: Option<String>,
    /// Made where none is given.
    pub secret: Option<String>,
    pub directory: Option<PathBuf>,
    /// E-mail, by a mail server or into the directory.
    #[serde(default)]
    pub mail: Option<MailSettings>,
    pub serves: Serves,
}

/// In whose name e-mail is written, and who carries it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MailSettings {
    pub from: String,
    pub sender_name: String,
    pub contact: String,
    pub smtp: Option<SmtpSettings>,
}

/// A mail server.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SmtpSettings {
    /// `HOST:PORT`.
    pub server: String,
    pub security: Security,
    pub user: Option<String>,
    pub password: Option<String>,
    /// Certificates (PEM).
    pub ca: Option<String>,
}

impl std::fmt::Debug for SmtpSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SmtpSettings").field("server", &self.server).finish_non_exhaustive()
    }
}

impl MailSettings {
    fn outlet(self, directory: Option<PathBuf>) -> Result<Outlet, Failure> {
        let from: Address = self
            .from
            .parse()
            .map_err(|_| Failure::new(Kind::Usage, "mail-address").with("address", &self.from))?;
        let sender = Sender { from, name: self.sender_name, contact: self.contact };
        let carrier = match (self.smtp, directory) {
            (Some(SmtpSettings { server, security, user, password, ca }), None) => {
                let mut smtp = Smtp::new(&server, security).map_err(refused)?;
                (smtp.user, smtp.password, smtp.ca) = (user, password, ca);
                Carrier::Smtp(Box::new(smtp))
            }
            (None, Some(directory)) => Carrier::Directory(directory),
            _ => return Err(refused(channels::OutletError::Where)),
        };
        Outlet::mail(sender, carrier).map_err(refused)
    }
}

fn refused(reason: impl ToString) -> Failure {
    Failure::new(Kind::Usage, "refused").with("reason", reason.to_string())
}

fn known(node: &Node) -> Result<std::collections::BTreeMap<String, engine::Outlet>, Failure> {
    Ok(node.ask(|fold| {
        fold.entity(EntityId::workspace())
            .map(|entity| entity.workspace().map(|w| w.outlets.clone()).unwrap_or_default())
    })??)
}

pub(super) fn connect(node: &Node, name: String, settings: OutletSettings) -> Result<Value, Failure> {
    webhook::check_name(&name)?;
    let others = known(node)?;
    let before = others.get(&name).and_then(|outlet| Outlet::parse(&outlet.settings).ok());
    let before = before.and_then(|outlet| match outlet.way {
        Way::Webhook(webhook) => Some(webhook.secret().clone()),
        Way::Directory(_) | Way::Mail(_) => None,
    });
    let mut fresh = None;
    let outlet = match (settings.url, settings.directory, settings.mail) {
        (None, directory, Some(mail)) => mail.outlet(directory)?,
        (Some(url), None, None) => {
            let secret = match (settings.secret.filter(|text| !text.is_empty()), before) {
                (Some(text), _) => Secret::parse(&text).map_err(refused)?,
                // A new address alone does not change who signs.
                (None, Some(secret)) => secret,
                (None, None) => {
                    let secret = new_secret()?;
                    fresh = Some(secret.reveal().to_owned());
                    secret
                }
            };
            Outlet::webhook(settings.serves, &url, secret).map_err(refused)?
        }
        (None, Some(directory), None) => Outlet::directory(settings.serves, directory).map_err(refused)?,
        _ => return Err(refused(channels::OutletError::Where)),
    };
    for (other, known) in others.iter().filter(|(other, _)| **other != name) {
        let overlaps =
            Outlet::parse(&known.settings).is_ok_and(|known| outlet.overlaps(&name, &known, other));
        if overlaps {
            return Err(Failure::new(Kind::Conflict, "outlet-overlap")
                .with("name", &name)
                .with("other", other));
        }
    }
    let command = Command::ConnectOutlet { name: name.clone(), settings: outlet.settings() };
    node.command(EntityId::workspace(), command)?;
    let mut answer = shown(&name, &outlet);
    answer["secret"] = json!(fresh);
    Ok(answer)
}

fn new_secret() -> Result<Secret, Failure> {
    let bytes: Vec<u8> = keys::random_bytes(24);
    Secret::parse(&format!("whsec_{}", BASE64_STANDARD.encode(bytes))).map_err(refused)
}

fn shown(name: &str, outlet: &Outlet) -> Value {
    let (url, directory, mail) = match &outlet.way {
        Way::Webhook(webhook) => (Some(webhook.url()), None, None),
        Way::Directory(directory) => (None, Some(directory.path()), None),
        Way::Mail(mail) => match &mail.carrier {
            Carrier::Smtp(_) => (None, None, Some(mail)),
            Carrier::Directory(directory) => (None, Some(directory.as_path()), Some(mail)),
        },
    };
    let mut shown = json!({
        "name": name, "serves": outlet.serves.name(), "url": url, "directory": directory,
    });
    if let Some(channel) = outlet.channel(name) {
        shown["channel"] = json!(channel);
    }
    if let Some(mail) = mail {
        shown["from"] = json!(mail.sender.from.to_string());
        shown["sender_name"] = json!(mail.sender.name);
        shown["contact"] = json!(mail.sender.contact);
        if let Carrier::Smtp(smtp) = &mail.carrier {
            shown["smtp"] = json!(smtp.server());
            shown["security"] = json!(smtp.security);
            shown["user"] = json!(smtp.user);
        }
    }
    shown
}

/// Those that carry messages, or the others. One that cannot be read is in both.
pub(super) fn list(node: &Node, messages: bool) -> Result<Value, Failure> {
    let status = node.outlets();
    let row = |(name, known): (String, engine::Outlet)| {
        let mut row = match Outlet::parse(&known.settings) {
            Ok(outlet) => shown(&name, &outlet),
            Err(problem) => json!({ "name": name, "problem": problem.to_string() }),
        };
        let status = status.get(&name).cloned().unwrap_or_default();
        row["connected_at"] = json!(known.connected_at.to_string());
        row["disabled"] = json!(known.disabled);
        row["waiting"] = json!(status.waiting);
        row["taken"] = json!(status.taken);
        row["failed_attempts"] = json!(status.failed_attempts);
        row["refused"] = json!(status.refused);
        row["doubtful"] = json!(status.doubtful);
        row["last_error"] = json!(status.last_error);
        row
    };
    let wanted = |(_, known): &(String, engine::Outlet)| {
        Outlet::parse(&known.settings).map_or(true, |outlet| (outlet.serves == Serves::Messages) == messages)
    };
    Ok(known(node)?.into_iter().filter(wanted).map(row).collect())
}

pub(super) fn disconnect(node: &Node, name: &str) -> Result<Value, Failure> {
    if !known(node)?.contains_key(name) {
        return Err(Failure::new(Kind::NotFound, "unknown-outlet").with("name", name));
    }
    node.command(EntityId::workspace(), Command::DisconnectOutlet { name: name.to_owned() })?;
    Ok(json!({ "disconnected": name }))
}
