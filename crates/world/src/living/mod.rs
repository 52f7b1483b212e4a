//! A year of homes and offices that use things up: printers that run dry, milk that runs out or turns, shops with
//! queues, carriers and suppliers who are late. Customers are served in one of five ways ([`Arm`]); in the baseline
//! they go to the shop, in the others they, or programs for them, use what the company offers.
//!
//! The world says what happens ([`Living::next`]): events as a collector would receive them, and acts of customers
//! that whoever runs it does for them. It hears what the company did ([`Living::heard`], [`Living::offered`],
//! [`Living::ordered`], [`Living::called_off`]) and keeps the score ([`Living::sheet`]).
//!
//! Every draw is made for who or what it is about and for when or for which time: the same seed gives the same print
//! jobs, cartridges, vacations, shelves, queues, roads and journeys in every arm, in whatever order things are told.
//! So arms can be compared home by home.

mod assumptions;
mod goods;
mod milk;
mod people;
mod printing;
mod reacting;
mod score;
mod setup;
mod shopping;
mod supply;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use model::Time;
use serde::Serialize;
use serde_json::{Value, json};

pub use self::assumptions::{Assumed, Assumptions};
pub use self::goods::{
    BLACK, CURRENCY, DAWN, DAWN_VAN, MILK, OFFICE_TONER, PLACE, REGION, STANDARD, TONER, WARES, Ware,
};
pub use self::people::{Character, KnownAccount, KnownDevice};
pub use self::reacting::{Heard, Offer, OfferedItem, Order, OrderedBy};
pub use self::score::{Effort, Got, Sheet};
pub use self::setup::{Arm, Drill, Office, Setup};
pub use self::supply::LaneOf;

use self::people::{Account, Device, Kind};
use self::supply::{Parcel, Shelf};
use crate::dice::Dice;

pub const TIME_ZONE: &str = "Asia/Seoul";
/// It has not moved since 1988.
const ZONE_OFFSET: i64 = 9 * HOUR;
const MINUTE: i64 = 60_000_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// One thing that happens.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Happening {
    pub at: Time,
    /// The customer, where it is one's.
    pub who: Option<String>,
    pub what: What,
}

#[derive(Clone, PartialEq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// An event in the Segment shape.
    Told(Value),
    /// Something that the customer does with the company; a program does it for them.
    Acts(Act),
}

#[derive(Clone, PartialEq, Debug, Serialize)]
#[serde(tag = "act", rename_all = "snake_case")]
pub enum Act {
    /// To be answered by [`Living::offered`].
    StateNeed {
        category: String,
        device_id: String,
        slot: String,
        /// What is asked for by name, where it is.
        item_id: Option<String>,
        arose_at: Time,
    },
    /// Order something for a need: what is named, or what was offered first. To be answered by [`Living::ordered`], or by
    /// [`Living::offered`] with nothing where it cannot be had any more.
    Choose {
        device_id: String,
        need_id: String,
        item_id: Option<String>,
    },
    Snooze {
        category: String,
        until: Time,
    },
    CancelAction {
        action_id: String,
    },
    /// All that this customer delegated.
    RevokeMandates,
    /// What is asked of them anew.
    AgreeToMandate {
        mandate_id: String,
    },
    WithdrawConsent {
        purpose: String,
    },
}

/// What is going to happen. At one time, things happen in the order of what they are, so that it does not matter when
/// they were planned.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Planned {
    Day(i64),
    Say(Say),
    Reprice { percent: u32 },
    Review { ware: usize, turn: usize },
    Announce { ware: usize, turn: usize },
    Receive { ware: usize, turn: usize },
    Leave { order_id: String },
    Arrive { order_id: String },
    TakeIn { order_id: String },
    Print { device: usize, pages: u32 },
    Stray { device: usize },
    Morning { device: usize },
    Drink { device: usize, millilitres: u32 },
    Evening { device: usize },
    Report { device: usize, turn: usize },
    SetOut { device: usize },
    BackHome { device: usize, bag: shopping::Bag },
    State { device: usize, cycle: usize },
    Choose { device: usize, need_id: String, item_id: String },
    Tap { device: usize, need_id: String },
    Snooze { device: usize },
    LookAgain { device: usize, cycle: usize },
    CallOff { device: usize, action_id: String },
    Revoke { account: usize },
    Agree { account: usize, mandate_id: String },
    Withdraw { account: usize, purpose: String },
}

/// An event that is told at its time.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Say {
    message_id: String,
    who: Option<String>,
    name: &'static str,
    /// As JSON text.
    properties: String,
}

/// What a stream of luck is for.
#[derive(Clone, Copy, Debug)]
enum Stream {
    Account = 300,
    Vacation,
    Device,
    Pages,
    Jobs,
    Project,
    Yield,
    Habit,
    Stray,
    Reading,
    Silence,
    Errand,
    Road,
    Shelf,
    Bundle,
    Queue,
    Trip,
    State,
    React,
    Notice,
    Agree,
    Journey,
    Dawn,
    AtHome,
    Supplier,
    Milk,
    Guests,
    Leaves,
    History,
}

impl From<Stream> for u64 {
    fn from(stream: Stream) -> u64 {
        stream as u64
    }
}

pub struct Living {
    seed: u64,
    setup: Setup,
    accounts: Vec<Account>,
    devices: Vec<Device>,
    agenda: BTreeSet<(Time, Planned)>,
    ready: VecDeque<Happening>,
    shelves: Vec<Shelf>,
    parcels: BTreeMap<String, Parcel>,
    now: Time,
}

impl Living {
    pub fn new(seed: u64, setup: Setup) -> Self {
        let (accounts, devices) = people::planted(seed, &setup);
        let shelves = supply::stocked(&setup, &accounts, &devices);
        let mut living = Living {
            seed,
            accounts,
            devices,
            agenda: BTreeSet::new(),
            ready: VecDeque::new(),
            shelves,
            parcels: BTreeMap::new(),
            now: setup.start,
            setup,
        };
        living.plan(living.setup.start, Planned::Day(0));
        living.plan_drills();
        living
    }

    /// What is told before the first day: the catalogue and what is on hand of it, the van, and of each customer who is
    /// connected their devices and what they set.
    pub fn opening(&self) -> Vec<Happening> {
        let mut said = self.supplies_told();
        for account in self.accounts() {
            let who = Some(account.who.clone());
            said.push(Happening {
                at: self.setup.start,
                who: who.clone(),
                what: self.identified(&account.who),
            });
            for device in &account.devices {
                let registered = json!({
                    "device_id": device.device_id,
                    "model": device.model,
                    "site": device.site,
                    "slots": [{ "slot": device.slot, "category": device.category }],
                });
                said.push(self.opened(&account.who, "device.registered", &device.device_id, &registered));
            }
            let mut categories: Vec<&str> = account.devices.iter().map(|device| device.category).collect();
            categories.sort_unstable();
            categories.dedup();
            for category in categories {
                let set = json!({
                    "category": category,
                    "strategy": account.arm.strategy().name(),
                    "share": account.share,
                });
                said.push(self.opened(&account.who, "preference.changed", category, &set));
            }
            if account.arm == Arm::Coach {
                let consent = json!({ "purpose": "advertising" });
                said.push(self.opened(&account.who, "consent.given", "advertising", &consent));
            }
        }
        said
    }

    fn identified(&self, who: &str) -> What {
        What::Told(json!({
            "type": "identify",
            "messageId": format!("living-identify-{who}"),
            "timestamp": self.setup.start.to_string(),
            "userId": who,
            "traits": { "language": "ko", "time_zone": TIME_ZONE },
        }))
    }

    fn opened(&self, who: &str, name: &'static str, key: &str, properties: &Value) -> Happening {
        let key = format!("opening-{name}-{who}-{key}");
        let who = Some(who.to_owned());
        told(self.setup.start, Say::new(key, who, name, properties))
    }

    /// What happens next, if it happens before `until`. What was told to this world must have been told at times that
    /// are not before what it said last.
    pub fn next(&mut self, until: Time) -> Option<Happening> {
        loop {
            if let Some(happening) = self.ready.pop_front() {
                return Some(happening);
            }
            if self.agenda.first()?.0 >= until {
                return None;
            }
            let (at, planned) = self.agenda.pop_first()?;
            self.now = at;
            self.happen(at, planned);
        }
    }

    /// When the last day is over.
    pub fn end(&self) -> Time {
        self.midnight(i64::from(self.setup.days))
    }

    pub fn setup(&self) -> &Setup {
        &self.setup
    }

    /// The score of one device; what is dry at the end counts until then.
    pub fn sheet(&self, device_id: &str) -> Option<Sheet> {
        self.devices.iter().find(|device| device.id == device_id).map(|device| self.sheet_of(device))
    }

    /// The score of all devices of a category together, of one customer or of all.
    pub fn sheets(&self, category: &str, who: Option<&str>) -> Sheet {
        let mut all = Sheet::default();
        let of = |device: &&Device| {
            device.category == category && who.is_none_or(|who| self.accounts[device.account].who == who)
        };
        self.devices.iter().filter(of).for_each(|device| all.add(&self.sheet_of(device)));
        all
    }

    fn sheet_of(&self, device: &Device) -> Sheet {
        let mut sheet = device.sheet.clone();
        if let (Kind::Printer { .. }, Some(since)) = (device.kind, device.dry_since) {
            sheet.dry_hours += hours(self.now.min(self.end()).since(since).max(0));
        }
        sheet
    }

    /// What the year was worth to a customer, in won: what it took of them, and what they think of how they were served,
    /// by their character. Zero is a year in which nothing was needed.
    pub fn utility(&self, who: &str) -> f64 {
        let Some(account) = self.accounts.iter().find(|account| account.who == who) else { return 0.0 };
        let mut all = Sheet::default();
        let of = |device: &&Device| self.accounts[device.account].who == who;
        self.devices.iter().filter(of).for_each(|device| all.add(&self.sheet_of(device)));
        let assumed = &self.setup.assumptions;
        let automatic = match account.arm {
            Arm::Automate => f64::from(all.deliveries),
            _ => 0.0,
        };
        // What was asked for, and what tells of what was delegated, is no intrusion.
        let unasked = match account.arm {
            Arm::Coach => f64::from(all.messages),
            _ => 0.0,
        };
        let chosen = f64::from(all.orders) - automatic;
        let (bothers, disturbs, pleases) = match account.character {
            Character::Leads => (assumed.unasked_bothers_who_leads, assumed.automatic_bothers_who_leads, 0.0),
            Character::Decides => (
                assumed.unasked_bothers_who_decides,
                assumed.automatic_bothers_who_decides,
                if account.arm == Arm::Curate { assumed.choosing_pleases_who_decides } else { 0.0 },
            ),
            Character::Led => (assumed.unasked_bothers_who_is_led, assumed.automatic_bothers_who_is_led, 0.0),
            Character::Delegates => (assumed.unasked_bothers_who_delegates, 0.0, 0.0),
        };
        pleases * chosen.max(0.0) - bothers * unasked - disturbs * automatic - self.cost_of(&all)
    }

    /// What a year took of customers, in won: their minutes, the hours without, and what did not fit.
    pub fn cost_of(&self, sheet: &Sheet) -> f64 {
        let assumed = &self.setup.assumptions;
        (sheet.effort.minutes + sheet.read_minutes) * assumed.minute_worth
            + sheet.dry_hours * assumed.dry_hour_worth
            + f64::from(sheet.wrong_items) * assumed.wrong_item_worth
    }

    /// Something went wrong with the company that everybody hears of. Returns who leaves for it: of those it happened to
    /// fewer where they were told at once, of the others who are connected some, of the rest those who leave anyway.
    pub fn incident(&self, affected: &[String], told_at_once: bool) -> Vec<String> {
        let assumed = &self.setup.assumptions;
        let leaves = |account: &&Account| {
            let chance = match (affected.contains(&account.who), account.arm) {
                (true, _) if told_at_once => {
                    assumed.leaves_when_affected * (1.0 - assumed.telling_at_once_keeps)
                }
                (true, _) => assumed.leaves_when_affected,
                (false, Arm::Automate) => assumed.leaves_when_connected,
                (false, _) => assumed.leaves_anyway,
            };
            // One draw for each customer: who leaves at a small chance leaves at a large one, too.
            self.dice(Stream::Leaves, account.subject, 0).unit() < chance
        };
        self.accounts.iter().filter(leaves).map(|account| account.who.clone()).collect()
    }

    // ---- time ---------------------------------------------------------------------------------------------------

    fn midnight(&self, day: i64) -> Time {
        self.setup.start.plus_micros(day * DAY)
    }

    fn day_of(&self, at: Time) -> i64 {
        at.since(self.setup.start).div_euclid(DAY)
    }

    /// Microseconds since the local midnight.
    fn since_midnight(&self, at: Time) -> i64 {
        at.since(self.setup.start).rem_euclid(DAY)
    }

    /// Monday is 0.
    fn weekday(&self, day: i64) -> i64 {
        // 1970-01-01 was a Thursday.
        (self.setup.start.plus_micros(ZONE_OFFSET).day() + day + 3).rem_euclid(7)
    }

    fn is_weekend(&self, day: i64) -> bool {
        self.weekday(day) >= 5
    }

    fn plan(&mut self, at: Time, planned: Planned) {
        self.agenda.insert((at, planned));
    }

    fn dice(&self, stream: Stream, subject: usize, turn: usize) -> Dice {
        Dice::new(self.seed, stream, subject, turn)
    }

    fn account(&self, device: usize) -> &Account {
        &self.accounts[self.devices[device].account]
    }

    fn arm(&self, device: usize) -> Arm {
        self.account(device).arm
    }

    /// The next time at which somebody is there to do something for a device: awake and at home, or at work.
    fn present(&self, device: usize, at: Time) -> Time {
        let account = self.account(device);
        let at = account.away_until(at).unwrap_or(at);
        let (opens, closes) = match account.office {
            true => (9 * HOUR, 18 * HOUR),
            false => (7 * HOUR + 30 * MINUTE, 23 * HOUR),
        };
        let mut day = self.day_of(at);
        let from = self.since_midnight(at);
        if from >= closes {
            day += 1;
        }
        while account.office && self.is_weekend(day) {
            day += 1;
        }
        let opening = self.midnight(day).plus_micros(opens);
        opening.max(at)
    }

    // ---- what is said -------------------------------------------------------------------------------------------

    fn say(&mut self, at: Time, who: Option<&str>, name: &'static str, key: String, properties: &Value) {
        self.ready.push_back(told(at, Say::new(key, who.map(str::to_owned), name, properties)));
    }

    fn act(&mut self, at: Time, account: usize, act: Act) {
        let who = Some(self.accounts[account].who.clone());
        self.ready.push_back(Happening { at, who, what: What::Acts(act) });
    }

    // ---- what happens -------------------------------------------------------------------------------------------

    fn happen(&mut self, at: Time, planned: Planned) {
        match planned {
            Planned::Day(day) => self.begin_day(day),
            Planned::Say(say) => self.ready.push_back(told(at, say)),
            Planned::Reprice { percent } => self.reprice(at, percent),
            Planned::Review { ware, turn } => self.review(at, ware, turn),
            Planned::Announce { ware, turn } => self.announce(at, ware, turn),
            Planned::Receive { ware, turn } => self.receive(at, ware, turn),
            Planned::Leave { order_id } => self.leave(at, &order_id),
            Planned::Arrive { order_id } => self.arrive(at, &order_id),
            Planned::TakeIn { order_id } => self.take_in(at, &order_id),
            Planned::Print { device, pages } => self.print(at, device, pages),
            Planned::Stray { device } => self.stray(at, device),
            Planned::Morning { device } => self.morning(at, device),
            Planned::Drink { device, millilitres } => {
                self.drink(device, f64::from(millilitres) / 1_000.0);
            }
            Planned::Evening { device } => self.evening(at, device),
            Planned::Report { device, turn } => self.report(at, device, turn),
            Planned::SetOut { device } => self.set_out(at, device),
            Planned::BackHome { device, bag } => self.back_home(at, device, bag),
            Planned::State { device, cycle } => self.state(at, device, cycle),
            Planned::Choose { device, need_id, item_id } => self.choose(at, device, need_id, item_id),
            Planned::Tap { device, need_id } => self.tap(at, device, need_id),
            Planned::Snooze { device } => self.snooze(at, device),
            Planned::LookAgain { device, cycle } => self.look_again(at, device, cycle),
            Planned::CallOff { device, action_id } => {
                let account = self.devices[device].account;
                self.act(at, account, Act::CancelAction { action_id });
            }
            Planned::Revoke { account } => self.act(at, account, Act::RevokeMandates),
            Planned::Agree { account, mandate_id } => {
                self.act(at, account, Act::AgreeToMandate { mandate_id });
            }
            Planned::Withdraw { account, purpose } => {
                self.act(at, account, Act::WithdrawConsent { purpose });
            }
        }
    }

    /// Plans what a day brings, and the next one.
    fn begin_day(&mut self, day: i64) {
        if day >= i64::from(self.setup.days) {
            return;
        }
        for device in 0..self.devices.len() {
            match self.devices[device].kind {
                Kind::Printer { .. } => self.plan_printing(day, device),
                Kind::Fridge { .. } => self.plan_milk(day, device),
            }
        }
        self.plan_supply(day);
        self.plan_calendars(day);
        self.plan(self.midnight(day + 1), Planned::Day(day + 1));
    }

    /// Vacations are told of by those who share their calendars.
    fn plan_calendars(&mut self, day: i64) {
        let (from, until) = (self.midnight(day), self.midnight(day + 1));
        let mut said = Vec::new();
        for account in self.accounts.iter().filter(|account| account.share() == 3) {
            for vacation in &account.vacations {
                if (from..until).contains(&vacation.known) {
                    let away =
                        json!({ "from": vacation.from.to_string(), "until": vacation.until.to_string() });
                    let key = format!("away-{}-{}", account.who, self.day_of(vacation.from));
                    said.push(Say::new(key, Some(account.who.clone()), "away.planned", &away));
                }
            }
        }
        for say in said {
            self.plan(from.plus_micros(20 * HOUR), Planned::Say(say));
        }
    }

    fn plan_drills(&mut self) {
        for drill in self.setup.drills.clone() {
            let noon = |day: u32| self.midnight(i64::from(day)).plus_micros(12 * HOUR);
            let account = |who: &str| self.accounts.iter().position(|account| account.who == who);
            let planned = match &drill {
                Drill::Revoke { who, day } => {
                    account(who).map(|account| (noon(*day), Planned::Revoke { account }))
                }
                Drill::Withdraw { who, day, purpose } => {
                    let purpose = purpose.clone();
                    account(who).map(|account| (noon(*day), Planned::Withdraw { account, purpose }))
                }
                Drill::PriceRise { day, percent } => {
                    Some((noon(*day), Planned::Reprice { percent: *percent }))
                }
                _ => None,
            };
            if let Some((at, planned)) = planned {
                self.plan(at, planned);
            }
        }
    }
}

impl Say {
    fn new(key: String, who: Option<String>, name: &'static str, properties: &Value) -> Self {
        Say { message_id: format!("living-{key}"), who, name, properties: properties.to_string() }
    }
}

fn told(at: Time, say: Say) -> Happening {
    // It was written by this world a moment ago.
    let properties: Value = serde_json::from_str(&say.properties).unwrap_or_default();
    let mut event = json!({
        "type": "track",
        "event": say.name,
        "messageId": say.message_id,
        "timestamp": at.to_string(),
        "properties": properties,
    });
    if let Some(who) = &say.who {
        event["userId"] = json!(who);
    }
    Happening { at, who: say.who, what: What::Told(event) }
}

fn hours(micros: i64) -> f64 {
    micros as f64 / HOUR as f64
}

fn micros(minutes: f64) -> i64 {
    (minutes * MINUTE as f64) as i64
}
