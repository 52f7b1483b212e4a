//! A small source beside one that sends without end: what its acknowledgements take, and whether it is ever refused.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use super::load::{self, Plan};
use super::{Bench, broken, median, new_source, rss_mib};
use crate::error::Failure;

/// Pairs of phases, alone and beside the flood: what the machine does meanwhile meets both.
const ROUNDS: u64 = 3;
/// Requests a second of the small source.
const SMALL_RATE: f64 = 200.0;
/// Less than the flood has in the air, so that it is refused.
const QUEUE_BYTES: usize = 4 << 20;

impl Bench<'_> {
    pub(super) fn fair(&self) -> Result<Value, Failure> {
        let server = self.server_with("fair", QUEUE_BYTES)?;
        let phase = Duration::from_secs_f64((self.plan.duration.as_secs_f64() / ROUNDS as f64).max(1.0));
        let base = Plan { address: server.address, duration: phase, ..self.plan.clone() };
        let small = Plan {
            write_key: new_source(&server, "small")?,
            connections: 4,
            rate: Some(SMALL_RATE),
            ..base.clone()
        };
        let flood = Plan { write_key: new_source(&server, "flood")?, batch: 100, ..base };
        let (mut alone, mut beside, mut flooded) = (Vec::new(), Vec::new(), Vec::new());
        let (mut small_refused, mut flood_refused) = (0, 0);
        let mut memory = Vec::new();
        for round in 1..=ROUNDS {
            self.say(&format!("a small source alone, round {round} of {ROUNDS}"));
            let outcome = load::run(&small).map_err(broken)?;
            small_refused += outcome.refused;
            alone.push(outcome.quantile_ms(0.99));
            self.say(&format!("a small source beside a flood, round {round} of {ROUNDS}"));
            let (outcomes, highest) = watching_memory(|| load::run_both(&small, &flood));
            let (outcome, other) = outcomes.map_err(broken)?;
            small_refused += outcome.refused;
            beside.push(outcome.quantile_ms(0.99));
            flood_refused += other.refused;
            flooded.push(other.per_second());
            memory.push(highest);
            server.app.node.drain()?;
        }
        server.stop();
        let (alone, beside) = (median(alone), median(beside));
        Ok(json!({
            "small_rate_per_s": SMALL_RATE,
            "small_alone_p99_ms": alone,
            "small_beside_flood_p99_ms": beside,
            "small_refused": small_refused,
            "flood_accepted_per_s": median(flooded),
            "flood_refused": flood_refused,
            "queue_mib": QUEUE_BYTES >> 20,
            "rss_max_mib_by_round": memory,
        }))
    }
}

/// Does something and says how high this process's memory was meanwhile.
fn watching_memory<T>(work: impl FnOnce() -> T) -> (T, f64) {
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            let mut highest = rss_mib();
            while !done.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_millis(50));
                highest = highest.max(rss_mib());
            }
            highest
        });
        let out = work();
        done.store(true, Ordering::Relaxed);
        (out, watcher.join().unwrap_or(f64::NAN))
    })
}
