//! What customers delegated: in plain words, with every way to stop it.

use engine::connection::{MandateRecord, followed, period_start};
use maud::{Markup, html};
use model::connection::{MandateState, MandateTerms, Strategy};
use model::{Money, Time};

use super::deeds::Deed;
use super::home::action_card;
use super::View;
use crate::pages::layout::{list, select};

pub(super) fn page(view: &View<'_>) -> Markup {
    let connection = view.known.connection();
    let (ended, open): (Vec<_>, Vec<_>) =
        connection.mandates.values().partition(|record| record.state.is_ended());
    let able: Vec<String> = view
        .known
        .playbooks
        .current()
        .filter(|(_, playbook)| playbook.strategies.automate.is_some())
        .map(|(_, playbook)| playbook.category.clone())
        .filter(|category| !open.iter().any(|record| record.terms.category == *category))
        .collect();
    html! {
        p.lead { (view.get("page-auto-lead")) }
        @for record in &open { (card(view, record)) }
        @for category in &able { (set_up(view, category)) }
        @if !ended.is_empty() {
            section.card.quiet {
                h2 { (view.get("page-mandates-ended")) }
                ul.rows {
                    @for record in ended {
                        li {
                            span.name { (view.words.category(&record.terms.category)) }
                            span { (view.get(&format!("page-mandate-{}", record.state.name()))) ", " (view.words.moment(record.moved_at)) }
                        }
                    }
                }
            }
        }
    }
}

/// The page of a mandate's own link.
pub(super) fn one(view: &View<'_>, mandate_id: &str) -> Option<(String, Markup)> {
    let connection = view.known.connection();
    let record = connection.mandates.get(mandate_id)?;
    let actions = connection
        .actions
        .values()
        .filter(|action| action.action.mandate_id == mandate_id && action.state.is_open());
    let body = html! {
        @for action in actions { (action_card(view, action)) }
        (card(view, record))
    };
    Some((view.get("page-mandate"), body))
}

fn card(view: &View<'_>, record: &MandateRecord) -> Markup {
    let category = view.words.category(&record.terms.category);
    let presented = record.state == MandateState::Presented;
    html! {
        section class={ "card " (if presented { "now" } else { "" }) } {
            p.state { (view.get(&format!("page-mandate-{}", record.state.name()))) }
            h2 { (view.words.with("page-mandate-title", &[("category", category)])) }
            @if let Some(why) = record.why.as_ref().filter(|_| record.state == MandateState::Suspended) {
                p.warn { (view.words.code("page-suspended", why)) }
            }
            @if record.state == MandateState::Active {
                (super::settings::instead(view, &record.terms.category, record.terms.device_id.as_deref()))
            }
            (list(&terms(view, &record.terms)))
            @if !presented { (list(&so_far(view, record))) }
            @if presented {
                (agree(view, &record.terms, &record.agreement))
            } @else {
                div.actions {
                    @if record.state == MandateState::Active {
                        (view.deed(Deed::OrderNow, &[("mandate", &record.terms.mandate_id)], "secondary", &view.get("page-order-now")))
                    }
                    @if matches!(record.state, MandateState::Paused | MandateState::Suspended) {
                        (view.deed(Deed::Resume, &[("mandate", &record.terms.mandate_id)], "primary", &view.get("page-resume")))
                    }
                    (stops(view, record))
                }
            }
            @if let Some((proposed, _, agreement)) = &record.proposed {
                h3 { (view.get("page-mandate-proposed")) }
                p { (view.get("page-mandate-proposed-text")) }
                (list(&terms(view, proposed)))
                (agree(view, proposed, agreement))
            }
        }
    }
}

/// The ways to stop, each in one step.
pub(super) fn stops(view: &View<'_>, record: &MandateRecord) -> Markup {
    let mandate_id = record.terms.mandate_id.as_str();
    html! {
        @if record.state == MandateState::Active {
            (view.deed(Deed::Pause, &[("mandate", mandate_id)], "secondary", &view.get("page-pause")))
        }
        @if !record.state.is_ended() {
            (view.deed(Deed::Revoke, &[("mandate", mandate_id)], "secondary", &view.get("page-revoke")))
        }
    }
}

fn agree(view: &View<'_>, terms: &MandateTerms, agreement: &str) -> Markup {
    let set = view.known.connection().preference(&terms.category, terms.device_id.as_deref());
    let playbook = view.known.playbooks.of_category(&terms.category);
    let least = playbook.and_then(|(_, playbook)| playbook.strategies.share(Strategy::Automate)).unwrap_or(0);
    let share = set.map_or(0, |set| set.share).max(least);
    let changes = set.is_none_or(|set| set.strategy != Strategy::Automate || set.share < share);
    let values = [
        ("category", view.words.category(&terms.category)),
        ("share", view.get(&format!("page-share-{share}"))),
    ];
    html! {
        @if changes { p { (view.words.with("page-agree-sets", &values)) } }
        p.faint { (view.words.with("page-agree-number", &[("number", agreement.chars().take(12).collect())])) }
        div.actions {
            (view.deed(
                Deed::Agree,
                &[("mandate", &terms.mandate_id), ("agreement", agreement)],
                "primary",
                &view.get("page-agree"),
            ))
            (view.deed(Deed::Revoke, &[("mandate", &terms.mandate_id)], "secondary", &view.get("page-decline")))
        }
    }
}

/// The terms, as people say them.
pub(super) fn terms(view: &View<'_>, terms: &MandateTerms) -> Vec<(String, Markup)> {
    let words = &view.words;
    let mut rows = Vec::new();
    let items: Vec<String> = terms.items.iter().map(|item| words.item(item)).collect();
    let what = html! {
        @if let [item] = items.as_slice() { (item) } @else { ul.plain { @for item in &items { li { (item) } } } }
        p.faint { (words.with("page-mandate-most", &[("quantity", words.quantity(terms.max_quantity))])) }
    };
    rows.push((view.get("page-mandate-what"), what));
    if let Some(device) = &terms.device_id {
        rows.push((view.get("page-mandate-for"), html! { (view.device(device)) }));
    }
    rows.push((
        view.get("page-mandate-each"),
        html! { (words.with("page-mandate-at-most", &[("amount", words.money(terms.max_each))])) },
    ));
    if !terms.limits.is_empty() {
        let limits = html! {
            @for limit in &terms.limits { p { (words.limit(limit)) } }
        };
        rows.push((view.get("page-mandate-limits"), limits));
    }
    let price = match &terms.price {
        Some(rule) if rule.max_rise_percent == 0 => {
            words.with("page-mandate-price-fixed", &[("price", words.money(rule.reference))])
        }
        Some(rule) => words.with(
            "page-mandate-price",
            &[
                ("price", words.money(rule.reference)),
                ("percent", rule.max_rise_percent.to_string()),
                ("most", words.money(Money { minor: rule.highest(), ..rule.reference })),
            ],
        ),
        None => view.get("page-mandate-price-any"),
    };
    rows.push((view.get("page-mandate-price-rule"), html! { (price) }));
    rows.push((view.get("page-mandate-payee"), html! { (terms.payee) }));
    let notice = words.with("page-mandate-notice-text", &[("hours", terms.notice_hours.to_string())]);
    rows.push((view.get("page-mandate-notice"), html! { (notice) }));
    let valid = html! {
        @match terms.valid_to {
            Some(end) => p { (words.with("page-mandate-until", &[("until", words.day(end))])) },
            None => p { (view.get("page-mandate-open-end")) },
        }
        @if let Some(days) = terms.dormancy_days {
            p { (words.with("page-mandate-dormant", &[("days", days.to_string())])) }
        }
    };
    rows.push((view.get("page-mandate-valid"), valid));
    rows
}

/// What came of it until now, and what comes next.
fn so_far(view: &View<'_>, record: &MandateRecord) -> Vec<(String, Markup)> {
    let (words, terms) = (&view.words, &record.terms);
    let mut rows = Vec::new();
    if let Some(at) = record.agreed_at {
        rows.push((view.get("page-mandate-agreed"), html! { (words.moment(at)) }));
    }
    if let Some(limit) = terms.limits.first() {
        let since = period_start(limit.period, view.known.now, &terms.time_zone);
        let spent: Vec<_> = record.spends.iter().filter(|spend| !spend.back && spend.at >= since).collect();
        let minor = spent.iter().map(|spend| spend.amount.minor).sum();
        let amount = Money { minor, currency: terms.max_each.currency };
        let values = [("amount", words.money(amount)), ("orders", spent.len().to_string())];
        rows.push((view.get("page-mandate-spent"), html! { (words.with("page-mandate-spent-text", &values)) }));
    }
    if record.state == MandateState::Active {
        rows.push((view.get("page-mandate-next"), html! { (next(view, terms)) }));
    }
    rows
}

fn next(view: &View<'_>, terms: &MandateTerms) -> String {
    let connection = view.known.connection();
    let open = connection
        .actions
        .values()
        .find(|record| record.action.mandate_id == terms.mandate_id && record.state.is_open());
    let (device, slot) = (terms.device_id.as_deref(), terms.slot.as_deref());
    let looked_at: Option<Time> = view.known.looked_at(device, slot).filter(|at| *at > view.known.now);
    match (open, looked_at) {
        (Some(record), _) => {
            let item = view.words.item(&record.action.item_id);
            let at = view.words.moment(record.action.execute_at);
            view.words.with("page-mandate-next-open", &[("item", item), ("at", at)])
        }
        (None, Some(at)) => view.words.with("page-mandate-next-about", &[("day", view.words.day(at))]),
        (None, None) => view.get("page-mandate-next-unknown"),
    }
}

/// A form by which customers say what may be ordered; what they then agree to is shown to them once more.
fn set_up(view: &View<'_>, category: &str) -> Markup {
    if !Deed::Prepare.by(view.claims.purpose) {
        return html! {};
    }
    let Some((_, playbook)) = view.known.playbooks.of_category(category) else { return html! {} };
    let connection = view.known.connection();
    let devices = connection.devices.iter().filter(|(_, device)| {
        device.gone_at.is_none() && device.slots.values().any(|slot| slot.category == *category)
    });
    let devices: Vec<(String, String)> =
        devices.map(|(device_id, _)| (device_id.clone(), view.device(device_id))).collect();
    let price = playbook.offer.items.iter().find_map(|item| view.known.items.get(item)?.1);
    let example = price.map_or(String::new(), |price| {
        let most = price.minor.saturating_mul(playbook.offer.quantity.0) / 1_000 * 12 / 10;
        Money { minor: most, ..price }.decimal()
    });
    let month = price.map_or(String::new(), |price| {
        let most = price.minor.saturating_mul(playbook.offer.quantity.0) / 1_000 * 24 / 10;
        Money { minor: most, ..price }.decimal()
    });
    let currency = price.map_or(String::new(), |price| price.currency.code().to_owned());
    let id = |name: &str| format!("{category}-{name}");
    let hours = |hours: &str| (hours.to_owned(), view.words.with("page-hours", &[("hours", hours.to_owned())]));
    let number = |n: &str| (n.to_owned(), view.words.with("page-times", &[("n", n.to_owned())]));
    let rise = |n: &str| match n {
        "0" => ("0".to_owned(), view.get("page-rise-none")),
        n => (n.to_owned(), view.words.with("page-rise", &[("percent", n.to_owned())])),
    };
    let title = view.words.with("page-set-up", &[("category", view.words.category(category))]);
    html! {
        section.card {
            h2 { (title) }
            p { (view.get("page-set-up-text")) }
            details {
                summary { (view.get("page-set-up-open")) }
                form method="post" action=(view.base) {
                    (view.hidden(Deed::Prepare, &[("category", category)]))
                    @if !devices.is_empty() {
                        @let any = std::iter::once((String::new(), view.get("page-any-device")));
                        @let options: Vec<_> = devices.iter().cloned().chain(any).collect();
                        @let first = devices.first().map_or("", |(id, _)| id.as_str());
                        (select(&id("device"), "device", &view.get("page-mandate-for"), &options, first))
                    }
                    div.field {
                        label for=(id("each")) { (view.get("page-mandate-each")) " (" (currency) ")" }
                        input id=(id("each")) name="max_each" inputmode="decimal" required value=(example);
                    }
                    div.field {
                        label for=(id("month")) { (view.get("page-month-amount")) " (" (currency) ")" }
                        input id=(id("month")) name="month_amount" inputmode="decimal" required value=(month);
                    }
                    (select(&id("orders"), "month_orders", &view.get("page-month-orders"), &["1", "2", "3", "4"].map(number), "2"))
                    (select(&id("rise"), "rise", &view.get("page-mandate-price-rule"), &["0", "5", "10", "20"].map(rise), "10"))
                    (select(&id("notice"), "notice_hours", &view.get("page-mandate-notice"), &["24", "48", "72"].map(hours), "24"))
                    div.actions { button.primary type="submit" { (view.get("page-set-up-next")) } }
                    p.faint { (view.get("page-set-up-then")) }
                }
            }
        }
    }
}

/// What the chosen strategy lacks as things are, and what is followed in its place.
pub(super) fn missing(
    view: &View<'_>,
    category: &str,
    device: Option<&str>,
) -> Option<(&'static str, Strategy)> {
    let (_, playbook) = view.known.playbooks.of_category(category)?;
    let connection = view.known.connection();
    // A mandate may be for one device and slot: it is asked about there.
    let fits = |record: &&MandateRecord| {
        let terms = &record.terms;
        !record.state.is_ended()
            && terms.category == category
            && (device.is_none() || terms.device_id.is_none() || terms.device_id.as_deref() == device)
    };
    let terms = connection.mandates.values().find(fits).map(|record| &record.terms);
    let device = device.or_else(|| terms.and_then(|terms| terms.device_id.as_deref()));
    let slot = terms.and_then(|terms| terms.slot.as_deref());
    let follow = followed(connection, playbook, device, slot, false);
    Some((follow.missing?.code(), follow.strategy))
}
