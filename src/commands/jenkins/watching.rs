//! Following builds, for `trigger --wait`, `wait` and `console --follow`: the watch loop on Jenkins builds, and what
//! each end means.

use std::time::Duration;

use super::super::{Context, ResultWriter, with_retries};
use super::artifacts::CollectOptions;
use super::remote::BuildRemote;
use crate::clock::{self, Clock};
use crate::commands::FollowArgs;
use crate::document::{Document, Outcome};
use crate::error::{Error, ExitCode, RequestError};
use crate::lifecycle::old_watch::{self as watch, End, Limits, Watch};
use crate::lifecycle::schedule::PollSchedule;
use crate::model::{Build, BuildFailure, Event, Phase};
use crate::old_jenkins::{BuildName, Client, JobPath, Recovery, Severity, State};

/// How long Jenkins may not know a build or item at first.
const UNKNOWN: Duration = Duration::from_secs(10);

/// The longest pause between single looks at a queue item: Jenkins forgets it five minutes after it left the queue.
const ITEM_IS_KNOWN: Duration = Duration::from_secs(240);

/// The time that stopping may take when a signal ends the process: Jenkins gives five seconds.
const SHUTDOWN_LIMIT: Duration = Duration::from_secs(3);

/// How long a build may be in the making when it is to be stopped, and the pause between two looks for it.
const MAKING: Duration = Duration::from_secs(2);
const MAKING_PAUSE: Duration = Duration::from_millis(200);

/// How often a build that does not hear is told to stop again, when a signal ends the process.
const REPEATS: u32 = 6;

/// How long a build may take to end after each of stop, term and kill, when a limit passed.
const PATIENCE: Duration = Duration::from_secs(20);

/// What is asked of a call that follows builds.
#[derive(Clone, Copy, Default)]
pub(super) struct Mode<'a> {
    /// The builds are somebody else's, and are never stopped.
    pub(super) keep: bool,
    /// The first bad end stops the other builds.
    pub(super) fail_fast: bool,
    /// One look is enough.
    pub(super) once: bool,
    /// What to bring home of the builds that ended.
    pub(super) home: Option<&'a CollectOptions<'a>>,
}

/// Follows the builds behind `remotes`, one for each document of `publication`, to their ends, and gives the worst
/// one's code. A build that has no end when following ends is stopped, unless somebody said no.
pub(super) fn run(
    remotes: Vec<BuildRemote>,
    args: &FollowArgs,
    mode: Mode<'_>,
    context: &Context,
    publication: &mut ResultWriter,
) -> ExitCode {
    let Mode { keep, fail_fast, once, home } = mode;
    let limits = Limits {
        once,
        queue: args.queue_timeout,
        run: args.run_timeout,
        total: args.timeout,
        unknown: UNKNOWN,
        commit: None,
    };
    let pace = PollSchedule { estimate: None, fixed: args.poll_interval };
    let watch = |remote| Watch::new(remote, limits.clone(), pace.clone(), &*context.clock, Duration::ZERO);
    let mut watches: Vec<_> = remotes.into_iter().map(watch).collect();
    let several = watches.len() > 1;
    watch::follow(&mut watches, fail_fast, &*context.clock, &mut |_, watch, event| {
        let prefix = match (&watch.remote.job, watch.remote.number) {
            (Some(job), Some(number)) if several => format!("[{job} #{number}] "),
            _ if several => watch.remote.queue_id.map(|id| format!("[queue item {id}] ")).unwrap_or_default(),
            _ => String::new(),
        };
        context.console.event(&prefix, &event);
    });
    for (document, watch) in publication.documents.iter_mut().zip(&mut watches) {
        if let Some(seen) = watch.snapshot.take() {
            document.build = Some(seen.build);
            document.artifacts = seen.artifacts;
        }
        document.steps = std::mem::take(&mut watch.steps);
        let end = watch.end.take().unwrap_or(End::CanceledByFailFast);
        if let Some(log) = &mut watch.remote.log {
            log.log.end();
            if keep && !log.complete {
                context.console.line(&format!("--from {} shows what comes after this", log.offset));
            }
        }
        // Whoever looks again and again still follows the build when one look is ended: by a lost agent, for instance.
        let keep = keep || args.no_cancel || once && matches!(end, End::Interrupted(_));
        conclude(&watch.remote, args, keep, end, context, document);
        let BuildRemote { client, job, number, .. } = &watch.remote;
        if let (Some(home), Some(job), Some(number)) = (home, job, number) {
            home.bring((client, job, *number), several, context, document);
        }
    }
    publication.worst()
}

/// Makes an end into a document and lines, and stops a build that must not go on.
fn conclude(remote: &BuildRemote, args: &FollowArgs, keep: bool, end: End, context: &Context, document: &mut Document) {
    let report = &context.console;
    let build = document.build.clone().unwrap_or_default();
    let what = title(remote);
    let ended = |code: ExitCode, why: String| Error::new(code, &what, why);
    let failure = match end {
        End::Ended(ExitCode::Success) => {
            let took = build
                .run_seconds
                .map(|run| format!(" after {}", crate::output::format_duration(Duration::from_secs(run))));
            report.line(&format!("{what} succeeded{}", took.unwrap_or_default()));
            return document.end(Outcome::Success, ExitCode::Success);
        }
        End::Ended(code) => match &remote.halted {
            Some(asks) => {
                let done = stop(remote, keep, context);
                ended(ExitCode::Failed, format!("{asks}, and nobody is to be asked (--on-input fail); {done}"))
            }
            None => remote_end(remote, args, code, &build, context, document),
        },
        End::TimedOut(why) => {
            let done = stop(remote, keep, context);
            ended(ExitCode::TimedOut, format!("{why}; {done}"))
                .with_hint("raise --timeout, --queue-timeout or --run-timeout, or look why it takes longer than before")
        }
        End::Unreachable(failure) => failure,
        End::StillRunning(next) => {
            let next = if remote.number.is_none() { next.min(ITEM_IS_KNOWN) } else { next };
            let running = build.run_seconds.is_some();
            let age = Duration::from_secs(build.run_seconds.or(build.queued_seconds).unwrap_or_default());
            let step = document.steps.iter().find(|step| step.status == "running").map(|step| step.name.clone());
            report.event(&format!("{what}: "), &Event::Heartbeat { running, step, age, usual: None });
            document.next_poll_seconds = Some(next.as_secs());
            return document.end(Outcome::Running, ExitCode::Success);
        }
        End::Interrupted(code) => return interrupted(remote, keep, code, context, document),
        End::WrongCommit(_) | End::CanceledByFailFast => {
            let done = stop(remote, keep, context);
            ended(ExitCode::Canceled, format!("another build ended badly; {done}"))
        }
    };
    document.fail(&failure);
    report.error(&failure);
}

/// What to say about a build that ended by itself, and badly.
fn remote_end(
    remote: &BuildRemote,
    args: &FollowArgs,
    code: ExitCode,
    build: &Build,
    context: &Context,
    document: &mut Document,
) -> Error {
    let mut reason = BuildFailure::default();
    let bad = document.steps.iter().find(|step| matches!(step.status.as_str(), "failed" | "unstable"));
    reason.step = bad.map(|step| step.name.clone());
    if let (Some(number), Some(job), ExitCode::Failed | ExitCode::Unstable) = (remote.number, &remote.job, code) {
        match remote.client.log_tail(job, number, args.log_lines) {
            Ok(lines) => reason.log_tail = lines.iter().map(|line| crate::sanitize::sanitize(line)).collect(),
            Err(miss) => context.console.line(&format!("the end of the log is not known: {}", miss.error)),
        }
    }
    if !reason.log_tail.is_empty() && remote.log.is_none() {
        context.console.line("--- the end of the log ---");
        reason.log_tail.iter().for_each(|line| context.console.line(line));
        context.console.line("---");
    }
    let word = match code {
        ExitCode::Unstable => "is unstable",
        ExitCode::Canceled if remote.number.is_none() => "was canceled while it was queued",
        ExitCode::Canceled => "was aborted",
        ExitCode::Skipped => "was not built (NOT_BUILT)",
        _ if build.status == "FAILURE" => "failed",
        _ => "ended with a result that this cibridge does not know",
    };
    let step = reason.step.as_ref().map(|step| format!(" in stage {step}")).unwrap_or_default();
    document.failure = Some(reason);
    Error::new(code, title(remote), format!("{word}{step}")).with_hint(format!("see {}", build.url))
}

/// The last act of a process that a signal ends: stop first, one line, then exit.
pub(super) fn interrupted(
    remote: &BuildRemote,
    keep: bool,
    code: ExitCode,
    context: &Context,
    document: &mut Document,
) {
    let signal = if code == ExitCode::Interrupted { "SIGINT" } else { "SIGTERM" };
    let done = if keep {
        "it was left alone".to_owned()
    } else {
        match ask_to_stop(&remote.client.shutdown_client(SHUTDOWN_LIMIT), remote) {
            Ok(done) => done.to_owned(),
            Err(miss) => format!("it could not be stopped and may go on ({})", miss.error.reason()),
        }
    };
    let failure = Error::new(code, title(remote), format!("ended by {signal}; {done}"));
    document.fail(&failure);
    context.console.error(&failure);
}

/// Asks to stop: the queue item is canceled, or the build that came of it is stopped. A Pipeline that is just being
/// made takes the request and forgets it, so it is asked until it shows that it heard.
fn ask_to_stop(client: &Client, remote: &BuildRemote) -> Result<&'static str, RequestError> {
    let mut target = remote.job.clone().zip(remote.number);
    if let (None, Some(id)) = (&target, remote.queue_id) {
        if client.cancel_item(id)? {
            return Ok("it was canceled in the queue");
        }
        target = build_of(client, id, (remote.job.as_ref(), remote.oldest), remote.clock)?;
    }
    match target {
        Some((job, number)) => {
            client.stop_build(&job, number, Severity::Stop)?;
            for _ in 0..REPEATS {
                match client.build(&job, &BuildName::Number(number)) {
                    Ok(seen) if seen.is_pipeline && seen.is_undisturbed => clock::wait(MAKING_PAUSE),
                    _ => return Ok("it was told to stop"),
                }
                client.stop_build(&job, number, Severity::Stop)?;
            }
            Err(RequestError::permanent(Error::new(
                ExitCode::TimedOut,
                "the build",
                "it does not hear that it is to stop",
            )))
        }
        None => {
            Err(RequestError::permanent(Error::new(ExitCode::NotFound, "the build", "it is neither queued nor known")))
        }
    }
}

/// The build that came of a queue item: found by the item, or by its id where Jenkins has forgotten the item. One that
/// is just being made is waited for, because whoever wants to stop it has no other chance.
pub(super) fn build_of(
    client: &Client,
    id: u64,
    (job, oldest): (Option<&JobPath>, u64),
    clock: &dyn Clock,
) -> Result<Option<(JobPath, u64)>, RequestError> {
    let until = clock.now() + MAKING;
    loop {
        let Some(item) = client.item(id)? else {
            let Some(job) = job else { return Ok(None) };
            return Ok(match client.recover(job, id, oldest)? {
                Recovery::Build(number) => Some((job.clone(), number)),
                Recovery::Queued | Recovery::Gone => None,
            });
        };
        match item.state {
            State::Started(number) => return Ok(job.cloned().or(item.job).zip(Some(number))),
            State::Leaving if clock.now() < until => clock::wait(MAKING_PAUSE),
            _ => return Ok(None),
        }
    }
}

/// Stops a build for good, and says what came of it.
fn stop(remote: &BuildRemote, keep: bool, context: &Context) -> String {
    if keep {
        return "it was left alone".to_owned();
    }
    let clock = &*context.clock;
    if remote.number.is_none() {
        return match with_retries(clock, || ask_to_stop(remote.client, remote)) {
            Ok(done) => done.to_owned(),
            Err(failure) => format!("it could not be stopped and may go on ({})", failure.reason()),
        };
    }
    let (Some(job), Some(number)) = (&remote.job, remote.number) else { return "it is not known any more".to_owned() };
    match escalate(remote.client, job, number, PATIENCE, clock, &mut |line| context.console.line(line)) {
        Ok(done) => done,
        Err(failure) => format!("it could not be stopped and may go on ({})", failure.reason()),
    }
}

/// Stops a build: stop, then for a Pipeline term and kill, each followed by a wait for the end.
pub(super) fn escalate(
    client: &Client,
    job: &JobPath,
    number: u64,
    patience: Duration,
    clock: &dyn Clock,
    tell: &mut dyn FnMut(&str),
) -> Result<String, Error> {
    let look = || with_retries(clock, || client.build(job, &BuildName::Number(number)));
    let first = look()?;
    if matches!(first.snapshot.phase, Phase::Ended(_)) {
        return Ok(format!("it had ended before ({})", first.snapshot.build.status));
    }
    let rungs: &[Severity] =
        if first.is_pipeline { &[Severity::Stop, Severity::Term, Severity::Kill] } else { &[Severity::Stop] };
    for (index, severity) in rungs.iter().enumerate() {
        if index > 0 {
            tell(&format!("build {job}#{number} does not end; sending {}", if index == 1 { "term" } else { "kill" }));
        }
        with_retries(clock, || client.stop_build(job, number, *severity))?;
        let until = clock.now() + patience;
        let mut pause = Duration::from_millis(250);
        loop {
            clock.sleep(pause.min(until.since(clock.now())));
            let view = look()?;
            let seen = view.snapshot;
            if matches!(seen.phase, Phase::Ended(_)) {
                let hard = ["", " by term", " by kill; its processes may go on"][index];
                return Ok(format!("it was stopped{hard} ({})", seen.build.status));
            }
            if clock.now() >= until || clock.interrupted().is_some() {
                break;
            }
            if index == 0 && view.is_pipeline && view.is_undisturbed {
                // It did not hear: it is just being made.
                with_retries(clock, || client.stop_build(job, number, *severity))?;
            }
            pause = (pause * 2).min(Duration::from_secs(2));
        }
    }
    Err(Error::new(
        ExitCode::TimedOut,
        format!("stopping build {job}#{number}"),
        "it was told to stop and has not ended",
    )
    .with_hint("see its page; a process on an agent that ignores SIGTERM is not killed by Jenkins"))
}

/// The build's name in a sentence.
pub(super) fn title(remote: &BuildRemote) -> String {
    match (&remote.job, remote.number, remote.queue_id) {
        (Some(job), Some(number), _) => format!("Jenkins build {job} #{number}"),
        (Some(job), None, Some(id)) => format!("Jenkins queue item {id} of job {job}"),
        (_, _, Some(id)) => format!("Jenkins queue item {id}"),
        (Some(job), ..) => format!("Jenkins job {job}"),
        _ => "the build".to_owned(),
    }
}
