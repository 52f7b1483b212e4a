//! A whole store: its lock, its description, its master key, and parts that are gone.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use model::{Identifier, KeyId, LogKind};
use store::disk::faults::{Fault, Plan};
use store::{
    Disk, Layout, LockError, LogOptions, OpenStoreError, Store, StoreOptions, destroyed_register, parse_key,
};

use super::support::*;

fn options() -> StoreOptions {
    StoreOptions { log: LogOptions { segment_bytes: SEGMENT }, snapshots: 1, ..StoreOptions::default() }
}

fn open(dir: &Path) -> Result<Store, OpenStoreError> {
    Store::open(dir, Disk::Real, &options())
}

/// A store with entries in both logs and one subject's key.
fn filled(dir: &Path) {
    let mut store = open(dir).unwrap();
    let key = store.keys.key_for(store.keys.hash_identifier(&Identifier::User("c")));
    store.keys.flush().unwrap();
    assert_eq!(key, KeyId(1));
    store.intake.append(b"i");
    store.intake.commit().unwrap();
    store.journal.append(b"j");
    store.journal.commit().unwrap();
}

#[track_caller]
fn refused(dir: &Path, expected: &[&str]) {
    match open(dir) {
        Ok(_) => panic!("it opened"),
        Err(why) => {
            let why = why.to_string();
            assert!(expected.iter().all(|part| why.contains(part)), "{why}");
        }
    }
}

#[test]
fn a_store_is_opened_by_one_at_a_time() {
    let place = place();
    let dir = place.path().join("store");
    let first = open(&dir).unwrap();
    for _ in 0..3 {
        match open(&dir) {
            Err(OpenStoreError::Lock(LockError::InUse { dir: named })) => assert_eq!(named, dir),
            other => panic!("{:?}", other.map(|_| ()).map_err(|e| e.to_string())),
        }
    }
    let lock = first.lock.try_clone().unwrap();
    drop(first);
    assert!(matches!(open(&dir), Err(OpenStoreError::Lock(_))), "whoever took it apart keeps the lock");
    drop(lock);
    open(&dir).unwrap();
}

#[test]
fn a_new_store_is_readable_by_its_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let place = place();
    let dir = place.path().join("store");
    filled(&dir);
    let mut secret = files(&dir);
    secret.retain(|file| !file.starts_with(dir.join("state")));
    secret.push(Layout::new(&dir).master_key());
    assert!(secret.len() >= 7, "{secret:?}");
    for file in secret {
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o077, 0, "{}", file.display());
    }
}

#[test]
fn the_master_key_lies_beside_the_store_and_belongs_to_it() {
    let place = place();
    let dir = place.path().join("store");
    filled(&dir);
    let key = place.path().join("store.key");
    assert_eq!(Layout::new(&dir).master_key(), key);
    assert_eq!(destroyed_register(&dir), place.path().join("store.erased"));
    let text = fs::read_to_string(&key).unwrap();
    let master = parse_key(&text).unwrap();
    for file in files(&dir) {
        let bytes = fs::read(&file).unwrap();
        assert!(!bytes.windows(16).any(|part| part == &master[..16]), "the key is in {}", file.display());
        assert!(!String::from_utf8_lossy(&bytes).contains(text.trim()), "the key is in {}", file.display());
    }
    let with = |master_key| Store::open(&dir, Disk::Real, &StoreOptions { master_key, ..options() });
    assert!(with(Some(master)).is_ok());
    assert!(matches!(with(Some([0; 32])), Err(OpenStoreError::WrongKey { .. })));
    fs::write(&key, "ab".repeat(32)).unwrap();
    refused(&dir, &["does not belong to this store", "store.key"]);
    fs::write(&key, "not a key").unwrap();
    refused(&dir, &["does not hold a master key", "store.key"]);
    fs::remove_file(&key).unwrap();
    refused(&dir, &["the master key is missing", "store.key"]);
    assert!(with(Some(master)).is_ok());
    assert!(!key.exists(), "a missing key is never made anew for an old store");
}

#[test]
fn keys_are_64_hexadecimal_digits() {
    assert_eq!(parse_key(&"0f".repeat(32)), Some([15; 32]));
    assert_eq!(parse_key(&format!(" {}\n", "FF".repeat(32))), Some([255; 32]));
    for wrong in [
        "",
        "0f",
        &"0f".repeat(33),
        &"0g".repeat(32),
        &"é".repeat(32),
        &"+f".repeat(32),
        &format!("{} ", "0".repeat(63)),
    ] {
        assert_eq!(parse_key(wrong), None, "{wrong}");
    }
}

#[test]
fn a_description_that_is_gone_damaged_or_newer_is_told() {
    let place = place();
    let dir = place.path().join("store");
    filled(&dir);
    let path = dir.join("store.json");
    let text = fs::read_to_string(&path).unwrap();
    for broken in ["", "{", "[]", "{\"format\":1}"] {
        fs::write(&path, broken).unwrap();
        refused(&dir, &["store.json", "not readable as a store's description"]);
    }
    fs::write(&path, text.replace("\"format\": 1", "\"format\": 2")).unwrap();
    refused(&dir, &["store.json", "format 2 was written by a newer program"]);
    fs::remove_file(&path).unwrap();
    refused(&dir, &["store.json", "it is missing although the store has logs"]);
    fs::write(&path, text).unwrap();
    let store = open(&dir).unwrap();
    assert_eq!((store.intake.next_seq(), store.journal.next_seq(), store.description.partitions), (2, 2, 1));
}

/// A whole part is gone: a log, or the keys as after restoring a backup that held none. A new and empty one in its
/// place would be a silent loss.
#[test]
fn a_part_that_is_gone_is_told_and_not_made_anew() {
    let sample = place();
    filled(&sample.path().join("store"));
    let layout = |place: &Path| Layout::new(place.join("store"));
    let parts: [fn(&Layout) -> PathBuf; 3] =
        [Layout::keys, |l| l.log(LogKind::Intake, PARTITION), |l| l.log(LogKind::Journal, PARTITION)];
    for part in parts {
        for keep_directory in [false, true] {
            let place = place();
            copy(sample.path(), place.path());
            let gone = part(&layout(place.path()));
            fs::remove_dir_all(&gone).unwrap();
            if keep_directory {
                fs::create_dir(&gone).unwrap();
            }
            for _ in 0..2 {
                refused(&place.path().join("store"), &[gone.to_str().unwrap()]);
            }
        }
    }
    // The cache may go: it is folded again.
    fs::remove_dir_all(layout(sample.path()).state()).unwrap();
    let store = open(&sample.path().join("store")).unwrap();
    assert_eq!((store.state_seq, store.journal.next_seq()), (0, 2));
}

/// A process that ended anywhere while it made a store leaves one that can be opened.
#[test]
fn a_store_that_was_only_begun_is_made() {
    let sample = place();
    drop(open(&sample.path().join("store")).unwrap());
    let all = files(&sample.path().join("store"));
    let state = sample.path().join("store/state");
    for gone in all.iter().filter(|file| !file.starts_with(&state) && !file.ends_with("store.json")) {
        let place = place();
        copy(sample.path(), place.path());
        let target = place.path().join(gone.strip_prefix(sample.path()).unwrap());
        fs::remove_file(&target).unwrap();
        // An empty log has nothing to lose; keys say that they were in use.
        match open(&place.path().join("store")) {
            Ok(store) => assert_eq!((store.intake.next_seq(), store.journal.next_seq()), (1, 1)),
            Err(why) => assert!(why.to_string().contains("keys"), "{}: {why}", target.display()),
        }
    }
    for parts in [&["keys", "intake", "journal", "state"][..], &["intake", "journal"], &["journal"]] {
        let place = place();
        copy(sample.path(), place.path());
        for part in parts {
            fs::remove_dir_all(place.path().join("store").join(part)).unwrap();
        }
        let store = open(&place.path().join("store")).unwrap_or_else(|e| panic!("{parts:?}: {e}"));
        assert_eq!((store.intake.next_seq(), store.journal.next_seq()), (1, 1));
    }
}

/// No sync while a store is made may fail unnoticed, those of its directories included.
#[test]
fn every_sync_of_a_new_store_counts() {
    let mut syncs = 0;
    for n in 1.. {
        let place = place();
        let plan = Arc::new(Plan::new(Some(Fault::Sync { nth: n, errno: 5 })));
        let opened = Store::open(&place.path().join("store"), Disk::Faulty(plan), &options());
        match opened {
            Ok(_) => break,
            Err(why) => assert!(why.to_string().starts_with("cannot "), "{why}"),
        }
        drop(opened_again(&place.path().join("store")));
        syncs = n;
    }
    // For keys and both logs: their directories' names, the file, its name, and the mark twice and more.
    assert!(syncs >= 15, "{syncs}");
}

fn opened_again(dir: &Path) -> Store {
    open(dir).unwrap_or_else(|e| panic!("{e}"))
}

#[test]
fn what_was_mended_is_noted() {
    let place = place();
    let dir = place.path().join("store");
    filled(&dir);
    assert!(open(&dir).unwrap().notes.is_empty());
    flip(&Layout::new(&dir).log(LogKind::Intake, PARTITION).join("durable.mark"), 13, 1);
    let file = segments(&dir.join("journal")).pop().unwrap();
    let mut bytes = fs::read(&file).unwrap();
    bytes.extend([1, 2, 3]);
    fs::write(&file, bytes).unwrap();
    let store = open(&dir).unwrap();
    assert_eq!(
        store.notes,
        [
            "intake: one cell of the durable mark was damaged; mended",
            "journal: cut 3 bytes that had never been acknowledged",
        ]
    );
    store.state.commit(store::Checkpoint { journal_seq: 1, ..Default::default() }).unwrap();
    drop(store);
    assert_eq!(open(&dir).unwrap().state_seq, 1);
    let store = Store::open(&dir, Disk::Real, &StoreOptions { snapshots: 2, ..options() }).unwrap();
    assert_eq!((store.state_seq, store.notes.len()), (0, 1));
    assert!(store.notes[0].contains("dropped and to be folded again"), "{:?}", store.notes);
    store.state.commit(store::Checkpoint { journal_seq: 1, ..Default::default() }).unwrap();
    let store = store.reset_state().unwrap();
    assert_eq!((store.state_seq, store.journal.next_seq()), (0, 2));
    assert!(matches!(open(&dir), Err(OpenStoreError::Lock(_))), "the lock was kept all the while");
}
