//! Data that every decision reads and no entity owns: versioned, published through the journal.

use std::collections::BTreeMap;

use learn::depletion::Prior;
use serde::{Deserialize, Serialize};

use crate::playbook::Playbooks;
use crate::promising::{Rules as PromisingRules, RulesError};

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reference {
    pub version: u32,
    /// A promise scored above this probability of being late is at risk.
    pub at_risk_threshold: f64,
    /// How promises are made.
    #[serde(default)]
    pub promising: PromisingRules,
    /// What is done about needs, by category.
    #[serde(default)]
    pub playbooks: Playbooks,
    /// How fast things are used up, by category: the populations that forecasts begin with.
    #[serde(default)]
    pub depletion: BTreeMap<String, Prior>,
}

impl Default for Reference {
    /// What holds until something is published.
    fn default() -> Self {
        Reference {
            version: 0,
            at_risk_threshold: 0.3,
            promising: PromisingRules::default(),
            playbooks: Playbooks::default(),
            depletion: BTreeMap::new(),
        }
    }
}

#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ReferenceError {
    #[error("at_risk_threshold is {0}; it is a probability, from 0 to 1")]
    Threshold(String),
    #[error(transparent)]
    Promising(#[from] RulesError),
}

impl Reference {
    /// Whether a promise that is kept with this probability is at risk. What lies at the threshold is not, to the
    /// precision of the numbers.
    pub fn is_late(&self, probability_kept: f64) -> bool {
        1.0 - probability_kept > self.at_risk_threshold + 1e-9
    }

    pub fn check(&self) -> Result<(), ReferenceError> {
        if !(0.0..=1.0).contains(&self.at_risk_threshold) {
            return Err(ReferenceError::Threshold(self.at_risk_threshold.to_string()));
        }
        Ok(self.promising.check()?)
    }
}
