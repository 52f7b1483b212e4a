//! The ties between identifiers as they are kept, and the people that they make.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use engine::Stimulus;
use engine::identity::{Group, Node, NodeTie, Rules, Verdict, group, ties_between};
use model::identity::{Evidence, HashedIdentifier, Tie, Ties};
use model::{Cause, EntityId, IdentifierHash, Time, TimelineId};

use super::super::{Fold, FoldError};

/// Ties that are kept of one identifier, those that somebody said aside. A kiosk that a thousand people use ties
/// nobody after the second; who has this many devices is a machine.
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
                Ok(tie.explicit || (!full(&row.ties) && !full(&self.row(with)?.ties)))
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
            let tie = Tie { other: there.hash, ..tie };
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
                ties.parted.retain(|parted| *parted != there);
                if !joined {
                    ties.parted.push(there);
                }
            })?;
        }
        if joined {
            let tie = Tie { other: other.hash, explicit: true, at, tie: 0, evidence: Evidence::Journal(seq) };
            self.add_tie(one, other, tie)?;
        }
        Ok(())
    }

    /// Nothing is known of an identifier any more, nor that others were seen with it.
    pub(super) fn forget_identifier(&mut self, hash: IdentifierHash) -> Result<(), FoldError> {
        let row = self.row(hash)?;
        let ties = row.ties.as_deref();
        let others: BTreeSet<IdentifierHash> = ties
            .into_iter()
            .flat_map(|t| t.ties.iter().map(|tie| tie.other).chain(t.parted.clone()))
            .collect();
        for other in others {
            self.change_ties(other, "", |ties| {
                ties.ties.retain(|tie| tie.other != hash);
                ties.parted.retain(|parted| *parted != hash);
            })?;
        }
        self.set_row(hash, store::IdentityRow::default());
        Ok(())
    }

    /// Everything that ties lead to from here.
    pub(super) fn connected(&mut self, from: &[IdentifierHash]) -> Result<Piece, FoldError> {
        let mut nodes = BTreeMap::new();
        let mut next: VecDeque<IdentifierHash> = from.iter().copied().collect();
        while let Some(hash) = next.pop_front() {
            if nodes.contains_key(&hash) || nodes.len() >= PIECE_MAX {
                continue;
            }
            let row = self.row(hash)?;
            let ties = row.ties.unwrap_or_default();
            next.extend(ties.ties.iter().map(|tie| tie.other));
            nodes.insert(hash, Node { home: row.home, ties });
        }
        let ties = ties_between(&nodes);
        let cut_short =
            nodes.values().any(|node| node.ties.ties.iter().any(|t| !nodes.contains_key(&t.other)));
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
        if self.row(around)?.ties.is_none() {
            return Ok(());
        }
        let piece = self.connected(&[around])?;
        if piece.cut_short {
            return Ok(());
        }
        let (groups, _) = piece.group(&self.rules.clone());
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
            self.journal_outcomes(home, cause, timeline, now, outcomes, None)?;
        }
        Ok(())
    }
}
