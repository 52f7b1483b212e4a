//! What became of orders besides their progress: changes and returns. What is asked of payment systems is shown with
//! the order by the engine itself; what they did stands with the payments.

use model::{Exchange, OrderFact, OrderLine};
use rusqlite::{Result, params};

use super::{Fold, Owner, amount};

/// Whose it is, and how: the columns of an exchange.
pub(super) fn exchange(line: &OrderLine) -> (&'static str, Option<&str>, Option<&str>) {
    let (partner, terms) = match &line.exchange {
        Exchange::Direct => (None, None),
        Exchange::Mediated { partner } => (Some(partner.as_str()), None),
        Exchange::Financial { terms } => (None, Some(terms.as_str())),
    };
    (line.exchange.name(), partner, terms)
}

impl Fold<'_> {
    pub(super) fn ordering_fact(&self, owner: Owner, fact: &OrderFact) -> Result<()> {
        match fact {
            OrderFact::Changed { order_id, region, total, lines, .. } => {
                let (minor, currency) = amount(total.as_ref());
                self.run(
                    "UPDATE orders SET region = ?3, total_minor = ?4, currency = ?5
                    WHERE entity = ?1 AND order_id = ?2",
                    params![owner.key, order_id, region, minor, currency],
                )?;
                self.run(
                    "DELETE FROM order_lines WHERE entity = ? AND order_id = ?",
                    params![owner.key, order_id],
                )?;
                self.order_lines(owner, order_id, lines)
            }
            OrderFact::ReturnAsked { request, day, at } => self.run(
                "INSERT OR REPLACE INTO returns (entity, order_id, return_id, timeline, state, asked_at, day, lines,
                    asked_reason, moved_at)
                VALUES (?, ?, ?, ?, 'requested', ?, ?, ?, ?, ?)",
                params![
                    owner.key,
                    request.order_id,
                    request.return_id,
                    owner.timeline,
                    at.0,
                    day,
                    serde_json::to_string(&request.lines).expect("plain data serialises"),
                    request.reason,
                    at.0,
                ],
            ),
            OrderFact::ReturnMoved { order_id, return_id, state, reason, at } => self.run(
                "UPDATE returns SET state = ?4, reason = COALESCE(?5, reason), moved_at = ?6
                WHERE entity = ?1 AND order_id = ?2 AND return_id = ?3",
                params![owner.key, order_id, return_id, state.name(), reason, at.0],
            ),
            // What one action orders with is shown to nobody here.
            OrderFact::DefaultsSet { .. } | OrderFact::HandedOut { .. } | OrderFact::Payment { .. } => Ok(()),
        }
    }
}
