//! How likely it is that a promise is kept, from where its parcels are by now.
//!
//! With `F` the distribution of a lane's hours from the hand-over to the customer and `D` the deadline, one parcel is
//! there in time with probability
//!
//! - `F(D − h)` while it waits, where `h` is the latest of its planned hand-over, of when supply lets it leave, and
//!   of now;
//! - `(F(D − s) − F(t − s)) / (1 − F(t − s))` when it left at `s` and is not there at `t`: of all that take longer
//!   than it has taken already, those that are still in time.
//!
//! Parcels are late independently of each other, so a promise of several is kept with the product. While nothing
//! happens the product only falls, so the instant from which it is too low is found by halves.

use model::{Parcel, Time};

use super::{Lane, Rules};

const HOUR_MICROS: f64 = 3_600e6;

/// Where one parcel is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Leg {
    /// Not handed over; it can be from this time on.
    Waits {
        from: Time,
    },
    /// Not handed over, and nobody knows when supply will let it leave.
    Stuck,
    /// Handed over then.
    Left(Time),
    Arrived,
}

/// The parcels of a promise, each with its lane.
#[derive(Clone, PartialEq, Debug)]
pub struct Odds<'a> {
    pub legs: Vec<(&'a Lane, Leg)>,
    pub deadline: Time,
}

impl Rules {
    /// The lane by which a parcel goes; none where the rules name it no more.
    pub fn lane_of(&self, parcel: &Parcel) -> Option<&Lane> {
        self.lanes
            .iter()
            .find(|lane| lane.from == parcel.place && lane.to == parcel.to && lane.service == parcel.service)
    }

    /// That parcels which leave as planned are all there by `deadline`. None where a lane is not known.
    pub fn odds_of_plan(&self, parcels: &[Parcel], deadline: Time) -> Option<f64> {
        let leg = |parcel: &Parcel| Some((self.lane_of(parcel)?, Leg::Waits { from: parcel.hand_over_by }));
        let legs = parcels.iter().map(leg).collect::<Option<_>>()?;
        Some(Odds { legs, deadline }.at(Time::MIN))
    }

    /// The last hand-over that is in time with probability `sure`, by the fastest way to a region from anywhere.
    pub fn last_hand_over(&self, region: &str, deadline: Time, sure: f64) -> Option<Time> {
        let lanes = self.lanes_to(region, None).into_iter();
        let hours = lanes.filter_map(|lane| {
            let hours = lane.hours.quantile(sure);
            // Beyond what was ever seen it is never sure enough.
            (lane.hours.cdf(hours) + 1e-9 >= sure).then_some(hours)
        });
        let hours = hours.min_by(f64::total_cmp)?;
        Some(deadline.plus_micros(-((hours * HOUR_MICROS).ceil() as i64)))
    }
}

impl Odds<'_> {
    /// That everything is there by the deadline, if nothing has happened by `now`.
    pub fn at(&self, now: Time) -> f64 {
        self.legs.iter().map(|(lane, leg)| self.of_leg(lane, *leg, now)).product()
    }

    fn of_leg(&self, lane: &Lane, leg: Leg, now: Time) -> f64 {
        let hours = |from: Time, to: Time| to.since(from) as f64 / HOUR_MICROS;
        match leg {
            Leg::Arrived => 1.0,
            Leg::Stuck => 0.0,
            Leg::Waits { from } => lane.hours.cdf(hours(from.max(now), self.deadline)),
            Leg::Left(left) => {
                let in_time = lane.hours.cdf(hours(left, self.deadline));
                let over = lane.hours.cdf(hours(left, now));
                if over >= in_time || over >= 1.0 { 0.0 } else { (in_time - over) / (1.0 - over) }
            }
        }
    }

    /// The first instant after `now` at which it is `late`, if nothing happens; `late` must stay true once it is.
    /// None where that is never before the deadline has passed.
    pub fn first(&self, now: Time, late: impl Fn(f64) -> bool) -> Option<Time> {
        let (mut early, mut found) = (now.0, self.deadline.0);
        if found <= early || !late(self.at(self.deadline)) {
            return None;
        }
        if late(self.at(now)) {
            return Some(now.plus_micros(1));
        }
        while found - early > 1 {
            let middle = early + (found - early) / 2;
            if late(self.at(Time(middle))) {
                found = middle;
            } else {
                early = middle;
            }
        }
        Some(Time(found))
    }
}

#[cfg(test)]
mod tests {
    use learn::Quantiles;

    use super::*;

    fn lane(points: &[(f64, f64)]) -> Lane {
        let hours = Quantiles::new(points.to_vec()).unwrap();
        let (from, to, service) = ("a".to_owned(), "*".to_owned(), "standard".to_owned());
        Lane { from, to, service, slots: None, hours, cost: None, whole_days: false }
    }

    fn hour(hour: i64) -> Time {
        Time(hour * 3_600_000_000)
    }

    #[test]
    fn by_hand() {
        // Uniform from 10 to 20 hours.
        let lane = lane(&[(0.0, 10.0), (1.0, 20.0)]);
        let odds =
            |legs: &[Leg]| Odds { legs: legs.iter().map(|leg| (&lane, *leg)).collect(), deadline: hour(100) };
        let check = |legs: &[Leg], now, expect: f64| {
            let found = odds(legs).at(hour(now));
            assert!((found - expect).abs() < 1e-12, "{legs:?} at {now}: {found}, not {expect}");
        };
        let waits = Leg::Waits { from: hour(82) };
        check(&[waits], 0, 0.8);
        check(&[waits], 85, 0.5);
        check(&[waits], 95, 0.0);
        check(&[waits, waits], 0, 0.64);
        check(&[waits, Leg::Stuck], 0, 0.0);
        check(&[waits, Leg::Arrived], 0, 0.8);
        check(&[Leg::Left(hour(86))], 86, 0.4);
        // After 12 of its hours, 2 of the 8 that are left are in time.
        check(&[Leg::Left(hour(86))], 98, 0.25);
        check(&[Leg::Left(hour(86))], 100, 0.0);
        // What takes longer than ever is not expected.
        check(&[Leg::Left(hour(50))], 80, 0.0);
        let late = |p: f64| crate::Reference::default().is_late(p);
        // 30 % late until hour 83; to the precision of the numbers.
        let first = odds(&[waits]).first(hour(0), late).unwrap();
        assert!((1..200).contains(&first.since(hour(83))), "{first}");
        assert_eq!(odds(&[Leg::Arrived]).first(hour(0), late), None);
        assert_eq!(odds(&[Leg::Stuck]).first(hour(0), late), Some(hour(0).plus_micros(1)));
        assert_eq!(odds(&[waits]).first(hour(100), late), None, "the deadline judges it");
        let rules = Rules { lanes: vec![lane.clone()], ..Rules::default() };
        assert_eq!(rules.last_hand_over("x", hour(100), 0.7), Some(hour(83)));
    }

    /// The longer nothing happens, the less likely it is; the later it leaves, the less likely too.
    #[test]
    fn it_only_falls() {
        let mut seed = 9_u64;
        let mut next = |below: u64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) % below
        };
        for _ in 0..500 {
            let mut value = 0.0;
            let points: Vec<(f64, f64)> = (1..10)
                .map(|step| {
                    value += next(12) as f64;
                    (f64::from(step) / 10.0, value)
                })
                .collect();
            let lane = lane(&points);
            let (deadline, start) = (hour(120), next(100) as i64);
            for leg in [Leg::Waits { from: hour(start) }, Leg::Left(hour(start))] {
                let odds = Odds { legs: vec![(&lane, leg)], deadline };
                let mut before = 1.0;
                for now in start..=120 {
                    let p = odds.at(hour(now));
                    assert!((0.0..=1.0).contains(&p) && p <= before + 1e-12, "{points:?} {leg:?} at {now}");
                    before = p;
                }
                let later = Odds { legs: vec![(&lane, Leg::Waits { from: hour(start + 5) })], deadline };
                if matches!(leg, Leg::Waits { .. }) {
                    assert!(later.at(hour(start)) <= odds.at(hour(start)));
                }
                let late = |p: f64| crate::Reference::default().is_late(p);
                match odds.first(hour(start), late) {
                    Some(first) => {
                        assert!(late(odds.at(first)));
                        let just = first.plus_micros(-1);
                        assert!(just <= hour(start) || !late(odds.at(just)), "it is the first instant");
                    }
                    None => assert!(!late(odds.at(deadline))),
                }
            }
        }
    }
}
