//! Why a person is who they are: which identifiers, tied by which events, and what came together or parted when.

use std::collections::{BTreeMap, BTreeSet};

use engine::identity::{Group, Node, Verdict};
use model::codec::Stored;
use model::identity::{Evidence, HashedIdentifier, Tie};
use model::{Cause, Command, EntityId, Entry, Event, Fact, Identifier, IdentifierHash, Outcome, Time};

use super::super::{Fold, FoldError, Trace};
use super::graph::Piece;
use crate::logs::open_outcomes;

/// An identifier as it may be shown.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Named {
    pub kind: String,
    /// `None` where nothing that names it can be read any more.
    pub value: Option<String>,
}

impl Named {
    fn of(identifier: &Identifier<'_>) -> Self {
        let (kind, value) = (identifier.type_name(), identifier.value());
        Named { kind: kind.to_owned(), value: Some(value.to_owned()) }
    }
}

/// All that is known of whom an identifier names.
#[derive(Clone, PartialEq, Debug)]
pub struct Explanation {
    pub identifier: Named,
    /// A value that the rules say is nobody's name.
    pub blocked: bool,
    /// Who stands for the person; nobody where several people use the identifier.
    pub head: Option<EntityId>,
    /// The person's profiles with the identifiers that lead to each.
    pub homes: Vec<Home>,
    /// The ties of the person's identifiers and of the one asked for, in the order in which they were first seen.
    pub ties: Vec<Joined>,
    /// What came together and parted, oldest first.
    pub lineage: Vec<Lineage>,
    /// The identifiers around are too many to look at; the people stay as they were.
    pub cut_short: bool,
}

/// One of a person's profiles.
#[derive(Clone, PartialEq, Debug)]
pub struct Home {
    pub profile: EntityId,
    /// What leads to it.
    pub identifiers: Vec<Named>,
    /// Events that came to it itself.
    pub events: u64,
}

#[derive(Clone, PartialEq, Debug)]
pub struct Joined {
    pub one: Named,
    pub other: Named,
    pub verdict: Verdict,
    /// Somebody said so, by an alias or by hand.
    pub said: bool,
    pub at: Time,
    /// The first event that shows it, or the command that said it.
    pub evidence: Evidence,
}

#[derive(Clone, PartialEq, Debug)]
pub struct Lineage {
    pub journal_seq: u64,
    pub at: Time,
    pub profile: EntityId,
    pub merged_into: Option<EntityId>,
    pub parted_from: Option<EntityId>,
    pub cause: Cause,
}

impl Fold {
    /// Explains whom an identifier names; `None` where it was never seen.
    pub fn explain(&mut self, identifier: &Identifier<'_>) -> Result<Option<Explanation>, FoldError> {
        let rules = self.rules();
        let kind = identifier.type_name();
        let written = rules.name(kind, identifier.value());
        let value = written.as_deref().unwrap_or(identifier.value());
        let mut explanation = Explanation {
            identifier: Named { kind: kind.to_owned(), value: Some(value.to_owned()) },
            blocked: written.is_none(),
            head: None,
            homes: Vec::new(),
            ties: Vec::new(),
            lineage: Vec::new(),
            cut_short: false,
        };
        if explanation.blocked {
            return Ok(Some(explanation));
        }
        let hash = self.keys.hash_identifier(&Identifier::of(kind, value));
        let piece = self.connected(&[hash])?;
        let asked = &piece.nodes[&hash];
        if asked.home.is_none() && asked.ties.ties.is_empty() {
            return Ok(None);
        }
        let (groups, verdicts) = piece.group(&rules);
        let alone = Group::default();
        let person = groups.iter().find(|group| group.members.contains(&hash)).unwrap_or(&alone);
        let mut names = self.names(&piece)?;
        names.insert(hash, explanation.identifier.clone());
        let named = |of: IdentifierHash| {
            let unread = || Named { kind: piece.nodes[&of].ties.kind.clone(), value: None };
            names.get(&of).cloned().unwrap_or_else(unread)
        };
        explanation.cut_short = piece.cut_short;
        explanation.head = person.head;
        explanation.homes = self.homes(&piece.nodes, person, &named)?;
        for (tie, verdict) in piece.ties.iter().zip(verdicts) {
            let (one, other) = (tie.one, tie.tie.other);
            if person.members.contains(&one) || person.members.contains(&other) {
                let Tie { explicit: said, at, evidence, .. } = tie.tie;
                // By their names: which of two hashes is the smaller says nothing.
                let (one, other) = (named(one), named(other));
                let (one, other) = if one <= other { (one, other) } else { (other, one) };
                explanation.ties.push(Joined { one, other, verdict, said, at, evidence });
            }
        }
        explanation.ties.sort_by(|a, b| (a.at, &a.one, &a.other).cmp(&(b.at, &b.one, &b.other)));
        for home in &person.homes {
            explanation.lineage.extend(self.lineage(*home)?);
        }
        explanation.lineage.sort_by_key(|step| (step.journal_seq, step.profile));
        Ok(Some(explanation))
    }

    /// The identifiers that must be said to be another's so that one leaves its person: those with a history.
    /// Empty where it stands alone already.
    pub fn others_of(&mut self, identifier: &Identifier<'_>) -> Result<Vec<HashedIdentifier>, FoldError> {
        let rules = self.rules();
        let Some(HashedIdentifier { hash, .. }) = self.hashed(identifier) else { return Ok(Vec::new()) };
        let piece = self.connected(&[hash])?;
        let own = piece.nodes[&hash].home;
        let (groups, _) = piece.group(&rules);
        let person = groups.into_iter().find(|group| group.members.contains(&hash)).unwrap_or_default();
        let others = person.members.into_iter().filter_map(|member| {
            let node = &piece.nodes[&member];
            (member != hash && node.home.is_some() && node.home != own)
                .then(|| HashedIdentifier { kind: node.ties.kind.clone(), hash: member })
        });
        Ok(others.collect())
    }

    /// The identifier of whoever owns an order or promise, where somebody with a name does: what is said of the order is
    /// said of them.
    pub fn owner_name(&mut self, identifier: &Identifier<'_>) -> Result<Option<Named>, FoldError> {
        if !matches!(identifier, Identifier::Order(_) | Identifier::Promise(_)) {
            return Ok(None);
        }
        let hash = self.keys.hash_identifier(identifier);
        let Some(home) = self.row(hash)?.home else { return Ok(None) };
        let Some(customer) = self.entity(home)?.customer() else { return Ok(None) };
        let user = customer.profile.user_ids.first().map(|id| Identifier::User(id));
        let device = || customer.profile.anonymous_ids.first().map(|id| Identifier::Anonymous(id));
        Ok(user.or_else(device).map(|identifier| Named::of(&identifier)))
    }

    /// Says that identifiers are two people (`joined` false) or one. Returns false where the first has no history
    /// that could own the statement, nor the second.
    pub fn say_of(
        &mut self,
        one: &HashedIdentifier,
        other: &HashedIdentifier,
        joined: bool,
        at: Time,
    ) -> Result<bool, FoldError> {
        let Some(owner) = self.row(one.hash)?.home.or(self.row(other.hash)?.home) else { return Ok(false) };
        // Nothing that was received before counts after.
        let at = self.before_backlog(at)?;
        let (one, other) = (one.clone(), other.clone());
        let command = match joined {
            true => Command::JoinIdentifiers { one, other },
            false => Command::PartIdentifiers { one, other },
        };
        self.command(owner, &command, at)?;
        Ok(true)
    }

    /// The identifier as it is kept, where it is somebody's name.
    pub fn hashed(&self, identifier: &Identifier<'_>) -> Option<HashedIdentifier> {
        let kind = identifier.type_name();
        let rules = self.rules();
        let value = rules.name(kind, identifier.value())?;
        let hash = self.keys.hash_identifier(&Identifier::of(kind, &value));
        Some(HashedIdentifier { kind: kind.to_owned(), hash })
    }

    /// The values of identifiers, from the profiles that they lead to and the events that show their ties.
    fn names(&mut self, piece: &Piece) -> Result<BTreeMap<IdentifierHash, Named>, FoldError> {
        let keys = self.keys.clone();
        let mut names = BTreeMap::new();
        let homes: BTreeSet<EntityId> = piece.nodes.values().filter_map(|node| node.home).collect();
        for home in homes {
            let Some(customer) = self.entity(home)?.customer() else { continue };
            let profile = &customer.profile;
            let users = profile.user_ids.iter().map(|id| Identifier::User(id));
            let devices = profile.anonymous_ids.iter().map(|id| Identifier::Anonymous(id));
            let orders = customer.orders.keys().map(|id| Identifier::Order(id));
            let promises = customer.promises.keys().map(|id| Identifier::Promise(id));
            for identifier in users.chain(devices).chain(orders).chain(promises) {
                names.insert(keys.hash_identifier(&identifier), Named::of(&identifier));
            }
        }
        let rules = self.rules();
        for tie in &piece.ties {
            let Evidence::Input(seq) = tie.tie.evidence else { continue };
            self.logs.intake(seq, |record| {
                let Ok(body) = keys.open_sealed(&record.body) else { return };
                let Ok(event) = Event::decode(&body) else { return };
                let read = rules.read(&event);
                let previous = event.previous_id.as_deref().into_iter();
                let previous = previous.flat_map(|id| [Identifier::User(id), Identifier::Anonymous(id)]);
                for identifier in read.home().into_iter().chain(read.with_home()).chain(previous) {
                    names.insert(keys.hash_identifier(&identifier), Named::of(&identifier));
                }
            })?;
        }
        Ok(names)
    }

    fn homes(
        &mut self,
        nodes: &BTreeMap<IdentifierHash, Node>,
        person: &Group,
        named: &dyn Fn(IdentifierHash) -> Named,
    ) -> Result<Vec<Home>, FoldError> {
        let mut homes = Vec::new();
        for home in &person.homes {
            let here = person.members.iter().filter(|member| nodes[*member].home == Some(*home));
            let mut identifiers: Vec<Named> = here.map(|member| named(*member)).collect();
            identifiers.sort();
            let events = self.entity(*home)?.customer().map_or(0, |customer| customer.profile.events());
            homes.push(Home { profile: *home, identifiers, events });
        }
        // Who stands for the person comes first.
        homes.sort_by_key(|home| (Some(home.profile) != person.head, home.profile));
        Ok(homes)
    }

    /// When a profile came together with others and parted from them.
    fn lineage(&mut self, home: EntityId) -> Result<Vec<Lineage>, FoldError> {
        let mut steps = Vec::new();
        for (seq, trace) in self.trail(home)? {
            if trace != Trace::Outcome {
                continue;
            }
            let keys = self.keys.clone();
            let read = |entry: Entry<'_>| match entry {
                Entry::Outcome { cause, body, .. } => {
                    open_outcomes(&keys, &body).ok().map(|outcomes| (cause, outcomes))
                }
                _ => None,
            };
            let Some((cause, outcomes)) = self.entry(seq, read)? else { continue };
            for outcome in outcomes {
                let (at, merged_into, parted_from) = match outcome {
                    Outcome::Fact(Fact::ProfileMerged { into, at }) => (at, Some(into), None),
                    Outcome::Fact(Fact::ProfileParted { from, at }) => (at, None, Some(from)),
                    _ => continue,
                };
                steps.push(Lineage { journal_seq: seq, at, profile: home, merged_into, parted_from, cause });
            }
        }
        Ok(steps)
    }
}
