//! The machine loses power: what was acknowledged survives, and nothing is made up.

use std::sync::Arc;

use model::{Identifier, LogKind};
use rand::Rng;
use store::disk::faults::{Fault, Plan};
use store::{CommitError, Disk, Keys};

use super::support::*;

/// One life of a log on a disk that forgets what was not synced.
fn life(seed: u64) -> (bool, usize) {
    let place = place();
    let mut chance = chance(seed);
    let plan = Arc::new(Plan::new(None));
    let disk = Disk::Faulty(plan.clone());
    let mut acked: Vec<Vec<u8>> = Vec::new();
    let mut in_doubt = false;
    // Several powers-on, each ended by the power going.
    for round in 0..3 {
        let opened = open_as(&disk, place.path(), LogKind::Intake);
        let mut log = opened.unwrap_or_else(|e| panic!("seed {seed}, round {round}: {e}")).writer;
        let mut found = all(&log);
        let doubtful = found.split_off(acked.len().min(found.len()));
        assert_same(&found, &acked, &format!("seed {seed}, round {round}"));
        // What was in doubt and survived counts from here on.
        assert!(doubtful.is_empty() || in_doubt, "seed {seed}: entries that nobody wrote");
        acked.extend(doubtful);
        in_doubt = false;
        for commit in 0..chance.random_range(0..60) {
            if chance.random_range(0..25) == 0 {
                log.append(b"appended, never committed");
                log.discard();
            }
            let bodies: Vec<Vec<u8>> =
                (0..chance.random_range(1..5)).map(|n| body(seed + round, commit * 8 + n)).collect();
            for body in &bodies {
                log.append(body);
            }
            match chance.random_range(0..40) {
                // The power goes between the write and the end of the sync.
                0 => {
                    plan.set(Some(Fault::Sync { nth: plan.syncs() + 1, errno: 5 }));
                    match log.commit() {
                        Err(CommitError::Unknown { .. }) => in_doubt = true,
                        other => panic!("seed {seed}: {other:?}"),
                    }
                    plan.set(None);
                    break;
                }
                // The disk is full for a moment.
                1 => {
                    plan.set(Some(Fault::WritesFrom { nth: 0, errno: 28 }));
                    assert!(matches!(log.commit(), Err(CommitError::NotWritten { .. })), "seed {seed}");
                    plan.set(None);
                    log.discard();
                }
                _ => {
                    log.commit().unwrap();
                    acked.extend(bodies);
                }
            }
        }
        log.append(b"appended when the power went");
        drop(log);
        plan.lose_power(|n| chance.random_range(0..=n));
    }
    let log = try_open(place.path()).unwrap_or_else(|e| panic!("seed {seed}: {e}")).writer;
    let mut found = all(&log);
    let doubtful = found.split_off(acked.len().min(found.len()));
    assert_same(&found, &acked, &format!("seed {seed}"));
    assert!(doubtful.is_empty() || in_doubt, "seed {seed}: entries that nobody wrote");
    (in_doubt, acked.len())
}

#[test]
fn what_was_acknowledged_survives_a_loss_of_power() {
    let seeds = scaled(300, 2_000, 30_000);
    let (mut doubts, mut entries) = (0, 0);
    for seed in 0..seeds {
        let (in_doubt, acked) = life(seed);
        doubts += u32::from(in_doubt);
        entries += acked;
    }
    println!("{} losses of power, {entries} acknowledged entries, {doubts} ended in doubt", seeds * 3);
    assert!(doubts > 0 && entries as u64 > seeds * 10);
}

#[test]
fn keys_survive_a_loss_of_power_once_they_are_flushed() {
    for seed in 0..scaled(200, 1_000, 20_000) {
        let place = place();
        let mut chance = chance(seed);
        let plan = Arc::new(Plan::new(None));
        let disk = Disk::Faulty(plan.clone());
        let mut sealed: Vec<(String, model::Sealed<'static>)> = Vec::new();
        for round in 0..3 {
            let keys = Keys::open(&disk, place.path(), &[7; 32], "store")
                .unwrap_or_else(|e| panic!("seed {seed}: {e}"));
            for (name, body) in &sealed {
                assert_eq!(keys.open_sealed(body).as_deref(), Ok(name.as_bytes()), "seed {seed}");
                // Whose key it was may be forgotten; then it is nobody's for ever.
                let now = keys.key_for(keys.hash_identifier(&Identifier::User(name)));
                let given = sealed.iter().any(|(other, body)| other != name && body.key == now);
                assert!(!given, "seed {seed}: {name} has the key of another");
            }
            for n in 0..chance.random_range(0..20) {
                let name = format!("{round}-{n}");
                let key = keys.key_for(keys.hash_identifier(&Identifier::User(&name)));
                if chance.random_range(0..8) == 0 {
                    // Never flushed, or flushed with the next one.
                    continue;
                }
                keys.flush().unwrap();
                let body = keys.seal(key, name.as_bytes()).unwrap();
                sealed.push((name, body));
            }
            drop(keys);
            plan.lose_power(|n| chance.random_range(0..=n));
        }
        let keys = Keys::open(&Disk::Real, place.path(), &[7; 32], "store").unwrap();
        for (name, body) in &sealed {
            assert_eq!(keys.open_sealed(body).as_deref(), Ok(name.as_bytes()), "seed {seed}");
        }
    }
}
