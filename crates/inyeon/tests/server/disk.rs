//! R4: a disk that refuses writes or fails to sync. Nothing is acknowledged that is not there afterwards; what is
//! refused says so and may be sent again; a failed sync ends the process.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::support::{Ended, Home, Served, Start, scale};

const EIO: i32 = 5;
const ENOSPC: i32 = 28;

/// What a run under one fault came to.
#[derive(Default)]
struct Run {
    acknowledged: BTreeSet<String>,
    sent: BTreeSet<String>,
    refused: u64,
    /// How the process ended by itself, where it did.
    ended: Option<Ended>,
    started: bool,
    stderr: String,
}

impl std::fmt::Debug for Run {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Run { acknowledged, sent, refused, ended, stderr, .. } = self;
        let (acknowledged, sent) = (acknowledged.len(), sent.len());
        write!(
            f,
            "{acknowledged} of {sent} acknowledged, {refused} refused, ended {ended:?}, said {stderr:?}"
        )
    }
}

/// Requests that a run makes at most. Each is written and synced at least once, so the 200th of either is passed.
const REQUESTS: u64 = 210;

fn events(request: u64) -> Vec<Value> {
    let count = if request.is_multiple_of(5) { 3 } else { 1 };
    let event = |n| {
        // A new customer each time, so that the key file grows too; a promise past due, so that the journal does.
        json!({
            "type": "track", "event": "order.placed", "userId": format!("u-{request}-{n}"),
            "messageId": format!("m-{request}-{n}"), "timestamp": "2026-03-01T09:00:00Z",
            "properties": { "order_id": format!("o-{request}-{n}"), "promise": { "due": "2026-03-02" } },
        })
    };
    (0..count).map(event).collect()
}

/// Runs a server under a fault, sending one request after the other; what is refused is sent again.
fn run(home: &Home, fault: &str) -> Run {
    let mut run = Run::default();
    let served = match Start::new(&home.dir()).env("INYEON_FAULT", fault).run() {
        Ok(served) => served,
        Err(ended) => {
            run.ended = Some(ended);
            return run;
        }
    };
    run.started = true;
    let alive = send_all(&served, &mut run, fault);
    let ended = match alive {
        false => served.wait(),
        // A journal that cannot be written would be waited for.
        true if fault.starts_with("writes_from") => served.kill(),
        // A thread that has met the fault may not have come to say so; an orderly end waits for it.
        true => served.stop(),
    };
    run.stderr.clone_from(&ended.stderr);
    let by_itself = !alive || ended.signal() == Some(libc::SIGABRT);
    assert!(by_itself || fault.starts_with("writes_from") || ended.status.success(), "{fault}: {ended:?}");
    run.ended = by_itself.then_some(ended);
    run
}

/// Whether the server still lives afterwards.
fn send_all(served: &Served, run: &mut Run, fault: &str) -> bool {
    let mut connection = served.connect();
    // After a write that was refused a few more requests show that it goes on.
    let mut left = REQUESTS;
    for request in 0..REQUESTS {
        left -= 1;
        if left == 0 {
            break;
        }
        let events = events(request);
        let ids: Vec<String> = events.iter().map(|e| e["messageId"].as_str().unwrap().to_owned()).collect();
        run.sent.extend(ids.iter().cloned());
        loop {
            let answer = match events.as_slice() {
                [one] => connection.post("/v1/track", one),
                many => connection.post("/v1/batch", &json!({ "batch": many })),
            };
            let Ok(reply) = answer else { return false };
            if reply.status == 200 {
                run.acknowledged.extend(ids);
                break;
            }
            assert_eq!(reply.status, 503, "{fault}: {}", reply.text());
            assert_eq!(reply.header("retry-after"), Some("1"), "{fault}");
            let body = reply.json();
            assert_eq!(body["success"], false, "{fault}: {body}");
            assert_eq!(body["code"], "disk", "{fault}: {body}");
            assert!(body["message"].as_str().is_some_and(|m| m.contains("disk")), "{fault}: {body}");
            run.refused += 1;
            left = left.min(10);
            if run.refused > 5 {
                // The disk stays full.
                return true;
            }
        }
    }
    true
}

/// Opened again on a sound disk: everything acknowledged is there, once, and nothing that was never sent.
fn check(home: &Home, run: &Run, fault: &str) {
    let served = Start::new(&home.dir()).run().unwrap_or_else(|e| panic!("{fault}: it starts again: {e:?}"));
    served.stop().in_order();
    let export = home.export();
    let ids: Vec<String> = export.iter().map(|e| e["messageId"].as_str().unwrap().to_owned()).collect();
    let set: BTreeSet<String> = ids.iter().cloned().collect();
    assert_eq!(ids.len(), set.len(), "{fault}: nothing counts twice");
    let lost: Vec<_> = run.acknowledged.difference(&set).collect();
    assert!(lost.is_empty(), "{fault}: a false acknowledgement: {lost:?}");
    assert!(set.is_subset(&run.sent), "{fault}: nothing that was never sent");
    assert_eq!(home.run(&["doctor"]).code, Some(0), "{fault}");
}

/// A start that the disk does not allow ends with an error that names a file, not with a panic.
fn check_failed_start(ended: &Ended, fault: &str) {
    ended.without_panic();
    let code = ended.status.code();
    assert!(code.is_some_and(|code| code != 0), "{fault}: a start fails with an error: {ended:?}");
    let error: Value = serde_json::from_str(ended.stderr.trim()).unwrap_or_else(|e| panic!("{e}: {ended:?}"));
    let message = error["message"].as_str().unwrap();
    assert!(message.contains("store") && message.contains("os error"), "{fault}: {message}");
}

/// Every n up to 200 where there is time, else some, the first ones among them.
fn places() -> Vec<u64> {
    let all = 1..=200;
    match scale(0, 1, 1) {
        0 => all.filter(|n| n % 11 == 3 || *n == 1).collect(),
        _ => all.collect(),
    }
}

#[test]
fn a_write_that_fails_once_is_refused_and_then_taken() {
    let mut met = [0; 4];
    for (n, errno) in places().into_iter().flat_map(|n| [(n, EIO), (n, ENOSPC)]) {
        let (home, fault) = (Home::new(), format!("write:{n}:{errno}"));
        let run = run(&home, &fault);
        match &run.ended {
            Some(ended) if !run.started => {
                check_failed_start(ended, &fault);
                met[0] += 1;
            }
            // The mark says what was acknowledged: without it nothing can be, and what stands is found again.
            Some(ended) => {
                assert_eq!(ended.signal(), Some(libc::SIGABRT), "{fault}: {ended:?}");
                assert!(ended.stderr.contains("the process must end"), "{fault}: {ended:?}");
                met[1] += 1;
            }
            None if run.refused > 0 => {
                assert_eq!(run.refused, 1, "{fault}: it is taken once there is room");
                assert_eq!(run.acknowledged, run.sent, "{fault}");
                met[2] += 1;
            }
            None => {
                assert!(run.stderr.contains("trying again"), "{fault}: it was never met: {run:?}");
                assert_eq!(run.acknowledged, run.sent, "{fault}");
                met[3] += 1;
            }
        }
        check(&home, &run, &fault);
    }
    println!(
        "R4: {} points, one failed write each, no false acknowledgement; at the start, mark, intake, journal: {met:?}",
        met.iter().sum::<u32>()
    );
    // The journal gathers before it writes, so which write is its own depends on the machine's speed.
    assert!(met[..3].iter().all(|n| *n > 0), "{met:?}");
}

#[test]
fn a_disk_that_stays_full_is_answered_with_503() {
    let (mut at_start, mut at_mark, mut refusing) = (0, 0, 0);
    for (n, errno) in places().into_iter().flat_map(|n| [(n, EIO), (n, ENOSPC)]) {
        let (home, fault) = (Home::new(), format!("writes_from:{n}:{errno}"));
        let run = run(&home, &fault);
        match &run.ended {
            Some(ended) if !run.started => {
                check_failed_start(ended, &fault);
                at_start += 1;
            }
            Some(ended) => {
                assert_eq!(ended.signal(), Some(libc::SIGABRT), "{fault}: {ended:?}");
                assert!(ended.stderr.contains("the process must end"), "{fault}: {ended:?}");
                at_mark += 1;
            }
            None => {
                assert!(run.refused > 5, "{fault}: {run:?}");
                refusing += 1;
            }
        }
        check(&home, &run, &fault);
    }
    println!(
        "R4: {} points, every write fails from there on, no false acknowledgement; {at_start} at the start, {at_mark} aborted, {refusing} refused",
        at_start + at_mark + refusing
    );
    assert!(at_start > 0 && refusing > 0, "start {at_start}, mark {at_mark}, refusing {refusing}");
}

#[test]
fn a_failed_sync_ends_the_process() {
    let (mut at_start, mut under_way) = (0, 0);
    for (n, errno) in places().into_iter().flat_map(|n| [(n, EIO), (n, ENOSPC)]) {
        let (home, fault) = (Home::new(), format!("sync:{n}:{errno}"));
        let run = run(&home, &fault);
        let ended = run.ended.as_ref().unwrap_or_else(|| panic!("{fault}: it goes on: {run:?}"));
        if run.started {
            assert_eq!(ended.signal(), Some(libc::SIGABRT), "{fault}: {ended:?}");
            assert!(ended.stderr.contains("the process must end"), "{fault}: {ended:?}");
            ended.without_panic();
            assert_eq!(run.refused, 0, "{fault}: what is unknown is not answered at all");
            under_way += 1;
        } else {
            check_failed_start(ended, &fault);
            at_start += 1;
        }
        check(&home, &run, &fault);
    }
    println!(
        "R4: {} points, one failed sync each, no acknowledgement after it; {at_start} at the start",
        at_start + under_way
    );
    assert!(at_start > 0 && under_way > 0, "start {at_start}, under way {under_way}");
}
