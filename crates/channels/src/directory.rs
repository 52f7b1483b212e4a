//! Effects as files: one for each, named by its key, so that whether one arrived can be looked up.

use std::io;
use std::path::{Path, PathBuf};

use model::Effect;
use serde_json::Value;

use crate::files;
use crate::said::Parcel;

/// Where a receiver puts the files that it has read, so that they are still known to have arrived.
pub(crate) const TAKEN: &str = "done";

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Directory(PathBuf);

impl Directory {
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Directory(path.into())
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Whether an effect of this key lies there, or lies among those that were read.
    pub fn arrived(&self, key: &str) -> bool {
        let name = file_name(key);
        self.0.join(&name).exists() || self.0.join(TAKEN).join(&name).exists()
    }

    /// Writes an effect. It is there whole or not at all; one that arrived before is left as it is.
    pub fn write(&self, effect: &Effect) -> io::Result<()> {
        self.write_document(effect, crate::document(effect))
    }

    /// [`Self::write`], with the addresses in a message to a customer where somebody signs them.
    pub fn write_parcel(&self, parcel: &Parcel<'_>) -> io::Result<()> {
        let document = parcel.document().unwrap_or_else(|_| crate::document(parcel.effect));
        self.write_document(parcel.effect, document)
    }

    /// [`Self::write`] of an effect about which more is said than it holds.
    pub(crate) fn write_document(&self, effect: &Effect, mut document: Value) -> io::Result<()> {
        if self.arrived(&effect.key) {
            return Ok(());
        }
        // What files were called and held before there were systems to tell.
        document["key"] = effect.key.clone().into();
        document["kind"] = effect.kind.name().into();
        files::place(&self.0, &file_name(&effect.key), document.to_string().as_bytes())
    }
}

fn file_name(key: &str) -> String {
    let safe = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '_' };
    let name: String = key.chars().map(safe).take(80).collect();
    // Two keys that look alike must not share a file.
    let hash = key.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{name}-{hash:016x}.json")
}

#[cfg(test)]
mod tests {
    use std::fs;

    use model::EffectKind;

    use super::*;

    fn effect(key: &str) -> Effect {
        Effect {
            key: key.to_owned(),
            kind: EffectKind::OrderPlace,
            promise_id: None,
            order_id: Some("o".to_owned()),
            reason: "order_placed".to_owned(),
            body: Some(r#"{"order_id":"o","lines":[]}"#.to_owned()),
        }
    }

    #[test]
    fn a_file_is_written_once_and_known_after_it_was_read() {
        let temp = tempfile::tempdir().unwrap();
        let directory = Directory::new(temp.path().join("out"));
        assert!(!directory.arrived("k/1"));
        directory.write(&effect("k/1")).unwrap();
        directory.write(&effect("k/1")).unwrap();
        directory.write(&effect("k_1")).unwrap();
        let files = || fs::read_dir(directory.path()).unwrap().map(|f| f.unwrap().path()).collect::<Vec<_>>();
        assert_eq!(files().len(), 2);
        let first = directory.path().join(file_name("k/1"));
        let text: serde_json::Value = serde_json::from_str(&fs::read_to_string(&first).unwrap()).unwrap();
        assert_eq!(text["id"], "k/1");
        assert_eq!(text["type"], "order.place");
        assert_eq!(text["data"]["order_id"], "o");
        let taken = directory.path().join(TAKEN);
        fs::create_dir(&taken).unwrap();
        fs::rename(&first, taken.join(first.file_name().unwrap())).unwrap();
        assert!(directory.arrived("k/1"));
        directory.write(&effect("k/1")).unwrap();
        assert!(!first.exists(), "what was read is not written again");
    }
}
