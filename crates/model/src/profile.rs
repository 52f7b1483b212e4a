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
    /// Whether more than [`NAMES_MAX`] traits were stated.
    pub traits_left_out: bool,
    /// Events by name; calls without one count under the call's (`identify`, `page`…).
    pub counts: BTreeMap<String, u64>,
    /// By the events' own time.
    pub first_seen: Option<Time>,
    pub last_seen: Option<Time>,
}

/// Distinct names of events beyond this count together under [`OTHER`], and traits beyond it are not kept: a sender
/// that puts an id into its names must not make a profile grow without bound. The shortest names stay (of equals the
/// first by the alphabet), for names with ids in them are long; which do, depends on the set of names alone.
pub const NAMES_MAX: usize = 256;
pub const OTHER: &str = "(other)";

impl Profile {
    pub fn count(&mut self, name: &str, by: u64) {
        let room = self.counts.len() - usize::from(self.counts.contains_key(OTHER)) < NAMES_MAX;
        if let Some(n) = self.counts.get_mut(name) {
            *n = n.saturating_add(by);
        } else if room || name == OTHER {
            self.counts.insert(name.to_owned(), by);
        } else {
            let longest = longest(self.counts.keys().filter(|name| *name != OTHER));
            let mut moved = by;
            if (name.len(), name) < (longest.len(), &longest) {
                moved = self.counts.remove(&longest).unwrap_or_default();
                self.counts.insert(name.to_owned(), by);
            }
            let others = self.counts.entry(OTHER.to_owned()).or_default();
            *others = others.saturating_add(moved);
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
        if let Some(known) = self.traits.get_mut(name) {
            if known.stamp < stamp {
                *known = Trait { json: json.to_owned(), stamp };
            }
            return;
        }
        if self.traits.len() >= NAMES_MAX {
            self.traits_left_out = true;
            let longest = longest(self.traits.keys());
            if (name.len(), name) > (longest.len(), &longest) {
                return;
            }
            self.traits.remove(&longest);
        }
        self.traits.insert(name.to_owned(), Trait { json: json.to_owned(), stamp });
    }

    /// Counts another profile's knowledge in.
    pub fn absorb(&mut self, other: &Profile) {
        self.user_ids.extend(other.user_ids.iter().cloned());
        self.anonymous_ids.extend(other.anonymous_ids.iter().cloned());
        self.group_ids.extend(other.group_ids.iter().cloned());
        for (name, known) in &other.traits {
            self.set_trait(name, &known.json, known.stamp);
        }
        self.traits_left_out |= other.traits_left_out;
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

fn longest<'a>(names: impl Iterator<Item = &'a String>) -> String {
    names.max_by_key(|name| (name.len(), name.as_str())).cloned().unwrap_or_default()
}
