//! Money as integer minor units beside an ISO 4217 currency.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A three-letter ISO 4217 code.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Currency([u8; 3]);

impl TryFrom<[u8; 3]> for Currency {
    type Error = &'static str;

    fn try_from(bytes: [u8; 3]) -> Result<Self, Self::Error> {
        if bytes.iter().all(u8::is_ascii_uppercase) {
            Ok(Currency(bytes))
        } else {
            Err("a currency is three ASCII capitals")
        }
    }
}

impl Currency {
    /// Three ASCII capital letters; whether the code is assigned is not checked.
    pub fn new(code: &str) -> Option<Self> {
        let bytes: [u8; 3] = code.as_bytes().try_into().ok()?;
        bytes.try_into().ok()
    }

    pub fn code(&self) -> &str {
        std::str::from_utf8(&self.0).expect("built from ASCII capitals")
    }

    /// Decimal digits of the minor unit (ISO 4217 table A.1).
    pub fn exponent(&self) -> u32 {
        match self.code() {
            "BIF" | "CLP" | "DJF" | "GNF" | "ISK" | "JPY" | "KMF" | "KRW" | "PYG" | "RWF" | "UGX" | "UYI"
            | "VND" | "VUV" | "XAF" | "XOF" | "XPF" => 0,
            "BHD" | "IQD" | "JOD" | "KWD" | "LYD" | "OMR" | "TND" => 3,
            "CLF" | "UYW" => 4,
            _ => 2,
        }
    }
}

/// In text formats its code; in compact ones its three bytes.
impl Serialize for Currency {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        if to.is_human_readable() { to.serialize_str(self.code()) } else { self.0.serialize(to) }
    }
}

impl<'de> Deserialize<'de> for Currency {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        use serde::de::Error;
        if from.is_human_readable() {
            let code = String::deserialize(from)?;
            return Currency::new(&code).ok_or_else(|| Error::custom("a currency is three ASCII capitals"));
        }
        <[u8; 3]>::deserialize(from)?.try_into().map_err(Error::custom)
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// An amount in the currency's minor unit (cents, won, fils).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Money {
    pub minor: i64,
    pub currency: Currency,
}

#[derive(Serialize, Deserialize)]
struct Compact {
    minor: i64,
    currency: Currency,
}

#[derive(Serialize)]
struct Text {
    amount: String,
    currency: Currency,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    amount: Decimal,
    currency: Currency,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Decimal {
    Number(f64),
    Text(String),
}

/// In text formats a decimal (`{amount: "12.50", currency: "EUR"}`); in compact ones the minor unit.
impl Serialize for Money {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let Money { minor, currency } = *self;
        if to.is_human_readable() {
            Text { amount: self.decimal(), currency }.serialize(to)
        } else {
            Compact { minor, currency }.serialize(to)
        }
    }
}

/// Reads in text formats a number as well as a decimal in a text.
impl<'de> Deserialize<'de> for Money {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        if !from.is_human_readable() {
            return Compact::deserialize(from).map(|Compact { minor, currency }| Money { minor, currency });
        }
        let Written { amount, currency } = Written::deserialize(from)?;
        let text = match amount {
            Decimal::Number(number) => number.to_string(),
            Decimal::Text(text) => text,
        };
        Money::parse(&text, currency).map_err(serde::de::Error::custom)
    }
}

/// Why a text is not an amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    #[error("not a decimal number")]
    NotDecimal,
    #[error("more decimals than the currency's minor unit has")]
    TooFine,
    #[error("larger than an amount can be")]
    TooLarge,
}

impl Money {
    /// Reads a plain decimal (`-12.50`, no exponent, no grouping). Zeros past the minor unit are allowed.
    pub fn parse(decimal: &str, currency: Currency) -> Result<Self, MoneyError> {
        let text = decimal.trim();
        let (negative, digits) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let is_number = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
        if whole.is_empty() || !is_number(whole) || !is_number(fraction) {
            return Err(MoneyError::NotDecimal);
        }
        let exponent = currency.exponent() as usize;
        let (minor_digits, rest) = fraction.split_at(fraction.len().min(exponent));
        if rest.bytes().any(|b| b != b'0') {
            return Err(MoneyError::TooFine);
        }
        let scale = 10_i64.pow((exponent - minor_digits.len()) as u32);
        let parse = |s: &str| if s.is_empty() { Ok(0) } else { s.parse::<i64>() };
        let whole = parse(whole).map_err(|_| MoneyError::TooLarge)?;
        let part = parse(minor_digits).map_err(|_| MoneyError::TooLarge)?;
        let minor = whole
            .checked_mul(10_i64.pow(exponent as u32))
            .and_then(|w| w.checked_add(part * scale))
            .ok_or(MoneyError::TooLarge)?;
        Ok(Money { minor: if negative { -minor } else { minor }, currency })
    }

    /// The amount alone, as [`Self::parse`] reads it.
    pub fn decimal(&self) -> String {
        let exponent = self.currency.exponent() as usize;
        let unit = 10_u64.pow(exponent as u32);
        let (sign, size) = (if self.minor < 0 { "-" } else { "" }, self.minor.unsigned_abs());
        let whole = size / unit;
        if exponent == 0 {
            format!("{sign}{whole}")
        } else {
            format!("{sign}{whole}.{:0exponent$}", size % unit)
        }
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.currency.code(), self.decimal())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_read_in_the_minor_unit_of_their_currency() {
        let check = |text: &str, code: &str, expect: Result<i64, MoneyError>| {
            let currency = Currency::new(code).unwrap();
            assert_eq!(Money::parse(text, currency).map(|m| m.minor), expect, "{text} {code}");
        };
        check("49.90", "BRL", Ok(4990));
        check("49.9", "BRL", Ok(4990));
        check("-0.05", "EUR", Ok(-5));
        check("1200", "KRW", Ok(1200));
        check("1200.00", "KRW", Ok(1200));
        check("1.234", "KWD", Ok(1234));
        check("1200.5", "KRW", Err(MoneyError::TooFine));
        check("1e3", "USD", Err(MoneyError::NotDecimal));
        check("", "USD", Err(MoneyError::NotDecimal));
        check(".5", "USD", Err(MoneyError::NotDecimal));
        check("99999999999999999999", "USD", Err(MoneyError::TooLarge));
        assert_eq!(Money { minor: -1205, currency: Currency::new("USD").unwrap() }.to_string(), "USD -12.05");
        assert_eq!(Currency::new("usd"), None);
    }

    #[test]
    fn text_formats_show_decimals_and_compact_ones_the_minor_unit() {
        let money = Money { minor: -1_250, currency: Currency::new("EUR").unwrap() };
        let json = serde_json::to_string(&money).unwrap();
        assert_eq!(json, r#"{"amount":"-12.50","currency":"EUR"}"#);
        assert_eq!(serde_json::from_str::<Money>(&json).unwrap(), money);
        let number: Money = serde_json::from_str(r#"{"amount":-12.5,"currency":"EUR"}"#).unwrap();
        assert_eq!(number, money);
        assert!(serde_json::from_str::<Money>(r#"{"amount":"1.5","currency":"KRW"}"#).is_err());
        let compact = postcard::to_allocvec(&money).unwrap();
        assert_eq!(compact, postcard::to_allocvec(&(-1_250_i64, *b"EUR")).unwrap());
        assert_eq!(postcard::from_bytes(&compact), Ok(money));
    }
}
