//! Needs: noticed once, and led through their stages.

use model::connection::{ConnectionFact, Evidence, Need, NeedOrigin, NeedStage, Occasion, Subject};
use model::{Time, TimelineId, TimerPurpose};

use super::super::Decision;
use crate::connection::{NeedRecord, SHARE_HISTORY, SHARE_READINGS, followed};
use crate::evolve::tie_breaker;
use crate::playbook::Playbook;

/// What noticed a need.
pub(super) struct Noticed<'a> {
    pub(super) subject: Subject,
    pub(super) origin: NeedOrigin,
    pub(super) rule: &'a str,
    pub(super) confidence: f64,
    pub(super) arose_at: Time,
    pub(super) evidence: Vec<Evidence>,
}

impl Decision<'_> {
    pub(super) fn state_need(
        &mut self,
        category: &str,
        subject: &Subject,
        arose_at: Option<Time>,
        at: Time,
        occasion: Occasion,
    ) {
        let Some((version, playbook)) = self.playbook_of(category) else {
            return self.ignore(format!("no playbook answers {category}"));
        };
        let subject = self.inferred(category, subject);
        let connection = self.connection();
        let (device, slot) = (subject.device_id.as_deref(), subject.slot.as_deref());
        if let Some((need_id, _)) = connection.open_or_foreseen(category, device, slot) {
            let need_id = need_id.clone();
            self.tell(ConnectionFact::NeedHeardAgain {
                need_id: need_id.clone(),
                rule: "stated".to_owned(),
                at,
            });
            return self.want_decision(&need_id, occasion, None);
        }
        let stated = playbook.needs.iter().find(|rule| rule.origin == NeedOrigin::Stated);
        let rule = stated.map_or("stated", |rule| rule.id.as_str());
        // What ran empty began to be missed then, whenever it is said.
        let slot = subject.device_id.as_deref().zip(subject.slot.as_deref());
        let empty = slot.and_then(|(device, slot)| self.connection().slot(device, slot)?.empty_since);
        let noticed = Noticed {
            subject: subject.clone(),
            origin: NeedOrigin::Stated,
            rule,
            confidence: stated.map_or(1.0, |rule| rule.confidence),
            arose_at: arose_at.or(empty).unwrap_or(at).min(at),
            evidence: vec![Evidence { what: "need.stated".to_owned(), at, value: category.to_owned() }],
        };
        let need_id = self.recognize(version, playbook, noticed, at);
        self.want_decision(&need_id, occasion, None);
    }

    /// Who has one device of a category means that one; nobody has to be asked for its model.
    fn inferred(&self, category: &str, subject: &Subject) -> Subject {
        if subject.device_id.is_some() {
            return subject.clone();
        }
        let of_category = self.connection().devices.iter().filter(|(_, device)| device.gone_at.is_none());
        let mut slots = of_category.flat_map(|(id, device)| {
            let fitting = device.slots.iter().filter(|(_, slot)| slot.category == category);
            fitting.map(move |(slot, _)| (id, slot))
        });
        match (slots.next(), slots.next()) {
            (Some((device, slot)), None) => Subject {
                device_id: Some(device.clone()),
                slot: Some(slot.clone()),
                item_id: subject.item_id.clone(),
            },
            _ => subject.clone(),
        }
    }

    /// Notes a need, and returns its name.
    pub(super) fn recognize(
        &mut self,
        version: u32,
        playbook: &Playbook,
        noticed: Noticed<'_>,
        at: Time,
    ) -> String {
        let Noticed { subject, origin, rule, confidence, arose_at, evidence } = noticed;
        let need_id = format!("n-{}-{}", self.customer.id, self.connection().next_need + self.new_needs);
        self.new_needs += 1;
        let (arm, holdout) = self.arm_of(playbook);
        let barriers = self.barriers(holdout);
        let follow = followed(
            self.connection(),
            playbook,
            subject.device_id.as_deref(),
            subject.slot.as_deref(),
            barriers,
        );
        let need = Need {
            need_id: need_id.clone(),
            category: playbook.category.clone(),
            subject,
            origin,
            rule: rule.to_owned(),
            playbook: playbook.playbook.clone(),
            version,
            arm,
            confidence,
            evidence,
            arose_at,
            known_at: at,
            strategy: follow.strategy,
            instead: follow.missing.map(|missing| missing.code().to_owned()),
        };
        self.tell(ConnectionFact::NeedRecognized(Box::new(need)));
        need_id
    }

    /// Which arm of the playbook's experiment this customer is in, and whether they are in its holdout: by chance, and
    /// the same for ever.
    pub(super) fn arm_of(&self, playbook: &Playbook) -> (Option<String>, bool) {
        let Some(experiment) = &playbook.experiment else { return (None, false) };
        let share = |what: &str| {
            let hash = tie_breaker(&format!("{}/{what}", experiment.name), &self.customer.id.to_string());
            // The hash's low bits vary with the last character alone; mixed, they part customers evenly.
            (hash.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 11) as f64 / (1_u64 << 53) as f64
        };
        if share("holdout") < experiment.holdout {
            return (Some("holdout".to_owned()), true);
        }
        let all: f64 = experiment.arms.iter().map(|arm| arm.weight).sum();
        let mut left = share("arm") * all;
        for arm in &experiment.arms {
            if left < arm.weight {
                return (Some(arm.id.clone()), false);
            }
            left -= arm.weight;
        }
        (experiment.arms.last().map(|arm| arm.id.clone()), false)
    }

    /// An event may report needs by the rules of playbooks that listen to it.
    pub(in crate::decide) fn heard(&mut self, at: Time) {
        let Some((name, properties)) = self.told else { return };
        let reference = self.context.reference;
        for (version, playbook) in reference.playbooks.current() {
            for rule in &playbook.needs {
                if rule.origin == NeedOrigin::Stated || !rule.on.iter().any(|on| on == name) {
                    continue;
                }
                let said: Told = serde_json::from_str(properties).unwrap_or_default();
                let subject = Subject { device_id: said.device_id, slot: said.slot, item_id: None };
                if !self.concerns_category(&playbook.category, &subject) {
                    continue;
                }
                let facts = self.facts(&subject, at);
                match rule.when.as_ref().map(|when| when.holds(&facts)) {
                    None | Some(Ok(true)) => {}
                    Some(Ok(false)) => continue,
                    Some(Err(why)) => {
                        self.ignore(format!("{} {}: {why}", playbook.playbook, rule.id));
                        continue;
                    }
                }
                let evidence = Evidence { what: name.to_owned(), at, value: clip(properties) };
                let noticed = Noticed {
                    subject,
                    origin: rule.origin,
                    rule: &rule.id,
                    confidence: rule.confidence,
                    arose_at: at,
                    evidence: vec![evidence],
                };
                self.notice(version, playbook, noticed, at);
            }
        }
    }

    /// A device's event is about the category of its slot; what names no device may be about any.
    fn concerns_category(&self, category: &str, subject: &Subject) -> bool {
        match (&subject.device_id, &subject.slot) {
            (Some(device), Some(slot)) => {
                let slot = self.connection().slot(device, slot);
                slot.is_some_and(|slot| slot.category == category)
            }
            (Some(device), None) => self
                .connection()
                .devices
                .get(device)
                .is_some_and(|device| device.slots.values().any(|slot| slot.category == category)),
            (None, _) => true,
        }
    }

    /// What was noticed is a need, unless it is open already or answered, nothing would be done about it unasked, or the customer
    /// has said that it is none this time.
    pub(super) fn notice(&mut self, version: u32, playbook: &Playbook, noticed: Noticed<'_>, at: Time) {
        let (device, slot) = (noticed.subject.device_id.as_deref(), noticed.subject.slot.as_deref());
        let connection = self.connection();
        if let Some((need_id, record)) = connection.open_or_foreseen(&playbook.category, device, slot) {
            let (need_id, again) = (need_id.clone(), record.need.origin != noticed.origin);
            if again {
                let rule = noticed.rule.to_owned();
                self.tell(ConnectionFact::NeedHeardAgain { need_id, rule, at });
            }
            return;
        }
        // The answer lies beside it: what it reads until it is changed is no need.
        if connection.has_in_hand(device, slot)
            || self.outcomes.iter().any(|outcome| recognized(outcome, &playbook.category, &noticed.subject))
        {
            return;
        }
        let (_, holdout) = self.arm_of(playbook);
        let follow = followed(connection, playbook, device, slot, self.barriers(holdout));
        if !follow.strategy.is_unasked() && !follow.ask_once {
            return;
        }
        let declined = device.zip(slot).and_then(|(device, slot)| connection.slot(device, slot));
        if declined.is_some_and(|slot| slot.declined == Some(slot.cycle)) {
            return;
        }
        if connection.share(&playbook.category, device) < used_by(&noticed) {
            return;
        }
        let need_id = self.recognize(version, playbook, noticed, at);
        self.want_decision(&need_id, Occasion::Recognized, None);
    }

    /// An order answers the need that it was placed for; one that nobody was heard of is noted with it.
    pub(in crate::decide) fn order_answers(&mut self, order_id: &str, items: &[(String, f64)], at: Time) {
        let reference = self.context.reference;
        let connection = self.connection();
        let linked = |record: &&NeedRecord| record.order_id.as_deref() == Some(order_id);
        let mut known: Option<String> =
            connection.needs.values().find(linked).map(|record| record.need.need_id.clone());
        for (version, playbook) in reference.playbooks.current() {
            let bought = items.iter().filter(|(item, _)| playbook.offer.items.contains(item));
            let (mut any, mut units) = (false, 0.0);
            for (item, quantity) in bought {
                any = true;
                units += quantity;
                let quantity = model::Quantity::from_f64(*quantity).unwrap_or(model::Quantity::ONE);
                let (category, item_id) = (playbook.category.clone(), item.clone());
                self.tell(ConnectionFact::ItemBought { category, item_id, quantity, at });
            }
            if any {
                self.await_order(playbook, order_id, units, at);
            }
            if !any || known.is_some() {
                continue;
            }
            let open = self.connection().needs.values().find(|record| {
                record.need.category == playbook.category
                    && matches!(record.stage, NeedStage::Recognized | NeedStage::Requested)
            });
            known = Some(match open {
                Some(record) => record.need.need_id.clone(),
                None => {
                    let noticed = Noticed {
                        subject: self.inferred(&playbook.category, &Subject::default()),
                        origin: NeedOrigin::Stated,
                        rule: "ordered",
                        confidence: 1.0,
                        arose_at: at,
                        evidence: vec![Evidence {
                            what: "order.placed".to_owned(),
                            at,
                            value: order_id.to_owned(),
                        }],
                    };
                    self.recognize(version, playbook, noticed, at)
                }
            });
        }
        if let Some(need_id) = known {
            self.move_need(&need_id, NeedStage::Promised, Some(order_id), None, at);
            self.clear_timers(|purpose| *purpose == TimerPurpose::NeedDue(need_id.clone()));
        }
    }

    /// All of an order is there: the need is met, and what there is to learn of it waits for its use.
    pub(in crate::decide) fn order_met(&mut self, order_id: &str, at: Time) {
        self.order_arrived(order_id, at);
        let connection = self.connection();
        let met: Vec<(String, bool)> = connection
            .needs
            .values()
            .filter(|record| record.order_id.as_deref() == Some(order_id) && record.stage.is_open())
            .map(|record| (record.need.need_id.clone(), record.need.subject.slot.is_none()))
            .collect();
        let action = connection.action_of(order_id).map(|record| record.action.action_id.clone());
        for (need_id, at_once) in met {
            self.move_need(&need_id, NeedStage::Met, None, None, at);
            if at_once {
                self.move_need(&need_id, NeedStage::Learned, None, None, at);
            }
        }
        if let Some(action_id) = action {
            self.move_action(&action_id, model::connection::ActionState::Fulfilled, None, None);
        }
    }

    /// An order that is called off answers nothing any more.
    pub(in crate::decide) fn order_gone(&mut self, order_id: &str, why: &str, at: Time) {
        let connection = self.connection();
        let open =
            |record: &&NeedRecord| record.order_id.as_deref() == Some(order_id) && record.stage.is_open();
        let lapsed: Vec<(String, String)> = connection
            .needs
            .values()
            .filter(open)
            .map(|record| (record.need.need_id.clone(), record.need.category.clone()))
            .collect();
        let action = connection.action_of(order_id).filter(|record| record.state.is_open());
        let action = action.map(|record| (record.action.action_id.clone(), record.action.mandate_id.clone()));
        for (need_id, category) in lapsed {
            self.move_need(&need_id, NeedStage::Lapsed, None, Some(why), at);
            if why != "customer" {
                self.look_at_purchases(&category);
            }
        }
        if let Some((action_id, mandate_id)) = action {
            let state = model::connection::ActionState::Cancelled;
            self.move_action(&action_id, state, Some(why), None);
            self.credit_back(&mandate_id, &action_id);
        }
    }

    /// The customer chose what to order for a need.
    pub(super) fn chosen(&mut self, need_id: &str, order_id: &str) {
        match self.connection().needs.get(need_id).map(|record| record.stage) {
            Some(NeedStage::Recognized | NeedStage::Requested) => {
                self.move_need(need_id, NeedStage::Requested, Some(order_id), None, self.context.now);
            }
            Some(stage) => {
                self.ignore(format!("need {need_id} is {} and not open for a choice", stage.name()))
            }
            None => self.ignore(format!("no need {need_id} is known")),
        }
    }

    /// What was raised and is put off is looked at again when that is over: who says "later" means to hear of it.
    pub(super) fn come_back(&mut self, category: &str, until: Time) {
        let raised = |record: &&NeedRecord| {
            record.need.category == category && record.stage == NeedStage::Recognized && record.raised > 0
        };
        let needs = self.connection().needs.values().filter(raised);
        let needs: Vec<String> = needs.map(|record| record.need.need_id.clone()).collect();
        for need_id in needs {
            self.look_again(&need_id, until);
        }
    }

    /// A need is looked at again then.
    pub(super) fn look_again(&mut self, need_id: &str, at: Time) {
        let purpose = TimerPurpose::NeedDue(need_id.to_owned());
        self.clear_timers(|known| *known == purpose);
        self.set_timer(at, TimelineId::LIVE, purpose);
    }
}

/// What an event of a device says of where it is.
#[derive(Default, serde::Deserialize)]
struct Told {
    device_id: Option<String>,
    #[serde(alias = "slot_id")]
    slot: Option<String>,
}

/// The share level of the data that noticed it.
fn used_by(noticed: &Noticed<'_>) -> u8 {
    match noticed.origin {
        NeedOrigin::Stated => 0,
        NeedOrigin::Reported | NeedOrigin::Predicted => {
            if noticed.subject.device_id.is_some() {
                SHARE_READINGS
            } else {
                SHARE_HISTORY
            }
        }
    }
}

fn recognized(outcome: &model::Outcome, category: &str, subject: &Subject) -> bool {
    match outcome {
        model::Outcome::Fact(model::Fact::Connection(ConnectionFact::NeedRecognized(need))) => {
            need.category == category
                && need.subject.device_id == subject.device_id
                && need.subject.slot == subject.slot
        }
        _ => false,
    }
}

/// The beginning of what an event said.
fn clip(text: &str) -> String {
    text.chars().take(200).collect()
}
