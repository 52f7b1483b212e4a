//! Examples of orders in one action, their payments and their returns.

use model::quote::Purpose;
use model::supply::Exchange;
use model::*;

use super::supply::{exchanges, quote, remedy};
use super::{AT, effect, money, text};

fn wanted() -> Wanted {
    Wanted { item_id: text("toner"), quantity: Quantity(1_500) }
}

fn defaults() -> OrderDefaults {
    OrderDefaults {
        to: text("KR-11"),
        address: Some(text(r#"{"line":"세종대로 110"}"#)),
        time_zone: Some(text("Asia/Seoul")),
        class: Some(text("member")),
        service: Some(text("standard")),
        payment_token: Some(text("tok-1")),
    }
}

fn bare_defaults() -> OrderDefaults {
    OrderDefaults { to: text("KR-11"), ..OrderDefaults::default() }
}

fn one_action() -> OneAction {
    OneAction {
        order_id: text("o-1"),
        request: Some(text("click-1")),
        wanted: vec![wanted(), Wanted { item_id: text("paper"), quantity: Quantity::units(2) }],
        asked_at: AT,
        cancel_until: Time(AT.0 + 600_000_000),
        address: Some(text(r#"{"line":"세종대로 110"}"#)),
        payment_token: Some(text("tok-1")),
    }
}

fn bare_one_action() -> OneAction {
    OneAction { request: None, wanted: Vec::new(), address: None, payment_token: None, ..one_action() }
}

fn change() -> OrderChange {
    OrderChange {
        order_id: text("o-1"),
        promise_id: text("order:o-1"),
        address: Some(text(r#"{"line":"세종대로 110"}"#)),
    }
}

fn return_request() -> ReturnRequest {
    ReturnRequest {
        return_id: text("r-1"),
        order_id: text("o-1"),
        lines: vec![wanted()],
        reason: Some(text("does not fit")),
    }
}

/// Of the whole order, for no reason that was told.
fn bare_return_request() -> ReturnRequest {
    ReturnRequest { lines: Vec::new(), reason: None, ..return_request() }
}

pub(super) fn line(exchange: Exchange) -> OrderLine {
    OrderLine {
        product_id: text("p-1"),
        category: Some(text("paper")),
        seller_id: Some(text("s-1")),
        quantity: 2.5,
        price: Some(money(1_200, "KRW")),
        exchange,
    }
}

fn changed(lines: Vec<OrderLine>) -> OrderFact {
    OrderFact::Changed {
        order_id: text("o-1"),
        region: Some(text("KR-11")),
        total: Some(money(42_000, "KRW")),
        lines,
        address: Some(text(r#"{"line":"세종대로 110"}"#)),
        at: AT,
    }
}

fn payment(step: PaymentStep) -> OrderFact {
    OrderFact::Payment {
        order_id: text("o-1"),
        step,
        amount: Some(money(42_000, "KRW")),
        reference: Some(text("pay-1")),
        at: AT,
    }
}

fn return_moved(state: ReturnState) -> OrderFact {
    OrderFact::ReturnMoved {
        order_id: text("o-1"),
        return_id: text("r-1"),
        state,
        reason: Some(text("opened")),
        at: AT,
    }
}

every!(order_facts, OrderFact,
    "defaults_set": OrderFact::DefaultsSet { .. } =>
        OrderFact::DefaultsSet { defaults: Box::new(defaults()), at: AT },
    "handed_out": OrderFact::HandedOut { .. } => OrderFact::HandedOut { order_id: text("o-1"), at: AT },
    "changed": OrderFact::Changed { .. } => changed(vec![line(Exchange::Direct)]),
    "payment": OrderFact::Payment { .. } => payment(PaymentStep::CaptureAsked),
    "return_asked": OrderFact::ReturnAsked { .. } =>
        OrderFact::ReturnAsked { request: Box::new(return_request()), day: 13, at: AT },
    "return_moved": OrderFact::ReturnMoved { .. } => return_moved(ReturnState::Discretion),
);

every!(order_commands, OrderCommand,
    "set_defaults": OrderCommand::SetDefaults(_) => OrderCommand::SetDefaults(Box::new(defaults())),
    "cancel": OrderCommand::Cancel { .. } => OrderCommand::Cancel {
        order_id: text("o-1"), by: CancelledBy::Customer, reason: Some(text("found another")) },
    "undo": OrderCommand::Undo { .. } => OrderCommand::Undo { order_id: text("o-1") },
    "return": OrderCommand::Return(_) => OrderCommand::Return(Box::new(return_request())),
    "decide_return": OrderCommand::DecideReturn { .. } => OrderCommand::DecideReturn {
        order_id: text("o-1"), return_id: text("r-1"), accept: true, reason: Some(text("goodwill")) },
);

every!(payment_states, PaymentState,
    "requested": PaymentState::Requested => PaymentState::Requested,
    "authorised": PaymentState::Authorised => PaymentState::Authorised,
    "partly_captured": PaymentState::PartlyCaptured => PaymentState::PartlyCaptured,
    "captured": PaymentState::Captured => PaymentState::Captured,
    "partly_refunded": PaymentState::PartlyRefunded => PaymentState::PartlyRefunded,
    "refunded": PaymentState::Refunded => PaymentState::Refunded,
    "voided": PaymentState::Voided => PaymentState::Voided,
    "failed": PaymentState::Failed => PaymentState::Failed,
);

every!(payment_steps, PaymentStep,
    "authorisation_asked": PaymentStep::AuthorisationAsked => PaymentStep::AuthorisationAsked,
    "authorised": PaymentStep::Authorised => PaymentStep::Authorised,
    "capture_asked": PaymentStep::CaptureAsked => PaymentStep::CaptureAsked,
    "void_asked": PaymentStep::VoidAsked => PaymentStep::VoidAsked,
    "voided": PaymentStep::Voided => PaymentStep::Voided,
    "refund_asked": PaymentStep::RefundAsked => PaymentStep::RefundAsked,
    "failed": PaymentStep::Failed => PaymentStep::Failed,
    "owed": PaymentStep::Owed => PaymentStep::Owed,
);

every!(return_states, ReturnState,
    "requested": ReturnState::Requested => ReturnState::Requested,
    "approved": ReturnState::Approved => ReturnState::Approved,
    "refused": ReturnState::Refused => ReturnState::Refused,
    "discretion": ReturnState::Discretion => ReturnState::Discretion,
    "in_transit": ReturnState::InTransit => ReturnState::InTransit,
    "received": ReturnState::Received => ReturnState::Received,
    "restocked": ReturnState::Restocked => ReturnState::Restocked,
    "written_off": ReturnState::WrittenOff => ReturnState::WrittenOff,
    "refunded": ReturnState::Refunded => ReturnState::Refunded,
    "closed": ReturnState::Closed => ReturnState::Closed,
);

every!(purposes, Purpose,
    "order": Purpose::Order => Purpose::Order,
    "remedy": Purpose::Remedy(_) => Purpose::Remedy(remedy()),
    "one_action": Purpose::OneAction(_) => Purpose::OneAction(Box::new(one_action())),
    "change": Purpose::Change(_) => Purpose::Change(Box::new(change())),
);

/// Commands with everything that may be left out left out.
fn bare_commands() -> Vec<(&'static str, OrderCommand)> {
    vec![
        ("set_defaults-bare", OrderCommand::SetDefaults(Box::new(bare_defaults()))),
        (
            "cancel-bare",
            OrderCommand::Cancel { order_id: text("o-1"), by: CancelledBy::Unknown, reason: None },
        ),
        ("return-bare", OrderCommand::Return(Box::new(bare_return_request()))),
        (
            "decide_return-bare",
            OrderCommand::DecideReturn {
                order_id: text("o-1"),
                return_id: text("r-1"),
                accept: false,
                reason: None,
            },
        ),
    ]
}

/// Everything that a command about an order or a quote for one can hold, by the names of their files.
pub(crate) fn command_list() -> Vec<(String, Command)> {
    let orders = order_commands().into_iter().chain(bare_commands());
    let quotes = purposes().into_iter().map(|(name, purpose)| {
        (format!("quote-{name}"), Command::Quote(Box::new(Quote { purpose, ..quote() })))
    });
    orders.map(|(name, command)| (format!("order-{name}"), Command::Order(command))).chain(quotes).collect()
}

/// Lists that hold every variant of everything that facts about orders, and what is asked for them, can hold.
pub(super) fn outcome_lists() -> Vec<(String, Vec<Outcome>)> {
    let order = |fact| Outcome::Fact(Fact::Order(fact));
    let asked = |purpose| {
        let quote = Box::new(Quote { purpose, ..quote() });
        Outcome::Fact(Fact::Quote(QuoteFact::Asked { quote, first_hold: 1, at: AT }))
    };
    let of = |name: &str, outcomes: Vec<Outcome>| (format!("every.{name}"), outcomes);
    let order_id = || text("o-1");
    let bare_facts = [
        OrderFact::DefaultsSet { defaults: Box::new(bare_defaults()), at: AT },
        OrderFact::Changed {
            order_id: order_id(),
            region: None,
            total: None,
            lines: Vec::new(),
            address: None,
            at: AT,
        },
        OrderFact::Payment {
            order_id: order_id(),
            step: PaymentStep::Failed,
            amount: None,
            reference: None,
            at: AT,
        },
        OrderFact::ReturnAsked { request: Box::new(bare_return_request()), day: -1, at: AT },
        OrderFact::ReturnMoved {
            order_id: order_id(),
            return_id: text("r-1"),
            state: ReturnState::Received,
            reason: None,
            at: AT,
        },
    ];
    let bare_purposes = [
        Purpose::OneAction(Box::new(bare_one_action())),
        Purpose::Change(Box::new(OrderChange { address: None, ..change() })),
    ];
    let binding = Effect {
        kind: EffectKind::OrderPlace,
        promise_id: None,
        order_id: Some(order_id()),
        reason: text("order_handed_out"),
        body: Some(text(r#"{"order_id":"o-1","lines":[]}"#)),
        ..effect()
    };
    vec![
        of("order_fact", order_facts().into_iter().map(|(_, fact)| order(fact)).collect()),
        of("order_fact-bare", bare_facts.into_iter().map(order).collect()),
        of("payment_step", payment_steps().into_iter().map(|(_, step)| order(payment(step))).collect()),
        of(
            "return_state",
            return_states().into_iter().map(|(_, state)| order(return_moved(state))).collect(),
        ),
        of("purpose", purposes().into_iter().map(|(_, purpose)| asked(purpose)).collect()),
        of("purpose-bare", bare_purposes.into_iter().map(asked).collect()),
        of(
            "order_line_exchange",
            vec![order(changed(exchanges().into_iter().map(|(_, exchange)| line(exchange)).collect()))],
        ),
        of(
            "effect_with_body",
            vec![
                Outcome::EffectRequested(binding.clone()),
                Outcome::EffectSuppressed { effect: binding, reason: text("import") },
            ],
        ),
    ]
}
