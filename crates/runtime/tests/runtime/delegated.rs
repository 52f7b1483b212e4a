//! Under a mandate, whatever happens: nothing twice, nothing over a limit, nothing after a revocation.

use std::collections::{BTreeMap, BTreeSet};

use engine::EffectState;
use jiff::{ToSpan, Zoned};
use model::connection::{
    ConnectionCommand, MandateState, MandateTerms, Period, PriceRule, SpendLimit, Strategy, Subject,
};
use model::{Currency, Money, Quantity, Time};
use runtime::Node;
use serde_json::json;

use crate::connection::Shop;
use crate::support::{DAY, HOUR, Rng, START, scale};

const ZONES: [&str; 4] = ["Asia/Seoul", "America/New_York", "Europe/Berlin", "Australia/Lord_Howe"];
const PERIODS: [Period; 5] =
    [Period::Day, Period::Week, Period::Month, Period::Year, Period::RollingDays(30)];

/// What the merchant was told: when, for which order, and how much.
struct Charge {
    at: Time,
    amount: i64,
    /// Which filling of which device it was for.
    filling: (String, u32),
    order_id: String,
    /// Since when it was called off, and the money the customer's again.
    back_at: Option<Time>,
}

impl Charge {
    fn counts(&self, at: Time) -> bool {
        self.at <= at && self.back_at.is_none_or(|back| back > at)
    }
}

fn euros(minor: i64) -> Money {
    Money { minor, currency: Currency::new("EUR").unwrap() }
}

/// When the period began that an instant is in, by the calendar and not by the engine.
fn began(period: Period, at: Time, zone: &str) -> Time {
    let now: Zoned = at.to_timestamp().in_tz(zone).unwrap();
    let day = now.date();
    let first = match period {
        Period::RollingDays(days) => return at.plus_micros(-i64::from(days) * DAY + 1),
        Period::Day => day,
        Period::Week => day - i64::from(day.weekday().to_monday_zero_offset()).days(),
        Period::Month => day.first_of_month(),
        Period::Year => day.first_of_year(),
    };
    Time::from_timestamp(first.in_tz(zone).unwrap().timestamp())
}

struct Life {
    shop: Shop,
    dir: std::path::PathBuf,
    rng: Rng,
    now: i64,
    terms: MandateTerms,
    /// Per device: which filling it is, and per cent.
    devices: BTreeMap<String, (u32, f64)>,
    charges: Vec<Charge>,
    told: BTreeSet<String>,
    placed: BTreeSet<String>,
    active: bool,
    kills: usize,
    seed: u64,
}

impl Life {
    fn new(seed: u64) -> Life {
        let mut rng = Rng::new(seed);
        let devices = 1 + rng.below(3) as usize;
        let shop = Shop::with_devices(devices);
        shop.prefer(Strategy::Automate, 2);
        let limits = (0..1 + rng.below(3)).map(|_| SpendLimit {
            period: *rng.pick(&PERIODS),
            amount: rng.chance(60).then(|| euros(rng.between(5_000, 20_000))),
            orders: rng.chance(50).then(|| 1 + rng.below(3) as u32),
        });
        let limits = limits.collect();
        let terms = MandateTerms {
            limits,
            price: rng
                .chance(70)
                .then(|| PriceRule { reference: euros(5_800), max_rise_percent: rng.below(20) as u32 }),
            max_each: euros(rng.between(5_500, 8_000)),
            max_quantity: Quantity::ONE,
            notice_hours: rng.below(72) as u32,
            dormancy_days: rng.chance(20).then_some(40),
            valid_to: rng.chance(20).then(|| START.plus_micros(rng.between(30, 200) * DAY)),
            time_zone: (*rng.pick(&ZONES)).to_owned(),
            ..shop.mandate()
        };
        shop.delegate(terms.clone());
        let dir = shop.home.dir();
        let devices = (1..=devices).map(|n| (format!("p{n}"), (0, 100.0))).collect();
        let (charges, told, placed) = (Vec::new(), BTreeSet::new(), BTreeSet::new());
        Life { shop, dir, rng, now: 0, terms, devices, charges, told, placed, active: true, kills: 0, seed }
    }

    /// What the merchant has heard since.
    fn hear(&mut self, step: usize) {
        let customer = self.shop.customer();
        let at = START.plus_micros(self.now);
        for charge in self.charges.iter_mut().filter(|charge| charge.back_at.is_none()) {
            let cancelled = customer.orders[&charge.order_id].state == model::OrderState::Cancelled;
            charge.back_at = cancelled.then_some(at);
        }
        for (key, record) in &customer.effects {
            let started = !matches!(record.state, EffectState::Requested | EffectState::Suppressed);
            let kind = record.effect.kind.name();
            if !started || !matches!(kind, "payment.authorise" | "order.place") || self.told.contains(key) {
                continue;
            }
            self.told.insert(key.clone());
            let order_id = record.effect.order_id.clone().unwrap();
            let action = customer.connection.action_of(&order_id).expect("nothing else was ordered");
            // Both halves of an order, and each once.
            assert!(self.placed.insert(format!("{kind} {order_id}")), "step {step}: {kind} {order_id} twice");
            if kind != "payment.authorise" {
                continue;
            }
            assert!(
                self.active,
                "seed {}, step {step}: {order_id} was paid without a mandate that holds",
                self.seed
            );
            let need = &customer.connection.needs[&action.action.need_id].need;
            let device = need.subject.device_id.clone().unwrap_or_default();
            let filling = self.devices.get(&device).map_or(0, |known| known.0);
            let amount = customer.orders[&order_id].total.expect("it was charged").minor;
            self.charges.push(Charge { at, amount, filling: (device, filling), order_id, back_at: None });
        }
    }

    /// Time passes, in steps in which what is due happens.
    fn pass(&mut self, micros: i64, step: usize) {
        let until = self.now + micros;
        while self.now < until {
            self.now = until.min(self.now + 6 * HOUR);
            self.shop.at(self.now);
            self.hear(step);
        }
    }

    fn step(&mut self, step: usize) {
        let ahead = self.rng.between(1, 40) * HOUR + self.rng.between(0, 59) * 60_000_000;
        self.pass(ahead, step);
        let devices: Vec<String> = self.devices.keys().cloned().collect();
        let device = self.rng.pick(&devices).clone();
        match self.rng.below(20) {
            0..=9 => {
                let used = self.rng.between(1, 25) as f64;
                let known = self.devices.get_mut(&device).unwrap();
                known.1 = (known.1 - used).max(0.0);
                let level = json!({ "device_id": device, "slot": "black", "level": known.1 });
                self.shop.tell(self.now, "slot.level_reported", &level);
                // The same once more, as gateways do.
                self.shop.tell(self.now, "slot.level_reported", &level);
            }
            10..=11 => self.shop.connect(ConnectionCommand::OrderNow { mandate_id: "m1".to_owned() }),
            12..=13 => {
                let (kim, at) = (self.shop.kim, START.plus_micros(self.now));
                let subject = Subject {
                    device_id: Some(device.clone()),
                    slot: Some("black".to_owned()),
                    item_id: None,
                };
                let said = move |fold: &mut runtime::Fold, now| {
                    fold.state_need(kim, "toner", subject.clone(), Some(at), now)
                };
                self.shop.node.act_and_wait(said).unwrap();
            }
            14..=15 => self.arrives(),
            16 => {
                let price = format!("{}.00", self.rng.between(50, 80));
                let item = json!({ "item_id": "tn-1", "name": "TN-1", "price": price, "cost": "20.00",
                    "currency": "EUR", "fits": ["P-1"] });
                self.shop.tell(self.now, "item.published", &item);
            }
            17 => {
                let command = match self.rng.below(3) {
                    0 => ConnectionCommand::RevokeMandate { mandate_id: "m1".to_owned() },
                    1 => ConnectionCommand::PauseMandate { mandate_id: "m1".to_owned() },
                    _ => ConnectionCommand::ResumeMandate { mandate_id: "m1".to_owned() },
                };
                let ends = !matches!(command, ConnectionCommand::ResumeMandate { .. });
                // What was paid before the word was said is no offence against it; from then on it is.
                self.hear(step);
                self.shop.connect(command);
                self.stands();
                assert!(!(ends && self.active), "step {step}: still active");
            }
            18 => {
                // Agreed to anew; what was spent stays spent.
                self.hear(step);
                self.shop.delegate(self.terms.clone());
                self.stands();
            }
            _ => self.kill(),
        }
        self.settle(step);
    }

    fn settle(&mut self, step: usize) {
        self.shop.at(self.now);
        self.hear(step);
    }

    /// How the mandate stands from here on.
    fn stands(&mut self) {
        let known = &self.shop.connection().mandates["m1"];
        self.active = !matches!(known.state, MandateState::Revoked | MandateState::Paused);
    }

    /// An order that is under way is delivered and put in.
    fn arrives(&mut self) {
        let customer = self.shop.customer();
        let under_way = customer.orders.iter().find(|(id, order)| {
            order.state == model::OrderState::Placed && self.placed.contains(&format!("order.place {id}"))
        });
        let Some((order_id, _)) = under_way else { return };
        let action = customer.connection.action_of(order_id).unwrap().action.clone();
        let subject = customer.connection.needs[&action.need_id].need.subject.clone();
        let order = json!({ "order_id": order_id });
        self.shop.tell(self.now, "fulfillment.shipped", &order);
        self.shop.tell(self.now, "fulfillment.delivered", &order);
        let Some(device) = subject.device_id else { return };
        let replaced = json!({ "device_id": device, "slot": "black" });
        self.shop.tell(self.now, "slot.replaced", &replaced);
        let known = self.devices.get_mut(&device).unwrap();
        *known = (known.0 + 1, 100.0);
    }

    /// The process dies here and another goes on with what lies on the disk.
    fn kill(&mut self) {
        self.kills += 1;
        let copy = self.shop.home.killed_at(&self.dir, &format!("killed-{}", self.kills));
        self.shop.node = Node::open(&copy, self.shop.home.options()).unwrap();
        self.dir = copy;
    }

    fn judge(&self, seed: u64) {
        for limit in &self.terms.limits {
            for last in &self.charges {
                let from = began(limit.period, last.at, &self.terms.time_zone);
                let counts = |charge: &&Charge| from <= charge.at && charge.counts(last.at);
                let within: Vec<&Charge> = self.charges.iter().filter(counts).collect();
                let amount: i64 = within.iter().map(|charge| charge.amount).sum();
                let over = limit.amount.is_some_and(|most| amount > most.minor)
                    || limit.orders.is_some_and(|most| within.len() > most as usize);
                assert!(!over, "seed {seed}: {} orders of {amount} against {limit:?}", within.len());
            }
        }
        for charge in &self.charges {
            assert!(charge.amount <= self.terms.max_each.minor, "seed {seed}: {} at once", charge.amount);
            let same = |other: &&Charge| other.filling == charge.filling && other.counts(charge.at);
            let twice = self.charges.iter().filter(same).count() > 1;
            assert!(!twice, "seed {seed}: {:?} more than once", charge.filling);
        }
        self.shop.recompute();
    }
}

#[test]
fn whatever_happens_nothing_is_ordered_twice_or_over_a_limit_or_after_a_revocation() {
    let (mut charges, mut kills) = (0, 0);
    let lives = scale(30, 500, 10_000);
    for seed in 0..lives {
        let mut life = Life::new(seed);
        for step in 0..40 {
            life.step(step);
        }
        life.pass(3 * DAY, 40);
        life.judge(seed);
        charges += life.charges.len();
        kills += life.kills;
    }
    println!(
        "R11: {lives} lives under a mandate, {charges} orders, {kills} kills: 0 twice, 0 over a limit, 0 after a revocation"
    );
    assert!(charges > lives as usize / 2, "{charges} orders in {lives} lives show little");
}
