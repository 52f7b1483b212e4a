//! Effects: requested once per key, started at the last gate, settled or unknown; the kill switch; erasure.

use model::*;

use super::scenario::*;

const PLACED: &str = r#""order_id":"o","promise":{"due":"2026-03-05"}"#;
const KEY: &str = "cus-0-1/order:o/broken";

/// A promise that the clock broke: one effect is requested.
fn broken() -> [Step; 2] {
    [on("1", "order.placed", PLACED), clock("6")]
}

const BROKEN: &str = "order.placed promise.made promise.broken +promise_broken";
const STATE: &str = "o placed, order:o broken by clock, order:o/broken";

fn settle(result: EffectResult) -> Step {
    Step::Command(Command::SettleEffect { key: KEY.into(), result })
}

fn doubt() -> Step {
    Step::Command(Command::MarkEffectUnknown { key: KEY.into() })
}

fn run(more: impl IntoIterator<Item = Step>, names: &str, state: &str) {
    check(broken().into_iter().chain(more), &format!("{BROKEN} {names}"), &format!("{STATE} {state}"));
}

#[test]
fn an_effect_goes_its_way() {
    let failed = || EffectResult::Failed("no such address".into());
    run([], "", "requested");
    run([Step::StartEffects], "started", "started");
    run([Step::StartEffects, settle(EffectResult::Done)], "started done", "done");
    run([Step::StartEffects, settle(failed())], "started failed", "failed");
    run([Step::StartEffects, doubt()], "started unknown", "unknown");
    // Somebody found out after all.
    run([Step::StartEffects, doubt(), settle(EffectResult::Done)], "started unknown done", "done");
    run([Step::StartEffects, doubt(), settle(failed())], "started unknown failed", "failed");
}

#[test]
fn an_effect_never_goes_back_or_twice() {
    run([Step::StartEffects, Step::StartEffects], "started", "started");
    run([Step::StartEffects, doubt(), Step::StartEffects, doubt()], "started unknown", "unknown");
    run([settle(EffectResult::Done)], "ignored", "requested");
    run([doubt()], "", "requested");
    let done = [Step::StartEffects, settle(EffectResult::Done)];
    run(
        done.into_iter().chain([settle(EffectResult::Failed("?".into())), doubt(), Step::StartEffects]),
        "started done ignored",
        "done",
    );
    let other =
        Step::Command(Command::SettleEffect { key: "cus-0-1/x/broken".into(), result: EffectResult::Done });
    run([other], "ignored", "requested");
}

#[test]
fn the_kill_switch_lets_nothing_start() {
    run([Step::KillSwitch(false), Step::StartEffects], "-promise_broken:effects_off", "suppressed");
    // Suppressed for good: switching on again sends no old news.
    run(
        [Step::KillSwitch(false), Step::StartEffects, Step::KillSwitch(true), Step::StartEffects],
        "-promise_broken:effects_off",
        "suppressed",
    );
    // What had started before is only settled.
    run(
        [Step::StartEffects, Step::KillSwitch(false), Step::StartEffects, settle(EffectResult::Done)],
        "started done",
        "done",
    );
}

#[test]
fn an_effect_is_wanted_once_per_key_and_says_what_it_is_about() {
    let world = check(
        [
            on("1", "order.placed", PLACED),
            clock("6"),
            late("9", "4", "fulfillment.delivered", r#""order_id":"o""#),
            on("10", "fulfillment.delivered", r#""order_id":"o""#),
        ],
        &format!("{BROKEN} fulfillment.moved order.moved promise.corrected fulfillment.moved"),
        "o delivered, order:o kept, order:o/broken requested",
    );
    let effect = &world.customer().effects[KEY].effect;
    assert_eq!((effect.kind, effect.key.as_str()), (EffectKind::CustomerNotify, KEY));
    assert_eq!((effect.promise_id.as_deref(), effect.order_id.as_deref()), (Some("order:o"), Some("o")));
}

#[test]
fn an_erased_customer_decides_nothing() {
    let erase = || Step::Command(Command::Erase);
    let ends = "erased";
    check(
        [
            on("1", "order.placed", PLACED),
            erase(),
            erase(),
            on("2", "fulfillment.delivered", r#""order_id":"o""#),
            on("2", "order.placed", PLACED),
            on("2", "order.placed", ""),
            Step::MergeInto(EntityId::customer(PartitionId(0), 2)),
            Step::StartEffects,
            settle(EffectResult::Done),
            clock("20"),
        ],
        "order.placed promise.made profile.erased",
        ends,
    );
    let body = MailBody::ProfileJoined { from: EntityId::customer(PartitionId(0), 2) };
    let world = check([erase(), Step::Mail(body)], "profile.erased", ends);
    assert!(world.customer().absorbed.is_empty());
}

#[test]
fn commands_reach_only_whom_they_are_for() {
    for command in [
        Command::CreateSource { source: "web".into(), key_hash: [0; 32] },
        Command::RevokeSource { source: "web".into() },
        Command::SwitchEffects { on: false, reason: "r".into() },
        Command::StartImport { name: "i".into() },
        Command::FinishImport { name: "i".into(), events: 0, bad_rows: 0 },
        Command::NoteDeadLetterReplayed { seq: 1 },
    ] {
        check([Step::Command(command)], "ignored", "");
    }
}
