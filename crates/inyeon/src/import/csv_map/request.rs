//! A webhook's request as rows: its JSON, or the elements of a list in it, with its headers beside.

use serde_json::Value;

use super::Field;
use super::value::Source;

/// What the name of a header begins with in a map.
const HEADER: &str = "@header.";

/// One row of a request. All of a map's fields are looked up once.
pub(super) struct RequestRow {
    texts: Vec<Option<String>>,
    has_element: bool,
}

impl RequestRow {
    /// The request itself, without an element.
    pub(super) fn of_body(fields: &[Field], body: &Value, header: &dyn Fn(&str) -> Option<String>) -> Self {
        RequestRow { texts: texts(fields, body, header, None), has_element: true }
    }

    /// The rows that a rule makes of it: one for each element of the list `each`; where there is none, one that
    /// says so.
    pub(super) fn of_list(
        fields: &[Field],
        body: &Value,
        header: &dyn Fn(&str) -> Option<String>,
        each: &str,
    ) -> Vec<Self> {
        let elements = at(body, each).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        if elements.is_empty() {
            return vec![RequestRow {
                texts: texts(fields, body, header, Some((each, &Value::Null))),
                has_element: false,
            }];
        }
        let row = |element| RequestRow {
            texts: texts(fields, body, header, Some((each, element))),
            has_element: true,
        };
        elements.iter().map(row).collect()
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

fn texts(
    fields: &[Field],
    body: &Value,
    header: &dyn Fn(&str) -> Option<String>,
    element: Option<(&str, &Value)>,
) -> Vec<Option<String>> {
    let text = |field: &Field| {
        let name = field.name();
        if let Some(name) = name.strip_prefix(HEADER) {
            return header(&name.to_ascii_lowercase());
        }
        let within = element.and_then(|(each, element)| {
            let rest = name.strip_prefix(each)?;
            if rest.is_empty() { Some(Some(element)) } else { Some(at(element, rest.strip_prefix('.')?)) }
        });
        match within.unwrap_or_else(|| at(body, name))? {
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
