//! Shelves: what is there, what is to come, and what is held for quality.

use std::collections::BTreeMap;

use model::Time;
use serde_json::{Value, json};

use super::planted::{
    COVER_DAYS, CURRENCY, HOUR, LEAD_DAYS, MINUTE, PLACES, Planted, REGIONS, REVIEW_DAYS, WARES, Ware,
};
use super::{Campaign, Cause, Depot, Happening, Parcel, Said, State, Stream};
use crate::dice::Dice;

/// The goods of one item at one place.
pub(super) struct Shelf {
    pub(super) ware: usize,
    pub(super) place: usize,
    /// There, good, and not put aside for anybody.
    pub(super) free: u32,
    held: u32,
    level: u32,
    coming: BTreeMap<String, Coming>,
}

/// What is to come: units, when it was last said to, and whether that was or is wrong.
struct Coming {
    units: u32,
    due: Time,
    late: bool,
}

/// Units of one item that are asked for on a mean day at a place.
fn daily(planted: &Planted, ware: usize, place: usize) -> f64 {
    let at = WARES[ware].at;
    // Who lives nearer to a place is mostly served from there.
    let share = if at.len() == 1 { 1.0 } else { REGIONS[place].1 };
    planted.orders_per_day * super::demand::UNITS_PER_ORDER * WARES[ware].weight * share
}

pub(super) fn stocked(planted: &Planted) -> Vec<Shelf> {
    let kept = WARES.iter().enumerate().flat_map(|(ware, of)| of.at.iter().map(move |place| (ware, *place)));
    let shelf = |(ware, place)| {
        let level = (daily(planted, ware, place) * COVER_DAYS).round() as u32;
        Shelf { ware, place, free: level, held: 0, level, coming: BTreeMap::new() }
    };
    kept.map(shelf).collect()
}

impl Ware {
    pub(super) fn published(&self) -> Value {
        json!({
            "item_id": self.id,
            "price": self.price,
            "cost": self.cost,
            "currency": CURRENCY,
            "substitutes": self.substitute.iter().map(|ware| WARES[*ware].id).collect::<Vec<_>>(),
            "supplier": "maker",
            "lead_days": LEAD_DAYS,
        })
    }
}

impl Shelf {
    fn properties(&self) -> Value {
        json!({ "item_id": WARES[self.ware].id, "place": PLACES[self.place].name })
    }

    pub(super) fn counted(&self) -> Value {
        let mut properties = self.properties();
        properties["on_hand"] = json!(self.free);
        properties
    }

    /// Why it has nothing.
    pub(super) fn blame(&self) -> Cause {
        match (self.held > 0, self.coming.values().any(|coming| coming.late)) {
            (true, _) => Cause::Quality,
            (false, true) => Cause::LateReceipt,
            (false, false) => Cause::Knock,
        }
    }
}

impl Depot {
    pub(super) fn shelf(&self, ware: usize, place: usize) -> Option<usize> {
        self.shelves.iter().position(|shelf| shelf.ware == ware && shelf.place == place)
    }

    pub(super) fn put_back(&mut self, parcel: &Parcel) {
        for (ware, units) in &parcel.lines {
            if let Some(shelf) = self.shelf(*ware, parcel.place) {
                self.shelves[shelf].free += units;
            }
        }
    }

    pub(super) fn plan_receipts(&mut self, day: i64) {
        for shelf in 0..self.shelves.len() {
            // Shelves take turns.
            if (day + shelf as i64) % REVIEW_DAYS == 0 {
                let turn = (day / REVIEW_DAYS) as usize;
                self.plan(self.hour_of(day, 9), Happening::Review { shelf, turn });
            }
        }
        if let Some(campaign) = self.config.campaign.clone().filter(|one| i64::from(one.from_day) == day + 3)
        {
            self.buy_for(day, &campaign);
        }
    }

    /// What is bought for a campaign comes when it is said to.
    fn buy_for(&mut self, day: i64, campaign: &Campaign) {
        let Some(shelf) = self.shelves.iter().position(|shelf| WARES[shelf.ware].id == campaign.item) else {
            return;
        };
        let (receipt, due) = ("po-campaign".to_owned(), self.hour_of(day + 2, 12));
        let coming = Coming { units: campaign.stock, due, late: false };
        self.shelves[shelf].coming.insert(receipt.clone(), coming);
        self.plan(self.hour_of(day, 10), Happening::Announce { shelf, receipt: receipt.clone(), due });
        self.plan(self.hour_of(day + 2, 11), Happening::Receive { shelf, receipt });
    }

    /// What parcels that were booked will still take of a shelf.
    pub(super) fn booked(&self, shelf: usize) -> u32 {
        let Shelf { ware, place, .. } = self.shelves[shelf];
        let parcels = self.waiting.iter().filter(|(at, ..)| *at == place);
        let parcels = parcels.map(|(_, order, parcel)| &self.orders[order].parcels[*parcel]);
        let open = parcels.filter(|parcel| parcel.state == State::Waiting && !parcel.aside);
        open.flat_map(|parcel| &parcel.lines).filter(|(line, _)| *line == ware).map(|(_, units)| units).sum()
    }

    /// Orders what is missing. Whether it will be late is drawn now and known to nobody.
    pub(super) fn review(&mut self, at: Time, index: usize, turn: usize) -> Vec<Said> {
        let owed = self.booked(index);
        let shelf = &self.shelves[index];
        let coming: u32 = shelf.coming.values().map(|coming| coming.units).sum();
        let Some(units) = (shelf.level + owed).checked_sub(shelf.free + coming).filter(|units| *units > 0)
        else {
            return Vec::new();
        };
        let receipt = format!("po-{index}-{turn}");
        let day = self.day_of(at) + LEAD_DAYS;
        let due = self.hour_of(day, 12);
        let planted = self.config.planted.clone();
        let dice = &mut Dice::new(self.config.seed, Stream::Receipt, index, turn);
        let (late, announced) = (dice.chance(planted.late_receipts), dice.chance(planted.late_announced));
        let by = dice.between(1..planted.late_days_max + 1);
        let early = dice.between(10..170) * MINUTE;
        let comes = self.hour_of(day + if late { by } else { 0 }, 12).plus_micros(-early);
        if late && announced {
            let new = self.hour_of(day + by, 12);
            let said = Happening::Announce { shelf: index, receipt: receipt.clone(), due: new };
            self.plan(self.hour_of(day - 1, 16), said);
        }
        self.plan(comes, Happening::Receive { shelf: index, receipt: receipt.clone() });
        self.shelves[index].coming.insert(receipt.clone(), Coming { units, due, late });
        self.expected(at, index, &receipt)
    }

    fn expected(&mut self, at: Time, index: usize, receipt: &str) -> Vec<Said> {
        let shelf = &self.shelves[index];
        let Some(Coming { units, due, .. }) = shelf.coming.get(receipt) else { return Vec::new() };
        let mut properties = shelf.properties();
        properties["receipt"] = json!(receipt);
        properties["quantity"] = json!(units);
        properties["due"] = json!(due.to_string());
        self.tell(at, "stock.expected", properties)
    }

    pub(super) fn announce(&mut self, at: Time, index: usize, receipt: &str, due: Time) -> Vec<Said> {
        if let Some(coming) = self.shelves[index].coming.get_mut(receipt) {
            coming.due = due;
        }
        self.expected(at, index, receipt)
    }

    pub(super) fn receive(&mut self, at: Time, index: usize, receipt: &str) -> Vec<Said> {
        let shelf = &mut self.shelves[index];
        let Some(Coming { units, .. }) = shelf.coming.remove(receipt) else { return Vec::new() };
        shelf.free += units;
        let mut properties = shelf.properties();
        properties["receipt"] = json!(receipt);
        properties["quantity"] = json!(units);
        self.tell(at, "stock.received", properties)
    }

    pub(super) fn plan_quality(&mut self, day: i64) {
        for shelf in 0..self.shelves.len() {
            let turn = day as usize;
            let dice = &mut Dice::new(self.config.seed, Stream::Quality, shelf, turn);
            if dice.chance(self.config.planted.quality_per_day) {
                let at = self.midnight(day).plus_micros(dice.between(7 * 60..18 * 60) * MINUTE);
                self.plan(at, Happening::Seize { shelf, turn });
            }
        }
    }

    /// The same luck for the beginning and the end of a hold: its share, its hours, and whether half is scrapped.
    fn quality_luck(&self, shelf: usize, turn: usize) -> (f64, i64, bool) {
        let planted = &self.config.planted;
        let dice = &mut Dice::new(self.config.seed, Stream::Quality, shelf, turn + 1_000_000);
        let share = planted.quality_share + (1.0 - planted.quality_share) * dice.unit();
        (share, dice.between(18..planted.quality_hours_max.max(19)), dice.chance(planted.quality_scrapped))
    }

    pub(super) fn seize(&mut self, at: Time, index: usize, turn: usize) -> Vec<Said> {
        let (share, hours, _) = self.quality_luck(index, turn);
        let shelf = &mut self.shelves[index];
        let units = (f64::from(shelf.free) * share).round() as u32;
        if units == 0 || shelf.held > 0 {
            return Vec::new();
        }
        shelf.free -= units;
        shelf.held = units;
        let mut properties = shelf.properties();
        properties["quantity"] = json!(units);
        self.plan(at.plus_micros(hours * HOUR), Happening::Clear { shelf: index, turn });
        self.tell(at, "stock.quarantined", properties)
    }

    pub(super) fn clear(&mut self, at: Time, index: usize, turn: usize) -> Vec<Said> {
        let (_, _, scrapped) = self.quality_luck(index, turn);
        let shelf = &mut self.shelves[index];
        let units = if scrapped { shelf.held / 2 } else { shelf.held };
        shelf.held = 0;
        shelf.free += units;
        let mut properties = shelf.properties();
        properties["quantity"] = json!(units);
        self.tell(at, "stock.cleared", properties)
    }
}
