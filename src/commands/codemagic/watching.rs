//! Following builds, for `trigger --wait` and `wait`: the watch loop on Codemagic builds, and what each end means.

use std::time::Duration;

use super::super::{Context, ResultWriter};
use crate::codemagic::{Client, WatchedBuild};
use crate::commands::FollowArgs;
use crate::document::{Document, Outcome};
use crate::error::{Error, ExitCode, RequestError};
use crate::http::RateLimit;
use crate::lifecycle::old_watch::{self as watch, End, Limits, Remote, Watch};
use crate::lifecycle::schedule::{DurationEstimate, PollSchedule};
use crate::lifecycle::{CancelMode, Provider as _};
use crate::model::{BuildSnapshot, Event, Phase, Step};

/// How long the service may not know a build that it has just accepted (observed by two clients).
const UNKNOWN_AFTER_START: Duration = Duration::from_secs(120);

/// The same for an id that somebody gave: long enough for a call right after a start, short for a wrong id.
const UNKNOWN_OTHERWISE: Duration = Duration::from_secs(15);

/// The first look at a build that has just been started: before, there is nothing to see.
const FIRST_LOOK: Duration = Duration::from_secs(20);

/// The time that canceling may take when a signal ends the process: Jenkins gives five seconds.
const SHUTDOWN_LIMIT: Duration = Duration::from_secs(3);

/// Earlier builds of the same branch that say more than those of all branches.
const ENOUGH: usize = 3;

/// A Codemagic build behind the watch loop.
struct BuildRemote<'a> {
    client: &'a Client,
    build: WatchedBuild,
    usual: Option<DurationEstimate>,
    /// There is no second poll that could show the earlier builds.
    once: bool,
}

impl Remote for BuildRemote<'_> {
    fn look(&mut self) -> Result<BuildSnapshot, RequestError> {
        let snapshot = self.client.poll(&mut self.build)?;
        self.usual = self.client.estimate(&mut self.build, self.once);
        Ok(snapshot)
    }

    fn steps(&mut self) -> Result<Vec<Step>, RequestError> {
        self.client.steps(&self.build)
    }

    fn budget(&self) -> Option<RateLimit> {
        self.client.rate_limit()
    }

    fn usual(&self) -> Option<DurationEstimate> {
        self.usual
    }
}

/// What is asked of a call that follows builds.
#[derive(Clone, Copy, Default)]
pub(super) struct Mode {
    /// The builds were started by this call.
    pub(super) fresh: bool,
    /// The first bad end cancels the other builds.
    pub(super) fail_fast: bool,
    /// One look is enough.
    pub(super) once: bool,
}

/// Follows the builds of all documents of `publication` to their ends, and gives the worst one's code.
///
/// A build that has no end when following ends is canceled, unless the user
/// said no.
pub(super) fn run(
    client: &Client,
    args: &FollowArgs,
    mode: Mode,
    builds: Vec<WatchedBuild>,
    context: &Context,
    publication: &mut ResultWriter,
) -> ExitCode {
    let Mode { fresh, fail_fast, once } = mode;
    let limits = Limits {
        queue: args.queue_timeout,
        run: args.run_timeout,
        total: args.timeout,
        unknown: if fresh { UNKNOWN_AFTER_START } else { UNKNOWN_OTHERWISE },
        commit: args.expect.as_ref().and_then(|expect| expect.expect_commit.clone()),
        once,
    };
    let first_look = match args.poll_interval {
        _ if !fresh => Duration::ZERO,
        Some(interval) => interval,
        None => FIRST_LOOK,
    };
    let watch = |build: WatchedBuild| {
        let remote = BuildRemote { client, build, usual: None, once };
        Watch::new(
            remote,
            limits.clone(),
            PollSchedule { estimate: None, fixed: args.poll_interval },
            &*context.clock,
            first_look,
        )
    };
    let mut watches: Vec<_> = builds.into_iter().map(watch).collect();
    let several = watches.len() > 1;
    let mut paged = vec![fresh; watches.len()];
    watch::follow(&mut watches, fail_fast, &*context.clock, &mut |n, watch, event| {
        if once {
            // A caller that looks again and again gets one line each time (`conclude`), not the whole story.
            return;
        }
        let build = watch.snapshot.as_ref().map(|seen| &seen.build);
        if let (Some(build), false) = (build, paged[n]) {
            paged[n] = true;
            context.console.line(&format!("{}: {}", title(build), build.url));
        }
        let prefix =
            if several { build.map(|build| format!("[{}] ", short(build))).unwrap_or_default() } else { String::new() };
        context.console.event(&prefix, &event);
    });
    for (document, watch) in publication.documents.iter_mut().zip(&mut watches) {
        if let Some(seen) = watch.snapshot.take() {
            document.build = Some(seen.build);
            document.artifacts = seen.artifacts;
        }
        document.steps = std::mem::take(&mut watch.steps);
        let end = watch.end.take().unwrap_or(End::CanceledByFailFast);
        conclude(client, args, end, once, watch.usual(), context, document);
    }
    publication.worst()
}

/// Makes an end into a document and lines, and cancels a build that must not go on.
fn conclude(
    client: &Client,
    args: &FollowArgs,
    end: End,
    once: bool,
    usual: Option<Duration>,
    context: &Context,
    document: &mut Document,
) {
    let report = &context.console;
    let build = document.build.clone().unwrap_or_default();
    let what = title(&build);
    let ended = |code: ExitCode, why: String| Error::new(code, &what, why);
    let failure = match end {
        End::Ended(ExitCode::Success) => {
            let ignored = document.steps.iter().find(|step| step.status == "failed").map(|step| step.name.clone());
            if let (Some(step), true) =
                (ignored, args.expect.as_ref().is_some_and(|expect| expect.fail_on_step_failure))
            {
                document.failure = Some(crate::model::BuildFailure { step: Some(step.clone()), ..Default::default() });
                document.end(Outcome::Unstable, ExitCode::Unstable);
                return report
                    .error(&ended(ExitCode::Unstable, format!("step {step} failed, and the build ignored it")));
            }
            report.line(&format!("{what} succeeded{}", took(&build)));
            return document.end(Outcome::Success, ExitCode::Success);
        }
        End::Ended(code) => {
            let failure = remote_end(client, args, code, context, document);
            document.end(Outcome::of(code), code);
            return report.error(&failure);
        }
        End::TimedOut(why) => {
            let done = cancel(client, args, &build.id, context);
            ended(ExitCode::TimedOut, format!("{why}; {done}"))
                .with_hint("raise --timeout, --queue-timeout or --run-timeout, or look why it takes longer than before")
        }
        End::WrongCommit(commit) => {
            let wanted = args.expect.as_ref().and_then(|expect| expect.expect_commit.clone()).unwrap_or_default();
            let done = cancel(client, args, &build.id, context);
            ended(ExitCode::WrongCommit, format!("the branch moved: it builds commit {commit}, not {wanted}; {done}"))
                .with_hint("start it again for the new head, or build a tag, which does not move")
        }
        End::Unreachable(failure) => failure,
        End::StillRunning(next) => {
            let age = build.run_seconds.or(build.queued_seconds).unwrap_or_default();
            let step = document.steps.iter().find(|step| step.status == "running").map(|step| step.name.clone());
            let running = build.run_seconds.is_some();
            let age = Duration::from_secs(age);
            report.event(&format!("{what}: "), &Event::Heartbeat { running, step, age, usual });
            document.next_poll_seconds = Some(next.as_secs());
            return document.end(Outcome::Running, ExitCode::Success);
        }
        // Whoever looks again and again still follows the build when one look is ended: by a lost agent, for instance.
        End::Interrupted(code) => return interrupted(client, once || args.no_cancel, code, context, document),
        End::CanceledByFailFast => {
            let done = cancel(client, args, &build.id, context);
            ended(ExitCode::Canceled, format!("another build ended badly; {done}"))
        }
    };
    document.fail(&failure);
    report.error(&failure);
}

/// What to say about a build that ended by itself, and badly.
fn remote_end(client: &Client, args: &FollowArgs, code: ExitCode, context: &Context, document: &mut Document) -> Error {
    let build = document.build.clone().unwrap_or_default();
    // Nobody looks for the cause of a cancellation in a log.
    let lines = if matches!(code, ExitCode::Failed | ExitCode::Unstable) { args.log_lines } else { 0 };
    let mut reason = match super::watched(client, &build.id)
        .map_err(RequestError::permanent)
        .and_then(|watched| client.failure(&watched, lines))
    {
        Ok(reason) => reason,
        Err(miss) => {
            context.console.line(&format!("the reason is not known: {}", miss.error));
            crate::model::BuildFailure::default()
        }
    };
    if reason.step.is_none() {
        reason.step = document.steps.iter().find(|step| step.status == "failed").map(|step| step.name.clone());
    }
    for line in reason.log_tail.iter_mut().chain(&mut reason.message) {
        *line = crate::sanitize::sanitize(line);
    }
    if let (Some(step), false) = (&reason.step, reason.log_tail.is_empty()) {
        context.console.line(&format!("--- the end of the log of step {step} ---"));
        reason.log_tail.iter().for_each(|line| context.console.line(line));
        context.console.line("---");
    }
    let word = match (code, build.status.as_str()) {
        (ExitCode::Unstable, _) => "ended with warnings",
        (ExitCode::Canceled, _) => "was canceled on Codemagic",
        (ExitCode::Skipped, _) => "was skipped",
        (_, "timeout") => "ran into Codemagic's own time limit (max_build_duration)",
        _ => "failed",
    };
    let step = reason.step.as_ref().map(|step| format!(" in step {step}")).unwrap_or_default();
    let message = reason.message.as_ref().map(|message| format!(": {message}")).unwrap_or_default();
    document.failure = Some(reason);
    Error::new(code, title(&build), format!("{word}{step}{message}")).with_hint(format!("see {}", build.url))
}

/// The last act of a process that a signal ends: cancel first, one line, then exit.
pub(super) fn interrupted(client: &Client, keep: bool, code: ExitCode, context: &Context, document: &mut Document) {
    let build = document.build.clone().unwrap_or_default();
    let signal = if code == ExitCode::Interrupted { "SIGINT" } else { "SIGTERM" };
    let done = if keep {
        "it was left alone".to_owned()
    } else {
        match cancel_once(&client.shutdown_client(SHUTDOWN_LIMIT), &build.id) {
            Ok(()) => "it was canceled".to_owned(),
            Err(miss) => format!("it could not be canceled and may go on ({})", miss.error.reason()),
        }
    };
    let failure = Error::new(code, title(&build), format!("ended by {signal}; {done}"));
    document.fail(&failure);
    context.console.error(&failure);
}

/// Cancels a build, and says what came of it.
fn cancel(client: &Client, args: &FollowArgs, id: &str, context: &Context) -> String {
    if args.no_cancel {
        return "it was left alone".to_owned();
    }
    let mut done = super::with_retries(&*context.clock, || cancel_once(client, id));
    if done.is_err() && context.clock.interrupted().is_some() {
        // The signal closed the connection, and nobody will cancel the build after this process.
        done = cancel_once(&client.shutdown_client(SHUTDOWN_LIMIT), id).map_err(|miss| miss.error);
    }
    match done {
        Ok(()) => "it was canceled".to_owned(),
        Err(failure) => format!("it could not be canceled and may go on ({})", failure.reason()),
    }
}

fn cancel_once(client: &Client, id: &str) -> Result<(), RequestError> {
    let build = super::watched(client, id).map_err(RequestError::permanent)?;
    client.cancel(&build, CancelMode::Quick).map(drop)
}

/// The build's name in a sentence.
pub(super) fn title(build: &crate::model::Build) -> String {
    format!("Codemagic build {}", short(build))
}

fn short(build: &crate::model::Build) -> String {
    build.number.map_or_else(|| build.id.clone(), |number| number.to_string())
}

fn took(build: &crate::model::Build) -> String {
    build
        .run_seconds
        .map(|run| format!(" after {}", crate::output::format_duration(Duration::from_secs(run))))
        .unwrap_or_default()
}
