//! The Codemagic client: its two APIs side by side.
//!
//! v3 (`https://codemagic.io/api/v3`) starts builds, tells their state and lists artifacts; the legacy API
//! (`https://api.codemagic.io`) cancels builds and holds logs, failure messages and test results. Wire types stay
//! below this module. It must know no console, no exit and no Jenkins.

mod apps;
mod artifacts;
mod client;
mod logs;
mod refusal;
mod reports;
mod start;
mod wire;

pub use artifacts::Offer;
pub use client::{Api, Client, Endpoints, Filter, StartError};
pub use logs::StepLog;
pub use start::{StartRequest, key_fault};
