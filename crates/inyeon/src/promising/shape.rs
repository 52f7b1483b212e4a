//! What promising answers, as it is written in JSON, and in which words people read it.

use engine::QuoteRecord;
use engine::promising::{Answer, Binding, Offer};
use jiff::civil::{Date, Weekday};
use model::quote::QuoteStage;
use model::time::{end_of_day, zone_or_utc};
use model::{Money, Parcel, Quantity, Time};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::i18n::{Lang, Messages};

/// What can be promised, or what is held.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Answered {
    /// Whether it can be promised, or is.
    pub feasible: bool,
    /// For people, in the language of `Accept-Language` (en or ko).
    pub message: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quote_id: Option<String>,
    /// Where the quote is: `held`, `placed`, `released` …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "held")]
    pub stage: Option<QuoteStage>,
    /// Until when it is held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order_id: Option<String>,
    /// The last instant that keeps the promise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due_at: Option<String>,
    /// The same as the customer reads it: a date in `time_zone`, with the time of day where it is promised to one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "2026-03-05")]
    pub due: Option<String>,
    pub time_zone: String,
    /// When the last of it must leave.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hand_over_by: Option<String>,
    /// That all of it is there by then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probability: Option<f64>,
    /// What the promise rests on: `atp`, `ctp`, `lead_time` …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "atp")]
    pub basis: Option<String>,
    /// What is promised of each item; less than was asked only where part of it would do.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<AnsweredLine>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parcels: Vec<AnsweredParcel>,
    /// Where each item has a price in one currency.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total: Option<Amount>,
    /// What is left of `total`; for holders of the control token only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub margin: Option<Amount>,
    /// What stands in the way of more or earlier: the first is what binds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub binding: Vec<Constraint>,
    /// What may stand in for what cannot be had, or not by when it is wanted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub substitutes: Vec<Substitute>,
    /// That it was wanted by a date, and is later than that.
    #[serde(skip)]
    pub is_met: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AnsweredLine {
    pub item_id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<f64>)]
    pub wanted: Option<Quantity>,
    #[schema(value_type = f64)]
    pub quantity: Quantity,
    /// For one unit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Amount>,
}

/// One delivery.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AnsweredParcel {
    pub place: String,
    pub to: String,
    pub service: String,
    pub lines: Vec<ParcelLine>,
    pub hand_over_by: String,
    pub due_at: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ParcelLine {
    pub item_id: String,
    #[schema(value_type = f64)]
    pub quantity: Quantity,
}

/// An amount as a decimal text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Amount {
    #[schema(example = "42000")]
    pub amount: String,
    /// ISO 4217.
    #[schema(example = "KRW")]
    pub currency: String,
}

impl From<Money> for Amount {
    fn from(money: Money) -> Self {
        Amount { amount: money.decimal(), currency: money.currency.code().to_owned() }
    }
}

/// What may stand in for an item.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Substitute {
    pub item_id: String,
    pub substitute: String,
}

/// One thing that stands in the way.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Constraint {
    /// Stable; for programs: `unknown_item`, `retired`, `not_kept`, `no_lane`, `stock`, `reserved`, `capacity`,
    /// `no_capacity` or `margin`.
    #[schema(example = "capacity")]
    pub code: String,
    /// For people, in the language of `Accept-Language` (en or ko).
    pub message: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub item_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    /// What there is of it; of an inquiry only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<f64>)]
    pub available: Option<Quantity>,
    /// When there will be enough.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The beginning of the slots that are full.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub full: Option<String>,
}

impl Constraint {
    pub(crate) fn of(binding: Binding) -> Self {
        let mut it = Constraint { code: binding.code().to_owned(), ..Constraint::default() };
        match binding {
            Binding::UnknownItem { item_id }
            | Binding::Retired { item_id }
            | Binding::NotKept { item_id }
            | Binding::Margin { item_id } => it.item_id = Some(item_id),
            Binding::NoLane { to } => it.to = Some(to),
            Binding::Stock { item_id, place, available, from } => {
                (it.item_id, it.place) = (Some(item_id), Some(place));
                (it.available, it.from) = (Some(available), from.map(|from| from.to_string()));
            }
            Binding::Reserved { item_id, place, class } => {
                (it.item_id, it.place, it.class) = (Some(item_id), Some(place), Some(class));
            }
            Binding::Capacity { resource, full } => {
                (it.resource, it.full) = (Some(resource), Some(full.to_string()));
            }
            Binding::NoCapacity { resource } => it.resource = Some(resource),
        }
        it
    }

    fn of_reason(reason: &str) -> Option<Self> {
        Some(Constraint { available: None, ..Constraint::of(Binding::of_reason(reason)?) })
    }

    fn say(&mut self, zone: &str, messages: &Messages) {
        let code = self.code.replace('_', "-");
        let key = match (&*self.code, &self.from) {
            ("stock", Some(_)) => "promise-stock-until".to_owned(),
            _ => format!("promise-{code}"),
        };
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        let day = self.from.as_deref().or(self.full.as_deref()).and_then(Time::parse);
        let values = [
            ("item", text(&self.item_id)),
            ("place", text(&self.place)),
            ("resource", text(&self.resource)),
            ("to", text(&self.to)),
            ("class", text(&self.class)),
            ("day", day.map(|day| day_text(day, zone, messages.lang)).unwrap_or_default()),
        ];
        self.message = messages.with(&key, &values);
    }
}

impl Answered {
    /// What can be promised. Its margin is for us alone.
    pub fn of_answer(answer: Answer, zone: &str, wanted: Option<Time>, internal: bool) -> Self {
        let mut it = Answered { time_zone: zone.to_owned(), ..Answered::default() };
        it.binding = answer.binding.into_iter().map(Constraint::of).collect();
        it.substitutes = answer
            .substitutes
            .into_iter()
            .map(|(item_id, substitute)| Substitute { item_id, substitute })
            .collect();
        if let Some(offer) = answer.offer {
            it.is_met = wanted.is_some_and(|wanted| offer.due_at <= wanted);
            it.offer(offer, internal);
        }
        it
    }

    fn offer(&mut self, offer: Offer, internal: bool) {
        self.feasible = true;
        self.due(offer.due_at);
        self.lines = offer
            .lines
            .into_iter()
            .map(|line| AnsweredLine {
                item_id: line.item_id,
                wanted: Some(line.wanted),
                quantity: line.quantity,
                price: line.price.map(Amount::from),
            })
            .collect();
        self.hand_over(&offer.parcels, offer.hand_over_by);
        (self.probability, self.basis) = (Some(offer.probability), Some(offer.basis.name().to_owned()));
        self.total = offer.total.map(Amount::from);
        self.margin = offer.margin.filter(|_| internal).map(Amount::from);
    }

    /// What is held, or was. It says the same whenever it is asked for, but for the stage.
    pub fn of_quote(record: &QuoteRecord) -> Self {
        let quote = &record.quote;
        let mut it = Answered {
            feasible: !record.stage.is_ended(),
            quote_id: Some(quote.quote_id.clone()),
            stage: Some(record.stage),
            expires_at: Some(quote.expires_at.to_string()),
            order_id: record.order_id.clone(),
            time_zone: quote.terms.time_zone.clone(),
            probability: quote.terms.probability,
            basis: quote.terms.basis.map(|basis| basis.name().to_owned()),
            total: quote.total.map(Amount::from),
            is_met: true,
            ..Answered::default()
        };
        it.due(quote.terms.due_at);
        it.lines = quote
            .lines
            .iter()
            .map(|line| AnsweredLine {
                item_id: line.product_id.clone(),
                wanted: None,
                quantity: Quantity::from_f64(line.quantity).unwrap_or_default(),
                price: line.price.map(Amount::from),
            })
            .collect();
        it.hand_over(&quote.parcels, quote.terms.hand_over_by.unwrap_or(quote.terms.due_at));
        it.binding = quote.terms.reasons.iter().filter_map(|reason| Constraint::of_reason(reason)).collect();
        it
    }

    fn due(&mut self, due_at: Time) {
        self.due_at = Some(due_at.to_string());
        let zone = zone_or_utc(&self.time_zone);
        let local = due_at.to_timestamp().to_zoned(zone.clone());
        let shape = if end_of_day(due_at, &zone) == due_at { "%Y-%m-%d" } else { "%Y-%m-%d %H:%M" };
        self.due = Some(local.strftime(shape).to_string());
    }

    fn hand_over(&mut self, parcels: &[Parcel], by: Time) {
        if parcels.is_empty() {
            return;
        }
        self.hand_over_by = Some(by.to_string());
        self.parcels = parcels
            .iter()
            .map(|parcel| AnsweredParcel {
                place: parcel.place.clone(),
                to: parcel.to.clone(),
                service: parcel.service.clone(),
                lines: parcel
                    .lines
                    .iter()
                    .map(|(item_id, quantity)| ParcelLine { item_id: item_id.clone(), quantity: *quantity })
                    .collect(),
                hand_over_by: parcel.hand_over_by.to_string(),
                due_at: parcel.due_at.to_string(),
            })
            .collect();
    }

    /// Puts it into the words of a language.
    pub fn say(mut self, messages: &Messages) -> Self {
        for constraint in &mut self.binding {
            constraint.say(&self.time_zone, messages);
        }
        let why = self.binding.first().map(|first| first.message.clone()).unwrap_or_default();
        let day = self.due_at.as_deref().and_then(Time::parse).map(|due| {
            let day = day_text(due, &self.time_zone, messages.lang);
            // To an instant: the time of day follows the date.
            let clock = self.due.as_deref().and_then(|due| due.split_once(' '));
            clock.map_or(day.clone(), |(_, clock)| format!("{day} {clock}"))
        });
        let until = self.expires_at.as_deref().and_then(Time::parse).map(|until| {
            let local = until.to_timestamp().to_zoned(zone_or_utc(&self.time_zone));
            local.strftime("%Y-%m-%d %H:%M").to_string()
        });
        let values = [
            ("day", day.unwrap_or_default()),
            ("why", why.clone()),
            ("until", until.unwrap_or_default()),
            ("order", self.order_id.clone().unwrap_or_default()),
        ];
        let key = match self.stage {
            Some(QuoteStage::Asking | QuoteStage::Held) => "promise-held",
            Some(QuoteStage::Confirming | QuoteStage::Placed) => "promise-placed",
            Some(QuoteStage::Refused) => "promise-refused",
            Some(QuoteStage::Expired) => "promise-expired",
            Some(QuoteStage::Released) => "promise-released",
            None if !self.feasible => "promise-none",
            None if self.is_met || why.is_empty() => "promise-by",
            None => "promise-earliest",
        };
        self.message = messages.with(key, &values);
        self
    }
}

/// A day as people say it: with its weekday, without its year.
pub fn day_text(at: Time, zone: &str, lang: Lang) -> String {
    let date: Date = at.to_timestamp().to_zoned(zone_or_utc(zone)).date();
    match lang {
        Lang::En => date.strftime("%A, %-d %B").to_string(),
        Lang::Ko => format!("{}월 {}일({})", date.month(), date.day(), korean(date.weekday())),
    }
}

fn korean(day: Weekday) -> &'static str {
    match day {
        Weekday::Monday => "월",
        Weekday::Tuesday => "화",
        Weekday::Wednesday => "수",
        Weekday::Thursday => "목",
        Weekday::Friday => "금",
        Weekday::Saturday => "토",
        Weekday::Sunday => "일",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_is_said_in_both_languages() {
        let at = |text: &str| Time::parse(text).unwrap();
        let mut answered = Answered {
            feasible: true,
            time_zone: "Asia/Seoul".to_owned(),
            binding: vec![Constraint::of(Binding::Capacity {
                resource: "courier".to_owned(),
                full: at("2026-03-04T00:00:00Z"),
            })],
            ..Answered::default()
        };
        answered.due(at("2026-03-05T14:59:59.999999Z"));
        assert_eq!(answered.due.as_deref(), Some("2026-03-05"));
        let said = answered.clone().say(&Messages::new(Lang::En));
        assert_eq!(said.message, "earliest Thursday, 5 March: courier is full on Wednesday, 4 March");
        let said = answered.say(&Messages::new(Lang::Ko));
        assert_eq!(
            said.message,
            "가장 빠른 날은 3월 5일(목)입니다. 3월 4일(수)에는 courier의 자리가 없습니다"
        );
    }

    #[test]
    fn amounts_are_decimals() {
        let amount = |text, code| {
            let currency = model::Currency::new(code).unwrap();
            Amount::from(Money::parse(text, currency).unwrap()).amount
        };
        assert_eq!((amount("-12.5", "EUR"), amount("42000", "KRW")), ("-12.50".into(), "42000".into()));
    }
}
