//! How records and entries lie on disk: one version number before a compact body, read for ever.
//!
//! A change of a stored type freezes its present shape as `vN`, adds `vN+1`, and teaches [`Stored::decode`] to lift
//! the old into the new. Bytes once written are never rewritten. `tests/golden` keeps an example of every
//! version that was ever written. A body from a newer program is refused by its number.

use serde::{Deserialize, Serialize};

use crate::entry::{Command, Entry, Outcome};
use crate::event::Event;
use crate::intake::{IntakeRecord, RejectedBody, ViolationBody};

/// Why bytes could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    #[error(
        "format {found} of a {what} was written by a newer program; this one reads up to format {newest}"
    )]
    Newer { what: &'static str, found: u8, newest: u8 },
    #[error("not a {what}: {detail}")]
    Malformed { what: &'static str, detail: String },
}

/// A type with a versioned form on disk.
pub trait Stored<'a>: Sized {
    const WHAT: &'static str;
    /// The version that is written today; versions begin at 1.
    const VERSION: u8;

    /// Reads the body of one version that this program knows, lifted to the present type.
    fn decode_version(version: u8, body: &'a [u8]) -> Result<Self, postcard::Error>;
    fn encode_body(&self, to: Vec<u8>) -> Vec<u8>;

    fn encode(&self) -> Vec<u8> {
        self.encode_body(vec![Self::VERSION])
    }

    fn decode(bytes: &'a [u8]) -> Result<Self, CodecError> {
        let malformed = |detail: String| CodecError::Malformed { what: Self::WHAT, detail };
        let (version, body) = bytes.split_first().ok_or_else(|| malformed("no bytes".into()))?;
        match *version {
            0 => Err(malformed("format 0 never existed".into())),
            v if v > Self::VERSION => {
                Err(CodecError::Newer { what: Self::WHAT, found: v, newest: Self::VERSION })
            }
            v => Self::decode_version(v, body).map_err(|e| malformed(e.to_string())),
        }
    }
}

fn read<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, postcard::Error> {
    let (value, rest) = postcard::take_from_bytes(body)?;
    if rest.is_empty() { Ok(value) } else { Err(postcard::Error::DeserializeBadEncoding) }
}

fn write<T: Serialize>(value: &T, to: Vec<u8>) -> Vec<u8> {
    postcard::to_extend(value, to).expect("a vector grows and every stored type serialises")
}

macro_rules! stored {
    ($type:ty, $what:literal) => {
        impl<'a> Stored<'a> for $type {
            const WHAT: &'static str = $what;
            const VERSION: u8 = 1;

            fn decode_version(version: u8, body: &'a [u8]) -> Result<Self, postcard::Error> {
                match version {
                    1 => read(body),
                    _ => Err(postcard::Error::WontImplement),
                }
            }

            fn encode_body(&self, to: Vec<u8>) -> Vec<u8> {
                write(self, to)
            }
        }
    };
}

stored!(IntakeRecord<'a>, "intake record");
stored!(Event<'a>, "event");
stored!(RejectedBody<'a>, "dead letter");
stored!(ViolationBody<'a>, "violation");
stored!(Entry<'a>, "journal entry");
stored!(Command, "command");
stored!(Vec<Outcome>, "list of outcomes");
