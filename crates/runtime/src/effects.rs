//! Where effects go.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use model::{Effect, EffectKey, EffectResult};

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
    pub(crate) fn deliver(&self, effect: &Effect) -> EffectResult {
        match self {
            Sink::Held | Sink::Inbox => EffectResult::Done,
            Sink::Memory(sink) => {
                *sink.0.lock().expect("no panic while held").entry(effect.key.clone()).or_default() += 1;
                EffectResult::Done
            }
            Sink::Directory(dir) => match write_effect(dir, effect) {
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
            Sink::Directory(dir) => Some(effect_path(dir, key).exists()),
            Sink::Held | Sink::Memory(_) => None,
        }
    }
}

fn effect_path(dir: &std::path::Path, key: &str) -> PathBuf {
    let name: String = key
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '_' })
        .take(80)
        .collect();
    // Two keys that look alike must not share a file.
    let hash = key.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    dir.join(format!("{name}-{hash:016x}.json"))
}

fn write_effect(dir: &std::path::Path, effect: &Effect) -> std::io::Result<()> {
    fs::create_dir_all(dir)?;
    let path = effect_path(dir, &effect.key);
    let temporary = path.with_extension("part");
    let text = serde_json::json!({
        "key": effect.key,
        "kind": effect.kind.name(),
        "promise_id": effect.promise_id,
        "order_id": effect.order_id,
        "reason": effect.reason,
    });
    let mut file = fs::File::create(&temporary)?;
    file.write_all(text.to_string().as_bytes())?;
    file.sync_all()?;
    fs::rename(&temporary, &path)
}
