//! What the views are told.

use std::collections::BTreeSet;

use engine::Entity;
use model::{EntityId, Outcome, Profile, RejectedBody, SkipReason, Time, TimelineId};
use views::Change;

use super::{Fold, FoldError};

impl Fold {
    pub(super) fn note_skipped(&mut self, intake: u64, reason: &SkipReason) {
        let seq = self.last_seq();
        self.changes.push((seq, skipped(intake, reason)));
    }

    pub(super) fn note_touched(&mut self, seq: u64) -> Result<(), FoldError> {
        let mut touched: BTreeSet<EntityId> = self.touched.drain().collect();
        for id in touched.clone() {
            touched.insert(self.head(id)?);
        }
        for id in touched {
            let person = self.person_profile(id)?;
            let row = match self.entity(id)? {
                Entity::Customer(customer) if customer.erased_at.is_none() => {
                    Some(crate::summary::profile_row(customer, person.as_ref()))
                }
                Entity::Customer(_) | Entity::Workspace(_) => None,
                Entity::Item(item) => Some(crate::summary::item_row(id, item)),
                Entity::Stock(stock) => Some(crate::summary::stock_row(stock)),
                Entity::Resource(resource) => Some(crate::summary::resource_row(resource)),
            };
            self.changes.extend(row.map(|row| (seq, row)));
        }
        for timeline in std::mem::take(&mut self.moved) {
            let to = self.clock(timeline);
            self.changes.push((seq, Change::Clock { timeline, to }));
        }
        Ok(())
    }

    /// What is known of a person by all their profiles, where there are several and this one stands for them.
    fn person_profile(&mut self, id: EntityId) -> Result<Option<Profile>, FoldError> {
        if self.head(id)? != id {
            return Ok(None);
        }
        let members = self.person(id)?;
        if members.len() == 1 {
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

    pub(super) fn note_effect(&mut self, id: EntityId, outcome: &Outcome, seq: u64) {
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

pub(super) fn skipped(intake: u64, reason: &SkipReason) -> Change {
    Change::Skipped { seq: intake, reason: reason.clone() }
}

pub(super) fn dead_letter(
    seq: u64,
    source: String,
    received_at: Time,
    rejected: &RejectedBody<'_>,
) -> Change {
    Change::DeadLetter {
        seq,
        source,
        code: rejected.code.to_string(),
        place: rejected.place.to_string(),
        reason: rejected.reason.to_string(),
        received_at,
    }
}
