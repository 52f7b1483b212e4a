//! What the reader hands out, and how it is read from the tables.

use model::{
    Basis, BreakCause, CancelledBy, Comparator, Currency, EffectKind, EntityId, Money, OrderState,
    PromiseKind, PromiseStatus, Time, TimelineId,
};
use rusqlite::types::{FromSql, Type};
use rusqlite::{Result, Row};
use serde::Serialize;

use crate::change::{EffectState, ProfileRow, PromiseCounts};
use crate::wire::{self, Named};

/// A row type, and the columns that it is read from, in order.
pub(crate) trait FromColumns: Sized {
    const COLUMNS: &'static str;
    fn read(row: &mut Columns<'_, '_>) -> Result<Self>;

    fn from_row(row: &Row<'_>) -> Result<Self> {
        Self::read(&mut Columns::of(row))
    }
}

/// Reads a row's columns from left to right.
pub(crate) struct Columns<'a, 'b> {
    row: &'a Row<'b>,
    next: usize,
}

/// A long text as it is kept; JSON shrinks to about a fifth.
pub(crate) fn packed(text: &str) -> Vec<u8> {
    zstd::bulk::compress(text.as_bytes(), 1).expect("memory is compressed to memory")
}

impl<'a, 'b> Columns<'a, 'b> {
    pub(crate) fn of(row: &'a Row<'b>) -> Self {
        Columns { row, next: 0 }
    }

    pub(crate) fn take<T: FromSql>(&mut self) -> Result<T> {
        self.next += 1;
        self.row.get(self.next - 1)
    }

    fn refuse(&self, what: &str) -> rusqlite::Error {
        rusqlite::Error::FromSqlConversionFailure(self.next - 1, Type::Text, what.into())
    }

    /// A text that was [`packed`].
    pub(crate) fn packed(&mut self) -> Result<String> {
        let bytes: Vec<u8> = self.take()?;
        let unpacked = zstd::stream::decode_all(bytes.as_slice()).ok();
        unpacked.and_then(|text| String::from_utf8(text).ok()).ok_or_else(|| self.refuse("not a packed text"))
    }

    pub(crate) fn entity(&mut self) -> Result<EntityId> {
        self.entity_opt()?.ok_or_else(|| self.refuse("no entity"))
    }

    fn entity_opt(&mut self) -> Result<Option<EntityId>> {
        let key: Option<Vec<u8>> = self.take()?;
        key.map(|key| EntityId::from_key(&key).ok_or_else(|| self.refuse("not an entity"))).transpose()
    }

    pub(crate) fn time(&mut self) -> Result<Time> {
        self.take().map(Time)
    }

    pub(crate) fn time_opt(&mut self) -> Result<Option<Time>> {
        Ok(self.take::<Option<i64>>()?.map(Time))
    }

    pub(crate) fn timeline(&mut self) -> Result<TimelineId> {
        self.take().map(TimelineId)
    }

    pub(crate) fn named<T: Named>(&mut self) -> Result<T> {
        self.named_opt()?.ok_or_else(|| self.refuse("a name is missing"))
    }

    pub(crate) fn named_opt<T: Named>(&mut self) -> Result<Option<T>> {
        self.next += 1;
        let text = self.row.get_ref(self.next - 1)?.as_str_or_null()?;
        text.map(|text| T::named(text).ok_or_else(|| self.refuse("not a known name"))).transpose()
    }

    /// Two columns: minor units and currency.
    pub(crate) fn money_opt(&mut self) -> Result<Option<Money>> {
        let (minor, code): (Option<i64>, Option<String>) = (self.take()?, self.take()?);
        let Some((minor, code)) = minor.zip(code) else { return Ok(None) };
        let currency = Currency::new(&code).ok_or_else(|| self.refuse("not a currency"))?;
        Ok(Some(Money { minor, currency }))
    }

    pub(crate) fn texts(&mut self) -> Result<Vec<String>> {
        let json: String = self.take()?;
        serde_json::from_str(&json).map_err(|_| self.refuse("not a list of texts"))
    }
}

impl FromColumns for ProfileRow {
    const COLUMNS: &'static str = "entity, user_id, anonymous_ids, name, email, first_seen, last_seen, event_count, \
        orders, promises_made, promises_open, promises_kept, promises_broken, promises_withdrawn, merged_into, traits";

    fn read(row: &mut Columns<'_, '_>) -> Result<Self> {
        Ok(ProfileRow {
            entity: row.entity()?,
            user_id: row.take()?,
            anonymous_ids: row.texts()?,
            name: row.take()?,
            email: row.take()?,
            first_seen: row.time()?,
            last_seen: row.time()?,
            event_count: row.take()?,
            orders: row.take()?,
            promises: PromiseCounts {
                made: row.take()?,
                open: row.take()?,
                kept: row.take()?,
                broken: row.take()?,
                withdrawn: row.take()?,
            },
            merged_into: row.entity_opt()?,
            traits: row.take()?,
        })
    }
}

#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct OrderRow {
    #[serde(serialize_with = "wire::entity")]
    pub entity: EntityId,
    pub order_id: String,
    pub timeline: TimelineId,
    #[serde(serialize_with = "wire::name")]
    pub state: OrderState,
    pub region: Option<String>,
    #[serde(serialize_with = "wire::time_opt")]
    pub placed_at: Option<Time>,
    #[serde(serialize_with = "wire::money_opt")]
    pub total: Option<Money>,
    #[serde(serialize_with = "wire::time_opt")]
    pub shipped_at: Option<Time>,
    /// When all of it had been delivered, by the earliest report.
    #[serde(serialize_with = "wire::time_opt")]
    pub delivered_at: Option<Time>,
    /// The most of it that a carrier reported delivered, 0 to 1.
    pub delivered_fraction: Option<f64>,
    pub damaged: bool,
    #[serde(serialize_with = "wire::time_opt")]
    pub cancelled_at: Option<Time>,
    #[serde(serialize_with = "wire::name_opt")]
    pub cancelled_by: Option<CancelledBy>,
    pub cancel_reason: Option<String>,
    pub cancel_time_inferred: Option<bool>,
    #[serde(serialize_with = "wire::time_opt")]
    pub refunded_at: Option<Time>,
    pub lines: Vec<OrderLineRow>,
}

impl FromColumns for OrderRow {
    const COLUMNS: &'static str = "entity, order_id, timeline, state, region, placed_at, total_minor, currency, \
        shipped_at, delivered_at, delivered_fraction, damaged, cancelled_at, cancelled_by, cancel_reason, \
        cancel_time_inferred, refunded_at";

    fn read(row: &mut Columns<'_, '_>) -> Result<Self> {
        Ok(OrderRow {
            entity: row.entity()?,
            order_id: row.take()?,
            timeline: row.timeline()?,
            state: row.named()?,
            region: row.take()?,
            placed_at: row.time_opt()?,
            total: row.money_opt()?,
            shipped_at: row.time_opt()?,
            delivered_at: row.time_opt()?,
            delivered_fraction: row.take()?,
            damaged: row.take()?,
            cancelled_at: row.time_opt()?,
            cancelled_by: row.named_opt()?,
            cancel_reason: row.take()?,
            cancel_time_inferred: row.take()?,
            refunded_at: row.time_opt()?,
            lines: Vec::new(),
        })
    }
}

#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct OrderLineRow {
    #[serde(skip)]
    pub order_id: String,
    pub product_id: String,
    pub category: Option<String>,
    pub seller_id: Option<String>,
    pub quantity: f64,
    #[serde(serialize_with = "wire::money_opt")]
    pub price: Option<Money>,
    /// `direct`, `mediated` or `financial`.
    pub exchange: String,
    pub partner: Option<String>,
    pub terms: Option<String>,
}

impl FromColumns for OrderLineRow {
    const COLUMNS: &'static str = "order_id, product_id, category, seller_id, quantity, price_minor, currency, exchange, partner, terms";

    fn read(row: &mut Columns<'_, '_>) -> Result<Self> {
        Ok(OrderLineRow {
            order_id: row.take()?,
            product_id: row.take()?,
            category: row.take()?,
            seller_id: row.take()?,
            quantity: row.take()?,
            price: row.money_opt()?,
            exchange: row.take()?,
            partner: row.take()?,
            terms: row.take()?,
        })
    }
}

#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct PaymentRow {
    pub order_id: String,
    /// `captured` or `refunded`.
    pub kind: String,
    #[serde(serialize_with = "wire::time")]
    pub at: Time,
    #[serde(serialize_with = "wire::money_opt")]
    pub amount: Option<Money>,
    pub method: Option<String>,
    pub installments: Option<u32>,
}

impl FromColumns for PaymentRow {
    const COLUMNS: &'static str = "order_id, kind, at, amount_minor, currency, method, installments";

    fn read(row: &mut Columns<'_, '_>) -> Result<Self> {
        Ok(PaymentRow {
            order_id: row.take()?,
            kind: row.take()?,
            at: row.time()?,
            amount: row.money_opt()?,
            method: row.take()?,
            installments: row.take()?,
        })
    }
}

/// A return, as whoever decides about it sees it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct ReturnRow {
    #[serde(serialize_with = "wire::entity")]
    pub entity: EntityId,
    pub order_id: String,
    pub return_id: String,
    pub state: String,
    #[serde(serialize_with = "wire::time")]
    pub asked_at: Time,
    /// Days since the delivery, by the customer's calendar.
    pub day: i64,
    /// As JSON; none where it is the whole order.
    #[serde(serialize_with = "wire::json_opt")]
    pub lines: Option<String>,
    pub asked_reason: Option<String>,
    pub reason: Option<String>,
    #[serde(serialize_with = "wire::time")]
    pub moved_at: Time,
}

impl FromColumns for ReturnRow {
    const COLUMNS: &'static str =
        "entity, order_id, return_id, state, asked_at, day, lines, asked_reason, reason, moved_at";

    fn read(row: &mut Columns<'_, '_>) -> Result<Self> {
        Ok(ReturnRow {
            entity: row.entity()?,
            order_id: row.take()?,
            return_id: row.take()?,
            state: row.take()?,
            asked_at: row.time()?,
            day: row.take()?,
            lines: row.take()?,
            asked_reason: row.take()?,
            reason: row.take()?,
            moved_at: row.time()?,
        })
    }
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct ReviewRow {
    pub order_id: String,
    pub review_id: String,
    #[serde(serialize_with = "wire::time")]
    pub at: Time,
    pub rating: u8,
}

impl FromColumns for ReviewRow {
    const COLUMNS: &'static str = "order_id, review_id, at, rating";

    fn read(row: &mut Columns<'_, '_>) -> Result<Self> {
        Ok(ReviewRow { order_id: row.take()?, review_id: row.take()?, at: row.time()?, rating: row.take()? })
    }
}

#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct PromiseRow {
    #[serde(serialize_with = "wire::entity")]
    pub entity: EntityId,
    pub promise_id: String,
    pub timeline: TimelineId,
    pub order_id: Option<String>,
    #[serde(serialize_with = "wire::name")]
    pub kind: PromiseKind,
    pub attribute: String,
    #[serde(serialize_with = "wire::name")]
    pub status: PromiseStatus,
    pub version: u32,
    /// As made; no revision moves it.
    #[serde(serialize_with = "wire::time")]
    pub first_due_at: Time,
    #[serde(serialize_with = "wire::time")]
    pub due_at: Time,
    /// Of `due_at`, in `time_zone`.
    pub due_month: String,
    pub time_zone: String,
    pub tolerance_micros: i64,
    pub target: Option<TargetRow>,
    #[serde(serialize_with = "wire::time_opt")]
    pub hand_over_by: Option<Time>,
    pub probability: Option<f64>,
    #[serde(serialize_with = "wire::name_opt")]
    pub basis: Option<Basis>,
    pub reasons: Vec<String>,
    pub marketing_owner: Option<String>,
    pub operations_owner: Option<String>,
    #[serde(serialize_with = "wire::time_opt")]
    pub inquired_at: Option<Time>,
    #[serde(serialize_with = "wire::time_opt")]
    pub quoted_at: Option<Time>,
    #[serde(serialize_with = "wire::time_opt")]
    pub expires_at: Option<Time>,
    #[serde(serialize_with = "wire::time_opt")]
    pub made_at: Option<Time>,
    #[serde(serialize_with = "wire::time_opt")]
    pub fulfilled_at: Option<Time>,
    pub actual: Option<f64>,
    /// The first verdict stays on record when it is corrected.
    #[serde(serialize_with = "wire::time_opt")]
    pub broken_at: Option<Time>,
    #[serde(serialize_with = "wire::name_opt")]
    pub cause: Option<BreakCause>,
    pub corrected: bool,
    #[serde(serialize_with = "wire::time_opt")]
    pub corrected_at: Option<Time>,
    #[serde(serialize_with = "wire::time_opt")]
    pub withdrawn_at: Option<Time>,
    #[serde(serialize_with = "wire::name_opt")]
    pub withdrawn_by: Option<CancelledBy>,
    pub withdrawn_reason: Option<String>,
    #[serde(serialize_with = "wire::time_opt")]
    pub expired_at: Option<Time>,
    pub ever_at_risk: bool,
    /// Why it was last at risk.
    pub risk_reason: Option<String>,
}

/// A number that was promised beside the date.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct TargetRow {
    #[serde(serialize_with = "wire::name")]
    pub comparator: Comparator,
    pub value: f64,
    pub tolerance: f64,
    pub unit: String,
}

impl FromColumns for PromiseRow {
    const COLUMNS: &'static str = "entity, promise_id, timeline, order_id, kind, attribute, status, version, \
        first_due_at, due_at, due_month, time_zone, tolerance_micros, comparator, target_value, target_tolerance, \
        target_unit, hand_over_by, probability, basis, reasons, marketing_owner, operations_owner, inquired_at, \
        quoted_at, expires_at, made_at, fulfilled_at, actual, broken_at, cause, corrected_at, withdrawn_at, \
        withdrawn_by, withdrawn_reason, expired_at, ever_at_risk, risk_reason";

    fn read(row: &mut Columns<'_, '_>) -> Result<Self> {
        let mut promise = PromiseRow {
            entity: row.entity()?,
            promise_id: row.take()?,
            timeline: row.timeline()?,
            order_id: row.take()?,
            kind: row.named()?,
            attribute: row.take()?,
            status: row.named()?,
            version: row.take()?,
            first_due_at: row.time()?,
            due_at: row.time()?,
            due_month: row.take()?,
            time_zone: row.take()?,
            tolerance_micros: row.take()?,
            target: TargetRow::read_opt(row)?,
            hand_over_by: row.time_opt()?,
            probability: row.take()?,
            basis: row.named_opt()?,
            reasons: row.texts()?,
            marketing_owner: row.take()?,
            operations_owner: row.take()?,
            inquired_at: row.time_opt()?,
            quoted_at: row.time_opt()?,
            expires_at: row.time_opt()?,
            made_at: row.time_opt()?,
            fulfilled_at: row.time_opt()?,
            actual: row.take()?,
            broken_at: row.time_opt()?,
            cause: row.named_opt()?,
            corrected: false,
            corrected_at: row.time_opt()?,
            withdrawn_at: row.time_opt()?,
            withdrawn_by: row.named_opt()?,
            withdrawn_reason: row.take()?,
            expired_at: row.time_opt()?,
            ever_at_risk: row.take()?,
            risk_reason: row.take()?,
        };
        promise.corrected = promise.corrected_at.is_some();
        Ok(promise)
    }
}

impl TargetRow {
    pub(crate) fn read_opt(row: &mut Columns<'_, '_>) -> Result<Option<Self>> {
        let comparator: Option<Comparator> = row.named_opt()?;
        let numbers: (Option<f64>, Option<f64>) = (row.take()?, row.take()?);
        let unit: Option<String> = row.take()?;
        Ok(match (comparator, numbers, unit) {
            (Some(comparator), (Some(value), Some(tolerance)), Some(unit)) => {
                Some(TargetRow { comparator, value, tolerance, unit })
            }
            _ => None,
        })
    }
}

/// What was promised in one version.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct RevisionRow {
    pub promise_id: String,
    pub version: u32,
    #[serde(serialize_with = "wire::time")]
    pub at: Time,
    #[serde(serialize_with = "wire::time")]
    pub due_at: Time,
    pub reason: Option<String>,
}

impl FromColumns for RevisionRow {
    const COLUMNS: &'static str = "promise_id, version, at, due_at, reason";

    fn read(row: &mut Columns<'_, '_>) -> Result<Self> {
        Ok(RevisionRow {
            promise_id: row.take()?,
            version: row.take()?,
            at: row.time()?,
            due_at: row.time()?,
            reason: row.take()?,
        })
    }
}

/// One step of a promise.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct HistoryRow {
    /// Where it stands in the journal.
    pub seq: u64,
    pub promise_id: String,
    /// The fact's name, `promise.at_risk`.
    pub fact: String,
    /// Where the promise was after it.
    #[serde(serialize_with = "wire::name")]
    pub status: PromiseStatus,
    #[serde(serialize_with = "wire::time")]
    pub at: Time,
    pub detail: Option<String>,
}

impl FromColumns for HistoryRow {
    const COLUMNS: &'static str = "seq, promise_id, fact, status, at, detail";

    fn read(row: &mut Columns<'_, '_>) -> Result<Self> {
        Ok(HistoryRow {
            seq: row.take()?,
            promise_id: row.take()?,
            fact: row.take()?,
            status: row.named()?,
            at: row.time()?,
            detail: row.take()?,
        })
    }
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct EffectRow {
    #[serde(serialize_with = "wire::entity")]
    pub entity: EntityId,
    pub key: String,
    /// The journal sequence of its latest step.
    pub seq: u64,
    #[serde(serialize_with = "wire::name_opt")]
    pub kind: Option<EffectKind>,
    pub promise_id: Option<String>,
    pub order_id: Option<String>,
    pub reason: Option<String>,
    pub detail: Option<String>,
    #[serde(serialize_with = "wire::name")]
    pub state: EffectState,
    #[serde(serialize_with = "wire::time")]
    pub first_at: Time,
    /// Of its latest step.
    #[serde(serialize_with = "wire::time")]
    pub at: Time,
}

impl FromColumns for EffectRow {
    const COLUMNS: &'static str =
        "entity, key, seq, kind, promise_id, order_id, reason, detail, state, first_at, at";

    fn read(row: &mut Columns<'_, '_>) -> Result<Self> {
        Ok(EffectRow {
            entity: row.entity()?,
            key: row.take()?,
            seq: row.take()?,
            kind: row.named_opt()?,
            promise_id: row.take()?,
            order_id: row.take()?,
            reason: row.take()?,
            detail: row.take()?,
            state: row.named()?,
            first_at: row.time()?,
            at: row.time()?,
        })
    }
}

/// An input that was not taken, or was taken and passed over (`poison`, `unreadable`).
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct DeadLetterRow {
    /// Its intake sequence.
    pub seq: u64,
    pub source: Option<String>,
    pub code: String,
    pub place: Option<String>,
    pub reason: String,
    #[serde(serialize_with = "wire::time_opt")]
    pub received_at: Option<Time>,
    #[serde(serialize_with = "wire::time_opt")]
    pub replayed_at: Option<Time>,
}

impl FromColumns for DeadLetterRow {
    const COLUMNS: &'static str = "seq, source, code, place, reason, received_at, replayed_at";

    fn read(row: &mut Columns<'_, '_>) -> Result<Self> {
        Ok(DeadLetterRow {
            seq: row.take()?,
            source: row.take()?,
            code: row.take()?,
            place: row.take()?,
            reason: row.take()?,
            received_at: row.time_opt()?,
            replayed_at: row.time_opt()?,
        })
    }
}

/// Events of one source that broke one rule of the tracking plan at one place.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct ViolationRow {
    pub source: String,
    /// The event's name (track), else the call's; `*` stands for all beyond what is counted apart.
    pub event: String,
    /// The version that the sender said it was of, empty where it said none.
    pub sender: String,
    /// The version of the plan.
    pub plan: u32,
    /// The field, as a JSON pointer.
    pub pointer: String,
    /// A keyword of JSON Schema, `purpose`, `unplanned_event`, `json`, or `more` (those beyond what one event may
    /// have counted apart).
    pub rule: String,
    pub blocked: bool,
    /// What the plan wants there.
    pub expected: String,
    pub count: u64,
    #[serde(serialize_with = "wire::time")]
    pub first_at: Time,
    #[serde(serialize_with = "wire::time")]
    pub last_at: Time,
}

impl FromColumns for ViolationRow {
    const COLUMNS: &'static str = "source, event, sender, plan, pointer, rule, blocked, expected, count, \
        first_at, last_at";

    fn read(row: &mut Columns<'_, '_>) -> Result<Self> {
        Ok(ViolationRow {
            source: row.take()?,
            event: row.take()?,
            sender: row.take()?,
            plan: row.take()?,
            pointer: row.take()?,
            rule: row.take()?,
            blocked: row.take()?,
            expected: row.take()?,
            count: row.take()?,
            first_at: row.time()?,
            last_at: row.time()?,
        })
    }
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct SourceRow {
    pub source: String,
    #[serde(skip)]
    pub key_hash: [u8; 32],
    #[serde(serialize_with = "wire::time")]
    pub created_at: Time,
    #[serde(serialize_with = "wire::time_opt")]
    pub revoked_at: Option<Time>,
    /// Whether its key may ask for promises, hold and confirm them.
    pub promises: bool,
    /// Whether it may order for customers.
    pub orders: bool,
    /// Whether it may send only what customers do.
    pub only_customers: bool,
}

impl FromColumns for SourceRow {
    const COLUMNS: &'static str =
        "source, key_hash, created_at, revoked_at, promises, orders, only_customers";

    fn read(row: &mut Columns<'_, '_>) -> Result<Self> {
        Ok(SourceRow {
            source: row.take()?,
            key_hash: row.take()?,
            created_at: row.time()?,
            revoked_at: row.time_opt()?,
            promises: row.take()?,
            orders: row.take()?,
            only_customers: row.take()?,
        })
    }
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct ImportRow {
    pub timeline: TimelineId,
    pub name: String,
    #[serde(serialize_with = "wire::time")]
    pub started_at: Time,
    #[serde(serialize_with = "wire::time_opt")]
    pub finished_at: Option<Time>,
    pub events: Option<u64>,
    pub bad_rows: Option<u64>,
}

impl FromColumns for ImportRow {
    const COLUMNS: &'static str = "timeline, name, started_at, finished_at, events, bad_rows";

    fn read(row: &mut Columns<'_, '_>) -> Result<Self> {
        Ok(ImportRow {
            timeline: row.timeline()?,
            name: row.take()?,
            started_at: row.time()?,
            finished_at: row.time_opt()?,
            events: row.take()?,
            bad_rows: row.take()?,
        })
    }
}

/// Whether sending and ordering are on.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct EffectsSwitch {
    pub on: bool,
    #[serde(serialize_with = "wire::time")]
    pub at: Time,
    pub reason: String,
}

impl FromColumns for EffectsSwitch {
    const COLUMNS: &'static str = "value, at, reason";

    fn read(row: &mut Columns<'_, '_>) -> Result<Self> {
        Ok(EffectsSwitch { on: row.take()?, at: row.time()?, reason: row.take()? })
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct ClockRow {
    pub timeline: TimelineId,
    #[serde(serialize_with = "wire::time")]
    pub at: Time,
}

impl FromColumns for ClockRow {
    const COLUMNS: &'static str = "timeline, at";

    fn read(row: &mut Columns<'_, '_>) -> Result<Self> {
        Ok(ClockRow { timeline: row.timeline()?, at: row.time()? })
    }
}
