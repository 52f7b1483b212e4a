//! Events of operations reach what they are about, and the supply that a request may be met from is gathered.

use std::collections::{BTreeMap, BTreeSet};

use engine::promising::{Answer, Inquiry, Planner, StockAt, Supplies};
use engine::supply::SupplyStimulus;
use engine::{Entity, Stimulus};
use model::{
    EntityId, EntityKind, HoldId, Identifier, IdentifierHash, KeyId, SupplyEvent, SupplyName, Time,
    TimelineId,
};

use super::{Counted, Fold, FoldError, FollowUp, Mode};

/// No rule can name identifiers like these, so what operations have is never taken for a person's.
const ITEM: &str = "\u{1}item";
const STOCK: &str = "\u{1}stock";
const RESOURCE: &str = "\u{1}resource";

/// Items that one request may lead to: parts of bundles, what things are made of, what may stand in for them.
const ITEMS_MAX: usize = 1_000;

/// What a request may be met from: entities that are in memory.
#[derive(Default)]
pub(super) struct Gathered {
    items: Vec<(String, EntityId)>,
    stocks: Vec<(String, String, EntityId)>,
    resources: Vec<(String, EntityId)>,
}

impl Fold {
    fn supply_hash(&self, name: &SupplyName) -> IdentifierHash {
        let joined;
        let (kind, value) = match name {
            SupplyName::Item(item) => (ITEM, item.as_str()),
            SupplyName::Resource(resource) => (RESOURCE, resource.as_str()),
            SupplyName::Stock { item, place } => {
                // Names have no control characters.
                joined = format!("{item}\u{1}{place}");
                (STOCK, joined.as_str())
            }
        };
        self.keys.hash_identifier(&Identifier::Typed { kind, value })
    }

    /// Who owns what operations call by a name.
    pub fn supply(&mut self, name: &SupplyName) -> Result<Option<EntityId>, FoldError> {
        Ok(self.row(self.supply_hash(name))?.home)
    }

    /// The first to bear a name owns it.
    pub(super) fn claim_supply(&mut self, name: &SupplyName, id: EntityId) -> Result<(), FoldError> {
        let hash = self.supply_hash(name);
        if self.row(hash)?.home.is_none() {
            self.set_home(hash, id)?;
        }
        Ok(())
    }

    fn supply_or_new(&mut self, name: &SupplyName, seq: u64) -> Result<EntityId, FoldError> {
        let kind = match name {
            SupplyName::Item(_) => EntityKind::Item,
            SupplyName::Stock { .. } => EntityKind::Stock,
            SupplyName::Resource(_) => EntityKind::Resource,
        };
        let fresh = EntityId { kind, partition: self.partition, number: seq };
        self.claim_supply(name, fresh)?;
        Ok(self.supply(name)?.unwrap_or(fresh))
    }

    /// Lets an event of operations count. Its state follows from what is decided of it, so a replay has nothing to do.
    pub(super) fn count_supply(
        &mut self,
        seq: u64,
        event: &SupplyEvent,
        at: Time,
        timeline: TimelineId,
        mode: Mode,
    ) -> Result<Counted, FoldError> {
        if matches!(mode, Mode::Replay(_)) {
            return Ok(Counted::Yes(FollowUp::default()));
        }
        let id = self.supply_or_new(&event.name, seq)?;
        let item = match &event.name {
            SupplyName::Stock { item, .. } => Some(self.supply_or_new(&SupplyName::Item(item.clone()), seq)?),
            _ => None,
        };
        // Supply is of today: what an import tells of the past is judged by the clock by which promises are made.
        let live = self.clock(TimelineId::LIVE);
        let now = if live > Time::MIN { live } else { self.clock(timeline) };
        let shelf_life_hours = match item {
            Some(item) => self.entity(item)?.item().and_then(|known| known.item.as_ref()?.shelf_life_hours),
            None => None,
        };
        let event = Ok(event);
        let stimulus = Stimulus::Supply(SupplyStimulus { event, at, item, shelf_life_hours });
        let outcomes = self.ask(id, &stimulus, now, timeline)?;
        let decided = (!outcomes.is_empty()).then_some((id, KeyId::STORE, outcomes));
        Ok(Counted::Yes(FollowUp { unsettled: None, decided }))
    }

    /// What can be promised, as things are at `now`; nothing is held by it.
    pub fn inquire(&mut self, inquiry: &Inquiry, now: Time) -> Result<Answer, FoldError> {
        self.plan_replacing(inquiry, now, &[])
    }

    /// What can be promised where nothing is begun before a time.
    pub fn inquire_from(&mut self, inquiry: &Inquiry, now: Time, begins: Time) -> Result<Answer, FoldError> {
        self.with_supplies(std::slice::from_ref(inquiry), |rules, supplies| {
            Planner::new(rules, supplies, now).beginning(begins).answer(inquiry)
        })
    }

    /// What can be promised if these commitments were let go for it.
    pub fn plan_replacing(
        &mut self,
        inquiry: &Inquiry,
        now: Time,
        replaced: &[(EntityId, HoldId)],
    ) -> Result<Answer, FoldError> {
        self.with_supplies(std::slice::from_ref(inquiry), |rules, supplies| {
            Planner::new(rules, supplies, now).replacing(replaced.iter().copied()).answer(inquiry)
        })
    }

    /// Lets `plan` look at everything that some requests may be met from.
    pub fn with_supplies<T>(
        &mut self,
        inquiries: &[Inquiry],
        plan: impl FnOnce(&engine::promising::Rules, &Supplies<'_>) -> T,
    ) -> Result<T, FoldError> {
        // Where something is kept may still be under way.
        self.deliver_now()?;
        let gathered = self.gather(inquiries)?;
        let entity = |id: &EntityId| self.entities.get(id).map(|cached| &cached.entity);
        let mut supplies = Supplies::default();
        for (name, id) in &gathered.items {
            if let Some(item) = entity(id).and_then(Entity::item) {
                supplies.items.insert(name, item);
            }
        }
        for (item, place, id) in &gathered.stocks {
            if let Some(stock) = entity(id).and_then(Entity::stock) {
                supplies.stocks.insert((item, place), StockAt { id: *id, stock });
            }
        }
        for (name, id) in &gathered.resources {
            if let Some(resource) = entity(id).and_then(Entity::resource) {
                supplies.resources.insert(name, (*id, resource));
            }
        }
        Ok(plan(&self.reference.promising, &supplies))
    }

    fn gather(&mut self, inquiries: &[Inquiry]) -> Result<Gathered, FoldError> {
        let mut gathered = Gathered::default();
        let mut places = BTreeSet::new();
        let mut resources = BTreeSet::new();
        let rules = self.reference.promising.clone();
        for inquiry in inquiries {
            for lane in rules.lanes_to(&inquiry.to, inquiry.service.as_deref()) {
                resources.extend(lane.slots.clone());
                resources.extend(rules.places.get(&lane.from).and_then(|place| place.work.clone()));
                places.insert(lane.from.clone());
            }
        }
        let lines = inquiries.iter().flat_map(|inquiry| &inquiry.lines);
        let mut waiting: Vec<String> = lines.map(|line| line.item_id.clone()).collect();
        let mut seen: BTreeMap<String, ()> = BTreeMap::new();
        while let Some(item_id) = waiting.pop() {
            if seen.len() >= ITEMS_MAX || seen.insert(item_id.clone(), ()).is_some() {
                continue;
            }
            let Some(id) = self.supply(&SupplyName::Item(item_id.clone()))? else { continue };
            self.load(id)?;
            let Some(known) = self.entities[&id].entity.item() else { continue };
            if let Some(item) = &known.item {
                let recipe = item.recipe.iter();
                let parts = item.bundle.iter().chain(recipe.clone().flat_map(|recipe| &recipe.of));
                waiting.extend(parts.map(|part| part.item_id.clone()));
                waiting.extend(item.substitutes.iter().cloned());
                let uses = item.uses.iter().chain(recipe.flat_map(|recipe| &recipe.with));
                resources.extend(uses.map(|used| used.resource.clone()));
            }
            let kept = places.iter().filter_map(|place| Some((place.clone(), *known.kept_at.get(place)?)));
            let kept: Vec<(String, EntityId)> = kept.collect();
            for (place, stock) in kept {
                self.load(stock)?;
                gathered.stocks.push((item_id.clone(), place, stock));
            }
            gathered.items.push((item_id, id));
        }
        for name in resources {
            if let Some(id) = self.supply(&SupplyName::Resource(name.clone()))? {
                self.load(id)?;
                gathered.resources.push((name, id));
            }
        }
        Ok(gathered)
    }
}
