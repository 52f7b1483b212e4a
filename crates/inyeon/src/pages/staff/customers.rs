//! Finding a customer, and what there is to know before one speaks with them.

use axum::extract::Path;
use axum::response::Response;
use engine::Customer;
use maud::{Markup, html};
use model::EntityId;

use super::autos::card;
use super::decisions::listed;
use super::{Right, Visit, setting};
use crate::pages::layout::list;
use crate::pages::look;
use crate::pages::words::Words;

const FOUND: usize = 30;
const SHOWN: usize = 10;

pub(super) async fn page(visit: Visit) -> Response {
    if let Err(refused) = visit.must(Right::SeeCustomers) {
        return refused;
    }
    let text = visit.asked.q.clone().unwrap_or_default();
    let wanted = text.clone();
    let found = visit.off(move |app| {
        app.node.drain()?;
        Ok(app.node.reader()?.profiles(Some(wanted.trim()), FOUND)?)
    });
    let (Some(Ok(rows)), Some((zone, playbooks))) = (found.await, setting(&visit.app).await) else {
        return visit.later();
    };
    let words = visit.words(zone, &playbooks);
    let body = html! {
        form.search method="get" action=(visit.path("/ops/customers")) role="search" {
            div.field {
                label for="q" { (words.get("ops-search-label")) }
                input id="q" name="q" type="search" value=(text) autocomplete="off";
            }
            button.primary type="submit" { (words.get("ops-search")) }
        }
        @if rows.is_empty() {
            section.card.quiet { p { (words.get("ops-search-none")) } }
        } @else {
            ul.rows.card {
                @for row in &rows {
                    li {
                        a.name href=(visit.path(&format!("/ops/customers/{}", row.entity))) {
                            (row.name.as_deref().or(row.user_id.as_deref()).unwrap_or(&row.entity.to_string()))
                        }
                        span.faint {
                            (row.user_id.as_deref().unwrap_or("–")) " · "
                            (words.with("ops-last-seen", &[("at", words.moment(row.last_seen))]))
                        }
                    }
                }
            }
        }
    };
    visit.page(words.get("ops-customers"), "/ops/customers", body).await
}

pub(super) async fn one(visit: Visit, Path(id): Path<String>) -> Response {
    if let Err(refused) = visit.must(Right::SeeCustomers) {
        return refused;
    }
    let Ok(entity) = id.parse::<EntityId>() else { return visit.not_there() };
    let known = look(&visit.app.node, move |fold| {
        let head = fold.head(entity)?;
        Ok(fold.entity(head)?.customer().filter(|known| known.erased_at.is_none()).cloned())
    });
    let known = match known.await {
        Some(Some(known)) if known.profile.first_seen.is_some() || !known.connection.needs.is_empty() => known,
        Some(_) => return visit.not_there(),
        None => return visit.later(),
    };
    let head = known.id;
    let rows = visit.off(move |app| {
        app.node.drain()?;
        let reader = app.node.reader()?;
        Ok((reader.profile(head)?, reader.auto_orders(Some(head), SHOWN)?, reader.decisions(Some(head), SHOWN)?))
    });
    let (Some(Ok((profile, autos, decided))), Some((zone, playbooks))) =
        (rows.await, setting(&visit.app).await)
    else {
        return visit.later();
    };
    let words = visit.words(zone, &playbooks);
    let name = profile.as_ref().and_then(|row| row.name.clone().or(row.user_id.clone()));
    let body = html! {
        (about(&words, &known, profile.as_ref()))
        (tie(&words, &known))
        @if !autos.is_empty() {
            h2 { (words.get("ops-orders")) }
            @for row in &autos { (card(&visit, &words, row, name.as_deref())) }
        }
        @if !decided.is_empty() && visit.person.may(Right::SeeDecisions) {
            h2 { (words.get("ops-decisions")) }
            (listed(&visit, &words, &decided))
        }
    };
    visit.page(name.unwrap_or_else(|| head.to_string()), "/ops/customers", body).await
}

fn about(words: &Words<'_>, known: &Customer, profile: Option<&views::ProfileRow>) -> Markup {
    let dash = || "–".to_owned();
    let mut rows = vec![(words.get("page-data-ids"), html! { (known.id) })];
    if let Some(row) = profile {
        rows.push((words.get("ops-user"), html! { (row.user_id.clone().unwrap_or_else(dash)) }));
        rows.push((words.get("ops-email"), html! { (row.email.clone().unwrap_or_else(dash)) }));
        let promises = [
            ("made", row.promises.made),
            ("open", row.promises.open),
            ("kept", row.promises.kept),
            ("broken", row.promises.broken),
        ];
        let values = promises.map(|(name, n)| (name, n.to_string()));
        rows.push((words.get("ops-promises"), html! { (words.with("ops-promises-line", &values)) }));
    }
    html! { section.card { (list(&rows)) } }
}

/// What they set and delegated.
fn tie(words: &Words<'_>, known: &Customer) -> Markup {
    let connection = &known.connection;
    let preferences = connection.preferences.iter().map(|set| {
        let share = words.get(&format!("page-share-{}", connection.share(&set.category, set.device_id.as_deref())));
        let device = set.device_id.as_ref().map(|device| format!(" ({device})")).unwrap_or_default();
        (
            format!("{}{device}", words.category(&set.category)),
            html! { (words.strategy(set.strategy)) " · " (share) },
        )
    });
    let preferences: Vec<_> = preferences.collect();
    let mandates = connection.mandates.values().map(|record| {
        let state = words.get(&format!("page-mandate-{}", record.state.name()));
        (words.category(&record.terms.category), html! { (state) " · " (words.moment(record.moved_at)) })
    });
    let mandates: Vec<_> = mandates.collect();
    html! {
        @if !preferences.is_empty() {
            section.card { h2 { (words.get("ops-preferences")) } (list(&preferences)) }
        }
        @if !mandates.is_empty() {
            section.card { h2 { (words.get("ops-mandates")) } (list(&mandates)) }
        }
    }
}
