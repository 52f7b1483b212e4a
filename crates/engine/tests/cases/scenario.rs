//! One `check` for all scenarios: what happens to a customer, step by step, and what must have come of it.

use engine::{Change, Context, Customer, Entity, Reference, Stimulus, decide, evolve};
use model::*;

use super::rules;

pub(crate) const CUSTOMER: EntityId = EntityId::customer(PartitionId(0), 1);

/// Something that happens.
pub(crate) enum Step {
    /// An event, arriving at `now`, that happened at `at`.
    Event {
        now: Time,
        at: Time,
        name: &'static str,
        properties: String,
    },
    /// Only time passes.
    Clock(Time),
    Command(Command),
    /// The leaving of effects is asked for: all that are requested.
    StartEffects,
    KillSwitch(bool),
    Threshold(f64),
    /// From here on, another line of time; 0 is live.
    Timeline(u32),
    MergeInto(EntityId),
    Part,
    Mail(MailBody),
    /// The router finds that somebody else owns what the following events are about.
    Owner(Option<EntityId>),
}

pub(crate) fn time(text: &str) -> Time {
    // Short forms: `5` is 5 March 2026 at midnight UTC, `5 14:30` that afternoon.
    let full = match text.split_once(' ') {
        _ if text.contains('T') => text.to_owned(),
        Some((day, clock)) => {
            format!("2026-03-{day:0>2}T{clock}{}Z", if clock.len() == 5 { ":00" } else { "" })
        }
        None => format!("2026-03-{text:0>2}T00:00:00Z"),
    };
    Time::parse(&full).unwrap_or_else(|| panic!("{text} is no time"))
}

/// An event that arrives when it happens.
pub(crate) fn on(at: &str, name: &'static str, properties: &str) -> Step {
    late(at, at, name, properties)
}

/// An event that happened at `at` and arrives at `now`. Properties are an object's inside.
pub(crate) fn late(now: &str, at: &str, name: &'static str, properties: &str) -> Step {
    Step::Event { now: time(now), at: time(at), name, properties: format!("{{{properties}}}") }
}

pub(crate) fn clock(at: &str) -> Step {
    Step::Clock(time(at))
}

pub(crate) struct World {
    pub(crate) entity: Entity,
    pub(crate) now: Time,
    pub(crate) timeline: TimelineId,
    pub(crate) reference: Reference,
    pub(crate) effects_on: bool,
    pub(crate) owner: Option<EntityId>,
    pub(crate) mails: u32,
    /// The names of all that was decided, in order.
    pub(crate) log: Vec<String>,
    pub(crate) outcomes: Vec<Outcome>,
}

impl World {
    pub(crate) fn new() -> Self {
        World {
            entity: Entity::new(CUSTOMER),
            now: Time::MIN,
            timeline: TimelineId::LIVE,
            reference: Reference::default(),
            effects_on: true,
            owner: None,
            mails: 0,
            log: Vec::new(),
            outcomes: Vec::new(),
        }
    }

    pub(crate) fn customer(&self) -> &Customer {
        self.entity.customer().expect("a customer's scenario")
    }

    /// Decides twice, which must be deciding once; lets the state live through it; checks the rules.
    pub(crate) fn ask(&mut self, stimulus: &Stimulus<'_>) -> Vec<Outcome> {
        let before = self.entity.clone();
        let context = Context {
            now: self.now,
            timeline: self.timeline,
            reference: &self.reference,
            effects_on: self.effects_on,
        };
        let outcomes = decide(&self.entity, stimulus, &context);
        assert_eq!(outcomes, decide(&self.entity, stimulus, &context), "decided differently a second time");
        assert_eq!(self.entity, before, "deciding changed the state");
        self.live(&outcomes);
        let (before, after) = (before.customer().unwrap(), self.customer());
        if let Err(why) = rules::check_step(before, after, &outcomes) {
            panic!("{why}\nafter {:?}\ndecided {outcomes:#?}\nbefore {before:#?}", self.log);
        }
        // What it tells itself arrives, as everything does, after what was decided.
        for outcome in &outcomes {
            if let Outcome::Mail { to: CUSTOMER, body } = outcome {
                self.step(&Step::Mail(body.clone()));
            }
        }
        outcomes
    }

    fn live(&mut self, outcomes: &[Outcome]) {
        for outcome in outcomes {
            evolve(&mut self.entity, &Change::Outcome { outcome, timeline: self.timeline });
            if let Some(name) = name_of(outcome) {
                self.log.push(name);
            }
            self.outcomes.push(outcome.clone());
        }
    }

    /// Lets the clock of the present line of time go on; what is due on it fires on the way.
    pub(crate) fn advance(&mut self, to: Time) {
        loop {
            let due =
                self.customer().timers.iter().filter(|(_, t)| t.timeline == self.timeline && t.due <= to);
            let Some((due, id)) = due.map(|(id, timer)| (timer.due, *id)).min() else { break };
            self.now = self.now.max(due);
            self.ask(&Stimulus::Timer(id));
            assert!(!self.customer().timers.contains_key(&id), "a fired timer is gone");
        }
        self.now = self.now.max(to);
    }

    pub(crate) fn step(&mut self, step: &Step) {
        match step {
            Step::Clock(to) => self.advance(*to),
            Step::Event { now, at, name, properties } => {
                self.advance(*now);
                let signal =
                    Signal::parse(name, Some(properties)).unwrap_or_else(|| panic!("no signal {name}"));
                let owner = self.owner;
                let stimulus = Stimulus::Signal {
                    name,
                    signal: signal.as_ref(),
                    at: *at,
                    properties: Some(properties),
                    owner,
                };
                self.ask(&stimulus);
            }
            Step::Command(command) => {
                self.ask(&Stimulus::Command(command));
            }
            Step::StartEffects => {
                let keys: Vec<String> = self.customer().effects.keys().cloned().collect();
                for key in keys {
                    self.ask(&Stimulus::StartEffect(&key));
                }
            }
            Step::KillSwitch(on) => self.effects_on = *on,
            Step::Threshold(threshold) => self.reference.at_risk_threshold = *threshold,
            Step::Timeline(timeline) => {
                self.timeline = TimelineId(*timeline);
                // Each line of time has a clock of its own.
                self.now = Time::MIN;
            }
            Step::MergeInto(into) => {
                self.ask(&Stimulus::MergeInto(*into));
            }
            Step::Part => {
                self.ask(&Stimulus::Part);
            }
            Step::Mail(body) => {
                self.mails += 1;
                let key = MailKey { origin: Position::new(PartitionId(0), 9), index: self.mails };
                evolve(&mut self.entity, &Change::Mail { key, body });
                self.ask(&Stimulus::Mail(body));
            }
            Step::Owner(owner) => self.owner = *owner,
        }
    }

    /// The state in one line: orders, promises, timers and effects.
    pub(crate) fn ends(&self) -> String {
        let customer = self.customer();
        let mut parts = Vec::new();
        for (id, order) in &customer.orders {
            let by = order.cancelled.map(|(_, by)| format!(" by {}", by.name())).unwrap_or_default();
            let unplaced = if order.placed_at.is_none() { " unplaced" } else { "" };
            parts.push(format!("{id} {}{by}{unplaced}", order.state.name()));
        }
        for (id, promise) in &customer.promises {
            let version = if promise.version > 1 { format!(" v{}", promise.version) } else { String::new() };
            let why = match (promise.status, promise.cause, &promise.risk) {
                (PromiseStatus::Broken, Some(cause), _) => format!(" by {}", cause.name()),
                (PromiseStatus::AtRisk, _, Some(risk)) => format!(" {}", risk.name()),
                _ => String::new(),
            };
            let late = promise.status == PromiseStatus::Broken && promise.fulfilled_at.is_some();
            parts.push(format!(
                "{id} {}{why}{version}{}",
                promise.status.name(),
                if late { " late" } else { "" }
            ));
        }
        if !customer.timers.is_empty() {
            parts.push(format!("{} timers", customer.timers.len()));
        }
        for (key, record) in &customer.effects {
            let key = key.strip_prefix("cus-0-1/").expect("an effect's key begins with its customer");
            parts.push(format!("{key} {}", record.state.name()));
        }
        if customer.erased_at.is_some() {
            parts.push("erased".into());
        }
        parts.join(", ")
    }
}

/// Facts by their names; timers are the state's business; the rest shortly.
fn name_of(outcome: &Outcome) -> Option<String> {
    Some(match outcome {
        Outcome::Fact(fact) => fact.name().to_owned(),
        Outcome::TimerSet { .. } | Outcome::TimerCleared { .. } | Outcome::TimerFired { .. } => return None,
        Outcome::Mail { to, .. } => format!("mail:{to}"),
        Outcome::EffectRequested(effect) => format!("+{}", effect.reason),
        Outcome::EffectSuppressed { effect, reason } => format!("-{}:{reason}", effect.reason),
        Outcome::EffectStarted { .. } => "started".into(),
        Outcome::EffectSettled { result, .. } => match result {
            EffectResult::Done => "done".into(),
            EffectResult::Failed(_) => "failed".into(),
        },
        Outcome::EffectUnknown { .. } => "unknown".into(),
        Outcome::Ignored { .. } => "ignored".into(),
    })
}

/// The one check: these steps lead to these names, in this order, and end in this state.
#[track_caller]
pub(crate) fn check(steps: impl IntoIterator<Item = Step>, names: &str, ends: &str) -> World {
    let mut world = World::new();
    for step in steps {
        world.step(&step);
    }
    let names: Vec<&str> = names.split_whitespace().collect();
    assert_eq!(world.log, names, "what was decided; it ends as: {}", world.ends());
    assert_eq!(world.ends(), ends, "how it ends, after {:?}", world.log);
    world
}

/// The facts of a world that have this name.
pub(crate) fn facts<'a>(world: &'a World, name: &str) -> Vec<&'a Fact> {
    let facts = world.outcomes.iter().filter_map(|outcome| match outcome {
        Outcome::Fact(fact) => Some(fact),
        _ => None,
    });
    facts.filter(|fact| fact.name() == name).collect()
}
