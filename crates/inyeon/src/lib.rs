//! The binary's parts: command line, HTTP edge, importers, demonstration and benchmark.

pub mod access;
pub mod benchmark;
pub mod broker;
pub mod cli;
pub mod demo;
pub mod dialect;
pub mod error;
pub mod http;
pub mod i18n;
pub mod identity;
pub mod import;
pub mod import_cmd;
pub mod keys;
pub mod maintenance;
pub mod ops;
pub mod plan;
pub mod render;
mod replay;
pub mod serve;
mod told;
pub mod trial;
pub mod webhook;
