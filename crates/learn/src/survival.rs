//! How long things take while some of them are not over yet.

use crate::Quantiles;

/// One spell: watched from `from`, and at `to` it either ended or went out of sight. All on one scale of age.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spell {
    /// The age at which it came under watch; −∞ (or any age before all ends) for its whole life.
    pub from: f64,
    pub to: f64,
    /// Whether it ended at `to`; else it had not ended by then.
    pub ended: bool,
}

/// The distribution of the age at which spells end: the product-limit estimate of Kaplan and Meier (1958) with
/// delayed entry, so that it may be taken of one period of the calendar (a period life table).
///
/// One spell more than there is is counted at risk, which never ends. Where all ends are seen, the k-th of n then
/// stands at k / (n + 1): the rank with which split conformal prediction keeps its coverage in small samples.
/// `None` without an end. At most `most` points.
pub fn product_limit(spells: &[Spell], most: usize) -> Option<Quantiles> {
    let mut entries: Vec<f64> = spells.iter().filter(|s| s.from < s.to).map(|s| s.from).collect();
    let mut exits: Vec<(f64, bool)> =
        spells.iter().filter(|s| s.from < s.to).map(|s| (s.to, s.ended)).collect();
    entries.sort_by(f64::total_cmp);
    exits.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut points = Vec::new();
    let (mut entered, mut left, mut alive) = (0, 0, 1.0);
    for tied in exits.chunk_by(|a, b| a.0 == b.0) {
        let age = tied[0].0;
        while entered < entries.len() && entries[entered] < age {
            entered += 1;
        }
        let ends = tied.iter().filter(|exit| exit.1).count();
        if ends > 0 && age.is_finite() {
            let at_risk = (entered - left) as f64 + 1.0;
            alive *= 1.0 - ends as f64 / at_risk;
            points.push((1.0 - alive, age));
        }
        left += tied.len();
    }
    let (count, most) = (points.len(), most.max(2));
    if count > most {
        points = (0..most).map(|k| points[k * (count - 1) / (most - 1)]).collect();
    }
    // Rounding may let two neighbours fall on one probability.
    points.dedup_by(|later, earlier| later.0 <= earlier.0);
    Quantiles::new(points).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn whole(to: f64, ended: bool) -> Spell {
        Spell { from: f64::NEG_INFINITY, to, ended }
    }

    #[test]
    fn ends_that_are_all_seen_stand_at_their_ranks() {
        let curve = product_limit(&[whole(3.0, true), whole(1.0, true), whole(2.0, true)], 99).unwrap();
        for (point, expected) in curve.points().iter().zip([(0.25, 1.0), (0.5, 2.0), (0.75, 3.0)]) {
            assert!((point.0 - expected.0).abs() < 1e-12 && point.1 == expected.1);
        }
    }

    #[test]
    fn without_an_end_nothing_is_known() {
        assert_eq!(product_limit(&[], 9), None);
        assert_eq!(product_limit(&[whole(3.0, false), whole(5.0, false)], 9), None);
        let one = product_limit(&[whole(3.0, true)], 9).unwrap();
        assert_eq!(one.points(), [(0.5, 3.0)]);
    }

    #[test]
    fn who_is_still_waiting_makes_it_longer() {
        let ended: Vec<Spell> = (1..=50).map(|age| whole(f64::from(age), true)).collect();
        let mut waiting = ended.clone();
        waiting.extend((1..=50).map(|_| whole(25.0, false)));
        let (short, long) = (product_limit(&ended, 99).unwrap(), product_limit(&waiting, 99).unwrap());
        assert!(long.quantile(0.5) > short.quantile(0.5));
    }

    proptest! {
        #[test]
        fn a_late_entry_leaves_the_law_as_it_is(seed in 0_u64..200) {
            // Uniform ages on 0..100, of which one in two is watched only from a random age on.
            let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0x51;
            let mut next = || {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (state >> 33) as f64 / (1_u64 << 31) as f64
            };
            let spells: Vec<Spell> = (0..4000)
                .map(|i| {
                    let from = if i % 2 == 0 { f64::NEG_INFINITY } else { 60.0 * next() };
                    Spell { from, to: 100.0 * next(), ended: true }
                })
                .filter(|spell| spell.from < spell.to)
                .collect();
            let curve = product_limit(&spells, 201).unwrap();
            for p in [0.1, 0.5, 0.9] {
                prop_assert!((curve.quantile(p) - 100.0 * p).abs() < 6.0, "{p}: {}", curve.quantile(p));
            }
        }
    }
}
