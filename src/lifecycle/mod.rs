//! The life of a remote build, for any provider: when to poll it, and what its end means.
//!
//! Must know no provider and no output.

pub mod provider;
pub mod schedule;
pub mod watch;
