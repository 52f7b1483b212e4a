//! One source sends far more than the disk takes; another sends a little. Only the first is refused, and everything
//! that was answered 200 counts once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use serde_json::{Value, json};

use crate::contract::{refused, taken, track};
use crate::edge::metrics;
use crate::support::{Home, Served, Start};

/// Messages of the small source.
const SMALL: usize = 40;
const FLOOD_CONNECTIONS: usize = 8;
const FLOOD_BATCH: usize = 40;

/// Sends batches until told to stop; the ids of those that were taken, and how many requests were refused.
fn flood(
    served: &Served,
    key: &str,
    name: usize,
    stop: &AtomicBool,
    refusals: &AtomicU64,
) -> BTreeSet<String> {
    let mut connection = served.connect_as(Some(key));
    let mut kept = BTreeSet::new();
    for request in 0.. {
        if stop.load(Ordering::SeqCst) {
            break;
        }
        let ids: Vec<String> = (0..FLOOD_BATCH).map(|n| format!("f-{name}-{request}-{n}")).collect();
        let batch: Vec<Value> = ids.iter().map(|id| track("u-1", id)).collect();
        let reply = connection.post("/v1/batch", &json!({ "batch": batch })).unwrap();
        if reply.status == 429 {
            refused(&reply, 429, "too_many_requests");
            assert_eq!(reply.header("retry-after"), Some("1"));
            refusals.fetch_add(1, Ordering::SeqCst);
        } else {
            taken(&reply);
            kept.extend(ids);
        }
    }
    kept
}

#[test]
fn a_flooding_source_is_refused_and_a_small_one_is_not() {
    let home = Home::new();
    let key = |name: &str| home.json(&["keys", "create", name])["write_key"].as_str().unwrap().to_owned();
    let (flooding, small) = (key("flooding"), key("small"));
    // Room for two of the flood's batches, on a disk that takes 20 ms for each sync.
    let served = Start::new(&home.dir())
        .args(&["--queue-bytes", "65536"])
        .env("INYEON_FAULT", "slow_syncs:1:20")
        .run()
        .unwrap();
    let (stop, refusals) = (AtomicBool::new(false), AtomicU64::new(0));
    let (mut kept, sent) = std::thread::scope(|scope| {
        let floods: Vec<_> = (0..FLOOD_CONNECTIONS)
            .map(|name| {
                let (served, key, stop, refusals) = (&served, &flooding, &stop, &refusals);
                scope.spawn(move || flood(served, key, name, stop, refusals))
            })
            .collect();
        let mut connection = served.connect_as(Some(&small));
        let mut sent = BTreeSet::new();
        // Once the flood was refused it fills its share.
        while sent.len() < SMALL || refusals.load(Ordering::SeqCst) < 20 {
            let id = format!("s-{}", sent.len());
            taken(&connection.post("/v1/track", &track("u-2", &id)).unwrap());
            sent.insert(id);
        }
        stop.store(true, Ordering::SeqCst);
        let kept: BTreeSet<String> = floods.into_iter().flat_map(|flood| flood.join().unwrap()).collect();
        (kept, sent)
    });
    let metrics = metrics(&served);
    let refusals = refusals.load(Ordering::SeqCst);
    assert_eq!(metrics["inyeon_intake_refused_total{source=\"flooding\"}"] as u64, refusals);
    assert!(!metrics.contains_key("inyeon_intake_refused_total{source=\"small\"}"), "{metrics:?}");
    assert_eq!(metrics["inyeon_intake_queued_bytes"], 0.0);
    served.stop().in_order();
    let mut times: BTreeMap<String, u64> = BTreeMap::new();
    for event in home.export() {
        *times.entry(event["messageId"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    assert!(times.values().all(|times| *times == 1), "each once");
    kept.extend(sent);
    assert_eq!(times.into_keys().collect::<BTreeSet<_>>(), kept, "what was answered 200, and nothing else");
}

/// What nothing recognises when it comes again is marked where it is shown, and counted.
#[test]
fn an_event_without_a_name_is_marked_as_delivered_at_least_once() {
    let home = Home::new();
    let served = home.serve();
    let mut connection = served.connect();
    let unnamed =
        json!({ "type": "track", "event": "Seen", "userId": "u-1", "timestamp": "2026-03-01T09:00:00Z" });
    taken(&connection.post("/v1/track", &track("u-1", "named")).unwrap());
    // The client did not hear the first answer and sends it again.
    for _ in 0..2 {
        taken(&connection.post("/v1/track", &unnamed).unwrap());
    }
    let delivery = |events: &[Value]| -> Vec<Value> {
        events.iter().filter(|e| e["type"] == "track").map(|event| event["delivery"].clone()).collect()
    };
    let marked = [Value::Null, json!("at_least_once"), json!("at_least_once")];
    assert_eq!(delivery(&home.export()), marked);
    let tail = home.run(&["tail", "--once", "--all"]);
    let lines: Vec<Value> = tail.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(delivery(&lines), marked);
    assert_eq!(metrics(&served)["inyeon_at_least_once_total"], 2.0);
    served.stop().in_order();
    assert_eq!(home.json(&["doctor"])["checked"]["at_least_once"], 2);
    let csv = home.say(&["events", "export", "--format", "csv"]);
    assert_eq!(csv.stdout.lines().next().and_then(|head| head.rsplit(',').next()), Some("delivery"));
    assert_eq!(csv.stdout.lines().filter(|line| line.ends_with(",at_least_once")).count(), 2, "{csv:?}");
}
