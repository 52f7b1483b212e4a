//! A running store: the threads, and the handle that the edge holds.
//!
//! ```text
//! submit ─► intake writer ─► intake log ─┐
//! command, question ───────────────────► partition writer ─► journal ─► views writer ─► checkpointer
//!                     settled ◄── effect runner ◄──────┘
//! ```

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};
use model::codec::Stored;
use model::{
    Command, Dedupe, DedupeHash, Effect, EffectResult, EntityId, Event, Identifier, IntakeHeader,
    IntakeRecord, KeyId, Outcome, PartitionId, RecordKind, RejectedBody, Signal, Time, TimelineId,
    ViolationBody,
};
use store::{
    Checkpoint, CommitError, Disk, Durable, Keys, LogReader, LogWriter, OpenStoreError, State, Store,
    StoreOptions,
};
use views::{Change, Reader, Views};

use crate::base::Base;
use crate::clock::Clock;
use crate::effects::Sink;
use crate::fold::{Counters, Fold, FoldError, Met};
use crate::history::History;
use crate::intake::{Intake, IntakeCounts, IntakeError};
use crate::logs::Logs;

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
    Settle {
        entity: EntityId,
        key: String,
        result: EffectResult,
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
    threads: Vec<JoinHandle<()>>,
    partition_thread: Option<JoinHandle<()>>,
    // The lock on the directory is held until everything else is gone.
    _lock: fs::File,
}

const PARTITION: PartitionId = PartitionId(0);
/// Inputs that are folded between two looks at the requests.
const BATCH_INPUTS: u64 = 512;
/// Inputs that one commit of the journal gathers where nobody waits for it, and how long it gathers.
const COMMIT_INPUTS: u64 = 4096;
const COMMIT_EVERY: Duration = Duration::from_millis(10);
/// Batches that may wait for the views before the fold waits for them.
const VIEWS_QUEUE: usize = 64;
/// Effects started in one commit at most.
const EFFECTS_AT_ONCE: usize = 64;

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
        let intake_durable = intake_log.durable();
        let (requests, incoming) = unbounded();
        let (advanced, advance) = bounded(1);
        let (to_views, views_in) = bounded(VIEWS_QUEUE);
        let (to_effects, effects_in) = unbounded();
        let counts = Arc::new(NodeCounts::default());
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
            counts: counts.clone(),
            checkpoint_every: options.checkpoint_every,
            committed: Instant::now(),
            committed_to: 0,
            checkpointed: Instant::now(),
            checkpointed_seq: journal_end,
            checkpoint_out: false,
            checkpoint_wanted: Vec::new(),
            checkpoint_waiting: Vec::new(),
            draining: Vec::new(),
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
            let (requests, sink) = (requests.clone(), options.sink.clone());
            move || run_effects(&sink, &effects_in, &requests)
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
            threads,
            partition_thread,
            _lock: lock,
        })
    }

    pub fn counts(&self) -> &NodeCounts {
        &self.counts
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

    /// Seals what could not be taken into a record that keeps it, whole, as a dead letter.
    pub fn seal_rejected(
        &self,
        source: &str,
        received_at: Time,
        subject: Option<Identifier<'_>>,
        dedupe: Dedupe,
        body: &RejectedBody<'_>,
    ) -> Result<Vec<u8>, NodeError> {
        let key = match subject {
            Some(identifier) => self.keys.key_for(self.keys.hash_identifier(&identifier)),
            None => self.day_key(received_at),
        };
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

    /// The key of whom an event is about.
    fn key_of(&self, event: &Event<'_>, received_at: Time) -> KeyId {
        match event.subject() {
            Some(identifier) => self.keys.key_for(self.keys.hash_identifier(&identifier)),
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

fn finish_erasures(views: &mut Views) -> Result<(), views::Error> {
    while views.erasure_owed() {
        match views.finish_erasures() {
            Err(views::Error::Busy { .. }) => std::thread::sleep(Duration::from_millis(20)),
            other => other?,
        }
    }
    Ok(())
}

/// The one writer of a partition.
struct Partition {
    fold: Fold,
    journal: LogWriter,
    requests: Receiver<Request>,
    advance: Receiver<()>,
    intake_durable: Arc<Durable>,
    to_views: Sender<ToViews>,
    to_effects: Sender<(EntityId, Effect)>,
    clock: Clock,
    keys: Arc<Keys>,
    sink: Sink,
    counts: Arc<NodeCounts>,
    checkpoint_every: Duration,
    /// The last commit, and the input up to which it reached.
    committed: Instant,
    committed_to: u64,
    checkpointed: Instant,
    checkpointed_seq: u64,
    /// A checkpoint is being written.
    checkpoint_out: bool,
    /// Who asked for a checkpoint, and who waits for the one that is out.
    checkpoint_wanted: Vec<Sender<()>>,
    checkpoint_waiting: Vec<Sender<()>>,
    /// (intake sequence to reach, whom to tell)
    draining: Vec<(u64, Sender<()>)>,
}

impl Partition {
    /// What the last process left undone.
    fn recover(&mut self, layout: &store::Layout) -> Result<(), NodeError> {
        let keys = self.fold.take_erased_keys();
        if !keys.is_empty() {
            let failed = |doing| move |(path, source)| NodeError::Io { doing, path, source };
            let register = store::destroyed_register(&layout.dir);
            let known = crate::erasure::destroyed(&layout.dir)
                .map_err(|source| failed("read")((register, source)))?;
            // An erasure that was cut short is remembered like one that was not.
            let new: Vec<KeyId> = keys.iter().filter(|key| !known.contains(key)).copied().collect();
            if !new.is_empty() {
                crate::erasure::register(layout, &new).map_err(failed("write"))?;
            }
            self.keys.destroy(&keys)?;
        }
        let now = self.fold.before_backlog(self.clock.now())?;
        let restored = layout.restored();
        if restored.exists() {
            let command = Command::SwitchEffects { on: false, reason: "restored".to_owned() };
            self.fold.command(EntityId::workspace(), &command, now)?;
        }
        if self.sink.starts() {
            for (id, key, state) in self.fold.started_effects()? {
                if state == engine::EffectState::Started {
                    self.fold.command(id, &Command::MarkEffectUnknown { key: key.clone() }, now)?;
                }
                let result = match self.sink.arrived(&key) {
                    Some(true) => EffectResult::Done,
                    // It is not sent late: what it says may be wrong by now.
                    Some(false) => EffectResult::Failed("it never arrived".to_owned()),
                    None => continue,
                };
                self.fold.command(id, &Command::SettleEffect { key, result }, now)?;
            }
        }
        let batch = self.fold.take_batch()?;
        for entry in &batch.entries {
            self.journal.append(entry);
        }
        self.journal.commit()?;
        let _ = self.to_views.send(ToViews::Batch { upto: batch.last_seq, changes: batch.changes });
        if restored.exists() {
            fs::remove_file(&restored).map_err(|source| NodeError::Io {
                doing: "remove",
                path: restored.clone(),
                source,
            })?;
        }
        Ok(())
    }

    fn run(mut self) {
        stand_back();
        if let Err(error) = self.serve() {
            give_up("the partition writer cannot go on", &error);
        }
    }

    fn serve(&mut self) -> Result<(), FoldError> {
        let mut answers: Vec<(Sender<Vec<Outcome>>, Vec<Outcome>)> = Vec::new();
        loop {
            let mut request = self.wait();
            let mut stopping = false;
            while let Some(next) = request {
                stopping |= matches!(next, Request::Stop);
                self.request(next, &mut answers)?;
                request = self.requests.try_recv().ok();
            }
            let first = self.fold.counters().applied_to + 1;
            for seq in first..=self.intake_durable.seq().min(first + BATCH_INPUTS - 1) {
                self.fold.apply(seq)?;
            }
            let now = self.fold.before_backlog(self.clock.now())?;
            self.fold.tick(now)?;
            let started =
                if self.sink.starts() { self.fold.start_effects(EFFECTS_AT_ONCE)? } else { Vec::new() };
            if !self.commit_now(stopping || !answers.is_empty() || !started.is_empty()) {
                continue;
            }
            self.commit()?;
            // Nothing left before this line: no answer, no effect, no fact.
            for (answer, outcomes) in answers.drain(..) {
                let _ = answer.send(outcomes);
            }
            for effect in started {
                let _ = self.to_effects.send(effect);
            }
            self.count();
            self.tell_drained();
            if stopping {
                self.collect_checkpoint();
                return Ok(());
            }
            let due = self.checkpointed.elapsed() >= self.checkpoint_every;
            if !self.checkpoint_out && (due || !self.checkpoint_wanted.is_empty()) {
                self.collect_checkpoint();
            }
        }
    }

    /// Whether what was decided should become durable now. Where nobody waits for it a commit gathers more: each
    /// sync is taken from the intake's.
    fn commit_now(&self, waited_for: bool) -> bool {
        let gathered = self.fold.counters().applied_to - self.committed_to;
        waited_for
            || !self.draining.is_empty()
            || !self.checkpoint_wanted.is_empty()
            || gathered >= COMMIT_INPUTS
            || self.committed.elapsed() >= COMMIT_EVERY
    }

    /// Waits for something to do.
    fn wait(&self) -> Option<Request> {
        if self.fold.counters().applied_to < self.intake_durable.seq() {
            return self.requests.try_recv().ok();
        }
        let soon = if self.fold.has_pending() { COMMIT_EVERY } else { Duration::from_millis(100) };
        crossbeam_channel::select! {
            recv(self.requests) -> request => Some(request.unwrap_or(Request::Stop)),
            recv(self.advance) -> gone => {
                if gone.is_err() {
                    // The intake has stopped; its last word may come any moment.
                    return self.requests.recv_timeout(soon).ok();
                }
                None
            }
            default(soon) => None,
        }
    }

    fn request(
        &mut self,
        request: Request,
        answers: &mut Vec<(Sender<Vec<Outcome>>, Vec<Outcome>)>,
    ) -> Result<(), FoldError> {
        let now = self.fold.before_backlog(self.clock.now())?;
        match request {
            Request::Command { entity, command, answer } => {
                let outcomes = self.fold.command(entity, &command, now)?;
                answers.push((answer, outcomes));
            }
            Request::Publish(reference) => self.fold.publish_reference(&reference),
            Request::Ask(question) => question(&mut self.fold),
            Request::Settle { entity, key, result } => {
                self.fold.command(entity, &Command::SettleEffect { key, result }, now)?;
            }
            Request::Drain { answer } => self.draining.push((self.intake_durable.seq(), answer)),
            Request::Checkpoint { answer } => self.checkpoint_wanted.push(answer),
            Request::CheckpointDone(seq) => {
                self.fold.checkpoint_done(seq);
                self.checkpoint_out = false;
                for answer in self.checkpoint_waiting.drain(..) {
                    let _ = answer.send(());
                }
            }
            Request::Stop => {}
        }
        Ok(())
    }

    /// Makes what was decided durable and tells the views. A full disk is waited out: nothing has left yet, and
    /// the intake goes on refusing or accepting for itself.
    fn commit(&mut self) -> Result<(), FoldError> {
        self.committed = Instant::now();
        self.committed_to = self.fold.counters().applied_to;
        let batch = self.fold.take_batch()?;
        if batch.entries.is_empty() {
            return Ok(());
        }
        for entry in &batch.entries {
            self.journal.append(entry);
        }
        let mut patience = Duration::from_millis(50);
        loop {
            match self.journal.commit() {
                Ok(_) => break,
                Err(CommitError::NotWritten { path, source }) => {
                    eprintln!("inyeon: cannot write {}: {source}; trying again", path.display());
                    std::thread::sleep(patience);
                    patience = (patience * 2).min(Duration::from_secs(2));
                }
                Err(error) => end_process(&error),
            }
        }
        let _ = self.to_views.send(ToViews::Batch { upto: batch.last_seq, changes: batch.changes });
        Ok(())
    }

    fn count(&self) {
        let Counters { applied, duplicates, applied_to } = self.fold.counters();
        let Met { at_least_once, poisoned, refolded } = self.fold.met();
        for (count, value) in [
            (&self.counts.applied, applied),
            (&self.counts.duplicates, duplicates),
            (&self.counts.applied_to, applied_to),
            (&self.counts.at_least_once, at_least_once),
            (&self.counts.poisoned, poisoned),
            (&self.counts.refolded, refolded),
            (&self.counts.journal_seq, self.journal.next_seq() - 1),
        ] {
            count.store(value, Ordering::Relaxed);
        }
    }

    fn tell_drained(&mut self) {
        let applied_to = self.fold.counters().applied_to;
        let mut index = 0;
        while index < self.draining.len() {
            if self.draining[index].0 <= applied_to {
                let (_, answer) = self.draining.swap_remove(index);
                let _ = self.to_views.send(ToViews::Drained(answer));
            } else {
                index += 1;
            }
        }
    }

    fn collect_checkpoint(&mut self) {
        self.checkpointed = Instant::now();
        let seq = self.journal.next_seq() - 1;
        if seq == self.checkpointed_seq && self.checkpoint_wanted.is_empty() {
            return;
        }
        self.checkpointed_seq = seq;
        self.checkpoint_waiting.append(&mut self.checkpoint_wanted);
        let checkpoint = Box::new(self.fold.collect_checkpoint());
        self.checkpoint_out = self.to_views.send(ToViews::Checkpoint(checkpoint)).is_ok();
    }
}

/// Changes that one transaction of the views takes at most, and how long the first of them waits for others.
const VIEWS_CHANGES: usize = 50_000;

/// The views writer: follows the batches in order.
fn follow(
    mut views: Views,
    incoming: &Receiver<ToViews>,
    to_checkpointer: &Sender<Box<Checkpoint>>,
    counts: &NodeCounts,
) {
    stand_back();
    let mut waiting = None;
    loop {
        let Some(message) = waiting.take().or_else(|| incoming.recv().ok()) else { return };
        match message {
            ToViews::Batch { mut upto, mut changes } => {
                while changes.len() < VIEWS_CHANGES {
                    match incoming.try_recv() {
                        Ok(ToViews::Batch { upto: further, changes: more }) => {
                            upto = further;
                            changes.extend(more);
                        }
                        Ok(other) => {
                            waiting = Some(other);
                            break;
                        }
                        Err(_) => break,
                    }
                }
                patiently("bring the views up to date", || views.apply(upto, &changes));
                patiently("take erased rows out of the views", || finish_erasures(&mut views));
                counts.views_seq.store(upto, Ordering::Relaxed);
            }
            ToViews::Checkpoint(checkpoint) => {
                patiently("make the views durable", || views.make_durable());
                if to_checkpointer.send(checkpoint).is_err() {
                    return;
                }
            }
            ToViews::Drained(answer) => drop(answer.send(())),
        }
    }
}

/// Tries until it succeeds: the views can wait, and are folded again where the process ends before.
fn patiently(doing: &str, mut attempt: impl FnMut() -> Result<(), views::Error>) {
    let mut patience = Duration::from_millis(100);
    while let Err(error) = attempt() {
        let source = std::error::Error::source(&error).map(|s| format!(": {s}")).unwrap_or_default();
        eprintln!("inyeon: cannot {doing}: {error}{source}; trying again");
        std::thread::sleep(patience);
        patience = (patience * 2).min(Duration::from_secs(5));
    }
}

fn checkpoint(state: &State, incoming: &Receiver<Box<Checkpoint>>, requests: &Sender<Request>) {
    stand_back();
    while let Ok(checkpoint) = incoming.recv() {
        let seq = checkpoint.journal_seq;
        // A cache that cannot be written any more would be trusted at the next start.
        state.commit(*checkpoint).unwrap_or_else(|error| give_up("the checkpoint failed", &error));
        if requests.send(Request::CheckpointDone(seq)).is_err() {
            return;
        }
    }
}

fn run_effects(sink: &Sink, incoming: &Receiver<(EntityId, Effect)>, requests: &Sender<Request>) {
    while let Ok((entity, effect)) = incoming.recv() {
        store::failpoint("effect.before_delivery");
        let result = sink.deliver(&effect);
        store::failpoint("effect.after_delivery");
        if requests.send(Request::Settle { entity, key: effect.key, result }).is_err() {
            return;
        }
    }
}
