//! What came to pass. Facts are journalled, change the state, and are all that the views follow.

use serde::{Deserialize, Serialize};

use crate::allowed::Allowed;
use crate::campaign::CampaignPlan;
use crate::connection::ConnectionFact;
use crate::id::EntityId;
use crate::identity::HashedIdentifier;
use crate::money::Money;
use crate::order::{CancelledBy, FulfillmentState, OrderLine, OrderState};
use crate::ordering::OrderFact;
use crate::promise::{BreakCause, PromiseTerms, RiskReason};
use crate::quote::QuoteFact;
use crate::staff::StaffAccount;
use crate::supply::SupplyFact;
use crate::time::Time;

/// A fact about the entity whose outcome it is. Names read `noun.past_verb` outside ([`Fact::name`]).
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Fact {
    OrderPlaced {
        order_id: String,
        at: Time,
        region: Option<String>,
        total: Option<Money>,
        lines: Vec<OrderLine>,
    },
    OrderMoved {
        order_id: String,
        state: OrderState,
        at: Time,
    },
    OrderCancelled {
        order_id: String,
        by: CancelledBy,
        at: Time,
        reason: Option<String>,
        time_inferred: bool,
        /// Whether the order ends by it; it may have been delivered by the time that it is heard.
        stands: bool,
    },
    OrderRefunded {
        order_id: String,
        at: Time,
        amount: Option<Money>,
    },
    PaymentCaptured {
        order_id: String,
        at: Time,
        amount: Option<Money>,
        method: Option<String>,
        installments: Option<u32>,
    },
    FulfillmentMoved {
        order_id: String,
        state: FulfillmentState,
        at: Time,
        /// Share of the order that this reached, 0 to 1.
        fraction: f64,
        damaged: bool,
    },
    PromiseInquired {
        terms: PromiseTerms,
        at: Time,
    },
    PromiseQuoted {
        terms: PromiseTerms,
        at: Time,
        expires_at: Time,
    },
    PromiseMade {
        terms: PromiseTerms,
        at: Time,
    },
    PromiseAtRisk {
        promise_id: String,
        at: Time,
        why: RiskReason,
    },
    /// No longer at risk.
    PromiseRecovered {
        promise_id: String,
        at: Time,
    },
    PromiseRevised {
        promise_id: String,
        at: Time,
        /// 2 for the first revision.
        version: u32,
        due_at: Time,
        reason: Option<String>,
    },
    PromiseKept {
        promise_id: String,
        /// When what was promised came to pass.
        at: Time,
        actual: Option<f64>,
    },
    PromiseBroken {
        promise_id: String,
        at: Time,
        cause: BreakCause,
    },
    /// What was promised came to pass after the promise was broken.
    PromiseFulfilledLate {
        promise_id: String,
        at: Time,
        actual: Option<f64>,
    },
    /// Late evidence that a promise counted as broken had been kept in time.
    PromiseCorrected {
        promise_id: String,
        at: Time,
        fulfilled_at: Time,
        actual: Option<f64>,
    },
    PromiseWithdrawn {
        promise_id: String,
        at: Time,
        by: CancelledBy,
        reason: Option<String>,
    },
    PromiseExpired {
        promise_id: String,
        at: Time,
    },
    ReviewGiven {
        order_id: String,
        review_id: String,
        at: Time,
        /// 1 to 5.
        rating: u8,
    },
    /// This profile's identifiers now lead to another.
    ProfileMerged {
        into: EntityId,
        at: Time,
    },
    /// Everything about the subject was made unreadable.
    ProfileErased {
        at: Time,
    },
    SourceCreated {
        source: String,
        key_hash: [u8; 32],
        at: Time,
    },
    SourceRevoked {
        source: String,
        at: Time,
    },
    /// Sending and ordering were switched on or off.
    EffectsSwitched {
        on: bool,
        at: Time,
        reason: String,
    },
    ImportStarted {
        timeline: u32,
        name: String,
        at: Time,
    },
    ImportFinished {
        timeline: u32,
        at: Time,
        events: u64,
        bad_rows: u64,
    },
    DeadLetterReplayed {
        seq: u64,
        at: Time,
    },
    /// A system's webhooks are taken by this map; the secret proves that they come from it.
    WebhookConnected {
        name: String,
        map: String,
        secret: String,
        at: Time,
    },
    WebhookDisconnected {
        name: String,
        at: Time,
    },
    /// What senders may send from now on, in its JSON form.
    PlanPublished {
        version: u32,
        plan: String,
        at: Time,
    },
    /// A device broker is listened to; the settings are in their JSON form and hold its password.
    BrokerConnected {
        name: String,
        settings: String,
        at: Time,
    },
    BrokerDisconnected {
        name: String,
        at: Time,
    },
    /// Which identifiers tie people together from now on, in its JSON form.
    IdentityRulesPublished {
        version: u32,
        rules: String,
        at: Time,
    },
    /// This profile stands for itself again.
    ProfileParted {
        from: EntityId,
        at: Time,
    },
    /// Somebody said that two identifiers are two people.
    IdentifiersParted {
        one: HashedIdentifier,
        other: HashedIdentifier,
        at: Time,
    },
    /// Somebody said that two identifiers are one person.
    IdentifiersJoined {
        one: HashedIdentifier,
        other: HashedIdentifier,
        at: Time,
    },
    /// A signal about a promise that cannot count yet; it is told again when it may.
    SignalKept {
        /// The promise's id, or `order:` and the order's.
        about: String,
        name: String,
        /// The event's properties as JSON text.
        properties: String,
        at: Time,
    },
    Quote(QuoteFact),
    Supply(SupplyFact),
    /// What a source's key is good for besides sending.
    SourceAllowed {
        source: String,
        allowed: Allowed,
        at: Time,
    },
    /// How likely it is by now that the promise is kept.
    PromiseScored {
        promise_id: String,
        at: Time,
        probability: f64,
        /// The last instant at which acting still helps.
        act_by: Time,
    },
    Order(OrderFact),
    /// A system is told of orders and payments; the settings are in their JSON form and hold its secret.
    OutletConnected {
        name: String,
        settings: String,
        at: Time,
    },
    OutletDisconnected {
        name: String,
        at: Time,
    },
    /// Nothing goes there until it is connected again.
    OutletDisabled {
        name: String,
        reason: String,
        at: Time,
    },
    /// A campaign stands in the calendar, with what is set aside for it; the latest word about it holds.
    CampaignPlanned {
        plan: Box<CampaignPlan>,
        at: Time,
    },
    /// It is over or called off, and nothing is set aside for it any more.
    CampaignEnded {
        campaign: String,
        at: Time,
    },
    Connection(ConnectionFact),
    /// Somebody may sign in to the operator's pages from now on; the latest word about a name holds.
    StaffSet {
        account: StaffAccount,
        at: Time,
    },
    StaffRemoved {
        name: String,
        at: Time,
    },
}

impl Fact {
    pub fn name(&self) -> &'static str {
        match self {
            Fact::OrderPlaced { .. } => "order.placed",
            Fact::OrderMoved { .. } => "order.moved",
            Fact::OrderCancelled { .. } => "order.cancelled",
            Fact::OrderRefunded { .. } => "order.refunded",
            Fact::PaymentCaptured { .. } => "payment.captured",
            Fact::FulfillmentMoved { .. } => "fulfillment.moved",
            Fact::PromiseInquired { .. } => "promise.inquired",
            Fact::PromiseQuoted { .. } => "promise.quoted",
            Fact::PromiseMade { .. } => "promise.made",
            Fact::PromiseAtRisk { .. } => "promise.at_risk",
            Fact::PromiseRecovered { .. } => "promise.recovered",
            Fact::PromiseRevised { .. } => "promise.revised",
            Fact::PromiseKept { .. } => "promise.kept",
            Fact::PromiseBroken { .. } => "promise.broken",
            Fact::PromiseFulfilledLate { .. } => "promise.fulfilled_late",
            Fact::PromiseCorrected { .. } => "promise.corrected",
            Fact::PromiseWithdrawn { .. } => "promise.withdrawn",
            Fact::PromiseExpired { .. } => "promise.expired",
            Fact::ReviewGiven { .. } => "review.given",
            Fact::ProfileMerged { .. } => "profile.merged",
            Fact::ProfileErased { .. } => "profile.erased",
            Fact::SourceCreated { .. } => "source.created",
            Fact::SourceRevoked { .. } => "source.revoked",
            Fact::WebhookConnected { .. } => "webhook.connected",
            Fact::WebhookDisconnected { .. } => "webhook.disconnected",
            Fact::PlanPublished { .. } => "plan.published",
            Fact::BrokerConnected { .. } => "broker.connected",
            Fact::BrokerDisconnected { .. } => "broker.disconnected",
            Fact::IdentityRulesPublished { .. } => "identity_rules.published",
            Fact::ProfileParted { .. } => "profile.parted",
            Fact::IdentifiersParted { .. } => "identifiers.parted",
            Fact::IdentifiersJoined { .. } => "identifiers.joined",
            Fact::SignalKept { .. } => "signal.kept",
            Fact::EffectsSwitched { .. } => "effects.switched",
            Fact::ImportStarted { .. } => "import.started",
            Fact::ImportFinished { .. } => "import.finished",
            Fact::DeadLetterReplayed { .. } => "dead_letter.replayed",
            Fact::Quote(fact) => fact.name(),
            Fact::Supply(fact) => fact.name(),
            Fact::SourceAllowed { .. } => "source.allowed",
            Fact::PromiseScored { .. } => "promise.scored",
            Fact::Order(fact) => fact.name(),
            Fact::OutletConnected { .. } => "outlet.connected",
            Fact::OutletDisconnected { .. } => "outlet.disconnected",
            Fact::OutletDisabled { .. } => "outlet.disabled",
            Fact::CampaignPlanned { .. } => "campaign.planned",
            Fact::CampaignEnded { .. } => "campaign.ended",
            Fact::Connection(fact) => fact.name(),
            Fact::StaffSet { .. } => "staff.set",
            Fact::StaffRemoved { .. } => "staff.removed",
        }
    }
}
