//! What is sold: toner by the printer that it fits, and milk.

use serde_json::{Value, json};

pub const TONER: &str = "toner";
pub const OFFICE_TONER: &str = "office_toner";
pub const MILK: &str = "milk";
/// The consumable of every printer here: they print in black.
pub const BLACK: &str = "black";
pub const CURRENCY: &str = "KRW";
/// Where the company keeps its goods, and where all customers are.
pub const PLACE: &str = "hub";
pub const REGION: &str = "metro";
/// Parcels on any day, and what is there before breakfast.
pub const STANDARD: &str = "standard";
pub const DAWN: &str = "dawn";
/// The van that brings what is there before breakfast.
pub const DAWN_VAN: &str = "dawn-van";

/// One thing of the catalogue.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ware {
    pub item_id: &'static str,
    pub name: &'static str,
    pub category: &'static str,
    /// The model of device that it fits; any where there is none.
    pub fits: Option<&'static str>,
    /// Pages, or millilitres.
    pub holds: u32,
    /// In won, to the customer and to us.
    pub price: i64,
    pub cost: i64,
}

const fn toner(
    item_id: &'static str,
    name: &'static str,
    fits: &'static str,
    holds: u32,
    won: (i64, i64),
) -> Ware {
    Ware { item_id, name, category: TONER, fits: Some(fits), holds, price: won.0, cost: won.1 }
}

/// Of each model's toner there is the maker's own and one that does as well.
pub const WARES: [Ware; 9] = [
    toner("toner-20", "Toner 20", "hl-20", 1_200, (58_000, 38_000)),
    toner("toner-20c", "Toner 20, compatible", "hl-20", 1_200, (36_000, 22_000)),
    toner("toner-23", "Toner 23", "hl-23", 1_600, (72_000, 47_000)),
    toner("toner-23c", "Toner 23, compatible", "hl-23", 1_600, (45_000, 28_000)),
    toner("toner-15", "Toner 15", "lj-15", 1_500, (69_000, 45_000)),
    toner("toner-15c", "Toner 15, compatible", "lj-15", 1_500, (43_000, 27_000)),
    toner("toner-40", "Toner 40", "lj-40", 6_000, (148_000, 97_000)),
    toner("toner-40c", "Toner 40, compatible", "lj-40", 6_000, (99_000, 62_000)),
    Ware {
        item_id: "milk-1800",
        name: "Milk, 1.8 l",
        category: MILK,
        fits: None,
        holds: 1_800,
        price: 5_400,
        cost: 3_600,
    },
];

pub(super) const HOME_MODELS: [&str; 3] = ["hl-20", "hl-23", "lj-15"];
pub(super) const OFFICE_MODELS: [&str; 3] = ["hl-23", "lj-15", "lj-40"];
pub(super) const FRIDGE: &str = "fridge";

pub(super) fn ware(item_id: &str) -> Option<usize> {
    WARES.iter().position(|ware| ware.item_id == item_id)
}

/// What a model's owner usually buys: the maker's own, or the one that does as well.
pub(super) fn usual(model: &str, own: bool) -> usize {
    let fits = |ware: &Ware| ware.fits == Some(model);
    let first = WARES.iter().position(fits).unwrap_or(WARES.len() - 1);
    if own || WARES[first].category == MILK { first } else { first + 1 }
}

impl Ware {
    /// How the catalogue tells of it at a price.
    pub(super) fn published(&self, price: i64) -> Value {
        json!({
            "item_id": self.item_id,
            "name": self.name,
            "category": self.category,
            "price": price,
            "cost": self.cost,
            "currency": CURRENCY,
            "fits": self.fits.iter().collect::<Vec<_>>(),
            "stocked": true,
        })
    }
}
