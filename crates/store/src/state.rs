//! What can be folded again: checkpoints of entities, the identity and position indexes, and the memory of
//! messages seen. On fjall; each checkpoint is one atomic batch that carries the journal position it reflects.

use std::collections::BTreeMap;
use std::io::Write;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use fjall::config::PartitioningPolicy;
use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};
use model::identity::Ties;
use model::{DedupeHash, EntityId, IdentifierHash};

use crate::failpoint;

/// Bumped when anything below is laid out differently; another number is dropped and folded again.
const LAYOUT: u64 = 2;

#[derive(Debug, thiserror::Error)]
pub enum StateError {
    #[error("the state cache in {path} failed; it can be dropped and is folded again from the logs")]
    Cache { path: PathBuf, source: fjall::Error },
    #[error("cannot drop the state cache in {path}")]
    Drop { path: PathBuf, source: std::io::Error },
}

/// What is known of an identifier.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct IdentityRow {
    /// The history that inputs with it go to; of an order or promise, who owns it.
    pub home: Option<EntityId>,
    pub ties: Option<Arc<Ties>>,
}

/// Begins a row with ties; one without is the home's key alone.
const WITH_TIES: u8 = b't';

impl IdentityRow {
    fn encode(&self) -> Vec<u8> {
        match (&self.home, &self.ties) {
            (Some(home), None) => home.to_key().to_vec(),
            (home, ties) => {
                let row = (home, ties.as_deref());
                postcard::to_extend(&row, vec![WITH_TIES]).expect("plain data serialises")
            }
        }
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        if let Some(bytes) = bytes.strip_prefix(&[WITH_TIES]) {
            let (home, ties): (Option<EntityId>, Option<Ties>) = postcard::from_bytes(bytes).ok()?;
            return Some(IdentityRow { home, ties: ties.map(Arc::new) });
        }
        Some(IdentityRow { home: Some(EntityId::from_key(bytes)?), ties: None })
    }
}

/// Everything that changed since the last checkpoint, up to one journal position.
#[derive(Default)]
pub struct Checkpoint {
    pub journal_seq: u64,
    /// Sealed snapshots; `None` deletes.
    pub entities: Vec<(EntityId, Option<Vec<u8>>)>,
    /// `None` deletes.
    pub identities: Vec<(IdentifierHash, Option<IdentityRow>)>,
    /// Where an entity's history stands: opaque chunks, appended under the journal sequence they begin at.
    pub positions: Vec<(EntityId, u64, Vec<u8>)>,
    /// Client-named messages by the server's UTC day.
    pub seen: Vec<(i64, DedupeHash)>,
    pub permanent: Vec<DedupeHash>,
    /// Client-named messages of days before this one are forgotten.
    pub forget_before: Option<i64>,
    /// The fold's own small state, sealed.
    pub fold: Vec<u8>,
}

pub struct State {
    path: PathBuf,
    format: u64,
    db: Database,
    meta: Keyspace,
    entities: Keyspace,
    identities: Keyspace,
    positions: Keyspace,
    permanent: Keyspace,
    /// Seen messages by day; whole days are dropped.
    days: Mutex<BTreeMap<i64, Keyspace>>,
}

/// How a state was found.
pub struct StateOpened {
    pub state: State,
    /// The journal sequence that it reflects; 0 for a new or dropped one.
    pub journal_seq: u64,
    /// Why an existing cache was dropped.
    pub dropped: Option<String>,
}

/// What of the cache's files is kept in memory unless told otherwise: messages seen, identifiers, checkpoints.
pub const CACHE_BYTES_DEFAULT: u64 = 96 << 20;

const META_KEY: &str = "checkpoint";

/// Filters and indexes in parts: most lookups are of keys that are not there, and one filter of megabytes for a
/// table would be read whole, again and again, once it no longer fits the cache.
fn keyspace_options() -> KeyspaceCreateOptions {
    KeyspaceCreateOptions::default()
        .max_memtable_size(16 << 20)
        .filter_block_partitioning_policy(PartitioningPolicy::all(true))
        .index_block_partitioning_policy(PartitioningPolicy::all(true))
}
/// The days that have a keyspace of messages seen.
const DAYS_KEY: &str = "days";
/// A row of each keyspace, no longer than any key: the position that it reflects. A keyspace that was lost, or that
/// is older than the others, shows by it.
const POSITION_KEY: &str = "!";

impl State {
    /// Opens the cache; one that cannot be read, is inconsistent, lies past the journal's end or holds snapshots of
    /// another format than `snapshots` is dropped.
    pub fn open(path: &Path, journal_end: u64, snapshots: u32) -> Result<StateOpened, StateError> {
        Self::open_with(path, journal_end, snapshots, CACHE_BYTES_DEFAULT)
    }

    /// [`State::open`], keeping up to about `cache_bytes` of what was read in memory.
    pub fn open_with(
        path: &Path,
        journal_end: u64,
        snapshots: u32,
        cache_bytes: u64,
    ) -> Result<StateOpened, StateError> {
        let mut dropped = None;
        if path.exists() {
            // On some damages to its files the key-value store panics, or asks for so much memory that the process
            // ends: tries are counted beside it, and after the second that did not return it is given up.
            let tries = path.with_extension("opening");
            let opened = if count_try(&tries) > 2 {
                Err("opening it ended the process twice".to_owned())
            } else {
                catch_unwind(|| Self::try_open(path, journal_end, snapshots, cache_bytes))
                    .unwrap_or_else(|_| Err("it is damaged".to_owned()))
            };
            let _ = std::fs::remove_file(&tries);
            match opened {
                Ok((state, journal_seq)) => return Ok(StateOpened { state, journal_seq, dropped: None }),
                Err(why) => dropped = Some(why),
            }
            std::fs::remove_dir_all(path)
                .map_err(|source| StateError::Drop { path: path.to_owned(), source })?;
        }
        let state = Self::create(path, snapshots, cache_bytes)
            .map_err(|source| StateError::Cache { path: path.to_owned(), source })?;
        Ok(StateOpened { state, journal_seq: 0, dropped })
    }

    fn create(path: &Path, snapshots: u32, cache_bytes: u64) -> fjall::Result<State> {
        // Two workers: the machine has other work. The logs are synced; this cache is, at each checkpoint.
        let db = Database::builder(path)
            .worker_threads(1)
            .cache_size(cache_bytes)
            .manual_journal_persist(true)
            .open()?;
        let keyspace = |name: &str| db.keyspace(name, keyspace_options);
        let mut days = BTreeMap::new();
        for name in db.list_keyspace_names() {
            if let Some(day) = name.strip_prefix("seen-").and_then(|day| day.parse().ok()) {
                days.insert(day, keyspace(&name)?);
            }
        }
        Ok(State {
            path: path.to_owned(),
            format: LAYOUT << 32 | u64::from(snapshots),
            meta: keyspace("meta")?,
            entities: keyspace("entities")?,
            identities: keyspace("identities")?,
            positions: keyspace("positions")?,
            permanent: keyspace("permanent")?,
            days: Mutex::new(days),
            db,
        })
    }

    fn try_open(
        path: &Path,
        journal_end: u64,
        snapshots: u32,
        cache_bytes: u64,
    ) -> Result<(State, u64), String> {
        let state = Self::create(path, snapshots, cache_bytes).map_err(|e| e.to_string())?;
        let Some(meta) = state.meta.get(META_KEY).map_err(|e| e.to_string())? else {
            // Only an empty cache has no position.
            for keyspace in state.folded() {
                if !keyspace.is_empty().map_err(|e| e.to_string())? {
                    return Err("rows without a position".to_owned());
                }
            }
            return Ok((state, 0));
        };
        let number =
            |at: usize| meta.get(at..at + 8).map(|b| u64::from_le_bytes(b.try_into().expect("eight")));
        let (Some(format), Some(journal_seq)) = (number(0), number(8)) else {
            return Err("an unreadable position".to_owned());
        };
        if format != state.format {
            return Err("it was written by another version of the program".to_owned());
        }
        if journal_seq > journal_end {
            return Err(format!("it reflects entry {journal_seq}, past the journal's end {journal_end}"));
        }
        state.check_pieces(journal_seq)?;
        // A row newer than the position would be applied twice: the pieces of this cache do not belong together.
        for row in state.entities.iter() {
            let (key, value) = row.into_inner().map_err(|e| e.to_string())?;
            if *key == *POSITION_KEY.as_bytes() {
                continue;
            }
            let stamp = value.get(..8).map(|b| u64::from_le_bytes(b.try_into().expect("eight")));
            if stamp.is_none_or(|stamp| stamp > journal_seq) {
                return Err("a checkpoint newer than the cache's position".to_owned());
            }
        }
        Ok((state, journal_seq))
    }

    /// The keyspaces that every checkpoint takes along.
    fn folded(&self) -> [&Keyspace; 4] {
        [&self.entities, &self.identities, &self.positions, &self.permanent]
    }

    /// Whether every keyspace is there and reflects the same position.
    fn check_pieces(&self, journal_seq: u64) -> Result<(), String> {
        let apart = || "its pieces do not belong together".to_owned();
        for keyspace in self.folded() {
            let position = keyspace.get(POSITION_KEY).map_err(|e| e.to_string())?;
            if position.as_deref() != Some(&journal_seq.to_le_bytes()[..]) {
                return Err(apart());
            }
        }
        let listed = self.meta.get(DAYS_KEY).map_err(|e| e.to_string())?;
        let listed = listed.as_deref().unwrap_or_default();
        let days = self.days.lock().expect("no panic while held");
        for day in listed.chunks(8) {
            let day = i64::from_le_bytes(day.try_into().map_err(|_| apart())?);
            let keyspace = days.get(&day).ok_or_else(apart)?;
            if !keyspace.contains_key(POSITION_KEY).map_err(|e| e.to_string())? {
                return Err(apart());
            }
        }
        Ok(())
    }

    fn failed(&self, source: fjall::Error) -> StateError {
        StateError::Cache { path: self.path.clone(), source }
    }

    /// Applies a checkpoint and makes it durable.
    pub fn commit(&self, checkpoint: Checkpoint) -> Result<(), StateError> {
        failpoint("checkpoint.before");
        let mut batch = self.db.batch();
        let seq = checkpoint.journal_seq;
        for (entity, snapshot) in checkpoint.entities {
            match snapshot {
                Some(bytes) => {
                    let stamped: Vec<u8> = seq.to_le_bytes().into_iter().chain(bytes).collect();
                    batch.insert(&self.entities, entity.to_key(), stamped);
                }
                None => batch.remove(&self.entities, entity.to_key()),
            }
        }
        for (hash, row) in checkpoint.identities {
            match row {
                Some(row) => batch.insert(&self.identities, hash.0, row.encode()),
                None => batch.remove(&self.identities, hash.0),
            }
        }
        for (entity, from, chunk) in checkpoint.positions {
            let mut key = entity.to_key().to_vec();
            key.extend_from_slice(&from.to_be_bytes());
            batch.insert(&self.positions, key, chunk);
        }
        for (day, hash) in checkpoint.seen {
            let keyspace = self.day(day).map_err(|e| self.failed(e))?;
            batch.insert(&keyspace, POSITION_KEY, []);
            batch.insert(&keyspace, hash.0, []);
        }
        for hash in checkpoint.permanent {
            batch.insert(&self.permanent, hash.0, []);
        }
        let mut meta = self.format.to_le_bytes().to_vec();
        meta.extend_from_slice(&seq.to_le_bytes());
        meta.extend_from_slice(&checkpoint.fold);
        batch.insert(&self.meta, META_KEY, meta);
        batch.insert(&self.meta, DAYS_KEY, list(&self.days.lock().expect("no panic while held")));
        for keyspace in self.folded() {
            batch.insert(keyspace, POSITION_KEY, seq.to_le_bytes());
        }
        let done = batch.commit().and_then(|()| self.db.persist(PersistMode::SyncData));
        failpoint("checkpoint.after");
        done.map_err(|e| self.failed(e))?;
        checkpoint.forget_before.map_or(Ok(()), |day| self.forget_days_before(day))
    }

    fn day(&self, day: i64) -> fjall::Result<Keyspace> {
        let mut days = self.days.lock().expect("no panic while held");
        if let Some(keyspace) = days.get(&day) {
            return Ok(keyspace.clone());
        }
        let keyspace = self.db.keyspace(&format!("seen-{day}"), keyspace_options)?;
        days.insert(day, keyspace.clone());
        Ok(keyspace)
    }

    /// The fold's own state at the checkpoint.
    pub fn fold(&self) -> Result<Option<Vec<u8>>, StateError> {
        let meta = self.meta.get(META_KEY).map_err(|e| self.failed(e))?;
        Ok(meta.and_then(|meta| meta.get(16..).map(<[u8]>::to_vec)))
    }

    /// The sealed snapshot of an entity, and the journal sequence that it reflects.
    pub fn entity(&self, id: EntityId) -> Result<Option<(u64, Vec<u8>)>, StateError> {
        let row = self.entities.get(id.to_key()).map_err(|e| self.failed(e))?;
        Ok(row.and_then(|row| {
            let (stamp, snapshot) = row.split_first_chunk::<8>()?;
            Some((u64::from_le_bytes(*stamp), snapshot.to_vec()))
        }))
    }

    /// Every entity that has a checkpoint, in the order of ids.
    pub fn entities(&self, mut each: impl FnMut(EntityId, &[u8])) -> Result<(), StateError> {
        for row in self.entities.iter() {
            let (key, value) = row.into_inner().map_err(|e| self.failed(e))?;
            if let (Some(id), Some(snapshot)) = (EntityId::from_key(&key), value.get(8..)) {
                each(id, snapshot);
            }
        }
        Ok(())
    }

    pub fn identity(&self, hash: IdentifierHash) -> Result<Option<IdentityRow>, StateError> {
        let row = self.identities.get(hash.0).map_err(|e| self.failed(e))?;
        Ok(row.and_then(|row| IdentityRow::decode(&row)))
    }

    /// The chunks of an entity's positions, oldest first.
    pub fn positions(&self, id: EntityId) -> Result<Vec<Vec<u8>>, StateError> {
        let rows = self.positions.prefix(id.to_key());
        rows.map(|row| row.value().map(|v| v.to_vec()).map_err(|e| self.failed(e))).collect()
    }

    /// Whether a client-named message was seen on one of the remembered days.
    pub fn was_seen(&self, hash: DedupeHash) -> Result<bool, StateError> {
        let days = self.days.lock().expect("no panic while held");
        for keyspace in days.values().rev() {
            if keyspace.contains_key(hash.0).map_err(|e| self.failed(e))? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    pub fn is_permanent(&self, hash: DedupeHash) -> Result<bool, StateError> {
        self.permanent.contains_key(hash.0).map_err(|e| self.failed(e))
    }

    /// Drops the memory of whole days before `day`.
    pub fn forget_days_before(&self, day: i64) -> Result<(), StateError> {
        let mut days = self.days.lock().expect("no panic while held");
        let kept = days.split_off(&day);
        if days.is_empty() {
            *days = kept;
            return Ok(());
        }
        // A day that is listed must be there, so it leaves the list first.
        let unlisted = self.meta.insert(DAYS_KEY, list(&kept));
        unlisted.and_then(|()| self.db.persist(PersistMode::SyncData)).map_err(|e| self.failed(e))?;
        for keyspace in std::mem::replace(&mut *days, kept).into_values() {
            self.db.delete_keyspace(keyspace).map_err(|e| self.failed(e))?;
        }
        Ok(())
    }
}

fn list(days: &BTreeMap<i64, Keyspace>) -> Vec<u8> {
    days.keys().flat_map(|day| day.to_le_bytes()).collect()
}

/// Adds one to the tries and says how many there were; none where they cannot be counted.
fn count_try(tries: &Path) -> u64 {
    let count = || -> std::io::Result<u64> {
        let mut file = std::fs::OpenOptions::new().create(true).append(true).open(tries)?;
        file.write_all(b".")?;
        Ok(file.metadata()?.len())
    };
    count().unwrap_or_default()
}
