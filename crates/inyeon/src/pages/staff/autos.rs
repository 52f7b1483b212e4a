//! Automatic orders: those that may still be called off, those under way, and those that somebody has to look at.

use axum::extract::Form;
use axum::response::Response;
use maud::{Markup, html};
use model::EntityId;
use model::connection::{ActionState, ConnectionCommand};
use views::AutoOrderRow;

use super::{Filled, Right, Visit, customer, not_done, setting};
use crate::pages::layout::list;
use crate::pages::words::Words;
use crate::pages::{act, see};

const READ: usize = 1_000;
/// Of each kind.
const SHOWN: usize = 50;

/// The kinds, by the keys of their titles.
const KINDS: [(&str, &[ActionState]); 4] = [
    ("ops-autos-exceptions", &[ActionState::Disputed, ActionState::Failed]),
    ("ops-autos-blocked", &[ActionState::Blocked]),
    ("ops-autos-open", &[ActionState::Proposed, ActionState::Announced]),
    ("ops-autos-started", &[ActionState::Ordered, ActionState::Started, ActionState::Confirmed]),
];

pub(super) async fn page(visit: Visit) -> Response {
    if let Err(refused) = visit.must(Right::SeeAutoOrders) {
        return refused;
    }
    let found = visit.off(|app| {
        app.node.drain()?;
        let reader = app.node.reader()?;
        let rows = reader.auto_orders(None, READ)?;
        let name = |row: AutoOrderRow| -> Result<_, crate::error::Failure> {
            let profile = reader.profile(row.entity)?;
            Ok((row, profile.and_then(|profile| profile.name.or(profile.user_id))))
        };
        rows.into_iter().map(name).collect::<Result<Vec<_>, _>>()
    });
    let (Some(Ok(rows)), Some((zone, playbooks))) = (found.await, setting(&visit.app).await) else {
        return visit.later();
    };
    let words = visit.words(zone, &playbooks);
    let of = |states: &[ActionState]| {
        let rows = rows.iter().filter(|(row, _)| states.contains(&row.state));
        rows.collect::<Vec<_>>()
    };
    let body = html! {
        ul.tiles {
            @for (key, states) in KINDS {
                li { strong { (of(states).len()) } span { (words.get(key)) } }
            }
        }
        @for (key, states) in KINDS {
            @let rows = of(states);
            @if !rows.is_empty() {
                h2 { (words.get(key)) }
                @for (row, name) in rows.iter().take(SHOWN) { (card(&visit, &words, row, name.as_deref())) }
            }
        }
        @if KINDS.iter().all(|(_, states)| of(states).is_empty()) {
            section.card.quiet { p { (words.get("ops-autos-none")) } }
        }
    };
    visit.page(words.get("ops-orders"), "/ops/orders", body).await
}

pub(super) fn card(visit: &Visit, words: &Words<'_>, row: &AutoOrderRow, name: Option<&str>) -> Markup {
    let entity = row.entity.to_string();
    let mut rows = vec![(words.get("ops-customer"), customer(visit, &entity, name))];
    if let Some(price) = row.price {
        rows.push((words.get("page-price"), html! { (words.money(price)) }));
    }
    if matches!(row.state, ActionState::Proposed | ActionState::Announced) {
        rows.push((words.get("page-ordered-on"), html! { (words.moment(row.execute_at)) }));
    }
    rows.push((words.get("page-promised-for"), html! { (words.moment(row.due_at)) }));
    if let Some(order_id) = &row.order_id {
        rows.push((words.get("ops-order-number"), html! { (order_id) }));
    }
    let disputed = row.state == ActionState::Disputed && visit.person.may(Right::SettleDispute);
    html! {
        section.card {
            p.state { (words.get(&format!("page-action-{}", row.state.name()))) " · " (words.moment(row.moved_at)) }
            h3 { (row.item_id) }
            @if let Some(why) = &row.why {
                p {
                    @if row.state == ActionState::Disputed { (why) } @else { (words.code("page-refused", why)) }
                }
            }
            (list(&rows))
            p.number { (row.action_id) }
            @if disputed {
                div.actions {
                    @for (refund, key) in [("yes", "ops-refund"), ("no", "ops-uphold")] {
                        (visit.button(
                            "/ops/dispute",
                            &[("customer", &entity), ("action", &row.action_id), ("refund", refund)],
                            "secondary",
                            &format!("{} — {}", words.get(key), row.item_id),
                        ))
                    }
                }
            }
        }
    }
}

pub(super) async fn settle(visit: Visit, Form(filled): Form<Filled>) -> Response {
    if let Err(refused) = visit.must_by_form(Right::SettleDispute, &filled) {
        return refused;
    }
    let Ok(entity) = filled.customer.parse::<EntityId>() else {
        return not_done(&visit, "/ops/orders", "not");
    };
    let refund = filled.refund == "yes";
    let command = ConnectionCommand::SettleDispute { action_id: filled.action, refund };
    let done = act(&visit.app.node, move |fold, now| {
        let outcomes = fold.connect(entity, &command, now)?;
        Ok(!outcomes.iter().any(|outcome| matches!(outcome, model::Outcome::Ignored { .. })))
    });
    match done.await {
        Some(true) => see(&visit.path("/ops/orders?done=settled")),
        Some(false) => not_done(&visit, "/ops/orders", "not"),
        None => visit.later(),
    }
}
