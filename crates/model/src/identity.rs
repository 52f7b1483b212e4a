//! What is known of an identifier besides whose it is.

use serde::{Deserialize, Serialize};

use crate::id::IdentifierHash;
use crate::time::Time;

/// An identifier of which only the type can be read.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct HashedIdentifier {
    pub kind: String,
    pub hash: IdentifierHash,
}

/// The identifiers that one was seen together with.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Ties {
    /// The type of the one whose ties these are.
    pub kind: String,
    pub ties: Vec<Tie>,
    /// Identifiers that somebody said are another person's.
    pub parted: Vec<Parted>,
}

impl Ties {
    pub fn with(&self, other: IdentifierHash) -> Option<&Tie> {
        self.ties.iter().find(|tie| tie.other == other)
    }

    pub fn is_parted(&self, other: IdentifierHash) -> bool {
        self.parted.iter().any(|parted| parted.other == other)
    }
}

/// An identifier that somebody said is another person's.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Parted {
    pub other: IdentifierHash,
    /// The journal entry that says so.
    pub seq: u64,
}

/// Two identifiers were seen together. Of all events that show it the one that happened first counts, so that the
/// order of arrival never matters.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Tie {
    pub other: IdentifierHash,
    /// Whether the other is a user's id.
    pub with_user: bool,
    /// Somebody said so, by an alias or by hand. Limits do not part what was said.
    pub explicit: bool,
    /// When the first event that shows it happened, by its own account, and the event's tie-breaker.
    pub at: Time,
    pub tie: u64,
    pub evidence: Evidence,
}

/// Where it can be looked up.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Evidence {
    /// The input with this intake sequence.
    Input(u64),
    /// The journal entry with this sequence.
    Journal(u64),
}
