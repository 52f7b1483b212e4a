//! The outer tests: the binary as its users meet it, killed, starved of disk, fed nonsense, and asked for help.
//!
//! They need the binary built with the `faults` feature: `cargo test -p inyeon --features faults`. How much they do
//! is chosen by `INYEON_TEST_SCALE`: `quick` (the default), `full` or `soak`.

#[path = "server/broker.rs"]
mod broker;
#[path = "server/broker_kill.rs"]
mod broker_kill;
#[path = "server/campaign.rs"]
mod campaign;
#[path = "server/cli.rs"]
mod cli;
#[path = "server/connection.rs"]
mod connection;
#[path = "server/contract.rs"]
mod contract;
#[path = "server/delivery_times.rs"]
mod delivery_times;
#[path = "server/demo.rs"]
mod demo;
#[path = "server/disk.rs"]
mod disk;
#[path = "server/edge.rs"]
mod edge;
#[path = "server/help.rs"]
mod help;
#[path = "server/house.rs"]
mod house;
#[path = "server/identity.rs"]
mod identity;
#[path = "server/jsonl.rs"]
mod jsonl;
#[path = "server/kill.rs"]
mod kill;
#[path = "server/messages.rs"]
mod messages;
#[path = "server/mosquitto.rs"]
mod mosquitto;
#[path = "server/openapi.rs"]
mod openapi;
#[path = "server/operations.rs"]
mod operations;
#[path = "server/orders.rs"]
mod orders;
#[path = "server/overload.rs"]
mod overload;
#[path = "server/plan.rs"]
mod plan;
#[path = "server/promises.rs"]
mod promises;
#[path = "server/race.rs"]
mod race;
#[allow(dead_code, reason = "the channels' own tests use the rest of it")]
#[path = "../../channels/tests/smtp/server.rs"]
mod smtp;
#[path = "server/support.rs"]
mod support;
#[path = "server/sync.rs"]
mod sync;
#[path = "server/webhooks.rs"]
mod webhooks;
#[path = "server/wire.rs"]
mod wire;
