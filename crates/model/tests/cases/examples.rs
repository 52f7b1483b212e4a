//! An example of every variant of everything that is stored. A new variant does not compile before it has one.

use std::borrow::Cow;

use model::connection::{ConnectionCommand, ConnectionFact};
use model::identity::HashedIdentifier;
use model::supply::{Exchange, Shortage};
use model::*;

/// Examples of an enum, each beside the pattern of its variant; the match has no wildcard.
macro_rules! every {
    ($function:ident, $type:ty, $($name:literal: $pattern:pat => $example:expr,)+) => {
        pub(crate) fn $function() -> Vec<(&'static str, $type)> {
            let name_of = |value: &$type| match value { $($pattern => $name),+ };
            let examples: Vec<(&'static str, $type)> = vec![$(($name, $example)),+];
            for (name, example) in &examples {
                assert_eq!(name_of(example), *name, "an example of {} stands in another's place", stringify!($type));
            }
            examples
        }
    };
}

mod campaigns;
mod connection;
mod orders;
mod staff;
mod supply;

pub(crate) use self::campaigns::command_list as campaign_commands;
pub(crate) use self::connection::{
    action_states, command_list as connection_commands, connection_facts, fallbacks, friction_kinds,
    mandate_states, message_classes, need_stages, origins, strategies,
};
pub(crate) use self::orders::{command_list as order_commands, payment_states, payment_steps, return_states};
pub(crate) use self::staff::roles;
use self::supply::{HOLD, of_supply, quote, remedy, reservation};
pub(crate) use self::supply::{shortages, supply_commands};

const AT: Time = Time(1_772_355_600_123_456);
const PARTITION: PartitionId = PartitionId(0);
pub(crate) const CUSTOMER: EntityId = EntityId::customer(PARTITION, 981);

fn text(value: &str) -> String {
    value.to_owned()
}

fn money(minor: i64, code: &str) -> Money {
    Money { minor, currency: Currency::new(code).expect("three capitals") }
}

every!(kinds, EventKind,
    "track": EventKind::Track => EventKind::Track,
    "identify": EventKind::Identify => EventKind::Identify,
    "page": EventKind::Page => EventKind::Page,
    "screen": EventKind::Screen => EventKind::Screen,
    "group": EventKind::Group => EventKind::Group,
    "alias": EventKind::Alias => EventKind::Alias,
);

every!(dedupes, Dedupe,
    "client": Dedupe::Client(_) => Dedupe::Client(DedupeHash([7; 16])),
    "permanent": Dedupe::Permanent(_) => Dedupe::Permanent(DedupeHash([0xfe; 16])),
    "none": Dedupe::None => Dedupe::None,
);

every!(record_kinds, RecordKind,
    "event": RecordKind::Event => RecordKind::Event,
    "rejected": RecordKind::Rejected => RecordKind::Rejected,
    "violation": RecordKind::Violation => RecordKind::Violation,
);

every!(entities, EntityId,
    "customer": EntityId { kind: EntityKind::Customer, .. } => CUSTOMER,
    "workspace": EntityId { kind: EntityKind::Workspace, .. } => EntityId::workspace(),
    "item": EntityId { kind: EntityKind::Item, .. } => of_supply(EntityKind::Item),
    "stock": EntityId { kind: EntityKind::Stock, .. } => of_supply(EntityKind::Stock),
    "resource": EntityId { kind: EntityKind::Resource, .. } => of_supply(EntityKind::Resource),
);

every!(causes, Cause,
    "input": Cause::Input(_) => Cause::Input(981),
    "command": Cause::Command(_) => Cause::Command(u64::MAX),
    "timer": Cause::Timer(_) => Cause::Timer(TimerId(3)),
    "mail": Cause::Mail(_) => Cause::Mail(MailKey { origin: Position::new(PartitionId(65_535), 77), index: 2 }),
    "effects": Cause::Effects => Cause::Effects,
    "consideration": Cause::Consideration => Cause::Consideration,
);

every!(skips, SkipReason,
    "poison": SkipReason::Poison(_) => SkipReason::Poison(text("index out of bounds")),
    "unreadable": SkipReason::Unreadable(_) => SkipReason::Unreadable(text("no key slot 9 exists")),
    "not_understood": SkipReason::NotUnderstood(_) =>
        SkipReason::NotUnderstood(text("properties.on_hand is missing")),
);

every!(cancellers, CancelledBy,
    "customer": CancelledBy::Customer => CancelledBy::Customer,
    "company": CancelledBy::Company => CancelledBy::Company,
    "unknown": CancelledBy::Unknown => CancelledBy::Unknown,
);

every!(order_states, OrderState,
    "placed": OrderState::Placed => OrderState::Placed,
    "confirmed": OrderState::Confirmed => OrderState::Confirmed,
    "allocated": OrderState::Allocated => OrderState::Allocated,
    "partially_fulfilled": OrderState::PartiallyFulfilled => OrderState::PartiallyFulfilled,
    "fulfilled": OrderState::Fulfilled => OrderState::Fulfilled,
    "delivered": OrderState::Delivered => OrderState::Delivered,
    "closed": OrderState::Closed => OrderState::Closed,
    "cancelled": OrderState::Cancelled => OrderState::Cancelled,
    "returned": OrderState::Returned => OrderState::Returned,
    "draft": OrderState::Draft => OrderState::Draft,
    "expired": OrderState::Expired => OrderState::Expired,
    "return_requested": OrderState::ReturnRequested => OrderState::ReturnRequested,
    "partially_returned": OrderState::PartiallyReturned => OrderState::PartiallyReturned,
);

every!(fulfillments, FulfillmentState,
    "processing": FulfillmentState::Processing => FulfillmentState::Processing,
    "shipped": FulfillmentState::Shipped => FulfillmentState::Shipped,
    "in_transit": FulfillmentState::InTransit => FulfillmentState::InTransit,
    "delivered": FulfillmentState::Delivered => FulfillmentState::Delivered,
    "failed_attempt": FulfillmentState::FailedAttempt => FulfillmentState::FailedAttempt,
    "undeliverable": FulfillmentState::Undeliverable => FulfillmentState::Undeliverable,
    "returned_to_sender": FulfillmentState::ReturnedToSender => FulfillmentState::ReturnedToSender,
);

every!(promise_kinds, PromiseKind,
    "order": PromiseKind::Order => PromiseKind::Order,
    "slot": PromiseKind::Slot => PromiseKind::Slot,
    "service": PromiseKind::Service => PromiseKind::Service,
    "claim": PromiseKind::Claim => PromiseKind::Claim,
    "mandate": PromiseKind::Mandate => PromiseKind::Mandate,
);

every!(bases, Basis,
    "atp": Basis::Atp => Basis::Atp,
    "ctp": Basis::Ctp => Basis::Ctp,
    "lead_time": Basis::LeadTime => Basis::LeadTime,
    "quantile": Basis::Quantile => Basis::Quantile,
    "policy": Basis::Policy => Basis::Policy,
);

every!(comparators, Comparator,
    "at_most": Comparator::AtMost => Comparator::AtMost,
    "at_least": Comparator::AtLeast => Comparator::AtLeast,
);

every!(statuses, PromiseStatus,
    "inquired": PromiseStatus::Inquired => PromiseStatus::Inquired,
    "quoted": PromiseStatus::Quoted => PromiseStatus::Quoted,
    "made": PromiseStatus::Made => PromiseStatus::Made,
    "at_risk": PromiseStatus::AtRisk => PromiseStatus::AtRisk,
    "kept": PromiseStatus::Kept => PromiseStatus::Kept,
    "broken": PromiseStatus::Broken => PromiseStatus::Broken,
    "withdrawn": PromiseStatus::Withdrawn => PromiseStatus::Withdrawn,
    "expired": PromiseStatus::Expired => PromiseStatus::Expired,
);

every!(break_causes, BreakCause,
    "clock": BreakCause::Clock => BreakCause::Clock,
    "company": BreakCause::Company => BreakCause::Company,
);

every!(risks, RiskReason,
    "not_handed_over": RiskReason::NotHandedOver => RiskReason::NotHandedOver,
    "scored": RiskReason::Scored { .. } =>
        RiskReason::Scored { probability_late: 0.875, reason: text("carrier backlog") },
    "failed_attempt": RiskReason::FailedAttempt => RiskReason::FailedAttempt,
    "supply_late_receipt": RiskReason::Supply { .. } =>
        RiskReason::Supply { why: Shortage::LateReceipt, what: text("toner@seoul"), covered_at: Some(AT) },
    "left_late": RiskReason::LeftLate => RiskReason::LeftLate,
    "slow_delivery": RiskReason::SlowDelivery => RiskReason::SlowDelivery,
    "tight_plan": RiskReason::TightPlan => RiskReason::TightPlan,
);

every!(effect_kinds, EffectKind,
    "customer.notify": EffectKind::CustomerNotify => EffectKind::CustomerNotify,
    "operations.alert": EffectKind::OperationsAlert => EffectKind::OperationsAlert,
    "order.place": EffectKind::OrderPlace => EffectKind::OrderPlace,
    "order.change": EffectKind::OrderChange => EffectKind::OrderChange,
    "order.cancel": EffectKind::OrderCancel => EffectKind::OrderCancel,
    "payment.authorise": EffectKind::PaymentAuthorise => EffectKind::PaymentAuthorise,
    "payment.capture": EffectKind::PaymentCapture => EffectKind::PaymentCapture,
    "payment.void": EffectKind::PaymentVoid => EffectKind::PaymentVoid,
    "payment.refund": EffectKind::PaymentRefund => EffectKind::PaymentRefund,
    "message.send": EffectKind::MessageSend => EffectKind::MessageSend,
);

every!(effect_results, EffectResult,
    "done": EffectResult::Done => EffectResult::Done,
    "failed": EffectResult::Failed(_) => EffectResult::Failed(text("the address does not exist")),
);

every!(timer_purposes, TimerPurpose,
    "deadline": TimerPurpose::PromiseDeadline(_) => TimerPurpose::PromiseDeadline(text("order:o-1")),
    "hand_over": TimerPurpose::HandOver(_) => TimerPurpose::HandOver(text("order:o-1")),
    "quote_expiry": TimerPurpose::QuoteExpiry(_) => TimerPurpose::QuoteExpiry(text("q-1")),
    "receipt_due": TimerPurpose::ReceiptDue(_) => TimerPurpose::ReceiptDue(text("po-1")),
    "lot_perishes": TimerPurpose::LotPerishes => TimerPurpose::LotPerishes,
    "risk_check": TimerPurpose::RiskCheck(_) => TimerPurpose::RiskCheck(text("q-1")),
    "order_window": TimerPurpose::OrderWindow(_) => TimerPurpose::OrderWindow(text("o-1")),
    "forecast_due": TimerPurpose::ForecastDue { .. } =>
        TimerPurpose::ForecastDue { device_id: text("printer-1"), slot: text("black") },
    "need_due": TimerPurpose::NeedDue(_) => TimerPurpose::NeedDue(text("n-1")),
    "action_due": TimerPurpose::ActionDue(_) => TimerPurpose::ActionDue(text("m-1.2.n-1")),
    "mandate_ends": TimerPurpose::MandateEnds(_) => TimerPurpose::MandateEnds(text("m-1")),
    "purchase_due": TimerPurpose::PurchaseDue(_) => TimerPurpose::PurchaseDue(text("우유")),
);

fn hashed(n: u8) -> HashedIdentifier {
    HashedIdentifier { kind: text("user"), hash: IdentifierHash([n; 16]) }
}

every!(mails, MailBody,
    "profile_joined": MailBody::ProfileJoined { .. } => MailBody::ProfileJoined { from: CUSTOMER },
    "signal_forwarded": MailBody::SignalForwarded { .. } => MailBody::SignalForwarded {
        name: text("fulfillment.delivered"),
        properties: text(r#"{"order_id":"o-1"}"#),
        timestamp: AT,
        timeline: TimelineId(2),
        now: Time(AT.0 + 1),
    },
    "supply": MailBody::Supply(_) => MailBody::Supply(SupplyMail::ReleaseHold { hold: HOLD, expires_at: AT, now: AT }),
);

fn full_terms() -> PromiseTerms {
    PromiseTerms {
        promise_id: text("order:o-1"),
        order_id: Some(text("o-1")),
        kind: PromiseKind::Order,
        attribute: text("delivery"),
        due_at: AT,
        time_zone: text("Asia/Seoul"),
        tolerance_micros: 3_600_000_000,
        target: Some(Target {
            comparator: Comparator::AtMost,
            value: 10.5,
            tolerance: 0.25,
            unit: text("min"),
        }),
        hand_over_by: Some(Time(AT.0 - 86_400_000_000)),
        probability: Some(0.95),
        basis: Some(Basis::Atp),
        reasons: vec![text("cutter is booked"), text("holiday")],
        marketing_owner: Some(text("mina")),
        operations_owner: Some(text("jun")),
    }
}

fn bare_terms() -> PromiseTerms {
    PromiseTerms {
        order_id: None,
        target: None,
        hand_over_by: None,
        probability: None,
        basis: None,
        reasons: Vec::new(),
        marketing_owner: None,
        operations_owner: None,
        ..full_terms()
    }
}

pub(crate) fn effect() -> Effect {
    Effect {
        key: text("cus-0-981/order:o-1/broken"),
        kind: EffectKind::CustomerNotify,
        promise_id: Some(text("order:o-1")),
        order_id: None,
        reason: text("promise_broken"),
        body: None,
    }
}

every!(facts, Fact,
    "order.placed": Fact::OrderPlaced { .. } => Fact::OrderPlaced {
        order_id: text("o-1"),
        at: AT,
        region: Some(text("SP")),
        total: Some(money(4990, "BRL")),
        lines: vec![
            orders::line(Exchange::Mediated { partner: text("Hanil") }),
            OrderLine {
                product_id: text("p-2"),
                category: None,
                seller_id: None,
                quantity: 1.0,
                price: None,
                exchange: Exchange::Direct,
            },
        ],
    },
    "order.moved": Fact::OrderMoved { .. } =>
        Fact::OrderMoved { order_id: text("o-1"), state: OrderState::Confirmed, at: AT },
    "order.cancelled": Fact::OrderCancelled { .. } => Fact::OrderCancelled {
        order_id: text("o-1"),
        by: CancelledBy::Company,
        at: AT,
        reason: Some(text("out of stock")),
        time_inferred: true,
        stands: true,
    },
    "order.refunded": Fact::OrderRefunded { .. } =>
        Fact::OrderRefunded { order_id: text("o-1"), at: AT, amount: Some(money(-5, "EUR")) },
    "payment.captured": Fact::PaymentCaptured { .. } => Fact::PaymentCaptured {
        order_id: text("o-1"),
        at: AT,
        amount: Some(money(1234, "KWD")),
        method: Some(text("boleto")),
        installments: Some(12),
    },
    "fulfillment.moved": Fact::FulfillmentMoved { .. } => Fact::FulfillmentMoved {
        order_id: text("o-1"),
        state: FulfillmentState::Delivered,
        at: AT,
        fraction: 0.5,
        damaged: true,
    },
    "promise.inquired": Fact::PromiseInquired { .. } => Fact::PromiseInquired { terms: bare_terms(), at: AT },
    "promise.quoted": Fact::PromiseQuoted { .. } =>
        Fact::PromiseQuoted { terms: bare_terms(), at: AT, expires_at: Time(AT.0 + 5) },
    "promise.made": Fact::PromiseMade { .. } => Fact::PromiseMade { terms: full_terms(), at: AT },
    "promise.at_risk": Fact::PromiseAtRisk { .. } =>
        Fact::PromiseAtRisk { promise_id: text("order:o-1"), at: AT, why: RiskReason::NotHandedOver },
    "promise.recovered": Fact::PromiseRecovered { .. } =>
        Fact::PromiseRecovered { promise_id: text("order:o-1"), at: AT },
    "promise.revised": Fact::PromiseRevised { .. } => Fact::PromiseRevised {
        promise_id: text("order:o-1"),
        at: AT,
        version: 2,
        due_at: Time(AT.0 + 9),
        reason: Some(text("storm")),
    },
    "promise.kept": Fact::PromiseKept { .. } =>
        Fact::PromiseKept { promise_id: text("order:o-1"), at: AT, actual: Some(9.5) },
    "promise.broken": Fact::PromiseBroken { .. } =>
        Fact::PromiseBroken { promise_id: text("order:o-1"), at: AT, cause: BreakCause::Clock },
    "promise.fulfilled_late": Fact::PromiseFulfilledLate { .. } =>
        Fact::PromiseFulfilledLate { promise_id: text("order:o-1"), at: AT, actual: None },
    "promise.corrected": Fact::PromiseCorrected { .. } => Fact::PromiseCorrected {
        promise_id: text("order:o-1"),
        at: Time(AT.0 + 1),
        fulfilled_at: AT,
        actual: Some(0.0),
    },
    "promise.withdrawn": Fact::PromiseWithdrawn { .. } => Fact::PromiseWithdrawn {
        promise_id: text("order:o-1"),
        at: AT,
        by: CancelledBy::Unknown,
        reason: None,
    },
    "promise.expired": Fact::PromiseExpired { .. } => Fact::PromiseExpired { promise_id: text("q-1"), at: AT },
    "review.given": Fact::ReviewGiven { .. } =>
        Fact::ReviewGiven { order_id: text("o-1"), review_id: text("r-1"), at: AT, rating: 5 },
    "profile.merged": Fact::ProfileMerged { .. } => Fact::ProfileMerged { into: CUSTOMER, at: AT },
    "profile.erased": Fact::ProfileErased { .. } => Fact::ProfileErased { at: AT },
    "source.created": Fact::SourceCreated { .. } =>
        Fact::SourceCreated { source: text("web"), key_hash: [0xab; 32], at: AT },
    "source.revoked": Fact::SourceRevoked { .. } => Fact::SourceRevoked { source: text("web"), at: AT },
    "effects.switched": Fact::EffectsSwitched { .. } =>
        Fact::EffectsSwitched { on: false, at: AT, reason: text("restored from a backup") },
    "import.started": Fact::ImportStarted { .. } =>
        Fact::ImportStarted { timeline: 3, name: text("olist"), at: AT },
    "import.finished": Fact::ImportFinished { .. } =>
        Fact::ImportFinished { timeline: 3, at: AT, events: 1_550_922, bad_rows: 17 },
    "dead_letter.replayed": Fact::DeadLetterReplayed { .. } => Fact::DeadLetterReplayed { seq: 44, at: AT },
    "webhook.connected": Fact::WebhookConnected { .. } => Fact::WebhookConnected {
        name: text("shop"), map: text("source: shop\nrows: []\n"), secret: text("s3cret"), at: AT },
    "webhook.disconnected": Fact::WebhookDisconnected { .. } =>
        Fact::WebhookDisconnected { name: text("shop"), at: AT },
    "plan.published": Fact::PlanPublished { .. } =>
        Fact::PlanPublished { version: 2, plan: text(r#"{"events":{}}"#), at: AT },
    "broker.connected": Fact::BrokerConnected { .. } =>
        Fact::BrokerConnected { name: text("field"), settings: text(r#"{"url":"mqtt://b"}"#), at: AT },
    "broker.disconnected": Fact::BrokerDisconnected { .. } =>
        Fact::BrokerDisconnected { name: text("field"), at: AT },
    "identity_rules.published": Fact::IdentityRulesPublished { .. } =>
        Fact::IdentityRulesPublished { version: 1, rules: text("{}"), at: AT },
    "profile.parted": Fact::ProfileParted { .. } => Fact::ProfileParted { from: CUSTOMER, at: AT },
    "identifiers.parted": Fact::IdentifiersParted { .. } => Fact::IdentifiersParted {
        one: hashed(1), other: hashed(2), at: AT },
    "identifiers.joined": Fact::IdentifiersJoined { .. } => Fact::IdentifiersJoined {
        one: hashed(1), other: hashed(2), at: AT },
    "signal.kept": Fact::SignalKept { .. } => Fact::SignalKept {
        about: text("p-1"), name: text("promise.fulfilled"), properties: text("{}"), at: AT },
    "quote.asked": Fact::Quote(_) => Fact::Quote(QuoteFact::Asked { quote: Box::new(quote()), first_hold: 3, at: AT }),
    "hold.confirmed": Fact::Supply(_) => Fact::Supply(SupplyFact::HoldConfirmed { hold: HOLD, at: AT }),
    "source.allowed": Fact::SourceAllowed { .. } =>
        Fact::SourceAllowed { source: text("checkout"), allowed: Allowed { promises: true, orders: true, only_customers: false }, at: AT },
    "promise.scored": Fact::PromiseScored { .. } => Fact::PromiseScored {
        promise_id: text("q-1"), at: AT, probability: 0.625, act_by: Time(AT.0 + 7) },
    "order.handed_out": Fact::Order(_) => Fact::Order(OrderFact::HandedOut { order_id: text("o-1"), at: AT }),
    "outlet.connected": Fact::OutletConnected { .. } => Fact::OutletConnected {
        name: text("shop"), settings: text(r#"{"url":"https://shop.example/orders"}"#), at: AT },
    "outlet.disconnected": Fact::OutletDisconnected { .. } =>
        Fact::OutletDisconnected { name: text("shop"), at: AT },
    "outlet.disabled": Fact::OutletDisabled { .. } =>
        Fact::OutletDisabled { name: text("shop"), reason: text("410 Gone"), at: AT },
    "campaign.planned": Fact::CampaignPlanned { .. } =>
        Fact::CampaignPlanned { plan: Box::new(campaigns::plan()), at: AT },
    "campaign.ended": Fact::CampaignEnded { .. } => Fact::CampaignEnded { campaign: text("spring"), at: AT },
    "coach.snoozed": Fact::Connection(_) => Fact::Connection(ConnectionFact::Snoozed {
        category: text("toner"), until: AT, at: AT }),
    "staff.set": Fact::StaffSet { .. } => Fact::StaffSet { account: staff::account(), at: AT },
    "staff.removed": Fact::StaffRemoved { .. } => Fact::StaffRemoved { name: text("jun"), at: AT },
);

every!(outcomes, Outcome,
    "fact": Outcome::Fact(_) => Outcome::Fact(Fact::ProfileErased { at: AT }),
    "timer_set": Outcome::TimerSet { .. } => Outcome::TimerSet {
        id: TimerId(1),
        due: AT,
        timeline: TimelineId::LIVE,
        purpose: TimerPurpose::PromiseDeadline(text("order:o-1")),
    },
    "timer_cleared": Outcome::TimerCleared { .. } => Outcome::TimerCleared { id: TimerId(1) },
    "timer_fired": Outcome::TimerFired { .. } => Outcome::TimerFired { id: TimerId(u64::MAX) },
    "mail": Outcome::Mail { .. } => Outcome::Mail {
        to: CUSTOMER,
        body: MailBody::ProfileJoined { from: EntityId::workspace() },
    },
    "effect_requested": Outcome::EffectRequested(_) => Outcome::EffectRequested(effect()),
    "effect_suppressed": Outcome::EffectSuppressed { .. } =>
        Outcome::EffectSuppressed { effect: effect(), reason: text("import") },
    "effect_started": Outcome::EffectStarted { .. } => Outcome::EffectStarted { key: effect().key },
    "effect_settled": Outcome::EffectSettled { .. } =>
        Outcome::EffectSettled { key: effect().key, result: EffectResult::Done },
    "effect_unknown": Outcome::EffectUnknown { .. } => Outcome::EffectUnknown { key: effect().key },
    "ignored": Outcome::Ignored { .. } => Outcome::Ignored { reason: text("order o-1 was placed before") },
);

every!(commands, Command,
    "create_source": Command::CreateSource { .. } =>
        Command::CreateSource { source: text("web"), key_hash: [1; 32] },
    "revoke_source": Command::RevokeSource { .. } => Command::RevokeSource { source: text("web") },
    "switch_effects": Command::SwitchEffects { .. } =>
        Command::SwitchEffects { on: true, reason: text("checked") },
    "start_import": Command::StartImport { .. } => Command::StartImport { name: text("olist") },
    "finish_import": Command::FinishImport { .. } =>
        Command::FinishImport { name: text("olist"), events: 12, bad_rows: 0 },
    "erase": Command::Erase => Command::Erase,
    "settle_effect": Command::SettleEffect { .. } =>
        Command::SettleEffect { key: effect().key, result: EffectResult::Failed(text("gone")) },
    "mark_effect_unknown": Command::MarkEffectUnknown { .. } => Command::MarkEffectUnknown { key: effect().key },
    "note_dead_letter_replayed": Command::NoteDeadLetterReplayed { .. } =>
        Command::NoteDeadLetterReplayed { seq: 300 },
    "connect_webhook": Command::ConnectWebhook { .. } => Command::ConnectWebhook {
        name: text("shop"), map: text("source: shop\nrows: []\n"), secret: text("s3cret") },
    "disconnect_webhook": Command::DisconnectWebhook { .. } =>
        Command::DisconnectWebhook { name: text("shop") },
    "publish_plan": Command::PublishPlan { .. } => Command::PublishPlan { plan: text(r#"{"events":{}}"#) },
    "connect_broker": Command::ConnectBroker { .. } =>
        Command::ConnectBroker { name: text("field"), settings: text(r#"{"url":"mqtt://b"}"#) },
    "disconnect_broker": Command::DisconnectBroker { .. } => Command::DisconnectBroker { name: text("field") },
    "publish_identity_rules": Command::PublishIdentityRules { .. } =>
        Command::PublishIdentityRules { rules: text("{}") },
    "part_identifiers": Command::PartIdentifiers { .. } =>
        Command::PartIdentifiers { one: hashed(1), other: hashed(2) },
    "join_identifiers": Command::JoinIdentifiers { .. } =>
        Command::JoinIdentifiers { one: hashed(1), other: hashed(2) },
    "quote": Command::Quote(_) => Command::Quote(Box::new(quote())),
    "confirm_quote": Command::ConfirmQuote { .. } =>
        Command::ConfirmQuote { quote_id: text("q-1"), order_id: text("o-1") },
    "release_quote": Command::ReleaseQuote { .. } => Command::ReleaseQuote { quote_id: text("q-1") },
    "supply": Command::Supply(_) => Command::Supply(SupplyCommand::Reserve(reservation())),
    "allow_source": Command::AllowSource { .. } =>
        Command::AllowSource { source: text("checkout"), allowed: Allowed { promises: true, orders: true, only_customers: false } },
    "apply_remedy": Command::ApplyRemedy(_) => Command::ApplyRemedy(remedy()),
    "order": Command::Order(_) => Command::Order(OrderCommand::Undo { order_id: text("o-1") }),
    "connect_outlet": Command::ConnectOutlet { .. } => Command::ConnectOutlet {
        name: text("shop"), settings: text(r#"{"url":"https://shop.example/orders"}"#) },
    "disconnect_outlet": Command::DisconnectOutlet { .. } => Command::DisconnectOutlet { name: text("shop") },
    "disable_outlet": Command::DisableOutlet { .. } =>
        Command::DisableOutlet { name: text("shop"), reason: text("410 Gone") },
    "plan_campaign": Command::PlanCampaign(_) => Command::PlanCampaign(Box::new(campaigns::plan())),
    "end_campaign": Command::EndCampaign { .. } => Command::EndCampaign { campaign: text("spring") },
    "connection": Command::Connection(_) =>
        Command::Connection(ConnectionCommand::PauseMandate { mandate_id: text("m-1") }),
    "set_staff": Command::SetStaff(_) => Command::SetStaff(staff::account()),
    "remove_staff": Command::RemoveStaff { .. } => Command::RemoveStaff { name: text("jun") },
);

pub(crate) fn sealed(len: usize) -> Sealed<'static> {
    Sealed { key: KeyId(12), bytes: Cow::Owned((0..len).map(|n| (n * 31) as u8).collect()) }
}

every!(entries, Entry<'static>,
    "applied": Entry::Applied { .. } => Entry::Applied { first: 1, count: 300, duplicates: vec![0, 7, 299] },
    "command": Entry::Command { .. } => Entry::Command {
        entity: EntityId::workspace(),
        at: AT,
        request: Some(IdentifierHash([9; 16])),
        body: sealed(40),
    },
    "outcome": Entry::Outcome { .. } => Entry::Outcome {
        entity: CUSTOMER,
        cause: Cause::Input(981),
        timeline: TimelineId::LIVE,
        at: AT,
        reference: 4,
        body: sealed(300),
    },
    "delivered": Entry::Delivered { .. } =>
        Entry::Delivered { mail: MailKey { origin: Position::new(PARTITION, 5), index: 1 }, to: CUSTOMER },
    "clock_advanced": Entry::ClockAdvanced { .. } =>
        Entry::ClockAdvanced { timeline: TimelineId(7), to: Time(-62_135_596_800_000_000) },
    "reference_published": Entry::ReferencePublished { .. } => Entry::ReferencePublished {
        version: 2,
        body: Cow::Borrowed(r#"{"version":2,"at_risk_threshold":0.4}"#),
    },
    "skipped": Entry::Skipped { .. } => Entry::Skipped { seq: 12, reason: SkipReason::Poison(text("boom")) },
    "lost": Entry::Lost => Entry::Lost,
);

pub(crate) fn event(kind: EventKind) -> Event<'static> {
    Event {
        kind,
        name: "order.placed".into(),
        user_id: Some("c-1".into()),
        anonymous_id: Some("7f3a".into()),
        previous_id: Some("old".into()),
        group_id: Some("household-9".into()),
        message_id: "m-1".into(),
        timestamp: AT,
        properties: Some(r#"{"order_id":"o-1"}"#.into()),
        traits: Some(r#"{"name":"김하늘"}"#.into()),
        context: Some(r#"{"ip":"198.51.100.7"}"#.into()),
        rest: Some(r#"{"integrations":{}}"#.into()),
    }
}

pub(crate) fn bare_event() -> Event<'static> {
    Event {
        kind: EventKind::Page,
        name: "".into(),
        user_id: None,
        anonymous_id: None,
        previous_id: None,
        group_id: None,
        message_id: "".into(),
        timestamp: Time(0),
        properties: None,
        traits: None,
        context: None,
        rest: None,
    }
}

pub(crate) fn record(kind: RecordKind, dedupe: Dedupe) -> IntakeRecord<'static> {
    IntakeRecord {
        header: IntakeHeader {
            kind,
            source: "web".into(),
            timeline: TimelineId::LIVE,
            received_at: AT,
            at: Time(AT.0 - 1),
            dedupe,
        },
        body: sealed(130),
    }
}

pub(crate) fn rejected() -> RejectedBody<'static> {
    RejectedBody {
        code: "missing_identifier".into(),
        reason: "neither userId nor anonymousId".into(),
        place: "/v1/batch, item 3".into(),
        raw: "{\"type\":\"track\",\"event\":\"\u{0}\"}".into(),
    }
}

pub(crate) fn violation() -> ViolationBody<'static> {
    ViolationBody {
        event: "Order Completed".into(),
        sender: "shop@2.1.0".into(),
        plan: 3,
        blocked: true,
        message_id: "m-1".into(),
        violations: vec![
            Violation { pointer: "/products/*/price".into(), rule: "type".into(), expected: "number".into() },
            Violation { pointer: "/email".into(), rule: "purpose".into(), expected: "".into() },
        ],
        more: 70_000,
    }
}

/// Lists of outcomes that hold every variant of everything that an outcome can hold.
pub(crate) fn outcome_lists() -> Vec<(String, Vec<Outcome>)> {
    let mut lists: Vec<(String, Vec<Outcome>)> = vec![("empty".into(), Vec::new())];
    for (name, outcome) in outcomes() {
        lists.push((name.into(), vec![outcome]));
    }
    for (name, fact) in facts() {
        assert_eq!(fact.name(), name);
        lists.push((format!("fact.{name}"), vec![Outcome::Fact(fact)]));
    }
    for (name, body) in mails() {
        lists.push((format!("mail.{name}"), vec![Outcome::Mail { to: CUSTOMER, body }]));
    }
    let promise_id = || text("p");
    let of = |name: &str, outcomes: Vec<Outcome>| (name.to_owned(), outcomes);
    let fact = Outcome::Fact;
    let made = |terms| fact(Fact::PromiseMade { terms, at: AT });
    let all = |outcomes: &mut dyn Iterator<Item = Outcome>| outcomes.collect::<Vec<_>>();
    lists.extend(supply::outcome_lists());
    lists.extend(orders::outcome_lists());
    lists.extend(campaigns::outcome_lists());
    lists.extend(connection::outcome_lists());
    lists.extend(staff::outcome_lists());
    lists.push(of(
        "every.risk_reason",
        all(&mut risks()
            .into_iter()
            .map(|(_, why)| fact(Fact::PromiseAtRisk { promise_id: promise_id(), at: AT, why }))),
    ));
    lists.push(of(
        "every.break_cause",
        all(&mut break_causes()
            .into_iter()
            .map(|(_, cause)| fact(Fact::PromiseBroken { promise_id: promise_id(), at: AT, cause }))),
    ));
    lists.push(of(
        "every.cancelled_by",
        all(&mut cancellers().into_iter().map(|(_, by)| {
            fact(Fact::PromiseWithdrawn { promise_id: promise_id(), at: AT, by, reason: None })
        })),
    ));
    lists.push(of(
        "every.order_state",
        all(&mut order_states()
            .into_iter()
            .map(|(_, state)| fact(Fact::OrderMoved { order_id: text("o"), state, at: AT }))),
    ));
    lists.push(of(
        "every.fulfillment_state",
        all(&mut fulfillments().into_iter().map(|(_, state)| {
            let order_id = text("o");
            fact(Fact::FulfillmentMoved { order_id, state, at: AT, fraction: 1.0, damaged: false })
        })),
    ));
    lists.push(of(
        "every.promise_kind",
        all(&mut promise_kinds().into_iter().map(|(_, kind)| made(PromiseTerms { kind, ..bare_terms() }))),
    ));
    lists.push(of(
        "every.basis",
        all(&mut bases()
            .into_iter()
            .map(|(_, basis)| made(PromiseTerms { basis: Some(basis), ..bare_terms() }))),
    ));
    lists.push(of(
        "every.comparator",
        all(&mut comparators().into_iter().map(|(_, comparator)| {
            let target = Target { comparator, value: -0.5, tolerance: 0.0, unit: String::new() };
            made(PromiseTerms { target: Some(target), ..bare_terms() })
        })),
    ));
    lists.push(of(
        "every.timer_purpose",
        all(&mut timer_purposes().into_iter().map(|(_, purpose)| Outcome::TimerSet {
            id: TimerId(300),
            due: AT,
            timeline: TimelineId(1),
            purpose,
        })),
    ));
    lists.push(of(
        "every.effect_kind",
        all(&mut effect_kinds()
            .into_iter()
            .map(|(_, kind)| Outcome::EffectRequested(Effect { kind, ..effect() }))),
    ));
    lists.push(of(
        "every.effect_result",
        all(&mut effect_results()
            .into_iter()
            .map(|(_, result)| Outcome::EffectSettled { key: effect().key, result })),
    ));
    lists
}
