//! What kind of world to live in.

use std::collections::BTreeMap;

use model::Time;
use model::connection::Strategy;
use serde::{Deserialize, Serialize};

use super::Assumptions;

/// How a customer is served. Arms of one seed share all luck.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Arm {
    /// Buy what we have: the company waits in its shop.
    Baseline,
    Respond,
    Curate,
    Coach,
    Automate,
}

impl Arm {
    pub const ALL: [Arm; 5] = [Arm::Baseline, Arm::Respond, Arm::Curate, Arm::Coach, Arm::Automate];

    pub fn name(self) -> &'static str {
        match self {
            Arm::Baseline => "baseline",
            Arm::Respond => "respond",
            Arm::Curate => "curate",
            Arm::Coach => "coach",
            Arm::Automate => "automate",
        }
    }

    pub fn strategy(self) -> Strategy {
        match self {
            Arm::Baseline => Strategy::Wait,
            Arm::Respond => Strategy::Respond,
            Arm::Curate => Strategy::Curate,
            Arm::Coach => Strategy::Coach,
            Arm::Automate => Strategy::Automate,
        }
    }

    /// What is shared in it, before the calendar: 0 to 2.
    pub(super) fn share(self) -> u8 {
        match self {
            Arm::Baseline => 0,
            Arm::Respond | Arm::Curate => 1,
            Arm::Coach | Arm::Automate => 2,
        }
    }
}

/// Something that is made to go wrong, or that somebody is made to do.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Drill {
    /// The customer revokes what they delegated, at noon of a day.
    Revoke { who: String, day: u32 },
    /// They revoke it an hour after they were told of an order, the first time from that day on.
    RevokeInWindow { who: String, from_day: u32 },
    /// They call the first order off that they are told of from that day on, an hour later.
    CallOff { who: String, from_day: u32 },
    /// They withdraw their consent to a purpose, at noon of a day; their devices go on reporting.
    Withdraw { who: String, day: u32, purpose: String },
    /// Everything costs more from a day on.
    PriceRise { day: u32, percent: u32 },
    /// Every reading is sent three times: again under its own id, and under another.
    DuplicateEvents { from_day: u32, days: u32 },
    /// A device says nothing.
    SilentDevice { device: String, from_day: u32, days: u32 },
    /// What suppliers should bring in these days comes so much later, and they do not say so.
    LateSupplier { from_day: u32, days: u32, late_days: u32 },
}

/// An account with printers at several sites.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Office {
    pub sites: u32,
    pub printers: u32,
}

#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Setup {
    /// The first midnight, local.
    pub start: Time,
    pub days: u32,
    pub arm: Arm,
    /// Customers who are served otherwise, by their names.
    pub each: BTreeMap<String, Arm>,
    /// Nobody shares more than they would by themselves, whatever the strategy needs.
    pub within_limits: bool,
    /// Homes with a printer.
    pub homes: u32,
    /// Of all homes, as many of the first have a fridge that tells what is in it.
    pub fridges: u32,
    pub office: Option<Office>,
    pub drills: Vec<Drill>,
    pub assumptions: Assumptions,
}

impl Setup {
    /// Homes with printers, served in one way.
    pub fn homes(start: Time, days: u32, homes: u32, arm: Arm) -> Self {
        Setup {
            start,
            days,
            arm,
            each: BTreeMap::new(),
            within_limits: false,
            homes,
            fridges: 0,
            office: None,
            drills: Vec::new(),
            assumptions: Assumptions::default(),
        }
    }

    pub(super) fn arm_of(&self, who: &str) -> Arm {
        self.each.get(who).copied().unwrap_or(self.arm)
    }
}
