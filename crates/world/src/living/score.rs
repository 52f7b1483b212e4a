//! What the year was like, in the world's own knowledge.

use serde::Serialize;

/// What meeting needs cost a customer (K28).
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize)]
pub struct Effort {
    /// Active minutes.
    pub minutes: f64,
    pub steps: u32,
    pub inputs: u32,
    /// Times that they had to speak to somebody.
    pub contacts: u32,
}

impl Effort {
    pub(super) fn add(&mut self, other: Effort) {
        self.minutes += other.minutes;
        self.steps += other.steps;
        self.inputs += other.inputs;
        self.contacts += other.contacts;
    }
}

/// One thing that was got for a device, from us or elsewhere.
#[derive(Clone, Copy, PartialEq, Debug, Serialize)]
pub struct Got {
    /// Of the customer's, for this one.
    pub effort: Effort,
    /// From when the need was felt until it was in hand, in hours; nothing where it was never felt.
    pub felt_hours: Option<f64>,
    pub ours: bool,
    /// It was brought to them.
    pub served: bool,
}

/// The score of one device, or of several together.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
pub struct Sheet {
    /// Pages that were wanted and printed on each day.
    pub wanted: Vec<u32>,
    pub printed: Vec<u32>,
    /// Jobs that could not be printed, or not wholly.
    pub failed_jobs: u32,
    /// Hours with an empty printer and something to print on it (K29).
    pub dry_hours: f64,
    /// Contents that were used up, and those of them for which the next was there before.
    pub cycles: u32,
    pub in_hand: u32,
    pub effort: Effort,
    pub got: Vec<Got>,
    pub trips: u32,
    /// Times that a shop had none, or only two together.
    pub stock_outs: u32,
    pub bundles: u32,
    pub wrong_items: u32,
    /// Of these, those that we brought.
    pub wrong_deliveries: u32,
    /// Messages that came, and the minutes for which those that were read were read.
    pub messages: u32,
    pub read_minutes: f64,
    /// Orders with us that were placed, that arrived, and those that nobody needed.
    pub orders: u32,
    pub deliveries: u32,
    pub duplicates: u32,
    /// Arrivals with more days of cover than the limit, and the days of cover of all of them.
    pub too_early: u32,
    pub cover_days: Vec<f64>,
    /// Deliveries by the date that was first said.
    pub on_time: u32,
    /// Automatic orders that were called off within the window, after it, and those that came all the same.
    pub called_off: u32,
    pub called_off_late: u32,
    pub came_all_the_same: u32,
    /// Won: what we were paid, what that cost us, what was spent elsewhere.
    pub revenue: i64,
    pub cost_of_goods: i64,
    pub cost_to_serve: i64,
    pub spent_elsewhere: i64,
    /// Mornings at home, and those with milk.
    pub mornings: u32,
    pub mornings_with_milk: u32,
    pub litres_used: f64,
    pub litres_spoiled: f64,
    /// Deliveries before breakfast, and those that came before it.
    pub dawn: u32,
    pub dawn_on_time: u32,
    /// Deliveries to nobody: the customer was away, and had said so to us.
    pub came_while_away: u32,
    pub came_while_known_away: u32,
}

impl Sheet {
    /// Adds another's figures; days by days.
    pub fn add(&mut self, other: &Sheet) {
        let days = |mine: &mut Vec<u32>, other: &[u32]| {
            mine.resize(mine.len().max(other.len()), 0);
            mine.iter_mut().zip(other).for_each(|(mine, other)| *mine += other);
        };
        days(&mut self.wanted, &other.wanted);
        days(&mut self.printed, &other.printed);
        self.failed_jobs += other.failed_jobs;
        self.dry_hours += other.dry_hours;
        self.cycles += other.cycles;
        self.in_hand += other.in_hand;
        self.effort.add(other.effort);
        self.got.extend(&other.got);
        self.trips += other.trips;
        self.stock_outs += other.stock_outs;
        self.bundles += other.bundles;
        self.wrong_items += other.wrong_items;
        self.wrong_deliveries += other.wrong_deliveries;
        self.messages += other.messages;
        self.read_minutes += other.read_minutes;
        self.orders += other.orders;
        self.deliveries += other.deliveries;
        self.duplicates += other.duplicates;
        self.too_early += other.too_early;
        self.cover_days.extend(&other.cover_days);
        self.on_time += other.on_time;
        self.called_off += other.called_off;
        self.called_off_late += other.called_off_late;
        self.came_all_the_same += other.came_all_the_same;
        self.revenue += other.revenue;
        self.cost_of_goods += other.cost_of_goods;
        self.cost_to_serve += other.cost_to_serve;
        self.spent_elsewhere += other.spent_elsewhere;
        self.mornings += other.mornings;
        self.mornings_with_milk += other.mornings_with_milk;
        self.litres_used += other.litres_used;
        self.litres_spoiled += other.litres_spoiled;
        self.dawn += other.dawn;
        self.dawn_on_time += other.dawn_on_time;
        self.came_while_away += other.came_while_away;
        self.came_while_known_away += other.came_while_known_away;
    }

    /// Active minutes for each thing that was got.
    pub fn minutes_each(&self) -> Option<f64> {
        let got = self.got.len() as f64;
        (got > 0.0).then(|| self.got.iter().map(|got| got.effort.minutes).sum::<f64>() / got)
    }
}
