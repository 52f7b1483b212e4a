//! Exact decimal numbers: money is added and multiplied without a binary fraction in between.

use std::cmp::Ordering;
use std::fmt;

/// Digits kept behind the point at most; finer numbers are refused rather than rounded unseen.
const SCALE_MAX: u32 = 18;

/// `units / 10^scale`.
#[derive(Clone, Copy, Debug, Default, serde::Serialize, serde::Deserialize)]
pub(crate) struct Decimal {
    units: i128,
    scale: u32,
}

/// How a table writes its numbers. A separator that is not expected makes a number bad: reading the `1,234` of
/// a table with decimal commas as more than a thousand would be worse than leaving its row out.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct NumberStyle {
    /// Between thousands, if any.
    pub(crate) group: Option<u8>,
    pub(crate) decimal_comma: bool,
}

impl NumberStyle {
    /// By example: how the table writes one thousand two hundred thirty-four and a half.
    pub(crate) fn by_example(example: &str) -> Option<Self> {
        let (group, decimal_comma) = match example {
            "1234.5" => (None, false),
            "1,234.5" => (Some(b','), false),
            "1234,5" => (None, true),
            "1.234,5" => (Some(b'.'), true),
            _ => return None,
        };
        Some(NumberStyle { group, decimal_comma })
    }
}

impl Decimal {
    pub(crate) const ZERO: Decimal = Decimal { units: 0, scale: 0 };
    pub(crate) const ONE: Decimal = Decimal { units: 1, scale: 0 };

    pub(crate) const fn whole(units: i128) -> Decimal {
        Decimal { units, scale: 0 }
    }

    /// Reads digits with an optional sign, fraction and exponent, and blanks around them.
    pub(crate) fn parse(text: &str, style: NumberStyle) -> Option<Decimal> {
        let text = text.trim().as_bytes();
        let (negative, text) = match text {
            [b'-', rest @ ..] => (true, rest),
            [b'+', rest @ ..] => (false, rest),
            _ => (false, text),
        };
        let point = if style.decimal_comma { b',' } else { b'.' };
        let (mantissa, exponent) = match text.iter().position(|b| matches!(b, b'e' | b'E')) {
            Some(at) => {
                let exponent = std::str::from_utf8(&text[at + 1..]).ok()?.parse::<i32>().ok()?;
                (&text[..at], exponent)
            }
            None => (text, 0),
        };
        let (whole, fraction) = match mantissa.iter().position(|&b| b == point) {
            Some(at) => (&mantissa[..at], &mantissa[at + 1..]),
            None => (mantissa, &mantissa[mantissa.len()..]),
        };
        if whole.is_empty() && fraction.is_empty() {
            return None;
        }
        let mut units: i128 = 0;
        push_whole(&mut units, whole, style.group)?;
        push_digits(&mut units, fraction)?;
        let scale = i32::try_from(fraction.len()).ok()?.checked_sub(exponent)?;
        let units = if negative { -units } else { units };
        if scale < 0 {
            let factor = 10_i128.checked_pow(scale.unsigned_abs())?;
            return Some(Decimal { units: units.checked_mul(factor)?, scale: 0 });
        }
        let scale = scale.unsigned_abs();
        if scale <= SCALE_MAX { Some(Decimal { units, scale }) } else { None }
    }

    pub(crate) fn checked_add(self, other: Decimal) -> Option<Decimal> {
        let scale = self.scale.max(other.scale);
        let units = self.units_at(scale)?.checked_add(other.units_at(scale)?)?;
        Some(Decimal { units, scale })
    }

    pub(crate) fn checked_mul(self, other: Decimal) -> Option<Decimal> {
        let product =
            Decimal { units: self.units.checked_mul(other.units)?, scale: self.scale + other.scale };
        if product.scale <= SCALE_MAX { Some(product) } else { None }
    }

    /// With exactly `scale` digits behind the point, halves away from zero.
    pub(crate) fn rounded(self, scale: u32) -> Option<Decimal> {
        if scale >= self.scale {
            return Some(Decimal { units: self.units_at(scale)?, scale });
        }
        let divisor = 10_i128.pow(self.scale - scale);
        let half = divisor / 2 * self.units.signum();
        Some(Decimal { units: self.units.checked_add(half)? / divisor, scale })
    }

    /// With at most `scale` digits behind the point.
    pub(crate) fn at_most(self, scale: u32) -> Option<Decimal> {
        if self.scale <= scale { Some(self) } else { self.rounded(scale) }
    }

    /// Whether it lies between `-limit` and `limit`.
    pub(crate) fn is_within(self, limit: Decimal) -> bool {
        let negated = Decimal { units: -limit.units, ..limit };
        self.compare(limit).is_some_and(Ordering::is_le) && self.compare(negated).is_some_and(Ordering::is_ge)
    }

    /// The whole number it is, if it is one.
    pub(crate) fn to_integer(self) -> Option<i128> {
        let divisor = 10_i128.pow(self.scale);
        (self.units % divisor == 0).then(|| self.units / divisor)
    }

    pub(crate) fn is_negative(self) -> bool {
        self.units < 0
    }

    pub(crate) fn compare(self, other: Decimal) -> Option<Ordering> {
        let scale = self.scale.max(other.scale);
        Some(self.units_at(scale)?.cmp(&other.units_at(scale)?))
    }

    fn units_at(self, scale: u32) -> Option<i128> {
        self.units.checked_mul(10_i128.checked_pow(scale.checked_sub(self.scale)?)?)
    }
}

impl fmt::Display for Decimal {
    /// A JSON number: no leading zeros, as many digits behind the point as it was written with.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.units < 0 {
            f.write_str("-")?;
        }
        let divisor = 10_u128.pow(self.scale);
        let units = self.units.unsigned_abs();
        write!(f, "{}", units / divisor)?;
        if self.scale > 0 {
            write!(f, ".{:0width$}", units % divisor, width = self.scale as usize)?;
        }
        Ok(())
    }
}

/// The digits before the point; groups, where the style has them, must be of three behind the first.
fn push_whole(units: &mut i128, whole: &[u8], group: Option<u8>) -> Option<()> {
    let Some(group) = group.filter(|group| whole.contains(group)) else {
        return push_digits(units, whole);
    };
    for (index, part) in whole.split(|&b| b == group).enumerate() {
        let fits = if index == 0 { (1..=3).contains(&part.len()) } else { part.len() == 3 };
        if !fits {
            return None;
        }
        push_digits(units, part)?;
    }
    Some(())
}

fn push_digits(units: &mut i128, digits: &[u8]) -> Option<()> {
    for &digit in digits {
        if !digit.is_ascii_digit() {
            return None;
        }
        *units = units.checked_mul(10)?.checked_add(i128::from(digit - b'0'))?;
    }
    Some(())
}
