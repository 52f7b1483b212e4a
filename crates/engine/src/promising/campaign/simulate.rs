//! A campaign of one size, played through.

use std::cell::RefCell;
use std::collections::BTreeMap;

use model::supply::Take;
use model::time::{Zone, end_of_day, zone_or_utc};
use model::{Quantity, Time};

use super::{Campaign, Earned, Ground, Outcome, Shortfall, Snapshot, Usual};
use crate::promising::plan::{Batch, Planner};
use crate::promising::{Binding, Inquiry, Offer, Rules, WantedLine};

const DAY_MICROS: i64 = 86_400_000_000;

/// How much of the answer is wanted.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    Everything,
    /// Whether it is feasible; it ends where it is not.
    Feasible,
}

/// One kind of order: the campaign's to one region, or what is asked for anyway.
struct Kind {
    wish: Inquiry,
    /// Orders on each day.
    orders: Vec<Quantity>,
    campaign: bool,
    /// What is wanted and where, however much.
    name: String,
}

impl<'a> Ground<'a> {
    pub fn new(rules: &Rules, supply: &'a Snapshot, now: Time) -> Self {
        // The floor is held against the campaign as a whole, where its numbers can be shown.
        let rules = Rules { margin_floor: None, ..rules.clone() };
        let free = [supply.endless(false), supply.endless(true)];
        Ground { rules, now, supply, free, usual: RefCell::default() }
    }

    /// Whether the campaign's orders are served before what is asked for anyway.
    pub fn goes_first(&self, campaign: &Campaign) -> bool {
        self.rules.classes.rank(&campaign.class) < self.rules.classes.rank("")
    }

    /// Plays a campaign through: `window` says when the orders of each day are asked for.
    pub fn simulate(&self, campaign: &Campaign, window: &[Time], orders: Quantity) -> Outcome {
        let without = self.without(campaign, window);
        self.play(campaign, window, orders, &without, Wanted::Everything)
    }

    pub(super) fn is_feasible(
        &self,
        campaign: &Campaign,
        window: &[Time],
        orders: Quantity,
        without: &BTreeMap<String, Quantity>,
    ) -> bool {
        let outcome = self.play(campaign, window, orders, without, Wanted::Feasible);
        outcome.is_feasible(self.goes_first(campaign))
    }

    /// What of that which is asked for anyway is short without the campaign, in units by item.
    pub(super) fn without(&self, campaign: &Campaign, window: &[Time]) -> BTreeMap<String, Quantity> {
        let nothing = BTreeMap::new();
        let outcome = self.play(campaign, window, Quantity::ZERO, &nothing, Wanted::Everything);
        outcome.displaced
    }

    pub(super) fn play(
        &self,
        campaign: &Campaign,
        window: &[Time],
        orders: Quantity,
        without: &BTreeMap<String, Quantity>,
        wanted: Wanted,
    ) -> Outcome {
        let supplies = self.supply.supplies();
        let mut planner = Planner::new(&self.rules, &supplies, self.now);
        let kinds = self.kinds(campaign, orders);
        let mut outcome = Outcome::default();
        let mut usual_short: BTreeMap<String, Quantity> = BTreeMap::new();
        let zone = zone_or_utc(&campaign.time_zone);
        for (day, at) in window.iter().enumerate().take(campaign.days.len()) {
            for kind in &kinds {
                let lot = kind.orders[day];
                if !lot.is_positive() {
                    continue;
                }
                let wait = if kind.campaign { campaign.may_wait_days } else { 0 };
                let by =
                    self.usually(kind, *at, &zone).map(|by| by.plus_micros(i64::from(wait) * DAY_MICROS));
                let mut promised = Quantity::ZERO;
                if by.is_some() {
                    promised = lot_of(&mut planner, &kind.wish, lot, *at, by, |k, offer| {
                        if kind.campaign {
                            outcome.take(&offer.needs);
                            let earned: &mut Earned = outcome.money.entry(kind.wish.to.clone()).or_default();
                            earned.add(k, offer.total, offer.margin);
                        }
                    });
                }
                let left = lot - promised;
                if kind.campaign {
                    outcome.wanted += lot;
                    outcome.promised += promised;
                }
                if !left.is_positive() {
                    continue;
                }
                if !kind.campaign {
                    let line = &kind.wish.lines[0];
                    let units = line.quantity.times(left);
                    outcome.usual_short += units;
                    *usual_short.entry(line.item_id.clone()).or_default() += units;
                } else if wanted == Wanted::Feasible {
                    return outcome;
                } else {
                    let missing = self.missing(&mut planner, &kind.wish, (lot, left), day, *at, by);
                    outcome.short.extend(missing);
                }
            }
        }
        outcome.displaced = usual_short
            .into_iter()
            .map(|(item, short)| {
                let anyway = without.get(&item).copied().unwrap_or_default();
                (item, short - anyway)
            })
            .filter(|(_, more)| more.is_positive())
            .collect();
        outcome
    }

    /// The campaign's orders and the others', from those that are served first.
    fn kinds(&self, campaign: &Campaign, orders: Quantity) -> Vec<Kind> {
        let days = campaign.days.len();
        let anyway = campaign.baseline.iter().map(|usual| {
            let Usual { item_id, to, per_day, per_order } = usual;
            let line = WantedLine { item_id: item_id.clone(), quantity: *per_order, price: None };
            let per_order = per_order.as_f64().max(0.001);
            let a_day = Quantity::from_f64(per_day.as_f64() / per_order).unwrap_or_default();
            let wish = wish(vec![line], to, "", &campaign.time_zone);
            Kind { name: name_of(&wish), wish, orders: vec![a_day; days], campaign: false }
        });
        let own = campaign.regions.iter().map(|(to, share)| {
            let lot = |day: &f64| orders.share(share * day);
            let wish = wish(campaign.basket.clone(), to, &campaign.class, &campaign.time_zone);
            let orders = campaign.days.iter().map(lot).collect();
            Kind { name: name_of(&wish), wish, orders, campaign: true }
        });
        match self.goes_first(campaign) {
            true => own.chain(anyway).collect(),
            false => anyway.chain(own).collect(),
        }
    }

    /// When an order that is asked for then is there at the latest if nothing stands in its way: the end of that day.
    fn usually(&self, kind: &Kind, at: Time, zone: &Zone) -> Option<Time> {
        let key = (kind.name.clone(), at);
        if let Some(known) = self.usual.borrow().get(&key) {
            return *known;
        }
        let offer = self.free.iter().find_map(|free| {
            let supplies = free.supplies();
            let batch = Batch { from: at, parcels: Quantity::ONE, until: None };
            Planner::new(&self.rules, &supplies, self.now).offer(&kind.wish, &batch, &mut Vec::new())
        });
        let usual = offer.map(|offer| end_of_day(offer.due_at, zone));
        self.usual.borrow_mut().insert(key, usual);
        usual
    }

    /// What the orders would take of each stock and resource if there were enough of everything.
    pub fn load(&self, campaign: &Campaign, window: &[Time], orders: Quantity) -> Outcome {
        let mut outcome = Outcome::default();
        let supplies = [self.free[0].supplies(), self.free[1].supplies()];
        let mut planners = [
            Planner::new(&self.rules, &supplies[0], self.now),
            Planner::new(&self.rules, &supplies[1], self.now),
        ];
        for kind in self.kinds(campaign, orders).iter().filter(|kind| kind.campaign) {
            for (lot, at) in kind.orders.iter().zip(window).filter(|(lot, _)| lot.is_positive()) {
                outcome.wanted += *lot;
                let batch = Batch { from: *at, parcels: *lot, until: None };
                let wish = times(&kind.wish, *lot);
                let offers = planners.iter_mut().find_map(|p| p.offer(&wish, &batch, &mut Vec::new()));
                if let Some(offer) = offers {
                    outcome.promised += *lot;
                    outcome.take(&offer.needs);
                    let earned = outcome.money.entry(kind.wish.to.clone()).or_default();
                    earned.add(*lot, offer.total, offer.margin);
                }
            }
        }
        outcome
    }

    /// Which items stand in the way of what is left, and why.
    fn missing(
        &self,
        planner: &mut Planner<'_>,
        wish: &Inquiry,
        (lot, left): (Quantity, Quantity),
        day: usize,
        at: Time,
        by: Option<Time>,
    ) -> Vec<Shortfall> {
        let alone = |line: &WantedLine| Inquiry { lines: vec![line.clone()], ..wish.clone() };
        let mut short = Vec::new();
        for line in &wish.lines {
            // Goods only: no parcel takes anything of a slot.
            let batch = Batch { from: at, parcels: Quantity::ZERO, until: by };
            let mut binding = Vec::new();
            let offer = planner.offer(&times(&alone(line), left), &batch, &mut binding);
            if by.is_none() || offer.is_none_or(|offer| by.is_some_and(|by| offer.due_at > by)) {
                short.push((line, self.why(planner, &alone(line), left, at, binding)));
            }
        }
        if short.is_empty() {
            // There are goods enough for each line: capacity binds.
            let binding = self.why(planner, wish, left, at, Vec::new());
            short = wish.lines.iter().map(|line| (line, binding.clone())).collect();
        }
        let shortfall = |(line, binding): (&WantedLine, Vec<Binding>)| Shortfall {
            item_id: line.item_id.clone(),
            to: wish.to.clone(),
            day,
            wanted: line.quantity.times(lot),
            short: line.quantity.times(left),
            binding,
        };
        short.into_iter().map(shortfall).collect()
    }

    /// What binds one order more, looked at over the whole horizon, so that it also says from when on there is more.
    fn why(
        &self,
        planner: &mut Planner<'_>,
        wish: &Inquiry,
        left: Quantity,
        at: Time,
        known: Vec<Binding>,
    ) -> Vec<Binding> {
        let unit = left.min(Quantity::ONE);
        let mut binding = Vec::new();
        planner.offer(&times(wish, unit), &Batch { from: at, parcels: unit, until: None }, &mut binding);
        if binding.is_empty() { known } else { binding }
    }
}

fn name_of(wish: &Inquiry) -> String {
    let items: Vec<&str> = wish.lines.iter().map(|line| line.item_id.as_str()).collect();
    format!("{}\u{1}{}", wish.to, items.join("\u{1}"))
}

fn wish(lines: Vec<WantedLine>, to: &str, class: &str, time_zone: &str) -> Inquiry {
    Inquiry {
        lines,
        to: to.to_owned(),
        class: class.to_owned(),
        priority: 0,
        wanted: None,
        together: false,
        partial: false,
        service: None,
        time_zone: Some(time_zone.to_owned()),
        target: None,
    }
}

/// So many orders as one.
fn times(wish: &Inquiry, orders: Quantity) -> Inquiry {
    let mut all = wish.clone();
    all.lines.iter_mut().for_each(|line| line.quantity = line.quantity.times(orders));
    all
}

/// Plans a lot of like orders as they would be planned one after another: as many at a time as go the way of the
/// first. Tells `taken` of each such part, and returns how many could be promised.
fn lot_of(
    planner: &mut Planner<'_>,
    wish: &Inquiry,
    lot: Quantity,
    at: Time,
    by: Option<Time>,
    mut taken: impl FnMut(Quantity, &Offer),
) -> Quantity {
    let ask = |planner: &mut Planner<'_>, orders: Quantity| {
        let batch = Batch { from: at, parcels: orders, until: by };
        let offer = planner.offer(&times(wish, orders), &batch, &mut Vec::new());
        offer.filter(|offer| by.is_none_or(|by| offer.due_at <= by))
    };
    let mut promised = Quantity::ZERO;
    while (lot - promised).is_positive() {
        let left = lot - promised;
        let unit = left.min(Quantity::ONE);
        let Some(first) = ask(planner, unit) else { break };
        let mut best = (1, None);
        let (mut low, mut high) = (1, left.0 / unit.0 + 1);
        // All at once, where that goes; else the largest part that does, by halves.
        let mut middle = high - 1;
        while low + 1 < high {
            match ask(planner, Quantity(unit.0 * middle)).filter(|offer| same_way(offer, &first)) {
                Some(offer) => (low, best) = (middle, (middle, Some(offer))),
                None => high = middle,
            }
            middle = low + (high - low) / 2;
        }
        let (orders, offer) = (Quantity(unit.0 * best.0), best.1.unwrap_or(first));
        planner.take(&offer);
        taken(orders, &offer);
        promised += orders;
    }
    promised
}

/// Whether two offers leave the same places at the same times by the same ways.
fn same_way(one: &Offer, other: &Offer) -> bool {
    let slots = |offer: &Offer| -> Vec<_> {
        let slots = offer.needs.iter().filter(|need| matches!(need.take, Take::Slot { .. }));
        slots.map(|need| (need.of, need.take.due())).collect()
    };
    let ways = |offer: &Offer| -> Vec<_> {
        let parcels = offer.parcels.iter();
        parcels.map(|p| (p.place.clone(), p.service.clone(), p.hand_over_by, p.due_at)).collect()
    };
    one.due_at == other.due_at && ways(one) == ways(other) && slots(one) == slots(other)
}
