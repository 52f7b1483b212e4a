//! Which of the identifiers that were seen together are one person.
//!
//! The answer depends on the set of ties alone, not on the order in which they came up: ties are taken in a fixed
//! order, as in Kruskal's algorithm, and one that would break a rule is passed over.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use model::identity::{Tie, Ties};
use model::{EntityId, IdentifierHash};

use super::Rules;

/// An identifier in the graph.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Node {
    /// The history that inputs with it go to; of an order or promise, who owns it.
    pub home: Option<EntityId>,
    pub ties: Arc<Ties>,
    /// Seen with so many users ([`is_crowded`]) that it is nobody's; what it was seen with is not looked at.
    pub crowded: bool,
}

/// An identifier that more users than this were seen with is a kiosk or a placeholder, whatever else is known.
const CROWD: usize = 8;

/// Whether an identifier was seen with so many users that it says nothing about any of them.
pub fn is_crowded(ties: &Ties) -> bool {
    ties.kind != "user" && ties.ties.iter().filter(|tie| tie.with_user && !tie.explicit).count() > CROWD
}

/// Two identifiers that were seen together.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NodeTie {
    pub one: IdentifierHash,
    pub tie: Tie,
}

/// Every tie between these, once.
pub fn ties_between(nodes: &BTreeMap<IdentifierHash, Node>) -> Vec<NodeTie> {
    let mut ties = Vec::new();
    for (one, node) in nodes {
        let here = node.ties.ties.iter().filter(|tie| *one < tie.other && nodes.contains_key(&tie.other));
        ties.extend(here.map(|tie| NodeTie { one: *one, tie: *tie }));
    }
    ties
}

/// What became of a tie.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    Holds,
    /// One end is used by several people, or by nobody that is known, so it says nothing about any of them.
    Shared,
    /// Holding it would give one person more identifiers of a type than the rules allow.
    Limit,
    /// Somebody said that they are two people.
    Parted,
}

impl Verdict {
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Holds => "holds",
            Verdict::Shared => "shared",
            Verdict::Limit => "limit",
            Verdict::Parted => "parted",
        }
    }
}

/// One person.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Group {
    pub members: BTreeSet<IdentifierHash>,
    pub homes: BTreeSet<EntityId>,
    /// The home that stands for the person: a user's, else the oldest.
    pub head: Option<EntityId>,
}

/// Parts a connected piece of the graph into people; says of each tie, in the order given, what became of it.
pub fn group(
    nodes: &BTreeMap<IdentifierHash, Node>,
    ties: &[NodeTie],
    rules: &Rules,
) -> (Vec<Group>, Vec<Verdict>) {
    let mut classes = Classes::new(nodes, rules);
    // Until it is looked at; what leads to nobody stays so.
    let mut verdicts = vec![Verdict::Shared; ties.len()];
    // One history is one person, whatever names it has.
    let mut by_home: BTreeMap<EntityId, usize> = BTreeMap::new();
    for (index, (_, node)) in nodes.iter().enumerate() {
        if let Some(home) = node.home {
            match by_home.get(&home) {
                Some(first) => classes.join(*first, index),
                None => drop(by_home.insert(home, index)),
            }
        }
    }
    let index: BTreeMap<IdentifierHash, usize> =
        nodes.keys().enumerate().map(|(index, hash)| (*hash, index)).collect();
    // A user's name of which no input came may be a device's name, said in an alias: it ties nobody.
    let known = |n: usize| !classes.is_user(n) || classes.nodes[n].1.home.is_some();
    let ends = |tie: &NodeTie| Some((*index.get(&tie.one)?, *index.get(&tie.tie.other)?));
    let between: Vec<_> = ties.iter().map(|tie| ends(tie).filter(|(a, b)| known(*a) && known(*b))).collect();
    let ends = |n: usize| between[n];
    let strength = |n: usize| {
        let NodeTie { one, tie } = ties[n];
        let priority = |hash| rules.of(&nodes[hash].ties.kind).1;
        (!tie.explicit, priority(&one).max(priority(&tie.other)), tie.at, tie.tie, one, tie.other)
    };
    let mut order: Vec<usize> = (0..ties.len()).filter(|n| ends(*n).is_some()).collect();
    order.sort_by_key(|n| strength(*n));
    let said = order.iter().take_while(|n| ties[**n].tie.explicit).count();
    for n in &order[..said] {
        let Some((one, other)) = ends(*n) else { continue };
        if classes.are_parted(one, other) {
            verdicts[*n] = Verdict::Parted;
        } else {
            classes.join(one, other);
            verdicts[*n] = Verdict::Holds;
        }
    }
    classes.users_are_counted_by_what_was_said();
    let shared = shared(&classes, &order[said..], ends);
    for n in &order[said..] {
        let Some((one, other)) = ends(*n) else { continue };
        verdicts[*n] = if shared.contains(&one) || shared.contains(&other) {
            Verdict::Shared
        } else if classes.are_parted(one, other) {
            Verdict::Parted
        } else if !classes.fit(one, other) {
            Verdict::Limit
        } else {
            classes.join(one, other);
            Verdict::Holds
        };
    }
    (classes.groups(), verdicts)
}

/// Identifiers that are no user's own and were seen with more users than one person may be.
fn shared(
    classes: &Classes<'_>,
    order: &[usize],
    ends: impl Fn(usize) -> Option<(usize, usize)>,
) -> BTreeSet<usize> {
    let mut users: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
    for (one, other) in order.iter().filter_map(|n| ends(*n)) {
        for (this, user) in [(one, other), (other, one)] {
            // Who was said to be somebody else does not use it.
            if classes.is_user(user) && !classes.is_user(this) && !classes.were_parted(this, user) {
                users.entry(this).or_default().insert(classes.root(user));
            }
        }
    }
    let limit = classes.rules.of("user").0 as usize;
    let shared = users.into_iter().filter(|(_, people)| people.len() > limit).map(|(node, _)| node);
    let crowded = (0..classes.nodes.len()).filter(|node| classes.nodes[*node].1.crowded);
    shared.chain(crowded).collect()
}

/// Nodes by index, with the class of each (a disjoint-set forest) and what the class holds.
struct Classes<'a> {
    nodes: Vec<(&'a IdentifierHash, &'a Node)>,
    rules: &'a Rules,
    parent: Vec<usize>,
    members: Vec<Vec<usize>>,
    /// Of a class's root: identifiers by type.
    counts: Vec<BTreeMap<&'a str, u32>>,
}

impl<'a> Classes<'a> {
    fn new(nodes: &'a BTreeMap<IdentifierHash, Node>, rules: &'a Rules) -> Self {
        let nodes: Vec<_> = nodes.iter().collect();
        Classes {
            parent: (0..nodes.len()).collect(),
            members: (0..nodes.len()).map(|n| vec![n]).collect(),
            counts: nodes.iter().map(|(_, node)| BTreeMap::from([(node.ties.kind.as_str(), 1)])).collect(),
            rules,
            nodes,
        }
    }

    fn is_user(&self, node: usize) -> bool {
        self.nodes[node].1.ties.kind == "user"
    }

    fn root(&self, mut node: usize) -> usize {
        while self.parent[node] != node {
            node = self.parent[node];
        }
        node
    }

    fn join(&mut self, one: usize, other: usize) {
        let (one, other) = (self.root(one), self.root(other));
        if one == other {
            return;
        }
        let (into, from) =
            if self.members[one].len() < self.members[other].len() { (other, one) } else { (one, other) };
        self.parent[from] = into;
        let moved = std::mem::take(&mut self.members[from]);
        self.members[into].extend(moved);
        for (kind, n) in std::mem::take(&mut self.counts[from]) {
            *self.counts[into].entry(kind).or_default() += n;
        }
    }

    /// Users who were said to be one count as one.
    fn users_are_counted_by_what_was_said(&mut self) {
        for counts in &mut self.counts {
            if let Some(users) = counts.get_mut("user") {
                *users = 1;
            }
        }
    }

    fn fit(&self, one: usize, other: usize) -> bool {
        if [one, other].iter().any(|n| self.rules.of(&self.nodes[*n].1.ties.kind).0 == 0) {
            return false;
        }
        let (one, other) = (self.root(one), self.root(other));
        if one == other {
            return true;
        }
        self.counts[one].iter().chain(&self.counts[other]).all(|(kind, _)| {
            let of = |class: usize| self.counts[class].get(kind).copied().unwrap_or_default();
            // Who is over a limit already keeps what they have, and gets no more of it.
            of(one) == 0 || of(other) == 0 || of(one) + of(other) <= self.rules.of(kind).0
        })
    }

    /// Whether somebody said of these two themselves that they are two people.
    fn were_parted(&self, one: usize, other: usize) -> bool {
        self.nodes[one].1.ties.is_parted(*self.nodes[other].0)
    }

    fn are_parted(&self, one: usize, other: usize) -> bool {
        let (one, other) = (self.root(one), self.root(other));
        let parts = |from: usize, to: usize| {
            self.members[from].iter().any(|n| {
                let ties = &self.nodes[*n].1.ties;
                !ties.parted.is_empty() && self.members[to].iter().any(|m| ties.is_parted(*self.nodes[*m].0))
            })
        };
        one != other && (parts(one, other) || parts(other, one))
    }

    fn groups(&self) -> Vec<Group> {
        let roots = (0..self.nodes.len()).filter(|n| self.parent[*n] == *n);
        let mut groups: Vec<Group> = roots.map(|root| self.group(root)).collect();
        groups.sort_by(|a, b| a.members.cmp(&b.members));
        groups
    }

    fn group(&self, root: usize) -> Group {
        let mut group = Group::default();
        let mut users = BTreeSet::new();
        for n in &self.members[root] {
            let (hash, node) = self.nodes[*n];
            group.members.insert(*hash);
            group.homes.extend(node.home);
            if self.is_user(*n) {
                users.extend(node.home);
            }
        }
        group.head = users.first().or(group.homes.first()).copied();
        group
    }
}
