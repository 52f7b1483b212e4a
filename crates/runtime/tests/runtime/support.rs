//! What the tests share: scale, seeded choices, records, and stores in temporary directories.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use engine::Entity;
use model::codec::Stored;
use model::{
    Dedupe, EntityId, Event, EventKind, Identifier, IntakeHeader, IntakeRecord, PartitionId, RecordKind,
    Time, TimelineId,
};
use runtime::{Clock, ManualClock, MemorySink, Node, NodeOptions, Sink};
use store::{Disk, Keys, LogOptions, StoreOptions};
use tempfile::TempDir;

/// `quick`, `full` or `soak`.
pub(crate) fn scale(quick: u64, full: u64, soak: u64) -> u64 {
    match std::env::var("INYEON_TEST_SCALE").as_deref() {
        Ok("full") => full,
        Ok("soak") => soak,
        Ok("quick") | Err(_) => quick,
        Ok(other) => panic!("INYEON_TEST_SCALE is {other}; it is quick, full or soak"),
    }
}

/// SplitMix64: the same numbers for the same seed, everywhere.
#[derive(Clone)]
pub(crate) struct Rng(u64);

impl Rng {
    pub(crate) fn new(seed: u64) -> Self {
        Rng(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0x1234_5678_9ABC_DEF0)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// 0 to n - 1.
    pub(crate) fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    pub(crate) fn between(&mut self, from: i64, to: i64) -> i64 {
        from + self.below((to - from + 1) as u64) as i64
    }

    pub(crate) fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    pub(crate) fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len() as u64) as usize]
    }
}

pub(crate) const MINUTE: i64 = 60_000_000;
pub(crate) const HOUR: i64 = 60 * MINUTE;
pub(crate) const DAY: i64 = 24 * HOUR;
/// Where the live clock of a test begins: 2026-03-02T09:00:00Z.
pub(crate) const START: Time = Time(1_772_442_000_000_000);

pub(crate) fn at(minutes: i64) -> Time {
    START.plus_micros(minutes * MINUTE)
}

/// A directory that goes when the test ends; in memory where the system has such a place, because these tests are
/// about bytes and not about a disk's time to sync.
pub(crate) fn temp() -> TempDir {
    let mut builder = tempfile::Builder::new();
    let builder = builder.prefix("inyeon-");
    builder.tempdir_in("/dev/shm").or_else(|_| builder.tempdir()).unwrap()
}

/// An event with nothing in it but what every one has.
pub(crate) fn event(kind: EventKind, name: &str, at: Time) -> Event<'static> {
    Event {
        kind,
        name: name.to_owned().into(),
        user_id: None,
        anonymous_id: None,
        previous_id: None,
        group_id: None,
        message_id: format!("m-{}", at.0).into(),
        timestamp: at,
        properties: None,
        traits: None,
        context: None,
        rest: None,
    }
}

pub(crate) fn track(user: &str, name: &str, at: Time, properties: &serde_json::Value) -> Event<'static> {
    Event {
        user_id: Some(user.to_owned().into()),
        properties: Some(properties.to_string().into()),
        ..event(EventKind::Track, name, at)
    }
}

/// An order with a promise to deliver it until `due`.
pub(crate) fn order(user: &str, order: &str, at: Time, due: Time) -> Event<'static> {
    let due = due.to_string();
    track(user, "order.placed", at, &serde_json::json!({ "order_id": order, "promise": { "due": due } }))
}

/// An event as a sealed intake record, without a node.
pub(crate) fn record(
    keys: &Keys,
    timeline: TimelineId,
    received_at: Time,
    dedupe: Dedupe,
    event: &Event<'_>,
) -> Vec<u8> {
    let key = match event.subject() {
        Some(identifier) => keys.key_for(keys.hash_identifier(&identifier)),
        None => keys.key_for(keys.hash_day(received_at.day())),
    };
    let at = if timeline.is_live() { received_at } else { event.timestamp };
    let header =
        IntakeHeader { kind: RecordKind::Event, source: "test".into(), timeline, received_at, at, dedupe };
    let body = keys.seal(key, &event.encode()).unwrap();
    IntakeRecord { header, body }.encode()
}

pub(crate) fn test_keys(dir: &Path) -> Arc<Keys> {
    Arc::new(Keys::open(&Disk::Real, &dir.join("keys"), &[7; 32], "test").unwrap())
}

pub(crate) fn customer(number: u64) -> EntityId {
    EntityId::customer(PartitionId(0), number)
}

/// A store in a temporary directory, with a clock set by hand.
pub(crate) struct Home {
    pub(crate) temp: TempDir,
    pub(crate) clock: ManualClock,
    pub(crate) sink: MemorySink,
}

impl Home {
    pub(crate) fn new() -> Self {
        Home { temp: temp(), clock: ManualClock::new(START), sink: MemorySink::default() }
    }

    pub(crate) fn dir(&self) -> PathBuf {
        self.temp.path().join("store")
    }

    pub(crate) fn options(&self) -> NodeOptions {
        NodeOptions {
            store: store_options(),
            disk: Disk::Real,
            clock: Clock::Manual(self.clock.clone()),
            sink: Sink::Memory(self.sink.clone()),
            checkpoint_every: Duration::from_secs(3600),
            cache_entities: 64,
            ..NodeOptions::default()
        }
    }

    pub(crate) fn open(&self) -> Node {
        self.open_at(&self.dir())
    }

    pub(crate) fn open_at(&self, dir: &Path) -> Node {
        Node::open(dir, self.options()).unwrap()
    }

    /// The store as a kill would leave it now, under another name.
    pub(crate) fn killed(&self, name: &str) -> PathBuf {
        self.killed_at(&self.dir(), name)
    }

    /// The same of a store that lies at `dir`.
    pub(crate) fn killed_at(&self, dir: &Path, name: &str) -> PathBuf {
        let copy = self.temp.path().join(name);
        copy_dir(dir, &copy);
        let key = store::Layout::new(dir).master_key();
        fs::copy(key, store::Layout::new(&copy).master_key()).unwrap();
        let register = store::destroyed_register(dir);
        if register.exists() {
            fs::copy(register, store::destroyed_register(&copy)).unwrap();
        }
        copy
    }
}

pub(crate) fn store_options() -> StoreOptions {
    StoreOptions {
        // Small segments, so that a test has several.
        log: LogOptions { segment_bytes: 4096 },
        snapshots: engine::SNAPSHOT_FORMAT,
        ..StoreOptions::default()
    }
}

pub(crate) fn copy_dir(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_dir(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), &target).unwrap();
        }
    }
}

/// Sends live events as a client would that names a message by what it says.
pub(crate) fn send(node: &Node, clock: &ManualClock, at: Time, events: &[Event<'_>]) {
    clock.set(at);
    let records = events
        .iter()
        .map(|event| {
            let dedupe = Dedupe::Client(node.keys.hash_message("test", &format!("{event:?}")));
            node.seal_event("test", TimelineId::LIVE, at, dedupe, event).unwrap()
        })
        .collect();
    node.submit_and_wait("test", records).unwrap();
}

/// What a node holds: the views as text, and every customer that an input of the intake may have begun.
#[derive(PartialEq, Eq, Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) dump: String,
    pub(crate) entities: BTreeMap<EntityId, Vec<u8>>,
}

pub(crate) fn look(node: &Node) -> Seen {
    node.drain().unwrap();
    let last = node.intake_seq();
    let entities = node
        .ask(move |fold| {
            let mut all = BTreeMap::new();
            for id in (1..=last).map(customer).chain([EntityId::workspace()]) {
                let entity = fold.entity(id).unwrap();
                if *entity != Entity::new(id) {
                    all.insert(id, runtime::snapshot(entity));
                }
            }
            all
        })
        .unwrap();
    Seen { dump: node.reader().unwrap().dump().unwrap(), entities }
}

/// Asserts equality and shows the first line that differs.
#[track_caller]
pub(crate) fn assert_same(a: &Seen, b: &Seen, what: &str) {
    assert_same_text(&a.dump, &b.dump, what);
    let keys: Vec<_> = a.entities.keys().chain(b.entities.keys()).collect();
    for id in keys {
        let read = |seen: &Seen| {
            seen.entities.get(id).map(|bytes| format!("{:?}", postcard::from_bytes::<Entity>(bytes).unwrap()))
        };
        assert_eq!(read(a), read(b), "{what}: entity {id}");
    }
    assert!(a == b, "{what}: the bytes differ");
}

#[track_caller]
pub(crate) fn assert_same_text(a: &str, b: &str, what: &str) {
    for (a, b) in a.lines().zip(b.lines()) {
        assert_eq!(a, b, "{what}");
    }
    assert_eq!(a.lines().count(), b.lines().count(), "{what}: {a}\n---\n{b}");
}

pub(crate) fn who(node: &Node, user: &str) -> Option<EntityId> {
    let user = user.to_owned();
    node.ask(move |fold| fold.lookup(&Identifier::User(&user)).unwrap()).unwrap()
}

/// What belongs to everybody but the erased.
pub(crate) fn without(seen: &Seen, gone: &[model::EntityId]) -> Seen {
    let hex: Vec<String> =
        gone.iter().map(|id| id.to_key().iter().map(|byte| format!("{byte:02x}")).collect()).collect();
    Seen {
        dump: seen
            .dump
            .lines()
            .filter(|line| !line.starts_with("meta") && !line.starts_with("clocks"))
            .filter(|line| !hex.iter().any(|hex| line.contains(hex.as_str())))
            .map(|line| format!("{line}\n"))
            .collect(),
        entities: seen
            .entities
            .iter()
            .filter(|(id, _)| !gone.contains(id))
            .map(|(k, v)| (*k, v.clone()))
            .collect(),
    }
}
