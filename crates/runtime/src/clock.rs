//! The server's clock, handed in.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use model::Time;

/// Where the time comes from.
#[derive(Clone, Debug)]
pub enum Clock {
    /// The machine's.
    System,
    /// Set by hand: a simulation's, until it is [`ManualClock::release`]d.
    Manual(ManualClock),
}

impl Clock {
    pub fn now(&self) -> Time {
        match self {
            Clock::System => system_now(),
            Clock::Manual(clock) => clock.now(),
        }
    }
}

#[allow(clippy::disallowed_methods, reason = "this is the clock that is handed in everywhere else")]
fn system_now() -> Time {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    Time(since.map_or(0, |since| i64::try_from(since.as_micros()).unwrap_or(i64::MAX)))
}

/// A clock that its owner sets; clones share it.
#[derive(Clone, Debug)]
pub struct ManualClock(Arc<AtomicI64>);

/// Marks a clock that was released to the machine's time.
const RELEASED: i64 = i64::MIN;

impl ManualClock {
    pub fn new(at: Time) -> Self {
        ManualClock(Arc::new(AtomicI64::new(at.0)))
    }

    /// Moves the clock; it never goes back.
    pub fn set(&self, at: Time) {
        self.0.fetch_max(at.0, Ordering::SeqCst);
    }

    /// From here on the machine's time counts.
    pub fn release(&self) {
        self.0.store(RELEASED, Ordering::SeqCst);
    }

    fn now(&self) -> Time {
        match self.0.load(Ordering::SeqCst) {
            RELEASED => system_now(),
            at => Time(at),
        }
    }
}
