//! The one writer.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use model::EntityId;
use rusqlite::{Connection, Transaction, TransactionBehavior, params};

use crate::change::Change;
use crate::dump;
use crate::error::{At, Error, Result, is_damage};
use crate::fold::{Fold, Place};
use crate::schema;

/// How long a step waits for readers to end before it says so.
const PATIENCE: Duration = Duration::from_secs(5);
/// Pages of the write-ahead log (32 MiB) after which a commit moves them into the file.
const CHECKPOINT_PAGES: u32 = 8192;

/// The read models, open for writing. One at a time per file.
#[derive(Debug)]
pub struct Views {
    db: Connection,
    path: PathBuf,
    position: u64,
    scrub_owed: bool,
    /// Since the last erased row the file was written anew; only the write-ahead log still holds bytes of it.
    rewritten: bool,
}

/// Views that were opened, and where to go on.
#[derive(Debug)]
pub struct Opened {
    pub views: Views,
    pub begin: Begin,
}

impl Opened {
    /// The views are empty: fold the journal from its first entry.
    pub fn is_fresh(&self) -> bool {
        matches!(self.begin, Begin::Fresh(_))
    }
}

/// Where the caller goes on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Begin {
    /// After [`Views::position`].
    Resumed,
    /// From the beginning of the journal.
    Fresh(Why),
}

/// Why the views begin anew.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Why {
    /// There was no file.
    Missing,
    /// The file was of another format and was dropped.
    OtherFormat { found: i64 },
    /// The file was damaged and was dropped.
    Damaged { detail: String },
}

impl Views {
    /// Opens the views at `path`, or makes them. A file of another format or a damaged one is dropped, since
    /// everything in it can be folded again; one that cannot be read for another reason is left alone.
    pub fn open(path: impl AsRef<Path>) -> Result<Opened> {
        let path = path.as_ref();
        let why = if path.exists() {
            match Self::resume(path)? {
                Ok(views) => return Ok(Opened { views, begin: Begin::Resumed }),
                Err(why) => why,
            }
        } else {
            Why::Missing
        };
        remove(path)?;
        Ok(Opened { views: Self::create(path)?, begin: Begin::Fresh(why) })
    }

    fn create(path: &Path) -> Result<Self> {
        const DOING: &str = "create the views";
        let mut db = Connection::open(path).at(path, DOING)?;
        let made = (|| {
            configure(&db)?;
            let tx = db.transaction()?;
            tx.execute_batch(schema::CREATE)?;
            tx.pragma_update(None, "user_version", schema::VERSION)?;
            tx.commit()
        })();
        made.at(path, DOING)?;
        Ok(Views { db, path: path.to_path_buf(), position: 0, scrub_owed: false, rewritten: false })
    }

    /// The views in an existing file, or why it has to go.
    fn resume(path: &Path) -> Result<std::result::Result<Self, Why>> {
        let opened = Connection::open(path).and_then(|db| Self::check(&db).map(|found| (db, found)));
        let (db, found) = match opened {
            Ok(opened) => opened,
            Err(error) if is_damage(&error) => return Ok(Err(Why::Damaged { detail: error.to_string() })),
            Err(error) => return Err(Error::new(path, "open the views", error)),
        };
        let (position, scrub_owed) = match found {
            Ok(found) => found,
            Err(why) => return Ok(Err(why)),
        };
        let mut views = Views { db, path: path.to_path_buf(), position, scrub_owed, rewritten: false };
        match views.finish_erasures() {
            // A reader is in the way; the debt stays noted.
            Ok(()) | Err(Error::Busy { .. }) => Ok(Ok(views)),
            Err(error) => Err(error),
        }
    }

    /// The position and whether a scrub is owed; or why the file cannot be used.
    fn check(db: &Connection) -> rusqlite::Result<std::result::Result<(u64, bool), Why>> {
        let found = db.pragma_query_value(None, "user_version", |row| row.get(0))?;
        if found != schema::VERSION {
            return Ok(Err(Why::OtherFormat { found }));
        }
        let verdict: String = db.pragma_query_value(None, "quick_check", |row| row.get(0))?;
        if verdict != "ok" {
            return Ok(Err(Why::Damaged { detail: verdict }));
        }
        configure(db)?;
        db.query_row("SELECT position, scrub_owed FROM meta", [], |row| Ok(Ok((row.get(0)?, row.get(1)?))))
            .or_else(|error| match error {
                rusqlite::Error::QueryReturnedNoRows => {
                    Ok(Err(Why::Damaged { detail: "it does not say up to where it reaches".into() }))
                }
                error => Err(error),
            })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How long a step waits for readers that are in its way; five seconds unless told.
    pub fn set_patience(&mut self, patience: Duration) -> Result<()> {
        self.db.busy_timeout(patience).at(&self.path, "open the views")
    }

    /// The journal sequence that the rows reflect; 0 before everything.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Brings the rows to the journal sequence `upto`, all or nothing.
    ///
    /// `changes` come in journal order, none past `upto`, and everything of one sequence in one call. What the
    /// views have already seen is skipped, so handing over an overlapping range again changes nothing. Where
    /// profiles repeat, the last one of each entity is written and the ones before it are not.
    pub fn apply(&mut self, upto: u64, changes: &[(u64, Change)]) -> Result<()> {
        const DOING: &str = "apply changes to the views";
        self.check_order(upto, changes)?;
        if upto <= self.position {
            return Ok(());
        }
        let new = &changes[changes.partition_point(|(seq, _)| *seq <= self.position)..];
        let tx =
            Transaction::new_unchecked(&self.db, TransactionBehavior::Immediate).at(&self.path, DOING)?;
        let erased = fold(&tx, new)
            .and_then(|erased| {
                tx.prepare_cached("UPDATE meta SET position = ?, scrub_owed = scrub_owed OR ?")?
                    .execute(params![upto, erased > 0])?;
                Ok(erased)
            })
            .and_then(|erased| tx.commit().map(|()| erased))
            .at(&self.path, DOING)?;
        self.position = upto;
        if erased == 0 {
            return Ok(());
        }
        self.owe_scrub();
        match self.finish_erasures() {
            // The rows are gone and the position has moved; only the scrub is still owed.
            Err(Error::Busy { .. }) => Ok(()),
            done => done,
        }
    }

    fn check_order(&self, upto: u64, changes: &[(u64, Change)]) -> Result<()> {
        let mut after = 0;
        for (seq, _) in changes {
            if *seq < after || *seq > upto {
                return Err(Error::OutOfOrder { path: self.path.clone(), seq: *seq, after, upto });
            }
            after = *seq;
        }
        Ok(())
    }

    /// Makes everything that was applied survive a power cut. Applying alone does not: a cut may take the views
    /// back to an earlier position (never to half a batch). Also finishes erasures that a reader held up.
    pub fn make_durable(&mut self) -> Result<()> {
        const DOING: &str = "make the views durable";
        match self.finish_erasures() {
            Ok(()) | Err(Error::Busy { .. }) => {}
            Err(error) => return Err(error),
        }
        if self.checkpoint("FULL").at(&self.path, DOING)? {
            return Ok(());
        }
        // A reader is looking at an older state, so not all pages could be moved into the file. One commit in
        // full mode syncs the write-ahead log instead, and with it everything before.
        let synced = (|| {
            self.db.pragma_update(None, "synchronous", "FULL")?;
            let done = self.db.execute("UPDATE meta SET syncs = syncs + 1", []);
            self.db.pragma_update(None, "synchronous", "NORMAL")?;
            done.map(drop)
        })();
        synced.at(&self.path, DOING)
    }

    /// Deletes every row of the entity, so that no byte of them is left in any of the views' files. On
    /// [`Error::Busy`] the rows are gone and their bytes are not yet: [`Views::finish_erasures`] goes on.
    pub fn erase(&mut self, entity: EntityId) -> Result<()> {
        const DOING: &str = "erase an entity";
        let tx =
            Transaction::new_unchecked(&self.db, TransactionBehavior::Immediate).at(&self.path, DOING)?;
        let mut fold = Fold::new(&tx);
        let erased = fold
            .erase(entity)
            .and_then(|()| tx.execute("UPDATE meta SET scrub_owed = scrub_owed OR ?", [fold.erased > 0]))
            .map(|_| fold.erased);
        let erased = erased.and_then(|erased| tx.commit().map(|()| erased)).at(&self.path, DOING)?;
        if erased > 0 {
            self.owe_scrub();
        }
        self.finish_erasures()
    }

    fn owe_scrub(&mut self) {
        self.scrub_owed = true;
        self.rewritten = false;
    }

    /// Whether rows were erased whose bytes may still be in the files, because a reader is in the way.
    pub fn erasure_owed(&self) -> bool {
        self.scrub_owed
    }

    /// Takes what is left of erased rows out of the files; nothing to do where nothing is owed.
    ///
    /// `secure_delete` zeroes cells where they are deleted, but when SQLite splits or merges pages it leaves
    /// copies of cells behind in the unused part of a page, where no later delete finds them; and the
    /// write-ahead log holds older pages. So the file is rewritten from its live rows (`VACUUM`), and the log is
    /// moved into it and cut to nothing. That takes time in proportion to the file; asked again after a reader was
    /// in the way, only the log is left to do.
    pub fn finish_erasures(&mut self) -> Result<()> {
        const DOING: &str = "take erased rows out of the views' files";
        if !self.scrub_owed {
            return Ok(());
        }
        if !self.rewritten {
            self.db.execute_batch("VACUUM").at(&self.path, DOING)?;
            self.rewritten = true;
        }
        if !self.checkpoint("TRUNCATE").at(&self.path, DOING)? {
            return Err(Error::Busy { path: self.path.clone(), doing: DOING, source: None });
        }
        self.db.execute("UPDATE meta SET scrub_owed = 0", []).at(&self.path, DOING)?;
        self.scrub_owed = false;
        Ok(())
    }

    /// Moves the write-ahead log into the file and syncs it; `false` where a reader was in the way.
    fn checkpoint(&self, mode: &str) -> rusqlite::Result<bool> {
        let busy: i64 = self.db.query_row(&format!("PRAGMA wal_checkpoint({mode})"), [], |row| row.get(0))?;
        Ok(busy == 0)
    }

    /// All that is shown, as text: a line for each row, tables and rows in a fixed order. Two views that were
    /// told the same give the same text.
    pub fn dump(&self) -> Result<String> {
        dump::to_text(&self.db, &self.path)
    }

    /// The same to a writer, for views too large for one text.
    pub fn dump_to(&self, to: &mut dyn io::Write) -> Result<()> {
        dump::to_writer(&self.db, &self.path, to)
    }
}

/// Folds the changes and says how many rows erasures took away.
///
/// Rows of one entity have nothing to do with those of another, so each entity's changes are taken together: the
/// pages that hold it are visited once a batch.
fn fold(tx: &Transaction<'_>, changes: &[(u64, Change)]) -> rusqlite::Result<usize> {
    let mut sorted: Vec<(EntityId, Place, &Change)> = Vec::with_capacity(changes.len());
    let mut place = Place { seq: 0, ordinal: 0 };
    for (seq, change) in changes {
        let ordinal = if *seq == place.seq { place.ordinal + 1 } else { 0 };
        place = Place { seq: *seq, ordinal };
        sorted.push((change.owner(), place, change));
    }
    sorted.sort_by_key(|(owner, _, _)| *owner);
    let mut fold = Fold::new(tx);
    for changes in sorted.chunk_by(|(one, _, _), (next, _, _)| one == next) {
        let last_profile = changes.iter().rposition(|(_, _, change)| matches!(change, Change::Profile(_)));
        for (index, (_, place, change)) in changes.iter().enumerate() {
            match change {
                Change::Profile(_) if Some(index) != last_profile => {}
                change => fold.change(*place, change)?,
            }
        }
    }
    Ok(fold.erased)
}

fn configure(db: &Connection) -> rusqlite::Result<()> {
    db.busy_timeout(PATIENCE)?;
    db.set_prepared_statement_cache_capacity(128);
    db.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    db.pragma_update(None, "synchronous", "NORMAL")?;
    db.pragma_update_and_check(None, "secure_delete", "ON", |_| Ok(()))?;
    db.pragma_update_and_check(None, "wal_autocheckpoint", CHECKPOINT_PAGES, |_| Ok(()))?;
    // Negative: KiB.
    db.pragma_update(None, "cache_size", -65_536)
}

/// Removes the file and what SQLite keeps beside it.
fn remove(path: &Path) -> Result<()> {
    for suffix in ["-wal", "-shm", "-journal", ""] {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        let path = PathBuf::from(name);
        match fs::remove_file(&path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                return Err(Error::Remove { path, source });
            }
            _ => {}
        }
    }
    Ok(())
}
