//! The Jenkins client: its remote access API, without the known traps.
//!
//! `connect`, `credentials` and `reference` say what a call is about; `client` sends; `errors` says what a refusal
//! means; every other file is one thing that a controller is asked for, and `provider` is the life of a build made of
//! them. The shapes of Jenkins' JSON are in `wire` and do not leave this module. It must know no console, no exit and no
//! Codemagic.

mod artifacts;
mod build;
mod client;
mod config;
mod connect;
mod console;
mod credentials;
mod errors;
mod input;
mod job;
mod parameters;
mod poll;
mod provider;
mod queue;
#[cfg(test)]
mod random_tests;
mod reference;
mod start;
mod stop;
mod test_report;
mod tokens;
mod watched_build;
mod wire;

pub use client::Client;
pub use config::JobConfig;
pub use connect::ControllerSettings;
pub use console::LogPosition;
pub use credentials::{Credentials, Given, Identity};
pub use errors::NO_BEARER;
pub use input::{Answer, InputValues, OnInput, Question};
pub use job::Job;
pub use parameters::{ParameterDefinition, ParameterKind, ParameterValue};
pub use provider::JenkinsProvider;
pub use reference::{BuildName, BuildRef, JobRef, Target};
pub use start::{StartOptions, StartRequest};
pub use tokens::Token;
