//! `inyeon benchmark`: what a server does under load, beside limits that are measured in the same run.
//!
//! `intake`: what is accepted and what is drained, beside two limits that are measured in the same
//! run: a server that parses and answers without storing, and a bare append with the same syncs.

mod fair;
mod load;
mod plan;
mod poison;
mod promising;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::routing::post;
use model::{EventKind, LogKind, PartitionId};
use runtime::{Node, NodeOptions, Sink};
use serde_json::{Value, json};

use crate::access::store_options;
use crate::cli::{Global, complain, print};
use crate::dialect::Parsed;
use crate::dialect::segment::{self, Batch, Outer};
use crate::error::{Failure, Kind};
use crate::http;
use crate::i18n::Messages;
use crate::ops::{self, Op};
use crate::serve::Server;
use load::{Outcome, Plan};

#[derive(clap::Args)]
pub struct BenchmarkArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    Intake {
        #[arg(long, default_value_t = 10)]
        seconds: u64,
        #[arg(long, default_value_t = 64)]
        connections: usize,
        #[arg(long, default_value_t = 1024)]
        event_bytes: usize,
        #[arg(long, default_value_t = 100_000)]
        users: u64,
        #[arg(long, value_enum, value_delimiter = ',')]
        only: Vec<Part>,
    },
    Promising {
        #[arg(long, default_value_t = 10)]
        seconds: u64,
        #[arg(long, default_value_t = 64)]
        connections: usize,
        #[arg(long, default_value_t = 100_000)]
        items: u64,
        #[arg(long, default_value_t = 1_000)]
        slots: u64,
    },
}

/// What can be measured alone.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
enum Part {
    // Single events, beside their two limits, and at half of that load.
    Single,
    // Batches of 100 without a pause, and their drain.
    Batch,
    // How far the views are behind at 5,000 events a second.
    Views,
    // What sealing with the subjects' keys costs.
    Sealing,
    // A small source beside one that sends without end.
    Fair,
    // A source beside one of whose events a thousandth makes the fold fail; needs a build with faults.
    Poison,
    // What holding an event against a tracking plan costs.
    Plan,
}

pub fn run(global: &Global, args: &BenchmarkArgs, messages: &Messages) -> Result<(), Failure> {
    let scratch = tempfile::Builder::new()
        .prefix("inyeon-benchmark-")
        .tempdir_in(".")
        .map_err(|error| Failure::io("create", Path::new("."), &error))?;
    let bench = |seconds, connections, event_bytes, users, only: &[Part]| Bench {
        dir: scratch.path().to_owned(),
        plan: Plan {
            address: ([127, 0, 0, 1], 0).into(),
            write_key: "benchmark".to_owned(),
            connections,
            batch: 1,
            event_bytes,
            users,
            duration: Duration::from_secs(seconds),
            rate: None,
            poison_every: None,
            call: None,
        },
        only: only.to_vec(),
        quiet: global.quiet || global.json,
        messages,
    };
    let (title, values, figures) = match &args.what {
        What::Intake { seconds, connections, event_bytes, users, only } => {
            let figures = bench(*seconds, *connections, *event_bytes, *users, only).run()?;
            ("benchmark-title", ("bytes", event_bytes.to_string()), figures)
        }
        What::Promising { seconds, connections, items, slots } => {
            let figures = bench(*seconds, *connections, 0, 10_000, &[]).promising(*items, *slots)?;
            ("benchmark-promising-title", ("items", items.to_string()), figures)
        }
    };
    if global.json {
        print(&serde_json::to_string_pretty(&figures).expect("plain data serialises"));
    } else {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        print(&messages.with(title, &[("cores", cores.to_string()), values]));
        print(&lines(&figures, ""));
    }
    Ok(())
}

/// Every figure on a line of its own, under its path.
fn lines(value: &Value, path: &str) -> String {
    match value {
        Value::Object(members) => members
            .iter()
            .map(|(name, value)| {
                lines(value, &if path.is_empty() { name.clone() } else { format!("{path}.{name}") })
            })
            .collect(),
        Value::Number(number) => {
            let number = number.as_f64().unwrap_or(f64::NAN);
            let text = if number.abs() >= 100.0 { format!("{number:.0}") } else { format!("{number:.3}") };
            format!("  {path:<44} {text:>12}\n")
        }
        other => format!("  {path:<44} {other}\n"),
    }
}

struct Bench<'a> {
    dir: PathBuf,
    plan: Plan,
    /// Everything where it is empty.
    only: Vec<Part>,
    quiet: bool,
    messages: &'a Messages,
}

fn broken(error: impl std::fmt::Display) -> Failure {
    Failure::new(Kind::Failed, "benchmark").with("detail", error)
}

impl Bench<'_> {
    fn run(&self) -> Result<Value, Failure> {
        let mut figures = serde_json::Map::new();
        figures.insert("event_bytes".to_owned(), json!(self.plan.event_bytes));
        let wanted = |part: Part| self.only.is_empty() || self.only.contains(&part);
        if wanted(Part::Single) {
            figures.extend(self.single_beside_limits()?);
        }
        if wanted(Part::Batch) {
            let plan = Plan { batch: 100, connections: 8, ..self.plan.clone() };
            self.say("parse only, batches of 100");
            let parse = self.parse_only(&plan)?;
            self.say("batches of 100");
            let mut batch = self.sustained(&plan)?;
            batch["parse_only_per_s"] = json!(parse.per_second());
            figures.insert("batch".to_owned(), batch);
        }
        if wanted(Part::Views) {
            self.say("views at 5,000 events a second");
            figures.insert("views".to_owned(), self.views_lag()?);
        }
        if wanted(Part::Sealing) {
            self.say("sealing");
            figures.insert("sealing".to_owned(), self.sealing()?);
        }
        if wanted(Part::Fair) {
            figures.insert("fair".to_owned(), self.fair()?);
        }
        if wanted(Part::Poison) {
            figures.insert("poison".to_owned(), self.poison()?);
        }
        if wanted(Part::Plan) {
            self.say("tracking plan");
            figures.insert("plan".to_owned(), plan::figures()?);
        }
        Ok(Value::Object(figures))
    }

    /// Single events, as many as go and at half of that, beside a server that stores nothing and a log that
    /// answers nobody.
    fn single_beside_limits(&self) -> Result<serde_json::Map<String, Value>, Failure> {
        self.say("parse only, single");
        let parse = self.parse_only(&self.plan)?;
        self.say("single events");
        let (single, per_commit) = self.single(&self.plan)?;
        self.say("single events at half load");
        let half = Plan { rate: Some(single.per_second() / 2.0), ..self.plan.clone() };
        let (half_load, _) = self.single(&half)?;
        self.say("bare append with the same syncs");
        let append = self.bare_append(per_commit)?;
        let figures = json!({
            "limits": {
                "parse_only_per_s": parse.per_second(),
                "parse_only_p99_ms": parse.quantile_ms(0.99),
                "bare_append_per_s": append,
                "records_per_sync": per_commit,
            },
            "single": {
                "accepted_per_s": single.per_second(),
                "p50_ms": single.quantile_ms(0.5),
                "p99_ms": single.quantile_ms(0.99),
                "refused": single.refused,
                "share_of_parse_only": single.per_second() / parse.per_second(),
                "share_of_bare_append": single.per_second() / append,
            },
            "single_half_load": {
                "accepted_per_s": half_load.per_second(),
                "p50_ms": half_load.quantile_ms(0.5),
                "p99_ms": half_load.quantile_ms(0.99),
            },
        });
        let Value::Object(figures) = figures else { unreachable!("written as an object") };
        Ok(figures)
    }

    fn say(&self, what: &str) {
        if !self.quiet {
            complain(&self.messages.with("benchmark-running", &[("what", what.to_owned())]));
        }
    }

    /// The same parsing and the same answers, and nothing behind them.
    fn parse_only(&self, plan: &Plan) -> Result<Outcome, Failure> {
        async fn single(body: Bytes) -> axum::Json<Value> {
            let text = std::str::from_utf8(&body).unwrap_or_default();
            let parsed =
                segment::parse(text, Some(EventKind::Track), Outer::default(), model::Time(0), String::new);
            let id = match &parsed {
                Parsed::Event { event, .. } => event.message_id.to_string(),
                Parsed::Refused(refused) => refused.detail.clone(),
            };
            axum::Json(json!({ "success": true, "messageId": id }))
        }
        async fn batch(body: Bytes) -> axum::Json<Value> {
            let text = std::str::from_utf8(&body).unwrap_or_default();
            let taken = serde_json::from_str::<Batch<'_>>(text).map_or(0, |batch| {
                let outer = batch.outer();
                let parsed = batch
                    .batch
                    .iter()
                    .map(|raw| segment::parse(raw.get(), None, outer, model::Time(0), String::new));
                parsed.filter(|parsed| matches!(parsed, Parsed::Event { .. })).count()
            });
            axum::Json(json!({ "success": true, "accepted": taken, "rejected": 0, "errors": [] }))
        }
        let (listener, address) = http::bind("127.0.0.1:0")?;
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let serving = std::thread::spawn(move || -> std::io::Result<()> {
            let runtime =
                tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
            runtime.block_on(async {
                let router = Router::new().route("/v1/track", post(single)).route("/v1/batch", post(batch));
                let listener = tokio::net::TcpListener::from_std(listener)?;
                axum::serve(listener, router).with_graceful_shutdown(async { drop(stopped.await) }).await
            })
        });
        let outcome = load::run(&Plan { address, ..plan.clone() }).map_err(broken)?;
        drop(stop);
        let _ = serving.join();
        Ok(outcome)
    }

    fn server(&self, name: &str) -> Result<Server, Failure> {
        self.server_with(name, NodeOptions::default().queue_bytes)
    }

    fn server_with(&self, name: &str, queue_bytes: usize) -> Result<Server, Failure> {
        let options =
            NodeOptions { store: store_options()?, sink: Sink::Inbox, queue_bytes, ..NodeOptions::default() };
        Server::start(&self.dir.join(name), "127.0.0.1:0", Some(&self.plan.write_key), options)
    }

    /// Single events against the real server; also how many records a sync carried.
    fn single(&self, plan: &Plan) -> Result<(Outcome, f64), Failure> {
        let server = self.server(if plan.rate.is_some() { "half" } else { "single" })?;
        let outcome = load::run(&Plan { address: server.address, ..plan.clone() }).map_err(broken)?;
        let counts = server.app.node.intake_counts();
        let commits = counts.commits.load(Ordering::Relaxed).max(1);
        let per_commit = counts.accepted.load(Ordering::Relaxed) as f64 / commits as f64;
        server.stop();
        Ok((outcome, per_commit))
    }

    /// Batches without a pause: accepted and drained, memory, and how long the rest takes to drain.
    fn sustained(&self, plan: &Plan) -> Result<Value, Failure> {
        let server = self.server("batch")?;
        let node = server.app.node.clone();
        let plan = Plan { address: server.address, ..plan.clone() };
        let duration = plan.duration.as_secs_f64();
        let begun = Instant::now();
        let sending = std::thread::spawn(move || load::run(&plan));
        // The highest in each quarter of the load: bounded memory is a line that stops rising.
        let (mut rss, mut backlog_max) = ([0.0_f64; 4], 0);
        while !sending.is_finished() {
            std::thread::sleep(Duration::from_millis(100));
            let quarter = (begun.elapsed().as_secs_f64() / duration * 4.0) as usize;
            let highest = &mut rss[quarter.min(3)];
            *highest = highest.max(rss_mib());
            backlog_max = backlog_max.max(node.backlog());
        }
        let outcome = sending.join().map_err(|_| broken("the load ended with a panic"))?.map_err(broken)?;
        let under_load = node.counts().applied.load(Ordering::Relaxed);
        let loaded = begun.elapsed().as_secs_f64();
        let backlog = node.backlog();
        let rest = Instant::now();
        node.drain()?;
        let rss_after = rss_mib();
        let total = begun.elapsed().as_secs_f64();
        let applied = node.counts().applied.load(Ordering::Relaxed);
        drop(node);
        server.stop();
        Ok(json!({
            "accepted_per_s": outcome.per_second(),
            "p99_ms": outcome.quantile_ms(0.99),
            "refused_requests": outcome.refused,
            "events": outcome.events,
            "drained_per_s_under_load": under_load as f64 / loaded,
            "drained_per_s_after_load": (applied - under_load) as f64 / rest.elapsed().as_secs_f64().max(1e-9),
            "drained_per_s_overall": applied as f64 / total,
            "backlog_max": backlog_max,
            "backlog_at_end_of_load": backlog,
            "seconds_to_drain_the_rest": rest.elapsed().as_secs_f64(),
            "rss_max_mib_by_quarter": { "1": rss[0], "2": rss[1], "3": rss[2], "4": rss[3] },
            "rss_after_drain_mib": rss_after,
        }))
    }

    /// How long the views are behind at a steady rate.
    fn views_lag(&self) -> Result<Value, Failure> {
        let server = self.server("views")?;
        let node = server.app.node.clone();
        let rate = 50.0;
        let plan = Plan {
            address: server.address,
            batch: 100,
            connections: 4,
            rate: Some(rate),
            ..self.plan.clone()
        };
        let sending = std::thread::spawn(move || load::run(&plan));
        let mut lags = Vec::new();
        while !sending.is_finished() {
            lags.push(lag_of(&node)?);
            std::thread::sleep(Duration::from_millis(200));
        }
        let outcome = sending.join().map_err(|_| broken("the load ended with a panic"))?.map_err(broken)?;
        drop(node);
        server.stop();
        lags.sort_by(f64::total_cmp);
        Ok(json!({
            "rate_per_s": outcome.per_second(),
            "lag_p50_s": lags.get(lags.len() / 2),
            "lag_max_s": lags.last(),
        }))
    }

    /// The same records made and decoded with and without their seal, on one core.
    fn sealing(&self) -> Result<Value, Failure> {
        let dir = self.dir.join("sealing");
        let opened = store::Store::open(&dir, store::Disk::Real, &store_options()?).map_err(broken)?;
        let keys = opened.keys;
        let users = self.plan.users.clamp(1, 1000);
        let ids: Vec<_> = (0..users)
            .map(|user| {
                let user = format!("user-{user}");
                keys.key_for(keys.hash_identifier(&model::Identifier::User(&user)))
            })
            .collect();
        let body = vec![0x5A; self.plan.event_bytes];
        let measure = |work: &dyn Fn(usize)| nanoseconds(work) / 1e3;
        let sealed: Vec<_> =
            ids.iter().map(|id| keys.seal(*id, &body)).collect::<Result<_, _>>().map_err(broken)?;
        let seal = measure(&|n| drop(std::hint::black_box(keys.seal(ids[n % ids.len()], &body))));
        let open = measure(&|n| drop(std::hint::black_box(keys.open_sealed(&sealed[n % sealed.len()]))));
        let copy = measure(&|_| drop(std::hint::black_box(body.clone())));
        Ok(json!({ "seal_us": seal, "open_us": open, "copy_us": copy }))
    }

    /// A log that takes bodies of the same size and syncs as often, on the same disk.
    fn bare_append(&self, per_commit: f64) -> Result<f64, Failure> {
        let dir = self.dir.join("append");
        let disk = store::Disk::Real;
        let opened = store::LogWriter::open(
            &disk,
            &dir,
            LogKind::Intake,
            PartitionId(0),
            store::LogOptions::default(),
        );
        let mut log = opened.map_err(broken)?.writer;
        let body = vec![0x5A; self.plan.event_bytes];
        let group = (per_commit.round() as usize).max(1);
        let begun = Instant::now();
        let mut appended = 0_u64;
        while begun.elapsed() < self.plan.duration.min(Duration::from_secs(5)) {
            for _ in 0..group {
                log.append(&body);
            }
            log.commit().map_err(broken)?;
            appended += group as u64;
        }
        Ok(appended as f64 / begun.elapsed().as_secs_f64())
    }
}

/// Nanoseconds of one call, over a second of calls on this core.
fn nanoseconds(work: &dyn Fn(usize)) -> f64 {
    let (begun, mut done) = (Instant::now(), 0_usize);
    while begun.elapsed() < Duration::from_secs(1) {
        for _ in 0..256 {
            work(done);
            done += 1;
        }
    }
    begun.elapsed().as_secs_f64() * 1e9 / done as f64
}

/// Seconds from now until what is durable now has counted and is shown.
fn lag_of(node: &Arc<Node>) -> Result<f64, Failure> {
    let begun = Instant::now();
    node.drain()?;
    Ok(begun.elapsed().as_secs_f64())
}

/// A new source of a server; its write key.
fn new_source(server: &Server, name: &str) -> Result<String, Failure> {
    let made = ops::run(
        &server.app.node,
        Op::KeyCreate { name: name.to_owned(), allowed: model::Allowed::default() },
    )?;
    server.app.reload()?;
    Ok(made["write_key"].as_str().unwrap_or_default().to_owned())
}

/// The middle one of some figures.
fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Resident memory of this process, client and all.
fn rss_mib() -> f64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: f64 = statm.split_whitespace().nth(1).and_then(|n| n.parse().ok()).unwrap_or(0.0);
    pages * 4096.0 / f64::from(1 << 20)
}
