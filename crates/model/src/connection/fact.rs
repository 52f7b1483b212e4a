//! What came to pass between a customer and the company, and what people and programs may ask for.

use serde::{Deserialize, Serialize};

use crate::connection::decision::{DecisionRecord, Occasion};
use crate::connection::device::{DeviceSlot, LevelSeen};
use crate::connection::mandate::{Action, ActionEnd, ActionState, MandateState, MandateTerms, Spend};
use crate::connection::need::{Friction, Need, NeedStage, Subject};
use crate::connection::preference::{Consent, Preference};
use crate::quantity::Quantity;
use crate::time::Time;

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum ConnectionFact {
    PreferenceSet(Preference),
    ConsentSet(Consent),
    DeviceRegistered {
        device_id: String,
        model: Option<String>,
        site: Option<String>,
        slots: Vec<DeviceSlot>,
        at: Time,
    },
    DeviceGone {
        device_id: String,
        at: Time,
    },
    /// The population that this customer's use is seen as one of, for a category: its version and its JSON form.
    PriorPinned {
        category: String,
        version: u32,
        prior: String,
    },
    /// Something of the category was bought.
    ItemBought {
        category: String,
        item_id: String,
        quantity: Quantity,
        at: Time,
    },
    LevelSeen(LevelSeen),
    /// What was in it was changed for a new one.
    SlotReplaced {
        device_id: String,
        slot: String,
        at: Time,
    },
    /// It ran empty with nothing to put in.
    RanEmpty {
        device_id: String,
        slot: String,
        at: Time,
    },
    /// The customer is away, and wants nothing that has to be taken in.
    AwaySet {
        from: Time,
        until: Time,
        at: Time,
    },
    NeedRecognized(Box<Need>),
    NeedMoved {
        need_id: String,
        stage: NeedStage,
        at: Time,
        /// The order that answers it.
        order_id: Option<String>,
        /// A code, where it lapsed or moved for a reason of its own.
        why: Option<String>,
    },
    /// The same need was heard of again: nothing is done about it twice.
    NeedHeardAgain {
        need_id: String,
        rule: String,
        at: Time,
    },
    /// A decision about it is wanted now; whoever knows what can be promised asks for it.
    DecisionWanted {
        need_id: String,
        occasion: Occasion,
        action_id: Option<String>,
        at: Time,
    },
    Decided(Box<DecisionRecord>),
    FrictionSeen {
        need_id: String,
        friction: Friction,
    },
    /// Effort of the customer's that the sender knows of, in the terms of K28.
    EffortSpent {
        need_id: String,
        at: Time,
        minutes: f64,
        steps: u32,
        inputs: u32,
        contacts: u32,
    },
    /// The customer was shown what may answer the need.
    OfferShown {
        need_id: String,
        items: Vec<String>,
        at: Time,
    },
    Snoozed {
        category: String,
        until: Time,
        at: Time,
    },
    /// A step towards a goal, or one that turned out to be none.
    StepDone {
        category: String,
        step: String,
        done: bool,
        at: Time,
    },
    MandatePresented {
        terms: Box<MandateTerms>,
        version: u32,
        agreement: String,
        at: Time,
    },
    /// What was shown anew is what holds now; the customer has agreed to it, or it allows less than before.
    MandateAmended {
        mandate_id: String,
        at: Time,
    },
    /// `by` is `customer`, `company` or `clock`.
    MandateMoved {
        mandate_id: String,
        state: MandateState,
        by: String,
        why: Option<String>,
        at: Time,
    },
    /// The spend counter moves in the entry that starts the effect.
    Debited {
        mandate_id: String,
        spend: Spend,
    },
    /// What was debited counts no more: called off, or refunded.
    CreditedBack {
        mandate_id: String,
        action_id: String,
        at: Time,
    },
    ActionProposed {
        action: Box<Action>,
        at: Time,
    },
    ActionMoved {
        action_id: String,
        state: ActionState,
        end: ActionEnd,
        at: Time,
    },
    /// A message was started on its way; by it the caps are counted.
    Contacted {
        message_id: String,
        category: String,
        class: crate::connection::MessageClass,
        at: Time,
    },
    /// An order is to bring so many units of what a category is about.
    ItemAwaited {
        category: String,
        order_id: String,
        quantity: Quantity,
        at: Time,
    },
    /// The order has brought them, and they are being used up: from when such orders come it is foreseen when the
    /// next is needed.
    ItemArrived {
        category: String,
        order_id: String,
        quantity: Quantity,
        at: Time,
    },
    /// A need was raised: the customer was told of it, or asked about it, without having asked.
    NeedRaised {
        need_id: String,
        message_id: String,
        at: Time,
    },
}

impl ConnectionFact {
    pub fn name(&self) -> &'static str {
        match self {
            ConnectionFact::PreferenceSet(_) => "preference.changed",
            ConnectionFact::ConsentSet(consent) if consent.given => "consent.given",
            ConnectionFact::ConsentSet(_) => "consent.withdrawn",
            ConnectionFact::DeviceRegistered { .. } => "device.registered",
            ConnectionFact::DeviceGone { .. } => "device.deregistered",
            ConnectionFact::PriorPinned { .. } => "prior.pinned",
            ConnectionFact::ItemBought { .. } => "item.bought",
            ConnectionFact::LevelSeen(_) => "slot.level_seen",
            ConnectionFact::SlotReplaced { .. } => "slot.replaced",
            ConnectionFact::RanEmpty { .. } => "slot.ran_empty",
            ConnectionFact::AwaySet { .. } => "away.set",
            ConnectionFact::NeedRecognized(_) => "need.recognized",
            ConnectionFact::NeedMoved { stage, .. } => match stage {
                NeedStage::Recognized => "need.recognized_again",
                NeedStage::Requested => "need.requested",
                NeedStage::Promised => "need.promised",
                NeedStage::Met => "need.met",
                NeedStage::Learned => "need.learned",
                NeedStage::Lapsed => "need.lapsed",
            },
            ConnectionFact::NeedHeardAgain { .. } => "need.heard_again",
            ConnectionFact::DecisionWanted { .. } => "decision.wanted",
            ConnectionFact::Decided(_) => "decision.made",
            ConnectionFact::FrictionSeen { .. } => "friction.seen",
            ConnectionFact::EffortSpent { .. } => "effort.spent",
            ConnectionFact::OfferShown { .. } => "offer.shown",
            ConnectionFact::Snoozed { .. } => "coach.snoozed",
            ConnectionFact::StepDone { .. } => "goal.step_done",
            ConnectionFact::MandatePresented { .. } => "mandate.presented",
            ConnectionFact::MandateAmended { .. } => "mandate.amended",
            ConnectionFact::MandateMoved { state, .. } => match state {
                MandateState::Presented => "mandate.presented_again",
                MandateState::Active => "mandate.activated",
                MandateState::Paused => "mandate.paused",
                MandateState::Suspended => "mandate.suspended",
                MandateState::Exhausted => "mandate.exhausted",
                MandateState::Expired => "mandate.expired",
                MandateState::Revoked => "mandate.revoked",
            },
            ConnectionFact::Debited { .. } => "mandate.debited",
            ConnectionFact::CreditedBack { .. } => "mandate.credited_back",
            ConnectionFact::ActionProposed { .. } => "autoaction.proposed",
            ConnectionFact::ActionMoved { state, .. } => match state {
                ActionState::Proposed => "autoaction.proposed_again",
                ActionState::Blocked => "autoaction.blocked",
                ActionState::Announced => "autoaction.prenotified",
                ActionState::Cancelled => "autoaction.cancelled",
                ActionState::Ordered => "autoaction.ordered",
                ActionState::Started => "autoaction.executed",
                ActionState::Confirmed => "autoaction.confirmed",
                ActionState::Fulfilled => "autoaction.fulfilled",
                ActionState::Disputed => "autoaction.disputed",
                ActionState::Refunded => "autoaction.refunded",
                ActionState::Upheld => "autoaction.upheld",
                ActionState::Failed => "autoaction.failed",
            },
            ConnectionFact::Contacted { .. } => "message.started",
            ConnectionFact::ItemAwaited { .. } => "item.awaited",
            ConnectionFact::ItemArrived { .. } => "item.arrived",
            ConnectionFact::NeedRaised { .. } => "need.raised",
        }
    }
}

impl ConnectionFact {
    /// What it is about, in a word or two: a need, an automatic order, a mandate, a device and slot, a category.
    pub fn about(&self) -> String {
        match self {
            ConnectionFact::PreferenceSet(preference) => {
                format!("{} {}", preference.category, preference.strategy.name())
            }
            ConnectionFact::ConsentSet(consent) => consent.purpose.clone(),
            ConnectionFact::DeviceRegistered { device_id, .. }
            | ConnectionFact::DeviceGone { device_id, .. } => device_id.clone(),
            ConnectionFact::LevelSeen(seen) => {
                format!("{} {} {:.0} %", seen.device_id, seen.slot, seen.level * 100.0)
            }
            ConnectionFact::SlotReplaced { device_id, slot, .. }
            | ConnectionFact::RanEmpty { device_id, slot, .. } => format!("{device_id} {slot}"),
            ConnectionFact::PriorPinned { category, .. } | ConnectionFact::Snoozed { category, .. } => {
                category.clone()
            }
            ConnectionFact::ItemBought { category, item_id, .. } => format!("{category} {item_id}"),
            ConnectionFact::ItemAwaited { category, order_id, .. }
            | ConnectionFact::ItemArrived { category, order_id, .. } => format!("{category} {order_id}"),
            ConnectionFact::StepDone { category, step, .. } => format!("{category} {step}"),
            ConnectionFact::AwaySet { from, until, .. } => format!("{from} to {until}"),
            ConnectionFact::NeedRecognized(need) => format!("{} {}", need.need_id, need.category),
            ConnectionFact::NeedMoved { need_id, .. }
            | ConnectionFact::NeedHeardAgain { need_id, .. }
            | ConnectionFact::DecisionWanted { need_id, .. }
            | ConnectionFact::FrictionSeen { need_id, .. }
            | ConnectionFact::EffortSpent { need_id, .. }
            | ConnectionFact::NeedRaised { need_id, .. }
            | ConnectionFact::OfferShown { need_id, .. } => need_id.clone(),
            ConnectionFact::Decided(record) => record.decision_id.clone(),
            ConnectionFact::MandatePresented { terms, version, .. } => {
                format!("{} version {version}", terms.mandate_id)
            }
            ConnectionFact::MandateAmended { mandate_id, .. }
            | ConnectionFact::MandateMoved { mandate_id, .. }
            | ConnectionFact::Debited { mandate_id, .. }
            | ConnectionFact::CreditedBack { mandate_id, .. } => mandate_id.clone(),
            ConnectionFact::ActionProposed { action, .. } => action.action_id.clone(),
            ConnectionFact::ActionMoved { action_id, end, .. } => match &end.why {
                Some(why) => format!("{action_id} {why}"),
                None => action_id.clone(),
            },
            ConnectionFact::Contacted { message_id, .. } => message_id.clone(),
        }
    }
}

/// What a customer, or somebody for them, asks of their own side of the tie.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum ConnectionCommand {
    /// `version` is given by the owner.
    SetPreference(Preference),
    SetConsent(Consent),
    StateNeed {
        category: String,
        subject: Subject,
        arose_at: Option<Time>,
    },
    /// Show a mandate; presented again under its id it is amended, which takes the customer's word where it becomes
    /// wider.
    PresentMandate(Box<MandateTerms>),
    /// The customer agrees to what they saw: the hash of the terms proves what that was.
    ActivateMandate {
        mandate_id: String,
        agreement: String,
    },
    PauseMandate {
        mandate_id: String,
    },
    ResumeMandate {
        mandate_id: String,
    },
    SuspendMandate {
        mandate_id: String,
        why: String,
    },
    RevokeMandate {
        mandate_id: String,
    },
    /// Call an automatic order off.
    CancelAction {
        action_id: String,
    },
    DisputeAction {
        action_id: String,
        why: Option<String>,
    },
    SettleDispute {
        action_id: String,
        refund: bool,
    },
    Snooze {
        category: String,
        until: Time,
    },
    /// The customer chose something for a need: it is ordered by this number.
    Choose {
        need_id: String,
        item_id: String,
        order_id: String,
    },
    SetAway {
        from: Time,
        until: Time,
    },
    /// Order as soon as the mandate allows it, whatever the forecast says.
    OrderNow {
        mandate_id: String,
    },
}
