//! Quantities of goods, hours and places as whole thousandths of a unit, so that sums are exact.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Neg, Sub, SubAssign};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Thousandths of a unit; negative where something is missing.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Quantity(pub i64);

/// Why a number is not a quantity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum QuantityError {
    #[error("not a decimal number")]
    NotDecimal,
    #[error("finer than a thousandth of a unit")]
    TooFine,
    #[error("larger than a quantity can be")]
    TooLarge,
}

impl Quantity {
    pub const ZERO: Quantity = Quantity(0);
    pub const ONE: Quantity = Quantity(1_000);
    /// More than anybody has, and still safe to add up.
    pub const MAX: Quantity = Quantity(i64::MAX / 1_024);

    /// So many whole units.
    pub fn units(units: i64) -> Self {
        Quantity(units.saturating_mul(1_000))
    }

    /// The nearest thousandth; `None` where it is no finite number or too large.
    pub fn from_f64(units: f64) -> Option<Self> {
        let thousandths = (units * 1_000.0).round();
        (thousandths.abs() <= Self::MAX.0 as f64).then_some(Quantity(thousandths as i64))
    }

    pub fn as_f64(self) -> f64 {
        self.0 as f64 / 1_000.0
    }

    pub fn is_positive(self) -> bool {
        self.0 > 0
    }

    /// `self` times a quantity of another thing: components for so many wholes. Rounded up to the thousandth.
    pub fn times(self, other: Quantity) -> Quantity {
        let product = i128::from(self.0) * i128::from(other.0);
        let rounded = (product + 999 * product.signum().max(0)) / 1_000;
        Quantity(rounded.clamp(-i128::from(i64::MAX), i128::from(i64::MAX)) as i64)
    }

    /// The share of it, rounded down; `share` from 0 to 1.
    pub fn share(self, share: f64) -> Quantity {
        Quantity((self.0 as f64 * share).floor() as i64)
    }
}

impl FromStr for Quantity {
    type Err = QuantityError;

    /// Reads a plain decimal or one with an exponent, as JSON writes numbers.
    fn from_str(text: &str) -> Result<Self, QuantityError> {
        let text = text.trim();
        let value: f64 = text.parse().map_err(|_| QuantityError::NotDecimal)?;
        if !value.is_finite() {
            return Err(QuantityError::NotDecimal);
        }
        let quantity = Quantity::from_f64(value).ok_or(QuantityError::TooLarge)?;
        if (value * 1_000.0 - quantity.0 as f64).abs() > 1e-6 * value.abs().max(1.0) {
            return Err(QuantityError::TooFine);
        }
        Ok(quantity)
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, rest) = (self.0.unsigned_abs() / 1_000, self.0.unsigned_abs() % 1_000);
        let sign = if self.0 < 0 { "-" } else { "" };
        if rest == 0 {
            return write!(f, "{sign}{whole}");
        }
        let digits = format!("{rest:03}");
        write!(f, "{sign}{whole}.{}", digits.trim_end_matches('0'))
    }
}

impl Add for Quantity {
    type Output = Quantity;
    fn add(self, other: Quantity) -> Quantity {
        Quantity(self.0.saturating_add(other.0))
    }
}

impl Sub for Quantity {
    type Output = Quantity;
    fn sub(self, other: Quantity) -> Quantity {
        Quantity(self.0.saturating_sub(other.0))
    }
}

impl Neg for Quantity {
    type Output = Quantity;
    fn neg(self) -> Quantity {
        Quantity(self.0.saturating_neg())
    }
}

impl AddAssign for Quantity {
    fn add_assign(&mut self, other: Quantity) {
        *self = *self + other;
    }
}

impl SubAssign for Quantity {
    fn sub_assign(&mut self, other: Quantity) {
        *self = *self - other;
    }
}

impl Sum for Quantity {
    fn sum<I: Iterator<Item = Quantity>>(all: I) -> Quantity {
        all.fold(Quantity::ZERO, Add::add)
    }
}

/// In text formats a number of units; in compact ones the thousandths.
impl Serialize for Quantity {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match (to.is_human_readable(), self.0 % 1_000) {
            (false, _) => to.serialize_i64(self.0),
            (true, 0) => to.serialize_i64(self.0 / 1_000),
            (true, _) => to.serialize_f64(self.as_f64()),
        }
    }
}

/// Reads a number, or a decimal in a text.
impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        if !from.is_human_readable() {
            return i64::deserialize(from).map(Quantity);
        }
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Number(f64),
            Text(String),
        }
        let text = match Written::deserialize(from)? {
            Written::Number(number) => number.to_string(),
            Written::Text(text) => text,
        };
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_read_exactly_and_written_as_they_were() {
        for (text, thousandths, shown) in
            [("3", 3_000, "3"), ("-0.25", -250, "-0.25"), ("1.100", 1_100, "1.1"), ("2e1", 20_000, "20")]
        {
            let quantity: Quantity = text.parse().unwrap();
            assert_eq!((quantity, quantity.to_string().as_str()), (Quantity(thousandths), shown));
        }
        assert_eq!("0.0001".parse::<Quantity>(), Err(QuantityError::TooFine));
        assert_eq!("1e18".parse::<Quantity>(), Err(QuantityError::TooLarge));
        for text in ["", "x", "NaN", "inf"] {
            assert_eq!(text.parse::<Quantity>(), Err(QuantityError::NotDecimal), "{text}");
        }
    }

    #[test]
    fn text_formats_show_units_and_compact_ones_thousandths() {
        let some = Quantity(1_500);
        assert_eq!(serde_json::to_string(&[some, Quantity::units(2)]).unwrap(), "[1.5,2]");
        let read: Vec<Quantity> = serde_json::from_str(r#"[1.5, "1.5", 2]"#).unwrap();
        assert_eq!(read, [some, some, Quantity::units(2)]);
        assert_eq!(postcard::from_bytes::<Quantity>(&postcard::to_allocvec(&some).unwrap()), Ok(some));
    }

    #[test]
    fn components_are_never_rounded_down() {
        assert_eq!(Quantity::units(3).times(Quantity(333)), Quantity(999));
        assert_eq!(Quantity(1).times(Quantity(1)), Quantity(1));
        assert_eq!(Quantity::units(4).times(Quantity::units(2)), Quantity::units(8));
    }
}
