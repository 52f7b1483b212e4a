//! R1 in small: a process is killed at each named point, again and again, and what it was told is there.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use model::{EntityId, Identifier, PartitionId};
use rand::Rng;
use store::{Checkpoint, Disk, LogOptions, Store, StoreOptions};

use super::support::*;

const ROUNDS: u64 = 60;
const PLACE: &str = "INYEON_TEST_PLACE";

fn options() -> StoreOptions {
    StoreOptions {
        log: LogOptions { segment_bytes: SEGMENT },
        master_key: Some([5; 32]),
        snapshots: 1,
        ..StoreOptions::default()
    }
}

fn open(dir: &Path) -> Store {
    Store::open(&dir.join("store"), Disk::Real, &options()).unwrap_or_else(|e| panic!("{e}"))
}

fn entity(n: u64) -> EntityId {
    EntityId::customer(PartitionId(0), n)
}

/// Writes to both logs, the keys and the state, and notes in a ledger what it was told.
fn work(dir: &Path) {
    let mut store = open(dir);
    let mut ledger = fs::OpenOptions::new().create(true).append(true).open(dir.join("ledger")).unwrap();
    let mut note = |line: String| ledger.write_all(format!("{line}\n").as_bytes()).unwrap();
    for _ in 0..ROUNDS {
        let n = store.intake.next_seq();
        let subject = store.keys.hash_identifier(&Identifier::User(&format!("c-{n}")));
        let key = store.keys.key_for(subject);
        store.keys.flush().unwrap();
        let sealed = store.keys.seal(key, &body(1, n)).unwrap();
        let mut record = sealed.key.0.to_le_bytes().to_vec();
        record.extend_from_slice(&sealed.bytes);
        store.intake.append(&record);
        note(format!("intake {}", store.intake.commit().unwrap()));
        let seq = store.journal.append(&body(2, n));
        note(format!("journal {}", store.journal.commit().unwrap()));
        if n.is_multiple_of(5) {
            let rows = (0..10).map(|row| (entity(row), Some(seq.to_le_bytes().to_vec()))).collect();
            let fold = seq.to_le_bytes().to_vec();
            store
                .state
                .commit(Checkpoint { journal_seq: seq, entities: rows, fold, ..Default::default() })
                .unwrap();
            note(format!("state {seq}"));
        }
    }
}

/// Everything that the ledger says was told is there; no more than one step beyond it is.
fn check(dir: &Path) {
    let ledger = fs::read_to_string(dir.join("ledger")).unwrap_or_default();
    let told = |what: &str| {
        let last =
            ledger.lines().filter_map(|line| line.strip_prefix(what)?.trim().parse::<u64>().ok()).next_back();
        last.unwrap_or(0)
    };
    let store = open(dir);
    let intake = all(&store.intake);
    let journal = all(&store.journal);
    for (what, told, found) in
        [("intake", told("intake "), intake.len()), ("journal", told("journal "), journal.len())]
    {
        let found = found as u64;
        assert!(found == told || found == told + 1, "{what}: {told} were told, {found} are there");
    }
    for (n, record) in intake.iter().enumerate() {
        let (key, bytes) = record.split_first_chunk::<8>().unwrap();
        let sealed = model::Sealed { key: model::KeyId(u64::from_le_bytes(*key)), bytes: bytes.into() };
        assert_eq!(store.keys.open_sealed(&sealed), Ok(body(1, n as u64 + 1)), "input {}", n + 1);
    }
    // A checkpoint is there with all that belongs to it, or not at all.
    let seq = store.state_seq;
    assert!(seq >= told("state ") && seq <= journal.len() as u64, "state {seq}, told {}", told("state "));
    assert!(store.notes.iter().all(|note| !note.contains("dropped")), "{:?}", store.notes);
    for row in 0..10 {
        let expected = (seq > 0).then(|| (seq, seq.to_le_bytes().to_vec()));
        assert_eq!(store.state.entity(entity(row)).unwrap(), expected, "row {row}");
    }
    let fold = store.state.fold().unwrap();
    assert_eq!(fold, (seq > 0).then(|| seq.to_le_bytes().to_vec()));
}

/// The process that is killed; by itself, it lives to the end.
#[test]
fn child() {
    if let Some(place) = std::env::var_os(PLACE) {
        return work(Path::new(&place));
    }
    let place = place();
    work(place.path());
    check(place.path());
    assert_eq!(open(place.path()).intake.next_seq(), ROUNDS + 1);
}

#[test]
fn what_was_told_survives_the_process() {
    let points = [
        "intake.before_write",
        "intake.after_write",
        "intake.after_sync",
        "journal.before_write",
        "journal.after_write",
        "journal.after_sync",
        "keys.after_write",
        "checkpoint.before",
        "checkpoint.after",
    ];
    let kills = scaled(54, 504, 9_999);
    let mut chance = chance(31);
    let mut place = self::place();
    for n in 0..kills {
        let point = points[n as usize % points.len()];
        let most = match point {
            // A stock of keys is made once.
            "keys.after_write" => 1,
            "checkpoint.before" | "checkpoint.after" => ROUNDS / 5,
            _ => ROUNDS,
        };
        let status = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "cases::kills::child", "--quiet"])
            .env(PLACE, place.path())
            .env("INYEON_KILL_AT", format!("{point}:{}", chance.random_range(1..=most)))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .unwrap();
        assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(9), "{point}: {status}");
        check(place.path());
        // What survived the kill was not always told; from here on it is.
        let store = open(place.path());
        let line =
            format!("intake {}\njournal {}\n", store.intake.next_seq() - 1, store.journal.next_seq() - 1);
        drop(store);
        let mut ledger =
            fs::OpenOptions::new().create(true).append(true).open(place.path().join("ledger")).unwrap();
        ledger.write_all(line.as_bytes()).unwrap();
        if n % 9 == 8 {
            place = self::place();
        }
    }
    println!("{kills} kills, nothing lost");
}
