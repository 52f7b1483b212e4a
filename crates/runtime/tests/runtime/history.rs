//! Random histories over few people, devices, orders and promises, so that everything meets everything.

use std::collections::BTreeMap;

use engine::{Entity, Reference};
use model::codec::Stored;
use model::identity::HashedIdentifier;
use model::{
    Command, Dedupe, EffectResult, EntityId, Event, EventKind, Identifier, IntakeHeader, IntakeRecord, KeyId,
    MailKey, RecordKind, RejectedBody, Time, TimelineId,
};
use runtime::{Delivery, Fold};
use serde_json::{Value, json};
use store::Keys;
use views::{Change, ProfileRow};

use crate::support::{DAY, HOUR, MINUTE, Rng, START, customer, event, record};

pub(crate) enum Step {
    /// The intake record with this sequence counts.
    Input(u64),
    Tick(Time),
    Command(EntityId, Command, Time),
    /// Somebody says that two identifiers are one person, or two.
    Say {
        one: HashedIdentifier,
        other: HashedIdentifier,
        joined: bool,
        at: Time,
    },
    /// The first effect that is started settles, or becomes unknown.
    Settle {
        failed: bool,
        unknown: bool,
        at: Time,
    },
    Publish(Box<Reference>),
    Start,
    /// Mail travels: which of those under way, and whether it stays to come again.
    Deliver {
        which: u64,
        keep: bool,
    },
    Commit,
}

pub(crate) struct History {
    pub(crate) intake: Vec<Vec<u8>>,
    pub(crate) steps: Vec<Step>,
}

/// What a generated history contains.
#[derive(Clone, Copy)]
pub(crate) struct Taste {
    pub(crate) steps: u64,
    pub(crate) import: bool,
    pub(crate) erase: bool,
    pub(crate) by_hand: bool,
    /// Mail may come a second time.
    pub(crate) twice: bool,
    /// Only what must come out the same however mail travels.
    pub(crate) gentle: bool,
}

const USERS: [&str; 4] = ["ana", "ben", "cho", "dae"];
const DEVICES: [&str; 4] = ["d-1", "d-2", "d-3", "d-4"];
const ORDERS: [&str; 6] = ["o-1", "o-2", "o-3", "o-4", "o-5", "o-6"];
/// Kinds of event in [`Maker::what`]: names, merges, orders with promises, and evidence.
const GENTLE: [u64; 12] = [0, 2, 2, 3, 4, 5, 6, 7, 12, 13, 14, 27];
const PROMISES: [&str; 4] = ["p-1", "p-2", "p-3", "p-4"];

pub(crate) struct Maker<'a> {
    rng: Rng,
    keys: &'a Keys,
    now: Time,
    past: Time,
    messages: u64,
    gentle: bool,
    placed: Vec<&'static str>,
    pub(crate) history: History,
}

impl<'a> Maker<'a> {
    pub(crate) fn new(seed: u64, keys: &'a Keys) -> Self {
        Maker {
            rng: Rng::new(seed),
            keys,
            now: START,
            past: Time(START.0 - 900 * DAY),
            messages: 0,
            gentle: false,
            placed: Vec::new(),
            history: History { intake: Vec::new(), steps: Vec::new() },
        }
    }

    pub(crate) fn make(mut self, taste: Taste) -> History {
        self.gentle = taste.gentle;
        if taste.import {
            let start = Command::StartImport { name: "old".into() };
            self.history.steps.push(Step::Command(EntityId::workspace(), start, self.now));
        }
        for _ in 0..taste.steps {
            if self.rng.chance(60) {
                self.now = self.now.plus_micros(self.rng.between(0, 40 * MINUTE));
            }
            let step = match self.rng.below(100) {
                0..65 => self.input(taste.import),
                65..72 => Step::Tick(self.now),
                72..78 => Step::Start,
                78..84 => {
                    Step::Settle { failed: self.rng.chance(20), unknown: self.rng.chance(30), at: self.now }
                }
                84..86 => Step::Publish(Box::new(Reference {
                    version: self.messages as u32,
                    at_risk_threshold: self.rng.below(10) as f64 / 10.0,
                    ..Reference::default()
                })),
                86..89 if self.rng.chance(30) => self.say(),
                86..89 => self.command(taste.erase),
                89..92 if taste.by_hand => {
                    Step::Deliver { which: self.rng.next(), keep: taste.twice && self.rng.chance(30) }
                }
                _ => Step::Commit,
            };
            self.history.steps.push(step);
        }
        self.history.steps.push(Step::Commit);
        self.history
    }

    fn say(&mut self) -> Step {
        let mut named = || {
            let identifier = match self.rng.below(3) {
                0 => Identifier::User(USERS[self.rng.below(4) as usize]),
                1 => Identifier::Anonymous(DEVICES[self.rng.below(4) as usize]),
                _ => Identifier::Typed { kind: "email", value: "1@example.org" },
            };
            let hash = self.keys.hash_identifier(&identifier);
            HashedIdentifier { kind: identifier.type_name().to_owned(), hash }
        };
        let (one, other) = (named(), named());
        Step::Say { one, other, joined: self.rng.chance(40), at: self.now }
    }

    fn command(&mut self, erase: bool) -> Step {
        let workspace = EntityId::workspace();
        let (entity, command) = match self.rng.below(9) {
            8 => {
                let limit = self.rng.below(3);
                let rules = format!(r#"{{"types":{{"email":{{"limit":{limit}}}}}}}"#);
                (workspace, Command::PublishIdentityRules { rules })
            }
            0 => (workspace, Command::SwitchEffects { on: false, reason: "test".into() }),
            1 | 2 => (workspace, Command::SwitchEffects { on: true, reason: "test".into() }),
            3 => (workspace, Command::CreateSource { source: "web".into(), key_hash: [1; 32] }),
            4 => (workspace, Command::RevokeSource { source: "web".into() }),
            5 => (workspace, Command::FinishImport { name: "old".into(), events: 3, bad_rows: 1 }),
            6 if erase => {
                let number = self.rng.below(self.history.intake.len() as u64 + 1) + 1;
                (customer(number), Command::Erase)
            }
            _ => (workspace, Command::NoteDeadLetterReplayed { seq: 1 }),
        };
        Step::Command(entity, command, self.now)
    }

    fn input(&mut self, import: bool) -> Step {
        let bytes = if !self.history.intake.is_empty() && self.rng.chance(8) {
            // The same message once more.
            self.rng.pick(&self.history.intake).clone()
        } else if !self.gentle && self.rng.chance(2) {
            self.rejected()
        } else {
            let imported = import && self.rng.chance(30);
            let timeline = if imported { TimelineId(1) } else { TimelineId::LIVE };
            if imported {
                self.past = self.past.plus_micros(self.rng.between(0, 2 * HOUR));
            }
            let at = if imported {
                self.past
            } else {
                self.now.plus_micros(self.rng.between(-3 * HOUR, 10 * MINUTE))
            };
            let event = self.event(at);
            let dedupe = match self.rng.below(10) {
                0 => Dedupe::None,
                _ if imported => Dedupe::Permanent(self.keys.hash_message("old", &event.message_id)),
                _ => Dedupe::Client(self.keys.hash_message("test", &event.message_id)),
            };
            record(self.keys, timeline, self.now, dedupe, &event)
        };
        self.history.intake.push(bytes);
        Step::Input(self.history.intake.len() as u64)
    }

    fn rejected(&mut self) -> Vec<u8> {
        let body = RejectedBody {
            code: "missing_identifier".into(),
            reason: "names nobody".into(),
            place: "/v1/track".into(),
            raw: "{}".into(),
        };
        let header = IntakeHeader {
            kind: RecordKind::Rejected,
            source: "test".into(),
            timeline: TimelineId::LIVE,
            received_at: self.now,
            at: self.now,
            dedupe: Dedupe::None,
        };
        IntakeRecord { header, body: self.keys.seal(KeyId::STORE, &body.encode()).unwrap() }.encode()
    }

    fn event(&mut self, at: Time) -> Event<'static> {
        self.messages += 1;
        let mut event = self.what(at);
        event.message_id = format!("m-{}", self.messages).into();
        match self.rng.below(10) {
            0..4 => event.user_id = Some((*self.rng.pick(&USERS)).into()),
            4..7 => event.anonymous_id = Some((*self.rng.pick(&DEVICES)).into()),
            _ => {
                event.user_id = Some((*self.rng.pick(&USERS)).into());
                event.anonymous_id = Some((*self.rng.pick(&DEVICES)).into());
            }
        }
        if event.kind == EventKind::Alias {
            let names: Vec<&str> = USERS.iter().chain(&DEVICES).copied().collect();
            event.previous_id = Some((*self.rng.pick(&names)).into());
            event.user_id.get_or_insert((*self.rng.pick(&USERS)).into());
        }
        event
    }

    fn what(&mut self, at: Time) -> Event<'static> {
        let mut which = match self.gentle {
            true => *self.rng.pick(&GENTLE),
            false => self.rng.below(30),
        };
        let mut order = *self.rng.pick(&ORDERS);
        if self.gentle && which >= 12 {
            // Evidence counts from when there is an order: what came before one is judged by the first to arrive.
            match self.placed.is_empty() {
                true => which = 5,
                false => order = *self.rng.pick(&self.placed),
            }
        } else if (6..10).contains(&which) {
            self.placed.push(order);
        }
        let promise = match self.rng.below(2) {
            0 => (*self.rng.pick(&PROMISES)).to_owned(),
            _ => format!("order:{order}"),
        };
        let soon = at.plus_micros(self.rng.between(-HOUR, 6 * HOUR));
        let fraction = [1.0, 1.0, 1.0, 0.5, 0.25][self.rng.below(5) as usize];
        let by = ["customer", "company", "unknown"][self.rng.below(3) as usize];
        let fraction = if self.gentle { 1.0 } else { fraction };
        let (name, properties): (&str, Value) = match which {
            0 | 1 => {
                let traits = json!({
                    "name": (["Ana", "Bo", "Cé"][self.rng.below(3) as usize]),
                    "email": format!("{}@example.org", self.rng.below(3)),
                    "age": self.rng.below(90),
                });
                return Event {
                    traits: Some(traits.to_string().into()),
                    ..event(EventKind::Identify, "", at)
                };
            }
            2 => return event(EventKind::Alias, "", at),
            3 => return event(EventKind::Page, "Home", at),
            4 => {
                return Event { group_id: Some("g-1".into()), ..event(EventKind::Group, "", at) };
            }
            5 => ("Product Viewed", json!({ "sku": "s-1" })),
            6..10 => {
                let hand_over = soon.plus_micros(-self.rng.between(0, HOUR));
                let mut properties = json!({
                    "order_id": order, "currency": "KRW", "total": 12_000 + self.rng.below(5),
                    "products": [{ "product_id": "x", "quantity": 2, "price": 6000 }],
                });
                if self.rng.chance(80) {
                    properties["promise"] =
                        json!({ "due": soon.to_string(), "hand_over_by": hand_over.to_string() });
                }
                ("order.placed", properties)
            }
            10 => ("order.confirmed", json!({ "order_id": order })),
            11 => ("fulfillment.shipped", json!({ "order_id": order, "fraction": fraction })),
            12..15 => ("fulfillment.delivered", json!({ "order_id": order, "fraction": fraction })),
            15 => ("fulfillment.failed_attempt", json!({ "order_id": order })),
            16 => ("order.cancelled", json!({ "order_id": order, "cancelled_by": by })),
            17 => ("order.refunded", json!({ "order_id": order, "amount": 5, "currency": "USD" })),
            18 => (
                "payment.captured",
                json!({ "order_id": order, "amount": 9, "currency": "USD", "method": "card" }),
            ),
            19 => {
                let review = format!("r-{}", self.rng.below(3));
                (
                    "product.reviewed",
                    json!({ "order_id": order, "review_id": review, "rating": 1 + self.rng.below(5) }),
                )
            }
            20 => ("promise.inquired", json!({ "promise_id": promise, "due": soon.to_string() })),
            21 => (
                "promise.quoted",
                json!({ "promise_id": promise, "due": soon.to_string(),
                    "expires_at": at.plus_micros(self.rng.between(0, HOUR)).to_string() }),
            ),
            22 | 23 => (
                "promise.made",
                json!({ "promise_id": promise, "order_id": order, "due": soon.to_string(), "comparator": "at_most",
                    "target": 10, "unit": "minutes", "attribute": (["delivery", "wait"][self.rng.below(2) as usize]) }),
            ),
            24 | 25 => (
                "promise.scored",
                json!({ "promise_id": promise, "probability_late": self.rng.below(100) as f64 / 100.0, "reason": "rain" }),
            ),
            26 => (
                "promise.revised",
                json!({ "promise_id": promise, "due": soon.plus_micros(HOUR).to_string() }),
            ),
            27 => ("promise.fulfilled", json!({ "promise_id": promise, "actual": self.rng.below(20) })),
            28 => ("promise.withdrawn", json!({ "promise_id": promise, "withdrawn_by": by })),
            _ => match self.rng.below(3) {
                0 => ("inyeon.fault.panic", json!({})),
                1 => ("order.placed", json!({ "total": "much" })),
                _ => ("order.returned", json!({ "order_id": order })),
            },
        };
        let properties = Some(properties.to_string().into());
        Event { properties, ..event(EventKind::Track, name, at) }
    }
}

/// What the views were told, boiled down to what they show: two equal ones give equal views.
#[derive(Clone, Default, PartialEq, Debug)]
pub(crate) struct Shown {
    pub(crate) position: u64,
    steps: Vec<(u64, Change)>,
    profiles: BTreeMap<EntityId, ProfileRow>,
    clocks: BTreeMap<TimelineId, Time>,
    /// As they came, to be handed to real views.
    pub(crate) batches: Vec<(u64, Vec<(u64, Change)>)>,
}

impl Shown {
    pub(crate) fn apply(&mut self, upto: u64, changes: Vec<(u64, Change)>) {
        if upto <= self.position {
            return;
        }
        let mut before = 0;
        for (seq, change) in &changes {
            assert!(before <= *seq && *seq <= upto, "changes come in order: {before}, {seq}, {upto}");
            before = *seq;
            if *seq <= self.position {
                continue;
            }
            match change {
                Change::Profile(row) => {
                    self.profiles.insert(row.entity, (**row).clone());
                }
                Change::Clock { timeline, to } => {
                    self.clocks.insert(*timeline, *to);
                }
                change => {
                    if let Change::Erased { entity } = change {
                        self.profiles.remove(entity);
                    }
                    self.steps.push((*seq, change.clone()));
                }
            }
        }
        self.position = upto;
        self.batches.push((upto, changes));
    }

    #[track_caller]
    pub(crate) fn assert_same(&self, other: &Shown, what: &str) {
        for (a, b) in self.steps.iter().zip(&other.steps) {
            assert_eq!(a, b, "{what}: what the views were told");
        }
        assert_eq!(self.steps.len(), other.steps.len(), "{what}: how much the views were told");
        assert_eq!(self.profiles, other.profiles, "{what}: the profiles in the views");
        assert_eq!(self.clocks, other.clocks, "{what}: the clocks in the views");
        assert_eq!(self.position, other.position, "{what}: the views' position");
    }

    /// The rows of real views that were told this.
    pub(crate) fn dump(&self, path: &std::path::Path) -> String {
        let mut views = views::Views::open(path).unwrap().views;
        for (upto, changes) in &self.batches {
            views.apply(*upto, changes).unwrap();
        }
        views.dump().unwrap()
    }
}

/// A fold that lives through a history, with what left it.
pub(crate) struct Run {
    pub(crate) fold: Fold,
    pub(crate) journal: Vec<Vec<u8>>,
    pub(crate) shown: Shown,
    /// Effects in the order in which they were let out.
    pub(crate) started: Vec<(EntityId, String)>,
    /// The step in which each was.
    pub(crate) started_at: Vec<usize>,
    /// (steps done, journal end) at each commit.
    pub(crate) commits: Vec<(usize, u64)>,
}

impl Run {
    pub(crate) fn new(fold: Fold) -> Self {
        Run {
            fold,
            journal: Vec::new(),
            shown: Shown::default(),
            started: Vec::new(),
            started_at: Vec::new(),
            commits: Vec::new(),
        }
    }

    pub(crate) fn live(&mut self, history: &History, from: usize) {
        for index in from..history.steps.len() {
            self.step(&history.steps[index], index);
        }
    }

    pub(crate) fn step(&mut self, step: &Step, index: usize) {
        let fold = &mut self.fold;
        match step {
            Step::Input(seq) => fold.apply(*seq).unwrap(),
            Step::Tick(to) => fold.tick(*to).unwrap(),
            Step::Command(entity, command, at) => drop(fold.command(*entity, command, *at).unwrap()),
            Step::Say { one, other, joined, at } => {
                if one != other {
                    fold.say_of(one, other, *joined, *at).unwrap();
                }
            }
            Step::Settle { failed, unknown, at } => {
                if let Some((entity, key, _)) = fold.started_effects().unwrap().into_iter().next() {
                    let result = if *failed { EffectResult::Failed("no".into()) } else { EffectResult::Done };
                    let command = match unknown {
                        true => Command::MarkEffectUnknown { key },
                        false => Command::SettleEffect { key, result },
                    };
                    fold.command(entity, &command, *at).unwrap();
                }
            }
            Step::Publish(reference) => fold.publish_reference(reference),
            Step::Start => {
                let started = fold.start_effects(4).unwrap();
                self.started_at.extend(started.iter().map(|_| index));
                self.started.extend(started.into_iter().map(|(id, effect)| (id, effect.key)));
            }
            Step::Deliver { which, keep } => {
                let waiting: Vec<MailKey> = fold.mail_waiting();
                if !waiting.is_empty() {
                    fold.deliver(waiting[(*which % waiting.len() as u64) as usize], *keep).unwrap();
                }
            }
            Step::Commit => self.commit(index + 1),
        }
    }

    pub(crate) fn commit(&mut self, steps_done: usize) {
        let batch = self.fold.take_batch().unwrap();
        self.journal.extend(batch.entries);
        assert_eq!(batch.last_seq, self.journal.len() as u64, "sequences follow the entries");
        if batch.last_seq > self.shown.position {
            self.shown.apply(batch.last_seq, batch.changes);
        } else {
            assert!(batch.changes.is_empty(), "nothing journalled, and yet: {:?}", batch.changes);
        }
        self.commits.push((steps_done, batch.last_seq));
    }

    /// Delivers what is under way until nothing is left.
    pub(crate) fn deliver_all(&mut self) {
        while let Some(key) = self.fold.mail_waiting().first().copied() {
            self.fold.deliver(key, false).unwrap();
        }
    }

    pub(crate) fn entities(&mut self, intake: usize) -> BTreeMap<EntityId, Entity> {
        entities(&mut self.fold, intake)
    }
}

pub(crate) fn entities(fold: &mut Fold, intake: usize) -> BTreeMap<EntityId, Entity> {
    let mut all = BTreeMap::new();
    for id in (1..=intake as u64).map(customer).chain([EntityId::workspace()]) {
        let entity = fold.entity(id).unwrap();
        if *entity != Entity::new(id) {
            all.insert(id, entity.clone());
        }
    }
    all
}

#[track_caller]
pub(crate) fn assert_same_entities(
    a: &BTreeMap<EntityId, Entity>,
    b: &BTreeMap<EntityId, Entity>,
    what: &str,
) {
    for id in a.keys().chain(b.keys()) {
        let bytes = |of: &BTreeMap<EntityId, Entity>| of.get(id).map(runtime::snapshot);
        if bytes(a) != bytes(b) {
            assert_eq!(a.get(id), b.get(id), "{what}: {id}");
            panic!("{what}: {id} has other bytes");
        }
    }
}

pub(crate) const BY_HAND: Delivery = Delivery::ByHand;
