//! What operations have: items, stock, resources, and what is taken of them for a promise.
//!
//! Stock is of one item at one place; a resource is anything with a capacity over time (a packing line, a courier's
//! slots, a technician, a machine). Each is a consistency root of its own, so that two orders for different things
//! never wait for each other. A *hold* is taken for a quote and ends with it; once the quote is confirmed it is a
//! *commitment*, which ends when the goods leave or the order is cancelled.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::calendar::{Calendar, Slot};
use crate::id::EntityId;
use crate::money::Money;
use crate::quantity::Quantity;
use crate::time::Time;

/// What can be exchanged.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ItemKind {
    #[default]
    Good,
    /// Time of somebody or something.
    Service,
    /// Something that goes on: a subscription, a warranty.
    Plan,
    /// A right to use something.
    Entitlement,
}

/// How value is exchanged for value.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Exchange {
    /// We sell it to the customer.
    #[default]
    Direct,
    /// A partner delivers it and we mediate.
    Mediated { partner: String },
    /// It is paid over time: `subscription`, `credit` or `pay_per_use`.
    Financial { terms: String },
}

impl Exchange {
    pub fn name(&self) -> &'static str {
        match self {
            Exchange::Direct => "direct",
            Exchange::Mediated { .. } => "mediated",
            Exchange::Financial { .. } => "financial",
        }
    }
}

/// So much of another item.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Component {
    pub item_id: String,
    pub quantity: Quantity,
}

/// So much of a resource's slot for one unit.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CapacityUse {
    pub resource: String,
    pub units: Quantity,
}

/// How an item is made where it is not on hand.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Recipe {
    /// For one unit.
    pub of: Vec<Component>,
    pub with: Vec<CapacityUse>,
    /// From the end of the work until it may leave (drying, testing), in minutes.
    pub then_minutes: u32,
}

/// Where an item is bought.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Supplier {
    pub name: String,
    /// From order to receipt: mean and standard deviation in days.
    pub lead_days: f64,
    pub lead_days_sd: f64,
    /// Of one order, whatever its size.
    pub order_cost: Option<Money>,
    /// Orders are whole multiples of it.
    pub lot: Option<Quantity>,
}

/// One thing in the catalogue.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Item {
    pub item_id: String,
    pub kind: ItemKind,
    pub name: Option<String>,
    pub category: Option<String>,
    pub unit: Option<String>,
    /// For one unit, to the customer.
    pub price: Option<Money>,
    /// For one unit, to us.
    pub cost: Option<Money>,
    pub exchange: Exchange,
    /// Whether a promise needs stock of it.
    pub stocked: bool,
    /// How long it keeps from its receipt, in hours.
    pub shelf_life_hours: Option<u32>,
    /// What it works with: device models, other items.
    pub fits: Vec<String>,
    /// What may stand in for it, best first.
    pub substitutes: Vec<String>,
    /// A bundle is these and nothing else.
    pub bundle: Vec<Component>,
    /// What each unit takes of resources when it is delivered: a service's hours, a fitting.
    pub uses: Vec<CapacityUse>,
    pub recipe: Option<Recipe>,
    pub supplier: Option<Supplier>,
    pub retired: bool,
}

/// One hold, for as long as it lives and after: unique, and nothing about the person can be read from it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct HoldId {
    /// Whose promise it is for.
    pub owner: EntityId,
    /// Counts the holds of that owner.
    pub number: u64,
}

/// What is to be taken.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Take {
    Stock {
        quantity: Quantity,
        /// When the goods leave their place.
        due: Time,
        /// The allocation class that asks.
        class: String,
        /// Lower numbers are served first where supply falls short.
        priority: u32,
    },
    Slot {
        slot: Slot,
        units: Quantity,
        class: String,
        priority: u32,
    },
}

impl Take {
    pub fn class(&self) -> &str {
        let (Take::Stock { class, .. } | Take::Slot { class, .. }) = self;
        class
    }

    /// When it is used.
    pub fn due(&self) -> Time {
        match self {
            Take::Stock { due, .. } => *due,
            Take::Slot { slot, .. } => slot.start,
        }
    }

    pub fn priority(&self) -> u32 {
        let (Take::Stock { priority, .. } | Take::Slot { priority, .. }) = self;
        *priority
    }

    pub fn amount(&self) -> Quantity {
        match self {
            Take::Stock { quantity, .. } => *quantity,
            Take::Slot { units, .. } => *units,
        }
    }
}

/// Why a hold could not be taken or confirmed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// Somebody took it meanwhile.
    Short,
    /// Its time to live ended.
    Expired,
    /// It was released before.
    Ended,
    /// The owner's own reasons: cancelled, erased.
    Withdrawn,
}

impl Refusal {
    pub fn name(self) -> &'static str {
        match self {
            Refusal::Short => "short",
            Refusal::Expired => "expired",
            Refusal::Ended => "ended",
            Refusal::Withdrawn => "withdrawn",
        }
    }
}

/// What changes the stock of an item at a place.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StockMove {
    Received,
    /// A correction, in either direction.
    Adjusted,
    Spoiled,
    /// To quarantine; what is cleared comes back.
    Quarantined,
    Cleared,
}

/// What events of operations say.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum SupplySignal {
    ItemPublished(Box<Item>),
    ItemRetired,
    /// So much is there.
    StockCounted {
        on_hand: Quantity,
    },
    StockMoved {
        what: StockMove,
        quantity: Quantity,
        /// The expected receipt that it fulfils.
        receipt: Option<String>,
        /// Until when what came in keeps.
        best_before: Option<Time>,
    },
    /// So much is to come; none where it is called off.
    ReceiptExpected {
        receipt: String,
        quantity: Quantity,
        due: Time,
    },
    CalendarSet(Calendar),
    /// One slot beside the calendar's, or in place of the one that begins then.
    SlotSet(Slot),
    /// Out of work from one time to another; of all its units where none are named.
    DowntimeReported {
        downtime: String,
        from: Time,
        until: Option<Time>,
        units: Option<Quantity>,
    },
    DowntimeEnded {
        downtime: String,
    },
}

impl SupplySignal {
    pub fn name(&self) -> &'static str {
        match self {
            SupplySignal::ItemPublished(_) => "item.published",
            SupplySignal::ItemRetired => "item.retired",
            SupplySignal::StockCounted { .. } => "stock.counted",
            SupplySignal::StockMoved { what, .. } => match what {
                StockMove::Received => "stock.received",
                StockMove::Adjusted => "stock.adjusted",
                StockMove::Spoiled => "stock.spoiled",
                StockMove::Quarantined => "stock.quarantined",
                StockMove::Cleared => "stock.cleared",
            },
            SupplySignal::ReceiptExpected { .. } => "stock.expected",
            SupplySignal::CalendarSet(_) => "capacity.set",
            SupplySignal::SlotSet(_) => "capacity.slot_set",
            SupplySignal::DowntimeReported { .. } => "downtime.reported",
            SupplySignal::DowntimeEnded { .. } => "downtime.ended",
        }
    }
}

/// Which of the three an event of operations is about.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum SupplyName {
    Item(String),
    Stock { item: String, place: String },
    Resource(String),
}

impl fmt::Display for SupplyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SupplyName::Item(item) => f.write_str(item),
            SupplyName::Stock { item, place } => write!(f, "{item}@{place}"),
            SupplyName::Resource(resource) => f.write_str(resource),
        }
    }
}

/// What came to pass with supply.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum SupplyFact {
    /// The first word about it.
    Named {
        name: SupplyName,
    },
    /// The item is kept at a place, by this entity.
    KeptAt {
        place: String,
        stock: EntityId,
    },
    Told {
        signal: SupplySignal,
        at: Time,
    },
    HoldTaken {
        hold: HoldId,
        take: Take,
        replaces: Option<HoldId>,
        expires_at: Time,
        at: Time,
    },
    /// Not taken, and not to be taken if it is asked again.
    HoldRefused {
        hold: HoldId,
        expires_at: Time,
        why: Refusal,
        at: Time,
    },
    HoldConfirmed {
        hold: HoldId,
        at: Time,
    },
    /// A hold or a commitment ended without use.
    HoldReleased {
        hold: HoldId,
        expires_at: Time,
        at: Time,
    },
    /// Goods left, or the time in a slot was used: the share of the commitment so far, 0 to 1.
    CommitmentUsed {
        hold: HoldId,
        share: f64,
        at: Time,
    },
    /// Supply fell short of a commitment, or covers it again; `covered_at` is when it will be, where that is known.
    CoverChanged {
        hold: HoldId,
        short: bool,
        covered_at: Option<Time>,
        why: Shortage,
        at: Time,
    },
    ReservationMade {
        reservation: Reservation,
        at: Time,
    },
    ReservationEnded {
        reservation: String,
        at: Time,
    },
    /// Goods left for which nothing was committed any more: those of an order that was cancelled. `share` of them have
    /// left by now, `quantity` by this.
    GoodsLeft {
        hold: HoldId,
        quantity: Quantity,
        share: f64,
        at: Time,
    },
}

/// What supply ran short of.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shortage {
    Stock,
    /// A receipt that was expected by then has not come.
    LateReceipt,
    Quality,
    Downtime,
}

impl Shortage {
    pub fn name(self) -> &'static str {
        match self {
            Shortage::Stock => "stock",
            Shortage::LateReceipt => "late_receipt",
            Shortage::Quality => "quality",
            Shortage::Downtime => "downtime",
        }
    }
}

/// Set aside for an allocation class and the classes above it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Reservation {
    pub id: String,
    pub class: String,
    /// Of stock in all; of a resource in each slot.
    pub quantity: Quantity,
    pub from: Time,
    pub until: Time,
}

/// What a customer root and a supply entity tell each other. Each carries the sender's clock.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum SupplyMail {
    /// To an item: it is kept at a place by the sender.
    KeptAt {
        item: String,
        place: String,
        stock: EntityId,
        now: Time,
    },
    AskHold {
        hold: HoldId,
        take: Take,
        replaces: Option<HoldId>,
        expires_at: Time,
        now: Time,
    },
    ConfirmHold {
        hold: HoldId,
        now: Time,
    },
    ReleaseHold {
        hold: HoldId,
        expires_at: Time,
        now: Time,
    },
    UseCommitment {
        hold: HoldId,
        share: f64,
        at: Time,
        now: Time,
    },
    /// To the owner.
    HoldAnswered {
        hold: HoldId,
        refused: Option<Refusal>,
        now: Time,
    },
    ConfirmAnswered {
        hold: HoldId,
        refused: Option<Refusal>,
        now: Time,
    },
    CoverChanged {
        hold: HoldId,
        short: bool,
        covered_at: Option<Time>,
        why: Shortage,
        now: Time,
    },
    /// So much of what was taken once, and let go since, has left all the same; `before` had left when it was let go.
    GoodsLeft {
        hold: HoldId,
        take: Take,
        before: f64,
        share: f64,
        at: Time,
        now: Time,
    },
}

impl SupplyMail {
    /// The sender's clock when it was sent.
    pub fn sent(&self) -> Time {
        match self {
            SupplyMail::KeptAt { now, .. }
            | SupplyMail::AskHold { now, .. }
            | SupplyMail::ConfirmHold { now, .. }
            | SupplyMail::ReleaseHold { now, .. }
            | SupplyMail::UseCommitment { now, .. }
            | SupplyMail::HoldAnswered { now, .. }
            | SupplyMail::ConfirmAnswered { now, .. }
            | SupplyMail::CoverChanged { now, .. }
            | SupplyMail::GoodsLeft { now, .. } => *now,
        }
    }
}

/// What is asked of a supply entity directly.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum SupplyCommand {
    Reserve(Reservation),
    EndReservation { reservation: String },
}

/// One take that a quote needs.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Need {
    /// The stock or resource.
    pub of: EntityId,
    pub name: SupplyName,
    pub take: Take,
    /// The commitment of the same owner that it stands in for: what that one has is there for it.
    pub replaces: Option<HoldId>,
}

/// One delivery of a promise.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Parcel {
    pub place: String,
    /// The lane that brings it: where to, and by which service.
    pub to: String,
    pub service: String,
    /// (item, quantity)
    pub lines: Vec<(String, Quantity)>,
    pub hand_over_by: Time,
    pub due_at: Time,
    /// What it costs us to deliver.
    pub cost: Option<Money>,
}

impl SupplyFact {
    pub fn name(&self) -> &'static str {
        match self {
            SupplyFact::Named { .. } => "supply.named",
            SupplyFact::KeptAt { .. } => "item.kept_at",
            SupplyFact::Told { .. } => "supply.told",
            SupplyFact::HoldTaken { .. } => "hold.taken",
            SupplyFact::HoldRefused { .. } => "hold.refused",
            SupplyFact::HoldConfirmed { .. } => "hold.confirmed",
            SupplyFact::HoldReleased { .. } => "hold.released",
            SupplyFact::CommitmentUsed { .. } => "commitment.used",
            SupplyFact::CoverChanged { .. } => "commitment.cover_changed",
            SupplyFact::ReservationMade { .. } => "reservation.made",
            SupplyFact::ReservationEnded { .. } => "reservation.ended",
            SupplyFact::GoodsLeft { .. } => "goods.left",
        }
    }
}
