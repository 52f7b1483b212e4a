//! Subject keys: made, kept, destroyed, and never given to the wrong store.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use model::{Identifier, IdentifierHash, KeyId};
use rand::Rng;
use store::disk::faults::{Fault, Plan};
use store::{CommitError, Disk, KeyError, Keys, OpenError};

use super::support::*;

const MASTER: [u8; 32] = [1; 32];

fn open(dir: &Path) -> Keys {
    try_open(dir).unwrap_or_else(|e| panic!("{e}"))
}

fn try_open(dir: &Path) -> Result<Keys, KeyError> {
    Keys::open(&Disk::Real, dir, &MASTER, "store")
}

fn subject(keys: &Keys, name: &str) -> IdentifierHash {
    keys.hash_identifier(&Identifier::User(name))
}

fn slot_bytes(dir: &Path, key: KeyId) -> Vec<u8> {
    let at = 64 + (key.0 as usize - 1) * 96;
    fs::read(dir.join("subject.keys")).unwrap()[at..at + 96].to_vec()
}

#[test]
fn a_key_is_made_once_and_opens_what_it_sealed() {
    let place = place();
    let names: Vec<String> = (0..50).map(|n| format!("c-{n}")).collect();
    let sealed: Vec<_> = {
        let keys = open(place.path());
        let sealed =
            names.iter().map(|name| keys.seal(keys.key_for(subject(&keys, name)), name.as_bytes()).unwrap());
        let sealed: Vec<_> = sealed.collect();
        keys.flush().unwrap();
        keys.flush().unwrap();
        assert_eq!(keys.subjects(), 50);
        sealed
    };
    let keys = open(place.path());
    for (n, (name, sealed)) in names.iter().zip(&sealed).enumerate() {
        assert_eq!(sealed.key, KeyId(n as u64 + 1));
        assert_eq!(keys.key_for(subject(&keys, name)), sealed.key);
        assert_eq!(keys.open_sealed(sealed).as_deref(), Ok(name.as_bytes()));
    }
    // The same text under another type of identifier is another subject.
    let other = keys.key_for(keys.hash_identifier(&Identifier::Anonymous("c-1")));
    assert!(sealed.iter().all(|sealed| sealed.key != other), "a key of somebody else's");
}

#[test]
fn a_sealed_body_is_noise_without_its_key_and_in_any_other_form() {
    let place = place();
    let keys = open(place.path());
    let (one, two) = (keys.key_for(subject(&keys, "one")), keys.key_for(subject(&keys, "two")));
    let plain = b"a name and an address";
    for key in [one, KeyId::STORE] {
        let sealed = keys.seal(key, plain).unwrap();
        assert_ne!(sealed.bytes, keys.seal(key, plain).unwrap().bytes, "a nonce is used once");
        assert!(!sealed.bytes.windows(4).any(|part| plain.windows(4).any(|p| p == part)));
        assert_eq!(keys.open_sealed(&sealed).as_deref(), Ok(&plain[..]));
        let with_other = model::Sealed { key: two, bytes: sealed.bytes.clone() };
        assert_eq!(keys.open_sealed(&with_other), Err(OpenError::Damaged));
        for n in 0..sealed.bytes.len() {
            let mut bytes = sealed.bytes.to_vec();
            bytes[n] ^= 1;
            assert_eq!(
                keys.open_sealed(&model::Sealed { key, bytes: bytes.into() }),
                Err(OpenError::Damaged)
            );
            let cut = sealed.bytes[..n].to_vec();
            assert_eq!(keys.open_sealed(&model::Sealed { key, bytes: cut.into() }), Err(OpenError::Damaged));
        }
    }
    for none in [3, 1_000, u64::MAX] {
        assert_eq!(keys.seal(KeyId(none), plain), Err(OpenError::NoSuchKey(none)));
    }
    assert_eq!(keys.open_sealed(&keys.seal(one, b"").unwrap()).as_deref(), Ok(&b""[..]));
}

#[test]
fn a_destroyed_key_leaves_nothing_in_the_file() {
    let place = place();
    let keys = open(place.path());
    let all: Vec<KeyId> = (0..20).map(|n| keys.key_for(subject(&keys, &format!("c-{n}")))).collect();
    keys.flush().unwrap();
    let sealed = keys.seal(all[7], b"secret").unwrap();
    let before = slot_bytes(place.path(), all[7]);
    keys.destroy(&[all[7], KeyId::STORE, KeyId(999)]).unwrap();
    let after = slot_bytes(place.path(), all[7]);
    // Nothing of subject, nonce or wrapped key stands anywhere in the file.
    let file = fs::read(place.path().join("subject.keys")).unwrap();
    for part in before[4..80].windows(8) {
        assert!(!file.windows(8).any(|bytes| bytes == part), "eight bytes of the key are left");
    }
    assert!(after[1..92].iter().all(|byte| *byte == 0));
    let check = |keys: &Keys| {
        assert_eq!(keys.open_sealed(&sealed), Err(OpenError::Erased));
        assert_eq!(keys.seal(all[7], b"x"), Err(OpenError::Erased));
        assert_eq!(keys.subjects(), 19);
        assert_eq!(keys.open_sealed(&keys.seal(KeyId::STORE, b"x").unwrap()).as_deref(), Ok(&b"x"[..]));
    };
    check(&keys);
    drop(keys);
    let keys = open(place.path());
    check(&keys);
    // The same person again is another subject with another key.
    let again = keys.key_for(subject(&keys, "c-7"));
    assert!(!all.contains(&again), "a key that was somebody's is nobody else's");
    keys.flush().unwrap();
    // Destroying twice is destroying once.
    keys.destroy(&[all[7]]).unwrap();
    drop(keys);
    assert_eq!(open(place.path()).key_for(subject(&open(place.path()), "c-7")), again);
}

#[test]
fn a_key_that_was_not_flushed_is_destroyed_all_the_same() {
    let place = place();
    let keys = open(place.path());
    let key = keys.key_for(subject(&keys, "c"));
    let sealed = keys.seal(key, b"x").unwrap();
    keys.destroy(&[key]).unwrap();
    drop(keys);
    assert_eq!(open(place.path()).open_sealed(&sealed), Err(OpenError::Erased));
}

#[test]
fn a_wrong_master_opens_nothing_and_is_noticed_early() {
    let place = place();
    let keys = open(place.path());
    let sealed = keys.seal(keys.key_for(subject(&keys, "c")), b"x").unwrap();
    let of_store = keys.seal(KeyId::STORE, b"x").unwrap();
    keys.flush().unwrap();
    drop(keys);
    for (master, store) in [([2; 32], "store"), (MASTER, "another store")] {
        let keys = Keys::open(&Disk::Real, place.path(), &master, store).unwrap();
        assert_eq!(keys.open_sealed(&sealed), Err(OpenError::Damaged));
        assert_eq!(keys.open_sealed(&of_store), Err(OpenError::Damaged));
        assert_ne!(Keys::check_value(&master, store), Keys::check_value(&MASTER, "store"));
    }
    assert_eq!(open(place.path()).open_sealed(&sealed).as_deref(), Ok(&b"x"[..]));
}

#[test]
fn hashes_keep_types_parts_and_stores_apart() {
    let (one, two) = (place(), place());
    let keys = open(one.path());
    let other = Keys::open(&Disk::Real, two.path(), &MASTER, "another store").unwrap();
    let hashes = [
        keys.hash_identifier(&Identifier::User("7")),
        keys.hash_identifier(&Identifier::Anonymous("7")),
        keys.hash_identifier(&Identifier::Order("7")),
        keys.hash_identifier(&Identifier::Promise("7")),
        other.hash_identifier(&Identifier::User("7")),
        keys.hash_day(7),
        keys.hash_day(8),
    ];
    for (n, hash) in hashes.iter().enumerate() {
        assert!(!hashes[..n].contains(hash), "{n}");
    }
    assert_ne!(keys.hash_message("ab", "c"), keys.hash_message("a", "bc"));
    assert_eq!(keys.hash_message("a", "b"), open(one.path()).hash_message("a", "b"));
}

#[test]
fn a_damaged_slot_is_named_or_only_its_owner_is_forgotten() {
    let sample = place();
    let keys = open(sample.path());
    let sealed: Vec<_> =
        (0..5).map(|n| keys.seal(keys.key_for(subject(&keys, &format!("c-{n}"))), &[n]).unwrap()).collect();
    keys.flush().unwrap();
    drop(keys);
    for slot in 1..=5_u64 {
        for byte in 0..96 {
            let place = place();
            copy(sample.path(), place.path());
            let file = place.path().join("subject.keys");
            flip(&file, 64 + (slot as usize - 1) * 96 + byte, 3);
            // Kind, nonce, wrapped key and tag are the key; the rest says whose it is and that it is whole.
            let of_the_key = byte == 0 || (20..80).contains(&byte);
            match try_open(place.path()) {
                Err(KeyError::DamagedSlot { path, slot: named }) => {
                    assert!(of_the_key, "slot {slot}, byte {byte}");
                    assert_eq!((path, named), (file, slot));
                }
                Ok(keys) => {
                    assert!(!of_the_key, "slot {slot}, byte {byte}");
                    assert_eq!(keys.subjects(), 4);
                    for (n, sealed) in sealed.iter().enumerate() {
                        assert_eq!(keys.open_sealed(sealed), Ok(vec![n as u8]));
                    }
                    drop(keys);
                    assert_eq!(open(place.path()).subjects(), 4, "mended");
                }
                Err(other) => panic!("slot {slot}, byte {byte}: {other}"),
            }
        }
    }
    let mut bytes = fs::read(sample.path().join("subject.keys")).unwrap();
    bytes[8] = 2;
    fs::write(sample.path().join("subject.keys"), bytes).unwrap();
    assert!(matches!(try_open(sample.path()), Err(KeyError::Newer { found: 2, .. })));
}

/// Between the write of new slots and their sync the process ends: a whole slot counts; in part, it never was.
#[test]
fn a_slot_that_was_only_begun_never_was() {
    let sample = place();
    let file = sample.path().join("subject.keys");
    let keys = open(sample.path());
    let kept = keys.seal(keys.key_for(subject(&keys, "kept")), b"kept").unwrap();
    keys.flush().unwrap();
    drop(keys);
    let (mark, before) =
        (fs::read(sample.path().join("durable.mark")).unwrap(), fs::read(&file).unwrap().len());
    // Another process has no spare keys yet and makes new ones.
    let keys = open(sample.path());
    let begun = keys.key_for(subject(&keys, "begun"));
    assert_eq!(begun.0 as usize, (before - 64) / 96 + 1);
    keys.flush().unwrap();
    drop(keys);
    let whole = fs::read(&file).unwrap();
    for len in (before..before + 3 * 96).chain([whole.len() - 96, whole.len() - 1, whole.len()]) {
        let place = place();
        fs::write(place.path().join("subject.keys"), &whole[..len]).unwrap();
        fs::write(place.path().join("durable.mark"), &mark).unwrap();
        let keys = open(place.path());
        assert_eq!(keys.open_sealed(&kept).as_deref(), Ok(&b"kept"[..]), "{len}");
        assert_eq!(keys.subjects(), if len >= before + 96 { 2 } else { 1 }, "{len}");
        let next = keys.key_for(subject(&keys, "next"));
        let sealed = keys.seal(next, b"next").unwrap();
        keys.flush().unwrap();
        drop(keys);
        assert_eq!(open(place.path()).open_sealed(&sealed).as_deref(), Ok(&b"next"[..]), "{len}");
    }
}

#[test]
fn a_key_that_was_never_flushed_is_unknown_after_a_crash() {
    let place = place();
    let keys = open(place.path());
    let key = keys.key_for(subject(&keys, "c"));
    let sealed = keys.seal(key, b"x").unwrap();
    drop(keys);
    let keys = open(place.path());
    assert_eq!(keys.open_sealed(&sealed), Err(OpenError::NoSuchKey(1)));
    assert_eq!((keys.subjects(), keys.key_for(subject(&keys, "d"))), (0, KeyId(1)));
    assert_eq!(keys.open_sealed(&sealed), Err(OpenError::Damaged));
}

#[test]
fn a_failing_write_of_keys_is_told_and_the_next_flush_goes_on() {
    let (mut refused, mut unknown) = (0, 0);
    for n in 1..=60 {
        for fault in [Fault::Write { nth: n, errno: 28 }, Fault::Sync { nth: n, errno: 5 }] {
            let place = place();
            let plan = Arc::new(Plan::new(Some(fault)));
            let Ok(keys) = Keys::open(&Disk::Faulty(plan), place.path(), &MASTER, "store") else {
                open(place.path());
                continue;
            };
            let mut acked = Vec::new();
            for c in 0..40 {
                let name = format!("c-{c}");
                let sealed = keys.seal(keys.key_for(subject(&keys, &name)), name.as_bytes()).unwrap();
                match keys.flush() {
                    Ok(()) => acked.push((name, sealed)),
                    Err(CommitError::NotWritten { .. }) => {
                        assert!(matches!(fault, Fault::Write { .. }), "a failed sync is no failed write");
                        refused += 1;
                        keys.flush().unwrap();
                        acked.push((name, sealed));
                    }
                    Err(CommitError::Unknown { .. }) => {
                        unknown += 1;
                        break;
                    }
                }
            }
            drop(keys);
            let keys = open(place.path());
            for (name, sealed) in &acked {
                assert_eq!(keys.open_sealed(sealed).as_deref(), Ok(name.as_bytes()), "{fault:?}");
            }
        }
    }
    assert!(refused > 20 && unknown >= 2, "{refused} {unknown}");
}

/// The power goes while slots become somebody's. Of the file's sectors some are new and some are old, and the mark is
/// the last one that was synced: every key that was acknowledged opens what it sealed.
#[test]
fn a_mixture_of_old_and_new_sectors_loses_no_key() {
    let sample = place();
    let keys = open(sample.path());
    keys.key_for(subject(&keys, "first"));
    keys.flush().unwrap();
    let before = fs::read(sample.path().join("subject.keys")).unwrap();
    let mark = fs::read(sample.path().join("durable.mark")).unwrap();
    let mut sealed = Vec::new();
    for n in 0..60 {
        let name = format!("c-{n}");
        sealed.push((keys.seal(keys.key_for(subject(&keys, &name)), name.as_bytes()).unwrap(), name));
    }
    keys.flush().unwrap();
    let after = fs::read(sample.path().join("subject.keys")).unwrap();
    assert_eq!(before.len(), after.len(), "spare keys were there already");
    assert_eq!(mark, fs::read(sample.path().join("durable.mark")).unwrap());
    drop(keys);
    let given: Vec<KeyId> = sealed.iter().map(|(sealed, _)| sealed.key).collect();
    let mut forgotten = 0;
    for seed in 0..scaled(100, 500, 5_000) {
        let mut chance = chance(seed);
        let place = place();
        copy(sample.path(), place.path());
        let mut bytes = before.clone();
        for at in (0..bytes.len()).step_by(512) {
            let end = bytes.len().min(at + 512);
            if chance.random() {
                bytes[at..end].copy_from_slice(&after[at..end]);
            }
        }
        fs::write(place.path().join("subject.keys"), bytes).unwrap();
        let keys = open(place.path());
        for (sealed, name) in &sealed {
            assert_eq!(keys.open_sealed(sealed).as_deref(), Ok(name.as_bytes()), "seed {seed}");
            let now = keys.key_for(subject(&keys, name));
            assert!(now == sealed.key || !given.contains(&now), "seed {seed}: the key of another");
            forgotten += u32::from(now != sealed.key);
        }
    }
    assert!(forgotten > 0);
}

/// A mark that is older than the slots would let them be cut. It is made durable with them, in one life and in many.
#[test]
fn the_mark_of_keys_is_never_behind_them_when_the_power_goes() {
    for seed in 0..scaled(50, 200, 2_000) {
        let place = place();
        let mut chance = chance(seed);
        let plan = Arc::new(Plan::new(None));
        let keys = Keys::open(&Disk::Faulty(plan.clone()), place.path(), &MASTER, "store").unwrap();
        for n in 0..chance.random_range(1..5) {
            keys.key_for(subject(&keys, &format!("c-{n}")));
            keys.flush().unwrap();
        }
        drop(keys);
        plan.lose_power(|_| 0);
        let file = place.path().join("subject.keys");
        let slots = (fs::metadata(&file).unwrap().len() as usize - 64) / 96;
        // Any key damaged after that is told, not cut.
        let slot = chance.random_range(0..slots);
        flip(&file, 64 + slot * 96 + chance.random_range(32..80), 0);
        match try_open(place.path()) {
            Err(KeyError::DamagedSlot { slot: named, .. }) => assert_eq!(named as usize, slot + 1),
            other => {
                panic!("seed {seed}: {:?}", other.map(|keys| keys.subjects()).map_err(|e| e.to_string()))
            }
        }
    }
}

/// The power goes in the middle of destroying. Torn between two sectors, the destruction is finished; torn anywhere
/// else, which no disk does, the file is refused by the slot's number and never opened without a word.
#[test]
fn a_torn_destruction_is_finished_or_told() {
    let sample = place();
    let keys = open(sample.path());
    for n in 0..3 {
        keys.key_for(subject(&keys, &format!("c-{n}")));
    }
    keys.flush().unwrap();
    let kept = keys.seal(KeyId(3), b"kept").unwrap();
    drop(keys);
    let before = fs::read(sample.path().join("subject.keys")).unwrap();
    let destroyed = place();
    copy(sample.path(), destroyed.path());
    open(destroyed.path()).destroy(&[KeyId(2)]).unwrap();
    let after = fs::read(destroyed.path().join("subject.keys")).unwrap();
    let slot = 64 + 96;
    for torn in 0..=96 {
        for front in [true, false] {
            let (first, second) = if front { (&after, &before) } else { (&before, &after) };
            let place = place();
            copy(sample.path(), place.path());
            let mut bytes = before.clone();
            bytes[slot..slot + torn].copy_from_slice(&first[slot..slot + torn]);
            bytes[slot + torn..slot + 96].copy_from_slice(&second[slot + torn..slot + 96]);
            fs::write(place.path().join("subject.keys"), &bytes).unwrap();
            match try_open(place.path()) {
                Ok(keys) => {
                    assert_eq!(keys.subjects(), if bytes == before { 3 } else { 2 }, "torn at {torn}");
                    assert_eq!(keys.open_sealed(&kept).as_deref(), Ok(&b"kept"[..]));
                }
                Err(KeyError::DamagedSlot { slot: 2, .. }) => assert!(torn % 32 != 0, "torn at {torn}"),
                Err(other) => panic!("torn at {torn}: {other}"),
            }
        }
    }
}
