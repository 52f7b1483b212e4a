//! The ways in which events are said. Each dialect is one module that ends in a [`Parsed`]; nothing downstream
//! knows which one it was.

pub mod cloudevents;
pub mod segment;

use model::{
    Dedupe, Event, EventKind, Identifier, KeyId, RejectedBody, Signal, Time, TimelineId, is_of_customers,
    is_operational, may_name_nobody,
};
use runtime::{Node, NodeError};

use crate::plan::Plan;
use crate::plan::gate::{Admitted, Door, Named, admit};

/// Ids are identifiers of people and messages, not documents.
const ID_BYTES_MAX: usize = 512;

/// One event of a request, taken or refused. A refusal is kept too.
pub enum Parsed<'a> {
    Event {
        event: Event<'a>,
        /// Whether the sender named the message; a name that the server made recognises nothing.
        client_named: bool,
    },
    Refused(Refused<'a>),
}

/// Why one event was refused, and what it was.
pub struct Refused<'a> {
    pub code: Code,
    pub detail: String,
    /// The identifier that chooses the key it is sealed with.
    pub subject: Option<(bool, String)>,
    pub message_id: Option<String>,
    pub raw: &'a str,
}

/// The reasons for which an event is refused by name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Code {
    MalformedJson,
    MissingIdentifier,
    MissingEvent,
    MissingAttribute,
    UnknownType,
    WrongType,
    BadTimestamp,
    EventTooLarge,
    IdTooLong,
    /// The tracking plan blocks it.
    PlanViolation,
    /// The key may send only what customers do, and this is something else.
    NotOfCustomers,
}

impl Code {
    pub const ALL: [Code; 11] = [
        Code::MalformedJson,
        Code::MissingIdentifier,
        Code::MissingEvent,
        Code::MissingAttribute,
        Code::UnknownType,
        Code::WrongType,
        Code::BadTimestamp,
        Code::EventTooLarge,
        Code::IdTooLong,
        Code::PlanViolation,
        Code::NotOfCustomers,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Code::MalformedJson => "malformed_json",
            Code::MissingIdentifier => "missing_identifier",
            Code::MissingEvent => "missing_event",
            Code::MissingAttribute => "missing_attribute",
            Code::UnknownType => "unknown_type",
            Code::WrongType => "wrong_type",
            Code::BadTimestamp => "bad_timestamp",
            Code::EventTooLarge => "event_too_large",
            Code::IdTooLong => "id_too_long",
            Code::PlanViolation => "plan_violation",
            Code::NotOfCustomers => "not_of_customers",
        }
    }
}

/// Where a request came from and when.
#[derive(Clone, Copy)]
pub struct Origin<'a> {
    pub source: &'a str,
    /// The path of the API, or the file.
    pub place: &'a str,
    pub received_at: Time,
    /// Whether it may tell only what customers do.
    pub only_customers: bool,
}

/// The words in which one line of a file speaks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Shape {
    Segment,
    /// Structured mode.
    CloudEvents,
}

impl Shape {
    /// A CloudEvents event names the version of its specification; a Segment call has no such member.
    fn of(raw: &str) -> Shape {
        #[derive(serde::Deserialize)]
        struct Head<'a> {
            #[serde(borrow, default)]
            specversion: Option<&'a serde_json::value::RawValue>,
        }
        let is_cloudevent = raw.contains("\"specversion\"")
            && serde_json::from_str::<Head<'_>>(raw).is_ok_and(|head| head.specversion.is_some());
        if is_cloudevent { Shape::CloudEvents } else { Shape::Segment }
    }
}

/// Parses one event of a file, of at most `limit` bytes, in any of the shapes that the HTTP intake takes. The time
/// that it states counts as it stands; `now` is the time of one that states none.
pub fn parse_line<'a>(
    raw: &'a str,
    limit: usize,
    now: Time,
    fresh_id: impl FnOnce() -> String,
) -> (Shape, Parsed<'a>) {
    let shape = Shape::of(raw);
    let parsed = match shape {
        Shape::CloudEvents => cloudevents::parse_within(raw, now, limit),
        Shape::Segment => {
            let outer = segment::Outer {
                event_bytes_max: Some(limit),
                times_as_stated: true,
                ..segment::Outer::default()
            };
            segment::parse(raw, None, outer, now, fresh_id)
        }
    };
    (shape, parsed)
}

/// Reads a text again that came to `place`, in the words of that place.
pub fn parse_again<'a>(
    raw: &'a str,
    place: &str,
    received_at: Time,
    fresh_id: impl FnOnce() -> String,
) -> Parsed<'a> {
    if place == cloudevents::PATH {
        return cloudevents::parse(raw, received_at);
    }
    let path = place.rsplit('/').next().and_then(EventKind::from_name);
    segment::parse(raw, path, segment::Outer::default(), received_at, fresh_id)
}

/// Whether an event needs no person: it is about operations, or about an order or promise whose owner is known
/// elsewhere.
fn names_no_person(name: &str, properties: Option<&str>) -> bool {
    is_operational(name) || (may_name_nobody(name) && matches!(Signal::parse(name, properties), Some(Ok(_))))
}

/// The beginning of a text, for an error.
fn clip(text: &str) -> String {
    text.chars().take(64).collect()
}

/// Whether an event was taken, else its code and what is wrong with it.
pub type Verdict = Result<(), (Code, String)>;

/// Seals what was parsed into `records` for the intake log: the event, or what was refused as a dead letter, and what
/// the event does against the plan.
pub fn seal(
    node: &Node,
    plan: Option<&Plan>,
    origin: Origin<'_>,
    parsed: &Parsed<'_>,
    records: &mut Vec<Vec<u8>>,
) -> Result<Verdict, NodeError> {
    let (event, client_named) = match parsed {
        Parsed::Event { event, client_named } => (event, *client_named),
        Parsed::Refused(refused) => {
            let subject = refused.subject.as_ref();
            let subject = subject
                .map(|(user, id)| if *user { Identifier::User(id) } else { Identifier::Anonymous(id) });
            let key = node.key_for(subject, origin.received_at);
            records.push(seal_refused(node, origin, refused, key)?);
            return Ok(Err((refused.code, refused.detail.clone())));
        }
    };
    if origin.only_customers && event.kind == EventKind::Track && !is_of_customers(&event.name) {
        let detail = clip(&event.name);
        let key = node.key_of(event, origin.received_at);
        let (code, name) = (Code::NotOfCustomers, client_named.then(|| event.message_id.to_string()));
        records.push(seal_written(node, origin, event, (code, detail.clone(), name), key)?);
        return Ok(Err((code, detail)));
    }
    let named = if client_named { Named::Client(&event.message_id) } else { Named::No };
    let Origin { source, received_at, .. } = origin;
    match admit(node, plan, Door { source, timeline: TimelineId::LIVE, received_at, named }, event)? {
        Admitted::Taken { event, violation } => {
            records.push(event);
            records.extend(violation);
            Ok(Ok(()))
        }
        Admitted::Blocked { violation, detail, key } => {
            let (code, name) = (Code::PlanViolation, client_named.then(|| event.message_id.to_string()));
            records.push(seal_written(node, origin, event, (code, detail.clone(), name), key)?);
            records.push(violation);
            Ok(Err((code, detail)))
        }
    }
}

/// Seals an event that was read and is refused all the same: (code, detail, the message's name).
fn seal_written(
    node: &Node,
    origin: Origin<'_>,
    event: &Event<'_>,
    (code, detail, message_id): (Code, String, Option<String>),
    key: KeyId,
) -> Result<Vec<u8>, NodeError> {
    let raw = &segment::written(event);
    seal_refused(node, origin, &Refused { code, detail, subject: None, message_id, raw }, key)
}

/// Seals a refused event as a dead letter.
fn seal_refused(
    node: &Node,
    origin: Origin<'_>,
    refused: &Refused<'_>,
    key: KeyId,
) -> Result<Vec<u8>, NodeError> {
    // A retry of a refused event is one dead letter, not many.
    let dedupe = match &refused.message_id {
        Some(id) => Dedupe::Client(node.keys.hash_message(&format!("refused {}", origin.source), id)),
        None => Dedupe::None,
    };
    let body = RejectedBody {
        code: refused.code.name().into(),
        reason: refused.detail.as_str().into(),
        place: origin.place.into(),
        raw: refused.raw.into(),
    };
    node.seal_rejected(origin.source, origin.received_at, key, dedupe, &body)
}
