//! A campaign as it is planned: what it is expected to ask of stock and capacity, and what is set aside for it.

use serde::{Deserialize, Serialize};

use crate::id::EntityId;
use crate::quantity::Quantity;
use crate::supply::SupplyName;
use crate::time::Time;

/// A campaign with the verdict of its last check.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct CampaignPlan {
    pub campaign: String,
    /// The allocation class that its orders ask in.
    pub class: String,
    /// The brief in its JSON form.
    pub brief: String,
    /// What the check said, in its JSON form.
    pub verdict: String,
    /// From its first instant to its last.
    pub from: Time,
    pub until: Time,
    /// IANA name of the zone in which its days are meant.
    pub time_zone: String,
    /// What is expected to be asked for, whether it is there or not.
    pub loads: Vec<CampaignLoad>,
    /// What is set aside for it.
    pub reserved: Vec<CampaignReservation>,
}

/// What a campaign is expected to take of a stock or a resource.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct CampaignLoad {
    pub of: SupplyName,
    /// When the goods leave or the work begins.
    pub at: Time,
    pub low: Quantity,
    pub likely: Quantity,
    pub high: Quantity,
}

/// One reservation of a stock or a resource.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct CampaignReservation {
    pub of: EntityId,
    pub name: SupplyName,
    /// Its id at that entity.
    pub reservation: String,
    /// Of stock in all; of a resource in each slot.
    pub quantity: Quantity,
    pub from: Time,
    pub until: Time,
}
