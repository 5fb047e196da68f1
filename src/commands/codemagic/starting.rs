//! Exactly one build per call.
//!
//! Codemagic knows no idempotency key. So each start carries a label that no other has; when the answer is lost, the
//! build is searched by that label, and what cannot be found is reported as unknown, never started again.

use std::time::Duration;

use super::super::{Context, check_key};
use crate::clock;
use crate::codemagic::{Api, Client, Filter, StartError, StartRequest};
use crate::error::{Error, ExitCode};
use crate::model::{BuildSnapshot, Phase};

/// Pauses before each search for a build whose start was not answered. The service shows a new build late.
const SEARCHES: [u64; 5] = [1, 2, 4, 8, 15];

/// The time for searching, and for each request of it, when a signal ended the process.
const LAST_SEARCH: Duration = Duration::from_millis(1500);

/// The pause between two such searches.
const LAST_PAUSE: Duration = Duration::from_millis(300);

/// The build that a call is about.
pub(super) struct Started {
    pub(super) id: String,
    /// Taken over, not started.
    pub(super) adopted: bool,
    /// What is known of it, if it was found in a list.
    pub(super) snapshot: Option<BuildSnapshot>,
}

/// A label that no other start has.
pub(super) fn unique_label() -> String {
    format!("cibridge-{:016x}", fastrand::u64(..))
}

/// The label that stands for an idempotency key.
pub(super) fn key_label(key: &str) -> Result<String, Error> {
    check_key(key)?;
    Ok(format!("cibridge-key={key}"))
}

/// Starts the build, or takes over the one that carries `key_label` already. `request` carries both labels.
pub(super) fn start(
    client: &Client,
    api: Api,
    request: &StartRequest,
    own_label: &str,
    key_label: Option<&str>,
    context: &Context,
) -> Result<Started, Error> {
    if let Some(label) = key_label
        && let Some(found) = super::with_retries(&*context.clock, || find(client, request, label))?
    {
        context.console.line("A build with this idempotency key is there already: taking it over");
        return Ok(Started { id: found.build.id.clone(), adopted: true, snapshot: Some(found) });
    }
    match client.start(api, request) {
        Ok(id) => Ok(Started { id, adopted: false, snapshot: None }),
        Err(StartError::NotStarted(failure)) => Err(failure),
        Err(StartError::Ambiguous(failure)) => settle(client, request, own_label, failure, context),
    }
}

/// Finds out what became of a start whose answer was lost.
fn settle(
    client: &Client,
    request: &StartRequest,
    label: &str,
    cause: Error,
    context: &Context,
) -> Result<Started, Error> {
    let clock = &*context.clock;
    if clock.interrupted().is_none() {
        context.console.line(&format!("{cause}; looking whether the build was started"));
    }
    let mut trouble = None;
    for pause in SEARCHES {
        clock.sleep(Duration::from_secs(pause));
        if clock.interrupted().is_some() {
            break;
        }
        match find(client, request, label) {
            Ok(Some(found)) => return Ok(recovered(found, context)),
            Ok(None) => trouble = None,
            Err(miss) => trouble = Some(miss.error),
        }
    }
    if clock.interrupted().is_some() {
        let (end, last) = (clock.now() + LAST_SEARCH, client.shutdown_client(LAST_SEARCH));
        loop {
            match find(&last, request, label) {
                Ok(Some(found)) => return Ok(recovered(found, context)),
                Ok(None) => trouble = None,
                Err(miss) => trouble = Some(miss.error),
            }
            if clock.now() + LAST_PAUSE >= end {
                break;
            }
            clock::wait(LAST_PAUSE);
        }
    }
    let searched = match trouble {
        Some(failure) => format!("the search for it failed as well ({})", failure.reason()),
        None => format!("no build with the label {label} is to be seen"),
    };
    let page = format!("https://codemagic.io/app/{}", request.app_id.as_deref().unwrap_or_default());
    let why = format!("{}; a build may have been started, {searched}, and it was not started again", cause.reason());
    Err(cause
        .with_code(ExitCode::Unknown, why)
        .with_hint(format!("look for the label {label} on {page} before you start another")))
}

fn recovered(found: BuildSnapshot, context: &Context) -> Started {
    context.console.line("The build was started: it was found by its label");
    Started { id: found.build.id.clone(), adopted: false, snapshot: Some(found) }
}

/// The oldest build of the app that carries `label`.
fn find(
    client: &Client,
    request: &StartRequest,
    label: &str,
) -> Result<Option<BuildSnapshot>, crate::error::RequestError> {
    let filter = Filter { app_id: request.app_id.clone(), labels: vec![label.to_owned()], ..Filter::default() };
    let builds = client.builds(&filter, 50)?;
    // A service that ignores the filter must not make a stranger's build ours.
    let mut ours: Vec<_> = builds.into_iter().filter(|seen| seen.build.labels.iter().any(|own| own == label)).collect();
    ours.sort_by_key(|seen| (matches!(seen.phase, Phase::Ended(ExitCode::Canceled)), seen.build.number));
    Ok(ours.into_iter().next())
}
