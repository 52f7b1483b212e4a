//! Whether operations can carry a campaign: many like orders over some days, beside what is asked for anyway.
//!
//! Demand is planned day by day and region by region in the order in which it would come, as many orders at a time as
//! go the same way, so that a hundred thousand orders cost little more than a hundred. What cannot be promised within
//! the time that is usual where it is to go counts as short. All of it is a pure function of the rules, a
//! [`Snapshot`] of supply and the campaign.

mod reserve;
mod search;
mod simulate;
mod snapshot;

use std::cell::RefCell;
use std::collections::BTreeMap;

use model::{Money, Need, Quantity, SupplyName, Time};

use super::{Binding, WantedLine};

pub use self::reserve::reservations;
pub use self::search::orders;
pub use self::snapshot::Snapshot;

/// Many like orders over some days.
#[derive(Clone, PartialEq, Debug)]
pub struct Campaign {
    /// The allocation class that its orders ask in.
    pub class: String,
    /// Of the zone in which days are meant.
    pub time_zone: String,
    /// What one order takes on average, at the campaign's prices.
    pub basket: Vec<WantedLine>,
    /// Where the orders go, with their shares of all orders.
    pub regions: Vec<(String, f64)>,
    /// The share of all orders that comes on each day.
    pub days: Vec<f64>,
    /// What is asked for beside it, every day.
    pub baseline: Vec<Usual>,
    /// Days beyond the usual time that its customers would wait.
    pub may_wait_days: u32,
}

/// What is asked for anyway.
#[derive(Clone, PartialEq, Debug)]
pub struct Usual {
    pub item_id: String,
    pub to: String,
    /// Units on one day.
    pub per_day: Quantity,
    /// Units in one order, on average.
    pub per_order: Quantity,
}

/// What a campaign is held against: the rules, and supply as it was at one moment.
pub struct Ground<'a> {
    rules: super::Rules,
    now: Time,
    supply: &'a Snapshot,
    /// Supply without end, with what can be made made, and the same with it lying there: what delivery takes when
    /// nothing stands in its way.
    free: [Snapshot; 2],
    /// What was found with it: the end of the day on which an order of a kind that is asked for at a time arrives.
    usual: RefCell<BTreeMap<(String, Time), Option<Time>>>,
}

/// What became of a campaign of one size.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Outcome {
    /// In orders.
    pub wanted: Quantity,
    pub promised: Quantity,
    /// What of the campaign could not be promised, by item, region and day.
    pub short: Vec<Shortfall>,
    /// The same of what is asked for anyway, campaign or not.
    pub usual_short: Quantity,
    /// What of the latter could be promised without the campaign, in units by item.
    pub displaced: BTreeMap<String, Quantity>,
    /// What the campaign's orders take of each stock and resource, by when.
    pub takes: BTreeMap<SupplyName, BTreeMap<Time, Quantity>>,
    /// The stocks and resources behind the names.
    pub of: BTreeMap<SupplyName, model::EntityId>,
    /// What it earns, by region.
    pub money: BTreeMap<String, Earned>,
}

/// What could not be promised.
#[derive(Clone, PartialEq, Debug)]
pub struct Shortfall {
    pub item_id: String,
    pub to: String,
    /// 0 for the first day.
    pub day: usize,
    /// In units.
    pub wanted: Quantity,
    pub short: Quantity,
    /// What stands in the way, what binds first.
    pub binding: Vec<Binding>,
}

/// Money of the orders that can be promised.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Earned {
    /// In orders.
    pub orders: Quantity,
    /// What customers pay. None where a price is not known, or they are in several currencies.
    pub revenue: Option<Money>,
    /// That, less the cost of the items and of their delivery: the contribution margin.
    pub margin: Option<Money>,
}

impl Outcome {
    /// Whether all of it can be promised, and nobody else goes without for it who would be served first.
    pub fn is_feasible(&self, before_others: bool) -> bool {
        self.promised >= self.wanted && (before_others || self.displaced.is_empty())
    }

    fn take(&mut self, needs: &[Need]) {
        for need in needs {
            let takes = self.takes.entry(need.name.clone()).or_default();
            *takes.entry(need.take.due()).or_default() += need.take.amount();
            self.of.insert(need.name.clone(), need.of);
        }
    }
}

impl Earned {
    fn add(&mut self, orders: Quantity, revenue: Option<Money>, margin: Option<Money>) {
        let first = !self.orders.is_positive();
        self.revenue = plus(self.revenue, revenue, first);
        self.margin = plus(self.margin, margin, first);
        self.orders += orders;
    }

    /// The margin as a share of what customers pay.
    pub fn share(&self) -> Option<f64> {
        let (revenue, margin) = (self.revenue?, self.margin?);
        (revenue.minor > 0).then(|| margin.minor as f64 / revenue.minor as f64)
    }

    /// Of several regions together; what is not known of one is not known of all.
    pub fn sum<'a>(parts: impl IntoIterator<Item = &'a Earned>) -> Earned {
        let mut all = Earned::default();
        for part in parts.into_iter().filter(|part| part.orders.is_positive()) {
            all.add(part.orders, part.revenue, part.margin);
        }
        all
    }
}

fn plus(one: Option<Money>, other: Option<Money>, first: bool) -> Option<Money> {
    if first {
        return other;
    }
    let (one, other) = (one?, other?);
    let minor = one.minor.checked_add(other.minor)?;
    (one.currency == other.currency).then_some(Money { minor, currency: one.currency })
}
