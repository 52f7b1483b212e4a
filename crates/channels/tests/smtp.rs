//! Letters handed to a mail server over a real socket, which answers in every way, or does not.

#[path = "smtp/server.rs"]
mod server;
#[path = "smtp/tls.rs"]
mod tls;

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use channels::{
    Attempts, Carrier, MAIL_SCHEDULE, Outbox, Outlet, Parcel, Security, Sender, Smtp, Standing, Verdict,
};
use model::connection::{Link, LinkPurpose, Message, MessageClass};
use model::{Effect, EffectKind, EntityId, PartitionId, Time};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use self::server::{Script, Server};

fn sender() -> Sender {
    Sender {
        from: "shop@inyeon.example".parse().unwrap(),
        name: "인연".to_owned(),
        contact: "02-123-4567, 서울".to_owned(),
    }
}

fn smtp(server: &Server, security: Security) -> Smtp {
    Smtp::new(&server.address, security).unwrap().patience(Duration::from_secs(20), Duration::from_secs(20))
}

fn outlet(smtp: Smtp) -> Outlet {
    Outlet::mail(sender(), Carrier::Smtp(Box::new(smtp))).unwrap()
}

fn effect(key: &str, text: &str) -> Effect {
    let message = Message {
        message_id: key.to_owned(),
        class: MessageClass::Advertising,
        channel: "email".to_owned(),
        category: "ink".to_owned(),
        template: "printer/remind".to_owned(),
        language: "ko".to_owned(),
        to: Some("mina@customer.example".to_owned()),
        subject: "잉크".to_owned(),
        text: text.to_owned(),
        link: Some(Link { purpose: LinkPurpose::Offer, about: "n-1".to_owned() }),
        need_id: None,
        decision_id: None,
    };
    Effect {
        key: key.to_owned(),
        kind: EffectKind::MessageSend,
        promise_id: None,
        order_id: None,
        reason: "remind".to_owned(),
        body: Some(serde_json::to_string(&message).unwrap()),
    }
}

fn link(link: &Link, _: EntityId, _: Time) -> String {
    format!("https://shop.example/{}/token", link.purpose.name())
}

fn send(outlet: &Outlet, effect: &Effect) -> Verdict {
    let owner = EntityId::customer(PartitionId(0), 1);
    outlet.send(&Parcel { effect, owner, now: Time(1_796_000_000_000_000), links: Some(&link) })
}

fn kind(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Done => "done",
        Verdict::Again { .. } => "again",
        Verdict::Refused { .. } => "refused",
        Verdict::Doubt { .. } => "doubt",
        Verdict::Gone => "gone",
    }
}

#[test]
fn what_each_answer_of_a_mail_server_means() {
    let check = |script: Script, expect: &str, taken: usize| {
        let server = Server::start(vec![script.clone()]);
        let verdict = send(&outlet(smtp(&server, Security::None)), &effect("m-1", "골라 주세요: {link}"));
        assert_eq!(kind(&verdict), expect, "{script:?}: {verdict:?}");
        assert_eq!(server.letters().len(), taken, "{script:?}");
        assert!(!format!("{verdict:?}").contains("mina@"), "{verdict:?}");
    };
    check(Script::Take, "done", 1);
    check(Script::Answer("RCPT", "450 4.2.1 <mina@customer.example>: try again later"), "again", 0);
    check(Script::Answer("RCPT", "550 5.1.1 <mina@customer.example>: no such user"), "refused", 0);
    check(Script::Answer("MAIL", "550 5.7.1 we know you"), "refused", 0);
    check(Script::Answer("MAIL", "530 5.7.0 log in first"), "again", 0);
    check(Script::Answer("DATA", "554 5.5.1 no"), "refused", 0);
    check(Script::Answer("DATA", "250 what?"), "again", 0);
    check(Script::Answer("greeting", "554 5.3.2 closed"), "again", 0);
    check(Script::Answer("greeting", "421 4.3.2 too many"), "again", 0);
    check(Script::Answer("EHLO", "550 no"), "again", 0);
    check(Script::Answer(".", "451 4.3.0 greylisted"), "again", 0);
    check(Script::Answer(".", "554 5.7.1 spam"), "refused", 0);
    check(Script::Answer(".", "what?"), "doubt", 0);
    check(Script::Answer(".", "354 go on"), "doubt", 0);
    check(Script::DropAt("greeting"), "again", 0);
    check(Script::DropAt("MAIL"), "again", 0);
    check(Script::DropAt("RCPT"), "again", 0);
    check(Script::DropAt("DATA"), "again", 0);
    // It has the letter or not, and says neither.
    check(Script::DropAt("."), "doubt", 0);
    check(Script::TakeAndDrop, "doubt", 1);
}

#[test]
fn a_letter_that_breaks_off_in_its_middle_is_made_again() {
    let server = Server::start(vec![Script::DropInside]);
    let long = "길다. ".repeat(1 << 20);
    let verdict = send(&outlet(smtp(&server, Security::None)), &effect("m-1", &long));
    assert_eq!(kind(&verdict), "again", "more than any buffer holds was never taken: {verdict:?}");
}

#[test]
fn a_server_that_is_silent_is_given_up() {
    let check = |script: Script, expect: &str| {
        let server = Server::start(vec![script.clone()]);
        let short =
            smtp(&server, Security::None).patience(Duration::from_millis(200), Duration::from_millis(200));
        assert_eq!(kind(&send(&outlet(short), &effect("m-1", "x"))), expect, "{script:?}");
    };
    check(Script::SilentAt("greeting"), "again");
    check(Script::SilentAt("RCPT"), "again");
    check(Script::SilentAt("."), "doubt");
    // Nobody listens there at all.
    let gone = Server::start(vec![]).address.clone();
    let nobody = Smtp::new(&gone, Security::None).unwrap();
    assert_eq!(kind(&send(&outlet(nobody), &effect("m-1", "x"))), "again");
}

#[test]
fn a_letter_arrives_as_it_was_written() {
    let server = Server::start(vec![Script::Take, Script::Take]);
    let outlet = outlet(smtp(&server, Security::None));
    for _ in 0..2 {
        assert_eq!(send(&outlet, &effect("m-1", "안녕하세요\n.\n..끝 {link}")), Verdict::Done);
    }
    let letters = server.letters();
    assert_eq!(letters[0], letters[1], "at every attempt the same");
    let letter = &letters[0];
    assert_eq!((letter.from.as_str(), letter.to.as_str()), ("shop@inyeon.example", "mina@customer.example"));
    let (head, body) = letter.text.split_once("\r\n\r\n").unwrap();
    for line in [
        format!("Message-ID: <{}@inyeon.example>", channels::mail_id("m-1")),
        "Subject: =?utf-8?b?KOq0keqzoCkg7J6J7YGs?=".to_owned(),
        "List-Unsubscribe: <https://shop.example/unsubscribe/token>".to_owned(),
        "List-Unsubscribe-Post: List-Unsubscribe=One-Click".to_owned(),
    ] {
        assert!(head.split("\r\n").any(|known| known == line), "{line}\n{head}");
    }
    let lines: Vec<&str> = body.split("\r\n").collect();
    assert_eq!(lines[1], ".", "dots are sent double and read single");
    assert!(lines[2].starts_with("..=EB=81=9D https://shop.example/offer/token"), "{body}");
}

#[test]
fn encryption_that_is_wanted_is_had_or_nothing_is_said() {
    let certificate = tls::Certificate::new();
    let with_ca = |smtp: Smtp| {
        let mut smtp = smtp;
        smtp.ca = Some(certificate.pem());
        (smtp.user, smtp.password) = (Some("shop".to_owned()), Some("pass-word".to_owned()));
        // The certificate names the host.
        smtp.host = "localhost".to_owned();
        smtp
    };
    // Offered and taken: the password and the letter go through it.
    for (script, security) in [
        (Script::Starttls(certificate.encrypt()), Security::Starttls),
        (Script::Tls(certificate.encrypt()), Security::Tls),
    ] {
        let server = Server::start(vec![script]);
        let outlet = outlet(with_ca(smtp(&server, security)));
        assert_eq!(send(&outlet, &effect("m-1", "x")), Verdict::Done, "{security:?}");
        assert_eq!(server.letters().len(), 1);
        assert_eq!(server.logins(), [BASE64_STANDARD.encode("\0shop\0pass-word")]);
    }
    // Not offered: not a word of the letter, nor the password.
    let server = Server::start(vec![Script::Take]);
    let verdict = send(&outlet(with_ca(smtp(&server, Security::Starttls))), &effect("m-1", "x"));
    assert_eq!(kind(&verdict), "again", "{verdict:?}");
    assert!(server.letters().is_empty() && server.logins().is_empty());
    assert!(!server.heard().iter().any(|line| line.starts_with("MAIL")), "{:?}", server.heard());
    // Somebody else's certificate.
    let other = tls::Certificate::new();
    let server = Server::start(vec![Script::Starttls(other.encrypt())]);
    let verdict = send(&outlet(with_ca(smtp(&server, Security::Starttls))), &effect("m-1", "x"));
    assert_eq!(kind(&verdict), "again", "{verdict:?}");
    assert!(server.logins().is_empty());
    // A wrong password fails every letter, so it fails none for good.
    let server = Server::start(vec![Script::Answer("AUTH", "535 5.7.8 no")]);
    let mut wrong = smtp(&server, Security::None);
    (wrong.user, wrong.password) = (Some("shop".to_owned()), Some("x".to_owned()));
    assert_eq!(kind(&send(&outlet(wrong), &effect("m-1", "x"))), "again");
}

#[test]
fn a_directory_gets_each_letter_once() {
    let temp = tempfile::tempdir().unwrap();
    let place = temp.path().join("mail");
    let outlet = Outlet::mail(sender(), Carrier::Directory(place.clone())).unwrap();
    for _ in 0..3 {
        assert_eq!(send(&outlet, &effect("m-1", "하나 {link}")), Verdict::Done);
    }
    assert_eq!(send(&outlet, &effect("m-2", "둘")), Verdict::Done);
    let name = |key: &str| format!("{}.eml", channels::mail_id(key));
    let text = std::fs::read_to_string(place.join(name("m-1"))).unwrap();
    assert!(text.contains("https://shop.example/offer/token") && !text.contains("{link}"));
    // What was read is not written again.
    std::fs::create_dir(place.join("done")).unwrap();
    std::fs::rename(place.join(name("m-1")), place.join("done").join(name("m-1"))).unwrap();
    assert_eq!(send(&outlet, &effect("m-1", "하나")), Verdict::Done);
    assert_eq!(std::fs::read_dir(&place).unwrap().count(), 2, "the second letter, and what was read");
    // What is no message, or has no address, never will be one.
    let mut unreadable = effect("m-3", "x");
    unreadable.body = Some("{}".to_owned());
    assert_eq!(kind(&send(&outlet, &unreadable)), "refused");
    let owner = EntityId::customer(PartitionId(0), 1);
    let unsigned = Parcel { effect: &effect("m-4", "x"), owner, now: Time(0), links: None };
    assert_eq!(kind(&outlet.send(&unsigned)), "again", "until somebody signs");
}

/// A day of a server at its worst: letters are tried by the schedule for as long as it says, and after each attempt
/// the process may be gone. Nothing is lost, nothing is sent twice without a doubt, and every doubt is known.
#[test]
fn nothing_is_lost_and_every_doubt_is_known() {
    let letters = if std::env::var("INYEON_TEST_SCALE").as_deref() == Ok("full") { 400 } else { 60 };
    let mut dice = StdRng::seed_from_u64(20_261_122);
    let mut scripts = Vec::new();
    // More answers than can be asked for; the last of them takes everything.
    for _ in 0..letters * 3 {
        scripts.push(match dice.random_range(0..12) {
            0 => Script::Answer("RCPT", "450 4.2.1 later"),
            1 => Script::Answer("RCPT", "550 5.1.1 nobody"),
            2 => Script::Answer(".", "451 4.3.0 greylisted"),
            3 => Script::DropAt("."),
            4 => Script::TakeAndDrop,
            5 => Script::DropAt("RCPT"),
            6 => Script::Answer("greeting", "421 busy"),
            _ => Script::Take,
        });
    }
    let server = Server::start(scripts);
    let outlet = outlet(smtp(&server, Security::None));
    let temp = tempfile::tempdir().unwrap();
    let attempts = Attempts::new(temp.path());
    let effects: Vec<Effect> = (0..letters).map(|n| effect(&format!("m-{n}"), "x")).collect();
    let mut ends: BTreeMap<String, &'static str> = BTreeMap::new();
    let mut now = Duration::ZERO;
    // Each life of the process begins with what the notes say.
    while ends.len() < effects.len() {
        let mut outbox = Outbox::new(MAIL_SCHEDULE);
        for effect in &effects {
            if ends.contains_key(&effect.key) {
                continue;
            }
            match attempts.standing(&effect.key).unwrap() {
                None => outbox.push(&effect.key, effect, now),
                Some(Standing::Waiting { failed, due }) => {
                    let due = Duration::from_secs(due.unsigned_abs());
                    outbox.push_waiting(&effect.key, effect, failed, due);
                }
                Some(Standing::Trying { .. }) => drop(ends.insert(effect.key.clone(), "doubt")),
                Some(Standing::Taken) => drop(ends.insert(effect.key.clone(), "done")),
                Some(Standing::Refused) => drop(ends.insert(effect.key.clone(), "refused")),
            }
        }
        while let Some(due) = outbox.next_due() {
            now = now.max(due);
            let Some((key, effect)) = outbox.due(now) else { continue };
            let (key, failed) = (key.to_owned(), outbox.standing(key).unwrap().0);
            attempts.note(&key, Standing::Trying { attempt: failed }).unwrap();
            let verdict = send(&outlet, effect);
            if dice.random_range(0..20) == 0 {
                // Gone between the answer and the note of it.
                break;
            }
            match verdict {
                Verdict::Again { .. } => {
                    assert!(outbox.again(&key, now, None).is_none(), "the schedule is longer than this day");
                    let (failed, due) = outbox.standing(&key).unwrap();
                    assert!(due - now >= Duration::from_secs(1_800));
                    let due = i64::try_from(due.as_secs()).unwrap();
                    attempts.note(&key, Standing::Waiting { failed, due }).unwrap();
                }
                over => {
                    outbox.end(&key);
                    ends.insert(key, kind(&over));
                }
            }
        }
    }
    let mut taken: BTreeMap<String, u32> = BTreeMap::new();
    for letter in server.letters() {
        let id = letter.text.split("Message-ID: <").nth(1).unwrap().split('@').next().unwrap().to_owned();
        *taken.entry(id).or_default() += 1;
    }
    let mut of: BTreeMap<&str, u32> = BTreeMap::new();
    for (key, end) in &ends {
        *of.entry(end).or_default() += 1;
        let arrived = taken.get(&channels::mail_id(key)).copied().unwrap_or_default();
        match *end {
            "done" => assert_eq!(arrived, 1, "{key}"),
            "refused" => assert_eq!(arrived, 0, "{key}"),
            "doubt" => assert!(arrived <= 1, "{key}: never twice"),
            other => panic!("{key}: {other}"),
        }
    }
    assert!(["done", "refused", "doubt"].iter().all(|end| of.get(end).is_some_and(|n| *n > 1)), "{of:?}");
}
