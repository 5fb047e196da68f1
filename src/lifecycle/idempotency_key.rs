//! The idempotency key of a start: a name for the work to do, so that two starts with the same key are one build.

use serde::Deserialize;

use crate::error::{Error, ExitCode};

/// A key that a label of Codemagic and a parameter of Jenkins can carry.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct IdempotencyKey(String);

impl IdempotencyKey {
    /// The key as it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for IdempotencyKey {
    type Error = Error;

    /// Fails with code 2 for a text that is blank, longer than 200 bytes or has control characters. The limit of a label
    /// is not documented.
    fn try_from(text: String) -> Result<Self, Error> {
        if text.trim().is_empty() || text.len() > 200 || text.contains(char::is_control) {
            return Err(Error::message(
                ExitCode::Usage,
                "an idempotency key has 1 to 200 bytes and no control characters",
            )
            .with_hint("name the work to do, in a Jenkinsfile e.g. env.BUILD_TAG"));
        }
        Ok(Self(text))
    }
}

impl std::str::FromStr for IdempotencyKey {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        text.to_owned().try_into()
    }
}
