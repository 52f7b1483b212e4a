//! What any backend must do, written over a small factory, so that a second one can pass the same suite.

use std::sync::Arc;

use model::identity::{Evidence, Parted, Tie, Ties};
use model::{DedupeHash, EntityId, IdentifierHash, LogKind, PartitionId, Time};
use store::{Checkpoint, Disk, IdentityRow, LogReader, LogWriter, State};
use tempfile::TempDir;

use super::support::{body, open_as, place};

/// A place that can hold a log and a state, and can be opened again and again.
pub(crate) trait Backend {
    type Log: Log;
    type Cache: Cache;

    /// A new and empty one.
    fn new() -> Self;
    /// Opens the log; the one opened before is gone.
    fn log(&self) -> Self::Log;
    /// Opens the state for a journal that ends at `journal_end`, with snapshots of this format; says what it reflects
    /// and whether an older one was dropped.
    fn cache(&self, journal_end: u64, snapshots: u32) -> (Self::Cache, u64, bool);
}

pub(crate) trait Log {
    type Reader: Reader;
    fn append(&mut self, body: &[u8]) -> u64;
    fn commit(&mut self) -> u64;
    fn discard(&mut self);
    fn next_seq(&self) -> u64;
    fn durable(&self) -> u64;
    fn reader(&self) -> Self::Reader;
}

pub(crate) trait Reader {
    fn read(&mut self, seq: u64) -> Option<Vec<u8>>;
}

pub(crate) trait Cache {
    fn commit(&self, checkpoint: Checkpoint);
    fn fold(&self) -> Option<Vec<u8>>;
    fn entity(&self, id: EntityId) -> Option<(u64, Vec<u8>)>;
    fn entities(&self) -> Vec<(EntityId, Vec<u8>)>;
    fn identity(&self, hash: IdentifierHash) -> Option<IdentityRow>;
    fn positions(&self, id: EntityId) -> Vec<Vec<u8>>;
    fn was_seen(&self, hash: DedupeHash) -> bool;
    fn is_permanent(&self, hash: DedupeHash) -> bool;
    fn forget_days_before(&self, day: i64);
}

/// The tests of the suite, once for each backend.
macro_rules! conformance {
    ($name:ident, $backend:ty, [$($test:ident),+ $(,)?]) => {
        mod $name {
            $(#[test]
            fn $test() {
                super::suite::$test(<$backend as super::Backend>::new());
            })+
        }
    };
}

conformance!(
    embedded,
    super::Embedded,
    [
        a_new_log_is_empty,
        sequences_begin_at_one_and_have_no_gaps,
        only_what_is_committed_is_read,
        what_is_committed_is_there_after_reopening,
        what_is_discarded_leaves_no_trace,
        readers_are_independent_and_read_anywhere,
        a_reader_sees_what_is_committed_after_it_was_made,
        a_new_state_reflects_nothing,
        a_checkpoint_is_all_there_after_reopening,
        a_later_checkpoint_replaces_and_deletes,
        a_state_past_the_journals_end_is_dropped,
        a_state_of_other_snapshots_is_dropped,
        positions_are_those_of_one_entity_in_order,
        days_are_forgotten_and_permanent_keys_are_not,
        an_entity_is_found_by_its_id_only,
    ]
);

mod suite {
    use super::*;

    pub(super) fn a_new_log_is_empty(backend: impl Backend) {
        let mut log = backend.log();
        assert_eq!((log.next_seq(), log.durable(), log.commit()), (1, 0, 0));
        assert_eq!(log.reader().read(1), None);
        assert_eq!(log.reader().read(0), None);
    }

    pub(super) fn sequences_begin_at_one_and_have_no_gaps(backend: impl Backend) {
        let mut log = backend.log();
        for n in 1..=300 {
            assert_eq!(log.append(&body(1, n)), n);
            if n % 7 == 0 {
                assert_eq!(log.commit(), n);
            }
        }
        assert_eq!(log.next_seq(), 301);
    }

    pub(super) fn only_what_is_committed_is_read(backend: impl Backend) {
        let mut log = backend.log();
        log.append(b"a");
        assert_eq!((log.durable(), log.reader().read(1)), (0, None));
        log.commit();
        log.append(b"b");
        assert_eq!(
            (log.durable(), log.reader().read(1), log.reader().read(2)),
            (1, Some(b"a".to_vec()), None)
        );
        drop(log);
        assert_eq!(backend.log().next_seq(), 2, "what was not committed is gone with its writer");
    }

    pub(super) fn what_is_committed_is_there_after_reopening(backend: impl Backend) {
        for round in 0..5 {
            let mut log = backend.log();
            assert_eq!(log.durable(), round * 50);
            let mut reader = log.reader();
            for n in 1..=round * 50 {
                assert_eq!(reader.read(n), Some(body(2, n)), "entry {n}");
            }
            for n in 1..=50 {
                log.append(&body(2, round * 50 + n));
                if n % 9 == 0 {
                    log.commit();
                }
            }
            log.commit();
        }
    }

    pub(super) fn what_is_discarded_leaves_no_trace(backend: impl Backend) {
        let mut log = backend.log();
        log.append(b"a");
        log.commit();
        log.append(b"b");
        log.append(b"c");
        log.discard();
        assert_eq!((log.next_seq(), log.commit()), (2, 1));
        assert_eq!(log.append(b"d"), 2);
        log.commit();
        assert_eq!(log.reader().read(2), Some(b"d".to_vec()));
        assert_eq!(log.reader().read(3), None);
    }

    pub(super) fn readers_are_independent_and_read_anywhere(backend: impl Backend) {
        let mut log = backend.log();
        for n in 1..=400 {
            log.append(&body(3, n));
        }
        log.commit();
        let (mut forward, mut jumping) = (log.reader(), log.reader());
        for n in 1..=400 {
            let far = (n * 7919) % 400 + 1;
            assert_eq!(forward.read(n), Some(body(3, n)));
            assert_eq!(jumping.read(far), Some(body(3, far)));
            assert_eq!(jumping.read(far), Some(body(3, far)), "twice");
        }
    }

    pub(super) fn a_reader_sees_what_is_committed_after_it_was_made(backend: impl Backend) {
        let mut log = backend.log();
        let mut reader = log.reader();
        for n in 1..=200 {
            assert_eq!(reader.read(n), None);
            log.append(&body(4, n));
            log.commit();
            assert_eq!(reader.read(n), Some(body(4, n)));
        }
    }

    fn entity(n: u64) -> EntityId {
        EntityId::customer(PartitionId(0), n)
    }

    fn hash(n: u8) -> IdentifierHash {
        IdentifierHash([n; 16])
    }

    fn home(n: u64) -> IdentityRow {
        IdentityRow { home: Some(entity(n)), ties: None }
    }

    /// An address: it has no history of its own.
    fn tied() -> IdentityRow {
        let evidence = Evidence::Input(9);
        let tie =
            Tie { other: hash(1), with_user: true, explicit: true, at: Time(-4), tie: u64::MAX, evidence };
        let ties =
            Ties { kind: "email".into(), ties: vec![tie], parted: vec![Parted { other: hash(7), seq: 3 }] };
        IdentityRow { home: None, ties: Some(Arc::new(ties)) }
    }

    fn message(n: u8) -> DedupeHash {
        DedupeHash([n; 16])
    }

    fn full(seq: u64) -> Checkpoint {
        Checkpoint {
            journal_seq: seq,
            entities: vec![(entity(2), Some(b"two".to_vec())), (EntityId::workspace(), Some(b"w".to_vec()))],
            identities: vec![(hash(1), Some(home(2)))],
            positions: vec![(entity(2), 1, b"p1".to_vec())],
            seen: vec![(20_000, message(1))],
            permanent: vec![message(2)],
            forget_before: None,
            fold: b"fold".to_vec(),
        }
    }

    fn holds(cache: &impl Cache) {
        assert_eq!(cache.fold(), Some(b"fold".to_vec()));
        assert_eq!(cache.entity(entity(2)), Some((4, b"two".to_vec())));
        assert_eq!(cache.identity(hash(1)), Some(home(2)));
        assert_eq!(cache.positions(entity(2)), [b"p1".to_vec()]);
        assert!(cache.was_seen(message(1)) && !cache.was_seen(message(2)));
        assert!(cache.is_permanent(message(2)) && !cache.is_permanent(message(1)));
        assert_eq!(cache.entities(), [(entity(2), b"two".to_vec()), (EntityId::workspace(), b"w".to_vec())]);
    }

    fn empty(cache: &impl Cache) {
        assert_eq!(cache.fold(), None);
        assert_eq!(cache.entity(entity(2)), None);
        assert_eq!(cache.identity(hash(1)), None);
        assert!(cache.positions(entity(2)).is_empty() && cache.entities().is_empty());
        assert!(!cache.was_seen(message(1)) && !cache.is_permanent(message(2)));
    }

    pub(super) fn a_new_state_reflects_nothing(backend: impl Backend) {
        for _ in 0..2 {
            let (cache, seq, dropped) = backend.cache(0, 1);
            assert_eq!((seq, dropped), (0, false));
            empty(&cache);
        }
    }

    pub(super) fn a_checkpoint_is_all_there_after_reopening(backend: impl Backend) {
        let (cache, ..) = backend.cache(9, 1);
        cache.commit(full(4));
        holds(&cache);
        drop(cache);
        for journal_end in [4, 9] {
            let (cache, seq, dropped) = backend.cache(journal_end, 1);
            assert_eq!((seq, dropped), (4, false));
            holds(&cache);
        }
    }

    pub(super) fn a_later_checkpoint_replaces_and_deletes(backend: impl Backend) {
        let (cache, ..) = backend.cache(9, 1);
        cache.commit(full(4));
        cache.commit(Checkpoint {
            journal_seq: 7,
            entities: vec![(entity(2), None), (entity(3), Some(b"three".to_vec()))],
            identities: vec![(hash(1), None), (hash(2), Some(tied()))],
            ..Checkpoint::default()
        });
        fn replaced(cache: &impl Cache) {
            assert_eq!(cache.entity(entity(2)), None);
            assert_eq!(cache.entity(entity(3)), Some((7, b"three".to_vec())));
            assert_eq!(
                cache.entity(EntityId::workspace()),
                Some((4, b"w".to_vec())),
                "stamped when it was written"
            );
            assert_eq!((cache.identity(hash(1)), cache.identity(hash(2))), (None, Some(tied())));
            assert_eq!(cache.fold(), Some(Vec::new()));
            assert!(cache.was_seen(message(1)) && cache.is_permanent(message(2)));
        }
        replaced(&cache);
        drop(cache);
        let (cache, seq, dropped) = backend.cache(7, 1);
        assert_eq!((seq, dropped), (7, false));
        replaced(&cache);
    }

    pub(super) fn a_state_past_the_journals_end_is_dropped(backend: impl Backend) {
        let (cache, ..) = backend.cache(9, 1);
        cache.commit(full(4));
        drop(cache);
        let (cache, seq, dropped) = backend.cache(3, 1);
        assert_eq!((seq, dropped), (0, true));
        empty(&cache);
        drop(cache);
        let (_, seq, dropped) = backend.cache(3, 1);
        assert_eq!((seq, dropped), (0, false), "dropped once");
    }

    pub(super) fn a_state_of_other_snapshots_is_dropped(backend: impl Backend) {
        let (cache, ..) = backend.cache(9, 1);
        cache.commit(full(4));
        drop(cache);
        let (cache, seq, dropped) = backend.cache(9, 2);
        assert_eq!((seq, dropped), (0, true));
        empty(&cache);
        cache.commit(full(4));
        drop(cache);
        assert_eq!(backend.cache(9, 2).1, 4);
    }

    pub(super) fn positions_are_those_of_one_entity_in_order(backend: impl Backend) {
        let (cache, ..) = backend.cache(u64::MAX, 1);
        // Ids whose bytes are near each other, and chunks given out of order.
        let ids = [entity(1), entity(256), entity(u64::MAX), EntityId::customer(PartitionId(1), 1)];
        for (round, from) in [300_u64, 1, 70_000].into_iter().enumerate() {
            let chunk = |id: EntityId| (id, from, format!("{id}/{from}").into_bytes());
            let positions = ids.into_iter().map(chunk).collect();
            cache.commit(Checkpoint { journal_seq: round as u64 + 1, positions, ..Checkpoint::default() });
        }
        for id in ids {
            let expected: Vec<Vec<u8>> =
                [1, 300, 70_000].map(|from| format!("{id}/{from}").into_bytes()).into();
            assert_eq!(cache.positions(id), expected);
        }
        assert!(cache.positions(entity(2)).is_empty());
    }

    pub(super) fn days_are_forgotten_and_permanent_keys_are_not(backend: impl Backend) {
        let (cache, ..) = backend.cache(9, 1);
        let seen = [-1, 0, 19_999, 20_000, 20_001]
            .into_iter()
            .zip(1_u8..)
            .map(|(day, n)| (day, message(n)))
            .collect();
        cache.commit(Checkpoint {
            journal_seq: 1,
            seen,
            permanent: vec![message(9)],
            ..Checkpoint::default()
        });
        let seen =
            |cache: &dyn Fn(DedupeHash) -> bool| (1..=5).map(|n| cache(message(n))).collect::<Vec<_>>();
        assert_eq!(seen(&|hash| cache.was_seen(hash)), [true; 5]);
        cache.forget_days_before(20_000);
        assert_eq!(seen(&|hash| cache.was_seen(hash)), [false, false, false, true, true]);
        assert!(cache.is_permanent(message(9)));
        // A checkpoint may say it too, and what it brings itself counts first.
        cache.commit(Checkpoint {
            journal_seq: 2,
            seen: vec![(19_000, message(6)), (20_001, message(8))],
            forget_before: Some(19_001),
            ..Checkpoint::default()
        });
        assert_eq!((cache.was_seen(message(6)), cache.was_seen(message(8))), (false, true));
        // The same day again, after it was forgotten, begins empty.
        cache.commit(Checkpoint { journal_seq: 2, seen: vec![(0, message(7))], ..Checkpoint::default() });
        assert_eq!(seen(&|hash| cache.was_seen(hash)), [false, false, false, true, true]);
        assert!(cache.was_seen(message(7)));
        drop(cache);
        let (cache, seq, dropped) = backend.cache(9, 1);
        assert_eq!((seq, dropped), (2, false));
        assert_eq!(seen(&|hash| cache.was_seen(hash)), [false, false, false, true, true]);
        cache.forget_days_before(i64::MAX);
        assert_eq!(seen(&|hash| cache.was_seen(hash)), [false; 5]);
        assert!(cache.is_permanent(message(9)) && !cache.was_seen(message(7)));
    }

    pub(super) fn an_entity_is_found_by_its_id_only(backend: impl Backend) {
        let (cache, ..) = backend.cache(9, 1);
        let ids: Vec<EntityId> = (0..200).map(|n| entity(n * 251)).collect();
        let entities = ids.iter().rev().map(|id| (*id, Some(id.to_string().into_bytes()))).collect();
        cache.commit(Checkpoint { journal_seq: 1, entities, ..Checkpoint::default() });
        for id in &ids {
            assert_eq!(cache.entity(*id), Some((1, id.to_string().into_bytes())));
        }
        assert_eq!(cache.entity(entity(1)), None);
        let found: Vec<EntityId> = cache.entities().into_iter().map(|(id, _)| id).collect();
        assert_eq!(found, ids, "in the order of ids");
    }
}

/// The embedded backend: files of our own, and fjall.
pub(crate) struct Embedded {
    place: TempDir,
}

impl Backend for Embedded {
    type Log = LogWriter;
    type Cache = State;

    fn new() -> Self {
        Embedded { place: place() }
    }

    fn log(&self) -> LogWriter {
        open_as(&Disk::Real, &self.place.path().join("log"), LogKind::Journal)
            .unwrap_or_else(|e| panic!("{e}"))
            .writer
    }

    fn cache(&self, journal_end: u64, snapshots: u32) -> (State, u64, bool) {
        let opened = State::open(&self.place.path().join("state"), journal_end, snapshots).unwrap();
        (opened.state, opened.journal_seq, opened.dropped.is_some())
    }
}

impl Log for LogWriter {
    type Reader = LogReader;

    fn append(&mut self, body: &[u8]) -> u64 {
        LogWriter::append(self, body)
    }

    fn commit(&mut self) -> u64 {
        LogWriter::commit(self).unwrap()
    }

    fn discard(&mut self) {
        LogWriter::discard(self);
    }

    fn next_seq(&self) -> u64 {
        LogWriter::next_seq(self)
    }

    fn durable(&self) -> u64 {
        LogWriter::durable(self).seq()
    }

    fn reader(&self) -> LogReader {
        LogWriter::reader(self)
    }
}

impl Reader for LogReader {
    fn read(&mut self, seq: u64) -> Option<Vec<u8>> {
        LogReader::read(self, seq).unwrap_or_else(|e| panic!("{e}")).map(|frame| frame.body.to_vec())
    }
}

impl Cache for State {
    fn commit(&self, checkpoint: Checkpoint) {
        State::commit(self, checkpoint).unwrap();
    }

    fn fold(&self) -> Option<Vec<u8>> {
        State::fold(self).unwrap()
    }

    fn entity(&self, id: EntityId) -> Option<(u64, Vec<u8>)> {
        State::entity(self, id).unwrap()
    }

    fn entities(&self) -> Vec<(EntityId, Vec<u8>)> {
        let mut all = Vec::new();
        State::entities(self, |id, snapshot| all.push((id, snapshot.to_vec()))).unwrap();
        all
    }

    fn identity(&self, hash: IdentifierHash) -> Option<IdentityRow> {
        State::identity(self, hash).unwrap()
    }

    fn positions(&self, id: EntityId) -> Vec<Vec<u8>> {
        State::positions(self, id).unwrap()
    }

    fn was_seen(&self, hash: DedupeHash) -> bool {
        State::was_seen(self, hash).unwrap()
    }

    fn is_permanent(&self, hash: DedupeHash) -> bool {
        State::is_permanent(self, hash).unwrap()
    }

    fn forget_days_before(&self, day: i64) {
        State::forget_days_before(self, day).unwrap();
    }
}
