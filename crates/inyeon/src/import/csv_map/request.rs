//! A webhook's request as rows: its JSON, or the elements of a list in it, with its headers beside.

use serde_json::Value;

use super::Field;
use super::value::Source;

/// What the name of a header begins with in a map.
const HEADER: &str = "@header.";
/// The name of the time at which the request came.
const RECEIVED: &str = "@received";

/// A request as it came.
pub struct Request<'r> {
    pub body: &'r Value,
    /// Asked for headers by their names in lower case.
    pub header: &'r dyn Fn(&str) -> Option<String>,
    /// RFC 3339.
    pub received_at: String,
}

/// One row of a request. All of a map's fields are looked up once.
pub(super) struct RequestRow {
    texts: Vec<Option<String>>,
    has_element: bool,
}

impl RequestRow {
    /// The request itself, without an element.
    pub(super) fn of_body(fields: &[Field], request: &Request<'_>) -> Self {
        RequestRow { texts: texts(fields, request, None), has_element: true }
    }

    /// The rows that a rule makes of it: one for each element of the list `each`; where there is none, one that
    /// says so.
    pub(super) fn of_list(fields: &[Field], request: &Request<'_>, each: &str) -> Vec<Self> {
        let elements = at(request.body, each).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let row = |element, has_element| RequestRow {
            texts: texts(fields, request, Some((each, element))),
            has_element,
        };
        match elements {
            [] => vec![row(&Value::Null, false)],
            elements => elements.iter().map(|element| row(element, true)).collect(),
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

fn texts(fields: &[Field], request: &Request<'_>, element: Option<(&str, &Value)>) -> Vec<Option<String>> {
    let text = |field: &Field| {
        let name = field.name();
        if let Some(name) = name.strip_prefix(HEADER) {
            return (request.header)(&name.to_ascii_lowercase());
        }
        if name == RECEIVED {
            return Some(request.received_at.clone());
        }
        let within = element.and_then(|(each, element)| {
            let rest = name.strip_prefix(each)?;
            if rest.is_empty() { Some(Some(element)) } else { Some(at(element, rest.strip_prefix('.')?)) }
        });
        match within.unwrap_or_else(|| at(request.body, name))? {
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
