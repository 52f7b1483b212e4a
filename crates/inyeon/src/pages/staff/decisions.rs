//! What was decided and why, the latest first.

use axum::extract::Path;
use axum::response::Response;
use engine::connection::{Choice, Does, Seen};
use maud::{Markup, html};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use views::DecisionRow;

use super::{Right, Visit, customer, setting};
use crate::pages::layout::list;
use crate::pages::words::Words;

const SHOWN: usize = 100;

fn read(row: &DecisionRow) -> Option<(Seen, Choice)> {
    Some((serde_json::from_str(&row.seen).ok()?, serde_json::from_str(&row.choice).ok()?))
}

pub(super) async fn page(visit: Visit) -> Response {
    if let Some(refused) = visit.refusal(Right::SeeDecisions) {
        return refused;
    }
    let found = visit.off(|app| {
        app.node.drain()?;
        Ok(app.node.reader()?.decisions(None, SHOWN)?)
    });
    let (Some(Ok(rows)), Some((zone, playbooks))) = (found.await, setting(&visit.app).await) else {
        return visit.later();
    };
    let words = visit.words(zone, &playbooks);
    let body = html! {
        @if rows.is_empty() { section.card.quiet { p { (words.get("ops-decisions-none")) } } }
        @else { (listed(&visit, &words, &rows)) }
    };
    visit.page(words.get("ops-decisions"), "/ops/decisions", body).await
}

pub(super) fn listed(visit: &Visit, words: &Words<'_>, rows: &[DecisionRow]) -> Markup {
    html! {
        ul.rows.card {
            @for row in rows {
                @if let Some((_, choice)) = read(row) {
                    li {
                        span.name { (words.moment(row.at)) }
                        span { (does(words, &choice.chosen.does)) }
                        span.faint { (row.playbook) " " (row.version) " · " (customer(visit, &row.entity.to_string(), None)) }
                        a href=(link(visit, &row.decision_id)) aria-label=(format!("{} {}", words.get("page-why"), row.decision_id)) {
                            (words.get("page-why"))
                        }
                    }
                }
            }
        }
    }
}

fn link(visit: &Visit, decision_id: &str) -> String {
    visit.path(&format!("/ops/decisions/{}", utf8_percent_encode(decision_id, NON_ALPHANUMERIC)))
}

fn does(words: &Words<'_>, does: &Does) -> String {
    match does {
        Does::Nothing => words.get("page-did-nothing"),
        Does::WaitUntil { at } => words.with("page-did-wait", &[("at", words.moment(*at))]),
        Does::Offer { items } => words.with("page-did-offer", &[("items", items.join(", "))]),
        Does::Remind { item_id: Some(item), .. } => words.with("page-did-remind", &[("item", item.clone())]),
        Does::Remind { item_id: None, .. } => words.get("page-did-advise"),
        Does::Ask { item_id, .. } => {
            words.with("page-did-ask", &[("item", item_id.clone().unwrap_or_default())])
        }
        Does::Order { item_id } => words.with("page-did-order", &[("item", item_id.clone())]),
    }
}

pub(super) async fn one(visit: Visit, Path(id): Path<String>) -> Response {
    if let Some(refused) = visit.refusal(Right::SeeDecisions) {
        return refused;
    }
    let found = visit.off(move |app| {
        app.node.drain()?;
        let Some(owner) = crate::decision::owner_of(&id) else { return Ok(None) };
        Ok(app.node.reader()?.decision(owner, &id)?)
    });
    let (Some(Ok(row)), Some((zone, playbooks))) = (found.await, setting(&visit.app).await) else {
        return visit.later();
    };
    let Some(row) = row else { return visit.not_there() };
    let Some((seen, choice)) = read(&row) else { return visit.not_there() };
    let words = visit.words(zone, &playbooks);
    let body = decision(&visit, &words, &row, &seen, &choice);
    visit.page(words.get("ops-decision"), "/ops/decisions", body).await
}

fn decision(visit: &Visit, words: &Words<'_>, row: &DecisionRow, seen: &Seen, choice: &Choice) -> Markup {
    let follow = &seen.followed;
    let dash = || "–".to_owned();
    let rows = [
        (words.get("ops-customer"), customer(visit, &row.entity.to_string(), None)),
        (words.get("ops-playbook"), html! { (row.playbook) " " (row.version) }),
        (words.get("ops-rule"), html! { (seen.rule) " (" (words.percent(seen.confidence)) ")" }),
        (
            words.get("page-strategy"),
            html! {
                (words.strategy(follow.chosen))
                @if follow.strategy != follow.chosen { " → " (words.strategy(follow.strategy)) }
            },
        ),
        (
            words.get("page-used"),
            html! {
                @if seen.used.is_empty() { (dash()) } @else { (seen.used.join(", ")) }
            },
        ),
        (words.get("ops-arm"), html! { (seen.arm.clone().unwrap_or_else(dash)) }),
        (
            words.get("ops-reasons"),
            html! {
                @for reason in &choice.chosen.reasons {
                    p { (words.with(&format!("page-reason-{}", reason.code().replace('_', "-")), &[("strategy", words.strategy(follow.chosen))])) }
                }
            },
        ),
    ];
    html! {
        section.card.now {
            p.state { (words.moment(row.at)) }
            h2 { (does(words, &choice.chosen.does)) }
            (list(&rows))
            p.number { (row.decision_id) }
        }
        section.card {
            h2 { (words.get("ops-candidates")) }
            ul.rows {
                @for candidate in &choice.candidates {
                    li {
                        span.name { (does(words, &candidate.does)) }
                        span {
                            (words.get("ops-candidate-value")) ": "
                            (candidate.value.map_or_else(dash, |value| format!("{value:.0}")))
                            " · " (words.get("ops-candidate-chance")) ": " (words.percent(candidate.propensity))
                        }
                        @for refused in &candidate.refused {
                            span.faint { (words.code("page-refused", refused.code())) }
                        }
                    }
                }
            }
        }
    }
}
