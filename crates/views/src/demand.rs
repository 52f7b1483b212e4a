//! What was asked for, period by period.

use rusqlite::params;
use serde::Serialize;

use crate::error::{At, Result};
use crate::reader::Reader;

/// Units of an item that were ordered from a region in one period.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct DemandRow {
    pub item_id: String,
    /// Empty where it is not known.
    pub region: String,
    /// 0 for the period that ends now, 1 for the one before it.
    pub ago: u32,
    pub units: f64,
    pub orders: u64,
}

/// Orders from a region in one period.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct OrdersRow {
    pub region: String,
    pub ago: u32,
    pub orders: u64,
}

/// Which periods: so many of so many microseconds each, the last of which ends at `now`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Periods {
    pub now: model::Time,
    pub micros: i64,
    pub count: u32,
}

impl Periods {
    fn begin(&self) -> i64 {
        self.now.0.saturating_sub(self.micros.saturating_mul(i64::from(self.count)))
    }
}

impl Reader {
    /// What was ordered of some items, of all where there is no list; whether it could be delivered or not, but without
    /// what the customer called off. In no order.
    pub fn demand(&self, items: Option<&[String]>, periods: Periods) -> Result<Vec<DemandRow>> {
        let items = items.map(|items| serde_json::Value::from(items).to_string());
        let sql = "SELECT l.product_id, COALESCE(o.region, ''), (?1 - 1 - o.placed_at) / ?2 AS ago,
                SUM(l.quantity), COUNT(DISTINCT o.order_id)
            FROM orders o JOIN order_lines l USING (entity, order_id)
            WHERE o.placed_at >= ?3 AND o.placed_at < ?1 AND COALESCE(o.cancelled_by, '') <> 'customer'
                AND (?4 IS NULL OR l.product_id IN (SELECT value FROM json_each(?4)))
            GROUP BY 1, 2, 3";
        let read = || {
            let mut statement = self.db().prepare_cached(sql)?;
            let parameters = params![periods.now.0, periods.micros, periods.begin(), items];
            let rows = statement.query_map(parameters, |row| {
                Ok(DemandRow {
                    item_id: row.get(0)?,
                    region: row.get(1)?,
                    ago: row.get(2)?,
                    units: row.get(3)?,
                    orders: row.get::<_, i64>(4)?.unsigned_abs(),
                })
            })?;
            rows.collect::<rusqlite::Result<_>>()
        };
        read().at(self.path(), "read what was ordered")
    }

    /// Orders that have none of some items, by region.
    pub fn orders_without(&self, items: &[String], periods: Periods) -> Result<Vec<OrdersRow>> {
        let items = serde_json::Value::from(items).to_string();
        let sql = "SELECT COALESCE(o.region, ''), (?1 - 1 - o.placed_at) / ?2 AS ago, COUNT(*)
            FROM orders o
            WHERE o.placed_at >= ?3 AND o.placed_at < ?1 AND COALESCE(o.cancelled_by, '') <> 'customer'
                AND NOT EXISTS (SELECT 1 FROM order_lines l
                    WHERE l.entity = o.entity AND l.order_id = o.order_id
                        AND l.product_id IN (SELECT value FROM json_each(?4)))
            GROUP BY 1, 2";
        let read = || {
            let mut statement = self.db().prepare_cached(sql)?;
            let parameters = params![periods.now.0, periods.micros, periods.begin(), items];
            let rows = statement.query_map(parameters, |row| {
                let orders = row.get::<_, i64>(2)?.unsigned_abs();
                Ok(OrdersRow { region: row.get(0)?, ago: row.get(1)?, orders })
            })?;
            rows.collect::<rusqlite::Result<_>>()
        };
        read().at(self.path(), "read what was ordered")
    }
}
