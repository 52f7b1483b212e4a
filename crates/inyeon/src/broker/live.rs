//! How a broker's connection is doing: for `brokers list` and the metrics.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use model::Time;
use serde_json::{Value, json};

use crate::error::Failure;

/// What one connection counts since the server began to follow it.
#[derive(Default)]
pub(super) struct Live {
    /// Messages that came, those that came again among them.
    pub(super) received: AtomicU64,
    /// Messages that the broker was told of as durable; those of QoS 0 are not.
    pub(super) acknowledged: AtomicU64,
    /// Messages kept as dead letters.
    pub(super) refused: AtomicU64,
    /// Events that go by no name, so that they may count twice.
    pub(super) nameless: AtomicU64,
    /// Times that the intake could not take a message at once.
    pub(super) delayed: AtomicU64,
    /// Connections that were lost or did not come about.
    pub(super) failures: AtomicU64,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    connected_since: Option<Time>,
    last_error: Option<(Time, Failure)>,
}

/// The connections by their names.
pub(super) type Lives = Mutex<BTreeMap<String, Arc<Live>>>;

/// What a panic of another thread left is still a list.
pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Live {
    pub(super) fn connected(&self, at: Time) {
        locked(&self.state).connected_since = Some(at);
    }

    pub(super) fn disconnected(&self) {
        locked(&self.state).connected_since = None;
    }

    /// Notes what went wrong last.
    pub(super) fn failed(&self, at: Time, failure: Failure) {
        locked(&self.state).last_error = Some((at, failure));
    }

    pub(super) fn json(&self) -> Value {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let state = locked(&self.state);
        let last_error = state.last_error.as_ref().map(|(at, failure)| {
            json!({ "at": at.to_string(), "kind": failure.kind, "code": failure.code, "values": failure.values })
        });
        json!({
            "connected_since": state.connected_since.map(|at| at.to_string()),
            "received": get(&self.received),
            "acknowledged": get(&self.acknowledged),
            "refused": get(&self.refused),
            "nameless": get(&self.nameless),
            "delayed": get(&self.delayed),
            "failures": get(&self.failures),
            "last_error": last_error,
        })
    }

    fn is_connected(&self) -> bool {
        locked(&self.state).connected_since.is_some()
    }
}

/// Appends the metrics of all connections in the Prometheus text format. There are as many labels as brokers.
pub(super) fn metrics(lives: &Lives, text: &mut String) {
    type Metric = (&'static str, &'static str, &'static str, fn(&Live) -> u64);
    let metrics: [Metric; 7] = [
        ("connected", "gauge", "1 while the broker is connected.", |live| u64::from(live.is_connected())),
        ("received_total", "counter", "Messages that came from the broker.", |live| count(&live.received)),
        ("acknowledged_total", "counter", "Messages acknowledged to the broker as durable.", |live| {
            count(&live.acknowledged)
        }),
        ("refused_total", "counter", "Messages kept as dead letters.", |live| count(&live.refused)),
        ("nameless_total", "counter", "Events that may count twice.", |live| count(&live.nameless)),
        ("delayed_total", "counter", "Times that a message waited for the intake.", |live| {
            count(&live.delayed)
        }),
        ("failures_total", "counter", "Connections lost or not come about.", |live| count(&live.failures)),
    ];
    let lives = locked(lives);
    if lives.is_empty() {
        return;
    }
    for (name, kind, help, value) in metrics {
        // Writing into a String does not fail.
        let _ = writeln!(text, "# HELP inyeon_broker_{name} {help}\n# TYPE inyeon_broker_{name} {kind}");
        for (broker, live) in lives.iter() {
            let _ = writeln!(text, "inyeon_broker_{name}{{broker=\"{broker}\"}} {}", value(live));
        }
    }
}

fn count(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}
