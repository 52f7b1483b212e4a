//! The installation: who may send, which imports there were, and whether anything may leave.

use std::collections::BTreeMap;

use model::{Allowed, CampaignPlan, StaffAccount, Time, TimelineId};
use serde::{Deserialize, Serialize};

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Workspace {
    pub sources: BTreeMap<String, Source>,
    pub imports: BTreeMap<String, Import>,
    pub webhooks: BTreeMap<String, Webhook>,
    pub brokers: BTreeMap<String, Broker>,
    /// Systems that are told of orders and payments.
    pub outlets: BTreeMap<String, Outlet>,
    /// What senders may send.
    pub plan: Option<Published>,
    /// Which identifiers tie people together; the built-in rules where nothing was published.
    pub identity_rules: Option<Published>,
    /// By their ids; those that ended too.
    pub campaigns: BTreeMap<String, PlannedCampaign>,
    /// Who may sign in to the operator's pages, by their names.
    pub staff: BTreeMap<String, Staff>,
    /// The kill switch: off, no effect starts.
    pub effects_on: bool,
}

impl Default for Workspace {
    fn default() -> Self {
        Workspace {
            sources: BTreeMap::new(),
            imports: BTreeMap::new(),
            webhooks: BTreeMap::new(),
            brokers: BTreeMap::new(),
            outlets: BTreeMap::new(),
            plan: None,
            identity_rules: None,
            campaigns: BTreeMap::new(),
            staff: BTreeMap::new(),
            effects_on: true,
        }
    }
}

/// Somebody who sends, known by a write key of which only the hash is kept.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Source {
    pub key_hash: [u8; 32],
    pub created_at: Time,
    pub revoked_at: Option<Time>,
    /// What its key is good for.
    pub allowed: Allowed,
}

/// A system whose webhooks are taken.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Webhook {
    /// The map's text: what it says becomes of a request.
    pub map: String,
    pub secret: String,
    pub connected_at: Time,
}

/// A device broker that is listened to.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Broker {
    /// Where it is and how to read its topics, as JSON; with its password.
    pub settings: String,
    pub connected_at: Time,
}

/// A system that is told of orders and payments.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Outlet {
    /// Where it is and what it is told, as JSON; with its secret.
    pub settings: String,
    pub connected_at: Time,
    /// Why nothing goes there any more, where it said that it is gone.
    pub disabled: Option<String>,
}

/// Somebody who may sign in.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Staff {
    pub account: StaffAccount,
    pub added_at: Time,
    /// When the password or the roles were changed last: whoever signed in before that does so again.
    pub changed_at: Time,
}

/// A campaign in the calendar.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct PlannedCampaign {
    pub plan: CampaignPlan,
    pub at: Time,
    pub ended_at: Option<Time>,
}

/// A text that holds until the next version.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Published {
    /// 1 for the first.
    pub version: u32,
    pub text: String,
    pub at: Time,
}

/// The version that comes after what is published.
pub(crate) fn next_version(published: &Option<Published>) -> u32 {
    published.as_ref().map_or(1, |published| published.version.saturating_add(1))
}

/// One imported source of history, with its own line of time.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Import {
    pub timeline: TimelineId,
    pub started_at: Time,
    pub finished_at: Option<Time>,
    pub events: u64,
    pub bad_rows: u64,
}

impl Workspace {
    /// The import's timeline, or the next free one.
    pub fn timeline_of(&self, import: &str) -> TimelineId {
        match self.imports.get(import) {
            Some(known) => known.timeline,
            None => TimelineId(self.imports.len() as u32 + 1),
        }
    }
}
