//! R3: flipped bits, cut files and deleted files, in all of the logs, marks and keys.
//!
//! Each mutation is either told at opening, by the name of a file and mostly a place in it, or it costs nothing that
//! was acknowledged. Silent losses are counted, and there are none.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use model::codec::Stored;
use model::*;
use rand::Rng;
use store::{Disk, Keys, OpenError};
use tempfile::TempDir;

use super::support::*;

const MASTER: [u8; 32] = [3; 32];

/// A store's truth, and what was acknowledged of it.
struct Sample {
    place: TempDir,
    /// The plain text of each intake body; `None` of an erased subject.
    intake: Vec<Option<Vec<u8>>>,
    journal: Vec<Vec<u8>>,
}

fn record(body: Sealed<'static>) -> IntakeRecord<'static> {
    IntakeRecord {
        header: IntakeHeader {
            kind: RecordKind::Event,
            source: "web".into(),
            timeline: TimelineId::LIVE,
            received_at: Time(0),
            at: Time(0),
            dedupe: Dedupe::None,
        },
        body,
    }
}

/// `settled`: closed in order, else as a killed process leaves it.
fn sample(settled: bool) -> Sample {
    let place = place();
    let keys = Keys::open(&Disk::Real, &place.path().join("keys"), &MASTER, "s").unwrap();
    let open = |kind: LogKind| open_as(&Disk::Real, &place.path().join(kind.name()), kind).unwrap().writer;
    let (mut intake_log, mut journal_log) = (open(LogKind::Intake), open(LogKind::Journal));
    let (mut intake, mut journal) = (Vec::new(), Vec::new());
    let mut slots = Vec::new();
    for n in 0..90 {
        let subject = keys.hash_identifier(&Identifier::User(&format!("c-{}", n % 37)));
        let key = keys.key_for(subject);
        keys.flush().unwrap();
        let plain = body(1, n);
        intake_log.append(&record(keys.seal(key, &plain).unwrap()).encode());
        intake.push(Some(plain));
        slots.push(key);
        if n % 3 == 0 {
            intake_log.commit().unwrap();
            journal_log.append(&body(2, n));
            journal_log.commit().unwrap();
            journal.push(body(2, n));
        }
    }
    intake_log.commit().unwrap();
    let erased = [slots[5], slots[20]];
    keys.destroy(&erased).unwrap();
    for (plain, slot) in intake.iter_mut().zip(&slots) {
        if erased.contains(slot) {
            *plain = None;
        }
    }
    if settled {
        intake_log.close().unwrap();
        journal_log.close().unwrap();
    }
    assert!(segments(place.path()).len() >= 6);
    Sample { place, intake, journal }
}

enum Verdict {
    /// Opening said this.
    Told(String),
    /// Everything acknowledged was read back the same.
    Whole,
    Lost(String),
}

/// Opens a place as a store would, and reads everything.
fn inspect(dir: &Path, sample: &Sample) -> Verdict {
    let keys = match Keys::open(&Disk::Real, &dir.join("keys"), &MASTER, "s") {
        Ok(keys) => keys,
        Err(why) => return Verdict::Told(why.to_string()),
    };
    let mut found = Vec::new();
    for kind in [LogKind::Intake, LogKind::Journal] {
        let log = match open_as(&Disk::Real, &dir.join(kind.name()), kind) {
            Ok(opened) => opened.writer,
            Err(why) => return Verdict::Told(why.to_string()),
        };
        match read_all(&mut log.reader()) {
            Ok(all) => found.push(all),
            Err(why) => return Verdict::Lost(format!("noticed only when it was read: {why}")),
        }
    }
    if found[1] != sample.journal {
        return Verdict::Lost(format!(
            "{} of {} journal entries are the same",
            same(&found[1], &sample.journal),
            sample.journal.len()
        ));
    }
    if found[0].len() != sample.intake.len() {
        return Verdict::Lost(format!("{} of {} inputs are left", found[0].len(), sample.intake.len()));
    }
    for (n, (bytes, expected)) in found[0].iter().zip(&sample.intake).enumerate() {
        let opened = IntakeRecord::decode(bytes).map(|record| keys.open_sealed(&record.body));
        let right = match (&opened, expected) {
            (Ok(Ok(plain)), Some(expected)) => plain == expected,
            (Ok(Err(why)), None) => *why == OpenError::Erased,
            _ => false,
        };
        if !right {
            return Verdict::Lost(format!("input {} opens as {opened:?}", n + 1));
        }
    }
    Verdict::Whole
}

fn same(a: &[Vec<u8>], b: &[Vec<u8>]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}

/// What became of many mutations, by the kind of file.
#[derive(Default)]
struct Tally {
    told: BTreeMap<String, u32>,
    harmless: BTreeMap<String, u32>,
    silent: Vec<String>,
}

fn kind_of(file: &Path) -> String {
    let dir = file.parent().unwrap().file_name().unwrap().to_string_lossy().into_owned();
    let what = match file.extension().unwrap().to_str().unwrap() {
        "seg" => "segments",
        "mark" => "mark",
        other => other,
    };
    format!("{dir} {what}")
}

impl Tally {
    fn add(&mut self, file: &Path, what: &str, dir: &Path, sample: &Sample) {
        let kind = kind_of(file);
        match inspect(dir, sample) {
            Verdict::Told(why) => {
                let part = dir.join(file.strip_prefix(dir).unwrap().components().next().unwrap());
                assert!(
                    why.contains(part.to_str().unwrap()),
                    "{what} in {}: it is told without a file: {why}",
                    file.display()
                );
                *self.told.entry(kind).or_default() += 1;
            }
            Verdict::Whole => *self.harmless.entry(kind).or_default() += 1,
            Verdict::Lost(why) => self.silent.push(format!("{what} in {}: {why}", file.display())),
        }
    }

    #[track_caller]
    fn close(self, what: &str, tries: u64) {
        let (told, harmless): (u32, u32) = (self.told.values().sum(), self.harmless.values().sum());
        println!(
            "{what}: {tries} tries, {told} told at opening {:?}, {harmless} harmless {:?}, {} silent losses",
            self.told,
            self.harmless,
            self.silent.len()
        );
        assert!(self.silent.is_empty(), "{} silent losses, such as {}", self.silent.len(), self.silent[0]);
        assert_eq!(u64::from(told + harmless), tries);
        // Only a mark can be damaged without harm, having two cells, and whose a key is can be forgotten.
        let harmless = |kind: &String| kind.ends_with("mark") || kind == "keys keys";
        assert!(self.harmless.keys().all(harmless), "{:?}", self.harmless);
        assert!(told > 0);
    }
}

/// A file of the place: any of them, or any byte of any of them.
fn some_file(chance: &mut impl Rng, dir: &Path, by_bytes: bool) -> (PathBuf, u64) {
    let files: Vec<(PathBuf, u64)> =
        files(dir).into_iter().map(|file| (file.clone(), fs::metadata(&file).unwrap().len())).collect();
    if !by_bytes {
        return files[chance.random_range(0..files.len())].clone();
    }
    let mut at = chance.random_range(0..files.iter().map(|(_, len)| len).sum::<u64>());
    for (file, len) in files {
        if at < len {
            return (file, len);
        }
        at -= len;
    }
    unreachable!("within the sum")
}

fn mutate(
    what: &str,
    tries: u64,
    seed: u64,
    mutation: impl Fn(&Path, u64, &mut rand::rngs::StdRng) -> String,
) {
    let samples = [sample(false), sample(true)];
    let mut chance = chance(seed);
    let mut tally = Tally::default();
    for n in 0..tries {
        let sample = &samples[n as usize % 2];
        let place = place();
        copy(sample.place.path(), place.path());
        // Half of the tries choose among files, so that small ones get their share.
        let (file, len) = some_file(&mut chance, place.path(), n % 4 < 2);
        let done = mutation(&file, len, &mut chance);
        tally.add(&file, &done, place.path(), sample);
    }
    tally.close(what, tries);
}

#[test]
fn the_samples_themselves_are_whole() {
    for settled in [false, true] {
        let sample = sample(settled);
        assert!(sample.intake.iter().any(Option::is_none));
        assert!(matches!(inspect(sample.place.path(), &sample), Verdict::Whole));
    }
}

#[test]
fn a_flipped_bit_is_told_or_costs_nothing() {
    mutate("flipped bits", scaled(500, 500, 5_000), 11, |file, len, chance| {
        let (byte, bit) = (chance.random_range(0..len) as usize, chance.random_range(0..8));
        flip(file, byte, bit);
        format!("bit {bit} of byte {byte}")
    });
}

#[test]
fn a_cut_file_is_told_or_costs_nothing() {
    mutate("cut files", scaled(500, 500, 5_000), 12, |file, len, chance| {
        let to = chance.random_range(0..len);
        cut(file, to);
        format!("cut to {to} of {len}")
    });
}

#[test]
fn a_run_of_wrong_bytes_is_told_or_costs_nothing() {
    mutate("overwritten runs", scaled(300, 500, 5_000), 13, |file, len, chance| {
        let from = chance.random_range(0..len) as usize;
        let run = chance.random_range(1..4096.min(len as usize + 1 - from).max(2));
        let mut bytes = fs::read(file).unwrap();
        let fill = [0, 0xff, chance.random()][chance.random_range(0..3)];
        let end = (from + run).min(bytes.len());
        // A run that changes nothing is none.
        if bytes[from..end].iter().all(|byte| *byte == fill) {
            bytes[from] ^= 1;
        } else {
            bytes[from..end].fill(fill);
        }
        fs::write(file, bytes).unwrap();
        format!("{fill} from {from} on, {run} bytes")
    });
}

#[test]
fn bytes_behind_the_end_are_told_or_cut() {
    for settled in [false, true] {
        let sample = sample(settled);
        let mut chance = chance(14);
        for file in files(sample.place.path()) {
            for len in [1, 24, 96, 300] {
                let place = place();
                copy(sample.place.path(), place.path());
                let target = place.path().join(file.strip_prefix(sample.place.path()).unwrap());
                let mut bytes = fs::read(&target).unwrap();
                bytes.extend((0..len).map(|_| chance.random::<u8>()));
                fs::write(&target, bytes).unwrap();
                match inspect(place.path(), &sample) {
                    Verdict::Told(why) => assert!(why.contains(target.to_str().unwrap()), "{why}"),
                    Verdict::Whole => {}
                    Verdict::Lost(why) => panic!("{len} bytes behind {}: {why}", target.display()),
                }
            }
        }
    }
}

#[test]
fn a_deleted_file_is_told_or_costs_nothing() {
    let mut tally = Tally::default();
    let mut tries = 0;
    for settled in [false, true] {
        let sample = sample(settled);
        for file in files(sample.place.path()) {
            let place = place();
            copy(sample.place.path(), place.path());
            let target = place.path().join(file.strip_prefix(sample.place.path()).unwrap());
            fs::remove_file(&target).unwrap();
            tally.add(&target, "deleted", place.path(), &sample);
            tries += 1;
        }
    }
    assert!(tally.harmless.is_empty(), "{:?}", tally.harmless);
    tally.close("deleted files", tries);
}

#[test]
fn a_renamed_or_exchanged_segment_is_told() {
    let sample = sample(true);
    let logs = ["intake", "journal"];
    for log in logs {
        let count = segments(&sample.place.path().join(log)).len();
        for n in 1..count {
            let place = place();
            copy(sample.place.path(), place.path());
            let files = segments(&place.path().join(log));
            let aside = place.path().join("aside");
            fs::rename(&files[n], &aside).unwrap();
            fs::rename(&files[n - 1], &files[n]).unwrap();
            fs::rename(&aside, &files[n - 1]).unwrap();
            assert!(matches!(inspect(place.path(), &sample), Verdict::Told(_)), "{log} {n}");
        }
    }
}

/// Told twice: a store that was refused is refused again. Looking must not mend by forgetting.
#[test]
fn a_refused_place_stays_refused() {
    let sample = sample(false);
    let mut chance = chance(15);
    let mut refused = 0;
    for n in 0..scaled(150, 300, 2_000) {
        let place = place();
        copy(sample.place.path(), place.path());
        let (file, len) = some_file(&mut chance, place.path(), n % 2 == 0);
        match n % 3 {
            0 => flip(&file, chance.random_range(0..len) as usize, chance.random_range(0..8)),
            1 => cut(&file, chance.random_range(0..len)),
            _ => fs::remove_file(&file).unwrap(),
        }
        if let Verdict::Told(first) = inspect(place.path(), &sample) {
            match inspect(place.path(), &sample) {
                Verdict::Told(second) => assert_eq!(first, second),
                Verdict::Whole => panic!("{} was whole the second time, after: {first}", file.display()),
                Verdict::Lost(why) => panic!("{}: {first}; the second time: {why}", file.display()),
            }
            refused += 1;
        }
    }
    assert!(refused > 50, "{refused}");
}
