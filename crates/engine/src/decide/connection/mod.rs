//! What follows for the tie between a customer and the company: from what they set and say, what their devices report,
//! what time brings, and what is decided about a need.
//!
//! ```text
//! reading, word, order ─► need ─► decision wanted ─► (the fold adds what can be promised) ─► consider ─► message, order
//!                                     ▲                                                          │
//!                                     └────────── later, or when a cancel window ends ◄──────────┘
//! ```

mod consider;
mod devices;
mod mandates;
mod messages;
mod needs;
mod purchases;

use model::connection::{
    ActionEnd, ActionState, ConnectionCommand, ConnectionFact, ConnectionSignal, Consent, Friction,
    NeedStage, Occasion, Preference, Strategy, Subject,
};
use model::{Fact, Time, TimerPurpose};

pub use self::consider::Considered;
use super::Decision;
use crate::connection::{Barriers, Connection};
use crate::playbook::{Facts, Playbook};

impl<'a> Decision<'a> {
    pub(super) fn connection(&self) -> &'a Connection {
        &self.customer.connection
    }

    fn tell(&mut self, fact: ConnectionFact) {
        self.fact(Fact::Connection(fact));
    }

    /// The playbook that answers a category now.
    fn playbook_of(&self, category: &str) -> Option<(u32, &'a Playbook)> {
        self.context.reference.playbooks.of_category(category)
    }

    /// What stands against a strategy for this customer.
    fn barriers(&self, holdout: bool) -> Barriers {
        let rules = &self.context.reference.promising.orders;
        Barriers::of(self.customer.order_defaults.as_deref(), rules, holdout)
    }
}

impl Decision<'_> {
    pub(super) fn connection_signal(&mut self, signal: &ConnectionSignal, at: Time) {
        match signal {
            ConnectionSignal::PreferenceChanged(preference) => self.set_preference(preference, at),
            ConnectionSignal::ConsentSet(consent) => self.set_consent(consent, at),
            ConnectionSignal::DeviceRegistered { device_id, model, site, slots } => {
                let (device_id, model, site) = (device_id.clone(), model.clone(), site.clone());
                let slots = slots.clone();
                self.tell(ConnectionFact::DeviceRegistered { device_id, model, site, slots, at });
            }
            ConnectionSignal::DeviceGone { device_id } => self.device_gone(device_id, at),
            ConnectionSignal::Level { device_id, slot, level, low } => {
                self.level(device_id, slot, *level, *low, at);
            }
            ConnectionSignal::SlotReplaced { device_id, slot } => self.slot_replaced(device_id, slot, at),
            ConnectionSignal::NeedStated { category, subject, arose_at } => {
                self.state_need(category, subject, *arose_at, at, Occasion::Asked);
            }
            ConnectionSignal::Friction { category, subject, kind, minutes } => {
                match self.need_about(category, subject) {
                    Some(need_id) => {
                        let friction = Friction { kind: *kind, at, minutes: *minutes };
                        self.tell(ConnectionFact::FrictionSeen { need_id, friction });
                    }
                    None => self.ignore(format!("no need about {category} is known")),
                }
            }
            ConnectionSignal::Effort { category, subject, minutes, steps, inputs, contacts } => {
                let (minutes, steps, inputs, contacts) = (*minutes, *steps, *inputs, *contacts);
                match self.need_about(category, subject) {
                    Some(need_id) => {
                        self.tell(ConnectionFact::EffortSpent {
                            need_id,
                            at,
                            minutes,
                            steps,
                            inputs,
                            contacts,
                        });
                    }
                    None => self.ignore(format!("no need about {category} is known")),
                }
            }
            ConnectionSignal::Away { from, until } => {
                self.tell(ConnectionFact::AwaySet { from: *from, until: *until, at });
            }
            ConnectionSignal::StepDone { category, step, done } => {
                let (category, step, done) = (category.clone(), step.clone(), *done);
                self.tell(ConnectionFact::StepDone { category, step, done, at });
            }
        }
        self.heard(at);
    }

    pub(super) fn connection_command(&mut self, command: &ConnectionCommand) {
        let now = self.context.now;
        match command {
            ConnectionCommand::SetPreference(preference) => self.set_preference(preference, now),
            ConnectionCommand::SetConsent(consent) => self.set_consent(consent, now),
            ConnectionCommand::StateNeed { category, subject, arose_at } => {
                self.state_need(category, subject, *arose_at, now, Occasion::Asked);
            }
            ConnectionCommand::PresentMandate(terms) => self.present_mandate(terms),
            ConnectionCommand::ActivateMandate { mandate_id, agreement } => {
                self.activate_mandate(mandate_id, agreement);
            }
            ConnectionCommand::PauseMandate { mandate_id } => self.pause_mandate(mandate_id),
            ConnectionCommand::ResumeMandate { mandate_id } => self.resume_mandate(mandate_id),
            ConnectionCommand::SuspendMandate { mandate_id, why } => self.suspend_mandate(mandate_id, why),
            ConnectionCommand::RevokeMandate { mandate_id } => self.revoke_mandate(mandate_id),
            ConnectionCommand::CancelAction { action_id } => self.cancel_action(action_id),
            ConnectionCommand::DisputeAction { action_id, why } => self.dispute(action_id, why.clone()),
            ConnectionCommand::SettleDispute { action_id, refund } => {
                self.settle_dispute(action_id, *refund);
            }
            ConnectionCommand::Snooze { category, until } => {
                let (category, until) = (category.clone(), *until);
                self.tell(ConnectionFact::Snoozed { category: category.clone(), until, at: now });
                self.come_back(&category, until);
            }
            ConnectionCommand::Choose { need_id, item_id: _, order_id } => self.chosen(need_id, order_id),
            ConnectionCommand::SetAway { from, until } if from < until => {
                self.tell(ConnectionFact::AwaySet { from: *from, until: *until, at: now });
            }
            ConnectionCommand::SetAway { .. } => self.ignore("`until` is not after `from`".to_owned()),
            ConnectionCommand::OrderNow { mandate_id } => self.order_now(mandate_id),
        }
    }

    pub(super) fn connection_timer(&mut self, purpose: &TimerPurpose, at: Time) {
        match purpose {
            TimerPurpose::ForecastDue { device_id, slot } => self.forecast_due(device_id, slot, at),
            TimerPurpose::PurchaseDue(category) => self.purchase_due(category, at),
            TimerPurpose::NeedDue(need_id) => {
                let open = self.connection().needs.get(need_id).map(|record| record.stage);
                if open == Some(NeedStage::Recognized) {
                    self.want_decision(need_id, Occasion::Recognized, None);
                }
            }
            TimerPurpose::ActionDue(action_id) => self.action_due(action_id),
            TimerPurpose::MandateEnds(mandate_id) => self.mandate_ends(mandate_id, at),
            _ => {}
        }
    }

    fn want_decision(&mut self, need_id: &str, occasion: Occasion, action_id: Option<&str>) {
        // History that is imported asks for nothing.
        if !self.context.timeline.is_live() {
            return;
        }
        let (need_id, action_id) = (need_id.to_owned(), action_id.map(str::to_owned));
        self.tell(ConnectionFact::DecisionWanted { need_id, occasion, action_id, at: self.context.now });
    }

    fn set_preference(&mut self, preference: &Preference, at: Time) {
        let known =
            self.connection().preferences.iter().find(|known| {
                known.category == preference.category && known.device_id == preference.device_id
            });
        if let Some(known) = known {
            let same = Preference { version: known.version, at: known.at, ..preference.clone() };
            if same == *known {
                return self.ignore(format!("{} is set so already", preference.category));
            }
            if known.at > at {
                return self.ignore(format!("{} was set later than that", preference.category));
            }
        }
        let version = known.map_or(1, |known| known.version.saturating_add(1));
        let was = known.map(|known| known.strategy);
        let preference = Preference { version, at, ..preference.clone() };
        self.tell(ConnectionFact::PreferenceSet(preference.clone()));
        self.look_at_purchases(&preference.category);
        // Who delegates no longer has what is open called off, and nothing more is begun for them.
        if was == Some(Strategy::Automate) && preference.strategy != Strategy::Automate {
            let device = preference.device_id.as_deref();
            self.call_off_where("preference", |category, of_device| {
                category == preference.category && (device.is_none() || device == of_device)
            });
        }
    }

    fn set_consent(&mut self, consent: &Consent, at: Time) {
        let known = self.connection().consents.get(&consent.purpose);
        if known.is_some_and(|known| known.given == consent.given && known.notice == consent.notice) {
            return self.ignore(format!("{} is {} already", consent.purpose, given(consent.given)));
        }
        // Of two words about one purpose the later counts, and of equals the withdrawal.
        if known.is_some_and(|known| known.at > at || (known.at == at && !known.given)) {
            return self.ignore(format!("a later word about {} is known", consent.purpose));
        }
        let consent = Consent { at, ..consent.clone() };
        let withdrawn = !consent.given && Consent::SHARED.contains(&consent.purpose.as_str());
        let purpose = consent.purpose.clone();
        self.tell(ConnectionFact::ConsentSet(consent));
        if withdrawn {
            self.mandates_without(&purpose);
        } else if Consent::SHARED.contains(&purpose.as_str()) {
            let categories: Vec<String> = self.connection().in_use.keys().cloned().collect();
            categories.iter().for_each(|category| self.look_at_purchases(category));
        }
    }

    /// The need that something is said about: the open one, else the latest.
    fn need_about(&self, category: &str, subject: &Subject) -> Option<String> {
        let connection = self.connection();
        let (device, slot) = (subject.device_id.as_deref(), subject.slot.as_deref());
        if let Some((need_id, _)) = connection.open_need(category, device, slot) {
            return Some(need_id.clone());
        }
        let same = |record: &&crate::connection::NeedRecord| {
            record.need.category == category
                && (device.is_none() || record.need.subject.device_id.as_deref() == device)
        };
        let latest = connection.needs.values().filter(same).max_by_key(|record| record.need.known_at)?;
        Some(latest.need.need_id.clone())
    }

    /// Of an automatic order.
    fn move_action(
        &mut self,
        action_id: &str,
        state: ActionState,
        why: Option<&str>,
        order_id: Option<&str>,
    ) {
        let end = ActionEnd { why: why.map(str::to_owned), order_id: order_id.map(str::to_owned) };
        let action_id = action_id.to_owned();
        self.tell(ConnectionFact::ActionMoved { action_id, state, end, at: self.context.now });
    }

    fn move_need(
        &mut self,
        need_id: &str,
        stage: NeedStage,
        order_id: Option<&str>,
        why: Option<&str>,
        at: Time,
    ) {
        self.tell(ConnectionFact::NeedMoved {
            need_id: need_id.to_owned(),
            stage,
            at,
            order_id: order_id.map(str::to_owned),
            why: why.map(str::to_owned),
        });
    }

    /// What conditions may look at: `event`, `device`, `slot`, `customer`, `now`.
    fn facts(&self, subject: &Subject, at: Time) -> Facts {
        let connection = self.connection();
        let properties = self.told.map_or("{}", |(_, properties)| properties);
        let device = subject.device_id.as_deref().and_then(|id| connection.devices.get(id));
        let slot = device.zip(subject.slot.as_deref()).and_then(|(device, slot)| device.slots.get(slot));
        let zone = model::time::zone_or_utc(&self.time_zone());
        let local = at.to_timestamp().to_zoned(zone);
        let profile = &self.customer.profile;
        let orders = self.customer.orders.len();
        let last = self.customer.orders.values().filter_map(|order| order.placed_at).max();
        let days = last.map(|last| at.since(last) as f64 / 86_400_000_000.0);
        let said = serde_json::from_str(properties).unwrap_or(serde_json::Value::Null);
        let facts = serde_json::json!({
            "event": said,
            "device": { "model": device.and_then(|d| d.model.clone()), "site": device.and_then(|d| d.site.clone()) },
            "slot": {
                "level": slot.and_then(|slot| slot.last).map(|(_, level)| level),
                "days_in_use": slot.and_then(|slot| slot.replaced_at)
                    .map(|since| at.since(since) as f64 / 86_400_000_000.0),
            },
            "customer": {
                "traits": serde_json::from_str::<serde_json::Value>(&profile.traits_json()).unwrap_or_default(),
                "orders": orders,
                "days_since_order": days,
            },
            "now": { "hour": local.hour(), "weekday": local.weekday().to_monday_one_offset(), "month": local.month() },
        });
        facts.as_object().cloned().unwrap_or_default()
    }

    /// The zone in which this customer reads times.
    pub(super) fn time_zone(&self) -> String {
        self.customer.time_zone(&self.context.reference.promising.time_zone)
    }
}

fn given(given: bool) -> &'static str {
    if given { "given" } else { "withdrawn" }
}
