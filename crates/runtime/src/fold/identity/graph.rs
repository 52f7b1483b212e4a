//! The ties between identifiers as they are kept, and the people that they make.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use engine::Stimulus;
use engine::identity::{Group, Node, NodeTie, Rules, Verdict, group, is_crowded, ties_between};
use model::identity::{Evidence, HashedIdentifier, Parted, Tie, Ties};
use model::{Cause, EntityId, Entry, IdentifierHash, KeyId, Time, TimelineId};

use super::super::{Fold, FoldError};

/// Ties that inputs may add to one identifier. A kiosk that a thousand people use ties nobody after the second; who has
/// this many devices is a machine.
const TIES_MAX: usize = 256;
/// Identifiers that are looked at when people are told apart. A piece of the graph past this stays as it is.
const PIECE_MAX: usize = 4096;

/// A connected piece of the graph.
pub(super) struct Piece {
    pub(super) nodes: BTreeMap<IdentifierHash, Node>,
    pub(super) ties: Vec<NodeTie>,
    /// Whether it goes on past [`PIECE_MAX`].
    pub(super) cut_short: bool,
}

impl Piece {
    pub(super) fn group(&self, rules: &Rules) -> (Vec<Group>, Vec<Verdict>) {
        group(&self.nodes, &self.ties, rules)
    }
}

impl Fold {
    /// Whether a tie says more than what is known.
    pub(super) fn is_news(
        &mut self,
        at: IdentifierHash,
        with: IdentifierHash,
        tie: Tie,
    ) -> Result<bool, FoldError> {
        let row = self.row(at)?;
        match row.ties.as_deref().and_then(|ties| ties.with(with)) {
            Some(known) if known.explicit != tie.explicit => Ok(tie.explicit),
            Some(known) => Ok((tie.at, tie.tie) < (known.at, known.tie)),
            None => {
                let full = |ties: &Option<Arc<Ties>>| ties.as_ref().is_some_and(|t| t.ties.len() >= TIES_MAX);
                Ok(!full(&row.ties) && !full(&self.row(with)?.ties))
            }
        }
    }

    /// Notes a tie at both its ends.
    pub(super) fn add_tie(
        &mut self,
        one: &HashedIdentifier,
        other: &HashedIdentifier,
        tie: Tie,
    ) -> Result<(), FoldError> {
        for (here, there) in [(one, other), (other, one)] {
            let tie = Tie { other: there.hash, with_user: there.kind == "user", ..tie };
            self.change_ties(here.hash, &here.kind, |ties| {
                match ties.ties.iter_mut().find(|t| t.other == tie.other) {
                    Some(known) => *known = tie,
                    None => ties.ties.push(tie),
                }
            })?;
        }
        Ok(())
    }

    fn change_ties(
        &mut self,
        hash: IdentifierHash,
        kind: &str,
        change: impl FnOnce(&mut Ties),
    ) -> Result<(), FoldError> {
        let mut row = self.row(hash)?;
        let ties = row.ties.get_or_insert_default();
        let ties = Arc::make_mut(ties);
        if ties.kind.is_empty() {
            kind.clone_into(&mut ties.kind);
        }
        change(ties);
        if ties.ties.is_empty() && ties.parted.is_empty() {
            row.ties = None;
        }
        self.set_row(hash, row);
        Ok(())
    }

    /// Somebody said that two identifiers are one person, or are two.
    pub(in super::super) fn say(
        &mut self,
        one: &HashedIdentifier,
        other: &HashedIdentifier,
        joined: bool,
        at: Time,
        seq: u64,
    ) -> Result<(), FoldError> {
        for (here, there) in [(one, other.hash), (other, one.hash)] {
            self.change_ties(here.hash, &here.kind, |ties| {
                ties.parted.retain(|parted| parted.other != there);
                if !joined {
                    ties.parted.push(Parted { other: there, seq });
                }
            })?;
        }
        if joined {
            let (explicit, evidence) = (true, Evidence::Journal(seq));
            let tie = Tie { other: other.hash, with_user: false, explicit, at, tie: 0, evidence };
            self.add_tie(one, other, tie)?;
        }
        Ok(())
    }

    /// The home that an identifier led to is erased, and with it what its inputs and statements said of ties: those are
    /// sealed with keys that go. What other people's inputs say stays, as it does when everything is folded again.
    pub(super) fn forget_identifier(
        &mut self,
        hash: IdentifierHash,
        dying: &[KeyId],
    ) -> Result<(), FoldError> {
        let mut row = self.row(hash)?;
        row.home = None;
        let ties = row.ties.clone().unwrap_or_default();
        self.set_row(hash, row);
        for tie in &ties.ties {
            if self.dies(tie.evidence, dying)? {
                for (here, there) in [(hash, tie.other), (tie.other, hash)] {
                    self.change_ties(here, "", |ties| ties.ties.retain(|tie| tie.other != there))?;
                }
            }
        }
        for parted in &ties.parted {
            if self.dies(Evidence::Journal(parted.seq), dying)? {
                for (here, there) in [(hash, parted.other), (parted.other, hash)] {
                    self.change_ties(here, "", |ties| ties.parted.retain(|parted| parted.other != there))?;
                }
            }
        }
        Ok(())
    }

    /// Whether what shows a tie is sealed with one of these keys.
    fn dies(&mut self, evidence: Evidence, dying: &[KeyId]) -> Result<bool, FoldError> {
        let key = match evidence {
            Evidence::Input(seq) => self.logs.intake(seq, |record| record.body.key)?,
            Evidence::Journal(seq) => self.entry(seq, |entry| match entry {
                Entry::Outcome { body, .. } => body.key,
                _ => KeyId::STORE,
            })?,
        };
        Ok(dying.contains(&key))
    }

    /// Everything that ties lead to from here.
    pub(super) fn connected(&mut self, from: &[IdentifierHash]) -> Result<Piece, FoldError> {
        let mut nodes = BTreeMap::new();
        let mut next: VecDeque<IdentifierHash> = from.iter().copied().collect();
        while let Some(hash) = next.pop_front() {
            if nodes.contains_key(&hash) {
                continue;
            }
            if nodes.len() >= PIECE_MAX {
                break;
            }
            let row = self.row(hash)?;
            let ties = row.ties.unwrap_or_default();
            let crowded = is_crowded(&ties);
            // What is nobody's leads to nobody, but for what somebody said of it.
            let leading = ties.ties.iter().filter(|tie| tie.explicit || !crowded).map(|tie| tie.other);
            next.extend(leading.filter(|other| !nodes.contains_key(other)));
            nodes.insert(hash, Node { home: row.home, ties, crowded });
        }
        let ties = ties_between(&nodes);
        let cut_short = nodes.len() >= PIECE_MAX;
        Ok(Piece { nodes, ties, cut_short })
    }

    /// Lets people come together and part as the ties around an identifier have it. What follows is journalled with
    /// `cause`. Live only: a replay finds it in the journal.
    pub(in super::super) fn regroup(
        &mut self,
        around: IdentifierHash,
        cause: Cause,
        timeline: TimelineId,
    ) -> Result<(), FoldError> {
        let row = self.row(around)?;
        let home = match row.home {
            Some(home) => self.entity(home)?.customer(),
            None => None,
        };
        if row.ties.is_none() && home.is_none_or(|home| home.merged_into.is_none()) {
            return Ok(());
        }
        let piece = self.connected(&[around])?;
        if piece.cut_short {
            return Ok(());
        }
        let (groups, _) = piece.group(&self.rules());
        let mut wanted: BTreeMap<EntityId, Option<EntityId>> = BTreeMap::new();
        for group in &groups {
            for home in &group.homes {
                wanted.insert(*home, group.head.filter(|head| head != home));
            }
        }
        for (home, into) in wanted {
            if self.entity(home)?.customer().is_none_or(|customer| customer.merged_into == into) {
                continue;
            }
            let stimulus = into.map_or(Stimulus::Part, Stimulus::MergeInto);
            let now = self.clock(timeline);
            let outcomes = self.ask(home, &stimulus, now, timeline)?;
            // It names profiles and no person, and outlives those who are erased.
            self.journal_outcomes(home, cause, timeline, now, outcomes, Some(KeyId::STORE))?;
        }
        Ok(())
    }
}
