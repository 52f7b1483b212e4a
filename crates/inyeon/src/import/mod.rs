//! Importing tables and JSON lines: files in, a timeline of events out.
//!
//! A reader ([`olist`], [`csv_map`], [`jsonl`]) turns rows into [`ImportEvent`]s in whatever order the files have; a
//! [`Sorter`] puts them into the order of their own time on disk, with bounded memory. Every event has a
//! permanent natural key, so importing the same table twice changes nothing. A row that cannot be used is
//! handed over as a [`BadRow`] and the rest goes on; only a missing file or column, a file that cannot be
//! unpacked, or a map that is not valid stops an import.
//!
//! Nothing here reads a clock, and nothing but the spill files of a sort is written.

mod bad_row;
pub mod csv_map;
mod decimal;
mod error;
mod event;
mod json;
pub mod jsonl;
mod lines;
mod local_time;
pub mod olist;
mod progress;
pub mod sort;
mod table;

pub use bad_row::{BadRow, BadRowReason};
pub use error::{ErrorKind, ImportError};
pub use event::{ImportEvent, Rank};
pub use lines::is_standard_input;
pub use progress::{FileSummary, Note, Progress, Sink, Summary};
pub use sort::{Sorted, Sorter};
