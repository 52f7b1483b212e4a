//! Which identifiers an event names, and which of those that were seen together are one person.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use engine::identity::{Group, Node, Rules, Verdict, group, ties_between};
use model::identity::{Evidence, Parted, Tie, Ties};
use model::*;
use proptest::prelude::*;

use super::scale::config;

/// A graph in words: `user:1` and the like, tied at a time.
#[derive(Clone, Debug, Default)]
struct Graph {
    nodes: BTreeMap<IdentifierHash, Node>,
    names: BTreeMap<IdentifierHash, String>,
}

fn hash(name: &str) -> IdentifierHash {
    let mut bytes = [0; 16];
    bytes[..name.len().min(16)].copy_from_slice(&name.as_bytes()[..name.len().min(16)]);
    IdentifierHash(bytes)
}

impl Graph {
    fn node(&mut self, name: &str) -> &mut Node {
        let (kind, value) = name.split_once(':').unwrap();
        let home = matches!(kind, "user" | "anonymous").then(|| {
            let number = value.bytes().fold(u64::from(kind == "user"), |n, b| n * 31 + u64::from(b));
            EntityId::customer(PartitionId(0), number)
        });
        self.names.insert(hash(name), name.to_owned());
        let ties = || Arc::new(Ties { kind: kind.to_owned(), ..Ties::default() });
        self.nodes.entry(hash(name)).or_insert_with(|| Node { home, ties: ties(), crowded: false })
    }

    fn tie(&mut self, one: &str, other: &str, at: i64, explicit: bool) {
        for (here, there) in [(one, other), (other, one)] {
            let tie = Tie {
                other: hash(there),
                with_user: there.starts_with("user"),
                explicit,
                at: Time(at),
                tie: 0,
                evidence: Evidence::Input(at as u64),
            };
            Arc::make_mut(&mut self.node(here).ties).ties.push(tie);
        }
    }

    fn seen(mut self, one: &str, other: &str, at: i64) -> Self {
        self.tie(one, other, at, false);
        self
    }

    fn said(mut self, one: &str, other: &str, at: i64) -> Self {
        self.tie(one, other, at, true);
        self
    }

    fn parted(mut self, one: &str, other: &str) -> Self {
        for (here, there) in [(one, other), (other, one)] {
            Arc::make_mut(&mut self.node(here).ties).parted.push(Parted { other: hash(there), seq: 1 });
        }
        self
    }

    fn groups(&self, rules: &Rules) -> Vec<Group> {
        group(&self.nodes, &ties_between(&self.nodes), rules).0
    }

    /// People as sorted names, and what became of each tie that does not hold.
    fn people(&self, rules: &Rules) -> (Vec<String>, Vec<String>) {
        let ties = ties_between(&self.nodes);
        let (groups, verdicts) = group(&self.nodes, &ties, rules);
        let name = |hash: &IdentifierHash| self.names[hash].clone();
        let mut people: Vec<String> = groups
            .iter()
            .map(|group| {
                let mut names: Vec<String> = group.members.iter().map(name).collect();
                names.sort();
                names.join(" ")
            })
            .collect();
        people.sort();
        let mut cut: Vec<String> = ties
            .iter()
            .zip(verdicts)
            .filter(|(_, verdict)| *verdict != Verdict::Holds)
            .map(|(tie, verdict)| {
                let mut ends = [name(&tie.one), name(&tie.tie.other)];
                ends.sort();
                format!("{} {}", ends.join("-"), verdict.name())
            })
            .collect();
        cut.sort();
        (people, cut)
    }
}

#[track_caller]
fn check(graph: &Graph, people: &[&str], cut: &[&str]) {
    let (found, not) = graph.people(&Rules::default());
    assert_eq!(found, people);
    assert_eq!(not, cut);
}

#[test]
fn a_visitor_who_signs_in_is_one_person() {
    let graph = Graph::default().seen("user:1", "anonymous:a", 1).seen("user:1", "email:x", 2);
    check(&graph, &["anonymous:a email:x user:1"], &[]);
    let groups = graph.groups(&Rules::default());
    assert_eq!(groups[0].head, graph.nodes[&hash("user:1")].home, "a user stands for the person");
    // Two devices, tied by an address alone.
    check(
        &Graph::default().seen("anonymous:a", "email:x", 1).seen("anonymous:b", "email:x", 2),
        &["anonymous:a anonymous:b email:x"],
        &[],
    );
}

#[test]
fn what_two_people_share_ties_neither() {
    check(
        &Graph::default().seen("user:1", "anonymous:tablet", 1).seen("user:2", "anonymous:tablet", 2),
        &["anonymous:tablet", "user:1", "user:2"],
        &["anonymous:tablet-user:1 shared", "anonymous:tablet-user:2 shared"],
    );
    // A family's address; each keeps their own telephone.
    check(
        &Graph::default()
            .seen("user:1", "email:home", 1)
            .seen("user:2", "email:home", 2)
            .seen("anonymous:c", "email:home", 3)
            .seen("anonymous:c", "anonymous:c2", 3)
            .seen("user:1", "anonymous:a", 1),
        &["anonymous:a user:1", "anonymous:c anonymous:c2", "email:home", "user:2"],
        &["anonymous:c-email:home shared", "email:home-user:1 shared", "email:home-user:2 shared"],
    );
    // Nobody shares it directly, and yet two people cannot be one: the tie that was seen first holds.
    check(
        &Graph::default()
            .seen("user:1", "anonymous:a", 5)
            .seen("user:2", "anonymous:b", 6)
            .seen("anonymous:a", "anonymous:m", 2)
            .seen("anonymous:m", "anonymous:b", 3),
        &["anonymous:a anonymous:b anonymous:m user:1", "user:2"],
        &["anonymous:b-user:2 limit"],
    );
}

#[test]
fn what_was_said_holds_whatever_the_limits() {
    let graph = Graph::default().said("user:old", "user:new", 9).seen("user:old", "anonymous:a", 1);
    // One tablet of one person who has two names is not shared.
    check(&graph.clone().seen("user:new", "anonymous:a", 2), &["anonymous:a user:new user:old"], &[]);
    check(
        &graph.parted("user:old", "user:new"),
        &["anonymous:a user:old", "user:new"],
        &["user:new-user:old parted"],
    );
}

#[test]
fn a_user_who_never_came_ties_nobody() {
    // An alias names a device's id, which two people use: as a user's name it must not fuse them.
    let mut graph = Graph::default().said("user:1", "user:device", 1).said("user:2", "user:device", 2);
    graph.node("user:device").home = None;
    check(
        &graph,
        &["user:1", "user:2", "user:device"],
        &["user:1-user:device shared", "user:2-user:device shared"],
    );
}

#[test]
fn a_parting_holds_over_any_path() {
    let graph = Graph::default()
        .seen("user:1", "email:x", 1)
        .seen("anonymous:a", "email:x", 2)
        .seen("user:1", "anonymous:a", 3)
        .parted("user:1", "anonymous:a");
    check(
        &graph,
        &["anonymous:a", "email:x user:1"],
        &["anonymous:a-email:x parted", "anonymous:a-user:1 parted"],
    );
}

#[test]
fn limits_and_priorities_are_the_rules_to_choose() {
    let rules = Rules::parse(
        r#"{"types":{"email":{"limit":1},"user":{"limit":2},"badge":{"from":["external.badge"],"priority":1}}}"#,
    )
    .unwrap();
    let two = Graph::default().seen("user:1", "anonymous:a", 1).seen("user:2", "anonymous:a", 2);
    assert_eq!(two.people(&rules).0, ["anonymous:a user:1 user:2"], "two names are allowed");
    let mails = Graph::default().seen("user:1", "email:a", 1).seen("user:1", "email:b", 2);
    assert_eq!(
        mails.people(&rules),
        (vec!["email:a user:1".into(), "email:b".into()], vec!["email:b-user:1 limit".into()])
    );
    let other = Graph::default().seen("user:1", "unheard:a", 1).seen("anonymous:b", "unheard:a", 2);
    let (people, cut) = other.people(&rules);
    assert_eq!((people.len(), cut.len()), (3, 2), "a type without a rule ties nobody: {people:?} {cut:?}");
    for (text, place) in [
        ("{", "EOF"),
        (r#"{"types":{"E-mail":{}}}"#, "types.E-mail"),
        (r#"{"types":{"email":{"from":["email"]}}}"#, "traits.NAME"),
        (r#"{"types":{"user":{"limit":0}}}"#, "types.user: limit"),
        (r#"{"types":{"order":{}}}"#, "types.order"),
        (r#"{"types":{"user":{"from":["traits.id"]}}}"#, "types.user: from"),
        (r#"{"types":{"email":{"limits":2}}}"#, "limits"),
    ] {
        let error = Rules::parse(text).unwrap_err().to_string();
        assert!(error.contains(place), "{text}: {error}");
    }
}

fn named(event: &Event<'_>) -> String {
    let rules = Rules::default();
    let read = rules.read(event);
    let show = |id: Identifier<'_>| format!("{}:{}", id.type_name(), id.value());
    let home = read.home().map(show).unwrap_or_default();
    let with: Vec<String> = read.with_home().map(show).collect();
    format!("{home} | {}", with.join(" "))
}

#[test]
fn an_event_names_what_is_somebodys() {
    let event = |user: &str, device: &str, traits: &str, context: &str| Event {
        kind: EventKind::Identify,
        name: "".into(),
        user_id: (!user.is_empty()).then(|| user.to_owned().into()),
        anonymous_id: (!device.is_empty()).then(|| device.to_owned().into()),
        previous_id: None,
        group_id: None,
        message_id: "m".into(),
        timestamp: Time(0),
        properties: None,
        traits: (!traits.is_empty()).then(|| traits.to_owned().into()),
        context: (!context.is_empty()).then(|| context.to_owned().into()),
        rest: None,
    };
    let cases = [
        (event("u", "a", "", ""), "user:u | anonymous:a"),
        (event("", "a", "", ""), "anonymous:a | "),
        // Placeholders are nobody.
        (event("guest", "a", "", ""), "anonymous:a | "),
        (event("NULL", "0000-00", "", ""), " | "),
        (event("u", "00000000-0000-0000-0000-000000000000", "", ""), "user:u | "),
        (
            event(
                "u",
                "",
                r#"{"email":" Kim@Example.ORG ","phone":"+82 10-1234-5678","loyalty_card":77}"#,
                "",
            ),
            "user:u | email:kim@example.org phone:+821012345678 card:77",
        ),
        (event("u", "", r#"{"email":"none","phone":"000-0000","loyalty_card":"0000"}"#, ""), "user:u | "),
        (event("u", "", r#"{"email":"test@test.com","phone":"11111111"}"#, ""), "user:u | "),
        (event("u", "", r#"{"email":["a@b.c"],"phone":{"n":1}}"#, ""), "user:u | "),
        (event("u", "", "[]", "[]"), "user:u | "),
        (
            event(
                "u",
                "",
                "",
                r#"{"externalIds":[{"type":"device","id":"d-1","encoding":"none"},{"type":"x","id":1}]}"#,
            ),
            "user:u | device:d-1",
        ),
        (event("u", "", "", r#"{"externalId":[{"type":"loyalty_card","id":"C-9"}]}"#), "user:u | card:C-9"),
    ];
    for (event, expected) in cases {
        assert_eq!(named(&event), expected, "{event:?}");
    }
    // Traits are stated by an identify alone.
    let track = Event { kind: EventKind::Track, ..event("u", "", r#"{"email":"a@b.c"}"#, "") };
    assert_eq!(named(&track), "user:u | ");
}

/// Ties among few identifiers, so that everything meets everything.
fn ties() -> impl Strategy<Value = Vec<(usize, usize, i64, bool)>> {
    prop::collection::vec((0..10usize, 0..10usize, 0..6i64, prop::bool::weighted(0.1)), 0..14)
}

const NAMES: [&str; 10] = [
    "user:1",
    "user:2",
    "user:3",
    "anonymous:a",
    "anonymous:b",
    "anonymous:c",
    "anonymous:d",
    "email:x",
    "email:y",
    "phone:1",
];

fn graph_of(ties: &[(usize, usize, i64, bool)], parted: &[(usize, usize)]) -> Graph {
    let mut graph = Graph::default();
    // As the store does: of all that show a tie the earliest counts, and what was said over what was seen.
    let mut known: BTreeMap<(usize, usize), (bool, i64)> = BTreeMap::new();
    for (a, b, at, said) in ties.iter().filter(|(a, b, ..)| a != b) {
        let news = (!*said, *at);
        let best = known.entry((*a.min(b), *a.max(b))).or_insert(news);
        *best = (*best).min(news);
    }
    for ((a, b), (seen, at)) in known {
        graph.tie(NAMES[a], NAMES[b], at, !seen);
    }
    for (a, b) in parted.iter().filter(|(a, b)| a != b) {
        graph = graph.parted(NAMES[*a], NAMES[*b]);
    }
    graph
}

#[test]
fn who_is_one_person_depends_on_the_set_of_ties_alone() {
    let all = ties().prop_flat_map(|list| (Just(list.clone()), Just(list).prop_shuffle()));
    let parted = prop::collection::vec((0..10usize, 0..10usize), 0..3);
    proptest!(config(2_000, 10_000, 1_000_000), |((list, shuffled) in all, parted in parted)| {
        let rules = Rules::default();
        let graph = graph_of(&list, &parted);
        let people = graph.people(&rules);
        prop_assert_eq!(&graph_of(&shuffled, &parted).people(&rules), &people);
        for person in graph.groups(&rules) {
            let names: BTreeSet<&str> = person.members.iter().map(|hash| graph.names[hash].as_str()).collect();
            for (a, b) in &parted {
                prop_assert!(a == b || !(names.contains(NAMES[*a]) && names.contains(NAMES[*b])), "parted: {:?}", names);
            }
            // Two users are one person only where somebody said so.
            let users = names.iter().filter(|name| name.starts_with("user")).count();
            let said = list.iter().any(|(.., said)| *said);
            prop_assert!(users <= 1 || said, "{:?}", names);
            prop_assert_eq!(person.head.is_some(), !person.homes.is_empty());
            prop_assert!(person.head.is_none_or(|head| person.homes.contains(&head)));
        }
    });
}
