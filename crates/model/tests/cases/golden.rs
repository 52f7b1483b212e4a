//! Golden files: what format 1 looks like on disk, for every variant of every stored type.
//!
//! `UPDATE_GOLDEN=1 cargo test -p model` writes the files of the present format. Files of a format that was ever
//! released are never rewritten: a changed type gets a new version, a new folder, and a test that lifts the old.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::fs;
use std::path::PathBuf;

use model::codec::{CodecError, Stored};
use model::*;
use proptest::prelude::*;

use super::examples;
use super::scale::config;

const FORMAT: u8 = 1;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(format!("v{FORMAT}"))
}

/// One stored value: its file's name, its bytes today, and what a decoder of its type says of other bytes.
struct Golden {
    name: String,
    encoded: Vec<u8>,
    what: &'static str,
    newest: u8,
    /// Decodes and compares with the example.
    reads_back: fn(&[u8], &str) -> Result<(), String>,
    decode: fn(&[u8]) -> Result<Vec<u8>, CodecError>,
}

/// Decodes to the value's own encoding; also prints it, which must work for all that decodes.
macro_rules! decoder {
    ($type:ty) => {
        |bytes: &[u8]| {
            <$type>::decode(bytes).map(|value| {
                assert!(!format!("{value:?}").is_empty());
                value.encode()
            })
        }
    };
}

fn compare<T: PartialEq + Debug>(found: Result<T, CodecError>, expected: &T) -> Result<(), String> {
    match found {
        Ok(found) if found == *expected => Ok(()),
        other => Err(format!("expected {expected:?}\n   found {other:?}")),
    }
}

fn find<T>(list: Vec<(String, T)>, name: &str) -> T {
    list.into_iter().find(|(n, _)| n == name).expect("the file's name is an example's").1
}

macro_rules! goldens {
    ($to:ident, $examples:path, $type:ty) => {
        for (name, value) in $examples() {
            $to.push(Golden {
                name,
                encoded: value.encode(),
                what: <$type>::WHAT,
                newest: <$type>::VERSION,
                reads_back: |bytes, name| compare(<$type>::decode(bytes), &find($examples(), name)),
                decode: decoder!($type),
            });
        }
    };
}

fn named<T>(prefix: &str, examples: Vec<(&'static str, T)>) -> Vec<(String, T)> {
    examples.into_iter().map(|(name, value)| (format!("{prefix}-{name}"), value)).collect()
}

fn events() -> Vec<(String, Event<'static>)> {
    let mut all: Vec<_> = examples::kinds()
        .into_iter()
        .map(|(name, kind)| (format!("event-{name}"), examples::event(kind)))
        .collect();
    all.push(("event-bare".into(), examples::bare_event()));
    all
}

fn records() -> Vec<(String, IntakeRecord<'static>)> {
    let mut all = Vec::new();
    for (kind_name, kind) in examples::record_kinds() {
        for (name, dedupe) in examples::dedupes() {
            all.push((format!("intake-{kind_name}-{name}"), examples::record(kind, dedupe)));
        }
    }
    all
}

fn rejected() -> Vec<(String, RejectedBody<'static>)> {
    vec![("rejected".into(), examples::rejected())]
}

fn violations() -> Vec<(String, ViolationBody<'static>)> {
    let bare = ViolationBody { sender: "".into(), violations: Vec::new(), ..examples::violation() };
    vec![("violation".into(), examples::violation()), ("violation-bare".into(), bare)]
}

fn commands() -> Vec<(String, Command)> {
    let supply = examples::supply_commands().into_iter();
    let supply = supply.map(|(name, command)| (format!("command-supply-{name}"), Command::Supply(command)));
    let more = examples::order_commands().into_iter().chain(examples::campaign_commands());
    let more = more.chain(examples::connection_commands());
    let more = more.map(|(name, command)| (format!("command-{name}"), command));
    named("command", examples::commands()).into_iter().chain(supply).chain(more).collect()
}

fn entries() -> Vec<(String, Entry<'static>)> {
    let mut all = named("entry", examples::entries());
    for (name, cause) in examples::causes() {
        let (timeline, at, body) = (TimelineId(1), Time(0), examples::sealed(0));
        let entry = Entry::Outcome { entity: examples::CUSTOMER, cause, timeline, at, reference: 0, body };
        all.push((format!("entry-cause-{name}"), entry));
    }
    for (name, reason) in examples::skips() {
        all.push((format!("entry-skip-{name}"), Entry::Skipped { seq: 1, reason }));
    }
    for (name, entity) in examples::entities() {
        let body = examples::sealed(1);
        all.push((format!("entry-of-{name}"), Entry::Command { entity, at: Time(-5), request: None, body }));
    }
    all
}

fn outcomes() -> Vec<(String, Vec<Outcome>)> {
    examples::outcome_lists().into_iter().map(|(name, list)| (format!("outcomes-{name}"), list)).collect()
}

fn all() -> Vec<Golden> {
    let mut all = Vec::new();
    goldens!(all, events, Event<'_>);
    goldens!(all, records, IntakeRecord<'_>);
    goldens!(all, rejected, RejectedBody<'_>);
    goldens!(all, violations, ViolationBody<'_>);
    goldens!(all, commands, Command);
    goldens!(all, entries, Entry<'_>);
    goldens!(all, outcomes, Vec<Outcome>);
    all
}

#[test]
fn every_stored_value_is_its_golden_file_and_its_golden_file_is_it() {
    let folder = folder();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::create_dir_all(&folder).unwrap();
        for golden in all() {
            fs::write(folder.join(format!("{}.bin", golden.name)), &golden.encoded).unwrap();
        }
    }
    let mut expected = BTreeSet::new();
    for golden in all() {
        let file = format!("{}.bin", golden.name);
        let bytes = fs::read(folder.join(&file)).unwrap_or_else(|e| panic!("{file}: {e}; see UPDATE_GOLDEN"));
        assert_eq!(bytes.first(), Some(&FORMAT), "{file}");
        if let Err(why) = (golden.reads_back)(&bytes, &golden.name) {
            panic!("{file} is not read as the value that it was written from\n{why}");
        }
        assert_eq!(golden.encoded, bytes, "{file} would be written differently today");
        assert!(expected.insert(file), "{}: two examples have this name", golden.name);
    }
    let found: BTreeSet<String> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(found, expected, "files on the left that no example names, or the other way round");
}

#[test]
fn a_newer_format_is_refused_by_its_number() {
    for golden in all() {
        for newer in [golden.newest + 1, 9, u8::MAX] {
            let mut bytes = golden.encoded.clone();
            bytes[0] = newer;
            let refused = (golden.decode)(&bytes).expect_err("a newer format");
            let expected = CodecError::Newer { what: golden.what, found: newer, newest: golden.newest };
            assert_eq!(refused, expected, "{}", golden.name);
            assert!(refused.to_string().contains(&format!("format {newer}")), "{refused}");
        }
        let mut bytes = golden.encoded.clone();
        bytes[0] = 0;
        let refused = (golden.decode)(&bytes).expect_err("format 0");
        assert!(refused.to_string().contains("format 0 never existed"), "{refused}");
    }
}

#[test]
fn cut_or_prolonged_bytes_are_refused() {
    for golden in all() {
        for len in 0..golden.encoded.len() {
            let refused = (golden.decode)(&golden.encoded[..len]);
            assert!(matches!(refused, Err(CodecError::Malformed { .. })), "{} cut at {len}", golden.name);
        }
        let longer: Vec<u8> = golden.encoded.iter().copied().chain([0]).collect();
        assert!((golden.decode)(&longer).is_err(), "{} with a byte more", golden.name);
    }
}

/// Whatever was decoded is written again and read again as the same.
fn settles(golden: &Golden, bytes: &[u8]) -> Result<(), TestCaseError> {
    if let Ok(first) = (golden.decode)(bytes) {
        let second = (golden.decode)(&first);
        prop_assert_eq!(second.as_ref(), Ok(&first), "{}", &golden.name);
    }
    Ok(())
}

#[test]
fn damaged_bytes_never_panic() {
    let goldens = all();
    let damages = (
        any::<prop::sample::Index>(),
        prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    );
    proptest!(config(20_000, 100_000, 2_000_000), |((which, changes) in damages)| {
        let golden = &goldens[which.index(goldens.len())];
        let mut bytes = golden.encoded.clone();
        for (at, to) in changes {
            let at = at.index(bytes.len());
            bytes[at] = to;
        }
        settles(golden, &bytes)?;
    });
}

#[test]
fn random_bytes_never_panic() {
    let goldens = all();
    // One example of each type is enough: the decoder does not depend on the example.
    let mut seen = BTreeSet::new();
    let types: Vec<_> = goldens.iter().filter(|golden| seen.insert(golden.what)).collect();
    assert_eq!(types.len(), 7);
    proptest!(config(5_000, 50_000, 1_000_000), |(body in prop::collection::vec(any::<u8>(), 0..200))| {
        for golden in &types {
            let bytes: Vec<u8> = [FORMAT].into_iter().chain(body.iter().copied()).collect();
            settles(golden, &bytes)?;
            settles(golden, &body)?;
        }
    });
}
