//! The state cache beyond what the conformance suite asks of any backend: what is on its own disk.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Command;

use model::{DedupeHash, EntityId, PartitionId};
use rand::Rng;
use store::{Checkpoint, State};

use super::support::*;

fn entity(n: u64) -> EntityId {
    EntityId::customer(PartitionId(0), n)
}

fn checkpoint(seq: u64) -> Checkpoint {
    Checkpoint {
        journal_seq: seq,
        entities: (0..20).map(|n| (entity(n), Some(format!("{n}@{seq}").into_bytes()))).collect(),
        permanent: vec![DedupeHash([seq as u8; 16])],
        fold: seq.to_le_bytes().to_vec(),
        ..Checkpoint::default()
    }
}

const PLACE: &str = "INYEON_TEST_CACHE";

fn write_cache(dir: &Path) {
    let opened = State::open(dir, 0, 1).unwrap();
    for seq in 1..=5 {
        opened.state.commit(checkpoint(seq)).unwrap();
    }
}

/// Opens a cache and compares all of it with what was written; says how it was found.
fn inspect(dir: &Path) -> &'static str {
    let opened = State::open(dir, 5, 1).unwrap();
    let seq = opened.journal_seq;
    if let Some(why) = opened.dropped {
        assert_eq!(seq, 0, "{why}");
        assert_eq!(opened.state.entity(entity(1)).unwrap(), None);
        return "dropped";
    }
    // What it says it reflects is what it holds; older is allowed, as it is folded on from there.
    let read: Result<Vec<_>, _> = (0..20).map(|n| opened.state.entity(entity(n))).collect();
    let (Ok(rows), Ok(fold)) = (read, opened.state.fold()) else { return "said" };
    for (n, row) in rows.into_iter().enumerate() {
        assert_eq!(row, (seq > 0).then(|| (seq, format!("{n}@{seq}").into_bytes())), "row {n}");
    }
    assert_eq!(fold, (seq > 0).then(|| seq.to_le_bytes().to_vec()));
    "whole"
}

/// The process that opens a damaged cache and may end by it; by itself, it opens a sound one.
#[test]
fn child() {
    if let Some(dir) = std::env::var_os(PLACE) {
        let found = inspect(Path::new(&dir));
        return fs::write(Path::new(&dir).with_extension("found"), found).unwrap();
    }
    let place = place();
    let dir = place.path().join("state");
    write_cache(&dir);
    assert_eq!(inspect(&dir), "whole");
    assert!(!dir.with_extension("opening").exists());
}

/// Whatever happens to the cache's files: it opens whole, or it is dropped, or reading it says that it failed. It
/// never tells a state that was not written, and a process that it ended starts again soon.
#[test]
fn a_damaged_cache_is_dropped_or_says_so() {
    let sample = place();
    write_cache(&sample.path().join("state"));
    let mut found: BTreeMap<String, u64> = BTreeMap::new();
    let mut ended = 0;
    let mut chance = chance(21);
    let tries = scaled(60, 300, 3_000);
    for n in 0..tries {
        let place = place();
        let dir = place.path().join("state");
        copy(&sample.path().join("state"), &dir);
        let files: Vec<_> =
            files(&dir).into_iter().filter(|file| fs::metadata(file).unwrap().len() > 0).collect();
        let file = &files[chance.random_range(0..files.len())];
        // The journal of fjall is preallocated; most of it is empty.
        let within = fs::metadata(file).unwrap().len().min(4_096);
        match n % 3 {
            0 => flip(file, chance.random_range(0..within) as usize, chance.random_range(0..8)),
            1 => cut(file, chance.random_range(0..within)),
            _ => fs::remove_file(file).unwrap(),
        }
        let mut starts = 0;
        loop {
            starts += 1;
            // Not more memory than a small server has.
            let run = format!("ulimit -v 8000000; exec {} --exact cases::state::child", this_binary());
            let status = Command::new("sh").args(["-c", &run]).env(PLACE, &dir).output().unwrap();
            if status.status.success() {
                break;
            }
            let said = String::from_utf8_lossy(&status.stdout);
            // Aborted, by a panic within a panic or for want of memory; a wrong answer would end it with a code.
            assert_eq!(status.status.signal(), Some(6), "{}, start {starts}: {said}", file.display());
            assert!(starts < 3, "{} ends every process", file.display());
            ended += 1;
        }
        *found.entry(fs::read_to_string(dir.with_extension("found")).unwrap()).or_default() += 1;
    }
    println!("damaged caches: {tries} tries, {found:?}; {ended} processes ended by them");
    assert_eq!(found.values().sum::<u64>(), tries);
    assert!(found["dropped"] > 0);
}

/// Two processes that were killed while they opened the cache, for whatever reason: it is given up, once.
#[test]
fn a_cache_whose_opening_never_ends_is_given_up() {
    let place = place();
    let dir = place.path().join("state");
    write_cache(&dir);
    fs::write(dir.with_extension("opening"), b".").unwrap();
    assert_eq!(inspect(&dir), "whole");
    fs::write(dir.with_extension("opening"), b"..").unwrap();
    assert_eq!(inspect(&dir), "dropped");
    write_cache(&dir);
    assert_eq!(inspect(&dir), "whole");
}

fn this_binary() -> String {
    std::env::current_exe().unwrap().display().to_string()
}

#[test]
fn an_empty_or_foreign_directory_is_no_cache() {
    let place = place();
    let dir = place.path().join("state");
    fs::create_dir(&dir).unwrap();
    fs::write(dir.join("notes.txt"), b"?").unwrap();
    let opened = State::open(&dir, 9, 1).unwrap();
    assert_eq!(opened.journal_seq, 0);
    opened.state.commit(checkpoint(9)).unwrap();
    drop(opened);
    assert_eq!(State::open(&dir, 9, 1).unwrap().journal_seq, 9);
}
