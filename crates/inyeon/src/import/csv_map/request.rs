//! A webhook's request or a device's message as rows: its JSON, or the elements of a list in it, with what came
//! beside it.

use std::borrow::Cow;

use serde_json::{Value, json};

use super::Field;
use super::message::{Envelope, TOPIC_PART};
use super::plan::Rule;
use super::value::Source;

/// What the name of a header begins with in a map.
const HEADER: &str = "@header.";

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

/// A request as one rule sees it.
pub(super) struct View<'r> {
    request: &'r Request<'r>,
    body: Cow<'r, Value>,
    /// The named levels of the topic.
    captures: Vec<(&'r str, &'r str)>,
}

impl<'r> View<'r> {
    /// Nothing where the rule is about other topics.
    pub(super) fn by(rule: &'r Rule, request: &'r Request<'r>) -> Option<Self> {
        let captures = match &rule.topic {
            Some(pattern) => pattern.captures(request.message.as_ref()?.topic)?,
            None => Vec::new(),
        };
        let body = match &rule.bare {
            Some(name) if !request.body.is_object() => Cow::Owned(json!({ name.as_str(): request.body })),
            _ => Cow::Borrowed(request.body),
        };
        Some(View { request, body, captures })
    }

    /// What a name stands for that is not of the body; the body may have members of such names where nothing came
    /// beside it.
    fn beside(&self, name: &str, place: Option<usize>) -> Option<Option<String>> {
        if let Some(name) = name.strip_prefix(HEADER) {
            return Some((self.request.header)(&name.to_ascii_lowercase()));
        }
        if name == "@received" {
            return Some(Some(self.request.received_at.clone()));
        }
        let message = self.request.message.as_ref()?;
        if let Some(part) = name.strip_prefix(TOPIC_PART) {
            let captured = self.captures.iter().find(|(name, _)| *name == part);
            return Some(captured.map(|(_, level)| (*level).to_owned()));
        }
        match name {
            "@index" => Some(place.map(|place| place.to_string())),
            "@topic" => Some(Some(message.topic.to_owned())),
            "@payload" => Some(Some(message.payload.to_owned())),
            "@digest" => Some(Some(message.digest.to_owned())),
            "@retained" => Some(Some(message.retained.to_string())),
            _ => None,
        }
    }
}

/// One row of a request. All of a map's fields are looked up once.
pub(super) struct RequestRow {
    texts: Vec<Option<String>>,
    has_element: bool,
}

/// An element of a list: the list's path, the element's place in it, and itself.
type Element<'v> = (&'v str, usize, &'v Value);

impl RequestRow {
    /// The request itself, without an element.
    pub(super) fn of_body(fields: &[Field], view: &View<'_>) -> Self {
        RequestRow { texts: texts(fields, view, None), has_element: true }
    }

    /// The rows that a rule makes of it: one for each element of the list `each`; where there is none, one that
    /// says so.
    pub(super) fn of_list(fields: &[Field], view: &View<'_>, each: &str) -> Vec<Self> {
        let elements = at(&view.body, each).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let row = |(place, element), has_element| RequestRow {
            texts: texts(fields, view, Some((each, place, element))),
            has_element,
        };
        match elements {
            [] => vec![row((0, &Value::Null), false)],
            elements => elements.iter().enumerate().map(|element| row(element, true)).collect(),
        }
    }
}

impl Source for RequestRow {
    fn field(&self, field: &Field) -> Option<&str> {
        self.texts.get(field.index())?.as_deref()
    }

    fn line(&self) -> u64 {
        1
    }

    fn has_element(&self) -> bool {
        self.has_element
    }
}

fn texts(fields: &[Field], view: &View<'_>, element: Option<Element<'_>>) -> Vec<Option<String>> {
    let text = |field: &Field| {
        let name = field.name();
        if name.starts_with('@')
            && let Some(beside) = view.beside(name, element.map(|(_, place, _)| place))
        {
            return beside;
        }
        let within = element.and_then(|(each, _, element)| {
            let rest = name.strip_prefix(each)?;
            if rest.is_empty() { Some(Some(element)) } else { Some(at(element, rest.strip_prefix('.')?)) }
        });
        match within.unwrap_or_else(|| at(&view.body, name))? {
            Value::Null => None,
            Value::String(text) => Some(text.clone()),
            other => Some(other.to_string()),
        }
    };
    fields.iter().map(text).collect()
}

/// The value at a path of names and, in lists, places.
fn at<'v>(value: &'v Value, path: &str) -> Option<&'v Value> {
    path.split('.').try_fold(value, |value, step| match value {
        Value::Object(members) => members.get(step),
        Value::Array(elements) => elements.get(step.parse::<usize>().ok()?),
        _ => None,
    })
}
