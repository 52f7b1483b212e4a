//! A source beside one of whose events a thousandth makes the fold fail: what that costs the others.

use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::{Value, json};

use super::load::{self, Outcome, Plan};
use super::{Bench, broken, lag_of, median, new_source};
use crate::error::Failure;

/// Pairs of phases, without and with poison: what the machine does meanwhile meets both.
const ROUNDS: u64 = 5;
/// One of so many events of the poison source.
const POISON_EVERY: u64 = 1000;
/// Few, so that each is busy: an entity with much behind it is the dearest to fold again.
const POISON_USERS: u64 = 10;

/// The measured source's phases of one kind.
#[derive(Default)]
struct Phases {
    p50: Vec<f64>,
    p99: Vec<f64>,
    lag: Vec<f64>,
}

impl Phases {
    fn push(&mut self, outcome: &Outcome, lag: f64) {
        self.p50.push(outcome.quantile_ms(0.5));
        self.p99.push(outcome.quantile_ms(0.99));
        self.lag.push(lag);
    }

    fn figures(&self) -> Value {
        json!({
            "p50_ms": median(self.p50.clone()),
            "p99_ms": median(self.p99.clone()),
            "fold_lag_at_end_s": median(self.lag.clone()),
        })
    }
}

impl Bench<'_> {
    pub(super) fn poison(&self) -> Result<Value, Failure> {
        if !cfg!(feature = "faults") {
            return Ok(json!({ "skipped": self.messages.get("benchmark-needs-faults") }));
        }
        let server = self.server("poison")?;
        let node = server.app.node.clone();
        let phase = Duration::from_secs_f64((self.plan.duration.as_secs_f64() / ROUNDS as f64).max(1.0));
        let base = Plan {
            address: server.address,
            duration: phase,
            connections: (self.plan.connections / 2).max(1),
            ..self.plan.clone()
        };
        let measured = Plan { write_key: new_source(&server, "measured")?, ..base.clone() };
        let other = Plan { write_key: new_source(&server, "poison")?, users: POISON_USERS, ..base };
        self.say("two sources, as much as goes");
        let (one, two) = load::run_both(&measured, &other).map_err(broken)?;
        node.drain()?;
        // Half of what goes, in equal parts.
        let rate = Some((one.per_second() + two.per_second()) / 4.0);
        let measured = Plan { rate, ..measured };
        let (mut without, mut with, mut ratios) = (Phases::default(), Phases::default(), Vec::new());
        for round in 1..=ROUNDS {
            let mut p99 = [0.0; 2];
            for (kind, poison_every) in [None, Some(POISON_EVERY)].into_iter().enumerate() {
                let what = if kind == 0 { "without" } else { "with" };
                self.say(&format!("{what} poison, round {round} of {ROUNDS}"));
                let other = Plan { rate, poison_every, ..other.clone() };
                let (outcome, _) = load::run_both(&measured, &other).map_err(broken)?;
                let phases = if kind == 0 { &mut without } else { &mut with };
                phases.push(&outcome, lag_of(&node)?);
                p99[kind] = outcome.quantile_ms(0.99);
            }
            ratios.push(p99[1] / p99[0]);
        }
        let counts = node.counts();
        let (poisoned, refolded) =
            (counts.poisoned.load(Ordering::Relaxed), counts.refolded.load(Ordering::Relaxed));
        drop(node);
        server.stop();
        Ok(json!({
            "rate_per_s_of_each": rate,
            "without": without.figures(),
            "with": with.figures(),
            "p99_ratio": median(with.p99) / median(without.p99),
            "p99_ratio_median_of_rounds": median(ratios),
            "poisoned": poisoned,
            "refolded_steps": refolded,
        }))
    }
}
