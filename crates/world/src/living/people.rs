//! Who lives here, and with which devices: planted once, before anything happens.

use model::Time;
use serde::Serialize;

use super::goods::{self, BLACK, HOME_MODELS, MILK, OFFICE_MODELS, TONER, WARES};
use super::score::{Effort, Sheet};
use super::{Arm, Living, Setup, Stream};
use crate::dice::Dice;

/// How much a customer wants to be helped (planted for PB23; nobody is told of it).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Character {
    /// Wants to be served when they ask, and left alone otherwise.
    Leads,
    /// Wants advice, and decides.
    Decides,
    /// Wants to be reminded and led.
    Led,
    /// Wants nothing to do with it.
    Delegates,
}

impl Character {
    pub const ALL: [Character; 4] =
        [Character::Leads, Character::Decides, Character::Led, Character::Delegates];

    /// The strategy that is made for them.
    pub fn suits(self) -> Arm {
        match self {
            Character::Leads => Arm::Respond,
            Character::Decides => Arm::Curate,
            Character::Led => Arm::Coach,
            Character::Delegates => Arm::Automate,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Vacation {
    pub from: Time,
    pub until: Time,
    /// When they know it.
    pub known: Time,
}

pub(super) struct Account {
    pub who: String,
    /// Whose luck it is, whatever else there is in this world.
    pub subject: usize,
    pub office: bool,
    pub arm: Arm,
    pub character: Character,
    /// The most that they would ever share, 0 to 3.
    pub share_limit: u8,
    pub within_limits: bool,
    pub shares_calendar: bool,
    /// To the nearest shop, and whether that is ours.
    pub drive_minutes: f64,
    pub nearest_is_ours: bool,
    pub vacations: Vec<Vacation>,
    /// What this customer's drills have done already.
    pub drilled: Vec<usize>,
}

#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum Kind {
    Printer {
        pages: f64,
    },
    /// Litres a day.
    Fridge {
        litres: f64,
    },
}

/// What is in hand and not put in yet.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Spare {
    pub ware: usize,
    pub ours: bool,
    /// It was brought.
    pub delivered: bool,
}

/// What a customer is at for a device.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Busy {
    /// Nothing, or waiting for an order.
    No,
    /// On the way to tell us.
    App,
    Shopping,
}

pub(super) struct Device {
    pub id: String,
    pub subject: usize,
    pub account: usize,
    pub site: Option<String>,
    pub model: &'static str,
    pub slot: &'static str,
    pub category: &'static str,
    pub kind: Kind,
    /// Of its kind, what its owner buys.
    pub usual: usize,
    /// Minutes after midnight at which it reports.
    pub reports_at: i64,
    pub tells_replaced: bool,
    /// Counts what was used up.
    pub cycle: usize,
    /// Pages that are left, and that there were.
    pub left: f64,
    pub full: f64,
    /// Milk: litres, and until when they are good.
    pub lots: Vec<(f64, Time)>,
    pub spares: Vec<Spare>,
    pub dry_since: Option<Time>,
    pub felt_at: Option<Time>,
    pub low_seen: bool,
    pub busy: Busy,
    pub attempt: usize,
    /// An automatic order was announced; until when it may be called off.
    pub announced: Option<Time>,
    /// Orders with us that have not arrived.
    pub under_way: Vec<String>,
    /// Effort since something was got last.
    pub effort: Effort,
    pub sheet: Sheet,
}

/// A device, as its owner would register it.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct KnownDevice {
    pub device_id: String,
    pub model: &'static str,
    pub site: Option<String>,
    pub slot: &'static str,
    pub category: &'static str,
    /// What they buy for it.
    pub usual: &'static str,
}

/// A customer, as the company knows them on the first day.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct KnownAccount {
    pub who: String,
    pub arm: Arm,
    pub share: u8,
    pub devices: Vec<KnownDevice>,
    /// Planted, and known to nobody but whoever judges the result.
    pub character: Character,
    pub share_limit: u8,
}

impl Account {
    /// What is shared as long as nothing else is set.
    pub(super) fn share(&self) -> u8 {
        let share = self.arm.share();
        let share = if share == 2 && self.shares_calendar { 3 } else { share };
        if self.within_limits { share.min(self.share_limit) } else { share }
    }

    pub(super) fn away_until(&self, at: Time) -> Option<Time> {
        let away = self.vacations.iter().find(|vacation| vacation.from <= at && at < vacation.until);
        away.map(|vacation| vacation.until)
    }
}

pub(super) fn planted(seed: u64, setup: &Setup) -> (Vec<Account>, Vec<Device>) {
    let (mut accounts, mut devices) = (Vec::new(), Vec::new());
    for index in 0..setup.homes.max(setup.fridges) {
        let account = accounts.len();
        let who = format!("home-{:03}", index + 1);
        accounts.push(home(seed, setup, index as usize, who.clone()));
        if index < setup.homes {
            devices.push(printer(seed, setup, account, format!("{who}-printer"), None, index as usize * 2));
        }
        if index < setup.fridges {
            devices.push(fridge(seed, setup, account, format!("{who}-fridge"), index as usize * 2 + 1));
        }
    }
    if let Some(office) = setup.office {
        let (account, who) = (accounts.len(), "office-1".to_owned());
        // The office's luck does not move when there are more homes.
        let mut of_office = home(seed, setup, OFFICE, who.clone());
        of_office.office = true;
        of_office.vacations.clear();
        accounts.push(of_office);
        for index in 0..office.printers {
            let site = Some(format!("site-{}", index % office.sites.max(1) + 1));
            let id = format!("{who}-printer-{:02}", index + 1);
            devices.push(printer(seed, setup, account, id, site, OFFICE + index as usize));
        }
    }
    (accounts, devices)
}

/// Subjects of luck from here on are the office's.
const OFFICE: usize = 1_000_000;

fn home(seed: u64, setup: &Setup, subject: usize, who: String) -> Account {
    let assumed = &setup.assumptions;
    let dice = &mut Dice::new(seed, Stream::Account, subject, 0);
    let (share_limit, character) = (dice.weighted([0.15, 0.25, 0.3, 0.3].into_iter()), dice.between(0..4));
    Account {
        arm: setup.arm_of(&who),
        who,
        subject,
        office: false,
        character: Character::ALL[character as usize],
        share_limit: share_limit as u8,
        within_limits: setup.within_limits,
        shares_calendar: dice.chance(assumed.shares_the_calendar),
        drive_minutes: assumed.drive_minutes * (assumed.drive_between_homes * dice.normal()).exp(),
        nearest_is_ours: dice.chance(assumed.nearest_is_ours),
        vacations: vacations(seed, setup, subject),
        drilled: Vec::new(),
    }
}

/// Vacations begin and end at midnight; at most one in each half of a year.
fn vacations(seed: u64, setup: &Setup, subject: usize) -> Vec<Vacation> {
    const HALF: i64 = 182;
    let assumed = &setup.assumptions;
    let halves = 0..=i64::from(setup.days) / HALF;
    let drawn = halves.filter_map(|half| {
        let dice = &mut Dice::new(seed, Stream::Vacation, subject, half as usize);
        let goes = dice.chance(assumed.vacations_per_year / 2.0);
        let days = (assumed.vacation_days * (0.5 + dice.unit())).round().max(1.0) as i64;
        let first = half * HALF + dice.between(10..HALF - 14);
        let ahead = dice.between(5..31);
        let day = |day: i64| setup.start.plus_micros(day * super::DAY);
        goes.then(|| Vacation {
            from: day(first),
            until: day(first + days),
            known: day((first - ahead).max(0)),
        })
    });
    drawn.collect()
}

fn printer(
    seed: u64,
    setup: &Setup,
    account: usize,
    id: String,
    site: Option<String>,
    subject: usize,
) -> Device {
    let assumed = &setup.assumptions;
    let dice = &mut Dice::new(seed, Stream::Device, subject, 0);
    let (models, typical, between) = match site {
        Some(_) => (OFFICE_MODELS, assumed.office_pages_per_day, assumed.office_pages_between),
        None => (HOME_MODELS, assumed.pages_per_day, assumed.pages_between_homes),
    };
    let model = models[dice.between(0..models.len() as i64) as usize];
    let pages = typical * (between * dice.normal()).exp();
    let usual = goods::usual(model, dice.chance(0.7));
    let mut device = device(account, id, model, Kind::Printer { pages }, usual, dice);
    (device.subject, device.site) = (subject, site);
    if device.site.is_some() {
        device.category = goods::OFFICE_TONER;
    }
    device.tells_replaced = dice.chance(assumed.tells_replaced);
    // The first one was in use before anybody looked.
    device.full = f64::from(WARES[usual].holds) * (assumed.yield_spread * dice.normal()).exp();
    device.left = device.full * (0.3 + 0.7 * dice.unit());
    device
}

fn fridge(seed: u64, setup: &Setup, account: usize, id: String, subject: usize) -> Device {
    let assumed = &setup.assumptions;
    let dice = &mut Dice::new(seed, Stream::Device, subject, 0);
    let litres = assumed.litres_per_day * (assumed.litres_between_homes * dice.normal()).exp();
    let usual = goods::usual(goods::FRIDGE, true);
    let mut device = device(account, id, goods::FRIDGE, Kind::Fridge { litres }, usual, dice);
    device.subject = subject;
    device.full = f64::from(WARES[usual].holds) / 1_000.0;
    let keeps = (assumed.milk_keeps_days * super::DAY as f64) as i64;
    device.lots.push((device.full * (0.5 + 0.5 * dice.unit()), setup.start.plus_micros(keeps)));
    device
}

fn device(
    account: usize,
    id: String,
    model: &'static str,
    kind: Kind,
    usual: usize,
    dice: &mut Dice,
) -> Device {
    let (slot, category) = match kind {
        Kind::Printer { .. } => (BLACK, TONER),
        Kind::Fridge { .. } => (MILK, MILK),
    };
    Device {
        id,
        subject: 0,
        account,
        site: None,
        model,
        slot,
        category,
        kind,
        usual,
        reports_at: dice.between(0..24 * 60),
        tells_replaced: false,
        cycle: 0,
        left: 0.0,
        full: 0.0,
        lots: Vec::new(),
        spares: Vec::new(),
        dry_since: None,
        felt_at: None,
        low_seen: false,
        busy: Busy::No,
        attempt: 0,
        announced: None,
        under_way: Vec::new(),
        effort: Effort::default(),
        sheet: Sheet::default(),
    }
}

impl Living {
    /// The customers there are.
    pub fn accounts(&self) -> Vec<KnownAccount> {
        let known = self.accounts.iter().enumerate().map(|(index, account)| {
            let devices = self.devices.iter().filter(|device| device.account == index);
            let device = |device: &Device| KnownDevice {
                device_id: device.id.clone(),
                model: device.model,
                site: device.site.clone(),
                slot: device.slot,
                category: device.category,
                usual: WARES[device.usual].item_id,
            };
            KnownAccount {
                who: account.who.clone(),
                arm: account.arm,
                share: account.share(),
                devices: devices.map(device).collect(),
                character: account.character,
                share_limit: account.share_limit,
            }
        });
        known.collect()
    }
}
