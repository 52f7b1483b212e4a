//! How the state of supply follows from what was told and taken.

use model::supply::StockMove;
use model::{HoldId, Outcome, Quantity, SupplyFact, SupplyName, SupplySignal, Time};

use super::{CatalogueItem, Downtime, Held, Ledger, Receipt, Reserved, Resource, Short, Stock};
use crate::customer::Timer;

/// How long what is over is kept of a resource.
const KEPT_MICROS: i64 = 7 * 86_400_000_000;

/// One supply entity's state, to be changed by a fact.
pub(crate) enum State<'a> {
    Item(&'a mut CatalogueItem),
    Stock(&'a mut Stock),
    Resource(&'a mut Resource),
}

pub(crate) fn evolve_supply(state: State<'_>, outcome: &Outcome) {
    let fact = match outcome {
        Outcome::Fact(model::Fact::Supply(fact)) => fact,
        Outcome::TimerSet { id, due, timeline, purpose } => {
            if let State::Stock(stock) = state {
                stock.next_timer = stock.next_timer.max(id.0.saturating_add(1));
                let timer = Timer { due: *due, timeline: *timeline, purpose: purpose.clone() };
                stock.timers.insert(*id, timer);
            }
            return;
        }
        Outcome::TimerCleared { id } | Outcome::TimerFired { id } => {
            if let State::Stock(stock) = state {
                stock.timers.remove(id);
            }
            return;
        }
        _ => return,
    };
    match state {
        State::Item(item) => evolve_item(item, fact),
        State::Stock(stock) => evolve_stock(stock, fact),
        State::Resource(resource) => evolve_resource(resource, fact),
    }
}

fn evolve_item(item: &mut CatalogueItem, fact: &SupplyFact) {
    match fact {
        SupplyFact::Named { name: SupplyName::Item(name) } => item.name.clone_from(name),
        SupplyFact::KeptAt { place, stock } => {
            item.kept_at.insert(place.clone(), *stock);
        }
        SupplyFact::Told { signal: SupplySignal::ItemPublished(published), at } => {
            item.item = Some((**published).clone());
            item.published_at = Some(*at);
        }
        SupplyFact::Told { signal: SupplySignal::ItemRetired, at } => {
            if let Some(item) = &mut item.item {
                item.retired = true;
            }
            item.published_at = Some(*at);
        }
        _ => {}
    }
}

fn evolve_stock(stock: &mut Stock, fact: &SupplyFact) {
    match fact {
        SupplyFact::Named { name: SupplyName::Stock { item, place } } => {
            stock.item.clone_from(item);
            stock.place.clone_from(place);
        }
        SupplyFact::Told { signal, at } => told_stock(stock, signal, *at),
        SupplyFact::CommitmentUsed { hold, share, at } => {
            let used = stock.ledger.use_up(hold, *share, *at);
            move_on_hand(stock, -used, *at);
            take_of_lots(stock, used);
            keep_lots_within(stock);
        }
        SupplyFact::GoodsLeft { hold, quantity, share, at } => {
            stock.ledger.left.insert(*hold, (*share, *at));
            move_on_hand(stock, -*quantity, *at);
            take_of_lots(stock, *quantity);
            keep_lots_within(stock);
        }
        _ => {
            evolve_ledger(&mut stock.ledger, fact);
        }
    }
}

fn told_stock(stock: &mut Stock, signal: &SupplySignal, at: Time) {
    match signal {
        SupplySignal::StockCounted { on_hand } => {
            stock.moved = stock.moved.split_off(&at.plus_micros(1));
            stock.on_hand = *on_hand + stock.moved.values().copied().sum();
            stock.counted_at = Some(at);
            // What had perished is not among what is there and good.
            stock.lots.retain(|until, _| *until > at);
        }
        SupplySignal::StockMoved { what, quantity, receipt, best_before } => {
            let counts = stock.counted_at.is_none_or(|counted_at| counted_at <= at);
            match what {
                StockMove::Received => {
                    if let Some(until) = best_before.filter(|_| counts) {
                        *stock.lots.entry(until).or_default() += *quantity;
                    }
                    move_on_hand(stock, *quantity, at);
                    if let Some(receipt) = receipt {
                        tell_receipt(stock, receipt, at);
                        if let Some(known) = stock.receipts.get_mut(receipt) {
                            known.quantity -= *quantity;
                        }
                    }
                    stock.receipts.retain(|_, receipt| receipt.quantity.is_positive());
                }
                StockMove::Adjusted => {
                    move_on_hand(stock, *quantity, at);
                    take_of_lots(stock, (-*quantity).max(Quantity::ZERO));
                }
                StockMove::Spoiled => {
                    move_on_hand(stock, -*quantity, at);
                    take_of_lots(stock, *quantity);
                }
                StockMove::Quarantined => {
                    move_on_hand(stock, -*quantity, at);
                    stock.quarantined += *quantity;
                }
                StockMove::Cleared => {
                    let cleared = (*quantity).min(stock.quarantined);
                    stock.quarantined -= cleared;
                    move_on_hand(stock, cleared, at);
                }
            }
        }
        SupplySignal::ReceiptExpected { receipt, quantity, due } => {
            tell_receipt(stock, receipt, at);
            if quantity.is_positive() {
                stock.receipts.insert(receipt.clone(), Receipt { quantity: *quantity, due: *due });
            } else {
                stock.receipts.remove(receipt);
            }
        }
        _ => {}
    }
    keep_lots_within(stock);
}

/// Moves that are remembered for a count which is heard late, and receipts for a word that is.
const MOVES_KEPT: usize = 1_024;
const RECEIPTS_KEPT: usize = 1_024;

fn tell_receipt(stock: &mut Stock, receipt: &str, at: Time) {
    let told = stock.receipts_told.entry(receipt.to_owned()).or_insert(at);
    *told = (*told).max(at);
    while stock.receipts_told.len() > RECEIPTS_KEPT {
        let oldest = stock.receipts_told.iter().min_by_key(|(name, told)| (**told, *name));
        let Some(oldest) = oldest.map(|(name, _)| name.clone()) else { break };
        stock.receipts_told.remove(&oldest);
    }
}

/// Goods came or went at `at`; a later count saw it already.
fn move_on_hand(stock: &mut Stock, by: Quantity, at: Time) {
    if stock.counted_at.is_some_and(|counted_at| at < counted_at) {
        return;
    }
    stock.on_hand += by;
    *stock.moved.entry(at).or_default() += by;
    if stock.moved.len() > MOVES_KEPT
        && let Some((oldest, _)) = stock.moved.pop_first()
    {
        stock.moved_known_from = Some(oldest);
    }
}

/// What leaves is what keeps shortest.
fn take_of_lots(stock: &mut Stock, mut quantity: Quantity) {
    for lot in stock.lots.values_mut() {
        let taken = quantity.min(*lot);
        *lot -= taken;
        quantity -= taken;
    }
    stock.lots.retain(|_, lot| lot.is_positive());
}

/// Where less is there than the lots say, nobody knows of which lot it is missing: of what keeps longest, so that no
/// more is promised for later than there may be.
fn keep_lots_within(stock: &mut Stock) {
    let in_lots: Quantity = stock.lots.values().copied().sum();
    let mut over = in_lots - stock.on_hand.max(Quantity::ZERO);
    for lot in stock.lots.values_mut().rev() {
        let taken = over.max(Quantity::ZERO).min(*lot);
        *lot -= taken;
        over -= taken;
    }
    stock.lots.retain(|_, lot| lot.is_positive());
}

fn evolve_resource(resource: &mut Resource, fact: &SupplyFact) {
    match fact {
        SupplyFact::Named { name: SupplyName::Resource(name) } => resource.name.clone_from(name),
        SupplyFact::Told { signal, at } => told_resource(resource, signal, *at),
        SupplyFact::CommitmentUsed { hold, share, at } => {
            let Some(held) = resource.ledger.held().get(hold).cloned() else { return };
            let used = resource.ledger.use_up(hold, *share, *at);
            if resource.ledger.held().contains_key(hold) {
                resource.use_of(held.take.due(), held.take.class(), used);
            } else {
                resource.unbook(hold, &held);
            }
        }
        _ => {
            for (id, held) in evolve_ledger(&mut resource.ledger, fact) {
                resource.unbook(&id, &held);
            }
            if let SupplyFact::HoldTaken { hold, .. } = fact
                && let Some(held) = resource.ledger.held().get(hold).cloned()
            {
                resource.book(*hold, &held);
            }
        }
    }
}

fn told_resource(resource: &mut Resource, signal: &SupplySignal, at: Time) {
    match signal {
        SupplySignal::CalendarSet(calendar) => {
            resource.calendar = Some(calendar.clone());
            resource.calendar_at = Some(at);
        }
        SupplySignal::SlotSet(slot) => {
            resource.slots.insert(slot.start, *slot);
            resource.slots.retain(|_, slot| slot.end.plus_micros(KEPT_MICROS) > at);
        }
        SupplySignal::DowntimeReported { downtime, from, until, units } => {
            let down = Downtime { from: *from, until: *until, units: *units };
            resource.downtimes.insert(downtime.clone(), down);
            let over = |down: &Downtime| down.until.is_some_and(|until| until.plus_micros(KEPT_MICROS) < at);
            resource.downtimes.retain(|_, down| !over(down));
        }
        SupplySignal::DowntimeEnded { downtime } => {
            if let Some(down) = resource.downtimes.get_mut(downtime) {
                down.until = Some(at.max(down.from));
            }
        }
        _ => {}
    }
}

/// Returns what is not held any more.
fn evolve_ledger(ledger: &mut Ledger, fact: &SupplyFact) -> Vec<(HoldId, Held)> {
    let mut gone = Vec::new();
    match fact {
        SupplyFact::HoldTaken { hold, take, replaces, expires_at, at } => {
            gone = ledger.prune(*at);
            gone.extend(ledger.remove(hold).map(|held| (*hold, held)));
            let (take, expires_at) = (take.clone(), Some(*expires_at));
            let held = Held { take, expires_at, replaces: *replaces, used: 0.0, short: None };
            ledger.take(*hold, held);
        }
        SupplyFact::HoldRefused { hold, expires_at, at, .. } => {
            gone = ledger.prune(*at);
            ledger.ended.insert(*hold, *expires_at);
        }
        SupplyFact::HoldConfirmed { hold, .. } => {
            ledger.commit(hold);
        }
        SupplyFact::HoldReleased { hold, expires_at, at } => {
            gone.extend(ledger.remove(hold).map(|held| (*hold, held)));
            gone.extend(ledger.prune(*at));
            ledger.ended.insert(*hold, *expires_at);
        }
        SupplyFact::CoverChanged { hold, short, covered_at, why, .. } => {
            ledger.note_short(hold, short.then_some(Short { covered_at: *covered_at, why: *why }));
        }
        SupplyFact::ReservationMade { reservation, .. } => {
            let used = ledger.reservations.get(&reservation.id).map_or(Quantity::ZERO, |known| known.used);
            let reserved = Reserved { reservation: reservation.clone(), used };
            ledger.reservations.insert(reservation.id.clone(), reserved);
        }
        SupplyFact::ReservationEnded { reservation, .. } => {
            ledger.reservations.remove(reservation);
        }
        _ => {}
    }
    gone
}
