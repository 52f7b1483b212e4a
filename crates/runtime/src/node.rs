//! A running store: the threads, and the handle that the edge holds.
//!
//! ```text
//! submit ─► intake writer ─► intake log ─┐
//! command, question ───────────────────► partition writer ─► journal ─► views writer ─► checkpointer
//!                     settled ◄── effect runner ◄──────┘
//! ```

mod followers;
mod outlets;
mod partition;

use std::collections::VecDeque;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Sender, bounded, unbounded};
use model::codec::Stored;
use model::{
    Command, Dedupe, DedupeHash, Effect, EffectResult, EntityId, Event, Identifier, IntakeHeader,
    IntakeRecord, KeyId, Outcome, PartitionId, RecordKind, RejectedBody, Signal, Time, TimelineId,
    ViolationBody,
};
use store::{
    Checkpoint, CommitError, Disk, Durable, Keys, LogReader, OpenStoreError, State, Store, StoreOptions,
};
use views::{Change, Reader, Views};

use self::followers::{checkpoint, finish_erasures, follow};
pub use self::outlets::OutletStatus;
use self::outlets::{Outlets, Post, Watch, run_effects};
use self::partition::Partition;
use crate::base::Base;
use crate::clock::Clock;
use crate::effects::Sink;
use crate::fold::{Fold, FoldError, SharedRules};
use crate::history::History;
use crate::intake::{Intake, IntakeCounts, IntakeError};
use crate::logs::Logs;

/// Makes a store's signer of links when it is opened.
pub type LinksFrom = Box<dyn FnOnce(&Keys) -> Arc<channels::LinkMaker> + Send>;

pub struct NodeOptions {
    pub store: StoreOptions,
    pub disk: Disk,
    pub clock: Clock,
    pub sink: Sink,
    /// Bytes that may wait to be written; a source whose share of them is used up is refused.
    pub queue_bytes: usize,
    /// Customers kept in memory.
    pub cache_entities: usize,
    pub checkpoint_every: Duration,
    /// When a system that did not take an order or payment is told again.
    pub schedule: channels::Schedule,
    /// When a mail server that did not take a message is tried again.
    pub mail_schedule: channels::Schedule,
    /// Makes what signs the links in messages, from the store's keys. Without it messages with links wait.
    pub links: Option<LinksFrom>,
    /// Told how far the journal has been folded again: (done, of).
    pub on_replay: fn(u64, u64),
}

impl Default for NodeOptions {
    fn default() -> Self {
        NodeOptions {
            store: StoreOptions { snapshots: engine::SNAPSHOT_FORMAT, ..StoreOptions::default() },
            disk: Disk::from_environment(),
            clock: Clock::System,
            sink: Sink::Inbox,
            queue_bytes: 64 << 20,
            cache_entities: 100_000,
            checkpoint_every: Duration::from_secs(5),
            schedule: channels::SCHEDULE,
            mail_schedule: channels::MAIL_SCHEDULE,
            links: None,
            on_replay: |_, _| {},
        }
    }
}

/// Why a node could not start, or could not answer.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    #[error(transparent)]
    Open(#[from] OpenStoreError),
    #[error(transparent)]
    Views(#[from] views::Error),
    #[error(transparent)]
    Fold(#[from] FoldError),
    #[error(transparent)]
    Intake(#[from] IntakeError),
    #[error("the store could not be brought up to date")]
    Commit(#[from] CommitError),
    #[error("the store cache could not be written")]
    State(#[from] store::StateError),
    #[error("cannot {doing} {path}")]
    Io { doing: &'static str, path: std::path::PathBuf, source: std::io::Error },
    #[error("the subject of this input was erased at this moment; send it again")]
    Erased,
    #[error("the store is closing")]
    Closing,
}

enum Request {
    Command {
        entity: EntityId,
        command: Command,
        answer: Sender<Vec<Outcome>>,
    },
    Publish(Box<engine::Reference>),
    Ask(Box<dyn FnOnce(&mut Fold) + Send>),
    Act(Act),
    /// Once the input with this intake sequence has counted.
    After(u64, Box<Request>),
    Settle {
        entity: EntityId,
        key: String,
        result: EffectResult,
    },
    /// Messages that a system which is told nothing any more does not have.
    Untold(Vec<(EntityId, Effect)>),
    /// A system said that it takes nothing any more.
    OutletGone {
        name: String,
        reason: String,
    },
    /// Answer once every input that is durable now has counted and the views show it.
    Drain {
        answer: Sender<()>,
    },
    CheckpointDone(u64),
    Checkpoint {
        answer: Sender<()>,
    },
    Stop,
}

/// Works on the fold at a time, and gives back what is to be called once that is durable.
type Act = Box<dyn FnOnce(&mut Fold, Time) -> Result<Answer, FoldError> + Send>;
type Answer = Box<dyn FnOnce() + Send>;

enum ToViews {
    Batch { upto: u64, changes: Vec<(u64, Change)> },
    Checkpoint(Box<Checkpoint>),
    Drained(Sender<()>),
}

/// Figures for the metrics page.
#[derive(Debug, Default)]
pub struct NodeCounts {
    pub applied: AtomicU64,
    pub applied_to: AtomicU64,
    pub duplicates: AtomicU64,
    pub journal_seq: AtomicU64,
    pub views_seq: AtomicU64,
    /// Since this start: inputs that counted and that nothing recognises when they come again.
    pub at_least_once: AtomicU64,
    /// Since this start: inputs on which the fold failed.
    pub poisoned: AtomicU64,
    /// Since this start: steps that were folded again because of them.
    pub refolded: AtomicU64,
}

/// An open store with its threads. Dropping it stops them in order and settles the files.
pub struct Node {
    pub keys: Arc<Keys>,
    pub layout: store::Layout,
    pub clock: Clock,
    pub notes: Vec<String>,
    intake: Option<Intake>,
    requests: Sender<Request>,
    intake_durable: Arc<Durable>,
    readers: Box<dyn Fn() -> Logs + Send + Sync>,
    counts: Arc<NodeCounts>,
    rules: SharedRules,
    watch: Watch,
    threads: Vec<JoinHandle<()>>,
    partition_thread: Option<JoinHandle<()>>,
    // The lock on the directory is held until everything else is gone.
    _lock: fs::File,
}

const PARTITION: PartitionId = PartitionId(0);
/// Batches that may wait for the views before the fold waits for them.
const VIEWS_QUEUE: usize = 64;

impl Node {
    /// Opens or creates the store in `dir`, folds what the caches lack, and starts the threads.
    pub fn open(dir: &Path, options: NodeOptions) -> Result<Node, NodeError> {
        let mut store = Store::open(dir, options.disk.clone(), &options.store)?;
        let mut notes = std::mem::take(&mut store.notes);
        let views_path = store.layout.views().join("views.db");
        let journal_end = store.journal.next_seq() - 1;
        let mut views = open_views(&views_path, &mut notes)?;
        if views.position() > journal_end {
            notes.push("views: they were ahead of the journal; dropped and folded again".to_owned());
            drop(views);
            remove_dir(&store.layout.views())?;
            views = open_views(&views_path, &mut notes)?;
        }
        if views.position() < store.state_seq {
            // Profiles are shown from the fold's memory, so the views cannot catch up past a checkpoint.
            notes.push("views: behind the checkpoint; both are folded again".to_owned());
            store = store.reset_state()?;
        }
        let Store { layout, keys, intake: intake_log, journal: journal_log, state, state_seq, lock, .. } =
            store;
        let keys = Arc::new(keys);
        let state = Arc::new(state);
        let (intake_reader, journal_reader) = (intake_log.reader(), journal_log.reader());
        let readers = {
            let template = ReaderTemplate { intake: intake_log.reader(), journal: journal_log.reader() };
            Box::new(move || template.logs())
        };
        let logs = Logs::Disk { intake: intake_reader, journal: journal_reader };
        let base = Base::Checkpoint(state.clone());
        let mut fold = Fold::new(PARTITION, keys.clone(), base, state_seq, logs, options.cache_entities)?;
        replay(&mut fold, &mut views, &state, state_seq, journal_end, &options)?;
        let rules = fold.shared_rules();
        let intake_durable = intake_log.durable();
        let (requests, incoming) = unbounded();
        let (advanced, advance) = bounded(1);
        let (to_views, views_in) = bounded(VIEWS_QUEUE);
        let (to_effects, effects_in) = unbounded();
        let counts = Arc::new(NodeCounts::default());
        let watch = Watch::default();
        counts.views_seq.store(views.position(), Ordering::Relaxed);
        let (intake, intake_writer) =
            Intake::new(intake_log, keys.clone(), options.queue_bytes, advanced, end_process);
        let mut partition = Partition {
            fold,
            journal: journal_log,
            requests: incoming,
            advance,
            intake_durable: intake_durable.clone(),
            to_views: to_views.clone(),
            to_effects,
            clock: options.clock.clone(),
            keys: keys.clone(),
            sink: options.sink.clone(),
            outlets: Outlets::new(),
            counts: counts.clone(),
            checkpoint_every: options.checkpoint_every,
            committed: Instant::now(),
            committed_to: 0,
            checkpointed: Instant::now(),
            checkpointed_seq: journal_end,
            checkpoint_out: false,
            collecting_took: Duration::ZERO,
            checkpoint_wanted: Vec::new(),
            checkpoint_waiting: Vec::new(),
            draining: Vec::new(),
            waiting: VecDeque::new(),
        };
        partition.recover(&layout)?;
        partition.count();
        let mut threads = Vec::new();
        let (to_checkpointer, checkpoints) = bounded::<Box<Checkpoint>>(1);
        threads.push(spawn("intake", move || intake_writer.run()));
        threads.push(spawn("views", {
            let counts = counts.clone();
            move || follow(views, &views_in, &to_checkpointer, &counts)
        }));
        threads.push(spawn("checkpoint", {
            let requests = requests.clone();
            move || checkpoint(&state, &checkpoints, &requests)
        }));
        threads.push(spawn("effects", {
            let sink = options.sink.clone();
            let post = Post {
                requests: requests.clone(),
                clock: options.clock.clone(),
                schedule: options.schedule,
                mail_schedule: options.mail_schedule,
                attempts: channels::Attempts::new(layout.attempts()),
                links: options.links.map(|links| links(&keys)),
                watch: watch.clone(),
            };
            move || run_effects(&sink, &effects_in, &post)
        }));
        drop(to_views);
        let partition_thread = Some(spawn("partition", move || partition.run()));
        Ok(Node {
            keys,
            layout,
            clock: options.clock,
            notes,
            intake: Some(intake),
            requests,
            intake_durable,
            readers,
            counts,
            rules,
            watch,
            threads,
            partition_thread,
            _lock: lock,
        })
    }

    pub fn counts(&self) -> &NodeCounts {
        &self.counts
    }

    /// How things stand with the systems that are told of orders and payments, by their names.
    pub fn outlets(&self) -> std::collections::BTreeMap<String, OutletStatus> {
        self.watch.lock().expect("no panic while held").clone()
    }

    pub fn intake_counts(&self) -> &IntakeCounts {
        self.intake().counts()
    }

    /// Intake records that are durable and have not counted yet.
    pub fn backlog(&self) -> u64 {
        self.intake_durable.seq().saturating_sub(self.counts.applied_to.load(Ordering::Relaxed))
    }

    pub fn intake_seq(&self) -> u64 {
        self.intake_durable.seq()
    }

    fn intake(&self) -> &Intake {
        self.intake.as_ref().expect("taken only when dropped")
    }

    /// Seals an event into a record for [`Node::submit`]. `at` is the line of time's own: the server's time when
    /// live, the event's in an import.
    pub fn seal_event(
        &self,
        source: &str,
        timeline: TimelineId,
        received_at: Time,
        dedupe: Dedupe,
        event: &Event<'_>,
    ) -> Result<Vec<u8>, NodeError> {
        let key = self.key_of(event, received_at);
        let at = if timeline.is_live() { received_at } else { event.timestamp };
        self.seal(RecordKind::Event, source, timeline, received_at, at, dedupe, key, &event.encode())
    }

    /// Seals what could not be taken into a record that keeps it, whole, as a dead letter. `key` is that of whom it is
    /// about: [`Self::key_of`] where an event was understood, else [`Self::key_for`].
    pub fn seal_rejected(
        &self,
        source: &str,
        received_at: Time,
        key: KeyId,
        dedupe: Dedupe,
        body: &RejectedBody<'_>,
    ) -> Result<Vec<u8>, NodeError> {
        let live = TimelineId::LIVE;
        self.seal(RecordKind::Rejected, source, live, received_at, received_at, dedupe, key, &body.encode())
    }

    /// Seals what an event does against the tracking plan, for whoever the event is about.
    pub fn seal_violation(
        &self,
        source: &str,
        received_at: Time,
        event: &Event<'_>,
        dedupe: Dedupe,
        body: &ViolationBody<'_>,
    ) -> Result<Vec<u8>, NodeError> {
        let key = self.key_of(event, received_at);
        // It is noticed now, whenever the event happened.
        let live = TimelineId::LIVE;
        self.seal(RecordKind::Violation, source, live, received_at, received_at, dedupe, key, &body.encode())
    }

    /// The key of whom an identifier names; of nobody, the day's.
    pub fn key_for(&self, subject: Option<Identifier<'_>>, received_at: Time) -> KeyId {
        match subject {
            Some(identifier) => self.keys.key_for(self.keys.hash_identifier(&identifier)),
            None => self.day_key(received_at),
        }
    }

    /// The key of whom an event is about.
    pub fn key_of(&self, event: &Event<'_>, received_at: Time) -> KeyId {
        // By the rules of the fold: a placeholder's key would be shared by strangers.
        let rules = self.rules.read().expect("no panic while held").clone();
        match rules.read_home(event).home() {
            Some(identifier) => self.key_for(Some(identifier), received_at),
            // What is known of an order belongs to whoever placed it, and goes when they go.
            None => match Signal::parse(&event.name, event.properties.as_deref()) {
                Some(Ok(signal)) => {
                    self.keys.key_for(self.keys.hash_identifier(&signal.about().identifier()))
                }
                _ => self.day_key(received_at),
            },
        }
    }

    /// The key of what names nobody: one for each day.
    fn day_key(&self, at: Time) -> KeyId {
        self.keys.key_for(self.keys.hash_day(at.day()))
    }

    #[allow(clippy::too_many_arguments, reason = "the fields of one record, put together in one place")]
    fn seal(
        &self,
        kind: RecordKind,
        source: &str,
        timeline: TimelineId,
        received_at: Time,
        at: Time,
        dedupe: Dedupe,
        key: KeyId,
        body: &[u8],
    ) -> Result<Vec<u8>, NodeError> {
        let header = IntakeHeader { kind, source: source.into(), timeline, received_at, at, dedupe };
        let body = self.keys.seal(key, body).map_err(|_| NodeError::Erased)?;
        Ok(IntakeRecord { header, body }.encode())
    }

    /// Whether [`Node::submit`] would take about so many bytes from a source now: refusing before anything is read
    /// costs little.
    pub fn admit(&self, source: &str, bytes: usize) -> Result<(), IntakeError> {
        self.intake().admit(source, bytes)
    }

    /// Makes a source's records durable; `answer` is called once, with the end of it. Of several submissions of one
    /// source the earlier counts before the later.
    pub fn submit(
        &self,
        source: &str,
        records: Vec<Vec<u8>>,
        answer: impl FnOnce(Result<(), IntakeError>) + Send + 'static,
    ) {
        self.intake().submit(source, records, answer);
    }

    /// [`Node::submit`], waiting for room and for the answer.
    pub fn submit_and_wait(&self, source: &str, records: Vec<Vec<u8>>) -> Result<(), NodeError> {
        let (answer, answered) = bounded(1);
        self.intake().submit_patiently(source, records, move |result| drop(answer.send(result)));
        Ok(answered.recv().map_err(|_| NodeError::Closing)??)
    }

    /// Gives a command; returns what it led to, once that is durable.
    pub fn command(&self, entity: EntityId, command: Command) -> Result<Vec<Outcome>, NodeError> {
        let (answer, answered) = bounded(1);
        self.send(Request::Command { entity, command, answer })?;
        answered.recv().map_err(|_| NodeError::Closing)
    }

    pub fn publish_reference(&self, reference: engine::Reference) -> Result<(), NodeError> {
        self.send(Request::Publish(Box::new(reference)))
    }

    /// Lets `question` look at the fold on its own thread.
    pub fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&mut Fold) -> T + Send + 'static,
    ) -> Result<T, NodeError> {
        let (answer, answered) = bounded(1);
        self.send(Request::Ask(Box::new(move |fold| drop(answer.send(question(fold))))))?;
        answered.recv().map_err(|_| NodeError::Closing)
    }

    /// Lets `act` work on the fold, and calls `answer` with what it gives once that is durable. Waits for nothing: many
    /// that come at once become durable together.
    pub fn act<T: Send + 'static>(
        &self,
        act: impl FnOnce(&mut Fold, Time) -> Result<T, FoldError> + Send + 'static,
        answer: impl FnOnce(T) + Send + 'static,
    ) -> Result<(), NodeError> {
        self.send(Request::Act(Box::new(move |fold, now| {
            let done = act(fold, now)?;
            Ok(Box::new(move || answer(done)))
        })))
    }

    /// [`Self::act`], waiting for the answer.
    pub fn act_and_wait<T: Send + 'static>(
        &self,
        act: impl FnOnce(&mut Fold, Time) -> Result<T, FoldError> + Send + 'static,
    ) -> Result<T, NodeError> {
        let (answer, answered) = bounded(1);
        self.act(act, move |done| drop(answer.send(done)))?;
        answered.recv().map_err(|_| NodeError::Closing)
    }

    /// [`Self::act`], once every input has counted that was durable when this was called: what was acknowledged before
    /// is seen by it.
    pub fn act_on_all<T: Send + 'static>(
        &self,
        act: impl FnOnce(&mut Fold, Time) -> Result<T, FoldError> + Send + 'static,
        answer: impl FnOnce(T) + Send + 'static,
    ) -> Result<(), NodeError> {
        let act: Act = Box::new(move |fold, now| {
            let done = act(fold, now)?;
            Ok(Box::new(move || answer(done)))
        });
        self.after_all(Request::Act(act))
    }

    /// [`Self::ask_then`], once every input has counted that was durable when this was called.
    pub fn ask_of_all(&self, question: impl FnOnce(&mut Fold) + Send + 'static) -> Result<(), NodeError> {
        self.after_all(Request::Ask(Box::new(question)))
    }

    fn after_all(&self, request: Request) -> Result<(), NodeError> {
        self.send(Request::After(self.intake_durable.seq(), Box::new(request)))
    }

    /// [`Self::ask`] without waiting: `answer` is called on the fold's own thread.
    pub fn ask_then(&self, question: impl FnOnce(&mut Fold) + Send + 'static) -> Result<(), NodeError> {
        self.send(Request::Ask(Box::new(question)))
    }

    /// Which of these natural keys of an import were applied already.
    pub fn are_permanent(&self, hashes: Vec<DedupeHash>) -> Result<Vec<bool>, NodeError> {
        Ok(self.ask(move |fold| fold.are_permanent(&hashes))??)
    }

    /// Returns once every input that was durable before has counted, and the views show it.
    pub fn drain(&self) -> Result<(), NodeError> {
        let (answer, answered) = bounded(1);
        self.send(Request::Drain { answer })?;
        answered.recv().map_err(|_| NodeError::Closing)
    }

    /// Writes a checkpoint now and returns when it is durable.
    pub fn checkpoint(&self) -> Result<(), NodeError> {
        let (answer, answered) = bounded(1);
        self.send(Request::Checkpoint { answer })?;
        answered.recv().map_err(|_| NodeError::Closing)
    }

    /// Erases a person ([`Fold::erasure`] says what of them): what was received from and decided about them is
    /// unreadable when this returns, in every file of the store.
    pub fn erase(&self, entity: EntityId) -> Result<Vec<EntityId>, NodeError> {
        // In one commit, so that nothing comes between.
        let now = self.clock.now();
        let erase = move |fold: &mut Fold| -> Result<Vec<EntityId>, FoldError> {
            let cluster = fold.erasure(entity)?;
            let now = fold.before_backlog(now)?;
            for id in &cluster {
                fold.command(*id, &Command::Erase, now)?;
            }
            Ok(cluster)
        };
        let cluster = self.ask(erase)??;
        // The order matters: nothing leads to them, no snapshot and no row is left, and only then the keys go. A
        // crash in between is finished at the next start.
        self.checkpoint()?;
        let keys = self.ask(Fold::take_erased_keys)?;
        crate::erasure::register(&self.layout, &keys).map_err(|(path, source)| NodeError::Io {
            doing: "write",
            path,
            source,
        })?;
        self.keys.destroy(&keys).unwrap_or_else(|error| end_process(&error));
        Ok(cluster)
    }

    /// A reader of the views, with its own connection.
    pub fn reader(&self) -> Result<Reader, NodeError> {
        Ok(Reader::open(self.layout.views().join("views.db"))?)
    }

    /// Reads history from a journal sequence on.
    pub fn history(&self, from: u64) -> History {
        History::new(self.logs(), self.keys.clone(), from)
    }

    /// The logs as they are now, to read.
    pub(crate) fn logs(&self) -> Logs {
        (self.readers)()
    }

    fn send(&self, request: Request) -> Result<(), NodeError> {
        self.requests.send(request).map_err(|_| NodeError::Closing)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // First no more input, then the fold, then those that follow it.
        drop(self.intake.take());
        let _ = self.requests.send(Request::Stop);
        for thread in self.partition_thread.take().into_iter().chain(self.threads.drain(..)) {
            let _ = thread.join();
        }
    }
}

struct ReaderTemplate {
    intake: LogReader,
    journal: LogReader,
}

impl ReaderTemplate {
    fn logs(&self) -> Logs {
        Logs::Disk { intake: self.intake.another(), journal: self.journal.another() }
    }
}

/// What is on disk is unknown: going on could acknowledge what is not there.
fn end_process(error: &CommitError) -> ! {
    let source = std::error::Error::source(error).map(|s| format!(": {s}")).unwrap_or_default();
    eprintln!("inyeon: {error}{source}");
    std::process::abort()
}

fn give_up(what: &str, error: &dyn std::error::Error) -> ! {
    let mut text = format!("inyeon: {what}: {error}");
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    eprintln!("{text}");
    std::process::abort()
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> JoinHandle<()> {
    let builder = std::thread::Builder::new().name(format!("inyeon-{name}"));
    builder.spawn(run).expect("the system gives a thread at start")
}

/// Lets this thread stand back behind those that answer: a fold may be late, an acknowledgement should not be.
fn stand_back() {
    // SAFETY: a system call on this very thread; on Linux 0 names the calling thread. Where it is refused, the
    // thread runs on as it is.
    unsafe {
        libc::setpriority(libc::PRIO_PROCESS, 0, 5);
    }
}

fn remove_dir(dir: &Path) -> Result<(), NodeError> {
    fs::remove_dir_all(dir).map_err(|source| NodeError::Io { doing: "remove", path: dir.to_owned(), source })
}

fn open_views(path: &Path, notes: &mut Vec<String>) -> Result<Views, NodeError> {
    if let Some(dir) = path.parent() {
        fs::create_dir_all(dir).map_err(|source| NodeError::Io {
            doing: "create",
            path: dir.to_owned(),
            source,
        })?;
    }
    let opened = Views::open(path)?;
    if let views::Begin::Fresh(why) = &opened.begin
        && *why != views::Why::Missing
    {
        notes.push(format!("views: dropped and folded again ({why:?})"));
    }
    Ok(opened.views)
}

/// Entries folded between two looks at memory and views.
const REPLAY_BATCH: u64 = 4096;

fn replay(
    fold: &mut Fold,
    views: &mut Views,
    state: &State,
    from: u64,
    end: u64,
    options: &NodeOptions,
) -> Result<(), NodeError> {
    let mut since_checkpoint = 0;
    for seq in from + 1..=end {
        fold.replay(seq)?;
        since_checkpoint += 1;
        if seq.is_multiple_of(REPLAY_BATCH) || seq == end {
            let changes = fold.take_replayed_changes()?;
            views.apply(seq, &changes)?;
            finish_erasures(views)?;
            (options.on_replay)(seq - from, end - from);
            // A long replay must not keep everything in memory.
            if fold.dirty_entities() > options.cache_entities / 2 || since_checkpoint > 64 * REPLAY_BATCH {
                views.make_durable()?;
                state.commit(fold.collect_checkpoint())?;
                fold.checkpoint_done(seq);
                since_checkpoint = 0;
            }
        }
    }
    Ok(())
}
