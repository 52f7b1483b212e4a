//! What the company says to a customer.

use serde::{Deserialize, Serialize};

/// Whether it is about what the customer asked for or delegated, or to win them for something.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MessageClass {
    Transactional,
    /// Sent only with consent to it, marked as what it is, and with a way out in it.
    Advertising,
}

impl MessageClass {
    pub const ALL: [MessageClass; 2] = [MessageClass::Transactional, MessageClass::Advertising];

    pub fn name(self) -> &'static str {
        match self {
            MessageClass::Transactional => "transactional",
            MessageClass::Advertising => "advertising",
        }
    }
}

/// What a link in a message is good for. Whoever sends it signs it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LinkPurpose {
    /// The customer's own page.
    Account,
    /// Choose among what is offered for a need.
    Offer,
    /// An automatic order: look at it, call it off.
    Action,
    /// A mandate: agree to it, pause, revoke.
    Mandate,
    /// No more advertising.
    Unsubscribe,
}

impl LinkPurpose {
    pub const ALL: [LinkPurpose; 5] = [
        LinkPurpose::Account,
        LinkPurpose::Offer,
        LinkPurpose::Action,
        LinkPurpose::Mandate,
        LinkPurpose::Unsubscribe,
    ];

    pub fn name(self) -> &'static str {
        match self {
            LinkPurpose::Account => "account",
            LinkPurpose::Offer => "offer",
            LinkPurpose::Action => "action",
            LinkPurpose::Mandate => "mandate",
            LinkPurpose::Unsubscribe => "unsubscribe",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|purpose| purpose.name() == name)
    }
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Link {
    pub purpose: LinkPurpose,
    /// The need, action or mandate that it is about; the customer where it is none of them.
    pub about: String,
}

/// The body of an effect that says something to a customer, as JSON.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Message {
    pub message_id: String,
    pub class: MessageClass,
    /// `email`, `inbox`, or the name of a system that is told.
    pub channel: String,
    /// In which category of needs it speaks.
    pub category: String,
    /// The playbook and the message of it.
    pub template: String,
    /// `en` or `ko`.
    pub language: String,
    /// Where the channel needs one: an address.
    pub to: Option<String>,
    pub subject: String,
    /// Plain text; `{link}` stands where the signed link goes.
    pub text: String,
    pub link: Option<Link>,
    pub need_id: Option<String>,
    pub decision_id: Option<String>,
}
