//! A quote: what could be promised, held until it is confirmed or its time to live ends.

use serde::{Deserialize, Serialize};

use crate::money::Money;
use crate::order::OrderLine;
use crate::ordering::{OneAction, OrderChange};
use crate::promise::PromiseTerms;
use crate::supply::{Need, Parcel, Refusal, Shortage};
use crate::time::Time;

/// What a customer is offered, and what must be held for it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Quote {
    pub quote_id: String,
    pub purpose: Purpose,
    /// The promise as it will be made; its id is the quote's until it is for an order.
    pub terms: PromiseTerms,
    pub lines: Vec<OrderLine>,
    pub region: Option<String>,
    pub total: Option<Money>,
    /// In the order in which they are asked for, which is the same for everybody.
    pub needs: Vec<Need>,
    pub parcels: Vec<Parcel>,
    pub expires_at: Time,
}

/// What a quote is for.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Purpose {
    /// An order that may be placed.
    Order,
    /// Saving a promise that is at risk.
    Remedy(Remedy),
    /// An order that is placed as soon as everything is held.
    OneAction(Box<OneAction>),
    /// What is to stand in the place of an order that was placed.
    Change(Box<OrderChange>),
}

/// What is done for a promise before it breaks, or after.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Remedy {
    pub promise_id: String,
    pub kind: RemedyKind,
    /// What it costs us beyond what was planned.
    pub cost: Option<Money>,
    /// That the promise, by the date which holds afterwards, is kept.
    pub probability: f64,
    /// The new date, where there is one; the first target stays on record.
    pub new_due: Option<Time>,
    /// What is given to the customer, where something is.
    pub compensation: Option<Money>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RemedyKind {
    /// A faster way from the same place.
    Expedite,
    /// From another place.
    OtherSource,
    /// Something that stands in for it.
    Substitute,
    /// What is there now, the rest later.
    Split,
    NewDate,
    Compensate,
}

impl RemedyKind {
    pub const ALL: [RemedyKind; 6] = [
        RemedyKind::Expedite,
        RemedyKind::OtherSource,
        RemedyKind::Substitute,
        RemedyKind::Split,
        RemedyKind::NewDate,
        RemedyKind::Compensate,
    ];

    pub fn name(self) -> &'static str {
        match self {
            RemedyKind::Expedite => "expedite",
            RemedyKind::OtherSource => "other_source",
            RemedyKind::Substitute => "substitute",
            RemedyKind::Split => "split",
            RemedyKind::NewDate => "new_date",
            RemedyKind::Compensate => "compensate",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// Where a quote is. `Asking → Held → Confirming → Placed`, or an end.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum QuoteStage {
    /// Holds are being asked for.
    Asking,
    /// Everything is held.
    Held,
    /// Holds are being turned into commitments.
    Confirming,
    /// Everything is committed, and the order is placed or the remedy applied.
    Placed,
    /// Something could not be held or confirmed; whatever was is let go.
    Refused,
    /// Its time to live ended.
    Expired,
    /// Let go of by somebody: a quote that is not wanted, an order that is cancelled.
    Released,
}

impl QuoteStage {
    pub fn name(self) -> &'static str {
        match self {
            QuoteStage::Asking => "asking",
            QuoteStage::Held => "held",
            QuoteStage::Confirming => "confirming",
            QuoteStage::Placed => "placed",
            QuoteStage::Refused => "refused",
            QuoteStage::Expired => "expired",
            QuoteStage::Released => "released",
        }
    }

    pub fn is_ended(self) -> bool {
        matches!(self, QuoteStage::Refused | QuoteStage::Expired | QuoteStage::Released)
    }
}

/// What came to pass with a quote, at its owner.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum QuoteFact {
    Asked {
        quote: Box<Quote>,
        /// The number of the hold for the first need; the others follow.
        first_hold: u64,
        at: Time,
    },
    /// What a supply entity said, of the hold or of its confirmation.
    Answered { quote_id: String, hold: u64, refused: Option<Refusal>, at: Time },
    Moved {
        quote_id: String,
        stage: QuoteStage,
        /// Under which an order is to be placed.
        order_id: Option<String>,
        why: Option<Refusal>,
        at: Time,
    },
    /// Supply fell short of what an order was promised, or covers it again.
    CoverChanged {
        quote_id: String,
        hold: u64,
        short: bool,
        covered_at: Option<Time>,
        why: Shortage,
        at: Time,
    },
    /// Something was done for a promise.
    Remedied {
        remedy: Remedy,
        /// The promise was at risk, and not broken yet.
        before_the_break: bool,
        at: Time,
    },
}

impl QuoteFact {
    pub fn name(&self) -> &'static str {
        match self {
            QuoteFact::Asked { .. } => "quote.asked",
            QuoteFact::Answered { .. } => "quote.answered",
            QuoteFact::Moved { .. } => "quote.moved",
            QuoteFact::CoverChanged { .. } => "quote.cover_changed",
            QuoteFact::Remedied { .. } => "promise.remedied",
        }
    }
}
