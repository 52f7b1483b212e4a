//! Needs on a running fold: whose device an event is about, and what can be promised where something is to be decided.

use engine::connection::Offered;
use engine::promising::{Inquiry, Planner, WantedLine};
use engine::{Considered, Stimulus};
use model::connection::{ConnectionCommand, DecisionRecord, Occasion, Subject};
use model::quote::Purpose;
use model::{
    Cause, Command, EntityId, Identifier, IdentifierHash, OneAction, Outcome, Quote, Time, TimelineId, Wanted,
};

use super::{Counted, Fold, FoldError, FollowUp, Mode};
use crate::ordering::{OrderAsk, Ordered};
use crate::promising::QuoteRequest;

/// No rule can name an identifier like this, so a customer's device is never taken for a person's.
const DEVICE: &str = "\u{1}device";

/// A decision that is wanted.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct WantedDecision {
    pub(super) customer: EntityId,
    pub(super) need_id: String,
    pub(super) occasion: Occasion,
    pub(super) action_id: Option<String>,
}

/// A need that was stated, and what was decided about it.
#[derive(Clone, PartialEq, Debug)]
pub struct Stated {
    pub need_id: String,
    pub decision: Option<DecisionRecord>,
}

impl Fold {
    fn device_hash(&self, device_id: &str) -> IdentifierHash {
        self.keys.hash_identifier(&Identifier::Typed { kind: DEVICE, value: device_id })
    }

    /// Whose device it is, once they registered it.
    pub fn owner_of_device(&mut self, device_id: &str) -> Result<Option<EntityId>, FoldError> {
        Ok(self.row(self.device_hash(device_id))?.home)
    }

    /// Who registers a device last has it.
    pub(super) fn claim_device(&mut self, device_id: &str, id: EntityId) -> Result<(), FoldError> {
        let hash = self.device_hash(device_id);
        if self.row(hash)?.home != Some(id) {
            self.set_home(hash, id)?;
        }
        Ok(())
    }

    /// An event that names a device and no person counts for whoever registered the device. Its state follows from
    /// what is decided of it, so a replay has nothing to do.
    pub(super) fn count_device(
        &mut self,
        device_id: &str,
        stimulus: &Stimulus<'_>,
        timeline: TimelineId,
        mode: Mode,
    ) -> Result<Counted, FoldError> {
        let nothing = Ok(Counted::Yes(FollowUp::default()));
        if matches!(mode, Mode::Replay(_)) {
            return nothing;
        }
        let Some(owner) = self.owner_of_device(device_id)? else { return nothing };
        let owner = self.head(owner)?;
        let outcomes = self.ask(owner, stimulus, self.clock(timeline), timeline)?;
        if outcomes.is_empty() {
            return nothing;
        }
        let key = self.key_of(owner)?;
        Ok(Counted::Yes(FollowUp { unsettled: None, decided: Some((owner, key, outcomes)) }))
    }

    /// Decides on what is to be decided on, and on what that leads to. Embedded, that is before the commit.
    pub(crate) fn decide_wanted(&mut self) -> Result<(), FoldError> {
        while let Some(wanted) = self.wanted.pop_first() {
            self.consider(&wanted)?;
            self.deliver_now()?;
        }
        Ok(())
    }

    fn consider(&mut self, wanted: &WantedDecision) -> Result<(), FoldError> {
        let now = self.clock(TimelineId::LIVE);
        let reference = self.reference.clone();
        let Some(customer) = self.entity(wanted.customer)?.customer() else { return Ok(()) };
        let connection = &customer.connection;
        let Some(record) = connection.needs.get(&wanted.need_id) else { return Ok(()) };
        let need = record.need.clone();
        let Some(playbook) = reference.playbooks.get(&need.playbook, need.version) else { return Ok(()) };
        let device = need.subject.device_id.as_deref();
        let share = connection.share(&need.category, device);
        let model = device.and_then(|id| connection.devices.get(id)?.model.clone());
        let bought =
            connection.bought.get(&need.category).filter(|_| share >= 1).cloned().unwrap_or_default();
        let defaults = customer.order_defaults.as_deref().cloned().unwrap_or_default();
        let inquiry = |item: &String| Inquiry {
            lines: vec![WantedLine { item_id: item.clone(), quantity: playbook.offer.quantity, price: None }],
            to: defaults.to.clone(),
            class: playbook.promise.class.clone().or(defaults.class.clone()).unwrap_or_default(),
            priority: 0,
            wanted: None,
            together: false,
            partial: false,
            service: defaults.service.clone(),
            time_zone: defaults.time_zone.clone(),
            target: playbook.promise.service,
        };
        // What is asked for by name need not be of the assortment.
        let asked = need.subject.item_id.iter().filter(|item| !playbook.offer.items.contains(item));
        let inquiries: Vec<Inquiry> = playbook.offer.items.iter().chain(asked).map(inquiry).collect();
        let answers = self.with_supplies(&inquiries, |rules, supplies| {
            let fits_of = |item: &str| {
                supplies.items.get(item).and_then(|known| Some(known.item.as_ref()?.fits.clone()))
            };
            // The models that this customer has: as registered, else as what they bought tells.
            let mut models: Vec<String> = model.into_iter().collect();
            if models.is_empty() {
                models = bought.iter().filter_map(|known| fits_of(&known.item_id)).flatten().collect();
            }
            let answer = |inquiry: &Inquiry| {
                let item_id = inquiry.lines[0].item_id.clone();
                let item = supplies.items.get(item_id.as_str()).and_then(|known| known.item.as_ref());
                let answer = Planner::new(rules, supplies, now).answer(inquiry);
                let fits = item.filter(|item| !models.is_empty() && !item.fits.is_empty());
                let fits = fits.map(|item| item.fits.iter().any(|model| models.contains(model)));
                let offer = answer.offer.as_ref();
                let times = bought.iter().filter(|known| known.item_id == item_id).count();
                let offered = Offered {
                    name: item.and_then(|item| item.name.clone()),
                    quantity: inquiry.lines[0].quantity,
                    fits,
                    bought: u32::try_from(times).unwrap_or(u32::MAX),
                    bought_of: u32::try_from(bought.len()).unwrap_or(u32::MAX),
                    due_at: offer.map(|offer| offer.due_at),
                    probability: offer.map(|offer| offer.probability),
                    price: offer.and_then(|offer| offer.total),
                    margin: offer.and_then(|offer| offer.margin),
                    place: offer.and_then(|offer| offer.parcels.first()).map(|parcel| parcel.place.clone()),
                    binding: answer.binding.iter().map(|binding| binding.code().to_owned()).collect(),
                    item_id,
                };
                (offered, answer)
            };
            inquiries.iter().map(answer).collect::<Vec<_>>()
        })?;
        let mut quotes: Vec<(String, Quote)> = Vec::new();
        let mut offers = Vec::new();
        for ((offered, answer), inquiry) in answers.into_iter().zip(&inquiries) {
            let payable = !reference.promising.orders.payment_required || defaults.payment_token.is_some();
            if let (Some(action_id), Some(offer)) = (&wanted.action_id, answer.offer)
                && payable
            {
                let order_id = format!("auto-{action_id}");
                let request = QuoteRequest {
                    customer: wanted.customer,
                    quote_id: format!("p-{order_id}"),
                    inquiry: inquiry.clone(),
                    hold_minutes: None,
                };
                let mut quote = self.quote_of(&request, offer, &answer.binding, now);
                let lines = inquiry.lines.iter();
                quote.purpose = Purpose::OneAction(Box::new(OneAction {
                    order_id,
                    request: Some(action_id.clone()),
                    wanted: lines
                        .map(|line| Wanted { item_id: line.item_id.clone(), quantity: line.quantity })
                        .collect(),
                    asked_at: now,
                    cancel_until: now,
                    address: defaults.address.clone(),
                    payment_token: defaults.payment_token.clone(),
                }));
                quotes.push((offered.item_id.clone(), quote));
            }
            offers.push(offered);
        }
        let considered = Considered {
            need_id: &wanted.need_id,
            action_id: wanted.action_id.as_deref(),
            occasion: wanted.occasion,
            offers,
            quotes,
        };
        let live = TimelineId::LIVE;
        let outcomes = self.ask(wanted.customer, &Stimulus::Consider(&considered), now, live)?;
        self.journal_outcomes(wanted.customer, Cause::Consideration, live, now, outcomes, None)
    }

    /// What a customer, or somebody for them, asks of their side of the tie. What has to be decided for it is decided
    /// before this returns.
    pub fn connect(
        &mut self,
        customer: EntityId,
        command: &ConnectionCommand,
        now: Time,
    ) -> Result<Vec<Outcome>, FoldError> {
        let customer = self.head(customer)?;
        let outcomes = self.command(customer, &Command::Connection(command.clone()), now)?;
        self.deliver_now()?;
        self.decide_wanted()?;
        Ok(outcomes)
    }

    /// A customer says what they need; the answer is decided at once.
    pub fn state_need(
        &mut self,
        customer: EntityId,
        category: &str,
        subject: Subject,
        arose_at: Option<Time>,
        now: Time,
    ) -> Result<Option<Stated>, FoldError> {
        let customer = self.head(customer)?;
        let command = ConnectionCommand::StateNeed { category: category.to_owned(), subject, arose_at };
        let outcomes = self.connect(customer, &command, now)?;
        let wanted = outcomes.iter().find_map(|outcome| match outcome {
            Outcome::Fact(model::Fact::Connection(model::connection::ConnectionFact::DecisionWanted {
                need_id,
                ..
            })) => Some(need_id.clone()),
            _ => None,
        });
        let Some(need_id) = wanted else { return Ok(None) };
        let Some(customer) = self.entity(customer)?.customer() else { return Ok(None) };
        let connection = &customer.connection;
        let decision = connection.needs.get(&need_id).and_then(|record| record.decision_id.as_ref());
        let decision = decision.and_then(|id| connection.decisions.get(id)).cloned();
        Ok(Some(Stated { need_id, decision }))
    }

    /// A customer chooses what answers their need: it is ordered in one action.
    pub fn choose_offer(
        &mut self,
        customer: EntityId,
        need_id: &str,
        item_id: &str,
        order_id: &str,
        now: Time,
    ) -> Result<Ordered, FoldError> {
        let customer = self.head(customer)?;
        let known = self.entity(customer)?.customer().and_then(|known| known.connection.needs.get(need_id));
        let Some(record) = known.cloned() else { return Ok(Ordered::Missing("need")) };
        if let Some(order_id) =
            record.order_id.filter(|_| record.stage != model::connection::NeedStage::Requested)
        {
            return Ok(Ordered::Known { order_id, repeated: true });
        }
        let playbook = self.reference.playbooks.get(&record.need.playbook, record.need.version);
        let quantity = playbook.map_or(model::Quantity::ONE, |playbook| playbook.offer.quantity);
        let (need, item, order) = (need_id.to_owned(), item_id.to_owned(), order_id.to_owned());
        let command = ConnectionCommand::Choose {
            need_id: need.clone(),
            item_id: item.clone(),
            order_id: order.clone(),
        };
        self.command(customer, &Command::Connection(command), now)?;
        let ask = OrderAsk {
            customer,
            fresh_id: order,
            request: Some(format!("need:{need}")),
            lines: vec![WantedLine { item_id: item, quantity, price: None }],
        };
        let ordered = self.place_order(&ask, now)?;
        self.decide_wanted()?;
        Ok(ordered)
    }
}
