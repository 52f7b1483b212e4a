//! One event of a timeline, and the order of events.

use std::cmp::Ordering;

use jiff::Timestamp;

/// The causal order among events of one instant. A table's times are often no finer than a minute, so that an
/// order and its payment share theirs; the payment must still come second.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
pub enum Rank {
    /// Who it is about: `identify`.
    Identify,
    /// What was asked for and quoted before an order.
    Quoted,
    /// `order.placed`.
    Placed,
    /// `payment.captured`.
    Payment,
    /// Accepted and prepared: confirmed, allocated, processing.
    Confirmed,
    /// On its way.
    Shipped,
    /// Arrived, or not to be delivered at all.
    Delivered,
    /// Cancelled or withdrawn.
    Cancelled,
    /// `order.refunded`.
    Refunded,
    /// `product.reviewed`.
    Reviewed,
    /// Everything else, after what it may refer to.
    Other,
}

impl Rank {
    const ALL: [Rank; 11] = [
        Rank::Identify,
        Rank::Quoted,
        Rank::Placed,
        Rank::Payment,
        Rank::Confirmed,
        Rank::Shipped,
        Rank::Delivered,
        Rank::Cancelled,
        Rank::Refunded,
        Rank::Reviewed,
        Rank::Other,
    ];

    /// The rank of an event by its Segment type and its name, ours or Segment's.
    pub fn of(kind: &str, event: &str) -> Rank {
        if kind != "track" {
            return if kind == "identify" { Rank::Identify } else { Rank::Other };
        }
        match event {
            "promise.inquired" | "promise.quoted" | "promise.made" => Rank::Quoted,
            "order.placed" | "Order Completed" => Rank::Placed,
            "payment.captured" => Rank::Payment,
            "order.confirmed" | "order.allocated" | "fulfillment.processing" => Rank::Confirmed,
            "fulfillment.shipped" | "fulfillment.in_transit" | "fulfillment.failed_attempt" => Rank::Shipped,
            "fulfillment.delivered"
            | "fulfillment.undeliverable"
            | "fulfillment.returned_to_sender"
            | "promise.fulfilled" => Rank::Delivered,
            "order.cancelled" | "Order Cancelled" | "promise.withdrawn" => Rank::Cancelled,
            "order.refunded" | "Order Refunded" => Rank::Refunded,
            "product.reviewed" | "Product Reviewed" => Rank::Reviewed,
            _ => Rank::Other,
        }
    }

    pub(crate) fn from_byte(byte: u8) -> Option<Rank> {
        Rank::ALL.get(usize::from(byte)).copied()
    }
}

/// An event of an import.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ImportEvent {
    /// When it happened.
    pub at: Timestamp,
    /// Its place among the events of the same instant.
    pub rank: Rank,
    /// Names it for ever, within its source: `order:<id>:placed`.
    pub key: String,
    /// The event as one JSON object: Segment-shaped (where it has no `messageId` the key takes its place), or a
    /// CloudEvents event.
    pub json: String,
}

impl Ord for ImportEvent {
    /// By time, rank and key; the text comes last so that the order is total and an import repeatable even
    /// where a table gives one key to two different rows.
    fn cmp(&self, other: &Self) -> Ordering {
        (self.at, self.rank)
            .cmp(&(other.at, other.rank))
            .then_with(|| self.key.cmp(&other.key))
            .then_with(|| self.json.cmp(&other.json))
    }
}

impl PartialOrd for ImportEvent {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
