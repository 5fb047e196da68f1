//! The API key of the user in whose name requests are made.

use crate::error::{Error, ExitCode};
use crate::secret::Secret;

/// The variables that hold the key, the first one before the others. Those after it are used by other tools and by
/// public scripts for the same key.
pub const KEY_VARIABLES: [&str; 4] = ["CODEMAGIC_API_KEY", "CODEMAGIC_API_TOKEN", "CM_API_TOKEN", "CM_API_KEY"];

/// An API key that can be sent in a header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey(Secret);

impl ApiKey {
    /// Takes the text of a key. `source` names where it comes from, e.g. the variable or the file; the text itself is
    /// never repeated.
    pub fn parse(text: &str, source: &str) -> Result<Self, Error> {
        let subject = format!("API key from {source}");
        if text.is_empty() {
            return Err(Error::usage(subject, "is empty").with_hint(SOURCE_HINT));
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Error::usage(subject, "contains whitespace or invalid characters").with_hint(COPY_HINT));
        }
        Ok(Self(Secret::new(text)))
    }

    /// What to say when no source has a key.
    pub fn missing() -> Error {
        Error::message(ExitCode::Usage, "missing API key").with_hint(SOURCE_HINT)
    }

    /// The key, for the redactor and for the header.
    pub fn secret(&self) -> &Secret {
        &self.0
    }
}

const SOURCE_HINT: &str = "set CODEMAGIC_API_KEY or pass --api-key-file (in a Jenkinsfile: credentialsId); the key itself is not accepted as an argument";

const COPY_HINT: &str =
    "copy the key again, without anything around it, from Account settings > API token on codemagic.io";
