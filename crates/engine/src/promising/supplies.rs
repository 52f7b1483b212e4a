//! The supply that a request may be met from, gathered before it is planned.

use std::collections::BTreeMap;

use model::EntityId;

use crate::supply::{CatalogueItem, Resource, Stock};

/// The stock of an item at one place.
#[derive(Clone, Copy)]
pub struct StockAt<'a> {
    pub id: EntityId,
    pub stock: &'a Stock,
}

/// What is known of the items that a request names, of what they are made of, and of the resources that they and the
/// lanes use.
#[derive(Default)]
pub struct Supplies<'a> {
    pub items: BTreeMap<&'a str, &'a CatalogueItem>,
    /// By item and place.
    pub stocks: BTreeMap<(&'a str, &'a str), StockAt<'a>>,
    pub resources: BTreeMap<&'a str, (EntityId, &'a Resource)>,
}

impl<'a> Supplies<'a> {
    pub fn item(&self, id: &str) -> Option<&'a model::Item> {
        self.items.get(id).and_then(|known| known.item.as_ref())
    }

    pub fn stock(&self, item: &str, place: &str) -> Option<StockAt<'a>> {
        self.stocks.get(&(item, place)).copied()
    }

    pub fn resource(&self, name: &str) -> Option<(EntityId, &'a Resource)> {
        self.resources.get(name).copied()
    }
}
