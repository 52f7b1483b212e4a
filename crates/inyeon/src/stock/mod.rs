//! What to order when: `inyeon stock plan`.

mod plan;
mod show;
#[cfg(test)]
mod tests;

use clap::{Args, Subcommand};
use runtime::Node;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::access::Access;
use crate::bar::Bar;
use crate::cli::{Global, print};
use crate::error::{Failure, Kind};
use crate::i18n::Messages;
use crate::ops::Op;
use crate::render;

/// Items that are planned in one call: between two the others go on.
const AT_ONCE: usize = 500;

#[derive(Args)]
pub struct StockArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    Plan {
        #[arg(long, value_name = "ID")]
        item: Option<String>,
        #[arg(long)]
        place: Option<String>,
        #[arg(long, default_value_t = 8)]
        weeks: u32,
        #[arg(long, default_value_t = 0.95)]
        service: f64,
        #[arg(long, default_value_t = 0.25)]
        holding: f64,
        #[arg(long, conflicts_with = "json")]
        csv: bool,
    },
}

/// What is asked of a store.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "stock", rename_all = "snake_case")]
pub enum StockOp {
    /// The ids of what is kept, or of one of it.
    Items {
        item: Option<String>,
    },
    Plan {
        items: Vec<String>,
        place: Option<String>,
        asked: Asked,
    },
}

/// How it is to be planned.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub struct Asked {
    pub weeks: u32,
    /// The probability that nobody has to wait.
    pub service: f64,
    /// The cost of keeping a unit for a year, as a share of its cost.
    pub holding: f64,
}

impl Asked {
    fn check(&self) -> Result<(), Failure> {
        let range = |fine: bool, option: &str, value: f64, expected: &str| match fine {
            true => Ok(()),
            false => {
                let failure = Failure::new(Kind::Usage, "stock-range").with("option", option);
                Err(failure.with("value", value).with("expected", expected))
            }
        };
        range((1..=104).contains(&self.weeks), "--weeks", f64::from(self.weeks), "1–104")?;
        range((0.5..=0.999).contains(&self.service), "--service", self.service, "0.5–0.999")?;
        range((0.0..=5.0).contains(&self.holding), "--holding", self.holding, "0–5")
    }
}

pub fn run(node: &Node, op: StockOp) -> Result<Value, Failure> {
    node.drain()?;
    match op {
        StockOp::Items { item } => {
            let items = node.reader()?.items(item.as_deref(), usize::MAX)?;
            let kept = items.into_iter().filter(|item| item.stocked && !item.retired);
            Ok(kept.map(|item| json!(item.item_id)).collect())
        }
        StockOp::Plan { items, place, asked } => {
            asked.check()?;
            plan::plan(node, &items, place.as_deref(), asked)
        }
    }
}

/// Plans what is kept, and prints it.
pub fn run_command(global: &Global, args: StockArgs, messages: &Messages) -> Result<(), Failure> {
    let What::Plan { item, place, weeks, service, holding, csv } = args.what;
    let asked = Asked { weeks, service, holding };
    asked.check()?;
    let access = Access::open(&global.store, false, render::replay_progress)?;
    let found = access.run(Op::Stock(StockOp::Items { item: item.clone() }))?;
    let items: Vec<String> = serde_json::from_value(found).map_err(|error| Failure::other(&error))?;
    if let Some(item) = item.as_ref().filter(|_| items.is_empty()) {
        return Err(Failure::new(Kind::NotFound, "no-such-item").with("item", item));
    }
    let bar = Bar::new(items.len() as u64, global.quiet || global.json, messages.get("stock-planning"));
    let mut rows = Vec::new();
    for (n, chunk) in items.chunks(AT_ONCE).enumerate() {
        let (items, place) = (chunk.to_vec(), place.clone());
        let answer = access.run(Op::Stock(StockOp::Plan { items, place, asked }))?;
        rows.extend(answer.as_array().cloned().unwrap_or_default());
        bar.at((n * AT_ONCE + chunk.len()) as u64);
    }
    drop(bar);
    let answer = json!({ "weeks": weeks, "service": service, "holding": holding, "items": rows });
    print(&match (global.json, csv) {
        (true, _) => serde_json::to_string_pretty(&answer).expect("a value serialises"),
        (_, true) => show::csv(&answer)?,
        _ => show::plan(&answer, item.is_some(), messages),
    });
    Ok(())
}
