//! What a wrong prediction costs.

use serde::{Deserialize, Serialize};

use super::Target;

/// The loss that the trees make small.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Loss {
    /// Of the quantile at this probability (Koenker and Bassett 1978); the sum is the quantile.
    Quantile(f64),
    /// Of a thing that happens (1) or does not (0); the sum is its log-odds.
    Logistic,
}

impl Loss {
    /// The best constant to add to the offsets.
    pub(super) fn base(self, targets: &[Target]) -> f64 {
        match self {
            Loss::Quantile(p) => {
                let known = targets.iter().filter(|target| !target.at_least || target.value > target.offset);
                quantile(known.map(|target| target.value - target.offset).collect(), p)
            }
            Loss::Logistic => {
                let happened: f64 = targets.iter().map(|target| target.value).sum();
                ((happened + 0.5) / (targets.len() as f64 - happened + 0.5)).ln()
            }
        }
    }

    /// The loss's slope and weight at a sum.
    pub(super) fn gradient(self, target: &Target, sum: f64) -> (f64, f64) {
        match self {
            // On which side the truth lies is not known.
            Loss::Quantile(_) if target.at_least && sum >= target.value => (0.0, 0.0),
            Loss::Quantile(p) if sum < target.value => (-p, 1.0),
            Loss::Quantile(p) => (1.0 - p, 1.0),
            Loss::Logistic => {
                let p = 1.0 / (1.0 + (-sum).exp());
                (p - target.value, (p * (1.0 - p)).max(1e-6))
            }
        }
    }

    /// The best step of a leaf where it has a closed form of its own.
    pub(super) fn leaf(self, rows: &[u32], targets: &[Target], sums: &[f64]) -> Option<f64> {
        let Loss::Quantile(p) = self else { return None };
        let known = rows.iter().map(|row| (&targets[*row as usize], sums[*row as usize]));
        let known = known.filter(|(target, sum)| !target.at_least || *sum < target.value);
        Some(quantile(known.map(|(target, sum)| target.value - sum).collect(), p))
    }
}

/// The value at probability `p` of a sample; 0 of none.
fn quantile(mut sample: Vec<f64>, p: f64) -> f64 {
    if sample.is_empty() {
        return 0.0;
    }
    let at = ((sample.len() - 1) as f64 * p).round() as usize;
    *sample.select_nth_unstable_by(at, f64::total_cmp).1
}
