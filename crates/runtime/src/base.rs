//! What a fold stands on: the last checkpoint.

use engine::Entity;
use model::{DedupeHash, EntityId, IdentifierHash, KeyId};
use std::sync::Arc;
use store::{IdentityRow, Keys, OpenError, State, StateError};

/// The last checkpoint, or nothing.
pub enum Base {
    /// Everything is in memory. For simulations.
    Empty,
    Checkpoint(Arc<State>),
}

impl Base {
    /// The entity as the checkpoint has it, and up to which journal sequence. An erased one is absent.
    pub(crate) fn entity(&self, keys: &Keys, id: EntityId) -> Result<Option<(u64, Entity)>, StateError> {
        let Base::Checkpoint(state) = self else { return Ok(None) };
        let Some((stamp, sealed)) = state.entity(id)? else { return Ok(None) };
        Ok(open_snapshot(keys, &sealed).map(|entity| (stamp, entity)))
    }

    pub(crate) fn identity(&self, hash: IdentifierHash) -> Result<Option<IdentityRow>, StateError> {
        match self {
            Base::Empty => Ok(None),
            Base::Checkpoint(state) => state.identity(hash),
        }
    }

    pub(crate) fn was_seen(&self, hash: DedupeHash) -> Result<bool, StateError> {
        match self {
            Base::Empty => Ok(false),
            Base::Checkpoint(state) => state.was_seen(hash),
        }
    }

    pub(crate) fn is_permanent(&self, hash: DedupeHash) -> Result<bool, StateError> {
        match self {
            Base::Empty => Ok(false),
            Base::Checkpoint(state) => state.is_permanent(hash),
        }
    }
}

/// A snapshot sealed with the entity's first key, the key's number in front.
pub(crate) fn seal_snapshot(keys: &Keys, entity: &Entity) -> Result<Vec<u8>, OpenError> {
    let key = match entity {
        // What is left of an erased customer says nothing about a person.
        Entity::Customer(customer) if customer.erased_at.is_none() => {
            customer.keys.first().copied().unwrap_or(KeyId::STORE)
        }
        _ => KeyId::STORE,
    };
    let sealed = keys.seal(key, &snapshot(entity))?;
    let mut bytes = key.0.to_le_bytes().to_vec();
    bytes.extend_from_slice(&sealed.bytes);
    Ok(bytes)
}

pub(crate) fn open_snapshot(keys: &Keys, bytes: &[u8]) -> Option<Entity> {
    let (key, sealed) = bytes.split_first_chunk::<8>()?;
    let sealed = model::Sealed { key: KeyId(u64::from_le_bytes(*key)), bytes: sealed.into() };
    postcard::from_bytes(&keys.open_sealed(&sealed).ok()?).ok()
}

/// The canonical bytes of an entity: equal states have equal bytes.
pub fn snapshot(entity: &Entity) -> Vec<u8> {
    postcard::to_allocvec(entity).expect("every state serialises")
}
