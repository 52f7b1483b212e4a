//! Merging profiles, mail that comes twice or in any order, and events that belong to somebody else.

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
        evolve(
            &mut entity,
            &Change::Input(&Observed { event: &event, source: "web", key: KeyId(u64::from(*n)) }),
        );
    }
    entity
}

fn absorbed(from: EntityId, entity: &Entity) -> MailBody {
    let customer = entity.customer().unwrap();
    MailBody::ProfileAbsorbed { from, profile: customer.profile.clone(), keys: customer.keys.clone() }
}

fn key(n: usize) -> MailKey {
    MailKey { origin: Position::new(PartitionId(0), 100 + n as u64), index: 0 }
}

fn lists() -> impl Strategy<Value = Vec<(u8, i64)>> {
    prop::collection::vec((any::<u8>(), 0..1_000_000i64), 0..12)
}

#[test]
fn being_counted_in_does_not_depend_on_order_or_repetition() {
    let deliveries = prop::collection::vec(0..3usize, 3..12);
    proptest!(config(500, 5_000, 100_000), |(own in lists(), others in [lists(), lists(), lists()], order in deliveries)| {
        let ids: Vec<EntityId> = (0..3).map(|n| EntityId::customer(PartitionId(0), 50 + n)).collect();
        let mails: Vec<MailBody> =
            others.iter().zip(&ids).map(|(list, id)| absorbed(*id, &heard(*id, list))).collect();
        let run = |order: &[usize]| {
            let mut entity = heard(CUSTOMER, &own);
            for n in order {
                evolve(&mut entity, &Change::Mail { key: key(*n), body: &mails[*n] });
            }
            let mut customer = entity.customer().unwrap().clone();
            customer.keys.sort();
            customer
        };
        // Every mail at least once, then again as the generator likes.
        let expected = run(&[0, 1, 2]);
        let mut once_more = order.clone();
        for n in 0..3 {
            if !once_more.contains(&n) {
                once_more.push(n);
            }
        }
        prop_assert_eq!(&run(&once_more), &expected);
        once_more.reverse();
        prop_assert_eq!(&run(&once_more), &expected);
        prop_assert_eq!(expected.absorbed.len(), 3);
        prop_assert_eq!(expected.mails.len(), 3);
        let heard_in_all = own.len() + others.iter().map(Vec::len).sum::<usize>();
        prop_assert_eq!(expected.profile.events(), heard_in_all as u64);
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
fn a_merged_profile_sends_its_summary_once_and_keeps_what_it_owns() {
    let placed = r#""order_id":"o","promise":{"due":"2026-03-05"}"#;
    let world = check(
        [
            on("1", "order.placed", placed),
            Step::MergeInto(CUSTOMER),
            Step::MergeInto(OTHER),
            Step::MergeInto(OTHER),
            Step::MergeInto(EntityId::customer(PartitionId(0), 3)),
            on("4", "fulfillment.delivered", O),
        ],
        "order.placed promise.made profile.merged mail:cus-0-2 fulfillment.moved order.moved promise.kept",
        "o delivered, order:o kept",
    );
    assert_eq!(world.customer().merged_into, Some(OTHER));
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
