//! Customers who ask.

use model::Time;

use super::planted::{BY_HOUR, BY_WEEKDAY, DAY, REGIONS, WARES, weekday};
use super::{Campaign, Depot, Happening, Request, Stream};
use crate::dice::Dice;

/// Every fourth order has a second line, every fifth line a second unit.
const SECOND_LINE: f64 = 0.25;
const SECOND_UNIT: f64 = 0.2;
pub(super) const UNITS_PER_ORDER: f64 = (1.0 + SECOND_LINE) * (1.0 + SECOND_UNIT);
/// Numbers of a campaign's orders begin here, so that those of the others do not shift.
const CAMPAIGN_NUMBERS: u32 = 500_000;
/// Days until which a date suits, at least and at most.
const PATIENCE: std::ops::Range<i64> = 4..11;

pub(super) fn customer(index: u32) -> String {
    format!("c-{index:04}")
}

impl Depot {
    pub(super) fn plan_demand(&mut self, day: i64) {
        if day >= i64::from(self.config.days) {
            return;
        }
        let mean = self.config.planted.orders_per_day * BY_WEEKDAY[weekday(self.config.start, day)];
        for (hour, share) in (0i64..).zip(BY_HOUR) {
            let turn = (day * 24 + hour) as usize;
            let dice = &mut Dice::new(self.config.seed, Stream::Demand, turn, 0);
            for each in 0..dice.poisson(mean * share) as usize {
                let dice = &mut Dice::new(self.config.seed, Stream::Demand, turn, each + 1);
                self.asked += 1;
                let mut lines = vec![line(dice)];
                let second = line(dice);
                if dice.chance(SECOND_LINE) && second.0 != lines[0].0 {
                    lines.push(second);
                }
                let request = self.request(self.asked, day, hour, lines, dice);
                self.plan(request.at, Happening::Ask(request));
            }
        }
        if let Some(campaign) = self.config.campaign.clone() {
            self.plan_campaign(day, &campaign);
        }
    }

    fn plan_campaign(&mut self, day: i64, campaign: &Campaign) {
        let first = i64::from(campaign.from_day);
        if !(first..first + i64::from(campaign.days)).contains(&day) {
            return;
        }
        let mean = campaign.size / f64::from(campaign.days.max(1));
        for (hour, share) in (0i64..).zip(BY_HOUR) {
            let turn = (day * 24 + hour) as usize;
            let dice = &mut Dice::new(self.config.seed, Stream::Campaign, turn, 0);
            for each in 0..dice.poisson(mean * share) as usize {
                let dice = &mut Dice::new(self.config.seed, Stream::Campaign, turn, each + 1);
                let number = CAMPAIGN_NUMBERS + (turn * 1_000 + each) as u32;
                let lines = vec![(campaign.item.clone(), 1)];
                let mut request = self.request(number, day, hour, lines, dice);
                let late = i64::from(hour >= i64::from(campaign.cut_off_hour));
                let claim = self.midnight(day + 1 + late + i64::from(campaign.within_days)).plus_micros(-1);
                request.claim = Some(claim);
                request.suits_until = claim;
                self.plan(request.at, Happening::Ask(request));
            }
        }
    }

    fn request(
        &self,
        number: u32,
        day: i64,
        hour: i64,
        lines: Vec<(String, u32)>,
        dice: &mut Dice,
    ) -> Request {
        let at: Time = self.hour_of(day, hour).plus_micros(dice.between(0..3_600_000_000));
        Request {
            at,
            number,
            customer: customer(dice.between(0..i64::from(self.config.planted.customers)) as u32),
            lines,
            to: REGIONS[dice.weighted(REGIONS.iter().map(|(_, share)| *share))].0,
            suits_until: at.plus_micros(dice.between(PATIENCE) * DAY),
            claim: None,
        }
    }
}

fn line(dice: &mut Dice) -> (String, u32) {
    let ware = dice.weighted(WARES.iter().map(|ware| ware.weight));
    (WARES[ware].id.to_owned(), 1 + u32::from(dice.chance(SECOND_UNIT)))
}
