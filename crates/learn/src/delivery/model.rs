//! What is expected of each order: its lane's running mean, corrected by trees.

use serde::{Deserialize, Serialize};

use super::{DeliveryError, Features, Order, scale};
use crate::boost::{Boosted, Loss, Params, Target};

/// Trees for purchase to delivery and for hand-over to delivery.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Model {
    from_purchase: Boosted,
    from_hand_over: Boosted,
}

impl Model {
    /// Fits to the orders that began before `begun_before`, with what was known of them at `known_at` (hours; not
    /// before `begun_before`). Orders that had not arrived by then teach that they take at least that long.
    pub fn fit(
        orders: &[Order],
        features: &Features,
        begun_before: f64,
        known_at: f64,
        params: &Params,
        progress: &mut dyn FnMut(usize, usize),
    ) -> Result<Model, DeliveryError> {
        super::check(orders)?;
        let all = 2 * params.trees;
        let of = |order: &Order, began: f64, offset: f64| {
            let delivered = order.delivered.filter(|delivered| *delivered < known_at);
            let cancelled = order.cancelled.filter(|cancelled| *cancelled < known_at);
            let end = delivered.or(cancelled).unwrap_or(known_at);
            Target { value: scale(end - began), at_least: delivered.is_none(), offset }
        };
        let mut table = crate::boost::Table::new(features.at_purchase.width());
        let mut targets = Vec::new();
        for (number, order) in orders.iter().enumerate().filter(|(_, order)| order.placed < begun_before) {
            table.push(features.at_purchase.row(number));
            targets.push(of(order, order.placed, features.lane[number]));
        }
        let loss = Loss::Quantile(0.5);
        let from_purchase = Boosted::fit(&table, &targets, loss, params, &mut |done, _| progress(done, all))?;
        let mut table = crate::boost::Table::new(features.at_hand_over.width());
        let mut targets = Vec::new();
        for (number, order) in orders.iter().enumerate() {
            let Some(began) = order.handed_over.map(|at| at.max(order.placed)) else { continue };
            if began < begun_before {
                table.push(features.at_hand_over.row(number));
                targets.push(of(order, began, features.lane_from_hand_over[number]));
            }
        }
        let done_before = params.trees;
        let from_hand_over = Boosted::fit(&table, &targets, loss, params, &mut |done, _| {
            progress(done_before + done, all);
        })?;
        Ok(Model { from_purchase, from_hand_over })
    }

    /// The median of purchase to delivery of an order, on the scale ln(1 + hours).
    pub fn expected(&self, features: &Features, number: usize) -> f64 {
        features.lane[number] + self.from_purchase.predict(features.at_purchase.row(number))
    }

    /// The median of hand-over to delivery; only of an order that was handed over.
    pub fn expected_from_hand_over(&self, features: &Features, number: usize) -> f64 {
        features.lane_from_hand_over[number] + self.from_hand_over.predict(features.at_hand_over.row(number))
    }
}
