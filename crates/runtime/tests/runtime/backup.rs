//! A backup is whole or refused, and brings nobody back who was erased.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use runtime::backup::{BackupError, MANIFEST_FILE, Source, create, restore, verify};
use serde_json::json;
use views::EffectFilter;

use crate::support::{Home, Rng, Seen, assert_same, at, look, order, scale, send, track, who};

fn fill(home: &Home, node: &runtime::Node, from: i64, to: i64) {
    for n in from..to {
        let user = format!("u-{n}");
        send(
            node,
            &home.clock,
            at(n),
            &[order(&user, &format!("o-{n}"), at(n), at(n + 20)), track(&user, "Seen", at(n), &json!({}))],
        );
    }
    node.drain().unwrap();
}

fn quiet(_: u64, _: u64) {}

/// The master key goes its own way.
fn carry_key(from: &Path, to: &Path) {
    fs::copy(store::Layout::new(from).master_key(), store::Layout::new(to).master_key()).unwrap();
}

/// Everything but the switch that a restore turns, which also moves the clock.
fn apart_from_switch(seen: &Seen) -> Seen {
    let apart = ["settings", "meta", "clocks"];
    let lines = seen.dump.lines().filter(|line| !apart.iter().any(|table| line.starts_with(table)));
    Seen {
        dump: lines.map(|line| format!("{line}\n")).collect(),
        entities: seen
            .entities
            .iter()
            .filter(|(id, _)| id.kind == model::EntityKind::Customer)
            .map(|(id, bytes)| (*id, bytes.clone()))
            .collect(),
    }
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

#[test]
fn a_backup_comes_back_as_it_was() {
    let home = Home::new();
    let node = home.open();
    fill(&home, &node, 0, 12);
    home.clock.set(at(100));
    std::thread::sleep(std::time::Duration::from_millis(400));
    let seen = look(&node);
    let running = home.temp.path().join("running");
    let mut told = (0, 0);
    let manifest = create(Source::Running(&node), &running, &mut |done, of| told = (done, of)).unwrap();
    assert!(told.0 == told.1 && told.1 > 0);
    assert_eq!(manifest.intake_seq, 24);
    let sent = home.sink.received();
    assert!(!sent.is_empty());
    drop(node);
    let offline = home.temp.path().join("offline");
    create(Source::Directory(&home.dir()), &offline, &mut quiet).unwrap();
    let key = fs::read_to_string(store::Layout::new(home.dir()).master_key()).unwrap();
    for (n, target) in [running, offline].into_iter().enumerate() {
        verify(&target).unwrap();
        for file in files(&target) {
            let bytes = fs::read(&file).unwrap();
            let hex = key.trim().as_bytes();
            assert!(
                !bytes.windows(64).any(|window| window == hex),
                "the master key is in {}",
                file.display()
            );
        }
        let dir = home.temp.path().join(format!("restored-{n}"));
        carry_key(&home.dir(), &dir);
        let restored = restore(&target, &dir).unwrap();
        assert_eq!(restored.erased_again, 0);
        let report = runtime::doctor::check(&dir, &crate::support::store_options(), &mut quiet).unwrap();
        assert_eq!(report.findings.iter().map(|f| f.code).collect::<Vec<_>>(), ["restored"], "{report:#?}");
        let node = home.open_at(&dir);
        assert_same(&apart_from_switch(&seen), &apart_from_switch(&look(&node)), "restored");
        // A restored store sends nothing until somebody says so.
        fill(&home, &node, 200, 204);
        home.clock.set(at(400));
        std::thread::sleep(std::time::Duration::from_millis(300));
        node.drain().unwrap();
        assert!(!node.reader().unwrap().effects_switch().unwrap().unwrap().on);
        assert!(node.reader().unwrap().effects(&EffectFilter::default()).unwrap().len() > sent.len());
        assert_eq!(home.sink.received(), sent, "0 effects");
        assert!(matches!(restore(&target, &dir), Err(BackupError::NotEmpty { .. })));
        assert!(matches!(
            create(Source::Directory(&home.dir()), &target, &mut quiet),
            Err(BackupError::NotEmpty { .. })
        ));
    }
}

#[test]
fn a_backup_of_a_busy_store_is_of_one_moment() {
    let home = Home::new();
    let node = home.open();
    fill(&home, &node, 0, 5);
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut n = 5;
            while !stop.load(Ordering::Relaxed) {
                fill(&home, &node, n, n + 2);
                n += 2;
            }
        });
        for round in 0..scale(4, 40, 400) {
            let target = home.temp.path().join(format!("busy-{round}"));
            let manifest = create(Source::Running(&node), &target, &mut quiet).unwrap();
            assert_eq!(verify(&target).unwrap(), manifest);
            let dir = home.temp.path().join(format!("busy-restored-{round}"));
            carry_key(&home.dir(), &dir);
            restore(&target, &dir).unwrap();
            let report = runtime::doctor::check(&dir, &crate::support::store_options(), &mut quiet).unwrap();
            assert_eq!(
                report.findings.iter().map(|f| f.code).collect::<Vec<_>>(),
                ["restored"],
                "{report:#?}"
            );
            let node = home.open_at(&dir);
            node.drain().unwrap();
            assert_eq!(node.intake_seq(), manifest.intake_seq);
            drop(node);
            fs::remove_dir_all(&target).unwrap();
            fs::remove_dir_all(&dir).unwrap();
        }
        stop.store(true, Ordering::Relaxed);
    });
}

#[test]
fn a_backup_that_was_touched_is_refused() {
    let home = Home::new();
    let node = home.open();
    fill(&home, &node, 0, 6);
    let target = home.temp.path().join("backup");
    create(Source::Running(&node), &target, &mut quiet).unwrap();
    drop(node);
    let all = files(&target);
    let mut rng = Rng::new(0x7A);
    let dir = home.temp.path().join("restored");
    let refused = |what: &str| {
        let error = restore(&target, &dir).expect_err(what);
        let source = std::error::Error::source(&error).map(ToString::to_string);
        assert!(
            source.is_none_or(|source| !error.to_string().contains(&source)),
            "{error} prints its source"
        );
        assert!(!dir.exists(), "{what}: nothing was restored");
        error
    };
    for round in 0..scale(60, 600, 6_000) {
        let path = rng.pick(&all);
        let sound = fs::read(path).unwrap();
        let mut bytes = sound.clone();
        let index = rng.below(bytes.len() as u64) as usize;
        match rng.below(3) {
            0 => bytes.truncate(index),
            _ => bytes[index] ^= 1 << rng.below(8),
        }
        fs::write(path, &bytes).unwrap();
        refused(&format!("round {round}: {} at {index}", path.display()));
        fs::write(path, &sound).unwrap();
    }
    for path in &all {
        let sound = fs::read(path).unwrap();
        fs::remove_file(path).unwrap();
        refused(&format!("{} is missing", path.display()));
        fs::write(path, sound).unwrap();
    }
    fs::write(target.join("journal/p0000/00000000000000009999.seg"), b"x").unwrap();
    assert!(matches!(refused("a file too many"), BackupError::Changed { .. }));
    fs::remove_file(target.join("journal/p0000/00000000000000009999.seg")).unwrap();
    // A backup that was killed has another name, and no manifest.
    fs::rename(target.join(MANIFEST_FILE), home.temp.path().join("m")).unwrap();
    assert!(matches!(refused("no manifest"), BackupError::Manifest { .. }));
    fs::rename(home.temp.path().join("m"), target.join(MANIFEST_FILE)).unwrap();
    restore(&target, &dir).unwrap();
}

#[test]
fn who_was_erased_stays_erased() {
    let home = Home::new();
    let node = home.open();
    fill(&home, &node, 0, 6);
    let older = home.temp.path().join("older");
    create(Source::Running(&node), &older, &mut quiet).unwrap();
    // Erased after the backup: one whom it has, and one whom it has not.
    fill(&home, &node, 10, 12);
    for user in ["u-2", "u-11"] {
        node.erase(who(&node, user).unwrap()).unwrap();
    }
    drop(node);
    fs::remove_dir_all(home.dir()).unwrap();
    let restored = restore(&older, &home.dir()).unwrap();
    assert!(restored.erased_again >= 1);
    let node = home.open();
    node.drain().unwrap();
    assert_eq!(who(&node, "u-2"), None);
    assert_eq!(node.reader().unwrap().profiles(Some("u-2"), 10).unwrap(), []);
    assert!(who(&node, "u-3").is_some());
    // Numbers of destroyed keys are not given out again, so that restoring once more erases nobody else.
    fill(&home, &node, 20, 24);
    let newer = home.temp.path().join("newer");
    create(Source::Running(&node), &newer, &mut quiet).unwrap();
    let seen = look(&node);
    drop(node);
    fs::remove_dir_all(home.dir()).unwrap();
    assert_eq!(restore(&newer, &home.dir()).unwrap().erased_again, 0);
    let node = home.open();
    assert_same(&apart_from_switch(&seen), &apart_from_switch(&look(&node)), "restored once more");
    for n in [0, 1, 3, 4, 5, 20, 21, 22, 23] {
        assert!(who(&node, &format!("u-{n}")).is_some(), "u-{n}");
    }
}

#[test]
fn a_damaged_store_is_not_copied() {
    let home = Home::new();
    let node = home.open();
    fill(&home, &node, 0, 6);
    drop(node);
    let path = home.dir().join("journal/p0000/00000000000000000001.seg");
    let mut bytes = fs::read(&path).unwrap();
    bytes[100] ^= 1;
    fs::write(&path, bytes).unwrap();
    let target = home.temp.path().join("backup");
    let error = create(Source::Directory(&home.dir()), &target, &mut quiet).unwrap_err();
    assert!(matches!(error, BackupError::Log(_)), "{error}");
    assert!(!target.exists());
}
