//! Whatever lies on a disk: it is read as what it is or refused; nothing is read as something else than was written.
#![no_main]

use std::path::PathBuf;
use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use model::codec::Stored;
use model::{
    Command, Entry, Event, IntakeRecord, LogKind, Outcome, PartitionId, RejectedBody, ViolationBody,
};

/// What reads also writes, and reads the same again.
fn round_trip<'a, T: Stored<'a> + PartialEq + std::fmt::Debug>(bytes: &'a [u8], again: &'a mut Vec<u8>) {
    if let Ok(first) = T::decode(bytes) {
        *again = first.encode();
        let second = T::decode(again).expect("what was written can be read");
        // A number that is none equals nothing, itself neither.
        let same = first == second || format!("{first:?}") == format!("{second:?}");
        assert!(same, "{first:?} became {second:?}");
    }
}

/// Where segments are laid for the scanner: a directory of this process, in memory where there is such a place.
fn dir() -> &'static PathBuf {
    static DIR: OnceLock<PathBuf> = OnceLock::new();
    DIR.get_or_init(|| {
        let mut builder = tempfile::Builder::new();
        let builder = builder.prefix("inyeon-fuzz-");
        let dir =
            builder.tempdir_in("/dev/shm").or_else(|_| builder.tempdir()).expect("a temporary directory");
        dir.keep()
    })
}

fuzz_target!(|bytes: &[u8]| {
    let Some((kind, bytes)) = bytes.split_first() else { return };
    let mut again = Vec::new();
    match kind % 8 {
        0 => round_trip::<IntakeRecord<'_>>(bytes, &mut again),
        1 => round_trip::<Entry<'_>>(bytes, &mut again),
        2 => round_trip::<Vec<Outcome>>(bytes, &mut again),
        3 => round_trip::<Event<'_>>(bytes, &mut again),
        4 => round_trip::<RejectedBody<'_>>(bytes, &mut again),
        5 => round_trip::<Command>(bytes, &mut again),
        6 => round_trip::<ViolationBody<'_>>(bytes, &mut again),
        _ => {
            let log = if kind % 2 == 0 { LogKind::Intake } else { LogKind::Journal };
            let path = dir().join(format!("{:020}.seg", 1));
            std::fs::write(&path, bytes).expect("the directory can be written");
            let scan = store::scan_segment(&path, log, PartitionId(0), 1, 0);
            if let Ok(scan) = &scan {
                assert_eq!(scan.file_len, bytes.len() as u64);
                assert!(scan.end <= scan.file_len.max(64) && scan.next_seq >= 1);
                assert!(scan.committed.end <= scan.end && scan.committed.next_seq <= scan.next_seq);
                // Every byte is accounted for: sound up to the end, or damage says where.
                assert!(scan.end >= scan.file_len || scan.damage.is_some() || scan.header_damage.is_some());
            }
            let mut last = 0;
            let copied = store::copy_sound_frames(dir(), log, 0, |frame| {
                assert!(frame.seq > last, "sequences rise");
                last = frame.seq;
            });
            copied.expect("only what cannot be read at all is an error");
        }
    }
});
