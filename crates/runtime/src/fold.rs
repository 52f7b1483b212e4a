//! The fold of one partition: in what order inputs count, what is decided, and the state that follows.
//!
//! [`Fold::apply`] and its siblings run live: they decide, journal and evolve. [`Fold::replay`] runs a journalled
//! entry: it only evolves. Both pass through the same `evolve_*` functions, so that a replay reaches the same
//! bytes. Nothing here waits, writes a file or reads a clock.

mod checkpoint;
mod connection;
mod entities;
mod identity;
mod messages;
mod outcomes;
mod shown;
mod supply;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, RwLock};

use engine::identity::Rules;
use engine::{Change as Step, Context, EffectState, Observed, Reference, Stimulus, decide, evolve};
use model::codec::Stored;
use model::{
    Cause, Command, Dedupe, DedupeHash, EntityId, Entry, Event, EventKind, IdentifierHash, IntakeRecord,
    KeyId, MailBody, MailKey, Outcome, PartitionId, RecordKind, RejectedBody, Signal, SkipReason, Time,
    TimelineId, TimerId, ViolationBody,
};
use rustc_hash::{FxHashMap, FxHashSet};
use serde::{Deserialize, Serialize};
use store::{IdentityRow, Keys, StateError};
use views::Change;

use self::checkpoint::{Collecting, Overlay};
pub use self::connection::Stated;
use self::connection::WantedDecision;
use self::entities::Cached;
pub use self::entities::{Trace, Trail};
pub use self::identity::{Explanation, Home, Joined, Lineage, Named};
pub use self::messages::StillSaid;
use self::shown::{dead_letter, skipped};
use crate::base::Base;
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

/// The identity rules in force, for those beside the fold who must read events as it does.
pub(crate) type SharedRules = Arc<RwLock<Arc<Rules>>>;

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
    rules: SharedRules,
    entities: FxHashMap<EntityId, Cached>,
    /// Those that changed since the last checkpoint was begun.
    dirty: Vec<EntityId>,
    collecting: Option<Collecting>,
    /// Those of the checkpoint that is collected and not durable yet.
    collected: Vec<EntityId>,
    identities: Overlay<IdentifierHash, Option<IdentityRow>>,
    /// Rows read from the base, so that a busy identifier is looked up once.
    identities_read: FxHashMap<IdentifierHash, Option<IdentityRow>>,
    seen: Overlay<DedupeHash, i64>,
    permanent: Overlay<DedupeHash, ()>,
    wakes: BTreeSet<(TimelineId, Time, EntityId, TimerId)>,
    /// Needs that are to be decided on.
    wanted: BTreeSet<WantedDecision>,
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
            dirty: Vec::new(),
            collecting: None,
            collected: Vec::new(),
            identities: Overlay::new(),
            identities_read: FxHashMap::default(),
            seen: Overlay::new(),
            permanent: Overlay::new(),
            wakes: BTreeSet::new(),
            wanted: BTreeSet::new(),
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

    pub fn set_delivery(&mut self, delivery: Delivery) {
        self.delivery = delivery;
    }

    pub fn delivery(&self) -> Delivery {
        self.delivery
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

    /// Adds a record to an intake that is kept in memory, and returns its sequence. For simulations; what lies on disk
    /// is written by the intake.
    pub fn receive(&mut self, record: Vec<u8>) -> Option<u64> {
        match &mut self.logs {
            Logs::Memory { intake, .. } => {
                intake.push(record);
                Some(intake.len() as u64)
            }
            Logs::Disk { .. } => None,
        }
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
        let stood_for = match (command, self.entity(entity)?.customer()) {
            (Command::Erase, Some(customer)) => customer.absorbed.clone(),
            _ => BTreeSet::new(),
        };
        self.advance_clock(TimelineId::LIVE, at)?;
        let now = self.clock(TimelineId::LIVE);
        let key = if *command == Command::Erase { KeyId::STORE } else { self.key_of(entity)? };
        let body = self.seal(key, &command.encode());
        self.push(&Entry::Command { entity, at: now, request: None, body });
        let cause = Cause::Command(self.last_seq());
        let outcomes = self.ask(entity, &Stimulus::Command(command), now, TimelineId::LIVE)?;
        self.journal_outcomes(entity, cause, TimelineId::LIVE, now, outcomes.clone(), Some(key))?;
        match command {
            // Who was one piece of the graph may be two now.
            Command::PartIdentifiers { one, other } | Command::JoinIdentifiers { one, other } => {
                for end in [one, other] {
                    self.regroup(end.hash, cause, TimelineId::LIVE)?;
                }
            }
            Command::Erase => self.stand_alone(&stood_for, entity, cause)?,
            _ => {}
        }
        Ok(outcomes)
    }

    /// Asks the owners whether the requested effects may start; returns those that may. They must be durable as
    /// started before anything leaves.
    pub fn start_effects(&mut self, limit: usize) -> Result<Vec<(EntityId, model::Effect)>, FoldError> {
        self.start_effects_of(limit, |_| true)
    }

    /// [`Self::start_effects`] of those that have somewhere to go now; the others wait.
    pub fn start_effects_of(
        &mut self,
        limit: usize,
        may_start: impl Fn(&model::Effect) -> bool,
    ) -> Result<Vec<(EntityId, model::Effect)>, FoldError> {
        let requested: Vec<_> = self.requested.iter().cloned().collect();
        let mut started = Vec::new();
        let now = self.clock(TimelineId::LIVE);
        for (id, key) in requested {
            if started.len() >= limit {
                break;
            }
            if self.effect(id, &key)?.is_some_and(|effect| !may_start(&effect)) {
                continue;
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

    /// Effects that started, and nobody has said how they ended.
    pub fn effects_under_way(&mut self) -> Result<Vec<(EntityId, model::Effect, EffectState)>, FoldError> {
        let mut found = Vec::new();
        for (id, key, state) in self.started_effects()? {
            if let Some(effect) = self.effect(id, &key)? {
                found.push((id, effect, state));
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
            MailBody::Supply(mail) => {
                let live = TimelineId::LIVE;
                let now = mail.sent().max(self.clock(live));
                (live, now, self.ask(to, &Stimulus::Mail(&body), now, live)?)
            }
            // Nothing is decided by it.
            MailBody::ProfileJoined { .. } => return Ok(()),
        };
        self.journal_outcomes(to, Cause::Mail(key), timeline, now, outcomes, None)
    }

    /// Delivers what is under way, and what that leads to.
    pub(crate) fn deliver_all(&mut self) -> Result<(), FoldError> {
        while let Some(key) = self.own.mail.keys().next().copied() {
            self.deliver(key, false)?;
        }
        Ok(())
    }

    /// Whether there is anything to take.
    pub fn has_pending(&self) -> bool {
        !self.pending.is_empty() || self.range.is_some() || !self.own.mail.is_empty()
    }

    /// Takes what must become durable now. Mail that is due before a commit is delivered first.
    pub fn take_batch(&mut self) -> Result<Batch, FoldError> {
        if self.delivery == Delivery::BeforeCommit {
            self.deliver_all()?;
        }
        self.decide_wanted()?;
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
                let body = match self.own.mail.remove(&mail) {
                    Some((_, body)) => body,
                    // It came before.
                    None => self.mail_body(mail)?,
                };
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
        if event.kind == EventKind::Track
            && let Some(said) =
                model::supply_signal::parse(&event.name, event.properties.as_deref(), event.timestamp)
        {
            return match said {
                Ok(said) => self.count_supply(seq, &said, event.timestamp, timeline, mode),
                Err(error) => Ok(Counted::No(SkipReason::NotUnderstood(error.to_string()))),
            };
        }
        let rules = self.rules();
        let named = rules.read(&event);
        // A placeholder names nobody.
        let nobody = named.home().is_none();
        let signal = match (mode, event.kind) {
            (_, EventKind::Track) if nobody => Signal::parse(&event.name, event.properties.as_deref()),
            (Mode::Live, EventKind::Track) => Signal::parse(&event.name, event.properties.as_deref()),
            _ => None,
        };
        if nobody && event.kind == EventKind::Track {
            let properties = event.properties.as_deref();
            let at = event.timestamp.min(self.clock(timeline));
            match &signal {
                Some(Ok(known @ Signal::Connection(said))) => {
                    let Some(device_id) = said.device_id() else { return nothing };
                    let stimulus = Stimulus::Signal {
                        name: &event.name,
                        signal: Ok(known),
                        at,
                        properties,
                        owner: None,
                    };
                    return self.count_device(device_id, &stimulus, timeline, mode);
                }
                None if self.reference.playbooks.listens_to(&event.name) => {
                    let properties = properties.unwrap_or("{}");
                    let Some(device_id) = device_in(properties) else { return nothing };
                    let stimulus = Stimulus::Heard { name: &event.name, properties, at };
                    return self.count_device(&device_id, &stimulus, timeline, mode);
                }
                _ => {}
            }
        }
        let about = match &signal {
            Some(Ok(signal)) if nobody => Some(signal.about()),
            _ => None,
        };
        let plan = self.resolve(&event, &named, source, about.as_ref(), seq)?;
        let Some(id) = plan.entity else { return nothing };
        self.load(id)?;
        let owner = match (mode, &signal) {
            (Mode::Live, Some(Ok(signal))) => self.owner_elsewhere(id, signal)?,
            _ => None,
        };
        let joins = match (owner, &signal, &plan.home) {
            (Some(owner), Some(Ok(signal)), Some(home)) => {
                self.join_with_nameless(home, owner, signal, event.timestamp)?
            }
            _ => None,
        };
        let signal = if matches!(mode, Mode::Live) { signal } else { None };
        let heard = matches!(mode, Mode::Live)
            && event.kind == EventKind::Track
            && self.reference.playbooks.listens_to(&event.name);
        // What a person needs is known by who stands for them.
        let owner_of_needs = if heard { Some(self.head(id)?).filter(|head| *head != id) } else { None };
        let now = self.clock(timeline);
        let effects_on = self.effects_on()?;
        self.before_change(id);
        let context = Context { now, timeline, reference: &self.reference, effects_on };
        let entity = &mut self.entities.get_mut(&id).expect("loaded above").entity;
        let attempt = catch_unwind(AssertUnwindSafe(|| {
            #[cfg(feature = "faults")]
            poison(&event);
            evolve(entity, &Step::Input(&Observed::new(&event, &named, source, key)));
            if signal.is_none() && heard {
                let properties = event.properties.as_deref().unwrap_or("{}");
                if let Some(owner) = owner_of_needs {
                    return Some(vec![Outcome::Mail {
                        to: owner,
                        body: MailBody::SignalForwarded {
                            name: event.name.to_string(),
                            properties: properties.to_owned(),
                            timestamp: event.timestamp,
                            timeline,
                            now,
                        },
                    }]);
                }
                let stimulus = Stimulus::Heard { name: &event.name, properties, at: event.timestamp };
                return Some(decide(entity, &stimulus, &context));
            }
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

    // ---- small parts ------------------------------------------------------------------------------------------

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
}

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

/// A panic's text where the program wrote it as it stands. One that was put together may quote the input, and
/// reasons for skipping are readable for ever.
fn fixed_panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    panic.downcast_ref::<&str>().map_or_else(|| "a panic".to_owned(), |text| (*text).to_owned())
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

/// The device that an event of operations names.
fn device_in(properties: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Named {
        device_id: Option<String>,
    }
    serde_json::from_str::<Named>(properties).ok()?.device_id
}

/// In a build with faults, an event that asks for it makes the fold panic.
#[cfg(feature = "faults")]
fn poison(event: &Event<'_>) {
    assert!(event.name != "inyeon.fault.panic", "a poison event");
}
