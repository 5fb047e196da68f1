//! Exactly one build per call.
//!
//! Jenkins knows no idempotency key. When the answer to a start is lost, the queue and the newest builds are searched:
//! by a parameter that no other build has the value of, where the job has one, else by user, time and every value.
//! What cannot be found, or could be several, is reported as unknown, never started again.

use std::time::Duration;

use super::super::Context;
use crate::clock;
use crate::error::{Error, ExitCode};
use crate::old_jenkins::{Client, Start, StartError, Started, Trace};

/// Pauses before each search for a build whose start was not answered: one that waits for a restart as well.
const SEARCHES: [u64; 6] = [1, 2, 4, 8, 15, 30];

/// The time for searching, and for each request of it, when a signal ended the process.
const LAST_SEARCH: Duration = Duration::from_millis(1500);

/// The pause between two such searches.
const LAST_PAUSE: Duration = Duration::from_millis(200);

/// Starts the build, or finds the one that an unanswered start made.
pub(super) fn start(client: &Client, start: &Start, trace: &Trace, context: &Context) -> Result<Started, Error> {
    match client.start(start, &*context.clock) {
        Ok(started) => Ok(started),
        Err(StartError::NotStarted(failure)) => Err(failure),
        Err(StartError::Ambiguous(failure)) => settle(client, start, trace, failure, context),
    }
}

/// Finds out what became of a start whose answer was lost.
fn settle(client: &Client, start: &Start, trace: &Trace, cause: Error, context: &Context) -> Result<Started, Error> {
    let clock = &*context.clock;
    if clock.interrupted().is_none() {
        context.console.line(&format!("{cause}; looking whether the build was started"));
    }
    let mut trouble = None;
    let mut pauses = SEARCHES.into_iter().filter(|_| trace.leads_anywhere());
    // After a signal there is no time for pauses, but the start may be on its way still.
    let mut last = None;
    loop {
        match &last {
            None => {
                let Some(pause) = pauses.next() else { break };
                clock.sleep(Duration::from_secs(pause));
                if clock.interrupted().is_some() {
                    last = Some((clock.now() + LAST_SEARCH, client.shutdown_client(LAST_SEARCH)));
                }
            }
            Some((until, _)) if clock.now() + LAST_PAUSE >= *until => break,
            Some(_) => clock::wait(LAST_PAUSE),
        }
        match last.as_ref().map_or(client, |(_, last)| last).find_started(start, trace) {
            Ok(Some(queue_id)) => {
                let by = if trace.marker.is_some() { "its marker" } else { "its user, time and parameters" };
                context.console.line(&format!("The build was started: it was found by {by} (queue item {queue_id})"));
                return Ok(Started { queue_id, joined: false });
            }
            Ok(None) => trouble = None,
            Err(miss) => trouble = Some(miss.error),
        }
    }
    let searched = match trouble {
        Some(failure) => format!("the search for it failed as well ({})", failure.reason()),
        None => "no single build can be told to be it".to_owned(),
    };
    let why = format!("{}; a build may have been started, {searched}, and it was not started again", cause.reason());
    Err(cause.with_code(ExitCode::Unknown, why).with_hint(format!(
        "look at {} before you start another; a parameter CIBRIDGE_ID on the job makes its builds findable",
        client.page(&start.job.path())
    )))
}
