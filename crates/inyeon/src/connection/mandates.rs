//! Mandates as they are presented and agreed to, and the automatic orders under them.

use model::connection::{
    ActionState, ConnectionCommand, MandateState, MandateTerms, Period, PriceRule, SpendLimit,
};
use model::{EntityId, Money, Quantity, Time};
use runtime::{Fold, FoldError};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::{connection, instant, refusal, shown, wrong};
use crate::decision;
use crate::error::Kind;
use crate::ordering::{Done, Refused, short};

/// What a customer is to delegate: shown to them word for word before they agree.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewMandate {
    pub user_id: String,
    /// Its name; the same name again amends it. Made where none is given.
    #[serde(default)]
    pub mandate_id: Option<String>,
    #[schema(example = "toner")]
    pub category: String,
    /// For this device and slot alone, where they are named.
    #[serde(default)]
    pub device_id: Option<String>,
    #[serde(default)]
    pub slot: Option<String>,
    /// What may be ordered, best first.
    pub items: Vec<String>,
    #[serde(default = "one")]
    #[schema(value_type = f64)]
    pub max_quantity: Quantity,
    /// Who may charge.
    pub payee: String,
    /// One order costs at most so much.
    #[schema(value_type = Object)]
    pub max_each: Money,
    #[serde(default)]
    pub limits: Vec<MandateLimit>,
    #[serde(default)]
    pub price: Option<MandatePrice>,
    /// From now on where nothing is said.
    #[serde(default)]
    #[schema(format = DateTime)]
    pub valid_from: Option<String>,
    #[serde(default)]
    #[schema(format = DateTime)]
    pub valid_to: Option<String>,
    /// It ends by itself when it was not used for so many days.
    #[serde(default)]
    pub dormancy_days: Option<u32>,
    /// The customer hears of an order so long before it is placed, and may call it off until then.
    #[serde(default = "day")]
    pub notice_hours: u32,
    /// IANA name of the zone whose calendar counts; the customer's or ours where none is named.
    #[serde(default)]
    #[schema(example = "Asia/Seoul")]
    pub time_zone: Option<String>,
}

/// What may be spent or ordered in a period: by the calendar, or in so many days back from now.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MandateLimit {
    /// `day`, `week`, `month` or `year`.
    #[serde(default)]
    #[schema(example = "month")]
    pub period: Option<String>,
    #[serde(default)]
    pub rolling_days: Option<u32>,
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    pub amount: Option<Money>,
    #[serde(default)]
    pub orders: Option<u32>,
}

/// Which price of one unit is agreed to.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MandatePrice {
    #[schema(value_type = Object)]
    pub reference: Money,
    pub max_rise_percent: u32,
}

fn one() -> Quantity {
    Quantity::ONE
}

fn day() -> u32 {
    24
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "does", rename_all = "snake_case")]
pub enum MandateStep {
    /// The customer agrees to what they saw: the hash proves what that was.
    Activate {
        agreement: String,
    },
    Pause,
    Resume,
    /// By the company.
    Suspend {
        why: String,
    },
    Revoke,
    /// Order as soon as the mandate allows it.
    Order,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "does", rename_all = "snake_case")]
pub enum ActionStep {
    Cancel,
    Dispute { why: Option<String> },
    Settle { refund: bool },
}

impl MandateLimit {
    fn read(&self) -> Result<SpendLimit, Refused> {
        let period = match (self.period.as_deref(), self.rolling_days) {
            (Some("day"), None) => Period::Day,
            (Some("week"), None) => Period::Week,
            (Some("month"), None) => Period::Month,
            (Some("year"), None) => Period::Year,
            (None, Some(days @ 1..)) => Period::RollingDays(days),
            _ => {
                let why = "limits: name one period, of day, week, month and year, or rolling_days";
                return Err(wrong(why));
            }
        };
        if self.amount.is_none() && self.orders.is_none() {
            return Err(wrong("limits: name an amount, a number of orders, or both"));
        }
        Ok(SpendLimit { period, amount: self.amount, orders: self.orders })
    }
}

impl NewMandate {
    fn terms(&self, mandate_id: &str, valid_from: Time, time_zone: &str) -> Result<MandateTerms, Refused> {
        let at = |field, text: &Option<String>| text.as_deref().map(|text| instant(field, text)).transpose();
        if self.category.is_empty() || self.payee.is_empty() {
            return Err(wrong("category, payee: missing"));
        }
        let price = self.price.as_ref();
        let price = price
            .map(|price| PriceRule { reference: price.reference, max_rise_percent: price.max_rise_percent });
        Ok(MandateTerms {
            mandate_id: mandate_id.to_owned(),
            category: self.category.clone(),
            device_id: short(&self.device_id),
            slot: short(&self.slot),
            items: self.items.clone(),
            max_quantity: self.max_quantity,
            payee: self.payee.clone(),
            max_each: self.max_each,
            limits: self.limits.iter().map(MandateLimit::read).collect::<Result<_, _>>()?,
            price,
            valid_from: at("valid_from", &self.valid_from)?.unwrap_or(valid_from),
            valid_to: at("valid_to", &self.valid_to)?,
            dormancy_days: self.dormancy_days,
            notice_hours: self.notice_hours,
            time_zone: self.time_zone.clone().unwrap_or_else(|| time_zone.to_owned()),
        })
    }
}

const ID_MAX: usize = 128;

fn unknown(mandate_id: &str) -> Refused {
    Refused::new(Kind::NotFound, "no-such-mandate").with("mandate", mandate_id)
}

pub(super) fn present(
    fold: &mut Fold,
    now: Time,
    id: EntityId,
    new: &NewMandate,
    fresh: &str,
) -> Result<Done, FoldError> {
    let mandate_id = new.mandate_id.clone().unwrap_or_else(|| format!("m-{fresh}"));
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    if mandate_id.is_empty() || mandate_id.len() > ID_MAX || !mandate_id.chars().all(plain) {
        return Ok(Err(wrong(&format!("mandate_id: not 1 to {ID_MAX} letters, digits, - and _"))));
    }
    let defaults = fold.entity(id)?.customer().and_then(|known| known.order_defaults.as_deref().cloned());
    let zone = defaults.and_then(|defaults| defaults.time_zone);
    let zone = zone.unwrap_or_else(|| fold.reference().promising.time_zone.clone());
    // What goes on goes on from when it began.
    let before = connection(fold, id)?.mandates.get(&mandate_id).map(|known| known.terms.valid_from);
    let terms = match new.terms(&mandate_id, before.unwrap_or(now), &zone) {
        Ok(terms) => terms,
        Err(refused) => return Ok(Err(refused)),
    };
    let outcomes = fold.connect(id, &ConnectionCommand::PresentMandate(Box::new(terms)), now)?;
    if let Some(refused) = refusal(&outcomes) {
        return Ok(Err(refused));
    }
    told(fold, now, id, &mandate_id)
}

/// The mandate as it is now.
fn told(fold: &mut Fold, now: Time, id: EntityId, mandate_id: &str) -> Result<Done, FoldError> {
    let known = connection(fold, id)?;
    let mandate = known.mandates.get(mandate_id);
    Ok(mandate.map(|mandate| shown::mandate(mandate, now)).ok_or_else(|| unknown(mandate_id)))
}

pub(super) fn step(
    fold: &mut Fold,
    now: Time,
    id: EntityId,
    mandate_id: &str,
    step: &MandateStep,
) -> Result<Done, FoldError> {
    let known = connection(fold, id)?;
    let Some(mandate) = known.mandates.get(mandate_id) else { return Ok(Err(unknown(mandate_id))) };
    // What is so already needs no second word.
    let is_so = match step {
        MandateStep::Pause => mandate.state == MandateState::Paused,
        MandateStep::Resume => mandate.state == MandateState::Active,
        MandateStep::Suspend { .. } => mandate.state == MandateState::Suspended,
        MandateStep::Revoke => mandate.state == MandateState::Revoked,
        MandateStep::Activate { agreement } => {
            mandate.state == MandateState::Active
                && mandate.proposed.is_none()
                && mandate.agreement == *agreement
        }
        MandateStep::Order => false,
    };
    if is_so {
        return Ok(Ok(shown::mandate(mandate, now)));
    }
    let mandate_id = mandate_id.to_owned();
    let name = mandate_id.clone();
    let command = match step {
        MandateStep::Activate { agreement } if agreement.is_empty() => {
            return Ok(Err(wrong("agreement: missing; it is the hash of the terms that were shown")));
        }
        MandateStep::Activate { agreement } => {
            ConnectionCommand::ActivateMandate { mandate_id, agreement: agreement.clone() }
        }
        MandateStep::Pause => ConnectionCommand::PauseMandate { mandate_id },
        MandateStep::Resume => ConnectionCommand::ResumeMandate { mandate_id },
        MandateStep::Suspend { why } => {
            let why = short(&Some(why.clone())).unwrap_or_else(|| "company".to_owned());
            ConnectionCommand::SuspendMandate { mandate_id, why }
        }
        MandateStep::Revoke => ConnectionCommand::RevokeMandate { mandate_id },
        MandateStep::Order => ConnectionCommand::OrderNow { mandate_id },
    };
    let outcomes = fold.connect(id, &command, now)?;
    if let Some(refused) = refusal(&outcomes) {
        return Ok(Err(refused));
    }
    let told = told(fold, now, id, &name)?;
    if !matches!(step, MandateStep::Order) {
        return Ok(told);
    }
    // What became of the wish: the order that is announced, and what was decided.
    let known = connection(fold, id)?;
    let of_mandate = known.actions.values().filter(|record| record.action.mandate_id == name);
    let latest = of_mandate.filter(|record| record.state.is_open()).max_by_key(|record| record.proposed_at);
    let decided = known.decisions.values().max_by_key(|record| record.at);
    Ok(told.map(|mut told| {
        told["action"] = json!(latest.map(shown::action));
        told["decision"] = json!(decided.and_then(|record| decision::told(record, true)));
        told
    }))
}

pub(super) fn act_on(
    fold: &mut Fold,
    now: Time,
    action_id: &str,
    step: &ActionStep,
) -> Result<Done, FoldError> {
    let unknown = || Refused::new(Kind::NotFound, "no-such-action").with("action", action_id);
    let Some(owner) = decision::owner_of(action_id) else { return Ok(Err(unknown())) };
    let owner = fold.head(owner)?;
    let known = connection(fold, owner)?;
    let Some(record) = known.actions.get(action_id) else { return Ok(Err(unknown())) };
    if matches!(step, ActionStep::Cancel) && record.state == ActionState::Cancelled {
        return Ok(Ok(shown::action(record)));
    }
    let action_id = action_id.to_owned();
    let command = match step {
        ActionStep::Cancel => ConnectionCommand::CancelAction { action_id: action_id.clone() },
        ActionStep::Dispute { why } => {
            ConnectionCommand::DisputeAction { action_id: action_id.clone(), why: short(why) }
        }
        ActionStep::Settle { refund } => {
            ConnectionCommand::SettleDispute { action_id: action_id.clone(), refund: *refund }
        }
    };
    let outcomes = fold.connect(owner, &command, now)?;
    if let Some(refused) = refusal(&outcomes) {
        return Ok(Err(refused));
    }
    let known = connection(fold, owner)?;
    Ok(known.actions.get(&action_id).map(shown::action).ok_or_else(unknown))
}
