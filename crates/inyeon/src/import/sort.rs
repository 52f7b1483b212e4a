//! Puts the events of an import into the order of their own time, on disk, with bounded memory.
//!
//! An external merge sort: events gather in memory up to a budget, are sorted and spilled as a run, and the runs
//! are merged while they are read back. Spilled blocks are sealed with a key that exists only in this process,
//! in files that have no name: whatever ends the process, nothing readable is left and the space is freed.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom, SystemRandom};

use super::{ErrorKind, ImportError, ImportEvent, Rank};

/// Memory a sort may use, unless told otherwise.
pub const MEMORY_BYTES_DEFAULT: usize = 64 << 20;

/// Runs merged at once at most: each is an open file.
const FAN_IN_MAX: usize = 128;
/// Bytes of a block before it is sealed, where the budget allows.
const BLOCK_MAX: usize = 64 << 10;
const BLOCK_MIN: usize = 1 << 10;
/// Instant and rank in front of the key; see [`order_of`].
const ORDER_HEAD: usize = 13;

/// Sorts events by time, rank and key. Events with equal keys are all kept: which one counts is the engine's
/// matter. The order depends on nothing but the events.
pub struct Sorter {
    records: RecordSorter,
    order: Vec<u8>,
}

impl Sorter {
    /// Spills to files in `dir`, which must exist, when the events outgrow `memory_bytes`.
    pub fn new(dir: impl Into<PathBuf>, memory_bytes: usize) -> Self {
        Sorter { records: RecordSorter::new(dir.into(), memory_bytes), order: Vec::new() }
    }

    /// Takes an event.
    pub fn push(&mut self, event: &ImportEvent) -> Result<(), ImportError> {
        order_of(event, &mut self.order);
        self.records.push(&self.order, event.json.as_bytes())
    }

    /// Events taken so far.
    pub fn len(&self) -> u64 {
        self.records.count
    }

    /// Whether none was taken.
    pub fn is_empty(&self) -> bool {
        self.records.count == 0
    }

    /// Bytes on disk now.
    pub fn spilled_bytes(&self) -> u64 {
        self.records.levels.iter().flatten().map(|run| run.bytes).sum()
    }

    /// Ends the taking and begins the giving back.
    pub fn finish(self) -> Result<Sorted, ImportError> {
        Ok(Sorted { records: self.records.finish()? })
    }
}

/// The events in order. Dropping it frees what was spilled.
pub struct Sorted {
    records: SortedRecords,
}

impl Sorted {
    /// Events still to come.
    pub fn remaining(&self) -> u64 {
        self.records.remaining
    }
}

impl Iterator for Sorted {
    type Item = Result<ImportEvent, ImportError>;

    fn next(&mut self) -> Option<Self::Item> {
        let record = match self.records.next()? {
            Ok(record) => record,
            Err(error) => return Some(Err(error)),
        };
        let event = event_of(record.order, record.payload);
        Some(event.ok_or_else(|| self.records.spill_error(damaged("a record is not an event"))))
    }
}

/// Bytes that compare as the events do. The instant is whole seconds, rounded down, with the sign bit turned so
/// that times before 1970 come first, then nanoseconds.
fn order_of(event: &ImportEvent, order: &mut Vec<u8>) {
    let nanoseconds = event.at.as_nanosecond();
    let second = nanoseconds.div_euclid(1_000_000_000) as i64;
    let within = nanoseconds.rem_euclid(1_000_000_000) as u32;
    order.clear();
    order.extend_from_slice(&(second ^ i64::MIN).to_be_bytes());
    order.extend_from_slice(&within.to_be_bytes());
    order.push(event.rank as u8);
    order.extend_from_slice(event.key.as_bytes());
}

fn event_of(mut order: Vec<u8>, payload: Vec<u8>) -> Option<ImportEvent> {
    let head: [u8; ORDER_HEAD] = order.get(..ORDER_HEAD)?.try_into().ok()?;
    let second = i64::from_be_bytes(head[..8].try_into().ok()?) ^ i64::MIN;
    let within = u32::from_be_bytes(head[8..12].try_into().ok()?);
    let nanoseconds = i128::from(second) * 1_000_000_000 + i128::from(within);
    order.drain(..ORDER_HEAD);
    Some(ImportEvent {
        at: Timestamp::from_nanosecond(nanoseconds).ok()?,
        rank: Rank::from_byte(head[12])?,
        key: String::from_utf8(order).ok()?,
        json: String::from_utf8(payload).ok()?,
    })
}

/// A record: bytes to order by, and bytes that come along. Compared by both, so that the order is total.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Record {
    pub(super) order: Vec<u8>,
    pub(super) payload: Vec<u8>,
}

/// The sort itself, over records of bytes.
pub(super) struct RecordSorter {
    dir: PathBuf,
    /// For what is held in memory between two spills; a quarter of the whole is left to merging.
    gather_bytes_max: usize,
    block_bytes: usize,
    fan_in: usize,
    arena: Vec<u8>,
    slots: Vec<Slot>,
    /// Runs by how often their records were merged: a full level becomes one run of the next, so that the open
    /// files stay few and each record is rewritten only as often as there are levels.
    levels: Vec<Vec<Run>>,
    seal: Option<Seal>,
    count: u64,
}

/// Where in the arena a record lies: its order bytes, then its payload.
struct Slot {
    at: usize,
    order_len: u32,
    payload_len: u32,
}

impl RecordSorter {
    pub(super) fn new(dir: PathBuf, memory_bytes: usize) -> Self {
        let merge_bytes = memory_bytes / 4;
        // A run being merged holds one block; a small budget gets smaller blocks before it gets fewer runs.
        let block_bytes = (merge_bytes / FAN_IN_MAX).clamp(BLOCK_MIN, BLOCK_MAX);
        RecordSorter {
            dir,
            gather_bytes_max: memory_bytes - merge_bytes,
            block_bytes,
            fan_in: (merge_bytes / block_bytes).clamp(2, FAN_IN_MAX),
            arena: Vec::new(),
            slots: Vec::new(),
            levels: Vec::new(),
            seal: None,
            count: 0,
        }
    }

    pub(super) fn push(&mut self, order: &[u8], payload: &[u8]) -> Result<(), ImportError> {
        let (Ok(order_len), Ok(payload_len)) = (u32::try_from(order.len()), u32::try_from(payload.len()))
        else {
            return Err(self.spill_error(damaged("an event of more than 4 GiB cannot be sorted")));
        };
        let slots_bytes = (self.slots.len() + 1) * size_of::<Slot>();
        let needed = self.arena.len() + order.len() + payload.len() + slots_bytes;
        if needed > self.gather_bytes_max && !self.slots.is_empty() {
            self.spill()?;
        }
        self.reserve(order.len() + payload.len());
        self.slots.push(Slot { at: self.arena.len(), order_len, payload_len });
        self.arena.extend_from_slice(order);
        self.arena.extend_from_slice(payload);
        self.count += 1;
        Ok(())
    }

    pub(super) fn finish(mut self) -> Result<SortedRecords, ImportError> {
        let remaining = self.count;
        if self.levels.is_empty() {
            self.sort_slots();
            let source = Source::Memory(Gathered { arena: self.arena, slots: self.slots, next: 0 });
            return Ok(SortedRecords { dir: self.dir, source, remaining });
        }
        self.spill()?;
        // The memory of gathering is given back before merging takes its own.
        self.arena = Vec::new();
        self.slots = Vec::new();
        let mut runs: Vec<Run> = self.levels.drain(..).flatten().collect();
        while runs.len() > self.fan_in {
            runs.sort_by_key(|run| run.bytes);
            let surplus = runs.len() - self.fan_in + 1;
            let smallest = runs.drain(..surplus.min(self.fan_in)).collect();
            runs.push(self.merged(smallest)?);
        }
        let source = Source::Disk(Box::new(self.merge(runs)?));
        Ok(SortedRecords { dir: self.dir, source, remaining })
    }

    /// Room for one more record. The arena grows by doubling only up to its budget: beyond, a doubling would
    /// take twice what was allowed.
    fn reserve(&mut self, more: usize) {
        let needed = self.arena.len() + more;
        if needed > self.arena.capacity() {
            let doubled = (self.arena.capacity() * 2).clamp(4096, self.gather_bytes_max.max(4096));
            self.arena.reserve_exact(doubled.max(needed) - self.arena.len());
        }
    }

    fn sort_slots(&mut self) {
        let arena = &self.arena;
        // Two records that compare equal are the same bytes, so an unstable sort loses nothing.
        self.slots.sort_unstable_by(|a, b| compare(arena, a, b));
    }

    fn spill(&mut self) -> Result<(), ImportError> {
        if self.slots.is_empty() {
            return Ok(());
        }
        self.sort_slots();
        let seal = self.seal()?;
        let writer = RunWriter::create(&self.dir, seal, self.block_bytes);
        let mut writer = writer.map_err(|error| self.spill_error(error))?;
        for slot in &self.slots {
            let (order, payload) = parts(&self.arena, slot);
            writer.push(order, payload).map_err(|error| self.spill_error(error))?;
        }
        let run = writer.finish().map_err(|error| self.spill_error(error))?;
        self.arena.clear();
        self.slots.clear();
        self.add_run(run, 0)
    }

    fn add_run(&mut self, run: Run, level: usize) -> Result<(), ImportError> {
        let (mut run, mut level) = (run, level);
        loop {
            if self.levels.len() <= level {
                self.levels.push(Vec::new());
            }
            self.levels[level].push(run);
            if self.levels[level].len() < self.fan_in {
                return Ok(());
            }
            let full = std::mem::take(&mut self.levels[level]);
            run = self.merged(full)?;
            level += 1;
        }
    }

    /// One run out of several.
    fn merged(&mut self, runs: Vec<Run>) -> Result<Run, ImportError> {
        let seal = self.seal()?;
        let mut merge = self.merge(runs)?;
        let writer = RunWriter::create(&self.dir, seal, self.block_bytes);
        let mut writer = writer.map_err(|error| self.spill_error(error))?;
        while let Some(record) = merge.next().map_err(|error| self.spill_error(error))? {
            writer.push(&record.order, &record.payload).map_err(|error| self.spill_error(error))?;
        }
        writer.finish().map_err(|error| self.spill_error(error))
    }

    fn merge(&self, runs: Vec<Run>) -> Result<Merge, ImportError> {
        Merge::new(runs).map_err(|error| self.spill_error(error))
    }

    /// The seal of one more run. The key is made when it is first needed: most imports fit in memory.
    fn seal(&mut self) -> Result<RunSeal, ImportError> {
        if self.seal.is_none() {
            self.seal = Some(Seal::new().map_err(|error| self.spill_error(error))?);
        }
        match &mut self.seal {
            Some(seal) => Ok(seal.next_run()),
            None => Err(self.spill_error(damaged("no key"))),
        }
    }

    fn spill_error(&self, source: io::Error) -> ImportError {
        spill_error(&self.dir, source)
    }
}

fn parts<'a>(arena: &'a [u8], slot: &Slot) -> (&'a [u8], &'a [u8]) {
    let order_end = slot.at + slot.order_len as usize;
    (&arena[slot.at..order_end], &arena[order_end..order_end + slot.payload_len as usize])
}

fn compare(arena: &[u8], a: &Slot, b: &Slot) -> Ordering {
    parts(arena, a).cmp(&parts(arena, b))
}

/// Records in order.
pub(super) struct SortedRecords {
    dir: PathBuf,
    source: Source,
    remaining: u64,
}

enum Source {
    Memory(Gathered),
    Disk(Box<Merge>),
    /// After an error nothing more is given: what would follow has a gap before it.
    Failed,
}

struct Gathered {
    arena: Vec<u8>,
    slots: Vec<Slot>,
    next: usize,
}

impl SortedRecords {
    fn spill_error(&self, source: io::Error) -> ImportError {
        spill_error(&self.dir, source)
    }
}

impl Iterator for SortedRecords {
    type Item = Result<Record, ImportError>;

    fn next(&mut self) -> Option<Self::Item> {
        let record = match &mut self.source {
            Source::Memory(gathered) => {
                let slot = gathered.slots.get(gathered.next)?;
                gathered.next += 1;
                let (order, payload) = parts(&gathered.arena, slot);
                Ok(Record { order: order.to_vec(), payload: payload.to_vec() })
            }
            Source::Disk(merge) => match merge.next() {
                Ok(record) => Ok(record?),
                Err(error) => Err(error),
            },
            Source::Failed => return None,
        };
        match record {
            Ok(record) => {
                self.remaining -= 1;
                Some(Ok(record))
            }
            Err(error) => {
                self.source = Source::Failed;
                Some(Err(self.spill_error(error)))
            }
        }
    }
}

fn spill_error(dir: &Path, source: io::Error) -> ImportError {
    let remedy = match source.kind() {
        io::ErrorKind::StorageFull => "Make room there, or name another folder for temporary files",
        io::ErrorKind::NotFound => "Create the folder, or name another for temporary files",
        _ => "Check the folder and its disk, or name another for temporary files",
    };
    ImportError::new(
        ErrorKind::Spill,
        "the import cannot be sorted on disk",
        dir.display().to_string(),
        format!("{remedy}; then import again"),
    )
    .because(source)
}

fn damaged(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// A sorted run on disk. The file has no name, so the system frees it when it is closed, however that happens.
struct Run {
    file: File,
    seal: RunSeal,
    bytes: u64,
}

/// The key of one sort, held in memory only.
struct Seal {
    key: std::sync::Arc<LessSafeKey>,
    runs: u32,
}

/// The key with the number of a run, which no other run of the sort has.
#[derive(Clone)]
struct RunSeal {
    key: std::sync::Arc<LessSafeKey>,
    run: u32,
}

impl Seal {
    fn new() -> io::Result<Seal> {
        let mut bytes = [0; 32];
        SystemRandom::new().fill(&mut bytes).map_err(|_| io::Error::other("no random numbers"))?;
        let key = UnboundKey::new(&AES_256_GCM, &bytes).map_err(|_| io::Error::other("no cipher"))?;
        Ok(Seal { key: LessSafeKey::new(key).into(), runs: 0 })
    }

    fn next_run(&mut self) -> RunSeal {
        self.runs += 1;
        RunSeal { key: self.key.clone(), run: self.runs }
    }
}

impl RunSeal {
    /// Run and block number name a block within the sort, so a nonce never comes twice under the key.
    fn nonce(&self, block: u64) -> Nonce {
        let mut nonce = [0; NONCE_LEN];
        nonce[..4].copy_from_slice(&self.run.to_be_bytes());
        nonce[4..].copy_from_slice(&block.to_be_bytes());
        Nonce::assume_unique_for_key(nonce)
    }

    fn seal(&self, block: u64, last: bool, plain: &mut Vec<u8>) -> io::Result<()> {
        self.key
            .seal_in_place_append_tag(self.nonce(block), Aad::from([u8::from(last)]), plain)
            .map_err(|_| io::Error::other("a block cannot be sealed"))
    }

    /// The length of the plain text, which then stands at the beginning of `sealed`. Whether a block is the last
    /// of its run is under the seal too: a file that was cut short does not pass for a shorter one.
    fn open(&self, block: u64, last: bool, sealed: &mut [u8]) -> io::Result<usize> {
        match self.key.open_in_place(self.nonce(block), Aad::from([u8::from(last)]), sealed) {
            Ok(plain) => Ok(plain.len()),
            Err(_) => Err(damaged("a spilled block was changed on disk")),
        }
    }
}

/// Writes a run: blocks of `length, last or not, sealed records`.
struct RunWriter {
    file: File,
    seal: RunSeal,
    block_bytes: usize,
    block: Vec<u8>,
    blocks: u64,
    bytes: u64,
}

impl RunWriter {
    fn create(dir: &Path, seal: RunSeal, block_bytes: usize) -> io::Result<RunWriter> {
        let file = tempfile::tempfile_in(dir)?;
        Ok(RunWriter { file, seal, block_bytes, block: Vec::new(), blocks: 0, bytes: 0 })
    }

    fn push(&mut self, order: &[u8], payload: &[u8]) -> io::Result<()> {
        let length = 8 + order.len() + payload.len();
        if !self.block.is_empty() && self.block.len() + length > self.block_bytes {
            self.write_block(false)?;
        }
        self.block.extend_from_slice(&(order.len() as u32).to_le_bytes());
        self.block.extend_from_slice(&(payload.len() as u32).to_le_bytes());
        self.block.extend_from_slice(order);
        self.block.extend_from_slice(payload);
        Ok(())
    }

    fn write_block(&mut self, last: bool) -> io::Result<()> {
        self.seal.seal(self.blocks, last, &mut self.block)?;
        let length =
            u32::try_from(self.block.len()).map_err(|_| damaged("an event is too large to spill"))?;
        let mut head = [0; 5];
        head[..4].copy_from_slice(&length.to_le_bytes());
        head[4] = u8::from(last);
        self.file.write_all(&head)?;
        self.file.write_all(&self.block)?;
        self.bytes += 5 + u64::from(length);
        self.blocks += 1;
        self.block.clear();
        Ok(())
    }

    fn finish(mut self) -> io::Result<Run> {
        self.write_block(true)?;
        self.file.rewind()?;
        Ok(Run { file: self.file, seal: self.seal, bytes: self.bytes })
    }
}

/// Reads a run back, block by block.
struct RunReader {
    run: Run,
    block: Vec<u8>,
    plain_len: usize,
    at: usize,
    blocks: u64,
    ended: bool,
}

impl RunReader {
    fn next(&mut self) -> io::Result<Option<Record>> {
        if self.at == self.plain_len {
            if self.ended {
                return Ok(None);
            }
            self.read_block()?;
            if self.plain_len == 0 {
                return Ok(None);
            }
        }
        let order_len = self.read_length()?;
        let payload_len = self.read_length()?;
        let order = self.read_bytes(order_len)?.to_vec();
        let payload = self.read_bytes(payload_len)?.to_vec();
        Ok(Some(Record { order, payload }))
    }

    fn read_block(&mut self) -> io::Result<()> {
        let mut head = [0; 5];
        self.run.file.read_exact(&mut head)?;
        let length = u32::from_le_bytes([head[0], head[1], head[2], head[3]]) as usize;
        let last = head[4] == 1;
        self.block.clear();
        // What the file claims is not reserved before it is there.
        (&mut self.run.file).take(length as u64).read_to_end(&mut self.block)?;
        self.plain_len = self.run.seal.open(self.blocks, last, &mut self.block)?;
        self.at = 0;
        self.blocks += 1;
        self.ended = last;
        Ok(())
    }

    fn read_length(&mut self) -> io::Result<usize> {
        let bytes = self.read_bytes(4)?;
        Ok(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]) as usize)
    }

    fn read_bytes(&mut self, length: usize) -> io::Result<&[u8]> {
        let from = self.at;
        let plain = &self.block[..self.plain_len];
        let bytes = plain.get(from..from + length).ok_or_else(|| damaged("a spilled record is cut short"))?;
        self.at += length;
        Ok(bytes)
    }
}

/// Merges runs: the heap holds the first record of each.
struct Merge {
    readers: Vec<RunReader>,
    heads: BinaryHeap<Reverse<(Record, usize)>>,
}

impl Merge {
    fn new(runs: Vec<Run>) -> io::Result<Merge> {
        let readers = runs.into_iter().map(|run| RunReader {
            run,
            block: Vec::new(),
            plain_len: 0,
            at: 0,
            blocks: 0,
            ended: false,
        });
        let mut merge = Merge { readers: readers.collect(), heads: BinaryHeap::new() };
        for index in 0..merge.readers.len() {
            if let Some(record) = merge.readers[index].next()? {
                merge.heads.push(Reverse((record, index)));
            }
        }
        Ok(merge)
    }

    fn next(&mut self) -> io::Result<Option<Record>> {
        let Some(mut head) = self.heads.peek_mut() else { return Ok(None) };
        let index = head.0.1;
        match self.readers[index].next()? {
            Some(record) => Ok(Some(std::mem::replace(&mut head.0.0, record))),
            None => {
                let Reverse((record, _)) = std::collections::binary_heap::PeekMut::pop(head);
                Ok(Some(record))
            }
        }
    }
}
