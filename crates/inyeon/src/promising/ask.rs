//! What is asked of promising, as it is written in JSON, and what is wrong with it by the name of the field.

use engine::promising::{Inquiry, WantedLine};
use model::time::{last_instant_of, zone};
use model::{Currency, Identifier, Money, Quantity};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::shape::Amount;
use crate::i18n::Messages;

/// What somebody wants. The last four members are of a quote only.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Wanted {
    pub lines: Vec<Line>,
    /// Where it is to go; the lanes of the rules say which places reach it.
    #[serde(default)]
    #[schema(example = "KR-11")]
    pub to: String,
    /// The allocation class that asks.
    #[serde(default)]
    pub class: String,
    /// Lower is served first where supply falls short later.
    #[serde(default)]
    pub priority: u32,
    /// By when it is wanted: an RFC 3339 instant, or a date in `time_zone`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wanted: Option<String>,
    /// All of it from one place.
    #[serde(default)]
    pub together: bool,
    /// What there is, where there is not all of it.
    #[serde(default)]
    pub partial: bool,
    /// The delivery service; any where none is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// IANA name of the zone in which the customer reads dates; the rules' where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
    /// The probability with which the promise is to be kept, where it is not the rules'.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<f64>,
    /// For whom a quote holds it; one of these two. Who is not known yet is by the quote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub anonymous_id: Option<String>,
    /// Asked for again by the same id, it is held once and answered alike. Made where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quote_id: Option<String>,
    /// Minutes for which it is held, where they are not the rules'; 1 to 43,200.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold_minutes: Option<u32>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Line {
    #[schema(example = "T1")]
    pub item_id: String,
    /// In units of the item, to the thousandth; 1 where there is none.
    #[serde(default = "one")]
    #[schema(value_type = f64, example = 2)]
    pub quantity: Quantity,
    /// For one unit, where it is not the catalogue's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Amount>,
}

fn one() -> Quantity {
    Quantity::ONE
}

/// Turning a quote into an order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Confirm {
    pub quote_id: String,
    /// The order's number; `order-` and the quote's id where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order_id: Option<String>,
}

/// Letting go of a quote.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Release {
    pub quote_id: String,
}

/// A field that cannot be meant as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadField {
    pub field: String,
    /// The key of `promise-field-…` in the catalogues.
    pub why: &'static str,
    pub detail: String,
}

impl BadField {
    pub fn text(&self, messages: &Messages) -> String {
        let values = [("field", self.field.clone()), ("detail", self.detail.clone())];
        messages.with(&format!("promise-field-{}", self.why), &values)
    }
}

fn bad(field: impl Into<String>, why: &'static str, detail: impl Into<String>) -> BadField {
    BadField { field: field.into(), why, detail: detail.into() }
}

/// For whom something is held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Who {
    User(String),
    Anonymous(String),
}

impl Who {
    pub fn identifier(&self) -> Identifier<'_> {
        match self {
            Who::User(id) => Identifier::User(id),
            Who::Anonymous(id) => Identifier::Anonymous(id),
        }
    }

    pub fn field(&self) -> &'static str {
        match self {
            Who::User(_) => "user_id",
            Who::Anonymous(_) => "anonymous_id",
        }
    }

    /// The event by which whoever is not known yet becomes known.
    pub fn identify(&self) -> String {
        let (member, id) = match self {
            Who::User(id) => ("userId", id),
            Who::Anonymous(id) => ("anonymousId", id),
        };
        serde_json::json!({ "type": "identify", member: id, "context": { "channel": "promise" } }).to_string()
    }
}

/// A sound request; a date is read once the rules' zone is known.
#[derive(Clone, Debug)]
pub struct Checked {
    inquiry: Inquiry,
    wanted: Option<String>,
}

impl Checked {
    /// The request, its dates read in its own zone or the rules'.
    pub fn inquiry(&self, rules_zone: &str) -> Inquiry {
        let mut inquiry = self.inquiry.clone();
        let zone = inquiry.time_zone.as_deref().unwrap_or(rules_zone);
        inquiry.wanted = self.wanted.as_deref().and_then(|wanted| last_instant_of(wanted, zone).ok());
        inquiry
    }
}

const LINES_MAX: usize = 1_000;
const NAME_MAX: usize = 200;
const HOLD_MINUTES_MAX: u32 = 43_200;

impl Wanted {
    /// What is asked of an inquiry; the members of a quote are not among it.
    pub fn inquire(&self) -> Result<Checked, BadField> {
        let of_quote = [
            ("user_id", self.user_id.is_some()),
            ("anonymous_id", self.anonymous_id.is_some()),
            ("quote_id", self.quote_id.is_some()),
            ("hold_minutes", self.hold_minutes.is_some()),
        ];
        match of_quote.into_iter().find(|(_, given)| *given) {
            Some((field, _)) => Err(bad(field, "quote-only", "")),
            None => self.check(),
        }
    }

    /// What is asked of a quote, and for whom.
    pub fn quote(&self) -> Result<(Checked, Who), BadField> {
        let who = match (&self.user_id, &self.anonymous_id) {
            (Some(user), None) => Who::User(user.clone()),
            (None, Some(device)) => Who::Anonymous(device.clone()),
            (Some(_), Some(_)) => return Err(bad("anonymous_id", "one-of-two", "")),
            (None, None) => return Err(bad("user_id", "missing", "")),
        };
        name(who.field(), who.identifier().value())?;
        if let Some(id) = &self.quote_id {
            quote_name(id)?;
        }
        if let Some(minutes) = self.hold_minutes
            && !(1..=HOLD_MINUTES_MAX).contains(&minutes)
        {
            return Err(bad("hold_minutes", "range", format!("1 … {HOLD_MINUTES_MAX}")));
        }
        Ok((self.check()?, who))
    }

    fn check(&self) -> Result<Checked, BadField> {
        if self.lines.is_empty() {
            return Err(bad("lines", "missing", ""));
        }
        if self.lines.len() > LINES_MAX {
            return Err(bad("lines", "too-many", LINES_MAX.to_string()));
        }
        let lines = self.lines.iter().enumerate().map(|(at, line)| line.check(at));
        let lines = lines.collect::<Result<Vec<_>, _>>()?;
        for (field, text) in
            [("to", Some(&self.to)), ("class", Some(&self.class)), ("service", self.service.as_ref())]
        {
            if let Some(text) = text.filter(|text| !text.is_empty()) {
                name(field, text)?;
            }
        }
        if let Some(named) = &self.time_zone {
            zone(named).map_err(|error| bad("time_zone", "unreadable", error.to_string()))?;
        }
        if let Some(wanted) = &self.wanted {
            let zone = self.time_zone.as_deref().unwrap_or("UTC");
            last_instant_of(wanted, zone).map_err(|error| bad("wanted", "unreadable", error.to_string()))?;
        }
        if self.target.is_some_and(|target| !(target > 0.0 && target < 1.0)) {
            return Err(bad("target", "range", "0 < target < 1"));
        }
        let inquiry = Inquiry {
            lines,
            to: self.to.clone(),
            class: self.class.clone(),
            priority: self.priority,
            wanted: None,
            together: self.together,
            partial: self.partial,
            service: self.service.clone(),
            time_zone: self.time_zone.clone(),
            target: self.target,
        };
        Ok(Checked { inquiry, wanted: self.wanted.clone() })
    }
}

impl Line {
    fn check(&self, at: usize) -> Result<WantedLine, BadField> {
        name(&format!("lines[{at}].item_id"), &self.item_id)?;
        if !self.quantity.is_positive() || self.quantity > Quantity::units(1_000_000_000) {
            return Err(bad(format!("lines[{at}].quantity"), "range", "0.001 … 10^9"));
        }
        let price = match &self.price {
            None => None,
            Some(price) => {
                let field = |name: &str| format!("lines[{at}].price.{name}");
                let currency = Currency::new(&price.currency)
                    .ok_or_else(|| bad(field("currency"), "unreadable", "ISO 4217: three capitals"))?;
                let money = Money::parse(&price.amount, currency)
                    .map_err(|error| bad(field("amount"), "unreadable", error.to_string()))?;
                if money.minor < 0 {
                    return Err(bad(field("amount"), "range", "≥ 0"));
                }
                Some(money)
            }
        };
        Ok(WantedLine { item_id: self.item_id.clone(), quantity: self.quantity, price })
    }
}

impl Confirm {
    /// The quote's id and the order's number.
    pub fn check(&self) -> Result<(String, String), BadField> {
        quote_name(&self.quote_id)?;
        let order = match &self.order_id {
            Some(order) => order.clone(),
            None => format!("order-{}", self.quote_id),
        };
        name("order_id", &order)?;
        Ok((self.quote_id.clone(), order))
    }
}

impl Release {
    pub fn check(&self) -> Result<String, BadField> {
        quote_name(&self.quote_id)?;
        Ok(self.quote_id.clone())
    }
}

/// Promises that are told by events have ids of that beginning.
const OF_EVENTS: &str = "order:";

fn quote_name(id: &str) -> Result<(), BadField> {
    name("quote_id", id)?;
    match id.starts_with(OF_EVENTS) {
        true => Err(bad("quote_id", "unreadable", format!("begins with `{OF_EVENTS}`"))),
        false => Ok(()),
    }
}

fn name(field: &str, text: &str) -> Result<(), BadField> {
    if text.trim().is_empty() {
        return Err(bad(field, "missing", ""));
    }
    if text.len() > NAME_MAX {
        return Err(bad(field, "range", format!("1 … {NAME_MAX} bytes")));
    }
    if text.contains(char::is_control) {
        return Err(bad(field, "unreadable", "control characters"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(json: &str) -> Wanted {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn what_is_wrong_is_named() {
        let check = |json: &str, field: &str| {
            assert_eq!(wanted(json).inquire().unwrap_err().field, field, "{json}");
        };
        check(r#"{"lines":[]}"#, "lines");
        check(r#"{"lines":[{"item_id":""}]}"#, "lines[0].item_id");
        check(r#"{"lines":[{"item_id":"a"},{"item_id":"b","quantity":0}]}"#, "lines[1].quantity");
        let price = r#"{"lines":[{"item_id":"a","price":{"amount":"1.5","currency":"KRW"}}]}"#;
        check(price, "lines[0].price.amount");
        check(r#"{"lines":[{"item_id":"a"}],"wanted":"soon"}"#, "wanted");
        check(r#"{"lines":[{"item_id":"a"}],"time_zone":"Mars"}"#, "time_zone");
        check(r#"{"lines":[{"item_id":"a"}],"target":1}"#, "target");
        check(r#"{"lines":[{"item_id":"a"}],"user_id":"u"}"#, "user_id");
        let quote = |json: &str| wanted(json).quote().unwrap_err().field;
        assert_eq!(quote(r#"{"lines":[{"item_id":"a"}]}"#), "user_id");
        assert_eq!(quote(r#"{"lines":[{"item_id":"a"}],"user_id":"u","quote_id":"order:1"}"#), "quote_id");
        assert_eq!(quote(r#"{"lines":[{"item_id":"a"}],"user_id":"u","hold_minutes":0}"#), "hold_minutes");
    }

    #[test]
    fn a_date_is_read_in_the_zone_of_the_customer_or_the_rules() {
        let asked = wanted(r#"{"lines":[{"item_id":"a"}],"wanted":"2026-03-05"}"#).inquire().unwrap();
        let at = |zone| asked.inquiry(zone).wanted.unwrap().to_string();
        assert_eq!(at("Asia/Seoul"), "2026-03-05T14:59:59.999999Z");
        assert_eq!(at("UTC"), "2026-03-05T23:59:59.999999Z");
        let own = r#"{"lines":[{"item_id":"a"}],"wanted":"2026-03-05","time_zone":"Asia/Seoul"}"#;
        let own = wanted(own).inquire().unwrap().inquiry("UTC");
        assert_eq!(own.wanted.unwrap().to_string(), "2026-03-05T14:59:59.999999Z");
    }
}
