//! Saving what is sound of a damaged store: a new one beside it, in which every sequence is kept and each record that
//! is lost is accounted for.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use model::codec::{CodecError, Stored};
use model::{
    Cause, Dedupe, Entry, IntakeHeader, IntakeRecord, KeyId, LogKind, Outcome, RecordKind, RejectedBody,
    Time, TimelineId,
};
use serde::Serialize;
use store::{
    CommitError, Damage, Disk, Keys, Layout, LogWriter, OpenError, StoreFormat, StoreOptions,
    copy_sound_frames,
};

use crate::doctor::{
    DoctorError, Finding, PARTITION, PROGRESS_BYTES, Scratch, Severity, io_error, master_key, open_copy,
    read_description, read_slots, size_of, slot_offset,
};
use crate::files::{copy_private, require_empty, settle, temporary_beside};
use crate::ondisk;

/// Records written before they are made durable.
const COMMIT_BYTES: usize = 8 << 20;

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

/// The last entry that the mark of a log knows to be durable.
fn durable(dir: &Path) -> Result<u64, DoctorError> {
    Ok(ondisk::mark(dir).map_err(io_error("read the mark in", dir))?.value.map_or(0, |(seq, _)| seq))
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
        let damages = copy_sound_frames(&dir, LogKind::Intake, durable(&dir)?, |frame| {
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
        let damages = copy_sound_frames(&dir, LogKind::Journal, durable(&dir)?, |frame| {
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
        let durable = durable(&dir)?;
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
        let durable = durable(&dir)?;
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
