//! Which method.

use serde::{Deserialize, Serialize};

use super::{Class, DemandError, Family, Method, Pattern, fit, horizon};

/// A method and why it was chosen.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Choice {
    pub method: Method,
    pub pattern: Pattern,
    /// What was tried, the simplest first, each with the root mean squared error of its mean over the horizon from the
    /// last origins; empty where the history is too short and the class alone decided.
    pub tried: Vec<(Family, f64)>,
}

/// A method that is not the simplest must be better by this share.
const MARGIN: f64 = 0.1;

/// The method by the kind of demand alone: simple smoothing for what comes often, TSB for what comes seldom or never.
/// TSB and not Croston's or its corrected form, because those do not notice that demand has ceased; on weekly sales of
/// groceries they were worse by 4 % and more.
///
/// # Errors
/// If the history is empty or holds what is no demand.
pub fn choose_by_class(history: &[f64]) -> Result<Choice, DemandError> {
    let pattern = Pattern::of(history)?;
    let family = match pattern.class {
        Class::Smooth | Class::Erratic => Family::Ses,
        Class::Intermittent | Class::Lumpy | Class::None => Family::Tsb,
    };
    Ok(Choice { method: fit(family, history)?, pattern, tried: Vec::new() })
}

/// The method by the errors that it would have made: each family is fitted on what came before the last `origins`
/// origins and forecasts the next `periods` periods from each. The simplest that is within a tenth of the best is taken
/// and fitted on everything.
///
/// What comes often is tried with simple smoothing, moving averages and, where there are sixteen periods before the
/// first origin, a trend; what comes seldom with TSB, Croston's method and its correction, which alone tell whether
/// from how much; both with a season, where `season` says how many periods it has and there are three of them before
/// the first origin.
///
/// # Errors
/// As [`choose_by_class`], if there is no origin, or the horizon is not between 1 and 1000 periods. A history that is
/// too short to be tried on is no error: its kind decides.
pub fn choose(
    history: &[f64],
    periods: usize,
    origins: usize,
    season: Option<usize>,
) -> Result<Choice, DemandError> {
    let periods = horizon(periods)?;
    if origins == 0 {
        return Err(DemandError::Count { what: "number of origins", value: 0, least: 1 });
    }
    let by_class = choose_by_class(history)?;
    let first = history.len().checked_sub(periods.saturating_add(origins - 1)).filter(|first| *first >= 4);
    let Some(first) = first else {
        return Ok(by_class);
    };
    let mut families = match by_class.pattern.class {
        Class::Smooth | Class::Erratic => vec![Family::Ses, Family::MovingAverage],
        Class::Intermittent | Class::Lumpy | Class::None => vec![Family::Tsb, Family::Sba, Family::Croston],
    };
    if first >= 16 && families[0] == Family::Ses {
        families.push(Family::Holt);
    }
    if let Some(period) = season.filter(|period| *period >= 2 && first / 3 >= *period) {
        families.push(Family::HoltWinters { period });
    }
    let mut tried = Vec::with_capacity(families.len());
    for family in families {
        tried.push((family, rolling_error(&fit(family, &history[..first])?, history, first, periods)?));
    }
    let least = tried.iter().map(|(_, error)| *error).fold(f64::INFINITY, f64::min);
    let simplest = tried.iter().find(|(_, error)| *error <= least * (1.0 + MARGIN));
    let method = match simplest {
        Some((family, _)) => fit(*family, history)?,
        None => by_class.method,
    };
    Ok(Choice { method, pattern: by_class.pattern, tried })
}

/// The root mean squared error of the mean over `periods` periods, from every origin from `first` on.
fn rolling_error(method: &Method, history: &[f64], first: usize, periods: usize) -> Result<f64, DemandError> {
    let mut state = method.begin(history)?;
    history[..first].iter().for_each(|units| state.update(*units));
    let (mut sum, mut n) = (0.0, 0.0);
    for origin in first..=history.len() - periods {
        let came: f64 = history[origin..origin + periods].iter().sum();
        let expected: f64 = (1..=periods).map(|ahead| state.ahead(ahead)).sum();
        sum += ((came - expected) / periods as f64).powi(2);
        n += 1.0;
        state.update(history[origin]);
    }
    Ok((sum / n).sqrt())
}
