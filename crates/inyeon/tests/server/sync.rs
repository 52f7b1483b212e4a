//! R2: an answer of 200 leaves only after what it answers for was synced, as the kernel sees it.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use crate::contract::{taken, track};
use crate::support::{Home, scale};

/// What of a trace matters here.
#[derive(PartialEq, Debug)]
enum Seen {
    /// A sync of the intake log returned.
    Synced,
    /// An answer of 200 began to leave.
    Answered,
}

/// Reads a trace of `strace -f -y`, where a call that another thread's interrupts is told in two lines.
fn seen(trace: &str) -> Vec<Seen> {
    let mut under_way: BTreeMap<&str, bool> = BTreeMap::new();
    let mut seen = Vec::new();
    for line in trace.lines() {
        let Some((thread, call)) = line.split_once(' ') else { continue };
        let call = call.trim_start();
        if call.starts_with("fdatasync(") {
            let of_intake = call.contains("/intake/");
            if call.contains("<unfinished") {
                under_way.insert(thread, of_intake);
            } else if of_intake && call.ends_with("= 0") {
                seen.push(Seen::Synced);
            }
        } else if call.starts_with("<... fdatasync resumed") {
            if under_way.remove(thread) == Some(true) && call.ends_with("= 0") {
                seen.push(Seen::Synced);
            }
        } else if call.contains("\"HTTP/1.1 200") {
            seen.push(Seen::Answered);
        }
    }
    seen
}

#[test]
fn no_answer_leaves_before_its_sync() {
    let home = Home::new();
    let served = home.serve();
    let trace = home.path("trace");
    let mut strace = Command::new("strace")
        .args(["-f", "-y", "-s", "16", "-e", "trace=fdatasync,write,writev,sendto,sendmsg", "-o"])
        .arg(&trace)
        .args(["-p", &served.pid().to_string()])
        .stderr(Stdio::piped())
        .spawn()
        .expect("strace is installed: `make prerequisites`");
    let mut told = BufReader::new(strace.stderr.take().unwrap());
    let mut line = String::new();
    told.read_line(&mut line).unwrap();
    assert!(line.contains("attached"), "strace may look at other processes: {line}");
    let rest = std::thread::spawn(move || drop(std::io::copy(&mut told, &mut std::io::sink())));
    let mut connection = served.connect();
    let events = scale(200, 10_000, 50_000);
    for n in 0..events {
        taken(&connection.post("/v1/track", &track("u-1", &format!("m-{n}"))).unwrap());
    }
    served.stop();
    strace.wait().unwrap();
    rest.join().unwrap();
    let seen = seen(&std::fs::read_to_string(&trace).unwrap());
    let answered = seen.iter().filter(|seen| **seen == Seen::Answered).count() as u64;
    assert_eq!(answered, events, "every answer is in the trace");
    // One client that waits for each answer: between two answers lies the sync of the second.
    let mut synced = false;
    for (place, what) in seen.iter().enumerate() {
        match what {
            Seen::Synced => synced = true,
            Seen::Answered => assert!(std::mem::take(&mut synced), "answer {place} left before a sync"),
        }
    }
    println!("R2: {events} answers, each after the sync of what it answers for");
}

#[test]
fn a_trace_is_read_as_it_is_written() {
    let trace = concat!(
        "7 fdatasync(12</s/intake/1.log>) = 0\n",
        "8 sendto(20<socket:[1]>, \"HTTP/1.1 200 OK\\r\"..., 90, MSG_NOSIGNAL, NULL, 0) = 90\n",
        "7 fdatasync(12</s/intake/1.log> <unfinished ...>\n",
        "8 writev(20<socket:[1]>, [{iov_base=\"HTTP/1.1 200 OK\\r\"..., iov_len=9}], 2) = 90\n",
        "7 <... fdatasync resumed>) = 0\n",
        "7 fdatasync(13</s/journal/1.log>) = 0\n",
        "8 write(20<socket:[1]>, \"HTTP/1.1 400 Bad\"..., 90) = 90\n",
        "7 fdatasync(12</s/intake/1.log>) = -1 EIO (Input/output error)\n",
    );
    assert_eq!(seen(trace), [Seen::Synced, Seen::Answered, Seen::Answered, Seen::Synced]);
}
