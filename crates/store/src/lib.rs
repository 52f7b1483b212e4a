//! What lies on disk: the intake log, the journal, the subjects' keys, and the state that can be folded again.
//!
//! The two logs and the keys are files of our own, because they are the truth and every byte of them must answer
//! for itself. [`State`] is a cache on an embedded key-value store: checkpoints of entities, the identity and
//! position indexes and the de-duplication memory. No call spans a log and the state: whoever writes both must
//! be able to repeat the second from the first. This crate knows nothing of the engine.

pub mod disk;
mod keys;
mod layout;
mod log;
mod mark;
mod state;

pub use disk::Disk;
pub use keys::{KeyError, Keys, OpenError};
pub use layout::{
    Layout, LockError, OpenStoreError, Store, StoreFormat, StoreOptions, destroyed_register, hold, parse_key,
};
pub use log::{
    CommitError, Damage, DamageKind, Durable, Frame, LogError, LogOptions, LogReader, LogWriter, Opened,
    SegmentInfo, copy_sound_frames, scan_segment,
};
pub use state::{CACHE_BYTES_DEFAULT, Checkpoint, IdentityRow, State, StateError, StateOpened};

/// Kills the process here when `INYEON_KILL_AT` names this point, on its n-th passing (`name:n`). A no-op
/// without the `faults` feature.
#[inline]
pub fn failpoint(name: &str) {
    #[cfg(feature = "faults")]
    disk::faults::pass(name);
    #[cfg(not(feature = "faults"))]
    let _ = name;
}
