//! A scenario over seeds: every arm of a seed shares its luck, so arms are compared seed by seed; the whole is repeated
//! with half and double the noise, delay and non-response.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;
use serde_json::{Value, json};
use world::living::Assumptions;

use super::cases::{Bar, Case, Must};
use super::company::Company;
use super::figures::of_year;
use crate::error::Failure;
use crate::estimate::{Estimate, Figures, by_seed, over_seeds};

/// The world with some of its assumptions scaled.
#[derive(Clone, Copy, PartialEq, Debug, Serialize)]
pub(super) struct Scale {
    pub what: &'static str,
    pub factor: f64,
}

impl Scale {
    const PLAIN: Scale = Scale { what: "plain", factor: 1.0 };
    const KINDS: [&'static str; 3] = ["noise", "delay", "non_response"];

    fn of(self, plain: &Assumptions) -> Assumptions {
        let factor = |what: &str| if self.what == what { self.factor } else { 1.0 };
        plain.scaled(factor("noise"), factor("delay"), factor("non_response"))
    }
}

/// The figures of all arms at one scale: `arm.figure`, and `arm.figure.than.other` for the differences that bars ask for.
pub(super) struct Run {
    pub scale: Scale,
    pub seeds: Vec<Figures>,
    pub estimates: BTreeMap<String, Estimate>,
    pub violations: Vec<String>,
}

pub(super) struct Report {
    pub case: Case,
    pub seeds: u32,
    pub days: u32,
    pub assumed: Assumptions,
    /// The plain one first.
    pub runs: Vec<Run>,
    pub stops: Vec<Stops>,
}

/// Whether a bar was reached.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Reached {
    Yes,
    No,
    /// The mean lies on the right side, its interval on both.
    Unsure,
    /// No seed has the figure.
    Nothing,
}

/// From which factor of which kind on an arm is no better than another any more, for the customer or for the company.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub(super) struct Stops {
    pub arm: &'static str,
    pub than: &'static str,
    pub what: &'static str,
    pub figure: &'static str,
    /// None where it still pays at the largest factor that was tried.
    pub from: Option<f64>,
    pub tried: f64,
}

/// What is repeated: the bars at half and double, and where a strategy stops paying at still more.
const FACTORS: [f64; 4] = [0.5, 2.0, 4.0, 8.0];
/// Bars are said to hold or not up to this factor.
pub(super) const DOUBLE: f64 = 2.0;

/// What all runs share, and how far they are.
struct Lives {
    assumed: Assumptions,
    seeds: u32,
    days: u32,
    lived: AtomicU64,
    bar: crate::bar::Bar,
}

impl Report {
    pub(super) fn run(
        case: Case,
        seeds: u32,
        days: u32,
        repeats: bool,
        bar: impl FnOnce(u64) -> crate::bar::Bar,
    ) -> Result<Self, Failure> {
        let mut scales = vec![Scale::PLAIN];
        if repeats {
            let tried = |factor: &f64| case.sweeps || *factor <= DOUBLE;
            let factors = FACTORS.into_iter().filter(tried);
            let all = |factor| Scale::KINDS.map(|what| Scale { what, factor });
            scales.extend(factors.flat_map(all));
        }
        let years = scales.len() as u64 * u64::from(seeds) * case.arms.len() as u64;
        let lives =
            Lives { assumed: Assumptions::default(), seeds, days, lived: AtomicU64::new(0), bar: bar(years) };
        let runs: Vec<Run> =
            scales.into_iter().map(|scale| Run::at(&case, scale, &lives)).collect::<Result<_, _>>()?;
        let stops = if repeats && case.sweeps { stops(&case, &runs) } else { Vec::new() };
        Ok(Report { case, seeds, days, assumed: lives.assumed, runs, stops })
    }

    pub(super) fn plain(&self) -> &Run {
        &self.runs[0]
    }

    pub(super) fn json(&self) -> Value {
        let run = |run: &Run| {
            let bars: Vec<Value> = self.case.bars.iter().map(|bar| bar_json(bar, run)).collect();
            json!({
                "scale": run.scale,
                "figures": run.estimates,
                "bars": bars,
                "violations": run.violations,
                "by_seed": run.seeds,
            })
        };
        json!({
            "case": self.case.name,
            "seeds": self.seeds,
            "days": self.days,
            "assumed": {
                "homes": self.case.homes,
                "fridges": self.case.fridges,
                "office": self.case.office,
                "numbers": self.assumed.all(),
            },
            "arms": self.case.arms.iter().map(|arm| json!({
                "arm": arm.key, "served": arm.served.name(), "matched": arm.matched, "drills": arm.drills,
            })).collect::<Vec<_>>(),
            "runs": self.runs.iter().map(run).collect::<Vec<_>>(),
            "stops_paying": self.stops,
        })
    }
}

fn bar_json(bar: &Bar, run: &Run) -> Value {
    let (must, limit) = match bar.must {
        Must::AtMost(limit) => ("at_most", json!(limit)),
        Must::AtLeast(limit) => ("at_least", json!(limit)),
        Must::Between(low, high) => ("between", json!([low, high])),
        Must::NotBelow(other) => ("not_below", json!(other)),
        Must::NotAbove(other) => ("not_above", json!(other)),
        Must::Above(other) => ("above", json!(other)),
    };
    json!({
        "arm": bar.arm, "figure": bar.figure, "must": must, "limit": limit,
        "is": run.of_bar(bar), "reached": run.reached(bar),
    })
}

impl Run {
    fn at(case: &Case, scale: Scale, lives: &Lives) -> Result<Run, Failure> {
        let assumptions = scale.of(&lives.assumed);
        let lived = by_seed(lives.seeds, |seed| one_seed(case, seed, &assumptions, lives))?;
        let (seeds, violations): (Vec<Figures>, Vec<Vec<String>>) = lived.into_iter().unzip();
        let estimates = over_seeds(&seeds);
        Ok(Run { scale, seeds, estimates, violations: violations.concat() })
    }

    pub(super) fn figure(&self, arm: &str, figure: &str) -> Option<&Estimate> {
        self.estimates.get(&format!("{arm}.{figure}"))
    }

    /// What a bar is held against.
    pub(super) fn of_bar(&self, bar: &Bar) -> Option<&Estimate> {
        match bar.must {
            Must::AtMost(_) | Must::AtLeast(_) | Must::Between(..) => self.figure(bar.arm, bar.figure),
            Must::NotBelow(other) | Must::NotAbove(other) | Must::Above(other) => {
                self.figure(bar.arm, &than(bar.figure, other))
            }
        }
    }

    pub(super) fn reached(&self, bar: &Bar) -> Reached {
        let Some(is) = self.of_bar(bar) else { return Reached::Nothing };
        let (low, high) = is.interval.unwrap_or((is.mean, is.mean));
        // What is meant to be exact is compared as exactly as sums are.
        let slack = 1e-9;
        let by = |is_so: bool, surely: bool| match (is_so, surely) {
            (false, _) => Reached::No,
            (true, true) => Reached::Yes,
            (true, false) => Reached::Unsure,
        };
        match bar.must {
            Must::AtMost(limit) => by(is.mean <= limit + slack, high <= limit + slack),
            Must::AtLeast(limit) => by(is.mean >= limit - slack, low >= limit - slack),
            Must::Between(least, most) => by((least..=most).contains(&is.mean), least <= low && high <= most),
            // Not worse: only a difference that is surely on the wrong side refutes it.
            Must::NotBelow(_) => by(high >= -slack, is.mean >= -slack),
            Must::NotAbove(_) => by(low <= slack, is.mean <= slack),
            Must::Above(_) => by(is.mean > 0.0, low > 0.0),
        }
    }
}

fn than(figure: &str, other: &str) -> String {
    format!("{figure}.than.{other}")
}

/// All arms of one seed, and the differences that bars and the look for where a strategy stops paying ask for.
fn one_seed(
    case: &Case,
    seed: u64,
    assumptions: &Assumptions,
    lives: &Lives,
) -> Result<(Figures, Vec<String>), Failure> {
    let mut figures = Figures::new();
    let mut violations = Vec::new();
    for arm in &case.arms {
        let year = Company::new(seed, case.plan(arm, lives.days, assumptions)?)?.run()?;
        lives.bar.at(lives.lived.fetch_add(1, Ordering::Relaxed) + 1);
        let found = year.log.violations.iter().map(|what| format!("{} {seed}: {what}", arm.key));
        violations.extend(found);
        let of_arm = of_year(&year);
        figures.extend(of_arm.into_iter().map(|(name, value)| (format!("{}.{name}", arm.key), value)));
    }
    let asked = case.bars.iter().filter_map(|bar| match bar.must {
        Must::NotBelow(other) | Must::NotAbove(other) | Must::Above(other) => {
            Some((bar.arm, bar.figure, other))
        }
        _ => None,
    });
    let paying = pairs(case).flat_map(|(arm, other)| PAYS.map(|(figure, _)| (arm, figure, other)));
    let differences: Vec<(String, f64)> = asked
        .chain(paying)
        .filter_map(|(arm, figure, other)| {
            let of = |arm: &str| figures.get(&format!("{arm}.{figure}"));
            Some((format!("{arm}.{}", than(figure, other)), of(arm)? - of(other)?))
        })
        .collect();
    figures.extend(differences);
    Ok((figures, violations))
}

/// What a strategy has to be better in to pay: what the year takes of customers, less of it, and our margin, no less.
const PAYS: [(&str, f64); 2] = [("customer_cost", -1.0), ("margin", 1.0)];

/// Each arm against the first, and against the one before it.
fn pairs(case: &Case) -> impl Iterator<Item = (&'static str, &'static str)> {
    let keys: Vec<&'static str> = case.arms.iter().map(|arm| arm.key).collect();
    let mut pairs = Vec::new();
    for (index, arm) in keys.iter().enumerate().skip(1) {
        pairs.push((*arm, keys[0]));
        if index > 1 {
            pairs.push((*arm, keys[index - 1]));
        }
    }
    pairs.into_iter()
}

/// The least factor of noise, delay or non-response at which an arm is not surely better any more.
fn stops(case: &Case, runs: &[Run]) -> Vec<Stops> {
    let mut stops = Vec::new();
    for what in Scale::KINDS {
        let grown: Vec<&Run> = runs
            .iter()
            .filter(|run| run.scale == Scale::PLAIN || (run.scale.what == what && run.scale.factor > 1.0))
            .collect();
        for (arm, other) in pairs(case) {
            for (figure, sign) in PAYS {
                let pays = |run: &Run| {
                    let Some(is) = run.figure(arm, &than(figure, other)) else { return false };
                    let (low, high) = is.interval.unwrap_or((is.mean, is.mean));
                    (if sign > 0.0 { low } else { -high }) > 0.0
                };
                let from = grown.iter().find(|run| !pays(run)).map(|run| run.scale.factor);
                let tried = grown.last().map_or(1.0, |run| run.scale.factor);
                stops.push(Stops { arm, than: other, what, figure, from, tried });
            }
        }
    }
    stops
}
