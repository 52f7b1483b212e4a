//! Columns by their names, and what stands in them.

use jiff::Timestamp;
use jiff::civil::Date;

use super::super::decimal::{Decimal, NumberStyle};
use super::super::local_time::TimeReader;
use super::super::table::{Row, Rows};
use super::super::{BadRowReason, ImportError};
use super::AMOUNT_MAX;

/// A column by its name and its place in the rows.
#[derive(Clone, Copy)]
pub(super) struct Column {
    pub(super) name: &'static str,
    pub(super) at: usize,
}

pub(super) fn columns<const N: usize>(
    rows: &Rows,
    names: [&'static str; N],
) -> Result<[Column; N], ImportError> {
    let mut columns = [Column { name: "", at: 0 }; N];
    for (column, name) in columns.iter_mut().zip(names) {
        *column = Column { name, at: rows.column(name)? };
    }
    Ok(columns)
}

impl Column {
    /// A column that may be missing.
    pub(super) fn optional(rows: &Rows, name: &'static str) -> Result<Option<Column>, ImportError> {
        if !rows.has_column(name) {
            return Ok(None);
        }
        Ok(Some(Column { name, at: rows.column(name)? }))
    }

    pub(super) fn text(self, row: &Row) -> &str {
        row.get(self.at).trim()
    }

    pub(super) fn needed(self, row: &Row) -> Result<&str, BadRowReason> {
        match self.text(row) {
            "" => Err(BadRowReason::Missing { column: self.name.to_owned() }),
            text => Ok(text),
        }
    }

    pub(super) fn time(
        self,
        row: &Row,
        time_reader: &mut TimeReader,
    ) -> Result<Option<Timestamp>, BadRowReason> {
        match self.text(row) {
            "" => Ok(None),
            text => time_reader.instant(text).map(Some).ok_or_else(|| self.bad_time(text)),
        }
    }

    pub(super) fn needed_time(
        self,
        row: &Row,
        time_reader: &mut TimeReader,
    ) -> Result<Timestamp, BadRowReason> {
        self.needed(row)?;
        self.time(row, time_reader)?.ok_or_else(|| BadRowReason::Missing { column: self.name.to_owned() })
    }

    pub(super) fn date(self, row: &Row, time_reader: &TimeReader) -> Result<Option<Date>, BadRowReason> {
        match self.text(row) {
            "" => Ok(None),
            text => time_reader.date(text).map(Some).ok_or_else(|| self.bad_time(text)),
        }
    }

    /// An amount in centavos. Copies of the files that went through binary fractions have longer ones.
    pub(super) fn amount(self, row: &Row) -> Result<Decimal, BadRowReason> {
        let text = self.needed(row)?;
        let amount = Decimal::parse(text, NumberStyle::default()).and_then(|amount| amount.rounded(2));
        let amount = amount.ok_or_else(|| self.bad_number(text))?;
        if amount.is_negative() || !amount.is_within(AMOUNT_MAX) {
            return Err(self.out_of_range(text, "an amount from 0 to 10^12"));
        }
        Ok(amount)
    }

    pub(super) fn integer(self, row: &Row) -> Result<i64, BadRowReason> {
        let text = self.needed(row)?;
        let whole = Decimal::parse(text, NumberStyle::default()).and_then(Decimal::to_integer);
        whole.and_then(|whole| i64::try_from(whole).ok()).ok_or_else(|| self.bad_number(text))
    }

    pub(super) fn bad_time(self, value: &str) -> BadRowReason {
        BadRowReason::Time { column: self.name.to_owned(), value: value.to_owned() }
    }

    pub(super) fn bad_number(self, value: &str) -> BadRowReason {
        BadRowReason::Number { column: self.name.to_owned(), value: value.to_owned() }
    }

    pub(super) fn out_of_range(self, value: &str, expected: &'static str) -> BadRowReason {
        BadRowReason::Range { column: self.name.to_owned(), value: value.to_owned(), expected }
    }
}
