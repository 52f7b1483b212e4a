//! Luck: all randomness of the shop, cut into streams so that one decision never shifts another.
//!
//! Every visit, order and delivery from a supplier has a stream of its own, named by the seed and by what
//! it is for. An effect may change what happens to one order, but the dice of all others fall as before;
//! two runs of one seed can therefore be compared order by order.

pub(super) use crate::dice::Dice;

use super::calendar::{HOUR, MINUTE, Seconds};

/// What a stream of luck is for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Stream {
    World,
    Person,
    Arrival,
    Visit,
    Order,
    Supplier,
}

impl From<Stream> for u64 {
    fn from(stream: Stream) -> u64 {
        stream as u64
    }
}

/// A duration of `hours` in the middle case, stretched or shrunk by `normal` standard deviations of `sigma`.
pub(super) fn lognormal(hours: f64, sigma: f64, normal: f64) -> Seconds {
    (hours * (sigma * normal).exp() * HOUR as f64).round() as Seconds
}

/// The luck of one order, drawn whole when it is placed: what the shop does later decides which of it counts.
#[derive(Debug, Clone)]
pub(super) struct OrderLuck {
    /// From the order to the moment someone on the floor wants to pick it, in an ordinary week.
    pub(super) queue: Seconds,
    /// What is added to it, because the picking slip fell behind the printer; mostly nothing.
    pub(super) slip: Seconds,
    /// From picked to packed.
    pub(super) pack: Seconds,
    /// From the alert to the picking, and again to the hand-over, when the order is expedited.
    pub(super) rush: Seconds,
    /// How far after the hour a van comes or a door bell rings.
    pub(super) jitter: Seconds,
    /// Below the region's share, the slow courier gets the parcel. In 0..1.
    pub(super) courier: f64,
    /// Standard deviations by which the journey is longer than usual.
    pub(super) journey: f64,
    pub(super) fails_first_attempt: bool,
    pub(super) retry_after: Seconds,
    /// When the customer's mind changes, counted from the order.
    pub(super) regret_after: Option<Seconds>,
    /// Whether the shop finds the hands to expedite this order if asked.
    pub(super) can_expedite: bool,
    /// Below the share of customers who answer, a review is written. In 0..1.
    pub(super) answers: f64,
    /// Standard deviations by which the rating is kinder than usual.
    pub(super) kindness: f64,
    pub(super) review_after: Seconds,
    /// Chooses among phrases and payment methods.
    pub(super) taste: usize,
}

impl OrderLuck {
    pub(super) fn draw(seed: u64, order: usize) -> Self {
        let dice = &mut Dice::new(seed, Stream::Order, order, 0);
        Self {
            queue: lognormal(3.0, 0.5, dice.normal()).max(HOUR),
            slip: if dice.chance(0.06) { dice.between(24..60) * HOUR } else { 0 },
            pack: dice.between(30..120) * MINUTE,
            rush: dice.between(20..50) * MINUTE,
            jitter: dice.between(0..40 * MINUTE),
            courier: dice.unit(),
            journey: dice.normal(),
            fails_first_attempt: dice.chance(0.045),
            retry_after: dice.between(20..27) * HOUR,
            regret_after: dice.chance(0.025).then(|| dice.between(HOUR..30 * HOUR)),
            can_expedite: dice.chance(0.85),
            answers: dice.unit(),
            kindness: dice.normal(),
            // Nobody writes before the goods are out of the box, or the money is back.
            review_after: lognormal(30.0, 0.6, dice.normal()).max(2 * HOUR),
            taste: dice.between(0..1 << 16) as usize,
        }
    }
}
