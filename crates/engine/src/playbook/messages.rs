//! Texts of messages with what they speak of filled in.

use std::collections::BTreeMap;

use model::{Money, Time};

/// What may stand in a text, by its name.
pub type Placeholders = BTreeMap<&'static str, String>;

/// The names that a text may use: `{item}`, `{price}`, `{date}`, `{until}`, `{days}`, `{steps}`, `{why}`,
/// `{compensation}`, `{link}`. A link is filled in by whoever sends the message.
pub const NAMES: [&str; 9] =
    ["item", "price", "date", "until", "days", "steps", "why", "compensation", "link"];

/// A text with its placeholders filled in; one without a value stays empty, the link stays as it is.
pub fn fill(text: &str, values: &Placeholders) -> String {
    let mut filled = text.to_owned();
    for name in NAMES.iter().filter(|name| **name != "link") {
        let value = values.get(name).map_or("", String::as_str);
        filled = filled.replace(&format!("{{{name}}}"), value);
    }
    filled
}

/// The placeholders that a text uses and that nobody knows.
pub fn unknown(text: &str) -> Vec<String> {
    let mut unknown = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find('{') {
        let after = &rest[start + 1..];
        let Some(end) = after.find('}') else { break };
        let name = &after[..end];
        if !NAMES.contains(&name) {
            unknown.push(name.to_owned());
        }
        rest = &after[end + 1..];
    }
    unknown
}

const WEEKDAYS: [(&str, &str); 7] =
    [("Mon", "월"), ("Tue", "화"), ("Wed", "수"), ("Thu", "목"), ("Fri", "금"), ("Sat", "토"), ("Sun", "일")];

/// A day as people say it: `Thu 2026-11-26`, `11월 26일(목)`; with the hour where `hour` asks for it.
pub fn day_text(at: Time, zone: &str, language: &str, hour: bool) -> String {
    let zone = model::time::zone_or_utc(zone);
    let local = at.to_timestamp().to_zoned(zone);
    let weekday = usize::try_from(local.weekday().to_monday_zero_offset()).unwrap_or_default();
    let (en, ko) = WEEKDAYS[weekday];
    let clock = if hour { format!(" {:02}:{:02}", local.hour(), local.minute()) } else { String::new() };
    match language {
        "ko" => format!("{}월 {}일({ko}){clock}", local.month(), local.day()),
        _ => format!("{en} {:04}-{:02}-{:02}{clock}", local.year(), local.month(), local.day()),
    }
}

/// An amount as people write it: `₩58,000`, `EUR 12.50`.
pub fn money_text(money: Money) -> String {
    let decimal = money.decimal();
    let (sign, digits) = decimal.strip_prefix('-').map_or(("", decimal.as_str()), |rest| ("-", rest));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let mut grouped = String::new();
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index) % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    let fraction = if fraction.is_empty() { String::new() } else { format!(".{fraction}") };
    match money.currency.code() {
        "KRW" => format!("{sign}₩{grouped}{fraction}"),
        code => format!("{sign}{code} {grouped}{fraction}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::Currency;

    #[test]
    fn texts_are_filled_in() {
        let values = Placeholders::from([("item", "TN-760".to_owned()), ("price", "₩58,000".to_owned())]);
        assert_eq!(fill("{item} for {price}{why}: {link}", &values), "TN-760 for ₩58,000: {link}");
        assert_eq!(unknown("{item} {itme} {"), vec!["itme".to_owned()]);
    }

    #[test]
    fn days_and_amounts_read_as_people_write_them() {
        let at = Time::parse("2026-11-26T15:30:00Z").unwrap();
        assert_eq!(day_text(at, "Asia/Seoul", "ko", false), "11월 27일(금)");
        assert_eq!(day_text(at, "Asia/Seoul", "en", true), "Fri 2026-11-27 00:30");
        let money = |minor, code| Money { minor, currency: Currency::new(code).unwrap() };
        assert_eq!(money_text(money(1_058_000, "KRW")), "₩1,058,000");
        assert_eq!(money_text(money(-1_250, "EUR")), "-EUR 12.50");
    }
}
