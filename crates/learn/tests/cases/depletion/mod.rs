//! Forecasts of when things run empty: over simulated homes they cover what they say, and they come nearer than
//! straight lines do.

mod homes;

use homes::{Home, Manner, STEADY};
use learn::depletion::*;

use super::chance::Chance;
use super::scale::scaled;

#[derive(Default, Clone, Copy, Debug)]
struct Score {
    count: f64,
    covered: f64,
    below: f64,
    above: f64,
    ours: f64,
    line: f64,
    two: f64,
}

fn run(prior: &Prior, home: &Home, chance: &mut Chance, score: &mut Score) {
    let mut level = Level::new(prior);
    let mut first: Option<(f64, f64, usize)> = None;
    let mut two: Option<(f64, f64)> = None;
    let mut next = 0;
    for (i, reading) in home.readings.iter().enumerate() {
        let seen = level.observe(prior, reading.day, reading.told).unwrap();
        if std::env::var("TRACE").is_ok_and(|rate| (rate.parse::<f64>().unwrap() - home.rate).abs() < 5e-5) {
            let f = level.runs_empty(prior, reading.day, 0.0).unwrap();
            println!(
                "T {:.5} {} left {:.3} told {:.2} {seen:?} rate {:.4?} median {:.1}", home.rate, reading.day, reading.left, reading.told, f.rate, f.median()
            );
        }
        let before = two;
        two = Some((reading.day, reading.told));
        if first.is_none_or(|(_, _, filling)| filling != reading.filling) {
            first = Some((reading.day, reading.told, reading.filling));
            next = 0;
            continue;
        }
        const AT: [f64; 4] = [0.6, 0.4, 0.25, 0.15];
        if next >= 4 || reading.left > AT[next] {
            continue;
        }
        while next < 4 && reading.left <= AT[next] {
            next += 1;
        }
        if reading.left < 0.07 {
            continue;
        }
        let gap = home.readings.get(i + 1).map_or(1.0, |r| r.day - reading.day);
        let now = reading.day + gap * chance.even() * 0.9;
        let truth = home.lasts(reading, now);
        let forecast = level.runs_empty(prior, now, 0.0).unwrap();
        let (low, high) = (forecast.quantile(0.1), forecast.quantile(0.9));
        let (day, told, _) = first.unwrap();
        let line = |rate: f64| {
            let rate = rate.max(1.0 / 2000.0);
            (reading.told / rate - (now - reading.day)).max(0.0)
        };
        let simple = line((told - reading.told) / (reading.day - day));
        let (d2, t2) = before.unwrap();
        let last_two = line((t2 - reading.told) / (reading.day - d2));
        // Errors in units of the time a filling lasts, so that slow homes do not outweigh all others.
        let unit = home.rate;
        if std::env::var("DEBUG").is_ok() {
            println!(
                "D rate {:.4} est {:.4} {:.4} {:.4} filling {} left {:.3} told {} day {} now {:.1} | q {:.1} {:.1} {:.1} truth {truth:.1} line {simple:.1} z {:.2}",
                home.rate, forecast.rate[0], forecast.rate[1], forecast.rate[2], reading.filling, reading.left,
                reading.told, reading.day, now, low, forecast.median(), high, (forecast.median() - truth) * unit
            );
        }
        score.count += 1.0;
        score.covered += f64::from(truth >= low && truth <= high);
        score.below += f64::from(truth < low);
        score.above += f64::from(truth > high);
        score.ours += (forecast.median() - truth).abs() * unit;
        score.line += (simple - truth).abs() * unit;
        score.two += (last_two - truth).abs() * unit;
    }
}

#[test]
fn explore() {
    let steady = STEADY;
    let regimes: Vec<(&str, Option<Manner>)> = vec![
        ("steady", Some(steady)),
        ("weekly", Some(Manner { weekend: 0.0, ..steady })),
        ("bursts", Some(Manner { days_of_use: 0.2, shape: 0.7, ..steady })),
        ("noise 1", Some(Manner { noise: 0.01, ..steady })),
        ("noise 5", Some(Manner { noise: 0.05, ..steady })),
        ("coarse", Some(Manner { noise: 0.01, step: 0.1, ..steady })),
        ("gaps", Some(Manner { gaps: 0.05, ..steady })),
        ("vacations", Some(Manner { vacations: 2.0, ..steady })),
        ("changes", Some(Manner { changes: 150.0, ..steady })),
        ("sparse", Some(Manner { every: 7.0, step: 0.001, ..steady })),
        ("any", None),
    ];
    let prior = Prior::default();
    for (name, manner) in regimes {
        if std::env::var("ONLY").is_ok_and(|only| only != name) {
            continue;
        }
        let mut chance = Chance::new(7);
        let mut score = Score::default();
        for _ in 0..scaled(40, 200, 200) {
            let manner = manner.unwrap_or_else(|| homes::any(&mut chance));
            let home = Home::new(&mut chance, &manner, 5);
            run(&prior, &home, &mut chance, &mut score);
        }
        let n = score.count;
        println!(
            "{name:10} n {n:5} cover {:.3} (below {:.3} above {:.3}) mae {:.4} / line {:.3} / two {:.3}",
            score.covered / n,
            score.below / n,
            score.above / n,
            score.ours / n,
            score.ours / score.line,
            score.ours / score.two
        );
    }
}
