//! What can be asked of a store. Each operation runs on the node that holds the store, whether that is this process
//! or a server; the command line speaks to either with the same words.

use std::path::PathBuf;

use model::{Command, Dedupe, DedupeHash, EntityId, Fact, KeyId, Outcome, RejectedBody, Time, TimelineId};
use runtime::backup::Source;
use runtime::{History, Item, Node};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use views::{DeadLetterFilter, EffectFilter, GroupBy, NeedQuery, ReportQuery};

use crate::at_risk::{self, RiskOp};
use crate::broker;
use crate::campaign::{self, CampaignOp};
use crate::connection::{self, ConnectionOp};
use crate::decision::{self, DecisionOp};
use crate::delivery;
use crate::dialect::{self, Code, Origin, Parsed};
use crate::error::{Failure, Kind};
use crate::identity::{self, IdentityOp};
use crate::import::csv_map::Map;
use crate::ordering::{self, OrderingOp};
use crate::plan::gate::{Admitted, Door, Named, admit};
use crate::plan::{self, Document};
use crate::playbook::{self, PlaybookOp};
use crate::promising::{self, op::PromiseOp};
use crate::staff::{self, StaffOp};
use crate::stock::{self, StockOp};
use crate::supply::{self, SupplyOp};
use crate::told::outcome_json;
use crate::{replay, webhook};

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case", deny_unknown_fields)]
pub enum Op {
    Status,
    /// Returns when every input that is durable now has counted and is shown.
    Drain,
    PromiseReport {
        by: Option<String>,
        source: Option<String>,
        kind: Option<String>,
        from: Option<Time>,
        to: Option<Time>,
    },
    NeedReport {
        from: Option<Time>,
        to: Option<Time>,
    },
    ProfileSearch {
        text: Option<String>,
        limit: usize,
    },
    Profile {
        id: String,
        timeline: usize,
    },
    /// Applied events from a cursor on, in the order in which they counted.
    Events {
        from: u64,
        limit: usize,
        wait_ms: u64,
        facts: bool,
        #[serde(default)]
        filter: EventFilter,
    },
    DeadLetters {
        limit: usize,
        replayed: bool,
    },
    DeadLetterReplay {
        seqs: Vec<u64>,
    },
    KeyCreate {
        name: String,
        /// What its key is good for besides sending.
        #[serde(default)]
        allowed: model::Allowed,
    },
    KeyList,
    KeyRevoke {
        name: String,
    },
    WebhookConnect {
        name: String,
        map: String,
        /// Made where none is given.
        secret: Option<String>,
    },
    WebhookList,
    WebhookDisconnect {
        name: String,
    },
    Identity(IdentityOp),
    Campaign(CampaignOp),
    Stock(StockOp),
    Promise(PromiseOp),
    Risk(RiskOp),
    Supply(SupplyOp),
    Ordering(OrderingOp),
    Playbook(PlaybookOp),
    Decision(DecisionOp),
    Connection(ConnectionOp),
    Staff(StaffOp),
    BrokerConnect {
        name: String,
        settings: broker::Settings,
    },
    BrokerList,
    BrokerDisconnect {
        name: String,
    },
    ImportStart {
        name: String,
    },
    /// Which of these natural keys were applied before.
    ImportKnown {
        name: String,
        keys: Vec<String>,
    },
    ImportAppend {
        name: String,
        timeline: u32,
        items: Vec<ImportItem>,
    },
    ImportReject {
        name: String,
        rows: Vec<BadImportRow>,
    },
    ImportFinish {
        name: String,
        events: u64,
        bad_rows: u64,
    },
    /// Apply a tracking plan, in its JSON form.
    PlanApply {
        plan: String,
    },
    PlanShow,
    PlanViolations {
        source: Option<String>,
        event: Option<String>,
        limit: usize,
    },
    /// Give the promising rules' lanes the delivery times that were learnt.
    LanesPublish {
        times: Value,
        until: String,
    },
    Effects {
        limit: usize,
        skip: usize,
    },
    EffectsSwitch {
        on: Option<bool>,
    },
    Erase {
        id: String,
    },
    Backup {
        to: PathBuf,
    },
}

/// Which of the passing events and facts are wanted; what is not named is not asked for.
#[derive(Clone, Debug, Default, Serialize, Deserialize, clap::Args, utoipa::IntoParams)]
#[serde(default)]
pub struct EventFilter {
    /// The source that sent it.
    #[arg(long)]
    pub source: Option<String>,
    /// Its name, or the beginning of its name before a `*`.
    #[arg(long)]
    pub event: Option<String>,
    /// `track`, `identify`, `page`, `screen`, `group`, `alias`, `fact`, `skipped` or `violation`.
    #[arg(long = "type")]
    pub r#type: Option<String>,
    /// The user id, anonymous id or profile id that it is about.
    #[arg(long)]
    pub user: Option<String>,
}

impl EventFilter {
    fn wants(&self, item: &Value) -> bool {
        let is = |wanted: &Option<String>, members: &[&str]| match wanted {
            Some(wanted) => members.iter().any(|member| item[*member].as_str() == Some(wanted)),
            None => true,
        };
        let named = self.event.as_deref().is_none_or(|wanted| {
            let name = item["event"].as_str().unwrap_or_default();
            match wanted.strip_suffix('*') {
                Some(beginning) => name.starts_with(beginning),
                None => name == wanted,
            }
        });
        named
            && is(&self.source, &["source"])
            && is(&self.r#type, &["type"])
            && is(&self.user, &["userId", "anonymousId", "entity"])
    }
}

/// One event of an import.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ImportItem {
    pub key: String,
    pub at: Time,
    pub json: String,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct BadImportRow {
    pub place: String,
    pub code: String,
    pub reason: String,
    pub raw: String,
}

/// Events that may wait to be counted before an import waits: live traffic goes first.
const IMPORT_BACKLOG_MAX: u64 = 20_000;
/// An order of a wholesaler may have thousands of lines.
pub(crate) const IMPORT_EVENT_BYTES_MAX: usize = 4 << 20;

impl Op {
    /// Whether it changes who may send, how, and what.
    pub fn changes_senders(&self) -> bool {
        matches!(
            self,
            Op::KeyCreate { .. }
                | Op::KeyRevoke { .. }
                | Op::WebhookConnect { .. }
                | Op::WebhookDisconnect { .. }
                | Op::PlanApply { .. }
                | Op::BrokerConnect { .. }
                | Op::BrokerDisconnect { .. }
        )
    }

    /// Whether the answer must show everything that was acknowledged before: what a client has just sent is there
    /// for whoever asks next.
    fn sees_all(&self) -> bool {
        match self {
            // Who reads on from a place waits by themselves for more.
            Op::Events { from, .. } => *from <= 1,
            Op::PromiseReport { .. }
            | Op::NeedReport { .. }
            | Op::ProfileSearch { .. }
            | Op::Profile { .. }
            | Op::DeadLetters { .. }
            | Op::DeadLetterReplay { .. }
            | Op::KeyList
            | Op::PlanViolations { .. }
            | Op::Effects { .. }
            | Op::Promise(_)
            | Op::Risk(_)
            | Op::Supply(_)
            | Op::Ordering(_)
            | Op::Erase { .. } => true,
            _ => false,
        }
    }
}

/// Runs an operation. The answer is the JSON that `--json` prints.
pub fn run(node: &Node, op: Op) -> Result<Value, Failure> {
    if op.sees_all() {
        node.drain()?;
    }
    match op {
        Op::Status => status(node),
        Op::Drain => node.drain().map(|()| Value::Null).map_err(Into::into),
        Op::PromiseReport { by, source, kind, from, to } => {
            promise_report(node, by.as_deref(), source, kind.as_deref(), from, to)
        }
        Op::NeedReport { from, to } => Ok(json!(node.reader()?.need_report(NeedQuery { from, to })?)),
        Op::ProfileSearch { text, limit } => Ok(json!(node.reader()?.profiles(text.as_deref(), limit)?)),
        Op::Profile { id, timeline } => profile(node, &id, timeline),
        Op::Events { from, limit, wait_ms, facts, filter } => {
            events(node, from, limit, wait_ms, facts, &filter)
        }
        Op::DeadLetters { limit, replayed } => dead_letters(node, limit, replayed),
        Op::DeadLetterReplay { seqs } => replay_dead_letters(node, &seqs),
        Op::KeyCreate { name, allowed } => create_key(node, &name, allowed),
        Op::KeyList => Ok(json!(node.reader()?.sources()?)),
        Op::KeyRevoke { name } => {
            let outcomes =
                node.command(EntityId::workspace(), Command::RevokeSource { source: name.clone() })?;
            refused(&outcomes, Kind::NotFound)?;
            Ok(json!({ "revoked": name }))
        }
        Op::WebhookConnect { name, map, secret } => connect_webhook(node, name, map, secret),
        Op::WebhookList => list_webhooks(node),
        Op::WebhookDisconnect { name } => {
            let command = Command::DisconnectWebhook { name: name.clone() };
            refused(&node.command(EntityId::workspace(), command)?, Kind::NotFound)?;
            Ok(json!({ "disconnected": name }))
        }
        Op::Identity(op) => identity::run(node, op),
        Op::Campaign(op) => campaign::run(node, op),
        Op::Stock(op) => stock::run(node, op),
        Op::Promise(op) => promising::op::run(node, op),
        Op::Risk(op) => at_risk::run(node, op),
        Op::Supply(op) => supply::run(node, op),
        Op::Ordering(op) => ordering::run(node, op),
        Op::Playbook(op) => playbook::run_op(node, op),
        Op::Decision(op) => decision::run(node, op),
        Op::Connection(op) => connection::run(node, op),
        Op::Staff(op) => staff::run(node, op),
        Op::BrokerConnect { name, settings } => broker::connect(node, &name, settings),
        Op::BrokerList => broker::list(node),
        Op::BrokerDisconnect { name } => broker::disconnect(node, &name),
        Op::ImportStart { name } => import_start(node, name),
        Op::ImportKnown { name, keys } => {
            let source = import_source(&name);
            let hashes = keys.iter().map(|key| node.keys.hash_message(&source, key)).collect();
            Ok(json!(node.are_permanent(hashes)?))
        }
        Op::ImportAppend { name, timeline, items } => import_append(node, &name, timeline, &items),
        Op::ImportReject { name, rows } => {
            import_reject(node, &name, rows.into_iter().map(|row| (row, None)).collect())
        }
        Op::ImportFinish { name, events, bad_rows } => {
            node.drain()?;
            let command = Command::FinishImport { name: name.clone(), events, bad_rows };
            node.command(EntityId::workspace(), command)?;
            node.drain()?;
            Ok(json!({ "import": name, "events": events, "bad_rows": bad_rows }))
        }
        Op::PlanApply { plan } => plan::op::apply(node, &Document::parse(&plan, "plan")?),
        Op::PlanShow => plan::op::show(node),
        Op::PlanViolations { source, event, limit } => plan::op::violations(node, source, event, limit),
        Op::LanesPublish { times, until } => delivery::publish(node, times, until),
        Op::Effects { limit, skip } => {
            let filter = EffectFilter { limit: Some(limit), skip, ..EffectFilter::default() };
            Ok(json!(node.reader()?.effects(&filter)?))
        }
        Op::EffectsSwitch { on } => {
            if let Some(on) = on {
                let command = Command::SwitchEffects { on, reason: "operator".to_owned() };
                node.command(EntityId::workspace(), command)?;
                node.drain()?;
            }
            let on = node.ask(|fold| {
                fold.entity(EntityId::workspace()).map(|w| w.workspace().is_some_and(|w| w.effects_on))
            })??;
            Ok(json!({ "effects_on": on }))
        }
        Op::Erase { id } => {
            let entity = find(node, &id)?;
            let erased = node.erase(entity)?;
            Ok(json!({ "erased": erased.iter().map(ToString::to_string).collect::<Vec<_>>() }))
        }
        Op::Backup { to } => {
            let manifest = runtime::backup::create(Source::Running(node), &to, &mut |_, _| {})?;
            Ok(json!(manifest))
        }
    }
}

/// Before the name of an import, in the name under which its records are kept.
pub(crate) const IMPORT_SOURCE: &str = "import:";

/// The name under which an import's records are kept.
fn import_source(name: &str) -> String {
    format!("{IMPORT_SOURCE}{name}")
}

fn status(node: &Node) -> Result<Value, Failure> {
    use std::sync::atomic::Ordering::Relaxed;
    let counts = node.counts();
    let reader = node.reader()?;
    Ok(json!({
        "version": env!("CARGO_PKG_VERSION"),
        "store": node.layout.dir,
        "intake": node.intake_seq(),
        "applied": counts.applied.load(Relaxed),
        "duplicates": counts.duplicates.load(Relaxed),
        "backlog": node.backlog(),
        "journal": counts.journal_seq.load(Relaxed),
        "views": counts.views_seq.load(Relaxed),
        "subjects": node.keys.subjects(),
        "notes": node.notes,
        "imports": reader.imports()?,
    }))
}

fn promise_report(
    node: &Node,
    by: Option<&str>,
    source: Option<String>,
    kind: Option<&str>,
    due_from: Option<Time>,
    due_to: Option<Time>,
) -> Result<Value, Failure> {
    let unknown = |what, value: &str| {
        Failure::new(Kind::Usage, "unknown-value").with("what", what).with("value", value)
    };
    let group_by = match by {
        Some(by) => Some(GroupBy::from_name(by).ok_or_else(|| unknown("--by", by))?),
        None => None,
    };
    let kind = match kind {
        Some(kind) => Some(model::PromiseKind::from_name(kind).ok_or_else(|| unknown("--kind", kind))?),
        None => None,
    };
    let query = ReportQuery { group_by, source, kind, due_from, due_to, ..ReportQuery::default() };
    let report = json!(node.reader()?.promise_report(&query)?);
    // The totals stand at the top, where a script looks first.
    let Value::Object(mut report) = report else { unreachable!("a report is an object") };
    let mut flat = match report.remove("total") {
        Some(Value::Object(total)) => total,
        _ => serde_json::Map::new(),
    };
    flat.extend(report);
    Ok(Value::Object(flat))
}

/// The profile that stands for whom a text names.
fn find(node: &Node, id: &str) -> Result<EntityId, Failure> {
    let wanted = id.to_owned();
    let found = node.ask(move |fold| identity::find(fold, &wanted))??;
    found.ok_or_else(|| Failure::new(Kind::NotFound, "no-such-profile").with("id", id))
}

fn profile(node: &Node, id: &str, timeline: usize) -> Result<Value, Failure> {
    let entity = find(node, id)?;
    let (cluster, inputs) = node.ask(move |fold| {
        // One who is not the head is shown alone: what they did under their own name.
        let members = if fold.head(entity)? == entity { fold.person(entity)? } else { vec![entity] };
        let mut inputs = Vec::new();
        for member in &members {
            for (seq, trace) in fold.trail(*member)? {
                if let runtime::Trace::Input { intake } = trace {
                    inputs.push((intake, seq));
                }
            }
        }
        Ok::<_, runtime::FoldError>((members, inputs))
    })??;
    let reader = node.reader()?;
    let row = reader.profile(entity)?;
    let mut orders = Vec::new();
    let mut promises = Vec::new();
    let mut reviews = Vec::new();
    let mut history = Vec::new();
    for member in &cluster {
        orders.extend(reader.orders_of(*member)?);
        promises.extend(reader.promises_of(*member)?);
        reviews.extend(reader.reviews_of(*member)?);
        history.extend(reader.history(*member)?);
    }
    let mut log = node.history(1);
    let mut entries = Vec::with_capacity(inputs.len());
    for (intake, seq) in inputs {
        if let Item::Applied(applied) = log.input(intake, seq)? {
            entries.push((applied.event.timestamp, intake, event_json(&applied)));
        }
    }
    // What happened, in the order in which it happened, whatever channel it came by.
    entries.sort_by_key(|(at, intake, _)| (*at, *intake));
    let skipped = entries.len().saturating_sub(timeline);
    let shown: Vec<Value> = entries.into_iter().skip(skipped).map(|(_, _, json)| json).collect();
    Ok(json!({
        "profile": row,
        "merged_from": cluster[1..].iter().map(ToString::to_string).collect::<Vec<_>>(),
        "orders": orders,
        "promises": promises,
        "reviews": reviews,
        "history": history,
        "timeline": shown,
        "timeline_earlier": skipped,
    }))
}

/// JSON as it was kept. What no JSON value can hold (a number past all floats, a nesting past the parser's depth) is
/// handed on as text: it was received, and nobody should think that it was not.
fn raw(text: Option<&str>) -> Value {
    text.map_or(Value::Null, |text| serde_json::from_str(text).unwrap_or_else(|_| json!(text)))
}

fn event_json(applied: &runtime::AppliedEvent) -> Value {
    let event = &applied.event;
    let channel = raw(event.context.as_deref()).get("channel").cloned();
    json!({
        "position": applied.intake_seq,
        "type": event.kind.name(),
        "event": Some(&event.name).filter(|name| !name.is_empty()),
        "messageId": event.message_id,
        "userId": event.user_id,
        "anonymousId": event.anonymous_id,
        "previousId": event.previous_id,
        "groupId": event.group_id,
        "timestamp": event.timestamp.to_string(),
        "receivedAt": applied.received_at.to_string(),
        "source": applied.source,
        "delivery": applied.at_least_once.then_some("at_least_once"),
        "channel": channel,
        "timeline": applied.timeline.0,
        "properties": raw(event.properties.as_deref()),
        "traits": raw(event.traits.as_deref()),
        "context": raw(event.context.as_deref()),
        "rest": raw(event.rest.as_deref()),
    })
}

fn events(
    node: &Node,
    from: u64,
    limit: usize,
    wait_ms: u64,
    facts: bool,
    filter: &EventFilter,
) -> Result<Value, Failure> {
    let mut history = node.history(from);
    // A page is whole journal entries, so that the cursor is one number.
    let mut items = Vec::new();
    let patience = std::time::Duration::from_millis(wait_ms.min(30_000));
    loop {
        let at_end = read_page(&mut history, limit.clamp(1, 10_000), facts, filter, &mut items)?;
        if !items.is_empty() || !at_end || wait_ms == 0 || !history.wait(patience) {
            return Ok(json!({ "items": items, "next": history.position(), "at_end": at_end }));
        }
    }
}

/// Journal entries that one page reads at most, however few of them a filter wants.
const PAGE_ENTRIES_MAX: usize = 10_000;

/// Reads on until the page is full; says whether the journal's present end was reached.
fn read_page(
    history: &mut History,
    limit: usize,
    facts: bool,
    filter: &EventFilter,
    items: &mut Vec<Value>,
) -> Result<bool, Failure> {
    for _ in 0..PAGE_ENTRIES_MAX {
        if items.len() >= limit {
            return Ok(false);
        }
        let mut push = |item: Value| {
            if filter.wants(&item) {
                items.push(item);
            }
        };
        let more = history.step(|item| match item {
            Item::Applied(applied) => push(event_json(&applied)),
            Item::Decided { entity, at, outcomes, .. } if facts => {
                outcomes.iter().filter_map(|outcome| outcome_json(entity, at, outcome)).for_each(&mut push);
            }
            Item::Skipped { intake_seq, reason, .. } if facts => push(json!({
                "type": "skipped", "position": intake_seq, "reason": reason.to_string(),
            })),
            Item::Violation { intake_seq, source, body, .. } if facts => {
                push(plan::op::violation_json(intake_seq, &source, body));
            }
            _ => {}
        })?;
        if !more {
            return Ok(true);
        }
    }
    Ok(false)
}

fn dead_letters(node: &Node, limit: usize, replayed: bool) -> Result<Value, Failure> {
    let filter =
        DeadLetterFilter { limit: Some(limit), replayed: Some(replayed), ..DeadLetterFilter::default() };
    let rows = node.reader()?.dead_letters(&filter)?;
    let mut log = node.history(1);
    let mut out = Vec::new();
    for row in rows {
        let text = match log.input(row.seq, 0)? {
            Item::Rejected { body, .. } => Some(body.raw.into_owned()),
            Item::Applied(applied) => Some(event_json(&applied).to_string()),
            _ => None,
        };
        let mut value = json!(row);
        value["raw"] = json!(text);
        out.push(value);
    }
    Ok(json!(out))
}

/// Takes dead letters as events again; those that still cannot be taken stay.
fn replay_dead_letters(node: &Node, seqs: &[u64]) -> Result<Value, Failure> {
    let filter = DeadLetterFilter { replayed: Some(false), ..DeadLetterFilter::default() };
    let rows = node.reader()?.dead_letters(&filter)?;
    let plan = plan::current(node)?;
    let sources = node.ask(|fold| {
        let workspace = fold.entity(EntityId::workspace());
        workspace.map(|entity| entity.workspace().map(|w| w.sources.clone()).unwrap_or_default())
    })??;
    let mut log = node.history(1);
    let (mut replayed, mut still_refused) = (Vec::new(), Vec::new());
    for row in rows.into_iter().filter(|row| seqs.is_empty() || seqs.contains(&row.seq)) {
        let received_at = node.clock.now();
        let records = match log.input(row.seq, 0)? {
            Item::Rejected { body, received_at, .. } if body.place.starts_with(webhook::PATH) => {
                let name = &body.place[webhook::PATH.len()..];
                match webhook::connected(node)?.get(name) {
                    Some(hook) => hook
                        .replay(node, plan.as_ref(), &body.raw, received_at)?
                        .map(|events| events.records)
                        .map_err(|refusal| refusal.reason),
                    None => Err(format!("no webhook {name} is connected")),
                }
            }
            Item::Rejected { body, received_at, .. } if body.place.starts_with(broker::PLACE) => {
                broker::replay(node, &body.place, &body.raw, received_at)?
            }
            Item::Rejected { body, source, .. } => {
                // What its key may not tell, nobody else tells in its name.
                let only_customers = sources.get(&*source).is_some_and(|s| s.allowed.only_customers);
                let origin = Origin { source: &source, place: &body.place, received_at, only_customers };
                replay::again(node, plan.as_ref(), origin, &body, row.seq)?
            }
            // It was sound and its fold failed: it goes in again under the same message, which was not applied.
            Item::Applied(applied) => {
                let dedupe = Dedupe::None;
                let timeline = TimelineId::LIVE;
                Ok(vec![node.seal_event(&applied.source, timeline, received_at, dedupe, &applied.event)?])
            }
            _ => Err("its text is not readable any more".to_owned()),
        };
        match records {
            Ok(records) => {
                if !records.is_empty() {
                    node.submit_and_wait(row.source.as_deref().unwrap_or("dead letters"), records)?;
                }
                node.command(EntityId::workspace(), Command::NoteDeadLetterReplayed { seq: row.seq })?;
                replayed.push(row.seq);
            }
            Err(why) => still_refused.push(json!({ "seq": row.seq, "reason": why })),
        }
    }
    node.drain()?;
    Ok(json!({ "replayed": replayed, "still_refused": still_refused }))
}

fn create_key(node: &Node, name: &str, allowed: model::Allowed) -> Result<Value, Failure> {
    if name.is_empty() || name.len() > 64 || name.contains(':') {
        return Err(Failure::new(Kind::Usage, "bad-key-name").with("name", name));
    }
    let key = crate::keys::new_write_key();
    let command =
        Command::CreateSource { source: name.to_owned(), key_hash: crate::keys::hash_write_key(&key) };
    refused(&node.command(EntityId::workspace(), command)?, Kind::Conflict)?;
    if allowed != model::Allowed::default() {
        let command = Command::AllowSource { source: name.to_owned(), allowed };
        refused(&node.command(EntityId::workspace(), command)?, Kind::Conflict)?;
    }
    node.drain()?;
    let model::Allowed { promises, orders, only_customers } = allowed;
    Ok(json!({
        "name": name, "write_key": key,
        "promises": promises, "orders": orders, "only_customers": only_customers,
    }))
}

fn connect_webhook(node: &Node, name: String, map: String, secret: Option<String>) -> Result<Value, Failure> {
    webhook::check_name(&name)?;
    let parsed = Map::parse(&map, &name)?;
    let wanted = name.clone();
    let known = node.ask(move |fold| {
        fold.entity(EntityId::workspace()).map(|entity| {
            entity.workspace().and_then(|w| w.webhooks.get(&wanted)).map(|hook| hook.secret.clone())
        })
    })??;
    let given = secret.filter(|secret| !secret.is_empty());
    // A new map alone changes neither the address nor who may tell.
    let kept = given.is_none() && known.is_some();
    let secret = given.or(known).unwrap_or_else(|| crate::keys::random_hex(24));
    let path = match parsed.is_signed() {
        true => format!("{}{name}", webhook::PATH),
        false => format!("{}{name}/{secret}", webhook::PATH),
    };
    let command = Command::ConnectWebhook { name: name.clone(), map, secret: secret.clone() };
    refused(&node.command(EntityId::workspace(), command)?, Kind::Conflict)?;
    node.drain()?;
    Ok(json!({ "name": name, "path": path, "signed": parsed.is_signed(), "secret": secret, "kept": kept }))
}

fn list_webhooks(node: &Node) -> Result<Value, Failure> {
    let hooks = node.ask(|fold| {
        fold.entity(EntityId::workspace()).map(|entity| {
            let hooks = entity.workspace().map(|w| w.webhooks.clone()).unwrap_or_default();
            hooks.into_iter().map(|(name, hook)| (name, hook.map, hook.connected_at)).collect::<Vec<_>>()
        })
    })??;
    // The secret was shown once, and the path of a system that does not sign would tell it.
    let row = |(name, map, at): (String, String, Time)| {
        let parsed = Map::parse(&map, &name);
        let problem = parsed.as_ref().err().map(ToString::to_string);
        let parsed = parsed.ok();
        json!({
            "name": name, "source": parsed.as_ref().map(|map| map.source().to_owned()),
            "signed": parsed.map(|map| map.is_signed()), "connected_at": at.to_string(), "problem": problem,
        })
    };
    Ok(hooks.into_iter().map(row).collect())
}

/// A command that moved nothing says why.
fn refused(outcomes: &[Outcome], kind: Kind) -> Result<(), Failure> {
    match outcomes.iter().find_map(|o| if let Outcome::Ignored { reason } = o { Some(reason) } else { None })
    {
        Some(reason) => Err(Failure::new(kind, "refused").with("reason", reason)),
        None => Ok(()),
    }
}

fn import_start(node: &Node, name: String) -> Result<Value, Failure> {
    let outcomes = node.command(EntityId::workspace(), Command::StartImport { name: name.clone() })?;
    let timeline = outcomes.iter().find_map(|outcome| match outcome {
        Outcome::Fact(Fact::ImportStarted { timeline, .. }) => Some(*timeline),
        _ => None,
    });
    timeline
        .map(|timeline| json!({ "import": name, "timeline": timeline }))
        .ok_or_else(|| Failure::new(Kind::Conflict, "refused").with("reason", &name))
}

fn import_append(node: &Node, name: &str, timeline: u32, items: &[ImportItem]) -> Result<Value, Failure> {
    // History has time; what happens now has not.
    while node.backlog() > IMPORT_BACKLOG_MAX {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let source = import_source(name);
    let received_at = node.clock.now();
    let hashes: Vec<DedupeHash> =
        items.iter().map(|item| node.keys.hash_message(&source, &item.key)).collect();
    let known = node.are_permanent(hashes)?;
    let plan = plan::current(node)?;
    let mut records = Vec::with_capacity(items.len());
    let mut appended = 0;
    let mut refused = Vec::new();
    for (item, _) in items.iter().zip(known).filter(|(_, known)| !known) {
        let mut refuse = |code: Code, reason: String, key: Option<KeyId>| {
            let (place, raw) = (item.key.clone(), item.json.clone());
            refused.push((BadImportRow { place, code: code.name().to_owned(), reason, raw }, key));
        };
        let fresh = || item.key.clone();
        let event = match dialect::parse_line(&item.json, IMPORT_EVENT_BYTES_MAX, item.at, fresh).1 {
            Parsed::Event { event, .. } => event,
            Parsed::Refused(why) => {
                refuse(why.code, why.detail, None);
                continue;
            }
        };
        let timeline = TimelineId(timeline);
        let door = Door { source: &source, timeline, received_at, named: Named::Permanent(&item.key) };
        match admit(node, plan.as_ref(), door, &event)? {
            Admitted::Taken { event, violation } => {
                appended += 1;
                records.push(event);
                records.extend(violation);
            }
            Admitted::Blocked { violation, detail, key } => {
                records.push(violation);
                refuse(Code::PlanViolation, detail, Some(key));
            }
        }
    }
    if !records.is_empty() {
        node.submit_and_wait(&source, records)?;
    }
    let rejected = refused.len();
    import_reject(node, name, refused)?;
    Ok(json!({ "appended": appended, "known": items.len() - appended - rejected, "refused": rejected }))
}

/// Keeps rows as dead letters, for whom the key is of where it is known.
fn import_reject(
    node: &Node,
    name: &str,
    rows: Vec<(BadImportRow, Option<KeyId>)>,
) -> Result<Value, Failure> {
    let source = import_source(name);
    let received_at = node.clock.now();
    let hash = |row: &BadImportRow| {
        let text = format!("{} {}", row.place, row.raw);
        node.keys.hash_message(&format!("refused {source}"), &text)
    };
    let known = node.are_permanent(rows.iter().map(|(row, _)| hash(row)).collect())?;
    let mut records = Vec::new();
    for (row, key) in rows.iter().zip(known).filter_map(|(row, known)| (!known).then_some(row)) {
        let body = RejectedBody {
            code: row.code.as_str().into(),
            reason: row.reason.as_str().into(),
            place: row.place.as_str().into(),
            raw: row.raw.as_str().into(),
        };
        let dedupe = Dedupe::Permanent(hash(row));
        let key = key.unwrap_or_else(|| node.key_for(None, received_at));
        records.push(node.seal_rejected(&source, received_at, key, dedupe, &body)?);
    }
    let kept = records.len();
    if !records.is_empty() {
        node.submit_and_wait(&source, records)?;
    }
    Ok(json!({ "kept": kept }))
}
