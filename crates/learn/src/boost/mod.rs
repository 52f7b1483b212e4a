//! Gradient-boosted trees on histograms (Friedman 2001; the growing by best leaf is LightGBM's, Ke 2017): many small
//! trees, each fitted to what those before it left over. Quantile loss for times and amounts, logistic loss for what
//! happens or does not. The same rows, parameters and seed give the same model everywhere.

mod bins;
mod loss;
mod tree;

use serde::{Deserialize, Serialize};

use bins::Binned;
pub use loss::Loss;
use tree::{Grower, Tree};

/// Rows of features of one width. NaN is a value that is not known.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    width: usize,
    cells: Vec<f32>,
}

impl Table {
    pub fn new(width: usize) -> Self {
        Table { width, cells: Vec::new() }
    }

    /// Adds a row, cut or filled with NaN to the table's width.
    pub fn push(&mut self, row: &[f32]) {
        self.cells.extend((0..self.width).map(|at| row.get(at).copied().unwrap_or(f32::NAN)));
    }

    pub fn rows(&self) -> usize {
        self.cells.len().checked_div(self.width).unwrap_or(0)
    }

    pub fn width(&self) -> usize {
        self.width
    }

    pub fn row(&self, at: usize) -> &[f32] {
        &self.cells[at * self.width..(at + 1) * self.width]
    }
}

/// What is to be foretold of one row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Target {
    pub value: f64,
    /// The true value is known to be at least `value`, not more. Only for quantile loss, which asks nothing but on
    /// which side of the prediction the truth lies (Powell 1986).
    pub at_least: bool,
    /// What is known beforehand, on the scale of the model's sum: the trees learn what to add to it.
    pub offset: f64,
}

/// How the trees are grown.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Params {
    pub trees: usize,
    /// Leaves of a tree at most.
    pub leaves: usize,
    /// Rows of a leaf at least.
    pub leaf_rows: usize,
    /// The part of each tree that is added, 0 to 1.
    pub rate: f64,
    /// Added to the weight of each leaf: shrinks those of few rows.
    pub ridge: f64,
    /// The share of rows, and of features, that a tree sees.
    pub row_share: f64,
    pub feature_share: f64,
    pub seed: u64,
}

impl Default for Params {
    fn default() -> Self {
        Params {
            trees: 200,
            leaves: 15,
            leaf_rows: 60,
            rate: 0.04,
            ridge: 5.0,
            row_share: 0.8,
            feature_share: 0.7,
            seed: 1,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BoostError {
    #[error("there are {rows} rows and {targets} targets; each row needs one")]
    Lengths { rows: usize, targets: usize },
    #[error("the target of row {0} is not a finite number")]
    NotANumber(usize),
    #[error("{0} is out of its range")]
    Param(&'static str),
}

/// A fitted model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Boosted {
    base: f64,
    trees: Vec<Tree>,
}

impl Boosted {
    /// Fits trees to the targets, telling `progress` how many stand. Without rows the model says 0 everywhere; with
    /// fewer than two leaves' worth it is a constant.
    pub fn fit(
        table: &Table,
        targets: &[Target],
        loss: Loss,
        params: &Params,
        progress: &mut dyn FnMut(usize, usize),
    ) -> Result<Boosted, BoostError> {
        check(table, targets, loss, params)?;
        let base = loss.base(targets);
        let mut model = Boosted { base, trees: Vec::new() };
        if table.rows() < 2 * params.leaf_rows.max(1) {
            return Ok(model);
        }
        let binned = Binned::of(table);
        let mut sums: Vec<f64> = targets.iter().map(|target| target.offset + base).collect();
        let mut gradients = vec![(0.0, 0.0); targets.len()];
        let mut draws = Draws(params.seed);
        for done in 0..params.trees {
            for ((slot, target), sum) in gradients.iter_mut().zip(targets).zip(&sums) {
                *slot = loss.gradient(target, *sum);
            }
            let rows: Vec<u32> =
                (0..table.rows() as u32).filter(|_| draws.chance(params.row_share)).collect();
            let mut features: Vec<usize> =
                (0..table.width()).filter(|_| draws.chance(params.feature_share)).collect();
            if features.is_empty() {
                features = (0..table.width()).collect();
            }
            let tree = Grower { binned: &binned, gradients: &gradients, features: &features, params }.grow(
                rows,
                |rows, gradient, weight| {
                    params.rate
                        * match loss.leaf(rows, targets, &sums) {
                            Some(step) => step,
                            None => -gradient / (weight + params.ridge),
                        }
                },
            );
            for (at, sum) in sums.iter_mut().enumerate() {
                *sum += tree.value(table.row(at));
            }
            model.trees.push(tree);
            progress(done + 1, params.trees);
        }
        Ok(model)
    }

    /// What is added to the row's offset: the quantile itself, or the log-odds.
    pub fn predict(&self, row: &[f32]) -> f64 {
        self.base + self.trees.iter().map(|tree| tree.value(row)).sum::<f64>()
    }

    pub fn trees(&self) -> usize {
        self.trees.len()
    }
}

fn check(table: &Table, targets: &[Target], loss: Loss, params: &Params) -> Result<(), BoostError> {
    if table.rows() != targets.len() {
        return Err(BoostError::Lengths { rows: table.rows(), targets: targets.len() });
    }
    if let Some(bad) = targets.iter().position(|t| !t.value.is_finite() || !t.offset.is_finite()) {
        return Err(BoostError::NotANumber(bad));
    }
    let shares = [params.rate, params.row_share, params.feature_share];
    if shares.iter().any(|share| !(*share > 0.0 && *share <= 1.0)) {
        return Err(BoostError::Param("a share or the rate"));
    }
    if params.ridge.is_nan() || params.ridge < 0.0 {
        return Err(BoostError::Param("the ridge"));
    }
    match loss {
        Loss::Quantile(p) if !(p > 0.0 && p < 1.0) => Err(BoostError::Param("the quantile's probability")),
        _ => Ok(()),
    }
}

/// SplitMix64 (Steele 2014).
struct Draws(u64);

impl Draws {
    /// Evenly from 0 up to 1.
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn chance(&mut self, share: f64) -> bool {
        self.uniform() < share
    }
}

#[cfg(test)]
mod tests;
