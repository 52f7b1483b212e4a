//! How an attempt to tell somebody something ended.

use std::time::Duration;

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// It has it.
    Done,
    /// It is told again later: it does not have it, or knows it by its id if it has.
    Again {
        why: String,
        /// What it asked us to wait at least.
        after: Option<Duration>,
    },
    /// It does not have it and never will take it.
    Refused { why: String },
    /// It may have it or not, and would not know a second one for the same: whoever tells it again decides that.
    Doubt { why: String },
    /// It takes nothing any more.
    Gone,
}

impl Verdict {
    /// With a text that its reason may repeat left out of it.
    pub(crate) fn without(mut self, text: &str) -> Self {
        match &mut self {
            Verdict::Again { why, .. } | Verdict::Refused { why } | Verdict::Doubt { why } => {
                *why = why.replace(text, "…");
            }
            Verdict::Done | Verdict::Gone => {}
        }
        self
    }
}
