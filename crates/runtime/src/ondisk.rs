//! What the doctor and a backup must know of files that only the store writes: to look at them without opening
//! the store, which would mend what is to be reported.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use store::LockError;

pub(crate) const KEYS_FILE: &str = "subject.keys";
pub(crate) const MARK_FILE: &str = "durable.mark";
pub(crate) const KEYS_HEADER: usize = 64;
pub(crate) const SLOT: usize = 96;
const SEGMENT_HEADER: usize = 64;
const FRAME_HEADER: usize = 24;
/// The last frame of a commit, and one that others follow.
const FRAME_WORDS: [[u8; 2]; 2] = [0xA55A_u16.to_le_bytes(), 0xA55C_u16.to_le_bytes()];
const MARK_MAGIC: u32 = 0x4d59_4e49;
const MARK_CELL: usize = 64;

/// Takes the lock of an existing store, so that nobody else opens it meanwhile. Writes nothing.
pub(crate) fn lock(dir: &Path) -> Result<Option<File>, LockError> {
    let path = store::Layout::new(dir).lock();
    let file = match OpenOptions::new().read(true).open(&path) {
        Ok(file) => file,
        // A store that was never opened here, such as a copy, has no lock and nobody who holds it.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(LockError::Io { path, source }),
    };
    store::hold(&file, &path, dir)?;
    Ok(Some(file))
}

/// A key slot's state, or `None` where it is damaged.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Slot {
    Live,
    Destroyed,
}

pub(crate) fn slot(bytes: &[u8]) -> Option<Slot> {
    if bytes.len() != SLOT || crc32c::crc32c(&bytes[..SLOT - 4]) != u32_at(bytes, SLOT - 4) {
        return None;
    }
    match bytes[0] {
        1 => Some(Slot::Live),
        2 => Some(Slot::Destroyed),
        _ => None,
    }
}

pub(crate) fn destroyed_slot() -> [u8; SLOT] {
    let mut slot = [0; SLOT];
    slot[0] = 2;
    let crc = crc32c::crc32c(&slot[..SLOT - 4]);
    slot[SLOT - 4..].copy_from_slice(&crc.to_le_bytes());
    slot
}

/// Whether the key file begins as one of the format that this program writes.
pub(crate) fn is_keys_header(bytes: &[u8]) -> bool {
    bytes.len() >= KEYS_HEADER
        && bytes[..8] == *b"INYEONKY"
        && bytes[8] == 1
        && crc32c::crc32c(&bytes[..KEYS_HEADER - 4]) == u32_at(bytes, KEYS_HEADER - 4)
}

/// The durable mark of a directory as it was found.
pub(crate) struct Mark {
    /// The last durable sequence and that entry's checksum.
    pub value: Option<(u64, u32)>,
    /// One of the two cells is unreadable.
    pub damaged_cell: bool,
}

pub(crate) fn mark(dir: &Path) -> io::Result<Mark> {
    let bytes = match fs::read(dir.join(MARK_FILE)) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(error),
    };
    let mut best: Option<(u64, (u64, u32))> = None;
    let mut sound = 0;
    for cell in bytes.chunks_exact(MARK_CELL).take(2) {
        if u32_at(cell, 0) == MARK_MAGIC
            && crc32c::crc32c(&cell[..MARK_CELL - 4]) == u32_at(cell, MARK_CELL - 4)
        {
            sound += 1;
            let found = (u64_at(cell, 4), (u64_at(cell, 12), u32_at(cell, 20)));
            if best.is_none_or(|best| found.0 > best.0) {
                best = Some(found);
            }
        }
    }
    Ok(Mark { value: best.map(|(_, value)| value), damaged_cell: sound == 1 })
}

/// The segments of a log in order, with the sequence that each file's name says it begins with.
pub(crate) fn segments(dir: &Path) -> io::Result<Vec<(PathBuf, u64)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.extension().is_some_and(|e| e == "seg") {
            let first = path.file_stem().and_then(|s| s.to_str()).and_then(|s| s.parse().ok()).unwrap_or(0);
            found.push((path, first));
        }
    }
    found.sort();
    Ok(found)
}

/// The checksum of the frame before the segment's first, as the segment's header says.
pub(crate) fn previous_checksum(segment: &Path) -> io::Result<u32> {
    use std::os::unix::fs::FileExt;
    let mut word = [0; 4];
    match File::open(segment)?.read_exact_at(&mut word, 20) {
        Ok(()) => Ok(u32::from_le_bytes(word)),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(0),
        Err(error) => Err(error),
    }
}

/// Where in a log the frame with this sequence begins.
pub(crate) fn locate(dir: &Path, seq: u64) -> Option<(PathBuf, u64)> {
    let segments = segments(dir).ok()?;
    let (path, _) = segments.into_iter().rev().find(|(_, first)| *first <= seq)?;
    let bytes = fs::read(&path).ok()?;
    let wanted = seq.to_le_bytes();
    (SEGMENT_HEADER..bytes.len().saturating_sub(FRAME_HEADER - 1))
        .find(|&at| {
            bytes[at + 8..at + 16] == wanted
                && FRAME_WORDS.iter().any(|word| bytes[at + 22..at + 24] == *word)
        })
        .map(|at| (path, at as u64))
}

/// What a frame takes on disk besides its body.
pub(crate) const FRAME_OVERHEAD: u64 = FRAME_HEADER as u64;

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}
