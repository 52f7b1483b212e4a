//! How good forecasts were. Actual values and forecasts are paired by their place.

use super::DemandError;

fn paired(actuals: &[f64], forecasts: &[f64]) -> Result<(), DemandError> {
    if actuals.len() != forecasts.len() {
        return Err(DemandError::Lengths { actuals: actuals.len(), forecasts: forecasts.len() });
    }
    if actuals.is_empty() {
        return Err(DemandError::Empty);
    }
    finite(actuals)?;
    finite(forecasts)
}

fn finite(values: &[f64]) -> Result<(), DemandError> {
    match values.iter().enumerate().find(|(_, value)| !value.is_finite()) {
        Some((index, &value)) => Err(DemandError::NotFinite { index, value }),
        None => Ok(()),
    }
}

fn within(value: f64) -> Result<f64, DemandError> {
    if value.is_finite() { Ok(value) } else { Err(DemandError::Overflow) }
}

fn share_of(sum: f64, actuals: &[f64]) -> Result<f64, DemandError> {
    let total: f64 = actuals.iter().sum();
    if total <= 0.0 {
        return Err(DemandError::NoDemand);
    }
    within(sum)?;
    within(sum / within(total)?)
}

/// The weighted mean absolute percentage error Σ|y − ŷ| / Σy, as a share.
///
/// # Errors
/// If the lengths differ, there is nothing, a value is not finite, or nothing was asked for.
pub fn wmape(actuals: &[f64], forecasts: &[f64]) -> Result<f64, DemandError> {
    paired(actuals, forecasts)?;
    share_of(actuals.iter().zip(forecasts).map(|(y, f)| (y - f).abs()).sum(), actuals)
}

/// The bias Σ(y − ŷ) / Σy, as a share: above 0 where too little was forecast.
///
/// # Errors
/// As [`wmape`].
pub fn bias(actuals: &[f64], forecasts: &[f64]) -> Result<f64, DemandError> {
    paired(actuals, forecasts)?;
    share_of(actuals.iter().zip(forecasts).map(|(y, f)| y - f).sum(), actuals)
}

/// The root mean squared scaled error (Hyndman & Koehler 2006, as in the M5 competition): the root of the mean squared
/// error over that of forecasting each period of `history` by the one before. 1 is as good as that was.
///
/// # Errors
/// As [`wmape`], and if the history has fewer than two periods or never changes.
pub fn rmsse(history: &[f64], actuals: &[f64], forecasts: &[f64]) -> Result<f64, DemandError> {
    paired(actuals, forecasts)?;
    finite(history)?;
    if history.len() < 2 {
        return Err(DemandError::TooShort { needed: 2, got: history.len() });
    }
    let changes = history.windows(2).map(|w| w[1] - w[0]);
    let scale = root_mean_square(changes)?;
    if scale == 0.0 {
        return Err(DemandError::NoChange);
    }
    within(root_mean_square(actuals.iter().zip(forecasts).map(|(y, f)| y - f))? / scale)
}

/// Of at least one value. Squared as shares of the largest, so that no square leaves the range of numbers.
fn root_mean_square(values: impl Iterator<Item = f64> + Clone) -> Result<f64, DemandError> {
    let largest = values.clone().fold(0.0_f64, |most, value| most.max(value.abs()));
    if largest == 0.0 {
        return Ok(0.0);
    }
    let (n, sum) = values.fold((0.0, 0.0), |(n, sum), value| (n + 1.0, sum + (value / largest).powi(2)));
    within(within(largest)? * f64::sqrt(sum / n))
}

/// The mean pinball loss of forecasts of the `p`-quantile: p·(y − q) where more came, (1 − p)·(q − y) where less.
///
/// # Errors
/// If the lengths differ, there is nothing, a value is not finite, or `p` is not between 0 and 1.
pub fn pinball(p: f64, actuals: &[f64], quantiles: &[f64]) -> Result<f64, DemandError> {
    paired(actuals, quantiles)?;
    if !(p > 0.0 && p < 1.0) {
        return Err(DemandError::Probability(p));
    }
    let losses =
        actuals.iter().zip(quantiles).map(|(y, q)| if y >= q { p * (y - q) } else { (1.0 - p) * (q - y) });
    within(losses.sum::<f64>() / actuals.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn measures_of_a_worked_example() {
        let (y, f) = ([10.0, 0.0, 20.0, 10.0], [8.0, 4.0, 20.0, 6.0]);
        assert_eq!(wmape(&y, &f), Ok(0.25));
        assert_eq!(bias(&y, &f), Ok(0.05));
        // Changes 1, −2, 3 of the history: mean square 14/3; errors 2, −4, 0, 4: mean square 9.
        let found = rmsse(&[5.0, 6.0, 4.0, 7.0], &y, &f).unwrap();
        assert!((found - (9.0 / (14.0 / 3.0_f64)).sqrt()).abs() < 1e-15);
        assert_eq!(pinball(0.9, &[10.0, 10.0], &[8.0, 14.0]), Ok((0.9 * 2.0 + (1.0 - 0.9) * 4.0) / 2.0));
    }

    #[test]
    fn what_cannot_be_measured_is_refused() {
        assert_eq!(wmape(&[], &[]), Err(DemandError::Empty));
        assert_eq!(wmape(&[1.0], &[]), Err(DemandError::Lengths { actuals: 1, forecasts: 0 }));
        assert_eq!(bias(&[0.0, 0.0], &[1.0, 1.0]), Err(DemandError::NoDemand));
        assert!(matches!(wmape(&[1.0], &[f64::NAN]), Err(DemandError::NotFinite { index: 0, .. })));
        assert_eq!(rmsse(&[3.0, 3.0], &[1.0], &[1.0]), Err(DemandError::NoChange));
        assert_eq!(rmsse(&[3.0], &[1.0], &[1.0]), Err(DemandError::TooShort { needed: 2, got: 1 }));
        assert_eq!(pinball(1.0, &[1.0], &[1.0]), Err(DemandError::Probability(1.0)));
        assert_eq!(wmape(&[f64::MAX, f64::MAX], &[0.0, 0.0]), Err(DemandError::Overflow));
    }
}
