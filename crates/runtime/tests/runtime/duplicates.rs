//! R5: retries of a message over 29 days, over restarts and with little memory. Each counts once, and none is lost.

use std::collections::BTreeMap;
use std::time::Duration;

use model::{Dedupe, Time, TimelineId};
use runtime::{Item, Node, NodeOptions};
use serde_json::json;
use store::StoreOptions;

use crate::support::{DAY, Home, Rng, START, scale, store_options, track};

/// Less than the messages of a full run need, so that the memory of them has to be read from disk.
const CACHE_BYTES: u64 = 1 << 20;
/// Retries that come to 29 days after the first time; the memory of a message is 30 days.
const RETRY_MAX: i64 = 29 * DAY;
const SECOND: i64 = 1_000_000;
/// Over how many days the messages come for the first time.
const DAYS: i64 = 40;
const RESTARTS: usize = 12;
const BATCH: usize = 500;

/// Each message with the times at which it is sent, in the order of time: every tenth is sent again, after a time
/// between a second and 29 days of which each magnitude is as likely as the others.
fn sendings(messages: u64, rng: &mut Rng) -> Vec<(Time, u64)> {
    let mut all = Vec::new();
    for n in 0..messages {
        let first = START.plus_micros(n as i64 * (DAYS * DAY / messages as i64));
        all.push((first, n));
        if rng.chance(10) {
            let magnitude = rng.below(1000) as f64 / 1000.0;
            let after = SECOND as f64 * ((RETRY_MAX / SECOND) as f64).powf(magnitude);
            all.push((first.plus_micros(after as i64), n));
        }
        if n % 1000 == 0 {
            // The latest that is still recognised, whatever the luck.
            all.push((first.plus_micros(RETRY_MAX), n));
        }
    }
    all.sort();
    all
}

fn open(home: &Home) -> Node {
    let store = StoreOptions { cache_bytes: CACHE_BYTES, ..store_options() };
    let options = NodeOptions {
        store,
        checkpoint_every: Duration::from_millis(200),
        cache_entities: 64,
        ..home.options()
    };
    Node::open(&home.dir(), options).unwrap()
}

fn send(node: &Node, home: &Home, batch: &[(Time, u64)]) {
    let records = batch
        .iter()
        .map(|(at, n)| {
            let event = track(&format!("user-{}", n % 997), "Seen", *at, &json!({ "n": n }));
            let dedupe = Dedupe::Client(node.keys.hash_message("test", &n.to_string()));
            node.seal_event("test", TimelineId::LIVE, *at, dedupe, &event).unwrap()
        })
        .collect();
    home.clock.set(batch[batch.len() - 1].0);
    node.submit_and_wait("test", records).unwrap();
}

#[test]
fn a_message_that_is_sent_again_within_29_days_counts_once() {
    let messages = scale(2_000, 100_000, 1_000_000);
    let mut rng = Rng::new(5);
    let all = sendings(messages, &mut rng);
    let mut restarts: Vec<usize> =
        (0..RESTARTS).map(|_| rng.below(all.len() as u64) as usize / BATCH).collect();
    restarts.sort_unstable();
    let home = Home::new();
    let mut node = Some(open(&home));
    for (index, batch) in all.chunks(BATCH).enumerate() {
        if restarts.contains(&index) {
            drop(node.take());
        }
        send(node.get_or_insert_with(|| open(&home)), &home, batch);
    }
    let node = node.unwrap_or_else(|| open(&home));
    node.drain().unwrap();
    let mut applied: BTreeMap<String, u64> = BTreeMap::new();
    let mut history = node.history(1);
    let mut count = |item: Item| {
        if let Item::Applied(event) = item {
            *applied.entry(event.event.properties.unwrap().into_owned()).or_default() += 1;
        }
    };
    while history.step(&mut count).unwrap() {}
    let twice = applied.values().filter(|times| **times > 1).count();
    let lost = messages - applied.len() as u64;
    let again = all.len() as u64 - messages;
    println!(
        "R5: {messages} messages, {again} sent again after 1 s to 29 d, {RESTARTS} restarts, a cache of {CACHE_BYTES} bytes: {twice} applied twice, {lost} lost"
    );
    assert_eq!((twice, lost), (0, 0));
    let duplicates = node.ask(|fold| fold.counters().duplicates).unwrap();
    assert_eq!(duplicates, again);
}
