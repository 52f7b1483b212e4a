//! What was decided, in a line each.

use model::quote::Purpose;
use model::{EntityId, Fact, HoldId, OrderFact, Outcome, QuoteFact, SupplyFact, Time};
use serde_json::{Value, json};

/// An outcome as `tail` and the live view show it.
pub(crate) fn outcome_json(entity: EntityId, at: Time, outcome: &Outcome) -> Option<Value> {
    let (name, detail) = match outcome {
        Outcome::Fact(fact) => (fact.name().to_owned(), fact_detail(fact)),
        Outcome::EffectRequested(effect) => {
            ("effect.requested".to_owned(), format!("{} {}", effect.kind.name(), effect.reason))
        }
        Outcome::EffectSettled { key, .. } => ("effect.settled".to_owned(), key.clone()),
        Outcome::Ignored { reason } => ("input.ignored".to_owned(), reason.clone()),
        _ => return None,
    };
    let mut told = json!({
        "type": "fact", "event": name, "entity": entity.to_string(), "at": at.to_string(), "detail": detail,
    });
    if let Outcome::Fact(Fact::Quote(fact)) = outcome
        && let Some(quote) = quote_json(fact)
    {
        told["quote"] = quote;
    }
    Some(told)
}

/// What of a quote is needed to know how an order came to be.
fn quote_json(fact: &QuoteFact) -> Option<Value> {
    Some(match fact {
        QuoteFact::Asked { quote, .. } => json!({
            "quote_id": quote.quote_id,
            "is_order": matches!(quote.purpose, Purpose::Order | Purpose::OneAction(_)),
            "region": quote.region,
            "place": quote.parcels.first().map(|parcel| &parcel.place),
            "deadline": quote.terms.deadline().to_string(),
            "time_zone": quote.terms.time_zone,
            "items": quote.lines.iter().map(|line| line.quantity).sum::<f64>(),
        }),
        QuoteFact::Moved { quote_id, stage, order_id, .. } => {
            json!({ "quote_id": quote_id, "stage": stage.name(), "order_id": order_id })
        }
        _ => return None,
    })
}

fn fact_detail(fact: &Fact) -> String {
    match fact {
        Fact::OrderPlaced { order_id, .. }
        | Fact::OrderMoved { order_id, .. }
        | Fact::OrderCancelled { order_id, .. }
        | Fact::OrderRefunded { order_id, .. }
        | Fact::PaymentCaptured { order_id, .. }
        | Fact::FulfillmentMoved { order_id, .. }
        | Fact::ReviewGiven { order_id, .. } => order_id.clone(),
        Fact::PromiseInquired { terms, .. }
        | Fact::PromiseQuoted { terms, .. }
        | Fact::PromiseMade { terms, .. } => format!("{} due {}", terms.promise_id, terms.due_at),
        Fact::PromiseAtRisk { promise_id, why, .. } => format!("{promise_id} {}", why.name()),
        Fact::PromiseRevised { promise_id, due_at, .. } => format!("{promise_id} due {due_at}"),
        Fact::PromiseBroken { promise_id, cause, .. } => format!("{promise_id} {}", cause.name()),
        Fact::PromiseWithdrawn { promise_id, by, .. } => format!("{promise_id} {}", by.name()),
        Fact::PromiseRecovered { promise_id, .. }
        | Fact::PromiseKept { promise_id, .. }
        | Fact::PromiseFulfilledLate { promise_id, .. }
        | Fact::PromiseCorrected { promise_id, .. }
        | Fact::PromiseExpired { promise_id, .. } => promise_id.clone(),
        Fact::Connection(fact) => fact.about(),
        Fact::ProfileMerged { into, .. } => into.to_string(),
        Fact::SourceCreated { source, .. }
        | Fact::SourceRevoked { source, .. }
        | Fact::SourceAllowed { source, .. } => source.clone(),
        Fact::ImportStarted { name, .. }
        | Fact::WebhookConnected { name, .. }
        | Fact::WebhookDisconnected { name, .. }
        | Fact::BrokerConnected { name, .. }
        | Fact::BrokerDisconnected { name, .. }
        | Fact::OutletConnected { name, .. }
        | Fact::OutletDisconnected { name, .. }
        | Fact::OutletDisabled { name, .. } => name.clone(),
        Fact::PlanPublished { version, .. } | Fact::IdentityRulesPublished { version, .. } => {
            format!("version {version}")
        }
        Fact::ProfileParted { from, .. } => from.to_string(),
        Fact::SignalKept { about, name, .. } => format!("{about} {name}"),
        Fact::PromiseScored { promise_id, probability, .. } => format!("{promise_id} {probability:.2}"),
        Fact::Quote(fact) => quote_detail(fact),
        Fact::Supply(fact) => supply_detail(fact),
        Fact::Order(fact) => order_detail(fact),
        Fact::CampaignPlanned { plan, .. } => plan.campaign.clone(),
        Fact::CampaignEnded { campaign, .. } => campaign.clone(),
        Fact::StaffSet { account, .. } => account.name.clone(),
        Fact::StaffRemoved { name, .. } => name.clone(),
        Fact::IdentifiersParted { .. }
        | Fact::IdentifiersJoined { .. }
        | Fact::ProfileErased { .. }
        | Fact::EffectsSwitched { .. }
        | Fact::ImportFinished { .. }
        | Fact::DeadLetterReplayed { .. } => String::new(),
    }
}

fn quote_detail(fact: &QuoteFact) -> String {
    match fact {
        QuoteFact::Asked { quote, .. } => format!("{} until {}", quote.quote_id, quote.expires_at),
        QuoteFact::Answered { quote_id, hold, refused, .. } => match refused {
            Some(why) => format!("{quote_id} hold {hold} {}", why.name()),
            None => format!("{quote_id} hold {hold}"),
        },
        QuoteFact::Moved { quote_id, stage, .. } => format!("{quote_id} {}", stage.name()),
        QuoteFact::CoverChanged { quote_id, hold, short, why, .. } => {
            let short = if *short { "short" } else { "covered" };
            format!("{quote_id} hold {hold} {short} {}", why.name())
        }
        QuoteFact::Remedied { remedy, .. } => format!("{} {}", remedy.promise_id, remedy.kind.name()),
    }
}

/// Which order, and how much: neither addresses nor tokens.
fn order_detail(fact: &OrderFact) -> String {
    let order = fact.order_id().unwrap_or_default();
    match fact {
        OrderFact::Payment { amount: Some(amount), .. } => format!("{order} {amount}"),
        OrderFact::ReturnAsked { request, day, .. } => format!("{order} {} day {day}", request.return_id),
        OrderFact::ReturnMoved { return_id, .. } => format!("{order} {return_id}"),
        _ => order.to_owned(),
    }
}

fn supply_detail(fact: &SupplyFact) -> String {
    let of = |hold: &HoldId| format!("{}/{}", hold.owner, hold.number);
    match fact {
        SupplyFact::Named { name } => name.to_string(),
        SupplyFact::KeptAt { place, .. } => place.clone(),
        SupplyFact::Told { signal, .. } => signal.name().to_owned(),
        SupplyFact::HoldTaken { hold, take, .. } => format!("{} {}", of(hold), take.amount()),
        SupplyFact::HoldRefused { hold, why, .. } => format!("{} {}", of(hold), why.name()),
        SupplyFact::HoldConfirmed { hold, .. } | SupplyFact::HoldReleased { hold, .. } => of(hold),
        SupplyFact::CommitmentUsed { hold, share, .. } => format!("{} {share}", of(hold)),
        SupplyFact::CoverChanged { hold, short, why, .. } => {
            format!("{} {} {}", of(hold), if *short { "short" } else { "covered" }, why.name())
        }
        SupplyFact::ReservationMade { reservation, .. } => {
            format!("{} {} {}", reservation.id, reservation.class, reservation.quantity)
        }
        SupplyFact::ReservationEnded { reservation, .. } => reservation.clone(),
        SupplyFact::GoodsLeft { hold, quantity, .. } => format!("{} {quantity}", of(hold)),
    }
}
