//! Rows of a delimited table, packed or not, each with the line it begins on.
//!
//! The reader is our own because of three things a general CSV reader does not give: the physical line of every
//! row (with quoted line breaks and Windows line ends), the row's own text for the dead letters, and a bound on
//! the damage of a quote that is never closed: such a row costs one line, not the rest of the file.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::{BadRow, BadRowReason, ErrorKind, ImportError};

/// A line longer than this is no row of a table but a file of another kind.
const LINE_MAX: usize = 4 << 20;
/// What is kept of such a line.
const LINE_KEPT: usize = 64 << 10;
/// How far a quoted field may run over line ends before its quote counts as never closed.
const QUOTED_MAX: usize = 1 << 20;

/// Counts the bytes taken from disk, over all files of an import.
#[derive(Clone, Default)]
pub(crate) struct Meter {
    read: Rc<Cell<u64>>,
    total: u64,
}

impl Meter {
    pub(crate) fn over(files: &[&Path]) -> Result<Meter, ImportError> {
        let mut total = 0;
        for file in files {
            total += std::fs::metadata(file).map_err(|error| ImportError::read(file, error))?.len();
        }
        Ok(Meter { read: Rc::default(), total })
    }

    pub(crate) fn bytes_read(&self) -> u64 {
        self.read.get()
    }

    pub(crate) fn bytes_total(&self) -> u64 {
        self.total
    }
}

struct Metered<R> {
    inner: R,
    read: Rc<Cell<u64>>,
}

impl<R: Read> Read for Metered<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.read.set(self.read.get() + count as u64);
        Ok(count)
    }
}

/// Opens a file, unpacking gzip and zstd. It goes by the first bytes, not by the name: a packed file under the
/// wrong name would otherwise come through as one long line of nonsense.
fn open(path: &Path, meter: &Meter) -> io::Result<Box<dyn BufRead>> {
    const GZIP: &[u8] = &[0x1f, 0x8b];
    const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];
    let file = Metered { inner: File::open(path)?, read: Rc::clone(&meter.read) };
    let mut file = BufReader::with_capacity(128 << 10, file);
    let head = file.fill_buf()?;
    Ok(if head.starts_with(GZIP) {
        Box::new(BufReader::with_capacity(128 << 10, flate2::bufread::MultiGzDecoder::new(file)))
    } else if head.starts_with(ZSTD) {
        let unpacked = zstd::stream::read::Decoder::with_buffer(file)?;
        Box::new(BufReader::with_capacity(128 << 10, unpacked))
    } else {
        Box::new(file)
    })
}

/// The name a file is reported under: without its folder, and the same whether it is packed or not.
pub(crate) fn reported_name(path: &Path) -> String {
    let name = path.file_name().map_or_else(|| path.to_string_lossy(), |name| name.to_string_lossy());
    let name = name.as_ref();
    name.strip_suffix(".gz").or_else(|| name.strip_suffix(".zst")).unwrap_or(name).to_owned()
}

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
    file: String,
    input: Box<dyn BufRead>,
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
        let input = open(path, meter).map_err(|error| ImportError::read(path, error))?;
        let mut rows = Rows {
            path: path.to_owned(),
            file: reported_name(path),
            input,
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
        &self.file
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
        let head = self.input.fill_buf().map_err(|error| ImportError::read(&self.path, error))?;
        if head.starts_with(&[0xff, 0xfe]) || head.starts_with(&[0xfe, 0xff]) {
            return Err(unusable(self, "the file is written in UTF-16", "Save it as UTF-8 and import again"));
        }
        // Spreadsheets put a byte order mark before the first column's name.
        if head.starts_with(&[0xef, 0xbb, 0xbf]) {
            self.input.consume(3);
        }
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
        BadRow { file: self.file.clone(), line: row.line, reason, raw: row.raw.clone(), raw_escaped: false }
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
            self.skip_line()?;
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
        let before = bytes.len();
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
        let allowed = limit.saturating_sub(bytes.len() - before) as u64;
        let mut limited = (&mut self.input).take(allowed);
        limited.read_until(b'\n', bytes).map_err(|error| self.damaged(error))?;
        if bytes.len() == before {
            return Ok(Line::End);
        }
        if bytes.last() != Some(&b'\n') && bytes.len() - before >= limit {
            return Ok(Line::Cut);
        }
        self.line += 1;
        Ok(Line::Whole)
    }

    /// Passes over the rest of a line that is too long.
    fn skip_line(&mut self) -> Result<(), ImportError> {
        loop {
            let buffer = self.input.fill_buf().map_err(|error| damaged(&self.path, self.line, error))?;
            if buffer.is_empty() {
                break;
            }
            if let Some(end) = buffer.iter().position(|&b| b == b'\n') {
                self.input.consume(end + 1);
                break;
            }
            let length = buffer.len();
            self.input.consume(length);
        }
        self.line += 1;
        Ok(())
    }

    fn damaged(&self, error: io::Error) -> ImportError {
        damaged(&self.path, self.line, error)
    }

    fn unreadable(&self, line: u64, bytes: &[u8], reason: BadRowReason) -> BadRow {
        let bytes = without_line_end(bytes);
        let (raw, raw_escaped) = match (std::str::from_utf8(bytes), self.dialect.encoding) {
            (Ok(text), Encoding::Utf8) => (text.to_owned(), false),
            (_, Encoding::Utf8) => (escaped(bytes), true),
            (_, Encoding::Latin1) => (bytes.iter().copied().map(char::from).collect(), false),
            (_, Encoding::Windows1252) => (bytes.iter().copied().map(windows_1252).collect(), false),
        };
        BadRow { file: self.file.clone(), line, reason, raw, raw_escaped }
    }
}

enum Line {
    Whole,
    /// It goes on past the limit.
    Cut,
    End,
}

fn damaged(path: &Path, line: u64, error: io::Error) -> ImportError {
    ImportError::new(
        ErrorKind::Read,
        "the file cannot be read or unpacked any further",
        format!("{}:{line}", path.display()),
        "Get the file again: it is damaged or cut short. What was read so far is recognised by its keys then",
    )
    .because(error)
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

fn without_line_end(bytes: &[u8]) -> &[u8] {
    let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    bytes.strip_suffix(b"\r").unwrap_or(bytes)
}

/// Text with each byte that is not UTF-8 as `\xNN`, and each backslash doubled so that this can be undone.
fn escaped(bytes: &[u8]) -> String {
    use std::fmt::Write;
    let mut out = String::with_capacity(bytes.len() + 16);
    for chunk in bytes.utf8_chunks() {
        for char in chunk.valid().chars() {
            if char == '\\' {
                out.push('\\');
            }
            out.push(char);
        }
        for byte in chunk.invalid() {
            // Writing into a String does not fail.
            let _ = write!(out, "\\x{byte:02X}");
        }
    }
    out
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
