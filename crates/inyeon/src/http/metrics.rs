//! `/metrics` in the Prometheus text format. Labels are bounded: none carries an id.

use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::extract::State;

use super::App;

/// What the edge itself counts.
#[derive(Default)]
pub struct Seen {
    received: AtomicU64,
    refused: AtomicU64,
    turned_away: AtomicU64,
}

impl Seen {
    pub(super) fn count(&self, received: u64, refused: u64) {
        self.received.fetch_add(received, Ordering::Relaxed);
        self.refused.fetch_add(refused, Ordering::Relaxed);
    }

    pub(super) fn turn_away(&self) {
        self.turned_away.fetch_add(1, Ordering::Relaxed);
    }
}

/// Counters and gauges in the Prometheus text format
#[utoipa::path(get, path = "/metrics", tag = "operation", responses((status = 200, body = String)))]
pub(super) async fn page(State(app): State<Arc<App>>) -> String {
    let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    let (node, intake) = (app.node.counts(), app.node.intake_counts());
    let mut text = String::new();
    let mut line = |name: &str, kind: &str, help: &str, value: u64| {
        let _ =
            write!(text, "# HELP inyeon_{name} {help}\n# TYPE inyeon_{name} {kind}\ninyeon_{name} {value}\n");
    };
    line("events_received_total", "counter", "Events that reached the intake.", get(&app.seen.received));
    line(
        "events_refused_total",
        "counter",
        "Events refused by name and kept as dead letters.",
        get(&app.seen.refused),
    );
    line("requests_turned_away_total", "counter", "Requests answered 503.", get(&app.seen.turned_away));
    line("intake_accepted_total", "counter", "Records made durable.", get(&intake.accepted));
    line("intake_commits_total", "counter", "Group commits of the intake log.", get(&intake.commits));
    line(
        "intake_queued_bytes",
        "gauge",
        "Bytes that wait to be written.",
        intake.queued_bytes.load(Ordering::Relaxed) as u64,
    );
    line("applied_total", "counter", "Inputs that counted, since the store began.", get(&node.applied));
    line("duplicates_total", "counter", "Inputs recognised as sent before.", get(&node.duplicates));
    line("backlog", "gauge", "Durable inputs that have not counted yet.", app.node.backlog());
    line("journal_position", "gauge", "The journal's last entry.", get(&node.journal_seq));
    line("views_position", "gauge", "The journal entry that the views reflect.", get(&node.views_seq));
    app.brokers.metrics(&mut text);
    text
}
