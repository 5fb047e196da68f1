//! The life of a remote build, for any provider: exactly one start, the wait for its end, what the end means, and what
//! is collected from it.
//!
//! Must know no provider and no command line.

pub mod artifacts;
pub mod collect;
#[cfg(test)]
pub mod fake;
pub mod finish;
mod idempotency_key;
mod provider;
mod runtime;
pub mod schedule;
pub mod start;
pub mod test_results;
mod watch;

pub use idempotency_key::IdempotencyKey;
pub use provider::{
    ArtifactLinks, CancelMode, Canceled, LogSink, LogState, Mark, Provider, RemoteArtifact, Search, StartError,
    StartTrace, Started, TestReport,
};
pub use runtime::Runtime;
pub use schedule::DurationEstimate;
pub use watch::{Limits, Watch, first_call, watch_all};
