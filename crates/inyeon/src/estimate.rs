//! Figures of simulated worlds over seeds: means with their intervals.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::error::Failure;

/// The figures of one seed by their names; one that is not defined for it is not there.
pub(crate) type Figures = BTreeMap<String, f64>;

/// A mean over seeds with its 95 % interval by Student's t.
#[derive(Clone, Copy, PartialEq, Debug, Serialize)]
pub(crate) struct Estimate {
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
    pub(crate) fn of(values: &[f64]) -> Option<Self> {
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
pub(crate) fn over_seeds(seeds: &[Figures]) -> BTreeMap<String, Estimate> {
    let mut values: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for (name, value) in seeds.iter().flatten() {
        values.entry(name).or_default().push(*value);
    }
    let estimate = |(name, values): (&str, Vec<f64>)| Some((name.to_owned(), Estimate::of(&values)?));
    values.into_iter().filter_map(estimate).collect()
}

pub(crate) fn put(figures: &mut Figures, name: &str, value: f64) {
    figures.insert(name.to_owned(), value);
}

/// A share, where there is anything to have a share of.
pub(crate) fn put_share(figures: &mut Figures, name: &str, part: usize, of: usize) {
    if of > 0 {
        put(figures, name, part as f64 / of as f64);
    }
}

/// The middle one, or the mean of the two in the middle.
pub(crate) fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    Some(if values.len().is_multiple_of(2) {
        (values.get(middle.checked_sub(1)?)? + values.get(middle)?) / 2.0
    } else {
        *values.get(middle)?
    })
}

/// Lives through seeds 1 to `seeds`, each a world of its own, so that which thread lives through it changes nothing.
pub(crate) fn by_seed<T: Send>(
    seeds: u32,
    one: impl Fn(u64) -> Result<T, Failure> + Sync,
) -> Result<Vec<T>, Failure> {
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get() as u32).min(seeds.max(1));
    let mut by_seed: Vec<(u32, T)> = std::thread::scope(|scope| {
        let one = &one;
        let share = |first: u32| (first..=seeds).step_by(threads as usize);
        let live = |first| {
            move || {
                share(first).map(|seed| Ok((seed, one(seed.into())?))).collect::<Result<Vec<_>, Failure>>()
            }
        };
        let all: Vec<_> = (1..=threads).map(|first| scope.spawn(live(first))).collect();
        let joined = all.into_iter().map(|thread| match thread.join() {
            Ok(figures) => figures,
            Err(panic) => std::panic::resume_unwind(panic),
        });
        joined.collect::<Result<Vec<Vec<_>>, Failure>>()
    })?
    .into_iter()
    .flatten()
    .collect();
    by_seed.sort_by_key(|(seed, _)| *seed);
    Ok(by_seed.into_iter().map(|(_, figures)| figures).collect())
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
