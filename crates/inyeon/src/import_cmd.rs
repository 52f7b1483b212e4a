//! `inyeon import`: files to events, sorted by their own time, into a line of time of their own.

use std::path::PathBuf;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::{Value, json};

use crate::access::Access;
use crate::cli::complain;
use crate::error::{Failure, Kind};
use crate::i18n::Messages;
use crate::import::csv_map::{self, Map, ReadOptions};
use crate::import::sort::{MEMORY_BYTES_DEFAULT, Sorter};
use crate::import::{
    BadRow, BadRowReason, ImportError, ImportEvent, Progress, Sink, Summary, is_standard_input, jsonl, olist,
};
use crate::ops::{BadImportRow, ImportItem, Op};

/// What to import.
pub enum Input {
    Olist(PathBuf),
    Csv {
        file: PathBuf,
        map: PathBuf,
    },
    /// `source` names whose ids the lines have, where no map does.
    Jsonl {
        files: Vec<PathBuf>,
        map: Option<PathBuf>,
        source: String,
    },
}

impl Input {
    /// Whether it is known beforehand how much there is to read.
    fn is_measured(&self) -> bool {
        match self {
            Input::Olist(_) => true,
            Input::Csv { file, .. } => !is_standard_input(file),
            Input::Jsonl { files, .. } => !files.iter().any(|file| is_standard_input(file)),
        }
    }
}

/// Events sent in one call, and bytes of them: a call has a limit, and a line may be long.
const BATCH: usize = 1000;
const BATCH_BYTES: usize = 4 << 20;
/// Bad rows shown one by one; the rest is counted, and all are kept.
const BAD_ROWS_SHOWN: usize = 20;

/// Imports, and says what it did. Importing again adds only what is new.
pub fn run(access: &Access, input: &Input, messages: &Messages, quiet: bool) -> Result<Value, Failure> {
    let scratch =
        tempfile::tempdir().map_err(|error| Failure::io("create", &std::env::temp_dir(), &error))?;
    let bar = bar(quiet, input.is_measured(), messages);
    let mut collect = Collect {
        sorter: Sorter::new(scratch.path(), MEMORY_BYTES_DEFAULT),
        bad_rows: Vec::new(),
        bad_bytes: 0,
        shown: 0,
        access,
        name: String::new(),
        bar: &bar,
        messages,
        failed: None,
    };
    let (name, summary) = match input {
        Input::Olist(dir) => {
            collect.name = "olist".to_owned();
            let summary = olist::read(dir, &mut collect);
            ("olist".to_owned(), summary)
        }
        Input::Csv { file, map } => {
            let map = Map::load(map).map_err(Failure::from)?;
            let name = map.source().to_owned();
            collect.name.clone_from(&name);
            let options = ReadOptions::in_dir(scratch.path());
            (name, csv_map::read(file, &map, &options, &mut collect))
        }
        Input::Jsonl { files, map, source } => {
            let map = map.as_deref().map(Map::load).transpose().map_err(Failure::from)?;
            let name = map.as_ref().map_or(source.as_str(), Map::source).to_owned();
            collect.name.clone_from(&name);
            let options = jsonl::ReadOptions { map: map.as_ref(), now: runtime::Clock::System.now() };
            (name, jsonl::read(files, &options, &mut collect))
        }
    };
    let summary = match (summary, collect.failed.take()) {
        (_, Some(failure)) => return Err(failure),
        (Err(error), None) => return Err(error.into()),
        (Ok(summary), None) => summary,
    };
    collect.flush_bad_rows()?;
    let sorter = collect.sorter;
    let started = access.run(Op::ImportStart { name: name.clone() })?;
    let timeline = started["timeline"].as_u64().unwrap_or_default() as u32;
    let appended = append(access, &name, timeline, sorter, &bar, messages)?;
    bar.finish_and_clear();
    let events = summary.event_count();
    let bad_rows = summary.bad_rows() + appended.refused;
    access.run(Op::ImportFinish { name: name.clone(), events, bad_rows })?;
    Ok(report(&name, &summary, &appended))
}

/// What became of the events.
#[derive(Default)]
struct Appended {
    applied: u64,
    known: u64,
    /// Kept as dead letters.
    refused: u64,
}

fn append(
    access: &Access,
    name: &str,
    timeline: u32,
    sorter: Sorter,
    bar: &ProgressBar,
    messages: &Messages,
) -> Result<Appended, Failure> {
    let total = sorter.len();
    bar.reset();
    bar.set_length(total);
    bar.set_style(style("{msg} {bar:32} {human_pos}/{human_len} {per_sec} ETA {eta}"));
    bar.set_message(messages.get("import-applying"));
    let mut done = Appended::default();
    let mut items = Vec::with_capacity(BATCH);
    let mut bytes = 0;
    let mut send = |items: &mut Vec<ImportItem>| -> Result<(), Failure> {
        let count = items.len() as u64;
        if count > 0 {
            let op = Op::ImportAppend { name: name.to_owned(), timeline, items: std::mem::take(items) };
            let answer = access.run(op)?;
            done.applied += answer["appended"].as_u64().unwrap_or_default();
            done.known += answer["known"].as_u64().unwrap_or_default();
            done.refused += answer["refused"].as_u64().unwrap_or_default();
            bar.inc(count);
        }
        Ok(())
    };
    for event in sorter.finish()? {
        let event = event?;
        let at = model::Time::from_timestamp(event.at);
        bytes += event.json.len();
        items.push(ImportItem { key: event.key, at, json: event.json });
        if items.len() == BATCH || bytes >= BATCH_BYTES {
            bytes = 0;
            send(&mut items)?;
        }
    }
    send(&mut items)?;
    Ok(done)
}

fn report(name: &str, summary: &Summary, appended: &Appended) -> Value {
    let files = summary.files.iter().map(|file| {
        json!({
            "file": file.file, "rows": file.rows, "used": file.used, "skipped": file.skipped,
            "bad_rows": file.bad_rows,
        })
    });
    json!({
        "import": name,
        "rows": summary.rows(),
        "bad_rows": summary.bad_rows() + appended.refused,
        "events": summary.event_count(),
        "applied": appended.applied,
        "known_before": appended.known,
        "events_by_name": summary.events,
        "files": files.collect::<Vec<_>>(),
        "notes": summary.notes.iter().map(|n| json!({ "what": n.what, "count": n.count })).collect::<Vec<_>>(),
    })
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("a template of ours").progress_chars("=> ")
}

fn bar(quiet: bool, measured: bool, messages: &Messages) -> ProgressBar {
    let target = if quiet { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr_with_hz(5) };
    let bar = ProgressBar::with_draw_target(Some(0), target);
    bar.set_style(style(if measured {
        "{msg} {bar:32} {bytes}/{total_bytes} {bytes_per_sec} ETA {eta}"
    } else {
        "{msg} {spinner} {bytes} {bytes_per_sec}"
    }));
    bar.set_message(messages.get("import-reading"));
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

struct Collect<'a> {
    sorter: Sorter,
    bad_rows: Vec<BadImportRow>,
    bad_bytes: usize,
    shown: usize,
    access: &'a Access,
    name: String,
    bar: &'a ProgressBar,
    messages: &'a Messages,
    failed: Option<Failure>,
}

impl Collect<'_> {
    /// Why a row was left out and, where the intake refuses it too, what to do about it.
    fn reason(&self, reason: &BadRowReason) -> String {
        let BadRowReason::Event { code, detail } = reason else { return reason.to_string() };
        let code = code.replace('_', "-");
        let why = self.messages.with(&format!("refused-{code}"), &[("detail", detail.clone())]);
        format!("{why}. {}", self.messages.get(&format!("remedy-{code}")))
    }

    fn flush_bad_rows(&mut self) -> Result<(), Failure> {
        if self.bad_rows.is_empty() {
            return Ok(());
        }
        self.bad_bytes = 0;
        let rows = std::mem::take(&mut self.bad_rows);
        self.access.run(Op::ImportReject { name: self.name.clone(), rows }).map(drop)
    }
}

impl Sink for Collect<'_> {
    fn event(&mut self, event: ImportEvent) -> Result<(), ImportError> {
        self.sorter.push(&event)
    }

    fn bad_row(&mut self, row: BadRow) -> Result<(), ImportError> {
        if self.shown < BAD_ROWS_SHOWN {
            let values = [("place", row.place()), ("reason", self.reason(&row.reason))];
            self.bar.suspend(|| complain(&self.messages.with("import-bad-row", &values)));
        } else if self.shown == BAD_ROWS_SHOWN {
            self.bar.suspend(|| complain(&self.messages.get("import-more-bad-rows")));
        }
        self.shown += 1;
        self.bad_bytes += row.raw.len();
        self.bad_rows.push(BadImportRow {
            place: row.place(),
            code: row.reason.code().to_owned(),
            reason: row.reason.to_string(),
            raw: row.raw,
        });
        if (self.bad_rows.len() >= BATCH || self.bad_bytes >= BATCH_BYTES)
            && let Err(failure) = self.flush_bad_rows()
        {
            self.failed = Some(failure.clone());
            return Err(ImportError::sink(failure));
        }
        Ok(())
    }

    fn progress(&mut self, progress: &Progress<'_>) {
        self.bar.set_length(progress.bytes_total);
        self.bar.set_position(progress.bytes_read);
    }
}

impl From<ImportError> for Failure {
    fn from(error: ImportError) -> Self {
        let beneath = std::error::Error::source(&error).map(|s| format!(": {s}")).unwrap_or_default();
        Failure::new(Kind::Failed, "import")
            .with("cause", format!("{}{beneath}", error.cause))
            .with("place", &error.place)
            .with("remedy", &error.remedy)
    }
}
