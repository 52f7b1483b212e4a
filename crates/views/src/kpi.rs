//! The arithmetic behind the reports: pure functions, one definition each.
//!
//! Every function says which KPI it serves (K09, K11, K15, K22 of the dictionary), its formula and where the
//! formula comes from. Two rules hold for all: a zero denominator gives `None`, never 0; an interval is a 95 %
//! interval, `[low, high]`.

use model::{Comparator, Time};

/// A 95 % interval, low end first.
pub type Interval = [f64; 2];

/// The 97.5 % quantile of the standard normal distribution.
pub const Z_95: f64 = 1.959_963_984_540_054;

/// `part / whole`.
pub fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

/// The Wilson score interval of a share:
/// `(p + z²/2n ± z·√(p(1−p)/n + z²/4n²)) / (1 + z²/n)`.
///
/// E. B. Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22 (1927). It stays
/// within 0 and 1 and is sound for the shares near 1 that a kept rate has.
pub fn wilson(part: u64, whole: u64) -> Option<Interval> {
    let p = share(part, whole)?;
    let n = whole as f64;
    let z2 = Z_95 * Z_95;
    let centre = p + z2 / (2.0 * n);
    let half = Z_95 * (p * (1.0 - p) / n + z2 / (4.0 * n * n)).sqrt();
    let scale = 1.0 + z2 / n;
    // At the ends the formula gives exactly 0 and 1; rounding must not say otherwise.
    let low = if part == 0 { 0.0 } else { (centre - half) / scale };
    let high = if part == whole { 1.0 } else { (centre + half) / scale };
    Some([low, high])
}

/// Count, mean and spread of numbers seen one by one.
///
/// B. P. Welford, "Note on a method for calculating corrected sums of squares and products", Technometrics 4
/// (1962): no cancellation, however far the numbers lie from zero.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Moments {
    pub n: u64,
    mean: f64,
    squares: f64,
}

impl Moments {
    pub fn add(&mut self, x: f64) {
        self.n += 1;
        let delta = x - self.mean;
        self.mean += delta / self.n as f64;
        self.squares += delta * (x - self.mean);
    }

    pub fn mean(&self) -> Option<f64> {
        (self.n > 0).then_some(self.mean)
    }

    /// The variance of the sample, over `n − 1`.
    pub fn variance(&self) -> Option<f64> {
        (self.n > 1).then(|| self.squares / (self.n - 1) as f64)
    }

    /// Student's interval of the mean, `x̄ ± t(n−1)·s/√n`. One number alone has no spread, hence no interval.
    pub fn mean_interval(&self) -> Option<Interval> {
        let half = student_t_95(self.n.checked_sub(1)?)? * (self.variance()? / self.n as f64).sqrt();
        Some([self.mean - half, self.mean + half])
    }
}

impl FromIterator<f64> for Moments {
    fn from_iter<I: IntoIterator<Item = f64>>(numbers: I) -> Self {
        let mut moments = Moments::default();
        numbers.into_iter().for_each(|x| moments.add(x));
        moments
    }
}

/// The `t` with `P(|T| ≤ t) = 0.95` at `df` degrees of freedom.
///
/// Below 100 degrees the exact finite series of Abramowitz & Stegun 26.7.3 and 26.7.4, inverted by bisection;
/// from there their expansion 26.7.5, whose error is below 1e-9.
pub fn student_t_95(df: u64) -> Option<f64> {
    match df {
        0 => None,
        1..100 => Some(bisect_t(df as u32)),
        _ => Some(expand_t(df as f64)),
    }
}

fn bisect_t(df: u32) -> f64 {
    // 12.71 at one degree is the largest of them all.
    let (mut low, mut high) = (0.0, 13.0);
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        if within_t(middle, df) < 0.95 { low = middle } else { high = middle }
    }
    f64::midpoint(low, high)
}

/// `P(|T| ≤ t)`.
fn within_t(t: f64, df: u32) -> f64 {
    let theta = (t / f64::from(df).sqrt()).atan();
    let (sin, cos) = theta.sin_cos();
    let odd = df % 2 == 1;
    // The series' terms are cos^k times a product of k-1/k factors, k being of the parity of df.
    let (mut term, mut k) = if odd { (cos, 1) } else { (1.0, 0) };
    let mut sum = 0.0;
    while k + 2 <= df {
        sum += term;
        term *= cos * cos * f64::from(k + 1) / f64::from(k + 2);
        k += 2;
    }
    if odd { 2.0 / std::f64::consts::PI * (theta + sin * sum) } else { sin * sum }
}

fn expand_t(df: f64) -> f64 {
    let z = Z_95;
    let (z3, z5, z7, z9) = (z.powi(3), z.powi(5), z.powi(7), z.powi(9));
    z + (z3 + z) / (4.0 * df)
        + (5.0 * z5 + 16.0 * z3 + 3.0 * z) / (96.0 * df.powi(2))
        + (3.0 * z7 + 19.0 * z5 + 17.0 * z3 - 15.0 * z) / (384.0 * df.powi(3))
        + (79.0 * z9 + 776.0 * z7 + 1482.0 * z5 - 1920.0 * z3 - 945.0 * z) / (92_160.0 * df.powi(4))
}

/// K09. How long something took, or how long it has been awaited so far.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Wait {
    pub length: f64,
    /// It came to pass; otherwise the wait was cut off ("censored") and the true length is only known to be more.
    pub ended: bool,
}

/// A quantile of a Kaplan–Meier curve; `None` where the curve, or its band, never comes down that far.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct WaitQuantile {
    pub value: Option<f64>,
    pub low: Option<f64>,
    pub high: Option<f64>,
}

/// K09. Quantiles of waits of which some have not ended: `min{t : Ŝ(t) ≤ 1−p}` for each `p`.
///
/// `Ŝ(t) = Π(1 − dᵢ/nᵢ)` over the moments up to `t` at which something ended (E. L. Kaplan & P. Meier, JASA 53,
/// 1958); what is cut off at the same moment is still counted as waiting then. The intervals are those of
/// R. Brookmeyer & J. Crowley (Biometrics 38, 1982) with the log(−log) transform: the moments at which the band
/// `exp(−exp(ln(−ln Ŝ) ± z·σ/|ln Ŝ|))`, `σ² = Σ dᵢ/(nᵢ(nᵢ−dᵢ))` (Greenwood), reaches `1−p`. Leaving out the waits
/// that have not ended would make everything look faster than it is.
pub fn wait_quantiles<const N: usize>(waits: &mut [Wait], ps: [f64; N]) -> [WaitQuantile; N] {
    waits.sort_unstable_by(|a, b| a.length.total_cmp(&b.length));
    let mut found = [WaitQuantile::default(); N];
    let mut waiting = waits.len();
    let (mut survival, mut greenwood) = (1.0_f64, 0.0_f64);
    for same in waits.chunk_by(|a, b| a.length == b.length) {
        let ended = same.iter().filter(|wait| wait.ended).count();
        if ended > 0 {
            survival *= 1.0 - ended as f64 / waiting as f64;
            greenwood += ended as f64 / (waiting as f64 * (waiting - ended) as f64);
            let step = Step { at: same[0].length, survival, greenwood };
            found.iter_mut().zip(ps).for_each(|(quantile, p)| step.note(quantile, 1.0 - p));
        }
        waiting -= same.len();
    }
    found
}

/// One step down of the curve.
struct Step {
    at: f64,
    survival: f64,
    greenwood: f64,
}

impl Step {
    /// Notes in `quantile` which of its three moments this step reaches.
    fn note(&self, quantile: &mut WaitQuantile, left: f64) {
        // Products of fractions miss round numbers by a few units in the last place.
        if self.survival <= left + 1e-9 {
            quantile.value.get_or_insert(self.at);
        }
        if self.survival <= 0.0 {
            // Nobody is left: the lower band is 0 too, the upper one is not defined.
            quantile.low.get_or_insert(self.at);
            return;
        }
        let log = self.survival.ln();
        let (centre, goal) = ((-log).ln(), (-left.ln()).ln());
        let half = Z_95 * self.greenwood.sqrt() / -log;
        if centre + half >= goal {
            quantile.low.get_or_insert(self.at);
        }
        if centre - half >= goal {
            quantile.high.get_or_insert(self.at);
        }
    }
}

/// K22. How far reality fell behind what was promised, in units of the tolerance: `(delivered − promised)/tol`
/// where less is better, `(promised − delivered)/tol` where more is better. Zero or less is a kept promise.
///
/// Without a tolerance the unit is 1 of whatever the numbers count; dates are given in days, so theirs is one day.
pub fn promise_gap(promised: f64, delivered: f64, tolerance: f64, better: Comparator) -> f64 {
    let behind = match better {
        Comparator::AtMost => delivered - promised,
        Comparator::AtLeast => promised - delivered,
    };
    if tolerance > 0.0 { behind / tolerance } else { behind }
}

/// K22 over many promises.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Gaps {
    all: Moments,
    kept: u64,
    over: f64,
    slack: f64,
}

impl Gaps {
    pub fn add(&mut self, gap: f64) {
        self.all.add(gap);
        self.kept += u64::from(gap <= 0.0);
        self.over += gap.max(0.0);
        self.slack += (-gap).max(0.0);
    }

    pub fn n(&self) -> u64 {
        self.all.n
    }

    /// `n(g ≤ 0)/n`.
    pub fn kept_rate(&self) -> Option<f64> {
        share(self.kept, self.n())
    }

    /// `mean(max(0, g))`: what was promised and not given.
    pub fn over_promise(&self) -> Option<f64> {
        self.all.mean().map(|_| self.over / self.n() as f64)
    }

    /// `mean(max(0, −g))`: the padding. Shown because padding wins the kept rate and costs demand.
    pub fn slack(&self) -> Option<f64> {
        self.all.mean().map(|_| self.slack / self.n() as f64)
    }

    pub fn mean(&self) -> Option<f64> {
        self.all.mean()
    }

    pub fn mean_interval(&self) -> Option<Interval> {
        self.all.mean_interval()
    }
}

impl FromIterator<f64> for Gaps {
    fn from_iter<I: IntoIterator<Item = f64>>(gaps: I) -> Self {
        let mut all = Gaps::default();
        gaps.into_iter().for_each(|gap| all.add(gap));
        all
    }
}

/// K15. One order's delivery against one target.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Delivery {
    pub target: Time,
    /// When all of it had arrived.
    pub in_full_at: Option<Time>,
    /// When the customer called it off.
    pub called_off_at: Option<Time>,
    /// Nothing more will come: it was kept, broken or taken back.
    pub ended: bool,
    /// Where the timeline's clock stands.
    pub now: Option<Time>,
}

impl Delivery {
    /// Whether it was on time and in full; `None` where it does not count: the customer called it off before the
    /// target, or the target has not come. Undelivered and untracked ones count, as misses.
    pub fn on_time_in_full(&self) -> Option<bool> {
        if self.called_off_at.is_some_and(|at| at <= self.target) {
            return None;
        }
        let hit = self.in_full_at.is_some_and(|at| at <= self.target);
        let due = hit || self.ended || self.now.is_some_and(|now| now > self.target);
        due.then_some(hit)
    }
}

/// K11 and mean scores over ratings from 1 to 5, counted per rating.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Ratings([u64; 5]);

impl Ratings {
    /// Ratings outside 1 to 5 are not answers and are not counted.
    pub fn add(&mut self, rating: u8) {
        if let Some(count) = rating.checked_sub(1).and_then(|i| self.0.get_mut(usize::from(i))) {
            *count += 1;
        }
    }

    pub fn n(&self) -> u64 {
        self.0.iter().sum()
    }

    fn top_two_count(&self) -> u64 {
        self.0[3] + self.0[4]
    }

    /// Top-2-box, `n(4,5)/n(1..5)`, from 0 to 1.
    pub fn top_two(&self) -> Option<f64> {
        share(self.top_two_count(), self.n())
    }

    pub fn top_two_interval(&self) -> Option<Interval> {
        wilson(self.top_two_count(), self.n())
    }

    fn moments(&self) -> Moments {
        let n = self.n();
        let scored = || (1_u8..).map(f64::from).zip(self.0.map(|count| count as f64));
        let mean = scored().map(|(score, count)| score * count).sum::<f64>() / (n.max(1)) as f64;
        let squares = scored().map(|(score, count)| count * (score - mean).powi(2)).sum();
        Moments { n, mean, squares }
    }

    pub fn mean(&self) -> Option<f64> {
        self.moments().mean()
    }

    pub fn mean_interval(&self) -> Option<Interval> {
        self.moments().mean_interval()
    }
}

impl FromIterator<u8> for Ratings {
    fn from_iter<I: IntoIterator<Item = u8>>(ratings: I) -> Self {
        let mut all = Ratings::default();
        ratings.into_iter().for_each(|rating| all.add(rating));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(found: f64, expect: f64, within: f64) {
        assert!((found - expect).abs() <= within, "{found} is not {expect}");
    }

    fn waits(ended: &[f64], cut_off: &[f64]) -> Vec<Wait> {
        let wait = |ended| move |&length: &f64| Wait { length, ended };
        ended.iter().map(wait(true)).chain(cut_off.iter().map(wait(false))).collect()
    }

    #[test]
    fn wilson_matches_the_dictionary_and_its_own_equation() {
        // K02's example: 36 of 400.
        let [low, high] = wilson(36, 400).unwrap();
        near(low, 0.066, 5e-4);
        near(high, 0.122, 5e-4);
        // Both ends solve |p − end| = z·√(end(1−end)/n), which is how the interval is defined.
        for (part, whole) in [(1, 7), (36, 400), (17_292, 19_024)] {
            for end in wilson(part, whole).unwrap() {
                let n = whole as f64;
                near((part as f64 / n - end).abs(), Z_95 * (end * (1.0 - end) / n).sqrt(), 1e-12);
            }
        }
        assert_eq!(wilson(0, 0), None);
        assert_eq!(wilson(0, 5).unwrap()[0], 0.0);
        assert_eq!(wilson(5, 5).unwrap()[1], 1.0);
    }

    #[test]
    fn student_t_matches_the_printed_table() {
        let check = |df, t| near(student_t_95(df).unwrap(), t, 5e-6);
        check(1, 12.706_205);
        check(2, 4.302_653);
        check(3, 3.182_446);
        check(4, 2.776_445);
        check(5, 2.570_582);
        check(10, 2.228_139);
        check(29, 2.045_230);
        check(30, 2.042_272);
        check(60, 2.000_298);
        check(99, 1.984_217);
        check(100, 1.983_972);
        check(1_000, 1.962_339);
        check(1_000_000_000, Z_95);
        assert_eq!(student_t_95(0), None);
    }

    #[test]
    fn the_two_ways_to_student_t_meet() {
        for df in [99, 150, 200] {
            near(bisect_t(df), expand_t(f64::from(df)), 1e-9);
        }
    }

    #[test]
    fn a_mean_has_students_interval() {
        // n = 4, mean 2.5, s = 1.2910, t(3) = 3.18245: half width 2.0542.
        let moments: Moments = [1.0, 2.0, 3.0, 4.0].into_iter().collect();
        assert_eq!(moments.mean(), Some(2.5));
        let [low, high] = moments.mean_interval().unwrap();
        near(low, 0.445_739, 1e-6);
        near(high, 4.554_261, 1e-6);
        assert_eq!(Moments::default().mean(), None);
        assert_eq!(Moments::default().mean_interval(), None);
        assert_eq!([7.0].into_iter().collect::<Moments>().mean_interval(), None);
    }

    #[test]
    fn golden_k09_undelivered_orders_are_not_left_out() {
        let [p50, p90] = wait_quantiles(&mut waits(&[10.0, 20.0], &[30.0, 30.0]), [0.5, 0.9]);
        assert_eq!(p50.value, Some(20.0));
        assert_eq!(p90.value, None, "not reached");
        // Dropping the open ones would have given the mean of 10 and 20 as the median.
        assert_eq!(wait_quantiles(&mut [], [0.5]), [WaitQuantile::default()]);
        assert_eq!(wait_quantiles(&mut waits(&[], &[3.0]), [0.5]), [WaitQuantile::default()]);
    }

    #[test]
    fn quantiles_match_the_published_leukaemia_trial() {
        // Freireich et al. 1963, weeks in remission; medians and log-log intervals as SAS PROC LIFETEST prints
        // them: 6-MP 23 (13, .), placebo 8 (4, 11).
        let mut drug = waits(
            &[6.0, 6.0, 6.0, 7.0, 10.0, 13.0, 16.0, 22.0, 23.0],
            &[6.0, 9.0, 10.0, 11.0, 17.0, 19.0, 20.0, 25.0, 32.0, 32.0, 34.0, 35.0],
        );
        let [median] = wait_quantiles(&mut drug, [0.5]);
        assert_eq!(median, WaitQuantile { value: Some(23.0), low: Some(13.0), high: None });

        let mut placebo = waits(
            &[
                1.0, 1.0, 2.0, 2.0, 3.0, 4.0, 4.0, 5.0, 5.0, 8.0, 8.0, 8.0, 8.0, 11.0, 11.0, 12.0, 12.0,
                15.0, 17.0, 22.0, 23.0,
            ],
            &[],
        );
        let [median, last] = wait_quantiles(&mut placebo, [0.5, 0.99]);
        assert_eq!(median, WaitQuantile { value: Some(8.0), low: Some(4.0), high: Some(11.0) });
        assert_eq!((last.value, last.high), (Some(23.0), None));
    }

    #[test]
    fn without_open_waits_the_quantiles_are_the_plain_ones() {
        let mut all: Vec<Wait> =
            (1..=1000).rev().map(|i| Wait { length: f64::from(i), ended: true }).collect();
        let [p50, p90, p95] = wait_quantiles(&mut all, [0.5, 0.9, 0.95]);
        assert_eq!([p50.value, p90.value, p95.value], [Some(500.0), Some(900.0), Some(950.0)]);
        // About n·p ± 1.96·√(n·p·(1−p)) in ranks: 500 ± 31.
        near(p50.low.unwrap(), 469.0, 2.0);
        near(p50.high.unwrap(), 531.0, 2.0);
    }

    #[test]
    fn golden_k11_top_two_box() {
        let ratings: Ratings = [5, 4, 4, 3, 2, 5, 1, 4].into_iter().collect();
        assert_eq!(ratings.top_two().map(|share| 100.0 * share), Some(62.5));
        assert_eq!(ratings.mean(), Some(3.5));
        let plain: Moments = [5.0, 4.0, 4.0, 3.0, 2.0, 5.0, 1.0, 4.0].into_iter().collect();
        let ([low, high], [l, h]) = (ratings.mean_interval().unwrap(), plain.mean_interval().unwrap());
        near(low, l, 1e-12);
        near(high, h, 1e-12);
        let none: Ratings = [0, 6, 255].into_iter().collect();
        assert_eq!((none.n(), none.top_two(), none.mean(), none.top_two_interval()), (0, None, None, None));
    }

    #[test]
    fn golden_k15_what_counts_and_what_is_on_time() {
        let base = Delivery {
            target: Time(100),
            in_full_at: None,
            called_off_at: None,
            ended: false,
            now: Some(Time(50)),
        };
        let check = |delivery: Delivery, expect: Option<bool>| {
            assert_eq!(delivery.on_time_in_full(), expect, "{delivery:?}");
        };
        check(base, None);
        check(Delivery { now: None, ..base }, None);
        check(Delivery { now: Some(Time(100)), ..base }, None);
        check(Delivery { now: Some(Time(101)), ..base }, Some(false));
        check(Delivery { in_full_at: Some(Time(40)), ..base }, Some(true));
        check(Delivery { in_full_at: Some(Time(100)), ..base }, Some(true));
        check(Delivery { in_full_at: Some(Time(101)), ended: true, ..base }, Some(false));
        check(Delivery { ended: true, ..base }, Some(false));
        check(Delivery { called_off_at: Some(Time(90)), ended: true, ..base }, None);
        check(Delivery { called_off_at: Some(Time(110)), ended: true, ..base }, Some(false));
    }

    #[test]
    fn golden_k22_kept_over_promise_and_slack() {
        let gaps: Gaps = [(3.0, 3.0), (3.0, 5.0), (2.0, 1.0), (4.0, 4.5)]
            .into_iter()
            .map(|(promised, delivered)| promise_gap(promised, delivered, 1.0, Comparator::AtMost))
            .collect();
        assert_eq!(gaps.kept_rate(), Some(0.5));
        assert_eq!(gaps.over_promise(), Some(0.625));
        assert_eq!(gaps.slack(), Some(0.25));
        near(gaps.mean().unwrap(), 0.375, 1e-12);
        // A yield of at least 2,000 pages, give or take 100: 1,900 is one tolerance short.
        assert_eq!(promise_gap(2000.0, 1900.0, 100.0, Comparator::AtLeast), 1.0);
        // Without a tolerance the unit is one.
        assert_eq!(promise_gap(3.0, 5.0, 0.0, Comparator::AtMost), 2.0);
        let none = Gaps::default();
        assert_eq!(
            (none.kept_rate(), none.over_promise(), none.slack(), none.mean()),
            (None, None, None, None)
        );
    }
}
