//! Homes and offices that use something up, and the devices that read it.

use crate::cases::chance::Chance;

/// Steps of a day.
const STEPS: usize = 4;

/// How a home uses what it has and how its device reads it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Manner {
    /// Use on Saturday and Sunday, as a share of other days'.
    pub(crate) weekend: f64,
    /// The share of days with any use, and the shape of a day's gamma use.
    pub(crate) days_of_use: f64,
    pub(crate) shape: f64,
    /// Absences a year, of one to three weeks.
    pub(crate) vacations: f64,
    /// Days between changes of the rate, by a factor of e^(0.5 z); 0 for never.
    pub(crate) changes: f64,
    /// Of a reading: standard deviation, step, mean days between, and how often a gap of up to three weeks comes.
    pub(crate) noise: f64,
    pub(crate) step: f64,
    pub(crate) every: f64,
    pub(crate) gaps: f64,
}

pub(crate) const STEADY: Manner = Manner {
    weekend: 1.0,
    days_of_use: 1.0,
    shape: 1.5,
    vacations: 0.0,
    changes: 0.0,
    noise: 0.02,
    step: 0.01,
    every: 1.0,
    gaps: 0.0,
};

pub(crate) fn any(chance: &mut Chance) -> Manner {
    let mut one = |of: &[f64]| of[(chance.even() * of.len() as f64) as usize];
    Manner {
        weekend: one(&[1.0, 0.0, 1.6]),
        days_of_use: one(&[1.0, 0.6, 0.2]),
        shape: one(&[0.7, 2.0]),
        vacations: one(&[0.0, 0.0, 2.0]),
        changes: one(&[0.0, 0.0, 150.0]),
        noise: one(&[0.01, 0.02, 0.03, 0.05]),
        step: one(&[0.001, 0.01, 0.01, 0.1]),
        every: one(&[0.5, 1.0, 1.0, 3.0]),
        gaps: one(&[0.0, 0.01, 0.04]),
    }
}

/// What happened in one home.
pub(crate) struct Home {
    pub(crate) rate: f64,
    /// What would be used by the end of each step of a day, were there always enough.
    used: Vec<f64>,
    /// (day, level told), and how much was left and had been used by then.
    pub(crate) readings: Vec<Reading>,
    /// When a new one was put in.
    pub(crate) replaced: Vec<f64>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Reading {
    pub(crate) day: f64,
    pub(crate) told: f64,
    pub(crate) left: f64,
    /// Which of its fillings it is.
    pub(crate) filling: usize,
}

pub(crate) fn gamma(chance: &mut Chance, shape: f64) -> f64 {
    if shape < 1.0 {
        let smaller = (1.0 - chance.even()).powf(1.0 / shape);
        return gamma(chance, shape + 1.0) * smaller;
    }
    // Marsaglia and Tsang (2000).
    let d = shape - 1.0 / 3.0;
    loop {
        let z = chance.normal();
        let v = (1.0 + z / (9.0 * d).sqrt()).powi(3);
        if v > 0.0 && (1.0 - chance.even()).ln() < 0.5 * z * z + d - d * v + d * v.ln() {
            return d * v;
        }
    }
}

impl Home {
    /// A rate is drawn between 1/5 and 1/500 of a filling in a day; it is watched for `fillings`, or for three years.
    pub(crate) fn new(chance: &mut Chance, manner: &Manner, fillings: usize) -> Home {
        let rate = 0.002 * 100_f64.powf(chance.even());
        let days = f64::min(1100.0, 1.15 * fillings as f64 / rate).ceil() as usize;
        let used = demand(chance, manner, rate, 6 * days + 600);
        let mut home = Home { rate, used, readings: Vec::new(), replaced: Vec::new() };
        home.watch(chance, manner, days);
        home
    }

    fn watch(&mut self, chance: &mut Chance, manner: &Manner, days: usize) {
        let mut left = 1.0;
        let mut filling = 0;
        // Some are exchanged a little early, most some time after they ran empty.
        let early = |chance: &mut Chance| if chance.even() < 0.3 { 0.12 * chance.even() } else { 0.0 };
        let mut exchange_at = early(chance);
        let mut wait = 1.5 * chance.waiting();
        let mut next = 0.0;
        for step in 1..days * STEPS {
            let day = step as f64 / STEPS as f64;
            left = f64::max(left - (self.used[step] - self.used[step - 1]), 0.0);
            if left <= exchange_at {
                wait -= 1.0 / STEPS as f64;
                if wait <= 0.0 {
                    (left, exchange_at, wait) = (1.0, early(chance), 1.5 * chance.waiting());
                    filling += 1;
                    self.replaced.push(day);
                }
            }
            if day >= next {
                let told = left + manner.noise * chance.normal();
                let told = ((told / manner.step).round() * manner.step).clamp(0.0, 1.0);
                self.readings.push(Reading { day, told, left, filling });
                next = day + manner.every * (0.5 + chance.even());
                if chance.even() < manner.gaps * manner.every {
                    next += 21.0 * chance.even();
                }
            }
        }
    }

    fn used_by(&self, day: f64) -> f64 {
        let at = (day * STEPS as f64).clamp(0.0, (self.used.len() - 2) as f64);
        let step = at as usize;
        self.used[step] + (self.used[step + 1] - self.used[step]) * (at - step as f64)
    }

    /// How long after `now` what was left at a reading is used up; 0 if it was used up before.
    pub(crate) fn lasts(&self, reading: &Reading, now: f64) -> f64 {
        let end = self.used_by(reading.day) + reading.left;
        let after = self.used.partition_point(|used| *used < end);
        if after >= self.used.len() {
            return (self.used.len() / STEPS) as f64 - now;
        }
        let share = (end - self.used[after - 1]) / (self.used[after] - self.used[after - 1]);
        ((after as f64 - 1.0 + share) / STEPS as f64 - now).max(0.0)
    }
}

/// What is used by the end of each step, at a mean rate per day.
fn demand(chance: &mut Chance, manner: &Manner, rate: f64, days: usize) -> Vec<f64> {
    let mut used = vec![0.0];
    let (mut total, mut factor, mut away) = (0.0, 1.0, 0.0);
    let usual = (5.0 + 2.0 * manner.weekend) / 7.0 * manner.days_of_use;
    let mut change = manner.changes * chance.waiting();
    for day in 0..days {
        if manner.changes > 0.0 && day as f64 >= change {
            factor = (0.5 * chance.normal()).exp();
            change = day as f64 + manner.changes * chance.waiting();
        }
        if chance.even() < manner.vacations / 365.0 {
            away = 7.0 + 14.0 * chance.even();
        }
        away -= 1.0;
        let weekend = if day % 7 >= 5 { manner.weekend } else { 1.0 };
        let uses = chance.even() < manner.days_of_use && away < 0.0;
        let size = gamma(chance, manner.shape) / manner.shape;
        let today = if uses { rate * factor * weekend * size / usual } else { 0.0 };
        // Who uses it every day does so all day; who does not, does it at one time.
        let when = (chance.even() * STEPS as f64) as usize;
        for step in 0..STEPS {
            total += match manner.days_of_use < 1.0 {
                true if step == when => today,
                true => 0.0,
                false => today / STEPS as f64,
            };
            used.push(total);
        }
    }
    used
}
