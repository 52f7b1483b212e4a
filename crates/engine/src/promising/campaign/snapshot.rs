//! Supply as it was at one moment, so that long plans are made beside the work and not in its way.

use std::collections::BTreeMap;

use model::{EntityId, EntityKind, HoldId, PartitionId, Quantity, Take, Time};

use crate::promising::{StockAt, Supplies};
use crate::supply::{CatalogueItem, Held, Ledger, Resource, Stock};

/// More than any plan asks for, and still safe to add up.
const ENDLESS: Quantity = Quantity(Quantity::MAX.0 / 1_024);
const HOUR_MICROS: i64 = 3_600_000_000;

/// A copy of supply. What is taken of an entity is summed up, by class and hour or slot: how many took it is nothing
/// to a plan.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    items: BTreeMap<String, CatalogueItem>,
    stocks: BTreeMap<(String, String), (EntityId, Stock)>,
    resources: BTreeMap<String, (EntityId, Resource)>,
}

impl Snapshot {
    /// The name of the item that stands for whatever else is sent.
    pub const PARCELS: &'static str = "\u{1}parcels";

    pub fn of(supplies: &Supplies<'_>, now: Time) -> Self {
        let items = supplies.items.iter().map(|(name, item)| ((*name).to_owned(), (*item).clone()));
        let stocks = supplies.stocks.iter().map(|((item, place), at)| {
            (((*item).to_owned(), (*place).to_owned()), (at.id, summed_stock(at.stock, now)))
        });
        let resources = supplies
            .resources
            .iter()
            .map(|(name, (id, resource))| ((*name).to_owned(), (*id, summed_resource(resource, now))));
        Snapshot { items: items.collect(), stocks: stocks.collect(), resources: resources.collect() }
    }

    pub fn supplies(&self) -> Supplies<'_> {
        Supplies {
            items: self.items.iter().map(|(name, item)| (name.as_str(), item)).collect(),
            stocks: self
                .stocks
                .iter()
                .map(|((item, place), (id, stock))| {
                    ((item.as_str(), place.as_str()), StockAt { id: *id, stock })
                })
                .collect(),
            resources: self
                .resources
                .iter()
                .map(|(name, (id, resource))| (name.as_str(), (*id, resource)))
                .collect(),
        }
    }

    pub fn item(&self, item_id: &str) -> Option<&model::Item> {
        self.items.get(item_id).and_then(|known| known.item.as_ref())
    }

    pub fn stocks(&self) -> impl Iterator<Item = &Stock> {
        self.stocks.values().map(|(_, stock)| stock)
    }

    pub fn stock(&self, item_id: &str, place: &str) -> Option<&Stock> {
        self.stocks.get(&(item_id.to_owned(), place.to_owned())).map(|(_, stock)| stock)
    }

    pub fn resource(&self, name: &str) -> Option<&Resource> {
        self.resources.get(name).map(|(_, resource)| resource)
    }

    /// The same without what a class took: a campaign that is planned from its first day on plans for those orders too.
    pub fn without_class(mut self, class: &str) -> Self {
        let other = |held: &Held| held.take.class() != class;
        for (_, stock) in self.stocks.values_mut() {
            stock.ledger.retain(other);
        }
        for (_, resource) in self.resources.values_mut() {
            for (id, held) in resource.ledger.retain(other) {
                resource.unbook(&id, &held);
            }
        }
        self
    }

    /// Adds an item of which there is enough at every place, so that parcels with other things in them can be counted
    /// against capacity: see [`Self::PARCELS`].
    pub fn with_parcels(mut self, places: impl IntoIterator<Item = String>) -> Self {
        let name = Self::PARCELS.to_owned();
        let item = model::Item { item_id: name.clone(), stocked: true, ..model::Item::default() };
        let known = CatalogueItem { name: name.clone(), item: Some(item), ..CatalogueItem::default() };
        self.items.insert(name.clone(), known);
        for (n, place) in places.into_iter().enumerate() {
            // No entity has such a number; nothing is ever asked of it.
            let id =
                EntityId { number: u64::MAX - n as u64, kind: EntityKind::Stock, partition: PartitionId(0) };
            let stock =
                Stock { item: name.clone(), place: place.clone(), on_hand: ENDLESS, ..Stock::new(id) };
            self.stocks.insert((name.clone(), place), (id, stock));
        }
        self
    }

    /// The same without an end to anything: nobody else takes anything, nothing is out of work. What can be made is
    /// made, or, `lying`, is there as well.
    pub(super) fn endless(&self, lying: bool) -> Self {
        let mut free = self.clone();
        free.stocks.retain(|(item, _), _| {
            let makable = self.item(item).is_some_and(|item| item.recipe.is_some());
            lying || !makable
        });
        for (_, stock) in free.stocks.values_mut() {
            stock.on_hand = ENDLESS;
            stock.lots.clear();
            stock.receipts.clear();
            stock.ledger = Ledger::default();
        }
        for (_, resource) in free.resources.values_mut() {
            let endless = |units: &mut Quantity| {
                if units.is_positive() {
                    *units = ENDLESS;
                }
            };
            resource.slots.values_mut().for_each(|slot| endless(&mut slot.units));
            let shifts = resource.calendar.iter_mut().flat_map(|calendar| &mut calendar.shifts);
            shifts.for_each(|shift| endless(&mut shift.units));
            resource.downtimes.clear();
            resource.booked.clear();
            resource.ledger = Ledger::default();
        }
        free
    }
}

/// What lives of a ledger, summed up by `key`, which gives when it is due.
fn summed(ledger: &Ledger, owner: EntityId, now: Time, due: impl Fn(&Take) -> Time) -> Ledger {
    let mut sums: BTreeMap<(Time, String), (Quantity, Take)> = BTreeMap::new();
    for (_, held) in ledger.living(now, None) {
        let key = (due(&held.take), held.take.class().to_owned());
        let sum = sums.entry(key).or_insert_with(|| (Quantity::ZERO, held.take.clone()));
        sum.0 += held.left();
    }
    let mut summed = Ledger::default();
    summed.reservations.clone_from(&ledger.reservations);
    for (number, ((at, _), (sum, mut take))) in sums.into_iter().enumerate() {
        match &mut take {
            Take::Stock { quantity, due, .. } => (*quantity, *due) = (sum, at),
            Take::Slot { units, .. } => *units = sum,
        }
        let held = Held { take, expires_at: None, replaces: None, used: 0.0, short: None };
        summed.take(HoldId { owner, number: number as u64 }, held);
    }
    summed
}

fn summed_stock(stock: &Stock, now: Time) -> Stock {
    // To the hour before, so that a sum leaves no later than any of its parts.
    let hour = |take: &Take| Time(take.due().0.div_euclid(HOUR_MICROS) * HOUR_MICROS);
    let ledger = summed(&stock.ledger, stock.id, now, hour);
    let (lots, receipts) = (stock.lots.clone(), stock.receipts.clone());
    let (item, place) = (stock.item.clone(), stock.place.clone());
    Stock {
        item,
        place,
        on_hand: stock.on_hand,
        quarantined: stock.quarantined,
        lots,
        receipts,
        ledger,
        ..Stock::new(stock.id)
    }
}

fn summed_resource(resource: &Resource, now: Time) -> Resource {
    let ledger = summed(&resource.ledger, resource.id, now, Take::due);
    let mut summed = Resource {
        name: resource.name.clone(),
        calendar: resource.calendar.clone(),
        slots: resource.slots.clone(),
        downtimes: resource.downtimes.clone(),
        ..Resource::new(resource.id)
    };
    for (id, held) in ledger.held() {
        summed.book(*id, held);
    }
    summed.ledger = ledger;
    summed
}
