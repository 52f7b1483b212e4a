//! `inyeon promise backtest`: learn before a day, score after it.

use clap::Args;
use learn::delivery::{self, Settings};
use serde_json::{Value, json};

use super::{failed, history};
use crate::access::Access;
use crate::bar::Bar;
use crate::cli;
use crate::error::{Failure, Kind};
use crate::i18n::Messages;
use crate::render::{array, heads, number, pairs, percent, plain, table};

/// The share of the orders with a promise that lies before the cut-off where none is named.
const BEFORE: f64 = 0.8;
/// The service levels shown to a person; `--json` has every half hundredth.
const SHOWN: [f64; 9] = [0.80, 0.85, 0.88, 0.90, 0.93, 0.95, 0.97, 0.98, 0.99];

#[derive(Args)]
pub struct BacktestArgs {
    #[arg(long, value_name = "DATE")]
    cutoff: Option<String>,
    #[arg(long, value_name = "DATE")]
    until: Option<String>,
    #[arg(long)]
    frozen: bool,
    #[arg(long)]
    source: Option<String>,
}

pub fn run(access: &Access, args: &BacktestArgs, quiet: bool, messages: &Messages) -> Result<Value, Failure> {
    let day = |option: &str, text: &Option<String>| {
        text.as_deref().map(|text| cli::date(option, text).map(history::hours)).transpose()
    };
    let (cutoff, until) = (day("--cutoff", &args.cutoff)?, day("--until", &args.until)?);
    if cutoff.zip(until).is_some_and(|(cutoff, until)| until <= cutoff) {
        return Err(Failure::new(Kind::Usage, "backtest-span"));
    }
    let reading = messages.get("plan-reading");
    let read = history::read(&|op| access.run(op), args.source.as_deref(), quiet, reading)?;
    let cutoff = cutoff.or_else(|| cutoff_for(&read.orders)).ok_or_else(|| {
        // Not one order has a promise.
        failed(&delivery::DeliveryError::NothingToScore)
    })?;
    let until = until.unwrap_or(f64::MAX);
    let settings = Settings::standard(cutoff, until, read.last, args.frozen);
    let bar = Bar::new(settings.steps() as u64, quiet, messages.get("promise-learning"));
    let found = delivery::backtest(&read.orders, &settings, &mut |done, _| bar.at(done as u64))
        .map_err(|error| failed(&error))?;
    drop(bar);
    let mut found = json!(found);
    found["cutoff"] = json!(history::time(cutoff).to_string());
    found["until"] = json!((until < f64::MAX).then(|| history::time(until).to_string()));
    found["known_until"] = json!(history::time(read.last).to_string());
    found["frozen"] = json!(args.frozen);
    Ok(found)
}

/// The beginning of the UTC day by which most orders with a promise were placed.
fn cutoff_for(orders: &[delivery::Order]) -> Option<f64> {
    let placed: Vec<f64> =
        orders.iter().filter(|order| order.promised.is_some()).map(|order| order.placed).collect();
    let at = placed.get((placed.len() as f64 * BEFORE) as usize)?;
    Some((at / 24.0).floor() * 24.0)
}

pub fn shown(found: &Value, messages: &Messages) -> String {
    let r = |name: &str| &found[name];
    let market = r("market");
    let days = |value: &Value| number(value, 1);
    let title = if r("frozen") == true { "backtest-title-frozen" } else { "backtest-title" };
    let mut out = messages.with(title, &[("cutoff", plain(r("cutoff")))]);
    out.push('\n');
    let left_out = messages.with(
        "backtest-left-out",
        &[
            ("cancelled", plain(r("cancelled"))),
            ("not_due", plain(r("not_due"))),
            ("without_promise", plain(r("without_promise"))),
        ],
    );
    out += &pairs(
        messages,
        &[
            (
                "backtest-before",
                messages.with(
                    "backtest-before-values",
                    &[
                        ("orders", plain(r("before"))),
                        ("delivered", plain(r("before_delivered"))),
                        ("waiting", plain(r("before_waiting"))),
                    ],
                ),
            ),
            ("backtest-scored", format!("{}  ({left_out})", plain(r("scored")))),
            ("backtest-market-kept", percent(&market["kept"])),
            ("backtest-market-days", days(&market["days"])),
            ("backtest-taken-days", days(&market["taken_days"])),
        ],
    );
    let row = |what: String, point: &Value| {
        let error = point["calibration_error"].as_f64().map_or(Value::Null, |error| json!(100.0 * error));
        vec![
            what,
            percent(&point["rule"]["service"]),
            percent(&point["kept"]),
            days(&point["days"]),
            percent(&point["probability"]),
            number(&error, 2),
        ]
    };
    let of_grid = |point: &&Value| {
        let service = point["rule"]["service"].as_f64().unwrap_or_default();
        SHOWN.iter().any(|shown| (shown - service).abs() < 1e-9)
    };
    let mut rows: Vec<_> =
        array(r("frontier")).iter().filter(of_grid).map(|point| row(String::new(), point)).collect();
    let named = [
        ("matching", "backtest-matching"),
        ("matching_priced", "backtest-matching-priced"),
        ("chosen", "backtest-chosen"),
    ];
    for (key, what) in named {
        if r(key).is_object() {
            rows.push(row(messages.get(what), r(key)));
        }
    }
    let mut of_market = row(messages.get("backtest-market"), &json!({ "kept": market["kept"] }));
    of_market[3] = days(&market["days"]);
    rows.push(of_market);
    out.push('\n');
    out += &table(&heads(messages, &["offer", "service-level", "kept-rate", "days", "stated", "k24"]), &rows);
    let ranks = [("backtest-at-purchase", r("at_purchase")), ("backtest-at-hand-over", r("at_hand_over"))];
    let rows: Vec<Vec<String>> = ranks
        .map(|(what, rank)| {
            let auc = ["auc", "auc_by_probability", "auc_by_lane"].map(|key| number(&rank[key], 3));
            let counts = ["orders", "late"].map(|key| plain(&rank[key]));
            std::iter::once(messages.get(what)).chain(counts).chain(auc).collect()
        })
        .into();
    out.push('\n');
    out += &table(
        &heads(messages, &["late-known", "orders", "late", "auc", "auc-probability", "auc-lane"]),
        &rows,
    );
    out.push('\n');
    out += &messages.get("backtest-notes");
    out.push('\n');
    out
}
