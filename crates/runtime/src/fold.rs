//! The fold of one partition: in what order inputs count, what is decided, and the state that follows.
//!
//! [`Fold::apply`] and its siblings run live: they decide, journal and evolve. [`Fold::replay`] runs a journalled
//! entry: it only evolves. Both pass through the same `evolve_*` functions, so that a replay reaches the same
//! bytes. Nothing here waits, writes a file or reads a clock.

mod identity;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use engine::identity::Rules;
use engine::{Change as Step, Context, EffectState, Entity, Observed, Reference, Stimulus, decide, evolve};
use model::codec::Stored;
use model::{
    Cause, Command, Dedupe, DedupeHash, EntityId, Entry, Event, EventKind, Fact, Identifier, IdentifierHash,
    IntakeRecord, KeyId, MailBody, MailKey, Outcome, PartitionId, Position, Profile, RecordKind,
    RejectedBody, Signal, SkipReason, Time, TimelineId, TimerId, ViolationBody,
};
use rustc_hash::{FxHashMap, FxHashSet};
use serde::{Deserialize, Serialize};
use store::{Checkpoint, IdentityRow, Keys, StateError};
use views::Change;

use self::identity::waiting;
pub use self::identity::{Explanation, Home, Joined, Lineage, Named};
use crate::base::{Base, seal_snapshot};
use crate::logs::{BodyError, HistoryError, Logs, open_outcomes};

/// The fold cannot go on; nothing that a single input contains leads here.
#[derive(Debug, thiserror::Error)]
pub enum FoldError {
    #[error(transparent)]
    State(#[from] StateError),
    #[error(transparent)]
    History(#[from] HistoryError),
    #[error("journal entry {seq} cannot be opened")]
    Body { seq: u64, source: BodyError },
}

/// Where one step of an entity's history stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Trace {
    Input { intake: u64 },
    Outcome,
    Mail(MailKey),
}

/// A step of an entity's history with the journal sequence at which it counted.
pub type Trail = Vec<(u64, Trace)>;

struct Cached {
    entity: Entity,
    /// Steps since the checkpoint that `Base` has.
    trail: Trail,
    /// Changed since the last checkpoint was collected.
    dirty: bool,
    /// The checkpoint round in which it was last used.
    used: u64,
    /// Where an input made its fold fail: the entity after so many steps of the trail. The next failure folds again
    /// from here, so that a busy entity with many of them is not folded again from its checkpoint each time.
    sound: Option<(usize, Box<Entity>)>,
}

/// What is kept of messages and identifiers between a change and its checkpoint.
struct Overlay<K, V> {
    now: FxHashMap<K, V>,
    /// Handed to a checkpoint that has not come back yet.
    leaving: FxHashMap<K, V>,
}

impl<K: Eq + std::hash::Hash + Copy, V: Clone> Overlay<K, V> {
    fn new() -> Self {
        Overlay { now: FxHashMap::default(), leaving: FxHashMap::default() }
    }

    fn get(&self, key: &K) -> Option<V> {
        self.now.get(key).or_else(|| self.leaving.get(key)).cloned()
    }

    fn hand_over(&mut self) -> Vec<(K, V)> {
        self.leaving = std::mem::take(&mut self.now);
        self.leaving.iter().map(|(k, v)| (*k, v.clone())).collect()
    }
}

/// The fold's own state that is no entity's.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Own {
    clocks: BTreeMap<TimelineId, Time>,
    reference: Option<String>,
    /// Sent and not yet delivered.
    mail: BTreeMap<MailKey, (EntityId, MailBody)>,
    /// The last intake sequence that counted.
    applied_to: u64,
    applied: u64,
    duplicates: u64,
}

/// How a mail travels.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Delivery {
    /// Before the commit that sends it: what an embedded store does.
    BeforeCommit,
    /// Only when [`Fold::deliver`] is called. For simulations.
    ByHand,
}

/// Counters that the outside may see.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    pub applied: u64,
    pub duplicates: u64,
    pub applied_to: u64,
}

/// What a fold met since it began; nothing of it is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Met {
    /// Events that counted and that nothing recognises when they come again.
    pub at_least_once: u64,
    /// Inputs on which it failed.
    pub poisoned: u64,
    /// Steps that it went through again because of them.
    pub refolded: u64,
}

pub struct Fold {
    partition: PartitionId,
    keys: Arc<Keys>,
    base: Base,
    logs: Logs,
    own: Own,
    reference: Reference,
    /// Which identifiers tie people together.
    rules: Arc<Rules>,
    entities: FxHashMap<EntityId, Cached>,
    identities: Overlay<IdentifierHash, Option<IdentityRow>>,
    /// Rows read from the base, so that a busy identifier is looked up once.
    identities_read: FxHashMap<IdentifierHash, Option<IdentityRow>>,
    seen: Overlay<DedupeHash, i64>,
    permanent: Overlay<DedupeHash, ()>,
    wakes: BTreeSet<(TimelineId, Time, EntityId, TimerId)>,
    /// Effects that wait to be started.
    requested: BTreeSet<(EntityId, String)>,
    /// Effects that are started or unknown.
    under_way: BTreeSet<(EntityId, String)>,
    erased_keys: Vec<KeyId>,
    /// Keys of erased subjects, destroyed or about to be: what is sealed with one counts as nothing, as it will
    /// when it cannot be opened any more.
    dead_keys: FxHashSet<KeyId>,
    delivery: Delivery,
    /// Entries decided and not yet handed over, encoded, the first with sequence `pending_from`.
    pending: Vec<Vec<u8>>,
    pending_from: u64,
    /// The `Applied` entry that is still growing; its sequence is the next one.
    range: Option<(u64, u32, Vec<u32>)>,
    changes: Vec<(u64, Change)>,
    touched: FxHashSet<EntityId>,
    /// Lines of time whose clock moved since the views were told.
    moved: BTreeSet<TimelineId>,
    round: u64,
    cache_max: usize,
    met: Met,
}

/// What became durable work of a commit.
pub struct Batch {
    /// Encoded journal entries in order.
    pub entries: Vec<Vec<u8>>,
    /// The sequence of the last of them (or of the one before, where there is none).
    pub last_seq: u64,
    pub changes: Vec<(u64, Change)>,
}

impl Fold {
    /// A fold that stands on `base`, whose checkpoint reflects the journal up to `base_seq`.
    pub fn new(
        partition: PartitionId,
        keys: Arc<Keys>,
        base: Base,
        base_seq: u64,
        logs: Logs,
        cache_max: usize,
    ) -> Result<Self, FoldError> {
        let mut fold = Fold {
            partition,
            keys,
            base,
            logs,
            own: Own::default(),
            reference: Reference::default(),
            rules: Arc::default(),
            entities: FxHashMap::default(),
            identities: Overlay::new(),
            identities_read: FxHashMap::default(),
            seen: Overlay::new(),
            permanent: Overlay::new(),
            wakes: BTreeSet::new(),
            requested: BTreeSet::new(),
            under_way: BTreeSet::new(),
            erased_keys: Vec::new(),
            dead_keys: FxHashSet::default(),
            delivery: Delivery::BeforeCommit,
            pending: Vec::new(),
            pending_from: base_seq + 1,
            range: None,
            changes: Vec::new(),
            touched: FxHashSet::default(),
            moved: BTreeSet::new(),
            round: 0,
            cache_max: cache_max.max(1),
            met: Met::default(),
        };
        fold.load_own()?;
        Ok(fold)
    }

    fn load_own(&mut self) -> Result<(), FoldError> {
        let Base::Checkpoint(state) = &self.base else { return Ok(()) };
        if let Some(bytes) = state.fold()?
            && let Ok(opened) =
                self.keys.open_sealed(&model::Sealed { key: KeyId::STORE, bytes: bytes.as_slice().into() })
            && let Ok(own) = postcard::from_bytes::<Own>(&opened)
        {
            self.own = own;
        }
        if let Some(published) = &self.own.reference {
            self.reference = serde_json::from_str(published).unwrap_or_default();
        }
        let mut entities = Vec::new();
        let mut rules = None;
        let keys = &self.keys;
        state.entities(|id, sealed| match crate::base::open_snapshot(keys, sealed) {
            Some(Entity::Customer(customer)) => {
                entities.push((id, waiting(&customer)));
                if customer.erased_at.is_some() {
                    self.erased_keys.extend(&customer.keys);
                    self.dead_keys.extend(&customer.keys);
                }
            }
            Some(Entity::Workspace(workspace)) => rules = workspace.identity_rules,
            None => {}
        })?;
        if let Some(rules) = rules {
            self.use_rules(&rules.text);
        }
        for (id, (timers, effects)) in entities {
            self.wakes.extend(timers.into_iter().map(|(timeline, due, timer)| (timeline, due, id, timer)));
            for (key, state) in effects {
                let of =
                    if state == EffectState::Requested { &mut self.requested } else { &mut self.under_way };
                of.insert((id, key));
            }
        }
        Ok(())
    }

    pub fn set_delivery(&mut self, delivery: Delivery) {
        self.delivery = delivery;
    }

    pub fn counters(&self) -> Counters {
        Counters {
            applied: self.own.applied,
            duplicates: self.own.duplicates,
            applied_to: self.own.applied_to,
        }
    }

    pub fn met(&self) -> Met {
        self.met
    }

    pub fn reference(&self) -> &Reference {
        &self.reference
    }

    pub fn clock(&self, timeline: TimelineId) -> Time {
        self.own.clocks.get(&timeline).copied().unwrap_or(Time::MIN)
    }

    /// When the next timer of a line of time is due.
    pub fn next_wake(&self, timeline: TimelineId) -> Option<Time> {
        self.wakes
            .range((timeline, Time::MIN, FIRST_ENTITY, TimerId(0))..)
            .next()
            .and_then(|(of, due, ..)| (*of == timeline).then_some(*due))
    }

    /// Keys of erased subjects; destroying one twice is destroying it once.
    pub fn take_erased_keys(&mut self) -> Vec<KeyId> {
        std::mem::take(&mut self.erased_keys)
    }

    // ---- live -------------------------------------------------------------------------------------------------

    /// Counts the next intake record. Records come in the order of their sequences.
    pub fn apply(&mut self, seq: u64) -> Result<(), FoldError> {
        debug_assert_eq!(seq, self.own.applied_to + 1);
        let input = self.input(seq)?;
        let Input { dedupe, timeline, at, received_at, .. } = input;
        if self.is_duplicate(dedupe)? {
            self.extend_range(seq, true);
            self.own.applied_to = seq;
            self.own.duplicates += u64::from(input.kind.is_input());
            return Ok(());
        }
        self.advance_clock(timeline, at)?;
        match self.count_input(seq, &input, Mode::Live)? {
            Counted::Yes(follow_up) => {
                self.remember(dedupe, received_at);
                self.extend_range(seq, false);
                self.own.applied_to = seq;
                self.own.applied += u64::from(input.kind.is_input());
                self.met.at_least_once +=
                    u64::from(input.kind == RecordKind::Event && dedupe == Dedupe::None);
                let now = self.clock(timeline);
                let cause = Cause::Input(seq);
                if let Some((id, key, outcomes)) = follow_up.decided {
                    self.journal_outcomes(id, cause, timeline, now, outcomes, Some(key))?;
                }
                if let Some(around) = follow_up.unsettled {
                    self.regroup(around, cause, timeline)?;
                }
            }
            Counted::No(reason) => {
                self.remember(dedupe, received_at);
                self.push(&Entry::Skipped { seq, reason: reason.clone() });
                self.note_skipped(seq, &reason);
                self.own.applied_to = seq;
            }
        }
        Ok(())
    }

    /// Moves a clock, firing what is due in the order (due, id).
    fn advance_clock(&mut self, timeline: TimelineId, to: Time) -> Result<(), FoldError> {
        while let Some(due) = self.next_wake(timeline).filter(|due| *due <= to) {
            let wake =
                *self.wakes.range((timeline, due, FIRST_ENTITY, TimerId(0))..).next().expect("just seen");
            let (_, due, id, timer) = wake;
            let now = due.max(self.clock(timeline));
            let outcomes = self.ask(id, &Stimulus::Timer(timer), now, timeline)?;
            self.journal_outcomes(id, Cause::Timer(timer), timeline, now, outcomes, None)?;
            // Whatever was decided, a timer fires once.
            self.wakes.remove(&wake);
        }
        self.set_clock(timeline, to);
        Ok(())
    }

    /// How far the live clock may go: not past an input that was received and has not counted yet, or a deadline
    /// would pass before the evidence that it was kept.
    pub fn before_backlog(&mut self, now: Time) -> Result<Time, FoldError> {
        let next = self.own.applied_to + 1;
        if next > self.logs.ends().0 {
            return Ok(now);
        }
        Ok(now.min(self.logs.intake(next, |record| record.header.received_at)?))
    }

    /// The clock of the live line of time moves without an input. Journalled only where it led to something.
    pub fn tick(&mut self, to: Time) -> Result<(), FoldError> {
        if self.next_wake(TimelineId::LIVE).is_some_and(|due| due <= to) {
            self.advance_clock(TimelineId::LIVE, to)?;
            self.push(&Entry::ClockAdvanced { timeline: TimelineId::LIVE, to });
        }
        Ok(())
    }

    /// Gives a command to an entity and returns what it led to.
    pub fn command(
        &mut self,
        entity: EntityId,
        command: &Command,
        at: Time,
    ) -> Result<Vec<Outcome>, FoldError> {
        // Nothing more is written about an erased customer; their keys are gone, and it could be read for ever.
        if self.entity(entity)?.customer().is_some_and(|customer| customer.erased_at.is_some()) {
            return Ok(Vec::new());
        }
        self.advance_clock(TimelineId::LIVE, at)?;
        let now = self.clock(TimelineId::LIVE);
        let key = if *command == Command::Erase { KeyId::STORE } else { self.key_of(entity)? };
        let body = self.seal(key, &command.encode());
        self.push(&Entry::Command { entity, at: now, request: None, body });
        let cause = Cause::Command(self.last_seq());
        let outcomes = self.ask(entity, &Stimulus::Command(command), now, TimelineId::LIVE)?;
        self.journal_outcomes(entity, cause, TimelineId::LIVE, now, outcomes.clone(), Some(key))?;
        if let Command::PartIdentifiers { one, other } | Command::JoinIdentifiers { one, other } = command {
            // Who was one piece of the graph may be two now.
            for end in [one, other] {
                self.regroup(end.hash, cause, TimelineId::LIVE)?;
            }
        }
        Ok(outcomes)
    }

    /// Asks the owners whether the requested effects may start; returns those that may. They must be durable as
    /// started before anything leaves.
    pub fn start_effects(&mut self, limit: usize) -> Result<Vec<(EntityId, model::Effect)>, FoldError> {
        let requested: Vec<_> = self.requested.iter().cloned().collect();
        let mut started = Vec::new();
        let now = self.clock(TimelineId::LIVE);
        for (id, key) in requested {
            if started.len() >= limit {
                break;
            }
            let outcomes = self.ask(id, &Stimulus::StartEffect(&key), now, TimelineId::LIVE)?;
            if outcomes.is_empty() {
                continue;
            }
            let starts = outcomes.iter().any(|o| matches!(o, Outcome::EffectStarted { .. }));
            self.journal_outcomes(id, Cause::Effects, TimelineId::LIVE, now, outcomes, None)?;
            if starts && let Some(effect) = self.effect(id, &key)? {
                started.push((id, effect));
            }
        }
        Ok(started)
    }

    /// Effects that had started when the last process ended: nobody knows whether they arrived.
    pub fn started_effects(&mut self) -> Result<Vec<(EntityId, String, EffectState)>, FoldError> {
        let mut found = Vec::new();
        for (id, key) in self.under_way.clone() {
            let record = self.entity(id)?.customer().and_then(|c| c.effects.get(&key));
            if let Some(state) = record.map(|record| record.state) {
                found.push((id, key, state));
            }
        }
        Ok(found)
    }

    fn effect(&mut self, id: EntityId, key: &str) -> Result<Option<model::Effect>, FoldError> {
        let customer = self.entity(id)?.customer();
        Ok(customer.and_then(|c| c.effects.get(key)).map(|record| record.effect.clone()))
    }

    /// Publishes reference data: every later decision sees it.
    pub fn publish_reference(&mut self, reference: &Reference) {
        let body = serde_json::to_string(reference).expect("plain data serialises");
        self.push(&Entry::ReferencePublished { version: reference.version, body: Cow::Borrowed(&body) });
        self.reference = reference.clone();
        self.own.reference = Some(body);
    }

    /// The mails that are under way.
    pub fn mail_waiting(&self) -> Vec<MailKey> {
        self.own.mail.keys().copied().collect()
    }

    /// Delivers a mail; a second time is none. `keep` leaves it under way, to be delivered again.
    pub fn deliver(&mut self, key: MailKey, keep: bool) -> Result<(), FoldError> {
        let Some((to, body)) = self.own.mail.get(&key).cloned() else { return Ok(()) };
        self.push(&Entry::Delivered { mail: key, to });
        let seq = self.last_seq();
        let first_time = self.evolve_mail(to, key, &body, seq)?;
        if !keep {
            self.own.mail.remove(&key);
        }
        if !first_time {
            return Ok(());
        }
        let (timeline, now, outcomes) = match &body {
            MailBody::SignalForwarded { name, properties, timestamp, timeline, now: sent } => {
                let now = (*sent).max(self.clock(*timeline));
                // What a sender dates in the future happened when it came, not when the mail did.
                let body = MailBody::SignalForwarded {
                    name: name.clone(),
                    properties: properties.clone(),
                    timestamp: (*timestamp).min(*sent),
                    timeline: *timeline,
                    now: *sent,
                };
                (*timeline, now, self.ask(to, &Stimulus::Mail(&body), now, *timeline)?)
            }
            // Nothing is decided by it.
            MailBody::ProfileJoined { .. } => return Ok(()),
        };
        self.journal_outcomes(to, Cause::Mail(key), timeline, now, outcomes, None)
    }

    /// Whether there is anything to take.
    pub fn has_pending(&self) -> bool {
        !self.pending.is_empty() || self.range.is_some() || !self.own.mail.is_empty()
    }

    /// Takes what must become durable now. Mail that is due before a commit is delivered first.
    pub fn take_batch(&mut self) -> Result<Batch, FoldError> {
        if self.delivery == Delivery::BeforeCommit {
            while let Some(key) = self.own.mail.keys().next().copied() {
                self.deliver(key, false)?;
            }
        }
        self.close_range();
        let last_seq = self.last_seq();
        let entries = std::mem::take(&mut self.pending);
        self.pending_from += entries.len() as u64;
        if let Logs::Memory { journal, .. } = &mut self.logs {
            journal.extend(entries.iter().cloned());
        }
        self.note_touched(last_seq)?;
        Ok(Batch { entries, last_seq, changes: std::mem::take(&mut self.changes) })
    }

    // ---- replay -----------------------------------------------------------------------------------------------

    /// Runs one journalled entry again: only evolves.
    pub fn replay(&mut self, seq: u64) -> Result<(), FoldError> {
        debug_assert_eq!(seq, self.pending_from);
        let entry = self.logs.journal(seq, into_owned)?;
        self.pending_from = seq + 1;
        match entry {
            Entry::Applied { first, count, duplicates } => {
                for offset in 0..count {
                    let intake = first + u64::from(offset);
                    let input = self.input(intake)?;
                    let counts = u64::from(input.kind.is_input());
                    if duplicates.binary_search(&offset).is_ok() {
                        self.own.duplicates += counts;
                    } else {
                        self.set_clock(input.timeline, input.at);
                        self.remember(input.dedupe, input.received_at);
                        self.own.applied += counts;
                        self.count_input(intake, &input, Mode::Replay(seq))?;
                    }
                    self.own.applied_to = intake;
                }
            }
            Entry::Outcome { entity, timeline, at, body, .. } => {
                self.set_clock(timeline, at);
                match open_outcomes(&self.keys, &body) {
                    Ok(outcomes) => self.evolve_outcomes(entity, timeline, &outcomes, seq)?,
                    Err(BodyError::Open(store::OpenError::Erased)) => {}
                    Err(source) => return Err(FoldError::Body { seq, source }),
                }
            }
            Entry::Delivered { mail, to } => {
                // What an erased sender said is gone; that it arrived is the receiver's.
                let body = self.own.mail.remove(&mail).map_or_else(unreadable_mail, |(_, body)| body);
                self.evolve_mail(to, mail, &body, seq)?;
            }
            Entry::ClockAdvanced { timeline, to } => self.set_clock(timeline, to),
            Entry::Command { at, .. } => self.set_clock(TimelineId::LIVE, at),
            Entry::ReferencePublished { body, .. } => {
                self.reference = serde_json::from_str(&body).unwrap_or_default();
                self.own.reference = Some(body.into_owned());
            }
            Entry::Skipped { seq: intake, reason } => {
                let input = self.input(intake)?;
                self.set_clock(input.timeline, input.at);
                self.remember(input.dedupe, input.received_at);
                self.own.applied_to = intake;
                self.changes.push((seq, skipped(intake, &reason)));
            }
            Entry::Lost => {}
        }
        Ok(())
    }

    /// What the views learn from entries replayed since the last call.
    pub fn take_replayed_changes(&mut self) -> Result<Vec<(u64, Change)>, FoldError> {
        let last = self.pending_from - 1;
        self.note_touched(last)?;
        Ok(std::mem::take(&mut self.changes))
    }

    // ---- both -------------------------------------------------------------------------------------------------

    /// Takes an intake record out of the reader's buffer.
    fn input(&mut self, seq: u64) -> Result<Input, FoldError> {
        Ok(self.logs.intake(seq, |IntakeRecord { header, body }| Input {
            kind: header.kind,
            source: header.source.into_owned(),
            timeline: header.timeline,
            at: header.at,
            received_at: header.received_at,
            dedupe: header.dedupe,
            body: model::Sealed { key: body.key, bytes: Cow::Owned(body.bytes.into_owned()) },
        })?)
    }

    /// Lets an input reach its profile. Live, it also decides; nothing is kept of an input that panics.
    fn count_input(&mut self, seq: u64, input: &Input, mode: Mode) -> Result<Counted, FoldError> {
        let Input { kind, ref source, timeline, received_at, ref body, .. } = *input;
        let key = body.key;
        let opened = if self.dead_keys.contains(&key) {
            Err(store::OpenError::Erased)
        } else {
            self.keys.open_sealed(body)
        };
        let counted_at = match mode {
            Mode::Live => self.next_seq(),
            Mode::Replay(seq) => seq,
        };
        let nothing = Ok(Counted::Yes(FollowUp::default()));
        let body = match opened {
            Ok(body) => body,
            Err(store::OpenError::Erased) => return nothing,
            Err(error) => return Ok(Counted::No(SkipReason::Unreadable(error.to_string()))),
        };
        // What is no event touches no profile; it is only shown.
        let shown = match kind {
            RecordKind::Event => None,
            RecordKind::Rejected => Some(
                RejectedBody::decode(&body).map(|body| dead_letter(seq, source.clone(), received_at, &body)),
            ),
            RecordKind::Violation => Some(ViolationBody::decode(&body).map(|body| {
                let body = Box::new(body.into_owned());
                Change::Violation { source: source.clone(), received_at, body }
            })),
        };
        match shown {
            None => {}
            Some(Ok(change)) => {
                self.changes.push((counted_at, change));
                return nothing;
            }
            Some(Err(error)) => return Ok(Counted::No(SkipReason::Unreadable(error.to_string()))),
        }
        let event = match Event::decode(&body) {
            Ok(event) => event,
            Err(error) => return Ok(Counted::No(SkipReason::Unreadable(error.to_string()))),
        };
        let nobody = event.subject().is_none();
        let signal = match (mode, event.kind) {
            (_, EventKind::Track) if nobody => Signal::parse(&event.name, event.properties.as_deref()),
            (Mode::Live, EventKind::Track) => Signal::parse(&event.name, event.properties.as_deref()),
            _ => None,
        };
        let about = match &signal {
            Some(Ok(signal)) if nobody => Some(signal.about()),
            _ => None,
        };
        let plan = self.resolve(&event, source, about.as_ref(), seq)?;
        let Some(id) = plan.entity else { return nothing };
        self.load(id)?;
        let owner = match (mode, &signal) {
            (Mode::Live, Some(Ok(signal))) => self.owner_elsewhere(id, signal)?,
            _ => None,
        };
        let mut joins = None;
        if let (Some(owner), Some(Ok(Signal::OrderPlaced { order_id, .. })), Some(home)) =
            (owner, &signal, &plan.home)
            && !self.is_claimed(owner)?
        {
            // Now it is known whose order it was.
            let (one, other) = (home.clone(), self.hash_of(&Identifier::Order(order_id)));
            joins = Some(Outcome::Fact(Fact::IdentifiersJoined { one, other, at: event.timestamp }));
        }
        let signal = if matches!(mode, Mode::Live) { signal } else { None };
        let now = self.clock(timeline);
        let effects_on = self.effects_on()?;
        let context = Context { now, timeline, reference: &self.reference, effects_on };
        let entity = &mut self.entities.get_mut(&id).expect("loaded above").entity;
        let attempt = catch_unwind(AssertUnwindSafe(|| {
            #[cfg(feature = "faults")]
            poison(&event);
            evolve(entity, &Step::Input(&Observed { event: &event, source, key }));
            signal.as_ref().map(|signal| {
                let stimulus = Stimulus::Signal {
                    name: &event.name,
                    signal: signal.as_ref(),
                    at: event.timestamp,
                    properties: event.properties.as_deref(),
                    owner,
                };
                decide(entity, &stimulus, &context)
            })
        }));
        let decided = match attempt {
            Ok(decided) => decided,
            Err(panic) => {
                // The entity may be half changed: what is sound of it is folded again.
                self.met.poisoned += 1;
                self.reload(id)?;
                return Ok(Counted::No(SkipReason::Poison(fixed_panic_text(panic.as_ref()))));
            }
        };
        self.leave_trace(id, counted_at, Trace::Input { intake: seq });
        let joined = joins.as_ref().and(plan.home.as_ref()).map(|home| home.hash);
        let unsettled = plan.unsettled().or(joined);
        self.carry_out(plan)?;
        let outcomes: Vec<Outcome> = joins.into_iter().chain(decided.into_iter().flatten()).collect();
        let decided = (!outcomes.is_empty()).then_some((id, key, outcomes));
        Ok(Counted::Yes(FollowUp { unsettled, decided }))
    }

    fn effects_on(&mut self) -> Result<bool, FoldError> {
        Ok(self.entity(EntityId::workspace())?.workspace().is_some_and(|workspace| workspace.effects_on))
    }

    fn ask(
        &mut self,
        id: EntityId,
        stimulus: &Stimulus<'_>,
        now: Time,
        timeline: TimelineId,
    ) -> Result<Vec<Outcome>, FoldError> {
        let effects_on = self.effects_on()?;
        self.load(id)?;
        let context = Context { now, timeline, reference: &self.reference, effects_on };
        let entity = &self.entities[&id].entity;
        let decided = catch_unwind(AssertUnwindSafe(|| decide(entity, stimulus, &context)));
        Ok(decided.unwrap_or_else(|panic| {
            let mut outcomes = Vec::new();
            if let Stimulus::Timer(id) = stimulus {
                outcomes.push(Outcome::TimerFired { id: *id });
            }
            let reason = format!("deciding failed: {}", panic_text(panic.as_ref()));
            outcomes.push(Outcome::Ignored { reason });
            outcomes
        }))
    }

    /// Journals what was decided and lets it count.
    fn journal_outcomes(
        &mut self,
        entity: EntityId,
        cause: Cause,
        timeline: TimelineId,
        at: Time,
        outcomes: Vec<Outcome>,
        key: Option<KeyId>,
    ) -> Result<(), FoldError> {
        if outcomes.is_empty() {
            return Ok(());
        }
        let key = match key {
            Some(key) => key,
            None => self.key_of(entity)?,
        };
        let body = self.seal(key, &outcomes.encode());
        let reference = self.reference.version;
        self.push(&Entry::Outcome { entity, cause, timeline, at, reference, body });
        let seq = self.last_seq();
        // As a replay does, so that both see the same time.
        self.set_clock(timeline, at);
        self.evolve_outcomes(entity, timeline, &outcomes, seq)
    }

    fn evolve_outcomes(
        &mut self,
        id: EntityId,
        timeline: TimelineId,
        outcomes: &[Outcome],
        seq: u64,
    ) -> Result<(), FoldError> {
        self.load(id)?;
        for (index, outcome) in outcomes.iter().enumerate() {
            if let Outcome::Fact(Fact::ProfileErased { .. }) = outcome {
                self.forget_identity(id)?;
            }
            let entity = &mut self.entities.get_mut(&id).expect("loaded above").entity;
            let before = self_timer(entity, outcome);
            let stood_for = entity.customer().and_then(|customer| customer.merged_into);
            let step = Step::Outcome { outcome, timeline };
            if catch_unwind(AssertUnwindSafe(|| evolve(entity, &step))).is_err() {
                // Every outcome can be applied to every state; one that cannot is passed over on each replay alike.
                self.reload(id)?;
                continue;
            }
            self.follow(
                id,
                outcome,
                before,
                stood_for,
                MailKey { origin: Position::new(self.partition, seq), index: index as u32 },
            )?;
            if let Outcome::Fact(fact) = outcome {
                let fact = fact.clone();
                self.changes.push((seq, Change::Fact { entity: id, timeline, fact }));
            }
            self.note_effect(id, outcome, seq);
        }
        self.leave_trace(id, seq, Trace::Outcome);
        Ok(())
    }

    /// Keeps the partition's indexes in step with an outcome.
    fn follow(
        &mut self,
        id: EntityId,
        outcome: &Outcome,
        before: Option<(TimelineId, Time)>,
        stood_for: Option<EntityId>,
        mail: MailKey,
    ) -> Result<(), FoldError> {
        match outcome {
            Outcome::TimerSet { id: timer, due, timeline, .. } => {
                self.wakes.insert((*timeline, *due, id, *timer));
            }
            Outcome::TimerCleared { id: timer } | Outcome::TimerFired { id: timer } => {
                if let Some((timeline, due)) = before {
                    self.wakes.remove(&(timeline, due, id, *timer));
                }
            }
            Outcome::EffectRequested(effect) => {
                self.requested.insert((id, effect.key.clone()));
            }
            Outcome::EffectSettled { key, .. } => {
                self.under_way.remove(&(id, key.clone()));
            }
            Outcome::EffectSuppressed { effect, .. } => {
                self.requested.remove(&(id, effect.key.clone()));
            }
            Outcome::Mail { to, body } => {
                self.own.mail.insert(mail, (*to, body.clone()));
            }
            Outcome::Fact(fact) => match fact {
                Fact::OrderPlaced { order_id, .. } | Fact::FulfillmentMoved { order_id, .. } => {
                    self.claim(&Identifier::Order(order_id), id)?;
                }
                Fact::PromiseInquired { terms, .. }
                | Fact::PromiseQuoted { terms, .. }
                | Fact::PromiseMade { terms, .. }
                    if !terms.promise_id.starts_with("order:") =>
                {
                    self.claim(&Identifier::Promise(&terms.promise_id), id)?;
                }
                Fact::IdentifiersJoined { one, other, at } => {
                    self.say(one, other, true, *at, mail.origin.seq)?
                }
                Fact::IdentifiersParted { one, other, at } => {
                    self.say(one, other, false, *at, mail.origin.seq)?
                }
                Fact::IdentityRulesPublished { rules, .. } => self.use_rules(rules),
                // What stood for the person shows less from now on.
                Fact::ProfileMerged { .. } | Fact::ProfileParted { .. } => self.touched.extend(stood_for),
                _ => {}
            },
            Outcome::EffectStarted { key } => {
                self.requested.remove(&(id, key.clone()));
                self.under_way.insert((id, key.clone()));
            }
            Outcome::EffectUnknown { .. } | Outcome::Ignored { .. } => {}
        }
        Ok(())
    }

    fn evolve_mail(
        &mut self,
        to: EntityId,
        key: MailKey,
        body: &MailBody,
        seq: u64,
    ) -> Result<bool, FoldError> {
        self.load(to)?;
        let entity = &mut self.entities.get_mut(&to).expect("loaded above").entity;
        let first_time = entity.customer().is_some_and(|customer| !customer.mails.contains(&key));
        let step = Step::Mail { key, body };
        if catch_unwind(AssertUnwindSafe(|| evolve(entity, &step))).is_err() {
            self.reload(to)?;
            return Ok(false);
        }
        self.leave_trace(to, seq, Trace::Mail(key));
        Ok(first_time)
    }

    // ---- entities ---------------------------------------------------------------------------------------------

    /// The entity's state; a new one where nothing is known.
    pub fn entity(&mut self, id: EntityId) -> Result<&Entity, FoldError> {
        self.load(id)?;
        Ok(&self.entities[&id].entity)
    }

    fn load(&mut self, id: EntityId) -> Result<(), FoldError> {
        if let Some(cached) = self.entities.get_mut(&id) {
            cached.used = self.round;
            return Ok(());
        }
        let entity = self.base.entity(&self.keys, id)?.map_or_else(|| Entity::new(id), |(_, entity)| entity);
        let cached = Cached { entity, trail: Vec::new(), dirty: false, used: self.round, sound: None };
        self.entities.insert(id, cached);
        Ok(())
    }

    /// Folds one entity again: from where it was last folded again, else from its checkpoint and its trail.
    fn reload(&mut self, id: EntityId) -> Result<(), FoldError> {
        let Some(Cached { mut trail, dirty, used, sound, .. }) = self.entities.remove(&id) else {
            return Ok(());
        };
        let (steps, entity) = match sound {
            Some((steps, entity)) => (steps, *entity),
            None => {
                let (stamp, entity) =
                    self.base.entity(&self.keys, id)?.unwrap_or_else(|| (0, Entity::new(id)));
                trail.retain(|(seq, _)| *seq > stamp);
                (0, entity)
            }
        };
        let entity = self.refold(entity, &trail[steps..])?;
        self.met.refolded += (trail.len() - steps) as u64;
        let sound = Some((trail.len(), Box::new(entity.clone())));
        self.entities.insert(id, Cached { entity, trail, dirty, used, sound });
        Ok(())
    }

    /// Lets an entity live through the steps of a trail.
    pub fn refold(&mut self, mut entity: Entity, trail: &[(u64, Trace)]) -> Result<Entity, FoldError> {
        for (seq, trace) in trail {
            match trace {
                Trace::Input { intake } => {
                    let keys = &self.keys;
                    self.logs.intake(*intake, |record| {
                        if let Ok(body) = keys.open_sealed(&record.body)
                            && let Ok(event) = Event::decode(&body)
                        {
                            let source = &record.header.source;
                            let observed = Observed { event: &event, source, key: record.body.key };
                            evolve(&mut entity, &Step::Input(&observed));
                        }
                    })?;
                }
                Trace::Outcome => {
                    let (timeline, outcomes) = self.outcomes_at(*seq)?;
                    for outcome in &outcomes {
                        evolve(&mut entity, &Step::Outcome { outcome, timeline });
                    }
                }
                Trace::Mail(key) => {
                    let (_, outcomes) = self.outcomes_at(key.origin.seq)?;
                    let unreadable = unreadable_mail();
                    let body = match outcomes.get(key.index as usize) {
                        Some(Outcome::Mail { body, .. }) => body,
                        _ => &unreadable,
                    };
                    evolve(&mut entity, &Step::Mail { key: *key, body });
                }
            }
        }
        Ok(entity)
    }

    /// The outcomes of a journal entry, pending or written.
    fn outcomes_at(&mut self, seq: u64) -> Result<(TimelineId, Vec<Outcome>), FoldError> {
        let keys = self.keys.clone();
        self.entry(seq, |entry| match entry {
            Entry::Outcome { timeline, body, .. } => {
                (timeline, open_outcomes(&keys, &body).unwrap_or_default())
            }
            _ => (TimelineId::LIVE, Vec::new()),
        })
    }

    /// Reads a journal entry, pending or written.
    fn entry<T>(&mut self, seq: u64, read: impl FnOnce(Entry<'_>) -> T) -> Result<T, FoldError> {
        if let Some(pending) = seq.checked_sub(self.pending_from).and_then(|n| self.pending.get(n as usize)) {
            let entry = Entry::decode(pending).map_err(|source| HistoryError::Codec {
                log: "journal",
                seq,
                source,
            })?;
            return Ok(read(entry));
        }
        Ok(self.logs.journal(seq, read)?)
    }

    /// Every step of an entity's history, oldest first.
    pub fn trail(&mut self, id: EntityId) -> Result<Trail, FoldError> {
        let mut trail = Trail::new();
        if let Base::Checkpoint(state) = &self.base {
            for chunk in state.positions(id)? {
                trail.extend(postcard::from_bytes::<Trail>(&chunk).unwrap_or_default());
            }
        }
        let known = trail.last().map_or(0, |(seq, _)| *seq);
        if let Some(cached) = self.entities.get(&id) {
            trail.extend(cached.trail.iter().filter(|(seq, _)| *seq > known));
        }
        Ok(trail)
    }

    /// Whether each of these permanent keys was applied already.
    pub fn are_permanent(&self, hashes: &[DedupeHash]) -> Result<Vec<bool>, FoldError> {
        hashes.iter().map(|hash| Ok(self.is_duplicate(Dedupe::Permanent(*hash))?)).collect()
    }

    /// Hands every changed entity that is in memory to `each`, in the order of ids. For comparing folds.
    pub fn each_entity_in_memory(&self, mut each: impl FnMut(EntityId, &Entity)) {
        let changed = self.entities.iter().filter(|(id, cached)| cached.entity != Entity::new(**id));
        let mut all: Vec<_> = changed.map(|(id, cached)| (*id, &cached.entity)).collect();
        all.sort_by_key(|(id, _)| *id);
        for (id, entity) in all {
            each(id, entity);
        }
    }

    fn key_of(&mut self, id: EntityId) -> Result<KeyId, FoldError> {
        let customer = self.entity(id)?.customer();
        Ok(customer.and_then(|customer| customer.keys.first().copied()).unwrap_or(KeyId::STORE))
    }

    fn leave_trace(&mut self, id: EntityId, seq: u64, trace: Trace) {
        let cached = self.entities.get_mut(&id).expect("an entity that changed is loaded");
        cached.trail.push((seq, trace));
        cached.dirty = true;
        self.touched.insert(id);
    }

    // ---- checkpoint -------------------------------------------------------------------------------------------

    /// Entities that changed since the last collection.
    pub fn dirty_entities(&self) -> usize {
        self.entities.values().filter(|cached| cached.dirty).count()
    }

    /// Everything that changed since the last collection, as of the last taken batch. Until
    /// [`Self::checkpoint_done`] no other may be collected.
    pub fn collect_checkpoint(&mut self) -> Checkpoint {
        debug_assert!(self.pending.is_empty() && self.range.is_none());
        let journal_seq = self.pending_from - 1;
        let mut checkpoint = Checkpoint { journal_seq, ..Checkpoint::default() };
        for (id, cached) in self.entities.iter_mut().filter(|(_, cached)| cached.dirty) {
            cached.dirty = false;
            // A subject whose key is gone leaves no snapshot.
            checkpoint.entities.push((*id, seal_snapshot(&self.keys, &cached.entity).ok()));
            let chunk = postcard::to_allocvec(&cached.trail).expect("positions serialise");
            let from = cached.trail.first().map_or(journal_seq, |(seq, _)| *seq);
            checkpoint.positions.push((*id, from, chunk));
        }
        checkpoint.identities = self.identities.hand_over();
        checkpoint.seen = self.seen.hand_over().into_iter().map(|(hash, day)| (day, hash)).collect();
        checkpoint.permanent = self.permanent.hand_over().into_iter().map(|(hash, ())| hash).collect();
        checkpoint.forget_before = self.own.clocks.get(&TimelineId::LIVE).map(|now| now.day() - SEEN_DAYS);
        let own = postcard::to_allocvec(&self.own).expect("plain data serialises");
        let sealed = self.keys.seal(KeyId::STORE, &own).expect("the store's key is always there");
        checkpoint.fold = sealed.bytes.into_owned();
        checkpoint
    }

    /// The checkpoint up to `seq` is durable: what it holds need not stay in memory.
    pub fn checkpoint_done(&mut self, seq: u64) {
        for (hash, row) in self.identities.leaving.drain() {
            self.identities_read.insert(hash, row);
        }
        self.seen.leaving.clear();
        self.permanent.leaving.clear();
        for cached in self.entities.values_mut() {
            cached.trail.retain(|(at, _)| *at > seq);
            cached.sound = None;
        }
        if self.entities.len() > self.cache_max {
            // What was not used since the last round goes first.
            let round = self.round;
            self.entities
                .retain(|_, cached| cached.dirty || !cached.trail.is_empty() || cached.used >= round);
            if self.entities.len() > self.cache_max {
                self.entities.retain(|_, cached| cached.dirty || !cached.trail.is_empty());
            }
        }
        if self.identities_read.len() > self.cache_max * 4 {
            self.identities_read.clear();
        }
        self.round += 1;
    }

    // ---- small parts ------------------------------------------------------------------------------------------

    fn is_duplicate(&self, dedupe: Dedupe) -> Result<bool, StateError> {
        match dedupe {
            Dedupe::Client(hash) => Ok(self.seen.get(&hash).is_some() || self.base.was_seen(hash)?),
            Dedupe::Permanent(hash) => {
                Ok(self.permanent.get(&hash).is_some() || self.base.is_permanent(hash)?)
            }
            Dedupe::None => Ok(false),
        }
    }

    fn remember(&mut self, dedupe: Dedupe, received_at: Time) {
        match dedupe {
            Dedupe::Client(hash) => {
                self.seen.now.insert(hash, received_at.day());
            }
            Dedupe::Permanent(hash) => {
                self.permanent.now.insert(hash, ());
            }
            Dedupe::None => {}
        }
    }

    fn set_clock(&mut self, timeline: TimelineId, to: Time) {
        let clock = self.own.clocks.entry(timeline).or_insert(to);
        *clock = (*clock).max(to);
        self.moved.insert(timeline);
    }

    fn next_seq(&self) -> u64 {
        self.pending_from + self.pending.len() as u64
    }

    fn last_seq(&self) -> u64 {
        self.next_seq() - 1
    }

    fn extend_range(&mut self, seq: u64, duplicate: bool) {
        let (first, count, duplicates) = self.range.get_or_insert((seq, 0, Vec::new()));
        debug_assert_eq!(*first + u64::from(*count), seq);
        if duplicate {
            duplicates.push((seq - *first) as u32);
        }
        *count += 1;
        if *count == u32::MAX {
            self.close_range();
        }
    }

    fn close_range(&mut self) {
        if let Some((first, count, duplicates)) = self.range.take() {
            self.pending.push(Entry::Applied { first, count, duplicates }.encode());
        }
    }

    fn push(&mut self, entry: &Entry<'_>) {
        self.close_range();
        self.pending.push(entry.encode());
    }

    fn seal(&self, key: KeyId, body: &[u8]) -> model::Sealed<'static> {
        // A key that was destroyed meanwhile: what is decided about an erased subject says nothing of them.
        let sealed = self.keys.seal(key, body).or_else(|_| self.keys.seal(KeyId::STORE, body));
        sealed.expect("the store's key is always there")
    }

    fn note_skipped(&mut self, intake: u64, reason: &SkipReason) {
        let seq = self.last_seq();
        self.changes.push((seq, skipped(intake, reason)));
    }

    fn note_touched(&mut self, seq: u64) -> Result<(), FoldError> {
        let mut touched: BTreeSet<EntityId> = self.touched.drain().collect();
        for id in touched.clone() {
            touched.insert(self.head(id)?);
        }
        for id in touched {
            let person = self.person_profile(id)?;
            if let Entity::Customer(customer) = self.entity(id)?
                && customer.erased_at.is_none()
            {
                let row = crate::summary::profile_row(customer, person.as_ref());
                self.changes.push((seq, row));
            }
        }
        for timeline in std::mem::take(&mut self.moved) {
            let to = self.clock(timeline);
            self.changes.push((seq, Change::Clock { timeline, to }));
        }
        Ok(())
    }

    /// What is known of a person by all their profiles, where there are several and this one stands for them.
    fn person_profile(&mut self, id: EntityId) -> Result<Option<Profile>, FoldError> {
        let members = self.person(id)?;
        if members.len() == 1 || members.first() != Some(&id) {
            return Ok(None);
        }
        let mut all = Profile::default();
        for member in members {
            if let Some(customer) = self.entity(member)?.customer() {
                all.absorb(&customer.profile);
            }
        }
        Ok(Some(all))
    }

    fn note_effect(&mut self, id: EntityId, outcome: &Outcome, seq: u64) {
        let key = match outcome {
            Outcome::EffectRequested(effect) | Outcome::EffectSuppressed { effect, .. } => &effect.key,
            Outcome::EffectStarted { key }
            | Outcome::EffectSettled { key, .. }
            | Outcome::EffectUnknown { key } => key,
            _ => return,
        };
        let at = self.own.clocks.get(&TimelineId::LIVE).copied().unwrap_or(Time(0));
        let cached = self.entities.get(&id).and_then(|cached| cached.entity.customer());
        if let Some(record) = cached.and_then(|customer| customer.effects.get(key)) {
            self.changes.push((seq, crate::summary::effect_change(id, record, outcome, at)));
        }
    }
}

/// Days for which a client-named message is recognised.
const SEEN_DAYS: i64 = 30;

const FIRST_ENTITY: EntityId = EntityId::customer(PartitionId(0), 0);

/// An intake record that borrows nothing.
struct Input {
    kind: RecordKind,
    source: String,
    timeline: TimelineId,
    at: Time,
    received_at: Time,
    dedupe: Dedupe,
    body: model::Sealed<'static>,
}

#[derive(Clone, Copy)]
enum Mode {
    Live,
    /// With the sequence of the entry that is run again.
    Replay(u64),
}

enum Counted {
    Yes(FollowUp),
    No(SkipReason),
}

/// What a counted input leads to.
#[derive(Default)]
struct FollowUp {
    /// An identifier around which people may have to come together or part.
    unsettled: Option<IdentifierHash>,
    decided: Option<(EntityId, KeyId, Vec<Outcome>)>,
}

/// When the timer that an outcome ends was due.
fn self_timer(entity: &Entity, outcome: &Outcome) -> Option<(TimelineId, Time)> {
    let (Outcome::TimerCleared { id } | Outcome::TimerFired { id }) = outcome else { return None };
    entity.customer()?.timers.get(id).map(|timer| (timer.timeline, timer.due))
}

fn skipped(intake: u64, reason: &SkipReason) -> Change {
    Change::Skipped { seq: intake, reason: reason.clone() }
}

fn dead_letter(seq: u64, source: String, received_at: Time, rejected: &RejectedBody<'_>) -> Change {
    Change::DeadLetter {
        seq,
        source,
        code: rejected.code.to_string(),
        place: rejected.place.to_string(),
        reason: rejected.reason.to_string(),
        received_at,
    }
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|s| (*s).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "a panic".to_owned())
}

/// A panic's text where the program wrote it as it stands. One that was put together may quote the input, and
/// reasons for skipping are readable for ever.
fn fixed_panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    panic.downcast_ref::<&str>().map_or_else(|| "a panic".to_owned(), |text| (*text).to_owned())
}

/// Stands for a mail of which only the arrival is known.
fn unreadable_mail() -> MailBody {
    MailBody::SignalForwarded {
        name: String::new(),
        properties: String::new(),
        timestamp: Time(0),
        timeline: TimelineId::LIVE,
        now: Time(0),
    }
}

/// An entry that no longer borrows the reader's buffer.
fn into_owned(entry: Entry<'_>) -> Entry<'static> {
    let sealed =
        |body: model::Sealed<'_>| model::Sealed { key: body.key, bytes: Cow::Owned(body.bytes.into_owned()) };
    match entry {
        Entry::Applied { first, count, duplicates } => Entry::Applied { first, count, duplicates },
        Entry::Command { entity, at, request, body } => {
            Entry::Command { entity, at, request, body: sealed(body) }
        }
        Entry::Outcome { entity, cause, timeline, at, reference, body } => {
            Entry::Outcome { entity, cause, timeline, at, reference, body: sealed(body) }
        }
        Entry::Delivered { mail, to } => Entry::Delivered { mail, to },
        Entry::ClockAdvanced { timeline, to } => Entry::ClockAdvanced { timeline, to },
        Entry::ReferencePublished { version, body } => {
            Entry::ReferencePublished { version, body: Cow::Owned(body.into_owned()) }
        }
        Entry::Skipped { seq, reason } => Entry::Skipped { seq, reason },
        Entry::Lost => Entry::Lost,
    }
}

/// In a build with faults, an event that asks for it makes the fold panic.
#[cfg(feature = "faults")]
fn poison(event: &Event<'_>) {
    assert!(event.name != "inyeon.fault.panic", "a poison event");
}
