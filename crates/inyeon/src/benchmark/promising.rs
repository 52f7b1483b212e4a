//! `inyeon benchmark promising`: how long an inquiry takes with a full catalogue, and how many quotes a second are held,
//! each durable before it is answered.

use std::time::Duration;

use model::connection::{ConnectionCommand, Fallback, Preference, Strategy};
use model::{Dedupe, Event, EventKind, Identifier, OrderDefaults, Time, TimelineId};
use runtime::Node;
use serde_json::{Value, json};

use super::load::{self, Call, ITEM, NUMBER, Outcome, Plan, USER};
use super::{Bench, broken, rss_mib};
use crate::error::Failure;

/// Places, each with a packing line and a courier; an item is kept at two of them.
const PLACES: u64 = 10;
/// Inquiries a second while their times are measured: what a busy shop asks, not what the machine can do.
const INQUIRE_RATE: f64 = 500.0;
/// Decisions a second while their times are measured: the bar's own rate.
const DECIDE_RATE: f64 = 1_000.0;
const CATEGORY: &str = "things";
const EVENTS_AT_ONCE: usize = 2_000;
const HOUR_MICROS: i64 = 3_600_000_000;

impl Bench<'_> {
    pub(super) fn promising(&self, items: u64, slots: u64) -> Result<Value, Failure> {
        let server = self.server("promising")?;
        let node = server.app.node.clone();
        self.say(&format!("{items} items at two of {PLACES} places, {slots} slots of capacity"));
        tell(&node, catalogue(items, slots, node.clock.now()))?;
        // Who is quoted and who is decided for are others: nobody has dozens of offers open at once.
        for name in ["user", "chooser"] {
            tell(&node, (0..self.plan.users).map(|user| came(name, user, node.clock.now())))?;
        }
        node.drain()?;
        let version = node.ask(|fold| fold.reference().version)?;
        node.publish_reference(rules(version + 1)?)?;
        let key = super::ops::run(
            &node,
            super::Op::KeyCreate {
                name: "promising".to_owned(),
                allowed: model::Allowed { promises: true, ..model::Allowed::default() },
            },
        )?;
        server.app.reload()?;
        let base = Plan {
            address: server.address,
            write_key: key["write_key"].as_str().unwrap_or_default().to_owned(),
            ..self.plan.clone()
        };
        let line = format!(r#""lines":[{{"item_id":"{ITEM}","quantity":2}}],"to":"KR-11""#);
        let call = |path, body| Some(Call { path, body, items });
        let inquire = Plan {
            connections: 8,
            rate: Some(INQUIRE_RATE),
            call: call("/v1/promises/inquire", format!("{{{line}}}")),
            ..base.clone()
        };
        // What was not asked for since the start is read from disk once.
        self.say("inquiries, to warm up");
        let short = Plan { duration: Duration::from_secs(2), ..inquire.clone() };
        load::run(&short).map_err(broken)?;
        self.say("inquiries at a steady rate");
        let inquired = load::run(&inquire).map_err(broken)?;
        self.say("inquiries, as many as go");
        let most = load::run(&Plan { rate: None, connections: self.plan.connections, ..inquire.clone() });
        let most = most.map_err(broken)?;
        self.say("quotes, as many as go");
        let body = format!(r#"{{"quote_id":"{NUMBER}","user_id":"user-{USER}",{line}}}"#);
        let quote = Plan { call: call("/v1/promises/quote", body), ..base };
        let quoted = load::run(&quote).map_err(broken)?;
        self.say("inquiries beside what is held now");
        let beside = load::run(&inquire).map_err(broken)?;
        self.say("customers who want a few right choices");
        let agreed = (0..self.plan.users).map(|user| format!("chooser-{user:020}"));
        agree(&node, agreed)?;
        let body = format!(r#"{{"user_id":"chooser-{USER}","category":"{CATEGORY}"}}"#);
        let order_key = super::ops::run(
            &node,
            super::Op::KeyCreate {
                name: "deciding".to_owned(),
                allowed: model::Allowed { orders: true, ..model::Allowed::default() },
            },
        )?;
        server.app.reload()?;
        let decide = Plan {
            write_key: order_key["write_key"].as_str().unwrap_or_default().to_owned(),
            call: call("/v1/needs", body),
            rate: None,
            ..inquire.clone()
        };
        load::run(&Plan { duration: Duration::from_secs(2), ..decide.clone() }).map_err(broken)?;
        self.say("decisions at a steady rate");
        let decided = load::run(&Plan { rate: Some(DECIDE_RATE), ..decide.clone() }).map_err(broken)?;
        self.say("decisions, as many as go");
        let decided_most = load::run(&Plan { connections: self.plan.connections, ..decide });
        let decided_most = decided_most.map_err(broken)?;
        drop(node);
        server.stop();
        Ok(json!({
            "decide": times(&decided),
            "decide_most": times(&decided_most),
            "items": items,
            "slots": slots,
            "inquire": times(&inquired),
            "inquire_most": times(&most),
            "quote": times(&quoted),
            "inquire_beside_holds": times(&beside),
            "rss_mib": rss_mib(),
        }))
    }
}

fn times(outcome: &Outcome) -> Value {
    json!({
        "per_s": outcome.per_second(),
        "p50_ms": outcome.quantile_ms(0.5),
        "p99_ms": outcome.quantile_ms(0.99),
        "max_ms": outcome.quantile_ms(1.0),
        "refused": outcome.refused,
    })
}

/// Everything that operations tell of a shop.
fn catalogue(items: u64, slots: u64, now: Time) -> impl Iterator<Item = Event<'static>> {
    let things = (0..items).flat_map(move |item| {
        let id = format!("{item:020}");
        let published = json!({ "item_id": id, "price": 19_900, "cost": 12_000, "currency": "KRW" });
        let counted = [item, item + 1].map(|at| {
            let place = format!("place-{}", at % PLACES);
            let on_hand = json!({ "item_id": id, "place": place, "on_hand": 100_000 });
            told("stock.counted", &on_hand, now)
        });
        [told("item.published", &published, now)].into_iter().chain(counted)
    });
    let hour = Time(now.0 - now.0.rem_euclid(HOUR_MICROS));
    let resources = (0..PLACES).flat_map(|place| ["pack", "van"].map(move |what| format!("{what}-{place}")));
    let resources: Vec<String> = resources.collect();
    let each = slots / resources.len() as u64;
    let capacity = resources.into_iter().flat_map(move |resource| {
        (0..each as i64).map(move |slot| {
            let start = hour.plus_micros(slot * HOUR_MICROS);
            let end = start.plus_micros(HOUR_MICROS);
            let set = json!({ "resource": resource, "start": start.to_string(), "end": end.to_string(),
                "units": 20_000 });
            told("capacity.slot_set", &set, now)
        })
    });
    things.chain(capacity)
}

fn told(name: &str, properties: &Value, now: Time) -> Event<'static> {
    event(EventKind::Track, name, now, Some(properties.to_string()))
}

fn came(name: &str, user: u64, now: Time) -> Event<'static> {
    let user_id = Some(format!("{name}-{user:020}").into());
    Event { user_id, ..event(EventKind::Identify, "", now, None) }
}

fn event(kind: EventKind, name: &str, now: Time, properties: Option<String>) -> Event<'static> {
    Event {
        kind,
        name: name.to_owned().into(),
        user_id: None,
        anonymous_id: None,
        previous_id: None,
        group_id: None,
        message_id: "benchmark".into(),
        timestamp: now,
        properties: properties.map(Into::into),
        traits: None,
        context: None,
        rest: None,
    }
}

fn tell(node: &Node, mut events: impl Iterator<Item = Event<'static>>) -> Result<(), Failure> {
    loop {
        let some: Vec<_> = events.by_ref().take(EVENTS_AT_ONCE).collect();
        if some.is_empty() {
            return Ok(());
        }
        let now = node.clock.now();
        let sealed =
            some.iter().map(|e| node.seal_event("benchmark", TimelineId::LIVE, now, Dedupe::None, e));
        node.submit_and_wait("benchmark", sealed.collect::<Result<_, _>>()?)?;
    }
}

/// A playbook with three items holds, and customers have set what they want and stored what an order needs.
fn agree(node: &Node, users: impl Iterator<Item = String>) -> Result<(), Failure> {
    let text = |text: &str| json!({ "en": text, "ko": text });
    let zero = json!({ "amount": 0, "currency": "KRW" });
    let items: Vec<String> = (0..3).map(|item| format!("{item:020}")).collect();
    let playbook = json!({
        "playbook": CATEGORY, "title": text("Things"), "category": CATEGORY,
        "owners": { "marketing": "m", "operations": "o" },
        "needs": [{ "id": "wanted", "origin": "stated" }],
        "offer": { "items": items, "lead_days": 2.0, "relevance_loss": 0.1 },
        "strategies": { "respond": {}, "curate": { "share": 1, "choices": 3 } },
        "guard_rails": { "margin_floor": 0.05, "caps": [{ "days": 7, "messages": 2 }] },
        "value": { "accept": 0.4, "worth": zero, "contact_cost": zero, "fatigue": zero },
    });
    let mut reference = node.ask(|fold| fold.reference().clone())?;
    reference.playbooks.publish(serde_json::from_value(playbook).map_err(broken)?);
    reference.version += 1;
    node.publish_reference(reference)?;
    for user in users {
        let preference = Preference {
            category: CATEGORY.to_owned(),
            device_id: None,
            strategy: Strategy::Curate,
            fallback: Fallback::Respond,
            share: 1,
            channel: None,
            cap_per_week: None,
            version: 0,
            at: Time::default(),
        };
        let defaults = OrderDefaults { to: "KR-11".to_owned(), ..OrderDefaults::default() };
        let work = move |fold: &mut runtime::Fold, now| -> Result<(), runtime::FoldError> {
            let Some(customer) = fold.lookup(&Identifier::User(&user))? else { return Ok(()) };
            fold.set_order_defaults(customer, defaults, now)?;
            fold.connect(customer, &ConnectionCommand::SetPreference(preference), now).map(drop)
        };
        node.act(work, |()| ())?;
    }
    node.act_and_wait(|_, _| Ok(()))?;
    Ok(())
}

fn rules(version: u32) -> Result<engine::Reference, Failure> {
    let places =
        (0..PLACES).map(|place| (format!("place-{place}"), json!({ "work": format!("pack-{place}") })));
    let lanes = (0..PLACES).map(|place| {
        let hours = [(0.5, 20.0), (0.9, 30.0), (0.99, 60.0)];
        json!({ "from": format!("place-{place}"), "to": "KR-*", "slots": format!("van-{place}"), "hours": hours })
    });
    let rules = json!({
        "time_zone": "Asia/Seoul",
        "classes": ["mandate", "member"],
        "places": places.collect::<serde_json::Map<_, _>>(),
        "lanes": lanes.collect::<Vec<_>>(),
    });
    let promising = serde_json::from_value(rules).map_err(broken)?;
    Ok(engine::Reference { version, promising, ..engine::Reference::default() })
}
