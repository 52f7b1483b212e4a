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

    /// All of some lines from one place, by one lane. What one line takes is not there for the next.
    fn by_lane(
        &mut self,
        lines: &Lines<'a>,
        lane: &Lane,
        asking: &Asking<'_>,
        binding: &mut Vec<Binding>,
    ) -> Option<Candidate> {
        let mark = self.tentative.len();
        let mut found = self.try_place(lines, lane, asking, binding);
        self.roll_back(mark);
        if found.is_none() && asking.wanted.is_some() {
            // Goods that perish may have to leave earlier than the wanted date allows.
            let asking = Asking { wanted: None, zone: asking.zone.clone(), ..*asking };
            found = self.try_place(lines, lane, &asking, binding);
            self.roll_back(mark);
        }
        found
    }

    fn try_place(
        &mut self,
        lines: &Lines<'a>,
        lane: &Lane,
        asking: &Asking<'_>,
        binding: &mut Vec<Binding>,
    ) -> Option<Candidate> {
        let place = self.rules.places.get(&lane.from)?;
        let start = asking.from.plus_micros(i64::from(place.handling_minutes) * 60_000_000);
        let mut sourced: Vec<Sourced> = Vec::with_capacity(lines.len());
        for (item, quantity) in lines {
            let line = self.source(item, *quantity, &lane.from, start, asking, binding)?;
            for need in &line.needs {
                self.tentatively(need.clone());
            }
            sourced.push(line);
        }
        let ready = sourced.iter().map(|line| line.ready).max().unwrap_or(start);
        let basis = sourced.iter().map(|line| line.basis).max().unwrap_or(Basis::Atp);
        let units = place.work_units.unwrap_or(Quantity::ONE).times(asking.parcels);
        let of_lines = self.tentative.len();
        let mut work = match &place.work {
            Some(name) => Some(self.slot(name, units, ready, Begins::Before, asking, binding)?),
            None => None,
        };
        self.tentatively_of(&work, asking);
        let leaves = work.as_ref().map_or(ready, |work| work.slot.end);
        let mut away = match &lane.slots {
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
        let mut due_at = arrival(hand_over(&work, &away));
        if let Some(wanted) = asking.wanted.filter(|wanted| due_at <= *wanted) {
            // It can be had in time: as late as it may leave.
            let latest = wanted.plus_micros(-travels);
            self.roll_back(of_lines);
            if let (Some(name), Some(found)) = (&lane.slots, &away)
                && let Some(later) = self.last_slot(name, asking.parcels, found.slot.start, latest, asking)
            {
                away = Some(later);
            }
            self.tentatively_of(&away, asking);
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
        let taken_away = away.as_ref().map_or(hand_over_by, |away| away.slot.start);
        let leaves_stock = work.as_ref().map_or(taken_away, |work| work.slot.start).max(ready);
        for line in sourced.iter_mut().filter(|line| line.basis == Basis::Atp) {
            for need in &mut line.needs {
                if let Take::Stock { due, .. } = &mut need.take {
                    *due = leaves_stock;
                }
            }
        }
        let mut needs: Vec<Need> = sourced.into_iter().flat_map(|line| line.needs).collect();
        self.keeps_until_then(&needs, asking, binding)?;
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

    fn tentatively_of(&mut self, picked: &Option<Picked<'_>>, asking: &Asking<'_>) {
        if let Some(picked) = picked {
            self.tentatively(picked.need(asking, None));
        }
    }

    /// Goods that keep are there later as well; those that perish may be gone when there is a slot for them.
    fn keeps_until_then(
        &self,
        needs: &[Need],
        asking: &Asking<'_>,
        binding: &mut Vec<Binding>,
    ) -> Option<()> {
        for need in needs {
            let (Take::Stock { due, .. }, SupplyName::Stock { item, place }) = (&need.take, &need.name)
            else {
                continue;
            };
            let stock = self.supplies.stock(item, place)?.stock;
            // With what this request and those before it take.
            let taken = self.stock_taken.get(&need.of).copied().unwrap_or_default();
            let (classes, replaces) = (&self.rules.classes, need.replaces.as_ref());
            if !stock.lots.is_empty()
                && !stock.can_leave(taken, *due, asking.class, classes, self.now, replaces)
            {
                let (item_id, place) = (item.clone(), place.clone());
                let available = stock.available(*due, asking.class, classes, self.now, replaces);
                let available = available.max(Quantity::ZERO);
                binding.push(Binding::Stock { item_id, place, available, from: None });
                return None;
            }
        }
        Some(())
    }

    /// Where one line comes from at a place: from stock, or made there where that is earlier.
    fn source(
        &mut self,
        item: &'a str,
        quantity: Quantity,
        place: &str,
        start: Time,
        asking: &Asking<'_>,
        binding: &mut Vec<Binding>,
    ) -> Option<Sourced> {
        let stocked = self.stocked(item, quantity, place, start, asking, binding);
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

    fn stocked(
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
        &mut self,
        item: &str,
        quantity: Quantity,
        place: &str,
        start: Time,
        asking: &Asking<'_>,
        binding: &mut Vec<Binding>,
    ) -> Option<Sourced> {
        let mark = self.tentative.len();
        let made = self.try_made(item, quantity, place, start, asking, binding);
        self.roll_back(mark);
        made
    }

    fn try_made(
        &mut self,
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
            let line = self.stocked(&part.item_id, wanted, place, start, asking, binding)?;
            begins = begins.max(line.ready);
            for need in line.needs {
                self.tentatively(need.clone());
                needs.push(need);
            }
        }
        let mut ends = begins;
        let mut first = None;
        for CapacityUse { resource, units } in &recipe.with {
            let (id, known) = self.known_resource(resource, binding)?;
            let mut wanted = units.times(quantity);
            let mut full = None;
            for slot in known.slots(begins, asking.until) {
                let free = self.free(id, known, &slot, asking).min(wanted);
                if !free.is_positive() {
                    full = full.or(Some(slot.start));
                    continue;
                }
                let picked = Picked { id, name: resource, slot, units: free };
                let need = picked.need(asking, self.replaced.get(&id).copied());
                self.tentatively(need.clone());
                needs.push(need);
                first = Some(first.map_or(slot.start, |first: Time| first.min(slot.start)));
                ends = ends.max(slot.end);
                wanted -= free;
                if !wanted.is_positive() {
                    break;
                }
            }
            binding.extend(full.map(|full| Binding::Capacity { resource: resource.clone(), full }));
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

    /// The capacity that services use, once the goods are there: a slot that takes all of it.
    fn serve(
        &mut self,
        uses: &BTreeMap<&'a str, Quantity>,
        after: Time,
        asking: &Asking<'_>,
        binding: &mut Vec<Binding>,
    ) -> Option<Vec<Picked<'a>>> {
        let mut services = Vec::new();
        for (name, units) in uses {
            let picked = Some(self.slot(name, *units, after, Begins::After, asking, binding)?);
            self.tentatively_of(&picked, asking);
            services.extend(picked);
        }
        Some(services)
    }

    fn known_resource(&self, name: &str, binding: &mut Vec<Binding>) -> Option<(EntityId, &'a Resource)> {
        let known = self.supplies.resource(name);
        if known.is_none() {
            binding.push(Binding::NoCapacity { resource: name.to_owned() });
        }
        known
    }

    fn has_room(
        &self,
        id: EntityId,
        resource: &Resource,
        slot: &Slot,
        units: Quantity,
        asking: &Asking<'_>,
    ) -> bool {
        let taken = self.slot_taken.get(&(id, slot.start)).copied().unwrap_or_default();
        let but = self.replaced.get(&id);
        resource.has_room(units + taken, slot, asking.class, &self.rules.classes, self.now, but)
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
            if self.has_room(id, resource, &slot, units, asking) {
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
        let found = slots.filter(|slot| self.has_room(id, resource, slot, units, asking)).last()?;
        Some(Picked { id, name, slot: found, units })
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
        needs.sort_by_key(|need| (need.of, need.take.due()));
        let mut packed: BTreeMap<String, Quantity> = BTreeMap::new();
        for (item, quantity) in parcels.iter().flat_map(|parcel| &parcel.lines) {
            *packed.entry(item.clone()).or_default() += *quantity;
        }
        let lines: Vec<OfferLine> =
            inquiry.lines.iter().map(|line| self.offered(line, &mut packed)).collect();
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

    /// What of a line is offered: all of it, unless what is packed is not enough for it; what it has is not there for
    /// the lines after it.
    fn offered(&self, line: &super::WantedLine, packed: &mut BTreeMap<String, Quantity>) -> OfferLine {
        let item = self.supplies.item(&line.item_id);
        let (mut parts, mut uses) = (BTreeMap::new(), BTreeMap::new());
        self.expand(&line.item_id, Quantity::ONE, 0, &mut parts, &mut uses, &mut Vec::new());
        let enough_for = |(part, each): (&&str, &Quantity)| {
            let there = packed.get(*part).copied().unwrap_or_default();
            Quantity((i128::from(there.0) * 1_000 / i128::from(each.0.max(1))) as i64)
        };
        let most = parts.iter().map(enough_for).min().unwrap_or(line.quantity);
        // Whole things are not cut.
        let whole = line.quantity.0 % 1_000 == 0;
        let most = if whole { Quantity(most.0 - most.0.rem_euclid(1_000)) } else { most };
        let quantity = most.min(line.quantity);
        for (part, each) in parts {
            if let Some(there) = packed.get_mut(part) {
                *there -= each.times(quantity);
            }
        }
        OfferLine {
            item_id: line.item_id.clone(),
            wanted: line.quantity,
            quantity,
            price: line.price.or(item.and_then(|item| item.price)),
            category: item.and_then(|item| item.category.clone()),
            exchange: item.map(|item| item.exchange.clone()).unwrap_or_default(),
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
