//! Kinds of demand.

use serde::{Deserialize, Serialize};

use super::{DemandError, checked};

/// The kind of a demand, by how often there is any and by how much its size varies (Syntetos, Boylan & Croston 2005).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// Often and alike.
    Smooth,
    /// Often, in sizes that vary.
    Erratic,
    /// Seldom and alike.
    Intermittent,
    /// Seldom, in sizes that vary.
    Lumpy,
    /// Never.
    None,
}

/// What the class is read from.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub struct Pattern {
    /// The mean of the periods to the first demand and from each to the next: the average demand interval (ADI).
    /// `None` where there is no demand.
    pub interval: Option<f64>,
    /// The squared coefficient of variation of the sizes of demands (CV²); 0 for fewer than two.
    pub size_variation: f64,
    pub class: Class,
}

/// Above this interval demand is intermittent or lumpy.
const INTERVAL: f64 = 1.32;
/// Above this variation demand is erratic or lumpy.
const VARIATION: f64 = 0.49;

impl Pattern {
    /// The pattern of a history.
    ///
    /// # Errors
    /// If the history is empty or holds what is no demand.
    pub fn of(history: &[f64]) -> Result<Self, DemandError> {
        checked(history)?;
        let sizes: Vec<f64> = history.iter().copied().filter(|units| *units > 0.0).collect();
        let Some(last) = history.iter().rposition(|units| *units > 0.0) else {
            return Ok(Pattern { interval: None, size_variation: 0.0, class: Class::None });
        };
        let interval = (last + 1) as f64 / sizes.len() as f64;
        let mean = sizes.iter().sum::<f64>() / sizes.len() as f64;
        // Of sizes relative to their mean, so that neither the largest nor the smallest number is squared.
        let size_variation =
            sizes.iter().map(|size| (size / mean - 1.0).powi(2)).sum::<f64>() / sizes.len() as f64;
        let class = match (interval > INTERVAL, size_variation > VARIATION) {
            (false, false) => Class::Smooth,
            (false, true) => Class::Erratic,
            (true, false) => Class::Intermittent,
            (true, true) => Class::Lumpy,
        };
        Ok(Pattern { interval: Some(interval), size_variation, class })
    }
}
