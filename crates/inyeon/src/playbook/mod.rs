//! Playbooks, for the people who write them: `inyeon playbook`.

mod document;
mod explain;
#[cfg(test)]
mod fourth_tests;
mod op;
mod places;
pub mod run;
#[cfg(test)]
mod schema_tests;
mod shown;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand, ValueEnum};
use engine::playbook::Playbook;
use serde_json::{Value, json};

pub use self::op::{PlaybookOp, run as run_op};

use self::document::{Document, Found};
use crate::access::Access;
use crate::cli::{Global, print};
use crate::error::{Failure, Kind};
use crate::i18n::Messages;
use crate::ops::Op;
use crate::render;

#[derive(Args)]
pub struct PlaybookArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    New {
        name: String,
        #[arg(long, value_enum, default_value_t = Like::Toner)]
        like: Like,
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    Check {
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
    Explain {
        file: PathBuf,
    },
    Publish {
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
    List,
    Show {
        name: String,
        #[arg(long, value_name = "N")]
        version: Option<u32>,
    },
    Rollback {
        name: String,
        #[arg(long, value_name = "N")]
        to: Option<u32>,
    },
    Off {
        name: String,
    },
    Schema,
    Run(run::RunArgs),
}

/// The playbooks that another may begin as.
#[derive(Clone, Copy, ValueEnum)]
enum Like {
    Toner,
    Milk,
    Office,
}

impl Like {
    fn text(self) -> &'static str {
        match self {
            Like::Toner => include_str!("../../../../playbooks/toner.yaml"),
            Like::Milk => include_str!("../../../../playbooks/milk.yaml"),
            Like::Office => include_str!("../../../../playbooks/office.yaml"),
        }
    }
}

/// The JSON Schema of a playbook, for editors.
pub const SCHEMA: &str = include_str!("../../../../docs/playbook.schema.json");

/// Runs one of the commands and prints what it says. A playbook that cannot hold is told by the exit code too.
pub fn run(global: &Global, args: PlaybookArgs, messages: &Messages) -> Result<ExitCode, Failure> {
    let ask = |create: bool, op: PlaybookOp| {
        Access::open(&global.store, create, render::replay_progress)?.run(Op::Playbook(op))
    };
    let say = |value: &Value, render: fn(&Value, &Messages) -> String| {
        print(&match global.json {
            true => serde_json::to_string_pretty(value).expect("a value serialises"),
            false => render(value, messages),
        });
    };
    match args.what {
        What::New { name, like, out } => say(&begin(&name, like, out)?, shown::begun),
        What::Check { files } => {
            let documents = load(&files, catalogue(global))?;
            say(&told(&documents, messages), shown::checked);
            if !documents.iter().all(Document::is_sound) {
                return Ok(ExitCode::from(Kind::Usage.exit_code()));
            }
        }
        What::Explain { file } => {
            let documents = load(&[file], None)?;
            let Some(playbook) = documents[0].playbook.as_ref().filter(|_| documents[0].is_sound()) else {
                say(&told(&documents, messages), shown::checked);
                return Ok(ExitCode::from(Kind::Usage.exit_code()));
            };
            say(&explain::explain(playbook, messages), shown::explained);
        }
        What::Publish { files } => {
            let documents = load(&files, None)?;
            if !documents.iter().all(Document::is_sound) {
                say(&told(&documents, messages), shown::checked);
                return Ok(ExitCode::from(Kind::Usage.exit_code()));
            }
            let playbooks = documents.into_iter().filter_map(|document| document.playbook).collect();
            let answer = ask(true, PlaybookOp::Publish { playbooks })?;
            say(&with_texts(answer, messages), shown::published);
        }
        What::List => say(&ask(false, PlaybookOp::List)?, shown::list),
        What::Show { name, version } => {
            say(&ask(false, PlaybookOp::Show { name, version })?, shown::show);
        }
        What::Rollback { name, to } => {
            say(&ask(false, PlaybookOp::Rollback { name, to })?, shown::switched);
        }
        What::Off { name } => say(&ask(false, PlaybookOp::Off { name })?, shown::switched),
        What::Schema => print(SCHEMA),
        What::Run(args) => run::run(global, &args, messages)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// What a store that is at hand knows of items; none where there is no store, or it cannot be asked.
fn catalogue(global: &Global) -> Option<Access> {
    let exists = store::Layout::new(&global.store).format().exists();
    exists.then(|| Access::open(&global.store, false, render::replay_progress).ok()).flatten()
}

/// Reads files, each by itself and as they stand beside one another.
fn load(files: &[PathBuf], store: Option<Access>) -> Result<Vec<Document>, Failure> {
    let mut documents = files.iter().map(|file| Document::load(file)).collect::<Result<Vec<_>, _>>()?;
    for at in 0..documents.len() {
        let (before, rest) = documents.split_at_mut(at);
        let document = &mut rest[0];
        let Some(playbook) = document.playbook.clone() else { continue };
        for other in before.iter() {
            let Some(known) = &other.playbook else { continue };
            let file = || vec![("file", other.file.clone())];
            if known.playbook == playbook.playbook {
                document.found.push(twice("name-twice", "/playbook", file()));
            } else if known.category == playbook.category {
                document.found.push(twice("category-twice", "/category", file()));
            }
        }
        if let Some(store) = &store {
            let items = playbook.offer.items.clone();
            let known = store.run(Op::Playbook(PlaybookOp::Items { items }))?;
            let known = serde_json::from_value(known).map_err(|error| Failure::other(&error))?;
            document.take(engine::playbook::check::check_items(&playbook, &known));
        }
    }
    Ok(documents)
}

fn twice(code: &'static str, pointer: &str, values: Vec<(&'static str, String)>) -> Found {
    let severity = engine::playbook::check::Severity::Error;
    Found { place: None, pointer: pointer.to_owned(), severity, code, values }
}

fn told(documents: &[Document], messages: &Messages) -> Value {
    json!({ "files": documents.iter().map(|document| document.told(messages)).collect::<Vec<_>>() })
}

/// Gives the warnings of an answer their texts, where the language is known.
fn with_texts(mut answer: Value, messages: &Messages) -> Value {
    let rows = answer["published"].as_array_mut().into_iter().flatten();
    for row in rows {
        for warning in row["warnings"].as_array_mut().into_iter().flatten() {
            let code = render::plain(&warning["code"]);
            let item = [("item", render::plain(&warning["item"]))];
            warning["cause"] = json!(messages.with(&format!("playbook-cause-{code}"), &item));
            warning["remedy"] = json!(messages.with(&format!("playbook-remedy-{code}"), &item));
        }
    }
    answer
}

/// Writes a playbook to begin with.
fn begin(name: &str, like: Like, out: Option<PathBuf>) -> Result<Value, Failure> {
    let text = renamed(like.text(), name)?;
    let path = out.unwrap_or_else(|| PathBuf::from(format!("{name}.yaml")));
    write_new(&path, &text)?;
    Ok(json!({ "playbook": name, "file": path }))
}

/// One of our playbooks under another name, for a category of that name.
fn renamed(text: &str, name: &str) -> Result<String, Failure> {
    let own = |line: &str, key: &str| line.starts_with(&format!("{key}: ")).then(|| format!("{key}: {name}"));
    let lines = text.lines().map(|line| {
        let told = line.starts_with('#').then(|| {
            let file =
                line.find("playbooks/").map(|at| (at, line[at..].find(".yaml").map(|end| at + end + 5)));
            match file {
                Some((at, Some(end))) => format!("{}{name}.yaml{}", &line[..at], &line[end..]),
                _ => line.to_owned(),
            }
        });
        told.or_else(|| own(line, "playbook"))
            .or_else(|| own(line, "category"))
            // The experiment's.
            .or_else(|| line.starts_with("  name: ").then(|| format!("  name: {name}")))
            .unwrap_or_else(|| line.to_owned())
    });
    let text = lines.collect::<Vec<_>>().join("\n") + "\n";
    let read: Playbook = serde_saphyr::from_str(&text)
        .map_err(|_| Failure::new(Kind::Usage, "playbook-name").with("name", name))?;
    let named = engine::playbook::check::check(&read);
    if read.playbook != name || named.iter().any(|problem| problem.pointer == "/playbook") {
        return Err(Failure::new(Kind::Usage, "playbook-name").with("name", name));
    }
    Ok(text)
}

/// Writes a file that is not there yet.
fn write_new(path: &Path, text: &str) -> Result<(), Failure> {
    use std::io::Write;
    let open = std::fs::OpenOptions::new().write(true).create_new(true).open(path);
    let written = open.and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => {
            Failure::new(Kind::Conflict, "file-exists").with("path", path.display())
        }
        _ => Failure::io("write", path, &error),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_playbook_is_sound_and_still_commented() {
        for like in [Like::Toner, Like::Milk, Like::Office] {
            let text = renamed(like.text(), "filters").unwrap();
            let document = Document::read(&text, "filters.yaml");
            assert!(document.found.is_empty(), "{:?}", document.told(&Messages::new(crate::i18n::Lang::En)));
            let playbook = document.playbook.unwrap();
            assert_eq!((playbook.playbook.as_str(), playbook.category.as_str()), ("filters", "filters"));
            assert!(text.lines().filter(|line| line.trim_start().starts_with('#')).count() > 5);
            assert!(!text.contains("playbooks/"), "{text}");
        }
        for name in ["", "Water Filters", "a: b", "# no"] {
            assert_eq!(renamed(Like::Toner.text(), name).unwrap_err().code, "playbook-name", "{name:?}");
        }
    }
}
