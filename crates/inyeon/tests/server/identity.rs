//! Who is who, as an operator asks and corrects it beside a running server and without one.

use serde_json::{Value, json};

use crate::contract::taken;
use crate::support::Home;

/// The identifiers of each profile of the person.
fn names(answer: &Value) -> Vec<Vec<&str>> {
    let profiles = answer["profiles"].as_array().unwrap();
    profiles
        .iter()
        .map(|profile| {
            profile["identifiers"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect()
        })
        .collect()
}

#[test]
fn an_operator_sees_why_and_takes_it_back() {
    let home = Home::new();
    let server = home.serve();
    let mut wire = server.connect();
    taken(&wire.post("/v1/page", &json!({ "anonymousId": "web-77", "messageId": "m-1" })).unwrap());
    taken(
        &wire
            .post(
                "/v1/identify",
                &json!({ "userId": "kim", "anonymousId": "web-77", "messageId": "m-2",
                    "traits": { "email": "Kim@Example.org" } }),
            )
            .unwrap(),
    );
    let why = home.json(&["identity", "explain", "email:kim@example.ORG"]);
    assert_eq!(names(&why), [["user:kim"], ["anonymous:web-77"]]);
    assert_eq!(why["ties"].as_array().unwrap().len(), 2);
    assert_eq!(why["ties"][0]["by"]["messageId"], "m-2");
    assert_eq!(why["ties"][0]["by"]["source"], "trial");
    assert_eq!(why["lineage"][0]["merged_into"], why["profile"]);
    assert_eq!(why["lineage"][0]["by"]["messageId"], "m-2");
    let shown = home.json(&["profile", "show", "email:kim@example.org"]);
    assert_eq!(shown["profile"]["event_count"], 2);
    assert_eq!(shown["timeline"].as_array().unwrap().len(), 2);

    let parted = home.json(&["identity", "unmerge", "web-77"]);
    assert_eq!((names(&parted), &parted["said"]["joined"]), (vec![vec!["anonymous:web-77"]], &json!(false)));
    assert_eq!(home.json(&["profile", "show", "kim"])["profile"]["event_count"], 1);
    // The same pair seen again does not undo what was said.
    taken(&wire.post("/v1/page", &json!({ "userId": "kim", "anonymousId": "web-77" })).unwrap());
    server.stop().in_order();
    let why = home.json(&["identity", "explain", "kim"]);
    assert_eq!(names(&why), [["user:kim"]]);
    let states: Vec<&str> =
        why["ties"].as_array().unwrap().iter().map(|tie| tie["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["parted", "holds"]);
    let joined = home.json(&["identity", "merge", "anonymous:web-77", "user:kim"]);
    assert_eq!(names(&joined), [["user:kim"], ["anonymous:web-77"]]);
    for arguments in [["identity", "explain", "kim"], ["identity", "rules", "show"]] {
        for lang in ["en", "ko"] {
            let ran = home.say(&[&arguments[..], &["--lang", lang]].concat());
            assert_eq!(ran.code, Some(0), "{ran:?}");
            assert!(!ran.stdout.contains("identity-"), "a text is missing: {}", ran.stdout);
        }
    }
}

#[test]
fn what_cannot_be_asked_or_said_is_refused_by_name() {
    let home = Home::new();
    home.json(&["keys", "create", "web"]);
    assert!(home.run(&["identity", "explain", "nobody"]).refused(3).contains("nobody"));
    assert!(home.run(&["identity", "unmerge", "user:nobody"]).refused(3).contains("nobody"));
    assert_eq!(home.json(&["identity", "explain", "user:guest"])["blocked"], true);
    let file = home.path("rules.yaml");
    for (rules, place) in [
        ("types: {user: {limit: 0}}", "types.user: limit"),
        ("types: {email: {fom: [traits.email]}}", "fom"),
        ("types: [", "rules.yaml"),
    ] {
        std::fs::write(&file, rules).unwrap();
        for what in ["check", "apply"] {
            let ran = home.run(&["identity", "rules", what, file.to_str().unwrap()]);
            assert!(ran.refused(2).contains(place), "{rules}: {ran:?}");
        }
    }
    assert!(home.json(&["identity", "rules", "show"])["version"].is_null(), "nothing was published");
    std::fs::write(&file, "types: {badge: {from: [traits.badge]}}").unwrap();
    let applied = home.json(&["identity", "rules", "apply", file.to_str().unwrap()]);
    assert_eq!((&applied["version"], &applied["rules"]["types"]["badge"]["limit"]), (&json!(1), &json!(5)));
}
