//! The thread that owns a partition: folds what is durable, commits, and lets follow what may follow.

use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use channels::Attempts;
use crossbeam_channel::{Receiver, Sender};
use model::{Command, EffectResult, EntityId, KeyId, Time};
use store::{CommitError, Durable, Keys, LogWriter};

use super::outlets::{Outlets, ToEffects};
use super::{Answer, NodeCounts, NodeError, Request, ToViews, end_process, give_up, stand_back};
use crate::clock::Clock;
use crate::effects::Sink;
use crate::fold::{Counters, Fold, FoldError, Met, StillSaid};

/// Inputs that are folded between two looks at the requests.
const BATCH_INPUTS: u64 = 512;
/// Inputs that one commit of the journal gathers where nobody waits for it, and how long it gathers.
const COMMIT_INPUTS: u64 = 4096;
const COMMIT_EVERY: Duration = Duration::from_millis(10);
/// Bytes that are copied to a checkpoint between two looks at the requests: well below a millisecond.
const CHECKPOINT_SLICE: usize = 64 * 1024;
/// A checkpoint is begun again when so many times what collecting the last one took has passed, if that is longer than
/// what is set.
const CHECKPOINT_SHARE: u32 = 20;
/// Effects started in one commit at most.
const EFFECTS_AT_ONCE: usize = 64;

/// The one writer of a partition.
pub(super) struct Partition {
    pub(super) fold: Fold,
    pub(super) journal: LogWriter,
    pub(super) requests: Receiver<Request>,
    pub(super) advance: Receiver<()>,
    pub(super) intake_durable: Arc<Durable>,
    pub(super) to_views: Sender<ToViews>,
    pub(super) to_effects: Sender<ToEffects>,
    pub(super) clock: Clock,
    pub(super) keys: Arc<Keys>,
    pub(super) sink: Sink,
    pub(super) outlets: Outlets,
    pub(super) counts: Arc<NodeCounts>,
    pub(super) checkpoint_every: Duration,
    /// The last commit, and the input up to which it reached.
    pub(super) committed: Instant,
    pub(super) committed_to: u64,
    pub(super) checkpointed: Instant,
    pub(super) checkpointed_seq: u64,
    /// A checkpoint is being collected or written.
    pub(super) checkpoint_out: bool,
    /// How long collecting the last one took, without the waits between its pieces.
    pub(super) collecting_took: Duration,
    /// Who asked for a checkpoint, and who waits for the one that is out.
    pub(super) checkpoint_wanted: Vec<Sender<()>>,
    pub(super) checkpoint_waiting: Vec<Sender<()>>,
    /// (intake sequence to reach, whom to tell)
    pub(super) draining: Vec<(u64, Sender<()>)>,
    /// Requests that wait for the input with an intake sequence; the sequences rise.
    pub(super) waiting: VecDeque<(u64, Request)>,
}

impl Partition {
    /// What the last process left undone.
    pub(super) fn recover(&mut self, layout: &store::Layout) -> Result<(), NodeError> {
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
            let named = self.named_outlets()?;
            self.outlets.follow(&named);
            let under_way = self.fold.effects_under_way()?;
            let attempts = Attempts::new(layout.attempts());
            let keys = under_way.iter().map(|(_, effect, _)| effect.key.as_str());
            attempts.keep_only(keys).map_err(|source| NodeError::Io {
                doing: "tidy",
                path: layout.attempts(),
                source,
            })?;
            for (id, effect, state) in under_way {
                match self.outlets.of(&effect) {
                    // What the store that this is a copy of has sent since, nobody knows here.
                    Some(outlet) if restored.exists() && !outlet.knows_again() => {
                        self.fold.command(id, &Command::MarkEffectUnknown { key: effect.key }, now)?;
                        continue;
                    }
                    // Told again, under the same id, or as the notes of attempts say: see `follow_outlets`.
                    Some(_) => continue,
                    None if !self.outlets.may_start(&effect) => continue,
                    None => {}
                }
                let key = effect.key;
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
        self.outlets = Outlets::new();
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

    pub(super) fn run(mut self) {
        stand_back();
        if let Err(error) = self.serve() {
            give_up("the partition writer cannot go on", &error);
        }
    }

    fn serve(&mut self) -> Result<(), FoldError> {
        let mut answers: Vec<Answer> = Vec::new();
        loop {
            self.go_on_with_checkpoint(CHECKPOINT_SLICE);
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
            while let Some((seq, _)) = self.waiting.front()
                && *seq <= self.fold.counters().applied_to
            {
                let (_, request) = self.waiting.pop_front().expect("looked at above");
                self.request(request, &mut answers)?;
            }
            let now = self.fold.before_backlog(self.clock.now())?;
            self.fold.tick(now)?;
            let started = self.leaving(now)?;
            if !self.commit_now(stopping || !answers.is_empty() || !started.is_empty()) {
                continue;
            }
            self.commit()?;
            // Nothing left before this line: no answer, no effect, no fact.
            for answer in answers.drain(..) {
                answer();
            }
            for message in started {
                let _ = self.to_effects.send(message);
            }
            self.count();
            self.tell_drained();
            if stopping {
                self.go_on_with_checkpoint(usize::MAX);
                self.begin_checkpoint();
                self.go_on_with_checkpoint(usize::MAX);
                return Ok(());
            }
            // A store with much to copy has less of it copied in a while, and more to fold again after a crash.
            let every = self.checkpoint_every.max(self.collecting_took * CHECKPOINT_SHARE);
            let due = self.checkpointed.elapsed() >= every;
            if !self.checkpoint_out && (due || !self.checkpoint_wanted.is_empty()) {
                self.begin_checkpoint();
            }
        }
    }

    fn named_outlets(&mut self) -> Result<BTreeMap<String, engine::Outlet>, FoldError> {
        let workspace = self.fold.entity(EntityId::workspace())?.workspace();
        Ok(workspace.map(|workspace| workspace.outlets.clone()).unwrap_or_default())
    }

    /// What may leave once it is durable.
    fn leaving(&mut self, now: Time) -> Result<Vec<ToEffects>, FoldError> {
        if !self.sink.starts() {
            return Ok(Vec::new());
        }
        let mut leaving = self.follow_outlets(now)?;
        let outlets = &self.outlets;
        let started = self.fold.start_effects_of(EFFECTS_AT_ONCE, |effect| outlets.may_start(effect))?;
        leaving.extend(started.into_iter().map(|(entity, effect)| ToEffects::Deliver(entity, effect)));
        Ok(leaving)
    }

    /// Where systems were connected or let go, at the start too: what had started is told again to those that know it
    /// by its id; one that does not is told by the notes of what was tried with it. Of what nobody takes any more,
    /// nobody can say whether it arrived; but messages that a system does not have come back from it.
    fn follow_outlets(&mut self, now: Time) -> Result<Vec<ToEffects>, FoldError> {
        let named = self.named_outlets()?;
        if !self.outlets.follow(&named) {
            return Ok(Vec::new());
        }
        let mut told = vec![ToEffects::Outlets(self.outlets.connected.clone())];
        for (id, effect, state) in self.fold.effects_under_way()? {
            let started = state == engine::EffectState::Started;
            match self.outlets.of(&effect) {
                // Once it is unknown, whether it arrived is for people to find out.
                Some(outlet) if outlet.knows_again() || started => told.push(ToEffects::Deliver(id, effect)),
                None if started && effect.kind.is_binding() => {
                    self.fold.command(id, &Command::MarkEffectUnknown { key: effect.key }, now)?;
                }
                _ => {}
            }
        }
        Ok(told)
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
        if self.fold.counters().applied_to < self.intake_durable.seq() || self.fold.is_collecting() {
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

    fn request(&mut self, request: Request, answers: &mut Vec<Answer>) -> Result<(), FoldError> {
        let now = self.fold.before_backlog(self.clock.now())?;
        match request {
            Request::Command { entity, command, answer } => {
                let outcomes = self.fold.command(entity, &command, now)?;
                answers.push(Box::new(move || drop(answer.send(outcomes))));
            }
            Request::After(seq, request) => {
                if seq <= self.fold.counters().applied_to {
                    return self.request(*request, answers);
                }
                // Two callers may come the other way round than they looked; who looked earlier waits a little longer.
                let last = self.waiting.back().map_or(seq, |(last, _)| seq.max(*last));
                self.waiting.push_back((last, *request));
            }
            Request::Act(act) => answers.push(act(&mut self.fold, now)?),
            Request::Publish(reference) => self.fold.publish_reference(&reference),
            Request::Ask(question) => question(&mut self.fold),
            Request::Settle { entity, key, result } => {
                self.fold.command(entity, &Command::SettleEffect { key, result }, now)?;
            }
            Request::Untold(messages) => {
                for (owner, effect) in messages {
                    let waits = self.fold.still_said(owner, &effect.key, now)? != StillSaid::Over;
                    // Whoever takes it now has been told of it when it was connected.
                    if waits && self.outlets.of(&effect).is_none() && self.outlets.may_start(&effect) {
                        let deliver = ToEffects::Deliver(owner, effect);
                        let to_effects = self.to_effects.clone();
                        answers.push(Box::new(move || drop(to_effects.send(deliver))));
                    }
                }
            }
            Request::OutletGone { name, reason } => {
                let command = Command::DisableOutlet { name, reason };
                self.fold.command(EntityId::workspace(), &command, now)?;
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

    pub(super) fn count(&self) {
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

    fn begin_checkpoint(&mut self) {
        self.checkpointed = Instant::now();
        let seq = self.journal.next_seq() - 1;
        if seq == self.checkpointed_seq && self.checkpoint_wanted.is_empty() {
            return;
        }
        self.checkpointed_seq = seq;
        self.checkpoint_waiting.append(&mut self.checkpoint_wanted);
        self.fold.begin_checkpoint();
        self.checkpoint_out = true;
        self.collecting_took = self.checkpointed.elapsed();
    }

    /// Copies so much more to the checkpoint that is being collected, and sends it off when it is whole.
    fn go_on_with_checkpoint(&mut self, bytes: usize) {
        if !self.fold.is_collecting() {
            return;
        }
        let began = Instant::now();
        let whole = self.fold.go_on_with_checkpoint(bytes);
        self.collecting_took += began.elapsed();
        if let Some(checkpoint) = whole {
            self.checkpoint_out = self.to_views.send(ToViews::Checkpoint(Box::new(checkpoint))).is_ok();
        }
    }
}
