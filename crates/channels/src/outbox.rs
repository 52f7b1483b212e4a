//! What waits to be sent: each subject's messages in their order, each tried again later and later.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// Waits before the second attempt, the third…; after the last of them nothing is tried again.
pub type Schedule = &'static [Duration];

const fn hours(n: u64) -> Duration {
    Duration::from_secs(n * 3600)
}

/// The waits that the Standard Webhooks specification recommends: three days and three hours in all.
pub const SCHEDULE: Schedule = &[
    Duration::from_secs(5),
    Duration::from_secs(5 * 60),
    Duration::from_secs(30 * 60),
    hours(2),
    hours(5),
    hours(10),
    hours(14),
    hours(20),
    hours(24),
];

const fn minutes(n: u64) -> Duration {
    Duration::from_secs(n * 60)
}

/// The waits for mail: at least half an hour, and four days and sixteen hours in all (RFC 5321, 4.5.4.1).
pub const MAIL_SCHEDULE: Schedule = &[
    minutes(30),
    minutes(30),
    hours(1),
    hours(2),
    hours(4),
    hours(8),
    hours(16),
    hours(16),
    hours(16),
    hours(16),
    hours(16),
    hours(16),
];

struct Waiting<T> {
    job: T,
    attempts: usize,
    /// Since the outbox began.
    due: Duration,
}

/// Jobs by their subject. Only the first of a subject is tried, so that a cancellation never overtakes its order.
pub struct Outbox<T> {
    schedule: Schedule,
    waiting: BTreeMap<String, VecDeque<Waiting<T>>>,
}

impl<T> Outbox<T> {
    pub fn new(schedule: Schedule) -> Self {
        Outbox { schedule, waiting: BTreeMap::new() }
    }

    /// How many jobs wait.
    pub fn len(&self) -> usize {
        self.waiting.values().map(VecDeque::len).sum()
    }

    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub fn push(&mut self, subject: &str, job: T, now: Duration) {
        self.push_waiting(subject, job, 0, now);
    }

    /// A job that was tried before, elsewhere: that many attempts failed, and the next is due then.
    pub fn push_waiting(&mut self, subject: &str, job: T, attempts: usize, due: Duration) {
        let new = Waiting { job, attempts, due };
        self.waiting.entry(subject.to_owned()).or_default().push_back(new);
    }

    /// How many attempts with a subject's first job failed, and when the next is due.
    pub fn standing(&self, subject: &str) -> Option<(usize, Duration)> {
        let first = self.waiting.get(subject)?.front()?;
        Some((first.attempts, first.due))
    }

    /// The longest that a job waits for its next attempt after this many have failed, where nobody asks for more.
    pub fn wait_after(&self, attempts: usize) -> Duration {
        attempts.checked_sub(1).and_then(|index| self.schedule.get(index)).copied().unwrap_or_default()
    }

    /// When the next attempt is due.
    pub fn next_due(&self) -> Option<Duration> {
        self.firsts().map(|(_, first)| first.due).min()
    }

    fn firsts(&self) -> impl Iterator<Item = (&String, &Waiting<T>)> {
        self.waiting.iter().filter_map(|(subject, jobs)| Some((subject, jobs.front()?)))
    }

    /// The subject and job to try now: of those that are due the one that has waited longest.
    pub fn due(&self, now: Duration) -> Option<(&str, &T)> {
        let due = self.firsts().filter(|(_, first)| first.due <= now);
        let (subject, first) = due.min_by_key(|(_, first)| first.due)?;
        Some((subject, &first.job))
    }

    /// The first job of a subject needs no further attempt.
    pub fn end(&mut self, subject: &str) -> Option<T> {
        let jobs = self.waiting.get_mut(subject)?;
        let ended = jobs.pop_front();
        if jobs.is_empty() {
            self.waiting.remove(subject);
        }
        ended.map(|waiting| waiting.job)
    }

    /// The attempt failed: it is made again after the schedule's wait, or a longer one that the receiver asked for.
    /// Gives the job back where the schedule is at its end.
    pub fn again(&mut self, subject: &str, now: Duration, asked: Option<Duration>) -> Option<T> {
        let first = self.waiting.get_mut(subject)?.front_mut()?;
        match self.schedule.get(first.attempts) {
            Some(wait) => {
                first.attempts += 1;
                first.due = now + (*wait).max(asked.unwrap_or_default());
                None
            }
            None => self.end(subject),
        }
    }

    /// A subject's first job is not tried before then, for a reason of ours: no attempt has failed.
    pub fn postpone(&mut self, subject: &str, due: Duration) {
        if let Some(first) = self.waiting.get_mut(subject).and_then(VecDeque::front_mut) {
            first.due = due;
        }
    }

    /// Everything that waits, in no attempt any more.
    pub fn drain(&mut self) -> Vec<T> {
        std::mem::take(&mut self.waiting).into_values().flatten().map(|waiting| waiting.job).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn attempts_follow_the_schedule_and_end() {
        let mut outbox = Outbox::new(SCHEDULE);
        outbox.push("o", "place", s(0));
        let (mut now, mut waits) = (s(0), Vec::new());
        let given_up = loop {
            assert_eq!(outbox.due(now), Some(("o", &"place")));
            if let Some(job) = outbox.again("o", now, None) {
                break job;
            }
            let next = outbox.next_due().unwrap();
            assert_eq!(outbox.due(next - Duration::from_millis(1)), None, "not before its time");
            waits.push((next - now).as_secs());
            now = next;
        };
        assert_eq!(waits, [5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400]);
        assert_eq!((given_up, outbox.len()), ("place", 0));
    }

    #[test]
    fn mail_is_tried_for_four_to_five_days_and_never_sooner_than_half_an_hour() {
        let total: Duration = MAIL_SCHEDULE.iter().sum();
        assert!(MAIL_SCHEDULE.iter().all(|wait| *wait >= minutes(30)));
        assert!((hours(4 * 24)..=hours(5 * 24)).contains(&total), "{total:?}");
    }

    #[test]
    fn what_was_tried_elsewhere_goes_on_where_it_was() {
        let mut outbox = Outbox::new(MAIL_SCHEDULE);
        outbox.push_waiting("m", 1, 2, s(600));
        assert_eq!((outbox.due(s(599)), outbox.standing("m")), (None, Some((2, s(600)))));
        assert_eq!(outbox.wait_after(0), s(0));
        assert_eq!(outbox.wait_after(2), minutes(30));
        outbox.again("m", s(600), None);
        assert_eq!(outbox.standing("m"), Some((3, s(600 + 3_600))));
        outbox.postpone("m", s(9_000));
        assert_eq!(outbox.standing("m"), Some((3, s(9_000))));
    }

    #[test]
    fn what_a_receiver_asks_for_only_lengthens_the_wait() {
        let mut outbox = Outbox::new(SCHEDULE);
        outbox.push("o", 1, s(0));
        outbox.again("o", s(0), Some(s(60)));
        assert_eq!(outbox.next_due(), Some(s(60)));
        outbox.again("o", s(60), Some(s(1)));
        assert_eq!(outbox.next_due(), Some(s(360)));
    }

    #[test]
    fn nothing_of_a_subject_overtakes() {
        let mut outbox = Outbox::new(SCHEDULE);
        outbox.push("a", "place", s(0));
        outbox.push("a", "cancel", s(0));
        outbox.push("b", "place", s(1));
        outbox.again("a", s(0), None);
        assert_eq!(outbox.due(s(1)), Some(("b", &"place")), "another order does not wait");
        assert_eq!(outbox.end("b"), Some("place"));
        assert_eq!(outbox.due(s(4)), None);
        assert_eq!(outbox.due(s(5)), Some(("a", &"place")));
        outbox.end("a");
        assert_eq!(outbox.due(s(5)), Some(("a", &"cancel")));
        assert_eq!(outbox.drain(), ["cancel"]);
        assert!(outbox.is_empty());
    }
}
