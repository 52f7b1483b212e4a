//! What customers do about a need when the company can be reached, and about what it says to them.

use model::Time;
use model::connection::{LinkPurpose, Message};
use serde_json::json;

use super::goods::WARES;
use super::people::{Busy, Kind};
use super::score::Effort;
use super::{Act, Arm, DAY, Drill, HOUR, Living, Planned, Stream, micros};

/// A message reached a customer.
#[derive(Clone, Copy, Debug)]
pub struct Heard<'a> {
    pub who: &'a str,
    /// The device that it is about, where it is about one.
    pub device_id: Option<&'a str>,
    pub message: &'a Message,
    /// Until when an order that it announces may be called off.
    pub until: Option<Time>,
}

/// What a customer is shown who stated a need.
#[derive(Clone, PartialEq, Debug)]
pub struct Offer {
    pub device_id: String,
    pub need_id: String,
    /// Best first; nothing where nothing can be had.
    pub items: Vec<OfferedItem>,
}

#[derive(Clone, PartialEq, Debug)]
pub struct OfferedItem {
    pub item_id: String,
    pub due_at: Time,
}

/// What led to an order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum OrderedBy {
    /// The customer chose it.
    Customer,
    /// The company, under a mandate, in this action.
    Action(String),
}

/// An order that is to be fulfilled.
#[derive(Clone, PartialEq, Debug)]
pub struct Order {
    pub order_id: String,
    pub who: String,
    /// What it is for, where that is known.
    pub device_id: Option<String>,
    pub item_id: String,
    pub units: u32,
    /// In won, of all of it.
    pub price: i64,
    pub by: OrderedBy,
    /// When it was said to be there.
    pub due_at: Time,
    /// When it is to be handed over to the carrier, where that was planned.
    pub hand_over_at: Option<Time>,
}

/// What was announced and not ordered yet is waited for so long after its window.
const AFTER_WINDOW: i64 = 6 * HOUR;
/// Nothing was offered for a day: somebody goes to the shop.
const NO_ANSWER: i64 = DAY;
const SNOOZE: i64 = 7 * DAY;

impl Living {
    fn device(&self, device_id: &str) -> Option<usize> {
        self.devices.iter().position(|device| device.id == device_id)
    }

    /// Whether nobody has what is needed, and nobody is about to.
    fn is_wanting(&self, device: usize) -> bool {
        let known = &self.devices[device];
        known.spares.is_empty() && known.under_way.is_empty() && known.busy != Busy::Shopping
    }

    /// A printer is empty, or its owner has seen that it will be.
    pub(super) fn feel(&mut self, at: Time, device: usize) {
        let known = &mut self.devices[device];
        known.felt_at.get_or_insert(at);
        let cycle = known.cycle;
        if self.arm(device) == Arm::Baseline {
            let known = &self.devices[device];
            let stated = json!({
                "category": known.category, "device_id": known.id, "slot": known.slot,
                "arose_at": at.to_string(),
            });
            let (key, who) = (format!("stated-{}-{cycle}", known.id), self.account(device).who.clone());
            // Once for each content, whether it was seen before it was empty or not.
            if known.busy == Busy::No {
                self.say(at, Some(&who), "need.stated", key, &stated);
            }
            return self.go_shopping(at, device);
        }
        if !self.is_wanting(device) || self.devices[device].announced.is_some() {
            return self.look_again(at, device, cycle);
        }
        if self.devices[device].busy == Busy::App {
            return;
        }
        let assumed = &self.setup.assumptions;
        let dice = &mut self.dice(Stream::State, self.devices[device].subject, cycle);
        let delay = assumed.state_delay_minutes * (0.8 * dice.normal()).exp();
        let states = self.present(device, at.plus_micros(micros(delay)));
        self.devices[device].busy = Busy::App;
        self.plan(states, Planned::State { device, cycle });
    }

    /// The customer says what they need.
    pub(super) fn state(&mut self, at: Time, device: usize, cycle: usize) {
        let wanting = self.is_wanting(device) && self.devices[device].cycle == cycle;
        self.devices[device].busy = Busy::No;
        let Some(arose_at) = self.devices[device].felt_at.filter(|_| wanting) else { return };
        // Who asks by name says more than who is known.
        let by_name = self.arm(device) == Arm::Respond;
        let minutes = self.setup.assumptions.state_minutes;
        let inputs = if by_name { 3 } else { 2 };
        let known = &mut self.devices[device];
        known.busy = Busy::App;
        known.effort.add(Effort { minutes, steps: 1, inputs, contacts: 0 });
        let act = Act::StateNeed {
            category: known.category.to_owned(),
            device_id: known.id.clone(),
            slot: known.slot.to_owned(),
            item_id: by_name.then(|| WARES[known.usual].item_id.to_owned()),
            arose_at,
        };
        let account = known.account;
        self.act(at, account, act);
        self.plan(at.plus_micros(NO_ANSWER), Planned::LookAgain { device, cycle });
    }

    /// What the customer is shown for a need that they stated.
    pub fn offered(&mut self, offer: &Offer, at: Time) {
        let Some(device) = self.device(&offer.device_id) else { return };
        let (known, assumed) = (&self.devices[device], &self.setup.assumptions);
        let usual = WARES[known.usual].item_id;
        let chosen = offer.items.iter().find(|item| item.item_id == usual).or(offer.items.first());
        let dice = &mut self.dice(Stream::State, known.subject, 1_000_000 + known.cycle);
        let patience = assumed.patience_hours * (0.5 * dice.normal()).exp();
        let minutes = match self.arm(device) {
            Arm::Baseline | Arm::Respond => assumed.choose_minutes,
            Arm::Curate | Arm::Coach | Arm::Automate => assumed.choose_curated_minutes,
        };
        let soon = |item: &&OfferedItem| item.due_at.since(at) <= (patience * HOUR as f64) as i64;
        match chosen.filter(soon) {
            Some(item) => {
                let choose =
                    Planned::Choose { device, need_id: offer.need_id.clone(), item_id: item.item_id.clone() };
                self.plan(at.plus_micros(micros(minutes)), choose);
            }
            None => {
                self.devices[device].busy = Busy::No;
                match self.devices[device].kind {
                    Kind::Printer { .. } => self.go_shopping(at, device),
                    // There is the corner shop, on one of the next evenings.
                    Kind::Fridge { .. } => {}
                }
            }
        }
    }

    pub(super) fn choose(&mut self, at: Time, device: usize, need_id: String, item_id: String) {
        if !self.is_wanting(device) {
            self.devices[device].busy = Busy::No;
            return;
        }
        let (assumed, by_name) = (&self.setup.assumptions, self.arm(device) == Arm::Respond);
        let (minutes, inputs) = match by_name {
            true => (assumed.choose_minutes, 2),
            false => (assumed.choose_curated_minutes, 1),
        };
        self.order_in_app(at, device, need_id, Some(item_id), minutes, inputs);
    }

    /// The one tap on a message.
    pub(super) fn tap(&mut self, at: Time, device: usize, need_id: String) {
        if !self.is_wanting(device) {
            return self.snooze(at, device);
        }
        let minutes = self.setup.assumptions.one_tap_minutes;
        self.order_in_app(at, device, need_id, None, minutes, 1);
    }

    fn order_in_app(
        &mut self,
        at: Time,
        device: usize,
        need_id: String,
        item_id: Option<String>,
        minutes: f64,
        inputs: u32,
    ) {
        let who = self.account(device).who.clone();
        let known = &mut self.devices[device];
        known.effort.add(Effort { minutes, steps: 1, inputs, contacts: 0 });
        let spent = known.effort;
        let (device_id, account) = (known.id.clone(), known.account);
        let effort = json!({
            "category": known.category, "device_id": known.id, "slot": known.slot,
            "minutes": spent.minutes, "steps": spent.steps, "inputs": spent.inputs, "contacts": spent.contacts,
        });
        self.act(at, account, Act::Choose { device_id, need_id: need_id.clone(), item_id });
        self.say(at, Some(&who), "effort.spent", format!("effort-{need_id}"), &effort);
    }

    pub(super) fn snooze(&mut self, at: Time, device: usize) {
        let known = &self.devices[device];
        let (category, account) = (known.category.to_owned(), known.account);
        self.act(at, account, Act::Snooze { category, until: at.plus_micros(SNOOZE) });
    }

    /// Still empty: is something on its way, or has somebody to go and get it?
    pub(super) fn look_again(&mut self, at: Time, device: usize, cycle: usize) {
        let known = &self.devices[device];
        let felt = known.dry_since.is_some() || known.felt_at.is_some();
        if known.cycle != cycle || !felt || !known.spares.is_empty() || known.busy == Busy::Shopping {
            return;
        }
        let waits = (self.setup.assumptions.waits_past_the_date * HOUR as f64) as i64;
        let dates = known.under_way.iter().filter_map(|order| self.parcels.get(order));
        let expected = dates.map(|parcel| parcel.due_at.plus_micros(waits)).max();
        let announced = known.announced.map(|until| until.plus_micros(AFTER_WINDOW));
        match expected.into_iter().chain(announced).max() {
            Some(until) if until > at => self.plan(until, Planned::LookAgain { device, cycle }),
            _ => {
                self.devices[device].announced = None;
                match self.devices[device].kind {
                    Kind::Printer { .. } => self.go_shopping(at, device),
                    Kind::Fridge { .. } => self.devices[device].busy = Busy::No,
                }
            }
        }
    }

    /// A message reached a customer, who may do something about it.
    pub fn heard(&mut self, heard: &Heard<'_>, at: Time) {
        let account = self.accounts.iter().position(|account| account.who == heard.who);
        let Some(account) = account else { return };
        let named = heard.device_id.and_then(|id| self.device(id));
        let of_account = |device: &usize| self.devices[*device].account == account;
        // What is about nothing that we know of is about the first of what they have.
        let Some(device) = named.or_else(|| (0..self.devices.len()).find(of_account)) else { return };
        let assumed = self.setup.assumptions.clone();
        let stream = match heard.message.link.as_ref().map(|link| link.purpose) {
            Some(LinkPurpose::Action) => Stream::Notice,
            Some(LinkPurpose::Mandate) => Stream::Agree,
            _ => Stream::React,
        };
        let day = self.day_of(at).max(0) as usize;
        let dice = &mut self.dice(stream, self.devices[device].subject, day);
        let (reads, chance, other) = (!dice.chance(assumed.non_response), dice.unit(), dice.unit());
        let delay = assumed.react_hours * dice.normal().exp();
        let reacts_at = self.present(device, at.plus_micros(micros(delay * 60.0)));
        let sheet = &mut self.devices[device].sheet;
        sheet.messages += 1;
        sheet.cost_to_serve += assumed.message_won as i64;
        if reads {
            sheet.read_minutes += assumed.read_minutes;
        }
        let Some(link) = &heard.message.link else { return };
        match link.purpose {
            LinkPurpose::Offer if reads => {
                self.plan(reacts_at, Planned::Tap { device, need_id: link.about.clone() });
            }
            LinkPurpose::Offer if chance < assumed.snoozes => {
                self.plan(reacts_at, Planned::Snooze { device });
            }
            LinkPurpose::Action => {
                self.devices[device].announced = heard.until.or(Some(at));
                let hour_later = at.plus_micros(HOUR);
                if self.drilled(
                    account,
                    at,
                    |drill, who| matches!(drill, Drill::RevokeInWindow { who: of, .. } if of == who),
                ) {
                    return self.plan(hour_later, Planned::Revoke { account });
                }
                let action_id = link.about.clone();
                if self.drilled(
                    account,
                    at,
                    |drill, who| matches!(drill, Drill::CallOff { who: of, .. } if of == who),
                ) {
                    return self.plan(hour_later, Planned::CallOff { device, action_id });
                }
                let needless = !self.devices[device].spares.is_empty();
                let calls_off = match needless {
                    true => chance < assumed.calls_off_what_is_not_needed,
                    false => other < assumed.calls_off_on_a_whim,
                };
                if reads && calls_off {
                    self.plan(reacts_at, Planned::CallOff { device, action_id });
                }
            }
            LinkPurpose::Mandate if reads && chance < assumed.renews_a_mandate => {
                self.plan(reacts_at, Planned::Agree { account, mandate_id: link.about.clone() });
            }
            _ => {}
        }
    }

    /// Whether a drill of this customer's begins now; each begins once.
    fn drilled(&mut self, account: usize, at: Time, is_it: impl Fn(&Drill, &str) -> bool) -> bool {
        let day = self.day_of(at);
        let known = &self.accounts[account];
        let from = |drill: &Drill| match drill {
            Drill::RevokeInWindow { from_day, .. } | Drill::CallOff { from_day, .. } => i64::from(*from_day),
            _ => i64::MAX,
        };
        let found = self.setup.drills.iter().enumerate().position(|(index, drill)| {
            is_it(drill, &known.who) && from(drill) <= day && !known.drilled.contains(&index)
        });
        if let Some(index) = found {
            self.accounts[account].drilled.push(index);
        }
        found.is_some()
    }

    /// An order that was to come was called off; `true` if it had not left.
    pub fn called_off(&mut self, order_id: &str) -> bool {
        let Some(parcel) = self.parcels.get_mut(order_id) else { return false };
        let device = parcel.device;
        parcel.called_off = true;
        let stays = !parcel.left;
        if stays {
            self.devices[device].under_way.retain(|order| order != order_id);
        }
        stays
    }

    /// An automatic order was called off; `within` its window or not. Whether it comes all the same is seen when it
    /// does.
    pub fn action_called_off(&mut self, device_id: &str, within: bool) {
        let Some(device) = self.device(device_id) else { return };
        let known = &mut self.devices[device];
        known.announced = None;
        match within {
            true => known.sheet.called_off += 1,
            false => known.sheet.called_off_late += 1,
        }
    }
}
