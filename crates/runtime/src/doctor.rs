//! Looking into a store that is not open: [`check`] reads every byte of the logs and keys and changes none. What is
//! sound of a damaged store is saved by [`crate::salvage`].

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use model::codec::{CodecError, Stored};
use model::{
    Cause, Command, Dedupe, Entry, Event, IntakeRecord, LogKind, Outcome, PartitionId, RecordKind,
    RejectedBody, Sealed, ViolationBody,
};
use serde::Serialize;
use store::{
    CommitError, Damage, Disk, KeyError, Keys, Layout, LockError, LogError, OpenError, State, StoreFormat,
    StoreOptions, copy_sound_frames, scan_segment,
};

use crate::ondisk;

pub(crate) const PARTITION: PartitionId = PartitionId(0);
/// Bytes between two words about the progress.
pub(crate) const PROGRESS_BYTES: u64 = 1 << 20;

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
    /// Events among them that nothing recognises when they come again.
    pub at_least_once: u64,
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
pub(crate) struct Scratch(pub(crate) PathBuf);

impl Scratch {
    pub(crate) fn new(layout: &Layout) -> Result<Self, DoctorError> {
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
            let committed = scan.committed;
            let cut_short = last && scan.damage.is_none() && committed.next_seq < scan.next_seq;
            if cut_short && committed.next_seq > durable {
                tail = Some((path.clone(), committed.end));
                (next_seq, crc, end) =
                    (Some(committed.next_seq), committed.crc, (path.clone(), committed.end));
                continue;
            }
            if let Some(damage) = scan.damage {
                if last && damage.seq > durable && !scan.sound_frame_after {
                    tail = Some((path.clone(), committed.end));
                    (next_seq, crc, end) =
                        (Some(committed.next_seq), committed.crc, (path.clone(), committed.end));
                    continue;
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
        let others = copy_sound_frames(&dir, kind, durable, |frame| {
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
            if record.header.source == crate::salvage::SALVAGE_SOURCE {
                checkup.report.checked.lost_before += 1;
            }
            let is_event = record.header.kind == RecordKind::Event;
            checkup.report.checked.at_least_once +=
                u64::from(is_event && record.header.dedupe == Dedupe::None);
            let Some(body) = keys.and_then(|keys| checkup.open(keys, &record.body, &dir, seq)) else {
                return Ok(());
            };
            let read = match record.header.kind {
                RecordKind::Event => Event::decode(&body).map(drop),
                RecordKind::Rejected => RejectedBody::decode(&body).map(drop),
                RecordKind::Violation => ViolationBody::decode(&body).map(drop),
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
                        Cause::Timer(_) | Cause::Effects | Cause::Consideration => true,
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

pub(crate) fn slot_offset(slot: u64) -> u64 {
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

pub(crate) fn master_key(layout: &Layout, options: &StoreOptions) -> Option<[u8; 32]> {
    options.master_key.or_else(|| store::parse_key(&fs::read_to_string(layout.master_key()).ok()?))
}

/// The key file as it was found.
pub(crate) struct FoundSlots {
    pub(crate) header: bool,
    pub(crate) mark: ondisk::Mark,
    /// The slots, with damaged ones destroyed.
    pub(crate) slots: Vec<u8>,
    pub(crate) count: u64,
    pub(crate) destroyed: u64,
    pub(crate) damaged: Vec<u64>,
}

pub(crate) fn read_slots(dir: &Path) -> Result<Option<FoundSlots>, DoctorError> {
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
