//! Forecasts of when things run empty: over simulated homes they cover what they say, and they come nearer than
//! straight lines do.

mod homes;

use homes::Home;
use learn::depletion::{DepletionError, History, Level, Prior, Purchases};

use super::chance::Chance;
use super::scale::scaled;

/// Levels at which a forecast is made.
const AT: [f64; 4] = [0.6, 0.4, 0.25, 0.15];

#[derive(Default, Debug)]
struct Score {
    count: f64,
    covered: f64,
    /// Sums of absolute errors, in units of the time that a filling lasts: so slow homes do not outweigh all others.
    ours: f64,
    /// Of the straight line from the last filling to now.
    line: f64,
    /// Of the line through the last two readings.
    two: f64,
}

fn run(prior: &Prior, home: &Home, chance: &mut Chance, score: &mut Score) {
    let mut level = Level::new(prior);
    let mut first: Option<(f64, f64, usize)> = None;
    let mut last: Option<(f64, f64)> = None;
    let mut next = 0;
    for (i, reading) in home.readings.iter().enumerate() {
        level.observe(prior, reading.day, reading.told).unwrap();
        let before = last.replace((reading.day, reading.told));
        if first.is_none_or(|(.., filling)| filling != reading.filling) {
            first = Some((reading.day, reading.told, reading.filling));
            next = 0;
            continue;
        }
        if next >= AT.len() || reading.left > AT[next] {
            continue;
        }
        while next < AT.len() && reading.left <= AT[next] {
            next += 1;
        }
        let (Some((day, told, _)), Some((day_before, told_before))) = (first, before) else { continue };
        if reading.left < 0.07 {
            continue;
        }
        let gap = home.readings.get(i + 1).map_or(1.0, |next| next.day - reading.day);
        let now = reading.day + gap * chance.even() * 0.9;
        let truth = home.lasts(reading, now);
        let forecast = level.runs_empty(prior, now, 0.0).unwrap();
        let along = |rate: f64| (reading.told / rate.max(1.0 / 2000.0) - (now - reading.day)).max(0.0);
        let line = along((told - reading.told) / (reading.day - day));
        let two = along((told_before - reading.told) / (reading.day - day_before));
        let at = forecast.probability_within(truth);
        // What is empty already has a probability of its own.
        let at = if truth == 0.0 { at * chance.even() } else { at };
        score.count += 1.0;
        score.covered += f64::from((0.1..=0.9).contains(&at));
        score.ours += (forecast.quantile(0.5) - truth).abs() * home.rate;
        score.line += (line - truth).abs() * home.rate;
        score.two += (two - truth).abs() * home.rate;
    }
}

/// Homes and offices of all manners: rates over two orders of magnitude, weekends, bursts, noise of 1 to 5 %, coarse
/// readings, gaps, vacations, changes of use.
#[test]
fn over_all_manners_of_use_the_interval_covers_what_it_says_and_beats_straight_lines() {
    let mut chance = Chance::new(99);
    let histories: Vec<History> = (0..scaled(60, 100, 100))
        .map(|_| {
            let manner = homes::any(&mut chance);
            let home = Home::new(&mut chance, &manner, 4);
            let readings = home.readings.iter().map(|reading| (reading.day, reading.told)).collect();
            History { readings, ..History::default() }
        })
        .collect();
    let prior = Prior::fit(&histories).unwrap();
    let mut chance = Chance::new(7);
    let mut score = Score::default();
    for _ in 0..scaled(60, 300, 1_000) {
        let manner = homes::any(&mut chance);
        run(&prior, &Home::new(&mut chance, &manner, 5), &mut chance, &mut score);
    }
    let covered = score.covered / score.count;
    println!(
        "depletion: {} forecasts, the 80 % interval covers {covered:.3}; mean error {:.3} of the line's, {:.3} of the last two readings'",
        score.count,
        score.ours / score.line,
        score.ours / score.two
    );
    assert!((0.75..=0.85).contains(&covered), "{covered}");
    assert!(score.ours < score.line && score.ours < score.two, "{score:?}");
}

#[test]
fn less_that_is_left_is_empty_sooner() {
    let prior = Prior::default();
    let days_left = |now: f64| {
        let mut level = Level::new(&prior);
        for day in 0..10 {
            level.observe(&prior, f64::from(day), 1.0 - 0.02 * f64::from(day)).unwrap();
        }
        level.observe(&prior, 10.0, now).unwrap();
        level.runs_empty(&prior, 10.0, 0.0).unwrap().quantile(0.5)
    };
    let left: Vec<f64> = [0.8, 0.7, 0.6].map(days_left).to_vec();
    assert!(left.windows(2).all(|pair| pair[1] < pair[0]), "{left:?}");
}

#[test]
fn what_cannot_be_reckoned_with_is_refused_by_name() {
    let prior = Prior::default();
    let mut level = Level::new(&prior);
    assert_eq!(level.runs_empty(&prior, 0.0, 0.0), Err(DepletionError::NothingSeen));
    assert!(level.observe(&prior, f64::NAN, 0.5).is_err());
    assert!(level.observe(&prior, 0.0, f64::INFINITY).is_err());
    level.observe(&prior, 5.0, 0.5).unwrap();
    assert_eq!(level.runs_empty(&prior, 4.0, 0.0), Err(DepletionError::Before));
    // One reading, and many that say the same, still have a finite forecast.
    for day in 6..60 {
        level.observe(&prior, f64::from(day), 0.5).unwrap();
        let forecast = level.runs_empty(&prior, f64::from(day), 0.0).unwrap();
        assert!(forecast.quantile(0.5).is_finite() && forecast.quantile(0.5) > 0.0);
    }
}

#[test]
fn two_at_once_last_longer_than_one() {
    let prior = Prior::default();
    let after = |units: f64| {
        let mut purchases = Purchases::new(&prior);
        for month in 0..8 {
            purchases.bought(&prior, 30.0 * f64::from(month), 1.0).unwrap();
        }
        purchases.bought(&prior, 240.0, units).unwrap();
        purchases.runs_empty(&prior, 240.0).unwrap().quantile(0.5)
    };
    let (one, two) = (after(1.0), after(2.0));
    assert!((20.0..=40.0).contains(&one), "{one}");
    assert!(two > 1.6 * one, "{one} {two}");
}
