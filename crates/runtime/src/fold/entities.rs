//! Entities in memory, and how one is folded again from its checkpoint and the steps since.

use engine::{Change as Step, Entity, Observed, evolve};
use model::codec::Stored;
use model::{EntityId, Entry, Event, KeyId, MailBody, MailKey, Outcome, Time, TimelineId};
use serde::{Deserialize, Serialize};

use super::{Fold, FoldError};
use crate::base::Base;
use crate::logs::{HistoryError, open_outcomes};

/// Where one step of an entity's history stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Trace {
    Input { intake: u64 },
    Outcome,
    Mail(MailKey),
}

/// A step of an entity's history with the journal sequence at which it counted.
pub type Trail = Vec<(u64, Trace)>;

pub(super) struct Cached {
    pub(super) entity: Entity,
    /// Steps since the checkpoint that `Base` has.
    pub(super) trail: Trail,
    /// Changed since the last checkpoint was begun.
    pub(super) dirty: bool,
    /// Belongs to the checkpoint that is being collected, and is not copied to it yet.
    pub(super) leaving: bool,
    /// The checkpoint round in which it was last used.
    pub(super) used: u64,
    /// Where an input made its fold fail: the entity after so many steps of the trail. The next failure folds again
    /// from here, so that a busy entity with many of them is not folded again from its checkpoint each time.
    pub(super) sound: Option<(usize, Box<Entity>)>,
}

impl Fold {
    /// The entity's state; a new one where nothing is known.
    pub fn entity(&mut self, id: EntityId) -> Result<&Entity, FoldError> {
        self.load(id)?;
        Ok(&self.entities[&id].entity)
    }

    pub(super) fn load(&mut self, id: EntityId) -> Result<(), FoldError> {
        if let Some(cached) = self.entities.get_mut(&id) {
            cached.used = self.round;
            return Ok(());
        }
        let entity = self.base.entity(&self.keys, id)?.map_or_else(|| Entity::new(id), |(_, entity)| entity);
        let cached =
            Cached { entity, trail: Vec::new(), dirty: false, leaving: false, used: self.round, sound: None };
        self.entities.insert(id, cached);
        Ok(())
    }

    /// Folds one entity again: from where it was last folded again, else from its checkpoint and its trail.
    pub(super) fn reload(&mut self, id: EntityId) -> Result<(), FoldError> {
        let Some(Cached { mut trail, dirty, leaving, used, sound, .. }) = self.entities.remove(&id) else {
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
        self.entities.insert(id, Cached { entity, trail, dirty, leaving, used, sound });
        Ok(())
    }

    /// Lets an entity live through the steps of a trail.
    pub fn refold(&mut self, mut entity: Entity, trail: &[(u64, Trace)]) -> Result<Entity, FoldError> {
        for (seq, trace) in trail {
            match trace {
                Trace::Input { intake } => {
                    let (keys, rules) = (&self.keys, self.rules());
                    self.logs.intake(*intake, |record| {
                        if let Ok(body) = keys.open_sealed(&record.body)
                            && let Ok(event) = Event::decode(&body)
                        {
                            let source = &record.header.source;
                            let named = rules.read_home(&event);
                            let observed = Observed::new(&event, &named, source, record.body.key);
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
                    let body = self.mail_body(*key)?;
                    evolve(&mut entity, &Step::Mail { key: *key, body: &body });
                }
            }
        }
        Ok(entity)
    }

    /// The outcomes of a journal entry, pending or written.
    pub(super) fn outcomes_at(&mut self, seq: u64) -> Result<(TimelineId, Vec<Outcome>), FoldError> {
        let keys = self.keys.clone();
        self.entry(seq, |entry| match entry {
            Entry::Outcome { timeline, body, .. } => {
                (timeline, open_outcomes(&keys, &body).unwrap_or_default())
            }
            _ => (TimelineId::LIVE, Vec::new()),
        })
    }

    /// What a mail says, by the outcome that sent it. What an erased sender said is gone; that it arrived is the
    /// receiver's.
    pub(super) fn mail_body(&mut self, key: MailKey) -> Result<MailBody, FoldError> {
        let (_, mut outcomes) = self.outcomes_at(key.origin.seq)?;
        let index = key.index as usize;
        Ok(match (index < outcomes.len()).then(|| outcomes.swap_remove(index)) {
            Some(Outcome::Mail { body, .. }) => body,
            _ => unreadable_mail(),
        })
    }

    /// Reads a journal entry, pending or written.
    pub(super) fn entry<T>(&mut self, seq: u64, read: impl FnOnce(Entry<'_>) -> T) -> Result<T, FoldError> {
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

    /// Hands every changed entity that is in memory to `each`, in the order of ids. For comparing folds.
    pub fn each_entity_in_memory(&self, mut each: impl FnMut(EntityId, &Entity)) {
        let changed = self.entities.iter().filter(|(id, cached)| cached.entity != Entity::new(**id));
        let mut all: Vec<_> = changed.map(|(id, cached)| (*id, &cached.entity)).collect();
        all.sort_by_key(|(id, _)| *id);
        for (id, entity) in all {
            each(id, entity);
        }
    }

    pub(super) fn key_of(&mut self, id: EntityId) -> Result<KeyId, FoldError> {
        let customer = self.entity(id)?.customer();
        Ok(customer.and_then(|customer| customer.keys.first().copied()).unwrap_or(KeyId::STORE))
    }

    pub(super) fn leave_trace(&mut self, id: EntityId, seq: u64, trace: Trace) {
        let cached = self.entities.get_mut(&id).expect("an entity that changed is loaded");
        debug_assert!(!cached.leaving, "what leaves for a checkpoint is copied before it changes");
        cached.trail.push((seq, trace));
        if !std::mem::replace(&mut cached.dirty, true) {
            self.dirty.push(id);
        }
        self.touched.insert(id);
    }
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
