//! The durable mark: how far a file had been synced when somebody was last told so.
//!
//! A log's own bytes cannot say that their tail is missing. The mark can: two cells written in turn after each
//! sync, before anyone is answered. It is not synced at each commit (that would double the cost of one), so a
//! loss of power can leave an older mark behind; killing the process, cutting files and flipping bits cannot.

use std::path::{Path, PathBuf};

use crate::disk::{Disk, DiskFile};

const MAGIC: u32 = 0x4d59_4e49;
const CELL: usize = 64;
/// Commits between two syncs of the mark itself.
const SYNC_EVERY: u64 = 512;

/// What was durable.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct MarkValue {
    /// The last durable sequence; 0 before anything.
    pub seq: u64,
    /// The checksum of that entry.
    pub crc: u32,
}

pub(crate) struct Mark {
    file: DiskFile,
    generation: u64,
}

/// How a mark was found.
pub(crate) struct MarkOpened {
    pub mark: Mark,
    pub value: Option<MarkValue>,
    /// One of the two cells was unreadable; the other was used.
    pub damaged_cell: bool,
}

pub(crate) fn mark_path(dir: &Path) -> PathBuf {
    dir.join("durable.mark")
}

impl Mark {
    /// Opens or creates the mark of a directory. Both cells unreadable reads as no value.
    pub(crate) fn open(disk: &Disk, dir: &Path) -> std::io::Result<MarkOpened> {
        let file = disk.open(&mark_path(dir), true)?;
        let mut bytes = [0; CELL * 2];
        let read = file.read_at_most(&mut bytes, 0)?;
        let mut best: Option<(u64, MarkValue)> = None;
        let mut damaged_cell = read != 0 && read < CELL * 2;
        for cell in bytes.chunks_exact(CELL) {
            match decode(cell) {
                Some(found) if best.is_none_or(|best| found.0 > best.0) => best = Some(found),
                Some(_) => {}
                None => damaged_cell |= read != 0,
            }
        }
        let generation = best.map_or(0, |(generation, _)| generation);
        let mark = Mark { file, generation };
        Ok(MarkOpened { mark, value: best.map(|(_, value)| value), damaged_cell })
    }

    pub(crate) fn set(&mut self, value: MarkValue) -> std::io::Result<()> {
        // The first write fills both cells, so that from then on an empty cell is a damaged one.
        let first = self.generation == 0;
        for _ in 0..=u8::from(first) {
            self.generation += 1;
            let at = (self.generation % 2) * CELL as u64;
            self.file.write_all_at(&encode(self.generation, value), at)?;
        }
        if first || self.generation.is_multiple_of(SYNC_EVERY) {
            self.file.sync_data()?;
        }
        Ok(())
    }

    /// Writes the value into both cells and syncs them, mending a damaged one.
    pub(crate) fn settle(&mut self, value: MarkValue) -> std::io::Result<()> {
        self.set(value)?;
        self.set(value)?;
        self.file.sync_data()
    }
}

fn encode(generation: u64, value: MarkValue) -> [u8; CELL] {
    let mut cell = [0; CELL];
    cell[0..4].copy_from_slice(&MAGIC.to_le_bytes());
    cell[4..12].copy_from_slice(&generation.to_le_bytes());
    cell[12..20].copy_from_slice(&value.seq.to_le_bytes());
    cell[20..24].copy_from_slice(&value.crc.to_le_bytes());
    let crc = crc32c::crc32c(&cell[..CELL - 4]);
    cell[CELL - 4..].copy_from_slice(&crc.to_le_bytes());
    cell
}

fn decode(cell: &[u8]) -> Option<(u64, MarkValue)> {
    let u32_at = |at: usize| u32::from_le_bytes(cell[at..at + 4].try_into().expect("four bytes"));
    let u64_at = |at: usize| u64::from_le_bytes(cell[at..at + 8].try_into().expect("eight bytes"));
    let sound = u32_at(0) == MAGIC && crc32c::crc32c(&cell[..CELL - 4]) == u32_at(CELL - 4);
    sound.then(|| (u64_at(4), MarkValue { seq: u64_at(12), crc: u32_at(20) }))
}
