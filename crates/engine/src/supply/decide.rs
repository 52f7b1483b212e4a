//! What a supply entity decides: whether a hold can be taken, and whom a change of supply leaves short.

use model::supply::{Shortage, StockMove};
use model::{
    Command, EntityId, Fact, HoldId, MailBody, Outcome, Refusal, Reservation, SignalError, SupplyCommand,
    SupplyEvent, SupplyFact, SupplyMail, SupplyName, SupplySignal, Take, Time, TimelineId, TimerId,
    TimerPurpose,
};

use super::cover::changes;
use super::{CatalogueItem, Classes, Held, Ledger, Resource, Short, Stock};
use crate::customer::Timer;

/// An event of operations as it reaches the entity that it is about.
pub struct SupplyStimulus<'a> {
    pub event: Result<&'a SupplyEvent, &'a SignalError>,
    /// When it happened by its own account.
    pub at: Time,
    /// The item that a stock is of.
    pub item: Option<EntityId>,
    /// How many hours that item keeps from its receipt, as far as the catalogue says.
    pub shelf_life_hours: Option<u32>,
}

/// What asks.
pub(crate) enum Ask<'a> {
    Event(&'a SupplyStimulus<'a>),
    Mail(&'a SupplyMail),
    Command(&'a Command),
    Timer(TimerId),
}

/// Who is asked.
#[derive(Clone, Copy)]
pub(crate) enum Owner<'a> {
    Item(&'a CatalogueItem),
    Stock(&'a Stock),
    Resource(&'a Resource),
}

impl<'a> Owner<'a> {
    fn ledger(self) -> Option<&'a Ledger> {
        match self {
            Owner::Item(_) => None,
            Owner::Stock(stock) => Some(&stock.ledger),
            Owner::Resource(resource) => Some(&resource.ledger),
        }
    }

    fn can_take(self, take: &Take, replaces: Option<&HoldId>, classes: &Classes, now: Time) -> bool {
        match (self, take) {
            (Owner::Stock(stock), Take::Stock { quantity, due, class, .. }) => {
                stock.can_leave(*quantity, *due, class, classes, now, replaces)
            }
            (Owner::Resource(resource), Take::Slot { slot, units, class, .. }) => {
                let known = resource.slot_at(slot.start).filter(|known| known.end == slot.end);
                known.is_some_and(|slot| resource.has_room(*units, &slot, class, classes, now, replaces))
            }
            _ => false,
        }
    }
}

pub(crate) fn decide_supply(owner: Owner<'_>, ask: &Ask<'_>, classes: &Classes, now: Time) -> Vec<Outcome> {
    let mut decision = Decision { owner, classes, now, outcomes: Vec::new() };
    match ask {
        Ask::Event(SupplyStimulus { event: Err(why), .. }) => decision.ignore(why.to_string()),
        Ask::Event(SupplyStimulus { event: Ok(event), at, item, shelf_life_hours }) => {
            // What a sender dates in the future happened when it came.
            let at = (*at).min(now);
            match (&event.signal, shelf_life_hours) {
                // What came without a date of its own keeps as long as its kind does.
                (SupplySignal::StockMoved { what, quantity, receipt, best_before: None }, Some(hours))
                    if *what == StockMove::Received =>
                {
                    let signal = SupplySignal::StockMoved {
                        what: *what,
                        quantity: *quantity,
                        receipt: receipt.clone(),
                        best_before: Some(at.plus_micros(i64::from(*hours) * 3_600_000_000)),
                    };
                    decision.told(&SupplyEvent { name: event.name.clone(), signal }, at, *item);
                }
                _ => decision.told(event, at, *item),
            }
        }
        Ask::Mail(mail) => decision.mail(mail),
        Ask::Command(Command::Supply(command)) => decision.command(command),
        Ask::Command(_) => decision.ignore("not a command for supply".to_owned()),
        Ask::Timer(id) => decision.timer(*id),
    }
    decision.outcomes
}

struct Decision<'a> {
    owner: Owner<'a>,
    classes: &'a Classes,
    now: Time,
    outcomes: Vec<Outcome>,
}

impl Decision<'_> {
    fn fact(&mut self, fact: SupplyFact) {
        self.outcomes.push(Outcome::Fact(Fact::Supply(fact)));
    }

    fn ignore(&mut self, reason: String) {
        self.outcomes.push(Outcome::Ignored { reason });
    }

    fn mail_to(&mut self, to: EntityId, mail: SupplyMail) {
        self.outcomes.push(Outcome::Mail { to, body: MailBody::Supply(mail) });
    }

    fn told(&mut self, event: &SupplyEvent, at: Time, item: Option<EntityId>) {
        match (self.owner, &event.signal) {
            (Owner::Item(known), SupplySignal::ItemPublished(_) | SupplySignal::ItemRetired) => {
                if known.name.is_empty() {
                    self.fact(SupplyFact::Named { name: event.name.clone() });
                }
                if known.published_at.is_some_and(|known| known > at) {
                    return self.ignore("the catalogue says something later about it".to_owned());
                }
            }
            (Owner::Stock(stock), signal) => {
                if stock.item.is_empty() {
                    self.fact(SupplyFact::Named { name: event.name.clone() });
                    if let (Some(to), SupplyName::Stock { item, place }) = (item, &event.name) {
                        let (item, place, stock, now) = (item.clone(), place.clone(), stock.id, self.now);
                        self.mail_to(to, SupplyMail::KeptAt { item, place, stock, now });
                    }
                }
                match signal {
                    SupplySignal::StockCounted { .. } if stock.counted_at.is_some_and(|known| known > at) => {
                        return self.ignore("a later count is known".to_owned());
                    }
                    SupplySignal::StockCounted { .. }
                        if stock.moved_known_from.is_some_and(|known_from| at < known_from) =>
                    {
                        return self.ignore("too much has moved since that count".to_owned());
                    }
                    SupplySignal::ReceiptExpected { receipt, .. }
                        if stock.receipts_told.get(receipt).is_some_and(|told| *told > at) =>
                    {
                        return self.ignore("a later word about the receipt is known".to_owned());
                    }
                    // A count that happened later saw it already.
                    SupplySignal::StockMoved { receipt: None, .. }
                        if stock.counted_at.is_some_and(|counted_at| at < counted_at) =>
                    {
                        return self.ignore("a later count is known, which saw it".to_owned());
                    }
                    SupplySignal::ReceiptExpected { receipt, quantity, due } => {
                        let purpose = TimerPurpose::ReceiptDue(receipt.clone());
                        for (id, _) in stock.timers.iter().filter(|(_, timer)| timer.purpose == purpose) {
                            self.outcomes.push(Outcome::TimerCleared { id: *id });
                        }
                        if quantity.is_positive() {
                            let id = TimerId(stock.next_timer);
                            let due = due.plus_micros(1).max(self.now);
                            let timeline = TimelineId::LIVE;
                            self.outcomes.push(Outcome::TimerSet { id, due, timeline, purpose });
                        }
                    }
                    SupplySignal::StockMoved { best_before: Some(until), .. } => {
                        self.watch_lots(stock, Some(*until));
                    }
                    _ => {}
                }
            }
            (Owner::Resource(resource), signal) => {
                if resource.name.is_empty() {
                    self.fact(SupplyFact::Named { name: event.name.clone() });
                }
                if matches!(signal, SupplySignal::CalendarSet(_))
                    && resource.calendar_at.is_some_and(|known| known > at)
                {
                    return self.ignore("a later calendar is known".to_owned());
                }
            }
            (Owner::Item(_), _) => return self.ignore("not a word about an item".to_owned()),
        }
        self.fact(SupplyFact::Told { signal: event.signal.clone(), at });
        self.tell_short(why_of(&event.signal), at);
    }

    /// Whoever counted on what keeps shortest is told when its time has come; a `new` lot may be what does.
    fn watch_lots(&mut self, stock: &Stock, new: Option<Time>) {
        let known = stock.lots.keys().copied();
        let Some(next) = known.chain(new).filter(|until| *until > self.now).min() else { return };
        let of_lots = |timer: &&Timer| timer.purpose == TimerPurpose::LotPerishes && timer.due > self.now;
        if stock.timers.values().filter(of_lots).any(|timer| timer.due <= next) {
            return;
        }
        let (id, timeline, purpose) =
            (TimerId(stock.next_timer), TimelineId::LIVE, TimerPurpose::LotPerishes);
        self.outcomes.push(Outcome::TimerSet { id, due: next, timeline, purpose });
    }

    /// Tells the owners of commitments what changed for them, as supply will be once the facts so far have counted.
    fn tell_short(&mut self, why: Shortage, at: Time) {
        let (committed, uncovered): (Vec<_>, _) = match self.owner {
            Owner::Item(_) => return,
            Owner::Stock(stock) if stock.ledger.held().is_empty() => return,
            Owner::Resource(resource) if resource.ledger.held().is_empty() => return,
            Owner::Stock(stock) => {
                let mut then = stock.clone();
                for outcome in &self.outcomes {
                    super::evolve_supply(super::evolve::State::Stock(&mut then), outcome);
                }
                let uncovered = then.uncovered(self.now);
                (then.ledger.committed().map(|(id, held)| (*id, held.clone())).collect(), uncovered)
            }
            Owner::Resource(resource) => {
                let mut then = resource.clone();
                for outcome in &self.outcomes {
                    super::evolve_supply(super::evolve::State::Resource(&mut then), outcome);
                }
                let uncovered = then.uncovered();
                (then.ledger.committed().map(|(id, held)| (*id, held.clone())).collect(), uncovered)
            }
        };
        let committed = committed.iter().map(|(id, held)| (id, held));
        for (hold, short) in changes(committed, &uncovered, why) {
            let (covered_at, why) = match short {
                Some(Short { covered_at, why }) => (covered_at, why),
                None => (None, why),
            };
            let short = short.is_some();
            self.fact(SupplyFact::CoverChanged { hold, short, covered_at, why, at });
            let mail = SupplyMail::CoverChanged { hold, short, covered_at, why, now: self.now };
            self.mail_to(hold.owner, mail);
        }
    }

    /// The same after a hold was confirmed or released, which changes nothing for others unless somebody is short
    /// already, or supply fell since it was taken.
    fn tell_short_if_any(&mut self, hold: &HoldId) {
        let Some(ledger) = self.owner.ledger() else { return };
        let tight = match self.owner {
            Owner::Stock(stock) => ledger.taken(self.now) > stock.on_hand,
            Owner::Resource(resource) => ledger.held().get(hold).is_some_and(|held| {
                let slot = resource.slot_at(held.take.due());
                slot.is_none_or(|slot| resource.taken(&slot, self.now, None) > resource.capacity(&slot))
            }),
            Owner::Item(_) => false,
        };
        if tight || ledger.anybody_short() {
            self.tell_short(Shortage::Stock, self.now);
        }
    }

    fn mail(&mut self, mail: &SupplyMail) {
        let now = self.now;
        match mail {
            SupplyMail::KeptAt { item: name, place, stock, .. } => {
                if let Owner::Item(item) = self.owner
                    && !item.kept_at.contains_key(place)
                {
                    if item.name.is_empty() {
                        self.fact(SupplyFact::Named { name: SupplyName::Item(name.clone()) });
                    }
                    self.fact(SupplyFact::KeptAt { place: place.clone(), stock: *stock });
                }
            }
            SupplyMail::AskHold { hold, take, replaces, expires_at, .. } => {
                self.ask_hold(*hold, take, *replaces, *expires_at);
            }
            SupplyMail::ConfirmHold { hold, .. } => {
                let held = self.owner.ledger().and_then(|ledger| ledger.held().get(hold));
                let refused = match held {
                    None => Some(Refusal::Ended),
                    Some(held) if !held.lives(now) => Some(Refusal::Expired),
                    Some(held) => {
                        if !held.is_committed() {
                            self.fact(SupplyFact::HoldConfirmed { hold: *hold, at: now });
                        }
                        None
                    }
                };
                self.mail_to(hold.owner, SupplyMail::ConfirmAnswered { hold: *hold, refused, now });
                self.tell_short_if_any(hold);
            }
            SupplyMail::ReleaseHold { hold, expires_at, .. } => {
                let ended = self.owner.ledger().is_none_or(|ledger| ledger.ended.contains_key(hold));
                if !ended {
                    // Also where it is not known yet: the mail that asks for it may come later.
                    let fact = SupplyFact::HoldReleased { hold: *hold, expires_at: *expires_at, at: now };
                    self.fact(fact);
                    self.tell_short_if_any(hold);
                }
            }
            SupplyMail::UseCommitment { hold, share, at, .. } => {
                let held = self.owner.ledger().and_then(|ledger| ledger.held().get(hold));
                if held.is_some_and(|held| held.is_committed() && *share > held.used) {
                    let at = (*at).min(now);
                    self.fact(SupplyFact::CommitmentUsed { hold: *hold, share: *share, at });
                }
            }
            SupplyMail::GoodsLeft { hold, take, before, share, at, .. } => {
                self.goods_left(*hold, take, *before, *share, (*at).min(now));
            }
            SupplyMail::HoldAnswered { .. }
            | SupplyMail::ConfirmAnswered { .. }
            | SupplyMail::CoverChanged { .. } => {}
        }
    }

    /// Nothing is committed for them, so what others count on falls by them.
    fn goods_left(&mut self, hold: HoldId, take: &Take, before: f64, share: f64, at: Time) {
        let Owner::Stock(stock) = self.owner else { return };
        if stock.ledger.held().get(&hold).is_some_and(Held::is_committed) {
            return self.mail(&SupplyMail::UseCommitment { hold, share, at, now: self.now });
        }
        let known = stock.ledger.left.get(&hold).map_or(before, |(known, _)| known.max(before));
        if share > known {
            let quantity = take.amount().share(share) - take.amount().share(known);
            self.fact(SupplyFact::GoodsLeft { hold, quantity, share, at });
            self.tell_short(Shortage::Stock, at);
        }
    }

    fn ask_hold(&mut self, hold: HoldId, take: &Take, replaces: Option<HoldId>, expires_at: Time) {
        let now = self.now;
        let Some(ledger) = self.owner.ledger() else { return };
        // What stands in for another's is no replacement.
        let replaces = replaces.filter(|replaced| replaced.owner == hold.owner);
        let known = ledger.held().get(&hold).is_some_and(|held| held.lives(now));
        let refused = if known {
            // Asked again.
            None
        } else if ledger.ended.contains_key(&hold) {
            Some(Refusal::Ended)
        } else if expires_at <= now {
            Some(Refusal::Expired)
        } else if self.owner.can_take(take, replaces.as_ref(), self.classes, now) {
            let take = take.clone();
            self.fact(SupplyFact::HoldTaken { hold, take, replaces, expires_at, at: now });
            None
        } else {
            let why = Refusal::Short;
            self.fact(SupplyFact::HoldRefused { hold, expires_at, why, at: now });
            Some(why)
        };
        self.mail_to(hold.owner, SupplyMail::HoldAnswered { hold, refused, now });
    }

    fn command(&mut self, command: &SupplyCommand) {
        let Some(ledger) = self.owner.ledger() else {
            return self.ignore("nothing is reserved of an item but of its stock".to_owned());
        };
        let now = self.now;
        match command {
            SupplyCommand::Reserve(reservation) => match self.cannot_reserve(reservation) {
                Some(why) => self.ignore(why),
                None => {
                    self.fact(SupplyFact::ReservationMade { reservation: reservation.clone(), at: now });
                }
            },
            SupplyCommand::EndReservation { reservation } => {
                if ledger.reservations.contains_key(reservation) {
                    let fact = SupplyFact::ReservationEnded { reservation: reservation.clone(), at: now };
                    self.fact(fact);
                } else {
                    self.ignore(format!("no reservation {reservation} is known"));
                }
            }
        }
    }

    /// A reservation takes nothing that is promised already.
    fn cannot_reserve(&self, wanted: &Reservation) -> Option<String> {
        if wanted.until <= self.now || wanted.until <= wanted.from {
            return Some("the reservation is over before it begins".to_owned());
        }
        // One that is made again is measured without itself.
        let (class, from) = (&wanted.class, wanted.from.max(self.now));
        let available = match self.owner {
            Owner::Stock(stock) => {
                let mut without = stock.clone();
                without.ledger.reservations.remove(&wanted.id);
                without.reservable(from, class, self.classes, self.now)
            }
            Owner::Resource(resource) => {
                let mut without = resource.clone();
                without.ledger.reservations.remove(&wanted.id);
                let slots = without.slots(from, wanted.until);
                let free = slots.map(|slot| without.reservable(&slot, class, self.classes, self.now));
                free.min().unwrap_or(model::Quantity::ZERO)
            }
            Owner::Item(_) => return Some("nothing is reserved of an item".to_owned()),
        };
        (available < wanted.quantity).then(|| {
            format!("{} wanted, {} can be reserved", wanted.quantity, available.max(model::Quantity::ZERO))
        })
    }

    fn timer(&mut self, id: TimerId) {
        self.outcomes.push(Outcome::TimerFired { id });
        let Owner::Stock(stock) = self.owner else { return };
        match stock.timers.get(&id).map(|timer| &timer.purpose) {
            Some(TimerPurpose::ReceiptDue(receipt)) if stock.receipts.contains_key(receipt) => {
                self.tell_short(Shortage::LateReceipt, self.now);
            }
            Some(TimerPurpose::LotPerishes) => {
                self.watch_lots(stock, None);
                self.tell_short(Shortage::Stock, self.now);
            }
            _ => {}
        }
    }
}

fn why_of(signal: &SupplySignal) -> Shortage {
    match signal {
        SupplySignal::StockMoved { what: StockMove::Quarantined, .. } => Shortage::Quality,
        SupplySignal::ReceiptExpected { .. } => Shortage::LateReceipt,
        SupplySignal::DowntimeReported { .. } | SupplySignal::CalendarSet(_) | SupplySignal::SlotSet(_) => {
            Shortage::Downtime
        }
        _ => Shortage::Stock,
    }
}
