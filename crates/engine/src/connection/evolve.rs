//! How a connection changes by what came to pass.

use std::collections::BTreeMap;

use learn::depletion::{Level, Prior};
use model::Time;
use model::connection::{ActionEnd, ActionState, ConnectionFact, LevelSeen, MandateState, NeedStage};

use super::{
    ActionRecord, Arrival, BOUGHT_KEPT, Bought, CONTACTS_KEPT, Connection, Contact, DECISIONS_KEPT, Device,
    KEPT, KEPT_OF_A_SLOT, MandateRecord, NeedRecord, Pinned, SPENDS_KEPT, Slot, days_of,
};

pub(crate) fn apply(connection: &mut Connection, fact: &ConnectionFact) {
    match fact {
        ConnectionFact::PreferenceSet(preference) => {
            let same = |known: &model::connection::Preference| {
                known.category == preference.category && known.device_id == preference.device_id
            };
            connection.preferences.retain(|known| !same(known));
            connection.preferences.push(preference.clone());
        }
        ConnectionFact::ConsentSet(consent) => {
            connection.consents.insert(consent.purpose.clone(), consent.clone());
        }
        ConnectionFact::DeviceRegistered { device_id, model, site, slots, at } => {
            let known = connection.devices.remove(device_id).unwrap_or_default();
            let mut device = Device {
                model: model.clone().or(known.model),
                site: site.clone().or(known.site),
                registered_at: *at,
                gone_at: None,
                slots: known.slots,
            };
            for slot in slots {
                let known =
                    device.slots.entry(slot.slot.clone()).or_insert_with(|| Slot::new(&slot.category));
                known.category.clone_from(&slot.category);
            }
            connection.devices.insert(device_id.clone(), device);
        }
        ConnectionFact::DeviceGone { device_id, at } => {
            if let Some(device) = connection.devices.get_mut(device_id) {
                device.gone_at = Some(*at);
            }
        }
        ConnectionFact::PriorPinned { category, version, prior } => {
            // What was published was checked; what is not understood any more counts as nothing known.
            let prior = serde_json::from_str(prior).unwrap_or_default();
            connection.priors.insert(category.clone(), Pinned { version: *version, prior });
        }
        ConnectionFact::ItemBought { category, item_id, quantity, at } => {
            let bought = connection.bought.entry(category.clone()).or_default();
            bought.push(Bought { at: *at, item_id: item_id.clone(), quantity: *quantity });
            bought.sort_by_key(|bought| bought.at);
            let over = bought.len().saturating_sub(BOUGHT_KEPT);
            bought.drain(..over);
        }
        ConnectionFact::ItemAwaited { category, order_id, quantity, at } => {
            let in_use = connection.in_use.entry(category.clone()).or_default();
            in_use.awaits(Arrival { order_id: order_id.clone(), quantity: *quantity, at: *at });
        }
        ConnectionFact::ItemArrived { category, order_id, quantity, at } => {
            let arrival = Arrival { order_id: order_id.clone(), quantity: *quantity, at: *at };
            let in_use = connection.in_use.entry(category.clone()).or_default();
            match connection.priors.get(category) {
                Some(pinned) => in_use.arrives(&pinned.prior, arrival),
                None => in_use.arrives(&Prior::default(), arrival),
            }
        }
        ConnectionFact::LevelSeen(seen) => level_seen(connection, seen),
        ConnectionFact::SlotReplaced { device_id, slot, at } => {
            with_slot(connection, device_id, slot, |slot, prior| {
                slot.cycle = slot.cycle.saturating_add(1);
                slot.empty_since = None;
                slot.replaced_at = Some(*at);
                let level = slot.level.get_or_insert_with(|| Box::new(Level::new(prior)));
                // A day that cannot be counted changes nothing.
                let _ = level.replaced(prior, days_of(*at));
            });
        }
        ConnectionFact::RanEmpty { device_id, slot, at } => {
            with_slot(connection, device_id, slot, |slot, _| {
                slot.empty_since = slot.empty_since.or(Some(*at));
            });
        }
        ConnectionFact::AwaySet { from, until, at } => {
            connection.away.retain(|(_, end)| end > at);
            connection.away.push((*from, *until));
        }
        ConnectionFact::NeedRecognized(need) => {
            connection.next_need = connection.next_need.saturating_add(1);
            let record = NeedRecord {
                need: (**need).clone(),
                stage: NeedStage::Recognized,
                moved_at: need.known_at,
                order_id: None,
                met_at: None,
                frictions: Vec::new(),
                effort: super::Effort::default(),
                why: None,
                decision_id: None,
                wanted: false,
                raised: 0,
                raised_at: None,
            };
            connection.needs.insert(need.need_id.clone(), record);
            let kept = kept(&connection.devices);
            keep_latest(&mut connection.needs, kept, |record| {
                (!record.stage.is_open()).then_some(record.moved_at)
            });
        }
        ConnectionFact::NeedMoved { need_id, stage, at, order_id, why } => {
            let by_customer = *stage == NeedStage::Lapsed && why.as_deref() == Some("customer");
            let need = connection.needs.get(need_id).filter(|_| by_customer);
            if let Some((category, subject)) =
                need.map(|record| (record.need.category.clone(), record.need.subject.clone()))
            {
                if let Some((device, slot)) = subject.device_id.zip(subject.slot) {
                    with_slot(connection, &device, &slot, |slot, _| slot.declined = Some(slot.cycle));
                } else if let Some(in_use) = connection.in_use.get_mut(&category) {
                    in_use.declined = Some(in_use.cycle);
                }
            }
            if let Some(record) = connection.needs.get_mut(need_id) {
                record.stage = *stage;
                record.moved_at = *at;
                record.wanted &= stage.is_open();
                if order_id.is_some() {
                    record.order_id.clone_from(order_id);
                }
                if why.is_some() {
                    record.why.clone_from(why);
                }
                if *stage == NeedStage::Met {
                    record.met_at = Some(*at);
                }
                if *stage == NeedStage::Promised {
                    let key = (record.need.category.clone(), record.need.strategy);
                    let taken = connection.taken.entry(key).or_default();
                    taken.taken = taken.taken.saturating_add(1);
                }
            }
        }
        ConnectionFact::NeedHeardAgain { .. } => {}
        ConnectionFact::DecisionWanted { need_id, .. } => {
            if let Some(record) = connection.needs.get_mut(need_id) {
                record.wanted = true;
            }
        }
        ConnectionFact::Decided(decided) => {
            connection.next_decision = connection.next_decision.saturating_add(1);
            if let Some(record) = decided.need_id.as_ref().and_then(|id| connection.needs.get_mut(id)) {
                record.wanted = false;
                record.decision_id = Some(decided.decision_id.clone());
            }
            connection.decisions.insert(decided.decision_id.clone(), (**decided).clone());
            let needs = &connection.needs;
            keep_latest(&mut connection.decisions, DECISIONS_KEPT, |record| {
                let need = record.need_id.as_ref().and_then(|id| needs.get(id));
                let is_last = need.is_some_and(|need| {
                    need.stage.is_open() && need.decision_id.as_ref() == Some(&record.decision_id)
                });
                (!is_last).then_some(record.at)
            });
        }
        ConnectionFact::FrictionSeen { need_id, friction } => {
            if let Some(record) = connection.needs.get_mut(need_id) {
                record.frictions.push(friction.clone());
            }
        }
        ConnectionFact::EffortSpent { need_id, minutes, steps, inputs, contacts, .. } => {
            if let Some(record) = connection.needs.get_mut(need_id) {
                let effort = &mut record.effort;
                effort.minutes += minutes;
                effort.steps = effort.steps.saturating_add(*steps);
                effort.inputs = effort.inputs.saturating_add(*inputs);
                effort.contacts = effort.contacts.saturating_add(*contacts);
            }
        }
        ConnectionFact::OfferShown { need_id, .. } => {
            if let Some(record) = connection.needs.get(need_id) {
                let key = (record.need.category.clone(), record.need.strategy);
                let taken = connection.taken.entry(key).or_default();
                taken.shown = taken.shown.saturating_add(1);
            }
        }
        ConnectionFact::NeedRaised { need_id, at, .. } => {
            if let Some(record) = connection.needs.get_mut(need_id) {
                record.raised = record.raised.saturating_add(1);
                record.raised_at = Some(*at);
            }
        }
        ConnectionFact::Snoozed { category, until, .. } => {
            connection.snoozed.insert(category.clone(), *until);
        }
        ConnectionFact::StepDone { category, step, done, at } => {
            let key = (category.clone(), step.clone());
            if *done {
                connection.steps.insert(key, *at);
            } else {
                connection.steps.remove(&key);
            }
        }
        ConnectionFact::MandatePresented { terms, version, agreement, at } => {
            match connection.mandates.get_mut(&terms.mandate_id) {
                Some(known) if known.agreed_at.is_some() && !known.state.is_ended() => {
                    known.proposed = Some(((**terms).clone(), *version, agreement.clone()));
                }
                _ => {
                    let record = MandateRecord {
                        terms: (**terms).clone(),
                        version: *version,
                        state: MandateState::Presented,
                        agreement: agreement.clone(),
                        agreed_at: None,
                        proposed: None,
                        spends: Vec::new(),
                        moved_at: *at,
                        why: None,
                        last_used: None,
                    };
                    connection.mandates.insert(terms.mandate_id.clone(), record);
                }
            }
        }
        ConnectionFact::MandateAmended { mandate_id, at } => {
            if let Some(record) = connection.mandates.get_mut(mandate_id)
                && let Some((terms, version, agreement)) = record.proposed.take()
            {
                (record.terms, record.version, record.agreement) = (terms, version, agreement);
                record.agreed_at = Some(*at);
            }
        }
        ConnectionFact::MandateMoved { mandate_id, state, why, at, .. } => {
            if let Some(record) = connection.mandates.get_mut(mandate_id) {
                if *state == MandateState::Active && record.state == MandateState::Presented {
                    record.agreed_at = Some(*at);
                }
                record.state = *state;
                record.moved_at = *at;
                record.why.clone_from(why);
                if state.is_ended() {
                    record.proposed = None;
                }
            }
        }
        ConnectionFact::Debited { mandate_id, spend } => {
            if let Some(record) = connection.mandates.get_mut(mandate_id) {
                record.last_used = Some(spend.at);
                record.spends.push(spend.clone());
                let over = record.spends.len().saturating_sub(SPENDS_KEPT);
                record.spends.drain(..over);
            }
        }
        ConnectionFact::CreditedBack { mandate_id, action_id, .. } => {
            if let Some(record) = connection.mandates.get_mut(mandate_id) {
                let of_action = |spend: &&mut model::connection::Spend| spend.action_id == *action_id;
                record.spends.iter_mut().filter(of_action).for_each(|spend| spend.back = true);
            }
        }
        ConnectionFact::ActionProposed { action, at } => {
            let record = ActionRecord {
                action: (**action).clone(),
                state: ActionState::Proposed,
                order_id: None,
                why: None,
                proposed_at: *at,
                moved_at: *at,
            };
            connection.actions.insert(action.action_id.clone(), record);
            let kept = kept(&connection.devices);
            keep_latest(&mut connection.actions, kept, |record| {
                (!record.state.is_open()).then_some(record.moved_at)
            });
        }
        ConnectionFact::ActionMoved { action_id, state, end, at } => {
            if let Some(record) = connection.actions.get_mut(action_id) {
                let ActionEnd { why, order_id } = end;
                record.state = *state;
                record.moved_at = *at;
                if order_id.is_some() {
                    record.order_id.clone_from(order_id);
                }
                record.why.clone_from(why);
            }
        }
        ConnectionFact::Contacted { category, class, at, .. } => {
            connection.contacts.push(Contact { at: *at, category: category.clone(), class: *class });
            let over = connection.contacts.len().saturating_sub(CONTACTS_KEPT);
            connection.contacts.drain(..over);
        }
    }
}

fn level_seen(connection: &mut Connection, seen: &LevelSeen) {
    let at = seen.at;
    with_slot(connection, &seen.device_id, &seen.slot, |slot, prior| {
        if slot.last.is_none_or(|(last, _)| last <= at) {
            slot.last = Some((at, seen.level));
        }
        if seen.replaced {
            slot.cycle = slot.cycle.saturating_add(1);
            slot.empty_since = None;
            slot.replaced_at = Some(at);
        }
        let level = slot.level.get_or_insert_with(|| Box::new(Level::new(prior)));
        // A reading that cannot be counted changes nothing; whoever decided has seen why.
        let _ = level.observe(prior, days_of(at), seen.level);
    });
}

fn with_slot(connection: &mut Connection, device: &str, slot: &str, change: impl FnOnce(&mut Slot, &Prior)) {
    let default;
    let Some(slot) = connection.devices.get_mut(device).and_then(|device| device.slots.get_mut(slot)) else {
        return;
    };
    let prior = match connection.priors.get(&slot.category) {
        Some(pinned) => &pinned.prior,
        None => {
            default = Prior::default();
            &default
        }
    };
    change(slot, prior);
}

/// How many needs and automatic orders stay: of a fleet enough for each slot, so that what was brought and is not put
/// in yet is known.
fn kept(devices: &BTreeMap<String, Device>) -> usize {
    let slots: usize = devices.values().map(|device| device.slots.len()).sum();
    KEPT.max(KEPT_OF_A_SLOT * slots)
}

/// Of those that have ended (`ended` says when), the latest stay.
fn keep_latest<T>(known: &mut BTreeMap<String, T>, kept: usize, ended: impl Fn(&T) -> Option<Time>) {
    if known.len() <= kept {
        return;
    }
    let mut over: Vec<(Time, String)> =
        known.iter().filter_map(|(id, record)| Some((ended(record)?, id.clone()))).collect();
    if over.len() <= kept {
        return;
    }
    over.sort();
    for (_, id) in over.drain(..over.len() - kept) {
        known.remove(&id);
    }
}
