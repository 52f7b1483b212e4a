//! Who an event is about: the home that it goes to, and the ties that it shows.

mod explain;
mod graph;

use std::collections::BTreeSet;
use std::sync::Arc;

use engine::identity::{Identifiers, Rules};
use engine::{EffectState, Stimulus};
use model::connection::ConnectionSignal;
use model::identity::{Evidence, HashedIdentifier, Tie};
use model::{
    About, Cause, EntityId, Event, EventKind, Fact, Identifier, IdentifierHash, KeyId, Outcome, Signal, Time,
    TimelineId, TimerId,
};
use store::IdentityRow;
use views::Change;

use super::{Fold, FoldError, SharedRules};

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
        let rules = self.rules();
        let Some(value) = rules.name(identifier.type_name(), identifier.value()) else { return Ok(None) };
        let hash = self.keys.hash_identifier(&Identifier::of(identifier.type_name(), &value));
        if let Some(home) = self.row(hash)?.home {
            return Ok(Some(self.head(home)?));
        }
        // An address has no history of its own: it leads to whom it is tied to.
        let piece = self.connected(&[hash])?;
        if piece.cut_short {
            return Ok(None);
        }
        let (groups, _) = piece.group(&rules);
        Ok(groups.into_iter().find(|group| group.members.contains(&hash)).and_then(|group| group.head))
    }

    /// To whose history the event goes, and which ties it shows. `about` is the order or promise of an event that
    /// names no person.
    pub(super) fn resolve(
        &mut self,
        event: &Event<'_>,
        named: &Identifiers<'_>,
        source: &str,
        about: Option<&About>,
        seq: u64,
    ) -> Result<Plan, FoldError> {
        let rules = self.rules();
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
            with_user: false,
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
        // Who comes back after they were erased begins anew.
        if let Some(home) = self.row(hash)?.home
            && !self.is_erased(home)?
        {
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
        let rules = Arc::new(Rules::parse(published).unwrap_or_default());
        *self.rules.write().expect("no panic while held") = rules;
    }

    pub fn rules(&self) -> Arc<Rules> {
        self.rules.read().expect("no panic while held").clone()
    }

    pub(crate) fn shared_rules(&self) -> SharedRules {
        self.rules.clone()
    }

    /// Who stands for a profile's person; itself where nobody else does.
    pub fn head(&mut self, id: EntityId) -> Result<EntityId, FoldError> {
        let into = self.entity(id)?.customer().and_then(|customer| customer.merged_into);
        match into {
            Some(head) if !self.is_erased(head)? => Ok(head),
            _ => Ok(id),
        }
    }

    fn is_erased(&mut self, id: EntityId) -> Result<bool, FoldError> {
        Ok(self.entity(id)?.customer().is_some_and(|customer| customer.erased_at.is_some()))
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
    /// for it cannot be told from theirs; not what somebody said is another's. Who stands for the person comes last, so
    /// that whoever is left, if only the beginning survives, still knows of the others.
    pub fn erasure(&mut self, id: EntityId) -> Result<Vec<EntityId>, FoldError> {
        self.deliver_all()?;
        let keys = self.keys.clone();
        let mut all = self.person(id)?;
        if !all.contains(&id) {
            all.push(id);
        }
        for member in all.clone() {
            let Some(customer) = self.entity(member)?.customer() else { continue };
            let profile = &customer.profile;
            let users: Vec<IdentifierHash> =
                profile.user_ids.iter().map(|id| keys.hash_identifier(&Identifier::User(id))).collect();
            let devices = profile.anonymous_ids.iter().map(|id| Identifier::Anonymous(id));
            let devices: Vec<IdentifierHash> = devices.map(|id| keys.hash_identifier(&id)).collect();
            for device in devices {
                let row = self.row(device)?;
                let Some(home) = row.home.filter(|home| !all.contains(home)) else { continue };
                let parted = row.ties.is_some_and(|ties| users.iter().any(|user| ties.is_parted(*user)));
                if !parted && !self.has_user(home)? {
                    all.push(home);
                }
            }
        }
        all.reverse();
        Ok(all)
    }

    /// Whether a user is among the profiles of a profile's person.
    fn has_user(&mut self, id: EntityId) -> Result<bool, FoldError> {
        for member in self.person(id)? {
            if self.entity(member)?.customer().is_some_and(|customer| !customer.profile.user_ids.is_empty()) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Those whom an erased profile stood for stand for themselves.
    pub(super) fn stand_alone(
        &mut self,
        stood_for: &BTreeSet<EntityId>,
        erased: EntityId,
        cause: Cause,
    ) -> Result<(), FoldError> {
        let now = self.clock(TimelineId::LIVE);
        for part in stood_for {
            let into = self.entity(*part)?.customer().and_then(|customer| customer.merged_into);
            if into == Some(erased) {
                let outcomes = self.ask(*part, &Stimulus::Part, now, TimelineId::LIVE)?;
                self.journal_outcomes(*part, cause, TimelineId::LIVE, now, outcomes, Some(KeyId::STORE))?;
            }
        }
        Ok(())
    }

    /// Who owns an order or promise.
    pub fn owner(&mut self, identifier: &Identifier<'_>) -> Result<Option<EntityId>, FoldError> {
        self.home(identifier)
    }

    /// Whose history inputs with an identifier go to; who owns an order or promise.
    fn home(&mut self, identifier: &Identifier<'_>) -> Result<Option<EntityId>, FoldError> {
        let hash = self.keys.hash_identifier(identifier);
        Ok(self.row(hash)?.home)
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
        if let Signal::Connection(said) = signal {
            // What a device says is about whose device it is, whoever passes it on.
            let of_device = matches!(
                said,
                ConnectionSignal::Level { .. }
                    | ConnectionSignal::SlotReplaced { .. }
                    | ConnectionSignal::DeviceGone { .. }
            );
            if let Some(device_id) = said.device_id().filter(|_| of_device)
                && let Some(owner) = self.owner_of_device(device_id)?
            {
                return Ok(Some(self.head(owner)?).filter(|head| *head != id));
            }
            // What a person needs is known by who stands for them.
            return Ok(Some(self.head(id)?).filter(|head| *head != id));
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

    /// Whoever places an order or is promised something is one person with the nameless profile that knew of it
    /// before, unless that is somebody's already, or somebody said that they are two.
    pub(super) fn join_with_nameless(
        &mut self,
        home: &HashedIdentifier,
        owner: EntityId,
        signal: &Signal,
        at: Time,
    ) -> Result<Option<Outcome>, FoldError> {
        let claims = matches!(
            signal,
            Signal::OrderPlaced { .. }
                | Signal::PromiseMade(_)
                | Signal::PromiseQuoted { .. }
                | Signal::PromiseInquired(_)
        );
        if !claims || !self.is_nameless(owner)? || self.head(owner)? != owner {
            return Ok(None);
        }
        let other = self.hash_of(&signal.about().identifier());
        if self.row(home.hash)?.ties.is_some_and(|ties| ties.is_parted(other.hash)) {
            return Ok(None);
        }
        Ok(Some(Outcome::Fact(Fact::IdentifiersJoined { one: home.clone(), other, at })))
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
        let promises = customer.promises.keys().chain(customer.early.keys()).map(|p| Identifier::Promise(p));
        let all = users.chain(devices).chain(orders).chain(promises);
        let names: Vec<IdentifierHash> = all.map(|identifier| keys.hash_identifier(&identifier)).collect();
        let erased = customer.keys.clone();
        for hash in names {
            if self.row(hash)?.home == Some(id) {
                self.forget_identifier(hash, &erased)?;
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

    pub(super) fn row(&mut self, hash: IdentifierHash) -> Result<IdentityRow, FoldError> {
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

    pub(super) fn set_home(&mut self, hash: IdentifierHash, home: EntityId) -> Result<(), FoldError> {
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
