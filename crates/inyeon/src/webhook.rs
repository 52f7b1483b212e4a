//! Webhooks in: a system that owns facts tells them, a map says what they mean, and a secret proves who speaks.

use model::{Dedupe, EntityId, KeyId, RejectedBody, Time, TimelineId};
use runtime::{Node, NodeError};
use rustc_hash::FxHashMap;
use serde_json::{Value, json};

use crate::broker;
use crate::dialect::segment::{self, Outer};
use crate::dialect::{Code, Parsed};
use crate::error::{Failure, Kind};
use crate::import::ImportEvent;
use crate::import::csv_map::{Map, Request};
use crate::plan::Plan;
use crate::plan::gate::{Admitted, Door, Named, admit};

/// An order of a wholesaler may have thousands of lines.
const EVENT_BYTES_MAX: usize = 4 << 20;
/// Where requests come to, before the name.
pub const PATH: &str = "/v1/webhooks/";

/// A connected system.
pub struct Hook {
    name: String,
    map: Map,
    secret: String,
}

/// Those that are connected, by name.
pub type Hooks = FxHashMap<String, Hook>;

/// A request's events, or why there are none.
pub type Understood = Result<Events, Refusal>;

/// The events of a request, sealed.
pub struct Events {
    pub count: usize,
    /// Theirs, and those of what they do against the tracking plan.
    pub records: Vec<Vec<u8>>,
}

/// Why a request made no events.
pub struct Refusal {
    /// Stable, for programs.
    pub code: &'static str,
    pub reason: String,
    /// What blocked events do against the tracking plan.
    pub records: Vec<Vec<u8>>,
    /// The key of whom the first blocked event is about: the request is kept for them.
    key: Option<KeyId>,
}

impl Refusal {
    fn new(code: &'static str, reason: impl ToString) -> Self {
        Refusal { code, reason: reason.to_string(), records: Vec::new(), key: None }
    }
}

/// What became of a request.
pub struct Taken {
    pub records: Vec<Vec<u8>>,
    /// Whether it was understood, and how many events it made; else the reason, and it is kept as a dead letter.
    pub verdict: Result<usize, (&'static str, String)>,
}

/// Reads the connected systems from the workspace. A map that this program does not understand any more fails at
/// its requests, which are kept, and not at the start.
pub fn connected(node: &Node) -> Result<Hooks, Failure> {
    let hooks = node.ask(|fold| {
        fold.entity(EntityId::workspace()).map(|entity| {
            let webhooks = entity.workspace().map(|w| w.webhooks.clone()).unwrap_or_default();
            webhooks.into_iter().map(|(name, hook)| (name, hook.map, hook.secret)).collect::<Vec<_>>()
        })
    })??;
    let hook = |(name, map, secret): (String, String, String)| {
        let map = Map::parse(&map, &name).ok()?;
        Some((name.clone(), Hook { name, map, secret }))
    };
    Ok(hooks.into_iter().filter_map(hook).collect())
}

/// Whether a name has 1 to 64 letters, digits, and _ - .
pub fn is_name(name: &str) -> bool {
    let sound = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.');
    !name.is_empty() && name.len() <= 64 && name.bytes().all(sound)
}

/// A name that can stand in an address.
pub fn check_name(name: &str) -> Result<(), Failure> {
    if !is_name(name) {
        return Err(Failure::new(Kind::Usage, "bad-webhook-name").with("name", name));
    }
    Ok(())
}

impl Hook {
    /// Whether the request comes from whom it says: by its signature, or by the secret in its address.
    pub fn trusts(
        &self,
        in_address: Option<&str>,
        header: &dyn Fn(&str) -> Option<String>,
        body: &[u8],
    ) -> bool {
        if self.map.is_signed() {
            return self.map.is_signature_right(&self.secret, header, body);
        }
        // Compared as hashes, so that the time says nothing about how much of it was right.
        in_address.is_some_and(|given| {
            crate::keys::hash_write_key(given) == crate::keys::hash_write_key(&self.secret)
        })
    }

    /// The records of a request: its events, or itself as a dead letter. Nothing of a request counts where a part of
    /// it was not understood.
    pub fn records(
        &self,
        node: &Node,
        plan: Option<&Plan>,
        header: &dyn Fn(&str) -> Option<String>,
        body: &str,
        received_at: Time,
    ) -> Result<Taken, NodeError> {
        match self.events(node, plan, header, body, received_at)? {
            Ok(Events { count, records }) => Ok(Taken { verdict: Ok(count), records }),
            Err(Refusal { code, reason, mut records, key }) => {
                let key = key.unwrap_or_else(|| node.key_for(None, received_at));
                records.push(self.rejected(node, header, body, received_at, key, (code, &reason))?);
                Ok(Taken { records, verdict: Err((code, reason)) })
            }
        }
    }

    /// The records of the request's events, sealed.
    pub fn events(
        &self,
        node: &Node,
        plan: Option<&Plan>,
        header: &dyn Fn(&str) -> Option<String>,
        body: &str,
        received_at: Time,
    ) -> Result<Understood, NodeError> {
        let body: Value = match serde_json::from_str(body) {
            Ok(body) => body,
            Err(error) => return Ok(Err(Refusal::new(Code::MalformedJson.name(), error))),
        };
        let request = Request { body: &body, header, received_at: received_at.to_string(), message: None };
        let events = match self.map.events_of(&request) {
            Ok(events) => events,
            Err(reason) => return Ok(Err(Refusal::new(reason.code(), reason))),
        };
        let source = self.source();
        let outer = Outer { event_bytes_max: Some(EVENT_BYTES_MAX), ..Outer::default() };
        let mut taken = Events { count: events.len(), records: Vec::with_capacity(events.len()) };
        let mut blocked: Option<Refusal> = None;
        for event in &events {
            let parsed = match segment::parse(&event.json, None, outer, received_at, || event.key.clone()) {
                Parsed::Event { event, .. } => event,
                Parsed::Refused(refused) => {
                    return Ok(Err(Refusal::new(refused.code.name(), refused.detail)));
                }
            };
            // The thing's own name: however often it is told, it counts once.
            let named = Named::Permanent(&event.key);
            let door = Door { source: &source, timeline: TimelineId::LIVE, received_at, named };
            match admit(node, plan, door, &parsed)? {
                Admitted::Taken { event, violation } => {
                    taken.records.push(event);
                    taken.records.extend(violation);
                }
                Admitted::Blocked { violation, detail, key } => {
                    let code = Code::PlanViolation.name();
                    let refusal = || Refusal { key: Some(key), ..Refusal::new(code, detail) };
                    blocked.get_or_insert_with(refusal).records.push(violation);
                }
            }
        }
        Ok(blocked.map_or(Ok(taken), Err))
    }

    /// The request with the headers that the map reads, to be looked at and read again when the map is mended.
    fn rejected(
        &self,
        node: &Node,
        header: &dyn Fn(&str) -> Option<String>,
        body: &str,
        received_at: Time,
        key: KeyId,
        (code, reason): (&str, &str),
    ) -> Result<Vec<u8>, NodeError> {
        let headers: serde_json::Map<String, Value> =
            self.map.headers().filter_map(|name| Some((name.clone(), json!(header(&name)?)))).collect();
        let raw = json!({ "headers": headers, "body": body }).to_string();
        let source = self.source();
        // A request that is sent again is one dead letter.
        let dedupe = Dedupe::Client(node.keys.hash_message(&format!("refused {source}"), &raw));
        let place = format!("{PATH}{}", self.name);
        let body =
            RejectedBody { code: code.into(), reason: reason.into(), place: place.into(), raw: raw.into() };
        node.seal_rejected(&source, received_at, key, dedupe, &body)
    }

    /// Whether the body only tries the address; nobody who sends one can do anything by it.
    pub fn is_ping(&self, body: &str) -> bool {
        self.map.is_ping(body)
    }

    /// Reads a kept request again, as of the time when it came.
    pub fn replay(
        &self,
        node: &Node,
        plan: Option<&Plan>,
        raw: &str,
        received_at: Time,
    ) -> Result<Understood, NodeError> {
        let kept: Value = serde_json::from_str(raw).unwrap_or_default();
        let header = |name: &str| kept["headers"][name].as_str().map(str::to_owned);
        self.events(node, plan, &header, kept["body"].as_str().unwrap_or_default(), received_at)
    }

    /// The name under which its records are kept.
    pub fn source(&self) -> String {
        format!("webhook:{}", self.name)
    }
}

/// What a map makes of a sample, without a store. A sample of a map about topics is a message's payload, and its
/// headers say `topic` and, where it was, `retained`.
pub fn sample(
    map: &Map,
    body: &str,
    headers: &[(String, String)],
    received_at: Time,
) -> Result<Value, Failure> {
    let failed = |detail: String| Failure::new(Kind::Failed, "map-sample").with("detail", detail);
    let header = |name: &str| {
        let found = headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.clone())
    };
    let events = if map.topic_filters().is_empty() {
        let body: Value = serde_json::from_str(body).map_err(|error| failed(error.to_string()))?;
        let received_at = received_at.to_string();
        let request = Request { body: &body, header: &header, received_at, message: None };
        map.events_of(&request).map_err(|reason| failed(reason.to_string()))?
    } else {
        let topic = header("topic").ok_or_else(|| Failure::new(Kind::Usage, "map-sample-topic"))?;
        let retained = header("retained").is_some_and(|value| value == "true");
        broker::sample(map, &topic, retained, body.as_bytes(), received_at)
            .map_err(|(_, reason)| failed(reason))?
    };
    Ok(events.iter().map(shown).collect())
}

/// An event that a map makes, for whoever tries the map.
pub fn shown(event: &ImportEvent) -> Value {
    let mut shown: Value =
        serde_json::from_str(&event.json).unwrap_or_else(|_| json!({ "json": event.json }));
    shown["key"] = json!(event.key);
    shown["at"] = json!(event.at.to_string());
    shown
}
