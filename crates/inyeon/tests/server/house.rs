//! The house: floors of crates, arrows that run downward only, and who must not know what.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use cargo_metadata::{DependencyKind, MetadataCommand, Package};

/// Each crate's floor. `lake` comes later; a crate that is in no row fails the test.
const FLOORS: [(&str, u8); 10] = [
    ("model", 0),
    ("learn", 1),
    ("engine", 2),
    ("store", 3),
    ("views", 3),
    ("world", 3),
    ("channels", 3),
    ("lake", 3),
    ("runtime", 4),
    ("inyeon", 5),
];

/// What the floors below may use of other people's work: nothing that reads, writes or waits.
const PURE: [(&str, &[&str]); 3] = [
    ("model", &["jiff", "postcard", "serde", "serde_json", "thiserror"]),
    ("learn", &["libm", "serde", "thiserror"]),
    ("engine", &["blake3", "cel", "jiff", "serde", "serde_json", "thiserror"]),
];

/// What a crate must not know, whatever its floor.
const NEVER: [(&str, &[&str]); 5] = [
    ("runtime", &["axum", "hyper", "tokio", "rusqlite"]),
    ("store", &["axum", "engine", "rusqlite", "tokio"]),
    ("views", &["axum", "engine", "fjall", "tokio"]),
    ("channels", &["axum", "engine", "fjall", "rusqlite", "store", "tokio"]),
    ("world", &["axum", "engine", "fjall", "rusqlite", "tokio"]),
];

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

fn crates() -> BTreeMap<String, Package> {
    let metadata = MetadataCommand::new().manifest_path(root().join("Cargo.toml")).no_deps().exec();
    let packages = metadata.expect("cargo metadata runs").packages;
    packages.into_iter().map(|package| (package.name.to_string(), package)).collect()
}

/// The crates that a package uses, in a given way or in any.
fn uses(package: &Package, kinds: &[DependencyKind]) -> BTreeSet<String> {
    let wanted = package.dependencies.iter().filter(|dependency| kinds.contains(&dependency.kind));
    wanted.map(|dependency| dependency.name.clone()).collect()
}

const SHIPPED: [DependencyKind; 2] = [DependencyKind::Normal, DependencyKind::Build];
const ALL: [DependencyKind; 3] = [DependencyKind::Normal, DependencyKind::Build, DependencyKind::Development];

fn floor(name: &str) -> Option<u8> {
    FLOORS.iter().find(|(known, _)| *known == name).map(|(_, floor)| *floor)
}

/// Arrows that run up, sideways, or to where the list of floors does not say.
fn wrong_arrows(crates: &BTreeMap<String, Package>) -> Vec<String> {
    let mut wrong = Vec::new();
    for (name, package) in crates {
        let Some(from) = floor(name) else {
            wrong.push(format!("{name} has no floor"));
            continue;
        };
        // A crate's tests may use the crate itself, with its own features.
        let others =
            uses(package, &ALL).into_iter().filter(|other| crates.contains_key(other) && other != name);
        for other in others {
            if floor(&other).is_none_or(|to| to >= from) {
                wrong.push(format!("{name} -> {other}"));
            }
        }
    }
    wrong
}

#[test]
fn arrows_run_downward_only() {
    let crates = crates();
    assert!(crates.len() >= 7, "{:?}", crates.keys());
    assert_eq!(wrong_arrows(&crates), Vec::<String>::new());
    // The test can see a wrong one.
    let mut bent = crates;
    let arrow = |to: &str| bent["runtime"].dependencies.iter().find(|d| d.name == to).unwrap().clone();
    let (sideways, up) = (arrow("views"), arrow("engine"));
    bent.get_mut("store").unwrap().dependencies.push(sideways);
    bent.get_mut("model").unwrap().dependencies.push(up);
    assert_eq!(wrong_arrows(&bent), ["model -> engine", "store -> views"]);
}

#[test]
fn the_engine_knows_no_io() {
    let crates = crates();
    for (name, allowed) in PURE {
        let ours: BTreeSet<String> = crates.keys().cloned().collect();
        let others: BTreeSet<String> = uses(&crates[name], &SHIPPED).difference(&ours).cloned().collect();
        let allowed: BTreeSet<String> = allowed.iter().map(|name| (*name).to_owned()).collect();
        let more: Vec<_> = others.difference(&allowed).collect();
        assert!(more.is_empty(), "{name} uses {more:?}");
    }
}

#[test]
fn nobody_knows_what_they_must_not() {
    let crates = crates();
    for (name, never) in NEVER {
        let used = uses(&crates[name], &SHIPPED);
        for other in never {
            assert!(!used.contains(*other), "{name} -> {other}");
        }
    }
}

#[test]
fn every_crate_has_its_folder_and_its_place_in_the_architecture() {
    let crates = crates();
    for (name, package) in &crates {
        let folder = package.manifest_path.parent().unwrap().file_name().unwrap();
        assert_eq!(folder, name, "a folder has its crate's name");
        assert!(package.description.as_ref().is_some_and(|text| text.len() > 10), "{name} says what it is");
        assert_eq!(package.publish, Some(Vec::new()), "{name} is not for a registry");
    }
    let text =
        std::fs::read_to_string(root().join("ARCHITECTURE.md")).expect("the architecture is written down");
    for name in crates.keys() {
        assert!(text.contains(&format!("`{name}`")), "ARCHITECTURE.md does not name {name}");
    }
}
