//! When a resource works: weekly shifts in its own time zone, cut into slots.

use jiff::civil::{Date, Weekday};
use jiff::{ToSpan, tz::TimeZone};
use serde::{Deserialize, Serialize};

use crate::quantity::Quantity;
use crate::time::{DueError, Time, zone};

/// A weekly calendar. Clocks that jump are followed: a slot begins when the zone's clocks show its time.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Calendar {
    /// IANA name.
    pub time_zone: String,
    pub shifts: Vec<Shift>,
}

/// Some hours of some days of each week.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Shift {
    /// 0 for Monday to 6 for Sunday, each once.
    pub days: Vec<u8>,
    /// Minutes since midnight; `from < to ≤ 1440`.
    pub from: u16,
    pub to: u16,
    /// The shift is cut into slots of so many minutes; the whole shift where there is none.
    pub slot_minutes: Option<u16>,
    /// What one slot can take.
    pub units: Quantity,
}

/// One span of time in which a resource can take so many units.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Slot {
    pub start: Time,
    /// The first instant that is not in it.
    pub end: Time,
    pub units: Quantity,
}

/// Why a calendar cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CalendarError {
    #[error(transparent)]
    Zone(#[from] DueError),
    #[error("shift {0}: a day is 0 (Monday) to 6 (Sunday), each named once")]
    Days(usize),
    #[error("shift {0}: it must begin before it ends, within one day")]
    Hours(usize),
    #[error("shift {0}: slot_minutes is not between 5 minutes and the length of the shift")]
    SlotMinutes(usize),
    #[error("shift {0}: units are negative")]
    Units(usize),
    #[error("shift {0}: one of its slots begins when one of an earlier shift does")]
    SameBeginning(usize),
}

/// Slots shorter than this would make a search through weeks long.
const SLOT_MINUTES_MIN: u16 = 5;

impl Calendar {
    pub fn check(&self) -> Result<(), CalendarError> {
        zone(&self.time_zone)?;
        let mut begins = std::collections::BTreeSet::new();
        for (at, shift) in self.shifts.iter().enumerate() {
            let mut days = shift.days.clone();
            days.sort_unstable();
            days.dedup();
            if days.len() != shift.days.len() || days.iter().any(|day| *day > 6) {
                return Err(CalendarError::Days(at));
            }
            if shift.from >= shift.to || shift.to > 1_440 {
                return Err(CalendarError::Hours(at));
            }
            let most = shift.to - shift.from;
            if shift.slot_minutes.is_some_and(|minutes| !(SLOT_MINUTES_MIN..=most.max(1)).contains(&minutes))
            {
                return Err(CalendarError::SlotMinutes(at));
            }
            if shift.units < Quantity::ZERO {
                return Err(CalendarError::Units(at));
            }
            // A slot is known by when it begins.
            let step = shift.slot_minutes.unwrap_or(most).max(1);
            let starts = (shift.from..shift.to).step_by(usize::from(step));
            for start in starts.flat_map(|start| shift.days.iter().map(move |day| (*day, start))) {
                if !begins.insert(start) {
                    return Err(CalendarError::SameBeginning(at));
                }
            }
        }
        Ok(())
    }

    /// The slots that end after `from` and begin before `until`, by their beginnings. Lazy: a day costs nothing
    /// until it is reached.
    pub fn slots(&self, from: Time, until: Time) -> impl Iterator<Item = Slot> + '_ {
        let zone = zone(&self.time_zone).unwrap_or(TimeZone::UTC);
        let first = from.to_timestamp().to_zoned(zone.clone()).date().yesterday().unwrap_or(Date::MIN);
        let days = std::iter::successors(Some(first), |date| date.tomorrow().ok());
        days.map(move |date| self.slots_on(date, &zone))
            .take_while(move |(midnight, _)| *midnight < until)
            .flat_map(|(_, slots)| slots)
            .filter(move |slot| slot.end > from && slot.start < until)
    }

    /// Midnight of the day, and its slots by their beginnings.
    fn slots_on(&self, date: Date, zone: &TimeZone) -> (Time, Vec<Slot>) {
        let midnight = date.at(0, 0, 0, 0);
        let instant = |minutes: u16| {
            let local = midnight.checked_add(i64::from(minutes).minutes()).ok()?;
            Some(Time::from_timestamp(local.to_zoned(zone.clone()).ok()?.timestamp()))
        };
        let day = number_of(date.weekday());
        let mut slots = Vec::new();
        for shift in self.shifts.iter().filter(|shift| shift.days.contains(&day)) {
            let step = shift.slot_minutes.unwrap_or(shift.to - shift.from).max(1);
            let mut start = shift.from;
            while start < shift.to {
                let end = start.saturating_add(step).min(shift.to);
                // A slot that the clocks jumped over does not exist.
                if let (Some(start), Some(end)) = (instant(start), instant(end))
                    && start < end
                {
                    slots.push(Slot { start, end, units: shift.units });
                }
                start = end;
            }
        }
        slots.sort_by_key(|slot| (slot.start, slot.end));
        (instant(0).unwrap_or(Time::LATEST_EVENT), slots)
    }
}

fn number_of(day: Weekday) -> u8 {
    day.to_monday_zero_offset() as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calendar(zone: &str, shift: Shift) -> Calendar {
        Calendar { time_zone: zone.to_owned(), shifts: vec![shift] }
    }

    fn shift(days: &[u8], from: u16, to: u16, slot: Option<u16>) -> Shift {
        Shift { days: days.to_vec(), from, to, slot_minutes: slot, units: Quantity::units(2) }
    }

    fn at(text: &str) -> Time {
        Time::parse(text).unwrap()
    }

    #[test]
    fn a_week_of_slots_is_what_the_zone_shows() {
        // 2026-03-02 is a Monday.
        let calendar = calendar("Asia/Seoul", shift(&[0, 2], 9 * 60, 12 * 60, Some(90)));
        let slots: Vec<Slot> =
            calendar.slots(at("2026-03-02T00:00:00+09:00"), at("2026-03-09T00:00:00+09:00")).collect();
        let starts: Vec<String> = slots.iter().map(|slot| slot.start.to_string()).collect();
        let expected =
            ["2026-03-02T00:00:00Z", "2026-03-02T01:30:00Z", "2026-03-04T00:00:00Z", "2026-03-04T01:30:00Z"];
        assert_eq!(starts, expected);
        assert!(slots.iter().all(|slot| slot.end.since(slot.start) == 90 * 60_000_000));
    }

    #[test]
    fn a_slot_under_way_is_seen_and_a_past_one_is_not() {
        let calendar = calendar("UTC", shift(&[0, 1, 2, 3, 4, 5, 6], 0, 1_440, Some(720)));
        let slots: Vec<Slot> =
            calendar.slots(at("2026-03-02T13:00:00Z"), at("2026-03-03T00:00:01Z")).collect();
        assert_eq!(slots.len(), 2);
        assert_eq!(slots[0].start, at("2026-03-02T12:00:00Z"));
    }

    #[test]
    fn clocks_that_jump_are_followed() {
        // Berlin, 2026-03-29: 02:00 becomes 03:00. A slot from 02:00 to 03:00 does not exist that day.
        let calendar = calendar("Europe/Berlin", shift(&[6], 60, 300, Some(60)));
        let slots: Vec<Slot> =
            calendar.slots(at("2026-03-29T00:00:00Z"), at("2026-03-30T00:00:00Z")).collect();
        let hours: i64 = slots.iter().map(|slot| slot.end.since(slot.start) / 3_600_000_000).sum();
        assert_eq!((slots.len(), hours), (3, 3));
    }

    #[test]
    fn what_is_no_calendar_is_refused() {
        let check = |days: &[u8], from, to, slot| calendar("UTC", shift(days, from, to, slot)).check();
        assert_eq!(check(&[0], 540, 720, Some(60)), Ok(()));
        assert_eq!(check(&[7], 540, 720, None), Err(CalendarError::Days(0)));
        assert_eq!(check(&[1, 1], 540, 720, None), Err(CalendarError::Days(0)));
        assert_eq!(check(&[0], 720, 720, None), Err(CalendarError::Hours(0)));
        assert_eq!(check(&[0], 0, 720, Some(1)), Err(CalendarError::SlotMinutes(0)));
        let mut twice = calendar("UTC", shift(&[0, 1], 480, 720, None));
        twice.shifts.push(shift(&[1], 480, 1_080, Some(120)));
        assert_eq!(twice.check(), Err(CalendarError::SameBeginning(1)));
        assert!(matches!(calendar("Mars", shift(&[0], 0, 60, None)).check(), Err(CalendarError::Zone(_))));
    }
}
