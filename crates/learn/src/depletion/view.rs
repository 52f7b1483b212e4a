//! What is believed of one device if its usage is of one kind.

use serde::{Deserialize, Serialize};

use super::prior::{Kind, Pace};
use super::special::ln_gamma;

/// Halvings in the search for the likeliest rate, and how far from the one before it is sought (a logarithm).
const HALVINGS: usize = 30;
const FAR: f64 = 12.0;
/// How far from the population's any rate may be (a logarithm).
const FURTHEST: f64 = 40.0;
/// How far the rate may move, in standard deviations of its logarithm, before a reading is weighed anew.
const NEAR: f64 = 0.4;
/// The part of a gamma variable's excess kurtosis that tails are given: with all of it single bursts would hide how
/// uneven use is, with none of it they would pass for a changed rate. Chosen on simulated homes.
const TAILS: f64 = 0.1;

/// A belief: the reciprocal of the rate is a gamma variable, and the level is normal given the rate, with a mean that
/// is linear in it.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub(super) struct View {
    /// The logarithm of this kind's probability, up to a constant that all kinds share.
    pub(super) weight: f64,
    /// Level per day: 1 / rate has the mean 1 / `rate`, and as a gamma variable this shape.
    pub(super) rate: f64,
    pub(super) shape: f64,
    /// The level's mean at that rate, what it gains for each unit of the rate (never more than 0), and its variance
    /// around that line.
    pub(super) level: f64,
    pub(super) slope: f64,
    pub(super) level_var: f64,
}

/// A reading as it is taken if the rate were known: what level it tells, and the variance of that.
#[derive(Clone, Copy, Debug)]
pub(super) struct Told {
    pub(super) level: f64,
    pub(super) var: f64,
}

impl View {
    /// Anew at a level, with what is known of the rate kept.
    pub(super) fn anchor(&mut self, level: f64, var: f64) {
        (self.level, self.slope, self.level_var) = (level, 0.0, var);
    }

    /// The shape that is left after ln(rate) has wandered by a variance of `by`, but never below `least`, that of the
    /// population.
    pub(super) fn shape_after(&self, by: f64, least: f64) -> f64 {
        (1.0 / (1.0 / self.shape + by)).max(least.min(self.shape))
    }

    /// The rate wanders; what the level said of it fades.
    pub(super) fn wander(&mut self, by: f64, least: f64) {
        let shape = self.shape_after(by, least);
        let kept = shape / self.shape;
        self.level_var += (self.slope * self.rate).powi(2) / self.shape * (1.0 - kept);
        self.slope *= kept;
        self.shape = shape;
    }

    /// `days` of use and then a reading. Returns the logarithm of the reading's density.
    ///
    /// Given the rate, the level falls by rate · days with the variance rate² · burst · days. So the reading is one of
    /// the rate: what has been used in as many days as the level's mean depends on the rate for. The new rate is the
    /// likeliest one, and the shape grows by the reading's Fisher information on ln(rate) there. Where the level is
    /// known exactly this is the conjugate update of a gamma process by use (van Noortwijk 2009, 4.3); where use is
    /// even it is a Kalman filter's.
    pub(super) fn update(
        &mut self,
        kind: &Kind,
        typical: &Pace,
        days: f64,
        told: impl Fn(f64) -> Told,
    ) -> f64 {
        let least = typical.shape;
        // Over the interval the rate's mean has a third of the variance that it ends with.
        self.wander(kind.drift * days / 3.0, least);
        let spread = |rate: f64| self.level_var + kind.burst * rate * rate * days + told(rate).var;
        let over = days - self.slope;
        let used = |rate: f64| self.level - self.slope * self.rate - told(rate).level;
        // A reading's weight must not depend on what it says, or high ones would count for more; only a rate that is
        // far off is taken for the wrong one to weigh at.
        let near = NEAR / self.shape.sqrt();
        let weight = |moved: f64| {
            let at = self.rate * (moved - moved.clamp(-near, near)).exp();
            at * at * over / spread(at)
        };
        let excess = |moved: f64| {
            let rate = self.rate * moved.exp();
            self.shape * (rate - self.rate) + weight(moved) * (rate * over - used(rate))
        };
        // Whatever comes, it stays a number.
        let off = (self.rate / typical.typical).ln();
        let (mut low, mut high) = (f64::max(-FAR, -FURTHEST - off), f64::min(FAR, FURTHEST - off));
        for _ in 0..HALVINGS {
            let middle = 0.5 * (low + high);
            if excess(middle) < 0.0 { low = middle } else { high = middle }
        }
        let moved = 0.5 * (low + high);
        let rate = self.rate * moved.exp();
        let shape = self.shape + weight(moved) * over;
        let (spread, told) = (spread(rate), told(rate));
        let expected = self.level + self.slope * (rate - self.rate) - rate * days;
        let miss = told.level - expected;
        // Of gamma use of a small shape the tails are heavy: its excess kurtosis is 6 / shape.
        let kurtosis = TAILS * 6.0 * kind.burst * days * (kind.burst * rate * rate / spread).powi(2);
        // Laplace's approximation of the integral over ln(rate).
        let evidence = log_gamma_density(self.shape, moved)
            + log_heavy(miss, spread, kurtosis)
            + 0.5 * (std::f64::consts::TAU / shape).ln();
        let kept = told.var / spread;
        self.level = expected + (1.0 - kept) * miss;
        self.level_var = kept * (spread - told.var);
        self.slope = kept * (self.slope - days);
        (self.rate, self.shape) = (rate, shape);
        self.wander(kind.drift * days * 2.0 / 3.0, least);
        evidence
    }

    /// `days` of use and then a reading that tells the level and nothing of the rate: where nothing is left, nothing
    /// is used. Returns the logarithm of the reading's density.
    pub(super) fn update_level(&mut self, kind: &Kind, least: f64, days: f64, told: Told) -> f64 {
        let level = (self.level - self.rate * days).max(f64::min(self.level, 0.0));
        let var = self.level_var
            + (self.slope * self.rate).powi(2) / self.shape
            + kind.burst * self.rate * self.rate * days;
        let kept = told.var / (var + told.var);
        let evidence = log_normal(told.level - level, var + told.var);
        self.anchor(level + (1.0 - kept) * (told.level - level), kept * var);
        self.wander(kind.drift * days, least);
        evidence
    }
}

/// The logarithm of the density of ln(rate), `off` from its mode, where 1 / rate is a gamma variable of `shape`.
fn log_gamma_density(shape: f64, off: f64) -> f64 {
    shape * shape.ln() - ln_gamma(shape) - shape * (off + (-off).exp())
}

/// The logarithm of the normal density.
pub(super) fn log_normal(miss: f64, var: f64) -> f64 {
    -0.5 * (miss * miss / var + (std::f64::consts::TAU * var).ln())
}

/// The logarithm of the density of Student's distribution that has this variance and excess kurtosis.
fn log_heavy(miss: f64, var: f64, kurtosis: f64) -> f64 {
    if kurtosis < 0.05 {
        return log_normal(miss, var);
    }
    let nu = 4.0 + 6.0 / kurtosis;
    let spread = var * (nu - 2.0);
    ln_gamma(0.5 * (nu + 1.0))
        - ln_gamma(0.5 * nu)
        - 0.5 * (std::f64::consts::PI * spread).ln()
        - 0.5 * (nu + 1.0) * (miss * miss / spread).ln_1p()
}
