//! Money, time, targets and profiles.

use model::profile::{NAMES_MAX, OTHER, Profile, Stamp};
use model::time::last_instant_of;
use model::*;
use proptest::prelude::*;

use super::scale::config;

#[test]
fn a_target_is_met_on_its_edge_and_not_past_it() {
    let check = |comparator, value, tolerance, met: &[f64], missed: &[f64]| {
        let target = Target { comparator, value, tolerance, unit: String::new() };
        for actual in met {
            assert!(target.is_met_by(*actual), "{target:?} {actual}");
        }
        for actual in missed {
            assert!(!target.is_met_by(*actual), "{target:?} {actual}");
        }
    };
    check(Comparator::AtMost, 10.0, 0.0, &[10.0, 9.0, -1e300], &[10.000_001, f64::NAN, f64::INFINITY]);
    check(Comparator::AtMost, 10.0, 0.5, &[10.5], &[10.500_001]);
    check(Comparator::AtLeast, 2000.0, 0.0, &[2000.0, 1e300], &[1999.999, f64::NAN]);
    check(Comparator::AtLeast, 2000.0, 50.0, &[1950.0], &[1949.999]);
}

#[test]
fn a_day_has_23_or_25_hours_where_clocks_change() {
    let hours = |day: &str, before: &str, zone: &str| {
        let last = |day| last_instant_of(day, zone).unwrap();
        last(day).since(last(before)) / 3_600_000_000
    };
    assert_eq!(hours("2026-03-08", "2026-03-07", "America/New_York"), 23);
    assert_eq!(hours("2026-11-01", "2026-10-31", "America/New_York"), 25);
    assert_eq!(hours("2026-03-29", "2026-03-28", "Europe/Paris"), 23);
    assert_eq!(hours("2026-10-25", "2026-10-24", "Europe/Paris"), 25);
    assert_eq!(hours("2026-03-05", "2026-03-04", "Asia/Seoul"), 24);
    // Samoa left out 30 December 2011: that day ends when it begins.
    assert_eq!(hours("2011-12-30", "2011-12-29", "Pacific/Apia"), 0);
}

fn currency() -> impl Strategy<Value = Currency> {
    prop::sample::select(vec!["USD", "KRW", "KWD", "CLF", "BRL", "JPY"])
        .prop_map(|code| Currency::new(code).unwrap())
}

#[test]
fn an_amount_that_is_printed_is_read_as_the_same() {
    proptest!(config(2_000, 20_000, 200_000), |(minor in -i64::MAX..=i64::MAX, currency in currency())| {
        let money = Money { minor, currency };
        let printed = money.to_string();
        let (code, amount) = printed.split_once(' ').unwrap();
        prop_assert_eq!(code, currency.code());
        prop_assert_eq!(Money::parse(amount, currency), Ok(money));
    });
    proptest!(config(2_000, 20_000, 200_000), |(text in "[-+0-9.,eE ]{0,24}|.{0,12}", currency in currency())| {
        if let Ok(money) = Money::parse(&text, currency) {
            prop_assert!(text.bytes().any(|b| b.is_ascii_digit()), "{} is {}", text, money);
        }
    });
}

#[test]
fn bytes_that_are_no_currency_are_not_decoded_as_one() {
    for bytes in [&[0xff, 0xfe, 0xfd][..], b"usd", b"US1", b"US\0"] {
        assert!(postcard::from_bytes::<Currency>(bytes).is_err(), "{bytes:?}");
    }
    assert_eq!(postcard::from_bytes::<Currency>(b"USD").unwrap().code(), "USD");
    assert_eq!(postcard::to_allocvec(&Currency::new("KRW").unwrap()).unwrap(), b"KRW");
}

#[test]
fn time_never_overflows() {
    proptest!(config(2_000, 20_000, 200_000), |(a in any::<i64>(), b in any::<i64>(), by in any::<u64>())| {
        let (a, b, by) = (Time(a), Time(b), std::time::Duration::from_micros(by));
        prop_assert_eq!(a.since(b) > 0, a > b);
        prop_assert!(a + by >= a && a - by <= a);
        prop_assert_eq!(a.plus_micros(b.0) > a, b.0 > 0 && a.0 != i64::MAX);
        prop_assert!(!a.to_string().is_empty());
    });
    proptest!(config(2_000, 20_000, 200_000),
        |(at in Time::EARLIEST_EVENT.0..=Time::LATEST_EVENT.0)| {
            prop_assert_eq!(Time::parse(&Time(at).to_string()), Some(Time(at)));
        }
    );
}

#[test]
fn no_due_date_panics() {
    let zones = vec!["UTC", "Asia/Seoul", "America/Sao_Paulo", "Pacific/Apia", "Nowhere/At_All", "", "\0"];
    proptest!(config(2_000, 20_000, 200_000),
        |(due in "[-0-9TZ:+.]{0,30}|[0-9]{4}-[0-9]{2}-[0-9]{2}|.{0,12}", zone in prop::sample::select(zones))| {
            if let Ok(at) = last_instant_of(&due, zone) {
                prop_assert!(at > Time::MIN);
            }
        }
    );
}

/// What a profile can be told; equal stamps never carry different values, as a stamp names its message.
#[derive(Debug, Clone)]
enum Telling {
    User(u8),
    Count(u8, u8),
    See(i64),
    Trait { name: u8, value: u8, at: i64 },
}

fn tellings() -> impl Strategy<Value = Vec<Telling>> {
    let telling = prop_oneof![
        any::<u8>().prop_map(Telling::User),
        (0..20u8, any::<u8>()).prop_map(|(name, by)| Telling::Count(name, by)),
        any::<i64>().prop_map(Telling::See),
        (0..8u8, any::<u8>(), 0..50i64).prop_map(|(name, value, at)| Telling::Trait { name, value, at }),
    ];
    prop::collection::vec(telling, 0..30)
}

fn profile(tellings: &[Telling]) -> Profile {
    let mut profile = Profile::default();
    for telling in tellings {
        match telling {
            Telling::User(id) => {
                profile.user_ids.insert(format!("c-{id}"));
            }
            Telling::Count(name, by) => profile.count(&format!("event {name}"), u64::from(*by)),
            Telling::See(at) => profile.see(Time(*at)),
            Telling::Trait { name, value, at } => {
                let stamp = Stamp { at: Time(*at), tie: u64::from(*value) };
                profile.set_trait(&format!("t{name}"), &value.to_string(), stamp);
            }
        }
    }
    profile
}

fn merged(parts: &[&Profile]) -> Profile {
    let mut all = Profile::default();
    for part in parts {
        all.absorb(part);
    }
    all
}

#[test]
fn merging_profiles_is_commutative_and_associative() {
    proptest!(config(500, 5_000, 100_000), |(a in tellings(), b in tellings(), c in tellings())| {
        let (pa, pb, pc) = (profile(&a), profile(&b), profile(&c));
        let abc = merged(&[&pa, &pb, &pc]);
        prop_assert_eq!(&abc, &merged(&[&pc, &pa, &pb]));
        prop_assert_eq!(&abc, &merged(&[&pa, &merged(&[&pb, &pc])]));
        // And it is what one profile would know that had been told everything, in any order.
        let all: Vec<Telling> = [c, a, b].concat();
        prop_assert_eq!(&abc, &profile(&all));
    });
}

#[test]
fn a_profile_does_not_grow_with_what_a_sender_puts_into_names() {
    let mut profile = Profile::default();
    for n in 0..10_000_u64 {
        profile.count(&format!("viewed {n}"), 1);
        profile.set_trait(&format!("t{n}"), "1", Stamp { at: Time(0), tie: n });
    }
    assert_eq!(profile.traits.len(), NAMES_MAX);
    assert!(profile.counts.len() <= NAMES_MAX + 2, "{}", profile.counts.len());
    assert!(profile.counts[OTHER] >= 10_000 - NAMES_MAX as u64);
}

#[test]
fn counts_saturate() {
    let mut profile = Profile::default();
    profile.count("a", u64::MAX);
    profile.count("a", 1);
    profile.count("b", 1);
    assert_eq!((profile.counts["a"], profile.events()), (u64::MAX, u64::MAX));
}

#[test]
fn traits_read_as_one_object() {
    let mut profile = Profile::default();
    let stamp = |at| Stamp { at: Time(at), tie: 0 };
    profile.set_trait("na\"me", "\"Ada\"", stamp(2));
    profile.set_trait("gone", "null", stamp(2));
    profile.set_trait("gone", "1", stamp(1));
    profile.set_trait("list", "[1,2]", stamp(1));
    assert_eq!(profile.traits_json(), r#"{"list":[1,2],"na\"me":"Ada"}"#);
    assert_eq!(profile.text_trait("na\"me").as_deref(), Some("Ada"));
    assert_eq!(profile.text_trait("list"), None);
    assert_eq!(Profile::default().traits_json(), "{}");
}
