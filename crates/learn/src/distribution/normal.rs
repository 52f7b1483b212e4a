//! The normal distribution.

use std::f64::consts::{PI, SQRT_2};

use super::{DistributionError, not_negative};

/// Normal with a mean and a standard deviation that may be 0.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Normal {
    mean: f64,
    sd: f64,
}

impl Normal {
    pub fn new(mean: f64, sd: f64) -> Result<Self, DistributionError> {
        Ok(Normal { mean: not_negative("mean", mean)?, sd: not_negative("standard deviation", sd)? })
    }

    pub fn mean(&self) -> f64 {
        self.mean
    }

    pub fn sd(&self) -> f64 {
        self.sd
    }

    pub(super) fn cdf(&self, x: f64) -> f64 {
        if self.sd == 0.0 {
            return if x >= self.mean { 1.0 } else { 0.0 };
        }
        cdf((x - self.mean) / self.sd)
    }

    pub(super) fn quantile(&self, p: f64) -> f64 {
        self.mean + self.sd * quantile(p)
    }

    /// σ·(φ(z) − z·(1 − Φ(z))).
    pub(super) fn loss(&self, x: f64) -> f64 {
        let z = (x - self.mean) / self.sd;
        // Forty deviations out, also where the deviation is 0, nothing is left of the curve.
        if self.sd == 0.0 || z.abs() > 40.0 {
            return (self.mean - x).max(0.0);
        }
        (self.sd * (density(z) - z * cdf(-z))).max(0.0)
    }
}

/// The standard normal density φ(z).
pub fn density(z: f64) -> f64 {
    (-0.5 * z * z).exp() / (2.0 * PI).sqrt()
}

/// The standard normal distribution function Φ(z).
pub fn cdf(z: f64) -> f64 {
    0.5 * libm::erfc(-z / SQRT_2)
}

/// The z with Φ(z) = p, for 0 < p < 1: Acklam's rational approximation, made exact to rounding by two steps of
/// Halley's method on the tail in which p lies.
pub fn quantile(p: f64) -> f64 {
    debug_assert!(p > 0.0 && p < 1.0, "{p}");
    if p > 0.5 {
        return -lower(1.0 - p);
    }
    lower(p)
}

fn lower(p: f64) -> f64 {
    const A: [f64; 6] = [
        -3.969_683_028_665_376e1,
        2.209_460_984_245_205e2,
        -2.759_285_104_469_687e2,
        1.383_577_518_672_69e2,
        -3.066_479_806_614_716e1,
        2.506_628_277_459_239,
    ];
    const B: [f64; 6] = [
        -5.447_609_879_822_406e1,
        1.615_858_368_580_409e2,
        -1.556_989_798_598_866e2,
        6.680_131_188_771_972e1,
        -1.328_068_155_288_572e1,
        1.0,
    ];
    const C: [f64; 6] = [
        -7.784_894_002_430_293e-3,
        -3.223_964_580_411_365e-1,
        -2.400_758_277_161_838,
        -2.549_732_539_343_734,
        4.374_664_141_464_968,
        2.938_163_982_698_783,
    ];
    const D: [f64; 5] = [
        7.784_695_709_041_462e-3,
        3.224_671_290_700_398e-1,
        2.445_134_137_142_996,
        3.754_408_661_907_416,
        1.0,
    ];
    let horner = |coefficients: &[f64], x: f64| coefficients.iter().fold(0.0, |sum, c| sum * x + c);
    let mut z = if p < 0.02425 {
        let q = (-2.0 * p.ln()).sqrt();
        horner(&C, q) / horner(&D, q)
    } else {
        let q = p - 0.5;
        q * horner(&A, q * q) / horner(&B, q * q)
    };
    for _ in 0..2 {
        // Divided by the density, which underflows only where p does.
        let step = (cdf(z) - p) / density(z);
        if !step.is_finite() {
            break;
        }
        z -= step / (1.0 + 0.5 * z * step);
    }
    z
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_the_tables() {
        // scipy.stats.norm.ppf.
        let known = [
            (0.5, 0.0),
            (0.8, 0.841_621_233_572_914_3),
            (0.95, 1.644_853_626_951_472_2),
            (0.975, 1.959_963_984_540_054),
            (0.999, 3.090_232_306_167_813),
            (1e-10, -6.361_340_902_404_056),
        ];
        for (p, z) in known {
            assert!((quantile(p) - z).abs() < 1e-13 * (1.0 + z.abs()), "{p}: {} {z}", quantile(p));
        }
        for k in 1..2000 {
            let p = f64::from(k) / 2000.0;
            assert!((cdf(quantile(p)) - p).abs() < 1e-15, "{p}");
        }
        assert!(quantile(f64::MIN_POSITIVE).is_finite() && quantile(1.0 - f64::EPSILON).is_finite());
    }

    #[test]
    fn without_deviation_it_is_certain() {
        let certain = Normal::new(5.0, 0.0).unwrap();
        assert_eq!((certain.cdf(4.9), certain.cdf(5.0), certain.quantile(0.3)), (0.0, 1.0, 5.0));
        assert_eq!((certain.loss(3.0), certain.loss(5.0), certain.loss(7.0)), (2.0, 0.0, 0.0));
        let nearly = Normal::new(5.0, 1e-320).unwrap();
        assert_eq!((nearly.loss(3.0), nearly.loss(5.0), nearly.loss(7.0)), (2.0, nearly.loss(5.0), 0.0));
        for (mean, sd) in [(-1.0, 1.0), (1.0, -1.0), (f64::NAN, 1.0), (1.0, f64::INFINITY)] {
            assert!(matches!(Normal::new(mean, sd), Err(DistributionError::Negative { .. })));
        }
    }
}
