//! Whatever a client sends: it is taken or refused by name, and what is taken reads back as it was.
#![no_main]

use inyeon::dialect::Parsed;
use inyeon::dialect::segment::{self, Batch, Outer};
use libfuzzer_sys::fuzz_target;
use model::codec::Stored;
use model::{Event, EventKind, Signal, Time};

const NOW: Time = Time(1_774_000_000_000_000);

fn parse(raw: &str, path: Option<EventKind>, outer: Outer<'_>) {
    match segment::parse(raw, path, outer, NOW, || "made".to_owned()) {
        Parsed::Event { event, client_named } => {
            assert!(!event.message_id.is_empty());
            assert!(client_named || event.message_id == "made");
            let alone = event.kind == EventKind::Track && model::may_name_nobody(&event.name);
            assert!(event.user_id.is_some() || event.anonymous_id.is_some() || alone);
            assert!((Time::EARLIEST_EVENT..=Time::LATEST_EVENT).contains(&event.timestamp));
            let stored = event.encode();
            assert_eq!(Event::decode(&stored).expect("what was written can be read"), event);
            if event.kind == EventKind::Track {
                let _ = Signal::parse(&event.name, event.properties.as_deref());
            }
        }
        Parsed::Refused(refused) => {
            assert!(!refused.detail.is_empty());
            assert_eq!(refused.raw, raw);
        }
    }
}

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let _ = segment::write_key_in(text);
    parse(text, None, Outer::default());
    parse(text, Some(EventKind::Track), Outer::default());
    if let Ok(batch) = serde_json::from_str::<Batch<'_>>(text) {
        for raw in &batch.batch {
            parse(raw.get(), None, batch.outer());
        }
    }
});
