//! Luck that is cut into streams, so that one decision never shifts another: two runs of one seed can be compared
//! order by order, whatever was done in them.

use std::ops::Range;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// A stream of random numbers.
pub(crate) struct Dice(StdRng);

impl Dice {
    /// The stream for the `turn`th time that `subject` needs luck.
    pub(crate) fn new(seed: u64, stream: impl Into<u64>, subject: usize, turn: usize) -> Self {
        let mut key = [0; 32];
        let parts = [seed, stream.into(), subject as u64, turn as u64];
        for (bytes, part) in key.chunks_exact_mut(8).zip(parts) {
            bytes.copy_from_slice(&part.to_le_bytes());
        }
        Self(StdRng::from_seed(key))
    }

    /// Uniform in 0..1.
    pub(crate) fn unit(&mut self) -> f64 {
        self.0.random()
    }

    /// True with the given probability.
    pub(crate) fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// A whole number, uniform in a range that is not empty.
    pub(crate) fn between(&mut self, range: Range<i64>) -> i64 {
        self.0.random_range(range)
    }

    /// Nearly standard normal: the sum of twelve uniforms. It has no extreme tails (none beyond six) and is
    /// the same on every platform, since it only adds.
    pub(crate) fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.unit()).sum::<f64>() - 6.0
    }

    /// How often something happens that is expected `mean` times, by multiplying uniforms (Knuth); for means up to
    /// some dozens.
    pub(crate) fn poisson(&mut self, mean: f64) -> u32 {
        let (least, mut product, mut count) = ((-mean).exp(), self.unit(), 0);
        while product > least {
            product *= self.unit();
            count += 1;
        }
        count
    }

    /// An index into `weights`, drawn in proportion to them.
    pub(crate) fn weighted(&mut self, weights: impl Iterator<Item = f64> + Clone) -> usize {
        let mut left = self.unit() * weights.clone().sum::<f64>();
        let mut last = 0;
        for (index, weight) in weights.enumerate() {
            last = index;
            left -= weight;
            if left < 0.0 {
                break;
            }
        }
        last
    }
}
