//! Where effects go.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use channels::{Directory, Parcel};
use model::{EffectKey, EffectResult};

/// Who receives effects. A closed list: each kind knows whether it can be asked what arrived.
#[derive(Clone, Debug)]
pub enum Sink {
    /// Nothing starts: a store that is only looked into.
    Held,
    /// The list of effects itself, which an app or a shop reads over the API.
    Inbox,
    /// One JSON file for each effect, named by its key's hash; whether one arrived can be looked up.
    Directory(PathBuf),
    /// Remembered, and failing on demand; for tests. It cannot be asked afterwards.
    Memory(MemorySink),
}

/// What a test's receiver saw.
#[derive(Clone, Debug, Default)]
pub struct MemorySink(Arc<Mutex<BTreeMap<EffectKey, u32>>>);

impl MemorySink {
    /// How often each effect arrived.
    pub fn received(&self) -> BTreeMap<EffectKey, u32> {
        self.0.lock().expect("no panic while held").clone()
    }
}

impl Sink {
    pub(crate) fn starts(&self) -> bool {
        !matches!(self, Sink::Held)
    }

    /// Hands an effect over.
    pub(crate) fn deliver(&self, parcel: &Parcel<'_>) -> EffectResult {
        match self {
            Sink::Held | Sink::Inbox => EffectResult::Done,
            Sink::Memory(sink) => {
                *sink.0.lock().expect("no panic while held").entry(parcel.effect.key.clone()).or_default() +=
                    1;
                EffectResult::Done
            }
            Sink::Directory(dir) => match Directory::new(dir).write_parcel(parcel) {
                Ok(()) => EffectResult::Done,
                Err(error) => EffectResult::Failed(error.to_string()),
            },
        }
    }

    /// Whether an effect arrived that nobody can vouch for; `None` where the receiver cannot be asked.
    pub(crate) fn arrived(&self, key: &str) -> Option<bool> {
        match self {
            // What is in the list is in the inbox.
            Sink::Inbox => Some(true),
            Sink::Directory(dir) => Some(Directory::new(dir).arrived(key)),
            Sink::Held | Sink::Memory(_) => None,
        }
    }
}
