//! The vocabulary that every other crate shares: ids, positions, events, journal entries, outcomes,
//! promises, orders, money and time.
//!
//! Constructors validate; a value that exists is sound. Nothing here does I/O, reads a clock or draws a random
//! number. Everything that is written to disk has its versioned form in [`codec`].

pub mod allowed;
pub mod calendar;
pub mod campaign;
pub mod codec;
pub mod connection;
pub mod effect;
pub mod entry;
pub mod event;
pub mod fact;
pub mod id;
pub mod identity;
pub mod intake;
pub mod money;
pub mod order;
pub mod ordering;
pub mod profile;
pub mod promise;
pub mod quantity;
pub mod quote;
pub mod signal;
pub mod staff;
pub mod supply;
pub mod supply_signal;
pub mod time;

pub use allowed::Allowed;
pub use calendar::{Calendar, Slot};
pub use campaign::{CampaignLoad, CampaignPlan, CampaignReservation};
pub use effect::{Effect, EffectKey, EffectKind, EffectResult};
pub use entry::{
    Cause, Command, Entry, MailBody, MailKey, Outcome, Sealed, SkipReason, TimerId, TimerPurpose,
};
pub use event::{Event, EventKind, Identifier};
pub use fact::Fact;
pub use id::{
    DedupeHash, EntityId, EntityKind, IdentifierHash, KeyId, LogKind, PartitionId, Position, TimelineId,
};
pub use intake::{Dedupe, IntakeHeader, IntakeRecord, RecordKind, RejectedBody, Violation, ViolationBody};
pub use money::{Currency, Money};
pub use order::{CancelledBy, FulfillmentState, OrderLine, OrderState};
pub use ordering::{
    OneAction, OrderChange, OrderCommand, OrderDefaults, OrderFact, PaymentState, PaymentStep, ReturnRequest,
    ReturnState, Wanted,
};
pub use profile::Profile;
pub use promise::{
    Basis, BreakCause, Comparator, PromiseKind, PromiseStatus, PromiseTerms, RiskReason, Target,
};
pub use quantity::Quantity;
pub use quote::{Quote, QuoteFact, QuoteStage, Remedy, RemedyKind};
pub use signal::{About, Signal, SignalError, is_of_customers, is_operational, may_name_nobody};
pub use staff::{Role, StaffAccount};
pub use supply::{
    Exchange, HoldId, Item, Need, Parcel, Refusal, Reservation, SupplyCommand, SupplyFact, SupplyMail,
    SupplyName, SupplySignal, Take,
};
pub use supply_signal::SupplyEvent;
pub use time::Time;
