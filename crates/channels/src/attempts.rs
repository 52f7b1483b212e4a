//! What was tried with a receiver that would not know a second message for the same, kept where a crash leaves it.
//!
//! Before an attempt it is noted that it begins, after it how it ended. So whoever comes after a crash knows of each
//! message whether it was never sent, was sent and answered, or was cut off in between: only of the last does nobody
//! know. A note names its message by a hash and holds no word of it.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::files;

/// How things stand with one message.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// An attempt began, the first being number 0. Nobody knows how it ended.
    Trying { attempt: usize },
    /// This many attempts failed for sure; the next is due then, in seconds since 1970.
    Waiting { failed: usize, due: i64 },
    /// It was taken.
    Taken,
    /// It was not taken, and is not tried again.
    Refused,
}

/// Notes of attempts: a file for each message.
#[derive(Clone, Debug)]
pub struct Attempts {
    directory: PathBuf,
}

impl Attempts {
    /// Nothing is made or read before it is needed.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Attempts { directory: directory.into() }
    }

    /// Notes how things stand; durable when this returns.
    pub fn note(&self, key: &str, standing: Standing) -> io::Result<()> {
        let text = serde_json::to_vec(&standing).expect("plain data serialises");
        files::place(&self.directory, &file_name(key), &text)
    }

    /// How things stand with a message; `None` where no attempt was ever made. A note that cannot be read says that
    /// one was, and nothing else.
    pub fn standing(&self, key: &str) -> io::Result<Option<Standing>> {
        match fs::read(self.directory.join(file_name(key))) {
            Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes).unwrap_or(Standing::Trying { attempt: 0 }))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// What became of a message is kept elsewhere now.
    pub fn forget(&self, key: &str) {
        // One that is left over is forgotten at the next start.
        let _ = fs::remove_file(self.directory.join(file_name(key)));
    }

    /// Forgets every message but these.
    pub fn keep_only<'a>(&self, keys: impl Iterator<Item = &'a str>) -> io::Result<()> {
        let kept: BTreeSet<String> = keys.map(file_name).collect();
        let entries = match fs::read_dir(&self.directory) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        for entry in entries {
            let entry = entry?;
            if !entry.file_name().to_str().is_some_and(|name| kept.contains(name)) {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }
}

fn file_name(key: &str) -> String {
    format!("{}.json", files::name_of(key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_things_stand_outlives_the_process() {
        let temp = tempfile::tempdir().unwrap();
        let place = temp.path().join("attempts");
        let attempts = Attempts::new(&place);
        assert_eq!(attempts.standing("a").unwrap(), None);
        attempts.keep_only(std::iter::empty()).unwrap();
        for standing in [
            Standing::Trying { attempt: 0 },
            Standing::Waiting { failed: 1, due: 1_800 },
            Standing::Taken,
            Standing::Refused,
        ] {
            attempts.note("a", standing).unwrap();
            assert_eq!(Attempts::new(&place).standing("a").unwrap(), Some(standing));
        }
        attempts.note("b", Standing::Taken).unwrap();
        let named: Vec<_> = fs::read_dir(&place).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert!(named.len() == 2 && named.iter().all(|name| name.len() == 37), "{named:?}");
        attempts.keep_only(["b", "c"].into_iter()).unwrap();
        assert_eq!(attempts.standing("a").unwrap(), None);
        attempts.forget("b");
        assert_eq!(attempts.standing("b").unwrap(), None);
        // Something was tried; what, a damaged note does not say.
        attempts.note("d", Standing::Taken).unwrap();
        fs::write(place.join(file_name("d")), "{").unwrap();
        assert_eq!(attempts.standing("d").unwrap(), Some(Standing::Trying { attempt: 0 }));
    }
}
