//! JSON lines: each line one event, in a shape that the HTTP intake takes, or any object of which a map makes events.
//!
//! A line is recognised for ever by the id that its sender gave it (`messageId`; of a CloudEvents event `source` and
//! `id`), else by its text: the same text without an id is the same event. With a map its `key` says it.

use std::borrow::Cow;
use std::path::PathBuf;

use model::{EventKind, Time};
use serde::Deserialize;
use serde_json::Value;

use super::csv_map::{Map, Request};
use super::lines::{LINE_KEPT, LINE_MAX, Line, Lines, Meter, as_text, without_line_end};
use super::progress::Feed;
use super::{BadRow, BadRowReason, ImportError, ImportEvent, Rank, Sink, Summary};
use crate::dialect::{self, Parsed, Shape};

/// How the lines are read.
pub struct ReadOptions<'m> {
    /// Makes events of any object; without one each line is an event itself.
    pub map: Option<&'m Map>,
    /// When lines happened that do not say it.
    pub now: Time,
}

/// How many lines are recognised by what, and had no time of their own.
#[derive(Default)]
struct Kinds {
    named: u64,
    unnamed: u64,
    untimed: u64,
}

/// Reads files, `-` being the standard input, and delivers their events in the order of the lines.
pub fn read(
    files: &[PathBuf],
    options: &ReadOptions<'_>,
    sink: &mut dyn Sink,
) -> Result<Summary, ImportError> {
    let paths: Vec<_> = files.iter().map(PathBuf::as_path).collect();
    let meter = Meter::over(&paths)?;
    let mut feed = Feed::new(sink, meter.clone());
    let mut kinds = Kinds::default();
    for path in paths {
        let mut lines = Lines::open(path, &meter)?;
        feed.begin_file(lines.file());
        read_file(&mut lines, options, &mut feed, &mut kinds)?;
    }
    feed.note("lines recognised by the id that their sender gave", kinds.named);
    feed.note("lines without an id, recognised by their text", kinds.unnamed);
    feed.note("lines without a time, counted as of this import", kinds.untimed);
    Ok(feed.finish())
}

fn read_file(
    lines: &mut Lines,
    options: &ReadOptions<'_>,
    feed: &mut Feed<'_>,
    kinds: &mut Kinds,
) -> Result<(), ImportError> {
    let mut bytes = Vec::new();
    for line in 1.. {
        bytes.clear();
        let read = lines.read(&mut bytes, 0, LINE_MAX, line)?;
        let understood = match read {
            Line::End => break,
            Line::Cut => {
                lines.skip_rest(line)?;
                bytes.truncate(LINE_KEPT);
                Err(BadRowReason::TooLong { limit: LINE_MAX })
            }
            Line::Whole if bytes.trim_ascii().is_empty() => continue,
            Line::Whole => match std::str::from_utf8(without_line_end(&bytes)) {
                Err(_) => Err(BadRowReason::Encoding),
                Ok(text) => match options.map {
                    Some(map) => mapped(text, map, options.now),
                    None => event(text, options.now, kinds).map(|event| vec![event]),
                },
            },
        };
        match understood {
            Ok(events) if events.is_empty() => feed.skipped(),
            Ok(events) => {
                feed.used();
                for (name, event) in events {
                    feed.event(&name, event)?;
                }
            }
            Err(reason) => {
                let (raw, raw_escaped) = as_text(without_line_end(&bytes));
                feed.bad_row(BadRow { file: lines.file().to_owned(), line, reason, raw, raw_escaped })?;
            }
        }
    }
    Ok(())
}

/// An event with the name that it is counted under.
type Named = (String, ImportEvent);

fn event(text: &str, now: Time, kinds: &mut Kinds) -> Result<Named, BadRowReason> {
    let (shape, parsed) = dialect::parse_line(text, LINE_MAX, now, String::new);
    let (event, client_named) = match parsed {
        Parsed::Event { event, client_named } => (event, client_named),
        Parsed::Refused(why) => {
            return Err(BadRowReason::Event { code: why.code.name(), detail: why.detail });
        }
    };
    let key = match (client_named, shape) {
        (true, Shape::Segment) => format!("message:{}", event.message_id),
        (true, Shape::CloudEvents) => format!("cloudevent:{}", event.message_id),
        (false, _) => format!("line:{}", crate::keys::sha256_hex(text)),
    };
    *(if client_named { &mut kinds.named } else { &mut kinds.unnamed }) += 1;
    kinds.untimed += u64::from(event.timestamp == now);
    let name = match event.kind {
        EventKind::Track => event.name.to_string(),
        kind => kind.name().to_owned(),
    };
    let (at, rank) = (event.timestamp.to_timestamp(), Rank::of(event.kind.name(), &event.name));
    Ok((name, ImportEvent { at, rank, key, json: text.to_owned() }))
}

fn mapped(text: &str, map: &Map, now: Time) -> Result<Vec<Named>, BadRowReason> {
    let body: Value = serde_json::from_str(text).map_err(|error| BadRowReason::Event {
        code: dialect::Code::MalformedJson.name(),
        detail: error.to_string(),
    })?;
    let request = Request { body: &body, header: &|_| None, received_at: now.to_string(), message: None };
    let events = map.events_of(&request)?;
    Ok(events.into_iter().map(|event| (name_of(&event.json), event)).collect())
}

/// What an event that a map made is counted under.
fn name_of(json: &str) -> String {
    #[derive(Deserialize)]
    struct Head<'a> {
        #[serde(borrow, default)]
        r#type: Cow<'a, str>,
        #[serde(borrow, default)]
        event: Option<Cow<'a, str>>,
    }
    let head: Head<'_> =
        serde_json::from_str(json).unwrap_or(Head { r#type: Cow::Borrowed("event"), event: None });
    head.event.unwrap_or(head.r#type).into_owned()
}
