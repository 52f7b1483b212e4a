//! What was decided: asked for, journalled, and lived through by whom it is about and by the partition's indexes.

use std::panic::{AssertUnwindSafe, catch_unwind};

use engine::{Change as Step, Context, Entity, Stimulus, decide, evolve};
use model::codec::Stored;
use model::connection::ConnectionFact;
use model::quote::Purpose;
use model::{
    Cause, EntityId, Entry, Fact, Identifier, KeyId, MailBody, MailKey, Outcome, Position, QuoteFact,
    SupplyFact, Time, TimelineId,
};
use views::Change;

use super::connection::WantedDecision;
use super::entities::Trace;
use super::{Fold, FoldError};

impl Fold {
    pub(super) fn effects_on(&mut self) -> Result<bool, FoldError> {
        Ok(self.entity(EntityId::workspace())?.workspace().is_some_and(|workspace| workspace.effects_on))
    }

    pub(super) fn ask(
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
    pub(super) fn journal_outcomes(
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

    pub(super) fn evolve_outcomes(
        &mut self,
        id: EntityId,
        timeline: TimelineId,
        outcomes: &[Outcome],
        seq: u64,
    ) -> Result<(), FoldError> {
        self.load(id)?;
        self.before_change(id);
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
                Fact::OrderPlaced { order_id, .. }
                | Fact::FulfillmentMoved { order_id, .. }
                | Fact::OrderCancelled { order_id, .. } => {
                    self.claim(&Identifier::Order(order_id), id)?;
                }
                Fact::PromiseInquired { terms, .. }
                | Fact::PromiseQuoted { terms, .. }
                | Fact::PromiseMade { terms, .. }
                    if !terms.promise_id.starts_with("order:") =>
                {
                    self.claim(&Identifier::Promise(&terms.promise_id), id)?;
                }
                // An order that is still being placed can be asked about.
                Fact::Quote(QuoteFact::Asked { quote, .. }) => {
                    if let Purpose::OneAction(action) = &quote.purpose {
                        self.claim(&Identifier::Order(&action.order_id), id)?;
                    }
                }
                Fact::IdentifiersJoined { one, other, at } => {
                    self.say(one, other, true, *at, mail.origin.seq)?
                }
                Fact::IdentifiersParted { one, other, at } => {
                    self.say(one, other, false, *at, mail.origin.seq)?
                }
                Fact::Connection(ConnectionFact::DeviceRegistered { device_id, .. }) => {
                    self.claim_device(device_id, id)?;
                }
                Fact::Connection(ConnectionFact::DecisionWanted { need_id, occasion, action_id, .. }) => {
                    self.wanted.insert(WantedDecision {
                        customer: id,
                        need_id: need_id.clone(),
                        occasion: *occasion,
                        action_id: action_id.clone(),
                    });
                }
                // On a replay it was decided already.
                Fact::Connection(ConnectionFact::Decided(record)) => {
                    let need = record.need_id.as_deref();
                    self.wanted
                        .retain(|wanted| wanted.customer != id || Some(wanted.need_id.as_str()) != need);
                }
                Fact::IdentityRulesPublished { rules, .. } => self.use_rules(rules),
                Fact::Supply(SupplyFact::Named { name }) => self.claim_supply(name, id)?,
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

    pub(super) fn evolve_mail(
        &mut self,
        to: EntityId,
        key: MailKey,
        body: &MailBody,
        seq: u64,
    ) -> Result<bool, FoldError> {
        self.load(to)?;
        self.before_change(to);
        let entity = &mut self.entities.get_mut(&to).expect("loaded above").entity;
        let first_time = entity.is_new(&key, body);
        let step = Step::Mail { key, body };
        if catch_unwind(AssertUnwindSafe(|| evolve(entity, &step))).is_err() {
            self.reload(to)?;
            return Ok(false);
        }
        self.leave_trace(to, seq, Trace::Mail(key));
        Ok(first_time)
    }
}

/// When the timer that an outcome ends was due.
fn self_timer(entity: &Entity, outcome: &Outcome) -> Option<(TimelineId, Time)> {
    let (Outcome::TimerCleared { id } | Outcome::TimerFired { id }) = outcome else { return None };
    entity.timers()?.get(id).map(|timer| (timer.timeline, timer.due))
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|s| (*s).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "a panic".to_owned())
}
