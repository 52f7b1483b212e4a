//! `ConnectionSignal::parse` on docs/connection.md: every name, every property, every refusal, and what nobody should
//! send.

use model::connection::Strategy;
use model::connection::*;
use model::*;
use proptest::prelude::*;
use proptest::strategy::Strategy as _;

use super::scale::config;

fn parse(name: &str, properties: &str) -> Result<ConnectionSignal, (&'static str, String)> {
    ConnectionSignal::parse(name, Some(properties))
        .unwrap_or_else(|| panic!("{name} is an event of docs/connection.md"))
}

fn check(name: &str, properties: &str, expected: ConnectionSignal) {
    assert_eq!(parse(name, properties), Ok(expected), "{name} {properties}");
}

fn refused(name: &str, properties: &str, field: &str, why: &str) {
    match parse(name, properties) {
        Err((found, text)) if found == field && text.contains(why) => {}
        other => panic!("{name} {properties}: expected {field}: {why}, found {other:?}"),
    }
}

fn text(value: &str) -> String {
    value.to_owned()
}

fn time(value: &str) -> Time {
    Time::parse(value).unwrap()
}

const NAMES: [&str; 14] = [
    "preference.changed",
    "consent.given",
    "consent.refreshed",
    "consent.withdrawn",
    "device.registered",
    "device.deregistered",
    "slot.level_reported",
    "slot.low",
    "slot.replaced",
    "need.stated",
    "friction.met",
    "effort.spent",
    "away.planned",
    "goal.step_done",
];

fn level(level: Option<f64>, low: bool) -> ConnectionSignal {
    ConnectionSignal::Level { device_id: text("p-1"), slot: text("black"), level, low }
}

#[test]
fn every_name_is_known_and_no_other() {
    for name in NAMES.into_iter().chain(["goal.step_undone"]) {
        assert!(ConnectionSignal::is_known(name), "{name}");
        assert!(ConnectionSignal::parse(name, None).is_some_and(|read| read.is_err()), "{name} says nothing");
    }
    // What binds the customer can never be said by an event.
    for name in ["", "mandate.activated", "mandate.presented", "autoaction.executed", "Consent.Given"] {
        assert!(!ConnectionSignal::is_known(name), "{name}");
        assert_eq!(ConnectionSignal::parse(name, Some("{}")), None);
    }
}

#[test]
fn a_preference_is_read_whole_or_refused() {
    let set = |strategy, fallback, share| Preference {
        category: text("toner"),
        device_id: None,
        strategy,
        fallback,
        share,
        channel: None,
        cap_per_week: None,
        version: 0,
        at: Time::default(),
    };
    check(
        "preference.changed",
        r#"{"category":"toner","strategy":"automate","share":2}"#,
        ConnectionSignal::PreferenceChanged(set(Strategy::Automate, Fallback::AskOnce, 2)),
    );
    let full = Preference {
        device_id: Some(text("p-1")),
        channel: Some(text("inbox")),
        cap_per_week: Some(1),
        ..set(Strategy::Coach, Fallback::Wait, 3)
    };
    check(
        "preference.changed",
        r#"{"category":"toner","device_id":"p-1","strategy":"coach","fallback":"wait","share":3,"channel":"inbox",
            "cap_per_week":1,"unknown":true}"#,
        ConnectionSignal::PreferenceChanged(full),
    );
    for strategy in Strategy::ALL {
        let said = format!(r#"{{"category":"toner","strategy":"{}","share":0}}"#, strategy.name());
        let expected = set(strategy, Fallback::of(strategy), 0);
        check("preference.changed", &said, ConnectionSignal::PreferenceChanged(expected));
    }
    refused("preference.changed", r#"{"category":"toner","share":1}"#, "strategy", "missing");
    refused("preference.changed", r#"{"category":"a","strategy":"sell","share":1}"#, "strategy", "automate");
    refused(
        "preference.changed",
        r#"{"category":"a","strategy":"wait","fallback":"coach","share":1}"#,
        "fallback",
        "`coach` is none of",
    );
    refused("preference.changed", r#"{"category":"a","strategy":"wait"}"#, "share", "missing");
    refused("preference.changed", r#"{"category":"a","strategy":"wait","share":4}"#, "share", "0 to 3");
    refused("preference.changed", r#"{"category":"a","strategy":"wait","share":-1}"#, "properties", "-1");
    refused("preference.changed", r#"{"category":"","strategy":"wait","share":1}"#, "category", "missing");
}

#[test]
fn consents_are_given_and_withdrawn() {
    let consent = |given, notice: Option<&str>| {
        ConnectionSignal::ConsentSet(Consent {
            purpose: text("advertising"),
            given,
            at: Time::default(),
            notice: notice.map(text),
            jurisdiction: notice.map(|_| text("KR")),
        })
    };
    let full = r#"{"purpose":"advertising","notice":"v2","jurisdiction":"KR"}"#;
    check("consent.given", full, consent(true, Some("v2")));
    check("consent.refreshed", r#"{"purpose":"advertising"}"#, consent(true, None));
    check("consent.withdrawn", r#"{"purpose":"advertising","notice":""}"#, consent(false, None));
    refused("consent.given", "{}", "purpose", "missing");
    let long = format!(r#"{{"purpose":"{}"}}"#, "p".repeat(513));
    refused("consent.given", &long, "purpose", "longer than 512");
}

#[test]
fn a_device_is_registered_with_what_is_in_it() {
    check(
        "device.registered",
        r#"{"device_id":"p-1","model":"P-100","site":"3F","slots":[{"slot":"black","category":"toner"}]}"#,
        ConnectionSignal::DeviceRegistered {
            device_id: text("p-1"),
            model: Some(text("P-100")),
            site: Some(text("3F")),
            slots: vec![DeviceSlot { slot: text("black"), category: text("toner") }],
        },
    );
    let bare = ConnectionSignal::DeviceRegistered {
        device_id: text("p-1"),
        model: None,
        site: None,
        slots: Vec::new(),
    };
    check("device.registered", r#"{"device_id":"p-1"}"#, bare);
    let gone = ConnectionSignal::DeviceGone { device_id: text("p-1") };
    check("device.deregistered", r#"{"device_id":"p-1"}"#, gone);
    refused("device.registered", r#"{"slots":[]}"#, "device_id", "missing");
    refused("device.registered", r#"{"device_id":"p-1","slots":[{"slot":"black"}]}"#, "slots", "missing");
    let slots = vec![r#"{"slot":"s","category":"c"}"#; 65].join(",");
    let many = format!(r#"{{"device_id":"p-1","slots":[{slots}]}}"#);
    refused("device.registered", &many, "slots", "65 of them; at most 64");
}

#[test]
fn a_level_is_read_in_any_unit_that_says_how_much_there_is() {
    let of = |more: &str| format!(r#"{{"device_id":"p-1","slot":"black"{more}}}"#);
    let name = "slot.level_reported";
    check(name, &of(r#","level":25"#), level(Some(0.25), false));
    check(name, &of(r#","level":25,"unit":"%""#), level(Some(0.25), false));
    check(name, &of(r#","level":0.25,"unit":"fraction""#), level(Some(0.25), false));
    check(name, &of(r#","level":250,"unit":"ml","capacity":1000"#), level(Some(0.25), false));
    check(name, &of(r#","remaining":3,"capacity":12"#), level(Some(0.25), false));
    check(name, &of(r#","level":0"#), level(Some(0.0), false));
    check(name, &of(r#","level":100"#), level(Some(1.0), false));
    check("slot.low", &of(""), level(None, true));
    check("slot.low", &of(r#","level":5"#), level(Some(0.05), true));
    let other_name = r#"{"device_id":"p-1","slot_id":"black","level":50}"#;
    check(name, other_name, level(Some(0.5), false));
    let main =
        ConnectionSignal::Level { device_id: text("p-1"), slot: text("main"), level: Some(0.5), low: false };
    check(name, r#"{"device_id":"p-1","level":50}"#, main);
    refused(name, &of(""), "level", "missing");
    refused(name, &of(r#","level":101"#), "level", "between");
    refused(name, &of(r#","level":-1"#), "level", "between");
    refused(name, &of(r#","level":25,"unit":"fraction""#), "level", "between");
    refused(name, &of(r#","level":250,"unit":"ml""#), "capacity", "`ml`");
    refused(name, &of(r#","level":250,"unit":"ml","capacity":0"#), "capacity", "needed");
    refused(name, &of(r#","remaining":3"#), "level", "missing");
    refused("slot.low", &of(r#","level":1e999"#), "properties", "");
    refused(name, r#"{"level":5}"#, "device_id", "missing");
    let replaced = ConnectionSignal::SlotReplaced { device_id: text("p-1"), slot: text("main") };
    check("slot.replaced", r#"{"device_id":"p-1"}"#, replaced);
}

#[test]
fn a_need_its_friction_and_its_effort_are_about_one_thing() {
    let subject =
        Subject { device_id: Some(text("p-1")), slot: Some(text("black")), item_id: Some(text("t-1")) };
    let about = r#""category":"toner","device_id":"p-1","slot":"black","item_id":"t-1""#;
    check(
        "need.stated",
        &format!(r#"{{{about},"arose_at":"2026-03-04T09:30:00+09:00"}}"#),
        ConnectionSignal::NeedStated {
            category: text("toner"),
            subject: subject.clone(),
            arose_at: Some(time("2026-03-04T00:30:00Z")),
        },
    );
    let bare =
        ConnectionSignal::NeedStated { category: text("milk"), subject: Subject::default(), arose_at: None };
    check("need.stated", r#"{"category":"milk"}"#, bare);
    refused("need.stated", "{}", "category", "missing");
    refused("need.stated", r#"{"category":"a","arose_at":"yesterday"}"#, "arose_at", "is not a time");
    for kind in FrictionKind::ALL {
        let said = format!(r#"{{{about},"kind":"{}","minutes":12.5}}"#, kind.name());
        let (category, subject) = (text("toner"), subject.clone());
        let expected = ConnectionSignal::Friction { category, subject, kind, minutes: Some(12.5) };
        check("friction.met", &said, expected);
    }
    refused("friction.met", r#"{"category":"a","kind":"anger"}"#, "kind", "`anger` is none of search");
    refused("friction.met", r#"{"category":"a","kind":"wait","minutes":-1}"#, "minutes", "from 0 on");
    refused("friction.met", r#"{"category":"a"}"#, "kind", "missing");
    check(
        "effort.spent",
        &format!(r#"{{{about},"minutes":2.5,"steps":3,"inputs":2,"contacts":1}}"#),
        ConnectionSignal::Effort {
            category: text("toner"),
            subject,
            minutes: 2.5,
            steps: 3,
            inputs: 2,
            contacts: 1,
        },
    );
    refused("effort.spent", r#"{"category":"a","steps":-3}"#, "properties", "-3");
}

#[test]
fn absences_and_steps_are_read() {
    let away = r#"{"from":"2026-08-01T00:00:00+09:00","until":"2026-08-15T00:00:00+09:00"}"#;
    let (from, until) = (time("2026-07-31T15:00:00Z"), time("2026-08-14T15:00:00Z"));
    check("away.planned", away, ConnectionSignal::Away { from, until });
    let turned = r#"{"from":"2026-08-15T00:00:00Z","until":"2026-08-15T00:00:00Z"}"#;
    refused("away.planned", turned, "until", "not after");
    refused("away.planned", r#"{"from":"2026-08-15T00:00:00Z"}"#, "until", "missing");
    for (name, done) in [("goal.step_done", true), ("goal.step_undone", false)] {
        let (category, step) = (text("toner"), text("draft_mode"));
        let expected = ConnectionSignal::StepDone { category, step, done };
        check(name, r#"{"category":"toner","step":"draft_mode"}"#, expected);
        refused(name, r#"{"category":"toner"}"#, "step", "missing");
    }
}

#[test]
fn the_device_that_it_is_about_is_named() {
    let device = |name: &str, said: &str| parse(name, said).unwrap().device_id().map(str::to_owned);
    let by_device =
        r#"{"device_id":"p-1","category":"c","strategy":"wait","share":0,"kind":"wait","level":1}"#;
    for name in NAMES {
        let expected = match name {
            "consent.given" | "consent.refreshed" | "consent.withdrawn" | "away.planned"
            | "goal.step_done" => {
                continue;
            }
            _ => Some(text("p-1")),
        };
        assert_eq!(device(name, by_device), expected, "{name}");
    }
    assert_eq!(device("consent.given", r#"{"purpose":"history","device_id":"p-1"}"#), None);
}

#[test]
fn what_is_no_object_is_refused() {
    for name in NAMES {
        for said in ["[]", "null", "\"text\"", "{", "12", ""] {
            assert!(parse(name, said).is_err(), "{name} {said:?}");
        }
    }
}

#[test]
fn nothing_that_is_sent_panics() {
    let words = prop::sample::select(vec![
        "category",
        "device_id",
        "slot",
        "level",
        "unit",
        "capacity",
        "remaining",
        "share",
        "strategy",
        "kind",
        "minutes",
        "steps",
        "from",
        "until",
        "purpose",
        "slots",
        "arose_at",
        "step",
    ]);
    let values = prop_oneof![
        any::<f64>().prop_map(|value| serde_json::json!(value)),
        any::<i64>().prop_map(|value| serde_json::json!(value)),
        ".{0,12}".prop_map(|value| serde_json::json!(value)),
        Just(serde_json::Value::Null),
        Just(serde_json::json!([{"slot": "s", "category": ""}])),
        Just(serde_json::json!("9999-12-31T23:59:59Z")),
        Just(serde_json::json!("fraction")),
    ];
    let said = prop::collection::btree_map(words, values, 0..8);
    proptest!(config(2_000, 20_000, 500_000), |((which, said) in (0..NAMES.len(), said))| {
        let said = serde_json::to_string(&said).unwrap();
        let read = ConnectionSignal::parse(NAMES[which], Some(&said)).unwrap();
        if let Ok(ConnectionSignal::Level { level: Some(level), .. }) = read {
            prop_assert!((0.0..=1.0).contains(&level));
        }
    });
}
