//! Where a reader delivers to, how far it is, and what it did.

use std::collections::BTreeMap;

use super::lines::Meter;
use super::{BadRow, ImportError, ImportEvent};

/// Rows between two reports of progress: often enough for a smooth bar, too rare to be felt.
const ROWS_PER_REPORT: u64 = 2048;

/// Where a reader delivers to. An error stops the import; see [`ImportError::sink`].
pub trait Sink {
    /// Takes an event. They come in the order of the files, not of time.
    fn event(&mut self, event: ImportEvent) -> Result<(), ImportError>;

    /// Takes a row that could not be used.
    fn bad_row(&mut self, row: BadRow) -> Result<(), ImportError>;

    /// Hears how far the reader is: every few thousand rows, and once at the end.
    fn progress(&mut self, progress: &Progress<'_>) {
        let _ = progress;
    }
}

/// How far a reader is.
#[derive(Clone, Copy, Debug)]
pub struct Progress<'a> {
    /// The file being read.
    pub file: &'a str,
    /// Bytes read so far of all files, as they lie on disk (packed, where they are).
    pub bytes_read: u64,
    /// Bytes of all files on disk.
    pub bytes_total: u64,
    /// Rows read so far, bad ones included.
    pub rows: u64,
    /// Rows left out so far.
    pub bad_rows: u64,
    /// Events delivered so far.
    pub events: u64,
}

/// What an import did. In each file, `rows = used + skipped + bad_rows`.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Summary {
    /// In the order they were read.
    pub files: Vec<FileSummary>,
    /// Events by name; `identify` for identify calls.
    pub events: BTreeMap<String, u64>,
    /// What was not wrong enough to leave a row out, yet is worth knowing.
    pub notes: Vec<Note>,
}

impl Summary {
    /// Rows of all files, bad ones included.
    pub fn rows(&self) -> u64 {
        self.files.iter().map(|file| file.rows).sum()
    }

    /// Rows left out, of all files.
    pub fn bad_rows(&self) -> u64 {
        self.files.iter().map(|file| file.bad_rows).sum()
    }

    /// Events of all names.
    pub fn event_count(&self) -> u64 {
        self.events.values().sum()
    }
}

/// The rows of one file.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct FileSummary {
    /// The file's name without its folder and without `.gz` or `.zst`.
    pub file: String,
    /// Rows behind the header, bad ones included; blank lines are not rows.
    pub rows: u64,
    /// Rows that events were made of, or that such rows refer to.
    pub used: u64,
    /// Rows a map leaves out on purpose.
    pub skipped: u64,
    /// Rows left out because something is wrong with them.
    pub bad_rows: u64,
}

/// Something worth knowing, and how often it was met.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Note {
    /// In words.
    pub what: String,
    /// How often.
    pub count: u64,
}

/// The reader's side of a sink: passes everything on and counts it.
pub(crate) struct Feed<'s> {
    sink: &'s mut dyn Sink,
    meter: Meter,
    summary: Summary,
    rows: u64,
    bad_rows: u64,
    events: u64,
}

impl<'s> Feed<'s> {
    pub(crate) fn new(sink: &'s mut dyn Sink, meter: Meter) -> Self {
        Feed { sink, meter, summary: Summary::default(), rows: 0, bad_rows: 0, events: 0 }
    }

    /// The rows that follow belong to `file`.
    pub(crate) fn begin_file(&mut self, file: &str) {
        self.summary.files.push(FileSummary { file: file.to_owned(), ..FileSummary::default() });
    }

    /// A row was used.
    pub(crate) fn used(&mut self) {
        self.current().used += 1;
        self.count_row();
    }

    /// A row was left out on purpose.
    pub(crate) fn skipped(&mut self) {
        self.current().skipped += 1;
        self.count_row();
    }

    /// A row was left out because something is wrong with it.
    pub(crate) fn bad_row(&mut self, row: BadRow) -> Result<(), ImportError> {
        self.current().bad_rows += 1;
        self.bad_rows += 1;
        self.count_row();
        self.sink.bad_row(row)
    }

    /// `name` is what the event is counted under.
    pub(crate) fn event(&mut self, name: &str, event: ImportEvent) -> Result<(), ImportError> {
        self.events += 1;
        match self.summary.events.get_mut(name) {
            Some(count) => *count += 1,
            None => {
                self.summary.events.insert(name.to_owned(), 1);
            }
        }
        self.sink.event(event)
    }

    pub(crate) fn note(&mut self, what: &str, count: u64) {
        if count > 0 {
            self.summary.notes.push(Note { what: what.to_owned(), count });
        }
    }

    pub(crate) fn finish(mut self) -> Summary {
        self.report();
        self.summary
    }

    fn current(&mut self) -> &mut FileSummary {
        if self.summary.files.is_empty() {
            self.summary.files.push(FileSummary::default());
        }
        let last = self.summary.files.len() - 1;
        &mut self.summary.files[last]
    }

    fn count_row(&mut self) {
        self.current().rows += 1;
        self.rows += 1;
        if self.rows.is_multiple_of(ROWS_PER_REPORT) {
            self.report();
        }
    }

    fn report(&mut self) {
        let file = self.summary.files.last().map_or("", |file| file.file.as_str());
        self.sink.progress(&Progress {
            file,
            bytes_read: self.meter.bytes_read(),
            bytes_total: self.meter.bytes_total(),
            rows: self.rows,
            bad_rows: self.bad_rows,
            events: self.events,
        });
    }
}
