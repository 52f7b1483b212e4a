//! What operations have, as its entities last showed themselves: items, stock, resources.

use model::{EntityId, Money, Quantity, Time};
use rusqlite::{Result, params};
use serde::Serialize;

use crate::fold::Fold;
use crate::reader::{Reader, at_most};
use crate::rows::{Columns, FromColumns};
use crate::wire;

/// One thing of the catalogue.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct ItemRow {
    #[serde(serialize_with = "wire::entity")]
    pub entity: EntityId,
    pub item_id: String,
    /// `good`, `service` …; none while only its stock is known.
    pub kind: Option<String>,
    pub name: Option<String>,
    pub category: Option<String>,
    pub unit: Option<String>,
    #[serde(serialize_with = "wire::money_opt")]
    pub price: Option<Money>,
    #[serde(serialize_with = "wire::money_opt")]
    pub cost: Option<Money>,
    pub stocked: bool,
    pub retired: bool,
    /// The places that keep it.
    pub places: Vec<String>,
    #[serde(serialize_with = "wire::time_opt")]
    pub published_at: Option<Time>,
}

/// The stock of an item at a place.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct StockRow {
    #[serde(serialize_with = "wire::entity")]
    pub entity: EntityId,
    pub item_id: String,
    pub place: String,
    pub on_hand: Quantity,
    pub quarantined: Quantity,
    /// In all, of what is to come.
    pub expected: Quantity,
    /// When the next of it is to come.
    #[serde(serialize_with = "wire::time_opt")]
    pub next_receipt_at: Option<Time>,
    #[serde(serialize_with = "wire::time_opt")]
    pub counted_at: Option<Time>,
}

/// Anything with a capacity over time.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct ResourceRow {
    #[serde(serialize_with = "wire::entity")]
    pub entity: EntityId,
    pub resource: String,
    /// In which its calendar is read; none where it has no calendar.
    pub time_zone: Option<String>,
    pub shifts: u64,
    /// Downtimes that were reported and not ended.
    pub downtimes: u64,
    #[serde(serialize_with = "wire::time_opt")]
    pub calendar_at: Option<Time>,
}

/// A part of supply as it now is, in place of whatever was known of it.
#[derive(Clone, PartialEq, Debug)]
pub enum SupplyRow {
    Item(Box<ItemRow>),
    Stock(StockRow),
    Resource(ResourceRow),
}

impl SupplyRow {
    pub(crate) fn entity(&self) -> EntityId {
        match self {
            SupplyRow::Item(row) => row.entity,
            SupplyRow::Stock(row) => row.entity,
            SupplyRow::Resource(row) => row.entity,
        }
    }
}

impl Fold<'_> {
    pub(crate) fn supply(&self, row: &SupplyRow) -> Result<()> {
        let amount = |money: Option<Money>| {
            (money.map(|money| money.minor), money.map(|money| money.currency.code().to_owned()))
        };
        match row {
            SupplyRow::Item(row) => {
                let ((price, price_in), (cost, cost_in)) = (amount(row.price), amount(row.cost));
                self.run(
                    "INSERT OR REPLACE INTO items VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    params![
                        row.entity.to_key(),
                        row.item_id,
                        row.kind,
                        row.name,
                        row.category,
                        row.unit,
                        price,
                        price_in,
                        cost,
                        cost_in,
                        row.stocked,
                        row.retired,
                        serde_json::to_string(&row.places).expect("texts are JSON"),
                        row.published_at.map(|at| at.0),
                    ],
                )
            }
            SupplyRow::Stock(row) => self.run(
                "INSERT OR REPLACE INTO stock VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                params![
                    row.entity.to_key(),
                    row.item_id,
                    row.place,
                    row.on_hand.0,
                    row.quarantined.0,
                    row.expected.0,
                    row.next_receipt_at.map(|at| at.0),
                    row.counted_at.map(|at| at.0),
                ],
            ),
            SupplyRow::Resource(row) => self.run(
                "INSERT OR REPLACE INTO resources VALUES (?, ?, ?, ?, ?, ?)",
                params![
                    row.entity.to_key(),
                    row.resource,
                    row.time_zone,
                    row.shifts,
                    row.downtimes,
                    row.calendar_at.map(|at| at.0),
                ],
            ),
        }
    }
}

impl FromColumns for ItemRow {
    const COLUMNS: &'static str = "entity, item_id, kind, name, category, unit, price_minor, price_currency, \
        cost_minor, cost_currency, stocked, retired, places, published_at";

    fn read(row: &mut Columns<'_, '_>) -> Result<Self> {
        Ok(ItemRow {
            entity: row.entity()?,
            item_id: row.take()?,
            kind: row.take()?,
            name: row.take()?,
            category: row.take()?,
            unit: row.take()?,
            price: row.money_opt()?,
            cost: row.money_opt()?,
            stocked: row.take()?,
            retired: row.take()?,
            places: row.texts()?,
            published_at: row.time_opt()?,
        })
    }
}

impl FromColumns for StockRow {
    const COLUMNS: &'static str =
        "entity, item_id, place, on_hand, quarantined, expected, next_receipt_at, counted_at";

    fn read(row: &mut Columns<'_, '_>) -> Result<Self> {
        Ok(StockRow {
            entity: row.entity()?,
            item_id: row.take()?,
            place: row.take()?,
            on_hand: Quantity(row.take()?),
            quarantined: Quantity(row.take()?),
            expected: Quantity(row.take()?),
            next_receipt_at: row.time_opt()?,
            counted_at: row.time_opt()?,
        })
    }
}

impl FromColumns for ResourceRow {
    const COLUMNS: &'static str = "entity, resource, time_zone, shifts, downtimes, calendar_at";

    fn read(row: &mut Columns<'_, '_>) -> Result<Self> {
        Ok(ResourceRow {
            entity: row.entity()?,
            resource: row.take()?,
            time_zone: row.take()?,
            shifts: row.take()?,
            downtimes: row.take()?,
            calendar_at: row.time_opt()?,
        })
    }
}

impl Reader {
    /// By their ids; one where it is named.
    pub fn items(&self, item: Option<&str>, limit: usize) -> crate::Result<Vec<ItemRow>> {
        self.rows(
            "FROM items WHERE (?1 IS NULL OR item_id = ?1) ORDER BY item_id LIMIT ?2",
            params![item, at_most(Some(limit))],
        )
    }

    /// By item and place; of an item or a place where one is named.
    pub fn stock(
        &self,
        item: Option<&str>,
        place: Option<&str>,
        limit: usize,
    ) -> crate::Result<Vec<StockRow>> {
        self.rows(
            "FROM stock WHERE (?1 IS NULL OR item_id = ?1) AND (?2 IS NULL OR place = ?2)
            ORDER BY item_id, place LIMIT ?3",
            params![item, place, at_most(Some(limit))],
        )
    }

    pub fn resources(&self, resource: Option<&str>, limit: usize) -> crate::Result<Vec<ResourceRow>> {
        self.rows(
            "FROM resources WHERE (?1 IS NULL OR resource = ?1) ORDER BY resource LIMIT ?2",
            params![resource, at_most(Some(limit))],
        )
    }
}
