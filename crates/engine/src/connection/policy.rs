//! Which strategy is followed for a need, and why it is not the chosen one where it is not.

use jiff::civil;
use model::Time;
use model::connection::{Fallback, MandateState, Strategy};
use serde::{Deserialize, Serialize};

use super::{Connection, UNSET};
use crate::playbook::{Playbook, QuietHours};

/// What a strategy lacks.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Missing {
    /// The customer set nothing for this category.
    Unset,
    /// The playbook does not have it.
    NotOffered,
    /// Less is shared than it needs.
    Share,
    /// The customer has delegated nothing.
    NoMandate,
    MandatePaused,
    MandateSuspended,
    /// Shown, and not agreed to.
    MandateNotAgreed,
    /// The customer is in the group to whom nothing is done unasked.
    Holdout,
}

impl Missing {
    pub fn code(self) -> &'static str {
        match self {
            Missing::Unset => "unset",
            Missing::NotOffered => "not_offered",
            Missing::Share => "share",
            Missing::NoMandate => "no_mandate",
            Missing::MandatePaused => "mandate_paused",
            Missing::MandateSuspended => "mandate_suspended",
            Missing::MandateNotAgreed => "mandate_not_agreed",
            Missing::Holdout => "holdout",
        }
    }
}

/// What is done about a need.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Followed {
    /// As the customer set it.
    pub chosen: Strategy,
    pub strategy: Strategy,
    /// The customer is asked once, and then waited for.
    pub ask_once: bool,
    /// What the chosen one lacks.
    pub missing: Option<Missing>,
}

/// The strategy for a category (and a device and slot of it) as things are now. It is asked anew each time, so the
/// chosen one is back as soon as nothing is missing.
pub fn followed(
    connection: &Connection,
    playbook: &Playbook,
    device: Option<&str>,
    slot: Option<&str>,
    holdout: bool,
) -> Followed {
    let category = &playbook.category;
    let set = connection.preference(category, device);
    let (chosen, fallback) = set.map_or(UNSET, |known| (known.strategy, known.fallback));
    if set.is_none() {
        return Followed { chosen, strategy: chosen, ask_once: false, missing: Some(Missing::Unset) };
    }
    let share = connection.share(category, device);
    let lacks = |strategy: Strategy| -> Option<Missing> {
        let Some(least) = playbook.strategies.share(strategy) else { return Some(Missing::NotOffered) };
        if share < least {
            return Some(Missing::Share);
        }
        if holdout && strategy.is_unasked() && strategy != Strategy::Automate {
            return Some(Missing::Holdout);
        }
        if strategy != Strategy::Automate {
            return None;
        }
        match connection.mandate_for(category, device, slot).map(|mandate| mandate.state) {
            Some(MandateState::Active) => None,
            Some(MandateState::Paused) => Some(Missing::MandatePaused),
            Some(MandateState::Suspended) => Some(Missing::MandateSuspended),
            Some(MandateState::Presented) => Some(Missing::MandateNotAgreed),
            Some(MandateState::Exhausted | MandateState::Expired | MandateState::Revoked) | None => {
                Some(Missing::NoMandate)
            }
        }
    };
    let Some(missing) = lacks(chosen) else {
        return Followed { chosen, strategy: chosen, ask_once: false, missing: None };
    };
    let instead = match fallback {
        Fallback::AskOnce | Fallback::Wait => Strategy::Wait,
        Fallback::Respond => Strategy::Respond,
        Fallback::Curate => Strategy::Curate,
    };
    // Never further than the customer asked us to come, and never what lacks something itself.
    let strategy = match instead.intrusion() <= chosen.intrusion() && lacks(instead).is_none() {
        true => instead,
        false => Strategy::Wait,
    };
    // A pause and a withdrawal are words of the customer's own: they are not asked about it.
    let said_so = matches!(missing, Missing::MandatePaused | Missing::Holdout | Missing::Share);
    let ask_once = fallback == Fallback::AskOnce && chosen == Strategy::Automate && !said_so;
    Followed { chosen, strategy, ask_once, missing: Some(missing) }
}

/// Whether it is quiet then, in a zone.
pub fn is_quiet(hours: &QuietHours, at: Time, time_zone: &str) -> bool {
    let (Some(from), Some(to)) = (clock(&hours.from), clock(&hours.to)) else { return false };
    let zone = model::time::zone_or_utc(time_zone);
    let now = at.to_timestamp().to_zoned(zone).time();
    if from <= to { from <= now && now < to } else { now >= from || now < to }
}

/// The first instant from `at` on at which it is not quiet.
pub fn quiet_until(hours: &QuietHours, at: Time, time_zone: &str) -> Time {
    if !is_quiet(hours, at, time_zone) {
        return at;
    }
    let Some(to) = clock(&hours.to) else { return at };
    let zone = model::time::zone_or_utc(time_zone);
    let now = at.to_timestamp().to_zoned(zone.clone());
    let day = if now.time() < to { now.date() } else { now.date().tomorrow().unwrap_or(now.date()) };
    day.to_datetime(to).to_zoned(zone).map_or(at, |end| Time::from_timestamp(end.timestamp()))
}

/// Reads `21:00`.
pub(crate) fn clock(text: &str) -> Option<civil::Time> {
    let (hour, minute) = text.split_once(':')?;
    civil::Time::new(hour.parse().ok()?, minute.parse().ok()?, 0, 0).ok()
}
