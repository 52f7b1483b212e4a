//! What the cases share: places, logs, bodies and a seeded source of chance.

use std::fs;
use std::path::{Path, PathBuf};

use model::{LogKind, PartitionId};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use store::{Disk, LogError, LogOptions, LogReader, LogWriter, Opened};
use tempfile::TempDir;

/// How much is tried: `INYEON_TEST_SCALE` is `quick` (the default), `full` or `soak`.
pub(crate) fn scaled(quick: u64, full: u64, soak: u64) -> u64 {
    match std::env::var("INYEON_TEST_SCALE").as_deref() {
        Err(_) | Ok("" | "quick") => quick,
        Ok("full") => full,
        Ok("soak") => soak,
        Ok(other) => panic!("INYEON_TEST_SCALE is `{other}`; it may be quick, full or soak"),
    }
}

/// A place in memory where there is one: these tests make their own losses and need no real disk's syncs.
pub(crate) fn place() -> TempDir {
    let memory = Path::new("/dev/shm");
    let builder = || tempfile::Builder::new().prefix("inyeon-store-").to_owned();
    if memory.is_dir() {
        builder().tempdir_in(memory).or_else(|_| builder().tempdir()).unwrap()
    } else {
        builder().tempdir().unwrap()
    }
}

pub(crate) fn chance(seed: u64) -> StdRng {
    StdRng::seed_from_u64(seed)
}

/// Small segments, so that a short log has many.
pub(crate) const SEGMENT: u64 = 2_048;

pub(crate) const PARTITION: PartitionId = PartitionId(0);

pub(crate) fn open_as(disk: &Disk, dir: &Path, kind: LogKind) -> Result<Opened, LogError> {
    LogWriter::open(disk, dir, kind, PARTITION, LogOptions { segment_bytes: SEGMENT })
}

pub(crate) fn try_open(dir: &Path) -> Result<Opened, LogError> {
    open_as(&Disk::Real, dir, LogKind::Intake)
}

pub(crate) fn open(dir: &Path) -> LogWriter {
    try_open(dir).unwrap_or_else(|e| panic!("{e}")).writer
}

/// The body of an entry: empty at times, of any bytes, telling its number where it is long enough.
pub(crate) fn body(salt: u64, n: u64) -> Vec<u8> {
    let mut chance = chance(salt.wrapping_mul(0x9e37_79b9) ^ n);
    let len = match chance.random_range(0..10) {
        0 => 0,
        1 => chance.random_range(500..900),
        _ => chance.random_range(1..200),
    };
    let mut bytes = vec![0; len];
    chance.fill(&mut bytes[..]);
    let number = format!("{salt}:{n};").into_bytes();
    if bytes.len() > number.len() {
        bytes[..number.len()].copy_from_slice(&number);
    }
    bytes
}

/// Appends and commits what the salted numbers stand for.
pub(crate) fn write(log: &mut LogWriter, salt: u64, numbers: std::ops::Range<u64>) -> Vec<Vec<u8>> {
    let bodies: Vec<Vec<u8>> = numbers.map(|n| body(salt, n)).collect();
    for body in &bodies {
        log.append(body);
    }
    log.commit().unwrap();
    bodies
}

/// Everything durable, in order, with a reader of its own.
pub(crate) fn read_all(reader: &mut LogReader) -> Result<Vec<Vec<u8>>, LogError> {
    let mut all = Vec::new();
    while let Some(frame) = reader.read(all.len() as u64 + 1)? {
        assert_eq!(frame.seq, all.len() as u64 + 1);
        all.push(frame.body.to_vec());
    }
    Ok(all)
}

pub(crate) fn all(log: &LogWriter) -> Vec<Vec<u8>> {
    read_all(&mut log.reader()).unwrap_or_else(|e| panic!("{e}"))
}

/// Which entries differ, not megabytes of bytes.
#[track_caller]
pub(crate) fn assert_same(found: &[Vec<u8>], expected: &[Vec<u8>], what: &str) {
    let differs = found.iter().zip(expected).position(|(a, b)| a != b);
    assert_eq!((found.len(), differs), (expected.len(), None), "{what}: entries, and the first that differs");
}

pub(crate) fn files(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(self::files(&path));
        } else {
            files.push(path);
        }
    }
    files.sort();
    files
}

pub(crate) fn segments(dir: &Path) -> Vec<PathBuf> {
    files(dir).into_iter().filter(|path| path.extension().is_some_and(|e| e == "seg")).collect()
}

pub(crate) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for file in files(from) {
        let target = to.join(file.strip_prefix(from).unwrap());
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::copy(&file, target).unwrap();
    }
}

pub(crate) fn cut(path: &Path, len: u64) {
    fs::OpenOptions::new().write(true).open(path).unwrap().set_len(len).unwrap();
}

pub(crate) fn flip(path: &Path, byte: usize, bit: u32) {
    let mut bytes = fs::read(path).unwrap();
    bytes[byte] ^= 1 << bit;
    fs::write(path, bytes).unwrap();
}
