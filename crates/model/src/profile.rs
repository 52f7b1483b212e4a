//! What is known of a person.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::time::Time;

/// Which of two statements about one trait counts: the one that happened later; between equals the higher tie,
/// which is a hash of source and message id, so that the order of arrival never matters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct Stamp {
    pub at: Time,
    pub tie: u64,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Trait {
    /// The value as JSON text.
    pub json: String,
    pub stamp: Stamp,
}

/// A profile: identifiers, traits and counts. Merging two is commutative and associative.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Profile {
    pub user_ids: BTreeSet<String>,
    pub anonymous_ids: BTreeSet<String>,
    pub group_ids: BTreeSet<String>,
    pub traits: BTreeMap<String, Trait>,
    /// Events by name; calls without one count under the call's (`identify`, `page`…).
    pub counts: BTreeMap<String, u64>,
    /// By the events' own time.
    pub first_seen: Option<Time>,
    pub last_seen: Option<Time>,
}

/// Distinct names beyond this count together under [`OTHER`]: a sender that puts an id into its event names
/// must not make a profile grow without bound.
pub const NAMES_MAX: usize = 256;
pub const OTHER: &str = "(other)";

impl Profile {
    pub fn count(&mut self, name: &str, by: u64) {
        if let Some(n) = self.counts.get_mut(name) {
            *n = n.saturating_add(by);
        } else {
            let name = if self.counts.len() < NAMES_MAX { name } else { OTHER };
            let n = self.counts.entry(name.to_owned()).or_default();
            *n = n.saturating_add(by);
        }
    }

    pub fn events(&self) -> u64 {
        self.counts.values().fold(0, |sum, n| sum.saturating_add(*n))
    }

    pub fn see(&mut self, at: Time) {
        self.first_seen = Some(self.first_seen.map_or(at, |first| first.min(at)));
        self.last_seen = Some(self.last_seen.map_or(at, |last| last.max(at)));
    }

    /// Takes a statement about a trait, unless a later one is known. A JSON `null` is a statement too.
    pub fn set_trait(&mut self, name: &str, json: &str, stamp: Stamp) {
        let room = self.traits.len() < NAMES_MAX;
        match self.traits.get_mut(name) {
            Some(known) if known.stamp >= stamp => {}
            Some(known) => *known = Trait { json: json.to_owned(), stamp },
            None if room => {
                self.traits.insert(name.to_owned(), Trait { json: json.to_owned(), stamp });
            }
            None => self.count("(trait beyond the limit)", 1),
        }
    }

    /// Counts another profile's knowledge in.
    pub fn absorb(&mut self, other: &Profile) {
        self.user_ids.extend(other.user_ids.iter().cloned());
        self.anonymous_ids.extend(other.anonymous_ids.iter().cloned());
        self.group_ids.extend(other.group_ids.iter().cloned());
        for (name, known) in &other.traits {
            self.set_trait(name, &known.json, known.stamp);
        }
        for (name, n) in &other.counts {
            self.count(name, *n);
        }
        for at in [other.first_seen, other.last_seen].into_iter().flatten() {
            self.see(at);
        }
    }

    /// A trait that is a text, as the text.
    pub fn text_trait(&self, name: &str) -> Option<String> {
        serde_json::from_str(&self.traits.get(name)?.json).ok()
    }

    /// The traits as one JSON object, those stated as `null` left out.
    pub fn traits_json(&self) -> String {
        let mut out = String::from("{");
        for (name, known) in self.traits.iter().filter(|(_, known)| known.json != "null") {
            if out.len() > 1 {
                out.push(',');
            }
            out.push_str(&serde_json::to_string(name).expect("a text serialises"));
            out.push(':');
            out.push_str(&known.json);
        }
        out.push('}');
        out
    }
}
