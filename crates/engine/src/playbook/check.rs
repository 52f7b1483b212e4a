//! Everything that may be wrong with a playbook that can be read.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use model::Money;
use model::connection::{MessageClass, NeedOrigin, SHARE_MAX};

use super::{
    Condition, ConditionError, Experiment, GuardRails, MessageTemplate, NeedRule, Playbook, Strategies,
    Texts, ValueRule, unknown,
};
use crate::connection::clock;

/// Whether a playbook may hold in spite of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Severity {
    Error,
    /// It can hold, and somebody should look at it.
    Warning,
}

impl Severity {
    pub fn name(self) -> &'static str {
        match self {
            Severity::Error => "error",
            Severity::Warning => "warning",
        }
    }
}

/// Something that is wrong. Its cause and its remedy are told in people's words by whoever shows it, under its code.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Problem {
    /// A JSON pointer to where.
    pub pointer: String,
    pub severity: Severity,
    pub code: &'static str,
    pub values: Vec<(&'static str, String)>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} ({})", self.pointer, self.code, self.severity.name())?;
        self.values.iter().try_for_each(|(name, value)| write!(f, ", {name} {value:?}"))
    }
}

/// The codes of all problems.
pub const CODES: [&str; 36] = [
    "arm-weight",
    "bad-name",
    "channel",
    "coach-transactional",
    "condition",
    "condition-ignored",
    "condition-name",
    "currency",
    "duplicate",
    "empty",
    "empty-text",
    "events-ignored",
    "experiment-empty",
    "forecast-ignored",
    "item-fits-nothing",
    "item-unknown",
    "message-missing",
    "message-unknown",
    "message-unused",
    "no-caps",
    "no-items",
    "no-needs",
    "no-order-cap",
    "no-quiet-hours",
    "no-strategy",
    "not-transactional",
    "nothing-notices",
    "placeholder-differs",
    "placeholder-empty",
    "placeholder-unknown",
    "predicted-without-forecast",
    "quiet-hours",
    "quiet-hours-empty",
    "range",
    "reported-without-on",
    "two-forecasts",
];

/// A part of a JSON pointer (RFC 6901).
pub fn escaped(part: &str) -> String {
    part.replace('~', "~0").replace('/', "~1")
}

/// What is wrong with a playbook, whatever store it is for.
pub fn check(playbook: &Playbook) -> Vec<Problem> {
    let mut checker = Checker { playbook, problems: Vec::new(), used: BTreeMap::new() };
    checker.check();
    checker.problems
}

/// What is wrong with a playbook in a store whose catalogue knows these items, each with the models that it fits.
pub fn check_items(playbook: &Playbook, catalogue: &BTreeMap<String, Vec<String>>) -> Vec<Problem> {
    let mut checker = Checker { playbook, problems: Vec::new(), used: BTreeMap::new() };
    for (n, item) in playbook.offer.items.iter().enumerate() {
        let pointer = format!("/offer/items/{n}");
        match catalogue.get(item) {
            None => checker.warn(&pointer, "item-unknown", [("item", item.clone())]),
            Some(fits) if playbook.offer.fits_device && fits.is_empty() => {
                checker.warn(&pointer, "item-fits-nothing", [("item", item.clone())]);
            }
            Some(_) => {}
        }
    }
    checker.problems
}

/// Which placeholders a message has a value for, by what it is said for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Use {
    Coach,
    Notice,
    Ask,
    Sorry,
}

impl Use {
    fn filled(self) -> &'static [&'static str] {
        match self {
            Use::Coach => &["item", "price", "date", "days", "steps", "link"],
            Use::Notice => &["item", "price", "date", "until", "days", "link"],
            Use::Ask => &["item", "price", "date", "days", "why", "link"],
            Use::Sorry => &["compensation"],
        }
    }

    fn name(self) -> &'static str {
        match self {
            Use::Coach => "coach",
            Use::Notice => "notice",
            Use::Ask => "ask",
            Use::Sorry => "sorry",
        }
    }
}

struct Checker<'a> {
    playbook: &'a Playbook,
    problems: Vec<Problem>,
    /// By message, what it is said for.
    used: BTreeMap<&'a str, BTreeSet<Use>>,
}

impl<'a> Checker<'a> {
    fn add<const N: usize>(
        &mut self,
        severity: Severity,
        pointer: &str,
        code: &'static str,
        values: [(&'static str, String); N],
    ) {
        debug_assert!(CODES.contains(&code), "{code}");
        self.problems.push(Problem {
            pointer: pointer.to_owned(),
            severity,
            code,
            values: Vec::from(values),
        });
    }

    fn wrong<const N: usize>(
        &mut self,
        pointer: &str,
        code: &'static str,
        values: [(&'static str, String); N],
    ) {
        self.add(Severity::Error, pointer, code, values);
    }

    fn warn<const N: usize>(
        &mut self,
        pointer: &str,
        code: &'static str,
        values: [(&'static str, String); N],
    ) {
        self.add(Severity::Warning, pointer, code, values);
    }

    fn range(&mut self, pointer: &str, value: f64, fine: bool, expected: &str) {
        if !fine || !value.is_finite() {
            let values = [("value", value.to_string()), ("expected", expected.to_owned())];
            self.wrong(pointer, "range", values);
        }
    }

    fn probability(&mut self, pointer: &str, value: f64) {
        self.range(pointer, value, (0.0..=1.0).contains(&value), "0–1");
    }

    fn share(&mut self, pointer: &str, share: u8) {
        self.range(pointer, f64::from(share), share <= SHARE_MAX, "0–3");
    }

    /// A name that stands in keys and commands.
    fn name(&mut self, pointer: &str, name: &str) {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '-');
        if name.is_empty() || name.len() > 64 || !name.chars().all(plain) {
            self.wrong(pointer, "bad-name", [("value", name.escape_debug().to_string())]);
        }
    }

    fn filled(&mut self, pointer: &str, text: &str) {
        if text.trim().is_empty() {
            self.wrong(pointer, "empty", []);
        }
    }

    fn texts(&mut self, pointer: &str, texts: &Texts) {
        for (language, text) in [("en", &texts.en), ("ko", &texts.ko)] {
            if text.trim().is_empty() {
                let pointer = format!("{pointer}/{language}");
                self.wrong(&pointer, "empty-text", [("language", language.to_owned())]);
            }
        }
    }

    fn once<'b>(&mut self, ids: impl Iterator<Item = (String, &'b str)>) {
        let mut seen = BTreeSet::new();
        for (pointer, id) in ids {
            if !seen.insert(id) {
                self.wrong(&pointer, "duplicate", [("value", id.to_owned())]);
            }
        }
    }

    fn check(&mut self) {
        let playbook = self.playbook;
        self.name("/playbook", &playbook.playbook);
        self.texts("/title", &playbook.title);
        self.filled("/owners/marketing", &playbook.owners.marketing);
        self.filled("/owners/operations", &playbook.owners.operations);
        self.name("/category", &playbook.category);
        self.needs();
        self.offer();
        self.strategies(&playbook.strategies);
        if let Some(service) = playbook.promise.service {
            self.range("/promise/service", service, 0.0 < service && service < 1.0, "above 0, below 1");
        }
        if let Some(class) = &playbook.promise.class {
            self.filled("/promise/class", class);
        }
        self.guard_rails(&playbook.guard_rails);
        self.value(&playbook.value);
        if let Some(experiment) = &playbook.experiment {
            self.experiment(experiment);
        }
        self.messages();
    }

    fn needs(&mut self) {
        let playbook = self.playbook;
        if playbook.needs.is_empty() {
            self.wrong("/needs", "no-needs", []);
        }
        let ids = playbook.needs.iter().enumerate();
        self.once(ids.map(|(n, rule)| (format!("/needs/{n}/id"), rule.id.as_str())));
        for (n, rule) in playbook.needs.iter().enumerate() {
            self.need(&format!("/needs/{n}"), rule);
        }
        let predicted = playbook.needs.iter().enumerate();
        let predicted = predicted.filter(|(_, rule)| rule.origin == NeedOrigin::Predicted).skip(1);
        for (n, _) in predicted {
            self.wrong(&format!("/needs/{n}/origin"), "two-forecasts", []);
        }
        let unasked = [
            playbook.strategies.coach.as_ref().map(|_| "coach"),
            playbook.strategies.automate.as_ref().map(|_| "automate"),
        ];
        let noticed = playbook.needs.iter().any(|rule| rule.origin != NeedOrigin::Stated);
        for strategy in unasked.into_iter().flatten().filter(|_| !noticed) {
            let pointer = format!("/strategies/{strategy}");
            self.warn(&pointer, "nothing-notices", [("strategy", strategy.to_owned())]);
        }
    }

    fn need(&mut self, pointer: &str, rule: &NeedRule) {
        let at = |name: &str| format!("{pointer}/{name}");
        self.name(&at("id"), &rule.id);
        self.probability(&at("confidence"), rule.confidence);
        for (n, event) in rule.on.iter().enumerate() {
            self.filled(&at(&format!("on/{n}")), event);
        }
        let when = rule.when.as_ref();
        match rule.origin {
            NeedOrigin::Stated => {
                if !rule.on.is_empty() {
                    self.warn(&at("on"), "events-ignored", []);
                }
                if when.is_some() {
                    self.warn(&at("when"), "condition-ignored", []);
                }
            }
            NeedOrigin::Reported if rule.on.is_empty() => self.wrong(pointer, "reported-without-on", []),
            NeedOrigin::Predicted if rule.forecast.is_none() => {
                self.wrong(pointer, "predicted-without-forecast", []);
            }
            NeedOrigin::Reported | NeedOrigin::Predicted => {}
        }
        if rule.origin != NeedOrigin::Predicted && rule.forecast.is_some() {
            self.warn(&at("forecast"), "forecast-ignored", []);
        }
        if let Some(when) = when {
            self.condition(&at("when"), when);
        }
        if let Some(forecast) = &rule.forecast {
            let (empty, service, buffer) = (forecast.empty_at, forecast.service, forecast.buffer_days);
            self.range(&at("forecast/empty_at"), empty, (0.0..1.0).contains(&empty), "0 to below 1");
            self.range(&at("forecast/service"), service, (0.5..=0.999).contains(&service), "0.5–0.999");
            self.range(&at("forecast/buffer_days"), buffer, (0.0..=365.0).contains(&buffer), "0–365");
        }
    }

    fn condition(&mut self, pointer: &str, condition: &Condition) {
        match condition.unknown() {
            Ok(unknown) => {
                for name in unknown {
                    self.wrong(pointer, "condition-name", [("name", name)]);
                }
            }
            Err(
                ConditionError::Malformed { why, .. }
                | ConditionError::Failed { why, .. }
                | ConditionError::NotABool { text: why },
            ) => self.wrong(pointer, "condition", [("why", why)]),
        }
    }

    fn offer(&mut self) {
        let offer = &self.playbook.offer;
        if offer.items.is_empty() {
            self.wrong("/offer/items", "no-items", []);
        }
        let at = |n: usize| format!("/offer/items/{n}");
        self.once(offer.items.iter().enumerate().map(|(n, item)| (at(n), item.as_str())));
        for (n, item) in offer.items.iter().enumerate() {
            self.filled(&at(n), item);
        }
        let quantity = offer.quantity;
        self.range("/offer/quantity", quantity.as_f64(), quantity.is_positive(), "more than 0");
        let days = offer.lead_days;
        self.range("/offer/lead_days", days, (0.0..=365.0).contains(&days), "0–365");
        self.probability("/offer/relevance_loss", offer.relevance_loss);
    }

    fn strategies(&mut self, strategies: &'a Strategies) {
        let Strategies { respond, curate, coach, automate } = strategies;
        if respond.is_none() && curate.is_none() && coach.is_none() && automate.is_none() {
            self.wrong("/strategies", "no-strategy", []);
        }
        if let Some(rule) = respond {
            self.share("/strategies/respond/share", rule.share);
        }
        if let Some(rule) = curate {
            self.share("/strategies/curate/share", rule.share);
            self.choices("/strategies/curate/choices", rule.choices);
        }
        if let Some(rule) = coach {
            self.share("/strategies/coach/share", rule.share);
            self.message("/strategies/coach/message", &rule.message, Use::Coach);
            self.probability("/strategies/coach/send_probability", rule.send_probability);
            if let Some(again) = rule.again {
                let (days, times) = (f64::from(again.days), f64::from(again.times));
                self.range("/strategies/coach/again/days", days, (1.0..=365.0).contains(&days), "1–365");
                self.range("/strategies/coach/again/times", times, (1.0..=10.0).contains(&times), "1–10");
            }
            let at = |n: usize| format!("/strategies/coach/steps/{n}");
            self.once(
                rule.steps.iter().enumerate().map(|(n, step)| (format!("{}/id", at(n)), step.id.as_str())),
            );
            for (n, step) in rule.steps.iter().enumerate() {
                self.name(&format!("{}/id", at(n)), &step.id);
                self.texts(&format!("{}/text", at(n)), &step.text);
                if let Some(when) = &step.when {
                    self.condition(&format!("{}/when", at(n)), when);
                }
                if step.every_days == Some(0) {
                    self.range(&format!("{}/every_days", at(n)), 0.0, false, "1 or more");
                }
            }
            if self.playbook.guard_rails.caps.is_empty() {
                self.warn("/guard_rails", "no-caps", []);
            }
            if self.playbook.guard_rails.quiet_hours.is_none() {
                self.warn("/guard_rails", "no-quiet-hours", []);
            }
        }
        if let Some(rule) = automate {
            self.share("/strategies/automate/share", rule.share);
            self.message("/strategies/automate/notice", &rule.notice, Use::Notice);
            self.message("/strategies/automate/ask", &rule.ask, Use::Ask);
            self.message("/strategies/automate/sorry", &rule.sorry, Use::Sorry);
            if let Some(money) = &rule.compensation {
                self.amount("/strategies/automate/compensation", *money);
            }
            if self.playbook.guard_rails.auto_orders.is_empty() {
                self.warn("/guard_rails", "no-order-cap", []);
            }
        }
    }

    fn choices(&mut self, pointer: &str, choices: usize) {
        self.range(pointer, choices as f64, (1..=10).contains(&choices), "1–10");
    }

    /// A message that something is said by.
    fn message(&mut self, pointer: &str, name: &'a str, of: Use) {
        if name.is_empty() {
            return self.wrong(pointer, "message-missing", []);
        }
        let Some(template) = self.playbook.messages.get(name) else {
            return self.wrong(pointer, "message-unknown", [("name", name.to_owned())]);
        };
        self.used.entry(name).or_default().insert(of);
        let class = format!("/messages/{}/class", escaped(name));
        match (of, template.class) {
            (Use::Notice | Use::Ask | Use::Sorry, MessageClass::Advertising) => {
                let values = [("name", name.to_owned()), ("use", of.name().to_owned())];
                self.wrong(&class, "not-transactional", values);
            }
            (Use::Coach, MessageClass::Transactional) => {
                self.warn(&class, "coach-transactional", [("name", name.to_owned())]);
            }
            _ => {}
        }
    }

    fn guard_rails(&mut self, rails: &GuardRails) {
        for (n, cap) in rails.caps.iter().enumerate() {
            let pointer = format!("/guard_rails/caps/{n}/days");
            self.range(&pointer, f64::from(cap.days), cap.days > 0, "1 or more");
        }
        for (n, cap) in rails.auto_orders.iter().enumerate() {
            let at = |name: &str| format!("/guard_rails/auto_orders/{n}/{name}");
            self.range(&at("days"), f64::from(cap.days), cap.days > 0, "1 or more");
            self.range(&at("orders"), f64::from(cap.orders), cap.orders > 0, "1 or more");
        }
        if let Some(hours) = &rails.quiet_hours {
            let mut readable = true;
            for (name, text) in [("from", &hours.from), ("to", &hours.to)] {
                if clock(text).is_none() {
                    readable = false;
                    let pointer = format!("/guard_rails/quiet_hours/{name}");
                    self.wrong(&pointer, "quiet-hours", [("value", text.clone())]);
                }
            }
            if readable && clock(&hours.from) == clock(&hours.to) {
                self.wrong("/guard_rails/quiet_hours/to", "quiet-hours-empty", []);
            }
        }
        if let Some(floor) = rails.margin_floor {
            self.range("/guard_rails/margin_floor", floor, floor < 1.0, "below 1");
        }
    }

    /// Money of this playbook is not below zero, and all in one currency.
    fn amount(&mut self, pointer: &str, money: Money) {
        self.range(pointer, money.minor as f64, money.minor >= 0, "0 or more");
        let of_value = self.playbook.value.worth.currency;
        if money.currency != of_value {
            let values =
                [("value", money.currency.code().to_owned()), ("expected", of_value.code().to_owned())];
            self.wrong(pointer, "currency", values);
        }
    }

    fn value(&mut self, value: &ValueRule) {
        self.probability("/value/accept", value.accept);
        self.range("/value/weight", value.weight, value.weight > 0.0, "more than 0");
        self.amount("/value/worth", value.worth);
        self.amount("/value/contact_cost", value.contact_cost);
        self.amount("/value/fatigue", value.fatigue);
        self.range("/value/explore", value.explore, (0.0..=0.5).contains(&value.explore), "0–0.5");
    }

    fn experiment(&mut self, experiment: &'a Experiment) {
        self.filled("/experiment/name", &experiment.name);
        self.probability("/experiment/holdout", experiment.holdout);
        if experiment.arms.is_empty() && experiment.holdout <= 0.0 {
            self.warn("/experiment", "experiment-empty", []);
        }
        let at = |n: usize, name: &str| format!("/experiment/arms/{n}/{name}");
        self.once(experiment.arms.iter().enumerate().map(|(n, arm)| (at(n, "id"), arm.id.as_str())));
        for (n, arm) in experiment.arms.iter().enumerate() {
            // Customers of the holdout are told apart by that word.
            match arm.id == "holdout" {
                true => self.wrong(&at(n, "id"), "bad-name", [("value", arm.id.clone())]),
                false => self.name(&at(n, "id"), &arm.id),
            }
            if !(arm.weight > 0.0 && arm.weight.is_finite()) {
                self.wrong(&at(n, "weight"), "arm-weight", [("value", arm.weight.to_string())]);
            }
            if let Some(choices) = arm.choices {
                self.choices(&at(n, "choices"), choices);
            }
            if let Some(message) = &arm.message {
                self.message(&at(n, "message"), message, Use::Coach);
            }
            if let Some(probability) = arm.send_probability {
                self.probability(&at(n, "send_probability"), probability);
            }
        }
    }

    fn messages(&mut self) {
        let playbook = self.playbook;
        for (name, template) in &playbook.messages {
            let pointer = format!("/messages/{}", escaped(name));
            self.name(&pointer, name);
            let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '-');
            if template.channel.is_empty() || !template.channel.chars().all(plain) {
                let value = template.channel.escape_debug().to_string();
                self.wrong(&format!("{pointer}/channel"), "channel", [("value", value)]);
            }
            self.texts(&format!("{pointer}/subject"), &template.subject);
            self.texts(&format!("{pointer}/text"), &template.text);
            let uses = self.used.get(name.as_str()).cloned().unwrap_or_default();
            if uses.is_empty() {
                self.warn(&pointer, "message-unused", [("name", name.clone())]);
            }
            self.placeholders(&pointer, template, &uses);
        }
    }

    fn placeholders(&mut self, pointer: &str, template: &MessageTemplate, uses: &BTreeSet<Use>) {
        for (part, texts) in [("subject", &template.subject), ("text", &template.text)] {
            for (language, text) in [("en", &texts.en), ("ko", &texts.ko)] {
                let at = format!("{pointer}/{part}/{language}");
                for name in unknown(text) {
                    self.wrong(&at, "placeholder-unknown", [("name", name)]);
                }
                for name in used(text) {
                    // The link is the sender's to fill in, and in a subject nobody can follow it.
                    let filled = uses.iter().all(|of| of.filled().contains(&name));
                    if (name == "link" && part == "subject") || (!uses.is_empty() && !filled) {
                        self.warn(&at, "placeholder-empty", [("name", name.to_owned())]);
                    }
                }
            }
            let (en, ko) = (used(&texts.en), used(&texts.ko));
            if let Some(name) = en.symmetric_difference(&ko).next()
                && !texts.en.trim().is_empty()
                && !texts.ko.trim().is_empty()
            {
                let pointer = format!("{pointer}/{part}");
                self.warn(&pointer, "placeholder-differs", [("name", (*name).to_owned())]);
            }
        }
    }
}

/// The placeholders that a text uses.
fn used(text: &str) -> BTreeSet<&'static str> {
    super::PLACEHOLDERS.into_iter().filter(|name| text.contains(&format!("{{{name}}}"))).collect()
}
