//! What a row's fields are made into: conditions, texts, numbers, times.

use std::cmp::Ordering;

use super::Field;
use crate::import::BadRowReason;
use crate::import::decimal::{Decimal, NumberStyle};
use crate::import::json::push_text;
use crate::import::local_time::TimeReader;

/// A row as the rules see it: fields by name, texts only. A table's row is one; a webhook's JSON can be another.
pub(super) trait Source {
    /// The text of a field; nothing where the row has no such field.
    fn field(&self, field: &Field) -> Option<&str>;

    /// The line the row begins on, or the number of the request.
    fn line(&self) -> u64;

    /// False for a row that stands for a list without elements: it adds nothing to lists, sums and counts.
    fn has_element(&self) -> bool {
        true
    }
}

/// What all rules of a map share.
#[derive(Clone, Debug)]
pub(super) struct Reading {
    pub(super) numbers: NumberStyle,
    pub(super) empty_values: Vec<String>,
    pub(super) fields: Vec<Field>,
}

/// Index of a field in [`Reading::fields`].
pub(super) type FieldIndex = usize;

impl Reading {
    /// The field's text; nothing where it is missing or counts as empty.
    pub(super) fn text<'r>(&self, row: &'r dyn Source, field: FieldIndex) -> Option<&'r str> {
        let text = row.field(&self.fields[field])?;
        let bare = text.trim();
        if bare.is_empty() || self.empty_values.iter().any(|empty| empty == bare) { None } else { Some(text) }
    }

    fn number(&self, row: &dyn Source, field: FieldIndex) -> Result<Option<Decimal>, BadRowReason> {
        let Some(text) = self.text(row, field) else { return Ok(None) };
        Decimal::parse(text, self.numbers).map(Some).ok_or_else(|| bad_number(self.name(field), text))
    }

    fn needed_number(&self, row: &dyn Source, field: FieldIndex) -> Result<Decimal, BadRowReason> {
        self.number(row, field)?.ok_or_else(|| self.missing(field))
    }

    /// The field's text without blanks around it, of a field that must have one.
    pub(super) fn needed_text<'r>(
        &self,
        row: &'r dyn Source,
        field: FieldIndex,
    ) -> Result<&'r str, BadRowReason> {
        self.text(row, field).map(str::trim).ok_or_else(|| self.missing(field))
    }

    pub(super) fn name(&self, field: FieldIndex) -> &str {
        self.fields[field].name()
    }

    fn missing(&self, field: FieldIndex) -> BadRowReason {
        BadRowReason::Missing { column: self.name(field).to_owned() }
    }
}

fn bad_number(column: &str, value: &str) -> BadRowReason {
    BadRowReason::Number { column: column.to_owned(), value: value.to_owned() }
}

/// A condition on a row.
#[derive(Clone, Debug)]
pub(super) enum Condition {
    Any(Vec<Condition>),
    /// All tests of one column.
    Column(FieldIndex, Vec<Test>),
}

#[derive(Clone, Debug)]
pub(super) enum Test {
    OneOf(Vec<String>),
    NoneOf(Vec<String>),
    StartsWith(String),
    NotStartsWith(String),
    EndsWith(String),
    Contains(String),
    Empty(bool),
    /// The number's order against the limit must be one of the two.
    Compare(Decimal, [Ordering; 2]),
}

impl Condition {
    /// Whether the row meets it. A test of a number that is none makes the row bad: that it failed the test
    /// would be a guess.
    pub(super) fn holds(&self, row: &dyn Source, reading: &Reading) -> Result<bool, BadRowReason> {
        match self {
            Condition::Any(conditions) => {
                for condition in conditions {
                    if condition.holds(row, reading)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Condition::Column(field, tests) => {
                for test in tests {
                    if !test.holds(row, *field, reading)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
        }
    }
}

impl Test {
    fn holds(&self, row: &dyn Source, field: FieldIndex, reading: &Reading) -> Result<bool, BadRowReason> {
        let text = || reading.text(row, field).unwrap_or("").trim();
        Ok(match self {
            Test::OneOf(values) => values.iter().any(|value| value == text()),
            Test::NoneOf(values) => values.iter().all(|value| value != text()),
            Test::StartsWith(start) => text().starts_with(start.as_str()),
            Test::NotStartsWith(start) => !text().starts_with(start.as_str()),
            Test::EndsWith(end) => text().ends_with(end.as_str()),
            Test::Contains(part) => text().contains(part.as_str()),
            Test::Empty(expected) => text().is_empty() == *expected,
            Test::Compare(limit, orders) => {
                let number = reading.needed_number(row, field)?;
                let order = number.compare(*limit).ok_or_else(|| bad_number(reading.name(field), text()))?;
                orders.contains(&order)
            }
        })
    }
}

/// Text with fields in it: `order:{InvoiceNo}:placed`.
#[derive(Clone, Debug)]
pub(super) struct Template(pub(super) Vec<Part>);

#[derive(Clone, Debug)]
pub(super) enum Part {
    Text(String),
    Field(FieldIndex),
    Line,
}

impl Template {
    /// Appends the text; every field must have some.
    pub(super) fn push_whole(
        &self,
        row: &dyn Source,
        reading: &Reading,
        out: &mut String,
    ) -> Result<(), BadRowReason> {
        for part in &self.0 {
            if let Part::Field(field) = part {
                out.push_str(reading.needed_text(row, *field)?);
            } else {
                part.push(row, reading, out);
            }
        }
        Ok(())
    }

    /// Whether every field has some text.
    pub(super) fn is_whole(&self, row: &dyn Source, reading: &Reading) -> bool {
        self.fields().all(|field| reading.text(row, field).is_some())
    }

    /// Appends the text, or nothing at all where all its fields are empty.
    fn push(&self, row: &dyn Source, reading: &Reading, out: &mut String) {
        let mut fields = self.0.iter().filter_map(|part| match part {
            Part::Field(field) => Some(*field),
            _ => None,
        });
        let has_fields = fields.clone().next().is_some();
        if has_fields && fields.all(|field| reading.text(row, field).is_none()) {
            return;
        }
        for part in &self.0 {
            part.push(row, reading, out);
        }
    }

    pub(super) fn fields(&self) -> impl Iterator<Item = FieldIndex> {
        self.0.iter().filter_map(|part| match part {
            Part::Field(field) => Some(*field),
            _ => None,
        })
    }
}

impl Part {
    fn push(&self, row: &dyn Source, reading: &Reading, out: &mut String) {
        use std::fmt::Write;
        match self {
            Part::Text(text) => out.push_str(text),
            Part::Field(field) => out.push_str(reading.text(row, *field).unwrap_or("")),
            Part::Line => {
                // Writing into a String does not fail.
                let _ = write!(out, "{}", row.line());
            }
        }
    }
}

/// Numbers of a row multiplied: `-1 * {Quantity} * {UnitPrice}`.
#[derive(Clone, Debug)]
pub(super) struct Product {
    pub(super) factor: Decimal,
    pub(super) fields: Vec<FieldIndex>,
}

impl Product {
    pub(super) fn of(&self, row: &dyn Source, reading: &Reading) -> Result<Decimal, BadRowReason> {
        let mut product = self.factor;
        for &field in &self.fields {
            let number = reading.needed_number(row, field)?;
            product = product
                .checked_mul(number)
                .ok_or_else(|| bad_number(reading.name(field), reading.text(row, field).unwrap_or("")))?;
        }
        Ok(product)
    }

    /// Whether all its fields are empty.
    fn is_empty(&self, row: &dyn Source, reading: &Reading) -> bool {
        self.fields.iter().all(|&field| reading.text(row, field).is_none())
    }
}

/// Where a value comes from.
#[derive(Clone, Debug)]
pub(super) enum Origin {
    Field(FieldIndex),
    Text(Template),
    Product(Product),
}

/// What is made of it.
#[derive(Clone, Debug)]
pub(super) enum Kind {
    Text,
    Number,
    Integer,
    /// With so many digits behind the point.
    Money(u32),
    Boolean,
    /// A JSON value as it stands.
    Json,
    Date(TimeReader),
    Time(TimeReader),
}

/// A single value of a row.
#[derive(Clone, Debug)]
pub(super) struct Scalar {
    pub(super) origin: Origin,
    pub(super) kind: Kind,
    pub(super) translate: Vec<(String, String)>,
    /// In place of an empty value; read like one.
    pub(super) default: Option<String>,
    pub(super) required: bool,
    /// What it is called when it is bad or missing.
    pub(super) label: String,
}

impl Scalar {
    /// Appends the value as bare text; nothing where it is empty.
    pub(super) fn push_text(
        &mut self,
        row: &dyn Source,
        reading: &Reading,
        out: &mut String,
    ) -> Result<(), BadRowReason> {
        let start = out.len();
        if let Origin::Product(product) = &self.origin {
            if !product.is_empty(row, reading) {
                let product = product.of(row, reading)?;
                return push_number(product, &self.kind, &self.label, out);
            }
        } else {
            match &self.origin {
                Origin::Field(field) => out.push_str(reading.text(row, *field).unwrap_or("")),
                Origin::Text(template) => template.push(row, reading, out),
                Origin::Product(_) => {}
            }
        }
        let given = &out[start..];
        let translated =
            self.translate.iter().find(|(from, _)| from == given.trim()).map(|(_, to)| to.as_str());
        let replaced = match (given.is_empty(), &self.default) {
            (true, Some(default)) => Some(default.as_str()),
            _ => translated,
        };
        if let Some(replaced) = replaced {
            out.truncate(start);
            out.push_str(replaced);
        }
        if out.len() == start {
            return if self.required {
                Err(BadRowReason::Missing { column: self.label.clone() })
            } else {
                Ok(())
            };
        }
        if matches!(self.kind, Kind::Text) {
            return Ok(());
        }
        let given = out.split_off(start);
        self.push_typed(&given, reading, out)
    }

    fn push_typed(&mut self, given: &str, reading: &Reading, out: &mut String) -> Result<(), BadRowReason> {
        use std::fmt::Write;
        let bad_time = || BadRowReason::Time { column: self.label.clone(), value: given.to_owned() };
        match &mut self.kind {
            Kind::Text => out.push_str(given),
            Kind::Number | Kind::Integer | Kind::Money(_) => {
                let number =
                    Decimal::parse(given, reading.numbers).ok_or_else(|| bad_number(&self.label, given))?;
                push_number(number, &self.kind, &self.label, out)?;
            }
            Kind::Boolean => out.push_str(boolean(given.trim()).ok_or_else(|| BadRowReason::Boolean {
                column: self.label.clone(),
                value: given.to_owned(),
            })?),
            Kind::Json => {
                serde_json::from_str::<serde::de::IgnoredAny>(given).map_err(|_| BadRowReason::Json {
                    column: self.label.clone(),
                    value: given.to_owned(),
                })?;
                out.push_str(given.trim());
            }
            // Writing into a String does not fail.
            Kind::Date(time_reader) => {
                let date = time_reader.date(given).ok_or_else(bad_time)?;
                let _ = write!(out, "{date}");
            }
            Kind::Time(time_reader) => {
                let at = time_reader.instant(given).ok_or_else(bad_time)?;
                let _ = write!(out, "{at}");
            }
        }
        Ok(())
    }

    /// Appends the value as JSON; nothing where it is empty.
    pub(super) fn push_json(
        &mut self,
        row: &dyn Source,
        reading: &Reading,
        scratch: &mut String,
        out: &mut String,
    ) -> Result<(), BadRowReason> {
        scratch.clear();
        self.push_text(row, reading, scratch)?;
        if !scratch.is_empty() {
            push_json(scratch, &self.kind, out);
        }
        Ok(())
    }
}

fn push_json(text: &str, kind: &Kind, out: &mut String) {
    match kind {
        Kind::Number | Kind::Integer | Kind::Boolean | Kind::Json => out.push_str(text),
        Kind::Text | Kind::Money(_) | Kind::Date(_) | Kind::Time(_) => push_text(out, text),
    }
}

/// Appends a number, rounded as its kind asks.
fn push_number(number: Decimal, kind: &Kind, label: &str, out: &mut String) -> Result<(), BadRowReason> {
    use std::fmt::Write;
    let bad = || bad_number(label, &number.to_string());
    // Writing into a String does not fail.
    let _ = match kind {
        Kind::Money(decimals) => write!(out, "{}", number.rounded(*decimals).ok_or_else(bad)?),
        Kind::Integer => write!(out, "{}", number.to_integer().ok_or_else(bad)?),
        _ => write!(out, "{number}"),
    };
    Ok(())
}

fn boolean(text: &str) -> Option<&'static str> {
    let is = |words: &[&str]| words.iter().any(|word| word.eq_ignore_ascii_case(text));
    if is(&["true", "yes", "y", "t", "1"]) {
        Some("true")
    } else if is(&["false", "no", "n", "f", "0"]) {
        Some("false")
    } else {
        None
    }
}
