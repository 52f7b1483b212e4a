//! The promise report: what became of what was promised, in all and by group.
//!
//! One walk over four tables side by side, an entity at a time, so that a report needs no index and no join and
//! holds in memory only the counts, the delivery times and one entity's rows.

use std::collections::HashMap;
use std::ops::Range;

use model::{BreakCause, CancelledBy, PromiseKind, PromiseStatus, Time, TimelineId};
use rusqlite::types::Value;
use rusqlite::{Connection, Result, Rows, Statement, params_from_iter};
use serde::Serialize;

use crate::kpi::{Delivery, Gaps, Interval, Ratings, Wait, promise_gap, share, wait_quantiles, wilson};
use crate::reader;
use crate::rows::{Columns, TargetRow};
use crate::wire;

const DAY_MICROS: f64 = 86_400_000_000.0;

/// Which promises a report is about; all that were made where everything is `None`.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ReportQuery {
    pub group_by: Option<GroupBy>,
    pub timeline: Option<TimelineId>,
    /// The name of an import: the timelines that it filled.
    pub source: Option<String>,
    /// Due then or later, by the latest version.
    pub due_from: Option<Time>,
    /// Due before then.
    pub due_to: Option<Time>,
    pub kind: Option<PromiseKind>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum GroupBy {
    /// Of the due date, in the promise's own time zone.
    Month,
    /// The order's region; `state` on the command line.
    Region,
    Category,
    Seller,
    /// How value is exchanged: direct, mediated, financial.
    Exchange,
}

impl GroupBy {
    pub const ALL: [GroupBy; 5] =
        [GroupBy::Month, GroupBy::Region, GroupBy::Category, GroupBy::Seller, GroupBy::Exchange];

    pub fn name(self) -> &'static str {
        match self {
            GroupBy::Month => "month",
            GroupBy::Region => "region",
            GroupBy::Category => "category",
            GroupBy::Seller => "seller",
            GroupBy::Exchange => "exchange",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "state" => Some(GroupBy::Region),
            name => Self::ALL.into_iter().find(|by| by.name() == name),
        }
    }
}

wire::named!(GroupBy, GroupBy::ALL);

#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct PromiseReport {
    /// The journal sequence that the numbers reflect.
    pub as_of: u64,
    #[serde(serialize_with = "wire::name_opt")]
    pub group_by: Option<GroupBy>,
    pub total: ReportRow,
    /// By key; what has none comes last.
    pub groups: Vec<ReportGroup>,
    /// What a reader of the numbers must know.
    pub notes: Vec<String>,
}

#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct ReportGroup {
    /// `None` where the order or its line does not say.
    pub key: Option<String>,
    #[serde(flatten)]
    pub row: ReportRow,
}

/// The numbers of one group. Shares go from 0 to 1, `None` is "nothing to divide by" or "not reached", intervals
/// are 95 % ones, low end first.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
pub struct ReportRow {
    /// Every promise that was made: `kept + broken + cancelled + withdrawn_by_customer + open`.
    pub n_made: u64,
    /// `kept + broken`: those with a verdict.
    pub due: u64,
    pub kept: u64,
    pub broken: u64,
    /// Broken, and what was promised never came to pass.
    pub never_delivered: u64,
    /// Broken because the company took it back.
    pub company_cancelled: u64,
    /// Taken back by nobody knows whom; counted neither as kept nor as broken.
    pub cancelled: u64,
    /// Taken back by the customer; leaves the denominator.
    pub withdrawn_by_customer: u64,
    /// No verdict yet.
    pub open: u64,
    /// Open, and at risk.
    pub at_risk_now: u64,
    /// Kept, by late evidence, after they had counted as broken.
    pub corrected: u64,

    /// K22: `kept / due`.
    pub kept_rate: Option<f64>,
    pub kept_rate_ci: Option<Interval>,
    /// As if every cancellation by nobody knows whom were a break: `kept / (due + cancelled)`.
    pub kept_rate_lower_bound: Option<f64>,

    /// Due promises about a date, over which the next three are taken.
    pub n_gap: u64,
    /// K22: mean days late, early ones counting 0.
    pub over_promise_days: Option<f64>,
    /// K22: mean days early, late ones counting 0.
    pub slack_days: Option<f64>,
    pub mean_gap_days: Option<f64>,
    pub mean_gap_days_ci: Option<Interval>,
    /// Due promises about a number whose outcome is known; their gap is in units of their tolerance.
    pub n_target_gap: u64,
    pub target_over_promise: Option<f64>,
    pub target_slack: Option<f64>,

    /// K09: orders whose time from being placed to being delivered is counted.
    pub delivery_days_n: u64,
    /// Those of them not delivered: their time is only known to be longer.
    pub delivery_days_n_censored: u64,
    pub delivery_days_p50: Option<f64>,
    pub delivery_days_p50_ci: [Option<f64>; 2],
    pub delivery_days_p90: Option<f64>,
    pub delivery_days_p90_ci: [Option<f64>; 2],
    pub delivery_days_p95: Option<f64>,
    pub delivery_days_p95_ci: [Option<f64>; 2],

    /// K15 against what was promised first.
    pub otif_first: Option<f64>,
    pub otif_first_ci: Option<Interval>,
    pub otif_first_n: u64,
    /// K15 against the latest version of the promise.
    pub otif_latest: Option<f64>,
    pub otif_latest_ci: Option<Interval>,
    pub otif_latest_n: u64,

    /// Reviews of orders whose promise was kept.
    pub n_scores_kept: u64,
    pub mean_score_kept: Option<f64>,
    pub mean_score_kept_ci: Option<Interval>,
    /// K11.
    pub top2_kept: Option<f64>,
    pub top2_kept_ci: Option<Interval>,
    /// Reviews of orders whose promise was broken.
    pub n_scores_broken: u64,
    pub mean_score_broken: Option<f64>,
    pub mean_score_broken_ci: Option<Interval>,
    /// K11.
    pub top2_broken: Option<f64>,
    pub top2_broken_ci: Option<Interval>,
}

impl PromiseReport {
    pub(crate) fn read(db: &Connection, query: &ReportQuery) -> Result<Self> {
        let mut counting = Counting::new(query.group_by, clocks(db)?);
        walk(db, query, |rows| counting.entity(rows))?;
        let (total, groups) = counting.finish();
        Ok(PromiseReport {
            as_of: reader::position(db)?,
            group_by: query.group_by,
            total,
            groups,
            notes: notes(query.group_by),
        })
    }
}

fn notes(group_by: Option<GroupBy>) -> Vec<String> {
    let mut notes = vec![
        "due = kept + broken: a promise counts as due as soon as its verdict is known, also before its date",
        "promises that the customer took back leave the denominator; those cancelled by nobody knows whom are \
         shown beside it, and kept_rate_lower_bound counts them as broken",
        "gaps are days from the promised date, before tolerance; an undelivered promise is late until the clock \
         of its timeline",
        "delivery times are of the promises' orders, each once, from being placed until all of it was delivered; \
         an undelivered order counts as still waiting, a cancelled one until it was cancelled",
        "otif is over promises that belong to an order: all of it delivered by the promised date, without \
         tolerance; undelivered, untracked and company-cancelled ones count as missed, and dates less than a week \
         old may still change with late carrier scans",
        "scores are over reviews; an order with several promises counts in kept and in broken if it has both",
    ];
    match group_by {
        None => {}
        Some(GroupBy::Month) => notes.push("months are of the latest due date, in the promise's own time zone"),
        Some(GroupBy::Region) => notes.push("regions are as the order named them"),
        Some(GroupBy::Category) => notes.push(
            "an order with lines in two categories counts once in each, so the groups add up to more than the total",
        ),
        Some(GroupBy::Seller) => notes.push(
            "an order with lines of two sellers counts once for each, so the groups add up to more than the total",
        ),
        Some(GroupBy::Exchange) => notes.push(
            "an order with lines of two kinds of exchange counts once for each, so the groups may add up to more \
             than the total",
        ),
    }
    notes.into_iter().map(str::to_owned).collect()
}

fn clocks(db: &Connection) -> Result<HashMap<u32, Time>> {
    let mut statement = db.prepare("SELECT timeline, at FROM clocks")?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, Time(row.get(1)?))))?;
    rows.collect()
}

/// What the report needs of a promise.
struct Promise {
    timeline: u32,
    order_id: Option<String>,
    delivery: bool,
    status: PromiseStatus,
    cause: Option<BreakCause>,
    withdrawn_by: Option<CancelledBy>,
    withdrawn_at: Option<Time>,
    first_due_at: Time,
    due_at: Time,
    due_month: String,
    target: Option<TargetRow>,
    fulfilled_at: Option<Time>,
    actual: Option<f64>,
    broken_at: Option<Time>,
    corrected: bool,
}

impl Promise {
    const COLUMNS: &str = "entity, timeline, order_id, attribute = 'delivery', status, cause, withdrawn_by, \
        withdrawn_at, first_due_at, due_at, due_month, comparator, target_value, target_tolerance, target_unit, \
        fulfilled_at, actual, broken_at, corrected_at IS NOT NULL";

    fn read(row: &mut Columns<'_, '_>) -> Result<Self> {
        Ok(Promise {
            timeline: row.take()?,
            order_id: row.take()?,
            delivery: row.take()?,
            status: row.named()?,
            cause: row.named_opt()?,
            withdrawn_by: row.named_opt()?,
            withdrawn_at: row.time_opt()?,
            first_due_at: row.time()?,
            due_at: row.time()?,
            due_month: row.take()?,
            target: TargetRow::read_opt(row)?,
            fulfilled_at: row.time_opt()?,
            actual: row.take()?,
            broken_at: row.time_opt()?,
            corrected: row.take()?,
        })
    }

    fn by_customer(&self) -> bool {
        self.status == PromiseStatus::Withdrawn && self.withdrawn_by == Some(CancelledBy::Customer)
    }

    fn is_due(&self) -> bool {
        matches!(self.status, PromiseStatus::Kept | PromiseStatus::Broken)
    }

    /// K22 in days, of a due promise about a date.
    fn gap_days(&self, now: Option<Time>) -> Option<f64> {
        if !self.is_due() || self.target.is_some() {
            return None;
        }
        let late = match self.fulfilled_at {
            Some(at) => at.since(self.due_at),
            // Still not there: late by now, and never early. Without a clock, late at least until the verdict.
            None => now.or(self.broken_at)?.since(self.due_at).max(0),
        };
        Some(late as f64 / DAY_MICROS)
    }

    /// K22 in tolerances, of a due promise about a number.
    fn gap_of_target(&self) -> Option<f64> {
        let target = self.target.as_ref().filter(|_| self.is_due())?;
        Some(promise_gap(target.value, self.actual?, target.tolerance, target.comparator))
    }

    /// K15 against one target; `None` where it does not count.
    fn otif(&self, order: Option<&Order>, target: Time, now: Option<Time>) -> Option<bool> {
        self.order_id.as_ref()?;
        let in_full_at = match order {
            // The carrier said how much arrived.
            Some(order) if self.delivery && order.fraction_known => order.delivered_at,
            _ => self.fulfilled_at,
        };
        let called_off_at = if self.by_customer() { self.withdrawn_at } else { None };
        Delivery { target, in_full_at, called_off_at, ended: !self.status.is_open(), now }.on_time_in_full()
    }
}

/// What the report needs of an order.
struct Order {
    order_id: String,
    timeline: u32,
    region: Option<String>,
    placed_at: Option<Time>,
    delivered_at: Option<Time>,
    fraction_known: bool,
    cancelled_at: Option<Time>,
}

impl Order {
    const COLUMNS: &str = "entity, order_id, timeline, region, placed_at, delivered_at, \
        delivered_fraction IS NOT NULL, cancelled_at";

    fn read(row: &mut Columns<'_, '_>) -> Result<Self> {
        Ok(Order {
            order_id: row.take()?,
            timeline: row.take()?,
            region: row.take()?,
            placed_at: row.time_opt()?,
            delivered_at: row.time_opt()?,
            fraction_known: row.take()?,
            cancelled_at: row.time_opt()?,
        })
    }

    /// K09: `delivered − placed`, or how long it has been awaited.
    fn wait(&self, now: Option<Time>) -> Option<Wait> {
        let until = self.delivered_at.or(self.cancelled_at).or(now)?;
        let micros = until.since(self.placed_at?).max(0);
        Some(Wait { length: micros as f64 / DAY_MICROS, ended: self.delivered_at.is_some() })
    }
}

/// An order's id with something said of that order: a line's group, a review's rating.
struct OfOrder<T> {
    order_id: String,
    value: T,
}

impl OfOrder<Option<String>> {
    fn read(row: &mut Columns<'_, '_>) -> Result<Self> {
        Ok(OfOrder { order_id: row.take()?, value: row.take()? })
    }
}

impl OfOrder<u8> {
    fn read(row: &mut Columns<'_, '_>) -> Result<Self> {
        Ok(OfOrder { order_id: row.take()?, value: row.take()? })
    }
}

/// The rows of `sorted` about one order.
fn range_of<T>(sorted: &[OfOrder<T>], order_id: &str) -> Range<usize> {
    let start = sorted.partition_point(|row| row.order_id.as_str() < order_id);
    let end = start + sorted[start..].partition_point(|row| row.order_id == order_id);
    start..end
}

/// One entity's rows, each list by order id (promises by their own).
#[derive(Default)]
struct EntityRows {
    promises: Vec<Promise>,
    orders: Vec<Order>,
    labels: Vec<OfOrder<Option<String>>>,
    ratings: Vec<OfOrder<u8>>,
}

/// Hands over the rows of one entity after the other.
fn walk(db: &Connection, query: &ReportQuery, mut visit: impl FnMut(&EntityRows)) -> Result<()> {
    let (mut promises, values) = select_promises(db, query)?;
    let mut promises = Stream::new(promises.query(params_from_iter(values))?, Promise::read)?;
    let mut orders =
        db.prepare(&format!("SELECT {} FROM orders ORDER BY entity, order_id", Order::COLUMNS))?;
    let mut orders = Stream::new(orders.query([])?, Order::read)?;
    let mut ratings = db.prepare("SELECT entity, order_id, rating FROM reviews ORDER BY entity, order_id")?;
    let mut ratings = Stream::new(ratings.query([])?, OfOrder::<u8>::read)?;
    let column = match query.group_by {
        Some(GroupBy::Category) => Some("category"),
        Some(GroupBy::Seller) => Some("seller_id"),
        Some(GroupBy::Exchange) => Some("exchange"),
        _ => None,
    };
    let labels = column.map(|column| {
        db.prepare(&format!("SELECT entity, order_id, {column} FROM order_lines ORDER BY entity, order_id"))
    });
    let mut labels = labels.transpose()?;
    let mut labels = match &mut labels {
        Some(statement) => Some(Stream::new(statement.query([])?, OfOrder::<Option<String>>::read)?),
        None => None,
    };

    let mut rows = EntityRows::default();
    while let Some(entity) = promises.entity() {
        promises.take(entity, &mut rows.promises)?;
        orders.take(entity, &mut rows.orders)?;
        ratings.take(entity, &mut rows.ratings)?;
        if let Some(labels) = &mut labels {
            labels.take(entity, &mut rows.labels)?;
        }
        visit(&rows);
    }
    Ok(())
}

fn select_promises<'c>(db: &'c Connection, query: &ReportQuery) -> Result<(Statement<'c>, Vec<Value>)> {
    let mut sql = format!(
        "SELECT {} FROM promises
        WHERE made_at IS NOT NULL AND status IN ('made', 'at_risk', 'kept', 'broken', 'withdrawn')",
        Promise::COLUMNS
    );
    let mut values: Vec<Value> = Vec::new();
    let mut only = |condition: &str, value: Option<Value>| {
        if let Some(value) = value {
            sql.push_str(condition);
            values.push(value);
        }
    };
    only(" AND timeline = ?", query.timeline.map(|timeline| timeline.0.into()));
    only(
        " AND timeline IN (SELECT timeline FROM imports WHERE name = ?)",
        query.source.as_ref().map(|name| name.clone().into()),
    );
    only(" AND due_at >= ?", query.due_from.map(|at| at.0.into()));
    only(" AND due_at < ?", query.due_to.map(|at| at.0.into()));
    only(" AND kind = ?", query.kind.map(|kind| kind.name().to_owned().into()));
    sql.push_str(" ORDER BY entity, promise_id");
    Ok((db.prepare(&sql)?, values))
}

/// Rows that begin with their entity and come sorted by it.
struct Stream<'s, T> {
    rows: Rows<'s>,
    read: fn(&mut Columns<'_, '_>) -> Result<T>,
    head: Option<([u8; 11], T)>,
}

impl<'s, T> Stream<'s, T> {
    fn new(rows: Rows<'s>, read: fn(&mut Columns<'_, '_>) -> Result<T>) -> Result<Self> {
        let mut stream = Stream { rows, read, head: None };
        stream.advance()?;
        Ok(stream)
    }

    fn advance(&mut self) -> Result<()> {
        self.head = match self.rows.next()? {
            Some(row) => {
                let mut row = Columns::of(row);
                Some((row.take()?, (self.read)(&mut row)?))
            }
            None => None,
        };
        Ok(())
    }

    /// Whose rows come next.
    fn entity(&self) -> Option<[u8; 11]> {
        self.head.as_ref().map(|(entity, _)| *entity)
    }

    /// Puts the entity's rows in the place of what is in `to`, passing over those of entities before it.
    fn take(&mut self, entity: [u8; 11], to: &mut Vec<T>) -> Result<()> {
        to.clear();
        while let Some((owner, row)) = self.head.take_if(|(owner, _)| *owner <= entity) {
            if owner == entity {
                to.push(row);
            }
            self.advance()?;
        }
        Ok(())
    }
}

/// The total, which is group 0, and the groups.
struct Counting {
    group_by: Option<GroupBy>,
    clocks: HashMap<u32, Time>,
    tallies: Vec<Tally>,
    groups: HashMap<Option<String>, usize>,
    /// Of the entity at hand: (group, order), (group, kept, first rating). Sorted, each counts once.
    seen_orders: Vec<(usize, usize)>,
    seen_reviews: Vec<(usize, bool, usize, usize)>,
}

impl Counting {
    fn new(group_by: Option<GroupBy>, clocks: HashMap<u32, Time>) -> Self {
        Counting {
            group_by,
            clocks,
            tallies: vec![Tally::default()],
            groups: HashMap::new(),
            seen_orders: Vec::new(),
            seen_reviews: Vec::new(),
        }
    }

    fn entity(&mut self, rows: &EntityRows) {
        for promise in &rows.promises {
            self.promise(promise, rows);
        }
        self.seen_orders.sort_unstable();
        self.seen_orders.dedup();
        for (group, index) in self.seen_orders.drain(..) {
            let order = &rows.orders[index];
            self.tallies[group].waits.extend(order.wait(self.clocks.get(&order.timeline).copied()));
        }
        self.seen_reviews.sort_unstable();
        self.seen_reviews.dedup();
        for (group, kept, start, end) in self.seen_reviews.drain(..) {
            let tally = &mut self.tallies[group];
            let scores = if kept { &mut tally.scores_kept } else { &mut tally.scores_broken };
            rows.ratings[start..end].iter().for_each(|rating| scores.add(rating.value));
        }
    }

    fn promise(&mut self, promise: &Promise, rows: &EntityRows) {
        let order_id = promise.order_id.as_deref();
        let order = order_id
            .and_then(|id| rows.orders.binary_search_by(|order| order.order_id.as_str().cmp(id)).ok());
        let ratings = order_id.map(|id| range_of(&rows.ratings, id)).filter(|range| !range.is_empty());
        let now = self.clocks.get(&promise.timeline).copied();
        let outcome = Outcome::of(promise, order.map(|index| &rows.orders[index]), now);
        for group in self.groups_of(promise, order.map(|index| &rows.orders[index]), rows) {
            self.tallies[group].add(promise, &outcome);
            self.seen_orders.extend(order.map(|order| (group, order)));
            if let Some(range) = ratings.as_ref().filter(|_| promise.is_due()) {
                let kept = promise.status == PromiseStatus::Kept;
                self.seen_reviews.push((group, kept, range.start, range.end));
            }
        }
    }

    /// The total and the groups that the promise belongs to, each once.
    fn groups_of(&mut self, promise: &Promise, order: Option<&Order>, rows: &EntityRows) -> Vec<usize> {
        let mut groups = vec![0];
        match self.group_by {
            None => {}
            Some(GroupBy::Month) => groups.push(self.group(Some(&promise.due_month))),
            Some(GroupBy::Region) => {
                groups.push(self.group(order.and_then(|order| order.region.as_ref())));
            }
            Some(GroupBy::Category | GroupBy::Seller | GroupBy::Exchange) => {
                let range = promise.order_id.as_ref().map_or(0..0, |id| range_of(&rows.labels, id));
                for label in &rows.labels[range] {
                    groups.push(self.group(label.value.as_ref()));
                }
                if groups.len() == 1 {
                    groups.push(self.group(None));
                }
                groups.sort_unstable();
                groups.dedup();
            }
        }
        groups
    }

    fn group(&mut self, key: Option<&String>) -> usize {
        let key = key.cloned();
        let next = self.tallies.len();
        let index = *self.groups.entry(key).or_insert(next);
        if index == next {
            self.tallies.push(Tally::default());
        }
        index
    }

    fn finish(self) -> (ReportRow, Vec<ReportGroup>) {
        let mut rows: Vec<ReportRow> = self.tallies.into_iter().map(Tally::finish).collect();
        let mut groups: Vec<ReportGroup> = self
            .groups
            .into_iter()
            .map(|(key, index)| ReportGroup { key, row: std::mem::take(&mut rows[index]) })
            .collect();
        groups.sort_unstable_by(|a, b| (a.key.is_none(), &a.key).cmp(&(b.key.is_none(), &b.key)));
        (rows.swap_remove(0), groups)
    }
}

/// What one promise adds to each of its groups.
struct Outcome {
    gap_days: Option<f64>,
    gap_of_target: Option<f64>,
    otif_first: Option<bool>,
    otif_latest: Option<bool>,
}

impl Outcome {
    fn of(promise: &Promise, order: Option<&Order>, now: Option<Time>) -> Self {
        Outcome {
            gap_days: promise.gap_days(now),
            gap_of_target: promise.gap_of_target(),
            otif_first: promise.otif(order, promise.first_due_at, now),
            otif_latest: promise.otif(order, promise.due_at, now),
        }
    }
}

/// Hits among those that count.
#[derive(Default)]
struct Hits {
    hit: u64,
    n: u64,
}

impl Hits {
    fn add(&mut self, hit: Option<bool>) {
        self.n += u64::from(hit.is_some());
        self.hit += u64::from(hit == Some(true));
    }
}

#[derive(Default)]
struct Tally {
    row: ReportRow,
    gaps: Gaps,
    target_gaps: Gaps,
    otif_first: Hits,
    otif_latest: Hits,
    waits: Vec<Wait>,
    scores_kept: Ratings,
    scores_broken: Ratings,
}

impl Tally {
    fn add(&mut self, promise: &Promise, outcome: &Outcome) {
        let row = &mut self.row;
        row.n_made += 1;
        match promise.status {
            PromiseStatus::Kept => {
                row.kept += 1;
                row.corrected += u64::from(promise.corrected);
            }
            PromiseStatus::Broken => {
                row.broken += 1;
                row.never_delivered += u64::from(promise.fulfilled_at.is_none());
                row.company_cancelled += u64::from(promise.cause == Some(BreakCause::Company));
            }
            PromiseStatus::Withdrawn if promise.by_customer() => row.withdrawn_by_customer += 1,
            PromiseStatus::Withdrawn => row.cancelled += 1,
            _ => {
                row.open += 1;
                row.at_risk_now += u64::from(promise.status == PromiseStatus::AtRisk);
            }
        }
        if let Some(gap) = outcome.gap_days {
            self.gaps.add(gap);
        }
        if let Some(gap) = outcome.gap_of_target {
            self.target_gaps.add(gap);
        }
        self.otif_first.add(outcome.otif_first);
        self.otif_latest.add(outcome.otif_latest);
    }

    fn finish(mut self) -> ReportRow {
        let [p50, p90, p95] = wait_quantiles(&mut self.waits, [0.5, 0.9, 0.95]);
        let counts = self.row;
        let due = counts.kept + counts.broken;
        ReportRow {
            due,
            kept_rate: share(counts.kept, due),
            kept_rate_ci: wilson(counts.kept, due),
            kept_rate_lower_bound: share(counts.kept, due + counts.cancelled),
            n_gap: self.gaps.n(),
            over_promise_days: self.gaps.over_promise(),
            slack_days: self.gaps.slack(),
            mean_gap_days: self.gaps.mean(),
            mean_gap_days_ci: self.gaps.mean_interval(),
            n_target_gap: self.target_gaps.n(),
            target_over_promise: self.target_gaps.over_promise(),
            target_slack: self.target_gaps.slack(),
            delivery_days_n: self.waits.len() as u64,
            delivery_days_n_censored: self.waits.iter().filter(|wait| !wait.ended).count() as u64,
            delivery_days_p50: p50.value,
            delivery_days_p50_ci: [p50.low, p50.high],
            delivery_days_p90: p90.value,
            delivery_days_p90_ci: [p90.low, p90.high],
            delivery_days_p95: p95.value,
            delivery_days_p95_ci: [p95.low, p95.high],
            otif_first: share(self.otif_first.hit, self.otif_first.n),
            otif_first_ci: wilson(self.otif_first.hit, self.otif_first.n),
            otif_first_n: self.otif_first.n,
            otif_latest: share(self.otif_latest.hit, self.otif_latest.n),
            otif_latest_ci: wilson(self.otif_latest.hit, self.otif_latest.n),
            otif_latest_n: self.otif_latest.n,
            n_scores_kept: self.scores_kept.n(),
            mean_score_kept: self.scores_kept.mean(),
            mean_score_kept_ci: self.scores_kept.mean_interval(),
            top2_kept: self.scores_kept.top_two(),
            top2_kept_ci: self.scores_kept.top_two_interval(),
            n_scores_broken: self.scores_broken.n(),
            mean_score_broken: self.scores_broken.mean(),
            mean_score_broken_ci: self.scores_broken.mean_interval(),
            top2_broken: self.scores_broken.top_two(),
            top2_broken_ci: self.scores_broken.top_two_interval(),
            ..counts
        }
    }
}
