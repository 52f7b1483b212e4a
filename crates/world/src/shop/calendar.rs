//! The shop's calendar: seconds since its first midnight, and what they are called outside.

use std::ops::Range;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::Offset;

/// Seconds since the shop's first local midnight, or a number of them.
pub(super) type Seconds = i64;

pub(super) const MINUTE: Seconds = 60;
pub(super) const HOUR: Seconds = 60 * MINUTE;
pub(super) const DAY: Seconds = 24 * HOUR;

/// The shop's zone, as its events name it.
pub(super) const TIME_ZONE: &str = "Asia/Seoul";
/// The zone's offset. Korea has not moved its clocks since 1988, so no zone table has to be read.
const OFFSET: Offset = jiff::tz::offset(9);

/// Turns the shop's own time into instants and dates.
#[derive(Debug, Clone, Copy)]
pub(super) struct Calendar {
    /// The Unix second of the first local midnight.
    midnight: i64,
}

impl Calendar {
    /// A calendar whose day 0 is the first whole local day at or after `start`.
    pub(super) fn new(start: Timestamp) -> Self {
        let offset = i64::from(OFFSET.seconds());
        let local = start.as_second() + i64::from(start.subsec_nanosecond() > 0) + offset;
        Self { midnight: (local + DAY - 1).div_euclid(DAY) * DAY - offset }
    }

    /// The instant of `at`; the last instant there is, should that be beyond the end of time.
    pub(super) fn timestamp(self, at: Seconds) -> Timestamp {
        Timestamp::from_second(self.midnight.saturating_add(at)).unwrap_or(Timestamp::MAX)
    }

    /// The last whole second at or before `instant`.
    pub(super) fn seconds(self, instant: Timestamp) -> Seconds {
        instant.as_second() - i64::from(instant.subsec_nanosecond() < 0) - self.midnight
    }

    /// The local date of a day.
    pub(super) fn date(self, day: i64) -> Date {
        OFFSET.to_datetime(self.timestamp(day * DAY)).date()
    }
}

/// The day that `at` falls on, 0 being the first.
pub(super) fn day_of(at: Seconds) -> i64 {
    at.div_euclid(DAY)
}

/// The time of day, in seconds since midnight.
pub(super) fn time_of_day(at: Seconds) -> Seconds {
    at.rem_euclid(DAY)
}

/// `at` if that is within the opening `hours`, otherwise the next opening and `delay` after it.
pub(super) fn within_hours(at: Seconds, hours: Range<i64>, delay: Seconds) -> Seconds {
    let time = time_of_day(at);
    if time < hours.start * HOUR {
        day_of(at) * DAY + hours.start * HOUR + delay
    } else if time >= hours.end * HOUR {
        (day_of(at) + 1) * DAY + hours.start * HOUR + delay
    } else {
        at
    }
}
