//! Names of things: partitions, positions in the logs, entities, timelines, keys and hashed identifiers.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// One of the fixed virtual partitions; there is one, number 0, in an embedded store.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
pub struct PartitionId(pub u16);

/// The two logs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum LogKind {
    /// What was received.
    Intake,
    /// In what order it counted and what was decided.
    Journal,
}

impl LogKind {
    pub fn name(self) -> &'static str {
        match self {
            LogKind::Intake => "intake",
            LogKind::Journal => "journal",
        }
    }
}

/// A place in one of the logs. Sequences begin at 1, so that 0 can say "before everything".
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
pub struct Position {
    pub partition: PartitionId,
    pub seq: u64,
}

impl Position {
    pub fn new(partition: PartitionId, seq: u64) -> Self {
        Position { partition, seq }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.partition.0, self.seq)
    }
}

/// The kinds of consistency root.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum EntityKind {
    /// Profile, orders, promises, effects addressed to one customer.
    Customer,
    /// The installation itself: sources and their keys, imports, the kill switch.
    Workspace,
    /// One thing of the catalogue.
    Item,
    /// An item at a place: what is there, what is to come, and what is held of it.
    Stock,
    /// Anything with a capacity over time, and what is booked of it.
    Resource,
}

impl EntityKind {
    const ALL: [(EntityKind, u8, &'static str); 5] = [
        (EntityKind::Customer, b'c', "cus"),
        (EntityKind::Workspace, b'w', "workspace"),
        (EntityKind::Item, b'i', "itm"),
        (EntityKind::Stock, b's', "stk"),
        (EntityKind::Resource, b'r', "res"),
    ];

    fn letter(self) -> u8 {
        Self::ALL[self as usize].1
    }

    fn prefix(self) -> &'static str {
        Self::ALL[self as usize].2
    }

    /// Whether it is something that operations have.
    pub fn is_supply(self) -> bool {
        matches!(self, EntityKind::Item | EntityKind::Stock | EntityKind::Resource)
    }
}

/// A consistency root: one owner of state. Each but the workspace is numbered by the intake sequence of the first input
/// that named it, so the id says nothing about the person and a re-fold gives the same one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct EntityId {
    pub kind: EntityKind,
    pub partition: PartitionId,
    pub number: u64,
}

impl EntityId {
    pub const fn customer(partition: PartitionId, number: u64) -> Self {
        EntityId { kind: EntityKind::Customer, partition, number }
    }

    pub const fn workspace() -> Self {
        EntityId { kind: EntityKind::Workspace, partition: PartitionId(0), number: 0 }
    }

    /// Eleven bytes that sort as the id does; a key in the indexes.
    pub fn to_key(self) -> [u8; 11] {
        let mut key = [0; 11];
        key[0] = self.kind.letter();
        key[1..3].copy_from_slice(&self.partition.0.to_be_bytes());
        key[3..].copy_from_slice(&self.number.to_be_bytes());
        key
    }

    pub fn from_key(key: &[u8]) -> Option<Self> {
        let letter = key.first()?;
        let (kind, ..) = *EntityKind::ALL.iter().find(|(_, known, _)| known == letter)?;
        let partition = PartitionId(u16::from_be_bytes(key.get(1..3)?.try_into().ok()?));
        let number = u64::from_be_bytes(key.get(3..11)?.try_into().ok()?);
        Some(EntityId { kind, partition, number })
    }
}

impl fmt::Display for EntityId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            EntityKind::Workspace => f.write_str(self.kind.prefix()),
            kind => write!(f, "{}-{}-{}", kind.prefix(), self.partition.0, self.number),
        }
    }
}

/// The text is not an entity's id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an entity id: expected `cus-PARTITION-NUMBER`, the like, or `workspace`")]
pub struct NotAnEntityId;

impl FromStr for EntityId {
    type Err = NotAnEntityId;
    fn from_str(text: &str) -> Result<Self, NotAnEntityId> {
        if text == "workspace" {
            return Ok(Self::workspace());
        }
        let (prefix, rest) = text.split_once('-').ok_or(NotAnEntityId)?;
        let known = EntityKind::ALL.iter().find(|(_, _, known)| *known == prefix);
        let (kind, ..) = *known.filter(|(kind, ..)| *kind != EntityKind::Workspace).ok_or(NotAnEntityId)?;
        let (partition, number) = rest.split_once('-').ok_or(NotAnEntityId)?;
        Ok(EntityId {
            kind,
            partition: PartitionId(partition.parse().map_err(|_| NotAnEntityId)?),
            number: number.parse().map_err(|_| NotAnEntityId)?,
        })
    }
}

/// The line of time that an input belongs to. Number 0 is live; each import source has its own.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
pub struct TimelineId(pub u32);

impl TimelineId {
    pub const LIVE: TimelineId = TimelineId(0);

    pub fn is_live(self) -> bool {
        self == Self::LIVE
    }
}

/// The slot of a subject's data key. Slot 0 is the store's own key, which belongs to no person.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
pub struct KeyId(pub u64);

impl KeyId {
    pub const STORE: KeyId = KeyId(0);
}

/// A keyed hash of a typed identifier: lookups work, the identifier cannot be read back.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct IdentifierHash(pub [u8; 16]);

/// A keyed hash of (source, message id) or of (import source, natural key).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct DedupeHash(pub [u8; 16]);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entity_ids_read_back() {
        let of = |kind| EntityId { kind, partition: PartitionId(3), number: 981 };
        let all = [EntityKind::Customer, EntityKind::Item, EntityKind::Stock, EntityKind::Resource].map(of);
        for id in all.into_iter().chain([EntityId::workspace()]) {
            assert_eq!(id.to_string().parse(), Ok(id));
            assert_eq!(EntityId::from_key(&id.to_key()), Some(id));
        }
        for text in ["", "cus-1", "cus-x-1", "981", "cus-70000-1", "workspace-0-1", "abc-0-1"] {
            assert_eq!(text.parse::<EntityId>(), Err(NotAnEntityId), "{text}");
        }
    }
}
