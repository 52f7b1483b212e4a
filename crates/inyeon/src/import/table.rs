//! Rows of a delimited table, packed or not, each with the line it begins on.
//!
//! The reader is our own because of three things a general CSV reader does not give: the physical line of every
//! row (with quoted line breaks and Windows line ends), the row's own text for the dead letters, and a bound on
//! the damage of a quote that is never closed: such a row costs one line, not the rest of the file.

use std::path::{Path, PathBuf};

use super::lines::{LINE_KEPT, LINE_MAX, Line, Lines, Meter, as_text, without_line_end};
use super::{BadRow, BadRowReason, ErrorKind, ImportError};

/// How far a quoted field may run over line ends before its quote counts as never closed.
const QUOTED_MAX: usize = 1 << 20;

/// How a table is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Dialect {
    pub(crate) delimiter: u8,
    pub(crate) encoding: Encoding,
}

impl Default for Dialect {
    fn default() -> Self {
        Dialect { delimiter: b',', encoding: Encoding::Utf8 }
    }
}

/// The character encodings tables come in.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, serde::Deserialize)]
pub(crate) enum Encoding {
    #[default]
    #[serde(rename = "utf-8")]
    Utf8,
    #[serde(rename = "latin-1")]
    Latin1,
    #[serde(rename = "windows-1252")]
    Windows1252,
}

/// One row, reused from row to row.
#[derive(Default)]
pub(crate) struct Row {
    line: u64,
    raw: String,
    /// The fields' text where quotes had to be taken off; else the fields lie in `raw`.
    unquoted: String,
    quoted: bool,
    fields: Vec<(usize, usize)>,
}

impl Row {
    /// The line it begins on, from 1.
    pub(crate) fn line(&self) -> u64 {
        self.line
    }

    /// The field at `index`. A row has passed the count of columns, so an index from the header is within it.
    pub(crate) fn get(&self, index: usize) -> &str {
        let text = if self.quoted { &self.unquoted } else { &self.raw };
        self.fields.get(index).map_or("", |&(from, to)| &text[from..to])
    }

    fn set_raw(&mut self, bytes: Vec<u8>, encoding: Encoding) -> Result<(), Vec<u8>> {
        self.raw = match encoding {
            Encoding::Utf8 => String::from_utf8(bytes).map_err(|error| error.into_bytes())?,
            Encoding::Latin1 => bytes.iter().copied().map(char::from).collect(),
            Encoding::Windows1252 => bytes.iter().copied().map(windows_1252).collect(),
        };
        Ok(())
    }

    /// Splits `raw`, whose quoting was found to be sound.
    fn split(&mut self, delimiter: u8) {
        self.fields.clear();
        let bytes = self.raw.as_bytes();
        self.quoted = bytes.contains(&b'"');
        if !self.quoted {
            let mut from = 0;
            for at in bytes.iter().enumerate().filter_map(|(at, &b)| (b == delimiter).then_some(at)) {
                self.fields.push((from, at));
                from = at + 1;
            }
            self.fields.push((from, bytes.len()));
            return;
        }
        self.unquoted.clear();
        let mut at = 0;
        loop {
            let from = self.unquoted.len();
            if bytes.get(at) == Some(&b'"') {
                at = push_unquoted(&self.raw, at + 1, &mut self.unquoted);
            } else {
                let length = bytes[at..].iter().position(|&b| b == delimiter);
                let end = length.map_or(bytes.len(), |length| at + length);
                self.unquoted.push_str(&self.raw[at..end]);
                at = end;
            }
            self.fields.push((from, self.unquoted.len()));
            if at >= bytes.len() {
                return;
            }
            // Past the delimiter; where that is the row's last byte, one more turn finds the empty field behind.
            at += 1;
        }
    }
}

/// Appends the quoted field that begins at `at` with its doubled quotes made single, and gives the place behind.
fn push_unquoted(raw: &str, mut at: usize, out: &mut String) -> usize {
    loop {
        let rest = &raw[at..];
        let Some(quote) = rest.find('"') else {
            out.push_str(rest);
            return raw.len();
        };
        out.push_str(&rest[..quote]);
        at += quote + 1;
        if raw.as_bytes().get(at) != Some(&b'"') {
            return at;
        }
        out.push('"');
        at += 1;
    }
}

/// The rows of one table.
pub(crate) struct Rows {
    path: PathBuf,
    lines: Lines,
    dialect: Dialect,
    header: Vec<String>,
    /// The line that is read next.
    line: u64,
    /// Lines that were read ahead for a quote that is not closed, to be read again; see `carried`.
    carry: Vec<u8>,
    carried: usize,
}

impl Rows {
    /// Opens a table and reads its header.
    pub(crate) fn open(path: &Path, dialect: Dialect, meter: &Meter) -> Result<Rows, ImportError> {
        let mut rows = Rows {
            path: path.to_owned(),
            lines: Lines::open(path, meter)?,
            dialect,
            header: Vec::new(),
            line: 1,
            carry: Vec::new(),
            carried: 0,
        };
        rows.read_header()?;
        Ok(rows)
    }

    /// The name the file is reported under.
    pub(crate) fn file(&self) -> &str {
        self.lines.file()
    }

    /// Whether the header has a column of that name.
    pub(crate) fn has_column(&self, name: &str) -> bool {
        self.header.iter().any(|column| column == name)
    }

    /// Where in a row the column of that name stands.
    pub(crate) fn column(&self, name: &str) -> Result<usize, ImportError> {
        let mut places = self.header.iter().enumerate().filter_map(|(at, h)| (h == name).then_some(at));
        let first = places.next().ok_or_else(|| self.missing_column(name))?;
        if places.next().is_some() {
            return Err(ImportError::new(
                ErrorKind::MissingColumn,
                format!("the header has the column {name} twice"),
                format!("{}:1", self.path.display()),
                "Give the two columns different names",
            ));
        }
        Ok(first)
    }

    fn missing_column(&self, name: &str) -> ImportError {
        ImportError::new(
            ErrorKind::MissingColumn,
            format!("the column {name} is missing"),
            format!("{}:1", self.path.display()),
            format!(
                "The header has: {}. Check the file, its delimiter and its encoding",
                self.header.join(", ")
            ),
        )
    }

    fn read_header(&mut self) -> Result<(), ImportError> {
        let unusable = |rows: &Rows, cause: &str, remedy: &str| {
            ImportError::new(ErrorKind::MissingColumn, cause, format!("{}:1", rows.path.display()), remedy)
        };
        let mut row = Row::default();
        match self.next_unchecked(&mut row)? {
            None => Err(unusable(self, "the file is empty", "A table begins with a line of column names")),
            Some(Err(bad)) => Err(unusable(
                self,
                &format!("the header cannot be read: {}", bad.reason),
                "A table begins with a line of column names; check the file's encoding and quotes",
            )),
            Some(Ok(())) => {
                self.header = (0..row.fields.len()).map(|at| row.get(at).trim().to_owned()).collect();
                Ok(())
            }
        }
    }

    /// Reads the next row into `row`: nothing at the end, an error inside for a row that cannot be used.
    pub(crate) fn next(&mut self, row: &mut Row) -> Result<Option<Result<(), BadRow>>, ImportError> {
        let read = self.next_unchecked(row)?;
        if let Some(Ok(())) = &read {
            let (expected, found) = (self.header.len(), row.fields.len());
            if expected != found {
                let reason = BadRowReason::ColumnCount { expected, found };
                return Ok(Some(Err(self.bad_row(row, reason))));
            }
        }
        Ok(read)
    }

    /// Leaves `row`, which was read well, out for a reason found in its fields.
    pub(crate) fn bad_row(&self, row: &Row, reason: BadRowReason) -> BadRow {
        BadRow {
            file: self.file().to_owned(),
            line: row.line,
            reason,
            raw: row.raw.clone(),
            raw_escaped: false,
        }
    }

    fn next_unchecked(&mut self, row: &mut Row) -> Result<Option<Result<(), BadRow>>, ImportError> {
        // The row's old text is the buffer of the new one.
        let mut bytes = std::mem::take(&mut row.raw).into_bytes();
        let cut = loop {
            bytes.clear();
            row.line = self.line;
            match self.read_line(&mut bytes, LINE_MAX)? {
                Line::End => return Ok(None),
                Line::Whole if without_line_end(&bytes).is_empty() => {}
                Line::Whole => break false,
                Line::Cut => break true,
            }
        };
        if cut {
            bytes.truncate(LINE_KEPT);
            self.lines.skip_rest(self.line)?;
            self.line += 1;
            return Ok(Some(Err(self.unreadable(
                row.line,
                &bytes,
                BadRowReason::TooLong { limit: LINE_MAX },
            ))));
        }
        if bytes.contains(&b'"') && !self.complete_quotes(&mut bytes)? {
            return Ok(Some(Err(self.unreadable(row.line, &bytes, BadRowReason::Quotes))));
        }
        bytes.truncate(without_line_end(&bytes).len());
        match row.set_raw(bytes, self.dialect.encoding) {
            Ok(()) => {
                row.split(self.dialect.delimiter);
                Ok(Some(Ok(())))
            }
            Err(bytes) => Ok(Some(Err(self.unreadable(row.line, &bytes, BadRowReason::Encoding)))),
        }
    }

    /// Reads on until every quote is closed. Where that does not come about, only the first line stays in
    /// `bytes`, what was read ahead is put back, and the answer is no.
    fn complete_quotes(&mut self, bytes: &mut Vec<u8>) -> Result<bool, ImportError> {
        let first_line = bytes.len();
        let lines_before = self.line;
        let mut quotes = Quotes::FieldStart;
        let mut seen = 0;
        loop {
            match quotes.run(&bytes[seen..], self.dialect.delimiter) {
                Some(Quotes::Inside) if bytes.len() - first_line < QUOTED_MAX => quotes = Quotes::Inside,
                Some(Quotes::Inside) | None => break,
                Some(_) => return Ok(true),
            }
            seen = bytes.len();
            if !matches!(self.read_line(bytes, QUOTED_MAX)?, Line::Whole) {
                break;
            }
        }
        let mut carry = bytes.split_off(first_line);
        carry.extend_from_slice(&self.carry[self.carried..]);
        self.carry = carry;
        self.carried = 0;
        self.line = lines_before;
        Ok(false)
    }

    /// Appends the next line with its end, at most about `limit` bytes of it.
    fn read_line(&mut self, bytes: &mut Vec<u8>, limit: usize) -> Result<Line, ImportError> {
        let from = bytes.len();
        if self.carried < self.carry.len() {
            let rest = &self.carry[self.carried..];
            let length = rest.iter().position(|&b| b == b'\n').map_or(rest.len(), |at| at + 1);
            bytes.extend_from_slice(&rest[..length]);
            self.carried += length;
            if bytes.last() == Some(&b'\n') {
                self.line += 1;
                return Ok(Line::Whole);
            }
        }
        let read = self.lines.read(bytes, from, limit, self.line)?;
        self.line += u64::from(matches!(read, Line::Whole));
        Ok(read)
    }

    fn unreadable(&self, line: u64, bytes: &[u8], reason: BadRowReason) -> BadRow {
        let bytes = without_line_end(bytes);
        let (raw, raw_escaped) = match self.dialect.encoding {
            Encoding::Utf8 => as_text(bytes),
            Encoding::Latin1 => (bytes.iter().copied().map(char::from).collect(), false),
            Encoding::Windows1252 => (bytes.iter().copied().map(windows_1252).collect(), false),
        };
        BadRow { file: self.file().to_owned(), line, reason, raw, raw_escaped }
    }
}

/// Where in a quoted record a byte stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Quotes {
    FieldStart,
    Bare,
    Inside,
    /// Behind a quote inside quotes: the field's end, or the first of a doubled quote.
    Closing,
    /// Behind the line end that follows a closing quote.
    End,
}

impl Quotes {
    /// The state behind `bytes`, or nothing where text follows a closing quote.
    fn run(mut self, bytes: &[u8], delimiter: u8) -> Option<Quotes> {
        for &byte in bytes {
            self = match (self, byte) {
                (Quotes::Inside, b'"') => Quotes::Closing,
                (Quotes::Inside, _) => Quotes::Inside,
                (Quotes::FieldStart | Quotes::Closing, b'"') => Quotes::Inside,
                (Quotes::FieldStart | Quotes::Bare | Quotes::Closing, byte) if byte == delimiter => {
                    Quotes::FieldStart
                }
                (Quotes::Closing, b'\r' | b'\n') | (Quotes::End, b'\n') => Quotes::End,
                (Quotes::Closing | Quotes::End, _) => return None,
                _ => Quotes::Bare,
            };
        }
        Some(self)
    }
}

fn windows_1252(byte: u8) -> char {
    const HIGH: [char; 32] = [
        '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8d}', 'Ž', '\u{8f}',
        '\u{90}', '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9d}', 'ž', 'Ÿ',
    ];
    match byte {
        0x80..=0x9f => HIGH[usize::from(byte - 0x80)],
        _ => char::from(byte),
    }
}
