//! Offers for a need: choose, and it is ordered in one step that can be taken back.

use engine::connection::{Does, NeedRecord};
use engine::playbook::Playbook;
use maud::{Markup, html};
use model::connection::NeedStage;

use super::deeds::Deed;
use super::home::{can_undo, undo_card};
use super::load::read;
use super::View;
use crate::pages::layout::list;

/// Needs for which something is offered or asked now.
pub(super) fn open<'a>(view: &View<'a>) -> Vec<&'a NeedRecord> {
    let needs = view.known.connection().needs.values();
    needs.filter(|record| view.known.offers.get(&record.need.need_id).is_some_and(|o| !o.is_empty())).collect()
}

/// A need on the first page.
pub(super) fn card(view: &View<'_>, record: &NeedRecord) -> Markup {
    let category = view.words.category(&record.need.category);
    html! {
        section.card.now {
            h2 { (view.words.with("page-offer-title", &[("category", category)])) }
            (choices(view, record))
        }
    }
}

/// The page of an offer's own link.
pub(super) fn page(view: &View<'_>, need_id: &str) -> Option<(String, Markup)> {
    let record = view.known.connection().needs.get(need_id)?;
    let category = view.words.category(&record.need.category);
    let order = record.order_id.as_ref().and_then(|id| Some((id, view.known.orders.get(id)?)));
    let open = matches!(record.stage, NeedStage::Recognized | NeedStage::Requested);
    let body = html! {
        @match order {
            Some((order_id, order)) if can_undo(view, order) => (undo_card(view, order_id, order)),
            Some(_) if !open => section.card { p { (view.get("page-offer-ordered")) } },
            _ if open => section.card.now { (choices(view, record)) },
            _ => section.card { p { (view.get("page-offer-over")) } },
        }
        (quieter(view, record))
    };
    Some((view.words.with("page-offer-title", &[("category", category)]), body))
}

fn choices(view: &View<'_>, record: &NeedRecord) -> Markup {
    let (need, words) = (&record.need, &view.words);
    let offers = view.known.offers.get(&need.need_id).map_or(&[][..], Vec::as_slice);
    let orderable = Deed::Choose.by(view.claims.purpose);
    html! {
        @if let Some(device) = &need.subject.device_id {
            p.faint { (words.with("page-for-device", &[("device", view.device(device))])) }
        }
        @if offers.is_empty() { p { (view.get("page-offer-none")) } }
        @for offer in offers {
            @let item = words.item(&offer.item_id);
            div.choice {
                h3 { (item) }
                @let rows = [
                    (view.get("page-quantity-of"), Some(words.quantity(offer.quantity))),
                    (view.get("page-price"), offer.price.map(|price| words.money(price))),
                    (view.get("page-promised-for"), offer.due_at.map(|at| words.day(at))),
                ];
                @let rows: Vec<_> = rows.into_iter()
                    .filter_map(|(name, value)| value.map(|value| (name, html! { (value) }))).collect();
                (list(&rows))
                @if offer.due_at.is_some() && orderable {
                    div.actions {
                        @let label = format!("{} — {item}", view.get("page-order-it"));
                        (view.deed(Deed::Choose, &[("need", &need.need_id), ("item", &offer.item_id)], "primary", &label))
                    }
                } @else if offer.due_at.is_none() {
                    p { (view.get("page-not-to-be-had")) }
                }
            }
        }
        (steps(view, record))
        div.actions {
            (view.deed(Deed::Ask, &[("need", &need.need_id)], "secondary", &view.get("page-ask-again")))
        }
        @if let Some(decision_id) = &record.decision_id {
            p.more { a href=(view.path("why", decision_id)) { (words.with("page-why-category", &[("category", words.category(&need.category))])) } }
        }
    }
}

/// What helps beside buying.
fn steps(view: &View<'_>, record: &NeedRecord) -> Markup {
    let connection = view.known.connection();
    let decided = record.decision_id.as_ref().and_then(|id| connection.decisions.get(id)).and_then(read);
    let Some(Does::Remind { steps, .. }) = decided.map(|decided| decided.choice.chosen.does) else {
        return html! {};
    };
    let playbook = view.known.playbooks.get(&record.need.playbook, record.need.version);
    let rule = playbook.and_then(|playbook: &Playbook| playbook.strategies.coach.as_ref());
    let texts: Vec<&str> = rule.map_or(Vec::new(), |rule| {
        let named = rule.steps.iter().filter(|step| steps.contains(&step.id));
        named.map(|step| step.text.in_language(view.words.messages.lang.tag())).collect()
    });
    html! {
        @if !texts.is_empty() {
            h3 { (view.get("page-steps")) }
            ul { @for text in texts { li { (text) } } }
        }
    }
}

/// Ways to hear less of it.
fn quieter(view: &View<'_>, record: &NeedRecord) -> Markup {
    let category = record.need.category.as_str();
    let advertising = view.known.connection().consents_to(model::connection::Consent::ADVERTISING);
    html! {
        section.card.quiet {
            h2 { (view.get("page-quieter")) }
            div.actions {
                @for days in ["7", "30"] {
                    @let words = view.words.with("page-snooze-days", &[("days", days.to_owned())]);
                    (view.deed(Deed::Snooze, &[("category", category), ("days", days)], "secondary", &words))
                }
                @if advertising {
                    (view.deed(Deed::Unsubscribe, &[], "secondary", &view.get("page-unsubscribe")))
                }
            }
        }
    }
}
