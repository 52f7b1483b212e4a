//! Needs, what was decided about them, and what was ordered under mandates.

use model::connection::{
    ActionState, ConnectionFact, DecisionRecord, MandateState, NeedOrigin, NeedStage, Strategy,
};
use model::{EntityId, Money, Time};
use rusqlite::{Result, params};
use serde::Serialize;

use crate::fold::{Fold, Owner, amount};
use crate::rows::{Columns, FromColumns, packed};
use crate::wire;

wire::named!(ActionState, ActionState::ALL);
wire::named!(MandateState, MandateState::ALL);
wire::named!(NeedOrigin, NeedOrigin::ALL);
wire::named!(NeedStage, NeedStage::ALL);
wire::named!(Strategy, Strategy::ALL);

/// A need and how far it is.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct NeedRow {
    #[serde(serialize_with = "wire::entity")]
    pub entity: EntityId,
    pub need_id: String,
    pub category: String,
    pub device_id: Option<String>,
    pub slot: Option<String>,
    #[serde(serialize_with = "wire::name")]
    pub origin: NeedOrigin,
    pub rule: String,
    pub playbook: String,
    pub version: u32,
    pub arm: Option<String>,
    #[serde(serialize_with = "wire::name")]
    pub strategy: Strategy,
    /// What the chosen strategy lacked, where another is followed.
    pub instead: Option<String>,
    pub confidence: f64,
    #[serde(serialize_with = "wire::time")]
    pub arose_at: Time,
    #[serde(serialize_with = "wire::time")]
    pub known_at: Time,
    /// From when on it stood in the customer's way, where it did.
    #[serde(serialize_with = "wire::time_opt")]
    pub unmet_from: Option<Time>,
    #[serde(serialize_with = "wire::name")]
    pub stage: NeedStage,
    #[serde(serialize_with = "wire::time")]
    pub moved_at: Time,
    pub order_id: Option<String>,
    #[serde(serialize_with = "wire::time_opt")]
    pub met_at: Option<Time>,
    pub why: Option<String>,
    pub minutes: f64,
    pub steps: u32,
    pub inputs: u32,
    pub contacts: u32,
    /// How often somebody told what it cost; where nobody did, the four above are not known.
    pub efforts: u32,
    /// Kinds of friction, with commas between them.
    pub frictions: String,
}

impl FromColumns for NeedRow {
    const COLUMNS: &'static str = "entity, need_id, category, device_id, slot, origin, rule, playbook, version, arm, \
        strategy, instead, confidence, arose_at, known_at, unmet_from, stage, moved_at, order_id, met_at, why, \
        minutes, steps, inputs, contacts, efforts, frictions";

    fn read(row: &mut Columns<'_, '_>) -> Result<Self> {
        Ok(NeedRow {
            entity: row.entity()?,
            need_id: row.take()?,
            category: row.take()?,
            device_id: row.take()?,
            slot: row.take()?,
            origin: row.named()?,
            rule: row.take()?,
            playbook: row.take()?,
            version: row.take()?,
            arm: row.take()?,
            strategy: row.named()?,
            instead: row.take()?,
            confidence: row.take()?,
            arose_at: row.time()?,
            known_at: row.time()?,
            unmet_from: row.time_opt()?,
            stage: row.named()?,
            moved_at: row.time()?,
            order_id: row.take()?,
            met_at: row.time_opt()?,
            why: row.take()?,
            minutes: row.take()?,
            steps: row.take()?,
            inputs: row.take()?,
            contacts: row.take()?,
            efforts: row.take()?,
            frictions: row.take()?,
        })
    }
}

/// A decision with everything that it went by.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct DecisionRow {
    #[serde(serialize_with = "wire::entity")]
    pub entity: EntityId,
    pub decision_id: String,
    pub need_id: Option<String>,
    #[serde(serialize_with = "wire::time")]
    pub at: Time,
    pub playbook: String,
    pub version: u32,
    /// As JSON.
    pub seen: String,
    /// As JSON.
    pub choice: String,
}

impl DecisionRow {
    pub fn into_record(self) -> (EntityId, DecisionRecord) {
        let DecisionRow { entity, decision_id, need_id, at, playbook, version, seen, choice } = self;
        (entity, DecisionRecord { decision_id, need_id, at, playbook, version, seen, choice })
    }
}

impl FromColumns for DecisionRow {
    const COLUMNS: &'static str = "entity, decision_id, need_id, at, playbook, version, seen, choice";

    fn read(row: &mut Columns<'_, '_>) -> Result<Self> {
        Ok(DecisionRow {
            entity: row.entity()?,
            decision_id: row.take()?,
            need_id: row.take()?,
            at: row.time()?,
            playbook: row.take()?,
            version: row.take()?,
            seen: row.packed()?,
            choice: row.packed()?,
        })
    }
}

/// An order that the company places by itself.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct AutoOrderRow {
    #[serde(serialize_with = "wire::entity")]
    pub entity: EntityId,
    pub action_id: String,
    pub mandate_id: String,
    pub need_id: String,
    pub item_id: String,
    #[serde(serialize_with = "wire::name")]
    pub state: ActionState,
    pub why: Option<String>,
    pub order_id: Option<String>,
    #[serde(serialize_with = "wire::money_opt")]
    pub price: Option<Money>,
    #[serde(serialize_with = "wire::time")]
    pub proposed_at: Time,
    #[serde(serialize_with = "wire::time")]
    pub execute_at: Time,
    #[serde(serialize_with = "wire::time")]
    pub due_at: Time,
    #[serde(serialize_with = "wire::time")]
    pub moved_at: Time,
}

impl FromColumns for AutoOrderRow {
    const COLUMNS: &'static str = "entity, action_id, mandate_id, need_id, item_id, state, why, order_id, price_minor, \
        currency, proposed_at, execute_at, due_at, moved_at";

    fn read(row: &mut Columns<'_, '_>) -> Result<Self> {
        Ok(AutoOrderRow {
            entity: row.entity()?,
            action_id: row.take()?,
            mandate_id: row.take()?,
            need_id: row.take()?,
            item_id: row.take()?,
            state: row.named()?,
            why: row.take()?,
            order_id: row.take()?,
            price: row.money_opt()?,
            proposed_at: row.time()?,
            execute_at: row.time()?,
            due_at: row.time()?,
            moved_at: row.time()?,
        })
    }
}

impl Fold<'_> {
    pub(crate) fn connection_fact(&self, owner: Owner, fact: &ConnectionFact) -> Result<()> {
        match fact {
            ConnectionFact::NeedRecognized(need) => self.run(
                "INSERT OR REPLACE INTO needs (entity, need_id, timeline, category, device_id, slot, origin, rule,
                    playbook, version, arm, strategy, instead, confidence, arose_at, known_at, unmet_from, stage, moved_at)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'recognized', ?)",
                params![
                    owner.key,
                    need.need_id,
                    owner.timeline,
                    need.category,
                    need.subject.device_id,
                    need.subject.slot,
                    need.origin.name(),
                    need.rule,
                    need.playbook,
                    need.version,
                    need.arm,
                    need.strategy.name(),
                    need.instead,
                    need.confidence,
                    need.arose_at.0,
                    need.known_at.0,
                    // Somebody who asks misses it already.
                    (need.arose_at <= need.known_at).then_some(need.arose_at.0),
                    need.known_at.0,
                ],
            ),
            ConnectionFact::NeedMoved { need_id, stage, at, order_id, why } => self.run(
                "UPDATE needs SET stage = ?3, moved_at = ?4, order_id = COALESCE(?5, order_id),
                    why = COALESCE(?6, why), met_at = CASE WHEN ?3 = 'met' THEN ?4 ELSE met_at END
                WHERE entity = ?1 AND need_id = ?2",
                params![owner.key, need_id, stage.name(), at.0, order_id, why],
            ),
            ConnectionFact::RanEmpty { device_id, slot, at } => self.run(
                "UPDATE needs SET unmet_from = MIN(COALESCE(unmet_from, ?4), ?4)
                WHERE entity = ?1 AND device_id = ?2 AND slot = ?3
                    AND stage IN ('recognized', 'requested', 'promised')",
                params![owner.key, device_id, slot, at.0],
            ),
            ConnectionFact::EffortSpent { need_id, minutes, steps, inputs, contacts, .. } => self.run(
                "UPDATE needs SET minutes = minutes + ?3, steps = steps + ?4, inputs = inputs + ?5,
                    contacts = contacts + ?6, efforts = efforts + 1
                WHERE entity = ?1 AND need_id = ?2",
                params![owner.key, need_id, minutes, steps, inputs, contacts],
            ),
            ConnectionFact::FrictionSeen { need_id, friction } => self.run(
                "UPDATE needs SET frictions = frictions || CASE WHEN frictions = '' THEN '' ELSE ',' END || ?3
                WHERE entity = ?1 AND need_id = ?2",
                params![owner.key, need_id, friction.kind.name()],
            ),
            ConnectionFact::Decided(record) => self.run(
                "INSERT OR REPLACE INTO decisions VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                params![
                    owner.key,
                    record.decision_id,
                    record.need_id,
                    record.at.0,
                    record.playbook,
                    record.version,
                    packed(&record.seen),
                    packed(&record.choice),
                ],
            ),
            ConnectionFact::ActionProposed { action, at } => {
                let (minor, currency) = amount(Some(&action.price));
                self.run(
                    "INSERT OR REPLACE INTO auto_orders (entity, action_id, mandate_id, need_id, item_id, state,
                        price_minor, currency, proposed_at, execute_at, due_at, moved_at)
                    VALUES (?, ?, ?, ?, ?, 'proposed', ?, ?, ?, ?, ?, ?)",
                    params![
                        owner.key,
                        action.action_id,
                        action.mandate_id,
                        action.need_id,
                        action.item_id,
                        minor,
                        currency,
                        at.0,
                        action.execute_at.0,
                        action.due_at.0,
                        at.0,
                    ],
                )
            }
            ConnectionFact::ActionMoved { action_id, state, end, at } => self.run(
                "UPDATE auto_orders SET state = ?3, why = ?4, order_id = COALESCE(?5, order_id), moved_at = ?6
                WHERE entity = ?1 AND action_id = ?2",
                params![owner.key, action_id, state.name(), end.why, end.order_id, at.0],
            ),
            // What belongs to the customer's own page is read where it is kept.
            ConnectionFact::PreferenceSet(_)
            | ConnectionFact::ConsentSet(_)
            | ConnectionFact::DeviceRegistered { .. }
            | ConnectionFact::DeviceGone { .. }
            | ConnectionFact::PriorPinned { .. }
            | ConnectionFact::ItemBought { .. }
            | ConnectionFact::ItemAwaited { .. }
            | ConnectionFact::ItemArrived { .. }
            | ConnectionFact::LevelSeen(_)
            | ConnectionFact::SlotReplaced { .. }
            | ConnectionFact::AwaySet { .. }
            | ConnectionFact::NeedHeardAgain { .. }
            | ConnectionFact::NeedRaised { .. }
            | ConnectionFact::DecisionWanted { .. }
            | ConnectionFact::OfferShown { .. }
            | ConnectionFact::Snoozed { .. }
            | ConnectionFact::StepDone { .. }
            | ConnectionFact::MandatePresented { .. }
            | ConnectionFact::MandateAmended { .. }
            | ConnectionFact::MandateMoved { .. }
            | ConnectionFact::Debited { .. }
            | ConnectionFact::CreditedBack { .. }
            | ConnectionFact::Contacted { .. } => Ok(()),
        }
    }
}
