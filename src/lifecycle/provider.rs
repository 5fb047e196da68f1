//! What the life of a remote build needs from the system that runs it: one trait, implemented for Codemagic and for
//! Jenkins.
//!
//! The rooms above (`start`, `watch`, `finish`, `collect`) are written once against this trait. It must not know a
//! provider, the console or the command line.

use std::fmt::Display;
use std::rc::Rc;
use std::time::Duration;

use crate::download::Attempts;
use crate::error::{Error, ExitCode, RequestError};
use crate::http::{Http, RateLimit, Request, Url};
use crate::lifecycle::schedule::DurationEstimate;
use crate::model::{Artifact, Build, BuildFailure, BuildSnapshot, Step, TestCase, TestCounts, TestStatus, TestSuite};

/// A system that runs builds, reached with the credentials of this call.
///
/// `Send` and `Sync`, because many builds are canceled side by side in threads. Each method is one attempt: the rooms above
/// repeat it.
pub trait Provider: Send + Sync {
    /// A reference to an existing build as the command line gives it, already parsed: an id, a page, `latest`, …
    type Reference: Display;

    /// A request to start a build. It exists only when it is complete, and carries the mark of this start (a label or
    /// a parameter whose value no other build has) and the idempotency key, if one was given.
    type Request: Sync;

    /// A build as this provider follows it: its reference and what was learned of it.
    type Build: Send + Sync;

    /// The name in documents: `codemagic` or `jenkins`.
    const NAME: &'static str;

    /// What a start is once it was accepted: `started`, or `queued` where the build follows later.
    const STARTED: &'static str = "started";

    /// The provider's word for a part of a build: `step` or `stage`.
    const STEP: &'static str;

    /// The pauses before each search for a build whose start was not answered: long enough for a list that lags, and
    /// for a service that restarts.
    const SEARCH_PAUSES: &'static [Duration];

    /// The pause between a start and the first poll: before it there is nothing to see.
    const FIRST_POLL: Duration;

    /// Whether [`Provider::read_log`] shows the log while it grows. Then it reports the steps itself, and the steps are
    /// read when it is complete.
    const LIVE_LOG: bool;

    /// How a build gets artifacts, for somebody who finds none: `list them under artifacts: in the workflow`.
    const ARTIFACTS_HINT: &'static str;

    /// The build behind a reference. Sends nothing.
    fn build(&self, reference: &Self::Reference) -> Result<Self::Build, Error>;

    /// Finds out which build a reference such as `latest`, `lastBuild` or a queue item means. Does nothing, and sends
    /// nothing, for a build whose id is known. A queue item that has no build yet is left as it is.
    fn resolve(&self, _build: &mut Self::Build) -> Result<(), RequestError>;

    /// The build as far as it is known without a request: `title` and `id` are always filled in; what is not
    /// known yet (`status` before the first poll) is empty.
    fn summary(&self, build: &Self::Build) -> Build;

    /// Whether both are the same remote build.
    fn is_same(&self, one: &Self::Build, other: &Self::Build) -> bool;

    /// The same provider for the last requests of a process that is asked to end: the interrupt does not end them,
    /// each takes at most `limit`, and a connection that is already open is used.
    fn shutdown_provider(&self, limit: Duration) -> Self
    where
        Self: Sized;

    /// Sends the start. It is sent again only if it certainly did nothing: no connection, or rejected unread.
    fn start(&self, request: &Self::Request) -> Result<Started<Self::Build>, StartError>;

    /// Searches for builds that carry a mark of `request`.
    fn find_started(&self, request: &Self::Request, by: Mark) -> Result<Search<Self::Build>, RequestError>;

    /// What a start is recognized by, and where a person looks for it.
    fn trace(&self, request: &Self::Request) -> StartTrace;

    /// The build as it is now.
    fn poll(&self, build: &mut Self::Build) -> Result<BuildSnapshot, RequestError>;

    /// What else the newest poll noticed, in sentences for people; taken, so that each is reported once. Called after a
    /// poll that failed, too.
    fn take_notes(&self, _build: &mut Self::Build) -> Vec<String> {
        Vec::new()
    }

    /// The steps of the build so far, in order.
    fn steps(&self, _build: &Self::Build) -> Result<Vec<Step>, RequestError>;

    /// Why this program gives up on a build that still runs: it asks a person, and nobody is to be asked.
    fn halted(&self, _build: &Self::Build) -> Option<String> {
        None
    }

    /// What the newest answer left of the rate limit.
    fn budget(&self) -> Option<RateLimit> {
        None
    }

    /// How long such builds usually run. `now` is set when no later poll can learn it for free (`wait --once`): a
    /// request may be spent on it.
    fn estimate(&self, build: &mut Self::Build, now: bool) -> Option<DurationEstimate>;

    /// The pause until the next poll, where the provider knows better than the schedule. `_log` is set while the log is
    /// shown as it grows.
    fn poll_interval(&self, _build: &Self::Build, _log: bool) -> Option<Duration> {
        None
    }

    /// The longest time that may pass between two polls before the reference is lost: Jenkins forgets a queue item five
    /// minutes after it left the queue.
    fn longest_absence(&self, _build: &Self::Build) -> Option<Duration> {
        None
    }

    /// How long the service may not know (404) a build: one that this call has just `started`, or one that was named.
    fn not_found_grace(&self, started: bool) -> Duration;

    /// Writes to `log` what is new in the build's log since the last call. `steps` are the newest ones known, `ended`
    /// is set when the build has ended. An unreadable log is no error of the build: the watch continues.
    fn read_log(
        &self,
        build: &mut Self::Build,
        steps: &[Step],
        ended: bool,
        log: &mut dyn LogSink,
    ) -> Result<LogState, RequestError>;

    /// How to see what comes after the part of the log that was shown, if that can be asked for.
    fn resume_log_hint(&self, _build: &Self::Build) -> Option<String> {
        None
    }

    /// Cancels the build, or the queue item that it still is. A build that has ended is no error.
    fn cancel(&self, build: &Self::Build, how: CancelMode) -> Result<Canceled, RequestError>;

    /// Why the build did not succeed, with the last `lines` lines of the log that shows it (none are read for 0).
    fn failure(&self, build: &Self::Build, lines: usize) -> Result<BuildFailure, RequestError>;

    /// How the build ended, as the predicate of a sentence whose subject is its title: `failed`, `was aborted`.
    fn describe_end(&self, build: &Build, code: ExitCode) -> String;

    /// The build and its artifacts, in one request.
    fn artifacts(&self, build: &Self::Build) -> Result<(BuildSnapshot, Vec<RemoteArtifact>), RequestError>;

    /// Adds the sums that only another request gives. An error leaves the artifacts as they were.
    fn add_sums(&self, _build: &Self::Build, _artifacts: &mut [RemoteArtifact]) -> Result<(), RequestError> {
        Ok(())
    }

    /// The GET for an artifact, with a link that is valid now; `attempts` went before. The provider renews links that end.
    fn artifact_request(
        &self,
        build: &Self::Build,
        artifact: &RemoteArtifact,
        attempts: Attempts,
    ) -> Result<Request, RequestError>;

    /// Connections for downloads.
    fn downloads(&self) -> Http;

    /// The test results of the build; a report without tests where there are none.
    fn tests(&self, build: &Self::Build) -> Result<TestReport, RequestError>;
}

/// Why a start gave no build.
#[derive(Debug)]
pub enum StartError {
    /// Certainly nothing was started.
    NotStarted(Error),
    /// A build may have been started: the answer was lost, or is none.
    Ambiguous(Error),
}

/// A start that was accepted.
#[derive(Debug)]
pub struct Started<B> {
    pub build: B,
    /// Jenkins merged the request into an identical queued item of somebody else.
    pub coalesced: bool,
}

/// By what a build is searched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// The mark of this very start.
    Start,
    /// The idempotency key.
    Key,
}

/// What a search for a started build found.
#[derive(Debug)]
pub struct Search<B> {
    /// The builds that carry the mark, the oldest first; those that were canceled come last. By [`Mark::Start`] at most
    /// one: none when several could be it.
    pub builds: Vec<B>,
    /// Whether the search covered everything that the build could be in, so that finding none means that there is none.
    /// False where no list shows the builds of this app.
    pub is_conclusive: bool,
    /// Why a list could not be read, if one could not.
    pub refusal: Option<Error>,
}

/// What a start is recognized by.
#[derive(Debug, Clone, Default)]
pub struct StartTrace {
    /// What is started, for messages: `app 60a0…`, `job team/app`.
    pub subject: String,
    /// Whether the start can be distinguished from others at all.
    pub is_searchable: bool,
    /// Whether an idempotency key was given.
    pub has_key: bool,
    /// By what a found build is recognized: `its label`, `its user, time and parameters`.
    pub found_by: String,
    /// What a person does before starting another: `look for the label L on PAGE`.
    pub hint: String,
}

/// How hard and how long to cancel.
#[derive(Clone, Copy)]
pub enum CancelMode<'a> {
    /// By a process that is about to end: ask, check that the request took effect, and return.
    Quick,
    /// Until the build has ended: a Jenkins build is stopped, then terminated, then killed, each followed by a wait of at
    /// most `patience`. `progress` gets a line before each escalation.
    Thorough {
        /// The longest wait for the end after each request.
        patience: Duration,
        /// Takes lines for the console.
        progress: &'a (dyn Fn(&str) + Sync),
    },
}

/// What canceling came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Canceled {
    /// It is canceled, in words that follow "it was": `canceled`, `canceled in the queue`, `stopped by term`.
    Canceled(String),
    /// It had ended before, with this status in the provider's own word.
    AlreadyEnded(String),
}

/// How much of the log was shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogState {
    /// More may come with the next poll.
    Open,
    /// There is more already: the next poll is due at once.
    Behind,
    /// Nothing more will come.
    Complete,
}

/// Where the log of a watched build goes. It limits, redacts and sanitizes.
pub trait LogSink {
    /// What follows belongs to this step, which has ended. Never called for a log that has no steps.
    fn step(&mut self, step: &Step);

    /// The next bytes, as text without markup. They may end within a line, or within a character.
    fn write(&mut self, bytes: &[u8]);

    /// The step, or the whole log, is complete.
    fn end(&mut self);
}

/// An artifact with its links.
#[derive(Debug, Clone)]
pub struct RemoteArtifact {
    /// What is known of it.
    pub artifact: Artifact,
    /// Where its bytes are.
    pub links: ArtifactLinks,
}

/// The links of an artifact.
#[derive(Debug, Clone, Default)]
pub struct ArtifactLinks {
    /// A link that is the permission itself, and ends soon.
    pub signed_url: Option<Url>,
    /// A link that lasts and needs the credentials.
    pub lasting_url: Option<Url>,
}

/// Reads the suites of a report from the service's answer.
pub type ReadSuites = for<'a> fn(&'a str) -> Box<dyn Iterator<Item = TestSuite<'a>> + 'a>;

/// The test results of a build. They stay in the service's answer, and are read from it whenever they are needed: as
/// values, a hundred thousand tests would take several times its size.
pub struct TestReport {
    /// How many tests ended how.
    pub counts: TestCounts,
    answer: String,
    read: ReadSuites,
}

impl Default for TestReport {
    fn default() -> Self {
        Self { counts: TestCounts::default(), answer: String::new(), read: |_| Box::new(std::iter::empty()) }
    }
}

impl TestReport {
    /// A report with the counts that the service states; without them they are those of the listed tests.
    pub fn new(counts: Option<TestCounts>, answer: String, read: ReadSuites) -> Self {
        let report = Self { counts: counts.unwrap_or_default(), answer, read };
        let counts = counts.unwrap_or_else(|| TestCounts::of(report.suites().flat_map(|suite| (suite.cases)())));
        Self { counts, ..report }
    }

    /// Whether there is no test at all.
    pub fn is_empty(&self) -> bool {
        self.counts.total() == 0 && !self.has_suites()
    }

    /// Whether tests are listed: a report of counts alone has none.
    pub fn has_suites(&self) -> bool {
        self.suites().next().is_some()
    }

    /// The listed tests.
    pub fn suites(&self) -> impl Iterator<Item = TestSuite<'_>> {
        (self.read)(&self.answer)
    }

    /// The listed tests that failed or broke, each with the name of its suite.
    pub fn failures(&self) -> impl Iterator<Item = (Rc<str>, TestCase)> {
        let is_bad = |case: &TestCase| matches!(case.status, TestStatus::Failed | TestStatus::Errored);
        self.suites().flat_map(move |suite| {
            let name = Rc::from(suite.name);
            (suite.cases)().filter(is_bad).map(move |case| (Rc::clone(&name), case))
        })
    }
}
