//! One device's level.

use serde::{Deserialize, Serialize};

use super::forecast::{self, Forecast};
use super::prior::KINDS;
use super::special::{gamma_above, ln_gamma};
use super::view::{Told, View};
use super::{DepletionError, Kind, Prior, checked, limited};
use crate::distribution::normal;

/// How likely a reading is of another content, and how likely it is of nothing at all.
const REPLACED: f64 = 0.02;
const MISREAD: f64 = 0.003;
/// How well full is known, as a share of it.
const FILLED: f64 = 0.02;
/// Levels are told in steps if they all are multiples of at least this share of full.
const FINEST: f64 = 1e-3;
/// The coarsest step that is believed before two different levels prove it, as a share of full.
const COARSEST: f64 = 0.25;
/// Rounding shows as such, and is not blurred, while the noise is below this share of a step.
const BLURRED: f64 = 0.3;
/// What a kind's probability keeps at each reading, so that a device may change its kind.
const KEPT: f64 = 0.995;
/// How much less likely than the likeliest a kind can become (a logarithm), so that it may come back.
const LEAST: f64 = 14.0;
/// How many times its usual spacing a device may say nothing, and how much its past counts in that spacing.
const SILENT: f64 = 5.0;
const SPACING_KEPT: f64 = 0.9;
/// Kinds that are less likely than this are left out of a forecast.
const NEGLIGIBLE: f64 = 0.004;

/// What a reading was taken for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Seen {
    /// Use went on.
    Usual,
    /// Another content than before: refilled or exchanged, now or (where one odd reading is confirmed by the next) at
    /// the reading before.
    Replaced,
    /// Neither; it is put aside, and counts if the next one agrees with it.
    Outlier,
    /// Older than the last one; it is not counted.
    Stale,
}

#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
struct Reading {
    day: f64,
    level: f64,
}

/// What is believed of one device: constant in size, and changed by one reading at a time.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Level {
    views: [View; KINDS],
    /// The day for which the views hold; nothing where no level is known yet.
    day: Option<f64>,
    /// The last reading that was believed. One that says the same as the one before it waits here: where levels are
    /// told in steps, it adds nothing that the next change does not tell.
    last: Option<Reading>,
    /// The last reading, if it was put aside.
    odd: Option<Reading>,
    /// When it was last heard of.
    heard: Option<f64>,
    /// Days between readings.
    spacing: Option<f64>,
    /// The greatest level of which all readings are multiples; 0 if there is none.
    step: f64,
}

impl Level {
    pub fn new(prior: &Prior) -> Self {
        let view = |kind: &Kind| View {
            weight: kind.share.max(1e-9).ln(),
            rate: prior.rate.median.ln(),
            rate_var: prior.rate.sigma * prior.rate.sigma,
            level: prior.full,
            slope: 0.0,
            level_var: prior.full * prior.full,
        };
        Level {
            views: prior.kinds.each_ref().map(view),
            day: None,
            last: None,
            odd: None,
            heard: None,
            spacing: None,
            step: prior.full,
        }
    }

    /// A reading: a level at a day. Time and memory are constant.
    pub fn observe(&mut self, prior: &Prior, day: f64, level: f64) -> Result<Seen, DepletionError> {
        let day = checked("day", day)?;
        let level = limited(level, -2.0 * prior.full, 10.0 * prior.full)
            .ok_or(DepletionError::NotALevel { level, full: prior.full })?;
        if self.heard.is_some_and(|heard| day < heard) || self.day.is_some_and(|known| day < known) {
            return Ok(Seen::Stale);
        }
        let now = Reading { day, level };
        if let Some(heard) = self.heard
            && day > heard
        {
            let gap = day - heard;
            self.spacing = Some(self.spacing.map_or(gap, |s| SPACING_KEPT * s + (1.0 - SPACING_KEPT) * gap));
        }
        self.heard = Some(day);
        self.step = common_step(self.step, level, FINEST * prior.full);
        let Some(known) = self.day else {
            self.anchor(prior, now);
            return Ok(Seen::Usual);
        };
        if self.last.is_some_and(|last| last.level == level) {
            (self.last, self.odd) = (Some(now), None);
            return Ok(Seen::Usual);
        }
        Ok(self.explain(prior, known, now))
    }

    /// It was refilled or exchanged for a full one at that day, which is known from elsewhere. A day before the last
    /// reading is not counted.
    pub fn replaced(&mut self, prior: &Prior, day: f64) -> Result<Seen, DepletionError> {
        let day = checked("day", day)?;
        if self.heard.is_some_and(|heard| day < heard) || self.day.is_some_and(|known| day < known) {
            return Ok(Seen::Stale);
        }
        self.rest(prior, day);
        let var = (FILLED * prior.full).powi(2);
        self.views.iter_mut().for_each(|view| view.anchor(prior.full, var));
        (self.day, self.last, self.odd) = (Some(day), None, None);
        Ok(Seen::Replaced)
    }

    /// Days since it was last heard of, if that is long for it: more than five times its usual spacing. Nothing as
    /// long as fewer than two readings tell what is usual.
    pub fn silence(&self, now_day: f64) -> Option<f64> {
        let since = now_day - self.heard?;
        (since > SILENT * self.spacing?).then_some(since)
    }

    pub fn is_silent(&self, now_day: f64) -> bool {
        self.silence(now_day).is_some()
    }

    /// When the level falls to `empty_at`, as seen at `now_day`, which must not lie before the last reading.
    ///
    /// From the last reading on, use is a gamma process of uncertain rate that starts at an uncertain level; that the
    /// level falls to `empty_at` within t is that the use in t is at least what is left. A day of silence since then
    /// is a day less, and makes nothing surer.
    pub fn runs_empty(&self, prior: &Prior, now_day: f64, empty_at: f64) -> Result<Forecast, DepletionError> {
        let now = checked("day", now_day)?;
        let empty_at = checked("level at which it is empty", empty_at)?;
        let mut current = self.clone();
        current.settle(prior);
        let known = current.day.ok_or(DepletionError::NothingSeen)?;
        if now < self.heard.unwrap_or(known).max(known) {
            return Err(DepletionError::Before);
        }
        let since = now - known;
        let views = current.likely();
        let within = |days: f64| -> f64 {
            let part = |(h, p): &(usize, f64)| {
                p * within(&current.views[*h], &prior.kinds[*h], prior, since + days, empty_at)
            };
            views.iter().map(part).sum()
        };
        let mean =
            |of: &dyn Fn(&View) -> f64| views.iter().map(|(h, p)| p * of(&current.views[*h])).sum::<f64>();
        let (rate, level) = (mean(&|view| view.rate).exp(), mean(&|view| view.level));
        let about = ((level - empty_at).max(0.01 * prior.full) / rate - since).max(0.1 * prior.full / rate);
        let days = forecast::days(about, within)?;
        let below = |rate: f64| -> f64 {
            let part = |(h, p): &(usize, f64)| {
                let view = &current.views[*h];
                let var = (view.rate_var + prior.kinds[*h].drift * since).min(most(prior).max(view.rate_var));
                p * normal::cdf((rate.ln() - view.rate) / var.sqrt())
            };
            views.iter().map(part).sum()
        };
        let at = |p: f64| forecast::invert(p, rate * 1e-15, rate * 1e15, below);
        Ok(Forecast { days, rate: [at(0.1), at(0.5), at(0.9)] })
    }

    /// The kinds that matter, with their probabilities.
    fn likely(&self) -> Vec<(usize, f64)> {
        let best = self.views.iter().map(|view| view.weight).fold(f64::NEG_INFINITY, f64::max);
        let weights = self.views.map(|view| (view.weight - best).exp());
        let all: f64 = weights.iter().sum();
        let kept: Vec<(usize, f64)> =
            weights.iter().map(|w| w / all).enumerate().filter(|(_, p)| *p > NEGLIGIBLE).collect();
        let sum: f64 = kept.iter().map(|(_, p)| p).sum();
        kept.into_iter().map(|(h, p)| (h, p / sum)).collect()
    }

    /// Each kind's probability.
    pub(super) fn shares(&self) -> [f64; KINDS] {
        let mut shares = [0.0; KINDS];
        self.likely().into_iter().for_each(|(h, p)| shares[h] = p);
        shares
    }

    /// A mean over the kinds.
    fn mean(&self, of: impl Fn(usize, &View) -> f64) -> f64 {
        let best = self.views.iter().map(|view| view.weight).fold(f64::NEG_INFINITY, f64::max);
        let weights = self.views.map(|view| (view.weight - best).exp());
        let all: f64 = weights.iter().sum();
        self.views.iter().zip(weights).enumerate().map(|(h, (view, w))| w / all * of(h, view)).sum()
    }

    /// The step in which levels are told, as far as it is known.
    fn step(&self, prior: &Prior) -> f64 {
        self.step.min(COARSEST * prior.full)
    }

    /// The level is known by a reading alone.
    fn anchor(&mut self, prior: &Prior, reading: Reading) {
        let step = self.step(prior);
        for (view, kind) in self.views.iter_mut().zip(&prior.kinds) {
            view.anchor(reading.level, plain(kind, step, reading.level).var);
        }
        (self.day, self.last, self.odd) = (Some(reading.day), Some(reading), None);
    }

    /// The rate may have changed until `day`.
    fn rest(&mut self, prior: &Prior, day: f64) {
        let Some(known) = self.day else { return };
        for (view, kind) in self.views.iter_mut().zip(&prior.kinds) {
            view.wander(kind.drift * (day - known), most(prior));
        }
    }

    /// A reading that waits is counted.
    fn settle(&mut self, prior: &Prior) {
        if let (Some(known), Some(last)) = (self.day, self.last)
            && last.day > known
        {
            self.count(prior, known, last, last);
        }
    }

    /// Which of use, a new content and an error explains a reading best; it is then counted as that.
    fn explain(&mut self, prior: &Prior, known: f64, now: Reading) -> Seen {
        let full = prior.full;
        let before = self.last.unwrap_or(Reading { day: known, level: full });
        let rate = self.mean(|_, view| view.usual_rate());
        let var = self.mean(|h, _| plain(&prior.kinds[h], self.step(prior), now.level).var);
        let mut used = self.clone();
        let usual = (1.0 - REPLACED - MISREAD).ln() + used.count(prior, known, now, before);
        // A new content may have been used from, for up to the whole time.
        let used_since = |days: f64| (rate * days).min(full);
        let gone = used_since(now.day - before.day);
        let filled = var + (FILLED * full).powi(2) + gone * gone / 12.0;
        let replaced = REPLACED.ln() + log_normal(now.level - (full - 0.5 * gone), filled);
        let misread = MISREAD.ln() - full.ln();
        let agrees = |odd: Reading| {
            let gone = used_since(now.day - odd.day);
            0.5_f64.ln() + log_normal(now.level - (odd.level - gone), 2.0 * var + 0.25 * gone * gone)
        };
        let confirmed = self.odd.map_or(f64::NEG_INFINITY, agrees);
        let best = usual.max(replaced).max(misread).max(confirmed);
        if usual == best {
            *self = used;
            return Seen::Usual;
        }
        if let Some(odd) = self.odd
            && confirmed == best
        {
            self.rest(prior, odd.day);
            self.anchor(prior, odd);
            self.count(prior, odd.day, now, odd);
            return Seen::Replaced;
        }
        if replaced == best {
            self.rest(prior, now.day);
            self.anchor(prior, now);
            return Seen::Replaced;
        }
        self.odd = Some(now);
        Seen::Outlier
    }

    /// Use until a reading, from the day for which the views hold. Returns the logarithm of the reading's density.
    fn count(&mut self, prior: &Prior, known: f64, now: Reading, before: Reading) -> f64 {
        let (days, gap, step) = (now.day - known, now.day - before.day, self.step(prior));
        let change = now.level - before.level;
        let sd = self.mean(|h, _| plain(&prior.kinds[h], step, now.level).var).sqrt();
        let rest = self.mean(|_, view| view.level - view.usual_rate() * days);
        let near_empty = now.level < 2.0 * sd && rest < 2.0 * sd;
        let best = self.views.iter().map(|view| view.weight).fold(f64::NEG_INFINITY, f64::max);
        let before_all: f64 = self.views.iter().map(|view| (view.weight - best).exp()).sum();
        for (view, kind) in self.views.iter_mut().zip(&prior.kinds) {
            if near_empty {
                view.update_level(kind, most(prior), days, plain(kind, step, now.level));
                continue;
            }
            let told = |rate: f64| told(kind, step, now.level, change, rate * gap);
            let evidence = view.update(kind, most(prior), days, told);
            view.weight += evidence;
        }
        let after: f64 = self.views.iter().map(|view| (view.weight - best).exp()).sum();
        let evidence = match near_empty {
            true => log_normal(now.level - rest.max(0.0), 2.0 * sd * sd),
            false => (after / before_all).ln(),
        };
        let best = self.views.iter().map(|view| view.weight).fold(f64::NEG_INFINITY, f64::max);
        for (view, kind) in self.views.iter_mut().zip(&prior.kinds) {
            let kept = KEPT * (view.weight - best) + (1.0 - KEPT) * kind.share.max(1e-9).ln();
            view.weight = kept.max(-LEAST);
        }
        (self.day, self.last, self.odd) = (Some(now.day), Some(now), None);
        evidence
    }
}

/// The variance that a rate may wander to: that of the population.
fn most(prior: &Prior) -> f64 {
    prior.rate.sigma * prior.rate.sigma
}

fn log_normal(miss: f64, var: f64) -> f64 {
    -0.5 * (miss * miss / var + (std::f64::consts::TAU * var).ln())
}

/// A reading by itself: the level, with the variance of noise and of rounding.
fn plain(kind: &Kind, step: f64, level: f64) -> Told {
    Told { level, var: kind.noise * kind.noise + step * step / 12.0 }
}

/// A reading that changed by `change`, at a rate by which `used` was used since the reading before. Where rounding
/// shows, a change tells that the level has just passed the border between two steps.
fn told(kind: &Kind, step: f64, level: f64, change: f64, used: f64) -> Told {
    if kind.noise > BLURRED * step || change == 0.0 {
        return plain(kind, step, level);
    }
    let span = used.min(step);
    let border = 0.5 * (step - span).copysign(-change);
    Told { level: level + border, var: kind.noise * kind.noise + span * span / 12.0 }
}

/// The greatest common divisor of levels (Euclid), 0 where it is below `finest`.
fn common_step(step: f64, level: f64, finest: f64) -> f64 {
    if step <= 0.0 {
        return 0.0;
    }
    let (mut a, mut b) = (step, level.abs());
    while b > finest {
        // A remainder that is nearly a whole divisor is one of rounding.
        let rest = a % b;
        (a, b) = (b, if b - rest < 1e-6 * b.max(step) { 0.0 } else { rest });
    }
    let off = b > 1e-6 * step;
    if off || a <= finest { 0.0 } else { a }
}

/// The probability that use from this view's day on reaches what is left in `days`.
fn within(view: &View, kind: &Kind, prior: &Prior, days: f64, empty_at: f64) -> f64 {
    // The mean of a rate that wanders for a time varies by a third of what the rate itself does in the end.
    let var = (view.rate_var + kind.drift * days / 3.0).min(most(prior).max(view.rate_var));
    let sd = var.sqrt();
    let shape = days / kind.burst;
    let ln_gamma = ln_gamma(shape.max(f64::MIN_POSITIVE));
    // Both normals by the trapezoidal rule, which for them is nearly exact; finer where the rate is hardly known.
    let half = (sd / 0.08).clamp(4.0, 16.0).round();
    let (mut sum, mut all) = (0.0, 0.0);
    let steps = half as i32;
    for i in -steps..=steps {
        let z = 3.0 * f64::from(i) / half;
        let density = (-0.5 * z * z).exp();
        let rate = view.rate + sd * z;
        // What the level told of the rate it told of the rate until now.
        let level = view.level + view.slope * (view.rate_var / sd) * z;
        let spread =
            (view.level_var + view.slope * view.slope * view.rate_var * (1.0 - view.rate_var / var)).sqrt();
        let scale = kind.burst * rate.exp();
        for (off, part) in [(-2.4, 0.026_9), (-1.2, 0.233_3), (0.0, 0.479_6), (1.2, 0.233_3), (2.4, 0.026_9)]
        {
            let left = level + off * spread - empty_at;
            sum += density * part * gamma_above(shape, left / scale, ln_gamma);
        }
        all += density;
    }
    sum / all
}
