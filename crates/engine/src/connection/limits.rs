//! What a mandate allows. Plain arithmetic on integers and calendars; asked when an order is proposed, and again in the
//! entry that starts its first effect.

use jiff::civil;
use model::connection::{MandateState, MandateTerms, Period};
use model::{Money, Quantity, Time};
use serde::{Deserialize, Serialize};

use super::MandateRecord;

/// Why a mandate does not allow something.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "block", rename_all = "snake_case")]
pub enum Block {
    NotActive {
        state: MandateState,
    },
    NotYetValid,
    Over,
    Item,
    Quantity,
    /// Another currency than was agreed.
    Currency,
    /// One order costs more than was agreed.
    Each,
    /// Dearer than the price rule allows: the customer has to agree anew.
    PriceRise {
        agreed: Money,
        now: Money,
    },
    /// The limit of a period would be passed.
    Limit {
        period: Period,
    },
    /// No price is known, so nobody can say what it would cost.
    NoPrice,
}

impl Block {
    pub fn code(&self) -> &'static str {
        match self {
            Block::NotActive { state } => match state {
                MandateState::Presented => "mandate_not_agreed",
                MandateState::Paused => "mandate_paused",
                MandateState::Suspended => "mandate_suspended",
                MandateState::Exhausted => "mandate_exhausted",
                MandateState::Expired => "mandate_expired",
                MandateState::Revoked => "mandate_revoked",
                MandateState::Active => "mandate_active",
            },
            Block::NotYetValid => "mandate_not_yet_valid",
            Block::Over => "mandate_over",
            Block::Item => "item_not_agreed",
            Block::Quantity => "quantity_over_limit",
            Block::Currency => "other_currency",
            Block::Each => "order_over_limit",
            Block::PriceRise { .. } => "price_rise",
            Block::Limit { .. } => "period_over_limit",
            Block::NoPrice => "no_price",
        }
    }
}

/// Whether an order may be placed under a mandate at `now`: `None` where it may. What the order itself has debited
/// already (`action_id`) is not counted twice.
pub fn check_limits(
    record: &MandateRecord,
    action_id: &str,
    item_id: &str,
    quantity: Quantity,
    total: Option<Money>,
    now: Time,
) -> Option<Block> {
    let terms = &record.terms;
    if record.state != MandateState::Active {
        return Some(Block::NotActive { state: record.state });
    }
    if now < terms.valid_from {
        return Some(Block::NotYetValid);
    }
    if terms.valid_to.is_some_and(|end| end <= now) {
        return Some(Block::Over);
    }
    if !terms.items.iter().any(|item| item == item_id) {
        return Some(Block::Item);
    }
    if quantity > terms.max_quantity || !quantity.is_positive() {
        return Some(Block::Quantity);
    }
    let Some(total) = total else { return Some(Block::NoPrice) };
    if total.currency != terms.max_each.currency || total.minor < 0 {
        return Some(Block::Currency);
    }
    if total.minor > terms.max_each.minor {
        return Some(Block::Each);
    }
    if let Some(rule) = &terms.price {
        let agreed = Money { minor: rule.highest(), currency: rule.reference.currency };
        // For so many units: exact, as quantities are thousandths.
        let most = i128::from(agreed.minor) * i128::from(quantity.0);
        if agreed.currency != total.currency || i128::from(total.minor) * 1_000 > most {
            return Some(Block::PriceRise { agreed, now: total });
        }
    }
    for limit in &terms.limits {
        let start = period_start(limit.period, now, &terms.time_zone);
        let spent = record
            .spends
            .iter()
            .filter(|spend| !spend.back && spend.at >= start && spend.action_id != action_id);
        let (mut amount, mut orders) = (i128::from(total.minor), 1_u64);
        for spend in spent {
            // What was spent in another currency cannot be added, and so leaves no room.
            if spend.amount.currency != total.currency {
                return Some(Block::Currency);
            }
            amount += i128::from(spend.amount.minor);
            orders += 1;
        }
        let over_amount = limit
            .amount
            .is_some_and(|most| most.currency != total.currency || amount > i128::from(most.minor));
        if over_amount || limit.orders.is_some_and(|most| orders > u64::from(most)) {
            return Some(Block::Limit { period: limit.period });
        }
    }
    None
}

/// When the period that `now` is in began, by the calendar of the zone: at the first instant of its first day, which
/// is not midnight where the clocks were put forward over it.
pub fn period_start(period: Period, now: Time, time_zone: &str) -> Time {
    let zone = model::time::zone_or_utc(time_zone);
    let today = now.to_timestamp().to_zoned(zone.clone()).date();
    let first = match period {
        Period::RollingDays(days) => return now.plus_micros(-i64::from(days) * 86_400_000_000),
        Period::Day => today,
        Period::Week => {
            let since_monday = i64::from(today.weekday().to_monday_zero_offset());
            today.checked_sub(jiff::Span::new().days(since_monday)).unwrap_or(today)
        }
        Period::Month => today.first_of_month(),
        Period::Year => civil::Date::new(today.year(), 1, 1).unwrap_or(today),
    };
    first.to_zoned(zone).map_or(now, |start| Time::from_timestamp(start.timestamp()))
}

/// Whether new terms let the company do anything that the old did not. Where it cannot be told, they do.
pub fn wider(old: &MandateTerms, new: &MandateTerms) -> bool {
    let more = |old: Money, new: Money| old.currency != new.currency || new.minor > old.minor;
    let scope = (new.device_id != old.device_id && old.device_id.is_some())
        || (new.slot != old.slot && old.slot.is_some())
        || new.category != old.category
        || new.payee != old.payee
        || new.items.iter().any(|item| !old.items.contains(item));
    let limits_wider = old.limits.iter().any(|limit| {
        !new.limits.iter().any(|new| {
            let amount = match (limit.amount, new.amount) {
                (None, _) => true,
                (Some(old), Some(new)) => !more(old, new),
                (Some(_), None) => false,
            };
            let orders = match (limit.orders, new.orders) {
                (None, _) => true,
                (Some(old), Some(new)) => new <= old,
                (Some(_), None) => false,
            };
            new.period == limit.period && amount && orders
        })
    });
    let price = match (&old.price, &new.price) {
        (None, _) => false,
        (Some(_), None) => true,
        (Some(old), Some(new)) => {
            old.reference.currency != new.reference.currency || new.highest() > old.highest()
        }
    };
    let later = |old: Option<Time>, new: Option<Time>| match (old, new) {
        (None, _) => false,
        (Some(_), None) => true,
        (Some(old), Some(new)) => new > old,
    };
    let dormancy = match (old.dormancy_days, new.dormancy_days) {
        (None, _) => false,
        (Some(_), None) => true,
        (Some(old), Some(new)) => new > old,
    };
    scope
        || limits_wider
        || price
        || dormancy
        || later(old.valid_to, new.valid_to)
        || new.valid_from < old.valid_from
        || new.max_quantity > old.max_quantity
        || more(old.max_each, new.max_each)
        || new.notice_hours < old.notice_hours
        || new.time_zone != old.time_zone
}
