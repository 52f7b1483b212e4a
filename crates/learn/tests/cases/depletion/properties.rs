//! What must hold for any readings and purchases.

use learn::depletion::*;
use proptest::prelude::*;

use crate::cases::scale::config;

/// A device that is used evenly, read once a day and told in steps of 1 %.
fn followed(prior: &Prior, per_day: f64, days: u32) -> Level {
    let mut level = Level::new(prior);
    for day in 0..days {
        let day = f64::from(day);
        let told = prior.full * (100.0 * (1.0 - per_day * day)).round() / 100.0;
        assert_ne!(level.observe(prior, day, told), Ok(Seen::Stale));
    }
    level
}

/// The same population with levels and times in other units.
fn in_units(prior: &Prior, level: f64, time: f64) -> Prior {
    let mut prior = prior.clone();
    prior.full *= level;
    prior.rate.typical *= level / time;
    for kind in &mut prior.kinds {
        kind.burst *= time;
        kind.noise *= level;
        kind.drift /= time;
    }
    prior.unit_days.typical *= time;
    prior.habits.iter_mut().for_each(|habit| habit.drift /= time);
    prior
}

fn near(found: f64, known: f64, share: f64) -> bool {
    (found - known).abs() <= share * known.abs().max(1e-9)
}

fn sound(forecast: &Forecast) {
    let told = [0.0, 0.01, 0.1, 0.5, 0.9, 0.99, 1.0].map(|p| forecast.quantile(p));
    assert!(told.iter().all(|days| days.is_finite() && *days >= 0.0), "{told:?}");
    assert!(told.windows(2).all(|w| w[0] <= w[1]), "{told:?}");
    let within = [0.0, 1.0, 30.0, 1e4, f64::MAX].map(|days| forecast.probability_within(days));
    assert!(within.windows(2).all(|w| w[0] <= w[1]) && within.iter().all(|p| (0.0..=1.0).contains(p)));
    assert!(forecast.mean().is_finite() && forecast.rate.iter().all(|rate| *rate > 0.0 && rate.is_finite()));
    assert!(forecast.rate[0] <= forecast.rate[1] && forecast.rate[1] <= forecast.rate[2]);
}

#[test]
fn even_use_is_continued() {
    let prior = Prior::default();
    let level = followed(&prior, 0.01, 71);
    let forecast = level.runs_empty(&prior, 70.0, 0.0).unwrap();
    assert!(near(forecast.median(), 30.0, 0.1), "{}", forecast.median());
    assert!(near(forecast.rate[1], 0.01, 0.1), "{:?}", forecast.rate);
    // Ten days on without a word it is ten days less, and a little less sure.
    let later = level.runs_empty(&prior, 80.0, 0.0).unwrap();
    assert!(near(later.median(), forecast.median() - 10.0, 0.05), "{} {}", later.median(), forecast.median());
    // With a fifth as empty it is so sooner.
    let reserve = level.runs_empty(&prior, 70.0, 0.2).unwrap();
    assert!(near(reserve.median(), 10.0, 0.2), "{}", reserve.median());
    assert!(level.runs_empty(&prior, 70.0, 0.35).unwrap().probability_within(0.0) > 0.95);
    assert_eq!(level.runs_empty(&prior, 69.0, 0.0), Err(DepletionError::Before));
}

#[test]
fn a_new_one_is_told_from_use_and_from_errors() {
    let prior = Prior::default();
    let mut level = followed(&prior, 0.01, 81);
    assert_eq!(level.observe(&prior, 81.0, 1.0), Ok(Seen::Replaced));
    assert_eq!(level.observe(&prior, 82.0, 0.99), Ok(Seen::Usual));
    let forecast = level.runs_empty(&prior, 82.0, 0.0).unwrap();
    assert!(near(forecast.median(), 99.0, 0.1), "{}", forecast.median());
    // Odd readings are put aside; one that the next confirms was of another content.
    let mut odd = followed(&prior, 0.01, 81);
    let untouched = odd.runs_empty(&prior, 80.0, 0.0).unwrap();
    assert_eq!(odd.observe(&prior, 81.0, 0.6), Ok(Seen::Outlier));
    let aside = odd.runs_empty(&prior, 81.0, 0.0).unwrap();
    assert!(near(aside.median(), untouched.median() - 1.0, 0.05));
    let mut refilled = odd.clone();
    assert_eq!(odd.observe(&prior, 82.0, 0.18), Ok(Seen::Usual));
    assert!(near(odd.runs_empty(&prior, 82.0, 0.0).unwrap().median(), 18.0, 0.2));
    assert_eq!(refilled.observe(&prior, 82.0, 0.59), Ok(Seen::Replaced));
    assert!(near(refilled.runs_empty(&prior, 82.0, 0.0).unwrap().median(), 59.0, 0.15));
    // A fall that hardly can be is put aside but feared, and forgotten if it was none.
    let mut fell = followed(&prior, 0.01, 31);
    assert_eq!(fell.observe(&prior, 31.0, 0.0), Ok(Seen::Outlier));
    assert!(fell.runs_empty(&prior, 31.0, 0.0).unwrap().median() < 3.0);
    assert_eq!(fell.observe(&prior, 32.0, 0.68), Ok(Seen::Usual));
    assert!(near(fell.runs_empty(&prior, 32.0, 0.0).unwrap().median(), 68.0, 0.1));
    // What is known from elsewhere.
    let mut told = followed(&prior, 0.01, 81);
    assert_eq!(told.replaced(&prior, 80.5), Ok(Seen::Replaced));
    assert_eq!(told.replaced(&prior, 80.0), Ok(Seen::Stale));
    assert_eq!(told.observe(&prior, 80.2, 0.2), Ok(Seen::Stale));
    assert!(near(told.runs_empty(&prior, 80.5, 0.0).unwrap().median(), 100.0, 0.1));
    assert_eq!(told.observe(&prior, 81.0, 1.0), Ok(Seen::Usual));
}

#[test]
fn silence_is_long_for_whom_it_is() {
    let prior = Prior::default();
    let mut level = Level::new(&prior);
    assert_eq!((level.silence(1000.0), level.is_silent(1000.0)), (None, false));
    for day in [0.0, 7.0, 14.0, 21.0] {
        level.observe(&prior, day, 1.0 - 0.01 * day).unwrap();
    }
    assert_eq!((level.silence(50.0), level.silence(60.0)), (None, Some(39.0)));
    assert!(level.is_silent(60.0) && !followed(&prior, 0.01, 30).is_silent(33.0));
    // The longer nothing is heard, the less is sure.
    let spread = |now: f64| {
        let forecast = level.runs_empty(&prior, now, 0.0).unwrap();
        (forecast.probability_within(0.0), forecast.rate[2] / forecast.rate[0])
    };
    let (soon, late) = (spread(25.0), spread(100.0));
    assert!(late.0 > soon.0 && late.1 > soon.1, "{soon:?} {late:?}");
}

#[test]
fn what_hardly_moves_lasts() {
    let prior = Prior::default();
    let mut level = Level::new(&prior);
    for day in 0..300 {
        assert_eq!(level.observe(&prior, f64::from(day), 0.8), Ok(Seen::Usual));
    }
    let forecast = level.runs_empty(&prior, 299.0, 0.0).unwrap();
    sound(&forecast);
    assert!(forecast.quantile(0.1) > 300.0, "{}", forecast.quantile(0.1));
    // One reading says no more than the population.
    let mut one = Level::new(&prior);
    one.observe(&prior, 5.0, 0.5).unwrap();
    let forecast = one.runs_empty(&prior, 5.0, 0.0).unwrap();
    sound(&forecast);
    assert!(forecast.quantile(0.9) > 10.0 * forecast.quantile(0.1));
    assert_eq!(Level::new(&prior).runs_empty(&prior, 0.0, 0.0), Err(DepletionError::NothingSeen));
}

#[test]
fn what_is_no_number_is_refused_and_changes_nothing() {
    let prior = Prior::default();
    let mut level = followed(&prior, 0.01, 20);
    let mut purchases = Purchases::new(&prior);
    purchases.bought(&prior, 3.0, 1.0).unwrap();
    let (kept, bought) = (level.clone(), purchases.clone());
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e300] {
        assert!(level.observe(&prior, bad, 0.5).is_err() && level.observe(&prior, 30.0, bad).is_err());
        assert!(level.replaced(&prior, bad).is_err());
        assert!(level.runs_empty(&prior, bad, 0.0).is_err() && level.runs_empty(&prior, 30.0, bad).is_err());
        assert!(purchases.bought(&prior, bad, 1.0).is_err() && purchases.bought(&prior, 9.0, bad).is_err());
        assert!(purchases.runs_empty(&prior, bad).is_err());
    }
    for units in [0.0, -1.0] {
        assert_eq!(purchases.bought(&prior, 9.0, units), Err(DepletionError::NoUnits(units)));
    }
    assert_eq!((level, purchases), (kept, bought));
}

#[test]
fn purchases_by_hand() {
    let prior = Prior::default();
    assert_eq!(Purchases::new(&prior).runs_empty(&prior, 0.0), Err(DepletionError::NothingSeen));
    let mut every_month = Purchases::new(&prior);
    for i in 0..12 {
        assert_eq!(every_month.bought(&prior, 30.0 * f64::from(i), 1.0), Ok(true));
    }
    assert_eq!(every_month.bought(&prior, 300.0, 1.0), Ok(false));
    let forecast = every_month.runs_empty(&prior, 330.0).unwrap();
    assert!(near(forecast.median(), 30.0, 0.05) && near(forecast.rate[1], 1.0 / 30.0, 0.05));
    // Two last twice as long, also if they come as two purchases, and what still lasts may last longer.
    let mut two = every_month.clone();
    two.bought(&prior, 360.0, 2.0).unwrap();
    assert!(near(two.runs_empty(&prior, 360.0).unwrap().median(), 60.0, 0.05));
    let mut parted = every_month.clone();
    parted.bought(&prior, 360.0, 1.0).unwrap();
    parted.bought(&prior, 361.0, 1.0).unwrap();
    assert!(near(parted.runs_empty(&prior, 361.0).unwrap().median(), 59.0, 0.05));
    let late = every_month.runs_empty(&prior, 390.0).unwrap();
    assert!(late.median() > 1.0 && late.rate[1] < forecast.rate[1]);
    sound(&every_month.runs_empty(&prior, 1e7).unwrap());
    assert_eq!(every_month.runs_empty(&prior, 329.0), Err(DepletionError::Before));
}

#[test]
fn states_and_priors_come_back_from_a_store_as_they_were() {
    let prior = Prior::default();
    let level = followed(&prior, 0.013, 40);
    let mut purchases = Purchases::new(&prior);
    purchases.bought(&prior, 3.0, 1.5).unwrap();
    let back: Level = serde_json::from_str(&serde_json::to_string(&level).unwrap()).unwrap();
    assert_eq!(back, level);
    let back: Purchases = serde_json::from_str(&serde_json::to_string(&purchases).unwrap()).unwrap();
    assert_eq!(back, purchases);
    let mut stored = serde_json::to_value(&prior).unwrap();
    assert_eq!(serde_json::from_value::<Prior>(stored.clone()).unwrap(), prior);
    stored["version"] = 2.into();
    let refused = serde_json::from_value::<Prior>(stored.clone()).unwrap_err().to_string();
    assert!(refused.contains("version 2"), "{refused}");
    stored["version"] = 1.into();
    stored["kinds"][0]["noise"] = (-1.0).into();
    let refused = serde_json::from_value::<Prior>(stored).unwrap_err().to_string();
    assert!(refused.contains("noise"), "{refused}");
}

#[test]
fn a_prior_is_learnt_from_little_or_not_at_all() {
    assert_eq!(Prior::fit(&[]), Err(DepletionError::NothingToLearn));
    let few = History { readings: vec![(0.0, 1.0)], purchases: vec![(0.0, 1.0)], ..History::default() };
    assert_eq!(Prior::fit(&[few.clone(), few]), Err(DepletionError::NothingToLearn));
    let constant = History { readings: (0..50).map(|d| (f64::from(d), 0.5)).collect(), ..History::default() };
    let alike = History {
        readings: (0..90).map(|d| (f64::from(d), 1.0 - 0.01 * f64::from(d))).collect(),
        replaced: vec![0.0],
        purchases: (0..9).map(|i| (100.0 * f64::from(i), 1.0)).collect(),
    };
    let at_once = History { purchases: vec![(1.0, 1.0); 5], ..History::default() };
    for histories in [vec![constant; 20], vec![alike.clone(); 20], vec![alike.clone()], vec![at_once]] {
        let prior = Prior::fit(&histories).unwrap();
        prior.check().unwrap();
        sound(&followed(&prior, 0.01, 30).runs_empty(&prior, 30.0, 0.0).unwrap());
    }
    let prior = Prior::fit(&vec![alike.clone(); 20]).unwrap();
    assert!(near(prior.rate.typical, 0.01, 0.3) && near(prior.unit_days.typical, 100.0, 0.3), "{prior:?}");
    // Whoever is new is then taken for one like all others.
    let mut new = Level::new(&prior);
    new.observe(&prior, 0.0, 1.0).unwrap();
    let forecast = new.runs_empty(&prior, 0.0, 0.0).unwrap();
    assert!(forecast.quantile(0.1) > 40.0 && forecast.quantile(0.9) < 250.0, "{:?}", forecast.days);
    let bad = History { readings: vec![(0.0, 1.0), (1.0, f64::NAN), (2.0, 0.9)], ..History::default() };
    assert!(matches!(Prior::fit(&[alike, bad]), Err(DepletionError::NotALevel { .. })));
}

fn readings() -> impl Strategy<Value = Vec<(f64, f64)>> {
    let step = prop_oneof![Just(0.0), 0.001..40.0_f64, 100.0..5000.0_f64];
    let told = prop_oneof![
        0.0..1.0_f64,
        (0..=10_u8).prop_map(|l| f64::from(l) / 10.0),
        Just(0.0),
        Just(1.0),
        -0.2..3.0_f64
    ];
    prop::collection::vec((step, told), 1..60).prop_map(|steps| {
        let mut day = 0.0;
        let at = |(step, told)| {
            day += step;
            (day, told)
        };
        steps.into_iter().map(at).collect()
    })
}

proptest! {
    #![proptest_config(config(48, 1000, 20_000))]

    #[test]
    fn nothing_breaks_it(readings in readings(), exchanged in 0..60_usize, ahead in 0.0..1e5_f64, empty_at in -0.1..1.1_f64) {
        let prior = Prior::default();
        let mut level = Level::new(&prior);
        for (i, (day, told)) in readings.iter().enumerate() {
            level.observe(&prior, *day, *told).unwrap();
            if i == exchanged {
                level.replaced(&prior, *day).unwrap();
            }
        }
        let now = readings[readings.len() - 1].0 + ahead;
        sound(&level.runs_empty(&prior, now, empty_at).unwrap());
        let stored = serde_json::to_string(&level).unwrap();
        prop_assert!(!stored.contains("null,\"shape") && stored.len() < 8000, "{stored}");
    }

    #[test]
    fn nothing_breaks_purchases(
        steps in prop::collection::vec((prop_oneof![Just(0.0), 0.01..500.0_f64], prop_oneof![Just(1.0), 0.01..50.0_f64]), 1..40),
        ahead in 0.0..1e5_f64,
    ) {
        let prior = Prior::default();
        let mut state = Purchases::new(&prior);
        let mut day = 0.0;
        for (step, units) in steps {
            day += step;
            prop_assert!(state.bought(&prior, day, units).unwrap());
        }
        sound(&state.runs_empty(&prior, day + ahead).unwrap());
    }

    #[test]
    fn less_is_empty_sooner(per_day in 0.002..0.03_f64, days in 5..25_u32, less in 0.0..0.1_f64) {
        let prior = Prior::default();
        let level = followed(&prior, per_day, days);
        let (now, told) = (f64::from(days), 1.0 - per_day * f64::from(days));
        let mut fuller = level.clone();
        let mut emptier = level.clone();
        fuller.observe(&prior, now, told).unwrap();
        emptier.observe(&prior, now, told - less).unwrap();
        let (full, empty) = (fuller.runs_empty(&prior, now, 0.0).unwrap(), emptier.runs_empty(&prior, now, 0.0).unwrap());
        prop_assert!(empty.median() <= full.median() * 1.001, "{} {}", empty.median(), full.median());
        let reserve = fuller.runs_empty(&prior, now, less).unwrap();
        for p in [0.1, 0.5, 0.9] {
            prop_assert!(reserve.quantile(p) <= full.quantile(p) * 1.001);
        }
    }

    #[test]
    fn units_of_level_and_time_do_not_matter(readings in readings(), level in 0.01..1000.0_f64, time in 0.04..30.0_f64) {
        let prior = Prior::default();
        let other = in_units(&prior, level, time);
        let (mut here, mut there) = (Level::new(&prior), Level::new(&other));
        for (day, told) in &readings {
            let seen = here.observe(&prior, *day, *told).unwrap();
            prop_assert_eq!(there.observe(&other, day * time, told * level).unwrap(), seen);
        }
        let now = readings[readings.len() - 1].0 + 1.0;
        let here = here.runs_empty(&prior, now, 0.1).unwrap();
        let there = there.runs_empty(&other, now * time, 0.1 * level).unwrap();
        prop_assert!((here.probability_within(0.0) - there.probability_within(0.0)).abs() < 1e-3);
        for p in [0.1, 0.5, 0.9] {
            let (found, known) = (there.quantile(p) / time, here.quantile(p));
            prop_assert!(near(found, known, 0.01) || (found - known).abs() < 0.01, "{p}: {found} {known}");
        }
    }

    #[test]
    fn of_equal_days_the_order_hardly_matters(per_day in 0.005..0.02_f64, days in 10..30_u32, a in -0.02..0.02_f64, b in -0.02..0.02_f64) {
        let prior = Prior::default();
        let (now, told) = (f64::from(days), 1.0 - per_day * f64::from(days));
        let median = |readings: [f64; 2]| {
            let mut level = followed(&prior, per_day, days);
            for off in readings {
                level.observe(&prior, now, told + off).unwrap();
            }
            level.runs_empty(&prior, now, 0.0).unwrap().median()
        };
        let (one, other) = (median([a, b]), median([b, a]));
        prop_assert!(near(one, other, 0.1), "{one} {other}");
    }
}
