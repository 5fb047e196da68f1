//! Exactly one build per call.
//!
//! Neither system knows an idempotency key of its own. So each start carries a mark that no other has; when the answer
//! is lost, the build is searched by that mark, and what cannot be found is reported as unknown, never started again.
//! An idempotency key is a second mark: a build that carries it already is adopted, and when two calls with one key
//! started at the same moment, the younger build is canceled and the older one adopted.

use std::time::Duration;

use crate::clock;
use crate::error::{Error, ExitCode};
use crate::lifecycle::finish::{CancelResult, PATIENCE, cancel_all};
use crate::lifecycle::provider::{Mark, Provider, Search, StartError, StartTrace, Started};
use crate::lifecycle::runtime::Runtime;

/// The time for searching, and for each request of it, when a signal ended the process. Jenkins kills after five seconds,
/// and the build that is found is still to be canceled.
const LAST_SEARCH: Duration = Duration::from_millis(1500);

/// The pause between two such searches.
const LAST_PAUSE: Duration = Duration::from_millis(200);

/// The build that a call is about.
pub struct StartedBuild<B> {
    pub build: B,
    /// It was there already: found by the idempotency key, or a queued item that Jenkins merged this request into.
    pub adopted: bool,
    /// Jenkins merged the request into an identical queued item, which somebody else may wait for.
    pub coalesced: bool,
}

/// Starts the build of `request`, or adopts the one that carries its idempotency key already.
///
/// Fails with code 15 when a build may have been started and was not found, with code 12 when a key was given and no
/// list shows whether a build carries it, and with the code of the signal when one came before the start was sent.
pub fn start_once<P: Provider>(
    provider: &P,
    request: &P::Request,
    runtime: &Runtime,
) -> Result<StartedBuild<P::Build>, Error> {
    let trace = provider.trace(request);
    if trace.has_key {
        let Search { builds, is_conclusive, refusal } = runtime
            .with_retries(|| provider.find_started(request, Mark::Key))
            .map_err(|error| before_start(runtime, error))?;
        if let Some(build) = builds.into_iter().next() {
            runtime.console.line("a build with this idempotency key exists already; adopting it");
            return Ok(StartedBuild { build, adopted: true, coalesced: false });
        }
        if !is_conclusive {
            return Err(cannot_search(&trace, refusal.as_ref()));
        }
    }
    let started = match provider.start(request) {
        Ok(started) => started,
        Err(StartError::NotStarted(error)) => return Err(before_start(runtime, error)),
        Err(StartError::Ambiguous(error)) => {
            let search = || resolve_ambiguous_start(provider, request, &trace, error, runtime);
            let build = runtime.interrupt.without_deadline(search)?;
            Started { build, coalesced: false }
        }
    };
    let Started { build, coalesced } = started;
    if trace.has_key && runtime.clock.interrupted().is_none() {
        return Ok(runtime.interrupt.without_deadline(|| keep_the_oldest(provider, request, build, runtime)));
    }
    Ok(StartedBuild { build, adopted: coalesced, coalesced })
}

/// A signal that came while nothing was started leaves nothing to cancel.
fn before_start(runtime: &Runtime, error: Error) -> Error {
    match runtime.clock.interrupted() {
        Some(code) => error.with_code(code, "ended by a signal before the build was started"),
        None => error,
    }
}

fn cannot_search(trace: &StartTrace, refusal: Option<&Error>) -> Error {
    let why = refusal.map(|refusal| format!(" ({refusal})")).unwrap_or_default();
    Error::new(
        ExitCode::Refused,
        format!("starting {}", trace.subject),
        format!(
            "no list shows whether a build with this idempotency key exists, so a second one could be started{why}"
        ),
    )
    .with_hint("use credentials that may list the builds, or start without an idempotency key")
}

/// Finds out what became of a start whose answer was lost.
fn resolve_ambiguous_start<P: Provider>(
    provider: &P,
    request: &P::Request,
    trace: &StartTrace,
    cause: Error,
    runtime: &Runtime,
) -> Result<P::Build, Error> {
    let clock = &*runtime.clock;
    if clock.interrupted().is_none() && trace.is_searchable {
        runtime.console.line(&format!("{cause}; searching for the build"));
    }
    let mut failed = None;
    let mut found = None;
    let mut search = |provider: &P| {
        match provider.find_started(request, Mark::Start) {
            Ok(result) => (failed, found) = (None, result.builds.into_iter().next()),
            Err(error) => failed = Some(error.error),
        }
        found.take()
    };
    let adopt = |build| {
        runtime.console.line(&format!("the build was started: found by {}", trace.found_by));
        Ok(build)
    };
    for pause in P::SEARCH_PAUSES.iter().filter(|_| trace.is_searchable) {
        clock.sleep(*pause);
        if clock.interrupted().is_some() {
            break;
        }
        if let Some(build) = search(provider) {
            return adopt(build);
        }
    }
    if clock.interrupted().is_some() && trace.is_searchable {
        // The start may be on its way still, and there is little time.
        let (end, last) = (clock.now() + LAST_SEARCH, provider.shutdown_provider(LAST_SEARCH));
        loop {
            if let Some(build) = search(&last) {
                return adopt(build);
            }
            if clock.now() + LAST_PAUSE >= end {
                break;
            }
            clock::wait(LAST_PAUSE);
        }
    }
    let searched = match failed {
        Some(error) => format!("the search for it failed as well ({})", error.reason()),
        None if trace.is_searchable => "no build could be identified as this one".to_owned(),
        None => "this start cannot be distinguished from others".to_owned(),
    };
    let why = format!("{}; a build may have been started: {searched}. It was not started again", cause.reason());
    Err(cause.with_code(ExitCode::Unknown, why).with_hint(trace.hint.clone()))
}

/// Looks again for builds with the same key after a start: another call may have started one at the same moment, or
/// before a list showed it. Every call decides alike: the oldest build stays.
fn keep_the_oldest<P: Provider>(
    provider: &P,
    request: &P::Request,
    own: P::Build,
    runtime: &Runtime,
) -> StartedBuild<P::Build> {
    let clock = &*runtime.clock;
    let mut last_error = None;
    // A list that shows our own build shows every older one.
    for pause in std::iter::once(&Duration::ZERO).chain(P::SEARCH_PAUSES) {
        if !pause.is_zero() {
            clock.sleep(*pause);
        }
        if clock.interrupted().is_some() {
            break;
        }
        let builds = match provider.find_started(request, Mark::Key) {
            Ok(Search { builds, .. }) => builds,
            Err(error) => {
                last_error = Some(error.error);
                continue;
            }
        };
        last_error = None;
        let is_listed = builds.iter().any(|build| provider.is_same(build, &own));
        let oldest = builds.into_iter().next();
        match oldest {
            Some(oldest) if is_listed && !provider.is_same(&oldest, &own) => {
                let title = provider.summary(&oldest).title;
                let own_title = provider.summary(&own).title;
                let done = cancel_all(provider, &[&own], PATIENCE, runtime).pop().unwrap_or(CancelResult::LeftRunning);
                runtime.console.line(&format!(
                    "{title} was started with the same idempotency key before; adopting it ({own_title}: {done})"
                ));
                return StartedBuild { build: oldest, adopted: true, coalesced: false };
            }
            _ if is_listed => return StartedBuild { build: own, adopted: false, coalesced: false },
            _ => {}
        }
    }
    if clock.interrupted().is_none() {
        let why = last_error.map_or_else(|| "no list shows it yet".to_owned(), |error| error.to_string());
        runtime.console.line(&format!(
            "could not check whether another call started a build with the same idempotency key: {why}"
        ));
    }
    StartedBuild { build: own, adopted: false, coalesced: false }
}

#[cfg(test)]
#[path = "start_tests.rs"]
mod tests;
