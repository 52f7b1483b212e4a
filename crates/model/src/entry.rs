//! The journal's entries: in what order inputs counted, and what was decided.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::allowed::Allowed;
use crate::campaign::CampaignPlan;
use crate::connection::ConnectionCommand;
use crate::effect::{Effect, EffectKey, EffectResult};
use crate::fact::Fact;
use crate::id::{EntityId, IdentifierHash, KeyId, Position, TimelineId};
use crate::identity::HashedIdentifier;
use crate::ordering::OrderCommand;
use crate::quote::{Quote, Remedy};
use crate::staff::StaffAccount;
use crate::supply::{SupplyCommand, SupplyMail};
use crate::time::Time;

/// Bytes that only the holder of a subject's key can read.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sealed<'a> {
    pub key: KeyId,
    /// Nonce, ciphertext and tag.
    #[serde(borrow, with = "bytes_as_bytes")]
    pub bytes: Cow<'a, [u8]>,
}

impl fmt::Debug for Sealed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealed(key {}, {} bytes)", self.key.0, self.bytes.len())
    }
}

mod bytes_as_bytes {
    use std::borrow::Cow;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_bytes(bytes)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Cow<'de, [u8]>, D::Error> {
        <&'de [u8]>::deserialize(from).map(Cow::Borrowed)
    }
}

/// What led to an outcome.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Cause {
    /// The input with this intake sequence.
    Input(u64),
    /// The command entry at this journal sequence.
    Command(u64),
    /// A timer of the entity.
    Timer(TimerId),
    /// The mail with this key.
    Mail(MailKey),
    /// Starting or settling effects.
    Effects,
    /// A need was to be decided on.
    Consideration,
}

/// The identity of one mail: the journal position of the outcome that sent it, and its place in that outcome.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct MailKey {
    pub origin: Position,
    pub index: u32,
}

/// A timer of an entity; unique within it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct TimerId(pub u64);

/// What one entity tells another.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum MailBody {
    /// The receiver stands for the sender's person from now on.
    ProfileJoined { from: EntityId },
    /// An input that the sender received is about an order or promise that the receiver owns.
    SignalForwarded { name: String, properties: String, timestamp: Time, timeline: TimelineId, now: Time },
    /// About something that is held of supply.
    Supply(SupplyMail),
}

/// What `decide` decided. Outcomes are durable before anything leaves.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Outcome {
    Fact(Fact),
    TimerSet {
        id: TimerId,
        due: Time,
        timeline: TimelineId,
        purpose: TimerPurpose,
    },
    TimerCleared {
        id: TimerId,
    },
    /// It fired; whatever it led to stands beside it.
    TimerFired {
        id: TimerId,
    },
    Mail {
        to: EntityId,
        body: MailBody,
    },
    EffectRequested(Effect),
    /// Wanted and not to be sent, with the reason (`import`).
    EffectSuppressed {
        effect: Effect,
        reason: String,
    },
    EffectStarted {
        key: EffectKey,
    },
    EffectSettled {
        key: EffectKey,
        result: EffectResult,
    },
    /// Started, and nobody can say whether it arrived.
    EffectUnknown {
        key: EffectKey,
    },
    /// An input that named something known and moved nothing, with the reason.
    Ignored {
        reason: String,
    },
}

/// What a timer is for.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum TimerPurpose {
    /// The promise's deadline passes.
    PromiseDeadline(String),
    /// What was promised should have been handed over by now.
    HandOver(String),
    /// A quote ends.
    QuoteExpiry(String),
    /// A receipt should have come by now.
    ReceiptDue(String),
    /// From here on the promise is at risk, unless something happens before.
    RiskCheck(String),
    /// The time in which an order could be undone is over.
    OrderWindow(String),
    /// By now, something has to be done for what runs empty there: device and slot.
    ForecastDue { device_id: String, slot: String },
    /// What may be decided about this need only from now on.
    NeedDue(String),
    /// An automatic order may be placed now.
    ActionDue(String),
    /// A mandate ends, by its terms or because nobody used it.
    MandateEnds(String),
    /// Some of a stock keeps until now.
    LotPerishes,
    /// By now, something has to be done for what is used up of a category, as what was bought of it tells.
    PurchaseDue(String),
}

/// What people and programs ask of an entity.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Command {
    CreateSource {
        source: String,
        key_hash: [u8; 32],
    },
    RevokeSource {
        source: String,
    },
    SwitchEffects {
        on: bool,
        reason: String,
    },
    StartImport {
        name: String,
    },
    FinishImport {
        name: String,
        events: u64,
        bad_rows: u64,
    },
    /// Make everything about this customer unreadable.
    Erase,
    SettleEffect {
        key: EffectKey,
        result: EffectResult,
    },
    MarkEffectUnknown {
        key: EffectKey,
    },
    NoteDeadLetterReplayed {
        seq: u64,
    },
    /// Take a system's webhooks by this map from now on; a name that is connected gets the new map.
    ConnectWebhook {
        name: String,
        map: String,
        secret: String,
    },
    DisconnectWebhook {
        name: String,
    },
    /// What senders may send from now on, in its JSON form.
    PublishPlan {
        plan: String,
    },
    /// Listen to a device broker; a name that is connected gets the new settings.
    ConnectBroker {
        name: String,
        settings: String,
    },
    DisconnectBroker {
        name: String,
    },
    /// Which identifiers tie people together from now on, in its JSON form.
    PublishIdentityRules {
        rules: String,
    },
    /// These two identifiers are two people, whatever ties them.
    PartIdentifiers {
        one: HashedIdentifier,
        other: HashedIdentifier,
    },
    /// These two identifiers are one person.
    JoinIdentifiers {
        one: HashedIdentifier,
        other: HashedIdentifier,
    },
    /// Hold what a quote needs; it stands once everything is held.
    Quote(Box<Quote>),
    /// Turn a quote into an order, under this number.
    ConfirmQuote {
        quote_id: String,
        order_id: String,
    },
    /// Let go of a quote, or of what an order that has not left holds.
    ReleaseQuote {
        quote_id: String,
    },
    Supply(SupplyCommand),
    /// What a source's key is good for besides sending.
    AllowSource {
        source: String,
        allowed: Allowed,
    },
    /// Do something for a promise that needs nothing of supply.
    ApplyRemedy(Remedy),
    Order(OrderCommand),
    /// Tell a system of orders and payments, by these settings in their JSON form; a name that is connected gets the
    /// new ones.
    ConnectOutlet {
        name: String,
        settings: String,
    },
    DisconnectOutlet {
        name: String,
    },
    /// The receiver said that it is gone for good.
    DisableOutlet {
        name: String,
        reason: String,
    },
    /// Keep a campaign with its verdict and what is set aside for it.
    PlanCampaign(Box<CampaignPlan>),
    EndCampaign {
        campaign: String,
    },
    Connection(ConnectionCommand),
    /// Let somebody sign in, or change their password or roles.
    SetStaff(StaffAccount),
    RemoveStaff {
        name: String,
    },
}

/// Why an input was passed over.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum SkipReason {
    /// Folding it or deciding on it panicked; the text is the panic's.
    Poison(String),
    /// Its body could not be opened or read.
    Unreadable(String),
    /// It is about operations and says nothing that could count.
    NotUnderstood(String),
}

impl fmt::Display for SkipReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SkipReason::Poison(text) => write!(f, "folding it failed: {text}"),
            SkipReason::Unreadable(text) => write!(f, "its body could not be read: {text}"),
            SkipReason::NotUnderstood(text) => f.write_str(text),
        }
    }
}

/// One entry of a partition's journal.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Entry<'a> {
    /// Intake records `first..first + count` count from here on, less those at the offsets `duplicates`.
    Applied {
        first: u64,
        count: u32,
        duplicates: Vec<u32>,
    },
    /// A command; the body is a [`Command`]. `request` is the caller's retry key.
    Command {
        entity: EntityId,
        at: Time,
        request: Option<IdentifierHash>,
        #[serde(borrow)]
        body: Sealed<'a>,
    },
    /// What was decided; the body is a list of [`Outcome`].
    Outcome {
        entity: EntityId,
        cause: Cause,
        /// The line of time that went on, and its clock.
        timeline: TimelineId,
        at: Time,
        /// The version of the reference data that `decide` saw.
        reference: u32,
        #[serde(borrow)]
        body: Sealed<'a>,
    },
    /// A mail reached its receiver. A second delivery of the same mail changes nothing.
    Delivered {
        mail: MailKey,
        to: EntityId,
    },
    ClockAdvanced {
        timeline: TimelineId,
        to: Time,
    },
    /// A new version of the reference data, in its JSON form.
    ReferencePublished {
        version: u32,
        body: Cow<'a, str>,
    },
    /// The intake record was passed over.
    Skipped {
        seq: u64,
        reason: SkipReason,
    },
    /// A salvage put this in the place of an entry that was lost.
    Lost,
}
