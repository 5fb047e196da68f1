//! What the end of a wait means: a document, lines for people, an exit code, and the cancel of a build that must not
//! stay running.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock};
use std::thread;
use std::time::Duration;

use crate::clock::{self, Clock, StopCause, Timestamp};
use crate::document::{Document, Outcome};
use crate::error::{Error, ExitCode, RequestError};
use crate::lifecycle::provider::{CancelMode, Canceled, Provider};
use crate::lifecycle::runtime::Runtime;
use crate::lifecycle::watch::{Watch, WatchEnd};
use crate::lock::lock;
use crate::model::{Build, BuildFailure, Event, Phase};
use crate::output::{self, Console};
use crate::sanitize::{one_line, sanitize};

/// The time for canceling since the signal that ends the process: Jenkins kills five seconds after it asked, and the last line
/// and the document still have to be written.
const SHUTDOWN: Duration = Duration::from_millis(3800);

/// The limit for each request of it: one that hangs leaves time for a pause and another.
const SHUTDOWN_REQUEST: Duration = Duration::from_millis(1700);

/// The pause between two attempts of it.
const SHUTDOWN_PAUSE: Duration = Duration::from_millis(200);

/// Attempts of it at a request that the service refuses.
const SHUTDOWN_REFUSALS: u32 = 3;

/// How long a Jenkins build may take to end after each of stop, term and kill, when a limit passed.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// The longest message of a service about the end of a build that is shown, in characters.
const LONGEST_CAUSE: usize = 400;

/// Builds that are canceled at once.
const SIDE_BY_SIDE: usize = 64;

/// What becomes of a build that is still running when the wait for it ends.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum CancelPolicy {
    /// It is canceled.
    Cancel,
    /// It is left running, unless the reason for the end promises the cancel (`--fail-fast`, `--on-input fail`).
    #[default]
    Leave,
    /// It is left running for whatever reason (`--no-cancel`).
    Never,
}

/// How the end of a wait is treated.
#[derive(Debug, Clone, Copy, Default)]
pub struct FinishOptions {
    /// What becomes of builds that are still running.
    pub cancel: CancelPolicy,
    /// Lines of a failed build's log to show.
    pub log_lines: usize,
    /// A step that failed makes a successful build unstable.
    pub fail_on_step_failure: bool,
}

/// What became of a build at the early end of a wait.
#[derive(Debug, Clone)]
pub enum CancelResult {
    /// It was not to be canceled.
    LeftRunning,
    /// It is canceled, in words.
    Canceled(String),
    /// It had ended before, with this status.
    AlreadyEnded(String),
    /// It may still be running.
    Failed(Error),
}

impl CancelResult {
    /// Whether the build may still be running.
    fn may_be_running(&self) -> bool {
        matches!(self, Self::LeftRunning | Self::Failed(_))
    }
}

impl From<Canceled> for CancelResult {
    fn from(canceled: Canceled) -> Self {
        match canceled {
            Canceled::Canceled(how) => Self::Canceled(how),
            Canceled::AlreadyEnded(status) => Self::AlreadyEnded(status),
        }
    }
}

impl fmt::Display for CancelResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LeftRunning => f.write_str("left running"),
            Self::Canceled(how) => f.write_str(how),
            Self::AlreadyEnded(status) => write!(f, "had already ended ({status})"),
            Self::Failed(error) => write!(f, "could not be canceled and may still be running ({})", error.reason()),
        }
    }
}

/// Cancels builds side by side: thoroughly, with up to `patience` for each to end after each request, or within four
/// seconds when the process is asked to end.
pub fn cancel_all<P: Provider>(
    provider: &P,
    builds: &[&P::Build],
    patience: Duration,
    runtime: &Runtime,
) -> Vec<CancelResult> {
    let results = Mutex::new(vec![CancelResult::LeftRunning; builds.len()]);
    let next = AtomicUsize::new(0);
    let shutdown = OnceLock::new();
    let work = || {
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(build) = builds.get(index) else { return };
            let result = cancel_one(provider, build, patience, &shutdown, runtime);
            lock(&results)[index] = result;
        }
    };
    runtime.interrupt.without_deadline(|| {
        thread::scope(|scope| {
            for _ in 1..builds.len().min(SIDE_BY_SIDE) {
                // Where no more threads can be had, fewer do the work.
                drop(thread::Builder::new().spawn_scoped(scope, work));
            }
            work();
        });
    });
    let mut results = lock(&results);
    std::mem::take(&mut *results)
}

fn cancel_one<P: Provider>(
    provider: &P,
    build: &P::Build,
    patience: Duration,
    shutdown: &OnceLock<Shutdown<P>>,
    runtime: &Runtime,
) -> CancelResult {
    if runtime.clock.interrupted().is_none() {
        let progress = |line: &str| runtime.console.line(line);
        let mode = CancelMode::Thorough { patience, progress: &progress };
        // The limit of the call may be what passed.
        let unlimited = Runtime { deadline: None, ..runtime.clone() };
        match unlimited.with_retries(|| provider.cancel(build, mode)) {
            Ok(canceled) => return canceled.into(),
            Err(error) if runtime.clock.interrupted().is_none() => return CancelResult::Failed(error),
            // The signal cut the request off, and nobody will cancel the build after this process.
            Err(_) => {}
        }
    }
    // One provider and one deadline for all builds: they share its connections and the time that is left.
    let Shutdown { provider, deadline } = shutdown.get_or_init(|| Shutdown {
        provider: provider.shutdown_provider(SHUTDOWN_REQUEST),
        deadline: runtime.clock.now() + SHUTDOWN.saturating_sub(runtime.interrupt.raised_for()),
    });
    cancel_quickly(provider, build, *deadline, &*runtime.clock)
}

/// What the last requests of a process are sent with.
struct Shutdown<P> {
    provider: P,
    deadline: Timestamp,
}

/// Cancels a build by a process that is asked to end: until the service accepts it, or time is up.
fn cancel_quickly<P: Provider>(provider: &P, build: &P::Build, deadline: Timestamp, clock: &dyn Clock) -> CancelResult {
    let mut refusals = 0;
    loop {
        let since = clock.now();
        let left = deadline.since(since).max(SHUTDOWN_PAUSE);
        let attempt = if left < SHUTDOWN_REQUEST {
            // A request that outlasts the deadline would take the time for the last line.
            provider.shutdown_provider(left).cancel(build, CancelMode::Quick)
        } else {
            provider.cancel(build, CancelMode::Quick)
        };
        let RequestError { error, retryable, .. } = match attempt {
            Ok(canceled) => return canceled.into(),
            Err(failed) => failed,
        };
        refusals += u32::from(!retryable);
        // Another attempt, of several requests perhaps, takes about as long as this one.
        let now = clock.now();
        if refusals >= SHUTDOWN_REFUSALS || now + SHUTDOWN_PAUSE + now.since(since) > deadline {
            return CancelResult::Failed(error);
        }
        clock::wait(SHUTDOWN_PAUSE);
    }
}

/// Ends a call that a signal interrupted after a start, when nobody waits for the build.
pub fn finish_interrupted<P: Provider>(
    provider: &P,
    build: &P::Build,
    cancel: CancelPolicy,
    cause: StopCause,
    document: &mut Document,
    runtime: &Runtime,
) {
    let done = match cancel {
        CancelPolicy::Cancel => cancel_all(provider, &[build], PATIENCE, runtime).pop(),
        CancelPolicy::Leave | CancelPolicy::Never => None,
    };
    let done = done.unwrap_or(CancelResult::LeftRunning);
    let failed = interrupted::<P>(&provider.summary(build), cause, &done);
    document.fail(&failed);
    document.still_running = done.may_be_running();
    runtime.console.error(&failed);
}

/// The error of a wait that a signal ended.
fn interrupted<P: Provider>(build: &Build, cause: StopCause, done: &CancelResult) -> Error {
    let failed = Error::message(cause.code(), format!("ended by {cause}; {}: {done}", build.title));
    if done.may_be_running() { failed.with_hint(how_to_continue::<P>(build)) } else { failed }
}

/// Why the build of a watch must be canceled, if it must.
fn cancel_reason<'w, P: Provider>(watch: &'w Watch<P>, policy: CancelPolicy) -> Option<&'w WatchEnd> {
    watch.end.as_ref().filter(|end| match (end, policy) {
        (_, CancelPolicy::Never) | (WatchEnd::Finished(_) | WatchEnd::Started | WatchEnd::StillRunning(_), _) => false,
        // Whoever polls again and again still waits for the build when one poll is ended: by a lost agent, say.
        (WatchEnd::Interrupted(_), policy) => policy == CancelPolicy::Cancel && !watch.limits.once,
        // The flag that causes this end promises the cancel.
        (WatchEnd::CanceledByFailFast | WatchEnd::Halted(_), _) => true,
        (WatchEnd::TimedOut(_) | WatchEnd::WrongCommit(_) | WatchEnd::Unreachable(_), policy) => {
            policy == CancelPolicy::Cancel
        }
    })
}

/// Notes in the documents what the watches saw, and that builds which are about to be canceled may still be running:
/// what is written now is all that is left if canceling is cut short. True if something is to be canceled.
pub fn note_before_cancel<P: Provider>(
    watches: &mut [Watch<P>],
    cancel: CancelPolicy,
    documents: &mut [Document],
) -> bool {
    let mut cancels = false;
    for (watch, document) in watches.iter_mut().zip(documents) {
        watch.close_log();
        if let Some(seen) = &watch.snapshot {
            document.build = Some(seen.build.clone());
            document.artifacts.clone_from(&seen.artifacts);
        }
        document.steps.clone_from(&watch.steps);
        let Some(end) = cancel_reason(watch, cancel) else { continue };
        cancels = true;
        let code = match end {
            WatchEnd::Interrupted(cause) => cause.code(),
            WatchEnd::TimedOut(_) => ExitCode::TimedOut,
            WatchEnd::WrongCommit(_) => ExitCode::WrongCommit,
            WatchEnd::Unreachable(error) => error.code(),
            _ => ExitCode::Canceled,
        };
        let title = document.build.as_ref().map(|build| build.title.clone()).unwrap_or_default();
        document.fail(&Error::message(code, format!("{title} is being canceled and may still be running")));
        document.still_running = true;
    }
    cancels
}

/// Turns the end of each watch into its document and into lines, and cancels the builds that must not stay running.
pub fn finish<P: Provider>(
    watches: &mut [Watch<P>],
    options: FinishOptions,
    documents: &mut [Document],
    runtime: &Runtime,
) {
    let to_cancel: Vec<usize> =
        (0..watches.len()).filter(|index| cancel_reason(&watches[*index], options.cancel).is_some()).collect();
    let mut results = vec![CancelResult::LeftRunning; watches.len()];
    if let Some(provider) = watches.first().map(|watch| watch.provider) {
        let builds: Vec<&P::Build> = to_cancel.iter().map(|index| &watches[*index].build).collect();
        for (index, result) in to_cancel.into_iter().zip(cancel_all(provider, &builds, PATIENCE, runtime)) {
            results[index] = result;
        }
    }
    for ((watch, document), done) in watches.iter().zip(documents).zip(results) {
        finish_one(watch, options, &done, document, runtime);
    }
}

fn finish_one<P: Provider>(
    watch: &Watch<P>,
    options: FinishOptions,
    done: &CancelResult,
    document: &mut Document,
    runtime: &Runtime,
) {
    let build = document.build.get_or_insert_with(|| watch.provider.summary(&watch.build)).clone();
    document.still_running = false;
    match watch.end.as_ref().unwrap_or(&WatchEnd::CanceledByFailFast) {
        WatchEnd::Finished(ExitCode::Success) => succeeded(&build, options, document, runtime),
        WatchEnd::Finished(code) => finished_badly(watch, *code, options, document, runtime),
        WatchEnd::Started => {
            document.end(Outcome::Started, ExitCode::Success);
            document.still_running = true;
            document.summary = Some(format!("{} was started: {}", build.title, build.url));
        }
        WatchEnd::StillRunning(next) => still_running(watch, &build, *next, document, &runtime.console),
        end => {
            let failed = ended_early(watch, end, done, &build);
            let may_be_running = done.may_be_running() && !is_finished(watch);
            document.still_running = may_be_running && failed.code() != ExitCode::NotFound;
            document.fail(&failed);
            runtime.console.error(&failed);
        }
    }
}

/// What a single poll has seen of a build that is still running.
fn still_running<P: Provider>(
    watch: &Watch<P>,
    build: &Build,
    next: Duration,
    document: &mut Document,
    console: &Console,
) {
    let title = &build.title;
    document.end(Outcome::Running, ExitCode::Success);
    document.summary = Some(if let Some(why) = watch.unseen_because() {
        let summary = format!("{title}: its state cannot be read: {why}; poll again");
        console.line(&summary);
        summary
    } else {
        let running = build.run_seconds.is_some();
        let age = Duration::from_secs(build.run_seconds.or(build.queued_seconds).unwrap_or_default());
        let event = Event::Heartbeat { running, step: watch.running_step(), age, usual: watch.usual() };
        console.event(&format!("{title}: "), &event);
        format!("{title} is still running")
    });
    document.still_running = true;
    document.next_poll_seconds = Some(next.as_secs().max(1));
}

/// The error of a wait that ended before the build did.
fn ended_early<P: Provider>(watch: &Watch<P>, end: &WatchEnd, done: &CancelResult, build: &Build) -> Error {
    let error = |code: ExitCode, why: &str| Error::message(code, format!("{} {why}; {done}", build.title));
    match end {
        WatchEnd::TimedOut(why) => error(ExitCode::TimedOut, why).with_hint(
            "raise --timeout, --queue-timeout or --run-timeout (timeout, queueTimeout, runTimeout in a Jenkinsfile), or find out why it takes longer than before",
        ),
        WatchEnd::WrongCommit(commit) => {
            let why = format!("is of commit {commit} instead of the expected one: the branch moved");
            let is_running = build.run_seconds.is_none() || !done.may_be_running() || !is_finished(watch);
            let error = if is_running {
                error(ExitCode::WrongCommit, &why)
            } else {
                Error::message(ExitCode::WrongCommit, format!("{} {why}", build.title))
            };
            error.with_hint("start it again for the new head, or build a tag, which does not move")
        }
        WatchEnd::Halted(why) => error(ExitCode::Failed, why),
        // Nothing was seen of it, so there is nothing to say about it.
        WatchEnd::Unreachable(cause) if watch.snapshot.is_none() && matches!(done, CancelResult::LeftRunning) => {
            cause.clone()
        }
        WatchEnd::Unreachable(cause) => {
            let failed = error(cause.code(), &format!("cannot be polled any more: {cause}"));
            match cause.hint() {
                Some(hint) if !done.may_be_running() => failed.with_hint(hint),
                _ => failed.with_hint(how_to_continue::<P>(build)),
            }
        }
        WatchEnd::Interrupted(cause) => interrupted::<P>(build, *cause, done),
        WatchEnd::CanceledByFailFast => error(ExitCode::Canceled, "was not waited for because another build failed"),
        WatchEnd::Finished(_) | WatchEnd::Started | WatchEnd::StillRunning(_) => unreachable!("no early end: {end:?}"),
    }
}

fn is_finished<P: Provider>(watch: &Watch<P>) -> bool {
    watch.snapshot.as_ref().is_some_and(|seen| matches!(seen.phase, Phase::Ended(_)))
}

/// What to do about a build that is left running.
fn how_to_continue<P: Provider>(build: &Build) -> String {
    let id = &build.id;
    format!("see {}, or wait for it with `cibridge {} wait {id}`", build.url, P::NAME)
}

fn succeeded(build: &Build, options: FinishOptions, document: &mut Document, runtime: &Runtime) {
    let title = &build.title;
    let ignored = document.steps.iter().find(|step| step.status == "failed").map(|step| step.name.clone());
    if let (Some(step), true) = (ignored, options.fail_on_step_failure) {
        let failed = Error::message(
            ExitCode::Unstable,
            format!("{title} succeeded although step {step:?} failed (--fail-on-step-failure)"),
        );
        document.failure = Some(BuildFailure { step: Some(step), ..Default::default() });
        document.end(Outcome::Unstable, ExitCode::Unstable);
        document.summary = Some(failed.to_string());
        return runtime.console.error(&failed);
    }
    let took = build.run_seconds.map(|run| format!(" after {}", output::format_duration(Duration::from_secs(run))));
    let summary = format!("{title} succeeded{}", took.unwrap_or_default());
    runtime.console.line(&summary);
    document.end(Outcome::Success, ExitCode::Success);
    document.summary = Some(summary);
}

fn finished_badly<P: Provider>(
    watch: &Watch<P>,
    code: ExitCode,
    options: FinishOptions,
    document: &mut Document,
    runtime: &Runtime,
) {
    let build = document.build.clone().unwrap_or_default();
    // Nobody reads a log for the cause of a cancellation, and a log that was shown is not shown again.
    let explains = matches!(code, ExitCode::Failed | ExitCode::Unstable);
    let lines = if explains { options.log_lines } else { 0 };
    let mut failure = match watch.provider.failure(&watch.build, lines) {
        Ok(failure) => failure,
        Err(failed) => {
            runtime.console.line(&format!("the reason of the failure could not be read: {}", failed.error));
            BuildFailure::default()
        }
    };
    if failure.step.is_none() {
        let bad = document.steps.iter().find(|step| matches!(step.status.as_str(), "failed" | "unstable"));
        failure.step = bad.map(|step| step.name.clone());
    }
    for line in &mut failure.log_tail {
        *line = sanitize(line);
    }
    failure.message = failure.message.map(|message| one_line(&message, LONGEST_CAUSE));
    if !failure.log_tail.is_empty() && !watch.log_is_complete {
        let of = failure.step.as_ref().map(|step| format!("{} {step:?}", P::STEP));
        runtime.console.log_tail(&of.unwrap_or_else(|| build.title.clone()), &failure.log_tail);
    }
    let how = watch.provider.describe_end(&build, code);
    let step = failure.step.as_ref().map(|step| format!(" in {} {step:?}", P::STEP)).unwrap_or_default();
    let message = failure.message.as_ref().map(|message| format!(": {message}")).unwrap_or_default();
    document.failure = Some(failure);
    let failed =
        Error::message(code, format!("{} {how}{step}{message}", build.title)).with_hint(format!("see {}", build.url));
    document.end(Outcome::of(code), code);
    document.summary = Some(format!("{failed} ({})", build.url));
    runtime.console.error(&failed);
}

#[cfg(test)]
#[path = "finish_tests.rs"]
mod tests;
