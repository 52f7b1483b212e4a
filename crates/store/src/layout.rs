//! Where everything lies in a store's directory, who may open it, and with which key.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use model::{LogKind, PartitionId};
use rand::TryRngCore;
use rand::rngs::OsRng;
use serde::{Deserialize, Serialize};

use crate::disk::Disk;
use crate::keys::{KeyError, Keys};
use crate::log::{LogError, LogOptions, LogWriter};
use crate::state::{CACHE_BYTES_DEFAULT, State, StateError};

/// The paths of a store.
#[derive(Clone, Debug)]
pub struct Layout {
    pub dir: PathBuf,
}

impl Layout {
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Layout { dir: dir.into() }
    }

    pub fn format(&self) -> PathBuf {
        self.dir.join("store.json")
    }

    pub fn lock(&self) -> PathBuf {
        self.dir.join("lock")
    }

    pub fn log(&self, kind: LogKind, partition: PartitionId) -> PathBuf {
        self.dir.join(kind.name()).join(format!("p{:04}", partition.0))
    }

    pub fn keys(&self) -> PathBuf {
        self.dir.join("keys")
    }

    pub fn state(&self) -> PathBuf {
        self.dir.join("state")
    }

    pub fn views(&self) -> PathBuf {
        self.dir.join("views")
    }

    pub fn scratch(&self) -> PathBuf {
        self.dir.join("scratch")
    }

    /// Notes of what was tried with mail servers.
    pub fn attempts(&self) -> PathBuf {
        self.dir.join("attempts")
    }

    /// Put there by a restore: the next start switches effects off.
    pub fn restored(&self) -> PathBuf {
        self.dir.join("restored")
    }

    /// The master key's default place: beside the store, so that copying the store does not copy it.
    pub fn master_key(&self) -> PathBuf {
        beside(&self.dir, "key")
    }
}

/// Beside the master key: which key slots were destroyed, so that a restored backup does not bring them back.
pub fn destroyed_register(store: &Path) -> PathBuf {
    beside(store, "erased")
}

fn beside(dir: &Path, extension: &str) -> PathBuf {
    let mut name = dir.file_name().unwrap_or_default().to_owned();
    name.push(".");
    name.push(extension);
    dir.with_file_name(name)
}

/// What a store says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoreFormat {
    /// The layout's version.
    pub format: u32,
    pub store_id: String,
    /// Made with the master key: shows a wrong one before anything is read with it.
    pub key_check: String,
    pub partitions: u16,
}

const FORMAT: u32 = 1;

#[derive(Clone, Debug)]
pub struct StoreOptions {
    pub log: LogOptions,
    /// The wrapping key; without it the file beside the store is used, and made with a new store.
    pub master_key: Option<[u8; 32]>,
    /// The format of the snapshots that the caller checkpoints.
    pub snapshots: u32,
    /// How much of the messages seen, identifiers and checkpoints is kept in memory; all of them are on disk.
    pub cache_bytes: u64,
}

impl Default for StoreOptions {
    fn default() -> Self {
        StoreOptions {
            log: LogOptions::default(),
            master_key: None,
            snapshots: 0,
            cache_bytes: CACHE_BYTES_DEFAULT,
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum LockError {
    #[error("{dir} is in use by another process")]
    InUse { dir: PathBuf },
    #[error("cannot lock {path}")]
    Io { path: PathBuf, source: io::Error },
}

#[derive(Debug, thiserror::Error)]
pub enum OpenStoreError {
    #[error(transparent)]
    Lock(#[from] LockError),
    #[error(transparent)]
    Log(#[from] LogError),
    #[error(transparent)]
    Keys(#[from] KeyError),
    #[error(transparent)]
    State(#[from] StateError),
    #[error("{path} is not readable as a store's description: {detail}")]
    Description { path: PathBuf, detail: String },
    #[error("{path}: format {found} was written by a newer program; this one reads up to format {FORMAT}")]
    Newer { path: PathBuf, found: u32 },
    /// A new and empty part in its place would be a silent loss.
    #[error("{path} is missing although the store has entries; bring it back, or restore a whole backup")]
    MissingPart { path: PathBuf },
    #[error("the master key does not belong to this store ({from})")]
    WrongKey { from: String },
    #[error("the master key is missing: {path} is not there and INYEON_MASTER_KEY is not set")]
    NoKey { path: PathBuf },
    #[error("{path} does not hold a master key: it should be 64 hexadecimal digits")]
    BadKey { path: PathBuf },
    #[error("cannot {doing} {path}")]
    Io { doing: &'static str, path: PathBuf, source: io::Error },
}

fn io_error(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> OpenStoreError {
    let path = path.to_owned();
    move |source| OpenStoreError::Io { doing, path, source }
}

/// An open store: everything that its one process needs.
pub struct Store {
    pub layout: Layout,
    pub description: StoreFormat,
    pub keys: Keys,
    pub intake: LogWriter,
    pub journal: LogWriter,
    pub state: State,
    /// The journal sequence that `state` reflects.
    pub state_seq: u64,
    /// What opening found and mended, in words for an operator.
    pub notes: Vec<String>,
    snapshots: u32,
    cache_bytes: u64,
    /// Holds the directory's lock; whoever takes the store apart must keep it.
    pub lock: File,
}

impl Store {
    /// Opens the store in `dir`, or creates it. Reads and checks both logs and the keys in full.
    pub fn open(dir: &Path, disk: Disk, options: &StoreOptions) -> Result<Store, OpenStoreError> {
        let layout = Layout::new(dir);
        disk.create_dir(dir).map_err(io_error("create", dir))?;
        let lock = lock(&layout)?;
        // What an import or a report left behind when it was killed.
        let _ = fs::remove_dir_all(layout.scratch());
        let (description, master) = describe(&layout, options)?;
        check_parts(&layout)?;
        let keys = Keys::open(&disk, &layout.keys(), &master, &description.store_id)?;
        let partition = PartitionId(0);
        let open =
            |kind| LogWriter::open(&disk, &layout.log(kind, partition), kind, partition, options.log.clone());
        let mut notes = Vec::new();
        let intake = open(LogKind::Intake)?;
        let journal = open(LogKind::Journal)?;
        for (kind, opened) in [(LogKind::Intake, &intake), (LogKind::Journal, &journal)] {
            if opened.cut_bytes > 0 {
                let (name, bytes) = (kind.name(), opened.cut_bytes);
                notes.push(format!("{name}: cut {bytes} bytes that had never been acknowledged"));
            }
            if opened.mark_mended {
                notes.push(format!("{}: one cell of the durable mark was damaged; mended", kind.name()));
            }
        }
        let journal_end = journal.writer.next_seq() - 1;
        let opened = State::open_with(&layout.state(), journal_end, options.snapshots, options.cache_bytes)?;
        if let Some(why) = opened.dropped {
            notes.push(format!("state cache: dropped and to be folded again ({why})"));
        }
        Ok(Store {
            layout,
            description,
            keys,
            intake: intake.writer,
            journal: journal.writer,
            state: opened.state,
            state_seq: opened.journal_seq,
            notes,
            snapshots: options.snapshots,
            cache_bytes: options.cache_bytes,
            lock,
        })
    }

    /// Drops the state cache: everything in it is to be folded again.
    pub fn reset_state(self) -> Result<Store, OpenStoreError> {
        let path = self.layout.state();
        let Store { layout, description, keys, intake, journal, state, notes, lock, .. } = self;
        let Store { snapshots, cache_bytes, .. } = self;
        drop(state);
        fs::remove_dir_all(&path).map_err(io_error("remove", &path))?;
        let opened = State::open_with(&path, journal.next_seq() - 1, snapshots, cache_bytes)?;
        let (state, state_seq) = (opened.state, opened.journal_seq);
        Ok(Store {
            layout,
            description,
            keys,
            intake,
            journal,
            state,
            state_seq,
            notes,
            snapshots,
            cache_bytes,
            lock,
        })
    }
}

fn lock(layout: &Layout) -> Result<File, LockError> {
    let path = layout.lock();
    let io = |source| LockError::Io { path: path.clone(), source };
    let file =
        OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path).map_err(io)?;
    hold(&file, &path, &layout.dir)?;
    Ok(file)
}

impl Layout {
    /// Whether somebody holds the store at this moment.
    pub fn is_in_use(&self) -> bool {
        // SAFETY: a system call on a descriptor that is open; closing it gives up the lock.
        OpenOptions::new()
            .read(true)
            .open(self.lock())
            .is_ok_and(|file| unsafe { libc::flock(file.as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB) } != 0)
    }
}

/// How often and how far apart a lock is tried: whoever held it may be on the point of ending, and a child process
/// that is just being made holds what its parent held until it runs its own program.
const LOCK_TRIES: u32 = 100;
const LOCK_PAUSE: Duration = Duration::from_millis(10);

/// Locks a store's lock file, for as long as it stays open.
pub fn hold(file: &File, path: &Path, dir: &Path) -> Result<(), LockError> {
    for _ in 0..LOCK_TRIES {
        // SAFETY: a system call on a descriptor that is open.
        if unsafe { libc::flock(file.as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB) } == 0 {
            return Ok(());
        }
        let source = io::Error::last_os_error();
        if source.kind() != io::ErrorKind::WouldBlock {
            return Err(LockError::Io { path: path.to_owned(), source });
        }
        std::thread::sleep(LOCK_PAUSE);
    }
    Err(LockError::InUse { dir: dir.to_owned() })
}

/// Where either log has entries, both logs and the keys were there before.
fn check_parts(layout: &Layout) -> Result<(), OpenStoreError> {
    let partition = PartitionId(0);
    let logs = [LogKind::Intake, LogKind::Journal].map(|kind| layout.log(kind, partition));
    let mut in_use = false;
    for log in &logs {
        in_use |= crate::log::has_entries(log)?;
    }
    let keys = layout.keys();
    let parts = logs.iter().chain([&keys]);
    match parts
        .into_iter()
        .find(|part| fs::read_dir(part).is_ok_and(|mut dir| dir.next().is_none()) || !part.exists())
    {
        Some(missing) if in_use => Err(OpenStoreError::MissingPart { path: missing.clone() }),
        _ => Ok(()),
    }
}

/// Reads or makes the store's description and the master key.
fn describe(layout: &Layout, options: &StoreOptions) -> Result<(StoreFormat, [u8; 32]), OpenStoreError> {
    let path = layout.format();
    let key_path = layout.master_key();
    let given = options.master_key;
    match fs::read_to_string(&path) {
        Ok(text) => {
            let description = |detail: String| OpenStoreError::Description { path: path.clone(), detail };
            let found: StoreFormat = serde_json::from_str(&text).map_err(|e| description(e.to_string()))?;
            if found.format > FORMAT {
                return Err(OpenStoreError::Newer { path, found: found.format });
            }
            let (master, from) = match given {
                Some(key) => (key, "INYEON_MASTER_KEY".to_owned()),
                None => (read_key(&key_path)?, key_path.display().to_string()),
            };
            if Keys::check_value(&master, &found.store_id) != found.key_check {
                return Err(OpenStoreError::WrongKey { from });
            }
            Ok((found, master))
        }
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            let logs = layout.dir.join(LogKind::Intake.name());
            if logs.exists() {
                let detail = "it is missing although the store has logs".to_owned();
                return Err(OpenStoreError::Description { path, detail });
            }
            let master = match given {
                Some(key) => key,
                // A key left by an earlier store in this place serves the new one.
                None if key_path.exists() => read_key(&key_path)?,
                None => make_key(&key_path)?,
            };
            let mut id = [0; 16];
            OsRng.try_fill_bytes(&mut id).expect("the system gives random bytes");
            let store_id = hex(&id);
            let key_check = Keys::check_value(&master, &store_id);
            let description = StoreFormat { format: FORMAT, store_id, key_check, partitions: 1 };
            write_durably(&path, serde_json::to_string_pretty(&description).expect("plain data").as_bytes())
                .map_err(io_error("write", &path))?;
            Ok((description, master))
        }
        Err(e) => Err(io_error("read", &path)(e)),
    }
}

/// Writes a small file so that after a crash it is there whole or not at all.
fn write_durably(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = path.with_extension("new");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    match path.parent().filter(|p| !p.as_os_str().is_empty()) {
        Some(dir) => File::open(dir)?.sync_all(),
        None => File::open(".")?.sync_all(),
    }
}

fn make_key(path: &Path) -> Result<[u8; 32], OpenStoreError> {
    let mut key = [0; 32];
    OsRng.try_fill_bytes(&mut key).expect("the system gives random bytes");
    write_durably(path, format!("{}\n", hex(&key)).as_bytes()).map_err(io_error("write", path))?;
    Ok(key)
}

fn read_key(path: &Path) -> Result<[u8; 32], OpenStoreError> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            return Err(OpenStoreError::NoKey { path: path.to_owned() });
        }
        Err(e) => return Err(io_error("read", path)(e)),
    };
    parse_key(&text).ok_or_else(|| OpenStoreError::BadKey { path: path.to_owned() })
}

/// 64 hexadecimal digits as a key.
pub fn parse_key(text: &str) -> Option<[u8; 32]> {
    let text = text.trim();
    if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let mut key = [0; 32];
    for (n, byte) in key.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[n * 2..n * 2 + 2], 16).ok()?;
    }
    Some(key)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
