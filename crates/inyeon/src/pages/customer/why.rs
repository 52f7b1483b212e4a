//! Why something was done: a decision in the customer's words, with what it went by and what else there was.

use engine::connection::{Candidate, Does, Reason};
use maud::{Markup, html};
use model::connection::{DecisionRecord, LinkPurpose};

use super::View;
use super::load::{Decided, read};
use crate::pages::layout::list;

pub(super) fn page(view: &View<'_>, record: &DecisionRecord) -> Option<(String, Markup)> {
    let connection = view.known.connection();
    // A link about one need explains that need's decisions alone.
    let of_need = record.need_id.as_deref();
    let about = view.claims.about.as_str();
    let is_about = match view.claims.purpose {
        LinkPurpose::Account => true,
        LinkPurpose::Offer => of_need == Some(about),
        LinkPurpose::Action => {
            connection.actions.get(about).is_some_and(|action| of_need == Some(&action.action.need_id))
        }
        LinkPurpose::Mandate => connection.actions.values().any(|action| {
            action.action.mandate_id == about && of_need == Some(action.action.need_id.as_str())
        }),
        LinkPurpose::Unsubscribe => false,
    };
    let decided = read(record).filter(|_| is_about)?;
    let category = of_need.and_then(|id| connection.needs.get(id)).map(|need| need.need.category.clone());
    let category = category.map(|category| view.words.category(&category)).unwrap_or_default();
    let body = html! {
        p.more { a href=(view.base) { (view.get("page-back")) } }
        section.card.now {
            p.state { (view.words.moment(record.at)) @if !category.is_empty() { " · " (category) } }
            h2 { (view.get("page-why-what")) }
            p { (does(view, &decided.choice.chosen.does)) }
        }
        (reasons(view, &decided))
        (used(view, &decided))
        (others(view, &decided))
        section.card.quiet {
            h2 { (view.get("page-why-change")) }
            p { (view.get("page-why-change-text")) }
            @if view.claims.purpose == LinkPurpose::Account {
                p.more { a href={ (view.base) "/settings" } { (view.get("page-change-choices")) } }
            }
            p.number { (record.decision_id) " · " (record.playbook) " " (record.version) }
        }
    };
    Some((view.get("page-why"), body))
}

/// What was done, as a sentence.
pub(super) fn does(view: &View<'_>, does: &Does) -> String {
    let words = &view.words;
    let item = |item: &Option<String>| item.as_ref().map(|item| words.item(item)).unwrap_or_default();
    match does {
        Does::Nothing => words.get("page-did-nothing"),
        Does::WaitUntil { at } => words.with("page-did-wait", &[("at", words.moment(*at))]),
        Does::Offer { items } => {
            let items: Vec<String> = items.iter().map(|item| words.item(item)).collect();
            words.with("page-did-offer", &[("items", items.join(", "))])
        }
        Does::Remind { item_id: Some(id), .. } => words.with("page-did-remind", &[("item", words.item(id))]),
        Does::Remind { item_id: None, .. } => words.get("page-did-advise"),
        Does::Ask { item_id, .. } => words.with("page-did-ask", &[("item", item(item_id))]),
        Does::Order { item_id } => words.with("page-did-order", &[("item", words.item(item_id))]),
    }
}

fn reasons(view: &View<'_>, decided: &Decided) -> Markup {
    let chosen = &decided.choice.chosen;
    let follow = &decided.seen.followed;
    let text = |reason: &Reason| {
        let strategy = view.words.strategy(follow.chosen);
        view.words
            .with(&format!("page-reason-{}", reason.code().replace('_', "-")), &[("strategy", strategy)])
    };
    let instead = follow.missing.map(|missing| {
        let why = view.get(&format!("page-missing-{}", missing.code().replace('_', "-")));
        view.words.with("page-instead", &[("why", why), ("strategy", view.words.strategy(follow.strategy))])
    });
    let (ours, yours): (Vec<_>, Vec<_>) = chosen.reasons.iter().partition(|reason| reason.is_ours());
    html! {
        section.card {
            h2 { (view.get("page-why-reasons")) }
            ul {
                @for reason in &yours { li { (text(reason)) } }
            }
            @if let Some(instead) = instead { p.warn { (instead) } }
            @if !ours.is_empty() {
                h3 { (view.get("page-why-ours")) }
                ul { @for reason in &ours { li { (text(reason)) } } }
            }
        }
    }
}

fn used(view: &View<'_>, decided: &Decided) -> Markup {
    let seen = &decided.seen;
    let mut rows = Vec::new();
    let used: Vec<String> = seen.used.iter().map(|kind| view.words.code("page-purpose", kind)).collect();
    let nothing = view.get("page-used-nothing");
    let used = if used.is_empty() { nothing } else { used.join(", ") };
    rows.push((view.get("page-used"), html! { (used) }));
    if let Some(empty) = seen.empty_in {
        let day = |days: f64| {
            let micros = (days.clamp(0.0, 3_650.0) * 86_400_000_000.0) as i64;
            view.words.day(seen.at.plus_micros(micros))
        };
        let words =
            view.words.with("page-used-empty-text", &[("first", day(empty.p10)), ("last", day(empty.p90))]);
        rows.push((view.get("page-used-empty"), html! { (words) }));
    }
    if let Some(device) = &seen.subject.device_id {
        rows.push((view.get("page-used-device"), html! { (view.device(device)) }));
    }
    if let Some(until) = seen.away_until {
        rows.push((view.get("page-away"), html! { (view.words.moment(until)) }));
    }
    html! {
        section.card {
            h2 { (view.get("page-why-used")) }
            (list(&rows))
        }
    }
}

fn others(view: &View<'_>, decided: &Decided) -> Markup {
    let (words, seen) = (&view.words, &decided.seen);
    let refused = decided.choice.candidates.iter().filter(|candidate| !candidate.refused.is_empty());
    let refused: Vec<&Candidate> = refused.collect();
    html! {
        @if !seen.offers.is_empty() {
            section.card {
                h2 { (view.get("page-why-offers")) }
                ul.rows {
                    @for offer in &seen.offers {
                        li {
                            span.name { (words.item(&offer.item_id)) }
                            span {
                                @match (offer.price, offer.due_at) {
                                    (Some(price), Some(due)) => (words.with("page-offer-line", &[
                                        ("price", words.money(price)), ("day", words.day(due)),
                                    ])),
                                    _ => (view.get("page-not-to-be-had")),
                                }
                                @if offer.fits == Some(false) { ", " (view.get("page-does-not-fit")) }
                            }
                        }
                    }
                }
            }
        }
        @if !refused.is_empty() {
            section.card {
                h2 { (view.get("page-why-not")) }
                ul {
                    @for candidate in refused {
                        li {
                            (does(view, &candidate.does)) " — "
                            @let codes: Vec<String> = candidate.refused.iter()
                                .map(|refused| words.code("page-refused", refused.code())).collect();
                            (codes.join(", "))
                        }
                    }
                }
            }
        }
    }
}
