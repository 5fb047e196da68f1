//! The Codemagic client: its two APIs side by side.
//!
//! v3 (`https://codemagic.io/api/v3`) starts builds, tells their state and lists artifacts; the legacy API
//! (`https://api.codemagic.io`) cancels builds and holds logs, failure messages and test results. Wire types stay
//! below this module. It must know no console, no exit and no Jenkins.

mod apps;
mod artifacts;
mod client;
mod errors;
mod logs;
mod request;
mod tests;
mod wire;

pub use artifacts::Offer;
pub use client::{Api, Client, Endpoints, Filter, StartError};
pub use logs::StepLog;
pub use request::{StartRequest, key_fault};
