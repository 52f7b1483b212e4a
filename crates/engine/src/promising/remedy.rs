//! What can be done for a promise at risk: each remedy with its cost and with the probability that it leaves.
//!
//! Remedies are ranked by `(w × p' − p) × worth − cost`, where `p` is the probability that the promise is kept as
//! things are, `p'` that it is kept once the remedy is applied, by the date that holds then, and `worth` the order's
//! margin, or its total where the margin is not known or not positive. `w` is 1 where the date that was said stands,
//! and the rules' `moved_date_value` where it moves; of what is split, 1 for the share that still comes in time.
//! Compensation changes no probability, so it ranks by its cost alone. What cannot be put in the order's currency has
//! no rank and comes last.

use std::collections::BTreeSet;

use model::{
    Currency, EntityId, HoldId, Money, Parcel, PromiseTerms, Quantity, Remedy, RemedyKind, SupplyName, Time,
};
use serde::Serialize;

use super::plan::{sum, times};
use super::{Inquiry, Lane, Leg, Odds, Offer, Planner, Rules, Supplies, WantedLine};
use crate::customer::{Order, Promise, QuoteRecord};

/// By how much a remedy must better the odds to be worth naming.
const LEAST_GAIN: f64 = 0.005;
/// Ways and substitutes that are tried for one remedy.
const TRIES_MAX: usize = 64;

/// A promise that needs help, and all that is known of it.
pub struct Troubled<'a> {
    pub promise: &'a Promise,
    pub order: Option<&'a Order>,
    /// How it is to be kept; none for promises that came in from elsewhere.
    pub plan: Option<&'a QuoteRecord>,
    pub total: Option<Money>,
}

/// A remedy as it would be applied now.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Proposal {
    pub remedy: Remedy,
    /// What it holds of supply; none where it needs nothing.
    pub offer: Option<Offer>,
    /// What it saves by the formula above, in the order's currency; none where that cannot be said.
    pub value: Option<Money>,
    /// What becomes of what: (item, its substitute).
    pub substitutes: Vec<(String, String)>,
}

impl<'a> Troubled<'a> {
    fn terms(&self) -> &'a PromiseTerms {
        &self.promise.terms
    }

    fn has_left(&self) -> bool {
        self.order.is_some_and(|order| order.shipped_at.is_some())
    }

    /// That it is kept as things are at `now`; by its plan where there is one, else as was last said.
    pub fn probability(&self, rules: &Rules, now: Time) -> Option<f64> {
        let odds = self.plan.and_then(|plan| rules.odds_of(plan, self.order, self.terms().deadline()));
        odds.map(|odds| odds.at(now)).or(self.promise.probability)
    }

    /// The commitments that stand for it, which a new plan would stand in for.
    pub fn commitments(&self, owner: EntityId) -> Vec<(EntityId, HoldId)> {
        let Some(plan) = self.plan else { return Vec::new() };
        let numbers = plan.first_hold..;
        plan.quote
            .needs
            .iter()
            .zip(numbers)
            .map(|(need, number)| (need.of, HoldId { owner, number }))
            .collect()
    }

    /// What was asked for, as it would be asked for now. None where a plan is not known.
    pub fn inquiry(&self) -> Option<Inquiry> {
        let quote = &self.plan?.quote;
        let lines = quote.lines.iter().map(|line| {
            let quantity = Quantity::from_f64(line.quantity)?;
            Some(WantedLine { item_id: line.product_id.clone(), quantity, price: line.price })
        });
        let take = quote.needs.first().map(|need| &need.take);
        Some(Inquiry {
            lines: lines.collect::<Option<_>>()?,
            to: quote.region.clone().unwrap_or_default(),
            class: take.map(|take| take.class().to_owned()).unwrap_or_default(),
            priority: take.map_or(0, |take| take.priority()),
            wanted: None,
            together: false,
            partial: false,
            service: None,
            time_zone: Some(self.terms().time_zone.clone()),
            target: None,
        })
    }
}

/// What can be done for a promise, best first; nothing where it needs no help any more.
pub fn propose(
    troubled: &Troubled<'_>,
    owner: EntityId,
    rules: &Rules,
    supplies: &Supplies<'_>,
    now: Time,
) -> Vec<Proposal> {
    let status = troubled.promise.status;
    let mut found = Vec::new();
    if status.is_open()
        && let (Some(plan), Some(inquiry)) = (troubled.plan, troubled.inquiry())
    {
        let replaced = troubled.commitments(owner);
        let before = troubled.probability(rules, now).unwrap_or(0.0);
        let desk = Desk { troubled, plan, inquiry, replaced, before, rules, supplies, now };
        if troubled.has_left() {
            found.extend(desk.later_arrival());
        } else {
            found.extend(desk.other_ways());
            found.extend(desk.substitute());
            found.extend(desk.split());
            found.extend(desk.new_date());
        }
    }
    if status.is_open() || status == model::PromiseStatus::Broken {
        found.extend(compensate(troubled, rules, now));
    }
    found.sort_by(|a, b| {
        // `None` is less than any value.
        let value = |p: &Proposal| p.value.map(|value| value.minor);
        let likely = |p: &Proposal| p.remedy.probability;
        value(b).cmp(&value(a)).then(likely(b).total_cmp(&likely(a)))
    });
    found
}

fn compensate(troubled: &Troubled<'_>, rules: &Rules, now: Time) -> Option<Proposal> {
    let given = rules.remedies.compensation?.of(troubled.total)?;
    let probability = match troubled.promise.status.is_open() {
        true => troubled.probability(rules, now).unwrap_or(0.0),
        false => 0.0,
    };
    let remedy = Remedy {
        promise_id: troubled.terms().promise_id.clone(),
        kind: RemedyKind::Compensate,
        cost: Some(given),
        probability,
        new_due: None,
        compensation: Some(given),
    };
    let value = Money { minor: -given.minor, ..given };
    Some(Proposal { remedy, offer: None, value: Some(value), substitutes: Vec::new() })
}

/// Where the plans for one promise are made.
struct Desk<'a> {
    troubled: &'a Troubled<'a>,
    plan: &'a QuoteRecord,
    inquiry: Inquiry,
    replaced: Vec<(EntityId, HoldId)>,
    before: f64,
    rules: &'a Rules,
    supplies: &'a Supplies<'a>,
    now: Time,
}

impl Desk<'_> {
    /// The rules with these lanes alone.
    fn with_lanes(&self, lanes: Vec<&Lane>) -> Rules {
        Rules {
            time_zone: self.rules.time_zone.clone(),
            service_target: self.rules.service_target,
            horizon_days: self.rules.horizon_days,
            classes: self.rules.classes.clone(),
            places: self.rules.places.clone(),
            lanes: lanes.into_iter().cloned().collect(),
            // A loss that saves a promise is weighed by its rank, not forbidden.
            margin_floor: None,
            ..Rules::default()
        }
    }

    fn lanes(&self) -> Vec<&Lane> {
        let mut lanes = self.rules.lanes_to(&self.inquiry.to, None);
        lanes.truncate(TRIES_MAX);
        lanes
    }

    /// The ways that the plan goes now.
    fn same_lanes(&self) -> Vec<&Lane> {
        self.lanes().into_iter().filter(|lane| self.is_same(lane)).collect()
    }

    fn is_same(&self, lane: &Lane) -> bool {
        self.plan.quote.parcels.iter().any(|p| p.place == lane.from && p.service == lane.service)
    }

    fn is_same_place(&self, place: &str) -> bool {
        self.plan.quote.parcels.iter().any(|parcel| parcel.place == place)
    }

    fn planned(&self, lanes: Vec<&Lane>, inquiry: &Inquiry) -> Option<Offer> {
        if lanes.is_empty() {
            return None;
        }
        let rules = self.with_lanes(lanes);
        let planner = Planner::new(&rules, self.supplies, self.now);
        planner.replacing(self.replaced.iter().copied()).answer(inquiry).offer
    }

    fn deadline(&self) -> Time {
        self.troubled.terms().deadline()
    }

    /// The same thing, from the same place faster or from another place.
    fn other_ways(&self) -> Vec<Proposal> {
        let mut best: [Option<Proposal>; 2] = [None, None];
        for lane in self.lanes() {
            let same_place = self.is_same_place(&lane.from);
            let kind = if same_place { RemedyKind::Expedite } else { RemedyKind::OtherSource };
            let Some(offer) = self.planned(vec![lane], &self.inquiry) else { continue };
            let found = self.keeping_the_date(kind, offer, Vec::new(), Some(0));
            let slot = &mut best[usize::from(!same_place)];
            *slot = better(slot.take(), found);
        }
        best.into_iter().flatten().collect()
    }

    fn substitute(&self) -> Option<Proposal> {
        let short: BTreeSet<&str> = self
            .plan
            .short
            .keys()
            .filter_map(|index| match &self.plan.quote.needs[*index].name {
                SupplyName::Stock { item, .. } => Some(item.as_str()),
                _ => None,
            })
            .collect();
        let mut best = None;
        for (at, line) in self.inquiry.lines.iter().enumerate() {
            let asked_for = self.inquiry.lines.iter().any(|line| short.contains(line.item_id.as_str()));
            if asked_for && !short.contains(line.item_id.as_str()) {
                continue;
            }
            let Some(item) = self.supplies.item(&line.item_id) else { continue };
            for name in item.substitutes.iter().take(TRIES_MAX) {
                let Some(instead) = self.supplies.item(name) else { continue };
                let mut inquiry = self.inquiry.clone();
                inquiry.lines[at].item_id.clone_from(name);
                // The customer pays what was agreed.
                inquiry.lines[at].price = line.price.or(item.price);
                let more = match (instead.cost, item.cost) {
                    (Some(theirs), Some(ours)) if theirs.currency == ours.currency => {
                        let each = Money { minor: theirs.minor - ours.minor, ..theirs };
                        times(each, line.quantity).filter(|cost| Some(cost.currency) == self.currency())
                    }
                    _ => None,
                };
                let pairs = vec![(line.item_id.clone(), name.clone())];
                let more = more.map(|money| money.minor);
                for lanes in [self.same_lanes(), self.lanes()] {
                    let Some(offer) = self.planned(lanes, &inquiry) else { continue };
                    let found = self.keeping_the_date(RemedyKind::Substitute, offer, pairs.clone(), more);
                    best = better(best, found);
                }
            }
        }
        best
    }

    /// What is there leaves now, the rest as soon as it can.
    fn split(&self) -> Option<Proposal> {
        let places: BTreeSet<&str> = self.plan.quote.parcels.iter().map(|p| p.place.as_str()).collect();
        let mut best = None;
        for place in places {
            best = better(best, self.split_at(place));
        }
        best
    }

    fn split_at(&self, place: &str) -> Option<Proposal> {
        let (mut first, mut rest) = (self.inquiry.clone(), self.inquiry.clone());
        for (there, later) in first.lines.iter_mut().zip(&mut rest.lines) {
            let wanted = there.quantity;
            let available = match self.supplies.stock(&there.item_id, place) {
                Some(at) => {
                    let but = self.replaced.iter().find(|(of, _)| *of == at.id).map(|(_, hold)| hold);
                    let classes = &self.rules.classes;
                    at.stock.available(self.now, &self.inquiry.class, classes, self.now, but)
                }
                None => Quantity::ZERO,
            };
            // Nobody sends a part of a piece.
            let whole = Quantity::units(1).0;
            let available =
                if wanted.0 % whole == 0 { Quantity(available.0 / whole * whole) } else { available };
            there.quantity = available.min(wanted).max(Quantity::ZERO);
            later.quantity = wanted - there.quantity;
        }
        for inquiry in [&mut first, &mut rest] {
            inquiry.lines.retain(|line| line.quantity.is_positive());
            if inquiry.lines.is_empty() {
                return None;
            }
        }
        let mut best = None;
        for ways in [self.same_lanes(), self.lanes()] {
            let here = self.with_lanes(ways.into_iter().filter(|lane| lane.from == place).collect());
            for ways in [self.same_lanes(), self.lanes()] {
                best = better(best, self.in_two(&here, &first, &self.with_lanes(ways), &rest));
            }
        }
        best
    }

    /// One part by some ways, and what is left by others.
    fn in_two(&self, here: &Rules, first: &Inquiry, ways: &Rules, rest: &Inquiry) -> Option<Proposal> {
        let replaced = || self.replaced.iter().copied();
        let now = Planner::new(here, self.supplies, self.now).replacing(replaced()).answer(first).offer?;
        let mut planner = Planner::new(ways, self.supplies, self.now).replacing(replaced());
        planner.take(&now);
        let later = planner.answer(rest).offer?;
        let in_time = if now.due_at <= self.deadline() { self.share(&now) } else { 0.0 };
        let both = together(now, later);
        let moved = both.due_at > self.deadline();
        self.weighed(RemedyKind::Split, both, moved, in_time, Vec::new(), Some(0))
    }

    /// What of the order an offer is worth: by its prices, by pieces where not all have one.
    fn share(&self, offer: &Offer) -> f64 {
        let priced = |quantity: Quantity, price: Option<Money>| Some(price?.minor as f64 * quantity.as_f64());
        let pieces = |quantity: Quantity| quantity.as_f64();
        let part: Option<f64> = offer.lines.iter().map(|line| priced(line.quantity, line.price)).sum();
        let all: Option<f64> = self.inquiry.lines.iter().map(|line| priced(line.quantity, line.price)).sum();
        let (part, all) = match (part, all) {
            (Some(part), Some(all)) if all > 0.0 => (part, all),
            _ => (
                offer.lines.iter().map(|line| pieces(line.quantity)).sum(),
                self.inquiry.lines.iter().map(|line| pieces(line.quantity)).sum(),
            ),
        };
        if all > 0.0 { (part / all).min(1.0) } else { 0.0 }
    }

    /// The earliest date that can be kept: by the way that is planned, by any where that has none.
    fn new_date(&self) -> Option<Proposal> {
        let offer = self
            .planned(self.same_lanes(), &self.inquiry)
            .or_else(|| self.planned(self.lanes(), &self.inquiry))
            .filter(|offer| offer.due_at > self.deadline())?;
        self.weighed(RemedyKind::NewDate, offer, true, 0.0, Vec::new(), Some(0))
    }

    /// It is on its way: the date by which it arrives with the probability that promises are to be kept with.
    fn later_arrival(&self) -> Option<Proposal> {
        let order = self.troubled.order?;
        let (shipped, all) = (order.shipped_at?, order.all_shipped_at);
        let several = self.plan.quote.parcels.len() > 1;
        let left = if several { all? } else { shipped };
        let lanes = self.plan.quote.parcels.iter().map(|parcel| self.rules.lane_of(parcel));
        let legs: Vec<_> = lanes.map(|lane| Some((lane?, Leg::Left(left)))).collect::<Option<_>>()?;
        let zone = model::time::zone_or_utc(&self.troubled.terms().time_zone);
        let odds = |deadline: Time| Odds { legs: legs.clone(), deadline }.at(self.now);
        let until = i64::from(self.rules.horizon_days);
        let due_at = (0..=until)
            .map(|days| model::time::end_of_day(self.now.plus_micros(days * 86_400_000_000), &zone))
            .filter(|due| *due > self.deadline())
            .find(|due| odds(*due) >= self.rules.service_target)?;
        let probability = odds(due_at);
        let remedy = self.remedy(RemedyKind::NewDate, probability, Some(due_at), self.money(0));
        let value = self.value(probability, self.rules.remedies.moved_date_value, Some(0));
        Some(Proposal { remedy, offer: None, value, substitutes: Vec::new() })
    }

    fn keeping_the_date(
        &self,
        kind: RemedyKind,
        offer: Offer,
        substitutes: Vec<(String, String)>,
        more: Option<i64>,
    ) -> Option<Proposal> {
        self.weighed(kind, offer, false, 1.0, substitutes, more)
    }

    /// A plan as a proposal; none where it betters nothing. `more` is what it costs beside the deliveries.
    fn weighed(
        &self,
        kind: RemedyKind,
        offer: Offer,
        moved: bool,
        in_time: f64,
        substitutes: Vec<(String, String)>,
        more: Option<i64>,
    ) -> Option<Proposal> {
        let tolerance = self.troubled.terms().tolerance_micros;
        let deadline = if moved { offer.due_at.plus_micros(tolerance) } else { self.deadline() };
        let probability = self.rules.odds_of_plan(&offer.parcels, deadline)?;
        if probability < self.before + LEAST_GAIN {
            return None;
        }
        let cost = self.delivery(&offer.parcels).and_then(|new| {
            let old = self.delivery(&self.plan.quote.parcels)?;
            Some(new - old + more?)
        });
        let moved_value = self.rules.remedies.moved_date_value;
        let weight = if moved { in_time + (1.0 - in_time) * moved_value } else { 1.0 };
        let value = self.value(probability, weight, cost);
        let money = cost.and_then(|minor| self.money(minor));
        let remedy = self.remedy(kind, probability, moved.then_some(offer.due_at), money);
        Some(Proposal { remedy, offer: Some(offer), value, substitutes })
    }

    fn remedy(
        &self,
        kind: RemedyKind,
        probability: f64,
        new_due: Option<Time>,
        cost: Option<Money>,
    ) -> Remedy {
        let promise_id = self.troubled.terms().promise_id.clone();
        Remedy { promise_id, kind, cost, probability, new_due, compensation: None }
    }

    fn currency(&self) -> Option<Currency> {
        let of_parcel = |parcel: &Parcel| parcel.cost.map(|cost| cost.currency);
        let parcels = &self.plan.quote.parcels;
        self.troubled.total.map(|total| total.currency).or_else(|| parcels.iter().find_map(of_parcel))
    }

    fn money(&self, minor: i64) -> Option<Money> {
        Some(Money { minor, currency: self.currency()? })
    }

    /// What the deliveries cost, in the order's currency; a lane without a cost costs nothing.
    fn delivery(&self, parcels: &[Parcel]) -> Option<i64> {
        let currency = self.currency();
        let costs = parcels.iter().filter_map(|parcel| parcel.cost);
        costs.map(|cost| (Some(cost.currency) == currency).then_some(cost.minor)).sum()
    }

    /// The order's margin, or its total where the margin is not known or not positive.
    fn worth(&self) -> Option<i64> {
        let total = self.troubled.total?;
        let item = |line: &WantedLine| times(self.supplies.item(&line.item_id)?.cost?, line.quantity);
        let goods = sum(self.inquiry.lines.iter().map(item)).filter(|cost| cost.currency == total.currency);
        let margin = goods
            .and_then(|goods| Some(total.minor - goods.minor - self.delivery(&self.plan.quote.parcels)?));
        Some(margin.filter(|margin| *margin > 0).unwrap_or(total.minor))
    }

    fn value(&self, probability: f64, weight: f64, cost: Option<i64>) -> Option<Money> {
        let saved = (weight * probability - self.before) * self.worth()? as f64;
        self.money(saved.round() as i64 - cost?)
    }
}

fn better(one: Option<Proposal>, other: Option<Proposal>) -> Option<Proposal> {
    let rank = |p: &Proposal| (p.value.map(|value| value.minor), p.remedy.probability);
    match (one, other) {
        (Some(one), Some(other)) if rank(&other) > rank(&one) => Some(other),
        (Some(one), _) => Some(one),
        (None, other) => other,
    }
}

/// Two parts of one order as one offer.
fn together(one: Offer, other: Offer) -> Offer {
    let mut lines = one.lines;
    for line in other.lines {
        match lines.iter_mut().find(|known| known.item_id == line.item_id) {
            Some(known) => {
                known.wanted += line.wanted;
                known.quantity += line.quantity;
            }
            None => lines.push(line),
        }
    }
    let mut needs = [one.needs, other.needs].concat();
    needs.sort_by_key(|need| (need.of, need.take.due()));
    Offer {
        lines,
        needs,
        parcels: [one.parcels, other.parcels].concat(),
        due_at: one.due_at.max(other.due_at),
        hand_over_by: one.hand_over_by.max(other.hand_over_by),
        probability: one.probability * other.probability,
        basis: one.basis.max(other.basis),
        total: sum([one.total, other.total].into_iter()),
        margin: sum([one.margin, other.margin].into_iter()),
    }
}
