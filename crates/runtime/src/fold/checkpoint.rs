//! What a fold remembers between two checkpoints, hands over to one, and takes up from one.

use engine::{EffectState, Entity};
use model::{Dedupe, DedupeHash, EntityId, KeyId, Time, TimelineId};
use rustc_hash::FxHashMap;
use store::{Checkpoint, StateError};

use super::identity::waiting;
use super::{Fold, FoldError, Own};
use crate::base::{Base, seal_snapshot};

/// What is kept of messages and identifiers between a change and its checkpoint.
pub(super) struct Overlay<K, V> {
    pub(super) now: FxHashMap<K, V>,
    /// Handed to a checkpoint that has not come back yet.
    pub(super) leaving: FxHashMap<K, V>,
}

impl<K: Eq + std::hash::Hash + Copy, V: Clone> Overlay<K, V> {
    pub(super) fn new() -> Self {
        Overlay { now: FxHashMap::default(), leaving: FxHashMap::default() }
    }

    pub(super) fn get(&self, key: &K) -> Option<V> {
        self.now.get(key).or_else(|| self.leaving.get(key)).cloned()
    }

    pub(super) fn hand_over(&mut self) -> Vec<(K, V)> {
        self.leaving = std::mem::take(&mut self.now);
        self.leaving.iter().map(|(k, v)| (*k, v.clone())).collect()
    }
}

/// A checkpoint that is put together piece by piece, so that nobody waits for the whole: what changes meanwhile is
/// copied to it before it does, so that all of it is of one moment.
pub(super) struct Collecting {
    checkpoint: Checkpoint,
    left: Vec<EntityId>,
}

/// Days for which a client-named message is recognised.
const SEEN_DAYS: i64 = 30;

impl Fold {
    pub(super) fn load_own(&mut self) -> Result<(), FoldError> {
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
            Some(entity) => {
                let timers = entity.timers().into_iter().flatten();
                let timers = timers.map(|(timer, known)| (known.timeline, known.due, *timer)).collect();
                entities.push((id, (timers, Vec::new())));
            }
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

    /// Entities that changed since the last checkpoint was begun.
    pub fn dirty_entities(&self) -> usize {
        self.dirty.len()
    }

    /// Everything that changed since the last checkpoint, as of the last taken batch.
    pub fn collect_checkpoint(&mut self) -> Checkpoint {
        self.begin_checkpoint();
        self.go_on_with_checkpoint(usize::MAX).expect("all of it was asked for")
    }

    /// Begins a checkpoint of everything that changed since the last one, as of the last taken batch. Until
    /// [`Self::checkpoint_done`] no other may be begun.
    pub fn begin_checkpoint(&mut self) {
        debug_assert!(self.pending.is_empty() && self.range.is_none() && self.collecting.is_none());
        let journal_seq = self.pending_from - 1;
        let mut checkpoint = Checkpoint { journal_seq, ..Checkpoint::default() };
        let left = std::mem::take(&mut self.dirty);
        for id in &left {
            if let Some(cached) = self.entities.get_mut(id) {
                cached.dirty = false;
                cached.leaving = true;
            }
        }
        checkpoint.identities = self.identities.hand_over();
        checkpoint.seen = self.seen.hand_over().into_iter().map(|(hash, day)| (day, hash)).collect();
        checkpoint.permanent = self.permanent.hand_over().into_iter().map(|(hash, ())| hash).collect();
        checkpoint.forget_before = self.own.clocks.get(&TimelineId::LIVE).map(|now| now.day() - SEEN_DAYS);
        let own = postcard::to_allocvec(&self.own).expect("plain data serialises");
        let sealed = self.keys.seal(KeyId::STORE, &own).expect("the store's key is always there");
        checkpoint.fold = sealed.bytes.into_owned();
        self.collecting = Some(Collecting { checkpoint, left });
    }

    /// Whether a checkpoint is begun and not whole.
    pub fn is_collecting(&self) -> bool {
        self.collecting.is_some()
    }

    /// Copies about so many bytes more to the checkpoint that was begun, and returns it when it is whole.
    pub fn go_on_with_checkpoint(&mut self, bytes: usize) -> Option<Checkpoint> {
        let mut copied = 0;
        while copied <= bytes {
            match self.collecting.as_mut()?.left.pop() {
                Some(id) => copied += self.copy_to_checkpoint(id),
                None => {
                    let whole = self.collecting.take()?.checkpoint;
                    self.collected = whole.entities.iter().map(|(id, _)| *id).collect();
                    return Some(whole);
                }
            }
        }
        None
    }

    /// Whatever is about to change is copied to the checkpoint first, where it belongs to one.
    pub(super) fn before_change(&mut self, id: EntityId) {
        if self.collecting.is_some() {
            self.copy_to_checkpoint(id);
        }
    }

    /// Returns how many bytes that were; none where it is there already or does not belong to it.
    fn copy_to_checkpoint(&mut self, id: EntityId) -> usize {
        let Some(Collecting { checkpoint, .. }) = &mut self.collecting else { return 0 };
        let Some(cached) = self.entities.get_mut(&id).filter(|cached| cached.leaving) else { return 0 };
        cached.leaving = false;
        // A subject whose key is gone leaves no snapshot.
        let snapshot = seal_snapshot(&self.keys, &cached.entity).ok();
        let chunk = postcard::to_allocvec(&cached.trail).expect("positions serialise");
        let bytes = snapshot.as_ref().map_or(0, Vec::len) + chunk.len();
        let from = cached.trail.first().map_or(checkpoint.journal_seq, |(seq, _)| *seq);
        checkpoint.entities.push((id, snapshot));
        checkpoint.positions.push((id, from, chunk));
        bytes
    }

    /// The checkpoint up to `seq` is durable: what it holds need not stay in memory.
    pub fn checkpoint_done(&mut self, seq: u64) {
        for (hash, row) in self.identities.leaving.drain() {
            self.identities_read.insert(hash, row);
        }
        self.seen.leaving.clear();
        self.permanent.leaving.clear();
        for id in std::mem::take(&mut self.collected) {
            if let Some(cached) = self.entities.get_mut(&id) {
                cached.trail.retain(|(at, _)| *at > seq);
                cached.sound = None;
            }
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

    /// Whether each of these permanent keys was applied already.
    pub fn are_permanent(&self, hashes: &[DedupeHash]) -> Result<Vec<bool>, FoldError> {
        hashes.iter().map(|hash| Ok(self.is_duplicate(Dedupe::Permanent(*hash))?)).collect()
    }

    pub(super) fn is_duplicate(&self, dedupe: Dedupe) -> Result<bool, StateError> {
        match dedupe {
            Dedupe::Client(hash) => Ok(self.seen.get(&hash).is_some() || self.base.was_seen(hash)?),
            Dedupe::Permanent(hash) => {
                Ok(self.permanent.get(&hash).is_some() || self.base.is_permanent(hash)?)
            }
            Dedupe::None => Ok(false),
        }
    }

    pub(super) fn remember(&mut self, dedupe: Dedupe, received_at: Time) {
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
}
