//! Rows that could not be used.

use std::fmt;

/// A row that was left out, to be kept with the dead letters. Its text and its reason may hold personal data:
/// they belong in sealed storage, not in a log file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BadRow {
    /// The file's name without its folder and without `.gz` or `.zst`.
    pub file: String,
    /// The line of the unpacked file on which the row begins, counted from 1; line breaks inside quotes count.
    pub line: u64,
    /// Why.
    pub reason: BadRowReason,
    /// The row as it stands in the file, without its line end.
    pub raw: String,
    /// The row is not valid text: in `raw`, each byte that is not UTF-8 is written `\xNN` and each backslash
    /// `\\`, so that the bytes can be had back.
    pub raw_escaped: bool,
}

impl BadRow {
    /// File and line, as a person would write them: `orders.csv:17`.
    pub fn place(&self) -> String {
        format!("{}:{}", self.file, self.line)
    }
}

/// Why a row was left out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum BadRowReason {
    /// More or fewer fields than the header has.
    ColumnCount { expected: usize, found: usize },
    /// Bytes that are no text in the file's encoding.
    Encoding,
    /// A quote that is not closed, or text behind a closing quote. Only the first line of the row is left out;
    /// reading goes on with the next.
    Quotes,
    /// A line longer than `limit` bytes, of which only the beginning is kept.
    TooLong { limit: usize },
    /// A field that is needed is empty.
    Missing { column: String },
    /// Not a date or time in the expected form.
    Time { column: String, value: String },
    /// Not a number of the expected form.
    Number { column: String, value: String },
    /// Neither a yes nor a no.
    Boolean { column: String, value: String },
    /// Not a JSON value.
    Json { column: String, value: String },
    /// A number outside what the column can hold.
    Range { column: String, value: String, expected: &'static str },
    /// The id was already seen in this file.
    Duplicate { id: String, first_line: u64 },
    /// The row names a record that its file does not have.
    Unknown { column: String, id: String, file: String },
    /// The row belongs to a record that was itself left out.
    Refused { column: String, id: String, file: String, line: u64 },
    /// No rule of the map takes the row.
    NoRule,
    /// The row has neither a user id nor another identifier.
    NoIdentifier,
    /// The line is no event, for a reason that the HTTP intake has too.
    Event { code: &'static str, detail: String },
}

impl BadRowReason {
    /// A stable name for counting and filtering.
    pub fn code(&self) -> &'static str {
        match self {
            BadRowReason::ColumnCount { .. } => "column_count",
            BadRowReason::Encoding => "encoding",
            BadRowReason::Quotes => "quotes",
            BadRowReason::TooLong { .. } => "too_long",
            BadRowReason::Missing { .. } => "missing",
            BadRowReason::Time { .. } => "time",
            BadRowReason::Number { .. } => "number",
            BadRowReason::Boolean { .. } => "boolean",
            BadRowReason::Json { .. } => "malformed_json",
            BadRowReason::Range { .. } => "range",
            BadRowReason::Duplicate { .. } => "duplicate",
            BadRowReason::Unknown { .. } => "unknown",
            BadRowReason::Refused { .. } => "refused",
            BadRowReason::NoRule => "no_rule",
            BadRowReason::NoIdentifier => "missing_identifier",
            BadRowReason::Event { code, .. } => code,
        }
    }
}

impl fmt::Display for BadRowReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BadRowReason::ColumnCount { expected, found } => {
                write!(f, "{found} fields where the header has {expected}")
            }
            BadRowReason::Encoding => f.write_str("bytes that are not text in the file's encoding"),
            BadRowReason::Quotes => f.write_str("a quote that is not closed, or text behind a closing quote"),
            BadRowReason::TooLong { limit } => {
                write!(f, "a line of more than {limit} bytes; only its beginning is kept")
            }
            BadRowReason::Missing { column } => write!(f, "{column} is empty"),
            BadRowReason::Time { column, value } => write!(f, "{column} is not a time: {value}"),
            BadRowReason::Number { column, value } => {
                write!(f, "{column} is not a number of the expected form: {value}")
            }
            BadRowReason::Boolean { column, value } => {
                write!(f, "{column} is neither a yes nor a no: {value}")
            }
            BadRowReason::Json { column, value } => write!(f, "{column} is not JSON: {value}"),
            BadRowReason::Range { column, value, expected } => {
                write!(f, "{column} is {value}, expected {expected}")
            }
            BadRowReason::Duplicate { id, first_line } => {
                write!(f, "{id} was already on line {first_line}")
            }
            BadRowReason::Unknown { column, id, file } => write!(f, "{column} {id} is not in {file}"),
            BadRowReason::Refused { column, id, file, line } => {
                write!(f, "{column} {id} was itself left out, at {file}:{line}")
            }
            BadRowReason::NoRule => f.write_str("no rule of the map takes this row"),
            BadRowReason::NoIdentifier => f.write_str("neither a user id nor another identifier"),
            BadRowReason::Event { detail, .. } => f.write_str(detail),
        }
    }
}
