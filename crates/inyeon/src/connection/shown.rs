//! The tie as JSON.

use engine::Reference;
use engine::connection::{
    ActionRecord, Choice, Connection, Device, Does, MandateRecord, NeedRecord, Seen, Slot, followed,
    period_start,
};
use model::connection::{Consent, MandateTerms, NeedStage, Period, Preference};
use model::{Money, Time};
use runtime::Stated;
use serde_json::{Value, json};

fn at(time: Option<Time>) -> Value {
    json!(time.map(|time| time.to_string()))
}

/// What answers a need: what can be ordered, best first, and why these; or the order that is under way for it. Nothing
/// of what it is worth to us.
pub(super) fn stated(stated: &Stated, known: Option<&NeedRecord>) -> Value {
    let under_way = known.filter(|known| known.stage == NeedStage::Promised);
    let record = stated.decision.as_ref().filter(|_| under_way.is_none());
    let mut told = json!({
        "need_id": stated.need_id,
        "order_id": under_way.and_then(|known| known.order_id.as_ref()),
        "decision_id": record.map(|record| &record.decision_id),
        "offers": [],
        "reasons": [],
        "refused": [],
    });
    let read = record.and_then(|record| {
        let seen: Seen = serde_json::from_str(&record.seen).ok()?;
        let choice: Choice = serde_json::from_str(&record.choice).ok()?;
        Some((seen, choice))
    });
    let Some((seen, choice)) = read else { return told };
    let reason = |code: &str, ours: bool| json!({ "code": code, "ours": ours });
    let reasons: Vec<Value> =
        choice.chosen.reasons.iter().map(|why| reason(why.code(), why.is_ours())).collect();
    if let Does::Offer { items } = &choice.chosen.does {
        let offer = |(n, item): (usize, &String)| {
            let offer = seen.offers.iter().find(|offer| offer.item_id == *item)?;
            // Why the first is first was decided; of the others it is told what speaks for them.
            let own = match n {
                0 => reasons.clone(),
                _ => {
                    let fits = (offer.fits == Some(true)).then(|| reason("fits_your_device", false));
                    fits.into_iter()
                        .chain((offer.bought > 0).then(|| reason("you_bought_it", false)))
                        .collect()
                }
            };
            Some(json!({
                "item_id": offer.item_id, "name": offer.name, "quantity": offer.quantity,
                "price": offer.price, "due": at(offer.due_at), "probability": offer.probability,
                "fits": offer.fits, "reasons": own,
            }))
        };
        told["offers"] = items.iter().enumerate().filter_map(offer).collect();
    }
    let refused = choice.candidates.iter().flat_map(|candidate| &candidate.refused);
    told["refused"] = refused.map(|refused| json!({ "code": refused.code() })).collect();
    told["reasons"] = json!(reasons);
    told
}

pub(super) fn connection(known: &Connection, reference: &Reference, user_id: &str, now: Time) -> Value {
    let list = |rows: Vec<Value>| Value::Array(rows);
    let away = known.away.iter().filter(|(_, until)| *until > now);
    let snoozed = known.snoozed.iter().filter(|(_, until)| **until > now);
    let mut needs: Vec<&NeedRecord> = known.needs.values().collect();
    needs.sort_by_key(|record| std::cmp::Reverse(record.need.known_at));
    json!({
        "user_id": user_id,
        "preferences": list(known.preferences.iter().map(|set| preference(known, reference, set)).collect()),
        "consents": list(known.consents.values().map(consent).collect()),
        "devices": list(known.devices.iter().map(|(id, known)| device(id, known)).collect()),
        "needs": list(needs.into_iter().map(need).collect()),
        "mandates": list(known.mandates.values().map(|record| mandate(record, now)).collect()),
        "actions": list(known.actions.values().map(action).collect()),
        "away": list(away.map(|(from, until)| json!({ "from": at(Some(*from)), "until": at(Some(*until)) }))
            .collect()),
        "snoozed": list(snoozed.map(|(of, until)| json!({ "category": of, "until": at(Some(*until)) }))
            .collect()),
    })
}

/// What was set, and what is followed and shared as things are now.
pub(super) fn preference(known: &Connection, reference: &Reference, set: &Preference) -> Value {
    let device = set.device_id.as_deref();
    let playbook = reference.playbooks.of_category(&set.category);
    // What is set for a device is for its slots of this category.
    let of_category = |(name, slot): (&String, &Slot)| (slot.category == set.category).then(|| name.clone());
    let slots = device.and_then(|device| known.devices.get(device)).map(|device| &device.slots);
    let slot = slots.and_then(|slots| slots.iter().find_map(of_category));
    let follow = playbook.map(|(_, playbook)| followed(known, playbook, device, slot.as_deref(), false));
    let missing = follow.and_then(|follow| follow.missing);
    json!({
        "category": set.category,
        "device_id": set.device_id,
        "strategy": set.strategy,
        "fallback": set.fallback,
        "share": set.share,
        "channel": set.channel,
        "cap_per_week": set.cap_per_week,
        "version": set.version,
        "at": at(Some(set.at)),
        "shared": known.share(&set.category, device),
        "playbook": playbook.map(|(_, playbook)| &playbook.playbook),
        "followed": follow.map(|follow| follow.strategy),
        "missing": missing.map(|missing| json!({ "code": missing.code() })),
    })
}

pub(super) fn consent(consent: &Consent) -> Value {
    json!({
        "purpose": consent.purpose, "given": consent.given, "at": at(Some(consent.at)),
        "notice": consent.notice, "jurisdiction": consent.jurisdiction,
    })
}

fn device(id: &str, device: &Device) -> Value {
    let slot = |(name, slot): (&String, &Slot)| {
        json!({
            "slot": name, "category": slot.category, "level": slot.last.map(|(_, level)| level),
            "level_at": at(slot.last.map(|(when, _)| when)), "empty_since": at(slot.empty_since),
            "replaced_at": at(slot.replaced_at),
        })
    };
    let slots: Vec<Value> = device.slots.iter().map(slot).collect();
    json!({
        "device_id": id, "model": device.model, "site": device.site, "gone_at": at(device.gone_at),
        "slots": slots,
    })
}

fn need(record: &NeedRecord) -> Value {
    let need = &record.need;
    json!({
        "need_id": need.need_id, "category": need.category, "subject": need.subject, "origin": need.origin,
        "stage": record.stage, "known_at": at(Some(need.known_at)), "arose_at": at(Some(need.arose_at)),
        "met_at": at(record.met_at), "strategy": need.strategy,
        "missing": need.instead.as_ref().map(|code| json!({ "code": code })),
        "order_id": record.order_id, "decision_id": record.decision_id, "why": record.why,
        "playbook": need.playbook, "version": need.version,
    })
}

pub(super) fn mandate(record: &MandateRecord, now: Time) -> Value {
    let currency = record.terms.max_each.currency;
    let spent = record.terms.limits.iter().map(|limit| {
        let since = period_start(limit.period, now, &record.terms.time_zone);
        let spends = record.spends.iter().filter(|spend| !spend.back && spend.at >= since);
        let same = spends.clone().filter(|spend| spend.amount.currency == currency);
        let minor = same.fold(0_i64, |sum, spend| sum.saturating_add(spend.amount.minor));
        let mut shown = period(limit.period);
        shown["since"] = at(Some(since));
        shown["amount"] = json!(Money { minor, currency });
        shown["orders"] = json!(spends.count());
        shown
    });
    let spent: Vec<Value> = spent.collect();
    let proposed = record.proposed.as_ref().map(|(proposed, version, agreement)| {
        json!({ "terms": terms(proposed), "version": version, "agreement": agreement })
    });
    json!({
        "mandate_id": record.terms.mandate_id,
        "state": record.state,
        "version": record.version,
        "agreement": record.agreement,
        "agreed_at": at(record.agreed_at),
        "terms": terms(&record.terms),
        "proposed": proposed,
        "spent": spent,
        "last_used": at(record.last_used),
        "moved_at": at(Some(record.moved_at)),
        "why": record.why,
    })
}

fn period(period: Period) -> Value {
    match period {
        Period::RollingDays(days) => json!({ "rolling_days": days }),
        calendar => json!({ "period": calendar }),
    }
}

/// In the words in which they are presented.
fn terms(terms: &MandateTerms) -> Value {
    let limit = |limit: &model::connection::SpendLimit| {
        let mut shown = period(limit.period);
        shown["amount"] = json!(limit.amount);
        shown["orders"] = json!(limit.orders);
        shown
    };
    let limits: Vec<Value> = terms.limits.iter().map(limit).collect();
    json!({
        "category": terms.category, "device_id": terms.device_id, "slot": terms.slot, "items": terms.items,
        "max_quantity": terms.max_quantity, "payee": terms.payee, "max_each": terms.max_each,
        "limits": limits, "price": terms.price, "valid_from": at(Some(terms.valid_from)),
        "valid_to": at(terms.valid_to), "dormancy_days": terms.dormancy_days,
        "notice_hours": terms.notice_hours, "time_zone": terms.time_zone,
    })
}

pub(super) fn action(record: &ActionRecord) -> Value {
    let action = &record.action;
    json!({
        "action_id": action.action_id, "mandate_id": action.mandate_id,
        "mandate_version": action.mandate_version, "need_id": action.need_id, "item_id": action.item_id,
        "quantity": action.quantity, "price": action.price, "due": at(Some(action.due_at)),
        "placed_from": at(Some(action.execute_at)), "state": record.state, "order_id": record.order_id,
        "why": record.why, "proposed_at": at(Some(record.proposed_at)), "moved_at": at(Some(record.moved_at)),
        "can_be_cancelled": record.state.can_be_called_off(),
    })
}
