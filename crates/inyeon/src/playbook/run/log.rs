//! What the engine decided in a year, and a second opinion on what it was allowed to.

use std::collections::{BTreeMap, BTreeSet};

use engine::connection::{Choice, Does, Seen};
use engine::playbook::Playbooks;
use model::connection::{
    ActionState, ConnectionFact, DecisionRecord, MandateState, MandateTerms, NeedOrigin, NeedStage, Period,
    Strategy,
};
use model::{EntityId, Fact, PromiseKind, PromiseTerms, Time};

use crate::decision::again;

/// Counts and times of one year.
#[derive(Clone, Debug, Default)]
pub(super) struct Log {
    pub decisions: u64,
    pub needs: BTreeMap<&'static str, u32>,
    pub stages: BTreeMap<&'static str, u32>,
    pub frictions: BTreeMap<&'static str, u32>,
    /// Hours from when a need arises until it is known; negative where it was foreseen (K27).
    pub lead_hours: Vec<f64>,
    pub messages: BTreeMap<String, u32>,
    pub actions: BTreeMap<&'static str, u32>,
    /// Of orders: promises made, kept and broken.
    pub promises: Judged,
    /// That what the company looks after does not run empty.
    pub standing: Judged,
    /// What must never happen, in words.
    pub violations: Vec<String>,
    /// Decisions for which the strategy was followed that the customer chose, and all.
    pub followed: (u32, u32),
    /// Why something was not done, by code.
    pub refused: BTreeMap<String, u32>,
    kinds: BTreeMap<String, PromiseKind>,
    mandates: BTreeMap<String, Watched>,
    actions_of: BTreeMap<String, String>,
    /// By which decisions are made again.
    playbooks: Playbooks,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Judged {
    pub made: u32,
    pub kept: u32,
    pub broken: u32,
}

/// A mandate as this opinion knows it: what was agreed to, how it stands, and what was ordered under it.
#[derive(Clone, Debug)]
struct Watched {
    terms: MandateTerms,
    proposed: Option<MandateTerms>,
    state: MandateState,
    spent: Vec<(String, Time, i64)>,
}

impl Log {
    pub(super) fn new(playbooks: Playbooks) -> Self {
        Log { playbooks, ..Log::default() }
    }

    pub(super) fn fact(&mut self, entity: EntityId, fact: &Fact) {
        match fact {
            Fact::PromiseMade { terms, .. } => self.made(terms),
            Fact::PromiseKept { promise_id, .. } | Fact::PromiseCorrected { promise_id, .. } => {
                self.judged(promise_id, |judged| judged.kept += 1);
                if matches!(fact, Fact::PromiseCorrected { .. }) {
                    self.judged(promise_id, |judged| judged.broken -= 1);
                }
            }
            Fact::PromiseBroken { promise_id, .. } => self.judged(promise_id, |judged| judged.broken += 1),
            Fact::Connection(fact) => self.connection(entity, fact),
            _ => {}
        }
    }

    fn made(&mut self, terms: &PromiseTerms) {
        self.kinds.insert(terms.promise_id.clone(), terms.kind);
        self.judged(&terms.promise_id, |judged| judged.made += 1);
    }

    fn judged(&mut self, promise_id: &str, change: impl FnOnce(&mut Judged)) {
        match self.kinds.get(promise_id) {
            Some(PromiseKind::Mandate) => change(&mut self.standing),
            Some(_) => change(&mut self.promises),
            None => {}
        }
    }

    fn connection(&mut self, entity: EntityId, fact: &ConnectionFact) {
        let count = |counts: &mut BTreeMap<&'static str, u32>, name: &'static str| {
            *counts.entry(name).or_default() += 1;
        };
        match fact {
            ConnectionFact::NeedRecognized(need) => {
                count(&mut self.needs, need.origin.name());
                count(&mut self.stages, NeedStage::Recognized.name());
                let hours = need.known_at.since(need.arose_at) as f64 / 3.6e9;
                if need.origin != NeedOrigin::Stated || need.rule != "ordered" {
                    self.lead_hours.push(hours);
                }
            }
            ConnectionFact::NeedMoved { stage, .. } => count(&mut self.stages, stage.name()),
            ConnectionFact::FrictionSeen { friction, .. } => {
                count(&mut self.frictions, friction.kind.name());
            }
            ConnectionFact::Decided(record) => self.decided(record),
            ConnectionFact::MandatePresented { terms, .. } => {
                let id = format!("{entity}/{}", terms.mandate_id);
                match self.mandates.get_mut(&id) {
                    Some(known) if known.state != MandateState::Presented => {
                        known.proposed = Some((**terms).clone());
                    }
                    _ => {
                        let (terms, state) = ((**terms).clone(), MandateState::Presented);
                        let watched = Watched { terms, proposed: None, state, spent: Vec::new() };
                        self.mandates.insert(id, watched);
                    }
                }
            }
            ConnectionFact::MandateAmended { mandate_id, .. } => {
                if let Some(known) = self.mandates.get_mut(&format!("{entity}/{mandate_id}"))
                    && let Some(terms) = known.proposed.take()
                {
                    known.terms = terms;
                }
            }
            ConnectionFact::MandateMoved { mandate_id, state, .. } => {
                if let Some(known) = self.mandates.get_mut(&format!("{entity}/{mandate_id}")) {
                    known.state = *state;
                }
            }
            ConnectionFact::ActionProposed { action, .. } => {
                count(&mut self.actions, "proposed");
                self.actions_of.insert(action.action_id.clone(), format!("{entity}/{}", action.mandate_id));
            }
            ConnectionFact::ActionMoved { action_id, state, .. } => {
                count(&mut self.actions, state.name());
                if *state == ActionState::Started {
                    self.started(action_id);
                }
            }
            ConnectionFact::Debited { mandate_id, spend } => {
                let id = format!("{entity}/{mandate_id}");
                self.debited(&id, &spend.action_id, spend.at, spend.amount.minor);
            }
            ConnectionFact::CreditedBack { mandate_id, action_id, .. } => {
                if let Some(known) = self.mandates.get_mut(&format!("{entity}/{mandate_id}")) {
                    known.spent.retain(|(action, ..)| action != action_id);
                }
            }
            _ => {}
        }
    }

    /// An order leaves under a mandate: is there one?
    fn started(&mut self, action_id: &str) {
        let mandate = self.actions_of.get(action_id).and_then(|id| self.mandates.get(id));
        match mandate.map(|known| known.state) {
            Some(MandateState::Active) => {}
            Some(state) => {
                self.violations.push(format!("{action_id} started under a mandate that is {}", state.name()));
            }
            None => self.violations.push(format!("{action_id} started without a mandate")),
        }
    }

    /// Holds an amount against what was agreed to.
    fn debited(&mut self, mandate_id: &str, action_id: &str, at: Time, amount: i64) {
        let Some(known) = self.mandates.get_mut(mandate_id) else {
            return self.violations.push(format!("{action_id} debited a mandate that nobody gave"));
        };
        let terms = &known.terms;
        let mut broken = Vec::new();
        if amount > terms.max_each.minor {
            broken.push("more than one order may cost");
        }
        let highest = terms.price.as_ref().map(model::connection::PriceRule::highest);
        let units = terms.max_quantity.as_f64().max(1.0);
        if highest.is_some_and(|highest| amount as f64 > highest as f64 * units) {
            broken.push("a higher price than was agreed to");
        }
        known.spent.push((action_id.to_owned(), at, amount));
        for limit in &terms.limits {
            let within = known
                .spent
                .iter()
                .filter(|(_, spent_at, _)| is_within(limit.period, *spent_at, at, &terms.time_zone));
            let (sum, orders) = within.fold((0, 0), |(sum, orders), (.., amount)| (sum + amount, orders + 1));
            if limit.amount.is_some_and(|most| sum > most.minor) {
                broken.push("more than a period's limit");
            }
            if limit.orders.is_some_and(|most| orders > most) {
                broken.push("more orders than a period's limit");
            }
        }
        self.violations.extend(broken.into_iter().map(|what| format!("{action_id}: {what}")));
    }

    fn decided(&mut self, record: &DecisionRecord) {
        self.decisions += 1;
        if again(record, &self.playbooks) != Some(true) {
            self.violations.push(format!("{} comes out otherwise from its record", record.decision_id));
        }
        let (Some(seen), Some(choice)) = read(record) else {
            return self.violations.push(format!("{} cannot be read", record.decision_id));
        };
        for refused in choice.candidates.iter().flat_map(|candidate| &candidate.refused) {
            *self.refused.entry(refused.code().to_owned()).or_default() += 1;
        }
        let proposed: BTreeSet<&String> = match &choice.chosen.does {
            Does::Offer { items } => items.iter().collect(),
            Does::Remind { item_id, .. } | Does::Ask { item_id, .. } => item_id.iter().collect(),
            Does::Order { item_id } => [item_id].into(),
            Does::Nothing | Does::WaitUntil { .. } => BTreeSet::new(),
        };
        for item in proposed {
            let offer = seen.offers.iter().find(|offer| offer.item_id == *item);
            if offer.is_none_or(|offer| offer.due_at.is_none()) {
                self.violations.push(format!("{}: {item} cannot be promised", record.decision_id));
            }
        }
        self.followed.0 += u32::from(seen.followed.missing.is_none());
        self.followed.1 += 1;
        let wrong = against_the_dials(&seen, &choice);
        self.violations.extend(wrong.into_iter().map(|what| format!("{}: {what}", record.decision_id)));
    }
}

/// What a decision may not do, or look at, by what the customer set: told once more, and shorter than the engine does.
fn against_the_dials(seen: &Seen, choice: &Choice) -> Vec<&'static str> {
    let followed = &seen.followed;
    let reminds = matches!(choice.chosen.does, Does::Remind { .. });
    let orders = matches!(choice.chosen.does, Does::Order { .. });
    let mandate = seen.mandate.as_ref().map(|mandate| mandate.record.state);
    let readings = seen.empty_in.is_some() || seen.used.iter().any(|used| used == "readings");
    let wrong = [
        (reminds && !seen.advertising, "a reminder without consent"),
        (reminds && (followed.strategy != Strategy::Coach || seen.share < 2), "a reminder that nobody chose"),
        (orders && (followed.chosen != Strategy::Automate || seen.share < 2), "an order that nobody chose"),
        (orders && mandate != Some(MandateState::Active), "an order without an active mandate"),
        (readings && seen.share < 2, "readings that are not shared"),
        (
            seen.offers.iter().any(|offer| offer.bought_of > 0) && seen.share < 1,
            "a history that is not shared",
        ),
        (seen.away_until.is_some() && seen.share < 3, "a calendar that is not shared"),
        (followed.strategy.intrusion() > followed.chosen.intrusion(), "closer than was chosen"),
    ];
    wrong.into_iter().filter(|(is_so, _)| *is_so).map(|(_, what)| what).collect()
}

/// Whether two instants lie in one period, told otherwise than the engine tells it: by the names of the days.
fn is_within(period: Period, one: Time, other: Time, time_zone: &str) -> bool {
    let zone = model::time::zone_or_utc(time_zone);
    let date = |at: Time| at.to_timestamp().to_zoned(zone.clone()).date();
    let (one_day, other_day) = (date(one), date(other));
    match period {
        Period::Day => one_day == other_day,
        Period::Week => {
            one_day.iso_week_date().week() == other_day.iso_week_date().week()
                && one_day.iso_week_date().year() == other_day.iso_week_date().year()
        }
        Period::Month => (one_day.year(), one_day.month()) == (other_day.year(), other_day.month()),
        Period::Year => one_day.year() == other_day.year(),
        Period::RollingDays(days) => other.since(one) < i64::from(days) * 86_400_000_000,
    }
}

/// What was seen and chosen, from the record.
pub(super) fn read(record: &DecisionRecord) -> (Option<Seen>, Option<Choice>) {
    (serde_json::from_str(&record.seen).ok(), serde_json::from_str(&record.choice).ok())
}
