//! Devices send while their broker and the server are killed and come again: nothing that was acknowledged to a device
//! is lost, and nothing that has a name counts twice.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::{Value, json};

use crate::broker::live;
use crate::mosquitto::{Device, Hello, Mosquitto};
use crate::support::{Home, Start, scale, until};

/// Devices that send one message after the other, each until the broker has it, and keep books.
struct Fleet {
    sent: Arc<Mutex<BTreeSet<String>>>,
    stop: Arc<AtomicBool>,
    hold: Arc<AtomicBool>,
    acknowledged: Arc<AtomicU64>,
    devices: Vec<JoinHandle<()>>,
}

impl Fleet {
    fn start(port: u16, devices: u64) -> Fleet {
        let mut fleet = Fleet {
            sent: Arc::default(),
            stop: Arc::default(),
            hold: Arc::default(),
            acknowledged: Arc::default(),
            devices: Vec::new(),
        };
        for device in 0..devices {
            let (sent, stop, hold) = (fleet.sent.clone(), fleet.stop.clone(), fleet.hold.clone());
            let acknowledged = fleet.acknowledged.clone();
            fleet.devices.push(std::thread::spawn(move || {
                let mut connection = None;
                let mut number = 0;
                while !stop.load(Ordering::SeqCst) {
                    if hold.load(Ordering::SeqCst) {
                        std::thread::sleep(Duration::from_millis(1));
                        continue;
                    }
                    let (topic, payload, name) = message(device, number);
                    if deliver(&mut connection, port, device, &topic, &payload).is_ok() {
                        sent.lock().unwrap().insert(name);
                        acknowledged.fetch_add(1, Ordering::SeqCst);
                        number += 1;
                    }
                }
            }));
        }
        fleet
    }

    /// Waits until the broker has taken so many more.
    fn sends(&self, more: u64) {
        let from = self.acknowledged.load(Ordering::SeqCst);
        until("the devices send", || self.acknowledged.load(Ordering::SeqCst) >= from + more);
    }

    /// Ends; the names of all messages that the broker acknowledged.
    fn end(self) -> BTreeSet<String> {
        self.stop.store(true, Ordering::SeqCst);
        self.devices.into_iter().for_each(|device| device.join().unwrap());
        Arc::into_inner(self.sent).unwrap().into_inner().unwrap()
    }
}

/// Messages by all that can name one: an id, a time, a sequence with and without a boot.
fn message(device: u64, number: u64) -> (String, String, String) {
    let topic = format!("inyeon/d-{device}/slots/a/level");
    let at = format!(
        "2026-03-{:02}T{:02}:{:02}:{:02}Z",
        1 + number / 86_400,
        number / 3600 % 24,
        number / 60 % 60,
        number % 60
    );
    let (payload, name) = match device % 3 {
        0 => (json!({ "level": number, "id": format!("m-{number}") }), format!("id m-{number}")),
        1 => (json!({ "level": number, "at": at }), format!("at {at}")),
        _ => (json!({ "level": number, "boot": "b", "seq": number }), format!("seq b {number}")),
    };
    let name = format!("{topic} {name}");
    (topic, payload.to_string(), name)
}

/// Publishes once; without a connection it makes one first.
fn deliver(
    connection: &mut Option<Device>,
    port: u16,
    device: u64,
    topic: &str,
    payload: &str,
) -> std::io::Result<()> {
    let mut open = match connection.take() {
        Some(open) => open,
        None => {
            let id = format!("device-{device}");
            Device::connect(port, &Hello { id: &id, ..Hello::default() }).inspect_err(|_| {
                std::thread::sleep(Duration::from_millis(5));
            })?
        }
    };
    open.publish(topic, payload)?;
    *connection = Some(open);
    Ok(())
}

/// The names of all applied events; each stands there once.
fn applied(home: &Home) -> BTreeSet<String> {
    let events = home.export();
    let names: BTreeSet<String> =
        events.iter().map(|event| event["messageId"].as_str().unwrap().to_owned()).collect();
    assert_eq!(names.len(), events.len(), "nothing counts twice");
    let told: BTreeSet<String> = events
        .iter()
        .map(|event| format!("{} {}", event["properties"]["device_id"], event["properties"]["level"]))
        .collect();
    assert_eq!(told.len(), events.len(), "nothing counts twice under another name");
    names
}

fn listening(home: &Home) {
    until("the broker is listened to", || live(home, "field")["connected_since"].is_string());
}

/// Everything that the devices know to be with the broker is applied, once.
fn all_there(home: &Home, sent: &BTreeSet<String>, what: &str) {
    until("everything that was acknowledged is applied", || sent.is_subset(&applied(home)));
    println!("{what}: {} messages acknowledged to devices, none lost, none twice", sent.len());
}

#[test]
fn a_broker_that_is_restarted_under_load_loses_nothing() {
    for version in ["5", "3.1.1"] {
        let (mut broker, home) = (Mosquitto::start(), Home::new());
        let served = home.serve();
        home.json(&["brokers", "connect", "field", "--url", &broker.url(), "--mqtt", version]);
        listening(&home);
        let fleet = Fleet::start(broker.port, 6);
        for _ in 0..scale(3, 20, 100) {
            fleet.sends(200);
            broker.end(libc::SIGTERM);
            broker.resume();
            fleet.sends(100);
            listening(&home);
        }
        all_there(&home, &fleet.end(), &format!("MQTT {version}, broker restarted"));
        served.stop().in_order();
    }
}

#[test]
fn a_server_that_is_killed_under_load_loses_nothing() {
    for version in ["5", "3.1.1"] {
        let (broker, home) = (Mosquitto::start(), Home::new());
        let mut served = home.serve();
        home.json(&["brokers", "connect", "field", "--url", &broker.url(), "--mqtt", version]);
        listening(&home);
        let fleet = Fleet::start(broker.port, 6);
        let points =
            [None, Some("intake.after_write"), Some("intake.after_sync"), Some("journal.after_sync")];
        for round in 0..scale(4, 20, 100) {
            fleet.sends(150);
            served.kill();
            fleet.sends(50);
            // At named points too: between what is durable and what the broker is told of it.
            let start = Start::new(&home.dir());
            served = match points[round as usize % points.len()] {
                Some(point) => start.env("INYEON_KILL_AT", &format!("{point}:20")),
                None => start,
            }
            .run()
            .expect("it starts");
        }
        served.kill();
        served = home.serve();
        all_there(&home, &fleet.end(), &format!("MQTT {version}, server killed"));
        served.stop().in_order();
    }
}

/// What a killed broker has not written it may forget. So a second subscriber with a session of its own is the witness:
/// what it got, the server must have applied. The server stands still while the broker sends and is killed: it has only
/// what lies in its connection, and what the broker wrote in time and sends again.
#[test]
fn what_a_killed_broker_had_sent_is_applied() {
    for version in ["5", "3.1.1"] {
        let (mut broker, home) = (Mosquitto::start(), Home::new());
        let served = home.serve();
        home.json(&["brokers", "connect", "field", "--url", &broker.url(), "--mqtt", version]);
        listening(&home);
        let hello = Hello { id: "witness", keeps_session: true, ..Hello::default() };
        let mut witness = Device::connect(broker.port, &hello).unwrap();
        witness.subscribe("inyeon/#").unwrap();
        let witnessed = Arc::new(Mutex::new(BTreeSet::new()));
        let fleet = Fleet::start(broker.port, 6);
        for _ in 0..scale(3, 20, 100) {
            witness_some(&mut witness, &witnessed, 150);
            served.signal(libc::SIGSTOP);
            witness_some(&mut witness, &witnessed, 60);
            fleet.hold.store(true, Ordering::SeqCst);
            // Once it answers, what it gave to the witness it has given to the server.
            witness.ping().unwrap();
            broker.end(libc::SIGKILL);
            served.signal(libc::SIGCONT);
            until("the end is noticed", || live(&home, "field")["connected_since"].is_null());
            broker.resume();
            listening(&home);
            witness = Device::connect(broker.port, &hello).unwrap();
            witness.subscribe("inyeon/#").unwrap();
            fleet.hold.store(false, Ordering::SeqCst);
        }
        let sent = fleet.end();
        let witnessed = Arc::into_inner(witnessed).unwrap().into_inner().unwrap();
        assert!(witnessed.len() > 500 && !sent.is_empty());
        all_there(&home, &witnessed, &format!("MQTT {version}, broker killed, by the witness"));
        served.stop().in_order();
    }
}

/// Receives so many messages and notes their names as the map makes them.
fn witness_some(witness: &mut Device, witnessed: &Mutex<BTreeSet<String>>, count: usize) {
    for _ in 0..count {
        let got = witness.receive().unwrap();
        let told: Value = serde_json::from_slice(&got.payload).unwrap();
        let name = match (&told["id"], &told["at"], &told["seq"]) {
            (Value::String(id), ..) => format!("id {id}"),
            (_, Value::String(at), _) => format!("at {at}"),
            (_, _, seq) => format!("seq b {seq}"),
        };
        witnessed.lock().unwrap().insert(format!("{} {name}", got.topic));
    }
}
