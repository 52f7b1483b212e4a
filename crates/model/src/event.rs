//! The one record that every dialect at the edge ends in.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::time::Time;

/// The calls of the Segment specification.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum EventKind {
    Track,
    Identify,
    Page,
    Screen,
    Group,
    Alias,
}

impl EventKind {
    pub const ALL: [EventKind; 6] = [
        EventKind::Track,
        EventKind::Identify,
        EventKind::Page,
        EventKind::Screen,
        EventKind::Group,
        EventKind::Alias,
    ];

    pub fn name(self) -> &'static str {
        match self {
            EventKind::Track => "track",
            EventKind::Identify => "identify",
            EventKind::Page => "page",
            EventKind::Screen => "screen",
            EventKind::Group => "group",
            EventKind::Alias => "alias",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// An event as it was received, after the edge checked that it names someone and, for a track, something.
///
/// `properties`, `traits` and `context` stay the sender's own JSON text: they are parsed only by those who need
/// a field of theirs.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Event<'a> {
    pub kind: EventKind,
    /// The event's name (track), the page's or screen's name, else empty.
    #[serde(borrow)]
    pub name: Cow<'a, str>,
    #[serde(borrow)]
    pub user_id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub anonymous_id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub previous_id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub group_id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub message_id: Cow<'a, str>,
    /// When it happened, by the sender's corrected clock.
    pub timestamp: Time,
    #[serde(borrow)]
    pub properties: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub traits: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub context: Option<Cow<'a, str>>,
    /// Every other member of the sender's object, as one JSON object: nothing that was sent is lost.
    #[serde(borrow)]
    pub rest: Option<Cow<'a, str>>,
}

impl Event<'_> {
    /// The identifier that chooses the subject's key: the user's id where there is one, else the device's.
    pub fn subject(&self) -> Option<Identifier<'_>> {
        match (&self.user_id, &self.anonymous_id) {
            (Some(id), _) => Some(Identifier::User(id)),
            (None, Some(id)) => Some(Identifier::Anonymous(id)),
            (None, None) => None,
        }
    }
}

/// A typed identifier. The type is part of the identity: user `7` and anonymous `7` are two.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Identifier<'a> {
    User(&'a str),
    Anonymous(&'a str),
    /// An order's number, which says whose order it is.
    Order(&'a str),
    /// A promise's number.
    Promise(&'a str),
    /// Any other type: an e-mail address, a telephone, a loyalty card, one's own.
    Typed {
        kind: &'a str,
        value: &'a str,
    },
}

impl<'a> Identifier<'a> {
    /// The identifier of a type, by the type's name.
    pub fn of(kind: &'a str, value: &'a str) -> Self {
        match kind {
            "user" => Identifier::User(value),
            "anonymous" => Identifier::Anonymous(value),
            "order" => Identifier::Order(value),
            "promise" => Identifier::Promise(value),
            kind => Identifier::Typed { kind, value },
        }
    }

    pub fn type_name(&self) -> &'a str {
        match self {
            Identifier::User(_) => "user",
            Identifier::Anonymous(_) => "anonymous",
            Identifier::Order(_) => "order",
            Identifier::Promise(_) => "promise",
            Identifier::Typed { kind, .. } => kind,
        }
    }

    pub fn value(&self) -> &'a str {
        match self {
            Identifier::User(id)
            | Identifier::Anonymous(id)
            | Identifier::Order(id)
            | Identifier::Promise(id) => id,
            Identifier::Typed { value, .. } => value,
        }
    }
}

impl Event<'_> {
    /// The same event, borrowing nothing.
    pub fn into_owned(self) -> Event<'static> {
        let own = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
        let own_opt = |text: Option<Cow<'_, str>>| text.map(|text| Cow::Owned(text.into_owned()));
        Event {
            kind: self.kind,
            name: own(self.name),
            user_id: own_opt(self.user_id),
            anonymous_id: own_opt(self.anonymous_id),
            previous_id: own_opt(self.previous_id),
            group_id: own_opt(self.group_id),
            message_id: own(self.message_id),
            timestamp: self.timestamp,
            properties: own_opt(self.properties),
            traits: own_opt(self.traits),
            context: own_opt(self.context),
            rest: own_opt(self.rest),
        }
    }
}
