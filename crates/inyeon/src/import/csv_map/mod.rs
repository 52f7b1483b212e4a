//! Any table: a map in YAML says which rows become which events. `docs/import.md` describes the format.
//!
//! Rows that make one event together (the lines of an invoice) are folded as they come and then put through a
//! sort on disk by their group, so a group is found whole wherever its rows stand, with bounded memory.

mod group;
mod message;
mod plan;
mod request;
mod run;
mod signature;
mod spec;
mod value;

use std::path::{Path, PathBuf};

use self::group::Groups;
pub use self::message::{Envelope, body_of};
use self::plan::Plan;
pub use self::request::Request;
use self::request::View;
pub use self::run::EVENTS_MAX;
use self::run::{Gathered, Run, Taken};
use self::value::Source;
use super::lines::Meter;
use super::progress::Feed;
use super::table::{Row, Rows};
use super::{BadRowReason, ErrorKind, ImportError, ImportEvent, Sink, Summary};

/// A field that a map reads: its name, and its place among the map's fields so that a source need not look the
/// name up for every row.
#[derive(Clone, Debug)]
pub struct Field {
    name: String,
    index: usize,
}

impl Field {
    fn new(name: &str, index: usize) -> Self {
        Field { name: name.to_owned(), index }
    }

    /// As the map writes it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its place in [`Map::fields`].
    pub fn index(&self) -> usize {
        self.index
    }
}

/// A map that was checked and is ready to be used.
#[derive(Clone, Debug)]
pub struct Map {
    plan: Plan,
    file: String,
}

impl Map {
    /// Reads a map from its file.
    pub fn load(path: &Path) -> Result<Map, ImportError> {
        let yaml = std::fs::read_to_string(path).map_err(|error| ImportError::read(path, error))?;
        Map::parse(&yaml, &path.display().to_string())
    }

    /// Reads a map from its text; `file` is what errors call it.
    pub fn parse(yaml: &str, file: &str) -> Result<Map, ImportError> {
        Ok(Map { plan: plan::plan(yaml, file)?, file: file.to_owned() })
    }

    /// The id of the source: the keys of all events belong to it.
    pub fn source(&self) -> &str {
        &self.plan.source
    }

    /// The fields it reads.
    pub fn fields(&self) -> &[Field] {
        &self.plan.reading.fields
    }

    /// The events of a webhook's request or a device's message. Of a list's elements some may make nothing; all of
    /// them is a mistake. An event whose key is empty has no name. More than [`EVENTS_MAX`] events are refused.
    pub fn events_of(&self, request: &Request<'_>) -> Result<Vec<ImportEvent>, BadRowReason> {
        let mut run = Run::new(&self.plan, None);
        let (rule, view) = self.rule_for(&run, request)?;
        let mut gathered = Gathered::default();
        let mut understood = false;
        for row in view.rows(self.plan.rules[rule].each.as_deref()) {
            match run.stage_by(rule, &row) {
                Ok(Taken::Staged) => run.gather(&mut gathered)?,
                Ok(Taken::Skipped) => {}
                Err(BadRowReason::NoRule) => continue,
                Err(reason) => return Err(reason),
            }
            understood = true;
        }
        if understood { Ok(run.gathered_events(&gathered)) } else { Err(BadRowReason::NoRule) }
    }

    /// The first rule that takes a request, and what it sees of it.
    fn rule_for<'r>(
        &'r self,
        run: &Run,
        request: &'r Request<'r>,
    ) -> Result<(usize, View<'r>), BadRowReason> {
        // Rules that are about any topic and any body see the same.
        let mut plain: Option<View<'r>> = None;
        for (index, rule) in self.plan.rules.iter().enumerate() {
            let of_its_own = rule.topic.is_some() || rule.bare.is_some();
            let view = match plain.take_if(|_| !of_its_own) {
                Some(view) => view,
                None => match View::by(rule, self.fields(), request) {
                    Some(view) => view,
                    None => continue,
                },
            };
            if run.takes(index, &view.whole())? {
                return Ok((index, view));
            }
            if !of_its_own {
                plain = Some(view);
            }
        }
        Err(BadRowReason::NoRule)
    }

    /// The filters of the topics that its rules name, each once; none for a map of tables or webhooks.
    pub fn topic_filters(&self) -> Vec<String> {
        let patterns = self.plan.rules.iter().filter_map(|rule| rule.topic.as_ref());
        let filters: std::collections::BTreeSet<String> = patterns.map(|pattern| pattern.filter()).collect();
        filters.into_iter().collect()
    }

    /// Whether a body only tries the address, as some systems do when it is entered.
    pub fn is_ping(&self, body: &str) -> bool {
        self.plan.pings.iter().any(|beginning| body.starts_with(beginning.as_str()))
    }

    /// Whether requests are to be signed; where not, the secret is a part of the address.
    pub fn is_signed(&self) -> bool {
        self.plan.signature.is_some()
    }

    /// Whether a request's signature is right for its body.
    pub fn is_signature_right(
        &self,
        secret: &str,
        header: &dyn Fn(&str) -> Option<String>,
        body: &[u8],
    ) -> bool {
        self.plan.signature.as_ref().is_some_and(|signature| signature.is_right(secret, header, body))
    }

    /// The headers that the rules read, in lower case.
    pub fn headers(&self) -> impl Iterator<Item = String> {
        self.fields()
            .iter()
            .filter_map(|field| field.name().strip_prefix("@header."))
            .map(str::to_ascii_lowercase)
    }
}

/// What grouping may use while a table is read.
#[derive(Clone, Debug)]
pub struct ReadOptions {
    /// A folder for spilled groups, which must exist; see [`super::sort`].
    pub temp_dir: PathBuf,
    /// Memory for them.
    pub memory_bytes: usize,
}

impl ReadOptions {
    /// With the default memory.
    pub fn in_dir(temp_dir: impl Into<PathBuf>) -> Self {
        ReadOptions { temp_dir: temp_dir.into(), memory_bytes: super::sort::MEMORY_BYTES_DEFAULT }
    }
}

/// A row of a table with the places of a map's fields in it.
struct TableRow<'r> {
    row: &'r Row,
    places: &'r [usize],
}

impl Source for TableRow<'_> {
    fn field(&self, field: &Field) -> Option<&str> {
        self.places.get(field.index).map(|&place| self.row.get(place))
    }

    fn line(&self) -> u64 {
        self.row.line()
    }
}

/// Reads a table by a map and delivers its events: those of single rows as they come, those of groups at the end.
pub fn read(
    table: &Path,
    map: &Map,
    options: &ReadOptions,
    sink: &mut dyn Sink,
) -> Result<Summary, ImportError> {
    if let Some(rule) = map.plan.rules.iter().find_map(|rule| rule.each.as_deref()) {
        return Err(ImportError::new(
            ErrorKind::Map,
            format!("`each: {rule}` is about lists in a webhook's body, and a table has none"),
            &map.file,
            "Take the map for a webhook with `inyeon webhooks connect`",
        ));
    }
    if let Some(filter) = map.topic_filters().first() {
        return Err(ImportError::new(
            ErrorKind::Map,
            format!("the map is about messages on topics ({filter}), and a table has none"),
            &map.file,
            "Take the map for a broker with `inyeon brokers connect`",
        ));
    }
    let meter = Meter::over(&[table])?;
    let mut rows = Rows::open(table, map.plan.dialect, &meter)?;
    let places: Vec<usize> = map
        .fields()
        .iter()
        .map(|field| rows.column(field.name()).map_err(|error| error.read_by(&map.file)))
        .collect::<Result<_, _>>()?;
    let mut feed = Feed::new(sink, meter);
    feed.begin_file(rows.file());
    let mut run = Run::new(&map.plan, Some(rows.file()));
    let mut groups = Groups::new(options);
    let mut row = Row::default();
    while let Some(read) = rows.next(&mut row)? {
        if let Err(bad) = read {
            feed.bad_row(bad)?;
            continue;
        }
        match run.stage(&TableRow { row: &row, places: &places }) {
            Ok(Taken::Staged) => {
                feed.used();
                run.commit(&mut groups, &mut feed)?;
            }
            Ok(Taken::Skipped) => feed.skipped(),
            Err(reason) => feed.bad_row(rows.bad_row(&row, reason))?,
        }
    }
    run.finish(groups, &mut feed)?;
    Ok(feed.finish())
}
