//! Forecasts of when things run empty: over simulated homes they cover what they say, and they come nearer than
//! straight lines do.

mod homes;

use homes::{Home, Manner, STEADY};
use learn::depletion::*;

use super::chance::Chance;
use super::scale::scaled;

#[derive(Default, Clone, Debug)]
struct Score {
    shares: Vec<f64>,
    count: f64,
    covered: f64,
    below: f64,
    above: f64,
    by: [[f64; 2]; 4],
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
        score.count += 1.0;
        let json = serde_json::to_value(&level).unwrap();
        let w: Vec<f64> = (0..prior.kinds.len()).map(|i| json["views"][i]["weight"].as_f64().unwrap()).collect();
        let best = w.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let all: f64 = w.iter().map(|w| (w - best).exp()).sum();
        score.shares.resize(w.len(), 0.0);
        for i in 0..w.len() { score.shares[i] += (w[i] - best).exp() / all; }
        let at = forecast.probability_within(truth);
        let pit = if truth == 0.0 { at * chance.even() } else { at };
        score.covered += f64::from((0.1..=0.9).contains(&pit));
        if std::env::var("DEBUG").is_ok() {
            println!(
                "D rate {:.4} pit {pit:.3} est {:.4} {:.4} {:.4} filling {} left {:.3} told {} day {} now {:.1} | q {:.1} {:.1} {:.1} truth {truth:.1} line {simple:.1} z {:.2}",
                home.rate, forecast.rate[0], forecast.rate[1], forecast.rate[2], reading.filling, reading.left,
                reading.told, reading.day, now, low, forecast.median(), high, (forecast.median() - truth) * unit
            );
        }
        let f = reading.filling.min(3);
        score.by[f][0] += 1.0;
        score.by[f][1] += f64::from((0.1..=0.9).contains(&pit));
        score.below += f64::from(pit < 0.1);
        score.above += f64::from(pit > 0.9);
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
    let prior = if std::env::var("DEFAULT").is_ok() {
        Prior::default()
    } else {
        let mut chance = Chance::new(99);
        let histories: Vec<History> = (0..100)
            .map(|_| {
                let manner = homes::any(&mut chance);
                let home = Home::new(&mut chance, &manner, 4);
                History {
                    readings: home.readings.iter().map(|r| (r.day, r.told)).collect(),
                    ..History::default()
                }
            })
            .collect();
        Prior::fit(&histories).unwrap()
    };
    let mut prior = prior;
    if let Ok(kind) = std::env::var("KIND") {
        let v: Vec<f64> = kind.split(',').map(|x| x.parse().unwrap()).collect();
        prior.kinds.iter_mut().for_each(|k| k.share = 0.0);
        for b in 0..prior.kinds.len() { prior.kinds[b].burst = v[0]; prior.kinds[b].noise = v[1]; prior.kinds[b].drift = v[2]; }
        prior.kinds[0].share = 1.0;
    }
    println!("{:?}", prior.rate);
    for kind in &prior.kinds {
        println!("burst {:5} noise {:.3} drift {:.4} share {:.3}", kind.burst, kind.noise, kind.drift, kind.share);
    }
    for (name, manner) in regimes {
        if std::env::var("ONLY").is_ok_and(|only| only != name) {
            continue;
        }
        let prior = if std::env::var("OWN").is_ok() {
            let mut chance = Chance::new(99);
            let histories: Vec<History> = (0..60)
                .map(|_| {
                    let manner = manner.unwrap_or_else(|| homes::any(&mut chance));
                    let home = Home::new(&mut chance, &manner, 4);
                    History {
                        readings: home.readings.iter().map(|r| (r.day, r.told)).collect(),
                        ..History::default()
                    }
                })
                .collect();
            Prior::fit(&histories).unwrap()
        } else {
            prior.clone()
        };
        let mut chance = Chance::new(7);
        let mut score = Score::default();
        for _ in 0..scaled(40, 200, 200) {
            let manner = manner.unwrap_or_else(|| homes::any(&mut chance));
            if std::env::var("DEBUG").is_ok() {
                println!("M {manner:?}");
            }
            let home = Home::new(&mut chance, &manner, 5);
            run(&prior, &home, &mut chance, &mut score);
        }
        let n = score.count;
        if std::env::var("SHARES").is_ok() {
            for (i, kind) in prior.kinds.iter().enumerate() {
                if score.shares[i] / n > 0.01 {
                    println!("  burst {:5} noise {:.3} drift {:.4} share {:.3}", kind.burst, kind.noise, kind.drift, score.shares[i] / n);
                }
            }
        }
        println!(
            "{name:10} n {n:5} cover {:.3} by {:.2?} (below {:.3} above {:.3}) mae {:.4} / line {:.3} / two {:.3}",
            score.covered / n,
            score.by.map(|[n, k]| k / n),
            score.below / n,
            score.above / n,
            score.ours / n,
            score.ours / score.line,
            score.ours / score.two
        );
    }
}
