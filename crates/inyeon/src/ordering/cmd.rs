//! `inyeon order`, `inyeon orders`, `inyeon returns`.

use std::fmt::Write;
use std::path::PathBuf;

use channels::Serves;
use clap::{Args, Subcommand, ValueEnum};
use model::Quantity;
use serde_json::{Value, json};

use super::outlets::OutletSettings;
use super::{CancelOrder, ChangeOrder, Line, NewReturn, OrderingOp};
use crate::error::{Failure, Kind};
use crate::i18n::Messages;
use crate::render::{array, heads, or_dash, plain, table};

/// What is asked, and how the answer is shown.
pub type Asked = (OrderingOp, fn(&Value, &Messages) -> String);

#[derive(Args)]
pub struct OrderArgs {
    #[command(subcommand)]
    what: OrderWhat,
}

#[derive(Subcommand)]
enum OrderWhat {
    Show {
        id: String,
    },
    Cancel {
        id: String,
        #[arg(long, value_enum, default_value_t = By::Customer)]
        by: By,
        #[arg(long)]
        reason: Option<String>,
    },
    Undo {
        id: String,
    },
    Change {
        id: String,
        #[arg(long = "line", value_name = "ITEM=N")]
        lines: Vec<String>,
        #[arg(long, value_name = "REGION")]
        to: Option<String>,
        #[arg(long, value_name = "JSON")]
        address: Option<String>,
        #[arg(long, value_name = "TIME")]
        wanted: Option<String>,
        #[arg(long)]
        service: Option<String>,
        #[arg(long, value_name = "QUOTE")]
        confirm: Option<String>,
    },
    Return {
        id: String,
        #[arg(long = "line", value_name = "ITEM=N")]
        lines: Vec<String>,
        #[arg(long, value_name = "NAME")]
        return_id: Option<String>,
        #[arg(long)]
        reason: Option<String>,
    },
}

#[derive(Clone, Copy, ValueEnum)]
enum By {
    Customer,
    Company,
}

#[derive(Args)]
pub struct OrdersArgs {
    #[command(subcommand)]
    what: OrdersWhat,
}

#[derive(Subcommand)]
enum OrdersWhat {
    Connect {
        name: String,
        #[arg(long, conflicts_with = "directory", required_unless_present = "directory")]
        url: Option<String>,
        #[arg(long, requires = "url")]
        secret: Option<String>,
        #[arg(long, value_name = "DIR")]
        directory: Option<PathBuf>,
        #[arg(long, value_enum, default_value_t = Served::Everything)]
        serves: Served,
    },
    List,
    Disconnect {
        name: String,
    },
}

#[derive(Clone, Copy, ValueEnum)]
enum Served {
    Everything,
    Orders,
    Payments,
}

#[derive(Args)]
pub struct ReturnsArgs {
    #[command(subcommand)]
    what: ReturnsWhat,
}

#[derive(Subcommand)]
enum ReturnsWhat {
    List {
        #[arg(long)]
        all: bool,
        #[arg(long, default_value_t = 100)]
        limit: usize,
    },
    Decide {
        id: String,
        #[arg(long, conflicts_with = "refuse", required_unless_present = "refuse")]
        accept: bool,
        #[arg(long)]
        refuse: bool,
        #[arg(long)]
        order: Option<String>,
        #[arg(long)]
        reason: Option<String>,
    },
}

/// `ITEM=N`; one of it where no number is named.
fn line(text: &str) -> Result<Line, Failure> {
    let wrong = || Failure::new(Kind::Usage, "order-line").with("line", text);
    let (item_id, quantity) = match text.rsplit_once('=') {
        Some((item, number)) => (item, number.parse::<Quantity>().map_err(|_| wrong())?),
        None => (text, Quantity::ONE),
    };
    if item_id.is_empty() || !quantity.is_positive() {
        return Err(wrong());
    }
    Ok(Line { item_id: item_id.to_owned(), quantity })
}

impl OrderArgs {
    pub fn asked(self) -> Result<Asked, Failure> {
        Ok(match self.what {
            OrderWhat::Show { id } => (OrderingOp::Show { order_id: id }, order),
            OrderWhat::Cancel { id, by, reason } => {
                let by = match by {
                    By::Customer => "customer",
                    By::Company => "company",
                };
                let cancel = CancelOrder { by: Some(by.to_owned()), reason };
                (OrderingOp::Cancel { order_id: id, cancel }, order)
            }
            OrderWhat::Undo { id } => (OrderingOp::Undo { order_id: id }, order),
            OrderWhat::Change { id, lines, to, address, wanted, service, confirm } => {
                let lines: Vec<Line> = lines.iter().map(|text| line(text)).collect::<Result<_, _>>()?;
                let change = ChangeOrder {
                    lines: Some(lines).filter(|lines| !lines.is_empty()),
                    to,
                    address: address.map(|text| serde_json::from_str(&text).unwrap_or_else(|_| json!(text))),
                    wanted,
                    service,
                    confirm_quote: confirm,
                };
                (OrderingOp::Change { order_id: id, change }, changed)
            }
            OrderWhat::Return { id, lines, return_id, reason } => {
                let lines = lines.iter().map(|text| line(text)).collect::<Result<_, _>>()?;
                (
                    OrderingOp::Return { order_id: id, back: NewReturn { return_id, lines, reason } },
                    one_return,
                )
            }
        })
    }
}

impl OrdersArgs {
    pub fn asked(self) -> Result<Asked, Failure> {
        Ok(match self.what {
            OrdersWhat::Connect { name, url, secret, directory, serves } => {
                let absolute = |dir: PathBuf| {
                    std::path::absolute(&dir).map_err(|error| Failure::io("find", &dir, &error))
                };
                let directory = directory.map(absolute).transpose()?;
                let serves = match serves {
                    Served::Everything => Serves::Everything,
                    Served::Orders => Serves::Orders,
                    Served::Payments => Serves::Payments,
                };
                let settings = OutletSettings { url, secret, directory, mail: None, serves };
                (OrderingOp::Connect { name, settings }, connected)
            }
            OrdersWhat::List => (OrderingOp::List { messages: false }, outlets),
            OrdersWhat::Disconnect { name } => (OrderingOp::Disconnect { name }, disconnected),
        })
    }
}

impl ReturnsArgs {
    pub fn asked(self) -> Asked {
        match self.what {
            ReturnsWhat::List { all, limit } => (OrderingOp::Returns { all, limit }, returns),
            ReturnsWhat::Decide { id, accept, refuse: _, order, reason } => {
                (OrderingOp::DecideReturn { return_id: id, order_id: order, accept, reason }, one_return)
            }
        }
    }
}

fn amount(money: &Value) -> String {
    match money["amount"].as_str() {
        Some(amount) => format!("{} {amount}", plain(&money["currency"])),
        None => "–".to_owned(),
    }
}

fn lines(shown: &Value, messages: &Messages) -> String {
    let rows: Vec<Vec<String>> = array(&shown["lines"])
        .iter()
        .map(|line| {
            vec![
                plain(&line["item_id"]),
                plain(&line["quantity"]),
                amount(&line["price"]),
                plain(&line["exchange"]),
            ]
        })
        .collect();
    match rows.is_empty() {
        true => String::new(),
        false => table(&heads(messages, &["item", "quantity", "price", "exchange"]), &rows),
    }
}

/// Names and values, those that say nothing left out.
fn facts(messages: &Messages, shown: &[(&str, String)]) -> String {
    let mut text = String::new();
    for (key, value) in shown.iter().filter(|(_, value)| !value.is_empty() && value != "–") {
        let _ = writeln!(text, "{}: {value}", messages.get(&format!("order-{key}")));
    }
    text
}

pub(crate) fn order(shown: &Value, messages: &Messages) -> String {
    let payment = &shown["payment"];
    let paid = match payment["state"].as_str() {
        Some(state) => format!("{state} ({} {})", plain(&payment["currency"]), plain(&payment["owed"])),
        None => String::new(),
    };
    let can: Vec<String> = array(&shown["can"]).iter().map(plain).collect();
    let mut text = facts(
        messages,
        &[
            ("id", plain(&shown["order_id"])),
            ("state", plain(&shown["state"])),
            ("placed", plain(&shown["placed_at"])),
            ("until", plain(&shown["cancel_until"])),
            ("handed-out", plain(&shown["handed_out_at"])),
            ("to", plain(&shown["to"])),
            ("total", amount(&shown["total"])),
            ("payment", paid),
            ("can", can.join(", ")),
        ],
    );
    text.push_str(&lines(shown, messages));
    for promise in array(&shown["promises"]) {
        let values = [
            ("id", plain(&promise["promise_id"])),
            ("status", plain(&promise["status"])),
            ("due", plain(&promise["due"])),
        ];
        let _ = writeln!(text, "\n{}", messages.with("order-promise", &values));
    }
    let back = &shown["returns"];
    if !array(back).is_empty() {
        let _ = write!(text, "\n{}", returns(back, messages));
    }
    text.trim_end().to_owned()
}

fn changed(shown: &Value, messages: &Messages) -> String {
    if shown["quote_id"].is_null() {
        return order(shown, messages);
    }
    let mut text = facts(
        messages,
        &[("due", plain(&shown["due"])), ("to", plain(&shown["to"])), ("total", amount(&shown["total"]))],
    );
    text.push_str(&lines(shown, messages));
    let values = [("quote", plain(&shown["quote_id"])), ("until", plain(&shown["until"]))];
    let _ = write!(text, "\n{}", messages.with("order-change-held", &values));
    text
}

fn one_return(shown: &Value, messages: &Messages) -> String {
    let values = [
        ("id", plain(&shown["return_id"])),
        ("order", plain(&shown["order_id"])),
        ("state", plain(&shown["state"])),
        ("day", plain(&shown["day"])),
    ];
    messages.with("return-one", &values)
}

fn returns(rows: &Value, messages: &Messages) -> String {
    let rows: Vec<Vec<String>> = array(rows)
        .iter()
        .map(|row| {
            ["return_id", "order_id", "state", "day", "asked_at", "asked_reason", "reason"]
                .iter()
                .map(|column| or_dash(&row[*column]))
                .collect()
        })
        .collect();
    if rows.is_empty() {
        return messages.get("returns-none");
    }
    table(
        &heads(messages, &["return", "order", "state", "return-day", "asked", "asked-reason", "reason"]),
        &rows,
    )
}

fn connected(shown: &Value, messages: &Messages) -> String {
    let place = if shown["url"].is_null() { &shown["directory"] } else { &shown["url"] };
    let values = [
        ("name", plain(&shown["name"])),
        ("place", plain(place)),
        ("serves", plain(&shown["serves"])),
        ("secret", plain(&shown["secret"])),
    ];
    let mut text = messages.with("outlet-connected", &values);
    if !shown["secret"].is_null() {
        let _ = write!(text, "\n{}", messages.with("outlet-secret", &values));
    }
    text
}

fn outlets(rows: &Value, messages: &Messages) -> String {
    let rows: Vec<Vec<String>> = array(rows)
        .iter()
        .map(|row| {
            let place = if row["url"].is_null() { &row["directory"] } else { &row["url"] };
            let trouble = [&row["problem"], &row["disabled"], &row["last_error"]];
            let trouble = trouble.into_iter().find(|value| !value.is_null()).unwrap_or(&Value::Null);
            vec![
                plain(&row["name"]),
                or_dash(place),
                or_dash(&row["serves"]),
                or_dash(&row["waiting"]),
                or_dash(&row["taken"]),
                or_dash(trouble),
            ]
        })
        .collect();
    if rows.is_empty() {
        return messages.get("outlets-none");
    }
    table(&heads(messages, &["system", "place", "serves", "waiting", "taken", "trouble"]), &rows)
}

fn disconnected(shown: &Value, messages: &Messages) -> String {
    messages.with("outlet-disconnected", &[("name", plain(&shown["disconnected"]))])
}
