//! Who is who: which identifiers an event names, and which of those that were seen together are one person.
//!
//! A *home* is the history that inputs with one user's or device's own identifier go to; it never changes. A *tie*
//! says that two identifiers were seen together. A *person* is a group of homes that ties hold together within the
//! limits of the [`Rules`]. People come and part by their ties; what came in stays in its home.

mod cluster;
mod rules;

pub use cluster::{Group, Node, NodeTie, Verdict, group, is_crowded, ties_between};
pub use rules::{Identifiers, Rules, RulesError, TypeRule};
