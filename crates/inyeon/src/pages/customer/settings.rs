//! What customers set: how much they leave to us and what they share, what they agree to, and when they want quiet.

use engine::playbook::Playbook;
use maud::{Markup, html};
use model::connection::{Consent, Fallback, Preference, SHARE_MAX, Strategy};

use super::View;
use super::deeds::Deed;
use super::mandates::missing;
use crate::pages::layout::select;

pub(super) fn page(view: &View<'_>) -> Markup {
    let categories = view.known.categories();
    html! {
        p.lead { (view.get("page-settings-lead")) }
        @if categories.is_empty() { section.card.quiet { p { (view.get("page-no-categories")) } } }
        @for category in &categories { (choices(view, category)) }
        (consents(view))
        (away(view))
    }
}

/// Why the chosen strategy is not followed now, and what is in its place.
pub(super) fn instead(view: &View<'_>, category: &str, device: Option<&str>) -> Markup {
    let Some((missing, strategy)) = missing(view, category, device) else { return html! {} };
    // Nothing set is told where it is set.
    if missing == "unset" {
        return html! {};
    }
    let why = view.get(&format!("page-missing-{}", missing.replace('_', "-")));
    let words = view.words.with("page-instead", &[("why", why), ("strategy", view.words.strategy(strategy))]);
    html! { p.warn { (words) } }
}

fn choices(view: &View<'_>, category: &str) -> Markup {
    let connection = view.known.connection();
    let playbook = view.known.playbooks.of_category(category).map(|(_, playbook)| playbook);
    let devices = connection.devices.iter().filter(|(_, device)| {
        device.gone_at.is_none() && device.slots.values().any(|slot| slot.category == *category)
    });
    let devices: Vec<&String> = devices.map(|(device_id, _)| device_id).collect();
    let own = |device: &str| {
        connection.preferences.iter().any(|known| {
            known.category == category && known.device_id.as_deref() == Some(device)
        })
    };
    let snoozed = connection.snoozed.get(category).filter(|until| **until > view.known.now);
    html! {
        section.card {
            h2 { (view.words.category(category)) }
            (instead(view, category, None))
            (form(view, category, None, playbook))
            @if devices.len() > 1 || devices.iter().any(|device| own(device)) {
                @for device in &devices {
                    details open[own(device)] {
                        summary { (view.words.with("page-only-device", &[("device", view.device(device))])) }
                        (form(view, category, Some(device), playbook))
                    }
                }
            }
            @match snoozed {
                Some(until) => {
                    p { (view.words.with("page-snoozed", &[("until", view.words.day(*until))])) }
                    div.actions {
                        (view.deed(Deed::Snooze, &[("category", category), ("days", "0")], "secondary", &view.get("page-snooze-end")))
                    }
                },
                None => div.actions {
                    @for days in ["7", "30"] {
                        @let words = view.words.with("page-snooze-days", &[("days", days.to_owned())]);
                        (view.deed(Deed::Snooze, &[("category", category), ("days", days)], "secondary", &words))
                    }
                },
            }
        }
    }
}

fn form(view: &View<'_>, category: &str, device: Option<&str>, playbook: Option<&Playbook>) -> Markup {
    let set = view.known.connection().preference(category, device);
    let unset = Preference {
        category: category.to_owned(),
        device_id: None,
        strategy: Strategy::Wait,
        fallback: Fallback::Wait,
        share: 0,
        channel: None,
        cap_per_week: None,
        version: 0,
        at: view.known.now,
    };
    let now = set.unwrap_or(&unset);
    let offered = Strategy::ALL.into_iter().filter(|strategy| {
        *strategy == now.strategy
            || playbook.is_none_or(|playbook| playbook.strategies.share(*strategy).is_some())
    });
    let id = |name: &str| format!("{category}-{}-{name}", device.unwrap_or("all"));
    let fallbacks: Vec<(String, String)> = Fallback::ALL
        .into_iter()
        .map(|fallback| {
            let key = format!("page-fallback-{}", fallback.name().replace('_', "-"));
            (fallback.name().to_owned(), view.get(&key))
        })
        .collect();
    let caps: Vec<(String, String)> = std::iter::once((String::new(), view.get("page-cap-any")))
        .chain(["0", "1", "2", "3"].map(|n| {
            let words = if n == "0" { view.get("page-cap-none") } else {
                view.words.with("page-cap", &[("n", n.to_owned())])
            };
            (n.to_owned(), words)
        }))
        .collect();
    let cap = now.cap_per_week.map_or(String::new(), |cap| cap.to_string());
    let fields = [("category", category), ("device", device.unwrap_or_default())];
    html! {
        form method="post" action=(view.base) {
            (view.hidden(Deed::Prefer, &fields))
            fieldset {
                legend { (view.get("page-strategy")) }
                @for strategy in offered {
                    @let id = id(strategy.name());
                    div.radio {
                        input type="radio" name="strategy" id=(id) value=(strategy.name())
                            checked[set.is_some() && strategy == now.strategy] required;
                        label for=(id) {
                            strong { (view.words.strategy(strategy)) }
                            span.hint { (view.get(&format!("page-strategy-{}-text", strategy.name()))) }
                            @if let Some(least) = playbook.and_then(|playbook| playbook.strategies.share(strategy)).filter(|least| *least > 0) {
                                span.hint { (view.words.with("page-strategy-needs", &[("share", view.get(&format!("page-share-{least}")))])) }
                            }
                        }
                    }
                }
            }
            fieldset {
                legend { (view.get("page-share")) }
                @for share in 0..=SHARE_MAX {
                    @let id = id(&format!("share-{share}"));
                    div.radio {
                        input type="radio" name="share" id=(id) value=(share) checked[set.is_some() && share == now.share] required;
                        label for=(id) {
                            strong { (view.get(&format!("page-share-{share}"))) }
                            span.hint { (view.get(&format!("page-share-{share}-text"))) }
                        }
                    }
                }
            }
            (select(&id("fallback"), "fallback", &view.get("page-fallback"), &fallbacks, now.fallback.name()))
            (select(&id("cap"), "cap", &view.get("page-cap-label"), &caps, &cap))
            div.actions { button.primary type="submit" {
                (view.words.with("page-save", &[("what", device.map_or_else(|| view.words.category(category), |device| view.device(device)))]))
            } }
        }
    }
}

/// The purposes that a customer can agree to, whether or not they ever said anything about them.
const PURPOSES: [&str; 5] =
    ["history", "readings", "context", Consent::ADVERTISING, Consent::NIGHT_ADVERTISING];

fn consents(view: &View<'_>) -> Markup {
    let connection = view.known.connection();
    let others = connection.consents.keys().map(String::as_str).filter(|known| !PURPOSES.contains(known));
    html! {
        section.card #consents {
            h2 { (view.get("page-consents")) }
            p { (view.get("page-consents-text")) }
            ul.consents {
                @for purpose in PURPOSES.into_iter().chain(others) { (consent(view, purpose)) }
            }
        }
    }
}

fn consent(view: &View<'_>, purpose: &str) -> Markup {
    let known = view.known.connection().consents.get(purpose);
    let shared = Consent::SHARED.contains(&purpose);
    // What is shared holds by the choice above until it is withdrawn here; everything else holds only once given.
    let holds = known.map_or(shared, |known| known.given);
    let name = view.words.code("page-purpose", purpose);
    let state = match known {
        Some(known) => {
            let key = if known.given { "page-consent-given" } else { "page-consent-withdrawn" };
            view.words.with(key, &[("at", view.words.moment(known.at))])
        }
        None if shared => view.get("page-consent-by-choice"),
        None => view.get("page-consent-never"),
    };
    let (given, verb) = if holds { ("no", "page-withdraw") } else { ("yes", "page-give") };
    let label = format!("{} — {name}", view.get(verb));
    let notice = format!("page:{purpose}:1:{}", view.words.messages.lang.tag());
    let text = view.words.code("page-purpose-text", purpose);
    html! {
        li {
            h3 { (name) }
            @if text != purpose { p { (text) } }
            p.faint { (state) }
            div.actions {
                (view.deed(
                    Deed::Consent,
                    &[("purpose", purpose), ("given", given), ("notice", &notice)],
                    "secondary",
                    &label,
                ))
            }
        }
    }
}

fn away(view: &View<'_>) -> Markup {
    let known = view.known;
    let coming = known.connection().away.iter().filter(|(_, until)| *until > known.now);
    html! {
        section.card {
            h2 { (view.get("page-away")) }
            p { (view.get("page-away-text")) }
            @for (from, until) in coming {
                p { (view.words.with("page-away-set", &[("from", view.words.day(*from)), ("until", view.words.day(*until))])) }
            }
            form method="post" action=(view.base) {
                (view.hidden(Deed::Away, &[]))
                div.pair {
                    div.field {
                        label for="away-from" { (view.get("page-away-from")) }
                        input type="date" id="away-from" name="from" required;
                    }
                    div.field {
                        label for="away-until" { (view.get("page-away-until")) }
                        input type="date" id="away-until" name="until" required;
                    }
                }
                div.actions { button.secondary type="submit" { (view.get("page-away-save")) } }
            }
        }
    }
}
