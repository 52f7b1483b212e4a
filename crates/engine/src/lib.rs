//! The pure heart. [`decide`] says once what follows from an input; [`evolve`] is all that a replay runs.
//!
//! Nothing here does I/O, reads a clock, draws a random number or knows a wire format: the time, the reference
//! data and the seed are handed in, and equal arguments give equal results.

mod customer;
mod decide;
mod evolve;
pub mod identity;
mod reference;
mod workspace;

pub use customer::{Customer, EarlySignal, EffectRecord, EffectState, Order, Promise, Timer};
pub use decide::{Context, Stimulus, decide};
pub use evolve::{Change, Observed, evolve, tie_breaker};
pub use reference::{Reference, ReferenceError};
pub use workspace::{Broker, Import, Published, Source, Webhook, Workspace};

use model::{EntityId, EntityKind};
use serde::{Deserialize, Serialize};

/// The format of a snapshot of [`Entity`]. Bumped with any change of the state's types; snapshots are caches, so
/// another number is dropped and folded again.
pub const SNAPSHOT_FORMAT: u32 = 3;

/// The state of one consistency root. Nothing in it points outside it but ids.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Entity {
    Customer(Box<Customer>),
    Workspace(Box<Workspace>),
}

impl Entity {
    /// The state before anything happened.
    pub fn new(id: EntityId) -> Self {
        match id.kind {
            EntityKind::Customer => Entity::Customer(Box::new(Customer::new(id))),
            EntityKind::Workspace => Entity::Workspace(Box::default()),
        }
    }

    pub fn customer(&self) -> Option<&Customer> {
        match self {
            Entity::Customer(customer) => Some(customer),
            Entity::Workspace(_) => None,
        }
    }

    pub fn workspace(&self) -> Option<&Workspace> {
        match self {
            Entity::Workspace(workspace) => Some(workspace),
            Entity::Customer(_) => None,
        }
    }
}
