//! The intake writer: one thread that makes submissions durable together and then answers them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use store::{CommitError, Keys, LogWriter};

/// Why a submission was not accepted. Nothing of it was kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IntakeError {
    #[error("more is waiting to be written than the queue holds; try again in a moment")]
    Overloaded,
    #[error("the disk refused the write: {0}")]
    Disk(String),
    #[error("the server is stopping")]
    Stopping,
}

type Answer = Box<dyn FnOnce(Result<(), IntakeError>) + Send>;

struct Submission {
    records: Vec<Vec<u8>>,
    bytes: usize,
    answer: Answer,
}

/// Counts of the intake, for the metrics.
#[derive(Debug, Default)]
pub struct IntakeCounts {
    pub accepted: AtomicU64,
    pub refused: AtomicU64,
    pub commits: AtomicU64,
    pub queued_bytes: AtomicUsize,
}

/// The handle that everybody who submits has.
#[derive(Clone)]
pub(crate) struct Intake {
    to_writer: Sender<Submission>,
    counts: Arc<IntakeCounts>,
    queue_bytes: usize,
}

/// At most so much is written before a sync: an answer waits for one sync, not for a whole queue.
const COMMIT_BYTES: usize = 8 << 20;
const COMMIT_SUBMISSIONS: usize = 1000;
const QUEUE_SUBMISSIONS: usize = 16_384;

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
        let (to_writer, submissions) = bounded(QUEUE_SUBMISSIONS);
        let counts = Arc::new(IntakeCounts::default());
        let writer = IntakeWriter { log, keys, submissions, counts: counts.clone(), advanced, on_unknown };
        (Intake { to_writer, counts, queue_bytes }, writer)
    }

    pub(crate) fn counts(&self) -> &IntakeCounts {
        &self.counts
    }

    /// Hands encoded records over; `answer` is called once, when they are durable or were refused.
    pub(crate) fn submit(
        &self,
        records: Vec<Vec<u8>>,
        answer: impl FnOnce(Result<(), IntakeError>) + Send + 'static,
    ) {
        let bytes: usize = records.iter().map(Vec::len).sum();
        let queued = self.counts.queued_bytes.fetch_add(bytes, Ordering::Relaxed);
        let count = records.len() as u64;
        let refuse = |answer: Answer, why| {
            self.counts.queued_bytes.fetch_sub(bytes, Ordering::Relaxed);
            self.counts.refused.fetch_add(count, Ordering::Relaxed);
            answer(Err(why));
        };
        if queued > 0 && queued + bytes > self.queue_bytes {
            return refuse(Box::new(answer), IntakeError::Overloaded);
        }
        match self.to_writer.try_send(Submission { records, bytes, answer: Box::new(answer) }) {
            Ok(()) => {}
            Err(TrySendError::Full(refused)) => refuse(refused.answer, IntakeError::Overloaded),
            Err(TrySendError::Disconnected(refused)) => refuse(refused.answer, IntakeError::Stopping),
        }
    }
}

pub(crate) struct IntakeWriter {
    log: LogWriter,
    keys: Arc<Keys>,
    submissions: Receiver<Submission>,
    counts: Arc<IntakeCounts>,
    advanced: Sender<()>,
    on_unknown: fn(&CommitError) -> !,
}

impl IntakeWriter {
    /// Runs until every [`Intake`] is gone, then settles the log.
    pub(crate) fn run(mut self) {
        let mut group: Vec<Submission> = Vec::new();
        while let Ok(first) = self.submissions.recv() {
            let mut bytes = first.bytes;
            group.push(first);
            while group.len() < COMMIT_SUBMISSIONS && bytes < COMMIT_BYTES {
                let Ok(next) = self.submissions.try_recv() else { break };
                bytes += next.bytes;
                group.push(next);
            }
            let result = self.commit(&group);
            self.counts.queued_bytes.fetch_sub(bytes, Ordering::Relaxed);
            self.counts.commits.fetch_add(1, Ordering::Relaxed);
            let records: u64 = group.iter().map(|s| s.records.len() as u64).sum();
            let count = if result.is_ok() { &self.counts.accepted } else { &self.counts.refused };
            count.fetch_add(records, Ordering::Relaxed);
            if result.is_ok() {
                // The fold looks at the log itself; this only wakes it.
                let _ = self.advanced.try_send(());
            }
            for submission in group.drain(..) {
                (submission.answer)(result.clone());
            }
        }
        if let Err(error) = self.log.close() {
            (self.on_unknown)(&error);
        }
    }

    fn commit(&mut self, group: &[Submission]) -> Result<(), IntakeError> {
        let refused = |error: CommitError, on_unknown: fn(&CommitError) -> !| match error {
            CommitError::NotWritten { source, .. } => IntakeError::Disk(source.to_string()),
            CommitError::Unknown { .. } => on_unknown(&error),
        };
        // A body is readable only with its key, so the keys come first.
        self.keys.flush().map_err(|error| refused(error, self.on_unknown))?;
        for record in group.iter().flat_map(|submission| &submission.records) {
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
