//! Promises at risk, what was done for them, and what came of it.

use std::collections::{BTreeMap, BTreeSet};

use model::{Currency, EntityId, Money, PromiseStatus, Remedy, RemedyKind, Time};
use rusqlite::{Connection, OptionalExtension, Result, params};
use serde::Serialize;

use crate::fold::{Fold, Owner, Place};
use crate::rows::{Columns, FromColumns};
use crate::wire;

wire::named!(RemedyKind, RemedyKind::ALL);

/// An open promise at risk, as work to be done. Of the live line of time: history that is imported cannot be helped.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct RiskRow {
    #[serde(serialize_with = "wire::entity")]
    pub entity: EntityId,
    /// What the customer is called: the user's id, else the name or the e-mail address.
    pub customer: Option<String>,
    pub promise_id: String,
    pub order_id: Option<String>,
    pub cause: String,
    /// The cause with what is known of it.
    pub detail: Option<String>,
    #[serde(serialize_with = "wire::time_opt")]
    pub since: Option<Time>,
    #[serde(serialize_with = "wire::time")]
    pub first_due_at: Time,
    #[serde(serialize_with = "wire::time")]
    pub due_at: Time,
    /// The last instant that keeps it.
    #[serde(serialize_with = "wire::time")]
    pub deadline: Time,
    /// The last instant at which acting still helps; the deadline where none was computed.
    #[serde(serialize_with = "wire::time")]
    pub act_by: Time,
    /// That it will be kept, as things are.
    pub probability: Option<f64>,
    #[serde(serialize_with = "wire::money_opt")]
    pub order_total: Option<Money>,
    /// What the customer has ordered so far, this order included, in this order's currency; cancelled and returned
    /// orders do not count.
    #[serde(serialize_with = "wire::money_opt")]
    pub customer_value: Option<Money>,
    pub operations_owner: Option<String>,
    /// Remedies that were applied to it.
    pub remedies: u32,
}

impl FromColumns for RiskRow {
    const COLUMNS: &'static str = "p.entity, NULL, p.promise_id, p.order_id, COALESCE(p.risk_reason, ''), \
        p.risk_detail, p.risk_at, p.first_due_at, p.due_at, p.due_at + p.tolerance_micros, \
        COALESCE(p.act_by, p.due_at + p.tolerance_micros), COALESCE(p.probability_now, p.probability), o.total_minor, o.currency, \
        p.operations_owner, (SELECT COUNT(*) FROM remedies r WHERE r.entity = p.entity \
            AND r.promise_id = p.promise_id)";

    fn read(row: &mut Columns<'_, '_>) -> Result<Self> {
        Ok(RiskRow {
            entity: row.entity()?,
            customer: row.take()?,
            promise_id: row.take()?,
            order_id: row.take()?,
            cause: row.take()?,
            detail: row.take()?,
            since: row.time_opt()?,
            first_due_at: row.time()?,
            due_at: row.time()?,
            deadline: row.time()?,
            act_by: row.time()?,
            probability: row.take()?,
            order_total: row.money_opt()?,
            customer_value: None,
            operations_owner: row.take()?,
            remedies: row.take()?,
        })
    }
}

/// Promises at risk, those first that must be acted on first.
pub(crate) fn at_risk(db: &Connection) -> Result<Vec<RiskRow>> {
    let sql = format!(
        "SELECT {} FROM promises p LEFT JOIN orders o USING (entity, order_id)
        WHERE p.status = 'at_risk' AND p.timeline = 0 ORDER BY 11, p.entity, p.promise_id",
        RiskRow::COLUMNS
    );
    let rows: Vec<RiskRow> =
        db.prepare_cached(&sql)?.query_map([], RiskRow::from_row)?.collect::<Result<_>>()?;
    rows.into_iter().map(|row| with_customer(db, row)).collect()
}

/// Orders stay where they were made; the person is all the profiles that are one.
fn with_customer(db: &Connection, mut row: RiskRow) -> Result<RiskRow> {
    let person = "WITH RECURSIVE up (entity) AS (
            SELECT ?1 UNION SELECT p.merged_into FROM profiles p JOIN up USING (entity)
            WHERE p.merged_into IS NOT NULL),
        person (entity) AS (
            SELECT entity FROM up UNION SELECT p.entity FROM profiles p JOIN person ON p.merged_into = person.entity)";
    let sql = format!(
        "{person} SELECT COALESCE(user_id, name, email) FROM profiles JOIN person USING (entity)
        WHERE COALESCE(user_id, name, email) IS NOT NULL ORDER BY merged_into IS NOT NULL, entity LIMIT 1"
    );
    let name = db.prepare_cached(&sql)?.query_row([row.entity.to_key()], |row| row.get(0)).optional()?;
    row.customer = name;
    if let Some(total) = row.order_total {
        let sql = format!(
            "{person} SELECT SUM(total_minor) FROM orders JOIN person USING (entity)
            WHERE currency = ?2 AND state NOT IN ('cancelled', 'returned')"
        );
        let code = total.currency.code();
        let minor: Option<i64> =
            db.prepare_cached(&sql)?.query_row(params![row.entity.to_key(), code], |row| row.get(0))?;
        row.customer_value = minor.map(|minor| Money { minor, ..total });
    }
    Ok(row)
}

/// What was done for promises, and what came of it.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct RemedyReport {
    /// The journal sequence that the numbers reflect.
    pub as_of: u64,
    /// Promises that were ever at risk, and of those that nothing was done for, how many were kept.
    pub ever_at_risk: u64,
    pub kept_without_remedy: u64,
    pub total: RemedyRow,
    /// A promise that was helped in several ways counts in each.
    pub kinds: Vec<RemedyOfKind>,
}

#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct RemedyOfKind {
    #[serde(serialize_with = "wire::name")]
    pub kind: RemedyKind,
    #[serde(flatten)]
    pub row: RemedyRow,
}

/// Promises that were helped before they broke, by how they ended. Each counts once.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
pub struct RemedyRow {
    pub promises: u64,
    pub open: u64,
    /// Kept in the end, by the date that held then.
    pub saved: u64,
    /// Of those, kept by the date that was said first.
    pub saved_by_first: u64,
    pub broken: u64,
    pub withdrawn: u64,
    /// What all of it cost, in each currency.
    #[serde(serialize_with = "wire::moneys")]
    pub cost: Vec<Money>,
    /// `cost` for each promise saved, rounded to the minor unit; nothing where none was.
    #[serde(serialize_with = "wire::moneys")]
    pub cost_per_save: Vec<Money>,
    /// Remedies whose cost nobody knows.
    pub cost_unknown: u64,
    /// Remedies that were applied after the promise had broken; nothing else here counts them.
    pub after_the_break: u64,
}

struct Applied {
    promise: ([u8; 11], String),
    kind: RemedyKind,
    before: bool,
    cost: Option<Money>,
    status: PromiseStatus,
    by_first: bool,
}

impl FromColumns for Applied {
    const COLUMNS: &'static str = "r.entity, r.promise_id, r.kind, r.before_the_break, r.cost_minor, r.cost_currency, \
        p.status, COALESCE(p.fulfilled_at <= p.first_due_at + p.tolerance_micros, 0)";

    fn read(row: &mut Columns<'_, '_>) -> Result<Self> {
        Ok(Applied {
            promise: (row.entity()?.to_key(), row.take()?),
            kind: row.named()?,
            before: row.take()?,
            cost: row.money_opt()?,
            status: row.named()?,
            by_first: row.take()?,
        })
    }
}

pub(crate) fn report(db: &Connection) -> Result<RemedyReport> {
    let sql = format!(
        "SELECT {} FROM remedies r JOIN promises p USING (entity, promise_id)
        ORDER BY r.entity, r.promise_id, r.seq, r.ordinal",
        Applied::COLUMNS
    );
    let all: Vec<Applied> =
        db.prepare_cached(&sql)?.query_map([], Applied::from_row)?.collect::<Result<_>>()?;
    let (ever_at_risk, kept_without_remedy) = db
        .prepare_cached(
            "SELECT COUNT(*), COALESCE(SUM(status = 'kept' AND NOT EXISTS (SELECT 1 FROM remedies r
                WHERE r.entity = p.entity AND r.promise_id = p.promise_id AND r.before_the_break)), 0)
            FROM promises p WHERE ever_at_risk",
        )?
        .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let of_kind = |kind| all.iter().filter(move |applied: &&Applied| applied.kind == kind);
    let kinds = RemedyKind::ALL.into_iter().filter(|kind| of_kind(*kind).next().is_some());
    Ok(RemedyReport {
        as_of: crate::reader::position(db)?,
        ever_at_risk,
        kept_without_remedy,
        total: tally(all.iter()),
        kinds: kinds.map(|kind| RemedyOfKind { kind, row: tally(of_kind(kind)) }).collect(),
    })
}

fn tally<'a>(all: impl Iterator<Item = &'a Applied>) -> RemedyRow {
    let mut row = RemedyRow::default();
    let mut seen = BTreeSet::new();
    let mut costs: BTreeMap<Currency, i64> = BTreeMap::new();
    for applied in all {
        if !applied.before {
            row.after_the_break += 1;
            continue;
        }
        match applied.cost {
            Some(cost) => {
                let sum = costs.entry(cost.currency).or_default();
                *sum = sum.saturating_add(cost.minor);
            }
            None => row.cost_unknown += 1,
        }
        if !seen.insert(&applied.promise) {
            continue;
        }
        row.promises += 1;
        match applied.status {
            PromiseStatus::Made | PromiseStatus::AtRisk => row.open += 1,
            PromiseStatus::Kept => {
                row.saved += 1;
                row.saved_by_first += u64::from(applied.by_first);
            }
            PromiseStatus::Broken => row.broken += 1,
            _ => row.withdrawn += 1,
        }
    }
    row.cost = costs.into_iter().map(|(currency, minor)| Money { minor, currency }).collect();
    if row.saved > 0 {
        let each =
            |cost: &Money| Money { minor: (cost.minor as f64 / row.saved as f64).round() as i64, ..*cost };
        row.cost_per_save = row.cost.iter().map(each).collect();
    }
    row
}

impl Fold<'_> {
    pub(crate) fn scored(
        &self,
        owner: Owner,
        promise_id: &str,
        probability: f64,
        act_by: Time,
    ) -> Result<()> {
        self.run(
            "UPDATE promises SET probability_now = ?, act_by = ? WHERE entity = ? AND promise_id = ?",
            params![probability, act_by.0, owner.key, promise_id],
        )
    }

    pub(crate) fn remedied(
        &self,
        place: Place,
        owner: Owner,
        remedy: &Remedy,
        before_the_break: bool,
        at: Time,
    ) -> Result<()> {
        let money = |money: Option<Money>| money.map(|money| (money.minor, money.currency.code().to_owned()));
        let (cost, given) = (money(remedy.cost), money(remedy.compensation));
        self.run(
            "INSERT OR REPLACE INTO remedies VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            params![
                owner.key,
                place.seq,
                place.ordinal,
                remedy.promise_id,
                remedy.kind.name(),
                at.0,
                before_the_break,
                remedy.probability,
                cost.as_ref().map(|(minor, _)| minor),
                cost.as_ref().map(|(_, currency)| currency),
                remedy.new_due.map(|due| due.0),
                given.as_ref().map(|(minor, _)| minor),
                given.as_ref().map(|(_, currency)| currency),
            ],
        )
    }
}
