//! The one watch loop: polls builds until they are finished.
//!
//! It knows no HTTP, no provider and no console: a [`Provider`] polls, a clock gives time, and what is noticed leaves as
//! [`Event`]s. A wait ends for one reason only: the build is finished, a limit passed, a signal came, or the service has
//! refused these credentials or this build for minutes. A poll that failed never ends it.

use std::time::Duration;

use crate::clock::{Clock, StopCause, Timestamp};
use crate::error::{Error, ExitCode, RequestError};
use crate::lifecycle::provider::{LogSink, LogState, Provider};
use crate::lifecycle::schedule::{DurationEstimate, PollSchedule, Progress, RateLimitBackoff};
use crate::model::{Build, BuildSnapshot, Event, Phase, Step};

/// Silence after which a line says that the build is still running.
const HEARTBEAT: Duration = Duration::from_secs(60);

/// How long a service must refuse (key revoked, build deleted) before the wait ends. A restart, a failover or a proxy
/// that lost its session refuse for seconds; a controller was seen to answer 401 for a minute after a restart.
const REFUSED_FOR: Duration = Duration::from_secs(180);

/// Refusals before the wait ends: these many, and where the build or its start was seen before, for that long.
const REFUSALS: u32 = 3;

/// How long a build that was never reached by this call is tried: a wrong address or a dead host never gets better.
const UNREACHED_FOR: Duration = Duration::from_secs(600);

/// Failed polls in a row after which a single poll (`--once`) leaves it to a later call.
const FAILURES_OF_ONE_POLL: u32 = 3;

/// The shortest pause between single polls: each of them costs its caller an agent.
const BETWEEN_CALLS: Duration = Duration::from_secs(30);

/// The part of its age by which the end of a build may be noticed late by single polls where no estimate exists.
const LATE_BY: u32 = 10;

/// The first pause after a failed poll, and the longest one: it doubles from one to the other.
const RETRY_PAUSE: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(30));

/// How long the log of a finished build is waited for. Jenkins closes it with the build, except after a crash of the
/// controller; Codemagic stores a step's log within seconds.
const LOG_AFTER_END: Duration = Duration::from_secs(30);

/// When a wait ends before the build does.
#[derive(Debug, Clone, Default)]
pub struct Limits {
    /// The longest time in the queue.
    pub queue: Option<Duration>,
    /// The longest time that the build may run.
    pub run: Option<Duration>,
    /// The longest time to wait altogether.
    pub total: Option<Duration>,
    /// The part of `total` that earlier calls have used (`--waiting-since`).
    pub waited: Duration,
    /// The commit that the build must be of: its full hash, or at least 7 digits of its beginning.
    pub commit: Option<String>,
    /// Poll once: a build that is still running is left to a later call.
    pub once: bool,
    /// Wait only until the build has left the queue.
    pub until_started: bool,
    /// The first build that does not succeed ends the wait for the others.
    pub fail_fast: bool,
}

/// Why the wait for a build ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WatchEnd {
    /// The build is finished, with the exit code that its end means.
    Finished(ExitCode),
    /// The build has left the queue, and nothing else was waited for.
    Started,
    /// A limit passed: which one, as a predicate.
    TimedOut(String),
    /// The build is of this other commit.
    WrongCommit(String),
    /// It cannot be polled any more.
    Unreachable(Error),
    /// It asks a person, and nobody is to be asked.
    Halted(String),
    /// A signal asked the process to end.
    Interrupted(StopCause),
    /// One poll was all that was asked for; the next one is worthwhile after this time.
    StillRunning(Duration),
    /// Another build of the same call did not succeed, and the call was to fail fast.
    CanceledByFailFast,
}

/// Takes what is noticed, with the build as it was seen last.
type Emit<'e> = &'e mut dyn FnMut(Option<&Build>, Event);

/// One build that is waited for.
pub struct Watch<'a, P: Provider> {
    /// The build as its provider follows it.
    pub build: P::Build,
    /// The newest snapshot.
    pub snapshot: Option<BuildSnapshot>,
    /// The newest steps.
    pub steps: Vec<Step>,
    /// Why the wait ended; `None` while it lasts.
    pub end: Option<WatchEnd>,
    /// Whether the log was shown to its end.
    pub log_is_complete: bool,
    /// What ends the wait before the build does.
    pub limits: &'a Limits,
    /// What polls it.
    pub provider: &'a P,
    clock: &'a dyn Clock,
    schedule: PollSchedule,
    backoff: RateLimitBackoff,
    log: Option<Box<dyn LogSink + 'a>>,
    /// Steps that began, to be reported after the logs of those before them.
    begun: Vec<Step>,
    /// The build was started, or seen, by this call: the service has accepted the credentials.
    was_reached: bool,
    not_found_grace: Duration,
    began: Timestamp,
    polled_at: Timestamp,
    /// When the build was first seen running.
    running_since: Option<Timestamp>,
    next_poll: Timestamp,
    /// How long nothing may happen until a heartbeat.
    heartbeat: Duration,
    next_heartbeat: Timestamp,
    failures: Failures,
    /// When the build was first seen finished while its log was still open.
    ended_at: Option<Timestamp>,
    /// There is more in the log already.
    log_is_behind: bool,
    /// A log that cannot be read is reported once.
    log_error: Option<String>,
    /// Why the newest poll failed.
    poll_error: Option<String>,
}

/// Polls that failed since one succeeded.
#[derive(Default)]
struct Failures {
    polls: u32,
    /// Those of them that another try will not mend.
    refusals: u32,
    refused_since: Option<Timestamp>,
}

impl<'a, P: Provider> Watch<'a, P> {
    /// A watch of a build that this call has just `started`, or of one that was named. `interval` is a fixed pause
    /// between polls that somebody asked for.
    pub fn new(
        provider: &'a P,
        build: P::Build,
        started: bool,
        limits: &'a Limits,
        interval: Option<Duration>,
        clock: &'a dyn Clock,
    ) -> Self {
        let now = clock.now();
        let first = if started { interval.unwrap_or(P::FIRST_POLL).min(P::FIRST_POLL) } else { Duration::ZERO };
        Self {
            build,
            snapshot: None,
            steps: Vec::new(),
            end: None,
            log_is_complete: false,
            limits,
            provider,
            clock,
            schedule: PollSchedule { estimate: None, fixed: interval },
            backoff: RateLimitBackoff::default(),
            log: None,
            begun: Vec::new(),
            was_reached: started,
            not_found_grace: provider.not_found_grace(started),
            began: now,
            polled_at: now,
            running_since: None,
            next_poll: now + first,
            heartbeat: HEARTBEAT,
            next_heartbeat: now + HEARTBEAT,
            failures: Failures::default(),
            ended_at: None,
            log_is_behind: false,
            log_error: None,
            poll_error: None,
        }
    }

    /// Shows the log in `log` as it grows, or as its steps end.
    pub fn with_log(mut self, log: Box<dyn LogSink + 'a>) -> Self {
        self.log = Some(log);
        self
    }

    /// Emits a heartbeat after this long without news: on a terminal it redraws a line.
    pub fn with_heartbeat(mut self, heartbeat: Duration) -> Self {
        self.next_heartbeat = self.began + heartbeat;
        self.heartbeat = heartbeat;
        self
    }

    /// How long such builds usually run, if that is known by now.
    pub fn usual(&self) -> Option<Duration> {
        self.schedule.estimate.map(DurationEstimate::typical)
    }

    /// The name of the step that runs, if one does.
    pub fn running_step(&self) -> Option<String> {
        self.steps.iter().find(|step| step.status == "running").map(|step| step.name.clone())
    }

    /// Writes what is left of a log whose last line has no end.
    pub fn close_log(&mut self) {
        if let Some(log) = &mut self.log {
            log.end();
        }
    }

    fn seen(&self) -> Option<&Build> {
        self.snapshot.as_ref().map(|snapshot| &snapshot.build)
    }

    /// Why nothing is known of the build, if it was not seen yet.
    pub fn unseen_because(&self) -> Option<&str> {
        self.poll_error.as_deref().filter(|_| self.snapshot.is_none())
    }

    fn shows_log(&self) -> bool {
        self.log.is_some() && !self.log_is_complete
    }

    /// How long the build has run, and how long it was or has been queued: what the service said, and the time since.
    fn age(&self, now: Timestamp) -> (Option<Duration>, Duration) {
        let since = now.since(self.polled_at);
        let build = self.snapshot.as_ref().map(|snapshot| &snapshot.build);
        let run = build.and_then(|build| build.run_seconds).map(|run| Duration::from_secs(run).saturating_add(since));
        // The service's clock may stand still; ours does not.
        let run = run.map(|run| run.max(self.running_since.map(|began| now.since(began)).unwrap_or_default()));
        let watched = now.since(self.began).saturating_add(self.limits.waited);
        let queued = match build.and_then(|build| build.queued_seconds) {
            Some(queued) if run.is_some() => Duration::from_secs(queued),
            Some(queued) => Duration::from_secs(queued).saturating_add(since).max(watched),
            None => watched,
        };
        (run, queued)
    }

    fn progress(&self, now: Timestamp) -> Progress {
        Progress { run: self.age(now).0, watched: now.since(self.began), is_sparing: self.backoff.is_scarce() }
    }

    /// The moment at which the first of the limits passes, and what to say then.
    fn deadline(&self, now: Timestamp) -> Option<(Timestamp, String)> {
        let (run, queued) = self.age(now);
        let limits = self.limits;
        let shown = |limit: Duration| humantime::format_duration(limit).to_string();
        let total = limits.total.map(|limit| {
            (self.began + limit.saturating_sub(limits.waited), format!("did not finish within {}", shown(limit)))
        });
        let phase = match run {
            Some(run) => {
                limits.run.map(|limit| (now + limit.saturating_sub(run), format!("ran longer than {}", shown(limit))))
            }
            None => limits
                .queue
                .map(|limit| (now + limit.saturating_sub(queued), format!("was queued longer than {}", shown(limit)))),
        };
        [total, phase].into_iter().flatten().min_by_key(|(at, _)| *at)
    }

    /// The next moment at which something is to be done.
    fn due(&self, now: Timestamp) -> Timestamp {
        let deadline = self.deadline(now).map(|(at, _)| at);
        [Some(self.next_poll), Some(self.next_heartbeat), deadline].into_iter().flatten().min().unwrap_or(now)
    }

    /// Does what is due at this moment.
    fn advance(&mut self, emit: Emit<'_>) {
        let now = self.clock.now();
        let passed = self.deadline(now).filter(|(at, _)| *at <= now);
        // At a deadline the build is polled once more, because it may have finished since the newest poll.
        if passed.is_some() || self.next_poll <= now {
            self.poll(emit);
        }
        let now = self.clock.now();
        if self.end.is_some() {
            return;
        }
        if let Some((_, why)) = self.deadline(now).filter(|(at, _)| *at <= now).or(passed) {
            self.end = Some(WatchEnd::TimedOut(why));
        } else if self.next_heartbeat <= now {
            let (run, queued) = self.age(now);
            emit(
                self.seen(),
                Event::Heartbeat {
                    running: run.is_some(),
                    step: self.running_step(),
                    age: run.unwrap_or(queued),
                    usual: self.usual(),
                },
            );
            self.next_heartbeat = now + self.heartbeat;
        } else if self.limits.once && self.was_polled_once() {
            self.end = Some(WatchEnd::StillRunning(self.next_call(now)));
        }
    }

    /// Whether a single poll has done what it can. A build that is finished is still waited for: its log is not complete.
    fn was_polled_once(&self) -> bool {
        let succeeded = self.failures.polls == 0 && self.snapshot.is_some() && self.ended_at.is_none();
        succeeded || self.failures.polls >= FAILURES_OF_ONE_POLL
    }

    /// The pause until another single poll is worthwhile: not before the build can be finished, seldom where that is
    /// unknown, in time for the limits, and while the reference is still known.
    fn next_call(&self, now: Timestamp) -> Duration {
        let limit = self.deadline(now).map(|(at, _)| at.since(now));
        let cap = |pause: Duration| limit.map_or(pause, |left| pause.min(left)).max(Duration::from_secs(1));
        if let Some(fixed) = self.schedule.fixed {
            return cap(fixed);
        }
        let (run, queued) = self.age(now);
        let foreseen = run.zip(self.usual()).is_some_and(|(run, usual)| run <= usual.mul_f64(1.25));
        let patience = if foreseen { Duration::ZERO } else { run.unwrap_or(queued) / LATE_BY };
        let planned = if self.provider.poll_interval(&self.build, false).is_some() {
            // The provider's own interval is for a caller that stays.
            self.schedule.pause(self.progress(now))
        } else {
            self.next_poll.since(now)
        };
        let pause = planned.max(patience).max(BETWEEN_CALLS);
        cap(self.provider.longest_absence(&self.build).map_or(pause, |longest| pause.min(longest)))
    }

    fn poll(&mut self, emit: Emit<'_>) {
        if self.is_running_by_its_steps(emit) {
            return;
        }
        let result = self.provider.poll(&mut self.build);
        let now = self.clock.now();
        if let Some(budget) = self.provider.budget() {
            self.backoff.note(budget);
        }
        for note in self.provider.take_notes(&mut self.build) {
            self.report(Event::Note(note), emit);
        }
        match result {
            Ok(snapshot) => {
                // A build that was named, not started: its name comes before its log.
                if !self.was_reached {
                    emit(None, Event::Note(format!("{}: {}", snapshot.build.title, snapshot.build.url)));
                }
                self.poll_succeeded();
                self.notice(snapshot, emit);
            }
            // The signal closed the connection: the loop ends by itself.
            Err(_) if self.clock.interrupted().is_some() => {}
            Err(failed) => self.poll_failed(failed, now, emit),
        }
    }

    /// Reports news, after which a heartbeat is not due for a while.
    fn report(&mut self, event: Event, emit: Emit<'_>) {
        emit(self.seen(), event);
        self.next_heartbeat = self.clock.now() + self.heartbeat;
    }

    fn poll_succeeded(&mut self) {
        self.failures = Failures::default();
        self.was_reached = true;
    }

    /// Long before the usual end the steps alone tell enough: one that runs, and none that ended badly, mean that the
    /// build is still running, for one request instead of two.
    fn is_running_by_its_steps(&mut self, emit: Emit<'_>) -> bool {
        let progress = self.progress(self.clock.now());
        let is_running = self.snapshot.as_ref().is_some_and(|seen| seen.phase == Phase::Running);
        // A provider with an interval of its own has more to show than steps.
        let has_own_interval = self.provider.poll_interval(&self.build, self.shows_log()).is_some();
        if !is_running
            || has_own_interval
            || self.schedule.estimate.is_none()
            || !self.schedule.wants_steps(progress)
            || !self.read_steps(emit)
        {
            return false;
        }
        let any = |status: &[&str]| self.steps.iter().any(|step| status.contains(&step.status.as_str()));
        if !any(&["running"]) || any(&["failed", "canceled"]) {
            return false;
        }
        self.poll_succeeded();
        self.read_log(false, emit);
        let now = self.clock.now();
        self.next_poll = now + self.backoff.stretch(self.schedule.pause(self.progress(now)), fastrand::f64());
        true
    }

    /// Takes in a snapshot: reports what changed, and plans the next poll.
    fn notice(&mut self, snapshot: BuildSnapshot, emit: Emit<'_>) {
        let now = self.clock.now();
        let (phase, has_number) = (snapshot.phase, snapshot.build.number.is_some());
        let ended = matches!(phase, Phase::Ended(_));
        let before = self.snapshot.as_ref().map(|seen| (seen.build.status.clone(), seen.build.commit.clone()));
        let (old_status, old_commit) = before.unwrap_or_default();
        // Of a build that is finished the error says that its word is unknown.
        let known = snapshot.known || ended;
        let status = Event::Status { status: snapshot.build.status.clone(), known };
        let mut new_status = (snapshot.build.status != old_status).then_some(status);
        let new_commit = snapshot.build.commit.clone().filter(|commit| Some(commit) != old_commit.as_ref());
        self.snapshot = Some(snapshot);
        self.polled_at = now;
        let is_running = self.seen().is_some_and(|build| build.run_seconds.is_some());
        self.running_since = if is_running { self.running_since.or(Some(now)) } else { None };
        // The end of a build is the last thing to say: its steps and its log come first.
        if let Some(status) = new_status.take_if(|_| !ended) {
            self.report(status, emit);
        }
        if let Some(commit) = new_commit {
            emit(self.seen(), Event::Commit(commit.clone()));
            if !ended && self.limits.commit.as_ref().is_some_and(|wanted| !is_commit(&commit, wanted)) {
                self.end = Some(WatchEnd::WrongCommit(commit));
            }
        }
        if !ended && self.schedule.estimate.is_none() {
            self.schedule.estimate = self.provider.estimate(&mut self.build, self.limits.once);
            if let Some(usual) = self.usual() {
                emit(self.seen(), Event::UsualDuration(usual));
            }
        }
        let log_is_read = self.read_steps_and_log(ended, emit);
        if ended && !log_is_read {
            self.ended_at.get_or_insert(now);
            // Said when the log is complete.
            if let (Some(seen), Some(_)) = (&mut self.snapshot, &new_status) {
                seen.build.status = old_status;
            }
        } else if let Some(status) = new_status {
            self.report(status, emit);
        }
        match phase {
            Phase::Running | Phase::Ended(_) if self.limits.until_started && has_number => {
                self.end = Some(WatchEnd::Started);
            }
            Phase::Ended(code) if log_is_read => self.end = Some(self.finished(code)),
            _ => {
                if self.end.is_none() {
                    self.end = self.provider.halted(&self.build).map(WatchEnd::Halted);
                }
                self.plan(self.clock.now());
            }
        }
    }

    /// Reads what is due of the steps and the log. True when nothing more is to be waited for in the log.
    fn read_steps_and_log(&mut self, ended: bool, emit: Emit<'_>) -> bool {
        // A log that is shown while it grows reports the steps itself.
        let log_reports_steps = P::LIVE_LOG && self.shows_log();
        if !log_reports_steps && (ended || self.schedule.wants_steps(self.progress(self.clock.now()))) {
            self.read_steps(emit);
        }
        let log_is_read = self.read_log(ended, emit);
        if log_reports_steps && ended && log_is_read {
            self.read_steps(emit);
        }
        log_is_read
    }

    fn plan(&mut self, now: Timestamp) {
        let own = self.provider.poll_interval(&self.build, self.shows_log()).filter(|_| self.schedule.fixed.is_none());
        let pause = own.unwrap_or_else(|| self.schedule.pause(self.progress(now)));
        let pause = if self.ended_at.is_some() { pause.min(RETRY_PAUSE.0) } else { pause };
        self.next_poll = if self.log_is_behind { now } else { now + self.backoff.stretch(pause, fastrand::f64()) };
    }

    /// The end of a build, unless it is of another commit than the expected one.
    fn finished(&self, code: ExitCode) -> WatchEnd {
        let commit = self.snapshot.as_ref().and_then(|seen| seen.build.commit.as_deref());
        match (commit, &self.limits.commit) {
            (Some(commit), Some(wanted)) if !is_commit(commit, wanted) => WatchEnd::WrongCommit(commit.to_owned()),
            _ => WatchEnd::Finished(code),
        }
    }

    /// Reports what is new among the steps; false if they cannot be had. They are news, not the truth about the end.
    fn read_steps(&mut self, emit: Emit<'_>) -> bool {
        let Ok(steps) = self.provider.steps(&self.build) else { return false };
        for (index, step) in steps.iter().enumerate() {
            let old = self.steps.get(index).map(|old| old.status.as_str());
            if old == Some(step.status.as_str()) || step.status == "pending" {
                continue;
            }
            if step.status == "running" && !P::LIVE_LOG && self.shows_log() {
                self.begun.push(step.clone());
            } else {
                self.report(Event::Step(step.clone()), emit);
            }
        }
        self.steps = steps;
        true
    }

    /// Shows what is new in the log, and then which steps began. True when nothing more is to be waited for.
    fn read_log(&mut self, ended: bool, emit: Emit<'_>) -> bool {
        let is_read = self.read_new_log(ended, emit);
        for step in std::mem::take(&mut self.begun) {
            self.report(Event::Step(step), emit);
        }
        is_read
    }

    fn read_new_log(&mut self, ended: bool, emit: Emit<'_>) -> bool {
        let Some(log) = &mut self.log else { return true };
        if self.log_is_complete || self.clock.interrupted().is_some() {
            return true;
        }
        let result = self.provider.read_log(&mut self.build, &self.steps, ended, &mut **log);
        let now = self.clock.now();
        self.log_is_behind = false;
        match result {
            Ok(LogState::Complete) => {
                log.end();
                self.log_is_complete = true;
                return true;
            }
            Ok(state) => self.log_is_behind = state == LogState::Behind,
            Err(failed) => {
                let why = failed.error.to_string();
                if self.log_error.as_ref() != Some(&why) && self.clock.interrupted().is_none() {
                    emit(
                        self.seen(),
                        Event::Note(format!("the log cannot be read: {why}; still waiting for the build")),
                    );
                    self.log_error = Some(why);
                }
                if ended && !failed.retryable {
                    return true;
                }
            }
        }
        if self.ended_at.is_some_and(|at| now.since(at) >= LOG_AFTER_END) {
            emit(
                self.seen(),
                Event::Note("the log was not closed although the build is finished; its end may be missing".to_owned()),
            );
            return true;
        }
        !ended
    }

    fn poll_failed(&mut self, failed: RequestError, now: Timestamp, emit: Emit<'_>) {
        self.failures.polls += 1;
        self.poll_error = Some(failed.error.to_string());
        let not_found_yet = self.snapshot.is_none() && failed.error.code() == ExitCode::NotFound;
        let watched = now.since(self.began);
        let shortest = self.schedule.fixed.unwrap_or(RETRY_PAUSE.0);
        // Polls of a single one each are one wait: together they are as patient as one call that stays.
        let is_patient = watched.saturating_add(self.limits.waited) < self.not_found_grace
            || self.limits.once && self.failures.polls < FAILURES_OF_ONE_POLL;
        if not_found_yet && is_patient {
            // The service says 404 for a while after a start; that is no news.
            self.next_poll = now + shortest;
            return;
        }
        if !failed.retryable {
            self.failures.refusals += 1;
            let since = *self.failures.refused_since.get_or_insert(now);
            let lasting = self.failures.refusals >= REFUSALS && (!self.was_reached || now.since(since) >= REFUSED_FOR);
            if lasting || not_found_yet {
                self.end = Some(WatchEnd::Unreachable(failed.error));
                return;
            }
        } else if !self.was_reached && watched >= UNREACHED_FOR {
            self.end = Some(WatchEnd::Unreachable(failed.error));
            return;
        }
        if let Some(asked) = failed.retry_after.filter(|asked| self.limits.once && *asked > RETRY_PAUSE.1) {
            // A single poll does not stay for as long as the service asks; the next one comes after that.
            self.end = Some(WatchEnd::StillRunning(asked));
            return;
        }
        let doubled = shortest.saturating_mul(1 << (self.failures.polls - 1).min(16));
        let pause = doubled.min(RETRY_PAUSE.1.max(shortest));
        let pause = failed.retry_after.map_or(pause, |asked| asked.max(pause));
        let pause = self.backoff.stretch(pause, fastrand::f64());
        self.report(Event::PollFailed { why: failed.error.to_string(), again: pause }, emit);
        self.next_poll = now + pause;
    }
}

/// Whether a hash is the wanted one, which may be given as its beginning.
fn is_commit(commit: &str, wanted: &str) -> bool {
    let (commit, wanted) = (commit.to_ascii_lowercase(), wanted.to_ascii_lowercase());
    commit == wanted || wanted.len() >= 7 && commit.starts_with(&wanted)
}

/// The pause until a first single poll of a build that was just started is worthwhile.
pub fn first_call(limits: &Limits, interval: Option<Duration>) -> Duration {
    let pause = interval.unwrap_or(BETWEEN_CALLS);
    [limits.queue, limits.run, limits.total].into_iter().flatten().fold(pause, Duration::min)
}

/// Polls builds until the wait for each has ended. `emit` gets the build as it was seen last and what was noticed.
pub fn watch_all<'a, P: Provider>(watches: &mut [Watch<'a, P>], clock: &dyn Clock, emit: Emit<'_>) {
    let end_all = |watches: &mut [Watch<'a, P>], end: &WatchEnd| {
        for watch in watches.iter_mut().filter(|watch| watch.end.is_none()) {
            watch.end = Some(end.clone());
        }
    };
    loop {
        if let Some(cause) = clock.stop_cause() {
            end_all(watches, &WatchEnd::Interrupted(cause));
        }
        let now = clock.now();
        let open = watches.iter_mut().filter(|watch| watch.end.is_none());
        let Some(watch) = open.min_by_key(|watch| watch.due(now)) else { return };
        let due = watch.due(now);
        if due > now {
            clock.sleep(due.since(now));
            continue;
        }
        watch.advance(emit);
        let has_failed = !matches!(
            watch.end,
            None | Some(WatchEnd::Finished(ExitCode::Success) | WatchEnd::StillRunning(_) | WatchEnd::Started)
        );
        if watch.limits.fail_fast && has_failed {
            end_all(watches, &WatchEnd::CanceledByFailFast);
        }
    }
}

#[cfg(test)]
#[path = "watch_tests.rs"]
mod tests;
