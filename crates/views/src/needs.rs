//! The need report: what needs cost customers and what became of them (K27 to K29), what stood between a need and its
//! answer, and what went wrong with what was ordered by itself (K30).
//!
//! Nothing that nobody told is counted as zero: each figure stands with the number of needs for which it is known, and
//! is `None` where it is known for none.

use std::collections::BTreeMap;

use model::Time;
use model::connection::{FrictionKind, NeedStage, Strategy};
use rusqlite::{Connection, Result, params};
use serde::Serialize;

use crate::connection::NeedRow;
use crate::reader;
use crate::rows::FromColumns;
use crate::wire;

wire::named!(FrictionKind, FrictionKind::ALL);

/// Reasons of a return that say that the wrong thing was sent. Any other word is another reason.
const WRONG_ITEM: [&str; 2] = ["wrong_item", "does_not_fit"];

/// Which needs a report is about; all that are live where everything is `None`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct NeedQuery {
    /// Known then or later; of automatic orders, proposed; of broken promises, broken.
    pub from: Option<Time>,
    /// Known before then.
    pub to: Option<Time>,
}

#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct NeedReport {
    /// The journal sequence that the numbers reflect.
    pub as_of: u64,
    /// By category and strategy.
    pub groups: Vec<NeedGroup>,
    /// By category and kind, the most frequent of a category first.
    pub frictions: Vec<FrictionRow>,
    pub auto_orders: AutoOrders,
}

/// The needs of one category that were answered by one strategy. Quantiles are of what there is, nearest rank.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct NeedGroup {
    pub category: String,
    #[serde(serialize_with = "wire::name")]
    pub strategy: Strategy,
    pub needs: u64,
    pub met: u64,
    pub open: u64,
    pub lapsed: u64,
    /// K27: known − arose, in hours; below zero is anticipated. The median and the 90th percentile.
    pub lead_p50_hours: Option<f64>,
    pub lead_p90_hours: Option<f64>,
    /// From when the need arose until the answer was there, in hours; below zero it was there before.
    pub answer_p50_hours: Option<f64>,
    pub answer_p90_hours: Option<f64>,
    /// Met needs of which somebody told what they cost, over which the next four are taken.
    pub effort_known: u64,
    /// K28, for one need that was met.
    pub minutes: Option<f64>,
    pub steps: Option<f64>,
    pub inputs: Option<f64>,
    pub contacts: Option<f64>,
    /// Met needs of which it is known whether something was missed: asked for, or watched by a device.
    pub downtime_known: u64,
    /// K29: hours for which these stood in customers' way, in all.
    pub downtime_hours: Option<f64>,
    /// Of these, those whose answer was there before anything was missed.
    pub in_hand_before: Option<u64>,
    /// Orders of these needs of which something came back.
    pub returned: u64,
    /// Those of them that came back because it was the wrong thing; none where nothing was delivered yet.
    pub wrong_items: Option<u64>,
    /// Those of them of which nobody told why.
    pub returned_unexplained: u64,
}

/// How often something stood between needs and their answers.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct FrictionRow {
    pub category: String,
    #[serde(serialize_with = "wire::name")]
    pub kind: FrictionKind,
    /// In which it is met.
    #[serde(serialize_with = "wire::name")]
    pub stage: NeedStage,
    pub met: u64,
    /// Needs in which it was met.
    pub needs: u64,
    /// The least intrusive strategy that takes it away.
    #[serde(serialize_with = "wire::name")]
    pub remedy: Strategy,
}

/// K30.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
pub struct AutoOrders {
    pub proposed: u64,
    pub started: u64,
    pub fulfilled: u64,
    /// By the customer, while it could be.
    pub called_off: u64,
    pub blocked: u64,
    pub failed: u64,
    pub disputed: u64,
    /// Slots that ran empty although the company looked after them.
    pub ran_dry: u64,
}

/// What is counted of a group, row by row.
#[derive(Default)]
struct Counted {
    needs: u64,
    open: u64,
    lapsed: u64,
    met: u64,
    leads: Vec<f64>,
    answers: Vec<f64>,
    effort_known: u64,
    effort: [f64; 4],
    downtime_known: u64,
    downtime_hours: f64,
    in_hand_before: u64,
    returned: u64,
    wrong_items: u64,
    unexplained: u64,
}

/// What came back of an order, where something did.
struct Returned {
    wrong: bool,
    unexplained: bool,
}

impl NeedReport {
    pub(crate) fn read(db: &Connection, query: NeedQuery) -> Result<Self> {
        let (from, to) = (query.from.map_or(i64::MIN, |from| from.0), query.to.map_or(i64::MAX, |to| to.0));
        let columns: Vec<String> =
            NeedRow::COLUMNS.split(',').map(|column| format!("n.{}", column.trim())).collect();
        // Of an order that several returns are about, one that says why tells more than one that does not.
        let wrong = WRONG_ITEM.map(|reason| format!("'{reason}'")).join(", ");
        let sql = format!(
            "SELECT {columns}, COUNT(r.return_id), COALESCE(MAX(REPLACE(LOWER(r.asked_reason), ' ', '_') IN ({wrong})), 0),
                COALESCE(MIN(r.asked_reason IS NULL), 0)
            FROM needs n LEFT JOIN returns r ON r.entity = n.entity AND r.order_id = n.order_id
            WHERE n.timeline = 0 AND n.known_at >= ?1 AND n.known_at < ?2
            GROUP BY n.entity, n.need_id",
            columns = columns.join(", ")
        );
        let width = columns.len();
        let mut statement = db.prepare_cached(&sql)?;
        let mut groups: BTreeMap<(String, Strategy), Counted> = BTreeMap::new();
        let mut frictions: BTreeMap<(String, FrictionKind), (u64, u64)> = BTreeMap::new();
        let mut rows = statement.query(params![from, to])?;
        while let Some(row) = rows.next()? {
            let need = NeedRow::from_row(row)?;
            let returns: i64 = row.get(width)?;
            let returned = Returned { wrong: row.get(width + 1)?, unexplained: row.get(width + 2)? };
            for kind in FrictionKind::ALL {
                let met = need.frictions.split(',').filter(|name| *name == kind.name()).count() as u64;
                if met > 0 {
                    let counted = frictions.entry((need.category.clone(), kind)).or_default();
                    *counted = (counted.0 + met, counted.1 + 1);
                }
            }
            let group = groups.entry((need.category.clone(), need.strategy)).or_default();
            group.count(&need, (returns > 0).then_some(returned));
        }
        let groups = groups.into_iter().map(|((category, strategy), group)| group.told(category, strategy));
        let mut frictions: Vec<FrictionRow> = frictions
            .into_iter()
            .map(|((category, kind), (met, needs))| {
                let (stage, remedy) = (kind.stage(), kind.remedy());
                FrictionRow { category, kind, stage, met, needs, remedy }
            })
            .collect();
        frictions.sort_by(|one, other| (&one.category, other.met).cmp(&(&other.category, one.met)));
        Ok(NeedReport {
            as_of: reader::position(db)?,
            groups: groups.collect(),
            frictions,
            auto_orders: auto_orders(db, from, to)?,
        })
    }
}

impl Counted {
    fn count(&mut self, need: &NeedRow, returned: Option<Returned>) {
        let hours = |from: Time, to: Time| to.since(from) as f64 / 3_600_000_000.0;
        self.needs += 1;
        self.open += u64::from(need.stage.is_open());
        self.lapsed += u64::from(need.stage == NeedStage::Lapsed);
        self.leads.push(hours(need.arose_at, need.known_at));
        let Some(met_at) = need.met_at else { return };
        self.met += 1;
        self.answers.push(hours(need.arose_at, met_at));
        if need.efforts > 0 {
            self.effort_known += 1;
            let told = [need.minutes, need.steps.into(), need.inputs.into(), need.contacts.into()];
            self.effort.iter_mut().zip(told).for_each(|(sum, told)| *sum += told);
        }
        // Of what nobody asked for and no device watches, nobody knows when it ran out.
        if need.unmet_from.is_some() || need.device_id.is_some() && need.slot.is_some() {
            let missed = need.unmet_from.map_or(0.0, |from| hours(from, met_at).max(0.0));
            self.downtime_known += 1;
            self.downtime_hours += missed;
            self.in_hand_before += u64::from(need.unmet_from.is_none_or(|from| met_at <= from));
        }
        if let Some(returned) = returned {
            self.returned += 1;
            self.wrong_items += u64::from(returned.wrong);
            self.unexplained += u64::from(returned.unexplained);
        }
    }

    fn told(mut self, category: String, strategy: Strategy) -> NeedGroup {
        let of_effort = |sum: f64| (self.effort_known > 0).then(|| sum / self.effort_known as f64);
        let [minutes, steps, inputs, contacts] = self.effort.map(of_effort);
        let seen = self.downtime_known > 0;
        NeedGroup {
            category,
            strategy,
            needs: self.needs,
            met: self.met,
            open: self.open,
            lapsed: self.lapsed,
            lead_p50_hours: quantile(&mut self.leads, 0.5),
            lead_p90_hours: quantile(&mut self.leads, 0.9),
            answer_p50_hours: quantile(&mut self.answers, 0.5),
            answer_p90_hours: quantile(&mut self.answers, 0.9),
            effort_known: self.effort_known,
            minutes,
            steps,
            inputs,
            contacts,
            downtime_known: self.downtime_known,
            downtime_hours: seen.then_some(self.downtime_hours),
            in_hand_before: seen.then_some(self.in_hand_before),
            returned: self.returned,
            wrong_items: (self.met > 0).then_some(self.wrong_items),
            returned_unexplained: self.unexplained,
        }
    }
}

fn quantile(of: &mut [f64], p: f64) -> Option<f64> {
    of.sort_by(f64::total_cmp);
    let index = (p * of.len().saturating_sub(1) as f64).round() as usize;
    of.get(index).copied()
}

fn auto_orders(db: &Connection, from: i64, to: i64) -> Result<AutoOrders> {
    let mut told = AutoOrders::default();
    let sql =
        "SELECT state, COUNT(*) FROM auto_orders WHERE proposed_at >= ?1 AND proposed_at < ?2 GROUP BY state";
    let mut statement = db.prepare_cached(sql)?;
    let mut rows = statement.query(params![from, to])?;
    while let Some(row) = rows.next()? {
        let (state, count): (String, i64) = (row.get(0)?, row.get(1)?);
        let count = count.unsigned_abs();
        told.proposed += count;
        let (started, fulfilled, disputed) = match state.as_str() {
            "started" | "confirmed" => (count, 0, 0),
            "fulfilled" => (count, count, 0),
            "disputed" | "refunded" | "upheld" => (count, count, count),
            _ => (0, 0, 0),
        };
        told.started += started;
        told.fulfilled += fulfilled;
        told.disputed += disputed;
        match state.as_str() {
            "cancelled" => told.called_off = count,
            "blocked" => told.blocked = count,
            "failed" => told.failed = count,
            _ => {}
        }
    }
    let sql =
        "SELECT COUNT(*) FROM promises WHERE attribute = 'never_empty' AND status = 'broken' AND timeline = 0
        AND broken_at >= ?1 AND broken_at < ?2";
    let dry: i64 = db.prepare_cached(sql)?.query_row(params![from, to], |row| row.get(0))?;
    told.ran_dry = dry.unsigned_abs();
    Ok(told)
}
