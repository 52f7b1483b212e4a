//! A webhook's request or a device's message as rows: its JSON, or the elements of a list in it, with what came
//! beside it.

use std::borrow::Cow;
use std::cell::OnceCell;

use serde_json::Value;

use super::Field;
use super::message::{Envelope, TOPIC_PART};
use super::plan::Rule;
use super::value::Source;

/// What the name of a header begins with in a map.
const HEADER: &str = "@header.";
/// The place of an element in the list of `each`.
const INDEX: &str = "@index";
/// What stands for the element of a list without elements.
static NOTHING: Value = Value::Null;

/// A request or message as it came.
pub struct Request<'r> {
    pub body: &'r Value,
    /// Asked for headers by their names in lower case.
    pub header: &'r dyn Fn(&str) -> Option<String>,
    /// RFC 3339.
    pub received_at: String,
    /// Of a device's message, what came with it.
    pub message: Option<Envelope<'r>>,
}

/// A field's text, once somebody asked for it. Most are borrowed from the request.
type Text<'t> = OnceCell<Option<Cow<'t, str>>>;

/// A request as one rule sees it.
pub(super) struct View<'r> {
    request: &'r Request<'r>,
    /// What the body is called that is no object.
    bare: Option<&'r str>,
    /// The named levels of the topic.
    captures: Vec<(&'r str, &'r str)>,
    /// By field: what it is for the whole request, and so for all rows alike.
    texts: Vec<Text<'r>>,
}

impl<'r> View<'r> {
    /// Nothing where the rule is about other topics.
    pub(super) fn by(rule: &'r Rule, fields: &[Field], request: &'r Request<'r>) -> Option<Self> {
        let captures = match &rule.topic {
            Some(pattern) => pattern.captures(request.message.as_ref()?.topic)?,
            None => Vec::new(),
        };
        let bare = rule.bare.as_deref().filter(|_| !request.body.is_object());
        Some(View { request, bare, captures, texts: untold(fields.len()) })
    }

    /// The request itself, without an element.
    pub(super) fn whole<'v>(&'v self) -> RequestRow<'v, 'r> {
        RequestRow { view: self, element: None, has_element: true, texts: Vec::new() }
    }

    /// The rows that a rule makes of it, one at a time: one for each element of the list `each`; where there is none,
    /// one that says so. Without `each` it is one row.
    pub(super) fn rows<'v>(&'v self, each: Option<&'v str>) -> impl Iterator<Item = RequestRow<'v, 'r>> {
        let list = each.and_then(|each| self.at(each)?.as_array());
        let elements = list.map_or(&[][..], Vec::as_slice);
        let single = match each {
            None => Some(self.whole()),
            Some(each) if elements.is_empty() => Some(self.row((each, 0, &NOTHING), false)),
            Some(_) => None,
        };
        let row = move |(place, element)| self.row((each.unwrap_or_default(), place, element), true);
        single.into_iter().chain(elements.iter().enumerate().map(row))
    }

    fn row<'v>(&'v self, element: Element<'v>, has_element: bool) -> RequestRow<'v, 'r> {
        RequestRow { view: self, element: Some(element), has_element, texts: untold(self.texts.len()) }
    }

    /// The value at a path into the body.
    fn at(&self, path: &str) -> Option<&'r Value> {
        let body = self.request.body;
        match self.bare {
            Some(bare) => below(path, bare).and_then(|path| at(body, path)),
            None => at(body, path),
        }
    }

    /// A field's text for the whole request.
    fn text(&self, field: &Field) -> Option<&str> {
        let name = field.name();
        let told = || match name.starts_with('@').then(|| self.beside(name)).flatten() {
            Some(beside) => beside,
            None => self.at(name).and_then(text_of),
        };
        self.texts.get(field.index())?.get_or_init(told).as_deref()
    }

    /// What a name stands for that is not of the body; the body may have members of such names where nothing came
    /// beside it.
    fn beside(&self, name: &str) -> Option<Option<Cow<'r, str>>> {
        if let Some(name) = name.strip_prefix(HEADER) {
            return Some((self.request.header)(&name.to_ascii_lowercase()).map(Cow::Owned));
        }
        if name == "@received" {
            return Some(Some(Cow::Borrowed(&self.request.received_at)));
        }
        let message = self.request.message.as_ref()?;
        if let Some(part) = name.strip_prefix(TOPIC_PART) {
            let captured = self.captures.iter().find(|(name, _)| *name == part);
            return Some(captured.map(|(_, level)| Cow::Borrowed(*level)));
        }
        let borrowed = |text| Some(Some(Cow::Borrowed(text)));
        match name {
            INDEX => Some(None),
            "@topic" => borrowed(message.topic),
            "@payload" => borrowed(message.payload),
            "@digest" => borrowed(message.digest),
            "@retained" => borrowed(if message.retained { "true" } else { "false" }),
            _ => None,
        }
    }
}

/// An element of a list: the list's path, the element's place in it, and itself.
type Element<'v> = (&'v str, usize, &'v Value);

/// One row of a request. What is asked for is looked up, once; what is of the whole request is the view's, so that a
/// list of many elements does not hold its message many times.
pub(super) struct RequestRow<'v, 'r> {
    view: &'v View<'r>,
    element: Option<Element<'v>>,
    has_element: bool,
    /// By field: what is the element's own.
    texts: Vec<Text<'v>>,
}

impl Source for RequestRow<'_, '_> {
    fn field(&self, field: &Field) -> Option<&str> {
        let Some((each, place, element)) = self.element else { return self.view.text(field) };
        let name = field.name();
        let own = |told: &dyn Fn() -> Option<_>| self.texts.get(field.index())?.get_or_init(told).as_deref();
        if name == INDEX && self.view.request.message.is_some() {
            return own(&|| Some(Cow::Owned(place.to_string())));
        }
        match below(name, each) {
            Some(path) => own(&|| at(element, path).and_then(text_of)),
            None => self.view.text(field),
        }
    }

    fn line(&self) -> u64 {
        1
    }

    fn has_element(&self) -> bool {
        self.has_element
    }
}

fn untold<'t>(fields: usize) -> Vec<Text<'t>> {
    std::iter::repeat_with(OnceCell::new).take(fields).collect()
}

fn text_of(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(Cow::Borrowed(text)),
        other => Some(Cow::Owned(other.to_string())),
    }
}

/// The rest of a path that leads through another; empty for that one itself.
fn below<'p>(path: &'p str, through: &str) -> Option<&'p str> {
    let rest = path.strip_prefix(through)?;
    if rest.is_empty() { Some(rest) } else { rest.strip_prefix('.') }
}

/// The value at a path of names and, in lists, places; an empty path is the value itself.
fn at<'v>(value: &'v Value, path: &str) -> Option<&'v Value> {
    if path.is_empty() {
        return Some(value);
    }
    path.split('.').try_fold(value, |value, step| match value {
        Value::Object(members) => members.get(step),
        Value::Array(elements) => elements.get(step.parse::<usize>().ok()?),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::import::csv_map::{EVENTS_MAX, Envelope, Map, Request};
    use crate::import::{BadRowReason, ImportEvent};

    const ORDERS: &str = "\
source: shop
rows:
  - name: orders
    topic: orders
    each: lines
    events:
      - event: order.placed
        group_by: [lines.order]
        key: 'order:{lines.order}'
        at: at
        anonymous_id: { text: '{buyer}' }
        properties:
          order_id: lines.order
          amount: { sum: '{lines.price}', as: number }
          items: { list: { sku: lines.sku, place: '@index' } }
  - name: weights
    topic: weights
    bare: all
    each: all
    events:
      - event: slot.level_reported
        key: '{@topic} {@index}'
        at: '@received'
        properties:
          grams: { from: all, as: number }
          whole: { from: '@payload', required: true }
";

    fn made(topic: &str, payload: &str) -> Result<Vec<ImportEvent>, BadRowReason> {
        let map = Map::parse(ORDERS, "orders.yaml").unwrap();
        let body = serde_json::from_str(payload).unwrap();
        let message = Some(Envelope { topic, payload, digest: "", retained: false });
        let received_at = "2026-03-01T00:00:00Z".to_owned();
        map.events_of(&Request { body: &body, header: &|_| None, received_at, message })
    }

    /// So many lines, laid in turn on so many orders.
    fn order(lines: usize, orders: usize) -> String {
        let line = |n| json!({ "order": n % orders, "sku": format!("s-{n}"), "price": 1 });
        let lines: Vec<_> = (0..lines).map(line).collect();
        json!({ "buyer": "b", "at": "2026-03-01T00:00:00Z", "lines": lines }).to_string()
    }

    fn code(made: Result<Vec<ImportEvent>, BadRowReason>) -> &'static str {
        made.unwrap_err().code()
    }

    #[test]
    fn an_order_of_many_lines_is_one_event() {
        let events = made("orders", &order(100_000, 1)).unwrap();
        assert_eq!(events.len(), 1);
        let event: serde_json::Value = serde_json::from_str(&events[0].json).unwrap();
        assert_eq!(event["properties"]["amount"], 100_000);
        let items = event["properties"]["items"].as_array().unwrap();
        assert_eq!(items.len(), 100_000);
        assert_eq!(items[99_999], json!({ "sku": "s-99999", "place": "99999" }));
    }

    #[test]
    fn one_message_makes_so_many_events_and_no_more() {
        let events = made("orders", &order(2 * EVENTS_MAX, EVENTS_MAX)).unwrap();
        assert_eq!(events.len(), EVENTS_MAX);
        assert!(events.iter().all(|event| event.json.contains("\"amount\":2")), "{:?}", events[0]);
        assert_eq!(code(made("orders", &order(EVENTS_MAX + 1, EVENTS_MAX + 1))), "too_many_events");
    }

    #[test]
    fn what_every_event_repeats_is_bounded_too() {
        let payload = |elements| format!("[{}]", vec!["1"; elements].join(","));
        let few = made("weights", &payload(100)).unwrap();
        assert_eq!(few.len(), 100);
        let first: serde_json::Value = serde_json::from_str(&few[0].json).unwrap();
        assert_eq!(first["properties"], json!({ "grams": 1, "whole": payload(100) }));
        // Five gigabytes, if each row had its copy.
        assert_eq!(code(made("weights", &payload(50_000))), "events_too_large");
    }
}
