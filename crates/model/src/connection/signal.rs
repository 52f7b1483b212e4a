//! What events say about the tie between a customer and the company: the names and properties of docs/connection.md,
//! validated. What binds the customer (a mandate) can never be said by an event.

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::connection::device::DeviceSlot;
use crate::connection::need::{FrictionKind, Subject};
use crate::connection::preference::{Consent, Fallback, Preference, SHARE_MAX, Strategy};
use crate::time::Time;

#[derive(Clone, PartialEq, Debug)]
pub enum ConnectionSignal {
    PreferenceChanged(Preference),
    ConsentSet(Consent),
    DeviceRegistered {
        device_id: String,
        model: Option<String>,
        site: Option<String>,
        slots: Vec<DeviceSlot>,
    },
    DeviceGone {
        device_id: String,
    },
    /// The level of a slot; 0 is empty, 1 is full. `low` where the device says so by itself.
    Level {
        device_id: String,
        slot: String,
        level: Option<f64>,
        low: bool,
    },
    SlotReplaced {
        device_id: String,
        slot: String,
    },
    NeedStated {
        category: String,
        subject: Subject,
        arose_at: Option<Time>,
    },
    Friction {
        category: String,
        subject: Subject,
        kind: FrictionKind,
        minutes: Option<f64>,
    },
    Effort {
        category: String,
        subject: Subject,
        minutes: f64,
        steps: u32,
        inputs: u32,
        contacts: u32,
    },
    Away {
        from: Time,
        until: Time,
    },
    StepDone {
        category: String,
        step: String,
        done: bool,
    },
}

/// Why an event with a known name says nothing.
pub type Problem = (&'static str, String);

const TEXT_MAX: usize = 512;
const SLOTS_MAX: usize = 64;

impl ConnectionSignal {
    /// The device that it is about.
    pub fn device_id(&self) -> Option<&str> {
        match self {
            ConnectionSignal::DeviceRegistered { device_id, .. }
            | ConnectionSignal::DeviceGone { device_id }
            | ConnectionSignal::Level { device_id, .. }
            | ConnectionSignal::SlotReplaced { device_id, .. } => Some(device_id),
            ConnectionSignal::NeedStated { subject, .. }
            | ConnectionSignal::Friction { subject, .. }
            | ConnectionSignal::Effort { subject, .. } => subject.device_id.as_deref(),
            ConnectionSignal::PreferenceChanged(preference) => preference.device_id.as_deref(),
            ConnectionSignal::ConsentSet(_)
            | ConnectionSignal::Away { .. }
            | ConnectionSignal::StepDone { .. } => None,
        }
    }

    pub fn is_known(name: &str) -> bool {
        Kind::find(name).is_some()
    }

    /// Reads an event; `None` where its name says nothing here. The error names the property and what is wrong.
    pub fn parse(name: &str, properties: Option<&str>) -> Option<Result<Self, Problem>> {
        Some(Self::read(Kind::find(name)?, properties.unwrap_or("{}")))
    }

    fn read(kind: Kind, properties: &str) -> Result<Self, Problem> {
        Ok(match kind {
            Kind::Preference => {
                let said: SaidPreference = object(properties)?;
                ConnectionSignal::PreferenceChanged(said.preference()?)
            }
            Kind::Consent(given) => {
                let said: SaidConsent = object(properties)?;
                ConnectionSignal::ConsentSet(Consent {
                    purpose: text("purpose", said.purpose)?,
                    given,
                    at: Time::default(),
                    notice: optional("notice", said.notice)?,
                    jurisdiction: optional("jurisdiction", said.jurisdiction)?,
                })
            }
            Kind::DeviceRegistered => {
                let said: SaidDevice = object(properties)?;
                if said.slots.len() > SLOTS_MAX {
                    return Err(("slots", format!("{} of them; at most {SLOTS_MAX}", said.slots.len())));
                }
                let slots = said.slots.into_iter().map(|slot| {
                    let (name, category) = (text("slots", slot.slot)?, text("slots", slot.category)?);
                    Ok(DeviceSlot { slot: name, category })
                });
                ConnectionSignal::DeviceRegistered {
                    device_id: text("device_id", said.device_id)?,
                    model: optional("model", said.model)?,
                    site: optional("site", said.site)?,
                    slots: slots.collect::<Result<_, Problem>>()?,
                }
            }
            Kind::DeviceGone => {
                let said: SaidSlot = object(properties)?;
                ConnectionSignal::DeviceGone { device_id: text("device_id", said.device_id)? }
            }
            Kind::Level { low } => {
                let said: SaidSlot = object(properties)?;
                let level = match (said.level, said.remaining, said.capacity) {
                    (Some(level), ..) => Some(match said.unit.as_deref() {
                        Some("fraction") => level,
                        Some(unit) if !matches!(unit, "percent" | "%") => match said.capacity {
                            Some(capacity) if capacity > 0.0 => level / capacity,
                            _ => return Err(("capacity", format!("needed, as the level is in `{unit}`"))),
                        },
                        _ => level / 100.0,
                    }),
                    (None, Some(remaining), Some(capacity)) if capacity > 0.0 => Some(remaining / capacity),
                    _ => None,
                };
                if let Some(level) = level
                    && !(level.is_finite() && (0.0..=1.0).contains(&level))
                {
                    return Err(("level", "not between empty (0) and full (100 %)".to_owned()));
                }
                if level.is_none() && !low {
                    return Err(("level", "missing; it is in per cent, 0 (empty) to 100 (full)".to_owned()));
                }
                ConnectionSignal::Level {
                    device_id: text("device_id", said.device_id)?,
                    slot: said.slot.map_or(Ok("main".to_owned()), |slot| text("slot", Some(slot)))?,
                    level,
                    low,
                }
            }
            Kind::SlotReplaced => {
                let said: SaidSlot = object(properties)?;
                ConnectionSignal::SlotReplaced {
                    device_id: text("device_id", said.device_id)?,
                    slot: said.slot.map_or(Ok("main".to_owned()), |slot| text("slot", Some(slot)))?,
                }
            }
            Kind::NeedStated => {
                let said: SaidNeed = object(properties)?;
                ConnectionSignal::NeedStated {
                    category: text("category", said.category.clone())?,
                    arose_at: said.arose_at.as_deref().map(|at| instant("arose_at", at)).transpose()?,
                    subject: said.subject()?,
                }
            }
            Kind::Friction => {
                let said: SaidNeed = object(properties)?;
                let kind = text("kind", said.kind.clone())?;
                ConnectionSignal::Friction {
                    category: text("category", said.category.clone())?,
                    kind: FrictionKind::from_name(&kind).ok_or_else(|| {
                        let known: Vec<_> = FrictionKind::ALL.iter().map(|kind| kind.name()).collect();
                        ("kind", format!("`{kind}` is none of {}", known.join(", ")))
                    })?,
                    minutes: said.minutes.map(|minutes| positive("minutes", minutes)).transpose()?,
                    subject: said.subject()?,
                }
            }
            Kind::Effort => {
                let said: SaidNeed = object(properties)?;
                ConnectionSignal::Effort {
                    category: text("category", said.category.clone())?,
                    minutes: positive("minutes", said.minutes.unwrap_or(0.0))?,
                    steps: said.steps,
                    inputs: said.inputs,
                    contacts: said.contacts,
                    subject: said.subject()?,
                }
            }
            Kind::Away => {
                let said: SaidAway = object(properties)?;
                let from = instant("from", &text("from", said.from)?)?;
                let until = instant("until", &text("until", said.until)?)?;
                if until <= from {
                    return Err(("until", "not after `from`".to_owned()));
                }
                ConnectionSignal::Away { from, until }
            }
            Kind::StepDone(done) => {
                let said: SaidStep = object(properties)?;
                ConnectionSignal::StepDone {
                    category: text("category", said.category)?,
                    step: text("step", said.step)?,
                    done,
                }
            }
        })
    }
}

#[derive(Clone, Copy)]
enum Kind {
    Preference,
    Consent(bool),
    DeviceRegistered,
    DeviceGone,
    Level { low: bool },
    SlotReplaced,
    NeedStated,
    Friction,
    Effort,
    Away,
    StepDone(bool),
}

impl Kind {
    fn find(name: &str) -> Option<Kind> {
        Some(match name {
            "preference.changed" => Kind::Preference,
            "consent.given" | "consent.refreshed" => Kind::Consent(true),
            "consent.withdrawn" => Kind::Consent(false),
            "device.registered" => Kind::DeviceRegistered,
            "device.deregistered" => Kind::DeviceGone,
            "slot.level_reported" => Kind::Level { low: false },
            "slot.low" => Kind::Level { low: true },
            "slot.replaced" => Kind::SlotReplaced,
            "need.stated" => Kind::NeedStated,
            "friction.met" => Kind::Friction,
            "effort.spent" => Kind::Effort,
            "away.planned" => Kind::Away,
            "goal.step_done" => Kind::StepDone(true),
            "goal.step_undone" => Kind::StepDone(false),
            _ => return None,
        })
    }
}

#[derive(Deserialize)]
struct SaidPreference {
    category: Option<String>,
    device_id: Option<String>,
    strategy: Option<String>,
    fallback: Option<String>,
    share: Option<u8>,
    channel: Option<String>,
    cap_per_week: Option<u32>,
}

impl SaidPreference {
    fn preference(self) -> Result<Preference, Problem> {
        let strategy = text("strategy", self.strategy)?;
        let strategy = Strategy::from_name(&strategy).ok_or_else(|| {
            let known: Vec<_> = Strategy::ALL.iter().map(|strategy| strategy.name()).collect();
            ("strategy", format!("`{strategy}` is none of {}", known.join(", ")))
        })?;
        let fallback = match self.fallback {
            None => Fallback::of(strategy),
            Some(name) => Fallback::from_name(&name).ok_or_else(|| {
                let known: Vec<_> = Fallback::ALL.iter().map(|fallback| fallback.name()).collect();
                ("fallback", format!("`{name}` is none of {}", known.join(", ")))
            })?,
        };
        let share = self.share.ok_or(("share", "missing; it is 0 to 3".to_owned()))?;
        if share > SHARE_MAX {
            return Err(("share", format!("{share} is not 0 to {SHARE_MAX}")));
        }
        Ok(Preference {
            category: text("category", self.category)?,
            device_id: optional("device_id", self.device_id)?,
            strategy,
            fallback,
            share,
            channel: optional("channel", self.channel)?,
            cap_per_week: self.cap_per_week,
            version: 0,
            at: Time::default(),
        })
    }
}

#[derive(Deserialize)]
struct SaidConsent {
    purpose: Option<String>,
    notice: Option<String>,
    jurisdiction: Option<String>,
}

#[derive(Deserialize)]
struct SaidDevice {
    device_id: Option<String>,
    model: Option<String>,
    site: Option<String>,
    #[serde(default)]
    slots: Vec<SaidDeviceSlot>,
}

#[derive(Deserialize)]
struct SaidDeviceSlot {
    slot: Option<String>,
    category: Option<String>,
}

#[derive(Deserialize)]
struct SaidSlot {
    device_id: Option<String>,
    #[serde(alias = "slot_id")]
    slot: Option<String>,
    level: Option<f64>,
    unit: Option<String>,
    remaining: Option<f64>,
    capacity: Option<f64>,
}

#[derive(Deserialize)]
struct SaidNeed {
    category: Option<String>,
    device_id: Option<String>,
    slot: Option<String>,
    item_id: Option<String>,
    arose_at: Option<String>,
    kind: Option<String>,
    minutes: Option<f64>,
    #[serde(default)]
    steps: u32,
    #[serde(default)]
    inputs: u32,
    #[serde(default)]
    contacts: u32,
}

impl SaidNeed {
    fn subject(self) -> Result<Subject, Problem> {
        Ok(Subject {
            device_id: optional("device_id", self.device_id)?,
            slot: optional("slot", self.slot)?,
            item_id: optional("item_id", self.item_id)?,
        })
    }
}

#[derive(Deserialize)]
struct SaidAway {
    from: Option<String>,
    until: Option<String>,
}

#[derive(Deserialize)]
struct SaidStep {
    category: Option<String>,
    step: Option<String>,
}

fn object<T: DeserializeOwned>(properties: &str) -> Result<T, Problem> {
    serde_json::from_str(properties).map_err(|error| ("properties", error.to_string()))
}

fn optional(field: &'static str, value: Option<String>) -> Result<Option<String>, Problem> {
    match value {
        Some(value) if value.len() > TEXT_MAX => Err((field, format!("longer than {TEXT_MAX} bytes"))),
        value => Ok(value.filter(|value| !value.is_empty())),
    }
}

fn text(field: &'static str, value: Option<String>) -> Result<String, Problem> {
    optional(field, value)?.ok_or_else(|| (field, "missing".to_owned()))
}

fn instant(field: &'static str, text: &str) -> Result<Time, Problem> {
    Time::parse(text)
        .ok_or_else(|| (field, format!("`{text}` is not a time such as 2026-03-04T09:30:00+09:00")))
}

fn positive(field: &'static str, value: f64) -> Result<f64, Problem> {
    match value.is_finite() && value >= 0.0 {
        true => Ok(value),
        false => Err((field, format!("{value} is not a number from 0 on"))),
    }
}
