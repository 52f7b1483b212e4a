//! One device's level.

use serde::{Deserialize, Serialize};

use super::forecast::{self, Forecast};
use super::prior::KINDS;
use super::special::{beta_below, gamma_above, ln_gamma};
use super::view::{Told, View, log_normal};
use super::{DepletionError, Kind, Pace, Prior, checked, limited};

/// How likely a reading is of another content, and how likely it is of nothing at all.
const REPLACED: f64 = 0.02;
const MISREAD: f64 = 1e-3;
/// How well full is known, as a share of it.
const FILLED: f64 = 0.02;
/// Levels are told in steps if they all are multiples of at least this share of full.
const FINEST: f64 = 1e-3;
/// The step that is supposed, as a share of full, as long as no two levels tell.
const COARSE: f64 = 0.1;
/// Rounding does not show, being blurred by noise, where this share of readings rises: of a level that hardly moves,
/// σ / (√π · step) of the readings round to a higher step than the one before, σ being the noise.
const BLURRED: f64 = 0.12;
/// What the share of rises keeps at each reading.
const RISES_KEPT: f64 = 0.95;
/// Where less is left than this many standard deviations of a reading, it tells nothing of use.
const NEAR_EMPTY: f64 = 1.5;
/// What a kind's probability keeps at each reading, so that a device may change its kind.
const KEPT: f64 = 0.997;
/// How much less likely than the likeliest a kind can become (a logarithm), so that it may come back.
const LEAST: f64 = 14.0;
/// How many times its usual spacing a device may say nothing, and how much its past counts in that spacing.
const SILENT: f64 = 5.0;
const SPACING_KEPT: f64 = 0.9;
/// Kinds that are less likely than this are left out of a forecast.
const NEGLIGIBLE: f64 = 0.004;

/// Of use of a greater shape than this only the rate is uncertain.
const CERTAIN: f64 = 1e5;

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
    /// The share of readings that are a little higher than the one before.
    rises: f64,
    /// The greatest level of which all readings are multiples; 0 if there is none.
    step: f64,
}

impl Level {
    pub fn new(prior: &Prior) -> Self {
        let view = |kind: &Kind| View {
            weight: log_share(kind),
            rate: prior.rate.typical,
            shape: prior.rate.shape,
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
            rises: 0.0,
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
        let rises = f64::from(self.last.is_some_and(|last| level > last.level));
        let same = self.last.is_some_and(|last| last.level == level);
        if same && self.rises < BLURRED {
            self.rises *= RISES_KEPT;
            (self.last, self.odd) = (Some(now), None);
            return Ok(Seen::Usual);
        }
        let seen = self.explain(prior, known, now);
        if seen == Seen::Usual {
            self.rises = RISES_KEPT * self.rises + (1.0 - RISES_KEPT) * rises;
        }
        Ok(seen)
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
        let kinds = current.likely(prior);
        let mixed = |of: &dyn Fn(&View, &Kind) -> f64| -> f64 {
            kinds.iter().map(|(p, view, kind)| p * of(view, kind)).sum()
        };
        let rate = mixed(&|view, _| view.rate);
        let left = mixed(&|view, _| view.level) - empty_at;
        let about = (left / rate - since).max(0.1 * prior.full / rate);
        let within = |days: f64| mixed(&|view, kind| within(view, kind, prior, since + days, empty_at));
        let slower_than = |rate: f64| {
            mixed(&|view, kind| {
                let shape = view.shape_after(kind.drift * since, prior.rate.shape);
                gamma_above(shape, shape * view.rate / rate, ln_gamma(shape))
            })
        };
        let at = |p: f64| forecast::invert(p, rate * 1e-15, rate * 1e15, slower_than);
        Ok(Forecast { days: forecast::days(about, within), rate: [at(0.1), at(0.5), at(0.9)] })
    }

    /// Each kind's probability.
    pub(super) fn probabilities(&self) -> [f64; KINDS] {
        let best = self.views.iter().map(|view| view.weight).fold(f64::NEG_INFINITY, f64::max);
        let weights = self.views.map(|view| (view.weight - best).exp());
        let all: f64 = weights.iter().sum();
        weights.map(|weight| weight / all)
    }

    /// The kinds that matter, with their probabilities.
    fn likely<'a>(&'a self, prior: &'a Prior) -> Vec<(f64, &'a View, &'a Kind)> {
        let of_all = self.probabilities().into_iter().zip(&self.views).zip(&prior.kinds);
        let mut kept: Vec<_> =
            of_all.map(|((p, view), kind)| (p, view, kind)).filter(|(p, ..)| *p > NEGLIGIBLE).collect();
        let all: f64 = kept.iter().map(|(p, ..)| p).sum();
        kept.iter_mut().for_each(|(p, ..)| *p /= all);
        kept
    }

    /// What is known of the rate if its use is of one kind.
    pub(super) fn pace(&self, kind: usize) -> Pace {
        Pace { typical: self.views[kind].rate, shape: self.views[kind].shape }
    }

    /// A mean over the kinds.
    fn mean(&self, prior: &Prior, of: impl Fn(&View, &Kind) -> f64) -> f64 {
        let of_all = self.probabilities().into_iter().zip(&self.views).zip(&prior.kinds);
        of_all.map(|((p, view), kind)| p * of(view, kind)).sum()
    }

    /// The step in which levels are told, as far as it is known.
    fn step(&self, prior: &Prior) -> f64 {
        if self.step > 0.5 * prior.full { COARSE * prior.full } else { self.step }
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
            view.wander(kind.drift * (day - known), prior.rate.shape);
        }
    }

    /// A reading that waits is counted, and so is a fall that was put aside: until the next reading tells, it is
    /// likelier that much was used than that nothing was. A fall like that is no error of a few per cent: what is left
    /// is then what the reading says, however sure the level had been.
    fn settle(&mut self, prior: &Prior) {
        let (Some(known), Some(last)) = (self.day, self.last) else { return };
        match self.odd {
            Some(odd) if odd.level < last.level => {
                self.count(prior, known, odd, last);
                self.anchor(prior, odd);
            }
            _ if last.day > known => _ = self.count(prior, known, last, last),
            _ => {}
        }
    }

    /// Which of use, a new content and an error explains a reading best; it is then counted as that.
    fn explain(&mut self, prior: &Prior, known: f64, now: Reading) -> Seen {
        let full = prior.full;
        let before = self.last.unwrap_or(Reading { day: known, level: full });
        let rate = self.mean(prior, |view, _| view.rate);
        let var = self.mean(prior, |_, kind| plain(kind, self.step(prior), now.level).var);
        let mut used = self.clone();
        let usual = (1.0 - REPLACED - MISREAD).ln() + used.count(prior, known, now, before);
        // A new content may have been used from, for up to the whole time.
        let used_since = |days: f64| (rate * days).min(full);
        let gone = used_since(now.day - before.day);
        let filled = var + (FILLED * full).powi(2) + gone * gone / 12.0;
        // What ran empty since was replaced for it, unless it is read as empty.
        let empty = self.ran_empty(prior, now.day - known);
        let replaced =
            (REPLACED + (1.0 - REPLACED) * empty).ln() + log_normal(now.level - (full - 0.5 * gone), filled);
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
            // What has fallen was used, however unlikely that had seemed.
            let fell = odd.level < before.level;
            if fell {
                self.count(prior, known, odd, before);
            } else {
                self.rest(prior, odd.day);
                self.anchor(prior, odd);
            }
            self.count(prior, odd.day, now, odd);
            return if fell { Seen::Usual } else { Seen::Replaced };
        }
        if replaced == best {
            self.rest(prior, now.day);
            self.anchor(prior, now);
            return Seen::Replaced;
        }
        self.odd = Some(now);
        Seen::Outlier
    }

    /// The probability that use for so many days at the rate, as far as that is known, would have used all there was.
    fn ran_empty(&self, prior: &Prior, days: f64) -> f64 {
        let slower = |view: &View| match view.level {
            left if left <= 0.0 || days <= 0.0 => f64::from(left > 0.0),
            left => gamma_above(view.shape, view.shape * view.rate * days / left, ln_gamma(view.shape)),
        };
        1.0 - self.likely(prior).into_iter().map(|(p, view, _)| p * slower(view)).sum::<f64>().clamp(0.0, 1.0)
    }

    /// Use until a reading, from the day for which the views hold. Returns the logarithm of the reading's density.
    fn count(&mut self, prior: &Prior, known: f64, now: Reading, before: Reading) -> f64 {
        let (days, gap, step) = (now.day - known, now.day - before.day, self.step(prior));
        let (change, blurred) = (now.level - before.level, self.rises >= BLURRED);
        let alone = |kind: &Kind| plain(kind, step, now.level);
        let sd = self.mean(prior, |_, kind| alone(kind).var).sqrt();
        let was_empty = self.mean(prior, |view, _| view.level) < NEAR_EMPTY * sd;
        let is_empty = now.level < NEAR_EMPTY * sd;
        let all = |views: &[View; KINDS]| {
            let best = views.iter().map(|view| view.weight).fold(f64::NEG_INFINITY, f64::max);
            best + views.iter().map(|view| (view.weight - best).exp()).sum::<f64>().ln()
        };
        let prior_weight = all(&self.views);
        for (view, kind) in self.views.iter_mut().zip(&prior.kinds) {
            // That it is empty says that at least as much was used as there was, and not how much would have been.
            let enough = is_empty && view.level - view.rate * days <= now.level;
            view.weight += match was_empty || enough {
                true => view.update_level(kind, prior.rate.shape, days, alone(kind)),
                false => view.update(kind, &prior.rate, days, |rate| match blurred {
                    true => alone(kind),
                    false => bordering(kind, step, now.level, change, rate * gap),
                }),
            };
        }
        let weight = all(&self.views);
        let best = self.views.iter().map(|view| view.weight).fold(f64::NEG_INFINITY, f64::max);
        for (view, kind) in self.views.iter_mut().zip(&prior.kinds) {
            let kept = KEPT * (view.weight - best) + (1.0 - KEPT) * log_share(kind);
            view.weight = kept.max(-LEAST);
        }
        (self.day, self.last, self.odd) = (Some(now.day), Some(now), None);
        weight - prior_weight
    }
}

/// The logarithm of a kind's share of the population; of none a little, for who is new.
fn log_share(kind: &Kind) -> f64 {
    kind.share.max(1e-6).ln()
}

/// A reading by itself: the level, with the variance of noise and of rounding.
fn plain(kind: &Kind, step: f64, level: f64) -> Told {
    Told { level, var: kind.noise * kind.noise + step * step / 12.0 }
}

/// A reading that changed by `change`, at a rate by which `used` was used since the reading before. Where rounding
/// shows, a change tells that the level has just passed the border between two steps.
fn bordering(kind: &Kind, step: f64, level: f64, change: f64, used: f64) -> Told {
    if change == 0.0 {
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
///
/// Use in t days is burst · rate · G with G of shape t / burst, and the rate is known as shape · rate / G′ with G′ of
/// that shape: their ratio is a beta prime variable, so that the rate's uncertainty is integrated exactly.
fn within(view: &View, kind: &Kind, prior: &Prior, days: f64, empty_at: f64) -> f64 {
    // The mean of a rate that wanders for a time varies by a third of what the rate itself does in the end.
    let shape = view.shape_after(kind.drift * days / 3.0, prior.rate.shape);
    // What the level's mean depends on the rate for is told as days of use at it that are still to come.
    let back = -view.slope;
    let used_shape = (days + back) / kind.burst;
    let scale = kind.burst * shape * view.rate;
    let mut sum = 0.0;
    for (off, part) in [(-2.4, 0.026_9), (-1.2, 0.233_3), (0.0, 0.479_6), (1.2, 0.233_3), (2.4, 0.026_9)] {
        let left = view.level + back * view.rate + off * view.level_var.sqrt() - empty_at;
        sum += part
            * match () {
                () if left <= 0.0 => 1.0,
                () if used_shape <= 0.0 => 0.0,
                () if used_shape > CERTAIN => {
                    1.0 - gamma_above(shape, scale * used_shape / left, ln_gamma(shape))
                }
                () => beta_below(shape, used_shape, scale / (scale + left), left / (scale + left)),
            };
    }
    sum
}
