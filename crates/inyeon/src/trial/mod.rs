//! `inyeon trial operations`: a simulated depot whose truth the engine does not know, and what promising, the list of
//! promises at risk, remedies and the campaign check are worth in it. Arms of one seed share all luck, so they are
//! compared order by order.

mod campaign;
mod counter;
mod figures;
mod ledger;
mod rules;
mod table;

use std::collections::BTreeMap;

use model::Time;
use serde_json::{Value, json};
use world::depot::{Campaign, DepotConfig, Planted};

use self::counter::{Counter, DAY, Hands, Outcome};
use self::figures::{Forecast, disagreements, of_campaign, saved, watched};
use crate::cli::{Global, print};
use crate::error::Failure;
use crate::estimate::{Estimate, Figures, by_seed, over_seeds};
use crate::i18n::Messages;
use crate::in_memory::failed;

#[derive(clap::Args)]
pub struct TrialArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    Operations {
        #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1000))]
        seeds: u32,
        #[arg(long, default_value_t = 28, value_parser = clap::value_parser!(u32).range(21..=365))]
        days: u32,
    },
}

/// The first local midnight of every trial: Monday, 2 March 2026 in Seoul.
const START: Time = Time(1_772_377_200_000_000);
/// Days after the last order, so that everything has arrived.
const TAIL_DAYS: u32 = 14;
/// A flag counts for recall where it comes so long before the date.
const AHEAD_MINUTES: i64 = 60;

pub fn run(global: &Global, args: &TrialArgs, messages: &Messages) -> Result<(), Failure> {
    let What::Operations { seeds, days } = args.what;
    let trial = operations(seeds, days)?;
    if global.json {
        print(&serde_json::to_string_pretty(&trial.json()).expect("a value serialises"));
    } else {
        print(&table::render(&trial, messages));
    }
    Ok(())
}

/// What a trial of operations came to.
pub struct Trial {
    days: u32,
    seeds: Vec<Figures>,
    estimates: BTreeMap<String, Estimate>,
}

impl Trial {
    /// A figure's mean over the seeds, with its interval where there are several.
    pub fn figure(&self, name: &str) -> Option<(f64, Option<(f64, f64)>)> {
        self.estimates.get(name).map(|estimate| (estimate.mean, estimate.interval))
    }

    /// Everything, with what is assumed apart from what came of it.
    pub fn json(&self) -> Value {
        json!({
            "seeds": self.seeds.len(),
            "assumed": {
                "days": self.days,
                "planted": Planted::default(),
                "campaigns": SIZES.map(campaign),
                "service_target": rules::SERVICE_TARGET,
                "at_risk_threshold": rules::AT_RISK,
                "ahead_minutes": AHEAD_MINUTES,
            },
            "figures": self.estimates,
            "by_seed": self.seeds,
        })
    }
}

/// Orders that the campaigns expect which are launched although the check refuses them.
const SIZES: [f64; 4] = [100.0, 200.0, 300.0, 400.0];

/// Promises kept and made in a depot where nothing goes wrong but by ordinary luck on the road.
pub fn calm(seed: u64, days: u32) -> Result<(usize, usize), Failure> {
    let planted = Planted::calm();
    let config = DepotConfig { seed, start: START, days, tail_days: TAIL_DAYS, planted, campaign: None };
    let outcome = Counter::new(config, Hands::Watch)?.run()?;
    let kept = outcome.promises.values().filter(|one| one.kept == Some(true)).count();
    Ok((kept, outcome.promises.len()))
}

/// Runs every arm with seeds 1 to `seeds`.
pub fn operations(seeds: u32, days: u32) -> Result<Trial, Failure> {
    let seeds = by_seed(seeds, |seed| one_seed(seed, days))?;
    let estimates = over_seeds(&seeds);
    Ok(Trial { days, seeds, estimates })
}

/// A campaign of three days in the third week.
fn campaign(size: f64) -> Campaign {
    Campaign {
        item: "toner-a".to_owned(),
        from_day: 14,
        days: 3,
        size,
        within_days: 2,
        cut_off_hour: 13,
        // Goods were bought for all of it; nobody thought of the hands.
        stock: size.ceil() as u32,
    }
}

fn one_seed(seed: u64, days: u32) -> Result<Figures, Failure> {
    let config = |campaign: Option<&Campaign>| DepotConfig {
        seed,
        start: START,
        days,
        tail_days: TAIL_DAYS,
        planted: Planted::default(),
        campaign: campaign.cloned(),
    };
    let watch = Counter::new(config(None), Hands::Watch)?.run()?;
    let mut figures = watched(&watch, AHEAD_MINUTES);
    let save = Counter::new(config(None), Hands::Save)?.run()?;
    figures.extend(saved(&watch, &save));
    let mut arms = vec![watch, save];
    let mut allowed = f64::INFINITY;
    for size in SIZES {
        let refused = campaign(size);
        let (outcome, forecast) = with_campaign(config(Some(&refused)), &refused)?;
        figures.extend(of_campaign(&format!("refused.{size}"), &outcome, &forecast));
        allowed = forecast.allowed.min(allowed);
        arms.push(outcome);
    }
    let fits = campaign(allowed);
    let (outcome, forecast) = with_campaign(config(Some(&fits)), &fits)?;
    figures.extend(of_campaign("allowed", &outcome, &forecast));
    arms.push(outcome);
    if let wrong @ 1.. = arms.iter().map(disagreements).sum::<usize>() {
        return Err(failed(format!("seed {seed}: {wrong} verdicts are not the world's")));
    }
    Ok(figures)
}

/// Launches a campaign whatever the check says of it, and hands back what it said.
fn with_campaign(config: DepotConfig, campaign: &Campaign) -> Result<(Outcome, Forecast), Failure> {
    let mut counter = Counter::new(config, Hands::Watch)?;
    counter.run_until(START.plus_micros(i64::from(campaign.from_day) * DAY))?;
    let forecast = counter.check(campaign)?;
    Ok((counter.run()?, forecast))
}
