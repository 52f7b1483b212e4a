//! Connecting, listing and disconnecting brokers in the workspace.

use std::collections::BTreeSet;

use model::{Command, EntityId, Outcome};
use runtime::Node;
use serde_json::{Value, json};

use super::settings::Settings;
use super::{SOURCE, connected};
use crate::error::{Failure, Kind};
use crate::webhook;

/// Keeps a broker's settings; a name that is connected gets new ones and keeps its session, unless it is given another
/// client id.
pub fn connect(node: &Node, name: &str, mut settings: Settings) -> Result<Value, Failure> {
    check_name(name)?;
    if settings.source.is_empty() {
        settings.source = format!("{SOURCE}{name}");
    }
    let before = match connected(node)?.remove(name) {
        Some(before) => Some(Settings::from_json(&before)?),
        None => None,
    };
    if settings.client_id.is_empty() {
        // The broker knows the session by it: it stays the same for ever, also where the broker moves or is called
        // otherwise.
        settings.client_id = match &before {
            Some(before) => before.client_id.clone(),
            None => format!("inyeon-{name}-{}", crate::keys::random_hex(4)),
        };
    }
    settings.check(name)?;
    let topics = settings.map(name)?.topic_filters();
    if let Some(before) = before.filter(|before| before.client_id == settings.client_id) {
        // The session may still have the topics of the map before; at a broker that knows none of them nothing is lost
        // by saying so.
        let of_before = before.map(name).map(|map| map.topic_filters()).unwrap_or_default();
        let former: BTreeSet<String> = before.former.iter().cloned().chain(of_before).collect();
        settings.former = former.into_iter().filter(|filter| !topics.contains(filter)).collect();
    }
    let command = Command::ConnectBroker { name: name.to_owned(), settings: settings.to_json() };
    node.command(EntityId::workspace(), command)?;
    node.drain()?;
    Ok(json!({
        "name": name, "url": settings.url, "client_id": settings.client_id, "source": settings.source,
        "topics": topics,
    }))
}

/// All that are connected, without their passwords.
pub fn list(node: &Node) -> Result<Value, Failure> {
    let brokers = node.ask(|fold| {
        fold.entity(EntityId::workspace()).map(|entity| {
            let brokers = entity.workspace().map(|w| w.brokers.clone()).unwrap_or_default();
            brokers.into_iter().map(|(name, b)| (name, b.settings, b.connected_at)).collect::<Vec<_>>()
        })
    })??;
    let row = |(name, text, at): (String, String, model::Time)| {
        let settings = match Settings::from_json(&text) {
            Ok(settings) => settings,
            Err(failure) => return json!({ "name": name, "problem": failure.to_string() }),
        };
        let map = settings.map(&name);
        json!({
            "name": name, "url": settings.url, "mqtt": settings.mqtt, "username": settings.username,
            "client_id": settings.client_id, "source": settings.source, "connected_at": at.to_string(),
            "topics": map.as_ref().map(|map| map.topic_filters()).unwrap_or_default(),
            "problem": map.err().map(|failure| failure.to_string()),
        })
    };
    Ok(brokers.into_iter().map(row).collect())
}

/// Follows a broker no longer.
pub fn disconnect(node: &Node, name: &str) -> Result<Value, Failure> {
    let client_id = connected(node)?.remove(name).and_then(|text| Settings::from_json(&text).ok());
    let client_id = client_id.map(|settings| settings.client_id);
    let command = Command::DisconnectBroker { name: name.to_owned() };
    let outcomes = node.command(EntityId::workspace(), command)?;
    if outcomes.iter().any(|outcome| matches!(outcome, Outcome::Ignored { .. })) {
        return Err(Failure::new(Kind::NotFound, "no-such-broker").with("name", name));
    }
    Ok(json!({ "disconnected": name, "client_id": client_id }))
}

fn check_name(name: &str) -> Result<(), Failure> {
    webhook::check_name(name).map_err(|_| Failure::new(Kind::Usage, "bad-broker-name").with("name", name))
}
