//! What every part of a call runs with: console, clock, interrupt, the call's own deadline, and retries on them.

use std::sync::Arc;

use crate::clock::{Clock, Interrupt, Timestamp};
use crate::error::{Error, RequestError};
use crate::http::retry;
use crate::output::Console;

/// What a call runs with. Cheap to clone.
#[derive(Clone)]
pub struct Runtime {
    /// Where text goes.
    pub console: Console,
    /// Where time comes from.
    pub clock: Arc<dyn Clock>,
    /// The request to end the process.
    pub interrupt: Interrupt,
    /// When the time limit of the whole call passes, if there is one.
    pub deadline: Option<Timestamp>,
}

impl Runtime {
    /// Sends a request again while its error is retryable and attempts are left.
    ///
    /// Fails with the error of the last attempt; with code 6 when the call's time limit passes, and with 130 or 143 when
    /// the process is asked to end.
    pub fn with_retries<T>(&self, request: impl FnMut() -> Result<T, RequestError>) -> Result<T, Error> {
        retry::with_retries(&*self.clock, self.deadline, request).map_err(|error| match self.clock.interrupted() {
            Some(code) => error.with_code(code, "ended by a signal"),
            None => error,
        })
    }
}
