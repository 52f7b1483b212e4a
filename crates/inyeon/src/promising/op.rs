//! What the command line asks of promising.

use model::EventKind;
use runtime::Node;
use runtime::promising::NotConfirmed;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::ask::{BadField, Confirm, Release, Wanted, Who};
use super::shape::Answered;
use super::{QuoteAnswer, QuoteAsked, rules};
use crate::dialect::segment::{self, Outer};
use crate::dialect::{self, Origin};
use crate::error::{Failure, Kind};
use crate::keys::{fresh_id, random_hex};
use crate::plan;

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "promise", rename_all = "snake_case")]
pub enum PromiseOp {
    Inquire {
        wanted: Box<Wanted>,
    },
    Quote {
        wanted: Box<Wanted>,
    },
    Confirm {
        confirm: Confirm,
    },
    Release {
        release: Release,
    },
    Rules,
    /// The rules as YAML, and the file that they came from.
    PublishRules {
        rules: String,
        file: String,
    },
}

/// The source of whom a quote on the command line is for.
const SOURCE: &str = "promise";

/// An answer, and by what code it refuses; its texts are made where the language is known.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Told {
    pub answer: Option<Answered>,
    pub refused: Option<String>,
    pub order: Option<String>,
}

impl Told {
    fn fine(answer: Answered) -> Self {
        Told { answer: Some(answer), ..Told::default() }
    }

    fn refused(code: &str, answer: Option<Answered>) -> Self {
        Told { answer, refused: Some(code.to_owned()), order: None }
    }
}

fn wrong(field: BadField) -> Failure {
    Failure::new(Kind::Usage, "promise-field").with("field", field.field).with("detail", field.detail)
}

pub fn run(node: &Node, op: PromiseOp) -> Result<Value, Failure> {
    // What was acknowledged before is seen.
    node.drain()?;
    let told = match op {
        PromiseOp::Inquire { wanted } => {
            let asked = wanted.inquire().map_err(wrong)?;
            let now = node.clock.now();
            Told::fine(node.ask(move |fold| {
                let now = fold.before_backlog(now)?;
                super::inquire(fold, &asked, now, true)
            })??)
        }
        PromiseOp::Quote { wanted } => quote(node, *wanted)?,
        PromiseOp::Confirm { confirm } => {
            let (quote_id, order_id) = confirm.check().map_err(wrong)?;
            let order = order_id.clone();
            let done = node.act_and_wait(move |fold, now| super::confirm(fold, &quote_id, &order_id, now))?;
            match done {
                Ok(answer) => Told::fine(answer),
                Err((NotConfirmed::Ended { .. }, Some(answer))) => Told::refused("quote_ended", Some(answer)),
                Err((NotConfirmed::OtherOrder(other), _)) => {
                    Told { order: Some(other), ..Told::refused("other_order", None) }
                }
                Err((NotConfirmed::OrderTaken, _)) => {
                    Told { order: Some(order), ..Told::refused("order_taken", None) }
                }
                Err((NotConfirmed::Unknown | NotConfirmed::Ended { .. }, _)) => {
                    Told::refused("unknown_quote", None)
                }
            }
        }
        PromiseOp::Release { release } => {
            let quote_id = release.check().map_err(wrong)?;
            match node.act_and_wait(move |fold, now| fold.release(&quote_id, now))? {
                None => Told::refused("unknown_quote", None),
                Some(record) if record.stage.is_ended() => Told::fine(Answered::of_quote(&record)),
                Some(record) => {
                    Told { order: record.order_id.clone(), ..Told::refused("quote_placed", None) }
                }
            }
        }
        PromiseOp::Rules => return rules::show(node),
        PromiseOp::PublishRules { rules, file } => return rules::publish(node, rules::parse(&rules, &file)?),
    };
    Ok(json!(told))
}

fn quote(node: &Node, wanted: Wanted) -> Result<Told, Failure> {
    let (asked, who) = wanted.quote().map_err(wrong)?;
    let quote_id = wanted.quote_id.unwrap_or_else(|| format!("q-{}", random_hex(12)));
    let asked = QuoteAsked { asked, who, quote_id, hold_minutes: wanted.hold_minutes };
    let hold = |asked: QuoteAsked| node.act_and_wait(move |fold, now| super::quote(fold, &asked, now));
    let mut answer = hold(asked.clone())?;
    if matches!(answer, QuoteAnswer::Nobody) {
        identify(node, &asked.who)?;
        answer = hold(asked.clone())?;
    }
    Ok(match answer {
        QuoteAnswer::Known(answer) if answer.stage.is_some_and(|stage| stage.is_ended()) => {
            Told::refused("quote_ended", Some(*answer))
        }
        QuoteAnswer::Known(answer) => Told::fine(*answer),
        QuoteAnswer::Infeasible(answer) => Told::refused("infeasible", Some(*answer)),
        QuoteAnswer::IdTaken => Told::refused("quote_id_taken", None),
        QuoteAnswer::Nobody => {
            let field = asked.who.field();
            return Err(Failure::new(Kind::Usage, "promise-nobody").with("field", field));
        }
    })
}

/// Lets whoever is not known yet become known by an event.
fn identify(node: &Node, who: &Who) -> Result<(), Failure> {
    let received_at = node.clock.now();
    let origin = Origin { source: SOURCE, place: "/v1/identify", received_at, only_customers: false };
    let event = who.identify();
    let parsed = segment::parse(&event, Some(EventKind::Identify), Outer::default(), received_at, fresh_id);
    let mut records = Vec::new();
    let verdict = dialect::seal(node, plan::current(node)?.as_ref(), origin, &parsed, &mut records)?;
    node.submit_and_wait(SOURCE, records)?;
    node.drain()?;
    verdict.map_err(|(_, detail)| {
        Failure::new(Kind::Conflict, "promise-field").with("field", who.field()).with("detail", detail)
    })
}
