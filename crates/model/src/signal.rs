//! What an event says to the domain: the names and properties of docs/events.md, validated.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::connection::ConnectionSignal;
use crate::event::Identifier;
use crate::money::{Currency, Money};
use crate::order::{CancelledBy, FulfillmentState, OrderLine, OrderState};
use crate::ordering::{PaymentStep, ReturnRequest, ReturnState, Wanted};
use crate::promise::{Basis, Comparator, PromiseKind, PromiseTerms, Target};
use crate::quantity::Quantity;
use crate::supply::Exchange;
use crate::time::{Time, last_instant_of};

/// An input that moves orders, promises or feedback.
#[derive(Clone, PartialEq, Debug)]
pub enum Signal {
    OrderPlaced {
        order_id: String,
        region: Option<String>,
        total: Option<Money>,
        lines: Vec<OrderLine>,
        promise: Option<PromiseTerms>,
    },
    OrderMoved {
        order_id: String,
        state: OrderState,
    },
    OrderCancelled {
        order_id: String,
        by: CancelledBy,
        reason: Option<String>,
        time_inferred: bool,
    },
    OrderRefunded {
        order_id: String,
        amount: Option<Money>,
    },
    PaymentCaptured {
        order_id: String,
        amount: Option<Money>,
        method: Option<String>,
        installments: Option<u32>,
    },
    Fulfillment {
        order_id: String,
        state: FulfillmentState,
        fraction: f64,
        damaged: bool,
    },
    PromiseInquired(PromiseTerms),
    PromiseQuoted {
        terms: PromiseTerms,
        expires_at: Time,
    },
    PromiseMade(PromiseTerms),
    PromiseScored {
        promise_id: String,
        probability_late: f64,
        reason: String,
    },
    PromiseRevised {
        promise_id: String,
        due: String,
        time_zone: Option<String>,
        reason: Option<String>,
    },
    PromiseFulfilled {
        promise_id: String,
        actual: Option<f64>,
    },
    PromiseWithdrawn {
        promise_id: String,
        by: CancelledBy,
        reason: Option<String>,
    },
    Reviewed {
        order_id: String,
        review_id: String,
        rating: u8,
    },
    /// What the payment system did or could not do.
    Payment {
        order_id: String,
        step: PaymentStep,
        amount: Option<Money>,
        reference: Option<String>,
        reason: Option<String>,
    },
    ReturnRequested(ReturnRequest),
    /// A return went a step further; of the order's only open one where none is named.
    ReturnMoved {
        order_id: String,
        return_id: Option<String>,
        state: ReturnState,
        lines: Vec<Wanted>,
        reason: Option<String>,
    },
    /// About the customer's needs, devices, preferences and consents.
    Connection(ConnectionSignal),
}

/// What an event is about where it names no person.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum About {
    Order(String),
    Promise(String),
}

impl About {
    pub fn identifier(&self) -> Identifier<'_> {
        match self {
            About::Order(id) => Identifier::Order(id),
            About::Promise(id) => Identifier::Promise(id),
        }
    }
}

/// Families of events that are about goods, places, machines and devices, not about a person.
const OPERATIONS: [&str; 14] = [
    "capacity.",
    "device.",
    "downtime.",
    "hold.",
    "item.",
    "price.",
    "quality.",
    "queue.",
    "resource.",
    "return.",
    "shipment.",
    "slot.",
    "steer.",
    "stock.",
];

/// Whether a track event of this name is about operations, so that it needs no person.
pub fn is_operational(name: &str) -> bool {
    OPERATIONS.iter().any(|family| name.starts_with(family))
}

/// Whether a track event of this name may come without a person: one of operations or devices, or about an order or
/// promise.
pub fn may_name_nobody(name: &str) -> bool {
    is_operational(name) || Name::find(name).is_some()
}

/// Whether a track event of this name tells what a customer does: any that neither is about operations nor tells how
/// an order, its payment or its promise fares.
pub fn is_of_customers(name: &str) -> bool {
    let of_customers = match Name::find(name) {
        Some(Name::OrderPlaced | Name::OrderCancelled | Name::Reviewed | Name::ReturnRequested) => true,
        Some(Name::PromiseInquired) | None => true,
        Some(_) => false,
    };
    of_customers && !is_operational(name)
}

/// Why an event with a known name moved nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignalError {
    #[error("properties.{0} is missing")]
    Missing(&'static str),
    #[error("properties.{field}: {detail}")]
    Wrong { field: &'static str, detail: String },
    #[error("properties are not an object: {0}")]
    NotAnObject(String),
}

/// Ids and texts longer than this are refused: they would be copied into every fact that names them.
const TEXT_MAX: usize = 512;
const LINES_MAX: usize = 10_000;

impl Signal {
    /// Whether an event of this name says something to the domain.
    pub fn is_known(name: &str) -> bool {
        Name::find(name).is_some() || ConnectionSignal::is_known(name)
    }

    /// Reads the signal of an event; `None` where the name says nothing to the domain.
    pub fn parse(name: &str, properties: Option<&str>) -> Option<Result<Signal, SignalError>> {
        if let Some(said) = ConnectionSignal::parse(name, properties) {
            let wrong = |(field, detail)| SignalError::Wrong { field, detail };
            return Some(said.map(Signal::Connection).map_err(wrong));
        }
        Some(Self::read(Name::find(name)?, properties.unwrap_or("{}")))
    }

    /// The order that the signal is about, and the promise, where it names one.
    pub fn refers_to(&self) -> (Option<&str>, Option<&str>) {
        match self {
            Signal::OrderPlaced { order_id, .. }
            | Signal::OrderMoved { order_id, .. }
            | Signal::OrderCancelled { order_id, .. }
            | Signal::OrderRefunded { order_id, .. }
            | Signal::PaymentCaptured { order_id, .. }
            | Signal::Fulfillment { order_id, .. }
            | Signal::Reviewed { order_id, .. }
            | Signal::Payment { order_id, .. }
            | Signal::ReturnMoved { order_id, .. } => (Some(order_id), None),
            Signal::ReturnRequested(request) => (Some(&request.order_id), None),
            Signal::PromiseInquired(terms)
            | Signal::PromiseQuoted { terms, .. }
            | Signal::PromiseMade(terms) => (terms.order_id.as_deref(), Some(&terms.promise_id)),
            Signal::PromiseScored { promise_id, .. }
            | Signal::PromiseRevised { promise_id, .. }
            | Signal::PromiseFulfilled { promise_id, .. }
            | Signal::PromiseWithdrawn { promise_id, .. } => (None, Some(promise_id)),
            Signal::Connection(_) => (None, None),
        }
    }

    /// The order that the signal is about, or the promise where it names no order.
    pub fn about(&self) -> About {
        let (order, promise) = self.refers_to();
        let order = order.or_else(|| promise.and_then(|promise| promise.strip_prefix("order:")));
        match (order, promise) {
            (Some(order), _) => About::Order(order.to_owned()),
            (None, promise) => About::Promise(promise.unwrap_or_default().to_owned()),
        }
    }

    fn read(name: Name, properties: &str) -> Result<Signal, SignalError> {
        let fields: Fields<'_> = object(properties).map_err(SignalError::NotAnObject)?;
        let order_id = || need("order_id", text("order_id", fields.order_id)?);
        let promise_id = || need("promise_id", text("promise_id", fields.promise_id)?);
        let by =
            |field, value| Ok(choice(field, value, CancelledBy::from_name)?.unwrap_or(CancelledBy::Unknown));
        // Without an amount all of it is meant, so that one which cannot be read is not none.
        let amount = || match money("amount", fields.amount, fields.currency)? {
            None if text("amount", fields.amount)?.is_some() => Err(SignalError::Missing("currency")),
            amount => Ok(amount),
        };
        Ok(match name {
            Name::OrderPlaced => {
                let order_id = order_id()?;
                let promise = match fields.promise.filter(|p| p.get() != "null") {
                    Some(raw) => Some(
                        object::<Fields<'_>>(raw.get())
                            .map_err(|e| wrong("promise", e))?
                            .terms(Some(&order_id))?,
                    ),
                    None => None,
                };
                Signal::OrderPlaced {
                    region: text("region", fields.region)?,
                    total: money("total", fields.total, fields.currency)?,
                    lines: fields.lines()?,
                    promise,
                    order_id,
                }
            }
            Name::OrderMoved(state) => Signal::OrderMoved { order_id: order_id()?, state },
            Name::OrderCancelled => Signal::OrderCancelled {
                order_id: order_id()?,
                by: by("cancelled_by", fields.cancelled_by)?,
                reason: text("reason", fields.reason)?,
                time_inferred: flag("time_inferred", fields.time_inferred)?,
            },
            Name::OrderRefunded => Signal::OrderRefunded { order_id: order_id()?, amount: amount()? },
            Name::PaymentCaptured => Signal::PaymentCaptured {
                order_id: order_id()?,
                amount: amount()?,
                method: text("method", fields.method)?,
                installments: whole("installments", fields.installments)?,
            },
            Name::Fulfillment(state) => Signal::Fulfillment {
                order_id: order_id()?,
                state,
                fraction: share("fraction", fields.fraction)?.unwrap_or(1.0),
                damaged: flag("damaged", fields.damaged)?,
            },
            Name::PromiseInquired => Signal::PromiseInquired(fields.terms(None)?),
            Name::PromiseQuoted => Signal::PromiseQuoted {
                terms: fields.terms(None)?,
                expires_at: need("expires_at", instant("expires_at", fields.expires_at)?)?,
            },
            Name::PromiseMade => Signal::PromiseMade(fields.terms(None)?),
            Name::PromiseScored => Signal::PromiseScored {
                promise_id: promise_id()?,
                probability_late: need(
                    "probability_late",
                    share("probability_late", fields.probability_late)?,
                )?,
                reason: text("reason", fields.reason)?.unwrap_or_default(),
            },
            Name::PromiseRevised => Signal::PromiseRevised {
                promise_id: promise_id()?,
                due: need("due", text("due", fields.due)?)?,
                time_zone: text("time_zone", fields.time_zone)?,
                reason: text("reason", fields.reason)?,
            },
            Name::PromiseFulfilled => Signal::PromiseFulfilled {
                promise_id: promise_id()?,
                actual: number("actual", fields.actual)?,
            },
            Name::PromiseWithdrawn => Signal::PromiseWithdrawn {
                promise_id: promise_id()?,
                by: by("withdrawn_by", fields.withdrawn_by)?,
                reason: text("reason", fields.reason)?,
            },
            Name::Reviewed => {
                let rating = need("rating", number("rating", fields.rating)?)?;
                if rating.fract() != 0.0 || !(1.0..=5.0).contains(&rating) {
                    return Err(wrong("rating", "not a whole number from 1 to 5"));
                }
                Signal::Reviewed {
                    order_id: order_id()?,
                    review_id: need("review_id", text("review_id", fields.review_id)?)?,
                    rating: rating as u8,
                }
            }
            Name::Payment(step) => Signal::Payment {
                order_id: order_id()?,
                step,
                amount: amount()?,
                reference: text("reference", fields.reference)?,
                reason: text("reason", fields.reason)?,
            },
            Name::ReturnRequested => {
                let order_id = order_id()?;
                let return_id = text("return_id", fields.return_id)?;
                Signal::ReturnRequested(ReturnRequest {
                    return_id: return_id.unwrap_or_else(|| format!("return:{order_id}")),
                    order_id,
                    lines: fields.returned()?,
                    reason: text("reason", fields.reason)?,
                })
            }
            Name::ReturnMoved(state) => Signal::ReturnMoved {
                order_id: order_id()?,
                return_id: text("return_id", fields.return_id)?,
                state,
                lines: fields.returned()?,
                reason: text("reason", fields.reason)?,
            },
        })
    }
}

#[derive(Clone, Copy)]
enum Name {
    OrderPlaced,
    OrderMoved(OrderState),
    OrderCancelled,
    OrderRefunded,
    PaymentCaptured,
    Fulfillment(FulfillmentState),
    PromiseInquired,
    PromiseQuoted,
    PromiseMade,
    PromiseScored,
    PromiseRevised,
    PromiseFulfilled,
    PromiseWithdrawn,
    Reviewed,
    Payment(PaymentStep),
    ReturnRequested,
    ReturnMoved(ReturnState),
}

impl Name {
    fn find(name: &str) -> Option<Name> {
        Some(match name {
            "order.placed" | "Order Completed" => Name::OrderPlaced,
            "order.confirmed" => Name::OrderMoved(OrderState::Confirmed),
            "order.allocated" => Name::OrderMoved(OrderState::Allocated),
            "order.closed" => Name::OrderMoved(OrderState::Closed),
            "order.returned" => Name::OrderMoved(OrderState::Returned),
            "order.cancelled" | "Order Cancelled" => Name::OrderCancelled,
            "order.refunded" | "Order Refunded" => Name::OrderRefunded,
            "payment.captured" => Name::PaymentCaptured,
            "payment.authorised" => Name::Payment(PaymentStep::Authorised),
            "payment.voided" => Name::Payment(PaymentStep::Voided),
            "payment.failed" => Name::Payment(PaymentStep::Failed),
            "order.return_requested" => Name::ReturnRequested,
            "return.in_transit" => Name::ReturnMoved(ReturnState::InTransit),
            "return.received" => Name::ReturnMoved(ReturnState::Received),
            "return.restocked" => Name::ReturnMoved(ReturnState::Restocked),
            "return.written_off" => Name::ReturnMoved(ReturnState::WrittenOff),
            "return.refused" => Name::ReturnMoved(ReturnState::Refused),
            "return.closed" => Name::ReturnMoved(ReturnState::Closed),
            "promise.inquired" => Name::PromiseInquired,
            "promise.quoted" => Name::PromiseQuoted,
            "promise.made" => Name::PromiseMade,
            "promise.scored" => Name::PromiseScored,
            "promise.revised" => Name::PromiseRevised,
            "promise.fulfilled" => Name::PromiseFulfilled,
            "promise.withdrawn" => Name::PromiseWithdrawn,
            "product.reviewed" | "Product Reviewed" => Name::Reviewed,
            _ => Name::Fulfillment(FulfillmentState::from_name(name.strip_prefix("fulfillment.")?)?),
        })
    }
}

/// Every property that the domain reads, still as the sender wrote it.
#[derive(Deserialize)]
struct Fields<'a> {
    #[serde(borrow)]
    order_id: Option<&'a RawValue>,
    #[serde(borrow)]
    promise_id: Option<&'a RawValue>,
    #[serde(borrow)]
    review_id: Option<&'a RawValue>,
    #[serde(borrow)]
    currency: Option<&'a RawValue>,
    #[serde(borrow)]
    total: Option<&'a RawValue>,
    #[serde(borrow)]
    amount: Option<&'a RawValue>,
    #[serde(borrow)]
    products: Option<&'a RawValue>,
    #[serde(borrow)]
    region: Option<&'a RawValue>,
    #[serde(borrow)]
    promise: Option<&'a RawValue>,
    #[serde(borrow)]
    cancelled_by: Option<&'a RawValue>,
    #[serde(borrow)]
    withdrawn_by: Option<&'a RawValue>,
    #[serde(borrow)]
    reason: Option<&'a RawValue>,
    #[serde(borrow)]
    reasons: Option<&'a RawValue>,
    #[serde(borrow)]
    time_inferred: Option<&'a RawValue>,
    #[serde(borrow)]
    method: Option<&'a RawValue>,
    #[serde(borrow)]
    installments: Option<&'a RawValue>,
    #[serde(borrow)]
    fraction: Option<&'a RawValue>,
    #[serde(borrow)]
    damaged: Option<&'a RawValue>,
    #[serde(borrow)]
    expires_at: Option<&'a RawValue>,
    #[serde(borrow)]
    probability_late: Option<&'a RawValue>,
    #[serde(borrow)]
    probability: Option<&'a RawValue>,
    #[serde(borrow)]
    due: Option<&'a RawValue>,
    #[serde(borrow)]
    time_zone: Option<&'a RawValue>,
    #[serde(borrow)]
    tolerance_minutes: Option<&'a RawValue>,
    #[serde(borrow)]
    hand_over_by: Option<&'a RawValue>,
    #[serde(borrow)]
    kind: Option<&'a RawValue>,
    #[serde(borrow)]
    attribute: Option<&'a RawValue>,
    #[serde(borrow)]
    basis: Option<&'a RawValue>,
    #[serde(borrow)]
    marketing_owner: Option<&'a RawValue>,
    #[serde(borrow)]
    operations_owner: Option<&'a RawValue>,
    #[serde(borrow)]
    comparator: Option<&'a RawValue>,
    #[serde(borrow)]
    target: Option<&'a RawValue>,
    #[serde(borrow)]
    tolerance: Option<&'a RawValue>,
    #[serde(borrow)]
    unit: Option<&'a RawValue>,
    #[serde(borrow)]
    actual: Option<&'a RawValue>,
    #[serde(borrow)]
    rating: Option<&'a RawValue>,
    #[serde(borrow)]
    return_id: Option<&'a RawValue>,
    #[serde(borrow)]
    reference: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct LineFields<'a> {
    #[serde(borrow)]
    product_id: Option<&'a RawValue>,
    #[serde(borrow)]
    sku: Option<&'a RawValue>,
    #[serde(borrow)]
    category: Option<&'a RawValue>,
    #[serde(borrow)]
    seller_id: Option<&'a RawValue>,
    #[serde(borrow)]
    quantity: Option<&'a RawValue>,
    #[serde(borrow)]
    price: Option<&'a RawValue>,
    #[serde(borrow)]
    exchange: Option<&'a RawValue>,
    #[serde(borrow)]
    partner: Option<&'a RawValue>,
    #[serde(borrow)]
    terms: Option<&'a RawValue>,
}

impl LineFields<'_> {
    fn product_id(&self) -> Result<String, SignalError> {
        match text("product_id", self.product_id)? {
            Some(id) => Ok(id),
            None => need("products[].product_id", text("sku", self.sku)?),
        }
    }

    fn exchange(&self) -> Result<Exchange, SignalError> {
        match text("exchange", self.exchange)?.as_deref() {
            None | Some("direct") => Ok(Exchange::Direct),
            Some("mediated") => Ok(Exchange::Mediated {
                partner: need("products[].partner", text("partner", self.partner)?)?,
            }),
            Some("financial") => {
                Ok(Exchange::Financial { terms: need("products[].terms", text("terms", self.terms)?)? })
            }
            Some(_) => Err(wrong("exchange", "one of direct, mediated, financial")),
        }
    }
}

impl Fields<'_> {
    fn terms(&self, order: Option<&str>) -> Result<PromiseTerms, SignalError> {
        let order_id = match order {
            Some(id) => Some(id.to_owned()),
            None => text("order_id", self.order_id)?,
        };
        let promise_id = match (text("promise_id", self.promise_id)?, order) {
            (Some(id), _) => id,
            (None, Some(order)) => format!("order:{order}"),
            (None, None) => return Err(SignalError::Missing("promise_id")),
        };
        let due = need("due", text("due", self.due)?)?;
        let time_zone = text("time_zone", self.time_zone)?.unwrap_or_else(|| "UTC".to_owned());
        let due_at = last_instant_of(&due, &time_zone).map_err(|e| wrong("due", e.to_string()))?;
        let tolerance_minutes = number("tolerance_minutes", self.tolerance_minutes)?.unwrap_or(0.0);
        if !(0.0..=5_256_000.0).contains(&tolerance_minutes) {
            return Err(wrong("tolerance_minutes", "not between 0 and ten years"));
        }
        let target = match number("target", self.target)? {
            None => None,
            Some(value) => {
                let tolerance = number("tolerance", self.tolerance)?.unwrap_or(0.0);
                if tolerance < 0.0 {
                    return Err(wrong("tolerance", "negative"));
                }
                Some(Target {
                    comparator: need(
                        "comparator",
                        choice("comparator", self.comparator, Comparator::from_name)?,
                    )?,
                    value,
                    tolerance,
                    unit: text("unit", self.unit)?.unwrap_or_default(),
                })
            }
        };
        let default_kind = if order_id.is_some() { PromiseKind::Order } else { PromiseKind::Service };
        let reasons = match self.reasons.filter(|r| r.get() != "null") {
            None => Vec::new(),
            Some(raw) => {
                serde_json::from_str(raw.get()).map_err(|_| wrong("reasons", "not a list of texts"))?
            }
        };
        if reasons.iter().any(|reason: &String| reason.len() > TEXT_MAX) {
            return Err(wrong("reasons", format!("longer than {TEXT_MAX} bytes")));
        }
        Ok(PromiseTerms {
            promise_id,
            order_id,
            kind: choice("kind", self.kind, PromiseKind::from_name)?.unwrap_or(default_kind),
            attribute: text("attribute", self.attribute)?.unwrap_or_else(|| "delivery".to_owned()),
            due_at,
            time_zone,
            tolerance_micros: (tolerance_minutes * 60e6) as i64,
            target,
            hand_over_by: instant("hand_over_by", self.hand_over_by)?,
            probability: share("probability", self.probability)?,
            basis: choice("basis", self.basis, Basis::from_name)?,
            reasons,
            marketing_owner: text("marketing_owner", self.marketing_owner)?,
            operations_owner: text("operations_owner", self.operations_owner)?,
        })
    }

    fn lines(&self) -> Result<Vec<OrderLine>, SignalError> {
        self.each_line(|line| {
            Ok(OrderLine {
                product_id: line.product_id()?,
                category: text("category", line.category)?,
                seller_id: text("seller_id", line.seller_id)?,
                quantity: number("quantity", line.quantity)?.unwrap_or(1.0),
                price: money("price", line.price, self.currency)?,
                exchange: line.exchange()?,
            })
        })
    }

    /// The lines of a return.
    fn returned(&self) -> Result<Vec<Wanted>, SignalError> {
        self.each_line(|line| {
            let quantity = match text("quantity", line.quantity)? {
                None => Quantity::ONE,
                Some(text) => {
                    text.parse().map_err(|_| wrong("quantity", "not a number of at most three decimals"))?
                }
            };
            if !quantity.is_positive() {
                return Err(wrong("quantity", "not more than nothing"));
            }
            Ok(Wanted { item_id: line.product_id()?, quantity })
        })
    }

    fn each_line<T>(
        &self,
        read: impl Fn(LineFields<'_>) -> Result<T, SignalError>,
    ) -> Result<Vec<T>, SignalError> {
        let Some(raw) = self.products.filter(|p| p.get() != "null") else { return Ok(Vec::new()) };
        let lines: Vec<&RawValue> =
            serde_json::from_str(raw.get()).map_err(|e| wrong("products", e.to_string()))?;
        if lines.len() > LINES_MAX {
            return Err(wrong("products", format!("more than {LINES_MAX} lines")));
        }
        lines.into_iter().map(|line| read(object(line.get()).map_err(|e| wrong("products", e))?)).collect()
    }
}

/// Reads an object and nothing else: a derived reader would take a list as the fields in their order.
fn object<'a, T: Deserialize<'a>>(json: &'a str) -> Result<T, String> {
    match json.trim_ascii_start().bytes().next() {
        Some(b'{') => serde_json::from_str(json).map_err(|e| e.to_string()),
        _ => Err("expected an object".to_owned()),
    }
}

fn need<T>(field: &'static str, value: Option<T>) -> Result<T, SignalError> {
    value.ok_or(SignalError::Missing(field))
}

fn wrong(field: &'static str, detail: impl Into<String>) -> SignalError {
    SignalError::Wrong { field, detail: detail.into() }
}

/// The field as text; numbers are taken as they were written (an id is often one). Null and empty are absent.
fn text(field: &'static str, raw: Option<&RawValue>) -> Result<Option<String>, SignalError> {
    let Some(raw) = raw.map(RawValue::get).filter(|raw| *raw != "null") else { return Ok(None) };
    let value = match raw.as_bytes().first() {
        Some(b'"') => serde_json::from_str::<String>(raw).map_err(|e| wrong(field, e.to_string()))?,
        Some(b'-' | b'0'..=b'9') => raw.to_owned(),
        _ => return Err(wrong(field, "neither a text nor a number")),
    };
    if value.len() > TEXT_MAX {
        return Err(wrong(field, format!("longer than {TEXT_MAX} bytes")));
    }
    Ok(Some(value).filter(|v| !v.is_empty()))
}

fn number(field: &'static str, raw: Option<&RawValue>) -> Result<Option<f64>, SignalError> {
    let Some(text) = text(field, raw)? else { return Ok(None) };
    let value: f64 = text.trim().parse().map_err(|_| wrong(field, "not a number"))?;
    if value.is_finite() { Ok(Some(value)) } else { Err(wrong(field, "not a finite number")) }
}

fn share(field: &'static str, raw: Option<&RawValue>) -> Result<Option<f64>, SignalError> {
    match number(field, raw)? {
        Some(value) if !(0.0..=1.0).contains(&value) => Err(wrong(field, "not between 0 and 1")),
        value => Ok(value),
    }
}

fn whole(field: &'static str, raw: Option<&RawValue>) -> Result<Option<u32>, SignalError> {
    let Some(text) = text(field, raw)? else { return Ok(None) };
    text.trim().parse().map(Some).map_err(|_| wrong(field, "not a whole number"))
}

fn flag(field: &'static str, raw: Option<&RawValue>) -> Result<bool, SignalError> {
    match raw.map(RawValue::get) {
        None | Some("null" | "false") => Ok(false),
        Some("true") => Ok(true),
        Some(_) => Err(wrong(field, "neither true nor false")),
    }
}

fn instant(field: &'static str, raw: Option<&RawValue>) -> Result<Option<Time>, SignalError> {
    let Some(text) = text(field, raw)? else { return Ok(None) };
    Time::parse(&text)
        .map(Some)
        .ok_or_else(|| wrong(field, "not an RFC 3339 instant with a zone, between the years 1 and 9998"))
}

fn choice<T>(
    field: &'static str,
    raw: Option<&RawValue>,
    find: impl Fn(&str) -> Option<T>,
) -> Result<Option<T>, SignalError> {
    let Some(text) = text(field, raw)? else { return Ok(None) };
    find(&text).map(Some).ok_or_else(|| wrong(field, "not one of the values in docs/events.md"))
}

/// An amount needs its currency; without one it is left out rather than guessed.
fn money(
    field: &'static str,
    amount: Option<&RawValue>,
    currency: Option<&RawValue>,
) -> Result<Option<Money>, SignalError> {
    let (Some(amount), Some(code)) = (text(field, amount)?, text("currency", currency)?) else {
        return Ok(None);
    };
    let currency = Currency::new(&code).ok_or_else(|| wrong("currency", "not an ISO 4217 code"))?;
    Money::parse(&amount, currency).map(Some).map_err(|e| wrong(field, e.to_string()))
}
