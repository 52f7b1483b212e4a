//! What a person or a script is told when something did not work: the cause, the place and the remedy, in their
//! language, and an exit code that means something.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::i18n::Messages;

/// What kind of failure it is; each has its exit code.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Something went wrong that is none of the following.
    Failed,
    /// The command cannot be meant as it was given.
    Usage,
    NotFound,
    /// The store is damaged; `inyeon doctor` says where.
    Damaged,
    /// Somebody else uses the store, or the server does not answer; trying again may help.
    Unavailable,
    /// It cannot be done in the present state.
    Conflict,
}

impl Kind {
    pub fn exit_code(self) -> u8 {
        match self {
            Kind::Failed => 1,
            Kind::Usage => 2,
            Kind::NotFound => 3,
            Kind::Damaged => 4,
            Kind::Unavailable => 5,
            Kind::Conflict => 6,
        }
    }
}

/// A failure with its message's key and values; the text is made where the language is known.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Failure {
    pub kind: Kind,
    /// The key of `error-<code>` in the catalogues.
    pub code: String,
    pub values: BTreeMap<String, String>,
}

impl Failure {
    pub fn new(kind: Kind, code: &str) -> Self {
        Failure { kind, code: code.to_owned(), values: BTreeMap::new() }
    }

    pub fn with(mut self, name: &str, value: impl fmt::Display) -> Self {
        self.values.insert(name.to_owned(), value.to_string());
        self
    }

    /// Any other error, its causes with it.
    pub fn other(error: &(dyn Error + 'static)) -> Self {
        Failure::new(Kind::Failed, "other").with("detail", chain(error))
    }

    /// An input or output error at a path.
    pub fn io(doing: &str, path: &std::path::Path, error: &std::io::Error) -> Self {
        Failure::new(Kind::Failed, "io")
            .with("doing", doing)
            .with("path", path.display())
            .with("detail", error)
    }

    pub fn text(&self, messages: &Messages) -> String {
        let values: Vec<(&str, String)> = self.values.iter().map(|(k, v)| (k.as_str(), v.clone())).collect();
        messages.with(&format!("error-{}", self.code), &values)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?}", self.code, self.values)
    }
}

impl Error for Failure {}

/// An error and its causes on one line.
pub fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        // A transparent error says its source's words itself.
        if !text.ends_with(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}

impl From<runtime::NodeError> for Failure {
    fn from(error: runtime::NodeError) -> Self {
        use runtime::NodeError as E;
        use store::{KeyError, LockError, LogError, OpenStoreError as O};
        match &error {
            E::Open(O::Lock(LockError::InUse { dir })) => {
                Failure::new(Kind::Unavailable, "store-in-use").with("dir", dir.display())
            }
            E::Open(
                O::Log(LogError::Damaged(_))
                | O::Keys(KeyError::Damaged { .. } | KeyError::DamagedSlot { .. })
                | O::Description { .. },
            ) => Failure::new(Kind::Damaged, "store-damaged").with("detail", chain(&error)),
            E::Open(O::Newer { .. } | O::Log(LogError::Newer { .. }) | O::Keys(KeyError::Newer { .. })) => {
                Failure::new(Kind::Failed, "store-newer").with("detail", chain(&error))
            }
            E::Open(O::WrongKey { .. } | O::NoKey { .. } | O::BadKey { .. }) => {
                Failure::new(Kind::Failed, "master-key").with("detail", chain(&error))
            }
            E::Intake(runtime::IntakeError::Crowded | runtime::IntakeError::Overloaded) => {
                Failure::new(Kind::Unavailable, "overloaded")
            }
            E::Intake(runtime::IntakeError::Disk(detail)) => {
                Failure::new(Kind::Unavailable, "disk").with("detail", detail)
            }
            E::Fold(_) => Failure::new(Kind::Damaged, "store-damaged").with("detail", chain(&error)),
            _ => Failure::other(&error),
        }
    }
}

impl From<runtime::FoldError> for Failure {
    fn from(error: runtime::FoldError) -> Self {
        Failure::from(runtime::NodeError::from(error))
    }
}

impl From<runtime::HistoryError> for Failure {
    fn from(error: runtime::HistoryError) -> Self {
        Failure::new(Kind::Damaged, "store-damaged").with("detail", chain(&error))
    }
}

impl From<views::Error> for Failure {
    fn from(error: views::Error) -> Self {
        match &error {
            views::Error::UnknownSource { name, .. } => {
                Failure::new(Kind::NotFound, "no-such-import").with("name", name)
            }
            _ => Failure::other(&error),
        }
    }
}
