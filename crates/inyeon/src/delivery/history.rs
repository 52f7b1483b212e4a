//! Orders with what became of them, read from the events that the store holds.

use std::collections::HashMap;

use jiff::Zoned;
use jiff::tz::TimeZone;
use learn::delivery::Order;
use model::{FulfillmentState, Signal, Time};
use serde_json::Value;

use crate::bar::Bar;
use crate::error::Failure;
use crate::ops::{EventFilter, Op};

/// Events that one call reads.
const PAGE: usize = 2000;
const HOUR_MICROS: f64 = 3_600e6;
/// What a delivery is promised about.
const DELIVERY: &str = "delivery";

/// Orders in the order in which they were placed.
pub(super) struct Orders {
    pub(super) orders: Vec<Order>,
    /// The last thing that is recorded of anything, in hours.
    pub(super) last: f64,
}

impl Orders {
    /// When the last of them was placed.
    pub(super) fn last_placed(&self) -> Option<f64> {
        self.orders.last().map(|order| order.placed)
    }
}

/// Hours since 1970, as the learner counts them.
pub(super) fn hours(time: Time) -> f64 {
    time.0 as f64 / HOUR_MICROS
}

/// Back to the instant.
pub(super) fn time(hours: f64) -> Time {
    Time((hours * HOUR_MICROS) as i64)
}

/// Reads all orders whose purchase is recorded, or those that one source told of, by `run`: on a node or through a
/// server. The earliest word on each step counts. An event that cannot be read as what its name says moves nothing
/// here either.
pub(super) fn read(
    run: &dyn Fn(Op) -> Result<Value, Failure>,
    source: Option<&str>,
    quiet: bool,
    message: String,
) -> Result<Orders, Failure> {
    run(Op::Drain)?;
    let end = run(Op::Status)?["journal"].as_u64().unwrap_or_default();
    let bar = Bar::new(end, quiet, message);
    let mut reading = Reading::default();
    let mut from = 1;
    loop {
        let filter = EventFilter::default();
        let page = run(Op::Events { from, limit: PAGE, wait_ms: 0, facts: true, filter })?;
        for item in page["items"].as_array().into_iter().flatten() {
            reading.take(item, source);
        }
        from = page["next"].as_u64().unwrap_or(from);
        bar.at(from);
        // What comes in meanwhile is left for the next time, or a busy server would never let go.
        if page["at_end"] == true || from > end {
            return Ok(reading.finish());
        }
    }
}

/// The steps of one order, while they are being read.
#[derive(Default)]
struct Steps {
    placed: Option<(Time, Order, String)>,
    handed_over: Option<Time>,
    delivered: Option<Time>,
    cancelled: Option<Time>,
    promised: Option<Time>,
}

/// An order that may come of a quote of ours.
struct Quoted {
    order: Order,
    zone: String,
    promised: Option<Time>,
    order_id: Option<String>,
}

#[derive(Default)]
struct Reading {
    orders: HashMap<String, Steps>,
    /// Quotes that are no orders yet, by the customer and the quote's id.
    quotes: HashMap<(String, String), Quoted>,
    last: Option<Time>,
}

/// The source of orders that were placed by confirming a quote.
const OWN: &str = "promises";

fn earliest(slot: &mut Option<Time>, at: Time) {
    *slot = Some(slot.map_or(at, |known| known.min(at)));
}

impl Reading {
    fn take(&mut self, item: &Value, source: Option<&str>) {
        if item["type"] == "fact" {
            if source.is_none_or(|source| source == OWN) {
                self.take_quote(item);
            }
            return;
        }
        let (Some(name), Some(at)) =
            (item["event"].as_str(), item["timestamp"].as_str().and_then(Time::parse))
        else {
            return;
        };
        self.last = self.last.max(Some(at));
        let properties = &item["properties"];
        let Some(Ok(signal)) = Signal::parse(name, Some(&properties.to_string())) else { return };
        let (Some(order_id), _) = signal.refers_to() else { return };
        let steps = self.orders.entry(order_id.to_owned()).or_default();
        match signal {
            Signal::OrderPlaced { region, lines, promise, .. } => {
                let is_other = source.is_some_and(|source| item["source"].as_str() != Some(source));
                if is_other || steps.placed.as_ref().is_some_and(|(known, ..)| *known <= at) {
                    return;
                }
                let mut order = order_of(properties, region);
                order.items = lines.iter().map(|line| line.quantity).sum();
                order.category = lines.iter().find_map(|line| line.category.clone()).unwrap_or_default();
                order.seller = lines.iter().find_map(|line| line.seller_id.clone()).unwrap_or_default();
                let mut sellers: Vec<_> = lines.iter().filter_map(|line| line.seller_id.as_deref()).collect();
                sellers.sort_unstable();
                sellers.dedup();
                order.sellers = sellers.len() as f64;
                let terms = promise.filter(|terms| terms.attribute == DELIVERY);
                steps.promised = terms.as_ref().map(|terms| terms.deadline()).or(steps.promised);
                let zone = terms.map(|terms| terms.time_zone);
                let zone = zone.or_else(|| item["context"]["timezone"].as_str().map(str::to_owned));
                steps.placed = Some((at, order, zone.unwrap_or_default()));
            }
            Signal::PromiseMade(terms) if terms.attribute == DELIVERY && steps.promised.is_none() => {
                steps.promised = Some(terms.deadline());
            }
            Signal::OrderCancelled { .. } => earliest(&mut steps.cancelled, at),
            Signal::Fulfillment { state: FulfillmentState::Shipped, .. } => {
                earliest(&mut steps.handed_over, at);
            }
            Signal::Fulfillment { state: FulfillmentState::Delivered, fraction, .. } if fraction >= 1.0 => {
                earliest(&mut steps.delivered, at);
            }
            _ => {}
        }
    }

    /// An order that was placed by a quote of ours: it left from a place of ours.
    fn take_quote(&mut self, item: &Value) -> Option<()> {
        let (at, quote) = (Time::parse(item["at"].as_str()?)?, &item["quote"]);
        let id = (item["entity"].as_str()?.to_owned(), quote["quote_id"].as_str()?.to_owned());
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        match item["event"].as_str()? {
            "quote.asked" if quote["is_order"] == true => {
                let order = Order {
                    from_region: text(&quote["place"]),
                    to_region: text(&quote["region"]),
                    items: quote["items"].as_f64().unwrap_or(f64::NAN),
                    sellers: 1.0,
                    ..order_of(&Value::Null, None)
                };
                let promised = quote["deadline"].as_str().and_then(Time::parse);
                let zone = text(&quote["time_zone"]);
                self.quotes.insert(id, Quoted { order, zone, promised, order_id: None });
            }
            "quote.moved" => match quote["stage"].as_str()? {
                "confirming" => self.quotes.get_mut(&id)?.order_id = Some(text(&quote["order_id"])),
                "placed" => {
                    let quoted = self.quotes.remove(&id)?;
                    let steps = self.orders.entry(quoted.order_id?).or_default();
                    steps.promised = quoted.promised.or(steps.promised);
                    steps.placed = Some((at, quoted.order, quoted.zone));
                    self.last = self.last.max(Some(at));
                }
                "refused" | "expired" | "released" => drop(self.quotes.remove(&id)),
                _ => {}
            },
            _ => {}
        }
        Some(())
    }

    fn finish(self) -> Orders {
        let mut zones: HashMap<String, TimeZone> = HashMap::new();
        let placed =
            self.orders.into_iter().filter_map(|(id, mut steps)| Some((steps.placed.take()?, id, steps)));
        let mut placed: Vec<_> = placed.collect();
        // The order of a hash map is nobody's; ids decide between orders of one instant.
        placed.sort_by(|a, b| (a.0.0, &a.1).cmp(&(b.0.0, &b.1)));
        let orders = placed.into_iter().map(|((at, mut order, zone), _, steps)| {
            let zone =
                zones.entry(zone).or_insert_with_key(|name| TimeZone::get(name).unwrap_or(TimeZone::UTC));
            let local = |time: Time| Zoned::new(time.to_timestamp(), zone.clone());
            let bought = local(at);
            let days = |time: Time| {
                let span = bought.date().duration_until(local(time).date());
                i32::try_from(span.as_hours() / 24).unwrap_or(i32::MAX)
            };
            order.placed = hours(at);
            order.zone_hours = f64::from(bought.offset().seconds()) / 3600.0;
            order.handed_over = steps.handed_over.map(hours);
            order.delivered = steps.delivered.map(hours);
            // What is called off after its delivery was delivered.
            let cancelled =
                steps.cancelled.filter(|at| steps.delivered.is_none_or(|delivered| *at < delivered));
            order.cancelled = cancelled.map(hours);
            order.promised = steps.promised.map(hours);
            order.promised_day = steps.promised.map(days);
            order.delivered_day = steps.delivered.map(days);
            order
        });
        Orders { orders: orders.collect(), last: self.last.map_or(0.0, hours) }
    }
}

/// A number, or a text that is one.
fn number(value: &Value) -> Option<f64> {
    let number = value.as_f64().or_else(|| value.as_str()?.trim().parse().ok())?;
    number.is_finite().then_some(number)
}

/// What the purchase says of places and goods. Nothing of it is needed.
fn order_of(properties: &Value, region: Option<String>) -> Order {
    let lines = properties["products"].as_array().map_or(&[][..], Vec::as_slice);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let first = |names: &[&str]| {
        let found = lines.iter().flat_map(|line| names.iter().map(|name| text(&line[*name])));
        found.into_iter().find(|text| !text.is_empty()).unwrap_or_default()
    };
    let total = |value: &dyn Fn(&Value) -> Option<f64>| {
        let known: Vec<f64> = lines.iter().filter_map(value).collect();
        if known.is_empty() { f64::NAN } else { known.iter().sum() }
    };
    let quantity = |line: &Value| number(&line["quantity"]).unwrap_or(1.0);
    Order {
        to_region: region.unwrap_or_default(),
        to_area: text(&properties["postal_code"]),
        from_region: first(&["seller_region", "seller_state"]),
        from_area: first(&["seller_postal_code"]),
        weight_grams: total(&|line| Some(number(&line["weight_grams"])? * quantity(line))),
        price: total(&|line| Some(number(&line["price"])? * quantity(line))),
        freight: total(&|line| number(&line["freight"])),
        ..Order::default()
    }
}
