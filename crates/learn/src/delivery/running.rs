//! Means that forget, and means of a few that lean on the mean of many.

use std::collections::HashMap;
use std::hash::Hash;

/// A mean in which what was seen `memory` hours ago counts 1/e of what is seen now.
#[derive(Clone, Copy, Debug)]
pub(super) struct Running {
    memory: f64,
    at: f64,
    weight: f64,
    sum: f64,
}

impl Running {
    pub(super) fn new(memory: f64) -> Self {
        Running { memory, at: 0.0, weight: 0.0, sum: 0.0 }
    }

    pub(super) fn add(&mut self, at: f64, value: f64) {
        let kept = self.kept(at);
        self.weight = self.weight * kept + 1.0;
        self.sum = self.sum * kept + value;
        self.at = at;
    }

    fn kept(&self, at: f64) -> f64 {
        if self.weight == 0.0 { 0.0 } else { (-(at - self.at).max(0.0) / self.memory).exp() }
    }

    pub(super) fn weight(&self, at: f64) -> f64 {
        self.weight * self.kept(at)
    }

    /// The mean, drawn toward `prior` as by `strength` observations of it.
    pub(super) fn mean(&self, at: f64, prior: f64, strength: f64) -> f64 {
        let kept = self.kept(at);
        (self.sum * kept + strength * prior) / (self.weight * kept + strength)
    }
}

/// Running means by key.
#[derive(Clone, Debug)]
pub(super) struct ByKey<K> {
    memory: f64,
    means: HashMap<K, Running>,
}

impl<K: Hash + Eq> ByKey<K> {
    pub(super) fn new(memory: f64) -> Self {
        ByKey { memory, means: HashMap::new() }
    }

    pub(super) fn add(&mut self, key: K, at: f64, value: f64) {
        self.means.entry(key).or_insert_with(|| Running::new(self.memory)).add(at, value);
    }

    pub(super) fn weight(&self, key: &K, at: f64) -> f64 {
        self.means.get(key).map_or(0.0, |mean| mean.weight(at))
    }

    /// A key that was never seen has the prior.
    pub(super) fn mean(&self, key: &K, at: f64, prior: f64, strength: f64) -> f64 {
        self.means.get(key).map_or(prior, |mean| mean.mean(at, prior, strength))
    }
}
