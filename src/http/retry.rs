//! Which requests are repeated, and when. It knows no request and no output.

use std::time::Duration;

use crate::clock::{Clock, Timestamp};
use crate::error::{Error, ExitCode, RequestError};

/// Attempts at one request that may be repeated.
const MAX_ATTEMPTS: u32 = 5;

/// The first pause; each further one is twice as long, up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(20);

/// Attempts at one file or log at most, even if each of them brings progress: each asks for a fresh link, and the rate
/// limit is shared by everybody who uses the same key.
const MAX_RESUMES: u32 = 200;

/// Upper bound for an honored `Retry-After` during a download, which may have taken an hour to get this far.
const LONGEST_DOWNLOAD_PAUSE: Duration = Duration::from_secs(5 * 60);

/// Bytes that make a failed attempt count as progress, so that a huge file can be completed over a poor connection.
const PROGRESS: u64 = 1024 * 1024;

/// Decides how often a transfer that can be resumed is continued.
#[derive(Debug, Clone, Copy, Default)]
pub struct ResumeBudget {
    attempts: u32,
    /// Attempts since the last progress.
    stalled: u32,
    /// The most bytes that any attempt left behind.
    high_water: u64,
}

impl ResumeBudget {
    /// Counts a failed attempt that left `received` bytes, and gives the pause before the next one if there is to be
    /// one: that of [`pause`], or a longer one that the service asks for.
    pub fn record_failure(&mut self, received: u64, retry_after: Option<Duration>, jitter: f64) -> Option<Duration> {
        self.attempts += 1;
        self.stalled =
            if received >= self.high_water.saturating_add(PROGRESS) { 1 } else { self.stalled.saturating_add(1) };
        self.high_water = self.high_water.max(received);
        let pause = pause(self.stalled, retry_after.filter(|asked| *asked <= LONGEST_PAUSE), jitter);
        let asked = retry_after.unwrap_or_default();
        pause.filter(|_| self.attempts < MAX_RESUMES && asked <= LONGEST_DOWNLOAD_PAUSE).map(|pause| pause.max(asked))
    }

    /// Forgets the bytes received so far, because they are discarded.
    pub fn reset_progress(&mut self) {
        self.high_water = 0;
    }

    /// Failed attempts so far.
    pub fn attempts(&self) -> u32 {
        self.attempts
    }
}

/// Sends a request again while its error is retryable and attempts are left, with a [`pause`] before each, until a signal
/// comes. Fails with the error of the last attempt, and with code 6 where the pause would outlast `deadline`.
pub fn with_retries<T>(
    clock: &dyn Clock,
    deadline: Option<Timestamp>,
    mut request: impl FnMut() -> Result<T, RequestError>,
) -> Result<T, Error> {
    let mut attempt = 0;
    loop {
        attempt += 1;
        let RequestError { error, retryable, retry_after } = match request() {
            Ok(answer) => return Ok(answer),
            Err(failed) => failed,
        };
        let pause = pause(attempt, retry_after, fastrand::f64());
        let Some(pause) = pause.filter(|_| retryable && clock.interrupted().is_none()) else { return Err(error) };
        if deadline.is_some_and(|deadline| deadline.since(clock.now()) <= pause) {
            let reason = format!("{}; the time limit of the call passed", error.reason());
            return Err(error.with_code(ExitCode::TimedOut, reason));
        }
        clock.sleep(pause);
    }
}

/// Whether a status means a fault that may pass: the rate limit, a restart or a gateway.
pub fn is_retryable(status: u16) -> bool {
    matches!(status, 408 | 425 | 429 | 500 | 502 | 503 | 504 | 507 | 520..=524)
}

/// The pause after failed attempt number `attempt` (the first is 1), or `None` when there is to be no further one.
///
/// `retry_after` is what the service asked for; a request that asks for more than [`LONGEST_PAUSE`] is not repeated.
/// `jitter` in 0..1 spreads clients that failed together over half a pause.
pub fn pause(attempt: u32, retry_after: Option<Duration>, jitter: f64) -> Option<Duration> {
    if attempt >= MAX_ATTEMPTS {
        return None;
    }
    match retry_after {
        Some(asked) if asked > LONGEST_PAUSE => None,
        Some(asked) => Some(asked + FIRST_PAUSE.mul_f64(jitter)),
        None => {
            let pause = FIRST_PAUSE.saturating_mul(1 << attempt.saturating_sub(1).min(16)).min(LONGEST_PAUSE);
            Some(pause.mul_f64(0.5 + jitter / 2.0))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_end() {
        let pauses: Vec<_> =
            (1..=MAX_ATTEMPTS).map(|attempt| pause(attempt, None, 1.0).map(|pause| pause.as_millis())).collect();
        assert_eq!(pauses, [Some(500), Some(1000), Some(2000), Some(4000), None]);
        assert_eq!(pause(1, Some(Duration::from_secs(3)), 0.0), Some(Duration::from_secs(3)));
        assert_eq!(pause(1, Some(Duration::from_secs(1800)), 0.0), None);
        assert!(pause(1, None, 0.0).unwrap() < pause(1, None, 1.0).unwrap());
    }

    #[test]
    fn a_transfer_with_progress_is_resumed_longer_but_not_for_ever() {
        let resumes = |budget: &mut ResumeBudget, step: u64| {
            (1..1000)
                .map(|n| n * step)
                .take_while(|received| budget.record_failure(*received, None, 0.0).is_some())
                .count()
        };
        assert_eq!(resumes(&mut ResumeBudget::default(), 0), 4, "five attempts without progress");
        assert_eq!(resumes(&mut ResumeBudget::default(), 100), 4, "a few bytes are no progress");
        assert_eq!(resumes(&mut ResumeBudget::default(), PROGRESS), 199, "two hundred in all");

        let mut budget = ResumeBudget::default();
        assert!((1..100).all(|step| budget.record_failure(step * PROGRESS, None, 0.0).is_some()));
        assert!((0..3).all(|_| budget.record_failure(99 * PROGRESS, None, 0.0).is_some()), "the same place again");
        // A service without ranges starts at nothing each time: getting as far as before is no progress.
        assert_eq!(budget.record_failure(99 * PROGRESS, None, 0.0), None);

        let asked = |seconds| ResumeBudget::default().record_failure(0, Some(Duration::from_secs(seconds)), 0.0);
        assert_eq!((asked(3), asked(120)), (Some(Duration::from_secs(3)), Some(Duration::from_secs(120))));
        assert_eq!(asked(3600), None, "a rate limit of an hour is not waited for");
        assert_eq!(ResumeBudget::default().record_failure(u64::MAX, Some(Duration::MAX), 1.0), None);
    }
}
