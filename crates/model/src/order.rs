//! Orders and their fulfillment: states as Saleor and UCP name them, so that maps are one to one.

use serde::{Deserialize, Serialize};

use crate::money::Money;

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
}

impl OrderState {
    pub const ALL: [OrderState; 9] = [
        OrderState::Placed,
        OrderState::Confirmed,
        OrderState::Allocated,
        OrderState::PartiallyFulfilled,
        OrderState::Fulfilled,
        OrderState::Delivered,
        OrderState::Closed,
        OrderState::Cancelled,
        OrderState::Returned,
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
        }
    }

    /// Whether an order in this state may move to `next`. Progress may skip states (a shop need not report each) and
    /// never runs back. A shop of ours cancels before it ships; systems of record also call back what is on its
    /// way, so a cancellation counts until the delivery, and a return from the hand-over on.
    pub fn may_become(self, next: OrderState) -> bool {
        use OrderState::*;
        match next {
            Cancelled => self < Delivered,
            Returned => matches!(self, PartiallyFulfilled | Fulfilled | Delivered | Closed),
            _ => self < next && !matches!(self, Cancelled | Returned),
        }
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
}
