//! The methods and what they remember.

use serde::{Deserialize, Serialize};

use super::{DemandError, checked, horizon};

/// A way to forecast, with its parameters. Smoothing parameters are above 0 and at most 1.
///
/// Definitions: Hyndman & Athanasopoulos, *Forecasting: Principles and Practice*, 3rd edition, chapter 8; Croston
/// 1972; Syntetos & Boylan 2005; Teunter, Syntetos & Babai 2011. What is smoothed starts at its first value.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// The mean of the last `window` periods, or of all there are.
    MovingAverage { window: usize },
    /// Simple exponential smoothing.
    Ses { alpha: f64 },
    /// Level and damped trend; `beta` is a share of `alpha`, and `phi` = 1 does not damp. They start as the line
    /// through the first ten periods.
    Holt { alpha: f64, beta: f64, phi: f64 },
    /// The same and a season of `period` periods that adds to it; `gamma` is a share of 1 − `alpha`. The season starts
    /// as its mean in the first two, from which level and trend start too.
    HoltWinters { alpha: f64, beta: f64, gamma: f64, phi: f64, period: usize },
    /// The size of demands over the interval between them, both smoothed when there is a demand.
    Croston { alpha: f64 },
    /// Croston's less its bias: times 1 − `alpha` / 2 (Syntetos–Boylan approximation).
    Sba { alpha: f64 },
    /// The size of demands, smoothed when there is one, times the probability of one, smoothed in every period: falls
    /// when demand ceases (Teunter–Syntetos–Babai).
    Tsb { alpha_size: f64, alpha_probability: f64 },
}

impl Method {
    /// Point forecasts of the `periods` periods after the history.
    ///
    /// # Errors
    /// If the history is empty, holds what is no demand or is shorter than the method needs, if a parameter is out of
    /// range, or the horizon is not between 1 and 1000 periods.
    pub fn forecast(&self, history: &[f64], periods: usize) -> Result<Vec<f64>, DemandError> {
        let periods = horizon(periods)?;
        let state = self.after(history)?;
        Ok((1..=periods).map(|ahead| state.ahead(ahead)).collect())
    }

    /// What it would have forecast for each period of the history from those before; for the first period, of which
    /// nothing was known, the period itself. A start that needs several periods knows them.
    pub fn fitted(&self, history: &[f64]) -> Result<Vec<f64>, DemandError> {
        checked(history)?;
        let mut state = self.begin(history)?;
        let mut fitted = Vec::with_capacity(history.len());
        for (period, units) in history.iter().enumerate() {
            fitted.push(if period == 0 { *units } else { state.ahead(1) });
            state.update(*units);
        }
        Ok(fitted)
    }

    /// The first period whose forecast counts as one: of which the start knew nothing.
    pub(super) fn first_forecast(&self) -> usize {
        self.shortest()
    }

    /// The fewest periods that it works on.
    pub(super) fn shortest(&self) -> usize {
        match self {
            Method::HoltWinters { period, .. } => period.saturating_mul(2),
            _ => 1,
        }
    }

    pub(super) fn after(&self, history: &[f64]) -> Result<State, DemandError> {
        checked(history)?;
        let mut state = self.begin(history)?;
        history.iter().for_each(|units| state.update(*units));
        Ok(state)
    }

    fn checked(&self) -> Result<(), DemandError> {
        let named: &[(&'static str, f64)] = match *self {
            Method::MovingAverage { .. } => &[],
            Method::Ses { alpha } | Method::Croston { alpha } | Method::Sba { alpha } => &[("alpha", alpha)],
            Method::Holt { alpha, beta, phi } => &[("alpha", alpha), ("beta", beta), ("phi", phi)],
            Method::HoltWinters { alpha, beta, gamma, phi, .. } => {
                &[("alpha", alpha), ("beta", beta), ("gamma", gamma), ("phi", phi)]
            }
            Method::Tsb { alpha_size, alpha_probability } => {
                &[("alpha_size", alpha_size), ("alpha_probability", alpha_probability)]
            }
        };
        for &(name, value) in named {
            if !(value > 0.0 && value <= 1.0) {
                return Err(DemandError::Parameter { name, value });
            }
        }
        match *self {
            Method::MovingAverage { window: 0 } => {
                Err(DemandError::Count { what: "window", value: 0, least: 1 })
            }
            Method::HoltWinters { period, .. } if period < 2 => {
                Err(DemandError::Count { what: "season", value: period, least: 2 })
            }
            _ => Ok(()),
        }
    }

    /// The state before the first period of a history that is known to be one.
    pub(super) fn begin(&self, history: &[f64]) -> Result<State, DemandError> {
        self.checked()?;
        if history.len() < self.shortest() {
            return Err(DemandError::TooShort { needed: self.shortest(), got: history.len() });
        }
        Ok(match *self {
            Method::MovingAverage { window } => State::Window { window, values: Vec::new() },
            Method::Ses { alpha } => State::Level { level: Smoothed::new(alpha) },
            Method::Holt { alpha, beta, phi } => {
                let (level, trend) = line(&history[..history.len().min(10)]);
                State::Trend(Trend {
                    alpha,
                    beta,
                    phi,
                    level,
                    trend,
                    season: Vec::new(),
                    gamma: 0.0,
                    next: 0,
                })
            }
            Method::HoltWinters { alpha, beta, gamma, phi, period } => {
                let (level, trend, season) = seasons(&history[..2 * period]);
                State::Trend(Trend { alpha, beta, phi, level, trend, season, gamma, next: 0 })
            }
            Method::Croston { alpha } => State::croston(alpha, 1.0),
            Method::Sba { alpha } => State::croston(alpha, 1.0 - alpha / 2.0),
            Method::Tsb { alpha_size, alpha_probability } => State::Probability {
                size: Smoothed::new(alpha_size),
                probability: Smoothed::new(alpha_probability),
            },
        })
    }
}

/// A value that is smoothed from its first on.
#[derive(Clone, Copy)]
pub(super) struct Smoothed {
    alpha: f64,
    value: Option<f64>,
}

impl Smoothed {
    fn new(alpha: f64) -> Self {
        Smoothed { alpha, value: None }
    }

    fn update(&mut self, next: f64) {
        self.value = Some(match self.value {
            None => next,
            Some(value) => self.alpha * next + (1.0 - self.alpha) * value,
        });
    }
}

/// What a method remembers.
#[derive(Clone)]
pub(super) enum State {
    Window { window: usize, values: Vec<f64> },
    Level { level: Smoothed },
    Trend(Trend),
    Interval { size: Smoothed, interval: Smoothed, since: f64, factor: f64 },
    Probability { size: Smoothed, probability: Smoothed },
}

#[derive(Clone)]
pub(super) struct Trend {
    alpha: f64,
    beta: f64,
    phi: f64,
    gamma: f64,
    level: f64,
    trend: f64,
    /// As many as a season has periods; none where there is no season.
    season: Vec<f64>,
    /// Which of them is the next period's.
    next: usize,
}

impl State {
    fn croston(alpha: f64, factor: f64) -> Self {
        State::Interval { size: Smoothed::new(alpha), interval: Smoothed::new(alpha), since: 0.0, factor }
    }

    pub(super) fn update(&mut self, units: f64) {
        match self {
            State::Window { window, values } => {
                values.push(units);
                // Twice the window before the old half is dropped, so that dropping is rare.
                if values.len() >= window.saturating_mul(2) {
                    values.drain(..values.len() - *window);
                }
            }
            State::Level { level } => level.update(units),
            State::Trend(trend) => trend.update(units),
            State::Interval { size, interval, since, .. } => {
                *since += 1.0;
                if units > 0.0 {
                    size.update(units);
                    interval.update(*since);
                    *since = 0.0;
                }
            }
            State::Probability { size, probability } => {
                probability.update(if units > 0.0 { 1.0 } else { 0.0 });
                if units > 0.0 {
                    size.update(units);
                }
            }
        }
    }

    /// The forecast `periods` ahead, at least 1; not below 0.
    pub(super) fn ahead(&self, periods: usize) -> f64 {
        self.linear(periods).max(0.0)
    }

    /// The same before it is kept from falling below 0. Before there was any demand, 0.
    pub(super) fn linear(&self, periods: usize) -> f64 {
        match self {
            State::Window { window, values } => {
                let last = &values[values.len().saturating_sub(*window)..];
                last.iter().sum::<f64>() / last.len().max(1) as f64
            }
            State::Level { level } => level.value.unwrap_or(0.0),
            State::Trend(trend) => trend.ahead(periods),
            State::Interval { .. } | State::Probability { .. } => {
                self.chance_and_size().map_or(0.0, |(chance, size)| chance * size)
            }
        }
    }

    /// For methods that tell them apart: demands per period and their size. `None` for others and before there was any
    /// demand.
    pub(super) fn chance_and_size(&self) -> Option<(f64, f64)> {
        match self {
            State::Interval { size, interval, factor, .. } => Some((factor / interval.value?, size.value?)),
            State::Probability { size, probability } => Some((probability.value?, size.value?)),
            State::Window { .. } | State::Level { .. } | State::Trend(_) => None,
        }
    }
}

impl Trend {
    fn update(&mut self, units: f64) {
        let along = self.phi * self.trend;
        let error = units - (self.level + along + self.seasonal(1));
        self.level += along + self.alpha * error;
        self.trend = along + self.alpha * self.beta * error;
        if let Some(season) = self.season.get_mut(self.next) {
            *season += self.gamma * (1.0 - self.alpha) * error;
            self.next = (self.next + 1) % self.season.len();
        }
    }

    fn seasonal(&self, ahead: usize) -> f64 {
        if self.season.is_empty() {
            return 0.0;
        }
        self.season[(self.next + ahead - 1) % self.season.len()]
    }

    /// Level, what the damped trend adds up to, and the season: l + (φ + φ² + … + φʰ)·b + s.
    fn ahead(&self, periods: usize) -> f64 {
        let mut damped = 0.0;
        for _ in 0..periods {
            damped = self.phi * (1.0 + damped);
        }
        self.level + damped * self.trend + self.seasonal(periods)
    }
}

/// The line through the values by least squares: where it is one step before the first, and its slope.
fn line(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let middle = (n + 1.0) / 2.0;
    let (mut with, mut of) = (0.0, 0.0);
    for (i, value) in values.iter().enumerate() {
        let from_middle = (i + 1) as f64 - middle;
        with += from_middle * (value - mean);
        of += from_middle * from_middle;
    }
    let slope = if of > 0.0 { with / of } else { 0.0 };
    (mean - slope * middle, slope)
}

/// Level one step before the first, trend and seasonal shares, from two whole seasons.
fn seasons(values: &[f64]) -> (f64, f64, Vec<f64>) {
    let period = values.len() / 2;
    let n = period as f64;
    let (first, second) = values.split_at(period);
    let (one, two) = (first.iter().sum::<f64>() / n, second.iter().sum::<f64>() / n);
    let trend = (two - one) / n;
    let season = |(a, b): (&f64, &f64)| (a - one + b - two) / 2.0;
    // Within a season the trend is part of the shares; they are freed of it around its middle.
    let middle = (n - 1.0) / 2.0;
    let shares = first.iter().zip(second).enumerate();
    let shares = shares.map(|(i, both)| season(both) - trend * (i as f64 - middle)).collect();
    (one - trend * (middle + 1.0), trend, shares)
}
