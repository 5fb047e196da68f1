//! The Jenkins client: its remote access API, without the known traps.
//!
//! `client` sends (credentials, crumbs, sessions), `refusal` says what a refusal means; `trigger`, `queue`, `builds`,
//! `console`, `input`, `tokens` are one file for each thing that is asked of a controller; `address` and `params` are
//! pure. Jenkins' own shapes stay below this module: everything in them may be missing or null, and lists of actions hold
//! empty objects, because plugins add what they like. It must know no console, no exit and no Codemagic.

mod address;
mod builds;
mod client;
mod console;
mod input;
mod params;
mod queue;
mod refusal;
mod tokens;
mod trigger;

pub use address::{BuildName, JobPath, Place, parse};
pub use builds::Severity;
pub use client::{Client, Login, has_token_shape};
pub use console::Source;
pub use input::Pending;
pub use params::{Job, Kind, Value, nearest, validate};
pub use queue::{Recovery, State};
pub use refusal::NO_BEARER;
pub use tokens::Token;
pub use trigger::{Start, StartError, Started, Trace};
