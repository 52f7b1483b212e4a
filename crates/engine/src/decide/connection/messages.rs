//! What is said to a customer: put together here, sent by the channels, and asked about once more before it leaves.

use model::connection::{ConnectionFact, Consent, Link, Message, MessageClass};
use model::{Effect, EffectKind, Money, Outcome, Time};

use super::super::Decision;
use crate::connection::{NeedRecord, is_quiet, micros_of};
use crate::playbook::{Placeholders, Playbook, day_text, fill, money_text};

/// What a message speaks of.
#[derive(Clone, Default)]
pub(super) struct Says {
    pub(super) item: Option<String>,
    pub(super) price: Option<Money>,
    pub(super) due: Option<Time>,
    pub(super) until: Option<Time>,
    pub(super) days: Option<f64>,
    /// The texts of steps, in both languages.
    pub(super) steps: Vec<crate::playbook::Texts>,
    pub(super) why: Option<String>,
    pub(super) compensation: Option<Money>,
    pub(super) link: Option<Link>,
    pub(super) need_id: Option<String>,
    pub(super) decision_id: Option<String>,
}

impl Decision<'_> {
    /// Tells the customer of a need, or asks about it, without having been asked.
    pub(super) fn raise(&mut self, playbook: &Playbook, template: &str, record: &NeedRecord, says: Says) {
        let need_id = record.need.need_id.clone();
        let key = match record.raised {
            0 => need_id.clone(),
            before => format!("{need_id}~{}", before + 1),
        };
        if let Some(message_id) = self.say(playbook, template, &key, says) {
            self.tell(ConnectionFact::NeedRaised { need_id, message_id, at: self.context.now });
        }
    }

    /// Asks for a message by a playbook's template: by the version that what it is about began with, which may not be
    /// the one that holds now. One of the same key is asked for once. Returns its name, where it was asked for now.
    pub(super) fn say(
        &mut self,
        playbook: &Playbook,
        template: &str,
        key: &str,
        says: Says,
    ) -> Option<String> {
        let category = playbook.category.as_str();
        let Some(text) = playbook.messages.get(template) else {
            self.ignore(format!("playbook {} has no message {template}", playbook.playbook));
            return None;
        };
        let key = format!("{}/message/{}/{template}/{key}", self.customer.id, playbook.playbook);
        if self.customer.effects.contains_key(&key) {
            return None;
        }
        let (language, zone) = (self.language(), self.time_zone());
        let mut values = Placeholders::new();
        let day = |at: Time, hour: bool| day_text(at, &zone, &language, hour);
        values.insert("item", says.item.clone().unwrap_or_default());
        values.insert("price", says.price.map(money_text).unwrap_or_default());
        values.insert("date", says.due.map(|at| day(at, false)).unwrap_or_default());
        values.insert("until", says.until.map(|at| day(at, true)).unwrap_or_default());
        values.insert("days", says.days.map(|days| format!("{:.0}", days.max(0.0))).unwrap_or_default());
        let steps: Vec<&str> = says.steps.iter().map(|step| step.in_language(&language)).collect();
        values.insert("steps", steps.join("\n"));
        values.insert("why", says.why.clone().unwrap_or_default());
        values.insert("compensation", says.compensation.map(money_text).unwrap_or_default());
        let preference = self.connection().preference(category, None);
        let channel = preference.and_then(|preference| preference.channel.clone());
        let channel = channel.unwrap_or_else(|| text.channel.clone());
        let to = self.customer.profile.text_trait("email").filter(|_| channel == "email");
        let message = Message {
            message_id: key.clone(),
            class: text.class,
            channel,
            category: category.to_owned(),
            template: format!("{}/{template}", playbook.playbook),
            subject: fill(text.subject.in_language(&language), &values),
            text: fill(text.text.in_language(&language), &values),
            language,
            to,
            link: says.link,
            need_id: says.need_id,
            decision_id: says.decision_id,
        };
        let effect = Effect {
            key: key.clone(),
            kind: EffectKind::MessageSend,
            promise_id: None,
            order_id: None,
            reason: format!("{}:{template}", playbook.playbook),
            body: Some(serde_json::to_string(&message).expect("plain data serialises")),
        };
        self.outcomes.push(if self.context.timeline.is_live() {
            Outcome::EffectRequested(effect)
        } else {
            Outcome::EffectSuppressed { effect, reason: "import".to_owned() }
        });
        Some(key)
    }

    /// In which this customer reads.
    pub(super) fn language(&self) -> String {
        let profile = &self.customer.profile;
        let said = profile.text_trait("language").or_else(|| profile.text_trait("locale"));
        match said {
            Some(said) if said.to_ascii_lowercase().starts_with("ko") => "ko".to_owned(),
            _ => "en".to_owned(),
        }
    }

    /// Messages about a category that may still be sent now; nothing where there is no cap.
    pub(super) fn messages_left(&self, category: &str, now: Time) -> Option<u32> {
        let connection = self.connection();
        let since = |days: u32| now.plus_micros(-micros_of(f64::from(days)));
        let caps = self.playbook_of(category).map_or(&[][..], |(_, playbook)| &playbook.guard_rails.caps);
        let of_playbook = caps.iter().map(|cap| {
            cap.messages.saturating_sub(connection.contacts_since(Some(category), since(cap.days)))
        });
        let of_customer =
            connection.preference(category, None).and_then(|preference| preference.cap_per_week);
        let of_customer =
            of_customer.map(|most| most.saturating_sub(connection.contacts_since(Some(category), since(7))));
        of_playbook.chain(of_customer).min()
    }

    /// Whether a message may leave now: `None` where it waits for the end of the quiet hours.
    pub(in crate::decide) fn may_say(&mut self, effect: &Effect) -> Option<Result<(), String>> {
        let body = effect.body.as_deref().unwrap_or_default();
        let Ok(message) = serde_json::from_str::<Message>(body) else {
            return Some(Err("unreadable".to_owned()));
        };
        let now = self.context.now;
        let connection = self.connection();
        let advertising = message.class == MessageClass::Advertising;
        // Who switches a playbook off wants nothing more said of its own accord; what is owed is owed.
        if advertising && self.playbook_of(&message.category).is_none() {
            return Some(Err("playbook_off".to_owned()));
        }
        if advertising && !connection.consents_to(Consent::ADVERTISING) {
            return Some(Err("no_consent".to_owned()));
        }
        // The law's caps and the playbook's hold for what we raise; a notice that is owed is owed.
        if advertising && self.messages_left(&message.category, now) == Some(0) {
            return Some(Err("cap".to_owned()));
        }
        let quiet = self
            .playbook_of(&message.category)
            .and_then(|(_, playbook)| playbook.guard_rails.quiet_hours.as_ref());
        let quiet = quiet.is_some_and(|hours| is_quiet(hours, now, &self.time_zone()));
        if advertising && quiet && !connection.consents_to(Consent::NIGHT_ADVERTISING) {
            return None;
        }
        self.tell(ConnectionFact::Contacted {
            message_id: message.message_id,
            category: message.category,
            class: message.class,
            at: now,
        });
        Some(Ok(()))
    }
}
