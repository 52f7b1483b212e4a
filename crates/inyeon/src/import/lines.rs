//! The lines of a file, packed or not, with bounded memory; and how many of its bytes were read.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::{ErrorKind, ImportError};

/// A line longer than this is no row of a table but a file of another kind.
pub(crate) const LINE_MAX: usize = 4 << 20;
/// What is kept of such a line.
pub(crate) const LINE_KEPT: usize = 64 << 10;
/// The path that stands for the standard input.
const STANDARD_INPUT: &str = "-";

/// Whether a path stands for the standard input, whose length nobody knows.
pub fn is_standard_input(path: &Path) -> bool {
    path.as_os_str() == STANDARD_INPUT
}

/// Counts the bytes taken from disk, over all files of an import.
#[derive(Clone, Default)]
pub(crate) struct Meter {
    read: Rc<Cell<u64>>,
    total: u64,
}

impl Meter {
    pub(crate) fn over(files: &[&Path]) -> Result<Meter, ImportError> {
        let mut total = 0;
        for file in files.iter().filter(|file| !is_standard_input(file)) {
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
    let file: Box<dyn Read> =
        if is_standard_input(path) { Box::new(io::stdin()) } else { Box::new(File::open(path)?) };
    let file = Metered { inner: file, read: Rc::clone(&meter.read) };
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
    if is_standard_input(path) {
        return "stdin".to_owned();
    }
    let name = path.file_name().map_or_else(|| path.to_string_lossy(), |name| name.to_string_lossy());
    let name = name.as_ref();
    name.strip_suffix(".gz").or_else(|| name.strip_suffix(".zst")).unwrap_or(name).to_owned()
}

/// What came of reading a line.
pub(crate) enum Line {
    Whole,
    /// It goes on past the limit.
    Cut,
    End,
}

/// A file's lines. Which one is read is the caller's to know; it names the place of an error.
pub(crate) struct Lines {
    path: PathBuf,
    file: String,
    input: Box<dyn BufRead>,
}

impl Lines {
    /// Opens a file, or the standard input for `-`, and passes over a byte order mark.
    pub(crate) fn open(path: &Path, meter: &Meter) -> Result<Lines, ImportError> {
        let failed = |error| ImportError::read(path, error);
        let mut input = open(path, meter).map_err(failed)?;
        let head = input.fill_buf().map_err(failed)?;
        if head.starts_with(&[0xff, 0xfe]) || head.starts_with(&[0xfe, 0xff]) {
            return Err(ImportError::new(
                ErrorKind::Read,
                "the file is written in UTF-16",
                format!("{}:1", path.display()),
                "Save it as UTF-8 and import again",
            ));
        }
        // Spreadsheets put one before the first column's name.
        if head.starts_with(&[0xef, 0xbb, 0xbf]) {
            input.consume(3);
        }
        Ok(Lines { path: path.to_owned(), file: reported_name(path), input })
    }

    /// The name the file is reported under.
    pub(crate) fn file(&self) -> &str {
        &self.file
    }

    /// Appends the rest of the line that begins at `from` in `bytes`, with its end, so that the line has at most
    /// about `limit` bytes.
    pub(crate) fn read(
        &mut self,
        bytes: &mut Vec<u8>,
        from: usize,
        limit: usize,
        line: u64,
    ) -> Result<Line, ImportError> {
        let allowed = limit.saturating_sub(bytes.len() - from) as u64;
        let mut limited = (&mut self.input).take(allowed);
        limited.read_until(b'\n', bytes).map_err(|error| damaged(&self.path, line, error))?;
        if bytes.len() == from {
            return Ok(Line::End);
        }
        if bytes.last() != Some(&b'\n') && bytes.len() - from >= limit {
            return Ok(Line::Cut);
        }
        Ok(Line::Whole)
    }

    /// Passes over the rest of a line that is too long.
    pub(crate) fn skip_rest(&mut self, line: u64) -> Result<(), ImportError> {
        loop {
            let buffer = self.input.fill_buf().map_err(|error| damaged(&self.path, line, error))?;
            if buffer.is_empty() {
                return Ok(());
            }
            if let Some(end) = buffer.iter().position(|&b| b == b'\n') {
                self.input.consume(end + 1);
                return Ok(());
            }
            let length = buffer.len();
            self.input.consume(length);
        }
    }
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

pub(crate) fn without_line_end(bytes: &[u8]) -> &[u8] {
    let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    bytes.strip_suffix(b"\r").unwrap_or(bytes)
}

/// Bytes that should be UTF-8 as text, and whether they had to be escaped: each byte that is no text as `\xNN`, and
/// each backslash doubled so that this can be undone.
pub(crate) fn as_text(bytes: &[u8]) -> (String, bool) {
    use std::fmt::Write;
    if let Ok(text) = std::str::from_utf8(bytes) {
        return (text.to_owned(), false);
    }
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
    (out, true)
}
