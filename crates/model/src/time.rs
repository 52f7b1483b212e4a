//! Instants as whole microseconds of UTC, and the reading of due dates in a customer's zone.

use std::fmt;
use std::ops::{Add, Sub};
use std::time::Duration;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

/// An instant in microseconds since 1970-01-01T00:00:00Z. Negative before it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Time(pub i64);

impl Time {
    /// Earlier than everything that can happen.
    pub const MIN: Time = Time(i64::MIN);
    /// The first and last instants that an event may carry: years 1 to 9998, so that adding a zone offset or a
    /// tolerance can never leave the calendar.
    pub const EARLIEST_EVENT: Time = Time(-62_135_596_800_000_000);
    pub const LATEST_EVENT: Time = Time(253_370_764_799_999_999);

    pub fn from_timestamp(at: jiff::Timestamp) -> Self {
        Time(at.as_microsecond())
    }

    /// The same instant as a calendar library's timestamp; instants outside its range are clamped to it.
    pub fn to_timestamp(self) -> jiff::Timestamp {
        jiff::Timestamp::from_microsecond(self.0).unwrap_or(if self.0 < 0 {
            jiff::Timestamp::MIN
        } else {
            jiff::Timestamp::MAX
        })
    }

    /// Reads an RFC 3339 instant with a zone offset; `None` where it is none or outside years 1 to 9998.
    pub fn parse(text: &str) -> Option<Self> {
        let at = Self::from_timestamp(text.trim().parse().ok()?);
        (Self::EARLIEST_EVENT..=Self::LATEST_EVENT).contains(&at).then_some(at)
    }

    /// Microseconds from `earlier` to `self`, saturating.
    pub fn since(self, earlier: Time) -> i64 {
        self.0.saturating_sub(earlier.0)
    }

    pub fn plus_micros(self, micros: i64) -> Time {
        Time(self.0.saturating_add(micros))
    }

    /// The number of the UTC day since 1970-01-01.
    pub fn day(self) -> i64 {
        self.0.div_euclid(86_400_000_000)
    }
}

impl Add<Duration> for Time {
    type Output = Time;
    fn add(self, by: Duration) -> Time {
        self.plus_micros(i64::try_from(by.as_micros()).unwrap_or(i64::MAX))
    }
}

impl Sub<Duration> for Time {
    type Output = Time;
    fn sub(self, by: Duration) -> Time {
        Time(self.0.saturating_sub(i64::try_from(by.as_micros()).unwrap_or(i64::MAX)))
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.to_timestamp(), f)
    }
}

impl fmt::Debug for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why a due date could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DueError {
    #[error("`{0}` is not an IANA time zone")]
    Zone(String),
    #[error("`{0}` is neither a date (2026-03-05) nor an RFC 3339 instant between the years 1 and 9998")]
    Due(String),
}

/// The last instant that still keeps a promise due at `due`.
///
/// `due` is an RFC 3339 instant, or a calendar date in `time_zone`: then any time on that day keeps it, as that
/// zone's clocks show the day (so a day may have 23 or 25 hours).
pub fn last_instant_of(due: &str, time_zone: &str) -> Result<Time, DueError> {
    let zone = zone(time_zone)?;
    let due = due.trim();
    if let Some(at) = Time::parse(due) {
        return Ok(at);
    }
    let refused = || DueError::Due(due.chars().take(64).collect());
    let date: Date = due.parse().map_err(|_| refused())?;
    if !(1..=9998).contains(&date.year()) || due.len() > 10 {
        return Err(refused());
    }
    let next = date.tomorrow().map_err(|_| refused())?;
    let midnight = next.to_zoned(zone).map_err(|_| refused())?;
    Ok(Time::from_timestamp(midnight.timestamp()).plus_micros(-1))
}

/// The last instant of the day of `at`, as the zone's clocks show the day.
pub fn end_of_day(at: Time, time_zone: &TimeZone) -> Time {
    let date = at.to_timestamp().to_zoned(time_zone.clone()).date();
    let midnight = date.tomorrow().and_then(|next| next.to_zoned(time_zone.clone()));
    midnight.map_or(at, |midnight| Time::from_timestamp(midnight.timestamp()).plus_micros(-1))
}

/// Whole days from the day of one instant to the day of another, as the zone's calendar shows them: 0 on the same
/// day, whatever the hour and however long that day was.
pub fn days_between(from: Time, to: Time, time_zone: &TimeZone) -> i64 {
    let date = |at: Time| at.to_timestamp().to_zoned(time_zone.clone()).date();
    date(to).since(date(from)).map_or(0, |span| i64::from(span.get_days()))
}

/// A time zone and its clocks.
pub type Zone = TimeZone;

/// The zone by its IANA name; UTC where there is none of that name.
pub fn zone_or_utc(name: &str) -> Zone {
    zone(name).unwrap_or(TimeZone::UTC)
}

/// The zone by its IANA name.
pub fn zone(name: &str) -> Result<TimeZone, DueError> {
    TimeZone::get(name).map_err(|_| DueError::Zone(name.chars().take(64).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_kept_until_its_last_microsecond_in_the_zone() {
        let check = |due: &str, zone: &str, last: &str| {
            assert_eq!(last_instant_of(due, zone).unwrap().to_string(), last, "{due} {zone}");
        };
        check("2018-02-05", "UTC", "2018-02-05T23:59:59.999999Z");
        check("2026-03-05", "Asia/Seoul", "2026-03-05T14:59:59.999999Z");
        // Summer time began in São Paulo at midnight of 2017-10-15, so that day starts at 01:00 local.
        check("2017-10-14", "America/Sao_Paulo", "2017-10-15T02:59:59.999999Z");
        check("2026-03-05T10:00:00+09:00", "Asia/Seoul", "2026-03-05T01:00:00Z");
    }

    #[test]
    fn a_day_ends_where_the_zone_says() {
        let seoul = zone("Asia/Seoul").unwrap();
        let at = Time::parse("2026-03-04T15:00:00Z").unwrap();
        assert_eq!(end_of_day(at, &seoul).to_string(), "2026-03-05T14:59:59.999999Z");
        assert_eq!(end_of_day(at.plus_micros(-1), &seoul), at.plus_micros(-1));
    }

    #[test]
    fn days_are_counted_by_the_calendar_of_the_zone() {
        let check = |from: &str, to: &str, name: &str, days: i64| {
            let time = |text| Time::parse(text).unwrap();
            assert_eq!(days_between(time(from), time(to), &zone(name).unwrap()), days, "{from} {to} {name}");
        };
        check("2026-03-01T00:00:00Z", "2026-03-01T23:59:59Z", "UTC", 0);
        check("2026-03-01T14:59:59Z", "2026-03-01T15:00:00Z", "Asia/Seoul", 1);
        // A day of 23 hours and one of 25.
        check("2026-03-08T04:59:59Z", "2026-03-09T04:00:00Z", "America/New_York", 2);
        check("2026-11-01T04:00:00Z", "2026-11-02T04:59:59Z", "America/New_York", 0);
        // From a leap day, and over one.
        check("2028-02-29T12:00:00Z", "2029-02-28T12:00:00Z", "UTC", 365);
        check("2027-03-01T12:00:00Z", "2028-02-29T12:00:00Z", "UTC", 365);
        check("2027-03-01T12:00:00Z", "2028-03-01T12:00:00Z", "UTC", 366);
        check("2026-03-02T12:00:00Z", "2026-03-01T12:00:00Z", "UTC", -1);
    }

    #[test]
    fn what_is_no_date_is_refused_by_name() {
        for due in ["", "soon", "0000-01-01", "9999-12-31", "2026-02-30", "2026-03-05 10:00:00"] {
            assert!(matches!(last_instant_of(due, "UTC"), Err(DueError::Due(_))), "{due}");
        }
        assert!(matches!(last_instant_of("2026-03-05", "Mars/Olympus"), Err(DueError::Zone(_))));
    }

    #[test]
    fn events_live_between_the_years_1_and_9998() {
        assert!(Time::parse("0000-12-31T23:59:59Z").is_none());
        assert!(Time::parse("0001-01-01T00:00:00Z").is_some());
        assert!(Time::parse("9999-01-01T00:00:00Z").is_none());
        assert_eq!(Time::parse("9998-12-31T23:59:59.999999Z"), Some(Time::LATEST_EVENT));
    }
}
