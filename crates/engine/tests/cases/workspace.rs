//! The installation: sources and keys, imports and their lines of time, the kill switch.

use engine::{Change, Context, Entity, Reference, Stimulus, Workspace, decide, evolve};
use model::*;

fn context(reference: &Reference, now: Time) -> Context<'_> {
    Context { now, timeline: TimelineId::LIVE, reference, effects_on: true }
}

/// What each command leads to, in order, and the workspace after all of them.
#[track_caller]
fn check(commands: &[(Command, &str)]) -> Workspace {
    let reference = Reference::default();
    let mut entity = Entity::new(EntityId::workspace());
    for (n, (command, expected)) in commands.iter().enumerate() {
        let now = Time(n as i64);
        let outcomes = decide(&entity, &Stimulus::Command(command), &context(&reference, now));
        let names: Vec<&str> = outcomes
            .iter()
            .map(|outcome| match outcome {
                Outcome::Fact(fact) => fact.name(),
                Outcome::Ignored { .. } => "ignored",
                other => panic!("a workspace decides no {other:?}"),
            })
            .collect();
        assert_eq!(names, [*expected], "{command:?}");
        for outcome in &outcomes {
            evolve(&mut entity, &Change::Outcome { outcome, timeline: TimelineId::LIVE });
        }
    }
    entity.workspace().unwrap().clone()
}

fn create(source: &str, key: u8) -> Command {
    Command::CreateSource { source: source.into(), key_hash: [key; 32] }
}

fn revoke(source: &str) -> Command {
    Command::RevokeSource { source: source.into() }
}

fn start(name: &str) -> Command {
    Command::StartImport { name: name.into() }
}

fn finish(name: &str, events: u64) -> Command {
    Command::FinishImport { name: name.into(), events, bad_rows: 1 }
}

#[test]
fn sources_and_their_keys() {
    let workspace = check(&[
        (revoke("web"), "ignored"),
        (create("web", 1), "source.created"),
        (create("web", 2), "ignored"),
        (create("app", 3), "source.created"),
        (revoke("web"), "source.revoked"),
        (revoke("web"), "ignored"),
        (create("web", 4), "source.created"),
    ]);
    let web = &workspace.sources["web"];
    assert_eq!((web.key_hash, web.created_at, web.revoked_at), ([4; 32], Time(6), None));
    assert_eq!(workspace.sources.len(), 2);
}

#[test]
fn each_import_has_a_line_of_time_of_its_own_for_ever() {
    let workspace = check(&[
        (start("a"), "import.started"),
        (start("b"), "import.started"),
        (finish("a", 10), "import.finished"),
        (start("a"), "import.started"),
        (finish("a", 12), "import.finished"),
        (start("c"), "import.started"),
    ]);
    let of = |name: &str| {
        let import = &workspace.imports[name];
        (
            import.timeline.0,
            import.started_at.0,
            import.finished_at.map(|at| at.0),
            import.events,
            import.bad_rows,
        )
    };
    assert_eq!(of("a"), (1, 0, Some(4), 12, 1));
    assert_eq!(of("b"), (2, 1, None, 0, 0));
    assert_eq!(of("c"), (3, 5, None, 0, 0));
    assert_eq!(workspace.timeline_of("d"), TimelineId(4));
}

#[test]
fn an_import_that_was_never_started_is_not_finished() {
    let workspace =
        check(&[(finish("a", 10), "ignored"), (start("b"), "import.started"), (finish("c", 3), "ignored")]);
    assert_eq!(workspace.imports.len(), 1);
    assert_eq!(workspace.imports["b"].finished_at, None);
}

#[test]
fn the_kill_switch() {
    let switch = |on| Command::SwitchEffects { on, reason: "r".into() };
    assert!(check(&[]).effects_on);
    assert!(!check(&[(switch(false), "effects.switched")]).effects_on);
    assert!(check(&[(switch(false), "effects.switched"), (switch(true), "effects.switched")]).effects_on);
}

#[test]
fn commands_for_a_customer_change_nothing() {
    let key = || "k".to_owned();
    let workspace = check(&[
        (Command::Erase, "ignored"),
        (Command::SettleEffect { key: key(), result: EffectResult::Done }, "ignored"),
        (Command::MarkEffectUnknown { key: key() }, "ignored"),
        (Command::NoteDeadLetterReplayed { seq: 3 }, "dead_letter.replayed"),
    ]);
    assert_eq!(workspace, Workspace::default());
}

#[test]
fn only_commands_move_it() {
    let (reference, entity) = (Reference::default(), Entity::new(EntityId::workspace()));
    for stimulus in [
        Stimulus::Timer(TimerId(1)),
        Stimulus::StartEffect("k"),
        Stimulus::MergeInto(EntityId::customer(PartitionId(0), 1)),
        Stimulus::Mail(&MailBody::SignalForwarded {
            name: "order.placed".into(),
            properties: "{}".into(),
            timestamp: Time(0),
            timeline: TimelineId::LIVE,
            now: Time(0),
        }),
    ] {
        assert_eq!(decide(&entity, &stimulus, &context(&reference, Time(0))), []);
    }
}

#[test]
fn reference_data_is_checked() {
    for (threshold, sound) in
        [(0.0, true), (1.0, true), (0.3, true), (-0.1, false), (1.1, false), (f64::NAN, false)]
    {
        let reference = Reference { version: 1, at_risk_threshold: threshold, ..Reference::default() };
        assert_eq!(reference.check().is_ok(), sound, "{threshold}");
    }
    assert!(Reference::default().check().is_ok());
}
