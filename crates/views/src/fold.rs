//! How each change becomes rows.
//!
//! Every statement sets what it names absolutely and is keyed by ids, and nothing here reads a clock or another
//! entity's rows: the same changes in the same order give the same tables.

mod orders;

use model::{
    BreakCause, CancelledBy, EntityId, Fact, FulfillmentState, Money, OrderLine, OrderState, PromiseStatus,
    PromiseTerms, QuoteFact, RiskReason, SkipReason, Time, TimelineId, Violation, ViolationBody,
};
use rusqlite::{Connection, OptionalExtension, Params, Result, named_params, params};

use crate::change::{Change, EffectChange, ProfileRow};
use crate::schema::TABLES;

/// Folds changes in one transaction.
pub(crate) struct Fold<'c> {
    to: &'c Connection,
    /// Rows that erasures took away.
    pub(crate) erased: usize,
}

/// Where a change stands in the journal: its sequence, and its place among the changes with that sequence.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    pub(crate) seq: u64,
    pub(crate) ordinal: u64,
}

/// A fact's owner.
#[derive(Clone, Copy)]
pub(crate) struct Owner {
    pub(crate) key: [u8; 11],
    pub(crate) timeline: u32,
}

/// Which of a promise's beginnings its terms came with.
enum Offer {
    Inquired,
    Quoted { expires_at: Time },
    Made,
}

/// A step of a promise, for its history.
struct Step<'a> {
    promise_id: &'a str,
    fact: &'static str,
    status: PromiseStatus,
    at: Time,
    detail: Option<String>,
}

impl<'c> Fold<'c> {
    pub(crate) fn new(to: &'c Connection) -> Self {
        Fold { to, erased: 0 }
    }

    pub(crate) fn change(&mut self, place: Place, change: &Change) -> Result<()> {
        match change {
            Change::Fact { entity, timeline, fact } => self.fact(place, *entity, *timeline, fact),
            Change::Profile(row) => self.profile(row),
            Change::Supply(row) => self.supply(row),
            Change::DeadLetter { seq, source, code, place, reason, received_at } => {
                self.dead_letter(*seq, Some(source), code, Some(place), reason, Some(received_at.0))
            }
            Change::Skipped { seq, reason } => {
                let code = match reason {
                    SkipReason::Poison(_) => "poison",
                    SkipReason::Unreadable(_) => "unreadable",
                    SkipReason::NotUnderstood(_) => "not_understood",
                };
                self.dead_letter(*seq, None, code, None, &reason.to_string(), None)
            }
            Change::Violation { source, received_at, body } => self.violations(source, *received_at, body),
            Change::Effect(effect) => self.effect(place, effect),
            Change::Clock { timeline, to } => self.run(
                "INSERT INTO clocks VALUES (?, ?) ON CONFLICT DO UPDATE SET at = excluded.at",
                params![timeline.0, to.0],
            ),
            Change::Erased { entity } => self.erase(*entity),
        }
    }

    pub(crate) fn run(&self, sql: &str, params: impl Params) -> Result<()> {
        self.count(sql, params).map(drop)
    }

    /// Runs the statement and says how many rows it touched.
    fn count(&self, sql: &str, params: impl Params) -> Result<usize> {
        self.to.prepare_cached(sql)?.execute(params)
    }

    pub(crate) fn erase(&mut self, entity: EntityId) -> Result<()> {
        for table in TABLES.iter().filter(|table| table.owned) {
            let sql = format!("DELETE FROM {} WHERE entity = ?", table.name);
            self.erased += self.count(&sql, [entity.to_key()])?;
        }
        Ok(())
    }

    fn profile(&self, row: &ProfileRow) -> Result<()> {
        let ids = serde_json::to_string(&row.anonymous_ids).expect("texts are JSON");
        self.run(
            "INSERT OR REPLACE INTO profiles VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            params![
                row.entity.to_key(),
                row.user_id,
                ids,
                row.name,
                row.email,
                row.first_seen.0,
                row.last_seen.0,
                row.event_count,
                row.orders,
                row.promises.made,
                row.promises.open,
                row.promises.kept,
                row.promises.broken,
                row.promises.withdrawn,
                row.merged_into.map(EntityId::to_key),
                row.traits,
            ],
        )
    }

    fn dead_letter(
        &self,
        seq: u64,
        source: Option<&str>,
        code: &str,
        place: Option<&str>,
        reason: &str,
        received_at: Option<i64>,
    ) -> Result<()> {
        self.run(
            "INSERT INTO dead_letters VALUES (?, ?, ?, ?, ?, ?, NULL) ON CONFLICT DO UPDATE SET
                source = excluded.source, code = excluded.code, place = excluded.place,
                reason = excluded.reason, received_at = excluded.received_at",
            params![seq, source, code, place, reason, received_at],
        )
    }

    fn effect(&self, place: Place, effect: &EffectChange) -> Result<()> {
        self.run(
            "INSERT INTO effects VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?10)
            ON CONFLICT DO UPDATE SET
                seq = excluded.seq,
                kind = COALESCE(excluded.kind, kind),
                promise_id = COALESCE(excluded.promise_id, promise_id),
                order_id = COALESCE(excluded.order_id, order_id),
                reason = COALESCE(excluded.reason, reason),
                detail = COALESCE(excluded.detail, detail),
                state = excluded.state,
                at = excluded.at",
            params![
                effect.entity.to_key(),
                effect.key,
                place.seq,
                effect.kind.map(|kind| kind.name()),
                effect.promise_id,
                effect.order_id,
                effect.reason,
                effect.detail,
                effect.state.name(),
                effect.at.0,
            ],
        )
    }

    fn fact(&mut self, place: Place, entity: EntityId, timeline: TimelineId, fact: &Fact) -> Result<()> {
        let owner = Owner { key: entity.to_key(), timeline: timeline.0 };
        match fact {
            Fact::OrderPlaced { .. }
            | Fact::OrderMoved { .. }
            | Fact::OrderCancelled { .. }
            | Fact::OrderRefunded { .. }
            | Fact::PaymentCaptured { .. }
            | Fact::FulfillmentMoved { .. }
            | Fact::ReviewGiven { .. } => self.order_fact(place, owner, fact),
            Fact::Order(fact) => self.ordering_fact(owner, fact),
            Fact::ProfileMerged { into, at: _ } => self.run(
                "UPDATE profiles SET merged_into = ? WHERE entity = ?",
                params![into.to_key(), owner.key],
            ),
            Fact::ProfileParted { from: _, at: _ } => {
                self.run("UPDATE profiles SET merged_into = NULL WHERE entity = ?", params![owner.key])
            }
            Fact::IdentifiersParted { .. }
            | Fact::IdentifiersJoined { .. }
            | Fact::SignalKept { .. }
            | Fact::Supply(_)
            | Fact::CampaignPlanned { .. }
            | Fact::CampaignEnded { .. }
            | Fact::StaffSet { .. }
            | Fact::StaffRemoved { .. } => Ok(()),
            Fact::Quote(QuoteFact::Remedied { remedy, before_the_break, at }) => {
                self.remedied(place, owner, remedy, *before_the_break, *at)
            }
            Fact::Quote(_) => Ok(()),
            Fact::Connection(fact) => self.connection_fact(owner, fact),
            Fact::PromiseScored { promise_id, at: _, probability, act_by } => {
                self.scored(owner, promise_id, *probability, *act_by)
            }
            Fact::ProfileErased { at: _ } => self.erase(entity),
            Fact::SourceCreated { .. }
            | Fact::SourceRevoked { .. }
            | Fact::SourceAllowed { .. }
            | Fact::WebhookConnected { .. }
            | Fact::WebhookDisconnected { .. }
            | Fact::BrokerConnected { .. }
            | Fact::BrokerDisconnected { .. }
            | Fact::OutletConnected { .. }
            | Fact::OutletDisconnected { .. }
            | Fact::OutletDisabled { .. }
            | Fact::PlanPublished { .. }
            | Fact::IdentityRulesPublished { .. }
            | Fact::EffectsSwitched { .. }
            | Fact::ImportStarted { .. }
            | Fact::ImportFinished { .. }
            | Fact::DeadLetterReplayed { .. } => self.workspace_fact(fact),
            Fact::PromiseInquired { .. }
            | Fact::PromiseQuoted { .. }
            | Fact::PromiseMade { .. }
            | Fact::PromiseAtRisk { .. }
            | Fact::PromiseRecovered { .. }
            | Fact::PromiseRevised { .. }
            | Fact::PromiseKept { .. }
            | Fact::PromiseBroken { .. }
            | Fact::PromiseFulfilledLate { .. }
            | Fact::PromiseCorrected { .. }
            | Fact::PromiseWithdrawn { .. }
            | Fact::PromiseExpired { .. } => match self.promise_fact(owner, fact)? {
                Some(step) => self.history(place, owner, &step),
                None => Ok(()),
            },
        }
    }
}

/// Orders, and what was paid for and said about them.
impl Fold<'_> {
    fn order_fact(&self, place: Place, owner: Owner, fact: &Fact) -> Result<()> {
        match fact {
            Fact::OrderPlaced { order_id, at, region, total, lines } => {
                self.order_placed(owner, order_id, *at, region.as_deref(), *total)?;
                self.order_lines(owner, order_id, lines)
            }
            Fact::OrderMoved { order_id, state, at } => self.order_moved(owner, order_id, *state, *at),
            Fact::OrderCancelled { stands: false, .. } => Ok(()),
            Fact::OrderCancelled { order_id, by, at, reason, time_inferred, stands: true } => self.run(
                "INSERT INTO orders (entity, order_id, timeline, state, cancelled_at, cancelled_by, cancel_reason,
                    cancel_time_inferred)
                VALUES (?, ?, ?, 'cancelled', ?, ?, ?, ?)
                ON CONFLICT DO UPDATE SET state = excluded.state, cancelled_at = excluded.cancelled_at,
                    cancelled_by = excluded.cancelled_by, cancel_reason = excluded.cancel_reason,
                    cancel_time_inferred = excluded.cancel_time_inferred",
                params![owner.key, order_id, owner.timeline, at.0, by.name(), reason, time_inferred],
            ),
            Fact::OrderRefunded { order_id, at, amount } => {
                self.run(
                    "INSERT INTO orders (entity, order_id, timeline, state, refunded_at)
                    VALUES (?, ?, ?, 'placed', ?)
                    ON CONFLICT DO UPDATE SET refunded_at = excluded.refunded_at",
                    params![owner.key, order_id, owner.timeline, at.0],
                )?;
                self.payment(place, owner, order_id, "refunded", *at, *amount, None, None)
            }
            Fact::PaymentCaptured { order_id, at, amount, method, installments } => {
                let method = method.as_deref();
                self.payment(place, owner, order_id, "captured", *at, *amount, method, *installments)
            }
            Fact::FulfillmentMoved { order_id, state, at, fraction, damaged } => {
                self.fulfillment(owner, order_id, *state, *at, *fraction, *damaged)
            }
            Fact::ReviewGiven { order_id, review_id, at, rating } => self.run(
                "INSERT OR REPLACE INTO reviews VALUES (?, ?, ?, ?, ?, ?)",
                params![owner.key, order_id, review_id, owner.timeline, at.0, rating],
            ),
            _ => Ok(()),
        }
    }

    fn order_placed(
        &self,
        owner: Owner,
        order_id: &str,
        at: Time,
        region: Option<&str>,
        total: Option<Money>,
    ) -> Result<()> {
        let (minor, currency) = amount(total.as_ref());
        let row = params![owner.key, order_id, owner.timeline, region, at.0, minor, currency];
        let new = self.count(
            "INSERT OR IGNORE INTO orders (entity, order_id, timeline, state, region, placed_at, total_minor, currency)
            VALUES (?, ?, ?, 'placed', ?, ?, ?, ?)",
            row,
        )?;
        if new > 0 {
            return Ok(());
        }
        // Something came before its placing, or it was placed again.
        self.run(
            "UPDATE orders SET timeline = ?3, region = ?4, placed_at = ?5, total_minor = ?6, currency = ?7
            WHERE entity = ?1 AND order_id = ?2",
            row,
        )?;
        self.run("DELETE FROM order_lines WHERE entity = ? AND order_id = ?", params![owner.key, order_id])
    }

    fn order_lines(&self, owner: Owner, order_id: &str, lines: &[OrderLine]) -> Result<()> {
        for (number, line) in lines.iter().enumerate() {
            let (minor, currency) = amount(line.price.as_ref());
            let (exchange, partner, terms) = orders::exchange(line);
            self.run(
                "INSERT INTO order_lines VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                params![
                    owner.key,
                    order_id,
                    number,
                    line.product_id,
                    line.category,
                    line.seller_id,
                    line.quantity,
                    minor,
                    currency,
                    exchange,
                    partner,
                    terms,
                ],
            )?;
        }
        Ok(())
    }

    fn order_moved(&self, owner: Owner, order_id: &str, state: OrderState, at: Time) -> Result<()> {
        let delivered_at = (state == OrderState::Delivered).then_some(at.0);
        self.run(
            "INSERT INTO orders (entity, order_id, timeline, state, delivered_at) VALUES (?, ?, ?, ?, ?)
            ON CONFLICT DO UPDATE SET state = excluded.state,
                delivered_at = CASE WHEN delivered_at <= excluded.delivered_at THEN delivered_at
                    ELSE COALESCE(excluded.delivered_at, delivered_at) END",
            params![owner.key, order_id, owner.timeline, state.name(), delivered_at],
        )
    }

    fn fulfillment(
        &self,
        owner: Owner,
        order_id: &str,
        state: FulfillmentState,
        at: Time,
        fraction: f64,
        damaged: bool,
    ) -> Result<()> {
        use FulfillmentState::{Delivered, InTransit, Shipped};
        let shipped_at = matches!(state, Shipped | InTransit).then_some(at.0);
        let delivered = (state == Delivered).then_some(fraction);
        let in_full_at = delivered.filter(|&fraction| fraction >= 1.0).map(|_| at.0);
        self.run(
            "INSERT INTO orders (entity, order_id, timeline, state, shipped_at, delivered_at, delivered_fraction,
                damaged)
            VALUES (?, ?, ?, 'placed', ?, ?, ?, ?)
            ON CONFLICT DO UPDATE SET
                shipped_at = CASE WHEN shipped_at <= excluded.shipped_at THEN shipped_at
                    ELSE COALESCE(excluded.shipped_at, shipped_at) END,
                delivered_at = CASE WHEN delivered_at <= excluded.delivered_at THEN delivered_at
                    ELSE COALESCE(excluded.delivered_at, delivered_at) END,
                delivered_fraction = CASE WHEN delivered_fraction >= excluded.delivered_fraction
                    THEN delivered_fraction ELSE COALESCE(excluded.delivered_fraction, delivered_fraction) END,
                damaged = MAX(damaged, excluded.damaged)",
            params![owner.key, order_id, owner.timeline, shipped_at, in_full_at, delivered, damaged],
        )
    }

    #[expect(clippy::too_many_arguments, reason = "one column each")]
    fn payment(
        &self,
        place: Place,
        owner: Owner,
        order_id: &str,
        kind: &str,
        at: Time,
        money: Option<Money>,
        method: Option<&str>,
        installments: Option<u32>,
    ) -> Result<()> {
        let (minor, currency) = amount(money.as_ref());
        self.run(
            "INSERT OR REPLACE INTO payments VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            params![
                owner.key,
                order_id,
                place.seq,
                place.ordinal,
                kind,
                at.0,
                minor,
                currency,
                method,
                installments
            ],
        )
    }
}

/// Promises.
impl Fold<'_> {
    /// Moves the promise and says what to note in its history: nothing if there is no such promise.
    fn promise_fact<'a>(&self, owner: Owner, fact: &'a Fact) -> Result<Option<Step<'a>>> {
        let name = fact.name();
        let step = |promise_id: &'a str, status, at: Time, detail| {
            Some(Step { promise_id, fact: name, status, at, detail })
        };
        use PromiseStatus::{AtRisk, Broken, Expired, Inquired, Kept, Made, Quoted, Withdrawn};
        match fact {
            Fact::PromiseInquired { terms, at } => {
                self.offer(owner, terms, *at, &Offer::Inquired)?;
                Ok(step(&terms.promise_id, Inquired, *at, None))
            }
            Fact::PromiseQuoted { terms, at, expires_at } => {
                self.offer(owner, terms, *at, &Offer::Quoted { expires_at: *expires_at })?;
                Ok(step(&terms.promise_id, Quoted, *at, Some(format!("until {expires_at}"))))
            }
            Fact::PromiseMade { terms, at } => {
                self.offer(owner, terms, *at, &Offer::Made)?;
                Ok(step(&terms.promise_id, Made, *at, Some(format!("due {}", terms.due_at))))
            }
            Fact::PromiseRevised { promise_id, at, version, due_at, reason } => {
                let Some(status) = self.revise(owner, promise_id, *version, *due_at)? else {
                    return Ok(None);
                };
                self.revision(owner, promise_id, *version, *at, *due_at, reason.as_deref())?;
                let why = reason.as_deref().map(|reason| format!(": {reason}")).unwrap_or_default();
                Ok(step(promise_id, status, *at, Some(format!("version {version}, due {due_at}{why}"))))
            }
            Fact::PromiseAtRisk { promise_id, at, why } => self.moved(
                "UPDATE promises SET ever_at_risk = 1, risk_reason = :risk, risk_detail = :detail,
                    risk_at = CASE WHEN status = 'at_risk' THEN risk_at ELSE :at END,
                    probability_now = COALESCE(:probability, probability_now), status = 'at_risk'",
                named_params! {
                    ":entity": owner.key, ":promise": promise_id, ":risk": why.name(), ":detail": risk(why),
                    ":at": at.0, ":probability": probability_of(why)
                },
                step(promise_id, AtRisk, *at, Some(risk(why))),
            ),
            Fact::PromiseRecovered { promise_id, at } => self.moved(
                "UPDATE promises SET status = 'made'",
                named_params! { ":entity": owner.key, ":promise": promise_id },
                step(promise_id, Made, *at, None),
            ),
            Fact::PromiseKept { promise_id, at, actual } => self.moved(
                "UPDATE promises SET status = 'kept', fulfilled_at = :at, actual = :actual",
                named_params! {
                    ":entity": owner.key, ":promise": promise_id, ":at": at.0, ":actual": actual
                },
                step(promise_id, Kept, *at, actual.map(|actual| format!("actual {actual}"))),
            ),
            Fact::PromiseBroken { promise_id, at, cause } => {
                self.broken(owner, *cause, step(promise_id, Broken, *at, Some(cause.name().into())))
            }
            Fact::PromiseFulfilledLate { promise_id, at, actual } => self.moved(
                "UPDATE promises SET fulfilled_at = :at, actual = :actual",
                named_params! {
                    ":entity": owner.key, ":promise": promise_id, ":at": at.0, ":actual": actual
                },
                step(promise_id, Broken, *at, actual.map(|actual| format!("actual {actual}"))),
            ),
            Fact::PromiseCorrected { promise_id, at, fulfilled_at, actual } => self.moved(
                "UPDATE promises SET status = 'kept', corrected_at = :at, fulfilled_at = :fulfilled,
                    actual = :actual",
                named_params! {
                    ":entity": owner.key, ":promise": promise_id, ":at": at.0, ":fulfilled": fulfilled_at.0,
                    ":actual": actual
                },
                step(promise_id, Kept, *at, Some(format!("it had come to pass at {fulfilled_at}"))),
            ),
            Fact::PromiseWithdrawn { promise_id, at, by, reason } => {
                // The company taking a promise back breaks it, whichever way that was reported.
                let by_company = *by == CancelledBy::Company;
                let status = if by_company { Broken } else { Withdrawn };
                let detail = match reason {
                    Some(reason) => format!("by {}: {reason}", by.name()),
                    None => format!("by {}", by.name()),
                };
                let noted = self.moved(
                    "UPDATE promises SET status = 'withdrawn', withdrawn_at = :at, withdrawn_by = :by,
                        withdrawn_reason = :reason",
                    named_params! {
                        ":entity": owner.key, ":promise": promise_id, ":at": at.0, ":by": by.name(),
                        ":reason": reason
                    },
                    step(promise_id, status, *at, Some(detail)),
                )?;
                if by_company { self.broken(owner, BreakCause::Company, noted) } else { Ok(noted) }
            }
            Fact::PromiseExpired { promise_id, at } => self.moved(
                "UPDATE promises SET status = 'expired', expired_at = :at",
                named_params! { ":entity": owner.key, ":promise": promise_id, ":at": at.0 },
                step(promise_id, Expired, *at, None),
            ),
            _ => Ok(None),
        }
    }

    /// Runs an update of one promise; the step is noted only if there is such a promise.
    fn moved<'a>(&self, set: &str, params: impl Params, step: Option<Step<'a>>) -> Result<Option<Step<'a>>> {
        let sql = format!("{set} WHERE entity = :entity AND promise_id = :promise");
        Ok(if self.count(&sql, params)? > 0 { step } else { None })
    }

    fn broken<'a>(
        &self,
        owner: Owner,
        cause: BreakCause,
        step: Option<Step<'a>>,
    ) -> Result<Option<Step<'a>>> {
        let Some(Step { promise_id, at, .. }) = step else { return Ok(None) };
        self.moved(
            "UPDATE promises SET status = 'broken', broken_at = :at, cause = :cause",
            named_params! {
                ":entity": owner.key, ":promise": promise_id, ":at": at.0, ":cause": cause.name()
            },
            step,
        )
    }

    fn offer(&self, owner: Owner, terms: &PromiseTerms, at: Time, offer: &Offer) -> Result<()> {
        let (status, inquired_at, quoted_at, expires_at, made_at) = match offer {
            Offer::Inquired => (PromiseStatus::Inquired, Some(at.0), None, None, None),
            Offer::Quoted { expires_at } => {
                (PromiseStatus::Quoted, None, Some(at.0), Some(expires_at.0), None)
            }
            Offer::Made => (PromiseStatus::Made, None, None, None, Some(at.0)),
        };
        let target = terms.target.as_ref();
        self.run(
            "INSERT INTO promises (
                entity, promise_id, timeline, order_id, kind, attribute, status, version, first_due_at, due_at,
                due_month, time_zone, tolerance_micros, comparator, target_value, target_tolerance, target_unit,
                hand_over_by, probability, basis, reasons, marketing_owner, operations_owner,
                inquired_at, quoted_at, expires_at, made_at)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 1, ?8, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19,
                ?20, ?21, ?22, ?23, ?24, ?25)
            ON CONFLICT DO UPDATE SET
                timeline = excluded.timeline, order_id = excluded.order_id, kind = excluded.kind,
                attribute = excluded.attribute, status = excluded.status,
                first_due_at = CASE WHEN made_at IS NULL THEN excluded.first_due_at ELSE first_due_at END,
                due_at = excluded.due_at, due_month = excluded.due_month, time_zone = excluded.time_zone,
                tolerance_micros = excluded.tolerance_micros, comparator = excluded.comparator,
                target_value = excluded.target_value, target_tolerance = excluded.target_tolerance,
                target_unit = excluded.target_unit, hand_over_by = excluded.hand_over_by,
                probability = excluded.probability, basis = excluded.basis, reasons = excluded.reasons,
                marketing_owner = excluded.marketing_owner, operations_owner = excluded.operations_owner,
                inquired_at = COALESCE(excluded.inquired_at, inquired_at),
                quoted_at = COALESCE(excluded.quoted_at, quoted_at),
                expires_at = COALESCE(excluded.expires_at, expires_at),
                made_at = COALESCE(made_at, excluded.made_at)",
            params![
                owner.key,
                terms.promise_id,
                owner.timeline,
                terms.order_id,
                terms.kind.name(),
                terms.attribute,
                status.name(),
                terms.due_at.0,
                month_of(terms.due_at, &terms.time_zone),
                terms.time_zone,
                terms.tolerance_micros,
                target.map(|target| target.comparator.name()),
                target.map(|target| target.value),
                target.map(|target| target.tolerance),
                target.map(|target| &target.unit),
                terms.hand_over_by.map(|at| at.0),
                terms.probability,
                terms.basis.map(|basis| basis.name()),
                serde_json::to_string(&terms.reasons).expect("texts are JSON"),
                terms.marketing_owner,
                terms.operations_owner,
                inquired_at,
                quoted_at,
                expires_at,
                made_at,
            ],
        )
    }

    /// Moves the due date; says the promise's status, or `None` where there is no such promise.
    fn revise(&self, owner: Owner, id: &str, version: u32, due_at: Time) -> Result<Option<PromiseStatus>> {
        let found: Option<(String, String)> = self
            .to
            .prepare_cached("SELECT time_zone, status FROM promises WHERE entity = ? AND promise_id = ?")?
            .query_row(params![owner.key, id], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        let Some((zone, status)) = found else { return Ok(None) };
        self.run(
            "UPDATE promises SET version = ?3, due_at = ?4, due_month = ?5 WHERE entity = ?1 AND promise_id = ?2",
            params![owner.key, id, version, due_at.0, month_of(due_at, &zone)],
        )?;
        Ok(PromiseStatus::ALL.into_iter().find(|known| known.name() == status))
    }

    /// What was said in one version; said once, it stands.
    fn revision(
        &self,
        owner: Owner,
        id: &str,
        version: u32,
        at: Time,
        due_at: Time,
        reason: Option<&str>,
    ) -> Result<()> {
        self.run(
            "INSERT OR IGNORE INTO promise_revisions VALUES (?, ?, ?, ?, ?, ?)",
            params![owner.key, id, version, at.0, due_at.0, reason],
        )
    }

    fn history(&self, place: Place, owner: Owner, step: &Step<'_>) -> Result<()> {
        self.run(
            "INSERT OR REPLACE INTO promise_history VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            params![
                owner.key,
                place.seq,
                place.ordinal,
                step.promise_id,
                step.fact,
                step.status.name(),
                step.at.0,
                step.detail,
            ],
        )
    }
}

/// Violations that are counted apart for one source under one version of the plan. A sender that makes up names without end is counted under
/// [`ELSEWHERE`] beyond them.
const VIOLATION_ROWS_MAX: u64 = 2_000;
/// Stands for every event, version and place beyond [`VIOLATION_ROWS_MAX`].
const ELSEWHERE: &str = "*";

/// What does not do as the tracking plan says.
impl Fold<'_> {
    fn violations(&self, source: &str, at: Time, body: &ViolationBody<'_>) -> Result<()> {
        for violation in &body.violations {
            self.violation(source, at, body, violation, 1)?;
        }
        if body.more > 0 {
            let more = Violation { pointer: "".into(), rule: "more".into(), expected: "".into() };
            self.violation(source, at, body, &more, body.more)?;
        }
        Ok(())
    }

    fn violation(
        &self,
        source: &str,
        at: Time,
        body: &ViolationBody<'_>,
        violation: &Violation<'_>,
        count: u32,
    ) -> Result<()> {
        let counted = self.count(
            "UPDATE violations SET count = count + ?8, expected = ?9, first_at = MIN(first_at, ?10),
                last_at = MAX(last_at, ?10)
            WHERE source = ?1 AND event = ?2 AND sender = ?3 AND plan = ?4 AND pointer = ?5 AND rule = ?6
                AND blocked = ?7",
            params![
                source,
                body.event,
                body.sender,
                body.plan,
                violation.pointer,
                violation.rule,
                body.blocked,
                count,
                violation.expected,
                at.0,
            ],
        )?;
        if counted > 0 {
            return Ok(());
        }
        let rows: u64 = self
            .to
            .prepare_cached("SELECT COUNT(*) FROM violations WHERE source = ? AND plan = ?")?
            .query_row(params![source, body.plan], |row| row.get(0))?;
        let (event, sender, pointer) = match rows < VIOLATION_ROWS_MAX {
            true => (&*body.event, &*body.sender, &*violation.pointer),
            false => (ELSEWHERE, ELSEWHERE, ELSEWHERE),
        };
        self.run(
            "INSERT INTO violations VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?10)
            ON CONFLICT DO UPDATE SET count = count + excluded.count, last_at = excluded.last_at",
            params![
                source,
                event,
                sender,
                body.plan,
                pointer,
                violation.rule,
                body.blocked,
                violation.expected,
                count,
                at.0,
            ],
        )
    }
}

/// The installation itself.
impl Fold<'_> {
    fn workspace_fact(&self, fact: &Fact) -> Result<()> {
        match fact {
            Fact::SourceCreated { source, key_hash, at } => self.run(
                "INSERT OR REPLACE INTO sources VALUES (?, ?, ?, NULL, 0, 0, 0)",
                params![source, key_hash, at.0],
            ),
            Fact::SourceRevoked { source, at } => {
                self.run("UPDATE sources SET revoked_at = ? WHERE source = ?", params![at.0, source])
            }
            Fact::SourceAllowed { source, allowed, at: _ } => self.run(
                "UPDATE sources SET promises = ?, orders = ?, only_customers = ? WHERE source = ?",
                params![allowed.promises, allowed.orders, allowed.only_customers, source],
            ),
            Fact::EffectsSwitched { on, at, reason } => self.run(
                "INSERT OR REPLACE INTO settings VALUES ('effects', ?, ?, ?)",
                params![on, at.0, reason],
            ),
            Fact::ImportStarted { timeline, name, at } => self.run(
                "INSERT OR REPLACE INTO imports VALUES (?, ?, ?, NULL, NULL, NULL)",
                params![timeline, name, at.0],
            ),
            Fact::ImportFinished { timeline, at, events, bad_rows } => self.run(
                "UPDATE imports SET finished_at = ?, events = ?, bad_rows = ? WHERE timeline = ?",
                params![at.0, events, bad_rows, timeline],
            ),
            Fact::DeadLetterReplayed { seq, at } => {
                self.run("UPDATE dead_letters SET replayed_at = ? WHERE seq = ?", params![at.0, seq])
            }
            _ => Ok(()),
        }
    }
}

pub(crate) fn amount(money: Option<&Money>) -> (Option<i64>, Option<&str>) {
    (money.map(|money| money.minor), money.map(|money| money.currency.code()))
}

fn risk(why: &RiskReason) -> String {
    match why {
        RiskReason::Scored { probability_late, reason } => {
            format!("{}: {probability_late:.2} late, {reason}", why.name())
        }
        RiskReason::Supply { what, covered_at, .. } => match covered_at {
            Some(covered_at) => format!("{}: {what}, covered at {covered_at}", why.name()),
            None => format!("{}: {what}", why.name()),
        },
        RiskReason::NotHandedOver
        | RiskReason::FailedAttempt
        | RiskReason::LeftLate
        | RiskReason::SlowDelivery
        | RiskReason::TightPlan => why.name().into(),
    }
}

/// That a promise is kept, where the reason says it.
fn probability_of(why: &RiskReason) -> Option<f64> {
    match why {
        RiskReason::Scored { probability_late, .. } => Some(1.0 - probability_late),
        _ => None,
    }
}

/// `2026-03`, as the zone's calendar shows it; UTC's where the zone is not known here.
fn month_of(at: Time, zone: &str) -> String {
    let zone = model::time::zone(zone).unwrap_or(jiff::tz::TimeZone::UTC);
    let date = at.to_timestamp().to_zoned(zone).date();
    format!("{:04}-{:02}", date.year(), date.month())
}
