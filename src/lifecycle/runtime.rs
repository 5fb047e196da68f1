//! What every part of a call runs with: console, clock, interrupt, the call's own deadline, and retries on them.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::{Clock, Interrupt, Timestamp};
use crate::error::{Error, ExitCode, RequestError};
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
    pub fn with_retries<T>(&self, mut request: impl FnMut() -> Result<T, RequestError>) -> Result<T, Error> {
        for attempt in 1.. {
            let failed = match request() {
                Ok(answer) => return Ok(answer),
                Err(failed) => failed,
            };
            if let Some(code) = self.clock.interrupted() {
                return Err(failed.error.with_code(code, "ended by a signal"));
            }
            let pause = retry::pause(attempt, failed.retry_after, fastrand::f64()).filter(|_| failed.retryable);
            let Some(pause) = pause else { return Err(failed.error) };
            if self.time_left().is_some_and(|left| left <= pause) {
                return Err(timed_out(failed.error));
            }
            self.clock.sleep(pause);
        }
        unreachable!("the loop ends by a return")
    }

    /// The time until the call's limit, if there is one.
    pub fn time_left(&self) -> Option<Duration> {
        Some(self.deadline?.since(self.clock.now()))
    }
}

/// The error of a request that is not repeated because the call's time limit passes.
fn timed_out(error: Error) -> Error {
    let reason = format!("{}; the time limit of the call passed", error.reason());
    error.with_code(ExitCode::TimedOut, reason)
}
