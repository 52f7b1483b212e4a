//! Mandates and the automatic orders under them.

use model::connection::{
    ActionState, ConnectionFact, MandateState, MandateTerms, NeedStage, Occasion, Spend, Strategy, Subject,
};
use model::{
    BreakCause, CancelledBy, Effect, EffectKind, Fact, Outcome, PromiseKind, PromiseTerms, Remedy,
    RemedyKind, Time, TimelineId, TimerPurpose,
};

use super::super::Decision;
use super::messages::Says;
use crate::connection::{MandateRecord, Slot, check_limits, followed, micros_of, wider};

/// A promise to keep something from running empty binds as long as the mandate; it is judged when the slot is changed
/// or runs empty, long before this many days.
const STANDING_DAYS: f64 = 3_650.0;

impl Decision<'_> {
    fn move_mandate(&mut self, mandate_id: &str, state: MandateState, by: &str, why: Option<&str>) {
        self.tell(ConnectionFact::MandateMoved {
            mandate_id: mandate_id.to_owned(),
            state,
            by: by.to_owned(),
            why: why.map(str::to_owned),
            at: self.context.now,
        });
    }

    fn mandate(&self, mandate_id: &str) -> Option<&'_ MandateRecord> {
        self.customer.connection.mandates.get(mandate_id)
    }

    pub(super) fn present_mandate(&mut self, terms: &MandateTerms) {
        if let Err(why) = sound(terms) {
            return self.ignore(format!("mandate {}: {why}", terms.mandate_id));
        }
        let known = self.mandate(&terms.mandate_id).cloned();
        let version = known.as_ref().map_or(1, |known| {
            let proposed = known.proposed.as_ref().map_or(0, |(_, version, _)| *version);
            known.version.max(proposed).saturating_add(1)
        });
        if known.as_ref().is_some_and(|known| known.terms == *terms && !known.state.is_ended()) {
            return self.ignore(format!("mandate {} has these terms already", terms.mandate_id));
        }
        if known.as_ref().is_some_and(|known| known.state.is_ended()) {
            return self.ignore(format!("mandate {} has ended; another takes a new name", terms.mandate_id));
        }
        let agreement = agreement(terms, version);
        self.tell(ConnectionFact::MandatePresented {
            terms: Box::new(terms.clone()),
            version,
            agreement,
            at: self.context.now,
        });
        // What allows less than before needs nobody's word.
        if let Some(known) = known.filter(|known| known.agreed_at.is_some())
            && !wider(&known.terms, terms)
        {
            self.amended(&terms.mandate_id, terms);
        }
    }

    fn amended(&mut self, mandate_id: &str, terms: &MandateTerms) {
        self.tell(ConnectionFact::MandateAmended { mandate_id: mandate_id.to_owned(), at: self.context.now });
        self.watch_end(mandate_id, terms, None);
    }

    pub(super) fn activate_mandate(&mut self, mandate_id: &str, agreement: &str) {
        let Some(known) = self.mandate(mandate_id).cloned() else {
            return self.ignore(format!("no mandate {mandate_id} is known"));
        };
        if let Some((terms, _, proposed)) = &known.proposed
            && proposed == agreement
        {
            return self.amended(mandate_id, terms);
        }
        if known.agreement != agreement {
            return self.ignore(format!("mandate {mandate_id}: that is not what was shown last"));
        }
        if known.state != MandateState::Presented {
            return self.ignore(format!("mandate {mandate_id} is {} already", known.state.name()));
        }
        self.move_mandate(mandate_id, MandateState::Active, "customer", None);
        self.watch_end(mandate_id, &known.terms, None);
        self.look_at_purchases(&known.terms.category);
    }

    /// Sets the timer of the mandate's end: by its terms, or because nobody used it.
    fn watch_end(&mut self, mandate_id: &str, terms: &MandateTerms, last_used: Option<Time>) {
        let purpose = TimerPurpose::MandateEnds(mandate_id.to_owned());
        self.clear_timers(|known| *known == purpose);
        let since = last_used.unwrap_or(self.context.now);
        let dormant = terms.dormancy_days.map(|days| since.plus_micros(micros_of(f64::from(days))));
        if let Some(end) = [terms.valid_to, dormant].into_iter().flatten().min() {
            self.set_timer(end, TimelineId::LIVE, purpose);
        }
    }

    pub(super) fn mandate_ends(&mut self, mandate_id: &str, at: Time) {
        let Some(known) = self.mandate(mandate_id).cloned().filter(|known| !known.state.is_ended()) else {
            return;
        };
        let over = known.terms.valid_to.is_some_and(|end| end <= at);
        let dormant = known.terms.dormancy_days.is_some_and(|days| {
            let since = known.last_used.into_iter().chain(known.agreed_at).max().unwrap_or(known.moved_at);
            since.plus_micros(micros_of(f64::from(days))) <= at
        });
        if !over && !dormant {
            return self.watch_end(mandate_id, &known.terms, known.last_used.or(known.agreed_at));
        }
        let why = if over { "valid_to" } else { "dormant" };
        self.move_mandate(mandate_id, MandateState::Expired, "clock", Some(why));
        self.end_mandate(mandate_id, why);
    }

    pub(super) fn pause_mandate(&mut self, mandate_id: &str) {
        match self.mandate(mandate_id).map(|known| known.state) {
            Some(MandateState::Active) => {
                self.move_mandate(mandate_id, MandateState::Paused, "customer", None);
                self.call_off_mandate(mandate_id, "paused");
            }
            Some(state) => self.ignore(format!("mandate {mandate_id} is {}", state.name())),
            None => self.ignore(format!("no mandate {mandate_id} is known")),
        }
    }

    pub(super) fn resume_mandate(&mut self, mandate_id: &str) {
        match self.mandate(mandate_id).cloned() {
            Some(known) if matches!(known.state, MandateState::Paused | MandateState::Suspended) => {
                self.move_mandate(mandate_id, MandateState::Active, "customer", None);
                self.watch_end(mandate_id, &known.terms, Some(self.context.now));
                self.look_at_purchases(&known.terms.category);
                // What was waited for may be needed by now.
                for need_id in self.open_needs_of(&known.terms) {
                    self.want_decision(&need_id, Occasion::Recognized, None);
                }
            }
            Some(known) => self.ignore(format!("mandate {mandate_id} is {}", known.state.name())),
            None => self.ignore(format!("no mandate {mandate_id} is known")),
        }
    }

    fn open_needs_of(&self, terms: &MandateTerms) -> Vec<String> {
        let connection = self.connection();
        let of_terms = |record: &&crate::connection::NeedRecord| {
            record.need.category == terms.category
                && record.stage == NeedStage::Recognized
                && (terms.device_id.is_none() || record.need.subject.device_id == terms.device_id)
        };
        connection.needs.values().filter(of_terms).map(|record| record.need.need_id.clone()).collect()
    }

    pub(super) fn suspend_mandate(&mut self, mandate_id: &str, why: &str) {
        match self.mandate(mandate_id).map(|known| known.state) {
            Some(MandateState::Active) => {
                self.move_mandate(mandate_id, MandateState::Suspended, "company", Some(why));
                self.call_off_mandate(mandate_id, why);
            }
            Some(state) => self.ignore(format!("mandate {mandate_id} is {}", state.name())),
            None => self.ignore(format!("no mandate {mandate_id} is known")),
        }
    }

    /// At once and always: nothing starts any more, and what has not left is called off.
    pub(super) fn revoke_mandate(&mut self, mandate_id: &str) {
        match self.mandate(mandate_id).map(|known| known.state) {
            Some(state) if !state.is_ended() => {
                self.move_mandate(mandate_id, MandateState::Revoked, "customer", None);
                self.end_mandate(mandate_id, "revoked");
            }
            Some(state) => self.ignore(format!("mandate {mandate_id} is {} already", state.name())),
            None => self.ignore(format!("no mandate {mandate_id} is known")),
        }
    }

    fn end_mandate(&mut self, mandate_id: &str, why: &str) {
        let purpose = TimerPurpose::MandateEnds(mandate_id.to_owned());
        self.clear_timers(|known| *known == purpose);
        self.call_off_mandate(mandate_id, why);
        // Nobody keeps anything from running empty any more.
        let customer = self.customer;
        let prefix = format!("m-{mandate_id}/");
        for (_, promise) in
            customer.promises.range(prefix.clone()..).take_while(|(id, _)| id.starts_with(&prefix))
        {
            if promise.status.is_open() {
                let (by, at) = (CancelledBy::Customer, self.context.now);
                self.withdraw(promise, by, at, Some(format!("mandate:{why}")));
            }
        }
    }

    fn call_off_mandate(&mut self, mandate_id: &str, why: &str) {
        let open: Vec<String> = self
            .connection()
            .actions
            .values()
            .filter(|record| record.action.mandate_id == mandate_id && record.state.is_open())
            .map(|record| record.action.action_id.clone())
            .collect();
        for action_id in open {
            self.call_off(&action_id, why, CancelledBy::Customer);
        }
    }

    /// Calls off what is open for categories and devices.
    pub(super) fn call_off_where(&mut self, why: &str, which: impl Fn(&str, Option<&str>) -> bool) {
        let connection = self.connection();
        let chosen = connection.actions.values().filter(|record| {
            let need = connection.needs.get(&record.action.need_id).map(|need| &need.need);
            record.state.is_open()
                && need.is_some_and(|need| which(&need.category, need.subject.device_id.as_deref()))
        });
        let open: Vec<String> = chosen.map(|record| record.action.action_id.clone()).collect();
        for action_id in open {
            self.call_off(&action_id, why, CancelledBy::Customer);
        }
    }

    pub(super) fn call_off_need(&mut self, need_id: &str, why: &str) {
        let of_need = |record: &&crate::connection::ActionRecord| {
            record.action.need_id == need_id && record.state.is_open()
        };
        let open: Vec<String> = self
            .connection()
            .actions
            .values()
            .filter(of_need)
            .map(|record| record.action.action_id.clone())
            .collect();
        for action_id in open {
            self.call_off(&action_id, why, CancelledBy::Customer);
        }
    }

    /// Whether it could be called off; what has started is under way and stays so.
    fn call_off(&mut self, action_id: &str, why: &str, by: CancelledBy) -> bool {
        let Some(record) = self.connection().actions.get(action_id).cloned() else { return false };
        // Authorised and not handed out, it has gone nowhere yet.
        let handed_out = record.order_id.as_ref().and_then(|id| self.customer.orders.get(id));
        let handed_out = handed_out.is_some_and(|order| order.handed_out_at.is_some());
        let waits = record.state == ActionState::Started && !handed_out;
        if !record.state.can_be_called_off() && !waits {
            return false;
        }
        let purpose = TimerPurpose::ActionDue(action_id.to_owned());
        self.clear_timers(|known| *known == purpose);
        self.move_action(action_id, ActionState::Cancelled, Some(why), None);
        let at = self.context.now;
        if let Some(order_id) = &record.order_id {
            let quote = self.customer.quotes.get(&format!("p-{order_id}"));
            let asking = quote.is_some_and(|quote| {
                matches!(quote.stage, model::QuoteStage::Asking | model::QuoteStage::Held)
            });
            if asking {
                self.release_quote(&format!("p-{order_id}"));
            } else if let Some(order) = self.customer.orders.get(order_id)
                && order.cancelled.is_none()
                && self.cancel_order(order_id, by, at, Some(format!("mandate:{why}")), false)
            {
                self.call_off_payment(order_id, order, why);
            }
        }
        true
    }

    pub(super) fn cancel_action(&mut self, action_id: &str) {
        let Some(record) = self.connection().actions.get(action_id).cloned() else {
            return self.ignore(format!("no automatic order {action_id} is known"));
        };
        if record.state == ActionState::Cancelled {
            return self.ignore(format!("automatic order {action_id} was called off before"));
        }
        if !self.call_off(action_id, "customer", CancelledBy::Customer) {
            return self
                .ignore(format!("automatic order {action_id} is {} and under way", record.state.name()));
        }
        let open =
            self.connection().needs.get(&record.action.need_id).is_some_and(|need| need.stage.is_open());
        let lapses = !self.outcomes.iter().any(|outcome| lapsed(outcome, &record.action.need_id));
        if open && lapses {
            self.move_need(
                &record.action.need_id,
                NeedStage::Lapsed,
                None,
                Some("customer"),
                self.context.now,
            );
        }
    }

    pub(super) fn dispute(&mut self, action_id: &str, why: Option<String>) {
        match self.connection().actions.get(action_id).map(|record| record.state) {
            Some(ActionState::Started | ActionState::Confirmed | ActionState::Fulfilled) => {
                self.move_action(action_id, ActionState::Disputed, why.as_deref(), None);
            }
            Some(state) => self.ignore(format!("automatic order {action_id} is {}", state.name())),
            None => self.ignore(format!("no automatic order {action_id} is known")),
        }
    }

    pub(super) fn settle_dispute(&mut self, action_id: &str, refund: bool) {
        let Some(record) = self.connection().actions.get(action_id).cloned() else {
            return self.ignore(format!("no automatic order {action_id} is known"));
        };
        if record.state != ActionState::Disputed {
            return self.ignore(format!("automatic order {action_id} is {}", record.state.name()));
        }
        let state = if refund { ActionState::Refunded } else { ActionState::Upheld };
        self.move_action(action_id, state, None, None);
        if refund {
            self.credit_back(&record.action.mandate_id, action_id);
        }
    }

    /// What was debited for an order counts no more.
    pub(super) fn credit_back(&mut self, mandate_id: &str, action_id: &str) {
        let debited = self.mandate(mandate_id).is_some_and(|record| {
            record.spends.iter().any(|spend| spend.action_id == action_id && !spend.back)
        });
        if debited {
            let (mandate_id, action_id) = (mandate_id.to_owned(), action_id.to_owned());
            self.tell(ConnectionFact::CreditedBack { mandate_id, action_id, at: self.context.now });
        }
    }

    pub(super) fn action_due(&mut self, action_id: &str) {
        let Some(record) = self.connection().actions.get(action_id) else { return };
        if record.state == ActionState::Announced && record.order_id.is_none() {
            let need_id = record.action.need_id.clone();
            self.want_decision(&need_id, Occasion::ActionDue, Some(action_id));
        }
    }

    pub(super) fn order_now(&mut self, mandate_id: &str) {
        let Some(known) = self.mandate(mandate_id).cloned() else {
            return self.ignore(format!("no mandate {mandate_id} is known"));
        };
        let terms = &known.terms;
        let (device, slot) = (terms.device_id.as_deref(), terms.slot.as_deref());
        let open = self.connection().open_need(&terms.category, device, slot);
        if let Some((need_id, _)) = open {
            let need_id = need_id.clone();
            return self.want_decision(&need_id, Occasion::OrderNow, None);
        }
        let subject = Subject { device_id: terms.device_id.clone(), slot: terms.slot.clone(), item_id: None };
        let category = terms.category.clone();
        self.state_need(&category, &subject, None, self.context.now, Occasion::OrderNow);
    }

    /// A purpose was withdrawn: what cannot be done without it is suspended until the customer lets it go on.
    pub(super) fn mandates_without(&mut self, purpose: &str) {
        let Some(level) = model::connection::Consent::SHARED.iter().position(|known| *known == purpose)
        else {
            return;
        };
        let reference = self.context.reference;
        let needing: Vec<String> = self
            .connection()
            .mandates
            .iter()
            .filter(|(_, record)| record.state == MandateState::Active)
            .filter(|(_, record)| {
                let playbook = reference.playbooks.of_category(&record.terms.category);
                let share = playbook.and_then(|(_, playbook)| playbook.strategies.share(Strategy::Automate));
                share.is_some_and(|share| usize::from(share) > level)
            })
            .map(|(id, _)| id.clone())
            .collect();
        for mandate_id in needing {
            self.suspend_mandate(&mandate_id, &format!("consent_withdrawn:{purpose}"));
        }
    }

    /// Under a mandate that looks after a slot, that it does not run empty is the company's promise.
    pub(super) fn stand_by_mandate(&mut self, device_id: &str, slot: &str, known: &Slot, at: Time) {
        if !self.context.timeline.is_live() || known.empty_since.is_some() {
            return;
        }
        let Some((_, playbook)) = self.playbook_of(&known.category) else { return };
        let (_, holdout) = self.arm_of(playbook);
        let follow =
            followed(self.connection(), playbook, Some(device_id), Some(slot), self.barriers(holdout));
        let owners = playbook.owners.clone();
        let mandate = self.connection().mandate_for(&known.category, Some(device_id), Some(slot));
        let (Strategy::Automate, Some(mandate)) = (follow.strategy, mandate) else { return };
        let promise_id = standing(&mandate.terms.mandate_id, device_id, slot, known.cycle);
        if self.customer.promises.contains_key(&promise_id) {
            return;
        }
        let terms = PromiseTerms {
            promise_id,
            order_id: None,
            kind: PromiseKind::Mandate,
            attribute: "never_empty".to_owned(),
            due_at: self.context.now.plus_micros(micros_of(STANDING_DAYS)),
            time_zone: mandate.terms.time_zone.clone(),
            tolerance_micros: 0,
            target: None,
            hand_over_by: None,
            probability: None,
            basis: Some(model::Basis::Policy),
            reasons: Vec::new(),
            marketing_owner: Some(owners.marketing),
            operations_owner: Some(owners.operations),
        };
        self.make(&terms, at, None);
    }

    /// It was changed before it ran empty.
    pub(super) fn mandate_kept(&mut self, device_id: &str, slot: &str, known: &Slot, at: Time) {
        let customer = self.customer;
        let suffix = standing_suffix(device_id, slot, known.cycle);
        for (_, promise) in customer.promises.range("m-".to_owned()..) {
            if !promise.terms.promise_id.starts_with("m-") {
                break;
            }
            if promise.terms.promise_id.ends_with(&suffix) && promise.status.is_open() {
                self.evidence(promise, at, None);
            }
        }
    }

    /// The customer's own limits leave no room: what cannot be ordered is not promised. A price that rose is our doing
    /// and no excuse.
    pub(super) fn not_allowed(&mut self, subject: &Subject, block: &crate::connection::Block) {
        if matches!(block, crate::connection::Block::PriceRise { .. }) {
            return;
        }
        let (Some(device), Some(slot)) = (&subject.device_id, &subject.slot) else { return };
        let Some(known) = self.connection().slot(device, slot) else { return };
        let (customer, suffix) = (self.customer, standing_suffix(device, slot, known.cycle));
        for (_, promise) in
            customer.promises.range("m-".to_owned()..).take_while(|(id, _)| id.starts_with("m-"))
        {
            if promise.terms.promise_id.ends_with(&suffix) && promise.status.is_open() {
                let reason = Some(format!("mandate:{}", block.code()));
                self.withdraw(promise, CancelledBy::Customer, self.context.now, reason);
            }
        }
    }

    /// It is of no use any more. Where the company looked after it, the company has broken its promise.
    pub(super) fn ran_empty(&mut self, device_id: &str, slot: &str, known: &Slot, at: Time) {
        self.tell(ConnectionFact::RanEmpty { device_id: device_id.to_owned(), slot: slot.to_owned(), at });
        // Used up to the last with the next one in the house: nothing is missed.
        if self.connection().has_in_hand(Some(device_id), Some(slot)) {
            return self.mandate_kept(device_id, slot, known, at);
        }
        let Some(mandate) = self.connection().mandate_for(&known.category, Some(device_id), Some(slot))
        else {
            return;
        };
        let promise_id = standing(&mandate.terms.mandate_id, device_id, slot, known.cycle);
        let customer = self.customer;
        let Some(promise) = customer.promises.get(&promise_id).filter(|promise| promise.status.is_open())
        else {
            return;
        };
        self.break_it(&promise.terms, at, BreakCause::Company);
        let about = promise_id.clone();
        self.clear_timers(|purpose| *purpose == TimerPurpose::PromiseDeadline(about.clone()));
        let Some((_, playbook)) = self.playbook_of(&known.category) else { return };
        let Some(rule) = &playbook.strategies.automate else { return };
        let (compensation, sorry) = (rule.compensation, rule.sorry.clone());
        if compensation.is_some() {
            let remedy = Remedy {
                promise_id,
                kind: RemedyKind::Compensate,
                cost: compensation,
                probability: 0.0,
                new_due: None,
                compensation,
            };
            self.fact(Fact::Quote(model::QuoteFact::Remedied { remedy, before_the_break: false, at }));
        }
        let key = format!("{device_id}/{slot}/{}", known.cycle);
        self.say(playbook, &sorry, &key, Says { compensation, ..Says::default() });
    }

    /// Whether the first effects of an automatic order may start: asked in the entry that starts them, which debits the
    /// mandate. `None` where the order is no automatic one.
    pub(in crate::decide) fn under_mandate(&mut self, effect: &Effect) -> Option<Result<(), String>> {
        if !matches!(effect.kind, EffectKind::OrderPlace | EffectKind::PaymentAuthorise) {
            return None;
        }
        let order_id = effect.order_id.as_deref()?;
        let customer = self.customer;
        let action = customer.connection.action_of(order_id)?;
        let action_id = &action.action.action_id;
        let Some(mandate) = customer.connection.mandates.get(&action.action.mandate_id) else {
            return Some(Err("no_mandate".to_owned()));
        };
        if !matches!(action.state, ActionState::Ordered | ActionState::Started) {
            return Some(Err(format!("action_{}", action.state.name())));
        }
        let total = customer.orders.get(order_id).and_then(|order| order.total);
        let (item, quantity, now) = (&action.action.item_id, action.action.quantity, self.context.now);
        if let Some(block) = check_limits(mandate, action_id, item, quantity, total, now) {
            return Some(Err(block.code().to_owned()));
        }
        if action.state == ActionState::Ordered
            && let Some(amount) = total
        {
            let spend = Spend { action_id: action_id.clone(), at: now, amount, back: false };
            let mandate_id = action.action.mandate_id.clone();
            self.tell(ConnectionFact::Debited { mandate_id, spend });
            let action_id = action_id.clone();
            self.move_action(&action_id, ActionState::Started, None, None);
        }
        Some(Ok(()))
    }

    /// What the mandate did not allow at the last moment: the effect is not sent, and the order is called off.
    pub(in crate::decide) fn not_under_mandate(&mut self, effect: &Effect, why: &str) {
        self.outcomes
            .push(Outcome::EffectSuppressed { effect: effect.clone(), reason: format!("mandate:{why}") });
        let Some(order_id) = effect.order_id.as_deref() else { return };
        let customer = self.customer;
        let Some(order) = customer.orders.get(order_id) else { return };
        if order.cancelled.is_none() && !order.has_left() {
            let reason = Some(format!("mandate:{why}"));
            // Who paused or revoked has called it off; anything else is ours to answer for.
            let by = match why {
                "mandate_revoked" | "mandate_paused" => CancelledBy::Customer,
                _ => CancelledBy::Company,
            };
            if self.cancel_order(order_id, by, self.context.now, reason, false) {
                self.call_off_payment(order_id, order, why);
            }
        }
    }
}

fn lapsed(outcome: &Outcome, need: &str) -> bool {
    matches!(
        outcome,
        Outcome::Fact(Fact::Connection(ConnectionFact::NeedMoved { need_id, stage: NeedStage::Lapsed, .. }))
            if need_id == need
    )
}

fn standing(mandate_id: &str, device_id: &str, slot: &str, cycle: u64) -> String {
    format!("m-{mandate_id}{}", standing_suffix(device_id, slot, cycle))
}

fn standing_suffix(device_id: &str, slot: &str, cycle: u64) -> String {
    format!("/{device_id}/{slot}/{cycle}")
}

/// What the customer agrees to: the hash of the terms as they are kept, and of their version.
pub(super) fn agreement(terms: &MandateTerms, version: u32) -> String {
    let text = serde_json::to_string(&(terms, version)).expect("plain data serialises");
    blake3::hash(text.as_bytes()).to_hex().to_string()
}

/// Whether terms can be agreed to at all.
fn sound(terms: &MandateTerms) -> Result<(), &'static str> {
    let currency = terms.max_each.currency;
    let amounts = terms.limits.iter().filter_map(|limit| limit.amount).chain([terms.max_each]);
    match () {
        () if terms.mandate_id.is_empty() || terms.mandate_id.contains('/') => {
            Err("its name is empty or has a slash in it")
        }
        () if terms.items.is_empty() => Err("nothing may be ordered by it"),
        () if !terms.max_quantity.is_positive() => Err("no quantity may be ordered by it"),
        () if amounts.clone().any(|amount| amount.minor < 0) => Err("a limit is below zero"),
        () if amounts.clone().any(|amount| amount.currency != currency) => {
            Err("its limits are in several currencies")
        }
        () if terms.price.as_ref().is_some_and(|rule| rule.reference.currency != currency) => {
            Err("its price is in another currency than its limits")
        }
        () if terms.valid_to.is_some_and(|end| end <= terms.valid_from) => Err("it ends before it begins"),
        () if model::time::zone(&terms.time_zone).is_err() => Err("its time zone is not known"),
        () => Ok(()),
    }
}
