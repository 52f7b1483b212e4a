//! Sends the scenario with one Rust SDK: `inyeon-clients CLIENT HOST WRITE_KEY SCENARIO`.
//!
//! Prints `{"sent": {step: milliseconds of its first call}}` once everything was answered; fails when the SDK reports
//! that something was not.

use serde_json::{json, Map, Value};
use std::time::{SystemTime, UNIX_EPOCH};

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [client, host, write_key, scenario] = args.as_slice() else {
        return Err("usage: inyeon-clients CLIENT HOST WRITE_KEY SCENARIO".into());
    };
    let scenario: Value = serde_json::from_str(&std::fs::read_to_string(scenario)?)?;
    let steps = scenario["steps"].as_array().ok_or("no steps")?;
    let again: Vec<Value> = steps.iter().filter(|step| step["again"] == true).cloned().collect();
    let mut sent = Map::new();
    let mut at = |step: &Value| -> Result<(), Failure> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis() as u64;
        sent.entry(step["step"].as_str().ok_or("a step without a mark")?).or_insert(now.into());
        Ok(())
    };
    match client.as_str() {
        "segment-rust" | "segment-rust-batch" => {
            // The SDK can name messages: what is sent again is sent twice now and once more by a new client.
            let mut first = Vec::new();
            for step in steps {
                first.extend(std::iter::repeat(step).take(if step["again"] == true { 2 } else { 1 }));
            }
            let batched = client.ends_with("-batch");
            for round in [first, again.iter().collect()] {
                segment_send(host, write_key, batched, &round, &mut at)?;
            }
        }
        // The SDK cannot name messages: nothing is sent again.
        "rudder-rust" | "rudder-rust-batch" => {
            rudder_send(host, write_key, client.ends_with("-batch"), steps, &mut at)?;
        }
        other => return Err(format!("unknown client {other}").into()),
    }
    println!("{}", json!({ "sent": sent }));
    Ok(())
}

fn text(step: &Value, member: &str) -> Option<String> {
    step[member].as_str().map(str::to_owned)
}

fn member(step: &Value, member: &str) -> Option<Value> {
    step.get(member).cloned()
}

fn segment_send(
    host: &str,
    write_key: &str,
    batched: bool,
    steps: &[&Value],
    at: &mut dyn FnMut(&Value) -> Result<(), Failure>,
) -> Result<(), Failure> {
    use segment::{Batcher, Client, HttpClient};
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let client = HttpClient::new(reqwest::Client::new(), host.to_owned());
    let mut batcher = Batcher::new(None);
    for step in steps {
        at(step)?;
        if batched {
            let overflown = match segment_message(step)? {
                segment::Message::Identify(message) => batcher.push(message)?.is_some(),
                segment::Message::Track(message) => batcher.push(message)?.is_some(),
                segment::Message::Page(message) => batcher.push(message)?.is_some(),
                segment::Message::Screen(message) => batcher.push(message)?.is_some(),
                segment::Message::Group(message) => batcher.push(message)?.is_some(),
                segment::Message::Alias(message) => batcher.push(message)?.is_some(),
                segment::Message::Batch(_) => return Err("a batch in a batch".into()),
            };
            if overflown {
                return Err("the scenario does not fit into one batch".into());
            }
        } else {
            runtime.block_on(client.send(write_key.to_owned(), segment_message(step)?))?;
        }
    }
    if batched {
        runtime.block_on(client.send(write_key.to_owned(), batcher.into_message()))?;
    }
    Ok(())
}

fn segment_message(step: &Value) -> Result<segment::Message, Failure> {
    use segment::message::{Alias, Group, Identify, Page, Screen, Track, User};
    let user = match (text(step, "userId"), text(step, "anonymousId")) {
        (Some(user_id), Some(anonymous_id)) => User::Both { user_id, anonymous_id },
        (Some(user_id), None) => User::UserId { user_id },
        (None, Some(anonymous_id)) => User::AnonymousId { anonymous_id },
        (None, None) => return Err("a step of nobody".into()),
    };
    let timestamp = text(step, "timestamp")
        .map(|at| time::OffsetDateTime::parse(&at, &time::format_description::well_known::Rfc3339))
        .transpose()?;
    let context = member(step, "context");
    let mut extra = Map::new();
    for name in ["messageId", "category"] {
        extra.extend(member(step, name).map(|value| (name.to_owned(), value)));
    }
    let properties = member(step, "properties").unwrap_or_default();
    let traits = member(step, "traits").unwrap_or_default();
    let name = text(step, "name").unwrap_or_default();
    Ok(match step["type"].as_str() {
        Some("identify") => Identify { user, traits, timestamp, context, extra, ..Default::default() }.into(),
        Some("track") => {
            let event = text(step, "event").ok_or("a track without an event")?;
            Track { user, event, properties, timestamp, context, extra, ..Default::default() }.into()
        }
        Some("page") => {
            Page { user, name, properties, timestamp, context, extra, ..Default::default() }.into()
        }
        Some("screen") => {
            Screen { user, name, properties, timestamp, context, extra, ..Default::default() }.into()
        }
        Some("group") => {
            let group_id = text(step, "groupId").ok_or("a group without an id")?;
            Group { user, group_id, traits, timestamp, context, extra, ..Default::default() }.into()
        }
        Some("alias") => {
            let previous_id = text(step, "previousId").ok_or("an alias without a previous id")?;
            Alias { user, previous_id, timestamp, context, extra, ..Default::default() }.into()
        }
        _ => return Err("a step of no known type".into()),
    })
}

fn rudder_send(
    host: &str,
    write_key: &str,
    batched: bool,
    steps: &[Value],
    at: &mut dyn FnMut(&Value) -> Result<(), Failure>,
) -> Result<(), Failure> {
    use rudderanalytics::client::RudderAnalytics;
    use rudderanalytics::message::{Batch, BatchMessage, Message};
    let client = RudderAnalytics::load(write_key.to_owned(), host.to_owned());
    let mut batch = Vec::new();
    for step in steps {
        at(step)?;
        let message = rudder_message(step)?;
        if !batched {
            client.send(&message).map_err(|error| format!("{error:?}"))?;
            continue;
        }
        batch.push(match message {
            Message::Identify(message) => BatchMessage::Identify(message),
            Message::Track(message) => BatchMessage::Track(message),
            Message::Page(message) => BatchMessage::Page(message),
            Message::Screen(message) => BatchMessage::Screen(message),
            Message::Group(message) => BatchMessage::Group(message),
            Message::Alias(message) => BatchMessage::Alias(message),
            Message::Batch(_) => return Err("a batch in a batch".into()),
        });
    }
    if batched {
        let message = Message::Batch(Batch { batch, ..Default::default() });
        client.send(&message).map_err(|error| format!("{error:?}"))?;
    }
    Ok(())
}

fn rudder_message(step: &Value) -> Result<rudderanalytics::message::Message, Failure> {
    use rudderanalytics::message::{Alias, Group, Identify, Message, Page, Screen, Track};
    let user_id = text(step, "userId");
    let anonymous_id = text(step, "anonymousId");
    let original_timestamp =
        text(step, "timestamp").map(|at| at.parse::<chrono::DateTime<chrono::Utc>>()).transpose()?;
    let context = member(step, "context");
    let properties = member(step, "properties");
    let traits = member(step, "traits");
    let name = text(step, "name").unwrap_or_default();
    let integrations = None;
    Ok(match step["type"].as_str() {
        Some("identify") => Message::Identify(Identify {
            user_id,
            anonymous_id,
            traits,
            original_timestamp,
            context,
            integrations,
        }),
        Some("track") => {
            let event = text(step, "event").ok_or("a track without an event")?;
            Message::Track(Track {
                user_id,
                anonymous_id,
                event,
                properties,
                original_timestamp,
                context,
                integrations,
            })
        }
        Some("page") => Message::Page(Page {
            user_id,
            anonymous_id,
            name,
            properties,
            original_timestamp,
            context,
            integrations,
        }),
        Some("screen") => Message::Screen(Screen {
            user_id,
            anonymous_id,
            name,
            properties,
            original_timestamp,
            context,
            integrations,
        }),
        Some("group") => {
            let group_id = text(step, "groupId").ok_or("a group without an id")?;
            Message::Group(Group {
                user_id,
                anonymous_id,
                group_id,
                traits,
                original_timestamp,
                context,
                integrations,
            })
        }
        Some("alias") => {
            let user_id = user_id.ok_or("an alias of nobody")?;
            let previous_id = text(step, "previousId").ok_or("an alias without a previous id")?;
            Message::Alias(Alias { user_id, previous_id, traits, original_timestamp, context, integrations })
        }
        _ => return Err("a step of no known type".into()),
    })
}
