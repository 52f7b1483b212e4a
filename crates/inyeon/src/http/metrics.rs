//! `/metrics` in the Prometheus text format. Labels are bounded: none carries an id, and the only one is the source,
//! of which there are as many as have a key, a webhook or an import.

use std::collections::BTreeMap;
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
    // Where the views cannot be read just now, the page is without their counts rather than without all.
    let views = app.node.clone();
    let totals = move || views.reader().ok()?.violation_totals().ok();
    let violations = tokio::task::spawn_blocking(totals).await.ok().flatten();
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
    line(
        "requests_turned_away_total",
        "counter",
        "Requests answered 429 or 503, of which nothing was kept.",
        get(&app.seen.turned_away),
    );
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
    line(
        "at_least_once_total",
        "counter",
        "Inputs that counted and that nothing recognises when they come again, since this start.",
        get(&node.at_least_once),
    );
    line(
        "poisoned_total",
        "counter",
        "Inputs on which the fold failed, since this start.",
        get(&node.poisoned),
    );
    line(
        "refolded_total",
        "counter",
        "Steps that were folded again because of them, since this start.",
        get(&node.refolded),
    );
    line("backlog", "gauge", "Durable inputs that have not counted yet.", app.node.backlog());
    line("journal_position", "gauge", "The journal's last entry.", get(&node.journal_seq));
    line("views_position", "gauge", "The journal entry that the views reflect.", get(&node.views_seq));
    if let Some((kept, blocked)) = violations {
        let help = "Rules of the tracking plan that events broke which were taken, since the store began.";
        line("plan_violations_kept_total", "counter", help, kept);
        let help =
            "Rules of the tracking plan that events broke which were refused for it, since the store began.";
        line("plan_violations_blocked_total", "counter", help, blocked);
    }
    by_source(
        &mut text,
        "intake_refused_total",
        "Requests and submissions that were refused for want of room or by the disk.",
        &intake.refused_by_source(),
    );
    app.brokers.metrics(&mut text);
    text
}

/// A counter with a sample for each source; nothing where no source has one.
fn by_source(text: &mut String, name: &str, help: &str, counts: &BTreeMap<Arc<str>, u64>) {
    if counts.is_empty() {
        return;
    }
    let _ = writeln!(text, "# HELP inyeon_{name} {help}\n# TYPE inyeon_{name} counter");
    for (source, count) in counts {
        let source = source.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        let _ = writeln!(text, "inyeon_{name}{{source=\"{source}\"}} {count}");
    }
}
