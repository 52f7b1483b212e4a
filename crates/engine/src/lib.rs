//! The pure heart. [`decide`] says once what follows from an input; [`evolve`] is all that a replay runs.
//!
//! Nothing here does I/O, reads a clock, draws a random number or knows a wire format: the time, the reference
//! data and the seed are handed in, and equal arguments give equal results.

pub mod connection;
mod customer;
mod decide;
mod evolve;
pub mod identity;
mod payment;
pub mod playbook;
pub mod promising;
mod reference;
pub mod replenish;
pub mod supply;
mod workspace;

pub use connection::Connection;
pub use customer::{
    AppliedRemedy, Customer, EarlySignal, EffectRecord, EffectState, Order, Promise, QuoteRecord, Return,
    Timer,
};
pub use decide::{Considered, Context, Stimulus, decide};
pub use evolve::{Change, Observed, evolve, tie_breaker};
pub use payment::Payment;
pub use reference::{Reference, ReferenceError};
pub use workspace::{Broker, Import, Outlet, PlannedCampaign, Published, Source, Staff, Webhook, Workspace};

use std::collections::BTreeMap;

use model::{EntityId, EntityKind, MailBody, MailKey, TimerId};
use serde::{Deserialize, Serialize};

/// The format of a snapshot of [`Entity`]. Bumped with any change of the state's types; snapshots are caches, so
/// another number is dropped and folded again.
pub const SNAPSHOT_FORMAT: u32 = 8;

/// The state of one consistency root. Nothing in it points outside it but ids.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Entity {
    Customer(Box<Customer>),
    Workspace(Box<Workspace>),
    Item(Box<supply::CatalogueItem>),
    Stock(Box<supply::Stock>),
    Resource(Box<supply::Resource>),
}

impl Entity {
    /// The state before anything happened.
    pub fn new(id: EntityId) -> Self {
        match id.kind {
            EntityKind::Customer => Entity::Customer(Box::new(Customer::new(id))),
            EntityKind::Workspace => Entity::Workspace(Box::default()),
            EntityKind::Item => Entity::Item(Box::default()),
            EntityKind::Stock => Entity::Stock(Box::new(supply::Stock::new(id))),
            EntityKind::Resource => Entity::Resource(Box::new(supply::Resource::new(id))),
        }
    }

    pub fn customer(&self) -> Option<&Customer> {
        match self {
            Entity::Customer(customer) => Some(customer),
            _ => None,
        }
    }

    pub fn workspace(&self) -> Option<&Workspace> {
        match self {
            Entity::Workspace(workspace) => Some(workspace),
            _ => None,
        }
    }

    pub fn item(&self) -> Option<&supply::CatalogueItem> {
        match self {
            Entity::Item(item) => Some(item),
            _ => None,
        }
    }

    pub fn stock(&self) -> Option<&supply::Stock> {
        match self {
            Entity::Stock(stock) => Some(stock),
            _ => None,
        }
    }

    pub fn resource(&self) -> Option<&supply::Resource> {
        match self {
            Entity::Resource(resource) => Some(resource),
            _ => None,
        }
    }

    /// The timers that run.
    pub fn timers(&self) -> Option<&BTreeMap<TimerId, Timer>> {
        match self {
            Entity::Customer(customer) => Some(&customer.timers),
            Entity::Stock(stock) => Some(&stock.timers),
            Entity::Workspace(_) | Entity::Item(_) | Entity::Resource(_) => None,
        }
    }

    /// Whether a mail has still to be decided on. What is about a hold is known by the hold: told twice, it leads to
    /// the same answer and changes nothing.
    pub fn is_new(&self, key: &MailKey, body: &MailBody) -> bool {
        match (self, body) {
            (_, MailBody::Supply(_)) => true,
            (Entity::Customer(customer), _) => !customer.mails.contains(key),
            _ => false,
        }
    }
}
