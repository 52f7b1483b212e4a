//! An entity as the views show it.

use engine::supply::{CatalogueItem, Resource, Stock};
use engine::{Customer, EffectRecord, EffectState};
use model::supply::ItemKind;
use model::{EntityId, Outcome, Profile, PromiseStatus, Time};
use views::{Change, EffectChange, ItemRow, ProfileRow, PromiseCounts, ResourceRow, StockRow, SupplyRow};

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

/// The row of an item. What somebody holds of supply is no part of these rows: it moves with every quote, and who
/// asks for it asks the entity.
pub(crate) fn item_row(id: EntityId, known: &CatalogueItem) -> Change {
    let item = known.item.as_ref();
    let kind = item.map(|item| match item.kind {
        ItemKind::Good => "good",
        ItemKind::Service => "service",
        ItemKind::Plan => "plan",
        ItemKind::Entitlement => "entitlement",
    });
    Change::Supply(SupplyRow::Item(Box::new(ItemRow {
        entity: id,
        item_id: known.name.clone(),
        kind: kind.map(str::to_owned),
        name: item.and_then(|item| item.name.clone()),
        category: item.and_then(|item| item.category.clone()),
        unit: item.and_then(|item| item.unit.clone()),
        price: item.and_then(|item| item.price),
        cost: item.and_then(|item| item.cost),
        stocked: item.is_some_and(|item| item.stocked),
        retired: item.is_some_and(|item| item.retired),
        places: known.kept_at.keys().cloned().collect(),
        published_at: known.published_at,
    })))
}

/// The row of the stock of an item at a place.
pub(crate) fn stock_row(stock: &Stock) -> Change {
    Change::Supply(SupplyRow::Stock(StockRow {
        entity: stock.id,
        item_id: stock.item.clone(),
        place: stock.place.clone(),
        on_hand: stock.on_hand,
        quarantined: stock.quarantined,
        expected: stock.receipts.values().map(|receipt| receipt.quantity).sum(),
        next_receipt_at: stock.receipts.values().map(|receipt| receipt.due).min(),
        counted_at: stock.counted_at,
    }))
}

/// The row of a resource.
pub(crate) fn resource_row(resource: &Resource) -> Change {
    let calendar = resource.calendar.as_ref();
    Change::Supply(SupplyRow::Resource(ResourceRow {
        entity: resource.id,
        resource: resource.name.clone(),
        time_zone: calendar.map(|calendar| calendar.time_zone.clone()),
        shifts: calendar.map_or(0, |calendar| calendar.shifts.len() as u64),
        downtimes: resource.downtimes.len() as u64,
        calendar_at: resource.calendar_at,
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
