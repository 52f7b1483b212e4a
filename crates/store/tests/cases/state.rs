//! The state cache beyond what the conformance suite asks of any backend: what is on its own disk.

use std::fs;

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

/// Whatever happens to the cache's files: it opens whole, or it is dropped with a reason, or reading it says that it
/// failed. It never tells a state that was not written.
#[test]
fn a_damaged_cache_is_dropped_or_says_so() {
    let sample = place();
    let dir = sample.path().join("state");
    {
        let opened = State::open(&dir, 0, 1).unwrap();
        for seq in 1..=5 {
            opened.state.commit(checkpoint(seq)).unwrap();
        }
    }
    let (mut whole, mut dropped, mut said) = (0, 0, 0);
    let mut chance = chance(21);
    let tries = scaled(60, 300, 3_000);
    for n in 0..tries {
        let place = place();
        let dir = place.path().join("state");
        copy(&sample.path().join("state"), &dir);
        let files: Vec<_> =
            files(&dir).into_iter().filter(|file| fs::metadata(file).unwrap().len() > 0).collect();
        let file = &files[chance.random_range(0..files.len())];
        let len = fs::metadata(file).unwrap().len();
        // The journal of fjall is preallocated; most of it is empty.
        let within = len.min(4_096);
        match n % 3 {
            0 => flip(file, chance.random_range(0..within) as usize, chance.random_range(0..8)),
            1 => cut(file, chance.random_range(0..within)),
            _ => fs::remove_file(file).unwrap(),
        }
        let Ok(opened) = State::open(&dir, 5, 1) else {
            said += 1;
            continue;
        };
        if opened.dropped.is_some() {
            assert_eq!(opened.journal_seq, 0);
            assert_eq!(opened.state.entity(entity(1)).unwrap(), None);
            dropped += 1;
            continue;
        }
        // What it says it reflects is what it holds; older is allowed, as it is folded on from there.
        let seq = opened.journal_seq;
        let read: Result<Vec<_>, _> = (0..20).map(|n| opened.state.entity(entity(n))).collect();
        match (read, opened.state.fold()) {
            (Ok(rows), Ok(fold)) if seq > 0 => {
                for (n, row) in rows.into_iter().enumerate() {
                    assert_eq!(row, Some((seq, format!("{n}@{seq}").into_bytes())), "{}", file.display());
                }
                assert_eq!(fold, Some(seq.to_le_bytes().to_vec()));
                whole += 1;
            }
            (Ok(rows), Ok(_)) => {
                assert!(rows.iter().all(Option::is_none), "rows without a position");
                whole += 1;
            }
            _ => said += 1,
        }
    }
    println!("damaged caches: {whole} whole or older, {dropped} dropped, {said} failed with a word");
    assert_eq!(whole + dropped + said, tries);
    assert!(dropped > 0);
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
