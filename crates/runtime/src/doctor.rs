//! Looking into a store that is not open, and saving from a damaged one what is sound.
//!
//! [`check`] reads every byte of the logs and keys and changes none. [`salvage`] writes a new store beside the old
//! one, keeps every sequence, and accounts for each record that is lost.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use model::codec::{CodecError, Stored};
use model::{
    Cause, Command, Dedupe, Entry, Event, IntakeHeader, IntakeRecord, KeyId, LogKind, Outcome, PartitionId,
    RecordKind, RejectedBody, Sealed, Time, TimelineId,
};
use serde::Serialize;
use store::{
    CommitError, Damage, Disk, KeyError, Keys, Layout, LockError, LogError, LogWriter, OpenError, State,
    StoreFormat, StoreOptions, copy_sound_frames, scan_segment,
};

use crate::ondisk;

const PARTITION: PartitionId = PartitionId(0);
/// Records written before they are made durable.
const COMMIT_BYTES: usize = 8 << 20;
/// Bytes between two words about the progress.
const PROGRESS_BYTES: u64 = 1 << 20;

/// How bad a finding is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth knowing; the next start deals with it.
    Note,
    /// A cache or a spare copy is unusable; nothing is lost.
    Warning,
    /// Something that was acknowledged or decided cannot be read.
    Damage,
}

/// One thing that is not as it should be.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Finding {
    pub severity: Severity,
    /// What kind of finding: `frame`, `missing`, `segment`, `mark`, `key_slot`, `body`…
    pub code: &'static str,
    pub file: PathBuf,
    /// Byte offset in the file.
    pub offset: Option<u64>,
    /// Sequence in the log, or number of the key slot.
    pub seq: Option<u64>,
    pub what: String,
    pub remedy: String,
}

/// What was looked at.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Checked {
    pub intake_records: u64,
    pub journal_entries: u64,
    pub key_slots: u64,
    pub keys_destroyed: u64,
    pub bodies_opened: u64,
    /// Sealed for somebody who was erased.
    pub bodies_erased: u64,
    /// Entries and records that an earlier salvage put in the place of lost ones.
    pub lost_before: u64,
    pub bytes: u64,
}

#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Report {
    pub store_id: Option<String>,
    pub findings: Vec<Finding>,
    pub checked: Checked,
}

impl Report {
    /// Nothing that was acknowledged or decided is lost.
    pub fn is_sound(&self) -> bool {
        self.findings.iter().all(|finding| finding.severity != Severity::Damage)
    }
}

/// What a salvage carried over, and what it could not.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct SalvageReport {
    pub intake_kept: u64,
    pub intake_lost: u64,
    pub journal_kept: u64,
    pub journal_lost: u64,
    pub keys_kept: u64,
    /// Slots that were destroyed on purpose before.
    pub keys_destroyed: u64,
    /// Slots that could not be read: what is sealed with them is gone.
    pub keys_lost: u64,
    /// Records whose application was lost and is put back in its place, because what it led to is sound.
    pub applied_again_in_place: u64,
    /// Records whose application was lost with what it led to: they stand at the end of the intake once more.
    pub appended_again: u64,
    /// The intake sequences that were lost; each stands in the dead letters.
    pub lost_intake: Vec<u64>,
    pub lost_journal: Vec<u64>,
    pub findings: Vec<Finding>,
}

/// The check or salvage could not be done.
#[derive(Debug, thiserror::Error)]
pub enum DoctorError {
    #[error(transparent)]
    Lock(#[from] LockError),
    #[error("{dir} holds no store: store.json is not there")]
    NoStore { dir: PathBuf },
    #[error(
        "{path} is not readable as a store's description: {detail}; put back the copy of it from a backup"
    )]
    Description { path: PathBuf, detail: String },
    #[error("the master key does not belong to this store, or is missing: {path}")]
    MasterKey { path: PathBuf },
    #[error("{path} is not empty; name a directory that does not exist yet")]
    NotEmpty { path: PathBuf },
    #[error(transparent)]
    Log(#[from] LogError),
    #[error(transparent)]
    Keys(#[from] KeyError),
    #[error("the salvaged store could not be written")]
    Commit(#[from] CommitError),
    #[error("{log} entry {seq} was written by a newer program; salvage with that one")]
    Newer { log: &'static str, seq: u64, source: CodecError },
    #[error("cannot {doing} {path}")]
    Io { doing: &'static str, path: PathBuf, source: io::Error },
}

pub(crate) fn io_error(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> DoctorError {
    let path = path.to_owned();
    move |source| DoctorError::Io { doing, path, source }
}

/// Checks the store in `dir`. `progress` is told (bytes done, bytes in all).
pub fn check(
    dir: &Path,
    options: &StoreOptions,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Report, DoctorError> {
    let layout = Layout::new(dir);
    if !dir.is_dir() {
        return Err(DoctorError::NoStore { dir: dir.to_owned() });
    }
    let _lock = ondisk::lock(dir)?;
    let total = [LogKind::Intake, LogKind::Journal]
        .iter()
        .map(|kind| 2 * size_of(&layout.log(*kind, PARTITION)))
        .sum();
    let mut checkup = Checkup { report: Report::default(), done: 0, told: 0, total, progress };
    let description = checkup.description(&layout)?;
    let master = description.as_ref().and_then(|description| checkup.master(&layout, options, description));
    let scratch = Scratch::new(&layout)?;
    let slots = checkup.key_slots(&layout)?;
    let keys = match (&description, master, slots) {
        (Some(description), Some(master), Some(slots)) => {
            checkup.report.store_id = Some(description.store_id.clone());
            Some(open_copy(&scratch.0, &slots, &master, &description.store_id)?)
        }
        _ => None,
    };
    checkup.report.store_id = description.map(|d| d.store_id);
    let intake = checkup.intake(&layout, keys.as_ref())?;
    let journal = checkup.journal(&layout, keys.as_ref(), intake)?;
    checkup.caches(&layout, &scratch, journal)?;
    if layout.restored().exists() {
        checkup.found(
            Severity::Note,
            "restored",
            layout.restored(),
            None,
            None,
            "this store was restored or salvaged and has not been started since".into(),
            "the next start switches effects off; switch them on when what it shows is right".into(),
        );
    }
    checkup.report.checked.bytes = total / 2;
    (checkup.progress)(total, total);
    Ok(checkup.report)
}

/// Work in progress, in the place that every start clears.
struct Scratch(PathBuf);

impl Scratch {
    fn new(layout: &Layout) -> Result<Self, DoctorError> {
        let path = layout.scratch().join("doctor");
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).map_err(io_error("create", &path))?;
        Ok(Scratch(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
        if let Some(parent) = self.0.parent() {
            // Gone with it where nothing else is in it.
            let _ = fs::remove_dir(parent);
        }
    }
}

struct Checkup<'a> {
    report: Report,
    done: u64,
    told: u64,
    total: u64,
    progress: &'a mut dyn FnMut(u64, u64),
}

type EachFrame<'f> = dyn FnMut(&mut Checkup<'_>, u64, &[u8]) -> Result<(), DoctorError> + 'f;

const SALVAGE: &str = "stop here and run `inyeon salvage` into a new directory, or restore a backup";

impl Checkup<'_> {
    #[allow(clippy::too_many_arguments, reason = "the fields of one finding, put together in one place")]
    fn found(
        &mut self,
        severity: Severity,
        code: &'static str,
        file: PathBuf,
        offset: Option<u64>,
        seq: Option<u64>,
        what: String,
        remedy: String,
    ) {
        self.report.findings.push(Finding { severity, code, file, offset, seq, what, remedy });
    }

    fn step(&mut self, bytes: u64) {
        self.done = (self.done + bytes).min(self.total);
        if self.done - self.told >= PROGRESS_BYTES {
            self.told = self.done;
            (self.progress)(self.done, self.total);
        }
    }

    fn description(&mut self, layout: &Layout) -> Result<Option<StoreFormat>, DoctorError> {
        let path = layout.format();
        match read_description(&path) {
            Ok(Some(found)) => Ok(Some(found)),
            Ok(None) if !layout.log(LogKind::Intake, PARTITION).exists() => {
                Err(DoctorError::NoStore { dir: layout.dir.clone() })
            }
            Ok(None) => {
                self.lost_description(path, "it is missing although the store has logs".into());
                Ok(None)
            }
            Err(DoctorError::Description { path, detail }) => {
                self.lost_description(path, detail);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    fn lost_description(&mut self, path: PathBuf, detail: String) {
        self.found(
            Severity::Damage,
            "description",
            path,
            Some(0),
            None,
            format!("the store's description cannot be read: {detail}"),
            "put back store.json from any backup of this store".into(),
        );
    }

    fn master(
        &mut self,
        layout: &Layout,
        options: &StoreOptions,
        description: &StoreFormat,
    ) -> Option<[u8; 32]> {
        let path = layout.master_key();
        match master_key(layout, options) {
            Some(key) if Keys::check_value(&key, &description.store_id) == description.key_check => Some(key),
            found => {
                let what = match found {
                    Some(_) => "the master key does not belong to this store",
                    None => "the master key is missing or is not 64 hexadecimal digits",
                };
                self.found(
                    Severity::Damage,
                    "master_key",
                    path,
                    None,
                    None,
                    what.into(),
                    "give the key that the store was made with, in this file or in INYEON_MASTER_KEY".into(),
                );
                None
            }
        }
    }

    /// Checks the key file; returns its slots with the damaged ones destroyed, `None` where there is nothing to use.
    fn key_slots(&mut self, layout: &Layout) -> Result<Option<Vec<u8>>, DoctorError> {
        let dir = layout.keys();
        let path = dir.join(ondisk::KEYS_FILE);
        let found = read_slots(&dir)?;
        let Some(found) = found else {
            self.found(
                Severity::Damage,
                "keys",
                path,
                None,
                None,
                "the file of subject keys is missing".into(),
                "put it back from the newest backup; nothing can be read without it".into(),
            );
            return Ok(None);
        };
        if !found.header {
            self.found(
                Severity::Damage,
                "keys",
                path.clone(),
                Some(0),
                None,
                "the header of the file of subject keys is damaged".into(),
                SALVAGE.into(),
            );
        }
        let durable = found.mark.value.map(|(seq, _)| seq);
        self.check_mark(&dir, &found.mark, found.count > 0);
        for slot in &found.damaged {
            let told = durable.is_none_or(|durable| *slot <= durable);
            let (severity, what, remedy) = if told {
                (
                    Severity::Damage,
                    format!("key slot {slot} is damaged; what is sealed with it cannot be read"),
                    SALVAGE,
                )
            } else {
                (
                    Severity::Note,
                    format!("key slot {slot} was being written when the process ended"),
                    "none is needed: nothing was sealed with it",
                )
            };
            self.found(
                severity,
                "key_slot",
                path.clone(),
                Some(slot_offset(*slot)),
                Some(*slot),
                what,
                remedy.into(),
            );
        }
        if let Some(durable) = durable.filter(|durable| *durable > found.count) {
            let (count, at) = (found.count, slot_offset(found.count + 1));
            self.found(
                Severity::Damage,
                "key_slot",
                path,
                Some(at),
                Some(count + 1),
                format!("the file ends after key {count}, but {durable} keys were in use"),
                SALVAGE.into(),
            );
        }
        self.report.checked.key_slots = found.count;
        self.report.checked.keys_destroyed = found.destroyed;
        Ok(Some(found.slots))
    }

    fn check_mark(&mut self, dir: &Path, mark: &ondisk::Mark, needed: bool) {
        let path = dir.join(ondisk::MARK_FILE);
        if mark.value.is_none() && needed {
            self.found(
                Severity::Damage,
                "mark",
                path,
                Some(0),
                None,
                "the durable mark is missing or unreadable; a missing end could not be noticed".into(),
                SALVAGE.into(),
            );
        } else if mark.damaged_cell {
            self.found(
                Severity::Warning,
                "mark",
                path,
                None,
                None,
                "one of the two cells of the durable mark is damaged".into(),
                "none is needed: the next start mends it from the other".into(),
            );
        }
    }

    /// Checks every frame of a log and hands the sound ones to `each`; returns the last sequence that it has or had:
    /// what is gone is found once, not again by each reference to it.
    fn log(&mut self, layout: &Layout, kind: LogKind, each: &mut EachFrame<'_>) -> Result<u64, DoctorError> {
        let dir = layout.log(kind, PARTITION);
        if !dir.is_dir() {
            self.found(
                Severity::Damage,
                "missing",
                dir,
                None,
                None,
                format!("the {} log is missing", kind.name()),
                SALVAGE.into(),
            );
            return Ok(0);
        }
        let mark = ondisk::mark(&dir).map_err(io_error("read the mark in", &dir))?;
        let durable = mark.value.map_or(0, |(seq, _)| seq);
        let mut damages: Vec<(Damage, &'static str)> = Vec::new();
        let mut tail: Option<(PathBuf, u64)> = None;
        let (mut next_seq, mut crc, mut end) = (Some(1), 0, (dir.clone(), 0));
        let segments = ondisk::segments(&dir).map_err(io_error("list", &dir))?;
        for (index, (path, first)) in segments.iter().enumerate() {
            let last = index + 1 == segments.len();
            let previous = ondisk::previous_checksum(path).map_err(io_error("read", path))?;
            let scan = match scan_segment(path, kind, PARTITION, *first, previous) {
                Err(LogError::Newer { file, found }) => {
                    self.found(
                        Severity::Damage,
                        "newer",
                        file,
                        Some(0),
                        Some(*first),
                        format!("format {found} was written by a newer program"),
                        "use the program that wrote it".into(),
                    );
                    next_seq = None;
                    continue;
                }
                scan => scan?,
            };
            self.step(scan.file_len);
            if let Some(damage) = scan.header_damage {
                if last && *first > durable {
                    tail = Some((path.clone(), 0));
                } else {
                    damages.push((damage, "segment"));
                }
            } else if next_seq.is_some_and(|next| next != *first || crc != previous) {
                let what = store::DamageKind::SegmentHeader(format!(
                    "it begins with entry {first}; entry {} should follow the one before",
                    next_seq.unwrap_or(1)
                ));
                let seq = next_seq.unwrap_or(1).min(*first);
                damages.push((Damage { file: path.clone(), offset: 0, seq, kind: what }, "segment"));
            }
            next_seq = Some(scan.next_seq);
            if let Some(damage) = scan.damage {
                if last && damage.seq > durable && !scan.sound_frame_after {
                    tail = Some((path.clone(), damage.offset));
                } else {
                    next_seq = None;
                    damages.push((damage, "frame"));
                }
            }
            crc = scan.last_crc;
            end = (path.clone(), scan.end);
        }
        let mut last = 0;
        let mut failed = None;
        let others = copy_sound_frames(&dir, kind, |frame| {
            if failed.is_none() {
                last = frame.seq;
                self.step(frame.body.len() as u64 + ondisk::FRAME_OVERHEAD);
                failed = each(self, frame.seq, frame.body).err();
            }
        })?;
        if let Some(error) = failed {
            return Err(error);
        }
        for damage in others {
            let is_tail =
                tail.as_ref().is_some_and(|(file, at)| *file == damage.file && *at <= damage.offset);
            // A gap is said once, at its beginning.
            let known = damages.iter().any(|(known, _)| known.seq == damage.seq);
            if !is_tail && !known {
                damages.push((damage, "frame"));
            }
        }
        self.check_mark(&dir, &mark, last > 0);
        if durable > last && !damages.iter().any(|(known, _)| known.seq == last + 1) {
            let kind = store::DamageKind::Missing { durable };
            damages.push((Damage { file: end.0, offset: end.1, seq: last + 1, kind }, "missing"));
        } else if durable == last
            && last > 0
            && next_seq.is_some()
            && mark.value != Some((last, crc))
            && mark.value.is_some()
        {
            self.found(
                Severity::Damage,
                "mark",
                dir.join(ondisk::MARK_FILE),
                Some(0),
                Some(last),
                format!("the durable mark belongs to another entry {last}"),
                SALVAGE.into(),
            );
        }
        damages.sort_by_key(|(damage, _)| damage.seq);
        for (damage, code) in damages {
            let what = damage.to_string();
            self.found(
                Severity::Damage,
                code,
                damage.file,
                Some(damage.offset),
                Some(damage.seq),
                what,
                SALVAGE.into(),
            );
        }
        if let Some((file, offset)) = tail {
            self.found(
                Severity::Note,
                "unsynced_tail",
                file,
                Some(offset),
                Some(last + 1),
                "the file ends in bytes that were never acknowledged".into(),
                "none is needed: the next start cuts them".into(),
            );
        }
        Ok(last.max(durable))
    }

    fn intake(&mut self, layout: &Layout, keys: Option<&Keys>) -> Result<u64, DoctorError> {
        let dir = layout.log(LogKind::Intake, PARTITION);
        self.log(layout, LogKind::Intake, &mut |checkup, seq, bytes| {
            checkup.report.checked.intake_records += 1;
            let record = match IntakeRecord::decode(bytes) {
                Ok(record) => record,
                Err(error) => {
                    checkup.unreadable(&dir, seq, "record", &error.to_string());
                    return Ok(());
                }
            };
            if record.header.source == SALVAGE_SOURCE {
                checkup.report.checked.lost_before += 1;
            }
            let Some(body) = keys.and_then(|keys| checkup.open(keys, &record.body, &dir, seq)) else {
                return Ok(());
            };
            let read = match record.header.kind {
                RecordKind::Event => Event::decode(&body).map(drop),
                RecordKind::Rejected => RejectedBody::decode(&body).map(drop),
            };
            if let Err(error) = read {
                checkup.unreadable(&dir, seq, "body", &error.to_string());
            }
            Ok(())
        })
    }

    fn unreadable(&mut self, dir: &Path, seq: u64, code: &'static str, why: &str) {
        let (file, offset) = place(dir, seq);
        self.found(
            Severity::Damage,
            code,
            file,
            offset,
            Some(seq),
            format!("entry {seq} cannot be read: {why}"),
            SALVAGE.into(),
        );
    }

    fn open(&mut self, keys: &Keys, body: &Sealed<'_>, dir: &Path, seq: u64) -> Option<Vec<u8>> {
        match keys.open_sealed(body) {
            Ok(body) => {
                self.report.checked.bodies_opened += 1;
                Some(body)
            }
            Err(OpenError::Erased) => {
                self.report.checked.bodies_erased += 1;
                None
            }
            Err(error) => {
                self.unreadable(dir, seq, "body", &error.to_string());
                None
            }
        }
    }

    fn journal(&mut self, layout: &Layout, keys: Option<&Keys>, intake_end: u64) -> Result<u64, DoctorError> {
        let dir = layout.log(LogKind::Journal, PARTITION);
        let mut applied_to = 0;
        let (mut expected, mut gap) = (1, false);
        self.log(layout, LogKind::Journal, &mut |checkup, seq, bytes| {
            checkup.report.checked.journal_entries += 1;
            gap |= seq != expected;
            expected = seq + 1;
            let entry = match Entry::decode(bytes) {
                Ok(entry) => entry,
                Err(error) => {
                    gap = true;
                    checkup.unreadable(&dir, seq, "entry", &error.to_string());
                    return Ok(());
                }
            };
            let mut wrong: Option<(&'static str, String)> = None;
            match &entry {
                Entry::Applied { first, count, duplicates } => {
                    let last = first + u64::from(*count) - u64::from(*count > 0);
                    if (*first != applied_to + 1 && !(gap && *first > applied_to)) || *count == 0 {
                        wrong =
                            Some(("applied", format!("inputs {first} to {last} follow input {applied_to}")));
                    } else if last > intake_end {
                        wrong = Some((
                            "reference",
                            format!("input {last} is not in the intake, which ends with {intake_end}"),
                        ));
                    } else if !duplicates.is_sorted_by(|a, b| a < b)
                        || duplicates.last().is_some_and(|d| d >= count)
                    {
                        wrong = Some((
                            "applied",
                            "the list of duplicates is out of order or out of range".into(),
                        ));
                    }
                    applied_to = applied_to.max(last);
                    gap = false;
                }
                Entry::Skipped { seq: input, .. } => {
                    if *input != applied_to + 1 && !(gap && *input > applied_to) {
                        wrong = Some(("applied", format!("input {input} follows input {applied_to}")));
                    } else if *input > intake_end {
                        wrong = Some((
                            "reference",
                            format!("input {input} is not in the intake, which ends with {intake_end}"),
                        ));
                    }
                    applied_to = applied_to.max(*input);
                    gap = false;
                }
                Entry::Outcome { cause, body, .. } => {
                    let exists = match cause {
                        // Input and outcome may be far apart where the application itself was lost.
                        Cause::Input(input) => *input <= intake_end && (*input <= applied_to || gap),
                        Cause::Command(command) => *command < seq,
                        Cause::Mail(mail) => mail.origin.seq < seq,
                        Cause::Timer(_) | Cause::Effects => true,
                    };
                    if !exists {
                        wrong = Some(("reference", format!("its cause, {cause:?}, is not there before it")));
                    }
                    if let Some(body) = keys.and_then(|keys| checkup.open(keys, body, &dir, seq))
                        && let Err(error) = Vec::<Outcome>::decode(&body)
                    {
                        checkup.unreadable(&dir, seq, "body", &error.to_string());
                    }
                }
                Entry::Command { body, .. } => {
                    if let Some(body) = keys.and_then(|keys| checkup.open(keys, body, &dir, seq))
                        && let Err(error) = Command::decode(&body)
                    {
                        checkup.unreadable(&dir, seq, "body", &error.to_string());
                    }
                }
                Entry::Delivered { mail, .. } if mail.origin.seq >= seq => {
                    wrong = Some((
                        "reference",
                        format!("mail of entry {} reached before it was sent", mail.origin.seq),
                    ));
                }
                Entry::ReferencePublished { body, .. } => {
                    if let Err(error) = serde_json::from_str::<engine::Reference>(body) {
                        checkup.unreadable(&dir, seq, "body", &error.to_string());
                    }
                }
                Entry::Lost => {
                    checkup.report.checked.lost_before += 1;
                    gap = true;
                }
                Entry::Delivered { .. } | Entry::ClockAdvanced { .. } => {}
            }
            if let Some((code, what)) = wrong {
                let (file, offset) = place(&dir, seq);
                checkup.found(
                    Severity::Damage,
                    code,
                    file,
                    offset,
                    Some(seq),
                    format!("entry {seq}: {what}"),
                    SALVAGE.into(),
                );
            }
            Ok(())
        })
    }

    /// State and views can be folded again; they must only not be ahead of the journal.
    fn caches(&mut self, layout: &Layout, scratch: &Scratch, journal_end: u64) -> Result<(), DoctorError> {
        let path = layout.state();
        if path.is_dir() {
            // Opening the cache would mend or drop it, so a copy is opened.
            let copy = scratch.0.join("state");
            copy_dir(&path, &copy)?;
            let dropped = match State::open(&copy, journal_end, engine::SNAPSHOT_FORMAT) {
                Ok(opened) => opened.dropped,
                Err(error) => Some(error.to_string()),
            };
            if let Some(why) = dropped {
                self.found(
                    Severity::Warning,
                    "state",
                    path,
                    None,
                    None,
                    format!("the state cache cannot be used: {why}"),
                    "none is needed: the next start drops it and folds it again".into(),
                );
            }
        }
        let path = layout.views().join("views.db");
        if path.exists() {
            let wrong = match views::Reader::open(&path).and_then(|reader| reader.position()) {
                Ok(position) if position > journal_end => {
                    Some(format!("the views show entry {position}, past the journal's end {journal_end}"))
                }
                Ok(_) => None,
                Err(error) => Some(format!("the views cannot be read: {error}")),
            };
            if let Some(what) = wrong {
                self.found(
                    Severity::Warning,
                    "views",
                    path,
                    None,
                    None,
                    what,
                    "none is needed: the next start drops them and folds them again".into(),
                );
            }
        }
        Ok(())
    }
}

fn place(dir: &Path, seq: u64) -> (PathBuf, Option<u64>) {
    match ondisk::locate(dir, seq) {
        Some((file, offset)) => (file, Some(offset)),
        None => (dir.to_owned(), None),
    }
}

fn slot_offset(slot: u64) -> u64 {
    ondisk::KEYS_HEADER as u64 + (slot - 1) * ondisk::SLOT as u64
}

pub(crate) fn read_description(path: &Path) -> Result<Option<StoreFormat>, DoctorError> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            return Err(DoctorError::Description { path: path.to_owned(), detail: "not text".into() });
        }
        Err(error) => return Err(io_error("read", path)(error)),
    };
    let description = |detail: String| DoctorError::Description { path: path.to_owned(), detail };
    let found: StoreFormat = serde_json::from_str(&text).map_err(|e| description(e.to_string()))?;
    if found.format != 1 {
        return Err(description(format!("format {} is not one that this program reads", found.format)));
    }
    Ok(Some(found))
}

fn master_key(layout: &Layout, options: &StoreOptions) -> Option<[u8; 32]> {
    options.master_key.or_else(|| store::parse_key(&fs::read_to_string(layout.master_key()).ok()?))
}

/// The key file as it was found.
struct FoundSlots {
    header: bool,
    mark: ondisk::Mark,
    /// The slots, with damaged ones destroyed.
    slots: Vec<u8>,
    count: u64,
    destroyed: u64,
    damaged: Vec<u64>,
}

fn read_slots(dir: &Path) -> Result<Option<FoundSlots>, DoctorError> {
    let path = dir.join(ondisk::KEYS_FILE);
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(io_error("read", &path)(error)),
    };
    let mark = ondisk::mark(dir).map_err(io_error("read the mark in", dir))?;
    let mut slots = bytes.get(ondisk::KEYS_HEADER..).unwrap_or_default().to_vec();
    let whole = slots.len() - slots.len() % ondisk::SLOT;
    // Half a slot at the end is one more that cannot be read.
    let mut damaged = Vec::new();
    slots.truncate(whole);
    let mut destroyed = 0;
    for (n, slot) in slots.chunks_exact_mut(ondisk::SLOT).enumerate() {
        match ondisk::slot(slot) {
            Some(ondisk::Slot::Live) => {}
            Some(ondisk::Slot::Destroyed) => destroyed += 1,
            None => {
                damaged.push(n as u64 + 1);
                slot.copy_from_slice(&ondisk::destroyed_slot());
            }
        }
    }
    let count = (whole / ondisk::SLOT) as u64;
    Ok(Some(FoundSlots { header: ondisk::is_keys_header(&bytes), mark, slots, count, destroyed, damaged }))
}

/// Writes a key file with these slots into `dir`, with a mark that matches, and opens it.
pub(crate) fn open_copy(
    dir: &Path,
    slots: &[u8],
    master: &[u8; 32],
    store_id: &str,
) -> Result<Keys, DoctorError> {
    // A new file brings the header and an empty mark; opening it again settles the mark over the slots.
    drop(Keys::open(&Disk::Real, dir, master, store_id)?);
    let path = dir.join(ondisk::KEYS_FILE);
    let mut file = fs::OpenOptions::new().append(true).open(&path).map_err(io_error("open", &path))?;
    file.write_all(slots).map_err(io_error("write", &path))?;
    drop(file);
    Ok(Keys::open(&Disk::Real, dir, master, store_id)?)
}

pub(crate) fn size_of(dir: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(dir) else { return 0 };
    entries.flatten().filter_map(|entry| entry.metadata().ok()).filter(|m| m.is_file()).map(|m| m.len()).sum()
}

fn copy_dir(from: &Path, to: &Path) -> Result<(), DoctorError> {
    fs::create_dir_all(to).map_err(io_error("create", to))?;
    for entry in fs::read_dir(from).map_err(io_error("list", from))? {
        let entry = entry.map_err(io_error("list", from))?;
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            copy_dir(&path, &target)?;
        } else {
            fs::copy(&path, &target).map_err(io_error("copy", &path))?;
        }
    }
    Ok(())
}

/// The source of records that stand in for lost ones.
pub const SALVAGE_SOURCE: &str = "inyeon.salvage";

/// Carries everything sound from the store in `dir` into a new store in `into`, which must not exist yet or be
/// empty. The old store is not touched. The new one starts with effects off.
pub fn salvage(
    dir: &Path,
    into: &Path,
    options: &StoreOptions,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<SalvageReport, DoctorError> {
    let old = Layout::new(dir);
    let _lock = ondisk::lock(dir)?;
    let description = read_description(&old.format())?.ok_or(DoctorError::NoStore { dir: dir.to_owned() })?;
    let key_path = old.master_key();
    let master = master_key(&old, options)
        .filter(|key| Keys::check_value(key, &description.store_id) == description.key_check)
        .ok_or(DoctorError::MasterKey { path: key_path })?;
    require_empty(into).map_err(|()| DoctorError::NotEmpty { path: into.to_owned() })?;
    let work = temporary_beside(into, "salvaging");
    let _ = fs::remove_dir_all(&work);
    fs::create_dir_all(&work).map_err(io_error("create", &work))?;
    let new = Layout::new(&work);
    let report = Salvage {
        old: &old,
        new: &new,
        options,
        report: SalvageReport::default(),
        done: 0,
        total: 2 * size_of(&old.log(LogKind::Intake, PARTITION))
            + 2 * size_of(&old.log(LogKind::Journal, PARTITION)),
        progress,
    }
    .run(&master, &description)?;
    let text = fs::read(old.format()).map_err(io_error("read", &old.format()))?;
    fs::write(new.format(), text).map_err(io_error("write", &new.format()))?;
    fs::write(new.restored(), b"salvaged\n").map_err(io_error("write", &new.restored()))?;
    let target = Layout::new(into);
    if options.master_key.is_none() && !target.master_key().exists() {
        copy_private(&old.master_key(), &target.master_key()).map_err(io_error("copy", &old.master_key()))?;
    }
    let register = store::destroyed_register(dir);
    let target_register = store::destroyed_register(into);
    if register.exists() && !target_register.exists() {
        copy_private(&register, &target_register).map_err(io_error("copy", &register))?;
    }
    settle(&work, into).map_err(io_error("put in its place", into))?;
    Ok(report)
}

fn copy_private(from: &Path, to: &Path) -> io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    let bytes = fs::read(from)?;
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(to)?;
    file.write_all(&bytes)?;
    file.sync_all()
}

/// An absent or empty directory.
pub(crate) fn require_empty(dir: &Path) -> Result<(), ()> {
    match fs::read_dir(dir) {
        Ok(mut entries) => {
            if entries.next().is_none() {
                Ok(())
            } else {
                Err(())
            }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(_) => Err(()),
    }
}

/// A name beside `dir`, for what is not whole yet.
pub(crate) fn temporary_beside(dir: &Path, extension: &str) -> PathBuf {
    let mut name = dir.file_name().unwrap_or_default().to_owned();
    name.push(".");
    name.push(extension);
    dir.with_file_name(name)
}

/// Makes what is in `work` durable and gives it its name.
pub(crate) fn settle(work: &Path, name: &Path) -> io::Result<()> {
    sync_all(work)?;
    match fs::remove_dir(name) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    fs::rename(work, name)?;
    match name.parent().filter(|p| !p.as_os_str().is_empty()) {
        Some(parent) => fs::File::open(parent)?.sync_all(),
        None => fs::File::open(".")?.sync_all(),
    }
}

fn sync_all(dir: &Path) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() { sync_all(&path)? } else { fs::File::open(&path)?.sync_all()? }
    }
    fs::File::open(dir)?.sync_all()
}

struct Salvage<'a> {
    old: &'a Layout,
    new: &'a Layout,
    options: &'a StoreOptions,
    report: SalvageReport,
    done: u64,
    total: u64,
    progress: &'a mut dyn FnMut(u64, u64),
}

/// What the sound part of the journal says about the intake.
#[derive(Default)]
struct Coverage {
    /// (journal sequence, first input, inputs) of each sound application, in order.
    ranges: Vec<(u64, u64, u64)>,
    /// Entries that are lost or unreadable.
    lost: BTreeSet<u64>,
    /// The first sound outcome of each input.
    outcomes: BTreeMap<u64, u64>,
    end: u64,
    /// The highest key slot that anything is sealed with.
    key: u64,
}

impl Coverage {
    /// The last input that counted: by an application, or by what it led to where the application is lost.
    fn applied_to(&self) -> u64 {
        let ranges = self.ranges.iter().map(|(_, first, count)| first + count - 1).max();
        ranges.max(self.outcomes.keys().last().copied()).unwrap_or(0)
    }

    /// Runs of inputs that no sound entry applied although later ones were: (first, last, the sound application
    /// after them).
    fn gaps(&self) -> Vec<(u64, u64, u64)> {
        let mut gaps = Vec::new();
        let mut next = 1;
        for (seq, first, count) in &self.ranges {
            if *first > next {
                gaps.push((next, first - 1, *seq));
            }
            next = next.max(first + count);
        }
        if self.applied_to() >= next {
            gaps.push((next, self.applied_to(), self.end + 1));
        }
        gaps
    }
}

impl Salvage<'_> {
    fn run(mut self, master: &[u8; 32], description: &StoreFormat) -> Result<SalvageReport, DoctorError> {
        let mut key_max = 0;
        self.intake_frames(|_, record| key_max = key_max.max(record.body.key.0))?;
        let (coverage, mut slots) = {
            let found = read_slots(&self.old.keys())?;
            let slots = found.as_ref().map_or(Vec::new(), |found| found.slots.clone());
            let (count, destroyed, damaged) =
                found.map_or((0, 0, Vec::new()), |found| (found.count, found.destroyed, found.damaged));
            self.report.keys_destroyed = destroyed;
            self.report.keys_lost = damaged.len() as u64;
            self.report.keys_kept = count - destroyed - damaged.len() as u64;
            let path = self.old.keys().join(ondisk::KEYS_FILE);
            for slot in damaged {
                self.report.findings.push(Finding {
                    severity: Severity::Damage,
                    code: "key_slot",
                    file: path.clone(),
                    offset: Some(slot_offset(slot)),
                    seq: Some(slot),
                    what: format!("key slot {slot} is damaged; what is sealed with it is gone"),
                    remedy: "a backup may still have it".into(),
                });
            }
            // Journal bodies are opened to know which can be folded.
            let scratch = Scratch::new(self.new)?;
            let keys = open_copy(&scratch.0, &slots, master, &description.store_id)?;
            (self.survey(&keys)?, slots)
        };
        key_max = key_max.max(coverage.key);
        // A slot that is gone from the end must not be given to somebody else.
        let missing = key_max.saturating_sub((slots.len() / ondisk::SLOT) as u64);
        self.report.keys_lost += missing;
        for _ in 0..missing {
            slots.extend_from_slice(&ondisk::destroyed_slot());
        }
        let keys_dir = self.new.keys();
        fs::create_dir_all(&keys_dir).map_err(io_error("create", &keys_dir))?;
        let keys = open_copy(&keys_dir, &slots, master, &description.store_id)?;
        self.write_intake(&keys, &coverage)?;
        self.write_journal(&coverage)?;
        (self.progress)(self.total, self.total);
        Ok(self.report)
    }

    fn step(&mut self, bytes: usize) {
        let before = self.done / PROGRESS_BYTES;
        self.done = (self.done + bytes as u64 + ondisk::FRAME_OVERHEAD).min(self.total);
        if self.done / PROGRESS_BYTES > before {
            (self.progress)(self.done, self.total);
        }
    }

    /// Every record of the old intake that can be read.
    fn intake_frames(
        &mut self,
        mut each: impl FnMut(u64, &IntakeRecord<'_>),
    ) -> Result<Vec<Damage>, DoctorError> {
        let dir = self.old.log(LogKind::Intake, PARTITION);
        let mut newer = None;
        let damages = copy_sound_frames(&dir, LogKind::Intake, |frame| {
            self.step(frame.body.len());
            match IntakeRecord::decode(frame.body) {
                Ok(record) => each(frame.seq, &record),
                Err(source @ CodecError::Newer { .. }) => {
                    newer.get_or_insert(DoctorError::Newer { log: "intake", seq: frame.seq, source });
                }
                Err(CodecError::Malformed { .. }) => {}
            }
        })?;
        newer.map_or(Ok(damages), Err)
    }

    /// The journal's frames; `None` for one that cannot be folded.
    fn journal_frames(
        &mut self,
        keys: Option<&Keys>,
        mut each: impl FnMut(u64, Option<(&Entry<'_>, &[u8])>),
    ) -> Result<Vec<Damage>, DoctorError> {
        let dir = self.old.log(LogKind::Journal, PARTITION);
        let mut newer = None;
        let damages = copy_sound_frames(&dir, LogKind::Journal, |frame| {
            self.step(frame.body.len());
            match Entry::decode(frame.body) {
                Ok(entry) if keys.is_none_or(|keys| can_be_folded(keys, &entry)) => {
                    each(frame.seq, Some((&entry, frame.body)));
                }
                Err(source @ CodecError::Newer { .. }) => {
                    newer.get_or_insert(DoctorError::Newer { log: "journal", seq: frame.seq, source });
                }
                Ok(_) | Err(CodecError::Malformed { .. }) => each(frame.seq, None),
            }
        })?;
        newer.map_or(Ok(damages), Err)
    }

    fn survey(&mut self, keys: &Keys) -> Result<Coverage, DoctorError> {
        let mut coverage = Coverage::default();
        let damages = self.journal_frames(Some(keys), |seq, entry| {
            coverage.lost.extend(coverage.end + 1..seq);
            coverage.end = seq;
            let Some((entry, _)) = entry else {
                coverage.lost.insert(seq);
                return;
            };
            match entry {
                Entry::Applied { first, count, .. } if *count > 0 => {
                    coverage.ranges.push((seq, *first, u64::from(*count)));
                }
                Entry::Skipped { seq: input, .. } => coverage.ranges.push((seq, *input, 1)),
                Entry::Outcome { cause, body, .. } => {
                    coverage.key = coverage.key.max(body.key.0);
                    if let Cause::Input(input) = cause {
                        coverage.outcomes.entry(*input).or_insert(seq);
                    }
                }
                Entry::Command { body, .. } => coverage.key = coverage.key.max(body.key.0),
                _ => {}
            }
        })?;
        self.note_damages(damages, "journal");
        let dir = self.old.log(LogKind::Journal, PARTITION);
        let durable =
            ondisk::mark(&dir).map_err(io_error("read the mark in", &dir))?.value.map_or(0, |(seq, _)| seq);
        coverage.lost.extend(coverage.end + 1..=durable);
        coverage.end = coverage.end.max(durable);
        Ok(coverage)
    }

    fn note_damages(&mut self, damages: Vec<Damage>, log: &str) {
        for damage in damages {
            let what = damage.to_string();
            self.report.findings.push(Finding {
                severity: Severity::Damage,
                code: "frame",
                file: damage.file,
                offset: Some(damage.offset),
                seq: Some(damage.seq),
                what,
                remedy: format!("it was left out of the salvaged {log}"),
            });
        }
    }

    fn writer(&self, kind: LogKind) -> Result<LogWriter, DoctorError> {
        let dir = self.new.log(kind, PARTITION);
        Ok(LogWriter::open(&Disk::Real, &dir, kind, PARTITION, self.options.log.clone())?.writer)
    }

    fn write_intake(&mut self, keys: &Keys, coverage: &Coverage) -> Result<(), DoctorError> {
        let mut writer = self.writer(LogKind::Intake)?;
        let dir = self.old.log(LogKind::Intake, PARTITION);
        let durable =
            ondisk::mark(&dir).map_err(io_error("read the mark in", &dir))?.value.map_or(0, |(seq, _)| seq);
        let applied_to = coverage.applied_to();
        let again: Vec<(u64, u64)> =
            coverage.gaps().into_iter().map(|(first, last, _)| (first, last)).collect();
        let must_repeat = |seq: u64| {
            let index = again.partition_point(|(first, _)| *first <= seq).checked_sub(1);
            index.is_some_and(|n| seq <= again[n].1) && !coverage.outcomes.contains_key(&seq)
        };
        let mut lost = Vec::new();
        let mut copies: Vec<Vec<u8>> = Vec::new();
        let mut kept = 0;
        // The clock of what is lost stands where the record before it had it.
        let mut clock = Time(0);
        let mut failed = None;
        let damages = {
            let (lost, copies, writer, failed) = (&mut lost, &mut copies, &mut writer, &mut failed);
            self.intake_frames(|seq, record| {
                if failed.is_some() {
                    return;
                }
                while writer.next_seq() < seq {
                    let body = placeholder(keys, writer.next_seq(), clock);
                    if must_repeat(writer.next_seq()) {
                        copies.push(body.clone());
                    }
                    lost.push(writer.append(&body));
                }
                if record.header.timeline.is_live() {
                    clock = clock.max(record.header.received_at);
                }
                let body = record.encode();
                if must_repeat(seq) {
                    copies.push(body.clone());
                }
                writer.append(&body);
                kept += 1;
                *failed = commit_if_large(writer).err();
            })?
        };
        if let Some(error) = failed {
            return Err(error.into());
        }
        while writer.next_seq() <= durable.max(applied_to) {
            let body = placeholder(keys, writer.next_seq(), clock);
            if must_repeat(writer.next_seq()) {
                copies.push(body.clone());
            }
            lost.push(writer.append(&body));
        }
        for copy in &copies {
            writer.append(copy);
            commit_if_large(&mut writer)?;
        }
        writer.commit()?;
        writer.close()?;
        self.note_damages(damages, "intake");
        self.report.intake_kept = kept;
        self.report.intake_lost = lost.len() as u64;
        self.report.lost_intake = lost;
        self.report.appended_again = copies.len() as u64;
        Ok(())
    }

    fn write_journal(&mut self, coverage: &Coverage) -> Result<(), DoctorError> {
        // An application whose outcomes are sound is put back into the place of a lost entry before them, so that
        // nothing is decided twice.
        let mut repaired: BTreeMap<u64, Vec<u8>> = BTreeMap::new();
        for (first, last, after) in coverage.gaps() {
            let sound: Vec<u64> = coverage.outcomes.range(first..=last).map(|(input, _)| *input).collect();
            let before = sound.iter().map(|input| coverage.outcomes[input]).min().unwrap_or(after);
            let free = |slot: &&u64| !repaired.contains_key(slot);
            let slot = coverage.lost.range(..before).rev().find(free).copied();
            // What was lost of the input itself is counted in the intake.
            if let Some(slot) = slot
                && let Ok(count) = u32::try_from(last - first + 1)
            {
                let duplicates = (first..=last)
                    .filter(|seq| !sound.contains(seq))
                    .map(|seq| (seq - first) as u32)
                    .collect();
                repaired.insert(slot, Entry::Applied { first, count, duplicates }.encode());
                self.report.applied_again_in_place += sound.len() as u64;
            }
        }
        let mut writer = self.writer(LogKind::Journal)?;
        let stand_in = |seq: u64| repaired.get(&seq).cloned().unwrap_or_else(|| Entry::Lost.encode());
        let mut failed = None;
        let mut kept = 0;
        {
            let (writer, failed) = (&mut writer, &mut failed);
            self.journal_frames(None, |seq, entry| {
                if failed.is_some() {
                    return;
                }
                while writer.next_seq() < seq {
                    let body = stand_in(writer.next_seq());
                    writer.append(&body);
                }
                match entry {
                    Some((_, bytes)) if !coverage.lost.contains(&seq) => {
                        writer.append(bytes);
                        kept += 1;
                    }
                    _ => {
                        writer.append(&stand_in(seq));
                    }
                }
                *failed = commit_if_large(writer).err();
            })?;
        }
        if let Some(error) = failed {
            return Err(error.into());
        }
        while writer.next_seq() <= coverage.end {
            let body = stand_in(writer.next_seq());
            writer.append(&body);
        }
        writer.commit()?;
        writer.close()?;
        self.report.journal_kept = kept;
        self.report.journal_lost = coverage.lost.len() as u64;
        self.report.lost_journal = coverage.lost.iter().copied().collect();
        Ok(())
    }
}

/// Whether a replay can pass over the entry: its body opens, or its subject was erased.
fn can_be_folded(keys: &Keys, entry: &Entry<'_>) -> bool {
    match entry {
        Entry::Outcome { body, .. } => match keys.open_sealed(body) {
            Ok(body) => Vec::<Outcome>::decode(&body).is_ok(),
            // The slot will be there, and destroyed.
            Err(OpenError::Erased | OpenError::NoSuchKey(_)) => true,
            Err(OpenError::Damaged) => false,
        },
        Entry::ReferencePublished { body, .. } => serde_json::from_str::<engine::Reference>(body).is_ok(),
        _ => true,
    }
}

fn commit_if_large(writer: &mut LogWriter) -> Result<(), CommitError> {
    if writer.buffered_bytes() >= COMMIT_BYTES {
        writer.commit()?;
    }
    Ok(())
}

/// Stands in the intake for a record that is lost: it counts as nothing and shows among the dead letters.
fn placeholder(keys: &Keys, seq: u64, at: Time) -> Vec<u8> {
    let body = RejectedBody {
        code: "lost".into(),
        reason: "the record was damaged on disk and a salvage could not read it".into(),
        place: format!("intake record {seq}").into(),
        raw: "".into(),
    };
    let header = IntakeHeader {
        kind: RecordKind::Rejected,
        source: SALVAGE_SOURCE.into(),
        timeline: TimelineId::LIVE,
        received_at: at,
        at,
        dedupe: Dedupe::None,
    };
    let body = keys.seal(KeyId::STORE, &body.encode()).expect("the store's key is always there");
    IntakeRecord { header, body }.encode()
}
