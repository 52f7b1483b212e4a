//! The beginning of the page: what waits for a word of the customer's, and what is under way.

use engine::Order;
use engine::connection::ActionRecord;
use maud::{Markup, html};
use model::OrderState;
use model::connection::{ActionState, MandateState};

use super::deeds::Deed;
use super::{View, needs};
use crate::pages::layout::list;

pub(super) fn page(view: &View<'_>) -> Markup {
    let connection = view.known.connection();
    let mut open: Vec<&ActionRecord> =
        connection.actions.values().filter(|record| record.state.is_open()).collect();
    open.sort_by_key(|record| record.action.execute_at);
    let waiting = connection
        .mandates
        .values()
        .filter(|record| record.state == MandateState::Presented || record.proposed.is_some());
    let waiting: Vec<_> = waiting.collect();
    let offers = needs::open(view);
    let undoable = undoable(view);
    let nothing = open.is_empty() && waiting.is_empty() && offers.is_empty() && undoable.is_empty();
    html! {
        @if nothing {
            section.card.quiet { p { (view.get("page-nothing-now")) } }
        }
        @for (order_id, order) in &undoable {
            (undo_card(view, order_id, order))
        }
        @for record in &open {
            (action_card(view, record))
        }
        @for record in &waiting {
            section.card {
                h2 { (view.words.with("page-mandate-waits", &[("category", view.words.category(&record.terms.category))])) }
                p { (view.get("page-mandate-waits-text")) }
                p.actions { a.button href={ (view.base) "/auto" } { (view.get("page-mandate-look")) } }
            }
        }
        @for need in &offers {
            (needs::card(view, need))
        }
        (connections(view))
        (devices(view))
    }
}

/// Orders that can be taken back with one step.
fn undoable<'a>(view: &View<'a>) -> Vec<(&'a String, &'a Order)> {
    let orders = view.known.orders.iter().filter(|(order_id, order)| {
        let auto = view.known.connection().action_of(order_id).is_some();
        !auto && can_undo(view, order)
    });
    orders.collect()
}

pub(super) fn can_undo(view: &View<'_>, order: &Order) -> bool {
    let placed = order.action.as_ref().is_some_and(|action| action.cancel_until > view.known.now);
    let ended = matches!(order.state, OrderState::Cancelled | OrderState::Expired | OrderState::Draft);
    placed && order.cancelled.is_none() && !ended && !order.has_left()
}

pub(super) fn undo_card(view: &View<'_>, order_id: &str, order: &Order) -> Markup {
    let Some(action) = &order.action else { return html! {} };
    let items: Vec<String> = action.wanted.iter().map(|wanted| view.words.item(&wanted.item_id)).collect();
    let until = view.words.moment(action.cancel_until);
    let undo = format!("{} — {}", view.get("page-undo"), items.join(", "));
    html! {
        section.card.now {
            h2 { (view.words.with("page-ordered", &[("item", items.join(", "))])) }
            (list(&rows(view, order)))
            p { (view.words.with("page-undo-until", &[("until", until)])) }
            div.actions { (view.deed(Deed::Undo, &[("order", order_id)], "secondary", &undo)) }
        }
    }
}

fn rows(view: &View<'_>, order: &Order) -> Vec<(String, Markup)> {
    let mut rows = Vec::new();
    if let Some(total) = order.total {
        rows.push((view.get("page-price"), html! { (view.words.money(total)) }));
    }
    rows
}

/// An automatic order and what can be done about it.
pub(super) fn action_card(view: &View<'_>, record: &ActionRecord) -> Markup {
    let (action, words) = (&record.action, &view.words);
    let item = words.item(&action.item_id);
    let announced = matches!(record.state, ActionState::Proposed | ActionState::Announced);
    let mandate = view.known.connection().mandates.get(&action.mandate_id);
    let agreed = mandate.and_then(|mandate| mandate.terms.price.as_ref());
    let mut rows = vec![
        (view.get("page-quantity-of"), html! { (words.quantity(action.quantity)) }),
        (view.get("page-price"), html! { (words.money(action.price)) }),
    ];
    if let Some(rule) = agreed {
        rows.push((view.get("page-price-agreed"), html! { (words.money(rule.reference)) }));
    }
    if announced {
        rows.push((view.get("page-ordered-on"), html! { (words.moment(action.execute_at)) }));
    }
    rows.push((view.get("page-promised-for"), html! { (words.day(action.due_at)) }));
    let state = words.get(&format!("page-action-{}", record.state.name()));
    let why = decision_of(view, &action.need_id);
    let handed_out = record.order_id.as_ref().and_then(|id| view.known.orders.get(id));
    let handed_out = handed_out.is_some_and(|order| order.handed_out_at.is_some());
    let can_call_off =
        record.state.can_be_called_off() || (record.state == ActionState::Started && !handed_out);
    let call_off = format!("{} — {item}", view.get("page-call-off"));
    html! {
        section class={ "card " (if announced { "now" } else { "" }) } {
            p.state { (state) }
            h2 { (words.with("page-action-title", &[("item", item.clone())])) }
            (list(&rows))
            @if let Some(why) = record.why.as_ref().filter(|_| record.state == ActionState::Blocked) {
                p { (words.code("page-refused", why)) }
            }
            @if can_call_off {
                @if announced {
                    p { (words.with("page-call-off-until", &[("until", words.moment(action.execute_at))])) }
                }
                div.actions {
                    (view.deed(Deed::CallOff, &[("action", &action.action_id)], "primary", &call_off))
                }
            } @else if record.state.is_open() {
                p { (view.get("page-under-way")) }
            }
            (dispute(view, record))
            @if let Some(decision_id) = why {
                p.more { a href=(view.path("why", &decision_id)) { (words.with("page-why-item", &[("item", item)])) } }
            }
        }
    }
}

fn dispute(view: &View<'_>, record: &ActionRecord) -> Markup {
    let can = matches!(record.state, ActionState::Started | ActionState::Confirmed | ActionState::Fulfilled);
    if !can || !Deed::Dispute.by(view.claims.purpose) {
        return html! {};
    }
    let id = format!("why-{}", record.action.action_id);
    html! {
        details {
            summary { (view.get("page-dispute")) }
            form method="post" action=(view.base) {
                (view.hidden(Deed::Dispute, &[("action", &record.action.action_id)]))
                div.field {
                    label for=(id) { (view.get("page-dispute-why")) }
                    textarea id=(id) name="why" rows="3" maxlength="256" {}
                }
                button.secondary type="submit" { (view.get("page-dispute-send")) }
            }
        }
    }
}

/// The decision behind what was done about a need.
pub(super) fn decision_of(view: &View<'_>, need_id: &str) -> Option<String> {
    view.known.connection().needs.get(need_id)?.decision_id.clone()
}

/// What an automatic order's own link leads to.
pub(super) fn action_page(view: &View<'_>, action_id: &str) -> Option<(String, Markup)> {
    let connection = view.known.connection();
    let record = connection.actions.get(action_id)?;
    let mandate = connection.mandates.get(&record.action.mandate_id);
    let body = html! {
        (action_card(view, record))
        @if let Some(mandate) = mandate.filter(|mandate| !mandate.state.is_ended()) {
            section.card.quiet {
                h2 { (view.get("page-mandate-behind")) }
                p { (view.get("page-mandate-behind-text")) }
                div.actions { (super::mandates::stops(view, mandate)) }
            }
        }
    };
    Some((view.get("page-auto-order"), body))
}

/// By category: how much is left to us, and where to change it.
fn connections(view: &View<'_>) -> Markup {
    let categories = view.known.categories();
    if categories.is_empty() {
        return html! {};
    }
    html! {
        section.card {
            h2 { (view.get("page-your-choices")) }
            ul.rows {
                @for category in &categories {
                    @let set = view.known.connection().preference(category, None);
                    li {
                        span.name { (view.words.category(category)) }
                        span {
                            @match set {
                                Some(set) => (view.words.strategy(set.strategy)),
                                None => (view.get("page-strategy-unset")),
                            }
                        }
                        (super::settings::instead(view, category, None))
                    }
                }
            }
            p.more { a href={ (view.base) "/settings" } { (view.get("page-change-choices")) } }
        }
    }
}

/// Devices and what is in them.
pub(super) fn devices(view: &View<'_>) -> Markup {
    let devices = view.known.connection().devices.iter().filter(|(_, device)| device.gone_at.is_none());
    let devices: Vec<_> = devices.collect();
    if devices.is_empty() {
        return html! {};
    }
    html! {
        section.card {
            h2 { (view.get("page-devices")) }
            @for (device_id, device) in devices {
                h3 { (view.device(device_id)) }
                @if device.model.is_some() { p.faint { (device_id) } }
                @for (name, slot) in &device.slots {
                    @let label = if device.slots.len() > 1 { format!("{} ({name})", view.words.category(&slot.category)) }
                        else { view.words.category(&slot.category) };
                    div.level {
                        @match slot.last {
                            Some((at, level)) => {
                                p { (label) ": " strong { (view.words.percent(level)) } }
                                meter min="0" max="1" low="0.15" value=(format!("{level:.3}")) aria-label=(label) {
                                    (view.words.percent(level))
                                }
                                p.faint { (view.words.with("page-level-at", &[("at", view.words.moment(at))])) }
                            },
                            None => p { (label) ": " (view.get("page-level-none")) },
                        }
                        @if let Some((first, last)) = view.known.runs_empty(device_id, name) {
                            p { (view.words.with("page-runs-empty", &[
                                ("first", view.words.day(first)), ("last", view.words.day(last)),
                            ])) }
                        }
                    }
                }
            }
        }
    }
}
