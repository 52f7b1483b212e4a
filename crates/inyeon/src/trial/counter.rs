//! One arm of the trial: a depot and an engine that promises for it, until all is over.
//!
//! The engine is the one that serves: its fold, with logs in memory. What the depot says passes the same dialect and
//! the same intake records as anybody's events; requests are quoted and confirmed as the HTTP edge does.

use std::collections::BTreeMap;

use engine::promising::{Inquiry, WantedLine};
use model::quote::Remedy;
use model::{
    EntityId, Event, EventKind, Fact, Identifier, Money, Quantity, Quote, QuoteFact, QuoteStage, Signal,
    SupplyName, Take, Time,
};
use runtime::Fold;
use runtime::promising::{QuoteRequest, Quoted};
use serde_json::{Value, json};
use views::Change;
use world::depot::{BookedParcel, Booking, Depot, DepotConfig, KnownLane, Request, STANDARD, Said, Truth};

use super::campaign::Asks;
use super::ledger::Ledger;
use super::rules::{JOURNEYS, reference_of};
use crate::error::Failure;
use crate::in_memory::{InMemory, bare, failed, other};

pub(super) const HOUR: i64 = 3_600_000_000;
pub(super) const DAY: i64 = 24 * HOUR;
/// Of the quotes that are confirmed, every so many-th is looked at again by the second opinion (K25).
const LOOK_AGAIN: u64 = 5;

/// What was promised for one order, and what became of it.
#[derive(Clone, Debug)]
pub(super) struct Followed {
    pub customer: EntityId,
    pub order: u32,
    /// A campaign's claim, and whether anything was booked for it.
    pub claimed: bool,
    pub booked: bool,
    pub first_due: Time,
    pub due: Time,
    /// When the engine first said that it is at risk, and why.
    pub flagged: Option<(Time, &'static str)>,
    /// The engine's verdict.
    pub kept: Option<bool>,
    pub remedies: Vec<Remedy>,
    pub truth: Option<Truth>,
    share_left: f64,
}

impl Followed {
    fn new(request: &Request, customer: EntityId, due: Time, booked: bool) -> Self {
        Followed {
            customer,
            order: request.number,
            claimed: request.claim.is_some(),
            booked,
            first_due: due,
            due,
            flagged: None,
            kept: None,
            remedies: Vec::new(),
            truth: None,
            share_left: 0.0,
        }
    }
}

/// What one arm came to.
#[derive(Default)]
pub(super) struct Outcome {
    pub promises: BTreeMap<u32, Followed>,
    /// Nothing could be promised, or not by when it suited.
    pub turned_away: u64,
    /// Quotes that were looked at again, and those of them that could not be kept with supply as it was.
    pub looked_at: u64,
    pub not_allocatable: Vec<String>,
    /// Confirmations that were refused although nothing lay between them and their quotes.
    pub refused: u64,
    /// Remedies that were proposed and could not be had when they were applied.
    pub not_remedied: u64,
}

/// Whether promises at risk are saved.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Hands {
    Watch,
    Save,
}

pub(super) struct Counter {
    engine: InMemory,
    depot: Depot,
    lanes: Vec<KnownLane>,
    ledger: Ledger,
    customers: BTreeMap<String, EntityId>,
    outcome: Outcome,
    by_promise: BTreeMap<String, u32>,
    hands: Hands,
    now: Time,
    watched: Time,
    quotes: u64,
    /// What was asked for so far, campaigns aside.
    asks: Asks,
    start: Time,
    ahead: Option<(Time, Vec<Said>)>,
}

impl Counter {
    pub(super) fn new(config: DepotConfig, hands: Hands) -> Result<Self, Failure> {
        let mut engine = InMemory::new("depot")?;
        let start = config.start;
        let depot = Depot::new(config);
        let lanes = depot.lanes(JOURNEYS);
        let reference = reference_of(&lanes)?;
        engine.fold.publish_reference(&reference);
        let mut counter = Counter {
            engine,
            depot,
            lanes,
            ledger: Ledger::default(),
            customers: BTreeMap::new(),
            outcome: Outcome::default(),
            by_promise: BTreeMap::new(),
            hands,
            now: start,
            watched: start,
            quotes: 0,
            asks: Asks::new(),
            start,
            ahead: None,
        };
        counter.open()?;
        Ok(counter)
    }

    fn open(&mut self) -> Result<(), Failure> {
        for event in self.depot.opening() {
            self.told(&event.json)?;
        }
        for customer in self.depot.customers() {
            let event = Event {
                user_id: Some(customer.clone().into()),
                ..bare(EventKind::Identify, "", &format!("identify-{customer}"), self.now)
            };
            self.receive(&event)?;
            let id = self.engine.fold.lookup(&Identifier::User(&customer)).map_err(other)?;
            let id = id.ok_or_else(|| failed(format!("customer {customer} has no profile")))?;
            self.customers.insert(customer, id);
        }
        self.follow()
    }

    /// Lives up to `until`.
    pub(super) fn run_until(&mut self, until: Time) -> Result<(), Failure> {
        while let Some((at, said)) = self.ahead.take().or_else(|| self.depot.next_said()) {
            if at >= until {
                self.ahead = Some((at, said));
                break;
            }
            self.watch(at)?;
            self.now = at;
            for said in said {
                match said {
                    Said::Told(event) => self.told(&event.json)?,
                    Said::Wants(request) => self.asked(&request)?,
                }
                self.follow()?;
            }
        }
        if self.ahead.is_some() {
            self.watch(until)?;
            self.now = until;
        }
        Ok(())
    }

    /// Lives until all is over.
    pub(super) fn run(mut self) -> Result<Outcome, Failure> {
        self.run_until(Time::LATEST_EVENT)?;
        // Every deadline passes.
        self.watch(self.watched.plus_micros(60 * DAY))?;
        for followed in self.outcome.promises.values_mut() {
            followed.truth = self.depot.truth(followed.order);
        }
        Ok(self.outcome)
    }

    pub(super) fn now(&self) -> Time {
        self.now
    }

    pub(super) fn start(&self) -> Time {
        self.start
    }

    pub(super) fn fold(&mut self) -> &mut Fold {
        &mut self.engine.fold
    }

    pub(super) fn asks(&self) -> &Asks {
        &self.asks
    }

    // ---- time ---------------------------------------------------------------------------------------------------

    /// Lets the engine's clock go on to `until`, hour by hour, and acts on what it decides meanwhile.
    fn watch(&mut self, until: Time) -> Result<(), Failure> {
        while self.watched.plus_micros(HOUR) <= until {
            self.watched = self.watched.plus_micros(HOUR);
            self.now = self.watched;
            self.engine.fold.tick(self.now).map_err(other)?;
            self.follow()?;
        }
        Ok(())
    }

    // ---- what is said -------------------------------------------------------------------------------------------

    fn told(&mut self, json: &Value) -> Result<(), Failure> {
        let event = self.engine.read(json, self.now)?;
        let supply = model::supply_signal::parse(&event.name, event.properties.as_deref(), event.timestamp);
        if let Some(supply) = supply {
            self.ledger.told(&supply.map_err(other)?, self.now);
        }
        self.receive(&event)?;
        if let Some(Ok(Signal::Fulfillment { order_id, state, fraction, .. })) =
            Signal::parse(&event.name, event.properties.as_deref())
        {
            let order = order_id.trim_start_matches("o-").parse().unwrap_or_default();
            if let Some(followed) = self.outcome.promises.get_mut(&order)
                && state == model::FulfillmentState::Shipped
            {
                self.ledger.left(&order_id, followed.share_left, fraction);
                followed.share_left = fraction;
            }
        }
        Ok(())
    }

    fn receive(&mut self, event: &Event<'_>) -> Result<(), Failure> {
        self.engine.receive(event, self.now)
    }

    // ---- promising ----------------------------------------------------------------------------------------------

    fn asked(&mut self, request: &Request) -> Result<(), Failure> {
        self.engine.fold.tick(self.now).map_err(other)?;
        for (item, units) in request.lines.iter().filter(|_| request.claim.is_none()) {
            let asked = self.asks.entry((item.clone(), request.to.to_owned())).or_default();
            *asked = (asked.0 + 1, asked.1 + units);
        }
        let customer = self.customers[&request.customer];
        let quote_id = format!("q-{:06}", request.number);
        let lines = request.lines.iter().map(|(item, units)| WantedLine {
            item_id: item.clone(),
            quantity: Quantity::units(i64::from(*units)),
            price: None,
        });
        let inquiry = Inquiry {
            lines: lines.collect(),
            to: request.to.to_owned(),
            class: String::new(),
            priority: 0,
            wanted: None,
            together: true,
            partial: false,
            service: Some(STANDARD.to_owned()),
            time_zone: None,
            target: None,
        };
        let asked = QuoteRequest { customer, quote_id: quote_id.clone(), inquiry, hold_minutes: None };
        let quoted = self.engine.fold.quote(&asked, self.now).map_err(other)?;
        let held = match quoted {
            Quoted::Known { record, .. } if record.stage == QuoteStage::Held => Some(record.quote),
            Quoted::Known { .. } | Quoted::Infeasible(_) | Quoted::IdTaken => None,
        };
        match held {
            Some(quote) if quote.terms.due_at <= request.suits_until => {
                self.confirm(request, customer, &quote)
            }
            held => {
                if held.is_some() {
                    self.engine.fold.release(&quote_id, self.now).map_err(other)?;
                }
                match request.claim {
                    Some(claim) => self.promise_anyway(request, customer, claim),
                    None => {
                        self.outcome.turned_away += 1;
                        Ok(())
                    }
                }
            }
        }
    }

    fn confirm(&mut self, request: &Request, customer: EntityId, quote: &Quote) -> Result<(), Failure> {
        let order_id = Depot::order_id(request.number);
        let confirmed = self.engine.fold.confirm(&quote.quote_id, &order_id, self.now).map_err(other)?;
        if confirmed.is_err() {
            self.outcome.refused += 1;
            return Ok(());
        }
        self.ledger.book(&order_id, quote);
        self.quotes += 1;
        if self.quotes.is_multiple_of(LOOK_AGAIN) {
            self.outcome.looked_at += 1;
            let cannot = self.ledger.cannot(quote, self.now);
            self.outcome.not_allocatable.extend(cannot.into_iter().map(|why| format!("{order_id}: {why}")));
        }
        let booking = booking_of(quote);
        self.depot.book(request, &booking).map_err(other)?;
        self.by_promise.insert(quote.terms.promise_id.clone(), request.number);
        let followed = Followed::new(request, customer, quote.terms.due_at, true);
        self.outcome.promises.insert(request.number, followed);
        Ok(())
    }

    /// The campaign said a date that nothing could be booked for: it is promised all the same.
    fn promise_anyway(&mut self, request: &Request, customer: EntityId, claim: Time) -> Result<(), Failure> {
        let (order_id, promise_id) =
            (Depot::order_id(request.number), format!("claim-{:06}", request.number));
        let products: Vec<Value> = request
            .lines
            .iter()
            .map(|(item, units)| json!({ "product_id": item, "quantity": units }))
            .collect();
        let properties = json!({
            "order_id": order_id,
            "products": products,
            "promise": { "promise_id": promise_id, "attribute": "delivery", "due": claim.to_string(), "basis": "policy" },
        });
        let event = Event {
            user_id: Some(request.customer.clone().into()),
            properties: Some(properties.to_string().into()),
            ..bare(EventKind::Track, "order.placed", &format!("placed-{order_id}"), self.now)
        };
        self.receive(&event)?;
        // The lane that leads there fastest, from a place that keeps it.
        let reaches = |lane: &&KnownLane| lane.to == request.to && lane.service == STANDARD;
        let fastest = self.lanes.iter().filter(reaches).min_by_key(|lane| lane.cost);
        let place = fastest.map(|lane| lane.from.to_owned()).unwrap_or_default();
        let booking = Booking {
            parcels: vec![BookedParcel {
                place,
                to: request.to.to_owned(),
                service: STANDARD.to_owned(),
                lines: request.lines.clone(),
                slot: None,
            }],
        };
        self.depot.book(request, &booking).map_err(other)?;
        self.by_promise.insert(promise_id, request.number);
        let followed = Followed::new(request, customer, claim, false);
        self.outcome.promises.insert(request.number, followed);
        Ok(())
    }

    // ---- what follows -------------------------------------------------------------------------------------------

    /// Reads what the engine decided, and acts on promises at risk where this arm does.
    fn follow(&mut self) -> Result<(), Failure> {
        loop {
            let mut at_risk = Vec::new();
            for (_, change) in self.engine.fold.take_batch().map_err(other)?.changes {
                let Change::Fact { fact, .. } = change else { continue };
                self.note(&fact, &mut at_risk);
            }
            if self.hands == Hands::Watch || at_risk.is_empty() {
                return Ok(());
            }
            for promise_id in at_risk {
                self.save(&promise_id)?;
            }
        }
    }

    /// Applies the best remedy that is worth more than it costs, if there is one.
    fn save(&mut self, promise_id: &str) -> Result<(), Failure> {
        let Some(order) = self.by_promise.get(promise_id).copied() else { return Ok(()) };
        // Who would act asks the floor first: what is being picked cannot be changed.
        if self.depot.is_picked(order) {
            return Ok(());
        }
        let found = self.engine.fold.remedies(promise_id, self.now).map_err(other)?;
        let worth = |value: Option<Money>| value.is_some_and(|value| value.minor > 0);
        let Some(best) = found.first().filter(|best| worth(best.value)) else { return Ok(()) };
        let (kind, rebooks) = (best.remedy.kind, best.offer.is_some());
        let remedied = self.engine.fold.remedy(promise_id, kind, self.now).map_err(other)?;
        if remedied.is_err() {
            self.outcome.not_remedied += 1;
            return Ok(());
        }
        if rebooks {
            self.book_again(order, promise_id)?;
        }
        Ok(())
    }

    fn book_again(&mut self, order: u32, promise_id: &str) -> Result<(), Failure> {
        let Some(customer) = self.outcome.promises.get(&order).map(|followed| followed.customer) else {
            return Ok(());
        };
        let customer = self.engine.fold.entity(customer).map_err(other)?.customer();
        let plan = customer.and_then(|customer| customer.plan_of(promise_id)).map(|plan| plan.quote.clone());
        let Some(quote) = plan else { return Ok(()) };
        let order_id = Depot::order_id(order);
        self.ledger.release(&order_id);
        self.ledger.book(&order_id, &quote);
        let booked = self.depot.book_again(order, &booking_of(&quote)).map_err(other)?;
        if booked { Ok(()) } else { Err(failed(format!("{order_id} was picked before it was booked again"))) }
    }

    fn note(&mut self, fact: &Fact, at_risk: &mut Vec<String>) {
        let promise_id = match fact {
            Fact::PromiseAtRisk { promise_id, .. }
            | Fact::PromiseKept { promise_id, .. }
            | Fact::PromiseBroken { promise_id, .. }
            | Fact::PromiseRevised { promise_id, .. } => promise_id,
            Fact::Quote(QuoteFact::Remedied { remedy, .. }) => &remedy.promise_id,
            _ => return,
        };
        let Some(order) = self.by_promise.get(promise_id) else { return };
        let Some(followed) = self.outcome.promises.get_mut(order) else { return };
        match fact {
            Fact::PromiseAtRisk { at, why, .. } => {
                followed.flagged.get_or_insert((*at, why.name()));
                at_risk.push(promise_id.clone());
            }
            Fact::PromiseKept { .. } => followed.kept = Some(true),
            Fact::PromiseBroken { .. } => followed.kept = Some(false),
            Fact::PromiseRevised { due_at, .. } => followed.due = *due_at,
            Fact::Quote(QuoteFact::Remedied { remedy, .. }) => followed.remedies.push(remedy.clone()),
            _ => {}
        }
    }
}

/// What the depot is to do for a quote.
fn booking_of(quote: &Quote) -> Booking {
    let mut slots: BTreeMap<&str, Vec<Time>> = BTreeMap::new();
    for need in &quote.needs {
        if let (SupplyName::Resource(name), Take::Slot { slot, .. }) = (&need.name, &need.take) {
            slots.entry(name).or_default().push(slot.start);
        }
    }
    // Two parcels from one place leave in the order of their slots.
    let mut parcels: Vec<_> = quote.parcels.iter().collect();
    parcels.sort_by_key(|parcel| std::cmp::Reverse(parcel.hand_over_by));
    let parcels = parcels.into_iter().map(|parcel| {
        let slots = Depot::line_of(&parcel.place).and_then(|line| slots.get_mut(line));
        let slot = slots.and_then(|slots| {
            slots.sort_unstable();
            slots.pop()
        });
        let units = |(item, quantity): &(String, Quantity)| (item.clone(), quantity.as_f64().round() as u32);
        BookedParcel {
            place: parcel.place.clone(),
            to: parcel.to.clone(),
            service: parcel.service.clone(),
            lines: parcel.lines.iter().map(units).collect(),
            slot,
        }
    });
    Booking { parcels: parcels.collect() }
}
