//! The fold is a function of its journal: whoever replays reaches the same bytes, and nothing leaves twice.

use std::path::Path;
use std::sync::Arc;

use model::PartitionId;
use runtime::{Base, Fold, Logs};
use store::{Checkpoint, Keys, State};

use crate::history::{BY_HAND, History, Maker, Run, Shown, Step, Taste, assert_same_entities};
use crate::support::{Rng, assert_same_text, scale, temp, test_keys};

fn fold(keys: &Arc<Keys>, base: Base, base_seq: u64, history: &History, journal: &[Vec<u8>]) -> Fold {
    let logs = Logs::Memory { intake: history.intake.clone(), journal: journal.to_vec() };
    Fold::new(PartitionId(0), keys.clone(), base, base_seq, logs, 1).unwrap()
}

/// A run that replays `journal` after `base_seq`, in pieces of `piece` entries for the views.
fn replayed(
    keys: &Arc<Keys>,
    base: Base,
    base_seq: u64,
    history: &History,
    journal: &[Vec<u8>],
    piece: u64,
    shown: Shown,
) -> Run {
    let mut run = Run::new(fold(keys, base, base_seq, history, journal));
    run.shown = shown;
    run.journal = journal.to_vec();
    for seq in base_seq + 1..=journal.len() as u64 {
        run.fold.replay(seq).unwrap();
        if seq % piece == 0 || seq == journal.len() as u64 {
            let changes = run.fold.take_replayed_changes().unwrap();
            run.shown.apply(seq, changes);
        }
    }
    run
}

fn taste(rng: &mut Rng) -> Taste {
    Taste {
        steps: 20 + rng.below(120),
        import: rng.chance(40),
        erase: rng.chance(30),
        by_hand: rng.chance(30),
        twice: false,
        gentle: false,
    }
}

fn assert_same_run(reference: &mut Run, other: &mut Run, history: &History, what: &str) {
    let inputs = history.intake.len();
    assert_same_entities(&reference.entities(inputs), &other.entities(inputs), what);
    reference.shown.assert_same(&other.shown, what);
    assert_eq!(reference.fold.counters(), other.fold.counters(), "{what}: counters");
    assert_eq!(reference.fold.mail_waiting(), other.fold.mail_waiting(), "{what}: mail under way");
    assert_eq!(reference.fold.reference(), other.fold.reference(), "{what}: reference data");
    assert_eq!(
        reference.fold.started_effects().unwrap(),
        other.fold.started_effects().unwrap(),
        "{what}: effects"
    );
    for timeline in [0, 1].map(model::TimelineId) {
        assert_eq!(reference.fold.next_wake(timeline), other.fold.next_wake(timeline), "{what}: next wake");
    }
}

#[test]
fn a_replay_reaches_the_same_bytes_however_the_run_was_cut() {
    let dir = temp();
    let keys = test_keys(dir.path());
    let seeds = scale(400, 10_000, 100_000);
    let mut effects = 0;
    for seed in 1..=seeds {
        let mut rng = Rng::new(seed);
        let taste = taste(&mut rng);
        let history = Maker::new(seed, &keys).make(taste);
        let mut reference = Run::new(fold(&keys, Base::Empty, 0, &history, &[]));
        if taste.by_hand {
            reference.fold.set_delivery(BY_HAND);
        }
        reference.live(&history, 0);
        let journal = reference.journal.clone();
        // In one go, the views told in pieces.
        let piece = 1 + rng.below(20);
        let mut whole = replayed(&keys, Base::Empty, 0, &history, &journal, piece, Shown::default());
        assert_same_run(&mut reference, &mut whole, &history, &format!("seed {seed}, replayed"));
        if seed % 8 == 0 {
            let live = reference.shown.dump(&dir.path().join(format!("live-{seed}.db")));
            let again = whole.shown.dump(&dir.path().join(format!("again-{seed}.db")));
            assert_same_text(&live, &again, &format!("seed {seed}: the views' rows"));
        }
        // Cut at a commit, and lived on from there.
        let (steps, end) = *rng.pick(&reference.commits);
        let mut shown = Shown::default();
        for (upto, changes) in &reference.shown.batches {
            // The views may stand anywhere before the cut.
            if *upto <= end && rng.chance(70) {
                shown.apply(*upto, changes.clone());
            } else {
                break;
            }
        }
        let mut cut = replayed(&keys, Base::Empty, 0, &history, &journal[..end as usize], piece, shown);
        if taste.by_hand {
            cut.fold.set_delivery(BY_HAND);
        }
        let before = reference.started_at.iter().filter(|at| **at < steps).count();
        cut.started = reference.started[..before].to_vec();
        cut.live(&history, steps);
        assert_same_run(&mut reference, &mut cut, &history, &format!("seed {seed}, cut after step {steps}"));
        assert_eq!(reference.started, cut.started, "seed {seed}: no effect starts twice");
        let mut once = reference.started.clone();
        once.sort();
        once.dedup();
        assert_eq!(once.len(), reference.started.len(), "seed {seed}: each effect starts once");
        effects += once.len();
    }
    assert!(effects > seeds as usize / 4, "the histories let effects out: {effects} in {seeds}");
}

#[test]
fn checkpoints_and_a_tiny_cache_change_nothing() {
    let dir = temp();
    let keys = test_keys(dir.path());
    for seed in 1..=scale(60, 1_500, 15_000) {
        let mut rng = Rng::new(seed ^ 0xC4EC);
        let taste = taste(&mut rng);
        let history = Maker::new(seed ^ 0xC4EC, &keys).make(taste);
        let mut reference = Run::new(fold(&keys, Base::Empty, 0, &history, &[]));
        if taste.by_hand {
            reference.fold.set_delivery(BY_HAND);
        }
        reference.live(&history, 0);
        let path = dir.path().join(format!("state-{seed}"));
        let mut other = with_checkpoints(&keys, &history, &path, &mut rng, taste.by_hand);
        assert_same_run(&mut reference, &mut other, &history, &format!("seed {seed}, with checkpoints"));
        assert_eq!(reference.started, other.started, "seed {seed}: effects leave once and in order");
        drop(other);
        std::fs::remove_dir_all(&path).unwrap();
    }
}

fn open(path: &Path, end: u64) -> (Arc<State>, u64) {
    let opened = State::open(path, end, engine::SNAPSHOT_FORMAT).unwrap();
    assert_eq!(opened.dropped, None);
    (Arc::new(opened.state), opened.journal_seq)
}

/// Lives through a history with checkpoints at some commits and a crash at others.
fn with_checkpoints(keys: &Arc<Keys>, history: &History, path: &Path, rng: &mut Rng, by_hand: bool) -> Run {
    let (mut state, _) = open(path, 0);
    let mut run = Run::new(fold(keys, Base::Checkpoint(state.clone()), 0, history, &[]));
    let mut out: Option<Checkpoint> = None;
    // What a process that lost the views would fall back to: the views are durable before the checkpoint.
    let mut durable = Shown::default();
    for (index, step) in history.steps.iter().enumerate() {
        if by_hand {
            run.fold.set_delivery(BY_HAND);
        }
        run.step(step, index);
        if !matches!(step, Step::Commit) {
            continue;
        }
        if let Some(checkpoint) = out.take() {
            // It takes its time: commits may pass until it is durable.
            if rng.chance(60) {
                let seq = checkpoint.journal_seq;
                state.commit(checkpoint).unwrap();
                run.fold.checkpoint_done(seq);
            } else {
                out = Some(checkpoint);
            }
        } else if run.fold.is_collecting() || rng.chance(60) {
            if !run.fold.is_collecting() {
                run.fold.begin_checkpoint();
            }
            // Piece by piece: what changes between two of them is none of it.
            out = run.fold.go_on_with_checkpoint([0, 200, 2_000, usize::MAX][rng.below(4) as usize]);
            if out.is_some() {
                durable = run.shown.clone();
            }
        }
        if rng.chance(8) {
            // Killed; a checkpoint under way is lost or durable.
            if let Some(checkpoint) = out.take().filter(|_| rng.chance(50)) {
                state.commit(checkpoint).unwrap();
            }
            let Run { fold: gone, journal, shown, started, commits, started_at } = run;
            drop(gone);
            drop(state);
            let (reopened, seq) = open(path, journal.len() as u64);
            state = reopened;
            let shown = if rng.chance(50) { shown } else { durable.clone() };
            let base = Base::Checkpoint(state.clone());
            run = replayed(keys, base, seq, history, &journal, 1 + rng.below(20), shown);
            (run.started, run.commits, run.started_at) = (started, commits, started_at);
        }
    }
    run
}
