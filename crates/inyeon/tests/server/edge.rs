//! The edge under pressure: bodies without end, clients that stop half-way, queues that are full, paths that do not
//! exist; and the pages by which others watch it.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::Shutdown;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use serde_json::{Value, json};

use crate::contract::{is_hangul, refused, taken, track};
use crate::support::{Home, KEY, Served, Start};
use crate::wire::{Connection, Reply, basic};

/// The most memory that the server ever used, in bytes.
pub(crate) fn peak_memory(served: &Served) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", served.pid())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).expect("Linux says so");
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

/// Says the head of a request and then a body for as long as the other side takes it; the answer, and how much of
/// the body was sent before it came.
fn pour(served: &Served, head: &str, piece: &[u8], whole: u64) -> (Reply, u64) {
    let mut connection = served.connect_as(None);
    let mut stream = connection.stream().try_clone().unwrap();
    stream.write_all(head.as_bytes()).unwrap();
    let (answered, sent) = (AtomicBool::new(false), AtomicU64::new(0));
    let reply = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !answered.load(Ordering::SeqCst) && sent.load(Ordering::SeqCst) < whole {
                if stream.write_all(piece).is_err() {
                    break;
                }
                sent.fetch_add(piece.len() as u64, Ordering::SeqCst);
            }
        });
        let reply = connection.read();
        answered.store(true, Ordering::SeqCst);
        let _ = connection.stream().shutdown(Shutdown::Both);
        reply.expect("an answer comes before the body ends")
    });
    (reply, sent.load(Ordering::SeqCst))
}

#[test]
fn a_body_without_end_is_refused_early_and_not_remembered() {
    const GIB: u64 = 1 << 30;
    let home = Home::new();
    let served = home.serve();
    taken(&served.connect().post("/v1/track", &track("u-1", "before")).unwrap());
    let before = peak_memory(&served);
    let authorization = basic(KEY);
    let head = |length: &str| {
        format!("POST /v1/batch HTTP/1.1\r\nhost: t\r\nauthorization: {authorization}\r\n{length}\r\n\r\n")
    };
    let piece = vec![b' '; 64 << 10];
    let mut chunk = format!("{:x}\r\n", piece.len()).into_bytes();
    chunk.extend_from_slice(&piece);
    chunk.extend_from_slice(b"\r\n");
    for (length, piece) in [("content-length: 1073741824", &piece), ("transfer-encoding: chunked", &chunk)] {
        let (reply, sent) = pour(&served, &head(length), piece, GIB);
        refused(&reply, 413, "body_too_large");
        assert!(sent < GIB / 16, "{length}: {sent} bytes were taken first");
    }
    // 64 MiB of blanks pack to almost nothing.
    let mut bomb = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    for _ in 0..1024 {
        bomb.write_all(&piece).unwrap();
    }
    let bomb = bomb.finish().unwrap();
    let reply =
        served.connect().request("POST", "/v1/batch", &[("content-encoding", "gzip")], &bomb).unwrap();
    refused(&reply, 413, "body_too_large");
    let grown = peak_memory(&served).saturating_sub(before);
    assert!(grown < 32 << 20, "{grown} bytes more were used");
    taken(&served.connect().post("/v1/track", &track("u-1", "after")).unwrap());
    assert_eq!(home.export().len(), 2);
    served.stop().in_order();
}

#[test]
fn paths_and_methods_that_do_not_exist_say_so() {
    let home = Home::new();
    let served = home.serve();
    for (method, path, status, code) in [
        ("GET", "/", 404, "not_found"),
        ("POST", "/v1/trackk", 404, "not_found"),
        ("POST", "/v1/track/", 404, "not_found"),
        ("POST", "/v2/track", 404, "not_found"),
        ("GET", "/v1/../../etc/passwd", 404, "not_found"),
        ("GET", "/v1/track", 405, "method_not_allowed"),
        ("PUT", "/v1/batch", 405, "method_not_allowed"),
        ("DELETE", "/v1/identify", 405, "method_not_allowed"),
        ("PATCH", "/v1/import", 405, "method_not_allowed"),
        ("POST", "/metrics", 405, "method_not_allowed"),
        ("GET", "/v1/control", 405, "method_not_allowed"),
    ] {
        for (language, korean) in [("ko", true), ("en", false)] {
            let headers = [("accept-language", language)];
            let reply = served.connect().request(method, path, &headers, b"").unwrap();
            let message = refused(&reply, status, code);
            assert_eq!(is_hangul(&message), korean, "{message}");
            assert!(status != 405 || reply.header("allow").is_some(), "{method} {path}: {reply:?}");
        }
    }
    served.stop().in_order();
}

/// Requests that stop half-way or are none.
const HALVES: [&str; 6] = [
    "",
    "POST /v1/track HT",
    "POST /v1/track HTTP/1.1\r\nhost: t\r\ncontent-le",
    "POST /v1/track HTTP/1.1\r\nhost: t\r\ncontent-length: 100\r\n\r\n",
    "POST /v1/track HTTP/1.1\r\nhost: t\r\ncontent-length: 100\r\n\r\n{\"event\":\"half",
    "POST /v1/batch HTTP/1.1\r\nhost: t\r\ntransfer-encoding: chunked\r\n\r\n10\r\n{\"batch\":",
];

#[test]
fn clients_that_stop_half_way_hurt_nobody() {
    let home = Home::new();
    let served = home.serve();
    let authorization = format!("\r\nauthorization: {}\r\n", basic(KEY));
    for half in HALVES.map(|half| half.replacen("\r\n", &authorization, 1)) {
        let connection = served.connect_as(None);
        connection.stream().write_all_of(half.as_bytes());
        connection.stream().shutdown(Shutdown::Write).unwrap();
        // Answered or not, it comes to an end.
        let mut rest = Vec::new();
        let _ = connection.stream().read_to_end(&mut rest);
        let rest = String::from_utf8_lossy(&rest);
        assert!(rest.is_empty() || rest.starts_with("HTTP/1.1 4"), "{half:?}: {rest}");
    }
    let huge_head = format!("GET / HTTP/1.1\r\nx: {}\r\n\r\n", "y".repeat(1 << 20));
    for nonsense in
        ["\r\n\r\n", "GET\r\n\r\n", "\0\u{1}\u{2}\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &huge_head]
    {
        let connection = served.connect_as(None);
        connection.stream().write_all_of(nonsense.as_bytes());
        let _ = connection.stream().shutdown(Shutdown::Write);
        let mut rest = Vec::new();
        let _ = connection.stream().read_to_end(&mut rest);
        assert!(!rest.starts_with(b"HTTP/1.1 2"), "{}", String::from_utf8_lossy(&rest));
    }
    taken(&served.connect().post("/v1/track", &track("u-1", "after")).unwrap());
    assert_eq!(home.export().len(), 1);
    assert_eq!(home.json(&["dead-letters", "list"]), json!([]));
    served.stop().in_order();
}

trait WriteAll {
    fn write_all_of(self, bytes: &[u8]);
}

impl WriteAll for &std::net::TcpStream {
    /// A server that has heard enough may close before all is said.
    fn write_all_of(mut self, bytes: &[u8]) {
        let _ = self.write_all(bytes);
    }
}

#[test]
fn the_server_ends_although_clients_hold_on() {
    let home = Home::new();
    let served = home.serve();
    let held: Vec<Connection> = HALVES
        .iter()
        .map(|half| {
            let connection = served.connect_as(None);
            connection.stream().write_all_of(half.as_bytes());
            connection
        })
        .collect();
    let mut idle = served.connect();
    taken(&idle.post("/v1/track", &track("u-1", "kept")).unwrap());
    served.stop().in_order();
    drop(held);
    assert!(idle.post("/v1/track", &track("u-1", "late")).is_err());
    assert_eq!(home.export().len(), 1);
}

#[test]
fn a_queue_that_is_used_up_is_answered_with_429_and_keeps_nothing_by_half() {
    let home = Home::new();
    // Whatever waits fills the queue; what finds it empty is always taken.
    let served = Start::new(&home.dir()).args(&["--queue-bytes", "1"]).run().unwrap();
    let (taken_ids, turned_away) = (AtomicU64::new(0), AtomicU64::new(0));
    let ids: Vec<(BTreeSet<String>, BTreeSet<String>)> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..8)
            .map(|worker| {
                let (served, taken_ids, turned_away) = (&served, &taken_ids, &turned_away);
                scope.spawn(move || {
                    let mut connection = served.connect();
                    let (mut kept, mut lost) = (BTreeSet::new(), BTreeSet::new());
                    for request in 0..5_000 {
                        let enough = |n: &AtomicU64| n.load(Ordering::SeqCst) >= 20;
                        if request >= 20 && enough(taken_ids) && enough(turned_away) {
                            break;
                        }
                        let id = |n| format!("o-{worker}-{request}-{n}");
                        let batch: Vec<Value> = (0..20).map(|n| track("u-1", &id(n))).collect();
                        let headers = [("accept-language", "ko")];
                        let body = json!({ "batch": batch }).to_string();
                        let reply =
                            connection.request("POST", "/v1/batch", &headers, body.as_bytes()).unwrap();
                        if reply.status == 429 {
                            assert!(is_hangul(&refused(&reply, 429, "too_many_requests")));
                            assert_eq!(reply.header("retry-after"), Some("1"));
                            turned_away.fetch_add(1, Ordering::SeqCst);
                            lost.extend((0..20).map(id));
                        } else {
                            taken(&reply);
                            taken_ids.fetch_add(1, Ordering::SeqCst);
                            kept.extend((0..20).map(id));
                        }
                    }
                    (kept, lost)
                })
            })
            .collect();
        workers.into_iter().map(|worker| worker.join().unwrap()).collect()
    });
    let kept: BTreeSet<String> = ids.iter().flat_map(|(kept, _)| kept.clone()).collect();
    let lost: BTreeSet<String> = ids.iter().flat_map(|(_, lost)| lost.clone()).collect();
    assert!(!kept.is_empty() && !lost.is_empty(), "{} kept, {} turned away", kept.len(), lost.len());
    let found: BTreeSet<String> =
        home.export().iter().map(|e| e["messageId"].as_str().unwrap().to_owned()).collect();
    assert_eq!(found, kept);
    let metrics = metrics(&served);
    assert_eq!(metrics["inyeon_requests_turned_away_total"] as u64, turned_away.load(Ordering::SeqCst));
    assert_eq!(
        metrics["inyeon_intake_refused_total{source=\"trial\"}"] as u64,
        turned_away.load(Ordering::SeqCst)
    );
    assert_eq!(metrics["inyeon_intake_accepted_total"] as usize, kept.len());
    served.stop().in_order();
}

/// Reads `/metrics` and holds it to the text format: every sample has its help and type before it. A sample with a
/// label has it in its name.
pub(crate) fn metrics(served: &Served) -> BTreeMap<String, f64> {
    let reply = served.connect_as(None).get("/metrics").unwrap();
    assert_eq!(reply.status, 200);
    assert!(reply.header("content-type").is_some_and(|t| t.starts_with("text/plain")), "{reply:?}");
    let text = reply.text();
    assert!(text.ends_with('\n'));
    let (mut helped, mut typed, mut samples) = (BTreeSet::new(), BTreeMap::new(), BTreeMap::new());
    let mut sampled = BTreeSet::new();
    let is_name = |name: &str| {
        name.starts_with("inyeon_")
            && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
    };
    for line in text.lines() {
        let parts: Vec<&str> = line.splitn(4, ' ').collect();
        match parts.as_slice() {
            ["#", "HELP", name, help] => {
                assert!(is_name(name) && !help.is_empty() && helped.insert((*name).to_owned()), "{line}");
            }
            ["#", "TYPE", name, kind] => {
                assert!(["counter", "gauge"].contains(kind) && helped.contains(*name), "{line}");
                assert_eq!(*kind == "counter", name.ends_with("_total"), "{line}");
                assert!(typed.insert((*name).to_owned(), (*kind).to_owned()).is_none(), "{line}");
            }
            [name, value] => {
                let (family, label) = name.split_once('{').unwrap_or((name, "}"));
                assert!(typed.contains_key(family) && label.ends_with('}'), "{line}");
                sampled.insert(family.to_owned());
                let value: f64 = value.parse().unwrap_or_else(|e| panic!("{line}: {e}"));
                assert!(value.is_finite() && value >= 0.0, "{line}");
                assert!(samples.insert((*name).to_owned(), value).is_none(), "{line}");
            }
            _ => panic!("no line of the format: {line}"),
        }
    }
    assert_eq!(sampled.len(), typed.len());
    samples
}

#[test]
fn health_readiness_and_metrics_are_pages_to_read() {
    let home = Home::new();
    let served = home.serve();
    let mut connection = served.connect();
    let healthy = connection.get("/healthz").unwrap();
    assert_eq!((healthy.status, healthy.text()), (200, "ok\n"));
    assert!(metrics(&served).values().all(|value| *value == 0.0));
    for n in [1, 2, 3, 3] {
        taken(&connection.post("/v1/track", &track("u-1", &format!("m-{n}"))).unwrap());
    }
    refused(&connection.post("/v1/track", &json!({ "userId": "u" })).unwrap(), 400, "missing_event");
    // Looking at the profile waits until everything counted.
    home.json(&["profile", "show", "u-1"]);
    let ready = connection.get("/readyz").unwrap();
    assert_eq!((ready.status, ready.json()), (200, json!({ "ready": true, "backlog": 0 })));
    let metrics = metrics(&served);
    for (name, value) in [
        ("events_received_total", 5.0),
        ("events_refused_total", 1.0),
        ("requests_turned_away_total", 0.0),
        ("intake_accepted_total", 5.0),
        ("intake_queued_bytes", 0.0),
        ("applied_total", 4.0),
        ("duplicates_total", 1.0),
        ("backlog", 0.0),
    ] {
        assert_eq!(metrics[&format!("inyeon_{name}")], value, "{name}: {metrics:?}");
    }
    assert!(metrics["inyeon_journal_position"] > 0.0);
    assert_eq!(metrics["inyeon_journal_position"], metrics["inyeon_views_position"]);
    served.stop().in_order();
}
