//! Each item at each place: its history, its supplier, where it stands, and what follows.

use std::collections::BTreeMap;

use engine::PlannedCampaign;
use engine::promising::Rules;
use engine::replenish::{Known, Proposal, propose};
use engine::supply::Stock;
use model::time::zone_or_utc;
use model::{CampaignLoad, Money, Quantity, SupplyName, Time};
use runtime::{FoldError, Node};
use serde_json::{Value, json};
use views::{DemandRow, Periods};

use super::Asked;
use crate::campaign::{active, stocks_of};
use crate::error::Failure;

const DAY_MICROS: i64 = 86_400_000_000;
const WEEK_MICROS: i64 = 7 * DAY_MICROS;
/// Weeks of history that a forecast looks back on.
const HISTORY_WEEKS: u32 = 104;
/// Taken where nothing is known of a supplier.
const LEAD_DAYS: f64 = 7.0;

/// An item with its stock at every place.
struct Item {
    item: model::Item,
    stocks: Vec<Stock>,
}

pub(super) fn plan(
    node: &Node,
    items: &[String],
    place: Option<&str>,
    asked: Asked,
) -> Result<Value, Failure> {
    let now = node.clock.now();
    let wanted = items.to_vec();
    let (rules, known) = node.ask(move |fold| -> Result<_, FoldError> {
        let mut known = Vec::new();
        for name in wanted {
            let stocks = stocks_of(fold, &name)?;
            let Some(id) = fold.supply(&SupplyName::Item(name))? else { continue };
            if let Some(item) = fold.entity(id)?.item().and_then(|known| known.item.clone()) {
                known.push(Item { item, stocks });
            }
        }
        Ok((fold.reference().promising.clone(), known))
    })??;
    let periods = Periods { now, micros: WEEK_MICROS, count: HISTORY_WEEKS };
    let mut demand: BTreeMap<String, Vec<DemandRow>> = BTreeMap::new();
    for row in node.reader()?.demand(Some(items), periods)? {
        demand.entry(row.item_id.clone()).or_default().push(row);
    }
    let campaigns = active(node, now)?;
    let mut rows = Vec::new();
    for Item { item, stocks } in &known {
        let history = demand.get(&item.item_id).map_or(&[][..], Vec::as_slice);
        let by_place = by_place(&rules, stocks, history);
        for stock in stocks.iter().filter(|stock| place.is_none_or(|place| stock.place == place)) {
            let weeks = by_place.get(stock.place.as_str()).map_or(&[][..], Vec::as_slice);
            rows.push(row(item, stock, weeks, &campaigns, &rules, asked, now));
        }
    }
    Ok(json!(rows))
}

/// Units of each week at each place, the oldest first. What was ordered from a region counts where it is reached from
/// soonest; where that is not known, at the place with most of it.
fn by_place<'s>(rules: &Rules, stocks: &'s [Stock], history: &[DemandRow]) -> BTreeMap<&'s str, Vec<f64>> {
    let Some(most) = stocks.iter().max_by_key(|stock| stock.on_hand) else { return BTreeMap::new() };
    // Before its first sale it was not there to be asked for.
    let weeks = history.iter().map(|row| row.ago as usize + 1).max().unwrap_or(1);
    let mut by_place: BTreeMap<&str, Vec<f64>> =
        stocks.iter().map(|stock| (stock.place.as_str(), vec![0.0; weeks])).collect();
    let mut reached: BTreeMap<&str, &str> = BTreeMap::new();
    for row in history {
        let place = *reached.entry(&row.region).or_insert_with(|| {
            let lanes = rules.lanes_to(&row.region, None).into_iter().filter_map(|lane| {
                let stock = stocks.iter().find(|stock| stock.place == lane.from)?;
                Some((lane.hours.quantile(0.5), stock.place.as_str()))
            });
            lanes.min_by(|a, b| a.0.total_cmp(&b.0)).map_or(most.place.as_str(), |(_, place)| place)
        });
        if let Some(weeks) = by_place.get_mut(place) {
            let week = weeks.len() - 1 - row.ago as usize;
            weeks[week] += row.units;
        }
    }
    by_place
}

fn row(
    item: &model::Item,
    stock: &Stock,
    history: &[f64],
    campaigns: &[PlannedCampaign],
    rules: &Rules,
    asked: Asked,
    now: Time,
) -> Value {
    let supplier = item.supplier.as_ref();
    let mut assumed = Vec::new();
    if supplier.is_none() {
        assumed.push("lead_days");
    }
    let lead_days = supplier.map_or(LEAD_DAYS, |supplier| supplier.lead_days);
    let money = |money: Option<Money>| {
        let money = money.filter(|money| item.cost.is_none_or(|cost| cost.currency == money.currency));
        money.map(|money| money.minor as f64 / 10_f64.powi(money.currency.exponent() as i32))
    };
    // A plan that ends before its first order comes says little.
    let weeks = (asked.weeks as usize).max((lead_days / 7.0).ceil() as usize + 1);
    let by_campaign: Vec<(&str, Vec<f64>)> = campaigns
        .iter()
        .map(|campaign| (campaign.plan.campaign.as_str(), expected_of(campaign, stock, weeks, now)))
        .filter(|(_, units)| units.iter().any(|units| *units > 0.0))
        .collect();
    let mut all = vec![0.0; weeks];
    for (_, units) in &by_campaign {
        all.iter_mut().zip(units).for_each(|(sum, units)| *sum += units);
    }
    let to_come: Quantity =
        stock.receipts.values().filter(|receipt| receipt.due >= now).map(|receipt| receipt.quantity).sum();
    let (held, committed) = stock.taken(now);
    let position = stock.on_hand + to_come - committed;
    let known = Known {
        history: if history.is_empty() { &[0.0] } else { history },
        lead_days,
        lead_days_sd: supplier.map_or(0.0, |supplier| supplier.lead_days_sd),
        order_cost: supplier.and_then(|supplier| money(supplier.order_cost)),
        unit_cost: money(item.cost),
        price: money(item.price),
        lot: supplier.and_then(|supplier| supplier.lot).map(Quantity::as_f64),
        shelf_life_days: item.shelf_life_hours.map(|hours| f64::from(hours) / 24.0),
        position: position.as_f64(),
        campaigns: &all,
        service: asked.service,
        holding_rate: asked.holding,
        weeks,
    };
    let zone = zone_or_utc(&rules.time_zone);
    let date = |in_days: f64| {
        let at = now.plus_micros((in_days * DAY_MICROS as f64) as i64);
        at.to_timestamp().to_zoned(zone.clone()).date().to_string()
    };
    let mut row = json!({
        "item_id": item.item_id,
        "name": item.name,
        "place": stock.place,
        "on_hand": stock.on_hand,
        "to_come": to_come,
        "held": held,
        "committed": committed,
        "position": position,
        "history_weeks": history.len(),
        "supplier": supplier.map(|supplier| &supplier.name),
        "lead_days": lead_days,
        "lead_days_sd": known.lead_days_sd,
        "order_cost": supplier.and_then(|supplier| supplier.order_cost),
        "lot": supplier.and_then(|supplier| supplier.lot),
        "currency": item.cost.or(item.price).map(|money| money.currency.code().to_owned()),
        "assumed": assumed,
        "campaigns": by_campaign
            .iter()
            .map(|(campaign, units)| json!({ "campaign": campaign, "weekly": units }))
            .collect::<Vec<_>>(),
    });
    match propose(&known) {
        Ok(proposal) => add(&mut row, &proposal, date),
        Err(error) => row["problem"] = json!(error.to_string()),
    }
    row
}

fn add(row: &mut Value, proposal: &Proposal, date: impl Fn(f64) -> String) {
    let orders: Vec<Value> = proposal
        .orders
        .iter()
        .map(|order| json!({ "quantity": order.quantity, "order_by": date(order.in_days) }))
        .collect();
    let now = proposal.orders.first().filter(|order| order.in_days < 1.0).map(|order| order.quantity);
    let count = proposal.forecast.len().max(1) as f64;
    let mean = |of: fn(&engine::replenish::Expected) -> Option<f64>| {
        proposal.forecast.iter().map(of).sum::<Option<f64>>().map(|sum| sum / count)
    };
    let more = json!({
        "method": proposal.method,
        "forecast": proposal.forecast,
        "week": {
            "mean": mean(|week| Some(week.mean)), "low": mean(|week| week.low), "high": mean(|week| week.high),
        },
        "protection_days": proposal.protection_days,
        "protection": proposal.protection,
        "policy": proposal.policy,
        "order_point": proposal.order_point,
        "safety_stock": proposal.safety_stock,
        "campaign_units": proposal.campaigns,
        "order_now": now.unwrap_or(0.0),
        "orders": orders,
        "reason": proposal.reason.name(),
        "expected_service": proposal.expected_service,
        "expected_fill": proposal.expected_fill,
        "weekly_cost": proposal.weekly_cost,
    });
    if let (Some(row), Value::Object(more)) = (row.as_object_mut(), more) {
        row.extend(more);
    }
}

/// What a campaign is expected to take of a stock in each of the coming weeks, less what its orders took already.
fn expected_of(campaign: &PlannedCampaign, stock: &Stock, weeks: usize, now: Time) -> Vec<f64> {
    let is_of = |load: &&CampaignLoad| matches!(&load.of, SupplyName::Stock { item, place } if *item == stock.item && *place == stock.place);
    let mut units = vec![0.0; weeks];
    for load in campaign.plan.loads.iter().filter(is_of) {
        let days = load.at.since(now);
        // What was expected of earlier days is not asked for any more.
        if days > -DAY_MICROS
            && let Some(week) = units.get_mut((days.max(0) / WEEK_MICROS) as usize)
        {
            *week += load.likely.as_f64();
        }
    }
    let held = stock.ledger.living(now, None);
    let taken = held.filter(|(_, held)| held.is_committed() && held.take.class() == campaign.plan.class);
    let mut taken: f64 = taken.map(|(_, held)| held.left().as_f64()).sum();
    for week in &mut units {
        let part = taken.min(*week);
        *week -= part;
        taken -= part;
    }
    units
}
