//! How values stand in SQL and in what the reader hands out: instants as RFC 3339, ids and states by their names.

use model::{
    Basis, BreakCause, CancelledBy, Comparator, EffectKind, EntityId, Money, OrderState, PromiseKind,
    PromiseStatus, Time,
};
use serde::{Serialize, Serializer};

/// A closed set of values, each with a name.
pub(crate) trait Named: Copy + 'static {
    const ALL: &'static [Self];
    fn name(self) -> &'static str;

    fn named(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|value| value.name() == text)
    }
}

macro_rules! named {
    ($type:ty, $all:expr) => {
        impl $crate::wire::Named for $type {
            const ALL: &'static [Self] = &$all;
            fn name(self) -> &'static str {
                <$type>::name(self)
            }
        }
    };
}
pub(crate) use named;

named!(Basis, Basis::ALL);
named!(BreakCause, [BreakCause::Clock, BreakCause::Company]);
named!(CancelledBy, [CancelledBy::Customer, CancelledBy::Company, CancelledBy::Unknown]);
named!(Comparator, [Comparator::AtMost, Comparator::AtLeast]);
named!(EffectKind, [EffectKind::CustomerNotify, EffectKind::OperationsAlert]);
named!(OrderState, OrderState::ALL);
named!(PromiseKind, PromiseKind::ALL);
named!(PromiseStatus, PromiseStatus::ALL);

pub(crate) fn time<S: Serializer>(at: &Time, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(at)
}

pub(crate) fn time_opt<S: Serializer>(at: &Option<Time>, to: S) -> Result<S::Ok, S::Error> {
    at.map(|at| at.to_string()).serialize(to)
}

pub(crate) fn entity<S: Serializer>(id: &EntityId, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(id)
}

pub(crate) fn entity_opt<S: Serializer>(id: &Option<EntityId>, to: S) -> Result<S::Ok, S::Error> {
    id.map(|id| id.to_string()).serialize(to)
}

pub(crate) fn name<T: Named, S: Serializer>(value: &T, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(value.name())
}

pub(crate) fn name_opt<T: Named, S: Serializer>(value: &Option<T>, to: S) -> Result<S::Ok, S::Error> {
    value.map(Named::name).serialize(to)
}

#[derive(Serialize)]
struct Amount<'a> {
    minor: i64,
    currency: &'a str,
}

impl<'a> From<&'a Money> for Amount<'a> {
    fn from(money: &'a Money) -> Self {
        Amount { minor: money.minor, currency: money.currency.code() }
    }
}

pub(crate) fn money_opt<S: Serializer>(money: &Option<Money>, to: S) -> Result<S::Ok, S::Error> {
    money.as_ref().map(Amount::from).serialize(to)
}

pub(crate) fn moneys<S: Serializer>(all: &[Money], to: S) -> Result<S::Ok, S::Error> {
    to.collect_seq(all.iter().map(Amount::from))
}

/// Text that holds JSON goes out as that JSON.
pub(crate) fn json_opt<S: Serializer>(text: &Option<String>, to: S) -> Result<S::Ok, S::Error> {
    let value = text
        .as_ref()
        .map(|text| serde_json::from_str(text).unwrap_or_else(|_| serde_json::Value::String(text.clone())));
    value.serialize(to)
}
