//! What is shown of a customer, gathered on the fold's thread.

use std::collections::{BTreeMap, BTreeSet};

use engine::connection::{Choice, Connection, Does, Seen, days_of};
use engine::playbook::{Playbook, Playbooks};
use engine::promising::{Inquiry, WantedLine};
use engine::{Customer, Entity, Order};
use model::connection::{DecisionRecord, NeedStage};
use model::{EntityId, Money, Quantity, SupplyName, Time, TimerPurpose};
use runtime::{Fold, FoldError, Trace};

/// So many of the latest steps of a customer's history are looked through for receipts.
const STEPS_MAX: usize = 2_000;

pub(super) struct Known {
    /// Who stands for the customer.
    pub(super) id: EntityId,
    pub(super) now: Time,
    pub(super) customer: Customer,
    /// Of all the profiles that are one person.
    pub(super) members: Vec<EntityId>,
    pub(super) orders: BTreeMap<String, Order>,
    pub(super) playbooks: Playbooks,
    pub(super) zone: String,
    /// What goods are called, and what they cost now.
    pub(super) items: BTreeMap<String, (Option<String>, Option<Money>)>,
    /// Where the steps of the history stand in the journal, oldest first.
    pub(super) steps: Vec<u64>,
    /// What can be promised now of what was offered for the needs that are open.
    pub(super) offers: BTreeMap<String, Vec<Offer>>,
}

/// What answers a need, as it can be had now.
pub(super) struct Offer {
    pub(super) item_id: String,
    pub(super) quantity: Quantity,
    pub(super) price: Option<Money>,
    pub(super) due_at: Option<Time>,
    pub(super) probability: Option<f64>,
}

/// A decision's record, read back.
pub(super) struct Decided {
    pub(super) seen: Seen,
    pub(super) choice: Choice,
}

pub(super) fn read(record: &DecisionRecord) -> Option<Decided> {
    let seen = serde_json::from_str(&record.seen).ok()?;
    let choice = serde_json::from_str(&record.choice).ok()?;
    Some(Decided { seen, choice })
}

/// What a decision puts before the customer.
fn offered(choice: &Choice) -> Vec<String> {
    match &choice.chosen.does {
        Does::Offer { items } => items.clone(),
        Does::Remind { item_id, .. } | Does::Ask { item_id, .. } => item_id.iter().cloned().collect(),
        Does::Nothing | Does::WaitUntil { .. } | Does::Order { .. } => Vec::new(),
    }
}

/// Everything about a customer; nothing where they are not known or were erased.
pub(super) fn load(fold: &mut Fold, customer: EntityId, now: Time) -> Result<Option<Known>, FoldError> {
    let id = fold.head(customer)?;
    let Some(known) = fold.entity(id)?.customer().filter(|known| known.erased_at.is_none()) else {
        return Ok(None);
    };
    let customer = known.clone();
    let reference = fold.reference();
    let (playbooks, zone) = (reference.playbooks.clone(), customer.time_zone(&reference.promising.time_zone));
    let members = fold.person(id)?;
    let (mut orders, mut steps) = (BTreeMap::new(), Vec::new());
    for member in &members {
        if let Some(known) = fold.entity(*member)?.customer() {
            orders.extend(known.orders.clone());
        }
        let outcomes = fold.trail(*member)?.into_iter();
        steps.extend(outcomes.filter(|(_, trace)| *trace == Trace::Outcome).map(|(seq, _)| seq));
    }
    steps.sort_unstable();
    steps.dedup();
    let over = steps.len().saturating_sub(STEPS_MAX);
    steps.drain(..over);
    let mut offers = BTreeMap::new();
    for (need_id, record) in &customer.connection.needs {
        let open = matches!(record.stage, NeedStage::Recognized | NeedStage::Requested);
        let decision = record.decision_id.as_ref().and_then(|id| customer.connection.decisions.get(id));
        let playbook = playbooks.get(&record.need.playbook, record.need.version);
        if let (true, Some(decided), Some(playbook)) = (open, decision.and_then(read), playbook) {
            let items = offered(&decided.choice);
            offers.insert(need_id.clone(), offers_now(fold, &customer, playbook, &items, now)?);
        }
    }
    let mut items = BTreeMap::new();
    for item_id in named_items(&customer.connection, &orders, &playbooks) {
        let Some(entity) = fold.supply(&SupplyName::Item(item_id.clone()))? else { continue };
        if let Entity::Item(item) = fold.entity(entity)?
            && let Some(item) = &item.item
        {
            items.insert(item_id, (item.name.clone(), item.price));
        }
    }
    Ok(Some(Known { id, now, customer, members, orders, playbooks, zone, items, steps, offers }))
}

/// What can be promised of these items now; nothing is held by it.
pub(super) fn offers_now(
    fold: &mut Fold,
    customer: &Customer,
    playbook: &Playbook,
    items: &[String],
    now: Time,
) -> Result<Vec<Offer>, FoldError> {
    let defaults = customer.order_defaults.as_deref().cloned().unwrap_or_default();
    let quantity = playbook.offer.quantity;
    let mut offers = Vec::new();
    for item_id in items {
        let inquiry = Inquiry {
            lines: vec![WantedLine { item_id: item_id.clone(), quantity, price: None }],
            to: defaults.to.clone(),
            class: playbook.promise.class.clone().or(defaults.class.clone()).unwrap_or_default(),
            priority: 0,
            wanted: None,
            together: false,
            partial: false,
            service: defaults.service.clone(),
            time_zone: defaults.time_zone.clone(),
            target: playbook.promise.service,
        };
        let offer = fold.inquire(&inquiry, now)?.offer;
        offers.push(Offer {
            item_id: item_id.clone(),
            quantity,
            price: offer.as_ref().and_then(|offer| offer.total),
            due_at: offer.as_ref().map(|offer| offer.due_at),
            probability: offer.as_ref().map(|offer| offer.probability),
        });
    }
    Ok(offers)
}

/// Every item that a page may speak of.
fn named_items(
    connection: &Connection,
    orders: &BTreeMap<String, Order>,
    playbooks: &Playbooks,
) -> BTreeSet<String> {
    let mut items = BTreeSet::new();
    items.extend(connection.mandates.values().flat_map(|record| record.terms.items.clone()));
    let proposed = connection.mandates.values().filter_map(|record| record.proposed.as_ref());
    items.extend(proposed.flat_map(|(terms, ..)| terms.items.clone()));
    items.extend(connection.actions.values().map(|record| record.action.item_id.clone()));
    items.extend(connection.bought.values().flatten().map(|bought| bought.item_id.clone()));
    items.extend(playbooks.current().flat_map(|(_, playbook)| playbook.offer.items.clone()));
    let decided = connection.decisions.values().filter_map(read);
    items.extend(decided.flat_map(|decided| decided.seen.offers).map(|offer| offer.item_id));
    let placed = orders.values().filter_map(|order| order.action.as_ref());
    items.extend(placed.flat_map(|action| &action.wanted).map(|wanted| wanted.item_id.clone()));
    items
}

impl Known {
    pub(super) fn connection(&self) -> &Connection {
        &self.customer.connection
    }

    /// Every category that there is anything to say or to set about.
    pub(super) fn categories(&self) -> BTreeSet<String> {
        let connection = self.connection();
        let mut categories: BTreeSet<String> =
            self.playbooks.current().map(|(_, playbook)| playbook.category.clone()).collect();
        categories.extend(connection.preferences.iter().map(|known| known.category.clone()));
        categories.extend(connection.mandates.values().map(|record| record.terms.category.clone()));
        categories
    }

    /// When the engine looks at a slot's forecast next: about then an order would be begun.
    pub(super) fn looked_at(&self, device: Option<&str>, slot: Option<&str>) -> Option<Time> {
        let timers = self.customer.timers.values().filter(|timer| match &timer.purpose {
            TimerPurpose::ForecastDue { device_id, slot: of } => {
                device.is_none_or(|device| device == device_id) && slot.is_none_or(|slot| slot == of)
            }
            _ => false,
        });
        timers.map(|timer| timer.due).min()
    }

    /// Within which days a slot runs empty with 80 %, where that can be told: the earliest and the latest.
    pub(super) fn runs_empty(&self, device: &str, slot: &str) -> Option<(Time, Time)> {
        let connection = self.connection();
        let slot = connection.slot(device, slot)?;
        if connection.share(&slot.category, Some(device)) < 2 {
            return None;
        }
        let (_, playbook) = self.playbooks.of_category(&slot.category)?;
        let rule = playbook.needs.iter().find_map(|rule| rule.forecast.as_ref())?;
        let prior = connection.priors.get(&slot.category).map(|pinned| pinned.prior.clone());
        let level = slot.level.as_ref()?;
        let forecast = level.runs_empty(&prior.unwrap_or_default(), days_of(self.now), rule.empty_at).ok()?;
        let after = |days: f64| {
            self.now.plus_micros((days.clamp(0.0, 3_650.0) * 86_400_000_000.0) as i64)
        };
        Some((after(forecast.quantile(0.1)), after(forecast.quantile(0.9))))
    }
}
