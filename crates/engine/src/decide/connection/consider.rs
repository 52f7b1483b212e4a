//! A decision about a need, with what can be promised at hand.

use model::connection::{
    Action, ActionState, ConnectionFact, DecisionRecord, Link, LinkPurpose, NeedOrigin, NeedStage, Occasion,
    Spend, Strategy,
};
use model::{Fact, OneAction, Outcome, Quote, Time, TimelineId, TimerPurpose, quote::Purpose};

use super::super::Decision;
use super::devices::empty_in;
use super::messages::Says;
use super::purchases::used_up_in;
use crate::connection::{
    Choice, Does, EmptyIn, NeedRecord, Offered, Refused, SHARE_HISTORY, SHARE_READINGS, Seen, SeenMandate,
    SeenStep, choose, followed, micros_of, quiet_until,
};
use crate::evolve::tie_breaker;
use crate::playbook::Playbook;

/// What the fold adds to a need that is to be decided on.
pub struct Considered<'a> {
    pub need_id: &'a str,
    /// The automatic order that is due, where one is.
    pub action_id: Option<&'a str>,
    pub occasion: Occasion,
    pub offers: Vec<Offered>,
    /// What each of them would be as an order, by item; only asked for where one may be placed.
    pub quotes: Vec<(String, Quote)>,
}

/// A refused order is tried again after so many hours.
const TRY_AGAIN_HOURS: f64 = 1.0;

impl Decision<'_> {
    pub(in crate::decide) fn consider(&mut self, considered: &Considered<'_>) {
        let reference = self.context.reference;
        let customer = self.customer;
        let Some(record) = customer.connection.needs.get(considered.need_id) else {
            return self.ignore(format!("no need {} is known", considered.need_id));
        };
        let need = &record.need;
        let Some(playbook) = reference.playbooks.get(&need.playbook, need.version) else {
            return self.ignore(format!("version {} of playbook {} is gone", need.version, need.playbook));
        };
        if !matches!(record.stage, NeedStage::Recognized | NeedStage::Requested) {
            return self.ignore(format!("need {} is {}", need.need_id, record.stage.name()));
        }
        let seen = self.seen(record, playbook, considered);
        let choice = choose(&seen, playbook);
        self.tell(ConnectionFact::Decided(Box::new(DecisionRecord {
            decision_id: seen.decision_id.clone(),
            need_id: Some(need.need_id.clone()),
            at: seen.at,
            playbook: need.playbook.clone(),
            version: need.version,
            seen: serde_json::to_string(&seen).expect("plain data serialises"),
            choice: serde_json::to_string(&choice).expect("plain data serialises"),
        })));
        self.carry_out(record, playbook, &seen, &choice, considered);
    }

    fn seen(&self, record: &NeedRecord, playbook: &Playbook, considered: &Considered<'_>) -> Seen {
        let (need, connection, now) = (&record.need, self.connection(), self.context.now);
        let (device, slot) = (need.subject.device_id.as_deref(), need.subject.slot.as_deref());
        let (arm, holdout) = self.arm_of(playbook);
        let follow = followed(connection, playbook, device, slot, self.barriers(holdout));
        let share = connection.share(&need.category, device);
        let used = ["history", "readings", "context"].iter().take(usize::from(share));
        let zone = self.time_zone();
        let quiet = playbook.guard_rails.quiet_hours.as_ref();
        let quiet = quiet.map(|hours| quiet_until(hours, now, &zone)).filter(|until| *until > now);
        // Whoever has left when the answer comes is away for it.
        let comes = considered.offers.iter().filter_map(|offer| offer.due_at).min().unwrap_or(now).max(now);
        let away =
            connection.away.iter().filter(|(from, until)| share >= 3 && *from <= comes && now < *until);
        let decision_id =
            format!("d-{}-{}", self.customer.id, connection.next_decision + self.new_decisions());
        let mandate = connection.mandate_for(&need.category, device, slot);
        let mandate = mandate.filter(|_| follow.chosen == Strategy::Automate).map(|known| {
            let open = connection.open_action(&known.terms.mandate_id, device, slot);
            let mut seen = known.clone();
            // What is committed and not debited yet leaves less, too.
            let pending = connection.actions.values().filter(|action| {
                action.state == ActionState::Ordered && action.action.mandate_id == known.terms.mandate_id
            });
            seen.spends.extend(pending.map(|action| Spend {
                action_id: action.action.action_id.clone(),
                at: action.moved_at,
                amount: action.action.price,
                back: false,
            }));
            let orders_since = |days: u32| {
                let since = now.plus_micros(-micros_of(f64::from(days)));
                let ordered = connection.actions.values().filter(|action| {
                    let same = connection.needs.get(&action.action.need_id).is_some_and(|other| {
                        other.need.category == need.category && other.need.subject == need.subject
                    });
                    same && action.proposed_at > since
                        && !matches!(
                            action.state,
                            ActionState::Cancelled | ActionState::Blocked | ActionState::Failed
                        )
                });
                u32::try_from(ordered.count()).unwrap_or(u32::MAX)
            };
            SeenMandate {
                auto_orders: playbook
                    .guard_rails
                    .auto_orders
                    .iter()
                    .map(|cap| orders_since(cap.days))
                    .collect(),
                open_action: open.map(|open| open.action.action_id.clone()),
                action_id: considered.action_id.map(str::to_owned),
                record: seen,
            }
        });
        let snoozed = connection.snoozed.get(&need.category).copied();
        let steps = playbook.strategies.coach.as_ref().map_or(Vec::new(), |rule| {
            let facts = self.facts(&need.subject, now);
            let step = |step: &crate::playbook::CoachStep| {
                let done_at = connection.steps.get(&(need.category.clone(), step.id.clone()));
                let again = step.every_days.map(|days| micros_of(f64::from(days)));
                let done = done_at.is_some_and(|at| again.is_none_or(|again| now.since(*at) < again));
                let possible = step.when.as_ref().is_none_or(|when| when.holds(&facts).unwrap_or(false));
                SeenStep { id: step.id.clone(), sale: step.sale, done, possible }
            };
            rule.steps.iter().map(step).collect()
        });
        Seen {
            seed: tie_breaker(&decision_id, &playbook.playbook),
            decision_id,
            at: now,
            need_id: need.need_id.clone(),
            origin: need.origin,
            rule: need.rule.clone(),
            confidence: need.confidence,
            subject: need.subject.clone(),
            device_model: device.and_then(|id| connection.devices.get(id)?.model.clone()),
            occasion: considered.occasion,
            followed: follow,
            share,
            used: used.map(|kind| (*kind).to_owned()).collect(),
            empty_in: self.empty_of(need, playbook, share),
            away_until: away.map(|(_, until)| *until).max(),
            snoozed_until: snoozed.filter(|until| *until > now),
            quiet_until: quiet
                .filter(|_| !connection.consents_to(model::connection::Consent::NIGHT_ADVERTISING)),
            advertising: connection.consents_to(model::connection::Consent::ADVERTISING),
            messages_left: self.messages_left(&need.category, now),
            contacts_7d: connection.contacts_since(None, now.plus_micros(-micros_of(7.0))),
            raised: record.raised,
            raised_at: record.raised_at,
            put_off: record.raised_at.zip(snoozed).is_some_and(|(raised_at, until)| until > raised_at),
            mandate,
            offers: considered.offers.clone(),
            taken: connection.taken.get(&(need.category.clone(), need.strategy)).copied().unwrap_or_default(),
            steps,
            arm,
        }
    }

    fn empty_of(&self, need: &model::connection::Need, playbook: &Playbook, share: u8) -> Option<EmptyIn> {
        let connection = self.connection();
        let predicted = playbook.needs.iter().find_map(|rule| rule.forecast.as_ref())?;
        let pinned = connection.priors.get(&need.category).map(|pinned| pinned.prior.clone());
        let (prior, now) = (pinned.unwrap_or_default(), self.context.now);
        let slot = need.subject.device_id.as_deref().zip(need.subject.slot.as_deref());
        match slot {
            Some((device, slot)) => {
                let slot = connection.slot(device, slot).filter(|_| share >= SHARE_READINGS)?;
                empty_in(slot, &prior, predicted, now)
            }
            // Who asks without a device may mean anything; what was foreseen means what was bought.
            None if need.origin == NeedOrigin::Predicted && share >= SHARE_HISTORY => {
                used_up_in(connection.in_use.get(&need.category)?, &prior, predicted, now)
            }
            None => None,
        }
    }

    fn new_decisions(&self) -> u64 {
        let decided = |outcome: &&model::Outcome| {
            matches!(outcome, model::Outcome::Fact(model::Fact::Connection(ConnectionFact::Decided(_))))
        };
        self.outcomes.iter().filter(decided).count() as u64
    }

    fn carry_out(
        &mut self,
        record: &NeedRecord,
        playbook: &Playbook,
        seen: &Seen,
        choice: &Choice,
        considered: &Considered<'_>,
    ) {
        let (need, now) = (&record.need, self.context.now);
        let due = considered.action_id;
        match &choice.chosen.does {
            Does::Nothing => {
                if let Some(action_id) = due {
                    self.move_action(action_id, ActionState::Failed, Some(first_refusal(choice)), None);
                }
            }
            Does::WaitUntil { at } => match due {
                Some(action_id) => self.action_again(action_id, *at),
                None => self.look_again(&need.need_id, *at),
            },
            Does::Offer { items } => {
                let (need_id, items) = (need.need_id.clone(), items.clone());
                self.tell(ConnectionFact::OfferShown { need_id, items, at: now });
                if record.stage == NeedStage::Recognized {
                    self.move_need(&need.need_id, NeedStage::Requested, None, None, now);
                }
            }
            Does::Remind { message, item_id, steps } => {
                if let Some(item) = item_id {
                    let (need_id, items) = (need.need_id.clone(), vec![item.clone()]);
                    self.tell(ConnectionFact::OfferShown { need_id, items, at: now });
                }
                let rule = playbook.strategies.coach.as_ref();
                let texts = rule.map_or(Vec::new(), |rule| {
                    let named = rule.steps.iter().filter(|step| steps.contains(&step.id));
                    named.map(|step| step.text.clone()).collect()
                });
                let link = Link { purpose: LinkPurpose::Offer, about: need.need_id.clone() };
                let says = Says { steps: texts, link: Some(link), ..says(seen, item_id.as_deref()) };
                self.raise(playbook, message, record, says);
                let again = rule.and_then(|rule| rule.again).filter(|again| record.raised < again.times);
                if let Some(again) = again {
                    self.look_again(&need.need_id, now.plus_micros(again.micros()));
                }
            }
            Does::Ask { message, item_id } => {
                if let Some(action_id) = due {
                    self.move_action(action_id, ActionState::Blocked, Some(first_refusal(choice)), None);
                }
                if let Some(block) = blocked(choice) {
                    self.not_allowed(&need.subject, block);
                }
                let link = Link { purpose: LinkPurpose::Offer, about: need.need_id.clone() };
                let why = Some(first_refusal(choice).to_owned()).filter(|why| !why.is_empty());
                let says = Says { why, link: Some(link), ..says(seen, item_id.as_deref()) };
                self.raise(playbook, message, record, says);
                if let Some(at) = choice.heals_at(now) {
                    self.look_again(&need.need_id, at);
                }
            }
            Does::Order { item_id } => match due {
                Some(action_id) => self.place_action(action_id, item_id, considered),
                None => self.propose(record, playbook, seen, item_id),
            },
        }
    }

    fn action_again(&mut self, action_id: &str, at: Time) {
        let purpose = TimerPurpose::ActionDue(action_id.to_owned());
        self.clear_timers(|known| *known == purpose);
        self.set_timer(at, TimelineId::LIVE, purpose);
    }

    /// Announces an order under the mandate.
    fn propose(&mut self, record: &NeedRecord, playbook: &Playbook, seen: &Seen, item_id: &str) {
        let (need, now) = (&record.need, self.context.now);
        let Some(mandate) = &seen.mandate else { return };
        let Some(offer) = seen.offers.iter().find(|offer| offer.item_id == item_id) else { return };
        let (Some(price), Some(due_at)) = (offer.price, offer.due_at) else { return };
        let terms = &mandate.record.terms;
        let action_id = format!("{}.{}.{}", terms.mandate_id, mandate.record.version, need.need_id);
        if self.connection().actions.contains_key(&action_id) {
            return self.ignore(format!("an automatic order {action_id} is known"));
        }
        let notice = i64::from(terms.notice_hours) * 3_600_000_000;
        let execute_at = now.plus_micros(notice);
        let action = Action {
            action_id: action_id.clone(),
            mandate_id: terms.mandate_id.clone(),
            mandate_version: mandate.record.version,
            need_id: need.need_id.clone(),
            item_id: item_id.to_owned(),
            quantity: offer.quantity,
            price,
            due_at: due_at.plus_micros(notice),
            execute_at,
        };
        let due_at = action.due_at;
        self.tell(ConnectionFact::ActionProposed { action: Box::new(action), at: now });
        self.move_need(&need.need_id, NeedStage::Requested, None, None, now);
        self.move_action(&action_id, ActionState::Announced, None, None);
        if let Some(rule) = &playbook.strategies.automate {
            let link = Link { purpose: LinkPurpose::Action, about: action_id.clone() };
            let says = Says {
                until: Some(execute_at),
                due: Some(due_at),
                link: Some(link),
                ..says(seen, Some(item_id))
            };
            self.say(playbook, &rule.notice, &need.need_id, says);
        }
        self.set_timer(execute_at, TimelineId::LIVE, TimerPurpose::ActionDue(action_id));
    }

    /// The window is over and everything still holds: supply is asked for.
    fn place_action(&mut self, action_id: &str, item_id: &str, considered: &Considered<'_>) {
        let connection = self.connection();
        let Some(action) = connection.actions.get(action_id) else { return };
        if action.state != ActionState::Announced || action.order_id.is_some() {
            return self.ignore(format!("automatic order {action_id} is {}", action.state.name()));
        }
        let Some((_, quote)) = considered.quotes.iter().find(|(item, _)| item == item_id) else {
            let at = self.context.now.plus_micros(micros_of(TRY_AGAIN_HOURS / 24.0));
            return self.action_again(action_id, at);
        };
        let mut quote = quote.clone();
        let order_id = quote.quote_id.strip_prefix("p-").unwrap_or(&quote.quote_id).to_owned();
        let need_id = action.action.need_id.clone();
        if let Purpose::OneAction(one) = &mut quote.purpose {
            **one = OneAction {
                order_id: order_id.clone(),
                request: Some(action_id.to_owned()),
                cancel_until: self.context.now,
                ..(**one).clone()
            };
        }
        self.move_action(action_id, ActionState::Announced, None, Some(&order_id));
        self.move_need(&need_id, NeedStage::Requested, Some(&order_id), None, self.context.now);
        self.ask_quote(&quote);
    }

    /// Supply is committed to an order in one action: where it is an automatic one, it is ordered now.
    pub(in crate::decide) fn action_ordered(&mut self, order_id: &str) {
        if let Some(action_id) = self.action_for(order_id) {
            self.move_action(&action_id, ActionState::Ordered, None, Some(order_id));
        }
    }

    /// The automatic order that asked for an order. What holds nothing is placed in the entry that asks for it, and is
    /// not in the state yet.
    fn action_for(&self, order_id: &str) -> Option<String> {
        let known = self.connection().action_of(order_id).map(|record| record.action.action_id.clone());
        known.or_else(|| {
            self.outcomes.iter().rev().find_map(|outcome| match outcome {
                Outcome::Fact(Fact::Connection(ConnectionFact::ActionMoved { action_id, end, .. })) => {
                    (end.order_id.as_deref() == Some(order_id)).then(|| action_id.clone())
                }
                _ => None,
            })
        })
    }

    /// What was going to be ordered could not be held: somebody else was faster.
    pub(in crate::decide) fn action_refused(&mut self, order_id: &str) {
        let found = self.action_for(order_id).and_then(|action_id| self.connection().actions.get(&action_id));
        let Some(record) = found.filter(|record| record.state == ActionState::Announced) else { return };
        let (action_id, need_id) = (record.action.action_id.clone(), record.action.need_id.clone());
        self.move_action(&action_id, ActionState::Failed, Some("supply"), None);
        self.look_again(&need_id, self.context.now.plus_micros(micros_of(TRY_AGAIN_HOURS / 24.0)));
    }
}

/// What stood against the first thing that could not be done.
fn first_refusal(choice: &Choice) -> &'static str {
    let refused = choice.candidates.iter().flat_map(|candidate| &candidate.refused);
    let mandate = refused.clone().find(|refused| matches!(refused, Refused::Mandate(_)));
    mandate
        .or_else(|| choice.candidates.iter().flat_map(|candidate| &candidate.refused).next())
        .map_or("", Refused::code)
}

/// What of the mandate stood against an order.
fn blocked(choice: &Choice) -> Option<&crate::connection::Block> {
    choice.candidates.iter().flat_map(|candidate| &candidate.refused).find_map(|refused| match refused {
        Refused::Mandate(block) => Some(block),
        _ => None,
    })
}

/// What a message about an item says of it.
fn says(seen: &Seen, item_id: Option<&str>) -> Says {
    let offer = item_id.and_then(|item| seen.offers.iter().find(|offer| offer.item_id == item));
    Says {
        item: offer.map(|offer| offer.name.clone().unwrap_or_else(|| offer.item_id.clone())),
        price: offer.and_then(|offer| offer.price),
        due: offer.and_then(|offer| offer.due_at),
        days: seen.empty_in.map(|empty| empty.p50),
        need_id: Some(seen.need_id.clone()),
        decision_id: Some(seen.decision_id.clone()),
        ..Says::default()
    }
}
