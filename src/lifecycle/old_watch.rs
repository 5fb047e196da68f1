//! The one watch loop: follows builds to their true end.
//!
//! It knows no HTTP and no provider: a [`Remote`] shows it the build, a clock gives it time, and what it notices leaves
//! as [`Event`]s. One bad look never ends a wait; only the build's own end, a deadline, a lasting refusal or a signal
//! does.

use std::time::Duration;

use crate::clock::{Clock, Timestamp};
use crate::error::{Error, ExitCode, RequestError};
use crate::http::RateLimit;
use crate::lifecycle::schedule::{DurationEstimate, PollSchedule, Progress, RateLimitBackoff};
use crate::model::{BuildSnapshot, Event, Phase, Step};

/// Silence after which a line says that the build still goes on.
const HEARTBEAT: Duration = Duration::from_secs(60);

/// Refusals in a row (key revoked, build deleted) after which there is nothing left to follow.
const REFUSALS: u32 = 3;

/// Misses in a row after which a single look is left to a later call.
const ENOUGH_MISSES: u32 = 3;

/// The shortest pause between single looks: each of them costs its caller an agent.
const BETWEEN_CALLS: Duration = Duration::from_secs(30);

/// The part of its age by which the end of a build may be noticed late where nothing tells when it comes.
const LATE_BY: u32 = 10;

/// The first pause after a miss; it doubles up to the second one.
const AFTER_MISS: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(30));

/// A build that can be looked at.
pub trait Remote {
    /// The build as it is now.
    fn look(&mut self) -> Result<BuildSnapshot, RequestError>;

    /// The build's steps so far.
    fn steps(&mut self) -> Result<Vec<Step>, RequestError>;

    /// What the newest answer left of the rate limit.
    fn budget(&self) -> Option<RateLimit>;

    /// How long such builds usually run, once that is known.
    fn usual(&self) -> Option<DurationEstimate>;

    /// The pause until the next look, where the remote knows better than the pace.
    fn pause(&self) -> Option<Duration> {
        None
    }

    /// What else the newest look showed, in words.
    fn notes(&mut self) -> Vec<String> {
        Vec::new()
    }
}

/// When following ends, if the build does not.
#[derive(Debug, Clone, Default)]
pub struct Limits {
    /// The longest time that a build may be queued.
    pub queue: Option<Duration>,
    /// The longest time that a build may run.
    pub run: Option<Duration>,
    /// The longest time that the call may follow.
    pub total: Option<Duration>,
    /// How long a build may be unknown to the service at first.
    pub unknown: Duration,
    /// The commit that the build must be of: its full hash or the beginning of it.
    pub commit: Option<String>,
    /// One look is enough: a build that goes on is left to a later call.
    pub once: bool,
}

/// Why following a build ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// The build ended, with the exit code that its end means.
    Ended(ExitCode),
    /// A limit passed: the sentence says which.
    TimedOut(String),
    /// The build is of another commit.
    WrongCommit(String),
    /// It cannot be followed any more.
    Unreachable(Error),
    /// A signal asked the process to end.
    Interrupted(ExitCode),
    /// It goes on, and one look was all that was asked for; the next one is worth while after this time.
    StillRunning(Duration),
    /// Another build of the same call ended badly first, and the call was to fail fast.
    CanceledByFailFast,
}

/// One build that is followed. The loop sees its remote as a `dyn Remote`, so it is compiled once for all of them.
pub struct Watch<R: ?Sized> {
    limits: Limits,
    pace: PollSchedule,
    pressure: RateLimitBackoff,
    /// The newest snapshot.
    pub snapshot: Option<BuildSnapshot>,
    /// The newest list of steps.
    pub steps: Vec<Step>,
    /// Why following ended; `None` while it goes on.
    pub end: Option<End>,
    began: Timestamp,
    seen_at: Timestamp,
    next_look: Timestamp,
    next_beat: Timestamp,
    misses: u32,
    refusals: u32,
    /// The build behind it; last, because only the last field can be of unknown size.
    pub remote: R,
}

impl<R: Remote> Watch<R> {
    /// A watch whose first look is due at `first_look` (on `clock`).
    pub fn new(remote: R, limits: Limits, pace: PollSchedule, clock: &dyn Clock, first_look: Duration) -> Self {
        let now = clock.now();
        Self {
            limits,
            pace,
            pressure: RateLimitBackoff::default(),
            snapshot: None,
            steps: Vec::new(),
            end: None,
            began: now,
            seen_at: now,
            next_look: now + first_look,
            next_beat: now + HEARTBEAT,
            misses: 0,
            refusals: 0,
            remote,
        }
    }

    /// How long such builds usually run, if that is known by now.
    pub fn usual(&self) -> Option<Duration> {
        self.pace.estimate.map(DurationEstimate::typical)
    }
}

impl Watch<dyn Remote + '_> {
    /// How long the build has run or been queued by now: what the service said, and the time since.
    fn age(&self, now: Timestamp) -> (Option<Duration>, Duration) {
        let since = now.since(self.seen_at);
        let build = self.snapshot.as_ref().map(|snapshot| &snapshot.build);
        let run = build.and_then(|build| build.run_seconds).map(|run| Duration::from_secs(run) + since);
        let queued = match build.and_then(|build| build.queued_seconds) {
            Some(queued) if run.is_some() => Duration::from_secs(queued),
            Some(queued) => Duration::from_secs(queued) + since,
            None => now.since(self.began),
        };
        (run, queued)
    }

    fn view(&self, now: Timestamp) -> Progress {
        Progress { run: self.age(now).0, watched: now.since(self.began) }
    }

    /// The moment at which the first of the limits passes, and what to say then.
    fn deadline(&self, now: Timestamp) -> Option<(Timestamp, String)> {
        let (run, queued) = self.age(now);
        let shown = |limit: Duration| humantime::format_duration(limit).to_string();
        let total =
            self.limits.total.map(|limit| (self.began + limit, format!("it did not end within {}", shown(limit))));
        let phase = match run {
            Some(run) => self
                .limits
                .run
                .map(|limit| (now + limit.saturating_sub(run), format!("it ran longer than {}", shown(limit)))),
            None => self.limits.queue.map(|limit| {
                (now + limit.saturating_sub(queued), format!("it was queued longer than {}", shown(limit)))
            }),
        };
        [total, phase].into_iter().flatten().min_by_key(|(at, _)| *at)
    }

    /// The next moment at which something is to be done.
    fn due(&self, now: Timestamp) -> Timestamp {
        let deadline = self.deadline(now).map(|(at, _)| at);
        [Some(self.next_look), Some(self.next_beat), deadline].into_iter().flatten().min().unwrap_or(now)
    }

    /// Does what is due at this moment.
    fn advance(&mut self, clock: &dyn Clock, emit: &mut dyn FnMut(Event)) {
        let passed = self.deadline(clock.now()).filter(|(at, _)| *at <= clock.now());
        // At a deadline the build gets a last look, because it may have ended since the newest one.
        if passed.is_some() || self.next_look <= clock.now() {
            self.look(clock, emit);
        }
        let now = clock.now();
        if self.end.is_none() {
            if let Some((_, why)) = self.deadline(now).filter(|(at, _)| *at <= now).or(passed) {
                self.end = Some(End::TimedOut(why));
            } else if self.next_beat <= now {
                let (run, queued) = self.age(now);
                emit(Event::Heartbeat {
                    running: run.is_some(),
                    step: self.steps.iter().find(|step| step.status == "running").map(|step| step.name.clone()),
                    age: run.unwrap_or(queued),
                    usual: self.pace.estimate.map(DurationEstimate::typical),
                });
                self.next_beat = now + HEARTBEAT;
            } else if self.limits.once && (self.misses == 0 && self.snapshot.is_some() || self.misses >= ENOUGH_MISSES)
            {
                self.end = Some(End::StillRunning(self.next_call(now)));
            }
        }
    }

    /// The pause until another single look is worth while: not before the build can be done, seldom where that is
    /// unknown, and in time for the limits.
    fn next_call(&self, now: Timestamp) -> Duration {
        let (run, queued) = self.age(now);
        let foreseen = run.zip(self.pace.estimate).is_some_and(|(run, usual)| run <= usual.typical().mul_f64(1.25));
        let patience =
            if foreseen || self.pace.fixed.is_some() { Duration::ZERO } else { run.unwrap_or(queued) / LATE_BY };
        let planned = match self.remote.pause() {
            // A pause of its own is that of somebody who stays.
            Some(_) => self.pace.pause(self.view(now)),
            None => self.next_look.since(now),
        };
        let pause = planned.max(patience).max(BETWEEN_CALLS);
        self.deadline(now).map_or(pause, |(at, _)| pause.min(at.since(now).max(Duration::from_secs(1))))
    }

    fn look(&mut self, clock: &dyn Clock, emit: &mut dyn FnMut(Event)) {
        if self.goes_on_by_its_steps(clock, emit) {
            return;
        }
        let result = self.remote.look();
        let now = clock.now();
        if let Some(budget) = self.remote.budget() {
            self.pressure.note(now, budget);
        }
        for note in self.remote.notes() {
            emit(Event::Note(note));
            self.next_beat = now + HEARTBEAT;
        }
        match result {
            Ok(snapshot) => {
                (self.misses, self.refusals) = (0, 0);
                self.notice(snapshot, clock, emit);
            }
            // The signal closed the connection: the loop ends by itself.
            Err(_) if clock.interrupted().is_some() => {}
            Err(miss) => self.miss(miss, now, emit),
        }
    }

    /// Long before the usual end the steps alone tell enough: one that runs, and none that ended badly, mean that the
    /// build goes on, for one request instead of two.
    fn goes_on_by_its_steps(&mut self, clock: &dyn Clock, emit: &mut dyn FnMut(Event)) -> bool {
        let view = self.view(clock.now());
        let runs = self.snapshot.as_ref().is_some_and(|seen| seen.phase == Phase::Running);
        // A remote with a pace of its own has more to show than steps.
        let runs = runs && self.remote.pause().is_none();
        if !runs
            || self.pace.estimate.is_none()
            || !self.pace.wants_steps(view)
            || !self.look_at_steps(clock.now(), emit)
        {
            return false;
        }
        let any = |status: &[&str]| self.steps.iter().any(|step| status.contains(&step.status.as_str()));
        if !any(&["running"]) || any(&["failed", "canceled"]) {
            return false;
        }
        (self.misses, self.refusals) = (0, 0);
        let now = clock.now();
        self.next_look = now + self.pressure.stretch(self.pace.pause(self.view(now)), fastrand::f64());
        true
    }

    /// Takes in a snapshot: tells what changed, and plans the next look.
    fn notice(&mut self, snapshot: BuildSnapshot, clock: &dyn Clock, emit: &mut dyn FnMut(Event)) {
        let now = clock.now();
        let before = self.snapshot.as_ref().map(|seen| (seen.build.status.clone(), seen.build.commit.clone()));
        let (old_status, old_commit) = before.unwrap_or_default();
        let ended = matches!(snapshot.phase, Phase::Ended(_));
        if snapshot.build.status != old_status {
            emit(Event::Status { status: snapshot.build.status.clone(), known: snapshot.known });
            self.next_beat = now + HEARTBEAT;
        }
        if let Some(commit) = snapshot.build.commit.as_ref().filter(|commit| Some(*commit) != old_commit.as_ref()) {
            emit(Event::Commit(commit.clone()));
            if self.limits.commit.as_ref().is_some_and(|wanted| !same_commit(commit, wanted)) && !ended {
                self.end = Some(End::WrongCommit(commit.clone()));
            }
        }
        if let (None, Some(usual)) = (self.pace.estimate, self.remote.usual()) {
            self.pace.estimate = Some(usual);
            emit(Event::UsualDuration(usual.typical()));
        }
        let phase = snapshot.phase;
        self.snapshot = Some(snapshot);
        self.seen_at = now;
        let view = self.view(now);
        if ended || self.pace.wants_steps(view) {
            self.look_at_steps(now, emit);
        }
        if let Phase::Ended(code) = phase {
            self.end = Some(self.judged(code));
        } else {
            let own = self.remote.pause().filter(|_| self.pace.fixed.is_none());
            let pause = own.unwrap_or_else(|| self.pace.pause(view));
            self.next_look = clock.now() + self.pressure.stretch(pause, fastrand::f64());
        }
    }

    /// The end of a build, unless it is of another commit than the expected one.
    fn judged(&self, code: ExitCode) -> End {
        let commit = self.snapshot.as_ref().and_then(|seen| seen.build.commit.as_deref());
        match (commit, &self.limits.commit) {
            (Some(commit), Some(wanted)) if !same_commit(commit, wanted) => End::WrongCommit(commit.to_owned()),
            _ => End::Ended(code),
        }
    }

    /// Tells what is new among the steps; false if they cannot be had. Steps are news, not the truth about the end.
    fn look_at_steps(&mut self, now: Timestamp, emit: &mut dyn FnMut(Event)) -> bool {
        let Ok(steps) = self.remote.steps() else { return false };
        for (index, step) in steps.iter().enumerate() {
            let old = self.steps.get(index).map(|old| old.status.as_str());
            if old != Some(step.status.as_str()) && step.status != "pending" {
                emit(Event::Step(step.clone()));
                self.next_beat = now + HEARTBEAT;
            }
        }
        self.steps = steps;
        true
    }

    fn miss(&mut self, miss: RequestError, now: Timestamp, emit: &mut dyn FnMut(Event)) {
        self.misses += 1;
        let unknown_yet = self.snapshot.is_none() && miss.error.code() == ExitCode::NotFound;
        if unknown_yet && now.since(self.began) < self.limits.unknown {
            // The service says 404 for a while after a start; that is no news.
            self.next_look = now + self.pace.fixed.unwrap_or(AFTER_MISS.0);
            return;
        }
        if miss.retryable {
            self.refusals = 0;
        } else {
            self.refusals += 1;
            if self.refusals >= REFUSALS || unknown_yet {
                self.end = Some(End::Unreachable(miss.error));
                return;
            }
        }
        let pause = AFTER_MISS.0.saturating_mul(1 << (self.misses - 1).min(8)).min(AFTER_MISS.1);
        let pause = self.pace.fixed.unwrap_or(pause);
        let pause = self.pressure.stretch(miss.retry_after.map_or(pause, |asked| asked.max(pause)), fastrand::f64());
        emit(Event::PollFailed { why: miss.error.to_string(), again: pause });
        self.next_beat = now + HEARTBEAT;
        self.next_look = now + pause;
    }
}

/// Whether a hash is the wanted one, which may be given as its beginning.
fn same_commit(commit: &str, wanted: &str) -> bool {
    let (commit, wanted) = (commit.to_ascii_lowercase(), wanted.to_ascii_lowercase());
    commit == wanted || wanted.len() >= 7 && commit.starts_with(&wanted)
}

/// Follows builds until each has ended. With `fail_fast` the first bad end abandons the others.
/// `emit` gets the number of the watch and what it noticed.
pub fn follow<R: Remote>(
    watches: &mut [Watch<R>],
    fail_fast: bool,
    clock: &dyn Clock,
    emit: &mut dyn FnMut(usize, &Watch<R>, Event),
) {
    loop {
        if let Some(code) = clock.interrupted() {
            watches
                .iter_mut()
                .filter(|watch| watch.end.is_none())
                .for_each(|watch| watch.end = Some(End::Interrupted(code)));
        }
        let now = clock.now();
        let Some(next) = (0..watches.len())
            .filter(|n| watches[*n].end.is_none())
            .min_by_key(|n| Watch::<dyn Remote>::due(&watches[*n], now))
        else {
            return;
        };
        let due = Watch::<dyn Remote>::due(&watches[next], now);
        if due > now {
            clock.sleep(due.since(now));
            continue;
        }
        let mut events = Vec::new();
        Watch::<dyn Remote>::advance(&mut watches[next], clock, &mut |event| events.push(event));
        for event in events {
            emit(next, &watches[next], event);
        }
        let bad = watches[next]
            .end
            .as_ref()
            .is_some_and(|end| !matches!(end, End::Ended(ExitCode::Success) | End::StillRunning(_)));
        if fail_fast && bad {
            watches
                .iter_mut()
                .filter(|watch| watch.end.is_none())
                .for_each(|watch| watch.end = Some(End::CanceledByFailFast));
        }
    }
}

#[cfg(test)]
#[path = "old_watch_tests.rs"]
mod tests;
