//! The memory of the importer's sorter. A binary of its own: what is measured is the whole process.

use std::fs;

use inyeon::import::{ImportEvent, Rank, Sorter};
use jiff::Timestamp;
use tempfile::TempDir;

/// A million of them, or ten where there is time: two minutes and 3 GB of disk.
#[test]
fn millions_of_events_sort_in_flat_memory() {
    let dir = TempDir::new().unwrap();
    let events: u64 = match std::env::var("INYEON_TEST_SCALE").as_deref() {
        Ok("full" | "soak") => 10_000_000,
        _ => 1_000_000,
    };
    let before = peak_memory();
    let mut sorter = Sorter::new(dir.path(), 64 << 20);
    let json = "{\"type\":\"track\",\"event\":\"order.placed\",\"properties\":{}}".repeat(4);
    for n in 0..events {
        let at = Timestamp::from_millisecond((n.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 24) as i64).unwrap();
        let event =
            ImportEvent { at, rank: Rank::Placed, key: format!("order:{n}:placed"), json: json.clone() };
        sorter.push(&event).unwrap();
    }
    println!("{} bytes spilled", sorter.spilled_bytes());
    let (mut count, mut last) = (0, Timestamp::MIN);
    for event in sorter.finish().unwrap() {
        let event = event.unwrap();
        assert!(last <= event.at);
        last = event.at;
        count += 1;
    }
    assert_eq!(count, events);
    let grown = peak_memory() - before;
    println!("{} MiB more at the peak", grown >> 20);
    assert!(grown < 112 << 20, "64 MiB and the slack of the allocator, not {} MiB", grown >> 20);
}

fn peak_memory() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() << 10
}
