//! Who an event is about: the home that it goes to, and the ties that it shows.

mod explain;
mod graph;

use std::sync::Arc;

use engine::EffectState;
use engine::identity::Rules;
use model::identity::{Evidence, HashedIdentifier, Tie};
use model::{
    About, EntityId, Event, EventKind, Identifier, IdentifierHash, Signal, Time, TimelineId, TimerId,
};
use store::IdentityRow;
use views::Change;

use super::{Fold, FoldError};

pub use self::explain::{Explanation, Home, Joined, Lineage, Named};

/// What an input does to the identifiers, once it counted.
#[derive(Default)]
pub(super) struct Plan {
    /// Whose history it goes to.
    pub(super) entity: Option<EntityId>,
    /// The identifier that leads there, where the event names one.
    pub(super) home: Option<HashedIdentifier>,
    homes: Vec<(IdentifierHash, EntityId)>,
    ties: Vec<NewTie>,
}

struct NewTie {
    one: HashedIdentifier,
    other: HashedIdentifier,
    tie: Tie,
}

impl Plan {
    /// An identifier from which on people may have to be told apart again.
    pub(super) fn unsettled(&self) -> Option<IdentifierHash> {
        let new_home = self.homes.first().map(|(hash, _)| *hash);
        self.ties.first().map(|tie| tie.one.hash).or(new_home)
    }
}

impl Fold {
    /// The profile that stands for whomever an identifier names.
    pub fn lookup(&mut self, identifier: &Identifier<'_>) -> Result<Option<EntityId>, FoldError> {
        let rules = self.rules.clone();
        let Some(value) = rules.name(identifier.type_name(), identifier.value()) else { return Ok(None) };
        let hash = self.keys.hash_identifier(&Identifier::of(identifier.type_name(), &value));
        if let Some(home) = self.row(hash)?.home {
            return Ok(Some(self.head(home)?));
        }
        // An address has no history of its own: it leads to whom it is tied to.
        let piece = self.connected(&[hash])?;
        let (groups, _) = piece.group(&rules);
        Ok(groups.into_iter().find(|group| group.members.contains(&hash)).and_then(|group| group.head))
    }

    /// To whose history the event goes, and which ties it shows. `about` is the order or promise of an event that
    /// names no person.
    pub(super) fn resolve(
        &mut self,
        event: &Event<'_>,
        source: &str,
        about: Option<&About>,
        seq: u64,
    ) -> Result<Plan, FoldError> {
        let rules = self.rules.clone();
        let named = rules.read(event);
        let mut plan = Plan::default();
        let fresh = EntityId::customer(self.partition, seq);
        let Some(home) = named.home() else {
            // An order system knows the order and not the person: whose order it is, is known here.
            if let Some(about) = about {
                plan.entity = Some(self.plan_home(&mut plan, &about.identifier(), fresh)?);
            }
            return Ok(plan);
        };
        plan.entity = Some(self.plan_home(&mut plan, &home, fresh)?);
        plan.home = Some(self.hash_of(&home));
        let tie = Tie {
            other: IdentifierHash([0; 16]),
            explicit: false,
            at: event.timestamp,
            tie: engine::tie_breaker(source, &event.message_id),
            evidence: Evidence::Input(seq),
        };
        for other in named.with_home() {
            self.plan_tie(&mut plan, &home, &other, tie)?;
        }
        if event.kind == EventKind::Alias
            && let (Some(previous), Some(_)) = (event.previous_id.as_deref(), &named.user)
        {
            // The old name may be a user's, which is said to be the same person, or a device's, which may be used by
            // others as well.
            if let Some(user) = rules.name("user", previous) {
                self.plan_tie(&mut plan, &home, &Identifier::User(&user), Tie { explicit: true, ..tie })?;
            }
            if let Some(device) = rules.name("anonymous", previous) {
                self.plan_tie(&mut plan, &home, &Identifier::Anonymous(&device), tie)?;
            }
        }
        Ok(plan)
    }

    fn plan_home(
        &mut self,
        plan: &mut Plan,
        identifier: &Identifier<'_>,
        fresh: EntityId,
    ) -> Result<EntityId, FoldError> {
        let hash = self.keys.hash_identifier(identifier);
        if let Some(home) = self.row(hash)?.home {
            return Ok(home);
        }
        plan.homes.push((hash, fresh));
        Ok(fresh)
    }

    fn plan_tie(
        &mut self,
        plan: &mut Plan,
        one: &Identifier<'_>,
        other: &Identifier<'_>,
        tie: Tie,
    ) -> Result<(), FoldError> {
        let (to, from) = (self.keys.hash_identifier(one), self.keys.hash_identifier(other));
        if to != from && self.is_news(from, to, tie)? {
            plan.ties.push(NewTie { one: self.hash_of(one), other: self.hash_of(other), tie });
        }
        Ok(())
    }

    pub(super) fn hash_of(&self, identifier: &Identifier<'_>) -> HashedIdentifier {
        let hash = self.keys.hash_identifier(identifier);
        HashedIdentifier { kind: identifier.type_name().to_owned(), hash }
    }

    /// Lets what was planned count.
    pub(super) fn carry_out(&mut self, plan: Plan) -> Result<(), FoldError> {
        for (hash, home) in plan.homes {
            self.set_home(hash, home)?;
        }
        for NewTie { one, other, tie } in plan.ties {
            self.add_tie(&one, &other, tie)?;
        }
        Ok(())
    }

    /// The rules that hold from now on.
    pub(super) fn use_rules(&mut self, published: &str) {
        // What was published was checked; a text of a later version that says more than this program knows leaves
        // the built-in rules.
        self.rules = Arc::new(Rules::parse(published).unwrap_or_default());
    }

    pub fn rules(&self) -> Arc<Rules> {
        self.rules.clone()
    }

    /// Who stands for a profile's person; itself where nobody else does.
    pub fn head(&mut self, id: EntityId) -> Result<EntityId, FoldError> {
        Ok(self.entity(id)?.customer().and_then(|customer| customer.merged_into).unwrap_or(id))
    }

    /// The profiles of a person: first who stands for it, then the others.
    pub fn person(&mut self, id: EntityId) -> Result<Vec<EntityId>, FoldError> {
        let head = self.head(id)?;
        let known = self.entity(head)?.customer().map(|customer| customer.absorbed.clone());
        let mut all = vec![head];
        for part in known.into_iter().flatten() {
            let into = self.entity(part)?.customer().and_then(|customer| customer.merged_into);
            if into == Some(head) {
                all.push(part);
            }
        }
        Ok(all)
    }

    /// Whose data goes when a person is erased: theirs, and what was done without a name on devices that they used,
    /// for it cannot be told from theirs. Who stands for the person comes last, so that whoever is left, if only the
    /// beginning survives, still knows of the others.
    pub fn erasure(&mut self, id: EntityId) -> Result<Vec<EntityId>, FoldError> {
        let mut all = self.person(id)?;
        for member in all.clone() {
            let Some(customer) = self.entity(member)?.customer() else { continue };
            for device in customer.profile.anonymous_ids.clone() {
                let Some(home) = self.home(&Identifier::Anonymous(&device))? else { continue };
                // Another person's own, where somebody said so.
                if !all.contains(&home) && self.head(home)? == home && self.has_no_user(home)? {
                    all.push(home);
                }
            }
        }
        all.reverse();
        Ok(all)
    }

    /// Whose history inputs with an identifier go to; who owns an order or promise.
    fn home(&mut self, identifier: &Identifier<'_>) -> Result<Option<EntityId>, FoldError> {
        let hash = self.keys.hash_identifier(identifier);
        Ok(self.row(hash)?.home)
    }

    fn has_no_user(&mut self, id: EntityId) -> Result<bool, FoldError> {
        Ok(self.entity(id)?.customer().is_some_and(|customer| customer.profile.user_ids.is_empty()))
    }

    /// Whether no person was ever named: known by an order alone.
    fn is_nameless(&mut self, id: EntityId) -> Result<bool, FoldError> {
        Ok(self.entity(id)?.customer().is_some_and(|customer| {
            customer.profile.user_ids.is_empty() && customer.profile.anonymous_ids.is_empty()
        }))
    }

    /// The other profile that owns the order or promise that a signal is about, where this one does not.
    pub(super) fn owner_elsewhere(
        &mut self,
        id: EntityId,
        signal: &Signal,
    ) -> Result<Option<EntityId>, FoldError> {
        if let Signal::OrderPlaced { order_id, .. } = signal {
            // Who places it owns it, unless something of it was known before anybody had placed it.
            let owner = self.home(&Identifier::Order(order_id))?;
            return match owner {
                Some(owner) if owner != id && self.is_nameless(owner)? => Ok(Some(owner)),
                _ => Ok(None),
            };
        }
        let (order, promise) = signal.refers_to();
        let order = order.or_else(|| promise.and_then(|promise| promise.strip_prefix("order:")));
        let Some(customer) = self.entity(id)?.customer() else { return Ok(None) };
        let here = promise.is_some_and(|p| customer.promises.contains_key(p))
            || order.is_some_and(|o| customer.orders.contains_key(o));
        if here {
            return Ok(None);
        }
        let named = [promise.map(Identifier::Promise), order.map(Identifier::Order)];
        for identifier in named.into_iter().flatten() {
            if let Some(owner) = self.home(&identifier)? {
                return Ok(Some(owner));
            }
        }
        Ok(None)
    }

    /// Whether it is known by now who placed the order that a profile without a name stands for.
    pub(super) fn is_claimed(&mut self, nameless: EntityId) -> Result<bool, FoldError> {
        Ok(self.head(nameless)? != nameless)
    }

    /// The first to hold an order or promise owns its name.
    pub(super) fn claim(&mut self, identifier: &Identifier<'_>, id: EntityId) -> Result<(), FoldError> {
        let hash = self.keys.hash_identifier(identifier);
        if self.row(hash)?.home.is_none() {
            self.set_home(hash, id)?;
        }
        Ok(())
    }

    /// Nothing leads to an erased customer any more; timers and effects of theirs are off.
    pub(super) fn forget_identity(&mut self, id: EntityId) -> Result<(), FoldError> {
        let keys = self.keys.clone();
        let Some(customer) = self.entity(id)?.customer() else { return Ok(()) };
        let (timers, effects) = waiting(customer);
        let profile = &customer.profile;
        let users = profile.user_ids.iter().map(|u| Identifier::User(u));
        let devices = profile.anonymous_ids.iter().map(|a| Identifier::Anonymous(a));
        let orders = customer.orders.keys().map(|o| Identifier::Order(o));
        let promises = customer.promises.keys().map(|p| Identifier::Promise(p));
        let all = users.chain(devices).chain(orders).chain(promises);
        let names: Vec<IdentifierHash> = all.map(|identifier| keys.hash_identifier(&identifier)).collect();
        let erased = customer.keys.clone();
        for hash in names {
            if self.row(hash)?.home == Some(id) {
                self.forget_identifier(hash)?;
            }
        }
        self.erased_keys.extend(&erased);
        self.dead_keys.extend(erased);
        for (timeline, due, timer) in timers {
            self.wakes.remove(&(timeline, due, id, timer));
        }
        for (key, _) in effects {
            self.requested.remove(&(id, key.clone()));
            self.under_way.remove(&(id, key));
        }
        let to_them: Vec<_> =
            self.own.mail.iter().filter(|(_, (to, _))| *to == id).map(|(k, _)| *k).collect();
        for key in to_them {
            self.own.mail.remove(&key);
        }
        let seq = self.last_seq();
        self.changes.push((seq, Change::Erased { entity: id }));
        Ok(())
    }

    fn row(&mut self, hash: IdentifierHash) -> Result<IdentityRow, FoldError> {
        if let Some(row) = self.identities.get(&hash).or_else(|| self.identities_read.get(&hash).cloned()) {
            return Ok(row.unwrap_or_default());
        }
        let row = self.base.identity(hash)?;
        if self.identities_read.len() >= self.cache_max * 4 {
            self.identities_read.clear();
        }
        self.identities_read.insert(hash, row.clone());
        Ok(row.unwrap_or_default())
    }

    fn set_row(&mut self, hash: IdentifierHash, row: IdentityRow) {
        let row = (row != IdentityRow::default()).then_some(row);
        self.identities.now.insert(hash, row);
    }

    fn set_home(&mut self, hash: IdentifierHash, home: EntityId) -> Result<(), FoldError> {
        let row = IdentityRow { home: Some(home), ..self.row(hash)? };
        self.set_row(hash, row);
        Ok(())
    }
}

pub(super) type Waiting = (Vec<(TimelineId, Time, TimerId)>, Vec<(String, EffectState)>);

/// The timers and unsettled effects of a customer.
pub(super) fn waiting(customer: &engine::Customer) -> Waiting {
    let timers = customer.timers.iter().map(|(id, timer)| (timer.timeline, timer.due, *id)).collect();
    let open = customer.effects.iter().filter(|(_, record)| !record.state.is_ended());
    (timers, open.map(|(key, record)| (key.clone(), record.state)).collect())
}
