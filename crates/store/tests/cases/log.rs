//! Appending, rotating, reading in and out of order, reading while somebody writes, and torn tails.

use std::fs;
use std::os::unix::fs::FileExt;
use std::time::Duration;

use model::{LogKind, PartitionId};
use rand::Rng;
use store::{DamageKind, Disk, LogError, LogOptions, LogWriter, copy_sound_frames};

use super::support::*;

#[test]
fn what_is_written_is_read_over_segments_and_reopening() {
    let place = place();
    let mut expected = Vec::new();
    for round in 0..6 {
        let mut log = open(place.path());
        assert_eq!(log.next_seq(), expected.len() as u64 + 1);
        for n in 0..40 {
            expected.extend(write(&mut log, round, n * 3..n * 3 + 1 + n % 3));
        }
        assert_same(&all(&log), &expected, "read by the writer's own reader");
        if round % 2 == 0 {
            log.close().unwrap();
        }
    }
    assert!(segments(place.path()).len() > 10, "{} segments", segments(place.path()).len());
    let opened = try_open(place.path()).unwrap();
    assert_eq!((opened.cut_bytes, opened.mark_mended), (0, false));
    let mut reader = opened.writer.reader();
    assert_same(&read_all(&mut reader).unwrap(), &expected, "read in order");
    // By sequence, anywhere, with one reader and with fresh ones.
    let mut chance = chance(1);
    for n in 0..500 {
        let seq = chance.random_range(1..=expected.len() as u64);
        let mut other = opened.writer.reader();
        let reader = if n % 5 == 0 { &mut other } else { &mut reader };
        let frame = reader.read(seq).unwrap().unwrap();
        assert_eq!((frame.seq, frame.body), (seq, &expected[seq as usize - 1][..]));
    }
    for beyond in [0, expected.len() as u64 + 1, u64::MAX] {
        assert!(reader.read(beyond).unwrap().is_none(), "{beyond}");
    }
}

#[test]
fn large_bodies_and_a_segment_that_one_commit_overfills() {
    let place = place();
    let large = vec![0xA5; 3 << 20];
    let mut log = open(place.path());
    for body in [&b""[..], &large, b"after"] {
        log.append(body);
    }
    assert_eq!(log.commit().unwrap(), 3);
    log.append(b"in the next segment");
    log.commit().unwrap();
    let log = open(place.path());
    assert_same(&all(&log), &[vec![], large, b"after".to_vec(), b"in the next segment".to_vec()], "large");
    assert_eq!(segments(place.path()).len(), 2);
}

#[test]
fn what_was_discarded_never_was() {
    let place = place();
    let mut log = open(place.path());
    let mut expected = write(&mut log, 1, 0..3);
    log.append(b"never");
    assert_eq!(log.next_seq(), 5);
    log.discard();
    assert_eq!((log.next_seq(), log.buffered_bytes()), (4, 0));
    assert_eq!(log.commit().unwrap(), 3, "an empty commit says what is durable");
    expected.extend(write(&mut log, 2, 0..2));
    log.append(b"nor this, whose process ended");
    drop(log);
    assert_same(&all(&open(place.path())), &expected, "after a discard");
}

#[test]
fn nothing_is_read_before_it_is_durable() {
    let place = place();
    let mut log = open(place.path());
    let mut reader = log.reader();
    log.append(b"a");
    assert!(reader.read(1).unwrap().is_none());
    assert!(!log.durable().wait_past(0, Duration::from_millis(5)));
    log.commit().unwrap();
    assert!(log.durable().wait_past(0, Duration::ZERO));
    assert_eq!(reader.read(1).unwrap().unwrap().body, b"a");
    assert_eq!(reader.another().durable().seq(), 1);
}

#[test]
fn readers_follow_a_writer() {
    let place = place();
    let count = scaled(3_000, 20_000, 500_000);
    let mut log = open(place.path());
    let read = |mut reader: store::LogReader, step: u64| {
        move || {
            let (mut seq, mut read) = (1, 0);
            while seq <= count {
                assert!(
                    reader.durable().clone().wait_past(seq - 1, Duration::from_secs(30)),
                    "entry {seq} never came"
                );
                let frame = reader.read(seq).unwrap_or_else(|e| panic!("{e}")).expect("durable");
                assert_eq!(frame.body, body(7, seq), "entry {seq}");
                (seq, read) = (seq + step, read + 1);
            }
            read
        }
    };
    std::thread::scope(|scope| {
        let readers: Vec<_> = [1, 3, 101].map(|step| scope.spawn(read(log.reader(), step))).into();
        let mut chance = chance(3);
        let mut next = 1;
        while next <= count {
            for _ in 0..chance.random_range(1..20) {
                if next <= count {
                    log.append(&body(7, next));
                    next += 1;
                }
            }
            log.commit().unwrap();
        }
        let read: Vec<u64> = readers.into_iter().map(|reader| reader.join().unwrap()).collect();
        assert_eq!(read, [count, count.div_ceil(3), count.div_ceil(101)]);
    });
}

/// Frames that stand behind the durable end for a moment, because the disk was full in the middle of a commit, are
/// cut again and others take their place. A reader that looked ahead must not tell of them.
#[test]
fn a_reader_never_tells_what_was_only_attempted() {
    let place = place();
    let mut log = open(place.path());
    let before = write(&mut log, 1, 0..5);
    // The bytes that a commit would write, from a twin.
    let twin_place = self::place();
    copy(place.path(), twin_place.path());
    write(&mut open(twin_place.path()), 2, 0..3);
    let (file, twin) = (segments(place.path()).pop().unwrap(), segments(twin_place.path()).pop().unwrap());
    let end = fs::metadata(&file).unwrap().len();
    let attempted = fs::read(twin).unwrap()[end as usize..].to_vec();
    let handle = fs::OpenOptions::new().write(true).open(&file).unwrap();
    handle.write_all_at(&attempted, end).unwrap();
    let mut reader = log.reader();
    assert_same(&read_all(&mut reader).unwrap(), &before, "what is durable");
    handle.set_len(end).unwrap();
    let after = write(&mut log, 3, 0..3);
    for (n, expected) in after.iter().enumerate() {
        let frame = reader.read(6 + n as u64).unwrap_or_else(|e| panic!("{e}")).unwrap();
        assert_eq!(frame.body, expected, "entry {} is not what was committed", 6 + n);
    }
}

/// The last commit was not acknowledged: cut anywhere, what was acknowledged is there and the log goes on.
#[test]
fn a_torn_tail_that_nobody_was_told_about_is_cut() {
    let before = place();
    let acked = {
        let mut log = open(before.path());
        let mut acked = write(&mut log, 1, 0..20);
        acked.extend(write(&mut log, 1, 20..23));
        acked
    };
    let after = place();
    copy(before.path(), after.path());
    let last = {
        let mut log = open(after.path());
        log.append(&body(9, 1));
        log.append(&body(9, 2));
        log.commit().unwrap();
        vec![body(9, 1), body(9, 2)]
    };
    let (file, torn) = (segments(before.path()).pop().unwrap(), segments(after.path()).pop().unwrap());
    let (start, end) = (fs::metadata(&file).unwrap().len(), fs::metadata(&torn).unwrap().len());
    let tail = fs::read(&torn).unwrap()[start as usize..].to_vec();
    assert_eq!(file.file_name(), torn.file_name());
    assert!(end - start > 100, "the tail is worth cutting");
    for len in 0..=end - start {
        let place = place();
        copy(before.path(), place.path());
        let target = segments(place.path()).pop().unwrap();
        let handle = fs::OpenOptions::new().write(true).open(&target).unwrap();
        handle.write_all_at(&tail[..len as usize], start).unwrap();
        let opened = try_open(place.path()).unwrap_or_else(|e| panic!("{len} bytes of it: {e}"));
        // Both entries of the commit or neither, also where the first of them is whole.
        let (whole, cut) = if len == end - start { (2, 0) } else { (0, len) };
        assert_eq!(opened.cut_bytes, cut, "{len} bytes of it");
        let mut log = opened.writer;
        let mut expected = acked.clone();
        expected.extend_from_slice(&last[..whole]);
        assert_same(&all(&log), &expected, "after the cut");
        expected.extend(write(&mut log, 5, 0..2));
        drop(log);
        assert_same(&all(&open(place.path())), &expected, "going on after the cut");
    }
    // The same bytes missing where they had been acknowledged: never cut, always told.
    for len in 0..end - start {
        let place = place();
        copy(after.path(), place.path());
        let target = segments(place.path()).pop().unwrap();
        cut(&target, start + len);
        match try_open(place.path()) {
            Err(LogError::Damaged(damage)) => {
                assert_eq!(damage.file, target, "{damage}");
                assert!(damage.seq == 24 || damage.seq == 25, "{damage}");
                assert!(damage.offset >= start && damage.offset <= start + len, "{damage}");
            }
            Err(other) => panic!("{len}: {other}"),
            Ok(_) => panic!("{len} bytes of an acknowledged commit are left, and nobody noticed"),
        }
    }
}

/// A process that ended while it began a segment.
#[test]
fn a_segment_that_was_only_begun_is_begun_again() {
    let sample = place();
    let acked = {
        let mut log = open(sample.path());
        let mut acked = Vec::new();
        while segments(sample.path()).len() < 3 {
            acked.extend(write(&mut log, 1, acked.len() as u64..acked.len() as u64 + 1));
        }
        acked
    };
    let newest = segments(sample.path()).pop().unwrap();
    let header = fs::read(&newest).unwrap()[..64].to_vec();
    let next = sample.path().join(format!("{:020}.seg", acked.len() + 1));
    for len in 0..=64 {
        let place = place();
        copy(sample.path(), place.path());
        fs::write(place.path().join(next.file_name().unwrap()), &header[..len]).unwrap();
        let opened = try_open(place.path()).unwrap_or_else(|e| panic!("{len} bytes of a header: {e}"));
        assert_eq!(opened.cut_bytes, len as u64);
        let mut log = opened.writer;
        let mut expected = acked.clone();
        expected.extend(write(&mut log, 2, 0..40));
        drop(log);
        assert_same(&all(&open(place.path())), &expected, "going on");
    }
    // The very first one.
    for len in 0..64 {
        let place = place();
        fs::write(place.path().join(format!("{:020}.seg", 1)), &header[..len]).unwrap();
        let mut log = open(place.path());
        let expected = write(&mut log, 3, 0..2);
        drop(log);
        assert_same(&all(&open(place.path())), &expected, "the first segment");
    }
}

/// A segment's header is durable before its first frame is written. A damaged header with frames behind it is
/// damage, even where a loss of power left an old mark that knows of none of them.
#[test]
fn frames_behind_a_damaged_header_are_never_thrown_away() {
    let place = place();
    let mut log = open(place.path());
    while segments(place.path()).len() < 2 {
        let n = log.next_seq();
        write(&mut log, 1, n..n + 1);
    }
    let old_mark = {
        let other = self::place();
        let mut log = open(other.path());
        write(&mut log, 1, 1..2);
        fs::read(other.path().join("durable.mark")).unwrap()
    };
    let next = log.next_seq();
    write(&mut log, 1, next..next + 2);
    drop(log);
    fs::write(place.path().join("durable.mark"), old_mark).unwrap();
    let newest = segments(place.path()).pop().unwrap();
    flip(&newest, 12, 0);
    match try_open(place.path()) {
        Err(LogError::Damaged(damage)) => {
            assert_eq!(damage.file, newest);
            assert!(matches!(damage.kind, DamageKind::SegmentHeader(_)), "{damage}");
        }
        other => panic!("{:?}", other.map(|opened| (opened.cut_bytes, opened.writer.next_seq()))),
    }
    assert!(newest.exists());
}

#[test]
fn a_log_of_another_kind_partition_or_format_is_refused() {
    let place = place();
    write(&mut open(place.path()), 1, 0..5);
    let options = LogOptions { segment_bytes: SEGMENT };
    let open_with = |kind, partition| {
        let opened =
            LogWriter::open(&Disk::Real, place.path(), kind, PartitionId(partition), options.clone());
        opened.map(|_| ()).map_err(|e| e.to_string())
    };
    for (kind, partition) in [(LogKind::Journal, 0), (LogKind::Intake, 1)] {
        let why = open_with(kind, partition).unwrap_err();
        assert!(why.contains("header is damaged (it should begin entry 1 of this log)"), "{why}");
    }
    // A whole header of the next format, as a newer program would write it.
    let file = segments(place.path()).pop().unwrap();
    let mut bytes = fs::read(&file).unwrap();
    bytes[8] = 2;
    let crc = crc32c::crc32c(&bytes[..60]);
    bytes[60..64].copy_from_slice(&crc.to_le_bytes());
    fs::write(&file, bytes).unwrap();
    let why = open_with(LogKind::Intake, 0).unwrap_err();
    assert!(
        why.contains("format 2 was written by a newer program") && why.contains(file.to_str().unwrap()),
        "{why}"
    );
}

#[test]
fn an_entry_in_the_place_of_the_acknowledged_one_is_noticed() {
    // Two stores that differ only in what came last; the file of one is laid into the other.
    let (one, two) = (place(), place());
    write(&mut open(one.path()), 1, 0..4);
    copy(one.path(), two.path());
    let same_length = |tail: u8| vec![tail; 50];
    for (place, tail) in [(&one, 1), (&two, 2)] {
        let mut log = open(place.path());
        log.append(&same_length(tail));
        log.commit().unwrap();
    }
    let (from, to) = (segments(two.path()).pop().unwrap(), segments(one.path()).pop().unwrap());
    fs::copy(from, &to).unwrap();
    let why = try_open(one.path()).map(|_| ()).unwrap_err().to_string();
    assert!(why.contains(to.to_str().unwrap()) && why.contains("entry 5"), "{why}");
}

#[test]
fn damage_that_comes_while_the_log_is_open_is_told_by_the_reader() {
    let sample = place();
    let mut log = open(sample.path());
    let expected = write(&mut log, 4, 0..30);
    let mut expected = expected;
    for n in 30..60 {
        expected.extend(write(&mut log, 4, n..n + 1));
    }
    let mut chance = chance(8);
    let (mut told, tries) = (0, scaled(200, 500, 5_000));
    for _ in 0..tries {
        let files = segments(sample.path());
        let file = &files[chance.random_range(0..files.len())];
        // A segment's own header was checked when it was opened and is not read again.
        let byte = chance.random_range(64..fs::metadata(file).unwrap().len()) as usize;
        let bit = chance.random_range(0..8);
        flip(file, byte, bit);
        let mut reader = log.reader();
        match read_all(&mut reader) {
            Ok(_) => panic!("bit {bit} of byte {byte} of {} was read over", file.display()),
            Err(LogError::Damaged(damage)) => {
                assert_eq!(&damage.file, file);
                assert!(damage.offset <= byte as u64, "{damage}");
                told += 1;
            }
            Err(other) => panic!("{other}"),
        }
        flip(file, byte, bit);
    }
    assert_eq!(told, tries);
    assert_same(&all(&log), &expected, "mended");
}

#[test]
fn salvage_finds_every_sound_frame_and_names_each_gap() {
    let sample = place();
    let mut log = open(sample.path());
    let mut expected = Vec::new();
    for n in 0..60 {
        expected.extend(write(&mut log, 4, n..n + 1));
    }
    drop(log);
    let salvage = |dir: &std::path::Path| {
        let mut found = Vec::new();
        let damages =
            copy_sound_frames(dir, LogKind::Intake, 60, |frame| found.push((frame.seq, frame.body.to_vec())));
        (found, damages.unwrap())
    };
    let (found, damages) = salvage(sample.path());
    assert_eq!((found.len(), damages.len()), (60, 0));
    let mut chance = chance(5);
    for _ in 0..scaled(100, 300, 3_000) {
        let place = place();
        copy(sample.path(), place.path());
        let files = segments(place.path());
        let file = &files[chance.random_range(0..files.len())];
        let byte = chance.random_range(64..fs::metadata(file).unwrap().len()) as usize;
        flip(file, byte, chance.random_range(0..8));
        let (found, damages) = salvage(place.path());
        assert_eq!(found.len(), 59, "one bit costs one entry");
        assert!(!damages.is_empty() && damages.iter().all(|damage| damage.file.starts_with(place.path())));
        for (seq, body) in found {
            assert_eq!(body, expected[seq as usize - 1], "entry {seq}");
        }
    }
}

/// What a salvage takes from a log that ends in the middle of a commit.
#[test]
fn a_commit_is_salvaged_whole_or_not_at_all() {
    let sample = place();
    let mut log = open(sample.path());
    let mut told = write(&mut log, 6, 0..2);
    let file = segments(sample.path()).pop().unwrap();
    let before = fs::metadata(&file).unwrap().len();
    let mark = fs::read(sample.path().join("durable.mark")).unwrap();
    let more = write(&mut log, 6, 2..7);
    drop(log);
    let whole = fs::metadata(&file).unwrap().len();
    for len in before..=whole {
        let place = place();
        copy(sample.path(), place.path());
        let file = segments(place.path()).pop().unwrap();
        fs::write(place.path().join("durable.mark"), &mark).unwrap();
        cut(&file, len);
        let mut salvaged = 0;
        copy_sound_frames(place.path(), LogKind::Intake, 2, |_| salvaged += 1).unwrap();
        let opened = try_open(place.path()).unwrap();
        let survived = if len == whole { 7 } else { 2 };
        assert_eq!((opened.writer.next_seq() - 1, salvaged), (survived, survived), "{len} of {whole} bytes");
    }
    // Where the mark knows of the rest, its loss is damage.
    told.extend(more);
    for lost in [1, 30, whole - before - 1] {
        let place = place();
        copy(sample.path(), place.path());
        cut(&segments(place.path()).pop().unwrap(), whole - lost);
        assert!(matches!(try_open(place.path()), Err(LogError::Damaged(_))), "{lost} bytes lost");
    }
    assert_same(&all(&open(sample.path())), &told, "nothing lost");
}
