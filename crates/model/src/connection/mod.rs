//! The tie between a customer and the company: how close it is, what may be done in it, and what comes of each need.
//!
//! A customer sets for each category of needs (and device, where it matters) what is *shared* and which *strategy* the
//! company follows. A *need* runs through recognize, request, fulfill and repeat. What the company does about it is a
//! *decision*, recorded with everything that it saw. What it does by itself, it does under a *mandate*.

pub mod decision;
pub mod device;
pub mod fact;
pub mod mandate;
pub mod message;
pub mod need;
pub mod preference;
pub mod signal;

pub use decision::{DecisionRecord, Occasion};
pub use device::{DeviceSlot, LevelSeen};
pub use fact::{ConnectionCommand, ConnectionFact};
pub use mandate::{
    Action, ActionEnd, ActionState, MandateState, MandateTerms, Period, PriceRule, Spend, SpendLimit,
};
pub use message::{Link, LinkPurpose, Message, MessageClass};
pub use need::{Evidence, Friction, FrictionKind, Need, NeedOrigin, NeedStage, Subject};
pub use preference::{Consent, Fallback, Preference, SHARE_MAX, Strategy};
pub use signal::ConnectionSignal;
