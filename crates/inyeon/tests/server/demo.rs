//! `inyeon demo`: the same seed is the same shop, and its report agrees with what the shop itself knows.

use serde_json::{Value, json};

use crate::contract::is_hangul;
use crate::support::{inyeon, temp};

fn demo(dir: &std::path::Path, more: &[&str]) -> Value {
    let dir = dir.to_str().unwrap();
    let mut arguments = vec!["demo", "--exit", "--json", "--days", "20", "--until", "2026-03-01"];
    arguments.extend(["--listen", "127.0.0.1:0", "--dir", dir]);
    arguments.extend(more);
    let ran = inyeon(&arguments, &[]);
    assert_eq!(ran.stderr, "");
    ran.json()
}

#[test]
fn the_same_seed_is_the_same_shop_and_its_books_agree_with_the_engine() {
    let temp = temp();
    let run = |name: &str, seed: &str, more: &[&str]| {
        let mut all = vec!["--seed", seed];
        all.extend(more);
        let mut told = demo(&temp.path().join(name), &all);
        // Where it ran is the run's own.
        let own = told.as_object_mut().unwrap();
        assert!(own.remove("address").is_some() && own.remove("store").is_some());
        told
    };
    let first = run("a", "3", &[]);
    assert_eq!(run("b", "3", &[]).to_string(), first.to_string());
    let other = run("c", "4", &[]);
    assert_ne!(other["report"], first["report"]);
    let korean = run("d", "3", &["--lang", "ko"]);
    for told in [&first, &other, &korean] {
        let (report, world) = (&told["report"], &told["world"]);
        let by_the_engine =
            ["kept", "broken", "withdrawn_by_customer", "open"].map(|name| report[name].clone());
        let by_the_world = ["kept", "broken", "withdrawn", "open"].map(|name| world[name].clone());
        assert_eq!(by_the_engine, by_the_world, "{told}");
        assert!(report["n_made"].as_u64().is_some_and(|n| n > 100), "{told}");
        assert!(report["broken"].as_u64().is_some_and(|n| n > 0), "{told}");
        assert!(told["effects_answered"]["told"].as_u64().is_some_and(|n| n > 0), "{told}");
        // The last chapter: promised, in danger, saved, and kept by its first date.
        let today = &told["today"];
        assert_eq!(today["promised"]["order_id"], "demo-order", "{today}");
        assert_eq!(today["at_risk"][0]["cause"], "supply_quality", "{today}");
        assert_eq!(today["remedied"]["kind"], "other_source", "{today}");
        assert_eq!(today["remedied"]["due_at"], today["remedied"]["first_due_at"], "{today}");
        assert_eq!(today["ended"]["status"], "kept", "{today}");
        // Ordered under the mandate, there before the old one was empty, and nothing after the revocation.
        let delegated = &told["delegated"];
        assert!(
            delegated["order_id"].as_str().is_some_and(|id| id.starts_with("auto-demo-mandate")),
            "{delegated}"
        );
        let came_to = ["need", "dry_hours", "mandate"].map(|name| &delegated[name]);
        assert_eq!(came_to, [&json!("learned"), &json!(0), &json!("revoked")], "{delegated}");
        assert_eq!(told["effects_answered"]["unknown_order"], Value::Null);
        assert_eq!(told["effects_answered"]["unknown_kind"], Value::Null);
    }
    // The language changes names and texts, and nothing that happens.
    assert_eq!(korean["report"]["kept"], first["report"]["kept"]);

    let names = |name: &str| -> Vec<String> {
        let dir = temp.path().join(name);
        let arguments = ["--store", dir.to_str().unwrap(), "--json", "profile", "search", "--limit", "1000"];
        let rows = inyeon(&arguments, &[]).json();
        let names = rows.as_array().unwrap().iter().filter_map(|row| row["name"].as_str().map(str::to_owned));
        names.collect()
    };
    let (english, korean) = (names("a"), names("d"));
    assert!(english.len() > 20 && korean.len() == english.len(), "{} {}", english.len(), korean.len());
    assert!(korean.iter().all(|name| name.chars().all(|c| is_hangul(&c.to_string()))), "{korean:?}");
    assert!(!english.iter().any(|name| is_hangul(name)), "{english:?}");
}

#[test]
fn the_demo_tells_a_chain_that_can_be_read() {
    let temp = temp();
    let dir = temp.path().join("demo");
    let dir = dir.to_str().unwrap();
    let arguments =
        ["demo", "--exit", "--days", "20", "--until", "2026-03-01", "--listen", "127.0.0.1:0", "--dir", dir];
    for (lang, word) in [("ko", "약속"), ("en", "Promises that fell due")] {
        let mut all = arguments.to_vec();
        all.extend(["--quiet", "--lang", lang]);
        let ran = inyeon(&all, &[]);
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{ran:?}");
        assert!(ran.stdout.contains(word), "{}", ran.stdout);
        assert_eq!(is_hangul(&ran.stdout), lang == "ko", "{}", ran.stdout);
        assert!(ran.stdout.contains("order.placed") && ran.stdout.contains("⇒"), "{}", ran.stdout);
        assert!(!ran.stdout.contains("{ $"), "{}", ran.stdout);
    }
    // The second took the first one's place, because that was a demo's; nothing else gives way.
    let badge = std::path::Path::new(dir).join("demo.txt");
    assert!(badge.exists());
    std::fs::remove_file(badge).unwrap();
    let ran = inyeon(&arguments, &[]);
    assert!(ran.refused(6).contains(dir), "{ran:?}");
    assert_eq!(json!(ran.stdout), json!(""));
}
