//! Events of operations that change supply: the names and properties of docs/operations.md, validated.

use serde::Deserialize;

use crate::calendar::{Calendar, Shift, Slot};
use crate::money::{Currency, Money};
use crate::quantity::Quantity;
use crate::signal::SignalError;
use crate::supply::{
    CapacityUse, Component, Exchange, Item, ItemKind, Recipe, StockMove, Supplier, SupplyName, SupplySignal,
};
use crate::time::Time;

/// An event about supply: what it is about, and what it says.
#[derive(Clone, PartialEq, Debug)]
pub struct SupplyEvent {
    pub name: SupplyName,
    pub signal: SupplySignal,
}

/// Names longer than this would be copied into every fact that names them.
const NAME_MAX: usize = 200;
const LIST_MAX: usize = 1_000;
/// Parts of a bundle, of which some may be bundles: a request looks at each.
const PARTS_MAX: usize = 50;
const SHIFTS_MAX: usize = 100;

/// Whether a track event of this name says something about supply.
pub fn is_supply(name: &str) -> bool {
    NAMES.contains(&name)
}

const NAMES: [&str; 14] = [
    "item.published",
    "item.retired",
    "stock.counted",
    "stock.received",
    "stock.adjusted",
    "stock.spoiled",
    "stock.quarantined",
    "stock.cleared",
    "stock.expected",
    "capacity.set",
    "capacity.slot_set",
    "downtime.reported",
    "downtime.ended",
    "quality.held",
];

/// Reads an event about supply; `None` where its name says nothing about it.
pub fn parse(name: &str, properties: Option<&str>, at: Time) -> Option<Result<SupplyEvent, SignalError>> {
    is_supply(name).then(|| read(name, properties.unwrap_or("{}"), at))
}

fn read(name: &str, properties: &str, at: Time) -> Result<SupplyEvent, SignalError> {
    match name {
        "item.published" => {
            let item = object::<ItemFields>(properties)?.item()?;
            let name = SupplyName::Item(item.item_id.clone());
            Ok(SupplyEvent { name, signal: SupplySignal::ItemPublished(Box::new(item)) })
        }
        "item.retired" => {
            let fields: ItemName = object(properties)?;
            let name = SupplyName::Item(named("item_id", fields.item_id)?);
            Ok(SupplyEvent { name, signal: SupplySignal::ItemRetired })
        }
        "capacity.set" | "capacity.slot_set" | "downtime.reported" | "downtime.ended" => {
            let fields: ResourceFields = object(properties)?;
            let resource = SupplyName::Resource(named("resource", fields.resource.clone())?);
            Ok(SupplyEvent { name: resource, signal: fields.signal(name, at)? })
        }
        _ => {
            let fields: StockFields = object(properties)?;
            let stock = SupplyName::Stock {
                item: named("item_id", fields.item_id.clone())?,
                place: named("place", fields.place.clone())?,
            };
            Ok(SupplyEvent { name: stock, signal: fields.signal(name)? })
        }
    }
}

#[derive(Deserialize)]
struct ItemName {
    item_id: Option<String>,
}

#[derive(Deserialize)]
struct StockFields {
    item_id: Option<String>,
    place: Option<String>,
    on_hand: Option<Quantity>,
    quantity: Option<Quantity>,
    receipt: Option<String>,
    due: Option<String>,
    best_before: Option<String>,
}

impl StockFields {
    fn signal(self, name: &str) -> Result<SupplySignal, SignalError> {
        let best_before = instant("best_before", self.best_before)?;
        let quantity = || self.quantity.ok_or(SignalError::Missing("quantity"));
        let what = match name {
            "stock.counted" => {
                let on_hand = self.on_hand.ok_or(SignalError::Missing("on_hand"))?;
                return Ok(SupplySignal::StockCounted { on_hand: not_negative("on_hand", on_hand)? });
            }
            "stock.expected" => {
                let quantity = not_negative("quantity", quantity()?)?;
                let due = instant("due", self.due)?.ok_or(SignalError::Missing("due"))?;
                return Ok(SupplySignal::ReceiptExpected {
                    receipt: named("receipt", self.receipt)?,
                    quantity,
                    due,
                });
            }
            "stock.received" => StockMove::Received,
            "stock.adjusted" => StockMove::Adjusted,
            "stock.spoiled" => StockMove::Spoiled,
            "stock.cleared" => StockMove::Cleared,
            _ => StockMove::Quarantined,
        };
        let quantity = match what {
            StockMove::Adjusted => bounded("quantity", quantity()?)?,
            _ => not_negative("quantity", quantity()?)?,
        };
        let receipt = match self.receipt {
            Some(receipt) => Some(named("receipt", Some(receipt))?),
            None => None,
        };
        Ok(SupplySignal::StockMoved { what, quantity, receipt, best_before })
    }
}

#[derive(Deserialize)]
struct ResourceFields {
    resource: Option<String>,
    time_zone: Option<String>,
    shifts: Option<Vec<ShiftFields>>,
    start: Option<String>,
    end: Option<String>,
    units: Option<Quantity>,
    downtime: Option<String>,
    from: Option<String>,
    until: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ShiftFields {
    /// Names of days, `mon` to `sun`; every day where there are none.
    days: Option<Vec<String>>,
    /// `HH:MM`.
    from: String,
    to: String,
    slot_minutes: Option<u16>,
    units: Quantity,
}

impl ResourceFields {
    fn signal(self, name: &str, at: Time) -> Result<SupplySignal, SignalError> {
        Ok(match name {
            "capacity.set" => {
                let shifts = self.shifts.ok_or(SignalError::Missing("shifts"))?;
                let shifts = shifts.into_iter().map(ShiftFields::shift).collect::<Result<Vec<_>, _>>()?;
                let time_zone = self.time_zone.unwrap_or_else(|| "UTC".to_owned());
                let calendar = Calendar { time_zone, shifts };
                if calendar.shifts.len() > SHIFTS_MAX {
                    return Err(wrong("shifts", format!("more than {SHIFTS_MAX}")));
                }
                calendar.check().map_err(|error| wrong("shifts", error.to_string()))?;
                SupplySignal::CalendarSet(calendar)
            }
            "capacity.slot_set" => {
                let start = instant("start", self.start)?.ok_or(SignalError::Missing("start"))?;
                let end = instant("end", self.end)?.ok_or(SignalError::Missing("end"))?;
                if start >= end {
                    return Err(wrong("end", "not after the start"));
                }
                let units = not_negative("units", self.units.ok_or(SignalError::Missing("units"))?)?;
                SupplySignal::SlotSet(Slot { start, end, units })
            }
            "downtime.ended" => SupplySignal::DowntimeEnded { downtime: named("downtime", self.downtime)? },
            _ => {
                let from = instant("from", self.from)?.unwrap_or(at);
                let until = instant("until", self.until)?;
                if until.is_some_and(|until| until <= from) {
                    return Err(wrong("until", "not after its beginning"));
                }
                let units = match self.units {
                    Some(units) => Some(not_negative("units", units)?),
                    None => None,
                };
                SupplySignal::DowntimeReported {
                    downtime: named("downtime", self.downtime)?,
                    from,
                    until,
                    units,
                }
            }
        })
    }
}

const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

impl ShiftFields {
    fn shift(self) -> Result<Shift, SignalError> {
        let days = match self.days {
            None => (0..7).collect(),
            Some(names) => names
                .iter()
                .map(|name| {
                    let day = DAYS.iter().position(|day| day == name);
                    day.map(|day| day as u8).ok_or_else(|| wrong("shifts", "a day is mon, tue … sun"))
                })
                .collect::<Result<Vec<u8>, _>>()?,
        };
        let minutes = |text: &str| -> Option<u16> {
            let (hours, minutes) = text.split_once(':')?;
            let (hours, minutes): (u16, u16) = (hours.parse().ok()?, minutes.parse().ok()?);
            (hours <= 24 && minutes < 60).then_some(hours * 60 + minutes)
        };
        let clock = |text| minutes(text).ok_or_else(|| wrong("shifts", "a time of day is HH:MM"));
        Ok(Shift {
            days,
            from: clock(&self.from)?,
            to: clock(&self.to)?,
            slot_minutes: self.slot_minutes,
            units: self.units,
        })
    }
}

#[derive(Deserialize)]
struct ItemFields {
    item_id: Option<String>,
    #[serde(default)]
    kind: ItemKind,
    name: Option<String>,
    category: Option<String>,
    unit: Option<String>,
    currency: Option<String>,
    price: Option<Decimal>,
    cost: Option<Decimal>,
    exchange: Option<String>,
    partner: Option<String>,
    terms: Option<String>,
    stocked: Option<bool>,
    shelf_life_hours: Option<u32>,
    #[serde(default)]
    fits: Vec<String>,
    #[serde(default)]
    substitutes: Vec<String>,
    #[serde(default)]
    bundle: Vec<Component>,
    #[serde(default)]
    uses: Vec<CapacityUse>,
    #[serde(default)]
    made_of: Vec<Component>,
    #[serde(default)]
    made_with: Vec<CapacityUse>,
    #[serde(default)]
    made_then_minutes: u32,
    supplier: Option<String>,
    lead_days: Option<f64>,
    lead_days_sd: Option<f64>,
    order_cost: Option<Decimal>,
    lot: Option<Quantity>,
}

/// An amount as it was written.
#[derive(Deserialize)]
#[serde(untagged)]
enum Decimal {
    Number(f64),
    Text(String),
}

impl ItemFields {
    fn item(self) -> Result<Item, SignalError> {
        let currency = match &self.currency {
            Some(code) => Some(Currency::new(code).ok_or_else(|| wrong("currency", "not three capitals"))?),
            None => None,
        };
        let money = |field, amount: Option<Decimal>| -> Result<Option<Money>, SignalError> {
            let Some(amount) = amount else { return Ok(None) };
            let currency = currency.ok_or(SignalError::Missing("currency"))?;
            let text = match amount {
                Decimal::Number(number) => number.to_string(),
                Decimal::Text(text) => text,
            };
            let money = Money::parse(&text, currency).map_err(|error| wrong(field, error.to_string()))?;
            if money.minor < 0 {
                return Err(wrong(field, "negative"));
            }
            Ok(Some(money))
        };
        let exchange = match self.exchange.as_deref() {
            None | Some("direct") => Exchange::Direct,
            Some("mediated") => Exchange::Mediated { partner: named("partner", self.partner)? },
            Some("financial") => {
                let terms = named("terms", self.terms)?;
                if !["subscription", "credit", "pay_per_use"].contains(&terms.as_str()) {
                    return Err(wrong("terms", "one of subscription, credit, pay_per_use"));
                }
                Exchange::Financial { terms }
            }
            Some(_) => return Err(wrong("exchange", "one of direct, mediated, financial")),
        };
        let lists = [self.fits.len(), self.substitutes.len(), self.bundle.len(), self.uses.len()];
        if lists.into_iter().chain([self.made_of.len(), self.made_with.len()]).any(|n| n > LIST_MAX) {
            return Err(SignalError::NotAnObject(format!("a list of more than {LIST_MAX}")));
        }
        if self.bundle.len() > PARTS_MAX || self.made_of.len() > PARTS_MAX {
            return Err(wrong("bundle", format!("more than {PARTS_MAX} parts")));
        }
        let parts = self.bundle.iter().chain(&self.made_of).map(|part| ("bundle", part.quantity));
        let uses = self.uses.iter().chain(&self.made_with).map(|used| ("uses", used.units));
        for (field, quantity) in parts.chain(uses) {
            if not_negative(field, quantity)? == Quantity::ZERO {
                return Err(wrong(field, "a quantity of nothing"));
            }
        }
        let item_id = named("item_id", self.item_id)?;
        if self.bundle.iter().chain(&self.made_of).any(|part| part.item_id == item_id) {
            return Err(wrong("bundle", "an item cannot be a part of itself"));
        }
        let recipe = (!self.made_of.is_empty() || !self.made_with.is_empty()).then_some(Recipe {
            of: self.made_of,
            with: self.made_with,
            then_minutes: self.made_then_minutes,
        });
        let supplier = match self.supplier {
            None => None,
            Some(name) => {
                let days = |field, value: Option<f64>| match value.unwrap_or(0.0) {
                    value if (0.0..=3_650.0).contains(&value) => Ok(value),
                    _ => Err(wrong(field, "not between 0 and ten years")),
                };
                Some(Supplier {
                    name: named("supplier", Some(name))?,
                    lead_days: days("lead_days", self.lead_days)?,
                    lead_days_sd: days("lead_days_sd", self.lead_days_sd)?,
                    order_cost: money("order_cost", self.order_cost)?,
                    lot: self.lot.filter(|lot| lot.is_positive()),
                })
            }
        };
        Ok(Item {
            stocked: self.stocked.unwrap_or(self.kind == ItemKind::Good && self.bundle.is_empty()),
            kind: self.kind,
            name: self.name,
            category: self.category,
            unit: self.unit,
            price: money("price", self.price)?,
            cost: money("cost", self.cost)?,
            exchange,
            shelf_life_hours: self.shelf_life_hours,
            fits: self.fits,
            substitutes: self.substitutes,
            bundle: self.bundle,
            uses: self.uses,
            recipe,
            supplier,
            retired: false,
            item_id,
        })
    }
}

/// Reads an object and nothing else.
fn object<'a, T: Deserialize<'a>>(json: &'a str) -> Result<T, SignalError> {
    match json.trim_ascii_start().bytes().next() {
        Some(b'{') => serde_json::from_str(json).map_err(|e| SignalError::NotAnObject(e.to_string())),
        _ => Err(SignalError::NotAnObject("expected an object".to_owned())),
    }
}

fn wrong(field: &'static str, detail: impl Into<String>) -> SignalError {
    SignalError::Wrong { field, detail: detail.into() }
}

fn named(field: &'static str, value: Option<String>) -> Result<String, SignalError> {
    match value {
        None => Err(SignalError::Missing(field)),
        Some(name) if name.trim().is_empty() => Err(SignalError::Missing(field)),
        Some(name) if name.len() > NAME_MAX => Err(wrong(field, format!("longer than {NAME_MAX} bytes"))),
        Some(name) if name.contains(char::is_control) => Err(wrong(field, "has control characters")),
        Some(name) => Ok(name),
    }
}

fn instant(field: &'static str, text: Option<String>) -> Result<Option<Time>, SignalError> {
    let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(None) };
    Time::parse(&text)
        .map(Some)
        .ok_or_else(|| wrong(field, "not an RFC 3339 instant with a zone, between the years 1 and 9998"))
}

/// So large that sums of many stay numbers.
fn bounded(field: &'static str, quantity: Quantity) -> Result<Quantity, SignalError> {
    let most = Quantity::units(1_000_000_000_000);
    if quantity > most || quantity < -most {
        return Err(wrong(field, "more than 10^12 units"));
    }
    Ok(quantity)
}

fn not_negative(field: &'static str, quantity: Quantity) -> Result<Quantity, SignalError> {
    if quantity < Quantity::ZERO {
        return Err(wrong(field, "negative"));
    }
    bounded(field, quantity)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str, properties: &str) -> Result<SupplyEvent, SignalError> {
        parse(name, Some(properties), Time(0)).expect("a known name")
    }

    #[test]
    fn stock_and_its_receipts_are_read() {
        let event = read("stock.counted", r#"{"item_id":"T1","place":"seoul","on_hand":"12.5"}"#).unwrap();
        assert_eq!(event.name, SupplyName::Stock { item: "T1".into(), place: "seoul".into() });
        assert_eq!(event.signal, SupplySignal::StockCounted { on_hand: Quantity(12_500) });
        let expected =
            r#"{"item_id":"T1","place":"s","receipt":"PO1","quantity":3,"due":"2026-03-01T00:00:00Z"}"#;
        assert!(matches!(
            read("stock.expected", expected).unwrap().signal,
            SupplySignal::ReceiptExpected { quantity: Quantity(3_000), .. }
        ));
        for (name, properties, field) in [
            ("stock.counted", r#"{"item_id":"T1","place":"s"}"#, "on_hand"),
            ("stock.counted", r#"{"place":"s","on_hand":1}"#, "item_id"),
            ("stock.received", r#"{"item_id":"T1","place":"s"}"#, "quantity"),
            ("stock.expected", r#"{"item_id":"T1","place":"s","quantity":1,"receipt":"r"}"#, "due"),
        ] {
            assert_eq!(read(name, properties), Err(SignalError::Missing(field)), "{properties}");
        }
        assert!(read("stock.received", r#"{"item_id":"T1","place":"s","quantity":-1}"#).is_err());
        assert!(read("stock.adjusted", r#"{"item_id":"T1","place":"s","quantity":-1}"#).is_ok());
    }

    #[test]
    fn a_resource_has_shifts_with_named_days() {
        let set = r#"{"resource":"van","time_zone":"Asia/Seoul",
            "shifts":[{"days":["mon","sat"],"from":"09:00","to":"18:00","slot_minutes":180,"units":4}]}"#;
        let SupplySignal::CalendarSet(calendar) = read("capacity.set", set).unwrap().signal else {
            panic!("a calendar");
        };
        assert_eq!((calendar.shifts[0].days.as_slice(), calendar.shifts[0].to), ([0, 5].as_slice(), 1_080));
        assert!(read("capacity.set", &set.replace("18:00", "18h")).is_err());
        assert!(read("capacity.set", &set.replace("Seoul", "Nowhere")).is_err());
        assert!(read("downtime.reported", r#"{"resource":"van","downtime":"d1"}"#).is_ok());
    }

    #[test]
    fn an_item_says_what_it_fits_and_is_made_of() {
        let item = |text: &str| -> Result<Item, SignalError> {
            match read("item.published", text)?.signal {
                SupplySignal::ItemPublished(item) => Ok(*item),
                other => panic!("{other:?}"),
            }
        };
        let toner =
            item(r#"{"item_id":"T1","price":"42000","cost":30000,"currency":"KRW","fits":["HL-2370"]}"#);
        let toner = toner.unwrap();
        assert_eq!(
            (toner.stocked, toner.price.unwrap().minor, toner.cost.unwrap().minor),
            (true, 42_000, 30_000)
        );
        assert!(!item(r#"{"item_id":"S","kind":"service"}"#).unwrap().stocked);
        assert!(!item(r#"{"item_id":"B","bundle":[{"item_id":"T1","quantity":2}]}"#).unwrap().stocked);
        for wrong in [
            r#"{"item_id":"T","price":1}"#,
            r#"{"item_id":"T","bundle":[{"item_id":"T","quantity":1}]}"#,
            r#"{"item_id":"T","exchange":"mediated"}"#,
            r#"{"item_id":"T","exchange":"financial","terms":"magic"}"#,
            r#"{"item_id":"T","made_of":[{"item_id":"U","quantity":0}]}"#,
        ] {
            assert!(item(wrong).is_err(), "{wrong}");
        }
    }
}
