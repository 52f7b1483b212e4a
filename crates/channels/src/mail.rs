//! Messages to customers as e-mails: handed to a mail server, or laid into a directory.

use std::path::{Path, PathBuf};

use model::{Effect, Time};

use crate::directory::TAKEN;
use crate::files;
use crate::letter::{Letter, LetterError, Sender, mail_id};
use crate::said::{Parcel, SayError};
use crate::smtp::Smtp;
use crate::verdict::Verdict;

/// Who carries letters.
#[derive(Clone, Debug)]
pub enum Carrier {
    /// A mail server; it does not know a letter that it has had.
    Smtp(Box<Smtp>),
    /// One `.eml` file for each letter, which can be looked up.
    Directory(PathBuf),
}

/// Who writes, and who carries it.
#[derive(Clone, Debug)]
pub struct Mail {
    pub sender: Sender,
    pub carrier: Carrier,
}

impl Mail {
    /// Sends once what the effect says.
    pub(crate) fn send(&self, parcel: &Parcel<'_>) -> Verdict {
        let letter = match self.letter(parcel.effect, parcel, parcel.now) {
            Ok(letter) => letter,
            Err(verdict) => return verdict,
        };
        match &self.carrier {
            // A server's words are shown to whoever runs this, and need not name the customer.
            Carrier::Smtp(smtp) => smtp.send(&letter).without(letter.to.as_ref()),
            Carrier::Directory(directory) => match lay(directory, &parcel.effect.key, &letter.bytes) {
                Ok(()) => Verdict::Done,
                Err(error) => Verdict::Again { why: error.to_string(), after: None },
            },
        }
    }

    fn letter(&self, effect: &Effect, parcel: &Parcel<'_>, now: Time) -> Result<Letter, Verdict> {
        let said = parcel.said().map_err(|error| match error {
            SayError::NoLinks => Verdict::Again { why: error.to_string(), after: None },
            SayError::Unreadable(_) => Verdict::Refused { why: error.to_string() },
        })?;
        Letter::write(&self.sender, &effect.key, &said, now)
            .map_err(|error: LetterError| Verdict::Refused { why: error.to_string() })
    }
}

/// Lays a letter into a directory, where it does not lie there or among those that were read.
fn lay(directory: &Path, key: &str, bytes: &[u8]) -> std::io::Result<()> {
    let name = format!("{}.eml", mail_id(key));
    if directory.join(&name).exists() || directory.join(TAKEN).join(&name).exists() {
        return Ok(());
    }
    files::place(directory, &name, bytes)
}
