//! `inyeon promise`.

use std::fmt::Write;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use model::Quantity;
use serde_json::{Value, json};

use super::ask::{BadField, Confirm, Line, Release, Wanted};
use super::op::{PromiseOp, Told};
use super::rules;
use super::shape::{Amount, Answered, Substitute};
use crate::access::Access;
use crate::at_risk::RiskCommand;
use crate::cli::{Global, print, read_text};
use crate::delivery::{self, BacktestArgs, LearnArgs};
use crate::error::{Failure, Kind};
use crate::i18n::Messages;
use crate::ops::Op;
use crate::render::{heads, replay_progress, table};

#[derive(Args)]
pub struct PromiseArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    Inquire(WantedArgs),
    Quote {
        #[command(flatten)]
        wanted: WantedArgs,
        #[arg(long, required_unless_present = "anonymous", conflicts_with = "anonymous")]
        user: Option<String>,
        #[arg(long)]
        anonymous: Option<String>,
        #[arg(long, value_name = "ID")]
        quote_id: Option<String>,
        #[arg(long, value_name = "N")]
        hold_minutes: Option<u32>,
    },
    Confirm {
        quote: String,
        #[arg(long, value_name = "ID")]
        order_id: Option<String>,
    },
    Release {
        quote: String,
    },
    Rules(RulesArgs),
    Learn(LearnArgs),
    Backtest(BacktestArgs),
    #[command(flatten)]
    Risk(RiskCommand),
}

#[derive(Args)]
struct WantedArgs {
    #[arg(long = "item", value_name = "ID[=QUANTITY]", required = true)]
    items: Vec<String>,
    #[arg(long, value_name = "REGION", default_value = "")]
    to: String,
    #[arg(long, default_value = "")]
    class: String,
    #[arg(long, default_value_t = 0)]
    priority: u32,
    #[arg(long, value_name = "DATE")]
    wanted: Option<String>,
    #[arg(long)]
    together: bool,
    #[arg(long)]
    partial: bool,
    #[arg(long)]
    service: Option<String>,
    #[arg(long, value_name = "ZONE")]
    time_zone: Option<String>,
    #[arg(long, value_name = "P")]
    target: Option<f64>,
}

#[derive(Args)]
struct RulesArgs {
    #[command(subcommand)]
    what: RulesWhat,
}

#[derive(Subcommand)]
enum RulesWhat {
    Show,
    Check { file: PathBuf },
    Publish { file: PathBuf },
}

impl WantedArgs {
    fn wanted(self, messages: &Messages) -> Result<Wanted, Failure> {
        let lines = self.items.iter().map(|item| line(item, messages)).collect::<Result<_, _>>()?;
        let WantedArgs { to, class, priority, wanted, together, partial, service, time_zone, target, .. } =
            self;
        let asked =
            Wanted { lines, to, class, priority, wanted, together, partial, service, ..Wanted::default() };
        Ok(Wanted { time_zone, target, ..asked })
    }
}

/// `T1=2`, or `T1` for one.
fn line(text: &str, messages: &Messages) -> Result<Line, Failure> {
    let (item_id, quantity) = match text.rsplit_once('=') {
        None => (text, Quantity::ONE),
        Some((item, quantity)) => {
            let quantity = quantity.parse().map_err(|error: model::quantity::QuantityError| {
                let (field, detail) = (format!("--item {text}"), error.to_string());
                wrong(&BadField { field, why: "unreadable", detail }, messages)
            })?;
            (item, quantity)
        }
    };
    Ok(Line { item_id: item_id.to_owned(), quantity, price: None })
}

fn wrong(field: &BadField, messages: &Messages) -> Failure {
    Failure::new(Kind::Usage, "promise-refused").with("detail", field.text(messages))
}

pub fn run(global: &Global, args: PromiseArgs, messages: &Messages) -> Result<(), Failure> {
    let open = |create| Access::open(&global.store, create, replay_progress);
    let show = |value: &Value, render: fn(&Value, &Messages) -> String| {
        let pretty = || serde_json::to_string_pretty(value).expect("a value serialises");
        print(&if global.json { pretty() } else { render(value, messages) });
    };
    let promise = |op| -> Result<(), Failure> {
        let told = open(false)?.run(Op::Promise(op))?;
        let told: Told = serde_json::from_value(told).map_err(|error| Failure::other(&error))?;
        let answer = answered(told, messages)?;
        if global.json {
            print(&serde_json::to_string_pretty(&answer).expect("a value serialises"));
        } else {
            print(&render(&answer, messages));
        }
        Ok(())
    };
    let checked = |wanted: Wanted, check: fn(&Wanted) -> Result<(), BadField>| {
        check(&wanted).map_err(|field| wrong(&field, messages))?;
        Ok::<_, Failure>(Box::new(wanted))
    };
    let quiet = global.quiet || global.json;
    match args.what {
        What::Inquire(wanted) => {
            let wanted = checked(wanted.wanted(messages)?, |wanted| wanted.inquire().map(drop))?;
            promise(PromiseOp::Inquire { wanted })
        }
        What::Quote { wanted, user, anonymous, quote_id, hold_minutes } => {
            let wanted = wanted.wanted(messages)?;
            let wanted = Wanted { user_id: user, anonymous_id: anonymous, quote_id, hold_minutes, ..wanted };
            let wanted = checked(wanted, |wanted| wanted.quote().map(drop))?;
            promise(PromiseOp::Quote { wanted })
        }
        What::Confirm { quote, order_id } => {
            let confirm = Confirm { quote_id: quote, order_id };
            confirm.check().map_err(|field| wrong(&field, messages))?;
            promise(PromiseOp::Confirm { confirm })
        }
        What::Release { quote } => {
            let release = Release { quote_id: quote };
            release.check().map_err(|field| wrong(&field, messages))?;
            promise(PromiseOp::Release { release })
        }
        What::Learn(args) => {
            show(&delivery::learn(&open(false)?, &args, quiet, messages)?, delivery::learnt);
            Ok(())
        }
        What::Backtest(args) => {
            show(&delivery::backtest(&open(false)?, &args, quiet, messages)?, delivery::backtested);
            Ok(())
        }
        What::Risk(command) => {
            let (op, render) = command.asked()?;
            show(&open(false)?.run(Op::Risk(op))?, render);
            Ok(())
        }
        What::Rules(RulesArgs { what }) => {
            let read = |file: PathBuf| -> Result<(String, String), Failure> {
                Ok((read_text(&file)?, file.display().to_string()))
            };
            match what {
                RulesWhat::Show => show(&open(false)?.run(Op::Promise(PromiseOp::Rules))?, rules::shown),
                RulesWhat::Check { file } => {
                    let (text, file) = read(file)?;
                    let rules = rules::parse(&text, &file)?;
                    show(&json!({ "version": null, "rules": rules }), rules::shown);
                }
                RulesWhat::Publish { file } => {
                    let (rules, file) = read(file)?;
                    // What is not sound makes no store.
                    rules::parse(&rules, &file)?;
                    let op = PromiseOp::PublishRules { rules, file };
                    show(&open(true)?.run(Op::Promise(op))?, rules::published);
                }
            }
            Ok(())
        }
    }
}

/// An answer in the reader's words, or the failure that it is.
fn answered(told: Told, messages: &Messages) -> Result<Answered, Failure> {
    let answer = told.answer.map(|answer| answer.say(messages));
    let Some(code) = told.refused else { return Ok(answer.unwrap_or_default()) };
    let kind = if code == "unknown_quote" { Kind::NotFound } else { Kind::Conflict };
    let mut detail = answer.as_ref().map(|answer| answer.message.clone()).unwrap_or_default();
    let substitutes = answer.iter().flat_map(|answer| &answer.substitutes);
    for Substitute { item_id, substitute } in substitutes {
        let values = [("item", item_id.clone()), ("substitute", substitute.clone())];
        let _ = write!(detail, "; {}", messages.with("promise-substitute", &values));
    }
    let values = [("detail", detail), ("order", told.order.unwrap_or_default())];
    let text = messages.with(&format!("http-{}", code.replace('_', "-")), &values);
    Err(Failure::new(kind, "promise-refused").with("detail", text))
}

/// What was told of a promise, as it reads.
pub(crate) fn read(told: &Value, messages: &Messages) -> Result<String, Failure> {
    let told: Told = serde_json::from_value(told.clone()).map_err(|error| Failure::other(&error))?;
    Ok(render(&answered(told, messages)?, messages))
}

fn render(answer: &Answered, messages: &Messages) -> String {
    let mut out = format!("{}\n", answer.message);
    let mut fact = |key: &str, value: Option<String>| {
        if let Some(value) = value {
            let _ = writeln!(out, "  {}: {value}", messages.get(&format!("col-{key}")));
        }
    };
    let share = |p: f64| format!("{:.1}%", p * 100.0);
    let money = |amount: &Amount| format!("{} {}", amount.amount, amount.currency);
    fact("quote", answer.quote_id.clone());
    fact("order", answer.order_id.clone());
    fact("due-at", answer.due.as_ref().map(|due| format!("{due} ({})", answer.time_zone)));
    fact("hand-over", answer.hand_over_by.clone());
    fact("probability", answer.probability.map(share));
    fact("basis", answer.basis.clone());
    fact("total", answer.total.as_ref().map(money));
    fact("margin", answer.margin.as_ref().map(money));
    if !answer.lines.is_empty() {
        // What is held is all that was asked for; an offer may be of less.
        let offered = answer.lines.iter().any(|line| line.wanted.is_some());
        let rows: Vec<Vec<String>> = answer
            .lines
            .iter()
            .map(|line| {
                let wanted = line.wanted.map_or_else(|| "-".to_owned(), |wanted| wanted.to_string());
                let price = line.price.as_ref().map_or_else(|| "-".to_owned(), money);
                let wanted = offered.then_some(wanted);
                let cells = [line.quantity.to_string(), price];
                [line.item_id.clone()].into_iter().chain(wanted).chain(cells).collect()
            })
            .collect();
        let head: &[&str] =
            if offered { &["item", "wanted", "promised", "price"] } else { &["item", "promised", "price"] };
        let _ = write!(out, "\n{}", table(&heads(messages, head), &rows));
    }
    if !answer.parcels.is_empty() {
        let rows: Vec<Vec<String>> = answer
            .parcels
            .iter()
            .map(|parcel| {
                let lines = parcel.lines.iter().map(|line| format!("{}×{}", line.quantity, line.item_id));
                vec![
                    parcel.place.clone(),
                    parcel.to.clone(),
                    parcel.service.clone(),
                    lines.collect::<Vec<_>>().join(", "),
                    parcel.hand_over_by.clone(),
                ]
            })
            .collect();
        let head = heads(messages, &["place", "region", "service", "items", "hand-over"]);
        let _ = write!(out, "\n{}", table(&head, &rows));
    }
    for constraint in &answer.binding {
        let _ = write!(out, "\n- {}", constraint.message);
    }
    for substitute in &answer.substitutes {
        let values = [("item", substitute.item_id.clone()), ("substitute", substitute.substitute.clone())];
        let _ = write!(out, "\n- {}", messages.with("promise-substitute", &values));
    }
    out
}
