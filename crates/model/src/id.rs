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
}

/// A consistency root: one owner of state. A customer is numbered by the intake sequence of the first input
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
        key[0] = match self.kind {
            EntityKind::Customer => b'c',
            EntityKind::Workspace => b'w',
        };
        key[1..3].copy_from_slice(&self.partition.0.to_be_bytes());
        key[3..].copy_from_slice(&self.number.to_be_bytes());
        key
    }

    pub fn from_key(key: &[u8]) -> Option<Self> {
        let kind = match key.first()? {
            b'c' => EntityKind::Customer,
            b'w' => EntityKind::Workspace,
            _ => return None,
        };
        let partition = PartitionId(u16::from_be_bytes(key.get(1..3)?.try_into().ok()?));
        let number = u64::from_be_bytes(key.get(3..11)?.try_into().ok()?);
        Some(EntityId { kind, partition, number })
    }
}

impl fmt::Display for EntityId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            EntityKind::Customer => write!(f, "cus-{}-{}", self.partition.0, self.number),
            EntityKind::Workspace => f.write_str("workspace"),
        }
    }
}

/// The text is not an entity's id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an entity id: expected `cus-PARTITION-NUMBER` or `workspace`")]
pub struct NotAnEntityId;

impl FromStr for EntityId {
    type Err = NotAnEntityId;
    fn from_str(text: &str) -> Result<Self, NotAnEntityId> {
        if text == "workspace" {
            return Ok(Self::workspace());
        }
        let rest = text.strip_prefix("cus-").ok_or(NotAnEntityId)?;
        let (partition, number) = rest.split_once('-').ok_or(NotAnEntityId)?;
        Ok(Self::customer(
            PartitionId(partition.parse().map_err(|_| NotAnEntityId)?),
            number.parse().map_err(|_| NotAnEntityId)?,
        ))
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
        for id in [EntityId::customer(PartitionId(3), 981), EntityId::workspace()] {
            assert_eq!(id.to_string().parse(), Ok(id));
            assert_eq!(EntityId::from_key(&id.to_key()), Some(id));
        }
        for text in ["", "cus-1", "cus-x-1", "981", "cus-70000-1"] {
            assert_eq!(text.parse::<EntityId>(), Err(NotAnEntityId), "{text}");
        }
    }
}
