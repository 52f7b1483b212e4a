//! An append-only log of checksummed, chained frames in segment files.
//!
//! A segment is `{first sequence:020}.seg`: a 64-byte header, then frames. A frame is 24 bytes of header (length,
//! crc32c of everything else, sequence, crc of the frame before, format, log, a word that says whether the commit
//! ends with it) and its body. A commit counts whole or not at all: what follows from an input stands in the same
//! commit as the input, and one without the other would be lost for good. The chain and the sequence show a frame that
//! is missing or out of place; the durable mark shows a tail that is. Only what nobody was told about is ever cut.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, RwLock};
use std::time::Duration;

use model::{LogKind, PartitionId};

use crate::disk::{Disk, DiskFile};
use crate::failpoint;
use crate::mark::{Mark, MarkValue};

const SEGMENT_MAGIC: [u8; 8] = *b"INYEONSG";
const SEGMENT_HEADER: usize = 64;
const FRAME_HEADER: usize = 24;
/// The format of segments and frames; a reader that meets a newer one refuses.
const FORMAT: u8 = 1;
/// The last frame of a commit, and one that others of its commit follow.
const LAST_WORD: [u8; 2] = 0xA55A_u16.to_le_bytes();
const MORE_WORD: [u8; 2] = 0xA55C_u16.to_le_bytes();
/// No body is larger: intake bodies are at most some tens of kilobytes, outcomes at most some megabytes.
const BODY_MAX: usize = 64 << 20;
/// One frame in so many is remembered with its offset, for reads by sequence.
const SPARSE: u64 = 64;

#[derive(Clone, Debug)]
pub struct LogOptions {
    /// A segment is closed once it is larger than this, in bytes.
    pub segment_bytes: u64,
}

impl Default for LogOptions {
    fn default() -> Self {
        LogOptions { segment_bytes: 64 << 20 }
    }
}

/// What is wrong with a log, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    pub file: PathBuf,
    /// Byte offset in the file.
    pub offset: u64,
    /// The sequence that was expected there.
    pub seq: u64,
    pub kind: DamageKind,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DamageKind {
    /// The segment's own header is unreadable or names another log.
    SegmentHeader(String),
    /// A frame does not match its checksum or its place in the chain.
    Frame(String),
    /// The file ends, and entries that had been acknowledged should follow.
    Missing { durable: u64 },
    /// The durable mark is gone although the log has entries.
    NoMark,
}

impl std::fmt::Display for Damage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Damage { file, offset, seq, kind } = self;
        let file = file.display();
        match kind {
            DamageKind::SegmentHeader(why) => write!(f, "{file}: the segment's header is damaged ({why})"),
            DamageKind::Frame(why) => {
                write!(f, "{file}, byte {offset}: entry {seq} is damaged ({why})")
            }
            DamageKind::Missing { durable } => write!(
                f,
                "{file}, byte {offset}: the file ends before entry {seq}, but entries up to {durable} had been \
                 acknowledged"
            ),
            DamageKind::NoMark => write!(f, "{file}: the durable mark is missing or unreadable"),
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum LogError {
    #[error("{0}")]
    Damaged(Damage),
    #[error("{file}: format {found} was written by a newer program; this one reads up to format {FORMAT}")]
    Newer { file: PathBuf, found: u8 },
    #[error("cannot {doing} {path}")]
    Io { doing: &'static str, path: PathBuf, source: io::Error },
}

fn io_error(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> LogError {
    let path = path.to_owned();
    move |source| LogError::Io { doing, path, source }
}

/// Why a commit did not become durable.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// Nothing was written that stays; the same entries may be tried again, or dropped.
    #[error("cannot write {path}; nothing of this commit was kept")]
    NotWritten { path: PathBuf, source: io::Error },
    /// What is on disk is not known any more. The process must end: a retried sync may lie.
    #[error("cannot sync {path}; what is on disk is unknown and the process must end")]
    Unknown { path: PathBuf, source: io::Error },
}

/// How far the log is durable; shared with readers, who may wait for more.
pub struct Durable {
    seq: AtomicU64,
    lock: Mutex<()>,
    more: Condvar,
}

impl Durable {
    fn new(seq: u64) -> Arc<Self> {
        Arc::new(Durable { seq: AtomicU64::new(seq), lock: Mutex::new(()), more: Condvar::new() })
    }

    pub fn seq(&self) -> u64 {
        self.seq.load(Ordering::Acquire)
    }

    fn advance(&self, seq: u64) {
        self.seq.store(seq, Ordering::Release);
        drop(self.lock.lock().expect("no panic while held"));
        self.more.notify_all();
    }

    /// Waits until something after `seq` is durable, at most `patience`; says whether it is.
    pub fn wait_past(&self, seq: u64, patience: Duration) -> bool {
        if self.seq() > seq {
            return true;
        }
        let guard = self.lock.lock().expect("no panic while held");
        let waited = self.more.wait_timeout_while(guard, patience, |()| self.seq() <= seq);
        drop(waited.expect("no panic while held"));
        self.seq() > seq
    }
}

/// A segment as it was found.
#[derive(Clone, Debug)]
pub struct SegmentInfo {
    pub path: PathBuf,
    pub first_seq: u64,
    /// The checksum of the frame before the first.
    pub prev_crc: u32,
}

struct Segment {
    info: SegmentInfo,
    file: Arc<DiskFile>,
    /// Where its durable frames end; what stands behind is not to be read.
    end: Arc<AtomicU64>,
    /// (sequence, offset) of one frame in [`SPARSE`].
    sparse: Vec<(u64, u64)>,
}

type Segments = Arc<RwLock<Vec<Segment>>>;

/// The one writer of a log.
pub struct LogWriter {
    disk: Disk,
    dir: PathBuf,
    kind: LogKind,
    partition: PartitionId,
    options: LogOptions,
    segments: Segments,
    file: Arc<DiskFile>,
    path: PathBuf,
    /// End of the durable frames in the last segment.
    offset: u64,
    next_seq: u64,
    last_crc: u32,
    mark: Mark,
    durable: Arc<Durable>,
    /// Frames not yet written, and where each begins.
    buffer: Vec<u8>,
    buffered: Vec<usize>,
    buffered_crc: u32,
}

/// What opening a log found.
pub struct Opened {
    pub writer: LogWriter,
    /// Bytes of an unsynced tail that were cut.
    pub cut_bytes: u64,
    /// One of the mark's two cells was damaged and has been mended.
    pub mark_mended: bool,
}

/// A frame that was read.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    pub seq: u64,
    pub body: &'a [u8],
}

impl LogWriter {
    /// Opens the log in `dir`, creating it where there is none. Every frame is read and checked.
    pub fn open(
        disk: &Disk,
        dir: &Path,
        kind: LogKind,
        partition: PartitionId,
        options: LogOptions,
    ) -> Result<Opened, LogError> {
        disk.create_dir(dir).map_err(io_error("create", dir))?;
        let opened_mark = Mark::open(disk, dir).map_err(io_error("open the mark in", dir))?;
        let mut mark = opened_mark.mark;
        let paths = segment_paths(dir)?;
        let mark_file = crate::mark::mark_path(dir);
        let durable = match opened_mark.value {
            Some(value) => value,
            None if paths.is_empty() => MarkValue::default(),
            // A first segment without a frame is a creation that was cut short.
            None if paths.len() == 1 && is_bare(&paths[0])? => MarkValue::default(),
            None => {
                return Err(LogError::Damaged(Damage {
                    file: mark_file,
                    offset: 0,
                    seq: 0,
                    kind: DamageKind::NoMark,
                }));
            }
        };
        let mut segments: Vec<Segment> = Vec::new();
        let (mut next_seq, mut crc, mut end, mut cut_bytes) = (1, 0, SEGMENT_HEADER as u64, 0);
        for (index, path) in paths.iter().enumerate() {
            let last = index + 1 == paths.len();
            let scan = scan_segment(path, kind, partition, next_seq, crc)?;
            if let Some(damage) = scan.header_damage {
                // A header is durable before the first frame behind it is written.
                let unfinished = last && next_seq > durable.seq && scan.end == SEGMENT_HEADER as u64;
                if !unfinished || scan.sound_frame_after {
                    return Err(LogError::Damaged(damage));
                }
                // The start of a segment that nobody was told about.
                cut_bytes += scan.file_len;
                disk.remove(path).map_err(io_error("remove", path))?;
                break;
            }
            if let Some(damage) = scan.damage {
                let told = damage.seq <= durable.seq;
                if !last || told || scan.sound_frame_after {
                    return Err(LogError::Damaged(damage));
                }
            }
            let mut sparse = scan.sparse;
            (end, next_seq, crc) = (scan.end, scan.next_seq, scan.last_crc);
            if last {
                // The beginning of a commit that was cut short. Where the mark knows more, what is missing is
                // damage, and is said below.
                Committed { end, next_seq, crc } = scan.committed;
                sparse.retain(|(_, at)| *at < end);
                cut_bytes += scan.file_len - end;
            }
            let file = Arc::new(disk.open(path, false).map_err(io_error("open", path))?);
            let info = scan.info;
            segments.push(Segment { info, file, end: Arc::new(AtomicU64::new(end)), sparse });
        }
        if next_seq <= durable.seq {
            let file = segments.last().map_or_else(|| dir.to_owned(), |s| s.info.path.clone());
            let kind = DamageKind::Missing { durable: durable.seq };
            return Err(LogError::Damaged(Damage { file, offset: end, seq: next_seq, kind }));
        }
        if next_seq - 1 == durable.seq && crc != durable.crc {
            let file = segments.last().map_or_else(|| dir.to_owned(), |s| s.info.path.clone());
            let kind = DamageKind::Frame("it is not the one that had been acknowledged".to_owned());
            return Err(LogError::Damaged(Damage { file, offset: end, seq: durable.seq, kind }));
        }
        if segments.is_empty() {
            segments.push(create_segment(disk, dir, kind, partition, 1, 0)?);
            end = SEGMENT_HEADER as u64;
        }
        let last = segments.last().expect("at least one");
        let (file, path) = (last.file.clone(), last.info.path.clone());
        if cut_bytes > 0 {
            file.set_len(end).map_err(io_error("cut the unsynced tail of", &path))?;
        }
        // What survived without being acknowledged may not be durable yet; from here on it counts.
        file.sync_data().map_err(io_error("sync", &path))?;
        mark.settle(MarkValue { seq: next_seq - 1, crc }).map_err(io_error("write", &mark_file))?;
        let durable = Durable::new(next_seq - 1);
        let writer = LogWriter {
            disk: disk.clone(),
            dir: dir.to_owned(),
            kind,
            partition,
            options,
            segments: Arc::new(RwLock::new(segments)),
            file,
            path,
            offset: end,
            next_seq,
            last_crc: crc,
            mark,
            durable,
            buffer: Vec::new(),
            buffered: Vec::new(),
            buffered_crc: crc,
        };
        Ok(Opened { writer, cut_bytes, mark_mended: opened_mark.damaged_cell })
    }

    /// The sequence that the next appended body will have.
    pub fn next_seq(&self) -> u64 {
        self.next_seq + self.buffered.len() as u64
    }

    pub fn durable(&self) -> Arc<Durable> {
        self.durable.clone()
    }

    pub fn reader(&self) -> LogReader {
        LogReader::new(self.segments.clone(), self.durable.clone(), self.kind)
    }

    pub fn buffered_bytes(&self) -> usize {
        self.buffer.len()
    }

    /// Adds a body to the next commit and returns its sequence.
    pub fn append(&mut self, body: &[u8]) -> u64 {
        assert!(body.len() <= BODY_MAX, "bodies are bounded where they are made");
        let seq = self.next_seq();
        let at = self.buffer.len();
        self.buffered.push(at);
        self.buffer.extend_from_slice(&frame_header(self.kind, seq, self.buffered_crc, body));
        self.buffer.extend_from_slice(body);
        self.buffered_crc = u32_at(&self.buffer, at + 4);
        seq
    }

    /// Forgets what was appended since the last commit.
    pub fn discard(&mut self) {
        self.buffer.clear();
        self.buffered.clear();
        self.buffered_crc = self.last_crc;
    }

    /// Makes everything appended durable and returns the last durable sequence.
    ///
    /// On [`CommitError::NotWritten`] what was appended is still buffered: commit again or [`Self::discard`].
    pub fn commit(&mut self) -> Result<u64, CommitError> {
        if self.buffer.is_empty() {
            return Ok(self.next_seq - 1);
        }
        let unknown = |path: &Path| {
            let path = path.to_owned();
            move |source| CommitError::Unknown { path, source }
        };
        if self.offset > self.options.segment_bytes {
            self.rotate()?;
        }
        self.end_commit();
        failpoint(point(self.kind, Step::BeforeWrite));
        if let Err(source) = self.file.write_all_at(&self.buffer, self.offset) {
            // Half a commit must not be taken for the beginning of the next one.
            self.file.set_len(self.offset).map_err(unknown(&self.path))?;
            return Err(CommitError::NotWritten { path: self.path.clone(), source });
        }
        failpoint(point(self.kind, Step::AfterWrite));
        self.file.sync_data().map_err(unknown(&self.path))?;
        failpoint(point(self.kind, Step::AfterSync));
        let first = self.next_seq;
        {
            let mut segments = self.segments.write().expect("no panic while held");
            let segment = segments.last_mut().expect("at least one");
            segment.end.store(self.offset + self.buffer.len() as u64, Ordering::Release);
            let sparse = &mut segment.sparse;
            for (n, at) in self.buffered.iter().enumerate() {
                let seq = first + n as u64;
                if seq.is_multiple_of(SPARSE) || sparse.is_empty() {
                    sparse.push((seq, self.offset + *at as u64));
                }
            }
        }
        self.offset += self.buffer.len() as u64;
        self.next_seq += self.buffered.len() as u64;
        self.last_crc = self.buffered_crc;
        self.buffer.clear();
        self.buffered.clear();
        let value = MarkValue { seq: self.next_seq - 1, crc: self.last_crc };
        self.mark.set(value).map_err(unknown(&crate::mark::mark_path(&self.dir)))?;
        self.durable.advance(value.seq);
        Ok(value.seq)
    }

    /// Says in the last buffered frame that the commit ends with it.
    fn end_commit(&mut self) {
        let Some(at) = self.buffered.last().copied() else { return };
        let (header, body) = self.buffer[at..].split_at_mut(FRAME_HEADER);
        header[22..24].copy_from_slice(&LAST_WORD);
        let crc = frame_crc(header, body);
        header[4..8].copy_from_slice(&crc.to_le_bytes());
        self.buffered_crc = crc;
    }

    fn rotate(&mut self) -> Result<(), CommitError> {
        let segment =
            create_segment(&self.disk, &self.dir, self.kind, self.partition, self.next_seq, self.last_crc)
                .map_err(|error| match error {
                    LogError::Io { doing: SYNC, path, source } => CommitError::Unknown { path, source },
                    LogError::Io { path, source, .. } => CommitError::NotWritten { path, source },
                    LogError::Damaged(_) | LogError::Newer { .. } => unreachable!("creating reads nothing"),
                })?;
        self.file = segment.file.clone();
        self.path = segment.info.path.clone();
        self.offset = SEGMENT_HEADER as u64;
        self.segments.write().expect("no panic while held").push(segment);
        Ok(())
    }

    /// Settles the mark; for an orderly end.
    pub fn close(mut self) -> Result<(), CommitError> {
        let value = MarkValue { seq: self.next_seq - 1, crc: self.last_crc };
        let path = crate::mark::mark_path(&self.dir);
        self.mark.settle(value).map_err(|source| CommitError::Unknown { path, source })
    }
}

enum Step {
    BeforeWrite,
    AfterWrite,
    AfterSync,
}

fn point(kind: LogKind, step: Step) -> &'static str {
    match (kind, step) {
        (LogKind::Intake, Step::BeforeWrite) => "intake.before_write",
        (LogKind::Intake, Step::AfterWrite) => "intake.after_write",
        (LogKind::Intake, Step::AfterSync) => "intake.after_sync",
        (LogKind::Journal, Step::BeforeWrite) => "journal.before_write",
        (LogKind::Journal, Step::AfterWrite) => "journal.after_write",
        (LogKind::Journal, Step::AfterSync) => "journal.after_sync",
    }
}

fn kind_code(kind: LogKind) -> u8 {
    match kind {
        LogKind::Intake => 1,
        LogKind::Journal => 2,
    }
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}

fn frame_header(kind: LogKind, seq: u64, prev_crc: u32, body: &[u8]) -> [u8; FRAME_HEADER] {
    let mut header = [0; FRAME_HEADER];
    header[0..4].copy_from_slice(&(body.len() as u32).to_le_bytes());
    header[8..16].copy_from_slice(&seq.to_le_bytes());
    header[16..20].copy_from_slice(&prev_crc.to_le_bytes());
    header[20] = FORMAT;
    header[21] = kind_code(kind);
    header[22..24].copy_from_slice(&MORE_WORD);
    let crc = frame_crc(&header, body);
    header[4..8].copy_from_slice(&crc.to_le_bytes());
    header
}

fn frame_crc(header: &[u8], body: &[u8]) -> u32 {
    let crc = crc32c::crc32c(&header[0..4]);
    let crc = crc32c::crc32c_append(crc, &header[8..FRAME_HEADER]);
    crc32c::crc32c_append(crc, body)
}

/// Whether a frame ends its commit; `None` for bytes that are no frame's.
fn ends_commit(word: &[u8]) -> Option<bool> {
    if word == LAST_WORD { Some(true) } else { (word == MORE_WORD).then_some(false) }
}

/// Reads the frame at the start of `bytes`: its sequence, the checksum before it, its own, and its body. `Err` says
/// what is wrong with it.
fn parse_frame(bytes: &[u8], kind: LogKind) -> Result<(u64, u32, u32, &[u8]), String> {
    if bytes.len() < FRAME_HEADER {
        return Err(format!("{} bytes are too few for a frame", bytes.len()));
    }
    let len = u32_at(bytes, 0) as usize;
    let whole = FRAME_HEADER + len;
    if len > BODY_MAX || bytes.len() < whole {
        return Err(format!("its length, {len}, runs past the end of the file"));
    }
    let body = &bytes[FRAME_HEADER..whole];
    let crc = u32_at(bytes, 4);
    if frame_crc(bytes, body) != crc {
        return Err("its checksum does not match".to_owned());
    }
    if bytes[20] != FORMAT || bytes[21] != kind_code(kind) || ends_commit(&bytes[22..24]).is_none() {
        return Err("it belongs to another log or format".to_owned());
    }
    Ok((u64_at(bytes, 8), u32_at(bytes, 16), crc, body))
}

fn segment_header(
    kind: LogKind,
    partition: PartitionId,
    first_seq: u64,
    prev_crc: u32,
) -> [u8; SEGMENT_HEADER] {
    let mut header = [0; SEGMENT_HEADER];
    header[0..8].copy_from_slice(&SEGMENT_MAGIC);
    header[8] = FORMAT;
    header[9] = kind_code(kind);
    header[10..12].copy_from_slice(&partition.0.to_le_bytes());
    header[12..20].copy_from_slice(&first_seq.to_le_bytes());
    header[20..24].copy_from_slice(&prev_crc.to_le_bytes());
    let crc = crc32c::crc32c(&header[..SEGMENT_HEADER - 4]);
    header[SEGMENT_HEADER - 4..].copy_from_slice(&crc.to_le_bytes());
    header
}

/// A failed sync is told apart: it is never tried again.
const SYNC: &str = "sync";

fn create_segment(
    disk: &Disk,
    dir: &Path,
    kind: LogKind,
    partition: PartitionId,
    first_seq: u64,
    prev_crc: u32,
) -> Result<Segment, LogError> {
    let path = dir.join(format!("{first_seq:020}.seg"));
    let made = || -> io::Result<DiskFile> {
        let file = disk.open(&path, true)?;
        file.set_len(0)?;
        file.write_all_at(&segment_header(kind, partition, first_seq, prev_crc), 0)?;
        Ok(file)
    };
    let file = Arc::new(made().map_err(io_error("create", &path))?);
    file.sync_data().and_then(|()| disk.sync_dir(dir)).map_err(io_error(SYNC, &path))?;
    let info = SegmentInfo { path, first_seq, prev_crc };
    Ok(Segment { info, file, end: Arc::new(AtomicU64::new(SEGMENT_HEADER as u64)), sparse: Vec::new() })
}

fn segment_paths(dir: &Path) -> Result<Vec<PathBuf>, LogError> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(dir).map_err(io_error("list", dir))? {
        let path = entry.map_err(io_error("list", dir))?.path();
        if path.extension().is_some_and(|e| e == "seg") {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

/// Whether a log's directory holds more than the beginning of a first segment.
pub(crate) fn has_entries(dir: &Path) -> Result<bool, LogError> {
    if !dir.exists() {
        return Ok(false);
    }
    let paths = segment_paths(dir)?;
    Ok(paths.len() > 1
        || !paths.iter().map(|path| is_bare(path)).collect::<Result<Vec<_>, _>>()?.iter().all(|bare| *bare))
}

fn is_bare(path: &Path) -> Result<bool, LogError> {
    Ok(fs::metadata(path).map_err(io_error("look at", path))?.len() <= SEGMENT_HEADER as u64)
}

/// The end of a commit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Committed {
    /// Byte offset in the segment.
    pub end: u64,
    pub next_seq: u64,
    /// The checksum of its last frame.
    pub crc: u32,
}

/// What reading a whole segment found.
pub struct SegmentScan {
    pub info: SegmentInfo,
    pub file_len: u64,
    pub header_damage: Option<Damage>,
    /// The first thing wrong after the header.
    pub damage: Option<Damage>,
    /// Where the sound frames from the beginning end.
    pub end: u64,
    pub next_seq: u64,
    pub last_crc: u32,
    /// Where the last whole commit ends.
    pub committed: Committed,
    /// Somewhere past the damage a whole frame of this log stands.
    pub sound_frame_after: bool,
    sparse: Vec<(u64, u64)>,
}

/// Reads and checks every byte of a segment that should begin with `next_seq` after a frame with `prev_crc`.
pub fn scan_segment(
    path: &Path,
    kind: LogKind,
    partition: PartitionId,
    next_seq: u64,
    prev_crc: u32,
) -> Result<SegmentScan, LogError> {
    let bytes = fs::read(path).map_err(io_error("read", path))?;
    let mut scan = SegmentScan {
        info: SegmentInfo { path: path.to_owned(), first_seq: next_seq, prev_crc },
        file_len: bytes.len() as u64,
        header_damage: None,
        damage: None,
        end: SEGMENT_HEADER as u64,
        next_seq,
        last_crc: prev_crc,
        committed: Committed { end: SEGMENT_HEADER as u64, next_seq, crc: prev_crc },
        sound_frame_after: false,
        sparse: Vec::new(),
    };
    let damage = |offset: usize, seq: u64, kind: DamageKind| Damage {
        file: path.to_owned(),
        offset: offset as u64,
        seq,
        kind,
    };
    let expected = segment_header(kind, partition, next_seq, prev_crc);
    let header = bytes.get(..SEGMENT_HEADER);
    if header != Some(&expected[..]) {
        if let Some(header) = header
            && header[..8] == SEGMENT_MAGIC
            && header[8] > FORMAT
            && crc32c::crc32c(&header[..SEGMENT_HEADER - 4]) == u32_at(header, SEGMENT_HEADER - 4)
        {
            return Err(LogError::Newer { file: path.to_owned(), found: header[8] });
        }
        let why = match header {
            None => "the file is shorter than a header".to_owned(),
            Some(_) => format!("it should begin entry {next_seq} of this log"),
        };
        scan.header_damage = Some(damage(0, next_seq, DamageKind::SegmentHeader(why)));
    }
    let mut at = SEGMENT_HEADER;
    while at < bytes.len() {
        let why = match parse_frame(&bytes[at..], kind) {
            Ok((seq, prev, crc, body)) if seq == scan.next_seq && prev == scan.last_crc => {
                if seq.is_multiple_of(SPARSE) || scan.sparse.is_empty() {
                    scan.sparse.push((seq, at as u64));
                }
                let ends = ends_commit(&bytes[at + 22..at + 24]) == Some(true);
                at += FRAME_HEADER + body.len();
                scan.end = at as u64;
                scan.next_seq += 1;
                scan.last_crc = crc;
                if ends {
                    scan.committed = Committed { end: scan.end, next_seq: scan.next_seq, crc };
                }
                continue;
            }
            Ok((seq, ..)) => format!("entry {seq} stands in its place, or the chain is broken"),
            Err(why) => why,
        };
        scan.damage = Some(damage(at, scan.next_seq, DamageKind::Frame(why)));
        scan.sound_frame_after = find_frame(&bytes, at + 1, kind, scan.next_seq).is_some();
        break;
    }
    Ok(scan)
}

/// The first whole frame of this log at or after `from`, with a sequence of at least `seq`.
fn find_frame(bytes: &[u8], from: usize, kind: LogKind, seq: u64) -> Option<usize> {
    (from..bytes.len().saturating_sub(FRAME_HEADER - 1)).find(|&at| {
        ends_commit(&bytes[at + 22..at + 24]).is_some()
            && bytes[at + 20] == FORMAT
            && parse_frame(&bytes[at..], kind).is_ok_and(|(found, ..)| found >= seq)
    })
}

/// Calls `found` with every sound frame of a log's directory, whatever stands between them, in file order; returns
/// the damages met. The beginning of a commit that was cut short at the log's end, past what was `durable`, is left
/// out. For salvage only.
pub fn copy_sound_frames(
    dir: &Path,
    kind: LogKind,
    durable: u64,
    mut found: impl FnMut(Frame<'_>),
) -> Result<Vec<Damage>, LogError> {
    let mut damages = Vec::new();
    let mut next_seq = 1;
    let paths = segment_paths(dir)?;
    for (index, path) in paths.iter().enumerate() {
        // Frames whose commit has not ended yet.
        let mut open: Vec<(u64, std::ops::Range<usize>)> = Vec::new();
        let bytes = fs::read(path).map_err(io_error("read", path))?;
        let mut at = SEGMENT_HEADER.min(bytes.len());
        while at < bytes.len() {
            match parse_frame(&bytes[at..], kind) {
                Ok((seq, _, _, body)) if seq >= next_seq => {
                    if seq > next_seq {
                        let kind = DamageKind::Frame(format!("entries up to {} are gone", seq - 1));
                        damages.push(Damage { file: path.clone(), offset: at as u64, seq: next_seq, kind });
                    }
                    let ends = ends_commit(&bytes[at + 22..at + 24]) == Some(true);
                    next_seq = seq + 1;
                    let begin = at + FRAME_HEADER;
                    at = begin + body.len();
                    open.push((seq, begin..at));
                    if ends {
                        open.drain(..).for_each(|(seq, body)| found(Frame { seq, body: &bytes[body] }));
                    }
                }
                Ok((seq, _, _, body)) => {
                    let kind = DamageKind::Frame(format!("entry {seq} stands here a second time"));
                    damages.push(Damage { file: path.clone(), offset: at as u64, seq: next_seq, kind });
                    at += FRAME_HEADER + body.len();
                }
                Err(why) => {
                    let kind_of = DamageKind::Frame(why);
                    damages.push(Damage {
                        file: path.clone(),
                        offset: at as u64,
                        seq: next_seq,
                        kind: kind_of,
                    });
                    at = find_frame(&bytes, at + 1, kind, next_seq).unwrap_or(bytes.len());
                }
            }
        }
        let at_end = index + 1 == paths.len();
        let kept = open.into_iter().filter(|(seq, _)| !at_end || *seq <= durable);
        kept.for_each(|(seq, body)| found(Frame { seq, body: &bytes[body] }));
    }
    Ok(damages)
}

/// Reads the durable part of a log, from any sequence on. Cheap to make; each thread has its own.
pub struct LogReader {
    segments: Segments,
    durable: Arc<Durable>,
    kind: LogKind,
    buffer: Vec<u8>,
    /// Offset in the segment of the buffer's first byte.
    buffer_at: u64,
    /// Its path, the file, and where its durable frames end.
    segment: Option<(PathBuf, Arc<DiskFile>, Arc<AtomicU64>)>,
    offset: u64,
    /// The sequence at `offset`; 0 before the first read.
    next_seq: u64,
    /// The checksum of the frame before, where it was read.
    chain: Option<u32>,
}

const READ_CHUNK: usize = 256 << 10;

impl LogReader {
    pub fn durable(&self) -> &Arc<Durable> {
        &self.durable
    }

    /// A reader of the same log with a place of its own.
    pub fn another(&self) -> LogReader {
        LogReader::new(self.segments.clone(), self.durable.clone(), self.kind)
    }

    fn new(segments: Segments, durable: Arc<Durable>, kind: LogKind) -> Self {
        LogReader {
            segments,
            durable,
            kind,
            buffer: Vec::new(),
            buffer_at: 0,
            segment: None,
            offset: 0,
            next_seq: 0,
            chain: None,
        }
    }

    /// The frame with this sequence; `None` where it is not durable yet. Reading on is cheapest in order.
    pub fn read(&mut self, seq: u64) -> Result<Option<Frame<'_>>, LogError> {
        if seq == 0 || seq > self.durable.seq() {
            return Ok(None);
        }
        // Skipping ahead a little is cheaper than looking up.
        if self.segment.is_none() || seq < self.next_seq || seq > self.next_seq + SPARSE {
            self.seek(seq)?;
        }
        while self.next_seq < seq {
            self.step()?;
        }
        let range = self.step()?;
        Ok(Some(Frame { seq, body: &self.buffer[range] }))
    }

    fn seek(&mut self, seq: u64) -> Result<(), LogError> {
        let segments = self.segments.read().expect("no panic while held");
        let index = segments.partition_point(|s| s.info.first_seq <= seq).checked_sub(1);
        let segment = &segments[index.expect("sequences begin at the first segment's")];
        let near = segment.sparse.partition_point(|(s, _)| *s <= seq).checked_sub(1);
        let (at_seq, offset) =
            near.map_or((segment.info.first_seq, SEGMENT_HEADER as u64), |near| segment.sparse[near]);
        self.segment = Some((segment.info.path.clone(), segment.file.clone(), segment.end.clone()));
        self.next_seq = at_seq;
        self.offset = offset;
        self.chain = None;
        self.buffer.clear();
        self.buffer_at = offset;
        Ok(())
    }

    /// Reads the frame at the present place, checks it, moves past it, and says where its body lies in the buffer.
    fn step(&mut self) -> Result<std::ops::Range<usize>, LogError> {
        let seq = self.next_seq;
        if !self.fill(FRAME_HEADER)? {
            // The segment ended: the next one follows.
            let chain = self.chain;
            self.seek(seq)?;
            self.chain = chain;
            if !self.fill(FRAME_HEADER)? {
                return Err(self.damage(DamageKind::Missing { durable: self.durable.seq() }));
            }
        }
        let at = (self.offset - self.buffer_at) as usize;
        let len = u32_at(&self.buffer, at) as usize;
        if len > BODY_MAX || !self.fill(FRAME_HEADER + len)? {
            return Err(self.damage(DamageKind::Frame(format!("its length, {len}, is wrong"))));
        }
        let at = (self.offset - self.buffer_at) as usize;
        match parse_frame(&self.buffer[at..], self.kind) {
            Ok((found, prev, crc, _)) if found == seq && self.chain.is_none_or(|chain| chain == prev) => {
                self.chain = Some(crc);
            }
            Ok(_) => return Err(self.damage(DamageKind::Frame("it is not the entry expected here".into()))),
            Err(why) => return Err(self.damage(DamageKind::Frame(why))),
        }
        self.offset += (FRAME_HEADER + len) as u64;
        self.next_seq += 1;
        Ok(at + FRAME_HEADER..at + FRAME_HEADER + len)
    }

    /// Has `need` bytes from `offset` on in the buffer; false where the durable frames end before. What is behind
    /// them is never looked at: the writer may take it back.
    fn fill(&mut self, need: usize) -> Result<bool, LogError> {
        let at = (self.offset - self.buffer_at) as usize;
        if self.buffer.len() >= at + need {
            return Ok(true);
        }
        let (path, file, end) = self.segment.as_ref().expect("sought before");
        let durable = end.load(Ordering::Acquire).saturating_sub(self.offset);
        if (durable as usize) < need {
            return Ok(false);
        }
        self.buffer.drain(..at);
        self.buffer_at = self.offset;
        let have = self.buffer.len();
        let want = need.max(READ_CHUNK).min(durable as usize);
        self.buffer.resize(want, 0);
        let read = file
            .read_at_most(&mut self.buffer[have..], self.offset + have as u64)
            .map_err(io_error("read", path))?;
        self.buffer.truncate(have + read);
        Ok(self.buffer.len() >= need)
    }

    fn damage(&self, kind: DamageKind) -> LogError {
        let file = self.segment.as_ref().map(|(path, ..)| path.clone()).unwrap_or_default();
        LogError::Damaged(Damage { file, offset: self.offset, seq: self.next_seq, kind })
    }
}
