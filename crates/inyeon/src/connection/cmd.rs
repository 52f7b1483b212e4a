//! `inyeon need`, `inyeon preference`, `inyeon consent`, `inyeon mandate`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use model::connection::{Fallback, Strategy};
use serde_json::Value;

use super::{ConnectionOp, MandateStep, NewConsent, NewMandate, NewNeed, NewPreference};
use crate::cli::read_text;
use crate::decision::amount;
use crate::error::{Failure, Kind};
use crate::i18n::Messages;
use crate::render::{array, heads, or_dash, plain, table};

/// What is asked, and how the answer is shown.
pub type Asked = (ConnectionOp, fn(&Value, &Messages) -> String);

#[derive(Args)]
pub struct NeedArgs {
    #[command(subcommand)]
    what: NeedWhat,
}

#[derive(Subcommand)]
enum NeedWhat {
    State {
        user: String,
        category: String,
        #[arg(long)]
        device: Option<String>,
        #[arg(long)]
        slot: Option<String>,
        #[arg(long)]
        item: Option<String>,
    },
    List {
        user: String,
    },
    Order {
        need: String,
        item: String,
    },
}

#[derive(Args)]
pub struct PreferenceArgs {
    #[command(subcommand)]
    what: PreferenceWhat,
}

#[derive(Subcommand)]
enum PreferenceWhat {
    Set {
        user: String,
        category: String,
        #[arg(value_enum)]
        strategy: Chosen,
        #[arg(long, value_name = "0-3", value_parser = clap::value_parser!(u8).range(0..=3))]
        share: u8,
        #[arg(long)]
        device: Option<String>,
        #[arg(long, value_enum)]
        fallback: Option<Instead>,
        #[arg(long)]
        channel: Option<String>,
        #[arg(long, value_name = "N")]
        cap_per_week: Option<u32>,
    },
    List {
        user: String,
    },
}

#[derive(Clone, Copy, ValueEnum)]
enum Chosen {
    Wait,
    Respond,
    Curate,
    Coach,
    Automate,
}

impl Chosen {
    fn name(self) -> &'static str {
        match self {
            Chosen::Wait => Strategy::Wait,
            Chosen::Respond => Strategy::Respond,
            Chosen::Curate => Strategy::Curate,
            Chosen::Coach => Strategy::Coach,
            Chosen::Automate => Strategy::Automate,
        }
        .name()
    }
}

#[derive(Clone, Copy, ValueEnum)]
enum Instead {
    AskOnce,
    Wait,
    Respond,
    Curate,
}

impl Instead {
    fn name(self) -> &'static str {
        match self {
            Instead::AskOnce => Fallback::AskOnce,
            Instead::Wait => Fallback::Wait,
            Instead::Respond => Fallback::Respond,
            Instead::Curate => Fallback::Curate,
        }
        .name()
    }
}

#[derive(Args)]
pub struct ConsentArgs {
    #[command(subcommand)]
    what: ConsentWhat,
}

#[derive(Subcommand)]
enum ConsentWhat {
    Give {
        user: String,
        purpose: String,
        #[arg(long)]
        notice: Option<String>,
        #[arg(long)]
        jurisdiction: Option<String>,
    },
    Withdraw {
        user: String,
        purpose: String,
    },
    List {
        user: String,
    },
}

#[derive(Args)]
pub struct MandateArgs {
    #[command(subcommand)]
    what: MandateWhat,
}

#[derive(Subcommand)]
enum MandateWhat {
    Present {
        file: PathBuf,
    },
    Activate {
        user: String,
        id: String,
        #[arg(long, value_name = "HASH")]
        agreement: String,
    },
    Pause {
        user: String,
        id: String,
    },
    Resume {
        user: String,
        id: String,
    },
    Revoke {
        user: String,
        id: String,
    },
    List {
        user: String,
    },
}

impl NeedArgs {
    pub fn asked(self) -> Asked {
        match self.what {
            NeedWhat::State { user, category, device, slot, item } => {
                let need = NewNeed {
                    user_id: user,
                    category,
                    device_id: device,
                    slot,
                    item_id: item,
                    arose_at: None,
                };
                (ConnectionOp::StateNeed(need), stated)
            }
            NeedWhat::List { user } => (ConnectionOp::Show { user_id: user }, needs),
            NeedWhat::Order { need, item } => {
                (ConnectionOp::OrderNeed { need_id: need, item_id: item }, crate::ordering::cmd::order)
            }
        }
    }
}

impl PreferenceArgs {
    pub fn asked(self) -> Asked {
        match self.what {
            PreferenceWhat::Set {
                user,
                category,
                strategy,
                share,
                device,
                fallback,
                channel,
                cap_per_week,
            } => {
                let preference = NewPreference {
                    category,
                    device_id: device,
                    strategy: strategy.name().to_owned(),
                    fallback: fallback.map(|fallback| fallback.name().to_owned()),
                    share,
                    channel,
                    cap_per_week,
                };
                (ConnectionOp::SetPreference { user_id: user, preference }, preference_set)
            }
            PreferenceWhat::List { user } => (ConnectionOp::Show { user_id: user }, preferences),
        }
    }
}

impl ConsentArgs {
    pub fn asked(self) -> Asked {
        let say = |user_id, purpose, given, notice, jurisdiction| {
            let consent = NewConsent { given, notice, jurisdiction };
            let render: fn(&Value, &Messages) -> String = consent_set;
            (ConnectionOp::SetConsent { user_id, purpose, consent }, render)
        };
        match self.what {
            ConsentWhat::Give { user, purpose, notice, jurisdiction } => {
                say(user, purpose, true, notice, jurisdiction)
            }
            ConsentWhat::Withdraw { user, purpose } => say(user, purpose, false, None, None),
            ConsentWhat::List { user } => (ConnectionOp::Show { user_id: user }, consents),
        }
    }
}

impl MandateArgs {
    pub fn asked(self) -> Result<Asked, Failure> {
        let of = |user_id, mandate_id, step| {
            let render: fn(&Value, &Messages) -> String = mandate;
            (ConnectionOp::Mandate { user_id, mandate_id, step }, render)
        };
        Ok(match self.what {
            MandateWhat::Present { file } => {
                let new: NewMandate = serde_saphyr::from_str(&read_text(&file)?).map_err(|error| {
                    let detail = error.without_snippet().to_string();
                    let failure = Failure::new(Kind::Usage, "mandate-unreadable");
                    failure.with("path", file.display()).with("detail", detail)
                })?;
                (ConnectionOp::PresentMandate(new), presented)
            }
            MandateWhat::Activate { user, id, agreement } => {
                of(user, id, MandateStep::Activate { agreement })
            }
            MandateWhat::Pause { user, id } => of(user, id, MandateStep::Pause),
            MandateWhat::Resume { user, id } => of(user, id, MandateStep::Resume),
            MandateWhat::Revoke { user, id } => of(user, id, MandateStep::Revoke),
            MandateWhat::List { user } => (ConnectionOp::Show { user_id: user }, mandates),
        })
    }
}

// ---- for people ---------------------------------------------------------------------------------------------------

fn rows_of(
    answer: &Value,
    name: &str,
    columns: &[&str],
    messages: &Messages,
    row: impl Fn(&Value) -> Vec<String>,
) -> String {
    let rows: Vec<Vec<String>> = array(&answer[name]).iter().map(row).collect();
    if rows.is_empty() {
        return messages.get(&format!("connection-no-{name}"));
    }
    table(&heads(messages, columns), &rows)
}

/// A code with its text.
fn code(kind: &str, value: &Value, messages: &Messages) -> String {
    match value["code"].as_str() {
        Some(code) => messages.get(&format!("decision-{kind}-{}", code.replace('_', "-"))),
        None => "-".to_owned(),
    }
}

fn stated(answer: &Value, messages: &Messages) -> String {
    let values = [("need", plain(&answer["need_id"])), ("decision", or_dash(&answer["decision_id"]))];
    if answer["order_id"].is_string() {
        return messages.with("need-under-way", &[values[0].clone(), ("order", plain(&answer["order_id"]))]);
    }
    let mut out = messages.with("need-answered", &values);
    let row = |offer: &Value| {
        let why: Vec<String> =
            array(&offer["reasons"]).iter().map(|why| code("reason", why, messages)).collect();
        vec![
            plain(&offer["item_id"]),
            or_dash(&offer["name"]),
            amount(&offer["price"]),
            or_dash(&offer["due"]),
            offer["probability"].as_f64().map_or_else(|| "-".to_owned(), |p| format!("{:.0} %", p * 100.0)),
            why.join(" "),
        ]
    };
    let offers: Vec<Vec<String>> = array(&answer["offers"]).iter().map(row).collect();
    if !offers.is_empty() {
        let columns = ["item", "name", "price", "due", "probability", "because"];
        out.push_str(&format!("\n\n{}", table(&heads(messages, &columns), &offers)));
        return out;
    }
    for refused in array(&answer["refused"]) {
        out.push_str(&format!("\n{}", code("refused", refused, messages)));
    }
    out
}

fn needs(answer: &Value, messages: &Messages) -> String {
    let columns = ["need", "category", "state", "since", "strategy", "order", "decision"];
    rows_of(answer, "needs", &columns, messages, |need| {
        vec![
            plain(&need["need_id"]),
            plain(&need["category"]),
            plain(&need["stage"]),
            plain(&need["known_at"]),
            messages.get(&format!("strategy-{}", plain(&need["strategy"]))),
            or_dash(&need["order_id"]),
            or_dash(&need["decision_id"]),
        ]
    })
}

const PREFERENCE: [&str; 7] = ["category", "device", "strategy", "followed", "because", "shared", "channel"];

fn preference_row(preference: &Value, messages: &Messages) -> Vec<String> {
    let followed = &preference["followed"];
    vec![
        plain(&preference["category"]),
        or_dash(&preference["device_id"]),
        messages.get(&format!("strategy-{}", plain(&preference["strategy"]))),
        if followed.is_null() {
            "-".to_owned()
        } else {
            messages.get(&format!("strategy-{}", plain(followed)))
        },
        code("missing", &preference["missing"], messages),
        messages.get(&format!("share-{}", plain(&preference["shared"]))),
        or_dash(&preference["channel"]),
    ]
}

fn preference_set(answer: &Value, messages: &Messages) -> String {
    table(&heads(messages, &PREFERENCE), &[preference_row(answer, messages)])
}

fn preferences(answer: &Value, messages: &Messages) -> String {
    rows_of(answer, "preferences", &PREFERENCE, messages, |row| preference_row(row, messages))
}

const CONSENT: [&str; 5] = ["purpose", "given", "at", "notice", "jurisdiction"];

fn consent_row(consent: &Value, messages: &Messages) -> Vec<String> {
    let given = if consent["given"] == true { "word-yes" } else { "word-no" };
    vec![
        plain(&consent["purpose"]),
        messages.get(given),
        plain(&consent["at"]),
        or_dash(&consent["notice"]),
        or_dash(&consent["jurisdiction"]),
    ]
}

fn consent_set(answer: &Value, messages: &Messages) -> String {
    table(&heads(messages, &CONSENT), &[consent_row(answer, messages)])
}

fn consents(answer: &Value, messages: &Messages) -> String {
    rows_of(answer, "consents", &CONSENT, messages, |row| consent_row(row, messages))
}

const MANDATE: [&str; 7] = ["mandate", "category", "state", "items", "max-each", "limits", "until"];

fn mandate_row(mandate: &Value, messages: &Messages) -> Vec<String> {
    let terms = &mandate["terms"];
    let items: Vec<String> = array(&terms["items"]).iter().map(plain).collect();
    let limit = |limit: &Value| {
        let period = match limit["rolling_days"].as_u64() {
            Some(days) => messages.with("period-rolling", &[("days", days.to_string())]),
            None => messages.get(&format!("period-{}", plain(&limit["period"]))),
        };
        let orders = limit["orders"].as_u64().map(|orders| format!("×{orders}"));
        let amount = (!limit["amount"].is_null()).then(|| amount(&limit["amount"]));
        let most: Vec<String> = amount.into_iter().chain(orders).collect();
        format!("{period}: {}", most.join(" "))
    };
    let limits: Vec<String> = array(&terms["limits"]).iter().map(limit).collect();
    vec![
        plain(&mandate["mandate_id"]),
        plain(&terms["category"]),
        messages.get(&format!("mandate-{}", plain(&mandate["state"]))),
        items.join(", "),
        amount(&terms["max_each"]),
        limits.join("; "),
        or_dash(&terms["valid_to"]),
    ]
}

fn mandate(answer: &Value, messages: &Messages) -> String {
    table(&heads(messages, &MANDATE), &[mandate_row(answer, messages)])
}

fn presented(answer: &Value, messages: &Messages) -> String {
    let proposed = &answer["proposed"];
    let agreement = if proposed.is_null() { &answer["agreement"] } else { &proposed["agreement"] };
    let values = [("mandate", plain(&answer["mandate_id"])), ("agreement", plain(agreement))];
    let key = match proposed.is_null() && answer["state"] != "presented" {
        true => "mandate-narrowed",
        false => "mandate-presented-next",
    };
    format!("{}\n{}", mandate(answer, messages), messages.with(key, &values))
}

fn mandates(answer: &Value, messages: &Messages) -> String {
    rows_of(answer, "mandates", &MANDATE, messages, |row| mandate_row(row, messages))
}

#[cfg(test)]
mod tests {
    use model::connection::MandateState;

    use super::*;
    use crate::i18n::Lang;

    #[test]
    fn what_is_shown_has_its_words_in_both_languages() {
        for lang in Lang::ALL {
            let messages = Messages::new(lang);
            for state in MandateState::ALL {
                assert!(messages.has(&format!("mandate-{}", state.name())), "{lang:?} {}", state.name());
            }
            for strategy in Strategy::ALL {
                assert!(messages.has(&format!("strategy-{}", strategy.name())), "{lang:?}");
            }
            for name in ["needs", "preferences", "consents", "mandates"] {
                assert!(messages.has(&format!("connection-no-{name}")), "{lang:?} {name}");
            }
            for period in ["day", "week", "month", "year", "rolling"] {
                assert!(messages.has(&format!("period-{period}")), "{lang:?} {period}");
            }
        }
    }
}
