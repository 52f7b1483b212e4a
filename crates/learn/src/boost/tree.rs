//! One tree, grown leaf by leaf where the most is gained.

use serde::{Deserialize, Serialize};

use super::Params;
use super::bins::Binned;

/// Where a row goes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Node {
    Leaf(f64),
    /// Rows whose feature is at most the threshold, or unknown, go on at `low`, the others at `high`.
    Split {
        feature: u32,
        threshold: Threshold,
        low: u32,
        high: u32,
    },
}

/// JSON has no infinity; a threshold below all values sends only unknown ones low.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
enum Threshold {
    Unknown,
    At(f32),
}

impl Threshold {
    fn of(upper: f32) -> Self {
        if upper.is_finite() { Threshold::At(upper) } else { Threshold::Unknown }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Tree {
    nodes: Vec<Node>,
}

impl Tree {
    pub(super) fn value(&self, row: &[f32]) -> f64 {
        let mut at = 0;
        loop {
            match &self.nodes[at] {
                Node::Leaf(value) => return *value,
                Node::Split { feature, threshold, low, high, .. } => {
                    let value = row.get(*feature as usize).copied().unwrap_or(f32::NAN);
                    let is_low = match threshold {
                        Threshold::Unknown => value.is_nan(),
                        Threshold::At(threshold) => value.is_nan() || value <= *threshold,
                    };
                    at = if is_low { *low } else { *high } as usize;
                }
            }
        }
    }
}

/// Sums over the rows of one step of one feature.
#[derive(Clone, Copy, Default)]
struct Sums {
    gradient: f64,
    weight: f64,
    rows: u32,
}

impl Sums {
    fn add(&mut self, gradient: f64, weight: f64) {
        self.gradient += gradient;
        self.weight += weight;
        self.rows += 1;
    }

    fn plus(self, other: Sums) -> Sums {
        Sums {
            gradient: self.gradient + other.gradient,
            weight: self.weight + other.weight,
            rows: self.rows + other.rows,
        }
    }

    fn minus(self, other: Sums) -> Sums {
        Sums {
            gradient: self.gradient - other.gradient,
            weight: self.weight - other.weight,
            rows: self.rows - other.rows,
        }
    }

    fn score(self, ridge: f64) -> f64 {
        // A leaf whose rows say nothing has no weight.
        if self.weight + ridge > 0.0 { self.gradient * self.gradient / (self.weight + ridge) } else { 0.0 }
    }
}

struct Split {
    gain: f64,
    feature: usize,
    step: usize,
}

/// A leaf that may be split.
struct Open {
    node: usize,
    rows: Vec<u32>,
    /// For each of the tree's features its steps.
    histogram: Vec<Vec<Sums>>,
    total: Sums,
    best: Option<Split>,
}

pub(super) struct Grower<'a> {
    pub(super) binned: &'a Binned,
    pub(super) gradients: &'a [(f64, f64)],
    pub(super) features: &'a [usize],
    pub(super) params: &'a Params,
}

impl Grower<'_> {
    /// Grows a tree over some rows; `leaf` says what a leaf adds from its rows and their sums.
    pub(super) fn grow(self, rows: Vec<u32>, leaf: impl Fn(&[u32], f64, f64) -> f64) -> Tree {
        let mut nodes = vec![Node::Leaf(0.0)];
        let histogram = self.histogram(&rows);
        let mut open = vec![self.open(0, rows, histogram)];
        while open.len() < self.params.leaves {
            let gains = open.iter().enumerate().filter_map(|(at, leaf)| Some((at, leaf.best.as_ref()?.gain)));
            let Some((at, _)) = gains.max_by(|a, b| a.1.total_cmp(&b.1).then(b.0.cmp(&a.0))) else { break };
            let parent = open.swap_remove(at);
            let Some(split) = parent.best else { break };
            let column = &self.binned.columns[split.feature];
            let (low, high): (Vec<u32>, Vec<u32>) =
                parent.rows.iter().partition(|row| usize::from(column[**row as usize]) <= split.step);
            // The larger side's sums are what the smaller side's leave of the whole.
            let of_smaller = self.histogram(if low.len() < high.len() { &low } else { &high });
            let of_larger: Vec<Vec<Sums>> = parent
                .histogram
                .iter()
                .zip(&of_smaller)
                .map(|(all, some)| all.iter().zip(some).map(|(a, b)| a.minus(*b)).collect())
                .collect();
            let (of_low, of_high) =
                if low.len() < high.len() { (of_smaller, of_larger) } else { (of_larger, of_smaller) };
            let first = nodes.len();
            nodes.extend([Node::Leaf(0.0), Node::Leaf(0.0)]);
            nodes[parent.node] = Node::Split {
                feature: split.feature as u32,
                threshold: Threshold::of(self.binned.upper(split.feature, split.step)),
                low: first as u32,
                high: first as u32 + 1,
            };
            open.push(self.open(first, low, of_low));
            open.push(self.open(first + 1, high, of_high));
        }
        for Open { node, rows, total, .. } in open {
            nodes[node] = Node::Leaf(leaf(&rows, total.gradient, total.weight));
        }
        Tree { nodes }
    }

    fn histogram(&self, rows: &[u32]) -> Vec<Vec<Sums>> {
        let one = |feature: &usize| {
            let column = &self.binned.columns[*feature];
            let mut steps = vec![Sums::default(); self.binned.steps(*feature)];
            for row in rows {
                let (gradient, weight) = self.gradients[*row as usize];
                steps[usize::from(column[*row as usize])].add(gradient, weight);
            }
            steps
        };
        self.features.iter().map(one).collect()
    }

    fn open(&self, node: usize, rows: Vec<u32>, histogram: Vec<Vec<Sums>>) -> Open {
        let mut total = Sums::default();
        for row in &rows {
            let (gradient, weight) = self.gradients[*row as usize];
            total.add(gradient, weight);
        }
        let mut best: Option<Split> = None;
        let least = self.params.leaf_rows.max(1) as u32;
        for (feature, steps) in self.features.iter().zip(&histogram) {
            let mut low = Sums::default();
            for (step, sums) in steps.iter().enumerate().take(steps.len() - 1) {
                low = low.plus(*sums);
                if low.rows < least {
                    continue;
                }
                if total.rows - low.rows < least {
                    break;
                }
                let ridge = self.params.ridge;
                let gain = low.score(ridge) + total.minus(low).score(ridge) - total.score(ridge);
                if gain > 1e-9 && best.as_ref().is_none_or(|best| gain > best.gain) {
                    best = Some(Split { gain, feature: *feature, step });
                }
            }
        }
        Open { node, rows, histogram, total, best }
    }
}
