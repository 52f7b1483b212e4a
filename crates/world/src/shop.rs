//! A small shop that promises a delivery date with every order, and does not always keep it.
//!
//! Customers browse without a name, sign in, order, and review. The floor picks from shelves that run
//! empty when a supplier is slow; couriers carry, one of them less reliably; one week everything is late.
//! From outside the shop hears two kinds of effects: [`OPERATIONS_ALERT`] makes it expedite an order if it
//! can, [`CUSTOMER_NOTIFY`] softens what the customer will say of a broken promise.
//!
//! Who comes and what they buy does not depend on effects; what becomes of their orders does.

mod calendar;
mod customers;
mod floor;
mod luck;
mod order;
mod people;
mod shelf;
mod voice;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{Effect, WorldEvent};
use calendar::{Calendar, DAY, Seconds, TIME_ZONE, within_hours};
use luck::{Dice, Stream};
use order::{Line, Order, Party, State, Verdict};
use people::{Person, Screen};

pub use shelf::Shelf;
pub use voice::Language;

/// The effect kind that says a promise is at risk. If the order is still in the shop and hands can be
/// found, it is picked at once and given to the fast courier.
pub const OPERATIONS_ALERT: &str = "operations.alert";
/// The effect kind that tells the customer of a delay, before or after the fact. Reviews written after it
/// are kinder, should the promise be broken.
pub const CUSTOMER_NOTIFY: &str = "customer.notify";

/// When someone can be asked to stay late or come early for an order that is expedited.
const OVERTIME_HOURS: Range<i64> = 6..23;

/// What kind of shop to simulate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShopConfig {
    /// Decides all luck: equal configurations give equal events.
    pub seed: u64,
    /// Days that the shop is watched, from its first midnight on.
    pub days: u32,
    /// People who will ever come by. Shelves are sized to match.
    pub customers: u32,
    /// The shop opens at the first local midnight at or after this instant. Only the times and dates in
    /// the events depend on it.
    pub start: Timestamp,
    /// The language of names and texts.
    pub language: Language,
}

impl ShopConfig {
    /// The usual shop: seed 1, ninety days, 160 customers, in English.
    pub fn starting(start: Timestamp) -> Self {
        Self { seed: 1, days: 90, customers: 160, start, language: Language::En }
    }
}

/// What the shop did with an effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// The order goes first now, by the fast courier.
    Expedited,
    /// The order had left the shop, was cancelled or already expedited, or no hands were found.
    NotExpedited,
    /// The customer has been told.
    Told,
    /// The key had been received before.
    Repeated,
    /// The shop has no such order or promise.
    UnknownOrder,
    /// The shop does not know this kind of effect.
    UnknownKind,
}

/// How the shop's promises stand, from the world's own knowledge.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// Orders placed; each has one promise, and the other counts add up to it.
    pub orders: u32,
    /// Delivered on the promised day or before.
    pub kept: u32,
    /// Not delivered by then, or cancelled by the shop.
    pub broken: u32,
    /// Cancelled by the customer before it was due.
    pub withdrawn: u32,
    /// Not yet decided.
    pub open: u32,
}

impl Tally {
    /// The share kept of the promises that were decided, 0 to 1; `None` if there are none.
    pub fn kept_rate(&self) -> Option<f64> {
        let decided = self.kept + self.broken;
        (decided > 0).then(|| f64::from(self.kept) / f64::from(decided))
    }
}

/// A customer whose story is worth telling.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Hero {
    /// The customer, who browsed as `anonymous_id` before.
    pub customer_id: String,
    /// The browser of the first visit.
    pub anonymous_id: String,
    /// For people to read.
    pub name: String,
    /// An order whose promise was broken or, failing that, at risk.
    pub troubled_order: String,
    /// A later order whose promise was kept without trouble.
    pub kept_order: Option<String>,
}

/// Something planned. It happens only if it still makes sense by then: a plan that was overtaken finds its
/// order in another state, and nothing comes of it.
#[derive(Debug, Clone)]
enum Happening {
    Visit { person: usize, turn: usize },
    View { person: usize, screen: Screen, shelf: usize },
    SignIn { person: usize, screen: Screen },
    Order { person: usize, screen: Screen, lines: Vec<Line> },
    Receipt { shelf: usize, quantity: u32 },
    Step(usize, Step),
}

/// What is planned for an order.
#[derive(Debug, Clone, Copy)]
enum Step {
    Pay,
    Pick,
    HandOver,
    Travel,
    Miss,
    Deliver,
    Regret,
    GiveUp,
    Refund,
    Review,
}

/// The simulated shop. A clone lives on independently, so that one can look ahead in it.
#[derive(Debug, Clone)]
pub struct Shop {
    config: ShopConfig,
    calendar: Calendar,
    now: Timestamp,
    /// What is planned, by time and then by when it was planned.
    agenda: BTreeMap<(Seconds, u64), Happening>,
    planned: u64,
    people: Vec<Person>,
    shelves: Vec<Shelf>,
    /// In the order of their ids.
    orders: Vec<Order>,
    /// Orders that were to be picked while a shelf was short.
    waiting: BTreeSet<usize>,
    bad_week: Range<i64>,
    heard: BTreeSet<String>,
    answers: BTreeMap<Answer, u64>,
    told: Vec<WorldEvent>,
}

impl Shop {
    /// A shop that has not opened yet.
    pub fn new(config: ShopConfig) -> Self {
        let third = i64::from(config.days / 3);
        let bad_from = third + Dice::new(config.seed, Stream::World, 0, 0).between(0..third.max(1));
        let person = |index| Person::new(config.seed, index as usize, config.days, config.language);
        let mut shop = Self {
            calendar: Calendar::new(config.start),
            now: config.start,
            agenda: BTreeMap::new(),
            planned: 0,
            people: (0..config.customers).map(person).collect(),
            shelves: shelf::stocked(config.customers),
            orders: Vec::new(),
            waiting: BTreeSet::new(),
            bad_week: bad_from..bad_from + 7,
            heard: BTreeSet::new(),
            answers: BTreeMap::new(),
            told: Vec::new(),
            config,
        };
        for person in 0..shop.people.len() {
            shop.plan_visit(person, 0, shop.people[person].comes_on);
        }
        shop
    }

    /// Up to when the shop has lived.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// The midnight after the last day. Nothing happens after it; orders under way stay so.
    pub fn end(&self) -> Timestamp {
        self.calendar.timestamp(i64::from(self.config.days) * DAY)
    }

    /// Lets the shop live up to `until`, and not past its end. Gives what happened since the last call, in
    /// the order of time; nothing if `until` is not after [`now`](Self::now).
    pub fn advance(&mut self, until: Timestamp) -> Vec<WorldEvent> {
        let until = until.min(self.end());
        let last = self.calendar.seconds(until);
        while let Some(next) = self.agenda.first_entry()
            && next.key().0 <= last
        {
            let ((at, _), happening) = next.remove_entry();
            self.happen(at, happening);
        }
        self.now = self.now.max(until);
        std::mem::take(&mut self.told)
    }

    /// Hears of an effect, at the present time. What comes of it is seen in later events.
    pub fn receive(&mut self, effect: &Effect) -> Answer {
        let answer = self.answer(effect);
        *self.answers.entry(answer).or_default() += 1;
        answer
    }

    /// How often each answer was given.
    pub fn answers(&self) -> &BTreeMap<Answer, u64> {
        &self.answers
    }

    /// The shelves as they are now.
    pub fn shelves(&self) -> &[Shelf] {
        &self.shelves
    }

    /// How the promises stand now.
    pub fn tally(&self) -> Tally {
        let now = self.seconds_now();
        let mut tally = Tally::default();
        for order in &self.orders {
            tally.orders += 1;
            *match order.verdict(now) {
                Some(Verdict::Kept) => &mut tally.kept,
                Some(Verdict::Broken) => &mut tally.broken,
                Some(Verdict::Withdrawn) => &mut tally.withdrawn,
                None => &mut tally.open,
            } += 1;
        }
        tally
    }

    /// The customer with the fullest story so far: nameless at first, then an order in trouble, at best
    /// with a broken promise and a review that says so, then one that went well. `None` until some order is
    /// in trouble.
    pub fn hero(&self) -> Option<Hero> {
        let stories = self.people.iter().flat_map(|person| self.stories(person));
        // The first of the fullest, whereas `max_by_key` would give the last.
        stories.min_by_key(|(fullness, _)| Reverse(*fullness)).map(|(_, hero)| hero)
    }

    /// The stories a person could tell, each with how full it is.
    fn stories<'a>(&'a self, person: &'a Person) -> impl Iterator<Item = ((bool, bool, bool), Hero)> + 'a {
        let now = self.seconds_now();
        let verdict_is = move |order: &Order, verdict| order.verdict(now) == Some(verdict);
        person.orders.iter().enumerate().filter_map(move |(position, &index)| {
            let order = &self.orders[index];
            let broken = verdict_is(order, Verdict::Broken);
            let unwanted = matches!(order.state, State::Cancelled(Party::Customer, _));
            if unwanted || !(broken || order.at_risk(now)) {
                return None;
            }
            let mut later = person.orders[position + 1..].iter().map(|&later| &self.orders[later]);
            let kept = later.find(|later| verdict_is(later, Verdict::Kept) && !later.at_risk(now));
            let hero = Hero {
                customer_id: person.id.clone(),
                anonymous_id: person.device(Screen::Web).anonymous_id.clone(),
                name: person.name.clone(),
                troubled_order: order.id.clone(),
                kept_order: kept.map(|kept| kept.id.clone()),
            };
            Some(((kept.is_some(), broken, order.reviewed), hero))
        })
    }

    fn seconds_now(&self) -> Seconds {
        self.calendar.seconds(self.now)
    }

    fn plan(&mut self, at: Seconds, happening: Happening) {
        self.planned += 1;
        self.agenda.insert((at, self.planned), happening);
    }

    fn happen(&mut self, at: Seconds, happening: Happening) {
        match happening {
            Happening::Visit { person, turn } => self.visit(at, person, turn),
            Happening::View { person, screen, shelf } => self.view(at, person, screen, shelf),
            Happening::SignIn { person, screen } => self.sign_in(at, person, screen),
            Happening::Order { person, screen, lines } => self.place(at, person, screen, lines),
            Happening::Receipt { shelf, quantity } => self.restock(at, shelf, quantity),
            Happening::Step(order, step) => self.step(at, order, step),
        }
    }

    fn step(&mut self, at: Seconds, order: usize, step: Step) {
        match (step, self.orders[order].state) {
            (Step::Pay, _) => self.pay(at, order),
            (Step::Pick, State::Placed) => self.pick(at, order),
            (Step::HandOver, State::Picked) => self.hand_over(at, order),
            (Step::Travel, State::HandedOver) => {
                self.tell_order(at, order, "courier", "fulfillment.in_transit", json!({}));
            }
            (Step::Miss, State::HandedOver) => self.miss(at, order),
            (Step::Deliver, State::HandedOver) => self.deliver(at, order),
            (Step::Regret, State::Placed | State::Picked) => {
                self.cancel(at, order, Party::Customer, "changed_mind");
            }
            (Step::GiveUp, State::Placed) if self.waiting.contains(&order) => {
                self.cancel(at, order, Party::Company, "out_of_stock");
            }
            (Step::Refund, State::Cancelled(..)) => self.refund(at, order),
            (Step::Review, State::Delivered(_) | State::Cancelled(..)) => self.review(at, order),
            // Overtaken: expedited, cancelled or shipped in the meantime.
            _ => {}
        }
    }
}

/// Effects.
impl Shop {
    fn answer(&mut self, effect: &Effect) -> Answer {
        if !self.heard.insert(effect.key.clone()) {
            return Answer::Repeated;
        }
        let act = match effect.kind.as_str() {
            OPERATIONS_ALERT => Self::expedite,
            CUSTOMER_NOTIFY => Self::notify,
            _ => return Answer::UnknownKind,
        };
        match self.find(effect) {
            Some(order) => act(self, order),
            None => Answer::UnknownOrder,
        }
    }

    fn find(&self, effect: &Effect) -> Option<usize> {
        let id =
            effect.order_id.as_deref().or_else(|| effect.promise_id.as_deref()?.strip_prefix("order:"))?;
        let index = id.strip_prefix("o-")?.parse::<usize>().ok()?.checked_sub(1)?;
        // Other spellings of the number are other ids.
        (self.orders.get(index)?.id == id).then_some(index)
    }

    fn expedite(&mut self, index: usize) -> Answer {
        let now = self.seconds_now();
        let order = &mut self.orders[index];
        let next = match order.state {
            State::Placed => Step::Pick,
            State::Picked => Step::HandOver,
            State::HandedOver | State::Delivered(_) | State::Cancelled(..) => return Answer::NotExpedited,
        };
        if order.expedited || !order.luck.can_expedite {
            return Answer::NotExpedited;
        }
        order.expedited = true;
        let at = within_hours(now + order.luck.rush, OVERTIME_HOURS, order.luck.jitter);
        self.plan(at, Happening::Step(index, next));
        Answer::Expedited
    }

    fn notify(&mut self, order: usize) -> Answer {
        self.orders[order].notified = true;
        Answer::Told
    }
}

/// Telling: every message has an id made of its subject and how much was said of it before, so that what
/// happens to one order renames no message of another.
impl Shop {
    /// Tells of what someone did on a screen: under their name if they are signed in there.
    fn tell_person(&mut self, at: Seconds, person: usize, screen: Screen, mut call: Value) {
        let someone = &mut self.people[person];
        someone.told += 1;
        call["messageId"] = json!(format!("shop{}-{}-{}", self.config.seed, someone.id, someone.told));
        call["anonymousId"] = json!(someone.device(screen).anonymous_id);
        if someone.device(screen).signed_in {
            call["userId"] = json!(someone.id);
        }
        self.tell(at, screen.channel(), call);
    }

    fn tell_order(&mut self, at: Seconds, index: usize, channel: &str, event: &str, mut properties: Value) {
        let order = &mut self.orders[index];
        order.told += 1;
        properties["order_id"] = json!(order.id);
        if channel == "courier" {
            properties["courier"] = json!(self.config.language.choose(order.courier.name()));
            properties["tracking_id"] = json!(format!("t-{}", order.id));
        }
        let call = json!({
            "type": "track",
            "event": event,
            "messageId": format!("shop{}-{}-{}", self.config.seed, order.id, order.told),
            "userId": self.people[order.person].id,
            "properties": properties,
        });
        self.tell(at, channel, call);
    }

    fn tell(&mut self, at: Seconds, channel: &str, mut call: Value) {
        let at = self.calendar.timestamp(at);
        call["timestamp"] = json!(at.to_string());
        call["context"] = json!({
            "channel": channel,
            "locale": self.config.language.locale(),
            "timezone": TIME_ZONE,
            "library": {"name": "inyeon-world", "version": env!("CARGO_PKG_VERSION")},
        });
        self.told.push(WorldEvent { at, json: call });
    }
}
