//! Whatever somebody calls a map, and whatever table it is used on: events with ids and times, or a reason.
#![no_main]

use std::io::Write;

use inyeon::import::csv_map::{self, Map, ReadOptions};
use inyeon::import::{BadRow, ImportError, ImportEvent, Sink};
use libfuzzer_sys::fuzz_target;

#[derive(Default)]
struct Count {
    events: u64,
    bad_rows: u64,
}

impl Sink for Count {
    fn event(&mut self, event: ImportEvent) -> Result<(), ImportError> {
        assert!(!event.key.is_empty());
        let json: serde_json::Value = serde_json::from_str(&event.json).expect("an event is JSON");
        let named = json["userId"].is_string() || json["anonymousId"].is_string();
        // Operations and orders may be told of without a person.
        assert!(named || json["event"].as_str().is_some_and(model::may_name_nobody));
        self.events += 1;
        Ok(())
    }

    fn bad_row(&mut self, row: BadRow) -> Result<(), ImportError> {
        assert!(!row.reason.code().is_empty());
        self.bad_rows += 1;
        Ok(())
    }
}

// A map, a line of `=`, and a table; the map alone where there is no such line.
fuzz_target!(|bytes: &[u8]| {
    const FENCE: &[u8] = b"\n====\n";
    let fence = bytes.windows(FENCE.len()).position(|window| window == FENCE);
    let (map, table) = fence.map_or((bytes, &b""[..]), |at| (&bytes[..at], &bytes[at + FENCE.len()..]));
    let Ok(map) = std::str::from_utf8(map) else { return };
    let Ok(map) = Map::parse(map, "map.yaml") else { return };
    assert!(!map.source().is_empty());
    let mut builder = tempfile::Builder::new();
    let builder = builder.prefix("inyeon-fuzz-");
    let dir = builder.tempdir_in("/dev/shm").or_else(|_| builder.tempdir()).expect("a temporary directory");
    let path = dir.path().join("table.csv");
    std::fs::File::create(&path).and_then(|mut file| file.write_all(table)).expect("it can be written");
    let mut count = Count::default();
    if let Ok(summary) = csv_map::read(&path, &map, &ReadOptions::in_dir(dir.path()), &mut count) {
        assert_eq!(summary.event_count(), count.events);
        assert_eq!(summary.bad_rows(), count.bad_rows);
        for file in &summary.files {
            assert_eq!(file.rows, file.used + file.skipped + file.bad_rows);
        }
    }
});
