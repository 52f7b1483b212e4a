//! What the views are told.

use model::{EffectKey, EffectKind, EntityId, Fact, SkipReason, Time, TimelineId, ViolationBody};
use serde::Serialize;

use crate::supply::SupplyRow;
use crate::wire::{self, Named, named};

/// One thing to show. Each comes with the journal sequence at which it counted.
#[derive(Clone, PartialEq, Debug)]
pub enum Change {
    Fact {
        entity: EntityId,
        timeline: TimelineId,
        fact: Fact,
    },
    /// A profile as it now is, in place of whatever was known of it.
    Profile(Box<ProfileRow>),
    Supply(SupplyRow),
    /// An input that could not be taken.
    DeadLetter {
        /// Its intake sequence.
        seq: u64,
        source: String,
        code: String,
        place: String,
        reason: String,
        received_at: Time,
    },
    /// An input that was taken and then passed over; it joins the dead letters.
    Skipped {
        /// Its intake sequence.
        seq: u64,
        reason: SkipReason,
    },
    /// An event does not do what the tracking plan says; it is counted.
    Violation {
        source: String,
        received_at: Time,
        body: Box<ViolationBody<'static>>,
    },
    Effect(EffectChange),
    Clock {
        timeline: TimelineId,
        to: Time,
    },
    /// Every row of the entity goes.
    Erased {
        entity: EntityId,
    },
}

impl Change {
    /// Whose rows it changes. What belongs to nobody is the installation's.
    pub(crate) fn owner(&self) -> EntityId {
        match self {
            Change::Fact { fact, .. } if is_common(fact) => EntityId::workspace(),
            Change::Fact { entity, .. } | Change::Erased { entity } => *entity,
            Change::Profile(row) => row.entity,
            Change::Supply(row) => row.entity(),
            Change::Effect(effect) => effect.entity,
            Change::DeadLetter { .. }
            | Change::Skipped { .. }
            | Change::Violation { .. }
            | Change::Clock { .. } => EntityId::workspace(),
        }
    }
}

/// Whether the fact's rows belong to the installation, whichever entity it was an outcome of.
fn is_common(fact: &Fact) -> bool {
    matches!(
        fact,
        Fact::SourceCreated { .. }
            | Fact::SourceRevoked { .. }
            | Fact::SourceAllowed { .. }
            | Fact::WebhookConnected { .. }
            | Fact::WebhookDisconnected { .. }
            | Fact::BrokerConnected { .. }
            | Fact::BrokerDisconnected { .. }
            | Fact::OutletConnected { .. }
            | Fact::OutletDisconnected { .. }
            | Fact::OutletDisabled { .. }
            | Fact::PlanPublished { .. }
            | Fact::IdentityRulesPublished { .. }
            | Fact::EffectsSwitched { .. }
            | Fact::ImportStarted { .. }
            | Fact::ImportFinished { .. }
            | Fact::DeadLetterReplayed { .. }
            | Fact::CampaignPlanned { .. }
            | Fact::CampaignEnded { .. }
            | Fact::StaffSet { .. }
            | Fact::StaffRemoved { .. }
    )
}

/// What became of an effect. What is `None` stays as it was, so that a step which knows only the key is enough.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EffectChange {
    pub entity: EntityId,
    pub key: EffectKey,
    pub kind: Option<EffectKind>,
    pub promise_id: Option<String>,
    pub order_id: Option<String>,
    /// The effect's own reason code, `promise_at_risk`.
    pub reason: Option<String>,
    /// Why it was suppressed, or what the receiver said when it failed.
    pub detail: Option<String>,
    pub state: EffectState,
    pub at: Time,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum EffectState {
    Requested,
    Started,
    Settled,
    Failed,
    /// Started, and nobody can say whether it arrived.
    Unknown,
    Suppressed,
}

impl EffectState {
    pub const ALL: [EffectState; 6] = [
        EffectState::Requested,
        EffectState::Started,
        EffectState::Settled,
        EffectState::Failed,
        EffectState::Unknown,
        EffectState::Suppressed,
    ];

    pub fn name(self) -> &'static str {
        match self {
            EffectState::Requested => "requested",
            EffectState::Started => "started",
            EffectState::Settled => "settled",
            EffectState::Failed => "failed",
            EffectState::Unknown => "unknown",
            EffectState::Suppressed => "suppressed",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::named(name)
    }
}

named!(EffectState, EffectState::ALL);

/// The summary of one profile.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct ProfileRow {
    #[serde(serialize_with = "wire::entity")]
    pub entity: EntityId,
    pub user_id: Option<String>,
    pub anonymous_ids: Vec<String>,
    pub name: Option<String>,
    pub email: Option<String>,
    #[serde(serialize_with = "wire::time")]
    pub first_seen: Time,
    #[serde(serialize_with = "wire::time")]
    pub last_seen: Time,
    pub event_count: u64,
    pub orders: u64,
    pub promises: PromiseCounts,
    /// Where this profile's identifiers lead now.
    #[serde(serialize_with = "wire::entity_opt")]
    pub merged_into: Option<EntityId>,
    /// All traits, as JSON.
    #[serde(serialize_with = "wire::json_opt")]
    pub traits: Option<String>,
}

/// A profile's promises by where they are; `made` counts all of them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
pub struct PromiseCounts {
    pub made: u64,
    pub open: u64,
    pub kept: u64,
    pub broken: u64,
    pub withdrawn: u64,
}
