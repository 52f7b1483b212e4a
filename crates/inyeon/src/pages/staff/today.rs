//! What is to be done today: promises at risk, the most urgent and valuable first, each with what can be done for it.

use axum::extract::Form;
use axum::response::Response;
use maud::{Markup, html};
use model::{Currency, Money, RemedyKind};
use serde_json::Value;

use super::{Filled, Right, Visit, customer, left, moment, not_done, setting};
use crate::at_risk::{self, RiskOp};
use crate::pages::layout::list;
use crate::pages::see;
use crate::pages::words::Words;
use crate::render::{array, plain};

/// Work for a day; more is on the command line.
const SHOWN: usize = 50;

pub(super) async fn page(visit: Visit) -> Response {
    if let Err(refused) = visit.must(Right::SeeRisk) {
        return refused;
    }
    let found = visit.off(|app| {
        app.node.drain()?;
        at_risk::run(&app.node, RiskOp::AtRisk { owner: None, cause: None, limit: SHOWN })
    });
    let (Some(Ok(found)), Some((zone, playbooks))) = (found.await, setting(&visit.app).await) else {
        return visit.later();
    };
    let words = visit.words(zone, &playbooks);
    let items = array(&found["items"]);
    let body = html! {
        @if items.is_empty() {
            section.card.quiet { p { (words.get("ops-risk-none")) } }
        } @else {
            p.lead { (words.with("ops-risk-count", &[("count", plain(&found["count"]))])) }
        }
        @for item in items { (card(&visit, &words, item)) }
    };
    visit.page(words.get("ops-today"), "/ops", body).await
}

fn amount(value: &Value) -> Option<Money> {
    let currency = Currency::new(value["currency"].as_str()?)?;
    Some(Money { minor: value["minor"].as_i64()?, currency })
}

fn share(words: &Words<'_>, value: &Value) -> String {
    value.as_f64().map_or_else(|| "–".to_owned(), |share| words.percent(share))
}

fn card(visit: &Visit, words: &Words<'_>, item: &Value) -> Markup {
    let minutes = item["minutes_left"].as_i64().unwrap_or_default();
    let cause = words.code("risk", &plain(&item["cause"]));
    let id = plain(&item["promise_id"]);
    let mut rows = vec![
        (words.get("ops-customer"), customer(visit, &plain(&item["entity"]), item["customer"].as_str())),
        (words.get("ops-due"), html! { (moment(words, &item["due_at"])) }),
        (words.get("ops-probability"), html! { (share(words, &item["probability"])) }),
    ];
    if let Some(value) = amount(&item["customer_value"]) {
        rows.push((words.get("ops-value"), html! { (words.money(value)) }));
    }
    if let Some(owner) = item["owner"].as_str() {
        rows.push((words.get("ops-owner"), html! { (owner) }));
    }
    html! {
        section.card {
            p.state { (words.with("ops-left", &[("left", left(words, minutes))])) }
            h2 { (cause) }
            (list(&rows))
            p.number { (id) }
            @let proposals = array(&item["proposals"]);
            @if proposals.is_empty() { p { (words.get("ops-no-remedy")) } }
            @else {
                h3 { (words.get("ops-remedies")) }
                ul.rows {
                    @for proposal in proposals {
                        @let kind = words.code("remedy", &plain(&proposal["kind"]));
                        li {
                            span.name { (kind) }
                            span {
                                (words.with("ops-remedy-line", &[
                                    ("cost", amount(&proposal["cost"]).map_or_else(|| "–".to_owned(), |cost| words.money(cost))),
                                    ("probability", share(words, &proposal["probability"])),
                                ]))
                            }
                            @if visit.person.may(Right::Remedy) {
                                (visit.button(
                                    "/ops/remedy",
                                    &[("promise", &id), ("kind", &plain(&proposal["kind"]))],
                                    "secondary",
                                    &format!("{} — {kind}, {id}", words.get("ops-apply")),
                                ))
                            }
                        }
                    }
                }
            }
        }
    }
}

pub(super) async fn remedy(visit: Visit, Form(filled): Form<Filled>) -> Response {
    if let Err(refused) = visit.must_by_form(Right::Remedy, &filled) {
        return refused;
    }
    let Some(kind) = RemedyKind::from_name(&filled.kind) else { return not_done(&visit, "/ops", "not") };
    let done = visit.off(move |app| {
        at_risk::run(&app.node, RiskOp::Remedy { promise_id: filled.promise, kind })
    });
    match done.await {
        Some(Ok(_)) => see(&visit.path("/ops?done=remedied")),
        Some(Err(failure)) => not_done(&visit, "/ops", &failure.code),
        None => visit.later(),
    }
}
