//! What the arms of one seed come to, and what many seeds come to.

use model::Time;
use world::depot::Cause;

use super::counter::{Followed, Outcome};
use crate::estimate::{Figures, median, put, put_share};

const MINUTE: i64 = 60_000_000;

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
