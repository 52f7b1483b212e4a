//! The tie between a customer and the company, for shops and people: needs, preferences, consents, mandates and the
//! orders under them.

pub mod cmd;
mod mandates;
pub mod report;
mod shown;

use engine::connection::Barriers;
use model::connection::{ConnectionCommand, Consent, Fallback, Preference, SHARE_MAX, Strategy, Subject};
use model::{EntityId, Outcome, Time};
use runtime::{Fold, FoldError, Node};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

pub use self::mandates::{ActionStep, MandateLimit, MandatePrice, MandateStep, NewMandate};

use crate::decision;
use crate::error::{Failure, Kind};
use crate::ordering::{self, Done, Refused, customer, short};

/// What is asked of a customer's side of the tie.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "connection", rename_all = "snake_case")]
pub enum ConnectionOp {
    StateNeed(NewNeed),
    OrderNeed { need_id: String, item_id: String },
    Show { user_id: String },
    SetPreference { user_id: String, preference: NewPreference },
    SetConsent { user_id: String, purpose: String, consent: NewConsent },
    PresentMandate(NewMandate),
    Mandate { user_id: String, mandate_id: String, step: MandateStep },
    Action { action_id: String, step: ActionStep },
    Snooze { user_id: String, snooze: NewSnooze },
}

/// What somebody needs.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewNeed {
    pub user_id: String,
    /// Which playbook answers it.
    #[schema(example = "toner")]
    pub category: String,
    /// Whose it is about, where there is more than one.
    #[serde(default)]
    pub device_id: Option<String>,
    #[serde(default)]
    pub slot: Option<String>,
    /// What is asked for by name.
    #[serde(default)]
    pub item_id: Option<String>,
    /// Since when it is felt, where that was before now.
    #[serde(default)]
    #[schema(format = DateTime)]
    pub arose_at: Option<String>,
}

/// One cell of what a customer sets: for a category of needs, and for one device where it is named.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewPreference {
    #[schema(example = "toner")]
    pub category: String,
    #[serde(default)]
    pub device_id: Option<String>,
    /// `wait`, `respond`, `curate`, `coach` or `automate`.
    #[schema(example = "curate")]
    pub strategy: String,
    /// What is done where the strategy cannot be followed: `ask_once`, `wait`, `respond` or `curate`.
    #[serde(default)]
    pub fallback: Option<String>,
    /// What may be used: 0 transactions only, 1 and own history, 2 and device readings, 3 and context.
    pub share: u8,
    /// Where the company may speak: `email`, `inbox`, or the name of a connected system.
    #[serde(default)]
    pub channel: Option<String>,
    /// Messages in seven days at most, where the customer wants fewer than the playbook allows.
    #[serde(default)]
    pub cap_per_week: Option<u32>,
}

#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewConsent {
    pub given: bool,
    /// Which text they saw.
    #[serde(default)]
    pub notice: Option<String>,
    #[serde(default)]
    #[schema(example = "KR")]
    pub jurisdiction: Option<String>,
}

/// Nothing is said unasked about a category for a while; for seven days where nothing is named.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewSnooze {
    pub category: String,
    /// Until then.
    #[serde(default)]
    #[schema(format = DateTime)]
    pub until: Option<String>,
    /// For so many days.
    #[serde(default)]
    pub days: Option<u32>,
}

const SNOOZE_DAYS: u32 = 7;
const SNOOZE_DAYS_MAX: u32 = 366;
const DAY_MICROS: i64 = 86_400_000_000;

/// Runs an operation where the store is.
pub fn run(node: &Node, op: ConnectionOp) -> Result<Value, Failure> {
    node.drain()?;
    let fresh = ordering::fresh_id();
    Ok(node.act_and_wait(move |fold, now| act(fold, now, &op, &fresh))??)
}

/// Works on the fold; what it gives is to be told once it is durable.
pub fn act(fold: &mut Fold, now: Time, op: &ConnectionOp, fresh: &str) -> Result<Done, FoldError> {
    match op {
        ConnectionOp::StateNeed(need) => state_need(fold, now, need),
        ConnectionOp::OrderNeed { need_id, item_id } => order_need(fold, now, need_id, item_id, fresh),
        ConnectionOp::Show { user_id } => {
            with_customer(fold, user_id, |fold, id| show(fold, id, user_id, now))
        }
        ConnectionOp::SetPreference { user_id, preference } => {
            with_customer(fold, user_id, |fold, id| set_preference(fold, now, id, preference))
        }
        ConnectionOp::SetConsent { user_id, purpose, consent } => {
            with_customer(fold, user_id, |fold, id| set_consent(fold, now, id, purpose, consent))
        }
        ConnectionOp::PresentMandate(new) => {
            with_customer(fold, &new.user_id, |fold, id| mandates::present(fold, now, id, new, fresh))
        }
        ConnectionOp::Mandate { user_id, mandate_id, step } => {
            with_customer(fold, user_id, |fold, id| mandates::step(fold, now, id, mandate_id, step))
        }
        ConnectionOp::Action { action_id, step } => mandates::act_on(fold, now, action_id, step),
        ConnectionOp::Snooze { user_id, snooze: new } => {
            with_customer(fold, user_id, |fold, id| snooze(fold, now, id, new))
        }
    }
}

fn with_customer(
    fold: &mut Fold,
    user_id: &str,
    work: impl FnOnce(&mut Fold, EntityId) -> Result<Done, FoldError>,
) -> Result<Done, FoldError> {
    match customer(fold, user_id)? {
        Ok(id) => work(fold, id),
        Err(refused) => Ok(Err(refused)),
    }
}

fn wrong(reason: &str) -> Refused {
    Refused::new(Kind::Usage, "refused").with("reason", reason)
}

fn instant(field: &str, text: &str) -> Result<Time, Refused> {
    let why = || wrong(&format!("{field}: `{text}` is not a time such as 2026-03-04T09:30:00+09:00"));
    Time::parse(text).ok_or_else(why)
}

/// A command that moved nothing says why.
fn refusal(outcomes: &[Outcome]) -> Option<Refused> {
    if outcomes.iter().any(|outcome| matches!(outcome, Outcome::Fact(_))) {
        return None;
    }
    outcomes.iter().find_map(|outcome| match outcome {
        Outcome::Ignored { reason } => Some(Refused::new(Kind::Conflict, "refused").with("reason", reason)),
        _ => None,
    })
}

fn connection(fold: &mut Fold, id: EntityId) -> Result<engine::Connection, FoldError> {
    let head = fold.head(id)?;
    Ok(fold.entity(head)?.customer().map(|known| (*known.connection).clone()).unwrap_or_default())
}

/// What stands against automatic orders for a customer.
fn barriers(fold: &mut Fold, id: EntityId) -> Result<Barriers, FoldError> {
    let head = fold.head(id)?;
    let rules = fold.reference().promising.orders.clone();
    let defaults = fold.entity(head)?.customer().and_then(|known| known.order_defaults.as_deref());
    Ok(Barriers::of(defaults, &rules, false))
}

fn state_need(fold: &mut Fold, now: Time, need: &NewNeed) -> Result<Done, FoldError> {
    let arose_at = match need.arose_at.as_deref().map(|text| instant("arose_at", text)).transpose() {
        Ok(arose_at) => arose_at,
        Err(refused) => return Ok(Err(refused)),
    };
    let unanswered = || Refused::new(Kind::NotFound, "no-playbook-for").with("category", &need.category);
    if fold.reference().playbooks.of_category(&need.category).is_none() {
        return Ok(Err(unanswered()));
    }
    with_customer(fold, &need.user_id, |fold, id| {
        let subject = Subject {
            device_id: short(&need.device_id),
            slot: short(&need.slot),
            item_id: short(&need.item_id),
        };
        let Some(stated) = fold.state_need(id, &need.category, subject, arose_at, now)? else {
            return Ok(Err(unanswered()));
        };
        let known = connection(fold, id)?;
        Ok(Ok(shown::stated(&stated, known.needs.get(&stated.need_id))))
    })
}

fn order_need(
    fold: &mut Fold,
    now: Time,
    need_id: &str,
    item_id: &str,
    fresh: &str,
) -> Result<Done, FoldError> {
    let owner = match decision::owner_of(need_id) {
        Some(owner) => Some(fold.head(owner)?),
        None => None,
    };
    let known = match owner {
        Some(owner) => connection(fold, owner)?.needs.contains_key(need_id),
        None => false,
    };
    let Some(owner) = owner.filter(|_| known) else {
        return Ok(Err(Refused::new(Kind::NotFound, "no-such-need").with("need", need_id)));
    };
    if item_id.is_empty() {
        return Ok(Err(wrong("item_id: missing")));
    }
    let ordered = fold.choose_offer(owner, need_id, item_id, &format!("o-{fresh}"), now)?;
    Ok(ordering::ordered(fold, now, &owner.to_string(), ordered)?.map(|mut order| {
        order["need_id"] = json!(need_id);
        order
    }))
}

fn show(fold: &mut Fold, id: EntityId, user_id: &str, now: Time) -> Result<Done, FoldError> {
    let (known, barriers) = (connection(fold, id)?, barriers(fold, id)?);
    Ok(Ok(shown::connection(&known, fold.reference(), barriers, user_id, now)))
}

impl NewPreference {
    fn read(&self, now: Time) -> Result<Preference, Refused> {
        let none_of =
            |names: &[&str], given: &str| wrong(&format!("`{given}` is none of {}", names.join(", ")));
        let strategy = Strategy::from_name(&self.strategy)
            .ok_or_else(|| none_of(&Strategy::ALL.map(Strategy::name), &self.strategy))?;
        let fallback = match &self.fallback {
            None => Fallback::of(strategy),
            Some(name) => {
                Fallback::from_name(name).ok_or_else(|| none_of(&Fallback::ALL.map(Fallback::name), name))?
            }
        };
        if self.share > SHARE_MAX {
            return Err(wrong(&format!("share: {} is not 0 to {SHARE_MAX}", self.share)));
        }
        if self.category.is_empty() {
            return Err(wrong("category: missing"));
        }
        Ok(Preference {
            category: self.category.clone(),
            device_id: short(&self.device_id),
            strategy,
            fallback,
            share: self.share,
            channel: short(&self.channel),
            cap_per_week: self.cap_per_week,
            version: 0,
            at: now,
        })
    }
}

fn set_preference(fold: &mut Fold, now: Time, id: EntityId, new: &NewPreference) -> Result<Done, FoldError> {
    let wished = match new.read(now) {
        Ok(wished) => wished,
        Err(refused) => return Ok(Err(refused)),
    };
    let outcomes = fold.connect(id, &ConnectionCommand::SetPreference(wished.clone()), now)?;
    let (known, barriers) = (connection(fold, id)?, barriers(fold, id)?);
    // What was set so already is set, too.
    let is_it =
        |set: &&Preference| **set == Preference { version: set.version, at: set.at, ..wished.clone() };
    Ok(match known.preferences.iter().find(is_it) {
        Some(set) => Ok(shown::preference(&known, fold.reference(), barriers, set)),
        None => Err(refusal(&outcomes).unwrap_or_else(|| wrong("it could not be set"))),
    })
}

fn set_consent(
    fold: &mut Fold,
    now: Time,
    id: EntityId,
    purpose: &str,
    new: &NewConsent,
) -> Result<Done, FoldError> {
    if purpose.is_empty() || purpose.len() > 256 {
        return Ok(Err(wrong("purpose: missing, or longer than 256 bytes")));
    }
    let consent = Consent {
        purpose: purpose.to_owned(),
        given: new.given,
        at: now,
        notice: short(&new.notice),
        jurisdiction: short(&new.jurisdiction),
    };
    let outcomes = fold.connect(id, &ConnectionCommand::SetConsent(consent), now)?;
    let known = connection(fold, id)?;
    Ok(match known.consents.get(purpose).filter(|known| known.given == new.given) {
        Some(consent) => Ok(shown::consent(consent)),
        None => Err(refusal(&outcomes).unwrap_or_else(|| wrong("it could not be set"))),
    })
}

fn snooze(fold: &mut Fold, now: Time, id: EntityId, new: &NewSnooze) -> Result<Done, FoldError> {
    let until = match (&new.until, new.days) {
        (Some(_), Some(_)) => return Ok(Err(wrong("`until` and `days` are two; name one"))),
        (Some(text), None) => match instant("until", text) {
            Ok(until) => until,
            Err(refused) => return Ok(Err(refused)),
        },
        (None, days) => now.plus_micros(i64::from(days.unwrap_or(SNOOZE_DAYS)) * DAY_MICROS),
    };
    if new.category.is_empty() {
        return Ok(Err(wrong("category: missing")));
    }
    if until <= now || until > now.plus_micros(i64::from(SNOOZE_DAYS_MAX) * DAY_MICROS) {
        return Ok(Err(wrong(&format!("until: not within the next {SNOOZE_DAYS_MAX} days"))));
    }
    let category = new.category.clone();
    fold.connect(id, &ConnectionCommand::Snooze { category: category.clone(), until }, now)?;
    Ok(Ok(json!({ "category": category, "until": until.to_string() })))
}
