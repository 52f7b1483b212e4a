//! Remedies on a running fold: what can be done for a promise at risk, and doing it.
//!
//! A remedy that needs supply is a quote like any other: its holds stand in for what the promise has, so that the old
//! is let go only when all of the new is committed, and a refusal leaves everything as it was.

use engine::promising::{Proposal, Troubled, propose};
use engine::{AppliedRemedy, Customer, Promise};
use model::quote::Purpose;
use model::{
    Command, EntityId, Identifier, Money, OrderLine, PromiseStatus, PromiseTerms, Quote, QuoteStage, Refusal,
    RemedyKind, Time,
};

use crate::fold::{Fold, FoldError};

/// A remedy that was applied, with the promise as it is since.
#[derive(Clone, PartialEq, Debug)]
pub struct Remedied {
    pub customer: EntityId,
    pub applied: AppliedRemedy,
    pub promise: Promise,
    /// It was applied before, and nothing was done now.
    pub before: bool,
}

/// Why no remedy was applied.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum NotRemedied {
    UnknownPromise,
    /// The promise needs none: it is not at risk, or over.
    NotAtRisk(PromiseStatus),
    /// Nothing of this kind would help as things are.
    NotPossible,
    /// Somebody took what it needs; the promise is as it was.
    Refused(Option<Refusal>),
    /// The mails under way have not come back yet.
    Waiting,
}

impl Fold {
    /// What can be done for a promise at risk as things are at `now`, best first ([`propose`] says by what). Nothing is
    /// held by it; nothing comes back where the promise is not known or needs no help.
    pub fn remedies(&mut self, promise_id: &str, now: Time) -> Result<Vec<Proposal>, FoldError> {
        let Some((owner, customer)) = self.owner_of_promise(promise_id)? else { return Ok(Vec::new()) };
        self.proposals(owner, &customer, promise_id, now)
    }

    fn proposals(
        &mut self,
        owner: EntityId,
        customer: &Customer,
        promise_id: &str,
        now: Time,
    ) -> Result<Vec<Proposal>, FoldError> {
        let Some(promise) = customer.promises.get(promise_id) else { return Ok(Vec::new()) };
        if !needs_help(promise) {
            return Ok(Vec::new());
        }
        let plan = customer.plan_of(promise_id);
        let order = promise.terms.order_id.as_ref().and_then(|id| customer.orders.get(id));
        let total = match plan {
            Some(plan) => plan.quote.total,
            None => order.and_then(|order| order.total),
        };
        let troubled = Troubled { promise, order, plan, total };
        let inquiries: Vec<_> = troubled.inquiry().into_iter().collect();
        self.with_supplies(&inquiries, |rules, supplies| propose(&troubled, owner, rules, supplies, now))
    }

    /// Applies the best remedy of a kind: plans it again, holds what it needs, commits to it, lets the old plan go, and
    /// tells the customer, in one act. Asked for twice for the same risk, it is applied once.
    pub fn remedy(
        &mut self,
        promise_id: &str,
        kind: RemedyKind,
        now: Time,
    ) -> Result<Result<Remedied, NotRemedied>, FoldError> {
        let Some((owner, customer)) = self.owner_of_promise(promise_id)? else {
            return Ok(Err(NotRemedied::UnknownPromise));
        };
        let Some(promise) = customer.promises.get(promise_id) else {
            return Ok(Err(NotRemedied::UnknownPromise));
        };
        if let Some(applied) = promise.applied(kind).cloned() {
            return Ok(Ok(Remedied { customer: owner, applied, promise: promise.clone(), before: true }));
        }
        if !needs_help(promise) {
            return Ok(Err(NotRemedied::NotAtRisk(promise.status)));
        }
        let quote_id = match unfinished(&customer, promise, kind) {
            Some(quote_id) => Some(quote_id),
            None => {
                let found = self.proposals(owner, &customer, promise_id, now)?;
                let Some(proposal) = found.into_iter().find(|p| p.remedy.kind == kind) else {
                    return Ok(Err(NotRemedied::NotPossible));
                };
                match self.quote_of_remedy(&customer, promise, proposal, now) {
                    Ok(quote) => {
                        let quote_id = quote.quote_id.clone();
                        self.command(owner, &Command::Quote(Box::new(quote)), now)?;
                        Some(quote_id)
                    }
                    Err(remedy) => {
                        self.command(owner, &Command::ApplyRemedy(remedy), now)?;
                        None
                    }
                }
            }
        };
        self.deliver_now()?;
        if let Some(quote_id) = quote_id
            && let Some(why) = self.confirm_remedy(owner, promise, &quote_id, now)?
        {
            return Ok(Err(why));
        }
        let customer = self.entity(owner)?.customer();
        let promise = customer.and_then(|customer| customer.promises.get(promise_id));
        Ok(match promise.and_then(|promise| Some((promise, promise.applied(kind)?))) {
            Some((promise, applied)) => {
                let (applied, promise) = (applied.clone(), promise.clone());
                Ok(Remedied { customer: owner, applied, promise, before: false })
            }
            // Erased at this moment, or over.
            None => Err(NotRemedied::NotPossible),
        })
    }

    /// Commits to what is held; says why not where it is not.
    fn confirm_remedy(
        &mut self,
        owner: EntityId,
        promise: &Promise,
        quote_id: &str,
        now: Time,
    ) -> Result<Option<NotRemedied>, FoldError> {
        let stage = |record: Option<engine::QuoteRecord>| record.map(|r| (r.stage, r.why));
        if let Some((QuoteStage::Held, _)) = stage(self.quote_record(owner, quote_id)?) {
            let order_id = promise.terms.order_id.clone();
            let order_id = order_id.unwrap_or_else(|| promise.terms.promise_id.clone());
            let quote_id = quote_id.to_owned();
            self.command(owner, &Command::ConfirmQuote { quote_id, order_id }, now)?;
            self.deliver_now()?;
        }
        Ok(match stage(self.quote_record(owner, quote_id)?) {
            Some((QuoteStage::Placed, _)) => None,
            Some((QuoteStage::Asking | QuoteStage::Held | QuoteStage::Confirming, _)) => {
                Some(NotRemedied::Waiting)
            }
            Some((_, why)) => Some(NotRemedied::Refused(why)),
            None => Some(NotRemedied::Refused(None)),
        })
    }

    /// The quote that applies a remedy, or the remedy itself where it needs nothing of supply.
    fn quote_of_remedy(
        &self,
        customer: &Customer,
        promise: &Promise,
        proposal: Proposal,
        now: Time,
    ) -> Result<Quote, model::Remedy> {
        let Proposal { remedy, offer, .. } = proposal;
        let plan = customer.plan_of(&promise.terms.promise_id);
        let Some((offer, plan)) = offer.zip(plan) else { return Err(remedy) };
        let name = name_of(promise, remedy.kind);
        let tried = customer.quotes.keys().filter(|known| known.starts_with(&name)).count();
        let terms = PromiseTerms {
            due_at: remedy.new_due.unwrap_or(promise.terms.due_at),
            probability: Some(remedy.probability),
            hand_over_by: Some(offer.hand_over_by),
            basis: Some(offer.basis),
            ..promise.terms.clone()
        };
        let lines = offer.lines.iter().map(|line| OrderLine {
            product_id: line.item_id.clone(),
            category: None,
            seller_id: None,
            quantity: line.quantity.as_f64(),
            price: line.price,
        });
        let minutes = i64::from(self.reference().promising.quote_minutes);
        Ok(Quote {
            quote_id: format!("{name}{}", tried + 1),
            purpose: Purpose::Remedy(remedy),
            terms,
            lines: lines.collect(),
            region: plan.quote.region.clone(),
            // What was agreed stands.
            total: plan.quote.total,
            needs: offer.needs,
            parcels: offer.parcels,
            expires_at: now.plus_micros(minutes * 60_000_000),
        })
    }

    /// Whose promise it is, and they as they are.
    fn owner_of_promise(&mut self, promise_id: &str) -> Result<Option<(EntityId, Customer)>, FoldError> {
        let identifier = match promise_id.strip_prefix("order:") {
            Some(order_id) => Identifier::Order(order_id),
            None => Identifier::Promise(promise_id),
        };
        let Some(owner) = self.owner(&identifier)? else { return Ok(None) };
        Ok(self.entity(owner)?.customer().map(|customer| (owner, customer.clone())))
    }
}

fn needs_help(promise: &Promise) -> bool {
    matches!(promise.status, PromiseStatus::AtRisk | PromiseStatus::Broken)
}

/// Before the number of the attempt in the id of a remedy's quote.
fn name_of(promise: &Promise, kind: RemedyKind) -> String {
    format!("{}:remedy:{}:{}:", promise.terms.promise_id, kind.name(), promise.times_at_risk)
}

/// A quote for the same remedy that was begun before and not ended.
fn unfinished(customer: &Customer, promise: &Promise, kind: RemedyKind) -> Option<String> {
    let name = name_of(promise, kind);
    let open = |stage| matches!(stage, QuoteStage::Asking | QuoteStage::Held | QuoteStage::Confirming);
    let found = customer.quotes.iter().find(|(id, record)| id.starts_with(&name) && open(record.stage));
    found.map(|(id, _)| id.clone())
}
