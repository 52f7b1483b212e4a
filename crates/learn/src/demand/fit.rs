//! Parameters by the errors that they would have made.

use serde::{Deserialize, Serialize};

use super::{DemandError, Method, checked};

/// A method without its parameters.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Family {
    MovingAverage,
    Ses,
    Holt,
    /// With the number of periods in a season.
    HoltWinters {
        period: usize,
    },
    Croston,
    Sba,
    Tsb,
}

/// The parameters with the least mean squared error one step ahead within the history, among a grid. The usual ones
/// stay unless others are better by 5 %: a history of fifty periods seldom tells more, and parameters that follow its
/// chances forecast worse. A grid, because these errors have several minima, and because a history and its multiple
/// then get the same parameters.
///
/// # Errors
/// If the history is empty, holds what is no demand, or is shorter than the family needs.
pub fn fit(family: Family, history: &[f64]) -> Result<Method, DemandError> {
    checked(history)?;
    best(family, MARGIN, |method| squared_error(method, history))
}

/// The parameters that suit many histories together, the best of the grid: each history's errors count in units of what forecasting it with
/// the usual parameters would have missed it by, so that none outweighs the others. Histories that are too short for
/// the family, or that the usual parameters forecast without an error, have no say.
///
/// # Errors
/// If no history has a say, or one is empty or holds what is no demand.
pub fn fit_together(family: Family, histories: &[&[f64]]) -> Result<Method, DemandError> {
    histories.iter().try_for_each(|history| checked(history))?;
    let usual = usual(family);
    let heard = histories.iter().filter(|history| history.len() >= usual.shortest());
    let scaled = heard.map(|history| Ok((*history, squared_error(&usual, history)?)));
    let scaled = scaled.collect::<Result<Vec<_>, DemandError>>()?;
    let scaled: Vec<_> = scaled.into_iter().filter(|(_, scale)| *scale > 0.0).collect();
    if scaled.is_empty() {
        return Err(DemandError::NoChange);
    }
    let error = |method: &Method| {
        let errors = scaled.iter().map(|(history, scale)| Ok(squared_error(method, history)? / scale));
        errors.sum::<Result<f64, DemandError>>()
    };
    best(family, 0.0, error)
}

/// What others must be better by than the usual, where one history speaks for them.
const MARGIN: f64 = 0.05;

fn best(
    family: Family,
    margin: f64,
    error: impl Fn(&Method) -> Result<f64, DemandError>,
) -> Result<Method, DemandError> {
    let usual = usual(family);
    let mut best = (error(&usual)? * (1.0 - margin), usual);
    for method in grid(family) {
        let found = error(&method)?;
        // Rounding does not decide.
        if found < best.0 * (1.0 - 1e-9) {
            best = (found, method);
        }
    }
    Ok(best.1)
}

/// The sum of squared errors one step ahead, from the first forecast that counts.
fn squared_error(method: &Method, history: &[f64]) -> Result<f64, DemandError> {
    let mut state = method.begin(history)?;
    let mut sum = 0.0;
    for (period, units) in history.iter().enumerate() {
        if period >= method.first_forecast() {
            sum += (units - state.ahead(1)).powi(2);
        }
        state.update(*units);
    }
    Ok(sum)
}

/// The parameters that are taken where nothing speaks for others.
fn usual(family: Family) -> Method {
    match family {
        Family::MovingAverage => Method::MovingAverage { window: 8 },
        Family::Ses => Method::Ses { alpha: 0.2 },
        Family::Holt => Method::Holt { alpha: 0.2, beta: 0.05, phi: 0.9 },
        Family::HoltWinters { period } => {
            Method::HoltWinters { alpha: 0.2, beta: 0.01, gamma: 0.15, phi: 0.98, period }
        }
        Family::Croston => Method::Croston { alpha: 0.1 },
        Family::Sba => Method::Sba { alpha: 0.1 },
        Family::Tsb => Method::Tsb { alpha_size: 0.2, alpha_probability: 0.2 },
    }
}

/// What else is tried.
fn grid(family: Family) -> Vec<Method> {
    const ALPHA: [f64; 7] = [0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4];
    const COARSE: [f64; 5] = [0.05, 0.1, 0.2, 0.3, 0.5];
    const BETA: [f64; 3] = [0.01, 0.05, 0.2];
    const GAMMA: [f64; 4] = [0.05, 0.15, 0.3, 0.6];
    const PHI: [f64; 3] = [0.8, 0.9, 0.98];
    // Estimates that move only when there is a demand are kept from following single ones.
    const SELDOM: [f64; 5] = [0.05, 0.1, 0.15, 0.2, 0.3];
    const WINDOWS: [usize; 6] = [usize::MAX, 52, 26, 13, 8, 4];
    match family {
        Family::MovingAverage => WINDOWS.map(|window| Method::MovingAverage { window }).to_vec(),
        Family::Ses => ALPHA.map(|alpha| Method::Ses { alpha }).to_vec(),
        Family::Croston => SELDOM.map(|alpha| Method::Croston { alpha }).to_vec(),
        Family::Sba => SELDOM.map(|alpha| Method::Sba { alpha }).to_vec(),
        Family::Tsb => {
            let with =
                |alpha_size| SELDOM.map(|alpha_probability| Method::Tsb { alpha_size, alpha_probability });
            SELDOM.into_iter().flat_map(with).collect()
        }
        Family::Holt => {
            let with = |alpha| BETA.into_iter().flat_map(move |beta| PHI.map(|phi| (alpha, beta, phi)));
            let all = COARSE.into_iter().flat_map(with);
            all.map(|(alpha, beta, phi)| Method::Holt { alpha, beta, phi }).collect()
        }
        Family::HoltWinters { period } => {
            let with = |alpha| GAMMA.into_iter().flat_map(move |gamma| BETA.map(|beta| (alpha, beta, gamma)));
            let all = COARSE.into_iter().flat_map(with);
            all.map(|(alpha, beta, gamma)| Method::HoltWinters { alpha, beta, gamma, phi: 0.98, period })
                .collect()
        }
    }
}
