//! Everything that is known of a customer: on the page in short, as a file in full.

use std::collections::BTreeMap;

use engine::EffectState;
use maud::{Markup, html};
use model::connection::{Consent, DecisionRecord, Message};
use model::{EffectKind, Time};
use serde_json::{Map, Value, json};

use super::View;
use super::deeds::Deed;
use super::load::read;
use super::receipts::Receipt;
use crate::pages::layout::list;

/// So many of the latest decisions are on the page.
const DECISIONS_SHOWN: usize = 12;

pub(super) fn page(view: &View<'_>) -> Markup {
    let known = view.known;
    let connection = known.connection();
    let mut decisions: Vec<_> = connection.decisions.values().collect();
    decisions.sort_by_key(|record| std::cmp::Reverse(record.at));
    let shared = known.categories().into_iter().map(|category| {
        let share = connection.share(&category, None);
        let words = view.get(&format!("page-share-{share}"));
        (view.words.category(&category), html! { (words) })
    });
    let shared: Vec<_> = shared.collect();
    html! {
        p.lead { (view.get("page-data-lead")) }
        section.card {
            h2 { (view.get("page-data-you")) }
            (list(&profile(view)))
        }
        @if !shared.is_empty() {
            section.card {
                h2 { (view.get("page-data-shared")) }
                p { (view.get("page-data-shared-text")) }
                (list(&shared))
                p.more { a href={ (view.base) "/settings" } { (view.get("page-change-choices")) } }
            }
        }
        (super::home::devices(view))
        @if !decisions.is_empty() {
            section.card {
                h2 { (view.get("page-data-decisions")) }
                p { (view.get("page-data-decisions-text")) }
                ul.rows {
                    @for record in decisions.iter().take(DECISIONS_SHOWN) {
                        @if let Some(decided) = read(record) {
                            li {
                                span.name { (view.words.moment(record.at)) }
                                span { (super::why::does(view, &decided.choice.chosen.does)) }
                                @let used: Vec<String> = decided.seen.used.iter()
                                    .map(|kind| view.words.code("page-purpose", kind)).collect();
                                span.faint {
                                    (view.get("page-used")) ": "
                                    @if used.is_empty() { (view.get("page-used-nothing")) } @else { (used.join(", ")) }
                                }
                                a href=(view.path("why", &record.decision_id)) aria-label=(format!("{} {}", view.get("page-why"), view.words.moment(record.at))) {
                                    (view.get("page-why"))
                                }
                            }
                        }
                    }
                }
            }
        }
        section.card {
            h2 { (view.get("page-data-download")) }
            p { (view.get("page-data-download-text")) }
            p.actions { a.button href={ (view.base) "/data.json" } { (view.get("page-data-download-button")) } }
        }
        @if connection.consents_to(Consent::ADVERTISING) {
            section.card.quiet {
                h2 { (view.get("page-unsubscribe-title")) }
                div.actions { (view.deed(Deed::Unsubscribe, &[], "secondary", &view.get("page-unsubscribe"))) }
            }
        }
    }
}

fn profile(view: &View<'_>) -> Vec<(String, Markup)> {
    let profile = &view.known.customer.profile;
    let mut rows = Vec::new();
    let ids: Vec<&str> = profile.user_ids.iter().map(String::as_str).collect();
    if !ids.is_empty() {
        rows.push((view.get("page-data-ids"), html! { (ids.join(", ")) }));
    }
    for (name, known) in profile.traits.iter().filter(|(_, known)| known.json != "null") {
        let value: Value = serde_json::from_str(&known.json).unwrap_or(Value::Null);
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        rows.push((view.words.code("page-trait", name), html! { (value) }));
    }
    let seen = [("page-data-first", profile.first_seen), ("page-data-last", profile.last_seen)];
    for (key, at) in seen {
        if let Some(at) = at {
            rows.push((view.get(key), html! { (view.words.moment(at)) }));
        }
    }
    rows.push((view.get("page-data-events"), html! { (profile.events()) }));
    rows
}

/// Members that hold an instant in microseconds.
fn is_time(name: &str) -> bool {
    const NAMES: [&str; 8] =
        ["at", "from", "until", "valid_from", "valid_to", "last_used", "empty_since", "unmet_from"];
    name.ends_with("_at") || name.ends_with("_until") || NAMES.contains(&name)
}

/// A part of the state as people and other programs read it: instants as RFC 3339, JSON texts as JSON, tokens of
/// payment systems by their last characters alone.
fn readable(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let member = |(name, value): (String, Value)| {
                let value = match value {
                    Value::Number(number) if is_time(&name) => match number.as_i64() {
                        Some(micros) => json!(Time(micros).to_string()),
                        None => Value::Number(number),
                    },
                    Value::String(text) if matches!(name.as_str(), "seen" | "choice" | "address") => {
                        serde_json::from_str(&text).map_or(Value::String(text), readable)
                    }
                    Value::String(token) if name == "payment_token" => {
                        let last: Vec<char> = token.chars().rev().take(4).collect();
                        json!(format!("…{}", last.into_iter().rev().collect::<String>()))
                    }
                    other => readable(other),
                };
                (name, value)
            };
            Value::Object(members.into_iter().map(member).collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(readable).collect()),
        other => other,
    }
}

/// Everything that the pages show, and what stands behind it.
pub(super) fn export(
    view: &View<'_>,
    receipts: &[Receipt],
    decisions: &BTreeMap<String, DecisionRecord>,
) -> Value {
    let known = view.known;
    let (customer, connection) = (&known.customer, known.connection());
    let profile = &customer.profile;
    let traits: Map<String, Value> = profile
        .traits
        .iter()
        .map(|(name, known)| (name.clone(), serde_json::from_str(&known.json).unwrap_or(Value::Null)))
        .collect();
    let messages = customer.effects.values().filter(|record| {
        let left = !matches!(record.state, EffectState::Requested | EffectState::Suppressed);
        record.effect.kind == EffectKind::MessageSend && left
    });
    let messages = messages.filter_map(|record| {
        let message: Message = serde_json::from_str(record.effect.body.as_deref()?).ok()?;
        Some(json!({ "state": record.state.name(), "message": message }))
    });
    let devices = connection.devices.iter().map(|(id, device)| {
        let slots: Map<String, Value> = device
            .slots
            .iter()
            .map(|(name, slot)| {
                let empty = known.runs_empty(id, name);
                let slot = json!({
                    "category": slot.category,
                    "level": slot.last.map(|(_, level)| level),
                    "read_at": slot.last.map(|(at, _)| at),
                    "times_changed": slot.cycle,
                    "changed_at": slot.replaced_at,
                    "empty_since": slot.empty_since,
                    "runs_empty": empty.map(|(first, last)| json!({ "from": first, "until": last })),
                });
                (name.clone(), slot)
            })
            .collect();
        json!({
            "device_id": id, "model": device.model, "site": device.site,
            "registered_at": device.registered_at, "gone_at": device.gone_at, "slots": slots,
        })
    });
    let steps = connection
        .steps
        .iter()
        .map(|((category, step), at)| json!({ "category": category, "step": step, "at": at }));
    let taken = connection.taken.iter().map(|((category, strategy), taken)| {
        json!({ "category": category, "strategy": strategy.name(), "shown": taken.shown, "taken": taken.taken })
    });
    let away = connection.away.iter().map(|(from, until)| json!({ "from": from, "until": until }));
    let snoozed =
        connection.snoozed.iter().map(|(category, until)| json!({ "category": category, "until": until }));
    readable(json!({
        "made_at": known.now,
        "profile": {
            "id": known.id.to_string(),
            "user_ids": profile.user_ids,
            "anonymous_ids": profile.anonymous_ids,
            "group_ids": profile.group_ids,
            "traits": traits,
            "events": profile.counts,
            "first_seen_at": profile.first_seen,
            "last_seen_at": profile.last_seen,
        },
        "order_defaults": customer.order_defaults,
        "preferences": connection.preferences,
        "consents": connection.consents,
        "devices": devices.collect::<Vec<_>>(),
        "away": away.collect::<Vec<_>>(),
        "snoozed": snoozed.collect::<Vec<_>>(),
        "steps": steps.collect::<Vec<_>>(),
        "bought": connection.bought,
        "offers_taken": taken.collect::<Vec<_>>(),
        "needs": connection.needs,
        "mandates": connection.mandates,
        "automatic_orders": connection.actions,
        "decisions": decisions,
        "contacts": connection.contacts,
        "orders": known.orders,
        "promises": customer.promises,
        "messages": messages.collect::<Vec<_>>(),
        "receipts": receipts.iter().map(Receipt::json).collect::<Vec<_>>(),
    }))
}
