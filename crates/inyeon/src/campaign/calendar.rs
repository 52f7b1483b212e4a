//! Campaigns beside each other: what they are expected to take on each day of what there is.

use std::collections::{BTreeMap, BTreeSet};

use engine::supply::{Resource, Stock};
use jiff::ToSpan;
use jiff::civil::Date;
use model::time::{Zone, end_of_day, zone_or_utc};
use model::{CampaignPlan, EntityId, Quantity, SupplyName, Time};
use runtime::{Fold, FoldError, Node};
use serde_json::{Value, json};

use super::{active, state};
use crate::error::Failure;

const WEEKS_MAX: u32 = 52;

/// What the days are about: all stock of an item, or a resource.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Of {
    Item(String),
    Resource(String),
}

#[derive(Default)]
struct Supply {
    items: BTreeMap<String, Vec<Stock>>,
    resources: BTreeMap<String, Resource>,
}

/// One campaign's part of a day.
struct Part<'c> {
    campaign: &'c str,
    reserved: Quantity,
    taken: Quantity,
    low: Quantity,
    likely: Quantity,
    high: Quantity,
}

struct Day<'c> {
    of: &'c Of,
    date: Date,
    /// Of stock, what is there and will have come; of a resource, what it can take on that day.
    there: Quantity,
    /// Promised to others than the campaigns; of stock, by the end of that day.
    committed: Quantity,
    parts: Vec<Part<'c>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mark {
    Fits,
    /// It does not if all that may come comes.
    Tight,
    /// What one campaign is expected to take is not there.
    Short,
    /// Each might have it, and not all of them.
    Clash,
}

impl Mark {
    fn name(self) -> &'static str {
        match self {
            Mark::Fits => "fits",
            Mark::Tight => "tight",
            Mark::Short => "short",
            Mark::Clash => "clash",
        }
    }
}

impl Part<'_> {
    /// What is expected of it, of which some is taken already.
    fn likely(&self) -> Quantity {
        self.likely.max(self.taken)
    }
}

impl Day<'_> {
    fn sum(&self, of: impl Fn(&Part<'_>) -> Quantity) -> Quantity {
        self.parts.iter().map(of).sum()
    }

    /// What is expected beyond what is there.
    fn lacking(&self) -> Quantity {
        self.committed + self.sum(|part| part.likely()) - self.there
    }

    fn mark(&self) -> Mark {
        let free = self.there - self.committed;
        if self.lacking().is_positive() {
            let alone = self.parts.iter().any(|part| part.likely() > free);
            return if self.parts.len() > 1 && !alone { Mark::Clash } else { Mark::Short };
        }
        match self.sum(|part| part.high.max(part.taken)) > free {
            true => Mark::Tight,
            false => Mark::Fits,
        }
    }

    fn json(&self) -> Value {
        let (kind, name) = match self.of {
            Of::Item(name) => ("item_id", name),
            Of::Resource(name) => ("resource", name),
        };
        let parts = self.parts.iter().map(|part| {
            json!({
                "campaign": part.campaign, "reserved": part.reserved, "taken": part.taken,
                "low": part.low, "likely": part.likely, "high": part.high,
            })
        });
        json!({
            "date": self.date.to_string(),
            kind: name,
            "there": self.there,
            "committed": self.committed,
            "reserved": self.sum(|part| part.reserved),
            "expected": {
                "low": self.sum(|part| part.low),
                "likely": self.sum(|part| part.likely),
                "high": self.sum(|part| part.high),
            },
            "campaigns": parts.collect::<Vec<_>>(),
            "mark": self.mark().name(),
        })
    }
}

pub(super) fn show(node: &Node, weeks: u32) -> Result<Value, Failure> {
    node.drain()?;
    let now = node.clock.now();
    let zone_name = node.ask(|fold| fold.reference().promising.time_zone.clone())?;
    let zone = zone_or_utc(&zone_name);
    let campaigns = active(node, now)?;
    let shown: Vec<Value> = campaigns
        .iter()
        .map(|campaign| {
            let verdict: Value = serde_json::from_str(&campaign.plan.verdict).unwrap_or_default();
            json!({
                "campaign": campaign.plan.campaign, "state": state(campaign, now),
                "verdict": verdict["verdict"], "from": verdict["from"], "until": verdict["until"],
            })
        })
        .collect();
    let plans: Vec<CampaignPlan> = campaigns.into_iter().map(|campaign| campaign.plan).collect();
    let supply = supply_of(node, &plans)?;
    let weeks = weeks.clamp(1, WEEKS_MAX);
    let all = names(&plans);
    let days = days(&all, &plans, &supply, &zone, now, weeks as usize * 7);
    Ok(json!({
        "weeks": weeks,
        "time_zone": zone_name,
        "campaigns": shown,
        "days": days.iter().map(Day::json).collect::<Vec<_>>(),
        "clashes": clashes(&days),
    }))
}

/// Where a campaign that is being checked and others stand in each other's way.
pub(super) fn clashes_of(
    node: &Node,
    plan: &CampaignPlan,
    others: Vec<CampaignPlan>,
    zone: &Zone,
    now: Time,
) -> Result<Vec<Value>, Failure> {
    let mut plans = others;
    plans.push(plan.clone());
    let supply = supply_of(node, &plans)?;
    let until = plan.loads.iter().map(|load| load.at).max().unwrap_or(now);
    let count = until.since(now).max(0) / 86_400_000_000 + 2;
    let all = names(&plans);
    let mut days = days(&all, &plans, &supply, zone, now, count as usize);
    days.retain(|day| day.parts.iter().any(|part| part.campaign == plan.campaign));
    Ok(clashes(&days))
}

fn names(plans: &[CampaignPlan]) -> BTreeSet<Of> {
    let loads = plans.iter().flat_map(|plan| &plan.loads);
    loads
        .filter_map(|load| match &load.of {
            SupplyName::Stock { item, .. } => Some(Of::Item(item.clone())),
            SupplyName::Resource(name) => Some(Of::Resource(name.clone())),
            SupplyName::Item(_) => None,
        })
        .collect()
}

fn supply_of(node: &Node, plans: &[CampaignPlan]) -> Result<Supply, Failure> {
    let names = names(plans);
    Ok(node.ask(move |fold| -> Result<Supply, FoldError> {
        let mut supply = Supply::default();
        for of in names {
            match of {
                Of::Item(name) => {
                    let stocks = stocks_of(fold, &name)?;
                    supply.items.insert(name, stocks);
                }
                Of::Resource(name) => {
                    let id = fold.supply(&SupplyName::Resource(name.clone()))?;
                    let Some(id) = id else { continue };
                    if let Some(resource) = fold.entity(id)?.resource() {
                        supply.resources.insert(name, resource.clone());
                    }
                }
            }
        }
        Ok(supply)
    })??)
}

/// The stock of an item at every place.
pub(crate) fn stocks_of(fold: &mut Fold, item: &str) -> Result<Vec<Stock>, FoldError> {
    let Some(id) = fold.supply(&SupplyName::Item(item.to_owned()))? else { return Ok(Vec::new()) };
    let kept: Vec<EntityId> =
        fold.entity(id)?.item().map(|item| item.kept_at.values().copied().collect()).unwrap_or_default();
    let mut stocks = Vec::new();
    for id in kept {
        stocks.extend(fold.entity(id)?.stock().cloned());
    }
    Ok(stocks)
}

fn days<'c>(
    names: &'c BTreeSet<Of>,
    plans: &'c [CampaignPlan],
    supply: &Supply,
    zone: &Zone,
    now: Time,
    count: usize,
) -> Vec<Day<'c>> {
    let today = now.to_timestamp().to_zoned(zone.clone()).date();
    let mut days = Vec::new();
    for n in 0..count {
        let Ok(date) = today.checked_add((n as i64).days()) else { break };
        let Ok(midnight) = date.to_zoned(zone.clone()) else { break };
        let begins = Time::from_timestamp(midnight.timestamp());
        let span = (begins, end_of_day(begins, zone));
        for of in names {
            let day = match of {
                Of::Item(name) => of_item(of, name, date, span, plans, supply, now, zone),
                Of::Resource(name) => of_resource(of, name, date, span, plans, supply, now),
            };
            days.extend(day.filter(|day| !day.parts.is_empty()));
        }
    }
    days
}

type Span = (Time, Time);

/// Stock is one pool that everything comes out of: the day shows what will have come and gone by its end.
#[allow(clippy::too_many_arguments, reason = "one day of one item, from everything that bears on it")]
fn of_item<'c>(
    of: &'c Of,
    name: &str,
    date: Date,
    (begins, ends): Span,
    plans: &'c [CampaignPlan],
    supply: &Supply,
    now: Time,
    zone: &Zone,
) -> Option<Day<'c>> {
    let stocks = supply.items.get(name)?;
    let classes: BTreeSet<&str> = plans.iter().map(|plan| plan.class.as_str()).collect();
    let (mut there, mut committed) = (Quantity::ZERO, Quantity::ZERO);
    let mut taken: BTreeMap<&str, Quantity> = BTreeMap::new();
    for stock in stocks {
        there += stock.on_hand;
        let receipts = stock.receipts.values().filter(|receipt| receipt.due >= now && receipt.due <= ends);
        there += receipts.map(|receipt| receipt.quantity).sum();
        for (_, held) in stock.ledger.living(now, None).filter(|(_, held)| held.take.due() <= ends) {
            match classes.get(held.take.class()) {
                Some(class) => *taken.entry(class).or_default() += held.left(),
                None => committed += held.left(),
            }
        }
    }
    let is_of = |load: &SupplyName| matches!(load, SupplyName::Stock { item, .. } if item == name);
    let today = end_of_day(now, zone);
    let part = |plan: &'c CampaignPlan| {
        // What was expected of earlier days has left by now, or will not be asked for any more.
        let loads = || plan.loads.iter().filter(|load| is_of(&load.of) && load.at <= ends);
        if !loads().any(|load| load.at >= begins) {
            return None;
        }
        let left = || loads().filter(|load| end_of_day(load.at, zone) >= today);
        let reserved = plan.reserved.iter().filter(|part| is_of(&part.name));
        let reserved = reserved.filter(|part| part.from <= ends && part.until > begins);
        Some(Part {
            campaign: &plan.campaign,
            reserved: reserved.map(|part| part.quantity).sum(),
            taken: taken.get(plan.class.as_str()).copied().unwrap_or_default(),
            low: left().map(|load| load.low).sum(),
            likely: left().map(|load| load.likely).sum(),
            high: left().map(|load| load.high).sum(),
        })
    };
    Some(Day { of, date, there, committed, parts: plans.iter().filter_map(part).collect() })
}

fn of_resource<'c>(
    of: &'c Of,
    name: &str,
    date: Date,
    (begins, ends): Span,
    plans: &'c [CampaignPlan],
    supply: &Supply,
    now: Time,
) -> Option<Day<'c>> {
    let resource = supply.resources.get(name)?;
    let classes: BTreeSet<&str> = plans.iter().map(|plan| plan.class.as_str()).collect();
    let (mut there, mut committed) = (Quantity::ZERO, Quantity::ZERO);
    let mut taken: BTreeMap<&str, Quantity> = BTreeMap::new();
    let mut slots = Vec::new();
    for slot in resource.slots(begins, ends).filter(|slot| slot.start >= begins) {
        there += resource.capacity(&slot);
        for (_, held) in resource.ledger.living(now, None).filter(|(_, held)| held.take.due() == slot.start) {
            match classes.get(held.take.class()) {
                Some(class) => *taken.entry(class).or_default() += held.left(),
                None => committed += held.left(),
            }
        }
        slots.push(slot);
    }
    let is_of = |load: &SupplyName| matches!(load, SupplyName::Resource(known) if known == name);
    let part = |plan: &'c CampaignPlan| {
        let loads =
            || plan.loads.iter().filter(|load| is_of(&load.of) && load.at >= begins && load.at <= ends);
        loads().next()?;
        let reserved = plan.reserved.iter().filter(|part| is_of(&part.name)).map(|part| {
            let covered = slots.iter().filter(|slot| part.from < slot.end && slot.start < part.until);
            covered.map(|_| part.quantity).sum::<Quantity>()
        });
        Some(Part {
            campaign: &plan.campaign,
            reserved: reserved.sum(),
            taken: taken.get(plan.class.as_str()).copied().unwrap_or_default(),
            low: loads().map(|load| load.low).sum(),
            likely: loads().map(|load| load.likely).sum(),
            high: loads().map(|load| load.high).sum(),
        })
    };
    Some(Day { of, date, there, committed, parts: plans.iter().filter_map(part).collect() })
}

/// Days on which campaigns clash, or one cannot have what it is expected to take, those of one thing together.
fn clashes(days: &[Day<'_>]) -> Vec<Value> {
    struct Run<'d> {
        from: Date,
        until: Date,
        campaigns: BTreeSet<&'d str>,
        lacking: Quantity,
        mark: Mark,
    }
    let mut runs: BTreeMap<&Of, Run<'_>> = BTreeMap::new();
    for day in days {
        let mark = day.mark();
        if !matches!(mark, Mark::Clash | Mark::Short) {
            continue;
        }
        let run = runs.entry(day.of).or_insert_with(|| Run {
            from: day.date,
            until: day.date,
            campaigns: BTreeSet::new(),
            lacking: Quantity::ZERO,
            mark,
        });
        run.until = day.date;
        run.campaigns.extend(day.parts.iter().map(|part| part.campaign));
        run.lacking = run.lacking.max(day.lacking());
        if mark == Mark::Clash {
            run.mark = mark;
        }
    }
    let row = |(of, run): (&Of, Run<'_>)| {
        let (kind, name) = match of {
            Of::Item(name) => ("item_id", name),
            Of::Resource(name) => ("resource", name),
        };
        json!({
            kind: name, "from": run.from.to_string(), "until": run.until.to_string(), "mark": run.mark.name(),
            "campaigns": run.campaigns, "lacking": run.lacking,
        })
    };
    runs.into_iter().map(row).collect()
}
