//! Per-subject data keys: a file of fixed slots, each holding one key wrapped by the store's master key.
//!
//! To erase a subject its slot is overwritten; every body sealed with that key is noise from then on. Keys are
//! durable before any body that is sealed with them: a stock of keys that are nobody's yet is made durable at once,
//! so that a new customer costs no sync. Only whose key it is may be forgotten when the machine loses power; then
//! the customer gets a second one, and the first is given to nobody else. The master key never lies in the store's
//! directory.

use std::collections::{HashMap, HashSet, VecDeque};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, RwLock};

use model::{DedupeHash, Identifier, IdentifierHash, KeyId, Sealed};
use rand::TryRngCore;
use rand::rngs::OsRng;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};

use crate::disk::{Disk, DiskFile};
use crate::failpoint;
use crate::mark::{Mark, MarkValue};

const MAGIC: [u8; 8] = *b"INYEONKY";
const FORMAT: u8 = 1;
const HEADER: usize = 64;
const SLOT: usize = 96;
const NONCE: usize = 12;
const TAG: usize = 16;
const WRAPPED: usize = 32 + TAG;
const LIVE: u8 = 1;
const DESTROYED: u8 = 2;

/// A body cannot be opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    #[error("the subject was erased")]
    Erased,
    #[error("no key slot {0} exists")]
    NoSuchKey(u64),
    #[error("the sealed bytes do not match their key: they were damaged")]
    Damaged,
}

#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error("{path}: key slot {slot} is damaged; what is sealed with it cannot be read")]
    DamagedSlot { path: PathBuf, slot: u64 },
    #[error("{path}: {detail}")]
    Damaged { path: PathBuf, detail: String },
    #[error("{path}: format {found} was written by a newer program; this one reads up to format {FORMAT}")]
    Newer { path: PathBuf, found: u8 },
    #[error("cannot {doing} {path}")]
    Io { doing: &'static str, path: PathBuf, source: io::Error },
}

/// The keyring of a store. Shared between threads.
pub struct Keys {
    master: LessSafeKey,
    store: LessSafeKey,
    lookup: [u8; 32],
    links: [u8; 32],
    path: PathBuf,
    slots: RwLock<Slots>,
    writer: Mutex<SlotWriter>,
}

struct Slots {
    /// The wrapped key of slot n + 1; `None` once destroyed.
    wrapped: Vec<Option<([u8; NONCE], [u8; WRAPPED])>>,
    by_subject: HashMap<[u8; 16], u64, rustc_hash::FxBuildHasher>,
    /// Whose each slot is; zeros for nobody's.
    subjects: Vec<[u8; 16]>,
    /// Durable slots that are nobody's yet.
    spares: VecDeque<u64>,
    /// Slots that became somebody's since the last flush.
    assigned: Vec<u64>,
}

/// Spare keys made at a time, and how few are left when more are made.
const SPARES: usize = 1024;
const SPARES_LOW: usize = 256;
const NOBODY: [u8; 16] = [0; 16];

struct SlotWriter {
    file: DiskFile,
    mark: Mark,
    /// Slots on disk and durable.
    durable: u64,
}

impl Keys {
    /// Opens or creates the key file. Every slot is checked.
    ///
    /// `master` is the wrapping key; `store_id` keeps two stores under one master apart.
    pub fn open(disk: &Disk, dir: &Path, master: &[u8; 32], store_id: &str) -> Result<Self, KeyError> {
        disk.create_dir(dir).map_err(io_error("create", dir))?;
        let path = dir.join("subject.keys");
        let file = disk.open(&path, true).map_err(io_error("open", &path))?;
        let opened = Mark::open(disk, dir).map_err(io_error("open the mark in", dir))?;
        let (mark, durable) = (opened.mark, opened.value);
        let len = file.len().map_err(io_error("look at", &path))? as usize;
        let mut bytes = vec![0; len];
        file.read_exact_at(&mut bytes, 0).map_err(io_error("read", &path))?;
        let damaged = |detail: String| KeyError::Damaged { path: path.clone(), detail };
        let derive = |purpose: &str| blake3::derive_key(&format!("inyeon 2026 {purpose} {store_id}"), master);
        let wrapping = key(&derive("subject key wrapping"));
        let mut slots = Slots {
            wrapped: Vec::new(),
            by_subject: HashMap::default(),
            subjects: Vec::new(),
            // Spares of an earlier process may be somebody's: who, was not synced. They are left alone.
            spares: VecDeque::new(),
            assigned: Vec::new(),
        };
        if len < HEADER {
            if durable.is_some() {
                return Err(damaged("the file is cut short; keys that were in use are gone".into()));
            }
            file.set_len(0).map_err(io_error("begin", &path))?;
            file.write_all_at(&header(), 0).map_err(io_error("begin", &path))?;
            file.sync_data().map_err(io_error("sync", &path))?;
            disk.sync_dir(dir).map_err(io_error("sync", dir))?;
        } else {
            if bytes[..HEADER] != header() {
                if bytes[..8] == MAGIC && bytes[8] > FORMAT {
                    return Err(KeyError::Newer { path, found: bytes[8] });
                }
                return Err(damaged("the header is damaged".into()));
            }
            let durable = match durable {
                Some(value) => value.seq,
                None if len == HEADER => 0,
                None => return Err(damaged("the durable mark beside it is missing or unreadable".into())),
            };
            let mut chunks = bytes[HEADER..].chunks_exact(SLOT);
            let mut mended = Vec::new();
            for (n, cell) in chunks.by_ref().enumerate() {
                let content = read_slot(cell).or_else(|| {
                    let content = mend_slot(&wrapping, n as u64 + 1, cell).filter(|_| (n as u64) < durable);
                    mended.extend(content.is_some().then_some(n));
                    content
                });
                match content {
                    Some((subject, wrapped)) => {
                        slots.subjects.push(subject);
                        if wrapped.is_some() && subject != NOBODY {
                            slots.by_subject.insert(subject, n as u64 + 1);
                        }
                        slots.wrapped.push(wrapped);
                    }
                    // A slot that nothing was sealed with yet: the write was cut short.
                    None if n as u64 >= durable => break,
                    None => return Err(KeyError::DamagedSlot { path, slot: n as u64 + 1 }),
                }
            }
            let found = slots.wrapped.len() as u64;
            if found < durable {
                return Err(damaged(format!("{found} keys are left of the {durable} that were in use")));
            }
            file.set_len((HEADER + slots.wrapped.len() * SLOT) as u64).map_err(io_error("cut", &path))?;
            for n in mended {
                let cell = slot(&slots.subjects[n], slots.wrapped[n].as_ref());
                file.write_all_at(&cell, offset_of(n as u64 + 1)).map_err(io_error("mend", &path))?;
            }
        }
        let mut writer = SlotWriter { file, mark, durable: slots.wrapped.len() as u64 };
        writer.file.sync_data().map_err(io_error("sync", &path))?;
        let value = MarkValue { seq: writer.durable, crc: 0 };
        writer.mark.settle(value).map_err(io_error("write the mark in", dir))?;
        Ok(Keys {
            master: wrapping,
            store: key(&derive("store key")),
            lookup: derive("identifier lookup"),
            links: derive("signed links"),
            path,
            slots: RwLock::new(slots),
            writer: Mutex::new(writer),
        })
    }

    /// A text that only the holder of `master` can make for this store: to notice a wrong key early.
    pub fn check_value(master: &[u8; 32], store_id: &str) -> String {
        let key = blake3::derive_key(&format!("inyeon 2026 check value {store_id}"), master);
        blake3::hash(&key).to_hex()[..32].to_owned()
    }

    /// What links to customers are signed with: made from the master key, so a store that was brought back from a
    /// backup knows the links that were sent before.
    pub fn links(&self) -> &[u8; 32] {
        &self.links
    }

    /// The hash by which an identifier is looked up.
    pub fn hash_identifier(&self, identifier: &Identifier<'_>) -> IdentifierHash {
        IdentifierHash(self.hash(&[
            b"identifier",
            identifier.type_name().as_bytes(),
            identifier.value().as_bytes(),
        ]))
    }

    /// The hash by which a message is recognised; the parts are kept apart.
    pub fn hash_message(&self, source: &str, id: &str) -> DedupeHash {
        DedupeHash(self.hash(&[b"message", source.as_bytes(), id.as_bytes()]))
    }

    /// The subject of everything that names nobody and came on this day.
    pub fn hash_day(&self, day: i64) -> IdentifierHash {
        IdentifierHash(self.hash(&[b"day", &day.to_le_bytes()]))
    }

    fn hash(&self, parts: &[&[u8]]) -> [u8; 16] {
        let mut hasher = blake3::Hasher::new_keyed(&self.lookup);
        for part in parts {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        hasher.finalize().as_bytes()[..16].try_into().expect("16 of 32 bytes")
    }

    /// The subject's key, made where there is none. A new key must be [`Self::flush`]ed before anything that is
    /// sealed with it is made durable.
    pub fn key_for(&self, subject: IdentifierHash) -> KeyId {
        if let Some(slot) = self.slots.read().expect("no panic while held").by_subject.get(&subject.0) {
            return KeyId(*slot);
        }
        let mut slots = self.slots.write().expect("no panic while held");
        if let Some(slot) = slots.by_subject.get(&subject.0) {
            return KeyId(*slot);
        }
        let slot = match slots.spares.pop_front() {
            Some(slot) => {
                slots.assigned.push(slot);
                slot
            }
            None => self.add_slot(&mut slots),
        };
        slots.subjects[slot as usize - 1] = subject.0;
        slots.by_subject.insert(subject.0, slot);
        KeyId(slot)
    }

    /// Makes a key in a new slot that is nobody's yet, and returns the slot's number.
    fn add_slot(&self, slots: &mut Slots) -> u64 {
        let slot = slots.wrapped.len() as u64 + 1;
        let nonce = random_nonce();
        let mut wrapped = [0; WRAPPED];
        OsRng.try_fill_bytes(&mut wrapped[..32]).expect("the system gives random bytes");
        let tag = self
            .master
            .seal_in_place_separate_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(slot.to_le_bytes()),
                &mut wrapped[..32],
            )
            .expect("32 bytes are within the limit");
        wrapped[32..].copy_from_slice(tag.as_ref());
        slots.wrapped.push(Some((nonce, wrapped)));
        slots.subjects.push(NOBODY);
        slot
    }

    /// Makes every key that was given out durable. On an error nothing sealed with a new one may be acknowledged.
    pub fn flush(&self) -> Result<(), crate::CommitError> {
        let mut writer = self.writer.lock().expect("no panic while held");
        let path = self.path.clone();
        let durable = writer.durable as usize;
        let (cells, new, spares) = {
            let mut slots = self.slots.write().expect("no panic while held");
            let unsynced = slots.wrapped.len() > durable;
            if slots.assigned.is_empty() && !unsynced {
                return Ok(());
            }
            // After a write that failed they are there already.
            if (unsynced || slots.spares.len() < SPARES_LOW) && slots.wrapped.len() < durable + SPARES {
                for _ in 0..SPARES {
                    self.add_slot(&mut slots);
                }
            }
            let fresh = durable..slots.wrapped.len();
            // One that was retired before it was written is nobody's and no spare.
            let used: HashSet<u64> = slots.assigned.iter().copied().collect();
            let spares: Vec<u64> = fresh
                .filter(|n| slots.subjects[*n] == NOBODY && slots.wrapped[*n].is_some())
                .map(|n| n as u64 + 1)
                .filter(|number| !used.contains(number))
                .collect();
            let cell = |n: usize| slot(&slots.subjects[n], slots.wrapped[n].as_ref());
            let cells: Vec<_> =
                slots.assigned.iter().map(|number| (*number, cell(*number as usize - 1))).collect();
            let new: Vec<u8> = (durable..slots.wrapped.len()).flat_map(cell).collect();
            (cells, new, spares)
        };
        let refused = |source| crate::CommitError::NotWritten { path: path.clone(), source };
        for (number, cell) in &cells {
            writer.file.write_all_at(cell, offset_of(*number)).map_err(refused)?;
        }
        if !new.is_empty() {
            writer.file.write_all_at(&new, offset_of(durable as u64 + 1)).map_err(refused)?;
            failpoint("keys.after_write");
            let unknown = |source| crate::CommitError::Unknown { path: path.clone(), source };
            writer.file.sync_data().map_err(unknown)?;
            writer.durable += (new.len() / SLOT) as u64;
            let value = MarkValue { seq: writer.durable, crc: 0 };
            // An older mark would let these slots be taken for a write that was cut short.
            writer.mark.settle(value).map_err(unknown)?;
        }
        let mut slots = self.slots.write().expect("no panic while held");
        slots.spares.extend(spares);
        // Only a flush takes from the front, and only one runs at a time.
        slots.assigned.drain(..cells.len());
        Ok(())
    }

    /// Overwrites the keys: whatever is sealed with them is gone for good once this returns.
    pub fn destroy(&self, keys: &[KeyId]) -> Result<(), crate::CommitError> {
        self.flush()?;
        let writer = self.writer.lock().expect("no panic while held");
        let mut slots = self.slots.write().expect("no panic while held");
        for key in keys.iter().filter(|key| **key != KeyId::STORE) {
            let n = key.0 as usize - 1;
            let Some(subject) = slots.subjects.get(n).copied() else { continue };
            if slots.by_subject.get(&subject) == Some(&key.0) {
                slots.by_subject.remove(&subject);
            }
            slots.wrapped[n] = None;
            slots.subjects[n] = NOBODY;
            let unknown = |source| crate::CommitError::Unknown { path: self.path.clone(), source };
            writer.file.write_all_at(&slot(&NOBODY, None), offset_of(key.0)).map_err(unknown)?;
        }
        writer
            .file
            .sync_data()
            .map_err(|source| crate::CommitError::Unknown { path: self.path.clone(), source })
    }

    /// Seals a body with a subject's key, or with the store's own.
    pub fn seal(&self, key: KeyId, body: &[u8]) -> Result<Sealed<'static>, OpenError> {
        let sealing = self.data_key(key)?;
        let mut bytes = Vec::with_capacity(NONCE + body.len() + TAG);
        let nonce = random_nonce();
        bytes.extend_from_slice(&nonce);
        bytes.extend_from_slice(body);
        let tag = sealing
            .get()
            .seal_in_place_separate_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(key.0.to_le_bytes()),
                &mut bytes[NONCE..],
            )
            .expect("bodies are far below the cipher's limit");
        bytes.extend_from_slice(tag.as_ref());
        Ok(Sealed { key, bytes: bytes.into() })
    }

    /// Opens a sealed body.
    pub fn open_sealed(&self, sealed: &Sealed<'_>) -> Result<Vec<u8>, OpenError> {
        let opening = self.data_key(sealed.key)?;
        if sealed.bytes.len() < NONCE + TAG {
            return Err(OpenError::Damaged);
        }
        let (nonce, body) = sealed.bytes.split_at(NONCE);
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| OpenError::Damaged)?;
        let mut body = body.to_vec();
        let len = opening
            .get()
            .open_in_place(nonce, Aad::from(sealed.key.0.to_le_bytes()), &mut body)
            .map_err(|_| OpenError::Damaged)?
            .len();
        body.truncate(len);
        Ok(body)
    }

    fn data_key(&self, id: KeyId) -> Result<DataKey<'_>, OpenError> {
        if id == KeyId::STORE {
            return Ok(DataKey::Store(&self.store));
        }
        let (nonce, mut wrapped) = {
            let slots = self.slots.read().expect("no panic while held");
            let n = usize::try_from(id.0).ok().and_then(|n| n.checked_sub(1));
            let n = n.filter(|n| *n < slots.wrapped.len()).ok_or(OpenError::NoSuchKey(id.0))?;
            slots.wrapped[n].ok_or(OpenError::Erased)?
        };
        let opened = self
            .master
            .open_in_place(Nonce::assume_unique_for_key(nonce), Aad::from(id.0.to_le_bytes()), &mut wrapped)
            .map_err(|_| OpenError::Damaged)?;
        let opened: [u8; 32] = (&*opened).try_into().map_err(|_| OpenError::Damaged)?;
        Ok(DataKey::Subject(Box::new(key(&opened))))
    }

    /// How many subjects have a key.
    pub fn subjects(&self) -> usize {
        self.slots.read().expect("no panic while held").by_subject.len()
    }
}

enum DataKey<'a> {
    Store(&'a LessSafeKey),
    Subject(Box<LessSafeKey>),
}

impl DataKey<'_> {
    fn get(&self) -> &LessSafeKey {
        match self {
            DataKey::Store(key) => key,
            DataKey::Subject(key) => key,
        }
    }
}

fn key(bytes: &[u8; 32]) -> LessSafeKey {
    LessSafeKey::new(UnboundKey::new(&AES_256_GCM, bytes).expect("AES-256 takes 32 bytes"))
}

/// 96 random bits. Each subject's key seals far fewer than the 2^32 bodies up to which that is safe
/// (NIST SP 800-38D, 8.3).
fn random_nonce() -> [u8; NONCE] {
    rand::random()
}

fn io_error(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> KeyError {
    let path = path.to_owned();
    move |source| KeyError::Io { doing, path, source }
}

fn offset_of(slot: u64) -> u64 {
    HEADER as u64 + (slot - 1) * SLOT as u64
}

fn header() -> [u8; HEADER] {
    let mut header = [0; HEADER];
    header[..8].copy_from_slice(&MAGIC);
    header[8] = FORMAT;
    let crc = crc32c::crc32c(&header[..HEADER - 4]);
    header[HEADER - 4..].copy_from_slice(&crc.to_le_bytes());
    header
}

fn slot(subject: &[u8; 16], wrapped: Option<&([u8; NONCE], [u8; WRAPPED])>) -> [u8; SLOT] {
    let mut slot = [0; SLOT];
    match wrapped {
        Some((nonce, wrapped)) => {
            slot[0] = LIVE;
            slot[4..20].copy_from_slice(subject);
            slot[20..20 + NONCE].copy_from_slice(nonce);
            slot[32..32 + WRAPPED].copy_from_slice(wrapped);
        }
        None => slot[0] = DESTROYED,
    }
    let crc = crc32c::crc32c(&slot[..SLOT - 4]);
    slot[SLOT - 4..].copy_from_slice(&crc.to_le_bytes());
    slot
}

type SlotContent = ([u8; 16], Option<([u8; NONCE], [u8; WRAPPED])>);

fn read_slot(slot: &[u8]) -> Option<SlotContent> {
    let crc = u32::from_le_bytes(slot[SLOT - 4..].try_into().expect("four bytes"));
    if crc32c::crc32c(&slot[..SLOT - 4]) != crc {
        return None;
    }
    let subject = slot[4..20].try_into().expect("16 bytes");
    match slot[0] {
        LIVE => {
            let nonce = slot[20..20 + NONCE].try_into().expect("12 bytes");
            let wrapped = slot[32..32 + WRAPPED].try_into().expect("48 bytes");
            Some((subject, Some((nonce, wrapped))))
        }
        DESTROYED => Some((subject, None)),
        _ => None,
    }
}

/// What is known of a slot in use whose bytes are partly old and partly new, as a loss of power leaves one that
/// straddles two sectors (a boundary lies 32 or 64 bytes into it). A destruction that was begun is finished. A key
/// that opens is sound by its own tag; whose it is may be forgotten, as without a sync.
fn mend_slot(wrapping: &LessSafeKey, number: u64, cell: &[u8]) -> Option<SlotContent> {
    let destroyed = slot(&NOBODY, None);
    if [32, 64].iter().any(|at| cell[..*at] == destroyed[..*at] || cell[*at..] == destroyed[*at..]) {
        return Some((NOBODY, None));
    }
    let nonce: [u8; NONCE] = cell[20..20 + NONCE].try_into().expect("12 bytes");
    let wrapped: [u8; WRAPPED] = cell[32..32 + WRAPPED].try_into().expect("48 bytes");
    let opens = wrapping
        .open_in_place(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(number.to_le_bytes()),
            &mut wrapped.clone(),
        )
        .is_ok();
    (opens && cell[0] == LIVE).then_some((NOBODY, Some((nonce, wrapped))))
}
