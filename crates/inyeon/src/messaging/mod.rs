//! What was said to customers, and the ways by which it is said.

pub mod cmd;

use channels::Said;
use engine::EffectState;
use model::connection::{ConnectionCommand, Consent, Message};
use model::{EffectKind, EntityId, Identifier, Time};
use runtime::{Fold, FoldError, Node};
use serde::Serialize;
use utoipa::ToSchema;

use crate::error::Failure;
use crate::links::Links;

/// A message as the app of a customer shows it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct InboxMessage {
    pub message_id: String,
    /// When it was decided.
    #[schema(example = "2026-03-02T09:00:00Z")]
    pub at: Option<String>,
    /// `transactional` or `advertising`.
    pub class: String,
    /// In which category of needs it speaks.
    pub category: String,
    /// By which channel it was to go; `inbox` is this list.
    pub channel: String,
    /// `done`, `started` while it is on its way, `failed` where its channel did not take it, `unknown` where nobody
    /// knows.
    pub state: String,
    pub language: String,
    pub subject: String,
    /// Plain text, with the address where it has one.
    pub text: String,
    /// What it leads to.
    pub url: Option<String>,
    /// The way out of advertising.
    pub unsubscribe_url: Option<String>,
    pub need_id: Option<String>,
    pub decision_id: Option<String>,
}

/// Whose, under which key, what, and how it stands.
type Found = (EntityId, String, Message, EffectState);

/// What was said to a customer by any channel, newest first; `None` where nobody of this name is known.
pub fn inbox(
    node: &Node,
    links: &Links,
    user_id: &str,
    limit: usize,
) -> Result<Option<Vec<InboxMessage>>, Failure> {
    let user = user_id.to_owned();
    let found = node.ask(move |fold| messages_of(fold, &user))??;
    let Some(found) = found else { return Ok(None) };
    let reader = node.reader()?;
    let mut times = std::collections::BTreeMap::new();
    let homes: std::collections::BTreeSet<EntityId> = found.iter().map(|(home, ..)| *home).collect();
    for home in homes {
        let filter = views::EffectFilter { entity: Some(home), ..views::EffectFilter::default() };
        times.extend(reader.effects(&filter)?.into_iter().map(|row| (row.key, row.first_at)));
    }
    let mut found: Vec<(Option<Time>, Found)> =
        found.into_iter().map(|found| (times.get(&found.1).copied(), found)).collect();
    // What the views do not show yet is new.
    found.sort_by(|(a, (_, one, ..)), (b, (_, other, ..))| {
        let newest = |at: &Option<Time>| at.unwrap_or(Time(i64::MAX));
        newest(b).cmp(&newest(a)).then_with(|| other.cmp(one))
    });
    let now = node.clock.now();
    let links = links.clone();
    let sign = move |link: &_, owner, at| links.sign(link, owner, at);
    let shown = found.into_iter().take(limit).filter_map(|(at, (home, _, message, state))| {
        let said = Said::new(message, home, now, Some(&sign)).ok()?;
        Some(shown(at, said, state))
    });
    Ok(Some(shown.collect()))
}

fn messages_of(fold: &mut Fold, user_id: &str) -> Result<Option<Vec<Found>>, FoldError> {
    let Some(customer) = fold.lookup(&Identifier::User(user_id))? else { return Ok(None) };
    let mut found = Vec::new();
    for home in fold.person(customer)? {
        let Some(customer) = fold.entity(home)?.customer() else { continue };
        for (key, record) in &customer.effects {
            let left = !matches!(record.state, EffectState::Requested | EffectState::Suppressed);
            let body =
                record.effect.body.as_deref().filter(|_| record.effect.kind == EffectKind::MessageSend);
            let message = body.filter(|_| left).and_then(|body| serde_json::from_str(body).ok());
            found.extend(message.map(|message| (home, key.clone(), message, record.state)));
        }
    }
    Ok(Some(found))
}

fn shown(at: Option<Time>, said: Said, state: EffectState) -> InboxMessage {
    let Said { message, url, unsubscribe_url } = said;
    InboxMessage {
        message_id: message.message_id,
        at: at.map(|at| at.to_string()),
        class: message.class.name().to_owned(),
        category: message.category,
        channel: message.channel,
        state: state.name().to_owned(),
        language: message.language,
        subject: message.subject,
        text: message.text,
        url,
        unsubscribe_url,
        need_id: message.need_id,
        decision_id: message.decision_id,
    }
}

/// A customer wants no more advertising, by a link in it. Asked for twice, it is withdrawn once.
pub fn unsubscribe(fold: &mut Fold, customer: EntityId, now: Time) -> Result<(), FoldError> {
    let head = fold.head(customer)?;
    let consents = |fold: &mut Fold| -> Result<bool, FoldError> {
        let customer = fold.entity(head)?.customer();
        Ok(customer.is_some_and(|customer| customer.connection.consents_to(Consent::ADVERTISING)))
    };
    if consents(fold)? {
        let consent = Consent {
            purpose: Consent::ADVERTISING.to_owned(),
            given: false,
            at: now,
            notice: Some("unsubscribe_link".to_owned()),
            jurisdiction: None,
        };
        fold.connect(head, &ConnectionCommand::SetConsent(consent), now)?;
    }
    Ok(())
}
