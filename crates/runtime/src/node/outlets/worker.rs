//! The thread that tells one system.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use channels::{Attempts, Outbox, Outlet, Standing, Verdict};
use crossbeam_channel::{Receiver, RecvTimeoutError, bounded};
use model::{Command, EffectKind, EffectResult, EntityId, Time};

use super::{Job, OutletStatus, Post};
use crate::fold::{FoldError, StillSaid};
use crate::node::{Answer, Request};

/// The node is closing: nobody hears what is said.
struct Closing;

pub(super) struct Worker {
    name: String,
    outlet: Outlet,
    post: Post,
    /// Where what was tried is noted; a system that knows an effect again needs none.
    notes: Option<Attempts>,
    began: Instant,
    outbox: Outbox<Job>,
    known: BTreeSet<String>,
}

/// Of one system, effects of one subject go one after the other. Messages are each their own: one that is put off for
/// hours holds up no other.
fn subject_of(effect: &model::Effect) -> String {
    match &effect.order_id {
        Some(order_id) if effect.kind != EffectKind::MessageSend => order_id.clone(),
        _ => effect.key.clone(),
    }
}

impl Worker {
    pub(super) fn new(name: String, outlet: Outlet, post: Post) -> Self {
        let knows_again = outlet.knows_again();
        let schedule = if knows_again { post.schedule } else { post.mail_schedule };
        Worker {
            notes: (!knows_again).then(|| post.attempts.clone()),
            outbox: Outbox::new(schedule),
            name,
            outlet,
            post,
            began: Instant::now(),
            known: BTreeSet::new(),
        }
    }

    /// Tells the system what it has to know, until it is connected no more.
    pub(super) fn run(mut self, jobs: &Receiver<Job>) {
        loop {
            let wait = self.outbox.next_due().map(|due| due.saturating_sub(self.began.elapsed()));
            let received = match wait {
                None => jobs.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(wait) => jobs.recv_timeout(wait),
            };
            let done = match received {
                Ok(job) => self.take_in(job),
                Err(RecvTimeoutError::Disconnected) => return self.give_back(jobs),
                Err(RecvTimeoutError::Timeout) => self.tell_one(),
            };
            match done {
                Ok(true) => {}
                Ok(false) | Err(Closing) => return,
            }
        }
    }

    /// Messages that the system does not have go where its channel goes now.
    fn give_back(mut self, jobs: &Receiver<Job>) {
        let waiting = self.outbox.drain().into_iter().chain(jobs.try_iter());
        let messages = waiting.filter(|(_, effect)| effect.kind == EffectKind::MessageSend).collect();
        let _ = self.post.requests.send(Request::Untold(messages));
    }

    /// Whether the thread goes on is the answer of this and of [`Self::tell_one`].
    fn take_in(&mut self, (owner, effect): Job) -> Result<bool, Closing> {
        if !self.known.insert(effect.key.clone()) {
            return Ok(true);
        }
        let standing = match &self.notes {
            None => None,
            // What cannot be read may say that it was sent.
            Some(notes) => notes.standing(&effect.key).unwrap_or(Some(Standing::Trying { attempt: 0 })),
        };
        let now = self.began.elapsed();
        let (attempts, due) = match standing {
            None => (0, now),
            Some(Standing::Waiting { failed, due }) => {
                let left = due.saturating_sub(self.seconds()).max(0).unsigned_abs();
                // A clock that was put back does not make it wait longer.
                (failed, now + Duration::from_secs(left).min(self.outbox.wait_after(failed)))
            }
            Some(Standing::Trying { .. }) => {
                let why = "the process ended in the middle of an attempt".to_owned();
                return self.doubt(owner, effect.key, why).map(|()| true);
            }
            Some(Standing::Taken) => {
                return self.settle(owner, effect.key, EffectResult::Done).map(|()| true);
            }
            Some(Standing::Refused) => {
                let why = format!("{}: refused", self.name);
                return self.settle(owner, effect.key, EffectResult::Failed(why)).map(|()| true);
            }
        };
        let subject = subject_of(&effect);
        self.outbox.push_waiting(&subject, (owner, effect), attempts, due);
        self.note(|_| {});
        Ok(true)
    }

    fn tell_one(&mut self) -> Result<bool, Closing> {
        let Some((subject, (owner, effect))) = self.outbox.due(self.began.elapsed()) else { return Ok(true) };
        let (subject, owner, effect) = (subject.to_owned(), *owner, effect.clone());
        if effect.kind == EffectKind::MessageSend && !self.still_said(&subject, owner, &effect.key)? {
            return Ok(true);
        }
        let failed = self.outbox.standing(&subject).map_or(0, |(failed, _)| failed);
        if let Err(why) = self.write(&effect.key, Standing::Trying { attempt: failed }) {
            return self.again(&subject, owner, effect.key, why, None).map(|()| true);
        }
        store::failpoint("effect.before_delivery");
        let verdict = self.outlet.send(&self.post.parcel(owner, &effect));
        store::failpoint("effect.after_delivery");
        match verdict {
            Verdict::Done => {
                // A note that cannot be written leaves the doubt that is there.
                let _ = self.write(&effect.key, Standing::Taken);
                self.outbox.end(&subject);
                self.settle(owner, effect.key, EffectResult::Done)?;
                self.note(|status| {
                    status.taken += 1;
                    status.last_error = None;
                });
            }
            Verdict::Again { why, after } => self.again(&subject, owner, effect.key, why, after)?,
            Verdict::Refused { why } => {
                self.outbox.end(&subject);
                self.refuse(owner, effect.key, why)?;
            }
            Verdict::Doubt { why } => {
                self.outbox.end(&subject);
                self.doubt(owner, effect.key, why)?;
            }
            Verdict::Gone => {
                let reason = "it answered 410: gone".to_owned();
                let gone = Request::OutletGone { name: self.name.clone(), reason };
                let _ = self.post.requests.send(gone);
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether a message is sent now; where it is not, what becomes of it instead is done.
    fn still_said(&mut self, subject: &str, owner: EntityId, key: &str) -> Result<bool, Closing> {
        let now = self.post.clock.now();
        let (answer, answered) = bounded(1);
        let asked = key.to_owned();
        let ask = Request::Ask(Box::new(move |fold| drop(answer.send(fold.still_said(owner, &asked, now)))));
        self.post.requests.send(ask).map_err(|_| Closing)?;
        // A fold that fails ends the process, and what fails here is read again at the next start.
        match answered.recv().map_err(|_| Closing)?.map_err(|_| Closing)? {
            StillSaid::Now => return Ok(true),
            StillSaid::NotBefore(from) => {
                let wait = Duration::from_micros(from.since(now).max(0).unsigned_abs());
                self.outbox.postpone(subject, self.began.elapsed() + wait);
            }
            StillSaid::Never(reason) => {
                self.outbox.end(subject);
                self.settle(owner, key.to_owned(), EffectResult::Failed(reason.to_owned()))?;
            }
            StillSaid::Over => {
                self.outbox.end(subject);
                self.known.remove(key);
                self.note(|_| {});
            }
        }
        Ok(false)
    }

    fn again(
        &mut self,
        subject: &str,
        owner: EntityId,
        key: String,
        why: String,
        after: Option<Duration>,
    ) -> Result<(), Closing> {
        self.note(|status| {
            status.failed_attempts += 1;
            status.last_error = Some(why.clone());
        });
        if self.outbox.again(subject, self.began.elapsed(), after).is_some() {
            return self.refuse(owner, key, format!("no attempt succeeded; the last: {why}"));
        }
        if let Some((failed, due)) = self.outbox.standing(subject) {
            let wait = due.saturating_sub(self.began.elapsed());
            let due = self.seconds().saturating_add(wait.as_secs().try_into().unwrap_or(i64::MAX));
            // Where this cannot be written, a crash before the next attempt leaves a doubt.
            let _ = self.write(&key, Standing::Waiting { failed, due });
        }
        Ok(())
    }

    fn refuse(&mut self, owner: EntityId, key: String, why: String) -> Result<(), Closing> {
        let _ = self.write(&key, Standing::Refused);
        self.note(|status| {
            status.refused += 1;
            status.last_error = Some(why.clone());
        });
        self.settle(owner, key, EffectResult::Failed(format!("{}: {why}", self.name)))
    }

    /// Nobody knows whether it has it, and nobody sends it again by themselves.
    fn doubt(&mut self, owner: EntityId, key: String, why: String) -> Result<(), Closing> {
        self.note(|status| {
            status.doubtful += 1;
            status.last_error = Some(why);
        });
        self.end(owner, key.clone(), Command::MarkEffectUnknown { key })
    }

    fn settle(&mut self, owner: EntityId, key: String, result: EffectResult) -> Result<(), Closing> {
        if self.notes.is_none() {
            self.known.remove(&key);
            self.note(|_| {});
            let settle = Request::Settle { entity: owner, key, result };
            return self.post.requests.send(settle).map_err(|_| Closing);
        }
        self.end(owner, key.clone(), Command::SettleEffect { key, result })
    }

    /// The owner is told how it ended; once that is durable the note is not needed any more.
    fn end(&mut self, owner: EntityId, key: String, command: Command) -> Result<(), Closing> {
        self.known.remove(&key);
        self.note(|_| {});
        let notes = self.notes.clone();
        let act = move |fold: &mut crate::Fold, now: Time| -> Result<Answer, FoldError> {
            fold.command(owner, &command, now)?;
            Ok(Box::new(move || {
                if let Some(notes) = notes {
                    notes.forget(&key);
                }
            }))
        };
        self.post.requests.send(Request::Act(Box::new(act))).map_err(|_| Closing)
    }

    fn write(&self, key: &str, standing: Standing) -> Result<(), String> {
        match &self.notes {
            None => Ok(()),
            Some(notes) => notes
                .note(key, standing)
                .map_err(|error| format!("the attempt cannot be noted, so it is not made: {error}")),
        }
    }

    fn seconds(&self) -> i64 {
        self.post.clock.now().0.div_euclid(1_000_000)
    }

    fn note(&self, change: impl FnOnce(&mut OutletStatus)) {
        let mut watch = self.post.watch.lock().expect("no panic while held");
        let status = watch.entry(self.name.clone()).or_default();
        status.waiting = self.outbox.len();
        change(status);
    }
}
