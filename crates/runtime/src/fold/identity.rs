//! Who an event is about: identifiers, whom they lead to, and when two of them turn out to be one.

use engine::EffectState;
use model::{
    About, EntityId, Event, EventKind, Identifier, IdentifierHash, Signal, Time, TimelineId, TimerId,
};
use store::IdentityRow;
use views::Change;

use super::{Fold, FoldError};

/// What an input does to the identifiers, before it counts.
#[derive(Default)]
pub(super) struct Plan {
    pub(super) entity: Option<EntityId>,
    pub(super) bind: Vec<(IdentifierHash, EntityId)>,
    pub(super) merges: Vec<(EntityId, EntityId)>,
    /// A device that goes from one person to another.
    pub(super) handed_on: Option<IdentifierHash>,
}

impl Fold {
    /// The profile that a typed identifier leads to.
    pub fn lookup(&mut self, identifier: &Identifier<'_>) -> Result<Option<EntityId>, FoldError> {
        let hash = self.keys.hash_identifier(identifier);
        let mut plan = Plan::default();
        self.find(hash, &mut plan)
    }

    /// To whom the event belongs, and which identifiers that ties together. `about` is the order or promise of an
    /// event that names no person.
    pub(super) fn resolve(
        &mut self,
        event: &Event<'_>,
        about: Option<&About>,
        seq: u64,
    ) -> Result<Plan, FoldError> {
        let hash = |fold: &Fold, id: &Identifier<'_>| fold.keys.hash_identifier(id);
        let user = event.user_id.as_deref().map(Identifier::User);
        let device = event.anonymous_id.as_deref().map(Identifier::Anonymous);
        let mut plan = Plan::default();
        let fresh = EntityId::customer(self.partition, seq);
        let known_user = match &user {
            Some(id) => self.find(hash(self, id), &mut plan)?,
            None => None,
        };
        let known_device = match &device {
            Some(id) => self.find(hash(self, id), &mut plan)?,
            None => None,
        };
        let entity = match (&user, &device) {
            // An order system knows the order and not the person: whose order it is, is known here.
            (None, None) => match about.map(|about| hash(self, &about.identifier())) {
                Some(about) => match self.identity(about)? {
                    Some(owner) => self.survivor(owner)?,
                    None => {
                        plan.bind.push((about, fresh));
                        fresh
                    }
                },
                None => return Ok(plan),
            },
            (None, Some(_)) => known_device.unwrap_or(fresh),
            (Some(_), _) => match (known_user, known_device) {
                (Some(known), _) => known,
                // The device's visitor turns out to be somebody: the history is theirs.
                (None, Some(visitor)) if !self.has_user(visitor)? => visitor,
                (None, _) => fresh,
            },
        };
        if let Some(id) = &user
            && known_user != Some(entity)
        {
            plan.bind.push((hash(self, id), entity));
        }
        if let Some(id) = &device
            && known_device != Some(entity)
        {
            // A device that somebody else used before goes with its present user; the two people stay two.
            if let Some(visitor) = known_device
                && user.is_some()
            {
                if self.has_user(visitor)? {
                    plan.handed_on = Some(hash(self, id));
                } else {
                    plan.merges.push((visitor, entity));
                }
            }
            plan.bind.push((hash(self, id), entity));
        }
        if event.kind == EventKind::Alias
            && let (Some(previous), Some(_)) = (event.previous_id.as_deref(), &user)
        {
            // The old name may be a device's or a user's.
            for previous in [Identifier::User(previous), Identifier::Anonymous(previous)] {
                let previous = hash(self, &previous);
                match self.find(previous, &mut plan)? {
                    Some(other) if other != entity => plan.merges.push((other, entity)),
                    Some(_) => {}
                    None => plan.bind.push((previous, entity)),
                }
            }
        }
        plan.entity = Some(entity);
        Ok(plan)
    }

    /// The profile that an identifier leads to, past merges; a shortcut is planned where there was one.
    fn find(&mut self, hash: IdentifierHash, plan: &mut Plan) -> Result<Option<EntityId>, FoldError> {
        let Some(first) = self.identity(hash)? else { return Ok(None) };
        let id = self.survivor(first)?;
        if id != first {
            plan.bind.push((hash, id));
        }
        Ok(Some(id))
    }

    /// Into whom a profile was merged in the end; itself where it was not.
    fn survivor(&mut self, mut id: EntityId) -> Result<EntityId, FoldError> {
        while let Some(next) = self.entity(id)?.customer().and_then(|customer| customer.merged_into) {
            id = next;
        }
        Ok(id)
    }

    fn has_user(&mut self, id: EntityId) -> Result<bool, FoldError> {
        Ok(self.entity(id)?.customer().is_some_and(|customer| !customer.profile.user_ids.is_empty()))
    }

    /// Whether no person was ever named: known by an order alone.
    fn is_nameless(&mut self, id: EntityId) -> Result<bool, FoldError> {
        Ok(self.entity(id)?.customer().is_some_and(|customer| {
            let profile = &customer.profile;
            profile.user_ids.is_empty() && profile.anonymous_ids.is_empty() && customer.merged_into.is_none()
        }))
    }

    fn identity(&mut self, hash: IdentifierHash) -> Result<Option<EntityId>, FoldError> {
        if let Some(row) = self.identities.get(&hash).or_else(|| self.identities_read.get(&hash).copied()) {
            return Ok(row.map(|row| row.entity));
        }
        let row = self.base.identity(hash)?;
        if self.identities_read.len() >= self.cache_max * 4 {
            self.identities_read.clear();
        }
        self.identities_read.insert(hash, row);
        Ok(row.map(|row| row.entity))
    }

    pub(super) fn bind(&mut self, hash: IdentifierHash, entity: EntityId) {
        self.identities.now.insert(hash, Some(IdentityRow { entity }));
    }

    /// The other customer who owns the order or promise that a signal is about, where this one does not.
    pub(super) fn owner_elsewhere(
        &mut self,
        id: EntityId,
        signal: &Signal,
    ) -> Result<Option<EntityId>, FoldError> {
        if let Signal::OrderPlaced { order_id, .. } = signal {
            // Who places it owns it, unless something of it was known before anybody had placed it.
            let owner = self.identity(self.keys.hash_identifier(&Identifier::Order(order_id)))?;
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
            let hash = self.keys.hash_identifier(&identifier);
            if let Some(owner) = self.identity(hash)? {
                return Ok(Some(owner));
            }
        }
        Ok(None)
    }

    /// The first to hold an order or promise owns its name.
    pub(super) fn claim(&mut self, identifier: &Identifier<'_>, id: EntityId) -> Result<(), FoldError> {
        let hash = self.keys.hash_identifier(identifier);
        if self.identity(hash)?.is_none() {
            self.bind(hash, id);
        }
        Ok(())
    }

    /// Nothing leads to an erased customer any more; timers and effects of theirs are off.
    pub(super) fn forget_identity(&mut self, id: EntityId) -> Result<(), FoldError> {
        let keys = self.keys.clone();
        let Some(customer) = self.entity(id)?.customer() else { return Ok(()) };
        let (timers, effects) = waiting(customer);
        let profile = &customer.profile;
        let mut names: Vec<IdentifierHash> = Vec::new();
        let users = profile.user_ids.iter().map(|u| Identifier::User(u));
        let devices = profile.anonymous_ids.iter().map(|a| Identifier::Anonymous(a));
        let orders = customer.orders.keys().map(|o| Identifier::Order(o));
        let promises = customer.promises.keys().map(|p| Identifier::Promise(p));
        for identifier in users.chain(devices).chain(orders).chain(promises) {
            names.push(keys.hash_identifier(&identifier));
        }
        let erased = customer.keys.clone();
        for hash in names {
            if self.identity(hash)? == Some(id) {
                self.identities.now.insert(hash, None);
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
}

pub(super) type Waiting = (Vec<(TimelineId, Time, TimerId)>, Vec<(String, EffectState)>);

/// The timers and unsettled effects of a customer.
pub(super) fn waiting(customer: &engine::Customer) -> Waiting {
    let timers = customer.timers.iter().map(|(id, timer)| (timer.timeline, timer.due, *id)).collect();
    let open = customer.effects.iter().filter(|(_, record)| !record.state.is_ended());
    (timers, open.map(|(key, record)| (key.clone(), record.state)).collect())
}
