//! Read models in SQLite that follow the facts and can be dropped and folded again.
//!
//! [`Views`] is the one writer: it is handed [`Change`]s in journal order and remembers, in the transaction that
//! writes the rows, up to which journal sequence they reflect. [`Reader`]s look on meanwhile. Nothing here decides
//! anything: a file of another format, or a damaged one, is dropped and the caller folds the journal again.
//!
//! The crate knows the model and nothing of the engine or of the logs. It opens the one file it is given and
//! what SQLite keeps beside it, and reads no clock: "now" is where a timeline's clock stands by the last
//! [`Change::Clock`].

mod change;
mod connection;
mod demand;
mod dump;
mod error;
mod fold;
pub mod kpi;
mod needs;
mod reader;
mod report;
mod risk;
mod rows;
mod schema;
mod supply;
mod wire;
mod writer;

pub use change::{Change, EffectChange, EffectState, ProfileRow, PromiseCounts};
pub use connection::{AutoOrderRow, DecisionRow, NeedRow};
pub use demand::{DemandRow, OrdersRow, Periods};
pub use error::{Error, Result};
pub use needs::{AutoOrders, FrictionRow, NeedGroup, NeedQuery, NeedReport};
pub use reader::{DeadLetterFilter, EffectFilter, Reader, ViolationFilter};
pub use report::{GroupBy, PromiseReport, ReportGroup, ReportQuery, ReportRow};
pub use risk::{RemedyOfKind, RemedyReport, RemedyRow, RiskRow};
pub use rows::{
    ClockRow, DeadLetterRow, EffectRow, EffectsSwitch, HistoryRow, ImportRow, OrderLineRow, OrderRow,
    PaymentRow, PromiseRow, ReturnRow, ReviewRow, RevisionRow, SourceRow, TargetRow, ViolationRow,
};
pub use supply::{ItemRow, ResourceRow, StockRow, SupplyRow};
pub use writer::{Begin, Opened, Views, Why};
