//! A brief held against supply.

use std::collections::{BTreeMap, BTreeSet};

use engine::promising::campaign::{Campaign, Earned, Ground, Outcome, Shortfall, Snapshot, Usual, orders};
use engine::promising::{Binding, Inquiry, Rules, WantedLine};
use jiff::ToSpan;
use jiff::civil::Date;
use model::time::{Zone, end_of_day, zone_or_utc};
use model::{CampaignLoad, CampaignPlan, Money, Quantity, SupplyName, Time};
use runtime::Node;
use serde_json::{Value, json};

use super::brief::{Baseline, Brief, DAYS_MAX, KnownBaseline, days_between};
use super::{active, calendar, history, keep, planned};
use crate::error::{Failure, Kind};
use crate::promising::shape::Constraint;

/// What a brief is held against, gathered at one moment.
struct Held {
    brief: Brief,
    rules: Rules,
    now: Time,
    zone_name: String,
    zone: Zone,
    /// With the days that are left of it.
    campaign: Campaign,
    snapshot: Snapshot,
    /// The first day that is left.
    first: Date,
}

pub(super) fn check(node: &Node, brief: &str, plan: bool, reserve: bool) -> Result<Value, Failure> {
    let held = gather(node, Brief::from_json(brief)?)?;
    let ground = Ground::new(&held.rules, &held.snapshot, held.now);
    let window = held.noons(held.campaign.days.len());
    let people = held.brief.audience();
    let uplift = held.brief.uplift;
    let size = |uplift: f64| {
        let wanted = orders(people, uplift);
        (ground.simulate(&held.campaign, &window, wanted), ground.load(&held.campaign, &window, wanted))
    };
    let [low, likely, high] = [uplift.low, uplift.likely, uplift.high].map(size);
    let first = ground.goes_first(&held.campaign);
    let fits = |outcome: &Outcome| outcome.is_feasible(first);
    let largest = |uplift: f64| ground.largest(&held.campaign, &window, people, uplift);
    // What cannot be sold is priced as if it could.
    let money = if likely.0.promised.is_positive() { &likely.0.money } else { &likely.1.money };
    let below = below_floor(&held.rules, money);
    let verdict = match (fits(&likely.0), fits(&high.0)) {
        _ if !below.is_empty() => "below_margin",
        (true, true) => "feasible",
        (true, false) => "at_risk",
        (false, _) => "infeasible",
    };
    let begun = held.first > held.brief.from;
    let earliest = match fits(&likely.0) || begun {
        true => None,
        false => held.earliest(&ground, orders(people, uplift.likely)),
    };
    let short_at = if fits(&likely.0) { &high.0 } else { &likely.0 };
    let loads = loads([&low.1, &likely.1, &high.1]);
    let mut answer = json!({
        "campaign": held.brief.campaign,
        "class": held.campaign.class,
        "checked_at": held.now.to_string(),
        "from": held.brief.from.to_string(),
        "until": held.brief.until.to_string(),
        "days_left": held.campaign.days.len(),
        "time_zone": held.zone_name,
        "verdict": verdict,
        "audience": people,
        "orders": { "low": low.0.wanted, "likely": likely.0.wanted, "high": high.0.wanted },
        "promised": { "low": low.0.promised, "likely": likely.0.promised, "high": high.0.promised },
        "feasible": { "low": fits(&low.0), "likely": fits(&likely.0), "high": fits(&high.0) },
        "short_at": if fits(&likely.0) { "high" } else { "likely" },
        "short": short_at.short.iter().map(|short| held.short_json(short)).collect::<Vec<_>>(),
        "displaced": short_at.displaced,
        "goes_first": first,
        "largest_audience": { "likely": largest(uplift.likely), "high": largest(uplift.high) },
        "earliest_start": earliest.map(|date| date.to_string()),
        "margin": held.margin_json(money, &below),
        "demand": demand_json(&held, &loads),
        "baseline": baseline_json(&held.campaign.baseline),
    });
    let plan_of = CampaignPlan {
        campaign: held.brief.campaign.clone(),
        class: held.campaign.class.clone(),
        brief: held.brief.to_json(),
        verdict: String::new(),
        from: held.begin_of(held.brief.from),
        until: held.begin_of(next(held.brief.until)),
        time_zone: held.zone_name.clone(),
        loads,
        reserved: Vec::new(),
    };
    let others = active(node, held.now)?.into_iter().map(|campaign| campaign.plan);
    let others: Vec<CampaignPlan> = others.filter(|plan| plan.campaign != plan_of.campaign).collect();
    let clashes = calendar::clashes_of(node, &plan_of, others, &held.zone, held.now)?;
    answer["clashes"] = json!(clashes);
    answer["since"] = since(node, &held.brief.campaign, &answer)?;
    let passes = matches!(verdict, "feasible" | "at_risk");
    if reserve && passes {
        let (class, zone, until) = (&plan_of.class, &held.zone_name, plan_of.until);
        let (id, taken) = (&plan_of.campaign, &likely.0);
        let reserved = engine::promising::campaign::reservations(&ground, taken, id, class, zone, until);
        let plan = CampaignPlan { verdict: answer.to_string(), reserved, ..plan_of };
        answer["kept"] = keep::keep(node, plan, true)?;
    } else if plan {
        let plan = CampaignPlan { verdict: answer.to_string(), ..plan_of };
        answer["kept"] = keep::keep(node, plan, false)?;
    }
    Ok(answer)
}

fn next(date: Date) -> Date {
    date.tomorrow().unwrap_or(date)
}

fn gather(node: &Node, brief: Brief) -> Result<Held, Failure> {
    node.drain()?;
    let now = node.clock.now();
    let rules = node.ask(|fold| fold.reference().promising.clone())?;
    let zone_name = brief.time_zone.clone().unwrap_or_else(|| rules.time_zone.clone());
    let zone = zone_or_utc(&zone_name);
    let today = now.to_timestamp().to_zoned(zone.clone()).date();
    if brief.until < today {
        let failure = Failure::new(Kind::Usage, "campaign-over").with("until", brief.until);
        return Err(failure.with("today", today));
    }
    if days_between(today, brief.until) > DAYS_MAX {
        let failure = Failure::new(Kind::Usage, "campaign-far").with("until", brief.until);
        return Err(failure.with("days", DAYS_MAX));
    }
    let items: Vec<String> = brief.items.iter().map(|item| item.item_id.clone()).collect();
    let baseline = match &brief.baseline {
        Baseline::Known(KnownBaseline::History) => history::usual(node, &items, now)?,
        Baseline::Known(KnownBaseline::None) => Vec::new(),
        Baseline::Stated(rows) => {
            let usual = |row: &super::brief::StatedBaseline| Usual {
                item_id: row.item_id.clone(),
                to: row.to.clone(),
                per_day: row.per_day,
                per_order: Quantity::ONE,
            };
            rows.iter().map(usual).collect()
        }
    };
    let mut wanted: BTreeSet<&str> = items.iter().map(String::as_str).collect();
    wanted.extend(baseline.iter().map(|usual| usual.item_id.as_str()));
    let lines = wanted.into_iter().map(|item| WantedLine {
        item_id: item.to_owned(),
        quantity: Quantity::ONE,
        price: None,
    });
    let lines: Vec<WantedLine> = lines.collect();
    let shares = brief.shares();
    let mut regions = history::regions(&baseline);
    regions.extend(shares.iter().map(|(to, _)| to.clone()));
    let inquiries: Vec<Inquiry> = regions.into_iter().map(|to| inquiry(lines.clone(), to)).collect();
    let snapshot = node.ask(move |fold| {
        fold.with_supplies(&inquiries, |rules, supplies| {
            Snapshot::of(supplies, now).with_parcels(rules.places.keys().cloned())
        })
    })??;
    let basket = brief.items.iter().map(|item| WantedLine {
        item_id: item.item_id.clone(),
        quantity: item.quantity,
        price: snapshot.item(&item.item_id).and_then(|known| known.price).map(|price| {
            let minor = (price.minor as f64 * (1.0 - item.discount)).round() as i64;
            Money { minor, currency: price.currency }
        }),
    });
    let basket: Vec<WantedLine> = basket.collect();
    let first = brief.from.max(today);
    // Once it has begun, what its orders took is not in the days that are left.
    let snapshot = if first == brief.from { snapshot.without_class(&brief.class()) } else { snapshot };
    let over = usize::try_from(days_between(brief.from, first)).unwrap_or(0);
    let campaign = Campaign {
        class: brief.class(),
        time_zone: zone_name.clone(),
        basket,
        regions: shares,
        days: brief.by_day().split_off(over),
        baseline,
        may_wait_days: brief.may_wait_days,
    };
    Ok(Held { brief, rules, now, zone_name, zone, campaign, snapshot, first })
}

fn inquiry(lines: Vec<WantedLine>, to: String) -> Inquiry {
    Inquiry {
        lines,
        to,
        class: String::new(),
        priority: 0,
        wanted: None,
        together: false,
        partial: false,
        service: None,
        time_zone: None,
        target: None,
    }
}

impl Held {
    fn begin_of(&self, date: Date) -> Time {
        let midnight = date.to_zoned(self.zone.clone());
        midnight.map_or(self.now, |midnight| Time::from_timestamp(midnight.timestamp()))
    }

    /// When the orders of the days from the first on are asked for: in the middle of each, not before now.
    fn noons(&self, days: usize) -> Vec<Time> {
        let day = |n: usize| self.first.checked_add((n as i64).days()).unwrap_or(Date::MAX);
        let noon = |date: Date| {
            let noon = date.at(12, 0, 0, 0).to_zoned(self.zone.clone());
            noon.map_or(self.now, |noon| Time::from_timestamp(noon.timestamp())).max(self.now)
        };
        (0..days).map(|n| noon(day(n))).collect()
    }

    fn earliest(&self, ground: &Ground<'_>, wanted: Quantity) -> Option<Date> {
        let days = self.campaign.days.len() + self.rules.horizon_days as usize;
        let shift = ground.earliest(&self.campaign, &self.noons(days), wanted)?;
        self.first.checked_add((shift as i64).days()).ok()
    }

    fn date(&self, day: usize) -> Date {
        self.first.checked_add((day as i64).days()).unwrap_or(self.first)
    }

    fn short_json(&self, short: &Shortfall) -> Value {
        let binding: Vec<Value> = short.binding.iter().cloned().map(binding_json).collect();
        let place = binding.iter().find_map(|binding| binding["place"].as_str());
        json!({
            "item_id": short.item_id,
            "place": place,
            "to": short.to,
            "date": self.date(short.day).to_string(),
            "wanted": short.wanted,
            "short": short.short,
            "binding": binding,
        })
    }

    fn margin_json(&self, money: &BTreeMap<String, Earned>, below: &[String]) -> Value {
        let all = Earned::sum(money.values());
        let row = |earned: &Earned| {
            let per_order = earned.margin.filter(|_| earned.orders.is_positive()).map(|margin| {
                let minor = (margin.minor as f64 / earned.orders.as_f64()).round() as i64;
                Money { minor, currency: margin.currency }
            });
            json!({
                "orders": earned.orders,
                "revenue": earned.revenue,
                "margin": earned.margin,
                "per_order": per_order,
                "share": earned.share(),
            })
        };
        let mut margin = row(&all);
        margin["floor"] = json!(self.rules.margin_floor);
        margin["below_floor"] = json!(below);
        margin["by_region"] = money.iter().map(|(to, earned)| (to.clone(), row(earned))).collect();
        margin
    }
}

/// As promising writes it; its words are made where the language is known.
fn binding_json(binding: Binding) -> Value {
    let mut json = json!(Constraint::of(binding));
    if let Some(members) = json.as_object_mut() {
        members.remove("message");
    }
    json
}

/// The regions in which an order leaves less than the floor.
fn below_floor(rules: &Rules, money: &BTreeMap<String, Earned>) -> Vec<String> {
    let Some(floor) = rules.margin_floor else { return Vec::new() };
    let below = money.iter().filter(|(_, earned)| match (earned.revenue, earned.margin) {
        (Some(revenue), Some(margin)) => (margin.minor as f64) < floor * revenue.minor as f64,
        _ => false,
    });
    below.map(|(to, _)| to.clone()).collect()
}

/// What each size takes of each stock and resource, by when.
fn loads(sizes: [&Outcome; 3]) -> Vec<CampaignLoad> {
    let mut loads: BTreeMap<(SupplyName, Time), [Quantity; 3]> = BTreeMap::new();
    for (n, size) in sizes.into_iter().enumerate() {
        for (name, takes) in &size.takes {
            for (at, units) in takes {
                loads.entry((name.clone(), *at)).or_default()[n] += *units;
            }
        }
    }
    let load = |((of, at), [low, likely, high]): ((SupplyName, Time), [Quantity; 3])| CampaignLoad {
        of,
        at,
        low,
        likely,
        high,
    };
    loads.into_iter().map(load).collect()
}

/// Units of each item on each day.
fn demand_json(held: &Held, loads: &[CampaignLoad]) -> Value {
    let mut days: BTreeMap<(String, Date), [Quantity; 3]> = BTreeMap::new();
    for load in loads {
        if let SupplyName::Stock { item, .. } = &load.of {
            let date = end_of_day(load.at, &held.zone).to_timestamp().to_zoned(held.zone.clone()).date();
            let day = days.entry((item.clone(), date)).or_default();
            for (sum, units) in day.iter_mut().zip([load.low, load.likely, load.high]) {
                *sum += units;
            }
        }
    }
    let row = |((item, date), [low, likely, high]): (&(String, Date), &[Quantity; 3])| json!({ "item_id": item, "date": date.to_string(), "low": low, "likely": likely, "high": high });
    days.iter().map(row).collect()
}

fn baseline_json(baseline: &[Usual]) -> Value {
    let row = |usual: &Usual| {
        let item = Some(&usual.item_id).filter(|item| *item != Snapshot::PARCELS);
        json!({ "item_id": item, "to": usual.to, "per_day": usual.per_day, "per_order": usual.per_order })
    };
    baseline.iter().map(row).collect()
}

/// What changed since the campaign was planned; null where it was not.
fn since(node: &Node, id: &str, now: &Value) -> Result<Value, Failure> {
    let known =
        planned(node)?.into_iter().find(|known| known.plan.campaign == id && known.ended_at.is_none());
    let Some(known) = known else { return Ok(Value::Null) };
    let was: Value = serde_json::from_str(&known.plan.verdict).unwrap_or_default();
    let both = |name: &str| json!({ "was": was[name], "is": now[name] });
    let changed =
        ["verdict", "largest_audience", "earliest_start"].iter().any(|name| was[*name] != now[*name]);
    Ok(json!({
        "planned_at": known.at.to_string(),
        "reserved": !known.plan.reserved.is_empty(),
        "changed": changed,
        "verdict": both("verdict"),
        "largest_audience": both("largest_audience"),
        "earliest_start": both("earliest_start"),
    }))
}
