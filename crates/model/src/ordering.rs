//! Orders that the engine places, what is paid for them, and what comes back.

use serde::{Deserialize, Serialize};

use crate::money::Money;
use crate::order::{CancelledBy, OrderLine};
use crate::quantity::Quantity;
use crate::time::Time;

/// What a customer has stored so that one action is enough to order.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct OrderDefaults {
    /// The region that lanes lead to.
    pub to: String,
    /// Where it goes, as JSON text; only the receiver of orders reads it.
    pub address: Option<String>,
    /// IANA name of the zone in which the customer reads dates.
    pub time_zone: Option<String>,
    /// The allocation class that asks.
    pub class: Option<String>,
    pub service: Option<String>,
    /// By which the payment system knows how this customer pays. It means nothing to anybody else.
    pub payment_token: Option<String>,
}

/// So much of an item.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct Wanted {
    pub item_id: String,
    pub quantity: Quantity,
}

/// An order in one action: order, promise and payment authorisation at once.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct OneAction {
    pub order_id: String,
    /// The caller's own name for the request, by which a second one is the same.
    pub request: Option<String>,
    /// What was asked for, in the order of the items: by which a double click is the same.
    pub wanted: Vec<Wanted>,
    pub asked_at: Time,
    /// Until when it can be undone; only then is it handed out and paid.
    pub cancel_until: Time,
    pub address: Option<String>,
    pub payment_token: Option<String>,
}

/// Other quantities, another place or another date for an order that has not left.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct OrderChange {
    pub order_id: String,
    /// The promise that is revised by it.
    pub promise_id: String,
    pub address: Option<String>,
}

/// Where the payment of an order is. Each state follows from the amounts and answers that are known.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum PaymentState {
    /// The authorisation was asked for.
    Requested,
    Authorised,
    PartlyCaptured,
    Captured,
    PartlyRefunded,
    Refunded,
    Voided,
    Failed,
}

impl PaymentState {
    pub const ALL: [PaymentState; 8] = [
        PaymentState::Requested,
        PaymentState::Authorised,
        PaymentState::PartlyCaptured,
        PaymentState::Captured,
        PaymentState::PartlyRefunded,
        PaymentState::Refunded,
        PaymentState::Voided,
        PaymentState::Failed,
    ];

    pub fn name(self) -> &'static str {
        match self {
            PaymentState::Requested => "requested",
            PaymentState::Authorised => "authorised",
            PaymentState::PartlyCaptured => "partly_captured",
            PaymentState::Captured => "captured",
            PaymentState::PartlyRefunded => "partly_refunded",
            PaymentState::Refunded => "refunded",
            PaymentState::Voided => "voided",
            PaymentState::Failed => "failed",
        }
    }
}

/// What was asked of the payment system, or what it said. Captures and refunds that happened are facts of their own.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum PaymentStep {
    AuthorisationAsked,
    Authorised,
    CaptureAsked,
    VoidAsked,
    Voided,
    RefundAsked,
    Failed,
    /// What is owed in all, from now on.
    Owed,
}

impl PaymentStep {
    pub fn name(self) -> &'static str {
        match self {
            PaymentStep::AuthorisationAsked => "authorisation_asked",
            PaymentStep::Authorised => "authorised",
            PaymentStep::CaptureAsked => "capture_asked",
            PaymentStep::VoidAsked => "void_asked",
            PaymentStep::Voided => "voided",
            PaymentStep::RefundAsked => "refund_asked",
            PaymentStep::Failed => "failed",
            PaymentStep::Owed => "owed",
        }
    }
}

/// Where a return is: `requested → approved | refused | discretion → in_transit → received → (restocked | written_off)
/// → refunded | closed`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReturnState {
    Requested,
    /// The policy takes it.
    Approved,
    Refused,
    /// A person decides.
    Discretion,
    InTransit,
    Received,
    /// It is for sale again; the warehouse's own `stock.received` says where.
    Restocked,
    WrittenOff,
    Refunded,
    Closed,
}

impl ReturnState {
    pub const ALL: [ReturnState; 10] = [
        ReturnState::Requested,
        ReturnState::Approved,
        ReturnState::Refused,
        ReturnState::Discretion,
        ReturnState::InTransit,
        ReturnState::Received,
        ReturnState::Restocked,
        ReturnState::WrittenOff,
        ReturnState::Refunded,
        ReturnState::Closed,
    ];

    pub fn name(self) -> &'static str {
        match self {
            ReturnState::Requested => "requested",
            ReturnState::Approved => "approved",
            ReturnState::Refused => "refused",
            ReturnState::Discretion => "discretion",
            ReturnState::InTransit => "in_transit",
            ReturnState::Received => "received",
            ReturnState::Restocked => "restocked",
            ReturnState::WrittenOff => "written_off",
            ReturnState::Refunded => "refunded",
            ReturnState::Closed => "closed",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }

    /// Whether a return in this state may move to `next`. Steps that nobody told may be skipped, none is taken twice.
    pub fn may_become(self, next: ReturnState) -> bool {
        use ReturnState::*;
        match next {
            Requested => false,
            Approved => matches!(self, Requested | Discretion),
            Refused => matches!(self, Requested | Discretion | Approved | InTransit),
            Discretion => self == Requested,
            InTransit => self == Approved,
            // A parcel that comes is there, whatever was decided about it.
            Received => matches!(self, Requested | Approved | Refused | Discretion | InTransit),
            Restocked | WrittenOff => matches!(self, Received | Refunded),
            Refunded => matches!(self, Approved | InTransit | Received | Restocked | WrittenOff),
            Closed => self != Closed,
        }
    }

    /// Whether the goods are back.
    pub fn is_back(self) -> bool {
        use ReturnState::*;
        matches!(self, Received | Restocked | WrittenOff | Refunded)
    }

    /// Whether something is still to come of it.
    pub fn is_open(self) -> bool {
        use ReturnState::*;
        matches!(self, Requested | Approved | Discretion | InTransit | Received | Restocked | WrittenOff)
    }
}

/// What somebody wants to give back.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct ReturnRequest {
    pub return_id: String,
    pub order_id: String,
    /// All of the order where none are named.
    pub lines: Vec<Wanted>,
    pub reason: Option<String>,
}

/// What came to pass with an order, its payment or its returns, besides what is a fact of its own.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum OrderFact {
    DefaultsSet {
        defaults: Box<OrderDefaults>,
        at: Time,
    },
    /// The time in which it could be undone is over: whoever fulfils it is told.
    HandedOut {
        order_id: String,
        at: Time,
    },
    Changed {
        order_id: String,
        region: Option<String>,
        total: Option<Money>,
        lines: Vec<OrderLine>,
        address: Option<String>,
        at: Time,
    },
    Payment {
        order_id: String,
        step: PaymentStep,
        amount: Option<Money>,
        /// The payment system's own name for it.
        reference: Option<String>,
        at: Time,
    },
    ReturnAsked {
        request: Box<ReturnRequest>,
        /// Days since the delivery, by the customer's calendar.
        day: i64,
        at: Time,
    },
    ReturnMoved {
        order_id: String,
        return_id: String,
        state: ReturnState,
        reason: Option<String>,
        at: Time,
    },
}

impl OrderFact {
    pub fn name(&self) -> &'static str {
        match self {
            OrderFact::DefaultsSet { .. } => "customer.order_defaults_set",
            OrderFact::HandedOut { .. } => "order.handed_out",
            OrderFact::Changed { .. } => "order.changed",
            OrderFact::Payment { step, .. } => match step {
                PaymentStep::AuthorisationAsked => "payment.authorisation_asked",
                PaymentStep::Authorised => "payment.authorised",
                PaymentStep::CaptureAsked => "payment.capture_asked",
                PaymentStep::VoidAsked => "payment.void_asked",
                PaymentStep::Voided => "payment.voided",
                PaymentStep::RefundAsked => "payment.refund_asked",
                PaymentStep::Failed => "payment.failed",
                PaymentStep::Owed => "payment.owed",
            },
            OrderFact::ReturnAsked { .. } => "order.return_requested",
            OrderFact::ReturnMoved { state, .. } => match state {
                ReturnState::Requested => "return.requested",
                ReturnState::Approved => "return.approved",
                ReturnState::Refused => "return.refused",
                ReturnState::Discretion => "return.discretion",
                ReturnState::InTransit => "return.in_transit",
                ReturnState::Received => "return.received",
                ReturnState::Restocked => "return.restocked",
                ReturnState::WrittenOff => "return.written_off",
                ReturnState::Refunded => "return.refunded",
                ReturnState::Closed => "return.closed",
            },
        }
    }

    /// The order that it is about; none where it is about the customer.
    pub fn order_id(&self) -> Option<&str> {
        match self {
            OrderFact::DefaultsSet { .. } => None,
            OrderFact::HandedOut { order_id, .. }
            | OrderFact::Changed { order_id, .. }
            | OrderFact::Payment { order_id, .. }
            | OrderFact::ReturnMoved { order_id, .. } => Some(order_id),
            OrderFact::ReturnAsked { request, .. } => Some(&request.order_id),
        }
    }
}

/// What a person or a program asks about an order.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum OrderCommand {
    SetDefaults(Box<OrderDefaults>),
    /// Before it has left.
    Cancel {
        order_id: String,
        by: CancelledBy,
        reason: Option<String>,
    },
    /// Within the time that was given for it.
    Undo {
        order_id: String,
    },
    Return(Box<ReturnRequest>),
    DecideReturn {
        order_id: String,
        return_id: String,
        accept: bool,
        reason: Option<String>,
    },
}
