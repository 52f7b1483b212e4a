//! The reading side: a connection of its own, that never waits for the writer.

use std::path::{Path, PathBuf};
use std::time::Duration;

use model::{EntityId, TimelineId};
use rusqlite::{Connection, OpenFlags, Params, params};

use crate::change::{EffectState, ProfileRow};
use crate::connection::{AutoOrderRow, DecisionRow, NeedRow};
use crate::dump;
use crate::error::{At, Error, Result};
use crate::needs::{NeedQuery, NeedReport};
use crate::report::{PromiseReport, ReportQuery};
use crate::risk::{self, RemedyReport, RiskRow};
use crate::rows::{
    ClockRow, DeadLetterRow, EffectRow, EffectsSwitch, FromColumns, HistoryRow, ImportRow, OrderLineRow,
    OrderRow, PaymentRow, PromiseRow, ReturnRow, ReviewRow, RevisionRow, SourceRow, ViolationRow,
};
use crate::schema;

const DOING: &str = "read the views";

/// The views, open for reading. Each answer is of one moment; take one reader per thread.
///
/// A reader sees the file it opened: after the views were dropped and begun anew, open another.
#[derive(Debug)]
pub struct Reader {
    db: Connection,
    path: PathBuf,
}

/// Which dead letters; everything where a field is `None`.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct DeadLetterFilter {
    pub source: Option<String>,
    pub code: Option<String>,
    /// Only those that were sent in again, or only those that were not.
    pub replayed: Option<bool>,
    /// Only those with a lower sequence, to turn the page.
    pub before: Option<u64>,
    pub limit: Option<usize>,
}

/// Which effects; everything where a field is `None`.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct EffectFilter {
    pub entity: Option<EntityId>,
    pub state: Option<EffectState>,
    /// How many to pass over, to turn the page.
    pub skip: usize,
    pub limit: Option<usize>,
}

/// Which violations of the tracking plan; everything where a field is `None`.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ViolationFilter {
    pub source: Option<String>,
    pub event: Option<String>,
    pub limit: Option<usize>,
}

impl Reader {
    /// Opens existing views; [`crate::Views::open`] makes them.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let db = Connection::open_with_flags(path, flags).at(path, "open the views to read")?;
        db.busy_timeout(Duration::from_secs(5)).at(path, DOING)?;
        let found: i64 = db.pragma_query_value(None, "user_version", |row| row.get(0)).at(path, DOING)?;
        if found != schema::VERSION {
            return Err(Error::Format { path: path.to_path_buf(), found, expected: schema::VERSION });
        }
        Ok(Reader { db, path: path.to_path_buf() })
    }

    /// The journal sequence that the rows reflect.
    pub fn position(&self) -> Result<u64> {
        position(&self.db).at(&self.path, DOING)
    }

    /// What became of the promises, in all and by group.
    pub fn promise_report(&self, query: &ReportQuery) -> Result<PromiseReport> {
        // One transaction, so that all tables are of one moment.
        let tx = self.db.unchecked_transaction().at(&self.path, DOING)?;
        if let Some(name) = &query.source {
            let known: bool = tx
                .query_row("SELECT EXISTS (SELECT 1 FROM imports WHERE name = ?)", [name], |row| row.get(0))
                .at(&self.path, DOING)?;
            if !known {
                return Err(Error::UnknownSource { path: self.path.clone(), name: name.clone() });
            }
        }
        PromiseReport::read(&tx, query).at(&self.path, DOING)
    }

    /// Profiles that were seen last come first. `search` is looked for, in any case, in the user's id, the name,
    /// the e-mail address and the devices' ids; an entity's id finds its profile.
    pub fn profiles(&self, search: Option<&str>, limit: usize) -> Result<Vec<ProfileRow>> {
        let search = search.map(str::trim).filter(|text| !text.is_empty());
        let Some(text) = search else {
            let rows = self.rows(
                "FROM profiles WHERE merged_into IS NULL ORDER BY last_seen DESC, entity LIMIT ?",
                [at_most(Some(limit))],
            )?;
            return rows.into_iter().map(|row| self.with_absorbed(row)).collect();
        };
        let pattern: String = text.chars().flat_map(escaped).collect();
        let entity = text.parse::<EntityId>().ok().map(EntityId::to_key);
        let rows = self.rows(
            r"FROM profiles
            WHERE entity = ?2 OR merged_into IS NULL AND (
                user_id LIKE ?1 ESCAPE '\' OR name LIKE ?1 ESCAPE '\' OR email LIKE ?1 ESCAPE '\'
                OR anonymous_ids LIKE ?1 ESCAPE '\'
                    AND EXISTS (SELECT 1 FROM json_each(anonymous_ids) WHERE value LIKE ?1 ESCAPE '\'))
            ORDER BY last_seen DESC, entity LIMIT ?3",
            params![format!("%{pattern}%"), entity, at_most(Some(limit))],
        )?;
        rows.into_iter().map(|row| self.with_absorbed(row)).collect()
    }

    pub fn profile(&self, entity: EntityId) -> Result<Option<ProfileRow>> {
        let row = self.row("FROM profiles WHERE entity = ?", [entity.to_key()])?;
        row.map(|row| self.with_absorbed(row)).transpose()
    }

    /// Orders and promises stay where they were made; the person's own row counts those of the profiles that were
    /// merged into it.
    fn with_absorbed(&self, mut row: ProfileRow) -> Result<ProfileRow> {
        let sql = "WITH RECURSIVE part (entity) AS (
                SELECT entity FROM profiles WHERE merged_into = ?1
                UNION SELECT p.entity FROM profiles p JOIN part ON p.merged_into = part.entity)
            SELECT COALESCE(SUM(orders), 0), COALESCE(SUM(promises_made), 0), COALESCE(SUM(promises_open), 0),
                COALESCE(SUM(promises_kept), 0), COALESCE(SUM(promises_broken), 0),
                COALESCE(SUM(promises_withdrawn), 0)
            FROM profiles JOIN part USING (entity)";
        let mut statement = self.db.prepare_cached(sql).at(&self.path, DOING)?;
        let counts: [u64; 6] = statement
            .query_row([row.entity.to_key()], |columns| {
                let mut counts = [0; 6];
                for (n, count) in counts.iter_mut().enumerate() {
                    *count = columns.get::<_, i64>(n)?.unsigned_abs();
                }
                Ok(counts)
            })
            .at(&self.path, DOING)?;
        let [orders, made, open, kept, broken, withdrawn] = counts;
        row.orders += orders;
        row.promises.made += made;
        row.promises.open += open;
        row.promises.kept += kept;
        row.promises.broken += broken;
        row.promises.withdrawn += withdrawn;
        Ok(row)
    }

    /// The entity's orders with their lines, the newest first.
    pub fn orders_of(&self, entity: EntityId) -> Result<Vec<OrderRow>> {
        let key = entity.to_key();
        let tx = self.db.unchecked_transaction().at(&self.path, DOING)?;
        let mut orders: Vec<OrderRow> = self.rows("FROM orders WHERE entity = ? ORDER BY order_id", [key])?;
        let lines: Vec<OrderLineRow> =
            self.rows("FROM order_lines WHERE entity = ? ORDER BY order_id, line", [key])?;
        tx.finish().at(&self.path, DOING)?;
        for line in lines {
            if let Ok(index) = orders.binary_search_by(|order| order.order_id.cmp(&line.order_id)) {
                orders[index].lines.push(line);
            }
        }
        orders.sort_by_key(|order| std::cmp::Reverse(order.placed_at));
        Ok(orders)
    }

    /// What was paid and paid back, in the order it counted.
    pub fn payments_of(&self, entity: EntityId) -> Result<Vec<PaymentRow>> {
        self.rows("FROM payments WHERE entity = ? ORDER BY seq, ordinal", [entity.to_key()])
    }

    /// Returns, those that were asked for first first: those that wait for a person's decision, or all. At most so many.
    pub fn returns(&self, waiting_only: bool, limit: usize) -> Result<Vec<ReturnRow>> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        match waiting_only {
            true => self.rows(
                "FROM returns WHERE state = 'discretion' ORDER BY asked_at, return_id LIMIT ?",
                [limit],
            ),
            false => self.rows("FROM returns ORDER BY asked_at, return_id LIMIT ?", [limit]),
        }
    }

    /// Every return of this name; the names are the senders' own.
    pub fn returns_named(&self, return_id: &str) -> Result<Vec<ReturnRow>> {
        self.rows("FROM returns WHERE return_id = ? ORDER BY asked_at, order_id", [return_id])
    }

    /// Needs, those that moved last first: of one customer, or of all. At most so many.
    pub fn needs(&self, of: Option<EntityId>, limit: usize) -> Result<Vec<NeedRow>> {
        match of {
            Some(entity) => self.rows(
                "FROM needs WHERE entity = ? ORDER BY moved_at DESC, need_id LIMIT ?",
                params![entity.to_key(), at_most(Some(limit))],
            ),
            None => self
                .rows("FROM needs ORDER BY moved_at DESC, entity, need_id LIMIT ?", [at_most(Some(limit))]),
        }
    }

    /// Decisions, the latest first: of one customer, or of all. At most so many.
    pub fn decisions(&self, of: Option<EntityId>, limit: usize) -> Result<Vec<DecisionRow>> {
        match of {
            Some(entity) => self.rows(
                "FROM decisions WHERE entity = ? ORDER BY at DESC, decision_id LIMIT ?",
                params![entity.to_key(), at_most(Some(limit))],
            ),
            None => self
                .rows("FROM decisions ORDER BY at DESC, entity, decision_id LIMIT ?", [at_most(Some(limit))]),
        }
    }

    pub fn decision(&self, of: EntityId, decision_id: &str) -> Result<Option<DecisionRow>> {
        self.row("FROM decisions WHERE entity = ? AND decision_id = ?", params![of.to_key(), decision_id])
    }

    /// Automatic orders, those that moved last first: of one customer, or of all. At most so many.
    pub fn auto_orders(&self, of: Option<EntityId>, limit: usize) -> Result<Vec<AutoOrderRow>> {
        match of {
            Some(entity) => self.rows(
                "FROM auto_orders WHERE entity = ? ORDER BY moved_at DESC, action_id LIMIT ?",
                params![entity.to_key(), at_most(Some(limit))],
            ),
            None => self.rows(
                "FROM auto_orders ORDER BY moved_at DESC, entity, action_id LIMIT ?",
                [at_most(Some(limit))],
            ),
        }
    }

    /// What needs cost and what became of them, by category and strategy, what stood in their way, and what was
    /// ordered under mandates.
    pub fn need_report(&self, query: NeedQuery) -> Result<NeedReport> {
        // One transaction, so that all tables are of one moment.
        let tx = self.db.unchecked_transaction().at(&self.path, DOING)?;
        NeedReport::read(&tx, query).at(&self.path, DOING)
    }

    pub fn reviews_of(&self, entity: EntityId) -> Result<Vec<ReviewRow>> {
        self.rows("FROM reviews WHERE entity = ? ORDER BY at, order_id, review_id", [entity.to_key()])
    }

    /// The entity's promises, the latest due first.
    pub fn promises_of(&self, entity: EntityId) -> Result<Vec<PromiseRow>> {
        self.rows("FROM promises WHERE entity = ? ORDER BY due_at DESC, promise_id", [entity.to_key()])
    }

    pub fn promise(&self, entity: EntityId, promise_id: &str) -> Result<Option<PromiseRow>> {
        self.row("FROM promises WHERE entity = ? AND promise_id = ?", params![entity.to_key(), promise_id])
    }

    /// What was promised in each version of the entity's promises, the first included.
    pub fn revisions_of(&self, entity: EntityId) -> Result<Vec<RevisionRow>> {
        self.rows(
            "FROM (
                SELECT promise_id, 1 AS version, made_at AS at, first_due_at AS due_at, NULL AS reason
                FROM promises WHERE entity = ?1 AND made_at IS NOT NULL
                UNION ALL
                SELECT promise_id, version, at, due_at, reason FROM promise_revisions WHERE entity = ?1
            ) ORDER BY promise_id, version",
            [entity.to_key()],
        )
    }

    /// Each step of the entity's promises, in the order it counted.
    pub fn history(&self, entity: EntityId) -> Result<Vec<HistoryRow>> {
        self.rows("FROM promise_history WHERE entity = ? ORDER BY seq, ordinal", [entity.to_key()])
    }

    /// The newest first.
    pub fn dead_letters(&self, filter: &DeadLetterFilter) -> Result<Vec<DeadLetterRow>> {
        self.rows(
            "FROM dead_letters
            WHERE (?1 IS NULL OR source = ?1) AND (?2 IS NULL OR code = ?2)
                AND (?3 IS NULL OR (replayed_at IS NOT NULL) = ?3) AND (?4 IS NULL OR seq < ?4)
            ORDER BY seq DESC LIMIT ?5",
            params![filter.source, filter.code, filter.replayed, filter.before, at_most(filter.limit)],
        )
    }

    pub fn dead_letter(&self, seq: u64) -> Result<Option<DeadLetterRow>> {
        self.row("FROM dead_letters WHERE seq = ?", [seq])
    }

    /// Those that were seen last come first.
    pub fn violations(&self, filter: &ViolationFilter) -> Result<Vec<ViolationRow>> {
        self.rows(
            "FROM violations WHERE (?1 IS NULL OR source = ?1) AND (?2 IS NULL OR event = ?2)
            ORDER BY last_at DESC, source, event, sender, plan, pointer, rule, blocked LIMIT ?3",
            params![filter.source, filter.event, at_most(filter.limit)],
        )
    }

    /// Violations of the tracking plan since the store began: of events that were kept, and of blocked ones.
    pub fn violation_totals(&self) -> Result<(u64, u64)> {
        let sql = "SELECT COALESCE(SUM(count) FILTER (WHERE NOT blocked), 0),
            COALESCE(SUM(count) FILTER (WHERE blocked), 0) FROM violations";
        let totals = self.db.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?)));
        totals.at(&self.path, DOING)
    }

    /// Those that moved last come first.
    pub fn effects(&self, filter: &EffectFilter) -> Result<Vec<EffectRow>> {
        self.rows(
            "FROM effects
            WHERE (?1 IS NULL OR entity = ?1) AND (?2 IS NULL OR state = ?2)
            ORDER BY seq DESC, entity, key LIMIT ?3 OFFSET ?4",
            params![
                filter.entity.map(EntityId::to_key),
                filter.state.map(EffectState::name),
                at_most(filter.limit),
                filter.skip,
            ],
        )
    }

    pub fn sources(&self) -> Result<Vec<SourceRow>> {
        self.rows("FROM sources ORDER BY source", [])
    }

    pub fn imports(&self) -> Result<Vec<ImportRow>> {
        self.rows("FROM imports ORDER BY timeline", [])
    }

    /// The last switch of sending and ordering; `None` while nobody has touched it.
    pub fn effects_switch(&self) -> Result<Option<EffectsSwitch>> {
        self.row("FROM settings WHERE key = 'effects'", [])
    }

    /// Where each timeline's clock stands.
    pub fn clocks(&self) -> Result<Vec<ClockRow>> {
        self.rows("FROM clocks ORDER BY timeline", [])
    }

    pub fn clock(&self, timeline: TimelineId) -> Result<Option<ClockRow>> {
        self.row("FROM clocks WHERE timeline = ?", [timeline.0])
    }

    /// The promises at risk, those first that must be acted on first.
    pub fn at_risk(&self) -> Result<Vec<RiskRow>> {
        let tx = self.db.unchecked_transaction().at(&self.path, DOING)?;
        risk::at_risk(&tx).at(&self.path, DOING)
    }

    /// What was done for promises at risk, and what came of it.
    pub fn remedy_report(&self) -> Result<RemedyReport> {
        let tx = self.db.unchecked_transaction().at(&self.path, DOING)?;
        risk::report(&tx).at(&self.path, DOING)
    }

    pub(crate) fn db(&self) -> &Connection {
        &self.db
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// As [`crate::Views::dump`].
    pub fn dump(&self) -> Result<String> {
        dump::to_text(&self.db, &self.path)
    }

    pub(crate) fn rows<T: FromColumns>(&self, from: &str, params: impl Params) -> Result<Vec<T>> {
        let read = || {
            let mut statement = self.db.prepare_cached(&format!("SELECT {} {from}", T::COLUMNS))?;
            let rows = statement.query_map(params, T::from_row)?;
            rows.collect::<rusqlite::Result<_>>()
        };
        read().at(&self.path, DOING)
    }

    fn row<T: FromColumns>(&self, from: &str, params: impl Params) -> Result<Option<T>> {
        Ok(self.rows(from, params)?.into_iter().next())
    }
}

pub(crate) fn position(db: &Connection) -> rusqlite::Result<u64> {
    db.query_row("SELECT position FROM meta", [], |row| row.get(0))
}

/// A `LIMIT`; a negative one is none.
pub(crate) fn at_most(limit: Option<usize>) -> i64 {
    limit.map_or(-1, |limit| i64::try_from(limit).unwrap_or(i64::MAX))
}

/// A character of a `LIKE` pattern that stands for itself.
fn escaped(c: char) -> impl Iterator<Item = char> {
    matches!(c, '%' | '_' | '\\').then_some('\\').into_iter().chain([c])
}
