//! A provider whose builds follow a script, and a clock that takes no time, for the tests of this room.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use crate::clock::{Clock, Interrupt, StopCause, Timestamp};
use crate::download::Attempts;
use crate::error::{Error, ExitCode, RequestError};
use crate::http::{Http, HttpOptions, Method, Request, Url};
use crate::lifecycle::provider::{
    CancelMode, Canceled, LogSink, LogState, Mark, Provider, RemoteArtifact, Search, StartError, StartTrace, Started,
    TestReport,
};
use crate::lifecycle::runtime::Runtime;
use crate::lifecycle::schedule::DurationEstimate;
use crate::model::{Build, BuildFailure, BuildSnapshot, Phase, Step};
use crate::output::Console;

/// A clock that jumps to the end of each sleep.
#[derive(Clone, Default)]
pub struct JumpClock(Arc<Mutex<JumpState>>);

#[derive(Default)]
struct JumpState {
    now: Timestamp,
    interrupt_at: Option<Timestamp>,
}

impl JumpClock {
    /// A clock that shows this many seconds.
    pub fn at(seconds: u64) -> Self {
        let clock = Self::default();
        clock.0.lock().unwrap().now = Timestamp::START + Duration::from_secs(seconds);
        clock
    }

    /// Raises SIGTERM at this second.
    pub fn interrupt_at(&self, seconds: u64) {
        self.0.lock().unwrap().interrupt_at = Some(Timestamp::START + Duration::from_secs(seconds));
    }

    /// The whole seconds that it shows.
    pub fn seconds(&self) -> u64 {
        self.now().since(Timestamp::START).as_secs()
    }
}

impl Clock for JumpClock {
    fn now(&self) -> Timestamp {
        self.0.lock().unwrap().now
    }

    fn wall(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + self.now().since(Timestamp::START)
    }

    fn sleep(&self, pause: Duration) {
        let mut state = self.0.lock().unwrap();
        state.now = state.now + pause;
    }

    fn stop_cause(&self) -> Option<StopCause> {
        let state = self.0.lock().unwrap();
        state.interrupt_at.filter(|at| *at <= state.now).map(|_| StopCause::Terminate)
    }
}

/// What a call on this clock runs with.
pub fn runtime(clock: &JumpClock) -> Runtime {
    Runtime {
        console: Console::default(),
        clock: Arc::new(clock.clone()),
        interrupt: Interrupt::default(),
        deadline: None,
    }
}

/// A failed request.
pub fn failed(code: ExitCode, retryable: bool) -> RequestError {
    RequestError { error: Error::new(code, "reading build 1", "no"), retryable, retry_after: None }
}

/// A build that is queued, runs and ends at fixed seconds.
#[derive(Clone)]
pub struct Script {
    pub id: u64,
    /// How long it is queued.
    pub queued: u64,
    /// How long it runs.
    pub run: u64,
    /// Its last status and phase.
    pub end: (&'static str, Phase),
    /// Polls between these seconds fail.
    pub failures: Vec<(u64, u64, RequestError)>,
    /// Reading the log between these seconds fails.
    pub log_failures: Vec<(u64, u64, RequestError)>,
    /// Why it halts once it runs.
    pub halted: Option<&'static str>,
    /// The second up to which its log stays open.
    pub log_until: u64,
}

impl Script {
    /// A build that succeeds.
    pub fn new(queued: u64, run: u64) -> Self {
        Self {
            id: 1,
            queued,
            run,
            end: ("finished", Phase::Ended(ExitCode::Success)),
            failures: Vec::new(),
            log_failures: Vec::new(),
            halted: None,
            log_until: 0,
        }
    }
}

/// The ids that a search finds, and whether it covered everything.
pub type Found = Result<(Vec<u64>, bool), RequestError>;

/// The provider of scripted builds. Each poll takes a tenth of a second.
#[derive(Default)]
pub struct Fake {
    pub clock: JumpClock,
    /// How long builds usually run.
    pub estimate: Option<DurationEstimate>,
    pub interval: Option<Duration>,
    /// What was asked, in order: `poll 1`, `steps 1`, `start`, `find Key`, `cancel 1`.
    pub requests: Arc<Mutex<Vec<String>>>,
    /// What starts give, in order.
    pub starts: Mutex<VecDeque<Result<u64, StartError>>>,
    /// What searches find, in order; the last one is repeated.
    pub searches: Mutex<VecDeque<Found>>,
    /// What canceling gives, in order; `canceled` after that.
    pub cancels: Arc<Mutex<VecDeque<Result<Canceled, RequestError>>>>,
    /// How long each of them takes.
    pub cancel_takes: Duration,
}

impl Fake {
    /// How many requests of a kind were sent.
    pub fn count(&self, kind: &str) -> usize {
        self.requests.lock().unwrap().iter().filter(|request| request.starts_with(kind)).count()
    }

    fn note(&self, request: String) {
        self.requests.lock().unwrap().push(request);
    }
}

/// A reference to nothing: the tests make their builds themselves.
pub struct NoReference;

impl fmt::Display for NoReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("nothing")
    }
}

/// What the requests of a test ask for.
pub struct FakeRequest {
    /// Whether an idempotency key was given.
    pub has_key: bool,
    /// Whether the start can be searched.
    pub is_searchable: bool,
}

fn find(failures: &[(u64, u64, RequestError)], now: u64) -> Option<&RequestError> {
    failures.iter().find(|(from, to, _)| (*from..*to).contains(&now)).map(|(_, _, error)| error)
}

impl Provider for Fake {
    type Build = Script;
    type Reference = NoReference;
    type Request = FakeRequest;

    const ARTIFACTS_HINT: &'static str = "make some";
    const FIRST_POLL: Duration = Duration::ZERO;
    const LIVE_LOG: bool = true;
    const NAME: &'static str = "fake";
    const SEARCH_PAUSES: &'static [Duration] = &[Duration::from_secs(1), Duration::from_secs(2)];
    const STEP: &'static str = "step";

    fn build(&self, _: &NoReference) -> Result<Script, Error> {
        Ok(Script::new(1, 1))
    }

    fn resolve(&self, _: &mut Script) -> Result<(), RequestError> {
        Ok(())
    }

    fn summary(&self, build: &Script) -> Build {
        let id = build.id.to_string();
        Build { title: format!("build {id}"), url: format!("https://ci.example/{id}"), id, ..Build::default() }
    }

    fn is_same(&self, one: &Script, other: &Script) -> bool {
        one.id == other.id
    }

    fn shutdown_provider(&self, _: Duration) -> Self {
        Self {
            clock: self.clock.clone(),
            requests: Arc::clone(&self.requests),
            cancels: Arc::clone(&self.cancels),
            cancel_takes: self.cancel_takes,
            searches: Mutex::new(self.searches.lock().unwrap().drain(..).collect()),
            ..Self::default()
        }
    }

    fn start(&self, _: &FakeRequest) -> Result<Started<Script>, StartError> {
        self.note("start".to_owned());
        let id = self.starts.lock().unwrap().pop_front().expect("one more start")?;
        Ok(Started { build: Script { id, ..Script::new(1, 10) }, coalesced: false })
    }

    fn find_started(&self, _: &FakeRequest, by: Mark) -> Result<Search<Script>, RequestError> {
        self.note(format!("find {by:?}"));
        let mut searches = self.searches.lock().unwrap();
        let next = if searches.len() > 1 { searches.pop_front() } else { searches.front().cloned() };
        let (ids, is_conclusive) = next.unwrap_or(Ok((Vec::new(), true)))?;
        let builds = ids.into_iter().map(|id| Script { id, ..Script::new(1, 10) }).collect();
        Ok(Search { builds, is_conclusive, refusal: None })
    }

    fn trace(&self, request: &FakeRequest) -> StartTrace {
        StartTrace {
            subject: "app a".to_owned(),
            is_searchable: request.is_searchable,
            has_key: request.has_key,
            found_by: "its label".to_owned(),
            hint: "look for it".to_owned(),
        }
    }

    fn poll(&self, build: &mut Script) -> Result<BuildSnapshot, RequestError> {
        self.note(format!("poll {}", build.id));
        self.clock.sleep(Duration::from_millis(100));
        let now = self.clock.seconds();
        assert_ne!(build.end.0, "panic", "a bug");
        if let Some(error) = find(&build.failures, now) {
            return Err(error.clone());
        }
        let (status, phase) = match now {
            now if now < build.queued => ("queued", Phase::Queued),
            now if now < build.queued + build.run => ("building", Phase::Running),
            _ => build.end,
        };
        let run = now.checked_sub(build.queued).map(|run| run.min(build.run));
        let seen = Build {
            status: status.to_owned(),
            number: run.map(|_| build.id),
            commit: run.map(|_| "c5f94176aa".to_owned()),
            queued_seconds: Some(now.min(build.queued)),
            run_seconds: run,
            ..self.summary(build)
        };
        Ok(BuildSnapshot { build: seen, phase, known: status != "dreaming", artifacts: Vec::new() })
    }

    fn steps(&self, build: &Script) -> Result<Vec<Step>, RequestError> {
        self.note(format!("steps {}", build.id));
        let status = if self.clock.seconds() < build.queued + build.run { "running" } else { "success" };
        Ok(vec![Step { name: "Build".into(), status: status.into(), seconds: Some(1) }])
    }

    fn halted(&self, build: &Script) -> Option<String> {
        build.halted.filter(|_| self.clock.seconds() >= build.queued).map(str::to_owned)
    }

    fn estimate(&self, _: &mut Script, _: bool) -> Option<DurationEstimate> {
        self.estimate
    }

    fn poll_interval(&self, _: &Script, _: bool) -> Option<Duration> {
        self.interval
    }

    fn not_found_grace(&self, started: bool) -> Duration {
        Duration::from_secs(if started { 120 } else { 15 })
    }

    fn read_log(
        &self,
        build: &mut Script,
        _: &[Step],
        _: bool,
        log: &mut dyn LogSink,
    ) -> Result<LogState, RequestError> {
        let now = self.clock.seconds();
        if let Some(error) = find(&build.log_failures, now) {
            return Err(error.clone());
        }
        log.write(b"line\n");
        Ok(if now >= build.log_until { LogState::Complete } else { LogState::Open })
    }

    fn cancel(&self, build: &Script, how: CancelMode) -> Result<Canceled, RequestError> {
        let quick = if matches!(how, CancelMode::Quick) { " quickly" } else { "" };
        self.note(format!("cancel {}{quick}", build.id));
        self.clock.sleep(self.cancel_takes);
        let next = self.cancels.lock().unwrap().pop_front();
        next.unwrap_or_else(|| Ok(Canceled::Canceled("canceled".to_owned())))
    }

    fn failure(&self, _: &Script, lines: usize) -> Result<BuildFailure, RequestError> {
        let log_tail = (0..lines.min(2)).map(|line| format!("line {line}")).collect();
        Ok(BuildFailure { message: Some("exit code 65".into()), step: Some("Build".into()), log_tail })
    }

    fn describe_end(&self, _: &Build, code: ExitCode) -> String {
        if code == ExitCode::Canceled { "was canceled".to_owned() } else { "failed".to_owned() }
    }

    fn artifacts(&self, build: &Script) -> Result<(BuildSnapshot, Vec<RemoteArtifact>), RequestError> {
        Ok((self.poll(&mut build.clone())?, Vec::new()))
    }

    fn artifact_request(&self, _: &Script, _: &RemoteArtifact, _: Attempts) -> Result<Request, RequestError> {
        Ok(Request::new(Method::Get, Url::parse("https://ci.example/a").unwrap()))
    }

    fn downloads(&self) -> Http {
        let minute = Duration::from_secs(60);
        let options = HttpOptions {
            ca_cert: None,
            client_cert: None,
            client_key: None,
            keep_idle: minute,
            connect_timeout: minute,
            answer_timeout: minute,
            allow_http: false,
        };
        Http::new(options, Vec::new(), Interrupt::default(), None)
    }

    fn tests(&self, _: &Script) -> Result<TestReport, RequestError> {
        Ok(TestReport::default())
    }
}
