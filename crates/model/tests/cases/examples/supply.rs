//! Examples of supply and quotes.

use model::quote::Purpose;
use model::supply::{CapacityUse, Component, Exchange, ItemKind, Recipe, Shortage, StockMove, Supplier};
use model::*;

use super::{AT, CUSTOMER, PARTITION, bare_terms, money, text};

pub(crate) fn of_supply(kind: EntityKind) -> EntityId {
    EntityId { kind, partition: PARTITION, number: 77 }
}

pub(crate) const HOLD: HoldId = HoldId { owner: CUSTOMER, number: 3 };

fn some_stock() -> SupplyName {
    SupplyName::Stock { item: text("toner"), place: text("seoul") }
}

fn slot() -> Slot {
    Slot { start: AT, end: Time(AT.0 + 3_600_000_000), units: Quantity(2_500) }
}

every!(takes, Take,
    "stock": Take::Stock { .. } =>
        Take::Stock { quantity: Quantity::units(2), due: AT, class: text("member"), priority: 1 },
    "slot": Take::Slot { .. } =>
        Take::Slot { slot: slot(), units: Quantity::ONE, class: String::new(), priority: 0 },
);

fn need(take: Take) -> Need {
    Need { of: of_supply(EntityKind::Stock), name: some_stock(), take, replaces: Some(HOLD) }
}

pub(crate) fn remedy() -> Remedy {
    Remedy {
        promise_id: text("q-1"),
        kind: RemedyKind::OtherSource,
        cost: Some(money(2_500, "KRW")),
        probability: 0.97,
        new_due: Some(AT),
        compensation: None,
    }
}

pub(crate) fn quote() -> Quote {
    Quote {
        quote_id: text("q-1"),
        purpose: Purpose::Remedy(remedy()),
        terms: bare_terms(),
        lines: vec![],
        region: Some(text("KR-11")),
        total: Some(money(42_000, "KRW")),
        needs: takes().into_iter().map(|(_, take)| need(take)).collect(),
        parcels: vec![Parcel {
            place: text("seoul"),
            to: text("KR-*"),
            service: text("standard"),
            lines: vec![(text("toner"), Quantity::units(2))],
            hand_over_by: AT,
            due_at: Time(AT.0 + 86_400_000_000),
            cost: Some(money(3_000, "KRW")),
        }],
        expires_at: AT,
    }
}

every!(quote_facts, QuoteFact,
    "asked": QuoteFact::Asked { .. } => QuoteFact::Asked {
        quote: Box::new(Quote { purpose: Purpose::Order, ..quote() }),
        first_hold: 3,
        at: AT,
    },
    "answered": QuoteFact::Answered { .. } => QuoteFact::Answered {
        quote_id: text("q-1"), hold: 3, refused: Some(Refusal::Short), at: AT },
    "moved": QuoteFact::Moved { .. } => QuoteFact::Moved {
        quote_id: text("q-1"),
        stage: QuoteStage::Confirming,
        order_id: Some(text("o-1")),
        why: None,
        at: AT,
    },
    "cover_changed": QuoteFact::CoverChanged { .. } => QuoteFact::CoverChanged {
        quote_id: text("q-1"), hold: 3, short: true, covered_at: None, why: Shortage::Quality, at: AT },
    "remedied": QuoteFact::Remedied { .. } =>
        QuoteFact::Remedied { remedy: remedy(), before_the_break: true, at: AT },
);

every!(supply_names, SupplyName,
    "item": SupplyName::Item(_) => SupplyName::Item(text("toner")),
    "stock": SupplyName::Stock { .. } => some_stock(),
    "resource": SupplyName::Resource(_) => SupplyName::Resource(text("van")),
);

fn item() -> Item {
    let part = Component { item_id: text("drum"), quantity: Quantity(1_500) };
    let used = CapacityUse { resource: text("line"), units: Quantity::ONE };
    Item {
        item_id: text("toner"),
        kind: ItemKind::Plan,
        name: Some(text("토너")),
        category: Some(text("supplies")),
        unit: Some(text("box")),
        price: Some(money(42_000, "KRW")),
        cost: Some(money(30_000, "KRW")),
        exchange: Exchange::Financial { terms: text("subscription") },
        stocked: true,
        shelf_life_hours: Some(72),
        fits: vec![text("HL-2370")],
        substitutes: vec![text("toner-xl")],
        bundle: vec![part.clone()],
        uses: vec![used.clone()],
        recipe: Some(Recipe { of: vec![part], with: vec![used], then_minutes: 30 }),
        supplier: Some(Supplier {
            name: text("Hanil"),
            lead_days: 3.5,
            lead_days_sd: 1.0,
            order_cost: Some(money(5_000, "KRW")),
            lot: Some(Quantity::units(12)),
        }),
        retired: false,
    }
}

every!(supply_signals, SupplySignal,
    "item_published": SupplySignal::ItemPublished(_) => SupplySignal::ItemPublished(Box::new(item())),
    "item_retired": SupplySignal::ItemRetired => SupplySignal::ItemRetired,
    "stock_counted": SupplySignal::StockCounted { .. } =>
        SupplySignal::StockCounted { on_hand: Quantity(-1) },
    "stock_moved": SupplySignal::StockMoved { .. } => SupplySignal::StockMoved {
        what: StockMove::Quarantined,
        quantity: Quantity::units(3),
        receipt: Some(text("po-1")),
        best_before: Some(AT),
    },
    "receipt_expected": SupplySignal::ReceiptExpected { .. } =>
        SupplySignal::ReceiptExpected { receipt: text("po-1"), quantity: Quantity::units(30), due: AT },
    "calendar_set": SupplySignal::CalendarSet(_) => SupplySignal::CalendarSet(Calendar {
        time_zone: text("Asia/Seoul"),
        shifts: vec![model::calendar::Shift {
            days: vec![0, 6],
            from: 540,
            to: 1_080,
            slot_minutes: Some(180),
            units: Quantity::units(4),
        }],
    }),
    "slot_set": SupplySignal::SlotSet(_) => SupplySignal::SlotSet(slot()),
    "downtime_reported": SupplySignal::DowntimeReported { .. } => SupplySignal::DowntimeReported {
        downtime: text("d-1"), from: AT, until: None, units: Some(Quantity::ONE) },
    "downtime_ended": SupplySignal::DowntimeEnded { .. } =>
        SupplySignal::DowntimeEnded { downtime: text("d-1") },
);

pub(crate) fn reservation() -> Reservation {
    Reservation {
        id: text("spring"),
        class: text("campaign:spring"),
        quantity: Quantity::units(500),
        from: AT,
        until: Time(AT.0 + 9),
    }
}

every!(supply_facts, SupplyFact,
    "named": SupplyFact::Named { .. } => SupplyFact::Named { name: some_stock() },
    "kept_at": SupplyFact::KeptAt { .. } =>
        SupplyFact::KeptAt { place: text("seoul"), stock: of_supply(EntityKind::Stock) },
    "told": SupplyFact::Told { .. } => SupplyFact::Told { signal: SupplySignal::ItemRetired, at: AT },
    "hold_taken": SupplyFact::HoldTaken { .. } => SupplyFact::HoldTaken {
        hold: HOLD, take: takes()[0].1.clone(), replaces: None, expires_at: AT, at: AT },
    "hold_refused": SupplyFact::HoldRefused { .. } =>
        SupplyFact::HoldRefused { hold: HOLD, expires_at: AT, why: Refusal::Expired, at: AT },
    "hold_confirmed": SupplyFact::HoldConfirmed { .. } => SupplyFact::HoldConfirmed { hold: HOLD, at: AT },
    "hold_released": SupplyFact::HoldReleased { .. } =>
        SupplyFact::HoldReleased { hold: HOLD, expires_at: AT, at: AT },
    "commitment_used": SupplyFact::CommitmentUsed { .. } =>
        SupplyFact::CommitmentUsed { hold: HOLD, share: 0.5, at: AT },
    "goods_left": SupplyFact::GoodsLeft { .. } =>
        SupplyFact::GoodsLeft { hold: HOLD, quantity: Quantity::units(2), share: 1.0, at: AT },
    "cover_changed": SupplyFact::CoverChanged { .. } => SupplyFact::CoverChanged {
        hold: HOLD, short: true, covered_at: Some(AT), why: Shortage::Downtime, at: AT },
    "reservation_made": SupplyFact::ReservationMade { .. } =>
        SupplyFact::ReservationMade { reservation: reservation(), at: AT },
    "reservation_ended": SupplyFact::ReservationEnded { .. } =>
        SupplyFact::ReservationEnded { reservation: text("spring"), at: AT },
);

every!(supply_mails, SupplyMail,
    "kept_at": SupplyMail::KeptAt { .. } => SupplyMail::KeptAt {
        item: text("toner"), place: text("seoul"), stock: of_supply(EntityKind::Stock), now: AT },
    "ask_hold": SupplyMail::AskHold { .. } => SupplyMail::AskHold {
        hold: HOLD, take: takes()[1].1.clone(), replaces: Some(HOLD), expires_at: AT, now: AT },
    "confirm_hold": SupplyMail::ConfirmHold { .. } => SupplyMail::ConfirmHold { hold: HOLD, now: AT },
    "release_hold": SupplyMail::ReleaseHold { .. } =>
        SupplyMail::ReleaseHold { hold: HOLD, expires_at: AT, now: AT },
    "use_commitment": SupplyMail::UseCommitment { .. } =>
        SupplyMail::UseCommitment { hold: HOLD, share: 1.0, at: AT, now: AT },
    "hold_answered": SupplyMail::HoldAnswered { .. } =>
        SupplyMail::HoldAnswered { hold: HOLD, refused: Some(Refusal::Ended), now: AT },
    "confirm_answered": SupplyMail::ConfirmAnswered { .. } =>
        SupplyMail::ConfirmAnswered { hold: HOLD, refused: None, now: AT },
    "cover_changed": SupplyMail::CoverChanged { .. } => SupplyMail::CoverChanged {
        hold: HOLD, short: false, covered_at: None, why: Shortage::Stock, now: AT },
    "goods_left": SupplyMail::GoodsLeft { .. } => SupplyMail::GoodsLeft {
        hold: HOLD, take: takes()[0].1.clone(), before: 0.25, share: 1.0, at: AT, now: AT },
);

every!(supply_commands, SupplyCommand,
    "reserve": SupplyCommand::Reserve(_) => SupplyCommand::Reserve(reservation()),
    "end_reservation": SupplyCommand::EndReservation { .. } =>
        SupplyCommand::EndReservation { reservation: text("spring") },
);

every!(exchanges, Exchange,
    "direct": Exchange::Direct => Exchange::Direct,
    "mediated": Exchange::Mediated { .. } => Exchange::Mediated { partner: text("Hanil") },
    "financial": Exchange::Financial { .. } => Exchange::Financial { terms: text("credit") },
);

every!(item_kinds, ItemKind,
    "good": ItemKind::Good => ItemKind::Good,
    "service": ItemKind::Service => ItemKind::Service,
    "plan": ItemKind::Plan => ItemKind::Plan,
    "entitlement": ItemKind::Entitlement => ItemKind::Entitlement,
);

every!(stages, QuoteStage,
    "asking": QuoteStage::Asking => QuoteStage::Asking,
    "held": QuoteStage::Held => QuoteStage::Held,
    "confirming": QuoteStage::Confirming => QuoteStage::Confirming,
    "placed": QuoteStage::Placed => QuoteStage::Placed,
    "refused": QuoteStage::Refused => QuoteStage::Refused,
    "expired": QuoteStage::Expired => QuoteStage::Expired,
    "released": QuoteStage::Released => QuoteStage::Released,
);

every!(refusals, Refusal,
    "short": Refusal::Short => Refusal::Short,
    "expired": Refusal::Expired => Refusal::Expired,
    "ended": Refusal::Ended => Refusal::Ended,
    "withdrawn": Refusal::Withdrawn => Refusal::Withdrawn,
);

every!(remedy_kinds, RemedyKind,
    "expedite": RemedyKind::Expedite => RemedyKind::Expedite,
    "other_source": RemedyKind::OtherSource => RemedyKind::OtherSource,
    "substitute": RemedyKind::Substitute => RemedyKind::Substitute,
    "split": RemedyKind::Split => RemedyKind::Split,
    "new_date": RemedyKind::NewDate => RemedyKind::NewDate,
    "compensate": RemedyKind::Compensate => RemedyKind::Compensate,
);

every!(shortages, Shortage,
    "stock": Shortage::Stock => Shortage::Stock,
    "late_receipt": Shortage::LateReceipt => Shortage::LateReceipt,
    "quality": Shortage::Quality => Shortage::Quality,
    "downtime": Shortage::Downtime => Shortage::Downtime,
);

every!(stock_moves, StockMove,
    "received": StockMove::Received => StockMove::Received,
    "adjusted": StockMove::Adjusted => StockMove::Adjusted,
    "spoiled": StockMove::Spoiled => StockMove::Spoiled,
    "quarantined": StockMove::Quarantined => StockMove::Quarantined,
    "cleared": StockMove::Cleared => StockMove::Cleared,
);

/// Lists that hold every variant of everything that facts and mails about supply can hold.
pub(super) fn outcome_lists() -> Vec<(String, Vec<Outcome>)> {
    let supply = |fact| Outcome::Fact(Fact::Supply(fact));
    let asked = |quote| {
        Outcome::Fact(Fact::Quote(QuoteFact::Asked { quote: Box::new(quote), first_hold: 1, at: AT }))
    };
    let published = |item| {
        let signal = SupplySignal::ItemPublished(Box::new(item));
        supply(SupplyFact::Told { signal, at: AT })
    };
    let moved = |stage, why| {
        let (quote_id, order_id) = (text("q"), None);
        Outcome::Fact(Fact::Quote(QuoteFact::Moved { quote_id, stage, order_id, why, at: AT }))
    };
    let cover = |why| SupplyFact::CoverChanged { hold: HOLD, short: true, covered_at: None, why, at: AT };
    let told = |what| {
        let (quantity, receipt, best_before) = (Quantity::ONE, None, None);
        let signal = SupplySignal::StockMoved { what, quantity, receipt, best_before };
        supply(SupplyFact::Told { signal, at: AT })
    };
    let of = |name: &str, outcomes: Vec<Outcome>| (format!("every.{name}"), outcomes);
    vec![
        of("supply_fact", supply_facts().into_iter().map(|(_, fact)| supply(fact)).collect()),
        of(
            "supply_signal",
            supply_signals()
                .into_iter()
                .map(|(_, signal)| supply(SupplyFact::Told { signal, at: AT }))
                .collect(),
        ),
        of(
            "supply_name",
            supply_names().into_iter().map(|(_, name)| supply(SupplyFact::Named { name })).collect(),
        ),
        of(
            "supply_mail",
            supply_mails()
                .into_iter()
                .map(|(_, mail)| Outcome::Mail {
                    to: of_supply(EntityKind::Resource),
                    body: MailBody::Supply(mail),
                })
                .collect(),
        ),
        of(
            "quote_fact",
            quote_facts().into_iter().map(|(_, fact)| Outcome::Fact(Fact::Quote(fact))).collect(),
        ),
        of(
            "exchange",
            exchanges().into_iter().map(|(_, exchange)| published(Item { exchange, ..item() })).collect(),
        ),
        of(
            "item_kind",
            item_kinds().into_iter().map(|(_, kind)| published(Item { kind, ..item() })).collect(),
        ),
        of("quote_stage", stages().into_iter().map(|(_, stage)| moved(stage, None)).collect()),
        of("refusal", refusals().into_iter().map(|(_, why)| moved(QuoteStage::Refused, Some(why))).collect()),
        of(
            "remedy_kind",
            remedy_kinds()
                .into_iter()
                .map(|(_, kind)| {
                    asked(Quote { purpose: Purpose::Remedy(Remedy { kind, ..remedy() }), ..quote() })
                })
                .collect(),
        ),
        of("shortage", shortages().into_iter().map(|(_, why)| supply(cover(why))).collect()),
        of("stock_move", stock_moves().into_iter().map(|(_, what)| told(what)).collect()),
    ]
}
