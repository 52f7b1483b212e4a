//! Planning a promise: from which place, of which stock, in which slots, by which lane.
//!
//! Available-to-promise looks at what is there and to come, less what is promised. Where that is short and the item
//! can be made, capable-to-promise looks for material and capacity. Each way is planned forward, as early as it can
//! be; where a date is wanted that it meets, it is then planned backward from that date, so that early capacity is
//! left to those who need it.

use std::collections::{BTreeMap, BTreeSet};

use model::supply::{CapacityUse, Component};
use model::time::{Zone, end_of_day, zone_or_utc};
use model::{Basis, EntityId, HoldId, Money, Need, Parcel, Quantity, Slot, SupplyName, Take, Time};

use super::{Answer, Binding, Inquiry, Lane, Offer, OfferLine, Rules, Supplies};
use crate::supply::Resource;

/// How deep bundles may lie in bundles.
const BUNDLES_DEEP: usize = 4;

/// Answers one request.
pub fn plan(inquiry: &Inquiry, rules: &Rules, supplies: &Supplies<'_>, now: Time) -> Answer {
    Planner::new(rules, supplies, now).answer(inquiry)
}

/// Plans requests one after another: what an earlier one takes is not there for a later one.
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
        Planner { rules, supplies, now, stock_taken, slot_taken, replaced, tentative }
    }

    /// What these commitments have is there for what is planned from now on.
    pub fn replacing(mut self, commitments: impl IntoIterator<Item = (EntityId, HoldId)>) -> Self {
        self.replaced.extend(commitments);
        self
    }

    /// Answers a request, and leaves what it takes to whoever asked.
    pub fn answer(&mut self, inquiry: &Inquiry) -> Answer {
        let mut binding = Vec::new();
        let one = Batch { from: self.now, parcels: Quantity::ONE, until: None };
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
        let planned = self.deliver(&stocked, inquiry, &asking, binding).and_then(|candidates| {
            let after = candidates.iter().map(|c| c.parcel.hand_over_by).max().unwrap_or(from);
            let services = self.serve(&uses, after, &asking, binding)?;
            Some((candidates, services))
        });
        // It is taken when somebody takes it, not by asking.
        for need in std::mem::take(&mut self.tentative) {
            *self.counted(&need) -= need.take.amount();
        }
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
            match self.from_place(lines, lane, asking, &mut in_the_way) {
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
        binding.extend(blocks);
        match best {
            Some(best) => Some(vec![best]),
            None if inquiry.together => None,
            None => self.split(lines, &lanes, inquiry.partial, asking),
        }
    }

    /// Each line from where it is had earliest, a line from several places where no one has all of it.
    fn split(
        &mut self,
        lines: &Lines<'a>,
        lanes: &[&'a Lane],
        partial: bool,
        asking: &Asking<'_>,
    ) -> Option<Vec<Candidate>> {
        let mut of_lane: BTreeMap<usize, Lines<'a>> = BTreeMap::new();
        for (item, quantity) in lines {
            let single = vec![(*item, *quantity)];
            let ways = lanes.iter().enumerate().filter_map(|(index, lane)| {
                Some((index, self.from_place(&single, lane, asking, &mut Vec::new())?))
            });
            let mut best: Option<(usize, Candidate)> = None;
            for (index, way) in ways {
                if best.as_ref().is_none_or(|(_, best)| better(&way, best, asking)) {
                    best = Some((index, way));
                }
            }
            if let Some((index, _)) = best {
                of_lane.entry(index).or_default().push((item, *quantity));
                continue;
            }
            let mut wanted = *quantity;
            let mut seen = BTreeSet::new();
            for (index, lane) in lanes.iter().enumerate().filter(|(_, lane)| seen.insert(&lane.from)) {
                let Some(at) = self.supplies.stock(item, &lane.from) else { continue };
                let taken = self.stock_taken.get(&at.id).copied().unwrap_or_default();
                let classes = &self.rules.classes;
                let there = at.stock.available(asking.until, asking.class, classes, self.now, None) - taken;
                let some = there.min(wanted);
                if some.is_positive()
                    && self.from_place(&vec![(*item, some)], lane, asking, &mut Vec::new()).is_some()
                {
                    of_lane.entry(index).or_default().push((item, some));
                    wanted -= some;
                }
            }
            if wanted.is_positive() && !partial {
                return None;
            }
        }
        let mut candidates = Vec::new();
        for (index, lines) in of_lane {
            let candidate = self.from_place(&lines, lanes[index], asking, &mut Vec::new())?;
            for need in &candidate.needs {
                self.count(need);
                self.tentative.push(need.clone());
            }
            candidates.push(candidate);
        }
        (!candidates.is_empty()).then_some(candidates)
    }

    /// All of some lines from one place, by one lane.
    fn from_place(
        &self,
        lines: &Lines<'a>,
        lane: &Lane,
        asking: &Asking<'_>,
        binding: &mut Vec<Binding>,
    ) -> Option<Candidate> {
        let place = self.rules.places.get(&lane.from)?;
        let start = asking.from.plus_micros(i64::from(place.handling_minutes) * 60_000_000);
        let sourced: Vec<Sourced> = lines
            .iter()
            .map(|(item, quantity)| self.source(item, *quantity, &lane.from, start, asking, binding))
            .collect::<Option<_>>()?;
        let ready = sourced.iter().map(|line| line.ready).max().unwrap_or(start);
        let basis = sourced.iter().map(|line| line.basis).max().unwrap_or(Basis::Atp);
        let units = place.work_units.unwrap_or(Quantity::ONE).times(asking.parcels);
        let work = match &place.work {
            Some(name) => Some(self.slot(name, units, ready, Begins::Before, asking, binding)?),
            None => None,
        };
        let leaves = work.as_ref().map_or(ready, |work| work.slot.end);
        let away = match &lane.slots {
            Some(name) => Some(self.slot(name, asking.parcels, leaves, Begins::After, asking, binding)?),
            None => None,
        };
        let hours = lane.hours.quantile(asking.target);
        let travels = (hours * 3_600e6).ceil() as i64;
        let arrival = |hand_over: Time| {
            let at = hand_over.plus_micros(travels);
            if lane.whole_days { end_of_day(at, &asking.zone) } else { at }
        };
        let hand_over = |work: &Option<Picked<'_>>, away: &Option<Picked<'_>>| {
            let left = work.as_ref().map_or(ready, |work| work.slot.end);
            away.as_ref().map_or(left, |away| away.slot.end)
        };
        let (mut work, mut away) = (work, away);
        let mut due_at = arrival(hand_over(&work, &away));
        if let Some(wanted) = asking.wanted.filter(|wanted| due_at <= *wanted) {
            // It can be had in time: as late as it may leave.
            let latest = wanted.plus_micros(-travels);
            if let (Some(name), Some(found)) = (&lane.slots, &away)
                && let Some(later) = self.last_slot(name, asking.parcels, found.slot.start, latest, asking)
            {
                away = Some(later);
            }
            let by = away.as_ref().map_or(latest, |away| away.slot.start);
            if let (Some(name), Some(found)) = (&place.work, &work)
                && let Some(later) = self.last_slot(name, units, found.slot.start, by, asking)
            {
                work = Some(later);
            }
            due_at = wanted;
        }
        let hand_over_by = match (&work, &away, asking.wanted) {
            (None, None, Some(wanted)) if due_at == wanted => wanted.plus_micros(-travels).max(ready),
            _ => hand_over(&work, &away),
        };
        let leaves_stock = work.as_ref().map_or(hand_over_by, |work| work.slot.start).max(ready);
        let mut needs: Vec<Need> = sourced.into_iter().flat_map(|line| line.needs).collect();
        for need in &mut needs {
            if let (Take::Stock { due, .. }, SupplyName::Stock { item, .. }) = (&mut need.take, &need.name)
                && lines.iter().any(|(line, _)| line == item)
            {
                *due = leaves_stock;
            }
        }
        for picked in [&work, &away].into_iter().flatten() {
            needs.push(picked.need(asking, self.replaced.get(&picked.id).copied()));
        }
        let probability = lane.hours.cdf(due_at.since(hand_over_by) as f64 / 3_600e6);
        let parcel = Parcel {
            place: lane.from.clone(),
            to: lane.to.clone(),
            service: lane.service.clone(),
            lines: lines.iter().map(|(item, quantity)| ((*item).to_owned(), *quantity)).collect(),
            hand_over_by,
            due_at,
            cost: lane.cost.and_then(|cost| times(cost, asking.parcels)),
        };
        Some(Candidate { needs, parcel, probability, basis })
    }

    /// Where one line comes from at a place: from stock, or made there where that is earlier.
    fn source(
        &self,
        item: &'a str,
        quantity: Quantity,
        place: &str,
        start: Time,
        asking: &Asking<'_>,
        binding: &mut Vec<Binding>,
    ) -> Option<Sourced> {
        let stocked = self.from_stock(item, quantity, place, start, asking, binding);
        if stocked.as_ref().is_some_and(|line| line.ready <= start) {
            return stocked;
        }
        let made = self.made(item, quantity, place, start, asking, binding);
        match (stocked, made) {
            (Some(stocked), Some(made)) if made.ready < stocked.ready => Some(made),
            (None, made) => made,
            (stocked, _) => stocked,
        }
    }

    fn from_stock(
        &self,
        item: &str,
        quantity: Quantity,
        place: &str,
        start: Time,
        asking: &Asking<'_>,
        binding: &mut Vec<Binding>,
    ) -> Option<Sourced> {
        let at = self.supplies.stock(item, place)?;
        let (rules, now) = (self.rules, self.now);
        let taken = self.stock_taken.get(&at.id).copied().unwrap_or_default();
        let replaces = self.replaced.get(&at.id).copied();
        let earliest = |class: &str| {
            at.stock.earliest(quantity + taken, start, class, &rules.classes, now, replaces.as_ref())
        };
        let ready = earliest(asking.class).filter(|ready| *ready <= asking.until);
        if ready.is_none_or(|ready| ready > start) {
            let available = at.stock.available(start, asking.class, &rules.classes, now, replaces.as_ref());
            let available = (available - taken).max(Quantity::ZERO);
            // Whoever is served first would get it: then it is not the stock that is short.
            let reserved = rules.classes.0.first().is_some_and(|first| {
                first != asking.class
                    && earliest(first).is_some_and(|theirs| ready.is_none_or(|r| theirs < r))
            });
            let (item_id, place) = (item.to_owned(), place.to_owned());
            binding.push(if reserved {
                Binding::Reserved { item_id, place, class: asking.class.to_owned() }
            } else {
                Binding::Stock { item_id, place, available, from: ready }
            });
        }
        let take =
            Take::Stock { quantity, due: ready?, class: asking.class.to_owned(), priority: asking.priority };
        let name = SupplyName::Stock { item: item.to_owned(), place: place.to_owned() };
        let needs = vec![Need { of: at.id, name, take, replaces }];
        Some(Sourced { needs, ready: ready?, basis: Basis::Atp })
    }

    /// Made at a place: as soon as its material is there and there is capacity for it.
    fn made(
        &self,
        item: &str,
        quantity: Quantity,
        place: &str,
        start: Time,
        asking: &Asking<'_>,
        binding: &mut Vec<Binding>,
    ) -> Option<Sourced> {
        let recipe = self.supplies.item(item)?.recipe.as_ref()?;
        let mut needs = Vec::new();
        let mut begins = start;
        for part in &recipe.of {
            let wanted = part.quantity.times(quantity);
            if self.supplies.stock(&part.item_id, place).is_none() {
                binding.push(Binding::NotKept { item_id: part.item_id.clone() });
            }
            let line = self.from_stock(&part.item_id, wanted, place, start, asking, binding)?;
            begins = begins.max(line.ready);
            needs.extend(line.needs);
        }
        let mut ends = begins;
        let mut first = None;
        for CapacityUse { resource, units } in &recipe.with {
            let (id, known) = self.known_resource(resource, binding)?;
            let mut wanted = units.times(quantity);
            for slot in known.slots(begins, asking.until) {
                let free = self.free(id, known, &slot, asking).min(wanted);
                if !free.is_positive() {
                    binding.push(Binding::Capacity { resource: resource.clone(), full: slot.start });
                    continue;
                }
                let picked = Picked { id, name: resource, slot, units: free };
                needs.push(picked.need(asking, None));
                first = Some(first.map_or(slot.start, |first: Time| first.min(slot.start)));
                ends = ends.max(slot.end);
                wanted -= free;
                if !wanted.is_positive() {
                    break;
                }
            }
            if wanted.is_positive() {
                binding.push(Binding::NoCapacity { resource: resource.clone() });
                return None;
            }
        }
        // Its material leaves the shelf when the work begins.
        let material = first.unwrap_or(begins).max(begins);
        for need in &mut needs {
            if let Take::Stock { due, .. } = &mut need.take {
                *due = material;
            }
        }
        let ready = ends.plus_micros(i64::from(recipe.then_minutes) * 60_000_000);
        (ready <= asking.until).then_some(Sourced { needs, ready, basis: Basis::Ctp })
    }

    /// The capacity that services use, once the goods are on their way: a slot that takes all of it.
    fn serve(
        &self,
        uses: &BTreeMap<&'a str, Quantity>,
        after: Time,
        asking: &Asking<'_>,
        binding: &mut Vec<Binding>,
    ) -> Option<Vec<Picked<'a>>> {
        let slot = |(name, units): (&&'a str, &Quantity)| {
            self.slot(name, *units, after, Begins::After, asking, binding)
        };
        uses.iter().map(slot).collect()
    }

    fn known_resource(&self, name: &str, binding: &mut Vec<Binding>) -> Option<(EntityId, &'a Resource)> {
        let known = self.supplies.resource(name);
        if known.is_none() {
            binding.push(Binding::NoCapacity { resource: name.to_owned() });
        }
        known
    }

    fn free(&self, id: EntityId, resource: &Resource, slot: &Slot, asking: &Asking<'_>) -> Quantity {
        let taken = self.slot_taken.get(&(id, slot.start)).copied().unwrap_or_default();
        let but = self.replaced.get(&id);
        resource.free(slot, asking.class, &self.rules.classes, self.now, but) - taken
    }

    /// The first slot with room that is not over at `from`.
    fn slot<'n>(
        &self,
        name: &'n str,
        units: Quantity,
        from: Time,
        begins: Begins,
        asking: &Asking<'_>,
        binding: &mut Vec<Binding>,
    ) -> Option<Picked<'n>> {
        let (id, resource) = self.known_resource(name, binding)?;
        let mut any = false;
        for slot in resource.slots(from, asking.until) {
            if begins == Begins::After && slot.start < from {
                continue;
            }
            any = true;
            if self.free(id, resource, &slot, asking) >= units {
                return Some(Picked { id, name, slot, units });
            }
            if !binding.iter().any(|b| matches!(b, Binding::Capacity { resource, .. } if resource == name)) {
                binding.push(Binding::Capacity { resource: name.to_owned(), full: slot.start });
            }
        }
        if !any {
            binding.push(Binding::NoCapacity { resource: name.to_owned() });
        }
        None
    }

    /// The last slot with room that begins at `from` or later and is over by `until`.
    fn last_slot<'n>(
        &self,
        name: &'n str,
        units: Quantity,
        from: Time,
        until: Time,
        asking: &Asking<'_>,
    ) -> Option<Picked<'n>> {
        let (id, resource) = self.supplies.resource(name)?;
        let fits = |slot: &Slot| slot.start >= from && slot.end <= until;
        let slots = resource.slots(from, until.min(asking.until)).filter(fits);
        let found = slots.filter(|slot| self.free(id, resource, slot, asking) >= units).last()?;
        Some(Picked { id, name, slot: found, units })
    }

    fn substitutes(&self, inquiry: &Inquiry) -> Vec<(String, String)> {
        let mut found = Vec::new();
        for (at, line) in inquiry.lines.iter().enumerate() {
            let substitutes = self.supplies.item(&line.item_id).map_or(&[][..], |item| &item.substitutes);
            for substitute in substitutes {
                let mut instead = inquiry.clone();
                instead.lines[at].item_id.clone_from(substitute);
                let mut planner = Planner::new(self.rules, self.supplies, self.now);
                planner.stock_taken.clone_from(&self.stock_taken);
                planner.slot_taken.clone_from(&self.slot_taken);
                let one = Batch { from: self.now, parcels: Quantity::ONE, until: None };
                let offer = planner.offer(&instead, &one, &mut Vec::new());
                if offer.is_some_and(|offer| inquiry.wanted.is_none_or(|wanted| offer.due_at <= wanted)) {
                    found.push((line.item_id.clone(), substitute.clone()));
                }
            }
        }
        found
    }

    fn put_together(
        &self,
        inquiry: &Inquiry,
        candidates: Vec<Candidate>,
        services: Vec<Picked<'_>>,
        asking: &Asking<'_>,
        binding: &mut Vec<Binding>,
    ) -> Option<Offer> {
        let mut needs: Vec<Need> = Vec::new();
        let mut parcels = Vec::new();
        // Each parcel is late on its own account.
        let mut probability = 1.0;
        let mut basis = Basis::Atp;
        for candidate in candidates {
            needs.extend(candidate.needs);
            probability *= candidate.probability;
            basis = basis.max(candidate.basis);
            parcels.push(candidate.parcel);
        }
        let served = services.iter().map(|picked| picked.slot.end).max();
        needs.extend(
            services.iter().map(|picked| picked.need(asking, self.replaced.get(&picked.id).copied())),
        );
        let delivered = parcels.iter().map(|parcel: &Parcel| parcel.due_at).max();
        if delivered.is_none() {
            basis = if served.is_some() { Basis::Ctp } else { Basis::Policy };
        }
        let due_at = delivered.into_iter().chain(served).max();
        let due_at = due_at.unwrap_or_else(|| end_of_day(asking.from, &asking.zone));
        let hand_over_by =
            parcels.iter().map(|parcel| parcel.hand_over_by).max().or(served).unwrap_or(due_at);
        // Asked in the same order by everybody, so that two never refuse each other what both could have had.
        needs.sort_by(|a, b| (a.of, a.take.due()).cmp(&(b.of, b.take.due())));
        let lines: Vec<OfferLine> = inquiry.lines.iter().map(|line| self.offered(line, &parcels)).collect();
        let total = sum(lines.iter().map(|line| times(line.price?, line.quantity)));
        let costs = lines.iter().map(|line| times(self.supplies.item(&line.item_id)?.cost?, line.quantity));
        let delivery = parcels.iter().filter_map(|parcel| parcel.cost).map(Some);
        let margin = match (total, sum(costs.chain(delivery))) {
            (Some(total), Some(cost)) if total.currency == cost.currency => {
                Some(Money { minor: total.minor.checked_sub(cost.minor)?, currency: total.currency })
            }
            _ => None,
        };
        if let (Some(floor), Some(total), Some(margin)) = (self.rules.margin_floor, total, margin)
            && (margin.minor as f64) < floor * total.minor as f64
        {
            let item_id = inquiry.lines.first().map(|line| line.item_id.clone()).unwrap_or_default();
            binding.insert(0, Binding::Margin { item_id });
            return None;
        }
        Some(Offer { lines, needs, parcels, due_at, hand_over_by, probability, basis, total, margin })
    }

    /// What of a line is offered: all of it, unless only part of it is in the parcels.
    fn offered(&self, line: &super::WantedLine, parcels: &[Parcel]) -> OfferLine {
        let item = self.supplies.item(&line.item_id);
        let packed = parcels.iter().flat_map(|parcel| &parcel.lines);
        let packed: Quantity = packed.filter(|(item, _)| *item == line.item_id).map(|(_, q)| *q).sum();
        let stocked = item.is_some_and(|item| item.stocked);
        OfferLine {
            item_id: line.item_id.clone(),
            wanted: line.quantity,
            quantity: if stocked { packed.min(line.quantity) } else { line.quantity },
            price: line.price.or(item.and_then(|item| item.price)),
        }
    }
}

/// A slot that was found.
struct Picked<'n> {
    id: EntityId,
    name: &'n str,
    slot: Slot,
    units: Quantity,
}

impl Picked<'_> {
    fn need(&self, asking: &Asking<'_>, replaces: Option<HoldId>) -> Need {
        let (class, priority) = (asking.class.to_owned(), asking.priority);
        let take = Take::Slot { slot: self.slot, units: self.units, class, priority };
        Need { of: self.id, name: SupplyName::Resource(self.name.to_owned()), take, replaces }
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

/// `price` for so many units, rounded to the minor unit.
pub(super) fn times(price: Money, quantity: Quantity) -> Option<Money> {
    let minor = i128::from(price.minor) * i128::from(quantity.0);
    let minor = i64::try_from((minor + 500 * minor.signum()) / 1_000).ok()?;
    Some(Money { minor, currency: price.currency })
}

/// The sum, where every part is known and in one currency.
pub(super) fn sum(parts: impl Iterator<Item = Option<Money>>) -> Option<Money> {
    let mut total: Option<Money> = None;
    for part in parts {
        let part = part?;
        total = Some(match total {
            None => part,
            Some(total) if total.currency == part.currency => {
                Money { minor: total.minor.checked_add(part.minor)?, currency: total.currency }
            }
            Some(_) => return None,
        });
    }
    total
}
