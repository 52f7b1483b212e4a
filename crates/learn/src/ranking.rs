//! How well scores put some cases before others, and how well probabilities say how often.

/// The area under the ROC curve: the probability that a case that is true has a higher score than one that is not,
/// ties counting half (Mann and Whitney 1947). `None` where all cases are of one kind. Scores must not be NaN.
pub fn auc(cases: impl IntoIterator<Item = (f64, bool)>) -> Option<f64> {
    let mut cases: Vec<(f64, bool)> = cases.into_iter().collect();
    cases.sort_by(|a, b| a.0.total_cmp(&b.0));
    let positives = cases.iter().filter(|case| case.1).count() as f64;
    let negatives = cases.len() as f64 - positives;
    if positives == 0.0 || negatives == 0.0 {
        return None;
    }
    let mut below = 0.0;
    let mut won = 0.0;
    for tied in cases.chunk_by(|a, b| a.0 == b.0) {
        let yes = tied.iter().filter(|case| case.1).count() as f64;
        let no = tied.len() as f64 - yes;
        won += yes * (below + no / 2.0);
        below += no;
    }
    Some(won / (positives * negatives))
}

/// The expected calibration error over `bins` equal bins of the stated probability: Σ_b (n_b / N) |share_b − p̄_b|,
/// where share_b of the bin's cases came true and p̄_b was stated on average. 0 without a case.
pub fn calibration_error(cases: &[(f64, bool)], bins: usize) -> f64 {
    let bins = bins.max(1);
    let mut sums = vec![(0.0, 0.0); bins];
    for (stated, came_true) in cases {
        let bin = ((stated * bins as f64) as usize).min(bins - 1);
        sums[bin].0 += stated;
        sums[bin].1 += f64::from(u8::from(*came_true));
    }
    let gaps: f64 = sums.iter().map(|(stated, came_true)| (stated - came_true).abs()).sum();
    gaps / cases.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn auc_counts_pairs() {
        let cases = [(0.1, false), (0.4, true), (0.4, false), (0.8, true)];
        // Of four pairs three are in order and one is tied.
        assert_eq!(auc(cases), Some(3.5 / 4.0));
        assert_eq!(auc([(1.0, true), (2.0, true)]), None);
        assert_eq!(auc([]), None);
    }

    #[test]
    fn calibration_is_the_mean_gap_of_the_bins() {
        let cases = [(0.95, true), (0.95, true), (0.95, false), (0.95, true), (0.15, false)];
        let expected = (4.0 * (0.95_f64 - 0.75).abs() + 0.15) / 5.0;
        assert!((calibration_error(&cases, 10) - expected).abs() < 1e-12);
        assert_eq!(calibration_error(&[], 10), 0.0);
        assert_eq!(calibration_error(&[(1.0, true)], 10), 0.0);
    }
}
