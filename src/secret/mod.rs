//! Secrets in memory, and their removal from everything that is shown.
//!
//! A secret has no `Display` and a redacted `Debug`; `expose` is the only way to its text.
//! This module must not know where text goes.

mod redactor;
mod spelling;

use std::fmt;

pub use redactor::{RedactedStream, Redactor};

/// What stands in for a secret in every output.
pub const MASK: &str = "********";

/// What stands at the end of a text that was cut off.
pub const CUT: char = '…';

/// A text that must never be shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, for the one place that sends it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}
