//! Quotes: what must be held is asked of its owners, and an order is placed only when all of it is committed.
//!
//! ```text
//! Quote ─► AskHold to each ─► all held ─► quoted ─► ConfirmQuote ─► ConfirmHold to each ─► all committed ─► placed
//!                └─ one refuses ─► the rest is released                    └─ one refuses ─► the rest is released
//! ```
//!
//! Mails may come late, twice and out of order. What a quote still waits for is known by its stage and by what each
//! owner has answered; an answer that it does not wait for changes nothing, because whoever ended the quote released
//! every hold of it, and an owner that heard of a release takes that hold no more.

use std::collections::BTreeMap;

use model::quote::{Purpose, Remedy};
use model::supply::{Shortage, SupplyMail};
use model::{
    CancelledBy, EffectKind, Fact, HoldId, MailBody, Need, OrderState, PromiseStatus, PromiseTerms, Quote,
    QuoteFact, QuoteStage, Refusal, RiskReason, Take, Time, TimelineId, TimerPurpose,
};

use super::Decision;
use super::risk::{Risky, short_of, with_cover};
use crate::customer::QuoteRecord;
use crate::supply::Short;

impl<'a> Decision<'a> {
    fn quote_fact(&mut self, fact: QuoteFact) {
        self.fact(Fact::Quote(fact));
    }

    pub(super) fn move_quote(&mut self, quote_id: &str, stage: QuoteStage, why: Option<Refusal>) {
        let (quote_id, at) = (quote_id.to_owned(), self.context.now);
        self.quote_fact(QuoteFact::Moved { quote_id, stage, order_id: None, why, at });
    }

    fn each_need(&mut self, record: &QuoteRecord, mail: impl Fn(HoldId, &Need) -> SupplyMail) {
        for (index, need) in record.quote.needs.iter().enumerate() {
            let hold = HoldId { owner: self.customer.id, number: record.first_hold + index as u64 };
            self.forward(need.of, MailBody::Supply(mail(hold, need)));
        }
    }

    pub(super) fn release(&mut self, record: &QuoteRecord) {
        let (expires_at, now) = (record.quote.expires_at, self.context.now);
        self.each_need(record, |hold, _| SupplyMail::ReleaseHold { hold, expires_at, now });
    }

    pub(super) fn ask_quote(&mut self, quote: &Quote) {
        let now = self.context.now;
        if self.customer.quotes.contains_key(&quote.quote_id) {
            return self.ignore(format!("quote {} was asked for before", quote.quote_id));
        }
        if self.customer.promises.contains_key(&quote.quote_id) {
            return self.ignore(format!("a promise {} is known already", quote.quote_id));
        }
        if let Purpose::OneAction(action) = &quote.purpose
            && self.customer.orders.contains_key(&action.order_id)
        {
            return self.ignore(format!("an order {} is known already", action.order_id));
        }
        let first_hold = self.customer.next_hold;
        self.quote_fact(QuoteFact::Asked { quote: Box::new(quote.clone()), first_hold, at: now });
        // What needs nothing and is wanted at once is placed before this decision ends.
        if !(quote.needs.is_empty() && matches!(quote.purpose, Purpose::OneAction(_))) {
            let purpose = TimerPurpose::QuoteExpiry(quote.quote_id.clone());
            self.set_timer(quote.expires_at, TimelineId::LIVE, purpose);
        }
        if quote.needs.is_empty() {
            let record = QuoteRecord {
                quote: quote.clone(),
                asked_at: now,
                first_hold,
                stage: QuoteStage::Asking,
                answers: Vec::new(),
                order_id: None,
                why: None,
                short: BTreeMap::new(),
            };
            return self.held(&record);
        }
        for (index, need) in quote.needs.iter().enumerate() {
            let hold = HoldId { owner: self.customer.id, number: first_hold + index as u64 };
            let mail = SupplyMail::AskHold {
                hold,
                take: need.take.clone(),
                replaces: need.replaces,
                expires_at: quote.expires_at,
                now,
            };
            self.forward(need.of, MailBody::Supply(mail));
        }
    }

    /// Everything is held: it is offered, or placed where one action asked for both.
    fn held(&mut self, record: &QuoteRecord) {
        let quote = &record.quote;
        self.move_quote(&quote.quote_id, QuoteStage::Held, None);
        match &quote.purpose {
            Purpose::Order => {
                let (terms, expires_at) = (quote.terms.clone(), quote.expires_at);
                self.fact(Fact::PromiseQuoted { terms, at: self.context.now, expires_at });
            }
            Purpose::OneAction(action) => self.confirm(record, &action.order_id),
            Purpose::Remedy(_) | Purpose::Change(_) => {}
        }
    }

    pub(super) fn confirm_quote(&mut self, quote_id: &str, order_id: &str) {
        let now = self.context.now;
        let Some(record) = self.customer.quotes.get(quote_id) else {
            return self.ignore(format!("no quote {quote_id} is known"));
        };
        if record.stage != QuoteStage::Held {
            return self
                .ignore(format!("quote {quote_id} is {} and cannot be confirmed", record.stage.name()));
        }
        if record.quote.expires_at <= now {
            return self.expire_quote(quote_id);
        }
        if self.customer.orders.get(order_id).is_some_and(|order| order.cancelled.is_some()) {
            // The cancellation came first.
            return self.release_quote(quote_id);
        }
        if let Purpose::Change(change) = &record.quote.purpose
            && !(change.order_id == order_id && self.is_changeable(order_id))
        {
            return self.ignore(format!("order {order_id} has left or was cancelled and cannot be changed"));
        }
        self.confirm(record, order_id);
    }

    fn confirm(&mut self, record: &QuoteRecord, order_id: &str) {
        let now = self.context.now;
        let stage = QuoteStage::Confirming;
        self.quote_fact(QuoteFact::Moved {
            quote_id: record.quote.quote_id.clone(),
            stage,
            order_id: Some(order_id.to_owned()),
            why: None,
            at: now,
        });
        if record.quote.needs.is_empty() {
            return self.place(record, order_id);
        }
        self.each_need(record, |hold, _| SupplyMail::ConfirmHold { hold, now });
    }

    /// Lets go of a quote that is not wanted.
    pub(super) fn release_quote(&mut self, quote_id: &str) {
        let Some(record) = self.customer.quotes.get(quote_id) else {
            return self.ignore(format!("no quote {quote_id} is known"));
        };
        if !matches!(record.stage, QuoteStage::Asking | QuoteStage::Held) {
            return self.ignore(format!("quote {quote_id} is {} and cannot be let go", record.stage.name()));
        }
        self.release(record);
        self.move_quote(quote_id, QuoteStage::Released, Some(Refusal::Withdrawn));
        self.clear_timers(|purpose| *purpose == TimerPurpose::QuoteExpiry(quote_id.to_owned()));
        if let Some(promise) = self.customer.promises.get(quote_id)
            && promise.status.is_offer()
        {
            self.withdraw(promise, CancelledBy::Customer, self.context.now, None);
        }
    }

    /// Its time to live is over. What it held is free again by the owners' own clocks.
    pub(super) fn expire_quote(&mut self, quote_id: &str) {
        let Some(record) = self.customer.quotes.get(quote_id) else { return };
        if !matches!(record.stage, QuoteStage::Asking | QuoteStage::Held) {
            return;
        }
        self.release(record);
        self.move_quote(quote_id, QuoteStage::Expired, Some(Refusal::Expired));
        self.offer_ends(quote_id);
    }

    fn offer_ends(&mut self, quote_id: &str) {
        let promise = self.customer.promises.get(quote_id);
        if promise.is_some_and(|promise| promise.status == PromiseStatus::Quoted) {
            let promise_id = quote_id.to_owned();
            self.fact(Fact::PromiseExpired { promise_id, at: self.context.now });
        }
    }

    pub(super) fn supply_mail(&mut self, mail: &SupplyMail) {
        match mail {
            SupplyMail::HoldAnswered { hold, refused, .. } => {
                self.answered(*hold, *refused, QuoteStage::Asking);
            }
            SupplyMail::ConfirmAnswered { hold, refused, .. } => {
                self.answered(*hold, *refused, QuoteStage::Confirming);
            }
            SupplyMail::CoverChanged { hold, short, covered_at, why, .. } => {
                self.cover_changed(*hold, *short, *covered_at, *why);
            }
            SupplyMail::KeptAt { .. }
            | SupplyMail::AskHold { .. }
            | SupplyMail::ConfirmHold { .. }
            | SupplyMail::ReleaseHold { .. }
            | SupplyMail::UseCommitment { .. }
            | SupplyMail::GoodsLeft { .. } => {}
        }
    }

    fn answered(&mut self, hold: HoldId, refused: Option<Refusal>, to: QuoteStage) {
        let customer = self.customer;
        let found = customer.quotes.values().find_map(|record| Some((record, record.index_of(hold.number)?)));
        let Some((record, index)) = found else { return };
        // An answer to what is asked no more, or one that was given already.
        if record.stage != to || record.answers[index].is_some() {
            return;
        }
        let (quote, at) = (&record.quote, self.context.now);
        let quote_id = quote.quote_id.clone();
        self.quote_fact(QuoteFact::Answered { quote_id, hold: hold.number, refused, at });
        if let Some(why) = refused {
            self.release(record);
            self.move_quote(&quote.quote_id, QuoteStage::Refused, Some(why));
            if let Purpose::OneAction(action) = &quote.purpose {
                self.action_refused(&action.order_id);
            }
            self.clear_timers(|purpose| *purpose == TimerPurpose::QuoteExpiry(quote.quote_id.clone()));
            return self.offer_ends(&quote.quote_id);
        }
        let others = record.answers.iter().enumerate().filter(|(other, _)| *other != index);
        if others.into_iter().all(|(_, answer)| matches!(answer, Some(Ok(())))) {
            match to {
                QuoteStage::Asking => self.held(record),
                _ => self.place(record, record.order_id.as_deref().unwrap_or_default()),
            }
        }
    }

    /// Everything is committed.
    fn place(&mut self, record: &QuoteRecord, order_id: &str) {
        let (quote, at) = (&record.quote, self.context.now);
        self.placing = Some(record.clone());
        self.move_quote(&quote.quote_id, QuoteStage::Placed, None);
        self.clear_timers(|purpose| *purpose == TimerPurpose::QuoteExpiry(quote.quote_id.clone()));
        match &quote.purpose {
            Purpose::Order | Purpose::OneAction(_) => {
                // A shop that tells of the order before it confirms the quote has placed it, and may be further on.
                let known = self.customer.orders.get(order_id);
                if known.is_none_or(|order| order.placed_at.is_none()) {
                    self.fact(Fact::OrderPlaced {
                        order_id: order_id.to_owned(),
                        at,
                        region: quote.region.clone(),
                        total: quote.total,
                        lines: quote.lines.clone(),
                    });
                }
                let state = OrderState::Allocated;
                if known.map_or(OrderState::Placed, |order| order.state).may_become(state) {
                    self.fact(Fact::OrderMoved { order_id: order_id.to_owned(), state, at });
                }
                let terms = PromiseTerms { order_id: Some(order_id.to_owned()), ..quote.terms.clone() };
                self.make(&terms, at, self.customer.orders.get(order_id));
                if known.is_none_or(|order| order.placed_at.is_none()) {
                    self.order_answers(order_id, &super::items_of(&quote.lines), at);
                }
                if let Purpose::OneAction(action) = &quote.purpose {
                    self.action_ordered(&action.order_id);
                    self.action_placed(action, quote);
                }
            }
            Purpose::Remedy(remedy) => self.remedied(remedy, &quote.quote_id, order_id),
            Purpose::Change(change) => self.changed(change, quote),
        }
    }

    /// What was planned before for the promise is let go: the remedy's own holds stand in for it.
    fn remedied(&mut self, remedy: &Remedy, quote_id: &str, order_id: &str) {
        self.let_go_of_earlier(quote_id, order_id);
        self.apply_remedy(remedy);
    }

    /// Notes what was done for a promise, tells the customer, and keeps the first target on record.
    pub(super) fn apply_remedy(&mut self, remedy: &Remedy) {
        let (promise_id, at) = (&remedy.promise_id, self.context.now);
        let Some(promise) = self.customer.promises.get(promise_id) else {
            return self.ignore(format!("no promise {promise_id} is known"));
        };
        let before_the_break = promise.status.is_open();
        self.quote_fact(QuoteFact::Remedied { remedy: remedy.clone(), before_the_break, at });
        if let Some(new_due) = remedy.new_due.filter(|_| before_the_break) {
            let reason = Some(format!("remedy:{}", remedy.kind.name()));
            self.revise(promise_id, &new_due.to_string(), None, reason, at);
        } else if let Some(record) = self.placing.clone().filter(|_| before_the_break) {
            let order = promise.terms.order_id.as_ref().and_then(|id| self.customer.orders.get(id));
            let judged = self.judge(&Risky::of(promise, &record, order));
            if !judged && promise.status == PromiseStatus::AtRisk {
                self.fact(Fact::PromiseRecovered { promise_id: promise_id.clone(), at });
            }
        }
        let key = format!("{}/{promise_id}/remedied/{}/{}", self.customer.id, remedy.kind.name(), at.0);
        let reason = format!("promise_remedied:{}", remedy.kind.name());
        self.request(EffectKind::CustomerNotify, &reason, &promise.terms, key);
    }

    /// What needs nothing of supply: another date for what is on its way, or something given for the trouble.
    pub(super) fn remedy_at_once(&mut self, remedy: &Remedy) {
        let id = &remedy.promise_id;
        match self.customer.promises.get(id) {
            Some(promise) if promise.applied(remedy.kind).is_some() => {
                self.ignore(format!("promise {id}: {} was applied before", remedy.kind.name()));
            }
            Some(promise) if promise.status.is_open() || promise.status == PromiseStatus::Broken => {
                self.apply_remedy(remedy);
            }
            Some(promise) => {
                self.ignore(format!("promise {id} is {} and needs no remedy", promise.status.name()));
            }
            None => self.ignore(format!("no promise {id} is known")),
        }
    }

    fn cover_changed(&mut self, hold: HoldId, short: bool, covered_at: Option<Time>, why: Shortage) {
        let customer = self.customer;
        // Supply may fall while the rest is still being confirmed: it is judged when it is placed.
        let stands =
            |record: &&QuoteRecord| matches!(record.stage, QuoteStage::Placed | QuoteStage::Confirming);
        let found = customer.quotes.values().filter(stands).find_map(|r| Some((r, r.index_of(hold.number)?)));
        let Some((record, index)) = found else { return };
        let (quote_id, at) = (record.quote.quote_id.clone(), self.context.now);
        self.quote_fact(QuoteFact::CoverChanged { quote_id, hold: hold.number, short, covered_at, why, at });
        let promise_id = record.promise_id();
        let plan = customer.plan_of(promise_id).filter(|plan| plan.quote.quote_id == record.quote.quote_id);
        let Some((promise, plan)) = customer.promises.get(promise_id).zip(plan) else { return };
        if !promise.status.is_open() {
            return;
        }
        let then = with_cover(plan, index, short.then_some(Short { covered_at, why }));
        let order = plan.order_id.as_ref().and_then(|id| customer.orders.get(id));
        if self.judge(&Risky::of(promise, &then, order)) {
            return;
        }
        match (promise.status, short_of(&then)) {
            (PromiseStatus::Made, Some(why)) => self.at_risk(promise_id, promise, why, at),
            (PromiseStatus::AtRisk, None) if matches!(promise.risk, Some(RiskReason::Supply { .. })) => {
                self.fact(Fact::PromiseRecovered { promise_id: promise_id.to_owned(), at });
            }
            _ => {}
        }
    }

    /// So much of an order left at `at`: what was committed of stock for it is used. The time in its slots is used when
    /// they are over, whenever goods leave.
    pub(super) fn use_commitments(&mut self, order_id: &str, share: f64, at: Time) {
        let now = self.context.now;
        let customer = self.customer;
        let mut of_order = placed(customer, order_id).peekable();
        if of_order.peek().is_none() {
            return self.leave_uncommitted(order_id, share, at);
        }
        for record in of_order {
            self.each_of_stock(record, |hold, _| SupplyMail::UseCommitment { hold, share, at, now });
        }
    }

    /// What was committed for the order is let go already, because it was cancelled or closed, and its goods leave all
    /// the same.
    fn leave_uncommitted(&mut self, order_id: &str, share: f64, at: Time) {
        let now = self.context.now;
        let customer = self.customer;
        let before = customer.orders.get(order_id).map_or(0.0, |order| order.left_fraction);
        let let_go = |record: &&QuoteRecord| {
            record.stage == QuoteStage::Released && record.order_id.as_deref() == Some(order_id)
        };
        // Of those that stood in for each other the last is what was packed.
        let of_order = customer.quotes.values().filter(let_go);
        let Some(record) = of_order.max_by_key(|r| (r.asked_at, r.first_hold)) else { return };
        if share > before {
            self.each_of_stock(record, |hold, need| {
                let take = need.take.clone();
                SupplyMail::GoodsLeft { hold, take, before, share, at, now }
            });
        }
    }

    /// Tells each stock that a quote takes of.
    fn each_of_stock(&mut self, record: &QuoteRecord, mail: impl Fn(HoldId, &Need) -> SupplyMail) {
        for (index, need) in record.quote.needs.iter().enumerate() {
            if matches!(need.take, Take::Stock { .. }) {
                let hold = HoldId { owner: self.customer.id, number: record.first_hold + index as u64 };
                self.forward(need.of, MailBody::Supply(mail(hold, need)));
            }
        }
    }

    /// An order that will not leave: what was committed for it is free.
    pub(super) fn release_commitments(&mut self, order_id: &str) {
        let customer = self.customer;
        for record in placed(customer, order_id) {
            self.release(record);
            self.move_quote(&record.quote.quote_id, QuoteStage::Released, Some(Refusal::Withdrawn));
        }
    }

    /// Nobody will ask for it again: everything that is held for this customer is free.
    pub(super) fn release_everything(&mut self) {
        let customer = self.customer;
        for record in customer.quotes.values().filter(|record| !record.stage.is_ended()) {
            self.release(record);
        }
    }
}

fn placed<'a>(customer: &'a crate::Customer, order_id: &'a str) -> impl Iterator<Item = &'a QuoteRecord> {
    let of_order = move |record: &&QuoteRecord| record.order_id.as_deref() == Some(order_id);
    customer.quotes.values().filter(|record| record.stage == QuoteStage::Placed).filter(of_order)
}
