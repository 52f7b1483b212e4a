//! Orders on a running fold: placed in one action, undone, changed, called off, given back. Each runs on the
//! partition's own thread; what it decided is durable before anybody is answered ([`crate::Node::act`]).

use engine::promising::{Answer, Binding, Inquiry, WantedLine};
use engine::{Customer, Order, QuoteRecord};
use model::quote::Purpose;
use model::{
    CancelledBy, Command, EntityId, HoldId, Identifier, OneAction, OrderChange, OrderCommand, OrderDefaults,
    OrderState, Quantity, QuoteStage, ReturnRequest, Time, Wanted,
};

use crate::fold::{Fold, FoldError};
use crate::promising::QuoteRequest;

/// Somebody orders, in one action.
#[derive(Clone, Debug)]
pub struct OrderAsk {
    /// Who: the profile that stands for them.
    pub customer: EntityId,
    /// The number that the order gets where it is a new one; nobody has used it.
    pub fresh_id: String,
    /// The caller's own name for the request: a second one of that name is the same order.
    pub request: Option<String>,
    pub lines: Vec<WantedLine>,
}

/// What became of it.
#[derive(Clone, PartialEq, Debug)]
pub enum Ordered {
    /// There is such an order; `repeated` where it was asked for before.
    Known { order_id: String, repeated: bool },
    /// The customer has stored nothing of this name, and it is needed.
    Missing(&'static str),
    /// No price, so nothing that a payment could be authorised for.
    NoPrice,
    /// Nothing can be promised, for these reasons.
    Infeasible(Box<Answer>),
    /// The number is another order's.
    NumberTaken,
}

/// What can be done instead of what cannot.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Instead {
    Cancel,
    Change,
    Return,
}

impl Instead {
    pub fn name(self) -> &'static str {
        match self {
            Instead::Cancel => "cancel",
            Instead::Change => "change",
            Instead::Return => "return",
        }
    }
}

/// Why something cannot be done with an order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cannot {
    Unknown,
    /// It is being placed at this moment.
    NotPlacedYet,
    NeverPlaced,
    Cancelled,
    /// It has left.
    HandedOver,
    /// The time for it is over.
    TooLate,
    /// It has not left, so there is nothing to give back.
    NotHandedOver,
    /// Nobody planned it here, so nobody here can plan it anew.
    NotPlanned,
    /// More of it than was ordered, or than is not coming back already.
    TooMuch,
    /// Nobody waits for that decision.
    NotWaiting,
}

impl Cannot {
    pub fn code(self) -> &'static str {
        match self {
            Cannot::Unknown => "unknown_order",
            Cannot::NotPlacedYet => "not_placed_yet",
            Cannot::NeverPlaced => "never_placed",
            Cannot::Cancelled => "order_cancelled",
            Cannot::HandedOver => "handed_over",
            Cannot::TooLate => "undo_over",
            Cannot::NotHandedOver => "not_handed_over",
            Cannot::NotPlanned => "not_planned",
            Cannot::TooMuch => "more_than_ordered",
            Cannot::NotWaiting => "not_waiting",
        }
    }
}

/// What somebody wants of an order that they have; what is not said stays.
#[derive(Clone, Debug, Default)]
pub struct Wish {
    pub lines: Option<Vec<WantedLine>>,
    pub to: Option<String>,
    /// As JSON text.
    pub address: Option<String>,
    pub wanted: Option<Time>,
    pub service: Option<String>,
}

/// What a change would be, or is.
#[derive(Clone, PartialEq, Debug)]
pub enum Changed {
    /// Held until it is confirmed or its time ends.
    Held {
        record: Box<QuoteRecord>,
        binding: Vec<Binding>,
    },
    Done(Box<QuoteRecord>),
    Infeasible(Box<Answer>),
    /// It is not held any more.
    Ended(QuoteStage),
}

impl Fold {
    /// Who owns an order, and the order.
    pub fn order(&mut self, order_id: &str) -> Result<Option<(EntityId, Order)>, FoldError> {
        let Some(owner) = self.owner(&Identifier::Order(order_id))? else { return Ok(None) };
        let customer = self.entity(owner)?.customer();
        Ok(customer.and_then(|customer| customer.orders.get(order_id)).map(|order| (owner, order.clone())))
    }

    pub fn set_order_defaults(
        &mut self,
        customer: EntityId,
        defaults: OrderDefaults,
        now: Time,
    ) -> Result<(), FoldError> {
        let command = Command::Order(OrderCommand::SetDefaults(Box::new(defaults)));
        self.command(customer, &command, now).map(drop)
    }

    /// Places an order with what the customer has stored: promise, order and payment authorisation at once.
    pub fn place_order(&mut self, ask: &OrderAsk, now: Time) -> Result<Ordered, FoldError> {
        let rules = self.reference().promising.orders.clone();
        let mut wanted: Vec<Wanted> = ask
            .lines
            .iter()
            .map(|line| Wanted { item_id: line.item_id.clone(), quantity: line.quantity })
            .collect();
        wanted.sort();
        let Some(customer) = self.entity(ask.customer)?.customer() else {
            return Ok(Ordered::Missing("customer"));
        };
        if let Some(order_id) = asked_before(customer, ask, &wanted, rules.double_click_seconds, now) {
            return Ok(Ordered::Known { order_id, repeated: true });
        }
        let Some(defaults) = customer.order_defaults.as_deref().cloned() else {
            return Ok(Ordered::Missing("order_defaults"));
        };
        if rules.payment_required && defaults.payment_token.is_none() {
            return Ok(Ordered::Missing("payment_token"));
        }
        if self.order(&ask.fresh_id)?.is_some() {
            return Ok(Ordered::NumberTaken);
        }
        let inquiry = Inquiry {
            lines: ask.lines.clone(),
            to: defaults.to.clone(),
            class: defaults.class.clone().unwrap_or_default(),
            priority: 0,
            wanted: None,
            together: false,
            partial: false,
            service: defaults.service.clone(),
            time_zone: defaults.time_zone.clone(),
            target: None,
        };
        let cancel_until = now.plus_micros(i64::from(rules.undo_minutes) * 60_000_000);
        // Nobody begins what can still be undone, so the promise counts from there.
        let answer = self.inquire_from(&inquiry, now, cancel_until)?;
        let Some(offer) = answer.offer else { return Ok(Ordered::Infeasible(Box::new(answer))) };
        if offer.total.is_none() && defaults.payment_token.is_some() {
            return Ok(Ordered::NoPrice);
        }
        let order_id = ask.fresh_id.clone();
        let request = QuoteRequest {
            customer: ask.customer,
            quote_id: format!("p-{order_id}"),
            inquiry,
            hold_minutes: None,
        };
        let mut quote = self.quote_of(&request, offer, &answer.binding, now);
        quote.purpose = Purpose::OneAction(Box::new(OneAction {
            order_id: order_id.clone(),
            request: ask.request.clone(),
            wanted,
            asked_at: now,
            cancel_until,
            address: defaults.address,
            payment_token: defaults.payment_token,
        }));
        self.command(ask.customer, &Command::Quote(Box::new(quote)), now)?;
        self.deliver_now()?;
        Ok(Ordered::Known { order_id, repeated: false })
    }

    /// Takes an order back that was placed a moment ago.
    pub fn undo_order(&mut self, order_id: &str, now: Time) -> Result<Result<(), Cannot>, FoldError> {
        let Some((owner, order)) = self.order(order_id)? else { return Ok(Err(Cannot::Unknown)) };
        if order.cancelled.is_some() {
            // A second click on the same button.
            return Ok(Ok(()));
        }
        self.command(owner, &Command::Order(OrderCommand::Undo { order_id: order_id.to_owned() }), now)?;
        self.deliver_now()?;
        let Some((_, after)) = self.order(order_id)? else { return Ok(Err(Cannot::Unknown)) };
        Ok(match after.state {
            OrderState::Cancelled => Ok(()),
            OrderState::Draft => Err(Cannot::NotPlacedYet),
            OrderState::Expired => Err(Cannot::NeverPlaced),
            _ if after.has_left() => Err(Cannot::HandedOver),
            _ => Err(Cannot::TooLate),
        })
    }

    /// Calls an order off that has not left.
    pub fn cancel_order(
        &mut self,
        order_id: &str,
        by: CancelledBy,
        reason: Option<String>,
        now: Time,
    ) -> Result<Result<(), Cannot>, FoldError> {
        let Some((owner, order)) = self.order(order_id)? else { return Ok(Err(Cannot::Unknown)) };
        if order.cancelled.is_some() {
            return Ok(Ok(()));
        }
        let command = OrderCommand::Cancel { order_id: order_id.to_owned(), by, reason };
        self.command(owner, &Command::Order(command), now)?;
        self.deliver_now()?;
        let Some((_, after)) = self.order(order_id)? else { return Ok(Err(Cannot::Unknown)) };
        Ok(match after.state {
            OrderState::Cancelled => Ok(()),
            OrderState::Draft => Err(Cannot::NotPlacedYet),
            OrderState::Expired => Err(Cannot::NeverPlaced),
            _ => Err(Cannot::HandedOver),
        })
    }

    /// What can still be done with an order.
    pub fn instead(&mut self, order_id: &str) -> Result<Vec<Instead>, FoldError> {
        let Some((owner, order)) = self.order(order_id)? else { return Ok(Vec::new()) };
        if order.cancelled.is_some() || matches!(order.state, OrderState::Draft | OrderState::Expired) {
            return Ok(Vec::new());
        }
        if order.has_left() {
            let open = order.state != OrderState::Returned;
            return Ok(if open { vec![Instead::Return] } else { Vec::new() });
        }
        let planned = self.standing_quote(owner, order_id)?.is_some();
        let change = planned.then_some(Instead::Change);
        Ok([Some(Instead::Cancel), change].into_iter().flatten().collect())
    }

    /// The quote that an order stands on now.
    pub fn standing_quote(
        &mut self,
        owner: EntityId,
        order_id: &str,
    ) -> Result<Option<QuoteRecord>, FoldError> {
        let customer = self.entity(owner)?.customer();
        let mut records = customer.into_iter().flat_map(|customer| customer.quotes.values());
        let standing = records.find(|record| {
            record.stage == QuoteStage::Placed && record.order_id.as_deref() == Some(order_id)
        });
        Ok(standing.cloned())
    }

    /// Holds what would stand in an order's place. What the order has is there for it, and stays the order's until the
    /// change is confirmed.
    pub fn plan_change(
        &mut self,
        order_id: &str,
        quote_id: &str,
        wish: &Wish,
        now: Time,
    ) -> Result<Result<Changed, Cannot>, FoldError> {
        let (owner, standing) = match self.changeable(order_id)? {
            Ok(found) => found,
            Err(cannot) => return Ok(Err(cannot)),
        };
        let known = &standing.quote;
        let lines = wish.lines.clone().unwrap_or_else(|| {
            let lines = known.lines.iter().filter_map(|line| {
                let quantity = Quantity::from_f64(line.quantity)?;
                Some(WantedLine { item_id: line.product_id.clone(), quantity, price: line.price })
            });
            lines.collect()
        });
        let take = known.needs.first().map(|need| &need.take);
        let inquiry = Inquiry {
            lines,
            to: wish.to.clone().or(known.region.clone()).unwrap_or_default(),
            class: take.map(|take| take.class().to_owned()).unwrap_or_default(),
            priority: take.map_or(0, model::Take::priority),
            wanted: wish.wanted,
            together: false,
            partial: false,
            service: wish.service.clone(),
            time_zone: Some(known.terms.time_zone.clone()),
            target: None,
        };
        let needs = known.needs.iter().enumerate();
        let replaced: Vec<(EntityId, HoldId)> = needs
            .map(|(index, need)| (need.of, HoldId { owner, number: standing.first_hold + index as u64 }))
            .collect();
        let answer = self.plan_replacing(&inquiry, now, &replaced)?;
        let Some(offer) = answer.offer else { return Ok(Ok(Changed::Infeasible(Box::new(answer)))) };
        let request =
            QuoteRequest { customer: owner, quote_id: quote_id.to_owned(), inquiry, hold_minutes: None };
        let mut quote = self.quote_of(&request, offer, &answer.binding, now);
        quote.purpose = Purpose::Change(Box::new(OrderChange {
            order_id: order_id.to_owned(),
            promise_id: match &known.purpose {
                Purpose::Order | Purpose::OneAction(_) => known.terms.promise_id.clone(),
                Purpose::Remedy(remedy) => remedy.promise_id.clone(),
                Purpose::Change(change) => change.promise_id.clone(),
            },
            address: wish.address.clone(),
        }));
        self.command(owner, &Command::Quote(Box::new(quote)), now)?;
        self.deliver_now()?;
        let Some(record) = self.quote_record(owner, quote_id)? else { return Ok(Err(Cannot::Unknown)) };
        Ok(Ok(match record.stage {
            QuoteStage::Held | QuoteStage::Asking => {
                Changed::Held { record: Box::new(record), binding: answer.binding }
            }
            ended => Changed::Ended(ended),
        }))
    }

    /// Lets a change that is held take the order's place.
    pub fn confirm_change(
        &mut self,
        order_id: &str,
        quote_id: &str,
        now: Time,
    ) -> Result<Result<Changed, Cannot>, FoldError> {
        let Some((owner, _)) = self.order(order_id)? else { return Ok(Err(Cannot::Unknown)) };
        let of_order = |record: &QuoteRecord| matches!(&record.quote.purpose, Purpose::Change(change) if change.order_id == order_id);
        let Some(record) = self.quote_record(owner, quote_id)?.filter(of_order) else {
            return Ok(Ok(Changed::Ended(QuoteStage::Expired)));
        };
        if record.stage == QuoteStage::Held {
            if let Err(cannot) = self.changeable(order_id)? {
                return Ok(Err(cannot));
            }
            let (quote_id, order_id) = (quote_id.to_owned(), order_id.to_owned());
            self.command(owner, &Command::ConfirmQuote { quote_id, order_id }, now)?;
            self.deliver_now()?;
        }
        Ok(Ok(match self.quote_record(owner, quote_id)? {
            Some(record) if matches!(record.stage, QuoteStage::Placed | QuoteStage::Confirming) => {
                Changed::Done(Box::new(record))
            }
            record => Changed::Ended(record.map_or(QuoteStage::Expired, |record| record.stage)),
        }))
    }

    fn changeable(&mut self, order_id: &str) -> Result<Result<(EntityId, QuoteRecord), Cannot>, FoldError> {
        let Some((owner, order)) = self.order(order_id)? else { return Ok(Err(Cannot::Unknown)) };
        let cannot = match order.state {
            OrderState::Draft => Some(Cannot::NotPlacedYet),
            OrderState::Expired => Some(Cannot::NeverPlaced),
            _ if order.cancelled.is_some() => Some(Cannot::Cancelled),
            _ if order.has_left() => Some(Cannot::HandedOver),
            _ => None,
        };
        if let Some(cannot) = cannot {
            return Ok(Err(cannot));
        }
        Ok(self.standing_quote(owner, order_id)?.map(|record| (owner, record)).ok_or(Cannot::NotPlanned))
    }

    /// Asks for a return; what becomes of it is in the order.
    pub fn return_order(
        &mut self,
        request: &ReturnRequest,
        now: Time,
    ) -> Result<Result<engine::Return, Cannot>, FoldError> {
        let Some((owner, order)) = self.order(&request.order_id)? else { return Ok(Err(Cannot::Unknown)) };
        if !order.returns.contains_key(&request.return_id) {
            if order.cancelled.is_some() {
                return Ok(Err(Cannot::Cancelled));
            }
            if !order.has_left() {
                return Ok(Err(Cannot::NotHandedOver));
            }
            let command = Command::Order(OrderCommand::Return(Box::new(request.clone())));
            self.command(owner, &command, now)?;
        }
        let after = self.order(&request.order_id)?;
        let asked = after.and_then(|(_, order)| order.returns.get(&request.return_id).cloned());
        Ok(asked.ok_or(Cannot::TooMuch))
    }

    /// Decides about a return that the policy leaves to a person.
    pub fn decide_return(
        &mut self,
        order_id: &str,
        return_id: &str,
        accept: bool,
        reason: Option<String>,
        now: Time,
    ) -> Result<Result<engine::Return, Cannot>, FoldError> {
        let Some((owner, order)) = self.order(order_id)? else { return Ok(Err(Cannot::Unknown)) };
        let waits = order.returns.get(return_id).map(|known| known.state);
        if waits != Some(model::ReturnState::Discretion) {
            return Ok(Err(Cannot::NotWaiting));
        }
        let (order_id, return_id) = (order_id.to_owned(), return_id.to_owned());
        let command = OrderCommand::DecideReturn {
            order_id: order_id.clone(),
            return_id: return_id.clone(),
            accept,
            reason,
        };
        self.command(owner, &Command::Order(command), now)?;
        let after = self.order(&order_id)?;
        Ok(after.and_then(|(_, order)| order.returns.get(&return_id).cloned()).ok_or(Cannot::Unknown))
    }
}

/// The order that the same request led to, or the same click a moment ago.
fn asked_before(
    customer: &Customer,
    ask: &OrderAsk,
    wanted: &[Wanted],
    double_click_seconds: u32,
    now: Time,
) -> Option<String> {
    let since = now.plus_micros(-i64::from(double_click_seconds) * 1_000_000);
    let mut orders = customer.orders.iter().filter(|(_, order)| order.state != OrderState::Expired);
    let found = orders.find(|(_, order)| {
        order.action.as_deref().is_some_and(|action| match (&ask.request, &action.request) {
            (Some(asked), Some(known)) => asked == known,
            (None, None) => order.cancelled.is_none() && action.wanted == wanted && action.asked_at > since,
            _ => false,
        })
    });
    found.map(|(order_id, _)| order_id.clone())
}
