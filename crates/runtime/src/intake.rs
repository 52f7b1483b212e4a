//! The intake writer: one thread that makes submissions durable together and then answers them.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;

use crossbeam_channel::Sender;
use store::{CommitError, Keys, LogWriter};

use crate::queue::{FairQueue, Refused, Turn};

/// Why a submission was not accepted. Nothing of it was kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IntakeError {
    #[error("this source has more waiting to be written than its share of the queue; try again in a moment")]
    Crowded,
    #[error("more is waiting to be written than the queue holds; try again in a moment")]
    Overloaded,
    #[error("the disk refused the write: {0}")]
    Disk(String),
    #[error("the server is stopping")]
    Stopping,
}

impl From<Refused> for IntakeError {
    fn from(why: Refused) -> Self {
        match why {
            Refused::Share => IntakeError::Crowded,
            Refused::Full => IntakeError::Overloaded,
        }
    }
}

type Answer = Box<dyn FnOnce(Result<(), IntakeError>) + Send>;

struct Submission {
    records: Vec<Vec<u8>>,
    answer: Answer,
}

/// Counts of the intake, for the metrics.
#[derive(Debug, Default)]
pub struct IntakeCounts {
    pub accepted: AtomicU64,
    pub commits: AtomicU64,
    pub queued_bytes: AtomicUsize,
    refused: Mutex<BTreeMap<Arc<str>, u64>>,
}

impl IntakeCounts {
    /// Submissions that were refused, by source; only sources of which one was.
    pub fn refused_by_source(&self) -> BTreeMap<Arc<str>, u64> {
        self.refused.lock().expect("no panic while held").clone()
    }

    fn refuse(&self, source: &str) {
        let mut refused = self.refused.lock().expect("no panic while held");
        match refused.get_mut(source) {
            Some(count) => *count += 1,
            None => drop(refused.insert(source.into(), 1)),
        }
    }
}

/// The queue between those who submit and the writer.
struct Shared {
    queue: Mutex<Queue>,
    /// Something was submitted, or nothing will be any more.
    arrived: Condvar,
    /// Something was written or refused.
    room: Condvar,
    counts: IntakeCounts,
}

struct Queue {
    waiting: FairQueue<Submission>,
    open: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().expect("no panic while held")
    }
}

/// The handle by which everybody submits. Dropping it ends the writer once everything was answered.
pub(crate) struct Intake {
    shared: Arc<Shared>,
}

/// At most so much is written before a sync: an answer waits for one sync, not for a whole queue.
const COMMIT_BYTES: usize = 8 << 20;
const COMMIT_SUBMISSIONS: usize = 1000;
/// What a submission and each of its records cost beside their bytes: so that a bound on bytes bounds their number.
const OVERHEAD_BYTES: usize = 256;
/// How long somebody who has time waits for room.
const ROOM_PATIENCE: Duration = Duration::from_secs(30);

fn bytes_of(records: &[Vec<u8>]) -> usize {
    OVERHEAD_BYTES + records.iter().map(|record| record.len() + OVERHEAD_BYTES).sum::<usize>()
}

impl Intake {
    /// A handle, and the writer's loop to run on a thread of its own. `on_unknown` is called when a sync failed;
    /// it must end the process.
    pub(crate) fn new(
        log: LogWriter,
        keys: Arc<Keys>,
        queue_bytes: usize,
        advanced: Sender<()>,
        on_unknown: fn(&CommitError) -> !,
    ) -> (Self, IntakeWriter) {
        let shared = Arc::new(Shared {
            queue: Mutex::new(Queue { waiting: FairQueue::new(queue_bytes), open: true }),
            arrived: Condvar::new(),
            room: Condvar::new(),
            counts: IntakeCounts::default(),
        });
        let writer = IntakeWriter { log, keys, shared: shared.clone(), advanced, on_unknown };
        (Intake { shared }, writer)
    }

    pub(crate) fn counts(&self) -> &IntakeCounts {
        &self.shared.counts
    }

    /// Whether a submission of about so many bytes would be taken now; one that would not is counted as refused.
    pub(crate) fn admit(&self, source: &str, bytes: usize) -> Result<(), IntakeError> {
        let admitted = self.shared.lock().waiting.admits(source, bytes);
        admitted.map_err(|why| {
            self.counts().refuse(source);
            why.into()
        })
    }

    /// Hands encoded records over; `answer` is called once, when they are durable or were refused.
    pub(crate) fn submit(
        &self,
        source: &str,
        records: Vec<Vec<u8>>,
        answer: impl FnOnce(Result<(), IntakeError>) + Send + 'static,
    ) {
        self.push(self.shared.lock(), source, records, Box::new(answer));
    }

    /// [`Self::submit`] by somebody who has time: waits a while for room before it is refused.
    pub(crate) fn submit_patiently(
        &self,
        source: &str,
        records: Vec<Vec<u8>>,
        answer: impl FnOnce(Result<(), IntakeError>) + Send + 'static,
    ) {
        let bytes = bytes_of(&records);
        let full = |queue: &mut Queue| queue.open && queue.waiting.admits(source, bytes).is_err();
        let waited = self.shared.room.wait_timeout_while(self.shared.lock(), ROOM_PATIENCE, full);
        let (queue, _) = waited.expect("no panic while held");
        self.push(queue, source, records, Box::new(answer));
    }

    fn push(&self, mut queue: MutexGuard<'_, Queue>, source: &str, records: Vec<Vec<u8>>, answer: Answer) {
        let bytes = bytes_of(&records);
        let pushed = queue.waiting.push(source, bytes, Submission { records, answer });
        self.counts().queued_bytes.store(queue.waiting.held(), Ordering::Relaxed);
        drop(queue);
        match pushed {
            Ok(()) => self.shared.arrived.notify_one(),
            Err((why, submission)) => {
                self.counts().refuse(source);
                (submission.answer)(Err(why.into()));
            }
        }
    }
}

impl Drop for Intake {
    fn drop(&mut self) {
        self.shared.lock().open = false;
        self.shared.arrived.notify_one();
    }
}

pub(crate) struct IntakeWriter {
    log: LogWriter,
    keys: Arc<Keys>,
    shared: Arc<Shared>,
    advanced: Sender<()>,
    on_unknown: fn(&CommitError) -> !,
}

impl IntakeWriter {
    /// Runs until the [`Intake`] is gone, then settles the log.
    pub(crate) fn run(mut self) {
        let mut group = Vec::new();
        while self.next_group(&mut group) {
            let result = self.commit(&group);
            self.make_room(&group);
            let counts = &self.shared.counts;
            counts.commits.fetch_add(1, Ordering::Relaxed);
            if result.is_ok() {
                let records: u64 = group.iter().map(|turn| turn.item.records.len() as u64).sum();
                counts.accepted.fetch_add(records, Ordering::Relaxed);
                // The fold looks at the log itself; this only wakes it.
                let _ = self.advanced.try_send(());
            }
            for turn in group.drain(..) {
                if result.is_err() {
                    counts.refuse(&turn.source);
                }
                (turn.item.answer)(result.clone());
            }
        }
        if let Err(error) = self.log.close() {
            (self.on_unknown)(&error);
        }
    }

    /// Waits for submissions and takes what is written together; false once there will be none.
    fn next_group(&self, group: &mut Vec<Turn<Submission>>) -> bool {
        let nothing = |queue: &mut Queue| queue.open && queue.waiting.is_empty();
        let waited = self.shared.arrived.wait_while(self.shared.lock(), nothing);
        waited.expect("no panic while held").waiting.take(COMMIT_BYTES, COMMIT_SUBMISSIONS, group);
        !group.is_empty()
    }

    fn make_room(&self, group: &[Turn<Submission>]) {
        let mut queue = self.shared.lock();
        for turn in group {
            queue.waiting.done(&turn.source, turn.bytes);
        }
        self.shared.counts.queued_bytes.store(queue.waiting.held(), Ordering::Relaxed);
        drop(queue);
        self.shared.room.notify_all();
    }

    fn commit(&mut self, group: &[Turn<Submission>]) -> Result<(), IntakeError> {
        let refused = |error: CommitError, on_unknown: fn(&CommitError) -> !| match error {
            CommitError::NotWritten { source, .. } => IntakeError::Disk(source.to_string()),
            CommitError::Unknown { .. } => on_unknown(&error),
        };
        // A body is readable only with its key, so the keys come first.
        self.keys.flush().map_err(|error| refused(error, self.on_unknown))?;
        for record in group.iter().flat_map(|turn| &turn.item.records) {
            self.log.append(record);
        }
        match self.log.commit() {
            Ok(_) => Ok(()),
            Err(error) => {
                self.log.discard();
                Err(refused(error, self.on_unknown))
            }
        }
    }
}
