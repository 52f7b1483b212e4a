//! Messages to customers that have started and not arrived: whether they may still be said.

use engine::EffectState;
use engine::connection::quiet_until;
use model::connection::{Consent, Message, MessageClass};
use model::{EntityId, Time};

use super::{Fold, FoldError};

/// Whether a message that had started may be sent now. Its receiver may have put it off for days, and the customer
/// may have thought better of it since.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StillSaid {
    Now,
    /// Not before this instant, for it is night there.
    NotBefore(Time),
    /// No more, for this reason.
    Never(&'static str),
    /// How it ended is known, or the customer is not any more.
    Over,
}

impl Fold {
    /// Asks the owner of a message that has started about one more attempt. The gate that starts it asks the same, and
    /// for the caps, which this message counts towards already.
    pub fn still_said(&mut self, owner: EntityId, key: &str, now: Time) -> Result<StillSaid, FoldError> {
        let effects_on = self.effects_on()?;
        let company = self.reference().promising.time_zone.clone();
        let Some(customer) = self.entity(owner)?.customer() else { return Ok(StillSaid::Over) };
        let started = customer.effects.get(key).filter(|record| record.state == EffectState::Started);
        let Some(record) = started.filter(|_| customer.erased_at.is_none()) else {
            return Ok(StillSaid::Over);
        };
        if !effects_on {
            return Ok(StillSaid::Never("effects_off"));
        }
        let body = record.effect.body.as_deref().unwrap_or_default();
        let Ok(message) = serde_json::from_str::<Message>(body) else {
            return Ok(StillSaid::Never("unreadable"));
        };
        if message.class != MessageClass::Advertising {
            return Ok(StillSaid::Now);
        }
        if !customer.connection.consents_to(Consent::ADVERTISING) {
            return Ok(StillSaid::Never("no_consent"));
        }
        let by_night = customer.connection.consents_to(Consent::NIGHT_ADVERTISING);
        let zone = customer.time_zone(&company);
        let playbook = self.reference().playbooks.of_category(&message.category);
        let quiet = playbook.and_then(|(_, playbook)| playbook.guard_rails.quiet_hours.as_ref());
        let from = quiet.map_or(now, |hours| quiet_until(hours, now, &zone));
        Ok(match from > now && !by_night {
            true => StillSaid::NotBefore(from),
            false => StillSaid::Now,
        })
    }
}
