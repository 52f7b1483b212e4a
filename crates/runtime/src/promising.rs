//! Promising on a running fold: inquire, quote, confirm. Each runs on the partition's own thread; what it decided is
//! durable before anybody is answered ([`crate::Node::act`]).

use engine::QuoteRecord;
use engine::promising::{Answer, Binding, Inquiry, Offer};
use model::quote::Purpose;
use model::{
    Command, EntityId, Identifier, OrderLine, PromiseKind, PromiseTerms, Quote, QuoteStage, Refusal, Time,
};

use crate::fold::{Delivery, Fold, FoldError};

/// Somebody wants something held for them.
#[derive(Clone, Debug)]
pub struct QuoteRequest {
    /// Who: the profile that stands for them.
    pub customer: EntityId,
    /// Asked for twice by one id, it is held once.
    pub quote_id: String,
    pub inquiry: Inquiry,
    /// Minutes for which it is held, where they are not the rules'.
    pub hold_minutes: Option<u32>,
}

/// What became of a request.
#[derive(Clone, PartialEq, Debug)]
pub enum Quoted {
    /// The quote as it now is, and what stood in the way of more or earlier.
    Known { record: Box<QuoteRecord>, binding: Vec<Binding> },
    /// Nothing can be promised, for these reasons.
    Infeasible(Box<Answer>),
    /// The id is that of somebody else's quote, or of a promise that was no quote.
    IdTaken,
}

/// Why a quote was not confirmed.
#[derive(Clone, PartialEq, Debug)]
pub enum NotConfirmed {
    Unknown,
    /// It is not held any more, or never was.
    Ended {
        stage: QuoteStage,
        why: Option<Refusal>,
    },
    /// It is another order already.
    OtherOrder(String),
    /// The order number belongs to another order.
    OrderTaken,
}

impl Fold {
    /// Holds what a request needs, or says why it cannot be.
    pub fn quote(&mut self, request: &QuoteRequest, now: Time) -> Result<Quoted, FoldError> {
        // Asked for again it may be kept in a history that has since come together with others.
        let owner = self.owner_of_quote(&request.quote_id)?;
        let customer = self.head(request.customer)?;
        if let Some(owner) = owner
            && self.head(owner)? != customer
        {
            return Ok(Quoted::IdTaken);
        }
        if let Some(record) = self.quote_record(owner.unwrap_or(customer), &request.quote_id)? {
            return Ok(Quoted::Known { record: Box::new(record), binding: Vec::new() });
        }
        if owner.is_some() {
            return Ok(Quoted::IdTaken);
        }
        let answer = self.inquire(&request.inquiry, now)?;
        let Some(offer) = answer.offer else { return Ok(Quoted::Infeasible(Box::new(answer))) };
        let quote = self.quote_of(request, offer, &answer.binding, now);
        self.command(customer, &Command::Quote(Box::new(quote)), now)?;
        self.deliver_now()?;
        match self.quote_record(customer, &request.quote_id)? {
            Some(record) => Ok(Quoted::Known { record: Box::new(record), binding: answer.binding }),
            // Erased at this moment.
            None => {
                let (offer, substitutes) = (None, Vec::new());
                Ok(Quoted::Infeasible(Box::new(Answer { offer, binding: Vec::new(), substitutes })))
            }
        }
    }

    pub(crate) fn quote_of(
        &self,
        request: &QuoteRequest,
        offer: Offer,
        binding: &[Binding],
        now: Time,
    ) -> Quote {
        let rules = &self.reference().promising;
        let minutes = request.hold_minutes.unwrap_or(rules.quote_minutes).clamp(1, 43_200);
        let zone = request.inquiry.time_zone.clone().filter(|zone| model::time::zone(zone).is_ok());
        Quote {
            quote_id: request.quote_id.clone(),
            purpose: Purpose::Order,
            terms: PromiseTerms {
                promise_id: request.quote_id.clone(),
                order_id: None,
                kind: if offer.parcels.is_empty() { PromiseKind::Service } else { PromiseKind::Order },
                attribute: "delivery".to_owned(),
                due_at: offer.due_at,
                time_zone: zone.unwrap_or_else(|| rules.time_zone.clone()),
                tolerance_micros: i64::from(rules.tolerance_minutes) * 60_000_000,
                target: None,
                hand_over_by: (!offer.parcels.is_empty()).then_some(offer.hand_over_by),
                probability: Some(offer.probability),
                basis: Some(offer.basis),
                reasons: binding.iter().take(8).map(Binding::reason).collect(),
                marketing_owner: rules.owners.marketing.clone(),
                operations_owner: rules.owners.operations.clone(),
            },
            lines: order_lines(&offer),
            region: Some(request.inquiry.to.clone()).filter(|to| !to.is_empty()),
            total: offer.total,
            needs: offer.needs,
            parcels: offer.parcels,
            expires_at: now.plus_micros(i64::from(minutes) * 60_000_000),
        }
    }

    /// Turns a quote into an order. Asked twice, it is one order.
    pub fn confirm(
        &mut self,
        quote_id: &str,
        order_id: &str,
        now: Time,
    ) -> Result<Result<(EntityId, QuoteRecord), NotConfirmed>, FoldError> {
        let Some(owner) = self.owner_of_quote(quote_id)? else { return Ok(Err(NotConfirmed::Unknown)) };
        let Some(record) = self.quote_record(owner, quote_id)? else {
            return Ok(Err(NotConfirmed::Unknown));
        };
        if record.stage == QuoteStage::Held {
            // A shop may tell of the order before it confirms; another quote's it cannot be.
            let known = self.owner_of_order(order_id)?;
            let placed = |customer: &engine::Customer| {
                customer.quotes.values().any(|record| record.order_id.as_deref() == Some(order_id))
            };
            if known.is_some_and(|known| known != owner) || self.entity(owner)?.customer().is_some_and(placed)
            {
                return Ok(Err(NotConfirmed::OrderTaken));
            }
            let (quote_id, order_id) = (quote_id.to_owned(), order_id.to_owned());
            self.command(owner, &Command::ConfirmQuote { quote_id, order_id }, now)?;
            self.deliver_now()?;
        }
        let Some(record) = self.quote_record(owner, quote_id)? else {
            return Ok(Err(NotConfirmed::Unknown));
        };
        Ok(match (record.stage, &record.order_id) {
            (QuoteStage::Placed | QuoteStage::Confirming, Some(known)) if known == order_id => {
                Ok((owner, record))
            }
            (QuoteStage::Placed | QuoteStage::Confirming, Some(other)) => {
                Err(NotConfirmed::OtherOrder(other.clone()))
            }
            (stage, _) => Err(NotConfirmed::Ended { stage, why: record.why }),
        })
    }

    /// Lets go of a quote.
    pub fn release(&mut self, quote_id: &str, now: Time) -> Result<Option<QuoteRecord>, FoldError> {
        let Some(owner) = self.owner_of_quote(quote_id)? else { return Ok(None) };
        self.command(owner, &Command::ReleaseQuote { quote_id: quote_id.to_owned() }, now)?;
        self.deliver_now()?;
        self.quote_record(owner, quote_id)
    }

    /// A quote by its id, whoever it is for.
    pub fn find_quote(&mut self, quote_id: &str) -> Result<Option<QuoteRecord>, FoldError> {
        match self.owner_of_quote(quote_id)? {
            Some(owner) => self.quote_record(owner, quote_id),
            None => Ok(None),
        }
    }

    fn owner_of_quote(&mut self, quote_id: &str) -> Result<Option<EntityId>, FoldError> {
        self.owner(&Identifier::Promise(quote_id))
    }

    fn owner_of_order(&mut self, order_id: &str) -> Result<Option<EntityId>, FoldError> {
        self.owner(&Identifier::Order(order_id))
    }

    /// A quote as its owner knows it.
    pub fn quote_record(
        &mut self,
        customer: EntityId,
        quote_id: &str,
    ) -> Result<Option<QuoteRecord>, FoldError> {
        Ok(self.entity(customer)?.customer().and_then(|customer| customer.quotes.get(quote_id)).cloned())
    }

    /// Embedded, nobody waits for a mail: it arrives before the answer does.
    pub fn deliver_now(&mut self) -> Result<(), FoldError> {
        match self.delivery() {
            Delivery::BeforeCommit => self.deliver_all(),
            Delivery::ByHand => Ok(()),
        }
    }
}

/// What an offer promises, as an order has it.
pub(crate) fn order_lines(offer: &Offer) -> Vec<OrderLine> {
    let lines = offer.lines.iter().map(|line| OrderLine {
        product_id: line.item_id.clone(),
        category: line.category.clone(),
        seller_id: None,
        quantity: line.quantity.as_f64(),
        price: line.price,
        exchange: line.exchange.clone(),
    });
    lines.collect()
}
