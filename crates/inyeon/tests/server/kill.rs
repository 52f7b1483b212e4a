//! R1 and R5: a client keeps its own books while the server is killed under it. What was acknowledged is there,
//! once; what was not is there once or not at all; and every promise ends as the client's books say.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs;
use std::path::Path;
use std::sync::{Condvar, Mutex};

use jiff::ToSpan;
use serde_json::{Value, json};

use crate::support::{Home, KEY, Rng, Served, Start, now, scale, until};
use crate::wire::Connection;

/// Where the process can be made to end, and how often a round passes there at most.
const POINTS: [&str; 11] = [
    "intake.before_write",
    "intake.after_write",
    "intake.after_sync",
    "journal.before_write",
    "journal.after_write",
    "journal.after_sync",
    "keys.after_write",
    "effect.before_delivery",
    "effect.after_delivery",
    "checkpoint.before",
    "checkpoint.after",
];
/// Kills that one store lives through before the next one begins.
const KILLS_PER_STORE: u64 = 50;
/// New messages that one round makes at most, so that a store stays small.
const ROUND_MESSAGES: u64 = 250;

struct Message {
    id: String,
    json: Value,
    acknowledged: bool,
}

/// What became of the promises, as the client expects it.
#[derive(Default)]
struct Expected {
    kept: u64,
    broken: u64,
    withdrawn: u64,
    open: u64,
}

/// The client's books.
struct Ledger {
    rng: Rng,
    name: u64,
    messages: Vec<Message>,
    /// To be sent, or to be sent again.
    waiting: VecDeque<usize>,
    acknowledged: u64,
    /// Messages that this round may still make.
    budget: u64,
    expected: Expected,
}

impl Ledger {
    fn new(name: u64) -> Self {
        Ledger {
            rng: Rng::new(name),
            name,
            messages: Vec::new(),
            waiting: VecDeque::new(),
            acknowledged: 0,
            budget: 0,
            expected: Expected::default(),
        }
    }

    /// What to send next: what waits, else something new, and now and then what was acknowledged before.
    fn take(&mut self, count: usize) -> Vec<usize> {
        while self.waiting.len() < count && self.budget > 0 {
            self.tell();
        }
        let mut taken: Vec<usize> = (0..count).map_while(|_| self.waiting.pop_front()).collect();
        if !taken.is_empty() && self.rng.chance(10) {
            let again = self.rng.below(self.messages.len() as u64) as usize;
            if self.messages[again].acknowledged && !taken.contains(&again) {
                taken.push(again);
            }
        }
        taken
    }

    /// Makes one small story: an event, or an order and what comes of it.
    fn tell(&mut self) {
        let at = now();
        let order = format!("o-{}-{}", self.name, self.messages.len());
        let placed =
            |due: jiff::Timestamp| json!({ "order_id": order, "promise": { "due": due.to_string() } });
        let of_order = json!({ "order_id": order });
        match self.rng.below(10) {
            0 => {
                self.expected.kept += 1;
                self.say("order.placed", at - 1.second(), &placed(at + 150.milliseconds()));
                self.say("fulfillment.delivered", at, &of_order);
            }
            1 => {
                self.expected.broken += 1;
                self.say("order.placed", at - 3.hours(), &placed(at - 2.hours()));
                self.say("fulfillment.delivered", at - 1.hour(), &of_order);
            }
            2 => {
                self.expected.broken += 1;
                let patience = self.rng.below(500) as i64;
                self.say("order.placed", at, &placed(at + patience.milliseconds()));
            }
            3 => {
                self.expected.withdrawn += 1;
                self.say("order.placed", at - 2.seconds(), &placed(at + 240.hours()));
                let properties = json!({ "order_id": order, "cancelled_by": "customer" });
                self.say("order.cancelled", at - 1.second(), &properties);
            }
            4 => {
                self.expected.open += 1;
                self.say("order.placed", at, &placed(at + 240.hours()));
            }
            _ => self.say("Page Seen", at, &json!({ "path": "/" })),
        }
    }

    fn say(&mut self, event: &str, at: jiff::Timestamp, properties: &Value) {
        let number = self.messages.len();
        let id = format!("m-{}-{number}", self.name);
        // The orders of one customer stay with one customer, however often they are sent.
        let user = match properties["order_id"].as_str() {
            Some(order) => format!("u-{order}"),
            None => format!("u-{}", number % 37),
        };
        let json = json!({
            "type": "track", "event": event, "userId": user, "messageId": id, "timestamp": at.to_string(),
            "properties": properties,
        });
        self.messages.push(Message { id, json, acknowledged: false });
        self.waiting.push_back(number);
        self.budget = self.budget.saturating_sub(1);
    }

    fn acknowledge(&mut self, numbers: &[usize]) {
        for number in numbers {
            self.acknowledged += u64::from(!self.messages[*number].acknowledged);
            self.messages[*number].acknowledged = true;
        }
    }

    fn put_back(&mut self, numbers: &[usize]) {
        for number in numbers.iter().rev().filter(|number| !self.messages[**number].acknowledged) {
            self.waiting.push_front(*number);
        }
    }

    fn ids(&self, acknowledged: bool) -> BTreeSet<&str> {
        let wanted = self.messages.iter().filter(|message| message.acknowledged || !acknowledged);
        wanted.map(|message| message.id.as_str()).collect()
    }
}

struct Client {
    ledger: Mutex<Ledger>,
    told: Condvar,
    working: Mutex<usize>,
}

/// A worker that ends, also by a panic, is none any more.
struct Leaves<'a>(&'a Client);

impl Drop for Leaves<'_> {
    fn drop(&mut self) {
        *self.0.working.lock().unwrap() -= 1;
        self.0.told.notify_all();
    }
}

impl Client {
    /// Sends until the server is gone or nothing is left to send.
    fn work(&self, address: &str, batch: usize) {
        let _leaves = Leaves(self);
        if let Ok(mut connection) = Connection::open(address, Some(KEY)) {
            loop {
                let numbers = self.ledger.lock().unwrap().take(batch);
                if numbers.is_empty() || !self.send(&mut connection, &numbers) {
                    break;
                }
            }
        }
    }

    fn send(&self, connection: &mut Connection, numbers: &[usize]) -> bool {
        let events: Vec<Value> = {
            let ledger = self.ledger.lock().unwrap();
            numbers.iter().map(|number| ledger.messages[*number].json.clone()).collect()
        };
        let (path, body) = match events.as_slice() {
            [one] => ("/v1/track", one.clone()),
            many => ("/v1/batch", json!({ "batch": many })),
        };
        let answer = connection.post(path, &body);
        let mut ledger = self.ledger.lock().unwrap();
        match answer {
            Ok(reply) if reply.status == 200 => {
                let body = reply.json();
                assert_eq!(body["success"], true, "{body}");
                assert!(body["rejected"].as_u64().unwrap_or(0) == 0, "{body}");
                ledger.acknowledge(numbers);
            }
            Ok(reply) => {
                assert_eq!(reply.status, 503, "{}", reply.text());
                assert!(reply.header("retry-after").is_some());
                ledger.put_back(numbers);
            }
            Err(_) => {
                ledger.put_back(numbers);
                return false;
            }
        }
        drop(ledger);
        self.told.notify_all();
        true
    }

    /// Several connections at once, single and batch; `meanwhile` runs beside them.
    fn load<T>(&self, served: &Served, meanwhile: impl FnOnce() -> T) -> T {
        const BATCHES: [usize; 4] = [1, 1, 7, 23];
        *self.working.lock().unwrap() = BATCHES.len();
        std::thread::scope(|scope| {
            for batch in BATCHES {
                scope.spawn(move || self.work(&served.address, batch));
            }
            meanwhile()
        })
    }

    /// Returns once `more` were acknowledged, or nobody works any more.
    fn wait_for(&self, more: u64) {
        let goal = self.ledger.lock().unwrap().acknowledged + more;
        let mut working = self.working.lock().unwrap();
        while *working > 0 && self.ledger.lock().unwrap().acknowledged < goal {
            // The wait ends by itself too: an acknowledgement may have come between the look and the wait.
            working = self.told.wait_timeout(working, std::time::Duration::from_millis(2)).unwrap().0;
        }
    }
}

/// One store through its kills; counts the kills at each point.
fn life(number: u64, kills: u64, killed_at: &mut BTreeMap<&'static str, u64>) {
    let home = Home::new();
    let effects = home.path("effects");
    let start = || Start::new(&home.dir()).args(&["--effects-dir", effects.to_str().unwrap()]);
    let client =
        Client { ledger: Mutex::new(Ledger::new(number)), told: Condvar::new(), working: Mutex::new(0) };
    let mut rng = Rng::new(number ^ 0x00C0_FFEE);
    for kill in 0..kills {
        client.ledger.lock().unwrap().budget = ROUND_MESSAGES;
        let point = (kill % 2 == 0).then(|| POINTS[(kill / 2) as usize % POINTS.len()]);
        let ended = match point {
            None => {
                let served = start().run().expect("it starts after any kill");
                let acknowledged = rng.below(60);
                let spin = rng.below(4000);
                client.load(&served, || {
                    client.wait_for(acknowledged);
                    // Not always right after an answer.
                    let from = std::time::Instant::now();
                    while from.elapsed().as_micros() < u128::from(spin) {
                        std::hint::spin_loop();
                    }
                    served.signal(libc::SIGKILL);
                });
                served.wait()
            }
            Some(point) => {
                let nth = match point {
                    // Keys are made many at a time, by the first new customer of a process.
                    "checkpoint.before" | "checkpoint.after" | "keys.after_write" => 1,
                    "effect.before_delivery" | "effect.after_delivery" => 1 + rng.below(4),
                    _ => 1 + rng.below(6),
                };
                let start = start().env("INYEON_KILL_AT", &format!("{point}:{nth}"));
                match start.run() {
                    // What the last process left to do may already pass there.
                    Err(ended) => ended,
                    Ok(served) => {
                        let checkpoint = point.starts_with("checkpoint");
                        client.load(&served, || {
                            if checkpoint {
                                client.wait_for(40);
                                served.signal(libc::SIGTERM);
                            }
                        });
                        if checkpoint { served.wait() } else { gone_or_killed(served, &client) }
                    }
                }
            }
        };
        assert_eq!(ended.signal(), Some(libc::SIGKILL), "kill {kill} at {point:?}: {ended:?}");
        ended.without_panic();
        if !ended.stderr.contains(MISSED) {
            *killed_at.entry(point.unwrap_or("anywhere")).or_default() += 1;
        }
    }
    check_after_kills(&home, &client);

    // A last time, with everything that is still owed.
    let served = start().run().expect("it starts after any kill");
    client.ledger.lock().unwrap().budget = 0;
    client.load(&served, || {});
    let ledger = client.ledger.lock().unwrap();
    assert!(ledger.waiting.is_empty(), "everything could be sent in the end");
    assert_eq!(ledger.ids(true), ledger.ids(false));
    let mut seen = Value::Null;
    until("the promises that fall due are judged", || {
        let report = home.json(&["report", "promises"]);
        let judged = report["open"] == ledger.expected.open;
        if seen != report["open"] {
            seen = report["open"].clone();
            eprintln!("{} open of {} that stay so", seen, ledger.expected.open);
        }
        judged
    });
    let running = home.json(&["report", "promises"]);
    served.stop().in_order();
    check_export(&home, &ledger);
    check_effects(&home, &effects);
    let report = home.json(&["report", "promises"]);
    assert_eq!(report, running);
    let Expected { kept, broken, withdrawn, open } = ledger.expected;
    let counts = ["kept", "broken", "withdrawn_by_customer", "open", "cancelled"].map(|name| &report[name]);
    assert_eq!(counts, [&json!(kept), &json!(broken), &json!(withdrawn), &json!(open), &json!(0)]);
    assert_eq!(report["n_made"], kept + broken + withdrawn + open);

    // Folded again from the first entry on, it is the same.
    let fresh = home.copy();
    fs::remove_dir_all(fresh.dir().join("state")).unwrap();
    fs::remove_dir_all(fresh.dir().join("views")).unwrap();
    assert_eq!(fresh.json(&["report", "promises"]), report);
    let effects = ["effects", "list", "--limit", "100000"];
    assert_eq!(fresh.json(&effects), home.json(&effects));
    assert_eq!(fresh.run(&["doctor"]).code, Some(0));
}

/// Said by us where a point was never passed and the process had to be killed from outside.
const MISSED: &str = "the point was not passed";

fn gone_or_killed(mut served: Served, client: &Client) -> crate::support::Ended {
    // The workers end when the server is gone or when they have nothing more to send; in the second case what is
    // under way inside (an effect, a journal entry) may still come to the point.
    let all_sent = client.ledger.lock().unwrap().waiting.is_empty();
    let limit = std::time::Instant::now() + std::time::Duration::from_secs(2);
    while all_sent && served.is_running() && std::time::Instant::now() < limit {
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    if served.is_running() && all_sent {
        let mut ended = served.kill();
        ended.stderr.push_str(MISSED);
        return ended;
    }
    served.wait()
}

/// Before anything is sent again: what was acknowledged is there, what is there was sent, nothing twice.
fn check_after_kills(home: &Home, client: &Client) {
    let ledger = client.ledger.lock().unwrap();
    let export = home.export();
    let ids: Vec<&str> = export.iter().map(|event| event["messageId"].as_str().unwrap()).collect();
    let set: BTreeSet<&str> = ids.iter().copied().collect();
    assert_eq!(ids.len(), set.len(), "nothing counts twice");
    let lost: Vec<_> = ledger.ids(true).difference(&set).copied().collect();
    assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
    let invented: Vec<_> = set.difference(&ledger.ids(false)).copied().collect();
    assert!(invented.is_empty(), "never sent: {invented:?}");
}

/// At the end: every message once, word for word.
fn check_export(home: &Home, ledger: &Ledger) {
    let export = home.export();
    assert_eq!(export.len(), ledger.messages.len());
    let by_id: BTreeMap<&str, &Value> =
        export.iter().map(|event| (event["messageId"].as_str().unwrap(), event)).collect();
    for message in &ledger.messages {
        let event = by_id.get(message.id.as_str()).unwrap_or_else(|| panic!("{} is lost", message.id));
        for name in ["type", "event", "userId", "properties"] {
            assert_eq!(event[name], message.json[name], "{}", message.id);
        }
        let [sent, kept] = [&message.json, *event].map(|e| e["timestamp"].as_str().unwrap());
        let [sent, kept]: [jiff::Timestamp; 2] = [sent.parse().unwrap(), kept.parse().unwrap()];
        assert_eq!(sent.as_microsecond(), kept.as_microsecond(), "{}", message.id);
    }
    let status = home.json(&["status"]);
    assert_eq!(status["applied"], ledger.messages.len());
    assert_eq!(status["backlog"], 0);
}

/// Each effect has one file at most; what is called settled has one, what failed has none, and every file was asked
/// for.
fn check_effects(home: &Home, dir: &Path) {
    let effects = home.json(&["effects", "list", "--limit", "100000"]);
    let effects = effects.as_array().unwrap();
    let mut files: BTreeSet<String> = BTreeSet::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "json") {
            let text = fs::read_to_string(&path).unwrap();
            let file: Value =
                serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
            assert!(files.insert(file["key"].as_str().unwrap().to_owned()), "two files of one effect");
        }
    }
    assert!(!effects.is_empty());
    for effect in effects {
        let key = effect["key"].as_str().unwrap();
        match effect["state"].as_str().unwrap() {
            "settled" => assert!(files.contains(key), "{effect} has not arrived"),
            // It had started when the process was killed; its receiver could be asked, and had nothing.
            "failed" => assert!(effect["detail"] == "it never arrived" && !files.contains(key), "{effect}"),
            other => panic!("{other}: {effect}"),
        }
        files.remove(key);
    }
    assert!(files.is_empty(), "arrived and never asked for: {files:?}");
}

#[test]
fn what_was_acknowledged_survives_any_kill_and_counts_once() {
    let kills = scale(50, 500, 10_000);
    let mut killed_at = BTreeMap::new();
    for number in 0..kills.div_ceil(KILLS_PER_STORE) {
        life(number, KILLS_PER_STORE.min(kills - number * KILLS_PER_STORE), &mut killed_at);
    }
    println!("R1, R5: {kills} kills, none acknowledged lost, none counted twice: {killed_at:?}");
    for point in POINTS {
        assert!(killed_at.contains_key(point), "no kill at {point}: {killed_at:?}");
    }
}
