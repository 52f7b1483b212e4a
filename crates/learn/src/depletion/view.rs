//! What is believed of one device if its usage is of one kind.

use serde::{Deserialize, Serialize};

use super::prior::Kind;

/// Values of the logarithm of the rate that are tried in one update.
const NODES: usize = 25;
/// Passes, each over a narrower or shifted range, until enough values matter.
const PASSES: usize = 6;
/// How many values must matter, and how much less than the likeliest one still matters (in logarithms).
const ENOUGH: usize = 8;
const MATTERS: f64 = 12.0;

/// A belief: ln(rate) is normal, and the level is normal given the rate, with a mean that is linear in ln(rate).
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub(super) struct View {
    /// The logarithm of this kind's probability, up to a constant that all kinds share.
    pub(super) weight: f64,
    /// Mean and variance of ln(level per day).
    pub(super) rate: f64,
    pub(super) rate_var: f64,
    /// The level's mean where ln(rate) is at its mean, what it gains for each unit of ln(rate), and its variance
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

    /// The rate wanders by a variance of `by`, up to a variance of `most`; what the level said of it fades.
    pub(super) fn wander(&mut self, by: f64, most: f64) {
        let wider = (self.rate_var + by).min(most.max(self.rate_var));
        let kept = self.rate_var / wider;
        self.level_var += self.slope * self.slope * self.rate_var * (1.0 - kept);
        self.slope *= kept;
        self.rate_var = wider;
    }

    /// The likeliest rate, level per day.
    pub(super) fn usual_rate(&self) -> f64 {
        self.rate.exp()
    }

    /// `days` of use and then a reading: Bayes' rule by quadrature over ln(rate), given which all is normal (a Kalman
    /// update), and back to the form of a belief by its moments. Returns the logarithm of the reading's density.
    pub(super) fn update(&mut self, kind: &Kind, most: f64, days: f64, told: impl Fn(f64) -> Told) -> f64 {
        // Over the interval the rate's mean has a third of the variance that it ends with.
        self.wander(kind.drift * days / 3.0, most);
        let sd = self.rate_var.sqrt();
        let (mut low, mut high) = (self.rate - 5.0 * sd, self.rate + 5.0 * sd);
        let mut nodes = [Node::default(); NODES];
        let mut best = f64::NEG_INFINITY;
        for pass in 0..PASSES {
            let gap = (high - low) / (NODES - 1) as f64;
            best = f64::NEG_INFINITY;
            for (i, node) in nodes.iter_mut().enumerate() {
                *node = self.node(kind, days, low + gap * i as f64, &told);
                best = best.max(node.density);
            }
            let matters = |node: &Node| node.density > best - MATTERS;
            let first = nodes.iter().position(matters).unwrap_or(0);
            let last = nodes.iter().rposition(matters).unwrap_or(NODES - 1);
            let at_end = nodes[0].density == best || nodes[NODES - 1].density == best;
            if pass + 1 == PASSES || (last - first + 1 >= ENOUGH && !at_end) {
                break;
            }
            // A range that ends where it is likeliest is moved, another is narrowed to what matters.
            (low, high) = match at_end {
                true if nodes[0].density == best => (low - 0.8 * (high - low), low + 2.0 * gap),
                true => (high - 2.0 * gap, high + 0.8 * (high - low)),
                false => (low + gap * (first as f64 - 1.0), low + gap * (last as f64 + 1.0)),
            };
        }
        let weights = nodes.map(|node| (node.density - best).exp());
        let gap = nodes[1].rate - nodes[0].rate;
        self.take(&nodes, &weights, gap);
        self.wander(kind.drift * days * 2.0 / 3.0, most);
        best + (weights.iter().sum::<f64>() * gap).ln()
    }

    fn node(&self, kind: &Kind, days: f64, rate: f64, told: &impl Fn(f64) -> Told) -> Node {
        let per_day = rate.exp();
        let off = rate - self.rate;
        // Nobody uses more than there is.
        let level = (self.level + self.slope * off - per_day * days).max(f64::min(self.level, 0.0));
        let var = self.level_var + kind.burst * per_day * per_day * days;
        let told = told(per_day);
        let (miss, spread) = (told.level - level, var + told.var);
        let gain = var / spread;
        let log_normal = |square: f64, var: f64| -0.5 * (square / var + (std::f64::consts::TAU * var).ln());
        Node {
            rate,
            density: log_normal(off * off, self.rate_var) + log_normal(miss * miss, spread),
            level: level + gain * miss,
            var: var * (1.0 - gain),
        }
    }

    /// The belief with the moments of weighted nodes, which stand `gap` apart.
    fn take(&mut self, nodes: &[Node; NODES], weights: &[f64; NODES], gap: f64) {
        let all: f64 = weights.iter().sum();
        let mean = |of: &dyn Fn(&Node) -> f64| {
            nodes.iter().zip(weights).map(|(node, weight)| weight * of(node)).sum::<f64>() / all
        };
        let (rate, level) = (mean(&|node| node.rate), mean(&|node| node.level));
        self.rate = rate;
        // Never surer than the nodes can tell.
        self.rate_var = mean(&|node| (node.rate - rate).powi(2)).max(0.01 * gap * gap);
        self.slope = mean(&|node| (node.rate - rate) * (node.level - level)) / self.rate_var;
        self.level = level;
        let all_var = mean(&|node| (node.level - level).powi(2) + node.var);
        let around = all_var - self.slope * self.slope * self.rate_var;
        self.level_var = around.max(1e-6 * all_var).max(f64::MIN_POSITIVE);
    }

    /// `days` of use and then a reading near empty, which tells the level and nothing of the rate: where nothing is
    /// left, nothing is used.
    pub(super) fn update_level(&mut self, kind: &Kind, most: f64, days: f64, told: Told) {
        let per_day = self.usual_rate();
        let level = (self.level - per_day * days).max(f64::min(self.level, 0.0));
        let var =
            self.level_var + self.slope * self.slope * self.rate_var + kind.burst * per_day * per_day * days;
        let gain = var / (var + told.var);
        self.anchor(level + gain * (told.level - level), (var * (1.0 - gain)).max(f64::MIN_POSITIVE));
        self.wander(kind.drift * days, most);
    }
}

/// A rate that is tried: its posterior density (a logarithm, not normalised), and the level given it.
#[derive(Clone, Copy, Default)]
struct Node {
    rate: f64,
    density: f64,
    level: f64,
    var: f64,
}
