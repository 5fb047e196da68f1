//! The Codemagic client: its two APIs side by side.
//!
//! v3 (`https://codemagic.io/api/v3`) starts builds, gives their state and lists artifacts; the legacy API
//! (`https://api.codemagic.io`) cancels builds and holds logs, failure messages and test results. Wire types stay in
//! this folder. It must know no console, no exit and no Jenkins.

mod account;
mod apps;
mod artifacts;
mod client;
mod errors;
mod key;
mod logs;
mod memory;
mod provider;
#[cfg(test)]
mod random_tests;
mod reference;
mod request;
mod test_results;
mod wire;

pub use apps::unknown_workflow;
pub use client::{Client, Endpoints};
pub use key::{ApiKey, KEY_VARIABLES};
pub use logs::{LogFormat, StepLog};
pub use reference::{AppId, BuildId, BuildRef, Filter};
pub use request::{Api, EnvironmentDraft, TriggerDraft};
