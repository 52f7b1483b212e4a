//! The threads that follow a partition: the views and the checkpoints.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender};
use store::{Checkpoint, State};
use views::Views;

use super::{NodeCounts, Request, ToViews, give_up, stand_back};

/// Changes that one transaction of the views takes at most, and how long the first of them waits for others: a page
/// that many of them touch is written once. Who asks for what was said until now waits for none.
const VIEWS_CHANGES: usize = 50_000;
const VIEWS_GATHER: Duration = Duration::from_millis(100);

/// The views writer: follows the batches in order.
pub(super) fn follow(
    mut views: Views,
    incoming: &Receiver<ToViews>,
    to_checkpointer: &Sender<Box<Checkpoint>>,
    counts: &NodeCounts,
) {
    stand_back();
    let mut waiting = None;
    loop {
        let Some(message) = waiting.take().or_else(|| incoming.recv().ok()) else { return };
        match message {
            ToViews::Batch { mut upto, mut changes } => {
                let until = Instant::now() + VIEWS_GATHER;
                while changes.len() < VIEWS_CHANGES {
                    match incoming.recv_deadline(until) {
                        Ok(ToViews::Batch { upto: further, changes: more }) => {
                            upto = further;
                            changes.extend(more);
                        }
                        Ok(other) => {
                            waiting = Some(other);
                            break;
                        }
                        Err(_) => break,
                    }
                }
                patiently("bring the views up to date", || views.apply(upto, &changes));
                patiently("take erased rows out of the views", || finish_erasures(&mut views));
                counts.views_seq.store(upto, Ordering::Relaxed);
            }
            ToViews::Checkpoint(checkpoint) => {
                patiently("make the views durable", || views.make_durable());
                if to_checkpointer.send(checkpoint).is_err() {
                    return;
                }
            }
            ToViews::Drained(answer) => drop(answer.send(())),
        }
    }
}

/// Tries until it succeeds: the views can wait, and are folded again where the process ends before.
fn patiently(doing: &str, mut attempt: impl FnMut() -> Result<(), views::Error>) {
    let mut patience = Duration::from_millis(100);
    while let Err(error) = attempt() {
        let source = std::error::Error::source(&error).map(|s| format!(": {s}")).unwrap_or_default();
        eprintln!("inyeon: cannot {doing}: {error}{source}; trying again");
        std::thread::sleep(patience);
        patience = (patience * 2).min(Duration::from_secs(5));
    }
}

pub(super) fn checkpoint(state: &State, incoming: &Receiver<Box<Checkpoint>>, requests: &Sender<Request>) {
    stand_back();
    while let Ok(checkpoint) = incoming.recv() {
        let seq = checkpoint.journal_seq;
        // A cache that cannot be written any more would be trusted at the next start.
        state.commit(*checkpoint).unwrap_or_else(|error| give_up("the checkpoint failed", &error));
        if requests.send(Request::CheckpointDone(seq)).is_err() {
            return;
        }
    }
}

pub(super) fn finish_erasures(views: &mut Views) -> Result<(), views::Error> {
    while views.erasure_owed() {
        match views.finish_erasures() {
            Err(views::Error::Busy { .. }) => std::thread::sleep(Duration::from_millis(20)),
            other => other?,
        }
    }
    Ok(())
}
