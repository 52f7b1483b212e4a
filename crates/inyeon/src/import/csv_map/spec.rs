//! A map as it is written: the shapes of the YAML, before anything is looked up.

use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{
    Deserializer, IntoDeserializer, MapAccess, SeqAccess, Visitor, value::MapAccessDeserializer,
};
use serde_saphyr::Spanned;

use crate::import::table::Encoding;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MapSpec {
    pub(super) source: Spanned<String>,
    pub(super) delimiter: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) encoding: Encoding,
    pub(super) time_zone: Option<Spanned<String>>,
    pub(super) times: Option<Spanned<String>>,
    pub(super) numbers: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) empty_values: Vec<String>,
    pub(super) webhook: Option<WebhookSpec>,
    pub(super) rows: Spanned<Vec<Spanned<RuleSpec>>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WebhookSpec {
    pub(super) signature: Option<Spanned<SignatureSpec>>,
    #[serde(default)]
    pub(super) pings: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SignatureSpec {
    pub(super) header: String,
    pub(super) algorithm: String,
    pub(super) encoding: Option<String>,
    pub(super) prefix: Option<String>,
    pub(super) over: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RuleSpec {
    pub(super) name: String,
    #[serde(default)]
    pub(super) when: Vec<Spanned<ConditionSpec>>,
    pub(super) each: Option<Spanned<String>>,
    pub(super) topic: Option<Spanned<String>>,
    pub(super) bare: Option<String>,
    pub(super) skip: Option<String>,
    #[serde(default)]
    pub(super) events: Vec<Spanned<EventSpec>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ConditionSpec {
    pub(super) any: Option<Vec<Spanned<ConditionSpec>>>,
    pub(super) column: Option<String>,
    pub(super) equals: Option<String>,
    pub(super) not: Option<String>,
    pub(super) one_of: Option<Vec<String>>,
    pub(super) none_of: Option<Vec<String>>,
    pub(super) starts_with: Option<String>,
    pub(super) not_starts_with: Option<String>,
    pub(super) ends_with: Option<String>,
    pub(super) contains: Option<String>,
    pub(super) empty: Option<bool>,
    pub(super) above: Option<String>,
    pub(super) below: Option<String>,
    pub(super) at_least: Option<String>,
    pub(super) at_most: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EventSpec {
    #[serde(default)]
    pub(super) when: Vec<Spanned<ConditionSpec>>,
    pub(super) group_by: Option<Spanned<Vec<String>>>,
    pub(super) key: Spanned<OneOrMore<String>>,
    pub(super) at: Spanned<OneOrMore<ValueSpec>>,
    pub(super) r#type: Option<Spanned<String>>,
    pub(super) event: Option<Spanned<String>>,
    pub(super) user_id: Option<Spanned<ValueSpec>>,
    pub(super) anonymous_id: Option<Spanned<ValueSpec>>,
    pub(super) fallback_anonymous_id: Option<Spanned<ValueSpec>>,
    #[serde(default)]
    pub(super) traits: Fields,
    #[serde(default)]
    pub(super) properties: Fields,
}

/// One, or a list of which the first that can be had counts.
pub(super) enum OneOrMore<T> {
    One(T),
    More(Vec<T>),
}

impl<T> OneOrMore<T> {
    pub(super) fn as_slice(&self) -> &[T] {
        match self {
            OneOrMore::One(one) => std::slice::from_ref(one),
            OneOrMore::More(more) => more,
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for OneOrMore<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneOrMoreVisitor<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for OneOrMoreVisitor<T> {
            type Value = OneOrMore<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("one, or a list of them in the order of preference")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<OneOrMore<T>, E> {
                T::deserialize(text.into_deserializer()).map(OneOrMore::One)
            }

            fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<OneOrMore<T>, E> {
                T::deserialize(number.into_deserializer()).map(OneOrMore::One)
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<OneOrMore<T>, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(OneOrMore::One)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<OneOrMore<T>, A::Error> {
                let mut more = Vec::new();
                while let Some(one) = list.next_element()? {
                    more.push(one);
                }
                Ok(OneOrMore::More(more))
            }
        }
        deserializer.deserialize_any(OneOrMoreVisitor(PhantomData))
    }
}

/// Names with values, in the order they are written in: the events keep it.
pub(super) type Fields = Ordered<Spanned<ValueSpec>>;

/// What a value is made of: the name of a column, or a mapping that says more.
#[derive(Clone)]
pub(super) enum ValueSpec {
    Column(String),
    Full(Box<FullSpec>),
}

#[derive(Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FullSpec {
    // Where it comes from: exactly one of these.
    pub(super) from: Option<String>,
    pub(super) text: Option<String>,
    pub(super) product: Option<String>,
    pub(super) value: Option<serde_json::Value>,
    pub(super) object: Option<Fields>,
    pub(super) list: Option<Fields>,
    pub(super) sum: Option<String>,
    pub(super) count: Option<String>,
    // How it is read and what is made of it.
    pub(super) r#as: Option<String>,
    pub(super) format: Option<String>,
    pub(super) time_zone: Option<String>,
    pub(super) decimals: Option<u32>,
    pub(super) translate: Option<Ordered<String>>,
    pub(super) default: Option<String>,
    #[serde(default)]
    pub(super) required: bool,
}

impl<'de> Deserialize<'de> for ValueSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ValueVisitor;
        impl<'de> Visitor<'de> for ValueVisitor {
            type Value = ValueSpec;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of a column, or a mapping such as { from: Column, as: number }")
            }

            fn visit_str<E: serde::de::Error>(self, column: &str) -> Result<ValueSpec, E> {
                Ok(ValueSpec::Column(column.to_owned()))
            }

            // A column may be called 2024.
            fn visit_u64<E: serde::de::Error>(self, column: u64) -> Result<ValueSpec, E> {
                Ok(ValueSpec::Column(column.to_string()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<ValueSpec, A::Error> {
                FullSpec::deserialize(MapAccessDeserializer::new(map))
                    .map(|full| ValueSpec::Full(Box::new(full)))
            }
        }
        deserializer.deserialize_any(ValueVisitor)
    }
}

/// A mapping that keeps its order.
#[derive(Clone)]
pub(super) struct Ordered<T>(pub(super) Vec<(String, T)>);

impl<T> Default for Ordered<T> {
    fn default() -> Self {
        Ordered(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Ordered<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OrderedVisitor<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for OrderedVisitor<T> {
            type Value = Ordered<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a mapping of names to values")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Ordered<T>, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Ordered(entries))
            }
        }
        deserializer.deserialize_map(OrderedVisitor(PhantomData))
    }
}
