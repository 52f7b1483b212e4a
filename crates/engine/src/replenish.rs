//! When to order how much of an item at a place: its demand as its history tells it, the demand of the time in which
//! an order can no longer help, a policy, and what the policy says of the stock as it is.
//!
//! Periods are weeks. Stock is looked at once a week, so an order that is placed today must last until the one that
//! is placed in a week has come: the *protection time* is the lead time and one week. The service is the probability
//! that nobody has to wait in a protection time (cycle service; Snyder & Shen, Fundamentals of Supply Chain Theory, 2nd
//! edition, §4.3); where demand comes together with an order cost, orders are as large as the economic order quantity
//! or as a search over (s, S) says.

use learn::demand::{Choice, DemandError, Method, choose, choose_by_class};
use learn::distribution::Counts;
use learn::inventory::{
    InventoryError, ServiceTarget, economic_order, lot_sizes, newsvendor, order_up_to, stock_levels,
};
use learn::{Distribution, Quantiles};
use serde::Serialize;

const DAYS: f64 = 7.0;
/// Weeks that a forecast is tried on before it is believed, and from how many weeks of history on.
const TRIED_WEEKS: usize = 8;
const TRY_FROM: usize = 26;
/// Above such a demand whole units are not counted one by one.
const COUNTED_MAX: f64 = 3_000.0;
/// The weekly forecasts differ by more than this share of their mean: demand varies with time.
const VARIES: f64 = 0.25;

/// What is known of an item at a place.
#[derive(Clone, PartialEq, Debug)]
pub struct Known<'a> {
    /// Units asked for in each week, the latest last.
    pub history: &'a [f64],
    /// From order to receipt, in days.
    pub lead_days: f64,
    pub lead_days_sd: f64,
    /// Of one order; of one unit; for one unit. In one unit of money.
    pub order_cost: Option<f64>,
    pub unit_cost: Option<f64>,
    pub price: Option<f64>,
    /// Orders are whole multiples of it.
    pub lot: Option<f64>,
    pub shelf_life_days: Option<f64>,
    /// On hand and to come, less what is promised.
    pub position: f64,
    /// Units that campaigns are expected to ask for in each of the coming weeks.
    pub campaigns: &'a [f64],
    /// The probability that nobody has to wait, where no policy has a better reason.
    pub service: f64,
    /// The cost of keeping a unit for a year, as a share of its cost.
    pub holding_rate: f64,
    /// How many weeks are planned.
    pub weeks: usize,
}

/// What to order, and why.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Proposal {
    pub method: Method,
    /// Of each of the coming weeks, without campaigns.
    pub forecast: Vec<Expected>,
    /// The demand of the protection time, without campaigns.
    pub protection_days: f64,
    pub protection: Moments,
    pub policy: Policy,
    /// Order when the position is at or below this, campaigns of the protection time included.
    pub order_point: f64,
    pub safety_stock: f64,
    /// What campaigns ask for in the protection time.
    pub campaigns: f64,
    pub orders: Vec<Order>,
    pub reason: Reason,
    /// The probability that nobody has to wait in a protection time, and the share of units handed over at once.
    pub expected_service: f64,
    pub expected_fill: f64,
    /// Of ordering and keeping, a week; where costs are known.
    pub weekly_cost: Option<f64>,
}

#[derive(Clone, Copy, PartialEq, Debug, Serialize)]
pub struct Expected {
    pub mean: f64,
    /// Within which it is with a probability of 80 %; none from a history that is too short.
    pub low: Option<f64>,
    pub high: Option<f64>,
}

#[derive(Clone, Copy, PartialEq, Debug, Serialize)]
pub struct Moments {
    pub mean: f64,
    pub sd: f64,
}

#[derive(Clone, Copy, PartialEq, Debug, Serialize)]
#[serde(tag = "policy", rename_all = "snake_case")]
pub enum Policy {
    /// Every week up to a level: an order costs nothing by itself.
    BaseStock { up_to: f64 },
    /// At or below s, up to S.
    OrderUpTo { reorder_point: f64, up_to: f64 },
    /// At or below r, so many as are economic.
    ReorderQuantity { reorder_point: f64, quantity: f64 },
    /// For one life of what does not keep.
    Newsvendor { up_to: f64, critical_ratio: f64 },
    /// By the coming weeks: Wagner & Whitin.
    LotSizes { safety_stock: f64 },
    /// Nobody has asked for it.
    Nothing,
}

impl Policy {
    pub fn name(&self) -> &'static str {
        match self {
            Policy::BaseStock { .. } => "base_stock",
            Policy::OrderUpTo { .. } => "order_up_to",
            Policy::ReorderQuantity { .. } => "reorder_quantity",
            Policy::Newsvendor { .. } => "newsvendor",
            Policy::LotSizes { .. } => "lot_sizes",
            Policy::Nothing => "nothing",
        }
    }
}

#[derive(Clone, Copy, PartialEq, Debug, Serialize)]
pub struct Order {
    /// From now; 0 for an order that is due.
    pub in_days: f64,
    pub quantity: f64,
}

/// Why it is ordered now, or not yet.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The position is at or below the order point.
    Below,
    /// It is above, and reaches it when the order is to be placed.
    Later,
    /// A campaign asks for more than there would be.
    Campaign,
    NoDemand,
}

impl Reason {
    pub fn name(self) -> &'static str {
        match self {
            Reason::Below => "below",
            Reason::Later => "later",
            Reason::Campaign => "campaign",
            Reason::NoDemand => "no_demand",
        }
    }
}

#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ReplenishError {
    #[error(transparent)]
    Demand(#[from] DemandError),
    #[error(transparent)]
    Inventory(#[from] InventoryError),
    #[error(transparent)]
    Distribution(#[from] learn::distribution::DistributionError),
}

/// What to order of an item at a place.
///
/// # Errors
/// If the history holds what is no demand, or a policy cannot be computed from what is known.
pub fn propose(known: &Known<'_>) -> Result<Proposal, ReplenishError> {
    let choice = chosen(known)?;
    let forecast = forecast(&choice.method, known)?;
    let campaigns: f64 = known.campaigns.iter().take(known.weeks).sum();
    let mean = forecast.iter().map(|week| week.mean).sum::<f64>() / forecast.len().max(1) as f64;
    let weeks = known.lead_days / DAYS + 1.0;
    let sd = spread(&choice.method, known.history)?;
    // Snyder & Shen 4.3, as in `learn::inventory::lead_time_demand`: periods are independent of the lead time.
    let lead_sd = known.lead_days_sd / DAYS;
    let moments = Moments { mean: mean * weeks, sd: (weeks.sqrt() * sd).hypot(mean * lead_sd) };
    let mut proposal = Proposal {
        method: choice.method,
        forecast,
        protection_days: weeks * DAYS,
        protection: moments,
        policy: Policy::Nothing,
        order_point: 0.0,
        safety_stock: 0.0,
        campaigns: 0.0,
        orders: Vec::new(),
        reason: Reason::NoDemand,
        expected_service: 1.0,
        expected_fill: 1.0,
        weekly_cost: None,
    };
    if moments.mean <= 0.0 && campaigns <= 0.0 {
        return Ok(proposal);
    }
    proposal.campaigns = within(known.campaigns, weeks);
    if moments.mean <= 0.0 {
        // Campaigns alone: their demand is known as far as it is.
        lots(known, &mut proposal, 0.0)?;
        return Ok(proposal);
    }
    let whole = known.history.iter().all(|units| units.fract() == 0.0);
    let protection = distribution(moments, whole)?;
    let varies = campaigns > 0.0 || varies(&proposal.forecast);
    if known.shelf_life_days.is_some_and(|days| days <= DAYS + known.lead_days) {
        one_life(known, mean, sd, whole, &mut proposal)?;
    } else {
        steady(known, mean, sd, whole, &protection, &mut proposal)?;
        if varies {
            let safety = proposal.safety_stock;
            lots(known, &mut proposal, safety)?;
        }
    }
    Ok(proposal)
}

fn chosen(known: &Known<'_>) -> Result<Choice, ReplenishError> {
    let history = known.history;
    Ok(match history.len() >= TRY_FROM {
        true => choose(history, known.weeks.clamp(1, TRIED_WEEKS), TRIED_WEEKS, Some(52))?,
        false => choose_by_class(history)?,
    })
}

fn forecast(method: &Method, known: &Known<'_>) -> Result<Vec<Expected>, ReplenishError> {
    let weeks = known.weeks.max(1);
    let means = method.forecast(known.history, weeks)?;
    // A history that is too short for a distribution still has a mean.
    let steps: Vec<Option<Quantiles>> = match method.steps(known.history, weeks) {
        Ok(steps) => steps.into_iter().map(Some).collect(),
        Err(_) => vec![None; weeks],
    };
    let expected = means.into_iter().zip(steps).map(|(mean, step)| Expected {
        mean,
        low: step.as_ref().map(|step| step.quantile(0.1)),
        high: step.as_ref().map(|step| step.quantile(0.9)),
    });
    Ok(expected.collect())
}

/// The standard deviation of one week around its forecast.
fn spread(method: &Method, history: &[f64]) -> Result<f64, ReplenishError> {
    let fitted = method.fitted(history)?;
    let errors: Vec<f64> = history.iter().zip(&fitted).skip(1).map(|(came, told)| came - told).collect();
    let mean = history.iter().sum::<f64>() / history.len() as f64;
    if errors.len() < 4 {
        // Of a few weeks nothing is known but the mean: as if customers came one by one.
        return Ok(mean.sqrt());
    }
    let squares: f64 = errors.iter().map(|error| error * error).sum();
    Ok((squares / errors.len() as f64).sqrt())
}

/// Demand as a distribution: whole units where it comes in whole units and they are not too many, else normal.
fn distribution(moments: Moments, whole: bool) -> Result<Distribution, ReplenishError> {
    let Moments { mean, sd } = moments;
    if !whole || mean > COUNTED_MAX {
        return Ok(Distribution::normal(mean, sd)?);
    }
    // Demand that varies less than that of customers who come one by one is taken for theirs.
    let counts = match sd * sd > mean * 1.000_1 {
        true => Counts::negative_binomial(mean, sd * sd)?,
        false => Counts::poisson(mean)?,
    };
    Ok(counts.into())
}

fn varies(forecast: &[Expected]) -> bool {
    let means = || forecast.iter().map(|week| week.mean);
    let (low, high) = (means().fold(f64::INFINITY, f64::min), means().fold(0.0, f64::max));
    let mean = means().sum::<f64>() / forecast.len().max(1) as f64;
    high - low > VARIES * mean
}

/// What comes of weekly numbers within so many weeks.
fn within(weekly: &[f64], weeks: f64) -> f64 {
    let part = |(n, units): (usize, &f64)| units * (weeks - n as f64).clamp(0.0, 1.0);
    weekly.iter().enumerate().map(part).sum()
}

/// In whole lots, and in whole units where there is no lot and `whole`.
fn rounded(quantity: f64, known: &Known<'_>) -> f64 {
    let whole = known.history.iter().chain(known.campaigns).all(|units| units.fract() == 0.0);
    match known.lot.filter(|lot| *lot > 0.0) {
        Some(lot) => (quantity / lot - 1e-9).ceil() * lot,
        None if whole => (quantity - 1e-9).ceil(),
        None => quantity,
    }
}

/// Steady demand: a level for the service, and an order size for the costs.
fn steady(
    known: &Known<'_>,
    mean: f64,
    sd: f64,
    whole: bool,
    protection: &Distribution,
    proposal: &mut Proposal,
) -> Result<(), ReplenishError> {
    let holding = known.unit_cost.map(|cost| cost * known.holding_rate / 52.0).filter(|h| *h > 0.0);
    let fixed = known.order_cost.filter(|fixed| *fixed > 0.0);
    let economic = match (fixed, holding) {
        (Some(fixed), Some(holding)) => Some(economic_order(fixed, holding, mean)?.quantity),
        _ => None,
    };
    // Nobody orders less than a week's demand when looking once a week.
    let quantity = rounded(economic.unwrap_or(mean).max(mean), known).max(f64::MIN_POSITIVE);
    let levels = stock_levels(ServiceTarget::Cycle(known.service), protection, quantity)?;
    let point = levels.reorder_point;
    (proposal.expected_service, proposal.expected_fill) = (levels.cycle_service, levels.fill_rate);
    proposal.safety_stock = levels.safety_stock.max(0.0);
    let campaigns = proposal.campaigns;
    let (policy, up_to) = match (fixed, holding) {
        (Some(fixed), Some(holding)) if known.lot.is_none() => {
            match searched(known, fixed, holding, (mean, sd), whole, protection) {
                Some((reorder_point, up_to)) => {
                    // The costs say how much at a time; the service says when.
                    let reorder_point_kept = point.max(reorder_point);
                    let up_to = reorder_point_kept + (up_to - reorder_point);
                    (Policy::OrderUpTo { reorder_point: reorder_point_kept, up_to }, up_to)
                }
                None => (Policy::ReorderQuantity { reorder_point: point, quantity }, point + quantity),
            }
        }
        (Some(_), _) => (Policy::ReorderQuantity { reorder_point: point, quantity }, point + quantity),
        (None, _) => (Policy::BaseStock { up_to: point }, point),
    };
    let order_point = match policy {
        Policy::OrderUpTo { reorder_point, .. } => reorder_point,
        _ => point,
    };
    proposal.policy = policy;
    proposal.order_point = order_point + campaigns;
    let each = if matches!(policy, Policy::BaseStock { .. }) { mean } else { quantity };
    proposal.weekly_cost = holding.map(|holding| {
        let kept = (up_to - mean * proposal.protection_days / DAYS - each / 2.0).max(each / 2.0);
        holding * kept + fixed.unwrap_or(0.0) * mean / each
    });
    if known.position <= proposal.order_point {
        let missing = match policy {
            Policy::ReorderQuantity { quantity, .. } => {
                // As many orders' worth as lift the position above the point again.
                let below = proposal.order_point - known.position;
                quantity.max(below)
            }
            _ => up_to + campaigns - known.position,
        };
        proposal.reason = Reason::Below;
        proposal.orders = vec![Order { in_days: 0.0, quantity: rounded(missing, known) }];
    } else {
        proposal.reason = Reason::Later;
        let in_days = (known.position - proposal.order_point) / mean * DAYS;
        if in_days <= known.weeks as f64 * DAYS {
            let quantity = rounded((up_to - order_point).max(mean), known);
            proposal.orders = vec![Order { in_days, quantity }];
        }
    }
    proposal.orders.retain(|order| order.quantity > 0.0);
    Ok(())
}

/// The s and S that cost least, where demand comes in so few whole units that they can be searched.
fn searched(
    known: &Known<'_>,
    fixed: f64,
    holding: f64,
    (mean, sd): (f64, f64),
    whole: bool,
    protection: &Distribution,
) -> Option<(f64, f64)> {
    let Distribution::Counts(protection) = protection else { return None };
    let Ok(Distribution::Counts(period)) = distribution(Moments { mean, sd }, whole) else { return None };
    // The cost of a unit short for which the service is what it is asked to be.
    let stockout = holding * known.service / (1.0 - known.service);
    let found = order_up_to(fixed, holding, stockout, &period, protection).ok()?;
    Some((found.reorder_point as f64, found.up_to as f64))
}

/// What does not keep beyond the next delivery: each order is for one life.
fn one_life(
    known: &Known<'_>,
    mean: f64,
    sd: f64,
    whole: bool,
    proposal: &mut Proposal,
) -> Result<(), ReplenishError> {
    let life = known.shelf_life_days.unwrap_or(DAYS).min(DAYS) / DAYS;
    let demand = distribution(Moments { mean: mean * life, sd: sd * life.sqrt() }, whole)?;
    // What is lost with a unit too many, and with one too few; by the service where that is not known.
    let costs = known.unit_cost.zip(known.price).filter(|(cost, price)| *cost > 0.0 && price > cost);
    let (over, under) =
        costs.map_or((1.0 - known.service, known.service), |(cost, price)| (cost, price - cost));
    let best = newsvendor(over, under, &demand)?;
    let level = best.level.max(0.0);
    proposal.policy = Policy::Newsvendor { up_to: level, critical_ratio: best.critical_ratio };
    proposal.expected_service = demand.cdf(level);
    let short = demand.loss(level) / demand.mean();
    proposal.expected_fill = (1.0 - short).clamp(0.0, 1.0);
    proposal.safety_stock = (level - demand.mean()).max(0.0);
    proposal.weekly_cost = costs.map(|_| best.cost / life);
    let campaigns = within(known.campaigns, life);
    (proposal.campaigns, proposal.order_point) = (campaigns, level + campaigns);
    let missing = rounded(level + campaigns - known.position, known);
    proposal.reason = if missing > 0.0 { Reason::Below } else { Reason::Later };
    if missing > 0.0 {
        proposal.orders = vec![Order { in_days: 0.0, quantity: missing }];
    }
    Ok(())
}

/// Demand that varies: the orders that meet it week by week, beside a safety stock, at the least cost.
fn lots(known: &Known<'_>, proposal: &mut Proposal, safety: f64) -> Result<(), ReplenishError> {
    let holding = known.unit_cost.map_or(0.0, |cost| cost * known.holding_rate / 52.0);
    let fixed = known.order_cost.unwrap_or(0.0);
    let mut left = known.position - safety;
    let mut net = Vec::with_capacity(known.weeks);
    for week in 0..known.weeks.max(1) {
        let expected = proposal.forecast.get(week).map_or(0.0, |week| week.mean);
        let wanted = expected + known.campaigns.get(week).copied().unwrap_or(0.0);
        net.push((wanted - left.max(0.0)).max(0.0) + (-left).max(0.0));
        left = (left - wanted).max(0.0);
    }
    let plan = lot_sizes(fixed, holding, &net)?;
    let campaigns: f64 = known.campaigns.iter().take(known.weeks).sum();
    let mut orders: Vec<Order> = Vec::new();
    // Rounding up leaves something for the next.
    let mut beyond = 0.0;
    for (week, quantity) in plan.orders.iter().enumerate().filter(|(_, quantity)| **quantity > 0.0) {
        let wanted = quantity - beyond;
        if wanted <= 0.0 {
            beyond -= quantity;
            continue;
        }
        let quantity = rounded(wanted, known);
        beyond = quantity - wanted;
        let in_days = (week as f64 * DAYS - known.lead_days).max(0.0);
        match orders.last_mut() {
            Some(last) if last.in_days == in_days => last.quantity += quantity,
            _ => orders.push(Order { in_days, quantity }),
        }
    }
    proposal.policy = Policy::LotSizes { safety_stock: safety };
    proposal.weekly_cost = (fixed > 0.0 || holding > 0.0).then(|| plan.cost / known.weeks.max(1) as f64);
    proposal.reason = match orders.first() {
        Some(_) if campaigns > 0.0 => Reason::Campaign,
        Some(first) if first.in_days <= 0.0 => Reason::Below,
        _ => Reason::Later,
    };
    proposal.orders = orders;
    Ok(())
}
