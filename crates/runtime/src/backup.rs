//! Copies of a store that can be checked and brought back.
//!
//! A backup holds both logs and the wrapped subject keys; not the master key, and not what can be folded again.
//! It is written under a temporary name and gets its own only when it is whole and durable.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use model::{KeyId, LogKind, PartitionId};
use serde::{Deserialize, Serialize};
use store::{
    CommitError, Disk, KeyError, Layout, LockError, LogError, LogOptions, LogReader, LogWriter, scan_segment,
};

use crate::doctor::{self, DoctorError};
use crate::files;
use crate::logs::Logs;
use crate::node::Node;
use crate::ondisk;

const PARTITION: PartitionId = PartitionId(0);
/// The list of everything in a backup.
pub const MANIFEST_FILE: &str = "manifest.json";
const FORMAT: u32 = 1;
const COMMIT_BYTES: usize = 8 << 20;
/// How often a key slot is read again that is being overwritten at this moment.
const SLOT_READS: u32 = 100;

/// What a backup says of itself.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    pub format: u32,
    pub store_id: String,
    /// The last sequence of each log in the backup.
    pub intake_seq: u64,
    pub journal_seq: u64,
    pub key_slots: u64,
    /// Every other file by its path in the backup.
    pub files: BTreeMap<String, FileEntry>,
    /// A hash of everything above.
    pub check: String,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileEntry {
    pub bytes: u64,
    /// BLAKE3, hexadecimal.
    pub hash: String,
}

impl Manifest {
    fn computed_check(&self) -> String {
        let blank = Manifest { check: String::new(), ..self.clone() };
        blake3::hash(&serde_json::to_vec(&blank).expect("plain data serialises")).to_hex().to_string()
    }
}

/// What to copy.
pub enum Source<'a> {
    /// A store that is open and goes on working.
    Running(&'a Node),
    /// A store that is not open.
    Directory(&'a Path),
}

/// What a restore brought back.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Restored {
    pub manifest: Manifest,
    /// Keys that the backup still had, of subjects erased since: destroyed again.
    pub erased_again: u64,
}

#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    #[error(transparent)]
    Lock(#[from] LockError),
    #[error(transparent)]
    Log(#[from] LogError),
    #[error(transparent)]
    Keys(#[from] KeyError),
    #[error("the copy could not be written")]
    Commit(#[from] CommitError),
    #[error("the store cannot be copied as it is")]
    Store(#[from] DoctorError),
    #[error("{dir} is not empty; name a directory that does not exist yet")]
    NotEmpty { dir: PathBuf },
    #[error("{path} is not a whole backup: {detail}")]
    Manifest { path: PathBuf, detail: String },
    #[error("{path}: format {found} was written by a newer program; this one reads up to format {FORMAT}")]
    Newer { path: PathBuf, found: u32 },
    #[error("{path} was changed since the backup was made: {detail}")]
    Changed { path: PathBuf, detail: String },
    #[error("{path}: key slot {slot} is damaged; check the store before copying it")]
    KeySlot { path: PathBuf, slot: u64 },
    #[error(
        "the register of erased subjects, {path}, cannot be read; restoring without it could bring them back"
    )]
    Register { path: PathBuf, source: io::Error },
    #[error("cannot {doing} {path}")]
    Io { doing: &'static str, path: PathBuf, source: io::Error },
}

fn io_error(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> BackupError {
    let path = path.to_owned();
    move |source| BackupError::Io { doing, path, source }
}

/// Writes a backup into `target`, which must not exist yet or be empty. `progress` is told (bytes done, in all).
pub fn create(
    source: Source<'_>,
    target: &Path,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Manifest, BackupError> {
    files::require_empty(target).map_err(|()| BackupError::NotEmpty { dir: target.to_owned() })?;
    let layout = match &source {
        Source::Running(node) => node.layout.clone(),
        Source::Directory(dir) => Layout::new(*dir),
    };
    let description = doctor::read_description(&layout.format())?
        .ok_or_else(|| DoctorError::NoStore { dir: layout.dir.clone() })?;
    let work = files::temporary_beside(target, "unfinished");
    let _ = fs::remove_dir_all(&work);
    fs::create_dir_all(&work).map_err(io_error("create", &work))?;
    let copy = Layout::new(&work);
    let (intake_seq, journal_seq) = match source {
        Source::Running(node) => copy_logs(node.logs(), &layout, &copy, progress)?,
        Source::Directory(dir) => {
            let _lock = ondisk::lock(dir)?;
            // Opening checks every frame, as a start would, and cuts what was never acknowledged.
            let open = |kind| {
                let path = layout.log(kind, PARTITION);
                LogWriter::open(&Disk::Real, &path, kind, PARTITION, LogOptions::default())
            };
            let (intake, journal) = (open(LogKind::Intake)?.writer, open(LogKind::Journal)?.writer);
            let logs = Logs::Disk { intake: intake.reader(), journal: journal.reader() };
            let copied = copy_logs(logs, &layout, &copy, progress)?;
            intake.close()?;
            journal.close()?;
            copied
        }
    };
    // The keys come last: every record that was copied is sealed with one of them.
    let key_slots = copy_keys(&layout, &copy, &description.store_id)?;
    let text = fs::read(layout.format()).map_err(io_error("read", &layout.format()))?;
    fs::write(copy.format(), text).map_err(io_error("write", &copy.format()))?;
    let store_id = description.store_id;
    let mut files = BTreeMap::new();
    list(&work, "", &mut files)?;
    let mut manifest = Manifest {
        format: FORMAT,
        store_id,
        intake_seq,
        journal_seq,
        key_slots,
        files,
        check: String::new(),
    };
    manifest.check = manifest.computed_check();
    let path = work.join(MANIFEST_FILE);
    let text = serde_json::to_vec_pretty(&manifest).expect("plain data serialises");
    fs::write(&path, text).map_err(io_error("write", &path))?;
    files::settle(&work, target).map_err(io_error("put in its place", target))?;
    Ok(manifest)
}

/// Copies both logs up to what is durable now; returns the last sequences, intake first.
fn copy_logs(
    logs: Logs,
    layout: &Layout,
    copy: &Layout,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<(u64, u64), BackupError> {
    let Logs::Disk { mut intake, mut journal } = logs else {
        unreachable!("only logs on disk are copied");
    };
    // In this order: what the journal refers to is in the intake before.
    let journal_end = journal.durable().seq();
    let intake_end = intake.durable().seq();
    let total =
        [LogKind::Intake, LogKind::Journal].iter().map(|kind| doctor::size_of(&layout.log(*kind, PARTITION)));
    let mut told = Progress { done: 0, total: total.sum(), progress };
    copy_log(&mut intake, intake_end, LogKind::Intake, copy, &mut told)?;
    copy_log(&mut journal, journal_end, LogKind::Journal, copy, &mut told)?;
    (told.progress)(told.total, told.total);
    Ok((intake_end, journal_end))
}

struct Progress<'a> {
    done: u64,
    total: u64,
    progress: &'a mut dyn FnMut(u64, u64),
}

fn copy_log(
    reader: &mut LogReader,
    end: u64,
    kind: LogKind,
    copy: &Layout,
    told: &mut Progress<'_>,
) -> Result<(), BackupError> {
    let dir = copy.log(kind, PARTITION);
    let mut writer = LogWriter::open(&Disk::Real, &dir, kind, PARTITION, LogOptions::default())?.writer;
    for seq in 1..=end {
        // What is durable can be read, or the reader says what is wrong with it.
        let Some(frame) = reader.read(seq)? else { break };
        writer.append(frame.body);
        if writer.buffered_bytes() >= COMMIT_BYTES {
            told.done = (told.done + writer.buffered_bytes() as u64).min(told.total);
            writer.commit()?;
            (told.progress)(told.done, told.total);
        }
    }
    writer.commit()?;
    Ok(writer.close()?)
}

fn copy_keys(from: &Layout, copy: &Layout, store_id: &str) -> Result<u64, BackupError> {
    let path = from.keys().join(ondisk::KEYS_FILE);
    let mut slots = Vec::new();
    for attempt in 1.. {
        let bytes = fs::read(&path).map_err(io_error("read", &path))?;
        if !ondisk::is_keys_header(&bytes) {
            let detail = "its header is damaged".to_owned();
            return Err(KeyError::Damaged { path, detail }.into());
        }
        let body = &bytes[ondisk::KEYS_HEADER..];
        let whole = body.len() - body.len() % ondisk::SLOT;
        let damaged = body[..whole].chunks_exact(ondisk::SLOT).position(|slot| ondisk::slot(slot).is_none());
        match damaged {
            None => {
                slots.extend_from_slice(&body[..whole]);
                break;
            }
            // A subject may be erased, or a key added, while the file is read.
            Some(_) if attempt < SLOT_READS => std::thread::sleep(std::time::Duration::from_millis(2)),
            Some(slot) => return Err(BackupError::KeySlot { path, slot: slot as u64 + 1 }),
        }
    }
    let dir = copy.keys();
    fs::create_dir_all(&dir).map_err(io_error("create", &dir))?;
    // Copying slots needs no key: they stay wrapped.
    drop(doctor::open_copy(&dir, &slots, &[0; 32], store_id)?);
    Ok((slots.len() / ondisk::SLOT) as u64)
}

/// Adds every file under `dir` with its length and hash.
fn list(dir: &Path, prefix: &str, files: &mut BTreeMap<String, FileEntry>) -> Result<(), BackupError> {
    for entry in fs::read_dir(dir).map_err(io_error("list", dir))? {
        let entry = entry.map_err(io_error("list", dir))?;
        let path = entry.path();
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if path.is_dir() {
            list(&path, &format!("{name}/"), files)?;
        } else if name != MANIFEST_FILE {
            files.insert(name, hash(&path)?);
        }
    }
    Ok(())
}

fn hash(path: &Path) -> Result<FileEntry, BackupError> {
    let read = || -> io::Result<FileEntry> {
        let mut file = fs::File::open(path)?;
        let mut hasher = blake3::Hasher::new();
        let mut buffer = vec![0; 256 << 10];
        let mut bytes = 0;
        loop {
            match file.read(&mut buffer)? {
                0 => break,
                n => {
                    hasher.update(&buffer[..n]);
                    bytes += n as u64;
                }
            }
        }
        Ok(FileEntry { bytes, hash: hasher.finalize().to_hex().to_string() })
    };
    read().map_err(io_error("read", path))
}

/// Checks a backup: that nothing is missing, added or changed, and every frame of both logs.
pub fn verify(target: &Path) -> Result<Manifest, BackupError> {
    let path = target.join(MANIFEST_FILE);
    let unusable = |detail: String| BackupError::Manifest { path: path.clone(), detail };
    let text = match fs::read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(unusable("manifest.json is not there".into()));
        }
        Err(error) => return Err(io_error("read", &path)(error)),
    };
    #[derive(Deserialize)]
    struct Version {
        format: u32,
    }
    let version: Version = serde_json::from_slice(&text).map_err(|e| unusable(e.to_string()))?;
    if version.format > FORMAT {
        return Err(BackupError::Newer { path, found: version.format });
    }
    let manifest: Manifest = serde_json::from_slice(&text).map_err(|e| unusable(e.to_string()))?;
    if manifest.computed_check() != manifest.check {
        return Err(unusable("it does not match its own check value".into()));
    }
    let mut found = BTreeMap::new();
    list(target, "", &mut found)?;
    let names: BTreeSet<&String> = manifest.files.keys().chain(found.keys()).collect();
    for name in names {
        let detail = match (manifest.files.get(name), found.get(name)) {
            (Some(listed), Some(found)) if listed == found => continue,
            (Some(listed), Some(found)) if listed.bytes != found.bytes => {
                format!("it has {} bytes instead of {}", found.bytes, listed.bytes)
            }
            (Some(_), Some(_)) => "its contents do not match their hash".to_owned(),
            (Some(_), None) => "it is missing".to_owned(),
            (None, _) => "it is not part of the backup".to_owned(),
        };
        return Err(BackupError::Changed { path: target.join(name), detail });
    }
    let layout = Layout::new(target);
    let description = doctor::read_description(&layout.format())?;
    if description.is_none_or(|description| description.store_id != manifest.store_id) {
        return Err(unusable("it names another store than store.json".into()));
    }
    for (kind, end) in [(LogKind::Intake, manifest.intake_seq), (LogKind::Journal, manifest.journal_seq)] {
        verify_log(&layout, kind, end)?;
    }
    let keys = layout.keys().join(ondisk::KEYS_FILE);
    let bytes = fs::read(&keys).map_err(io_error("read", &keys))?;
    let slots = bytes.get(ondisk::KEYS_HEADER..).unwrap_or_default().chunks_exact(ondisk::SLOT);
    if slots.len() as u64 != manifest.key_slots {
        let detail = format!("it has {} keys instead of {}", slots.len(), manifest.key_slots);
        return Err(BackupError::Changed { path: keys, detail });
    }
    for (n, slot) in slots.enumerate() {
        if ondisk::slot(slot).is_none() {
            return Err(BackupError::KeySlot { path: keys, slot: n as u64 + 1 });
        }
    }
    Ok(manifest)
}

fn verify_log(layout: &Layout, kind: LogKind, end: u64) -> Result<(), BackupError> {
    let dir = layout.log(kind, PARTITION);
    let (mut next_seq, mut crc) = (1, 0);
    for (path, _) in ondisk::segments(&dir).map_err(io_error("list", &dir))? {
        let scan = scan_segment(&path, kind, PARTITION, next_seq, crc)?;
        if let Some(damage) = scan.header_damage.or(scan.damage) {
            return Err(LogError::Damaged(damage).into());
        }
        (next_seq, crc) = (scan.next_seq, scan.last_crc);
    }
    let mark = ondisk::mark(&dir).map_err(io_error("read the mark in", &dir))?;
    if next_seq - 1 != end || mark.value != Some((end, crc)) {
        let detail = format!("the log ends with entry {} instead of {end}", next_seq - 1);
        return Err(BackupError::Changed { path: dir, detail });
    }
    Ok(())
}

/// Brings a backup back as the store `dir`, which must not exist yet or be empty. Who was erased since stays
/// erased, and the next start switches effects off. The master key must lie beside `dir`, or be given at the start.
pub fn restore(target: &Path, dir: &Path) -> Result<Restored, BackupError> {
    files::require_empty(dir).map_err(|()| BackupError::NotEmpty { dir: dir.to_owned() })?;
    let manifest = verify(target)?;
    let register = store::destroyed_register(dir);
    let destroyed =
        crate::destroyed(dir).map_err(|source| BackupError::Register { path: register.clone(), source })?;
    let work = files::temporary_beside(dir, "restoring");
    let _ = fs::remove_dir_all(&work);
    for (name, listed) in &manifest.files {
        let (from, to) = (target.join(name), work.join(name));
        if let Some(parent) = to.parent() {
            fs::create_dir_all(parent).map_err(io_error("create", parent))?;
        }
        fs::copy(&from, &to).map_err(io_error("copy", &from))?;
        if hash(&to)? != *listed {
            let detail = "the copy of it does not match its hash".to_owned();
            return Err(BackupError::Changed { path: from, detail });
        }
    }
    let copy = Layout::new(&work);
    let erased_again = destroy_again(&copy, &manifest, &destroyed)?;
    let mark = copy.restored();
    let mut file = fs::File::create(&mark).map_err(io_error("write", &mark))?;
    file.write_all(b"restored\n").map_err(io_error("write", &mark))?;
    drop(file);
    files::settle(&work, dir).map_err(io_error("put in its place", dir))?;
    Ok(Restored { manifest, erased_again })
}

/// Destroys the keys of subjects that were erased after the backup was made.
fn destroy_again(
    copy: &Layout,
    manifest: &Manifest,
    destroyed: &BTreeSet<KeyId>,
) -> Result<u64, BackupError> {
    let dir = copy.keys();
    let path = dir.join(ondisk::KEYS_FILE);
    let bytes = fs::read(&path).map_err(io_error("read", &path))?;
    let mut slots = bytes.get(ondisk::KEYS_HEADER..).unwrap_or_default().to_vec();
    let mut again = 0;
    for key in destroyed.iter().filter(|key| **key != KeyId::STORE && key.0 <= manifest.key_slots) {
        let at = (key.0 as usize - 1) * ondisk::SLOT;
        let slot = &mut slots[at..at + ondisk::SLOT];
        again += u64::from(ondisk::slot(slot) == Some(ondisk::Slot::Live));
        slot.copy_from_slice(&ondisk::destroyed_slot());
    }
    // A number in the register must not become somebody else's, whom the next restore would erase.
    let highest = destroyed.last().map_or(0, |key| key.0);
    for _ in manifest.key_slots..highest {
        slots.extend_from_slice(&ondisk::destroyed_slot());
    }
    fs::remove_file(&path).map_err(io_error("remove", &path))?;
    let mark = dir.join(ondisk::MARK_FILE);
    fs::remove_file(&mark).map_err(io_error("remove", &mark))?;
    drop(doctor::open_copy(&dir, &slots, &[0; 32], &manifest.store_id)?);
    Ok(again)
}
