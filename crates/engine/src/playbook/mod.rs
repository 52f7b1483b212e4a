//! A playbook: what a marketer and an operations manager agreed on for one category of needs. What they write is the
//! whole of what differs between toner, milk and an office full of printers; nothing here knows a case by name.

pub mod check;
mod condition;
mod messages;

use std::collections::BTreeMap;

use model::connection::{MessageClass, NeedOrigin, Strategy};
use model::{Money, Quantity};
use serde::{Deserialize, Serialize};

pub use self::condition::{CONDITION_FUNCTIONS, CONDITION_NAMES, Condition, ConditionError, Facts};
pub use self::messages::{NAMES as PLACEHOLDERS, Placeholders, day_text, fill, money_text, unknown};

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Playbook {
    /// Its name.
    pub playbook: String,
    pub title: Texts,
    pub owners: PlaybookOwners,
    /// The category of needs that it answers.
    pub category: String,
    pub needs: Vec<NeedRule>,
    pub offer: OfferRule,
    pub strategies: Strategies,
    #[serde(default)]
    pub promise: PromiseRule,
    #[serde(default)]
    pub messages: BTreeMap<String, MessageTemplate>,
    #[serde(default)]
    pub guard_rails: GuardRails,
    pub value: ValueRule,
    #[serde(default)]
    pub experiment: Option<Experiment>,
}

/// One text in both languages.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Texts {
    pub en: String,
    pub ko: String,
}

impl Texts {
    /// In a language; in English where it is none of the two.
    pub fn in_language(&self, language: &str) -> &str {
        if language == "ko" { &self.ko } else { &self.en }
    }
}

/// Who answers for it on either side.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlaybookOwners {
    pub marketing: String,
    pub operations: String,
}

/// How a need is noticed.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NeedRule {
    pub id: String,
    pub origin: NeedOrigin,
    /// The events that say so, by their names; none where a forecast does.
    #[serde(default)]
    pub on: Vec<String>,
    /// What must hold besides.
    #[serde(default)]
    pub when: Option<Condition>,
    /// Where it is predicted.
    #[serde(default)]
    pub forecast: Option<ForecastRule>,
    /// That it is a need, 0 to 1.
    #[serde(default = "sure")]
    pub confidence: f64,
}

fn sure() -> f64 {
    1.0
}

/// When something that runs empty has to be acted on.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ForecastRule {
    /// The level at which it is of no use any more, 0 to 1.
    #[serde(default)]
    pub empty_at: f64,
    /// That the answer is there before it is empty.
    pub service: f64,
    /// Days between its arrival and empty, at least.
    #[serde(default)]
    pub buffer_days: f64,
}

/// What may answer the need.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OfferRule {
    /// The assortment; the catalogue says what is in stock, what it costs and what it fits.
    pub items: Vec<String>,
    /// Only what fits the device that it is for, as the catalogue says.
    #[serde(default)]
    pub fits_device: bool,
    #[serde(default = "one")]
    pub quantity: Quantity,
    /// Days from order to arrival, until a promise says so.
    pub lead_days: f64,
    /// How much less fitting than the best an offer may be, 0 to 1, to be quicker or cheaper to deliver.
    #[serde(default)]
    pub relevance_loss: f64,
}

fn one() -> Quantity {
    Quantity::ONE
}

/// What each strategy may do. One that is not there is not offered for this category.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Strategies {
    #[serde(default)]
    pub respond: Option<RespondRule>,
    #[serde(default)]
    pub curate: Option<CurateRule>,
    #[serde(default)]
    pub coach: Option<CoachRule>,
    #[serde(default)]
    pub automate: Option<AutomateRule>,
}

impl Strategies {
    /// The least that must be shared for a strategy; `None` where the playbook does not have it.
    pub fn share(&self, strategy: Strategy) -> Option<u8> {
        match strategy {
            Strategy::Wait => Some(0),
            Strategy::Respond => self.respond.as_ref().map(|rule| rule.share),
            Strategy::Curate => self.curate.as_ref().map(|rule| rule.share),
            Strategy::Coach => self.coach.as_ref().map(|rule| rule.share),
            Strategy::Automate => self.automate.as_ref().map(|rule| rule.share),
        }
    }
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RespondRule {
    #[serde(default)]
    pub share: u8,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CurateRule {
    pub share: u8,
    /// Of how many offers at most the customer chooses.
    #[serde(default = "three")]
    pub choices: usize,
}

fn three() -> usize {
    3
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CoachRule {
    pub share: u8,
    /// The message that raises the need.
    pub message: String,
    /// That it is sent where it may be: below 1, what the rest do without it is learnt from.
    #[serde(default = "sure")]
    pub send_probability: f64,
    /// For so many days nothing more is said about a need that was put off.
    #[serde(default = "week")]
    pub snooze_days: u32,
    /// Whether who does not answer is reminded again; once is enough where nothing is said.
    #[serde(default)]
    pub again: Option<Again>,
    /// What helps beside buying.
    #[serde(default)]
    pub steps: Vec<CoachStep>,
}

/// How often who does not answer is reminded again, and after how many days. Caps and quiet hours hold for it, too.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Again {
    pub days: u32,
    #[serde(default = "once")]
    pub times: u32,
}

impl Again {
    pub(crate) fn micros(self) -> i64 {
        i64::from(self.days) * 86_400_000_000
    }
}

fn once() -> u32 {
    1
}

fn week() -> u32 {
    7
}

/// One step towards what the customer wants: done, not done, or possible now.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CoachStep {
    pub id: String,
    pub text: Texts,
    /// When it is possible.
    #[serde(default)]
    pub when: Option<Condition>,
    /// Whether something is bought by it.
    #[serde(default)]
    pub sale: bool,
    /// It is done again after so many days; once, where nothing is said.
    #[serde(default)]
    pub every_days: Option<u32>,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AutomateRule {
    pub share: u8,
    /// Said when an order is announced, and until when it may be called off.
    pub notice: String,
    /// Said where the mandate does not allow what is needed.
    pub ask: String,
    /// Said where it ran empty all the same.
    pub sorry: String,
    /// What is given to the customer then.
    #[serde(default)]
    pub compensation: Option<Money>,
}

#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PromiseRule {
    /// The probability with which the promise is to be kept, where it is not the rules'.
    #[serde(default)]
    pub service: Option<f64>,
    /// The allocation class that asks, where it is not the customer's.
    #[serde(default)]
    pub class: Option<String>,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MessageTemplate {
    pub class: MessageClass,
    /// `email`, `inbox`, or the name of a system; where the customer says nothing else.
    pub channel: String,
    pub subject: Texts,
    pub text: Texts,
}

/// What holds whatever a decision is worth.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GuardRails {
    /// Messages about this category at most.
    #[serde(default)]
    pub caps: Vec<Cap>,
    /// Nothing is advertised then, in the customer's zone; it waits for the end of them.
    #[serde(default)]
    pub quiet_hours: Option<QuietHours>,
    /// The contribution margin of an offer, as a share of its price, is at least this.
    #[serde(default)]
    pub margin_floor: Option<f64>,
    /// Automatic orders at most, whatever the mandate allows.
    #[serde(default)]
    pub auto_orders: Vec<OrderCap>,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cap {
    pub days: u32,
    pub messages: u32,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OrderCap {
    pub days: u32,
    pub orders: u32,
}

/// Hours and minutes as `21:00`; over midnight where the end is before the beginning.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QuietHours {
    pub from: String,
    pub to: String,
}

/// What a contact is worth and costs.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ValueRule {
    /// That an offer is taken, before anything is known of this customer.
    pub accept: f64,
    /// As many observations as that is worth.
    #[serde(default = "ten")]
    pub weight: f64,
    /// What it is worth to us beside the margin that the customer has what they need.
    pub worth: Money,
    /// Of one message, to us.
    pub contact_cost: Money,
    /// What one more message costs in patience for each that was sent in the last seven days.
    pub fatigue: Money,
    /// One in so many decisions is not the best but one of the others, so that they are learnt about; 0 to 0.5.
    #[serde(default)]
    pub explore: f64,
}

fn ten() -> f64 {
    10.0
}

/// Customers are parted by chance and stay where they are.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Experiment {
    pub name: String,
    /// The share of customers to whom nothing is done unasked.
    #[serde(default)]
    pub holdout: f64,
    #[serde(default)]
    pub arms: Vec<Arm>,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Arm {
    pub id: String,
    /// Of those outside the holdout, relative to the other arms.
    pub weight: f64,
    /// What is other than in the playbook.
    #[serde(default)]
    pub choices: Option<usize>,
    #[serde(default)]
    pub message: Option<String>,
    #[serde(default)]
    pub send_probability: Option<f64>,
}

/// The playbooks that hold, each with the versions that needs still run by.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Playbooks {
    #[serde(default)]
    pub by_name: BTreeMap<String, Versions>,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Versions {
    /// By which new needs run; none while it is switched off.
    pub current: Option<u32>,
    pub versions: BTreeMap<u32, Playbook>,
}

impl Playbooks {
    /// Those that new needs run by.
    pub fn current(&self) -> impl Iterator<Item = (u32, &Playbook)> {
        self.by_name.values().filter_map(|known| {
            let version = known.current?;
            known.versions.get(&version).map(|playbook| (version, playbook))
        })
    }

    /// Whether a playbook that holds listens to an event.
    pub fn listens_to(&self, event: &str) -> bool {
        let mut rules = self.current().flat_map(|(_, playbook)| &playbook.needs);
        rules.any(|rule| rule.on.iter().any(|on| on == event))
    }

    pub fn get(&self, name: &str, version: u32) -> Option<&Playbook> {
        self.by_name.get(name)?.versions.get(&version)
    }

    /// The one that answers a category now.
    pub fn of_category(&self, category: &str) -> Option<(u32, &Playbook)> {
        self.current().find(|(_, playbook)| playbook.category == category)
    }

    /// Adds a version that holds from now on, and returns its number. A text that is the same as the current one is
    /// no new version.
    pub fn publish(&mut self, playbook: Playbook) -> u32 {
        let known = self
            .by_name
            .entry(playbook.playbook.clone())
            .or_insert_with(|| Versions { current: None, versions: BTreeMap::new() });
        if let Some(current) = known.current
            && known.versions.get(&current) == Some(&playbook)
        {
            return current;
        }
        let version = known.versions.keys().next_back().map_or(1, |last| last + 1);
        known.versions.insert(version, playbook);
        known.current = Some(version);
        version
    }

    /// Lets an older version hold again, or none; `false` where there is no such version.
    pub fn switch(&mut self, name: &str, to: Option<u32>) -> bool {
        let Some(known) = self.by_name.get_mut(name) else { return false };
        if to.is_some_and(|version| !known.versions.contains_key(&version)) {
            return false;
        }
        known.current = to;
        true
    }
}
