//! What is handed to a way, and a message to a customer with its links in it.

use model::connection::{Link, LinkPurpose, Message, MessageClass};
use model::{Effect, EffectKind, EntityId, Time};
use serde_json::{Value, json};

/// Makes the signed address of a link for a customer, at a time.
pub type LinkMaker = dyn Fn(&Link, EntityId, Time) -> String + Send + Sync;

/// Where a message has its link.
const PLACEHOLDER: &str = "{link}";

/// One effect on its way out.
#[derive(Clone, Copy)]
pub struct Parcel<'a> {
    pub effect: &'a Effect,
    /// Whose it is.
    pub owner: EntityId,
    /// Of the attempt.
    pub now: Time,
    /// Needed for messages alone, and only for those with a link.
    pub links: Option<&'a LinkMaker>,
}

/// Why nothing can be said.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SayError {
    #[error("its body is not a message: {0}")]
    Unreadable(String),
    #[error("it needs a signed link, and nobody here signs")]
    NoLinks,
}

/// A message as the customer reads it.
#[derive(Clone, PartialEq, Debug)]
pub struct Said {
    /// With the address where the text has a place for it.
    pub message: Message,
    /// What its link leads to.
    pub url: Option<String>,
    /// The way out of advertising.
    pub unsubscribe_url: Option<String>,
}

impl Said {
    /// Puts the addresses in.
    pub fn new(
        mut message: Message,
        owner: EntityId,
        now: Time,
        links: Option<&LinkMaker>,
    ) -> Result<Self, SayError> {
        let sign = |link: &Link| links.map(|links| links(link, owner, now)).ok_or(SayError::NoLinks);
        let url = message.link.as_ref().map(sign).transpose()?;
        let out = Link { purpose: LinkPurpose::Unsubscribe, about: owner.to_string() };
        let advertising = message.class == MessageClass::Advertising;
        let unsubscribe_url = advertising.then(|| sign(&out)).transpose()?;
        message.text = message.text.replace(PLACEHOLDER, url.as_deref().unwrap_or_default());
        Ok(Said { message, url, unsubscribe_url })
    }
}

/// The message that an effect says.
pub(crate) fn message_of(effect: &Effect) -> Result<Message, SayError> {
    let body = effect.body.as_deref().unwrap_or_default();
    serde_json::from_str(body).map_err(|error| SayError::Unreadable(error.to_string()))
}

impl Parcel<'_> {
    pub(crate) fn said(&self) -> Result<Said, SayError> {
        Said::new(message_of(self.effect)?, self.owner, self.now, self.links)
    }

    /// What a system reads that is told of it: [`crate::document`], and of a message its addresses.
    pub(crate) fn document(&self) -> Result<Value, SayError> {
        let mut document = crate::document(self.effect);
        if self.effect.kind == EffectKind::MessageSend {
            let Said { message, url, unsubscribe_url } = self.said()?;
            let mut data = serde_json::to_value(&message).expect("plain data serialises");
            data["url"] = json!(url);
            data["unsubscribe_url"] = json!(unsubscribe_url);
            document["customer"] = json!(self.owner.to_string());
            document["data"] = data;
        }
        Ok(document)
    }
}
