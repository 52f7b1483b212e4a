//! The fold as a function, the running node, the doctor and backups.
//!
//! `INYEON_TEST_SCALE` chooses how much: `quick` (the default), `full` or `soak`. Every random choice comes from a
//! seed that a failure names.

#[path = "runtime/backup.rs"]
mod backup;
#[path = "runtime/connection.rs"]
mod connection;
#[path = "runtime/doctor.rs"]
mod doctor;
#[path = "runtime/duplicates.rs"]
mod duplicates;
#[path = "runtime/erasure.rs"]
mod erasure;
#[path = "runtime/fold.rs"]
mod fold;
#[path = "runtime/goods.rs"]
mod goods;
#[path = "runtime/history.rs"]
mod history;
#[path = "runtime/identity.rs"]
mod identity;
#[path = "runtime/mailbox.rs"]
mod mailbox;
#[path = "runtime/messages.rs"]
mod messages;
#[path = "runtime/node.rs"]
mod node;
#[path = "runtime/ordering.rs"]
mod ordering;
#[path = "runtime/overload.rs"]
mod overload;
#[path = "runtime/poison.rs"]
mod poison;
#[path = "runtime/promising.rs"]
mod promising;
#[path = "runtime/remedies.rs"]
mod remedies;
#[allow(dead_code, reason = "the channels' own tests use the rest of it")]
#[path = "../../channels/tests/smtp/server.rs"]
mod smtp;
#[path = "runtime/support.rs"]
mod support;
