//! When it runs empty, as a distribution.

use crate::Quantiles;

/// Points in which a distribution is told, and how much of it may lie outside them on either side.
const POINTS: usize = 48;
const OUTSIDE: f64 = 0.002;
/// Doublings and halvings at most on the way to where the points begin and end.
const STEPS: usize = 120;

/// When something runs empty, and how fast it is used.
#[derive(Clone, PartialEq, Debug)]
pub struct Forecast {
    /// Days from now until it is empty; 0 where it is empty already. Known up to about 0.998.
    pub days: Quantiles,
    /// What is used per day (levels of a device, units bought): the value below which it lies with probability 0.1,
    /// 0.5 and 0.9.
    pub rate: [f64; 3],
}

impl Forecast {
    /// Days from now within which it is empty with probability `p`. Beyond what is known the highest that is.
    pub fn quantile(&self, p: f64) -> f64 {
        self.days.quantile(p)
    }

    /// The number of days that is as likely too long as too short.
    pub fn median(&self) -> f64 {
        self.quantile(0.5)
    }

    /// Days from now, on average; without the last 0.2 %, which has no mean where the rate is uncertain.
    pub fn mean(&self) -> f64 {
        self.days.mean()
    }

    /// The probability that it is empty within `days` from now.
    pub fn probability_within(&self, days: f64) -> f64 {
        self.days.cdf(days)
    }
}

/// A distribution of days from its distribution function, which is sought around `about` days.
pub(super) fn days(about: f64, within: impl Fn(f64) -> f64) -> Quantiles {
    let now = within(0.0).clamp(0.0, 1.0);
    let mut points = Vec::with_capacity(POINTS + 1);
    if now > OUTSIDE {
        points.push((now, 0.0));
    }
    if now < 1.0 - OUTSIDE {
        let seek = |from: f64, factor: f64, done: &dyn Fn(f64) -> bool| {
            let mut at = from;
            for _ in 0..STEPS {
                if done(at) {
                    break;
                }
                at *= factor;
            }
            at
        };
        let middle = 0.5 * (1.0 + now);
        let about = seek(about.clamp(1e-9, 1e12), 2.0, &|at| within(at) >= middle || at > 1e15);
        let about = seek(about, 0.5, &|at| within(at) <= middle || at < 1e-9);
        let first = seek(about, 0.7, &|at| within(at) <= now + OUTSIDE || at < 1e-9);
        let last = seek(about, 1.4, &|at| within(at) >= 1.0 - OUTSIDE || at > 1e15);
        let ratio = (last / first).powf(1.0 / (POINTS - 1) as f64);
        let mut at = first;
        for _ in 0..POINTS {
            let p = within(at).clamp(0.0, 1.0);
            if p > points.last().map_or(0.0, |(known, _)| *known) + 1e-9 {
                points.push((p, at));
            }
            at *= ratio;
        }
    }
    // Where nothing at all can be told, it is not before the end of all times that are looked at.
    Quantiles::new(if points.is_empty() { vec![(1.0, 1e15)] } else { points })
        .expect("each point's probability is above the one before, and its day not below")
}

/// The value at which a rising function of a positive number reaches `p`, by bisection of the logarithm.
pub(super) fn invert(p: f64, low: f64, high: f64, cdf: impl Fn(f64) -> f64) -> f64 {
    let (mut low, mut high) = (low, high);
    for _ in 0..60 {
        let middle = (low * high).sqrt();
        if cdf(middle) < p { low = middle } else { high = middle }
    }
    (low * high).sqrt()
}
