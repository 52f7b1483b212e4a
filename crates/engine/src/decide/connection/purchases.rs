//! When a category's need arises again where no device tells: from the orders that arrived.

use learn::depletion::Prior;
use model::connection::{ConnectionFact, Evidence, NeedOrigin, Subject};
use model::{Outcome, Quantity, Time, TimelineId, TimerPurpose};

use super::super::Decision;
use super::devices::{LOOK_AGAIN_DAYS, SOON_DAYS, foreseen, in_days};
use super::needs::Noticed;
use crate::connection::{Arrival, EmptyIn, InUse, SHARE_HISTORY, days_of, micros_of};
use crate::playbook::{ForecastRule, Playbook};

/// Where a rule's condition does not hold, it is asked again so much later; by and by at every hour of the day.
const ANOTHER_HOUR_DAYS: f64 = 5.0 / 24.0;

impl Decision<'_> {
    /// An order will bring something of a category whose needs are foreseen.
    pub(super) fn await_order(&mut self, playbook: &Playbook, order_id: &str, units: f64, at: Time) {
        if self.forecast_rule(&playbook.category).is_none() {
            return;
        }
        let quantity = Quantity::from_f64(units).unwrap_or(Quantity::ONE);
        let (category, order_id) = (playbook.category.clone(), order_id.to_owned());
        self.tell(ConnectionFact::ItemAwaited { category, order_id, quantity, at });
    }

    /// All of an order is there: what it brought is used from now on.
    pub(super) fn order_arrived(&mut self, order_id: &str, at: Time) {
        let awaited =
            |in_use: &InUse| in_use.awaited.iter().find(|known| known.order_id == order_id).cloned();
        let of_all = self.connection().in_use.iter();
        let arrived: Vec<(String, InUse, Quantity)> = of_all
            .filter_map(|(category, in_use)| {
                Some((category.clone(), in_use.clone(), awaited(in_use)?.quantity))
            })
            .collect();
        for (category, mut in_use, quantity) in arrived {
            // What is not shared is not kept.
            if self.connection().share(&category, None) < SHARE_HISTORY {
                continue;
            }
            let prior = self.pin_prior(&category);
            let order_id = order_id.to_owned();
            in_use.arrives(&prior, Arrival { order_id: order_id.clone(), quantity, at });
            self.tell(ConnectionFact::ItemArrived { category: category.clone(), order_id, quantity, at });
            let now = self.context.now.max(at);
            let Some((.., act_in)) = self.used_up(&category, &in_use, &prior, now) else { continue };
            // The need that this order answers is open yet: whatever is due is looked at by itself.
            self.look_at_purchases_in(&category, act_in.max(SOON_DAYS));
        }
    }

    /// When what was bought of a category is used up, and in how many days something has to be done for it.
    fn used_up(&self, category: &str, in_use: &InUse, prior: &Prior, now: Time) -> Option<(EmptyIn, f64)> {
        let (_, playbook, _, rule) = self.forecast_rule(category)?;
        let empty = used_up_in(in_use, prior, rule, now)?;
        // Of who buys irregularly it never becomes certain: once it has lasted as long as it usually does, nothing
        // more is waited for.
        let came = in_use.arrived.last()?.at;
        let usually = used_up_in(in_use, prior, rule, came).map_or(empty.p50, |then| then.p50);
        let patience = usually - (days_of(now) - days_of(came));
        let act_in = self.act_in(playbook, rule, &empty, &Subject::default(), patience);
        Some((empty, act_in))
    }

    pub(super) fn purchase_due(&mut self, category: &str, at: Time) {
        let (connection, now) = (self.connection(), self.context.now);
        let Some(in_use) = connection.in_use.get(category) else { return };
        if connection.share(category, None) < SHARE_HISTORY || in_use.declined == Some(in_use.cycle) {
            return;
        }
        if connection.is_told(category, now) {
            return self.look_at_purchases_in(category, LOOK_AGAIN_DAYS);
        }
        // What answers an open need arrives, or is called off, and this is looked at again.
        let of_category = |record: &crate::connection::NeedRecord| record.need.category == category;
        if connection.needs.values().any(|record| of_category(record) && record.stage.is_open()) {
            return;
        }
        let prior = connection.priors.get(category).map(|pinned| pinned.prior.clone()).unwrap_or_default();
        let Some((empty, act_in)) = self.used_up(category, in_use, &prior, now) else { return };
        if act_in > SOON_DAYS {
            return self.look_at_purchases_in(category, act_in);
        }
        let Some((version, playbook, rule, _)) = self.forecast_rule(category) else { return };
        let subject = Subject::default();
        match rule.when.as_ref().map(|when| when.holds(&self.facts(&subject, at))) {
            None | Some(Ok(true)) => {}
            Some(Ok(false)) => return self.look_at_purchases_in(category, ANOTHER_HOUR_DAYS),
            Some(Err(why)) => return self.ignore(format!("{} {}: {why}", playbook.playbook, rule.id)),
        }
        let mut evidence = vec![foreseen(&empty, now)];
        evidence.extend(in_use.arrived.iter().map(|arrival| Evidence {
            what: "order.delivered".to_owned(),
            at: arrival.at,
            value: format!("{}: {}", arrival.order_id, arrival.quantity.as_f64()),
        }));
        let noticed = Noticed {
            subject,
            origin: NeedOrigin::Predicted,
            rule: &rule.id,
            confidence: rule.confidence,
            arose_at: now.plus_micros(micros_of(empty.p50)),
            evidence,
        };
        self.notice(version, playbook, noticed, now);
    }

    /// What was bought of a category is looked at anew, because something else has changed.
    pub(super) fn look_at_purchases(&mut self, category: &str) {
        if self.connection().in_use.get(category).is_some_and(|in_use| in_use.purchases.is_some()) {
            self.look_at_purchases_in(category, SOON_DAYS);
        }
    }

    fn look_at_purchases_in(&mut self, category: &str, days: f64) {
        if !self.context.timeline.is_live() {
            return;
        }
        let purpose = TimerPurpose::PurchaseDue(category.to_owned());
        let is_set =
            |outcome: &Outcome| matches!(outcome, Outcome::TimerSet { purpose: of, .. } if *of == purpose);
        if self.outcomes.iter().any(is_set) {
            return;
        }
        self.clear_timers(|known| *known == purpose);
        let at = self.context.now.plus_micros(micros_of(days.min(LOOK_AGAIN_DAYS)));
        self.set_timer(at, TimelineId::LIVE, purpose);
    }
}

/// When what was bought is used up, in days from `now`; nothing where nothing has arrived yet.
pub(super) fn used_up_in(in_use: &InUse, prior: &Prior, rule: &ForecastRule, now: Time) -> Option<EmptyIn> {
    let forecast = in_use.purchases.as_ref()?.runs_empty(prior, days_of(now)).ok()?;
    Some(in_days(&forecast, rule))
}
