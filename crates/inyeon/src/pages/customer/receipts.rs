//! Receipts: each automatic order, each step of a mandate and each word about consent, with its time and, where it
//! cost something, what was agreed and what it was.

use std::collections::BTreeMap;

use maud::{Markup, html};
use model::connection::{Action, ActionState, ConnectionFact, MandateTerms};
use model::{Fact, Money, Outcome, Time};
use runtime::{Item, Node};
use serde_json::{Value, json};

use super::View;
use super::load::Known;

/// One thing that came to pass.
pub(super) struct Receipt {
    pub(super) at: Time,
    /// The fact's name.
    pub(super) name: &'static str,
    pub(super) category: Option<String>,
    pub(super) item: Option<String>,
    pub(super) why: Option<String>,
    pub(super) price: Option<Money>,
    /// For as many, by the price that was agreed.
    pub(super) agreed: Option<Money>,
    /// The numbers by which it is known: of the mandate, the automatic order, the order.
    pub(super) about: String,
}

impl Receipt {
    pub(super) fn json(&self) -> Value {
        let money = |money: &Option<Money>| money.map(|money| json!(money));
        json!({
            "at": self.at.to_string(), "event": self.name, "about": self.about, "category": self.category,
            "item_id": self.item, "why": self.why, "price": money(&self.price), "agreed_price": money(&self.agreed),
        })
    }
}

/// Reads them from the journal, oldest first.
pub(super) fn read(node: &Node, known: &Known) -> Vec<Receipt> {
    let mut reading = Reading::default();
    for seq in &known.steps {
        let mut history = node.history(*seq);
        // What cannot be read is missing here as everywhere; the doctor says where.
        let _ = history.step(|item| {
            if let Item::Decided { entity, outcomes, .. } = item
                && known.members.contains(&entity)
            {
                outcomes.iter().for_each(|outcome| reading.outcome(outcome));
            }
        });
    }
    reading.receipts
}

#[derive(Default)]
struct Reading {
    terms: BTreeMap<String, MandateTerms>,
    actions: BTreeMap<String, Action>,
    receipts: Vec<Receipt>,
}

impl Reading {
    fn outcome(&mut self, outcome: &Outcome) {
        let Outcome::Fact(Fact::Connection(fact)) = outcome else { return };
        let (at, why) = match fact {
            ConnectionFact::ConsentSet(consent) => (consent.at, Some(consent.purpose.clone())),
            ConnectionFact::PreferenceSet(preference) => {
                (preference.at, Some(preference.strategy.name().to_owned()))
            }
            ConnectionFact::MandatePresented { terms, at, .. } => {
                self.terms.insert(terms.mandate_id.clone(), (**terms).clone());
                (*at, None)
            }
            ConnectionFact::MandateAmended { at, .. } | ConnectionFact::CreditedBack { at, .. } => {
                (*at, None)
            }
            ConnectionFact::MandateMoved { at, why, .. } => (*at, why.clone()),
            ConnectionFact::Debited { spend, .. } => (spend.at, None),
            ConnectionFact::ActionProposed { action, .. } => {
                // It is announced in the same moment, and that is what the customer is told.
                self.actions.insert(action.action_id.clone(), (**action).clone());
                return;
            }
            ConnectionFact::ActionMoved { state: ActionState::Proposed, .. } => return,
            ConnectionFact::ActionMoved { at, end, .. } => (*at, end.why.clone()),
            _ => return,
        };
        let (mandate_id, action_id) = match fact {
            ConnectionFact::MandatePresented { terms, .. } => (Some(&terms.mandate_id), None),
            ConnectionFact::MandateAmended { mandate_id, .. }
            | ConnectionFact::MandateMoved { mandate_id, .. } => (Some(mandate_id), None),
            ConnectionFact::Debited { mandate_id, spend } => (Some(mandate_id), Some(&spend.action_id)),
            ConnectionFact::CreditedBack { mandate_id, action_id, .. } => (Some(mandate_id), Some(action_id)),
            ConnectionFact::ActionMoved { action_id, .. } => (None, Some(action_id)),
            _ => (None, None),
        };
        let action = action_id.and_then(|id| self.actions.get(id));
        let terms = mandate_id.or(action.map(|action| &action.mandate_id)).and_then(|id| self.terms.get(id));
        let preferred = match fact {
            ConnectionFact::PreferenceSet(preference) => Some(preference.category.clone()),
            _ => None,
        };
        let agreed = terms.and_then(|terms| terms.price.as_ref()).zip(action).map(|(rule, action)| {
            let minor = i128::from(rule.reference.minor) * i128::from(action.quantity.0) / 1_000;
            Money { minor: i64::try_from(minor).unwrap_or(i64::MAX), ..rule.reference }
        });
        let price = match fact {
            ConnectionFact::Debited { spend, .. } => Some(spend.amount),
            _ => action.map(|action| action.price),
        };
        self.receipts.push(Receipt {
            at,
            name: fact.name(),
            category: terms.map(|terms| terms.category.clone()).or(preferred),
            item: action.map(|action| action.item_id.clone()),
            why,
            price,
            agreed,
            about: fact.about(),
        });
    }
}

pub(super) fn page(view: &View<'_>, receipts: &[Receipt]) -> Markup {
    html! {
        p.lead { (view.get("page-receipts-lead")) }
        @if receipts.is_empty() { section.card.quiet { p { (view.get("page-receipts-none")) } } }
        @else {
            ol.receipts {
                @for receipt in receipts.iter().rev() { (row(view, receipt)) }
            }
        }
    }
}

fn row(view: &View<'_>, receipt: &Receipt) -> Markup {
    let words = &view.words;
    let name = words.code("page-fact", receipt.name);
    let about = receipt.item.as_ref().map(|item| words.item(item));
    let about = about.or_else(|| receipt.category.as_ref().map(|category| words.category(category)));
    let why = receipt.why.as_ref().map(|why| match receipt.name {
        "preference.changed" => words.code("page-strategy", why),
        "consent.given" | "consent.withdrawn" => words.code("page-purpose", why),
        _ => words.code("page-cause", why.split(':').next().unwrap_or(why)),
    });
    let dearer = receipt.price.zip(receipt.agreed).map(|(price, agreed)| {
        let key = match price.minor.cmp(&agreed.minor) {
            std::cmp::Ordering::Greater => "page-receipt-dearer",
            std::cmp::Ordering::Less => "page-receipt-cheaper",
            std::cmp::Ordering::Equal => "page-receipt-same",
        };
        words.with(key, &[("agreed", words.money(agreed))])
    });
    html! {
        li.card {
            p.state { (words.moment(receipt.at)) }
            h2 { (name) @if let Some(about) = about { ": " (about) } }
            @if let Some(why) = why { p { (why) } }
            @if let Some(price) = receipt.price {
                p { strong { (words.money(price)) } @if let Some(dearer) = dearer { " · " (dearer) } }
            }
            p.number { (receipt.about) }
        }
    }
}
