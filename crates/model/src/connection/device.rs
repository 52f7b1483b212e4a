//! A customer's devices and what is in them.

use serde::{Deserialize, Serialize};

use crate::time::Time;

/// One consumable of a device, as it was registered.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct DeviceSlot {
    pub slot: String,
    /// The category of needs that it belongs to.
    pub category: String,
}

/// A reading, and what it was taken for.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct LevelSeen {
    pub device_id: String,
    pub slot: String,
    /// 0 is empty, 1 is full.
    pub level: f64,
    pub at: Time,
    /// So much higher than before that it was changed or filled up.
    pub replaced: bool,
}
