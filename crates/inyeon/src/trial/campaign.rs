//! The campaign's arms: what the check says of it before it begins.

use std::collections::BTreeMap;

use engine::promising::campaign::{Campaign as Asked, Ground, Snapshot, Usual, orders};
use engine::promising::{Inquiry, Rules, WantedLine};
use model::{Quantity, Time};
use world::depot::{Campaign, STANDARD, TIME_ZONE};

use super::counter::Counter;
use super::counter::{DAY, HOUR};
use super::figures::Forecast;
use super::rules::SERVICE_TARGET;
use crate::error::Failure;
use crate::in_memory::other;

/// An order of noon is usually there at the end of so many days after it, by the lanes that customers are offered.
const USUAL_DAYS: u32 = 1;

/// What was asked for on past days, by item and region: orders, and units.
pub(super) type Asks = BTreeMap<(String, String), (u32, u32)>;

impl Counter {
    /// Holds a campaign against operations as they are now: how much of it can be promised, and how much of it could
    /// be asked for at most, beside what was asked for on the days so far.
    pub(super) fn check(&mut self, campaign: &Campaign) -> Result<Forecast, Failure> {
        let (now, days, asks) = (self.now(), campaign.from_day, &self.asks().clone());
        let regions = shares(asks);
        let wish = |item: &str, to: &str| Inquiry {
            lines: vec![WantedLine { item_id: item.to_owned(), quantity: Quantity::ONE, price: None }],
            to: to.to_owned(),
            class: String::new(),
            priority: 0,
            wanted: None,
            together: true,
            partial: false,
            service: Some(STANDARD.to_owned()),
            time_zone: None,
            target: None,
        };
        let items = asks.keys().map(|(item, to)| wish(item, to)).collect::<Vec<_>>();
        let taken = |rules: &Rules, supplies: &engine::promising::Supplies<'_>| {
            (standard(rules), Snapshot::of(supplies, now))
        };
        let (rules, supply) = self.fold().with_supplies(&items, taken).map_err(other)?;
        let ground = Ground::new(&rules, &supply, now);
        let usual = asks.iter().map(|((item, to), (orders, units))| Usual {
            item_id: item.clone(),
            to: to.clone(),
            per_day: share(*units, days),
            per_order: share(*units, *orders),
        });
        let asked = Asked {
            class: String::new(),
            time_zone: TIME_ZONE.to_owned(),
            basket: vec![WantedLine { item_id: campaign.item.clone(), quantity: Quantity::ONE, price: None }],
            regions,
            days: vec![1.0 / f64::from(campaign.days.max(1)); campaign.days as usize],
            baseline: usual.collect(),
            may_wait_days: campaign.within_days.saturating_sub(USUAL_DAYS),
        };
        // Asked for in the middle of each day, as `campaign check` plans them.
        let begins = self.start().plus_micros(i64::from(campaign.from_day) * DAY);
        let noon = |day: u32| begins.plus_micros(i64::from(day) * DAY + 12 * HOUR);
        let window: Vec<Time> = (0..campaign.days).map(noon).collect();
        let size = Quantity::from_f64(campaign.size).unwrap_or(Quantity::MAX);
        let outcome = ground.simulate(&asked, &window, size);
        let audience = campaign.size.ceil() as u64;
        let largest = ground.largest(&asked, &window, audience, 1.0).unwrap_or(audience);
        Ok(Forecast {
            wanted: outcome.wanted.as_f64(),
            promised: outcome.promised.as_f64(),
            allowed: orders(largest, 1.0).as_f64(),
            kept_if_booked: SERVICE_TARGET,
        })
    }
}

/// The lanes that customers are offered.
fn standard(rules: &Rules) -> Rules {
    let mut rules = rules.clone();
    rules.lanes.retain(|lane| lane.service == STANDARD);
    rules
}

fn share(units: u32, of: u32) -> Quantity {
    Quantity::from_f64(f64::from(units) / f64::from(of.max(1))).unwrap_or_default()
}

/// Where orders go, with their shares.
fn shares(asks: &Asks) -> Vec<(String, f64)> {
    let mut orders: BTreeMap<&str, u32> = BTreeMap::new();
    for ((_, to), (count, _)) in asks {
        *orders.entry(to).or_default() += count;
    }
    let all: u32 = orders.values().sum();
    orders.into_iter().map(|(to, count)| (to.to_owned(), f64::from(count) / f64::from(all.max(1)))).collect()
}
