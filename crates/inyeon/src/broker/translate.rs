//! A message as records of the intake: the events that the map makes of it, or itself as a dead letter.

use std::fmt::Write;
use std::panic::AssertUnwindSafe;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use model::{Dedupe, KeyId, RejectedBody, Time, TimelineId};
use runtime::{Node, NodeError};
use serde_json::{Value, json};

use super::PLACE;
use crate::dialect::segment::{self, Outer};
use crate::dialect::{Code, Parsed};
use crate::import::ImportEvent;
use crate::import::csv_map::{Envelope, Map, Request, body_of};
use crate::plan::Plan;
use crate::plan::gate::{Admitted, Door, Named, admit};

/// Bytes of a payload that are read and kept whole; of a larger one the beginning is kept.
pub(super) const PAYLOAD_MAX: usize = 4 << 20;
/// An event may be somewhat larger than its payload: it names what the payload leaves to the topic.
const EVENT_BYTES_MAX: usize = PAYLOAD_MAX + (64 << 10);

/// A message without its connection.
#[derive(Clone, Copy)]
pub(super) struct Told<'m> {
    pub(super) topic: &'m str,
    /// Of one larger than [`PAYLOAD_MAX`] perhaps only so much.
    pub(super) payload: &'m [u8],
    /// Bytes of the payload as it came.
    pub(super) bytes: usize,
    pub(super) retained: bool,
}

impl<'m> Told<'m> {
    /// A message with its whole payload.
    pub(super) fn whole(topic: &'m str, payload: &'m [u8], retained: bool) -> Self {
        Told { topic, payload, bytes: payload.len(), retained }
    }
}

/// A stable code and the reason for which a message makes no events.
pub(super) type Refusal = (&'static str, String);

/// Why nothing of a message counts, and the records of what blocked events do against the tracking plan.
struct Refused {
    refusal: Refusal,
    records: Vec<Vec<u8>>,
    /// The key of whom the first blocked event is about: the message is kept for them.
    key: Option<KeyId>,
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        Refused { refusal, records: Vec::new(), key: None }
    }
}

/// What becomes of a message.
pub(super) struct Taken {
    pub(super) records: Vec<Vec<u8>>,
    /// Events that nothing can be recognised by.
    pub(super) nameless: u64,
    /// Why it is kept as a dead letter, where it is.
    pub(super) refused: Option<Refusal>,
}

/// The events that the map makes of a message. An event without a name has an empty key.
pub(super) fn events(map: &Map, told: Told<'_>, received_at: Time) -> Result<Vec<ImportEvent>, Refusal> {
    if told.bytes > PAYLOAD_MAX {
        let detail = format!("{} bytes; the limit is {PAYLOAD_MAX}", told.bytes);
        return Err((Code::EventTooLarge.name(), detail));
    }
    let payload = std::str::from_utf8(told.payload)
        .map_err(|error| ("not_text", format!("the payload is not UTF-8 text: {error}")))?;
    let body = body_of(payload).map_err(|error| (Code::MalformedJson.name(), error.to_string()))?;
    let digest = digest(told.payload);
    let request = Request {
        body: &body,
        header: &|_| None,
        received_at: received_at.to_string(),
        message: Some(Envelope { topic: told.topic, payload, digest: &digest, retained: told.retained }),
    };
    map.events_of(&request).map_err(|reason| (reason.code(), reason.to_string()))
}

/// 64 bits of a payload's hash: enough to tell apart what one device says under one number.
fn digest(payload: &[u8]) -> String {
    let hash = ring::digest::digest(&ring::digest::SHA256, payload);
    hash.as_ref()[..8].iter().fold(String::new(), |mut text, byte| {
        // Writing into a String does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Who takes a message, and by which rules.
#[derive(Clone, Copy)]
pub(super) struct Reader<'r> {
    pub(super) node: &'r Node,
    /// The broker's name.
    pub(super) name: &'r str,
    pub(super) source: &'r str,
    pub(super) map: &'r Map,
    pub(super) plan: Option<&'r Plan>,
}

/// The records of a message: nothing of it counts where a part of it was not understood.
pub(super) fn records(by: Reader<'_>, told: Told<'_>, received_at: Time) -> Result<Taken, NodeError> {
    let Refused { refusal: (code, reason), mut records, key } = match tried(by, told, received_at)? {
        Ok(taken) => return Ok(taken),
        Err(refused) => refused,
    };
    let key = key.unwrap_or_else(|| by.node.key_for(None, received_at));
    records.push(rejected(by, told, received_at, key, (code, &reason))?);
    Ok(Taken { records, nameless: 0, refused: Some((code, reason)) })
}

/// [`understood`], of a message that may be one on which reading fails: it is refused as any other that cannot be read.
fn tried(by: Reader<'_>, told: Told<'_>, received_at: Time) -> Result<Result<Taken, Refused>, NodeError> {
    caught(|| understood(by, told, received_at)).unwrap_or_else(|refusal| Ok(Err(refusal.into())))
}

/// What `work` makes, or what it said when it panicked.
fn caught<T>(work: impl FnOnce() -> T) -> Result<T, Refusal> {
    // What it reads is not changed by it: the records are made, and nothing is kept of them before they are whole.
    std::panic::catch_unwind(AssertUnwindSafe(work)).map_err(|panic| {
        let said = panic.downcast_ref::<String>().map(String::as_str);
        let said = said.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no reason given");
        ("poison", format!("reading it failed in the program itself: {said}"))
    })
}

/// The records of the events of a message that is understood.
fn understood(
    by: Reader<'_>,
    told: Told<'_>,
    received_at: Time,
) -> Result<Result<Taken, Refused>, NodeError> {
    let Reader { node, source, map, plan, .. } = by;
    let events = match events(map, told, received_at) {
        Ok(events) => events,
        Err(refusal) => return Ok(Err(refusal.into())),
    };
    let context = match told.retained {
        true => json!({ "topic": told.topic, "retained": true }),
        false => json!({ "topic": told.topic }),
    };
    let context = context.to_string();
    let outer = Outer { context: Some(&context), event_bytes_max: Some(EVENT_BYTES_MAX), ..Outer::default() };
    let mut taken = Taken { records: Vec::with_capacity(events.len()), nameless: 0, refused: None };
    let mut blocked: Option<Refused> = None;
    for event in &events {
        let named = match event.key.as_str() {
            "" => Named::No,
            key => Named::Client(key),
        };
        let nameless = matches!(named, Named::No);
        let id = || if nameless { crate::keys::fresh_id() } else { event.key.clone() };
        let parsed = match segment::parse(&event.json, None, outer, received_at, id) {
            Parsed::Event { event, .. } => event,
            Parsed::Refused(refused) => return Ok(Err((refused.code.name(), refused.detail).into())),
        };
        taken.nameless += u64::from(nameless);
        let door = Door { source, timeline: TimelineId::LIVE, received_at, named };
        match admit(node, plan, door, &parsed)? {
            Admitted::Taken { event, violation } => {
                taken.records.push(event);
                taken.records.extend(violation);
            }
            Admitted::Blocked { violation, detail, key } => {
                let refusal = (Code::PlanViolation.name(), detail);
                let refusal = || Refused { refusal, records: Vec::new(), key: Some(key) };
                blocked.get_or_insert_with(refusal).records.push(violation);
            }
        }
    }
    Ok(blocked.map_or(Ok(taken), Err))
}

/// A message that was not understood, whole, to be looked at and read again when the map is mended.
fn rejected(
    by: Reader<'_>,
    told: Told<'_>,
    received_at: Time,
    key: KeyId,
    (code, reason): (&str, &str),
) -> Result<Vec<u8>, NodeError> {
    let Reader { node, name, source, .. } = by;
    let raw = kept(told).to_string();
    // Two messages of the same words are two, and which of them came again is not known: each is a dead letter. Those
    // of one that came again are read again into the same events, which are recognised by their own keys.
    let dedupe = Dedupe::None;
    let place = format!("{PLACE}{name}");
    let body =
        RejectedBody { code: code.into(), reason: reason.into(), place: place.into(), raw: raw.into() };
    node.seal_rejected(source, received_at, key, dedupe, &body)
}

/// A message as a dead letter keeps it: bytes that are no text in base64, and of too many the beginning.
fn kept(told: Told<'_>) -> Value {
    let bytes = &told.payload[..told.payload.len().min(PAYLOAD_MAX)];
    let mut kept = json!({ "topic": told.topic, "retained": told.retained });
    match std::str::from_utf8(bytes) {
        Ok(text) => kept["payload"] = json!(text),
        Err(_) => kept["payload_base64"] = json!(BASE64.encode(bytes)),
    }
    if bytes.len() < told.bytes {
        kept["payload_bytes"] = json!(told.bytes);
    }
    kept
}

/// Reads a kept message again, as of the time when it came.
pub(super) fn replay(
    by: Reader<'_>,
    raw: &str,
    received_at: Time,
) -> Result<Result<Vec<Vec<u8>>, String>, NodeError> {
    let kept: Value = serde_json::from_str(raw).unwrap_or_default();
    if kept["payload_bytes"].is_u64() {
        return Ok(Err("only the beginning of this message was kept".to_owned()));
    }
    let payload = match kept["payload_base64"].as_str() {
        Some(text) => BASE64.decode(text).unwrap_or_default(),
        None => kept["payload"].as_str().unwrap_or_default().as_bytes().to_vec(),
    };
    let topic = kept["topic"].as_str().unwrap_or_default();
    let told = Told::whole(topic, &payload, kept["retained"] == true);
    let tried = tried(by, told, received_at)?;
    Ok(tried.map(|taken| taken.records).map_err(|refused| refused.refusal.1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broker::settings::DEFAULT_MAP;

    const AT: Time = Time(1_772_400_000_000_000);

    fn made(topic: &str, payload: &[u8]) -> Result<Vec<(String, Value)>, Refusal> {
        let map = Map::parse(DEFAULT_MAP, "mqtt.yaml").unwrap();
        let events = events(&map, Told::whole(topic, payload, false), AT)?;
        let json = |event: ImportEvent| (event.key, serde_json::from_str(&event.json).unwrap());
        Ok(events.into_iter().map(json).collect())
    }

    fn key(topic: &str, payload: &str) -> String {
        let made = made(topic, payload.as_bytes()).unwrap();
        assert_eq!(made.len(), 1, "{payload}");
        made[0].0.clone()
    }

    #[test]
    fn a_level_is_a_number_or_an_object() {
        let topic = "inyeon/d-1/slots/black/level";
        for (payload, level) in
            [("37", 37.0), ("37.5", 37.5), ("\"37\"", 37.0), (r#"{"level":37}"#, 37.0), (" 0 ", 0.0)]
        {
            let made = made(topic, payload.as_bytes()).unwrap();
            let (key, event) = &made[0];
            assert_eq!(key, "", "{payload}: nothing to recognise it by");
            assert_eq!(event["event"], "slot.level_reported");
            assert_eq!(event["properties"]["level"].as_f64(), Some(level), "{payload}");
            assert_eq!(event["properties"]["device_id"], "d-1");
            assert_eq!(event["properties"]["slot_id"], "black");
            assert_eq!(event["timestamp"], AT.to_string());
        }
        for (payload, code) in [
            (&b"much"[..], "number"),
            (b"null", "missing"),
            (b"true", "number"),
            (b"{}", "missing"),
            (br#"{"level":37"#, "malformed_json"),
            (b"\xff\xfe37", "not_text"),
            (br#"{"level":37,"at":"yesterday"}"#, "time"),
        ] {
            assert_eq!(made(topic, payload).unwrap_err().0, code, "{}", String::from_utf8_lossy(payload));
        }
        assert_eq!(made(topic, b"").unwrap(), []);
        assert_eq!(made("inyeon/d-1/slots/black", b"37").unwrap_err().0, "no_rule");
    }

    #[test]
    fn a_message_goes_by_its_id_then_its_time_then_its_number() {
        let topic = "inyeon/d-1/slots/black/level";
        let all = r#"{"level":1,"id":"m-1","at":"2026-03-01T00:00:00Z","boot":"b","seq":9}"#;
        assert_eq!(key(topic, all), format!("{topic} id m-1"));
        let timed = r#"{"level":1,"at":"2026-03-01T00:00:00Z","boot":"b","seq":9}"#;
        assert_eq!(key(topic, timed), format!("{topic} at 2026-03-01T00:00:00Z"));
        assert_eq!(key(topic, r#"{"level":1,"boot":"b","seq":9}"#), format!("{topic} seq b 9"));
        // Without a boot the number may begin again: the same words are the same message, others are not.
        let (one, same) = (r#"{"level":1,"seq":9}"#, r#"{"level":1,"seq":9}"#);
        assert_eq!(key(topic, one), key(topic, same));
        assert_ne!(key(topic, one), key(topic, r#"{"level":2,"seq":9}"#));
        // What one device names, another may name too.
        assert_ne!(key(topic, all), key("inyeon/d-2/slots/black/level", all));
    }

    #[test]
    fn readings_come_in_a_list_or_side_by_side() {
        let topic = "inyeon/d-1/readings";
        let list = r#"{"id":"r-1","at":"2026-03-01T00:00:00Z","readings":[
            {"name":"temperature","value":21.5,"unit":"Cel"},{"name":"humidity","value":40}]}"#;
        let made_of = made(topic, list.as_bytes()).unwrap();
        let keys: Vec<&str> = made_of.iter().map(|(key, _)| key.as_str()).collect();
        assert_eq!(keys, [format!("{topic} id r-1 0"), format!("{topic} id r-1 1")]);
        assert_eq!(made_of[0].1["properties"]["value"], 21.5);
        assert_eq!(made_of[0].1["timestamp"], "2026-03-01T00:00:00Z");
        let bare = made(topic, br#"[{"name":"temperature","value":1,"at":"2026-03-01T00:00:00Z"}]"#).unwrap();
        assert_eq!(bare[0].0, format!("{topic} at 2026-03-01T00:00:00Z temperature"));
        let beside = made(topic, br#"{"seq":3,"boot":"b","temperature":21.5}"#).unwrap();
        assert_eq!(beside[0].0, format!("{topic} seq b 3"));
        assert_eq!(beside[0].1["properties"]["values"]["temperature"], 21.5);
        assert_eq!(made(topic, b"21.5").unwrap_err().0, "no_rule");
    }

    #[test]
    fn offline_is_silence() {
        let topic = "inyeon/d-1/status";
        for payload in ["offline", "\"offline\"", r#"{"state":"offline","at":"2020-01-01T00:00:00Z"}"#] {
            let made = made(topic, payload.as_bytes()).unwrap();
            assert_eq!(made[0].1["event"], "device.silent", "{payload}");
            assert_eq!(made[0].1["timestamp"], AT.to_string(), "a will's own time is when it was written");
        }
        let online = made(topic, b"online").unwrap();
        assert_eq!(online[0].1["event"], "device.status_reported");
        assert_eq!(online[0].1["properties"]["state"], "online");
    }

    #[test]
    fn bytes_are_kept_so_that_they_can_be_had_back() {
        let binary = kept(Told::whole("t", b"\x00\xff", true));
        assert_eq!(binary, json!({ "topic": "t", "retained": true, "payload_base64": "AP8=" }));
        let large = vec![b'x'; PAYLOAD_MAX + 1];
        let large = kept(Told::whole("t", &large, false));
        assert_eq!(large["payload_bytes"], PAYLOAD_MAX + 1);
        assert_eq!(large["payload"].as_str().map(str::len), Some(PAYLOAD_MAX));
        let beginning = Told { topic: "t", payload: b"beg", bytes: PAYLOAD_MAX + 7, retained: false };
        assert_eq!(kept(beginning)["payload_bytes"], PAYLOAD_MAX + 7);
        let map = Map::parse(DEFAULT_MAP, "mqtt.yaml").unwrap();
        assert_eq!(events(&map, beginning, AT).unwrap_err().0, "event_too_large");
    }

    /// Readings by their number, with so long a unit each.
    fn readings(number: usize, unit: usize) -> String {
        let reading = format!(r#"{{"name":"t","value":1,"unit":"{}"}}"#, "u".repeat(unit));
        format!(r#"{{"id":"r","readings":[{}]}}"#, vec![reading; number].join(","))
    }

    #[test]
    fn a_long_list_is_read_and_one_that_is_too_long_is_refused() {
        let topic = "inyeon/d-1/readings";
        let read = made(topic, readings(5_000, 780).as_bytes()).unwrap();
        assert_eq!(read.len(), 5_000);
        assert_eq!(read.last().unwrap().1["properties"]["unit"].as_str().map(str::len), Some(780));
        let began = std::time::Instant::now();
        let refused = made(topic, readings(100_000, 3).as_bytes()).unwrap_err();
        assert_eq!(refused.0, "too_many_events");
        assert!(refused.1.contains("10000"), "{}", refused.1);
        assert!(began.elapsed().as_secs() < 20, "a row does not copy its message: {:?}", began.elapsed());
    }

    #[test]
    fn a_message_on_which_reading_panics_is_refused() {
        assert_eq!(caught(|| 1), Ok(1));
        let refused = caught(|| -> u8 { panic!("out of {}", "bounds") }).unwrap_err();
        assert_eq!(refused.0, "poison");
        assert!(refused.1.contains("out of bounds"), "{}", refused.1);
    }
}
