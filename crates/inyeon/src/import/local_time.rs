//! Times as tables write them: of a place, seldom with a zone.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::fmt::strtime;
use jiff::tz::TimeZone;

use super::ImportError;

/// Reads the times of one column. Rows of one order share theirs, so the last answer is kept.
#[derive(Clone, Debug)]
pub(crate) struct TimeReader {
    zone: TimeZone,
    format: TimeFormat,
    last: Option<(String, Timestamp)>,
}

/// How a time is written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum TimeFormat {
    /// `2018-01-31`, `2018-01-31 13:45:00`, `2018-01-31T13:45:00.25Z`.
    Iso,
    /// By the directives of `strftime`.
    Pattern(String),
    /// Seconds since 1970, UTC.
    UnixSeconds,
    /// Milliseconds since 1970, UTC.
    UnixMilliseconds,
}

/// The zone of that IANA name, from the machine's database.
pub(crate) fn zone(name: &str) -> Result<TimeZone, ImportError> {
    TimeZone::get(name).map_err(|error| ImportError::time_zone(name, error))
}

impl TimeReader {
    pub(crate) fn new(zone: TimeZone, format: TimeFormat) -> Self {
        TimeReader { zone, format, last: None }
    }

    /// The instant a text stands for, or nothing if it is no time.
    ///
    /// A local time that was skipped or repeated when the clocks changed is taken as calendars take it (RFC
    /// 5545): the repeated hour is its first pass; a skipped time is moved on by the length of the gap.
    pub(crate) fn instant(&mut self, text: &str) -> Option<Timestamp> {
        if let Some((last, instant)) = &self.last
            && last == text
        {
            return Some(*instant);
        }
        let instant = self.parse(text.trim())?;
        match &mut self.last {
            Some((last, kept)) => {
                last.clear();
                last.push_str(text);
                *kept = instant;
            }
            None => self.last = Some((text.to_owned(), instant)),
        }
        Some(instant)
    }

    /// The calendar day a text stands for, in its own place.
    pub(crate) fn date(&self, text: &str) -> Option<Date> {
        let text = text.trim();
        match &self.format {
            TimeFormat::Iso => match plain(text) {
                Some(time) => Some(time.date()),
                None if has_offset(text) => Some(self.day(self.parse(text)?)),
                None => text.parse::<Date>().ok(),
            },
            TimeFormat::Pattern(pattern) => strtime::parse(pattern, text).ok()?.to_date().ok(),
            TimeFormat::UnixSeconds | TimeFormat::UnixMilliseconds => Some(self.day(self.parse(text)?)),
        }
    }

    /// The calendar day of an instant, in the reader's own zone.
    pub(crate) fn day(&self, at: Timestamp) -> Date {
        self.zone.to_datetime(at).date()
    }

    fn parse(&self, text: &str) -> Option<Timestamp> {
        match &self.format {
            TimeFormat::Iso => match plain(text) {
                Some(time) => self.place(time),
                None if has_offset(text) => text.parse().ok(),
                None => self.place(text.parse().ok()?),
            },
            TimeFormat::Pattern(pattern) => {
                let parts = strtime::parse(pattern, text).ok()?;
                if parts.offset().is_some() {
                    return parts.to_timestamp().ok();
                }
                let midnight = jiff::civil::Time::midnight();
                let time = parts.to_time().unwrap_or(midnight);
                self.place(parts.to_date().ok()?.to_datetime(time))
            }
            TimeFormat::UnixSeconds => Timestamp::from_second(text.parse().ok()?).ok(),
            TimeFormat::UnixMilliseconds => Timestamp::from_millisecond(text.parse().ok()?).ok(),
        }
    }

    fn place(&self, time: DateTime) -> Option<Timestamp> {
        self.zone.to_ambiguous_timestamp(time).compatible().ok()
    }
}

/// `2018-01-31 13:45:00` and nothing else: what nearly every table has, read without the general parser.
fn plain(text: &str) -> Option<DateTime> {
    let bytes: &[u8; 19] = text.as_bytes().try_into().ok()?;
    let punctuation = (bytes[4], bytes[7], bytes[10], bytes[13], bytes[16]);
    if !matches!(punctuation, (b'-', b'-', b' ' | b'T', b':', b':')) {
        return None;
    }
    let pair = |at: usize| -> Option<i8> {
        let (tens, ones) = (bytes[at], bytes[at + 1]);
        if !tens.is_ascii_digit() || !ones.is_ascii_digit() {
            return None;
        }
        i8::try_from((tens - b'0') * 10 + (ones - b'0')).ok()
    };
    let year = i16::from(pair(0)?) * 100 + i16::from(pair(2)?);
    DateTime::new(year, pair(5)?, pair(8)?, pair(11)?, pair(14)?, pair(17)?, 0).ok()
}

/// Whether an ISO time ends with `Z` or an offset. The date's own hyphens stand within the first ten characters.
fn has_offset(text: &str) -> bool {
    text.ends_with(['Z', 'z'])
        || text.bytes().skip(10).any(|byte| matches!(byte, b'+' | b'-'))
        || text.ends_with(']')
}
