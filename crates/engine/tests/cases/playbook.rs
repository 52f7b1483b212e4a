//! What is wrong with a playbook is found, at its place, and nothing else is.

use std::collections::{BTreeMap, BTreeSet};

use engine::playbook::Playbook;
use engine::playbook::check::{CODES, Problem, Severity, check, check_items};
use serde_json::{Value, json};

fn sound() -> Value {
    let message = |class: &str, text: &str| {
        let both = |text: &str| json!({"en": text, "ko": text});
        json!({"class": class, "channel": "email", "subject": both("About {item}"), "text": both(text)})
    };
    json!({
        "playbook": "filters",
        "title": {"en": "Water filters", "ko": "정수 필터"},
        "owners": {"marketing": "a", "operations": "b"},
        "category": "filter",
        "needs": [
            {"id": "wanted", "origin": "stated"},
            {"id": "low", "origin": "reported", "on": ["slot.low"], "when": "device.model == 'W-1'"},
            {"id": "runs_out", "origin": "predicted", "forecast": {"service": 0.9}},
        ],
        "offer": {"items": ["f-1", "f-2"], "lead_days": 2},
        "strategies": {
            "respond": {"share": 0},
            "curate": {"share": 1},
            "coach": {
                "share": 2,
                "message": "remind",
                "steps": [{"id": "rinse", "text": {"en": "Rinse", "ko": "헹구기"}, "when": "now.hour > 8"}],
            },
            "automate": {
                "share": 2, "notice": "notice", "ask": "ask", "sorry": "sorry",
                "compensation": {"amount": "10.00", "currency": "EUR"},
            },
        },
        "promise": {"service": 0.9, "class": "home"},
        "messages": {
            "remind": message("advertising", "{item} {price} {date} {days} {steps} {link}"),
            "notice": message("transactional", "{item} {price} {date} {until} {link}"),
            "ask": message("transactional", "{item} {price} {why} {link}"),
            "sorry": {"class": "transactional", "channel": "inbox", "subject": {"en": "Sorry", "ko": "죄송"},
                "text": {"en": "{compensation}", "ko": "{compensation}"}},
        },
        "guard_rails": {
            "caps": [{"days": 7, "messages": 1}],
            "quiet_hours": {"from": "21:00", "to": "08:00"},
            "margin_floor": 0.1,
            "auto_orders": [{"days": 30, "orders": 1}],
        },
        "value": {
            "accept": 0.3,
            "worth": {"amount": "2.00", "currency": "EUR"},
            "contact_cost": {"amount": "0.01", "currency": "EUR"},
            "fatigue": {"amount": "0.50", "currency": "EUR"},
        },
        "experiment": {"name": "e", "holdout": 0.1, "arms": [{"id": "usual", "weight": 1.0}]},
    })
}

fn read(playbook: &Value) -> Playbook {
    serde_json::from_value(playbook.clone()).unwrap()
}

/// `None` takes a member away.
fn bend(playbook: &mut Value, pointer: &str, value: Option<Value>) {
    let (parent, last) = pointer.rsplit_once('/').unwrap();
    match (playbook.pointer_mut(parent).unwrap_or_else(|| panic!("{parent}")), value) {
        (Value::Object(members), Some(value)) => {
            members.insert(last.to_owned(), value);
        }
        (Value::Object(members), None) => assert!(members.remove(last).is_some(), "{pointer}"),
        (Value::Array(elements), Some(value)) => match last.parse::<usize>().unwrap() {
            at if at < elements.len() => elements[at] = value,
            _ => elements.push(value),
        },
        (other, value) => panic!("{pointer}: {other} {value:?}"),
    }
}

fn told(problem: &Problem) -> (&str, &str, bool) {
    (problem.pointer.as_str(), problem.code, problem.severity == Severity::Error)
}

#[test]
fn a_sound_playbook_has_no_problem() {
    assert_eq!(check(&read(&sound())), Vec::new());
}

#[test]
fn every_problem_is_found_at_its_place_and_alone() {
    let errors = [
        ("/playbook", json!("Toner/at home"), "/playbook", "bad-name"),
        ("/category", json!(""), "/category", "bad-name"),
        ("/title/ko", json!(" "), "/title/ko", "empty-text"),
        ("/owners/marketing", json!(""), "/owners/marketing", "empty"),
        ("/needs", json!([]), "/needs", "no-needs"),
        ("/needs/1/id", json!("wanted"), "/needs/1/id", "duplicate"),
        ("/needs/1/on", json!([]), "/needs/1", "reported-without-on"),
        ("/needs/1/on", json!([""]), "/needs/1/on/0", "empty"),
        ("/needs/1/when", json!("device.model =="), "/needs/1/when", "condition"),
        ("/needs/1/when", json!("devise.model == 'a'"), "/needs/1/when", "condition-name"),
        ("/needs/1/when", json!("now.minute == 3"), "/needs/1/when", "condition-name"),
        ("/needs/1/when", json!("strip(device.model) == 'a'"), "/needs/1/when", "condition-name"),
        ("/needs/1/confidence", json!(1.5), "/needs/1/confidence", "range"),
        ("/needs/2/forecast", Value::Null, "/needs/2", "predicted-without-forecast"),
        ("/needs/2/forecast/service", json!(1.0), "/needs/2/forecast/service", "range"),
        ("/needs/2/forecast/empty_at", json!(1.0), "/needs/2/forecast/empty_at", "range"),
        ("/needs/2/forecast/buffer_days", json!(-1), "/needs/2/forecast/buffer_days", "range"),
        (
            "/needs/3",
            json!({"id": "again", "origin": "predicted", "forecast": {"service": 0.8}}),
            "/needs/3/origin",
            "two-forecasts",
        ),
        ("/offer/items", json!([]), "/offer/items", "no-items"),
        ("/offer/items/1", json!("f-1"), "/offer/items/1", "duplicate"),
        ("/offer/items/1", json!(""), "/offer/items/1", "empty"),
        ("/offer/quantity", json!(0), "/offer/quantity", "range"),
        ("/offer/lead_days", json!(-0.5), "/offer/lead_days", "range"),
        ("/offer/relevance_loss", json!(1.1), "/offer/relevance_loss", "range"),
        ("/strategies/curate/share", json!(4), "/strategies/curate/share", "range"),
        ("/strategies/curate/choices", json!(0), "/strategies/curate/choices", "range"),
        ("/strategies/coach/message", json!(""), "/strategies/coach/message", "message-missing"),
        ("/strategies/coach/send_probability", json!(-0.1), "/strategies/coach/send_probability", "range"),
        ("/strategies/coach/steps/0/text/en", json!(""), "/strategies/coach/steps/0/text/en", "empty-text"),
        (
            "/strategies/coach/steps/0/when",
            json!("weather.rain"),
            "/strategies/coach/steps/0/when",
            "condition-name",
        ),
        ("/strategies/coach/steps/0/every_days", json!(0), "/strategies/coach/steps/0/every_days", "range"),
        (
            "/strategies/coach/steps/1",
            json!({"id": "rinse", "text": {"en": "a", "ko": "b"}}),
            "/strategies/coach/steps/1/id",
            "duplicate",
        ),
        (
            "/strategies/automate/compensation/currency",
            json!("USD"),
            "/strategies/automate/compensation",
            "currency",
        ),
        ("/promise/service", json!(1.0), "/promise/service", "range"),
        ("/promise/class", json!(""), "/promise/class", "empty"),
        ("/messages/notice/class", json!("advertising"), "/messages/notice/class", "not-transactional"),
        ("/messages/ask/class", json!("advertising"), "/messages/ask/class", "not-transactional"),
        ("/messages/sorry/class", json!("advertising"), "/messages/sorry/class", "not-transactional"),
        ("/messages/remind/channel", json!("E mail"), "/messages/remind/channel", "channel"),
        ("/messages/remind/subject/ko", json!(""), "/messages/remind/subject/ko", "empty-text"),
        ("/guard_rails/caps/0/days", json!(0), "/guard_rails/caps/0/days", "range"),
        ("/guard_rails/auto_orders/0/days", json!(0), "/guard_rails/auto_orders/0/days", "range"),
        ("/guard_rails/auto_orders/0/orders", json!(0), "/guard_rails/auto_orders/0/orders", "range"),
        ("/guard_rails/quiet_hours/from", json!("9 pm"), "/guard_rails/quiet_hours/from", "quiet-hours"),
        ("/guard_rails/quiet_hours/to", json!("24:00"), "/guard_rails/quiet_hours/to", "quiet-hours"),
        ("/guard_rails/quiet_hours/to", json!("21:00"), "/guard_rails/quiet_hours/to", "quiet-hours-empty"),
        ("/guard_rails/margin_floor", json!(1.0), "/guard_rails/margin_floor", "range"),
        ("/value/accept", json!(2), "/value/accept", "range"),
        ("/value/weight", json!(0), "/value/weight", "range"),
        ("/value/explore", json!(0.6), "/value/explore", "range"),
        ("/value/fatigue/amount", json!("-0.50"), "/value/fatigue", "range"),
        ("/value/contact_cost/currency", json!("USD"), "/value/contact_cost", "currency"),
        ("/experiment/name", json!(""), "/experiment/name", "empty"),
        ("/experiment/holdout", json!(1.1), "/experiment/holdout", "range"),
        ("/experiment/arms/0/weight", json!(0), "/experiment/arms/0/weight", "arm-weight"),
        ("/experiment/arms/0/id", json!("holdout"), "/experiment/arms/0/id", "bad-name"),
        ("/experiment/arms/0/choices", json!(0), "/experiment/arms/0/choices", "range"),
        ("/experiment/arms/0/message", json!("other"), "/experiment/arms/0/message", "message-unknown"),
        ("/experiment/arms/0/send_probability", json!(1.2), "/experiment/arms/0/send_probability", "range"),
        ("/experiment/arms/1", json!({"id": "usual", "weight": 1}), "/experiment/arms/1/id", "duplicate"),
    ];
    let mut found = BTreeSet::new();
    for (pointer, value, place, code) in errors {
        let mut playbook = sound();
        let value = (!value.is_null()).then_some(value);
        bend(&mut playbook, pointer, value.clone());
        let problems = check(&read(&playbook));
        let errors: Vec<_> = problems.iter().filter(|problem| problem.severity == Severity::Error).collect();
        assert_eq!(errors.len(), 1, "{pointer} {value:?}: {problems:?}");
        assert_eq!(told(errors[0]), (place, code, true), "{pointer} {value:?}");
        assert!(errors[0].to_string().starts_with(&format!("{place}: {code}")));
        found.insert(code);
    }
    let warnings = [
        ("/needs/0/on", json!(["need.wished"]), "/needs/0/on", "events-ignored"),
        ("/needs/0/when", json!("now.hour > 3"), "/needs/0/when", "condition-ignored"),
        ("/needs/1/forecast", json!({"service": 0.9}), "/needs/1/forecast", "forecast-ignored"),
        ("/messages/remind/class", json!("transactional"), "/messages/remind/class", "coach-transactional"),
        ("/messages/remind/text/en", json!("{item}"), "/messages/remind/text", "placeholder-differs"),
        ("/messages/more", sound()["messages"]["notice"].clone(), "/messages/more", "message-unused"),
        ("/guard_rails/caps", json!([]), "/guard_rails", "no-caps"),
        ("/guard_rails/quiet_hours", Value::Null, "/guard_rails", "no-quiet-hours"),
        ("/guard_rails/auto_orders", json!([]), "/guard_rails", "no-order-cap"),
        ("/experiment", json!({"name": "e"}), "/experiment", "experiment-empty"),
    ];
    for (pointer, value, place, code) in warnings {
        let mut playbook = sound();
        bend(&mut playbook, pointer, (!value.is_null()).then_some(value.clone()));
        let problems = check(&read(&playbook));
        assert_eq!(problems.len(), 1, "{pointer} {value}: {problems:?}");
        assert_eq!(told(&problems[0]), (place, code, false), "{pointer} {value}");
        found.insert(code);
    }

    // What goes wrong in several places at once.
    let codes = |bent: &[(&str, Option<Value>)]| {
        let mut playbook = sound();
        bent.iter().for_each(|(pointer, value)| bend(&mut playbook, pointer, value.clone()));
        let problems = check(&read(&playbook));
        problems.iter().map(|problem| (problem.pointer.clone(), problem.code)).collect::<Vec<_>>()
    };
    let at = |pointer: &str, code: &'static str| (pointer.to_owned(), code);
    assert_eq!(
        codes(&[("/strategies/automate/notice", Some(json!("notise")))]),
        [at("/strategies/automate/notice", "message-unknown"), at("/messages/notice", "message-unused")]
    );
    assert_eq!(
        codes(&[("/strategies/coach", None), ("/strategies/automate", None), ("/strategies/curate", None)])
            .iter()
            .filter(|(_, code)| *code != "message-unused")
            .count(),
        0
    );
    let none = codes(&[("/strategies", Some(json!({})))]);
    assert!(none.contains(&at("/strategies", "no-strategy")), "{none:?}");
    let stated = codes(&[("/needs", Some(json!([{"id": "wanted", "origin": "stated"}])))]);
    assert_eq!(
        stated,
        [at("/strategies/coach", "nothing-notices"), at("/strategies/automate", "nothing-notices")]
    );
    let text = json!({"en": "{itme} {price}", "ko": "{itme} {price}"});
    let slips = codes(&[("/messages/sorry/text", Some(text))]);
    let expected = ["en", "ko"].map(|language| {
        let pointer = format!("/messages/sorry/text/{language}");
        [(pointer.clone(), "placeholder-unknown"), (pointer, "placeholder-empty")]
    });
    assert_eq!(slips, expected.concat());
    let link = json!({"en": "{link}", "ko": "{link}"});
    let in_subject = codes(&[("/messages/remind/subject", Some(link))]);
    assert_eq!(in_subject[0], at("/messages/remind/subject/en", "placeholder-empty"));

    let more =
        ["message-unknown", "no-strategy", "nothing-notices", "placeholder-unknown", "placeholder-empty"];
    let in_a_store = ["item-unknown", "item-fits-nothing"];
    found.extend(more.into_iter().chain(in_a_store));
    assert_eq!(found, CODES.into_iter().collect(), "codes that nothing shows, or the other way round");
}

#[test]
fn names_with_a_slash_are_escaped_in_pointers() {
    let mut playbook = sound();
    playbook["messages"]["a/b~c"] = sound()["messages"]["notice"].clone();
    let problems = check(&read(&playbook));
    assert_eq!(told(&problems[0]), ("/messages/a~1b~0c", "bad-name", true));
}

#[test]
fn items_are_held_against_the_catalogue_of_a_store() {
    let mut playbook = sound();
    playbook["offer"]["fits_device"] = json!(true);
    let playbook = read(&playbook);
    let knows = |items: &[(&str, &[&str])]| {
        let catalogue: BTreeMap<String, Vec<String>> = items
            .iter()
            .map(|(item, fits)| ((*item).to_owned(), fits.iter().map(|model| (*model).to_owned()).collect()))
            .collect();
        check_items(&playbook, &catalogue)
            .iter()
            .map(|problem| (problem.pointer.clone(), problem.code))
            .collect::<Vec<_>>()
    };
    assert_eq!(knows(&[("f-1", &["W-1"]), ("f-2", &["W-1", "W-2"])]), []);
    let first = ("/offer/items/0".to_owned(), "item-fits-nothing");
    let second = ("/offer/items/1".to_owned(), "item-unknown");
    assert_eq!(knows(&[("f-1", &[])]), [first, second]);
}

/// Each customer chooses how they are answered: a playbook has no word that chooses for them.
#[test]
fn no_playbook_sets_a_strategy_for_everybody() {
    for (pointer, member) in [("", "default_strategy"), ("", "strategy"), ("/strategies", "default")] {
        let mut playbook = sound();
        bend(&mut playbook, &format!("{pointer}/{member}"), Some(json!("automate")));
        let refused = serde_json::from_value::<Playbook>(playbook).unwrap_err();
        assert!(refused.to_string().contains(member), "{refused}");
    }
}
