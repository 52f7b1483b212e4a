//! Who is signed in, and how often somebody tried to. All of it lives in memory: a server that starts anew asks
//! everybody to sign in again.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Mutex;

use model::Time;

/// Without a request for so long, one signs in again.
const IDLE_MICROS: i64 = 30 * 60_000_000;
/// And at the latest after so long.
const WHOLE_MICROS: i64 = 12 * 3_600_000_000;
/// More at once are not kept; the one that was idle longest goes.
const SESSIONS_MAX: usize = 1_000;

/// Wrong passwords in a row of time, for one name or from one address; then one waits until it is over.
const TRIES_MAX: u32 = 5;
const TRIES_MICROS: i64 = 15 * 60_000_000;
/// Names and addresses that are counted at once.
const COUNTED_MAX: usize = 10_000;

#[derive(Clone, Debug)]
pub(super) struct Session {
    pub(super) name: String,
    /// When the account was changed last, as of the sign-in: a new password or other roles end it.
    pub(super) account_changed_at: Time,
    /// Stands in every form: what comes without it is no form of this session.
    pub(super) form_token: String,
    began_at: Time,
    seen_at: Time,
}

impl Session {
    fn lives(&self, now: Time) -> bool {
        now.since(self.seen_at) < IDLE_MICROS && now.since(self.began_at) < WHOLE_MICROS
    }
}

/// The sign-ins of a server.
#[derive(Default)]
pub struct Desk {
    inner: Mutex<Inner>,
    checking: Mutex<()>,
}

#[derive(Default)]
struct Inner {
    /// By the hash of what is in the cookie.
    sessions: BTreeMap<[u8; 32], Session>,
    tries: BTreeMap<String, Tries>,
}

struct Tries {
    since: Time,
    n: u32,
}

fn key(secret: &str) -> [u8; 32] {
    // 256 random bits: a plain hash cannot be searched.
    crate::keys::hash_write_key(secret)
}

impl Desk {
    fn with<T>(&self, work: impl FnOnce(&mut Inner) -> T) -> T {
        work(&mut self.inner.lock().expect("no panic while held"))
    }

    /// Waits until nobody else's password is checked.
    pub(super) fn one_at_a_time(&self) -> std::sync::MutexGuard<'_, ()> {
        self.checking.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Begins a session and gives what goes into its cookie. One that was there before ends.
    pub(super) fn begin(&self, name: &str, changed_at: Time, before: Option<&str>, now: Time) -> String {
        let secret = crate::keys::random_hex(32);
        let session = Session {
            name: name.to_owned(),
            account_changed_at: changed_at,
            form_token: crate::keys::random_hex(16),
            began_at: now,
            seen_at: now,
        };
        self.with(|inner| {
            inner.sessions.retain(|_, session| session.lives(now));
            if let Some(before) = before {
                inner.sessions.remove(&key(before));
            }
            if inner.sessions.len() >= SESSIONS_MAX {
                let idlest = inner.sessions.iter().min_by_key(|(_, session)| session.seen_at);
                if let Some(idlest) = idlest.map(|(key, _)| *key) {
                    inner.sessions.remove(&idlest);
                }
            }
            inner.sessions.insert(key(&secret), session);
        });
        secret
    }

    /// The session of a cookie, which is not idle now.
    pub(super) fn find(&self, secret: &str, now: Time) -> Option<Session> {
        self.with(|inner| {
            let session = inner.sessions.get_mut(&key(secret))?;
            if !session.lives(now) {
                inner.sessions.remove(&key(secret));
                return None;
            }
            session.seen_at = now;
            Some(session.clone())
        })
    }

    pub(super) fn end(&self, secret: &str) {
        self.with(|inner| inner.sessions.remove(&key(secret)));
    }

    /// Whether somebody may try a password now; the try counts until it is known to be right.
    pub(super) fn may_try(&self, name: &str, from: IpAddr, now: Time) -> bool {
        let names = [format!("name {name}"), format!("from {from}")];
        self.with(|inner| {
            inner.tries.retain(|_, tries| now.since(tries.since) < TRIES_MICROS);
            let over = |name: &String| inner.tries.get(name).is_some_and(|tries| tries.n >= TRIES_MAX);
            if names.iter().any(over) || inner.tries.len() >= COUNTED_MAX {
                return false;
            }
            for name in names {
                inner.tries.entry(name).or_insert(Tries { since: now, n: 0 }).n += 1;
            }
            true
        })
    }

    /// The password was right: what was tried before counts no more.
    pub(super) fn was_right(&self, name: &str, from: IpAddr) {
        self.with(|inner| {
            inner.tries.remove(&format!("name {name}"));
            inner.tries.remove(&format!("from {from}"));
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FROM: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
    const ELSEWHERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 7));

    fn at(micros: i64) -> Time {
        Time(1_796_000_000_000_000 + micros)
    }

    #[test]
    fn a_session_ends_idle_or_old_or_by_a_new_one() {
        let desk = Desk::default();
        let first = desk.begin("jun", at(0), None, at(0));
        assert_eq!(first.len(), 64);
        assert_eq!(desk.find(&first, at(IDLE_MICROS - 1)).unwrap().name, "jun");
        // Seen just then, it lives on.
        assert!(desk.find(&first, at(2 * IDLE_MICROS - 2)).is_some());
        assert!(desk.find(&first, at(3 * IDLE_MICROS)).is_none(), "idle");
        assert!(desk.find(&first, at(0)).is_none(), "and gone");
        let mut now = 0;
        let long = desk.begin("jun", at(0), None, at(0));
        while now < WHOLE_MICROS - 1 {
            assert!(desk.find(&long, at(now)).is_some());
            now += IDLE_MICROS - 1;
        }
        assert!(desk.find(&long, at(WHOLE_MICROS)).is_none(), "old");
        let one = desk.begin("jun", at(0), None, at(0));
        let other = desk.begin("jun", at(0), Some(&one), at(1));
        assert!(desk.find(&one, at(2)).is_none(), "signed in anew, under a new secret");
        let session = desk.find(&other, at(2)).unwrap();
        assert_eq!(session.form_token.len(), 32);
        desk.end(&other);
        assert!(desk.find(&other, at(3)).is_none());
        assert!(desk.find("", at(0)).is_none() && desk.find("guess", at(0)).is_none());
    }

    #[test]
    fn a_password_is_tried_a_few_times() {
        let desk = Desk::default();
        for n in 0..TRIES_MAX {
            assert!(desk.may_try("jun", FROM, at(i64::from(n))));
        }
        assert!(!desk.may_try("jun", FROM, at(9)));
        assert!(!desk.may_try("jun", ELSEWHERE, at(9)), "the name from anywhere");
        assert!(!desk.may_try("mina", FROM, at(9)), "any name from there");
        assert!(desk.may_try("mina", ELSEWHERE, at(9)));
        assert!(desk.may_try("jun", FROM, at(TRIES_MICROS)), "later");
        let desk = Desk::default();
        for _ in 0..20 {
            assert!(desk.may_try("jun", FROM, at(0)));
            desk.was_right("jun", FROM);
        }
    }

    #[test]
    fn no_more_sessions_are_kept_than_fit() {
        let desk = Desk::default();
        let first = desk.begin("a", at(0), None, at(0));
        for n in 1..=SESSIONS_MAX {
            desk.begin("b", at(0), None, at(n as i64));
        }
        assert!(desk.find(&first, at(SESSIONS_MAX as i64)).is_none());
        assert_eq!(desk.with(|inner| inner.sessions.len()), SESSIONS_MAX);
    }
}
