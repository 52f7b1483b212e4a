//! Help and errors: every text comes from a catalogue, in both languages.

use std::collections::BTreeSet;

use inyeon::cli::definition;
use inyeon::i18n::{Lang, Messages};

use crate::contract::is_hangul;
use crate::support::{Home, inyeon};

/// Every text that help can show of a command and of those below it, with the place where it stands.
fn texts(command: &clap::Command, path: &str, found: &mut Vec<(String, String)>) {
    let mut add = |what: &str, text: Option<String>| {
        let text = text.unwrap_or_else(|| panic!("{path}: {what} has no text"));
        found.push((format!("{path} {what}"), text));
    };
    add("about", command.get_about().map(ToString::to_string));
    if let Some(after) = command.get_after_help() {
        add("after", Some(after.to_string()));
    }
    for argument in command.get_arguments() {
        let id = argument.get_id().as_str();
        add(id, argument.get_help().map(ToString::to_string));
        add(&format!("{id} heading"), argument.get_help_heading().map(str::to_owned));
    }
    for sub in command.get_subcommands() {
        texts(sub, format!("{path} {}", sub.get_name()).trim(), found);
    }
}

/// The path of each command that can be called.
fn paths(command: &clap::Command, path: &[String], found: &mut Vec<Vec<String>>) {
    found.push(path.to_vec());
    for sub in command.get_subcommands() {
        let mut path = path.to_vec();
        path.push(sub.get_name().to_owned());
        paths(sub, &path, found);
    }
}

#[test]
fn help_has_a_text_for_everything_in_both_languages() {
    let mut seen = Vec::new();
    for lang in Lang::ALL {
        let mut found = Vec::new();
        texts(&definition(&Messages::new(lang)), "", &mut found);
        for (place, text) in &found {
            // A key that is missing shows itself.
            for prefix in ["help", "arg-", "cli-"] {
                assert!(!text.starts_with(prefix) || text.contains(' '), "{lang:?} {place}: {text}");
            }
            assert!(!text.is_empty() && !text.contains('{'), "{lang:?} {place}: {text}");
            assert!(lang == Lang::En || is_hangul(text), "{place}: {text}");
            assert!(lang == Lang::Ko || !is_hangul(text), "{place}: {text}");
        }
        seen.push(found.into_iter().map(|(place, _)| place).collect::<BTreeSet<_>>());
    }
    assert_eq!(seen[0], seen[1]);
    assert!(seen[0].len() > 150, "{}", seen[0].len());
}

#[test]
fn every_command_can_be_asked_for_help() {
    let mut commands = Vec::new();
    paths(&definition(&Messages::new(Lang::En)), &[], &mut commands);
    assert!(commands.len() > 30, "{commands:?}");
    for command in &commands {
        for (lang, env, korean) in [
            (Some("ko"), ("LANG", "C"), true),
            (Some("en"), ("LANG", "ko_KR.UTF-8"), false),
            (None, ("LANG", "ko_KR.UTF-8"), true),
            (None, ("INYEON_LANG", "ko"), true),
            (None, ("LANG", "C"), false),
        ] {
            let mut arguments: Vec<&str> = command.iter().map(String::as_str).collect();
            arguments.push("--help");
            if let Some(lang) = lang {
                arguments.extend(["--lang", lang]);
            }
            let ran = inyeon(&arguments, &[env]);
            assert_eq!(ran.code, Some(0), "{arguments:?}: {ran:?}");
            assert_eq!(is_hangul(&ran.stdout), korean, "{arguments:?} {env:?}: {}", ran.stdout);
            for name in command {
                assert!(ran.stdout.contains(name.as_str()), "{arguments:?}: {}", ran.stdout);
            }
            let words = ran.stdout.split_whitespace();
            for word in words {
                let is_key = ["help-", "arg-", "cli-"].iter().any(|prefix| word.starts_with(prefix));
                assert!(!is_key && !word.contains("{ $"), "{arguments:?}: {word}");
            }
        }
    }
}

#[test]
fn mistakes_are_explained_in_the_readers_language() {
    let home = Home::new();
    home.json(&["keys", "create", "shop"]);
    let broken_map = home.path("map.yaml");
    std::fs::write(&broken_map, "source: [").unwrap();
    let cases: [(&[&str], i32, &str); 24] = [
        (&["frobnicate"], 2, "frobnicate"),
        (&["serve", "--frobnicate"], 2, "--frobnicate"),
        (&["statsu"], 2, "status"),
        (&["report", "promises", "--by", "planet"], 2, "month"),
        (&["profile", "search", "--limit", "many"], 2, "many"),
        (&["keys", "create"], 2, "NAME"),
        (&["--lang", "tlh", "status"], 2, "ko"),
        (&["dead-letters", "replay"], 2, "--all"),
        (&["dead-letters", "replay", "1", "--all"], 2, "--all"),
        (&["profile", "erase", "u-1"], 2, "--yes"),
        (&["report", "promises", "--from", "soon"], 2, "soon"),
        (&["report", "promises", "--kind", "wish"], 2, "wish"),
        (&["report", "needs", "--to", "late"], 2, "late"),
        (&["keys", "create", "a:b"], 2, "a:b"),
        (&["profile", "show", "nobody"], 3, "nobody"),
        (&["report", "promises", "--source", "nobody"], 3, "nobody"),
        (&["keys", "revoke", "nobody"], 3, "nobody"),
        (&["keys", "create", "shop"], 6, "shop"),
        (&["import", "olist", "/nowhere"], 1, "/nowhere"),
        (&["import", "csv", "/nowhere.csv", "--map", "/nowhere.yaml"], 1, "/nowhere.yaml"),
        (&["import", "csv", "/nowhere.csv", "--map", broken_map.to_str().unwrap()], 1, "map.yaml"),
        (&["backup", "verify", "/nowhere"], 1, "/nowhere"),
        (&["serve", "--listen", "nonsense"], 5, "--listen"),
        (&["demo", "--dir", "/usr", "--exit"], 6, "/usr"),
    ];
    for (arguments, code, word) in cases {
        for (lang, korean) in [("ko_KR.UTF-8", true), ("en_US.UTF-8", false)] {
            let dir = home.dir();
            let mut all = vec!["--store", dir.to_str().unwrap()];
            all.extend(arguments);
            let ran = inyeon(&all, &[("LANG", lang)]);
            let text = ran.refused(code);
            assert!(text.contains(word), "{arguments:?}: {text}");
            let hidden = text.starts_with("error-") || text.contains("{ $") || text.contains("usage-");
            assert!(!hidden, "{arguments:?}: {text}");
            assert_eq!(is_hangul(text), korean, "{arguments:?}: {text}");
            assert!(ran.stdout.is_empty(), "{arguments:?}: {ran:?}");
        }
        // For a script: the same with a name, on one line. A mistake in the words themselves stays words.
        let ran = home.run(arguments);
        assert_eq!(ran.code, Some(code), "{arguments:?}");
        if let Ok(error) = serde_json::from_str::<serde_json::Value>(&ran.stderr) {
            assert!(error["error"].is_string() && error["message"].is_string(), "{error}");
        } else {
            assert_eq!(code, 2, "{arguments:?}: {ran:?}");
        }
    }
}
