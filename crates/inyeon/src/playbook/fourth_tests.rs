//! A fourth case for which no code was written: water filters. Its playbook is all that it takes, from the reading of a
//! cooler to an order that leaves.

use std::sync::Arc;

use engine::connection::{Choice, Seen, choose};
use engine::{EffectState, Reference};
use model::codec::Stored;
use model::connection::{ActionState, Message, NeedOrigin, NeedStage};
use model::{
    Dedupe, EntityId, Event, EventKind, Identifier, IntakeHeader, IntakeRecord, OrderDefaults, PartitionId,
    RecordKind, Time, TimelineId,
};
use runtime::{Base, Fold, Logs};
use serde_json::{Value, json};
use store::{Disk, Keys};

use super::Document;
use crate::connection::{ConnectionOp, MandateStep, NewMandate, NewPreference, act};

const FILTERS: &str = r#"
playbook: filters
title: { en: Water filters, ko: 정수 필터 }
owners: { marketing: a.marketer, operations: a.planner }
category: water_filter
needs:
  - { id: wanted, origin: stated }
  - id: cooler_says_so
    origin: reported
    on: [filter.alarm]
    when: event.code in ['F1', 'F2'] && device.model == 'W-200'
  - id: clogs
    origin: predicted
    # Everything that a condition may look at is there.
    when: >-
      device.model.startsWith('W-') && device.site != 'archive' && slot.level < 1.0 && slot.days_in_use == null
      && customer.orders == 0 && customer.days_since_order == null && size(customer.traits) > 0
      && now.hour < 24 && now.weekday <= 7 && now.month <= 12
    forecast: { empty_at: 0.05, service: 0.9, buffer_days: 3 }
offer:
  items: [filter-w100, filter-w200]
  fits_device: true
  lead_days: 4
strategies:
  respond: {}
  automate: { share: 2, notice: ordering, ask: ordering_ask, sorry: clogged }
messages:
  ordering:
    class: transactional
    channel: inbox
    subject: { en: "{item}", ko: "{item}" }
    text: { en: "{item} for {price} on {until}, there on {date}: {link}", ko: "{item} {price} {until} {date} {link}" }
  ordering_ask:
    class: transactional
    channel: inbox
    subject: { en: "{item}", ko: "{item}" }
    text: { en: "{why} {link}", ko: "{why} {link}" }
  clogged:
    class: transactional
    channel: inbox
    subject: { en: Sorry, ko: 죄송합니다 }
    text: { en: It clogged., ko: 필터가 막혔습니다. }
guard_rails:
  auto_orders: [{ days: 30, orders: 1 }]
value:
  accept: 0.5
  worth: { amount: 1000, currency: KRW }
  contact_cost: { amount: 0, currency: KRW }
  fatigue: { amount: 0, currency: KRW }
"#;

const HOUR: i64 = 3_600_000_000;
const DAY: i64 = 24 * HOUR;
const START: Time = Time(1_782_864_000_000_000);

/// An engine with its logs in memory, and an office that has a water cooler.
struct World {
    fold: Fold,
    keys: Arc<Keys>,
    now: Time,
    sent: u64,
    office: EntityId,
    // The keys' files live as long as they are used.
    _dir: tempfile::TempDir,
}

impl World {
    fn new() -> World {
        let document = Document::read(FILTERS, "filters.yaml");
        assert!(
            document.found.is_empty(),
            "{:?}",
            document.told(&crate::i18n::Messages::new(crate::i18n::Lang::En))
        );
        let dir = tempfile::tempdir().unwrap();
        let keys = Arc::new(Keys::open(&Disk::Real, &dir.path().join("keys"), &[7; 32], "test").unwrap());
        let logs = Logs::Memory { intake: Vec::new(), journal: Vec::new() };
        let mut fold = Fold::new(PartitionId(0), keys.clone(), Base::Empty, 0, logs, 1_000_000).unwrap();
        let promising = json!({
            "time_zone": "Asia/Seoul",
            "places": { "depot": {} },
            "lanes": [{ "from": "depot", "to": "KR-*", "hours": [[0.5, 20.0], [0.95, 40.0]], "whole_days": false }],
        });
        let promising = serde_json::from_value(promising).unwrap();
        let mut reference = Reference { version: 1, promising, ..Reference::default() };
        assert_eq!(reference.playbooks.publish(document.playbook.unwrap()), 1);
        reference.check().unwrap();
        fold.publish_reference(&reference);
        let (now, office) = (START, EntityId::workspace());
        let mut world = World { fold, keys, now, sent: 0, office, _dir: dir };
        for (item, fits) in [("filter-w100", "W-100"), ("filter-w200", "W-200")] {
            let published = json!({
                "item_id": item, "name": item.to_uppercase(), "price": 30_000, "cost": 12_000, "currency": "KRW",
                "fits": [fits],
            });
            world.tell(None, "item.published", &published);
            world.tell(None, "stock.counted", &json!({ "item_id": item, "place": "depot", "on_hand": 9 }));
        }
        let identify = Event {
            kind: EventKind::Identify,
            traits: Some(json!({ "name": "Office", "language": "en" }).to_string().into()),
            ..world.event(Some("office"), "", &json!({}))
        };
        world.receive(&identify);
        world.office = world.fold.lookup(&Identifier::User("office")).unwrap().expect("it is known");
        let slots = json!([{ "slot": "filter", "category": "water_filter" }]);
        let cooler = json!({ "device_id": "cooler", "model": "W-200", "site": "lobby", "slots": slots });
        world.tell(Some("office"), "device.registered", &cooler);
        let defaults = OrderDefaults {
            to: "KR-11".to_owned(),
            payment_token: Some("token".to_owned()),
            ..OrderDefaults::default()
        };
        world.fold.set_order_defaults(world.office, defaults, START).unwrap();
        world
    }

    fn event(&mut self, user: Option<&str>, name: &str, properties: &Value) -> Event<'static> {
        self.sent += 1;
        Event {
            kind: EventKind::Track,
            name: name.to_owned().into(),
            user_id: user.map(|user| user.to_owned().into()),
            anonymous_id: None,
            previous_id: None,
            group_id: None,
            message_id: format!("m-{}", self.sent).into(),
            timestamp: self.now,
            properties: Some(properties.to_string().into()),
            traits: None,
            context: None,
            rest: None,
        }
    }

    fn tell(&mut self, user: Option<&str>, name: &str, properties: &Value) {
        let event = self.event(user, name, properties);
        self.receive(&event);
    }

    fn receive(&mut self, event: &Event<'_>) {
        let key = match event.subject() {
            Some(identifier) => self.keys.key_for(self.keys.hash_identifier(&identifier)),
            None => self.keys.key_for(self.keys.hash_day(self.now.day())),
        };
        let header = IntakeHeader {
            kind: RecordKind::Event,
            source: "test".into(),
            timeline: TimelineId::LIVE,
            received_at: self.now,
            at: self.now,
            dedupe: Dedupe::Client(self.keys.hash_message("test", &event.message_id)),
        };
        let body = self.keys.seal(key, &event.encode()).unwrap();
        let seq = self.fold.receive(IntakeRecord { header, body }.encode()).expect("the logs are in memory");
        self.fold.apply(seq).unwrap();
        self.settle();
    }

    /// Everything that follows is decided, and what may leave leaves.
    fn settle(&mut self) {
        for _ in 0..4 {
            self.fold.take_batch().unwrap();
            self.fold.start_effects(100).unwrap();
        }
    }

    fn go_on(&mut self, micros: i64) {
        self.now = self.now.plus_micros(micros);
        self.fold.tick(self.now).unwrap();
        self.settle();
    }

    #[track_caller]
    fn ask(&mut self, op: ConnectionOp) -> Value {
        let done = act(&mut self.fold, self.now, &op, "fresh").unwrap().unwrap();
        self.settle();
        done
    }

    fn customer(&mut self) -> engine::Customer {
        self.fold.entity(self.office).unwrap().customer().unwrap().clone()
    }
}

#[test]
fn a_playbook_is_all_that_a_new_case_takes() {
    let mut world = World::new();
    let user_id = || "office".to_owned();
    let preference = NewPreference {
        category: "water_filter".to_owned(),
        device_id: None,
        strategy: "automate".to_owned(),
        fallback: None,
        share: 2,
        channel: None,
        cap_per_week: None,
    };
    let set = world.ask(ConnectionOp::SetPreference { user_id: user_id(), preference });
    assert_eq!((&set["followed"], &set["missing"]["code"]), (&json!("wait"), &json!("no_mandate")));
    let mandate: NewMandate = serde_saphyr::from_str(
        "
user_id: office
mandate_id: filters
category: water_filter
items: [filter-w100, filter-w200]
payee: shop
max_each: { amount: 40000, currency: KRW }
limits: [{ period: month, orders: 1 }]
notice_hours: 24
",
    )
    .unwrap();
    let presented = world.ask(ConnectionOp::PresentMandate(mandate));
    assert_eq!(presented["state"], "presented");
    let agreement = presented["agreement"].as_str().unwrap().to_owned();
    let step = MandateStep::Activate { agreement };
    let (user_id, mandate_id) = (user_id(), "filters".to_owned());
    let active = world.ask(ConnectionOp::Mandate { user_id, mandate_id, step });
    assert_eq!(active["state"], "active");

    // A hundredth a day: the cooler tells it, and names nobody.
    let mut day = 0;
    while world.customer().connection.needs.is_empty() {
        let reading = json!({ "device_id": "cooler", "slot": "filter", "level": 100.0 - day as f64 });
        world.tell(None, "slot.level_reported", &reading);
        day += 1;
        assert!(day < 100, "nothing was foreseen");
        world.go_on(DAY);
    }
    let customer = world.customer();
    let need = customer.connection.needs.values().next().unwrap();
    assert_eq!((need.need.origin, need.need.rule.as_str()), (NeedOrigin::Predicted, "clogs"));
    assert_eq!(need.need.playbook, "filters");
    assert!((40..=95).contains(&day), "it would be of no use on day 95, and it was seen on day {day}");
    let action = customer.connection.actions.values().next().expect("one is announced");
    // The other filter is named first by the mandate and fits another cooler.
    assert_eq!((action.state, action.action.item_id.as_str()), (ActionState::Announced, "filter-w200"));
    let told = customer.effects.values().find(|record| record.effect.kind == model::EffectKind::MessageSend);
    let message: Message = serde_json::from_str(told.unwrap().effect.body.as_deref().unwrap()).unwrap();
    assert!(message.text.starts_with("FILTER-W200 for ₩30,000 on "), "{}", message.text);

    // Nobody calls it off.
    world.go_on(25 * HOUR);
    let customer = world.customer();
    let action = customer.connection.actions.values().next().unwrap();
    let order_id = action.order_id.clone().expect("it was ordered");
    assert_eq!(action.state, ActionState::Started);
    world.tell(None, "payment.authorised", &json!({ "order_id": order_id }));
    let customer = world.customer();
    let places = |record: &&engine::EffectRecord| record.effect.kind == model::EffectKind::OrderPlace;
    let left = customer.effects.values().find(places).expect("somebody is to fulfil it");
    assert_ne!(left.state, EffectState::Requested, "it has left");
    let stage = |customer: &engine::Customer| customer.connection.needs.values().next().unwrap().stage;
    assert_eq!(stage(&customer), NeedStage::Promised);
    world.go_on(30 * HOUR);
    world.tell(None, "fulfillment.delivered", &json!({ "order_id": order_id }));
    assert_eq!(stage(&world.customer()), NeedStage::Met);
    world.tell(Some("office"), "slot.replaced", &json!({ "device_id": "cooler", "slot": "filter" }));
    let customer = world.customer();
    assert_eq!(stage(&customer), NeedStage::Learned);

    // Each decision comes out the same from its record.
    assert!(customer.connection.decisions.len() >= 2);
    let playbooks = world.fold.reference().playbooks.clone();
    for record in customer.connection.decisions.values() {
        let seen: Seen = serde_json::from_str(&record.seen).unwrap();
        let choice: Choice = serde_json::from_str(&record.choice).unwrap();
        let playbook = playbooks.get(&record.playbook, record.version).unwrap();
        assert_eq!(choose(&seen, playbook), choice, "{}", record.decision_id);
    }
}

/// Who delegated hears of what is done for them, though nothing new is begun.
#[test]
fn what_is_open_runs_to_its_end_when_the_playbook_is_switched_off() {
    let mut world = World::new();
    let preference = serde_json::from_value(json!({
        "category": "water_filter", "strategy": "automate", "share": 2,
    }));
    world.ask(ConnectionOp::SetPreference { user_id: "office".to_owned(), preference: preference.unwrap() });
    let mandate: NewMandate = serde_json::from_value(json!({
        "user_id": "office", "mandate_id": "filters", "category": "water_filter", "items": ["filter-w200"],
        "payee": "shop", "max_each": { "amount": 40_000, "currency": "KRW" },
    }))
    .unwrap();
    let presented = world.ask(ConnectionOp::PresentMandate(mandate));
    let step = MandateStep::Activate { agreement: presented["agreement"].as_str().unwrap().to_owned() };
    let of =
        |step| ConnectionOp::Mandate { user_id: "office".to_owned(), mandate_id: "filters".to_owned(), step };
    world.ask(of(step));
    let ordered = world.ask(of(MandateStep::Order));
    assert_eq!(ordered["action"]["state"], "announced", "{ordered}");
    // It is switched off, and the price rises before the order is placed.
    let mut reference = world.fold.reference().clone();
    reference.version += 1;
    assert!(reference.playbooks.switch("filters", None));
    world.fold.publish_reference(&reference);
    let dearer = json!({
        "item_id": "filter-w200", "name": "FILTER-W200", "price": 90_000, "cost": 12_000, "currency": "KRW",
        "fits": ["W-200"],
    });
    world.tell(None, "item.published", &dearer);
    world.go_on(25 * HOUR);
    let customer = world.customer();
    let action = customer.connection.actions.values().next().unwrap();
    assert_eq!((action.state, action.why.as_deref()), (ActionState::Blocked, Some("order_over_limit")));
    let messages =
        customer.effects.values().filter(|record| record.effect.kind == model::EffectKind::MessageSend);
    let templates: Vec<String> = messages
        .map(|record| {
            serde_json::from_str::<Message>(record.effect.body.as_deref().unwrap()).unwrap().template
        })
        .collect();
    assert_eq!(templates, ["filters/ordering", "filters/ordering_ask"]);
    // Nothing new is begun.
    let refused = act(
        &mut world.fold,
        world.now,
        &ConnectionOp::StateNeed(
            serde_json::from_value(json!({ "user_id": "office", "category": "water_filter" })).unwrap(),
        ),
        "fresh",
    );
    assert_eq!(refused.unwrap().unwrap_err().failure.code, "no-playbook-for");
}

#[test]
fn an_event_that_only_the_playbook_knows_reports_a_need() {
    let mut world = World::new();
    let preference = NewPreference {
        category: "water_filter".to_owned(),
        device_id: None,
        strategy: "automate".to_owned(),
        fallback: Some("ask_once".to_owned()),
        share: 2,
        channel: None,
        cap_per_week: None,
    };
    world.ask(ConnectionOp::SetPreference { user_id: "office".to_owned(), preference });
    let alarm = |code: &str| json!({ "device_id": "cooler", "slot": "filter", "code": code });
    world.tell(None, "filter.alarm", &alarm("E9"));
    assert!(world.customer().connection.needs.is_empty(), "another alarm");
    world.tell(None, "filter.alarm", &alarm("F1"));
    let customer = world.customer();
    let need = customer.connection.needs.values().next().expect("the playbook listens to it");
    assert_eq!((need.need.origin, need.need.rule.as_str()), (NeedOrigin::Reported, "cooler_says_so"));
    // Nothing is delegated, so they are asked once.
    let told = customer.effects.values().find(|record| record.effect.kind == model::EffectKind::MessageSend);
    let message: Message =
        serde_json::from_str(told.expect("they are asked").effect.body.as_deref().unwrap()).unwrap();
    assert_eq!(message.template, "filters/ordering_ask");
}
