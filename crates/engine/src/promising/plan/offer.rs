//! An offer, from the ways in which its parts are delivered and served.

use std::collections::BTreeMap;

use model::time::end_of_day;
use model::{Basis, Money, Need, Parcel, Quantity};

use super::slots::Picked;
use super::{Asking, Candidate, Planner};
use crate::promising::{Binding, Inquiry, Offer, OfferLine, WantedLine};

impl Planner<'_> {
    pub(super) fn put_together(
        &self,
        inquiry: &Inquiry,
        candidates: Vec<Candidate>,
        services: Vec<Picked<'_>>,
        asking: &Asking<'_>,
        binding: &mut Vec<Binding>,
    ) -> Option<Offer> {
        let mut needs: Vec<Need> = Vec::new();
        let mut parcels = Vec::new();
        // Each parcel is late on its own account.
        let mut probability = 1.0;
        let mut basis = Basis::Atp;
        for candidate in candidates {
            needs.extend(candidate.needs);
            probability *= candidate.probability;
            basis = basis.max(candidate.basis);
            parcels.push(candidate.parcel);
        }
        let served = services.iter().map(|picked| picked.slot.end).max();
        needs.extend(
            services.iter().map(|picked| picked.need(asking, self.replaced.get(&picked.id).copied())),
        );
        let delivered = parcels.iter().map(|parcel: &Parcel| parcel.due_at).max();
        if delivered.is_none() {
            basis = if served.is_some() { Basis::Ctp } else { Basis::Policy };
        }
        let due_at = delivered.into_iter().chain(served).max();
        let due_at = due_at.unwrap_or_else(|| end_of_day(asking.from, &asking.zone));
        let hand_over_by =
            parcels.iter().map(|parcel| parcel.hand_over_by).max().or(served).unwrap_or(due_at);
        // Asked in the same order by everybody, so that two never refuse each other what both could have had.
        needs.sort_by_key(|need| (need.of, need.take.due()));
        let mut packed: BTreeMap<String, Quantity> = BTreeMap::new();
        for (item, quantity) in parcels.iter().flat_map(|parcel| &parcel.lines) {
            *packed.entry(item.clone()).or_default() += *quantity;
        }
        let lines: Vec<OfferLine> =
            inquiry.lines.iter().map(|line| self.offered(line, &mut packed)).collect();
        let total = sum(lines.iter().map(|line| times(line.price?, line.quantity)));
        let costs = lines.iter().map(|line| times(self.supplies.item(&line.item_id)?.cost?, line.quantity));
        let delivery = parcels.iter().filter_map(|parcel| parcel.cost).map(Some);
        let margin = match (total, sum(costs.chain(delivery))) {
            (Some(total), Some(cost)) if total.currency == cost.currency => {
                Some(Money { minor: total.minor.checked_sub(cost.minor)?, currency: total.currency })
            }
            _ => None,
        };
        if let (Some(floor), Some(total), Some(margin)) = (self.rules.margin_floor, total, margin)
            && (margin.minor as f64) < floor * total.minor as f64
        {
            let item_id = inquiry.lines.first().map(|line| line.item_id.clone()).unwrap_or_default();
            binding.insert(0, Binding::Margin { item_id });
            return None;
        }
        Some(Offer { lines, needs, parcels, due_at, hand_over_by, probability, basis, total, margin })
    }

    /// What of a line is offered: all of it, unless what is packed is not enough for it; what it has is not there for
    /// the lines after it.
    fn offered(&self, line: &WantedLine, packed: &mut BTreeMap<String, Quantity>) -> OfferLine {
        let item = self.supplies.item(&line.item_id);
        let (mut parts, mut uses) = (BTreeMap::new(), BTreeMap::new());
        self.expand(&line.item_id, Quantity::ONE, 0, &mut parts, &mut uses, &mut Vec::new());
        let enough_for = |(part, each): (&&str, &Quantity)| {
            let there = packed.get(*part).copied().unwrap_or_default();
            Quantity((i128::from(there.0) * 1_000 / i128::from(each.0.max(1))) as i64)
        };
        let most = parts.iter().map(enough_for).min().unwrap_or(line.quantity);
        // Whole things are not cut.
        let whole = line.quantity.0 % 1_000 == 0;
        let most = if whole { Quantity(most.0 - most.0.rem_euclid(1_000)) } else { most };
        let quantity = most.min(line.quantity);
        for (part, each) in parts {
            if let Some(there) = packed.get_mut(part) {
                *there -= each.times(quantity);
            }
        }
        OfferLine {
            item_id: line.item_id.clone(),
            wanted: line.quantity,
            quantity,
            price: line.price.or(item.and_then(|item| item.price)),
            category: item.and_then(|item| item.category.clone()),
            exchange: item.map(|item| item.exchange.clone()).unwrap_or_default(),
        }
    }
}

/// `price` for so many units, rounded to the minor unit.
pub(in crate::promising) fn times(price: Money, quantity: Quantity) -> Option<Money> {
    let minor = i128::from(price.minor) * i128::from(quantity.0);
    let minor = i64::try_from((minor + 500 * minor.signum()) / 1_000).ok()?;
    Some(Money { minor, currency: price.currency })
}

/// The sum, where every part is known and in one currency.
pub(in crate::promising) fn sum(parts: impl Iterator<Item = Option<Money>>) -> Option<Money> {
    let mut total: Option<Money> = None;
    for part in parts {
        let part = part?;
        total = Some(match total {
            None => part,
            Some(total) if total.currency == part.currency => {
                Money { minor: total.minor.checked_add(part.minor)?, currency: total.currency }
            }
            Some(_) => return None,
        });
    }
    total
}
