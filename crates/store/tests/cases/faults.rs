//! EIO and ENOSPC at the n-th write, and at the n-th sync: no false acknowledgement, no lost one.

use std::path::Path;
use std::sync::Arc;

use model::LogKind;
use rand::Rng;
use store::disk::faults::{Fault, Plan};
use store::{CommitError, Disk};

use super::support::*;

/// What a program that writes a log saw.
#[derive(Default)]
struct Told {
    /// Acknowledged, in order.
    kept: Vec<Vec<u8>>,
    /// In the commit that ended in doubt.
    doubtful: Vec<Vec<u8>>,
    not_written: u32,
    not_opened: bool,
    unknown: bool,
}

/// A program that tries again, or gives up what was refused and goes on with other entries, as `retry` says.
fn program(plan: &Arc<Plan>, dir: &Path, commits: u64, retry: bool, seed: u64) -> Told {
    let mut told = Told::default();
    let disk = Disk::Faulty(plan.clone());
    let Ok(opened) = open_as(&disk, dir, LogKind::Intake) else {
        told.not_opened = true;
        return told;
    };
    let mut log = opened.writer;
    let mut chance = chance(seed);
    for commit in 0..commits {
        let mut bodies = Vec::new();
        for n in 0..chance.random_range(1..4) {
            bodies.push(body(seed, commit * 8 + n));
        }
        for body in &bodies {
            log.append(body);
        }
        let before = log.next_seq() - bodies.len() as u64 - 1;
        loop {
            match log.commit() {
                Ok(last) => {
                    assert_eq!(last, before + bodies.len() as u64);
                    told.kept.append(&mut bodies);
                }
                Err(CommitError::NotWritten { path, source }) => {
                    assert!(path.starts_with(dir) && source.raw_os_error().is_some());
                    told.not_written += 1;
                    assert_eq!(log.durable().seq(), before, "nothing of it counts");
                    assert_same(&all(&log), &told.kept, "after a refused commit");
                    if told.not_written == 4 {
                        // Somebody made room.
                        plan.set(None);
                    }
                    if retry {
                        continue;
                    }
                    log.discard();
                }
                Err(CommitError::Unknown { path, .. }) => {
                    assert!(path.starts_with(dir));
                    // The process ends here.
                    (told.unknown, told.doubtful) = (true, bodies);
                    return told;
                }
            }
            break;
        }
    }
    told
}

/// The log holds what was acknowledged, and at most the beginning of a commit in doubt.
fn check(dir: &Path, told: &Told, what: &str) {
    let log = try_open(dir).unwrap_or_else(|e| panic!("{what}: {e}")).writer;
    let mut found = all(&log);
    let more = found.split_off(told.kept.len().min(found.len()));
    assert_same(&found, &told.kept, what);
    assert!(told.doubtful.starts_with(&more), "{what}: {} entries that nobody wrote", more.len());
}

const EIO: i32 = 5;
const ENOSPC: i32 = 28;

#[test]
fn a_failing_write_is_never_acknowledged_and_costs_nothing_that_was() {
    let (mut refused, mut unknown, mut not_opened) = (0, 0, 0);
    for n in 1..=scaled(200, 200, 400) {
        for (errno, retry, full) in
            [(EIO, true, false), (EIO, false, false), (ENOSPC, true, true), (ENOSPC, false, true)]
        {
            let place = place();
            let fault =
                if full { Fault::WritesFrom { nth: n, errno } } else { Fault::Write { nth: n, errno } };
            let plan = Arc::new(Plan::new(Some(fault)));
            let told = program(&plan, place.path(), 2 + n / 2, retry, n);
            let what = format!("write {n}, errno {errno}, retry {retry}");
            assert!(plan.writes() >= n, "{what}: only {} writes were made", plan.writes());
            assert!(told.not_opened || told.unknown || told.not_written > 0, "{what}: nobody was told");
            check(place.path(), &told, &what);
            refused += u32::from(told.not_written > 0);
            unknown += u32::from(told.unknown);
            not_opened += u32::from(told.not_opened);
        }
    }
    println!("failing writes: {refused} refused and gone on, {unknown} in doubt, {not_opened} not opened");
    assert!(refused > 300 && unknown > 0 && not_opened > 0, "{refused} {unknown} {not_opened}");
}

#[test]
fn a_failing_sync_ends_in_doubt_and_is_never_tried_again() {
    let (mut unknown, mut not_opened) = (0, 0);
    for n in 1.. {
        let place = place();
        let plan = Arc::new(Plan::new(Some(Fault::Sync { nth: n, errno: EIO })));
        let told = program(&plan, place.path(), 60, true, n);
        let what = format!("sync {n}");
        assert_eq!(told.not_written, 0, "{what}: a failed sync must not be taken for a failed write");
        if !told.not_opened && !told.unknown {
            assert_eq!(
                told.kept,
                (0..).flat_map(|c| told.kept.get(c).cloned()).take(told.kept.len()).collect::<Vec<_>>()
            );
            break;
        }
        unknown += u32::from(told.unknown);
        not_opened += u32::from(told.not_opened);
        // Killed, not out of power: the doubtful may be there, whole.
        check(place.path(), &told, &what);
    }
    println!("failing syncs: {unknown} in doubt, {not_opened} not opened");
    assert!(unknown > 60 && not_opened > 2, "{unknown} {not_opened}");
}

/// The second log of a program on a disk that is full opens again once there is room.
#[test]
fn a_log_that_could_not_be_opened_opens_later() {
    for n in 1..12 {
        let place = place();
        let fault = Fault::WritesFrom { nth: n, errno: ENOSPC };
        let disk = Disk::Faulty(Arc::new(Plan::new(Some(fault))));
        let opened = open_as(&disk, place.path(), LogKind::Journal).map(|_| ());
        let mut log = open_as(&Disk::Real, place.path(), LogKind::Journal)
            .unwrap_or_else(|e| panic!("{n}: {e}"))
            .writer;
        assert_eq!(log.next_seq(), 1, "{n}");
        log.append(b"a");
        assert_eq!(log.commit().unwrap(), 1);
        if n > 8 {
            assert!(opened.is_ok(), "an open of an empty log makes fewer than {n} writes");
        }
    }
}
