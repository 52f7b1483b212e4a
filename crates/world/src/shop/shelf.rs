//! The shelves: what is sold, how much of it is there, and when more is ordered.

use super::calendar::{DAY, HOUR, MINUTE, Seconds, day_of};
use super::luck::{Dice, Stream, lognormal};
use super::people::Text;

/// The currency of all prices. It has no minor unit, so prices are whole numbers.
pub(super) const CURRENCY: &str = "KRW";

/// Units that the shop expects a customer to buy per day, all products together. It only sizes the
/// shelves; the actual demand comes from the visits and is at times above it.
const UNITS_PER_CUSTOMER_DAY: f64 = 0.12;
/// How many days of expected demand a reorder buys.
const REORDER_DAYS: f64 = 12.0;
/// At how many days of expected demand the shop reorders: about a usual lead time, with little to spare.
const REORDER_POINT_DAYS: f64 = 4.5;
/// What a supplier usually takes, in hours, and how much that varies (sigma of a lognormal).
const LEAD_HOURS: f64 = 3.5 * 24.0;
const LEAD_SIGMA: f64 = 0.6;

/// A product.
#[derive(Debug)]
pub(super) struct Ware {
    pub(super) id: &'static str,
    pub(super) category: &'static str,
    pub(super) name: Text,
    /// In [`CURRENCY`].
    pub(super) price: u32,
    /// Share of demand, relative to the other products.
    pub(super) weight: f64,
}

#[rustfmt::skip]
pub(super) static WARES: [Ware; 20] = [
    Ware { id: "tea-barley", category: "tea", name: ("Barley tea", "보리차"), price: 6_900, weight: 10.0 },
    Ware { id: "tea-omija", category: "tea", name: ("Omija tea", "오미자차"), price: 14_500, weight: 6.0 },
    Ware { id: "tea-yuja", category: "tea", name: ("Yuja marmalade", "유자청"), price: 12_900, weight: 8.0 },
    Ware { id: "tea-green", category: "tea", name: ("First-flush green tea", "우전 녹차"), price: 38_000, weight: 3.0 },
    Ware { id: "coffee-house", category: "coffee", name: ("House blend beans", "하우스 블렌드 원두"), price: 17_000, weight: 12.0 },
    Ware { id: "coffee-decaf", category: "coffee", name: ("Decaf beans", "디카페인 원두"), price: 19_000, weight: 6.0 },
    Ware { id: "coffee-filters", category: "coffee", name: ("Paper filters", "종이 필터"), price: 4_500, weight: 8.0 },
    Ware { id: "coffee-dripper", category: "coffee", name: ("Ceramic dripper", "도자기 드리퍼"), price: 32_000, weight: 3.0 },
    Ware { id: "pantry-honey", category: "pantry", name: ("Acacia honey", "아카시아 꿀"), price: 24_000, weight: 6.0 },
    Ware { id: "pantry-sesame-oil", category: "pantry", name: ("Sesame oil", "참기름"), price: 18_500, weight: 7.0 },
    Ware { id: "pantry-seaweed", category: "pantry", name: ("Roasted seaweed", "구운 김"), price: 9_900, weight: 9.0 },
    Ware { id: "pantry-nurungji", category: "pantry", name: ("Scorched rice", "누룽지"), price: 8_800, weight: 6.0 },
    Ware { id: "bath-soap", category: "bath", name: ("Mugwort soap", "쑥 비누"), price: 7_500, weight: 8.0 },
    Ware { id: "bath-towel", category: "bath", name: ("Waffle towel", "와플 수건"), price: 16_000, weight: 4.0 },
    Ware { id: "bath-salt", category: "bath", name: ("Sea-salt soak", "천일염 입욕제"), price: 13_000, weight: 4.0 },
    Ware { id: "home-candle", category: "home", name: ("Pine candle", "소나무 향초"), price: 21_000, weight: 5.0 },
    Ware { id: "home-bowl", category: "home", name: ("Buncheong bowl", "분청 그릇"), price: 45_000, weight: 2.0 },
    Ware { id: "home-linen", category: "home", name: ("Linen cloth", "린넨 행주"), price: 11_000, weight: 5.0 },
    Ware { id: "paper-notebook", category: "paper", name: ("Hanji notebook", "한지 공책"), price: 12_000, weight: 5.0 },
    Ware { id: "paper-cards", category: "paper", name: ("Greeting cards", "손글씨 카드"), price: 5_500, weight: 4.0 },
];

/// A product's place in the shop. All amounts are units of the product.
#[derive(Debug, Clone)]
pub struct Shelf {
    /// The product, as events name it.
    pub product_id: &'static str,
    /// What was there when the shop opened.
    pub opening: u32,
    /// What is there now.
    pub stock: u32,
    /// What suppliers have brought so far.
    pub received: u32,
    /// What suppliers have been asked for and not yet brought.
    pub on_order: u32,
    /// What has been sold and not yet picked.
    pub owed: u32,
    pub(super) ware: &'static Ware,
    reorder_point: u32,
    reorder_quantity: u32,
    reorders: usize,
}

/// The shelves of a new shop, sized for this many customers.
pub(super) fn stocked(customers: u32) -> Vec<Shelf> {
    let weights: f64 = WARES.iter().map(|ware| ware.weight).sum();
    let shelf = |ware: &'static Ware| {
        let daily = f64::from(customers) * UNITS_PER_CUSTOMER_DAY * ware.weight / weights;
        // At least a pair of each, as an order takes up to two.
        let days_of = |days: f64| (daily * days).ceil().max(2.0) as u32;
        let opening = days_of(REORDER_POINT_DAYS + REORDER_DAYS / 2.0);
        Shelf {
            product_id: ware.id,
            opening,
            stock: opening,
            received: 0,
            on_order: 0,
            owed: 0,
            ware,
            reorder_point: days_of(REORDER_POINT_DAYS),
            reorder_quantity: days_of(REORDER_DAYS),
            reorders: 0,
        }
    };
    WARES.iter().map(shelf).collect()
}

impl Shelf {
    /// Asks the supplier for more if what is here and coming, less what is owed, has run low. Gives the
    /// amount and when it will come: a morning, after a lead time that varies.
    pub(super) fn reorder(&mut self, seed: u64, index: usize, at: Seconds) -> Option<(u32, Seconds)> {
        if self.stock + self.on_order > self.reorder_point + self.owed {
            return None;
        }
        let dice = &mut Dice::new(seed, Stream::Supplier, index, self.reorders);
        self.reorders += 1;
        self.on_order += self.reorder_quantity;
        let day = day_of(at + lognormal(LEAD_HOURS, LEAD_SIGMA, dice.normal()).max(DAY));
        Some((self.reorder_quantity, day * DAY + 9 * HOUR + dice.between(0..120) * MINUTE))
    }

    pub(super) fn receive(&mut self, quantity: u32) {
        self.stock += quantity;
        self.received += quantity;
        self.on_order -= quantity;
    }
}
