//! Merging profiles, mail that comes twice or in any order, and events that belong to somebody else.

use engine::identity::Rules;
use engine::{Change, Entity, Observed, evolve};
use model::*;
use proptest::prelude::*;

use super::scale::config;
use super::scenario::*;

const OTHER: EntityId = EntityId::customer(PartitionId(0), 2);
const O: &str = r#""order_id":"o""#;

/// A profile that heard some events.
fn heard(id: EntityId, events: &[(u8, i64)]) -> Entity {
    let mut entity = Entity::new(id);
    for (n, at) in events {
        let event = Event {
            kind: if n % 2 == 0 { EventKind::Identify } else { EventKind::Track },
            name: format!("viewed {}", n % 5).into(),
            user_id: (n % 3 == 0).then(|| format!("c-{}", id.number).into()),
            anonymous_id: Some(format!("a-{}", n % 4).into()),
            previous_id: None,
            group_id: None,
            message_id: format!("m-{n}-{at}").into(),
            timestamp: Time(*at),
            properties: None,
            traits: Some(format!(r#"{{"t{}":{n},"all":{at}}}"#, n % 4).into()),
            context: None,
            rest: None,
        };
        let rules = Rules::default();
        let named = rules.read(&event);
        let observed = Observed::new(&event, &named, "web", KeyId(u64::from(*n)));
        evolve(&mut entity, &Change::Input(&observed));
    }
    entity
}

fn lists() -> impl Strategy<Value = Vec<(u8, i64)>> {
    prop::collection::vec((any::<u8>(), 0..1_000_000i64), 0..12)
}

#[test]
fn what_several_profiles_know_does_not_depend_on_which_is_counted_first() {
    proptest!(config(500, 5_000, 100_000), |(lists in [lists(), lists(), lists()], order in Just([0, 1, 2]).prop_shuffle())| {
        let profiles: Vec<Profile> = lists
            .iter()
            .zip(50..)
            .map(|(list, n)| heard(EntityId::customer(PartitionId(0), n), list).customer().unwrap().profile.clone())
            .collect();
        let person = |order: [usize; 3]| {
            let mut all = Profile::default();
            order.iter().for_each(|n| all.absorb(&profiles[*n]));
            all
        };
        let expected = person([0, 1, 2]);
        prop_assert_eq!(&person(order), &expected);
        let heard_in_all: usize = lists.iter().map(Vec::len).sum();
        prop_assert_eq!(expected.events(), heard_in_all as u64);
    });
}

#[test]
fn what_a_person_is_does_not_depend_on_the_order_of_what_was_heard() {
    let shuffled = lists().prop_flat_map(|list| (Just(list.clone()), Just(list).prop_shuffle()));
    proptest!(config(500, 10_000, 1_000_000), |((list, shuffled) in shuffled)| {
        let profile = |list: &[(u8, i64)]| heard(CUSTOMER, list).customer().unwrap().profile.clone();
        prop_assert_eq!(profile(&list), profile(&shuffled));
    });
}

#[test]
fn a_profile_goes_from_person_to_person_and_keeps_what_it_owns() {
    let placed = r#""order_id":"o","promise":{"due":"2026-03-05"}"#;
    let third = EntityId::customer(PartitionId(0), 3);
    let mut world = World::new();
    for step in [
        Step::Part,
        on("1", "order.placed", placed),
        Step::MergeInto(CUSTOMER),
        Step::MergeInto(OTHER),
        Step::MergeInto(OTHER),
        Step::MergeInto(third),
    ] {
        world.step(&step);
    }
    assert_eq!(world.customer().merged_into, Some(third));
    for step in [Step::Part, Step::Part, on("4", "fulfillment.delivered", O)] {
        world.step(&step);
    }
    assert_eq!(world.customer().merged_into, None);
    assert_eq!(
        world.log.join(" "),
        "order.placed promise.made profile.merged mail:cus-0-2 profile.merged mail:cus-0-3 profile.parted \
         fulfillment.moved order.moved promise.kept"
    );
    assert_eq!(world.ends(), "o delivered, order:o kept");
}

#[test]
fn who_stands_for_others_knows_each_once() {
    let mut entity = Entity::new(CUSTOMER);
    let key = |n: u64| MailKey { origin: Position::new(PartitionId(0), 100 + n), index: 0 };
    for (n, number) in [(1, 7), (1, 7), (2, 8), (3, 7)] {
        let body = MailBody::ProfileJoined { from: EntityId::customer(PartitionId(0), number) };
        evolve(&mut entity, &Change::Mail { key: key(n), body: &body });
    }
    let customer = entity.customer().unwrap();
    assert_eq!(customer.absorbed.iter().map(|id| id.number).collect::<Vec<_>>(), [7, 8]);
    assert_eq!(customer.mails.len(), 3);
}

#[test]
fn an_event_about_what_another_owns_is_sent_on_and_counts_there() {
    let mut sender = World::new();
    for step in [Step::Owner(Some(OTHER)), on("4", "fulfillment.delivered", O)] {
        sender.step(&step);
    }
    assert_eq!(sender.log, ["mail:cus-0-2"]);
    assert_eq!(sender.ends(), "", "nothing of it is the sender's");
    let [Outcome::Mail { body, .. }] = &sender.outcomes[..] else { panic!("one mail") };
    check(
        [
            on("1", "order.placed", r#""order_id":"o","promise":{"due":"2026-03-05"}"#),
            clock("4"),
            Step::Mail(body.clone()),
        ],
        "order.placed promise.made fulfillment.moved order.moved promise.kept",
        "o delivered, order:o kept",
    );
    // One's own is not sent on, nor is what cannot be read.
    check(
        [Step::Owner(Some(CUSTOMER)), on("4", "fulfillment.delivered", O)],
        "fulfillment.moved order.moved",
        "o delivered unplaced",
    );
    check([Step::Owner(Some(OTHER)), on("4", "fulfillment.delivered", "")], "ignored", "");
    // A mail whose event says nothing moves nothing.
    let mail = |name: &str, properties: &str| {
        Step::Mail(MailBody::SignalForwarded {
            name: name.into(),
            properties: properties.into(),
            timestamp: Time(0),
            timeline: TimelineId::LIVE,
            now: Time(0),
        })
    };
    check(
        [mail("viewed", "{}"), mail("order.placed", "[]"), mail("order.placed", "{}")],
        "ignored ignored ignored",
        "",
    );
}
