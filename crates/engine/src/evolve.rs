//! `evolve`: how state follows from what counted and what was decided. A replay runs this and nothing else.

mod orders;

use std::collections::BTreeMap;

use model::{
    Allowed, BreakCause, CancelledBy, EffectResult, Event, EventKind, Fact, KeyId, MailBody, MailKey,
    OrderState, Outcome, PromiseStatus, PromiseTerms, QuoteFact, QuoteStage, RiskReason, Time, TimelineId,
};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::Entity;
use crate::customer::{
    AppliedRemedy, Customer, EarlySignal, EffectRecord, EffectState, Order, Promise, QuoteRecord, Timer,
};
use crate::identity::Identifiers;
use crate::supply::{Short, State, evolve_supply};
use crate::workspace::{
    Broker, Import, Outlet, PlannedCampaign, Published, Source, Staff, Webhook, Workspace,
};

/// An input as it reaches the profile that it was resolved to.
pub struct Observed<'a> {
    pub event: &'a Event<'a>,
    /// Whom it names; placeholders are nobody.
    pub user: Option<&'a str>,
    pub device: Option<&'a str>,
    pub source: &'a str,
    /// The key that the input is sealed with.
    pub key: KeyId,
}

impl<'a> Observed<'a> {
    /// An input by the rules that hold.
    pub fn new(event: &'a Event<'a>, named: &'a Identifiers<'_>, source: &'a str, key: KeyId) -> Self {
        Observed { event, user: named.user.as_deref(), device: named.anonymous.as_deref(), source, key }
    }
}

/// Identifiers of one kind that a home remembers; who has more is a machine.
const NAMES_OF_ONE_MAX: usize = 1_000;

/// One step of an entity's history.
pub enum Change<'a> {
    Input(&'a Observed<'a>),
    /// Something decided while the line of time `timeline` went on.
    Outcome {
        outcome: &'a Outcome,
        timeline: TimelineId,
    },
    /// A mail arrived. Arriving twice is arriving once.
    Mail {
        key: MailKey,
        body: &'a MailBody,
    },
}

/// Changes `entity` by one step. Total: every entry that was ever journalled can be applied to every state.
pub fn evolve(entity: &mut Entity, change: &Change<'_>) {
    match entity {
        Entity::Customer(customer) => evolve_customer(customer, change),
        Entity::Workspace(workspace) => {
            if let Change::Outcome { outcome: Outcome::Fact(fact), .. } = change {
                evolve_workspace(workspace, fact);
            }
        }
        Entity::Item(item) => evolve_of_supply(State::Item(item), change),
        Entity::Stock(stock) => evolve_of_supply(State::Stock(stock), change),
        Entity::Resource(resource) => evolve_of_supply(State::Resource(resource), change),
    }
}

/// What events say to supply counts as the facts that were decided of them.
fn evolve_of_supply(state: State<'_>, change: &Change<'_>) {
    if let Change::Outcome { outcome, .. } = change {
        evolve_supply(state, outcome);
    }
}

fn evolve_customer(customer: &mut Customer, change: &Change<'_>) {
    if customer.erased_at.is_some() {
        return;
    }
    match change {
        Change::Input(observed) => observe(customer, observed),
        Change::Outcome { outcome, timeline } => apply_outcome(customer, outcome, *timeline),
        // Known by its hold, not by its key: what is told twice is answered twice and changes nothing.
        Change::Mail { body: MailBody::Supply(_), .. } => {}
        Change::Mail { key, body } => {
            if customer.mails.insert(*key)
                && let MailBody::ProfileJoined { from } = body
            {
                customer.absorbed.insert(*from);
            }
        }
    }
}

fn observe(customer: &mut Customer, observed: &Observed<'_>) {
    let event = observed.event;
    customer.knows_key(observed.key);
    let profile = &mut customer.profile;
    for (ids, id) in [
        (&mut profile.user_ids, observed.user),
        (&mut profile.anonymous_ids, observed.device),
        (&mut profile.group_ids, event.group_id.as_deref()),
    ] {
        if let Some(id) = id
            && !ids.contains(id)
            && ids.len() < NAMES_OF_ONE_MAX
        {
            ids.insert(id.to_owned());
        }
    }
    profile.see(event.timestamp);
    let name = match event.kind {
        EventKind::Track => event.name.as_ref(),
        other => other.name(),
    };
    profile.count(name, 1);
    if event.kind == EventKind::Identify
        && let Some(traits) = &event.traits
    {
        let stamp = model::profile::Stamp {
            at: event.timestamp,
            tie: tie_breaker(observed.source, &event.message_id),
        };
        // What is not an object states nothing about any trait.
        if let Ok(TraitList(stated)) = serde_json::from_str::<TraitList<'_>>(traits) {
            for (name, value) in stated {
                profile.set_trait(&name, value.get(), stamp);
            }
        }
    }
}

/// A JSON object as pairs, values unparsed.
pub(crate) struct TraitList<'a>(pub(crate) Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for TraitList<'de> {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Pairs;
        impl<'de> serde::de::Visitor<'de> for Pairs {
            type Value = TraitList<'de>;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object of traits")
            }
            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut pairs = Vec::with_capacity(map.size_hint().unwrap_or(0));
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(TraitList(pairs))
            }
        }
        from.deserialize_map(Pairs)
    }
}

/// Says which of two things that happened at one time comes first. FNV-1a over source and message id: stable for
/// ever, which the standard hasher is not.
pub fn tie_breaker(source: &str, message_id: &str) -> u64 {
    let bytes = source.bytes().chain([0]).chain(message_id.bytes());
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

fn apply_outcome(customer: &mut Customer, outcome: &Outcome, timeline: TimelineId) {
    match outcome {
        Outcome::Fact(Fact::ProfileErased { at }) => customer.erase(*at),
        Outcome::Fact(fact) => apply_fact(customer, fact, timeline),
        Outcome::TimerSet { id, due, timeline, purpose } => {
            customer.next_timer = customer.next_timer.max(id.0.saturating_add(1));
            let timer = Timer { due: *due, timeline: *timeline, purpose: purpose.clone() };
            customer.timers.insert(*id, timer);
        }
        Outcome::TimerCleared { id } | Outcome::TimerFired { id } => {
            customer.timers.remove(id);
        }
        Outcome::EffectRequested(effect) => {
            set_effect(customer, effect, EffectState::Requested);
        }
        Outcome::EffectSuppressed { effect, .. } => {
            set_effect(customer, effect, EffectState::Suppressed);
        }
        Outcome::EffectStarted { key } => move_effect(customer, key, EffectState::Started),
        Outcome::EffectUnknown { key } => move_effect(customer, key, EffectState::Unknown),
        Outcome::EffectSettled { key, result } => {
            let state = match result {
                EffectResult::Done => EffectState::Done,
                EffectResult::Failed(_) => EffectState::Failed,
            };
            move_effect(customer, key, state);
        }
        Outcome::Mail { .. } | Outcome::Ignored { .. } => {}
    }
}

fn set_effect(customer: &mut Customer, effect: &model::Effect, state: EffectState) {
    customer.effects.insert(effect.key.clone(), EffectRecord { effect: effect.clone(), state });
}

fn move_effect(customer: &mut Customer, key: &str, state: EffectState) {
    if let Some(record) = customer.effects.get_mut(key) {
        record.state = state;
    }
}

fn apply_fact(customer: &mut Customer, fact: &Fact, timeline: TimelineId) {
    match fact {
        Fact::OrderPlaced { order_id, at, total, lines, .. } => {
            let order = order(customer, order_id);
            order.placed_at = Some(*at);
            order.total = *total;
            order.units = lines.iter().map(|line| line.quantity).sum();
            if order.state == OrderState::Draft {
                order.state = OrderState::Placed;
            }
        }
        Fact::OrderMoved { order_id, state, .. } => order(customer, order_id).state = *state,
        Fact::OrderCancelled { order_id, by, at, stands, .. } => {
            let order = order(customer, order_id);
            if *stands {
                order.state = OrderState::Cancelled;
            }
            order.cancelled = Some(order.cancelled.map_or((*at, *by), |known| known.min((*at, *by))));
        }
        Fact::FulfillmentMoved { order_id, state, at, fraction, .. } => {
            order(customer, order_id).reached(*state, *fraction, *at);
        }
        Fact::ReviewGiven { order_id, review_id, .. } => {
            order(customer, order_id).reviews.insert(review_id.clone());
        }
        Fact::OrderRefunded { order_id, amount, .. } => {
            if let Some(payment) = &mut order(customer, order_id).payment {
                payment.refund(*amount);
            }
        }
        Fact::PaymentCaptured { order_id, amount, .. } => {
            if let Some(payment) = &mut order(customer, order_id).payment {
                payment.capture(*amount);
            }
        }
        Fact::Connection(fact) => crate::connection::apply(&mut customer.connection, fact),
        Fact::Order(fact) => orders::apply_order(customer, fact),
        Fact::PromiseInquired { terms, .. } => begin(customer, terms, PromiseStatus::Inquired, timeline),
        Fact::PromiseQuoted { terms, .. } => begin(customer, terms, PromiseStatus::Quoted, timeline),
        Fact::PromiseMade { terms, .. } => {
            customer.early.remove(&terms.promise_id);
            begin(customer, terms, PromiseStatus::Made, timeline);
        }
        Fact::PromiseAtRisk { promise_id, why, .. } => promise(customer, promise_id, |promise| {
            // At risk already, it is for another reason now.
            if promise.status != PromiseStatus::AtRisk {
                promise.times_at_risk = promise.times_at_risk.saturating_add(1);
            }
            promise.status = PromiseStatus::AtRisk;
            promise.risk = Some(why.clone());
            if let RiskReason::Scored { probability_late, .. } = why {
                promise.probability = Some(1.0 - probability_late);
            }
        }),
        Fact::PromiseScored { promise_id, probability, act_by, .. } => {
            promise(customer, promise_id, |promise| {
                promise.probability = Some(*probability);
                promise.act_by = Some(*act_by);
            })
        }
        Fact::PromiseRecovered { promise_id, .. } => promise(customer, promise_id, |promise| {
            promise.status = PromiseStatus::Made;
            promise.risk = None;
        }),
        Fact::PromiseRevised { promise_id, version, due_at, at, .. } => {
            customer.early.remove(promise_id);
            promise(customer, promise_id, |promise| {
                promise.version = *version;
                promise.terms.due_at = *due_at;
                promise.timeline = timeline;
                promise.status = PromiseStatus::Made;
                promise.risk = None;
                promise.cause = None;
                promise.revised_at = Some(*at);
            });
        }
        Fact::PromiseKept { promise_id, at, actual } => promise(customer, promise_id, |promise| {
            promise.status = PromiseStatus::Kept;
            promise.fulfilled_at = Some(*at);
            promise.actual = *actual;
        }),
        Fact::PromiseBroken { promise_id, cause, at } => promise(customer, promise_id, |promise| {
            promise.status = PromiseStatus::Broken;
            promise.cause = Some(*cause);
            if *cause == BreakCause::Company {
                promise.ended = Some((*at, CancelledBy::Company));
            }
        }),
        Fact::PromiseFulfilledLate { promise_id, at, actual } => promise(customer, promise_id, |promise| {
            promise.fulfilled_at = Some(*at);
            promise.actual = *actual;
        }),
        Fact::PromiseCorrected { promise_id, fulfilled_at, actual, .. } => {
            promise(customer, promise_id, |promise| {
                promise.status = PromiseStatus::Kept;
                promise.fulfilled_at = Some(*fulfilled_at);
                promise.actual = *actual;
                promise.ended = None;
            });
        }
        Fact::PromiseWithdrawn { promise_id, at, by, .. } => promise(customer, promise_id, |promise| {
            if !promise.status.is_offer() {
                promise.ended = Some((*at, *by));
            }
            promise.status = PromiseStatus::Withdrawn;
        }),
        Fact::SignalKept { about, name, properties, at } => {
            let signal = EarlySignal { name: name.clone(), properties: properties.clone(), at: *at };
            customer.early.entry(about.clone()).or_default().push(signal);
        }
        Fact::PromiseExpired { promise_id, .. } => {
            promise(customer, promise_id, |promise| promise.status = PromiseStatus::Expired);
        }
        Fact::Quote(fact) => apply_quote(customer, fact),
        Fact::ProfileMerged { into, .. } => customer.merged_into = Some(*into),
        Fact::ProfileParted { .. } => customer.merged_into = None,
        // The first replaced the whole state above; the others belong to the workspace or to supply.
        Fact::ProfileErased { .. }
        | Fact::Supply(_)
        | Fact::OutletConnected { .. }
        | Fact::OutletDisconnected { .. }
        | Fact::OutletDisabled { .. }
        | Fact::SourceCreated { .. }
        | Fact::SourceRevoked { .. }
        | Fact::SourceAllowed { .. }
        | Fact::WebhookConnected { .. }
        | Fact::WebhookDisconnected { .. }
        | Fact::BrokerConnected { .. }
        | Fact::BrokerDisconnected { .. }
        | Fact::PlanPublished { .. }
        | Fact::IdentityRulesPublished { .. }
        | Fact::IdentifiersParted { .. }
        | Fact::IdentifiersJoined { .. }
        | Fact::EffectsSwitched { .. }
        | Fact::ImportStarted { .. }
        | Fact::ImportFinished { .. }
        | Fact::CampaignPlanned { .. }
        | Fact::CampaignEnded { .. }
        | Fact::StaffSet { .. }
        | Fact::StaffRemoved { .. }
        | Fact::DeadLetterReplayed { .. } => {}
    }
}

/// Ended quotes that are kept, so that whoever asks again is told the same.
const ENDED_QUOTES_MAX: usize = 64;
/// Quotes of orders that have arrived, kept for what may come back of them.
const ARRIVED_QUOTES_MAX: usize = 256;

fn apply_quote(customer: &mut Customer, fact: &QuoteFact) {
    match fact {
        QuoteFact::Asked { quote, first_hold, at } => {
            let needs = quote.needs.len();
            customer.next_hold = customer.next_hold.max(first_hold.saturating_add(needs as u64));
            forget_old_quotes(customer);
            let record = QuoteRecord {
                quote: (**quote).clone(),
                asked_at: *at,
                first_hold: *first_hold,
                stage: QuoteStage::Asking,
                answers: vec![None; needs],
                order_id: None,
                why: None,
                short: BTreeMap::new(),
            };
            customer.quotes.insert(quote.quote_id.clone(), record);
            orders::begin_draft(customer, quote);
        }
        QuoteFact::Answered { quote_id, hold, refused, .. } => {
            if let Some(record) = customer.quotes.get_mut(quote_id)
                && let Some(index) = record.index_of(*hold)
            {
                record.answers[index] = Some(refused.map_or(Ok(()), Err));
            }
        }
        QuoteFact::Moved { quote_id, stage, order_id, why, .. } => {
            if let Some(record) = customer.quotes.get_mut(quote_id) {
                record.stage = *stage;
                record.why = *why;
                if order_id.is_some() {
                    record.order_id.clone_from(order_id);
                }
                if *stage == QuoteStage::Confirming {
                    record.answers.fill(None);
                }
            }
            if stage.is_ended() {
                orders::end_draft(customer, quote_id);
            }
        }
        QuoteFact::CoverChanged { quote_id, hold, short, covered_at, why, .. } => {
            if let Some(record) = customer.quotes.get_mut(quote_id)
                && let Some(index) = record.index_of(*hold)
            {
                if *short {
                    record.short.insert(index, Short { covered_at: *covered_at, why: *why });
                } else {
                    record.short.remove(&index);
                }
            }
        }
        QuoteFact::Remedied { remedy, before_the_break, at } => {
            promise(customer, &remedy.promise_id, |promise| {
                let (remedy, times_at_risk) = (remedy.clone(), promise.times_at_risk);
                let (at, before_the_break) = (*at, *before_the_break);
                promise.remedies.push(AppliedRemedy { remedy, at, before_the_break, times_at_risk });
            });
        }
    }
}

fn forget_old_quotes(customer: &mut Customer) {
    let has_arrived = |record: &QuoteRecord| {
        let order = record.order_id.as_ref().and_then(|id| customer.orders.get(id));
        let arrived =
            |state| matches!(state, OrderState::Delivered | OrderState::Closed | OrderState::Returned);
        let promise = customer.promises.get(record.promise_id());
        record.stage == QuoteStage::Placed
            && order.is_some_and(|order| arrived(order.state))
            && promise.is_none_or(|promise| !promise.status.is_open())
    };
    let of = |which: &dyn Fn(&QuoteRecord) -> bool| -> Vec<(Time, String)> {
        let found = customer.quotes.iter().filter(|(_, record)| which(record));
        found.map(|(id, record)| (record.asked_at, id.clone())).collect()
    };
    let kinds = [(of(&|r| r.stage.is_ended()), ENDED_QUOTES_MAX), (of(&has_arrived), ARRIVED_QUOTES_MAX)];
    for (mut known, most) in kinds {
        if known.len() >= most {
            known.sort();
            for (_, id) in &known[..=known.len() - most] {
                customer.quotes.remove(id);
            }
        }
    }
}

fn order<'a>(customer: &'a mut Customer, order_id: &str) -> &'a mut Order {
    if !customer.orders.contains_key(order_id) {
        customer.orders.insert(order_id.to_owned(), Order::default());
    }
    customer.orders.get_mut(order_id).expect("just inserted")
}

fn promise(customer: &mut Customer, promise_id: &str, change: impl FnOnce(&mut Promise)) {
    if let Some(promise) = customer.promises.get_mut(promise_id) {
        change(promise);
    }
}

fn begin(customer: &mut Customer, terms: &PromiseTerms, status: PromiseStatus, timeline: TimelineId) {
    customer
        .promises
        .entry(terms.promise_id.clone())
        .and_modify(|promise| {
            promise.status = status;
            promise.terms = terms.clone();
            promise.first_due_at = terms.due_at;
            promise.probability = terms.probability;
            promise.timeline = timeline;
        })
        .or_insert_with(|| Promise {
            terms: terms.clone(),
            first_due_at: terms.due_at,
            version: 1,
            status,
            timeline,
            risk: None,
            probability: terms.probability,
            act_by: None,
            remedies: Vec::new(),
            times_at_risk: 0,
            cause: None,
            fulfilled_at: None,
            actual: None,
            revised_at: None,
            ended: None,
        });
}

fn evolve_workspace(workspace: &mut Workspace, fact: &Fact) {
    match fact {
        Fact::SourceCreated { source, key_hash, at } => {
            let allowed = Allowed::default();
            let new = Source { key_hash: *key_hash, created_at: *at, revoked_at: None, allowed };
            workspace.sources.insert(source.clone(), new);
        }
        Fact::SourceRevoked { source, at } => {
            if let Some(source) = workspace.sources.get_mut(source) {
                source.revoked_at = Some(*at);
            }
        }
        Fact::SourceAllowed { source, allowed, .. } => {
            if let Some(source) = workspace.sources.get_mut(source) {
                source.allowed = *allowed;
            }
        }
        Fact::WebhookConnected { name, map, secret, at } => {
            let webhook = Webhook { map: map.clone(), secret: secret.clone(), connected_at: *at };
            workspace.webhooks.insert(name.clone(), webhook);
        }
        Fact::WebhookDisconnected { name, .. } => {
            workspace.webhooks.remove(name);
        }
        Fact::BrokerConnected { name, settings, at } => {
            let broker = Broker { settings: settings.clone(), connected_at: *at };
            workspace.brokers.insert(name.clone(), broker);
        }
        Fact::BrokerDisconnected { name, .. } => {
            workspace.brokers.remove(name);
        }
        Fact::OutletConnected { name, settings, at } => {
            let outlet = Outlet { settings: settings.clone(), connected_at: *at, disabled: None };
            workspace.outlets.insert(name.clone(), outlet);
        }
        Fact::OutletDisconnected { name, .. } => {
            workspace.outlets.remove(name);
        }
        Fact::OutletDisabled { name, reason, .. } => {
            if let Some(outlet) = workspace.outlets.get_mut(name) {
                outlet.disabled = Some(reason.clone());
            }
        }
        Fact::PlanPublished { version, plan, at } => {
            workspace.plan = Some(Published { version: *version, text: plan.clone(), at: *at });
        }
        Fact::IdentityRulesPublished { version, rules, at } => {
            workspace.identity_rules = Some(Published { version: *version, text: rules.clone(), at: *at });
        }
        Fact::CampaignPlanned { plan, at } => {
            let planned = PlannedCampaign { plan: (**plan).clone(), at: *at, ended_at: None };
            workspace.campaigns.insert(plan.campaign.clone(), planned);
        }
        Fact::CampaignEnded { campaign, at } => {
            if let Some(planned) = workspace.campaigns.get_mut(campaign) {
                planned.ended_at = Some(*at);
                planned.plan.reserved.clear();
            }
        }
        Fact::EffectsSwitched { on, .. } => workspace.effects_on = *on,
        Fact::StaffSet { account, at } => {
            let known = workspace.staff.get(&account.name);
            let added_at = known.map_or(*at, |known| known.added_at);
            let staff = Staff { account: account.clone(), added_at, changed_at: *at };
            workspace.staff.insert(account.name.clone(), staff);
        }
        Fact::StaffRemoved { name, .. } => {
            workspace.staff.remove(name);
        }
        Fact::ImportStarted { timeline, name, at } => {
            workspace.imports.entry(name.clone()).and_modify(|import| import.finished_at = None).or_insert(
                Import {
                    timeline: TimelineId(*timeline),
                    started_at: *at,
                    finished_at: None,
                    events: 0,
                    bad_rows: 0,
                },
            );
        }
        Fact::ImportFinished { timeline, at, events, bad_rows } => {
            let of = workspace.imports.values_mut().find(|i| i.timeline == TimelineId(*timeline));
            if let Some(import) = of {
                import.finished_at = Some(*at);
                import.events = *events;
                import.bad_rows = *bad_rows;
            }
        }
        _ => {}
    }
}
