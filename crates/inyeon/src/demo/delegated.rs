//! The demonstration's chapter on acting for a customer: their printer runs low, and under a mandate a cartridge is
//! there before it is empty, while they do nothing.

use engine::Connection;
use engine::connection::{Choice, Seen};
use engine::playbook::{Playbook, money_text};
use model::connection::{
    Action, ActionState, ConnectionCommand, Fallback, MandateTerms, Message, Period, Preference, PriceRule,
    SpendLimit, Strategy,
};
use model::{Currency, EntityId, Identifier, Money, OrderDefaults, Quantity, Time};
use runtime::ManualClock;
use serde_json::{Value, json};

use super::today::{HOUR_MICROS, Told};
use super::{Client, Hero};
use crate::error::Failure;
use crate::i18n::Messages;
use crate::ops::{self, Op};
use crate::serve::Server;

const PLAYBOOK: &str = include_str!("../../../../playbooks/toner.yaml");
const ITEM: &str = "toner-tn760";
const MODEL: &str = "HL-L2370DW";
const DEVICE: &str = "demo-printer";
const MANDATE: &str = "demo-mandate";
/// Per cent that this household prints away in a day.
const PER_DAY: f64 = 6.0;
/// Longer than any cartridge lasts at that.
const DAYS_MAX: i64 = 16;

struct Chapter<'a> {
    server: &'a Server,
    client: &'a Client,
    clock: &'a ManualClock,
    now: Time,
    messages: &'a Messages,
    customer: EntityId,
    name: String,
    text: String,
    told: serde_json::Map<String, Value>,
}

/// Plays it from `now` on.
pub(super) fn play(
    server: &Server,
    client: &Client,
    clock: &ManualClock,
    now: Time,
    hero: &Hero,
    messages: &Messages,
) -> Result<Told, Failure> {
    let user = hero.customer_id.clone();
    let customer = server.app.node.ask(move |fold| fold.lookup(&Identifier::User(&user)))??;
    let Some(customer) = customer else {
        return Ok(Told { json: Value::Null, text: String::new(), until: now });
    };
    let mut chapter = Chapter {
        server,
        client,
        clock,
        now,
        messages,
        customer,
        name: hero.name.clone(),
        text: String::new(),
        told: serde_json::Map::new(),
    };
    chapter.agreed(hero)?;
    if let Some((day, action)) = chapter.noticed()? {
        chapter.ordered(&action)?;
        chapter.put_in(day, &action)?;
        chapter.revoked()?;
    }
    Ok(Told { json: Value::Object(chapter.told), text: chapter.text, until: chapter.now })
}

impl Chapter<'_> {
    fn say(&mut self, key: &str, values: &[(&str, String)]) {
        self.text.push_str(&self.messages.with(key, values));
        self.text.push('\n');
    }

    fn tell(&self, person: Option<&str>, event: &str, properties: &Value) -> Result<(), Failure> {
        let id = format!("demo-{event}-{}-{properties}", self.now.0);
        let mut event = json!({ "type": "track", "event": event, "messageId": id,
            "timestamp": self.now.to_string(), "properties": properties });
        match person {
            Some(user) => event["userId"] = json!(user),
            None => event["anonymousId"] = json!("operations"),
        }
        self.client.send_json(&[event])?;
        self.drain()
    }

    fn drain(&self) -> Result<(), Failure> {
        ops::run(&self.server.app.node, Op::Drain).map(drop)
    }

    fn wait(&mut self, hours: i64) -> Result<(), Failure> {
        self.now = self.now.plus_micros(hours * HOUR_MICROS);
        self.clock.set(self.now);
        self.drain()
    }

    fn connect(&self, command: ConnectionCommand) -> Result<(), Failure> {
        let customer = self.customer;
        self.server.app.node.act_and_wait(move |fold, now| fold.connect(customer, &command, now))?;
        Ok(())
    }

    fn connection(&self) -> Result<Connection, Failure> {
        let customer = self.customer;
        let known = self.server.app.node.ask(move |fold| {
            let entity = fold.entity(customer)?;
            Ok::<_, runtime::FoldError>(entity.customer().map(|known| (*known.connection).clone()))
        })??;
        Ok(known.unwrap_or_default())
    }

    fn day(&self, at: Time, hour: bool) -> String {
        engine::playbook::day_text(at, "Asia/Seoul", self.messages.lang.tag(), hour)
    }

    /// The playbook holds, the printer is registered, and the customer has said what may be done for them.
    fn agreed(&mut self, hero: &Hero) -> Result<(), Failure> {
        let playbook: Playbook = serde_saphyr::from_str(PLAYBOOK).map_err(|error| Failure::other(&error))?;
        let mut reference = self.server.app.node.ask(|fold| fold.reference().clone())?;
        reference.playbooks.publish(playbook);
        reference.version += 1;
        self.server.app.node.publish_reference(reference)?;
        let item = json!({ "item_id": ITEM, "name": "TN-760", "price": 58_000, "cost": 39_000, "currency": "KRW",
            "fits": [MODEL] });
        self.tell(None, "item.published", &item)?;
        self.tell(None, "stock.counted", &json!({ "item_id": ITEM, "place": "seoul", "on_hand": 12 }))?;
        let user = hero.customer_id.clone();
        let slots = json!([{ "slot": "black", "category": "toner" }]);
        let printer = json!({ "device_id": DEVICE, "model": MODEL, "slots": slots });
        self.tell(Some(&user), "device.registered", &printer)?;
        let (customer, defaults) = (
            self.customer,
            OrderDefaults {
                to: "KR-11".to_owned(),
                address: Some(json!({ "city": "Seoul" }).to_string()),
                time_zone: Some("Asia/Seoul".to_owned()),
                ..OrderDefaults::default()
            },
        );
        self.server
            .app
            .node
            .act_and_wait(move |fold, now| fold.set_order_defaults(customer, defaults, now))?;
        self.connect(ConnectionCommand::SetPreference(Preference {
            category: "toner".to_owned(),
            device_id: None,
            strategy: Strategy::Automate,
            fallback: Fallback::AskOnce,
            share: 2,
            channel: None,
            cap_per_week: None,
            version: 0,
            at: Time::default(),
        }))?;
        let won = |minor| Money { minor, currency: Currency::new("KRW").expect("three capitals") };
        let terms = MandateTerms {
            mandate_id: MANDATE.to_owned(),
            category: "toner".to_owned(),
            device_id: Some(DEVICE.to_owned()),
            slot: Some("black".to_owned()),
            items: vec![ITEM.to_owned()],
            max_quantity: Quantity::ONE,
            payee: "Inyeon demo shop".to_owned(),
            max_each: won(70_000),
            limits: vec![SpendLimit { period: Period::Month, amount: Some(won(140_000)), orders: Some(2) }],
            price: Some(PriceRule { reference: won(58_000), max_rise_percent: 10 }),
            valid_from: self.now,
            valid_to: None,
            dormancy_days: Some(730),
            notice_hours: 24,
            time_zone: "Asia/Seoul".to_owned(),
        };
        let each = money_text(terms.max_each);
        self.connect(ConnectionCommand::PresentMandate(Box::new(terms)))?;
        let shown = self.connection()?.mandates.get(MANDATE).map(|mandate| mandate.agreement.clone());
        let agreement = shown.unwrap_or_default();
        self.connect(ConnectionCommand::ActivateMandate { mandate_id: MANDATE.to_owned(), agreement })?;
        let name = self.name.clone();
        self.say("demo-delegated", &[("name", name), ("item", "TN-760".to_owned()), ("each", each)]);
        Ok(())
    }

    /// The printer reports day by day until the need is known.
    fn noticed(&mut self) -> Result<Option<(i64, Action)>, Failure> {
        for day in 0..DAYS_MAX {
            let level = 100.0 - PER_DAY * day as f64;
            let reading = json!({ "device_id": DEVICE, "slot": "black", "level": level });
            self.tell(None, "slot.level_reported", &reading)?;
            let connection = self.connection()?;
            let open = connection.actions.values().find(|record| record.state == ActionState::Announced);
            let Some(action) = open.map(|record| record.action.clone()) else {
                self.wait(24)?;
                continue;
            };
            let decision = connection.needs.get(&action.need_id).and_then(|need| need.decision_id.as_ref());
            let decision = decision.and_then(|id| connection.decisions.get(id));
            let seen = decision.and_then(|record| serde_json::from_str::<Seen>(&record.seen).ok());
            let choice = decision.and_then(|record| serde_json::from_str::<Choice>(&record.choice).ok());
            if let Some(empty) = seen.as_ref().and_then(|seen| seen.empty_in) {
                let values = [
                    ("date", self.day(self.now, false)),
                    ("level", format!("{level:.0}")),
                    ("days", format!("{:.0}", empty.p50)),
                    ("low", format!("{:.0}", empty.p10)),
                    ("high", format!("{:.0}", empty.p90)),
                ];
                self.say("demo-noticed", &values);
            }
            if let Some(message) = self.said(&action)? {
                self.say("demo-notice", &[("subject", message.subject), ("channel", message.channel)]);
            }
            self.told.insert("decision".to_owned(), json!(decision.map(|record| &record.decision_id)));
            self.told.insert("choice".to_owned(), json!(choice));
            return Ok(Some((day, action)));
        }
        Ok(None)
    }

    /// The notice of an automatic order.
    fn said(&self, action: &Action) -> Result<Option<Message>, Failure> {
        let (customer, need) = (self.customer, action.need_id.clone());
        let body = self.server.app.node.ask(move |fold| {
            let known = fold.entity(customer)?.customer();
            let mut said = known.into_iter().flat_map(|known| known.effects.values());
            let found = said
                .find(|record| record.effect.key.contains("/message/") && record.effect.key.ends_with(&need));
            Ok::<_, runtime::FoldError>(found.and_then(|record| record.effect.body.clone()))
        })??;
        Ok(body.and_then(|body| serde_json::from_str(&body).ok()))
    }

    fn ordered(&mut self, action: &Action) -> Result<(), Failure> {
        self.wait(25)?;
        self.drain()?;
        let connection = self.connection()?;
        let record = connection.actions.get(&action.action_id);
        let order_id = record.and_then(|record| record.order_id.clone()).unwrap_or_default();
        let customer = self.customer;
        let due = {
            let order_id = order_id.clone();
            self.server.app.node.ask(move |fold| {
                let known = fold.entity(customer)?.customer();
                let mut promises = known.into_iter().flat_map(|known| known.promises_of(&order_id));
                Ok::<_, runtime::FoldError>(promises.next().map(|(_, promise)| promise.terms.due_at))
            })??
        };
        let values = [
            ("price", money_text(action.price)),
            ("date", due.map(|due| self.day(due, false)).unwrap_or_default()),
        ];
        self.say("demo-window", &values);
        self.told.insert("order_id".to_owned(), json!(order_id));
        self.wait(4)?;
        self.tell(None, "fulfillment.shipped", &json!({ "order_id": order_id }))?;
        self.wait(20)?;
        self.tell(None, "fulfillment.delivered", &json!({ "order_id": order_id }))
    }

    /// The old one prints on until it is nearly empty; then the new one is put in.
    fn put_in(&mut self, day: i64, action: &Action) -> Result<(), Failure> {
        let arrived = self.now;
        // Two days of window and delivery have passed.
        let mut level = 100.0 - PER_DAY * (day + 2) as f64;
        while level > 1.0 + PER_DAY {
            self.wait(24)?;
            level -= PER_DAY;
            let reading = json!({ "device_id": DEVICE, "slot": "black", "level": level });
            self.tell(None, "slot.level_reported", &reading)?;
        }
        let spare = self.now.since(arrived) / (24 * HOUR_MICROS);
        self.wait(12)?;
        self.tell(None, "slot.replaced", &json!({ "device_id": DEVICE, "slot": "black" }))?;
        let connection = self.connection()?;
        let need = connection.needs.get(&action.need_id);
        let name = self.name.clone();
        self.say("demo-in-hand", &[("name", name), ("days", spare.to_string())]);
        self.told.insert("need".to_owned(), json!(need.map(|need| need.stage.name())));
        let empty = connection.slot(DEVICE, "black").and_then(|slot| slot.empty_since);
        self.told.insert("ran_empty".to_owned(), json!(empty.is_some()));
        Ok(())
    }

    fn revoked(&mut self) -> Result<(), Failure> {
        self.connect(ConnectionCommand::RevokeMandate { mandate_id: MANDATE.to_owned() })?;
        let state = self.connection()?.mandates.get(MANDATE).map(|mandate| mandate.state.name());
        let name = self.name.clone();
        self.say("demo-revoked", &[("name", name)]);
        self.told.insert("mandate".to_owned(), json!(state));
        Ok(())
    }
}
