//! The contract of promising as the outside meets it: inquire, quote, confirm, release, over HTTP and on the command
//! line, in the same words.

pub mod ask;
pub mod command;
pub mod op;
pub mod rules;
pub mod shape;

use model::Time;
use runtime::promising::{NotConfirmed, QuoteRequest, Quoted};
use runtime::{Fold, FoldError};

use self::ask::{Checked, Who};
use self::shape::Answered;

/// What can be promised now.
pub fn inquire(fold: &mut Fold, asked: &Checked, now: Time, internal: bool) -> Result<Answered, FoldError> {
    let rules_zone = fold.reference().promising.time_zone.clone();
    let inquiry = asked.inquiry(&rules_zone);
    let answer = fold.inquire(&inquiry, now)?;
    let zone = inquiry.time_zone.unwrap_or(rules_zone);
    Ok(Answered::of_answer(answer, &zone, inquiry.wanted, internal))
}

/// A sound request for a quote.
#[derive(Clone, Debug)]
pub struct QuoteAsked {
    pub asked: Checked,
    pub who: Who,
    pub quote_id: String,
    pub hold_minutes: Option<u32>,
}

/// What became of a quote.
pub enum QuoteAnswer {
    Known(Box<Answered>),
    Infeasible(Box<Answered>),
    IdTaken,
    /// Nobody is known by the identifier.
    Nobody,
}

pub fn quote(fold: &mut Fold, asked: &QuoteAsked, now: Time) -> Result<QuoteAnswer, FoldError> {
    let Some(customer) = fold.lookup(&asked.who.identifier())? else { return Ok(QuoteAnswer::Nobody) };
    let rules_zone = fold.reference().promising.time_zone.clone();
    let inquiry = asked.asked.inquiry(&rules_zone);
    let zone = inquiry.time_zone.clone().unwrap_or(rules_zone);
    let wanted = inquiry.wanted;
    let quote_id = asked.quote_id.clone();
    let request = QuoteRequest { customer, quote_id, inquiry, hold_minutes: asked.hold_minutes };
    Ok(match fold.quote(&request, now)? {
        Quoted::Known { record, .. } => QuoteAnswer::Known(Box::new(Answered::of_quote(&record))),
        Quoted::Infeasible(answer) => {
            QuoteAnswer::Infeasible(Box::new(Answered::of_answer(*answer, &zone, wanted, false)))
        }
        Quoted::IdTaken => QuoteAnswer::IdTaken,
    })
}

/// Turns a quote into an order; what stands in the way comes with the quote as it is.
pub fn confirm(
    fold: &mut Fold,
    quote_id: &str,
    order_id: &str,
    now: Time,
) -> Result<Result<Answered, (NotConfirmed, Option<Answered>)>, FoldError> {
    Ok(match fold.confirm(quote_id, order_id, now)? {
        Ok((_, record)) => Ok(Answered::of_quote(&record)),
        Err(why) => {
            let record = fold.find_quote(quote_id)?;
            Err((why, record.as_ref().map(Answered::of_quote)))
        }
    })
}
