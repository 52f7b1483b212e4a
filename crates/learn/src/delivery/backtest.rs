//! Learning before a day, scoring after it.

use std::collections::HashMap;

use serde::Serialize;

use super::recent::{Recent, Way};
use super::{DAY, DeliveryError, Knowledge, Model, Order, check, scale, sweep};
use crate::boost::Params;
use crate::ranking::{auc, calibration_error};

/// Bins of the calibration error.
const BINS: usize = 10;
/// Days before the cut-off whose promises say how reliable the company was.
const RELIABILITY: f64 = 90.0 * DAY;

/// What is learnt when, and what is scored.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// The hour before which trees and service level are learnt.
    pub cutoff: f64,
    /// Orders placed from the cut-off to this hour are scored.
    pub until: f64,
    /// The last hour of which anything is known: an order is scored when its promise lies before it.
    pub known_until: f64,
    /// Whether the running means and the recent deviations stop at the cut-off as well. They hold nothing that was
    /// not known at an order's purchase; in a shop they go on from day to day, here they can be held still.
    pub frozen: bool,
    /// The probabilities of being kept with which days are offered.
    pub services: Vec<f64>,
    /// Prices of a day of waiting, in promises kept, from high to low; see [`Recent::offer_at_price`].
    pub day_prices: Vec<f64>,
    /// Hours back that the recent deviations reach.
    pub window: f64,
    /// Hours before the cut-off whose orders the trees do not see: their deviations are honest.
    pub held_back: f64,
    pub trees: Params,
}

impl Settings {
    /// The standard settings for a cut-off: services .80 to .99 by halves of a hundredth,
    /// deviations of a fortnight (frozen: four weeks).
    pub fn standard(cutoff: f64, until: f64, known_until: f64, frozen: bool) -> Self {
        Settings {
            cutoff,
            until,
            known_until,
            frozen,
            services: (160..=198).map(|half| f64::from(half) / 200.0).collect(),
            // From a promise for three days to one for 500, each 8 % lower.
            day_prices: (0..62).map(|step| 0.32 * 0.92_f64.powi(step)).collect(),
            window: if frozen { 28.0 * DAY } else { 14.0 * DAY },
            held_back: 14.0 * DAY,
            trees: Params::default(),
        }
    }

    /// Steps that a backtest tells its progress in: trees, then rules by which days are offered.
    pub fn steps(&self) -> usize {
        2 * self.trees.trees + self.services.len() + self.day_prices.len()
    }
}

/// What was promised, by whoever promised, and what came of it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Market {
    /// The share of promises that were kept.
    pub kept: f64,
    /// Days promised, on average.
    pub days: f64,
    /// Days that those delivered took, on average.
    pub taken_days: f64,
}

/// How days are chosen.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// To each order the first day with this probability.
    Service(f64),
    /// To each order the day that is worth most at this price of a day.
    DayPrice(f64),
}

/// Days offered by one rule, on the scored orders.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct FrontierPoint {
    pub rule: Rule,
    /// The share of offers that would have been kept.
    pub kept: f64,
    /// Days offered, on average.
    pub days: f64,
    /// The probability stated with the offers, on average.
    pub probability: f64,
    /// Σ_b (n_b / N) |kept_b − p̄_b| over ten bins of the stated probability.
    pub calibration_error: f64,
}

/// How well orders that will be late are put before the others.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct LateRanking {
    pub orders: usize,
    pub late: usize,
    /// By how far the expected time lies above the time that is left: ln(1 + hours) of both. Nothing where all
    /// orders are alike.
    pub auc: Option<f64>,
    /// By the probability of being late.
    pub auc_by_probability: Option<f64>,
    /// By the lane's running mean in place of the model's expectation: the simple rule to beat.
    pub auc_by_lane: Option<f64>,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Backtest {
    /// Orders placed before the cut-off, those of them delivered by then, and those still on their way then.
    pub before: usize,
    pub before_delivered: usize,
    pub before_waiting: usize,
    pub scored: usize,
    /// Orders from the cut-off on that are not scored: without a promise, cancelled before it was due, or with a
    /// promise whose day had not passed when the records end.
    pub without_promise: usize,
    pub cancelled: usize,
    pub not_due: usize,
    pub market: Market,
    pub frontier: Vec<FrontierPoint>,
    /// The same with the days chosen by their price.
    pub priced: Vec<FrontierPoint>,
    /// The service level that the promises due in the 90 days before the cut-off were kept with.
    pub chosen: Option<FrontierPoint>,
    /// The first point of the frontier at which at least as many are kept as the market kept. Read off afterwards.
    pub matching: Option<FrontierPoint>,
    /// The same among the priced ones.
    pub matching_priced: Option<FrontierPoint>,
    pub at_purchase: LateRanking,
    pub at_hand_over: LateRanking,
}

/// A scored order.
struct Scored {
    number: usize,
    late: bool,
}

/// Learns from what was known before the cut-off and scores the orders after it. `progress` hears how many of how
/// many steps are done.
pub fn backtest(
    orders: &[Order],
    settings: &Settings,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<Backtest, DeliveryError> {
    check(orders)?;
    let Settings { cutoff, frozen, .. } = *settings;
    let before_delivered =
        orders.iter().filter(|order| order.delivered.is_some_and(|at| at < cutoff)).count();
    if before_delivered == 0 {
        return Err(DeliveryError::NothingDelivered);
    }
    let features = sweep(orders, if frozen { Knowledge::Until(cutoff) } else { Knowledge::Running });
    let held_back = cutoff - settings.held_back;
    let steps = settings.steps();
    let model = Model::fit(orders, &features, held_back, cutoff, &settings.trees, &mut |done, _| {
        progress(done, steps);
    })?;
    let mut result = Backtest {
        before: orders.iter().filter(|order| order.placed < cutoff).count(),
        before_delivered,
        before_waiting: orders.iter().filter(|order| is_waiting(order, cutoff)).count(),
        scored: 0,
        without_promise: 0,
        cancelled: 0,
        not_due: 0,
        market: Market { kept: 0.0, days: 0.0, taken_days: 0.0 },
        frontier: Vec::new(),
        priced: Vec::new(),
        chosen: None,
        matching: None,
        matching_priced: None,
        at_purchase: LateRanking {
            orders: 0,
            late: 0,
            auc: None,
            auc_by_probability: None,
            auc_by_lane: None,
        },
        at_hand_over: LateRanking {
            orders: 0,
            late: 0,
            auc: None,
            auc_by_probability: None,
            auc_by_lane: None,
        },
    };
    let scored = result.pick(orders, settings);
    if scored.is_empty() {
        return Err(DeliveryError::NothingToScore);
    }
    result.scored = scored.len();
    result.market = market(orders, &scored);

    let from_purchase = |number: usize| Way {
        from: orders[number].placed,
        delivered: orders[number].delivered,
        cancelled: orders[number].cancelled,
        expected: model.expected(&features, number),
    };
    let from_hand_over = |number: usize| {
        let order = &orders[number];
        order.handed_over.map(|at| Way {
            from: at.max(order.placed),
            delivered: order.delivered,
            cancelled: order.cancelled,
            expected: model.expected_from_hand_over(&features, number),
        })
    };
    let ways: Vec<Option<Way>> = (0..orders.len()).map(|number| Some(from_purchase(number))).collect();
    let handed: Vec<Option<Way>> = (0..orders.len()).map(from_hand_over).collect();
    let mut purchase_curves = Curves::new(&ways, settings);
    let mut hand_over_curves = Curves::new(&handed, settings);

    let chosen_service = reliability(orders, cutoff);
    let mut at = |rule: Rule| point(orders, &scored, &ways, &mut purchase_curves, rule);
    let kept = result.market.kept;
    let first = |points: &[FrontierPoint]| points.iter().find(|point| point.kept >= kept).copied();
    let mut done = 2 * settings.trees.trees;
    let mut told = |rule: Rule| {
        let point = at(rule);
        done += 1;
        progress(done, steps);
        point
    };
    result.frontier = settings.services.iter().map(|service| told(Rule::Service(*service))).collect();
    result.priced = settings.day_prices.iter().map(|price| told(Rule::DayPrice(*price))).collect();
    result.chosen = chosen_service.map(|service| at(Rule::Service(service)));
    result.matching = first(&result.frontier);
    result.matching_priced = first(&result.priced);
    result.at_purchase = ranking(orders, &scored, &ways, &mut purchase_curves, &features.lane);
    result.at_hand_over =
        ranking(orders, &scored, &handed, &mut hand_over_curves, &features.lane_from_hand_over);
    Ok(result)
}

/// Placed before, and neither delivered nor called off by then.
fn is_waiting(order: &Order, at: f64) -> bool {
    order.placed < at && order.delivered.is_none_or(|delivered| delivered >= at) && !order.is_cancelled_by(at)
}

impl Backtest {
    fn pick(&mut self, orders: &[Order], settings: &Settings) -> Vec<Scored> {
        let mut scored = Vec::new();
        for (number, order) in orders.iter().enumerate() {
            if order.placed < settings.cutoff || order.placed >= settings.until {
                continue;
            }
            let Some(promised) = order.promised else {
                self.without_promise += 1;
                continue;
            };
            if promised >= settings.known_until {
                self.not_due += 1;
            } else if order.delivered.is_none() && order.cancelled.is_some_and(|at| at <= promised) {
                self.cancelled += 1;
            } else {
                scored.push(Scored { number, late: is_late(order, promised) });
            }
        }
        scored
    }
}

fn is_late(order: &Order, promised: f64) -> bool {
    order.delivered.is_none_or(|delivered| delivered > promised)
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = values.fold((0.0, 0), |(sum, count), value| (sum + value, count + 1));
    if count == 0 { 0.0 } else { sum / f64::from(count) }
}

fn market(orders: &[Order], scored: &[Scored]) -> Market {
    let days = |scored: &Scored| {
        let order = &orders[scored.number];
        let hours = order.promised.unwrap_or(order.placed) - order.placed;
        order.promised_day.map_or(hours / DAY, f64::from)
    };
    let taken = |scored: &Scored| {
        let order = &orders[scored.number];
        order.delivered.map(|delivered| (delivered - order.placed) / DAY)
    };
    Market {
        kept: mean(scored.iter().map(|scored| f64::from(u8::from(!scored.late)))),
        days: mean(scored.iter().map(days)),
        taken_days: mean(scored.iter().filter_map(taken)),
    }
}

/// The share of promises kept of those that fell due in the last weeks before the cut-off.
fn reliability(orders: &[Order], cutoff: f64) -> Option<f64> {
    let due = orders.iter().filter_map(|order| {
        let promised = order.promised.filter(|at| (cutoff - RELIABILITY..cutoff).contains(at))?;
        let called_off = order.is_cancelled_by(promised) && order.delivered.is_none();
        (!called_off).then(|| is_late(order, promised))
    });
    let (mut kept, mut all) = (0.0, 0.0);
    for late in due {
        all += 1.0;
        kept += f64::from(u8::from(!late));
    }
    (all > 0.0).then(|| f64::clamp(kept / all, 0.5, 0.99))
}

/// Recent deviations as they were known at the beginning of each day.
struct Curves<'a> {
    ways: &'a [Option<Way>],
    window: f64,
    cutoff: f64,
    frozen: bool,
    of_day: HashMap<i64, Option<Recent>>,
}

impl<'a> Curves<'a> {
    fn new(ways: &'a [Option<Way>], settings: &Settings) -> Self {
        let Settings { window, cutoff, frozen, .. } = *settings;
        Curves { ways, window, cutoff, frozen, of_day: HashMap::new() }
    }

    /// What was known when the day of `at` began; a day before the cut-off is that of the cut-off.
    fn at(&mut self, at: f64) -> Option<&Recent> {
        let known = if self.frozen { self.cutoff } else { ((at / DAY).floor() * DAY).max(self.cutoff) };
        let (ways, window) = (self.ways, self.window);
        let curve = self.of_day.entry(known as i64).or_insert_with(|| {
            // In a shop that rests, or has only begun, one looks back further.
            let windows = [1.0, 4.0, 64.0].map(|times| times * window);
            windows.iter().find_map(|window| Recent::at(ways.iter().flatten().copied(), known, *window))
        });
        curve.as_ref()
    }
}

fn point(
    orders: &[Order],
    scored: &[Scored],
    ways: &[Option<Way>],
    curves: &mut Curves<'_>,
    rule: Rule,
) -> FrontierPoint {
    let mut offers = Vec::with_capacity(scored.len());
    let mut days = Vec::with_capacity(scored.len());
    for scored in scored {
        let order = &orders[scored.number];
        let (Some(way), Some(curve)) = (ways[scored.number], curves.at(order.placed)) else { continue };
        let first = order.day_end() - order.placed;
        let offer = match rule {
            Rule::Service(service) => curve.offer(way.expected, first, service),
            Rule::DayPrice(price) => curve.offer_at_price(way.expected, first, price),
        };
        let taken = order.delivered.map(|delivered| {
            order.delivered_day.unwrap_or_else(|| ((delivered - order.day_end()) / DAY).ceil() as i32)
        });
        offers.push((offer.probability, taken.is_some_and(|day| day <= offer.day)));
        days.push(f64::from(offer.day));
    }
    FrontierPoint {
        rule,
        kept: mean(offers.iter().map(|offer| f64::from(u8::from(offer.1)))),
        days: mean(days.into_iter()),
        probability: mean(offers.iter().map(|offer| offer.0)),
        calibration_error: calibration_error(&offers, BINS),
    }
}

/// Ranks the scored orders by how likely they are late, at the moment at which their way begins.
fn ranking(
    orders: &[Order],
    scored: &[Scored],
    ways: &[Option<Way>],
    curves: &mut Curves<'_>,
    lane: &[f64],
) -> LateRanking {
    let (mut by_margin, mut by_probability, mut by_lane) = (Vec::new(), Vec::new(), Vec::new());
    for Scored { number, late } in scored {
        let (Some(way), Some(promised)) = (ways[*number], orders[*number].promised) else { continue };
        let left = promised - way.from;
        by_margin.push((way.expected - scale(left), *late));
        by_lane.push((lane[*number] - scale(left), *late));
        if let Some(curve) = curves.at(way.from) {
            by_probability.push((-curve.probability(way.expected, left), *late));
        }
    }
    LateRanking {
        orders: by_margin.len(),
        late: by_margin.iter().filter(|case| case.1).count(),
        auc: auc(by_margin),
        auc_by_probability: auc(by_probability),
        auc_by_lane: auc(by_lane),
    }
}
