//! All of some lines from one place, by one lane.

use model::time::end_of_day;
use model::{Basis, Need, Parcel, Quantity, SupplyName, Take, Time};

use super::slots::Picked;
use super::{Asking, Begins, Candidate, Lines, Planner, Sourced, times};
use crate::promising::{Binding, Lane};

impl<'a> Planner<'a> {
    /// All of some lines from one place, by one lane. What one line takes is not there for the next.
    pub(super) fn by_lane(
        &mut self,
        lines: &Lines<'a>,
        lane: &Lane,
        asking: &Asking<'_>,
        binding: &mut Vec<Binding>,
    ) -> Option<Candidate> {
        let mark = self.tentative.len();
        let mut found = self.try_place(lines, lane, asking, binding);
        self.roll_back(mark);
        if found.is_none() && asking.wanted.is_some() {
            // Goods that perish may have to leave earlier than the wanted date allows.
            let asking = Asking { wanted: None, zone: asking.zone.clone(), ..*asking };
            found = self.try_place(lines, lane, &asking, binding);
            self.roll_back(mark);
        }
        found
    }

    fn try_place(
        &mut self,
        lines: &Lines<'a>,
        lane: &Lane,
        asking: &Asking<'_>,
        binding: &mut Vec<Binding>,
    ) -> Option<Candidate> {
        let place = self.rules.places.get(&lane.from)?;
        let start = asking.from.plus_micros(i64::from(place.handling_minutes) * 60_000_000);
        let mut sourced: Vec<Sourced> = Vec::with_capacity(lines.len());
        for (item, quantity) in lines {
            let line = self.source(item, *quantity, &lane.from, start, asking, binding)?;
            for need in &line.needs {
                self.tentatively(need.clone());
            }
            sourced.push(line);
        }
        let ready = sourced.iter().map(|line| line.ready).max().unwrap_or(start);
        let basis = sourced.iter().map(|line| line.basis).max().unwrap_or(Basis::Atp);
        let units = place.work_units.unwrap_or(Quantity::ONE).times(asking.parcels);
        let of_lines = self.tentative.len();
        let mut work = match &place.work {
            Some(name) => Some(self.slot(name, units, ready, Begins::Before, asking, binding)?),
            None => None,
        };
        self.tentatively_of(&work, asking);
        let leaves = work.as_ref().map_or(ready, |work| work.slot.end);
        let mut away = match &lane.slots {
            Some(name) => Some(self.slot(name, asking.parcels, leaves, Begins::After, asking, binding)?),
            None => None,
        };
        let hours = lane.hours.quantile(asking.target);
        let travels = (hours * 3_600e6).ceil() as i64;
        let arrival = |hand_over: Time| {
            let at = hand_over.plus_micros(travels);
            if lane.whole_days { end_of_day(at, &asking.zone) } else { at }
        };
        let hand_over = |work: &Option<Picked<'_>>, away: &Option<Picked<'_>>| {
            let left = work.as_ref().map_or(ready, |work| work.slot.end);
            away.as_ref().map_or(left, |away| away.slot.end)
        };
        let mut due_at = arrival(hand_over(&work, &away));
        if let Some(wanted) = asking.wanted.filter(|wanted| due_at <= *wanted) {
            // It can be had in time: as late as it may leave.
            let latest = wanted.plus_micros(-travels);
            self.roll_back(of_lines);
            if let (Some(name), Some(found)) = (&lane.slots, &away)
                && let Some(later) = self.last_slot(name, asking.parcels, found.slot.start, latest, asking)
            {
                away = Some(later);
            }
            self.tentatively_of(&away, asking);
            let by = away.as_ref().map_or(latest, |away| away.slot.start);
            if let (Some(name), Some(found)) = (&place.work, &work)
                && let Some(later) = self.last_slot(name, units, found.slot.start, by, asking)
            {
                work = Some(later);
            }
            due_at = wanted;
        }
        let hand_over_by = match (&work, &away, asking.wanted) {
            (None, None, Some(wanted)) if due_at == wanted => wanted.plus_micros(-travels).max(ready),
            _ => hand_over(&work, &away),
        };
        let taken_away = away.as_ref().map_or(hand_over_by, |away| away.slot.start);
        let leaves_stock = work.as_ref().map_or(taken_away, |work| work.slot.start).max(ready);
        for line in sourced.iter_mut().filter(|line| line.basis == Basis::Atp) {
            for need in &mut line.needs {
                if let Take::Stock { due, .. } = &mut need.take {
                    *due = leaves_stock;
                }
            }
        }
        let mut needs: Vec<Need> = sourced.into_iter().flat_map(|line| line.needs).collect();
        self.keeps_until_then(&needs, asking, binding)?;
        for picked in [&work, &away].into_iter().flatten() {
            needs.push(picked.need(asking, self.replaced.get(&picked.id).copied()));
        }
        let probability = lane.hours.cdf(due_at.since(hand_over_by) as f64 / 3_600e6);
        let parcel = Parcel {
            place: lane.from.clone(),
            to: lane.to.clone(),
            service: lane.service.clone(),
            lines: lines.iter().map(|(item, quantity)| ((*item).to_owned(), *quantity)).collect(),
            hand_over_by,
            due_at,
            cost: lane.cost.and_then(|cost| times(cost, asking.parcels)),
        };
        Some(Candidate { needs, parcel, probability, basis })
    }

    pub(super) fn tentatively_of(&mut self, picked: &Option<Picked<'_>>, asking: &Asking<'_>) {
        if let Some(picked) = picked {
            self.tentatively(picked.need(asking, None));
        }
    }

    /// Goods that keep are there later as well; those that perish may be gone when there is a slot for them.
    fn keeps_until_then(
        &self,
        needs: &[Need],
        asking: &Asking<'_>,
        binding: &mut Vec<Binding>,
    ) -> Option<()> {
        for need in needs {
            let (Take::Stock { due, .. }, SupplyName::Stock { item, place }) = (&need.take, &need.name)
            else {
                continue;
            };
            let stock = self.supplies.stock(item, place)?.stock;
            // With what this request and those before it take.
            let taken = self.stock_taken.get(&need.of).copied().unwrap_or_default();
            let (classes, replaces) = (&self.rules.classes, need.replaces.as_ref());
            if !stock.lots.is_empty()
                && !stock.can_leave(taken, *due, asking.class, classes, self.now, replaces)
            {
                let (item_id, place) = (item.clone(), place.clone());
                let available = stock.available(*due, asking.class, classes, self.now, replaces);
                let available = available.max(Quantity::ZERO);
                binding.push(Binding::Stock { item_id, place, available, from: None });
                return None;
            }
        }
        Some(())
    }
}
