//! One year of one arm: a living world, and the engine that serves it. The engine is the one that serves everybody: its
//! fold, with logs in memory. Customers' acts are the commands that pages and programs give; what the engine asks the
//! outside world to do is done by the world.

use std::collections::BTreeMap;

use engine::connection::Does;
use engine::playbook::Playbook;
use model::connection::{
    ActionState, ConnectionCommand, ConnectionFact, Consent, LinkPurpose, MandateState, MandateTerms,
    Message, MessageClass, Period, PriceRule, SpendLimit, Subject,
};
use model::{
    Command, Effect, EffectKind, EffectResult, EntityId, Event, EventKind, Fact, Identifier, OrderDefaults,
    Quantity, Time,
};
use runtime::ordering::Ordered;
use serde_json::{Value, json};
use views::Change;
use world::living::{
    Act, Arm, DAWN, Happening, Heard, KnownAccount, KnownDevice, Living, MILK, Offer, OfferedItem, Order,
    OrderedBy, REGION, STANDARD, Setup, TIME_ZONE, WARES, What,
};

use super::log::{Log, read};
use super::rules::{reference, won};
use crate::error::Failure;
use crate::in_memory::{InMemory, bare, failed, other};

pub(super) const HOUR: i64 = 3_600_000_000;
pub(super) const DAY: i64 = 24 * HOUR;
/// Days after the last, so that everything has arrived.
const TAIL_DAYS: i64 = 20;
const EFFECTS_AT_ONCE: usize = 1_000;
/// Above the price that was seen by more than this, the customer is asked.
const MAX_RISE_PERCENT: u32 = 10;

/// What a scenario's company does besides what its playbooks say.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub setup: Setup,
    /// Each customer is served as suits their character and what they would share.
    pub matched: bool,
    /// The company finds that something went wrong, and suspends the mandates of every second customer.
    pub incident: Option<Time>,
    pub playbooks: Vec<Playbook>,
    /// Hours between telling of an automatic order and placing it, by category.
    pub notice_hours: BTreeMap<&'static str, u32>,
}

/// A customer who took back what they had delegated: what was open then, and what happened after it.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct Exit {
    pub who: String,
    pub at: Time,
    /// Mandates that stood, and automatic orders that had not left.
    pub mandates: usize,
    pub open: usize,
    /// Of these, what was called off at once.
    pub ended: usize,
    pub called_off: usize,
    /// Automatic orders that started later.
    pub started_after: usize,
}

impl Exit {
    /// Everything ended at once, and nothing began afterwards.
    pub(super) fn is_complete(&self) -> bool {
        self.ended == self.mandates && self.called_off == self.open && self.started_after == 0
    }
}

/// Customers withdrew what they had shared: what was done with it later.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct Stopped {
    /// From a withdrawal to the last that was read, said unasked, or ordered; the longest.
    pub minutes: f64,
    pub read_after: u32,
    pub orders_after: u32,
}

/// A trust incident: who left, of whom.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct Incident {
    pub minutes: f64,
    pub orders_after: u32,
    pub affected: (usize, usize),
    pub connected: (usize, usize),
    pub others: (usize, usize),
}

pub(super) struct Year {
    pub living: Living,
    pub stopped: Option<Stopped>,
    pub incident: Option<Incident>,
    pub log: Log,
    pub exits: Vec<Exit>,
    /// Automatic orders that were called off within the window, and those of them that were honoured.
    pub cancels: (u32, u32),
}

pub(super) struct Company {
    engine: InMemory,
    living: Living,
    plan: Plan,
    ids: BTreeMap<String, EntityId>,
    names: BTreeMap<EntityId, String>,
    log: Log,
    exits: Vec<Exit>,
    cancels: (u32, u32),
    /// When somebody withdrew what they had shared.
    withdrawn: BTreeMap<EntityId, Time>,
    stopped: Option<Stopped>,
    /// Whose mandates are suspended, since when.
    suspended: BTreeMap<EntityId, Time>,
    incident: Option<Incident>,
    now: Time,
    orders: u64,
    messages: u64,
}

impl Company {
    pub(super) fn new(seed: u64, mut plan: Plan) -> Result<Self, Failure> {
        let mut engine = InMemory::new("living")?;
        if plan.matched {
            let known = Living::new(seed, plan.setup.clone()).accounts();
            plan.setup.each = known.iter().map(|account| (account.who.clone(), suits(account))).collect();
        }
        let living = Living::new(seed, plan.setup.clone());
        let reference = reference(&living, &plan.playbooks)?;
        engine.fold.publish_reference(&reference);
        let now = plan.setup.start;
        let mut company = Company {
            engine,
            living,
            plan,
            ids: BTreeMap::new(),
            names: BTreeMap::new(),
            log: Log::new(reference.playbooks),
            exits: Vec::new(),
            cancels: (0, 0),
            withdrawn: BTreeMap::new(),
            stopped: None,
            suspended: BTreeMap::new(),
            incident: None,
            now,
            orders: 0,
            messages: 0,
        };
        company.open()?;
        Ok(company)
    }

    fn open(&mut self) -> Result<(), Failure> {
        for happening in self.living.opening() {
            self.happens(&happening)?;
        }
        for account in self.living.accounts() {
            let id = self.engine.fold.lookup(&Identifier::User(&account.who)).map_err(other)?;
            let id = id.ok_or_else(|| failed(format!("customer {} has no profile", account.who)))?;
            self.ids.insert(account.who.clone(), id);
            self.names.insert(id, account.who.clone());
            let milk = account.devices.iter().any(|device| device.category == MILK);
            let toner = account.devices.iter().any(|device| device.category != MILK);
            let service = match (milk, toner) {
                (true, false) => Some(DAWN.to_owned()),
                (false, _) => Some(STANDARD.to_owned()),
                (true, true) => None,
            };
            let defaults = OrderDefaults {
                to: REGION.to_owned(),
                time_zone: Some(TIME_ZONE.to_owned()),
                service,
                payment_token: Some(format!("token-{}", account.who)),
                ..OrderDefaults::default()
            };
            self.engine.fold.set_order_defaults(id, defaults, self.now).map_err(other)?;
            if account.arm == Arm::Automate {
                self.delegate(id, &account)?;
            }
        }
        self.follow()
    }

    /// The customer agrees to a mandate for each of their devices.
    fn delegate(&mut self, id: EntityId, account: &KnownAccount) -> Result<(), Failure> {
        for device in &account.devices {
            let terms = self.terms(device)?;
            let mandate_id = terms.mandate_id.clone();
            self.connect(id, &ConnectionCommand::PresentMandate(Box::new(terms)))?;
            let customer = self.engine.fold.entity(id).map_err(other)?.customer();
            let shown = customer.and_then(|customer| customer.connection.mandates.get(&mandate_id));
            let Some(agreement) = shown.map(|mandate| mandate.agreement.clone()) else {
                return Err(failed(format!("mandate {mandate_id} was not presented")));
            };
            self.connect(id, &ConnectionCommand::ActivateMandate { mandate_id, agreement })?;
        }
        Ok(())
    }

    fn terms(&self, device: &KnownDevice) -> Result<MandateTerms, Failure> {
        let ware = WARES.iter().find(|ware| ware.item_id == device.usual);
        let price = ware.ok_or_else(|| failed(format!("item {}", device.usual)))?.price;
        let limit = match device.category {
            MILK => SpendLimit { period: Period::Week, amount: Some(won(price * 5)?), orders: Some(4) },
            _ => SpendLimit { period: Period::Month, amount: Some(won(price * 3)?), orders: Some(2) },
        };
        Ok(MandateTerms {
            mandate_id: format!("m-{}", device.device_id),
            category: device.category.to_owned(),
            device_id: Some(device.device_id.clone()),
            slot: Some(device.slot.to_owned()),
            items: vec![device.usual.to_owned()],
            max_quantity: Quantity::ONE,
            payee: "the company".to_owned(),
            max_each: won(price + price / 5)?,
            limits: vec![limit],
            price: Some(PriceRule { reference: won(price)?, max_rise_percent: MAX_RISE_PERCENT }),
            valid_from: self.plan.setup.start,
            valid_to: None,
            dormancy_days: None,
            notice_hours: self.plan.notice_hours.get(device.category).copied().unwrap_or(24),
            time_zone: TIME_ZONE.to_owned(),
        })
    }

    /// Lives through the year.
    pub(super) fn run(mut self) -> Result<Year, Failure> {
        let end = self.living.end().plus_micros(TAIL_DAYS * DAY);
        while self.now < end {
            let until = self.now.plus_micros(HOUR);
            while let Some(happening) = self.living.next(until) {
                self.now = happening.at;
                self.engine.fold.tick(self.now).map_err(other)?;
                self.follow()?;
                self.happens(&happening)?;
                self.follow()?;
            }
            self.now = until;
            self.engine.fold.tick(self.now).map_err(other)?;
            self.follow()?;
            self.mind_incident()?;
        }
        Ok(Year {
            living: self.living,
            stopped: self.stopped,
            incident: self.incident,
            log: self.log,
            exits: self.exits,
            cancels: self.cancels,
        })
    }

    fn happens(&mut self, happening: &Happening) -> Result<(), Failure> {
        match &happening.what {
            What::Told(json) => self.told(json),
            What::Acts(act) => self.acts(happening.who.as_deref().unwrap_or_default(), act),
        }
    }

    fn told(&mut self, json: &Value) -> Result<(), Failure> {
        let event = self.engine.read(json, self.now)?;
        self.engine.receive(&event, self.now)
    }

    /// Something that whoever is paid says.
    fn event(&mut self, who: &str, name: &str, properties: &Value) -> Result<(), Failure> {
        self.messages += 1;
        let event = Event {
            user_id: Some(who.to_owned().into()),
            properties: Some(properties.to_string().into()),
            ..bare(EventKind::Track, name, &format!("company-{}", self.messages), self.now)
        };
        self.engine.receive(&event, self.now)
    }

    // ---- what customers do ----------------------------------------------------------------------------------------

    fn connect(&mut self, id: EntityId, command: &ConnectionCommand) -> Result<(), Failure> {
        self.engine.fold.connect(id, command, self.now).map(drop).map_err(other)
    }

    fn acts(&mut self, who: &str, act: &Act) -> Result<(), Failure> {
        let id = *self.ids.get(who).ok_or_else(|| failed(format!("customer {who}")))?;
        match act {
            Act::StateNeed { category, device_id, slot, item_id, arose_at } => {
                let subject = Subject {
                    device_id: Some(device_id.clone()),
                    slot: Some(slot.clone()),
                    item_id: item_id.clone(),
                };
                let stated = self.engine.fold.state_need(id, category, subject, Some(*arose_at), self.now);
                let stated = stated.map_err(other)?;
                let need_id = stated.as_ref().map(|stated| stated.need_id.clone()).unwrap_or_default();
                let items = stated.and_then(|stated| stated.decision).map(|decision| offers(&decision));
                let offer = Offer { device_id: device_id.clone(), need_id, items: items.unwrap_or_default() };
                self.living.offered(&offer, self.now);
                Ok(())
            }
            Act::Choose { device_id, need_id, item_id } => {
                self.choose(id, device_id, need_id, item_id.as_deref())
            }
            Act::Snooze { category, until } => {
                let (category, until) = (category.clone(), *until);
                self.connect(id, &ConnectionCommand::Snooze { category, until })
            }
            Act::CancelAction { action_id } => self.cancel(id, action_id),
            Act::RevokeMandates => self.revoke(id, who),
            Act::AgreeToMandate { mandate_id } => {
                let customer = self.engine.fold.entity(id).map_err(other)?.customer();
                let shown = customer.and_then(|customer| customer.connection.mandates.get(mandate_id));
                let Some((_, _, agreement)) = shown.and_then(|mandate| mandate.proposed.clone()) else {
                    return Ok(());
                };
                let mandate_id = mandate_id.clone();
                self.connect(id, &ConnectionCommand::ActivateMandate { mandate_id, agreement })
            }
            Act::WithdrawConsent { purpose } => {
                let consent = Consent {
                    purpose: purpose.clone(),
                    given: false,
                    at: self.now,
                    notice: None,
                    jurisdiction: None,
                };
                self.withdrawn.entry(id).or_insert(self.now);
                self.stopped.get_or_insert_default();
                self.connect(id, &ConnectionCommand::SetConsent(consent))
            }
        }
    }

    // ---- an incident ----------------------------------------------------------------------------------------------

    /// On its day, what every second customer delegated is suspended and they are told; some leave, and the others let
    /// it go on a week later.
    fn mind_incident(&mut self) -> Result<(), Failure> {
        let Some(at) = self.plan.incident else { return Ok(()) };
        if self.now >= at && self.incident.is_none() {
            let connected = self.living.accounts().into_iter().filter(|account| account.arm == Arm::Automate);
            let affected: Vec<String> = connected.step_by(2).map(|account| account.who).collect();
            let began = self.now;
            for who in &affected {
                let id = self.ids[who];
                for mandate_id in self.delegated(id)?.0 {
                    let why = "incident".to_owned();
                    self.connect(id, &ConnectionCommand::SuspendMandate { mandate_id, why })?;
                }
                self.suspended.insert(id, self.now);
            }
            let mut incident =
                Incident { minutes: self.now.since(began) as f64 / 6e7, ..Incident::default() };
            let left = self.living.incident(&affected, true);
            for account in self.living.accounts() {
                let group = match (affected.contains(&account.who), account.arm) {
                    (true, _) => &mut incident.affected,
                    (false, Arm::Automate) => &mut incident.connected,
                    (false, _) => &mut incident.others,
                };
                let leaves = left.contains(&account.who);
                *group = (group.0 + usize::from(leaves), group.1 + 1);
            }
            self.incident = Some(incident);
            for who in left {
                self.revoke(self.ids[&who], &who)?;
            }
        }
        if self.now >= at.plus_micros(7 * DAY) && !self.suspended.is_empty() {
            for (id, _) in std::mem::take(&mut self.suspended) {
                let customer = self.engine.fold.entity(id).map_err(other)?.customer();
                let mandates = customer.map(|customer| &customer.connection.mandates);
                let suspended = mandates.into_iter().flatten();
                let suspended = suspended.filter(|(_, mandate)| mandate.state == MandateState::Suspended);
                let suspended: Vec<String> = suspended.map(|(id, _)| id.clone()).collect();
                for mandate_id in suspended {
                    self.connect(id, &ConnectionCommand::ResumeMandate { mandate_id })?;
                }
            }
        }
        Ok(())
    }

    fn choose(
        &mut self,
        id: EntityId,
        device_id: &str,
        need_id: &str,
        item_id: Option<&str>,
    ) -> Result<(), Failure> {
        let item = match item_id {
            Some(item) => Some(item.to_owned()),
            None => self.first_offered(id, need_id)?,
        };
        if let Some(item) = item {
            self.orders += 1;
            let order_id = format!("o-{:06}", self.orders);
            let ordered =
                self.engine.fold.choose_offer(id, need_id, &item, &order_id, self.now).map_err(other)?;
            if matches!(ordered, Ordered::Known { .. }) {
                return Ok(());
            }
        }
        let (device_id, need_id) = (device_id.to_owned(), need_id.to_owned());
        self.living.offered(&Offer { device_id, need_id, items: Vec::new() }, self.now);
        Ok(())
    }

    /// What the last decision about a need put first.
    fn first_offered(&mut self, id: EntityId, need_id: &str) -> Result<Option<String>, Failure> {
        let Some(customer) = self.engine.fold.entity(id).map_err(other)?.customer() else { return Ok(None) };
        let connection = &customer.connection;
        let record = connection.needs.get(need_id).and_then(|need| need.decision_id.as_ref());
        let Some(record) = record.and_then(|decision| connection.decisions.get(decision)) else {
            return Ok(None);
        };
        Ok(read(record).1.and_then(|choice| match choice.chosen.does {
            Does::Offer { items } => items.into_iter().next(),
            Does::Remind { item_id, .. } | Does::Ask { item_id, .. } => item_id,
            Does::Order { item_id } => Some(item_id),
            Does::Nothing | Does::WaitUntil { .. } => None,
        }))
    }

    fn cancel(&mut self, id: EntityId, action_id: &str) -> Result<(), Failure> {
        let (device, within) = {
            let customer = self.engine.fold.entity(id).map_err(other)?.customer();
            let Some(connection) = customer.map(|customer| &customer.connection) else { return Ok(()) };
            let Some(record) = connection.actions.get(action_id) else { return Ok(()) };
            let need = connection.needs.get(&record.action.need_id);
            let device = need.and_then(|need| need.need.subject.device_id.clone()).unwrap_or_default();
            (device, record.state.can_be_called_off() && self.now <= record.action.execute_at)
        };
        let action = action_id.to_owned();
        self.connect(id, &ConnectionCommand::CancelAction { action_id: action })?;
        if within {
            let customer = self.engine.fold.entity(id).map_err(other)?.customer();
            let record = customer.and_then(|customer| customer.connection.actions.get(action_id));
            let off = record.is_some_and(|record| record.state == ActionState::Cancelled);
            self.cancels = (self.cancels.0 + 1, self.cancels.1 + u32::from(off));
        }
        self.living.action_called_off(&device, within);
        Ok(())
    }

    fn revoke(&mut self, id: EntityId, who: &str) -> Result<(), Failure> {
        let (standing, open) = self.delegated(id)?;
        for mandate_id in &standing {
            self.connect(id, &ConnectionCommand::RevokeMandate { mandate_id: mandate_id.clone() })?;
        }
        let (left, still_open) = self.delegated(id)?;
        self.exits.push(Exit {
            who: who.to_owned(),
            at: self.now,
            mandates: standing.len(),
            open: open.len(),
            ended: standing.len() - left.len(),
            called_off: open.iter().filter(|action| !still_open.contains(action)).count(),
            started_after: 0,
        });
        Ok(())
    }

    /// Mandates that stand, and automatic orders that can be called off.
    fn delegated(&mut self, id: EntityId) -> Result<(Vec<String>, Vec<String>), Failure> {
        let customer = self.engine.fold.entity(id).map_err(other)?.customer();
        let Some(connection) = customer.map(|customer| &customer.connection) else {
            return Ok((Vec::new(), Vec::new()));
        };
        let standing = connection.mandates.iter().filter(|(_, mandate)| !mandate.state.is_ended());
        let open = connection.actions.iter().filter(|(_, action)| action.state.can_be_called_off());
        Ok((standing.map(|(id, _)| id.clone()).collect(), open.map(|(id, _)| id.clone()).collect()))
    }

    // ---- what the engine decides ----------------------------------------------------------------------------------

    /// Reads what was decided, and does in the world what the engine asks for.
    fn follow(&mut self) -> Result<(), Failure> {
        loop {
            let batch = self.engine.fold.take_batch().map_err(other)?;
            for (_, change) in batch.changes {
                let Change::Fact { entity, fact, .. } = change else { continue };
                self.note(entity, &fact);
                self.log.fact(entity, &fact);
            }
            let started = self.engine.fold.start_effects(EFFECTS_AT_ONCE).map_err(other)?;
            if started.is_empty() {
                return Ok(());
            }
            for (id, effect) in started {
                self.does(id, &effect)?;
                let settled = Command::SettleEffect { key: effect.key.clone(), result: EffectResult::Done };
                self.engine.fold.command(id, &settled, self.now).map_err(other)?;
            }
        }
    }

    fn note(&mut self, entity: EntityId, fact: &Fact) {
        let Fact::Connection(fact) = fact else { return };
        let starts = matches!(fact, ConnectionFact::ActionMoved { state: ActionState::Started, .. });
        let reads = matches!(fact, ConnectionFact::LevelSeen(_));
        let urges = matches!(fact, ConnectionFact::Contacted { class: MessageClass::Advertising, .. });
        if starts && let Some(who) = self.names.get(&entity) {
            let after = self.exits.iter_mut().filter(|exit| exit.who == *who && exit.at < self.now);
            after.for_each(|exit| exit.started_after += 1);
        }
        if starts
            && self.suspended.get(&entity).is_some_and(|since| *since < self.now)
            && let Some(incident) = &mut self.incident
        {
            incident.orders_after += 1;
        }
        if let Some(since) = self.withdrawn.get(&entity).filter(|since| **since < self.now)
            && (starts || reads || urges)
        {
            let stopped = self.stopped.get_or_insert_default();
            stopped.minutes = stopped.minutes.max(self.now.since(*since) as f64 / 6e7);
            stopped.read_after += u32::from(reads);
            stopped.orders_after += u32::from(starts);
        }
    }

    fn does(&mut self, id: EntityId, effect: &Effect) -> Result<(), Failure> {
        let who = self.names.get(&id).cloned().unwrap_or_default();
        let body: Value =
            effect.body.as_deref().and_then(|body| serde_json::from_str(body).ok()).unwrap_or_default();
        let order_id = effect.order_id.clone().unwrap_or_default();
        match effect.kind {
            EffectKind::MessageSend => {
                let message: Message = serde_json::from_value(body).map_err(other)?;
                *self.log.messages.entry(message.template.clone()).or_default() += 1;
                self.says(id, &who, &message)
            }
            EffectKind::PaymentAuthorise => {
                let paid =
                    json!({ "order_id": order_id, "amount": body["amount"], "currency": body["currency"] });
                self.event(&who, "payment.authorised", &paid)
            }
            EffectKind::PaymentCapture => {
                let paid =
                    json!({ "order_id": order_id, "amount": body["amount"], "currency": body["currency"] });
                self.event(&who, "payment.captured", &paid)
            }
            EffectKind::OrderPlace => self.fulfils(id, &who, &order_id, &body),
            EffectKind::OrderCancel => {
                self.living.called_off(&order_id);
                Ok(())
            }
            EffectKind::OrderChange
            | EffectKind::PaymentVoid
            | EffectKind::PaymentRefund
            | EffectKind::CustomerNotify
            | EffectKind::OperationsAlert => Ok(()),
        }
    }

    fn says(&mut self, id: EntityId, who: &str, message: &Message) -> Result<(), Failure> {
        let customer = self.engine.fold.entity(id).map_err(other)?.customer();
        let connection = customer.map(|customer| &customer.connection);
        let need = message.need_id.as_ref().and_then(|need| connection?.needs.get(need));
        let device = need.and_then(|need| need.need.subject.device_id.clone());
        let action = message
            .link
            .as_ref()
            .filter(|link| link.purpose == LinkPurpose::Action)
            .and_then(|link| connection?.actions.get(&link.about));
        let until = action.map(|record| record.action.execute_at);
        let heard = Heard { who, device_id: device.as_deref(), message, until };
        self.living.heard(&heard, self.now);
        Ok(())
    }

    /// An order is handed out: it leaves and arrives in the world.
    fn fulfils(&mut self, id: EntityId, who: &str, order_id: &str, body: &Value) -> Result<(), Failure> {
        let time = |value: &Value| value.as_str().and_then(Time::parse);
        let line = &body["lines"][0];
        let total = &body["total"]["amount"];
        let price = total.as_str().and_then(|text| text.parse::<f64>().ok()).or(total.as_f64());
        let customer = self.engine.fold.entity(id).map_err(other)?.customer();
        let connection = customer.map(|customer| &customer.connection);
        let need = connection.and_then(|connection| {
            connection.needs.values().find(|need| need.order_id.as_deref() == Some(order_id))
        });
        let action = connection.and_then(|connection| connection.action_of(order_id));
        let order = Order {
            order_id: order_id.to_owned(),
            who: who.to_owned(),
            device_id: need.and_then(|need| need.need.subject.device_id.clone()),
            item_id: line["item_id"].as_str().unwrap_or_default().to_owned(),
            units: line["quantity"].as_f64().unwrap_or(1.0).round() as u32,
            price: price.unwrap_or(0.0).round() as i64,
            by: match action {
                Some(action) => OrderedBy::Action(action.action.action_id.clone()),
                None => OrderedBy::Customer,
            },
            due_at: time(&body["promise"]["due"]).unwrap_or(self.now),
            hand_over_at: time(&body["parcels"][0]["hand_over_by"]),
        };
        self.living.ordered(order, self.now);
        Ok(())
    }
}

/// How a customer wants to be served, or the next that needs no more than they would share.
fn suits(account: &KnownAccount) -> Arm {
    match (account.character.suits(), account.share_limit) {
        (Arm::Coach | Arm::Automate, 0) | (Arm::Curate, 0) => Arm::Respond,
        (Arm::Coach | Arm::Automate, 1) => Arm::Curate,
        (arm, _) => arm,
    }
}

/// What a decision shows a customer, with when it would be there.
fn offers(decision: &model::connection::DecisionRecord) -> Vec<OfferedItem> {
    let (Some(seen), Some(choice)) = read(decision) else { return Vec::new() };
    let Does::Offer { items } = choice.chosen.does else { return Vec::new() };
    let dated = items.into_iter().filter_map(|item_id| {
        let offer = seen.offers.iter().find(|offer| offer.item_id == item_id)?;
        Some(OfferedItem { due_at: offer.due_at?, item_id })
    });
    dated.collect()
}
