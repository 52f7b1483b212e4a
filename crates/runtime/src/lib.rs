//! The running engine: the router and fold of a partition, the threads around it, and the handle that the edge
//! holds. It knows neither HTTP nor SQL.

pub mod backup;
mod base;
mod clock;
pub mod doctor;
mod effects;
mod erasure;
mod files;
mod fold;
mod history;
mod intake;
mod logs;
mod node;
mod ondisk;
pub mod ordering;
pub mod promising;
mod queue;
mod remedies;
pub mod salvage;
mod summary;

pub use base::{Base, snapshot};
pub use clock::{Clock, ManualClock};
pub use effects::{MemorySink, Sink};
pub use erasure::destroyed;
pub use fold::{
    Batch, Counters, Delivery, Explanation, Fold, FoldError, Home, Joined, Lineage, Met, Named, Stated,
    StillSaid, Trace, Trail,
};
pub use history::{AppliedEvent, History, Item};
pub use intake::{IntakeCounts, IntakeError};
pub use logs::{BodyError, HistoryError, Logs};
pub use node::{LinksFrom, Node, NodeCounts, NodeError, NodeOptions, OutletStatus};
pub use remedies::{NotRemedied, Remedied};
