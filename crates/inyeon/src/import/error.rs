//! What stops an import, said with its cause, its place and its remedy.

use std::error::Error;
use std::fmt;
use std::path::Path;

/// What kind of trouble an [`ImportError`] is, for callers that branch on it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ErrorKind {
    /// A file the layout needs is not there.
    MissingFile,
    /// A column that is needed is not in the table's header.
    MissingColumn,
    /// A file cannot be opened, read or unpacked.
    Read,
    /// The map is not valid.
    Map,
    /// A time zone is not known to this machine.
    TimeZone,
    /// The spill files of a sort cannot be written or read back.
    Spill,
    /// The receiver of the events refused one.
    Sink,
}

/// An import stopped. Shows cause, place and remedy; what lies beneath is its [`source`](Error::source).
#[derive(Debug)]
pub struct ImportError {
    /// For callers that branch on it.
    pub kind: ErrorKind,
    /// What is wrong.
    pub cause: String,
    /// Where: a file, a file and line, a folder.
    pub place: String,
    /// What to do about it.
    pub remedy: String,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl ImportError {
    pub(crate) fn new(
        kind: ErrorKind,
        cause: impl Into<String>,
        place: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        ImportError { kind, cause: cause.into(), place: place.into(), remedy: remedy.into(), source: None }
    }

    pub(crate) fn because(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// For a [`Sink`](super::Sink) whose own storage failed.
    pub fn sink(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        ImportError::new(
            ErrorKind::Sink,
            "the events could not be stored",
            "where the import writes to",
            "Put right what is named below and import again: what is already stored is recognised by its key",
        )
        .because(source)
    }

    /// Names the map that asked for what is missing.
    pub(crate) fn read_by(mut self, map: &str) -> Self {
        self.remedy = format!("The map {map} reads it. {}", self.remedy);
        self
    }

    pub(crate) fn read(path: &Path, source: std::io::Error) -> Self {
        let remedy = match source.kind() {
            std::io::ErrorKind::NotFound => "Check the path",
            std::io::ErrorKind::PermissionDenied => "Give this user the right to read it",
            _ => "If the file was downloaded or copied, get it again: it may be cut short",
        };
        ImportError::new(ErrorKind::Read, "the file cannot be read", path.display().to_string(), remedy)
            .because(source)
    }

    pub(crate) fn time_zone(name: &str, source: jiff::Error) -> Self {
        ImportError::new(
            ErrorKind::TimeZone,
            format!("the time zone {name} is not known here"),
            "this machine's time zone database",
            "Install the system's time zone data (package tzdata), or check the zone's IANA name",
        )
        .because(source)
    }
}

impl fmt::Display for ImportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}). {}", self.cause, self.place, self.remedy)
    }
}

impl Error for ImportError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn Error + 'static))
    }
}
