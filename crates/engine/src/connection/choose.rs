//! The choice itself: a pure function of what was seen and of the playbook, so that any decision can be made again from
//! its record.

use model::connection::{MessageClass, NeedOrigin, Occasion, Strategy, Subject};
use model::{Money, Quantity, Time};
use serde::{Deserialize, Serialize};

use super::limits::{Block, check_limits};
use super::policy::Followed;
use super::{MandateRecord, Taken, micros_of};
use crate::playbook::{CoachRule, MessageTemplate, Playbook};

/// Everything that a decision goes by.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Seen {
    pub decision_id: String,
    pub at: Time,
    pub need_id: String,
    pub origin: NeedOrigin,
    pub rule: String,
    pub confidence: f64,
    pub subject: Subject,
    pub device_model: Option<String>,
    /// Why it is decided now.
    pub occasion: Occasion,
    pub followed: Followed,
    pub share: u8,
    /// Which kinds of data were used: `history`, `readings`, `context`.
    pub used: Vec<String>,
    /// Days from now until it is empty: with 10, 50 and 90 %, and by the playbook's service.
    pub empty_in: Option<EmptyIn>,
    /// Until when the customer is away, where they are or will be when the answer comes.
    pub away_until: Option<Time>,
    pub snoozed_until: Option<Time>,
    /// Until when it is quiet, where it is.
    pub quiet_until: Option<Time>,
    pub advertising: bool,
    /// Of the messages that may be sent about this category, those that are left; none where there is no cap.
    pub messages_left: Option<u32>,
    /// In the last seven days, about anything.
    pub contacts_7d: u32,
    /// How often the customer was told of this need or asked about it, and when last.
    pub raised: u32,
    pub raised_at: Option<Time>,
    /// After that they put it off, and wait to hear of it again.
    pub put_off: bool,
    pub mandate: Option<SeenMandate>,
    /// What can be promised of the assortment.
    pub offers: Vec<Offered>,
    pub taken: Taken,
    pub steps: Vec<SeenStep>,
    /// The arm of the experiment.
    pub arm: Option<String>,
    /// From which chance is drawn.
    pub seed: u64,
}

#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub struct EmptyIn {
    pub p10: f64,
    pub p50: f64,
    pub p90: f64,
    /// The day before which the answer has to be there.
    pub needed: f64,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct SeenMandate {
    pub record: MandateRecord,
    /// An automatic order is under way for the same thing.
    pub open_action: Option<String>,
    /// The one that is due, where that is the occasion.
    pub action_id: Option<String>,
    /// Automatic orders in the windows of the playbook's guard rail, as many as there were.
    pub auto_orders: Vec<u32>,
}

/// One item of the assortment and what can be promised of it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Offered {
    pub item_id: String,
    pub name: Option<String>,
    pub quantity: Quantity,
    /// Whether it fits the device, where that is known.
    pub fits: Option<bool>,
    /// Times that this customer has bought it, of all times that they bought for this category.
    pub bought: u32,
    pub bought_of: u32,
    /// None where nothing can be promised.
    pub due_at: Option<Time>,
    pub probability: Option<f64>,
    pub price: Option<Money>,
    pub margin: Option<Money>,
    /// From where it comes.
    pub place: Option<String>,
    /// What stands in the way, as codes.
    pub binding: Vec<String>,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct SeenStep {
    pub id: String,
    pub sale: bool,
    pub done: bool,
    pub possible: bool,
}

/// What can be done.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(tag = "does", rename_all = "snake_case")]
pub enum Does {
    /// Wait for the customer.
    Nothing,
    /// Decide again then.
    WaitUntil { at: Time },
    /// Show these to the customer, who asks.
    Offer { items: Vec<String> },
    /// Raise the need.
    Remind { message: String, item_id: Option<String>, steps: Vec<String> },
    /// Ask for a word of the customer's.
    Ask { message: String, item_id: Option<String> },
    /// Announce an order under the mandate, or place the one that was announced.
    Order { item_id: String },
}

impl Does {
    pub fn name(&self) -> &'static str {
        match self {
            Does::Nothing => "nothing",
            Does::WaitUntil { .. } => "wait_until",
            Does::Offer { .. } => "offer",
            Does::Remind { .. } => "remind",
            Does::Ask { .. } => "ask",
            Does::Order { .. } => "order",
        }
    }
}

/// Why something could not be done.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refused {
    NoConsent,
    Cap,
    QuietHours,
    Snoozed,
    Away,
    /// Nothing of the assortment can be promised.
    NothingToPromise,
    /// Nothing of the assortment fits the device.
    NothingFits,
    MarginFloor,
    Mandate(Block),
    /// An automatic order for the same thing is open.
    AlreadyOpen,
    /// More automatic orders than the playbook allows.
    OrderCap,
    /// Asked before, and the answer is awaited.
    AskedBefore,
    /// It would be there long before it is needed.
    TooEarly,
    /// The strategy does not do it.
    NotByStrategy,
}

impl Refused {
    pub fn code(&self) -> &'static str {
        match self {
            Refused::NoConsent => "no_consent",
            Refused::Cap => "cap",
            Refused::QuietHours => "quiet_hours",
            Refused::Snoozed => "snoozed",
            Refused::Away => "away",
            Refused::NothingToPromise => "nothing_to_promise",
            Refused::NothingFits => "nothing_fits",
            Refused::MarginFloor => "margin_floor",
            Refused::Mandate(block) => block.code(),
            Refused::AlreadyOpen => "already_open",
            Refused::OrderCap => "order_cap",
            Refused::AskedBefore => "asked_before",
            Refused::TooEarly => "too_early",
            Refused::NotByStrategy => "not_by_strategy",
        }
    }
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Candidate {
    pub does: Does,
    /// Why it may not be done; it may where nothing stands here.
    pub refused: Vec<Refused>,
    /// In the minor unit of the playbook's money; known for what may be done.
    pub value: Option<f64>,
    /// That it was going to be chosen.
    pub propensity: f64,
}

/// Why this one. A reason of the company's own is told as such.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "reason", rename_all = "snake_case")]
pub enum Reason {
    /// The strategy that the customer chose, or the one that stands in for it.
    Strategy,
    YouAsked,
    /// The device said so.
    DeviceReported,
    /// It was going to be empty.
    RunsEmpty,
    FitsYourDevice,
    YouBoughtIt,
    ThereInTime,
    /// Of those that fit as well, it is there first. Ours.
    SoonestForUs,
    /// Of those that fit as well, it leaves us most. Ours.
    BestForUs,
    YourMandate,
    /// Chosen by chance among what was possible, so that we learn.
    Chance,
}

impl Reason {
    pub fn code(&self) -> &'static str {
        match self {
            Reason::Strategy => "strategy",
            Reason::YouAsked => "you_asked",
            Reason::DeviceReported => "device_reported",
            Reason::RunsEmpty => "runs_empty",
            Reason::FitsYourDevice => "fits_your_device",
            Reason::YouBoughtIt => "you_bought_it",
            Reason::ThereInTime => "there_in_time",
            Reason::SoonestForUs => "soonest_for_us",
            Reason::BestForUs => "best_for_us",
            Reason::YourMandate => "your_mandate",
            Reason::Chance => "chance",
        }
    }

    /// Whether the company, and not the customer, is served by it.
    pub fn is_ours(&self) -> bool {
        matches!(self, Reason::SoonestForUs | Reason::BestForUs | Reason::Chance)
    }
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Chosen {
    pub does: Does,
    pub propensity: f64,
    pub reasons: Vec<Reason>,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Choice {
    pub candidates: Vec<Candidate>,
    pub chosen: Chosen,
    /// The offers in the order of their worth to this customer, within what may be lost of it to deliver better: by
    /// index into what was seen, with their relevance, 0 to 1.
    pub ranked: Vec<(usize, f64)>,
}

impl Choice {
    /// When an order that only came too soon after others may be allowed: it is looked at again, answered or not.
    pub fn heals_at(&self, now: Time) -> Option<Time> {
        let capped = self.candidates.iter().any(|candidate| candidate.refused.contains(&Refused::OrderCap));
        capped.then(|| now.plus_micros(micros_of(1.0)))
    }
}

/// Seven days at most are waited between two looks at one need.
const LOOK_AGAIN_DAYS: f64 = 7.0;
/// So many days earlier than needed is not too early.
const EARLY_DAYS: f64 = 2.0;

/// Decides. The same arguments give the same choice.
pub fn choose(seen: &Seen, playbook: &Playbook) -> Choice {
    let ranked = ranked(seen, playbook);
    let mut chooser = Chooser { seen, playbook, ranked, candidates: Vec::new(), draws: Draws(seen.seed) };
    let chosen = chooser.choose();
    Choice { candidates: chooser.candidates, chosen, ranked: chooser.ranked }
}

struct Chooser<'a> {
    seen: &'a Seen,
    playbook: &'a Playbook,
    ranked: Vec<(usize, f64)>,
    candidates: Vec<Candidate>,
    draws: Draws,
}

impl Chooser<'_> {
    fn choose(&mut self) -> Chosen {
        match (self.seen.occasion, self.seen.followed.strategy) {
            (Occasion::ActionDue | Occasion::OrderNow, _) => self.automate(),
            // Whoever asks is answered, whatever was chosen for when they do not.
            (Occasion::Asked, Strategy::Wait | Strategy::Respond | Strategy::Automate) => self.offer(1),
            (Occasion::Asked, Strategy::Curate | Strategy::Coach) => {
                let arm = self.arm().and_then(|arm| arm.choices);
                let choices = self.playbook.strategies.curate.as_ref().map_or(1, |rule| rule.choices);
                self.offer(arm.unwrap_or(choices))
            }
            (Occasion::Recognized, Strategy::Coach) => self.coach(),
            (Occasion::Recognized, Strategy::Automate) => self.automate(),
            (Occasion::Recognized, _) if self.seen.followed.ask_once => self.ask(Vec::new()),
            (Occasion::Recognized, _) => self.only(Does::Nothing, Vec::new(), vec![Reason::Strategy]),
        }
    }

    fn arm(&self) -> Option<&crate::playbook::Arm> {
        let experiment = self.playbook.experiment.as_ref()?;
        experiment.arms.iter().find(|arm| Some(&arm.id) == self.seen.arm.as_ref())
    }

    /// The one thing that may be done, beside what may not.
    fn only(&mut self, does: Does, refused: Vec<Candidate>, reasons: Vec<Reason>) -> Chosen {
        self.candidates.extend(refused);
        self.candidates.push(Candidate {
            does: does.clone(),
            refused: Vec::new(),
            value: None,
            propensity: 1.0,
        });
        Chosen { does, propensity: 1.0, reasons }
    }

    fn refuse(does: Does, refused: Vec<Refused>) -> Candidate {
        Candidate { does, refused, value: None, propensity: 0.0 }
    }

    fn best(&self) -> Option<&Offered> {
        self.ranked.first().map(|(index, _)| &self.seen.offers[*index])
    }

    /// Why nothing can be offered.
    fn nothing_to_offer(&self) -> Refused {
        let fitting = |offer: &&Offered| offer.fits != Some(false);
        if self.playbook.offer.fits_device && !self.seen.offers.iter().any(|offer| fitting(&offer)) {
            return Refused::NothingFits;
        }
        match self.seen.offers.iter().any(|offer| fitting(&offer) && offer.due_at.is_some()) {
            true => Refused::MarginFloor,
            false => Refused::NothingToPromise,
        }
    }

    fn offer(&mut self, choices: usize) -> Chosen {
        if self.ranked.is_empty() {
            let refused = Self::refuse(Does::Offer { items: Vec::new() }, vec![self.nothing_to_offer()]);
            return self.only(Does::Nothing, vec![refused], vec![Reason::YouAsked]);
        }
        let shown = self.ranked.iter().take(choices.max(1)).map(|(index, _)| *index);
        let items: Vec<String> = shown.map(|index| self.seen.offers[index].item_id.clone()).collect();
        let mut reasons = vec![Reason::YouAsked];
        reasons.extend(self.why_first());
        self.only(Does::Offer { items }, Vec::new(), reasons)
    }

    /// Why the first offer is first.
    fn why_first(&self) -> Vec<Reason> {
        let Some(best) = self.best() else { return Vec::new() };
        let mut reasons = Vec::new();
        if best.fits == Some(true) {
            reasons.push(Reason::FitsYourDevice);
        }
        if best.bought > 0 {
            reasons.push(Reason::YouBoughtIt);
        }
        let needed = self.seen.empty_in.map(|empty| self.seen.at.plus_micros(micros_of(empty.needed)));
        if best.due_at.is_some_and(|due| needed.is_some_and(|needed| due <= needed)) {
            reasons.push(Reason::ThereInTime);
        }
        // Something more fitting stands behind it: what put it first is ours to tell.
        let relevance = self.ranked[0].1;
        if let Some((index, _)) = self.ranked.iter().skip(1).find(|(_, other)| *other > relevance) {
            let other = &self.seen.offers[*index];
            reasons.push(match best.due_at < other.due_at {
                true => Reason::SoonestForUs,
                false => Reason::BestForUs,
            });
        }
        reasons
    }

    fn origin(&self) -> Reason {
        match self.seen.origin {
            NeedOrigin::Stated => Reason::YouAsked,
            NeedOrigin::Reported => Reason::DeviceReported,
            NeedOrigin::Predicted => Reason::RunsEmpty,
        }
    }

    /// Of a message: what stands against it, and until when.
    fn against_message(&self, template: Option<&MessageTemplate>) -> (Vec<Refused>, Option<Time>) {
        let mut refused = Vec::new();
        let advertising = template.is_some_and(|template| template.class == MessageClass::Advertising);
        let mut until = None;
        if advertising && !self.seen.advertising {
            refused.push(Refused::NoConsent);
        }
        if self.seen.messages_left == Some(0) {
            refused.push(Refused::Cap);
            until = Some(self.seen.at.plus_micros(micros_of(1.0)));
        }
        if advertising && let Some(quiet) = self.seen.quiet_until {
            refused.push(Refused::QuietHours);
            until = until.max(Some(quiet));
        }
        (refused, until)
    }

    /// When it has to be acted on, if the answer takes as long as the best offer says; `None` where it is now.
    fn later(&self, notice_hours: u32) -> Option<Time> {
        let seen = self.seen;
        let (empty, best) = (seen.empty_in?, self.best()?);
        let lead_days = best.due_at?.since(seen.at) as f64 / 86_400_000_000.0;
        let act_in = empty.needed - lead_days - f64::from(notice_hours) / 24.0;
        if act_in <= EARLY_DAYS {
            return None;
        }
        // Half way: what is used meanwhile may bring it nearer.
        Some(seen.at.plus_micros(micros_of((act_in / 2.0).min(LOOK_AGAIN_DAYS))))
    }

    fn coach(&mut self) -> Chosen {
        let Some(rule) = &self.playbook.strategies.coach else {
            return self.only(Does::Nothing, Vec::new(), vec![Reason::Strategy]);
        };
        let seen = self.seen;
        let message = self.arm().and_then(|arm| arm.message.clone()).unwrap_or_else(|| rule.message.clone());
        let possible = |step: &&SeenStep| step.possible && !step.done;
        let steps: Vec<String> = seen.steps.iter().filter(possible).map(|step| step.id.clone()).collect();
        let item_id = self.best().map(|best| best.item_id.clone());
        let remind =
            Does::Remind { message: message.clone(), item_id: item_id.clone(), steps: steps.clone() };
        let (mut refused, mut until) = self.against_message(self.playbook.messages.get(&message));
        if let Some(snoozed) = seen.snoozed_until {
            refused.push(Refused::Snoozed);
            until = until.max(Some(snoozed));
        }
        if let Some(away) = seen.away_until {
            refused.push(Refused::Away);
            until = until.max(Some(away));
        }
        let next = self.next_reminder(rule);
        if next != Some(seen.at) {
            refused.push(Refused::AskedBefore);
            until = until.max(next);
        }
        if item_id.is_none() && steps.is_empty() {
            refused.push(self.nothing_to_offer());
            until = until.max(Some(seen.at.plus_micros(micros_of(1.0))));
        }
        if let Some(later) = self.later(0) {
            refused.push(Refused::TooEarly);
            until = until.max(Some(later));
        }
        if !refused.is_empty() {
            let for_good = next.is_none() || refused.contains(&Refused::NoConsent);
            let does = match until.filter(|_| !for_good) {
                Some(at) => Does::WaitUntil { at },
                None => Does::Nothing,
            };
            return self.only(does, vec![Self::refuse(remind, refused)], vec![Reason::Strategy]);
        }
        let send = self.arm().and_then(|arm| arm.send_probability).unwrap_or(rule.send_probability);
        let value = self.value_of_contact();
        // What costs more patience than it is worth is sent as seldom as learning asks.
        let send = if value > 0.0 { send } else { self.playbook.value.explore.min(send) };
        let sent = self.draws.next() < send;
        let candidate = |does: &Does, value: f64, propensity: f64| Candidate {
            does: does.clone(),
            refused: Vec::new(),
            value: Some(value),
            propensity,
        };
        // Who is left in peace by chance is considered again where the playbook reminds again.
        let silent = match rule.again {
            Some(again) => Does::WaitUntil { at: seen.at.plus_micros(again.micros()) },
            None => Does::Nothing,
        };
        self.candidates.push(candidate(&remind, value, send));
        self.candidates.push(candidate(&silent, 0.0, 1.0 - send));
        let mut reasons = vec![Reason::Strategy, self.origin()];
        if send < 1.0 {
            reasons.push(Reason::Chance);
        }
        reasons.extend(self.why_first());
        match sent {
            true => Chosen { does: remind, propensity: send, reasons },
            false => Chosen { does: silent, propensity: 1.0 - send, reasons },
        }
    }

    /// From when on a reminder may be sent: now for the first and for one that was put off, later for another of those
    /// that the playbook allows, and never after them.
    fn next_reminder(&self, rule: &CoachRule) -> Option<Time> {
        let seen = self.seen;
        match (seen.raised_at, rule.again) {
            (None, _) => Some(seen.at),
            (Some(_), _) if seen.put_off => Some(seen.at),
            (Some(raised_at), Some(again)) if seen.raised <= again.times => {
                Some(seen.at.max(raised_at.plus_micros(again.micros())))
            }
            _ => None,
        }
    }

    /// What a message is worth: that it is taken × what that leaves us, less what it costs in money and patience.
    fn value_of_contact(&self) -> f64 {
        let rule = &self.playbook.value;
        let taken = self.seen.taken;
        let accept = (rule.accept * rule.weight + f64::from(taken.taken.min(taken.shown)))
            / (rule.weight + f64::from(taken.shown));
        let same = |money: &Money| money.currency == rule.worth.currency;
        let margin = self.best().and_then(|best| best.margin).filter(same).map_or(0, |money| money.minor);
        let fatigue = rule.fatigue.minor as f64 * f64::from(self.seen.contacts_7d);
        accept * (margin + rule.worth.minor) as f64 - rule.contact_cost.minor as f64 - fatigue
    }

    fn ask(&mut self, mut refused_order: Vec<Candidate>) -> Chosen {
        let Some(rule) = &self.playbook.strategies.automate else {
            return self.only(Does::Nothing, refused_order, vec![Reason::Strategy]);
        };
        let item_id = self.best().map(|best| best.item_id.clone());
        let ask = Does::Ask { message: rule.ask.clone(), item_id };
        let (mut refused, until) = self.against_message(self.playbook.messages.get(&rule.ask));
        if self.seen.raised > 0 {
            refused.push(Refused::AskedBefore);
        }
        if let Some(later) = self.later(0) {
            // What is asked weeks before is forgotten by then.
            refused_order.push(Self::refuse(ask, vec![Refused::TooEarly]));
            return self.only(Does::WaitUntil { at: later }, refused_order, vec![Reason::Strategy]);
        }
        if !refused.is_empty() {
            let capped = refused_order.iter().any(|candidate| candidate.refused.contains(&Refused::OrderCap));
            let again = match refused.contains(&Refused::AskedBefore) {
                true => capped.then(|| self.seen.at.plus_micros(micros_of(1.0))),
                false => until,
            };
            let does = again.map_or(Does::Nothing, |at| Does::WaitUntil { at });
            refused_order.push(Self::refuse(ask, refused));
            return self.only(does, refused_order, vec![Reason::Strategy]);
        }
        let origin = self.origin();
        self.only(ask, refused_order, vec![Reason::Strategy, origin])
    }

    fn automate(&mut self) -> Chosen {
        let seen = self.seen;
        let due = seen.occasion == Occasion::ActionDue;
        let Some(mandate) = &seen.mandate else {
            let order = Self::refuse(Does::Nothing, vec![Refused::NotByStrategy]);
            return self.ask(vec![order]);
        };
        // Of what may be ordered, what the customer named first; within it, what can be promised.
        let of_mandate = |item: &String| {
            self.ranked
                .iter()
                .find(|(index, _)| seen.offers[*index].item_id == *item)
                .map(|(index, _)| *index)
        };
        let found = mandate.record.terms.items.iter().find_map(of_mandate);
        let Some(offer) = found.map(|index| &seen.offers[index]) else {
            let item_id = mandate.record.terms.items.first().cloned().unwrap_or_default();
            let refused = vec![Self::refuse(Does::Order { item_id }, vec![self.nothing_to_offer()])];
            // It may be there tomorrow.
            let at = seen.at.plus_micros(micros_of(1.0));
            return self.only(Does::WaitUntil { at }, refused, vec![Reason::Strategy]);
        };
        let order = Does::Order { item_id: offer.item_id.clone() };
        let mut refused = Vec::new();
        let mut until = None;
        if let Some(away) = seen.away_until
            && offer.due_at.is_none_or(|due| due < away)
        {
            refused.push(Refused::Away);
            // So that it comes when they are back.
            let lead = offer.due_at.map_or(0, |due| due.since(seen.at).max(0));
            until = Some(away.plus_micros(-lead).max(seen.at.plus_micros(micros_of(0.25))));
        }
        let open = mandate.open_action.as_ref().filter(|open| Some(*open) != mandate.action_id.as_ref());
        if open.is_some() {
            refused.push(Refused::AlreadyOpen);
        }
        if !due
            && seen.occasion != Occasion::OrderNow
            && let Some(later) = self.later(mandate.record.terms.notice_hours)
        {
            refused.push(Refused::TooEarly);
            until = until.max(Some(later));
        }
        let caps = self.playbook.guard_rails.auto_orders.iter().zip(&mandate.auto_orders);
        if !due && caps.into_iter().any(|(cap, orders)| *orders >= cap.orders) {
            refused.push(Refused::OrderCap);
        }
        let action = mandate.action_id.as_deref().unwrap_or_default();
        let blocked =
            check_limits(&mandate.record, action, &offer.item_id, offer.quantity, offer.price, seen.at);
        if let Some(block) = blocked {
            refused.push(Refused::Mandate(block));
        }
        if refused.is_empty() {
            let mut reasons = vec![Reason::YourMandate, self.origin()];
            if offer.fits == Some(true) {
                reasons.push(Reason::FitsYourDevice);
            }
            return self.only(order, Vec::new(), reasons);
        }
        let waits = |refused: &Refused| matches!(refused, Refused::Away | Refused::TooEarly);
        if refused.iter().all(waits) {
            let at = until.unwrap_or(seen.at.plus_micros(micros_of(1.0)));
            return self.only(
                Does::WaitUntil { at },
                vec![Self::refuse(order, refused)],
                vec![Reason::Strategy],
            );
        }
        if refused.contains(&Refused::AlreadyOpen) {
            return self.only(Does::Nothing, vec![Self::refuse(order, refused)], vec![Reason::Strategy]);
        }
        self.ask(vec![Self::refuse(order, refused)])
    }
}

/// The offers that may be shown, best first: by relevance, and within what may be lost of it by when they are there and
/// by what they leave us.
fn ranked(seen: &Seen, playbook: &Playbook) -> Vec<(usize, f64)> {
    let floor = playbook.guard_rails.margin_floor;
    let enough = |offer: &Offered| match (floor, offer.margin, offer.price) {
        (None, ..) => true,
        (Some(floor), Some(margin), Some(price)) => margin.minor as f64 >= floor * price.minor as f64 - 1e-9,
        (Some(_), ..) => false,
    };
    let fits = |offer: &Offered| match playbook.offer.fits_device {
        // A device whose model nobody knows is no reason to offer nothing.
        true => offer.fits != Some(false),
        false => true,
    };
    let mut found: Vec<(usize, f64)> = seen
        .offers
        .iter()
        .enumerate()
        .filter(|(_, offer)| offer.due_at.is_some() && enough(offer) && fits(offer))
        .map(|(index, offer)| (index, relevance(seen, offer)))
        .collect();
    let best = found.iter().map(|(_, relevance)| *relevance).fold(0.0, f64::max);
    let near = best * (1.0 - playbook.offer.relevance_loss);
    // What is as good for the customer is the better for being cheaper.
    let price = |index: usize| seen.offers[index].price.map_or(i64::MAX, |money| money.minor);
    let margin = |index: usize| seen.offers[index].margin.map_or(i64::MIN, |money| money.minor);
    found.sort_by(|(one, relevance), (other, other_relevance)| {
        let (is_near, other_near) = (*relevance >= near, *other_relevance >= near);
        let order = other_near.cmp(&is_near);
        order
            .then_with(|| match is_near && other_near {
                true => seen.offers[*one].due_at.cmp(&seen.offers[*other].due_at),
                false => other_relevance.total_cmp(relevance),
            })
            .then_with(|| other_relevance.total_cmp(relevance))
            .then_with(|| price(*one).cmp(&price(*other)))
            .then_with(|| margin(*other).cmp(&margin(*one)))
            .then_with(|| one.cmp(other))
    });
    found
}

/// How well an item answers this customer's need, 0 to 1: what they asked for by name, else what they bought before as
/// often as they did (Laplace's rule of succession), and half of that where it may not fit.
fn relevance(seen: &Seen, offer: &Offered) -> f64 {
    if seen.subject.item_id.as_deref() == Some(offer.item_id.as_str()) {
        return 1.0;
    }
    let bought = (f64::from(offer.bought) + 1.0) / (f64::from(offer.bought_of) + 2.0);
    if offer.fits == Some(true) || offer.bought > 0 { bought } else { bought / 2.0 }
}

/// Chance, drawn from a seed that is on record (SplitMix64; Steele, Lea & Flood 2014).
struct Draws(u64);

impl Draws {
    /// The next number from 0 to 1.
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        (mixed >> 11) as f64 / (1_u64 << 53) as f64
    }
}
