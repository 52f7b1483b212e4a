//! The types of identifiers: how many of each a person may have, which of two ties holds, and which values are
//! nobody's name.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use model::{Event, EventKind, Identifier};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::evolve::TraitList;

/// One type of identifier.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct TypeRule {
    /// How many of this type one person may have. With 0 the type ties nobody to anybody.
    pub limit: u32,
    /// Where not every tie can hold, those of a type with a lower number come first.
    pub priority: u32,
    /// Where events say it: `traits.NAME`, or `external.TYPE` for an entry of `context.externalIds`.
    pub from: Vec<String>,
    pub form: Form,
    /// Values that are nobody's name, besides those of every type; compared without regard to case.
    pub blocked: BTreeSet<String>,
}

/// How a value is written before it is compared.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    AsItIs,
    /// Trimmed and in lower case; must have an `@` between two texts.
    Email,
    /// Digits, with a leading `+` where there was one; at least five.
    Phone,
}

/// Which identifiers tie people together.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Rules {
    types: BTreeMap<String, TypeRule>,
    /// Values that are nobody's name, whatever the type.
    blocked: BTreeSet<String>,
}

/// The text is no set of rules.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RulesError {
    #[error("{0}")]
    Shape(String),
    #[error("types.{kind}: {detail}")]
    Type { kind: String, detail: String },
}

/// Values that stand for "nobody" wherever programs print what they do not have.
const NOBODY: [&str; 16] = [
    "null",
    "(null)",
    "none",
    "nil",
    "undefined",
    "nan",
    "n/a",
    "na",
    "guest",
    "anonymous",
    "anon",
    "unknown",
    "-1",
    "true",
    "false",
    "[object object]",
];
/// Addresses and names that stand in many databases for an address nobody gave.
const NOBODYS_ADDRESS: [&str; 4] = ["test@test.com", "none@none.com", "noemail@noemail.com", "a@a.com"];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(default)]
    types: BTreeMap<String, Stated>,
    /// In the place of the built-in ones.
    blocked: Option<Vec<String>>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct Stated {
    limit: Option<u32>,
    priority: Option<u32>,
    from: Option<Vec<String>>,
    form: Option<Form>,
    blocked: Option<Vec<String>>,
}

impl Default for Rules {
    fn default() -> Self {
        let rule = |limit, priority, from: &[&str], form, blocked: &[&str]| TypeRule {
            limit,
            priority,
            from: from.iter().map(ToString::to_string).collect(),
            form,
            blocked: blocked.iter().map(ToString::to_string).collect(),
        };
        let types = [
            ("user", rule(1, 1, &[], Form::AsItIs, &[])),
            ("order", rule(1_000_000, 2, &[], Form::AsItIs, &[])),
            ("promise", rule(1_000_000, 2, &[], Form::AsItIs, &[])),
            ("card", rule(5, 3, &["traits.loyalty_card", "external.loyalty_card"], Form::AsItIs, &[])),
            ("email", rule(5, 4, &["traits.email", "external.email"], Form::Email, &NOBODYS_ADDRESS)),
            ("phone", rule(5, 5, &["traits.phone", "external.phone"], Form::Phone, &[])),
            ("device", rule(20, 6, &["external.device"], Form::AsItIs, &[])),
            ("anonymous", rule(100, 7, &[], Form::AsItIs, &[])),
        ];
        Rules {
            types: types.into_iter().map(|(name, rule)| (name.to_owned(), rule)).collect(),
            blocked: NOBODY.iter().map(ToString::to_string).collect(),
        }
    }
}

impl Rules {
    /// Reads rules from JSON; what they do not state stays as it is built in.
    pub fn parse(json: &str) -> Result<Rules, RulesError> {
        let document: Document =
            serde_json::from_str(json).map_err(|error| RulesError::Shape(error.to_string()))?;
        let mut rules = Rules::default();
        if let Some(blocked) = document.blocked {
            rules.blocked = blocked.iter().map(|value| value.trim().to_lowercase()).collect();
        }
        for (kind, stated) in document.types {
            let wrong = |detail: String| RulesError::Type { kind: kind.clone(), detail };
            let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
            if kind.is_empty() || kind.len() > 40 || !kind.chars().all(plain) {
                return Err(wrong("a type's name is up to 40 of a-z, 0-9 and _".to_owned()));
            }
            if matches!(kind.as_str(), "order" | "promise") {
                return Err(wrong(
                    "orders and promises have no rules: the first to have one owns it".to_owned(),
                ));
            }
            for place in stated.from.iter().flatten() {
                let known = place.strip_prefix("traits.").or_else(|| place.strip_prefix("external."));
                if known.is_none_or(str::is_empty) {
                    return Err(wrong(format!("from: {place} is neither traits.NAME nor external.TYPE")));
                }
            }
            let built_in = matches!(kind.as_str(), "user" | "anonymous");
            if built_in && (stated.from.is_some() || stated.form.is_some()) {
                return Err(wrong(
                    "from, form: it stands in the event itself, and counts as it stands".to_owned(),
                ));
            }
            if kind == "user" && stated.limit == Some(0) {
                return Err(wrong("limit: a person has at least one".to_owned()));
            }
            let rule = rules.types.entry(kind).or_insert_with(|| TypeRule {
                limit: 5,
                priority: 5,
                from: Vec::new(),
                form: Form::AsItIs,
                blocked: BTreeSet::new(),
            });
            rule.limit = stated.limit.unwrap_or(rule.limit);
            rule.priority = stated.priority.unwrap_or(rule.priority);
            rule.form = stated.form.unwrap_or(rule.form);
            if let Some(from) = stated.from {
                rule.from = from;
            }
            if let Some(blocked) = stated.blocked {
                let written =
                    |value: &String| rule.form.write(value.trim()).map(|value| value.to_lowercase());
                rule.blocked = blocked.iter().filter_map(written).collect();
            }
        }
        Ok(rules)
    }

    pub fn types(&self) -> impl Iterator<Item = (&str, &TypeRule)> {
        self.types.iter().map(|(name, rule)| (name.as_str(), rule))
    }

    /// A type's limit and priority. A type that the rules no longer name ties nobody.
    pub fn of(&self, kind: &str) -> (u32, u32) {
        self.types.get(kind).map_or((0, u32::MAX), |rule| (rule.limit, rule.priority))
    }

    /// The value as it is compared; `None` where it is nobody's name.
    pub fn name<'v>(&self, kind: &str, value: &'v str) -> Option<Cow<'v, str>> {
        let rule = self.types.get(kind);
        let form = rule.map_or(Form::AsItIs, |rule| rule.form);
        let written = form.write(value)?;
        if self.is_nobody(&written) || rule.is_some_and(|rule| holds(&rule.blocked, &written)) {
            return None;
        }
        Some(written)
    }

    fn is_nobody(&self, value: &str) -> bool {
        let value = value.trim();
        // Zeros in any grouping: 0, 0000, 00000000-0000-0000-0000-000000000000.
        value.chars().all(|c| matches!(c, '0' | '-')) || holds(&self.blocked, value)
    }

    /// The identifiers of an event's own user and device.
    pub fn read_home<'e>(&self, event: &'e Event<'_>) -> Identifiers<'e> {
        let own = |kind, value: &'e Option<Cow<'_, str>>| self.name(kind, value.as_deref()?);
        Identifiers {
            user: own("user", &event.user_id),
            anonymous: own("anonymous", &event.anonymous_id),
            others: Vec::new(),
        }
    }

    /// The identifiers that an event names.
    pub fn read<'e>(&self, event: &'e Event<'_>) -> Identifiers<'e> {
        let mut found = self.read_home(event);
        if event.kind == EventKind::Identify
            && let Some(traits) = &event.traits
            && let Ok(TraitList(stated)) = serde_json::from_str::<TraitList<'_>>(traits)
        {
            for (name, value) in stated {
                if let Some(value) = scalar(value) {
                    self.add(&mut found.others, "traits.", &name, &value);
                }
            }
        }
        if let Some(context) = event.context.as_deref()
            && context.contains("\"externalId")
            && let Ok(context) = serde_json::from_str::<External>(context)
        {
            for id in context.ids.into_iter().chain(context.id).flatten() {
                let Ok(id) = serde_json::from_str::<ExternalId<'_>>(id.get()) else { continue };
                if let Some(value) = scalar(id.id) {
                    self.add(&mut found.others, "external.", &id.kind, &value);
                }
            }
        }
        found
    }

    fn add(&self, to: &mut Vec<(String, String)>, place: &str, name: &str, value: &str) {
        for (kind, rule) in &self.types {
            let here = rule.from.iter().any(|from| from.strip_prefix(place) == Some(name));
            if here
                && rule.limit > 0
                && value.len() <= VALUE_MAX
                && let Some(value) = self.name(kind, value)
            {
                let found = (kind.clone(), value.into_owned());
                if !to.contains(&found) && to.len() < OTHERS_MAX {
                    to.push(found);
                }
            }
        }
    }
}

/// Longer texts are no identifiers.
const VALUE_MAX: usize = 512;
/// Identifiers taken from one event, besides the user's and the device's.
const OTHERS_MAX: usize = 16;

fn holds(blocked: &BTreeSet<String>, value: &str) -> bool {
    let value = value.trim();
    // Most values are ASCII and longer than what is blocked: nothing is copied for them.
    match value.is_ascii() {
        true => blocked.iter().any(|of| of.eq_ignore_ascii_case(value)),
        false => blocked.contains(&value.to_lowercase()),
    }
}

#[derive(Deserialize)]
struct External<'a> {
    #[serde(borrow, rename = "externalIds")]
    ids: Option<Vec<&'a RawValue>>,
    #[serde(borrow, rename = "externalId")]
    id: Option<Vec<&'a RawValue>>,
}

#[derive(Deserialize)]
struct ExternalId<'a> {
    #[serde(rename = "type")]
    kind: String,
    #[serde(borrow)]
    id: &'a RawValue,
}

/// A text or a number; nothing else names anybody.
fn scalar(value: &RawValue) -> Option<String> {
    match serde_json::from_str(value.get()).ok()? {
        serde_json::Value::String(text) => Some(text),
        serde_json::Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

impl Form {
    fn write(self, value: &str) -> Option<Cow<'_, str>> {
        match self {
            Form::AsItIs => Some(Cow::Borrowed(value)),
            Form::Email => {
                let (name, domain) = value.trim().rsplit_once('@')?;
                (!name.is_empty() && !domain.is_empty()).then(|| Cow::Owned(value.trim().to_lowercase()))
            }
            Form::Phone => {
                let digits: String = value.chars().filter(char::is_ascii_digit).collect();
                let one_digit = digits.bytes().all(|digit| digit == digits.as_bytes()[0]);
                if digits.len() < 5 || one_digit {
                    return None;
                }
                let plus = if value.trim_start().starts_with('+') { "+" } else { "" };
                Some(Cow::Owned(format!("{plus}{digits}")))
            }
        }
    }
}

/// What an event names, without values that are nobody's.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Identifiers<'e> {
    pub user: Option<Cow<'e, str>>,
    pub anonymous: Option<Cow<'e, str>>,
    /// (type, value) of every other.
    pub others: Vec<(String, String)>,
}

impl Identifiers<'_> {
    /// The one that the event's history is kept under.
    pub fn home(&self) -> Option<Identifier<'_>> {
        let device = || self.anonymous.as_deref().map(Identifier::Anonymous);
        self.user.as_deref().map(Identifier::User).or_else(device)
    }

    /// Those that were seen together with [`Self::home`].
    pub fn with_home(&self) -> impl Iterator<Item = Identifier<'_>> {
        let device = self.anonymous.as_deref().filter(|_| self.user.is_some()).map(Identifier::Anonymous);
        let others = self.others.iter().map(|(kind, value)| Identifier::Typed { kind, value });
        device.into_iter().chain(others)
    }
}
