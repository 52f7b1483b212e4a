//! Effects on their way: to the sink, or to the systems that are told of orders and payments and carry messages.
//!
//! Each system has a thread of its own, so that a slow one holds up nobody else. How often something was tried with a
//! system that knows it by its id is kept in memory alone: after a restart what had started begins again from its
//! first attempt, with the same id. What was tried with a mail server is noted on disk, for it must not be sent twice
//! ([`channels::Attempts`]).

mod worker;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use channels::{Attempts, LinkMaker, Outlet, Parcel, Schedule};
use crossbeam_channel::{Receiver, Sender, unbounded};
use model::{Effect, EffectKind, EntityId};
use serde::Serialize;

use self::worker::Worker;
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
    /// Attempts that failed and are made again.
    pub failed_attempts: u64,
    /// Effects that it refused for good, or that were tried for as long as they may be.
    pub refused: u64,
    /// Effects of which nobody knows whether it has them.
    pub doubtful: u64,
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
    held: Vec<(String, Option<Outlet>)>,
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
                (parsed, _) => self.held.push((name.clone(), parsed.ok())),
            }
        }
        !first_and_none
    }

    /// The system that an effect is for.
    pub(super) fn of(&self, effect: &Effect) -> Option<&Outlet> {
        self.connected.iter().find(|(name, outlet)| outlet.takes(name, effect)).map(|(_, outlet)| outlet)
    }

    /// Whether an effect may leave: not to a system that said that it is gone, nor to one that another program's
    /// settings name.
    pub(super) fn may_start(&self, effect: &Effect) -> bool {
        let held = |(name, outlet): &(String, Option<Outlet>)| match outlet {
            Some(held) => held.takes(name, effect),
            None => effect.kind.is_binding() || effect.kind == EffectKind::MessageSend,
        };
        self.of(effect).is_some() || !self.held.iter().any(held)
    }
}

/// What the threads of the systems share.
#[derive(Clone)]
pub(super) struct Post {
    pub(super) requests: Sender<Request>,
    pub(super) clock: Clock,
    /// For those that know an effect by its id, and for those that do not.
    pub(super) schedule: Schedule,
    pub(super) mail_schedule: Schedule,
    pub(super) attempts: Attempts,
    pub(super) links: Option<Arc<LinkMaker>>,
    pub(super) watch: Watch,
}

impl Post {
    fn parcel<'a>(&'a self, owner: EntityId, effect: &'a Effect) -> Parcel<'a> {
        Parcel { effect, owner, now: self.clock.now(), links: self.links.as_deref() }
    }
}

struct Running {
    outlet: Outlet,
    settings: String,
    jobs: Sender<Job>,
    thread: JoinHandle<()>,
}

pub(super) fn run_effects(sink: &Sink, incoming: &Receiver<ToEffects>, post: &Post) {
    let mut workers: BTreeMap<String, Running> = BTreeMap::new();
    // Of systems that would take an effect twice, and may be in the middle of one.
    let mut ending: Vec<JoinHandle<()>> = Vec::new();
    while let Ok(message) = incoming.recv() {
        match message {
            ToEffects::Outlets(connected) => {
                // One whose settings are the same goes on; the others end with their channel.
                let (kept, ended) = std::mem::take(&mut workers).into_iter().partition(|(name, worker)| {
                    connected.get(name).is_some_and(|outlet| outlet.settings() == worker.settings)
                });
                workers = kept;
                let ended: BTreeMap<String, Running> = ended;
                let unknowing = ended.into_values().filter(|worker| !worker.outlet.knows_again());
                ending.extend(unknowing.map(|worker| worker.thread));
                post.watch
                    .lock()
                    .expect("no panic while held")
                    .retain(|name, _| connected.contains_key(name));
                for (name, outlet) in connected {
                    if !workers.contains_key(&name) {
                        let before =
                            if outlet.knows_again() { Vec::new() } else { std::mem::take(&mut ending) };
                        workers.insert(name.clone(), start(name, outlet, before, post));
                    }
                }
            }
            ToEffects::Deliver(entity, effect) => {
                let worker = workers.iter().find(|(name, worker)| worker.outlet.takes(name, &effect));
                if let Some((_, worker)) = worker {
                    // One that ended has said that its system is gone; the partition hears of it.
                    let _ = worker.jobs.send((entity, effect));
                    continue;
                }
                store::failpoint("effect.before_delivery");
                let result = sink.deliver(&post.parcel(entity, &effect));
                store::failpoint("effect.after_delivery");
                if post.requests.send(Request::Settle { entity, key: effect.key, result }).is_err() {
                    return;
                }
            }
        }
    }
}

/// Begins to tell a system, once those threads have ended.
fn start(name: String, outlet: Outlet, before: Vec<JoinHandle<()>>, post: &Post) -> Running {
    let (jobs, incoming) = unbounded();
    let settings = outlet.settings();
    let (post, told) = (post.clone(), outlet.clone());
    // Nobody waits for it to end: an attempt may take long. One that is cut off is made again where the system knows
    // it by its id; else its note says that nobody knows.
    let thread = spawn("outlet", move || {
        for thread in before {
            // One that panicked tells nothing any more either.
            let _ = thread.join();
        }
        Worker::new(name, told, post).run(&incoming);
    });
    Running { outlet, settings, jobs, thread }
}
