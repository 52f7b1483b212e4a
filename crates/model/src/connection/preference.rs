//! How close a customer wants the company to be, and what they agreed to.

use serde::{Deserialize, Serialize};

use crate::time::Time;

/// How a need is answered.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// The company waits for an order and does nothing else.
    Wait,
    /// What is asked for, fast and with no effort.
    Respond,
    /// A few right choices, once something is asked for.
    Curate,
    /// The company raises the need, and helps to act on it.
    Coach,
    /// The company acts by itself, under a mandate.
    Automate,
}

impl Strategy {
    pub const ALL: [Strategy; 5] =
        [Strategy::Wait, Strategy::Respond, Strategy::Curate, Strategy::Coach, Strategy::Automate];

    pub fn name(self) -> &'static str {
        match self {
            Strategy::Wait => "wait",
            Strategy::Respond => "respond",
            Strategy::Curate => "curate",
            Strategy::Coach => "coach",
            Strategy::Automate => "automate",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|strategy| strategy.name() == name)
    }

    /// How far it comes to the customer unasked. One that stands in for another never comes further: who delegated did
    /// so in order not to be reminded.
    pub fn intrusion(self) -> u8 {
        match self {
            Strategy::Wait | Strategy::Respond | Strategy::Curate => 0,
            Strategy::Automate => 1,
            Strategy::Coach => 2,
        }
    }

    /// Whether the company may begin of itself.
    pub fn is_unasked(self) -> bool {
        self.intrusion() > 0
    }
}

/// What is done where the chosen strategy cannot be followed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fallback {
    /// Ask for this need once, then wait.
    AskOnce,
    Wait,
    Respond,
    Curate,
}

impl Fallback {
    pub const ALL: [Fallback; 4] = [Fallback::AskOnce, Fallback::Wait, Fallback::Respond, Fallback::Curate];

    pub fn name(self) -> &'static str {
        match self {
            Fallback::AskOnce => "ask_once",
            Fallback::Wait => "wait",
            Fallback::Respond => "respond",
            Fallback::Curate => "curate",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|fallback| fallback.name() == name)
    }

    /// What stands in for a strategy where the customer chose nothing.
    pub fn of(strategy: Strategy) -> Self {
        match strategy {
            Strategy::Automate => Fallback::AskOnce,
            Strategy::Curate | Strategy::Coach => Fallback::Respond,
            Strategy::Respond | Strategy::Wait => Fallback::Wait,
        }
    }
}

/// Transaction only, own history, device readings, context.
pub const SHARE_MAX: u8 = 3;

/// One cell of what a customer set: for a category of needs, and for one device where they chose so.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Preference {
    pub category: String,
    /// For this device alone; for all of the category where none is named.
    pub device_id: Option<String>,
    pub strategy: Strategy,
    pub fallback: Fallback,
    /// What may be used: 0 transaction only, 1 and own history, 2 and device readings, 3 and context.
    pub share: u8,
    /// Where the company may speak; wherever the playbook says, if none is named.
    pub channel: Option<String>,
    /// Messages in seven days at most, where the customer wants fewer than the playbook allows.
    pub cap_per_week: Option<u32>,
    /// Counts the changes of this cell. This and the time are given by whoever keeps it.
    pub version: u32,
    pub at: Time,
}

/// What a customer agreed to, for one purpose. The fields of a record of ISO/IEC TS 27560 that a store of events does
/// not already have.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Consent {
    /// Such as `advertising`, `night_advertising`, `history`, `readings`, `context`.
    pub purpose: String,
    pub given: bool,
    /// Given by whoever keeps it.
    pub at: Time,
    /// Which text they saw.
    pub notice: Option<String>,
    pub jurisdiction: Option<String>,
}

impl Consent {
    pub const ADVERTISING: &'static str = "advertising";
    /// Advertising between nine in the evening and eight in the morning, which Korean law has agreed to separately.
    pub const NIGHT_ADVERTISING: &'static str = "night_advertising";
    /// The purposes of the share levels 1 to 3: to withdraw one is to share less.
    pub const SHARED: [&'static str; 3] = ["history", "readings", "context"];
}
