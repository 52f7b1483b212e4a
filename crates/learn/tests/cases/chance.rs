//! Chance from a seed, for simulations.

/// xorshift64.
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        let mut chance = Chance(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        (0..8).for_each(|_| _ = chance.even());
        chance
    }

    /// Between 0 and 1, without 1.
    pub(crate) fn even(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Exponential with mean 1.
    pub(crate) fn waiting(&mut self) -> f64 {
        -(1.0 - self.even()).ln()
    }

    /// Standard normal.
    pub(crate) fn normal(&mut self) -> f64 {
        (2.0 * self.waiting()).sqrt() * (std::f64::consts::TAU * self.even()).cos()
    }

    pub(crate) fn poisson(&mut self, mean: f64) -> f64 {
        let (mut time, mut count) = (self.waiting(), 0.0);
        while time < mean {
            time += self.waiting();
            count += 1.0;
        }
        count
    }
}
