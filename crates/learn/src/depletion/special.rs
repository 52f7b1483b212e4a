//! The incomplete gamma and beta functions.

/// How near a series or a continued fraction has come when its last factor is this near to 1.
const NEAR: f64 = 1e-13;
/// Instead of 0 in a denominator (Lentz's algorithm).
const TINY: f64 = 1e-300;
/// Terms at most; both expansions take about five times the root of their largest argument.
const MOST: usize = 20_000;
/// From this shape on the uniform asymptotic expansion is good to 10⁻⁷.
const LARGE: f64 = 400.0;

/// ln Γ(x), x > 0.
pub(super) fn ln_gamma(x: f64) -> f64 {
    libm::lgamma(x)
}

/// ψ(x), the derivative of ln Γ, for x > 0: recurrence and asymptotic series (DLMF 5.5.2, 5.11.2).
pub(super) fn digamma(x: f64) -> f64 {
    let (mut x, mut sum) = (x, 0.0);
    while x < 8.0 {
        sum -= 1.0 / x;
        x += 1.0;
    }
    let y = 1.0 / (x * x);
    sum + x.ln() - 0.5 / x - y * (1.0 / 12.0 - y * (1.0 / 120.0 - y * (1.0 / 252.0 - y / 240.0)))
}

/// P(G ≥ `x`) of a gamma variable with `shape` ≥ 0 and scale 1; `ln_gamma` is that of the shape, which many calls
/// share. A shape of 0 is certainly 0.
///
/// Series and continued fraction as in Press et al., Numerical Recipes (2007), 6.2; for large shapes the first terms
/// of Temme's uniform expansion (DLMF 8.12).
pub(super) fn gamma_above(shape: f64, x: f64, ln_gamma: f64) -> f64 {
    if x <= 0.0 {
        return 1.0;
    }
    // Nine deviations out nothing is left, by the Chernoff bound exp(−shape·(λ − 1 − ln λ)).
    let lambda = x / shape;
    let far = shape * (lambda - 1.0 - lambda.ln());
    if shape <= 0.0 || far > 60.0 || !far.is_finite() {
        return if x >= shape { 0.0 } else { 1.0 };
    }
    if shape > LARGE {
        let mu = lambda - 1.0;
        // With λ − 1 − ln λ = η²/2; near 1 the difference of reciprocals has the limit −1/3.
        let eta = (2.0 * far / shape).sqrt().copysign(mu);
        let c0 = if mu.abs() < 1e-3 { -1.0 / 3.0 + mu / 12.0 } else { 1.0 / mu - 1.0 / eta };
        let tail = 0.5 * libm::erfc(eta * (0.5 * shape).sqrt());
        return (tail + (-far).exp() / (std::f64::consts::TAU * shape).sqrt() * c0).clamp(0.0, 1.0);
    }
    let front = (shape * x.ln() - x - ln_gamma).exp();
    if x < shape + 1.0 {
        let (mut term, mut sum, mut n) = (1.0 / shape, 1.0 / shape, shape);
        for _ in 0..MOST {
            n += 1.0;
            term *= x / n;
            sum += term;
            if term < sum * NEAR {
                break;
            }
        }
        return (1.0 - front * sum).clamp(0.0, 1.0);
    }
    let mut b = x + 1.0 - shape;
    let mut c = 1.0 / TINY;
    let mut d = 1.0 / b;
    let mut fraction = d;
    for i in 1..MOST {
        let i = i as f64;
        let a = -i * (i - shape);
        b += 2.0;
        d = 1.0 / away_from_0(a * d + b);
        c = away_from_0(b + a / c);
        fraction *= d * c;
        if (d * c - 1.0).abs() < NEAR {
            break;
        }
    }
    (front * fraction).clamp(0.0, 1.0)
}

/// The regularised incomplete beta function I_x(a, b), 0 ≤ x ≤ 1, a, b > 0: P(B ≤ `x`) of a beta variable. `y` is
/// 1 − x, handed in for what x near 1 would lose. Continued fraction as in Numerical Recipes (2007), 6.4.
pub(super) fn beta_below(a: f64, b: f64, x: f64, y: f64) -> f64 {
    if x <= 0.0 {
        return 0.0;
    }
    if y <= 0.0 {
        return 1.0;
    }
    let front = (a * x.ln() + b * y.ln() - ln_beta(a, b)).exp();
    let result = if x < (a + 1.0) / (a + b + 2.0) {
        front * beta_fraction(a, b, x) / a
    } else {
        1.0 - front * beta_fraction(b, a, y) / b
    };
    result.clamp(0.0, 1.0)
}

/// ln B(a, b).
pub(super) fn ln_beta(a: f64, b: f64) -> f64 {
    ln_gamma(a) + ln_gamma(b) - ln_gamma(a + b)
}

fn beta_fraction(a: f64, b: f64, x: f64) -> f64 {
    let mut c = 1.0;
    let mut d = 1.0 / away_from_0(1.0 - (a + b) * x / (a + 1.0));
    let mut fraction = d;
    for m in 1..MOST {
        let m = m as f64;
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        d = 1.0 / away_from_0(1.0 + even * d);
        c = away_from_0(1.0 + even / c);
        fraction *= d * c;
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        d = 1.0 / away_from_0(1.0 + odd * d);
        c = away_from_0(1.0 + odd / c);
        fraction *= d * c;
        if (d * c - 1.0).abs() < NEAR {
            break;
        }
    }
    fraction
}

fn away_from_0(x: f64) -> f64 {
    if x.abs() < TINY { TINY } else { x }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn above(shape: f64, x: f64) -> f64 {
        gamma_above(shape, x, ln_gamma(shape))
    }

    #[test]
    fn gamma_tails_of_whole_shapes_are_poisson_sums() {
        for shape in [1_u32, 2, 5, 40, 399, 401, 900] {
            for share in [0.1, 0.7, 0.97, 1.0, 1.000_5, 1.1, 1.5, 3.0] {
                let x = f64::from(shape) * share;
                // P(G ≥ x) = P(fewer than `shape` Poisson events by x).
                let known: f64 =
                    (0..shape).map(f64::from).map(|k| (k * x.ln() - x - ln_gamma(k + 1.0)).exp()).sum();
                let found = above(f64::from(shape), x);
                assert!((found - known).abs() < 2e-7, "{shape} {share}: {found} {known}");
            }
        }
    }

    #[test]
    fn gamma_of_a_half_is_the_error_function() {
        for x in [1e-6, 0.01, 0.3, 1.0, 2.5, 9.0, 40.0] {
            assert!((above(0.5, x) - libm::erfc(f64::sqrt(x))).abs() < 1e-12, "{x}");
        }
        assert_eq!((above(0.0, 1.0), above(3.0, 0.0)), (0.0, 1.0));
        assert!(above(1e-9, 50.0) < 1e-30);
        assert_eq!((above(1e6, 2e6), above(1e6, 5e5)), (0.0, 1.0));
    }

    #[test]
    fn digamma_is_that_of_the_tables() {
        // −γ, −γ − 2 ln 2 and ψ(10).
        for (x, known) in
            [(1.0, -0.577_215_664_901_532_9), (0.5, -1.963_510_026_021_423_5), (10.0, 2.251_752_589_066_721)]
        {
            assert!((digamma(x) - known).abs() < 1e-11, "{x}");
        }
    }

    #[test]
    fn beta_of_whole_arguments_is_a_binomial_sum() {
        for (a, b) in [(1_u32, 1_u32), (2, 3), (7, 2), (30, 55), (400, 300)] {
            for x in [0.01, 0.2, 0.5, 0.57, 0.9, 0.999] {
                let n = a + b - 1;
                let known: f64 = (a..=n)
                    .map(f64::from)
                    .map(|k| {
                        let rest = f64::from(n) - k;
                        let ways = ln_gamma(f64::from(n) + 1.0) - ln_gamma(k + 1.0) - ln_gamma(rest + 1.0);
                        (ways + k * f64::ln(x) + rest * f64::ln(1.0 - x)).exp()
                    })
                    .sum();
                let found = beta_below(f64::from(a), f64::from(b), x, 1.0 - x);
                assert!((found - known).abs() < 1e-10, "{a} {b} {x}: {found} {known}");
            }
        }
        assert_eq!((beta_below(2.0, 3.0, 0.0, 1.0), beta_below(2.0, 3.0, 1.0, 0.0)), (0.0, 1.0));
    }
}
