//! Waiting for builds: watch them, turn their ends into documents, collect what they left. `trigger --wait`, `wait` and
//! the verbs that follow a log share it.

use std::time::Duration;

use crate::cli::{CollectArgs, WatchArgs};
use crate::clock::StopCause;
use crate::error::ExitCode;
use crate::lifecycle::collect::{CollectOptions, collect};
use crate::lifecycle::finish::{CancelPolicy, FinishOptions, PATIENCE, cancel_all, finish, note_before_cancel};
use crate::lifecycle::{Limits, LogSink, Provider, Runtime, Watch, watch_all};
use crate::model::Build;
use crate::output::{Console, LogTarget};

use super::log_sink::ConsoleLog;
use super::session::Session;

/// How builds are waited for.
#[derive(Debug, Clone, Default)]
pub struct WaitOptions {
    /// When the wait ends before the build does.
    pub limits: Limits,
    /// A fixed pause between polls.
    pub interval: Option<Duration>,
    /// This call has started the build.
    pub started: bool,
    /// Show the log.
    pub log: Option<LogOptions>,
    /// Say how to see the rest of a log that was not shown to its end.
    pub shows_log_offset: bool,
    /// What their ends mean.
    pub finish: FinishOptions,
    /// What to download.
    pub collect: CollectOptions,
}

/// Where the log goes.
#[derive(Debug, Clone, Copy)]
pub struct LogOptions {
    /// stdout or stderr.
    pub target: LogTarget,
    /// Only the stages of a Pipeline.
    pub stages_only: bool,
}

impl WaitOptions {
    /// What the arguments say that every wait has. The rest has its defaults.
    pub fn new(watch: &WatchArgs) -> Self {
        let limits =
            Limits { queue: watch.queue_timeout, run: watch.run_timeout, total: watch.timeout, ..Limits::default() };
        let log = watch.console.then_some(LogOptions { target: LogTarget::People, stages_only: false });
        let finish = FinishOptions { log_lines: watch.log_lines, ..FinishOptions::default() };
        Self { limits, interval: watch.poll_interval, log, finish, ..Self::default() }
    }
}

/// What the arguments say is to be collected.
pub fn collect_options(args: &CollectArgs, interval: Option<Duration>) -> CollectOptions {
    CollectOptions {
        globs: args.artifacts.clone(),
        dir: args.artifacts_dir.clone(),
        junit: args.junit.clone(),
        jobs: args.download.jobs,
        allow_none: args.download.allow_none,
        interval,
    }
}

/// The builds of a call. When a panic unwinds through it, those that the call owns are canceled as after SIGTERM.
struct Builds<'a, P: Provider> {
    provider: &'a P,
    watches: Vec<Watch<'a, P>>,
    is_owner: bool,
    runtime: Runtime,
}

impl<P: Provider> Drop for Builds<'_, P> {
    fn drop(&mut self) {
        if self.is_owner && std::thread::panicking() {
            // What is still to be done must be done quickly.
            self.runtime.interrupt.raise(StopCause::InternalError);
            let builds: Vec<&P::Build> = self.watches.iter().map(|watch| &watch.build).collect();
            for (build, result) in builds.iter().zip(cancel_all(self.provider, &builds, PATIENCE, &self.runtime)) {
                self.runtime.console.line(&format!("{}: {result}", self.provider.summary(build).title));
            }
        }
    }
}

/// Waits for the builds, one for each document of the session, and gives the code of the worst end.
pub fn wait_for<P: Provider>(
    provider: &P,
    builds: Vec<P::Build>,
    options: &WaitOptions,
    session: &mut Session,
) -> ExitCode {
    let Session { runtime, writer, .. } = session;
    let limits = &options.limits;
    let several = builds.len() > 1;
    let watch = |build| {
        let mut watch = Watch::new(provider, build, options.started, limits, options.interval, &*runtime.clock);
        // The live lines of several builds would replace one another.
        if let Some(interval) = runtime.console.live_interval().filter(|_| !several) {
            watch = watch.with_heartbeat(interval);
        }
        match options.log {
            Some(log) => watch.with_log(console_log::<P>(&runtime.console, log, options.finish.log_lines)),
            None => watch,
        }
    };
    let watches = builds.into_iter().map(watch).collect();
    let is_owner = options.finish.cancel == CancelPolicy::Cancel && !limits.once;
    let mut builds = Builds { provider, watches, is_owner, runtime: runtime.clone() };
    let watches = &mut builds.watches;
    watch_all(watches, &*runtime.clock, &mut |build, event| {
        if limits.once {
            // A caller that polls again and again gets one line each time, not the whole story.
            return;
        }
        let prefix = build.filter(|_| several).map(|build| format!("[{}] ", short_name(build))).unwrap_or_default();
        runtime.console.event(&prefix, &event);
    });
    if note_before_cancel(watches, options.finish.cancel, &mut writer.documents) {
        writer.worst();
        writer.write_partial(&runtime.console);
    }
    if options.shows_log_offset {
        let open = watches.iter().filter(|watch| !watch.log_is_complete);
        open.filter_map(|watch| provider.resume_log_hint(&watch.build)).for_each(|hint| runtime.console.line(&hint));
    }
    finish(watches, options.finish, &mut writer.documents, runtime);
    let builds: Vec<&P::Build> = watches.iter().map(|watch| &watch.build).collect();
    collect(provider, &builds, &options.collect, &mut writer.documents, runtime);
    writer.worst()
}

fn console_log<'a, P: Provider>(console: &Console, log: LogOptions, lines: usize) -> Box<dyn LogSink + 'a> {
    // A log that grows is shown as it comes; the log of a step is limited when the step succeeded.
    let lines = (!P::LIVE_LOG).then_some(lines);
    Box::new(ConsoleLog::new(console, log.target, log.stages_only, lines))
}

/// The build's name before a line about one of several: its number, or its job and number.
fn short_name(build: &Build) -> String {
    match build.number {
        Some(number) if !build.id.contains('#') => number.to_string(),
        _ => build.id.clone(),
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;
    use crate::cli::{HttpArgs, OutputArgs};
    use crate::commands::named_builds::documents;
    use crate::commands::result_writer::{LastResort, ResultWriter};
    use crate::lifecycle::fake::{Fake, JumpClock, Script, runtime};
    use crate::model::Phase;

    #[test]
    fn a_panic_cancels_the_build_that_the_call_owns_and_no_other() {
        for (cancel, once, canceled) in [
            (CancelPolicy::Cancel, false, 1),
            (CancelPolicy::Leave, false, 0),
            (CancelPolicy::Never, false, 0),
            (CancelPolicy::Cancel, true, 0),
        ] {
            let fake = Fake::default();
            let build = Script { end: ("panic", Phase::Running), ..Script::new(1, 10) };
            let http = HttpArgs {
                ca_cert: None,
                connect_timeout: Duration::from_secs(1),
                answer_timeout: Duration::from_secs(1),
                allow_http: false,
            };
            let writer = ResultWriter::new("fake", LastResort::default());
            let mut session = Session::new(runtime(&JumpClock::default()), OutputArgs::default(), http, writer);
            session.writer.documents = documents(&fake, std::slice::from_ref(&build));
            let limits = Limits { once, ..Limits::default() };
            let finish = FinishOptions { cancel, ..FinishOptions::default() };
            let options = WaitOptions { limits, started: true, finish, ..WaitOptions::default() };
            let ended = catch_unwind(AssertUnwindSafe(|| wait_for(&fake, vec![build], &options, &mut session)));
            assert!(ended.is_err());
            assert_eq!(fake.count("cancel 1"), canceled);
            assert_eq!(session.runtime.interrupt.code().is_some(), canceled > 0);
        }
    }
}
