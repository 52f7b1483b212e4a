//! What operations have, for people to look at: `inyeon supply`.

use clap::{Args, Subcommand};
use engine::Entity;
use engine::supply::{Resource, Stock};
use model::time::{end_of_day, zone_or_utc};
use model::{Quantity, Slot, Time};
use runtime::{Fold, FoldError, Node};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::error::Failure;
use crate::i18n::Messages;
use crate::ops::Op;
use crate::render::{array, heads, or_dash, plain, table};

#[derive(Args)]
pub struct SupplyArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    Items {
        #[arg(long, value_name = "ID")]
        item: Option<String>,
        #[arg(long, default_value_t = 100)]
        limit: usize,
    },
    Stock {
        #[arg(long, value_name = "ID")]
        item: Option<String>,
        #[arg(long)]
        place: Option<String>,
        #[arg(long, default_value_t = 100)]
        limit: usize,
    },
    Resources {
        #[arg(long, value_name = "NAME")]
        resource: Option<String>,
        #[arg(long, default_value_t = 100)]
        limit: usize,
    },
}

/// What is asked of a store.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "supply", rename_all = "snake_case")]
pub enum SupplyOp {
    Items { item: Option<String>, limit: usize },
    Stock { item: Option<String>, place: Option<String>, limit: usize },
    Resources { resource: Option<String>, limit: usize },
}

impl SupplyArgs {
    pub fn op(self) -> Op {
        Op::Supply(match self.what {
            What::Items { item, limit } => SupplyOp::Items { item, limit },
            What::Stock { item, place, limit } => SupplyOp::Stock { item, place, limit },
            What::Resources { resource, limit } => SupplyOp::Resources { resource, limit },
        })
    }
}

/// Entities that the fold looks at in one go: others may want something of it.
const AT_ONCE: usize = 200;
/// How far ahead a free slot is looked for.
const AHEAD_DAYS: i64 = 14;
/// Slots that are shown of each resource.
const SLOTS: usize = 5;

pub fn run(node: &Node, op: SupplyOp) -> Result<Value, Failure> {
    node.drain()?;
    let reader = node.reader()?;
    Ok(match op {
        SupplyOp::Items { item, limit } => json!({ "items": reader.items(item.as_deref(), limit)? }),
        SupplyOp::Stock { item, place, limit } => {
            let rows = reader.stock(item.as_deref(), place.as_deref(), limit)?;
            let of = rows.iter().map(|row| (row.entity, json!(row))).collect();
            json!({ "stock": now(node, of, stock_now)? })
        }
        SupplyOp::Resources { resource, limit } => {
            let rows = reader.resources(resource.as_deref(), limit)?;
            let of = rows.iter().map(|row| (row.entity, json!(row))).collect();
            json!({ "resources": now(node, of, resource_now)? })
        }
    })
}

type Row = (model::EntityId, Value);

/// Adds to each row what the entity itself says of this moment: holds end by the clock, and no row is told.
fn now(
    node: &Node,
    mut rows: Vec<Row>,
    look: fn(&mut Fold, &mut Row, Time) -> Result<(), FoldError>,
) -> Result<Vec<Value>, Failure> {
    let mut all = Vec::with_capacity(rows.len());
    while !rows.is_empty() {
        let mut some: Vec<Row> = rows.drain(..rows.len().min(AT_ONCE)).collect();
        let clock = node.clock.now();
        some = node.ask(move |fold| -> Result<_, FoldError> {
            let now = fold.before_backlog(clock)?;
            some.iter_mut().try_for_each(|row| look(fold, row, now))?;
            Ok(some)
        })??;
        all.extend(some.into_iter().map(|(_, row)| row));
    }
    Ok(all)
}

fn stock_now(fold: &mut Fold, (id, row): &mut Row, now: Time) -> Result<(), FoldError> {
    let classes = fold.reference().promising.classes.clone();
    let Entity::Stock(stock) = fold.entity(*id)? else { return Ok(()) };
    let stock: &Stock = stock;
    let (held, committed) = stock.taken(now);
    row["held"] = json!(held);
    row["committed"] = json!(committed);
    // To whom no class is reserved anything.
    row["available"] = json!(stock.available(now, "", &classes, now, None));
    let next = stock.receipts.iter().min_by_key(|(name, receipt)| (receipt.due, *name));
    row["next_receipt"] = json!(next.map(|(name, receipt)| {
        json!({ "receipt": name, "quantity": receipt.quantity, "due": receipt.due.to_string() })
    }));
    Ok(())
}

fn resource_now(fold: &mut Fold, (id, row): &mut Row, now: Time) -> Result<(), FoldError> {
    let rules = fold.reference().promising.clone();
    let Entity::Resource(resource) = fold.entity(*id)? else { return Ok(()) };
    let resource: &Resource = resource;
    let zone = resource.calendar.as_ref().map_or(&*rules.time_zone, |calendar| &*calendar.time_zone);
    let tonight = end_of_day(now, &zone_or_utc(zone));
    let free = |slot: &Slot| resource.free(slot, "", &rules.classes, now, None).max(Quantity::ZERO);
    let shown = |slot: &Slot| {
        json!({
            "start": slot.start.to_string(), "end": slot.end.to_string(),
            "units": resource.capacity(slot), "free": free(slot),
        })
    };
    let until = now.plus_micros(AHEAD_DAYS * 86_400_000_000);
    let (mut units, mut left) = (Quantity::ZERO, Quantity::ZERO);
    for slot in resource.slots(now, tonight).filter(|slot| slot.end > now) {
        units += resource.capacity(&slot);
        left += free(&slot);
    }
    row["today"] = json!({ "units": units, "free": left });
    let next = resource.slots(now, until).find(|slot| slot.start >= now && free(slot).is_positive());
    row["next_free"] = json!(next.as_ref().map(shown));
    row["slots"] = resource.slots(now, until).take(SLOTS).map(|slot| shown(&slot)).collect();
    Ok(())
}

/// For people: the table of whatever was asked for.
pub fn render(answer: &Value, messages: &Messages) -> String {
    let money = |amount: &Value| match amount["minor"].as_i64() {
        None => "-".to_owned(),
        Some(minor) => model::Currency::new(&plain(&amount["currency"]))
            .map_or_else(String::new, |currency| model::Money { minor, currency }.to_string()),
    };
    let rows = |key: &str| array(&answer[key]);
    let (columns, cells): (Vec<&str>, Vec<Vec<String>>) = if answer["stock"].is_array() {
        let columns =
            ["item", "place", "on-hand", "quarantined", "held", "committed", "available", "expected"];
        let row = |row: &Value| {
            let names = ["item_id", "place", "on_hand", "quarantined", "held", "committed", "available"];
            let mut cells: Vec<String> = names.iter().map(|name| or_dash(&row[*name])).collect();
            let next = &row["next_receipt"];
            cells.push(match next["due"].as_str() {
                Some(due) => format!("{} ({due})", plain(&next["quantity"])),
                None => "-".to_owned(),
            });
            cells
        };
        (columns.to_vec(), rows("stock").iter().map(row).collect())
    } else if answer["resources"].is_array() {
        let row = |row: &Value| {
            let next = &row["next_free"];
            let free = |of: &Value| format!("{} / {}", plain(&of["free"]), plain(&of["units"]));
            let next = match next["start"].as_str() {
                Some(start) => format!("{start}  {}", free(next)),
                None => "-".to_owned(),
            };
            vec![or_dash(&row["resource"]), or_dash(&row["time_zone"]), free(&row["today"]), next]
        };
        (vec!["resource", "zone", "today-free", "next-free"], rows("resources").iter().map(row).collect())
    } else {
        let row = |row: &Value| {
            let places: Vec<String> = array(&row["places"]).iter().map(plain).collect();
            vec![
                or_dash(&row["item_id"]),
                or_dash(&row["kind"]),
                or_dash(&row["name"]),
                money(&row["price"]),
                money(&row["cost"]),
                places.join(", "),
            ]
        };
        (vec!["item", "kind", "name", "price", "cost", "places"], rows("items").iter().map(row).collect())
    };
    if cells.is_empty() {
        return messages.get("supply-none");
    }
    table(&heads(messages, &columns), &cells)
}
