//! Decisions in people's words: codes become texts, for the company and for the customer.

use std::fmt::Write;

use serde_json::{Value, json};

use crate::i18n::Messages;
use crate::render::{array, heads, or_dash, plain, table};

/// Gives every code in an answer its text beside it, where the language is known.
pub fn with_texts(mut answer: Value, messages: &Messages) -> Value {
    texts(&mut answer, "", messages);
    answer
}

/// Codes stand in lists of their kind, and beside the strategy.
fn texts(value: &mut Value, kind: &str, messages: &Messages) {
    match value {
        Value::Object(members) => {
            let text = members.get("code").and_then(Value::as_str).filter(|_| !kind.is_empty());
            if let Some(text) = text.map(|code| messages.get(&key(kind, code))) {
                members.insert("text".to_owned(), json!(text));
            }
            for (name, member) in members.iter_mut() {
                let kind = match name.as_str() {
                    "refused" => "refused",
                    "reasons" => "reason",
                    "missing" => "missing",
                    _ => "",
                };
                // What was seen and what the playbook says are kept as they are.
                if name != "seen" {
                    texts(member, kind, messages);
                }
            }
        }
        Value::Array(elements) => elements.iter_mut().for_each(|element| texts(element, kind, messages)),
        _ => {}
    }
}

fn key(kind: &str, code: &str) -> String {
    format!("decision-{kind}-{}", code.replace('_', "-"))
}

fn word(messages: &Messages, kind: &str, value: &Value) -> String {
    messages.get(&key(kind, &plain(value)))
}

fn strategy(messages: &Messages, value: &Value) -> String {
    messages.get(&format!("strategy-{}", plain(value)))
}

/// An amount as people write it.
pub(crate) fn amount(value: &Value) -> String {
    let money = serde_json::from_value::<model::Money>(value.clone());
    money.map_or_else(|_| "-".to_owned(), engine::playbook::money_text)
}

/// What it comes to, with what it is about.
fn does(messages: &Messages, does: &Value) -> String {
    let items: Vec<String> = array(&does["items"]).iter().map(plain).collect();
    let items = if items.is_empty() { or_dash(&does["item_id"]) } else { items.join(", ") };
    let at = serde_json::from_value::<model::Time>(does["at"].clone()).map(|at| at.to_string());
    let values = [
        ("items", items),
        ("message", or_dash(&does["message"])),
        ("at", at.unwrap_or_else(|_| "-".to_owned())),
    ];
    messages.with(&key("does", &plain(&does["does"])), &values)
}

fn percent(value: &Value) -> String {
    value.as_f64().map_or_else(|| "-".to_owned(), |share| format!("{:.0} %", share * 100.0))
}

fn reasons(told: &Value, ours: bool, messages: &Messages) -> Vec<String> {
    let of = |reason: &&Value| (reason["ours"] == true) == ours;
    let reasons = array(&told["chosen"]["reasons"]).iter().filter(of);
    reasons.map(|reason| word(messages, "reason", &reason["code"])).collect()
}

/// Why something else was not done.
fn refusals(candidate: &Value, messages: &Messages) -> Vec<String> {
    array(&candidate["refused"]).iter().map(|refused| word(messages, "refused", &refused["code"])).collect()
}

fn list_of(out: &mut String, head: &str, lines: &[String]) {
    if lines.is_empty() {
        return;
    }
    let _ = writeln!(out, "\n{head}");
    for line in lines {
        let _ = writeln!(out, "  {line}");
    }
}

/// What was gone by, in sentences that both sides read.
fn seen(told: &Value, messages: &Messages) -> Vec<String> {
    let mut lines = vec![
        word(messages, "occasion", &told["occasion"]),
        messages.with(&key("origin", &plain(&told["origin"])), &[("rule", plain(&told["rule"]))]),
    ];
    let chosen = strategy(messages, &told["strategy"]["chosen"]);
    let missing = &told["strategy"]["missing"]["code"];
    lines.push(match missing.as_str() {
        None => messages.with("decision-strategy", &[("chosen", chosen)]),
        Some(_) => {
            let followed = strategy(messages, &told["strategy"]["followed"]);
            let why = word(messages, "missing", missing);
            let values = [("chosen", chosen), ("followed", followed), ("why", why)];
            messages.with("decision-strategy-instead", &values)
        }
    });
    let share = messages.get(&format!("share-{}", plain(&told["share"])));
    lines.push(messages.with("decision-share", &[("share", share)]));
    if let Some(days) = told["empty_in_days"]["p50"].as_f64() {
        let day = |name: &str| told["empty_in_days"][name].as_f64().unwrap_or_default();
        let values = [
            ("days", format!("{days:.0}")),
            ("early", format!("{:.0}", day("p10"))),
            ("late", format!("{:.0}", day("p90"))),
        ];
        lines.push(messages.with("decision-empty-in", &values));
    }
    lines
}

fn head(told: &Value, messages: &Messages) -> String {
    let title = &told["title"][messages.lang.tag()];
    let values = [
        ("id", plain(&told["decision_id"])),
        ("at", plain(&told["at"])),
        ("title", if title.is_null() { plain(&told["playbook"]) } else { plain(title) }),
        ("playbook", plain(&told["playbook"])),
        ("version", plain(&told["version"])),
    ];
    messages.with("decision-head", &values)
}

pub(super) fn for_company(told: &Value, messages: &Messages) -> String {
    let mut out = head(told, messages);
    out.push('\n');
    list_of(&mut out, &messages.get("decision-seen"), &seen(told, messages));
    let rows = |name: &str| {
        let row = |offer: &Value| {
            let binding: Vec<String> = array(&offer["binding"]).iter().map(plain).collect();
            let fits = match offer["fits"].as_bool() {
                Some(fits) => messages.get(if fits { "word-yes" } else { "word-no" }),
                None => "-".to_owned(),
            };
            vec![
                plain(&offer["item_id"]),
                amount(&offer["price"]),
                amount(&offer["margin"]),
                or_dash(&offer["due"]),
                percent(&offer["probability"]),
                fits,
                or_dash(&offer["bought"]),
                percent(&offer["relevance"]),
                or_dash(&json!(binding.join(", "))),
            ]
        };
        array(&told[name]).iter().map(row).collect::<Vec<_>>()
    };
    let columns = ["item", "price", "margin", "due", "probability", "fits", "bought", "relevance", "because"];
    for (name, title) in [("offers", "decision-offers"), ("passed_over", "decision-passed-over")] {
        let rows = rows(name);
        if !rows.is_empty() {
            let _ = write!(out, "\n{}\n{}", messages.get(title), table(&heads(messages, &columns), &rows));
        }
    }
    let candidates: Vec<String> = array(&told["candidates"])
        .iter()
        .map(|candidate| {
            let refused = refusals(candidate, messages);
            let does = does(messages, &candidate["does"]);
            if !refused.is_empty() {
                let values = [("does", does), ("why", refused.join(" "))];
                return messages.with("decision-candidate-refused", &values);
            }
            let value =
                candidate["value"].as_f64().map_or_else(|| "-".to_owned(), |value| format!("{value:.0}"));
            let values =
                [("does", does), ("value", value), ("propensity", percent(&candidate["propensity"]))];
            messages.with("decision-candidate", &values)
        })
        .collect();
    list_of(&mut out, &messages.get("decision-possible"), &candidates);
    let chosen = &told["chosen"];
    let values = [("does", does(messages, &chosen["does"])), ("propensity", percent(&chosen["propensity"]))];
    let mut lines = vec![messages.with("decision-chosen", &values)];
    lines.extend(reasons(told, false, messages));
    let ours = reasons(told, true, messages).into_iter();
    lines.extend(ours.map(|reason| messages.with("decision-ours", &[("reason", reason)])));
    list_of(&mut out, &messages.get("decision-why"), &lines);
    let again = match told["recomputed"].as_str() {
        Some("same") => "decision-again-same",
        Some(_) => "decision-again-other",
        None => "decision-again-unknown",
    };
    let _ = write!(out, "\n{}", messages.get(again));
    out
}

/// What the customer is told: in their terms, what served us named as such, and nothing of what they are worth.
pub(super) fn for_customer(told: &Value, messages: &Messages) -> String {
    let mut out = head(told, messages);
    out.push('\n');
    list_of(&mut out, &messages.get("decision-knew"), &seen(told, messages));
    let mut lines = vec![does(messages, &told["chosen"]["does"])];
    lines.extend(reasons(told, false, messages));
    list_of(&mut out, &messages.get("decision-did"), &lines);
    list_of(&mut out, &messages.get("decision-for-us"), &reasons(told, true, messages));
    let refused: Vec<String> = array(&told["candidates"])
        .iter()
        .filter(|candidate| !array(&candidate["refused"]).is_empty())
        .map(|candidate| {
            let values = [
                ("does", does(messages, &candidate["does"])),
                ("why", refusals(candidate, messages).join(" ")),
            ];
            messages.with("decision-candidate-refused", &values)
        })
        .collect();
    list_of(&mut out, &messages.get("decision-not-done"), &refused);
    let offers: Vec<String> = array(&told["offers"])
        .iter()
        .map(|offer| {
            let name = if offer["name"].is_null() { plain(&offer["item_id"]) } else { plain(&offer["name"]) };
            let values = [
                ("item", name),
                ("price", amount(&offer["price"])),
                ("due", or_dash(&offer["due"])),
                ("probability", percent(&offer["probability"])),
            ];
            messages.with("decision-offer", &values)
        })
        .collect();
    list_of(&mut out, &messages.get("decision-could-have"), &offers);
    out.trim_end().to_owned()
}

pub(super) fn list(rows: &Value, messages: &Messages) -> String {
    let row = |row: &Value| {
        vec![
            plain(&row["at"]),
            plain(&row["decision_id"]),
            or_dash(&row["need_id"]),
            format!("{} {}", plain(&row["playbook"]), plain(&row["version"])),
            strategy(messages, &row["strategy"]),
            does(messages, &row["does"]),
            percent(&row["propensity"]),
        ]
    };
    let rows: Vec<Vec<String>> = array(rows).iter().map(row).collect();
    if rows.is_empty() {
        return messages.get("decisions-none");
    }
    let columns = ["at", "decision", "need", "playbook", "strategy", "done", "propensity"];
    table(&heads(messages, &columns), &rows)
}

pub(super) fn recomputed(answer: &Value, messages: &Messages) -> String {
    let (all, same) = (&answer["decisions"], &answer["same"]);
    let share = match (all.as_u64(), same.as_u64()) {
        (Some(all @ 1..), Some(same)) => format!("{:.2} %", same as f64 * 100.0 / all as f64),
        _ => "-".to_owned(),
    };
    let values = [("decisions", plain(all)), ("same", plain(same)), ("share", share)];
    let mut out = messages.with("decision-recomputed", &values);
    for (name, key) in [("other", "decision-recomputed-other"), ("unreadable", "decision-recomputed-unknown")]
    {
        let ids: Vec<String> = array(&answer[name]).iter().map(plain).collect();
        if !ids.is_empty() {
            let _ = write!(out, "\n{}", messages.with(key, &[("ids", ids.join(", "))]));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use engine::connection::{Block, Missing, Reason, Refused};
    use model::connection::{MandateState, NeedOrigin, Occasion, Period};
    use model::{Currency, Money};

    use super::*;
    use crate::i18n::Lang;

    #[test]
    fn every_code_has_its_text_in_both_languages() {
        let money = Money { minor: 1, currency: Currency::new("KRW").unwrap() };
        let state = |state| Refused::Mandate(Block::NotActive { state });
        let refused = [
            Refused::NoConsent,
            Refused::Cap,
            Refused::QuietHours,
            Refused::Snoozed,
            Refused::Away,
            Refused::NothingToPromise,
            Refused::NothingFits,
            Refused::MarginFloor,
            Refused::AlreadyOpen,
            Refused::OrderCap,
            Refused::AskedBefore,
            Refused::TooEarly,
            Refused::NotByStrategy,
            Refused::Mandate(Block::NotYetValid),
            Refused::Mandate(Block::Over),
            Refused::Mandate(Block::Item),
            Refused::Mandate(Block::Quantity),
            Refused::Mandate(Block::Currency),
            Refused::Mandate(Block::Each),
            Refused::Mandate(Block::PriceRise { agreed: money, now: money }),
            Refused::Mandate(Block::Limit { period: Period::Month }),
            Refused::Mandate(Block::NoPrice),
        ];
        let states = MandateState::ALL.into_iter().filter(|known| *known != MandateState::Active).map(state);
        let reasons = [
            Reason::Strategy,
            Reason::YouAsked,
            Reason::DeviceReported,
            Reason::RunsEmpty,
            Reason::FitsYourDevice,
            Reason::YouBoughtIt,
            Reason::ThereInTime,
            Reason::SoonestForUs,
            Reason::BestForUs,
            Reason::YourMandate,
            Reason::Chance,
        ];
        let missing = [
            Missing::Unset,
            Missing::NotOffered,
            Missing::Share,
            Missing::NoMandate,
            Missing::MandatePaused,
            Missing::MandateSuspended,
            Missing::MandateNotAgreed,
            Missing::Holdout,
        ];
        let occasions = [Occasion::Recognized, Occasion::Asked, Occasion::ActionDue, Occasion::OrderNow];
        let mut keys: Vec<String> = refused.iter().map(|one| key("refused", one.code())).collect();
        keys.extend(states.map(|one| key("refused", one.code())));
        keys.extend(reasons.iter().map(|one| key("reason", one.code())));
        keys.extend(missing.iter().map(|one| key("missing", one.code())));
        keys.extend(occasions.iter().map(|one| key("occasion", json!(one).as_str().unwrap())));
        keys.extend(NeedOrigin::ALL.iter().map(|one| key("origin", one.name())));
        let does = ["nothing", "wait_until", "offer", "remind", "ask", "order"];
        keys.extend(does.iter().map(|one| key("does", one)));
        for lang in Lang::ALL {
            let messages = Messages::new(lang);
            let lacking: Vec<_> = keys.iter().filter(|key| !messages.has(key)).collect();
            assert!(lacking.is_empty(), "{lang:?} {lacking:?}");
        }
    }

    #[test]
    fn codes_get_texts_where_they_stand_and_nowhere_else() {
        let answer = json!({
            "chosen": { "reasons": [{ "code": "you_asked", "ours": false }] },
            "candidates": [{ "refused": [{ "code": "cap" }] }],
            "strategy": { "missing": { "code": "share" } },
            "seen": { "reasons": [{ "code": "you_asked" }] },
            "code": "you_asked",
        });
        let told = with_texts(answer, &Messages::new(Lang::En));
        for pointer in ["/chosen/reasons/0/text", "/candidates/0/refused/0/text", "/strategy/missing/text"] {
            let text = told.pointer(pointer).and_then(Value::as_str);
            assert!(text.is_some_and(|text| !text.starts_with("decision-")), "{pointer}: {text:?}");
        }
        assert!(told.pointer("/seen/reasons/0/text").is_none() && told.get("text").is_none());
    }
}
