//! Readings, forecasts of when something runs empty, and what is put in anew.

use learn::depletion::{Forecast, Level, Prior, Seen as Taken};
use model::connection::{ConnectionFact, Evidence, LevelSeen, NeedOrigin, NeedStage, Strategy, Subject};
use model::{Time, TimelineId, TimerPurpose};

use super::super::Decision;
use super::needs::Noticed;
use crate::connection::{EmptyIn, SHARE_READINGS, Slot, days_of, followed, micros_of};
use crate::playbook::{ForecastRule, NeedRule, Playbook};

/// A forecast is looked at again after so many days at most.
pub(super) const LOOK_AGAIN_DAYS: f64 = 30.0;
/// What is due within the hour is due.
pub(super) const SOON_DAYS: f64 = 1.0 / 24.0;
/// Half of the time it lasts longer than this many times an answer takes: then it is too early to act.
const PATIENCE: f64 = 3.0;
impl<'a> Decision<'a> {
    /// The rule that foresees needs of a category.
    pub(super) fn forecast_rule(
        &self,
        category: &str,
    ) -> Option<(u32, &'a Playbook, &'a NeedRule, &'a ForecastRule)> {
        let (version, playbook) = self.playbook_of(category)?;
        let rule = playbook.needs.iter().find(|rule| rule.origin == NeedOrigin::Predicted)?;
        Some((version, playbook, rule, rule.forecast.as_ref()?))
    }
}

impl Decision<'_> {
    /// Days until something has to be done so that the answer is there in time. Nobody is patient for more than
    /// `patience` days.
    pub(super) fn act_in(
        &self,
        playbook: &Playbook,
        forecast: &ForecastRule,
        empty: &EmptyIn,
        subject: &Subject,
        patience: f64,
    ) -> f64 {
        let (device, slot) = (subject.device_id.as_deref(), subject.slot.as_deref());
        let (_, holdout) = self.arm_of(playbook);
        let follow = followed(self.connection(), playbook, device, slot, self.barriers(holdout));
        let mandate = self.connection().mandate_for(&playbook.category, device, slot);
        let notice = match (follow.strategy, mandate) {
            (Strategy::Automate, Some(mandate)) => f64::from(mandate.terms.notice_hours) / 24.0,
            _ => 0.0,
        };
        let takes = playbook.offer.lead_days + notice + forecast.buffer_days;
        let act_in = empty.needed - playbook.offer.lead_days - notice;
        // Of what has only begun little is known, and the worst case is near: it is waited for more to be known as
        // long as it most likely lasts much longer than an answer takes.
        if act_in <= SOON_DAYS && empty.p50 > PATIENCE * takes {
            return act_in.max((empty.p50 - PATIENCE * takes).max(1.0).min(patience));
        }
        act_in
    }

    pub(super) fn level(&mut self, device_id: &str, slot: &str, level: Option<f64>, low: bool, at: Time) {
        let Some(known) = self.connection().slot(device_id, slot).cloned() else {
            return self.ignore(format!("no slot {slot} of a device {device_id} is registered"));
        };
        // What is not shared is not kept.
        if self.connection().share(&known.category, Some(device_id)) < SHARE_READINGS {
            return self.ignore(format!("readings of {device_id} are not shared for {}", known.category));
        }
        let Some(level) = level else {
            // It says that it is low, and not how low.
            debug_assert!(low);
            return;
        };
        let prior = self.pin_prior(&known.category);
        let mut after = known.clone();
        let estimate = after.level.get_or_insert_with(|| Box::new(Level::new(&prior)));
        let taken = match estimate.observe(&prior, days_of(at), level) {
            Ok(taken) => taken,
            Err(why) => return self.ignore(format!("{device_id} {slot}: {why}")),
        };
        if taken == Taken::Stale {
            return self.ignore(format!("{device_id} {slot}: a later reading is known"));
        }
        // Another content is a new one where there is more of it than before; less is a burst of use.
        let rose = known.last.is_none_or(|(_, before)| level > before);
        let replaced = taken == Taken::Replaced && rose;
        let (device, name) = (device_id.to_owned(), slot.to_owned());
        self.tell(ConnectionFact::LevelSeen(LevelSeen {
            device_id: device,
            slot: name,
            level,
            at,
            replaced,
        }));
        if known.last.is_none() {
            self.learn_of_met(device_id, slot, at);
        }
        if replaced {
            after.cycle = after.cycle.saturating_add(1);
            after.empty_since = None;
            self.cycle_ends(device_id, slot, &known, at);
        }
        let empty_at = self.forecast_rule(&known.category).map_or(0.0, |(.., rule)| rule.empty_at);
        // One odd reading is not believed; two are.
        let before = known.last.is_some_and(|(_, before)| before <= empty_at);
        if level <= empty_at
            && known.empty_since.is_none()
            && !replaced
            && (taken != Taken::Outlier || before)
        {
            self.ran_empty(device_id, slot, &known, at);
        }
        self.stand_by_mandate(device_id, slot, &after, at);
        self.foresee(device_id, slot, &after, &prior, at);
    }

    pub(super) fn slot_replaced(&mut self, device_id: &str, slot: &str, at: Time) {
        let Some(known) = self.connection().slot(device_id, slot).cloned() else {
            return self.ignore(format!("no slot {slot} of a device {device_id} is registered"));
        };
        if known.replaced_at.is_some_and(|last| last >= at) {
            return self.ignore(format!("{device_id} {slot} was changed since"));
        }
        let prior = self.pin_prior(&known.category);
        self.tell(ConnectionFact::SlotReplaced {
            device_id: device_id.to_owned(),
            slot: slot.to_owned(),
            at,
        });
        self.cycle_ends(device_id, slot, &known, at);
        let mut after = known;
        after.cycle = after.cycle.saturating_add(1);
        after.empty_since = None;
        let estimate = after.level.get_or_insert_with(|| Box::new(Level::new(&prior)));
        if estimate.replaced(&prior, days_of(at)).is_ok() {
            self.stand_by_mandate(device_id, slot, &after, at);
            self.foresee(device_id, slot, &after, &prior, at);
        }
    }

    /// The population that forecasts of a category begin with; pinned to this customer, so that a replay sees the same.
    pub(super) fn pin_prior(&mut self, category: &str) -> Prior {
        let reference = self.context.reference;
        let pinned = self.connection().priors.get(category);
        match reference.depletion.get(category) {
            Some(published) if pinned.is_none_or(|pinned| pinned.version < reference.version) => {
                if pinned.is_none_or(|pinned| pinned.prior != *published) {
                    self.tell(ConnectionFact::PriorPinned {
                        category: category.to_owned(),
                        version: reference.version,
                        prior: serde_json::to_string(published).expect("plain data serialises"),
                    });
                }
                published.clone()
            }
            _ => pinned.map(|pinned| pinned.prior.clone()).unwrap_or_default(),
        }
    }

    /// Looks ahead from what is known of a slot: the need is known now, or looked for again then.
    fn foresee(&mut self, device_id: &str, slot: &str, known: &Slot, prior: &Prior, now: Time) {
        let purpose = TimerPurpose::ForecastDue { device_id: device_id.to_owned(), slot: slot.to_owned() };
        let Some((version, playbook, rule, forecast)) = self.forecast_rule(&known.category) else { return };
        if !self.context.timeline.is_live() {
            return;
        }
        let Some(empty) = empty_in(known, prior, forecast, self.context.now.max(now)) else { return };
        let subject =
            Subject { device_id: Some(device_id.to_owned()), slot: Some(slot.to_owned()), item_id: None };
        let act_in = self.act_in(playbook, forecast, &empty, &subject, f64::INFINITY);
        self.clear_timers(|known| *known == purpose);
        if act_in > SOON_DAYS {
            let at = self.context.now.plus_micros(micros_of(act_in.min(LOOK_AGAIN_DAYS)));
            return self.set_timer(at, TimelineId::LIVE, purpose);
        }
        match rule.when.as_ref().map(|when| when.holds(&self.facts(&subject, now))) {
            None | Some(Ok(true)) => {}
            Some(Ok(false)) => return,
            Some(Err(why)) => return self.ignore(format!("{} {}: {why}", playbook.playbook, rule.id)),
        }
        let mut evidence = vec![foreseen(&empty, self.context.now)];
        if let Some((at, level)) = known.last {
            let value = format!("{:.0} %", level * 100.0);
            evidence.push(Evidence { what: "slot.level_reported".to_owned(), at, value });
        }
        let noticed = Noticed {
            subject,
            origin: NeedOrigin::Predicted,
            rule: &rule.id,
            confidence: rule.confidence,
            arose_at: self.context.now.plus_micros(micros_of(empty.p50)),
            evidence,
        };
        self.notice(version, playbook, noticed, self.context.now);
    }

    pub(super) fn forecast_due(&mut self, device_id: &str, slot: &str, at: Time) {
        let connection = self.connection();
        let gone = connection.devices.get(device_id).is_none_or(|device| device.gone_at.is_some());
        let Some(known) = connection.slot(device_id, slot).cloned().filter(|_| !gone) else { return };
        if connection.share(&known.category, Some(device_id)) < SHARE_READINGS {
            return;
        }
        let prior = connection.priors.get(&known.category).map(|pinned| pinned.prior.clone());
        self.foresee(device_id, slot, &known, &prior.unwrap_or_default(), at);
    }

    /// What was brought before anybody looked may be in it already.
    fn learn_of_met(&mut self, device_id: &str, slot: &str, at: Time) {
        let met = self.connection().needs.values().filter(|record| {
            let subject = &record.need.subject;
            record.stage == NeedStage::Met
                && subject.device_id.as_deref() == Some(device_id)
                && subject.slot.as_deref() == Some(slot)
        });
        let met: Vec<String> = met.map(|record| record.need.need_id.clone()).collect();
        for need_id in met {
            self.move_need(&need_id, NeedStage::Learned, None, None, at);
        }
    }

    /// Something new was put in: what was open about the old one has ended, and taught what it could.
    fn cycle_ends(&mut self, device_id: &str, slot: &str, known: &Slot, at: Time) {
        let about: Vec<(String, NeedStage)> = self
            .connection()
            .needs
            .values()
            .filter(|record| {
                let subject = &record.need.subject;
                subject.device_id.as_deref() == Some(device_id) && subject.slot.as_deref() == Some(slot)
            })
            .map(|record| (record.need.need_id.clone(), record.stage))
            .collect();
        for (need_id, stage) in about {
            match stage {
                NeedStage::Met => self.move_need(&need_id, NeedStage::Learned, None, None, at),
                // They had one from somewhere else.
                NeedStage::Recognized | NeedStage::Requested => {
                    self.call_off_need(&need_id, "met_elsewhere");
                    self.move_need(&need_id, NeedStage::Lapsed, None, Some("met_elsewhere"), at);
                }
                NeedStage::Promised | NeedStage::Learned | NeedStage::Lapsed => {}
            }
        }
        self.mandate_kept(device_id, slot, known, at);
    }

    pub(super) fn device_gone(&mut self, device_id: &str, at: Time) {
        if self.connection().devices.get(device_id).is_none_or(|device| device.gone_at.is_some()) {
            return self.ignore(format!("no device {device_id} is registered"));
        }
        self.tell(ConnectionFact::DeviceGone { device_id: device_id.to_owned(), at });
        let slots =
            self.connection().devices.get(device_id).into_iter().flat_map(|known| known.slots.values());
        let categories: std::collections::BTreeSet<String> =
            slots.map(|slot| slot.category.clone()).collect();
        categories.iter().for_each(|category| self.look_at_purchases(category));
        self.clear_timers(
            |purpose| matches!(purpose, TimerPurpose::ForecastDue { device_id: of, .. } if of == device_id),
        );
        let open: Vec<String> = self
            .connection()
            .needs
            .values()
            .filter(|record| {
                record.need.subject.device_id.as_deref() == Some(device_id)
                    && matches!(record.stage, NeedStage::Recognized | NeedStage::Requested)
            })
            .map(|record| record.need.need_id.clone())
            .collect();
        for need_id in open {
            self.call_off_need(&need_id, "device_gone");
            self.move_need(&need_id, NeedStage::Lapsed, None, Some("device_gone"), at);
        }
    }
}

/// When it runs empty, in days from `now`; nothing where nothing was seen of it yet.
pub(super) fn empty_in(slot: &Slot, prior: &Prior, rule: &ForecastRule, now: Time) -> Option<EmptyIn> {
    Some(in_days(&slot.level.as_ref()?.runs_empty(prior, days_of(now), rule.empty_at).ok()?, rule))
}

pub(super) fn in_days(forecast: &Forecast, rule: &ForecastRule) -> EmptyIn {
    EmptyIn {
        p10: forecast.quantile(0.1),
        p50: forecast.quantile(0.5),
        p90: forecast.quantile(0.9),
        needed: forecast.quantile(1.0 - rule.service.clamp(0.5, 0.999)) - rule.buffer_days,
    }
}

/// A forecast as what a need is noticed by.
pub(super) fn foreseen(empty: &EmptyIn, now: Time) -> Evidence {
    let value = format!("{:.1} days ({:.1} to {:.1})", empty.p50, empty.p10, empty.p90);
    Evidence { what: "forecast".to_owned(), at: now, value }
}
