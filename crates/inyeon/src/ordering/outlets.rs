//! The systems that are told of orders and payments.

use std::path::PathBuf;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use channels::{Outlet, Secret, Serves, Way};
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
    pub serves: Serves,
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
        Way::Directory(_) => None,
    });
    let mut fresh = None;
    let outlet = match (settings.url, settings.directory) {
        (Some(url), None) => {
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
        (None, Some(directory)) => Outlet::directory(settings.serves, directory).map_err(refused)?,
        _ => return Err(refused(channels::OutletError::Where)),
    };
    for (other, known) in others.iter().filter(|(other, _)| **other != name) {
        let overlaps = Outlet::parse(&known.settings).is_ok_and(|known| known.serves.overlaps(outlet.serves));
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
    let (url, directory) = match &outlet.way {
        Way::Webhook(webhook) => (Some(webhook.url()), None),
        Way::Directory(directory) => (None, Some(directory.path())),
    };
    json!({ "name": name, "serves": outlet.serves.name(), "url": url, "directory": directory })
}

pub(super) fn list(node: &Node) -> Result<Value, Failure> {
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
        row["last_error"] = json!(status.last_error);
        row
    };
    Ok(known(node)?.into_iter().map(row).collect())
}

pub(super) fn disconnect(node: &Node, name: &str) -> Result<Value, Failure> {
    if !known(node)?.contains_key(name) {
        return Err(Failure::new(Kind::NotFound, "unknown-outlet").with("name", name));
    }
    node.command(EntityId::workspace(), Command::DisconnectOutlet { name: name.to_owned() })?;
    Ok(json!({ "disconnected": name }))
}
