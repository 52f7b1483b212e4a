//! More customers than goods, all at once, and a server that is killed under them: exactly as much is promised as there
//! is, and whoever was told so has it.

use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::sync::{Barrier, Mutex};

use serde_json::{Value, json};

use crate::support::{Home, Rng, Served, Start, scale};
use crate::wire::Connection;

const RULES: &str = "
places:
  seoul: { work: pick }
lanes:
  - { from: seoul, to: '*', slots: van, hours: [[0.5, 20], [0.95, 40]] }
";

/// A shop with some units and more than enough hands; the key that may promise.
fn open(home: &Home, units: u64) -> String {
    let served = home.serve();
    let mut intake = served.connect();
    let shifts = json!([{ "from": "00:00", "to": "24:00", "slot_minutes": 60, "units": 10_000 }]);
    for (event, properties) in [
        ("item.published", json!({ "item_id": "ticket", "price": 50_000, "currency": "KRW" })),
        ("stock.counted", json!({ "item_id": "ticket", "place": "seoul", "on_hand": units })),
        ("capacity.set", json!({ "resource": "pick", "shifts": shifts })),
        ("capacity.set", json!({ "resource": "van", "shifts": shifts })),
    ] {
        let reply = intake.post("/v1/track", &json!({ "event": event, "properties": properties })).unwrap();
        assert_eq!(reply.status, 200, "{}", reply.text());
    }
    let rules = home.path("rules.yaml");
    fs::write(&rules, RULES).unwrap();
    home.json(&["promise", "rules", "publish", rules.to_str().unwrap()]);
    let key = home.json(&["keys", "create", "checkout", "--promises"]);
    served.stop().in_order();
    key["write_key"].as_str().unwrap().to_owned()
}

fn quote(client: usize) -> Value {
    json!({
        "quote_id": format!("q-{client}"), "user_id": format!("u-{client}"),
        "lines": [{ "item_id": "ticket", "quantity": 1 }], "to": "KR-11",
    })
}

fn confirm(client: usize) -> Value {
    json!({ "quote_id": format!("q-{client}"), "order_id": format!("o-{client}") })
}

/// What the store says in the end: orders placed, and units committed and held.
fn books(home: &Home) -> (u64, f64, f64) {
    let made = home.json(&["report", "promises"])["n_made"].as_u64().unwrap();
    let stock = home.json(&["supply", "stock", "--item", "ticket"]);
    let row = &stock["stock"][0];
    (made, row["committed"].as_f64().unwrap(), row["held"].as_f64().unwrap())
}

#[test]
fn a_thousand_race_for_a_hundred_and_a_hundred_get_one() {
    const CLIENTS: usize = 1_000;
    let home = Home::new();
    let key = open(&home, 100);
    let served = home.serve();
    let start = Barrier::new(CLIENTS);
    let won: Vec<bool> = std::thread::scope(|scope| {
        let race = |client: usize| {
            let (served, start, key) = (&served, &start, &key);
            let run = move || {
                let mut connection =
                    Connection::open(&served.address, Some(key)).expect("the server is there");
                start.wait();
                let quoted = connection.post("/v1/promises/quote", &quote(client)).unwrap();
                if quoted.status == 409 {
                    assert_eq!(quoted.json()["code"], "infeasible", "{}", quoted.text());
                    return false;
                }
                assert_eq!(quoted.status, 200, "{}", quoted.text());
                let confirmed = connection.post("/v1/promises/confirm", &confirm(client)).unwrap();
                assert_eq!(confirmed.status, 200, "{}", confirmed.text());
                true
            };
            std::thread::Builder::new().stack_size(256 << 10).spawn_scoped(scope, run).unwrap()
        };
        let racers: Vec<_> = (0..CLIENTS).map(race).collect();
        racers.into_iter().map(|racer| racer.join().unwrap()).collect()
    });
    assert_eq!(won.iter().filter(|won| **won).count(), 100);
    assert_eq!(books(&home), (100, 100.0, 0.0));
    served.stop().in_order();
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Client {
    Asks,
    Holds,
    Placed,
    Refused,
}

/// Where the process can be made to end on the way of a quote or a confirmation.
const POINTS: [&str; 7] = [
    "journal.before_write",
    "journal.after_write",
    "journal.after_sync",
    "intake.after_write",
    "intake.after_sync",
    "checkpoint.before",
    "checkpoint.after",
];

/// Some of the clients go on until the server is gone, or each has asked a few times.
fn go_on(served: &Served, key: &str, clients: &Mutex<(Vec<Client>, VecDeque<usize>)>) {
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let Ok(mut connection) = Connection::open(&served.address, Some(key)) else { return };
                for _ in 0..5 {
                    let (client, state) = {
                        let mut all = clients.lock().unwrap();
                        let Some(client) = all.1.pop_front() else { return };
                        (client, all.0[client])
                    };
                    let answer = match state {
                        Client::Asks => connection.post("/v1/promises/quote", &quote(client)),
                        _ => connection.post("/v1/promises/confirm", &confirm(client)),
                    };
                    let next = match &answer {
                        Ok(reply) if reply.status == 200 && state == Client::Asks => Client::Holds,
                        Ok(reply) if reply.status == 200 => Client::Placed,
                        Ok(reply) if reply.status == 409 && state == Client::Asks => Client::Refused,
                        Ok(reply) if reply.status == 503 => state,
                        Ok(reply) => panic!("client {client} {state:?}: {}", reply.text()),
                        // Nobody knows whether it was heard: it is said again.
                        Err(_) => state,
                    };
                    let mut all = clients.lock().unwrap();
                    all.0[client] = next;
                    if !matches!(next, Client::Placed | Client::Refused) {
                        all.1.push_back(client);
                    }
                    if answer.is_err() {
                        return;
                    }
                }
            });
        }
    });
}

#[test]
fn whoever_is_killed_at_whichever_step_nothing_is_promised_twice_or_lost() {
    const CLIENTS: usize = 60;
    const UNITS: u64 = 20;
    let mut killed: BTreeMap<&str, u64> = BTreeMap::new();
    for life in 1..=scale(5, 100, 1_000) {
        let mut rng = Rng::new(life ^ 0x0ACE);
        let home = Home::new();
        let key = open(&home, UNITS);
        let clients = Mutex::new((vec![Client::Asks; CLIENTS], (0..CLIENTS).collect::<VecDeque<_>>()));
        let mut kills = 0;
        while !clients.lock().unwrap().1.is_empty() {
            let point = POINTS[rng.below(POINTS.len() as u64) as usize];
            let nth = if point.starts_with("checkpoint") { 1 } else { 1 + rng.below(4) };
            let fault = format!("{point}:{nth}");
            let placed_before = clients.lock().unwrap().0.clone();
            match Start::new(&home.dir()).env("INYEON_KILL_AT", &fault).run() {
                Err(ended) => ended.without_panic(),
                Ok(served) => {
                    go_on(&served, &key, &clients);
                    let ended = served.stop();
                    ended.without_panic();
                    if ended.signal() == Some(libc::SIGKILL) {
                        *killed.entry(point).or_default() += 1;
                        kills += 1;
                    }
                }
            }
            let all = clients.lock().unwrap();
            let undone =
                (0..CLIENTS).filter(|n| placed_before[*n] == Client::Placed && all.0[*n] != Client::Placed);
            assert_eq!(undone.count(), 0, "life {life}, {fault}");
            assert!(kills < 1_000, "life {life}: it never ends");
        }
        let all = clients.lock().unwrap().0.clone();
        let of = |state: Client| all.iter().filter(|client| **client == state).count() as u64;
        assert_eq!((of(Client::Placed), of(Client::Refused)), (UNITS, CLIENTS as u64 - UNITS), "life {life}");
        let served = home.serve();
        // Whoever was told that it is placed is told so again.
        let mut connection = served.connect_as(Some(&key));
        for client in (0..CLIENTS).filter(|client| all[*client] == Client::Placed) {
            assert_eq!(connection.post("/v1/promises/confirm", &confirm(client)).unwrap().status, 200);
        }
        assert_eq!(books(&home), (UNITS, UNITS as f64, 0.0), "life {life}");
        served.stop().in_order();
        // Folded again from the first entry on, it is the same.
        let fresh = home.copy();
        fs::remove_dir_all(fresh.dir().join("state")).unwrap();
        fs::remove_dir_all(fresh.dir().join("views")).unwrap();
        assert_eq!(books(&fresh), (UNITS, UNITS as f64, 0.0), "life {life}, folded again");
        assert_eq!(fresh.run(&["doctor"]).code, Some(0));
    }
    let kills: u64 = killed.values().sum();
    eprintln!("killed {kills} times: {killed:?}");
    assert!(kills >= scale(25, 500, 5_000), "killed {killed:?}");
}
