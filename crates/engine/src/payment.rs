//! What is paid for an order, as far as the engine runs it: what was asked of the payment system and what it said.

use model::{Currency, Money, PaymentState, PaymentStep};
use serde::{Deserialize, Serialize};

/// Amounts are in the minor unit of one currency and never fall; `owed` alone may.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Payment {
    pub currency: Currency,
    /// What the customer owes in all; nothing once the order is called off or all of it is back.
    pub owed: i64,
    pub authorisation_asked: i64,
    pub authorised: i64,
    pub capture_asked: i64,
    pub captured: i64,
    pub refund_asked: i64,
    pub refunded: i64,
    pub void_asked: bool,
    pub voided: bool,
    pub failed: bool,
    /// The payment system's own name for the authorisation.
    pub reference: Option<String>,
}

impl Payment {
    pub fn new(currency: Currency) -> Self {
        Payment {
            currency,
            owed: 0,
            authorisation_asked: 0,
            authorised: 0,
            capture_asked: 0,
            captured: 0,
            refund_asked: 0,
            refunded: 0,
            void_asked: false,
            voided: false,
            failed: false,
            reference: None,
        }
    }

    pub fn state(&self) -> PaymentState {
        match self {
            _ if self.refunded > 0 && self.refunded >= self.captured => PaymentState::Refunded,
            _ if self.refunded > 0 => PaymentState::PartlyRefunded,
            _ if self.captured > 0 && self.captured >= self.capture_asked => PaymentState::Captured,
            _ if self.captured > 0 => PaymentState::PartlyCaptured,
            _ if self.failed => PaymentState::Failed,
            _ if self.voided => PaymentState::Voided,
            _ if self.authorised > 0 && self.authorised >= self.authorisation_asked => {
                PaymentState::Authorised
            }
            _ => PaymentState::Requested,
        }
    }

    /// Whether what is owed may be taken.
    pub fn is_covered(&self) -> bool {
        !self.failed && !self.voided && self.authorised >= self.owed
    }

    /// Whether nothing more can come of it.
    pub fn is_over(&self) -> bool {
        self.failed || self.voided || self.void_asked
    }

    pub fn money(&self, minor: i64) -> Money {
        Money { minor, currency: self.currency }
    }

    /// Counts a step in. An amount in another currency than the payment's is none.
    pub fn step(&mut self, step: PaymentStep, amount: Option<Money>, reference: Option<&str>) {
        let amount =
            amount.filter(|amount| amount.currency == self.currency).map(|amount| amount.minor.max(0));
        let add = |to: &mut i64, otherwise: i64| *to = to.saturating_add(amount.unwrap_or(otherwise));
        match step {
            PaymentStep::AuthorisationAsked => add(&mut self.authorisation_asked, 0),
            PaymentStep::Authorised => {
                let rest = self.authorisation_asked.saturating_sub(self.authorised).max(0);
                add(&mut self.authorised, rest);
                if let Some(reference) = reference {
                    self.reference = Some(reference.to_owned());
                }
            }
            PaymentStep::CaptureAsked => add(&mut self.capture_asked, 0),
            PaymentStep::RefundAsked => add(&mut self.refund_asked, 0),
            PaymentStep::VoidAsked => self.void_asked = true,
            PaymentStep::Voided => self.voided = true,
            PaymentStep::Failed => self.failed = true,
            PaymentStep::Owed => self.owed = amount.unwrap_or(self.owed),
        }
    }

    /// The payment system took so much; all that was asked for where it does not say.
    pub fn capture(&mut self, amount: Option<Money>) {
        let rest = self.capture_asked.saturating_sub(self.captured).max(0);
        self.captured = self.captured.saturating_add(self.told(amount, rest));
    }

    /// It gave so much back.
    pub fn refund(&mut self, amount: Option<Money>) {
        let rest = self.refund_asked.saturating_sub(self.refunded).max(0);
        self.refunded = self.refunded.saturating_add(self.told(amount, rest));
    }

    fn told(&self, amount: Option<Money>, rest: i64) -> i64 {
        match amount {
            Some(amount) if amount.currency == self.currency => amount.minor.max(0),
            _ => rest,
        }
    }
}
