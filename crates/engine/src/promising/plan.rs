//! Planning a promise: from which place, of which stock, in which slots, by which lane.
//!
//! Available-to-promise looks at what is there and to come, less what is promised. Where that is short and the item
//! can be made, capable-to-promise looks for material and capacity. Each way is planned forward, as early as it can
//! be; where a date is wanted that it meets, it is then planned backward from that date, so that early capacity is
//! left to those who need it.

mod lane;
mod offer;
mod slots;
mod source;

use std::collections::{BTreeMap, BTreeSet};

use model::supply::{CapacityUse, Component};
use model::time::{Zone, zone_or_utc};
use model::{Basis, EntityId, HoldId, Need, Parcel, Quantity, Take, Time};

pub(super) use self::offer::{sum, times};
use super::{Answer, Binding, Inquiry, Lane, Offer, Rules, Supplies};

/// How deep bundles may lie in bundles.
const BUNDLES_DEEP: usize = 2;
/// Substitutes that are tried for one request.
const SUBSTITUTES_TRIED: usize = 32;

/// Answers one request.
pub fn plan(inquiry: &Inquiry, rules: &Rules, supplies: &Supplies<'_>, now: Time) -> Answer {
    Planner::new(rules, supplies, now).answer(inquiry)
}

/// Plans requests one after another: what an earlier one takes is not there for a later one.
#[derive(Clone)]
pub struct Planner<'a> {
    rules: &'a Rules,
    supplies: &'a Supplies<'a>,
    now: Time,
    /// Taken by what was planned here before: of stocks, and of slots by their beginnings.
    stock_taken: BTreeMap<EntityId, Quantity>,
    slot_taken: BTreeMap<(EntityId, Time), Quantity>,
    /// Commitments that what is planned would stand in for.
    replaced: BTreeMap<EntityId, HoldId>,
    /// Counted as taken while one request is planned in parts.
    tentative: Vec<Need>,
    /// Nothing is begun before.
    begins: Time,
}

/// Many like requests as one: their quantities are summed up in it, and each has a parcel of its own.
pub(super) struct Batch {
    /// When they are asked for.
    pub(super) from: Time,
    /// How many; each parcel takes its part of slots so many times.
    pub(super) parcels: Quantity,
    /// Nothing that begins later is looked at.
    pub(super) until: Option<Time>,
}

/// Who asks, and what they need of an answer.
struct Asking<'a> {
    class: &'a str,
    priority: u32,
    wanted: Option<Time>,
    target: f64,
    zone: Zone,
    from: Time,
    until: Time,
    parcels: Quantity,
}

/// When a slot may begin that is looked for from a time on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Begins {
    /// It may be under way.
    Before,
    After,
}

/// One way to deliver some lines.
struct Candidate {
    needs: Vec<Need>,
    parcel: Parcel,
    probability: f64,
    basis: Basis,
}

/// Where the goods of a line come from.
struct Sourced {
    needs: Vec<Need>,
    ready: Time,
    basis: Basis,
}

type Lines<'l> = Vec<(&'l str, Quantity)>;

impl<'a> Planner<'a> {
    pub fn new(rules: &'a Rules, supplies: &'a Supplies<'a>, now: Time) -> Self {
        let (stock_taken, slot_taken, replaced, tentative) = <_>::default();
        Planner { rules, supplies, now, stock_taken, slot_taken, replaced, tentative, begins: now }
    }

    /// Nothing of what is planned from now on is begun before: an order that can be undone is told to nobody.
    pub fn beginning(mut self, at: Time) -> Self {
        self.begins = self.begins.max(at);
        self
    }

    /// What these commitments have is there for what is planned from now on.
    pub fn replacing(mut self, commitments: impl IntoIterator<Item = (EntityId, HoldId)>) -> Self {
        self.replaced.extend(commitments);
        self
    }

    /// Answers a request, and leaves what it takes to whoever asked.
    pub fn answer(&mut self, inquiry: &Inquiry) -> Answer {
        let mut binding = Vec::new();
        let one = Batch { from: self.begins, parcels: Quantity::ONE, until: None };
        let offer = self.offer(inquiry, &one, &mut binding);
        let late = match (&offer, inquiry.wanted) {
            (Some(offer), Some(wanted)) => offer.due_at > wanted,
            (offer, _) => offer.is_none(),
        };
        let substitutes = if late { self.substitutes(inquiry) } else { Vec::new() };
        let mut seen = BTreeSet::new();
        binding.retain(|one| seen.insert(one.clone()));
        Answer { offer, binding, substitutes }
    }

    /// Counts an offer as taken.
    pub fn take(&mut self, offer: &Offer) {
        for need in &offer.needs {
            self.count(need);
        }
    }

    fn count(&mut self, need: &Need) {
        *self.counted(need) += need.take.amount();
    }

    fn counted(&mut self, need: &Need) -> &mut Quantity {
        match &need.take {
            Take::Stock { .. } => self.stock_taken.entry(need.of).or_default(),
            Take::Slot { slot, .. } => self.slot_taken.entry((need.of, slot.start)).or_default(),
        }
    }

    /// Counts it as taken for as long as this request is planned.
    fn tentatively(&mut self, need: Need) {
        self.count(&need);
        self.tentative.push(need);
    }

    fn roll_back(&mut self, to: usize) {
        for need in self.tentative.split_off(to) {
            *self.counted(&need) -= need.take.amount();
        }
    }

    pub(super) fn offer(
        &mut self,
        inquiry: &Inquiry,
        batch: &Batch,
        binding: &mut Vec<Binding>,
    ) -> Option<Offer> {
        let from = batch.from.max(self.now);
        let horizon = from.plus_micros(i64::from(self.rules.horizon_days) * 86_400_000_000);
        let asking = Asking {
            class: &inquiry.class,
            priority: inquiry.priority,
            wanted: inquiry.wanted.filter(|wanted| *wanted > from),
            target: inquiry.target.filter(|t| *t > 0.0 && *t < 1.0).unwrap_or(self.rules.service_target),
            zone: zone_or_utc(inquiry.time_zone.as_deref().unwrap_or(&self.rules.time_zone)),
            from,
            until: batch.until.map_or(horizon, |until| until.min(horizon)),
            parcels: batch.parcels,
        };
        let (mut stocked, mut uses) = (BTreeMap::new(), BTreeMap::new());
        let mut known = true;
        for line in &inquiry.lines {
            known &= self.expand(&line.item_id, line.quantity, 0, &mut stocked, &mut uses, binding);
        }
        if !known {
            return None;
        }
        let stocked: Lines<'a> = stocked.into_iter().collect();
        // What serves the customer comes after the goods: they are planned as early as they can be.
        let wanted = asking.wanted.filter(|_| uses.is_empty());
        let of_goods = Asking { wanted, zone: asking.zone.clone(), ..asking };
        let planned = self.deliver(&stocked, inquiry, &of_goods, binding).and_then(|candidates| {
            self.roll_back(0);
            for need in candidates.iter().flat_map(|candidate| &candidate.needs) {
                self.tentatively(need.clone());
            }
            let after = candidates.iter().map(|c| c.parcel.due_at).max().unwrap_or(from);
            let services = self.serve(&uses, after, &asking, binding)?;
            Some((candidates, services))
        });
        // It is taken when somebody takes it, not by asking.
        self.roll_back(0);
        let (candidates, services) = planned?;
        self.put_together(inquiry, candidates, services, &asking, binding)
    }

    /// An item as what has to be delivered: parts of bundles, and the capacity that services use. False where
    /// something in it is not known.
    fn expand(
        &self,
        item_id: &str,
        quantity: Quantity,
        depth: usize,
        stocked: &mut BTreeMap<&'a str, Quantity>,
        uses: &mut BTreeMap<&'a str, Quantity>,
        binding: &mut Vec<Binding>,
    ) -> bool {
        let Some(item) = self.supplies.item(item_id) else {
            // Stock of it may be known; the catalogue says what it is.
            binding.push(Binding::UnknownItem { item_id: item_id.to_owned() });
            return false;
        };
        if item.retired {
            binding.push(Binding::Retired { item_id: item_id.to_owned() });
            return false;
        }
        for CapacityUse { resource, units } in &item.uses {
            *uses.entry(resource).or_default() += units.times(quantity);
        }
        if item.stocked {
            *stocked.entry(&item.item_id).or_default() += quantity;
        }
        if depth >= BUNDLES_DEEP && !item.bundle.is_empty() {
            binding.push(Binding::UnknownItem { item_id: item_id.to_owned() });
            return false;
        }
        item.bundle.iter().all(|Component { item_id, quantity: each }| {
            self.expand(item_id, each.times(quantity), depth + 1, stocked, uses, binding)
        })
    }

    /// The best way to deliver everything that comes from stock; no parcels where there is nothing.
    fn deliver(
        &mut self,
        lines: &Lines<'a>,
        inquiry: &Inquiry,
        asking: &Asking<'_>,
        binding: &mut Vec<Binding>,
    ) -> Option<Vec<Candidate>> {
        if lines.is_empty() {
            return Some(Vec::new());
        }
        let rules = self.rules;
        let lanes = rules.lanes_to(&inquiry.to, inquiry.service.as_deref());
        if lanes.is_empty() {
            binding.push(Binding::NoLane { to: inquiry.to.clone() });
            return None;
        }
        let mut blocks = Vec::new();
        let mut best: Option<Candidate> = None;
        for lane in &lanes {
            let mut in_the_way = Vec::new();
            match self.by_lane(lines, lane, asking, &mut in_the_way) {
                Some(candidate) if best.as_ref().is_none_or(|best| better(&candidate, best, asking)) => {
                    // What bound the way that is taken is what binds.
                    blocks = in_the_way;
                    best = Some(candidate);
                }
                Some(_) => {}
                None if best.is_none() => blocks.extend(in_the_way),
                None => {}
            }
        }
        let kept: BTreeSet<&str> = self.supplies.stocks.keys().map(|(item, _)| *item).collect();
        let makable = |item: &str| self.supplies.item(item).is_some_and(|item| item.recipe.is_some());
        for (item, _) in lines.iter().filter(|(item, _)| !kept.contains(item) && !makable(item)) {
            blocks.insert(0, Binding::NotKept { item_id: (*item).to_owned() });
        }
        let waits = blocks.iter().any(|block| matches!(block, Binding::Stock { .. }));
        binding.extend(blocks);
        match best {
            // One place would wait for stock that several have together.
            Some(best) if waits && !inquiry.together => {
                let before = Some(best.parcel.due_at);
                let split = self.split(lines, &lanes, false, before, asking);
                let due = |all: &[Candidate]| all.iter().map(|c| c.parcel.due_at).max();
                match split {
                    Some(split) if due(&split) < Some(best.parcel.due_at) => Some(split),
                    _ => Some(vec![best]),
                }
            }
            Some(best) => Some(vec![best]),
            None if inquiry.together => None,
            None => self.split(lines, &lanes, inquiry.partial, None, asking),
        }
    }

    /// Each line from where it is had earliest, a line from several places where no one has all of it, or not `before` a
    /// time.
    fn split(
        &mut self,
        lines: &Lines<'a>,
        lanes: &[&'a Lane],
        partial: bool,
        before: Option<Time>,
        asking: &Asking<'_>,
    ) -> Option<Vec<Candidate>> {
        let mut of_lane: BTreeMap<usize, Lines<'a>> = BTreeMap::new();
        for (item, quantity) in lines {
            let single = vec![(*item, *quantity)];
            let mut best: Option<(usize, Candidate)> = None;
            for (index, lane) in lanes.iter().enumerate() {
                let Some(way) = self.by_lane(&single, lane, asking, &mut Vec::new()) else { continue };
                if best.as_ref().is_none_or(|(_, best)| better(&way, best, asking)) {
                    best = Some((index, way));
                }
            }
            let in_time = |way: &Candidate| before.is_none_or(|before| way.parcel.due_at < before);
            if let Some((index, _)) = best.filter(|(_, way)| in_time(way)) {
                of_lane.entry(index).or_default().push((item, *quantity));
                continue;
            }
            let mut wanted = *quantity;
            let mut seen = BTreeSet::new();
            for (index, lane) in lanes.iter().enumerate().filter(|(_, lane)| seen.insert(&lane.from)) {
                let Some(at) = self.supplies.stock(item, &lane.from) else { continue };
                let taken = self.stock_taken.get(&at.id).copied().unwrap_or_default();
                let classes = &self.rules.classes;
                // To be earlier than one place is, each must have its part at once.
                let when = if before.is_some() { asking.from } else { asking.until };
                let there = at.stock.available(when, asking.class, classes, self.now, None) - taken;
                let some = there.min(wanted);
                if some.is_positive()
                    && self.by_lane(&vec![(*item, some)], lane, asking, &mut Vec::new()).is_some()
                {
                    of_lane.entry(index).or_default().push((item, some));
                    wanted -= some;
                }
            }
            if wanted.is_positive() && !partial {
                return None;
            }
        }
        // All of them have to be in time: each is planned with the root of the target, taken as independent.
        let each = asking.target.powf(1.0 / of_lane.len().max(1) as f64);
        let asking = &Asking { target: each, zone: asking.zone.clone(), ..*asking };
        let mut candidates = Vec::new();
        for (index, lines) in of_lane {
            let candidate = self.by_lane(&lines, lanes[index], asking, &mut Vec::new())?;
            for need in &candidate.needs {
                self.tentatively(need.clone());
            }
            candidates.push(candidate);
        }
        (!candidates.is_empty()).then_some(candidates)
    }

    fn substitutes(&self, inquiry: &Inquiry) -> Vec<(String, String)> {
        let mut found = Vec::new();
        let mut tried = 0;
        for (at, line) in inquiry.lines.iter().enumerate() {
            let substitutes = self.supplies.item(&line.item_id).map_or(&[][..], |item| &item.substitutes);
            for substitute in substitutes {
                tried += 1;
                if tried > SUBSTITUTES_TRIED {
                    return found;
                }
                let mut instead = inquiry.clone();
                instead.lines[at].item_id.clone_from(substitute);
                let mut planner = Planner::new(self.rules, self.supplies, self.now);
                planner.stock_taken.clone_from(&self.stock_taken);
                planner.slot_taken.clone_from(&self.slot_taken);
                planner.begins = self.begins;
                let one = Batch { from: self.begins, parcels: Quantity::ONE, until: None };
                let offer = planner.offer(&instead, &one, &mut Vec::new());
                if offer.is_some_and(|offer| inquiry.wanted.is_none_or(|wanted| offer.due_at <= wanted)) {
                    found.push((line.item_id.clone(), substitute.clone()));
                }
            }
        }
        found
    }
}

/// Earlier is better; where a date is wanted and both meet it, cheaper is.
fn better(one: &Candidate, other: &Candidate, asking: &Asking<'_>) -> bool {
    let cost = |candidate: &Candidate| candidate.parcel.cost.map_or(0, |cost| cost.minor);
    let (due, than) = (one.parcel.due_at, other.parcel.due_at);
    match asking.wanted {
        Some(wanted) if due <= wanted && than <= wanted => cost(one) < cost(other),
        _ => (due, cost(one)) < (than, cost(other)),
    }
}
