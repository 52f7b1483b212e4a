//! An entity as the views show it.

use engine::{Customer, EffectRecord, EffectState};
use model::{EntityId, Outcome, Profile, PromiseStatus, Time};
use views::{Change, EffectChange, ProfileRow, PromiseCounts};

/// The row of a profile. `person` is what is known by all profiles that this one stands for, where there are others;
/// what it owns is its own.
pub(crate) fn profile_row(customer: &Customer, person: Option<&Profile>) -> Change {
    let profile = person.unwrap_or(&customer.profile);
    let mut promises = PromiseCounts::default();
    for promise in customer.promises.values().filter(|promise| !promise.status.is_offer()) {
        promises.made += 1;
        match promise.status {
            PromiseStatus::Made | PromiseStatus::AtRisk => promises.open += 1,
            PromiseStatus::Kept => promises.kept += 1,
            PromiseStatus::Broken => promises.broken += 1,
            PromiseStatus::Withdrawn => promises.withdrawn += 1,
            PromiseStatus::Inquired | PromiseStatus::Quoted | PromiseStatus::Expired => {}
        }
    }
    let first_seen = profile.first_seen.unwrap_or_default();
    Change::Profile(Box::new(ProfileRow {
        entity: customer.id,
        user_id: profile.user_ids.first().cloned(),
        anonymous_ids: profile.anonymous_ids.iter().cloned().collect(),
        name: profile.text_trait("name"),
        email: profile.text_trait("email"),
        first_seen,
        last_seen: profile.last_seen.unwrap_or(first_seen),
        event_count: profile.events(),
        orders: customer.orders.len() as u64,
        promises,
        merged_into: customer.merged_into,
        traits: (!profile.traits.is_empty()).then(|| profile.traits_json()),
    }))
}

/// What an outcome made of an effect; `at` is the live clock.
pub(crate) fn effect_change(entity: EntityId, record: &EffectRecord, outcome: &Outcome, at: Time) -> Change {
    let effect = &record.effect;
    let detail = match outcome {
        Outcome::EffectSuppressed { reason, .. } => Some(reason.clone()),
        Outcome::EffectSettled { result: model::EffectResult::Failed(why), .. } => Some(why.clone()),
        _ => None,
    };
    let state = match record.state {
        EffectState::Requested => views::EffectState::Requested,
        EffectState::Started => views::EffectState::Started,
        EffectState::Done => views::EffectState::Settled,
        EffectState::Failed => views::EffectState::Failed,
        EffectState::Unknown => views::EffectState::Unknown,
        EffectState::Suppressed => views::EffectState::Suppressed,
    };
    Change::Effect(EffectChange {
        entity,
        key: effect.key.clone(),
        kind: Some(effect.kind),
        promise_id: effect.promise_id.clone(),
        order_id: effect.order_id.clone(),
        reason: Some(effect.reason.clone()),
        detail,
        state,
        at,
    })
}
