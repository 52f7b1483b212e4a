//! The demonstration's last chapter: the same customer's next order, promised from what operations have, in danger, and
//! saved before it breaks.

use model::{RemedyKind, Time};
use runtime::ManualClock;
use serde_json::{Value, json};

use super::{Client, Hero};
use crate::at_risk::{self, RiskOp};
use crate::error::Failure;
use crate::i18n::Messages;
use crate::ops::{self, Op};
use crate::promising::ask::{Confirm, Line, Wanted};
use crate::promising::command;
use crate::promising::op::PromiseOp;
use crate::serve::Server;

const ITEM: &str = "toner-45";
const QUOTE: &str = "demo-quote";
const ORDER: &str = "demo-order";
const RULES: &str = include_str!("rules.yaml");
pub(super) const HOUR_MICROS: i64 = 3_600_000_000;

/// What happened, for programs, and as it reads.
pub(super) struct Told {
    pub(super) json: Value,
    pub(super) text: String,
    /// When it ended.
    pub(super) until: Time,
}

struct Chapter<'a> {
    server: &'a Server,
    client: &'a Client,
    clock: &'a ManualClock,
    now: Time,
    messages: &'a Messages,
    told: serde_json::Map<String, Value>,
    text: String,
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
    let (told, text) = (serde_json::Map::new(), String::new());
    let mut chapter = Chapter { server, client, clock, now, messages, told, text };
    chapter.operations()?;
    chapter.promised(hero)?;
    chapter.saved()?;
    chapter.kept(hero)?;
    Ok(Told { json: Value::Object(chapter.told), text: chapter.text, until: chapter.now })
}

impl Chapter<'_> {
    fn say(&mut self, key: &str, values: &[(&str, String)]) {
        self.text.push_str(&self.messages.with(key, values));
        self.text.push('\n');
    }

    fn tell(&self, event: &str, properties: &Value) -> Result<(), Failure> {
        let id = format!("demo-{event}-{}-{properties}", self.now.0);
        let event = json!({ "type": "track", "event": event, "messageId": id, "timestamp": self.now.to_string(),
            "anonymousId": "operations", "properties": properties });
        self.client.send_json(&[event])?;
        ops::run(&self.server.app.node, Op::Drain).map(drop)
    }

    fn wait(&mut self, hours: i64) {
        self.now = self.now.plus_micros(hours * HOUR_MICROS);
        self.clock.set(self.now);
    }

    fn ask(&self, op: PromiseOp) -> Result<Value, Failure> {
        ops::run(&self.server.app.node, Op::Promise(op))
    }

    fn work(&self, op: RiskOp) -> Result<Value, Failure> {
        ops::run(&self.server.app.node, Op::Risk(op))
    }

    /// What operations have.
    fn operations(&mut self) -> Result<(), Failure> {
        let item = json!({ "item_id": ITEM, "name": "Toner 45", "price": 42_000, "cost": 30_000, "currency": "KRW" });
        self.tell("item.published", &item)?;
        for (place, on_hand) in [("seoul", 6), ("daejeon", 9)] {
            let counted = json!({ "item_id": ITEM, "place": place, "on_hand": on_hand });
            self.tell("stock.counted", &counted)?;
        }
        let shifts = json!([{ "from": "09:00", "to": "18:00", "slot_minutes": 180, "units": 8 }]);
        let packing = json!({ "resource": "packing", "time_zone": "Asia/Seoul", "shifts": shifts });
        self.tell("capacity.set", &packing)?;
        let rules = PromiseOp::PublishRules { rules: RULES.to_owned(), file: "demo".to_owned() };
        self.ask(rules)?;
        self.say("demo-today", &[]);
        Ok(())
    }

    fn promised(&mut self, hero: &Hero) -> Result<(), Failure> {
        let line = Line { item_id: ITEM.to_owned(), quantity: model::Quantity::units(2), price: None };
        let wanted = Wanted { lines: vec![line], to: "KR-11".to_owned(), ..Wanted::default() };
        let wanted =
            Wanted { user_id: Some(hero.customer_id.clone()), quote_id: Some(QUOTE.to_owned()), ..wanted };
        self.ask(PromiseOp::Quote { wanted: Box::new(wanted) })?;
        let confirm = Confirm { quote_id: QUOTE.to_owned(), order_id: Some(ORDER.to_owned()) };
        let made = self.ask(PromiseOp::Confirm { confirm })?;
        self.say("demo-promised", &[("name", hero.name.clone())]);
        self.text.push_str(&command::read(&made, self.messages)?);
        self.told.insert("promised".to_owned(), made["answer"].clone());
        Ok(())
    }

    /// Quality holds what was to be sent; somebody sees it in time and does what is best.
    fn saved(&mut self) -> Result<(), Failure> {
        self.wait(1);
        self.tell("stock.quarantined", &json!({ "item_id": ITEM, "place": "seoul", "quantity": 6 }))?;
        let all = self.work(RiskOp::AtRisk { owner: None, cause: None, limit: 1_000 })?;
        let mut ours = all.clone();
        let rows = all["items"].as_array().into_iter().flatten();
        let rows: Vec<Value> = rows.filter(|row| row["promise_id"] == QUOTE).cloned().collect();
        let best = rows.first().and_then(|row| row["proposals"][0]["kind"].as_str()).map(str::to_owned);
        ours["count"] = json!(rows.len());
        ours["items"] = json!(rows);
        self.say("demo-at-risk", &[]);
        self.text.push_str(&at_risk::listed(&ours, self.messages));
        self.told.insert("at_risk".to_owned(), ours["items"].clone());
        if let Some(kind) = best.as_deref().and_then(RemedyKind::from_name) {
            let remedied = self.work(RiskOp::Remedy { promise_id: QUOTE.to_owned(), kind })?;
            self.text.push_str(&at_risk::applied(&remedied, self.messages));
            self.text.push('\n');
            self.told.insert("remedied".to_owned(), remedied);
        }
        Ok(())
    }

    fn kept(&mut self, hero: &Hero) -> Result<(), Failure> {
        let order = json!({ "order_id": ORDER });
        self.wait(5);
        self.tell("fulfillment.shipped", &order)?;
        self.wait(20);
        self.tell("fulfillment.delivered", &order)?;
        let profile =
            ops::run(&self.server.app.node, Op::Profile { id: hero.customer_id.clone(), timeline: 10_000 })?;
        let mut promises = profile["promises"].as_array().into_iter().flatten();
        let ours = promises.find(|promise| promise["promise_id"] == QUOTE).cloned().unwrap_or_default();
        let status = ours["status"].as_str().unwrap_or_default();
        let status = self.messages.get(&format!("status-{}", status.replace('_', "-")));
        self.say("demo-kept", &[("status", status)]);
        self.told.insert("ended".to_owned(), ours);
        Ok(())
    }
}
