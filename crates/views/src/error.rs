//! What can go wrong with the views, which file it was, and what to do.

use std::io;
use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

pub type Result<T> = std::result::Result<T, Error>;

/// No message prints its source: whoever shows the chain prints each cause once.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot {doing} in {}: check that its directory exists and may be written, then try again", path.display())]
    Database { path: PathBuf, doing: &'static str, source: rusqlite::Error },

    #[error("{} is damaged: open the views again, which drops the file, and fold them from the log", path.display())]
    Damaged { path: PathBuf, source: rusqlite::Error },

    #[error("no room left to {doing} in {}: free some disk space; nothing of it was written", path.display())]
    Full { path: PathBuf, doing: &'static str, source: rusqlite::Error },

    #[error("{} stayed locked too long to {doing}: end long reads or a second writer of it and try again", path.display())]
    Busy { path: PathBuf, doing: &'static str, source: Option<rusqlite::Error> },

    #[error("cannot remove {}, which has to be folded again: remove it by hand", path.display())]
    Remove { path: PathBuf, source: io::Error },

    #[error(
        "{} has format {found} and this program reads format {expected}: start the engine on it, which folds the \
         views again",
        path.display()
    )]
    Format { path: PathBuf, found: i64, expected: i64 },

    #[error(
        "changes for {} came out of order: {seq} after {after} in a batch up to {upto}; hand them over in journal \
         order",
        path.display()
    )]
    OutOfOrder { path: PathBuf, seq: u64, after: u64, upto: u64 },

    #[error("{} knows no import called `{name}`: the list of imports names those that it has", path.display())]
    UnknownSource { path: PathBuf, name: String },

    #[error("cannot write out what is in {}: check the receiver and try again", path.display())]
    Output { path: PathBuf, source: io::Error },
}

impl Error {
    pub(crate) fn new(path: &Path, doing: &'static str, source: rusqlite::Error) -> Self {
        let path = path.to_path_buf();
        match source.sqlite_error_code() {
            _ if is_damage(&source) => Error::Damaged { path, source },
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                Error::Busy { path, doing, source: Some(source) }
            }
            Some(ErrorCode::DiskFull) => Error::Full { path, doing, source },
            _ => Error::Database { path, doing, source },
        }
    }

    /// Whether dropping the file and folding it again is the cure.
    pub fn is_damage(&self) -> bool {
        matches!(self, Error::Damaged { .. })
    }
}

/// Pages that are no database, or rows that this program cannot have written.
pub(crate) fn is_damage(error: &rusqlite::Error) -> bool {
    use rusqlite::Error as E;
    match error {
        E::FromSqlConversionFailure(..)
        | E::IntegralValueOutOfRange(..)
        | E::InvalidColumnType(..)
        | E::Utf8Error(..) => true,
        _ => matches!(
            error.sqlite_error_code(),
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase | ErrorCode::TypeMismatch)
        ),
    }
}

/// Says where an error of the database happened, and on the way to what.
pub(crate) trait At<T> {
    fn at(self, path: &Path, doing: &'static str) -> Result<T>;
}

impl<T> At<T> for rusqlite::Result<T> {
    fn at(self, path: &Path, doing: &'static str) -> Result<T> {
        self.map_err(|source| Error::new(path, doing, source))
    }
}
