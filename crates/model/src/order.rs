//! Orders and their fulfillment: states as Saleor and UCP name them, so that maps are one to one.

use serde::{Deserialize, Serialize};

use crate::money::Money;
use crate::supply::Exchange;

/// Where an order is. The order of the variants is the order of progress up to `Closed`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum OrderState {
    Placed,
    Confirmed,
    Allocated,
    /// Some of it is with the carrier or with the customer.
    PartiallyFulfilled,
    /// All of it has left for the customer.
    Fulfilled,
    Delivered,
    Closed,
    Cancelled,
    Returned,
    /// Asked for and not committed yet.
    Draft,
    /// A draft that could not be committed in time.
    Expired,
    ReturnRequested,
    PartiallyReturned,
}

impl OrderState {
    pub const ALL: [OrderState; 13] = [
        OrderState::Placed,
        OrderState::Confirmed,
        OrderState::Allocated,
        OrderState::PartiallyFulfilled,
        OrderState::Fulfilled,
        OrderState::Delivered,
        OrderState::Closed,
        OrderState::Cancelled,
        OrderState::Returned,
        OrderState::Draft,
        OrderState::Expired,
        OrderState::ReturnRequested,
        OrderState::PartiallyReturned,
    ];

    pub fn name(self) -> &'static str {
        match self {
            OrderState::Placed => "placed",
            OrderState::Confirmed => "confirmed",
            OrderState::Allocated => "allocated",
            OrderState::PartiallyFulfilled => "partially_fulfilled",
            OrderState::Fulfilled => "fulfilled",
            OrderState::Delivered => "delivered",
            OrderState::Closed => "closed",
            OrderState::Cancelled => "cancelled",
            OrderState::Returned => "returned",
            OrderState::Draft => "draft",
            OrderState::Expired => "expired",
            OrderState::ReturnRequested => "return_requested",
            OrderState::PartiallyReturned => "partially_returned",
        }
    }

    /// How far it has come on its way to the customer; none where it has left that way.
    fn progress(self) -> Option<u8> {
        use OrderState::*;
        match self {
            Draft => Some(0),
            Placed => Some(1),
            Confirmed => Some(2),
            Allocated => Some(3),
            PartiallyFulfilled => Some(4),
            Fulfilled => Some(5),
            Delivered => Some(6),
            Closed => Some(7),
            Cancelled | Returned | Expired | ReturnRequested | PartiallyReturned => None,
        }
    }

    /// Whether an order in this state may move to `next`. Progress may skip states (a shop need not report each) and
    /// never runs back; only a return that is refused leaves the order delivered as it was. A shop of ours cancels
    /// before it ships; systems of record also call back what is on its way, so a cancellation counts until the
    /// delivery, and a return from the hand-over on.
    pub fn may_become(self, next: OrderState) -> bool {
        use OrderState::*;
        let left = self.progress() >= PartiallyFulfilled.progress();
        match next {
            Draft => false,
            Expired => self == Draft,
            Cancelled => self.progress().is_some() && self.progress() < Delivered.progress(),
            ReturnRequested => left || self == PartiallyReturned,
            PartiallyReturned => left || self == ReturnRequested,
            Returned => left || matches!(self, ReturnRequested | PartiallyReturned),
            Delivered if self == ReturnRequested => true,
            Closed if matches!(self, ReturnRequested | PartiallyReturned) => true,
            _ => self.progress().is_some() && self.progress() < next.progress(),
        }
    }

    /// Whether goods of it have left, as far as its state says.
    pub fn has_left(self) -> bool {
        use OrderState::*;
        self.progress() >= PartiallyFulfilled.progress()
            || matches!(self, Returned | ReturnRequested | PartiallyReturned)
    }
}

/// Who ended an order or withdrew a promise.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum CancelledBy {
    Customer,
    /// An item that cannot be had included.
    Company,
    Unknown,
}

impl CancelledBy {
    pub fn name(self) -> &'static str {
        match self {
            CancelledBy::Customer => "customer",
            CancelledBy::Company => "company",
            CancelledBy::Unknown => "unknown",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        [CancelledBy::Customer, CancelledBy::Company, CancelledBy::Unknown]
            .into_iter()
            .find(|by| by.name() == name)
    }
}

/// What a carrier or a store reports; UCP's words.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum FulfillmentState {
    Processing,
    Shipped,
    InTransit,
    Delivered,
    FailedAttempt,
    Undeliverable,
    ReturnedToSender,
}

impl FulfillmentState {
    pub const ALL: [FulfillmentState; 7] = [
        FulfillmentState::Processing,
        FulfillmentState::Shipped,
        FulfillmentState::InTransit,
        FulfillmentState::Delivered,
        FulfillmentState::FailedAttempt,
        FulfillmentState::Undeliverable,
        FulfillmentState::ReturnedToSender,
    ];

    pub fn name(self) -> &'static str {
        match self {
            FulfillmentState::Processing => "processing",
            FulfillmentState::Shipped => "shipped",
            FulfillmentState::InTransit => "in_transit",
            FulfillmentState::Delivered => "delivered",
            FulfillmentState::FailedAttempt => "failed_attempt",
            FulfillmentState::Undeliverable => "undeliverable",
            FulfillmentState::ReturnedToSender => "returned_to_sender",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }

    /// Whether the goods have left the shop in this state.
    pub fn handed_over(self) -> bool {
        self != FulfillmentState::Processing
    }
}

/// One line of an order.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct OrderLine {
    pub product_id: String,
    pub category: Option<String>,
    pub seller_id: Option<String>,
    pub quantity: f64,
    /// For one unit.
    pub price: Option<Money>,
    /// How value is exchanged for it.
    pub exchange: Exchange,
}
