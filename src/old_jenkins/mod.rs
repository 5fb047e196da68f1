//! The Jenkins client: its remote access API, without the known traps.
//!
//! `client` sends (credentials, crumbs, sessions), `refusal` says what a refusal means; `trigger`, `queue`, `builds`,
//! `console`, `input`, `tokens` are one file for each thing that is asked of a controller; `address` and `params` are
//! pure. Jenkins' own shapes stay below this module: everything in them may be missing or null, and lists of actions hold
//! empty objects, because plugins add what they like. It must know no console, no exit and no Codemagic.

mod build;
mod client;
mod console;
mod errors;
mod input;
mod parameters;
mod queue;
mod reference;
mod start;
mod tokens;

pub use build::Severity;
pub use client::{Client, Credentials, has_token_shape};
pub use console::Source;
pub use errors::NO_BEARER;
pub use input::Pending;
pub use parameters::{Job, Kind, Value, nearest, validate};
pub use queue::{Recovery, State};
pub use reference::{BuildName, JobPath, Place, parse};
pub use start::{Start, StartError, Started, Trace};
pub use tokens::Token;
