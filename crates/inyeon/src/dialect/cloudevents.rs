//! CloudEvents 1.0 (the HTTP protocol binding and the JSON format of that specification).
//!
//! `type` is the event's name, `source` and `id` together name the message, `data` are its properties. The person is
//! in the extension attributes `userid` and `anonymousid`, or in `data` as `userId` and `anonymousId`; an event of
//! operations needs none.

use model::{Event, EventKind, Time};
use serde_json::{Map, Value, json};

use super::{Code, Parsed, Refused, names_no_person};
use crate::dialect::segment::EVENT_BYTES_MAX;

/// Where they are sent.
pub const PATH: &str = "/v1/cloudevents";

/// The attributes of an event in binary mode and its body, as the one text of structured mode.
pub fn structured<'a>(
    attributes: impl Iterator<Item = (&'a str, String)>,
    content_type: Option<&str>,
    body: &str,
) -> String {
    let mut event: Map<String, Value> =
        attributes.map(|(name, value)| (name.to_owned(), Value::String(value))).collect();
    let is_json = content_type.is_none_or(|kind| {
        let kind = kind.split(';').next().unwrap_or_default().trim();
        kind.eq_ignore_ascii_case("application/json") || kind.to_ascii_lowercase().ends_with("+json")
    });
    if !body.is_empty() {
        let data = if is_json { serde_json::from_str(body).ok() } else { None };
        event.insert("data".to_owned(), data.unwrap_or_else(|| json!(body)));
    }
    if let Some(kind) = content_type {
        event.insert("datacontenttype".to_owned(), json!(kind));
    }
    Value::Object(event).to_string()
}

/// Parses one event in structured mode.
pub fn parse(raw: &str, received_at: Time) -> Parsed<'_> {
    parse_within(raw, received_at, EVENT_BYTES_MAX)
}

/// [`parse`] with a limit of its own.
pub fn parse_within(raw: &str, received_at: Time, limit: usize) -> Parsed<'_> {
    let refuse = |code, detail: String, message_id: Option<String>| {
        Parsed::Refused(Refused { code, detail, subject: None, message_id, raw })
    };
    let mut attributes: Map<String, Value> = match serde_json::from_str(raw) {
        Ok(attributes) => attributes,
        Err(error) => {
            let code = if error.is_data() { Code::WrongType } else { Code::MalformedJson };
            return refuse(code, error.to_string(), None);
        }
    };
    if raw.len() > limit {
        let detail = format!("{} bytes; the limit is {limit}", raw.len());
        return refuse(Code::EventTooLarge, detail, None);
    }
    let text = |name: &str| attributes.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let missing = |name: &str| format!("the attribute `{name}` is missing or no text");
    let (Some(id), Some(source)) = (text("id"), text("source")) else {
        let name = if text("id").is_none() { "id" } else { "source" };
        return refuse(Code::MissingAttribute, missing(name), None);
    };
    let message_id = format!("{source}#{id}");
    let named = Some(message_id.clone());
    match text("specversion") {
        Some("1.0") => {}
        Some(other) => {
            let detail = format!("specversion `{}` is not 1.0", super::clip(other));
            return refuse(Code::WrongType, detail, named);
        }
        None => return refuse(Code::MissingAttribute, missing("specversion"), named),
    }
    let Some(name) = text("type").map(str::to_owned) else {
        return refuse(Code::MissingEvent, missing("type"), named);
    };
    let timestamp = match text("time") {
        None => received_at,
        Some(time) => match Time::parse(time) {
            Some(time) => time,
            None => {
                let detail = format!("time `{}` is not an RFC 3339 instant with a zone", super::clip(time));
                return refuse(Code::BadTimestamp, detail, named);
            }
        },
    };
    let person = |attribute: &str, member: &str| {
        let in_data = || attributes.get("data")?.get(member);
        let id = attributes.get(attribute).filter(|id| !id.is_null()).or_else(in_data)?;
        match id {
            Value::String(id) => Some(id.clone()),
            Value::Number(id) => Some(id.to_string()),
            _ => None,
        }
        .filter(|id| !id.is_empty())
    };
    let (user_id, anonymous_id) = (person("userid", "userId"), person("anonymousid", "anonymousId"));
    let ids = [Some(&message_id), user_id.as_ref(), anonymous_id.as_ref()];
    if ids.into_iter().flatten().any(|id| id.len() > super::ID_BYTES_MAX) {
        let detail = format!("an id is longer than {} bytes", super::ID_BYTES_MAX);
        return refuse(Code::IdTooLong, detail, None);
    }
    let properties = match attributes.remove("data") {
        None | Some(Value::Null) => {
            attributes.remove("data_base64").map(|data| json!({ "data_base64": data }))
        }
        Some(Value::Object(data)) => Some(Value::Object(data)),
        Some(other) => Some(json!({ "data": other })),
    };
    let properties = properties.map(|properties| properties.to_string());
    if user_id.is_none() && anonymous_id.is_none() && !names_no_person(&name, properties.as_deref()) {
        let detail = "neither userid nor anonymousid names anybody".to_owned();
        return refuse(Code::MissingIdentifier, detail, named);
    }
    for known in ["type", "time", "userid", "anonymousid"] {
        attributes.remove(known);
    }
    Parsed::Event {
        event: Event {
            kind: EventKind::Track,
            name: name.into(),
            user_id: user_id.map(Into::into),
            anonymous_id: anonymous_id.map(Into::into),
            previous_id: None,
            group_id: None,
            message_id: message_id.into(),
            timestamp: timestamp.clamp(Time::EARLIEST_EVENT, Time::LATEST_EVENT),
            properties: properties.map(Into::into),
            traits: None,
            context: None,
            rest: Some(Value::Object(attributes).to_string().into()),
        },
        client_named: true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Time = Time(1_774_000_000_000_000);

    fn event(raw: &str) -> Event<'_> {
        match parse(raw, NOW) {
            Parsed::Event { event, client_named } => {
                assert!(client_named);
                event
            }
            Parsed::Refused(refused) => panic!("{:?}: {}", refused.code, refused.detail),
        }
    }

    fn refused(raw: &str) -> Code {
        match parse(raw, NOW) {
            Parsed::Refused(refused) => refused.code,
            Parsed::Event { .. } => panic!("accepted: {raw}"),
        }
    }

    #[test]
    fn the_attributes_say_who_what_and_when() {
        let raw = r#"{"specversion":"1.0","type":"order.placed","source":"/shop","id":"7","time":"2026-03-01T09:00:00Z",
            "userid":"c-1","subject":"o-1","comexample":"kept","data":{"order_id":"o-1"}}"#;
        let event = event(raw);
        assert_eq!((event.name.as_ref(), event.user_id.as_deref()), ("order.placed", Some("c-1")));
        assert_eq!(event.message_id, "/shop#7");
        assert_eq!(event.timestamp.to_string(), "2026-03-01T09:00:00Z");
        assert_eq!(event.properties.as_deref(), Some(r#"{"order_id":"o-1"}"#));
        let rest: Value = serde_json::from_str(event.rest.as_deref().unwrap()).unwrap();
        assert_eq!(rest["comexample"], "kept");
        assert_eq!(rest["subject"], "o-1");
    }

    #[test]
    fn binary_mode_says_the_same() {
        let attributes =
            [("specversion", "1.0"), ("type", "stock.received"), ("source", "/erp"), ("id", "1")];
        let attributes = attributes.map(|(name, value)| (name, value.to_owned()));
        let raw =
            structured(attributes.into_iter(), Some("application/json; charset=utf-8"), r#"{"sku":"a"}"#);
        let event = event(&raw);
        assert_eq!((event.name.as_ref(), event.user_id.as_deref()), ("stock.received", None));
        assert_eq!(event.properties.as_deref(), Some(r#"{"sku":"a"}"#));
        assert_eq!(event.timestamp, NOW);
    }

    #[test]
    fn each_refusal_has_its_name() {
        let with = |more: &str| format!(r#"{{"specversion":"1.0","source":"s","id":"1"{more}}}"#);
        assert_eq!(refused("{"), Code::MalformedJson);
        assert_eq!(refused("[]"), Code::WrongType);
        assert_eq!(refused(r#"{"specversion":"1.0","type":"a","id":"1"}"#), Code::MissingAttribute);
        assert_eq!(refused(r#"{"source":"s","type":"a","id":"1"}"#), Code::MissingAttribute);
        assert_eq!(refused(r#"{"specversion":"0.3","source":"s","type":"a","id":"1"}"#), Code::WrongType);
        assert_eq!(refused(&with("")), Code::MissingEvent);
        assert_eq!(refused(&with(r#","type":"seen""#)), Code::MissingIdentifier);
        assert_eq!(refused(&with(r#","type":"seen","userid":"u","time":"noon""#)), Code::BadTimestamp);
        let long = "x".repeat(600);
        assert_eq!(refused(&with(&format!(r#","type":"seen","userid":"{long}""#))), Code::IdTooLong);
    }
}
