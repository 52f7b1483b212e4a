//! What the arms of one seed come to, and what many seeds come to.

use std::collections::BTreeMap;

use model::Time;
use serde::Serialize;
use world::depot::Cause;

use super::counter::{Followed, Outcome};

/// The figures of one seed by their names; one that is not defined for it is not there.
pub(super) type Figures = BTreeMap<String, f64>;

const MINUTE: i64 = 60_000_000;

/// A mean over seeds with its 95 % interval by Student's t.
#[derive(Clone, Copy, PartialEq, Debug, Serialize)]
pub(super) struct Estimate {
    pub mean: f64,
    /// None of one seed.
    pub interval: Option<(f64, f64)>,
    pub seeds: usize,
}

/// Quantiles of Student's t at 97.5 % for 1 to 30 degrees of freedom.
const T: [f64; 30] = [
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131,
    2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
];

impl Estimate {
    pub(super) fn of(values: &[f64]) -> Option<Self> {
        let n = values.len() as f64;
        if values.is_empty() {
            return None;
        }
        let mean = values.iter().sum::<f64>() / n;
        let interval = (values.len() > 1).then(|| {
            let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (n - 1.0);
            let half = T.get(values.len() - 2).copied().unwrap_or(1.96) * (variance / n).sqrt();
            (mean - half, mean + half)
        });
        Some(Estimate { mean, interval, seeds: values.len() })
    }
}

/// Every figure over the seeds that have it.
pub(super) fn over_seeds(seeds: &[Figures]) -> BTreeMap<String, Estimate> {
    let mut values: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for (name, value) in seeds.iter().flatten() {
        values.entry(name).or_default().push(*value);
    }
    let estimate = |(name, values): (&str, Vec<f64>)| Some((name.to_owned(), Estimate::of(&values)?));
    values.into_iter().filter_map(estimate).collect()
}

fn put(figures: &mut Figures, name: &str, value: f64) {
    figures.insert(name.to_owned(), value);
}

/// A share, where there is anything to have a share of.
fn put_share(figures: &mut Figures, name: &str, part: usize, of: usize) {
    if of > 0 {
        put(figures, name, part as f64 / of as f64);
    }
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    Some(if values.len().is_multiple_of(2) {
        (values.get(middle.checked_sub(1)?)? + values.get(middle)?) / 2.0
    } else {
        *values.get(middle)?
    })
}

impl Followed {
    fn broke(&self) -> bool {
        self.kept == Some(false)
    }

    /// There by the date that was promised first, whatever was said later.
    pub(super) fn kept_first(&self) -> bool {
        self.truth.and_then(|truth| truth.delivered_at).is_some_and(|at| at <= self.first_due)
    }

    fn flagged_before(&self, micros: i64) -> bool {
        self.flagged.is_some_and(|(at, _)| at.plus_micros(micros) <= self.first_due)
    }

    fn cause(&self) -> Cause {
        self.truth.map_or(Cause::Road, |truth| truth.cause)
    }

    /// Minutes from the flag to the date.
    fn minutes(&self) -> Option<f64> {
        let (at, _) = self.flagged?;
        Some(self.first_due.since(at) as f64 / MINUTE as f64)
    }
}

/// How well the list of promises at risk did that was only watched. `ahead` is how long before the date a flag must
/// come to count for recall.
pub(super) fn watched(outcome: &Outcome, ahead_minutes: i64) -> Figures {
    let mut figures = Figures::new();
    let all: Vec<&Followed> = outcome.promises.values().collect();
    put(&mut figures, "promises", all.len() as f64);
    put(&mut figures, "turned_away", outcome.turned_away as f64);
    put(&mut figures, "k25.looked_at", outcome.looked_at as f64);
    put(&mut figures, "k25.not_allocatable", outcome.not_allocatable.len() as f64);
    put(&mut figures, "k25.refused", outcome.refused as f64);
    of_group(&mut figures, "watch", &all, ahead_minutes);
    for cause in Cause::ALL {
        let group: Vec<&Followed> = all.iter().filter(|one| one.cause() == cause).copied().collect();
        if !group.is_empty() {
            of_group(&mut figures, &format!("cause.{}", cause.name()), &group, ahead_minutes);
        }
    }
    // What could still be done something about: the parcel had not left.
    let waiting = |one: &&&Followed| !matches!(one.cause(), Cause::SlowLane | Cause::Road);
    let group: Vec<&Followed> = all.iter().filter(waiting).copied().collect();
    of_group(&mut figures, "depot", &group, ahead_minutes);
    let group: Vec<&Followed> = all.iter().filter(|one| !waiting(one)).copied().collect();
    of_group(&mut figures, "road", &group, ahead_minutes);
    figures
}

fn of_group(figures: &mut Figures, name: &str, group: &[&Followed], ahead_minutes: i64) {
    let broken = group.iter().filter(|one| one.broke()).count();
    let flagged = group.iter().filter(|one| one.flagged.is_some()).count();
    let both = group.iter().filter(|one| one.broke() && one.flagged.is_some()).count();
    let before = group.iter().filter(|one| one.broke() && one.flagged_before(ahead_minutes * MINUTE)).count();
    let kept = group.iter().filter(|one| one.kept == Some(true)).count();
    put(figures, &format!("{name}.promises"), group.len() as f64);
    put(figures, &format!("{name}.broken"), broken as f64);
    put(figures, &format!("{name}.flagged"), flagged as f64);
    put_share(figures, &format!("{name}.kept"), kept, group.len());
    put_share(figures, &format!("{name}.recall"), before, broken);
    put_share(figures, &format!("{name}.precision"), both, flagged);
    let minutes = group.iter().filter(|one| one.broke()).filter_map(|one| one.minutes());
    if let Some(median) = median(minutes.collect()) {
        put(figures, &format!("{name}.minutes"), median);
    }
}

/// What remedies did, order by order against the arm that only watched.
pub(super) fn saved(watch: &Outcome, save: &Outcome) -> Figures {
    let mut figures = Figures::new();
    let kept = |outcome: &Outcome, kept: fn(&Followed) -> bool| {
        let kept = outcome.promises.values().filter(|one| kept(one)).count();
        kept as f64 / outcome.promises.len().max(1) as f64
    };
    let first = kept(save, Followed::kept_first);
    let current = kept(save, |one| one.kept == Some(true));
    put(&mut figures, "save.kept_first", first);
    put(&mut figures, "save.kept_current", current);
    put(&mut figures, "save.gain_first", first - kept(watch, Followed::kept_first));
    put(&mut figures, "save.gain_current", current - kept(watch, |one| one.kept == Some(true)));
    let pairs =
        || watch.promises.iter().filter_map(|(order, before)| Some((before, save.promises.get(order)?)));
    let saved = pairs().filter(|(before, after)| !before.kept_first() && after.kept_first()).count();
    let lost = pairs().filter(|(before, after)| before.kept_first() && !after.kept_first()).count();
    let moved = pairs()
        .filter(|(before, after)| !before.kept_first() && !after.kept_first() && after.kept == Some(true));
    put(&mut figures, "save.saved", saved as f64);
    put(&mut figures, "save.lost", lost as f64);
    put(&mut figures, "save.new_date_kept", moved.count() as f64);
    let remedies = || save.promises.values().flat_map(|one| &one.remedies);
    put(&mut figures, "save.remedies", remedies().count() as f64);
    put(&mut figures, "save.not_remedied", save.not_remedied as f64);
    for remedy in remedies() {
        *figures.entry(format!("remedy.{}", remedy.kind.name())).or_default() += 1.0;
    }
    let cost: i64 = remedies().filter_map(|remedy| remedy.cost).map(|cost| cost.minor).sum();
    put(&mut figures, "save.cost", cost as f64);
    if saved > lost {
        put(&mut figures, "save.cost_per_save", cost as f64 / (saved - lost) as f64);
    }
    figures
}

/// What the check said of a campaign before it began.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Forecast {
    /// Orders that are expected, and those of them for which everything is there.
    pub wanted: f64,
    pub promised: f64,
    /// The largest number of orders that is feasible.
    pub allowed: f64,
    /// That a promise for which everything is there is kept.
    pub kept_if_booked: f64,
}

/// How a campaign's promises fared, beside what was foretold.
pub(super) fn of_campaign(name: &str, outcome: &Outcome, forecast: &Forecast) -> Figures {
    let mut figures = Figures::new();
    let (own, others): (Vec<&Followed>, Vec<&Followed>) =
        outcome.promises.values().partition(|one| one.claimed);
    let kept = |group: &[&Followed]| group.iter().filter(|one| one.kept == Some(true)).count();
    let booked = own.iter().filter(|one| one.booked).count();
    put(&mut figures, &format!("{name}.size"), forecast.wanted);
    put(&mut figures, &format!("{name}.orders"), own.len() as f64);
    put_share(&mut figures, &format!("{name}.booked"), booked, own.len());
    put_share(&mut figures, &format!("{name}.kept"), kept(&own), own.len());
    put_share(&mut figures, &format!("{name}.others_kept"), kept(&others), others.len());
    if forecast.wanted > 0.0 {
        let share = forecast.promised / forecast.wanted;
        put(&mut figures, &format!("{name}.forecast_booked"), share);
        put(&mut figures, &format!("{name}.forecast_kept"), share * forecast.kept_if_booked);
    }
    if let (Some(kept), Some(foretold)) =
        (figures.get(&format!("{name}.kept")), figures.get(&format!("{name}.forecast_kept")))
    {
        let off = kept - foretold;
        put(&mut figures, &format!("{name}.off"), off);
    }
    figures
}

/// Whether the engine's verdicts are those of the world, which knows when everything arrived.
pub(super) fn disagreements(outcome: &Outcome) -> usize {
    let truly =
        |one: &Followed| one.truth.and_then(|truth| truth.delivered_at).is_some_and(|at: Time| at <= one.due);
    outcome.promises.values().filter(|one| one.kept != Some(truly(one))).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_is_students() {
        let estimate = Estimate::of(&[1.0, 2.0, 3.0, 4.0]).unwrap();
        let (low, high) = estimate.interval.unwrap();
        // s = 1.29099, t(3) = 3.182, half = 3.182 × 1.29099 / 2.
        assert!((estimate.mean - 2.5).abs() < 1e-12 && (high - low - 4.107_93).abs() < 1e-4, "{estimate:?}");
        assert_eq!(Estimate::of(&[1.0]).unwrap().interval, None);
        assert_eq!(Estimate::of(&[]), None);
        assert_eq!(median(vec![3.0, 1.0, 2.0, 10.0]), Some(2.5));
        assert_eq!(median(Vec::new()), None);
    }
}
