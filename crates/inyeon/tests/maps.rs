//! The shipped maps, on payloads as their makers document them: each makes exactly the events that are written beside
//! the sample, and a signature beside it is right for the secret `test-secret`.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use inyeon::import::csv_map::Map;
use inyeon::webhook;
use serde_json::Value;

const SECRET: &str = "test-secret";
/// When the samples came, for makers who tell no time; `@received` in what is expected.
const RECEIVED: model::Time = model::Time(1_772_400_000_000_000);

fn maps() -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../maps")).to_owned()
}

fn files(dir: &Path, extension: &str) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|p| p.to_string_lossy().ends_with(extension))
        .collect();
    files.sort();
    files
}

/// The headers beside a sample; none where there is no such file.
fn headers(sample: &Path) -> Vec<(String, String)> {
    let text = fs::read_to_string(sample.with_extension("headers")).unwrap_or_default();
    let pair = |line: &str| line.split_once(':').map(|(n, v)| (n.trim().to_owned(), v.trim().to_owned()));
    text.lines().filter_map(pair).collect()
}

#[test]
fn each_sample_becomes_what_is_written_beside_it() {
    let mut tried = BTreeSet::new();
    let mut wrong = Vec::new();
    let of_orders = ["order.placed", "order.refunded", "fulfillment.shipped", "stock."];
    let of_devices =
        ["slot.level_reported", "device.reading_reported", "device.silent", "device.status_reported"];
    let makers = ["cafe24", "odoo", "shopify", "woocommerce"].map(|maker| (maker, of_orders));
    for (maker, events) in makers.into_iter().chain([("mqtt", of_devices)]) {
        let map = Map::load(&maps().join(format!("{maker}.yaml"))).unwrap_or_else(|error| panic!("{error}"));
        let mut made = BTreeSet::new();
        for expected in files(&maps().join("samples").join(maker), ".expect.json") {
            let sample = PathBuf::from(expected.to_string_lossy().replace(".expect.json", ".json"));
            let body = fs::read_to_string(&sample).unwrap();
            let headers = headers(&sample);
            let name = sample.strip_prefix(maps()).unwrap().display().to_string();
            let expected = fs::read_to_string(&expected).unwrap().replace("@received", &RECEIVED.to_string());
            let expected: Value = serde_json::from_str(&expected).unwrap();
            match webhook::sample(&map, &body, &headers, RECEIVED) {
                Ok(events) => {
                    let members =
                        ["key", "at", "type", "event", "userId", "anonymousId", "properties", "traits"];
                    let shown = |event: &Value| -> Value {
                        let member = |m: &&str| {
                            Some(((*m).to_owned(), event.get(*m).filter(|v| !v.is_null())?.clone()))
                        };
                        Value::Object(members.iter().filter_map(member).collect())
                    };
                    let events: Vec<Value> = events.as_array().unwrap().iter().map(shown).collect();
                    made.extend(events.iter().filter_map(|event| event["event"].as_str().map(str::to_owned)));
                    let wanted: Vec<Value> = expected.as_array().unwrap().iter().map(shown).collect();
                    if events != wanted {
                        let pretty = |events: &[Value]| serde_json::to_string_pretty(events).unwrap();
                        wrong.push(format!("{name}: made {}, wanted {}", pretty(&events), pretty(&wanted)));
                    }
                }
                Err(failure) => wrong.push(format!("{name}: {failure:?}")),
            }
            if map.is_signed() {
                let header = |wanted: &str| {
                    headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(wanted)).map(|(_, v)| v.clone())
                };
                let right = |secret: &str| map.is_signature_right(secret, &header, body.as_bytes());
                assert!(right(SECRET) && !right("another"), "{name}: the signature beside it");
            }
            tried.insert(name);
        }
        for event in events {
            assert!(
                made.iter().any(|made| made.starts_with(event)),
                "{maker}: no sample makes {event}: {made:?}"
            );
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), tried.len(), wrong.join("\n"));
    assert!(tried.len() >= 50, "{tried:?}");
}
