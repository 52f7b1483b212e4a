//! Effects on their way: to the sink, or to the systems that are told of orders and payments.
//!
//! Each system has a thread of its own, so that a slow one holds up nobody else. How often something was tried is
//! kept in memory alone: after a restart what had started begins again from its first attempt, with the same id.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use channels::{Outbox, Outlet, Schedule, Verdict};
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, unbounded};
use model::{Effect, EffectKind, EffectResult, EntityId};
use serde::Serialize;

use super::{Request, spawn};
use crate::clock::Clock;
use crate::effects::Sink;

/// Systems by their names.
pub(super) type Connected = BTreeMap<String, Outlet>;
type Job = (EntityId, Effect);

/// What the thread of the effects is told.
pub(super) enum ToEffects {
    /// These systems are told from now on, and no others.
    Outlets(Connected),
    Deliver(EntityId, Effect),
}

/// How things stand with a system, since this start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct OutletStatus {
    /// Effects that it has not taken yet.
    pub waiting: usize,
    pub taken: u64,
    /// Attempts that it did not answer with 2xx.
    pub failed_attempts: u64,
    pub last_error: Option<String>,
}

/// Shared with whoever asks how the systems are.
pub(super) type Watch = Arc<Mutex<BTreeMap<String, OutletStatus>>>;

/// The systems that the workspace names.
pub(super) struct Outlets {
    /// As they were when they were last read.
    seen: Option<BTreeMap<String, engine::Outlet>>,
    pub(super) connected: Connected,
    /// Those that are named and cannot be told anything: what is theirs waits.
    held: Vec<Option<Outlet>>,
}

impl Outlets {
    pub(super) fn new() -> Self {
        Outlets { seen: None, connected: BTreeMap::new(), held: Vec::new() }
    }

    /// Whether they are others than before.
    pub(super) fn follow(&mut self, named: &BTreeMap<String, engine::Outlet>) -> bool {
        if self.seen.as_ref() == Some(named) {
            return false;
        }
        let first_and_none = self.seen.is_none() && named.is_empty();
        self.seen = Some(named.clone());
        self.connected.clear();
        self.held.clear();
        for (name, outlet) in named {
            match (Outlet::parse(&outlet.settings), &outlet.disabled) {
                (Ok(parsed), None) => drop(self.connected.insert(name.clone(), parsed)),
                (parsed, _) => self.held.push(parsed.ok()),
            }
        }
        !first_and_none
    }

    pub(super) fn serves(&self, kind: EffectKind) -> bool {
        self.connected.values().any(|outlet| outlet.serves.takes(kind))
    }

    /// Whether an effect of a kind may leave: not to a system that said that it is gone, nor to one that another
    /// program's settings name.
    pub(super) fn may_start(&self, kind: EffectKind) -> bool {
        let held = |outlet: &Option<Outlet>| {
            outlet.as_ref().map_or(kind.is_binding(), |held| held.serves.takes(kind))
        };
        self.serves(kind) || !self.held.iter().any(held)
    }
}

/// What the threads of the systems share.
#[derive(Clone)]
pub(super) struct Post {
    pub(super) requests: Sender<Request>,
    pub(super) clock: Clock,
    pub(super) schedule: Schedule,
    pub(super) watch: Watch,
}

struct Worker {
    settings: String,
    serves: channels::Serves,
    jobs: Sender<Job>,
}

pub(super) fn run_effects(sink: &Sink, incoming: &Receiver<ToEffects>, post: &Post) {
    let mut workers: BTreeMap<String, Worker> = BTreeMap::new();
    while let Ok(message) = incoming.recv() {
        match message {
            ToEffects::Outlets(connected) => {
                // One whose settings are the same goes on; the others end with their channel.
                workers.retain(|name, worker| {
                    connected.get(name).is_some_and(|outlet| outlet.settings() == worker.settings)
                });
                post.watch
                    .lock()
                    .expect("no panic while held")
                    .retain(|name, _| connected.contains_key(name));
                for (name, outlet) in connected {
                    if !workers.contains_key(&name) {
                        workers.insert(name.clone(), start(name, outlet, post));
                    }
                }
            }
            ToEffects::Deliver(entity, effect) => {
                let worker = workers.values().find(|worker| worker.serves.takes(effect.kind));
                if let Some(worker) = worker {
                    // One that ended has said that its system is gone; the partition hears of it.
                    let _ = worker.jobs.send((entity, effect));
                    continue;
                }
                store::failpoint("effect.before_delivery");
                let result = sink.deliver(&effect);
                store::failpoint("effect.after_delivery");
                if post.requests.send(Request::Settle { entity, key: effect.key, result }).is_err() {
                    return;
                }
            }
        }
    }
}

fn start(name: String, outlet: Outlet, post: &Post) -> Worker {
    let (jobs, incoming) = unbounded();
    let (settings, serves) = (outlet.settings(), outlet.serves);
    let post = post.clone();
    // Nobody waits for it to end: an attempt may take long, and one that is cut off is made again.
    drop(spawn("outlet", move || tell(&name, &outlet, &incoming, &post)));
    Worker { settings, serves, jobs }
}

/// Tells one system what it has to know, until it is connected no more.
fn tell(name: &str, outlet: &Outlet, jobs: &Receiver<Job>, post: &Post) {
    let began = Instant::now();
    let mut outbox: Outbox<Job> = Outbox::new(post.schedule);
    let mut known: BTreeSet<String> = BTreeSet::new();
    loop {
        let wait = outbox.next_due().map(|due| due.saturating_sub(began.elapsed()));
        let received = match wait {
            None => jobs.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(wait) => jobs.recv_timeout(wait),
        };
        match received {
            Ok((entity, effect)) => {
                if known.insert(effect.key.clone()) {
                    let subject = effect.order_id.clone().unwrap_or_else(|| effect.key.clone());
                    outbox.push(&subject, (entity, effect), began.elapsed());
                    note(post, name, |status| status.waiting = outbox.len());
                }
                continue;
            }
            Err(RecvTimeoutError::Disconnected) => return,
            Err(RecvTimeoutError::Timeout) => {}
        }
        let Some((subject, (entity, effect))) = outbox.due(began.elapsed()) else { continue };
        let (subject, entity, key) = (subject.to_owned(), *entity, effect.key.clone());
        store::failpoint("effect.before_delivery");
        let verdict = outlet.send(effect, post.clock.now().0.div_euclid(1_000_000));
        store::failpoint("effect.after_delivery");
        let result = match verdict {
            Verdict::Done => {
                note(post, name, |status| {
                    status.taken += 1;
                    status.last_error = None;
                });
                outbox.end(&subject);
                EffectResult::Done
            }
            Verdict::Again { why, after } => {
                note(post, name, |status| {
                    status.failed_attempts += 1;
                    status.last_error = Some(why.clone());
                });
                match outbox.again(&subject, began.elapsed(), after) {
                    None => continue,
                    Some(_) => EffectResult::Failed(format!("{name}: no attempt succeeded; the last: {why}")),
                }
            }
            Verdict::Gone => {
                let reason = "it answered 410: gone".to_owned();
                let _ = post.requests.send(Request::OutletGone { name: name.to_owned(), reason });
                return;
            }
        };
        known.remove(&key);
        note(post, name, |status| status.waiting = outbox.len());
        if post.requests.send(Request::Settle { entity, key, result }).is_err() {
            return;
        }
    }
}

fn note(post: &Post, name: &str, change: impl FnOnce(&mut OutletStatus)) {
    let mut watch = post.watch.lock().expect("no panic while held");
    change(watch.entry(name.to_owned()).or_default());
}
