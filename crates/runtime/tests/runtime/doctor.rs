//! The doctor finds each damage with its place; a salvage saves what is sound and accounts for the rest.

use std::fs;
use std::path::{Path, PathBuf};

use model::{LogKind, PartitionId};
use runtime::Node;
use runtime::doctor::{DoctorError, Report, Severity, check};
use runtime::salvage::{SalvageReport, salvage};
use serde_json::json;
use store::{Layout, copy_sound_frames};
use views::DeadLetterFilter;

use crate::support::{Home, Rng, at, copy_dir, look, order, scale, send, store_options, track, who};

fn look_into(dir: &Path) -> Report {
    check(dir, &store_options(), &mut |_, _| {}).unwrap()
}

/// A closed store with `people` customers, an order and three more events each.
fn filled(home: &Home, people: i64) {
    let node = home.open();
    for n in 0..people {
        let user = format!("u-{n}");
        send(
            &node,
            &home.clock,
            at(n),
            &[
                order(&user, &format!("o-{n}"), at(n), at(n + 500)),
                track(&user, "Seen", at(n), &json!({ "n": n })),
            ],
        );
        send(
            &node,
            &home.clock,
            at(n),
            &[
                track(
                    &user,
                    "payment.captured",
                    at(n),
                    &json!({ "order_id": format!("o-{n}"), "amount": 7, "currency": "USD" }),
                ),
                track(&user, "Seen again", at(n), &json!({})),
            ],
        );
        node.drain().unwrap();
    }
}

/// Where the frames of a log stand: (file, offset, length), the first is sequence 1.
fn frames(dir: &Path, kind: LogKind) -> Vec<(PathBuf, u64, u64)> {
    let dir = Layout::new(dir).log(kind, PartitionId(0));
    let mut found = Vec::new();
    let mut segments: Vec<PathBuf> = fs::read_dir(&dir)
        .unwrap()
        .map(|e| e.unwrap().path())
        .filter(|p| p.extension().is_some_and(|e| e == "seg"))
        .collect();
    segments.sort();
    for path in segments {
        let bytes = fs::read(&path).unwrap();
        let mut at = 64;
        while at < bytes.len() {
            let len = 24 + u64::from(u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()));
            found.push((path.clone(), at as u64, len));
            at += len as usize;
        }
    }
    let mut count = 0;
    copy_sound_frames(&dir, kind, 0, |_| count += 1).unwrap();
    assert_eq!(count, found.len());
    found
}

fn flip(path: &Path, offset: u64) {
    let mut bytes = fs::read(path).unwrap();
    bytes[offset as usize] ^= 0x10;
    fs::write(path, bytes).unwrap();
}

fn copy(home: &Home, name: &str) -> PathBuf {
    home.killed(name)
}

#[test]
fn a_sound_store_has_no_finding() {
    let home = Home::new();
    assert!(matches!(check(&home.dir(), &store_options(), &mut |_, _| {}), Err(DoctorError::NoStore { .. })));
    filled(&home, 20);
    let before = contents(&home.dir());
    let mut last = (0, 0);
    let report = check(&home.dir(), &store_options(), &mut |done, total| {
        assert!(done >= last.0 && done <= total, "{done} of {total} after {last:?}");
        last = (done, total);
    })
    .unwrap();
    assert_eq!(report.findings, [], "{report:?}");
    assert!(report.is_sound() && last.0 == last.1 && last.1 > 0);
    let checked = &report.checked;
    assert_eq!((checked.intake_records, checked.keys_destroyed), (80, 0));
    assert!(
        checked.key_slots >= 20 && checked.journal_entries >= 40 && checked.bodies_opened >= 120,
        "{checked:?}"
    );
    assert_eq!(contents(&home.dir()), before, "a check changes nothing");
    assert!(serde_json::to_string(&report).unwrap().contains("\"findings\":[]"));
    // After an erasure, the erased are counted.
    let node = home.open();
    node.erase(who(&node, "u-3").unwrap()).unwrap();
    drop(node);
    let report = look_into(&home.dir());
    assert_eq!(report.findings, []);
    assert_eq!(report.checked.keys_destroyed, 1);
    assert!(report.checked.bodies_erased >= 6, "{:?}", report.checked);
}

/// Every file of the truth, by path. SQLite keeps notes of its own beside the views.
fn contents(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.file_name().is_some_and(|name| name == "views") {
            continue;
        }
        if path.is_dir() {
            found.extend(contents(&path));
        } else {
            let bytes = fs::read(&path).unwrap();
            found.push((path, bytes));
        }
    }
    found.sort();
    found
}

#[test]
fn a_store_in_use_is_left_alone() {
    let home = Home::new();
    let _node = home.open();
    let refused = check(&home.dir(), &store_options(), &mut |_, _| {});
    assert!(matches!(refused, Err(DoctorError::Lock(store::LockError::InUse { .. }))));
    let into = home.temp.path().join("into");
    let refused = salvage(&home.dir(), &into, &store_options(), &mut |_, _| {});
    assert!(matches!(refused, Err(DoctorError::Lock(store::LockError::InUse { .. }))));
    assert!(!into.exists());
}

/// Severity, code, file, byte offset and sequence.
type Expected<'a> = (Severity, &'a str, &'a str, Option<u64>, Option<u64>);

#[test]
fn each_kind_of_damage_is_found_in_its_place() {
    let home = Home::new();
    filled(&home, 40);
    let intake = frames(&home.dir(), LogKind::Intake);
    let journal = frames(&home.dir(), LogKind::Journal);
    let moved = |dir: &Path, path: &Path| dir.join(path.strip_prefix(home.dir()).unwrap());
    let mut n = 0;
    let mut case = |name: &str, damage: &dyn Fn(&Path), expect: &[Expected<'_>]| {
        n += 1;
        let dir = copy(&home, &format!("case-{n}"));
        damage(&dir);
        let report = look_into(&dir);
        let found: Vec<_> = report
            .findings
            .iter()
            .map(|f| {
                let file = f.file.strip_prefix(&dir).unwrap_or(&f.file).display().to_string();
                (f.severity, f.code, file, f.offset, f.seq)
            })
            .collect();
        let expect: Vec<_> = expect
            .iter()
            .map(|(severity, code, file, offset, seq)| (*severity, *code, (*file).to_owned(), *offset, *seq))
            .collect();
        assert_eq!(found, expect, "{name}: {:#?}", report.findings);
        assert!(report.findings.iter().all(|f| !f.what.is_empty() && !f.remedy.is_empty()));
    };
    let name = |of: &(PathBuf, u64, u64)| of.0.strip_prefix(home.dir()).unwrap().display().to_string();
    // Frames, in the middle of a log, several at once, and at its end.
    for (log, of) in [("intake", &intake), ("journal", &journal)] {
        let (one, two, last) = (&of[4], &of[25], of.last().unwrap());
        case(
            &format!("{log}: two frames"),
            &|dir| {
                flip(&moved(dir, &one.0), one.1 + 26);
                flip(&moved(dir, &two.0), two.1 + 9);
            },
            &[
                (Severity::Damage, "frame", &name(one), Some(one.1), Some(5)),
                (Severity::Damage, "frame", &name(two), Some(two.1), Some(26)),
            ],
        );
        case(
            &format!("{log}: the last frame"),
            &|dir| flip(&moved(dir, &last.0), last.1 + last.2 - 1),
            &[(Severity::Damage, "frame", &name(last), Some(last.1), Some(of.len() as u64))],
        );
        case(
            &format!("{log}: the end is gone"),
            &|dir| {
                let file = fs::File::options().write(true).open(moved(dir, &last.0)).unwrap();
                file.set_len(last.1).unwrap();
            },
            &[(Severity::Damage, "missing", &name(last), Some(last.1), Some(of.len() as u64))],
        );
        case(
            &format!("{log}: an unsynced tail"),
            &|dir| {
                use std::io::Write;
                let mut file = fs::File::options().append(true).open(moved(dir, &last.0)).unwrap();
                file.write_all(&[7; 40]).unwrap();
            },
            &[(
                Severity::Note,
                "unsynced_tail",
                &name(last),
                Some(last.1 + last.2),
                Some(of.len() as u64 + 1),
            )],
        );
        let segment = of.iter().find(|frame| frame.0 != of[0].0).unwrap();
        let first_of_it = of.iter().position(|frame| frame.0 == segment.0).unwrap() as u64 + 1;
        case(
            &format!("{log}: a segment's header"),
            &|dir| flip(&moved(dir, &segment.0), 40),
            &[(Severity::Damage, "segment", &name(segment), Some(0), Some(first_of_it))],
        );
        let after = of.iter().find(|frame| frame.0 > segment.0).unwrap();
        case(
            &format!("{log}: a segment is gone"),
            &|dir| fs::remove_file(moved(dir, &segment.0)).unwrap(),
            &[(Severity::Damage, "segment", &name(after), Some(0), Some(first_of_it))],
        );
        let mark = format!("{log}/p0000/durable.mark");
        case(
            &format!("{log}: one cell of the mark"),
            &|dir| flip(&dir.join(&mark), 5),
            &[(Severity::Warning, "mark", &mark, None, None)],
        );
        case(
            &format!("{log}: the mark"),
            &|dir| fs::remove_file(dir.join(&mark)).unwrap(),
            &[(Severity::Damage, "mark", &mark, Some(0), None)],
        );
    }
    case(
        "description",
        &|dir| flip(&dir.join("store.json"), 0),
        &[(Severity::Damage, "description", "store.json", Some(0), None)],
    );
    let keys = "keys/subject.keys";
    case("key header", &|dir| flip(&dir.join(keys), 20), &[(Severity::Damage, "keys", keys, Some(0), None)]);
    case(
        "key slot",
        &|dir| flip(&dir.join(keys), 64 + 96 * 6 + 50),
        &[(Severity::Damage, "key_slot", keys, Some(64 + 96 * 6), Some(7))],
    );
    // A state and views that are ahead of the journal.
    case(
        "state cache",
        &|dir| {
            fs::remove_dir_all(dir.join("state")).unwrap();
            fs::create_dir(dir.join("state")).unwrap();
            let opened = store::State::open(&dir.join("state"), 0, engine::SNAPSHOT_FORMAT).unwrap();
            let ahead = store::Checkpoint { journal_seq: 10_000, ..store::Checkpoint::default() };
            opened.state.commit(ahead).unwrap();
        },
        &[(Severity::Warning, "state", "state", None, None)],
    );
    case(
        "views",
        &|dir| {
            let mut views = views::Views::open(dir.join("views/views.db")).unwrap().views;
            views.apply(10_000, &[]).unwrap();
        },
        &[(Severity::Warning, "views", "views/views.db", None, None)],
    );
    case(
        "restored",
        &|dir| fs::write(Layout::new(dir).restored(), b"x").unwrap(),
        &[(Severity::Note, "restored", "restored", None, None)],
    );
    // Another master key.
    let dir = copy(&home, "other-key");
    fs::write(Layout::new(&dir).master_key(), "11".repeat(32)).unwrap();
    let codes: Vec<_> = look_into(&dir).findings.into_iter().map(|f| f.code).collect();
    assert_eq!(codes, ["master_key"]);
    let into = home.temp.path().join("into-other-key");
    assert!(matches!(
        salvage(&dir, &into, &store_options(), &mut |_, _| {}),
        Err(DoctorError::MasterKey { .. })
    ));
}

#[test]
fn no_flipped_bit_goes_unnoticed() {
    let home = Home::new();
    filled(&home, 8);
    let mut rng = Rng::new(0xB175);
    let files: Vec<PathBuf> = ["intake/p0000", "journal/p0000", "keys"]
        .iter()
        .flat_map(|dir| fs::read_dir(home.dir().join(dir)).unwrap().map(|e| e.unwrap().path()))
        .collect();
    for round in 0..scale(120, 1_500, 20_000) {
        let path = rng.pick(&files).clone();
        let sound = fs::read(&path).unwrap();
        let mut bytes = sound.clone();
        let at = rng.below(bytes.len() as u64) as usize;
        bytes[at] ^= 1 << rng.below(8);
        fs::write(&path, &bytes).unwrap();
        let report = look_into(&home.dir());
        assert!(!report.findings.is_empty(), "round {round}: {} at {at}", path.display());
        fs::write(&path, &sound).unwrap();
    }
    assert_eq!(look_into(&home.dir()).findings, []);
}

/// Salvages and opens; checks that each lost record is accounted for.
fn salvaged(home: &Home, dir: &Path, name: &str) -> (Node, SalvageReport) {
    let before = contents(dir);
    let into = home.temp.path().join(name);
    let report = salvage(dir, &into, &store_options(), &mut |_, _| {}).unwrap();
    assert_eq!(contents(dir), before, "the old store is not touched");
    let checkup = look_into(&into);
    let codes: Vec<_> = checkup.findings.iter().map(|f| f.code).collect();
    assert_eq!(codes, ["restored"], "{:#?}", checkup.findings);
    let node = home.open_at(&into);
    node.drain().unwrap();
    assert!(!node.reader().unwrap().effects_switch().unwrap().unwrap().on, "effects are off");
    (node, report)
}

fn events_of(node: &Node) -> u64 {
    let profiles = node.reader().unwrap().profiles(None, 10_000).unwrap();
    profiles.iter().filter(|p| p.merged_into.is_none()).map(|p| p.event_count).sum()
}

#[test]
fn a_salvage_of_a_sound_store_is_the_same_store() {
    let home = Home::new();
    filled(&home, 20);
    let node = home.open();
    node.erase(who(&node, "u-2").unwrap()).unwrap();
    let seen = look(&node);
    drop(node);
    let (node, report) = salvaged(&home, &home.dir(), "into");
    assert_eq!(
        (report.intake_lost, report.journal_lost, report.keys_lost, report.appended_again),
        (0, 0, 0, 0)
    );
    assert_eq!((report.intake_kept, report.keys_destroyed), (80, 1));
    let again = look(&node);
    let ours = |seen: &crate::support::Seen| {
        let apart = ["settings", "meta", "clocks"];
        let rows = seen.dump.lines().filter(|line| !apart.iter().any(|table| line.starts_with(table)));
        rows.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(ours(&seen), ours(&again));
    let customers = |seen: &crate::support::Seen| {
        seen.entities
            .iter()
            .filter(|(id, _)| id.kind == model::EntityKind::Customer && **id != erased())
            .map(|(k, v)| (*k, v.clone()))
            .collect::<Vec<_>>()
    };
    fn erased() -> model::EntityId {
        crate::support::customer(9)
    }
    assert_eq!(customers(&seen), customers(&again));
}

#[test]
fn a_lost_application_counts_again_and_nothing_is_decided_twice() {
    let home = Home::new();
    filled(&home, 20);
    let node = home.open();
    let seen = look(&node);
    drop(node);
    let payments = |dump: &str| dump.lines().filter(|line| line.starts_with("payments")).count();
    let journal = frames(&home.dir(), LogKind::Journal);
    for seq in 1..=journal.len().min(scale(30, 80, 80) as usize) {
        let dir = copy(&home, &format!("lost-{seq}"));
        let (file, offset, _) = &journal[seq - 1];
        flip(&dir.join(file.strip_prefix(home.dir()).unwrap()), offset + 26);
        let (node, report) = salvaged(&home, &dir, &format!("into-{seq}"));
        assert_eq!(report.lost_journal, [seq as u64]);
        assert_eq!(events_of(&node), 80, "{seq}: every event is in a profile: {report:?}");
        let again = look(&node);
        assert!(payments(&again.dump) <= payments(&seen.dump), "{seq}: no payment counts twice");
        fs::remove_dir_all(&dir).unwrap();
    }
}

#[test]
fn a_salvage_keeps_what_is_sound_and_accounts_for_what_is_lost() {
    let home = Home::new();
    filled(&home, 25);
    let intake = frames(&home.dir(), LogKind::Intake);
    let journal = frames(&home.dir(), LogKind::Journal);
    for seed in 0..scale(12, 100, 1_000) {
        let mut rng = Rng::new(seed ^ 0x5A1F);
        let dir = copy(&home, &format!("hurt-{seed}"));
        let hurt = |of: &[(PathBuf, u64, u64)], rng: &mut Rng| {
            let mut lost: Vec<u64> = (0..1 + rng.below(4)).map(|_| 1 + rng.below(of.len() as u64)).collect();
            lost.sort();
            lost.dedup();
            for seq in &lost {
                let (file, offset, len) = &of[*seq as usize - 1];
                flip(&dir.join(file.strip_prefix(home.dir()).unwrap()), offset + rng.below(*len));
            }
            lost
        };
        let lost_intake = hurt(&intake, &mut rng);
        let lost_journal = hurt(&journal, &mut rng);
        let lost_slot = if seed % 3 == 0 { Some(1 + rng.below(25)) } else { None };
        if let Some(slot) = lost_slot {
            flip(&dir.join("keys/subject.keys"), 64 + (slot - 1) * 96 + 40);
        }
        let found = look_into(&dir);
        let seqs = |log: &str| {
            let of = found
                .findings
                .iter()
                .filter(|f| f.code == "frame" && f.file.display().to_string().contains(log));
            of.filter_map(|f| f.seq).collect::<Vec<_>>()
        };
        let firsts =
            |lost: &[u64]| lost.iter().copied().filter(|s| !lost.contains(&(s - 1))).collect::<Vec<_>>();
        assert_eq!(firsts(&seqs("intake")), firsts(&lost_intake), "seed {seed}");
        assert_eq!(firsts(&seqs("journal")), firsts(&lost_journal), "seed {seed}");
        let (node, report) = salvaged(&home, &dir, &format!("saved-{seed}"));
        assert_eq!((&report.lost_intake, &report.lost_journal), (&lost_intake, &lost_journal), "seed {seed}");
        assert_eq!(report.intake_kept + report.intake_lost, intake.len() as u64);
        assert_eq!(report.keys_lost, u64::from(lost_slot.is_some()), "seed {seed}");
        // Each lost record is a dead letter that names it.
        let filter = DeadLetterFilter { code: Some("lost".into()), ..DeadLetterFilter::default() };
        let dead = node.reader().unwrap().dead_letters(&filter).unwrap();
        let mut named: Vec<u64> = dead
            .iter()
            .map(|letter| letter.place.as_deref().unwrap().rsplit(' ').next().unwrap().parse().unwrap())
            .collect();
        named.sort();
        assert_eq!(named, lost_intake, "seed {seed}");
        // Each sound event is in a profile, save those whose key is gone.
        let gone = lost_slot.map_or(0, |slot| {
            (1..=intake.len() as u64)
                .filter(|seq| (seq - 1) / 4 + 1 == slot && !lost_intake.contains(seq))
                .count()
        });
        assert_eq!(events_of(&node), 100 - lost_intake.len() as u64 - gone as u64, "seed {seed}: {report:?}");
        // It lives on.
        send(&node, &home.clock, at(1000), &[track("new", "Seen", at(1000), &json!({}))]);
        node.drain().unwrap();
        assert!(who(&node, "new").is_some());
        drop(node);
        fs::remove_dir_all(&dir).unwrap();
    }
}

#[test]
fn a_salvage_needs_an_empty_place() {
    let home = Home::new();
    filled(&home, 2);
    let into = home.temp.path().join("into");
    fs::create_dir(&into).unwrap();
    fs::write(into.join("mine"), b"x").unwrap();
    let refused = salvage(&home.dir(), &into, &store_options(), &mut |_, _| {});
    assert!(matches!(refused, Err(DoctorError::NotEmpty { .. })));
    let copy = home.temp.path().join("no-store");
    copy_dir(&into, &copy);
    assert!(matches!(check(&copy, &store_options(), &mut |_, _| {}), Err(DoctorError::NoStore { .. })));
}
