//! Segment's HTTP Tracking API.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use model::{Event, EventKind, Time};
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::{Code, ID_BYTES_MAX, Parsed, Refused, clip, names_no_person};

/// Limits of the specification.
pub const EVENT_BYTES_MAX: usize = 32 << 10;
pub const BODY_BYTES_MAX: usize = 500 << 10;
pub const BATCH_EVENTS_MAX: usize = 2_500;

/// A batch, its events still as they were sent.
#[derive(Deserialize)]
pub struct Batch<'a> {
    #[serde(borrow)]
    pub batch: Vec<&'a RawValue>,
    #[serde(borrow, default)]
    pub context: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub integrations: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "writeKey")]
    pub write_key: Option<Cow<'a, str>>,
    #[serde(borrow, default, rename = "sentAt")]
    pub sent_at: Option<Cow<'a, str>>,
}

/// What a batch says for all of its events.
#[derive(Clone, Copy, Default)]
pub struct Outer<'a> {
    pub context: Option<&'a str>,
    pub integrations: Option<&'a str>,
    pub sent_at: Option<&'a str>,
    /// The largest event in bytes, where it is not [`EVENT_BYTES_MAX`]: a file's order may have a thousand lines.
    pub event_bytes_max: Option<usize>,
    /// Whether `timestamp` counts as it stands: what lay in a file was not sent just now, so `sentAt` corrects nothing.
    pub times_as_stated: bool,
}

impl<'a> Batch<'a> {
    pub fn outer(&'a self) -> Outer<'a> {
        Outer {
            context: self.context.map(RawValue::get),
            integrations: self.integrations.map(RawValue::get),
            sent_at: self.sent_at.as_deref(),
            event_bytes_max: None,
            times_as_stated: false,
        }
    }
}

/// The write key in the body of a single event, where there is one.
pub fn write_key_in(body: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Key<'a> {
        #[serde(borrow, default, rename = "writeKey")]
        write_key: Option<Cow<'a, str>>,
    }
    serde_json::from_str::<Key<'_>>(body).ok()?.write_key.map(Cow::into_owned)
}

/// Parses one event. `path` is the call that the path names; inside a batch the event names it itself.
/// `fresh_id` names a message that its sender did not.
pub fn parse<'a>(
    raw: &'a str,
    path: Option<EventKind>,
    outer: Outer<'_>,
    received_at: Time,
    fresh_id: impl FnOnce() -> String,
) -> Parsed<'a> {
    let refuse = |code, detail: String, members: Option<&Members<'_>>| {
        let id = |id: &Option<Id<'_>>| id.as_ref().map(|id| id.0.to_string()).filter(|id| !id.is_empty());
        let user = members.and_then(|m| id(&m.user_id)).map(|id| (true, id));
        let device = members.and_then(|m| id(&m.anonymous_id)).map(|id| (false, id));
        let message_id = members.and_then(|m| id(&m.message_id));
        Parsed::Refused(Refused { code, detail, subject: user.or(device), message_id, raw })
    };
    let members: Members<'a> = match serde_json::from_str(raw) {
        Ok(members) => members,
        Err(error) => {
            let code = if error.is_data() { Code::WrongType } else { Code::MalformedJson };
            return refuse(code, error.to_string(), None);
        }
    };
    let all = Some(&members);
    let limit = outer.event_bytes_max.unwrap_or(EVENT_BYTES_MAX);
    if raw.len() > limit {
        let detail = format!("{} bytes; the limit is {limit}", raw.len());
        return refuse(Code::EventTooLarge, detail, all);
    }
    let named = members.kind.as_deref();
    let Some(kind) = named.map_or(path, EventKind::from_name) else {
        let known = EventKind::ALL.map(EventKind::name).join(", ");
        let detail = match named {
            Some(other) => format!("type `{}` is none of {known}", clip(other)),
            None => format!("type is missing; it is one of {known}"),
        };
        return refuse(Code::UnknownType, detail, all);
    };
    for (name, id) in [
        ("userId", &members.user_id),
        ("anonymousId", &members.anonymous_id),
        ("previousId", &members.previous_id),
        ("groupId", &members.group_id),
        ("messageId", &members.message_id),
    ] {
        if let Some(id) = id
            && id.0.len() > ID_BYTES_MAX
        {
            return refuse(Code::IdTooLong, format!("{name}: longer than {ID_BYTES_MAX} bytes"), all);
        }
    }
    if present(&members.user_id).is_none()
        && present(&members.anonymous_id).is_none()
        && !(kind == EventKind::Track
            && names_no_person(
                members.event.as_deref().unwrap_or_default(),
                members.properties.map(RawValue::get),
            ))
    {
        let detail = "neither userId nor anonymousId names anybody".to_owned();
        return refuse(Code::MissingIdentifier, detail, all);
    }
    let name = match kind {
        EventKind::Track => match members.event.as_ref().filter(|event| !event.is_empty()) {
            Some(event) => event.clone(),
            None => return refuse(Code::MissingEvent, "a track call without `event`".to_owned(), all),
        },
        _ => members.name.clone().unwrap_or_default(),
    };
    let timestamp = match corrected(&members, outer, received_at) {
        Ok(timestamp) => timestamp,
        Err(detail) => return refuse(Code::BadTimestamp, detail, all),
    };
    let client_id = present(&members.message_id);
    let client_named = client_id.is_some();
    let Members { user_id, anonymous_id, previous_id, group_id, properties, traits, context, rest, .. } =
        members;
    // Some SDKs say the traits of an identify only there.
    let traits = match (kind, traits, context) {
        (EventKind::Identify, None, Some(context)) => traits_in(context),
        (_, traits, _) => traits,
    };
    let keep = |id: Option<Id<'a>>| id.map(|id| id.0).filter(|id| !id.is_empty());
    Parsed::Event {
        event: Event {
            kind,
            name,
            user_id: keep(user_id),
            anonymous_id: keep(anonymous_id),
            previous_id: keep(previous_id),
            group_id: keep(group_id),
            message_id: client_id.map_or_else(|| fresh_id().into(), |id| id.0),
            timestamp,
            properties: properties.map(|p| p.get().into()),
            traits: traits.map(|t| t.get().into()),
            context: merged(context.map(RawValue::get), outer.context),
            rest: rest.finish(outer.integrations),
        },
        client_named,
    }
}

/// How [`written`] events are read again: they were taken once, whatever their size.
pub const WRITTEN: Outer<'_> = Outer {
    context: None,
    integrations: None,
    sent_at: None,
    event_bytes_max: Some(usize::MAX),
    times_as_stated: true,
};

/// An event in this dialect's words, whatever dialect it came in: read with [`WRITTEN`], it is the same event.
pub fn written(event: &Event<'_>) -> String {
    let mut object = Rest::default();
    let kept = event
        .rest
        .as_deref()
        .and_then(|rest| serde_json::from_str::<BTreeMap<Cow<'_, str>, &RawValue>>(rest).ok());
    for (name, value) in kept.iter().flatten() {
        object.add(name, value.get());
    }
    let text = |text: &str| serde_json::to_string(text).expect("a text serialises");
    let named = if event.kind == EventKind::Track { "event" } else { "name" };
    let name = Some(&event.name).filter(|name| !name.is_empty());
    for (member, value) in [
        ("type", Some(&Cow::Borrowed(event.kind.name()))),
        (named, name),
        ("userId", event.user_id.as_ref()),
        ("anonymousId", event.anonymous_id.as_ref()),
        ("previousId", event.previous_id.as_ref()),
        ("groupId", event.group_id.as_ref()),
        ("messageId", Some(&event.message_id)),
        ("timestamp", Some(&Cow::Owned(event.timestamp.to_string()))),
    ] {
        if let Some(value) = value {
            object.add(member, &text(value));
        }
    }
    let parts = [("properties", &event.properties), ("traits", &event.traits), ("context", &event.context)];
    for (member, raw) in parts {
        if let Some(raw) = raw {
            object.add(member, raw);
        }
    }
    object.finish(None).map(Cow::into_owned).unwrap_or_default()
}

/// The traits in a context.
fn traits_in(context: &RawValue) -> Option<&RawValue> {
    #[derive(Deserialize)]
    struct Context<'a> {
        #[serde(borrow, default)]
        traits: Option<&'a RawValue>,
    }
    serde_json::from_str::<Context<'_>>(context.get()).ok()?.traits
}

fn present<'a>(id: &Option<Id<'a>>) -> Option<Id<'a>> {
    id.clone().filter(|id| !id.0.is_empty())
}

/// `receivedAt − (sentAt − timestamp)`: the sender's clock may be wrong, the time between its two readings is not.
fn corrected(members: &Members<'_>, outer: Outer<'_>, received_at: Time) -> Result<Time, String> {
    // Some SDKs put the time of the call into `originalTimestamp` beside a `timestamp` that their caller gave.
    let stated = members.timestamp.as_ref().or(members.original_timestamp.as_ref());
    let Some(stated) = stated.filter(|stated| !stated.is_empty()) else { return Ok(received_at) };
    let timestamp = Time::parse(stated).ok_or_else(|| {
        format!(
            "timestamp `{}` is not an RFC 3339 instant with a zone, between the years 1 and 9998",
            clip(stated)
        )
    })?;
    let sent_at = members.sent_at.as_deref().or(outer.sent_at).and_then(Time::parse);
    let corrected = match sent_at {
        Some(sent_at) if !outer.times_as_stated => received_at.plus_micros(timestamp.since(sent_at)),
        _ => timestamp,
    };
    Ok(corrected.clamp(Time::EARLIEST_EVENT, Time::LATEST_EVENT))
}

/// The event's own context over the batch's, member by member.
fn merged<'a>(own: Option<&'a str>, outer: Option<&str>) -> Option<Cow<'a, str>> {
    let Some(outer) = outer.filter(|outer| *outer != "null" && *outer != "{}") else {
        return own.map(Cow::Borrowed);
    };
    let Some(own) = own.filter(|own| *own != "null") else { return Some(outer.to_owned().into()) };
    type Object = serde_json::Map<String, serde_json::Value>;
    match (serde_json::from_str::<Object>(outer), serde_json::from_str::<Object>(own)) {
        (Ok(mut all), Ok(own)) => {
            all.extend(own);
            Some(serde_json::Value::Object(all).to_string().into())
        }
        // What is no object cannot be merged; the event's own word stays.
        _ => Some(own.into()),
    }
}

/// An id as text; some senders write numbers.
#[derive(Clone, Debug)]
struct Id<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Id<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct IdVisitor;
        impl<'de> Visitor<'de> for IdVisitor {
            type Value = Id<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text or a whole number")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Id<'de>, E> {
                Ok(Id(Cow::Borrowed(text)))
            }
            fn visit_str<E>(self, text: &str) -> Result<Id<'de>, E> {
                Ok(Id(Cow::Owned(text.to_owned())))
            }
            fn visit_u64<E>(self, number: u64) -> Result<Id<'de>, E> {
                Ok(Id(Cow::Owned(number.to_string())))
            }
            fn visit_i64<E>(self, number: i64) -> Result<Id<'de>, E> {
                Ok(Id(Cow::Owned(number.to_string())))
            }
        }
        from.deserialize_any(IdVisitor)
    }
}

/// A text that borrows where it can.
struct Text<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Text<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct TextVisitor;
        impl<'de> Visitor<'de> for TextVisitor {
            type Value = Text<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }
            fn visit_str<E>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }
        from.deserialize_str(TextVisitor)
    }
}

/// The members of an event. Those that nobody here reads go to `rest`, unparsed.
#[derive(Default)]
struct Members<'a> {
    kind: Option<Cow<'a, str>>,
    event: Option<Cow<'a, str>>,
    name: Option<Cow<'a, str>>,
    user_id: Option<Id<'a>>,
    anonymous_id: Option<Id<'a>>,
    previous_id: Option<Id<'a>>,
    group_id: Option<Id<'a>>,
    message_id: Option<Id<'a>>,
    timestamp: Option<Cow<'a, str>>,
    original_timestamp: Option<Cow<'a, str>>,
    sent_at: Option<Cow<'a, str>>,
    properties: Option<&'a RawValue>,
    traits: Option<&'a RawValue>,
    context: Option<&'a RawValue>,
    rest: Rest,
}

/// An object that grows.
#[derive(Default)]
struct Rest {
    text: String,
    has_integrations: bool,
}

impl Rest {
    fn add(&mut self, name: &str, raw: &str) {
        self.has_integrations |= name == "integrations";
        self.text.push(if self.text.is_empty() { '{' } else { ',' });
        self.text.push_str(&serde_json::to_string(name).expect("a text serialises"));
        self.text.push(':');
        self.text.push_str(raw);
    }

    fn finish<'a>(mut self, integrations: Option<&str>) -> Option<Cow<'a, str>> {
        if let Some(outer) = integrations.filter(|_| !self.has_integrations) {
            self.add("integrations", outer);
        }
        if self.text.is_empty() {
            return None;
        }
        self.text.push('}');
        Some(self.text.into())
    }
}

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct MembersVisitor;
        impl<'de> Visitor<'de> for MembersVisitor {
            type Value = Members<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an event: a JSON object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut all = Members::default();
                while let Some(Text(name)) = map.next_key::<Text<'de>>()? {
                    let text = |map: &mut A| Ok(map.next_value::<Option<Text<'de>>>()?.map(|t| t.0));
                    match name.as_ref() {
                        "type" => all.kind = text(&mut map)?,
                        "event" => all.event = text(&mut map)?,
                        "name" => all.name = text(&mut map)?,
                        "userId" => all.user_id = map.next_value()?,
                        "anonymousId" => all.anonymous_id = map.next_value()?,
                        "previousId" => all.previous_id = map.next_value()?,
                        "groupId" => all.group_id = map.next_value()?,
                        "messageId" => all.message_id = map.next_value()?,
                        "timestamp" => all.timestamp = text(&mut map)?,
                        "originalTimestamp" => all.original_timestamp = text(&mut map)?,
                        "properties" => all.properties = map.next_value()?,
                        "traits" => all.traits = map.next_value()?,
                        "context" => all.context = map.next_value()?,
                        "writeKey" => {
                            map.next_value::<IgnoredAny>()?;
                        }
                        "sentAt" => {
                            let raw: &'de RawValue = map.next_value()?;
                            all.sent_at = serde_json::from_str::<Text<'_>>(raw.get())
                                .ok()
                                .map(|t| Cow::Owned(t.0.into_owned()));
                            all.rest.add("sentAt", raw.get());
                        }
                        other => {
                            let raw: &'de RawValue = map.next_value()?;
                            all.rest.add(other, raw.get());
                        }
                    }
                }
                Ok(all)
            }
        }
        from.deserialize_map(MembersVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Time = Time(1_774_000_000_000_000);

    fn parsed<'a>(raw: &'a str, outer: Outer<'_>) -> Parsed<'a> {
        parse(raw, None, outer, NOW, || "made".to_owned())
    }

    fn refused(raw: &str) -> Code {
        match parsed(raw, Outer::default()) {
            Parsed::Refused(refused) => refused.code,
            Parsed::Event { .. } => panic!("accepted: {raw}"),
        }
    }

    #[test]
    fn what_was_sent_is_kept_member_by_member() {
        let raw = r#"{"type":"track","event":"A\u00e9","userId":7,"anonymousId":null,"messageId":"m",
            "timestamp":"2026-03-01T00:00:00Z","properties":{"a":1},"context":{"ip":"1"},"integrations":{"All":true},
            "writeKey":"secret","channel":"web"}"#;
        let outer = Outer { context: Some(r#"{"ip":"2","os":"x"}"#), ..Outer::default() };
        let Parsed::Event { event, client_named } = parsed(raw, outer) else { panic!("refused") };
        assert!(client_named);
        assert_eq!((event.name.as_ref(), event.user_id.as_deref()), ("Aé", Some("7")));
        assert_eq!(event.anonymous_id, None);
        assert_eq!(event.properties.as_deref(), Some(r#"{"a":1}"#));
        assert_eq!(event.context.as_deref(), Some(r#"{"ip":"1","os":"x"}"#));
        assert_eq!(event.rest.as_deref(), Some(r#"{"integrations":{"All":true},"channel":"web"}"#));
        assert_eq!(event.timestamp.to_string(), "2026-03-01T00:00:00Z");
    }

    #[test]
    fn a_wrong_clock_is_corrected_by_the_time_of_sending() {
        let raw = r#"{"type":"page","userId":"u","timestamp":"2001-01-01T00:00:00Z","sentAt":"2001-01-01T00:00:05Z"}"#;
        let Parsed::Event { event, client_named } = parsed(raw, Outer::default()) else { panic!("refused") };
        assert_eq!(event.timestamp, NOW.plus_micros(-5_000_000));
        assert!(!client_named);
        assert_eq!(event.message_id, "made");
    }

    #[test]
    fn the_callers_own_time_counts() {
        let raw = r#"{"type":"page","userId":"u","timestamp":"2024-02-29T14:59:58Z","originalTimestamp":"2026-03-01T00:00:00Z"}"#;
        let Parsed::Event { event, .. } = parsed(raw, Outer::default()) else { panic!("refused") };
        assert_eq!(event.timestamp.to_string(), "2024-02-29T14:59:58Z");
        let raw = r#"{"type":"page","userId":"u","originalTimestamp":"2026-03-01T00:00:00Z"}"#;
        let Parsed::Event { event, .. } = parsed(raw, Outer::default()) else { panic!("refused") };
        assert_eq!(event.timestamp.to_string(), "2026-03-01T00:00:00Z");
    }

    #[test]
    fn traits_of_an_identify_may_be_in_its_context() {
        let raw = r#"{"type":"identify","userId":"u","context":{"traits":{"a":1}}}"#;
        let Parsed::Event { event, .. } = parsed(raw, Outer::default()) else { panic!("refused") };
        assert_eq!(event.traits.as_deref(), Some(r#"{"a":1}"#));
        assert_eq!(event.context.as_deref(), Some(r#"{"traits":{"a":1}}"#));
        let raw = r#"{"type":"identify","userId":"u","traits":{"a":2},"context":{"traits":{"a":1}}}"#;
        let Parsed::Event { event, .. } = parsed(raw, Outer::default()) else { panic!("refused") };
        assert_eq!(event.traits.as_deref(), Some(r#"{"a":2}"#));
    }

    #[test]
    fn what_is_written_is_read_as_the_same_event() {
        let sent = Outer {
            context: Some(r#"{"library":{"name":"sdk"}}"#),
            integrations: Some(r#"{"All":true}"#),
            sent_at: Some("2026-03-01T10:00:00Z"),
            ..Outer::default()
        };
        for raw in [
            r#"{"type":"track","event":"A \"b\"","userId":7,"messageId":"m","timestamp":"2026-03-01T09:00:00.000001Z",
                "properties":{"a":1e999,"b":[null]},"context":{"ip":"::1"},"odd":{"x":1},"originalTimestamp":"no"}"#,
            r#"{"type":"page","name":"Home","anonymousId":"d","messageId":"m"}"#,
            r#"{"type":"identify","userId":"u","messageId":"m","traits":{"name":"김"},"integrations":{}}"#,
            r#"{"type":"group","userId":"u","groupId":"g","messageId":"m","traits":null}"#,
            r#"{"type":"alias","userId":"u","previousId":"p","messageId":"m"}"#,
        ] {
            let Parsed::Event { event, .. } = parsed(raw, sent) else { panic!("refused: {raw}") };
            let text = written(&event);
            let Parsed::Event { event: again, client_named } = parsed(&text, WRITTEN) else {
                panic!("refused: {text}")
            };
            assert!(client_named);
            let unordered = |rest: &Option<Cow<'_, str>>| -> serde_json::Value {
                rest.as_deref().map_or(serde_json::Value::Null, |rest| serde_json::from_str(rest).unwrap())
            };
            assert_eq!(unordered(&again.rest), unordered(&event.rest), "{text}");
            assert_eq!(Event { rest: None, ..again }, Event { rest: None, ..event }, "{text}");
        }
    }

    #[test]
    fn each_refusal_has_its_name() {
        assert_eq!(refused(r#"{"type":"track","userId":"u","#), Code::MalformedJson);
        assert_eq!(refused(r#"[]"#), Code::WrongType);
        assert_eq!(refused(r#"{"type":"track","event":5,"userId":"u"}"#), Code::WrongType);
        assert_eq!(refused(r#"{"type":"track","event":"e"}"#), Code::MissingIdentifier);
        assert_eq!(refused(r#"{"type":"track","event":"e","userId":""}"#), Code::MissingIdentifier);
        assert_eq!(refused(r#"{"type":"track","userId":"u"}"#), Code::MissingEvent);
        assert_eq!(refused(r#"{"type":"bake","userId":"u"}"#), Code::UnknownType);
        assert_eq!(refused(r#"{"userId":"u"}"#), Code::UnknownType);
        for at in ["0000-01-01T00:00:00Z", "9999-12-31T00:00:00Z", "yesterday"] {
            let raw = format!(r#"{{"type":"page","userId":"u","timestamp":"{at}"}}"#);
            assert_eq!(refused(&raw), Code::BadTimestamp, "{at}");
        }
        let long = "x".repeat(600);
        assert_eq!(refused(&format!(r#"{{"type":"page","userId":"{long}"}}"#)), Code::IdTooLong);
        let big = "x".repeat(EVENT_BYTES_MAX);
        let raw = format!(r#"{{"type":"page","userId":"u","properties":{{"a":"{big}"}}}}"#);
        assert_eq!(refused(&raw), Code::EventTooLarge);
    }

    #[test]
    fn deep_nesting_is_kept_as_it_came() {
        let deep = format!("{}1{}", "[".repeat(9_000), "]".repeat(9_000));
        let raw = format!(r#"{{"type":"page","userId":"u","properties":{deep}}}"#);
        let Parsed::Event { event, .. } = parsed(&raw, Outer::default()) else { panic!("refused") };
        assert_eq!(event.properties.as_deref(), Some(deep.as_str()));
    }
}
