//! Every `sh` block of the documents runs as it is typed: with bash, in an empty directory, with `inyeon` on the path.
//! Blocks of another kind (`text`, `json`) are shown, not run.

use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the repository is there")
}

/// The `sh` blocks of a document with the lines on which they begin.
fn blocks(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut open: Option<(usize, String)> = None;
    for (n, line) in text.lines().enumerate() {
        match &mut open {
            Some((_, block)) if line.trim() != "```" => {
                block.push_str(line);
                block.push('\n');
            }
            Some(_) => found.extend(open.take()),
            None if line.trim() == "```sh" => open = Some((n + 1, String::new())),
            None => {}
        }
    }
    assert!(open.is_none(), "a block is not closed");
    found
}

/// The documents that a text names: `docs/NAME.md` where it is, `NAME.md` in a link beside it.
fn named<'a>(text: &'a str, dir: &'a Path) -> impl Iterator<Item = PathBuf> + 'a {
    let is_name = |c: char| c.is_ascii_alphanumeric() || "-_/.".contains(c);
    let mentioned = text.split("docs/").skip(1).map(move |rest| {
        let end = rest.find(|c| !is_name(c)).unwrap_or(rest.len());
        root().join("docs").join(&rest[..end])
    });
    let linked = text.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next());
    let linked = linked.filter(|link| !link.contains("://")).map(|link| dir.join(link));
    mentioned.chain(linked).filter(|path| path.extension().is_some_and(|extension| extension == "md"))
}

#[test]
fn every_document_that_is_named_is_there() {
    let root = root();
    let mut texts: Vec<PathBuf> = ["en", "ko", "connection.en", "connection.ko"]
        .map(|name| root.join(format!("crates/inyeon/locales/{name}.ftl")))
        .into();
    for dir in ["", "docs", "docs/adr"] {
        let entries = std::fs::read_dir(root.join(dir)).expect("it is there");
        let found = entries.map(|entry| entry.expect("readable").path());
        texts.extend(found.filter(|path| path.extension().is_some_and(|extension| extension == "md")));
    }
    let mut seen = 0;
    for path in texts {
        let text = std::fs::read_to_string(&path).expect("readable");
        for named in named(&text, path.parent().expect("it lies in a directory")) {
            // A report is written by a run and named by its day.
            if !named.ends_with("docs/reports/DATE.md") {
                assert!(named.exists(), "{} names {}", path.display(), named.display());
                seen += 1;
            }
        }
    }
    assert!(seen >= 40, "only {seen} were found");
}

#[test]
fn every_command_block_runs_as_typed() {
    let root = root();
    let mut documents = vec![root.join("README.md"), root.join("CONTRIBUTING.md")];
    let docs = std::fs::read_dir(root.join("docs")).expect("docs is there");
    documents.extend(
        docs.map(|entry| entry.expect("readable").path())
            .filter(|p| p.extension().is_some_and(|e| e == "md")),
    );
    documents.sort();
    let binary = Path::new(env!("CARGO_BIN_EXE_inyeon")).parent().expect("it lies in a directory");
    let path = format!("{}:{}", binary.display(), std::env::var("PATH").unwrap_or_default());
    // The documents name a port; here any free one serves.
    let free = std::net::TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a free port");
    let mut ran = 0;
    for document in documents {
        let text = std::fs::read_to_string(&document).expect("readable");
        for (line, block) in blocks(&text) {
            let block = block.replace("127.0.0.1:7711", &free.to_string());
            let dir = tempfile::tempdir().expect("a temporary directory");
            for shared in ["maps", "docs"] {
                std::os::unix::fs::symlink(root.join(shared), dir.path().join(shared)).expect("linked");
            }
            // What a block leaves running ends with it, and is waited for.
            let script = format!(
                "set -euo pipefail\ntrap 'jobs -p | xargs -r kill || true; wait || true' EXIT\n{block}"
            );
            let output = Command::new("bash")
                .arg("-c")
                .arg(&script)
                .current_dir(dir.path())
                .env("PATH", &path)
                .env("LANG", "C")
                .env_remove("INYEON_STORE")
                .output()
                .expect("bash runs");
            assert!(
                output.status.success(),
                "{}:{line} failed with {}\n--- it printed\n{}\n--- and said\n{}",
                document.display(),
                output.status,
                String::from_utf8_lossy(&output.stdout),
                String::from_utf8_lossy(&output.stderr)
            );
            ran += 1;
        }
    }
    assert!(ran >= 3, "only {ran} blocks were found");
}
